"""A question in, better and better snapshots of its answer out: the steps are those of `steps.py`.

Asking is streaming and taking the last snapshot. Nothing unverified is ever in a snapshot: a draft is shown only after
it passed. Knows nothing of how an answer is shown.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Self

from assistant.answering import calibration, understanding, wording
from assistant.answering.steps import Steps
from assistant.answering.understanding import asks_two
from assistant.articles.reading import Corpus, read_corpus
from assistant.errors import ConfigurationError, ModelError
from assistant.model import weights
from assistant.model.chat import POLL_SECONDS, LanguageModel
from assistant.model.holder import ModelHolder, check_configuration
from assistant.search.embedder import SentenceEmbedder
from assistant.search.index import VectorIndex, open_index
from assistant.search.retrieval import Retriever
from assistant.settings import Settings
from assistant.threads import give_way
from assistant.types import Answer, Status, Timings, Turn

logger = logging.getLogger(__name__)

_STILL_LOADING = "The search is still loading."

Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much in all."""


class Assistant:
    """Answers questions about the articles of one corpus; close it to release the index and the model."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is another thing that `open` opens
        self,
        corpus: Corpus,
        retriever: Retriever,
        index: VectorIndex | None,
        holder: ModelHolder,
        answer_seconds: float,
        counts: Path | None = None,
    ) -> None:
        """Take the opened parts, and a file to keep in it how often each word is there; `open` does the opening."""
        self.steps = Steps(corpus, retriever, calibration.rarity_of(corpus.articles, counts), holder)
        """What a question that is asked now is answered from; others take its place when the articles change."""
        self._index = index
        self._holder = holder
        self._answer_seconds = answer_seconds
        self._counts = counts
        self.is_behind = False
        """Whether the index could not take up the articles as they are; renewing again may help."""
        self._loading: Future[None] | None = None
        """What tells when the embedding model is loaded, where it is loaded in the background."""
        self._closed = threading.Event()
        self._loader = ThreadPoolExecutor(1, "loading")
        # Its thread is not the one that loads: what torch computes on gives way only if it was begun by one that does.
        self._reading_ahead = ThreadPoolExecutor(1, "reading-ahead", initializer=give_way)

    @classmethod
    def open(cls, settings: Settings, progress: Progress = lambda what, done, total: None) -> Self:
        """Read the articles, open the index, and start loading the language model in the background.

        The embedding model is loaded when it is needed, unless it is told to before.

        Raises:
            ConfigurationError: something is missing or set up wrongly; the message says what to do.
        """
        check_configuration(settings)
        corpus = read_corpus(settings.articles)
        if not corpus.articles:
            named = f"{corpus.problems[0].file}: " if settings.articles.is_dir() and corpus.problems else ""
            reason = f" ({named}{corpus.problems[0].reason})" if corpus.problems else ""
            raise ConfigurationError(
                f"No article can be read from {settings.articles.absolute()}{reason}: "
                "put one there, or set ASSISTANT_ARTICLES to a folder that has some"
            )
        return cls.over(corpus, settings, settings.data / "index", progress)

    @classmethod
    def over(
        cls, corpus: Corpus, settings: Settings, index_folder: Path, progress: Progress = lambda what, done, total: None
    ) -> Self:
        """Do the same for articles that were read already, with their index in a folder of its own.

        Raises:
            ConfigurationError: something is missing or set up wrongly; the message says what to do.
        """
        embedder = index = None
        if weights.embedder_is_packaged():
            embedder = SentenceEmbedder.from_folder(weights.embedder_folder(settings.data), weights.EMBEDDER_SHA256)
            index = open_index(
                corpus.articles,
                embedder,
                index_folder,
                settings.chroma_url,
                lambda done, total: progress("Reading the articles", done, total),
            )
        else:
            logger.warning("Searching by keywords only, the embedding model is not installed: run %s", weights.INSTALL)
        retriever = Retriever(corpus.articles, index, embedder)
        holder = ModelHolder(settings, corpus.articles, progress)
        return cls(corpus, retriever, index, holder, settings.answer_seconds, index_folder / "stems.txt")

    @property
    def corpus(self) -> Corpus:
        """The articles that a question that is asked now is answered from."""
        return self.steps.corpus

    @property
    def model_name(self) -> str:
        """What the answers are written by: a file name, `provider:model`, or "none"."""
        return self._holder.name

    @property
    def model_state(self) -> str:
        """`none`, `loading`, `ready`, or `unavailable: <why>`; it is not ready before the embedding model is."""
        state = self._holder.state
        return "loading" if state == "ready" and not self.is_loaded else state

    @property
    def is_loaded(self) -> bool:
        """Whether the embedding model is there, or is loaded when it is needed.

        Where it is still on its way in the background, keywords alone find the first evidence.
        """
        return self._loading is None or (self._loading.done() and self._loading.exception() is None)

    @property
    def model(self) -> LanguageModel:
        """The language model, for whoever measures or fits.

        Raises:
            ModelError: it cannot be asked now.
        """
        if (model := self._holder.get()) is None:
            raise ModelError(f"There is no language model to ask ({self.model_state})")
        return model

    @property
    def index(self) -> VectorIndex | None:
        """The open index; None where the embedding model is not installed and keywords alone are searched."""
        return self._index

    def load_in_background(self) -> Future[None]:
        """Begin to load the embedding model, and to read ahead when it is there; return what tells how it went.

        Until it is there an answer waits; whoever calls this ends the program where it cannot be loaded.
        """
        self._loading = self._loader.submit(self._load)
        self._reading_ahead.submit(self._read_ahead_when_loaded, self._loading)
        return self._loading

    def wait_until_loaded(self) -> None:
        """Block until the embedding model is loaded, and the language model is ready or known to be unavailable."""
        if self._loading is None:
            self._load()
        else:
            self._loading.result()
        self._holder.wait()

    def read_ahead(self) -> None:
        """Read every passage, so that no search has to, unless there are too many to keep."""
        self.steps.retriever.read_ahead(self._closed)

    def renew(self, corpus: Corpus) -> None:
        """Answer from these articles from now on. One call at a time, from any thread; nobody who asks waits for it.

        What is gone is gone whatever happens. Where the index cannot take up what is new, its words find it, and
        `is_behind` is set.
        """
        before = index = self._index
        try:
            index = before and before.of_others(corpus.articles)
            self.is_behind = False
        except Exception:
            logger.exception("The index could not take up the articles that changed")
            self.is_behind = True
        retriever = self.steps.retriever.of_others(corpus.articles, index)
        rarity = calibration.rarity_of(corpus.articles, self._counts)
        self.steps, self._index = replace(self.steps, corpus=corpus, retriever=retriever, rarity=rarity), index
        self._holder.renew(corpus.articles)
        if before and index and index is not before:
            try:
                before.give_way_to(index)
            except Exception:
                # Nobody finds it any more; only its room is lost.
                logger.exception("The index could not forget what is gone")
        if self._loading is not None:
            self._reading_ahead.submit(self._read_ahead_when_loaded, self._loading)

    def __enter__(self) -> Self:
        """Return the assistant itself, to be closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the model, and release the index as soon as nothing is being loaded or read."""
        self._holder.close()
        self._closed.set()
        try:
            self._loader.shutdown()
            self._reading_ahead.shutdown()
        finally:
            if self._index is not None:
                self._index.close()

    def ask(self, question: str, history: Sequence[Turn] = (), article: str | None = None) -> Answer:
        """Return the final answer."""
        *_, answer = self.stream(question, history, article)
        return answer

    def stream(
        self,
        question: str,
        history: Sequence[Turn] = (),
        article: str | None = None,
        stopped: threading.Event | None = None,
    ) -> Generator[Answer]:
        """Yield snapshots of the answer, each better than the one before; the last one is final.

        The model's time begins when it has its turn. Set `stopped`, from any thread, to end it early. An answer is from
        the articles as they were when it was begun; where it rests on one that is gone meanwhile, it is begun again.
        """
        while True:
            with closing(self._answers(self.steps, question, history, article, stopped)) as answers:
                for answer in answers:
                    if self._is_gone(answer):
                        break
                    yield answer
                else:
                    return

    def _is_gone(self, answer: Answer) -> bool:
        return any(article.id not in self.corpus.by_id for article in answer.articles)

    def _answers(
        self,
        steps: Steps,
        question: str,
        history: Sequence[Turn],
        article: str | None,
        stopped: threading.Event | None,
    ) -> Generator[Answer]:
        """Yield the same from the articles that the steps have."""
        started = time.monotonic()
        asked = understanding.clean(question)
        base = Answer(question=asked, status=Status.DECLINED, model=self.model_name)
        if reason := understanding.problem(asked, history):
            yield _finished(replace(base, question=asked[:600], status=Status.BLOCKED_INPUT, text=reason), started)
            return
        if topic := understanding.asks_about_article(asked):
            yield _finished(wording.about(base, topic, steps.meant(article)), started)
            return
        if understanding.asks_for_overview(asked) and (lead := steps.lead(history, article)):
            base = replace(base, timings=Timings(first_ms=_milliseconds(started)))
            yield _finished(wording.overview(base, lead), started)
            return
        try:
            findings = steps.find(asked, history, article, may_read=False)
        except Exception:
            logger.exception("The search failed")
            yield _finished(replace(base, status=Status.INDEX_UNAVAILABLE), started)
            return
        if not findings.evidence and self.is_loaded:
            findings = steps.thorough(findings, asked, history)
        base = replace(base, query=findings.query)
        if not findings.evidence:
            # Nobody is told that there is no answer by keywords alone.
            yield _finished(replace(base, status=Status.INDEX_UNAVAILABLE) if findings.rough else base, started)
            return
        first = wording.quoted(base, steps.to_quote(asked, findings, None), in_one_piece=not asks_two(asked))
        first = replace(first, timings=Timings(first_ms=_milliseconds(started)), final=False)
        yield first
        deadline = time.monotonic() + self._answer_seconds
        if not self._is_loaded_before(deadline, stopped):
            yield _finished(replace(first, error=_STILL_LOADING), started)
            return
        findings = steps.thorough(findings, asked, history)
        final = steps.decided(base, asked, history, findings, deadline, stopped)
        if final.status is Status.DECLINED and (other := steps.otherwise(asked, history, findings)):
            # No question is lost because of the one before it, nor a follow-up because it could stand by itself.
            again = steps.decided(base, asked, history, other, deadline, stopped)
            final = final if again.status is Status.DECLINED else again
        yield _finished(replace(final, timings=first.timings), started)

    def _load(self) -> None:
        self.steps.retriever.load()
        try:
            # The first search is slow, and passages have to be read; better now than for a reader.
            self.steps.search("What happened?")
        except Exception:
            # Whoever asks is told so.
            logger.exception("The first search failed")

    def _read_ahead_when_loaded(self, loading: Future[None]) -> None:
        if loading.exception() is not None:
            return
        try:
            self.read_ahead()
        except Exception:
            # Only speed is lost.
            logger.exception("The passages could not be read ahead")

    def _is_loaded_before(self, deadline: float, stopped: threading.Event | None) -> bool:
        """Wait until the embedding model is there, and return whether it is: in time, and if it could be loaded."""
        while self._loading is not None and not self._loading.done():
            if time.monotonic() >= deadline or (stopped is not None and stopped.is_set()):
                break
            wait([self._loading], timeout=POLL_SECONDS)
        return self.is_loaded


def _finished(answer: Answer, started: float) -> Answer:
    return replace(answer, timings=replace(answer.timings, total_ms=_milliseconds(started)), final=True)


def _milliseconds(started: float) -> float:
    return round(1000 * (time.monotonic() - started), 1)
