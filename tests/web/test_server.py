"""The server under the page: what is open and what is closed, headers, limits of size and time, and how it stops."""

import asyncio
import html
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from fastapi import FastAPI
from lxml.html import fromstring
from served import ARTICLE, OPEN, WRITTEN, ScriptedAssistant, running, serving
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from assistant.errors import ConfigurationError
from assistant.settings import Settings, networks
from assistant.web import middleware
from assistant.web.listening import listening
from assistant.web.middleware import OPEN_FOLDERS, OPEN_PATHS, guarded, served_names
from assistant.web.server import Server, mount_chat, refused, server_configuration
from assistant.web.service import Service
from assistant.web.starting import starting

CLOSED = """
    /docs /redoc /openapi.json /monitoring /monitoring/summary /gradio_api/component_server /gradio_api/deep_link
    /gradio_api/file=/etc/passwd /gradio_api/file=http://169.254.169.254/latest /gradio_api/heartbeat/%00
    /gradio_api/heartbeat/a-tab /gradio_api/openapi.json /gradio_api/process_recording
    /gradio_api/proxy=http://evil.test/x /gradio_api/run-history /gradio_api/runs /gradio_api/stream/x
    /gradio_api/undo-vibe-edit /gradio_api/upload /gradio_api/vibe-edit
    /gradio_api/run/predict /gradio_api/run/0 /gradio_api/api/predict /gradio_api/call/predict
    /gradio_api/call/v2/predict /gradio_api/cancel /gradio_api/reset /gradio_api/startup-events /gradio_api/info
    /gradio_api/queue/join/ //gradio_api/queue/join /gradio_api//queue/join /GRADIO_API/queue/join
    /run/predict /queue/join /file=/etc/passwd /about/../gradio_api/run/predict /deep_link/x /login
""".split()


@pytest.mark.parametrize("path", [*CLOSED, "/article/unknown", "/anything"])
def test_what_the_page_does_not_need_is_not_there(address: str, path: str) -> None:
    """Uploads, files, proxying, recordings and interface descriptions are answered with 404, by every method."""
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert httpx.request(method, f"{address}{path}").status_code in ((404, 405) if "article" in path else (404,))


def test_the_page_holds_no_connection_open_while_nobody_asks(address: str) -> None:
    """Gradio's page would have a stream without an end for each tab, and that is closed here."""
    assert httpx.get(f"{address}/config").json()["connect_heartbeat"] is False


def paths(address: str) -> list[str]:
    """Return one address or more of everything that is open."""
    below = {
        "/api/": ["docs", "openapi.json", "ask", "nothing"],
        "/article/": ["a-story", "a-story?start=22&end=68", "unknown"],
        "/assets/": [re.findall(r"assets/([^\"]+\.js)", httpx.get(address).text)[0], "unknown"],
        "/site/": ["chat.js", "plain.css", "unknown"],
        "/static/": ["img/logo.svg", "unknown"],
    }
    assert set(below) == set(OPEN_FOLDERS)
    return [*OPEN_PATHS, *(folder + rest for folder, each in below.items() for rest in each), *CLOSED[:3]]


def test_every_response_has_the_headers_of_safety_and_head_gets_them_alone(address: str) -> None:
    """None may load from, or be read by, another site, or allow eval; HEAD is answered as GET is, without the body."""
    with httpx.Client(base_url=address, headers={"origin": "http://evil.test"}, timeout=30) as client:
        for path in paths(address):
            with client.stream("GET", path) as response:
                looked = client.head(path)
                assert (looked.status_code, looked.content) == (response.status_code, b""), path
                # Figures change from one look to the next.
                ignored = {"date", "transfer-encoding"} | ({"content-length"} if path == "/metrics" else set())
                got, got_by_head = ({*each.headers.items()} for each in (response, looked))
                assert {name for name, _ in got ^ got_by_head} <= ignored, path
                policy = response.headers["content-security-policy"]
            assert policy.startswith("default-src 'self';" if path == "/" else "default-src 'none'; style-src 'self';")
            assert "unsafe-eval" not in policy
            assert path == "/" or not re.search("script-src|unsafe", policy)
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["referrer-policy"] == "no-referrer"
            assert {"access-control-allow-origin", "server"}.isdisjoint(response.headers)
            if path in ("/", "/config"):  # They go with the process that made them.
                assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "name", ["a" * 255, "a" * 256, "a" * 5000, "a/" * 2500, "%E2%82%AC" * 100, "%00", "x%00.js", "%FF"]
)
@pytest.mark.parametrize("folder", OPEN_FOLDERS)
def test_a_name_that_no_file_can_have_is_not_there(address: str, folder: str, name: str) -> None:
    """However long or odd a name is, it is answered as one that is unknown."""
    assert httpx.get(f"{address}{folder}{name}").status_code == 404


@pytest.mark.parametrize(
    ("path", "protocol", "status"),
    [("/healthz", "1.0", 200), ("/readyz", "1.0", 200), ("/healthz", "1.1", 400), ("/metrics", "1.0", 400)],
)
def test_a_supervisor_need_not_name_a_host(address: str, path: str, protocol: str, status: int) -> None:
    """An old check speaks HTTP/1.0, which has no Host header; nothing else is answered without one."""
    with connected(address) as supervisor:
        supervisor.sendall(f"GET {path} HTTP/{protocol}\r\n\r\n".encode())
        assert supervisor.recv(4096).split()[1] == str(status).encode()


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        *(("/about", host, 200) for host in ("news.test", "News.Test:7860", "news.test.", "[2001:db8::1]:80")),
        *(("/about", host, 421) for host in ("evil.test", "127.0.0.1", "localhost:80", "www.news.test", "news.testa")),
        ("/api/ask", "evil.test", 421),
        ("/metrics", "evil.test", 421),
        # A supervisor asks by an address.
        *((path, "127.0.0.1:7860", 200) for path in ("/healthz", "/readyz")),
    ],
)
def test_where_names_are_listed_others_are_not_served(named: str, path: str, host: str, status: int) -> None:
    """A site that gives this machine another name reads nothing here."""
    told = httpx.get(f"{named}{path}", headers={"host": host})
    assert told.status_code == status
    assert status == 200 or "name" in told.text


OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
ANY_NAME = (*OWN_NAMES, "evil.test", "chat.example:8443")


@pytest.mark.parametrize(
    ("settings", "served"),
    [
        (OPEN, OWN_NAMES),
        (replace(OPEN, host="localhost"), OWN_NAMES),
        (replace(OPEN, host="0.0.0.0"), ANY_NAME),  # noqa: S104
        (replace(OPEN, trusted_proxies=networks("127.0.0.1")), ANY_NAME),
        (replace(OPEN, names=("evil.test",)), ("evil.test",)),
    ],
    ids=("this machine", "this machine by name", "every machine", "behind a proxy", "names"),
)
def test_without_names_what_only_this_machine_can_reach_has_only_its_own(
    settings: Settings, served: tuple[str, ...]
) -> None:
    """A foreign name that leads here is a trick of another page; where others may ask, any name may be meant."""

    async def found(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("found")(scope, receive, send)

    async def statuses() -> dict[str, int]:
        transport = httpx.ASGITransport(guarded(found, refused, served_names(settings)))
        async with httpx.AsyncClient(transport=transport) as client:
            return {host: (await client.get(f"http://{host}/about")).status_code for host in ANY_NAME}

    assert asyncio.run(statuses()) == {host: 200 if host in served else 421 for host in ANY_NAME}


@pytest.fixture(scope="module")
def named() -> Iterator[str]:
    """Serve under two names and return the address."""
    with running(ScriptedAssistant(ARTICLE), replace(OPEN, names=("news.test", "[2001:db8::1]"))) as address:
        yield address


def test_who_asks_for_a_web_socket_writes_nothing_into_the_log(address: str, caplog: pytest.LogCaptureFixture) -> None:
    """There is none, so the request is answered as any other."""
    upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA=="
    with connected(address) as stranger:
        stranger.sendall(f"GET /about HTTP/1.1\r\nhost: localhost\r\n{upgrade}\r\n\r\n".encode())
        assert stranger.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert caplog.records == []


def test_the_page_names_this_assistant_and_leads_nowhere_else(address: str) -> None:
    """Whoever shares its address shows no other name; without scripts its reader is led to the articles."""
    page = httpx.get(address).text
    elements = list(fromstring(page).iter())
    tags = [(each.get("property") or each.get("name"), each.get("content")) for each in elements if each.tag == "meta"]
    said = {name: content for name, content in tags if name}
    assert len(said) == len([name for name, _ in tags if name])
    assert said["og:title"] == said["twitter:title"] == "Article assistant"
    assert said["og:description"] == said["twitter:description"] == said["description"] != ""
    assert '<noscript><meta http-equiv="refresh" content="0; url=/articles"></noscript>' in page
    assert "gradio" not in str(tags).lower()
    led_to = [each.get(name) or "" for each in elements for name in ("href", "src", "content", "action")]
    assert [place for place in led_to if "//" in place] == []
    assert page.index("<title>Article assistant</title>") < page.index("<noscript>") < page.index("<script")
    assert httpx.get(f"{address}/manifest.json").json()["name"] == "Article assistant"


def test_gradio_itself_takes_no_file_that_was_not_sent_to_it(tmp_path: Path) -> None:
    """Where a call got past the door with a path in it, whichever input it is for, the file is not even copied."""
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path / "taken")
    (tmp_path / "file").touch()
    file = {"path": str(tmp_path / "file"), "meta": {"_type": "gradio.FileData"}}

    async def visit() -> int:
        app = FastAPI()
        page = mount_chat(app, Service(ScriptedAssistant(ARTICLE), OPEN))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            inputs = {number: len(function.inputs) for number, function in page.blocks.fns.items()}
            calls = [(number, at) for number, count in inputs.items() for at in range(count)]
            for number, at in calls:
                data = [file if place == at else None for place in range(inputs[number])]
                body = {"fn_index": number, "data": data, "session_hash": "x"}
                assert (await client.post("/gradio_api/run/predict", json=body)).status_code == 500
        return len(calls)

    assert asyncio.run(visit()) > 10
    assert not list((tmp_path / "taken").rglob("file"))


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


def test_headers_that_do_not_end_are_not_waited_for(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is closed when the time for them is up, whether they never begin, stop, or come by the byte."""
    monkeypatch.setattr(middleware, "HEAD_SECONDS", 0.5)
    for beginning in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: "):
        with connected(address) as slow:
            slow.sendall(beginning)
            assert httpx.get(f"{address}/healthz").text == "ok"
            assert slow.recv(4096) == b""


def test_a_reader_who_takes_nothing_is_given_up(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was to be sent is not held for ever, and the log does not speak of it."""
    monkeypatch.setattr(middleware, "SEND_SECONDS", 0.5)
    with connected(address) as stuck:
        own = stuck.getsockname()[1]

        def is_held() -> bool:
            return any(own in each.raddr[1:2] for each in psutil.Process().net_connections("tcp"))

        stuck.sendall(b"GET /site/chat.js HTTP/1.1\r\nhost: localhost\r\n\r\n" * 1000)
        assert httpx.get(f"{address}/healthz").text == "ok"
        assert is_held()
        deadline = time.monotonic() + 20
        while is_held() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not is_held()
    assert caplog.records == []


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    """Open a connection that waits at most ten seconds for an answer."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        yield connection


def test_while_the_embedding_model_loads_it_is_not_ready(address: str, assistant: ScriptedAssistant) -> None:
    """A supervisor waits for that, though whoever comes sees the page and is answered."""
    assistant._loading = Future()
    state = {"model": "loading", "articles": 1, "missing": 0, "disk": "ok"}
    assert httpx.get(f"{address}/readyz").json() == {"ready": False, **state}
    assert httpx.get(f"{address}/readyz").status_code == 503
    assert httpx.get(f"{address}/").status_code == 200
    assistant._loading.set_result(None)
    assert httpx.get(f"{address}/readyz").json() == {"ready": True, **state}
    assistant._loading = Future()
    assistant._loading.set_exception(OSError("its file is gone"))
    assert httpx.get(f"{address}/readyz").status_code == 503
    assistant._loading = None


def test_while_the_articles_are_read_the_process_lives_and_says_how_far_it_has_come() -> None:
    """A supervisor, a reader and a program are answered at once, and the socket is left to the server that follows."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with starting(lambda app: server_configuration(guarded(app, refused), Settings()), listener) as note:
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


def test_progress_is_logged_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody looks at a terminal, the log says how far it has come, and not at every step."""
    configured = partial(server_configuration, settings=Settings())
    caplog.set_level("INFO", logger="assistant")
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as listener,
        starting(configured, listener, log_seconds=0.5) as note,
    ):
        note("Embedding", 64, 7915)
        time.sleep(0.6)
        note("Embedding", 128, 7915)
    assert [record.fields["done"] for record in caplog.records] == [128]  # type: ignore[attr-defined]


@pytest.mark.parametrize("host", ["no such host", "x" * 70, "a..b", "192.0.2.1", "2001:db8::1", "::zz"])
def test_a_host_that_is_none_of_this_machines_is_named(host: str) -> None:
    """One line says which, and what to set."""
    with pytest.raises(ConfigurationError) as raised:
        listening(host, 0)
    assert str(raised.value).startswith(f"The page cannot be served at {host}:0 (")
    assert str(raised.value).endswith("): set ASSISTANT_HOST to an address of this machine")


def test_a_stranger_does_not_say_where_the_page_is() -> None:
    """A header by which Gradio would take another host for its own goes no further."""
    seen: list[bytes] = []

    async def application(scope: Scope, _: Receive, send: Send) -> None:
        seen.extend(name for name, _ in scope["headers"])
        await PlainTextResponse("ok")(scope, _, send)

    async def visit() -> None:
        transport = httpx.ASGITransport(guarded(application, refused))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            sent = dict.fromkeys(("x-forwarded-host", "x-gradio-server", "x-else"), "elsewhere.example")
            (await client.get("/healthz", headers=sent)).raise_for_status()

    asyncio.run(visit())
    assert [name for name in seen if name.startswith(b"x-")] == [b"x-else"]


# Behind a proxy, a process passes on what another one should answer

EVENTS = "/gradio_api/queue/data?session_hash=unknown"


@pytest.fixture(scope="module")
def proxied() -> Iterator[tuple[str, Server]]:
    """Serve behind a proxy on this machine; yield the address and the server."""
    assistant = ScriptedAssistant(ARTICLE)
    assistant.script["How?"] = [WRITTEN]
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with serving(assistant, replace(OPEN, trusted_proxies=networks("127.0.0.1")), listener) as server:
            yield address, server


def test_a_tab_of_another_process_is_passed_on(address: str, proxied: tuple[str, Server]) -> None:
    """Behind a proxy a question that is not here is looked for in the next process; without one its page is told."""
    assert httpx.get(f"{proxied[0]}{EVENTS}").status_code == 503
    assert httpx.get(proxied[0]).status_code == 200
    response = httpx.get(f"{address}{EVENTS}")
    assert response.status_code == 404
    assert json.loads(response.text.removeprefix("data:"))["session_not_found"]


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        *((each, 200) for each in (None, "127.0.0.1")),
        *((each, 404) for each in ("192.0.2.1, 127.0.0.1", "192.0.2.1", "nonsense", "", ",", "192.0.2.1,")),
        *((each, 404) for each in ("127.0.0.1,", ", 127.0.0.1", "127.0.0.1, , 127.0.0.1", ":80", "[]")),
        ("[]:80, 127.0.0.1", 404),
    ],
)
def test_a_proxy_that_does_not_say_who_comes_lends_no_address(
    proxied: tuple[str, Server], forwarded: str | None, status: int
) -> None:
    """The figures are open to this machine, not to a stranger whose address the proxy left out."""
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    assert httpx.get(f"{proxied[0]}/metrics", headers=headers).status_code == status


def test_who_leaves_takes_nothing_new(proxied: tuple[str, Server]) -> None:
    """Pages and questions are passed on; health is told, and what had come before is still answered."""
    address, service = proxied[0], proxied[1]._service
    assert httpx.get(address).status_code == 200  # What was kept in memory is passed on like anything else.
    service.is_leaving = True
    assert httpx.get(address).status_code == 503
    assert httpx.post(f"{address}/api/ask", json={"question": "How?"}).headers["retry-after"] == "1"
    assert httpx.get(f"{address}/healthz").status_code == 200
    assert httpx.get(f"{address}/readyz").status_code == 503
    service.is_leaving = False
    assert httpx.post(f"{address}/api/ask", json={"question": "How?"}).status_code == 200
