"""Fit `assistant/answering/understanding/meaning.npz`: what is meant by what asks for nothing that an article tells?

`python -m lab fit-meanings` learns from utterances that writers made up, and from readers' and other questions, of
which few mean anything of that kind. There is a support vector machine for each meaning. How sure it has to be follows
from how many questions of writers whom it has not seen it may take.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assistant.answering.understanding.meaning import Meaning
from assistant.evaluation.questions import Question
from assistant.settings import PROJECT
from lab.training.probes import Floats

UTTERANCES = PROJECT / "corpus" / "training" / "utterances.jsonl"
QUESTION, NEAR = "question", "near"
"""What an article may answer, and of this, what is about suicide, violence and abuse, or has words like these."""
_OF_KIND = {"overview": Meaning.WHOLE, "off_topic": "neither", "injection": "neither"}
STRENGTH, WIDTH = 10.0, 2.0
"""Of strengths of 1 to 10 and widths of 0.5 to 2 these find most in distress, cross-validated (lab/LOG.md)."""
MOST_TAKEN: Mapping[Meaning, float] = {
    **dict.fromkeys(Meaning, 0.001),
    Meaning.ELSEWHERE: 0.005,  # It is the least alike in itself.
    Meaning.WHOLE: 0.005,  # An overview is an answer too.
    Meaning.DISTRESS: 0.04,  # Of those that are near: whoever is in distress must be found.
}
"""The share of questions that may be taken for something else."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What somebody typed, what it means, and who wrote it: writers differ more than utterances do."""

    text: str
    means: str
    writer: str


def read_utterances(files: Mapping[str, Iterable[Question]]) -> list[Utterance]:
    """Return the lines of `UTTERANCES`, and questions by the name of their file."""
    rows = map(json.loads, UTTERANCES.read_text(encoding="utf-8").splitlines())
    return [
        *(Utterance(row["text"], row["means"], row["writer"]) for row in rows),
        *(
            Utterance(each.question, _OF_KIND.get(each.kind, QUESTION), file)
            for file, questions in files.items()
            for each in questions
        ),
    ]


def fit(vectors: Floats, utterances: Sequence[Utterance]) -> dict[str, np.ndarray]:
    """Return what the file holds: `examples`, their `weights` for each meaning, its `offsets`, and the `width`.

    `vectors` have length 1. Whom it takes is told by what was fitted without them; where several wrote of one meaning,
    without anything of the same writer.
    """
    from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_predict  # noqa: PLC0415
    from sklearn.svm import SVC  # noqa: PLC0415

    told, writers = np.array([each.means for each in utterances]), [each.writer for each in utterances]
    weights, offsets = np.zeros((len(Meaning), len(vectors))), np.zeros(len(Meaning))
    for row, meaning in enumerate(Meaning):
        machine = SVC(C=STRENGTH, gamma=WIDTH, class_weight="balanced")
        apart = LeaveOneGroupOut() if meaning is Meaning.DISTRESS else StratifiedKFold(10, shuffle=True, random_state=0)
        unseen = cross_val_predict(
            machine,
            vectors,
            told == meaning,
            groups=writers if meaning is Meaning.DISTRESS else None,
            cv=apart,
            method="decision_function",
        )
        fitted = machine.fit(vectors, told == meaning)
        weights[row, fitted.support_] = fitted.dual_coef_[0]
        others = told == (NEAR if meaning is Meaning.DISTRESS else QUESTION)
        offsets[row] = fitted.intercept_[0] - np.quantile(unseen[others], 1 - MOST_TAKEN[meaning])
    used = weights.any(axis=0)
    return {
        "examples": vectors[used].astype(np.float16),
        "weights": weights[:, used].astype(np.float32),
        "offsets": offsets,
        "width": np.array(WIDTH),
    }
