"""By what answers are graded: how content a reader would be, or the five criteria of the EBU's sheet.

A rubric says what is graded, by which levels; its version changes with its words.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from assistant.files import sha256

GRADES: dict[str, str] = {
    "good": "It answers directly and rightly, readable at a glance: a reader would be content. A right refusal is good "
    "too, and so is a false premise that is corrected or declined.",
    "partly": "The answer is in there, but buried in quotation, incomplete, clumsy, or left to the reader to infer.",
    "bad": "A refusal where the article answers, or words beside the point.",
    "wrong": "It says or suggests what the article does not support: a wrong fact, speaker or source, a yes for a no, "
    'a dropped "hopes to" or "estimated", quotations fused, sentences joined over a gap so that their sense changes.',
}
"""How content a reader would be, best first."""
ISSUES = (
    "wall of quotation",
    "opener beside the point",
    "tail beside the point",
    "no yes or no",
    "half of the answer",
    "answer comes last",
    "refused although the article answers",
    "wrong fact",
    "wrong speaker or source",
    "hedge dropped",
)
"""What readers complain of most; a grader's list grows by what they write."""


@dataclass(frozen=True, slots=True)
class Rubric:
    """What is graded of an answer; a grade has a level for each criterion, parted by spaces."""

    version: str
    """Its name, none for how content readers are, and a hash of its words; a grade by another one does not count."""
    criteria: Mapping[str, str]
    """What each asks, by its name."""
    levels: Mapping[str, str]
    """What each means, best first."""
    keys: str
    """One for each level."""
    issues: tuple[str, ...] = ()
    """What may be named beside a level; where there are none, a comment says it."""

    def by_criterion(self, grade: str) -> dict[str, str]:
        """Return the level of each criterion; none of a grade that was taken back."""
        return dict(zip(self.criteria, grade.split(), strict=False))

    def holds(self, grade: str) -> bool:
        """Whether the grade has a level of this rubric for every criterion."""
        return len(grade.split()) == len(self.criteria) and set(grade.split()) <= self.levels.keys()


def _hash(words: object) -> str:
    return sha256(json.dumps(words))[:8]


SHEET = tomllib.loads((resources.files("assistant.evaluation.grading") / "ebu.toml").read_text(encoding="utf-8"))
CONTENT = Rubric(_hash(GRADES), {"grade": ""}, GRADES, "gpbw", ISSUES)
EBU = Rubric(f"ebu-{_hash([SHEET['criteria'], SHEET['levels']])}", SHEET["criteria"], SHEET["levels"], "123")
RUBRICS = {rubric.version: rubric for rubric in (CONTENT, EBU)}
