"""The folder of the embedded index: a sealed database, its checksums, and the file that says which one is in use.

    CURRENT.json      what is in use: the sealed database, the SHA-256 of its files, and its articles
    NAME/             the sealed database: written once, then never again
    vectors.sqlite    the vector of each text, so that building anew embeds nothing
    stems.txt         counts of the words of each article, which no search needs
    index.lock        held by the process that has the index open; its number is in index.pid
    building-…/       a database that is not sealed yet
    open-…/           a copy of the sealed database, which is searched: Chroma writes even when it only reads

Everything becomes visible by a rename, last of all CURRENT.json, so whatever is interrupted leaves the index before in
place. Every other folder is what an interrupted process left, and the next start deletes it. Knows nothing of vectors
or of Chroma but the name of its database.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock

from assistant.errors import ConfigurationError, IndexLockedError

DATABASE = "chroma.sqlite3"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed database, as CURRENT.json tells of it."""

    name: str
    recipe: str
    """How it was made; it is opened only by code that would make it in the same way."""
    passages: int
    articles: Mapping[str, str]
    """SHA-256 of the text of each article in it, by the article's id."""
    latest: Mapping[str, str]
    """The same of the articles that the index was last opened for; where they differ, the copy is changed into them."""
    files: Mapping[str, str]
    """SHA-256 of each file, by its path in the database's folder."""


def current(folder: Path) -> Sealed | None:
    """Return what is in use; None where there is no record, or a damaged one."""
    try:
        return Sealed(**json.loads(read_record(folder / "CURRENT.json")))
    except (ValueError, TypeError):
        return None


def switch(folder: Path, sealed: Sealed) -> None:
    """Put a sealed database in use.

    Raises:
        OSError: there is no room.
    """
    write_record(folder / "CURRENT.json", json.dumps(asdict(sealed)))


def seal(building: Path, folder: Path) -> tuple[str, dict[str, str]]:
    """Seal a closed database, on disk to its last byte; return its new name and the SHA-256 of its files.

    Raises:
        OSError, sqlite3.Error: there is no room.
    """
    name = secrets.token_hex(8)
    # Chroma may still be closing it in a thread of its own: the copy is of one moment, and without free pages.
    copy = building / "sealed.sqlite3"
    with closing(sqlite3.connect(building / DATABASE)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    copy.replace(building / DATABASE)
    (building / f"{DATABASE}-journal").unlink(missing_ok=True)
    files = {}
    for path in sorted(path for path in building.rglob("*") if path.is_file()):
        _sync(path)
        files[str(path.relative_to(building))] = _sha256(path)
    building.replace(folder / name)
    _sync(folder)
    return name, files


def copy_out(folder: Path, sealed: Sealed, place: Path) -> list[str]:
    """Copy a sealed database to an empty place, and return what is wrong with it; nothing when it may be opened.

    Raises:
        OSError: there is no room.
    """
    found = []
    for name, sha256 in sealed.files.items():
        source, target = folder / sealed.name / name, place / name
        if not source.is_file():
            found.append(f"{source} is missing")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        # The copy is digested, not what was sealed: that is what will be read.
        if _sha256(target) != sha256:
            found.append(f"{source} has changed")
    return found


def tidy(folder: Path) -> None:
    """Delete what is not in use: what was sealed before, and the rest of what was interrupted."""
    sealed = current(folder)
    for path in folder.iterdir():
        if path.is_dir() and (sealed is None or path.name != sealed.name):
            shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob("*.partial"):
        path.unlink()


# The lock


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
            f"The index in {folder} is in use by process {_holder(folder)}: "
            "stop it, or set ASSISTANT_DATA to another folder"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} cannot be written ({error.strerror}): set ASSISTANT_DATA to another one"
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


# Files that are whole or not there


def read_record(path: Path) -> str:
    """Return what `write_record` wrote; empty where that is missing or damaged."""
    try:
        sha256, _, body = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, ValueError):
        return ""
    return body if hashlib.sha256(body.encode()).hexdigest() == sha256 else ""


def write_record(path: Path, body: str) -> None:
    """Write a text with its checksum, whole or not at all.

    Raises:
        OSError: there is no room, or the folder cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}", encoding="utf-8")
    _sync(partial)
    partial.replace(path)
    _sync(path.parent)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
