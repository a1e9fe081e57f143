"""Fit what is not decided by hand: the answerability regressions and the thresholds of `calibration.json`.

`python -m assistant calibrate` runs the development questions once, keeps what was found, and fits to that; the test
half is never read here. Fits with C = 0.3 and the weights balanced, and takes the threshold where the answerable
questions answered plus the unanswerable ones declined are most, by cross-validated probabilities.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assistant import answerability, conversation
from assistant.answering import Assistant, Judgement
from assistant.evaluation.questions import Question, holds, holds_facts

SECONDS = 60.0
LEAST_ANSWERED = 0.95
"""A refusal where there was an answer is the third worst; at most one in twenty may be lost to the threshold."""
MOST_WRONG = 0.03


@dataclass(frozen=True, slots=True)
class Observation:
    """What the assistant saw for one development question."""

    question: Question
    judgement: Judgement


def observe(assistant: Assistant, questions: Sequence[Question], progress: Callable[[int, int], None]) -> list[Observation]:
    """Run every question up to the decision; those that never reach it are left out."""
    found = []
    for number, question in enumerate(questions, start=1):
        asked = conversation.clean(question.question)
        if not conversation.problem(asked) and not conversation.asks_about_article(asked):
            findings = assistant.search(conversation.standalone(asked, question.history))
            if findings.evidence:
                judgement = assistant.judge(asked, question.history, findings, time.monotonic() + SECONDS)
                found.append(Observation(question, judgement))
        progress(number, len(questions))
    return found


def fit(observations: Sequence[Observation]) -> dict[str, Any]:
    """Return the contents of `calibration.json`."""
    written = _written_thresholds(observations)
    fits = {
        name: _answerable(observations, names, written)
        for name, names in answerability.SIGNALS.items()
        if all(set(names) <= set(observation.judgement.signals) for observation in observations)
    }
    return {"answerable": fits, "written": written}


def save(calibration: dict[str, Any], path: Path = answerability.CALIBRATION) -> None:
    """Write the fitted values."""
    path.write_text(json.dumps(calibration, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _right(observation: Observation) -> bool:
    """Whether the draft, shown as it is, would be right."""
    question, draft = observation.question, observation.judgement.draft
    if draft is None or not draft.text or any(holds(draft.text, wording) for wording in question.must_not):
        return False
    return bool(question.must_have) and holds_facts(draft.text, question.must_have)


def _written_thresholds(observations: Sequence[Observation]) -> dict[str, float]:
    """Return the lowest shares of supported words at which few enough written answers are wrong.

    Only answerable questions are looked at: the other ones are for the answerability threshold to stop.
    """
    drafts = [o for o in observations if o.question.answerable and o.judgement.support is not None]
    best = {"new_words": 1.0, "words": 1.0}
    most = -1
    for new_words in np.arange(0.4, 1.001, 0.05):
        for words in np.arange(0.3, 1.001, 0.05):
            shown = [
                _right(o)
                for o in drafts
                if (s := o.judgement.support) and s.facts and s.new_words >= new_words and s.words >= words
            ]
            wrong = shown.count(False)
            if wrong <= MOST_WRONG * len(observations) and shown.count(True) - 3 * wrong > most:
                most = shown.count(True) - 3 * wrong
                best = {"new_words": round(float(new_words), 2), "words": round(float(words), 2)}
    return best


def _answerable(observations: Sequence[Observation], names: tuple[str, ...], written: dict[str, float]) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - only needed to fit
    from sklearn.model_selection import StratifiedKFold, cross_val_predict  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    # A false premise that the draft corrects may be answered, so those questions say nothing of answerability.
    used = [o for o in observations if o.question.answerable is not None and o.question.kind != "false_premise"]
    matrix = np.array([[o.judgement.signals[name] for name in names] for o in used])
    labels = np.array([bool(o.question.answerable) for o in used])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=5000, class_weight="balanced"))
    held_out = np.mean(
        [
            cross_val_predict(model, matrix, labels, cv=StratifiedKFold(8, shuffle=True, random_state=seed), method="predict_proba")[:, 1]
            for seed in range(5)
        ],
        axis=0,
    )
    threshold = _threshold(held_out, labels)
    model.fit(matrix, labels)
    scaler, regression = model[0], model[-1]
    return {
        "mean": dict(zip(names, map(float, scaler.mean_), strict=True)),
        "scale": dict(zip(names, map(float, scaler.scale_), strict=True)),
        "weight": dict(zip(names, map(float, regression.coef_[0]), strict=True)),
        "intercept": float(regression.intercept_[0]),
        "threshold": threshold,
    }


def _threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    candidates = np.unique(np.round(probabilities, 3))
    allowed = [t for t in candidates if (probabilities[labels] >= t).mean() >= LEAST_ANSWERED]
    return float(max(allowed, key=lambda t: (probabilities[~labels] < t).mean(), default=0.0))
