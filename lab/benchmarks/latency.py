"""How long a reader waits, beside what the parts alone would take and beside the RAG that tutorials build.

Everything is measured in one run on one machine, the two sides of a comparison in turn, question by question, so that
ratios hold on any machine. Embedded engine only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import httpx
import numpy as np

from assistant.answering.assistant import Assistant
from assistant.articles.passages import passages
from assistant.articles.reading import Corpus, read_corpus
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import Question
from assistant.evaluation.records import Record, answer_line
from assistant.evaluation.scoring.observed import Observed
from assistant.evaluation.scoring.statistics import percentile
from assistant.model import weights
from assistant.search.embedder import SentenceEmbedder
from assistant.settings import Settings
from assistant.types import Answer, Article, Status
from lab.benchmarks import recorder, tutorial
from lab.benchmarks.figures import Figure, machine, save
from lab.processes import (
    end_with_us,
    family,
    memory_bytes,
    serving,
    wait_for_model,
    wait_until_answers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_EVIDENCE_QUESTIONS = 200
REPEATED = 5
"""How many questions are asked of the server, and how often each is repeated."""
WHOLE_SECONDS = 300.0
"""The model's time is not cut short, so that both sides say all that they have to say."""
_BEST = 10

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One question, answered both ways. Times are in milliseconds."""

    id: str
    kind: str
    status: str
    ours_first: float | None
    ours_total: float
    ours_right: bool
    bare_engine: float
    """What the engine alone takes for the requests of that answer."""
    tutorial_first: float
    tutorial_total: float
    tutorial_right: bool
    tutorial_text: str


def measure(
    questions: Sequence[Question], limit: int, settings: Settings, out: Path, progress: Progress
) -> list[Figure]:
    """Measure with so many questions, write latency.json and latency.png, and return the figures.

    Raises:
        ConfigurationError: a model or what the tutorial needs is missing, or the settings name another than the
            embedded one.
    """
    if settings.model != "local" or not weights.embedder_is_packaged():
        raise ConfigurationError(
            f"The benchmark compares with the embedded engine: unset ASSISTANT_MODEL and run {weights.INSTALL}"
        )
    end_with_us()
    about = machine()
    alone = [question for question in questions if not question.history]
    asked = spread(alone, limit)
    figures = _served(asked, progress)
    corpus = read_corpus(settings.articles)
    embedder = SentenceEmbedder.from_folder(weights.embedder_folder(settings.data), weights.EMBEDDER_SHA256)
    ours, bare = _evidence(alone[:MAX_EVIDENCE_QUESTIONS], settings, corpus, embedder, progress)
    rows = _answers(asked, settings, corpus, embedder, progress)
    figures += [*_evidence_figures(ours, bare), *_answer_figures(rows)]
    details = {
        "machine": about,
        "questions": len(rows),
        "first_ms": ours,
        "bare_ms": bare,
        "rows": list(map(asdict, rows)),
    }
    save(out, "latency", figures, details, lambda axes: _draw(axes, ours, bare, rows))
    return figures


def spread(questions: Sequence[Question], count: int) -> list[Question]:
    """Return so many of the questions, of every kind as large a share as it has among all."""
    ordered = sorted(questions, key=lambda question: (question.kind, question.id))
    count = min(count, len(ordered))
    return [ordered[number * len(ordered) // count] for number in range(count)]


# The server as readers meet it


def _served(asked: Sequence[Question], progress: Progress) -> list[Figure]:
    """Start the server, ask it, and ask it the same again."""
    progress("Starting the server", 0, 0)
    started = time.monotonic()
    with (
        serving({"ASSISTANT_ANSWER_SECONDS": str(WHOLE_SECONDS)}) as server,
        httpx.Client(base_url=server.address, timeout=WHOLE_SECONDS) as client,
    ):
        wait_until_answers(server, "/")
        _first_event(client, "What happened?")
        usable = time.monotonic() - started
        wait_for_model(server)
        loaded = time.monotonic() - started
        repeated: list[float] = []
        for done, question in enumerate(asked[:REPEATED], start=1):
            _ask(client, question.question)
            repeated += [_ask(client, question.question) for _ in range(REPEATED)]
            progress("Asking the server", done, REPEATED)
        memory = memory_bytes(family(server.process.pid))
    return [
        Figure("from the start to a page and its first evidence", usable, "s", at_most=15),
        Figure("from the start to a loaded language model", loaded, "s"),
        Figure("memory of all processes", memory / 1e9, "GB", at_most=3),
        Figure("repeated question, p50", percentile(repeated, 0.5), "ms", at_most=20),
        Figure("repeated question, p95", percentile(repeated, 0.95), "ms", at_most=20),
    ]


def _ask(client: httpx.Client, question: str) -> float:
    """Return the milliseconds until the final answer."""
    started = time.perf_counter()
    client.post("/api/ask", json={"question": question})
    return 1000 * (time.perf_counter() - started)


def _first_event(client: httpx.Client, question: str) -> None:
    """Return when the first evidence is there."""
    headers = {"accept": "text/event-stream"}
    with client.stream("POST", "/api/ask", json={"question": question}, headers=headers) as response:
        next(line for line in response.iter_lines() if line.startswith("event: ") and line[7:] != "working")


# The first evidence


def _evidence(
    asked: Sequence[Question], settings: Settings, corpus: Corpus, embedder: SentenceEmbedder, progress: Progress
) -> tuple[list[float], list[float]]:
    """Return milliseconds until the first evidence, and until a bare exact search of the same vectors is done."""
    progress("Finding evidence", 0, 0)
    texts = [passage.text for article in corpus.articles for passage in passages(article)]
    vectors = np.asarray(embedder.embed_documents(texts), dtype=np.float32)
    ours: list[float] = []
    bare: list[float] = []
    with _opened(replace(settings, model="none"), corpus, embedder) as assistant:
        for number, question in enumerate(asked):
            sides = [
                lambda words=question.question: ours.append(_first_evidence(assistant, words)),
                lambda words=question.question: bare.append(_exact_search(embedder, vectors, words)),
            ]
            for side in sides if number % 2 else reversed(sides):
                side()
    return ours, bare


def _first_evidence(assistant: Assistant, question: str) -> float:
    started = time.perf_counter()
    snapshots = assistant.stream(question)
    next(snapshots)
    took = 1000 * (time.perf_counter() - started)
    snapshots.close()
    return took


def _exact_search(embedder: SentenceEmbedder, vectors: np.ndarray, question: str) -> float:
    """Embed the question with sentence-transformers' `encode`, and search; return the milliseconds."""
    started = time.perf_counter()
    similarities = vectors @ np.asarray(embedder.embed_query(question), dtype=np.float32)
    best = np.argpartition(-similarities, min(_BEST, len(similarities) - 1))[:_BEST]
    best[np.argsort(-similarities[best])]
    return 1000 * (time.perf_counter() - started)


# The final answer


def _answers(
    asked: Sequence[Question], settings: Settings, corpus: Corpus, embedder: SentenceEmbedder, progress: Progress
) -> list[Row]:
    """Ask every question of the assistant, of the bare engine what that has asked of it, and of the tutorial."""
    rows: list[Row] = []
    with ExitStack() as opened:
        settings = replace(settings, answer_seconds=WHOLE_SECONDS)
        progress("Loading the language model", 0, 0)
        requests = opened.enter_context(recorder.recording())
        assistant = opened.enter_context(_opened(settings, corpus, embedder))
        if assistant.model_state != "ready":
            raise ConfigurationError(f"The language model is {assistant.model_state}")
        rival = opened.enter_context(tutorial.opened(corpus.articles, embedder, settings))
        rival.ask("What happened?")
        assistant.ask("What happened?")
        for done, question in enumerate(asked, start=1):
            rows.append(_row(question, assistant, requests, rival))
            progress("Asking both", done, len(asked))
    return rows


def _seen(question: Question, answer: Answer, articles: Mapping[str, Article]) -> Observed:
    """Return an answer beside its gold, as the evaluation sees what it has recorded."""
    return Observed(question, Record.from_line(answer_line(question.id, 0, answer, answer)), articles)


def _row(question: Question, assistant: Assistant, requests: list[recorder.Request], rival: tutorial.Tutorial) -> Row:
    requests.clear()
    answer = assistant.ask(question.question)
    asked = list(requests)
    bare = recorder.ask_again(asked) if asked else 0.0
    reply = rival.ask(question.question)
    articles = {article.id: article for article in assistant.corpus.articles}
    told = _seen(question, Answer(question.question, Status.ANSWERED, reply.text), articles)
    served = _seen(question, answer, articles)
    handled = reply.declines and not told.forbidden_found
    return Row(
        question.id,
        question.kind,
        str(answer.status),
        answer.timings.first_ms,
        answer.timings.total_ms,
        served.holds_facts if question.answerable else served.handled,
        1000 * bare,
        reply.first_ms,
        reply.total_ms,
        told.holds_facts if question.answerable else handled,
        reply.text,
    )


@contextmanager
def _opened(settings: Settings, corpus: Corpus, embedder: SentenceEmbedder) -> Iterator[Assistant]:
    """Open the assistant with this embedder, so that both sides use the same, and wait until all is loaded."""
    with patch.object(SentenceEmbedder, "from_folder", lambda *_: embedder):
        assistant = Assistant.over(corpus, settings, settings.data / "index")
    try:
        assistant.wait_until_loaded()
        yield assistant
    finally:
        assistant.close()


# What it comes to


def _evidence_figures(ours: Sequence[float], bare: Sequence[float]) -> list[Figure]:
    ours_p50, bare_p50 = percentile(ours, 0.5), percentile(bare, 0.5)
    return [
        Figure("first evidence, p50", ours_p50, "ms", at_most=100),
        Figure("first evidence, p95", percentile(ours, 0.95), "ms", at_most=250),
        Figure("sentence-transformers' encode and exact search, p50", bare_p50, "ms"),
        Figure("first evidence against that", ours_p50 / bare_p50, "times", at_most=1.3),
    ]


def _answer_figures(rows: Sequence[Row]) -> list[Figure]:
    ours, theirs = [row.ours_total for row in rows], [row.tutorial_total for row in rows]
    with_engine = [row for row in rows if row.bare_engine]
    spent, needed = sum(row.ours_total for row in with_engine), sum(row.bare_engine for row in with_engine)
    rights = sum(row.ours_right for row in rows), sum(row.tutorial_right for row in rows)
    return [
        Figure("final answer, p50", percentile(ours, 0.5) / 1000, "s", at_most=3),
        Figure("final answer, p95", percentile(ours, 0.95) / 1000, "s", at_most=6),
        Figure("the tutorial's final answer, p50", percentile(theirs, 0.5) / 1000, "s"),
        Figure("the tutorial's final answer, p95", percentile(theirs, 0.95) / 1000, "s"),
        Figure("the tutorial's first word, p50", percentile([row.tutorial_first for row in rows], 0.5) / 1000, "s"),
        Figure(
            "final answer faster than the tutorial's, p50",
            percentile(theirs, 0.5) / percentile(ours, 0.5),
            "times",
            at_least=4,
        ),
        Figure("answers right", rights[0], f"of {len(rows)}", at_least=rights[1] + 1),
        Figure("the tutorial's answers right", rights[1], f"of {len(rows)}"),
        Figure("over the bare engine for the same requests", 100 * (spent / needed - 1) if needed else 0.0, "%", 10),
    ]


def _draw(axes: Sequence[Axes], ours: Sequence[float], bare: Sequence[float], rows: Sequence[Row]) -> None:
    evidence, final = axes
    evidence.ecdf(ours, label="first evidence")
    evidence.ecdf(bare, label="bare embedding and exact search", linestyle="--")
    evidence.set(xlabel="milliseconds", ylabel="share of questions ready", xlim=(0, None), title="First evidence")
    seconds: dict[str, list[float]] = {
        "the assistant": [row.ours_total / 1000 for row in rows],
        "the tutorial": [row.tutorial_total / 1000 for row in rows],
    }
    for (label, values), style in zip(seconds.items(), ("-", "--"), strict=True):
        final.ecdf(values, label=label, linestyle=style)
    final.set(xlabel="seconds", ylabel="share of questions ready", xlim=(0, None), title="Final answer")
    for each in axes:
        each.legend(loc="lower right")
        each.grid(visible=True, alpha=0.3)
