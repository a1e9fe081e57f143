"""Readers who ask while articles are indexed: how long they wait, and what the process that comes next finds done.

A server, and a process that indexes for the next one, share a Chroma server, as on several machines. The model always
says the same. The server answers from the articles that it read at its start: what is indexed takes but time from it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.articles.reading import read_corpus
from assistant.errors import AssistantError, ConfigurationError
from assistant.evaluation.scoring.statistics import percentile
from assistant.settings import PROJECT, Settings
from assistant.types import Article
from lab.benchmarks.figures import Figure, machine, save
from lab.benchmarks.load import Progress, scripted
from lab.benchmarks.readers import ANSWERED, Asked, Crowd, crowd
from lab.benchmarks.scale import filled
from lab.processes import chroma_server, end_with_us

if TYPE_CHECKING:
    from matplotlib.axes import Axes

READERS = 20
MODEL_SECONDS = 0.5
"""How long the scripted model takes for an answer."""
QUIET_SECONDS = 30.0
"""How long they ask before anything is indexed."""
LONGEST_SECONDS = 1800.0
"""How long indexing may take."""
_LOOK_SECONDS = 0.1


def measure_indexing(readers: int, passages: int, out: Path, progress: Progress) -> list[Figure]:
    """Let readers ask, first in quiet and then while about so many passages are indexed; return the figures.

    Writes indexing.json and indexing.png. Served are the articles of the environment; indexed are these and others that
    are made of them.

    Raises:
        ConfigurationError: there are no articles.
        AssistantError: a process did not start, or the articles could not be indexed in half an hour.
    """
    end_with_us()
    about = machine()
    served = read_corpus(Settings.from_environment().articles).articles
    if not served:
        raise ConfigurationError("There are no articles: set ASSISTANT_ARTICLES to a folder that has some")
    with tempfile.TemporaryDirectory() as name, chroma_server(Path(name)) as chroma:
        folder = Path(name)
        shared = {"ASSISTANT_CHROMA_URL": chroma.address, "ASSISTANT_UNLIMITED": "127.0.0.1"}
        coming = {**shared, "ASSISTANT_ARTICLES": str(_written(filled(served, passages), folder / "coming"))}
        with scripted(MODEL_SECONDS, shared) as server:
            progress("Readers ask", 0, 0)
            quiet = asyncio.run(crowd(server.address, readers, QUIET_SECONDS))
            progress("Readers ask while articles are indexed", 0, 0)
            with _indexing(folder / "indexer", coming) as indexing:
                busy = asyncio.run(crowd(server.address, readers, LONGEST_SECONDS, indexing.is_over))
                embedded = indexing.embedded()
        with _indexing(folder / "next", coming) as after:
            left = after.embedded()
    figures = [
        Figure("passages embedded", embedded, at_least=1),
        Figure("the indexer took", indexing.seconds, "s"),
        Figure("passages left for the next process to embed", left, at_most=0),
        *_figures("in quiet", quiet),
        *_figures("while articles are indexed", busy),
    ]

    def draw(axes: Sequence[Axes]) -> None:
        for label, met, style in (("in quiet", quiet, "-"), ("while articles are indexed", busy, "--")):
            axes[0].ecdf([each.first_ms for each in _answered(met)] or [0.0], label=label, linestyle=style)
            axes[1].ecdf([each.end_ms / 1000 for each in _answered(met)] or [0.0], label=label, linestyle=style)
        axes[0].set(xlabel="milliseconds", ylabel="share within", title="First sign on the page")
        axes[1].set(xlabel="seconds", title="Final answer")
        axes[1].legend(loc="lower right")

    details = {"machine": about, "readers": readers, "quiet": asdict(quiet), "meanwhile": asdict(busy)}
    save(out, "indexing", figures, details, draw)
    return figures


def _figures(when: str, met: Crowd) -> list[Figure]:
    answered = _answered(met)
    first = [each.first_ms for each in answered]
    return [
        Figure(f"{when}: questions answered", len(answered), at_least=1),
        Figure(f"{when}: questions not answered", len(met.asked) - len(answered), at_most=0),
        Figure(f"{when}: broken pages", len(met.broken_pages), at_most=0),
        Figure(f"{when}: first sign on the page, p50", percentile(first, 0.5), "ms"),
        Figure(f"{when}: first sign on the page, p99", percentile(first, 0.99), "ms"),
        Figure(f"{when}: answered after, p99", percentile([each.end_ms for each in answered], 0.99) / 1000, "s"),
    ]


def _answered(met: Crowd) -> list[Asked]:
    return [each for each in met.asked if each.outcome == ANSWERED]


def _written(articles: Iterable[Article], folder: Path) -> Path:
    """Return the folder, with the words of the articles as files; what else is known of them is left out."""
    folder.mkdir()
    for article in articles:
        (folder / f"{article.id}.txt").write_text(article.text, encoding="utf-8")
    return folder


@contextmanager
def _indexing(folder: Path, environment: Mapping[str, str]) -> Iterator[_Indexing]:
    """Let a process index articles meanwhile, with what it keeps in a folder that is not there yet."""
    folder.mkdir()
    command = [sys.executable, "-m", "assistant", "index", "--json"]
    settings = os.environ | environment | {"ASSISTANT_DATA": str(folder / "data")}
    with (folder / "told").open("wb") as told, (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, cwd=PROJECT, env=settings, stdin=subprocess.DEVNULL, stdout=told, stderr=log
        )
        try:
            yield _Indexing(process, folder)
        finally:
            process.kill()
            process.wait()


@dataclass(slots=True)
class _Indexing:
    """A process that indexes articles."""

    process: subprocess.Popen[bytes]
    folder: Path
    begun: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    """How long it took, as soon as that was seen."""

    def is_over(self) -> bool:
        """Return whether it has ended, and note when that was seen first."""
        if self.process.poll() is None:
            return False
        self.seconds = self.seconds or time.monotonic() - self.begun
        return True

    def embedded(self) -> int:
        """Wait for its end, and return how many passages it had to embed.

        Raises:
            AssistantError: it failed, or does not end.
        """
        while not self.is_over() and time.monotonic() - self.begun < LONGEST_SECONDS:
            time.sleep(_LOOK_SECONDS)
        if self.process.returncode != 0:
            said = (self.folder / "log").read_text(errors="replace").strip()[-500:]
            raise AssistantError(f"The articles could not be indexed: {said or 'it took too long'}")
        embedded: int = json.loads((self.folder / "told").read_bytes())["embedded"]
        return embedded
