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
from assistant.answerability import Rarity, coverage
from assistant.context import context_of
from assistant.retrieval import Findings
from assistant.types import Passage, Sentence

MOST_SENTENCES = 3

WORDS = ("score", "similarity", "passage_similarity", "asked", "length")
DRAFT = (*WORDS, "told", "told_new", "told_similarity")
_OWN = {"words": WORDS, "draft": DRAFT}
SIGNALS = {name: (*own, *(f"{signal}_below" for signal in own)) for name, own in _OWN.items()}
"""The signals of both fits: without a draft and with one or two. Each is there twice, the second time as how far it is
below that of the best sentence for this question."""


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


def signals(findings: Findings, drafts: Sequence[Told], rarity: Rarity) -> list[tuple[Window, dict[str, float]]]:
    """Return each sentence that may be quoted, with its signals."""
    scores = {evidence.sentence: evidence.score for evidence in findings.evidence}
    asked = grounding.stems(findings.query)
    told = [grounding.stems(draft.text) for draft in drafts]
    found = []
    for passage in candidate_passages(findings):
        for sentence in passage.sentences:
            window, held = _window(sentence)
            own = {
                "score": scores.get(sentence, 0.0),
                "similarity": findings.similarities.get(sentence.id, 0.0),
                "passage_similarity": findings.similarities.get(passage.id, 0.0),
                "asked": coverage(asked, held, rarity),
                "length": math.log(len(sentence.text)),
                "told": max((coverage(each, held, rarity) for each in told), default=0.0),
                "told_new": max((coverage(each - asked, held, rarity) for each in told), default=0.0),
                "told_similarity": max((draft.similarities.get(sentence.id, 0.0) for draft in drafts), default=0.0),
            }
            found.append((window, own))
    best = {name: max((own[name] for _, own in found), default=0.0) for name in DRAFT}
    return [(window, own | {f"{name}_below": own[name] - best[name] for name in DRAFT}) for window, own in found]


@lru_cache(maxsize=4096)
def _window(sentence: Sentence) -> tuple[Window, frozenset[str]]:
    """Return the sentence with those that it leans on, and the stems of their words and of the people they mean."""
    window = Window(context_of(sentence).needs, (sentence,))
    words = " ".join(each.text for each in window.all)
    return window, frozenset(grounding.stems(words) | grounding.aliases([sentence]))


def choose(question: str, likely: Sequence[tuple[Window, float]], second_share: float) -> list[Window]:
    """Return what to quote, best first: the sentence that is likeliest to hold the answer, perhaps a second.

    A sentence that holds words which the question itself quotes goes before all others.
    """
    words = [quoted.lower() for quoted in conversation.quoted_words(question)]

    def rank(candidate: tuple[Window, float]) -> tuple[bool, float]:
        window, probability = candidate
        text = window.sentences[0].text.lower()
        return any(quoted in text for quoted in words), probability

    ranked = sorted(likely, key=rank, reverse=True)[:2]
    best = rank(ranked[0])
    chosen: list[Window] = []
    for window, probability in ranked:
        already = {sentence for other in chosen for sentence in other.all}
        room = len(already | set(window.all)) <= MOST_SENTENCES
        as_good = rank((window, probability))[0] == best[0] and probability >= second_share * best[1]
        if not chosen or (room and as_good and window.sentences[0] not in already):
            chosen.append(window)
    return chosen
