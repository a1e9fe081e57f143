"""A real server over many questions: nothing is left behind by any of them. The model always says the same."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from processes import Running, free_port, start, stop, wait_until_answers
from started import serving
from visitors import ANSWERED, new_tab, reader

QUESTIONS = 60
MOST_BYTES_A_QUESTION = 250_000
"""Of a tab Gradio keeps half of it, up to a thousand tabs; a thread or an event loop is more."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a server holds at a moment."""

    memory: int
    """Bytes that no file holds too, swapped or not, of all its processes: they grow by nothing but what these keep.

    The share of a library that others have loaded as well would grow whenever one of them ends.
    """
    files: int
    """Open files and connections."""

    @classmethod
    def of(cls, server: psutil.Process) -> "Held":
        """Look at it now."""
        maps: list[Any] = [each for one in (server, *server.children(recursive=True)) for each in one.memory_maps()]
        return cls(sum(each.anonymous + each.swap for each in maps), server.num_fds())


@contextmanager
def scripted(folder: Path) -> Iterator[Running]:
    """Run the real server, in a data folder of its own, with the model that always says the same, at once."""
    port = free_port()
    command = [sys.executable, "tests/scripted_model.py", f"--port={port}", "--seconds=0"]
    model = start(command, f"http://127.0.0.1:{port}", folder / "model.log")
    try:
        wait_until_answers(model, "/health")
        settings = {
            "ASSISTANT_DATA": str(folder / "data"),
            "ASSISTANT_MODEL": "openai:scripted",
            "ASSISTANT_MODEL_URL": f"{model.address}/v1",
            "ASSISTANT_CHECK": "none",
            "OPENAI_API_KEY": "none",
        }
        with serving(settings) as server:
            wait_until_answers(server, "/readyz")
            yield server
    finally:
        stop(model)


async def soak(server: Running) -> list[Held]:
    """Ask different questions, each in a tab of its own; return what the server held before each and at last."""
    process = psutil.Process(server.process.pid)
    held = []
    async with reader(server.address) as someone:
        await someone.open_page()
        # What is made on first use is no leak.
        for number in range(-10, QUESTIONS):
            if number >= 0:
                held.append(await asyncio.to_thread(Held.of, process))
            asked = await someone.ask(new_tab(), f"How much has violent crime fallen? ({number})")
            assert asked.outcome == ANSWERED, asked
    return [*held, Held.of(process)]


@pytest.mark.timeout(900)
def test_questions_leave_nothing_behind(tmp_path: Path) -> None:
    """After 60 tabs with a question each, files are as before, and memory has grown by what is kept."""
    with scripted(tmp_path) as server:
        held = asyncio.run(soak(server))
    # The first third fills caches and pools.
    begin, end = held[QUESTIONS // 3], held[-1]
    assert end.files <= begin.files + 3
    assert end.memory - begin.memory < QUESTIONS * 2 / 3 * MOST_BYTES_A_QUESTION
