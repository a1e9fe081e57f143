"""Fit `assistant/model/probes.npz`, what reads the state that a check leaves the model in, to graded answers.

`python -m lab fit-probes` puts each answer of `corpus/readers/graded.jsonl` to the check that ships, beside the article
as the product gives it. Two logistic regressions over the state tell whether the article answers, and whether the
answer is right. Nothing is asked again of the model that wrote the answers, so that the grades stay true.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.answering import understanding
from assistant.answering.assistant import Assistant
from assistant.answering.steps import for_model
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import Question, line_of, read_text
from assistant.model.probes import PROBES

GRADES = ("good", "partly", "bad", "wrong")
SECONDS = 120.0
STRENGTH = 0.001
"""The inverse of how strongly the weights are kept small. Of 0.0003, 0.001, 0.003 and 0.01 it tells most about articles
that were left out."""

Floats = NDArray[np.float64]


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


def states(
    assistant: Assistant, graded: Sequence[Graded], progress: Callable[[int, int], None] = lambda done, total: None
) -> Floats:
    """Return the state that the check of each answer leaves the model in: (answers, width); some two seconds each.

    Raises:
        ConfigurationError: there is no model that was trained to check.
        ModelError: one could not be checked.
    """
    found = []
    for done, each in enumerate(graded, start=1):
        asked, history = understanding.clean(each.question.question), each.question.history
        findings = assistant.steps.find(asked, history, each.question.article or None)
        state = assistant.model.check(
            asked,
            understanding.leaned_on(asked, history, findings.query),
            for_model(findings),
            each.answer,
            time.monotonic() + SECONDS,
        )
        if state is None:
            raise ConfigurationError("Only the packaged model was trained to check: unset ASSISTANT_MODEL")
        found.append(state)
        progress(done, len(graded))
    return np.array(found, dtype=np.float64)


def fit(states: Floats, graded: Sequence[Graded]) -> tuple[Floats, Floats]:
    """Return the weights, (2, width), and the intercepts, (2,), of the probes `answers` and `right`."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - only needed to fit
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    # What corrects a false premise is an answer, although the question has none.
    answers = [bool(each.question.answerable) or each.grade == "good" for each in graded]
    right = [each.grade in ("good", "partly") for each in graded]
    weights, intercepts = [], []
    for labels in (answers, right):
        scaler, regression = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=5000)).fit(
            states, labels
        )
        weights.append(regression.coef_[0] / scaler.scale_)
        intercepts.append(float(regression.intercept_[0] - weights[-1] @ scaler.mean_))
    return np.array(weights), np.array(intercepts)


def save(weights: Floats, intercepts: Floats, file: Path = PROBES) -> None:
    """Write what was fitted."""
    np.savez(file, weights=weights.astype(np.float32), intercepts=intercepts)
