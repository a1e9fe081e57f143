"""The page's files are compressed once, and nothing that one visitor sends changes what another gets."""

import asyncio
import time
from collections.abc import AsyncGenerator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from assistant.web.plain.assets import Assets

FILE = "/assets/index.js"


class Counting:
    """An application that tells for which path and host it was asked, and answers in two parts."""

    def __init__(self, status: int = 200) -> None:
        """Take what to answer."""
        self.asked: list[tuple[str, str]] = []
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.may_end.set()
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, unless the visitor leaves."""
        request = Request(scope)
        self.asked.append((request.url.path, request.headers.get("host", "")))

        async def parts() -> AsyncGenerator[bytes]:
            yield b"beginning "
            self.begun.set()
            await self.may_end.wait()
            yield b"and end"

        await StreamingResponse(parts(), self._status, {"content-type": "text/plain"})(scope, receive, send)


async def get(app: Assets, path: str = FILE, method: str = "GET", **headers: str) -> httpx.Response:
    """Ask the application."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await client.request(method, path, headers=headers)


def test_the_second_visitor_gets_what_was_made_for_the_first() -> None:
    """The same status, headers and body, made of nothing that a visitor chose but what the page names: its host."""
    app = Counting()
    assets = Assets(app)

    async def visit() -> list[httpx.Response]:
        asked = [("/", "here"), (FILE, "here"), (f"{FILE}?x=1", "there"), ("/config", "here"), ("/", "there")]
        return [await get(assets, path, host=host, cookie=f"{time.monotonic()}") for path, host in asked * 2]

    responses = asyncio.run(visit())
    assert app.asked == [("/", "here"), (FILE, ""), ("/config", "here"), ("/", "there")]
    first, second = responses[:5], responses[5:]
    assert [(each.status_code, each.headers, each.content) for each in first] == [
        (each.status_code, each.headers, each.content) for each in second
    ]


def test_a_visitor_who_leaves_spoils_nothing_for_the_next() -> None:
    """A file whose first visitor left in the middle is whole for those who ask meanwhile, and later."""
    app = Counting()
    assets = Assets(app)

    async def visit() -> list[str]:
        leaving, staying = (asyncio.create_task(get(assets)) for _ in range(2))
        await app.begun.wait()
        leaving.cancel()
        app.may_end.set()
        return [(await staying).text, (await get(assets)).text]

    app.may_end.clear()
    assert asyncio.run(visit()) == ["beginning and end"] * 2
    assert len(app.asked) == 1


def test_of_the_page_only_so_many_are_kept() -> None:
    """Whoever makes up hosts does not fill the memory."""
    app = Counting()
    assets = Assets(app, most_pages=3)

    async def visit() -> None:
        for host in ("a", "b", "c", "d", "d", "a"):
            await get(assets, "/", host=host)

    asyncio.run(visit())
    assert [host for _, host in app.asked] == ["a", "b", "c", "d", "a"]


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        ("/article/a-story", "GET", {}, 200),
        ("/assets//index.js", "GET", {}, 200),
        ("/assets/index.js/", "GET", {}, 200),
        (FILE, "POST", {}, 200),
        (FILE, "GET", {"range": "bytes=0-1"}, 200),
        (FILE, "GET", {"if-none-match": "x"}, 200),
        (FILE, "GET", {}, 404),
    ],
)
def test_what_may_differ_is_passed_on(path: str, method: str, headers: dict[str, str], status: int) -> None:
    """Pages, another spelling of a file's path, whoever asks for a part or for news, and what was not there."""
    app = Counting(status)
    assets = Assets(app)
    for _ in range(2):
        assert asyncio.run(get(assets, path, method, **headers)).status_code == status
    assert len(app.asked) == 2


@pytest.mark.parametrize("path", ["/site/chat.js", "/static/img/logo.svg"])
def test_a_real_file_stays_the_same_in_each_encoding(address: str, path: str) -> None:
    """With and without compression, at first and from memory, a visitor reads the same words."""
    texts = {
        httpx.get(f"{address}{path}", headers={"accept-encoding": encoding}).raise_for_status().text
        for encoding in ("identity", "gzip", "br", "identity", "gzip", "br")
    }
    assert len(texts) == 1
