"""What every connection and every response has to pass: limits of size and time, closed doors, and security headers.

Plain ASGI, so that streams are left alone. Knows nothing of what is asked or answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
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

OPEN_PATHS = (
    # Ours
    "/about",
    "/api/",
    "/article/",
    "/articles",
    "/healthz",
    "/mcp",
    "/metrics",
    "/readyz",
    "/site/",
    # Gradio's, which its page asks for
    "/assets/",
    "/config",
    "/favicon.ico",
    "/gradio_api/app_id",
    "/gradio_api/cancel",
    "/gradio_api/heartbeat/",
    "/gradio_api/info",
    "/gradio_api/queue/",
    "/gradio_api/reset",
    "/gradio_api/run/",
    "/gradio_api/startup-events",
    "/manifest.json",
    "/robots.txt",
    "/static/",
    "/svelte/",
    "/theme.css",
)
"""All else that Gradio answers is closed: files, uploads, proxying, recordings, monitoring, and what a release adds."""

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
    """Closes what no page of ours asks for, ends what takes too long, and gives every response its headers."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the application, which is to be the outermost but for this."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            app = self._app if _is_open(scope["path"]) else PlainTextResponse("Not found", status_code=404)
            send = _with_headers(send, _headers(scope["path"]))
            try:
                await app(scope, _in_time(receive), send)
            except HTTPException as refusal:
                # A body that takes too long, where it was read before the application, which has words of its own.
                response = PlainTextResponse(refusal.detail, refusal.status_code, dict(refusal.headers or {}))
                await response(scope, receive, send)


def _is_open(path: str) -> bool:
    return path == "/" or path.startswith(OPEN_PATHS)


def _headers(path: str) -> Mapping[str, str]:
    return _HEADERS | {"content-security-policy": PAGE_POLICY} if path == "/" else _HEADERS


def _in_time(receive: Receive) -> Receive:
    """Return a `receive` that gives up a body which takes too long; waiting for the end of a response may take ages."""
    deadline = time.monotonic() + BODY_SECONDS
    is_whole = False

    async def receive_in_time() -> Message:
        nonlocal is_whole
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                message = await receive()
        except TimeoutError as error:
            told = f"The body took too long: send it within {BODY_SECONDS:g} seconds."
            raise HTTPException(408, told, headers={"connection": "close"}) from error
        is_whole = not message.get("more_body", False)
        return message

    return receive_in_time


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
