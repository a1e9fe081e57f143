"""The same question is worked on once: who asks it meanwhile shares the work, who asks it later gets what was kept.

Only answers that are final and would be the same again are kept, and only so many, those used last. A piece of work
ends when the last reader who shares it has left. For one event loop.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Generic, TypeVar

from cachetools import LRUCache

from assistant.types import Answer, Status, Timings, Turn, Usage
from assistant.web.shared_stream import SharedStream

MAX_ANSWERS = 1000
"""How many are kept; each takes about 2 kB."""

_KEPT = (Status.ANSWERED, Status.QUOTED, Status.DECLINED)
"""The other ends are quick, or pass."""

_Event = TypeVar("_Event")


_Key = tuple[str, tuple[Turn, ...], str | None, str | None]
"""What makes two questions the same. Prompts and model stay as they are while the process lives; when the articles
change, a new cache begins."""


class AnswerCache(Generic[_Event]):
    """Answers that were given, and those that are being made; events other than answers pass through."""

    def __init__(self, reused: Callable[[str], None] = lambda how: None, most: int = MAX_ANSWERS) -> None:
        """Take a function that is called with "kept" or "shared" where nothing had to be done."""
        self._reused = reused
        self._kept: LRUCache[_Key, Answer] = LRUCache(most)
        self._running: dict[_Key, SharedStream[_Event | Answer]] = {}

    def has(self, question: str, turns: Sequence[Turn], article: str | None = None, opened: str | None = None) -> bool:
        """Whether this question is answered already, or is being answered."""
        key = _key(question, turns, article, opened)
        return key in self._kept or key in self._running

    async def answers(
        self,
        question: str,
        turns: Sequence[Turn],
        article: str | None,
        work: Callable[[], AsyncGenerator[_Event]],
        opened: str | None = None,
    ) -> AsyncGenerator[_Event | Answer]:
        """Yield what `work` yields, or has yielded, for this question; what it raises is raised."""
        started = time.monotonic()
        key = _key(question, turns, article, opened)
        if (kept := self._kept.get(key)) is not None:
            self._reused("kept")
            yield _for_latecomer(kept, started, None)
            return
        if is_late := key in self._running:
            self._reused("shared")
        else:
            self._running[key] = SharedStream(work(), _latest_answer, lambda latest: self._end(key, latest))
        first: float | None = None
        async with aclosing(self._running[key].follow()) as events:
            async for event in events:
                if not isinstance(event, Answer):
                    yield event
                    continue
                told = _for_latecomer(event, started, first) if is_late else event
                first = told.timings.first_ms
                yield told

    def _end(self, key: _Key, latest: _Event | Answer | None) -> None:
        del self._running[key]
        if isinstance(latest, Answer) and latest.final and _is_for_good(latest):
            self._kept[key] = latest


def _key(question: str, turns: Sequence[Turn], article: str | None, opened: str | None) -> _Key:
    return " ".join(question.split()), tuple(turns), article, opened


def _is_for_good(answer: Answer) -> bool:
    """Whether it would be the same if it were made again."""
    return answer.error is None and not answer.may_improve and not answer.unread and answer.status in _KEPT


def _latest_answer(latest: _Event | Answer | None, event: _Event | Answer) -> _Event | Answer | None:
    return event if isinstance(event, Answer) else latest


def _for_latecomer(answer: Answer, started: float, first_ms: float | None) -> Answer:
    """Return the answer with the times of a reader who has not seen its beginning."""
    now = round(1000 * (time.monotonic() - started), 1)
    if first_ms is None and answer.timings.first_ms is not None:
        first_ms = now
    return replace(answer, timings=Timings(first_ms, now if answer.final else 0.0), usage=Usage())
