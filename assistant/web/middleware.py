"""What every connection and every response has to pass: limits of size and time, closed doors, and security headers.

Plain ASGI, so that streams are left alone. Knows nothing of what is asked or answered.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 32_768
"""Of the request line and the headers."""
MAX_BODY_BYTES = 65_536
"""The page sends a question and little else; one that is merely too long is to reach the assistant, which says so."""
HEAD_SECONDS = 10.0
"""From the connection, or the first byte of a later request, to the end of the headers."""
BODY_SECONDS = 20.0
"""From the headers to the end of the body."""
SEND_SECONDS = 30.0
"""In which a reader must take what was sent, a few thousand bytes at most being on the way."""
_TOO_LARGE = f"The body is too large: send at most {MAX_BODY_BYTES} bytes."
_PAGE = ("/", "/config")
"""What stands behind their question mark is for the page's script."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")

OPEN_PATHS = frozenset(
    (
        "/",
        # Ours
        "/about",
        "/articles",
        "/healthz",
        "/mcp",
        "/metrics",
        "/readyz",
        # Gradio's, which its page asks for
        "/config",
        "/favicon.ico",
        "/gradio_api/app_id",
        "/gradio_api/queue/data",
        "/gradio_api/queue/join",
        "/manifest.json",
        "/robots.txt",
        "/theme.css",
    )
)
OPEN_FOLDERS = ("/api/", "/article/", "/assets/", "/gradio_api/heartbeat/", "/site/", "/static/")
"""All else that Gradio answers is closed: calls past its queue, files, uploads, proxying, and what a release adds."""

# Gradio's page needs inline scripts and styles; no part of it may load from, or send to, another machine.
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'; font-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'self'; frame-ancestors 'self'; object-src 'none'"
)
PLAIN_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""For what needs no script: articles, what is said about the assistant, errors, and everything that is no page."""

_HEADERS = {
    "content-security-policy": PLAIN_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Guard:
    """Closes what no page of ours asks for, ends what is too large or slow, and gives every response its headers."""

    def __init__(self, app: ASGIApp, refused: Callable[[str, HTTPException], Response]) -> None:
        """Take the application, which is to be the outermost but for this, and what is said of a refusal at a path."""
        self._app = app
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            path = scope["path"]
            send = _with_headers(send, _headers(path))
            try:
                _check(scope)
                await self._app(_passed_on(scope), _limited(receive), send)
            except HTTPException as refusal:
                response = self._refused(path, refusal)
                response.headers.setdefault("content-security-policy", PLAIN_POLICY)
                await response(scope, receive, send)
            except ClientDisconnect:
                pass  # Before the body was whole; nobody is there to be told.


def _check(scope: Scope) -> None:
    """Look at the head of a request.

    Raises:
        HTTPException: it goes no further.
    """
    headers = Headers(scope=scope)
    size = len(scope["raw_path"]) + len(scope["query_string"]) + sum(len(n) + len(v) for n, v in scope["headers"])
    if size > MAX_HEAD_BYTES:
        raise HTTPException(431, f"The address and the headers are too long: send at most {MAX_HEAD_BYTES} bytes.")
    hosts = headers.getlist("host")
    forwarded = [host.strip() for host in ",".join(headers.getlist("x-forwarded-host")).split(",") if host.strip()]
    if len(hosts) != 1 or not all(_HOST.fullmatch(host) for host in hosts + forwarded):
        raise HTTPException(400, "Say in one Host header which host is meant.")
    if int(headers.get("content-length", "0")) > MAX_BODY_BYTES:
        raise HTTPException(413, _TOO_LARGE)
    if scope["path"] not in OPEN_PATHS and not scope["path"].startswith(OPEN_FOLDERS):
        raise HTTPException(404, "There is nothing at this address.")


_BELIEVED = (b"x-gradio-server", b"x-forwarded-host")
"""Headers by which a stranger could tell Gradio's page where it is."""


def _passed_on(scope: Scope) -> Scope:
    """Return the request without what Gradio would believe of a stranger: links to states, and which server it is."""
    query = b"" if scope["path"] in _PAGE else scope["query_string"]
    headers = [(name, value) for name, value in scope["headers"] if name not in _BELIEVED]
    return {**scope, "query_string": query, "headers": headers}


def _headers(path: str) -> Mapping[str, str]:
    return _HEADERS | {"content-security-policy": PAGE_POLICY} if path == "/" else _HEADERS


def _limited(receive: Receive) -> Receive:
    """Return a `receive` that gives up a body which is too large or takes too long.

    Waiting for the end of a response may take ages.
    """
    deadline = time.monotonic() + BODY_SECONDS
    size = 0
    is_whole = False

    async def receive_limited() -> Message:
        nonlocal size, is_whole
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                message = await receive()
        except TimeoutError as error:
            told = f"The body took too long: send it within {BODY_SECONDS:g} seconds."
            raise HTTPException(408, told, headers={"connection": "close"}) from error
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE, headers={"connection": "close"})
        is_whole = not message.get("more_body", False)
        return message

    return receive_limited


def _with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    """Return a `send` that adds the headers which are missing, and gives up a reader who takes nothing any more."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            all_ours = {name.encode(): value.encode() for name, value in headers.items()}
            missing = [(name, value) for name, value in all_ours.items() if name not in present]
            message = {**message, "headers": [*message["headers"], *missing]}
        async with asyncio.timeout(SEND_SECONDS):
            await send(message)

    return send_with_headers


class PatientProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, which by itself waits for the headers of a request for ever, whatever their size."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._head_bytes: int | None = 0
        self._head_timer = self.loop.call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._head_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Close the connection when its headers do not end."""
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response("The headers are too long.")

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, with the headers of every response."""
        told = {**_HEADERS, "content-type": "text/plain", "content-length": str(len(msg)), "connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        self.transport.write(f"HTTP/1.1 400 Bad Request\r\n{head}\r\n{msg}".encode())
        self.transport.close()

    def on_message_begin(self) -> None:
        """Begin to wait for the headers."""
        self._head_timer.cancel()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)
        self._head_bytes = self._head_bytes or 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop waiting."""
        self._head_timer.cancel()
        self._head_bytes = None
        super().on_headers_complete()
