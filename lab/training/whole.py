"""Fit `assistant/answering/understanding/whole.npz`: does a question ask for an article as a whole?

`python -m lab fit-whole` learns from messages of both kinds that two writers made up, and from readers' and other
questions, of which few do. The regression's strength is the one with the least cross-validated loss.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np

from assistant.evaluation.questions import Question
from assistant.settings import PROJECT
from lab.training.probes import Floats

MESSAGES = PROJECT / "corpus" / "training" / "whole.jsonl"
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Inverses of how strongly the weights are kept small."""


def read_messages(questions: Iterable[Question]) -> list[tuple[str, bool]]:
    """Return what readers type, and whether it asks for the whole: the messages of `MESSAGES`, and some questions."""
    rows = map(json.loads, MESSAGES.read_text(encoding="utf-8").splitlines())
    return [
        *((row["question"], row["whole"]) for row in rows),
        *((each.question, each.kind == "overview") for each in questions),
    ]


def fit(vectors: Floats, asks: Sequence[bool]) -> tuple[Floats, Floats]:
    """Return the weights, (1, width of a vector), and the intercept, (1,), of the log-odds that a question asks so."""
    from sklearn.linear_model import LogisticRegressionCV  # noqa: PLC0415 - only needed to fit

    fitted = LogisticRegressionCV(
        Cs=STRENGTHS, cv=10, scoring="neg_log_loss", max_iter=3000, l1_ratios=(0.0,), use_legacy_attributes=False
    ).fit(np.asarray(vectors), asks)
    return fitted.coef_, fitted.intercept_
