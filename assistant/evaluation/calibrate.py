"""Fit what is not decided by hand: the answerability regressions and the thresholds of `calibration.json`.

`python -m assistant calibrate` runs the development questions once, keeps what was found, and fits to that; the test
half is never read here. Fits with C = 0.3 and the weights balanced, and takes the threshold where the answerable
questions answered plus the unanswerable ones declined are most, by cross-validated probabilities.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assistant import answerability, conversation
from assistant.answering import Assistant, Judgement
from assistant.evaluation.questions import Question, holds, holds_facts
from assistant.grounding import answers, known_names

SECONDS = 60.0
LEAST_ANSWERED = 0.92
"""A refusal where there was an answer is the third worst; at most one in twelve may be lost to the threshold."""
ANSWERABLE_SHARE = 0.75
"""The share of questions with an answer that is aimed at, whatever it is in the development set."""
MOST_WRONG = 0.03
"""A wrong written sentence is the worst outcome: at most three in a hundred questions may get one."""
REPEATS = 5
WRONG_WEIGHT = 1
"""How many right sentences a wrong one outweighs."""
_SHARES = [round(1.0 - 0.05 * step, 2) for step in range(13)]
"""From strict to lenient, so that of equals the strictest is kept."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the assistant saw for one development question."""

    question: Question
    judgement: Judgement


def observe(
    assistant: Assistant, questions: Sequence[Question], progress: Callable[[int, int], None]
) -> list[Observation]:
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


def fit(assistant: Assistant, observations: Sequence[Observation]) -> dict[str, Any]:
    """Return the contents of `calibration.json`."""
    fitted = {name: _answerable(observations, names) for name, names in answerability.SIGNALS.items()}
    answerable = {name: asdict(calibration) for name, (calibration, _) in fitted.items()}
    calibration, held_out = fitted["margin"]
    return {
        "answerable": answerable,
        "quoted": _quoting(assistant, observations),
        "written": _written_limits(observations, held_out, calibration.threshold),
    }


def _quoting(assistant: Assistant, observations: Sequence[Observation]) -> dict[str, float]:
    """Return the choice of quotations that holds the facts of most answerable questions; of equals the shortest."""
    used = [o for o in observations if o.question.answerable]

    def quality(quoting: answerability.Quoting) -> tuple[int, int]:
        texts = []
        for o in used:
            draft = o.judgement.draft.text if o.judgement.draft else ""
            windows = assistant.windows_to_quote(o.question.question, o.judgement.findings, draft, quoting)
            texts.append(" ".join(sentence.text for window in windows for sentence in window.all))
        served = sum(
            holds_facts(text, o.question.must_have) and not any(holds(text, wording) for wording in o.question.must_not)
            for text, o in zip(texts, used, strict=True)
        )
        return served, -sum(map(len, texts))

    choices = [
        answerability.Quoting(weight, share)
        for weight in (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
        for share in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    ]
    return asdict(max(choices, key=quality))


def save(calibration: dict[str, Any], path: Path = answerability.CALIBRATION) -> None:
    """Write the fitted values."""
    path.write_text(json.dumps(calibration, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _right(observation: Observation) -> bool:
    """Whether the draft, shown as it is, would be right."""
    question, draft = observation.question, observation.judgement.draft
    if draft is None or any(holds(draft.text, wording) for wording in question.must_not):
        return False
    # A draft that corrects a false premise is right too.
    return holds_facts(draft.text, question.must_have) if question.answerable else question.kind == "false_premise"


def _written_limits(observations: Sequence[Observation], held_out: Sequence[float], threshold: float) -> dict[str, Any]:
    """Return the limits under which most drafts are shown while at most 3 % of all questions get a wrong one.

    The probabilities are held out: those of the final fit are surer of its own questions than of any other.
    """
    answered = sum(bool(o.question.answerable) for o in observations)
    weight = {
        True: ANSWERABLE_SHARE * len(observations) / max(1, answered),
        False: (1 - ANSWERABLE_SHARE) * len(observations) / max(1, len(observations) - answered),
    }
    drafts = [
        (_right(o), weight[bool(o.question.answerable)], o.judgement.support, sure)
        for o, sure in zip(observations, held_out, strict=True)
        if sure >= threshold and o.judgement.support and _answers(o)
    ]
    best: tuple[float, answerability.Written] = (
        -1,
        answerability.Written(1.0, 1.0, 0, asked_names=True, confidence=1.0),
    )
    for values in itertools.product(_SHARES, _SHARES, range(4), (True, False), (0.8, 0.7, 0.6, 0.5, threshold)):
        limits = answerability.Written(*values)
        shown = [(right, share) for right, share, support, sure in drafts if limits.allows(support, sure)]
        wrong = sum(share for right, share in shown if not right)
        gain = sum(share for right, share in shown if right) - WRONG_WEIGHT * wrong
        if wrong <= MOST_WRONG * len(observations) and gain > best[0]:
            best = (gain, limits)
    return asdict(best[1])


def _answers(observation: Observation) -> bool:
    judgement = observation.judgement
    if judgement.draft is None or judgement.window is None or judgement.support is None:
        return False
    known = known_names(judgement.window.sentences[0].article.text)
    return answers(judgement.draft.text, judgement.findings.query, judgement.support, known)


def _answerable(
    observations: Sequence[Observation], names: tuple[str, ...]
) -> tuple[answerability.Calibration, list[float]]:
    """Return the fit, and for each observation a probability from fits that did not see it."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - only needed to fit
    from sklearn.model_selection import StratifiedKFold, cross_val_predict  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    matrix = np.array([[o.judgement.signals[name] for name in names] for o in observations])
    labels = np.array([bool(o.question.answerable) for o in observations])
    # A false premise that the draft corrects may be answered, so those questions say nothing of answerability.
    used = np.array([o.question.kind != "false_premise" for o in observations])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=5000, class_weight="balanced"))
    held_out = np.zeros(len(observations))
    for seed in range(REPEATS):
        folds = StratifiedKFold(8, shuffle=True, random_state=seed)
        held_out[used] += (
            cross_val_predict(model, matrix[used], labels[used], cv=folds, method="predict_proba")[:, 1] / REPEATS
        )
    model.fit(matrix[used], labels[used])
    held_out[~used] = model.predict_proba(matrix[~used])[:, 1]
    scaler, regression = model[0], model[-1]
    calibration = answerability.Calibration(
        mean=dict(zip(names, map(float, scaler.mean_), strict=True)),
        scale=dict(zip(names, map(float, scaler.scale_), strict=True)),
        weight=dict(zip(names, map(float, regression.coef_[0]), strict=True)),
        intercept=float(regression.intercept_[0]),
        threshold=_threshold(held_out[used], labels[used]),
    )
    return calibration, held_out.tolist()


def _threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    candidates = np.unique(np.round(probabilities, 3))
    allowed = [t for t in candidates if (probabilities[labels] >= t).mean() >= LEAST_ANSWERED]
    return float(max(allowed, key=lambda t: (probabilities[~labels] < t).mean(), default=0.0))
