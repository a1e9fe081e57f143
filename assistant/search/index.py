"""The meaning of every passage, in Chroma: in a folder of this machine, or on a server that is shared.

The article files are the record; the index is a cache that can be rebuilt from them at any time. In a folder a database
is built aside, sealed with checksums, tried by a child process, and put in use in one step. What is opened is a copy of
it; where few articles changed since it was sealed, the copy is changed into them, so that no interruption can spoil
what is sealed. Knows nothing of keywords or ranking.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from assistant.articles.passages import passages
from assistant.errors import ConfigurationError
from assistant.search import index_files
from assistant.search.collection import (
    client_of,
    collection_of,
    fill,
    fingerprint,
    holds,
    made,
    named_errors,
    recipe,
    works,
)
from assistant.search.index_files import Sealed
from assistant.search.index_server import STAMP_SECONDS, connected, leave, open_on_server, stamp_use
from assistant.search.vectors import NamedEmbeddings, Progress, forget_others, vectors_of
from assistant.types import Article, Passage

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

logger = logging.getLogger(__name__)

VECTORS = "vectors.sqlite"
_FEW_CHANGES = 0.1
"""Of the sealed articles at most this share may have changed, or a new database is built."""
_BYTES_A_PASSAGE = 16_000
"""Disk that a passage takes while it is indexed: its vector, graph and SQLite, their copy, and some to spare."""
_BYTES_AT_LEAST = 30_000_000
_FEW = 40
"""An article with less than this part of all passages is compared passage by passage: the graph has to pass over all
others to find those of one article, and to fetch a vector takes as long as to pass over so many. Chroma looks at every
passage as well to find those of an article, so they are fetched by their names."""


def _silent(done: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What opening the index had to do."""

    fingerprint: str
    articles: int
    passages: int
    embedded: int
    """Texts whose vector was computed now; 0 when nothing changed."""


@dataclass(slots=True, eq=False)
class VectorIndex:
    """An open index; close it to release the folder, and with it every one that was made of this one."""

    articles: Mapping[str, Article]
    """By their ids."""
    report: IndexReport
    collection: Collection
    embedder: NamedEmbeddings
    folder: Path
    client: Client | None
    """Of the Chroma server, where the index is kept on one."""
    resources: ExitStack
    """To close the client and release the lock."""
    stamped: float = field(default_factory=time.monotonic, init=False)
    """When a server was told last that the collection is in use."""

    def search(self, vector: list[float], limit: int, article: str | None = None) -> dict[str, float]:
        """Return the cosine similarity of the nearest passages by id, best first, of one article where one is named."""
        if self.client and time.monotonic() - self.stamped > STAMP_SECONDS:
            self.stamped = time.monotonic()
            stamp_use(self.collection)
        if article:
            if article not in self.articles:
                return {}
            names = _names_of_passages(self.articles[article])
            if len(names) * _FEW < self.report.passages:
                return self._compared(vector, names, limit)
        if not self.report.passages:
            return {}
        found = self.collection.query(
            query_embeddings=[vector],  # type: ignore[arg-type]
            n_results=min(limit, self.report.passages),
            where={"article": article} if article else None,
            include=["distances"],
        )
        distances = (found["distances"] or [[]])[0]
        return {passage: 1.0 - distance for passage, distance in zip(found["ids"][0], distances, strict=True)}

    def of_others(self, articles: Sequence[Article]) -> VectorIndex:
        """Return an index of other articles; this one can be searched as before until it gives way.

        Raises:
            Exception: whatever Chroma raises where there is no room, or the server does not answer.
        """
        collection = self.collection
        if self.client:
            # Other processes share the collection, which stays as it is.
            collection, embedded = open_on_server(articles, self.embedder, self.client, _silent)
        else:
            new = [passage for article in articles if not self.has(article) for passage in passages(article)]
            embedded = _add(collection, new, self.embedder, self.folder, _silent)
            if sealed := index_files.current(self.folder):
                index_files.switch(self.folder, replace(sealed, latest=_digests(articles)))
        report = _report(articles, self.embedder, embedded)
        return replace(self, articles=_by_id(articles), report=report, collection=collection)

    def give_way_to(self, other: VectorIndex) -> None:
        """Let go of what is searched here and not there; this one is searched no more.

        Raises:
            Exception: as for `of_others`.
        """
        if self.client:
            if other.report.fingerprint != self.report.fingerprint:
                leave(self.collection)
            return
        for article in self.articles.values():
            if not other.has(article):
                self.collection.delete(ids=_names_of_passages(article))

    def has(self, article: Article) -> bool:
        """Whether this very version of an article is searched here."""
        known = self.articles.get(article.id)
        return known is not None and known.version == article.version

    def close(self) -> None:
        """Close the database and let another process use the folder; closing twice does nothing."""
        self.resources.close()

    def _compared(self, vector: list[float], names: list[str], limit: int) -> dict[str, float]:
        """Return the cosine similarity of the nearest of the passages with these ids, best first."""
        stored = self.collection.get(ids=names, include=["embeddings"])
        vectors = np.asarray(stored["embeddings"], dtype=np.float32).reshape(-1, len(vector))
        similarities = vectors @ vector / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(vector))
        best = np.argsort(-similarities, kind="stable")[:limit]
        return {stored["ids"][number]: float(similarities[number]) for number in best}


@lru_cache(maxsize=1000)
def _names_of_passages(article: Article) -> list[str]:
    return [passage.id for passage in passages(article)]


def _by_id(articles: Iterable[Article]) -> dict[str, Article]:
    return {article.id: article for article in articles}


def _report(articles: Sequence[Article], embedder: NamedEmbeddings, embedded: int) -> IndexReport:
    count = sum(len(_names_of_passages(article)) for article in articles)
    return IndexReport(fingerprint(articles, embedder.name), len(articles), count, embedded)


def open_index(
    articles: Sequence[Article], embedder: NamedEmbeddings, folder: Path, url: str = "", progress: Progress = _silent
) -> VectorIndex:
    """Open the index of these articles, in `folder` or on the Chroma server at `url`; build what is missing.

    Raises:
        IndexLockedError: another process uses the folder.
        ConfigurationError: the folder cannot be written, or the server does not answer.
    """
    with named_errors(url or str(folder), shared=bool(url)), ExitStack() as resources:
        client = connected(url, resources) if url else None
        if client:
            collection, embedded = open_on_server(articles, embedder, client, progress)
        else:
            collection, embedded = _open_in_folder(articles, embedder, folder, progress, resources)
        report = _report(articles, embedder, embedded)
        return VectorIndex(_by_id(articles), report, collection, embedder, folder, client, resources.pop_all())


def differences(articles: Iterable[Article], embedder: str, sealed: Sealed) -> list[str]:
    """Return why the index is not that of these articles, each in a few words; nothing when it is."""
    if sealed.recipe != _recipe(embedder):
        return ["it was built with another embedding model, splitter, schema or release of Chroma"]
    wanted, indexed = _digests(articles), sealed.latest
    changed = {article for article in wanted.keys() & indexed.keys() if wanted[article] != indexed[article]}
    added, gone = wanted.keys() - indexed.keys(), indexed.keys() - wanted.keys()
    found = {"added": added, "taken away": gone, "changed": changed}
    return [f"the article {article} was {what}" for what, those in found.items() for article in sorted(those)]


def damage(folder: Path, sealed: Sealed, place: Path) -> list[str]:
    """Return what is wrong with a sealed database, each in a few words; nothing when it can be searched.

    Its files must be as they were sealed, and enough of a sample of its passages be found by itself. What is tried is a
    copy at `place`, so another process may have the index open.

    Raises:
        OSError: there is no room for the copy.
    """
    if found := index_files.copy_out(folder, sealed, place):
        return found
    return [] if works(place, sealed.passages) else [f"Chroma cannot search {folder / sealed.name}"]


# In a folder


def _open_in_folder(
    articles: Sequence[Article], embedder: NamedEmbeddings, folder: Path, progress: Progress, resources: ExitStack
) -> tuple[Collection, int]:
    """Return a collection of these articles, and how many texts had to be embedded for it."""
    resources.callback(index_files.lock(folder).release)
    index_files.tidy(folder)
    opened, embedded = _open_copy(articles, embedder, folder, progress, resources), 0
    if opened is None:
        embedded = _build(articles, embedder, folder, progress)
        index_files.tidy(folder)
        opened = _open_copy(articles, embedder, folder, progress, resources)
    if opened is None:
        raise RuntimeError("the index that was just built cannot be opened")
    collection, embedded_for_changes = opened
    return collection, embedded + embedded_for_changes


def _open_copy(
    articles: Sequence[Article], embedder: NamedEmbeddings, folder: Path, progress: Progress, resources: ExitStack
) -> tuple[Collection, int] | None:
    """Open a copy of what is sealed, changed into these articles; None where a database has to be built for them."""
    sealed, wanted = index_files.current(folder), _digests(articles)
    if sealed is None or sealed.recipe != _recipe(embedder.name):
        return None
    changed = {name for name, _ in sealed.articles.items() ^ wanted.items()}
    if len(changed) > _FEW_CHANGES * len(sealed.articles):
        return None
    with ExitStack() as opened:
        place = Path(opened.enter_context(TemporaryDirectory(dir=folder, prefix="open-", ignore_cleanup_errors=True)))
        if found := index_files.copy_out(folder, sealed, place):
            logger.warning("The index is damaged and will be built anew: %s", "; ".join(found))
            return None
        collection = collection_of(client_of(place, opened))
        new = [passage for article in articles if article.id in changed for passage in passages(article)]
        embedded = 0
        if changed:
            collection.delete(where={"article": {"$in": sorted(changed)}})  # type: ignore[dict-item]
            embedded = _add(collection, new, embedder, folder, progress)
        if not holds(collection, new):
            logger.warning("The index does not find what was added to it and will be built anew")
            return None
        if sealed.latest != wanted:
            index_files.switch(folder, replace(sealed, latest=wanted))
        resources.callback(opened.pop_all().close)
        return collection, embedded


def _add(
    collection: Collection, new: Sequence[Passage], embedder: NamedEmbeddings, folder: Path, progress: Progress
) -> int:
    """Add passages to an open collection; return how many texts had to be embedded."""
    vectors, embedded = vectors_of((passage.text for passage in new), folder / VECTORS, embedder, progress)
    fill(collection, new, vectors)
    return embedded


def _build(articles: Sequence[Article], embedder: NamedEmbeddings, folder: Path, progress: Progress) -> int:
    """Build a database aside, seal it, try it and put it in use; return how many texts had to be embedded."""
    wanted = [passage for article in articles for passage in passages(article)]
    _check_room(folder, len(wanted))
    texts = {passage.text for passage in wanted}
    vectors, embedded = vectors_of(texts, folder / VECTORS, embedder, progress)
    with TemporaryDirectory(dir=folder, prefix="building-", ignore_cleanup_errors=True) as place:
        building, trial = Path(place, "database"), Path(place, "trial")
        with ExitStack() as resources:
            fill(made(client_of(building, resources), len(wanted)), wanted, vectors)
        name, files = index_files.seal(building, folder)
        digests = _digests(articles)
        sealed = Sealed(name, _recipe(embedder.name), len(wanted), digests, digests, files)
        if found := damage(folder, sealed, trial):
            raise RuntimeError(f"the index that was just built does not work: {'; '.join(found)}")
    index_files.switch(folder, sealed)
    forget_others(texts, folder / VECTORS, embedder.name)
    return embedded


def _check_room(folder: Path, passages_to_write: int) -> None:
    need = _BYTES_AT_LEAST + _BYTES_A_PASSAGE * passages_to_write
    free = shutil.disk_usage(folder).free
    if free < need:
        raise ConfigurationError(
            f"The index needs about {need / 1e6:.0f} MB, and {folder} has {free / 1e6:.0f} MB: "
            "make room there, or set ASSISTANT_DATA to another folder"
        )


def _digests(articles: Iterable[Article]) -> dict[str, str]:
    return {article.id: article.version for article in articles}


def _recipe(embedder: str) -> str:
    # Another release of Chroma may read its own files in another way.
    return f"{recipe(embedder)}, Chroma {metadata.version('chromadb')}"
