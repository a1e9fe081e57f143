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
        f"Sample size: two runs on {questions:,} questions are told apart four times out of five where they differ by "
        f"{_points(questions, questions_needed)} points, if {FLIPS:.0%} of the answers change. 5 points take "
        f"{questions_needed(0.05):,} questions, 3 points {questions_needed(0.03):,}. Questions about one article tell "
        "less."
    )


def before_review(answers: int) -> str:
    """Return how exactly grades of so many answers tell how content readers are, and what more it would take."""
    return (
        f"Sample size: {answers:,} graded answers tell the share of content readers to within "
        f"{_points(answers, grades_needed)} points. 5 points take {grades_needed(0.05):,} grades, 3 points "
        f"{grades_needed(0.03):,}. Answers about one article tell less."
    )


def _points(count: int, needed: Callable[[float], int]) -> int:
    return next((points for points in range(1, 100) if needed(points / 100) <= count), 100)
