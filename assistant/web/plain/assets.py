"""The files that the page looks and works by, kept as they were first sent.

Gradio compresses each of them anew for each visitor, which takes 130 ms of a processor a visit. They are the same for
all and do not change while the process lives, and there are no more of them than the package has. Plain ASGI.
"""

from __future__ import annotations

import posixpath
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FILES = ("/assets/", "/site/", "/static/", "/theme.css")
_ASKS_FOR_OTHER = ("if-modified-since", "if-none-match", "if-range", "range")


class Assets:
    """Answers from memory for a file that was sent before, and passes on the rest."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the application."""
        self._app = app
        self._kept: dict[tuple[str, bool, bool], list[Message]] = {}
        """By path, and whether the visitor takes Brotli and gzip: the parts of the response."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not _is_for_file(scope):
            await self._app(scope, receive, send)
            return
        accepted = Headers(scope=scope).get("accept-encoding", "")
        key = (scope["path"], "br" in accepted, "gzip" in accepted)
        sent: list[Message] = []
        if key not in self._kept:

            async def keep(message: Message) -> None:
                sent.append(message)

            # Whole before it is sent, so that a slow visitor holds up nobody who wants the same.
            await self._app(scope, receive, keep)
            if sent[0]["status"] == HTTPStatus.OK:
                self._kept[key] = sent
        for message in self._kept.get(key, sent):
            await send(message)


def _is_for_file(scope: Scope) -> bool:
    """Whether a whole file is asked for, by the one spelling of its path: so no more is kept than there is."""
    if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(_FILES):
        return False
    headers = Headers(scope=scope)
    return scope["path"] == posixpath.normpath(scope["path"]) and not any(name in headers for name in _ASKS_FOR_OTHER)
