"""Tells a reader at once to wait where as many have asked as can be served or stand in line.

The line itself would say so too, but only after Gradio has taken the question up, which takes seconds in a crowd. What
costs nothing needs no place in the line and is let in. The page shows what is refused here as a notice, and leaves the
question in its box. What is let in is handed to Gradio a few at a time: many at once would take as long in all, and
keep everybody else waiting. Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from typing import Any

from gradio.queueing import Event, Queue
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_JOIN = "/gradio_api/queue/join"
_BEGINNING_AT_ONCE = 8
"""How many pages that begin Gradio has in hand at once: a few milliseconds each."""
_LOOK_SECONDS = 0.005
_REFUSED = 429
"""Gradio's page has words of its own for 503, and a proxy would ask another process."""


class Door:
    """Lets so many questions through to Gradio's queue."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is another thing of the page or the service
        self,
        app: ASGIApp,
        queue: Queue,
        asking: Collection[int],
        beginning: Collection[int],
        costs_nothing: Callable[[Any], bool],
        room: int,
        refuse: Callable[[], str],
    ) -> None:
        """Take the application, its queue, which of its functions ask and which begin a page, the room, and refusing.

        `costs_nothing` says of a call that asks, whether its answer needs no room; `room` is for so many questions;
        `refuse` notes that one was refused, and returns what its reader is told.
        """
        self._app = app
        self._queue = queue
        self._asking = frozenset(asking)
        self._beginning = frozenset(beginning)
        self._costs_nothing = costs_nothing
        self._room = room
        self._refuse = refuse
        self._entering = 0
        """How many questions were let in and are not in the queue yet."""
        self._first = asyncio.Lock()
        """Of those who wait to be handed on, only the first looks whether it can be."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/") != _JOIN:
            await self._app(scope, receive, send)
            return
        body = await _whole(receive)
        call = _call(body)
        function = _function(call)
        receive = _again(body, receive)
        if function in self._beginning:
            await self._in_turn(scope, receive, send)
        elif function not in self._asking:
            await self._app(scope, receive, send)
        elif self._entering + self._inside(self._asking) >= self._room and not self._costs_nothing(call):
            await JSONResponse({"detail": self._refuse()}, _REFUSED)(scope, receive, send)
        else:
            self._entering += 1
            try:
                await self._in_turn(scope, receive, send)
            finally:
                self._entering -= 1

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand it on when Gradio has few pages to begin."""
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        async with self._first:
            while self._inside(self._beginning) >= _BEGINNING_AT_ONCE:  # noqa: ASYNC110 - Gradio tells nobody
                await asyncio.sleep(_LOOK_SECONDS)
            await self._app(scope, receive, keep)
        # Not before: a reader who takes nothing would keep everybody else waiting.
        for message in sent:
            await send(message)

    def has_callers(self) -> bool:
        """Whether somebody is on the way into Gradio's queue, waits in it or is being served from it."""
        return self._entering > 0 or bool(self._events())

    def _inside(self, functions: Collection[int]) -> int:
        """Return how many events of these functions Gradio has taken up and not finished."""
        return sum(event.fn._id in functions for event in self._events())  # noqa: SLF001 - Gradio does not tell

    def _events(self) -> list[Event]:
        """Return what waits in Gradio's queue, and what it is at."""
        waiting = [event for line in self._queue.event_queue_per_concurrency_id.values() for event in line.queue]
        return waiting + [event for job in self._queue.active_jobs if job for event in job]


def _call(body: bytes) -> Any:  # noqa: ANN401 - whatever was sent
    """Return what is called with what; None where that is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None  # Gradio says what is wrong with it.


def _function(call: Any) -> int | None:  # noqa: ANN401
    """Return which of the page's functions is called, as Gradio would read it; None where that makes no sense."""
    try:
        return int(call["fn_index"])
    except (ValueError, LookupError, TypeError, ArithmeticError):
        return None  # Gradio says what is wrong with it.


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
