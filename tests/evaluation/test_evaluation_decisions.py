"""What a run is decided by: gates, and the comparison with another run."""

from pathlib import Path
from typing import Any

import pytest
from evaluated import (
    ANSWERABLE,
    ROWS,
    always_declines,
    evaluate_with,
    finished,
    invents_numbers,
    never_declines,
    perfect,
)

from assistant.errors import ConfigurationError
from assistant.evaluation.options import Options
from assistant.evaluation.reporting.compare import compare
from assistant.evaluation.scoring import gates
from assistant.evaluation.scoring.gates import Demands, Gate, parse, read_thresholds


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
        ("written_and_right@why>=0.65", Gate("written_and_right", 0.65, kind="why")),
        ("words_to_read_p90<=45", Gate("words_to_read_p90", 45, at_most=True)),
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
        ("fact>=0.9", "no measure 'fact'; use one of content, graded_wrong, written_and_right, words"),
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
    shown = "not applicable" if value is None else f"{value:.4g}"
    assert gates.missed([checked]) == ([] if passed else [f"{checked['text']}: it is {shown}"])


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
        ("min = 0.9", "have a part 'min': use the tables"),
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


# Comparing


def difference(comparison: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the row of a headline."""
    (row,) = [row for row in comparison["differences"] if row["name"] == name]
    return dict(row)


def test_a_run_does_not_differ_from_itself() -> None:
    """Every difference is 0 and could well be chance; nothing broke and nothing was fixed."""
    found = compare(finished(), finished())
    assert {row["difference"] for row in found["differences"]} == {0.0}
    assert {row["p_holm"] for row in found["differences"]} == {1.0}
    assert (
        found["broken"]
        == found["fixed"]
        == found["reworded"]
        == found["fingerprint_differences"]
        == found["notes"]
        == []
    )
    assert (found["n"], found["cluster_by"]) == (len(ROWS), "conversation")


def test_what_broke_and_what_was_fixed_is_listed() -> None:
    """Each question that turned is named with its cause, and the two directions mirror each other."""
    worse, better = compare(finished(), finished(always_declines)), compare(finished(always_declines), finished())
    assert [row["id"] for row in worse["broken"]] == ANSWERABLE
    assert worse["fixed"] == []
    assert better["fixed"] == [
        {**row, "before": row["after"], "after": row["before"], "answers": row["answers"][::-1]}
        for row in worse["broken"]
    ]
    assert {row["cause"] for row in worse["broken"]} == {"wrongly_declined"}
    for name in ("facts", "false_refusals"):
        one, other = difference(worse, name), difference(better, name)
        assert one["difference"] == -other["difference"] != 0
        assert one["turned"] == {"broken": 6, "fixed": 0}
        assert other["turned"] == {"broken": 0, "fixed": 6}
        assert one["p"] <= one["p_holm"] <= 1


def test_the_headline_that_a_defect_is_for_is_the_one_that_differs() -> None:
    """Between a perfect and a bold assistant refusals differ, and what was right of answerable questions does not."""
    found = compare(finished(), finished(never_declines))
    assert difference(found, "facts")["difference"] == 0
    assert difference(found, "refusal_recall")["difference"] == pytest.approx(-0.75)
    assert difference(found, "refusal_recall")["n"] == 4


def test_only_what_two_versions_of_a_set_have_in_common_is_compared(tmp_path: Path) -> None:
    """What was added, dropped and mended is named, with the keys that differ; a new kind mends nothing."""
    mended = [{**ROWS[0], "must_have": [["ten months"]]}, {**ROWS[1], "kind": "fact", "notes": "seen"}]
    rows = [*mended, *ROWS[2:-1], {"id": "new", "question": "Why?"}]
    known = perfect(rows=rows)
    evaluate_with(known, tmp_path / "other", rows=rows)
    found = compare(finished(), tmp_path / "other")
    assert found["n"] == len(ROWS) - 2
    assert found["versions"] == {"added": ["new"], "mended": {"b1": ["must_have"]}, "dropped": ["x2"]}
    assert found["notes"][0] == "Mended, and so left out of 9 in common: 1, b1 (must_have)."
    assert "--rescore" in found["notes"][1]
    assert found["notes"][2:] == ["Added, in the later run alone: 1, new.", "Dropped, in the earlier run alone: 1, x2."]
    assert "questions" in [part["part"] for part in found["fingerprint_differences"]]


def test_runs_without_a_common_question_cannot_be_compared(tmp_path: Path) -> None:
    """That is said, and so is what is no run at all."""
    rows = [{"id": "new", "question": "Why?"}]
    evaluate_with(perfect(rows=rows), tmp_path / "other", rows=rows)
    with pytest.raises(ConfigurationError, match="no answered question in common"):
        compare(finished(), tmp_path / "other")
    with pytest.raises(ConfigurationError, match="holds no run"):
        compare(finished(), tmp_path)


def test_an_incomplete_run_is_compared_on_what_was_asked(tmp_path: Path) -> None:
    """The note says how much that is."""
    stopped = perfect()
    stopped.seconds = 0.05
    evaluate_with(stopped, tmp_path / "part", Options(max_minutes=0.12 / 60))
    found = compare(finished(), tmp_path / "part")
    assert found["n"] == len(stopped.asked)
    assert f"{len(stopped.asked)} of {len(ROWS)} questions were asked" in found["notes"][0]


def test_a_drop_behind_a_baseline_is_a_gate(tmp_path: Path) -> None:
    """Each headline may fall behind the earlier run by so much; what falls further is named."""
    demands = Demands(baseline=finished(), max_drop=0.01)
    report = evaluate_with(perfect(invents_numbers), tmp_path / "run", demands=demands)
    assert [line.partition(" ")[0] for line in gates.missed(report["gates"])] == ["groundedness", "flagged"]
    assert report["comparison"]["baseline"] == str(finished())
    assert len(report["gates"]) > 5
