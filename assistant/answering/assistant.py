"""The one place where the steps meet: a question in, better and better snapshots of its answer out.

    question as it stands, or with names of the turns -> passages and sentences -> quoted, at once
                        -> a draft -> checked against one passage and by the model -> answered | quoted | declined
                           (who said something, and what somebody said, may be told by the article's marks)

Asking is streaming and taking the last snapshot. Nothing unverified is ever in a snapshot: a draft is shown only after
it passed. Knows nothing of how an answer is shown.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Self

from assistant.answering import attribution, calibration, drafts, quoting, understanding, wording
from assistant.answering.drafts import CheckedDraft
from assistant.answering.judgement import (
    Judgement,
    answer_probability,
    draft_to_show,
    is_declined,
    reported,
)
from assistant.answering.quoting import Window
from assistant.answering.understanding import asks_two
from assistant.articles.passages import passages
from assistant.articles.reading import Corpus, read_corpus
from assistant.errors import ConfigurationError, ModelError, TooLongError
from assistant.model import probes, weights
from assistant.model.chat import POLL_SECONDS, Draft, LanguageModel, is_short
from assistant.model.holder import ModelHolder, check_configuration
from assistant.search.embedder import SentenceEmbedder
from assistant.search.index import VectorIndex, open_index
from assistant.search.retrieval import Findings, Retriever
from assistant.search.span_finder import Readings, SpanFinder
from assistant.settings import Settings
from assistant.threads import give_way
from assistant.types import Answer, Article, Passage, Sentence, Status, Timings, Turn

logger = logging.getLogger(__name__)

PASSAGES_FOR_MODEL = 5
"""With ten, drafts were right hardly more often, and took longer (lab/LOG.md)."""
PASSAGES_TO_READ = 4
"""Of two to five none told more than the others; with five, what is done beside the language model took too long."""
_STILL_LOADING = "The search is still loading."
_NOT_COMPARED = "The passages could not be compared with the question"

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
        reader: SpanFinder | None = None,
    ) -> None:
        """Take the opened parts, and a file to keep in it how often each word is there; `open` does the opening."""
        self.corpus = corpus
        self._retriever = retriever
        self._index = index
        self._span_finder = reader
        self._holder = holder
        self._answer_seconds = answer_seconds
        self._counts = counts
        self._rarity = calibration.rarity_of(corpus.articles, counts)
        self._renewing = threading.Lock()
        """Held while the articles, and what hangs on them, become others."""
        self.is_behind = False
        """Whether the index could not take up the articles as they are; renewing again may help."""
        self._loading: Future[None] | None = None
        """What tells when the small models are loaded, where they are loaded in the background."""
        self._closed = threading.Event()
        self._loader = ThreadPoolExecutor(1, "small-models")
        # Its thread is not the one that loads: what torch computes on gives way only if it was begun by one that does.
        self._reading_ahead = ThreadPoolExecutor(1, "reading-ahead", initializer=give_way)

    @classmethod
    def open(cls, settings: Settings, progress: Progress = lambda what, done, total: None) -> Self:
        """Read the articles, open the index, and start loading the language model in the background.

        The small models are loaded when they are needed, unless they are told to before.

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
        embedder = index = reader = None
        if weights.embedder_is_packaged():
            embedder_folder = weights.embedder_folder(settings.data)
            embedder = SentenceEmbedder.from_folder(embedder_folder, weights.EMBEDDER_SHA256)
            reader = SpanFinder.from_files(weights.span_finder_file(), embedder_folder)
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
        return cls(corpus, retriever, index, holder, settings.answer_seconds, index_folder / "stems.txt", reader)

    @property
    def model_name(self) -> str:
        """What the answers are written by: a file name, `provider:model`, or "none"."""
        return self._holder.name

    @property
    def model_state(self) -> str:
        """`none`, `loading`, `ready`, or `unavailable: <why>`; it is not ready before the small models are there."""
        state = self._holder.state
        return "loading" if state == "ready" and not self.is_loaded else state

    @property
    def is_loaded(self) -> bool:
        """Whether the small models are there, or are loaded when they are needed.

        Where they are still on their way in the background, keywords alone find the first evidence.
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
        """Begin to load the small models, and to read ahead when they are there; return what tells how it went.

        Until they are there an answer waits; whoever calls this ends the program where they cannot be loaded.
        """
        self._loading = self._loader.submit(self._load)
        self._reading_ahead.submit(self._read_ahead_when_loaded, self._loading)
        return self._loading

    def wait_until_loaded(self) -> None:
        """Block until the small models are loaded, and the language model is ready or known to be unavailable."""
        if self._loading is None:
            self._load()
        else:
            self._loading.result()
        self._holder.wait()

    def read_ahead(self) -> None:
        """Read every passage, so that no search has to, unless there are too many to keep."""
        self._retriever.read_ahead(self._closed)

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
        retriever = self._retriever.of_others(corpus.articles, index)
        rarity = calibration.rarity_of(corpus.articles, self._counts)
        with self._renewing:
            self.corpus, self._retriever, self._index, self._rarity = corpus, retriever, index, rarity
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
            with self._renewing:
                now = copy(self)  # It keeps its articles, and what hangs on them, when this one gets others.
            with closing(now._answers(question, history, article, stopped)) as answers:  # noqa: SLF001 - our own
                for answer in answers:
                    if self._is_gone(answer):
                        break
                    yield answer
                else:
                    return

    def _is_gone(self, answer: Answer) -> bool:
        return any(article.id not in self.corpus.by_id for article in answer.articles)

    def _answers(
        self, question: str, history: Sequence[Turn], article: str | None, stopped: threading.Event | None
    ) -> Generator[Answer]:
        """Yield the same from the articles that there are."""
        started = time.monotonic()
        asked = understanding.clean(question)
        base = Answer(question=asked, status=Status.DECLINED, model=self.model_name)
        if reason := understanding.problem(asked, history):
            yield _finished(replace(base, question=asked[:600], status=Status.BLOCKED_INPUT, text=reason), started)
            return
        if topic := understanding.asks_about_article(asked):
            yield _finished(wording.about(base, topic, self._meant(article)), started)
            return
        if understanding.asks_for_overview(asked) and (lead := self._lead(history, article)):
            told = wording.quoted(replace(base, model="none", timings=Timings(first_ms=_milliseconds(started))), lead)
            yield _finished(told, started)
            return
        try:
            findings = self.find(asked, history, article, may_read=False)
        except Exception:
            logger.exception("The search failed")
            yield _finished(replace(base, status=Status.INDEX_UNAVAILABLE), started)
            return
        if not findings.evidence and self.is_loaded:
            findings = self._thorough(findings, asked, history)
        base = replace(base, query=findings.query)
        if not findings.evidence:
            # Nobody is told that there is no answer by keywords alone.
            yield _finished(replace(base, status=Status.INDEX_UNAVAILABLE) if findings.rough else base, started)
            return
        first = wording.quoted(base, self._to_quote(asked, findings, None), in_one_piece=not asks_two(asked))
        first = replace(first, timings=Timings(first_ms=_milliseconds(started)), final=False)
        yield first
        deadline = time.monotonic() + self._answer_seconds
        if not self._is_loaded_before(deadline, stopped):
            yield _finished(replace(first, error=_STILL_LOADING), started)
            return
        findings = self._thorough(findings, asked, history)
        final = self._decided(base, asked, history, findings, deadline, stopped)
        if final.status is Status.DECLINED and (other := self._otherwise(asked, history, findings)):
            # No question is lost because of the one before it, nor a follow-up because it could stand by itself.
            again = self._decided(base, asked, history, other, deadline, stopped)
            final = final if again.status is Status.DECLINED else again
        yield _finished(replace(final, timings=first.timings), started)

    def _meant(self, article: str | None) -> list[Article]:
        """Return the articles that a question may be about: the named one, or all."""
        return [each for each in self.corpus.articles if article in (None, each.id)]

    def _lead(self, history: Sequence[Turn], article: str | None) -> list[Window]:
        """Return what tells the one article as a whole that is meant; nothing where it may be any, or a turn before."""
        meant = self._meant(article)
        return quoting.lead(meant[0]) if len(meant) == 1 and not history else []

    def _decided(  # noqa: PLR0913, PLR0917 - what `judge` takes, and what its answer begins with
        self,
        base: Answer,
        question: str,
        history: Sequence[Turn],
        findings: Findings,
        deadline: float,
        stopped: threading.Event | None,
    ) -> Answer:
        """Return the final answer that the findings allow."""
        judgement = self.judge(question, history, findings, deadline, stopped)
        error = judgement.error or (_NOT_COMPARED if findings.rough else None)
        return self.decide(replace(base, query=findings.query, error=error), judgement)

    def _load(self) -> None:
        self._retriever.load()
        if self._span_finder is not None:
            self._span_finder.load()
        try:
            # The first search is slow, and passages have to be read; better now than for a reader.
            self._retriever.search("What happened?")
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
        """Wait until the small models are there, and return whether they are: in time, and if they could be loaded."""
        while self._loading is not None and not self._loading.done():
            if time.monotonic() >= deadline or (stopped is not None and stopped.is_set()):
                break
            wait([self._loading], timeout=POLL_SECONDS)
        return self.is_loaded

    def search(self, query: str, article: str | None = None, limit: int = 10) -> Findings:
        """Return what retrieval finds for a standalone question: at most so many passages, and so many sentences."""
        return self._retriever.search(query, limit, article)

    def find(
        self, question: str, history: Sequence[Turn] = (), article: str | None = None, *, may_read: bool = True
    ) -> Findings:
        """Return what is found for a cleaned question as it stands, or as a follow-up, whichever is surer of an answer.

        `may_read` is as for `Retriever.search`.
        """
        queries = understanding.queries(question, history)
        found = [self._retriever.search(query, article=article, may_read=may_read) for query in queries]
        if len(found) == 1:
            return found[0]
        return max(found, key=lambda findings: answer_probability(self._undrafted(findings)))

    def _undrafted(self, findings: Findings, readings: Readings = ((),)) -> Judgement:
        """Return what is known without the language model."""
        signals = calibration.word_signals(findings.query, findings, readings, self._rarity)
        return Judgement(findings, signals, "words" if findings.similarities else "keywords", readings)

    def _otherwise(self, question: str, history: Sequence[Turn], findings: Findings) -> Findings | None:
        """Return what is found for the other form of a question that may be a follow-up; None where it has one form."""
        others = [query for query in understanding.queries(question, history) if query != findings.query]
        try:
            return self.search(others[0], findings.article) if others else None
        except Exception:
            logger.exception("The search for the other form of a question failed")
            return None

    def _thorough(self, findings: Findings, question: str, history: Sequence[Turn]) -> Findings:
        """Return what is found when there is time to read the passages."""
        if not findings.rough:
            return findings
        try:
            return self.find(question, history, findings.article)
        except Exception:
            # The quotation stands already; what ranks alone found is enough to go on.
            logger.exception("The search with time to read failed")
            return findings

    def judge(
        self,
        question: str,
        history: Sequence[Turn],
        findings: Findings,
        deadline: float,
        stopped: threading.Event | None = None,
    ) -> Judgement:
        """Let the model write and check before the deadline, and measure what it says against the evidence.

        It may wait as long for its turn, and has all of its time after that: who else asks takes none of it away.
        """
        readings = self._read(findings)
        undrafted = self._undrafted(findings, readings)
        model = self._holder.get()
        if model is None:
            return replace(undrafted, error=_unavailable(self.model_state))
        turns = understanding.leaned_on(question, history, findings.query)
        evidence = for_model(findings)
        waiting = time.monotonic()
        try:
            with model.turn(deadline, stopped):
                self._holder.read_now(model, findings.hits[0].passage.article, stopped)
                deadline += time.monotonic() - waiting
                draft = drafts.finished(model.draft(question, turns, evidence, deadline, stopped))
                checked = self._checked(draft, undrafted)
                state = model.check(question, turns, evidence, checked.text or draft.text, deadline, stopped)
        except TooLongError:
            # Nothing is broken, and asked again it would say the same.
            return undrafted
        except ModelError as error:
            return replace(undrafted, error=str(error))
        if state is not None:
            checked = replace(checked, signals={**checked.signals, **probes.signals(state)})
        # No fit of a draft was made without an embedding model.
        fit = undrafted.fit if not findings.similarities else "draft" if state is None else "check"
        return replace(undrafted, signals=checked.signals, fit=fit, draft=checked)

    def decide(self, base: Answer, judgement: Judgement) -> Answer:
        """Return the final answer that the judgement allows: written, quoted or declined."""
        base = replace(base, confidence=round(answer_probability(judgement), 4))
        if is_declined(judgement):
            return wording.declined(base, judgement.findings)
        to_quote = self._to_quote(base.question, judgement.findings, judgement.draft, judgement.readings)
        draft = draft_to_show(judgement)
        by_marks = reported(judgement, to_quote)
        # The article's marks tell better than a model who said something; what somebody said reads better as it wrote.
        if by_marks and (draft is None or attribution.asks_who_said(judgement.findings.query)):
            # No model wrote it, so whatever ailed the model is of no matter.
            return wording.written(replace(base, model="none", error=None), by_marks)
        if draft is not None:
            return wording.written(base, draft.claims)
        # A second piece more often stands beside the point than it adds what is missing.
        return wording.quoted(base, to_quote, in_one_piece=not asks_two(base.question))

    def _checked(self, draft: Draft, judgement: Judgement) -> CheckedDraft:
        findings = judgement.findings
        return drafts.check(
            draft,
            findings,
            judgement.readings,
            judgement.signals,
            self._rarity,
            lambda text: self._similarities(text, findings),
        )

    def _similarities(self, draft: str, findings: Findings) -> Mapping[str, float]:
        """Return how like a draft the sentences are that were found, by id."""
        try:
            return self._retriever.similarities(draft, quoting.candidate_passages(findings))
        except Exception:
            # The quotation stands already; what the draft shares with the sentences is enough to go on.
            logger.exception("A draft could not be compared with the sentences")
            return {}

    def _to_quote(
        self,
        question: str,
        findings: Findings,
        draft: CheckedDraft | None,
        readings: Readings = ((),),
    ) -> list[Window]:
        fitted = calibration.quoting("draft" if draft else "read" if any(readings) else "words")
        candidates = self.quotable(findings, draft, readings)
        likely = [(sentence, fitted.probability(signals)) for sentence, signals in candidates]
        return quoting.choose(question, likely, fitted.further_share, self.wanted(findings, draft))

    def quotable(
        self, findings: Findings, draft: CheckedDraft | None = None, readings: Readings = ((),)
    ) -> list[tuple[Sentence, dict[str, float]]]:
        """Return each sentence that may be quoted, with its signals."""
        read = [reading for of_part in readings for reading in of_part]
        return quoting.signals(findings, self._rarity, draft.told if draft else None, read)

    def wanted(self, findings: Findings, draft: CheckedDraft | None = None) -> dict[str, float]:
        """Return the stems that what is quoted should hold, and how much each weighs."""
        return quoting.wanted(findings.query, self._rarity, draft.told if draft else None)

    def _read(self, findings: Findings) -> Readings:
        """Read the best passages for each part of the question; of two, each has best ones of its own."""
        if self._span_finder is None:
            return ((),)
        parts = [findings]
        queries = understanding.parts(findings.query)
        if len(queries) > 1:
            try:
                parts = [self.search(query, findings.article) for query in queries]
            except Exception:
                # The quotation stands already; what was found for the whole question is enough to go on.
                logger.exception("The search for the parts of a question failed")
        return tuple(
            tuple(self._span_finder.read(part.query, [hit.passage for hit in part.hits[:PASSAGES_TO_READ]]))
            for part in parts
        )


def for_model(findings: Findings) -> list[Passage]:
    """Return all passages of the article that fits best, where it is short, else the best of them, in reading order."""
    article = findings.hits[0].passage.article
    if is_short(article):
        return passages(article)
    best = [hit.passage for hit in findings.hits if hit.passage.article == article][:PASSAGES_FOR_MODEL]
    return sorted(best, key=lambda passage: passage.start)


def _unavailable(state: str) -> str | None:
    return (
        None
        if state == "none"
        else "The model is still loading."
        if state == "loading"
        else state.removeprefix("unavailable: ")
    )


def _finished(answer: Answer, started: float) -> Answer:
    return replace(answer, timings=replace(answer.timings, total_ms=_milliseconds(started)), final=True)


def _milliseconds(started: float) -> float:
    return round(1000 * (time.monotonic() - started), 1)
