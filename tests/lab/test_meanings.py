"""What is fitted to tell what is meant by what asks for nothing that an article tells."""

import numpy as np

from assistant.answering.understanding.meaning import Meaning
from assistant.evaluation.questions import Question
from lab.training.meanings import NEAR, QUESTION, Utterance, fit, read_utterances


def test_the_utterances_are_read_with_the_questions() -> None:
    """Each meaning has some, and a question means what its kind says."""
    asked = [Question("q1", "what is it about", kind="overview"), Question("q2", "who paid", kind="fact")]
    utterances = read_utterances({"readers": asked})
    assert utterances[-2:] == [
        Utterance("what is it about", "whole", "readers"),
        Utterance("who paid", QUESTION, "readers"),
    ]
    told = [each.means for each in utterances]
    assert min(told.count(meaning) for meaning in [*Meaning, NEAR]) > 20


def test_what_can_be_told_apart_is_told_apart() -> None:
    """It is taken for what it means where its vector is like those that mean this, and for nothing elsewhere."""
    random = np.random.default_rng(0)
    kinds = [*Meaning, NEAR, *[QUESTION] * 3]
    meanings = [kinds[number % len(kinds)] for number in range(440)]
    vectors = random.normal(size=(440, 16)) + 12 * np.eye(16)[[list(kinds).index(each) for each in meanings]]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    fitted = fit(vectors, [Utterance("", each, str(number % 4)) for number, each in enumerate(meanings)])
    likeness = np.exp(2 * fitted["width"] * (fitted["examples"].astype(float) @ vectors.T - 1))
    sure = fitted["weights"] @ likeness + fitted["offsets"][:, None]
    for row, meaning in enumerate(Meaning):
        assert ((sure[row] > 0) == [each == meaning for each in meanings]).mean() > 0.97
