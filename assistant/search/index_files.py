"""The files of an index that are whole or not there, and the lock that lets one process write them.

RECIPE/            all that was made in one way; a folder of another way is deleted
    articles/      what the embedder made of each article: `article_files.py`
    keywords/      the words of all passages and sentences: `keywords.py`
    chroma/        the passages' vectors, to find the nearest: `collection.py`
    sealed.json    what the files of `keywords` and `chroma` were when they were last closed
index.lock         held by the process that has the index open; its number is in index.pid
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import filelock

from assistant.errors import ConfigurationError, IndexLockedError
from assistant.files import sha256, sha256_of, write_whole

SEALED = KEYWORDS, CHROMA = "keywords", "chroma"
_RECORD = "sealed.json"
_CLOSING_SECONDS = 5.0
"""Chroma closes its files in a thread of its own, within a moment."""


def lock(folder: Path) -> filelock.BaseFileLock:
    """Return a lock on the folder that is already held.

    Raises:
        IndexLockedError: another process holds it.
        ConfigurationError: the folder cannot be written.
    """
    held = filelock.FileLock(folder / "index.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held.acquire(timeout=0)
        (folder / "index.pid").write_text(str(os.getpid()))
    except filelock.Timeout as error:
        raise IndexLockedError(
            f"The index in {folder} is in use by process {_holder(folder)}",
            "stop it, or set ASSISTANT_DATA to another folder",
        ) from error
    except OSError as error:
        held.release()
        raise ConfigurationError(
            f"The folder {folder} cannot be written ({error.strerror})", "set ASSISTANT_DATA to another one"
        ) from error
    return held


def lock_holder(folder: Path) -> str:
    """Return the number of the process that has the index in a folder open; empty when none has.

    Raises:
        OSError: the lock file cannot be opened.
    """
    if not (folder / "index.lock").exists():
        return ""
    try:
        with filelock.FileLock(folder / "index.lock", timeout=0):
            return ""
    except filelock.Timeout:
        return _holder(folder)


def _holder(folder: Path) -> str:
    file = folder / "index.pid"
    return file.read_text() if file.exists() else "unknown"


def seal(place: Path) -> None:
    """Note the SHA-256 of every file of a closed index; where it is still being closed after a while, note nothing.

    Raises:
        OSError: there is no room.
    """
    patience = time.monotonic() + _CLOSING_SECONDS
    while any(link.startswith(str(place)) for link in _open_files()):
        if time.monotonic() > patience:
            return
        time.sleep(0.01)
    write_record(place / _RECORD, json.dumps({str(path.relative_to(place)): sha256_of(path) for path in _files(place)}))


def is_sealed(place: Path) -> bool:
    """Whether an index was closed, and not opened since."""
    return bool(read_record(place / _RECORD))


def unseal(place: Path) -> None:
    """Note that the files may change from now on."""
    (place / _RECORD).unlink(missing_ok=True)


def damaged(place: Path) -> list[Path]:
    """Return the files that are not as they were sealed, or gone."""
    files: dict[str, str] = json.loads(read_record(place / _RECORD) or "{}")
    found = ((place / name, digest) for name, digest in files.items())
    return [path for path, digest in found if not path.is_file() or sha256_of(path) != digest]


def _files(place: Path) -> list[Path]:
    """Return the files whose damage nothing else would show; locks are none of them."""
    found = (path for part in SEALED for path in (place / part).rglob("*"))
    return sorted(path for path in found if path.is_file() and not path.name.endswith(".lock"))


def _open_files() -> list[str]:
    """Return the files that this process has open, as far as the system shows them."""
    descriptors = Path("/proc/self/fd")
    found = []
    for link in descriptors.iterdir() if descriptors.is_dir() else ():
        try:
            found.append(str(link.readlink()))
        except OSError:
            continue  # It was closed meanwhile.
    return found


def read_record(path: Path) -> str:
    """Return what `write_record` wrote; empty where that is missing or damaged."""
    try:
        digest, _, body = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, ValueError):
        return ""
    return body if sha256(body) == digest else ""


def write_record(path: Path, body: str) -> None:
    """Write a text with its checksum, whole or not at all.

    Raises:
        OSError: there is no room, or the folder cannot be written.
    """
    write_whole(path, f"{sha256(body)}\n{body}".encode())
