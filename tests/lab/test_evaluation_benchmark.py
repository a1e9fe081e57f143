"""The figures that the README gives: what each one counts, on answers that a person can work out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from evaluated import ARTICLES, BRIDGE

from assistant.evaluation.questions import Question
from assistant.evaluation.scoring.observed import Observed
from assistant.types import Answer, Citation, Status, Timings
from lab.benchmarks import questions as benchmark

COST = "Repairs will cost 4.2 million dollars, and the state pays half of that."
CARS = "About 3,500 cars cross the bridge on a weekday."
FACT = Question(
    "fact", "What do the repairs cost?", kind="fact", answerable=True, must_have=(("4.2 million",),), evidence=(COST,)
)
NEAR = Question("near", "Who built it?", kind="near", answerable=False)


def cite(words: str) -> Citation:
    """Return the citation of words of the article."""
    start = BRIDGE.text.index(words)
    return Citation(1, BRIDGE, start, start + len(words))


def came_of(question: Question, status: Status, text: str = "", *citations: Citation) -> Observed:
    """Return what came of a question after 20 ms and 2 s."""
    answer = Answer(question.question, status, text, citations, timings=Timings(20, 2000))
    return benchmark.seen(question, answer, {article.id: article for article in ARTICLES})


RIGHT = came_of(FACT, Status.ANSWERED, "They cost 4.2 million dollars. [1]", cite(COST))
WRONG = came_of(FACT, Status.ANSWERED, "They cost 3,500 dollars. [1]", cite(CARS))
QUOTED = came_of(FACT, Status.QUOTED, f"{COST} [1]", cite(COST))
BESIDE = came_of(NEAR, Status.QUOTED, f"{CARS} [1]", cite(CARS))
LOST = came_of(FACT, Status.DECLINED)
REFUSED = came_of(NEAR, Status.DECLINED)


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("answerable questions whose answer holds the facts", "0.500 (2 of 4)"),
        ("unanswerable, false-premise and injection questions handled", "0.500 (1 of 2)"),
        ("written answers that are wrong, of all questions", "0.167 (1 of 6)"),
        ("quotations that do not answer, of all questions", "0.167 (1 of 6)"),
        ("answerable questions with a written answer", "0.500 (2 of 4)"),
        ("answerable questions declined", "0.250 (1 of 4)"),
        ("words in an answer, median", "7"),
        ("citations verbatim at their offsets", "1.000 (4 of 4)"),
        ("citations on a refusal", "0"),
        ("answers whose citations include the words that hold the fact", "0.667 (2 of 3)"),
        ("first evidence p50 / p95, ms", "20 / 20"),
        ("final answer p50 / p95, ms", "2000 / 2000"),
    ],
)
def test_each_figure_counts_what_it_says(name: str, figure: str) -> None:
    """Of six questions, four of them with an answer."""
    assert benchmark.figures([RIGHT, WRONG, QUOTED, BESIDE, LOST, REFUSED])[name] == figure


def test_only_who_said_something_counts_as_that() -> None:
    """What somebody said is another question."""
    said = Question("who", "Who spoke?", kind="speaker", answerable=True, must_have=(("Brook",),))
    brook = "Mayor Ada Brook spoke. [1]"
    safest = cite("said Mayor Ada Brook")
    some = [
        came_of(said, Status.ANSWERED, brook, safest),
        came_of(replace(said, question="What was said?"), Status.ANSWERED, brook, safest),
    ]
    assert benchmark.figures(some)['speaker right on "who said" questions'] == "1.000 (1 of 1)"


def test_nothing_is_divided_by_nothing() -> None:
    """A file without answerable questions has figures all the same."""
    assert benchmark.figures([REFUSED])["answerable questions whose answer holds the facts"] == "-"


def test_kinds_are_counted_apart() -> None:
    """A reader was served with the facts, or with a refusal where there are none."""
    assert benchmark.by_kind([RIGHT, WRONG, REFUSED]) == {"fact": "0.500 (1 of 2)", "near": "1.000 (1 of 1)"}
