"""What readers say about an answer, kept in one SQLite file, and as lines of a question file for evaluators.

Only what a reader chose to send is kept: the exchange, and what they think of it; never who they are. Knows nothing of
the page.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assistant.articles.reading import normalise
from assistant.errors import ConfigurationError
from assistant.rendering import to_json
from assistant.types import Answer, Status, Turn

REASONS: Mapping[str, str] = {
    "wrong": "It is wrong",
    "unsupported": "The quotation does not support it",
    "not_in_article": "It should have said that the article does not say",
    "other": "Something else",
}
"""Why an answer did not help, by the name under which it is kept."""

MAX_COMMENT_CHARACTERS = 1000
MAX_FILE_BYTES = 100_000_000
"""A full file takes no more, and says so; about 50,000 reports."""

_PAGE_BYTES = 4096
_WAIT_SECONDS = 20.0
"""How long a writer waits for the others."""

_TABLE = """
CREATE TABLE IF NOT EXISTS feedback (
    number INTEGER PRIMARY KEY, given TEXT NOT NULL, helpful INTEGER NOT NULL, reasons TEXT NOT NULL,
    comment TEXT NOT NULL, answer TEXT NOT NULL, history TEXT NOT NULL
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a reader says about an answer; `turns` are the exchanges before it that they send along."""

    answer: Answer
    helpful: bool
    reasons: tuple[str, ...] = ()
    """Keys of `REASONS`; others are dropped."""
    comment: str = ""
    """Cut to 1,000 characters."""
    turns: tuple[Turn, ...] = ()


def save(file: Path, feedback: Feedback) -> None:
    """Append to the file, which is made where it is missing; from any thread or process.

    Raises:
        sqlite3.Error: the file is full or damaged, or the disk is.
        OSError: the file cannot be made.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # What readers wrote is for the operator's eyes alone.
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    row = (
        datetime.now(UTC).isoformat(timespec="seconds"),
        feedback.helpful,
        json.dumps([reason for reason in REASONS if reason in feedback.reasons]),
        normalise(feedback.comment)[:MAX_COMMENT_CHARACTERS],
        json.dumps(to_json(feedback.answer)),
        json.dumps([asdict(turn) for turn in feedback.turns]),
    )
    with closing(sqlite3.connect(file, timeout=_WAIT_SECONDS)) as database, database:
        _add(database, row)


def check(file: Path) -> None:
    """Make sure that a report could be saved. Nothing is changed, and no file made.

    Raises:
        ConfigurationError: it could not.
    """
    try:
        if file.exists():
            with closing(sqlite3.connect(file, timeout=_WAIT_SECONDS)) as database:
                _add(database, ("", False, "[]", " " * _PAGE_BYTES, "{}", "[]"))
                database.rollback()
        else:
            folder = next(folder for folder in file.absolute().parents if folder.exists())
            tempfile.TemporaryFile(dir=folder).close()
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(
            f"Reports cannot be saved in {file} ({reason}): make room, or set ASSISTANT_FEEDBACK to another file"
        ) from error


def _add(database: sqlite3.Connection, row: tuple[object, ...]) -> None:
    # Whoever reads first and then wants to write does not wait for the others but fails.
    database.execute("BEGIN IMMEDIATE")
    database.execute(f"PRAGMA max_page_count = {MAX_FILE_BYTES // _PAGE_BYTES}")
    database.execute(_TABLE)
    database.execute(
        "INSERT INTO feedback (given, helpful, reasons, comment, answer, history) VALUES (?, ?, ?, ?, ?, ?)", row
    )


def is_full(error: sqlite3.Error | OSError) -> bool:
    """Whether a report could not be saved because the file may not grow, or the disk has no room."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return error.sqlite_errorcode == sqlite3.SQLITE_FULL


def question_lines(file: Path) -> Iterator[dict[str, Any]]:
    """Yield each report as a line of a question file: what was asked, and what the reader makes of the answer.

    Only what the reader said becomes gold: "it should have said that the article does not say" makes the question
    unanswerable, and the quotations of an answer that helped become its evidence. Facts are for an evaluator to add.

    Raises:
        ConfigurationError: there is no such file, or it is not one of feedback.
    """
    if not file.exists():
        raise ConfigurationError(f"There is no feedback at {file} yet: set ASSISTANT_FEEDBACK where it is elsewhere")
    try:
        with closing(
            sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=_WAIT_SECONDS)
        ) as database:
            database.row_factory = sqlite3.Row
            for row in database.execute("SELECT * FROM feedback ORDER BY number"):
                yield _question_line(row)
    except (sqlite3.Error, ValueError) as error:
        raise ConfigurationError(f"The feedback {file} cannot be read ({error}): restore or remove it") from error


def _question_line(row: sqlite3.Row) -> dict[str, Any]:
    answer = json.loads(row["answer"])
    reasons = json.loads(row["reasons"])
    helpful = bool(row["helpful"])
    line: dict[str, Any] = {
        "id": f"feedback-{row['number']}",
        "question": answer["question"],
        "history": json.loads(row["history"]),
        "kind": "feedback",
    }
    answered = answer["status"] in (Status.ANSWERED, Status.QUOTED)
    if "not_in_article" in reasons:
        line["answerable"] = False
    elif helpful and answer["status"] != Status.PINNED:
        line["answerable"] = answered
        line["evidence"] = [citation["quote"] for citation in answer["citations"]]
    articles = {citation["article"] for citation in (*answer["citations"], *answer["closest"])}
    if len(articles) == 1:
        line["article"] = articles.pop()
    said = "helpful" if helpful else "; ".join(["not helpful", *(REASONS[reason] for reason in reasons)])
    line["notes"] = f"{said}: {row['comment']}" if row["comment"] else said
    return line | {"feedback": {"given": row["given"], "helpful": helpful, "reasons": reasons, "answer": answer}}
