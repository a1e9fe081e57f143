"""What is the same for all visitors, made once: the page, and the files that it looks and works by.

Gradio builds its page and compresses each file anew for each visitor, which a crowd would wait for. The files do not
change while the process lives; the page changes with the articles, and is forgotten then. There are no more files than
the package has; of the page, which names its own address, a few are kept. Plain ASGI.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import MutableMapping
from http import HTTPStatus

from cachetools import LRUCache
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.web.middleware import EMBEDDED, PAGE

_PAGES = (*PAGE, EMBEDDED)
_FILES = ("/assets/", "/site/", "/static/", "/theme.css")
_ASKS_FOR_OTHER = ("if-modified-since", "if-none-match", "if-range", "range")
_MOST_PAGES = 100
"""Each takes about 60 kB."""

_Key = tuple[str, ...]


class Assets:
    """Answers from memory what was asked for before, and passes on the rest."""

    def __init__(self, app: ASGIApp, most_pages: int = _MOST_PAGES) -> None:
        """Take the application, and how many pages are kept."""
        self._app = app
        self._files: dict[_Key, asyncio.Task[list[Message]]] = {}
        self._pages: LRUCache[_Key, asyncio.Task[list[Message]]] = LRUCache(most_pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "GET" or not _is_for_all(scope):
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        is_page = scope["path"] in _PAGES
        headers = {
            "accept-encoding": next((way for way in ("br", "gzip") if way in asked.get("accept-encoding", "")), "")
        }
        headers |= {name: asked.get(name, "") for name in ("host", "x-forwarded-proto") if is_page}
        kept: MutableMapping[_Key, asyncio.Task[list[Message]]] = self._pages if is_page else self._files
        key = (scope["path"], scope["scheme"] if is_page else "", *headers.values())
        # A task of its own: others who ask meanwhile share it, and a visitor who leaves does not end it.
        made = kept.get(key) or kept.setdefault(key, asyncio.create_task(self._made(scope, headers)))
        try:
            messages = await asyncio.shield(made)
        except Exception:
            kept.pop(key, None)
            raise
        if messages[0]["status"] != HTTPStatus.OK:
            kept.pop(key, None)
        for message in messages:
            await send(message)

    def forget_pages(self) -> None:
        """Have the page made anew for those who ask from now on; from any thread."""
        self._pages = LRUCache(self._pages.maxsize)

    async def _made(self, scope: Scope, headers: dict[str, str]) -> list[Message]:
        """Return the parts of the response to nothing but the path and these headers."""
        sent: list[Message] = []

        async def receive() -> Message:
            return await asyncio.Future()  # Nobody leaves.

        async def keep(message: Message) -> None:
            sent.append(message)

        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items() if value]
        await self._app({**scope, "query_string": b"", "headers": encoded}, receive, keep)
        return sent


def _is_for_all(scope: Scope) -> bool:
    """Whether the page or a whole file is asked for, by the one spelling of its path: no more is kept than there is."""
    path = scope["path"]
    return path in _PAGES or (
        path.startswith(_FILES)
        and path == posixpath.normpath(path)
        and not any(name in Headers(scope=scope) for name in _ASKS_FOR_OTHER)
    )
