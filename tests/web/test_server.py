"""The server under the page: what is open and what is closed, headers, limits of size and time, and how it stops."""

from __future__ import annotations

import asyncio
import html
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from functools import partial

import httpx
import pytest
from served import ARTICLE, ScriptedAssistant, running
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from assistant.errors import ConfigurationError
from assistant.settings import Settings
from assistant.web import middleware
from assistant.web.middleware import MAX_BODY_BYTES, Guard
from assistant.web.plain.starting import starting
from assistant.web.server import guarded, serve, server_configuration

# Gradio's own doing, in its queue.
pytestmark = [
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]

CLOSED = (
    "/docs",
    "/redoc",
    "/openapi.json",
    "/gradio_api/component_server",
    "/gradio_api/deep_link",
    "/gradio_api/file=/etc/passwd",
    "/gradio_api/file=http://169.254.169.254/latest",
    "/gradio_api/openapi.json",
    "/gradio_api/process_recording",
    "/gradio_api/proxy=http://evil.test/x",
    "/gradio_api/run-history",
    "/gradio_api/runs",
    "/gradio_api/stream/x",
    "/gradio_api/undo-vibe-edit",
    "/gradio_api/upload",
    "/gradio_api/vibe-edit",
    "/monitoring",
    "/monitoring/summary",
)


@pytest.fixture(scope="module")
def assistant() -> ScriptedAssistant:
    """Return the assistant behind the server."""
    return ScriptedAssistant(ARTICLE)


@pytest.fixture(scope="module")
def address(assistant: ScriptedAssistant) -> Iterator[str]:
    """Serve the assistant and return the address."""
    with running(assistant) as address:
        yield address


@pytest.mark.parametrize("path", [*CLOSED, "/article/unknown", "/anything"])
def test_what_the_page_does_not_need_is_not_there(address: str, path: str) -> None:
    """Uploads, files, proxying, recordings and interface descriptions are answered with 404, by every method."""
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert httpx.request(method, f"{address}{path}").status_code in ((404, 405) if "article" in path else (404,))


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/article/a-story", "/article/unknown", "/config", "/gradio_api/file"]
)
def test_every_response_has_the_security_headers(address: str, path: str) -> None:
    """No response may load from, or be read by, another site; none allows eval."""
    headers = httpx.get(f"{address}{path}", headers={"host": "chat.test", "origin": "http://evil.test"}).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy or "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


def test_the_article_page_runs_no_script(address: str) -> None:
    """The page that shows articles allows no script at all, and nothing from anywhere but its own style."""
    policy = httpx.get(f"{address}/article/a-story").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "script-src" not in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "query",
    ["", "?start=x&end=y", "?start=5&end=5", "?start=-1&end=9", "?start=²&end=9", "?start=1&end=99999999999999"],
)
def test_a_damaged_link_still_shows_the_article(address: str, query: str) -> None:
    """Offsets that make no sense mark nothing."""
    response = httpx.get(f"{address}/article/a-story{query}")
    assert response.status_code == 200
    assert "<mark" not in response.text
    assert "nearly 18 percent" in response.text


def test_a_body_of_any_size_is_not_read(address: str) -> None:
    """More than the page ever sends, is refused, also where its length was not said."""
    url = f"{address}/gradio_api/queue/join"
    assert httpx.post(url, content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413
    assert httpx.post(url, content=iter([b"x" * 10_000] * (MAX_BODY_BYTES // 10_000 + 1))).status_code == 413


@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/api/ask"])
def test_a_body_that_does_not_end_is_not_waited_for(address: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends a byte now and then is told that it was too slow, and others are answered meanwhile."""
    monkeypatch.setattr(middleware, "BODY_SECONDS", 0.5)
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    with connected(address) as slow:
        slow.sendall(head.encode())
        assert httpx.get(f"{address}/healthz").text == "ok"
        assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_headers_that_do_not_end_are_not_waited_for(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is closed when the time for them is up, whether they never begin, stop, or come by the byte."""
    monkeypatch.setattr(middleware, "HEAD_SECONDS", 0.5)
    for beginning in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: "):
        with connected(address) as slow:
            slow.sendall(beginning)
            assert httpx.get(f"{address}/healthz").text == "ok"
            assert slow.recv(4096) == b""


def test_a_reader_who_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was to be sent is not held for ever."""
    monkeypatch.setattr(middleware, "SEND_SECONDS", 0.1)
    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b""}
    scope["headers"] = [(b"host", b"x")]

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def stuck(_: Message) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(Guard(PlainTextResponse("much"), lambda *_: PlainTextResponse("no"))(scope, receive, stuck))


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    """Open a connection that waits at most ten seconds for an answer."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        yield connection


def test_the_health_check_answers(address: str) -> None:
    """A supervisor can see that the server lives."""
    assert httpx.get(f"{address}/healthz").text == "ok"


def test_while_the_small_models_load_it_is_not_ready(address: str, assistant: ScriptedAssistant) -> None:
    """A supervisor waits for that, though whoever comes sees the page and is answered."""
    assistant._loading = Future()
    assert httpx.get(f"{address}/readyz").json() == {"ready": False, "model": "loading"}
    assert httpx.get(f"{address}/readyz").status_code == 503
    assert httpx.get(f"{address}/").status_code == 200
    assistant._loading.set_result(None)
    assert httpx.get(f"{address}/readyz").json() == {"ready": True, "model": "loading"}
    assistant._loading = Future()
    assistant._loading.set_exception(OSError("its file is gone"))
    assert httpx.get(f"{address}/readyz").status_code == 503
    assistant._loading = None


def test_a_busy_port_is_named_before_anything_is_opened() -> None:
    """The operator reads in one line which port is taken and what to do."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:{port} .*ASSISTANT_PORT") as raised:
            serve(Settings(port=port))
    assert "\n" not in str(raised.value)


def test_while_the_articles_are_read_the_process_lives_and_says_how_far_it_has_come() -> None:
    """A supervisor, a reader and a program are answered at once, and the socket is left to the server that follows."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with starting(lambda app: server_configuration(guarded(app), Settings()), listener) as note:
            assert httpx.get(f"{address}/healthz").text == "ok"
            assert httpx.get(f"{address}/readyz").json()["starting"] == "The assistant is starting."
            note("Reading the articles", 1200, 7915)
            ready = httpx.get(f"{address}/readyz")
            page = httpx.get(f"{address}/article/a-story")
            asked = httpx.post(f"{address}/api/ask", json={"question": "Why?"})
            style = httpx.get(f"{address}/site/plain.css")
        assert listener.fileno() != -1
    assert (ready.status_code, page.status_code, asked.status_code, style.status_code) == (503, 503, 503, 200)
    assert ready.json()["starting"] == "The assistant is starting. Reading the articles: 15% so far."
    assert f"{ready.json()['starting']} This page goes on by itself." in html.unescape(page.text)
    assert page.headers["refresh"] == page.headers["retry-after"] == "5"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert set(asked.json()) == {"status", "error", "retry_after"}
    assert asked.headers["retry-after"] == "5"


def test_progress_is_logged_now_and_then(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody looks at a terminal, the log says how far it has come, and not at every step."""
    configured = partial(server_configuration, settings=Settings())
    caplog.set_level("INFO", logger="assistant")
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, starting(configured, listener) as note:
        note("Embedding", 64, 7915)
        monkeypatch.setattr("assistant.web.plain.starting.LOG_SECONDS", 0)
        note("Embedding", 128, 7915)
    assert [record.fields["done"] for record in caplog.records] == [128]  # type: ignore[attr-defined]


def test_a_port_that_there_is_not_is_named() -> None:
    """One line says what the highest is."""
    with pytest.raises(ConfigurationError, match=r"^ASSISTANT_PORT is 99999: it must be at most 65535$"):
        serve(Settings(port=99_999))


async def _passes_on(header: str) -> bool:
    """Whether what strangers meet hands a header on."""
    seen: list[bytes] = []

    async def application(scope: Scope, _: Receive, send: Send) -> None:
        seen.extend(name for name, _ in scope["headers"])
        await PlainTextResponse("ok")(scope, _, send)

    transport = httpx.ASGITransport(guarded(application))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        response = await client.get("/healthz", headers={header: "elsewhere.example"})
    assert response.text == "ok"
    return header.encode() in seen


@pytest.mark.parametrize(
    ("header", "goes_on"), [("x-forwarded-host", False), ("x-gradio-server", False), ("x-else", True)]
)
def test_a_stranger_does_not_say_where_the_page_is(header: str, *, goes_on: bool) -> None:
    """A header by which Gradio would take another host for its own goes no further."""
    assert asyncio.run(_passes_on(header)) is goes_on
