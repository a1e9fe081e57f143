"""How likely is it that the article answers the question? A calibrated probability from what was found and written.

A logistic regression over a dozen signals, fitted by `python -m assistant calibrate` on the development half of the
question set; its coefficients and thresholds lie in `calibration.json`, none is set by hand. Which signals exist
depends on the model: words only (no model), a draft (any model), a draft and a yes/no margin (the embedded engine).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from assistant import grounding
from assistant.retrieval import Findings

CALIBRATION = Path(__file__).with_name("calibration.json")

WORDS = ("similarity", "coverage", "known", "kind_found", "names_found", "count_found")
DRAFT = (*WORDS, "facts", "words", "new_words", "tells", "kind_told", "told_coverage", "asked_names")
MARGIN = (*DRAFT, "margin")
SIGNALS = {"words": WORDS, "draft": DRAFT, "margin": MARGIN}
"""The signals of each of the three fits."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was fitted for one set of signals."""

    mean: Mapping[str, float]
    scale: Mapping[str, float]
    weight: Mapping[str, float]
    intercept: float
    threshold: float
    """Answer at or above this probability, decline below."""

    def probability(self, signals: Mapping[str, float]) -> float:
        """Return the probability that the article answers the question, 0 to 1."""
        logit = self.intercept + sum(
            weight * (signals[name] - self.mean[name]) / self.scale[name] for name, weight in self.weight.items()
        )
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))


@dataclass(frozen=True, slots=True)
class Written:
    """What the evidence must hold of a written sentence."""

    new_words: float
    """Least share of the words that the question does not hold."""
    words: float
    """Least share of all its main words."""
    swapped: int
    """Most words that stand elsewhere in the article instead."""
    asked_names: bool
    """Whether the names of the question must be there too."""
    confidence: float
    """Least probability that the article answers the question."""

    def allows(self, support: grounding.Support, confidence: float) -> bool:
        """Whether so much support, at this confidence, is enough."""
        enough = support.new_words >= self.new_words and support.words >= self.words and confidence >= self.confidence
        named = support.asked_names or not self.asked_names
        return support.facts and enough and named and len(support.swapped) <= self.swapped


@dataclass(frozen=True, slots=True)
class Quoting:
    """How the sentences to quote are chosen."""

    draft_weight: float
    """How much it counts, beside the fused ranks, that a sentence holds the words of the model's draft."""
    second_share: float
    """A second sentence is quoted when it scores at least this share of the best one."""


@cache
def quoting() -> Quoting:
    """Return how the sentences to quote are chosen."""
    return Quoting(**json.loads(CALIBRATION.read_text(encoding="utf-8"))["quoted"])


@cache
def calibration(fit: str) -> Calibration:
    """Return the fitted calibration for `words`, `draft` or `margin`."""
    return Calibration(**json.loads(CALIBRATION.read_text(encoding="utf-8"))["answerable"][fit])


@cache
def written_thresholds() -> Written:
    """Return what a written sentence must reach."""
    return Written(**json.loads(CALIBRATION.read_text(encoding="utf-8"))["written"])


def word_signals(question: str, findings: Findings, vocabulary: Mapping[str, float]) -> dict[str, float]:
    """Return the signals that need no model; `vocabulary` maps the stems of the corpus to their rarity."""
    asked = grounding.stems(question)
    best = findings.evidence[:3]
    held = [grounding.stems(evidence.passage.text) | grounding.aliases([evidence.sentence]) for evidence in best]
    names = grounding.names(question)
    return {
        "similarity": findings.similarity,
        "coverage": max((_coverage(asked, words, vocabulary) for words in held), default=0.0),
        "known": _coverage(asked, vocabulary.keys(), vocabulary),
        "kind_found": float(
            any(
                grounding.fits_question(question, e.passage.text, grounding.known_names(e.passage.article.text))
                for e in best
            )
        ),
        "names_found": max((grounding.share(names, words) for words in held), default=0.0),
        "count_found": float(_count_found(question, [s.text for evidence in best for s in evidence.passage.sentences])),
    }


def draft_signals(
    question: str, draft: str, support: grounding.Support, known: Container[str], vocabulary: Mapping[str, float]
) -> dict[str, float]:
    """Return the signals of what a model wrote, given the passage that supports it best."""
    return {
        "facts": float(support.facts),
        "words": support.words,
        "new_words": support.new_words,
        "tells": float(bool(support.new)),
        "kind_told": float(
            grounding.fits_question(question, draft, known) and (not _HOW_MANY.search(question) or _counts(draft))
        ),
        "told_coverage": _coverage(grounding.stems(question), grounding.stems(draft), vocabulary),
        "asked_names": float(support.asked_names),
    }


def _coverage(wanted: set[str], held: object, vocabulary: Mapping[str, float]) -> float:
    """Return the share of the wanted stems that are held, weighted by rarity; unknown ones count as the rarest."""
    rarest = max(vocabulary.values(), default=1.0)
    total = math.fsum(vocabulary.get(stem, rarest) for stem in wanted)
    found = math.fsum(vocabulary.get(stem, rarest) for stem in wanted if stem in held)  # type: ignore[operator]
    return found / total if total else 1.0


_HOW_MANY = re.compile(
    r"\b(?:how many|what number of)\s+(?:(?!(?:did|do|does|were|was|are|is|has|have|had|could|can|would|will)\b)[\w'-]+\s+){0,3}?(?P<thing>[\w'-]+)"
    r"(?=\s+(?:did|do|does|were|was|are|is|has|have|had|could|can|would|will|of|in|a|per|from|to|for|that|which|who|with)\b|\W*$)",
    re.IGNORECASE,
)


def _count_found(question: str, sentences: Sequence[str]) -> bool:
    """Whether a sentence that names what the question counts holds a number of it; True when it counts nothing."""
    match = _HOW_MANY.search(question)
    thing = grounding.stems(match["thing"]) if match else set()
    return not thing or any(thing & grounding.stems(sentence) and _counts(sentence) for sentence in sentences)


def _counts(text: str) -> bool:
    """Whether the text holds a number that is no share and no year."""
    return bool(grounding.quantities(grounding.numbers(text)))
