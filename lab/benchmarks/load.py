"""How the server holds up: a crowd of readers, and a long time.

The server is a process of its own, the crowd another, and the model a third that always says the same.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import numpy as np

from lab.benchmarks import readers as page
from lab.benchmarks.figures import Figure, Measured, Progress, percentile, spread
from lab.benchmarks.readers import ANSWERED, LOST, TOLD_TO_WAIT, Asked, Crowd, ask, form, new_tab, open_page, reader
from lab.processes import (
    Running,
    family,
    free_port,
    open_files,
    own_memory_bytes,
    serving,
    start,
    stop,
    wait_until_answers,
)

QUESTION = "How much has violent crime fallen?"
SOAK_PERIOD_SECONDS = 2.0
"""Between two questions of the long run."""
CALM_SECONDS = 10.0
"""After a crowd has gone, until what it has left behind is measured."""
_PROBE_SECONDS = 0.1
_SAMPLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server held at a moment."""

    at: float
    """Seconds since the beginning."""
    memory: int
    """Bytes that no file holds too."""
    files: int
    """Open files and connections."""


@dataclass(slots=True)
class Watch:
    """A running server, looked at again and again."""

    server: Running
    started: float = field(default_factory=time.monotonic)
    samples: list[Sample] = field(default_factory=list)
    health_ms: list[float] = field(default_factory=list)

    def sample(self) -> Sample:
        """Look at it now."""
        process = self.server.process.pid
        at = time.monotonic() - self.started
        self.samples.append(Sample(at, own_memory_bytes(family(process)), open_files(process)))
        return self.samples[-1]

    def until(self, is_over: Callable[[], bool]) -> None:
        """Look at it, and ask how it is as a supervisor does, until it is over."""
        with httpx.Client(base_url=self.server.address, timeout=60.0) as client:
            while not is_over():
                begun = time.perf_counter()
                client.get("/healthz").raise_for_status()
                self.health_ms.append(1000 * (time.perf_counter() - begun))
                if not self.samples or time.monotonic() - self.started - self.samples[-1].at > _SAMPLE_SECONDS:
                    self.sample()
                time.sleep(_PROBE_SECONDS)


# A crowd


def measure_crowd(readers: int, seconds: float, progress: Progress) -> Measured:
    """Let so many readers come for so many seconds, and once more."""
    with scripted(2.0) as server:
        watch = Watch(server)
        asyncio.run(_ask_once(server.address))
        before = watch.sample()
        progress("A crowd is here", 0, 0)
        first = _crowd(watch, readers, seconds)
        after_first = watch.sample()
        progress("A crowd is here again", 0, 0)
        second = _crowd(watch, readers, seconds)
        after_second = watch.sample()
    met = Crowd(first.pages_ms + second.pages_ms, first.broken_pages + second.broken_pages, first.asked + second.asked)
    more = (after_second.memory - after_first.memory) / 1e6
    figures = [
        *_met("a crowd", met),
        Figure("health check, p99", percentile(watch.health_ms, 0.99), "ms", at_most=250),
        Figure("memory before", before.memory / 1e6, "MB"),
        Figure("memory, most", max(each.memory for each in watch.samples) / 1e6, "MB"),
        Figure("memory after", after_first.memory / 1e6, "MB"),
        Figure("memory, more after a second crowd", more, "MB", at_most=20),
        Figure("open files after, more than before", after_second.files - before.files, at_most=20),
    ]
    lost = [asdict(each) for each in met.ended(LOST)]
    details = {"readers": readers, "seconds": seconds, "broken": met.broken_pages, "lost": lost}
    return Measured(figures, details | {"samples": list(map(asdict, watch.samples))})


def _crowd(watch: Watch, readers: int, seconds: float) -> Crowd:
    """Let a crowd come, watch the server meanwhile and for a while after, and return what the crowd met."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        met = process.submit(page.visited, watch.server.address, readers, seconds)
        watch.until(met.done)
    calm = time.monotonic() + CALM_SECONDS
    watch.until(lambda: time.monotonic() > calm)
    return met.result()


def _met(who: str, met: Crowd) -> list[Figure]:
    """Return what readers met, and what was said at once to those who had to wait."""
    answered, told = met.ended(ANSWERED), [each.end_ms for each in met.ended(TOLD_TO_WAIT)]
    return [
        Figure(f"{who}: pages opened", len(met.pages_ms)),
        Figure(f"{who}: broken pages", len(met.broken_pages), at_most=0),
        Figure(f"{who}: page ready, p95", percentile(met.pages_ms, 0.95), "ms"),
        Figure(f"{who}: questions answered", len(answered), at_least=1),
        Figure(f"{who}: questions lost", len(met.ended(LOST)), at_most=0),
        Figure(f"{who}: questions told to wait", len(told)),
        Figure(f"{who}: told to wait after, longest", max(told, default=0.0), "ms", at_most=1000),
        *spread(f"{who}: first sign on the page", [each.first_ms for each in answered]),
        *spread(f"{who}: answered after", [each.end_ms / 1000 for each in answered], "s"),
    ]


# A long time


def measure_soak(minutes: float, progress: Progress) -> Measured:
    """Ask a question every two seconds for so long."""
    with scripted(0.5) as server:
        watch = Watch(server)
        wanted = max(20, round(60 * minutes / SOAK_PERIOD_SECONDS))
        asked = soak(watch, wanted, SOAK_PERIOD_SECONDS, lambda done: progress("Asking", done, wanted))
    first, last = watch.samples[0], watch.samples[-1]
    figures = [
        Figure("questions asked", len(asked)),
        Figure("questions not answered", sum(each.outcome != ANSWERED for each in asked), at_most=0),
        Figure("memory at the beginning", first.memory / 1e6, "MB"),
        Figure("memory at the end", last.memory / 1e6, "MB"),
        Figure("memory's slope over the second half", memory_slope(watch.samples), "MB/h", at_most=10),
        Figure("open files at the beginning", first.files),
        Figure("open files, more at the end", last.files - first.files, at_most=5),
    ]
    return Measured(figures, {"samples": list(map(asdict, watch.samples))})


def soak(watch: Watch, wanted: int, period: float, progress: Callable[[int], None] = lambda done: None) -> list[Asked]:
    """Ask so many different questions, each in a tab of its own, one every `period` seconds, and look at the server."""

    async def all_questions() -> list[Asked]:
        asked: list[Asked] = []
        async with reader(watch.server.address) as client:
            await open_page(client)
            by = await form(client)
            # What is made on first use is no leak.
            for number in range(10):
                await ask(client, by, new_tab(), f"{QUESTION} (warm {number})")
            begun = time.monotonic()
            for number in range(wanted):
                if number % max(1, wanted // 200) == 0:
                    await asyncio.to_thread(watch.sample)
                asked.append((await ask(client, by, new_tab(), f"{QUESTION} ({number})"))[0])
                progress(number + 1)
                await asyncio.sleep(max(0.0, begun + (number + 1) * period - time.monotonic()))
            await asyncio.to_thread(watch.sample)
        return asked

    return asyncio.run(all_questions())


def memory_slope(samples: Sequence[Sample]) -> float:
    """Return by how many megabytes an hour the memory grows in the second half."""
    later = samples[len(samples) // 2 :]
    return float(np.polyfit([each.at / 3600 for each in later], [each.memory / 1e6 for each in later], 1)[0])


# What all have in common


@contextmanager
def scripted(seconds: float, environment: Mapping[str, str] = {}) -> Iterator[Running]:
    """Run the real server, in a data folder of its own, with a model that takes so many seconds for an answer."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        script = [sys.executable, "-m", "lab.benchmarks.scripted_model"]
        command = [*script, f"--port={port}", f"--seconds={seconds}"]
        model = start(command, f"http://127.0.0.1:{port}", Path(folder) / "model.log")
        try:
            wait_until_answers(model, "/health")
            settings = {
                "ASSISTANT_DATA": f"{folder}/data",
                "ASSISTANT_MODEL": "openai:scripted",
                "ASSISTANT_MODEL_URL": f"{model.address}/v1",
                "OPENAI_API_KEY": "none",
            }
            with serving({**settings, **environment}) as server:
                wait_until_answers(server, "/readyz")
                yield server
        finally:
            stop(model)


async def _ask_once(address: str) -> Asked:
    async with reader(address) as client:
        asked, _ = await ask(client, await form(client), secrets.token_hex(6), QUESTION)
        return asked
