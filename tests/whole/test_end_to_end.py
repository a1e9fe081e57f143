"""The program as a reader meets it, with the real weights and the real engine; slow."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from browser import DESKTOP, answers, chatting, finish, needs_chromium, send
from playwright.sync_api import Browser, Page, expect
from started import serving, wait_for_model

from assistant.answering.assistant import Assistant
from assistant.answering.packaged import calibration
from assistant.articles.passages import passages
from assistant.model.chat import LanguageModel
from assistant.model.holder import ModelState, open_models
from assistant.model.limit import Limit
from assistant.model.weights import LANGUAGE_MODEL_NAME
from assistant.rendering import LABELS
from assistant.settings import Settings
from assistant.types import Article, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CRIME = "How much has violent crime fallen?"


def test_a_killed_engine_costs_one_written_answer(model_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quotation on the screen stands as the answer; the engine is started again, and then it writes again."""
    # Whether the words alone are enough to answer is for the calibration; here it is the engine that is tried.
    monkeypatch.setattr(calibration.Calibration, "probability", lambda _self, _signals: 1.0)
    with closing(Assistant.open(Settings(data=model_data, answer_seconds=300.0))) as assistant:
        assistant.wait_until_loaded()
        assert assistant.model_state == ModelState("ready")
        (first,) = _engines()
        stream = assistant.stream(CRIME)
        shown = next(stream)
        os.kill(first, signal.SIGKILL)
        *_, answer = stream
        assert (answer.outcome, answer.text) == (Outcome.QUOTED, shown.text)
        assert answer.error
        meanwhile = assistant.ask(CRIME)
        assert (meanwhile.outcome, meanwhile.text) == (Outcome.QUOTED, shown.text)
        assistant.wait_until_loaded()
        assert assistant.model_state == ModelState("ready")
        assert len(_engines() - {first}) == 1
        again = assistant.ask(CRIME)
        assert again.error is None
        assert again.outcome in (Outcome.WRITTEN, Outcome.QUOTED)
        assert re.search(r"\b18\b", again.text)
    assert _gone_soon()


def test_a_question_is_answered_while_an_article_is_read(model_data: Path, article: Article) -> None:
    """It does not wait for all of it, and what is left is read after it; the weights are in memory once.

    Their file is not mapped beside what the engine makes of it.
    """
    opened = open_models(Settings(data=model_data), lambda what, done, total: None)
    assert isinstance(opened, LanguageModel)
    new = Article("new", article.text[:2_500], "New")
    kept = len(list((model_data / "slots").rglob("*.bin")))
    with closing(opened) as one:
        (process,) = _engines()
        assert ".gguf" not in Path(f"/proc/{process}/maps").read_text()
        reading = threading.Thread(target=one.read, args=(new,))
        reading.start()
        time.sleep(0.5)
        limit = Limit.of_seconds(300)
        with one.turn(limit):
            assert one.draft("Who said it?", (), passages(new)[:1], limit).text
            assert reading.is_alive()
        reading.join(300)
        assert len(list((model_data / "slots").rglob("*.bin"))) == kept + 1


def _engines() -> set[int]:
    """Return the ids of the engines that this process has started and that run."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            parent = re.search(r"^PPid:\s+(\d+)$", (entry / "status").read_text(), re.MULTILINE)
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent and int(parent[1]) == os.getpid() and b"assistant.model.engine.child" in command:
            found.add(int(entry.name))
    return found


def _gone_soon() -> bool:
    deadline = time.monotonic() + 10
    while _engines() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not _engines()


@pytest.fixture(scope="module")
def server(model_data: Path) -> Iterator[str]:
    """Run the real server and yield its address, when it has loaded its model."""
    with serving({"ASSISTANT_DATA": str(model_data), "ASSISTANT_ANSWER_SECONDS": "300"}) as running:
        wait_for_model(running)
        yield running.address


def test_a_question_is_answered_with_verbatim_citations(server: str, article: Article) -> None:
    """The fact is told, its words are cited at their offsets, and the contract's keys are there."""
    answer = httpx.post(f"{server}/api/ask", json={"question": CRIME}, timeout=310).json()
    contract = {"id", "question", "status", "answer", "citations", "timings", "model", "error"}
    assert contract <= answer.keys()
    assert (answer["question"], answer["model"], answer["error"]) == (CRIME, LANGUAGE_MODEL_NAME, None)
    assert answer["status"] in ("answered", "quoted")
    assert re.search(r"\b18\b", answer["answer"])
    for citation in answer["citations"]:
        assert citation.keys() == {"number", "article", "version", "start", "end", "quote"}
        assert citation["article"] == article.id
        assert citation["quote"] == article.text[citation["start"] : citation["end"]]
        assert f"[{citation['number']}]" in answer["answer"]
    assert any("18 percent" in citation["quote"] for citation in answer["citations"])
    assert 0 < answer["timings"]["first_ms"] <= answer["timings"]["total_ms"]


def ask_on(page: Page, question: str, count: int) -> None:
    """Ask on the page, and wait for the last of so many answers as long as the model may take."""
    send(page, question)
    expect(answers(page)).to_have_count(count)
    expect(page.locator("#send")).to_be_visible(timeout=310_000)
    finish(page, count)


@needs_chromium
def test_a_reader_gets_an_answer_and_sees_its_words_in_the_article(
    server: str, browser: Browser, article: Article
) -> None:
    """From the question to the marked words behind the citation, in a browser; what is declined is no quotation."""
    with chatting(browser, server, **DESKTOP) as page:
        ask_on(page, "How many cases has Arnold's office looked at since February?", 1)
        shown = answers(page).locator(".words")
        expect(shown).to_contain_text("200")
        shown.locator("a.cite").first.click()
        marked = page.locator("#reading mark.current")
        expect(marked).to_contain_text("more than 200 cases")
        assert " ".join(marked.inner_text().split()) in " ".join(article.text.split())
        ask_on(page, "What is the capital of Australia?", 2)
        expect(answers(page).last.locator(".headline")).to_have_text(LABELS[Outcome.DECLINED])
        expect(answers(page).last.locator(".words")).to_have_count(0)
        expect(answers(page).last).not_to_contain_text("Canberra")
