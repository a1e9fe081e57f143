"""A Chroma collection of passages: made, filled, searched, and seen to work. Knows nothing of where it is kept.

Chroma never embeds: it is given our own vectors. As `python -m assistant.search.collection` it tries a database in a
process of its own, since damage may kill the process that meets it.
"""

from __future__ import annotations

import hashlib
import math
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import numpy as np

from assistant.articles import passages as splitter
from assistant.errors import ConfigurationError
from assistant.search.vectors import Vector, Vectors
from assistant.settings import PROJECT
from assistant.types import Article, Passage

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

SCHEMA = "5"
BATCH = 1000
"""So many passages are asked for, or added, at a time."""
_SAMPLE = 200
"""How many passages are looked up by their own vectors to see whether a collection works."""
_SAME = 1e-3
"""Cosine distance under which two vectors are the same but for rounding."""
_FOUND = 0.2
"""At least this share of a sample has to find itself: of what is nearly the same a graph of neighbours misses some, a
broken one finds hardly any."""
_CHECK_SECONDS = 600
"""How long opening and searching a database may take before it counts as damaged."""
_NAME = "articles"
_HNSW: dict[str, object] = {"space": "cosine", "ef_construction": 400, "ef_search": 400, "max_neighbors": 48}
"""The defaults miss exact matches in clustered data."""
_LARGE = 50_000
"""With more passages than this the graph is made with half the care, which takes half the time."""
_SYNCED = 20_000
"""After how many passages, about, Chroma writes its graph and forgets its log, which it reads at every addition."""


def fingerprint(articles: Iterable[Article], embedder: str) -> str:
    """Return the SHA-256, in hexadecimal, of everything that the vectors depend on."""
    digests = sorted(f"{article.id} {article.version}\n" for article in articles)
    return digest("".join([f"{recipe(embedder)}\n", *digests]))


def recipe(embedder: str) -> str:
    """Return how passages become vectors, in a line: collections of another recipe are never searched."""
    source = Path(splitter.__file__).read_text(encoding="utf-8")
    return f"schema {SCHEMA}, splitter {digest(source)[:16]}, embedder {embedder}"


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def client_of(folder: Path, resources: ExitStack) -> Client:
    """Open the database in a folder, until the resources are closed."""
    import chromadb  # noqa: PLC0415 - slow to import

    settings = chromadb.config.Settings(anonymized_telemetry=False)
    client = cast("Client", chromadb.PersistentClient(str(folder), settings=settings))
    resources.callback(client.close)
    return client


def collection_of(client: Client, name: str = _NAME) -> Collection:
    """Return a collection that is there."""
    return client.get_collection(name, embedding_function=None)


def made(client: Client, size: int, name: str = _NAME, metadata: dict[str, Any] | None = None) -> Collection:
    """Return the collection of this name; where there is none, a new one for so many passages."""
    hnsw = {**_HNSW, "sync_threshold": max(1, size // _shares(size))}
    if size > _LARGE:
        hnsw["ef_construction"] = 200
    return client.get_or_create_collection(
        name,
        embedding_function=None,
        configuration={"hnsw": hnsw},  # type: ignore[arg-type]
        metadata=metadata,
    )


def fill(collection: Collection, wanted: Sequence[Passage], vectors: Mapping[str, Vector]) -> None:
    """Add passages, with the vectors of their texts; what is there already stays as it is."""
    # Each share ends where Chroma writes its graph: what was left over would be added anew whenever it is opened.
    for share in np.array_split(np.arange(len(wanted)), _shares(len(wanted))):
        for numbers in (share[start : start + BATCH] for start in range(0, len(share), BATCH)):
            batch = [wanted[number] for number in numbers]
            collection.add(
                ids=[passage.id for passage in batch],
                embeddings=[vectors[passage.text] for passage in batch],  # type: ignore[arg-type]
                metadatas=[{"article": passage.article.id, "digest": digest(passage.text)} for passage in batch],
            )


def holds(collection: Collection, wanted: Sequence[Passage]) -> bool:
    """Whether the passages are in the collection, by a sample, and enough of them are found by their own vectors."""
    if not wanted:
        return True
    sample = [passage.id for passage in wanted[:: max(1, len(wanted) // _SAMPLE)]]
    stored = collection.get(ids=sample, include=["embeddings"])
    vectors = np.asarray(stored["embeddings"], dtype=np.float32)
    return len(stored["ids"]) == len(sample) and find_themselves(collection, vectors)


def find_themselves(collection: Collection, vectors: Vectors) -> bool:
    """Whether enough of the vectors, which the collection holds, are found by themselves."""
    if not np.isfinite(vectors).all():
        return False
    found = collection.query(query_embeddings=vectors, n_results=1, include=["distances"])
    # Equal texts have equal vectors, so a twin may come first: the distance tells, not the id.
    return sum(bool(row) and row[0] < _SAME for row in found["distances"] or []) >= _FOUND * len(vectors)


def works(database: Path, size: int) -> bool:
    """Whether Chroma can search a database of so many passages; it is tried in a child process, and written to."""
    command = [sys.executable, "-m", "assistant.search.collection", str(database.absolute()), str(size)]
    try:
        tried = subprocess.run(command, cwd=PROJECT, capture_output=True, timeout=_CHECK_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
    return tried.returncode == 0


def works_here(database: Path, size: int) -> bool:
    """Tell the same in this very process, which a damaged database may end."""
    with ExitStack() as resources:
        collection = collection_of(client_of(database, resources))
        if collection.count() != size:
            return False
        offsets = [tenth * size // 10 for tenth in range(10)]
        pages = [collection.get(limit=_SAMPLE // 10, offset=offset, include=["embeddings"]) for offset in offsets]
        sample = [np.asarray(page["embeddings"], dtype=np.float32) for page in pages]
        return not size or find_themselves(collection, np.concatenate(sample))


@contextmanager
def named_errors(place: str, *, shared: bool) -> Iterator[None]:
    """Turn what goes wrong with an index into one line that names its place and a cure."""
    from chromadb.errors import ChromaError  # noqa: PLC0415 - slow to import

    try:
        yield
    except (OSError, sqlite3.Error, ChromaError, httpx.HTTPError) as error:
        cure = "look at the server's log" if shared else "make room there, or set ASSISTANT_DATA to another folder"
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(f"The index at {place} cannot be used ({reason}): {cure}") from error


def _shares(size: int) -> int:
    """Return how often Chroma writes its graph while so many passages are added."""
    return max(1, math.ceil(size / _SYNCED))


if __name__ == "__main__":
    sys.exit(not works_here(Path(sys.argv[1]), int(sys.argv[2])))
