"""What the chat is to a reader with a keyboard, a screen reader, weak eyes or colours of their own.

The tree of a screen reader is Chromium's own, asked for through its debugging protocol. How the keyboard walks through
a whole conversation is in `test_page_bars.py`.
"""

import io
import re
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
from browser import (
    COLOUR_RULES,
    DESKTOP,
    answers,
    ask,
    chatting,
    finish,
    needs_chromium,
    press_in_menu,
    problems,
    question_box,
    send,
    status,
    visiting,
)
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from served import (
    ARTICLE,
    BOTH,
    DECLINED,
    FERRY,
    OTHER_CITATION,
    QUOTE,
    QUOTED,
    TOO_LONG,
    WRITTEN,
    ScriptedAssistant,
)

from assistant.rendering import MORE
from assistant.settings import Settings
from assistant.types import Article
from assistant.web.chat.exchanges import STOPPED
from assistant.web.chat.feedback_form import GONE
from assistant.web.chat.feedback_form import TOO_LONG as COMMENT_TOO_LONG
from assistant.web.service import NOT_SAVED, THANKS
from assistant.web.storage.feedback import MAX_COMMENT_CHARACTERS, question_lines

pytestmark = needs_chromium

COLOURS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "forced_colors": "none"},
    "dark": {"color_scheme": "dark", "forced_colors": "none"},
    "forced": {"color_scheme": "light", "forced_colors": "active"},
}
WITH_MORE = replace(QUOTED, more=(OTHER_CITATION,))
CONTRAST = 3.0
"""What the guidelines ask between a control, or the focus, and what is beside it (1.4.11)."""


@pytest.fixture(scope="module")
def assistant() -> ScriptedAssistant:
    """Return the assistant behind the server, with several articles, so that there is a picker."""
    news = "The harbour of the town was closed on Monday after a storm."
    text = f"Rain fell all day. {news} {'Rain fell, and it was cold. ' * 9}".strip()
    return ScriptedAssistant(ARTICLE, FERRY, Article("harbour", text, "A harbour closed"))


def scripted(page: Page, assistant: ScriptedAssistant, question: str, *steps: Any) -> None:  # noqa: ANN401
    """Ask a question that is answered by these steps, and wait for the end."""
    assistant.script[question] = list(steps) or [WRITTEN]
    ask(page, question)


def open_report(page: Page, number: int = 1) -> Locator:
    """Press "Not helpful" under an answer and return the form."""
    answers(page).nth(number - 1).get_by_role("button", name=re.compile("^Not helpful")).click()
    report = page.locator("#report")
    expect(report.get_by_role("radio", name="Not helpful")).to_be_focused()
    expect(report.get_by_label("Something else")).to_be_visible()
    return report


# Seen


SEEN = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
        return [red, green, blue, alpha / 255];
    };
    const over = ([...front], back) => back.map((each, place) => front[place] * front[3] + each * (1 - front[3]));
    const ground = (element) => {
        if (!element) return [255, 255, 255];
        const own = rgba(getComputedStyle(element).backgroundColor);
        return own[3] === 1 ? own.slice(0, 3) : over(own, ground(element.parentElement));
    };
    const luminance = (colour) => {
        const [red, green, blue] = colour.map((each) => each / 255)
            .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const contrast = (one, other) => {
        const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
        return (light + 0.05) / (dark + 0.05);
    };
    const against = (colour, element) => contrast(over(rgba(colour), ground(element)), ground(element));
    // A picker has its border, and the outline of the focus, around the field.
    const frame = (element) => (element.matches("#picker input") ? element.closest(".wrap") : element);
    const called = (element) => element.outerHTML.replace(/<!-+>/g, "").slice(0, 120);

    // Colours that are on their way are where they are going.
    const settle = () => document.getAnimations().forEach((each) => each instanceof CSSTransition && each.finish());

    // An outline, of two pixels and not cut off by what it stands in, that differs from all that it touches.
    window.focusProblem = () => {
        settle();
        const element = frame(document.activeElement);
        const style = getComputedStyle(element);
        const width = parseFloat(style.outlineWidth);
        const offset = parseFloat(style.outlineOffset);
        if (["none", "hidden"].includes(style.outlineStyle) || width < 2) return `no outline: ${called(element)}`;
        const beside = offset < 0 ? [element, element.parentElement] : [element.parentElement];
        const least = Math.min(...beside.map((each) => against(style.outlineColor, each)));
        if (least < CONTRAST) return `${least.toFixed(2)}: ${called(element)}`;
        const reach = Math.max(0, offset + width) - 0.5;
        for (const place of element.getClientRects()) {
            for (let each = element.parentElement; each && each !== document.body; each = each.parentElement) {
                const { overflowX, overflowY } = getComputedStyle(each);
                const scrolls = each.scrollHeight > each.clientHeight + 1 && overflowY !== "hidden";
                if ((overflowX === "visible" && overflowY === "visible") || scrolls) continue;
                const edge = each.getBoundingClientRect();
                const isCut = place.left - reach < edge.left || place.right + reach > edge.right
                    || place.top - reach < edge.top || place.bottom + reach > edge.bottom;
                if (isCut) return `cut by ${called(each)}: ${called(element)}`;
            }
        }
        return "";
    };

    // A border or a ground that differs from what is around it. What has neither is words, and looks like them;
    // what the system draws has its own.
    window.controlProblems = () => settle() ?? [...document.querySelectorAll("input, textarea, select, button")]
        .filter((each) => each.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
        .filter((each) => !(/radio|checkbox/.test(each.type) && getComputedStyle(each).appearance === "auto"))
        .map(frame).flatMap((each) => {
            const style = getComputedStyle(each);
            const border = parseFloat(style.borderTopWidth) ? rgba(style.borderTopColor) : [0, 0, 0, 0];
            const fill = rgba(style.backgroundColor);
            if (!border[3] && !fill[3]) return [];
            const around = ground(each.parentElement);
            const best = Math.max(contrast(over(border, around), around), contrast(over(fill, around), around));
            return best < CONTRAST ? [`${best.toFixed(2)}: ${called(each)}`] : [];
        });
}""".replace("CONTRAST", str(CONTRAST))


def recolour(page: Page, colours: str) -> None:
    """Give the page these colours, as the system would, and wait until they are there."""
    page.emulate_media(**COLOURS[colours])
    page.evaluate(
        """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
            for (const each of document.getAnimations()) if (each instanceof CSSTransition) each.finish();
            done();
        })))"""
    )


def focus_problems(page: Page) -> dict[str, list[str]]:
    """Return what is wrong with how the focus is seen, in all colours, at each stop of the Tab key around the page."""
    page.evaluate("window.stops = []")
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("stops.includes(document.activeElement) || !stops.push(document.activeElement)"):
            break
    # Between the last stop and the first one the focus leaves the page.
    assert page.evaluate("stops.filter(stop => stop === document.body).length") <= 1, "the focus is lost on the way"
    page.evaluate("stops = stops.filter(stop => stop !== document.body && stop.isConnected)")
    assert 3 <= page.evaluate("stops.length") < 200
    found: dict[str, list[str]] = {}
    for colours in reversed(COLOURS):  # It has the last of them already.
        recolour(page, colours)
        found[colours] = page.evaluate("stops.map(stop => (stop.focus(), focusProblem())).filter(Boolean)")
    return found


def barriers(page: Page) -> Iterator[tuple[str, list[str]]]:
    """Yield what is wrong with the page as it is, by the colours in which it is."""
    page.evaluate(SEEN)
    for colours in COLOURS:
        recolour(page, colours)
        # What does not hang on colours is the same in all.
        found = problems(page) if colours == "light" else problems(page, COLOUR_RULES)
        yield colours, found + page.evaluate("controlProblems()")
    yield from focus_problems(page).items()


def converse(page: Page, assistant: ScriptedAssistant) -> Iterator[str]:
    """Bring the page into every state of a conversation; yield the name of each that has what no later one has."""
    go_on = threading.Event()
    assistant.script |= {
        "x" * 501: [TOO_LONG],
        "Seen?": [replace(QUOTED, final=False), go_on, BOTH],
        "More?": [WITH_MORE],
        "Not seen?": [DECLINED],
        "Broken?": [RuntimeError("x")],
        "Endless?": [threading.Event()],
    }
    yield "greeted"
    send(page, "x" * 501)
    status(page, re.compile("Please keep it shorter"))
    yield "too long"
    send(page, "Seen?")
    expect(page.locator("#stop")).to_be_visible()
    expect(answers(page)).to_contain_text(QUOTE)
    yield "reading"
    go_on.set()
    finish(page)
    cite = answers(page).locator(".words a.cite").last
    cite.focus()
    expect(page.get_by_role("tooltip")).to_be_visible()
    yield "previewed"
    cite.click()
    expect(page.locator("#reading mark.current")).to_be_focused()
    answers(page).get_by_text("1 more quotation").click()
    yield "cited"
    report = open_report(page)
    report.get_by_label("Anything else").fill("x" * (MAX_COMMENT_CHARACTERS + 1))
    report.get_by_role("button", name="Send the report").click()
    status(page, COMMENT_TOO_LONG.format(excess=1))
    yield "not sent"
    page.get_by_role("button", name="Edit the question").click()
    expect(page.get_by_role("button", name="Keep the answer")).to_be_visible()
    yield "edited"
    page.get_by_role("button", name="Keep the answer").click()
    expect(page.get_by_role("button", name="Keep the answer")).to_be_hidden()
    ask(page, "More?")
    answers(page).last.get_by_text(MORE).click()
    yield "with more"
    ask(page, "Not seen?")
    ask(page, "Broken?")
    yield "failed"
    send(page, "Endless?")
    page.get_by_role("button", name="Stop").click()
    status(page, STOPPED)
    answers(page).last.locator(".menu summary").click()
    expect(page.get_by_role("button", name="Clear")).to_be_visible()
    yield "stopped, with the menu open"
    press_in_menu(page, "Clear")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    yield "cleared"
    page.get_by_role("button", name="Undo").click()
    expect(answers(page).last).to_contain_text(STOPPED)


def choose(page: Page, assistant: ScriptedAssistant) -> Iterator[str]:
    """Go on with one article of several."""
    assistant.script["Of the ferry?"] = [DECLINED]
    picker = page.get_by_label("Answer from")
    picker.press("ArrowDown")
    expect(page.get_by_role("option").first).to_be_visible()
    page.wait_for_function(
        "find => !document.querySelector(find).getAnimations({ subtree: true }).length", arg="#picker"
    )
    yield "picked from"
    picker.fill("ferry")
    picker.press("Enter")
    expect(page.locator("#article h2")).to_have_text("A ferry")
    ask(page, "Of the ferry?")
    yield "declined by one of several"


def walk(browser: Browser, address: str, assistant: ScriptedAssistant) -> Generator[tuple[str, Page]]:
    """Yield the page in every state of the chat, each with its name, and then the plain pages."""
    with chatting(browser, address, **DESKTOP) as page:
        for state in chain(converse(page, assistant), choose(page, assistant)):
            yield state, page
    with visiting(browser, f"{address}/about") as page:
        cited = "article/a-story?start=31&end=77&answering=66-76"
        for path in ("about", "articles", cited, "article/harbour", "api/docs"):
            page.goto(f"{address}/{path}")
            expect(page.locator(".brief")).to_have_count(int(path == "article/harbour"))
            yield path, page
    with visiting(browser, f"{address}/article/none", may_fail=True) as page:
        yield "no such article", page


def test_no_state_of_a_page_has_a_barrier(browser: Browser, address: str, assistant: ScriptedAssistant) -> None:
    """In all states and colours axe finds nothing, the focus is seen at every stop, and each control has an edge."""
    with closing(walk(browser, address, assistant)) as states:
        found = [(state, colours, each) for state, page in states for colours, each in barriers(page) if each]
    assert found == []


def test_the_colours_are_those_of_the_system(page: Page) -> None:
    """Light or dark, also where the system changes its mind."""
    for scheme in ("light", "dark", "light"):
        recolour(page, scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", colour)[:3])) > 384) == (scheme == "light")


def contrast_of_change(before: bytes, after: bytes) -> float:
    """Return the highest contrast that a pixel has with what it was."""
    pictures = [Image.open(io.BytesIO(each)).convert("RGB") for each in (before, after)]
    pixels = zip(*(picture.get_flattened_data() for picture in pictures), strict=True)
    return max(_contrast(_luminance(one), _luminance(other)) for one, other in pixels)


def _luminance(colour: tuple[int, int, int]) -> float:
    shares = (each / 255 for each in colour)
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_what_is_checked_looks_checked(page: Page, assistant: ScriptedAssistant) -> None:
    """A box and a radio button differ from themselves by 3:1, also where the system forces its colours on the page."""
    page.set_viewport_size({"width": 1280, "height": 1200})
    scripted(page, assistant, "Checked?")
    report = open_report(page)
    for colours in COLOURS:
        recolour(page, colours)
        for button in (report.get_by_role("radio", name="Helpful", exact=True), report.get_by_label("Something else")):
            before = still(page, button)
            button.check()
            assert contrast_of_change(before, still(page, button)) >= CONTRAST
            report.get_by_role("radio", name="Not helpful").check()
            report.get_by_label("Something else").uncheck()


def still(page: Page, button: Locator) -> bytes:
    """Return a picture of the button without the pointer or the focus on it."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    return button.screenshot(animations="disabled")


# With the keyboard


def test_the_newest_quotation_is_one_link_away_from_the_box(page: Page, assistant: ScriptedAssistant) -> None:
    """Shift+Tab reaches a link that leads to the newest quotation, or to the answer where there is none."""
    page.keyboard.press("Shift+Tab")
    link = page.get_by_role("link", name="Go to the newest answer")
    expect(link).to_have_count(0)
    for count, (answer, goal) in enumerate(
        ((WRITTEN, ".words a.cite"), (QUOTED, ".words a.cite"), (replace(DECLINED, closest=()), ".answer")), start=1
    ):
        scripted(page, assistant, f"Newest {count}?", answer)
        expect(question_box(page)).to_be_focused()
        page.keyboard.press("Shift+Tab")
        expect(link).to_be_focused()
        expect(link).to_be_in_viewport(ratio=1)
        page.keyboard.press("Enter")
        expect(answers(page).nth(count - 1).locator(goal).first).to_be_focused()
        expect(answers(page).nth(count - 1).locator(goal).first).to_be_in_viewport()


def test_escape_closes_the_report(page: Page, assistant: ScriptedAssistant) -> None:
    """From anywhere in the form, also of an answer that was drawn anew; the focus is back, and nothing is sent."""
    scripted(page, assistant, "Escape?")
    for meanwhile in ((), ("Meanwhile?",)):
        report = open_report(page)
        for question in meanwhile:
            scripted(page, assistant, question)
        report.get_by_label("Anything else").fill("Nothing.")
        page.keyboard.press("Escape")
        expect(report).to_be_hidden()
        expect(answers(page).nth(0).locator("button[name=unhelpful]")).to_be_focused()


def test_the_arrow_keys_move_within_a_group(page: Page, assistant: ScriptedAssistant) -> None:
    """The radio buttons are one stop of the Tab key, the arrows choose, and the page knows what was chosen."""
    scripted(page, assistant, "Arrows?")
    report = open_report(page)
    expect(report.get_by_label("It is wrong")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(report.get_by_role("radio", name="Helpful", exact=True)).to_be_focused()
    expect(report.get_by_role("radio", name="Helpful", exact=True)).to_be_checked()
    expect(report.get_by_role("radio", name="Not helpful")).not_to_be_checked()
    expect(report.get_by_label("It is wrong")).to_have_count(0)
    page.keyboard.press("Tab")
    expect(report.get_by_label("Anything else")).to_be_focused()


def test_the_picker_hands_the_focus_to_the_article(page: Page) -> None:
    """Enter chooses an article and closes the list; the focus is on the article, one step away from the picker."""
    picker = page.get_by_label("Answer from")
    picker.focus()
    for title in ("A ferry", "A story"):
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type(title)
        expect(page.get_by_role("option")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(page.locator("#article h2")).to_contain_text(title)
        expect(page.get_by_role("region", name="Article")).to_be_focused()
        expect(page.get_by_role("option")).to_have_count(0)
        page.keyboard.press("Tab")
        expect(picker).to_be_focused()


# With a screen reader


def tree(page: Page) -> list[dict[str, Any]]:
    """Return what a screen reader is given, in the order in which it is read: role, name, description and so on."""
    session = page.context.new_cdp_session(page)
    by_id = {node["nodeId"]: node for node in session.send("Accessibility.getFullAXTree")["nodes"]}
    session.detach()
    nodes, waiting = [], [next(iter(by_id))]
    while waiting:
        nodes.append(by_id[waiting.pop()])
        waiting += reversed([each for each in nodes[-1].get("childIds", ()) if each in by_id])
    return [
        {key: node.get(key, {}).get("value", "") for key in ("role", "name", "description")}
        | {each["name"]: each["value"]["value"] for each in node.get("properties", ()) if "value" in each["value"]}
        | {"node": node.get("backendDOMNodeId")}
        for node in nodes
        if not node["ignored"]
    ]


def test_everything_that_groups_or_acts_has_a_name(page: Page, assistant: ScriptedAssistant) -> None:
    """Questions and form are headings; they, groups and controls say in words what they are."""
    scripted(page, assistant, "Named?")
    scripted(page, assistant, "Named too?")
    open_report(page, 2)
    headings = [(node["level"], node["name"]) for node in tree(page) if node["role"] == "heading"]
    assert headings[:4] == [
        (1, "Article assistant"),
        (2, "You asked: Named?"),
        (2, "You asked: Named too?"),
        (2, "Report on the answer to “Named too?”"),
    ]
    assert [level for level, _ in headings[4:]] == [2], "the article"
    named = [node for node in tree(page) if node["role"] in ("form", "group", "radiogroup")]
    assert [(node["role"], node["name"]) for node in named] == [
        ("group", "More"),
        ("form", "Report on the answer to “Named too?”"),
        ("group", "The answer was"),
        ("group", "What is wrong with it?"),
    ]
    controls = [node for node in tree(page) if node.get("focusable") and node["role"] not in ("RootWebArea", "generic")]
    assert len(controls) > 20
    assert [node for node in controls if not node["name"] and node["role"] != "mark"] == []
    assert [node["description"] for node in tree(page) if "_" in node["name"] + node["description"]] == []


LISTEN = """function () {
    window.heard ??= [];
    const hear = () => heard.push(this.innerText.trim());
    new MutationObserver(hear).observe(this, { childList: true, subtree: true, characterData: true });
}"""


@contextmanager
def listening(page: Page) -> Iterator[Callable[[], list[str]]]:
    """Yield what returns the words that a screen reader said on its own, because they changed in a live region."""
    regions = {node["node"] for node in tree(page) if node.get("live", "off") != "off"}
    session = page.context.new_cdp_session(page)
    for region in regions:
        found = session.send("DOM.resolveNode", {"backendNodeId": region})["object"]
        session.send("Runtime.callFunctionOn", {"objectId": found["objectId"], "functionDeclaration": LISTEN})

    def heard() -> list[str]:
        said: list[str] = page.evaluate("window.heard")
        return [words for words in said if words]

    yield heard
    assert {node["node"] for node in tree(page) if node.get("live", "off") != "off"} == regions, "others speak as well"


def test_an_answer_is_read_out_once(page: Page, assistant: ScriptedAssistant) -> None:
    """Its words alone, when it is complete: not the first ones, not the buttons, and not once more by the status."""
    go_on = threading.Event()
    page.clock.install()
    with listening(page) as heard:
        assistant.script["Once?"] = [replace(QUOTED, final=False), go_on, WRITTEN]
        send(page, "Once?")
        expect(answers(page)).to_contain_text(QUOTE)
        go_on.set()
        finish(page)
        expect(page.locator("#spoken")).not_to_have_text("")
        told = heard()
        assert sum("It fell by nearly 18 percent." in words for words in told) == 1
        assert sum("complete" in words for words in told) == 1
        assert not any(QUOTE in words or "Copy" in words or "Once?" in words for words in told)
    page.clock.fast_forward(10_000)
    # Whoever searches in the page finds the answer at its place alone.
    expect(page.locator("#spoken")).to_have_text("")
    scripted(page, assistant, "Once more?")
    expect(page.locator("#spoken")).to_contain_text("It fell by nearly 18 percent.")


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([DECLINED], "No answer to this question"),
        ([replace(QUOTED, final=False), RuntimeError("x")], "Something went wrong"),
    ],
    ids=["declined", "failed"],
)
def test_what_is_no_answer_is_said_once(page: Page, assistant: ScriptedAssistant, steps: list[Any], words: str) -> None:
    """The line above the box says it, and nothing else does."""
    with listening(page) as heard:
        scripted(page, assistant, f"No answer, {words}?", *steps)
        told = heard()
        assert sum(words in each for each in told) == 1
        assert not any(QUOTE in each or "Copy" in each for each in told)


# A report that is not saved


def fill_report(page: Page, comment: str) -> Locator:
    """Open the form and say why."""
    report = open_report(page)
    report.get_by_label("Something else").check()
    report.get_by_label("Anything else").fill(comment)
    report.get_by_role("button", name="Send the report").click()
    return report


def holds(report: Locator, comment: str) -> None:
    """Expect the form to be open, with what was said in it."""
    expect(report).to_be_visible()
    expect(report.get_by_label("Something else")).to_be_checked()
    expect(report.get_by_label("Anything else")).to_have_value(comment)


def test_a_report_that_is_not_saved_keeps_its_words(
    page: Page, assistant: ScriptedAssistant, settings: Settings
) -> None:
    """It is too long, and nothing is cut off, or cannot be saved; sent again, it is saved and closes."""
    scripted(page, assistant, "Kept?")
    report = fill_report(page, "x" * (MAX_COMMENT_CHARACTERS + 7))
    status(page, COMMENT_TOO_LONG.format(excess=7))
    holds(report, "x" * (MAX_COMMENT_CHARACTERS + 7))
    settings.feedback.mkdir()
    report.get_by_label("Anything else").fill("It was 15.")
    report.get_by_role("button", name="Send the report").click()
    status(page, NOT_SAVED)
    holds(report, "It was 15.")
    settings.feedback.rmdir()
    report.get_by_role("button", name="Send the report").click()
    status(page, THANKS)
    expect(report).to_be_hidden()
    assert [line["notes"].rpartition(": ")[2] for line in question_lines(settings.feedback)] == ["It was 15."]


def test_a_report_that_comes_too_late_keeps_its_words(page: Page, assistant: ScriptedAssistant) -> None:
    """Where the answer is gone, that is said."""
    scripted(page, assistant, "Late?")
    report = open_report(page)
    report.get_by_label("Something else").check()
    report.get_by_label("Anything else").fill("Short.")
    press_in_menu(page, "Clear")
    expect(answers(page)).to_have_count(0)
    report.get_by_role("button", name="Send the report").click()
    status(page, GONE)
    holds(report, "Short.")
