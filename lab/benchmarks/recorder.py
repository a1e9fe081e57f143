"""Notes what the assistant asks of its engine, so that it can be asked once more without the assistant."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from assistant.model.engine import Engine, Reply

Request = tuple[Engine, dict[str, Any]]
_SOMETHING_ELSE = {"messages": [("user", "What is the time?")], "max_tokens": 1}


@contextmanager
def recording() -> Iterator[list[Request]]:
    """Note, in their order, what engines are asked meanwhile; whoever takes the list may empty it."""
    noted: list[Request] = []
    ask = Engine.ask

    def note_and_ask(engine: Engine, request: dict[str, Any], tell: Callable[[Reply | None], None]) -> int:
        noted.append((engine, request))
        return ask(engine, request, tell)

    with patch.object(Engine, "ask", note_and_ask):
        yield noted


def ask_again(requests: Sequence[Request]) -> float:
    """Make the same requests, one after the other, and return the seconds until all was said to them.

    Before, the engine reads something else, or it would find there what it is to read.

    Raises:
        RuntimeError: one of them failed.
    """
    for engine in {engine for engine, _ in requests}:
        _ask(engine, _SOMETHING_ELSE)
    started = time.perf_counter()
    for engine, request in requests:
        _ask(engine, request)
    return time.perf_counter() - started


def _ask(engine: Engine, request: dict[str, Any]) -> None:
    ended = threading.Event()
    last: list[Reply | None] = []

    def tell(reply: Reply | None) -> None:
        if reply is None or "end" in reply:
            last.append(reply)
            ended.set()

    engine.ask(request, tell)
    ended.wait()
    if last[0] is None or last[0]["end"] == "failed":
        raise RuntimeError(f"The engine failed: {last[0]}")
