"""Fit what is not decided by hand: the regressions and the thresholds of `calibration.json`.

`python -m lab calibrate` runs the development questions, and the hard ones where they are named, keeps what was
found, and fits to that; the test questions are never read here. Every threshold is chosen by probabilities from fits
that did not see the question or its conversation, and for the mix of questions that a public chat is expected to get,
whatever the mix in the file.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from assistant.answering import calibration, quoting, understanding
from assistant.answering.assistant import Assistant
from assistant.answering.drafts import CheckedDraft, holds
from assistant.answering.judgement import Judgement, first_look_signals, is_promising, skips_first_look
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import Question, evidence_spans, holds_facts
from assistant.evaluation.questions import holds as holds_wording
from assistant.model import probes
from assistant.search.span_finder import Readings
from assistant.types import Sentence
from lab.training.probes import Graded, states
from lab.training.probes import fit as fit_probes
from lab.training.probes import save as save_probes

SECONDS = 60.0
LEAST_ANSWERED = 0.97
"""A refusal where there was an answer is the third worst outcome, a quotation beside the point the second: at most
three in a hundred are lost to the threshold. Of two, three and five that came nearest, by cross-validation
with the engine of then, to what is aimed at: with two 8.6 % of all questions got a quotation beside the point (aim 8),
with five .887 of the answers held the facts (aim .90)."""
ANSWERABLE_SHARE = 0.75
"""The share of questions with an answer that is aimed at."""
UNANSWERABLE_KINDS = {"near": 8, "false_premise": 4, "off_topic": 3, "follow_up": 2, "injection": 2}
"""How often the kinds of the others are aimed at; the development questions have many near ones, which are hardest."""
MOST_WRONG = 0.03
"""A wrong written sentence is the worst outcome: at most 30 in a thousand questions are meant to get one. With 20 the
questions about the article that ships got 8 by cross-validation, readers' 37; with 30, 17 and 47, and an eighth more
questions a right one."""
LEAST_DRAFTED = 0.95
"""A draft that was cut off in its first sentence is none; where more are missing, the model was not there."""
FIRST_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
"""How much of what may be wrong the first look may use; the rest is left to the closer one."""
NEVER = 2.0
"""A threshold that no probability reaches."""
FURTHER_SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
FOLDS = 8
REPEATS = 5

Floats = NDArray[np.float64]
Candidate = tuple[Sentence, dict[str, float]]
"""A sentence that may be quoted, with its signals."""
Wanted = dict[str, float]
"""The stems that what is quoted should hold, and how much each weighs."""
Quotable = tuple[Wanted, Sequence[Candidate]]


@dataclass(frozen=True, slots=True)
class Observation:
    """What the assistant saw for one development question."""

    question: Question
    seen: Judgement
    graded: Mapping[str, str]
    """Answers to it that were graded by reading, and their grades."""
    quotable: Mapping[str, Quotable]
    """What may be quoted: at once, with what the span finder found, and with a draft too."""
    usual: bool = True
    """Whether the threshold of what is declined is chosen for it too; everything else is fitted to every question."""


def observe(
    assistant: Assistant,
    usual: Sequence[Question],
    hard: Sequence[Question],
    progress: Callable[[int, int], None],
    graded: Sequence[Graded] = (),
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
    grades: dict[str, dict[str, str]] = {}
    for each in graded:
        grades.setdefault(each.question.id, {})[each.answer] = each.grade
    found = []
    for number, question in enumerate([*usual, *hard], start=1):
        asked = understanding.clean(question.question)
        if not understanding.problem(asked, question.history) and not understanding.asks_about_article(asked):
            findings = assistant.find(asked, question.history, question.article or None)
            if findings.evidence:
                deadline = time.monotonic() + SECONDS
                seen = assistant.judge(asked, question.history, findings, deadline, always_closer=True)
                graded_here, quotable = grades.get(question.id, {}), _quotable(assistant, seen)
                found.append(Observation(question, seen, graded_here, quotable, usual=number <= len(usual)))
        progress(number, len(usual) + len(hard))
    return found


def observe_readers(
    assistant: Assistant, questions: Sequence[Question], graded: Sequence[Graded], progress: Callable[[int, int], None]
) -> list[Observation]:
    """Do the same for readers' questions, each with probes that were fitted to answers about other articles alone.

    Raises:
        ConfigurationError, ModelError: as `states` and `observe`.
    """
    told = states(assistant, graded)
    articles = sorted({question.article for question in questions})
    found: list[Observation] = []
    with TemporaryDirectory() as folder:
        for fold in range(FOLDS):
            left_out = set(articles[fold::FOLDS])
            kept = [number for number, each in enumerate(graded) if each.question.article not in left_out]
            file = Path(folder) / f"{fold}.npz"
            save_probes(*fit_probes(told[kept], [graded[number] for number in kept]), file)
            with patch.object(probes, "PROBES", file):
                own = [question for question in questions if question.article in left_out]
                found += observe(assistant, own, [], partial(_further, progress, len(found), len(questions)), graded)
    return found


def _further(progress: Callable[[int, int], None], before: int, total: int, done: int, _: int) -> None:
    progress(before + done, total)


def _quotable(assistant: Assistant, seen: Judgement) -> dict[str, Quotable]:
    nothing_read: Readings = ((),)
    known: dict[str, tuple[CheckedDraft | None, Readings]] = {
        "words": (None, nothing_read),
        "read": (None, seen.readings),
        "draft": (seen.draft, seen.readings),
    }
    return {
        name: (assistant.wanted(seen.findings, draft), assistant.quotable(seen.findings, draft, readings))
        for name, (draft, readings) in known.items()
    }


def fit(observations: Sequence[Observation]) -> dict[str, Any]:
    """Return the contents of `calibration.json`.

    Raises:
        ConfigurationError: too many questions got no draft, or no check of it.
    """
    judged = [o for o in observations if o.seen.draft is not None and o.seen.fit == "margin"]
    if len(judged) < LEAST_DRAFTED * len(observations):
        raise ConfigurationError("Too many questions got no draft and check: calibrate with the packaged model alone")
    observations = judged
    first = [name for name in calibration.SIGNALS if name != "closer"]
    fitted = {name: _answerable(observations, calibration.SIGNALS[name]) for name in first}
    written = {name: _written(observations, name, fitted[name]) for name in ("draft", "margin")}
    at_first = ~_skip_first_look(observations, fitted["draft"][1], written["draft"][1])
    sure, right = (np.where(at_first, found["margin"][1], found["draft"][1]) for found in (fitted, written))
    before = Before(at_first, sure, right, fitted["margin"][0].threshold)
    looks = [_looks(observations, before, share * MOST_WRONG) for share in FIRST_SHARES]
    best = max(looks, key=lambda look: look.shown)
    return {
        "answerable": {name: asdict(calibration) for name, (calibration, _) in fitted.items()}
        | {"closer": asdict(best.answerable)},
        "quoted": _quoting(observations, best.written_at),
        "written": {
            "draft": written["draft"][0],
            "margin": written["margin"][0] | {"threshold": best.written_from},
            "closer": asdict(best.written),
        },
    }


def _quoting(observations: Sequence[Observation], written: NDArray[np.bool_]) -> dict[str, Any]:
    """Return for each fit how likely a sentence holds the answer, and when further ones are quoted.

    Every question begins with a quotation; at last none of those gets one that are `written`.
    """
    with_evidence = np.array([bool(o.question.answerable and o.question.evidence) for o in observations])
    used = [o for o, is_used in zip(observations, with_evidence, strict=True) if is_used]
    fitted = {}
    for name in quoting.SIGNALS:
        found = [(o.question, *o.quotable[name]) for o in used]
        counted = ~written[with_evidence] if name == "draft" else np.ones(len(used), dtype=bool)
        fitted[name] = asdict(_fit_quoting(found, counted, quoting.SIGNALS[name]))
    return fitted


def _fit_quoting(
    found: Sequence[tuple[Question, Wanted, Sequence[Candidate]]], counted: NDArray[np.bool_], names: tuple[str, ...]
) -> calibration.Quoting:
    """Fit to where the evidence stands, and take the share that serves most of those counted; of equals the shorter."""
    rows = [(question, *candidate) for question, _, candidates in found for candidate in candidates]
    matrix = np.array([[signals[name] for name in names] for _, _, signals in rows])
    labels = np.array([_holds_evidence(sentence, question) for question, sentence, _ in rows])
    groups = _groups(question for question, _, _ in rows)
    regression, held_out = _regression(matrix, labels, np.ones(len(rows)), groups, names, 0.3)
    unseen = iter(held_out)
    guessed = [
        (question, wanted, [(sentence, next(unseen)) for sentence, _ in candidates])
        for question, wanted, candidates in found
    ]
    to_serve = [guess for guess, is_counted in zip(guessed, counted, strict=True) if is_counted]

    def quality(further_share: float) -> tuple[int, int]:
        texts = [
            (question, " ".join(sentence.text for window in windows for sentence in window.all))
            for question, wanted, ranked in to_serve
            for windows in [quoting.choose(question.question, ranked, further_share, wanted)]
        ]
        served = sum(
            holds_facts(text, question.must_have) and not _says_forbidden(text, question) for question, text in texts
        )
        return served, -sum(len(text) for _, text in texts)

    return calibration.Quoting(**asdict(regression), further_share=max(FURTHER_SHARES, key=quality))


def _holds_evidence(sentence: Sentence, question: Question) -> bool:
    return any(
        sentence.start < end and start < sentence.end for start, end in evidence_spans(question, sentence.article)
    )


def save(calibration: dict[str, Any], path: Path = calibration.CALIBRATION) -> None:
    """Write the fitted values."""
    path.write_text(json.dumps(calibration, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _says_forbidden(text: str, question: Question) -> bool:
    return any(holds_wording(text, wording) for wording in question.must_not)


def _is_right(draft: CheckedDraft, question: Question, graded: Mapping[str, str]) -> bool:
    """Whether the draft, shown as it is, would be right: by its grade, where a reader gave one, else by its words."""
    if draft.text in graded:
        return graded[draft.text] in ("good", "partly")
    if not draft.text or _says_forbidden(draft.text, question):
        return False
    if question.answerable:
        return holds_facts(draft.text, question.must_have)
    # A false premise may be met with the words that contradict it.
    return question.kind == "false_premise" and any(_holds_evidence(sentence, question) for sentence in draft.evidence)


def _written(
    observations: Sequence[Observation], name: str, answered: tuple[calibration.Calibration, Floats]
) -> tuple[dict[str, Any], Floats]:
    """Return the fit of what was written at first, and each draft's probability by fits that did not see its question.

    `answered` is the same of whether there is an answer. The threshold is the one under which most questions get a
    right written answer while at most `MOST_WRONG` get a wrong one, as long as there is no closer look. The hard
    questions count too: whoever wrote the rules has seen the others, and what these allow is too much for new ones.
    """
    weights = _shares(observations) * len(observations)
    is_answered, sure = answered
    regression, right = _fit_written(observations, weights, calibration.WRITTEN_SIGNALS[name], 0.03)
    threshold = _threshold_of_written(observations, right, sure >= is_answered.threshold)
    return asdict(regression) | {"threshold": threshold}, right


def _skip_first_look(observations: Sequence[Observation], sure: Floats, right: Floats) -> NDArray[np.bool_]:
    """Tell which are looked at closer at once, by the probabilities without a check."""
    return np.array(
        [
            o.seen.closer is not None and skips_first_look(_draft(o), o.seen.findings.query, *likely)
            for o, *likely in zip(observations, sure, right, strict=True)
        ]
    )


@dataclass(frozen=True, slots=True)
class Before:
    """What is known of each question before a closer look."""

    at_first: NDArray[np.bool_]
    """Whether it gets a first look."""
    sure: Floats
    """How likely there is an answer, by fits that did not see the question."""
    right: Floats
    """How likely the draft is right, likewise."""
    answered_from: float
    """From when on the first look answers."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What the first look may write, and the fits of the closer one."""

    shown: float
    """The share of all questions that get a right written answer by either."""
    written_at: NDArray[np.bool_]
    """Which questions get a written answer, by probabilities from fits that did not see them."""
    written_from: float
    answerable: calibration.Calibration
    written: calibration.Calibration


def _looks(observations: Sequence[Observation], before: Before, most_wrong: float) -> Looks:
    """Fit the closer look, where the first one writes `most_wrong` at most that is wrong.

    It is fitted to the questions that get one. What the first look declines, and what it writes that is wrong, counts
    towards what is allowed in all.

    Raises:
        ConfigurationError: too few questions get one.
    """
    sure, right = before.sure, before.right
    shares, drafts_right = _shares(observations), _right(observations)
    may_be_shown = before.at_first & (sure >= before.answered_from)
    written_from = _threshold_of_written(observations, right, may_be_shown, most_wrong)
    shown = may_be_shown & (right >= written_from) & _hold(observations)
    promising = [
        o.seen.closer is not None and is_promising(_draft(o), *likely)
        for o, *likely in zip(observations, sure, right, strict=True)
    ]
    looked = ~shown & (~before.at_first | np.array(promising))
    counted = np.array([o.usual and o.question.answerable for o in observations])
    may_lose = (1 - LEAST_ANSWERED) * counted.sum() - (counted & ~looked & (sure < before.answered_from)).sum()
    chosen = [
        _at_closer_look(o, *likely)
        for o, *likely, is_one in zip(observations, sure, right, looked, strict=True)
        if is_one
    ]
    weights = shares[looked] * len(observations)
    answerable, answered = _answerable_closer(chosen, weights, counted[looked], may_lose)
    may_be_wrong = MOST_WRONG - shares[shown & ~drafts_right].sum()
    _enough(_right(chosen))
    written, held_out = _fit_written(chosen, weights, calibration.WRITTEN_SIGNALS["closer"], 0.1)
    open_ = answered >= answerable.threshold
    threshold = _threshold_of_shown(shares[looked], _right(chosen), held_out, open_ & _hold(chosen), may_be_wrong)
    shown_then = open_ & _hold(chosen) & (held_out >= threshold)
    more = shares[looked][shown_then & _right(chosen)].sum()
    written_at = shown.copy()
    written_at[looked] = shown_then
    return Looks(
        float(shares[shown & drafts_right].sum() + more),
        written_at,
        written_from,
        answerable,
        calibration.Calibration(**asdict(written), threshold=threshold),
    )


def _at_closer_look(observation: Observation, sure: float, right: float) -> Observation:
    """Return the observation with what the closer look told in the place of the first."""
    closer = observation.seen.closer
    if closer is None:
        raise ValueError(f"{observation.question.id} got no closer look")
    draft = replace(closer, signals={**closer.signals, **first_look_signals(sure, right)})
    return replace(observation, seen=replace(observation.seen, draft=draft, signals=draft.signals))


def _answerable_closer(
    observations: Sequence[Observation], weights: Floats, counted: NDArray[np.bool_], may_lose: float
) -> tuple[calibration.Calibration, Floats]:
    """Return the fit, and each question's probability by fits that did not see it.

    As many of the others as possible are declined while at most `may_lose` of those counted are lost.
    """
    names = calibration.SIGNALS["closer"]
    labels = np.array([o.question.answerable for o in observations], dtype=bool)
    used = np.array([o.question.kind != "false_premise" for o in observations], dtype=bool)
    _enough(labels[used])
    groups = _groups(o.question for o in observations)
    regression, held_out = _regression(_matrix(observations, names), labels, weights * used, groups, names, 0.3)
    threshold = _threshold_of_declined(held_out, weights * (used & ~labels), counted, may_lose)
    return calibration.Calibration(**asdict(regression), threshold=threshold), held_out


def _threshold_of_declined(probabilities: Floats, others: Floats, counted: NDArray[np.bool_], may_lose: float) -> float:
    """Return the lowest threshold that declines as many others as any that loses at most `may_lose` of those counted.

    `others` are weights, 0 for what has an answer. Where none is counted nothing tells what would be lost, and none is
    declined.
    """
    if not counted.any():
        return 0.0
    thresholds = np.unique([0.0, *np.round(probabilities, 3)])
    allowed = [float(t) for t in thresholds if (probabilities[counted] < t).sum() <= may_lose]
    return max(allowed, key=lambda threshold: math.fsum(others[probabilities < threshold]), default=0.0)


def _enough(labels: NDArray[np.bool_]) -> None:
    if min(labels.sum(), (~labels).sum()) < FOLDS:
        raise ConfigurationError("Too few questions got a closer look to fit it to: calibrate with more questions")


def _matrix(observations: Sequence[Observation], names: tuple[str, ...]) -> Floats:
    return np.array([[o.seen.signals[name] for name in names] for o in observations])


def _hold(observations: Sequence[Observation]) -> NDArray[np.bool_]:
    return np.array([holds(_draft(o), o.seen.findings.query) for o in observations])


def _shares(observations: Sequence[Observation]) -> Floats:
    """Return for each question the share of all questions that it stands for; in all 1."""
    kinds = ["" if o.question.answerable else o.question.kind for o in observations]
    others = {kind: UNANSWERABLE_KINDS[kind] for kind in set(kinds) - {""}}
    aimed = {kind: (1 - ANSWERABLE_SHARE) * often / sum(others.values()) for kind, often in others.items()}
    aimed[""] = 1 - sum(aimed.values())
    return np.array([aimed[kind] / kinds.count(kind) for kind in kinds])


def _fit_written(
    observations: Sequence[Observation], weights: Floats, names: tuple[str, ...], strength: float
) -> tuple[calibration.Regression, Floats]:
    """Return the fit and each draft's probability by fits that did not see its question."""
    matrix, groups = _matrix(observations, names), _groups(o.question for o in observations)
    return _regression(matrix, _right(observations), weights, groups, names, strength)


def _threshold_of_written(
    observations: Sequence[Observation],
    probabilities: Floats,
    open_: NDArray[np.bool_],
    most_wrong: float = MOST_WRONG,
) -> float:
    may_be_shown = open_ & _hold(observations)
    return _threshold_of_shown(_shares(observations), _right(observations), probabilities, may_be_shown, most_wrong)


def _threshold_of_shown(
    shares: Floats, right: NDArray[np.bool_], probabilities: Floats, may_be_shown: NDArray[np.bool_], most_wrong: float
) -> float:
    """Return the threshold under which most is shown that is right, and of what is wrong no more than is allowed."""
    choices = [(0.0, NEVER)]
    for threshold in np.unique(np.round(probabilities[may_be_shown], 3)):
        shown = may_be_shown & (probabilities >= threshold)
        if shares[shown & ~right].sum() <= most_wrong:
            choices.append((float(shares[shown & right].sum()), float(threshold)))
    return max(choices)[1]


def _right(observations: Sequence[Observation]) -> NDArray[np.bool_]:
    return np.array([_is_right(_draft(o), o.question, o.graded) for o in observations])


def _draft(observation: Observation) -> CheckedDraft:
    draft = observation.seen.draft
    if draft is None:
        raise ValueError(f"{observation.question.id} has no draft")
    return draft


def _answerable(observations: Sequence[Observation], names: tuple[str, ...]) -> tuple[calibration.Calibration, Floats]:
    """Return the fit, and for each observation a probability of fits that did not see it."""
    labels = np.array([bool(o.question.answerable) for o in observations])
    # A false premise may be answered by what corrects it, so those questions say nothing of answerability.
    used = np.array([o.question.kind != "false_premise" for o in observations])
    groups = _groups(o.question for o in observations)
    weights = _shares(observations) * used * len(observations)
    regression, held_out = _regression(_matrix(observations, names), labels, weights, groups, names, 0.3)
    counted = used & np.array([o.usual for o in observations])
    threshold = _threshold(held_out[counted], labels[counted])
    return calibration.Calibration(**asdict(regression), threshold=threshold), held_out


def _regression(  # noqa: PLR0913, PLR0917 - the data in five columns
    matrix: Floats,
    labels: NDArray[np.bool_],
    weights: Floats,
    groups: Sequence[str],
    names: tuple[str, ...],
    strength: float,
) -> tuple[calibration.Regression, Floats]:
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
    fitted = calibration.Regression(
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
