"""The chat on a publisher's page: its button and panel, who may have it, and the words that light up in the page."""

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from browser import COLOUR_RULES, PHONE, answers, ask, needs_chromium, problems, question_box, send, wait_for_greeting
from parts import told
from playwright.sync_api import Browser, Error, Frame, Locator, Page, expect
from publisher import newspaper, publisher
from served import FERRY, OPEN, ScriptedAssistant, serving
from starlette.applications import Starlette

from assistant.settings import Settings
from assistant.types import Answer, Article, Citation, Outcome
from assistant.web.embedding.routes import with_embedding
from assistant.web.middleware import guarded
from assistant.web.server import refused, server_configuration
from assistant.web.service import Service
from assistant.web.starting import starting

pytestmark = needs_chromium

MOST_BYTES = 15_000
OTHER_SITE = "https://other.test"
PAGE = (
    "<!doctype html><html lang=en><title>A page</title><link rel=icon href='data:,'>"
    "<meta name=viewport content=width=device-width><main>{}</main>"
)


IMPORTANT = """body * { all: revert !important; position: static !important; display: block !important;
  color: lime !important; font-size: 40px !important; transform: rotate(3deg) !important;
  opacity: 0.1 !important; width: 9px !important; }"""


def cited(article: Article, words: str) -> Answer:
    """Return an answer that quotes these words."""
    start = article.text.index(words)
    citation = Citation(1, article, start, start + len(words))
    return Answer("", Outcome.WRITTEN, told("It is so. [1]", (citation,)))


@dataclass(frozen=True)
class Place:
    """Where things are."""

    assistant: str
    site: str
    """On the list."""
    stranger: str
    """The same pages on a site that is not."""
    raw: str
    """On the list too: pages without a policy, with frames of their own."""
    near: str
    """The same pages on a site that browsers take for the assistant's own: they have one host."""


LIT = "Arnold's office has assessed more than 200 cases since February"
ASKED = {"Lit?": LIT, "Elsewhere?": "The ferry leaves at nine."}


@pytest.fixture(scope="module")
def place(article: Article, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Serve the assistant, and the demonstration publisher with pages of more kinds."""
    assistant = ScriptedAssistant(article, FERRY)
    assistant.script |= {"Lit?": [cited(article, LIT)], "Elsewhere?": [cited(FERRY, ASKED["Elsewhere?"])]}
    folder = tmp_path_factory.mktemp("embedding")
    script = f'<script src="ASSISTANT/embed.js" data-article="{article.id}" async></script>'
    pages = newspaper() | {
        "/twice": PAGE.format(script * 2 + script.replace(article.id, "ferry") + f"<p>{LIT}"),
        "/important.css": IMPORTANT,
        "/important": PAGE.format(f'<link rel="stylesheet" href="/important.css"><p>{LIT}{script}'),
    }
    raw: dict[str, str] = {}
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with publisher(pages, address) as server, publisher(raw, address, policy="") as other:
            for each in (server, other):
                threading.Thread(target=each.serve_forever).start()
            local = f"http://localhost:{server.server_port}", f"http://localhost:{other.server_port}"
            near = f"http://127.0.0.1:{other.server_port}"
            sites = (*local, near, OTHER_SITE)
            frame = f"ASSISTANT/embed?article={article.id}&amp;site="
            framed = {
                "own": frame + sites[1],
                "other": frame + OTHER_SITE,
                "chat": "ASSISTANT/",
                "outer": f"{sites[0]}/",
            }
            raw |= {f"/{name}": PAGE.format(f'<iframe src="{url}"></iframe>') for name, url in framed.items()}
            raw["/twice"] = pages["/twice"]
            raw["/outmost"] = PAGE.format('<iframe src="/own"></iframe>')
            settings = replace(OPEN, articles=folder / "articles", data=folder, embed_sites=sites)
            with serving(assistant, settings, listener):
                yield Place(address, sites[0], f"http://127.0.0.1:{server.server_port}", sites[1], near)
            for each in (server, other):
                each.shutdown()


def _error(kind: str, text: str) -> list[str]:
    """Return what a console says, if it is an error; that a page's policy allows no icon is none."""
    return [text] if kind == "error" and "data:," not in text else []


@contextmanager
def reading(browser: Browser, url: str, allowed: str = "(?!)", **options: Any) -> Iterator[Page]:  # noqa: ANN401
    """Open a publisher's page as a new visitor; the test fails when its console has an error but the `allowed` ones."""
    errors: list[str] = []
    with closing(browser.new_context(**{"reduced_motion": "reduce"} | options)) as context:
        # The policy of the page allows no icon.
        context.on("console", lambda message: errors.extend(_error(message.type, message.text)))
        context.on("weberror", lambda error: errors.append(str(error.error)))
        page = context.new_page()
        page.goto(url)
        yield page
    assert [error for error in errors if not re.search(allowed, error)] == []


def opener(page: Page, number: int = 0) -> Locator:
    """Return a button that opens a panel."""
    return page.locator("article-assistant").nth(number).get_by_role("button", name="Ask about this article")


def frame_of(page: Page, number: int = 0) -> Frame:
    """Return the frame of an open panel, when the chat in it can be used."""
    element = page.locator("article-assistant").nth(number).locator("iframe").element_handle()
    frame = element.content_frame()
    assert frame
    wait_for_greeting(cast("Page", frame))
    return frame


def opened(page: Page, number: int = 0) -> Page:
    """Open a panel and return its chat, which is used as a page is."""
    opener(page, number).click()
    return cast("Page", frame_of(page, number))


def lit(page: Page) -> str:
    """Return the words that are lit up in the page."""
    words: str = page.evaluate("[...CSS.highlights.get('article-assistant') ?? []].join('')")
    return words


def cite(chat: Page) -> None:
    """Open the newest citation."""
    answers(chat).last.locator("a.cite").first.click()


def says(chat: Page, words: str) -> None:
    """Expect the line above the box to say this."""
    expect(chat.locator("#status p")).to_contain_text(words)


# The button and the panel


def test_the_keyboard_opens_and_closes(browser: Browser, place: Place) -> None:
    """Nothing is asked of the assistant before, nothing of the page moves, one can type at once and come back."""
    asked: list[str] = []
    with reading(browser, "about:blank") as page:
        page.on("request", lambda request: asked.append(request.url))
        page.goto(place.site)
        expect(opener(page)).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert [url for url in asked if url.startswith(place.assistant)] == [f"{place.assistant}/embed.js"]
        opener(page).focus()
        page.keyboard.press("Enter")
        chat = frame_of(page)
        expect(page.get_by_role("dialog", name="Ask about this article")).to_be_visible()
        expect(chat.locator("#question textarea")).to_be_focused()
        page.keyboard.type("Lit?")
        expect(chat.locator("#question textarea")).to_have_value("Lit?")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(opener(page)).to_be_focused()
        page.keyboard.press("Enter")
        expect(chat.locator("#question textarea")).to_have_value("Lit?")
        page.get_by_role("button", name="Close").click()
        expect(opener(page)).to_be_focused()
        moved = """new Promise(done => {
            new PerformanceObserver(list => done(list.getEntries())).observe({ type: "layout-shift", buffered: true });
            setTimeout(() => done([]), 300);
        })"""
        assert page.evaluate(moved) == []
        assert page.context.cookies() == []


def test_the_open_panel_is_accessible_on_the_narrowest_phone(browser: Browser, place: Place) -> None:
    """Neither the page nor the chat in its frame has anything that axe finds wrong, and nothing is cut off."""
    with reading(browser, place.site, **PHONE | {"viewport": {"width": 320, "height": 568}}) as page:
        chat = opened(page)
        ask(chat, "Lit?")
        assert (problems(page), problems(chat)) == ([], [])
        page.emulate_media(color_scheme="dark")
        assert (problems(page, COLOUR_RULES), problems(chat, COLOUR_RULES)) == ([], [])
        for each in (page, chat):
            assert each.evaluate("document.documentElement.scrollWidth <= innerWidth")
        expect(question_box(chat)).to_be_in_viewport(ratio=1)


def test_a_question_counts_for_its_site(browser: Browser, place: Place) -> None:
    """Where the chat stands is told with each question, for that site's budget."""
    with reading(browser, place.site) as page:
        ask(opened(page), "Lit?")
    counted = f'assistant_site_questions_total{{outcome="let in",site="{place.site}"}}'
    assert counted in httpx.get(f"{place.assistant}/metrics").text


def test_a_page_has_one_for_each_article(browser: Browser, place: Place) -> None:
    """The same article gets one button, another one a second that covers nothing."""
    with reading(browser, f"{place.site}/twice") as page:
        expect(page.locator("article-assistant")).to_have_count(2)
        first, second = (opener(page, number).bounding_box() for number in (0, 1))
        assert first
        assert second
        assert abs(first["y"] - second["y"]) >= first["height"]
        opened(page)
        page.keyboard.press("Escape")
        opened(page, 1)


def test_the_styles_of_the_page_do_not_reach_it(browser: Browser, place: Place) -> None:
    """However important the page says they are."""
    with reading(browser, place.site) as page, reading(browser, f"{place.site}/important") as important:
        looks = []
        for each in (page, important):
            box = opener(each).bounding_box()
            assert box
            style = (
                "each => ['color', 'fontSize', 'display', 'opacity', 'transform'].map(at => getComputedStyle(each)[at])"
            )
            looks.append((box["width"], box["height"], opener(each).evaluate(style)))
        assert looks[0] == looks[1]
        chat = opened(important)
        ask(chat, "Lit?")
        cite(chat)
        says(chat, "lit up")


def test_a_page_may_take_it_away(browser: Browser, place: Place) -> None:
    """In the middle of it; the page works on, and at most what is taken away says that it lost its connection."""
    with reading(browser, place.site, "Failed to fetch|errored out") as page:
        chat = opened(page)
        send(chat, "Lit?")
        page.evaluate("document.querySelector('article-assistant').remove()")
        page.get_by_role("link", name="Nation").click()
        expect(opener(page)).to_be_visible()


def test_it_looks_as_the_page_wants_it_to(browser: Browser, place: Place) -> None:
    """Colours and type follow the page's custom properties, in the frame too; what is no colour is left out."""
    with reading(browser, place.site) as page:
        page.evaluate(
            """Object.entries({ accent: "rgb(0, 80, 0)", "on-accent": "url(//evil.test/x)", font: "monospace" })
                .forEach(([name, value]) => document.documentElement.style.setProperty(`--assistant-${name}`, value))"""
        )
        chat = opened(page)
        for button in (opener(page), chat.locator("#send")):
            expect(button).to_have_css("background-color", "rgb(0, 80, 0)")
        expect(question_box(chat)).to_have_css("font-family", "monospace")


def test_a_conversation_needs_no_cookie_and_no_store(browser: Browser, place: Place) -> None:
    """Where a browser lets a frame keep nothing, it lasts as long as the page; else each article has its own again."""
    with reading(browser, place.site) as page:
        chat = opened(page)
        ask(chat, "Lit?", "Lit?")
        with pytest.raises(Error, match="Access is denied"):
            chat.evaluate("document.body.appendChild(document.createElement('iframe')).contentWindow.sessionStorage")
    with reading(browser, f"{place.near}/twice") as page:
        ask(opened(page), "Lit?")
        page.reload()
        expect(answers(opened(page))).to_have_count(1)
        page.keyboard.press("Escape")
        expect(answers(opened(page, 1))).to_have_count(0)


# Who may have it


def of_assistant(page: Page, place: Place) -> list[Frame]:
    """Return the frames that show anything of the assistant."""
    return [frame for frame in page.frames if frame.url.startswith(place.assistant) and frame.locator("body *").count()]


@contextmanager
def stranger(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """Yield a page whose console may say anything, and the addresses that it asks."""
    asked: list[str] = []
    with closing(browser.new_context()) as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        yield page, asked


def test_other_sites_have_nothing(browser: Browser, place: Place) -> None:
    """Neither the button, nor the chat in a frame of their own; nothing is asked but for the script."""
    with stranger(browser) as (page, asked):
        page.goto(place.stranger, wait_until="networkidle")
        assert page.locator("article-assistant").count() == 0
        assert [url for url in asked if url.startswith(place.assistant)] == [f"{place.assistant}/embed.js"]
        page.goto(f"{place.raw}/own", wait_until="networkidle")
        assert len(of_assistant(page, place)) == 1
        other = place.raw.replace("localhost", "stranger.localhost")
        for url in (f"{other}/own", f"{other}/other", f"{place.raw}/chat"):
            page.goto(url, wait_until="networkidle")
            assert of_assistant(page, place) == [], url


def test_a_frame_in_a_frame_has_nothing(browser: Browser, place: Place) -> None:
    """Also where all the sites are on the list: no button, no chat, no question."""
    with stranger(browser) as (page, asked):
        page.goto(f"{place.raw}/outer", wait_until="networkidle")
        assert page.frames[1].locator("article").count() == 1
        assert page.frames[1].locator("article-assistant").count() == 0
        page.goto(f"{place.raw}/outmost", wait_until="networkidle")
        assert of_assistant(page, place) == []
        assert [url for url in asked if "gradio_api" in url] == []


@pytest.mark.parametrize("name", ["own", "other"])
def test_forged_messages_do_nothing(browser: Browser, place: Place, name: str) -> None:
    """The frame hears the page that it was made for; neither itself, nor a page of another origin."""
    with closing(browser.new_context(reduced_motion="reduce")) as context:
        page = context.new_page()
        page.goto(f"{place.raw}/{name}")
        frame = page.frames[1]
        wait_for_greeting(cast("Page", frame))
        hello = {"assistant": "hello", "look": {"accent": "rgb(0, 80, 0)"}}
        frame.evaluate("hello => postMessage(hello, '*')", hello)
        page.wait_for_timeout(200)
        expect(frame.locator("#send")).not_to_have_css("background-color", "rgb(0, 80, 0)")
        page.evaluate("hello => frames[0].postMessage(hello, '*')", hello)
        page.wait_for_timeout(200)
        button = expect(frame.locator("#send"))
        heard = button.to_have_css if name == "own" else button.not_to_have_css
        heard("background-color", "rgb(0, 80, 0)")


def test_a_page_hears_nobody_but_its_frame(browser: Browser, place: Place) -> None:
    """A message of the same words from the page itself lights nothing, and closes nothing."""
    message = {"assistant": "cite", "number": 1, "quote": LIT, "before": "", "after": ""}
    with reading(browser, f"{place.near}/twice") as page:
        chat = opened(page)
        page.evaluate("message => postMessage(message, '*')", message)
        page.evaluate("postMessage({ assistant: 'close' }, '*')")
        page.wait_for_timeout(200)
        assert lit(page) == ""
        expect(page.get_by_role("dialog")).to_be_visible()
        chat.evaluate("message => parent.postMessage(message, '*')", message)
        page.wait_for_function("CSS.highlights.size > 0")
        assert lit(page) == LIT


def answer_of(settings: Settings, path: str) -> httpx.Response:
    """Return what is answered where nothing but the ferry can be asked about."""
    service = cast("Service", SimpleNamespace(settings=settings, articles={"ferry": FERRY}, unread=frozenset()))

    async def get() -> httpx.Response:
        app = guarded(with_embedding(Starlette(), service), refused)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.get(path)

    # Playwright has a loop of its own here.
    with ThreadPoolExecutor() as pool:
        return pool.submit(asyncio.run, get()).result()


@pytest.mark.parametrize("path", ["/embed?article=ferry", "/embed.js", "/embed/frame.js"])
def test_without_sites_there_is_nothing(path: str) -> None:
    """The operator who tries it reads why."""
    answer = answer_of(OPEN, path)
    assert answer.status_code == 404
    assert "its operator has listed none" in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_the_reader_of_a_withdrawn_article_is_told(place: Place) -> None:
    """In the frame; the chat would answer from other articles. The list is for the frame alone, not for other pages."""
    settings = replace(OPEN, embed_sites=("https://news.test",))
    answer = answer_of(settings, "/embed?article=gone")
    assert answer.status_code == 404
    assert "There is no such article here" in answer.text
    assert "frame-ancestors https://news.test" in answer.headers["content-security-policy"]
    assert "news.test" not in httpx.get(f"{place.assistant}/about").headers["content-security-policy"]
    assert place.site in httpx.get(f"{place.assistant}/embed?article=ferry").headers["content-security-policy"]
    for path in ("", "about", "article/ferry"):
        assert place.site not in httpx.get(f"{place.assistant}/{path}").headers["content-security-policy"]


def test_the_script_is_small(place: Place) -> None:
    """What a page loads before the reader opens anything."""
    assert len(httpx.get(f"{place.assistant}/embed.js").content) <= MOST_BYTES


# The words in the page


def test_an_opened_citation_lights_up_in_the_page(browser: Browser, place: Place) -> None:
    """On a phone it is seen above the panel; what the page does not have is said, and shown as the assistant has it."""
    with reading(browser, place.site, **PHONE) as page:
        chat = opened(page)
        ask(chat, "Lit?")
        cite(chat)
        says(chat, "The words are lit up on the page.")
        assert lit(page) == LIT.replace("'", "’")
        top = page.evaluate("[...CSS.highlights.get('article-assistant')][0].getBoundingClientRect().top")
        assert 0 < top < PHONE["viewport"]["height"] * 0.35
        ask(chat, "Elsewhere?")
        cite(chat)
        says(chat, "These words were not found on the page.")
        assert lit(page) == ""
        chat.get_by_role("button", name="as the assistant has it").click()
        expect(chat.locator("#reading mark.current")).to_have_text(ASKED["Elsewhere?"])
        expect(chat.locator("#reading a.publisher")).to_have_count(1)
        expect(chat.locator("#reading a.publisher")).to_be_hidden()  # This is its page.
        chat.get_by_role("button", name="Back to the answer").click()
        expect(chat.locator("#reading")).to_be_hidden()


def test_a_browser_without_highlights_lights_up_a_fragment(browser: Browser, place: Place) -> None:
    """The panel closes, since what is behind it would not be found, and the browser goes to the words."""
    with reading(browser, "about:blank") as page:
        page.add_init_script("Object.defineProperty(CSS, 'highlights', { value: undefined })")
        page.goto(place.site)
        chat = opened(page)
        ask(chat, "Lit?")
        cite(chat)
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_text("more than 200 cases")).to_be_in_viewport()


# While the server starts


def test_the_panel_waits_with_the_server(browser: Browser) -> None:
    """The frame says from the first moment on that the assistant starts, and goes on to the chat by itself."""
    assistant = ScriptedAssistant(FERRY)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        script = f'<script src="ASSISTANT/embed.js" data-article="{FERRY.id}" async></script>'
        with publisher({"/": PAGE.format(script)}, address) as server:
            threading.Thread(target=server.serve_forever).start()
            site = f"http://localhost:{server.server_port}"
            settings = replace(OPEN, embed_sites=(site,))
            with reading(browser, "about:blank", "503") as page:
                configured = partial(server_configuration, settings=settings)
                with starting(lambda app: configured(guarded(app, refused)), listener, settings.embed_sites) as note:
                    note("Reading the articles", 1, 4)
                    page.goto(site)
                    opener(page).click()
                    frame = page.locator("article-assistant").frame_locator("iframe")
                    expect(frame.get_by_role("heading")).to_have_text("One moment, please")
                    expect(frame.locator("main")).to_contain_text("Reading the articles: 25% so far.")
                    expect(frame.get_by_role("link")).to_have_count(0)
                    waiting = page.frames[1]
                    assert (problems(page), problems(cast("Page", waiting))) == ([], [])
                    assert waiting.evaluate("document.documentElement.scrollWidth <= innerWidth")
                with serving(assistant, settings, listener):
                    frame_of(page)
            server.shutdown()


def test_a_waiting_page_is_framed_by_the_listed_sites_alone() -> None:
    """And at no other address; without sites, by nobody."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        configured = partial(server_configuration, settings=OPEN)
        for sites, path, ancestors in (
            (("https://news.test",), "embed?article=x", "https://news.test"),
            (("https://news.test",), "about", "'none'"),
            ((), "embed?article=x", "'none'"),
        ):
            with starting(lambda app: configured(guarded(app, refused)), listener, sites):
                answer = httpx.get(f"{address}/{path}")
            assert answer.status_code == 503
            assert answer.headers["content-security-policy"].endswith(f"frame-ancestors {ancestors}")
