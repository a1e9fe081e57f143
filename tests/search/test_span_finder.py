"""The span finder points to the words of a sentence that answer, and says how sure it is."""

import hashlib
from pathlib import Path

import pytest

from assistant.model.weights import embedder_folder
from assistant.search.span_finder import FILE, SHA256, SpanFinder
from assistant.types import Article, Sentence

TEXT = "It was late. Ana Ruiz, 41, opened the bridge on 3 May with 200 guests."
SENTENCE = Sentence(Article("a", TEXT, ""), TEXT.index("Ana"), len(TEXT))


@pytest.fixture(scope="module")
def finder(weights_folder: Path) -> SpanFinder:
    """Return the packaged span finder."""
    return SpanFinder.from_folder(embedder_folder(weights_folder))


@pytest.mark.parametrize(
    ("question", "words"),
    [("How old is Ana Ruiz?", "41"), ("When was the bridge opened?", "3 May"), ("Who opened the bridge?", "Ruiz")],
)
def test_it_points_to_the_words_that_answer(question: str, words: str, finder: SpanFinder) -> None:
    """The offsets are those of the article's text."""
    span = finder.find(question, SENTENCE)
    assert span is not None
    assert TEXT[span.start : span.end] == words


def test_it_is_less_sure_where_the_sentence_has_no_answer(finder: SpanFinder) -> None:
    """Its score is lower for a question about something else."""
    asked, other = (finder.find(question, SENTENCE) for question in ("How old is Ana Ruiz?", "What does tea cost?"))
    assert asked is not None
    assert other is not None
    assert other.score < asked.score - 2


def test_a_question_of_any_length_is_read(finder: SpanFinder) -> None:
    """What does not fit is cut, and the words stay within the sentence."""
    span = finder.find("How old is she? " * 200, SENTENCE)
    assert span is None or SENTENCE.start <= span.start < span.end <= SENTENCE.end


def test_its_weights_are_those_that_belong_to_it() -> None:
    """The file has the digest that the code tells."""
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == SHA256
