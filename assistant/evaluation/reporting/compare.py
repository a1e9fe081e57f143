"""Two runs on the same questions: what changed, and whether chance alone could have changed as much.

Both are scored now, by the same code, each against the gold of its own folder. Questions whose wording or gold differ
are left out and named. Never calls the assistant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assistant.errors import ConfigurationError
from assistant.evaluation.fingerprint import differences
from assistant.evaluation.questions import Question
from assistant.evaluation.reporting.summary import question_scores
from assistant.evaluation.run import observed
from assistant.evaluation.scoring import statistics
from assistant.evaluation.scoring.agreement import listed, preferred
from assistant.evaluation.scoring.causes import cause
from assistant.evaluation.scoring.measures import HEADLINES, Measure
from assistant.evaluation.scoring.observed import Observed, clustered, clusters_of

_NOT_GOLD = ("kind", "group", "notes", "rewrite")
"""What may differ between the two without making another question."""
_MOST_NAMED = 20
"""In a note; `versions` has them all."""


def compare(before: Path, after: Path) -> dict[str, Any]:
    """Return the comparison of two runs' folders, in the form that `report.json` has it.

    Raises:
        ConfigurationError: one is not the folder of a run, or they have no question in common.
    """
    (was, earlier, one), (now, later, other) = observed(before), observed(after)
    known = {question.id: question for question in earlier}
    common = [question for question in later if question.id in known]
    mended = {question.id: parts for question in common if (parts := _mended(known[question.id], question))}
    added = [question.id for question in later if question.id not in known]
    dropped = [name for name in known if name not in {question.id for question in common}]
    answered = {o.question.id for o in one} & {o.question.id for o in other}
    same = [question for question in common if question.id in answered and question.id not in mended]
    if not same:
        raise ConfigurationError(f"{before} and {after} have no answered question in common: nothing can be compared")
    notes = [
        _named(f"Mended, and so left out of {len(common)} in common", [f"{n} ({' '.join(mended[n])})" for n in mended]),
        f"`evaluate QUESTIONS --rescore {before}` scores the earlier run against mended gold." if mended else "",
        _named("Added, in the later run alone", added),
        _named("Dropped, in the earlier run alone", dropped),
        _incomplete(before, earlier, one),
        _incomplete(after, later, other),
    ]
    names = {question.id for question in same}
    one, other = (clustered([o for o in some if o.question.id in names], same) for some in (one, other))
    broken, fixed, reworded = _turned(one, other)
    return {
        "baseline": str(before),
        "run": str(after),
        "n": len(same),
        "versions": {"added": added, "mended": mended, "dropped": dropped},
        "cluster_by": clusters_of(same)[0],
        "clusters": len({o.cluster for o in other}),
        "differences": _differences(one, other, int(now["options"]["seed"])),
        "latency": [
            {name: getattr(measure, name) for name in ("name", "label", "unit")}
            | {"baseline": measure.of(measure.scores(one)), "run": measure.of(measure.scores(other))}
            for measure in HEADLINES
            if not measure.is_mean
        ],
        "preferences": preferred(one, other, int(now["options"]["seed"])),
        "broken": broken,
        "fixed": fixed,
        "reworded": reworded,
        "fingerprint_differences": [
            {"part": part, "baseline": earlier_value, "run": later_value}
            for part, earlier_value, later_value in differences(was["fingerprint"], now["fingerprint"])
        ],
        "notes": [note for note in notes if note],
    }


def _named(what: str, names: Sequence[str]) -> str:
    more = ["and more"] if len(names) > _MOST_NAMED else []
    return f"{what}: {len(names)}, {', '.join([*names[:_MOST_NAMED], *more])}." if names else ""


def _incomplete(folder: Path, questions: Sequence[Question], some: Sequence[Observed]) -> str:
    asked = len({o.question.id for o in some})
    whole = asked == len(questions)
    return "" if whole else f"{folder} is not complete: {asked} of {len(questions)} questions were asked."


def _mended(was: Question, now: Question) -> list[str]:
    """Return what differs between two versions of a question so that it is another one."""
    before, after = asdict(was), asdict(now)
    return [name for name in before if name not in _NOT_GOLD and before[name] != after[name]]


def _differences(one: Sequence[Observed], other: Sequence[Observed], seed: int) -> list[dict[str, Any]]:
    """Return the paired differences of the headlines that both runs have, with p values adjusted for their number."""
    clusters = {o.question.id: o.cluster for o in other}
    found: list[dict[str, Any]] = []
    for measure in HEADLINES:
        if not measure.is_mean:
            continue
        was, now = question_scores(measure, one), question_scores(measure, other)
        both = [name for name in clusters if name in was and name in now]
        if not both:
            continue
        pairs = [(was[name], now[name]) for name in both]
        difference = statistics.paired([b - a for a, b in pairs], [clusters[name] for name in both], seed)
        found.append(
            {name: getattr(measure, name) for name in ("name", "label", "better", "unit")}
            | {"baseline": sum(a for a, _ in pairs) / len(pairs), "run": sum(b for _, b in pairs) / len(pairs)}
            | {"difference": difference.value, **asdict(difference), "p_holm": None}
            | {"turned": _turned_scores(pairs, measure)}
        )
    tested: list[dict[str, Any]] = [row for row in found if row["p"] is not None]
    for row, adjusted in zip(tested, statistics.holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = adjusted
    return found


def _turned_scores(pairs: Sequence[tuple[float, float]], measure: Measure) -> dict[str, int] | None:
    """Return how many questions turned for the better and for the worse; None where scores are not 0 or 1."""
    if not {score for pair in pairs for score in pair} <= {0.0, 1.0}:
        return None
    risen, fallen = sum(b > a for a, b in pairs), sum(b < a for a, b in pairs)
    return {"fixed": fallen, "broken": risen} if measure.better == "lower" else {"fixed": risen, "broken": fallen}


def _turned(
    one: Sequence[Observed], other: Sequence[Observed]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the questions that were right and are not, the reverse, and others with an answer in other words.

    Of several repeats the first counts.
    """
    was, now = ({o.question.id: o for o in reversed(some)} for some in (one, other))
    broken: list[dict[str, Any]] = []
    fixed: list[dict[str, Any]] = []
    reworded: list[dict[str, Any]] = []
    for name in dict.fromkeys(o.question.id for o in other):
        earlier, later = was[name], now[name]
        before, after = earlier.outcome, later.outcome
        answers = [{"answer": o.record.answer, "grades": listed(o)} for o in (earlier, later)]
        row: dict[str, Any] = {"id": name, "question": later.question.question, "answers": answers}
        row |= {"before": before, "after": after}
        if before is not None and after is not None and (before == "right") != (after == "right"):
            is_fixed = after == "right"
            (fixed if is_fixed else broken).append({**row, "cause": cause(earlier if is_fixed else later)})
        elif earlier.record.answer != later.record.answer:
            reworded.append({**row, "cause": None})
    return broken, fixed, reworded
