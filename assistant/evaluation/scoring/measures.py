"""What is measured, each measure beside its definition: the docstring is what the report says.

A measure sees one value of each question, and of these it makes its figure: the mean, a quantile, or a statistic of its
own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from assistant.articles import terms
from assistant.evaluation.questions import holds, holds_facts, plain
from assistant.evaluation.scoring.confidence import Pair, area, auroc
from assistant.evaluation.scoring.observed import Observed


@dataclass(frozen=True, slots=True)
class Measure:
    """What is seen of each question, and the figure that is made of it."""

    score: Callable[[Observed], Any]
    """None where the measure does not apply to a question."""
    label: str
    better: Literal["higher", "lower", "neither"] = "higher"
    unit: Literal["share", "score", "ms", "words"] = "share"
    lowest: float = 0.0
    quantile: float | None = None
    statistic: Callable[[Sequence[Any]], float | None] | None = None

    @property
    def name(self) -> str:
        """What gates and scripts call it."""
        return self.score.__name__ + ("" if self.quantile is None else f"_p{100 * self.quantile:.0f}")

    @property
    def definition(self) -> str:
        """What the report says of it."""
        return " ".join((inspect.getdoc(self.score) or "").split())

    @property
    def is_mean(self) -> bool:
        """Whether it is the mean of the questions' scores."""
        return self.quantile is None and self.statistic is None

    def scores(self, observed: Sequence[Observed]) -> list[Any]:
        """Return what is seen of the questions to which it applies."""
        return [score for o in observed if (score := self.score(o)) is not None]

    def of(self, scores: Sequence[Any]) -> float | None:
        """Return the figure of such scores."""
        if not scores:
            return None
        if self.statistic is not None:
            return self.statistic(scores)
        return float(np.mean(scores) if self.quantile is None else np.quantile(scores, self.quantile))


# What do readers say?


def content(o: Observed) -> float | None:
    """Answers with which a reader would be content, of those that people graded by reading: graded "good".

    Of an answer that several graded it is the share of them.
    """
    return o.share_graded("good")


def graded_wrong(o: Observed) -> float | None:
    """Answers that people who graded by reading call wrong: they say or suggest what the article does not support."""
    return o.share_graded("wrong")


# Is it right?


def facts(o: Observed) -> float | None:
    """Answerable questions whose answer holds every required fact, in an accepted wording, and nothing forbidden.

    Case, punctuation and number style do not matter. Refusals and errors count as 0.
    """
    return float(o.holds_facts) if o.question.answerable and o.question.must_have else None


def written_and_right(o: Observed) -> float | None:
    """Answerable questions with a written answer that holds every required fact and nothing forbidden.

    Quotations, refusals and errors count as 0.
    """
    right = facts(o)
    return None if right is None else right * (o.record.status == "answered")


def opens_with_yes_or_no(o: Observed) -> float | None:
    """Questions whose ideal answer opens with "Yes" or "No", and whose answer holds the facts and opens with it too."""
    wanted, right = _opening(o.question.ideal), facts(o)
    return None if right is None or wanted not in ("yes", "no") else right * (_opening(o.words) == wanted)


def _opening(answer: str) -> str:
    return plain(answer).partition(" ")[0]


def truthfulness(o: Observed) -> float | None:
    """Right answers minus wrong ones, of all questions; a refusal where there was an answer counts as neither.

    The score of CRAG (Yang et al., NeurIPS 2024), from -1 to 1. A question without an answer is right when it is
    refused, or when its false premise is met with the words that contradict it. An error counts as wrong.
    """
    return {"right": 1.0, "missing": 0.0, "wrong": -1.0, None: None}[o.outcome]


def refusal_recall(o: Observed) -> float | None:
    """Questions without an answer that were refused, or whose false premise was met with the words against it."""
    return float(o.handled) if o.question.answerable is False else None


def false_refusals(o: Observed) -> float | None:
    """Answerable questions that were refused."""
    return float(o.refused) if o.question.answerable else None


def written(o: Observed) -> float | None:
    """Answerable questions with a written answer, and not only quotations.

    By the model, or by rule: who said something, or what the article's record says.
    """
    return float(o.record.status == "answered") if o.question.answerable else None


def written_wrong(o: Observed) -> float | None:
    """Written answers that are wrong, of all questions."""
    return float(o.outcome == "wrong" and o.record.status == "answered") if o.outcome else None


def quoted_wrong(o: Observed) -> float | None:
    """Quotations given as an answer that do not answer, of all questions."""
    return float(o.outcome == "wrong" and o.record.status == "quoted") if o.outcome else None


# Is it short?


def words_to_read(o: Observed) -> float | None:
    """Words that a reader reads up to the end of the first citation, of answers that were shown.

    Where the answer is quotations alone all of them count, so that a wall of quotation is one.
    """
    return float(o.words_to_read) if o.shown else None


def answer_words(o: Observed) -> float | None:
    """Words in an answer that was shown, without markers."""
    return float(len(o.words.split())) if o.shown else None


# Does it rest on the article?


def citation_f1(o: Observed) -> float | None:
    """On answerable questions with evidence: citations that overlap the evidence, and evidence that is cited.

    The harmonic mean of precision and recall; 0 where nothing is cited.
    """
    if not (o.question.answerable and o.evidence):
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
    return float(o.cites_evidence)


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
    return sum(o.cited_sentences) / len(o.cited_sentences) if o.cited_sentences else 0.0


def groundedness(o: Observed) -> float | None:
    """Share of the main words of an answer, stemmed, that stand in the words it cites. A screen, not a proof.

    Knowledge precision (Adlakha et al., TACL 2024) without stop words. It does not see swapped facts.
    """
    if not o.shown or o.cites_nothing_by_right:
        return None
    return terms.share(terms.stems(o.words), terms.stems(o.cited_words))


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
    return _found(o, 1)


def success_at_5(o: Observed) -> float | None:
    """The same for the first five paragraphs."""
    return _found(o, 5)


def rr_at_10(o: Observed) -> float | None:
    """One divided by the rank of the first paragraph with evidence, 0 where it is not among the first ten."""
    if not o.gold_paragraphs:
        return None
    return next((1 / rank for rank, span in enumerate(o.record.retrieved[:10], 1) if span in o.gold_paragraphs), 0.0)


def _found(o: Observed, depth: int) -> float | None:
    return None if not o.gold_paragraphs else float(not o.gold_paragraphs.isdisjoint(o.record.retrieved[:depth]))


# Did it work?


def error_rate(o: Observed) -> float | None:
    """Questions on which something broke: there is no answer, or the model failed and the quotation stands.

    Questions without an answer because of that stay in every other measure, as wrong.
    """
    return float(o.failed or o.record.error is not None)


def first_evidence(o: Observed) -> float | None:
    """Milliseconds until the first evidence can be shown."""
    return o.record.first_ms


def total(o: Observed) -> float | None:
    """Milliseconds until the answer is final."""
    return o.record.total_ms


# Does its confidence tell?


def refusal_auroc(o: Observed) -> Pair | None:
    """Chance that an answerable question got a higher confidence than one without an answer; 0.5 is a coin."""
    return _confidence(o, bool(o.question.answerable))


def brier(o: Observed) -> float | None:
    """Squared distance of the confidence from the truth, 1 for answerable and 0 for not; 0.25 is a coin."""
    pair = refusal_auroc(o)
    return None if pair is None else (pair[0] - pair[1]) ** 2


def aurc(o: Observed) -> Pair | None:
    """Area under the risk-coverage curve: the mean share of wrong answers over every number of questions answered.

    The surest questions are answered first. What was refused is judged by the quotation that would have stood.
    """
    return _confidence(o, _would_be_right(o))


def _confidence(o: Observed, truth: bool) -> Pair | None:  # noqa: FBT001 - half of the pair
    known = o.record.confidence is not None and o.question.answerable is not None
    return (o.record.confidence or 0.0, truth) if known else None


def _would_be_right(o: Observed) -> bool:
    if not o.refused:
        return o.outcome == "right"
    words = " ".join(cited.quote for cited in o.record.first)
    forbidden = any(holds(words, wording) for wording in o.question.must_not)
    return bool(o.question.answerable) and holds_facts(words, o.question.must_have) and not forbidden


GRADED = ("content", "graded_wrong")
"""The measures that rest on grades."""

HEADLINES = (
    Measure(content, "content, as graded by readers"),
    Measure(graded_wrong, "wrong, as graded by readers", "lower"),
    Measure(written_and_right, "written and right"),
    Measure(words_to_read, "words to read, median", "lower", "words", quantile=0.5),
    Measure(words_to_read, "words to read, 90th percentile", "lower", "words", quantile=0.9),
    Measure(facts, "facts contained"),
    Measure(truthfulness, "truthfulness", unit="score", lowest=-1.0),
    Measure(refusal_recall, "unanswerable questions refused"),
    Measure(false_refusals, "answerable questions refused", "lower"),
    Measure(citation_f1, "citations against evidence, F1", unit="score"),
    Measure(citation_validity, "citations verbatim"),
    Measure(citation_coverage, "sentences with a citation"),
    Measure(success_at_1, "evidence found first, Success@1"),
    Measure(success_at_5, "evidence among five, Success@5"),
    Measure(rr_at_10, "reciprocal rank, RR@10", unit="score"),
    Measure(groundedness, "groundedness screen"),
    Measure(flagged, "answers with unsupported numbers or names", "lower"),
    Measure(first_evidence, "first evidence, median", "lower", "ms", quantile=0.5),
    Measure(first_evidence, "first evidence, 95th percentile", "lower", "ms", quantile=0.95),
    Measure(total, "whole answer, median", "lower", "ms", quantile=0.5),
    Measure(total, "whole answer, 95th percentile", "lower", "ms", quantile=0.95),
    Measure(error_rate, "errors", "lower"),
)

SECOND_SCREEN = (
    Measure(written, "answerable questions written"),
    Measure(opens_with_yes_or_no, "yes or no first, and right"),
    Measure(written_wrong, "wrong written answers", "lower"),
    Measure(quoted_wrong, "quotations that do not answer", "lower"),
    Measure(evidence_cited, "answers that cite the evidence"),
    Measure(answer_words, "words in an answer, median", "neither", "words", quantile=0.5),
    Measure(refusal_auroc, "confidence tells answerable, AUROC", unit="score", statistic=auroc),
    Measure(aurc, "area under risk-coverage", "lower", "score", statistic=area),
    Measure(brier, "Brier score", "lower", "score"),
)

MEASURES = (*HEADLINES, *SECOND_SCREEN)


def scores(o: Observed) -> dict[str, float | None]:
    """Return every score of one question, but for times, by the name of what is scored."""
    measures = [measure for measure in MEASURES if measure.statistic is None and measure.unit != "ms"]
    return {measure.score.__name__: measure.score(o) for measure in measures}
