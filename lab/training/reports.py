"""The invented news reports that what ships learned from: what each states, and what of questions about it.

One JSON object a line: `id`, `text` and `questions`, each with its `kind`, the `question` and a `wrong` answer as a
careless model would write it. Where the report states an answer there are its words (`answers`: of a question that asks
for two things, those of both) and a `right` one too, to many also as a full `sentence`. To many there is a `near_miss`:
a full sentence that is tempting and not right. What a line has beside that, drafts and their verdicts, taught the
adapter that checks, and is not read here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.errors import ConfigurationError
from assistant.evaluation.questions import line_of, read_text
from assistant.settings import PROJECT

REPORTS = PROJECT / "corpus" / "training" / "reports.jsonl"
READERS = PROJECT / "corpus" / "training" / "readers.jsonl"
JUDGED = PROJECT / "corpus" / "training" / "verdicts.jsonl"
"""Readers' questions about these reports, and judged answers to them: `lab.training.readers` reads both."""
GRADED = PROJECT / "corpus" / "readers" / "graded.jsonl"


@dataclass(frozen=True, slots=True)
class ReportQuestion:
    """A question about a report."""

    question: str
    wrong: str
    """An answer that is not right."""
    answers: tuple[str, ...] = ()
    """The report's words that answer it, for a question about two things those of both; none where it does not."""
    right: str = ""
    """A right answer, where there is one."""
    sentence: str = ""
    """A right answer in a full sentence that takes up the question, where one was written."""
    near_miss: str = ""
    """An answer in a full sentence that is tempting and not right, where one was written."""


@dataclass(frozen=True, slots=True)
class Report:
    """An invented news report, and questions about it."""

    id: str
    text: str
    questions: Sequence[ReportQuestion]


def read_reports(path: Path = REPORTS) -> list[Report]:
    """Return the reports of a file.

    Raises:
        ConfigurationError: it cannot be read, or a line is not a report; the line is named.
    """
    found = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            with line_of(path, number, "a report"):
                found.append(_report(json.loads(line)))
    if not found:
        raise ConfigurationError(f"{path} holds no report; write one a line")
    return found


def _report(row: dict[str, Any]) -> Report:
    text = str(row["text"])
    asked = [_question(each) for each in row["questions"]]
    for answer in (answer for each in asked for answer in each.answers):
        if answer not in text:
            raise ValueError(f"the text does not hold {answer!r}")
    return Report(str(row["id"]), text, asked)


def _question(row: dict[str, Any]) -> ReportQuestion:
    answers = row.get("answers", [])
    if not isinstance(answers, list) or ("right" in row) != bool(answers):
        raise ValueError('"answers" are a list of words of the text, and come with a "right" answer')
    right, sentence = str(row.get("right", "")), str(row.get("sentence", ""))
    if sentence and not answers:
        raise ValueError('a "sentence" is a right answer, which takes "answers"')
    near_miss = str(row.get("near_miss", ""))
    return ReportQuestion(str(row["question"]), str(row["wrong"]), tuple(map(str, answers)), right, sentence, near_miss)
