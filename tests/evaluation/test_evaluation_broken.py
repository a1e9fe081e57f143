"""An assistant that is broken in one way is caught by the headline that is there for it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from evaluated import (
    Broken,
    always_declines,
    cites_elsewhere,
    evaluate_with,
    invents_numbers,
    leaves_out_markers,
    never_declines,
    perfect,
    quotes_what_is_not_there,
    value,
)

from assistant.evaluation.evaluate import Demands
from assistant.evaluation.scoring.gates import missed, parse

GATES = (
    "facts>=1",
    "truthfulness>=1",
    "refusal_recall>=1",
    "false_refusals<=0",
    "citation_f1>=1",
    "citation_validity>=1",
    "citation_coverage>=1",
    "groundedness>=1",
    "flagged<=0",
    "error_rate<=0",
)


def run(broken: Broken | None, folder: Path) -> dict[str, Any]:
    """Return the data of the report on an assistant that is broken in this way, or not at all."""
    assistant = perfect(broken) if broken else perfect()
    return evaluate_with(assistant, folder / "run", demands=Demands(tuple(map(parse, GATES))))


def causes(content: dict[str, Any]) -> Counter[str]:
    """Return how often each cause of failure was found."""
    return Counter({cause["name"]: cause["count"] for cause in content["causes"] if cause["count"]})


def test_a_perfect_assistant_passes_every_gate(tmp_path: Path) -> None:
    """Without a defect nothing is caught: no gate is missed and no question failed."""
    content = run(None, tmp_path)
    assert missed(content["gates"]) == []
    assert causes(content) == Counter()
    assert {row["outcome"] for row in content["rows"]} == {"right"}
    assert content["complete"]


@pytest.mark.parametrize(
    ("broken", "headline", "at_most", "expected"),
    [
        (cites_elsewhere, "citation_f1", 0.0, {"bad_citation", "should_have_declined"}),
        (quotes_what_is_not_there, "citation_validity", 0.0, {"bad_citation"}),
        (leaves_out_markers, "citation_coverage", 0.0, set()),
        (always_declines, "facts", 0.0, {"wrongly_declined"}),
        (never_declines, "refusal_recall", 0.25, {"should_have_declined"}),
    ],
)
def test_a_defect_is_caught_by_its_headline(
    tmp_path: Path, broken: Broken, headline: str, at_most: float, expected: set[str]
) -> None:
    """The headline falls, its gate names it, and the failures get their causes."""
    content = run(broken, tmp_path)
    found = value(content, headline)
    assert found is not None
    assert found <= at_most
    assert any(line.startswith(f"{headline} ") for line in missed(content["gates"]))
    assert set(causes(content)) == expected


def test_invented_numbers_are_flagged(tmp_path: Path) -> None:
    """Every answer with a number that its citations lack is flagged with that number, though its facts are right."""
    content = run(invents_numbers, tmp_path)
    assert value(content, "flagged") == 1.0
    assert value(content, "facts") == 1.0
    assert set(causes(content)) == {"unsupported"}
    assert {tuple(row["flagged_numbers"]) for row in content["rows"] if row["citations"]} == {("7777",)}
    assert {line.partition(" ")[0] for line in missed(content["gates"])} == {"flagged", "groundedness"}


def test_refusing_everything_is_seen_on_both_sides(tmp_path: Path) -> None:
    """An assistant that always declines has a perfect recall of refusals, and that alone: false refusals show it."""
    content = run(always_declines, tmp_path)
    assert value(content, "refusal_recall") == 1.0
    assert value(content, "false_refusals") == 1.0
    assert value(content, "truthfulness") == pytest.approx(0.4)  # Four of ten are right, none is wrong.


def test_an_assistant_that_breaks_keeps_its_questions_in_every_figure(tmp_path: Path) -> None:
    """What ends in an exception counts as wrong and not as absent; the exit code of the run is for the command."""

    def fails(answer: Any, gold: Any) -> Any:  # noqa: ANN401
        if gold.id in ("b1", "b5"):
            raise OSError("the disk is gone")
        return answer

    content = run(fails, tmp_path)
    assert value(content, "error_rate") == pytest.approx(0.2)
    assert value(content, "facts") == pytest.approx(5 / 6)
    assert value(content, "refusal_recall") == pytest.approx(3 / 4)
    assert causes(content) == Counter({"error": 2})
    assert {row["error"] for row in content["rows"] if row["cause"]} == {"OSError: the disk is gone"}
