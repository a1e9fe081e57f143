"""Readers who ask while articles are indexed: how long they wait, and from which articles they are answered.

A server, and a process that indexes for the next one, share a Chroma server, as on several machines. The model always
says the same. What is indexed is the articles with other numbers in them, so that the words that answer are others, and
further articles made of them.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from assistant.articles import read_corpus
from assistant.benchmarks.figures import Figure, machine, save
from assistant.benchmarks.load import scripted
from assistant.benchmarks.processes import chroma_server, end_with_us, start, stop
from assistant.benchmarks.readers import ANSWERED, LOST, Asked, crowd
from assistant.benchmarks.scale import filled
from assistant.errors import AssistantError
from assistant.evaluation.statistics import percentile
from assistant.settings import Settings
from assistant.types import Article

if TYPE_CHECKING:
    from matplotlib.axes import Axes

READERS = 20
MODEL_SECONDS = 0.5
"""How long the scripted model takes for an answer."""
QUIET_SECONDS = 30.0
"""How long they ask before anything is indexed."""
LONGEST_SECONDS = 900.0
"""How long indexing may take."""
_QUESTION = "How much has violent crime fallen?"
_BETWEEN_SECONDS = 0.2

Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Quoted:
    """What a program was answered with, which asks beside the readers."""

    quotations: list[str] = field(default_factory=list)
    failed: int = 0


def measure_indexing(visitors: int, passages: int, out: Path, progress: Progress) -> list[Figure]:
    """Let visitors ask, first in quiet and then while so many passages are indexed; return the figures.

    Writes indexing.json and indexing.png. The articles are those of the environment.

    Raises:
        AssistantError: a process did not start, or the articles could not be indexed.
    """
    end_with_us()
    about = machine()
    served = read_corpus(Settings.from_environment().articles).articles
    coming = [_with_other_numbers(article) for article in filled(served, passages)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        now, then = _written(served, folder / "now"), _written(coming, folder / "then")
        with chroma_server(folder) as chroma:
            environment = {"ASSISTANT_CHROMA_URL": chroma.address, "ASSISTANT_UNLIMITED": "127.0.0.1"}
            progress("Readers ask", 0, 0)
            with scripted(MODEL_SECONDS, {**environment, "ASSISTANT_ARTICLES": str(now)}) as server:
                quiet, _ = _asked(server.address, visitors, QUIET_SECONDS)
                progress("Readers ask while articles are indexed", 0, 0)
                begun = time.monotonic()
                with _indexing(folder, {**environment, "ASSISTANT_ARTICLES": str(then)}) as is_over:
                    busy, quoted = _asked(server.address, visitors, LONGEST_SECONDS, is_over)
                seconds = time.monotonic() - begun
            with scripted(MODEL_SECONDS, {**environment, "ASSISTANT_ARTICLES": str(then)}) as server:
                after = _ask(server.address, 0)
    foreign = [quotation for quotation in quoted.quotations if not _stands_in(quotation, served)]
    figures = [
        Figure("passages indexed", passages),
        Figure("indexed after", seconds, "s"),
        Figure("questions answered meanwhile", Counter(each.outcome for each in busy)[ANSWERED]),
        Figure("questions lost", sum(each.outcome == LOST for each in (*quiet, *busy)) + quoted.failed, at_most=0),
        Figure("first sign on the page in quiet, p50", percentile([each.first_ms for each in quiet], 0.5), "ms"),
        Figure("first sign on the page in quiet, p99", percentile([each.first_ms for each in quiet], 0.99), "ms"),
        Figure("first sign on the page meanwhile, p50", percentile([each.first_ms for each in busy], 0.5), "ms"),
        Figure("first sign on the page meanwhile, p99", percentile([each.first_ms for each in busy], 0.99), "ms"),
        Figure("answered meanwhile after, p99", percentile([each.end_ms for each in busy], 0.99) / 1000, "s"),
        Figure("quotations looked at", len(quoted.quotations), at_least=1),
        Figure("of them not from the articles that are served", len(foreign), at_most=0),
        Figure("quotations of the next process", len(after), at_least=1),
        Figure("of them not from the new articles", sum(not _stands_in(each, coming) for each in after), at_most=0),
    ]

    def draw(axes: Sequence[Axes]) -> None:
        for label, asked, style in (("in quiet", quiet, "-"), ("while articles are indexed", busy, "--")):
            axes[0].ecdf([each.first_ms for each in asked], label=label, linestyle=style)
            axes[1].ecdf([each.end_ms / 1000 for each in asked], label=label, linestyle=style)
        axes[0].set(xlabel="milliseconds", ylabel="share within", title="First sign on the page", xscale="log")
        axes[1].set(xlabel="seconds", title="Final answer")
        axes[1].legend(loc="lower right")

    details = {"machine": about, "visitors": visitors, "foreign": foreign}
    asked = {"quiet": [asdict(each) for each in quiet], "meanwhile": [asdict(each) for each in busy]}
    save(out, "indexing", figures, {**details, **asked}, draw)
    return figures


def _with_other_numbers(article: Article) -> Article:
    """Return the article with each number one higher in its last digit, or one lower."""
    return replace(article, text=re.sub(r"\d\b", lambda digit: str((int(digit[0]) + 1) % 10), article.text))


def _written(articles: Sequence[Article], folder: Path) -> Path:
    """Return the folder, with the articles as files."""
    folder.mkdir()
    for article in articles:
        (folder / f"{article.id}.txt").write_text(article.text, encoding="utf-8")
    return folder


def _stands_in(quotation: str, articles: Sequence[Article]) -> bool:
    return any(quotation in article.text for article in articles)


@contextmanager
def _indexing(folder: Path, environment: Mapping[str, str]) -> Iterator[Callable[[], bool]]:
    """Index articles meanwhile; yield what tells whether it is over.

    Raises:
        AssistantError: they could not be indexed.
    """
    settings = {**environment, "ASSISTANT_DATA": str(folder / "indexer")}
    running = start([sys.executable, "-m", "assistant", "index"], "", folder / "index.log", settings)
    try:
        yield lambda: running.process.poll() is not None
        if running.process.wait(LONGEST_SECONDS):
            raise AssistantError(f"The articles could not be indexed: {running.log.read_text(errors='replace')[-500:]}")
    finally:
        stop(running)


def _asked(
    address: str, visitors: int, seconds: float, is_over: Callable[[], bool] = lambda: False
) -> tuple[list[Asked], Quoted]:
    """Let visitors ask for so long, or until it is over, and a program beside them; return what they were told."""
    quoted = Quoted()
    has_left = threading.Event()

    def program() -> None:
        number = 0
        while not has_left.is_set():
            number += 1
            try:
                quoted.quotations += _ask(address, number)
            except httpx.HTTPError:
                quoted.failed += 1
            time.sleep(_BETWEEN_SECONDS)

    beside = threading.Thread(target=program)
    beside.start()
    try:
        met = asyncio.run(crowd(address, visitors, seconds, is_over))
    finally:
        has_left.set()
        beside.join()
    if met.broken_pages:
        raise AssistantError(f"{len(met.broken_pages)} pages did not open: {met.broken_pages[0]}")
    return met.asked, quoted


def _ask(address: str, number: int) -> list[str]:
    """Ask as a program does, never the same twice, and return what is quoted.

    Raises:
        httpx.HTTPError: there is no answer.
    """
    asked = httpx.post(f"{address}/api/ask", json={"question": f"{_QUESTION} ({number})"}, timeout=60.0)
    answer: dict[str, Any] = asked.raise_for_status().json()
    return [citation["quote"] for citation in answer["citations"]]
