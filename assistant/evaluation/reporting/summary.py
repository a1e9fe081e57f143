"""From records to the data of a report: estimates with intervals, breakdowns, curves and one row a question.

The form of the result is `report.json`, schema 3; keys may be added to it, never changed. Never calls the assistant.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, TypeVar

import numpy as np

from assistant import rendering
from assistant.evaluation import fingerprint
from assistant.evaluation.grading import grades
from assistant.evaluation.questions import KINDS, Question
from assistant.evaluation.records import ERROR, Cited, Record, article_row
from assistant.evaluation.run import observed as observed_in
from assistant.evaluation.scoring import agreement, sheet, statistics
from assistant.evaluation.scoring.causes import CAUSES, cause
from assistant.evaluation.scoring.confidence import Pair, bins, risk_coverage
from assistant.evaluation.scoring.measures import HEADLINES, SECOND_SCREEN, Measure, aurc, refusal_auroc, scores
from assistant.evaluation.scoring.observed import Observed, clusters_of
from assistant.evaluation.scoring.sample_size import FLIPS
from assistant.model.usage import Price
from assistant.types import Article

SCHEMA = 3

Key = TypeVar("Key")


def summarise(folder: Path) -> dict[str, Any]:
    """Return the data of the report on the run in a folder, without gates and comparison.

    Raises:
        ConfigurationError: it is not the folder of a run, or damaged.
    """
    run, questions, observed = observed_in(folder)
    given = grades.read(folder)
    # All of them speak of the same articles.
    articles = list(observed[0].articles.values()) if observed else []
    seed = int(run["options"]["seed"])
    clustered_by, note = clusters_of(questions)
    titles, kinds = {article.id: article.title for article in articles}, list(KINDS)

    def measured(some: Sequence[Observed], measures: Sequence[Measure], *, whole: bool) -> list[dict[str, Any]]:
        return [_measured(measure, some, seed, whole=whole) for measure in measures]

    def groups(key: Callable[[Question], str], about: Callable[[str], dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"name": name, **about(name), "n": _count(some), "measures": measured(some, HEADLINES, whole=False)}
            for name, some in _grouped(observed, lambda o: key(o.question)).items()
        ]

    return {
        "schema": SCHEMA,
        "title": run["title"],
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "complete": len(observed) == len(questions) * run["options"]["repeat"],
        "asked": _count(observed),
        "planned": len(questions),
        "repeats": run["options"]["repeat"],
        "seconds": sum(o.record.total_ms or 0.0 for o in observed) / 1000,
        "model": run["model"],
        "options": run["options"],
        "cluster_by": clustered_by,
        "cluster_note": note,
        "smallest_difference": _smallest_difference(observed),
        "fingerprint": {
            "sha256": fingerprint.digest(run["fingerprint"]),
            "parts": run["fingerprint"] | {"gold": fingerprint.of_gold(questions)},
        },
        "headlines": measured(observed, HEADLINES, whole=True),
        "second_screen": measured(observed, SECOND_SCREEN, whole=True),
        "by_kind": sorted(
            groups(lambda question: question.kind, lambda kind: {"definition": KINDS.get(kind, "")}),
            key=lambda group: kinds.index(group["name"]) if group["name"] in kinds else len(kinds),
        ),
        "by_article": groups(lambda question: question.article, lambda article: {"title": titles.get(article, "")}),
        "statuses": _statuses(observed),
        "causes": _causes(observed),
        "latency": _latency(observed),
        "usage": _usage(observed, run.get("price", ())),
        "curves": _curves(observed),
        "gates": [],
        "comparison": None,
        "grades": agreement.summary(observed, given),
        "sheet": sheet.part(observed, given),
        "articles": _articles(observed, articles),
        "rows": [_row(o) for o in observed],
    }


# Estimates


def _measured(measure: Measure, observed: Sequence[Observed], seed: int, *, whole: bool) -> dict[str, Any]:
    used = [o for o in observed if measure.score(o) is not None]
    if measure.is_mean:
        by_question, cluster = question_scores(measure, used), {o.question.id: o.cluster for o in used}
        estimate = statistics.mean(list(by_question.values()), list(cluster.values()), measure.lowest)
    else:
        seen, clusters = measure.scores(used), [o.cluster for o in used]
        estimate = statistics.of_clusters(
            lambda places: measure.of([seen[place] for place in places]), clusters, seed, interval=whole
        )
        estimate = replace(estimate, n=_count(used))
    repeats = _grouped(observed, lambda o: o.record.repeat).values()
    values = [value for some in repeats if (value := measure.of(measure.scores(some))) is not None]
    return {
        **{name: getattr(measure, name) for name in ("name", "label", "definition", "unit", "better")},
        **asdict(estimate),
        "spread": stdev(values) if len(values) > 1 else None,
    }


def question_scores(measure: Measure, observed: Sequence[Observed]) -> dict[str, float]:
    """Return the score of each question by its id, the mean over its repeats; those without one are left out."""
    groups = _grouped(observed, lambda o: o.question.id)
    found = {identifier: measure.scores(some) for identifier, some in groups.items()}
    return {identifier: sum(values) / len(values) for identifier, values in found.items() if values}


def _smallest_difference(observed: Sequence[Observed]) -> dict[str, Any]:
    # Where it is not known what is right, the questions count as independent.
    right = {o.question.id: float(o.outcome == "right") for o in observed}
    clusters = {o.question.id: o.cluster for o in observed}
    value = statistics.smallest_difference(list(right.values()), list(clusters.values()), FLIPS)
    note = "Too few questions to see any difference between two runs."
    if value is not None:
        note = (
            f"If {FLIPS:.0%} of the answers change from one run to the next, a comparison on these {len(right)} "
            f"questions finds a difference of {100 * value:.0f} points four times out of five, and most smaller ones "
            "not at all."
        )
    return {"value": value, "n": len(right), "note": note}


# Groups


def _grouped(observed: Sequence[Observed], key: Callable[[Observed], Key]) -> dict[Key, list[Observed]]:
    groups: dict[Key, list[Observed]] = {}
    for o in observed:
        groups.setdefault(key(o), []).append(o)
    return groups


def _count(observed: Sequence[Observed]) -> int:
    return len({o.question.id for o in observed})


def _statuses(observed: Sequence[Observed]) -> list[dict[str, Any]]:
    labels = [*((outcome.value, label) for outcome, label in rendering.LABELS.items()), (ERROR, "Something broke")]
    counts = Counter(o.record.outcome for o in observed)
    return [{"name": name, "label": label, "count": counts[name]} for name, label in labels if counts[name]]


def _causes(observed: Sequence[Observed]) -> list[dict[str, Any]]:
    counts = Counter(cause(o) for o in observed)
    return [
        {"name": name, "label": label, "definition": definition, "count": counts[name]}
        for name, (label, definition) in CAUSES.items()
    ]


# Latency and curves


def _timings(record: Record) -> dict[str, float | None]:
    """Return the milliseconds of each stage, by the name that a row has for it."""
    known = record.first_ms is not None and record.total_ms is not None
    return {
        "first_evidence_ms": record.first_ms,
        "writing_ms": record.total_ms - record.first_ms if known else None,  # type: ignore[operator]
        "total_ms": record.total_ms,
    }


_STAGES = {
    "first_evidence": "first evidence",
    "writing": "writing and checking",
    "total": "whole answer",
}


def _latency(observed: Sequence[Observed]) -> list[dict[str, Any]]:
    found = []
    for stage, label in _STAGES.items():
        values = sorted(ms for o in observed if (ms := _timings(o.record)[f"{stage}_ms"]) is not None)
        if values:
            p50, p95 = map(float, np.quantile(values, [0.5, 0.95]))
            row = {"stage": stage, "label": label, "n": len(values), "p50": p50, "p95": p95}
            found.append({**row, "max": values[-1]})
    return found


_USED = ("calls", "calls"), ("read", "tokens read"), ("cached", "of these cached"), ("written", "tokens written")


def _usage(observed: Sequence[Observed], price: Sequence[float]) -> list[dict[str, Any]]:
    """Return what the answers took for which a provider's model was called; money where its price is known."""
    used = [o.record.usage for o in observed if o.record.usage.calls]
    taken = [(name, label, "count", [float(getattr(each, name)) for each in used]) for name, label in _USED]
    if any(price):
        taken.append(("cost", "cost", "money", [Price(*price).of(each) for each in used]))
    return [
        {"name": name, "label": label, "unit": unit, "n": len(used), "p50": median(values), "total": sum(values)}
        for name, label, unit, values in taken
        if used
    ]


def _curves(observed: Sequence[Observed]) -> dict[str, Any]:
    points = risk_coverage([pair for o in observed if (pair := aurc(o))])
    tenths = [min(points, key=lambda at: abs(at[0] - tenth / 10)) for tenth in range(1, 11) if points]
    answerable = [pair for o in observed if (pair := refusal_auroc(o))]
    return {
        "risk_coverage": [dict(zip(("coverage", "risk", "confidence"), at, strict=True)) for at in tenths],
        "operating_point": _operating_point(observed),
        "calibration": list(map(_bin, bins(answerable))),
    }


def _bin(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return the mean confidence of some questions, and the share of them that is answerable."""
    estimate = statistics.mean([float(truth) for _, truth in pairs], list(map(str, range(len(pairs)))))
    return {"confidence": mean(confidence for confidence, _ in pairs), "share": estimate.value, **asdict(estimate)}


def _operating_point(observed: Sequence[Observed]) -> dict[str, float] | None:
    decided = [o for o in observed if o.outcome]
    answered = [o for o in decided if not o.refused]
    if not answered:
        return None
    wrong = sum(o.outcome == "wrong" for o in answered)
    return {"coverage": len(answered) / len(decided), "risk": wrong / len(answered)}


# Rows


def _articles(observed: Sequence[Observed], articles: Sequence[Article]) -> list[dict[str, Any]]:
    """Return the articles that a row refers to."""
    wanted = {o.question.article for o in observed}
    for o in observed:
        cited = (*o.record.citations, *o.record.closest)
        wanted |= {c.span.article for c in cited} | {span.article for span in o.record.retrieved[:10]}
        wanted |= {place.article for place in chain(*o.evidence)}
    return [article_row(article) for article in articles if article.id in wanted]


def _row(o: Observed) -> dict[str, Any]:
    record = o.record
    is_checked = o.shown and not o.cites_nothing_by_right
    row = asdict(o.question)
    gold = {name: row.pop(name) for name in ("answerable", "must_have", "must_not", "rewrite", "ideal")}
    gold["evidence"] = [
        {**asdict(place), "quote": words}
        for words, places in zip(row.pop("evidence"), o.evidence, strict=True)
        for place in places
    ]
    return {
        **row,
        "repeat": record.repeat,
        "cluster": o.cluster,
        "gold": gold,
        "status": record.status,
        "state": o.record.outcome,
        "answer": record.answer,
        "query": record.query,
        "citations": [_cited(o, cited) for cited in record.citations],
        "closest": [_cited(o, cited) for cited in record.closest],
        "retrieved": [
            {"rank": rank, **asdict(span), "gold": span in o.gold_paragraphs if o.gold_paragraphs else None}
            for rank, span in enumerate(record.retrieved[:10], start=1)
        ],
        "confidence": record.confidence,
        "model": record.model,
        "error": record.error,
        "timings": _timings(record),
        "usage": asdict(record.usage),
        "outcome": o.outcome,
        "scores": scores(o),
        "missing_facts": list(o.missing_facts),
        "forbidden_found": list(o.forbidden_found),
        "flagged_numbers": list(o.flagged_numbers) if is_checked else [],
        "flagged_names": list(o.flagged_names) if is_checked else [],
        "cause": cause(o),
        "grades": agreement.listed(o),
    }


def _cited(o: Observed, cited: Cited) -> dict[str, Any]:
    return {
        "number": cited.number,
        **asdict(cited.span),
        "quote": cited.quote,
        "valid": o.is_verbatim(cited),
        "gold": o.is_gold(cited.span),
    }
