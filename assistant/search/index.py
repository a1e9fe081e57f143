"""The index of the articles: their words, their vectors, and which passages are near a vector.

The article files are the record; the index is a cache that can be rebuilt from them at any time. An article is taken up
in three steps, each of which may be done again: its words are put in place, what the embedder makes of it is written
to a file of its own, and its vectors are given to Chroma, which lies in the same folder or on a server that is shared.
It counts as indexed when the first and the last are there; whatever was interrupted before is done anew.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assistant.articles import terms
from assistant.articles.passages import passages
from assistant.articles.reading import Corpus
from assistant.errors import ConfigurationError
from assistant.files import Progress, sha256, silent
from assistant.search import collection as chroma
from assistant.search import keywords
from assistant.search.article_files import ArticleFiles, NamedEmbeddings, key_of, keys_of, recipe
from assistant.search.collection import client_of, made, named_errors, works
from assistant.search.embedder import Vector
from assistant.search.index_files import CHROMA, KEYWORDS, damaged, is_sealed, lock, seal, unseal
from assistant.search.index_server import STAMP_SECONDS, connected, known_collection, shared_collection, stamp_use
from assistant.search.keywords import Keywords
from assistant.types import Article

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection as Vectors

logger = logging.getLogger(__name__)

_AT_ONCE = 30
"""So many articles are put in use together, since Chroma and the words take a moment each time."""
_BYTES_AN_ARTICLE = 1_000_000
"""Disk that an article of the usual length takes while it is indexed, and some to spare."""
_BYTES_AT_LEAST = 30_000_000

READING = "Reading the articles"
"""What progress is told of taking up articles."""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What is in an index, and what it took to bring it there since it was opened."""

    fingerprint: str
    """SHA-256, in hexadecimal, of the articles and of how they are indexed."""
    articles: int
    passages: int
    embedded: int
    """Passages that the embedder read; 0 when nothing changed."""


@dataclass(slots=True, eq=False)
class Index:
    """An open index; close it to release the folder."""

    keywords: Keywords
    files: ArticleFiles
    vectors: Vectors | None = None
    """Chroma's; None where there is no embedder, or nothing is kept."""
    held: set[str] = field(default_factory=set)
    """The keys of the articles that are indexed."""
    found: set[str] = field(default_factory=set)
    """The keys of those whose words are in place: where Chroma failed there may be more."""
    embedded: int = 0
    is_shared: bool = False
    """Whether Chroma is on a server."""
    resources: ExitStack = field(default_factory=ExitStack)
    stamped: float = field(default_factory=time.monotonic)
    """When the collection on a server was last marked as in use."""

    @classmethod
    def in_memory(cls, articles: Sequence[Article], embedder: NamedEmbeddings | None) -> Index:
        """Return an index of these articles that keeps nothing, and finds by words alone."""
        index = cls(Keywords(None), ArticleFiles(None, embedder))
        index.take_up(articles)
        return index

    @property
    def report(self) -> IndexReport:
        """What is in it."""
        made_by = self.files.embedder.name if self.files.embedder else ""
        fingerprint = sha256("\n".join([recipe(made_by), *sorted(self.held)]))
        return IndexReport(fingerprint, len(self.held), self.keywords.passages, self.embedded)

    def part_of(self, corpus: Corpus) -> Corpus:
        """Return the part of a corpus that can be found: whose words are in place; the others are unread."""
        part = tuple(article for article in corpus.articles if key_of(article) in self.found)
        unread = frozenset(article.id for article in corpus.articles) - {article.id for article in part}
        return replace(corpus, articles=part, unread=unread) if unread else corpus

    def take_up(self, articles: Sequence[Article], progress: Progress = silent) -> None:
        """Index those of the articles that are not.

        Raises:
            Exception: whatever went wrong; what was indexed before is.
        """
        for done, total in self.taking_up(articles):
            progress(READING, done, total)

    def taking_up(self, articles: Sequence[Article]) -> Iterator[tuple[int, int]]:
        """Index those of the articles that are not, some at a time; yield how many are, and how many are to be.

        Raises:
            Exception: as `take_up`.
        """
        wanted = {key: article for key, article in keys_of(articles).items() if key not in self.held}
        rest, done = iter(wanted.items()), 0
        while some := dict(islice(rest, _AT_ONCE)):
            self._take_up(some)
            done += len(some)
            yield done, len(wanted)
        self.keywords.settle()

    def forget_others(self, articles: Sequence[Article]) -> None:
        """Take out all other articles.

        Raises:
            Exception: whatever went wrong; it can be done again.
        """
        others = self.found - keys_of(articles).keys()
        names = {key: self.keywords.passages_of(key) for key in others}
        self.held -= others
        self.found -= others
        for key in others:
            self.keywords.remove(key)
        if others:
            self.keywords.commit()
            self.keywords.settle()
        for key in others:
            # Other machines may still search a collection that is shared.
            if self.vectors is not None and not self.is_shared:
                chroma.remove(self.vectors, names[key])
            self.files.forget(key)

    def nearest(self, vector: Vector, limit: int) -> list[str]:
        """Return the ids of the passages that are nearest to a vector, best first, also of articles that are gone."""
        if self.vectors is None or not (count := self.keywords.passages):
            return []
        if self.is_shared and time.monotonic() - self.stamped > STAMP_SECONDS:
            self.stamped = time.monotonic()
            stamp_use(self.vectors)
        return chroma.nearest(self.vectors, vector, min(limit, count))

    def nearest_of(self, vector: Vector, articles: Collection[Article], limit: int) -> list[str]:
        """Return the same of some articles, compared passage by passage."""
        if self.vectors is None:
            return []
        found = [passage for article in articles for passage in self.files.passages(article)]
        similarities = [float(computed.vector @ vector) for computed in self.files.read(found)]
        return [found[number].id for number in np.argsort(np.negative(similarities), kind="stable")[:limit]]

    def close(self) -> None:
        """Close it and let another process use the folder; closing twice does nothing."""
        self.resources.close()

    def _take_up(self, wanted: dict[str, Article]) -> None:
        for key, article in wanted.items():
            self.keywords.add(key, self.files.passages(article))
        self.keywords.commit()
        self.found |= wanted.keys()
        if self.vectors is not None:
            for article in wanted.values():
                if not self.files.has(article):
                    self.files.compute(article)
                    self.embedded += len(self.files.passages(article))
            found = [passage for article in wanted.values() for passage in self.files.passages(article)]
            names = [passage.id for passage in found]
            chroma.add(self.vectors, names, [computed.vector for computed in self.files.read(found)])
        self.held |= wanted.keys()


def open_index(  # noqa: PLR0913 - each says where, what or how
    articles: Sequence[Article],
    embedder: NamedEmbeddings,
    folder: Path,
    url: str = "",
    progress: Progress = silent,
    *,
    at_once: bool = False,
) -> Index:
    """Open the index in `folder`, its vectors there or on the Chroma server at `url`, and bring it up to the articles.

    Where it is wanted at once, nothing is taken up but what cannot be done without, the first article, and nothing is
    taken out: `part_of` returns what is there.

    Raises:
        IndexLockedError: another process uses the folder.
        ConfigurationError: the folder cannot be written, or the server does not answer.
    """
    with named_errors(url or str(folder), shared=bool(url)), ExitStack() as resources:
        client = connected(url, resources) if url else None
        resources.callback(lock(folder).release)
        place = folder / place_of(embedder.name)
        _tidy(folder, place)
        for path in damaged(place):
            logger.warning("%s has changed or is missing, and what it belongs to is built anew", path)
            shutil.rmtree(place / path.relative_to(place).parts[0], ignore_errors=True)
        if not is_sealed(place) and (place / CHROMA).exists() and not works(place / CHROMA):
            logger.warning("The index of vectors is damaged and is built anew")
            shutil.rmtree(place / CHROMA)
        unseal(place)
        resources.callback(_seal, place)
        index = Index(_keywords(place / KEYWORDS), ArticleFiles(place / "articles", embedder))
        resources.callback(index.keywords.close)
        _open_vectors(index, articles, client, place / CHROMA, resources)
        check_room(folder, len(keys_of(articles).keys() - index.held))
        if not at_once:
            index.take_up(articles, progress)
            index.forget_others(articles)
        elif index.held.isdisjoint(keys_of(articles)):
            index.take_up(articles[:1], progress)
        index.resources = resources.pop_all()
        return index


def place_of(embedder: str) -> str:
    """Return the name of the folder for what is made with an embedder, by this code and these libraries."""
    # Another release may read its own files in another way.
    releases = ", ".join(f"{name} {metadata.version(name)}" for name in ("chromadb", "tantivy", "pystemmer"))
    words = b"".join(Path(str(module.__file__)).read_bytes() for module in (keywords, terms))
    return sha256(f"{recipe(embedder)}, {releases}".encode() + words)[:16]


def check_room(folder: Path, articles: int) -> None:
    """See whether there is room for so many more articles.

    Raises:
        ConfigurationError: there is not.
    """
    need = _BYTES_AT_LEAST + _BYTES_AN_ARTICLE * articles
    free = shutil.disk_usage(folder).free
    if articles and free < need:
        raise ConfigurationError(
            f"The index needs about {need / 1e6:.0f} MB, and {folder} has {free / 1e6:.0f} MB",
            "make room there, or set ASSISTANT_DATA to another folder",
        )


def _tidy(folder: Path, place: Path) -> None:
    """Delete what was made in another way, by an earlier release too, and what was interrupted."""
    place.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and path != place:
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_file() and not path.name.startswith("index."):
            path.unlink()
    for path in place.rglob(".*.partial"):
        path.unlink()


def _keywords(place: Path) -> Keywords:
    """Open the words of a folder, anew where what is there cannot be read."""
    try:
        return Keywords(place)
    except ValueError as error:
        logger.warning("The index of words is damaged and is built anew: %s", error)
        shutil.rmtree(place)
        return Keywords(place)


def _open_vectors(
    index: Index, articles: Sequence[Article], client: Client | None, database: Path, resources: ExitStack
) -> None:
    """Open the vectors, and note which articles are indexed: those with words and with all their vectors."""
    known = index.keywords.articles()
    index.found = set(known)
    if client is not None:
        index.is_shared = True
        names = {key: [p.id for p in index.files.passages(article)] for key, article in keys_of(articles).items()}
        every = [name for of_article in names.values() for name in of_article]
        index.vectors = shared_collection(client, every, database.parent.name)
        there = chroma.held(index.vectors, every)
        index.held = {key for key, some in names.items() if key in known and there.issuperset(some)}
        return
    database.mkdir(exist_ok=True)
    index.vectors = made(client_of(database, resources))
    there = chroma.held(index.vectors)
    counts = Counter(name.rpartition(":")[0] for name in there)
    index.held = {key for key, count in known.items() if counts[key] == count}
    chroma.remove(index.vectors, [name for name in there if name.rpartition(":")[0] not in known])


def _seal(place: Path) -> None:
    with suppress(OSError):  # Then the next start tries it.
        seal(place)


# What is wrong with it, found without opening it


def differences(articles: Sequence[Article], embedder: str, folder: Path) -> list[str] | None:
    """Return why the index in a folder is not that of these articles; None where there is none at all."""
    place = folder / place_of(embedder)
    if not (place / KEYWORDS).is_dir():
        others = folder.is_dir() and any((other / KEYWORDS).is_dir() for other in folder.iterdir())
        return ["it was built with another embedding model, splitter, or release of a library"] if others else None
    indexed = dict(key.rsplit("@", 1) for key in Keywords(place / KEYWORDS).articles())
    wanted = {article.id: article.version for article in articles}
    changed = {article for article in wanted.keys() & indexed.keys() if wanted[article] != indexed[article]}
    added, gone = wanted.keys() - indexed.keys(), indexed.keys() - wanted.keys()
    found = {"added": added, "taken away": gone, "changed": changed}
    return [f"the article {article} was {what}" for what, those in found.items() for article in sorted(those)]


def damage(embedder: str, folder: Path, trial: Path) -> list[str]:
    """Return what is wrong with a closed index, each in a few words; a copy of its database is tried at `trial`.

    Raises:
        OSError: there is no room for the copy.
    """
    place = folder / place_of(embedder)
    if found := damaged(place):
        return [f"{path} {'has changed' if path.is_file() else 'is missing'}" for path in found]
    if not (place / CHROMA).is_dir():
        return []
    shutil.copytree(place / CHROMA, trial, dirs_exist_ok=True)
    size = Keywords(place / KEYWORDS).passages
    return [] if works(trial, size) else [f"Chroma cannot search {place / CHROMA}"]


def check_server(articles: Sequence[Article], embedder: str, url: str) -> bool:
    """Return whether a Chroma server has a collection of these articles at all.

    Raises:
        ConfigurationError: it does not answer, or the collection has not all of their vectors.
    """
    with named_errors(url, shared=True), ExitStack() as resources:
        names = [passage.id for article in articles for passage in passages(article)]
        collection = known_collection(connected(url, resources), names, place_of(embedder))
        if collection is not None and len(chroma.held(collection, names)) < len(names):
            raise ConfigurationError(
                f"The server at {url} has no whole index of these articles", "run python -m assistant index"
            )
        return collection is not None
