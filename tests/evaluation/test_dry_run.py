"""What a run will take, as it is said before: how many calls and tokens, and what they cost; and nothing is asked."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faulty_endpoint
import pytest
from evaluated import Row, command, row, settings_of, write
from faulty_endpoint import Endpoint
from replies import TEXT

from assistant.answering.assistant import Assistant
from assistant.model import weights
from assistant.settings import Settings

CRIME = [row(f"c{number}", "fact", f"By what share has crime fallen in part {number}?") for number in range(4)]
RECORD = row("t", "about", "What is the title of this article?")
LATER = row(
    "l",
    "follow_up",
    "And why has it fallen there?",
    history=[{"question": "Has crime fallen?", "answer": "Yes, it has."}],
)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """Run a model server, which counts what it is asked."""
    with faulty_endpoint.running() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def environment(endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what an operator sets for a provider's model; keywords alone search."""
    monkeypatch.setattr(weights, "embedder_is_packaged", lambda: False)
    os.environ["OPENAI_API_KEY"] = "none"
    articles = settings_of(tmp_path).articles
    text = "\n\n".join([TEXT, *(f"Nobody counted lane {number} there." for number in range(300))])
    (articles / "bridge.md").write_text(f"---\ntitle: A bridge\n---\n{text}\n")
    values = {"articles": articles, "data": tmp_path / "data", "model": "openai:m", "model_url": endpoint.address}
    for name, value in values.items():
        os.environ[f"ASSISTANT_{name.upper()}"] = str(value)


def dry_run(folder: Path, rows: list[Row], *options: object) -> dict[str, Any]:
    """Return what a dry run tells a script."""
    result = command("evaluate", write(folder, rows), "--out", folder / "run", "--dry-run", "--json", *options)
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_run_takes_what_was_said_before(endpoint: Endpoint, tmp_path: Path) -> None:
    """Calls and tokens are those of the very prompts, of whole articles and of what is found; nothing is asked."""
    for words in (12_000, 100):
        os.environ["ASSISTANT_MODEL_WORDS"] = str(words)
        endpoint.bodies.clear()
        told = dry_run(tmp_path, [*CRIME, RECORD])
        assert endpoint.bodies == []
        assert not (tmp_path / "run").exists()
        with Assistant.open(Settings.from_environment()) as assistant:
            assistant.wait_until_loaded()
            for asked in (*CRIME, RECORD):
                assistant.ask(asked["question"], article="bridge")
        sent = sum(len(json.dumps(body["messages"]) + json.dumps(body["response_format"])) for body in endpoint.bodies)
        assert (told["questions"], told["calls"], len(endpoint.bodies)) == (5, 8, 8)
        assert told["read"] == pytest.approx(sent / 4, rel=0.1)
        assert 8 * 20 < told["written"] < 8 * 100


def test_a_follow_up_that_must_be_searched_for_takes_a_third_call(tmp_path: Path) -> None:
    """The short one that puts its question so that it stands alone."""
    assert dry_run(tmp_path, [LATER])["calls"] == 2
    os.environ["ASSISTANT_MODEL_WORDS"] = "100"
    assert dry_run(tmp_path, [LATER])["calls"] == 3


@pytest.mark.parametrize("check", ["none", "local"])
def test_a_check_that_takes_no_call_is_not_counted(check: str, tmp_path: Path) -> None:
    """The rules and the packaged model check on this machine."""
    os.environ["ASSISTANT_CHECK"] = check
    assert dry_run(tmp_path, CRIME)["calls"] == 4


def test_a_price_makes_money_of_it(tmp_path: Path) -> None:
    """With a price it says what the run costs, without one how to be told."""
    arguments = ("evaluate", write(tmp_path, CRIME), "--out", tmp_path / "run", "--dry-run")
    assert dry_run(tmp_path, CRIME)["cost"] is None
    assert "ASSISTANT_MODEL_PRICE" in command(*arguments).stdout
    os.environ["ASSISTANT_MODEL_PRICE"] = "400,100,1600"
    told = dry_run(tmp_path, CRIME)
    assert told["cost"] == pytest.approx((told["read"] * 400 + told["written"] * 1600) / 1e6)
    said = " ".join(command(*arguments).stdout.split())
    assert f"4 questions, 8 calls of openai:m: about {told['read']:,} tokens read," in said
    assert f"cost {told['cost']:,.2f}. " in said


def test_every_repeat_counts(tmp_path: Path) -> None:
    """Asked twice, a question takes its calls twice."""
    assert dry_run(tmp_path, CRIME, "--repeat", 2)["calls"] == 16


@pytest.mark.parametrize(("name", "model"), [("local", "qwen2.5-coder"), ("none", "none")])
def test_without_a_provider_no_call_leaves_the_machine(name: str, model: str, tmp_path: Path) -> None:
    """The packaged model, and none, take no call; so it says, and loads neither."""
    os.environ["ASSISTANT_MODEL"] = name
    result = command("evaluate", write(tmp_path, CRIME), "--out", tmp_path / "run", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"4 questions, 0 calls of {model}")
    assert "no call leaves this machine" in result.stdout
    assert dry_run(tmp_path, CRIME)["calls"] == 0


def test_a_dry_run_of_what_asks_nothing_is_refused(tmp_path: Path) -> None:
    """Scoring again takes no call anyway."""
    result = command("evaluate", "--rescore", tmp_path, "--dry-run")
    assert (result.exit_code, "leave out --dry-run" in result.stderr) == (2, True)
