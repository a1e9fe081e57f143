"""What the desk keeps, in one SQLite file: readers' questions for some days, and what editors did, for good.

The acts are the log; what follows from them is said in `rules.py`. The file lies beside that of readers' reports, since
neither can be rebuilt and the processes of one machine share both. Nothing in it says who asked.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from assistant.settings import Settings
from assistant.types import Answer, Status
from assistant.web.observability import log
from assistant.web.storage import database
from assistant.web.storage.stripping import stripped

ENDS = (Status.ANSWERED, Status.QUOTED, Status.PINNED, Status.DECLINED, "failed")
"""How a question that is kept may have ended."""
_DISMISSED = "dismissed"
"""In place of declined, where an editor has seen to it."""
MAX_FILE_BYTES = 200_000_000
"""A full file takes no more questions, and the log says so, at about a million; editors have as much room besides."""
_ERASE_SECONDS = 3600.0
"""Between two looks at what is too old."""
_MOST = 500
"""Of the latest declined questions that are looked at."""
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS questions (
        question TEXT NOT NULL, article TEXT NOT NULL, ended TEXT NOT NULL, site TEXT NOT NULL, version TEXT NOT NULL,
        start INTEGER NOT NULL, end INTEGER NOT NULL, at TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE IF NOT EXISTS acts (
        act TEXT NOT NULL, article TEXT NOT NULL, words TEXT NOT NULL, question TEXT NOT NULL, signature TEXT NOT NULL,
        at TEXT NOT NULL, number INTEGER PRIMARY KEY
    ) STRICT""",
    "ALTER TABLE questions ADD COLUMN of_all INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE acts ADD COLUMN of_all INTEGER NOT NULL DEFAULT 0",
)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="minutes")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is kept."""

    question: str
    article: str
    """The id of the one that it was asked of, or that the answer is from; empty where that is none or several."""
    ended: str
    """One of `ENDS`."""
    site: str = ""
    """Where the chat stood, if on a publisher's page."""
    version: str = ""
    """Of the article, in which the closest words of a refusal stand."""
    start: int = 0
    end: int = 0
    at: str = field(default_factory=_now)
    of_all: bool = False
    """Whether it was asked of all articles. A file of an earlier release does not say so."""


def asked(question: str, article: str, ended: str, site: str, answer: Answer | None) -> Asked:
    """Return what is kept: of the answer, only which article it is from and where its closest words are."""
    told = answer.articles if answer else ()
    about = article or (told[0].id if told else "")
    closest = next((each for each in (answer.closest if answer else ()) if each.article.id == about), None)
    place = (closest.article.version, closest.start, closest.end) if closest else ("", 0, 0)
    return Asked(question, about, ended, site, *place, of_all=not article)


class Do(StrEnum):
    """What an editor does."""

    OFF = "switch off"
    ON = "switch on"
    PIN = "pin"
    UNPIN = "take away"
    LINE = "make a line"
    DISMISS = "dismiss"


@dataclass(frozen=True, slots=True)
class Act:
    """What an editor did; nobody knows which one."""

    act: str
    article: str
    """The id of the one that it is about; empty where that is none or several."""
    words: str = ""
    """The editor's own: why an article is off, or an answer."""
    question: str = ""
    """What an answer of the editor's is pinned to."""
    signature: str = ""
    at: str = field(default_factory=_now)
    number: int | None = None
    """Its place in the log."""
    of_all: bool = False
    """Whether an answer is for those who ask all articles, and not that one alone."""


def file_of(settings: Settings) -> Path:
    """Return where the desk keeps what it keeps."""
    return settings.feedback.with_name("desk.sqlite3")


def copy_of(settings: Settings) -> Path:
    """Return where each process keeps a copy of the acts, apart from that file."""
    return settings.data / "desk-copy.sqlite3"


_Row = TypeVar("_Row", Asked, Act)


def _read(kind: type[_Row], rows: Iterable[sqlite3.Row]) -> list[_Row]:
    """Return the rows, with what a file of an earlier release has not, and without what one of a later release has."""
    names = {each.name for each in fields(kind)}
    return [kind(**{name: value for name, value in dict(row).items() if name in names}) for row in rows]


def keep(file: Path, asked: Asked) -> None:
    """Keep a question, without what shows who asked it; a fault is logged, and no reader waits for it."""
    try:
        with database.writing(file, _SCHEMA, MAX_FILE_BYTES) as opened:
            database.add(opened, "questions", asdict(replace(asked, question=stripped(asked.question))))
    except (sqlite3.Error, OSError):
        log.exception("a question could not be kept")


def erase(file: Path, days: int) -> None:
    """Erase the questions that are older than so many days; all where it is 0.

    Raises:
        sqlite3.Error: the file is damaged, or the disk full.
        OSError: the file cannot be written.
    """
    if file.exists():
        until = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="minutes")
        with _opened(file) as opened:
            opened.execute("DELETE FROM questions WHERE at < ? OR ?", (until, days == 0))


@contextmanager
def erasing(settings: Settings) -> Iterator[None]:
    """Erase what is too old now, and every hour until the block ends."""
    stop = threading.Event()

    def erase_often() -> None:
        while True:
            try:
                erase(file_of(settings), settings.keep_questions)
            except (sqlite3.Error, OSError):
                log.exception("questions that are too old could not be erased")
            if stop.wait(_ERASE_SECONDS):
                return

    thread = threading.Thread(target=erase_often, name="erasing")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def do(file: Path, act: Act) -> int:
    """Do it, by writing it into the log, and return its number there.

    Raises:
        sqlite3.Error: the file is full or damaged.
        OSError: the file cannot be written.
    """
    with _opened(file) as opened:
        return database.add(opened, "acts", asdict(replace(act, question=stripped(act.question))))


def acts(file: Path, since: int = 0, wait: float = database.WAIT_SECONDS) -> list[Act]:
    """Return the acts from that number on, in their order.

    Raises:
        sqlite3.Error: the file is damaged, or another process has it for longer than `wait` seconds.
        OSError: its folder cannot be looked at.
    """
    return _read(Act, database.rows(file, "SELECT * FROM acts WHERE number >= ? ORDER BY number", since, wait=wait))


def copy(file: Path, acts: Iterable[Act]) -> None:
    """Write these acts, with their numbers, into a file that can take the place of a desk's.

    Raises:
        sqlite3.Error: it is damaged, or the disk full.
        OSError: it cannot be made.
    """
    with _opened(file) as opened:
        for act in acts:
            database.add(opened, "acts", asdict(act))


def counts(file: Path) -> list[tuple[str, str, str, int]]:
    """Return day, article, how it ended and how many, of all questions that are kept; the latest day first."""
    query = """SELECT substr(at, 1, 10) AS day, article, CASE ended WHEN ? THEN ? ELSE ended END, count(*)
        FROM questions GROUP BY 1, 2, 3 ORDER BY 1 DESC"""
    found = database.rows(file, query, _DISMISSED, Status.DECLINED)
    return [(day, article, ended, count) for day, article, ended, count in found]


def declined(file: Path, words: str = "") -> tuple[list[Asked], dict[str, int]]:
    """Return the latest declined questions with these words in them, newest first; and by article, how many there are.

    Those that an editor dismissed are left out.
    """
    chosen = "FROM questions WHERE ended = ? AND instr(lower(question), lower(?))"
    latest = f"SELECT * {chosen} ORDER BY rowid DESC LIMIT ?"
    counted = f"SELECT article, count(*) {chosen} GROUP BY article"
    rows = database.rows(file, latest, Status.DECLINED, words, _MOST)
    return _read(Asked, rows), dict(map(tuple, database.rows(file, counted, Status.DECLINED, words)))


def dismiss(file: Path, article: str, wordings: Iterable[str], *, of_all: bool) -> None:
    """Take declined questions of one article, or of all articles, from the desk's list; they still count.

    Who asks in these words later puts them there again.

    Raises:
        sqlite3.Error: the file is full or damaged.
        OSError: the file cannot be written.
    """
    query = """UPDATE questions SET ended = ?
        WHERE ended = ? AND question = ? AND of_all = ? AND (of_all OR article = ?)"""
    with _opened(file) as opened:
        opened.executemany(query, [(_DISMISSED, Status.DECLINED, each, of_all, article) for each in wordings])


def try_writing(file: Path) -> None:
    """Find out whether the file could be written, without a change to it.

    Raises:
        sqlite3.Error: the file is damaged, or the disk full.
        OSError: the file cannot be written.
    """
    with _opened(file) as opened:
        opened.rollback()


def _opened(file: Path) -> AbstractContextManager[sqlite3.Connection]:
    """Open the file for what editors do, which has as much room as readers' questions have."""
    return database.writing(file, _SCHEMA, 2 * MAX_FILE_BYTES)
