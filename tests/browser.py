"""What the tests of pages share: Debian's Chromium, which starts nothing and asks nobody on its own."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Locator, Page, Request, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
NOT_NEEDED = (
    *("AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose"),
    *("HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay", "MediaRouter", "NetworkTimeServiceQuerying"),
    *("OptimizationHints", "PaintHolding", "PreconnectToSearch", "ThirdPartyStoragePartitioning"),
    *("AimEnabled", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup", "WebUIOmniboxPopup"),
)
"""What Playwright switches off, since the last list counts, and the pages that a window loads for its address bar."""
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(NOT_NEEDED)}",
]
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium."""
    with sync_playwright() as playwright:
        expect.set_options(timeout=30_000)  # The machine may be busy.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def visiting(browser: Browser, url: str, *, may_fail: bool = False, **options: Any) -> Iterator[Page]:  # noqa: ANN401
    """Open a page as a new visitor, for whom nothing scrolls smoothly; the options are those of a browser context.

    The test fails when anything asks another host, or, unless it may fail, reports an error on the console.
    """
    host = re.sub(r"(?<=\d)/.*", "", url)
    elsewhere: list[str] = []
    errors: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith((host, "data:", "blob:")):
            elsewhere.append(request.url)

    with closing(browser.new_context(**{"reduced_motion": "reduce"} | options)) as context:
        context.on("request", note)
        context.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        page = context.new_page()
        page.goto(url)
        yield page
        assert elsewhere == [], elsewhere
        assert may_fail or errors == [], errors


@contextmanager
def chatting(browser: Browser, address: str, *, may_fail: bool = False, **options: Any) -> Iterator[Page]:  # noqa: ANN401
    """Open the chat as a new visitor, and wait until it can be used."""
    with visiting(browser, address, may_fail=may_fail, **options) as page:
        wait_for_greeting(page)
        yield page


def wait_for_greeting(page: Page) -> None:
    """Wait until the server has greeted, so that the page is connected."""
    expect(page.locator("#status p")).to_have_text(re.compile("^(?!Connecting)."))


def question_box(page: Page) -> Locator:
    """Return the box."""
    return page.get_by_label("Your question")


def answers(page: Page) -> Locator:
    """Return the answers in the window."""
    return page.get_by_test_id("bot")


def send(page: Page, question: str) -> None:
    """Type a question and press Enter."""
    question_box(page).fill(question)
    question_box(page).press("Enter")


def finish(page: Page, count: int = 1) -> None:
    """Wait until so many answers are in the window and the last one is complete."""
    expect(answers(page)).to_have_count(count)
    expect(page.locator("#send")).to_be_visible()
    expect(page.locator("#status p")).not_to_have_text(re.compile("^(Reading|Ready|Waiting)"))


def ask(page: Page, *questions: str) -> None:
    """Ask each of them, and wait for its end."""
    for number, question in enumerate(questions, start=answers(page).count() + 1):
        send(page, question)
        finish(page, number)


def press_in_menu(page: Page, name: str, number: int = -1) -> None:
    """Open the menu under an answer, by its place the last one, and press a button in it."""
    answers(page).nth(number).locator(".menu summary").click()
    answers(page).nth(number).locator(".menu").get_by_role("button", name=name).click()


def box_of(element: Locator) -> tuple[float, float, float, float]:
    """Return its left, top, right and bottom edge."""
    box = element.bounding_box()
    assert box, element
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def at_rest(page: Page) -> None:
    """Wait until the page has been drawn ten times in the same place."""
    page.evaluate(
        """() => new Promise(done => {
            let [same, before] = [0, ""];
            const look = () => {
                const pane = document.querySelector("#reading")?.scrollTop;
                const place = [scrollY, document.documentElement.scrollHeight, pane].join();
                same = place === before ? same + 1 : 0;
                before = place;
                if (same < 10) requestAnimationFrame(look);
                else done();
            };
            look();
        })"""
    )


def status(page: Page, words: str | re.Pattern[str]) -> None:
    """Expect the line above the box to say this."""
    expect(page.locator("#status p")).to_have_text(words)


COLOUR_RULES = ("color-contrast", "link-in-text-block")
"""What axe finds anew where nothing but the colours of a page has changed."""


def problems(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """Return what axe finds wrong with the page as it is, of any level and by these rules or any, and where."""
    if not page.evaluate("'axe' in window"):  # It is half a megabyte, and `Axe().run` would load it each time.
        page.evaluate(AXE_SCRIPT)
    options: dict[str, Any] = {"resultTypes": ["violations"]} | ({"runOnly": [*rules]} if rules else {})
    violations = page.evaluate("options => axe.run(options).then(found => found.violations)", options)
    return [f"{each['id']}: {node['target']} {node['html'][:200]}" for each in violations for node in each["nodes"]]


UNFOLDED = """document.querySelectorAll('details').forEach(details => { details.open = true; });
    // Parts out of view are not drawn.
    document.querySelectorAll('.question').forEach(part => { part.style.contentVisibility = 'visible'; });"""


def barriers(page: Page, *widths: int) -> list[str]:
    """Return what axe finds in light and in dark, and on screens of which of these widths something is cut."""
    page.emulate_media(color_scheme="light")
    found = problems(page)
    page.emulate_media(color_scheme="dark")
    found += problems(page, COLOUR_RULES)
    for width in widths:
        page.set_viewport_size({"width": width, "height": 800})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"wider than {width} px")
    return found
