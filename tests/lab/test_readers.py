"""Readers who all ask at once, and a model that takes its time: the benchmark asks a real server."""

import asyncio

from lab.readers import wait_for


def test_every_reader_gets_a_written_answer() -> None:
    """None is lost, and the evidence comes before the answer."""
    seen = asyncio.run(wait_for(readers=4, seconds=0.05, calls=2))
    assert seen["lost"] == 0
    assert seen["evidence"][0] <= seen["answer"][0]
