"""What every visitor gets alike, made once: the page, and the files that it looks and works by.

Gradio builds its page anew for each visitor, and reads and compresses each file anew, which a crowd would wait for.
Plain ASGI. Knows nothing of what is in a response.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 32_000_000
"""Of all bodies together; beyond it the ones used longest ago are forgotten. One visit takes about 1.5 MB."""

MAX_RESPONSES = 500
"""Of any size; one visit takes about 60."""
_MAX_KEY_CHARACTERS = 500
"""A longer path or address is no browser's."""

_PATHS = ("/assets/", "/config", "/favicon.ico", "/site/", "/static/", "/svelte/", "/theme.css")
_ASKS_FOR_OTHER = ("authorization", "if-modified-since", "if-none-match", "if-range", "range")
_MAKES_A_DIFFERENCE = ("host", "x-forwarded-host", "x-forwarded-proto")
"""The page names its own address."""

_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Response:
    start: Message
    body: bytes


class ResponseCache:
    """Answers from memory what is the same for all, and passes on the rest."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the application, in which nothing that is kept may change while the process lives."""
        self._app = app
        self._kept: OrderedDict[_Key, _Response] = OrderedDict()
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        key = _key(scope) if scope["type"] == "http" else None
        if key is None:
            await self._app(scope, receive, send)
            return
        if kept := self._kept.get(key):
            self._kept.move_to_end(key)
            # Those around it add headers of their own.
            await send({**kept.start, "headers": list(kept.start["headers"])})
            await send({"type": "http.response.body", "body": kept.body})
            return
        # What stands behind the question mark is for the script of the page; the server must not mix it in.
        await self._made(key, {**scope, "query_string": b""}, receive, send)

    async def _made(self, key: _Key, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        body: list[bytes] = []

        async def send_and_keep(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = {**message, "headers": list(message.get("headers", ()))}
            else:
                body.append(message.get("body", b""))
                if not message.get("more_body", False) and start["status"] == 200 and not _sets_cookie(start):
                    self._keep(key, _Response(start, b"".join(body)))
            await send(message)

        await self._app(scope, receive, send_and_keep)

    def _keep(self, key: _Key, response: _Response) -> None:
        if before := self._kept.pop(key, None):
            self._bytes -= len(before.body)
        self._kept[key] = response
        self._bytes += len(response.body)
        while self._bytes > MAX_BYTES or len(self._kept) > MAX_RESPONSES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.body)


def _key(scope: Scope) -> _Key | None:
    """Return what the response depends on; None where it may differ from visitor to visitor."""
    path: str = scope["path"]
    if scope["method"] != "GET" or not (path == "/" or path.startswith(_PATHS)):
        return None
    headers = Headers(scope=scope)
    if any(name in headers for name in _ASKS_FOR_OTHER):
        return None
    accepted = headers.get("accept-encoding", "")
    encodings = ("br" in accepted, "gzip" in accepted)
    told = [headers.get(name, "") for name in _MAKES_A_DIFFERENCE]
    return None if len(path) + sum(map(len, told)) > _MAX_KEY_CHARACTERS else (path, scope["scheme"], encodings, *told)


def _sets_cookie(start: Message) -> bool:
    return any(name.lower() == b"set-cookie" for name, _ in start["headers"])
