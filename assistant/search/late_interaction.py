"""How well does a sentence answer to a question word by word, each word as it is meant where it stands?

Late interaction: for each word of the question the word of the sentence that is most like it counts, weighted by how
rare the question's word is (Khattab and Zaharia, "ColBERT", SIGIR 2020). The vectors are the sentence embedder's, of
tokens, before it averages them: that one word stands for another is lost in the average of a whole text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from assistant.search.article_files import Computed
from assistant.search.embedder import TokenVectors
from assistant.search.keywords import WordSpan


def scores(question: TokenVectors, weights: Sequence[float], passage: Computed) -> list[float]:
    """Return how well each sentence of a passage matches the question, -1 to 1.

    `weights` are those of the question's tokens, not all 0. A sentence beyond what the embedder reads gets 0.
    """
    share = np.asarray(weights, dtype=np.float32) / sum(weights)
    asked = np.flatnonzero(share)
    likeness = passage.tokens.astype(np.float32) @ question.vectors[asked].T * passage.scales[:, None]
    return [float(likeness[part].max(axis=0) @ share[asked]) if part.stop else 0.0 for part in passage.parts]


def likeness(question: TokenVectors, passages: Iterable[Computed]) -> np.ndarray:
    """Return how like each token of the question the likest one of some passages is, -1 to 1."""
    tokens = np.concatenate([each.tokens * each.scales[:, None] for each in passages])
    return np.asarray((tokens @ question.vectors.T).max(axis=0, initial=-1.0))


def token_weights(question: TokenVectors, words: Sequence[WordSpan], rarity: Callable[[str], float]) -> Sequence[float]:
    """Return what each token of the question weighs: its part of the rarity of its word.

    Tokens of no word weigh nothing, nor do single letters and digits; where there is no word at all, every token weighs
    the same.
    """
    weights = [0.0] * len(question.spans)
    for word, start, end in words:
        of_word = question.within(start, end)
        for number in of_word:
            weights[number] = rarity(word) / len(of_word)
    return weights if any(weights) else [1.0] * len(weights)
