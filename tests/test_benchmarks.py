"""What the benchmarks' readers meet at a real server is told apart."""

from __future__ import annotations

import asyncio
from collections import Counter

from assistant.benchmarks.load import scripted
from assistant.benchmarks.readers import ANSWERED, TOLD_TO_WAIT, Asked, ask, form, reader

READERS = 14
"""More than the eight questions that a provider is asked at once, and the one that may wait."""


def test_a_reader_who_finds_the_line_full_is_told_to_wait_and_not_lost() -> None:
    """Who is let in is answered; the others count as told to wait, with the seconds that the page names."""

    async def one(address: str, number: int) -> tuple[Asked, int]:
        async with reader(address) as client:
            return await ask(
                client, await form(client), f"tab{number}", f"How much has violent crime fallen? ({number})"
            )

    async def all_at_once(address: str) -> list[tuple[Asked, int]]:
        return list(await asyncio.gather(*(one(address, number) for number in range(READERS))))

    with scripted(2.0, {"ASSISTANT_WAITING": "1"}) as server:
        met = asyncio.run(all_at_once(server.address))
    counts = Counter(asked.outcome for asked, _ in met)
    assert counts.keys() == {ANSWERED, TOLD_TO_WAIT}
    assert all(seconds > 1 for asked, seconds in met if asked.outcome == TOLD_TO_WAIT)
