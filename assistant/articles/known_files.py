"""What was read of article files, kept on disk, so that a start reads only those that have changed since.

A file is known by its size and number and by when its words, and anything of it, changed last. What cannot be read is
read again each time. The file in which it is kept is a cache: a damaged one, or one that other code wrote, is ignored.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from assistant.articles.reading import ReadFile, read_file
from assistant.files import sha256, write_whole
from assistant.types import Article

logger = logging.getLogger(__name__)

State = tuple[int, int, int, int]

_Entry = tuple[State, Article, tuple[str, ...]]
_ENTRIES = TypeAdapter(dict[str, _Entry])
_NO_UNICODE = re.compile("[\ud800-\udfff]")


def state_of(path: Path) -> State:
    """Return when a file's words, and anything of it, changed last, its size, and which file it is.

    Raises:
        OSError: there is none.
    """
    status = path.stat()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


class KnownFiles:
    """Reads article files, and remembers what it read."""

    def __init__(self, file: Path, read: ReadFile = read_file) -> None:
        """Take the file that it is kept in, which need not be there, and what reads an article's file."""
        self._file = file
        self._read = read
        self._before: dict[str, _Entry] = {}
        self._now: dict[str, _Entry] = {}
        try:
            recipe, digest, body = file.read_bytes().split(b"\n", 2)
            if (recipe, digest) == (_recipe(), sha256(body).encode()):
                self._before = _ENTRIES.validate_json(body)
        except (OSError, ValueError, ValidationError):
            pass

    def read(self, path: Path, folder: Path | None = None) -> tuple[Article, tuple[str, ...]]:
        """Return the article of a file and what had to be left out of it, as `read_file` does.

        Raises:
            Exception: as `read_file`.
        """
        state = state_of(path)
        known = self._before.get(str(path))
        if known is None or known[0] != state:
            known = state, *self._read(path, folder)
            if state_of(path) != state:  # It was changed meanwhile.
                return known[1:]
        if not _NO_UNICODE.search(str(path)):  # It may be the title, and cannot be kept.
            self._now[str(path)] = known
        return known[1:]

    def save(self) -> None:
        """Keep what was read now, if it is not what was kept; where there is no room, the next start reads again."""
        if self._now == self._before:
            return
        body = _ENTRIES.dump_json(self._now)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._file, b"\n".join([_recipe(), sha256(body).encode(), body]))
        except OSError as error:
            logger.warning("%s cannot be written (%s): the next start reads all files", self._file, error.strerror)


def _recipe() -> bytes:
    """Return a digest of the code that reads articles."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py"))]
    return sha256(b"".join(sources)).encode()
