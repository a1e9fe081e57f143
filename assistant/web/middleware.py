"""What every connection and every response has to pass: limits of size and time, closed doors, and security headers.

Plain ASGI, so that streams are left alone.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from assistant.settings import Names, Networks, Settings
from assistant.web.limits import is_in

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
MAX_PATH_BYTES = 255
"""Nothing of ours has a longer one, and the system looks for no file of a longer name but fails."""
PAGE = ("/", "/config")
"""What stands behind their question mark is for the page's script. They go with the process that made them."""
_OWN_NAMES = ("127.0.0.1", "localhost", "[::1]", "::1")
"""Of this machine for itself."""
EMBEDDED = "/embed"
EMBEDDED_SCRIPTS = ("/embed.js", "/embed/frame.js")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")

_HEALTH = ("/healthz", "/readyz")
"""A supervisor asks by an address, or in HTTP/1.0 names no host."""
_OURS = ("/", "/about", "/articles", "/desk", "/healthz", "/mcp", "/metrics", "/readyz")
_OF_GRADIOS_PAGE = ("/config", "/favicon.ico", "/manifest.json", "/robots.txt", "/theme.css")
_OF_GRADIOS_QUEUE = ("/gradio_api/app_id", "/gradio_api/queue/data", "/gradio_api/queue/join")
OPEN_PATHS = frozenset((*_OURS, EMBEDDED, *EMBEDDED_SCRIPTS, *_OF_GRADIOS_PAGE, *_OF_GRADIOS_QUEUE))
OPEN_FOLDERS = ("/api/", "/article/", "/assets/", "/site/", "/static/")
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


def served_names(settings: Settings) -> Names:
    """Return the host names that are answered to, empty for any.

    What only this machine can reach has only its own names: another name that leads here is a foreign page's trick.
    """
    if settings.names or settings.trusted_proxies or settings.host not in _OWN_NAMES:
        return settings.names
    return _OWN_NAMES


def guarded(app: ASGIApp, refused: Callable[[str, HTTPException], Response], names: Names = ()) -> ASGIApp:
    """Close what no page of ours asks for, end what is too large or slow, and give every response its headers.

    `app` is to be the outermost but for this; `refused` returns what is said of a refusal at a path. Where there are
    `names`, a host of another name is not served here. HEAD is answered as GET is, up to the body.
    """

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        path = scope["path"]
        policy = {"content-security-policy": PAGE_POLICY} if path == "/" else {}
        send = with_headers(send, _HEADERS | policy | ({"cache-control": "no-store"} if path in PAGE else {}))
        if scope["method"] == "HEAD":
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        # A client that left before the end gets no answer.
        with suppress(ClientDisconnect):
            try:
                _check(scope, names)
                await app(_passed_on(scope), _limited(receive), send)
            except HTTPException as refusal:
                response = refused(path, refusal)
                response.headers.setdefault("content-security-policy", PLAIN_POLICY)
                await response(scope, receive, send)

    return guard


def _check(scope: Scope, names: Names) -> None:
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
    is_told = len(hosts) == 1 or (not hosts and scope["http_version"] == "1.0" and scope["path"] in _HEALTH)
    if not is_told or not all(_HOST.fullmatch(host) for host in hosts + forwarded):
        raise HTTPException(400, "Say in one Host header which host is meant.")
    if names and scope["path"] not in _HEALTH and re.sub(r"\.?(:[0-9]+)?$", "", hosts[0]).lower() not in names:
        raise HTTPException(
            421, "This assistant is not served under this name; its operator can add it to ASSISTANT_NAMES."
        )
    if int(headers.get("content-length", "0")) > MAX_BODY_BYTES:
        raise HTTPException(413, _TOO_LARGE)
    is_open = scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_FOLDERS)
    if not is_open or len(scope["path"].encode()) > MAX_PATH_BYTES:
        raise HTTPException(404, "There is nothing at this address.")


def without_lent_address(scope: Scope, proxies: Networks) -> Scope:
    """Return the request without an address where a trusted proxy forwarded it and left out whose it is.

    Uvicorn then leaves the address of the proxy itself, which may do what no stranger may. It takes the last that is no
    proxy's, so where one was named the address is none of `proxies`.
    """
    if scope["type"] != "http":
        return scope
    told = [address.strip() for each in Headers(scope=scope).getlist("x-forwarded-for") for address in each.split(",")]
    believed = is_in(scope["client"][0] if scope["client"] else "", proxies)
    return {**scope, "client": ("", 0)} if believed and not all(is_in(each, proxies) for each in told) else scope


_BELIEVED = (b"x-gradio-server", b"x-forwarded-host")
"""Headers by which a stranger could make Gradio's page use another address."""


def _passed_on(scope: Scope) -> Scope:
    """Return the request without what Gradio would believe of a stranger: links to states, and which server it is."""
    query = b"" if scope["path"] in PAGE else scope["query_string"]
    headers = [(name, value) for name, value in scope["headers"] if name not in _BELIEVED]
    return {**scope, "query_string": query, "headers": headers}


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


def with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    """Return a `send` that adds those of the headers which are missing."""
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            missing = [(name, value) for name, value in encoded if name not in present]
            message = {**message, "headers": [*message["headers"], *missing]}
        await send(message)

    return send_with_headers


def _without_body(send: Send) -> Send:
    """Return a `send` that ends the response, and the work on it, where its body would begin."""

    async def send_head(message: Message) -> None:
        await send(message)
        await send({"type": "http.response.body"})
        raise ClientDisconnect

    return send_head


class PatientProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, which by itself waits for ever: for headers, whatever their size, and for a slow reader."""

    _send_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._cycles: list[RequestResponseCycle] = []
        self._head_bytes: int | None = 0
        self._head_timer = self.loop.call_later(HEAD_SECONDS, transport.close)

    def pause_writing(self) -> None:
        """Wait for a reader who takes nothing, and not for ever."""
        super().pause_writing()
        self._send_timer = self.loop.call_later(SEND_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting."""
        if self._send_timer:
            self._send_timer.cancel()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request of the connection, also one that others follow already; Uvicorn tells the last alone."""
        self._head_timer.cancel()
        if self._send_timer:
            self._send_timer.cancel()
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Close the connection when its headers do not end."""
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response("The headers are too long.")

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: otherwise strangers could fill the log by asking for WebSockets."""

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
        self._cycles = [cycle for cycle in (*self._cycles, self.cycle) if not cycle.response_complete]
