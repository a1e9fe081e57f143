"""The editors' desk in a browser: legible and usable on a phone and a desktop, in light and in dark."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sklearn.cluster  # noqa: F401 - it takes long where much else runs; a server has it with its embedding model
from browser import (
    DESKTOP,
    PHONE,
    answers,
    ask,
    barriers,
    box_of,
    chatting,
    needs_chromium,
    problems,
    question_box,
    send,
    status,
    visiting,
    wait_for_greeting,
)
from conftest import WordEmbedder
from playwright.sync_api import Browser, Locator, Page, expect
from served import ARTICLE, CITATION, FERRY, OPEN, WRITTEN, ScriptedAssistant, running

from assistant.rendering import LABELS
from assistant.types import Outcome
from assistant.web.storage import desk_file, feedback
from assistant.web.storage.desk_file import Act, Asked, Do
from assistant.web.storage.feedback import Feedback

pytestmark = needs_chromium

TOKEN = "a token of the newsroom's"  # noqa: S105 - of no newsroom
ASKED = ("Who wrote this story?", "Who wrote this?", "Is the harbour open?", "What does a reader's question do?")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a desk that has something of everything, and return its address."""
    folder: Path = tmp_path_factory.mktemp("desk")
    settings = replace(OPEN, data=folder, feedback=folder / "feedback.sqlite3", embed_sites=("https://news.test",))
    settings = replace(settings, desk_token=TOKEN, keep_questions=30, site_questions_per_minute=60)
    file = desk_file.file_of(settings)
    for number in range(30):
        at = (datetime.now(UTC) - timedelta(hours=13 * number)).isoformat(timespec="minutes")
        article, end = ("a-story", "ferry")[number % 3 == 0], desk_file.ENDS[number % len(desk_file.ENDS)]
        place = (ARTICLE.version, CITATION.start, CITATION.end) if article == "a-story" else ("", 0, 0)
        desk_file.keep(file, Asked(ASKED[number % len(ASKED)], article, end, "", *place, at))
    desk_file.do(file, Act(Do.OFF, "ferry", "We are looking into what this article says."))
    desk_file.do(file, Act(Do.PIN, "a-story", "Nobody knows.\n\nThe desk wrote it.", "Who wrote it?", "The Desk"))
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


@pytest.mark.parametrize("options", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_an_editor_stays_where_something_was_done(browser: Browser, desk: str, options: dict[str, Any]) -> None:
    """The page comes back to the row, or to the list that it was in; what was done, or went wrong, is said in sight."""
    with visiting(browser, desk, may_fail=True, **options) as page:
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        row = page.locator("section", has_text="Who fell?").first
        pin_in(row, "?!")
        said = page.locator(".said")
        expect(said).to_have_text("Nothing was done: each part of the form needs words.")
        assert box_of(said)[3] <= box_of(row)[1], "it covers the row"
        pin_in(row, "Who fell?")
        expect(said).to_have_text("The answer is pinned.")
        expect(said).to_be_in_viewport()
        expect(row.get_by_role("heading")).to_be_in_viewport()
        assert box_of(said)[3] <= box_of(row)[1]
        page.get_by_role("button", name=re.compile("^Take it away.*Who fell")).click()
        expect(said).to_have_text("The pinned answer is taken away.")
        expect(said).to_be_in_viewport()
        expect(page.get_by_role("heading", name="Pinned answers")).to_be_in_viewport()
        words = page.get_by_role("region", name="What was done here").get_by_role("cell", name="Nobody fell.").first
        left, _, right, _ = box_of(words)
        assert right - left > 200, "it is a column of single words"
        row.get_by_role("button", name="Make a question-file line").click()
        expect(page.locator("pre")).to_be_in_viewport()


def pin_in(row: Locator, question: str) -> None:
    """Pin an answer to a question in a row of the desk."""
    row.get_by_text("Pin an answer").click()
    row.get_by_label("Question").fill(question)
    row.get_by_label("Your answer").fill("Nobody fell.")
    row.get_by_role("button", name="Pin it").click()


def test_an_article_that_is_off_says_so_where_it_is_read(browser: Browser, desk: str) -> None:
    """Its page and the pane beside the chat say so, and there is no box, also after it was chosen or come back to."""
    address, words = desk.removesuffix("/desk"), "The chat about this article is switched off. We are looking into"
    with visiting(browser, f"{address}/article/ferry") as page:
        expect(page.locator("#article")).to_contain_text(words)
        page.goto(f"{address}/article/a-story")
        expect(page.locator("#article")).not_to_contain_text("switched off")
    with chatting(browser, address, **DESKTOP) as page:
        expect(question_box(page)).to_be_visible()
        page.goto(f"{address}/?article=ferry")
        expect(page.locator("#pane")).to_contain_text(words)
        expect(question_box(page)).to_be_hidden()
        expect(page.get_by_role("button", name="Ask", exact=True)).to_be_hidden()
        expect(page.get_by_role("link", name="Skip to the question box")).to_have_count(0)
        assert [*barriers(page, 1280, 320), *problems(page)] == []
        page.set_viewport_size({"width": 1280, "height": 800})
        choose(page, "All articles")
        expect(question_box(page)).to_be_visible()
        choose(page, "A ferry, 27 March 2025")
        expect(question_box(page)).to_be_hidden()
        page.reload()
        expect(question_box(page)).to_be_hidden()


def choose(page: Page, name: str) -> None:
    """Choose what to ask."""
    page.get_by_label("Answer from").click()
    page.get_by_role("option", name=name).click()


def test_what_is_switched_off_while_one_reads_has_no_box_any_more(browser: Browser, tmp_path: Path) -> None:
    """Also where it is the only article; when it is on again, the page that is loaded has one."""
    settings = replace(OPEN, data=tmp_path, feedback=tmp_path / "feedback.sqlite3")
    assistant = ScriptedAssistant(FERRY)
    with running(assistant, settings) as address, chatting(browser, address) as page:
        file = desk_file.file_of(settings)
        desk_file.do(file, Act(Do.OFF, "ferry", "We are looking into it."))
        send(page, "When does it leave?")
        status(page, "We are looking into it.")
        expect(question_box(page)).to_be_hidden()
        page.reload()
        status(page, "We are looking into it.")
        expect(question_box(page)).to_be_hidden()
        expect(page.locator("#pane")).to_contain_text("switched off")
        desk_file.do(file, Act(Do.ON, "ferry"))
        page.reload()
        wait_for_greeting(page)
        expect(question_box(page)).to_be_visible()


def test_readers_see_what_editors_did(browser: Browser, desk: str) -> None:
    """An article that is off has the editor's words above the box; a pinned answer is said to be the editor's."""
    address = desk.removesuffix("/desk")
    with chatting(browser, f"{address}/?article=ferry") as page:
        status(page, "We are looking into what this article says.")
    with chatting(browser, f"{address}/?article=a-story") as page:
        ask(page, "who wrote it")
        expect(answers(page).locator(".words")).to_have_text(["Nobody knows.", "The desk wrote it.— The Desk"])
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        answers(page).get_by_role("button", name="Copy").click()
        status(page, re.compile("copied"))
        copied = page.evaluate("navigator.clipboard.readText()")
        assert "\n\nNobody knows.\n\nThe desk wrote it. — The Desk\n" in copied
        expect(answers(page).locator(".headline")).to_have_text(LABELS[Outcome.PINNED])
        expect(answers(page).locator("a.cite")).to_have_count(0)
