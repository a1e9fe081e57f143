"""The meaning of every passage and sentence, in a Chroma collection that is named by what it was built from.

The article files are the record; the collection is a cache that can be rebuilt from them at any time. Its name is a
fingerprint of the articles, the splitter, the embedder and the schema, so an index that does not belong to the corpus
is never searched. A new one is built under another name, verified, and renamed in one step; vectors of articles that
did not change are taken over from the old one. Knows nothing of keywords or ranking.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import filelock
import httpx
import numpy as np

from assistant import passages as splitter
from assistant.errors import ConfigurationError, IndexLockedError
from assistant.passages import passages
from assistant.types import Article

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

SCHEMA = "1"
_BATCH = 1000
_SAMPLE = 20
"""How many units are looked up by their own vectors to see that an index works."""
_SAME = 1e-3
"""Cosine distance under which two vectors are the same but for rounding."""
_ABANDONED_SECONDS = 24 * 60 * 60
"""A build on a shared server that is older than this was interrupted."""
_CHECK_SECONDS = 120
"""How long opening and searching a stored index may take before it counts as damaged."""
_SERVER_SECONDS = 30
"""How long a server may take for one request."""
_HNSW = {"space": "cosine", "ef_construction": 400, "ef_search": 400, "max_neighbors": 48}
"""The defaults miss exact matches in clustered data."""

Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]

Progress = Callable[[int, int], None]
"""Called with the units embedded and the units to embed."""


class NamedEmbeddings(Protocol):
    """What the index needs of an embedder; the name goes into the fingerprint."""

    name: str

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector a text, in the order of the texts."""
        ...


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

    def __init__(self, collection: Collection, report: IndexReport, resources: ExitStack) -> None:
        """Take what `open_index` opened; closing the resources closes the client and releases the lock."""
        self._collection = collection
        self._resources = resources
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
        """Close the database and let another process use the directory; closing twice does nothing."""
        self._resources.close()


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
    embedder: NamedEmbeddings,
    folder: Path,
    url: str = "",
    progress: Progress = lambda done, total: None,
) -> VectorIndex:
    """Open the index of these articles, in `folder` or on the Chroma server at `url`; build what is missing.

    Raises:
        IndexLockedError: another process uses the folder.
        ConfigurationError: the folder cannot be written, or the server does not answer.
    """
    from chromadb.errors import ChromaError  # noqa: PLC0415 - slow to import

    with ExitStack() as resources:
        if not url:
            resources.callback(_locked(folder).release)
        try:
            if not url:
                _tidy(folder / "chroma")
            client = _server_client(url, resources) if url else _client(folder / "chroma", resources)
            collection, report = _opened(client, articles, embedder, progress, shared=bool(url))
        except (OSError, ChromaError, httpx.HTTPError) as error:
            cure = "look at the server's log" if url else "make room there, or set ASSISTANT_DATA to another folder"
            reason = str(error).partition("\n")[0]
            raise ConfigurationError(f"The index at {url or folder} cannot be used ({reason}): {cure}") from error
        return VectorIndex(collection, report, resources.pop_all())


def _opened(
    client: Client, articles: Sequence[Article], embedder: NamedEmbeddings, progress: Progress, *, shared: bool
) -> tuple[Collection, IndexReport]:
    wanted = [unit for article in articles for unit in units(article)]
    name = f"articles-{fingerprint(articles, embedder.name)[:40]}"
    if name in _names(client) and not _holds(client.get_collection(name, embedding_function=None), wanted):
        client.delete_collection(name)
    embedded = 0
    if name not in _names(client):
        embedded = _build(client, name, wanted, embedder, progress)
    _forget_old(client, name, shared=shared)
    report = IndexReport(name, len(articles), len(wanted), embedded)
    return client.get_collection(name, embedding_function=None), report


def _build(client: Client, name: str, wanted: list[Unit], embedder: NamedEmbeddings, progress: Progress) -> int:
    """Build aside, verify, rename; return how many units had to be embedded."""
    vectors = _vectors_to_keep(client, wanted, embedder.name)
    missing = [unit for unit in wanted if unit.id not in vectors]
    for start in range(0, len(missing), _BATCH):
        batch = missing[start : start + _BATCH]
        computed = np.asarray(embedder.embed_documents([unit.text for unit in batch]), dtype=np.float32)
        vectors |= dict(zip((unit.id for unit in batch), computed, strict=True))
        progress(start + len(batch), len(missing))
    # Several processes may build on one server at once, so each has a name of its own.
    building = f"building-{name}-{secrets.token_hex(8)}"
    collection = client.create_collection(
        building,
        embedding_function=None,
        configuration={"hnsw": _HNSW},  # type: ignore[arg-type]
        metadata={"recipe": _recipe(embedder.name), "started": time.time()},
    )
    digests = {unit.article.id: _digest(unit.article.text) for unit in wanted}
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        collection.add(
            ids=[unit.id for unit in batch],
            embeddings=[vectors[unit.id] for unit in batch],
            metadatas=[{"article": unit.article.id, "digest": digests[unit.article.id]} for unit in batch],
        )
    if not _holds(collection, wanted):
        client.delete_collection(building)
        raise RuntimeError("the index that was just built does not find its own sentences")
    if name in _names(client):  # Another process was faster.
        client.delete_collection(building)
    else:
        collection.modify(name=name)
    return len(missing)


def _vectors_to_keep(client: Client, wanted: list[Unit], embedder: str) -> dict[str, np.ndarray]:
    """Return the vectors, by unit id, of the articles that an older collection of the same recipe already holds."""
    digests = {unit.article.id: _digest(unit.article.text) for unit in wanted}
    kept: dict[str, np.ndarray] = {}
    for collection in client.list_collections():
        if not collection.name.startswith("articles-"):
            continue
        if (collection.metadata or {}).get("recipe") != _recipe(embedder):
            continue
        for page_ids, vectors, entries in _pages(collection):
            kept |= {
                unit: vector
                for unit, vector, entry in zip(page_ids, vectors, entries, strict=True)
                if digests.get(str(entry["article"])) == entry["digest"]
            }
    return kept


def _pages(collection: Collection) -> Iterator[tuple[list[str], Vectors, Sequence[Mapping[str, object]]]]:
    """Yield the ids, vectors and metadata of everything in the collection, some at a time."""
    for offset in range(0, collection.count(), _BATCH):
        page = collection.get(limit=_BATCH, offset=offset, include=["embeddings", "metadatas"])
        yield page["ids"], np.asarray(page["embeddings"], dtype=np.float32), page["metadatas"] or []


def _holds(collection: Collection, wanted: list[Unit]) -> bool:
    """Whether the collection has as many units as wanted, and a sample of them finds itself."""
    if collection.count() != len(wanted):
        return False
    sample = [unit.id for unit in wanted[:: max(1, len(wanted) // _SAMPLE)]]
    if not sample:
        return True
    stored = collection.get(ids=sample, include=["embeddings"])
    vectors = np.asarray(stored["embeddings"], dtype=np.float32)
    return len(stored["ids"]) == len(sample) and _find_themselves(collection, vectors)


def _find_themselves(collection: Collection, vectors: Vectors) -> bool:
    if not np.isfinite(vectors).all():
        return False
    found = collection.query(query_embeddings=vectors, n_results=1, include=["distances"])
    # Equal texts have equal vectors, so a twin may come first: the distance tells, not the id.
    return all(row and row[0] < _SAME for row in found["distances"] or [])


def _names(client: Client) -> set[str]:
    return {collection.name for collection in client.list_collections()}


def _forget_old(client: Client, name: str, *, shared: bool) -> None:
    """Delete the other collections; on a shared server, where they may be in use, only what a build left behind."""
    for collection in client.list_collections():
        started = float(str((collection.metadata or {}).get("started", 0.0)))
        is_abandoned = collection.name.startswith("building-") and time.time() - started > _ABANDONED_SECONDS
        is_ours = collection.name.startswith(("articles-", "building-articles-")) and collection.name != name
        if is_ours and (is_abandoned or not shared):
            client.delete_collection(collection.name)


def _tidy(database: Path) -> None:
    """Delete a damaged database, which costs a rebuild and never a wrong answer, and what Chroma left in a sound one.

    Chroma keeps the folders of deleted collections, so that each change of the corpus would cost its size for ever.
    """
    if not database.exists():
        return
    if not _is_sound(database):
        shutil.rmtree(database)
        return
    with closing(sqlite3.connect(database / "chroma.sqlite3")) as connection:
        used = {name for (name,) in connection.execute("SELECT id FROM segments")}
    for folder in database.iterdir():
        if folder.is_dir() and folder.name not in used:
            shutil.rmtree(folder)


def _is_sound(database: Path) -> bool:
    """Whether what is stored can be opened and searched; a child tries, since damage may kill the process it meets."""
    command = [sys.executable, "-m", "assistant.index", str(database)]
    project = Path(__file__).resolve().parents[1]
    try:
        child = subprocess.run(command, cwd=project, capture_output=True, timeout=_CHECK_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
    return child.returncode == 0


def _search_everything(database: Path) -> bool:
    """Read every vector, search for many of them, and return whether each was found.

    A database without a collection is not sound either: an emptied file opens as a new one.
    """
    with ExitStack() as resources:
        client = _client(database, resources)
        finished = [collection for collection in client.list_collections() if collection.name.startswith("articles-")]
        return bool(finished) and all(
            _find_themselves(collection, vectors[:: max(1, len(vectors) // _SAMPLE)])
            for collection in finished
            for _, vectors, _ in _pages(collection)
        )


def _client(database: Path, resources: ExitStack) -> Client:
    import chromadb  # noqa: PLC0415 - slow to import

    settings = chromadb.config.Settings(anonymized_telemetry=False)
    client = cast("Client", chromadb.PersistentClient(str(database), settings=settings))
    resources.callback(client.close)
    return client


def _server_client(url: str, resources: ExitStack) -> Client:
    import chromadb  # noqa: PLC0415 - slow to import

    address = urllib.parse.urlsplit(url)
    if not address.hostname:
        raise ConfigurationError(f"ASSISTANT_CHROMA_URL is {url!r}: it must be of the form http://127.0.0.1:8000")
    secure = address.scheme == "https"
    settings = chromadb.config.Settings(anonymized_telemetry=False)
    try:
        port = address.port or (443 if secure else 8000)
        # Chroma's client waits without end, even while it is made, so we ask first.
        httpx.get(f"{address.scheme}://{address.hostname}:{port}/api/v2/heartbeat").raise_for_status()
        client = cast("Client", chromadb.HttpClient(address.hostname, port, ssl=secure, settings=settings))
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise ConfigurationError(
            f"No Chroma server answers at {url}: start it with `chroma run`, or unset ASSISTANT_CHROMA_URL"
        ) from error
    resources.callback(client.close)
    # Chroma offers neither a time limit nor a way to close the connections of its two parts.
    for part in (client, client._admin_client):  # noqa: SLF001
        session: httpx.Client = cast("Any", part)._server._session  # noqa: SLF001
        session.timeout = httpx.Timeout(_SERVER_SECONDS)
        resources.callback(session.close)
    return client


def _locked(folder: Path) -> filelock.BaseFileLock:
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
        raise ConfigurationError(
            f"The folder {folder} cannot be written ({error.strerror}): set ASSISTANT_DATA to another one"
        ) from error
    return lock


def _recipe(embedder: str) -> str:
    source = Path(splitter.__file__).read_bytes()
    return f"schema {SCHEMA}, splitter {hashlib.sha256(source).hexdigest()[:16]}, embedder {embedder}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(not _search_everything(Path(sys.argv[1])))
