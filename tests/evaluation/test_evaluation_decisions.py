"""What a run is decided by: gates, and the comparison with another run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from evaluated import ROWS, always_declines, evaluate_with, invents_numbers, never_declines, perfect

from assistant.errors import ConfigurationError
from assistant.evaluation.evaluate import Demands, Options
from assistant.evaluation.reporting.compare import compare
from assistant.evaluation.scoring import gates
from assistant.evaluation.scoring.gates import Gate, parse, read_thresholds
from assistant.settings import PROJECT


def content(value: float | None, name: str = "facts") -> dict[str, Any]:
    """Return the data of a report in which a measure has this value."""
    measure = {"name": name, "value": value, "low": 0.1, "high": 0.95, "n": 20, "unit": "share"}
    return {"headlines": [measure], "second_screen": [], "by_kind": [{"name": "near miss", "measures": [measure]}]}


# Gates


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("facts>=0.9", Gate("facts", 0.9)),
        (" total_p95 <= 6000 ", Gate("total_p95", 6000, at_most=True)),
        ("facts@near miss>=.5", Gate("facts", 0.5, kind="near miss")),
        ("truthfulness>=-1e-1", Gate("truthfulness", -0.1)),
    ],
)
def test_a_gate_is_read(text: str, gate: Gate) -> None:
    """A name, perhaps a kind of question, a direction and a limit."""
    assert parse(text) == gate
    assert parse(gate.text) == gate


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("facts=0.9", "not of the form NAME>=VALUE"),
        ("facts>0.9", "not of the form"),
        ("", "not of the form"),
        ("fact>=0.9", "no measure 'fact'; use one of facts, truthfulness"),
        ("brier@near>=0.9", "no measure 'brier'"),
        ("facts>=high", "the limit 'high' of facts is not a number"),
        ("facts>=nan", "the limit 'nan' of facts is not a number"),
    ],
)
def test_a_bad_gate_is_refused(text: str, reason: str) -> None:
    """A misspelt gate does not pass in silence."""
    with pytest.raises(ConfigurationError, match=reason):
        parse(text)


@pytest.mark.parametrize(
    ("text", "value", "passed"),
    [
        ("facts>=0.9", 0.9, True),
        ("facts>=0.9", 0.8999, False),
        ("facts<=0.9", 0.9, True),
        ("facts<=0.9", 0.91, False),
        ("facts>=0.3", 0.1 + 0.2, True),
        ("facts>=0", None, False),
        ("facts@near miss>=0.9", 0.9, True),
    ],
)
def test_a_gate_is_about_the_value(text: str, value: float | None, passed: bool) -> None:  # noqa: FBT001
    """The limit itself passes; a measure that does not apply fails, since nothing was shown."""
    (checked,) = gates.check([parse(text)], content(value))
    assert checked["passed"] is passed
    assert (checked["low"], checked["high"], checked["n"]) == (0.1, 0.95, 20)
    assert bool(gates.missed([checked])) is not passed


def test_a_missed_gate_says_what_it_is() -> None:
    """The line names gate and value."""
    assert gates.missed(gates.check([parse("facts>=0.9")], content(0.75))) == ["facts >= 0.9: it is 0.75"]
    assert gates.missed(gates.check([parse("facts>=0.9")], content(None))) == ["facts >= 0.9: it is not applicable"]


def test_a_gate_for_a_kind_that_was_not_asked_is_refused() -> None:
    """It could never fail."""
    with pytest.raises(ConfigurationError, match="the run has no question of that kind; it has near miss"):
        gates.check([parse("facts@fact>=0.9")], content(1.0))


def test_thresholds_are_read_from_a_file(tmp_path: Path) -> None:
    """Two tables hold what must be reached and what may not be exceeded."""
    file = tmp_path / "thresholds.toml"
    file.write_text('[min]\nfacts = 0.9\n"facts@near miss" = 0.8\n[max]\nwritten_wrong = 0.03\n')
    assert read_thresholds(file) == [
        Gate("facts", 0.9),
        Gate("facts", 0.8, kind="near miss"),
        Gate("written_wrong", 0.03, at_most=True),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read"),
        ("[min", "cannot be read"),
        ("facts = 0.9", "have a part 'facts': use the tables"),
        ("min = 0.9", r"the part 'min' is no table"),
        ("[min]\nfact = 0.9", "no measure 'fact'"),
        ('[min]\nfacts = "high"', "not a number"),
        ("[min]\nfacts = true", "not a number"),
    ],
)
def test_bad_thresholds_are_refused(tmp_path: Path, text: str | None, reason: str) -> None:
    """The file and the cure are named."""
    file = tmp_path / "thresholds.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=reason):
        read_thresholds(file)


def test_the_shipped_thresholds_are_good() -> None:
    """What CI checks on the fixed set are measures that exist, with limits that can be missed."""
    limits = read_thresholds(PROJECT / "corpus" / "questions" / "thresholds.toml")
    assert {"facts", "refusal_recall", "written_wrong", "quoted_wrong", "citation_validity"} <= {
        gate.name for gate in limits
    }


# Comparing


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of a perfect, a timid, a bold and an inventive assistant."""
    folder = tmp_path_factory.mktemp("runs")
    for name, assistant in (
        ("perfect", perfect()),
        ("timid", perfect(always_declines)),
        ("bold", perfect(never_declines)),
        ("inventive", perfect(invents_numbers)),
    ):
        evaluate_with(assistant, folder / name)
    return folder


def difference(comparison: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the row of a headline."""
    (row,) = [row for row in comparison["differences"] if row["name"] == name]
    return dict(row)


def test_a_run_does_not_differ_from_itself(runs: Path) -> None:
    """Every difference is 0 and could well be chance; nothing broke and nothing was fixed."""
    found = compare(runs / "perfect", runs / "perfect")
    assert {row["difference"] for row in found["differences"]} == {0.0}
    assert {row["p_holm"] for row in found["differences"]} == {1.0}
    assert found["broken"] == found["fixed"] == found["fingerprint_differences"] == found["notes"] == []
    assert (found["n"], found["cluster_by"]) == (len(ROWS), "conversation")


def test_what_broke_and_what_was_fixed_is_listed(runs: Path) -> None:
    """Each question that turned is named with its cause, and the two directions mirror each other."""
    worse, better = compare(runs / "perfect", runs / "timid"), compare(runs / "timid", runs / "perfect")
    assert [row["id"] for row in worse["broken"]] == [row["id"] for row in ROWS if row["answerable"]]
    assert worse["fixed"] == []
    assert better["fixed"] == [{**row, "before": row["after"], "after": row["before"]} for row in worse["broken"]]
    assert {row["cause"] for row in worse["broken"]} == {"wrongly_declined"}
    for name in ("facts", "false_refusals"):
        one, other = difference(worse, name), difference(better, name)
        assert one["difference"] == -other["difference"] != 0
        assert (one["mcnemar"]["broken"], one["mcnemar"]["fixed"]) == (6, 0)
        assert (other["mcnemar"]["broken"], other["mcnemar"]["fixed"]) == (0, 6)
        assert one["mcnemar"]["p"] == pytest.approx(2 / 2**6)
        assert one["p"] <= one["p_holm"] <= 1


def test_the_headline_that_a_defect_is_for_is_the_one_that_differs(runs: Path) -> None:
    """Between a perfect and a bold assistant refusals differ, and what was right of answerable questions does not."""
    found = compare(runs / "perfect", runs / "bold")
    assert difference(found, "facts")["difference"] == 0
    assert difference(found, "refusal_recall")["difference"] == pytest.approx(-0.75)
    assert difference(found, "refusal_recall")["n"] == 4


def test_only_common_questions_with_the_same_gold_are_compared(runs: Path, tmp_path: Path) -> None:
    """Others are counted and named, with what to do about them."""
    rows = [{**ROWS[0], "must_have": [["ten months"]]}, *ROWS[1:-1], {"id": "new", "question": "Why?"}]
    known = perfect(rows=rows)
    evaluate_with(known, tmp_path / "other", rows=rows)
    found = compare(runs / "perfect", tmp_path / "other")
    assert found["changed_questions"] == ["b1"]
    assert (found["n"], found["only_in_baseline"], found["only_in_run"]) == (len(ROWS) - 2, 1, 1)
    assert "--rescore" in found["notes"][0]
    assert "questions" in [part["part"] for part in found["fingerprint_differences"]]


def test_runs_without_a_common_question_cannot_be_compared(runs: Path, tmp_path: Path) -> None:
    """That is said, and so is what is no run at all."""
    rows = [{"id": "new", "question": "Why?"}]
    evaluate_with(perfect(rows=rows), tmp_path / "other", rows=rows)
    with pytest.raises(ConfigurationError, match="no answered question in common"):
        compare(runs / "perfect", tmp_path / "other")
    with pytest.raises(ConfigurationError, match="holds no run"):
        compare(runs / "perfect", runs)


def test_an_incomplete_run_is_compared_on_what_was_asked(runs: Path, tmp_path: Path) -> None:
    """The note says how much that is."""
    stopped = perfect()
    stopped.seconds = 0.05
    evaluate_with(stopped, tmp_path / "part", Options(max_minutes=0.12 / 60))
    found = compare(runs / "perfect", tmp_path / "part")
    assert found["n"] == len(stopped.asked)
    assert f"{len(stopped.asked)} of {len(ROWS)} questions were asked" in found["notes"][0]


def test_a_drop_behind_a_baseline_is_a_gate(runs: Path, tmp_path: Path) -> None:
    """Each headline may fall behind the earlier run by so much; what falls further is named."""
    demands = Demands(baseline=runs / "perfect", max_drop=0.01)
    report = evaluate_with(perfect(invents_numbers), tmp_path / "run", demands=demands)
    lines = gates.missed(report["gates"])
    assert [line.partition(" ")[0] for line in lines] == ["groundedness", "flagged"]
    assert report["comparison"]["baseline"] == str(runs / "perfect")
    same = evaluate_with(perfect(), tmp_path / "same", demands=demands)
    assert gates.missed(same["gates"]) == []
    assert len(same["gates"]) > 5
