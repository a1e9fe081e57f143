"""The meaning of every passage and sentence, in a Chroma collection that is named by what it was built from.

The article files are the record; the collection is a cache that can be rebuilt from them at any time. Its name is a
fingerprint of the articles, the splitter, the embedder and the schema, so an index that does not belong to the corpus
is never searched. A new one is built under another name, verified, and renamed in one step; vectors of articles that
did not change are taken over from the old one. Knows nothing of keywords or ranking.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.parse
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import numpy as np

from assistant import passages as splitter
from assistant.errors import ConfigurationError, IndexLockedError
from assistant.passages import passages
from assistant.types import Article

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

    from assistant.embedder import SentenceEmbedder

SCHEMA = "1"
_BATCH = 1000
_HNSW = {"space": "cosine", "ef_construction": 400, "ef_search": 400, "max_neighbors": 48}
"""The defaults miss exact matches in clustered data."""

Progress = Callable[[int, int], None]
"""Called with the units embedded and the units to embed."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is embedded: a passage or a sentence, or both where they coincide."""

    article: Article
    start: int
    end: int

    @property
    def id(self) -> str:
        """The same name as that of the `Passage` with these offsets."""
        return f"{self.article.id}:{self.start}-{self.end}"

    @property
    def text(self) -> str:
        """The words at the offsets."""
        return self.article.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What opening the index had to do."""

    collection: str
    articles: int
    units: int
    embedded: int
    """Units whose vector was computed now; 0 when nothing changed."""


class VectorIndex:
    """An open collection; close it to release the directory."""

    def __init__(self, collection: Collection, report: IndexReport, lock: AbstractContextManager[object]) -> None:
        """Take what `open_index` opened."""
        self._collection = collection
        self._lock = lock
        self.report = report

    def search(self, vector: list[float], limit: int, article: str | None = None) -> dict[str, float]:
        """Return the cosine similarity of the nearest units by id, best first, of one article where one is named."""
        limit = min(limit, self.report.units)
        if limit == 0:
            return {}
        found = self._collection.query(
            query_embeddings=[vector],  # type: ignore[arg-type]
            n_results=limit,
            where={"article": article} if article else None,
            include=["distances"],
        )
        distances = found["distances"] or [[]]
        return {unit: 1.0 - distance for unit, distance in zip(found["ids"][0], distances[0], strict=True)}

    def close(self) -> None:
        """Let another process use the directory."""
        self._lock.__exit__(None, None, None)


def units(article: Article) -> list[Unit]:
    """Return the spans of the article that are embedded, each once, in reading order."""
    spans: dict[tuple[int, int], None] = {}
    for passage in passages(article):
        spans[passage.start, passage.end] = None
        spans.update({(sentence.start, sentence.end): None for sentence in passage.sentences})
    return [Unit(article, start, end) for start, end in spans]


def fingerprint(articles: Iterable[Article], embedder: str) -> str:
    """Return the SHA-256, in hexadecimal, of everything that the vectors depend on."""
    digest = hashlib.sha256(f"{_recipe(embedder)}\n".encode())
    for article in sorted(articles, key=lambda article: article.id):
        digest.update(f"{article.id} {_digest(article.text)}\n".encode())
    return digest.hexdigest()


def open_index(
    articles: Sequence[Article],
    embedder: SentenceEmbedder,
    folder: Path,
    url: str = "",
    progress: Progress = lambda done, total: None,
) -> VectorIndex:
    """Open the index of these articles, in `folder` or on the Chroma server at `url`; build what is missing.

    Raises:
        IndexLockedError: another process uses the folder.
        ConfigurationError: the folder cannot be written, or the server does not answer.
    """
    lock: AbstractContextManager[object] = nullcontext() if url else _locked(folder)
    lock.__enter__()
    try:
        try:
            return _opened(_client(folder, url), articles, embedder, lock, progress, shared=bool(url))
        except ConfigurationError:
            raise
        except Exception:
            if url:
                raise
            # A damaged directory costs a rebuild, never a wrong answer.
            shutil.rmtree(folder / "chroma", ignore_errors=True)
            return _opened(_client(folder, url, fresh=True), articles, embedder, lock, progress)
    except BaseException:
        lock.__exit__(None, None, None)
        raise


def _opened(
    client: ClientAPI,
    articles: Sequence[Article],
    embedder: SentenceEmbedder,
    lock: AbstractContextManager[object],
    progress: Progress,
    *,
    shared: bool = False,
) -> VectorIndex:
    wanted = [unit for article in articles for unit in units(article)]
    name = f"articles-{fingerprint(articles, embedder.name)[:40]}"
    existing = {collection.name for collection in client.list_collections()}
    embedded = 0
    if name in existing:
        collection = client.get_collection(name, embedding_function=None)
        if not _holds(collection, wanted):
            client.delete_collection(name)
            existing.discard(name)
    if name not in existing:
        embedded = _build(client, name, wanted, embedder, progress)
        collection = client.get_collection(name, embedding_function=None)
        if not shared:  # On a server the others may be in use by another process.
            _forget_all_but(client, name)
    return VectorIndex(collection, IndexReport(name, len(articles), len(wanted), embedded), lock)


def _build(client: ClientAPI, name: str, wanted: list[Unit], embedder: SentenceEmbedder, progress: Progress) -> int:
    """Build aside, verify, rename; return how many units had to be embedded."""
    building = f"building-{name}"
    if building in {collection.name for collection in client.list_collections()}:
        client.delete_collection(building)
    vectors = _vectors_to_keep(client, wanted, embedder.name)
    missing = [unit for unit in wanted if unit.id not in vectors]
    for start in range(0, len(missing), _BATCH):
        batch = missing[start : start + _BATCH]
        vectors |= dict(zip((unit.id for unit in batch), embedder.embed_documents([unit.text for unit in batch]), strict=True))
        progress(start + len(batch), len(missing))
    collection = client.create_collection(
        building,
        embedding_function=None,
        configuration={"hnsw": _HNSW},  # type: ignore[typeddict-item]
        metadata={"recipe": _recipe(embedder.name)},
    )
    digests = {unit.article.id: _digest(unit.article.text) for unit in wanted}
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        collection.add(
            ids=[unit.id for unit in batch],
            embeddings=[vectors[unit.id] for unit in batch],  # type: ignore[arg-type]
            metadatas=[{"article": unit.article.id, "digest": digests[unit.article.id]} for unit in batch],
        )
    if not _holds(collection, wanted):
        client.delete_collection(building)
        raise RuntimeError("the index that was just built does not find its own sentences")
    collection.modify(name=name)
    return len(missing)


def _vectors_to_keep(client: ClientAPI, wanted: list[Unit], embedder: str) -> dict[str, Any]:
    """Return the vectors, by unit id, of the articles that an older collection of the same recipe already holds."""
    digests = {unit.article.id: _digest(unit.article.text) for unit in wanted}
    kept: dict[str, Any] = {}
    for collection in client.list_collections():
        if not collection.name.startswith("articles-") or (collection.metadata or {}).get("recipe") != _recipe(embedder):
            continue
        for offset in range(0, collection.count(), _BATCH):
            page = collection.get(limit=_BATCH, offset=offset, include=["embeddings", "metadatas"])
            for unit, vector, entry in zip(page["ids"], page["embeddings"], page["metadatas"] or [], strict=True):  # type: ignore[arg-type]
                if digests.get(str(entry["article"])) == entry["digest"]:
                    kept[unit] = vector
    return kept


def _holds(collection: Collection, wanted: list[Unit]) -> bool:
    """Whether the collection has as many units as wanted, and a sample of them finds itself."""
    if collection.count() != len(wanted):
        return False
    sample = [unit.id for unit in wanted[:: max(1, len(wanted) // 20)]]
    if not sample:
        return True
    stored = collection.get(ids=sample, include=["embeddings"])
    vectors = np.asarray(stored["embeddings"], dtype=np.float32)
    if len(stored["ids"]) != len(sample) or not np.isfinite(vectors).all():
        return False
    found = collection.query(query_embeddings=vectors, n_results=1, include=["distances"])
    # Equal texts have equal vectors, so a twin may come first: the distance tells, not the id.
    return all(row and row[0] < 1e-3 for row in found["distances"] or [])


def _forget_all_but(client: ClientAPI, name: str) -> None:
    for collection in client.list_collections():
        if collection.name != name and collection.name.startswith(("articles-", "building-articles-")):
            client.delete_collection(collection.name)


def _client(folder: Path, url: str, *, fresh: bool = False) -> ClientAPI:
    import chromadb  # noqa: PLC0415 - slow to import
    from chromadb.api.client import SharedSystemClient  # noqa: PLC0415

    settings = chromadb.Settings(anonymized_telemetry=False)
    if url:
        address = urllib.parse.urlsplit(url)
        if not address.hostname:
            raise ConfigurationError(f"ASSISTANT_CHROMA_URL is {url!r}: it must be of the form http://127.0.0.1:8000")
        try:
            return chromadb.HttpClient(
                host=address.hostname,
                port=address.port or (443 if address.scheme == "https" else 8000),
                ssl=address.scheme == "https",
                settings=settings,
            )
        except Exception as error:
            raise ConfigurationError(f"No Chroma server answers at {url}: start it with `chroma run`, or unset ASSISTANT_CHROMA_URL") from error
    if fresh:
        SharedSystemClient.clear_system_cache()
    return chromadb.PersistentClient(str(folder / "chroma"), settings=settings)


def _locked(folder: Path) -> AbstractContextManager[object]:
    """Return a lock on the folder that is already held.

    Raises:
        IndexLockedError: another process holds it.
        ConfigurationError: the folder cannot be written.
    """
    holder = folder / "index.pid"
    lock = filelock.FileLock(folder / "index.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        holder.write_text(str(os.getpid()))
    except filelock.Timeout as error:
        process = holder.read_text() if holder.exists() else "unknown"
        raise IndexLockedError(
            f"The index in {folder} is in use by process {process}: stop it, or set ASSISTANT_DATA to another folder"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"The folder {folder} cannot be written ({error.strerror}): set ASSISTANT_DATA to another one") from error
    return _Held(lock)


class _Held(AbstractContextManager["None"]):
    """A lock that was taken before the `with`."""

    def __init__(self, lock: filelock.BaseFileLock) -> None:
        self._lock = lock

    def __exit__(self, *_: object) -> None:
        self._lock.release(force=True)


def _recipe(embedder: str) -> str:
    source = Path(splitter.__file__).read_bytes()
    return f"schema {SCHEMA}, splitter {hashlib.sha256(source).hexdigest()[:16]}, embedder {embedder}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
