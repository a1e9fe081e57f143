"""Everything that is known of a question, and what follows: is there an answer, and may the draft be shown?

The probabilities are those of `calibration.json`. Asks no model, and searches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant.answering import attribution, calibration
from assistant.answering.drafts import CheckedDraft, Claim, holds
from assistant.answering.quoting import Window
from assistant.search.retrieval import Findings


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a question: everything that the decision was made from. Calibration reads it."""

    findings: Findings
    signals: Mapping[str, float]
    """What tells whether the article answers the question."""
    fit: str
    """The fit of the calibration for the signals that there are: keywords, words, draft, check or provider."""
    draft: CheckedDraft | None = None
    error: str | None = None


def answer_probability(judgement: Judgement) -> float:
    """Return the probability that the article answers the question, 0 to 1."""
    return calibration.calibration(judgement.fit).probability(judgement.signals)


def is_declined(judgement: Judgement) -> bool:
    """Whether an answer is too unlikely for anything to be given as one."""
    return answer_probability(judgement) < calibration.calibration(judgement.fit).threshold


def written_probability(judgement: Judgement) -> float:
    """Return the probability that the draft is right, 0 to 1; 0 where there is none."""
    draft = judgement.draft
    return _calibration_of_written(judgement).probability(draft.signals) if draft else 0.0


def draft_to_show(judgement: Judgement) -> CheckedDraft | None:
    """Return the draft, if it holds and is likely enough to be right."""
    draft = judgement.draft
    if draft is None or not holds(draft, judgement.findings.query):
        return None
    return draft if written_probability(judgement) >= _calibration_of_written(judgement).threshold else None


def reported(judgement: Judgement, to_quote: Sequence[Window]) -> list[Claim]:
    """Return what the article's own marks tell of who said something, or of what somebody said.

    The words that the question quotes are found or not; where it quotes none, a model must have read the passages, and
    that there is an answer must be as likely as it must be of a draft that it is right.
    """
    query = judgement.findings.query
    if (said := attribution.statement(query, to_quote[0])) is not None:
        return [Claim(said, to_quote[0])]
    if judgement.draft is None or answer_probability(judgement) < _calibration_of_written(judgement).threshold:
        return []
    return [Claim(told, window) for told, window in attribution.reported(query, to_quote)]


def _calibration_of_written(judgement: Judgement) -> calibration.Calibration:
    return calibration.written(judgement.fit if judgement.fit in calibration.WRITTEN_SIGNALS else "draft")
