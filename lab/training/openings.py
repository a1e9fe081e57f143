"""Fit `assistant/model/opening_probe.npz`: does the answer to a yes-or-no question open with yes, or with no?

`python -m lab fit-opening` puts readers' questions about invented reports, of those that the writer did not learn from,
to the model, and keeps the state in which it begins to answer. A logistic regression over it tells how the answer opens
that was written to the question; left to itself the writer says "No" too often.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assistant.answering.understanding.question import Question
from assistant.articles.passages import passages
from assistant.model.chat import LanguageModel
from assistant.model.limit import Limit
from assistant.settings import PROJECT
from assistant.types import Article
from lab.training.probes import SECONDS, Floats, probe
from lab.training.readers import ReaderQuestion
from lab.training.reports import Report

LEARNED = PROJECT / "corpus" / "training" / "learned.txt"
"""The ids of the reports that the writer learned from, one a line."""
STRENGTH = 0.003
"""The inverse of how strongly the weights are kept small. Of 0.0001 to 0.01, by factors of three, it is the least one
with the smallest loss on reports left out, to two digits."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A yes-or-no question about a report."""

    report: Report
    question: ReaderQuestion
    opens_with_yes: bool
    """Whether its right answer does; else it opens with "No"."""


def learned() -> set[str]:
    """Return the ids of the reports that the writer learned from."""
    return set(LEARNED.read_text(encoding="utf-8").split())


def asked_about(
    reports: Sequence[Report], questions: Mapping[str, Sequence[ReaderQuestion]], learned: Container[str]
) -> list[Asked]:
    """Return the questions that are answered with yes or no, about the reports whose ids are not `learned`."""
    return [
        Asked(report, each, each.right.startswith("Yes"))
        for report in reports
        if report.id not in learned
        for each in questions.get(report.id, ())
        if Question.of(each.question).is_yes_or_no and re.match(r"(?:Yes|No)\b", each.right)
    ]


def states(model: LanguageModel, asked: Sequence[Asked], progress: Callable[[int, int], None]) -> Floats:
    """Return the state in which the model begins each answer: (answers, width); about ten seconds a report.

    Raises:
        ModelError: it failed.
    """
    found = []
    for done, each in enumerate(asked, start=1):
        evidence = passages(Article(each.report.id, each.report.text, ""))
        limit = Limit.of_seconds(SECONDS)
        found.append(model.beginning(each.question.question, each.question.history, evidence, limit))
        progress(done, len(asked))
    return np.array(found, dtype=np.float64)


def fit(told: Floats, asked: Sequence[Asked]) -> tuple[Floats, Floats]:
    """Return the weights, (1, width), and the intercept, (1,), of the log-odds of a yes."""
    return probe(told, [[each.opens_with_yes for each in asked]], STRENGTH)
