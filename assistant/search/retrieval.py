"""Find the passages and sentences that fit a question: keywords and vectors, fused by rank, then compared word by word.

Three rankings of passages are made: by cosine similarity, by stemmed BM25, and by the BM25 of their best sentence. The
best of all three together are compared with the question by late interaction, which alone decides their order and that
of their sentences, unless there is no embedder of tokens, or it is not loaded yet. Of equal matches the newer comes
first. Knows nothing of the language model or of what an answer is.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from langchain_core.embeddings import Embeddings

from assistant.search import late_interaction
from assistant.search.article_files import Computed, keys_of
from assistant.search.embedder import SentenceEmbedder, TokenVectors, Vector
from assistant.search.index import Index
from assistant.search.keywords import PASSAGES, SENTENCES, keyword_spans
from assistant.search.late_interaction import token_weights
from assistant.search.narrowing import folded, narrowed
from assistant.types import Article, Evidence, Hit, Passage, Sentence

RANK_CONSTANT = 10
"""The constant k of reciprocal rank fusion (Cormack et al., SIGIR 2009). On XQuAD and SQuAD 2.0 dev 4, 10 and 20 were
within a point; 10 had the best Success@5."""

CANDIDATES = 100
"""How far down each ranking is read."""

COMPARED = 30
"""So many of the best passages are compared word by word. Of 557 development and hard questions the five best then hold
the evidence of 535 where the 25 best or all 31 are compared, of 526 where 15 are, and of 504 where none is. (Then
sentences had vectors too, which ranked them.)"""

_PLACE = re.compile(r"(.*@[0-9a-f]{16}):(\d+)-\d+(?::(\d+))?", re.DOTALL)
_FEW = 40
"""The passages of so few articles are compared one by one: a graph of neighbours has to pass over all others."""
_MOST = 2000
"""So many passages at most are asked for, where only those of some articles count."""


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
    """Cosine similarity of the question and, by id, the passages that were compared and their sentences."""
    rough: bool = False
    """Whether ranks of keywords alone decided, because the embedding model is not loaded yet."""

    @property
    def similarity(self) -> float:
        """Cosine similarity of the question and the nearest passage or sentence, -1 to 1; 0 where there is none."""
        return max(self.similarities.values(), default=0.0)


class Rarity:
    """How rare each stem of the articles is, as in `terms.stems`: its inverse document frequency over the sentences."""

    def __init__(self, index: Index) -> None:
        """Take the index of the articles."""
        self._index = index

    def __getitem__(self, stem: str) -> float:
        """Return how rare a stem is; one that no sentence holds is as rare as the rarest."""
        return self._index.keywords.stem_rarity(stem)


class Retriever:
    """Searches the passages and sentences of some of the articles that are indexed."""

    def __init__(self, articles: Sequence[Article], index: Index | None, embedder: Embeddings | None) -> None:
        """Take the articles, the index that holds them and its embedder; without an index, words alone find."""
        self._articles = keys_of(articles)
        self._given = index
        self._index = index or Index.in_memory(articles, embedder if isinstance(embedder, SentenceEmbedder) else None)
        self.embedder = embedder
        """What makes vectors of texts; None where keywords alone count."""
        self.rarity = Rarity(self._index)
        # Readers ask the same starter questions.
        self._embedded = lru_cache(maxsize=256)(self._embed)
        # Which article is meant is told by what is found for the answer as well.
        self._found = lru_cache(maxsize=64)(self._search)

    def of_others(self, articles: Sequence[Article]) -> Retriever:
        """Return a retriever of other articles of the same index; without one, the words are indexed anew."""
        return Retriever(articles, self._given, self.embedder)

    def load(self) -> None:
        """Load the embedding model now, if there is one that is loaded when it is first needed."""
        if isinstance(self.embedder, SentenceEmbedder):
            self.embedder.load()

    def search(self, query: str, limit: int = 10, article: str | None = None, *, may_read: bool = True) -> Findings:
        """Return the best passages and sentences for a standalone question, of one article where one is named.

        Where `may_read` is false and the embedding model is not loaded yet, ranks of keywords alone decide.
        """
        embedder = self.embedder if isinstance(self.embedder, SentenceEmbedder) else None
        rough = embedder is not None and not may_read and not embedder.is_loaded
        today = datetime.datetime.now(tz=datetime.UTC).date()
        found = self._search(query, article, today, rough=True) if rough else self._found(query, article, today)
        return replace(found, hits=found.hits[:limit], evidence=found.evidence[:limit])

    def _search(self, query: str, article: str | None, today: datetime.date, *, rough: bool = False) -> Findings:
        """Return the same on a day, with all hits and all evidence."""
        vector, tokens = (None, None) if rough else self._embedded(query)
        within = self._within(query, article, today)
        words = keyword_spans(query)
        keyword_scores = self._by_words(SENTENCES, words, within)
        sentences_by_keyword = reciprocal_ranks(keyword_scores)
        by_whole_passage = fuse(
            reciprocal_ranks(self._nearest(vector, within)),
            reciprocal_ranks(self._by_words(PASSAGES, words, within)),
        )
        by_best_sentence = reciprocal_ranks(dict.fromkeys(place.rpartition(":")[0] for place in sentences_by_keyword))
        of_passages = fuse(by_whole_passage, by_best_sentence)
        compared = folded(filter(None, map(self._passage, self._best_first(of_passages))), COMPARED)
        similarities, of_sentences = dict[str, float](), list[list[float]]()
        computed = None if vector is None else self._index.files.read(compared)
        if vector is not None and computed is not None:
            similarities = _similarities(vector, compared, computed, with_passages=True)
        if computed is None or tokens is None:
            for passage in compared:
                whole = by_whole_passage.get(passage.id, 0.0)
                places = (f"{passage.id}:{number}" for number in range(len(passage.sentences)))
                of_sentences.append([whole + sentences_by_keyword.get(place, 0.0) for place in places])
        else:
            weights = token_weights(tokens, words, self._index.keywords.rarity)
            of_sentences = [late_interaction.scores(tokens, weights, each) for each in computed]
            of_passages = {passage.id: max(scores) for passage, scores in zip(compared, of_sentences, strict=True)}
        hits = [Hit(passage, of_passages[passage.id]) for passage in compared]
        evidence = [
            Evidence(sentence, passage, score)
            for passage, scores in zip(compared, of_sentences, strict=True)
            for sentence, score in zip(passage.sentences, scores, strict=True)
        ]
        return Findings(
            query=query,
            article=article,
            hits=tuple(sorted(hits, key=lambda hit: _order(hit.score, hit.passage.sentences[0]))),
            evidence=tuple(sorted(evidence, key=lambda each: _order(each.score, each.sentence))),
            keyword_score=max(keyword_scores.values(), default=0.0),
            similarities=similarities,
            rough=rough,
        )

    def vector(self, question: str) -> Vector | None:
        """Return the vector of a question; None where there is no packaged embedding model, or it is not loaded yet."""
        is_there = isinstance(self.embedder, SentenceEmbedder) and self.embedder.is_loaded
        return self._embedded(question)[0] if is_there else None

    def lacking(self, question: str, words: Collection[str], article: Article, other: Article) -> float:
        """Return by how much another article has a liker word than an article has to one of some words of a question.

        It is that of the word for which it is most, -1 to 1; 0 without an embedder of tokens.
        """
        _, tokens = self._embedded(question)
        if tokens is None:
            return 0.0
        here, there = (
            late_interaction.likeness(tokens, self._index.files.read(self._index.files.passages(each)))
            for each in (article, other)
        )
        places = [(start, end) for _, start, end in keyword_spans(question) if question[start:end].lower() in words]
        asked = [tokens.within(*place) for place in places]
        return max((float((there - here)[word].mean()) for word in asked if word), default=0.0)

    def similarities(self, text: str, passages: Sequence[Passage]) -> dict[str, float]:
        """Return the cosine similarity of a text and each sentence of some passages, by id.

        Nothing is told without an embedder of tokens.
        """
        if not isinstance(self.embedder, SentenceEmbedder):
            return {}
        vector, _ = self.embedder.embed_query_and_tokens(text)
        return _similarities(vector, passages, self._index.files.read(passages))

    def _embed(self, text: str) -> tuple[Vector | None, TokenVectors | None]:
        if isinstance(self.embedder, SentenceEmbedder):
            return self.embedder.embed_query_and_tokens(text)
        vector = None if self.embedder is None else self.embedder.embed_query(text)
        return (None if vector is None else np.asarray(vector, dtype=np.float32)), None

    def _within(self, query: str, article: str | None, today: datetime.date) -> Mapping[str, Article] | None:
        """Return the articles, by their keys, that are searched; None for all."""
        if article is not None:
            return {key: each for key, each in self._articles.items() if each.id == article}
        within = self._articles
        for fits in narrowed(query, today) if len(within) > 1 else ():
            # Where no article fits, the question means something else.
            within = {key: each for key, each in within.items() if fits(each)} or within
        return None if within is self._articles else within

    def _nearest(self, vector: Vector | None, within: Mapping[str, Article] | None) -> list[str]:
        """Return the ids of the passages that are nearest, best first."""
        if vector is None:
            return []
        few = self._articles if within is None else within
        if len(few) <= _FEW:
            return self._index.nearest_of(vector, few.values(), CANDIDATES)
        limit = CANDIDATES if within is None else min(_MOST, CANDIDATES * len(self._articles) // len(few))
        found = self._index.nearest(vector, limit)
        return [name for name in found if name.rpartition(":")[0] in few][:CANDIDATES]

    def _by_words(
        self, kind: str, words: Sequence[tuple[str, int, int]], within: Collection[str] | None
    ) -> dict[str, float]:
        """Return the scores of the places that keywords find, best first."""
        found = self._index.keywords.search(kind, [word for word, _, _ in words], CANDIDATES, within)
        return {place: found[place] for place in self._best_first(found)}

    def _best_first(self, scores: Mapping[str, float]) -> list[str]:
        """Return the places by falling score, of equal ones those of newer articles first, then as they stand there.

        While articles change, the index may hold versions that are not searched here: they are left out.
        """
        order = {}
        for place, score in scores.items():
            key, *where = _parsed(place)
            if article := self._articles.get(key):
                order[place] = -score, *_age(article), where
        return sorted(order, key=order.__getitem__)

    def _passage(self, name: str) -> Passage | None:
        key, start, _ = _parsed(name)
        return self._index.files.passage(self._articles[key], start)


def _parsed(place: str) -> tuple[str, int, int]:
    """Return the key of an article, where a passage starts in it, and the number of a sentence in that, or -1."""
    key, start, sentence = _PLACE.findall(place)[0]
    return key, int(start), int(sentence or -1)


def _age(article: Article) -> tuple[int, str]:
    return -(article.date.toordinal() if article.date else 0), article.id


def _order(score: float, sentence: Sentence) -> tuple[float, int, str, int]:
    # The same words have the same score but for rounding, wherever they stand.
    return -round(score, 6), *_age(sentence.article), sentence.start


def _similarities(
    vector: Vector, passages: Sequence[Passage], computed: Sequence[Computed], *, with_passages: bool = False
) -> dict[str, float]:
    """Return the cosine similarity of a vector and each sentence, by id, and each passage where that is wanted."""
    found = {}
    for passage, each in zip(passages, computed, strict=True):
        if with_passages:
            found[passage.id] = float(each.vector @ vector)
        # An embedder without token vectors has none for sentences.
        ids = (sentence.id for sentence in passage.sentences)
        found |= dict(zip(ids, (each.sentences @ vector).tolist(), strict=False))
    return found


def reciprocal_ranks(ranking: Iterable[str]) -> dict[str, float]:
    """Return 1 / (k + rank) for each key of a ranking, best first; ranks start at 1."""
    return {key: 1.0 / (RANK_CONSTANT + rank) for rank, key in enumerate(ranking, start=1)}


def fuse(*rankings: Mapping[str, float]) -> dict[str, float]:
    """Add up the reciprocal ranks of several rankings; a key that a ranking lacks gets nothing from it."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for key, score in ranking.items():
            scores[key] = scores.get(key, 0.0) + score
    return scores
