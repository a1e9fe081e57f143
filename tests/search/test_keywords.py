"""Keywords on disk: what BM25 finds, what it scores, what is rare, and what an interruption leaves."""

from collections import Counter
from collections.abc import Iterable
from math import log
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.articles.passages import passages
from assistant.articles.terms import stems
from assistant.search.keywords import (
    PASSAGES,
    SENTENCES,
    Keywords,
    inverse_document_frequency,
    keyword_spans,
    keywords_of,
)
from assistant.types import Article

WORDS = ["bridge", "river", "pillar", "mayor"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join), max_size=20)


def articles_of(texts: Iterable[str]) -> dict[str, Article]:
    """Return an article of each text, by its key."""
    return {f"a{number}@1": Article(f"a{number}", text, "A") for number, text in enumerate(texts)}


def holding(articles: dict[str, Article], folder: Path | None = None) -> Keywords:
    """Return the words of these articles."""
    words = Keywords(folder)
    for key, article in articles.items():
        words.add(key, passages(article))
    words.commit()
    words.settle()
    return words


def test_keywords_are_stemmed_and_stop_words_ignored() -> None:
    """Another form of a word is found, and a word that every text has is not looked for."""
    articles = articles_of(["The engineers inspected it.", "The mayor and the council.", "The the the."])
    words = holding(articles)
    (found,) = words.search(SENTENCES, keywords_of("inspecting engineer"), 5)
    assert found.startswith("a0@")
    assert words.search(SENTENCES, keywords_of("the and"), 5) == {}
    for nothing in ([], ["the and of"], ["…", "?!"]):
        assert holding(articles_of(nothing)).search(PASSAGES, keywords_of("the mayor"), 5) == {}


@given(TEXTS, st.lists(st.sampled_from(WORDS), max_size=5), st.sets(st.integers(0, 20)))
def test_scores_are_those_of_bm25(texts: list[str], query: list[str], some: set[int]) -> None:
    """They are Lucene's with k1 1.5 and b 0.75, of all articles or of those that are named, best first."""
    articles = articles_of(texts)
    words, held = holding(articles), [Counter(keywords_of(text)) for text in texts]
    asked, average = keywords_of(" ".join(query)), sum(counts.total() for counts in held) / max(1, len(held))
    for within in (None, {f"a{number}@1" for number in some}):
        expected = {}
        for number, counts in enumerate(held):
            rare = {word: sum(word in each for each in held) for word in asked}
            least = 1.5 * (0.25 + 0.75 * counts.total() / average)
            score = sum(
                log(1 + (len(held) - rare[word] + 0.5) / (rare[word] + 0.5)) * counts[word] / (counts[word] + least)
                for word in asked
            )
            if score and (within is None or f"a{number}@1" in within):
                expected[articles[f"a{number}@1"].id] = score
        found = words.search(PASSAGES, asked, 100, within)
        assert {place.partition("@")[0]: score for place, score in found.items()} == pytest.approx(expected)
        assert list(found.values()) == sorted(found.values(), reverse=True)


@given(TEXTS)
def test_a_stem_of_more_sentences_is_less_rare(texts: list[str]) -> None:
    """Rarity falls with the number of sentences that hold it; what none holds is as rare as what one holds."""
    words = holding(articles_of(texts))
    frequency = Counter(stem for text in texts for stem in stems(text))
    for stem in (*frequency, "zeppelin"):
        count = frequency[stem] or min(1, len(texts))
        assert words.stem_rarity(stem) == inverse_document_frequency(len(texts), count) > 0
    assert words.rarity("zeppelin") >= max(map(words.rarity, frequency), default=0.0)


@given(st.text(st.sampled_from(sorted("abcdeIKnst é5’'-,.?")), max_size=60))
def test_keywords_are_the_same_wherever_they_stand(query: str) -> None:
    """What is weighed word by word is what BM25 looks for, and each word stands where it is said to."""
    spans = keyword_spans(query)
    assert [word for word, _, _ in spans] == keywords_of(query)
    assert all(query[start:end].strip() == query[start:end] != "" for _, start, end in spans)


@given(st.lists(st.tuples(st.integers(0, 4), TEXTS.filter(bool)), max_size=6))
def test_what_came_and_went_leaves_no_trace(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, list[str]]]
) -> None:
    """After any changes, and opened anew, the words are those of the articles that are there at the end."""
    folder, there = tmp_path_factory.mktemp("words"), dict[str, Article]()
    words = Keywords(folder)
    for number, texts in changes:
        key = f"n{number}@1"
        if there.pop(key, None) is None or len(texts) % 2:
            there[key] = Article(f"n{number}", "\n\n".join(texts), "N")
            words.add(key, passages(there[key]))
        else:
            words.remove(key)
        words.commit()
    words.close()
    again, anew = Keywords(folder), holding(there)
    assert again.articles() == anew.articles() == {key: len(passages(article)) for key, article in there.items()}
    for kind in (PASSAGES, SENTENCES):
        assert again.search(kind, WORDS, 100) == pytest.approx(anew.search(kind, WORDS, 100))
    assert [again.rarity(word) for word in WORDS] == [anew.rarity(word) for word in WORDS]
    again.close()
