"""How many tokens a language model took, for each answer and by day.

The days stand in an SQLite file in the data folder, so that a budget survives a restart and holds for all processes
that share the folder. A day is one of UTC.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from assistant.types import Usage

logger = logging.getLogger(__name__)

LEDGER = "tokens.sqlite3"
"""The file in the data folder."""

_TABLE = """CREATE TABLE IF NOT EXISTS days (
    day TEXT PRIMARY KEY,
    calls INTEGER NOT NULL, read INTEGER NOT NULL, cached INTEGER NOT NULL, written INTEGER NOT NULL,
    spent_at TEXT
)"""
_ADD = """INSERT INTO days (day, calls, read, cached, written) VALUES (?, ?, ?, ?, ?) ON CONFLICT (day) DO UPDATE SET
    calls = calls + excluded.calls, read = read + excluded.read,
    cached = cached + excluded.cached, written = written + excluded.written"""
_SPENT = "UPDATE days SET spent_at = ? WHERE day = ? AND spent_at IS NULL AND read + written >= ?"


@dataclass(frozen=True, slots=True)
class Day:
    """What was used on a day, by its ISO date, and when its budget was spent, as in "14:05"; empty where it was not."""

    day: str
    usage: Usage
    spent_at: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """Money for a million tokens: read, read from the provider's cache, written."""

    read: float
    cached: float
    written: float

    def of(self, usage: Usage) -> float:
        """Return what the calls cost."""
        fresh = usage.read - usage.cached
        return (fresh * self.read + usage.cached * self.cached + usage.written * self.written) / 1e6


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """The tokens of each day, in a file, and how many a day may have."""

    def __init__(self, file: Path, tokens_per_day: int = 0, clock: Callable[[], datetime] = _now) -> None:
        """Take the file, which is made when it is first written, the budget, 0 for any number, and a clock of UTC."""
        self._file = file
        self.tokens_per_day = tokens_per_day
        self._clock = clock

    def add(self, usage: Usage) -> None:
        """Count what a call took, today; where the file cannot be written that is logged, and the answer stands."""
        now = self._clock()
        day = now.date().isoformat()
        try:
            with self._opened() as connection:
                connection.execute(_ADD, (day, usage.calls, usage.read, usage.cached, usage.written))
                if self.tokens_per_day:
                    connection.execute(_SPENT, (f"{now:%H:%M}", day, self.tokens_per_day))
        except (sqlite3.Error, OSError) as error:
            logger.warning("The tokens of a call could not be counted in %s: %s", self._file, error)

    @property
    def is_spent(self) -> bool:
        """Whether the budget of today is used up; also where there is a budget and its file cannot be read."""
        if not self.tokens_per_day:
            return False
        try:
            today = self._clock().date().isoformat()
            return any(each.day == today and each.usage.tokens >= self.tokens_per_day for each in self.days(1))
        except (sqlite3.Error, OSError) as error:
            logger.warning("The tokens of today cannot be read from %s: %s", self._file, error)
            return True

    def days(self, most: int) -> list[Day]:
        """Return the last days on which something was used, newest first.

        Raises:
            sqlite3.Error: the file is damaged.
            OSError: it cannot be read.
        """
        query = "SELECT day, calls, read, cached, written, spent_at FROM days ORDER BY day DESC LIMIT ?"
        with self._opened() as connection:
            rows = connection.execute(query, (most,)).fetchall()
        return [Day(day, Usage(*numbers), spent_at or "") for day, *numbers, spent_at in rows]

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._file, timeout=5.0)) as connection, connection:
            connection.execute(_TABLE)
            yield connection
