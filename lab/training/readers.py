"""The questions that readers might ask about the reports, with the answers that a careful journalist would write.

One JSON object a line: the `id` of a report and its `questions`, each with its `kind`, the `question`, the `history`
of earlier turns (`question` and `answer`) and the `right` answer; with some comes the `evidence`, words of the report
that it rests on. Knows nothing of who learns from them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.errors import ConfigurationError
from assistant.evaluation.questions import line_of, read_text
from assistant.settings import PROJECT
from assistant.types import Turn
from lab.training.reports import Report

READERS = PROJECT / "corpus" / "training" / "readers.jsonl"
KINDS = ("overview", "why", "identify", "sides", "yes_no", "speaker", "fact", "follow_up", "false_premise")


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


def read_reader_questions(path: Path, reports: Sequence[Report]) -> dict[str, list[ReaderQuestion]]:
    """Return the questions about each report that the file names, by its id.

    Raises:
        ConfigurationError: it cannot be read, or a line is not what it should be; the line is named.
    """
    texts = {report.id: report.text for report in reports}
    found: dict[str, list[ReaderQuestion]] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            with line_of(path, number, "readers' questions about a report"):
                row = json.loads(line)
                _only(row, {"id", "questions"})
                if row["id"] not in texts or row["id"] in found:
                    raise ValueError(f"{row['id']!r} is no report, or has a line already")
                found[row["id"]] = [_question(each, texts[row["id"]]) for each in row["questions"]]
                if not found[row["id"]]:
                    raise ValueError("there is no question")
    if not found:
        raise ConfigurationError(f"{path} holds no questions; write those about one report a line")
    return found


def _question(row: Mapping[str, Any], text: str) -> ReaderQuestion:
    _only(row, {"kind", "question", "right", "history"}, {"evidence"})
    if row["kind"] not in KINDS:
        raise ValueError(f"the kind {row['kind']!r} is none of {', '.join(KINDS)}")
    for turn in row["history"]:
        _only(turn, {"question", "answer"})
    history = tuple(Turn(_words(turn["question"]), _words(turn["answer"])) for turn in row["history"])
    if row["kind"] == "follow_up" and not history:
        raise ValueError("a follow_up takes the history that it follows")
    evidence = tuple(_words(words) for words in row.get("evidence", ()))
    for words in evidence:
        if words not in text:
            raise ValueError(f"the report does not hold {words!r}")
    return ReaderQuestion(row["kind"], _words(row["question"]), _words(row["right"]), history, evidence)


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
