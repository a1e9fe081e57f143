"""What the embedder made of each article, in a file a version: computed once, then read whenever somebody asks.

    4 bytes     how long the head is, and 4 bytes its checksum
    the head    JSON: of each passage where its sentences stand, which tokens are theirs, and where its part begins
    the parts   of each passage its vector, its sentences' when each is read alone, its tokens' in a byte a number

A file is a cache: one that is missing, cut short, damaged or of another article is made anew from the article's text,
and nothing of it is believed before its checksum fits. Where there is no folder, nothing is kept but for a while.
"""

from __future__ import annotations

import functools
import itertools
import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from assistant.articles import passages as splitter
from assistant.articles.annotated import annotated
from assistant.files import sha256, write_whole
from assistant.search.embedder import SentenceEmbedder, TokenVectors, Vector, Vectors
from assistant.types import Article, Passage, Sentence

_KEPT = 200
"""Of so many articles the places of passages stay in memory, and what had to be computed for a question."""
_HEAD = struct.Struct("<II")
_UNREADABLE = (OSError, ValueError, KeyError, struct.error)
_MOST = 127
"""The largest number in the byte of a token's vector."""


class NamedEmbeddings(Protocol):
    """What is needed of an embedder; vectors of one name are never taken for those of another."""

    name: str

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector a text, in the order of the texts."""
        ...


@dataclass(frozen=True, slots=True)
class Computed:
    """What the embedder made of a passage."""

    vector: Vector
    sentences: Vectors
    """One row a sentence, of length 1: its vector when it is read alone. No row where the embedder knows no tokens."""
    tokens: np.ndarray
    """One row a token, in whole numbers; each row has its scale."""
    scales: np.ndarray
    parts: tuple[slice, ...]
    """Which tokens are those of each sentence; none where it is beyond what the embedder reads."""

    @classmethod
    def of_vector(cls, vector: Vector, sentences: int) -> Computed:
        """Return what an embedder makes that knows no tokens."""
        nothing = np.zeros((0, len(vector)), dtype=np.float32)
        return cls(vector, nothing, nothing, nothing[:, 0], (slice(0, 0),) * sentences)

    def to_bytes(self) -> bytes:
        """Return it with its checksum in front; `parts` stand in the head."""
        arrays = (
            self.vector.astype("<f4"),
            self.sentences.astype("<f2"),
            self.scales.astype("<f4"),
            self.tokens.astype(np.int8),
        )
        body = b"".join(array.tobytes() for array in arrays)
        return struct.pack("<I", zlib.crc32(body)) + body


@dataclass(frozen=True, slots=True)
class _Part:
    """Where in its file a passage is. Of most articles one passage is wanted, and the others are not made."""

    spans: Sequence[tuple[int, int, int, int]]
    """Of each sentence where it starts and ends, and its first token and the one after its last."""
    tokens: int
    sentences: int
    """How many of them have a vector."""
    place: int
    size: int
    """In bytes, with its checksum."""

    def passage_of(self, article: Article) -> Passage:
        """Return the passage of the article whose file it is."""
        return Passage(tuple(Sentence(article, start, end) for start, end, _, _ in self.spans))

    def read(self, file: BinaryIO) -> Computed:
        """Return what is there of the passage.

        Raises:
            ValueError: it is damaged.
        """
        file.seek(self.place)
        content = file.read(self.size)
        if len(content) != self.size or zlib.crc32(content[4:]) != int.from_bytes(content[:4], "little"):
            raise ValueError("the checksum does not fit")
        # All vectors are as wide: of the passage 4 bytes a number, of sentences 2, of tokens 1.
        width = (self.size - 4 - 4 * self.tokens) // (4 + 2 * self.sentences + self.tokens)
        place = itertools.accumulate((4, 4 * width, 2 * width * self.sentences, 4 * self.tokens))
        return Computed(
            np.frombuffer(content, "<f4", width, next(place)),
            np.frombuffer(content, "<f2", width * self.sentences, next(place)).astype("<f4").reshape(-1, width),
            scales=np.frombuffer(content, "<f4", self.tokens, next(place)),
            tokens=np.frombuffer(content, np.int8, width * self.tokens, next(place)).reshape(-1, width),
            parts=tuple(slice(first, last) for _, _, first, last in self.spans),
        )


class ArticleFiles:
    """What was computed of articles; may be read and written by several threads and processes."""

    def __init__(self, folder: Path | None, embedder: NamedEmbeddings | None) -> None:
        """Take the folder, which need not be there, and what computes; without an embedder there are passages alone."""
        self._folder = folder
        self.embedder = embedder
        self._head = functools.lru_cache(maxsize=_KEPT)(self._head_read)
        self._computed = functools.lru_cache(maxsize=_KEPT)(self._computed_now)

    def passages(self, article: Article) -> list[Passage]:
        """Return the passages of an article, in reading order."""
        try:
            return [part.passage_of(article) for part in self._head(article).values()]
        except _UNREADABLE:
            return annotated(article).passages

    def passage(self, article: Article, start: int) -> Passage | None:
        """Return the passage of an article that starts there; None where none does."""
        try:
            part = self._head(article).get(start)
        except _UNREADABLE:
            return next((passage for passage in annotated(article).passages if passage.start == start), None)
        return part.passage_of(article) if part else None

    def read(self, wanted: Sequence[Passage]) -> list[Computed]:
        """Return what was computed of passages, in their order; what is not there, or damaged, is computed now.

        Raises:
            Exception: whatever the embedder raises.
        """
        found: dict[tuple[str, int], Computed] = {}
        for article in dict.fromkeys(passage.article for passage in wanted):
            starts = [passage.start for passage in wanted if passage.article is article]
            try:
                computed = self._parts_read(article, starts)
            except _UNREADABLE:
                everything = {
                    p.start: c for p, c in zip(annotated(article).passages, self._computed(article), strict=True)
                }
                computed = [everything[start] for start in starts]
            found |= {(article.id, start): each for start, each in zip(starts, computed, strict=True)}
        return [found[passage.article.id, passage.start] for passage in wanted]

    def has(self, article: Article) -> bool:
        """Whether there is a file of this very version; whether it is whole is seen when it is read."""
        return self._folder is not None and self._file(article).is_file()

    def compute(self, article: Article) -> None:
        """Compute an article, and write its file.

        Raises:
            OSError: there is no room for it.
            Exception: whatever the embedder raises.
        """
        self._write(article, _computed_of(annotated(article).passages, self.embedder))

    def forget(self, key: str) -> None:
        """Delete the file of an article, by its key; it need not be there."""
        if self._folder is not None:
            _place(self._folder, key).unlink(missing_ok=True)

    def _computed_now(self, article: Article) -> list[Computed]:
        """Compute an article for a question that waits, and write its file if there is room."""
        computed = _computed_of(annotated(article).passages, self.embedder)
        with suppress(OSError):
            self._write(article, computed)
        return computed

    def _head_read(self, article: Article) -> dict[int, _Part]:
        """Return where the passages are in their file, by where they start in the article, in reading order.

        Raises:
            OSError, ValueError, struct.error: there is none, or it is damaged.
        """
        with self._file(article).open("rb") as file:
            length, checksum = _HEAD.unpack(file.read(_HEAD.size))
            head = file.read(length)
        if zlib.crc32(head) != checksum:
            raise ValueError("the checksum does not fit")
        key, listed = json.loads(head)
        if key != key_of(article):
            raise ValueError("it is of another article")
        place, parts = _HEAD.size + length, dict[int, _Part]()
        for spans, tokens, sentences, size in listed:
            parts[spans[0][0]] = _Part(spans, tokens, sentences, place, size)
            place += size
        return parts

    def _parts_read(self, article: Article, starts: Iterable[int]) -> list[Computed]:
        """Return what the file of an article holds of the passages that start there.

        Raises:
            OSError, ValueError, struct.error, KeyError: there is none, or it is damaged.
        """
        parts = self._head(article)
        with self._file(article).open("rb") as file:
            return [parts[start].read(file) for start in starts]

    def _write(self, article: Article, computed: Sequence[Computed]) -> None:
        if self._folder is None:
            return
        bodies = [each.to_bytes() for each in computed]
        listed = [
            (
                [
                    (s.start, s.end, part.start, part.stop)
                    for s, part in zip(passage.sentences, each.parts, strict=True)
                ],
                len(each.tokens),
                len(each.sentences),
                len(body),
            )
            for passage, each, body in zip(annotated(article).passages, computed, bodies, strict=True)
        ]
        head = json.dumps((key_of(article), listed), separators=(",", ":")).encode()
        file = self._file(article)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, b"".join([_HEAD.pack(len(head), zlib.crc32(head)), head, *bodies]))

    def _file(self, article: Article) -> Path:
        if self._folder is None:
            raise FileNotFoundError("nothing is kept")
        return _place(self._folder, key_of(article))


def key_of(article: Article) -> str:
    """Return what names an article in this very version."""
    return f"{article.id}@{article.version}"


def recipe(embedder: str) -> str:
    """Return how passages become vectors, in a line: what was made in another way is never read."""
    sources = b"".join(Path(file).read_bytes() for file in (splitter.__file__, __file__))
    return f"splitter and files {sha256(sources)[:16]}, embedder {embedder}"


def _place(folder: Path, key: str) -> Path:
    # Among so many a folder of its own for each is quicker to look through, and an id may hold any letter.
    name = sha256(key)[:32]
    return folder / name[:2] / name[2:]


def _computed_of(found: Sequence[Passage], embedder: NamedEmbeddings | None) -> list[Computed]:
    """Return what the embedder makes of passages; equal texts are read once."""
    if embedder is None:
        raise RuntimeError("there is no embedder to compute with")
    texts = list(dict.fromkeys(passage.text for passage in found))
    if not isinstance(embedder, SentenceEmbedder):
        vectors = dict(zip(texts, np.asarray(embedder.embed_documents(texts), dtype=np.float32), strict=True))
        return [Computed.of_vector(vectors[passage.text], len(passage.sentences)) for passage in found]
    read = embedder.read({*texts, *(sentence.text for passage in found for sentence in passage.sentences)})
    computed = []
    for passage in found:
        vector, tokens = read[passage.text]
        codes, scales = _in_bytes(tokens.vectors)
        alone = np.stack([read[sentence.text][0] for sentence in passage.sentences])
        computed.append(Computed(vector, alone, codes, scales, _parts(passage, tokens)))
    return computed


def _in_bytes(vectors: Vectors) -> tuple[np.ndarray, np.ndarray]:
    """Return rows in whole numbers of a byte, and the scale of each."""
    scales = np.abs(vectors).max(axis=1, initial=1e-9) / _MOST
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales.astype(np.float32)


def _parts(passage: Passage, tokens: TokenVectors) -> tuple[slice, ...]:
    parts = []
    for sentence in passage.sentences:
        own = tokens.within(sentence.start - passage.start, sentence.end - passage.start)
        parts.append(slice(own[0], own[-1] + 1) if own else slice(0, 0))
    return tuple(parts)


def keys_of(articles: Iterable[Article]) -> dict[str, Article]:
    """Return the articles by what names them in their versions."""
    return {key_of(article): article for article in articles}
