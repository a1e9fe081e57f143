"""Fit what is not decided by hand: the regressions and the thresholds of `calibration.json`.

`python -m lab calibrate` runs the development questions, and the hard and the readers' ones where they are named, keeps
what was found, and fits to that; the test questions are never read here. Every threshold is chosen by what fits say of
questions and conversations that they did not see, and for the mix of questions that a public chat is expected to get,
whatever the mix in the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.answering import quoting
from assistant.answering.assistant import Assistant
from assistant.answering.packaged import calibration
from assistant.answering.packaged.drafts import CheckedDraft, slips
from assistant.answering.packaged.judgement import Judgement
from assistant.answering.packaged.writer import PackagedWriter
from assistant.answering.trace import Trace
from assistant.answering.understanding.question import Question as Asked
from assistant.errors import ConfigurationError, ModelError
from assistant.evaluation.questions import Question, holds_facts
from assistant.evaluation.questions import holds as holds_wording
from assistant.model.limit import Limit
from assistant.model.probes import PROBES
from assistant.types import Sentence
from lab.training.probes import Graded
from lab.training.probes import fit as fit_probes
from lab.training.probes import save as save_probes

SECONDS = 60.0
LEAST_ANSWERED = 0.95
"""A refusal where there was an answer is the third worst outcome, a quotation beside the point the second: at most five
in a hundred are lost to the threshold, as is aimed at. With three, a tenth fewer of readers' questions about what an
article does not tell were declined (lab/LOG.md)."""
ANSWERABLE_SHARE = 0.75
"""The share of questions with an answer that is aimed at."""
UNANSWERABLE_KINDS = {"near": 8, "false_premise": 4, "off_topic": 3, "follow_up": 2, "injection": 2}
"""How often the kinds of the others are aimed at; the development questions have many near ones, which are hardest."""
MOST_WRONG = 0.025
"""A wrong written sentence is the worst outcome: at most 25 in a thousand questions are meant to get one. With 20, by
cross-validation, 8 (the article that ships) and 30 (readers') get one, and 37 and 26 in a hundred a right one; with 25,
12 and 37, and 41 and 27; with 30, 12 and 43, and 43 and 32."""
LEAST_DRAFTED = 0.95
"""A draft that was cut off in its first sentence is none; where more are missing, the model was not there."""
NEVER = 2.0
"""A threshold that no probability reaches."""
FOLDS = 8
_YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
REPEATS = 5

Floats = NDArray[np.float64]
Candidate = tuple[Sentence, dict[str, float]]
"""A sentence that may be quoted, with its signals."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the assistant saw for one development question."""

    question: Question
    asked: Asked
    seen: Judgement
    graded: Mapping[str, str]
    """Answers to it that were graded by reading, and their grades."""
    quotable: Mapping[str, Sequence[Candidate]]
    """What may be quoted: at once, and with a draft."""
    usual: bool = True
    """Whether the threshold of what is declined is chosen for it too; everything else is fitted to every question."""


@dataclass(frozen=True, slots=True)
class Told:
    """What readers said of answers, and the probes that were fitted to it."""

    graded: Sequence[Graded] = ()
    probes: Path = PROBES


def observe(
    assistant: Assistant,
    usual: Sequence[Question],
    hard: Sequence[Question],
    progress: Callable[[int, int], None],
    told: Told = Told(),
) -> list[Observation]:
    """Run every question up to the decision, with these probes; those that never reach it are left out.

    Raises:
        ConfigurationError: a question without an answer is of a kind that nothing is aimed at; no question was run.
    """
    for question in (*usual, *hard):
        if not question.answerable and question.kind not in UNANSWERABLE_KINDS:
            raise ConfigurationError(
                f"Question {question.id} has no answer and the kind {question.kind!r}",
                f"make it one of {', '.join(UNANSWERABLE_KINDS)}",
            )
    grades: dict[str, dict[str, str]] = {}
    for each in told.graded:
        grades.setdefault(each.question.id, {})[each.answer] = each.grade
    writer, found = replace(assistant.steps.packaged, probes=told.probes), []
    for number, question in enumerate([*usual, *hard], start=1):
        asked = Asked.of(question.question, question.history)
        if not asked.problem and not asked.about_article:
            findings = assistant.steps.find(asked, question.article or None)
            if findings.evidence:
                assistant.steps.holder.read_now(assistant.model, findings.hits[0].passage.article)
                try:
                    seen = writer.judge(asked, findings, assistant.model, Limit.of_seconds(SECONDS), Trace())
                except ModelError:
                    seen = writer.undrafted(findings)
                graded_here, quotable = grades.get(question.id, {}), _quotable(writer, seen)
                found.append(Observation(question, asked, seen, graded_here, quotable, usual=number <= len(usual)))
        progress(number, len(usual) + len(hard))
    return found


def observe_readers(
    assistant: Assistant,
    questions: Sequence[Question],
    graded: Sequence[Graded],
    states: Floats,
    progress: Callable[[int, int], None],
) -> list[Observation]:
    """Do the same for readers' questions, each with probes that were fitted to answers about other articles alone.

    `states` are those of the graded answers, (answers, width).

    Raises:
        ConfigurationError: as `observe`.
    """
    articles = sorted({question.article for question in questions})
    found: list[Observation] = []
    with TemporaryDirectory() as folder:
        for fold in range(FOLDS):
            left_out = set(articles[fold::FOLDS])
            kept = [number for number, each in enumerate(graded) if each.question.article not in left_out]
            file = Path(folder) / f"{fold}.npz"
            save_probes(*fit_probes(states[kept], [graded[number] for number in kept]), file)
            own = [question for question in questions if question.article in left_out]
            further = partial(_further, progress, len(found), len(questions))
            found += observe(assistant, own, [], further, Told(graded, file))
    return found


def _further(progress: Callable[[int, int], None], before: int, total: int, done: int, _: int) -> None:
    progress(before + done, total)


def _quotable(writer: PackagedWriter, seen: Judgement) -> dict[str, Sequence[Candidate]]:
    drafts = {"words": None, "draft": seen.draft}
    return {name: writer.quotable(seen.findings, draft) for name, draft in drafts.items()}


def fit(observations: Sequence[Observation]) -> dict[str, Any]:
    """Return the contents of `calibration.json`.

    Raises:
        ConfigurationError: too many questions got no draft, or no check of it.
    """
    judged = [o for o in observations if o.seen.draft is not None and o.seen.findings.similarities]
    if len(judged) < LEAST_DRAFTED * len(observations):
        raise ConfigurationError("Too many questions got no draft and check", "calibrate with the packaged model alone")
    observations = judged
    answered = {name: _answerable(observations, signals) for name, signals in calibration.SIGNALS.items()}
    answer, sure = answered["check"]
    draft = _written(observations, answer, sure)
    return {
        "answerable": {name: asdict(fitted) for name, (fitted, _) in answered.items()},
        "quoted": _quoting(observations),
        "written": asdict(draft),
    }


def _quoting(observations: Sequence[Observation]) -> dict[str, Any]:
    """Return for each fit how likely a sentence holds the answer: fitted to where the evidence stands."""
    used = [o for o in observations if o.question.answerable and o.question.evidence]
    fitted = {}
    for name, names in quoting.SIGNALS.items():
        rows = [(o.question, *candidate) for o in used for candidate in o.quotable[name]]
        matrix = np.array([[signals[each] for each in names] for _, _, signals in rows])
        labels = np.array([_holds_evidence(sentence, question) for question, sentence, _ in rows])
        groups = _groups(question for question, _, _ in rows)
        fitted[name] = asdict(_regression(matrix, labels, np.ones(len(rows)), groups, names, 0.3)[0])
    return fitted


def _holds_evidence(sentence: Sentence, question: Question) -> bool:
    places = ((words, sentence.article.text.find(words)) for words in question.evidence)
    return any(0 <= start < sentence.end and sentence.start < start + len(words) for words, start in places)


def save(fitted: dict[str, Any], path: Path = calibration.CALIBRATION) -> None:
    """Write the fitted values into the file."""
    path.write_text(json.dumps(fitted, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _says_forbidden(text: str, question: Question) -> bool:
    return any(holds_wording(text, wording) for wording in question.must_not)


def _is_right(draft: CheckedDraft, question: Question, graded: Mapping[str, str]) -> bool:
    """Whether the draft, shown as it is, would be right: by its grade, where a reader gave one, else by its words."""
    if draft.text in graded:
        return graded[draft.text] in ("good", "partly")
    opens = {match[1].lower() for text in (draft.text, question.ideal) if (match := _YES_OR_NO.match(text))}
    if not draft.text or _says_forbidden(draft.text, question) or len(opens) == 2:
        return False
    if question.answerable:
        return holds_facts(draft.text, question.must_have)
    # A false premise may be met with the words that contradict it.
    return question.kind == "false_premise" and any(_holds_evidence(sentence, question) for sentence in draft.evidence)


def _written(
    observations: Sequence[Observation], answer: calibration.Calibration, sure: Floats
) -> calibration.Calibration:
    """Return the fit of what was written.

    `answer` and `sure` are the same of whether there is an answer. The threshold is the one under which most questions
    get a right written answer while at most `MOST_WRONG` get a wrong one. The hard questions count too: the rules were
    written with the others in sight, and what these allow is too much for new ones.
    """
    weights = _shares(observations) * len(observations)
    names = calibration.WRITTEN_SIGNALS
    matrix, groups = _matrix(observations, names), _groups(o.question for o in observations)
    regression, right = _regression(matrix, _right(observations), weights, groups, names, 0.03)
    may_be_shown = _hold(observations) & (sure >= answer.threshold)
    threshold = _threshold_of_shown(_shares(observations), _right(observations), right, may_be_shown)
    return calibration.Calibration(**asdict(regression), threshold=threshold)


def _matrix(observations: Sequence[Observation], names: tuple[str, ...]) -> Floats:
    return np.array([[o.seen.signals[name] for name in names] for o in observations])


def _hold(observations: Sequence[Observation]) -> NDArray[np.bool_]:
    return np.array([not slips(_draft(o), o.asked, o.seen.findings.query) for o in observations])


def _shares(observations: Sequence[Observation]) -> Floats:
    """Return for each question the share of all questions that it stands for; in all 1."""
    kinds = ["" if o.question.answerable else o.question.kind for o in observations]
    others = {kind: UNANSWERABLE_KINDS[kind] for kind in set(kinds) - {""}}
    aimed = {kind: (1 - ANSWERABLE_SHARE) * often / sum(others.values()) for kind, often in others.items()}
    aimed[""] = 1 - sum(aimed.values())
    return np.array([aimed[kind] / kinds.count(kind) for kind in kinds])


def _threshold_of_shown(
    shares: Floats, right: NDArray[np.bool_], probabilities: Floats, may_be_shown: NDArray[np.bool_]
) -> float:
    """Return the threshold under which most is shown that is right, and of what is wrong `MOST_WRONG` at most."""
    choices = [(0.0, NEVER)]
    for threshold in np.unique(np.round(probabilities[may_be_shown], 3)):
        shown = may_be_shown & (probabilities >= threshold)
        if shares[shown & ~right].sum() <= MOST_WRONG:
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
