"""What is measured, each measure beside its definition: the docstring is what the report says.

A measure of questions gives each one a score, None where it does not apply, and the report takes the mean. A measure of
the whole run is computed from all of them at once. Formulas that a library has are the library's: `torchmetrics` for
exact match and F1, `rouge-score`, `ir-measures` for rankings, `scipy` for ranks. Knows nothing of intervals.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np
from scipy import stats

from assistant.answering import grounding
from assistant.evaluation.questions import holds, holds_facts, plain
from assistant.evaluation.records import Span
from assistant.evaluation.scoring.observed import Observed

Better = Literal["higher", "lower", "neither"]
Unit = Literal["share", "score", "ms", "words"]

_BINS = 10


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of questions: the mean of their scores."""

    score: Callable[[Observed], float | None]
    label: str
    better: Better = "higher"
    unit: Unit = "share"
    lowest: float = 0.0
    highest: float = 1.0

    @property
    def name(self) -> str:
        """What gates and scripts call it."""
        return self.score.__name__

    @property
    def definition(self) -> str:
        """What the report says of it."""
        return " ".join((inspect.getdoc(self.score) or "").split())


@dataclass(frozen=True, slots=True)
class RunMeasure:
    """A measure of the whole run."""

    value: Callable[[Sequence[Observed]], float | None]
    """Takes only what `uses` lets through."""
    uses: Callable[[Observed], bool]
    label: str
    better: Better = "higher"
    unit: Unit = "score"

    @property
    def name(self) -> str:
        """What gates and scripts call it."""
        return self.value.__name__

    @property
    def definition(self) -> str:
        """What the report says of it."""
        return " ".join((inspect.getdoc(self.value) or "").split())


# Is it right?


def facts(o: Observed) -> float | None:
    """Answerable questions whose answer holds every required fact, in an accepted wording, and nothing forbidden.

    Case, punctuation and number style do not matter. Refusals and errors count as 0.
    """
    return float(o.holds_facts) if o.asked and o.question.answerable and o.question.must_have else None


def truthfulness(o: Observed) -> float | None:
    """Right answers minus wrong ones, of all questions; a refusal where there was an answer counts as neither.

    The score of CRAG (Yang et al., NeurIPS 2024), from -1 to 1. A question without an answer is right when it is
    refused, or when its false premise is met with the words that contradict it. An error counts as wrong.
    """
    return {"right": 1.0, "missing": 0.0, "wrong": -1.0, None: None}[o.outcome]


def refusal_recall(o: Observed) -> float | None:
    """Questions without an answer that were refused, or whose false premise was met with the words against it."""
    return float(o.handled) if o.asked and o.question.answerable is False else None


def false_refusals(o: Observed) -> float | None:
    """Answerable questions that were refused."""
    return float(o.refused) if o.asked and o.question.answerable else None


def written(o: Observed) -> float | None:
    """Answerable questions with a written answer, and not only quotations.

    By the model, or by rule: who said something, or what the article's record says.
    """
    return float(o.record.status == "answered") if o.asked and o.question.answerable else None


def written_wrong(o: Observed) -> float | None:
    """Written answers that are wrong, of all questions."""
    return float(o.outcome == "wrong" and o.record.status == "answered") if o.outcome else None


def quoted_wrong(o: Observed) -> float | None:
    """Quotations given as an answer that do not answer, of all questions."""
    return float(o.outcome == "wrong" and o.record.status == "quoted") if o.outcome else None


def exact_match(o: Observed) -> float | None:
    """SQuAD's exact match with an accepted answer, after lower case and without punctuation and articles.

    A refusal is the empty answer, which is right where there is none. Several required facts are joined by blanks.
    """
    return _squad(o, 0)


def f1(o: Observed) -> float | None:
    """SQuAD's F1 of the words of the answer and of the accepted answer that fits best; a refusal is the empty answer.

    Low by nature where answers are whole sentences and accepted answers are a few words.
    """
    return _squad(o, 1)


def exact_match_answerable(o: Observed) -> float | None:
    """Exact match on answerable questions alone."""
    return exact_match(o) if o.question.answerable else None


def f1_answerable(o: Observed) -> float | None:
    """F1 on answerable questions alone."""
    return f1(o) if o.question.answerable else None


def exact_match_unanswerable(o: Observed) -> float | None:
    """Exact match, which here equals F1, on questions without an answer: 1 for a refusal."""
    return exact_match(o) if o.question.answerable is False else None


def token_recall(o: Observed) -> float | None:
    """Share of the words of the required facts, each in its closest wording, that the answer holds."""
    if not (o.asked and o.question.answerable and o.question.must_have):
        return None
    said = set(plain(o.words).split()) if o.shown else set()
    best = [
        max(grounding.share(set(plain(wording).split()), said) for wording in wordings)
        for wordings in o.question.must_have
    ]
    return sum(best) / len(best)


def rouge_l(o: Observed) -> float | None:
    """ROUGE-L, the F value of the longest common subsequence of stems, with the accepted answer that fits best."""
    if not (o.asked and o.question.answerable and o.question.must_have):
        return None
    if not o.shown:
        return 0.0
    return float(_rouge().score_multi(list(accepted_answers(o)), o.words)["rougeL"].fmeasure)


def answer_words(o: Observed) -> float | None:
    """Words in an answer that was shown, without markers."""
    return float(len(o.words.split())) if o.shown else None


# Does it rest on the article?


def citation_f1(o: Observed) -> float | None:
    """On answerable questions with evidence: citations that overlap the evidence, and evidence that is cited.

    The harmonic mean of precision and recall; 0 where nothing is cited. A SQuAD question's evidence is its paragraph.
    """
    if not (o.asked and o.question.answerable and o.evidence):
        return None
    if not o.verbatim:
        return 0.0
    precision = sum(bool(o.is_gold(cited.span)) for cited in o.verbatim) / len(o.record.citations)
    covered = [any(cited.span.overlaps(p) for cited in o.verbatim for p in places) for places in o.evidence]
    recall = sum(covered) / len(covered)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def evidence_cited(o: Observed) -> float | None:
    """Answers to questions with evidence, among those shown, of which a citation overlaps the evidence."""
    if not (o.shown and o.question.answerable and o.evidence):
        return None
    return float(any(o.is_gold(cited.span) for cited in o.verbatim))


def citation_validity(o: Observed) -> float | None:
    """Citations whose quote is the article's text at their offsets, character for character.

    A marker without a citation, and any citation on a refusal, is an invalid one. Must be 1.
    """
    count = len(o.record.citations) + o.dangling
    if not count:
        return None
    return len(o.verbatim) / count if o.shown else 0.0


def citation_coverage(o: Observed) -> float | None:
    """Sentences of an answer with a citation of their own, as in ALCE (Gao et al., EMNLP 2023).

    A marker covers the sentence before it, and earlier ones only where it quotes them. Answers about the article
    itself, from its record, have nothing to cite and do not count.
    """
    if not o.shown or o.cites_nothing_by_right:
        return None
    return sum(cited for _, cited in o.sentences) / len(o.sentences) if o.sentences else 0.0


def groundedness(o: Observed) -> float | None:
    """Share of the main words of an answer, stemmed, that stand in the words it cites. A screen, not a proof.

    Knowledge precision (Adlakha et al., TACL 2024) without stop words. It does not see swapped facts.
    """
    if not o.shown or o.cites_nothing_by_right:
        return None
    return grounding.share(grounding.stems(o.words), grounding.stems(o.cited_words))


def flagged(o: Observed) -> float | None:
    """Answers that hold a number or a name which the words they cite do not hold. A flag to look at, not a verdict."""
    if not o.shown or o.cites_nothing_by_right:
        return None
    return float(bool(o.flagged_numbers or o.flagged_names))


# Was it found?


def success_at_1(o: Observed) -> float | None:
    """Questions with evidence for which the first paragraph found holds some of it.

    The retriever's passages are taken as the paragraphs that they are part of, so that the splitter does not matter.
    """
    return _ranking(o, o.record.retrieved, "Success@1")


def success_at_5(o: Observed) -> float | None:
    """The same for the first five paragraphs."""
    return _ranking(o, o.record.retrieved, "Success@5")


def rr_at_10(o: Observed) -> float | None:
    """One divided by the rank of the first paragraph with evidence, 0 where it is not among the first ten."""
    return _ranking(o, o.record.retrieved, "RR@10")


def ndcg_at_10(o: Observed) -> float | None:
    """Discounted gain of the paragraphs with evidence among the first ten, divided by that of the best order."""
    return _ranking(o, o.record.retrieved, "nDCG@10")


def recall_at_5(o: Observed) -> float | None:
    """Share of the paragraphs with evidence that are among the first five."""
    return _ranking(o, o.record.retrieved, "R@5")


def follow_up_last_turn_success_at_5(o: Observed) -> float | None:
    """Success@5 on follow-ups when their own words alone are searched for."""
    return _ranking(o, o.record.retrieved_last_turn, "Success@5")


def follow_up_rewrite_success_at_5(o: Observed) -> float | None:
    """Success@5 on follow-ups as the assistant rewrites them."""
    return success_at_5(o) if o.question.history else None


def follow_up_gold_rewrite_success_at_5(o: Observed) -> float | None:
    """Success@5 on follow-ups when the rewrite in the question file is searched for, where there is one."""
    return _ranking(o, o.record.retrieved_gold_rewrite, "Success@5")


# Did it work?


def error_rate(o: Observed) -> float | None:
    """Questions on which something broke: there is no answer, or the model failed and the quotation stands.

    Questions without an answer because of that stay in every other measure, as wrong.
    """
    return float(o.failed or o.record.error is not None)


# Of the whole run


def first_evidence_p50(observed: Sequence[Observed]) -> float | None:
    """Milliseconds until the first evidence can be shown, median."""
    return quantile((o.record.first_ms for o in observed), 0.5)


def first_evidence_p95(observed: Sequence[Observed]) -> float | None:
    """The same for the slowest of twenty."""
    return quantile((o.record.first_ms for o in observed), 0.95)


def total_p50(observed: Sequence[Observed]) -> float | None:
    """Milliseconds until the answer is final, median."""
    return quantile((o.record.total_ms for o in observed), 0.5)


def total_p95(observed: Sequence[Observed]) -> float | None:
    """The same for the slowest of twenty."""
    return quantile((o.record.total_ms for o in observed), 0.95)


def answer_words_p50(observed: Sequence[Observed]) -> float | None:
    """Words in an answer that was shown, without markers, median."""
    return quantile((answer_words(o) for o in observed), 0.5)


def refusal_auroc(observed: Sequence[Observed]) -> float | None:
    """Chance that an answerable question got a higher confidence than one without an answer; 0.5 is a coin."""
    # By ranks (Hanley and McNeil, Radiology 143, 1982), in a tenth of scikit-learn's time: an interval asks for it a
    # thousand times.
    labels, confidences = _labelled(observed)
    answerable = np.array(labels, dtype=bool)
    higher, lower = int(answerable.sum()), int((~answerable).sum())
    if not higher or not lower:
        return None
    ranks = float(stats.rankdata(confidences)[answerable].sum())
    return (ranks - higher * (higher + 1) / 2) / (higher * lower)


def brier(observed: Sequence[Observed]) -> float | None:
    """Mean squared distance of the confidence from the truth, 1 for answerable and 0 for not; 0.25 is a coin."""
    labels, confidences = _labelled(observed)
    return float(np.mean((np.array(confidences) - labels) ** 2)) if labels else None


def calibration_error(observed: Sequence[Observed]) -> float | None:
    """Mean distance of the confidence from the share that is answerable, over ten bins of as many questions each."""
    bins = calibration_bins(observed)
    total = sum(count for _, _, count in bins)
    return sum(abs(said - share) * count for said, share, count in bins) / total if total else None


def aurc(observed: Sequence[Observed]) -> float | None:
    """Area under the risk-coverage curve: the mean share of wrong answers over every number of questions answered.

    The surest questions are answered first. What was refused is judged by the quotation that would have stood.
    """
    risks = [risk for _, risk, _ in risk_coverage(observed)]
    return sum(risks) / len(risks) if risks else None


# Curves


def risk_coverage(observed: Sequence[Observed]) -> list[tuple[float, float, float]]:
    """Return coverage, risk and confidence as more and more questions are answered, the surest first.

    Risk is the share of wrong answers among those. What was refused counts as the quotation that would have stood.
    """
    known = sorted((o for o in observed if _is_labelled(o)), key=lambda o: -(o.record.confidence or 0.0))
    points = []
    wrong = 0
    for count, o in enumerate(known, start=1):
        wrong += not _would_be_right(o)
        points.append((count / len(known), wrong / count, o.record.confidence or 0.0))
    return points


def calibration_bins(observed: Sequence[Observed]) -> list[tuple[float, float, int]]:
    """Return mean confidence, share of answerable questions and their count, for bins of as many questions each."""
    labels, confidences = _labelled(observed)
    order = np.argsort(confidences, kind="stable")
    parts = [part for part in np.array_split(order, min(_BINS, len(order) or 1)) if len(part)]
    return [
        (float(np.mean([confidences[i] for i in part])), float(np.mean([labels[i] for i in part])), len(part))
        for part in parts
    ]


def success_at(o: Observed, depth: int) -> float | None:
    """Return whether a paragraph with evidence is among so many; None where the question has no evidence."""
    gold = o.gold_paragraphs
    return float(any(span in gold for span in o.record.retrieved[:depth])) if gold else None


def _would_be_right(o: Observed) -> bool:
    if not o.refused:
        return o.outcome == "right"
    if not o.question.answerable:
        return False
    words = " ".join(cited.quote for cited in o.record.first)
    forbidden = any(holds(words, wording) for wording in o.question.must_not)
    return holds_facts(words, o.question.must_have) and not forbidden


def _is_labelled(o: Observed) -> bool:
    return o.asked and o.record.confidence is not None and o.question.answerable is not None


def _labelled(observed: Sequence[Observed]) -> tuple[list[bool], list[float]]:
    known = [o for o in observed if _is_labelled(o)]
    return [bool(o.question.answerable) for o in known], [o.record.confidence or 0.0 for o in known]


def quantile(values: Iterable[float | None], share: float) -> float | None:
    """Return the value below which that share of the values lies; None without values."""
    known = [value for value in values if value is not None]
    return float(np.quantile(known, share)) if known else None


# The libraries


def accepted_answers(o: Observed) -> tuple[str, ...]:
    """Return the answers that are accepted, as SQuAD has them: the empty one where there is none.

    Like the official script it passes over an answer of which normalisation leaves nothing.
    """
    if not o.question.answerable:
        return ("",)
    if len(o.question.must_have) > 1:
        return (" ".join(wordings[0] for wordings in o.question.must_have),)
    return tuple(filter(_normalised, o.question.must_have[0])) or ("",)


def _normalised(answer: str) -> str:
    from torchmetrics.functional.text.squad import _normalize_text  # noqa: PLC0415

    return _normalize_text(answer)


def _squad(o: Observed, position: int) -> float | None:
    if not o.asked or o.question.answerable is None or (o.question.answerable and not o.question.must_have):
        return None
    if o.failed:
        return 0.0
    return squad_scores(o.words if o.shown else "", accepted_answers(o))[position]


@lru_cache(maxsize=100_000)
def squad_scores(prediction: str, answers: tuple[str, ...]) -> tuple[float, float]:
    """Return exact match and F1, 0 to 1, with the accepted answer that fits best."""
    from torchmetrics.functional.text import squad  # noqa: PLC0415 - slow to import

    target: dict[str, Any] = {"id": "", "answers": {"text": list(answers), "answer_start": [0] * len(answers)}}
    found = squad({"id": "", "prediction_text": prediction}, target)
    return float(found["exact_match"]) / 100, float(found["f1"]) / 100


@cache
def _rouge() -> Any:  # noqa: ANN401 - the library has no types
    from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415 - slow to import

    return RougeScorer(["rougeL"], use_stemmer=True)


def _ranking(o: Observed, retrieved: tuple[Span, ...] | None, measure: str) -> float | None:
    gold = o.gold_paragraphs
    if retrieved is None or not gold:
        return None
    return ranking_scores(tuple(span in gold for span in retrieved), len(gold))[measure]


@lru_cache(maxsize=10_000)
def ranking_scores(found: tuple[bool, ...], gold: int) -> Mapping[str, float]:
    """Return the scores of a ranking: which places hold something relevant, and how much of that there is in all."""
    import ir_measures  # noqa: PLC0415 - slow to import

    names = [f"hit {place}" if hit else f"miss {place}" for place, hit in enumerate(found)]
    hits = [name for name in names if name.startswith("hit")]
    relevant = [*hits, *(f"never found {number}" for number in range(gold - len(hits)))]
    # The highest score comes first, and ties would be broken by name.
    run = [ir_measures.ScoredDoc("query", name, -place) for place, name in enumerate(names)]
    judged = [ir_measures.Qrel("query", name, 1) for name in relevant]
    wanted = [ir_measures.parse_measure(name) for name in ("Success@1", "Success@5", "RR@10", "nDCG@10", "R@5")]
    return {str(value.measure): float(value.value) for value in ir_measures.iter_calc(wanted, judged, run)}


# The tables


HEADLINES: tuple[Measure | RunMeasure, ...] = (
    Measure(facts, "facts contained"),
    Measure(truthfulness, "truthfulness", unit="score", lowest=-1.0),
    Measure(refusal_recall, "unanswerable questions refused"),
    Measure(false_refusals, "answerable questions refused", better="lower"),
    Measure(citation_f1, "citations against evidence, F1", unit="score"),
    Measure(citation_validity, "citations verbatim"),
    Measure(citation_coverage, "sentences with a citation"),
    Measure(success_at_1, "evidence found first, Success@1"),
    Measure(success_at_5, "evidence among five, Success@5"),
    Measure(rr_at_10, "reciprocal rank, RR@10", unit="score"),
    Measure(groundedness, "groundedness screen"),
    Measure(flagged, "answers with unsupported numbers or names", better="lower"),
    RunMeasure(first_evidence_p50, lambda o: o.record.first_ms is not None, "first evidence, median", "lower", "ms"),
    RunMeasure(
        first_evidence_p95, lambda o: o.record.first_ms is not None, "first evidence, 95th percentile", "lower", "ms"
    ),
    RunMeasure(total_p50, lambda o: o.record.total_ms is not None, "whole answer, median", "lower", "ms"),
    RunMeasure(total_p95, lambda o: o.record.total_ms is not None, "whole answer, 95th percentile", "lower", "ms"),
    Measure(error_rate, "errors", better="lower"),
)

SECOND_SCREEN: tuple[Measure | RunMeasure, ...] = (
    Measure(written, "answerable questions written"),
    Measure(written_wrong, "wrong written answers", better="lower"),
    Measure(quoted_wrong, "quotations that do not answer", better="lower"),
    Measure(exact_match, "exact match"),
    Measure(f1, "F1", unit="score"),
    Measure(exact_match_answerable, "exact match, answerable"),
    Measure(f1_answerable, "F1, answerable", unit="score"),
    Measure(exact_match_unanswerable, "exact match, unanswerable"),
    Measure(token_recall, "words of the facts", unit="score"),
    Measure(rouge_l, "ROUGE-L", unit="score"),
    Measure(evidence_cited, "answers that cite the evidence"),
    RunMeasure(answer_words_p50, lambda o: o.shown, "words in an answer, median", "neither", "words"),
    Measure(answer_words, "words in an answer, mean", better="neither", unit="words", highest=math.inf),
    Measure(ndcg_at_10, "nDCG@10", unit="score"),
    Measure(recall_at_5, "evidence paragraphs among five, R@5"),
    Measure(follow_up_last_turn_success_at_5, "follow-ups, last turn alone, Success@5"),
    Measure(follow_up_rewrite_success_at_5, "follow-ups as rewritten, Success@5"),
    Measure(follow_up_gold_rewrite_success_at_5, "follow-ups, gold rewrite, Success@5"),
    RunMeasure(refusal_auroc, _is_labelled, "confidence tells answerable, AUROC"),
    RunMeasure(aurc, _is_labelled, "area under risk-coverage", "lower"),
    RunMeasure(brier, _is_labelled, "Brier score", "lower"),
    RunMeasure(calibration_error, _is_labelled, "calibration error", "lower"),
)

MEASURES = (*HEADLINES, *SECOND_SCREEN)


def scores(o: Observed) -> dict[str, float | None]:
    """Return every score of one question, by the name of the measure."""
    return {measure.name: measure.score(o) for measure in MEASURES if isinstance(measure, Measure)}
