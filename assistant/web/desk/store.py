"""What the desk keeps, in one SQLite file: readers' questions for some days, and what editors did, for good.

The acts are the log, and what holds now is what follows from them in their order; so nothing holds that is not in the
log. The file lies beside that of readers' reports, since neither can be rebuilt and the processes of one machine share
both. Nothing tells who asked. Knows nothing of pages.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from assistant.errors import ConfigurationError
from assistant.settings import Settings
from assistant.types import Answer, Status
from assistant.web.desk.stripping import stripped
from assistant.web.observability import log

ENDS = (Status.ANSWERED, Status.QUOTED, Status.PINNED, Status.DECLINED, "failed")
"""How a question that is kept may have ended."""
MAX_FILE_BYTES = 200_000_000
"""A full file takes no more questions, and the log says so, at about a million; editors have as much room besides."""
_PAGE_BYTES = 4096
_WAIT_SECONDS = 20.0
_ERASE_SECONDS = 3600.0
"""Between two looks at what is too old."""
_MOST = 500
"""Of the latest declined questions, and of acts, that are looked at."""
_TABLES = (
    """CREATE TABLE IF NOT EXISTS questions (
        question TEXT NOT NULL, article TEXT NOT NULL, ended TEXT NOT NULL, site TEXT NOT NULL, version TEXT NOT NULL,
        start INTEGER NOT NULL, end INTEGER NOT NULL, at TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE IF NOT EXISTS acts (
        act TEXT NOT NULL, article TEXT NOT NULL, words TEXT NOT NULL, question TEXT NOT NULL, signature TEXT NOT NULL,
        at TEXT NOT NULL, number INTEGER PRIMARY KEY
    ) STRICT""",
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


def asked(question: str, article: str, ended: str, site: str, answer: Answer | None) -> Asked:
    """Return what is kept: of the answer, only which article it is from and where its closest words are."""
    told = answer.articles if answer else ()
    article = article or (told[0].id if told else "")
    closest = next((each for each in (answer.closest if answer else ()) if each.article.id == article), None)
    place = (closest.article.version, closest.start, closest.end) if closest else ("", 0, 0)
    return Asked(question, article, ended, site, *place)


class Do(StrEnum):
    """What an editor does."""

    OFF = "switch off"
    ON = "switch on"
    PIN = "pin"
    UNPIN = "take away"
    LINE = "make a line"


@dataclass(frozen=True, slots=True)
class Act:
    """What an editor did; nobody knows which one."""

    act: str
    article: str
    words: str = ""
    """The editor's own: why an article is off, or an answer."""
    question: str = ""
    """What an answer of the editor's is pinned to."""
    signature: str = ""
    at: str = field(default_factory=_now)
    number: int | None = None
    """Its place in the log."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What editors want of the chat now."""

    off: Mapping[str, str] = field(default_factory=dict)
    """By the article that is switched off, what is said instead."""
    pins: Mapping[tuple[str, str], Act] = field(default_factory=dict)
    """By article and `same` question, the editor's answer."""


def same(question: str) -> str:
    """Return what two spellings of a question have in common: its words, without capitals and punctuation."""
    return " ".join(re.findall(r"\w+", question.casefold()))


def file_of(settings: Settings) -> Path:
    """Return where the desk keeps what it keeps."""
    return settings.feedback.with_name("desk.sqlite3")


@contextmanager
def _opened(file: Path, most_bytes: int = 2 * MAX_FILE_BYTES) -> Iterator[sqlite3.Connection]:
    """Open the file for writing, make it where it is missing, and take up what the block did unless it fails."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # What readers asked is for the operator's eyes alone.
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(file, timeout=_WAIT_SECONDS)) as database, database:
        database.execute("PRAGMA secure_delete = ON")  # What is erased is not left in the file.
        database.execute(f"PRAGMA max_page_count = {most_bytes // _PAGE_BYTES}")
        database.execute("BEGIN IMMEDIATE")
        for table in _TABLES:
            database.execute(table)
        yield database


def _rows(file: Path, query: str, *values: object) -> list[Any]:
    """Return what is found; nothing where there is no file yet."""
    if not file.exists():
        return []
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True, timeout=_WAIT_SECONDS)) as database:
        return database.execute(query, values).fetchall()


def keep(file: Path, asked: Asked) -> None:
    """Keep a question, without what tells who asked it; a fault is logged, and nobody waits for it."""
    row = (stripped(asked.question), *astuple(asked)[1:])
    try:
        with _opened(file, MAX_FILE_BYTES) as database:
            database.execute("INSERT INTO questions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
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
        with _opened(file) as database:
            database.execute("DELETE FROM questions WHERE at < ? OR ?", (until, days == 0))


@contextmanager
def erasing(settings: Settings) -> Iterator[None]:
    """Erase what is too old now, and every hour until the block ends, whoever asks or not."""
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
    with _opened(file) as database:
        row = astuple(replace(act, question=stripped(act.question)))
        number = database.execute("INSERT INTO acts VALUES (?, ?, ?, ?, ?, ?, ?)", row).lastrowid
    return number or 0


def acts(file: Path) -> list[Act]:
    """Return the latest acts, newest first."""
    return [Act(*row) for row in _rows(file, "SELECT * FROM acts ORDER BY number DESC LIMIT ?", _MOST)]


def rules(file: Path) -> Rules:
    """Return what follows from all acts.

    Raises:
        sqlite3.Error: the file is damaged.
    """
    off: dict[str, str] = {}
    pins: dict[tuple[str, str], Act] = {}
    for row in _rows(file, "SELECT * FROM acts WHERE act != ? ORDER BY number", Do.LINE):
        act = Act(*row)
        match act.act:
            case Do.OFF:
                off[act.article] = act.words
            case Do.ON:
                off.pop(act.article, None)
            case Do.PIN:
                pins[act.article, same(act.question)] = act
            case Do.UNPIN:
                pins.pop((act.article, same(act.question)), None)
    return Rules(off, pins)


def counts(file: Path) -> list[tuple[str, str, str, int]]:
    """Return day, article, how it ended and how many, of all questions that are kept; the latest day first."""
    query = "SELECT substr(at, 1, 10) AS day, article, ended, count(*) FROM questions GROUP BY 1, 2, 3 ORDER BY 1 DESC"
    return _rows(file, query)


def declined(file: Path) -> list[Asked]:
    """Return the latest questions that were declined, newest first."""
    query = "SELECT * FROM questions WHERE ended = ? ORDER BY rowid DESC LIMIT ?"
    return [Asked(*row) for row in _rows(file, query, Status.DECLINED, _MOST)]


def check(file: Path) -> None:
    """Make sure that the desk's file can be used, where there is one.

    Raises:
        ConfigurationError: it cannot.
    """
    try:
        rules(file)
        if file.exists():
            with _opened(file):
                pass
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(
            f"The desk's file {file} cannot be used ({reason}): restore it, or take it away"
        ) from error
