"""Find the passages and sentences that fit a question: keywords and vectors, fused by rank, then compared word by word.

Three rankings of passages are made: by cosine similarity, by stemmed BM25, and by the BM25 of their best sentence. The
best of all three together are compared with the question by late interaction, which alone decides their order and that
of their sentences, unless there is no embedder of tokens, or no time to read a passage. Knows nothing of the language
model or of what an answer is.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import bm25s
import numpy as np
import Stemmer
from bm25s.stopwords import STOPWORDS_EN
from langchain_core.embeddings import Embeddings

from assistant.articles.passages import passages
from assistant.search.embedder import SentenceEmbedder, TokenVectors
from assistant.search.late_interaction import KEPT, LateInteraction, WordSpan, token_weights
from assistant.types import Article, Evidence, Hit, Passage, Sentence

if TYPE_CHECKING:
    from assistant.search.index import VectorIndex

RANK_CONSTANT = 10
"""The constant k of reciprocal rank fusion (Cormack et al., SIGIR 2009). On XQuAD and SQuAD 2.0 dev 4, 10 and 20 were
within a point; 10 had the best Success@5."""

CANDIDATES = 100
"""How far down each ranking is read."""

COMPARED = 30
"""So many of the best passages are compared word by word. Of 557 development and hard questions the five best then hold
the evidence of 535 where the 25 best or all 31 are compared, of 526 where 15 are, and of 504 where none is. (Then
sentences had vectors too, which ranked them.)"""

_STEMMER = Stemmer.Stemmer("english")
_WORD = re.compile(r"(?u)\b\w\w+\b")
"""What BM25 takes for a word too."""
_EVERYWHERE, _NOWHERE = slice(None), slice(0, 0)


@dataclass(frozen=True, slots=True)
class Findings:
    """What one search found; `hits` and `evidence` are best first."""

    query: str
    article: str | None
    """The only article that was searched; None for all."""
    hits: tuple[Hit, ...]
    evidence: tuple[Evidence, ...]
    keyword_score: float
    """BM25 score of the best sentence, 0 or more."""
    similarities: Mapping[str, float]
    """Cosine similarity of the question and, by id, the nearest passages and the sentences that were compared."""
    rough: bool = False
    """Whether ranks alone decided, because a passage would have had to be read, or the embedding model loaded first."""

    @property
    def similarity(self) -> float:
        """Cosine similarity of the question and the nearest passage or sentence, -1 to 1; 0 where there is none."""
        return max(self.similarities.values(), default=0.0)


class KeywordIndex:
    """Stemmed BM25 over texts, in memory."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Index the texts; their positions are the keys of `search`."""
        tokens = bm25s.tokenize(list(texts), stemmer=_STEMMER, stopwords="en", show_progress=False)
        self._index = bm25s.BM25()
        self._vocabulary: Mapping[str, int] = {}
        # Texts without a single word that is not a stop word cannot be indexed; then nothing is ever found.
        if tokens.vocab and texts:
            self._index.index(tokens, show_progress=False)
            self._vocabulary = self._index.vocab_dict

    def search(self, keywords: Sequence[str], limit: int, within: slice = _EVERYWHERE) -> dict[int, float]:
        """Return the BM25 scores above 0 by position, best first and ties by position, of the texts in a slice."""
        known = [keyword for keyword in keywords if keyword in self._vocabulary]
        if not known:
            return {}
        scores = self._index.get_scores(known)
        # Few texts have any of the words: sorting those alone is much faster.
        found = np.flatnonzero(scores[within] > 0) + (within.start or 0)
        best = found[np.argsort(-scores[found], kind="stable")][:limit]
        return dict(zip(best.tolist(), scores[best].tolist(), strict=True))

    def rarity(self, keyword: str) -> float:
        """Return the inverse document frequency of a keyword, as in BM25; above 0, most for one that no text has."""
        if not self._vocabulary:
            return inverse_document_frequency(0, 0)
        number, starts = self._vocabulary.get(keyword), self._index.scores["indptr"]
        found = 0 if number is None else int(starts[number + 1] - starts[number])
        return inverse_document_frequency(self._index.scores["num_docs"], found)


def inverse_document_frequency(texts: int, found: int) -> float:
    """Return how rare is what `found` of so many texts hold, as in BM25: above 0, less the more hold it."""
    return math.log(1 + (texts - found + 0.5) / (found + 0.5))


def keywords_of(query: str) -> list[str]:
    """Return the stems of a query's words, without stop words."""
    found: list[str] = bm25s.tokenize([query], stemmer=_STEMMER, stopwords="en", show_progress=False, return_ids=False)[
        0
    ]
    return found


def keyword_spans(query: str) -> list[WordSpan]:
    """Return the stem of each word of a query that is no stop word, and where the word stands."""
    return [
        (_STEMMER.stemWord(word), match.start(), match.end())
        for match in _WORD.finditer(query)
        if (word := match[0].lower()) not in STOPWORDS_EN
    ]


class Retriever:
    """Searches the passages and sentences of the articles."""

    def __init__(
        self,
        articles: Sequence[Article],
        index: VectorIndex | None,
        embedder: Embeddings | None,
        late_interaction: LateInteraction | None = None,
    ) -> None:
        """Take the articles, the index that was opened for them and its embedder; without the two, keywords count.

        A late interaction of that embedder brings what it has read already.
        """
        self._passages: list[Passage] = []
        self._sentences: list[Sentence] = []
        self._of_article: dict[str | None, tuple[slice, slice]] = {None: (_EVERYWHERE, _EVERYWHERE)}
        """Where the passages and the sentences of an article are, and those of all of them."""
        self._passage_of: list[int] = []
        """By the number of a sentence."""
        self._sentences_of: list[range] = []
        """By the number of a passage."""
        for article in articles:
            first = len(self._passages), len(self._sentences)
            for passage in passages(article):
                self._passage_of += [len(self._passages)] * len(passage.sentences)
                self._sentences_of.append(range(len(self._sentences), len(self._passage_of)))
                self._passages.append(passage)
                self._sentences += passage.sentences
            self._of_article[article.id] = slice(first[0], len(self._passages)), slice(first[1], len(self._sentences))
        self._passage_number = {passage.id: number for number, passage in enumerate(self._passages)}
        self._passage_keywords = KeywordIndex([passage.text for passage in self._passages])
        self._sentence_keywords = KeywordIndex([sentence.text for sentence in self._sentences])
        self._index = index
        self.embedder = embedder
        """What makes vectors of texts; None where keywords alone count."""
        if late_interaction is None and isinstance(embedder, SentenceEmbedder):
            late_interaction = LateInteraction(embedder)
        self._late_interaction = late_interaction
        # Readers ask the same starter questions.
        self._embedded = lru_cache(maxsize=256)(self._embed)

    def of_others(self, articles: Sequence[Article], index: VectorIndex | None) -> Retriever:
        """Return a retriever of other articles, which knows what this one has read."""
        return Retriever(articles, index, self.embedder, self._late_interaction)

    def load(self) -> None:
        """Load the embedding model now, if there is one that is loaded when it is first needed."""
        if self._late_interaction is not None:
            self._late_interaction.embedder.load()

    def read_ahead(self, stopped: threading.Event) -> None:
        """Read every passage, so that no search has to, until `stopped` is set; none where memory has no room for all.

        Of an archive it would be the wrong ones.
        """
        if self._late_interaction is None or len(self._passages) > KEPT:
            return
        for start in range(0, len(self._passages), COMPARED):
            if stopped.is_set():
                return
            self._late_interaction.read(self._passages[start : start + COMPARED])

    def search(self, query: str, limit: int = 10, article: str | None = None, *, may_read: bool = True) -> Findings:
        """Return the best passages and sentences for a standalone question, of one article where one is named.

        A passage is read before it is compared word by word, unless that was lately. Where `may_read` is false, and
        one would have to be, ranks alone decide; where the embedding model is not loaded yet, those of keywords alone.
        """
        late_interaction = self._late_interaction
        must_do_without = late_interaction is not None and not may_read and not late_interaction.embedder.is_loaded
        vector, tokens = (None, None) if must_do_without else self._embedded(query)
        similarities = {} if vector is None else self._nearest(vector, article)
        passages_there, sentences_there = self._of_article.get(article, (_NOWHERE, _NOWHERE))
        keywords = keywords_of(query)
        keyword_scores = self._sentence_keywords.search(keywords, CANDIDATES, sentences_there)
        sentences_by_keyword = reciprocal_ranks(keyword_scores)
        by_whole_passage = fuse(
            reciprocal_ranks(self._passage_number[passage] for passage in similarities),
            reciprocal_ranks(self._passage_keywords.search(keywords, CANDIDATES, passages_there)),
        )
        by_best_sentence = reciprocal_ranks(dict.fromkeys(self._passage_of[number] for number in sentences_by_keyword))
        of_passages = fuse(by_whole_passage, by_best_sentence)
        candidates = best_first(of_passages)[:COMPARED]
        compared = [self._passages[passage] for passage in candidates]
        is_unread = late_interaction is not None and not may_read and not late_interaction.has_read(compared)
        rough = must_do_without or is_unread
        if late_interaction is None or vector is None or tokens is None or rough:
            of_sentences = {
                sentence: by_whole_passage.get(passage, 0.0) + sentences_by_keyword.get(sentence, 0.0)
                for passage in candidates
                for sentence in self._sentences_of[passage]
            }
        else:
            weights = token_weights(tokens, keyword_spans(query), self._sentence_keywords.rarity)
            scores = late_interaction.scores(tokens, weights, compared)
            of_passages = dict(zip(candidates, map(max, scores), strict=True))
            of_sentences = {
                sentence: score
                for passage, of_passage in zip(candidates, scores, strict=True)
                for sentence, score in zip(self._sentences_of[passage], of_passage, strict=True)
            }
            similarities |= late_interaction.similarities(vector, compared)
        return Findings(
            query=query,
            article=article,
            hits=tuple(Hit(self._passages[number], of_passages[number]) for number in best_first(of_passages)[:limit]),
            evidence=tuple(
                Evidence(self._sentences[number], self._passages[self._passage_of[number]], of_sentences[number])
                for number in best_first(of_sentences)[:limit]
            ),
            keyword_score=max(keyword_scores.values(), default=0.0),
            similarities=similarities,
            rough=rough,
        )

    def similarities(self, text: str, passages: Sequence[Passage]) -> dict[str, float]:
        """Return the cosine similarity of a text and each sentence of some passages, by id.

        It reads what was not read lately. Nothing is told without an embedder of tokens.
        """
        if self._late_interaction is None:
            return {}
        vector, _ = self._late_interaction.embedder.embed_query_and_tokens(text)
        return self._late_interaction.similarities(vector, passages)

    def _embed(self, text: str) -> tuple[list[float] | None, TokenVectors | None]:
        if isinstance(self.embedder, SentenceEmbedder):
            return self.embedder.embed_query_and_tokens(text)
        return (None if self.embedder is None else self.embedder.embed_query(text)), None

    def _nearest(self, vector: list[float], article: str | None) -> dict[str, float]:
        found = {} if self._index is None else self._index.search(vector, CANDIDATES, article)
        # While the articles change, the index may hold versions that are not searched here.
        return {passage: similarity for passage, similarity in found.items() if passage in self._passage_number}


def reciprocal_ranks(ranking: Iterable[int]) -> dict[int, float]:
    """Return 1 / (k + rank) for each key of a ranking, best first; ranks start at 1."""
    return {key: 1.0 / (RANK_CONSTANT + rank) for rank, key in enumerate(ranking, start=1)}


def fuse(*rankings: Mapping[int, float]) -> dict[int, float]:
    """Add up the reciprocal ranks of several rankings; a key that a ranking lacks gets nothing from it."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for key, score in ranking.items():
            scores[key] = scores.get(key, 0.0) + score
    return scores


def best_first(scores: Mapping[int, float]) -> list[int]:
    """Return the keys by falling score; ties by key, so that the order never depends on the machine."""
    return sorted(scores, key=lambda key: (-scores[key], key))
