"""The editors' desk in a browser: legible and usable on a phone and a desktop, in light and in dark."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import sklearn.cluster  # noqa: F401 - it takes long where much else runs; a server has it with its embedding model
from browser import answers, ask, barriers, chatting, needs_chromium, problems, status, visiting
from conftest import WordEmbedder
from playwright.sync_api import Browser, expect
from served import ARTICLE, CITATION, FERRY, OPEN, WRITTEN, ScriptedAssistant, running

from assistant.rendering import LABELS
from assistant.types import Status
from assistant.web import feedback
from assistant.web.desk import store
from assistant.web.desk.store import Act, Asked, Do
from assistant.web.feedback import Feedback

pytestmark = needs_chromium

TOKEN = "a token of the newsroom's"  # noqa: S105 - of no newsroom
ASKED = ("Who wrote this story?", "Who wrote this?", "Is the harbour open?", "What does a reader's question do?")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a desk that has something of everything, and return its address."""
    folder: Path = tmp_path_factory.mktemp("desk")
    settings = replace(OPEN, data=folder, feedback=folder / "feedback.sqlite3", embed_sites=("https://news.test",))
    settings = replace(settings, desk_token=TOKEN, keep_questions=30, site_questions_per_minute=60)
    file = store.file_of(settings)
    for number in range(30):
        at = (datetime.now(UTC) - timedelta(hours=13 * number)).isoformat(timespec="minutes")
        article, end = ("a-story", "ferry")[number % 3 == 0], store.ENDS[number % len(store.ENDS)]
        place = (ARTICLE.version, CITATION.start, CITATION.end) if article == "a-story" else ("", 0, 0)
        store.keep(file, Asked(ASKED[number % len(ASKED)], article, end, "", *place, at))
    store.do(file, Act(Do.OFF, "ferry", "We are looking into what this article says."))
    store.do(file, Act(Do.PIN, "a-story", "The desk wrote it.", "Who wrote it?", "The Desk"))
    feedback.save(settings.feedback, Feedback(replace(WRITTEN, question="Who fell?"), helpful=False, comment="No."))
    assistant = ScriptedAssistant(ARTICLE, FERRY)
    assistant.steps.retriever = SimpleNamespace(embedder=WordEmbedder())  # type: ignore[misc, assignment]
    with running(assistant, settings) as address:
        yield f"{address}/desk"


def test_the_desk_has_no_barrier(browser: Browser, desk: str) -> None:
    """The way in, the desk with all that is opened, a line to copy and what went wrong: axe finds nothing."""
    with visiting(browser, desk, may_fail=True) as page:
        assert [*barriers(page, 1280, 320), *problems(page)] == []
        page.get_by_label("Token").fill("a guess")
        page.get_by_role("button", name="Enter").click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert [*barriers(page, 1280, 320), *problems(page)] == []
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="What was declined")).to_be_visible()
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert [*barriers(page, 1280, 320), *problems(page)] == []
        page.get_by_role("button", name="Make a question-file line").first.click()
        expect(page.locator("pre")).to_contain_text('"id": "desk-')
        assert [*barriers(page, 1280, 320), *problems(page)] == []


def test_readers_see_what_editors_did(browser: Browser, desk: str) -> None:
    """An article that is off has the editor's words above the box; a pinned answer is said to be the editor's."""
    address = desk.removesuffix("/desk")
    with chatting(browser, f"{address}/?article=ferry") as page:
        status(page, "We are looking into what this article says.")
    with chatting(browser, f"{address}/?article=a-story") as page:
        ask(page, "who wrote it")
        expect(answers(page).locator(".words")).to_have_text("The desk wrote it.— The Desk")
        expect(answers(page).locator(".headline")).to_have_text(LABELS[Status.PINNED])
        expect(answers(page).locator("a.cite")).to_have_count(0)
