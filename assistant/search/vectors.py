"""The vector of each text: embedded once, then kept in an SQLite file, so that building an index anew embeds nothing.

A vector is found by the SHA-256 of the embedder's name and the text, and is believed only where its own checksum fits.
The file is a cache: a damaged one is deleted, and what it held is embedded again. Knows nothing of articles or Chroma.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import closing
from pathlib import Path
from typing import Protocol

import numpy as np

logger = logging.getLogger(__name__)

_EMBEDDED_AT_ONCE = 64
"""Texts between two reports of progress: two of the batches that the model takes, so that none is smaller."""
_SPARE = 10_000
"""So many vectors that no article needs any more are always kept: articles come back, and these take 20 MB."""
_OF_THE_DISK = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_BUSY")
"""Errors that say nothing against the file: the disk is full or failed, the file is not ours, or another writes it."""

Vector = np.ndarray[tuple[int], np.dtype[np.float32]]
Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]

Progress = Callable[[int, int], None]
"""Called with the texts embedded and the texts to embed."""


class NamedEmbeddings(Protocol):
    """What is needed of an embedder; vectors of one name are never taken for those of another."""

    name: str

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector a text, in the order of the texts."""
        ...


def vectors_of(
    texts: Iterable[str], file: Path, embedder: NamedEmbeddings, progress: Progress
) -> tuple[dict[str, Vector], int]:
    """Return the vector of each text, and how many had to be embedded; those are in the file from now on.

    Each batch is kept at once, so whoever is interrupted has lost little.

    Raises:
        sqlite3.Error: there is no room for them, or the file cannot be written.
    """
    wanted = set(texts)
    with closing(_opened(file)) as kept:
        vectors = _found(kept, wanted, embedder.name)
        missing = wanted - vectors.keys()
        for batch in embedded(missing, embedder, progress):
            _keep(kept, batch, embedder.name)
            vectors |= batch
    return vectors, len(missing)


def embedded(texts: Iterable[str], embedder: NamedEmbeddings, progress: Progress) -> Iterator[dict[str, Vector]]:
    """Yield the vectors of the texts, batch by batch."""
    # Texts of like length are embedded together, or the short ones would be padded to the longest.
    ordered = sorted(texts, key=lambda text: (-len(text), text))
    for start in range(0, len(ordered), _EMBEDDED_AT_ONCE):
        batch = ordered[start : start + _EMBEDDED_AT_ONCE]
        yield dict(zip(batch, np.asarray(embedder.embed_documents(batch), dtype=np.float32), strict=True))
        progress(start + len(batch), len(ordered))


def forget_others(texts: AbstractSet[str], file: Path, embedder: str) -> None:
    """Delete the vectors of all other texts, when they are many more than these.

    Raises:
        sqlite3.Error: the file cannot be written.
    """
    with closing(_opened(file)) as kept:
        keys = [key for (key,) in kept.execute("SELECT key FROM vectors")]
        if len(keys) > 2 * len(texts) + _SPARE:
            others = {*keys} - {_key(text, embedder) for text in texts}
            with kept:
                kept.executemany("DELETE FROM vectors WHERE key = ?", ((key,) for key in others))


def _opened(file: Path) -> sqlite3.Connection:
    """Return a connection to the file; one that is damaged is deleted first."""
    connection = sqlite3.connect(file)
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB, checksum BLOB)")
        connection.execute("SELECT key, vector, checksum FROM vectors LIMIT 1")
        if connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]:
            with connection:
                connection.execute("DELETE FROM vectors WHERE FALSE")  # it can be written
            return connection
    except sqlite3.Error as error:
        # A number in its head says whether SQLite may write it: damaged, it closes a file that the disk leaves open.
        closed = error.sqlite_errorname == "SQLITE_READONLY" and os.access(file, os.W_OK)
        if error.sqlite_errorname.startswith(_OF_THE_DISK) and not closed:
            connection.close()
            raise
    connection.close()
    logger.warning("%s is damaged: all texts are embedded again", file)
    file.unlink()
    Path(f"{file}-journal").unlink(missing_ok=True)
    return _opened(file)


def _found(kept: sqlite3.Connection, texts: Iterable[str], embedder: str) -> dict[str, Vector]:
    vectors: dict[str, Vector] = {}
    for text in texts:
        key = _key(text, embedder)
        row = kept.execute("SELECT vector, checksum FROM vectors WHERE key = ?", (key,)).fetchone()
        if row and row[1] == _checksum(key, row[0]):
            vectors[text] = np.frombuffer(row[0], dtype="<f4")
    return vectors


def _keep(kept: sqlite3.Connection, vectors: Mapping[str, Vector], embedder: str) -> None:
    with kept:
        for text, vector in vectors.items():
            key, content = _key(text, embedder), vector.astype("<f4").tobytes()
            row = key, content, _checksum(key, content)
            kept.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", row)


def _key(text: str, embedder: str) -> bytes:
    return hashlib.sha256(f"{embedder}\n{text}".encode()).digest()


def _checksum(key: bytes, vector: bytes) -> bytes:
    return hashlib.sha256(key + vector).digest()
