"""The fixed question set and the limits that ship beside it: what continuous integration checks."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from evaluated import command

from assistant.evaluation.scoring import gates
from assistant.model.weights import LANGUAGE_MODEL_NAME
from assistant.settings import PROJECT

QUESTIONS = PROJECT / "corpus" / "questions"
SAMPLE = 10
"""The first questions of the test half, which is in random order: as many as a single core answers in a minute."""
EVERY = 10
"""Of the questions that are quoted for; there are too many for each run."""


def evaluate(questions: Path, out: Path, *arguments: object) -> dict[str, Any]:
    """Run an evaluation as a person types it, and return the data of its report; every limit must be reached."""
    result = command("evaluate", questions, "--out", out, *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return found


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
def test_quotations_alone_are_never_wrong_about_the_article(tmp_path: Path) -> None:
    """Without a model, over two articles, citations are verbatim, nothing told is wrong and nothing breaks."""
    os.environ["ASSISTANT_DATA"] = str(tmp_path / "data")
    questions = tmp_path / "questions.jsonl"
    lines = "".join((QUESTIONS / f"{name}.jsonl").read_text() for name in ("test", "fiction")).splitlines(keepends=True)
    questions.write_text("".join(lines[::EVERY]))
    limits = "citation_validity>=1 citation_coverage>=1 flagged<=0 error_rate<=0 written_wrong<=0 success_at_5>=0.9"
    report = evaluate(
        questions,
        tmp_path / "run",
        "--without-model",
        *(part for folder in ("articles", "fiction") for part in ("--articles", PROJECT / "corpus" / folder)),
        *(part for limit in limits.split() for part in ("--min", limit)),
    )
    assert report["complete"]
    assert len(report["articles"]) == 2


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_fixed_set_keeps_its_thresholds(tmp_path: Path, model_data: Path) -> None:
    """With the packaged model a sample of the test half reaches every limit of thresholds.toml."""
    os.environ["ASSISTANT_DATA"] = str(model_data)
    os.environ["ASSISTANT_ANSWER_SECONDS"] = "300"  # What is said counts here, and not how fast.
    limits = ("--limit", SAMPLE, "--thresholds", QUESTIONS / "thresholds.toml")
    report = evaluate(QUESTIONS / "test.jsonl", tmp_path / "run", *limits)
    assert (report["complete"], report["asked"], report["model"]) == (True, SAMPLE, LANGUAGE_MODEL_NAME)
