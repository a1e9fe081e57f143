"""Write files whole or not at all, take SHA-256, and name what is called with progress.

Knows nothing of what the files hold.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much in all."""


def silent(what: str, done: int, total: int) -> None:
    """Show no progress."""


def sha256(content: bytes | str) -> str:
    """Return the SHA-256 of some bytes, or of a text in UTF-8, in hexadecimal."""
    content = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    return hashlib.sha256(content).hexdigest()


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of what a file holds, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def partial_of(path: Path) -> Path:
    """Return where a file is written before it is whole; a process that was killed leaves it there."""
    return path.with_name(f".{path.name.lstrip('.')}.partial")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file to write, which takes the place of `path` when the block ends, and is deleted when it fails.

    One process at a time may write a path.
    """
    partial = partial_of(path)
    try:
        yield partial
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()


def write_whole(path: Path, content: bytes, *, synced: bool = False) -> None:
    """Write a file whole or not at all: as far as this machine goes on, and where it is synced, if its power fails too.

    Raises:
        OSError: there is no room, or the folder cannot be written.
    """
    with replacing(path) as partial, partial.open("wb") as file:
        file.write(content)
        if synced:
            file.flush()
            os.fsync(file.fileno())


def nearest_folder(folder: Path) -> Path:
    """Return the folder, or the nearest above it that is there."""
    return next(each for each in (folder, *folder.absolute().parents) if each.is_dir())


def unwritable(folder: Path) -> str:
    """Return why nothing can be written to a folder that is there, in the system's words; empty where something can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
    except OSError as error:
        return error.strerror or str(error)
    return ""
