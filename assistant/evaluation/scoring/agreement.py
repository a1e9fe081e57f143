"""What the grades of a run say: how content readers are, how far the graders agree, where the rules say otherwise.

Krippendorff's alpha is that of `krippendorff`, for grades in an order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from typing import Any

import numpy as np

from assistant.evaluation.grading.grades import Grade, Key, key_of, latest, left_out
from assistant.evaluation.grading.rubrics import CONTENT, GRADES
from assistant.evaluation.scoring import statistics
from assistant.evaluation.scoring.causes import CAUSES, cause
from assistant.evaluation.scoring.observed import Observed, estimated


def with_grades(observed: Sequence[Observed], given: Iterable[Grade], rubric: str = CONTENT.version) -> list[Observed]:
    """Return the answers, each with the grades by a rubric that count, by the names of the graders."""
    found: dict[Key, list[Grade]] = {}
    for (_, key), grade in sorted(latest(given, rubric).items()):
        found.setdefault(key, []).append(grade)
    return [replace(o, grades=tuple(found.get(key_of(o.record), ()))) for o in observed]


def differs(o: Observed) -> bool:
    """Whether the rules call an answer right that a grader calls bad or wrong, or fail one that a grader calls good."""
    if o.outcome is None:
        return False
    passes = cause(o) is None
    return any(grade.grade in (("bad", "wrong") if passes else ("good",)) for grade in o.grades)


def summary(observed: Sequence[Observed], given: Sequence[Grade]) -> dict[str, Any] | None:
    """Return what the report says of the grades; None where nobody graded."""
    graded = [o for o in observed if o.grades]
    notes = left_out([o.record for o in observed], given)
    if not graded and not notes:
        return None
    said = [grade for o in graded for grade in o.grades]
    issues = Counter(grade.issue for grade in said if grade.issue)
    states: dict[str, list[Observed]] = {}
    for o in graded:
        states.setdefault(o.record.outcome, []).append(o)
    return {
        "n": len(graded),
        "notes": notes,
        "graders": Counter(grade.grader for grade in said),
        "by_grade": {name: sum(grade.grade == name for grade in said) for name in GRADES},
        "by_state": [{"name": name, **_state(some)} for name, some in states.items()],
        "issues": [
            {"issue": issue, "n": count, "ids": sorted({grade.id for grade in said if grade.issue == issue})}
            for issue, count in issues.most_common()
        ],
        "agreement": agreement([{grade.grader: grade.grade for grade in o.grades} for o in graded]),
        "differ": [
            {"id": o.question.id, "question": o.question.question, "rules": _verdict(o), "grades": listed(o)}
            for o in graded
            if differs(o)
        ],
    }


def listed(o: Observed) -> list[dict[str, str]]:
    """Return the grades of an answer for its row in the report."""
    return [{name: getattr(g, name) for name in ("grader", "grade", "issue", "comment", "reason")} for g in o.grades]


def _verdict(o: Observed) -> str:
    found = cause(o)
    return "right" if found is None else CAUSES[found][0]


def _state(some: Sequence[Observed]) -> dict[str, Any]:
    shares = {
        name: estimated((o, o.share_graded(grade) or 0.0) for o in some)
        for name, grade in (("content", "good"), ("wrong", "wrong"))
    }
    middle, most = np.quantile([o.words_to_read for o in some], [0.5, 0.9])
    return {"n": len(some), **shares, "words_p50": float(middle), "words_p90": float(most)}


def agreement(answers: Sequence[Mapping[str, str]], levels: Collection[str] = GRADES) -> dict[str, Any] | None:
    """Return how far graders agree on the answers that several graded; None where there are none.

    An answer maps the names of its graders to their grades. `share` is of pairs of graders on one answer; `confusion`
    counts these pairs, the grade of the one who is first by name in rows, in the order of the levels, best first.
    `alpha` is None where only one grade was ever given, since then nothing tells agreement from chance.
    """
    twice = [grades for grades in answers if len(grades) > 1]
    if not twice:
        return None
    pairs = Counter(pair for grades in twice for pair in combinations([grades[name] for name in sorted(grades)], 2))
    return {
        "n": len(twice),
        "pairs": pairs.total(),
        "share": sum(count for (one, other), count in pairs.items() if one == other) / pairs.total(),
        "alpha": alpha(twice, levels),
        "confusion": [[pairs[one, other] for other in levels] for one in levels],
    }


def alpha(answers: Sequence[Mapping[str, str]], levels: Collection[str] = GRADES) -> float | None:
    """Return Krippendorff's alpha, 1 for agreement in all and 0 for as much as chance makes; None where it has none."""
    import krippendorff  # noqa: PLC0415 - only needed where two graded

    if len({grade for grades in answers for grade in grades.values()}) < 2:
        return None
    ranks = {name: float(rank) for rank, name in enumerate(reversed(list(levels)))}
    names = sorted({name for grades in answers for name in grades})
    table = [[ranks[grades[name]] if name in grades else np.nan for grades in answers] for name in names]
    return float(krippendorff.alpha(table, level_of_measurement="ordinal"))


def preferred(one: Sequence[Observed], other: Sequence[Observed], seed: int) -> dict[str, Any] | None:
    """Return which of two runs' answers graders prefer; None where nobody said so of these answers.

    `difference` is the share that prefers the later run less the share that prefers the earlier, with the interval and
    the test of a comparison; the graders of one answer count as one.
    """
    earlier = {key_of(o.record) for o in one}
    votes = {
        o.question.id: (float(np.mean(said)), o.cluster)
        for o in other
        if (said := [_VOTES[g.preferred] for g in o.grades if g.preferred and (g.id, g.against) in earlier])
    }
    if not votes:
        return None
    values = [vote for vote, _ in votes.values()]
    difference = statistics.paired(values, [cluster for _, cluster in votes.values()], seed)
    signs = Counter(map(float, np.sign(values)))
    return {name: signs[vote] for name, vote in _VOTES.items()} | asdict(difference)


_VOTES = {"this": 1.0, "same": 0.0, "other": -1.0}
