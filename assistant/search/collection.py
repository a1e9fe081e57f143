"""A Chroma collection of passages: opened, filled, searched, and seen to work; in a folder of this machine or a server.

Chroma never embeds: it is given our own vectors. It names what is near; how near that is, our own files tell. As
`python -m assistant.search.collection` it tries a database in a process of its own, since damage may kill the process
that meets it.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import numpy as np

from assistant.errors import ConfigurationError
from assistant.search.embedder import Vector, Vectors
from assistant.settings import PROJECT

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

_BATCH = 1000
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
_HNSW: dict[str, object] = {
    "space": "cosine",
    "ef_construction": 200,
    "ef_search": 400,
    "max_neighbors": 48,
    "sync_threshold": 1000,
}
"""The defaults miss exact matches in clustered data. After so many passages Chroma writes its graph and forgets its
log; what is left in the log is added anew whenever the collection is opened, and a thousand take under a second."""


def client_of(folder: Path, resources: ExitStack) -> Client:
    """Open the database in a folder, until the resources are closed."""
    import chromadb  # noqa: PLC0415 - slow to import

    settings = chromadb.config.Settings(anonymized_telemetry=False)
    client = cast("Client", chromadb.PersistentClient(str(folder), settings=settings))
    resources.callback(client.close)
    return client


def made(client: Client, name: str = "articles", metadata: dict[str, Any] | None = None) -> Collection:
    """Return the collection of this name; where there is none, a new one."""
    return client.get_or_create_collection(
        name,
        embedding_function=None,
        configuration={"hnsw": _HNSW},  # type: ignore[arg-type]
        metadata=metadata,
    )


def add(collection: Collection, names: Sequence[str], vectors: Sequence[Vector]) -> None:
    """Add passages; what is there already stays as it is."""
    for start in range(0, len(names), _BATCH):
        batch = slice(start, start + _BATCH)
        collection.add(ids=list(names[batch]), embeddings=list(vectors[batch]))  # type: ignore[arg-type]


def remove(collection: Collection, names: Sequence[str]) -> None:
    """Take passages out; they need not be there."""
    for start in range(0, len(names), _BATCH):
        collection.delete(ids=list(names[start : start + _BATCH]))


def held(collection: Collection, names: Iterable[str] | None = None) -> set[str]:
    """Return the names of the passages in a collection, of all or of some."""
    if names is None:
        return set(collection.get(include=[])["ids"])
    wanted, found = list(names), set[str]()
    for start in range(0, len(wanted), _BATCH):
        found.update(collection.get(ids=wanted[start : start + _BATCH], include=[])["ids"])
    return found


def nearest(collection: Collection, vector: Vector, limit: int) -> list[str]:
    """Return the names of the passages that are nearest, best first."""
    found = collection.query(query_embeddings=[vector], n_results=limit, include=[])  # type: ignore[arg-type]
    return found["ids"][0]


def find_themselves(collection: Collection, vectors: Vectors) -> bool:
    """Whether enough of the vectors, which the collection holds, are found by themselves."""
    if not np.isfinite(vectors).all():
        return False
    found = collection.query(query_embeddings=vectors, n_results=1, include=["distances"])
    # Equal texts have equal vectors, so a twin may come first: compare the distance, not the id.
    return sum(bool(row) and row[0] < _SAME for row in found["distances"] or []) >= _FOUND * len(vectors)


def works(database: Path, least: int = 0) -> bool:
    """Whether Chroma can search a database of so many passages at least; a child process tries it, and writes to it."""
    command = [sys.executable, "-m", "assistant.search.collection", str(database.absolute()), str(least)]
    try:
        tried = subprocess.run(command, cwd=PROJECT, capture_output=True, timeout=_CHECK_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
    return tried.returncode == 0


def works_here(database: Path, least: int = 0) -> bool:
    """Tell the same in this very process, which a damaged database may end."""
    with ExitStack() as resources:
        collection = made(client_of(database, resources))
        size = collection.count()
        if size < least:
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
        raise ConfigurationError(f"The index at {place} cannot be used ({reason})", cure) from error


if __name__ == "__main__":
    sys.exit(not works_here(Path(sys.argv[1]), int(sys.argv[2])))
