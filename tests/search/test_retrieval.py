"""Searching: how ranks are fused, what an odd query finds, and whether the right sentence comes first."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import product
from pathlib import Path
from random import Random

import numpy as np
import pytest
from conftest import WordEmbedder
from hypothesis import given
from hypothesis import strategies as st

from assistant.answering.assistant import Assistant
from assistant.articles.passages import passages
from assistant.model import weights
from assistant.search.embedder import SentenceEmbedder, TokenVectors, Vector
from assistant.search.index import open_index
from assistant.search.retrieval import Findings, Retriever, fuse, reciprocal_ranks
from assistant.settings import Settings
from assistant.types import Article, Outcome

ALPHA = Article(
    id="alpha",
    title="Alpha",
    text=(
        "The old bridge over the river was closed in March. Nine engineers inspected its pillars.\n\n"
        "The mayor, Ada Brook, said repairs would cost four million. She did not name a date."
    ),
)
BETA = Article(
    id="beta",
    title="Beta",
    text="The school board hired a teacher of music.\n\nThe bridge club meets in the school on Mondays.",
)

RANKING = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=8)


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retriever]:
    """Search two small articles."""
    embedder = WordEmbedder()
    with closing(open_index([ALPHA, BETA], embedder, tmp_path_factory.mktemp("index"))) as index:
        yield Retriever([ALPHA, BETA], index, embedder)


def first(findings: Findings) -> str:
    """Return the text of the best sentence."""
    return findings.evidence[0].sentence.text


# Fusion


@given(st.lists(RANKING, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_the_rankings_does_not_matter(rankings: list[list[str]], random: Random) -> None:
    """Fusing is adding: each key has the sum of what the rankings give it, and a single ranking stays as it is."""
    scores = fuse(*map(reciprocal_ranks, rankings))
    shuffled = rankings.copy()
    random.shuffle(shuffled)
    assert fuse(*map(reciprocal_ranks, shuffled)) == pytest.approx(scores)
    assert set(scores) == {key for ranking in rankings for key in ranking}
    assert [_best_first(reciprocal_ranks(ranking)) for ranking in rankings] == rankings


@given(RANKING, RANKING, st.sampled_from("abcdefghij"))
def test_a_better_rank_never_hurts(one: list[str], two: list[str], key: str) -> None:
    """A key that another ranking puts first does not fall behind any key it was before."""
    rest = [other for other in two if other != key]
    before = _best_first(fuse(reciprocal_ranks(one), reciprocal_ranks([*rest, key])))
    after = _best_first(fuse(reciprocal_ranks(one), reciprocal_ranks([key, *rest])))
    assert set(before[before.index(key) :]) <= set(after[after.index(key) :])


def _best_first(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda key: (-scores[key], key))


# Search


def test_findings_are_sentences_with_their_passages(retriever: Retriever) -> None:
    """Each lies in its passage, scores fall, and nothing is found twice; without vectors keywords find alone."""
    question = "Who inspected the pillars of the bridge?"
    for one in (retriever, Retriever([ALPHA, BETA], None, None)):
        findings = one.search(question)
        assert first(findings) == "Nine engineers inspected its pillars."
        assert findings.hits[0].passage.text.startswith("The old bridge")
        assert all(evidence.sentence in evidence.passage.sentences for evidence in findings.evidence)
        for scores in ([hit.score for hit in findings.hits], [evidence.score for evidence in findings.evidence]):
            assert scores == sorted(scores, reverse=True)
        assert len({evidence.sentence.id for evidence in findings.evidence}) == len(findings.evidence)
        assert len({hit.passage.id for hit in findings.hits}) == len(findings.hits)
        assert findings.query == question
        assert (0 < findings.similarity <= 1) is (one is retriever)
        assert findings.keyword_score > 0
    assert one.search("zebra").evidence == ()


def test_search_within_an_article_is_search_of_all_without_the_others() -> None:
    """What the words find in an article is what they find among all the articles and lies in it, in the same order."""
    articles = [
        Article(f"{word} {number}", f"The {word} of {place} fell. {place} has a {word}, {number} {end}.", "A")
        for number, (word, place, end) in enumerate(
            product(("bridge", "school", "mayor"), ("Oslo", "Lima"), ("x", "y"))
        )
    ]
    retriever, question = Retriever(articles, None, None), "bridge river school mayor"
    everywhere = retriever.search(question, limit=1000)
    for article in articles:
        within = retriever.search(question, limit=1000, article=article.id)
        hits = [hit.passage for hit in everywhere.hits if hit.passage.article == article]
        sentences = [each.sentence for each in everywhere.evidence if each.sentence.article == article]
        assert [hit.passage for hit in within.hits] == hits != []
        assert [each.sentence for each in within.evidence] == sentences
    assert retriever.search(question, article="gamma").evidence == ()


@pytest.mark.parametrize("article", [None, "alpha", "beta", "gamma"])
def test_neither_words_nor_vectors_leave_the_article(
    retriever: Retriever, word_embedder: WordEmbedder, article: str | None
) -> None:
    """What is found lies in it, at most as much as asked for, the same each time, and as similar as the nearest."""
    question = "Did the mayor close the bridge or the school?"
    findings = retriever.search(question, 2, article)
    assert findings == retriever.search(question, 2, article)
    assert findings.article == article
    named = [found for found in (ALPHA, BETA) if article in {None, found.id}]
    assert {hit.passage.article for hit in findings.hits} | {each.sentence.article for each in findings.evidence} <= {
        *named
    }
    assert len(findings.hits) == len(findings.evidence) == (2 if named else 0)
    vectors = np.array(word_embedder.embed_documents([each.text for found in named for each in passages(found)]))
    nearest = vectors @ np.array(word_embedder.embed_query(question)) if named else []
    assert sorted(findings.similarities.values()) == pytest.approx(sorted(nearest), abs=1e-5)
    assert findings.similarities.keys() == {each.id for found in named for each in passages(found)}
    assert findings.similarity == max(findings.similarities.values(), default=0.0)
    # Where words cannot be compared at all, there is nothing better to wait for.
    assert not retriever.search(question, 2, article, may_read=False).rough


@pytest.mark.parametrize("query", ["", "   ", "the of and", "?!", "zzzz", "x" * 10_000, "日本", "\x00"])
def test_a_query_without_a_known_word_still_works(retriever: Retriever, query: str) -> None:
    """There is no keyword score, and whatever the vectors find comes in order; in nothing there is nothing."""
    findings = retriever.search(query)
    assert findings.keyword_score == 0.0
    assert [e.score for e in findings.evidence] == sorted((e.score for e in findings.evidence), reverse=True)
    nothing = Retriever([], None, retriever.embedder).search(query, article="alpha")
    assert (nothing.hits, nothing.evidence, nothing.similarity, nothing.keyword_score) == ((), (), 0.0, 0.0)


def test_a_copied_sentence_is_most_similar_to_itself(by_meaning: Retriever, article: Article) -> None:
    """Its own words are at cosine 1, under the name that the sentence has everywhere."""
    found = passages(article)
    everything = [sentence for passage in found for sentence in passage.sentences]
    for sentence in everything[::5]:
        similarities = by_meaning.similarities(sentence.text, found)
        assert similarities.keys() == {each.id for each in everything}
        assert similarities[sentence.id] == pytest.approx(1.0, abs=1e-3)
        assert similarities[sentence.id] == pytest.approx(max(similarities.values()), abs=1e-3)


def test_each_sentence_that_is_compared_is_so_by_its_own_vector_too(
    by_meaning: Retriever, real_embedder: SentenceEmbedder
) -> None:
    """The findings say how like the question it is, though only passages are in the index."""
    findings = by_meaning.search("How much has violent crime fallen?")
    found = [evidence.sentence for evidence in findings.evidence]
    vectors = np.array(real_embedder.embed_documents([sentence.text for sentence in found]))
    expected = vectors @ np.array(real_embedder.embed_query(findings.query))
    assert [findings.similarities[sentence.id] for sentence in found] == pytest.approx(expected.tolist(), abs=1e-3)


def test_without_vectors_nothing_is_similar(retriever: Retriever) -> None:
    """Words alone say nothing of how similar two texts are; sentences need an embedder of tokens."""
    words_alone = Retriever([ALPHA, BETA], None, None)
    assert words_alone.search("bridge", article="alpha").similarities == {}
    assert words_alone.similarities("bridge", passages(ALPHA)) == {}
    assert retriever.similarities("bridge", passages(ALPHA)) == {}


# The article that ships


@pytest.mark.parametrize(
    ("best", "question", "words"),
    [
        (1, "How much has violent crime fallen in Philadelphia since 2014?", "fallen by nearly 18 percent"),
        (1, "Who did Krasner hire as immigration counsel?", "hire Caleb Arnold"),
        (1, "What did the young man throw at another?", "chucked a beer bottle"),
        (1, "Where did Jose Ramirez-Disla come from?", "from the Dominican Republic"),
        (1, "Which database could show agents inmates' names and race?", "With Lock and Track, agents could see"),
        (1, "What did Trump call immigrants?", 'referred to immigrants as "animals"'),
        (1, "Would Krasner consider a deal for a murderer?", "won't consider deals for sex offenders and murderers"),
        (2, "Was the teenager's eye socket broken in a brawl?", "fracturing his orbital bone"),
        (2, "What did the man throw in the bar?", "fracturing his orbital bone"),
        (5, "In what mood did the federal visitors walk out of the talks?", "frustrated"),
        (5, "Where did the demonstrators set up their tents?", "camped outside City Hall"),
        (5, "How long had the youngster been allowed to live in America?", "for almost two years"),
        (5, "What campaign pledge carried the city's top prosecutor to victory at the polls?", "promise to reinvent"),
    ],
)
def test_what_answers_is_found(by_meaning: Retriever, best: int, question: str, words: str) -> None:
    """The sentence is the best piece of evidence, or of a paraphrase among the best two.

    Where a question shares no main word with it, its passage is among the five best.
    """
    findings = by_meaning.search(question)
    sentences = [evidence.sentence.text for evidence in findings.evidence[:best]]
    passages_found = [hit.passage.text for hit in findings.hits[:best]]
    assert any(words in text for text in (passages_found if best == 5 else sentences))


class Watched(SentenceEmbedder):
    """Keeps what it reads."""

    texts: tuple[str, ...] = ()

    def _read(self, texts: Sequence[str]) -> list[tuple[Vector, TokenVectors]]:
        self.texts += tuple(texts)
        return super()._read(texts)


def test_nothing_is_embedded_but_the_question(
    article: Article, by_meaning: Retriever, real_embedder: SentenceEmbedder
) -> None:
    """Passages that nobody has asked about before are compared from what was computed when they were indexed."""
    watched = Watched(lambda: real_embedder._loaded.get()[0], real_embedder.name)
    watched.load()
    retriever, question = Retriever([article], by_meaning._index, watched), "Where did they set up their tents?"
    assert retriever.search(question, may_read=False).evidence
    assert retriever.similarities("A draft.", passages(article))
    assert watched.texts == (question, "A draft.")


def test_what_was_found_is_not_searched_for_again(retriever: Retriever) -> None:
    """The same question finds the same objects, however many of them are wanted."""
    best, *_ = retriever.search("Who hired a teacher?", limit=1).evidence
    assert retriever.search("Who hired a teacher?").evidence[0] is best


def test_while_the_embedding_model_loads_keywords_find_what_may_not_wait(
    article: Article, by_meaning: Retriever, late_embedder: tuple[SentenceEmbedder, threading.Event]
) -> None:
    """Who may not wait gets what keywords alone find, told as rough even where that is nothing; who may, waits."""
    embedder, may_load = late_embedder
    retriever, question = Retriever([article], by_meaning._index, embedder), "How many doctors signed the petition?"
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(retriever.search, question)
        nothing = retriever.search("Xyzzy?", may_read=False)
        found = retriever.search(question, may_read=False)
        assert not embedder.is_loaded
        may_load.set()
        assert patient.result().similarities
    assert not retriever.search(question, may_read=False).rough
    assert (nothing.rough, nothing.evidence) == (True, ())
    assert (found.rough, found.similarities) == (True, {})
    keywords = Retriever([article], None, None).search(question)
    assert [each.sentence for each in found.evidence] == [each.sentence for each in keywords.evidence]


def test_what_is_near_the_article_is_more_similar_than_what_is_not(by_meaning: Retriever) -> None:
    """The similarity of the best sentence tells a question about the article from one about something else."""
    about = by_meaning.search("Why did the city end the PARS contract with ICE?").similarity
    beside = by_meaning.search("How long should pasta be boiled?").similarity
    assert about > 0.5
    assert beside < 0.3


def test_without_the_embedding_model_keywords_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the packages are missing, what the article answers is quoted, and what it has no word of is declined."""
    monkeypatch.setattr(weights, "embedder_is_packaged", lambda: False)
    with closing(Assistant.open(Settings(data=tmp_path, model="none"))) as assistant:
        assert assistant.ask("How old was Jose Ramirez-Disla?").outcome is Outcome.QUOTED
        assert assistant.ask("What is the capital of France?").outcome is Outcome.DECLINED
