"""The steps from a question to its answer, over the articles as they were when it was asked.

    question as it stands, or with names of the turns -> passages and sentences -> what to quote
                        -> a draft -> checked against one passage and by the model -> answered | quoted | declined
                           (who said something, and what somebody said, may be told by the article's marks)

Knows nothing of the order of time: what is shown when, and how long anything may take, is `assistant.py`'s.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from assistant.answering import attribution, calibration, drafts, quoting, understanding, wording
from assistant.answering.calibration import Rarity
from assistant.answering.drafts import CheckedDraft
from assistant.answering.judgement import Judgement, answer_probability, draft_to_show, is_declined, reported
from assistant.answering.quoting import Window
from assistant.articles.passages import passages
from assistant.articles.reading import Corpus
from assistant.errors import ModelError, TooLongError
from assistant.model import probes
from assistant.model.chat import Draft, is_short
from assistant.model.holder import ModelHolder
from assistant.search.retrieval import Findings, Retriever
from assistant.types import Answer, Article, Passage, Sentence, Turn

logger = logging.getLogger(__name__)

PASSAGES_FOR_MODEL = 5
"""With ten, drafts were right hardly more often, and took longer (lab/LOG.md)."""
PLACES = 3
"""In so many places of an article a provider's draft may have its names and numbers; the packaged model's in one, since
what it puts together from several is wrong oftener than right (lab/LOG.md)."""
_NOT_COMPARED = "The passages could not be compared with the question"


@dataclass(frozen=True, slots=True)
class Steps:
    """What one answer is made from; its articles stay the same while it is made."""

    corpus: Corpus
    retriever: Retriever
    rarity: Rarity
    """Of the words of these articles."""
    holder: ModelHolder

    def meant(self, article: str | None) -> list[Article]:
        """Return the articles that a question may be about: the named one, or all."""
        return [each for each in self.corpus.articles if article in (None, each.id)]

    def lead(self, history: Sequence[Turn], article: str | None) -> list[Window]:
        """Return what tells the one article as a whole that is meant; nothing where it may be any, or a turn before."""
        meant = self.meant(article)
        return quoting.lead(meant[0]) if len(meant) == 1 and not history else []

    def search(self, query: str, article: str | None = None, limit: int = 10) -> Findings:
        """Return what retrieval finds for a standalone question: at most so many passages, and so many sentences."""
        return self.retriever.search(query, limit, article)

    def find(
        self, question: str, history: Sequence[Turn] = (), article: str | None = None, *, may_read: bool = True
    ) -> Findings:
        """Return what is found for a cleaned question as it stands, or as a follow-up, whichever is surer of an answer.

        `may_read` is as for `Retriever.search`.
        """
        queries = understanding.queries(question, history)
        found = [self.retriever.search(query, article=article, may_read=may_read) for query in queries]
        if len(found) == 1:
            return found[0]
        return max(found, key=lambda findings: answer_probability(self._undrafted(findings)))

    def _undrafted(self, findings: Findings) -> Judgement:
        """Return what is known without the language model."""
        signals = calibration.word_signals(findings)
        return Judgement(findings, signals, "words" if findings.similarities else "keywords")

    def otherwise(self, question: str, history: Sequence[Turn], findings: Findings) -> Findings | None:
        """Return what is found for the other form of a question that may be a follow-up; None where it has one form."""
        others = [query for query in understanding.queries(question, history) if query != findings.query]
        try:
            return self.search(others[0], findings.article) if others else None
        except Exception:
            logger.exception("The search for the other form of a question failed")
            return None

    def thorough(self, findings: Findings, question: str, history: Sequence[Turn]) -> Findings:
        """Return what is found when there is time to read the passages."""
        if not findings.rough:
            return findings
        try:
            return self.find(question, history, findings.article)
        except Exception:
            # The quotation stands already; what ranks alone found is enough to go on.
            logger.exception("The search with time to read failed")
            return findings

    def decided(  # noqa: PLR0913, PLR0917 - what `judge` takes, and what its answer begins with
        self,
        base: Answer,
        question: str,
        history: Sequence[Turn],
        findings: Findings,
        deadline: float,
        stopped: threading.Event | None,
    ) -> Answer:
        """Return the final answer that the findings allow, by the deadline as `judge` takes it."""
        judgement = self.judge(question, history, findings, deadline, stopped)
        error = judgement.error or (_NOT_COMPARED if findings.rough else None)
        return self.decide(replace(base, query=findings.query, error=error), judgement)

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
        undrafted = self._undrafted(findings)
        model = self.holder.get()
        if model is None:
            return replace(undrafted, error=_unavailable(self.holder.state))
        turns = understanding.leaned_on(question, history, findings.query)
        evidence = for_model(findings)
        waiting = time.monotonic()
        self.holder.read_now(model, findings.hits[0].passage.article, stopped)
        try:
            with model.turn(deadline + time.monotonic() - waiting, stopped):
                deadline += time.monotonic() - waiting
                opening = ""
                if understanding.asks_yes_or_no(question):
                    begins = model.beginning(question, turns, evidence, deadline, stopped)
                    opening = "" if begins is None else probes.opening(begins)
                draft = drafts.finished(model.draft(question, turns, evidence, deadline, stopped, opening))
                checked = self._checked(draft, undrafted, 1 if model.checker is None else PLACES)
                state = model.check(question, turns, evidence, checked.text or draft.text, deadline, stopped)
        except TooLongError:
            # Nothing is broken, and asked again it would say the same.
            return undrafted
        except ModelError as error:
            return replace(undrafted, error=str(error))
        if state is not None:
            checked = replace(checked, signals={**checked.signals, **probes.signals(state)})
        # No fit of a draft was made without an embedding model.
        checked_as = "draft" if state is None else "check" if model.checker is None else "provider"
        fit = checked_as if findings.similarities else undrafted.fit
        return replace(undrafted, signals=checked.signals, fit=fit, draft=checked)

    def decide(self, base: Answer, judgement: Judgement) -> Answer:
        """Return the final answer that the judgement allows: written, quoted or declined."""
        base = replace(base, confidence=round(answer_probability(judgement), 4))
        query = judgement.findings.query
        if attribution.misquotes(query, {each.article for each in quoting.candidate_passages(judgement.findings)}):
            return wording.declined(base, judgement.findings)
        to_quote = self.to_quote(base.question, judgement.findings, judgement.draft)
        if found := attribution.standing(query, to_quote):
            # Its title and its date stand beside the words.
            return wording.quoted(replace(base, model="none", error=None), found, in_one_piece=True)
        if is_declined(judgement):
            return wording.declined(base, judgement.findings)
        draft = draft_to_show(judgement)
        by_marks = reported(judgement, to_quote)
        # The article's marks tell better than a model who said something; what somebody said reads better as it wrote.
        if by_marks and (draft is None or attribution.asks_who_said(query)):
            # No model wrote it, so whatever ailed the model is of no matter.
            return wording.written(replace(base, model="none", error=None), by_marks)
        if draft is not None:
            return wording.written(base, draft.claims)
        # A second piece more often stands beside the point than it adds what is missing.
        return wording.quoted(base, to_quote, in_one_piece=not understanding.asks_two(base.question))

    def _checked(self, draft: Draft, judgement: Judgement, places: int) -> CheckedDraft:
        findings = judgement.findings
        similarities = partial(self._similarities, findings=findings)
        return drafts.check(draft, findings, judgement.signals, similarities, places)

    def _similarities(self, draft: str, findings: Findings) -> Mapping[str, float]:
        """Return how like a draft the sentences are that were found, by id."""
        try:
            return self.retriever.similarities(draft, quoting.candidate_passages(findings))
        except Exception:
            # The quotation stands already; what the draft shares with the sentences is enough to go on.
            logger.exception("A draft could not be compared with the sentences")
            return {}

    def to_quote(self, question: str, findings: Findings, draft: CheckedDraft | None) -> list[Window]:
        """Return what to quote, best first, by all that is known."""
        fitted = calibration.quoting("draft" if draft else "words")
        candidates = self.quotable(findings, draft)
        likely = [(sentence, fitted.probability(signals)) for sentence, signals in candidates]
        return quoting.choose(question, likely, fitted.further_share, self.wanted(findings, draft))

    def quotable(
        self, findings: Findings, draft: CheckedDraft | None = None
    ) -> list[tuple[Sentence, dict[str, float]]]:
        """Return each sentence that may be quoted, with its signals."""
        return quoting.signals(findings, self.rarity, draft.told if draft else None)

    def wanted(self, findings: Findings, draft: CheckedDraft | None = None) -> dict[str, float]:
        """Return the stems that what is quoted should hold, and how much each weighs."""
        return quoting.wanted(findings.query, self.rarity, draft.told if draft else None)


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
