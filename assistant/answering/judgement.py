"""Everything that is known of a question, and what follows: is there an answer, may the draft be shown, look closer?

The probabilities are those of `calibration.json`. Asks no model, and searches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant.answering import attribution, calibration
from assistant.answering.drafts import CheckedDraft, Claim, holds
from assistant.answering.quoting import Window
from assistant.search.retrieval import Findings
from assistant.search.span_finder import Readings

PROMISING = 0.5
"""A closer look is worth its time where an answer, and a draft that is right, are at least this likely."""
PROMISING_UNCHECKED = 0.3
"""The same where the model has not been asked yet: then less is known of either."""
SHORT_WORDS = 22
"""A draft of at most so many words leaves time for a closer look after the first one."""
LONG_WORDS = 40
"""A longer draft leaves no time to read again what would be quoted. Those between have time for one look."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a question: everything that the decision was made from. Calibration reads it."""

    findings: Findings
    signals: Mapping[str, float]
    """What tells whether the article answers the question."""
    fit: str
    """The fit of the calibration for the signals that there are: keywords, words, draft or margin."""
    readings: Readings = ((),)
    """What the span finder makes of the best passages for each part of the question; of none without it."""
    draft: CheckedDraft | None = None
    error: str | None = None
    closer: CheckedDraft | None = None
    """What the model wrote, or told of its first draft, when it was shown the likeliest sentences alone."""


def answer_probability(judgement: Judgement) -> float:
    """Return the probability that the article answers the question, 0 to 1."""
    signals = judgement.closer.signals if judgement.closer else judgement.signals
    return _calibration_of_answers(judgement).probability(signals)


def is_declined(judgement: Judgement) -> bool:
    """Whether an answer is too unlikely for anything to be given as one."""
    return answer_probability(judgement) < _calibration_of_answers(judgement).threshold


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
    return {"before": calibration.log_odds(answerable), "before_written": calibration.log_odds(right)}


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


def _calibration_of_answers(judgement: Judgement) -> calibration.Calibration:
    return calibration.calibration("closer" if judgement.closer else judgement.fit)


def _calibration_of_written(judgement: Judgement) -> calibration.Calibration:
    return calibration.written("closer" if judgement.closer else "margin" if judgement.fit == "margin" else "draft")
