"""Fit `assistant/model/probes.npz`, what reads the state that a check leaves the model in, to graded answers.

`python -m lab fit-probes` puts each answer of `corpus/readers/graded.jsonl`, and answers about invented reports that
were judged when they were written, to the check that ships, beside the article as the product gives it. Two logistic
regressions over the state tell whether the article answers, and whether the answer is right. Nothing is asked again of
the model that wrote the answers, so that the grades stay true.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.answering.assistant import Assistant
from assistant.answering.packaged.writer import for_model
from assistant.answering.understanding.question import Question as Asked
from assistant.evaluation.questions import Question, line_of, read_text
from assistant.model.limit import Limit
from assistant.model.probes import PROBES
from assistant.types import Turn
from lab.training.readers import Check, ReaderQuestion
from lab.training.reports import Report

GRADES = ("good", "partly", "bad", "wrong")
SECONDS = 120.0
STRENGTH = 0.001
"""The inverse of how strongly the weights are kept small. Of 0.0003, 0.001, 0.003 and 0.01 it tells most about articles
that were left out."""

REPORTS = 60
"""Of so many reports; each takes about twenty seconds."""
GRADE_OF = {"yes": "good", "partly": "partly", "wrong": "wrong", "no": "wrong"}
"""The grade that a verdict stands for."""

Floats = NDArray[np.float64]
Judged = tuple[str, tuple[Turn, ...], str, str]
"""A question, what was asked and answered before it, an answer, and the verdict on it."""


@dataclass(frozen=True, slots=True)
class Graded:
    """An answer to a question, and what a reader said of it."""

    question: Question
    answer: str
    grade: str


def read_graded(path: Path, questions: Sequence[Question]) -> list[Graded]:
    """Return the graded answers of a file.

    Raises:
        ConfigurationError: it cannot be read, or a line is no graded answer to one of the questions; it is named.
    """
    asked, found = {question.id: question for question in questions}, []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        with line_of(path, number, "a graded answer to one of the questions"):
            row = json.loads(line)
            if row["grade"] not in GRADES:
                raise ValueError(f"the grade {row['grade']!r} is none of {', '.join(GRADES)}")
            found.append(Graded(asked[row["id"]], row["answer"], row["grade"]))
    return found


def judged(
    reports: Sequence[Report],
    questions: Mapping[str, Sequence[ReaderQuestion]],
    verdicts: Mapping[str, Sequence[Check]],
) -> list[Graded]:
    """Return answers about `REPORTS` of the reports that have readers' questions and judged answers, always the same.

    Of each report: right answers, the answers to what it does not tell, some that are wrong or half right, and answers
    to look-ups. Their questions have the id of the report for their article.
    """
    rng = random.Random(0)  # noqa: S311 - no secret

    def some(answers: Sequence[Judged], most: int) -> list[Judged]:
        return rng.sample(answers, min(most, len(answers)))

    found = []
    by_id = {report.id: report for report in reports}
    for report in rng.sample(sorted(verdicts.keys() & questions.keys()), REPORTS):
        right = [(each.question, each.history, each.right, "yes") for each in questions[report]]
        others = [(each.question, each.history, each.answer, each.verdict) for each in verdicts[report]]
        told = [each for each in by_id[report].questions if each.answers]
        untold = [(each.question, (), each.wrong, "no") for each in by_id[report].questions if not each.answers]
        drawn = [
            *some(right, 5),
            *(each for each in others if each[-1] == "no"),
            *some([each for each in others if each[-1] != "no"], 4),
            *some([(each.question, (), each.sentence or each.right, "yes") for each in told], 3),
            *some([(each.question, (), each.near_miss or each.wrong, "wrong") for each in told], 1),
            *some(untold, 2),
        ]
        for number, (question, history, answer, verdict) in enumerate(drawn):
            asked = Question(
                f"{report}-{number}", question, article=report, history=history, answerable=verdict != "no"
            )
            found.append(Graded(asked, answer, GRADE_OF[verdict]))
    return found


def states(
    assistant: Assistant, graded: Sequence[Graded], progress: Callable[[int, int], None] = lambda done, total: None
) -> Floats:
    """Return the state that the check of each answer leaves the model in: (answers, width); some two seconds each.

    Raises:
        ConfigurationError: the packaged model cannot be asked.
        ModelError: one could not be checked.
    """
    found = []
    for done, each in enumerate(graded, start=1):
        asked = Asked.of(each.question.question, each.question.history)
        findings = assistant.steps.find(asked, each.question.article or None)
        turns, limit = asked.turns_for(findings.query), Limit.of_seconds(SECONDS)
        found.append(assistant.model.check(asked.text, turns, for_model(findings), each.answer, limit))
        progress(done, len(graded))
    return np.array(found, dtype=np.float64)


def fit(states: Floats, graded: Sequence[Graded]) -> tuple[Floats, Floats]:
    """Return the weights, (2, width), and the intercepts, (2,), of the probes `answers` and `right`."""
    # What corrects a false premise is an answer, although the question has none.
    answers = [bool(each.question.answerable) or each.grade == "good" for each in graded]
    return probe(states, [answers, [each.grade in ("good", "partly") for each in graded]])


def probe(states: Floats, labels: Sequence[Sequence[bool]], strength: float = STRENGTH) -> tuple[Floats, Floats]:
    """Return the weights, (probes, width), and the intercepts, (probes,), of a probe for each list of labels."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - only needed to fit
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    weights, intercepts = [], []
    for each in labels:
        scaler, regression = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000)).fit(
            states, each
        )
        weights.append(regression.coef_[0] / scaler.scale_)
        intercepts.append(float(regression.intercept_[0] - weights[-1] @ scaler.mean_))
    return np.array(weights), np.array(intercepts)


def save(weights: Floats, intercepts: Floats, file: Path = PROBES) -> None:
    """Write what was fitted."""
    np.savez(file, weights=weights.astype(np.float32), intercepts=intercepts)
