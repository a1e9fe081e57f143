"""A stream of snapshots that blocks, made one step at a time in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from concurrent.futures import Executor

from assistant.types import Answer


class Work:
    """A blocking stream of snapshots, one step at a time in a thread."""

    def __init__(self, stream: Generator[Answer], stopped: threading.Event) -> None:
        """Take the stream, and what ends it early."""
        self._stream = stream
        self._stopped = stopped
        self._step: asyncio.Future[Answer] | None = None
        self.begun = False
        """Whether there was a snapshot."""
        self.ended = False
        """Whether it was final."""

    async def snapshot(self, threads: Executor, seconds: float) -> Answer | None:
        """Return the next snapshot; None when it is not there after so many seconds."""
        if self._step is None:
            self._step = asyncio.get_running_loop().run_in_executor(threads, self._next)
        await asyncio.wait([self._step], timeout=seconds)
        if not self._step.done():
            return None
        answer = self._step.result()
        self._step = None
        self.begun, self.ended = True, answer.final
        return answer

    def _next(self) -> Answer:
        if not self._stopped.is_set():
            for answer in self._stream:
                return answer
        raise RuntimeError("the stream of snapshots ended without a final one")

    async def close(self) -> None:
        """Stop, and return when no thread is at it any more."""
        self._stopped.set()
        if self._step is not None:
            await asyncio.wait([self._step])
            self._step.exception()  # Nobody is left to be told.
        await asyncio.to_thread(self._stream.close)
