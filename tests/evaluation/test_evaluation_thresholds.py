"""The fixed question set and the limits that ship beside it: what continuous integration checks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from assistant.cli import app
from assistant.evaluation.scoring import gates
from assistant.model.weights import LANGUAGE_MODEL_NAME
from assistant.settings import PROJECT

QUESTIONS = PROJECT / "corpus" / "questions"
SAMPLE = 40
"""The first questions of the test half, which is in random order: as many as fit in three minutes on two cores."""


def evaluate(out: Path, *arguments: object) -> Result:
    """Run the evaluation of the test half as a person types it."""
    command = ("evaluate", QUESTIONS / "test.jsonl", "--out", out, *arguments)
    return CliRunner().invoke(app, list(map(str, command)), catch_exceptions=False)


def test_nothing_that_must_hold_is_only_aimed_at() -> None:
    """Each aim has a threshold that is no stricter than the aim."""
    aims = {(gate.name, gate.kind): gate for gate in gates.read_thresholds(QUESTIONS / "aims.toml")}
    thresholds = {(gate.name, gate.kind): gate for gate in gates.read_thresholds(QUESTIONS / "thresholds.toml")}
    assert aims.keys() <= thresholds.keys()
    for key, aim in aims.items():
        threshold = thresholds[key]
        assert threshold.at_most == aim.at_most
        assert threshold.limit >= aim.limit if aim.at_most else threshold.limit <= aim.limit


@pytest.mark.timeout(900)
def test_quotations_alone_are_never_wrong_about_the_article(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a model all citations are verbatim, nothing that is told is wrong, and nothing breaks."""
    monkeypatch.setenv("ASSISTANT_DATA", str(tmp_path / "data"))
    limits = ("citation_validity>=1", "citation_coverage>=1", "flagged<=0", "error_rate<=0", "written_wrong<=0")
    result = evaluate(tmp_path / "run", "--without-model", *(part for limit in limits for part in ("--min", limit)))
    assert result.exit_code == 0, result.output


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_fixed_set_keeps_its_thresholds(tmp_path: Path, model_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the packaged model a sample of the test half reaches every limit of thresholds.toml."""
    monkeypatch.setenv("ASSISTANT_DATA", str(model_data))
    monkeypatch.setenv("ASSISTANT_ANSWER_SECONDS", "300")  # What is said counts here, and not how fast.
    thresholds = QUESTIONS / "thresholds.toml"
    result = evaluate(tmp_path / "run", "--limit", SAMPLE, "--thresholds", thresholds)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert (report["complete"], report["asked"], report["model"]) == (True, SAMPLE, LANGUAGE_MODEL_NAME)
