"""Everything that is known of a question, and what follows: is there an answer, and may the draft be shown?

The probabilities are those of `calibration.json`. Asks no model, and searches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.answering import attribution
from assistant.answering.packaged.calibration import Calibration
from assistant.answering.packaged.drafts import CheckedDraft, slips
from assistant.answering.quoting import Window
from assistant.answering.reply import Statement
from assistant.answering.understanding.question import Question
from assistant.search.retrieval import Findings


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a question: everything that the decision is made from. Calibration reads it."""

    findings: Findings
    signals: Mapping[str, float]
    """From these follows whether the article answers the question."""
    answered: Calibration
    """What was fitted to these signals."""
    draft: CheckedDraft | None = None
    written: Calibration | None = None
    """What was fitted to the signals of such a draft."""

    @property
    def answerable(self) -> float:
        """The probability that the article answers the question, 0 to 1."""
        return self.answered.probability(self.signals)

    @property
    def is_declined(self) -> bool:
        """Whether an answer is too unlikely for anything to be given as one."""
        return self.answerable < self.answered.threshold

    @property
    def right(self) -> float:
        """The probability that the draft is right, 0 to 1; 0 where there is none."""
        return self.written.probability(self.draft.signals) if self.draft and self.written else 0.0

    def shown(self, question: Question) -> CheckedDraft | None:
        """Return the draft, if nothing in it slips and it is likely enough to be right."""
        if self.draft is None or self.written is None or slips(self.draft, question, self.findings.query):
            return None
        return self.draft if self.right >= self.written.threshold else None

    def speech(self, question: Question, to_quote: Sequence[Window]) -> list[Statement]:
        """Return who said something, or what somebody said, by the article's own quotation marks.

        The words that the question quotes are found or not; where it quotes none, a model must have read the passages,
        and that there is an answer must be as likely as it must be of a draft that it is right.
        """
        if (said := attribution.statement(question, to_quote[0])) is not None:
            return [Statement(said, to_quote[0].all)]
        if self.written is None or self.answerable < self.written.threshold:
            return []
        return [Statement(words, window.all) for words, window in attribution.reported(question, to_quote)]

    def told(self, question: Question) -> dict[str, Any]:
        """Return everything that the decision is made from, as `ask --why` prints it."""
        found: dict[str, Any] = {
            "answerable": {"probability": round(self.answerable, 4), "threshold": self.answered.threshold},
            "signals": {name: round(value, 4) for name, value in self.signals.items()},
        }
        if self.draft is not None and self.written is not None:
            found["written"] = self.draft.text or self.draft.told.text
            found["draft"] = {
                "right": {"probability": round(self.right, 4), "threshold": self.written.threshold},
                "held back by": slips(self.draft, question, self.findings.query),
            }
        return found
