"""The packaged embedding model: the shape of its vectors, what they mean, and what it can read."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from assistant.articles.passages import MAX_PASSAGE_CHARACTERS, passages
from assistant.model.weights import embedder_folder
from assistant.search.embedder import MAX_TOKENS, SentenceEmbedder
from assistant.settings import PROJECT
from assistant.types import Article


def test_vectors_have_384_dimensions_and_length_one(real_embedder: SentenceEmbedder) -> None:
    """A dot product is a cosine, for questions as for texts, whatever is in them; they come in the order of the texts.

    Long and short texts together are each as near to themselves alone as can be.
    """
    texts = ["The mayor spoke.", "", "5½", "日本語", "word " * 2000, "A longer one, about ships and harbours. " * 20]
    vectors = np.array(real_embedder.embed_documents(texts))
    assert vectors.shape == (6, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    alone = np.array([real_embedder.embed_query(text) for text in texts])
    assert np.sum(vectors * alone, axis=1) == pytest.approx(np.ones(6), abs=1e-4)
    assert real_embedder.embed_documents([]) == []


def test_meaning_is_nearer_than_words(real_embedder: SentenceEmbedder) -> None:
    """A paraphrase without a shared word is nearer than a sentence about something else that shares words."""
    question, paraphrase, other = np.array(
        real_embedder.embed_documents(
            ["How many physicians quit?", "Nine doctors resigned.", "How many tickets were sold for the concert?"]
        )
    )
    assert question @ paraphrase > question @ other


def test_the_end_of_a_long_text_is_not_read(real_embedder: SentenceEmbedder) -> None:
    """What lies beyond 256 tokens changes nothing, which is why passages are short."""
    text = "The council met on Monday. " * 60
    assert len(text.split()) > MAX_TOKENS
    one, two = real_embedder.embed_documents([text, text + "Then a dragon ate the town hall."])
    assert one == pytest.approx(two, abs=1e-6)


def test_every_passage_of_the_shipped_article_is_read_to_its_end(weights_folder: Path, article: Article) -> None:
    """None is longer than the model reads, and none of the longest that may be would be."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - only this test looks at tokens

    tokenizer = Tokenizer.from_file(str(embedder_folder(weights_folder) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = [passage.text for passage in passages(article)]
    texts += [article.text[start : start + MAX_PASSAGE_CHARACTERS] for start in range(0, len(article.text), 50)]
    lengths = [len(tokenizer.encode(text).ids) for text in texts]
    assert MAX_TOKENS / 2 < max(lengths) <= MAX_TOKENS


def test_tokens_stand_where_their_words_stand(real_embedder: SentenceEmbedder) -> None:
    """The places are those of the text, whatever its letters, and the vectors have length 1.

    A short text among long ones, or as a question, is read as it is alone; an empty one has no tokens.
    """
    text = "Zoë’s mayor resigned, twice."
    texts = [text, "A much longer one. " * 100, ""]
    read = real_embedder.read(texts)
    short, long, none = (read[each][1] for each in texts)
    assert "".join(text[start:end] for start, end in short.spans) == text.replace(" ", "")
    assert np.linalg.norm(short.vectors, axis=1) == pytest.approx(np.ones(len(short.spans)), abs=1e-5)
    assert short.vectors.shape == (len(short.spans), 384)
    _, alone = real_embedder.read([text])[text]
    vector, asked = real_embedder.embed_query_and_tokens(text)
    assert vector == pytest.approx(real_embedder.embed_query(text), abs=1e-5)
    for other in (alone, asked):
        assert short.spans == other.spans
        assert np.sum(short.vectors * other.vectors, axis=1) == pytest.approx(np.ones(len(short.spans)), abs=1e-3)
    assert len(long.spans) == len(long.vectors) == MAX_TOKENS - 2
    assert len(none.spans) == len(none.vectors) == 0


def test_reading_tokens_leaves_the_tokenizer_of_the_model_as_it_was(real_embedder: SentenceEmbedder) -> None:
    """It keeps how it pads from one call to the next, so threads that ask in two ways would mix texts up."""
    tokenizer = real_embedder._loaded.get()[0].tokenizer.backend_tokenizer
    real_embedder._loaded.get()[0].encode(["Short.", "A much longer one."])
    before = tokenizer.padding, tokenizer.truncation
    assert all(before)
    real_embedder.read(["Short.", "A much longer one."])
    assert (tokenizer.padding, tokenizer.truncation) == before


def test_loading_says_nothing(weights_folder: Path) -> None:
    """In a fresh process loading and embedding print no progress bar, notice or warning."""
    script = (
        "import sys; from pathlib import Path\n"
        "from assistant.settings import go_offline; go_offline()\n"
        "from assistant.search.embedder import SentenceEmbedder\n"
        "print(len(SentenceEmbedder.from_folder(Path(sys.argv[1]), 'x').embed_query('A question?')))"
    )
    folder = str(embedder_folder(weights_folder))
    child = subprocess.run([sys.executable, "-c", script, folder], cwd=PROJECT, capture_output=True, check=True)
    assert (child.stdout, child.stderr) == (b"384\n", b"")
