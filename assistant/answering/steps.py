"""The steps from a question to its answer, over the articles as they were when it was asked.

    question -> passages and sentences that may answer it -> what is quoted at once
             -> a reply: written by a capable model, or by the packaged one, or by none
             -> the rules -> written | partly | speech | quoted | declined

What is shown when, and how long anything may take, is `assistant.py`'s.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from assistant.answering import attribution, marks, material, quoting, rules, wording
from assistant.answering.capable import CapableWriter
from assistant.answering.material import Material
from assistant.answering.packaged.calibration import Fits
from assistant.answering.packaged.writer import PackagedWriter
from assistant.answering.quoting import Window
from assistant.answering.reply import Reply
from assistant.answering.trace import Trace
from assistant.answering.understanding.overview import Wanted, own_stems
from assistant.answering.understanding.question import Question
from assistant.answering.understanding.whole import asks_for_whole
from assistant.articles.reading import Corpus
from assistant.errors import Fault, ModelError
from assistant.model.chat import LanguageModel
from assistant.model.holder import CapableModels, ModelHolder
from assistant.model.limit import Limit
from assistant.search.retrieval import Findings, Retriever
from assistant.types import Answer, Article, Outcome, Part

logger = logging.getLogger(__name__)

LOCAL_CHECK_SECONDS = 20.0
AS_WELL = 0.75
"""What an article in sight must score of the best. Chosen on 199 questions of `fit.jsonl`: at less the article in sight
is asked too often where another one answers."""
MAX_SHOWN = 600
"""Characters of a question that is too long to be taken."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What one answer is made from; its articles stay the same while it is made."""

    corpus: Corpus
    retriever: Retriever
    holder: ModelHolder
    fits: Fits
    model_words: int
    """Articles of at most so many words in all are given to a capable model as a whole."""
    find_words: marks.Find = lambda question, sentence: None
    """What points to the words of a sentence that answer a question."""

    @property
    def packaged(self) -> PackagedWriter:
        """The writer for the packaged model, and for none."""
        return PackagedWriter(self.retriever, self.fits)

    def meant(self, article: str | None) -> Sequence[Article]:
        """Return the articles that a question may be about: the named one, or all."""
        named = self.corpus.by_id.get(article or "")
        return self.corpus.articles if article is None else [named] if named else []

    def known(self, base: Answer, question: Question, article: str | None) -> Answer | None:
        """Return the answer of a question for which nothing has to be searched; None for any other."""
        if reason := question.problem:
            return replace(base, question=question.text[:MAX_SHOWN], outcome=Outcome.BLOCKED, parts=(Part(reason),))
        if reply := question.reply_to_small_talk:
            return replace(base, outcome=Outcome.RECORD, parts=(Part(reply),), model="none")
        if topic := question.about_article:
            return wording.about(base, topic, self.meant(article))
        # A capable model sums up an article better than its own sentences do.
        return None if isinstance(self.holder.get(), CapableModels) else self.overview(base, question, article)

    def overview(self, base: Answer, question: Question, article: str | None) -> Answer | None:
        """Return an overview of the one article that is meant; None where something else is asked."""
        meant = self.meant(article)
        only = meant[0] if len(meant) == 1 else self.named(question)
        if only is None:
            return None
        wanted = question.overview(only) or (Wanted.GIST if self.asks_for_whole(question) else None)
        return wording.overview(base, only, wanted) if wanted else None

    def named(self, question: Question) -> Article | None:
        """Return the article that a question names by words of its title; None where several fit as well, or none."""
        titled = self.corpus.by_title_stem
        fitting = Counter(each for stem in own_stems(question.text) for each in titled.get(stem, ()))
        (best, most), (_, next_most) = (*fitting.most_common(2), ("", 0), ("", 0))[:2]
        return self.corpus.by_id[best] if most > next_most else None

    def asks_for_whole(self, question: Question) -> bool:
        """Whether a question asks for an article as a whole in words that no rule knows."""
        vector = self.retriever.vector(question.text)
        return vector is not None and asks_for_whole(vector)

    def answers_as_well(self, question: Question, article: Article) -> bool:
        """Whether what is found in an article fits a question about as well as the best of all articles.

        Keywords alone do not tell.
        """
        try:
            of_it, of_all = (
                self.retriever.search(question.text, 1, only, may_read=False) for only in (article.id, None)
            )
        except Exception:
            # It is searched again for the answer, which tells it.
            logger.exception("The article in sight could not be searched")
            return False
        if of_all.rough or not (of_all.similarities and of_it.evidence):
            return False
        return of_it.evidence[0].score >= AS_WELL * of_all.evidence[0].score

    def reads_all(self, article: str | None) -> bool:
        """Whether a capable model answers from all that is meant, whatever a search finds."""
        models = self.holder.get()
        return isinstance(models, CapableModels) and material.fit_whole(self.meant(article), self.model_words)

    def at_once(self, base: Answer, question: Question, findings: Findings) -> Answer | None:
        """Return what is shown before a model has said anything: the sentence that answers best, or an overview."""
        windows = self.packaged.to_quote(question, findings)
        if (overview := self.overview(base, question, findings.article)) or not windows:
            return overview
        quoted = wording.quoted(base, windows)
        return quoted if question.asks_two else wording.in_one_piece(quoted, windows)

    def _quoted(self, base: Answer, question: Question, windows: Sequence[Window], draft: str) -> Answer:
        """Return a quotation with the words that answer marked; of several pieces the best one, where it has such."""
        quoted = wording.quoted(base, windows)
        sentences = [sentence for window in windows for sentence in window.sentences]
        try:
            parts = tuple(marks.marked(part, sentences, base.query, draft, self.find_words) for part in quoted.parts)
        except Exception:
            # The quotation stands without its marks.
            logger.exception("The words that answer could not be marked")
            return quoted
        quoted = replace(quoted, parts=parts)
        # A second piece more often stands beside the point than it adds what is missing.
        is_enough = quoted.citations[0].answering is not None and not question.asks_two
        return wording.in_one_piece(quoted, windows) if is_enough else quoted

    def search(self, query: str, article: str | None = None, limit: int = 10) -> Findings:
        """Return what retrieval finds for a standalone question: at most so many passages, and so many sentences."""
        return self.retriever.search(query, limit, article)

    def find(self, question: Question, article: str | None = None, *, may_read: bool = True) -> Findings:
        """Return what is found for a question as it stands, or as a follow-up, whichever is surer of an answer.

        `may_read` is as for `Retriever.search`.
        """
        found = [self.retriever.search(form, article=article, may_read=may_read) for form in question.forms]
        if len(found) == 1:
            return found[0]
        return max(found, key=lambda findings: self.packaged.undrafted(findings).answerable)

    def thorough(self, findings: Findings, question: Question) -> Findings:
        """Return what is found when there is time to load the embedding model."""
        if not findings.rough:
            return findings
        try:
            return self.find(question, findings.article)
        except Exception:
            # The quotation stands already; what ranks alone found is enough to go on.
            logger.exception("The search by meaning failed")
            return findings

    def reply(self, question: Question, findings: Findings, limit: Limit, trace: Trace) -> Reply:
        """Return what a writer makes of a question; where its model fails, what can be said without it."""
        models = self.holder.get()
        if isinstance(models, CapableModels):
            try:
                return self._written(question, findings, models, limit, trace)
            except ModelError as error:
                trace.note(fault=str(error.fault))
                return replace(self.packaged.reply(question, findings, None, limit, trace), error=error)
        if models is None:
            reply = self.packaged.reply(question, findings, None, limit, trace)
            return replace(reply, error=self._missing())
        started = time.monotonic()
        with trace.step("read"):
            self.holder.read_now(models, findings.hits[0].passage.article, limit.stopped)
        limit = replace(limit, deadline=limit.deadline + time.monotonic() - started)
        return self.packaged.reply(question, findings, models, limit, trace)

    def _missing(self) -> ModelError | None:
        """Return why there is no model to ask; None where none is wanted."""
        state = self.holder.state
        if state.kind == "none":
            return None
        if state.error is None:
            return ModelError(Fault.LOADING, "The model is still loading", "ask again in a moment")
        return ModelError(Fault.ENGINE, state.error.what, state.error.cure)

    def _written(
        self, question: Question, findings: Findings, models: CapableModels, limit: Limit, trace: Trace
    ) -> Reply:
        """Return what a capable model makes of a question.

        Raises:
            ModelError: it made nothing of it.
        """
        checker = models.checker if models.local is None else partial(self._is_right, question, findings, models.local)
        writer = CapableWriter(models.writer, checker)
        return writer.reply(question, self._material(question, findings, writer, limit, trace), limit, trace)

    def _is_right(self, question: Question, findings: Findings, model: LanguageModel, text: str) -> bool:
        """Whether the packaged model, and what it is calibrated with, would show an answer as its own."""
        return self.packaged.holds(question, findings, model, text, Limit.of_seconds(LOCAL_CHECK_SECONDS))

    def _material(
        self, question: Question, findings: Findings, writer: CapableWriter, limit: Limit, trace: Trace
    ) -> Material:
        """Return what a question is answered from: all that is meant where that is short, else what is found."""
        meant = self.meant(findings.article)
        if material.fit_whole(meant, self.model_words):
            return material.of_articles(meant)
        if question.may_follow:
            query = writer.standalone(question, limit, trace)
            trace.note(standalone=query)
            findings = self.search(query, findings.article)
        return material.of_findings(findings, self.model_words)

    def decide(self, base: Answer, question: Question, findings: Findings, reply: Reply) -> Answer:
        """Return the final answer that a reply allows: written, quoted or declined."""
        base = replace(base, query=findings.query, confidence=reply.confidence)
        if reply.error is not None:
            base = replace(base, error=str(reply.error), fault=reply.error.fault)
        if attribution.misquotes(question, {each.article for each in quoting.candidate_passages(findings)}):
            return wording.declined(base, findings)
        quoted = reply.quoted or tuple(self.packaged.to_quote(question, findings))
        if found := attribution.standing(question, quoted):
            # Its title and its date stand beside the words.
            standing = wording.quoted(replace(base, model="none", error=None, fault=None), found)
            return wording.in_one_piece(standing, found)
        if reply.answerable == "no":
            overview = self.overview(base, question, findings.article)
            return overview or wording.declined(base, findings, reply.near)
        if reply.statements and not rules.objections(question.text, reply.statements):
            return _told(base, reply)
        overview = self.overview(base, question, findings.article)
        if overview or not quoted:
            return overview or wording.declined(base, findings)
        return self._quoted(base, question, quoted, reply.drafted)


def _told(base: Answer, reply: Reply) -> Answer:
    if reply.by_rule:
        # No model wrote it, so whatever ailed the model is of no matter.
        base = replace(base, model="none", error=None, fault=None)
        return wording.written(base, reply.statements, Outcome.SPEECH)
    return wording.written(base, reply.statements, Outcome.PARTLY if reply.answerable == "partly" else Outcome.WRITTEN)
