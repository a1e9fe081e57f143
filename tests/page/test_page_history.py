"""Back, Forward, a page loaded again, a duplicated tab: the conversation is there, or it is said to be gone."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from browser import (
    DESKTOP,
    PHONE,
    answers,
    ask,
    chatting,
    finish,
    needs_chromium,
    press_in_menu,
    question_box,
    send,
    status,
    wait_for_greeting,
)
from playwright.sync_api import Browser, Page, expect
from served import ARTICLE, BOTH, OPEN, OTHER_QUOTE, QUOTE, QUOTED, WRITTEN, ScriptedAssistant, serving

from assistant.web.chat import page as page_module
from assistant.web.chat.exchanges import LOST, STOPPED
from assistant.web.chat.page import BACK, CLEARED, EDITING

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def assistant() -> ScriptedAssistant:
    """Return the assistant behind the server."""
    assistant = ScriptedAssistant(ARTICLE)
    assistant.script = {"First?": [BOTH], "Second?": [WRITTEN], "Third?": [WRITTEN]}
    return assistant


def holds(page: Page, *questions: str) -> None:
    """Expect these questions in the window, each with its answer, and the page ready for the next one."""
    expect(page.get_by_test_id("user")).to_contain_text(list(questions))
    expect(answers(page)).to_have_count(len(questions))
    expect(page.locator("#send")).to_be_visible()


# Back and Forward


@pytest.mark.parametrize("options", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_back_leads_from_the_quotation_to_the_answer(browser: Browser, address: str, options: dict[str, Any]) -> None:
    """Back ends the look at the article, however many citations were followed; Forward shows the last of them again."""
    with chatting(browser, address, **options) as page:
        ask(page, "First?")
        cites = answers(page).locator(".words a.cite")
        current = page.locator("#reading mark.current")
        cites.nth(0).click()
        expect(current).to_be_focused()
        cites.nth(1).click()
        expect(current).to_have_text(OTHER_QUOTE)
        expect(current).to_be_focused()
        page.go_back()
        expect(cites.nth(1)).to_be_focused()
        expect(cites.nth(1)).to_be_in_viewport()
        assert page.url.rstrip("/") == address
        holds(page, "First?")
        page.go_forward()
        expect(current).to_have_text(OTHER_QUOTE)
        expect(current).to_be_focused()
        expect(current).to_be_in_viewport()
        page.get_by_role("button", name="Back to the answer").click()
        expect(cites.nth(1)).to_be_focused()
        page.go_forward()
        expect(current).to_be_focused()
        expect(page.get_by_role("tooltip", include_hidden=True)).to_be_hidden()  # Escape would put it away first.
        page.keyboard.press("Escape")
        expect(cites.nth(1)).to_be_focused()


@pytest.mark.parametrize("options", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_page_loaded_again_in_the_article_shows_the_quotation_again(
    browser: Browser, address: str, options: dict[str, Any]
) -> None:
    """The quotation that was open is open again, in sight, and Back still leads to the answer."""
    with chatting(browser, address, **options) as page:
        ask(page, "First?", "Second?")
        cite = answers(page).nth(0).locator(".words a.cite").nth(1)
        cite.click()
        expect(page.locator("#reading mark.current")).to_be_focused()
        page.reload()
        holds(page, "First?", "Second?")
        expect(page.locator("#reading mark.current")).to_have_text(OTHER_QUOTE)
        expect(page.locator("#reading mark.current")).to_be_focused()
        expect(page.locator("#reading mark.current")).to_be_in_viewport(ratio=1)
        page.go_back()
        expect(cite).to_be_focused()
        holds(page, "First?", "Second?")


def test_who_left_the_page_finds_the_conversation_when_they_return(
    browser: Browser, address: str, assistant: ScriptedAssistant
) -> None:
    """Back from another page, and Forward to it, find what was said, and the next question follows on it."""
    with chatting(browser, address) as page:
        page.goto(f"{address}/about")
        page.goto(address)
        wait_for_greeting(page)
        ask(page, "First?")
        page.goto(f"{address}/articles")
        page.go_back()
        holds(page, "First?")
        page.go_back()
        expect(page).to_have_title(re.compile("About"))
        page.go_forward()
        holds(page, "First?")
        ask(page, "Second?")
        assert [turn.question for turn in assistant.histories["Second?"]] == ["First?"]


# Loaded again


def test_a_page_loaded_again_goes_on(browser: Browser, address: str, assistant: ScriptedAssistant) -> None:
    """What was said stands there with all that can be done with it, once; what was cleared is gone without a word."""
    with chatting(browser, address) as page:
        ask(page, "First?", "Second?")
        for _ in range(2):
            page.reload()
            holds(page, "First?", "Second?")
            status(page, BACK)
        answers(page).nth(1).get_by_role("button", name=re.compile("^Not helpful")).click()
        expect(page.locator("#report")).to_contain_text("Second?")
        page.get_by_role("button", name="Do not send").click()
        page.get_by_role("button", name="Edit the question").click()
        status(page, EDITING)
        page.reload()
        status(page, EDITING)
        expect(question_box(page)).to_have_value("Second?")
        send(page, "Third?")
        expect(page.get_by_test_id("user")).to_contain_text(["First?", "Third?"])
        finish(page, 2)
        assert [turn.question for turn in assistant.histories["Third?"]] == ["First?"]
        press_in_menu(page, "Clear")
        status(page, re.compile(CLEARED))
        page.reload()
        wait_for_greeting(page)
        status(page, re.compile("^Ready"))
        expect(answers(page)).to_have_count(0)


def test_a_page_loaded_again_leaves_the_focus_in_the_box(browser: Browser, address: str) -> None:
    """Where it was there; a reader who was elsewhere is not brought to it."""
    with chatting(browser, address) as page:
        ask(page, "First?")
        for is_there in (True, False):
            if not is_there:
                page.get_by_role("button", name="Try again").focus()
            page.reload()
            holds(page, "First?")
            status(page, BACK)
            box = expect(question_box(page))
            (box.to_be_focused if is_there else box.not_to_be_focused)()


def test_an_answer_is_finished_although_the_page_is_loaded_again(
    browser: Browser, address: str, assistant: ScriptedAssistant
) -> None:
    """The page shows the answer as far as it has come, then the rest, and Stop works there; what has ended is there."""
    go_on = threading.Event()
    assistant.script |= {"Long?": [replace(QUOTED, final=False), go_on, WRITTEN], "Endless?": [threading.Event()]}
    # The page says on the console that its stream was cut.
    with chatting(browser, address, may_fail=True) as page:
        ask(page, "First?")
        send(page, "Long?")
        expect(answers(page).nth(1)).to_contain_text(QUOTE)
        page.reload()
        expect(answers(page).nth(1)).to_contain_text(QUOTE)
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        go_on.set()
        finish(page, 2)
        expect(answers(page).nth(1)).to_contain_text("It fell by nearly 18 percent.")
        expect(question_box(page)).to_have_value("")
        page.reload()
        holds(page, "First?", "Long?")
        assert assistant.ended.count("Long?") == 1
        send(page, "Endless?")
        expect(answers(page).nth(2)).to_contain_text(QUOTE)
        page.reload()
        expect(answers(page).nth(2)).to_contain_text(QUOTE)
        page.get_by_role("button", name="Stop").click()
        status(page, STOPPED)
        expect(page.locator("#send")).to_be_visible()


def test_who_comes_back_too_late_has_the_question_in_the_box(
    browser: Browser, address: str, assistant: ScriptedAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody computed meanwhile; what was said before is there."""
    monkeypatch.setattr(page_module, "AWAY_SECONDS", 0.01)
    assistant.script["Given up?"] = [threading.Event()]
    # The page says on the console that its stream was cut.
    with chatting(browser, address, may_fail=True) as page:
        ask(page, "First?")
        send(page, "Given up?")
        expect(answers(page).nth(1)).to_contain_text(QUOTE)
        page.goto(f"{address}/about")
        while "Given up?" not in assistant.ended:
            page.wait_for_timeout(50)
        page.go_back()
        status(page, "The answer was interrupted. Your question is in the box again.")
        expect(question_box(page)).to_have_value("Given up?")
        holds(page, "First?")


def test_the_question_of_an_address_is_asked_once(browser: Browser, address: str, assistant: ScriptedAssistant) -> None:
    """A page that was opened with a question shows its answer when it is loaded again, and does not ask once more."""
    assistant.script["Linked?"] = [WRITTEN]
    with chatting(browser, f"{address}/?q=Linked%3F") as page:
        finish(page)
        page.reload()
        holds(page, "Linked?")
        status(page, BACK)


# Cleared, and begun


def test_what_was_cleared_can_be_brought_back(browser: Browser, address: str, assistant: ScriptedAssistant) -> None:
    """All of it, with all that can be done with it; the next question follows on it."""
    with chatting(browser, address) as page:
        ask(page, "First?", "Second?")
        press_in_menu(page, "Clear")
        expect(answers(page)).to_have_count(0)
        page.get_by_role("button", name="Undo").click()
        holds(page, "First?", "Second?")
        status(page, BACK)
        expect(question_box(page)).to_be_focused()
        ask(page, "Third?")
        assert [turn.question for turn in assistant.histories["Third?"]] == ["First?", "Second?"]


def test_what_was_cleared_is_gone_with_the_next_answer(browser: Browser, address: str) -> None:
    """Nothing offers to bring it back, and the token that it had opens nothing."""
    with chatting(browser, address) as page:
        ask(page, "First?")
        token = page.evaluate("sessionStorage.getItem('conversation')")
        press_in_menu(page, "Clear")
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        ask(page, "Second?")
        expect(page.get_by_role("button", name="Undo")).to_have_count(0)
        page.goto(f"{address}/about")
        page.evaluate("token => sessionStorage.setItem('conversation', token)", token)
        page.goto(address)
        expect(answers(page)).to_contain_text([LOST])


@pytest.mark.parametrize("is_editing", [False, True])
def test_a_draft_survives(browser: Browser, address: str, *, is_editing: bool) -> None:
    """What stands in the box, also in place of the question that is edited, is there when the page is loaded again."""
    with chatting(browser, address) as page:
        ask(page, "First?")
        if is_editing:
            page.get_by_role("button", name="Edit the question").click()
            expect(question_box(page)).to_have_value("First?")
        question_box(page).fill("And what about")
        page.reload()
        holds(page, "First?")
        expect(question_box(page)).to_have_value("And what about")
        send(page, "Second?")
        expect(page.get_by_test_id("user").last).to_contain_text("Second?")
        finish(page, 1 if is_editing else 2)
        page.reload()
        expect(answers(page)).to_have_count(1 if is_editing else 2)
        status(page, BACK)
        expect(question_box(page)).to_have_value("")


# Two tabs, and tabs that were closed


@contextmanager
def duplicated(page: Page, address: str) -> Iterator[Page]:
    """Open the page in another tab that begins with what this one remembers, as a duplicated or restored tab does."""
    remembered = page.evaluate("JSON.stringify(sessionStorage)")
    with closing(page.context.new_page()) as other:
        other.goto(f"{address}/about")
        other.evaluate("all => Object.assign(sessionStorage, JSON.parse(all))", remembered)
        other.goto(address)
        yield other


def test_two_tabs_go_on_each_by_itself(browser: Browser, address: str, assistant: ScriptedAssistant) -> None:
    """A duplicated tab has what was said, and what is asked or cleared in one is no matter of the other."""
    assistant.script |= {"In the one?": [WRITTEN], "In the other?": [WRITTEN], "Again in the one?": [WRITTEN]}
    with chatting(browser, address) as page:
        ask(page, "First?")
        with duplicated(page, address) as other:
            holds(other, "First?")
            ask(page, "In the one?")
            ask(other, "In the other?")
            press_in_menu(other, "Clear")
            status(other, re.compile(CLEARED))
        ask(page, "Again in the one?")
        assert [turn.question for turn in assistant.histories["In the other?"]] == ["First?"]
        assert [turn.question for turn in assistant.histories["Again in the one?"]] == ["First?", "In the one?"]


# Gone


def test_a_conversation_that_is_gone_is_told_once(browser: Browser) -> None:
    """After a restart the page says so when it is loaded again, and not a second time; a new question begins anew."""
    assistant = ScriptedAssistant(ARTICLE)
    assistant.script |= {"First?": [WRITTEN], "Second?": [WRITTEN], "Third?": [WRITTEN]}
    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        listener = first.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        port = listener.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        first.enter_context(serving(assistant, OPEN, listener))
        reloaded = stack.enter_context(chatting(browser, address, may_fail=True))
        left_open = stack.enter_context(chatting(browser, address, may_fail=True))
        for page in (reloaded, left_open):
            ask(page, "First?")
        first.close()
        again = stack.enter_context(closing(socket.create_server(("127.0.0.1", port))))
        stack.enter_context(serving(assistant, OPEN, again))
        reloaded.reload()
        expect(answers(reloaded)).to_contain_text([LOST])
        while reloaded.evaluate("sessionStorage.getItem('conversation')"):
            reloaded.wait_for_timeout(50)
        reloaded.reload()
        wait_for_greeting(reloaded)
        expect(answers(reloaded)).to_have_count(0)
        ask(reloaded, "Second?")
        # The page that stayed open learns it with its next question.
        ask(left_open, "Third?")
        expect(answers(left_open).nth(0)).to_contain_text(LOST)
        expect(left_open.get_by_test_id("user")).to_contain_text(["Third?"])
    assert assistant.histories["Second?"] == []
    assert assistant.histories["Third?"] == []
