"""The vectors that are kept: found again, and never believed where the file is damaged."""

import os
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import WordEmbedder
from hypothesis import example, given
from hypothesis import strategies as st
from test_weights import full_disk

from assistant.search import vectors
from assistant.search.vectors import forget_others, vectors_of

TEXTS = [f"The mayor crossed the river on day {number}." for number in range(40)]


def of(texts: list[str], file: Path, embedder: WordEmbedder | None = None) -> int:
    """Ask for the vectors of texts, hold them to be right, and return how many had to be embedded."""
    embedder = embedder or WordEmbedder()
    found, embedded = vectors_of(texts, file, embedder, lambda *_: None)
    assert found.keys() == set(texts)
    for text, vector in found.items():
        np.testing.assert_array_equal(vector, np.array(WordEmbedder._vector(text), dtype=np.float32))
    assert embedded == len(embedder.embedded) == len(set(embedder.embedded))
    return embedded


def test_no_text_is_embedded_twice(tmp_path: Path) -> None:
    """Texts that were asked for before, or are there twice, cost nothing; those of another embedder do."""
    file = tmp_path / "vectors.sqlite"
    assert of([*TEXTS[:30], *TEXTS[:10]], file) == 30
    assert of(TEXTS, file) == 10
    assert of(TEXTS, file) == 0
    assert of(TEXTS, file, WordEmbedder("another")) == 40
    assert of([], file) == 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that holds the vectors of all texts."""
    file = tmp_path_factory.mktemp("whole") / "vectors.sqlite"
    of(TEXTS, file)
    return file


PLACES = st.integers(0, 600) | st.integers(0, 100_000)
"""In its head, where most goes wrong, or anywhere; a place behind the end is counted from the beginning again."""


@given(
    changed=st.lists(st.tuples(PLACES, st.integers(1, 255)), max_size=4),
    length=st.none() | PLACES,
    more=st.binary(max_size=20),
    journal=st.just(b"") | st.binary(max_size=600),
)
@example(changed=[(18, 7), (-1, 1)], length=None, more=b"", journal=b"")  # its head forbids to write
def test_a_damaged_file_gives_no_wrong_vector(  # noqa: PLR0913, PLR0917 - what may be damaged
    tmp_path_factory: pytest.TempPathFactory,
    whole: Path,
    changed: list[tuple[int, int]],
    length: int | None,
    more: bytes,
    journal: bytes,
) -> None:
    """Bytes that were changed, cut off or added cost at most that texts are embedded again, once."""
    content = bytearray(whole.read_bytes())
    for place, bits in changed:
        content[place % len(content)] ^= bits
    file = tmp_path_factory.mktemp("damaged") / "vectors.sqlite"
    file.write_bytes(content[:length] + more)
    if journal:
        Path(f"{file}-journal").write_bytes(journal)
    of(TEXTS, file)
    assert of(TEXTS, file) == 0


def test_a_file_that_may_not_be_written_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that another process writes for long, nor one whose head forbids it on a disk that does, too."""
    file = tmp_path / "vectors.sqlite"
    of(TEXTS, file)
    content = bytearray(file.read_bytes())
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0))
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            of(TEXTS, file)
    assert of(TEXTS, file) == 0
    content[18] = 7
    file.write_bytes(content)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        of(TEXTS, file)
    assert file.read_bytes() == content


def test_what_was_embedded_before_an_interruption_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch is kept at once, so whoever is interrupted embeds the rest."""
    monkeypatch.setattr(vectors, "_EMBEDDED_AT_ONCE", 10)

    def interrupt(done: int, _total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vectors_of(TEXTS, tmp_path / "vectors.sqlite", WordEmbedder(), interrupt)
    assert of(TEXTS, tmp_path / "vectors.sqlite") == 20


def test_a_full_disk_spoils_nothing(tmp_path: Path) -> None:
    """The error is SQLite's, and what was kept before is still there."""
    file = tmp_path / "vectors.sqlite"
    of(TEXTS[:10], file)
    with full_disk(after=file.stat().st_size + 4096), pytest.raises(sqlite3.OperationalError):
        of(TEXTS, file)
    assert of(TEXTS[:10], file) == 0
    assert of(TEXTS, file) == 30


def test_vectors_that_no_text_needs_are_forgotten_when_they_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few stay, since articles come back."""
    file = tmp_path / "vectors.sqlite"
    of(TEXTS, file)
    forget_others({*TEXTS[:1]}, file, "words")
    assert of(TEXTS, file) == 0
    monkeypatch.setattr(vectors, "_SPARE", 5)
    forget_others({*TEXTS[:18]}, file, "words")
    assert of(TEXTS, file) == 0
    forget_others({*TEXTS[:17]}, file, "words")
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM vectors").fetchall() == [(17,)]
    assert of(TEXTS, file) == 23
