"""How well does a sentence answer to a question word by word, each word as it is meant where it stands?

Late interaction: for each word of the question the word of the sentence that is most like it counts, weighted by how
rare the question's word is (Khattab and Zaharia, "ColBERT", SIGIR 2020). The vectors are the sentence embedder's, of
tokens, before it averages them: that one word stands for another is lost in the average of a whole text. With what is
read of a passage the vector of each of its sentences, read alone, is kept for a while. Knows nothing of rankings, and
nothing of how rare a word is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from cachetools import LRUCache

from assistant.search.embedder import SentenceEmbedder, TokenVectors
from assistant.types import Passage

KEPT = 2000
"""So many passages stay in memory, those of 60 articles of the usual length. One takes some 95 kB, all take 190 MB."""

WordSpan = tuple[str, int, int]
"""A word, and where it starts and ends in its text."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of a passage: the vectors of its tokens, which of them are those of each sentence, and its own."""

    vectors: np.ndarray
    of_sentences: tuple[slice, ...]
    sentences: np.ndarray
    """One row a sentence, of length 1: its vector when it is read alone."""


class LateInteraction:
    """Compares texts with passages, and keeps what it read of the passages that were compared, or read ahead, last."""

    def __init__(self, embedder: SentenceEmbedder) -> None:
        """Take the embedder that reads the passages."""
        self.embedder = embedder
        self._kept = LRUCache[str, _Read](KEPT)
        self._keeping = threading.Lock()

    def has_read(self, passages: Sequence[Passage]) -> bool:
        """Whether all of these can be compared without reading one first."""
        return all(passage.id in self._kept for passage in passages)

    def scores(
        self, question: TokenVectors, weights: Sequence[float], passages: Sequence[Passage]
    ) -> list[list[float]]:
        """Return how well the sentences of each passage match the question, -1 to 1; it reads what it has not yet.

        `weights` are those of the question's tokens, not all 0. A sentence beyond what the embedder reads gets 0.
        """
        share = np.asarray(weights, dtype=np.float32) / sum(weights)
        return [_scores(read, question.vectors, share) for read in self.read(passages)]

    def similarities(self, text: Sequence[float], passages: Sequence[Passage]) -> dict[str, float]:
        """Return the cosine similarity of a text's vector and each sentence, by id; it reads what it has not yet."""
        vector = np.asarray(text, dtype=np.float32)
        return {
            sentence.id: similarity
            for passage, read in zip(passages, self.read(passages), strict=True)
            for sentence, similarity in zip(passage.sentences, (read.sentences @ vector).tolist(), strict=True)
        }

    def read(self, passages: Sequence[Passage]) -> list[_Read]:
        """Return what was read of each passage, in their order: lately, or now."""
        with self._keeping:
            read = {passage.id: self._kept[passage.id] for passage in passages if passage.id in self._kept}
        missing = [passage for passage in passages if passage.id not in read]
        if missing:
            found = self.embedder.embed_tokens([passage.text for passage in missing])
            texts = [sentence.text for passage in missing for sentence in passage.sentences]
            alone = iter(self.embedder.embed_documents(texts))
            for passage, tokens in zip(missing, found, strict=True):
                vectors = np.array(list(islice(alone, len(passage.sentences))), dtype=np.float32)
                read[passage.id] = _Read(tokens.vectors, _parts(passage, tokens), vectors)
        with self._keeping:
            self._kept.update({passage.id: read[passage.id] for passage in missing})
        return [read[passage.id] for passage in passages]


def token_weights(question: TokenVectors, words: Sequence[WordSpan], rarity: Callable[[str], float]) -> Sequence[float]:
    """Return what each token of the question weighs: its part of the rarity of its word.

    Tokens of no word weigh nothing, nor do single letters and digits; where there is no word at all, every token weighs
    the same.
    """
    weights = [0.0] * len(question.spans)
    for word, start, end in words:
        of_word = _within(question, start, end)
        for number in of_word:
            weights[number] = rarity(word) / len(of_word)
    return weights if any(weights) else [1.0] * len(weights)


def _within(tokens: TokenVectors, start: int, end: int) -> list[int]:
    return [number for number, span in enumerate(tokens.spans) if start <= span[0] and span[1] <= end]


def _parts(passage: Passage, tokens: TokenVectors) -> tuple[slice, ...]:
    parts = []
    for sentence in passage.sentences:
        own = _within(tokens, sentence.start - passage.start, sentence.end - passage.start)
        parts.append(slice(own[0], own[-1] + 1) if own else slice(0))
    return tuple(parts)


def _scores(read: _Read, question: np.ndarray, share: np.ndarray) -> list[float]:
    likeness = read.vectors @ question.T
    return [float(likeness[part].max(axis=0) @ share) if part.stop else 0.0 for part in read.of_sentences]
