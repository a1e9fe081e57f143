"""Stemmed BM25 over the passages and sentences of articles, on disk: Tantivy finds, and what is found is scored anew.

Tantivy maps its files into memory, takes articles in and out one by one, and is as it was after whatever interrupts it.
It rounds the lengths of texts, so the best that it finds get the exact score (Lucene's BM25, k1 1.5, b 0.75). Its list
of articles is the list of what is indexed at all.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import Stemmer
from tantivy import Document, Index, IndexWriter, Occur, Query, SchemaBuilder

from assistant.articles import terms
from assistant.types import Passage

PASSAGES, SENTENCES = "passages", "sentences"

WordSpan = tuple[str, int, int]
"""The stem of a word, and where the word starts and ends in its text."""

_K1, _B = 1.5, 0.75
_WRITER_BYTES = 50_000_000
_STEMMER = Stemmer.Stemmer("english")
_WORD = re.compile(r"(?u)\b\w\w+\b")
_STOP = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this "
    "to was will with".split()
)


def keyword_spans(text: str) -> list[WordSpan]:
    """Return the stem of each word of a text that is no stop word, and where the word stands."""
    return [
        (_STEMMER.stemWord(word), match.start(), match.end())
        for match in _WORD.finditer(text)
        if (word := match[0].lower()) not in _STOP
    ]


def keywords_of(text: str) -> list[str]:
    """Return the stems of a text's words, without stop words."""
    return [word for word, _, _ in keyword_spans(text)]


class Keywords:
    """The words of articles; may be searched by several threads while one of them changes it."""

    def __init__(self, folder: Path | None) -> None:
        """Open what is in a folder, which is made where it is missing; without one all is in memory.

        Raises:
            OSError: there is no room.
            ValueError: what is there cannot be read.
        """
        builder = SchemaBuilder()
        builder.add_text_field("article", tokenizer_name="raw", index_option="basic")
        builder.add_text_field("kind", tokenizer_name="raw", index_option="basic")
        builder.add_text_field("words", stored=True, tokenizer_name="whitespace", index_option="freq")
        builder.add_text_field("stems", tokenizer_name="whitespace", index_option="basic")
        builder.add_text_field("place", stored=True, tokenizer_name="raw", index_option="basic")
        builder.add_integer_field("length", fast=True)
        self._schema = builder.build()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._index = Index(self._schema, path=None if folder is None else str(folder))
        self._index.config_reader("manual")
        self._writer: IndexWriter | None = None
        self._renew()

    def add(self, key: str, passages: Iterable[Passage]) -> None:
        """Put an article in, in the place of what is there of it; it is found from the next `commit` on."""
        self.remove(key)
        for passage in passages:
            self._put(key, PASSAGES, passage.text, passage.id, "")
            for number, sentence in enumerate(passage.sentences):
                stems = " ".join(terms.stems(sentence.text))
                self._put(key, SENTENCES, sentence.text, f"{passage.id}:{number}", stems)

    def remove(self, key: str) -> None:
        """Take an article out; it is found until the next `commit`."""
        self._open_writer().delete_documents_by_term("article", key)

    def commit(self) -> None:
        """Let what was added and removed count, on disk to the last byte.

        Raises:
            OSError: there is no room; then nothing counts.
        """
        try:
            self._open_writer().commit()
        except ValueError as error:
            self._writer = None  # It takes nothing more.
            raise OSError(f"the words cannot be written: {error}") from error
        self._renew()

    def settle(self) -> None:
        """Finish what goes on in the background, and need no memory to write until something changes again."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.wait_merging_threads()

    def close(self) -> None:
        """Let the files be opened by another process; what was not committed is lost."""
        if self._writer is not None:
            self._writer.rollback()
        self.settle()

    def articles(self) -> dict[str, int]:
        """Return how many passages there are of each article, by its key."""
        return dict(self._searcher.terms_with_prefix("article", "", self._term("kind", PASSAGES)))

    @property
    def passages(self) -> int:
        """How many passages there are."""
        return self._counts[PASSAGES]

    def passages_of(self, key: str) -> list[str]:
        """Return the ids of the passages of an article."""
        both = [(Occur.Must, self._term("article", key)), (Occur.Must, self._term("kind", PASSAGES))]
        hits = self._searcher.search(Query.boolean_query(both), max(1, self.passages), count=False).hits
        return [self._searcher.doc(address)["place"][0] for _, address in hits]

    def search(
        self, kind: str, keywords: Sequence[str], limit: int, within: Collection[str] | None = None
    ) -> dict[str, float]:
        """Return the BM25 scores above 0 by the place of the text, best first, of some articles where they are named.

        A place is the id of a passage, and of a sentence that of its passage, a colon, and its number in it.
        """
        known = [keyword for keyword in keywords if self._found(kind, "words", keyword)]
        if not known or (within is not None and not within):
            return {}
        any_of_them = Query.boolean_query([(Occur.Should, self._term("words", word)) for word in known])
        clauses = [(Occur.Must, any_of_them), (Occur.Must, self._free(self._term("kind", kind)))]
        if within is not None:
            clauses.append((Occur.Must, self._free(Query.term_set_query(self._schema, "article", list(within)))))
        searcher = self._searcher
        hits = searcher.search(Query.boolean_query(clauses), limit, count=False).hits
        weights = {word: times * self._weight(kind, "words", word) for word, times in Counter(known).items()}
        average = self._lengths[kind] / max(self._counts[kind], 1)
        scores = {}
        for _, address in hits:
            found = searcher.doc(address)
            words = found["words"][0].split()
            least = _K1 * (1 - _B + _B * len(words) / average)
            held = Counter(word for word in words if word in weights)
            scores[found["place"][0]] = sum(weights[word] * n / (n + least) for word, n in held.items())
        return dict(sorted(scores.items(), key=lambda found: (-found[1], found[0])))

    def rarity(self, keyword: str) -> float:
        """Return the inverse document frequency of a keyword over the sentences; most for one that none has."""
        return self._weight(SENTENCES, "words", keyword)

    def stem_rarity(self, stem: str) -> float:
        """Return the same of a stem as in `terms.stems`; one that no sentence has is as rare as one that one has."""
        count = self._counts[SENTENCES]
        return inverse_document_frequency(count, max(self._found(SENTENCES, "stems", stem), min(1, count)))

    def _put(self, key: str, kind: str, text: str, place: str, stems: str) -> None:
        words = keywords_of(text)
        document = Document(
            article=[key], kind=[kind], words=[" ".join(words)], stems=[stems], place=[place], length=[len(words)]
        )
        self._open_writer().add_document(document)

    def _open_writer(self) -> IndexWriter:
        if self._writer is None:
            self._writer = self._index.writer(heap_size=_WRITER_BYTES, num_threads=1)
        return self._writer

    def _renew(self) -> None:
        """Search what was committed last, from now on."""
        self._index.reload()
        self._searcher = self._index.searcher()
        self._counts = {kind: self._count("kind", kind) for kind in (PASSAGES, SENTENCES)}
        self._lengths = {kind: self._length(kind) for kind in (PASSAGES, SENTENCES)}
        # Asked for again and again, as long as nothing changes.
        self._found: Callable[[str, str, str], int] = functools.lru_cache(maxsize=100_000)(self._count_of_kind)

    def _weight(self, kind: str, field: str, word: str) -> float:
        return inverse_document_frequency(self._counts[kind], self._found(kind, field, word))

    def _count(self, field: str, word: str) -> int:
        return self._found_by(self._term(field, word))

    def _count_of_kind(self, kind: str, field: str, word: str) -> int:
        both = [(Occur.Must, self._term(field, word)), (Occur.Must, self._term("kind", kind))]
        return self._found_by(Query.boolean_query(both))

    def _found_by(self, query: Query) -> int:
        # Its types leave out that it counts.
        found: int = cast("Any", self._searcher.search(query, 1)).count
        return found

    def _length(self, kind: str) -> int:
        total = self._searcher.aggregate(self._term("kind", kind), {"total": {"sum": {"field": "length"}}})
        return int(total["total"]["value"] or 0)

    def _term(self, field: str, word: str) -> Query:
        return Query.term_query(self._schema, field, word, index_option="basic" if field != "words" else "freq")

    @staticmethod
    def _free(query: Query) -> Query:
        """Return a query that adds nothing to a score."""
        return Query.const_score_query(query, 0.0)


def inverse_document_frequency(texts: int, found: int) -> float:
    """Return how rare is what `found` of so many texts hold, as in BM25: above 0, less the more hold it."""
    return math.log(1 + (texts - found + 0.5) / (found + 0.5))
