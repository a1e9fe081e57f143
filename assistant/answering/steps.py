"""The steps from a question to its answer, over the articles as they were when it was asked.

    question -> passages and sentences that may answer it -> what is quoted at once
             -> a reply: written by a capable model, or by the packaged one, or by none
             -> the rules -> written | partly | speech | quoted | declined

What is shown when, and how long anything may take, is `assistant.py`'s.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from assistant.answering import attribution, material, quoting, rules, wording
from assistant.answering.capable import CapableWriter
from assistant.answering.material import Material
from assistant.answering.packaged.calibration import Fits
from assistant.answering.packaged.writer import PackagedWriter
from assistant.answering.reply import Reply
from assistant.answering.trace import Trace
from assistant.answering.understanding import small_talk
from assistant.answering.understanding.meaning import Meaning, meant, speaks_of_distress
from assistant.answering.understanding.overview import Wanted
from assistant.answering.understanding.question import Question
from assistant.answering.understanding.scope import named, scoped
from assistant.articles.reading import Corpus
from assistant.errors import Fault, ModelError
from assistant.model.chat import LanguageModel
from assistant.model.holder import CapableModels, ModelHolder
from assistant.model.limit import Limit
from assistant.search.retrieval import Findings, Retriever
from assistant.types import Answer, Article, Outcome, Part

logger = logging.getLogger(__name__)

LOCAL_CHECK_SECONDS = 20.0
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
    help_words: str
    """What is said to somebody in distress."""

    @property
    def packaged(self) -> PackagedWriter:
        """The writer for the packaged model, and for none."""
        return PackagedWriter(self.retriever, self.fits)

    def meant(self, article: str | None) -> Sequence[Article]:
        """Return the articles that a question may be about: the named one, or all."""
        named = self.corpus.by_id.get(article or "")
        return self.corpus.articles if article is None else [named] if named else []

    def scoped(self, question: Question, article: str | None, opened: str | None) -> tuple[Question, str | None]:
        """Return a question as it is to be searched for, and the id of the only article that it means, if one is.

        `article` is the one that was chosen to answer from, empty for all; where it is None the question decides.
        """
        if article is not None or len(self.corpus.articles) == 1 or question.problem or question.reply_to_small_talk:
            return question, article or None
        try:
            searched, meant = scoped(question, opened, self.corpus, self.retriever)
        except Exception:
            # It is searched again for the answer, which tells it.
            logger.exception("The article that a question means could not be searched for")
            return question, None
        return searched, meant.id if meant else None

    def known(self, base: Answer, question: Question, article: str | None) -> Answer | None:
        """Return the answer of a question for which nothing has to be searched; None for any other."""
        if reason := question.problem:
            return replace(base, question=question.text[:MAX_SHOWN], outcome=Outcome.BLOCKED, parts=(Part(reason),))
        return (
            self.help(question)
            or self._recorded(base, question, article)
            or self._by_meaning(base, question, self.meaning(question), article)
        )

    def _recorded(self, base: Answer, question: Question, article: str | None) -> Answer | None:
        """Return what is said to small talk, or what is known of an article that is asked about as such."""
        if reply := question.reply_to_small_talk:
            return wording.told(base, Outcome.RECORD, reply)
        topic = question.about_article
        return self._about(base, question, topic, article) if topic else None

    def _by_meaning(
        self, base: Answer, question: Question, meaning: Meaning | None, article: str | None
    ) -> Answer | None:
        """Return what is due to what no words of an article answer; None where that is none of these."""
        if meaning is Meaning.LIST and (len(self.meant(article)) > 1 or not question.names_topic):
            return self._listed(base, question, article)
        # A capable model tells better what is no question, and sums up an article better than its own sentences do.
        if isinstance(self.holder.get(), CapableModels) and meaning is not Meaning.PERSONAL:
            return None
        if reply := small_talk.REPLIES.get(meaning or ""):
            return wording.told(base, Outcome.RECORD, reply)
        return base if meaning is Meaning.ELSEWHERE else self.overview(base, question, article)

    def help(self, question: Question) -> Answer | None:
        """Return the words that name help, where somebody speaks of distress; None for anything else."""
        is_distress = self.meaning(question) is Meaning.DISTRESS
        return wording.told(Answer(question.text, Outcome.HELP), Outcome.HELP, self.help_words) if is_distress else None

    def _listed(self, base: Answer, question: Question, article: str | None) -> Answer:
        """Return which articles there are, or which come closest to a topic, where the question names one."""
        if not question.names_topic:
            return wording.listed(base, wording.ALL, self.meant(article))
        closest = dict.fromkeys(hit.passage.article for hit in self.search(question.text, article).hits)
        return wording.listed(base, wording.ON_TOPIC, [*closest][: wording.MOST_ON_TOPIC])

    def _about(self, base: Answer, question: Question, topic: str, article: str | None) -> Answer | None:
        """Return what is known of the article that is meant; where that may be several, which there are."""
        meant = self.meant(article)
        only = named(question, self.corpus) if question.names_article else meant[0] if len(meant) == 1 else None
        if only is not None:
            return wording.about(base, topic, only)
        # "The article on marriage" may be one of a constitution.
        return None if question.names_article else wording.listed(base, wording.WHICH, meant)

    def overview(self, base: Answer, question: Question, article: str | None) -> Answer | None:
        """Return an overview of the one article that is meant; None where something else is asked."""
        meant = self.meant(article)
        if len(meant) != 1:
            return None
        is_whole = self.meaning(question) is Meaning.WHOLE
        wanted = question.overview(meant[0]) or (Wanted.GIST if is_whole else None)
        return wording.overview(base, meant[0], wanted) if wanted else None

    def meaning(self, question: Question) -> Meaning | None:
        """Return what is meant that no article tells, in whatever words; what is plain distress needs no model."""
        if speaks_of_distress(question.text):
            return Meaning.DISTRESS
        vector = self.retriever.vector(question.text)
        found = None if vector is None else meant(vector)
        # Nobody speaks of "him" to a program.
        return None if question.is_of_somebody and found is not Meaning.DISTRESS else found

    def reads_all(self, article: str | None) -> bool:
        """Whether a capable model answers from all that is meant, whatever a search finds."""
        models = self.holder.get()
        return isinstance(models, CapableModels) and material.fit_whole(self.meant(article), self.model_words)

    def at_once(self, base: Answer, question: Question, findings: Findings) -> Answer | None:
        """Return what is shown before a model has said anything: the sentence that answers best, or an overview."""
        windows = self.packaged.to_quote(question, findings)
        if (overview := self.overview(base, question, findings.article)) or not windows:
            return overview
        return wording.quoted(base, windows)

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
        base = replace(base, query=findings.query, confidence=reply.confidence, may_improve=reply.thrown_out)
        if reply.error is not None:
            base = replace(base, error=str(reply.error), fault=reply.error.fault)
        if attribution.misquotes(question, {each.article for each in quoting.candidate_passages(findings)}):
            return wording.declined(base, findings)
        quoted = reply.quoted or tuple(self.packaged.to_quote(question, findings))
        if found := attribution.standing(question, quoted):
            # Its title and its date stand beside the words.
            return wording.quoted(replace(base, model="none", error=None, fault=None), found)
        if reply.answerable == "no":
            overview = self.overview(base, question, findings.article)
            return overview or wording.declined(base, findings, reply.near)
        if reply.statements and not rules.objections(question.text, reply.statements):
            return _told(base, reply)
        overview = self.overview(base, question, findings.article)
        if overview or not quoted:
            return overview or wording.declined(base, findings)
        return wording.quoted(base, quoted)


def _told(base: Answer, reply: Reply) -> Answer:
    if reply.by_rule:
        # No model wrote it, so whatever ailed the model is of no matter.
        base = replace(base, model="none", error=None, fault=None)
        return wording.written(base, reply.statements, Outcome.SPEECH)
    return wording.written(base, reply.statements, Outcome.PARTLY if reply.answerable == "partly" else Outcome.WRITTEN)
