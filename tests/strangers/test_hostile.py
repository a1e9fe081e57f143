"""Whatever a stranger sends, the server answers everybody else, opens no file, asks no host, and logs no word of it."""

import asyncio
import itertools
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

from assistant.settings import PROJECT
from assistant.web.chat.door import takes
from assistant.web.middleware import MAX_HEAD_BYTES, OPEN_FOLDERS, OPEN_PATHS

WORD = "qzvxword"
"""Is in everything that the stranger sends."""
JOIN = "/gradio_api/queue/join"
PROBE_SECONDS = 0.1


@dataclass
class Watched:
    """The server, and what it did so far."""

    address: str
    functions: dict[int, list[dict[str, Any]]]
    """The page's functions: by number the description of each input."""
    folder: Path
    log: Path
    notes: Path
    stranger: socket.socket
    """Listens on this machine, where nobody is to call."""
    sick: list[str] = field(default_factory=list)
    """What came of the looks at its health that found none."""
    begun: float = field(default_factory=time.monotonic)

    def assert_unharmed(self) -> None:
        """Hold the server to what it promises, whatever it was sent; a flood is a line a minute."""
        assert httpx.get(f"{self.address}/healthz", timeout=30).text == "ok"
        assert self.sick == []
        assert self.notes.read_text(encoding="utf-8") == ""
        said = self.log.read_text(encoding="utf-8")
        assert WORD not in said
        entries = [json.loads(line) for line in said.splitlines()]
        refused = [entry for entry in entries if entry["event"] != "question"]
        kinds = Counter((entry["event"], entry.get("via"), entry.get("status")) for entry in refused)
        assert {event for event, _, _ in kinds} <= {"refused", "Invalid HTTP request received."}
        assert max(kinds.values(), default=0) <= (time.monotonic() - self.begun) / 60 + 2
        with pytest.raises(BlockingIOError):
            self.stranger.accept()


@pytest.fixture
def client(server: Watched) -> Iterator[httpx.Client]:
    """Yield a stranger's client; when the test is over the server must be unharmed."""
    with httpx.Client(base_url=server.address, timeout=30) as client:
        yield client
    server.assert_unharmed()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Serve the page, and look every moment how the server is."""
    folder = tmp_path_factory.mktemp(WORD)
    (folder / "file").write_text(WORD, encoding="utf-8")
    os.mkfifo(folder / "pipe")
    is_over = threading.Event()
    with (
        (folder / "log").open("wb") as log,
        closing(socket.create_server(("127.0.0.1", 0))) as stranger,
        subprocess.Popen(
            [sys.executable, "tests/watched.py", str(folder / "notes")],
            cwd=PROJECT,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        stranger.settimeout(0)
        address = next(line for line in process.stdout if line.startswith("Watched at ")).split()[-1]
        config = httpx.get(f"{address}/config").json()
        parts = {part["id"]: part for part in config["components"]}
        functions = {each["id"]: [parts[number] for number in each["inputs"]] for each in config["dependencies"]}
        found = Watched(address, functions, folder, folder / "log", folder / "notes", stranger)
        probing = threading.Thread(target=probe, args=(found, is_over))
        probing.start()
        try:
            yield found
        finally:
            is_over.set()
            probing.join()
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def probe(server: Watched, is_over: threading.Event) -> None:
    """Ask how it is, as a supervisor does."""
    with httpx.Client(base_url=server.address, timeout=10) as client:
        while not is_over.wait(PROBE_SECONDS):
            try:
                client.get("/healthz").raise_for_status()
            except httpx.HTTPError as error:
                server.sick.append(repr(error))
                return


# Calls of the page's functions


def files(server: Watched) -> list[Any]:
    """Return what Gradio takes for files, where they would be read without end, or from somebody else."""
    own, port = server.folder, server.stranger.getsockname()[1]
    places = [
        *(f"{own}/pipe", f"{own}/file", f"{own}", f"{own}/none", "/dev/zero", "/etc/passwd", f"../../../{WORD}"),
        *(f"http://127.0.0.1:{port}/{WORD}", f"http://{WORD}.test/x.png", f"https://{WORD}.test/x.png"),
        *(f"file:///{own}/file", "data:text/plain;base64,cXp2eHdvcmQ="),
    ]
    meta = {"_type": "gradio.FileData"}
    plain = [{"path": place, "meta": meta, "orig_name": WORD} for place in places]
    more = [
        {"path": places[1], "url": places[7], "meta": meta},
        {"path": places[1], "meta": meta, "is_stream": True},
        *({"path": places[1]}, {"value": plain[0]}, {"__type__": "update", "value": plain[0]}),
    ]
    return [*plain, *more, [plain[0]], {WORD: [plain[0]]}, [[plain[7]]]]


ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**30, float("inf"), float("nan"), "", WORD, WORD * 5000, "a-story", "Helpful"),
    *("\x00", "\ud800", "<script>", "{0} %s ${jndi:ldap://qzvxword.test/a}"),
    *([], {}, [WORD], [None], ["Helpful"], [["Helpful"]], {"path": None}, {"__type__": "update"}),
    json.loads("[" * 200 + "]" * 200),
]


def proper(component: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the page sends
    """Return what the page sends for an input."""
    return [] if component["type"] == "checkboxgroup" else None


def is_proper(component: dict[str, Any], value: Any) -> bool:  # noqa: ANN401
    """Whether the page could send it, by the page's description of itself."""
    choices = [choice for _, choice in component["props"].get("choices") or []]
    match component["type"]:
        case "textbox":
            return value is None or (isinstance(value, str) and "\ud800" not in value)
        case "checkbox":
            return value is None or isinstance(value, bool)
        case "radio" | "dropdown":
            return value is None or (isinstance(value, str) and value in choices)
        case "checkboxgroup":
            return isinstance(value, list) and all(isinstance(each, str) and each in choices for each in value)
    raise AssertionError(component["type"])


def body(function: Any, data: Any, session: Any = "qzvxwordtab") -> dict[str, Any]:  # noqa: ANN401
    """Return a call."""
    return {"fn_index": function, "data": data, "session_hash": session, "event_data": None, "trigger_id": None}


def post(client: httpx.Client, path: str, call: Any) -> int:  # noqa: ANN401
    """Send it and return the status."""
    content = json.dumps(call)
    return client.post(path, content=content, headers={"content-type": "application/json"}).status_code


def test_every_input_of_every_function_takes_what_the_page_sends_and_nothing_else(
    server: Watched, client: httpx.Client
) -> None:
    """Files, pipes, devices, addresses and wrong types are refused with 422 wherever they stand; the rest is let in."""
    wrong = []
    for function, components in server.functions.items():
        data = [proper(component) for component in components]
        assert post(client, JOIN, body(function, data)) == 200
        for at, value in itertools.product(range(len(data)), [*ODD, *files(server)]):
            expected = 200 if is_proper(components[at], value) else 422
            status = post(client, JOIN, body(function, [*data[:at], value, *data[at + 1 :]]))
            # Calls that are let in may be more than are answered at once.
            if status != expected and (expected, status) != (200, 429):
                wrong.append((function, at, value, status))
    assert wrong == []
    assert len(server.functions) > 8


def test_a_wrong_count_or_function_or_tab_is_refused(server: Watched, client: httpx.Client) -> None:
    """Too few inputs, too many, none at all, a function that is none, and a tab without a name."""
    file = files(server)[0]
    calls: list[Any] = [*ODD, file, [file], {"data": [file]}]
    for function, components in server.functions.items():
        data = [proper(component) for component in components]
        calls += [body(function, [*data, extra]) for extra in (None, WORD, file)]
        calls += [body(function, data[:-1])] if data else []
        odd: list[Any] = [None, {}, WORD, file, [None] * 1000]
        calls += [body(function, more) for more in odd]
        calls += [body(function, data, tab) for tab in (None, "", 1, "a b", f"../{WORD}", "x" * 65, "é", [file])]
        whole = body(function, data)
        calls += [{key: whole[key] for key in whole.keys() - {left}} for left in ("data", "fn_index", "session_hash")]
    none: list[Any] = [-1, 99, 2**70, 7.5, "7", True, None, [], file, WORD]
    calls += [body(function, []) for function in none]
    assert [call for call in calls if post(client, JOIN, call) != 422] == []
    for content in (b"", b"{", b"\xff", b"[" * 60_000, b'{"fn_index": 0, "data": [' + b"[" * 9_000, WORD.encode()):
        assert client.post(JOIN, content=content, headers={"content-type": "application/json"}).status_code == 422


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([WORD, "a-story"]) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["path", "meta", "_type", "url", "value", WORD]), inner, max_size=4)
    ),
    max_leaves=9,
)
CALLS = st.fixed_dictionaries(
    {},
    optional={
        "fn_index": st.integers(-1, 12) | JSON,
        "data": st.lists(JSON, max_size=7) | JSON,
        "session_hash": st.sampled_from(["qzvxword1", ""]) | JSON,
        "event_data": JSON,
        "trigger_id": st.integers(-1, 40) | JSON,
        "event_id": JSON,
        "simple_format": JSON,
        "batched": JSON,
    },
)


@settings(max_examples=600, suppress_health_check=list(HealthCheck))
@given(call=CALLS | JSON)
def test_whatever_a_call_is_made_of_it_is_let_in_or_refused(client: httpx.Client, call: Any) -> None:  # noqa: ANN401
    """Any JSON, in any place of a call, is no defect."""
    assert post(client, JOIN, call) in {200, 422, 429}


def test_a_function_whose_input_nothing_is_known_of_cannot_be_served() -> None:
    """Whoever adds another kind of input is told so before a stranger finds it."""

    async def look() -> None:
        with gr.Blocks():
            for unknown in (gr.File(), gr.Image(), gr.MultimodalTextbox(), gr.Dropdown(["a"], allow_custom_value=True)):
                with pytest.raises(TypeError, match=r"door\.py"):
                    takes(unknown)

    asyncio.run(look())  # Outside of a loop, Gradio makes one and never closes it.


# Paths, heads and bodies


def test_no_request_to_an_open_path_is_a_defect(client: httpx.Client) -> None:
    """By every method, with odd queries, headers and bodies, each open path answers, and not with an error of ours."""
    paths = [*OPEN_PATHS, *(folder + rest for folder in OPEN_FOLDERS for rest in ("", WORD, "..%2f..%2fetc%2fpasswd"))]
    queries = [
        "",
        f"?deep_link={WORD}&session_hash={WORD}&start=-1&end=%00&also=1-%ff&answering=9-1-%00",
        "?" + "a=b&" * 500,
        "?%",
    ]
    heads: list[dict[str, str]] = [
        {},
        {"x-gradio-server": f"http://[{WORD}", "x-forwarded-proto": WORD, "x-forwarded-for": WORD, "cookie": WORD},
        {"x-forwarded-host": f"{WORD}:99999999", "range": "bytes=9-1", "accept-encoding": WORD, "authorization": WORD},
        {"content-type": f"multipart/form-data; boundary={WORD}", "accept": "text/event-stream", "origin": WORD},
    ]
    methods = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", WORD.upper())
    found = []
    for path, (query, head), method in itertools.product(paths, zip(queries, heads, strict=True), methods):
        response = client.request(method, path + query, headers=head, content=WORD if method == "POST" else None)
        if response.status_code >= 500:
            found.append((method, path, query, head, response.status_code))
    assert found == []


POST = b"POST /api/ask HTTP/1.1\r\nhost: localhost\r\n"
RAW: dict[str, bytes] = {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "no host, an old protocol": b"GET / HTTP/1.0\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nhost: localhost\r\nhost: b\r\n\r\n",
    "the same host twice": b"GET / HTTP/1.1\r\nhost: localhost\r\nHost: localhost\r\n\r\n",
    "an empty host": b"GET / HTTP/1.1\r\nhost:\r\n\r\n",
    "a host that is none": b"GET / HTTP/1.1\r\nhost: qzvx word/../\r\n\r\n",
    "a forwarded host that is none": b"GET / HTTP/1.1\r\nhost: localhost\r\nx-forwarded-host: qzvxword@[\r\n\r\n",
    "no request": b"qzvxword\r\n\r\n",
    "no method": b"/ HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a method that is none": b"QZVXWORD / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "no protocol": b"GET / qzvxword\r\nhost: localhost\r\n\r\n",
    "a proxy is asked for": b"CONNECT qzvxword.test:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "two lengths": POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "a length that is none": POST + b"content-length: -1\r\n\r\n",
    "a length and chunks": POST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks that are none": POST + b"transfer-encoding: chunked\r\n\r\nqzvxword\r\n",
    "no address": b"GET qzvxword HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "an address that is no text": b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a name with a space": b"GET / HTTP/1.1\r\nhost: localhost\r\nqz vx: word\r\n\r\n",
    "a null": b"GET /\x00qzvxword HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a head of 40 kB": b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"q" * 40_000 + b"\r\n\r\n",
    "an address of 40 kB": b"GET /" + b"q" * 40_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nhost: localhost\r\n"
    + b"qzvxword-qzvxword-qzvxword-qzvx: x\r\n" * 999
    + b"\r\n",
    "a head without an end": b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"q" * (2 * MAX_HEAD_BYTES),
}


@pytest.mark.parametrize("what", RAW)
def test_what_is_no_proper_request_is_refused_with_the_headers_of_every_response(server: Watched, what: str) -> None:
    """A damaged, doubtful or huge head gets a 4xx that no other site can read or embed, and the connection ends.

    Of a huge one, which is not read to its end, the sender may see the end of the connection alone.
    """
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        said = b""
        with suppress(ConnectionError) if len(RAW[what]) > MAX_HEAD_BYTES else nullcontext():
            connection.sendall(RAW[what])
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65_536):
                said += part
    server.assert_unharmed()
    if not said and len(RAW[what]) > MAX_HEAD_BYTES:
        return
    head = said.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith((b"http/1.1 400 ", b"http/1.1 431 "))
    assert b"content-security-policy: default-src 'none'" in head
    assert b"x-content-type-options: nosniff" in head
    assert WORD.encode() not in said


def request(method: str, path: str, content: bytes = b"", kind: bytes = b"*/*") -> bytes:
    """Return a whole request."""
    head = b"%b %b HTTP/1.1\r\nhost: localhost\r\naccept: %b\r\n" % (method.encode(), path.encode(), kind)
    return head + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(content) + content


def test_requests_and_answers_that_break_off_are_no_defect(server: Watched) -> None:
    """A reader who leaves in the middle of a head, a body or an answer, or with more behind it, leaves no trace."""
    call = json.dumps(body(0, [WORD, None, None])).encode()
    asked = json.dumps({"question": WORD}).encode()
    for whole in (request("POST", JOIN, call), request("POST", "/api/ask", asked)):
        for length in range(0, len(whole), 7):
            leave(server, whole[:length], 0.0, abruptly=False)
    # Larger files than a connection holds, and streams.
    asset = next(part for part in httpx.get(server.address).text.split('"') if part.startswith("./assets/"))
    answered = [
        *(request("GET", path) for path in ("/", "/config", "/about", "/api/docs", "/site/chat.js", asset[1:])),
        request("GET", f"/gradio_api/queue/data?session_hash={WORD}tab"),
        request("POST", "/api/ask", asked),
        request("POST", "/api/ask", asked, b"text/event-stream"),
    ]
    for function, components in server.functions.items():
        answered.append(request("POST", JOIN, json.dumps(body(function, [*map(proper, components)])).encode()))
    moments, ways = (0.0, 0.005, 0.05), (True, False)
    for first, is_followed, moment, abruptly in itertools.product(answered, ways, moments, ways):
        leave(server, first + answered[6] * is_followed, moment, abruptly=abruptly)
    server.assert_unharmed()


def leave(server: Watched, sent: bytes, moment: float, *, abruptly: bool) -> None:
    """Send so much, wait so many seconds, and leave."""
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        if abruptly:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(sent)
        time.sleep(moment)


# Programs


@pytest.mark.parametrize("mode", GenerationMode)
def test_any_request_gets_what_the_description_says(server: Watched, mode: GenerationMode) -> None:
    """Whether a request fits the description or not, the response is one that the description names, and no defect."""
    operation: Any = schemathesis.openapi.from_url(f"{server.address}/api/openapi.json")["/api/ask"]["POST"]

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def requests(case: Case[Any]) -> None:
        response = case.call(timeout=30)
        # Schemathesis does not know that "too large" is a refusal as well.
        excluded: list[Any] = [negative_data_rejection] if response.status_code == 413 else []
        case.validate_response(response, excluded_checks=excluded)
        assert response.status_code < 500
        assert "Traceback" not in response.text

    requests()
    server.assert_unharmed()


# Words


def test_nothing_that_is_sent_tells_where_something_stands_in_memory(client: httpx.Client) -> None:
    """No object of Python's is described to a browser."""
    for path in ("/", "/config"):
        assert " at 0x" not in client.get(path).text


@pytest.mark.parametrize("path", ["/nothing", "/article/unknown", "/site/unknown", "/gradio_api/run/predict"])
def test_a_wrong_link_leads_to_a_page_with_a_way_back(client: httpx.Client, path: str) -> None:
    """It has a title and a language, and links to the chat; a program below /api gets the form of all errors."""
    response = client.get(path)
    assert response.status_code == 404
    assert response.text.startswith('<!doctype html><html lang="en">')
    assert "<title>" in response.text
    assert 'href="/"' in response.text
    assert client.get("/api/unknown").json()["status"] == "invalid_request"
