"""Which sentences of what was found answer the question best?

A small logistic regression over a few signals of each sentence, fitted by `python -m assistant calibrate` to where the
evidence of the development questions stands. What the question shares with a sentence is one half; the other is what
the model wrote: even a draft that may not be shown points to the sentence that it was made from, in words and in
vectors, and that finds what a question asks for in words of its own. Knows nothing of whether there is an answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from assistant import conversation, grounding
from assistant.answerability import Rarity, coverage, likeness
from assistant.context import context_of
from assistant.reader import Reading
from assistant.retrieval import Findings
from assistant.types import Passage, Sentence

MOST_SENTENCES = 3

WORDS = ("score", "similarity", "passage_similarity", "asked", "kind", "length")
READ = (*WORDS, "read")
DRAFT = (*READ, "told", "told_new", "told_similarity")
_OWN = {"words": WORDS, "read": READ, "draft": DRAFT}
SIGNALS = {name: (*own, *(f"{signal}_below" for signal in own)) for name, own in _OWN.items()}
"""The signals of the three fits: at once, with what the reader found, and with a draft too. Each is there
twice, the second time as how far it is below that of the best sentence for this question."""


@dataclass(frozen=True, slots=True)
class Window:
    """One citable piece of evidence: a sentence or two of a passage, and the earlier ones that say who "he" is."""

    leading: tuple[Sentence, ...]
    sentences: tuple[Sentence, ...]

    @property
    def all(self) -> tuple[Sentence, ...]:
        """All its sentences in reading order."""
        return (*self.leading, *self.sentences)


@dataclass(frozen=True, slots=True)
class Told:
    """What a draft says, as far as it tells which sentence it was made from."""

    text: str
    similarities: Mapping[str, float]
    """Cosine similarity of the draft with the nearest sentences, by id."""


def candidate_passages(findings: Findings) -> list[Passage]:
    """Return the passages that were found, by themselves or for a sentence of theirs."""
    found = [hit.passage for hit in findings.hits] + [evidence.passage for evidence in findings.evidence]
    return list(dict.fromkeys(found))


def signals(
    findings: Findings, rarity: Rarity, draft: Told | None = None, readings: Sequence[Reading] = ()
) -> list[tuple[Sentence, dict[str, float]]]:
    """Return each sentence that may be quoted, with its signals."""
    scores = {evidence.sentence: evidence.score for evidence in findings.evidence}
    read: dict[Sentence, list[float]] = {}
    for reading in readings:
        for sentence, span in reading.spans.items():
            read.setdefault(sentence, []).append(span.score)
    kind, wanted = grounding.asked_kind(findings.query), grounding.kinds(findings.query)
    asked = wanted.stems
    told = grounding.stems(draft.text) if draft else set()
    new = told - asked
    found = []
    for passage in candidate_passages(findings):
        for sentence in passage.sentences:
            held = _held(sentence)
            own = {
                "score": scores.get(sentence, 0.0),
                "similarity": findings.similarities.get(sentence.id, 0.0),
                "passage_similarity": findings.similarities.get(passage.id, 0.0),
                "asked": coverage(asked, held, rarity),
                "kind": float(grounding.fits(kind, wanted, _kinds(sentence))),
                "length": math.log(len(sentence.text)),
                "read": likeness(*read.get(sentence, ())),
                "told": coverage(told, held, rarity) if told else 0.0,
                "told_new": coverage(new, held, rarity) if new else 0.0,
                "told_similarity": draft.similarities.get(sentence.id, 0.0) if draft else 0.0,
            }
            found.append((sentence, own))
    best = {name: max((own[name] for _, own in found), default=0.0) for name in DRAFT}
    return [(sentence, own | {f"{name}_below": own[name] - best[name] for name in DRAFT}) for sentence, own in found]


@lru_cache(maxsize=4096)
def _kinds(sentence: Sentence) -> grounding.Kinds:
    return grounding.kinds(sentence.text, grounding.known_names(sentence.article.text))


@lru_cache(maxsize=4096)
def _held(sentence: Sentence) -> frozenset[str]:
    """Return the stems of a sentence, of those that it leans on, and of the people whom they mean."""
    words = " ".join(each.text for each in _window(sentence).all)
    return frozenset(grounding.stems(words) | grounding.aliases([sentence]))


def choose(question: str, likely: Sequence[tuple[Sentence, float]], second_share: float) -> list[Window]:
    """Return what to quote, best first: the sentence that is likeliest to hold the answer, perhaps a second.

    `likely` are sentences, at least one, with how likely each holds the answer. One that holds words which the question
    itself quotes goes before all others.
    """
    words = [quoted.lower() for quoted in conversation.quoted_words(question)]

    def rank(candidate: tuple[Sentence, float]) -> tuple[bool, float]:
        sentence, probability = candidate
        return any(quoted in sentence.text.lower() for quoted in words), probability

    ranked = sorted(likely, key=rank, reverse=True)
    quotes, best = rank(ranked[0])
    first = _window(ranked[0][0])
    for candidate in ranked[1:]:
        also_quotes, probability = rank(candidate)
        if also_quotes != quotes or probability < second_share * best:
            break
        second = _window(candidate[0])
        if candidate[0] not in first.all and len({*first.all, *second.all}) <= MOST_SENTENCES:
            return [first, second]
    return [first]


def _window(sentence: Sentence) -> Window:
    return Window(context_of(sentence).needs, (sentence,))
