"""Follow a folder of article files, with its subfolders: when one has come, changed or gone, all articles as they are.

A file counts when it has stayed as it is for a moment: until then it may be half-written, and what it held before
stands. What wakes the reader may be lost, as on a disk of the network, so it looks by itself too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from watchfiles import watch

from assistant.articles.reading import Corpus, ReadFile, listed, read_corpus, read_file
from assistant.articles.standing import HeldBackError
from assistant.types import Article

QUIET_SECONDS = 0.5
"""How long a file must have stayed as it is, or gone, before that counts."""
_LOOK_SECONDS = 2.0
"""The longest time between two looks at the folder."""

_MOMENT_SECONDS = 0.05
"""How often the reader asks its watcher whether something has happened."""

_AGAIN_SECONDS = 30.0

_State = tuple[int, int, int, int] | None
"""When its words, and anything of it, changed last, its size, and which file it is; None where it is gone."""

_log = logging.getLogger(__name__)


def changes(
    folder: Path,
    served: Corpus,
    stop: threading.Event,
    read: ReadFile = read_file,
    goes_on: Callable[[], bool] = lambda: False,
) -> Iterator[Corpus]:
    """Yield the articles of the folder whenever they are others than before, until `stop` is set.

    They come again every half a minute, in case they could not be taken up, and at once while that goes on. While
    something is wrong with the folder itself, the log says what, and the articles stay as they were. `read` may be a
    reader of files that knows some of them already.
    """
    files, again = _Files(folder, read), time.monotonic() + _AGAIN_SECONDS
    while not stop.is_set():
        # It is begun anew each time: a folder may have been replaced by another of its name.
        with closing(_noticed(files.folders, stop)) as noticed:
            next(noticed, None)  # From now on it notices, also what changes while the folder is looked at.
            try:
                found = files.look()
            except Exception:  # noqa: BLE001 - it may go well the next time
                _log.exception("The folder of articles could not be looked at")
                found = None
            if found is not None and (found != served or goes_on() or time.monotonic() >= again):
                served, again = found, time.monotonic() + _AGAIN_SECONDS
                yield served
                continue  # There may be new subfolders.
            _wait(noticed, QUIET_SECONDS / 2 if files.are_changing else _LOOK_SECONDS)


def _wait(noticed: Iterator[bool], seconds: float) -> None:
    """Return when something has happened, or after so many seconds."""
    until = time.monotonic() + seconds
    for has_happened in noticed:
        if has_happened or time.monotonic() >= until:
            return


def _noticed(folders: Iterable[Path], stop: threading.Event) -> Generator[bool]:
    """Yield every moment, until `stop` is set, whether something has happened in one of the folders since the last."""
    try:
        # Each is watched by itself, since to watch all below one would follow links out of it.
        happening = watch(
            *folders,
            watch_filter=None,
            debounce=200,
            stop_event=stop,
            rust_timeout=int(_MOMENT_SECONDS * 1000),
            yield_on_timeout=True,
            raise_interrupt=False,
            recursive=False,
        )
        yield from map(bool, happening)
    except OSError:
        pass  # A folder is not there now, or the system has no more watchers to give.
    except RuntimeError:
        _log.exception("The folder of articles could not be watched, and is looked at now and then")
    while not stop.wait(_MOMENT_SECONDS):
        yield False


class _Files:
    """The files of a folder, and what was read of each."""

    def __init__(self, folder: Path, read: ReadFile) -> None:
        self._folder = folder
        self._read_file = read
        self._states: dict[Path, tuple[_State, float]] = {}
        """What each file was at the last look, and since when; what was there at first counts at once."""
        with suppress(OSError):
            self._states = {path: (state, 0.0) for path, state in self._there().items()}
        self._read: dict[Path, tuple[_State, tuple[Article, tuple[str, ...]] | Exception]] = {}
        """What was read of a file in that state, or why nothing could be."""
        self._now = time.monotonic()
        self._found = Corpus(())
        self._is_due = True
        """Whether the articles may be others than those that were found last."""
        self._failed = False
        """Whether the system kept a file from being read then."""

    @property
    def folders(self) -> set[Path]:
        """The folder, and the subfolders that hold files."""
        return {self._folder, *(path.parent for path in self._states)}

    @property
    def are_changing(self) -> bool:
        """Whether one of them changed a moment ago."""
        return any(self._is_fresh(path) for path in self._states)

    def look(self) -> Corpus | None:
        """Return the articles of the files as they are now; None where that has to wait, because one has just gone.

        Raises:
            OSError: the folder is there, and its files cannot be listed.
        """
        self._now = time.monotonic()
        there = self._there()
        for path in self._states.keys() | there.keys():
            known, _ = self._states.get(path, (None, 0.0))
            if path not in self._states or known != there.get(path):
                self._states[path] = (there.get(path), self._now)
                self._is_due = True
        gone = [path for path, (state, _) in self._states.items() if state is None]
        if any(self._is_fresh(path) for path in gone if path in self._read):
            return None  # Some programs delete a file before they write it anew.
        for path in gone:
            del self._states[path]
            self._read.pop(path, None)
        if self._is_due:
            self._failed = False
            self._found = read_corpus(self._folder, self._settled)
            # What kept a file from being read may pass without a change of any file.
            self._is_due = self.are_changing or self._failed
        return self._found

    def _there(self) -> dict[Path, _State]:
        try:
            return {path: state for path in listed(self._folder)[0] if (state := _state(path))}
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def _is_fresh(self, path: Path) -> bool:
        return self._now - self._states[path][1] < QUIET_SECONDS

    def _settled(self, path: Path, folder: Path | None) -> tuple[Article, tuple[str, ...]]:
        """Return what a file holds, or held until it began to change.

        Raises:
            HeldBackError: nothing was read of it yet.
            ValueError, OSError: as `read_file`.
            Exception: whatever reading the file made go wrong.
        """
        state = _state(path)
        known, found = self._read.get(path, (None, HeldBackError()))
        if known != state and self._states.get(path, (None, 0.0))[0] == state and not self._is_fresh(path):
            now: tuple[Article, tuple[str, ...]] | Exception
            try:
                now = self._read_file(path, folder)
            except Exception as error:  # noqa: BLE001 - it is told of this file, as `read_corpus` does
                now = error
            if _state(path) == state:  # Else it was changed while it was read.
                found = now
                self._read[path] = state, now
                if isinstance(now, OSError):
                    del self._read[path]  # It is tried again.
                    self._failed = True
        if isinstance(found, Exception):
            raise found.with_traceback(None)  # Else it would grow by each time that it is raised.
        return found


def _state(path: Path) -> _State:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
