"""Which article a question is about where there are several: the one of the address, and the one in sight."""

import re
from dataclasses import replace

import pytest
from browser import (
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
from served import ARTICLE, DECLINED, FERRY, TOO_LONG, WRITTEN, ScriptedAssistant

from assistant.web.chat.page import BACK, NEXT

pytestmark = needs_chromium

OF_FERRY, OF_ALL = (NEXT.format(told=BACK, what=what) for what in ("“A ferry”", "all articles"))


@pytest.fixture(scope="module")
def assistant() -> ScriptedAssistant:
    """Return an assistant with two articles."""
    assistant = ScriptedAssistant(ARTICLE, FERRY)
    assistant.script = {question: [WRITTEN] for question in ("First?", "Second?", "Third?", "Linked?", "tldr")}
    return assistant


def goes_to(page: Page, address: str) -> None:
    """Follow a link in this tab."""
    page.goto(address)
    wait_for_greeting(page)


def expect_chosen(page: Page, choice: str, title: str) -> None:
    """Expect the picker and the pane to show this."""
    expect(page.get_by_label("Answer from")).to_have_value(choice)
    expect(page.locator("#article h2")).to_have_text(title)


def test_the_article_of_the_address_is_asked_about(
    browser: Browser, address: str, assistant: ScriptedAssistant
) -> None:
    """Also in a tab with a conversation about another one, which goes on and says so; so it is with all of them."""
    with chatting(browser, f"{address}/?article={ARTICLE.id}") as page:
        ask(page, "First?")
        goes_to(page, f"{address}/?article={FERRY.id}")
        status(page, OF_FERRY)
        expect_chosen(page, "A ferry, 27 March 2025", "A ferry")
        expect(answers(page)).to_have_count(1)
        ask(page, "Second?")
        assert assistant.articles["Second?"] == FERRY.id
        assert [turn.question for turn in assistant.histories["Second?"]] == ["First?"]
        page.reload()
        status(page, BACK)
        expect_chosen(page, "A ferry, 27 March 2025", "A ferry")
        goes_to(page, address)
        status(page, OF_ALL)
        expect(page.get_by_label("Answer from")).to_have_value("All articles")
        ask(page, "Third?")
        assert assistant.articles["Third?"] is None


def test_the_address_names_what_was_chosen(browser: Browser, address: str) -> None:
    """So that the page that is loaded again, or sent to somebody, is about the same."""
    with chatting(browser, f"{address}/?article={ARTICLE.id}") as page:
        ask(page, "First?")
        picker = page.get_by_label("Answer from")
        for words, choice, title, at in (
            ("ferry", "A ferry, 27 March 2025", "A ferry", f"{address}/?article={FERRY.id}"),
            ("All", "All articles", "The articles", f"{address}/"),
        ):
            picker.fill(words)
            picker.press("Enter")
            expect_chosen(page, choice, title)
            expect(page).to_have_url(at)
            page.reload()
            expect(answers(page)).to_have_count(1)
            expect(picker).to_have_value(choice)


@pytest.mark.parametrize("is_editing", [False, True])
def test_a_question_of_the_address_stands_alone(
    browser: Browser, address: str, assistant: ScriptedAssistant, *, is_editing: bool
) -> None:
    """In a tab with a conversation it follows on nothing, takes no answer away, and what comes next follows on it."""
    with chatting(browser, address) as page:
        ask(page, "First?")
        if is_editing:
            page.get_by_role("button", name="Edit the question").click()
            expect(question_box(page)).to_have_value("First?")
        goes_to(page, f"{address}/?q=Linked%3F")
        finish(page, 2)
        expect(page.get_by_test_id("user")).to_contain_text(["First?", "Linked?"])
        assert assistant.histories["Linked?"] == []
        ask(page, "Second?")
        assert [turn.question for turn in assistant.histories["Second?"]] == ["Linked?"]


def test_a_question_may_mean_the_article_that_was_opened(
    browser: Browser, address: str, assistant: ScriptedAssistant
) -> None:
    """The one that its reader chose from the list, while it is shown; not what an answer brought there."""
    assistant.script["Of it?"] = [replace(WRITTEN, searched=FERRY)]
    with chatting(browser, address) as page:
        ask(page, "First?")
        expect(page.locator("#article h2")).to_contain_text("A story")
        ask(page, "Second?")
        assert (assistant.articles["Second?"], assistant.opened["Second?"]) == (None, None)
        page.get_by_role("link", name="All articles").click()
        page.locator("#article li a", has_text="A ferry").click()
        expect(page.locator("#article h2")).to_have_text("A ferry")
        ask(page, "Of it?")
        assert (assistant.articles["Of it?"], assistant.opened["Of it?"]) == (None, FERRY.id)
        expect(answers(page).last.get_by_text("Only this article was searched")).to_have_count(1)
        expect(page.get_by_label("Answer from")).to_have_value("All articles")


def test_after_clear_a_question_is_a_first_one(browser: Browser, address: str, assistant: ScriptedAssistant) -> None:
    """The article that was talked about is out of sight; Undo brings both back, also where the last was declined."""
    assistant.script["Not there?"] = [DECLINED]
    with chatting(browser, address) as page:
        ask(page, "First?", "Not there?")
        shown = page.locator("#article h2")
        expect(shown).to_contain_text("A story")
        press_in_menu(page, "Clear")
        expect(shown).to_have_text("The articles")
        page.get_by_role("button", name="Undo").click()
        expect(shown).to_contain_text("A story")
        press_in_menu(page, "Clear")
        expect(shown).to_have_text("The articles")
        ask(page, "tldr")
        assert (assistant.opened["tldr"], assistant.histories["tldr"]) == (None, [])


def test_a_question_that_is_put_back_leaves_the_article_open(
    browser: Browser, address: str, assistant: ScriptedAssistant
) -> None:
    """Asked again in other words it is about the same."""
    assistant.script["x" * 501] = [TOO_LONG]
    with chatting(browser, address) as page:
        page.locator("#article li a", has_text="A ferry").click()
        expect(page.locator("#article h2")).to_have_text("A ferry")
        send(page, "x" * 501)
        status(page, re.compile("Please keep it shorter"))
        expect(answers(page)).to_have_count(0)
        ask(page, "tldr")
        assert assistant.opened["tldr"] == FERRY.id
