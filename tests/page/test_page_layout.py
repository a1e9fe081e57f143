"""What is to be seen of the chat on every screen: by the places of what is drawn, not by what is in the document."""

import datetime
import itertools
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
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
    press_in_menu,
    question_box,
    send,
    status,
    visiting,
)
from parts import told
from playwright.sync_api import Browser, Page, expect
from served import OPEN, ScriptedAssistant, running

from assistant.settings import PROJECT, Settings
from assistant.types import Answer, Article, Citation, Outcome
from assistant.web.chat.exchanges import STOPPED

pytestmark = needs_chromium

REPORTS = PROJECT / "corpus" / "training" / "reports.jsonl"
SIZES = ((320, 568, 2), (320, 568, 1), (390, 844, 1), (1920, 1080, 2), (1280, 800, 1))
"""With the zoom. One of each layout: it changes at 800 pixels of width, and at 600 and 288 of height."""
SIDEWAYS = PHONE | {"viewport": {"width": 844, "height": 390}}
TARGET = 44
"""Pixels of what a finger meets each way."""
MOST_WORDS = 45
"""That a reader passes until the answer is whole."""


def a_dozen() -> list[Article]:
    """Return articles of one to twelve reports, with a date and an address."""
    with REPORTS.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    return [
        Article(
            f"article-{number}",
            "\n\n".join(texts[number * (number - 1) // 2 :][:number]),
            f"What was reported on day {number} of a month that had many days",
            source="The Tolliver Gazette",
            date=datetime.date(2025, 1, number),
            url=f"https://paper.test/{number}",
        )
        for number in range(1, 13)
    ]


def a_quotation(number: int, article: Article, place: float) -> Citation:
    """Return the first sentence of the paragraph that stands so far down the article, from 0 to 1."""
    paragraphs = article.text.split("\n\n")
    paragraph = paragraphs[round(place * (len(paragraphs) - 1))]
    start = article.text.index(paragraph)
    return Citation(number, article, start, start + len(re.split(r"(?<=[a-z]\.) ", paragraph)[0]))


ARTICLES = a_dozen()
QUOTATIONS = tuple(a_quotation(number, article, number * 5 % 12 / 11) for number, article in enumerate(ARTICLES, 1))
FIRST, SECOND = a_quotation(1, ARTICLES[-1], 0.5), a_quotation(2, ARTICLES[-1], 0.9)
COPIED = f"{FIRST.quote} [1]"
SCRIPT: dict[str, list[Any]] = {
    "Written?": [
        Answer("", Outcome.WRITTEN, told("It is so. [1] It is not otherwise. [2]", (FIRST, SECOND)), model="a-model")
    ],
    "Quoted?": [Answer("", Outcome.QUOTED, told(COPIED, (FIRST,)), error="It broke.")],
    "Copied?": [Answer("", Outcome.WRITTEN, told(COPIED, (FIRST,)), model="a-model")],
    "Half copied?": [Answer("", Outcome.WRITTEN, told(f"{COPIED} It is so. [2]", (FIRST, SECOND)), model="a-model")],
    "Declined?": [Answer("", Outcome.DECLINED, closest=(FIRST, SECOND))],
    "Broken?": [RuntimeError("x")],
}
STARTERS = ("Quoted?", "Copied?")


def served(folder: Path, *articles: Article) -> Iterator[str]:
    """Serve the articles and yield the address."""
    lines = [{"question": question, "article": ARTICLES[-1].id, "evidence": FIRST.quote} for question in STARTERS]
    (folder / "starters.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    settings: Settings = replace(OPEN, articles=folder / "articles", data=folder, feedback=folder / "feedback.sqlite3")
    assistant = ScriptedAssistant(*articles)
    markers = " ".join(f"It is so. [{citation.number}]" for citation in QUOTATIONS)
    assistant.script |= SCRIPT | {"Of all?": [Answer("", Outcome.WRITTEN, told(markers, QUOTATIONS), model="a-model")]}
    # An end of its own for each test that stops it.
    assistant.script["Endless?"] = [replace(SCRIPT["Quoted?"][0], final=False), threading.Event()]
    with running(assistant, settings) as address:
        yield address


@pytest.fixture(scope="module")
def dozen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a folder of a dozen articles."""
    yield from served(tmp_path_factory.mktemp("dozen"), *ARTICLES)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve one article, the longest."""
    yield from served(tmp_path_factory.mktemp("alone"), ARTICLES[-1])


SCREENS = pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])


# The article beside the conversation


def unseen_lines(page: Page) -> list[str]:
    """Return the lines of the marked words that cannot be seen; where they fill the screen, only the first counts."""
    unseen: list[str] = page.evaluate(
        """() => {
            const pane = document.querySelector("#reading").getBoundingClientRect();
            const height = Math.min(pane.bottom, innerHeight) - Math.max(pane.top, 0);
            const lines = [...document.querySelectorAll("#reading mark.current")]
                .flatMap(mark => [...mark.getClientRects()]).filter(line => line.width > 2);
            const fits = lines.at(-1).bottom - lines[0].top < height - 100;
            // A line may end with a space that is not drawn.
            const isSeen = line => [line.left + 1, (line.left + line.right) / 2, line.right - 8].every(
                x => document.elementFromPoint(x, (line.top + line.bottom) / 2)?.closest("mark.current"));
            const isWithin = line => line.left >= pane.left && line.right <= pane.right;
            return (fits ? lines : lines.slice(0, 1)).filter(line => !isSeen(line) || !isWithin(line))
                .map(line => JSON.stringify([line, pane]));
        }"""
    )
    return unseen


@pytest.mark.parametrize(("width", "height", "zoom"), SIZES)
def test_the_quoted_words_are_seen(browser: Browser, dozen: str, width: int, height: int, zoom: int) -> None:
    """Wherever they stand in an article of whatever length, and on whatever screen; so are the titles before that."""
    viewport: Any = {"width": width // zoom, "height": height // zoom}
    with chatting(browser, dozen, device_scale_factor=zoom, viewport=viewport) as page:
        pane = page.locator("#reading").bounding_box()
        assert pane
        for each in [page.locator("#picker"), *page.locator("#article li").all()]:
            place = each.bounding_box()
            assert place
            assert pane["x"] <= place["x"] <= place["x"] + place["width"] <= pane["x"] + pane["width"]
            assert place["width"] > pane["width"] / 2
        ask(page, "Of all?")
        mark = page.locator("#reading mark.current")
        expect(mark).to_have_text(QUOTATIONS[0].quote)
        if viewport["width"] >= 800:
            at_rest(page)
            assert unseen_lines(page) == [], "the first is shown beside the answer"
        for number, quotation in enumerate(QUOTATIONS):
            answers(page).locator(".words a.cite").nth(number).click()
            expect(mark).to_have_text(quotation.quote)
            expect(mark).to_be_focused()
            assert unseen_lines(page) == [], quotation


@pytest.mark.parametrize("screen", [PHONE, SIDEWAYS], ids=["phone", "sideways"])
def test_the_way_back_is_in_reach_all_over_the_article(browser: Browser, dozen: str, screen: dict[str, Any]) -> None:
    """However far the reader has gone from the quoted words, one tap leads back to the answer."""
    with chatting(browser, dozen, **screen) as page:
        ask(page, "Written?")
        cite = answers(page).locator(".words a.cite").first
        for paragraph in ("first", "last"):
            cite.tap()
            expect(page.locator("#reading mark.current")).to_be_focused()
            expect(page.locator("#reading mark.current")).to_be_in_viewport()
            if screen is PHONE:
                expect(cite).not_to_be_in_viewport()
            getattr(page.locator("#article article p"), paragraph).scroll_into_view_if_needed()
            back = page.get_by_role("button", name="Back to the answer")
            expect(back).to_be_in_viewport(ratio=1)
            back.tap()
            expect(cite).to_be_focused()
            expect(cite).to_be_in_viewport(ratio=1)


def test_tab_leads_from_the_picker_to_the_list(browser: Browser, dozen: str) -> None:
    """Also where the choices are so many that they scroll; the focus is never lost, and the picker closes."""
    with chatting(browser, dozen) as page:
        page.get_by_label("Answer from").focus()
        expect(page.get_by_role("option").first).to_be_visible()
        page.keyboard.press("Tab")
        expect(page.get_by_role("searchbox")).to_be_focused()
        expect(page.get_by_role("option")).to_have_count(0)


# Phones


def test_a_phone_held_sideways_shows_the_box(browser: Browser, dozen: str) -> None:
    """At the beginning, with an answer, and farther down in it; and the answer has more than half of the height."""
    with chatting(browser, dozen, **SIDEWAYS) as page:
        for question, tops in (("", [0]), ("Written?", [0, 200])):
            if question:
                ask(page, question)
            for (width, height), top in itertools.product([(844, 390), (667, 331), (568, 320)], tops):
                page.set_viewport_size({"width": width, "height": height})
                page.evaluate("top => scrollTo({ top, behavior: 'instant' })", top)
                expect(page.locator("#question textarea")).to_be_in_viewport(ratio=1)
                expect(page.locator("#send")).to_be_in_viewport(ratio=1)
                _, upper, _, lower = box_of(page.locator("#dock"))
                assert not question or lower - upper < height / 2


@pytest.mark.parametrize("screen", [DESKTOP, PHONE, SIDEWAYS], ids=["desktop", "phone", "sideways"])
def test_stop_stays_where_it_is(browser: Browser, dozen: str, screen: dict[str, Any]) -> None:
    """From its first frame on, with the first question and with a later one: or a press would miss it."""
    with chatting(browser, dozen, **screen, reduced_motion="no-preference", may_fail=True) as page:
        for count in (1, 4):
            ask(page, *["Written?"] * (count - answers(page).count() - 1))
            page.evaluate(
                """() => {
                    window.places = [];
                    const look = () => {
                        const stop = document.querySelector("#stop");
                        if (stop) places.push(Math.round(stop.getBoundingClientRect().top));
                        requestAnimationFrame(look);
                    };
                    look();
                }"""
            )
            send(page, "Endless?")
            expect(answers(page)).to_have_count(count)
            expect(answers(page).last).to_contain_text(FIRST.quote)
            expect(page.get_by_test_id("user").last).to_be_in_viewport()
            at_rest(page)
            assert len(set(page.evaluate("places"))) == 1
            page.locator("#stop").click()
            status(page, STOPPED)


def too_small(page: Page) -> list[str]:
    """Return what a finger could miss: controls, and links that do not stand within a sentence."""
    small: list[str] = page.evaluate(
        """least => {
            const controls = "button, input, textarea, summary, [role=option], nav a, .words a, .context a, .links a," +
                " .note a, a.open, #note a, #to-list a";
            const shown = [...document.querySelectorAll(controls)].filter(each => each.checkVisibility(
                { visibilityProperty: true, opacityProperty: true }) && !each.closest(".hidden, .skip, .toast-wrap"));
            const targets = shown.map(
                each => each.matches("[type=radio], [type=checkbox]") ? each.closest("label") : each);
            return targets.filter(each => {
                const { width, height } = each.getBoundingClientRect();
                return width < least - 0.01 || height < least - 0.01;
            }).map(each => [each.outerHTML.slice(0, 120), each.getBoundingClientRect().width,
                            each.getBoundingClientRect().height].join());
        }""",
        TARGET,
    )
    return small


@pytest.mark.parametrize(("screen", "folder"), [(PHONE, "dozen"), (SIDEWAYS, "alone")], ids=["phone", "sideways"])
def test_a_finger_meets_what_it_is_meant_for(
    browser: Browser, folder: str, request: pytest.FixtureRequest, screen: dict[str, Any]
) -> None:
    """On touch screens each button, citation, suggestion and link of a row is 44 pixels each way, in every state."""
    address = request.getfixturevalue(folder)
    found: dict[str, list[str]] = {}
    with chatting(browser, address, **screen, may_fail=True) as page:
        expect(page.locator("#starters button")).to_have_count(len(STARTERS))
        found["begun"] = too_small(page)
        for question in SCRIPT:
            ask(page, question)
            found[question] = too_small(page)
        answers(page).locator(".words a.cite").first.tap()
        expect(page.get_by_role("button", name="Back to the answer")).to_be_visible()
        found["cited"] = too_small(page)
        answers(page).get_by_role("button", name=re.compile("^Not helpful")).first.tap()
        expect(page.locator("#report")).to_be_visible()
        found["report"] = too_small(page)
        page.get_by_role("button", name="Edit the question").tap()
        expect(page.get_by_role("button", name="Keep the answer")).to_be_visible()
        found["edit"] = too_small(page)
        send(page, "Endless?")
        expect(page.locator("#stop")).to_be_visible()
        found["running"] = too_small(page)
        page.locator("#stop").tap()
        expect(page.locator("#send")).to_be_visible()
        if folder == "dozen":
            page.get_by_label("Answer from").tap()
            expect(page.get_by_role("option").first).to_be_visible()
            found["picker"] = too_small(page)
    with visiting(browser, f"{address}/articles", **screen) as page:
        found["articles"] = too_small(page)
        page.goto(f"{address}/article/article-12")
        found["article"] = too_small(page)
        page.goto(f"{address}/about")
        found["about"] = too_small(page)
    assert {state: each for state, each in found.items() if each} == {}


# Words


@SCREENS
def test_the_answer_comes_first_and_is_the_largest(browser: Browser, alone: str, screen: dict[str, Any]) -> None:
    """The first screen has the title; to the end of the answer there are at most 45 words, and none is set larger.

    Who clears can begin anew: the box has the focus, and it and the questions that are offered are in sight.
    """
    with chatting(browser, alone, **screen) as page:
        expect(page.locator("#introduction", has_text=ARTICLES[-1].title)).to_be_in_viewport(ratio=1)
        ask(page, "Written?")
        read = page.locator("#conversation").inner_text().partition("It is not otherwise.")[0].split()
        assert 20 < len(read) <= MOST_WORDS
        sizes = page.evaluate(
            """() => {
                const seen = [...document.querySelectorAll("main *")].filter(each => each.checkVisibility() &&
                    [...each.childNodes].some(child => child.nodeType === Node.TEXT_NODE && child.data.trim()));
                const size = each => parseFloat(getComputedStyle(each).fontSize);
                const others = seen.filter(each => !each.closest(".words"));
                return [size(document.querySelector(".words")), Math.max(...others.map(size))];
            }"""
        )
        assert sizes[0] > sizes[1] > 0
        press_in_menu(page, "Clear")
        expect(answers(page)).to_have_count(0)
        expect(question_box(page)).to_be_focused()
        expect(question_box(page)).to_be_in_viewport(ratio=1)
        expect(page.locator("#starters button.suggestion").first).to_be_in_viewport(ratio=1)


def test_what_is_known_is_not_said_again(browser: Browser, alone: str, dozen: str) -> None:
    """The title is not under the quotations of the only article, and once where several are of one; a copy has it."""
    for address, count in ((alone, 0), (dozen, 1)):
        with chatting(browser, address, permissions=["clipboard-read", "clipboard-write"]) as page:
            ask(page, "Written?")
            answers(page).get_by_text("1 more quotation").click()
            shown = answers(page).inner_text()
            assert shown.count(FIRST.article.title) == count
            answers(page).get_by_role("button", name=re.compile("^Copy ?,")).click()
            status(page, re.compile("copied"))
            assert page.evaluate("navigator.clipboard.readText()").count(FIRST.article.title) == 2


def test_nothing_is_said_of_the_article_where_there_are_several(browser: Browser, dozen: str) -> None:
    """In no state does the page speak of one article when all were searched, or promise what it may not do."""
    with chatting(browser, dozen, may_fail=True) as page:
        expect(page.locator("#starters button")).to_have_count(len(STARTERS))

        def says() -> list[str]:
            words: str = page.locator("#conversation").evaluate(
                """conversation => {
                    const copy = conversation.cloneNode(true);
                    for (const other of copy.querySelectorAll("blockquote, .links")) other.remove();
                    return copy.textContent;
                }"""
            )
            return re.findall(r".{30}(?:\b[Tt]he article\b|a written answer after).{30}", words)

        assert says() == []
        for question in SCRIPT:
            ask(page, question)
            assert says() == [], question
        send(page, "Endless?")
        expect(page.locator("#stop")).to_be_visible()
        assert says() == []
        page.locator("#stop").click()
        expect(page.locator("#send")).to_be_visible()
        assert says() == []
        send(page, "?")
        expect(page.locator("#send")).to_be_visible()
        assert says() == []


# How the page is set: one sentence and one box, one line of what can be done, one size of small print


@SCREENS
def test_the_first_screen_is_a_sentence_a_box_and_questions(
    browser: Browser, alone: str, screen: dict[str, Any]
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
def test_what_can_be_done_is_one_line(browser: Browser, dozen: str, screen: dict[str, Any]) -> None:
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


def test_the_small_print_has_one_size(browser: Browser, dozen: str) -> None:
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
def test_the_picker_is_as_wide_as_what_is_under_it(browser: Browser, dozen: str, screen: dict[str, Any]) -> None:
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


def test_the_list_can_be_searched(browser: Browser, dozen: str) -> None:
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


def test_a_list_that_can_be_searched_has_no_barrier(browser: Browser, dozen: str) -> None:
    """Beside the chat and on a page of its own, in light and in dark, on a narrow phone."""
    with chatting(browser, dozen) as page:
        assert barriers(page, 320) == []
        page.goto(f"{dozen}/articles")
        assert barriers(page, 320) == []


def test_the_list_can_be_searched_without_a_script(browser: Browser, dozen: str) -> None:
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
def test_a_report_leaves_its_answer_in_sight(browser: Browser, dozen: str, screen: dict[str, Any]) -> None:
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
