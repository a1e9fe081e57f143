"""Comparing a question with sentences word by word: what scores mean, what words weigh, and what is kept."""

import numpy as np
import pytest

from assistant.articles.passages import passages
from assistant.search import late_interaction
from assistant.search.embedder import MAX_TOKENS, SentenceEmbedder, TokenVectors
from assistant.search.late_interaction import LateInteraction, token_weights
from assistant.types import Article, Passage

TEXT = (
    "The delegates left the meeting frustrated.\n\n"
    "The mayor praised the meeting with the delegates at length. It had cost nine dollars."
)


def passages_of(text: str) -> list[Passage]:
    """Return the passages of an article with this text."""
    return passages(Article(id="a", title="A", text=text))


def compared(embedder: SentenceEmbedder, question: str, text: str) -> list[float]:
    """Return the score of each sentence when all words of the question weigh the same."""
    tokens = embedder.embed_query_and_tokens(question)[1]
    scores = LateInteraction(embedder).scores(tokens, [1.0] * len(tokens.spans), passages_of(text))
    return [score for of_passage in scores for score in of_passage]


def test_a_sentence_matches_itself_best(real_embedder: SentenceEmbedder) -> None:
    """Asked in a sentence's own words, where it stands alone, each word finds itself; no score is above 1."""
    assert compared(real_embedder, "Nine doctors resigned.", "Nine doctors resigned.") == pytest.approx([1], abs=1e-4)


def test_other_words_are_found_by_their_meaning(real_embedder: SentenceEmbedder) -> None:
    """Of sentences that share no main word with the question, the one that means it wins.

    With all the weight on one word, the sentence that has it wins, whatever the others say.
    """
    scores = compared(real_embedder, "Who walked out of the talks in a bad mood?", TEXT)
    frustrated, praised, _ = scores
    assert frustrated > praised
    assert all(-1 <= score <= 1 for score in scores)
    tokens = real_embedder.embed_query_and_tokens("dollars, said the mayor of the meeting")[1]
    weights = [1.0] + [0.0] * (len(tokens.spans) - 1)
    [[first], [second, third]] = LateInteraction(real_embedder).scores(tokens, weights, passages_of(TEXT))
    assert third > max(first, second)


def test_a_sentence_beyond_what_the_embedder_reads_matches_nothing(real_embedder: SentenceEmbedder) -> None:
    """Its words were never seen, so it scores 0, and those before it as ever."""
    [*_, read, cut_off] = compared(real_embedder, "Who paid?", f"{'7 ' * (MAX_TOKENS - 6)}. Ada paid. Ben paid too.")
    assert read > 0
    assert cut_off == 0


def test_a_passage_is_read_once(real_embedder: SentenceEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compared is at hand the next time, and with the same scores."""
    late, found = LateInteraction(real_embedder), passages_of(TEXT)
    tokens = real_embedder.embed_query_and_tokens("Who praised the meeting?")[1]
    assert not late.has_read(found)
    scores = late.scores(tokens, [1.0] * len(tokens.spans), found)
    assert late.has_read(found)
    monkeypatch.setattr(real_embedder, "embed_tokens", None)
    monkeypatch.setattr(real_embedder, "embed_documents", None)
    assert late.scores(tokens, [1.0] * len(tokens.spans), found) == scores
    assert len(late.similarities([0.0] * 384, found)) == 3


def test_each_sentence_has_the_vector_that_it_has_alone(real_embedder: SentenceEmbedder) -> None:
    """It is that of its own words, in a passage of one sentence and in one of several."""
    late, found = LateInteraction(real_embedder), passages_of(TEXT)
    sentences = [sentence for passage in found for sentence in passage.sentences]
    vectors = np.array(real_embedder.embed_documents([sentence.text for sentence in sentences]))
    asked = real_embedder.embed_query("Who praised the meeting?")
    similarities = late.similarities(asked, found)
    assert list(similarities) == [sentence.id for sentence in sentences]
    assert list(similarities.values()) == pytest.approx((vectors @ np.array(asked)).tolist(), abs=1e-5)
    assert late.similarities(asked, []) == {}


def test_what_was_compared_longest_ago_is_forgotten(
    real_embedder: SentenceEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory does not grow with the archive: with room for two, the one that was not asked for again goes."""
    monkeypatch.setattr(late_interaction, "KEPT", 2)
    late, (one, two, three) = LateInteraction(real_embedder), passages_of("One.\n\nTwo.\n\nThree.")
    tokens = real_embedder.embed_query_and_tokens("Which?")[1]
    for asked in ([one], [two], [one], [three]):
        late.scores(tokens, [1.0] * len(tokens.spans), asked)
    assert [late.has_read([passage]) for passage in (one, two, three)] == [True, False, True]
    # More than there is room for can be compared all the same.
    assert len(late.scores(tokens, [1.0] * len(tokens.spans), [one, two, three])) == 3


# What words weigh


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
