"""The page's files are compressed once, and nothing that one visitor sends changes what another gets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from served import ARTICLE, ScriptedAssistant, running
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from assistant.web.plain.assets import Assets

FILE = "/assets/index.js"


class Counting:
    """An application that tells how often it was asked, and for what."""

    def __init__(self, status: int = 200) -> None:
        """Take what to answer."""
        self.asked: list[str] = []
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        self.asked.append(Request(scope).url.path)
        await Response(b"x", self._status, {"content-type": "text/plain"})(scope, receive, send)


def get(app: Assets, path: str = FILE, method: str = "GET", **headers: str) -> httpx.Response:
    """Ask the application."""

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here.test") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(ask())


def test_the_second_visitor_gets_what_was_made_for_the_first() -> None:
    """The same status, headers and body, without asking the application, whatever stands behind the question mark."""
    app = Counting()
    assets = Assets(app)
    first, second = get(assets), get(assets, f"{FILE}?x=1")
    assert app.asked == [FILE]
    assert (first.status_code, first.headers, first.content) == (second.status_code, second.headers, second.content)


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/", "GET", {}),
        ("/config", "GET", {}),
        ("/article/a-story", "GET", {}),
        ("/assets//index.js", "GET", {}),
        ("/assets/index.js/", "GET", {}),
        (FILE, "HEAD", {}),
        (FILE, "GET", {"range": "bytes=0-1"}),
        (FILE, "GET", {"if-none-match": "x"}),
    ],
)
def test_what_may_differ_is_passed_on(path: str, method: str, headers: dict[str, str]) -> None:
    """Pages, another spelling of a file's path, and whoever asks for a part or for news."""
    app = Counting()
    assets = Assets(app)
    for _ in range(2):
        get(assets, path, method, **headers)
    assert len(app.asked) == 2


def test_an_error_is_not_kept() -> None:
    """Each visitor has another try, and made-up paths take no memory."""
    app = Counting(404)
    assets = Assets(app)
    for _ in range(2):
        assert get(assets).status_code == 404
    assert len(app.asked) == 2


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the real page."""
    with running(ScriptedAssistant(ARTICLE)) as address:
        yield address


@pytest.mark.parametrize("path", ["/site/chat.js", "/static/img/logo.svg"])
def test_a_real_file_stays_the_same_in_each_encoding(address: str, path: str) -> None:
    """With and without compression, at first and from memory, a visitor reads the same words."""
    texts = {
        httpx.get(f"{address}{path}", headers={"accept-encoding": encoding}).raise_for_status().text
        for encoding in ("identity", "gzip", "br", "identity", "gzip", "br")
    }
    assert len(texts) == 1
