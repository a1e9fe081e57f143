"""One stream of events, sent to any number of followers as it comes; it ends when the last of them has left.

For one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

_Event = TypeVar("_Event")


class SharedStream(Generic[_Event]):
    """The events of a generator, which runs in a task of its own. Not to be followed any more when it has ended."""

    def __init__(
        self,
        events: AsyncGenerator[_Event],
        gather: Callable[[_Event | None, _Event], _Event | None],
        ended: Callable[[_Event | None], None] = lambda gathered: None,
        patience: float = 0.0,
    ) -> None:
        """Take the events, and what a follower who comes late gets first.

        `gather` returns that from what it was so far and the next event. `ended` is called once, with what was
        gathered, or with None where the stream failed or nobody wanted it any more. `patience` is for how many
        seconds it goes on without a follower.
        """
        self._gather = gather
        self._ended: Callable[[_Event | None], None] | None = ended
        self._patience = patience
        self._gathered: _Event | None = None
        self._followers: list[asyncio.Queue[_Event | _End]] = []
        self._loop = asyncio.get_running_loop()
        self._giving_up: asyncio.TimerHandle | None = None
        self._task = self._loop.create_task(self._tell_all(events))

    @property
    def followers(self) -> int:
        """How many follow it."""
        return len(self._followers)

    async def follow(self) -> AsyncGenerator[_Event]:
        """Yield what was gathered so far, and then every event as it comes; what the stream raises is raised."""
        told: asyncio.Queue[_Event | _End] = asyncio.Queue()
        if self._gathered is not None:
            told.put_nowait(self._gathered)
        self._followers.append(told)
        if self._giving_up is not None:
            self._giving_up.cancel()
        try:
            while not isinstance(event := await told.get(), _End):
                yield event
            if event.error is not None:
                raise event.error
        finally:
            self._followers.remove(told)
            if not self._followers and self._patience:
                self._giving_up = self._loop.call_later(self._patience, self._give_up)
            elif not self._followers:
                self._give_up()

    async def _tell_all(self, events: AsyncGenerator[_Event]) -> None:
        error: Exception | None = None
        try:
            async with aclosing(events):
                async for event in events:
                    self._gathered = self._gather(self._gathered, event)
                    self._tell(event)
        except Exception as problem:  # noqa: BLE001 - each follower raises it
            error = problem
        self._end(None if error else self._gathered)
        self._tell(_End(error))

    def _give_up(self) -> None:
        self._end(None)
        self._task.cancel()

    def _end(self, gathered: _Event | None) -> None:
        if self._ended is not None:
            self._ended(gathered)
            self._ended = None

    def _tell(self, event: _Event | _End) -> None:
        for follower in self._followers:
            follower.put_nowait(event)


@dataclass(frozen=True, slots=True)
class _End:
    """Nothing follows."""

    error: Exception | None
