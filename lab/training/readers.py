"""The questions that readers might ask about the reports: right answers to them, and other answers with a verdict.

One JSON object a line. `readers.jsonl` has the `id` of a report and its `questions`, each with its `kind`, the
`question`, the `history` of earlier turns (`question` and `answer`) and the `right` answer, as a careful journalist
would write it; with some comes the `evidence`, words of the report that it rests on. `verdicts.jsonl` has the `id` and
`answers`, each with its `question`, `history`, `answer` and `verdict`; with many comes the `relation`, how it was made
from a right one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from assistant.errors import ConfigurationError
from assistant.evaluation.questions import line_of, read_text
from assistant.types import Turn
from lab.training.reports import Report

KINDS = ("overview", "why", "identify", "sides", "yes_no", "speaker", "fact", "follow_up", "false_premise")
READER_VERDICTS = ("yes", "partly", "wrong", "no")
"""On an answer to a reader: right, right but not whole, wrong or beside the point, or the report has none."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ReaderQuestion:
    """A question that a reader might ask about a report."""

    kind: str
    """One of `KINDS`."""
    question: str
    right: str
    """The answer that is to be written."""
    history: tuple[Turn, ...] = ()
    """What was asked and answered before it."""
    evidence: tuple[str, ...] = ()
    """Words of the report that the answer rests on, where they were noted."""


@dataclass(frozen=True, slots=True)
class Check:
    """An answer to a question, and which verdict on it is right."""

    question: str
    answer: str
    verdict: str
    """One of `READER_VERDICTS`."""
    history: tuple[Turn, ...] = ()
    """What was asked and answered before."""


def read_reader_questions(path: Path, reports: Sequence[Report]) -> dict[str, list[ReaderQuestion]]:
    """Return the questions about each report that the file names, by its id.

    Raises:
        ConfigurationError: it cannot be read, or a line is not what it should be; the line is named.
    """
    return _by_report(path, "readers' questions about a report", "questions", _question, reports)


def read_verdicts(path: Path, reports: Sequence[Report]) -> dict[str, list[Check]]:
    """Return the judged answers about each report that the file names, by its id.

    Raises:
        ConfigurationError: it cannot be read, or a line is not what it should be; the line is named.
    """
    return _by_report(path, "judged answers about a report", "answers", _judged, reports)


def _by_report(
    path: Path, what: str, key: str, made: Callable[[Mapping[str, Any], str], _T], reports: Sequence[Report]
) -> dict[str, list[_T]]:
    texts = {report.id: report.text for report in reports}
    found: dict[str, list[_T]] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            with line_of(path, number, what):
                row = json.loads(line)
                _only(row, {"id", key})
                if row["id"] not in texts or row["id"] in found:
                    raise ValueError(f"{row['id']!r} is no report, or has a line already")
                found[row["id"]] = [made(each, texts[row["id"]]) for each in row[key]]
                if not found[row["id"]]:
                    raise ValueError(f"there are no {key}")
    if not found:
        raise ConfigurationError(f"{path} holds no {key}; write those about one report a line")
    return found


def _question(row: Mapping[str, Any], text: str) -> ReaderQuestion:
    _only(row, {"kind", "question", "right", "history"}, {"evidence"})
    if row["kind"] not in KINDS:
        raise ValueError(f"the kind {row['kind']!r} is none of {', '.join(KINDS)}")
    history = _history(row)
    if row["kind"] == "follow_up" and not history:
        raise ValueError("a follow_up takes the history that it follows")
    evidence = tuple(_words(words) for words in row.get("evidence", ()))
    for words in evidence:
        if words not in text:
            raise ValueError(f"the report does not hold {words!r}")
    return ReaderQuestion(row["kind"], _words(row["question"]), _words(row["right"]), history, evidence)


def _judged(row: Mapping[str, Any], _: str) -> Check:
    _only(row, {"question", "history", "answer", "verdict"}, {"relation"})
    if row["verdict"] not in READER_VERDICTS:
        raise ValueError(f"the verdict {row['verdict']!r} is none of {', '.join(READER_VERDICTS)}")
    return Check(_words(row["question"]), _words(row["answer"]), row["verdict"], _history(row))


def _history(row: Mapping[str, Any]) -> tuple[Turn, ...]:
    for turn in row["history"]:
        _only(turn, {"question", "answer"})
    return tuple(Turn(_words(turn["question"]), _words(turn["answer"])) for turn in row["history"])


def _only(row: Mapping[str, Any], needed: set[str], possible: AbstractSet[str] = frozenset()) -> None:
    """Refuse an object that lacks a key, or has one that means nothing here."""
    if missing := needed - row.keys():
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    if unknown := row.keys() - needed - possible:
        raise ValueError(f"it has {', '.join(sorted(unknown))}, which means nothing here")


def _words(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} are no words")
    return value
