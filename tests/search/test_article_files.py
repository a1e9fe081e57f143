"""What is computed of an article: read back as it was, and never believed where the file is damaged."""

from pathlib import Path

import numpy as np
import pytest
from conftest import WordEmbedder
from hypothesis import given
from hypothesis import strategies as st
from test_weights import full_disk

from assistant.articles.passages import passages
from assistant.search.article_files import ArticleFiles, Computed, key_of
from assistant.search.embedder import SentenceEmbedder
from assistant.types import Article

ARTICLE = Article("oslo", "\n\n".join(f"The mayor crossed the river on day {n}. It rained." for n in range(12)), "Oslo")


def right(computed: list[Computed]) -> bool:
    """Whether these are the vectors of the article's passages."""
    wanted = [WordEmbedder._vector(passage.text) for passage in passages(ARTICLE)]
    return np.array_equal([each.vector for each in computed], np.array(wanted, dtype=np.float32))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the content of the article's file."""
    files = ArticleFiles(tmp_path_factory.mktemp("whole"), WordEmbedder())
    files.compute(ARTICLE)
    return files._file(ARTICLE).read_bytes()


PLACES = st.integers(0, 1500) | st.integers(0, 100_000)
"""In its head, where most goes wrong, or anywhere; a place behind the end is counted from the beginning again."""


@given(
    changed=st.lists(st.tuples(PLACES, st.integers(1, 255)), max_size=4),
    length=st.none() | PLACES,
    more=st.binary(max_size=20),
)
def test_a_damaged_file_gives_no_wrong_vector(
    tmp_path_factory: pytest.TempPathFactory,
    whole: bytes,
    changed: list[tuple[int, int]],
    length: int | None,
    more: bytes,
) -> None:
    """Bytes that were changed, cut off or added cost at most that the article is computed again, once."""
    content = bytearray(whole)
    for place, bits in changed:
        content[place % len(content)] ^= bits
    folder = tmp_path_factory.mktemp("damaged")
    files = ArticleFiles(folder, WordEmbedder())
    files._file(ARTICLE).parent.mkdir()
    files._file(ARTICLE).write_bytes(content[:length] + more)
    assert files.passages(ARTICLE) == passages(ARTICLE)
    assert right(files.read(passages(ARTICLE)))
    again = ArticleFiles(folder, embedder := WordEmbedder())
    assert right(again.read(passages(ARTICLE)))
    assert embedder.embedded == []


def test_a_file_of_another_article_is_not_believed(tmp_path: Path, whole: bytes) -> None:
    """Under the name of another version its vectors are those of no passage."""
    other = Article("oslo", f"{ARTICLE.text} Later.", "Oslo")
    files = ArticleFiles(tmp_path, embedder := WordEmbedder())
    files._file(other).parent.mkdir()
    files._file(other).write_bytes(whole)
    assert files.has(other)
    files.read(passages(other)[:1])
    assert embedder.embedded == list(dict.fromkeys(passage.text for passage in passages(other)))


def test_a_full_disk_spoils_nothing(tmp_path: Path) -> None:
    """The error is the system's, no half of a file is left, and whoever asks gets what was computed."""
    files = ArticleFiles(tmp_path, WordEmbedder())
    with full_disk(after=100), pytest.raises(OSError, match="too large"):
        files.compute(ARTICLE)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    with full_disk(after=100):
        assert right(files.read(passages(ARTICLE)))
    assert not files.has(ARTICLE)
    files.compute(ARTICLE)
    assert files.has(ARTICLE)
    files.forget(key_of(ARTICLE))
    assert not files.has(ARTICLE)


def test_what_is_read_is_what_was_computed(tmp_path: Path, real_embedder: SentenceEmbedder) -> None:
    """A passage's vector is exact; each sentence's is the one that it has alone, and tokens are rounded a little."""
    files = ArticleFiles(tmp_path, real_embedder)
    files.compute(ARTICLE)
    found = passages(ARTICLE)[:3]
    read = real_embedder.read([passage.text for passage in passages(ARTICLE)])
    alone = real_embedder.vectors([sentence.text for passage in found for sentence in passage.sentences])
    for passage, computed in zip(found, files.read(found), strict=True):
        vector, tokens = read[passage.text]
        assert computed.vector == pytest.approx(vector, abs=1e-4)
        assert computed.tokens * computed.scales[:, None] == pytest.approx(tokens.vectors, abs=5e-3)
        expected = np.stack([alone[sentence.text] for sentence in passage.sentences])
        assert computed.sentences == pytest.approx(expected, abs=1e-3)
        assert [part.stop > part.start for part in computed.parts] == [True, True]
