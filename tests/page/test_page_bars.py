"""What the pages must hold for everyone: all in reach, no way in for markup, no dead end when the network fails.

What else may go wrong, and what holds it, is listed in `test_faults.py`.
"""

import re
import socket
import threading
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest
from browser import answers, ask, at_rest, chatting, finish, needs_chromium, question_box, send, status, visiting
from parts import told
from playwright.sync_api import Browser, Page, expect
from served import ALIVE, ARTICLE, OPEN, PAYLOADS, QUOTE, QUOTED, WRITTEN, ScriptedAssistant, serving

from assistant.types import Answer, Citation, Outcome
from assistant.web.chat.layout import OFFLINE
from assistant.web.chat.page import BACK
from assistant.web.service import THANKS

pytestmark = needs_chromium

MAX_BYTES = 1_000_000


# With the keyboard, and enlarged


def focused(page: Page) -> str:
    """Return what has the focus, as a reader would call it."""
    words: str = page.evaluate("document.activeElement.id || document.activeElement.innerText || ''")
    return words


def tab_to(page: Page, selector: str, most: int = 60) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached with the Tab key; the focus is at {focused(page)!r}")


def test_everything_can_be_done_with_the_keyboard(browser: Browser, address: str, assistant: ScriptedAssistant) -> None:
    """Ask, reach the citation, jump to the words, return, report: without a pointer."""
    assistant.script["By keyboard?"] = [WRITTEN]
    with chatting(browser, address) as page:
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to the question box"
        page.keyboard.press("Enter")
        expect(question_box(page)).to_be_focused()
        page.keyboard.type("By keyboard?")
        page.keyboard.press("Enter")
        finish(page)
        expect(question_box(page)).to_be_focused()
        page.keyboard.press("Home")
        page.evaluate("document.querySelector('.skip a').focus()")
        tab_to(page, ".words a.cite")
        page.keyboard.press("Enter")
        expect(page.locator("#reading mark.current")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Back to the answer")).to_be_focused()
        page.keyboard.press("Enter")
        expect(answers(page).locator(".words a.cite")).to_be_focused()
        tab_to(page, "button[name=unhelpful]")
        page.keyboard.press("Enter")
        expect(page.get_by_role("radio", name="Not helpful")).to_be_focused()
        tab_to(page, "#report input[type=checkbox]")
        page.keyboard.press("Space")
        tab_to(page, "#report button.primary")
        page.keyboard.press("Enter")
        status(page, THANKS)
        expect(page.locator("button[name=unhelpful]")).to_be_focused()


@pytest.mark.parametrize(("width", "height"), [(320, 800), (320, 256)], ids=["320 pixels", "1280 by 1024 at 400 %"])
def test_nothing_is_cut_or_covered(
    browser: Browser, address: str, assistant: ScriptedAssistant, width: int, height: int
) -> None:
    """On a narrow screen or enlarged, nothing is wider than the screen, and no box lies over what has the focus."""
    assistant.script["W" * 400] = [replace(WRITTEN, parts=told(f"{'w' * 300} [1]", WRITTEN.citations))]
    with chatting(browser, address, viewport={"width": width, "height": height}) as page:
        ask(page, "W" * 400)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".answer").evaluate("answer => answer.scrollWidth <= answer.clientWidth")
        page.evaluate("document.querySelector('.skip a').focus()")
        for _ in range(12):
            page.keyboard.press("Tab")
            at_rest(page)
            is_covered = page.evaluate(
                """() => {
                    const focused = document.activeElement;
                    const place = focused.getClientRects()[0];
                    if (!place || focused.matches("body, #reading")) return "";
                    const on = document.elementFromPoint(place.left + place.width / 2, place.top + place.height / 2);
                    return on && (focused.contains(on) || on.contains(focused)) ? "" : focused.outerHTML;
                }"""
            )
            assert is_covered == ""


# No way in


def test_what_strangers_write_is_inert(browser: Browser, address: str, assistant: ScriptedAssistant) -> None:
    """Markup in a question and in what a model wrote is text: no element, no script, no request."""
    whole = Citation(1, ARTICLE, 0, len(ARTICLE.text))
    with chatting(browser, address) as page:
        for number, payload in enumerate(PAYLOADS, start=1):
            assistant.script[f"q {payload}"] = [Answer("", Outcome.WRITTEN, told(f"{payload} [1]", (whole,)))]
            ask(page, f"q {payload}")
            shown = answers(page).nth(number - 1).locator(".words").inner_text()
            assert "".join(payload.split()) in "".join(shown.split())
        for part in ("bot", "user"):
            alive = page.get_by_test_id(part).locator(f":is({ALIVE}):not(button.action, button.suggestion)")
            expect(alive).to_have_count(0)
        links = answers(page).locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
        assert all(
            re.fullmatch(r"/article/a-story\?version=[0-9a-f]{16}&start=0&end=\d+#quote", link) for link in links
        )
        assert page.evaluate("window.attacked") is None


def test_what_an_article_says_is_inert(browser: Browser, address: str) -> None:
    """Markup in an article's text, title and source is text, beside the chat and on the article's own page."""
    with chatting(browser, address) as page:
        for place in ("#reading", "main"):
            expect(page.locator(place)).to_contain_text(ARTICLE.title)
            alive = page.locator(place).locator(f":is({ALIVE}, a[href*=evil], a[href*=javascript])")
            inside = alive.and_(page.locator("#article *, main > section *"))
            expect(inside).to_have_count(0)
            words = "".join(page.locator(place).inner_text().split())
            assert [payload for payload in PAYLOADS if "".join(payload.split()) not in words] == []
            assert page.evaluate("window.attacked") is None
            page.goto(f"{address}/article/a-story")
        assert page.title() == ARTICLE.title


def test_a_first_visit_is_light(browser: Browser, address: str) -> None:
    """All that is loaded until the chat can be used is at most a megabyte on the wire."""
    with visiting(browser, f"{address}/about") as page:
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        sizes: list[float] = []
        network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        page.goto(address)
        expect(page.locator("#status p")).to_contain_text("still loading")
        assert 100_000 < sum(sizes) <= MAX_BYTES


# On paper


def test_a_conversation_can_be_printed(browser: Browser, address: str, assistant: ScriptedAssistant) -> None:
    """Question, answer, quotation and the whole article are on the paper; what can only be clicked is not.

    Every menu and quotation is open there, and afterwards those that were.
    """
    assistant.script["On paper?"] = [WRITTEN]
    with chatting(browser, address, viewport={"width": 1280, "height": 400}) as page:
        ask(page, "On paper?")
        opened = page.locator("#window details[open]")
        before, folded = opened.count(), page.locator("#window details:not([open])")
        assert folded.count() > 0
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        expect(folded).to_have_count(0)
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        expect(opened).to_have_count(before)
        page.emulate_media(media="print")
        for words in ("On paper?", "It fell by nearly 18 percent.", QUOTE, PAYLOADS[-1]):
            expect(page.get_by_text(words).last).to_be_visible()
        expect(question_box(page)).not_to_be_visible()
        expect(page.get_by_role("button", name="Edit the question")).not_to_be_visible()
        # A pane that scrolls would be cut on paper.
        cut = page.evaluate(
            """[...document.querySelectorAll("#panes, #conversation, #reading, #window, #window *")].filter(
                each => !each.matches(".hidden") && each.scrollHeight > each.clientHeight + 2 &&
                    ["auto", "scroll", "hidden"].includes(getComputedStyle(each).overflowY) && each.clientHeight > 0
            ).map(each => each.outerHTML.slice(0, 100))"""
        )
        assert cut == []


# No dead end


@pytest.mark.parametrize("is_asked_before", [True, False], ids=["while it is answered", "before it is sent"])
def test_a_lost_connection_keeps_the_question(browser: Browser, *, is_asked_before: bool) -> None:
    """The reader is told; when the server is back the page loads itself again, with the question in the box."""
    assistant = ScriptedAssistant(ARTICLE)
    assistant.script |= {"Lost?": [threading.Event()], "And then?": [WRITTEN]}
    with ExitStack() as stack:
        listener = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        port = listener.getsockname()[1]
        with serving(assistant, OPEN, listener) as server:
            page = stack.enter_context(chatting(browser, f"http://127.0.0.1:{port}", may_fail=True))
            if is_asked_before:
                send(page, "Lost?")
                expect(answers(page)).to_contain_text(QUOTE)
            server.force_exit = True
        if not is_asked_before:
            send(page, "Lost?")
        expect(page.get_by_role("alert").filter(has_text="The connection is lost. Your")).to_be_visible()
        expect(question_box(page)).to_have_value("Lost?")
        expect(page.locator("#status")).to_be_hidden()  # It says what was so before.
        again = stack.enter_context(closing(socket.create_server(("127.0.0.1", port))))
        stack.enter_context(serving(assistant, OPEN, again))
        status(page, "The answer was interrupted. Your question is in the box again.")
        expect(question_box(page)).to_have_value("Lost?")
        send(page, "And then?")
        finish(page)


def test_a_device_that_is_offline_is_told_so(browser: Browser, address: str, assistant: ScriptedAssistant) -> None:
    """The line above the box says it while it is so, and then what it said before; an answer on its way is found."""
    go_on = threading.Event()
    assistant.script |= {"Before?": [WRITTEN], "On its way?": [replace(QUOTED, final=False), go_on, WRITTEN]}
    # The page says on the console that its stream was cut.
    with chatting(browser, address, may_fail=True) as page:
        ask(page, "Before?")
        said = page.locator("#status p").inner_text()
        page.context.set_offline(True)
        status(page, OFFLINE)
        page.context.set_offline(False)
        status(page, said)
        send(page, "On its way?")
        expect(answers(page).nth(1)).to_contain_text(QUOTE)
        page.context.set_offline(True)
        status(page, OFFLINE)
        go_on.set()
        page.context.set_offline(False)
        finish(page, 2)
        expect(answers(page).nth(1)).to_contain_text("It fell by nearly 18 percent.")
        # It comes on the stream that was there before, where that outlived the moment, or by coming back.
        expect(page.locator("#status p")).to_have_text(re.compile(f"{re.escape(BACK)}|The answer is complete"))


def test_a_question_that_was_sent_offline_is_in_the_box_again(
    browser: Browser, address: str, assistant: ScriptedAssistant
) -> None:
    """However long the device is offline; the reader is told, and can send it at once."""
    assistant.script |= {"Before?": [WRITTEN], "Offline?": [WRITTEN]}
    with chatting(browser, address, may_fail=True) as page:
        ask(page, "Before?")
        page.context.set_offline(True)
        status(page, OFFLINE)
        send(page, "Offline?")
        expect(page.locator("#lost")).to_contain_text("The connection is lost. Your question is kept")
        page.context.set_offline(False)
        status(page, "The answer was interrupted. Your question is in the box again.")
        expect(question_box(page)).to_have_value("Offline?")
        expect(question_box(page)).to_be_focused()
        page.keyboard.press("Enter")
        finish(page, 2)


def test_a_network_that_holds_the_stream_back_is_noticed(
    browser: Browser, address: str, assistant: ScriptedAssistant
) -> None:
    """Where requests get through and answers do not, the reader is told instead of waiting for ever."""
    assistant.script["Held back?"] = [QUOTED]
    with visiting(browser, f"{address}/about", may_fail=True) as page:
        page.clock.install()
        page.goto(address)
        expect(page.locator("#status p")).to_contain_text("still loading")
        page.route("**/gradio_api/queue/data*", lambda route: None)
        send(page, "Held back?")
        page.clock.fast_forward(30_000)
        expect(page.locator("#lost")).to_contain_text("No answer gets through to you. Your question is kept.")
