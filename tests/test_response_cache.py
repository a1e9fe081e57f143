"""What all visitors get alike is made once, and nothing that one visitor sends changes what another gets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import httpx
import pytest
from served import ARTICLE, ScriptedAssistant, running
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from assistant.web.response_cache import MAX_BYTES, MAX_RESPONSES, ResponseCache

# Gradio's own doing, in its queue.
pytestmark = [pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")]


class Counting:
    """An application that tells how often it was asked, and for what."""

    def __init__(self, size: int = 1, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Take what to answer."""
        self.asked: list[str] = []
        self._size, self._status, self._headers = size, status, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        self.asked.append(Request(scope).url.path + Request(scope).url.query)
        await Response(b"x" * self._size, self._status, dict(self._headers or {}))(scope, receive, send)


def get(app: ResponseCache, path: str = "/", method: str = "GET", **headers: str) -> httpx.Response:
    """Ask the application."""

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here.test") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(ask())


def test_the_second_visitor_gets_what_was_made_for_the_first() -> None:
    """The same status, headers and body, without asking the application."""
    app = Counting(headers={"content-type": "text/plain"})
    cache = ResponseCache(app)
    first, second = get(cache), get(cache)
    assert app.asked == ["/"]
    assert (first.status_code, first.headers, first.content) == (second.status_code, second.headers, second.content)


@pytest.mark.parametrize(
    "headers",
    [{"host": "there.test"}, {"x-forwarded-host": "there.test"}, {"x-forwarded-proto": "https"}],
    ids=["host", "forwarded host", "forwarded protocol"],
)
def test_a_made_up_address_is_not_shown_to_others(headers: dict[str, str]) -> None:
    """The page names its own address, so each address has a page of its own."""
    app = Counting()
    cache = ResponseCache(app)
    get(cache, **headers)
    get(cache)
    assert len(app.asked) == 2


def test_what_stands_behind_the_question_mark_reaches_nobody() -> None:
    """A link cannot change the page that is kept."""
    app = Counting()
    get(ResponseCache(app), "/?deep_link=mine")
    assert app.asked == ["/"]


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/api/ask", "POST", {}),
        ("/article/a-story", "GET", {}),
        ("/healthz", "GET", {}),
        ("/", "HEAD", {}),
        ("/", "GET", {"range": "bytes=0-1"}),
        ("/", "GET", {"if-none-match": "x"}),
    ],
)
def test_what_may_differ_is_passed_on(path: str, method: str, headers: dict[str, str]) -> None:
    """Questions, articles, states, and whoever asks for a part or for news."""
    app = Counting()
    cache = ResponseCache(app)
    for _ in range(2):
        get(cache, path, method, **headers)
    assert len(app.asked) == 2


@pytest.mark.parametrize(
    "app", [Counting(status=500), Counting(headers={"set-cookie": "a=b"})], ids=["error", "cookie"]
)
def test_an_error_or_a_cookie_is_not_kept(app: Counting) -> None:
    """Each visitor has another try, and cookies of their own."""
    cache = ResponseCache(app)
    for _ in range(2):
        get(cache)
    assert len(app.asked) == 2


def test_it_holds_so_much_and_no_more() -> None:
    """Many made-up addresses push out what was used longest ago, and the memory stays bounded."""
    app = Counting(size=MAX_BYTES // 2)
    cache = ResponseCache(app)
    for number in range(3):
        get(cache, host=f"h{number}.test")
    get(cache, host="h2.test")
    assert len(app.asked) == 3
    get(cache, host="h0.test")
    assert len(app.asked) == 4


def test_bodies_of_no_size_are_bounded_too() -> None:
    """So are addresses that no browser sends, which are not kept at all."""
    app = Counting(size=0)
    cache = ResponseCache(app)
    for number in [*range(MAX_RESPONSES + 1), 0]:
        get(cache, **{"x-forwarded-host": f"h{number}.test"})
    assert len(app.asked) == MAX_RESPONSES + 2
    for _ in range(2):
        get(cache, **{"x-forwarded-host": "h" * 1000})
    assert len(app.asked) == MAX_RESPONSES + 4


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the real page."""
    with running(ScriptedAssistant(ARTICLE)) as address:
        yield address


@pytest.mark.parametrize("path", ["/", "/theme.css", "/site/chat.js"])
def test_the_real_page_stays_the_same_in_each_encoding(address: str, path: str) -> None:
    """With and without compression, at first and from memory, a visitor reads the same words."""
    texts = {
        httpx.get(f"{address}{path}", headers={"accept-encoding": encoding}).raise_for_status().text
        for encoding in ("identity", "gzip", "identity", "gzip")
    }
    assert len(texts) == 1
