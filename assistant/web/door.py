"""Tells a reader at once to wait where as many have asked as can be served or stand in line.

The line itself would say so too, but only after Gradio has taken the question up, which takes seconds in a crowd. The
page shows what is refused here as a notice, and leaves the question in its box. What is let in is handed to Gradio a
few at a time: many at once would take as long in all, and keep everybody else waiting. Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection

from gradio.queueing import Queue
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_JOIN = "/gradio_api/queue/join"
_OTHERS_AT_ONCE = 8
"""How many of what asks nothing, as a page that begins, Gradio has in hand at once: a few milliseconds each."""
_LOOK_SECONDS = 0.005
_REFUSED = 429
"""Gradio's page has words of its own for 503, and a proxy would ask another process."""


class Door:
    """Lets so many questions through to Gradio's queue."""

    def __init__(
        self, app: ASGIApp, queue: Queue, asking: Collection[int], room: int, refuse: Callable[[], str]
    ) -> None:
        """Take the application, its queue, which of its functions ask, and what notes a refusal and words it."""
        self._app = app
        self._queue = queue
        self._asking = frozenset(asking)
        self._room = room
        self._refuse = refuse
        self._entering = 0
        self._first = asyncio.Lock()
        """Of those who wait to be handed on, only the first looks whether it can be."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/") != _JOIN:
            await self._app(scope, receive, send)
            return
        body = await _whole(receive)
        if not self._asks(body):
            await self._in_turn(scope, _again(body, receive), send)
        elif self._entering + self._inside(asking=True) >= self._room:
            await JSONResponse({"detail": self._refuse()}, _REFUSED)(scope, receive, send)
        else:
            self._entering += 1
            try:
                await self._in_turn(scope, _again(body, receive), send)
            finally:
                self._entering -= 1

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._first:
            while self._inside(asking=False) >= _OTHERS_AT_ONCE:  # noqa: ASYNC110 - Gradio tells nobody
                await asyncio.sleep(_LOOK_SECONDS)
            await self._app(scope, receive, send)

    def _asks(self, body: bytes) -> bool:
        try:
            return json.loads(body)["fn_index"] in self._asking
        except (ValueError, LookupError, TypeError):
            return False  # Gradio says what is wrong with it.

    def _inside(self, *, asking: bool) -> int:
        """Return how many questions, or else how many others, Gradio has taken up and not finished."""
        waiting = [event for line in self._queue.event_queue_per_concurrency_id.values() for event in line.queue]
        running = [event for job in self._queue.active_jobs if job for event in job]
        ours = [event.fn._id in self._asking for event in (*waiting, *running)]  # noqa: SLF001 - Gradio does not tell
        return ours.count(asking)


async def _whole(receive: Receive) -> bytes:
    """Return the body, which the guards before this keep short; what there is of it where the reader has left."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once more."""
    is_given = False

    async def receive_again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
