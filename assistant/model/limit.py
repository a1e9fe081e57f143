"""Until when something may take: a total deadline, and events that end it early."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as NotDoneError
from dataclasses import dataclass
from typing import Any, TypeVar

from assistant.errors import Fault, ModelError

POLL_SECONDS = 0.1
"""How often an event is looked at while something is waited for."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Limit:
    """A deadline in `time.monotonic()` seconds, and events of which any one, once set, ends it early."""

    deadline: float
    stopped: threading.Event | None = None
    stopped_too: threading.Event | None = None

    @classmethod
    def of_seconds(cls, seconds: float, stopped: threading.Event | None = None) -> Limit:
        """Return the limit that is so many seconds away."""
        return cls(time.monotonic() + seconds, stopped)

    @property
    def left(self) -> float:
        """Seconds; 0 when it is over."""
        is_stopped = any(event.is_set() for event in (self.stopped, self.stopped_too) if event is not None)
        return 0.0 if is_stopped else max(0.0, self.deadline - time.monotonic())

    @property
    def wait(self) -> float:
        """Seconds until one has to look again."""
        return min(self.left, POLL_SECONDS)

    @property
    def reached(self) -> bool:
        """Whether it is over."""
        return self.left == 0.0


def run_within(limit: Limit, work: Coroutine[Any, Any, _T]) -> _T:
    """Return what a coroutine returns; it runs in a loop of its own, where it can be called off in the middle.

    Raises:
        ModelError: the limit was reached first; the work was called off.
        Exception: whatever the work raises.
    """
    running = asyncio.run_coroutine_threadsafe(work, requests_loop())
    try:
        while not limit.reached:
            try:
                return running.result(timeout=limit.wait)
            except NotDoneError:
                if running.done():
                    raise
    finally:
        running.cancel()
    raise time_up()


def time_up() -> ModelError:
    """Return the error of a question for which the model had no time."""
    what = "The time was up before the model had answered"
    return ModelError(Fault.TIME_UP, what, "ask again, or raise ASSISTANT_ANSWER_SECONDS")


def busy() -> ModelError:
    """Return the error of a question that did not get its turn."""
    what = "The model was busy with other questions until the time was up"
    return ModelError(Fault.BUSY, what, "ask again in a moment")


@functools.cache
def requests_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop in which requests to the model run, in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="language-model-requests", daemon=True).start()
    return loop
