"""The writer for the packaged model, and for none: a draft is written, its evidence is found for it, and it is checked.

The draft is written from all of a short article or the best passages of a longer one. Each of its sentences is put
beside the piece of evidence that supports it best; the model checks it, and calibrated probabilities say whether the
article answers the question and whether the draft is right. Without a model the same is told by the search alone, and
nothing is written.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from assistant.answering import quoting
from assistant.answering.packaged import calibration, drafts
from assistant.answering.packaged.calibration import Fits
from assistant.answering.packaged.drafts import CheckedDraft
from assistant.answering.packaged.judgement import Judgement
from assistant.answering.quoting import Window
from assistant.answering.reply import Reply
from assistant.answering.trace import Trace
from assistant.answering.understanding.question import Question
from assistant.articles.annotated import annotated
from assistant.errors import ModelError
from assistant.model import probes
from assistant.model.chat import Draft, LanguageModel, is_short
from assistant.model.limit import Limit
from assistant.model.probes import State
from assistant.search.retrieval import Findings, Retriever
from assistant.types import Passage, Sentence

logger = logging.getLogger(__name__)

CLEAR = 1.25
"""Log-odds of yes or no, in quarters the least beyond which at most a tenth of the openings of readers' questions were
wrong (lab/LOG.md)."""
PASSAGES = 5
"""With ten, drafts were right hardly more often, and took longer (lab/LOG.md)."""


@dataclass(frozen=True, slots=True)
class PackagedWriter:
    """Writes with the packaged model, and quotes without it."""

    retriever: Retriever
    fits: Fits
    probes: Path = probes.PROBES
    """What reads the state that a check leaves the model in."""

    def reply(
        self, question: Question, findings: Findings, model: LanguageModel | None, limit: Limit, trace: Trace
    ) -> Reply:
        """Return what is made of a question; where the model fails, what is known without it."""
        error: ModelError | None = None
        judgement = self.undrafted(findings)
        if model is not None:
            try:
                judgement = self.judge(question, findings, model, limit, trace)
            except ModelError as failed:
                error = failed
        return replace(self.decided(question, judgement, trace), error=error)

    def undrafted(self, findings: Findings) -> Judgement:
        """Return what is known without the language model."""
        fit = self.fits.answerable["words" if findings.similarities else "keywords"]
        return Judgement(findings, calibration.word_signals(findings), fit)

    def judge(
        self, question: Question, findings: Findings, model: LanguageModel, limit: Limit, trace: Trace
    ) -> Judgement:
        """Let the model write and check, and measure what it says against the evidence.

        It may wait as long for its turn, and has all of its time after that: other questions take none of it away.

        Raises:
            ModelError: it wrote nothing, or could not check what it wrote.
        """
        undrafted = self.undrafted(findings)
        evidence, turns = for_model(findings), question.turns_for(findings.query)
        asked = question.text, turns, evidence
        with ExitStack() as held:
            with trace.step("wait"):
                started = time.monotonic()
                held.enter_context(model.turn(limit))
                limit = replace(limit, deadline=limit.deadline + time.monotonic() - started)
            opening, odds = "", math.inf
            if question.is_yes_or_no:
                with trace.step("yes or no"):
                    odds = probes.opens_with_yes(model.beginning(*asked, limit))
                opening = "Yes," if odds > 0 else "No,"
            with trace.step("draft"):
                draft = model.draft(*asked, limit, opening)
            with trace.step("ground"):
                checked = replace(self.checked(draft, undrafted), is_clear=abs(odds) >= CLEAR)
            with trace.step("check"):
                state = model.check(*asked, checked.text or draft.text, limit)
        return self._judged(undrafted, checked, state)

    def _judged(self, undrafted: Judgement, checked: CheckedDraft, state: State) -> Judgement:
        """Return what is known with a draft and the state that its check left."""
        signals = {**checked.signals, **probes.signals(state, self.probes)}
        # No fit of a draft was made without an embedding model.
        answered = self.fits.answerable["check"] if undrafted.findings.similarities else undrafted.answered
        draft = replace(checked, signals=signals)
        return Judgement(undrafted.findings, signals, answered, draft, self.fits.written)

    def holds(self, question: Question, findings: Findings, model: LanguageModel, text: str, limit: Limit) -> bool:
        """Whether an answer that another model wrote would be shown, had the packaged one written it.

        Raises:
            ModelError: it could not check it.
        """
        undrafted = self.undrafted(findings)
        checked = self.checked(Draft(text, complete=True), undrafted)
        with model.turn(limit):
            state = model.check(question.text, question.turns_for(findings.query), for_model(findings), text, limit)
        judgement = self._judged(undrafted, checked, state)
        return not judgement.is_declined and judgement.shown(question) is not None

    def decided(self, question: Question, judgement: Judgement, trace: Trace) -> Reply:
        """Return the reply that is made of a judgement."""
        quoted = self.to_quote(question, judgement.findings, judgement.draft)
        reply = Reply("yes", quoted=tuple(quoted), confidence=round(judgement.answerable, 4))
        trace.note(**judgement.told(question))
        draft = judgement.shown(question)
        if judgement.is_declined or not (quoted or draft):
            return replace(reply, answerable="no")
        speech = judgement.speech(question, quoted) if quoted else []
        # Who said something is surer by the article's marks; what somebody said reads better as the model wrote it.
        if speech and (draft is None or question.asks_who_said):
            return replace(reply, statements=tuple(speech), by_rule=True)
        return reply if draft is None else replace(reply, statements=draft.statements)

    def checked(self, draft: Draft, undrafted: Judgement) -> CheckedDraft:
        """Return a draft beside the evidence that supports it best."""
        similarities = partial(self._similarities, findings=undrafted.findings)
        return drafts.check(draft, undrafted.findings, undrafted.signals, similarities)

    def _similarities(self, draft: str, findings: Findings) -> Mapping[str, float]:
        """Return how like a draft the sentences are that were found, by id."""
        try:
            return self.retriever.similarities(draft, quoting.candidate_passages(findings))
        except Exception:
            # The quotation stands already; what the draft shares with the sentences is enough to go on.
            logger.exception("A draft could not be compared with the sentences")
            return {}

    def to_quote(self, question: Question, findings: Findings, draft: CheckedDraft | None = None) -> list[Window]:
        """Return what to quote, best first, by all that is known; nothing where nothing was found.

        What an article says of others does not answer a question about somebody whom it does not name.
        """
        fitted = self.fits.quoted["draft" if draft else "words"]
        candidates = self.quotable(findings, draft)
        others = quoting.about_another(findings.query, {sentence.article for sentence, _ in candidates})
        likely = [(each, fitted.probability(signals)) for each, signals in candidates if each.article not in others]
        if not likely:
            return []
        return quoting.choose(question, likely)

    def quotable(
        self, findings: Findings, draft: CheckedDraft | None = None
    ) -> list[tuple[Sentence, dict[str, float]]]:
        """Return each sentence that may be quoted, with its signals."""
        return quoting.signals(findings, self.retriever.rarity, draft.told if draft else None)


def for_model(findings: Findings) -> list[Passage]:
    """Return all passages of the article that fits best, where it is short, else the best of them, in reading order."""
    article = findings.hits[0].passage.article
    if is_short(article):
        return annotated(article).passages
    best = [hit.passage for hit in findings.hits if hit.passage.article == article][:PASSAGES]
    return sorted(best, key=lambda passage: passage.start)
