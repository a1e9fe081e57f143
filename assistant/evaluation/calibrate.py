"""Fit what is not decided by hand: the regressions and the thresholds of `calibration.json`.

`python -m assistant calibrate` runs the development questions once, those in doubt twice, keeps what was found, and
fits to that; the test half is never read here. Every threshold is chosen by probabilities from fits that did not see
the question or its conversation, and for the mix of questions that a public chat is expected to get, whatever the mix
in the file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
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
"""A refusal where there was an answer is the third worst; at most one in twenty may be lost to the threshold."""
ANSWERABLE_SHARE = 0.75
"""The share of questions with an answer that is aimed at."""
UNANSWERABLE_KINDS = {"near": 8, "false_premise": 4, "off_topic": 3, "follow_up": 2, "injection": 2}
"""How often the kinds of the others are aimed at; the development half has many near ones, which are hardest."""
MOST_WRONG = 0.025
"""A wrong written sentence is the worst outcome: at most one in forty questions is meant to get one."""
LEAST_DRAFTED = 0.95
"""A draft that was cut off in its first sentence is none; where more are missing, the model was not there."""
IN_DOUBT = 0.2
"""Of how many of all questions a second draft is fitted to: of those nearest to the threshold of one draft."""
MOST_TWICE = 0.1
"""A second draft doubles the wait; at most so many of all questions wait for one. In cross-validation four times as
many wrote no more right answers."""
NEVER = 2.0
"""A threshold that no probability reaches."""
SECOND_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
FOLDS = 8
REPEATS = 5

Floats = NDArray[np.float64]
Candidate = tuple[Sentence, dict[str, float]]
"""A sentence that may be quoted, with its signals."""
Stage = tuple[Floats, NDArray[np.bool_]]
"""For each question how likely the draft that would be shown is right, and whether it is."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the assistant saw for one development question."""

    question: Question
    once: Judgement
    """With one draft."""
    twice: Judgement | None = None
    """With a second one, for the questions that are in doubt after the first."""
    usual: bool = True
    """Whether the threshold of what is declined is chosen for it too; everything else is fitted to every question."""


def observe(
    assistant: Assistant, usual: Sequence[Question], hard: Sequence[Question], progress: Callable[[int, int], None]
) -> list[Observation]:
    """Run every question up to the decision; those that never reach it are left out."""
    found = []
    for number, question in enumerate([*usual, *hard], start=1):
        asked = conversation.clean(question.question)
        if not conversation.problem(asked) and not conversation.asks_about_article(asked):
            findings = assistant.search(conversation.standalone(asked, question.history), question.article or None)
            if findings.evidence:
                once = assistant.judge(asked, question.history, findings, time.monotonic() + SECONDS)
                found.append(Observation(question, once, usual=number <= len(usual)))
        progress(number, len(usual) + len(hard))
    return found


def observe_again(
    assistant: Assistant, observations: Sequence[Observation], progress: Callable[[int, int], None]
) -> list[Observation]:
    """Let the model write once more where the first draft leaves most doubt; questions without a draft are left out.

    Raises:
        ConfigurationError: too many have none.
    """
    drafted = [o for o in observations if o.once.drafts]
    if len(drafted) < LEAST_DRAFTED * len(observations):
        raise ConfigurationError("Too many questions got no draft: calibrate with the packaged model alone")
    doubtful = _in_doubt(drafted)
    found = []
    for number, o in enumerate(drafted):
        asked, deadline = conversation.clean(o.question.question), time.monotonic() + SECONDS
        again = number in doubtful
        twice = assistant.second_opinion(o.once, asked, o.question.history, deadline) if again else None
        # One that was cut off is none.
        found.append(replace(o, twice=twice if twice is not None and len(twice.drafts) > 1 else None))
        progress(number + 1, len(drafted))
    return found


def _in_doubt(observations: Sequence[Observation]) -> set[int]:
    """Return the numbers of the questions whose first draft is nearest to the threshold of what is shown."""
    calibration, sure = _answerable(observations, answerability.MARGIN)
    open_, shares = sure >= calibration.threshold, _shares(observations)
    drafts = [o.once.drafts for o in observations]
    _, probabilities = _fit_written(observations, drafts, answerability.WRITTEN_MARGIN)
    stage = _best_drafts(observations, drafts, probabilities)
    _, alone = _threshold_of_one(stage, shares, open_, MOST_WRONG)
    distance = np.where(open_ & (stage[0] > 0), np.abs(stage[0] - alone), np.inf)
    nearest = np.argsort(distance, kind="stable")
    enough = np.isfinite(distance[nearest]) & (np.cumsum(shares[nearest]) <= IN_DOUBT)
    return set(nearest[enough].tolist())


def fit(assistant: Assistant, observations: Sequence[Observation]) -> dict[str, Any]:
    """Return the contents of `calibration.json`.

    Raises:
        ConfigurationError: no question has a second draft.
    """
    if all(o.twice is None for o in observations):
        raise ConfigurationError("No question got a second draft: calibrate with the packaged model alone")
    fitted = {name: _answerable(observations, names) for name, names in answerability.SIGNALS.items()}
    calibration, sure = fitted["margin"]
    return {
        "answerable": {name: asdict(calibration) for name, (calibration, _) in fitted.items()},
        "quoted": _quoting(assistant, observations),
        **_written(observations, sure >= calibration.threshold),
    }


def _quoting(assistant: Assistant, observations: Sequence[Observation]) -> dict[str, Any]:
    """Return for each fit how likely a sentence holds the answer, and when a second one is quoted."""
    used = [o for o in observations if o.question.answerable and o.question.evidence]
    seen: dict[str, list[tuple[Question, list[Candidate]]]] = {
        "words": [(o.question, assistant.quotable(o.once.findings, ())) for o in used],
        "read": [(o.question, assistant.quotable(o.once.findings, (), o.once.readings)) for o in used],
        "draft": [(o.question, assistant.quotable(o.once.findings, o.once.drafts, o.once.readings)) for o in used],
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
    """Return the fits of what was written, and from what probability on a second draft is made.

    `open_` tells which questions are not declined before. The thresholds are those under which most questions get a
    right written answer while at most `MOST_WRONG` get a wrong one: of one draft alone, and of the first and both
    drafts one after the other, where at most `MOST_TWICE` of all questions wait for the second. The hard questions
    count too: whoever wrote the rules has seen the others, and what these allow is too much for new ones.
    """
    shares = _shares(observations)
    once = [o.once.drafts for o in observations]
    again = [(number, o, o.twice.drafts) for number, o in enumerate(observations) if o.twice is not None]
    fits, stages = {}, {}
    for name in ("draft", "margin"):
        fits[name], probabilities = _fit_written(observations, once, answerability.WRITTEN_SIGNALS[name])
        stages[name] = _best_drafts(observations, once, probabilities)
    asked, drafts = [o for _, o, _ in again], [pair for _, _, pair in again]
    fits["twice"], probabilities = _fit_written(asked, drafts, answerability.WRITTEN_TWICE)
    later = np.zeros(len(observations)), np.zeros(len(observations), dtype=bool)
    for whole, part in zip(later, _best_drafts(asked, drafts, probabilities), strict=True):
        whole[[number for number, _, _ in again]] = part
    _, alone = _threshold_of_one(stages["draft"], shares, open_, MOST_WRONG)
    first, second, second_draft_from = _thresholds_of_two(stages["margin"], later, shares, open_)
    thresholds = {"draft": alone, "margin": first, "twice": second}
    return {
        "second_draft_from": second_draft_from,
        "written": {name: asdict(fits[name]) | {"threshold": thresholds[name]} for name in fits},
    }


def _shares(observations: Sequence[Observation]) -> Floats:
    """Return for each question the share of all questions that it stands for; in all 1."""
    kinds = ["" if o.question.answerable else o.question.kind for o in observations]
    others = {kind: UNANSWERABLE_KINDS[kind] for kind in set(kinds) - {""}}
    aimed = {kind: (1 - ANSWERABLE_SHARE) * often / sum(others.values()) for kind, often in others.items()}
    aimed[""] = 1 - sum(aimed.values())
    return np.array([aimed[kind] / kinds.count(kind) for kind in kinds])


def _fit_written(
    observations: Sequence[Observation], drafts: Sequence[Sequence[CheckedDraft]], names: tuple[str, ...]
) -> tuple[answerability.Regression, Floats]:
    """Return the fit and each draft's probability by fits that did not see its question."""
    each = len(drafts[0])
    matrix = np.array([[draft.signals[name] for name in names] for pair in drafts for draft in pair])
    labels = np.array(
        [_is_right(draft, o.question) for o, pair in zip(observations, drafts, strict=True) for draft in pair]
    )
    weights = np.repeat(_shares(observations), each) * len(observations)
    groups = [group for group in _groups(o.question for o in observations) for _ in range(each)]
    regression, held_out = _regression(matrix, labels, weights, groups, names, 0.03)
    return regression, held_out.reshape(-1, each)


def _best_drafts(
    observations: Sequence[Observation], drafts: Sequence[Sequence[CheckedDraft]], probabilities: Floats
) -> Stage:
    """Return for each question how likely the draft that would be shown is right, 0 where none holds, and if it is."""
    sure, right = np.zeros(len(drafts)), np.zeros(len(drafts), dtype=bool)
    for number, (o, pair) in enumerate(zip(observations, drafts, strict=True)):
        for draft, probability in zip(pair, probabilities[number], strict=True):
            if probability > sure[number] and holds(draft, o.once.findings.query):
                sure[number], right[number] = probability, _is_right(draft, o.question)
    return sure, right


def _threshold_of_one(stage: Stage, shares: Floats, waiting: NDArray[np.bool_], allowed: float) -> tuple[float, float]:
    """Return the share of questions with a right draft shown, and the threshold that leads to it."""
    sure, right = stage
    choices = [(0.0, NEVER)]
    for threshold in np.unique(np.round(sure[waiting & (sure > 0)], 3)):
        shown = waiting & (sure >= threshold)
        if shares[shown & ~right].sum() <= allowed:
            choices.append((float(shares[shown & right].sum()), float(threshold)))
    return max(choices)


def _thresholds_of_two(
    once: Stage, twice: Stage, shares: Floats, waiting: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Return the thresholds of the first draft and of both, and from what probability on there is a second one."""
    sure, right = once
    choices = []
    for threshold in [*np.unique(np.round(sure[waiting & (sure > 0)], 3)), NEVER]:
        shown = waiting & (sure >= threshold)
        wrong = float(shares[shown & ~right].sum())
        if wrong > MOST_WRONG:
            continue
        later, begin = waiting & ~shown, _worth_a_second(sure, shares, waiting & ~shown)
        gain, second = _threshold_of_one(twice, shares, later & (sure >= begin), MOST_WRONG - wrong)
        choices.append((gain + float(shares[shown & right].sum()), float(threshold), second, begin))
    _, first, second, begin = max(choices)
    return first, second, begin


def _worth_a_second(sure: Floats, shares: Floats, later: NDArray[np.bool_]) -> float:
    """Return the least probability from which on the questions are few enough to be asked twice."""
    candidates = np.unique(np.round(sure[later & (sure > 0)], 3))
    return next((float(c) for c in candidates if shares[later & (sure >= c)].sum() <= MOST_TWICE), NEVER)


def _answerable(
    observations: Sequence[Observation], names: tuple[str, ...]
) -> tuple[answerability.Calibration, Floats]:
    """Return the fit, and for each observation a probability of fits that did not see it."""
    signals = np.array([[o.once.signals[name] for name in names] for o in observations])
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
