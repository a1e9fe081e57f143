"""The provider that answers carefully, before the real assistant with the packaged model as its check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.errors import ConfigurationError
from assistant.evaluation.questions import Question
from lab.careful_provider import IDEAL, Said, ask, observe, read_said
from lab.training.calibration import PROVIDER

QUESTION = Question("q1", "How many engineers inspected the bridge?", answerable=True, ideal="Nine inspected it.")


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    """Return a folder with one short article."""
    folder = tmp_path / "articles"
    folder.mkdir()
    text = "Nine engineers inspected the Port Ellery bridge on Monday.\n\nThe mayor closed it to lorries a day later."
    (folder / "bridge.txt").write_text(text, encoding="utf-8")
    return folder


def test_each_question_has_its_ideal_answer_and_the_changed_one(tmp_path: Path) -> None:
    """A question without an ideal answer has none, and a changed answer to another file's question is left out."""
    changed = tmp_path / "changed.jsonl"
    rows = [{"id": "q1", "kind": "number", "changed": "Two did."}, {"id": "other", "kind": "name", "changed": "Ann."}]
    changed.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    said = read_said([QUESTION, Question("q2", "Why?")], changed)
    assert said == [Said(QUESTION, "Nine inspected it."), Said(QUESTION, "Two did.", "number")]
    changed.write_text('{"id": "q1"}\n')
    with pytest.raises(ConfigurationError, match="line 1: not a changed answer"):
        read_said([QUESTION], changed)


@pytest.mark.slow
def test_what_a_provider_says_is_checked_by_the_packaged_model(
    articles: Path, model_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is right is likelier than what is not, and nothing with a number from nowhere is shown."""
    monkeypatch.setenv("ASSISTANT_DATA", str(model_data))
    right = Said(QUESTION, "Nine engineers inspected the Port Ellery bridge.")
    wrong = Said(QUESTION, "Twelve engineers inspected the Port Ellery bridge.", "number")
    one, other = observe([right, wrong], articles)
    assert one.seen.fit == other.seen.fit == PROVIDER
    assert one.seen.signals["right"] > other.seen.signals["right"]
    counts = ask([right, wrong], articles)
    assert counts[IDEAL].total() == 1
    assert counts["number"]["shown"] == 0
