"""How likely does the article answer the question, and how likely is a draft right? Calibrated probabilities.

Logistic regressions over a few signals, fitted by `python -m lab calibrate` to development, hard and readers'
questions; their coefficients and thresholds lie in `calibration.json`, none is set by hand. Which signals exist depends
on the models: keywords only (none is installed), words only (no language model), and a draft with its check.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Container, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.answering.packaged import grounding
from assistant.answering.understanding import kinds
from assistant.answering.understanding.question import Question
from assistant.articles import terms
from assistant.articles.annotated import annotation
from assistant.articles.words import Words
from assistant.search.retrieval import Findings, Rarity

logger = logging.getLogger(__name__)

CALIBRATION = Path(__file__).with_name("calibration.json")

KEYWORDS = ("keywords", "names_found")
WORDS = ("similarity", "names_found")
CHECK = (*WORDS, "facts", "words", "new_words", "tells", "kind_told", "asked_names", "answers", "right")
SIGNALS = {"keywords": KEYWORDS, "words": WORDS, "check": CHECK}
"""The signals of each of the three fits for whether the article answers the question."""
WRITTEN_SIGNALS = (*CHECK, "asks_two", "swapped", "length", "behind", "likelihood")
"""The signals of the fit for whether a draft is a right answer."""
_UNTOLD = -2.0
"""The log-probability where the engine gives none."""


@dataclass(frozen=True, slots=True)
class Regression:
    """What was fitted for one set of signals."""

    mean: Mapping[str, float]
    scale: Mapping[str, float]
    weight: Mapping[str, float]
    intercept: float

    def probability(self, signals: Mapping[str, float]) -> float:
        """Return the probability, 0 to 1."""
        logit = self.intercept + sum(
            weight * (signals[name] - self.mean[name]) / self.scale[name] for name, weight in self.weight.items()
        )
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))


@dataclass(frozen=True, slots=True)
class Calibration(Regression):
    """How likely the article answers, or a draft is right, and from when on that is enough."""

    threshold: float
    """Answer, or show the draft, at or above this probability."""


@dataclass(frozen=True, slots=True)
class Fits:
    """All that was fitted, by the name of its signals."""

    answerable: Mapping[str, Calibration]
    """Whether the article answers the question: `keywords`, `words`, `check`."""
    written: Calibration
    """Whether a draft is right."""
    quoted: Mapping[str, Regression]
    """Which sentence holds the answer: `words`, `draft`."""

    @classmethod
    def read(cls, file: Path = CALIBRATION) -> Fits:
        """Return what a file holds; by default what ships."""
        values: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        return cls(
            {name: Calibration(**fit) for name, fit in values["answerable"].items()},
            Calibration(**values["written"]),
            {name: Regression(**fit) for name, fit in values["quoted"].items()},
        )


def word_signals(findings: Findings) -> dict[str, float]:
    """Return the signals that need no language model."""
    best = findings.evidence[:3]
    held = [terms.stems(evidence.passage.text) | annotation(evidence.sentence).aliases for evidence in best]
    names = terms.names(findings.query)
    return {
        "keywords": findings.keyword_score,
        "similarity": findings.similarity,
        "names_found": max((terms.share(names, words) for words in held), default=0.0),
    }


def draft_signals(question: str, draft: Words, support: grounding.Support) -> dict[str, float]:
    """Return the signals of what a model wrote, given the passage that supports it best."""
    return {
        "facts": float(support.facts),
        "words": support.words,
        "new_words": support.new_words,
        "tells": float(bool(support.new)),
        "kind_told": float(kinds.fits_question(question, draft) and kinds.counts(question, draft)),
        "asked_names": float(support.asked_names),
        "asks_two": float(Question(question).asks_two),
    }


def written_signals(draft: str, tokens: Sequence[float], support: grounding.Support, behind: float) -> dict[str, float]:
    """Return the signals of what a model wrote as an answer to show.

    `tokens` are the log-probabilities of its words, and `behind` is how much less like the question its passage is
    than the passage that is most like it.
    """
    return {
        "swapped": float(len(support.swapped)),
        "length": float(len(draft.split())),
        "behind": behind,
        "likelihood": math.fsum(tokens) / len(tokens) if tokens else _UNTOLD,
    }


def coverage(wanted: AbstractSet[str], held: Container[str], rarity: Rarity) -> float:
    """Return the share of the wanted stems that are held, weighted by rarity, 0 to 1; 1 when none are wanted."""
    total = math.fsum(rarity[stem] for stem in wanted)
    found = math.fsum(rarity[stem] for stem in wanted if stem in held)
    return found / total if total else 1.0
