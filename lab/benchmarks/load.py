"""How the server holds up: a crowd of readers, a few readers at once with the packaged model, and a long time.

The server is a process of its own, the crowd another, and the model of the crowd a third that always says the same. The
few readers ask the RAG of tutorials as well.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from assistant.answering.assistant import Assistant
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import Question
from assistant.evaluation.scoring.statistics import percentile
from assistant.model import weights
from assistant.search.embedder import SentenceEmbedder
from assistant.settings import PROJECT, Settings
from assistant.types import Article
from lab.benchmarks import tutorial
from lab.benchmarks.figures import Figure, machine, save
from lab.benchmarks.readers import (
    ANSWERED,
    LOST,
    TOLD_TO_WAIT,
    Asked,
    ask,
    form,
    new_tab,
    open_page,
    reader,
)
from lab.benchmarks.tutorial import Reply
from lab.processes import (
    Running,
    end_with_us,
    family,
    free_port,
    memory_bytes,
    open_files,
    own_memory_bytes,
    serving,
    start,
    stop,
    wait_for_model,
    wait_until_answers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MODEL_SECONDS = 2.0
"""How long the scripted model takes for an answer."""
AT_ONCE = 4
"""How many readers ask the packaged model at once."""
LEAST_EACH = 2
"""With fewer nobody would ask again, and how fast answers come one after the other could not be told."""
TUTORIAL_EACH = 2
"""How many questions each of them asks the tutorial at most: it takes some 15 seconds for one."""
SOAK_PERIOD_SECONDS = 2.0
"""Between two questions of the long run."""
CALM_SECONDS = 10.0
"""After a crowd has gone, until what it has left behind is measured."""
_CROWD_PATIENCE_SECONDS = 180.0
_PROBE_SECONDS = 0.1
_SAMPLE_SECONDS = 1.0

Progress = Callable[[str, int, int], None]


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

    def probe(self, client: httpx.Client) -> None:
        """Ask how it is, as a supervisor does."""
        begun = time.perf_counter()
        client.get("/healthz").raise_for_status()
        self.health_ms.append(1000 * (time.perf_counter() - begun))

    def until(self, is_over: Callable[[], bool]) -> None:
        """Go on with both until it is over."""
        with httpx.Client(base_url=self.server.address, timeout=60.0) as client:
            while not is_over():
                self.probe(client)
                if not self.samples or time.monotonic() - self.started - self.samples[-1].at > _SAMPLE_SECONDS:
                    self.sample()
                time.sleep(_PROBE_SECONDS)


# A crowd


def measure_crowd(readers: int, seconds: float, out: Path, progress: Progress) -> list[Figure]:
    """Let a crowd come twice, write crowd.json and crowd.png, and return the figures."""
    end_with_us()
    about = machine()
    with scripted(MODEL_SECONDS) as server:
        watch = Watch(server)
        asyncio.run(_ask_once(server.address, "How much has violent crime fallen?"))
        before = watch.sample()
        progress("A crowd is here", 0, 0)
        first = _crowd(watch, readers, seconds)
        after_first = watch.sample()
        progress("A crowd is here again", 0, 0)
        second = _crowd(watch, readers, seconds)
        after_second = watch.sample()
    asked = [Asked(**each) for crowd in (first, second) for each in crowd["asked"]]
    pages = first["pages_ms"] + second["pages_ms"]
    broken = first["broken_pages"] + second["broken_pages"]
    counts = Counter(each.outcome for each in asked)
    told = [each.end_ms for each in asked if each.outcome == TOLD_TO_WAIT]
    answered = [each for each in asked if each.outcome == ANSWERED]
    figures = [
        Figure("pages opened", len(pages)),
        Figure("broken pages", len(broken), at_most=0),
        Figure("page ready, p95", percentile(pages, 0.95), "ms"),
        Figure("questions answered", counts[ANSWERED]),
        Figure("questions told to wait", counts[TOLD_TO_WAIT]),
        Figure("questions lost", counts[LOST], at_most=0),
        Figure("told to wait after, p95", percentile(told, 0.95), "ms"),
        Figure("told to wait after, longest", max(told, default=0.0), "ms", at_most=1000),
        Figure("first sign on the page, p95", percentile([each.first_ms for each in answered], 0.95), "ms"),
        Figure("answered after, p50", percentile([each.end_ms for each in answered], 0.5) / 1000, "s"),
        Figure("answered after, p95", percentile([each.end_ms for each in answered], 0.95) / 1000, "s"),
        Figure("health check, p50", percentile(watch.health_ms, 0.5), "ms"),
        Figure("health check, p99", percentile(watch.health_ms, 0.99), "ms", at_most=250),
        Figure("memory before", before.memory / 1e6, "MB"),
        Figure("memory, most", max(each.memory for each in watch.samples) / 1e6, "MB"),
        Figure("memory after", after_first.memory / 1e6, "MB"),
        Figure("more of it after a second crowd", (after_second.memory - after_first.memory) / 1e6, "MB", at_most=20),
        Figure("open files after, more than before", after_second.files - before.files, at_most=20),
    ]
    lost = [asdict(each) for each in asked if each.outcome == LOST]
    details = _details(about, watch) | {"readers": readers, "seconds": seconds, "broken": broken, "lost": lost}

    def draw(axes: Sequence[Axes]) -> None:
        _draw_memory(axes[0], watch)
        axes[1].ecdf([each.end_ms / 1000 for each in answered] or [0.0], label="answered")
        axes[1].ecdf([each / 1000 for each in told] or [0.0], label="told to wait", linestyle="--")
        axes[1].ecdf([each / 1000 for each in watch.health_ms], label="health check", linestyle=":")
        axes[1].set(xlabel="seconds", ylabel="share within", title=f"{readers} readers", xscale="symlog")
        axes[1].legend(loc="lower right")

    save(out, "crowd", figures, details, draw)
    return figures


def _crowd(watch: Watch, readers: int, seconds: float) -> dict[str, Any]:
    """Let a crowd come, watch the server meanwhile and for a while after, and return what the crowd met."""
    command = [sys.executable, "-m", "lab.benchmarks.readers", watch.server.address, str(readers), str(seconds)]
    with tempfile.TemporaryFile() as told:
        crowd = subprocess.Popen(command, cwd=PROJECT, stdout=told)  # noqa: S603 - our own module
        try:
            deadline = time.monotonic() + seconds + _CROWD_PATIENCE_SECONDS
            watch.until(lambda: crowd.poll() is not None or time.monotonic() > deadline)
        finally:
            crowd.kill()
            crowd.wait()
        told.seek(0)
        met: dict[str, Any] = json.loads(told.read())
    calm = time.monotonic() + CALM_SECONDS
    watch.until(lambda: time.monotonic() > calm)
    return met


# The packaged model


def measure_packaged(questions: Sequence[Question], each: int, out: Path, progress: Progress) -> list[Figure]:
    """Let one reader, and four at once, ask the same questions, and return the figures; writes readers.json.

    The four take the questions as they come, four times so many in all; the one asks the same. Then all is asked again,
    by the four first, so that a machine that grows faster or slower meanwhile does so for both. The settings of the
    environment hold. The tutorial is asked some of the questions, by one and by four, with the packaged model.

    Raises:
        ConfigurationError: there are too few questions for each or in all, or the tutorial lacks a package.
    """
    words = [question.question for question in questions if not question.history][: each * AT_ONCE]
    if each < LEAST_EACH:
        raise ConfigurationError(f"Each of {AT_ONCE} readers needs a next question: take --each {LEAST_EACH} or more")
    if len(words) < each * AT_ONCE:
        raise ConfigurationError(f"{each * AT_ONCE} questions without a history are needed: take a longer file")
    end_with_us()
    about = machine()
    progress("Reading the articles", 0, 0)
    # What is read is kept; while it is read answers take longer.
    settings = Settings.from_environment()
    with closing(Assistant.open(settings)) as assistant:
        assistant.wait_until_loaded()
        articles = assistant.corpus.articles
    met, speeds, memory = _in_turns(words, progress)
    one, many = met[1], met[AT_ONCE]
    some = words[: AT_ONCE * TUTORIAL_EACH]
    embedder = SentenceEmbedder.from_folder(weights.embedder_folder(settings.data), weights.EMBEDDER_SHA256)
    progress("One reader asks the tutorial", 0, 0)
    rival_one, rival_one_seconds = _ask_tutorial(1, some, articles, embedder, settings)
    progress(f"{AT_ONCE} readers ask the tutorial", 0, 0)
    rival_many, rival_many_seconds = _ask_tutorial(AT_ONCE, some, articles, embedder, settings)
    alone, together = speeds[1], speeds[AT_ONCE]
    rival_alone, rival_together = len(rival_one) / rival_one_seconds, len(rival_many) / rival_many_seconds
    figures = [
        Figure("one reader: answers a minute", 60 * alone),
        Figure(f"{AT_ONCE} readers at once: answers a minute", 60 * together),
        Figure("throughput against one reader", together / alone, "times"),
        Figure("one reader: answered after, p50", _median_seconds(a.end_ms for a in one), "s"),
        Figure(f"{AT_ONCE} readers: answered after, p50", _median_seconds(a.end_ms for a in many), "s"),
        Figure(f"{AT_ONCE} readers: first evidence, longest", max(a.first_ms for a in many), "ms", at_most=300),
        Figure("questions lost", sum(a.outcome == LOST for a in (*one, *many)), at_most=0),
        Figure("memory of all processes", memory / 1e9, "GB", at_most=3),
        Figure("one reader of the tutorial: answers a minute", 60 * rival_alone),
        Figure(f"{AT_ONCE} readers of the tutorial: answers a minute", 60 * rival_together),
        Figure("throughput against the tutorial's, one reader", alone / rival_alone, "times"),
        Figure(f"throughput against the tutorial's, {AT_ONCE} readers", together / rival_together, "times"),
        Figure("the tutorial's first word, p50, one reader", _median_seconds(r.first_ms for r in rival_one), "s"),
        Figure(f"the tutorial's first word, p50, {AT_ONCE}", _median_seconds(r.first_ms for r in rival_many), "s"),
        Figure("the tutorial: answered after, p50, one reader", _median_seconds(r.total_ms for r in rival_one), "s"),
        Figure(f"the tutorial: answered after, p50, {AT_ONCE}", _median_seconds(r.total_ms for r in rival_many), "s"),
    ]

    def draw(axes: Sequence[Axes]) -> None:
        rival_seconds = [reply.total_ms / 1000 for reply in rival_many]
        axes[1].ecdf(rival_seconds, label=f"{AT_ONCE} readers of the tutorial", linestyle=":")
        for label, asked, style in (("one reader", one, "-"), (f"{AT_ONCE} readers", many, "--")):
            axes[0].ecdf([a.first_ms for a in asked], label=label, linestyle=style)
            axes[1].ecdf([a.end_ms / 1000 for a in asked], label=label, linestyle=style)
        axes[0].set(xlabel="milliseconds", ylabel="share within", title="First evidence")
        axes[1].set(xlabel="seconds", title="Final answer")
        axes[1].legend(loc="lower right")

    answers: dict[str, Sequence[Asked | Reply]]
    answers = {"one": one, "many": many, "tutorial_one": rival_one, "tutorial_many": rival_many}
    details = {"machine": about, **{who: [asdict(answer) for answer in told] for who, told in answers.items()}}
    save(out, "readers", figures, details, draw)
    return figures


def _in_turns(words: Sequence[str], progress: Progress) -> tuple[dict[int, list[Asked]], dict[int, float], int]:
    """Let one reader ask, four at once, four again, and one; each time a new server, which remembers no answer.

    Return by the number of readers what came and how many answers a second, and the memory of all processes in bytes.
    """
    met: dict[int, list[Asked]] = {1: [], AT_ONCE: []}
    speeds: dict[int, list[float]] = {1: [], AT_ONCE: []}
    memory = 0
    for readers in (1, AT_ONCE, AT_ONCE, 1):
        progress(f"Readers at once: {readers}", 0, 0)
        with _packaged() as server:
            asked, speed = asyncio.run(_together(server.address, readers, words))
            memory = max(memory, memory_bytes(family(server.process.pid)))
        met[readers] += asked
        speeds[readers].append(speed)
    return met, {readers: fmean(told) for readers, told in speeds.items()}, memory


def _median_seconds(milliseconds: Iterable[float]) -> float:
    return percentile(list(milliseconds), 0.5) / 1000


@contextmanager
def _packaged() -> Iterator[Running]:
    """Run the real server with the model of the environment, and wait until it has answered once."""
    with serving({}) as server:
        wait_for_model(server)
        asyncio.run(_ask_once(server.address, "How much has violent crime fallen?"))
        yield server


async def _together(address: str, readers: int, words: Sequence[str]) -> tuple[list[Asked], float]:
    """Let so many readers ask at the same time, whoever has an answer the next one; return what came, and how fast.

    With a share for each, those with quick answers would leave the others alone at the end. How fast is answers a
    second, from the first answer until the last question is taken: from then on fewer than all ask.
    """
    unasked = iter(words)
    taken: list[float] = []
    ended: list[tuple[float, Asked]] = []

    async def read() -> None:
        async with reader(address) as client:
            by = await form(client)
            for question in unasked:
                taken.append(time.perf_counter())
                # A new tab for each, so that no question leans on the one before.
                asked, _ = await ask(client, by, secrets.token_hex(6), question)
                ended.append((time.perf_counter(), asked))

    await asyncio.gather(*(read() for _ in range(readers)))
    begin, end = ended[0][0], max(taken)
    answered = sum(begin < at <= end and asked.outcome == ANSWERED for at, asked in ended)
    return [asked for _, asked in ended], answered / (end - begin)


def _ask_tutorial(
    readers: int, words: Sequence[str], articles: Sequence[Article], embedder: SentenceEmbedder, settings: Settings
) -> tuple[list[Reply], float]:
    """Let so many readers share the questions of a new tutorial; return what came, and the seconds."""
    with (
        tutorial.opened(articles, embedder, settings, slots=AT_ONCE) as rival,
        ThreadPoolExecutor(readers) as pool,
    ):
        rival.ask("What happened?")
        started = time.perf_counter()
        return list(pool.map(rival.ask, words)), time.perf_counter() - started


# A long time


def measure_soak(minutes: float, out: Path, progress: Progress) -> list[Figure]:
    """Ask a question every two seconds for so long, write soak.json and soak.png, and return the figures."""
    end_with_us()
    about = machine()
    with scripted(0.5) as server:
        watch = Watch(server)
        count = max(20, round(60 * minutes / SOAK_PERIOD_SECONDS))
        asked = soak(watch, count, SOAK_PERIOD_SECONDS, lambda done: progress("Asking", done, count))
    figures = [
        Figure("questions asked", len(asked)),
        Figure("questions lost", sum(each.outcome != ANSWERED for each in asked), at_most=0),
        Figure("memory at the beginning", watch.samples[0].memory / 1e6, "MB"),
        Figure("memory at the end", watch.samples[-1].memory / 1e6, "MB"),
        Figure("memory's slope over the second half", memory_slope(watch.samples), "MB/h", at_most=10),
        Figure("open files at the beginning", watch.samples[0].files),
        Figure(
            "open files at the end, more than at the beginning",
            watch.samples[-1].files - watch.samples[0].files,
            at_most=5,
        ),
    ]

    def draw(axes: Sequence[Axes]) -> None:
        _draw_memory(axes[0], watch)
        axes[1].plot([each.at / 60 for each in watch.samples], [each.files for each in watch.samples])
        axes[1].set(xlabel="minutes", ylabel="open files", ylim=(0, None), title="Open files")

    save(out, "soak", figures, _details(about, watch), draw)
    return figures


def soak(watch: Watch, count: int, period: float, progress: Callable[[int], None] = lambda done: None) -> list[Asked]:
    """Ask so many different questions, each in a tab of its own, one every `period` seconds, and look at the server."""

    async def all_questions() -> list[Asked]:
        asked: list[Asked] = []
        async with reader(watch.server.address) as client:
            await open_page(client)
            by = await form(client)
            # What is made on first use is no leak.
            for number in range(10):
                await ask(client, by, new_tab(), f"How much has violent crime fallen? (warm {number})")
            begun = time.monotonic()
            for number in range(count):
                if number % max(1, count // 200) == 0:
                    await asyncio.to_thread(watch.sample)
                question = f"How much has violent crime fallen? ({number})"
                asked.append((await ask(client, by, new_tab(), question))[0])
                progress(number + 1)
                await asyncio.sleep(max(0.0, begun + (number + 1) * period - time.monotonic()))
            await asyncio.to_thread(watch.sample)
        return asked

    return asyncio.run(all_questions())


def memory_slope(samples: Sequence[Sample]) -> float:
    """Return by how many megabytes an hour the memory grows in the second half."""
    later = samples[len(samples) // 2 :]
    slope = np.polyfit([each.at / 3600 for each in later], [each.memory / 1e6 for each in later], 1)[0]
    return float(slope)


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


async def _ask_once(address: str, question: str) -> Asked:
    async with reader(address) as client:
        asked, _ = await ask(client, await form(client), secrets.token_hex(6), question)
        return asked


def _details(about: Mapping[str, Any], watch: Watch) -> dict[str, Any]:
    return {
        "machine": dict(about),
        "samples": [asdict(sample) for sample in watch.samples],
    }


def _draw_memory(axes: Axes, watch: Watch) -> None:
    axes.plot([each.at / 60 for each in watch.samples], [each.memory / 1e6 for each in watch.samples])
    axes.set(xlabel="minutes", ylabel="MB", ylim=(0, None), title="Memory of the server")
