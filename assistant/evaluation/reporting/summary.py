"""From records to the data of a report: estimates with intervals, breakdowns, curves and one row a question.

The form of the result is `report.json`, schema 1; keys may be added to it, never changed. Never calls the assistant.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from statistics import stdev
from typing import Any

from assistant import rendering
from assistant.evaluation import fingerprint
from assistant.evaluation.questions import Question, to_row
from assistant.evaluation.records import ERROR, RETRIEVED, Cited, Record, Span, article_row
from assistant.evaluation.scoring import judge, statistics
from assistant.evaluation.scoring.causes import CAUSES, cause
from assistant.evaluation.scoring.measures import (
    HEADLINES,
    SECOND_SCREEN,
    Measure,
    RunMeasure,
    calibration_bins,
    quantile,
    risk_coverage,
    scores,
    success_at,
)
from assistant.evaluation.scoring.observed import FROM_RECORD, Observed, observe
from assistant.types import Article

SCHEMA = 1
FEWEST_ARTICLES = 10
"""Fewer are too few to tell how much articles differ (Cameron and Miller, Journal of Human Resources 50, 2015, ask for
more still); then conversations are the clusters."""
FLIPS = 0.2
"""Share of questions that is assumed to change between two runs, where only one is known."""
_CURVE_POINTS = 200

Groups = Mapping[str, Sequence[Observed]]


def summarise(
    run: Mapping[str, Any],
    questions: Sequence[Question],
    records: Sequence[Record],
    articles: Sequence[Article],
    judgements: Sequence[judge.Judgement] = (),
) -> dict[str, Any]:
    """Return the data of the report; `run` is what `run.json` says of the run."""
    observed = observe(questions, records, {article.id: article for article in articles})
    seed = int(run["options"]["seed"])
    clustered_by, cluster, note = clustering(questions)
    by_id = {question.id: cluster(question) for question in questions}
    asked = len({o.question.id for o in observed})
    judged = judge.by_row(judgements, observed)

    def measured(some: Sequence[Observed], measures: Sequence[Measure | RunMeasure], *, whole: bool) -> list[Any]:
        return [_measured(measure, some, by_id, seed, whole=whole) for measure in measures]

    return {
        "schema": SCHEMA,
        "title": run["title"],
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "mode": run["mode"],
        "complete": len(observed) == len(questions) * run["options"]["repeat"],
        "asked": asked,
        "planned": len(questions),
        "repeats": run["options"]["repeat"],
        "seconds": sum(o.record.total_ms or o.record.retrieve_ms or 0.0 for o in observed) / 1000,
        "model": run["model"],
        "options": run["options"],
        "cluster_by": clustered_by,
        "cluster_note": note,
        "smallest_difference": _smallest_difference(observed, by_id),
        "fingerprint": _fingerprint(run["fingerprint"], questions),
        "headlines": measured(observed, HEADLINES, whole=True),
        "second_screen": measured(observed, SECOND_SCREEN, whole=True),
        "by_kind": [
            {"name": kind, "n": _count(some), "measures": measured(some, HEADLINES, whole=False)}
            for kind, some in _grouped(observed, lambda o: o.question.kind).items()
        ],
        "by_article": [
            {"name": name, "title": title, "n": _count(some), "measures": measured(some, HEADLINES, whole=False)}
            for name, title, some in _by_articles(observed, articles)
        ],
        "statuses": _statuses(observed),
        "causes": _causes(observed),
        "latency": _latency(observed),
        "curves": _curves(observed),
        "gates": [],
        "comparison": None,
        "judge": judge.summary(judgements, observed, by_id),
        "articles": _articles(observed, articles),
        "rows": [
            _row(o, by_id[o.question.id]) | {"judge": judged.get((o.question.id, o.record.repeat))} for o in observed
        ],
    }


# Clusters


def clustering(questions: Sequence[Question]) -> tuple[str, Callable[[Question], str], str]:
    """Return what the clusters are, what names the cluster of a question, and a sentence about it."""
    if len({question.article for question in questions if question.article}) >= FEWEST_ARTICLES:
        return "article", lambda question: question.article or _conversation(question), _ABOUT_ARTICLES
    return "conversation", _conversation, _ABOUT_CONVERSATIONS


_ABOUT_ARTICLES = (
    "Questions about one article are not independent, so each article counts as one cluster; the intervals hold for "
    "other articles like these."
)
_ABOUT_CONVERSATIONS = (
    f"With fewer than {FEWEST_ARTICLES} articles each conversation, or group of questions about one thing, counts as "
    "one cluster; the intervals hold for other questions about these articles and say nothing of other articles."
)


def _conversation(question: Question) -> str:
    return question.group or (question.history[0].question if question.history else question.id)


# Estimates


def _measured(
    measure: Measure | RunMeasure, observed: Sequence[Observed], cluster: Mapping[str, str], seed: int, *, whole: bool
) -> dict[str, Any]:
    if isinstance(measure, Measure):
        estimate, spread = _mean(measure, observed, cluster)
    else:
        estimate, spread = _of_run(measure, observed, cluster, seed, interval=whole)
    return {
        "name": measure.name,
        "label": measure.label,
        "definition": measure.definition,
        "unit": measure.unit,
        "better": measure.better,
        **asdict(estimate),
        "spread": spread,
    }


def question_scores(measure: Measure, observed: Sequence[Observed]) -> dict[str, float]:
    """Return the score of each question by its id, the mean over its repeats; those without one are left out."""
    found: dict[str, list[float]] = {}
    for o in observed:
        score = measure.score(o)
        if score is not None:
            found.setdefault(o.question.id, []).append(score)
    return {identifier: sum(values) / len(values) for identifier, values in found.items()}


def _mean(
    measure: Measure, observed: Sequence[Observed], cluster: Mapping[str, str]
) -> tuple[statistics.Estimate, float | None]:
    by_question = question_scores(measure, observed)
    clusters = [cluster[identifier] for identifier in by_question]
    estimate = statistics.mean(list(by_question.values()), clusters, measure.lowest, measure.highest)
    means = []
    for some in _repeats(observed):
        values = list(question_scores(measure, some).values())
        if values:
            means.append(sum(values) / len(values))
    return estimate, stdev(means) if len(means) > 1 else None


def _of_run(
    measure: RunMeasure, observed: Sequence[Observed], cluster: Mapping[str, str], seed: int, *, interval: bool
) -> tuple[statistics.Estimate, float | None]:
    used = [o for o in observed if measure.uses(o)]
    clusters = [cluster[o.question.id] for o in used]
    estimate = statistics.of_clusters(
        lambda places: measure.value([used[place] for place in places]), clusters, seed, interval=interval
    )
    values = [value for some in _repeats(used) if (value := measure.value(some)) is not None]
    counted = statistics.Estimate(estimate.value, estimate.low, estimate.high, _count(used), estimate.clusters)
    return counted, stdev(values) if len(values) > 1 else None


def _repeats(observed: Sequence[Observed]) -> list[list[Observed]]:
    return [some for _, some in sorted(_grouped(observed, lambda o: f"{o.record.repeat:06}").items())]


def _smallest_difference(observed: Sequence[Observed], cluster: Mapping[str, str]) -> dict[str, Any]:
    # Where it is not known what is right, as when questions were only searched for, the questions count as independent.
    right = {o.question.id: float(o.outcome == "right") for o in observed}
    count = len(right)
    value = statistics.smallest_difference(list(right.values()), [cluster[name] for name in right], FLIPS)
    note = "Too few questions to see any difference between two runs."
    if value is not None:
        note = (
            f"If {FLIPS:.0%} of the answers change from one run to the next, a comparison on these {count} questions "
            f"finds a difference of {100 * value:.0f} points four times out of five, and most smaller ones not at all."
        )
    return {"value": value, "n": count, "note": note}


# Groups


def _grouped(observed: Sequence[Observed], key: Callable[[Observed], str]) -> dict[str, list[Observed]]:
    groups: dict[str, list[Observed]] = {}
    for o in observed:
        groups.setdefault(key(o), []).append(o)
    return groups


def _by_articles(observed: Sequence[Observed], articles: Sequence[Article]) -> list[tuple[str, str, list[Observed]]]:
    titles = {article.id: article.title for article in articles}
    return [
        (name, titles.get(name, ""), some) for name, some in _grouped(observed, lambda o: o.question.article).items()
    ]


def _count(observed: Sequence[Observed]) -> int:
    return len({o.question.id for o in observed})


def _statuses(observed: Sequence[Observed]) -> list[dict[str, Any]]:
    labels = {str(status): label for status, label in rendering.LABELS.items()}
    labels |= {FROM_RECORD: rendering.FROM_RECORD, ERROR: "Something broke", RETRIEVED: "Searched for and not asked"}
    counts = Counter(o.state for o in observed)
    return [{"name": name, "label": label, "count": counts[name]} for name, label in labels.items() if counts[name]]


def _causes(observed: Sequence[Observed]) -> list[dict[str, Any]]:
    counts = Counter(cause(o) for o in observed)
    return [
        {"name": name, "label": label, "definition": definition, "count": counts[name]}
        for name, (label, definition) in CAUSES.items()
    ]


# Latency and curves


def _writing_ms(record: Record) -> float | None:
    known = record.first_ms is not None and record.total_ms is not None
    return record.total_ms - record.first_ms if known else None  # type: ignore[operator]


def _latency(observed: Sequence[Observed]) -> list[dict[str, Any]]:
    stages: tuple[tuple[str, str, Callable[[Record], float | None]], ...] = (
        ("retrieve", "retrieval", lambda record: record.retrieve_ms),
        ("first_evidence", "first evidence", lambda record: record.first_ms),
        ("writing", "writing and checking", _writing_ms),
        ("total", "whole answer", lambda record: record.total_ms),
    )
    found = []
    for stage, label, milliseconds in stages:
        values = sorted(ms for o in observed if (ms := milliseconds(o.record)) is not None)
        if values:
            found.append(
                {
                    "stage": stage,
                    "label": label,
                    "n": len(values),
                    "p50": quantile(values, 0.5),
                    "p95": quantile(values, 0.95),
                    "max": values[-1],
                    "values": values,
                }
            )
    return found


def _curves(observed: Sequence[Observed]) -> dict[str, Any]:
    points = [
        {"coverage": coverage, "risk": risk, "confidence": confidence}
        for coverage, risk, confidence in risk_coverage(observed)
    ]
    return {
        "success_at_k": [
            {"k": depth, "value": sum(found) / len(found), "n": len(found)}
            for depth in range(1, 11)
            if (found := [hit for o in observed if (hit := success_at(o, depth)) is not None])
        ],
        "risk_coverage": _thinned(points),
        "operating_point": _operating_point(observed),
        "calibration": [_bin(*values) for values in calibration_bins(observed)],
    }


def _bin(confidence: float, share: float, count: int) -> dict[str, Any]:
    hits = round(share * count)
    outcomes = [1.0] * hits + [0.0] * (count - hits)
    estimate = statistics.mean(outcomes, [str(number) for number in range(count)])
    return {"confidence": confidence, "share": share, "n": count, "low": estimate.low, "high": estimate.high}


def _thinned(points: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Return at most so many points, evenly, always with the last one."""
    step = max(1, len(points) // _CURVE_POINTS)
    return [*points[: -1 or None : step], points[-1]] if points else []


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
        wanted |= {place.article for places in o.evidence for place in places}
    return [article_row(article) for article in articles if article.id in wanted]


def _row(o: Observed, cluster: str) -> dict[str, Any]:
    record = o.record
    row = to_row(o.question)
    gold = {name: row.pop(name) for name in ("answerable", "must_have", "must_not", "rewrite")}
    gold["evidence"] = [
        {**_span(place), "quote": words}
        for words, places in zip(row.pop("evidence"), o.evidence, strict=True)
        for place in places
    ]
    return {
        **row,
        "repeat": record.repeat,
        "cluster": cluster,
        "gold": gold,
        "status": record.status,
        "state": o.state,
        "answer": record.answer,
        "query": record.query,
        "citations": [_cited(o, cited) for cited in record.citations],
        "closest": [_cited(o, cited) for cited in record.closest],
        "retrieved": [
            {"rank": rank, **_span(span), "gold": span in o.gold_paragraphs if o.gold_paragraphs else None}
            for rank, span in enumerate(record.retrieved[:10], start=1)
        ],
        "confidence": record.confidence,
        "model": record.model,
        "error": record.error,
        "timings": {
            "retrieve_ms": record.retrieve_ms,
            "first_evidence_ms": record.first_ms,
            "writing_ms": _writing_ms(record),
            "total_ms": record.total_ms,
        },
        "outcome": o.outcome,
        "scores": scores(o),
        "missing_facts": [list(wordings) for wordings in o.missing_facts] if o.asked else [],
        "forbidden_found": list(o.forbidden_found),
        "flagged_numbers": list(o.flagged_numbers) if o.shown and not o.cites_nothing_by_right else [],
        "flagged_names": list(o.flagged_names) if o.shown and not o.cites_nothing_by_right else [],
        "cause": cause(o),
    }


def _span(span: Span) -> dict[str, Any]:
    return {"article": span.article, "start": span.start, "end": span.end}


def _cited(o: Observed, cited: Cited) -> dict[str, Any]:
    return {
        "number": cited.number,
        **_span(cited.span),
        "quote": cited.quote,
        "valid": o.is_verbatim(cited),
        "gold": o.is_gold(cited.span),
    }


def _fingerprint(parts: Mapping[str, Any], questions: Sequence[Question]) -> dict[str, Any]:
    scoring = {"gold": fingerprint.of_gold(questions), "scorer": fingerprint.scorer()}
    return {"sha256": fingerprint.digest(parts), "parts": {**parts, **scoring}}
