"""What the EBU's sheet says of a run: how many answers have issues, and how far graders agree, by criterion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from assistant.evaluation.grading.grades import Grade, left_out
from assistant.evaluation.grading.rubrics import EBU, SHEET
from assistant.evaluation.scoring.agreement import agreement, with_grades
from assistant.evaluation.scoring.observed import Observed, estimated

_ALL = "answer"
_WORST = "Of the five criteria the worst counts."
_NONE, _SOME, _SIGNIFICANT = EBU.levels
_COUNTED = {"significant": (_SIGNIFICANT,), "any": (_SOME, _SIGNIFICANT)}


def part(observed: Sequence[Observed], given: Sequence[Grade]) -> dict[str, Any]:
    """Return the sheet's part of a report, beside what is published.

    It has no figures where nobody graded, and of each criterion an agreement where two did.
    """
    graded = [o for o in with_grades(observed, given, EBU.version) if o.grades]
    answered = [o for o in graded if not o.refused]
    rows = [(criterion, counted, graded) for criterion in (_ALL, *EBU.criteria) for counted in _COUNTED]
    rows.insert(1, (f"{_ALL} that did not decline", "significant", answered))
    levels = {c: [{g.grader: _level(g, c) for g in o.grades} for o in graded] for c in (_ALL, *EBU.criteria)}
    return {name: SHEET[name] for name in ("title", "asked", "empty", "study", "published", "differs")} | {
        "name": "ebu",
        "figures": [_figure(*row) for row in rows] if graded else [],
        "graders": sorted({grade.grader for o in graded for grade in o.grades}),
        "agreement": [
            {"criterion": criterion, **found}
            for criterion, said in levels.items()
            if (found := agreement(said, EBU.levels))
        ],
        "issues": [
            {"id": o.question.id, "question": o.question.question, "grades": [_listed(grade) for grade in o.grades]}
            for o in graded
            if any(_level(grade, _ALL) != _NONE for grade in o.grades)
        ],
        "notes": left_out([o.record for o in observed], given, EBU.version),
    }


def _level(grade: Grade, criterion: str) -> str:
    found = EBU.by_criterion(grade.grade)
    return found.get(criterion) or max(found.values(), key=list(EBU.levels).index)


def _figure(criterion: str, counted: str, some: Sequence[Observed]) -> dict[str, Any]:
    """Return a share of answers in the form of a measure of a report; several graders of one answer count as one."""
    shares = [(o, float(np.mean([_level(g, criterion) in _COUNTED[counted] for g in o.grades]))) for o in some]
    return {
        "name": f"{criterion}_{counted}".replace(" ", "_"),
        "label": f"{criterion}: {counted} issue",
        "definition": f"{EBU.criteria.get(criterion, _WORST)} Counted is {' or '.join(_COUNTED[counted])}.",
        "unit": "share",
        "better": "lower",
        **estimated(shares),
    }


def _listed(grade: Grade) -> dict[str, str]:
    """Return a grade for the list of those to read."""
    issues = [f"{criterion} {level}" for criterion, level in EBU.by_criterion(grade.grade).items() if level != _NONE]
    return {"grader": grade.grader, "grade": ", ".join(issues) or "no issue", "issue": "", "comment": grade.comment}
