"""How many questions it takes to see a difference, said before anything is asked or graded.

The questions count as independent; those about one article are alike and tell less, which only the answers can show.
Numbers in, sentences out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import stats

from assistant.evaluation.scoring.statistics import CONFIDENCE, POWER

FLIPS = 0.2
"""Share of the answers that is assumed to change from one run to the next."""

_ERRORS = float(stats.norm.ppf((1 + CONFIDENCE) / 2))


def questions_needed(difference: float) -> int:
    """Return how many questions find a difference in a share, 0 to 1, four times out of five.

    The inverse of `statistics.smallest_difference` for questions that are independent: the normal approximation to
    McNemar's test of paired answers. Of the answers FLIPS change, or as many as the difference asks for.
    """
    errors = _ERRORS + float(stats.norm.ppf(POWER))
    return math.ceil(errors**2 * max(FLIPS, difference) / difference**2)


def grades_needed(reach: float) -> int:
    """Return how many graded answers tell a share to within so much, 0 to 1, on either side, at worst."""
    return math.ceil((_ERRORS / (2 * reach)) ** 2)


def before_run(questions: int) -> str:
    """Return what a comparison of two runs on so many questions can see, and what more it would take."""
    return (
        f"Sample size: two runs on {_many(questions, 'question')} are told apart four times out of five where they "
        f"differ by {_points(questions, questions_needed)}, if {FLIPS:.0%} of the answers change. "
        f"{_more(questions_needed, 'questions')} Questions about one article tell less."
    )


def before_review(answers: int) -> str:
    """Return how exactly grades of so many answers tell how content readers are, and what more it would take."""
    return (
        f"Sample size: {_many(answers, 'graded answer')} tell the share of content readers to within "
        f"{_points(answers, grades_needed)}. {_more(grades_needed, 'grades')} Answers about one article tell less."
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _points(count: int, needed: Callable[[float], int]) -> str:
    found = next((points for points in range(1, 100) if needed(points / 100) <= count), 100)
    return f"{found} point{'' if found == 1 else 's'}"


def _more(needed: Callable[[float], int], what: str) -> str:
    return f"5 points take {needed(0.05):,} {what}, 3 points {needed(0.03):,}."
