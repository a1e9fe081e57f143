"""Fit what is not decided by hand: the regressions and the thresholds of `calibration.json`.

`python -m assistant calibrate` runs the development questions, keeps what was found, and fits to that; the test half is
never read here. Every threshold is chosen by probabilities from fits that did not see the question or its conversation,
and for the mix of questions that a public chat is expected to get, whatever the mix in the file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant import answerability, conversation, quoting
from assistant.answering import Assistant, CheckedDraft, Judgement, holds
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import Question, evidence_spans, holds_facts
from assistant.evaluation.questions import holds as holds_wording
from assistant.types import Sentence

SECONDS = 60.0
LEAST_ANSWERED = 0.95
"""A refusal where there was an answer is the third worst outcome, a quotation beside the point the second: at most
five in a hundred are lost to the threshold. With three, more quotations beside the point come in than answers."""
ANSWERABLE_SHARE = 0.75
"""The share of questions with an answer that is aimed at."""
UNANSWERABLE_KINDS = {"near": 8, "false_premise": 4, "off_topic": 3, "follow_up": 2, "injection": 2}
"""How often the kinds of the others are aimed at; the development half has many near ones, which are hardest."""
MOST_WRONG = 0.015
"""A wrong written sentence is the worst outcome: at most 15 in a thousand questions are meant to get one. New questions
get more: with 25 allowed, 12 of the 225 test questions did, 53 in a thousand."""
LEAST_DRAFTED = 0.95
"""A draft that was cut off in its first sentence is none; where more are missing, the model was not there."""
NEVER = 2.0
"""A threshold that no probability reaches."""
SECOND_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
FOLDS = 8
REPEATS = 5

Floats = NDArray[np.float64]
Candidate = tuple[Sentence, dict[str, float]]
"""A sentence that may be quoted, with its signals."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the assistant saw for one development question."""

    question: Question
    seen: Judgement
    usual: bool = True
    """Whether the threshold of what is declined is chosen for it too; everything else is fitted to every question."""


def observe(
    assistant: Assistant, usual: Sequence[Question], hard: Sequence[Question], progress: Callable[[int, int], None]
) -> list[Observation]:
    """Run every question up to the decision; those that never reach it are left out.

    Raises:
        ConfigurationError: a question without an answer is of a kind that nothing is aimed at; no question was run.
    """
    for question in (*usual, *hard):
        if not question.answerable and question.kind not in UNANSWERABLE_KINDS:
            raise ConfigurationError(
                f"Question {question.id} has no answer and the kind {question.kind!r}: "
                f"make it one of {', '.join(UNANSWERABLE_KINDS)}"
            )
    found = []
    for number, question in enumerate([*usual, *hard], start=1):
        asked = conversation.clean(question.question)
        if not conversation.problem(asked) and not conversation.asks_about_article(asked):
            findings = assistant.search(conversation.standalone(asked, question.history), question.article or None)
            if findings.evidence:
                seen = assistant.judge(asked, question.history, findings, time.monotonic() + SECONDS)
                found.append(Observation(question, seen, usual=number <= len(usual)))
        progress(number, len(usual) + len(hard))
    return found


def fit(assistant: Assistant, observations: Sequence[Observation]) -> dict[str, Any]:
    """Return the contents of `calibration.json`.

    Raises:
        ConfigurationError: too many questions got no draft, or no margins of it.
    """
    judged = [o for o in observations if o.seen.draft is not None and o.seen.fit == "margin"]
    if len(judged) < LEAST_DRAFTED * len(observations):
        raise ConfigurationError("Too many questions got no draft and margins: calibrate with the packaged model alone")
    observations = judged
    fitted = {name: _answerable(observations, names) for name, names in answerability.SIGNALS.items()}
    calibration, sure = fitted["margin"]
    return {
        "answerable": {name: asdict(calibration) for name, (calibration, _) in fitted.items()},
        "quoted": _quoting(assistant, observations),
        "written": _written(observations, sure >= calibration.threshold),
    }


def _quoting(assistant: Assistant, observations: Sequence[Observation]) -> dict[str, Any]:
    """Return for each fit how likely a sentence holds the answer, and when a second one is quoted."""
    used = [o for o in observations if o.question.answerable and o.question.evidence]
    seen: dict[str, list[tuple[Question, list[Candidate]]]] = {
        "words": [(o.question, assistant.quotable(o.seen.findings)) for o in used],
        "read": [(o.question, assistant.quotable(o.seen.findings, None, o.seen.readings)) for o in used],
        "draft": [(o.question, assistant.quotable(o.seen.findings, o.seen.draft, o.seen.readings)) for o in used],
    }
    return {name: asdict(_fit_quoting(found, quoting.SIGNALS[name])) for name, found in seen.items()}


def _fit_quoting(
    found: Sequence[tuple[Question, Sequence[Candidate]]], names: tuple[str, ...]
) -> answerability.Quoting:
    """Fit to where the evidence stands, and take the share that serves most questions; of equals the shortest."""
    rows = [(question, *candidate) for question, candidates in found for candidate in candidates]
    matrix = np.array([[signals[name] for name in names] for _, _, signals in rows])
    labels = np.array([_holds_evidence(sentence, question) for question, sentence, _ in rows])
    groups = _groups(question for question, _, _ in rows)
    regression, held_out = _regression(matrix, labels, np.ones(len(rows)), groups, names, 0.3)
    unseen = iter(held_out)
    guessed = [(question, [(sentence, next(unseen)) for sentence, _ in candidates]) for question, candidates in found]

    def quality(second_share: float) -> tuple[int, int]:
        texts = [
            (question, " ".join(s.text for w in quoting.choose(question.question, ranked, second_share) for s in w.all))
            for question, ranked in guessed
        ]
        served = sum(
            holds_facts(text, question.must_have) and not _says_forbidden(text, question) for question, text in texts
        )
        return served, -sum(len(text) for _, text in texts)

    return answerability.Quoting(**asdict(regression), second_share=max(SECOND_SHARES, key=quality))


def _holds_evidence(sentence: Sentence, question: Question) -> bool:
    return any(
        sentence.start < end and start < sentence.end for start, end in evidence_spans(question, sentence.article)
    )


def save(calibration: dict[str, Any], path: Path = answerability.CALIBRATION) -> None:
    """Write the fitted values."""
    path.write_text(json.dumps(calibration, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _says_forbidden(text: str, question: Question) -> bool:
    return any(holds_wording(text, wording) for wording in question.must_not)


def _is_right(draft: CheckedDraft, question: Question) -> bool:
    """Whether the draft, shown as it is, would be right."""
    if not draft.text or _says_forbidden(draft.text, question):
        return False
    if question.answerable:
        return holds_facts(draft.text, question.must_have)
    # A false premise may be met with the words that contradict it.
    return question.kind == "false_premise" and any(_holds_evidence(sentence, question) for sentence in draft.evidence)


def _written(observations: Sequence[Observation], open_: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the fits of what was written.

    `open_` tells which questions are not declined before. The threshold of a fit is the one under which most questions
    get a right written answer while at most `MOST_WRONG` get a wrong one. The hard questions count too: whoever wrote
    the rules has seen the others, and what these allow is too much for new ones.
    """
    fitted = {}
    for name, names in answerability.WRITTEN_SIGNALS.items():
        regression, sure = _fit_written(observations, names)
        fitted[name] = asdict(regression) | {"threshold": _threshold_of_written(observations, sure, open_)}
    return fitted


def _shares(observations: Sequence[Observation]) -> Floats:
    """Return for each question the share of all questions that it stands for; in all 1."""
    kinds = ["" if o.question.answerable else o.question.kind for o in observations]
    others = {kind: UNANSWERABLE_KINDS[kind] for kind in set(kinds) - {""}}
    aimed = {kind: (1 - ANSWERABLE_SHARE) * often / sum(others.values()) for kind, often in others.items()}
    aimed[""] = 1 - sum(aimed.values())
    return np.array([aimed[kind] / kinds.count(kind) for kind in kinds])


def _fit_written(
    observations: Sequence[Observation], names: tuple[str, ...]
) -> tuple[answerability.Regression, Floats]:
    """Return the fit and each draft's probability by fits that did not see its question."""
    matrix = np.array([[_draft(o).signals[name] for name in names] for o in observations])
    weights = _shares(observations) * len(observations)
    return _regression(matrix, _right(observations), weights, _groups(o.question for o in observations), names, 0.03)


def _threshold_of_written(
    observations: Sequence[Observation], probabilities: Floats, open_: NDArray[np.bool_]
) -> float:
    shares, right = _shares(observations), _right(observations)
    may_be_shown = open_ & np.array([holds(_draft(o), o.seen.findings.query) for o in observations])
    choices = [(0.0, NEVER)]
    for threshold in np.unique(np.round(probabilities[may_be_shown], 3)):
        shown = may_be_shown & (probabilities >= threshold)
        if shares[shown & ~right].sum() <= MOST_WRONG:
            choices.append((float(shares[shown & right].sum()), float(threshold)))
    return max(choices)[1]


def _right(observations: Sequence[Observation]) -> NDArray[np.bool_]:
    return np.array([_is_right(_draft(o), o.question) for o in observations])


def _draft(observation: Observation) -> CheckedDraft:
    draft = observation.seen.draft
    if draft is None:
        raise ValueError(f"{observation.question.id} has no draft")
    return draft


def _answerable(
    observations: Sequence[Observation], names: tuple[str, ...]
) -> tuple[answerability.Calibration, Floats]:
    """Return the fit, and for each observation a probability of fits that did not see it."""
    signals = np.array([[o.seen.signals[name] for name in names] for o in observations])
    labels = np.array([bool(o.question.answerable) for o in observations])
    # A false premise may be answered by what corrects it, so those questions say nothing of answerability.
    used = np.array([o.question.kind != "false_premise" for o in observations])
    groups = _groups(o.question for o in observations)
    weights = _shares(observations) * used * len(observations)
    regression, held_out = _regression(signals, labels, weights, groups, names, 0.3)
    counted = used & np.array([o.usual for o in observations])
    threshold = _threshold(held_out[counted], labels[counted])
    return answerability.Calibration(**asdict(regression), threshold=threshold), held_out


def _regression(  # noqa: PLR0913, PLR0917 - the data in five columns
    matrix: Floats,
    labels: NDArray[np.bool_],
    weights: Floats,
    groups: Sequence[str],
    names: tuple[str, ...],
    strength: float,
) -> tuple[answerability.Regression, Floats]:
    """Return the fit, and each row's probability by fits that did not see its group."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - only needed to fit
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000))
    held_out = np.zeros(len(labels))
    for seed in range(REPEATS):
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
        for seen, unseen in folds.split(matrix, labels, groups):
            model.fit(matrix[seen], labels[seen], logisticregression__sample_weight=weights[seen])
            held_out[unseen] += model.predict_proba(matrix[unseen])[:, 1] / REPEATS
    model.fit(matrix, labels, logisticregression__sample_weight=weights)
    scaler, regression = model[0], model[-1]
    fitted = answerability.Regression(
        mean=dict(zip(names, map(float, scaler.mean_), strict=True)),
        scale=dict(zip(names, map(float, scaler.scale_), strict=True)),
        weight=dict(zip(names, map(float, regression.coef_[0]), strict=True)),
        intercept=float(regression.intercept_[0]),
    )
    return fitted, held_out


def _groups(questions: Iterable[Question]) -> list[str]:
    """Return what belongs together: a conversation, or questions about the same fact."""
    return [question.group or question.id for question in questions]


def _threshold(probabilities: Floats, labels: NDArray[np.bool_]) -> float:
    candidates = np.unique(np.round(probabilities, 3))
    allowed = [t for t in candidates if (probabilities[labels] >= t).mean() >= LEAST_ANSWERED]
    return float(max(allowed, key=lambda t: (probabilities[~labels] < t).mean(), default=0.0))
