"""The one place where the steps meet: a question in, better and better snapshots of its answer out.

    question + turns -> standalone query -> passages and sentences -> quoted, at once
                        -> a draft -> checked against one passage and by the model -> answered | quoted | declined
                           (who said something, and what somebody said, may be told by the article's marks)
                        -> where a promising draft is long, or may not be shown, and nobody waits: a closer look at what
                           would be quoted, alone

Asking is streaming and taking the last snapshot. Nothing unverified is ever in a snapshot: a draft is shown only after
it passed. Knows nothing of how an answer is shown.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from assistant import answerability, attribution, conversation, quoting, weights
from assistant.articles import Corpus, read_corpus
from assistant.context import context_of
from assistant.embedder import SentenceEmbedder
from assistant.errors import ConfigurationError, ModelError
from assistant.grounding import Support, answers, known_names, support, tells_machines, weakest
from assistant.index import VectorIndex, open_index
from assistant.language_model import Draft, LanguageModel, ModelHolder, check_configuration
from assistant.passages import sentences
from assistant.quoting import Told, Window
from assistant.reader import Reader, Reading
from assistant.retrieval import Findings, Retriever
from assistant.settings import Settings
from assistant.types import Answer, Article, Citation, Passage, Sentence, Status, Timings, Turn

logger = logging.getLogger(__name__)

PASSAGES_FOR_MODEL = 5
PASSAGES_TO_READ = 5
CLOSEST = 2
"""How many of the closest passages a refusal offers."""
PROMISING = 0.5
"""A closer look is worth its time where an answer, and a draft that is right, are at least this likely."""
PROMISING_UNCHECKED = 0.3
"""The same where the model has not been asked yet: then less is known of either."""
SHORT_WORDS = 22
"""A draft of at most so many words leaves time for a closer look after the first one."""
LONG_WORDS = 40
"""A longer draft leaves no time to read again what would be quoted. Those between have time for one look."""
CLOSER_SHARE = 0.2
"""How likely a sentence must be, beside the likeliest, to be read again; of less likely ones there may be more in a
quotation, but they tell less than their time is worth."""
CLOSER_WORDS = 70
"""Of further sentences so many words in all are read again; each takes 18 ms, and the longest answers came too late."""

Readings = tuple[tuple[Reading, ...], ...]
"""What the reader found, for each part of a question."""
Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much in all."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a draft says, a sentence or two, beside the piece of evidence that supports it best."""

    text: str
    window: Window


@dataclass(frozen=True, slots=True)
class CheckedDraft:
    """What the model wrote, checked."""

    claims: tuple[Claim, ...]
    """Its whole sentences, at most two, beside one piece of evidence or each beside its own; one without words where it
    has none."""
    support: Support
    signals: Mapping[str, float]
    """What tells whether it may be shown."""
    told: Told
    """What tells which sentences are quoted where it is not shown."""

    @property
    def text(self) -> str:
        """All its words."""
        return " ".join(claim.text for claim in self.claims)

    @property
    def evidence(self) -> tuple[Sentence, ...]:
        """The sentences that are to be cited for it."""
        return _evidence(self.claims)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a question: everything that the decision was made from. Calibration reads it."""

    findings: Findings
    signals: Mapping[str, float]
    """What tells whether the article answers the question."""
    fit: str
    """The fit of the calibration for the signals that there are: keywords, words, draft or margin."""
    readings: Readings = ((),)
    """What the reader makes of the best passages for each part of the question; of none where it is not installed."""
    draft: CheckedDraft | None = None
    error: str | None = None
    closer: CheckedDraft | None = None
    """What the model wrote, or told of its first draft, when it was shown the likeliest sentences alone."""
    hasty: bool = False
    """Whether a closer look was worth its time, but others waited, or it failed after a first one."""


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
        reader: Reader | None = None,
    ) -> None:
        """Take the opened parts, and a file to keep in it how often each word is there; `open` does the opening."""
        self.corpus = corpus
        self._retriever = retriever
        self._index = index
        self._reader = reader
        self._holder = holder
        self._answer_seconds = answer_seconds
        self._rarity = answerability.rarity_of(corpus.articles, counts)

    @classmethod
    def open(cls, settings: Settings, progress: Progress = lambda what, done, total: None) -> Self:
        """Read the articles, open the index, and start loading the model in the background.

        Raises:
            ConfigurationError: something is missing or set up wrongly; the message says what to do.
        """
        check_configuration(settings)
        corpus = read_corpus(settings.articles)
        if not corpus.articles:
            reason = f" ({corpus.problems[0].file}: {corpus.problems[0].reason})" if corpus.problems else ""
            raise ConfigurationError(
                f"No article can be read from {settings.articles}{reason}: put one there, or set ASSISTANT_ARTICLES"
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
            reader = Reader.from_files(weights.reader_file(), embedder_folder)
            index = open_index(
                corpus.articles,
                embedder,
                index_folder,
                settings.chroma_url,
                lambda done, total: progress("Embedding", done, total),
            )
        else:
            logger.warning("Searching by keywords only, the embedding model is not installed: run %s", weights.INSTALL)
        retriever = Retriever(corpus.articles, index, embedder)
        # The first query is slow, and passages have to be read; better now than for a reader.
        retriever.search("What happened?")
        holder = ModelHolder(settings, corpus.articles, progress)
        return cls(corpus, retriever, index, holder, settings.answer_seconds, index_folder / "stems.txt", reader)

    @property
    def model_name(self) -> str:
        """What the answers are written by: a file name, `provider:model`, or "none"."""
        return self._holder.name

    @property
    def model_state(self) -> str:
        """`none`, `loading`, `ready`, or `unavailable: <why>`."""
        return self._holder.state

    @property
    def index(self) -> VectorIndex | None:
        """The open index; None where the embedding model is not installed and keywords alone are searched."""
        return self._index

    def wait_for_model(self) -> None:
        """Block until the model is ready and has read the articles, or is known to be unavailable."""
        self._holder.wait()

    def close(self) -> None:
        """End the model and release the index."""
        self._holder.close()
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
        others_wait: Callable[[], bool] = lambda: False,
    ) -> Generator[Answer]:
        """Yield snapshots of the answer, each better than the one before; the last one is final.

        The model's time begins when the first snapshot was taken. Set `stopped`, from any thread, to end it early.
        While `others_wait` no closer look is begun: it would help one reader, and keep all the others waiting.
        """
        started = time.monotonic()
        asked = conversation.clean(question)
        base = Answer(question=asked, status=Status.DECLINED, model=self.model_name)
        if reason := conversation.problem(asked):
            yield _finished(replace(base, question=asked[:600], status=Status.BLOCKED_INPUT, text=reason), started)
            return
        if topic := conversation.asks_about_article(asked):
            yield _finished(self._about(base, topic, article), started)
            return
        query = conversation.standalone(asked, history)
        base = replace(base, query=query)
        try:
            findings = self._retriever.search(query, article=article, may_read=False)
        except Exception:
            logger.exception("The search failed")
            yield _finished(replace(base, status=Status.INDEX_UNAVAILABLE), started)
            return
        if not findings.evidence:
            yield _finished(base, started)
            return
        first = self._quoted(base, self._to_quote(asked, findings, None))
        first = replace(first, timings=Timings(first_ms=_milliseconds(started)), final=False)
        yield first
        deadline = time.monotonic() + self._answer_seconds
        findings = self._thorough(findings)
        judgement = self.judge(asked, history, findings, deadline, stopped, others_wait)
        final = self.decide(replace(base, error=judgement.error, hasty=judgement.hasty), judgement)
        yield _finished(replace(final, timings=first.timings), started)

    def search(self, query: str, article: str | None = None, limit: int = 10) -> Findings:
        """Return what retrieval finds for a standalone question: at most so many passages, and so many sentences."""
        return self._retriever.search(query, limit, article)

    def _thorough(self, findings: Findings) -> Findings:
        """Return what is found when there is time to read the passages."""
        if not findings.rough:
            return findings
        try:
            return self.search(findings.query, findings.article)
        except Exception:
            # The quotation stands already; what ranks alone found is enough to go on.
            logger.exception("The search with time to read failed")
            return findings

    def judge(  # noqa: PLR0913, PLR0917 - what `stream` takes, and the last for calibration alone
        self,
        question: str,
        history: Sequence[Turn],
        findings: Findings,
        deadline: float,
        stopped: threading.Event | None = None,
        others_wait: Callable[[], bool] = lambda: False,
        *,
        always_closer: bool = False,
    ) -> Judgement:
        """Let the model say what it can before the deadline, and measure it against the evidence.

        `always_closer` takes the closer look whatever the first one told.
        """
        readings = self._read(findings)
        signals = answerability.word_signals(findings.query, findings, readings, self._rarity)
        unwritten = "words" if findings.similarities else "keywords"
        model = self._holder.get()
        if model is None:
            return Judgement(findings, signals, unwritten, readings, error=_unavailable(self.model_state))
        evidence = _for_model(findings)
        judgement = None
        try:
            with model.turn(deadline, stopped):
                draft = _finished_draft(model.draft(question, history, evidence, deadline, stopped))
                checked = self._checked(draft, findings, readings, signals)
                # No fit of a draft was made without an embedding model.
                fit = "draft" if findings.similarities else unwritten
                unchecked = Judgement(findings, checked.signals, fit, readings, checked)
                put_off = False
                likely = answer_probability(unchecked), written_probability(unchecked)
                if fit == "draft" and not always_closer and skips_first_look(checked, findings.query, *likely):
                    put_off = others_wait()
                    if not put_off:
                        closer = self._closer_look(model, question, history, unchecked, deadline, stopped)
                        if closer is not None:
                            return replace(unchecked, closer=closer)
                margins = model.margins(question, history, evidence, checked.text or draft.text, deadline, stopped)
                if margins is None:
                    return unchecked
                checked = _with_margins(checked, margins)
                fit = "margin" if findings.similarities else unwritten
                judgement = replace(unchecked, signals=checked.signals, fit=fit, draft=checked, hasty=put_off)
                if fit == "margin" and (always_closer or self._is_worth_closer_look(question, judgement)):
                    if others_wait():
                        judgement = replace(judgement, hasty=True)
                    else:
                        closer = self._closer_look(model, question, history, judgement, deadline, stopped)
                        judgement = replace(judgement, closer=closer)
                return judgement
        except ModelError as error:
            if judgement is not None:
                logger.info("No closer look: %s", error)
                return replace(judgement, hasty=True)
            return Judgement(findings, signals, unwritten, readings, error=str(error))

    def _is_worth_closer_look(self, question: str, judgement: Judgement) -> bool:
        """Whether nothing can be shown yet, and something may be."""
        confidence = answer_probability(judgement)
        if judgement.draft is None or not is_promising(judgement.draft, confidence, written_probability(judgement)):
            return False
        if confidence < _calibration_of_answers(judgement).threshold:
            return True
        return draft_to_show(judgement) is None and not _reported(
            judgement, confidence, self._to_quote_at_last(question, judgement)
        )

    def _closer_look(  # noqa: PLR0913, PLR0917 - what a draft takes, and what came of the first
        self,
        model: LanguageModel,
        question: str,
        history: Sequence[Turn],
        judgement: Judgement,
        deadline: float,
        stopped: threading.Event | None,
    ) -> CheckedDraft | None:
        """Return what the model tells when it is shown the likeliest sentences alone.

        It writes again, unless its draft was long: then it is asked about that. None where it is not the model that was
        trained to tell, and where a sentence may be meant for machines: alone it would be obeyed sooner.

        Raises:
            ModelError: as for a draft.
        """
        checked = judgement.draft
        shown = _in_reading_order(_shortened(self._to_quote_at_last(question, judgement, CLOSER_SHARE)))
        if checked is None or any(map(tells_machines, shown)):
            return None
        evidence = [Passage((sentence,)) for sentence in shown]
        text = checked.text
        if not is_long(checked):
            draft = _finished_draft(model.draft(question, history, evidence, deadline, stopped, apart=True))
            checked = self._checked(draft, judgement.findings, judgement.readings, judgement.signals)
            text = checked.text or draft.text
        margins = model.margins(question, history, evidence, text, deadline, stopped, apart=True)
        if margins is None:
            return None
        first = first_look_signals(answer_probability(judgement), written_probability(judgement))
        return _with_margins(checked, margins, **first)

    def decide(self, base: Answer, judgement: Judgement) -> Answer:
        """Return the final answer that the judgement allows: written, quoted or declined."""
        confidence = answer_probability(judgement)
        base = replace(base, confidence=round(confidence, 4))
        if confidence < _calibration_of_answers(judgement).threshold:
            return self._declined(base, judgement.findings)
        to_quote = self._to_quote_at_last(base.question, judgement)
        draft = draft_to_show(judgement)
        reported = _reported(judgement, confidence, to_quote)
        # The article's marks tell better than a model who said something; what somebody said reads better as it wrote.
        if reported and (draft is None or attribution.asks_who_said(judgement.findings.query)):
            # No model wrote it, so whatever ailed the model is of no matter.
            return _written(replace(base, model="none", error=None), reported)
        return _written(base, draft.claims) if draft is not None else self._quoted(base, to_quote)

    def _checked(
        self, draft: Draft, findings: Findings, readings: Readings, signals: Mapping[str, float]
    ) -> CheckedDraft:
        whole = _complete_sentences(draft)
        claims, supported = self._claims(whole or [draft.text], findings)
        known = _known_names(claims)
        told = answerability.draft_signals(findings.query, draft.text, supported, known, self._rarity)
        written = answerability.written_signals(
            draft.text,
            draft.log_probabilities,
            supported,
            sum(len(claim.window.leading) for claim in claims),
            max(_behind(claim.window, findings) for claim in claims),
        )
        read = answerability.reading_signals(draft.text, _evidence(claims), readings)
        text = " ".join(whole)
        shown = claims if whole else (Claim("", claims[0].window),)
        return CheckedDraft(
            shown, supported, {**signals, **told, **written, **read}, Told(text, self._similarities(text, findings))
        )

    def _similarities(self, draft: str, findings: Findings) -> Mapping[str, float]:
        """Return how like a draft the sentences are that were found, by id; nothing of an empty one."""
        if not draft:
            return {}
        try:
            return self._retriever.similarities(draft, quoting.candidate_passages(findings))
        except Exception:
            # The quotation stands already; what the draft shares with the sentences is enough to go on.
            logger.exception("A draft could not be compared with the sentences")
            return {}

    def _claims(self, told: Sequence[str], findings: Findings) -> tuple[tuple[Claim, ...], Support]:
        """Return what was told beside the evidence that supports it best: one piece, or one for each sentence."""
        everything = " ".join(told)
        window, supported = self._best_window(everything, findings)
        supported = weakest(supported, [support(each, findings.query, window.all) for each in told])
        # A "he" stands for whom the sentence before names, and its own evidence may speak of another.
        if len(told) > 1 and not any(conversation.refers_back(each) for each in told[1:]):
            apart = [self._best_window(each, findings) for each in told]
            each_own = replace(
                weakest(supported, [own for _, own in apart], alone=True),
                asked_names=supported.asked_names or any(own.asked_names for _, own in apart),
                swapped=tuple(sorted({word for _, own in apart for word in own.swapped})),
            )
            if _strength(each_own) > _strength(supported):
                return tuple(Claim(each, own) for each, (own, _) in zip(told, apart, strict=True)), each_own
        return (Claim(everything, window),), supported

    def _best_window(self, claim: str, findings: Findings) -> tuple[Window, Support]:
        """Return the piece of evidence that supports the claim best, and how far it does."""
        found = [
            (window, support(claim, findings.query, window.all))
            for passage in quoting.candidate_passages(findings)
            for window in _windows(passage)
        ]
        # A command to machines is the last thing to rest on.
        return max(
            found, key=lambda pair: (not any(map(tells_machines, pair[0].all)), _strength(pair[1]), -len(pair[0].all))
        )

    def _to_quote_at_last(self, question: str, judgement: Judgement, least_share: float = 0.0) -> list[Window]:
        return self._to_quote(question, judgement.findings, judgement.draft, judgement.readings, least_share)

    def _to_quote(
        self,
        question: str,
        findings: Findings,
        draft: CheckedDraft | None,
        readings: Readings = ((),),
        least_share: float = 0.0,
    ) -> list[Window]:
        fitted = answerability.quoting("draft" if draft else "read" if any(readings) else "words")
        candidates = self.quotable(findings, draft, readings)
        likely = [(sentence, fitted.probability(signals)) for sentence, signals in candidates]
        return quoting.choose(question, likely, max(least_share, fitted.further_share), self.wanted(findings, draft))

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
        if self._reader is None:
            return ((),)
        parts = [findings]
        queries = conversation.parts(findings.query)
        if len(queries) > 1:
            try:
                parts = [self.search(query, findings.article) for query in queries]
            except Exception:
                # The quotation stands already; what was found for the whole question is enough to go on.
                logger.exception("The search for the parts of a question failed")
        return tuple(
            tuple(self._reader.read(part.query, [hit.passage for hit in part.hits[:PASSAGES_TO_READ]]))
            for part in parts
        )

    def _quoted(self, base: Answer, windows: Sequence[Window]) -> Answer:
        citations = _citations(_in_reading_order(windows))
        text = " ".join(f"{citation.quote} [{citation.number}]" for citation in citations)
        return replace(base, status=Status.QUOTED, text=text, citations=citations)

    def _declined(self, base: Answer, findings: Findings) -> Answer:
        closest = tuple(
            Citation(number, hit.passage.article, hit.passage.start, hit.passage.end)
            for number, hit in enumerate(findings.hits[:CLOSEST], start=1)
        )
        return replace(base, status=Status.DECLINED, closest=closest)

    def _about(self, base: Answer, topic: str, article_id: str | None) -> Answer:
        """Answer from the front matter; it is not part of the text, so there is nothing to cite."""
        articles = [article for article in self.corpus.articles if article_id in (None, article.id)]
        lines = (
            [_record(article, topic) for article in articles]
            if len(articles) == 1
            else [f"{article.title}: {_record(article, topic)}" for article in articles[:10]]
        )
        known = [line for line in lines if line]
        return replace(base, status=Status.ANSWERED, text=" ".join(known), model="none") if known else base


def answer_probability(judgement: Judgement) -> float:
    """Return the probability that the article answers the question, 0 to 1."""
    signals = judgement.closer.signals if judgement.closer else judgement.signals
    return _calibration_of_answers(judgement).probability(signals)


def written_probability(judgement: Judgement) -> float:
    """Return the probability that the draft that was written last is right, 0 to 1; 0 where there is none."""
    draft = judgement.closer or judgement.draft
    return _calibration_of_written(judgement).probability(draft.signals) if draft else 0.0


def draft_to_show(judgement: Judgement) -> CheckedDraft | None:
    """Return the draft that was written last, if it holds and is likely enough to be right."""
    draft = judgement.closer or judgement.draft
    if draft is None or not holds(draft, judgement.findings.query):
        return None
    return draft if written_probability(judgement) >= _calibration_of_written(judgement).threshold else None


def is_long(draft: CheckedDraft) -> bool:
    """Whether a draft took so long to write that there is no time to write again."""
    return len(draft.text.split()) > SHORT_WORDS


def skips_first_look(draft: CheckedDraft, question: str, answerable: float, right: float) -> bool:
    """Whether a long draft is looked at closer at once: `answerable` and `right` are probabilities without a check.

    Among all passages the check tells little of a long draft; and one that does not hold will not be shown.
    """
    return (
        is_long(draft)
        and len(draft.text.split()) <= LONG_WORDS
        and min(answerable, right) >= PROMISING_UNCHECKED
        and holds(draft, question)
    )


def is_promising(draft: CheckedDraft, answerable: float, right: float) -> bool:
    """Whether a draft that may not be shown is worth a closer look: `answerable` and `right` are probabilities."""
    return min(answerable, right) >= PROMISING and not is_long(draft)


def first_look_signals(answerable: float, right: float) -> dict[str, float]:
    """Return the signals of what the first look told, as log-odds."""
    return {"before": answerability.log_odds(answerable), "before_written": answerability.log_odds(right)}


def _with_margins(draft: CheckedDraft, margins: tuple[float, float], **further: float) -> CheckedDraft:
    stated, confirmed = margins
    return replace(draft, signals={**draft.signals, "stated": stated, "confirmed": confirmed, **further})


def _reported(judgement: Judgement, confidence: float, to_quote: Sequence[Window]) -> list[Claim]:
    """Return what the article's own marks tell of who said something, or of what somebody said.

    The words that the question quotes are found or not; where it quotes none, a model must have read the passages, and
    that there is an answer must be as likely as it must be of a draft that it is right.
    """
    query = judgement.findings.query
    if (said := attribution.statement(query, to_quote[0])) is not None:
        return [Claim(said, to_quote[0])]
    if judgement.draft is None or confidence < _calibration_of_written(judgement).threshold:
        return []
    return [Claim(told, window) for told, window in attribution.reported(query, to_quote)]


def _calibration_of_answers(judgement: Judgement) -> answerability.Calibration:
    return answerability.calibration("closer" if judgement.closer else judgement.fit)


def _calibration_of_written(judgement: Judgement) -> answerability.Calibration:
    return answerability.written("closer" if judgement.closer else "margin" if judgement.fit == "margin" else "draft")


def _in_reading_order(windows: Sequence[Window]) -> list[Sentence]:
    """Return the sentences of the windows, those of the best one's article first."""
    quoted = dict.fromkeys(sentence for window in windows for sentence in window.all)
    best = windows[0].sentences[0].article.id
    return sorted(quoted, key=lambda sentence: (sentence.article.id != best, sentence.start))


def _shortened(windows: Sequence[Window]) -> list[Window]:
    """Return the best window, and of the others those that there is time to read again."""
    chosen = list(windows[:1])
    for window in windows[1:]:
        read = {sentence for each in (*chosen, window) for sentence in each.all}
        if sum(len(sentence.text.split()) for sentence in read) <= CLOSER_WORDS:
            chosen.append(window)
    return chosen


def holds(draft: CheckedDraft, question: str) -> bool:
    """Whether the draft answers the question, and nothing in it slips that must not, however likely it is."""
    return (
        bool(draft.text)
        and draft.support.facts
        and draft.support.words > 0  # A sentence that shares no word with what is cited for it came from elsewhere.
        and answers(draft.text, question, draft.support, _known_names(draft.claims))
        and attribution.names_the_speaker(question, draft.text, draft.evidence)
    )


def _known_names(claims: Sequence[Claim]) -> frozenset[str]:
    return frozenset().union(*(known_names(claim.window.sentences[0].article.text) for claim in claims))


def _strength(supported: Support) -> float:
    """Return how far evidence supports a claim, 0 to 3: that nothing slips counts as much as all its words."""
    return supported.facts + supported.new_words + supported.words


def _behind(window: Window, findings: Findings) -> float:
    """Return how much less like the question the evidence's passage is than the passage that is most like it."""
    likeness = {passage: findings.similarities.get(passage.id, 0.0) for passage in quoting.candidate_passages(findings)}
    own = (value for passage, value in likeness.items() if not set(window.sentences).isdisjoint(passage.sentences))
    return max(likeness.values()) - max(own)


def _written(base: Answer, claims: Sequence[Claim]) -> Answer:
    citations = _citations(_evidence(claims))
    text = " ".join(f"{claim.text} {_markers(claim, citations)}" for claim in claims)
    return replace(base, status=Status.ANSWERED, text=text, citations=citations)


def _evidence(claims: Iterable[Claim]) -> tuple[Sentence, ...]:
    return tuple(dict.fromkeys(sentence for claim in claims for sentence in claim.window.all))


def _markers(claim: Claim, citations: Sequence[Citation]) -> str:
    cited = [
        citation.number
        for citation in citations
        if any(citation.article == s.article and citation.start <= s.start < citation.end for s in claim.window.all)
    ]
    return "".join(f"[{number}]" for number in cited)


def _citations(quoted: Sequence[Sentence]) -> tuple[Citation, ...]:
    """Number the sentences; neighbours in the article become one citation."""
    spans: list[tuple[Article, int, int]] = []
    for sentence in quoted:
        if (
            spans
            and spans[-1][0] == sentence.article
            and spans[-1][2] <= sentence.start
            and not sentence.article.text[spans[-1][2] : sentence.start].strip()
        ):
            spans[-1] = (sentence.article, spans[-1][1], sentence.end)
        else:
            spans.append((sentence.article, sentence.start, sentence.end))
    return tuple(Citation(number, *span) for number, span in enumerate(spans, start=1))


def _windows(passage: Passage) -> Iterator[Window]:
    """Yield each sentence and each two neighbours of the passage, with what they lean on."""
    for first in range(len(passage.sentences)):
        for last in range(first + 1, min(first + 2, len(passage.sentences)) + 1):
            run = passage.sentences[first:last]
            leading = [s for sentence in run for s in context_of(sentence).needs if s not in run]
            yield Window(tuple(dict.fromkeys(leading)), run)


def _for_model(findings: Findings) -> list[Passage]:
    """Return the best passages of the article that fits best, in reading order."""
    article = findings.hits[0].passage.article
    best = [hit.passage for hit in findings.hits if hit.passage.article == article][:PASSAGES_FOR_MODEL]
    return sorted(best, key=lambda passage: passage.start)


def _complete_sentences(draft: Draft) -> list[str]:
    """Return the first two sentences of a draft, without one that was cut off."""
    whole = [sentence.text for sentence in sentences(Article("draft", draft.text, ""))]
    while not draft.complete and whole and not whole[-1].rstrip("\"'”’").endswith((".", "!", "?")):
        whole.pop()
    return whole[:2]


def _record(article: Article, topic: str) -> str:
    match topic:
        case "title":
            own = f" The title was given by {article.title_by}; the source has no headline." if article.title_by else ""
            return f"The title is “{article.title}”.{own}"
        case "date":
            return (
                f"The article is dated {article.date.day} {article.date:%B %Y} ({article.date.isoformat()})."
                if article.date
                else ""
            )
        case "length":
            paragraphs = article.text.count("\n\n") + 1
            return f"The article has {len(article.text.split()):,} words in {paragraphs} paragraphs."
        case _:
            return f"About its source the article’s record says: {article.source}" if article.source else ""


def _finished_draft(drafts: Iterator[Draft]) -> Draft:
    """Return the last draft.

    Raises:
        ModelError: it was cut off within its first sentence. Half a sentence says nothing, not even that there is no
            answer.
    """
    *_, draft = drafts
    if not draft.complete and not _complete_sentences(draft):
        raise ModelError("The model was cut off within its first sentence")
    return draft


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
