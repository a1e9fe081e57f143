"""The streams on which Gradio sends pages the results of their calls: one a page, until nothing is left to send.

Until a page has read of the end it believes its stream to be open, and would wait there for what it calls in that
moment. So such a call is confirmed only when the page has left the stream, and then the page opens the next one. Who
opens too many streams has to wait, and what a page has called and does not fetch is given up.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.web.chat.gradio_parts import END, LOST, Calls
from assistant.web.limits import client_key
from assistant.web.service import Refusal, Service, client_of

LEAVE_SECONDS = 5.0
"""In which a page leaves after the end was sent to it; from a phone far away it takes one or two."""
LISTEN_SECONDS = 60.0
"""In which a page that has called listens; else nobody is there any more."""
_WAIT = 429
"""Gradio's page has words of its own for 503, and a proxy would ask another process."""


@dataclass(eq=False, slots=True)
class _Stream:
    """What a tab listens to."""

    tab: str
    listener: str
    """Whose budget it counts for."""
    is_over: bool = False
    """Whether the end was sent to the tab."""
    left: asyncio.Event = field(default_factory=asyncio.Event)


class Streams:
    """All that are open."""

    def __init__(self, app: ASGIApp, calls: Calls, service: Service, lost: Response) -> None:
        """Take Gradio's application, what is called there, the limits, and what an unknown tab is sent."""
        self._app = app
        self._calls = calls
        self._service = service
        self._lost = lost
        self._open: set[_Stream] = set()
        self._unheard: dict[str, asyncio.Task[None]] = {}
        """By tab, what gives up a call that nobody listens to."""

    async def confirmed(self, tab: str) -> None:
        """Return when the tab's call may be confirmed; from then on the tab is expected to listen."""
        for stream in [each for each in self._of(tab) if each.is_over]:
            await stream.left.wait()
        self._expect(tab, LISTEN_SECONDS)

    async def listen(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a page that opens a stream."""
        request = Request(scope)
        client = client_of(request)
        stream = _Stream(request.query_params.get("session_hash", ""), client_key(client.address))
        is_awaited = self._calls.is_awaited(stream.tab)
        if not is_awaited and not self._is_known(stream.tab, request):
            await self._lost(scope, receive, send)
            return
        listening = sum(each.listener == stream.listener for each in self._open)
        if refusal := self._service.turn_away_stream(client, listening):
            await told_to_wait(refusal)(scope, receive, send)
            return

        async def tell(message: Message) -> None:
            if message.get("body", b"").startswith(END):
                stream.is_over = True
            elif stream.is_over:
                await _left(receive)
            await send(message)

        self._expect(stream.tab, None)
        self._open.add(stream)
        try:
            await (self._app if is_awaited else _nothing)(scope, receive, tell)
        finally:
            self._open.remove(stream)
            stream.left.set()
            if not stream.is_over:
                self._expect(stream.tab, 0.0)

    def _is_known(self, tab: str, request: Request) -> bool:
        """Whether a tab for which nothing is left to send has called here before.

        Gradio's page opens a stream in vain where it reads of what came of a call before it reads that the call was
        taken. Behind a proxy, what comes without a cookie may have called another process.
        """
        return self._calls.is_known(tab) and (self._lost is LOST or bool(request.cookies))

    def _of(self, tab: str) -> list[_Stream]:
        return [stream for stream in self._open if stream.tab == tab]

    def _expect(self, tab: str, seconds: float | None) -> None:
        """Give up what the tab has called unless it listens before so many seconds are over; None waits for ever."""
        if waiting := self._unheard.pop(tab, None):
            waiting.cancel()
        if seconds is not None and not self._of(tab):
            self._unheard[tab] = asyncio.create_task(self._give_up(tab, seconds))

    async def _give_up(self, tab: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._calls.give_up(tab)
        del self._unheard[tab]


def told_to_wait(refusal: Refusal) -> Response:
    """Return a refusal in the form that Gradio's page shows."""
    return JSONResponse({"detail": refusal.text}, _WAIT, {"retry-after": str(refusal.retry_after)})


async def _nothing(_: Scope, __: Receive, send: Send) -> None:
    """Tell a tab that nothing follows."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": END + b"}\n\n", "more_body": True})
    await send({"type": "http.response.body"})


async def _left(receive: Receive) -> None:
    """Wait until the page has left, for a limited time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_SECONDS):
            while (await receive())["type"] != "http.disconnect":
                pass
