"""The same question is worked on once, whether it is asked again later or by many at the same time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import pytest
from served import QUOTED, WRITTEN, in_a_loop

from assistant.types import Answer, Outcome, Timings, Turn
from assistant.web.answer_cache import AnswerCache

SNAPSHOT = replace(QUOTED, timings=Timings(first_ms=30.0), final=False)
FINAL = replace(WRITTEN, timings=Timings(first_ms=30.0, total_ms=3000.0))


@dataclass(frozen=True)
class Tick:
    """Something that is no answer."""


class Worker:
    """Answers a question when it is released, and counts how often it began and was called off."""

    def __init__(self, *events: Answer | Exception) -> None:
        """Take what comes after the release."""
        self.events = events
        self.begun = 0
        self.called_off = 0
        self.release = asyncio.Event()

    async def work(self) -> AsyncGenerator[Answer | Tick]:
        """Yield a snapshot and a tick, wait, and yield or raise the rest."""
        self.begun += 1
        try:
            yield SNAPSHOT
            yield Tick()
            await self.release.wait()
            for event in self.events:
                if isinstance(event, Exception):
                    raise event
                yield event
        except (asyncio.CancelledError, GeneratorExit):
            self.called_off += 1
            raise


Cache = AnswerCache[Answer | Tick]


async def ask(cache: Cache, worker: Worker, question: str = "How?", *turns: Turn, article: str | None = None) -> Any:  # noqa: ANN401
    """Return all events of a question."""
    return [event async for event in cache.answers(question, turns, article, worker.work)]


@pytest.mark.parametrize("end", [FINAL, replace(FINAL, outcome=Outcome.DECLINED)])
def test_a_repeated_question_is_not_worked_on_again(end: Answer) -> None:
    """The second time the final answer, or the refusal, comes alone, with the times of who asked, and is counted."""
    reused: list[str] = []

    async def scenario() -> tuple[list[Any], list[Any], int]:
        cache, worker = Cache(reused.append), Worker(end)
        worker.release.set()
        return await ask(cache, worker), await ask(cache, worker, "  How? "), worker.begun

    first, (again,), begun = in_a_loop(scenario)
    assert first == [SNAPSHOT, Tick(), end]
    assert replace(again, timings=end.timings) == end
    assert again.timings.first_ms == again.timings.total_ms < 1000
    assert begun == 1
    assert reused == ["kept"]


@pytest.mark.parametrize("other", [{"question": "how?"}, {"turns": (Turn("Who?", "Smith."),)}, {"article": "a-story"}])
def test_whatever_an_answer_depends_on_tells_questions_apart(other: dict[str, Any]) -> None:
    """Another question, history or article is answered by itself."""

    async def scenario() -> int:
        cache, worker = Cache(), Worker(FINAL)
        worker.release.set()
        await ask(cache, worker)
        await ask(cache, worker, other.get("question", "How?"), *other.get("turns", ()), article=other.get("article"))
        return worker.begun

    assert in_a_loop(scenario) == 2


def test_a_herd_is_one_piece_of_work() -> None:
    """A hundred readers with one question get the same answer from one run; the late ones begin with its snapshot."""

    async def scenario() -> tuple[list[list[Any]], int]:
        cache, worker = Cache(), Worker(FINAL)
        readers = [asyncio.create_task(ask(cache, worker)) for _ in range(50)]
        await asyncio.sleep(0.05)
        readers += [asyncio.create_task(ask(cache, worker)) for _ in range(50)]
        await asyncio.sleep(0.05)
        worker.release.set()
        return await asyncio.gather(*readers), worker.begun

    told, begun = in_a_loop(scenario)
    assert begun == 1
    for events in told[:50]:
        assert [type(event) for event in events] == [Answer, Tick, Answer]
    for events in told[50:]:
        assert [event.final for event in events] == [False, True]
    for events in told[1:]:
        assert replace(events[-1], timings=FINAL.timings) == FINAL
        assert events[-1].timings.first_ms <= events[-1].timings.total_ms < FINAL.timings.total_ms


@pytest.mark.parametrize(
    "end",
    [
        replace(FINAL, error="The model is still loading."),
        replace(FINAL, outcome=Outcome.UNAVAILABLE),
        replace(FINAL, outcome=Outcome.UNWRITTEN),
        replace(QUOTED, may_improve=True),
        replace(FINAL, unread=1),
        replace(FINAL, outcome=Outcome.BLOCKED),
        replace(FINAL, final=False),
        ValueError("a defect"),
    ],
)
def test_what_failed_is_not_kept(end: Answer | Exception) -> None:
    """What may be better when it is asked again is for those alone who waited for it, as is a defect."""

    async def scenario() -> tuple[Any, int]:
        cache, worker = Cache(), Worker(end)
        worker.release.set()
        outcomes = await asyncio.gather(ask(cache, worker), ask(cache, worker), return_exceptions=True)
        assert worker.begun == 1
        await asyncio.gather(ask(cache, worker), return_exceptions=True)
        return outcomes, worker.begun

    outcomes, begun = in_a_loop(scenario)
    assert begun == 2
    for outcome in outcomes:
        if isinstance(end, Exception):
            assert outcome is end
        else:
            assert replace(outcome[-1], timings=end.timings) == end


def test_the_work_ends_when_the_last_reader_has_left() -> None:
    """One of two may leave without harm to the other; after the second the work is called off, and not kept."""

    async def scenario() -> tuple[int, int]:
        cache, worker = Cache(), Worker(FINAL)

        async def leave_after_a_snapshot() -> None:
            async with aclosing(cache.answers("How?", (), None, worker.work)) as events:
                await anext(events)

        second = asyncio.create_task(ask(cache, worker))
        await asyncio.sleep(0.05)
        await leave_after_a_snapshot()
        await asyncio.sleep(0.05)
        assert worker.called_off == 0
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        await asyncio.sleep(0.05)
        assert worker.called_off == 1
        worker.release.set()
        assert (await ask(cache, worker))[-1] == FINAL
        return worker.begun, worker.called_off

    assert in_a_loop(scenario) == (2, 1)


def test_what_is_kept_is_bounded() -> None:
    """Beyond the bound the answer that was not used for longest is forgotten."""

    async def scenario() -> list[int]:
        cache, worker = Cache(most=2), Worker(FINAL)
        worker.release.set()
        counts = []
        for question in ("a", "b", "a", "c", "a", "b"):
            await ask(cache, worker, question)
            counts.append(worker.begun)
        return counts

    assert in_a_loop(scenario) == [1, 2, 2, 3, 3, 4]
