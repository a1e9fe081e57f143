"""What editors want of the chat now, and the last that was known of it while the desk's file cannot be read.

The log of acts only grows. So a file in which the last known act does not stand is not the one that was here: it is
gone, or another was begun in its place. What is known of the log is kept in memory and, for the next start, in a copy
in the data folder. The copy can take the place of a lost file.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assistant.errors import ConfigurationError
from assistant.files import replacing
from assistant.settings import Settings
from assistant.web.observability import log
from assistant.web.storage import desk_file
from assistant.web.storage.desk_file import Act, Do

_WAIT_SECONDS = 1.0
"""So long another process may write the file, which takes milliseconds; and between two looks at one that cannot be
read."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What editors want of the chat."""

    off: Mapping[str, str] = field(default_factory=dict)
    """By the article that is switched off, what is said instead."""
    pins: Mapping[tuple[str, str], Act] = field(default_factory=dict)
    """By the article that is asked, empty for all of them, and `same` question, the editor's answer."""


def same(question: str) -> str:
    """Return what two spellings of a question have in common: its words, without capitals and punctuation."""
    return " ".join(re.findall(r"\w+", question.casefold()))


def rules_of(acts: Iterable[Act]) -> Rules:
    """Return what follows from acts, in their order."""
    off: dict[str, str] = {}
    pins: dict[tuple[str, str], Act] = {}
    for act in acts:
        place = ("" if act.of_all else act.article), same(act.question)
        match act.act:
            case Do.OFF:
                off[act.article] = act.words
            case Do.ON:
                off.pop(act.article, None)
            case Do.PIN:
                pins[place] = act
            case Do.UNPIN:
                pins.pop(place, None)
    return Rules(off, pins)


class Rulebook:
    """The log of one desk. For several threads."""

    def __init__(self, file: Path, copy: Path) -> None:
        """Take where the desk's file is, and where this process has its copy."""
        self.file = file
        self._copy = copy
        self._lock = threading.Lock()
        self._looks_again_at = 0.0
        self._acts: Sequence[Act] | None = None
        self._copied = 0
        self.last = Rules()
        """As they were read last."""
        self.problem = ""
        """Why the file cannot be read, and what to do; empty where it can."""

    @property
    def acts(self) -> Sequence[Act]:
        """All that are known, in their order."""
        return self._acts or ()

    def read(self) -> Rules:
        """Return the rules that hold.

        Raises:
            ConfigurationError: the file cannot be read, and nothing is known of what stands in it.
        """
        with self._lock:
            if not self.problem or time.monotonic() >= self._looks_again_at:
                self._look()
            if self._acts is None:
                raise ConfigurationError(self.problem)
            return self.last

    def do(self, act: Act) -> int:
        """Write an act into the log, and return its number there; from then on it holds.

        Raises:
            ConfigurationError: the file cannot be read.
            sqlite3.Error: the file is full or damaged.
            OSError: the file cannot be written.
        """
        self.read()
        if self.problem:
            raise ConfigurationError(self.problem)
        number = desk_file.do(self.file, act)
        self.read()
        return number

    def _look(self) -> None:
        """Take up what was added to the log, or note why it cannot be read."""
        try:
            if self._acts is None:
                copied = read_copy(self._copy, self.file)
                self._acts, self._copied = copied or None, len(copied)  # Without a copy nothing is known yet.
            self._acts = read_log(self.file, self.acts, self._copy)
        except ConfigurationError as error:
            self.problem = str(error)
            self._looks_again_at = time.monotonic() + _WAIT_SECONDS
            log.error("%s", error)
        else:
            self.problem = ""
            self._keep_copy()
        self.last = rules_of(self.acts)

    def _keep_copy(self) -> None:
        if len(self.acts) == self._copied:
            return
        try:
            with replacing(self._copy) as new:
                new.unlink(missing_ok=True)
                desk_file.copy(new, self.acts)
            self._copied = len(self.acts)
        except (sqlite3.Error, OSError):
            log.exception("the copy of the desk's log could not be written")


def read_copy(copy: Path, file: Path) -> list[Act]:
    """Return the acts that were known when the process ended; none where there were none.

    Raises:
        ConfigurationError: it cannot be read, and the desk's file is not there to read them from.
    """
    try:
        return desk_file.acts(copy)
    except (sqlite3.Error, OSError) as error:
        if file.exists():
            return []
        raise ConfigurationError(f"{file} is gone, and its copy {copy} is damaged", "restore one of them") from error


def read_log(file: Path, known: Sequence[Act], copy: Path) -> list[Act]:
    """Return all acts of the desk's file, which begin with those that are known; none where there is no file yet.

    Raises:
        ConfigurationError: the file cannot be read, or is not the one that was here.
    """
    last = list(known[-1:])
    since = (last[0].number if last else None) or 0
    try:
        newer = desk_file.acts(file, since, _WAIT_SECONDS)
        if newer[: len(last)] == last:
            return [*known, *newer[len(last) :]]
        what = "is not the one that was here" if file.exists() else "is gone"
        is_locked = False
    except (sqlite3.Error, OSError) as error:
        what = f"cannot be used ({error.strerror if isinstance(error, OSError) else error})"
        is_locked = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
    holds = ", and the last rules hold" if known else ""
    cure = f"put {copy} in its place" if known else "take it away"
    cure = "end the process that has it locked" if is_locked else f"restore it, or {cure}"
    raise ConfigurationError(f"The desk's file {file} {what}{holds}", cure)


def check(settings: Settings) -> None:
    """Make sure that the desk's file can be used, where there is one or was one. Nothing is changed.

    Raises:
        ConfigurationError: it cannot.
    """
    file, copy = desk_file.file_of(settings), desk_file.copy_of(settings)
    read_log(file, read_copy(copy, file), copy)
    try:
        if file.exists():
            desk_file.try_writing(file)
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"The desk's file {file} cannot be written ({reason})", "make room there") from error
