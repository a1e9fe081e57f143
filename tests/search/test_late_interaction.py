"""Comparing a question with sentences word by word: what scores mean, and what words weigh."""

import numpy as np
import pytest

from assistant.articles.passages import passages
from assistant.search.article_files import ArticleFiles
from assistant.search.embedder import MAX_TOKENS, SentenceEmbedder, TokenVectors
from assistant.search.late_interaction import scores, token_weights
from assistant.types import Article

TEXT = (
    "The delegates left the meeting frustrated.\n\n"
    "The mayor praised the meeting with the delegates at length. It had cost nine dollars."
)


def compared(
    embedder: SentenceEmbedder, question: str, text: str, weights: list[float] | None = None
) -> list[list[float]]:
    """Return the score of each sentence of each passage; without weights all words of the question weigh the same."""
    tokens = embedder.embed_query_and_tokens(question)[1]
    weights = weights or [1.0] * len(tokens.spans)
    computed = ArticleFiles(None, embedder).read(passages(Article(id="a", title="A", text=text)))
    return [scores(tokens, weights + [0.0] * (len(tokens.spans) - len(weights)), passage) for passage in computed]


def test_a_sentence_matches_itself_best(real_embedder: SentenceEmbedder) -> None:
    """Asked in a sentence's own words, where it stands alone, each word finds itself; no score is above 1."""
    [[score]] = compared(real_embedder, "Nine doctors resigned.", "Nine doctors resigned.")
    assert score == pytest.approx(1, abs=5e-3)


def test_other_words_are_found_by_their_meaning(real_embedder: SentenceEmbedder) -> None:
    """Of sentences that share no main word with the question, the one that means it wins.

    With all the weight on one word, the sentence that has it wins, whatever the others say.
    """
    [[frustrated], [praised, cost]] = compared(real_embedder, "Who walked out of the talks in a bad mood?", TEXT)
    assert frustrated > praised
    assert all(-1 <= score <= 1 for score in (frustrated, praised, cost))
    [[first], [second, third]] = compared(real_embedder, "dollars, said the mayor of the meeting", TEXT, [1.0])
    assert third > max(first, second)


def test_a_sentence_beyond_what_the_embedder_reads_matches_nothing(real_embedder: SentenceEmbedder) -> None:
    """Its words were never seen, so it scores 0, and those before it as ever."""
    text = f"{'7 ' * (MAX_TOKENS - 6)}. Ada paid. Ben paid too."
    [*_, read, cut_off] = (score for passage in compared(real_embedder, "Who paid?", text) for score in passage)
    assert read > 0
    assert cut_off == 0


def tokens_at(*spans: tuple[int, int]) -> TokenVectors:
    """Return tokens that mean nothing, at these places."""
    return TokenVectors(spans, np.zeros((len(spans), 384), dtype=np.float32))


def test_the_tokens_of_a_word_share_its_rarity() -> None:
    """A name in four pieces weighs no more than one in a single piece, and what lies in no word weighs nothing."""
    tokens = tokens_at((0, 3), (4, 6), (6, 8), (8, 9))
    words = [("who", 0, 3), ("arnold", 4, 8)]
    assert token_weights(tokens, words, {"who": 1.0, "arnold": 3.0}.__getitem__) == [1.0, 1.5, 1.5, 0.0]
    # A question of stop words alone is compared all the same.
    assert token_weights(tokens, [], lambda _: 1.0) == [1.0] * 4
