"""One cause for each failure, by rule: the first that applies, in the order of a question's way to its answer.

An answer with the right facts fails too when what it shows is not what it cites.
"""

from __future__ import annotations

from collections.abc import Mapping

from assistant.evaluation.questions import holds_facts
from assistant.evaluation.scoring.observed import Observed

DEPTH = 5
"""Evidence further down than this counts as not retrieved: the model reads five passages."""

CAUSES: Mapping[str, tuple[str, str]] = {
    "error": ("error", "There is no answer because something broke."),
    "bad_citation": (
        "bad citation",
        "A citation is not the article's text or is on a refusal, a marker points to nothing, or facts are not cited.",
    ),
    "should_have_declined": ("should have declined", "The question has no answer, and one was given."),
    "not_retrieved": ("not retrieved", f"None of the first {DEPTH} paragraphs found holds the evidence."),
    "wrongly_declined": ("wrongly declined", "The evidence was found, and the question was refused."),
    "retrieved_not_used": ("retrieved but not used", "The evidence was found, and the wrong answer does not cite it."),
    "in_evidence_but_wrong": (
        "in evidence but wrong",
        "The evidence is cited, or the question names none; a fact is missing, or something forbidden is said.",
    ),
    "unsupported": (
        "unsupported",
        "The facts are right, but the answer holds a number or a name that the words it cites do not.",
    ),
}
"""Label and definition of each cause."""


def cause(o: Observed) -> str | None:
    """Return why the question failed; None where it did not, or where no gold tells."""
    if o.failed:
        return "error"
    if _invalid(o):
        return "bad_citation"
    if o.outcome in ("wrong", "missing"):
        return _why_not_right(o)
    if o.outcome == "right" and o.shown and not o.cites_nothing_by_right:
        return _flaw(o)
    return None


def _invalid(o: Observed) -> bool:
    citations = o.record.citations
    return len(o.verbatim) < len(citations) or o.dangling > 0 or bool(citations and not o.shown)


def _is_missed(o: Observed) -> bool:
    gold = o.gold_paragraphs
    return bool(gold) and not any(span in gold for span in o.record.retrieved[:DEPTH])


def _why_not_right(o: Observed) -> str:
    if not o.question.answerable:
        return "should_have_declined"
    if _is_missed(o):
        return "not_retrieved"
    if o.refused:
        return "wrongly_declined"
    if o.evidence and not o.cites_evidence:
        return "retrieved_not_used"
    return "in_evidence_but_wrong"


def _flaw(o: Observed) -> str | None:
    """Return what is wrong with an answer that holds the facts."""
    if o.question.answerable and not o.cites_evidence and not holds_facts(o.cited_words, o.question.must_have):
        return "bad_citation"
    return "unsupported" if o.flagged_numbers or o.flagged_names else None
