"""What readers say about an answer, kept in one SQLite file, and as lines of a question file for evaluators.

Only what a reader chose to send is kept: the exchange, and what they think of it; never who they are.
"""

from __future__ import annotations

import errno
import json
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assistant.articles.reading import normalise
from assistant.errors import ConfigurationError
from assistant.rendering import to_json
from assistant.types import Answer, Outcome, Status, Turn
from assistant.web.observability import log
from assistant.web.storage import database

REASONS: Mapping[str, str] = {
    "wrong": "It is wrong",
    "unsupported": "The quotation does not support it",
    "not_in_article": "It should have said that the article does not say",
    "in_article": "The article does answer this",
    "other": "Something else",
}
"""Why an answer did not help, by the name under which it is kept."""
_OF_A_REFUSAL = ("in_article", "other")

MAX_COMMENT_CHARACTERS = 1000
MAX_FILE_BYTES = 100_000_000
"""A full file takes no more, and says so; about 50,000 reports."""

_ROOM = 4096
"""Characters of a report that is tried: more than may be left in a page of the file."""
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS feedback (
        number INTEGER PRIMARY KEY, given TEXT NOT NULL, helpful INTEGER NOT NULL, reasons TEXT NOT NULL,
        comment TEXT NOT NULL, answer TEXT NOT NULL, history TEXT NOT NULL
    ) STRICT""",
    "ALTER TABLE feedback ADD COLUMN asked_of TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE feedback ADD COLUMN articles TEXT NOT NULL DEFAULT ''",
)


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
    asked_of: str = ""
    """The id of the article that alone was asked; empty where all were."""


def reasons_against(answer: Answer) -> Mapping[str, str]:
    """Return those of `REASONS` that can be held against an answer, or against a refusal."""
    is_refusal = answer.status is Status.DECLINED
    return {name: words for name, words in REASONS.items() if name == "other" or is_refusal == (name in _OF_A_REFUSAL)}


def save(file: Path, feedback: Feedback, most_bytes: int = MAX_FILE_BYTES) -> None:
    """Append to the file, which is made where it is missing; from any thread or process.

    Raises:
        sqlite3.Error: the file is full or damaged, or the disk is.
        OSError: the file cannot be made.
    """
    with database.writing(file, _SCHEMA, most_bytes) as opened:
        _add(opened, feedback)


def check(file: Path, most_bytes: int = MAX_FILE_BYTES) -> None:
    """Make sure that a report could be saved. Nothing is changed, and no file made.

    Raises:
        ConfigurationError: it could not.
    """
    try:
        if file.exists():
            with database.writing(file, _SCHEMA, most_bytes) as opened:
                _add(opened, Feedback(Answer(" " * _ROOM, Outcome.DECLINED), helpful=False))
                opened.rollback()
        else:
            folder = next(folder for folder in file.absolute().parents if folder.exists())
            tempfile.TemporaryFile(dir=folder).close()
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(
            f"Reports cannot be saved in {file} ({reason})", "make room, or set ASSISTANT_FEEDBACK to another file"
        ) from error


def _add(opened: sqlite3.Connection, feedback: Feedback) -> None:
    fitting = reasons_against(feedback.answer)
    row = {
        "given": datetime.now(UTC).isoformat(timespec="seconds"),
        "helpful": feedback.helpful,
        "reasons": json.dumps([reason for reason in fitting if reason in feedback.reasons]),
        "comment": normalise(feedback.comment)[:MAX_COMMENT_CHARACTERS],
        "answer": json.dumps(to_json(feedback.answer)),
        "history": json.dumps([asdict(turn) for turn in feedback.turns]),
        "asked_of": feedback.asked_of,
        "articles": json.dumps(list(dict.fromkeys(article.id for article in feedback.answer.articles))),
    }
    database.add(opened, "feedback", row)


def is_full(error: sqlite3.Error | OSError) -> bool:
    """Whether a report could not be saved because the file may not grow, or the disk has no room."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return error.sqlite_errorcode == sqlite3.SQLITE_FULL


def question_lines(file: Path) -> Iterator[dict[str, Any]]:
    """Yield each report as a line of a question file: what was asked, and what the reader makes of the answer.

    Only what the reader said becomes gold: "it should have said that the article does not say" makes the question
    unanswerable, "the article does answer this" answerable, and the quotations of an answer that helped become its
    evidence. Facts are for an evaluator to add. A report that cannot be read is left out, and the log says which.

    Raises:
        ConfigurationError: there is no such file, or it is not one of feedback.
    """
    if not file.exists() or not file.stat().st_size:
        raise ConfigurationError(f"There is no feedback at {file} yet", "set ASSISTANT_FEEDBACK where it is elsewhere")
    for number, line in reports(file):
        if line is None or not line["question"].strip():
            log.warning("report %d of %s cannot be read and is left out", number, file)
        else:
            yield line


def reports(file: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield the number of each report, oldest first, and its line of a question file; None where it cannot be read.

    Raises:
        ConfigurationError: the file is not one of feedback.
    """
    try:
        for row in database.rows(file, "SELECT * FROM feedback ORDER BY number"):
            try:
                yield row["number"], _question_line(dict(row))
            except (ValueError, LookupError, TypeError, RecursionError):
                yield row["number"], None
    except (sqlite3.Error, OSError) as error:
        raise ConfigurationError(f"The feedback {file} cannot be read ({error})", "restore or remove it") from error


def _question_line(row: Mapping[str, Any]) -> dict[str, Any]:
    answer, reasons, helpful = json.loads(row["answer"]), json.loads(row["reasons"]), bool(row["helpful"])
    line: dict[str, Any] = {
        "id": f"feedback-{row['number']}",
        "question": str(answer["question"]),
        "history": json.loads(row["history"]),
        "kind": "feedback",
    }
    answered = answer["status"] in (Status.ANSWERED, Status.QUOTED)
    if {"not_in_article", "in_article"} & {*reasons}:
        line["answerable"] = "in_article" in reasons
    elif helpful and answer["status"] != Status.PINNED:
        line["answerable"] = answered
        line["evidence"] = [citation["quote"] for citation in answer["citations"]]
    quoted = list(dict.fromkeys(str(each["article"]) for each in (*answer["citations"], *answer["closest"])))
    # A file of an earlier release does not say so.
    articles: list[str] | None = json.loads(row["articles"]) if row.get("articles") else quoted or None
    asked_of = row.get("asked_of", "")
    if only := asked_of or (articles[0] if articles and len(articles) == 1 else ""):
        line["article"] = only
    said = "helpful" if helpful else "; ".join(["not helpful", *(REASONS.get(reason, reason) for reason in reasons)])
    line["notes"] = f"{said}: {row['comment']}" if row["comment"] else said
    about = {"asked_of": asked_of, "articles": articles}
    return line | {
        "feedback": {"given": row["given"], "helpful": helpful, "reasons": reasons, "answer": answer, **about}
    }
