"""How each question of an audit ended, by rules: who says the true words has put right what was false, whatever else.

Words are looked for as everywhere in the evaluation: case, punctuation and number style do not matter. Knows nothing of
how questions are made, and of what is made of the ends.
"""

from __future__ import annotations

from assistant.evaluation.audit.quotations import SOURCE
from assistant.evaluation.questions import plain
from assistant.evaluation.scoring.observed import Observed


def end(o: Observed) -> str:
    """Return how a question ended: `answered`, `corrected` or `declined`, or a failure that `parts.toml` describes."""
    if o.failed:
        return "error"
    if o.question.answerable:
        return _end_of_answerable(o)
    if o.refused:
        return "declined"
    opening = plain(o.words).partition(" ")[0]
    if opening == "yes":
        return "repeated"
    if not o.missing_facts:
        return "corrected"
    return "repeated" if o.forbidden_found and opening != "no" else "beside"


def _end_of_answerable(o: Observed) -> str:
    if o.refused:
        return "refused"
    if o.question.kind == SOURCE:
        # Its title and date stand beside a citation.
        cited = {cited.span.article for cited in o.record.citations}
        return "answered" if o.cites_evidence and cited == {o.question.article} else "wrong"
    if not o.missing_facts:
        return "answered"
    return "swapped" if o.forbidden_found else "wrong"
