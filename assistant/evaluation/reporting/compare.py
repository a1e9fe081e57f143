"""Two runs on the same questions: what changed, and whether chance alone could have changed as much.

Both are scored now, by the same code, each against the gold of its own folder. Questions whose wording or gold differ
are left out and named. Never calls the assistant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.errors import ConfigurationError
from assistant.evaluation import fingerprint
from assistant.evaluation.questions import Question, to_row
from assistant.evaluation.reporting.summary import clustering, question_scores
from assistant.evaluation.run import read_run
from assistant.evaluation.scoring import statistics
from assistant.evaluation.scoring.causes import cause
from assistant.evaluation.scoring.measures import HEADLINES, Measure, RunMeasure
from assistant.evaluation.scoring.observed import Observed, observe

_NOT_GOLD = ("kind", "group", "notes", "rewrite")
"""What may differ between the two without making another question."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A run with its answers scored."""

    path: Path
    values: Mapping[str, Any]
    questions: Mapping[str, Question]
    observed: Sequence[Observed]


def compare(before: Path, after: Path) -> dict[str, Any]:
    """Return the comparison of two runs' folders, in the form that `report.json` has it.

    Raises:
        ConfigurationError: one is not the folder of a run, or they have no question in common.
    """
    earlier, later = _read(before), _read(after)
    common = [name for name in later.questions if name in earlier.questions]
    changed = [name for name in common if _gold(earlier.questions[name]) != _gold(later.questions[name])]
    answered = {o.question.id for o in earlier.observed} & {o.question.id for o in later.observed}
    same = [name for name in common if name not in changed and name in answered]
    if not same:
        raise ConfigurationError(f"{before} and {after} have no answered question in common: nothing can be compared")
    questions = [later.questions[name] for name in same]
    by, cluster, _ = clustering(questions)
    clusters = {question.id: cluster(question) for question in questions}
    seed = int(later.values["options"]["seed"])
    one, other = ([o for o in run.observed if o.question.id in clusters] for run in (earlier, later))
    broken, fixed = _turned(one, other)
    return {
        "baseline": str(before),
        "run": str(after),
        "n": len(same),
        "only_in_baseline": len(earlier.questions) - len(common),
        "only_in_run": len(later.questions) - len(common),
        "changed_questions": changed,
        "cluster_by": by,
        "clusters": len(set(clusters.values())),
        "differences": _differences(one, other, clusters, seed),
        "latency": [
            {
                "name": measure.name,
                "label": measure.label,
                "baseline": measure.value([o for o in one if measure.uses(o)]),
                "run": measure.value([o for o in other if measure.uses(o)]),
            }
            for measure in HEADLINES
            if isinstance(measure, RunMeasure)
        ],
        "broken": broken,
        "fixed": fixed,
        "fingerprint_differences": [
            {"part": part, "baseline": was, "run": now}
            for part, was, now in fingerprint.differences(earlier.values["fingerprint"], later.values["fingerprint"])
        ],
        "notes": _notes(changed, common, earlier, later),
    }


def _read(path: Path) -> _Run:
    values, questions, articles, records = read_run(path)
    observed = observe(questions, records, {article.id: article for article in articles})
    return _Run(path, values, {question.id: question for question in questions}, observed)


def _gold(question: Question) -> dict[str, Any]:
    return {name: value for name, value in to_row(question).items() if name not in _NOT_GOLD}


def _differences(
    one: Sequence[Observed], other: Sequence[Observed], clusters: Mapping[str, str], seed: int
) -> list[dict[str, Any]]:
    """Return the paired differences of the headlines that both runs have, with p values adjusted for their number."""
    found: list[dict[str, Any]] = []
    for measure in HEADLINES:
        if not isinstance(measure, Measure):
            continue
        was, now = question_scores(measure, one), question_scores(measure, other)
        both = [name for name in clusters if name in was and name in now]
        if not both:
            continue
        pairs = [(was[name], now[name]) for name in both]
        difference = statistics.paired([b - a for a, b in pairs], [clusters[name] for name in both], seed)
        found.append(
            {
                "name": measure.name,
                "label": measure.label,
                "better": measure.better,
                "unit": measure.unit,
                "n": difference.n,
                "clusters": difference.clusters,
                "baseline": sum(a for a, _ in pairs) / len(pairs),
                "run": sum(b for _, b in pairs) / len(pairs),
                "difference": difference.value,
                "low": difference.low,
                "high": difference.high,
                "p": difference.p,
                "p_holm": None,
                "mcnemar": _mcnemar(pairs, measure),
                "smallest_difference": difference.smallest,
            }
        )
    tested: list[dict[str, Any]] = [row for row in found if row["p"] is not None]
    for row, adjusted in zip(tested, statistics.holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = adjusted
    return found


def _mcnemar(pairs: Sequence[tuple[float, float]], measure: Measure) -> dict[str, Any] | None:
    """Return how many questions turned for the better and for the worse; None where scores are not 0 or 1."""
    if not {score for pair in pairs for score in pair} <= {0.0, 1.0}:
        return None
    risen, fallen = sum(b > a for a, b in pairs), sum(b < a for a, b in pairs)
    fixed, broken = (fallen, risen) if measure.better == "lower" else (risen, fallen)
    return {"fixed": fixed, "broken": broken, "p": statistics.mcnemar(broken, fixed)}


def _turned(one: Sequence[Observed], other: Sequence[Observed]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the questions that were right and are not, and the reverse; of several repeats the first counts."""
    was, now = ({o.question.id: o for o in reversed(some)} for some in (one, other))
    broken: list[dict[str, Any]] = []
    fixed: list[dict[str, Any]] = []
    for name in dict.fromkeys(o.question.id for o in other):
        before, after = was[name].outcome, now[name].outcome
        if before is None or after is None or (before == "right") == (after == "right"):
            continue
        failed = was[name] if after == "right" else now[name]
        row = {"id": name, "question": now[name].question.question, "before": before, "after": after}
        (fixed if after == "right" else broken).append({**row, "cause": cause(failed)})
    return broken, fixed


def _notes(changed: Sequence[str], common: Sequence[str], earlier: _Run, later: _Run) -> list[str]:
    notes = []
    if changed:
        notes.append(
            f"{len(changed)} of {len(common)} common questions differ in wording or gold and are left out; "
            f"`evaluate QUESTIONS --rescore {earlier.path}` scores the earlier run against the later gold."
        )
    for run in (earlier, later):
        asked = len({o.question.id for o in run.observed})
        if asked < len(run.questions):
            notes.append(f"{run.path} is not complete: {asked} of {len(run.questions)} questions were asked.")
    return notes
