"""What is fitted to tell who asks for an article as a whole."""

import numpy as np

from assistant.evaluation.questions import Question
from lab.training.whole import fit, read_messages


def test_the_messages_are_read_with_the_questions() -> None:
    """As many ask for the whole as do not, and a question does so by its kind."""
    rows = read_messages([Question("q1", "what is it about", kind="overview"), Question("q2", "who paid", kind="fact")])
    assert rows[-2:] == [("what is it about", True), ("who paid", False)]
    assert 2 * sum(asks for _, asks in rows[:-2]) == len(rows) - 2 > 300


def test_what_can_be_told_apart_is_told_apart() -> None:
    """The log-odds are positive where a message asks for the whole, and negative elsewhere."""
    random = np.random.default_rng(0)
    asks = np.arange(200) % 5 == 0
    vectors = random.normal(size=(200, 8)) + 4 * asks[:, None] * np.eye(8)[0]
    weights, intercepts = fit(vectors, asks.tolist())
    assert ((vectors @ weights[0] + intercepts[0] > 0) == asks).mean() > 0.9
