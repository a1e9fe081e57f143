"""A question in, better and better snapshots of its answer out: the steps are those of `steps.py`.

Asking is streaming and taking the last snapshot. Nothing unverified is ever in a snapshot: a draft is shown only after
it passed.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Self

from assistant.answering.packaged.calibration import Fits
from assistant.answering.steps import Steps
from assistant.answering.trace import Trace
from assistant.answering.understanding.question import Question
from assistant.articles.known_files import KnownFiles
from assistant.articles.reading import Corpus, ReadFile, read_corpus, read_file
from assistant.errors import ConfigurationError, Fault
from assistant.files import Progress, silent
from assistant.model import weights
from assistant.model.chat import LanguageModel
from assistant.model.holder import ModelHolder, ModelState, check_configuration
from assistant.model.limit import Limit
from assistant.search.embedder import SentenceEmbedder
from assistant.search.index import Index, open_index
from assistant.search.retrieval import Findings, Retriever
from assistant.settings import HELP, Settings
from assistant.types import Answer, Outcome, Timings, Turn

logger = logging.getLogger(__name__)

_STILL_LOADING = "The search is still loading: ask again in a moment"
_NOT_COMPARED = "The passages could not be compared with the question: the log says why"


class Assistant:
    """Answers questions about the articles of one corpus; close it to release the index and the model."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is another thing that `open` opens
        self,
        corpus: Corpus,
        retriever: Retriever,
        index: Index | None,
        holder: ModelHolder,
        answer_seconds: float,
        model_words: int = 12_000,
        help_words: str = HELP,
        fits: Fits | None = None,
    ) -> None:
        """Take the opened parts; `open` does the opening."""
        self.steps = Steps(corpus, retriever, holder, fits or Fits.read(), model_words, help_words)
        """What a question that is asked now is answered from; others take its place when the articles change."""
        self._index = index
        self._holder = holder
        self._answer_seconds = answer_seconds
        self.is_behind = False
        """Whether the index could not take up the articles as they are; renewing again may help."""
        self.read_file: ReadFile = read_file
        """What reads an article file; it may know some of them already."""
        self._loading: Future[None] | None = None
        """Done when the embedding model is loaded; None where it is loaded at its first use."""
        self._loader = ThreadPoolExecutor(1, "loading")

    @classmethod
    def open(cls, settings: Settings, progress: Progress = silent, *, at_once: bool = False) -> Self:
        """Read the articles, open the index, and start loading the language model in the background.

        The embedding model is loaded when it is needed, or by `load_in_background`. `at_once` answers from the
        articles that are indexed already, if there are any; renewing takes up the others.

        Raises:
            ConfigurationError: something is missing or set up wrongly; the message says what to do.
        """
        check_configuration(settings)
        known = KnownFiles(settings.data / "index" / "index.articles")
        corpus = read_corpus(settings.articles, known.read)
        if not corpus.articles:
            named = f"{corpus.problems[0].file}: " if settings.articles.is_dir() and corpus.problems else ""
            reason = f" ({named}{corpus.problems[0].reason})" if corpus.problems else ""
            raise ConfigurationError(
                f"No article can be read from {settings.articles.absolute()}{reason}",
                "put one there, or set ASSISTANT_ARTICLES to a folder that has some",
            )
        assistant = cls.over(corpus, settings, settings.data / "index", progress, at_once=at_once)
        known.save()
        assistant.read_file = known.read
        return assistant

    @classmethod
    def over(
        cls,
        corpus: Corpus,
        settings: Settings,
        index_folder: Path,
        progress: Progress = silent,
        *,
        at_once: bool = False,
    ) -> Self:
        """Do the same for articles that were read already, with their index in a folder of its own.

        Raises:
            ConfigurationError: something is missing or set up wrongly; the message says what to do.
        """
        embedder = index = None
        if weights.embedder_is_packaged():
            folder = weights.embedder_folder(settings.data)
            embedder = SentenceEmbedder.from_folder(folder, weights.EMBEDDER_SHA256)
            index = open_index(
                corpus.articles,
                embedder,
                index_folder,
                settings.chroma_url,
                progress,
                at_once=at_once,
            )
        else:
            logger.warning("Searching by keywords only, the embedding model is not installed: run %s", weights.INSTALL)
        corpus = corpus if index is None else index.part_of(corpus)
        retriever = Retriever(corpus.articles, index, embedder)
        holder = ModelHolder(settings, corpus.articles, progress)
        return cls(
            corpus,
            retriever,
            index,
            holder,
            settings.answer_seconds,
            settings.model_words,
            settings.help,
        )

    @property
    def corpus(self) -> Corpus:
        """The articles that a question that is asked now is answered from."""
        return self.steps.corpus

    @property
    def missing(self) -> int:
        """How many articles of the folder are not answered from yet, because they are still to be indexed."""
        return len(self.corpus.unread)

    @property
    def model_name(self) -> str:
        """What the answers are written by: a file name, `provider:model`, or "none"."""
        return self._holder.name

    @property
    def model_state(self) -> ModelState:
        """Whether the models can be asked; they are not ready before the embedding model is."""
        state = self._holder.state
        return ModelState("loading") if state.kind == "ready" and not self.is_loaded else state

    @property
    def is_loaded(self) -> bool:
        """Whether the embedding model is there, or is loaded when it is needed.

        Where it is still on its way in the background, keywords alone find the first evidence.
        """
        return self._loading is None or (self._loading.done() and self._loading.exception() is None)

    @property
    def model(self) -> LanguageModel:
        """The packaged language model, for what measures or fits.

        Raises:
            ConfigurationError: it is not what answers, or cannot be asked now.
        """
        model = self._holder.get()
        if not isinstance(model, LanguageModel):
            raise ConfigurationError(
                f"The packaged model cannot be asked ({self.model_state.kind})", "set no ASSISTANT_MODEL"
            )
        return model

    @property
    def index(self) -> Index | None:
        """The open index; None where the embedding model is not installed and keywords alone are searched."""
        return self._index

    def load_in_background(self) -> Future[None]:
        """Begin to load the embedding model; the future that is returned fails where it cannot be loaded.

        Until it is there an answer waits. The caller ends the program where the future fails.
        """
        self._loading = self._loader.submit(self._load)
        return self._loading

    def wait_until_loaded(self) -> None:
        """Block until the embedding model is loaded, and the language model is ready or known to be unavailable."""
        if self._loading is None:
            self._load()
        else:
            self._loading.result()
        self._holder.wait()

    def renew(self, corpus: Corpus, seconds: float = math.inf) -> None:
        """Answer from these articles from now on. One call at a time, from any thread; nobody who asks waits for it.

        What is gone is gone whatever happens. What is new is answered from as soon as it is indexed; after so many
        seconds the rest is left to the next call, and `missing` tells how many articles that are. Where something
        cannot be indexed, `is_behind` is set.
        """
        index, until = self._index, time.monotonic() + seconds
        self.is_behind = False
        if index is None:
            self._answer_from(corpus)
        else:
            self._take_up(index, corpus, until)
        self._holder.renew(self.corpus.articles)

    def _take_up(self, index: Index, corpus: Corpus, until: float) -> None:
        self._answer_from(index.part_of(corpus))
        try:
            for _ in index.taking_up(corpus.articles):
                self._answer_from(index.part_of(corpus))
                if time.monotonic() > until:
                    break
        except Exception:
            logger.exception("The index could not take up the articles that changed")
            self.is_behind = True
            self._answer_from(index.part_of(corpus))
        try:
            index.forget_others(corpus.articles)
        except Exception:
            # Nobody finds it any more; only its room is lost.
            logger.exception("The index could not forget what is gone")

    def _answer_from(self, corpus: Corpus) -> None:
        if corpus != self.corpus:
            self.steps = replace(self.steps, corpus=corpus, retriever=self.steps.retriever.of_others(corpus.articles))

    def __enter__(self) -> Self:
        """Return the assistant itself, to be closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the model, and release the index as soon as nothing is being loaded."""
        self._holder.close()
        try:
            self._loader.shutdown()
        finally:
            if self._index is not None:
                self._index.close()

    def help(self, question: str) -> Answer | None:
        """Return the words that name help, where somebody speaks of distress; None for anything else.

        It takes a moment, also while the embedding model is loading.
        """
        return self.steps.help(Question.of(question))

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
        opened: str | None = None,
    ) -> Generator[Answer]:
        """Yield snapshots of the answer, each better than the one before; the last one is final.

        It is from the chosen `article` alone, or from all where that is empty; where it is None the question decides,
        which may mean the one that the reader `opened`. The model's time begins when it has its turn. Set `stopped`,
        from any thread, to end it early. An answer is from the articles as they were when it was begun; where it rests
        on one that is gone meanwhile, it is begun again.
        """
        asked = Question.of(question, history)
        while True:
            with closing(self._answers(self.steps, asked, article, opened, stopped)) as answers:
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
        question: Question,
        article: str | None,
        opened: str | None,
        stopped: threading.Event | None,
    ) -> Generator[Answer]:
        """Yield the same from the articles that the steps have."""
        trace = Trace()
        started = time.monotonic()
        unread = 0 if article else len(steps.corpus.unread)
        base = Answer(question=question.text, outcome=Outcome.DECLINED, model=self.model_name, unread=unread)
        with trace.step("scope"):
            searched, article = steps.scoped(question, article, opened)
        if len(steps.corpus.articles) > 1:
            base = replace(base, searched=steps.corpus.by_id.get(article or ""))

        def finished(answer: Answer) -> Answer:
            timings = replace(answer.timings, total_ms=_milliseconds(started))
            return replace(answer, timings=timings, usage=trace.usage, why=trace.why, final=True)

        if (known := steps.known(base, question, article)) is not None:
            first_ms = _milliseconds(started) if known.citations else None
            yield finished(replace(known, timings=Timings(first_ms=first_ms)))
            return
        findings = self._found(steps, searched, article, trace)
        base = replace(base, query=findings.query if findings else "")
        if findings is None or not (findings.evidence or steps.reads_all(article)):
            # By keywords alone no question is declined.
            is_searched = findings is not None and not findings.rough
            yield finished(base if is_searched else replace(base, outcome=Outcome.UNAVAILABLE))
            return
        with trace.step("quote"):
            first = steps.at_once(base, question, findings)
        timings = Timings(first_ms=_milliseconds(started) if first else None)
        if first is not None:
            yield replace(first, timings=timings, final=False)
        limit = Limit.of_seconds(self._answer_seconds, stopped)
        if not self._is_loaded_before(limit):
            unfinished = first or replace(base, outcome=Outcome.UNAVAILABLE)
            yield finished(replace(unfinished, timings=timings, error=_STILL_LOADING, fault=Fault.LOADING))
            return
        with trace.step("search"):
            findings = steps.thorough(findings, searched)
        reply = steps.reply(question, findings, limit, trace)
        with trace.step("decide"):
            final = steps.decide(replace(base, timings=timings), question, findings, reply)
        if findings.rough and final.error is None:
            final = replace(final, error=_NOT_COMPARED)
        yield finished(final)

    def _found(self, steps: Steps, question: Question, article: str | None, trace: Trace) -> Findings | None:
        """Return what is found at once, or with more time where that is nothing; None where the search failed."""
        try:
            with trace.step("search"):
                findings = steps.find(question, article, may_read=False)
        except Exception:
            logger.exception("The search failed")
            return None
        return findings if findings.evidence or not self.is_loaded else steps.thorough(findings, question)

    def _load(self) -> None:
        self.steps.retriever.load()
        try:
            # The first search is slow; better now than for a reader.
            self.steps.search("What happened?")
        except Exception:
            # The next search fails in the same way, and its reader sees it.
            logger.exception("The first search failed")

    def _is_loaded_before(self, limit: Limit) -> bool:
        """Wait until the embedding model is there, and return whether it is: in time, and if it could be loaded."""
        while self._loading is not None and not self._loading.done() and not limit.reached:
            wait([self._loading], timeout=limit.wait)
        return self.is_loaded


def _milliseconds(started: float) -> float:
    return round(1000 * (time.monotonic() - started), 1)
