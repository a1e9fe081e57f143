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

from replies import completion, reply_to

HALF = '{"answerable": "yes", "sentences": [{"text": "Violent crime has'


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
        endpoint = self.endpoint
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

    @property
    def endpoint(self) -> Endpoint:
        """What the connection belongs to."""
        return cast("_Server", self.server).endpoint

    def send(self, *parts: bytes) -> None:
        """Write at once."""
        for part in parts:
            self.wfile.write(part)
            self.wfile.flush()

    def pause(self, seconds: float) -> None:
        """Wait; raise where the client has gone or the test is over."""
        self.connection.settimeout(0.01)
        for _ in range(int(seconds * 50)):
            if self.endpoint.closing.wait(0.01):
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


def response(status: str, body: bytes, *headers: str, kind: str = "application/json") -> bytes:
    """Return a whole response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def _error(status: str, *headers: str, told: str = "secret: key sk-123") -> Callable[[Connection], None]:
    body = json.dumps({"error": {"message": told, "type": "x", "code": None}}).encode()
    return lambda connection: connection.send(response(status, body, *headers))


def _says(*parts: bytes) -> Callable[[Connection], None]:
    return lambda connection: connection.send(*parts)


def _replies(content: str, finish: str = "stop", **more: object) -> Callable[[Connection], None]:
    return _says(response("200 OK", json.dumps(completion(content, finish, **more)).encode()))


def _first(fault: Callable[[Connection], None]) -> Callable[[Connection], None]:
    """Misbehave once, then answer."""

    def behave(connection: Connection) -> None:
        (fault if len(connection.endpoint.bodies) == 1 else _answers)(connection)

    return behave


def _for_poison(fault: Callable[[Connection], None]) -> Callable[[Connection], None]:
    """Misbehave where the question has the word."""

    def behave(connection: Connection) -> None:
        (fault if "poison" in str(connection.endpoint.bodies[-1]["messages"]) else _answers)(connection)

    return behave


def _answers(connection: Connection) -> None:
    _replies(reply_to(connection.endpoint.bodies[-1]["messages"]))(connection)


def _without(*names: str) -> Callable[[Connection], None]:
    """Refuse a request that has one of some parameters, as a model that does not take it."""

    def behave(connection: Connection) -> None:
        taken = [name for name in names if name in connection.endpoint.bodies[-1]]
        told = f"`{taken[0]}` is not supported with this model" if taken else ""
        (_error("400 Bad Request", told=told) if taken else _answers)(connection)

    return behave


def _stalls(connection: Connection) -> None:
    whole = response("200 OK", json.dumps(completion(HALF)).encode())
    connection.send(whole[: len(whole) // 2])
    connection.hang()


def _drips_headers(connection: Connection) -> None:
    for byte in itertools.chain(b"HTTP/1.1 200 OK\r\nX: ", itertools.repeat(ord("x"))):
        connection.send(bytes([byte]))
        connection.pause(0.05)


def _drops(connection: Connection) -> None:
    whole = response("200 OK", json.dumps(completion(HALF)).encode())
    connection.send(whole[: len(whole) // 2])
    connection.pause(0.1)
    connection.reset()


_WRONG = json.dumps({"answerable": "perhaps", "sentences": "Violent crime has fallen."})

BEHAVIOURS: dict[str, Callable[[Connection], None]] = {
    "answers": _answers,
    # No response
    "hangs": Connection.hang,
    "hangs up": Connection.reset,
    "closes without a word": lambda connection: None,
    "talks another protocol": _says(b"220 mail.test ESMTP\r\n"),
    "drips its headers": _drips_headers,
    "stalls": _stalls,
    "drops": _drops,
    # A response that is none
    "500": _error("500 Internal Server Error"),
    "503": _error("503 Service Unavailable"),
    "429": _error("429 Too Many Requests", "Retry-After: 50"),
    "401": _error("401 Unauthorized"),
    "403": _error("403 Forbidden"),
    "403 for poison": _for_poison(_error("403 Forbidden")),
    "402": _error("402 Payment Required"),
    "no credit": _error("429 Too Many Requests", told="You exceeded your quota: insufficient_quota"),
    "404": _error("404 Not Found"),
    "400": _error("400 Bad Request"),
    "too long": _error("400 Bad Request", told="This model's maximum context length is 4096 tokens"),
    "500 without a body": _says(response("500 Internal Server Error", b"")),
    "a web page": _says(response("200 OK", b"<html><h1>Log in</h1></html>", kind="text/html")),
    "a web page as an error": _says(response("502 Bad Gateway", b"<html>nginx</html>", kind="text/html")),
    "other JSON": _says(response("200 OK", b'[1, null, "x"]')),
    # A reply that is none
    "says nothing": _replies(""),
    "says white space": _replies(" \n "),
    "only thinks": _replies("<think>Crime has fallen by 18 percent.</think>"),
    "talks": _replies("Crime has fallen by 18 percent."),
    "half of its JSON": _replies(HALF),
    "another form": _replies(_WRONG),
    "has no room": _replies(HALF, "length"),
    "is filtered": _replies("", "content_filter"),
    "refuses": _replies("", refusal="I cannot help with that."),
    # What a reader does not notice
    "503 once": _first(_error("503 Service Unavailable", "Retry-After: 0")),
    "hangs up once": _first(Connection.reset),
    "another form once": _first(_replies(_WRONG)),
    "no temperature": _without("temperature"),
    "no schemas": _without("response_format"),
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
