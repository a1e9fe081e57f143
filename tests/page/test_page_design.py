"""How the page is set: one sentence and one box, one line of what can be done, one size of small print."""

from typing import Any

import pytest
from browser import (
    DESKTOP,
    PHONE,
    answers,
    ask,
    at_rest,
    barriers,
    box_of,
    chatting,
    needs_chromium,
    question_box,
    visiting,
)
from playwright.sync_api import Browser, Page, expect
from test_page_layout import ARTICLES, SIDEWAYS, alone, dozen  # noqa: F401 - two fixtures

pytestmark = needs_chromium

SCREENS = pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])


@SCREENS
def test_the_first_screen_is_a_sentence_a_box_and_questions(
    browser: Browser,
    alone: str,  # noqa: F811
    screen: dict[str, Any],
) -> None:
    """In this order, and all in sight."""
    with chatting(browser, alone, **screen) as page:
        offered = page.locator("#starters button.suggestion")
        expect(offered).to_have_count(2)
        parts = [page.locator(".lead"), question_box(page), page.locator("#note"), offered.first, offered.last]
        for part in parts:
            expect(part).to_be_in_viewport(ratio=1)
        tops = [box_of(part)[1] for part in parts]
        assert tops == sorted(tops)


@SCREENS
def test_what_can_be_done_is_one_line(browser: Browser, dozen: str, screen: dict[str, Any]) -> None:  # noqa: F811
    """Of an answer, and of each quotation: its article, its date and the way to it, with no link that breaks."""
    with chatting(browser, dozen, **screen) as page:
        ask(page, "Written?", "Of all?")
        answers(page).last.get_by_text("more quotations").click()
        lines = [each for each in page.locator("#window .actions, #window .source").all() if each.is_visible()]
        assert len(lines) > len(ARTICLES)
        for line in lines:
            parts = [part for part in line.locator("button, summary, .title, .beside, a").all() if part.is_visible()]
            middles = [(top + bottom) / 2 for _, top, _, bottom in map(box_of, parts)]
            assert max(middles) - min(middles) < 3
            assert box_of(parts[-1])[2] <= box_of(page.locator("#window"))[2]
        broken = "links => links.filter(each => each.getClientRects().length > 1).map(each => each.outerHTML)"
        assert page.locator("#window a").evaluate_all(broken) == []


def test_the_small_print_has_one_size(browser: Browser, dozen: str) -> None:  # noqa: F811
    """Whatever is smaller than what is read, in each state; and a sentence has one family of type."""
    with chatting(browser, dozen, may_fail=True) as page:
        for question in ("", "Written?", "Quoted?", "Declined?", "Broken?"):
            if question:
                ask(page, question)
            assert sizes(page) <= {14, 16, 17.28, 18, 20.8, 22, 25.6}, question
            families = page.locator(".words, .lead").evaluate_all(
                """all => all.map(each => new Set([each, ...each.querySelectorAll("*")]
                    .map(part => getComputedStyle(part).fontFamily)).size)"""
            )
            assert set(families) == {1}


def sizes(page: Page) -> set[float]:
    """Return the sizes of all that is read on the page, in pixels; the numbers of quotations aside."""
    found: list[float] = page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter(each => each.checkVisibility() &&
            !each.closest(".words a, .hidden, .skip") &&
            [...each.childNodes].some(child => child.nodeType === Node.TEXT_NODE && child.data.trim()))
            .map(each => Math.round(100 * parseFloat(getComputedStyle(each).fontSize)) / 100)"""
    )
    return set(found)


@SCREENS
def test_the_picker_is_as_wide_as_what_is_under_it(browser: Browser, dozen: str, screen: dict[str, Any]) -> None:  # noqa: F811
    """And no higher than the question box; a title that is too long ends before its arrow."""
    with chatting(browser, dozen, **screen) as page:
        picker, under = box_of(page.locator("#picker .wrap:has(input)")), box_of(page.locator("#found"))
        assert (picker[0], picker[2]) == pytest.approx((under[0], under[2]), abs=1)
        box = box_of(question_box(page))
        assert picker[3] - picker[1] <= box[3] - box[1] + 1
        field = page.locator("#picker input")
        room = field.evaluate("field => parseFloat(getComputedStyle(field).paddingRight)")
        assert box_of(field)[2] - room < box_of(page.locator("#picker .icon-wrap"))[0]


# The list of articles


def test_the_list_can_be_searched(browser: Browser, dozen: str) -> None:  # noqa: F811
    """By title, source and date, while one types; it begins with the newest, and says how many there are."""
    with chatting(browser, dozen) as page:
        listed = page.locator("#found li")
        expect(listed).to_have_count(len(ARTICLES))
        expect(listed.first).to_contain_text("day 12 of a month")
        expect(listed.first).to_contain_text("The Tolliver Gazette, 12 January 2025")
        search = page.get_by_role("searchbox", name="Search titles, sources and dates")
        search.press_sequentially("tolliver 11 january")
        expect(listed).to_have_count(1)
        expect(page.locator("#count")).to_have_text("1 of 12 articles")
        expect(search).to_be_focused()
        search.fill("a word of the text")
        expect(page.locator("#count")).to_have_text("0 of 12 articles. To search their words, ask a question.")
        search.fill("tolliver 11 january")
        expect(listed).to_have_count(1)
        search.press("Enter")
        listed.get_by_role("link").click()
        expect(page.locator("#article h2")).to_contain_text("day 11 of a month")


def test_a_list_that_can_be_searched_has_no_barrier(browser: Browser, dozen: str) -> None:  # noqa: F811
    """Beside the chat and on a page of its own, in light and in dark, on a narrow phone."""
    with chatting(browser, dozen) as page:
        assert barriers(page, 320) == []
        page.goto(f"{dozen}/articles")
        assert barriers(page, 320) == []


def test_the_list_can_be_searched_without_a_script(browser: Browser, dozen: str) -> None:  # noqa: F811
    """By the form of the page of its own, and what is found can be read."""
    with visiting(browser, f"{dozen}/articles", java_script_enabled=False) as page:
        page.get_by_role("searchbox").fill("day 7")
        page.get_by_role("button", name="Search").click()
        expect(page.locator("#found li")).to_have_count(1)
        expect(page.get_by_role("searchbox")).to_have_value("day 7")
        page.locator("#found").get_by_role("link").click()
        expect(page.locator("article")).to_contain_text(ARTICLES[6].text.split(".")[0])


# A report


@pytest.mark.parametrize("screen", [DESKTOP, PHONE, SIDEWAYS], ids=["desktop", "phone", "sideways"])
def test_a_report_leaves_its_answer_in_sight(browser: Browser, dozen: str, screen: dict[str, Any]) -> None:  # noqa: F811
    """Beside the form, from whichever answer it was opened; what sends it is in sight and under nothing."""
    with chatting(browser, dozen, **screen) as page:
        ask(page, "Written?", "Of all?", "Written?")
        for place in (0, -1):
            answers(page).nth(place).locator("button[name=unhelpful]").click()
            expect(page.get_by_role("radio", name="Not helpful")).to_be_focused()
            at_rest(page)
            if screen is not SIDEWAYS:
                # Nothing of the form is under its buttons.
                assert page.locator("#report").evaluate("form => form.scrollHeight - form.clientHeight") <= 0
                expect(answers(page).nth(place).locator(".words")).to_be_in_viewport(ratio=1)
                expect(page.get_by_role("button", name="Send the report")).to_be_in_viewport(ratio=1)
            page.get_by_role("button", name="Send the report").scroll_into_view_if_needed()
            for top in range(0, page.evaluate("document.documentElement.scrollHeight"), 300):
                page.evaluate("top => scrollTo(0, top)", top)
                is_covered = page.get_by_role("button", name="Send the report").evaluate(
                    """button => {
                        const { left, top, width, height } = button.getBoundingClientRect();
                        const on = document.elementFromPoint(left + width / 2, top + height / 2);
                        return on && !button.contains(on) && !on.contains(button) ? on.outerHTML : "";
                    }"""
                )
                assert is_covered == "", top
            page.get_by_role("button", name="Do not send").click()
            expect(page.locator("#report")).to_be_hidden()
