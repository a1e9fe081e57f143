"""An assistant that is broken in one way is caught by the headline that is there for it."""

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
    report_of,
    unbroken,
    value,
    writes,
)

BEST = {
    "facts": 1,
    "truthfulness": 1,
    "refusal_recall": 1,
    "false_refusals": 0,
    "citation_f1": 1,
    "citation_validity": 1,
    "citation_coverage": 1,
    "groundedness": 1,
    "flagged": 0,
    "error_rate": 0,
}


def causes(content: dict[str, Any]) -> Counter[str]:
    """Return how often each cause of failure was found."""
    return Counter({cause["name"]: cause["count"] for cause in content["causes"] if cause["count"]})


@pytest.mark.parametrize(
    ("broken", "figures", "expected"),
    [
        (unbroken, BEST | {"written_and_right": 0}, set()),
        (writes, BEST | {"written_and_right": 1}, set()),
        (cites_elsewhere, {"citation_f1": 0}, {"bad_citation", "should_have_declined"}),
        (quotes_what_is_not_there, {"citation_validity": 0}, {"bad_citation"}),
        (leaves_out_markers, {"citation_coverage": 0}, set()),
        # A perfect recall of refusals, and that alone; four of ten are right, none is wrong.
        (
            always_declines,
            {"facts": 0, "refusal_recall": 1, "false_refusals": 1, "truthfulness": 0.4},
            {"wrongly_declined"},
        ),
        (never_declines, {"refusal_recall": 0.25}, {"should_have_declined"}),
    ],
)
def test_a_defect_is_caught_by_its_headline(broken: Broken, figures: dict[str, float], expected: set[str]) -> None:
    """Without a defect every headline is the best there is; with one its headline falls, and failures get a cause."""
    content = report_of(broken)
    assert {name: value(content, name) for name in figures} == pytest.approx(figures)
    assert set(causes(content)) == expected
    assert content["complete"]


def test_an_invented_number_is_flagged() -> None:
    """It does not make the facts wrong, and no other headline falls."""
    content = report_of(invents_numbers)
    assert (value(content, "flagged"), value(content, "written_and_right")) == (1.0, 1.0)
    assert set(causes(content)) == {"unsupported"}
    assert {tuple(row["flagged_numbers"]) for row in content["rows"] if row["citations"]} == {("7777",)}
    assert {name for name in BEST if value(content, name) != BEST[name]} == {"flagged", "groundedness"}


def test_an_assistant_that_breaks_keeps_its_questions_in_every_figure(tmp_path: Path) -> None:
    """What ends in an exception counts as wrong and not as absent; the exit code of the run is for the command."""

    def fails(answer: Any, gold: Any) -> Any:  # noqa: ANN401
        if gold.id in ("b1", "b5"):
            raise OSError("the disk is gone")
        return answer

    content = evaluate_with(perfect(fails), tmp_path / "run")
    assert value(content, "error_rate") == pytest.approx(0.2)
    assert value(content, "facts") == pytest.approx(5 / 6)
    assert value(content, "refusal_recall") == pytest.approx(3 / 4)
    assert causes(content) == Counter({"error": 2})
    assert {row["error"] for row in content["rows"] if row["cause"]} == {"OSError: the disk is gone"}
