"""A model server that speaks OpenAI's protocol over real HTTP and misbehaves in every way that has been met.

    with running() as endpoint:
        endpoint.behaviour = "stalls"
        ...                            # ask through init_chat_model("openai:x", base_url=endpoint.address)
        endpoint.behaviour = "answers"

A behaviour is a function that gets the open connection after the request was read; what it writes goes out as it is.
"""

import itertools
import json
import re
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
DONE = b"data: [DONE]\n\n"
TEXT = "Violent crime has fallen by nearly 18 percent since 2014."
"""What it says when it says something; the article that ships supports it."""
HALF = "Violent crime has fallen by nearly"


class Endpoint:
    """The server; set `behaviour` at any time, it counts from the next request on."""

    def __init__(self, address: str) -> None:
        """Take the base URL under which it is reached."""
        self.address = address
        self.behaviour = "answers"
        self.bodies: list[dict[str, Any]] = []
        """The body of every request so far."""
        self.hung_up = threading.Event()
        """Set when a client has closed its connection before the server had said everything."""
        self.closing = threading.Event()


class Connection(socketserver.StreamRequestHandler):
    """One request, answered by the endpoint's behaviour."""

    def handle(self) -> None:
        """Read the request and misbehave."""
        endpoint = cast("_Server", self.server).endpoint
        try:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                if not (line := self.rfile.readline()):
                    raise ConnectionResetError
                head += line
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            endpoint.bodies.append(json.loads(self.rfile.read(int(length[1]) if length else 0)))
            BEHAVIOURS[endpoint.behaviour](self)
        except OSError:
            endpoint.hung_up.set()

    def send(self, *parts: bytes) -> None:
        """Write at once."""
        for part in parts:
            self.wfile.write(part)
            self.wfile.flush()

    def pause(self, seconds: float) -> None:
        """Wait; raise where the client has gone or the test is over."""
        self.connection.settimeout(0.01)
        for _ in range(int(seconds * 50)):
            if cast("_Server", self.server).endpoint.closing.wait(0.01):
                raise ConnectionAbortedError
            try:
                if not self.connection.recv(1, socket.MSG_PEEK):
                    raise ConnectionResetError
            except TimeoutError:
                continue
        self.connection.settimeout(None)

    def hang(self) -> None:
        """Say nothing until the client goes."""
        self.pause(3600)

    def reset(self) -> None:
        """Close as a crashed process does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def chunk(content: str | None = None, finish: str | None = None, **more: object) -> bytes:
    """Return one event of a stream."""
    delta = {"content": content} if content is not None else {}
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return event({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices} | more)


def event(data: object) -> bytes:
    """Return an event with JSON in it."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def response(status: str, body: bytes, *headers: str, kind: str = "application/json") -> bytes:
    """Return a whole response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def words(text: str) -> list[bytes]:
    """Return a stream of the words of a text, without its end."""
    return [STREAM, *(chunk(word) for word in re.findall(r"\s*\S+", text))]


def _error(status: str, *headers: str) -> Callable[[Connection], None]:
    body = json.dumps({"error": {"message": "secret: key sk-123", "type": "x", "code": None}}).encode()
    return lambda connection: connection.send(response(status, body, *headers))


def _says(*parts: bytes) -> Callable[[Connection], None]:
    return lambda connection: connection.send(*parts)


def _first(fault: Callable[[Connection], None]) -> Callable[[Connection], None]:
    """Misbehave once, then answer."""

    def behave(connection: Connection) -> None:
        endpoint = cast("_Server", connection.server).endpoint
        (fault if len(endpoint.bodies) == 1 else BEHAVIOURS["answers"])(connection)

    return behave


def _stalls(connection: Connection) -> None:
    connection.send(*words(HALF))
    connection.hang()


def _drips(connection: Connection) -> None:
    connection.send(STREAM)
    for word in itertools.cycle(TEXT.split()):
        connection.send(chunk(f"{word} "))
        connection.pause(0.04)


def _drips_headers(connection: Connection) -> None:
    for byte in itertools.chain(STREAM[:-2], itertools.repeat(ord("x"))):
        connection.send(bytes([byte]))
        connection.pause(0.05)


def _pings(connection: Connection) -> None:
    connection.send(STREAM)
    while True:
        connection.send(b": keep-alive\n\n")
        connection.pause(0.05)


def _floods(connection: Connection) -> None:
    connection.send(STREAM)
    while not cast("_Server", connection.server).endpoint.closing.is_set():
        connection.send(chunk("crime has fallen and " * 50))


def _drops(connection: Connection) -> None:
    connection.send(*words(HALF))
    connection.pause(0.1)
    connection.reset()


BEHAVIOURS: dict[str, Callable[[Connection], None]] = {
    "answers": _says(*words(TEXT), chunk(finish="stop"), DONE),
    # No response
    "hangs": Connection.hang,
    "hangs up": Connection.reset,
    "closes without a word": lambda connection: None,
    "talks another protocol": _says(b"220 mail.test ESMTP\r\n"),
    "drips its headers": _drips_headers,
    # A response that is none
    "500": _error("500 Internal Server Error"),
    "503": _error("503 Service Unavailable"),
    "429": _error("429 Too Many Requests", "Retry-After: 50"),
    "401": _error("401 Unauthorized"),
    "404": _error("404 Not Found"),
    "400": _error("400 Bad Request"),
    "500 without a body": _says(response("500 Internal Server Error", b"")),
    "a web page": _says(response("200 OK", b"<html><h1>Log in</h1></html>", kind="text/html")),
    "a web page as an error": _says(response("502 Bad Gateway", b"<html>nginx</html>", kind="text/html")),
    "503 once": _first(_error("503 Service Unavailable", "Retry-After: 0")),
    "hangs up once": _first(Connection.reset),
    # A stream that breaks
    "stalls": _stalls,
    "drips": _drips,
    "keeps alive and says nothing": _pings,
    "floods": _floods,
    "drops": _drops,
    "drops before a word": _says(STREAM),
    "never ends its stream": _says(*words(HALF)),
    "breaks its JSON": _says(*words(HALF), b'data: {"choices": [{"delta"\n\n'),
    "sends other JSON": _says(*words(HALF), event([1, None, "x"])),
    "sends bytes that are no text": _says(*words(HALF), b'data: {"choices": "\xff\xfe\x80"}\n\n'),
    "sends an error": _says(*words(HALF), event({"error": {"message": "out of memory", "code": 500}})),
    # A stream that ends well and says little
    "says nothing": _says(STREAM, chunk(finish="stop"), DONE),
    "says white space": _says(STREAM, chunk(" \n "), chunk(finish="stop"), DONE),
    "only thinks": _says(STREAM, chunk("<think>Crime has fallen by 18 percent.</think>"), chunk(finish="stop"), DONE),
    "has no choices": _says(STREAM, event({"id": "x", "object": "chat.completion.chunk", "choices": []}), DONE),
    "has no room": _says(*words(HALF), chunk(finish="length"), DONE),
    "is filtered": _says(*words(HALF), chunk(finish="content_filter"), DONE),
    "calls a tool": _says(
        STREAM,
        event(
            {
                "id": "x",
                "object": "chat.completion.chunk",
                "choices": [
                    {
                        "index": 0,
                        "delta": {
                            "tool_calls": [
                                {"index": 0, "id": "t", "function": {"name": "run", "arguments": '{"x": "rm"}'}}
                            ]
                        },
                        "finish_reason": "tool_calls",
                    }
                ],
            }
        ),
        DONE,
    ),
}


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False
    endpoint: Endpoint


@contextmanager
def running(port: int = 0) -> Iterator[Endpoint]:
    """Run the server on this machine, on any free port where none is named."""
    with _Server(("127.0.0.1", port), Connection) as server:
        server.endpoint = Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.endpoint
        finally:
            server.endpoint.closing.set()
            server.shutdown()
            thread.join()
