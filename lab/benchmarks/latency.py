"""How long a reader waits: for the page, the first evidence and the final answer, beside a bare exact search.

Everything is measured in one run on one machine, the two sides of a comparison in turn, question by question, so that
ratios hold on any machine. Embedded engine only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, TypeVar

import httpx
import numpy as np

from assistant.answering.assistant import Assistant
from assistant.articles.passages import passages
from assistant.articles.reading import read_corpus
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import Question
from assistant.model import weights
from assistant.search.embedder import SentenceEmbedder
from assistant.settings import Settings
from lab.benchmarks.figures import Figure, Measured, Progress, percentile, spread
from lab.processes import family, memory_bytes, serving, wait_for_model, wait_until_answers

MAX_EVIDENCE_QUESTIONS = 200
REPEATED = 5
"""How many questions are asked of the server again, and how often each."""
WHOLE_SECONDS = 300.0
"""The model's time is not cut short, so that it says all that it has to say."""
_BEST = 10

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


def measure(questions: Sequence[Question], limit: int, settings: Settings, progress: Progress) -> Measured:
    """Measure with so many of the questions that have no history.

    Raises:
        ConfigurationError: the embedding model is missing, or the settings name another model than the embedded one.
    """
    if settings.model != "local" or not weights.embedder_is_packaged():
        raise ConfigurationError(
            f"The benchmark measures the embedded engine: unset ASSISTANT_MODEL and run {weights.INSTALL}"
        )
    alone = [question for question in questions if not question.history]
    served, rows = _served(of_every_kind(alone, limit), progress)
    ours, bare = _evidence(alone[:MAX_EVIDENCE_QUESTIONS], settings, progress)
    bare_p50 = percentile(bare, 0.5)
    figures = [
        *served,
        *spread("first evidence", ours, p50=100, p95=250),
        Figure("sentence-transformers' encode and exact search, p50", bare_p50, "ms"),
        Figure("first evidence against that", percentile(ours, 0.5) / bare_p50, "times", at_most=1.3),
        *spread("final answer", [row["ms"] / 1000 for row in rows], "s", p50=3, p95=6),
    ]
    return Measured(figures, {"first_ms": ours, "bare_ms": bare, "rows": rows})


def of_every_kind(questions: Sequence[Question], count: int) -> list[Question]:
    """Return so many of the questions, of every kind as large a share as it has among all."""
    ordered = sorted(questions, key=lambda question: (question.kind, question.id))
    count = min(count, len(ordered))
    return [ordered[number * len(ordered) // count] for number in range(count)]


def _served(asked: Sequence[Question], progress: Progress) -> tuple[list[Figure], list[dict[str, Any]]]:
    """Start the server as readers meet it, ask each question, and some again; return figures, and a row an answer."""
    progress("Starting the server", 0, 0)
    started = time.monotonic()
    with (
        serving({"ASSISTANT_ANSWER_SECONDS": str(WHOLE_SECONDS)}) as server,
        httpx.Client(base_url=server.address, timeout=WHOLE_SECONDS) as client,
    ):

        def ask(question: Question) -> httpx.Response:
            return client.post("/api/ask", json={"question": question.question})

        wait_until_answers(server, "/")
        events = {"accept": "text/event-stream"}
        with client.stream("POST", "/api/ask", json={"question": "What did the city do?"}, headers=events) as response:
            next(line for line in response.iter_lines() if line.startswith("event: ") and line[7:] != "working")
        usable = time.monotonic() - started
        wait_for_model(server)
        loaded = time.monotonic() - started
        rows = []
        for done, question in enumerate(asked, start=1):
            took, answer = _timed(ask, question)
            status = answer.json()["status"]
            rows.append({"id": question.id, "kind": question.kind, "status": status, "ms": took})
            progress("Asking the server", done, len(asked))
        repeated = [_timed(ask, question)[0] for question in asked[:REPEATED] for _ in range(REPEATED)]
        memory = memory_bytes(family(server.process.pid))
    figures = [
        Figure("from the start to a page and its first evidence", usable, "s", at_most=5),
        Figure("from the start to a loaded language model", loaded, "s"),
        Figure("memory of all processes", memory / 1e9, "GB", at_most=2.4),
        *spread("repeated question", repeated, p50=20, p95=20),
    ]
    return figures, rows


def _evidence(asked: Sequence[Question], settings: Settings, progress: Progress) -> tuple[list[float], list[float]]:
    """Return milliseconds until the first evidence, and until a bare exact search of the same passages is done."""
    progress("Finding evidence", 0, 0)
    embedder = SentenceEmbedder.from_folder(weights.embedder_folder(settings.data), weights.EMBEDDER_SHA256)
    texts = [passage.text for article in read_corpus(settings.articles).articles for passage in passages(article)]
    vectors = np.asarray(embedder.embed_documents(texts), dtype=np.float32)

    def search(question: str) -> None:
        """Embed the question with sentence-transformers' `encode`, and search."""
        similarities = vectors @ np.asarray(embedder.embed_query(question), dtype=np.float32)
        best = np.argpartition(-similarities, min(_BEST, len(similarities) - 1))[:_BEST]
        best[np.argsort(-similarities[best])]

    ours: list[float] = []
    bare: list[float] = []
    with Assistant.open(replace(settings, model="none")) as assistant:
        assistant.wait_until_loaded()
        for question in asked:
            with closing(assistant.stream(question.question)) as snapshots:
                ours.append(_timed(next, snapshots)[0])
            bare.append(_timed(search, question.question)[0])
    return ours, bare


def _timed(action: Callable[[_Given], _Made], given: _Given) -> tuple[float, _Made]:
    """Return how many milliseconds an action takes, and what comes of it."""
    started = time.perf_counter()
    made = action(given)
    return 1000 * (time.perf_counter() - started), made
