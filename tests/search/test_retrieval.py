"""Searching: how ranks are fused, what an odd query finds, and whether the right sentence comes first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from conftest import WordEmbedder
from hypothesis import given
from hypothesis import strategies as st

from assistant.articles.passages import passages
from assistant.search import retrieval
from assistant.search.embedder import SentenceEmbedder
from assistant.search.index import open_index
from assistant.search.retrieval import (
    CANDIDATES,
    Findings,
    KeywordIndex,
    Retriever,
    best_first,
    fuse,
    keyword_spans,
    keywords_of,
    reciprocal_ranks,
)
from assistant.types import Article

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

RANKING = st.lists(st.integers(0, 30), unique=True, max_size=15)


@pytest.fixture
def retriever(tmp_path: Path, word_embedder: WordEmbedder) -> Iterator[Retriever]:
    """Search two small articles."""
    index = open_index([ALPHA, BETA], word_embedder, tmp_path)
    yield Retriever([ALPHA, BETA], index, word_embedder)
    index.close()


@pytest.fixture(scope="module")
def shipped(
    tmp_path_factory: pytest.TempPathFactory, article: Article, real_embedder: SentenceEmbedder
) -> Iterator[Retriever]:
    """Search the article that ships with the packaged embedder."""
    index = open_index([article], real_embedder, tmp_path_factory.mktemp("index"))
    yield Retriever([article], index, real_embedder)
    index.close()


def first(findings: Findings) -> str:
    """Return the text of the best sentence."""
    return findings.evidence[0].sentence.text


# Fusion


@given(RANKING)
def test_fusing_one_ranking_keeps_its_order(ranking: list[int]) -> None:
    """Reciprocal ranks fall with the rank and are never equal."""
    assert best_first(fuse(reciprocal_ranks(ranking))) == ranking


@given(st.lists(RANKING, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_the_rankings_does_not_matter(rankings: list[list[int]], random: Random) -> None:
    """Fusing is adding: each key has the sum of what the rankings give it, in whichever order they come."""
    scores = fuse(*map(reciprocal_ranks, rankings))
    shuffled = rankings.copy()
    random.shuffle(shuffled)
    assert fuse(*map(reciprocal_ranks, shuffled)) == pytest.approx(scores)
    assert set(scores) == {key for ranking in rankings for key in ranking}


@given(RANKING, RANKING, st.integers(0, 30))
def test_a_better_rank_never_hurts(one: list[int], two: list[int], key: int) -> None:
    """A key that another ranking puts first does not fall behind any key it was before."""
    rest = [other for other in two if other != key]
    before = best_first(fuse(reciprocal_ranks(one), reciprocal_ranks([*rest, key])))
    after = best_first(fuse(reciprocal_ranks(one), reciprocal_ranks([key, *rest])))
    assert set(before[before.index(key) :]) <= set(after[after.index(key) :])


@given(RANKING)
def test_a_ranking_agrees_with_itself(ranking: list[int]) -> None:
    """Rankings that agree are not changed by being fused."""
    assert best_first(fuse(*[reciprocal_ranks(ranking)] * 3)) == ranking


def test_equal_scores_come_in_the_order_of_the_text() -> None:
    """A tie never depends on the machine."""
    assert best_first({3: 0.5, 1: 0.5, 2: 0.75}) == [2, 1, 3]


# Keywords


def test_keywords_are_stemmed_and_stop_words_ignored() -> None:
    """Another form of a word is found, and a word that every text has is not looked for."""
    index = KeywordIndex(["The engineers inspected it.", "The mayor and the council.", "The the the."])
    assert list(index.search(keywords_of("inspecting engineer"), 5)) == [0]
    assert index.search(keywords_of("the and"), 5) == {}


def test_keywords_are_found_best_first_up_to_the_limit() -> None:
    """The text with more of the words leads, and texts with none are left out."""
    index = KeywordIndex(["bridge", "bridge river", "music", "bridge river pillar"])
    found = index.search(keywords_of("bridge river pillar"), 10)
    assert next(iter(found)) == 3
    assert set(found) == {0, 1, 3}
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert list(index.search(keywords_of("bridge river pillar"), 1)) == [3]


@given(
    st.lists(st.lists(st.sampled_from(["bridge", "river", "pillar", "mayor"]), max_size=4), min_size=1, max_size=40),
    st.integers(1, 10),
    st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_keywords_in_a_slice_are_those_of_all_that_lie_in_it(
    words: list[list[str]], limit: int, ends: tuple[int, int]
) -> None:
    """Looking at some of the texts is looking at all and leaving out the others; ties come in reading order."""
    index = KeywordIndex([" ".join(text) for text in words])
    start, stop = sorted(ends)
    everywhere = index.search(keywords_of("bridge river pillar"), len(words))
    assert list(everywhere.items()) == sorted(everywhere.items(), key=lambda found: (-found[1], found[0]))
    expected = [found for found in everywhere.items() if start <= found[0] < stop][:limit]
    assert list(index.search(keywords_of("bridge river pillar"), limit, slice(start, stop)).items()) == expected


@pytest.mark.parametrize("texts", [[], [""], ["the and of"], ["…", "?!"]])
def test_texts_without_words_are_never_found(texts: list[str]) -> None:
    """An index of nothing is empty and does not break."""
    assert KeywordIndex(texts).search(keywords_of("the mayor"), 5) == {}


def test_a_word_that_few_texts_have_is_rare() -> None:
    """The fewer texts have a word, the rarer it is, and one that none has is rarest."""
    index = KeywordIndex(["bridge", "bridge river", "bridge river pillar"])
    bridge, river, pillar, zebra = map(index.rarity, ("bridg", "river", "pillar", "zebra"))
    assert 0 < bridge < river < pillar < zebra


def test_where_no_text_has_a_word_all_words_are_as_rare() -> None:
    """An index of nothing still says how rare a word is."""
    index = KeywordIndex(["the of"])
    assert index.rarity("bridg") == index.rarity("river") > 0


@given(st.text(st.sampled_from(sorted("abcdeIKnst é5’'-,.?")), max_size=60))
def test_keywords_are_the_same_wherever_they_stand(query: str) -> None:
    """What is weighed word by word is what BM25 looks for, and each word stands where it is said to."""
    spans = keyword_spans(query)
    assert [word for word, _, _ in spans] == keywords_of(query)
    assert all(query[start:end].strip() == query[start:end] != "" for _, start, end in spans)


# Search


def test_findings_are_sentences_with_their_passages(retriever: Retriever) -> None:
    """Each sentence lies in its passage, scores fall, and nothing is found twice."""
    findings = retriever.search("Who inspected the pillars of the bridge?")
    assert first(findings) == "Nine engineers inspected its pillars."
    assert findings.hits[0].passage.text.startswith("The old bridge")
    assert all(evidence.sentence in evidence.passage.sentences for evidence in findings.evidence)
    for scores in ([hit.score for hit in findings.hits], [evidence.score for evidence in findings.evidence]):
        assert scores == sorted(scores, reverse=True)
    assert len({evidence.sentence.id for evidence in findings.evidence}) == len(findings.evidence)
    assert len({hit.passage.id for hit in findings.hits}) == len(findings.hits)
    assert findings.query == "Who inspected the pillars of the bridge?"
    assert 0 < findings.similarity <= 1
    assert findings.keyword_score > 0


def test_the_limit_holds_for_passages_and_sentences(retriever: Retriever) -> None:
    """No more is returned than asked for."""
    findings = retriever.search("bridge", limit=2)
    assert (len(findings.hits), len(findings.evidence)) == (2, 2)


def test_search_stays_within_an_article(retriever: Retriever) -> None:
    """With an article named, neither keywords nor vectors find another."""
    findings = retriever.search("bridge river mayor", article="beta")
    assert findings.hits
    assert {hit.passage.article.id for hit in findings.hits} == {"beta"}
    assert {evidence.sentence.article.id for evidence in findings.evidence} == {"beta"}
    assert findings.keyword_score < retriever.search("bridge river mayor").keyword_score


def test_search_within_an_article_is_search_of_all_without_the_others() -> None:
    """What the words find in an article is what they find among all the articles and lies in it, in the same order."""
    articles = [replace(article, id=f"{article.id}{copy}") for copy in range(3) for article in (ALPHA, BETA)]
    retriever = Retriever(articles, None, None)
    everywhere = retriever.search("bridge river school mayor", limit=1000)
    for article in articles:
        within = retriever.search("bridge river school mayor", limit=1000, article=article.id)
        assert within.hits
        assert [hit.passage for hit in within.hits] == [
            hit.passage for hit in everywhere.hits if hit.passage.article.id == article.id
        ]
        assert [evidence.sentence for evidence in within.evidence] == [
            evidence.sentence for evidence in everywhere.evidence if evidence.sentence.article.id == article.id
        ]
    assert retriever.search("bridge river school mayor", article="gamma").evidence == ()


@pytest.mark.parametrize("query", ["", "   ", "the of and", "?!", "zzzz", "x" * 10_000, "日本", "\x00"])
def test_a_query_without_a_known_word_still_works(retriever: Retriever, query: str) -> None:
    """There is no keyword score, and whatever the vectors find comes in order."""
    findings = retriever.search(query)
    assert findings.keyword_score == 0.0
    assert [e.score for e in findings.evidence] == sorted((e.score for e in findings.evidence), reverse=True)


def test_nothing_is_found_in_nothing(tmp_path: Path, word_embedder: WordEmbedder) -> None:
    """An empty corpus gives empty findings, with an article named or not."""
    index = open_index([], word_embedder, tmp_path)
    retriever = Retriever([], index, word_embedder)
    for article in (None, "alpha"):
        findings = retriever.search("bridge", article=article)
        assert (findings.hits, findings.evidence, findings.similarity, findings.keyword_score) == ((), (), 0.0, 0.0)
    index.close()


def test_without_vectors_keywords_find_alone() -> None:
    """Where there is no embedding model the words of the question are all that is searched for."""
    retriever = Retriever([ALPHA, BETA], None, None)
    findings = retriever.search("Who inspected the pillars of the bridge?")
    assert first(findings) == "Nine engineers inspected its pillars."
    assert findings.similarity == 0.0
    assert retriever.search("zebra").evidence == ()


@pytest.mark.parametrize("article", [None, "alpha", "beta", "gamma"])
def test_similarities_are_those_of_the_index(article: str | None, tmp_path: Path, word_embedder: WordEmbedder) -> None:
    """The findings hold what was searched, and how similar the question is to the passages there, best first."""
    index = open_index([ALPHA, BETA], word_embedder, tmp_path)
    findings = Retriever([ALPHA, BETA], index, word_embedder).search("Did the mayor close the bridge?", article=article)
    assert findings.article == article
    assert findings.similarities == index.search(word_embedder.embed_query(findings.query), CANDIDATES, article)
    index.close()
    assert list(findings.similarities.values()) == sorted(findings.similarities.values(), reverse=True)
    assert findings.similarity == max(findings.similarities.values(), default=0.0)
    named = [found for found in (ALPHA, BETA) if article in {None, found.id}]
    assert set(findings.similarities) == {passage.id for found in named for passage in passages(found)}


def test_a_copied_sentence_is_most_similar_to_itself(shipped: Retriever, article: Article) -> None:
    """Its own words are at cosine 1, under the name that the sentence has everywhere."""
    found = passages(article)
    everything = [sentence for passage in found for sentence in passage.sentences]
    for sentence in everything[::5]:
        similarities = shipped.similarities(sentence.text, found)
        assert similarities.keys() == {each.id for each in everything}
        assert similarities[sentence.id] == pytest.approx(1.0, abs=1e-5)
        assert similarities[sentence.id] == pytest.approx(max(similarities.values()), abs=1e-5)


def test_each_sentence_that_is_compared_is_so_by_its_own_vector_too(
    shipped: Retriever, real_embedder: SentenceEmbedder
) -> None:
    """The findings say how like the question it is, though only passages are in the index."""
    findings = shipped.search("How much has violent crime fallen?")
    found = [evidence.sentence for evidence in findings.evidence]
    vectors = np.array(real_embedder.embed_documents([sentence.text for sentence in found]))
    expected = vectors @ np.array(real_embedder.embed_query(findings.query))
    assert [findings.similarities[sentence.id] for sentence in found] == pytest.approx(expected.tolist(), abs=1e-5)


def test_without_vectors_nothing_is_similar(retriever: Retriever) -> None:
    """Words alone say nothing of how similar two texts are; sentences need an embedder of tokens."""
    words_alone = Retriever([ALPHA, BETA], None, None)
    assert words_alone.search("bridge", article="alpha").similarities == {}
    assert words_alone.similarities("bridge", passages(ALPHA)) == {}
    assert retriever.similarities("bridge", passages(ALPHA)) == {}


def test_the_same_question_finds_the_same(retriever: Retriever) -> None:
    """Searching has no memory."""
    assert retriever.search("mayor") == retriever.search("mayor")


# The article that ships


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("How much has violent crime fallen in Philadelphia since 2014?", "fallen by nearly 18 percent"),
        ("Who did Krasner hire as immigration counsel?", "hire Caleb Arnold"),
        ("What did the young man throw at another?", "chucked a beer bottle"),
        ("Where did Jose Ramirez-Disla come from?", "from the Dominican Republic"),
        ("Which database could show agents inmates' names and race?", "With Lock and Track, agents could see"),
        ("What did Trump call immigrants?", 'referred to immigrants as "animals"'),
        ("Would Krasner consider a deal for a murderer?", "won't consider deals for sex offenders and murderers"),
    ],
)
def test_the_right_sentence_comes_first(shipped: Retriever, question: str, words: str) -> None:
    """With the packaged embedder the sentence that answers is the best piece of evidence."""
    assert words in first(shipped.search(question))


def test_a_paraphrase_is_found(shipped: Retriever) -> None:
    """Words that the article does not use still lead to the sentence, among the best two."""
    for question in ("Was the teenager's eye socket broken in a brawl?", "What did the man throw in the bar?"):
        findings = shipped.search(question)
        assert any("fracturing his orbital bone" in evidence.sentence.text for evidence in findings.evidence[:2])


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("In what mood did the federal visitors walk out of the talks?", "frustrated"),
        ("Where did the demonstrators set up their tents?", "camped outside City Hall"),
        ("How long had the youngster been allowed to live in America?", "for almost two years"),
        ("What campaign pledge carried the city's top prosecutor to victory at the polls?", "promise to reinvent"),
    ],
)
def test_far_off_words_find_the_passage(shipped: Retriever, question: str, words: str) -> None:
    """A question that shares no main word with the answer still has its passage among the five best."""
    assert any(words in hit.passage.text for hit in shipped.search(question).hits[:5])


def test_a_passage_that_was_not_read_leaves_the_order_to_the_ranks(
    tmp_path: Path, article: Article, real_embedder: SentenceEmbedder
) -> None:
    """Who may not wait gets what the ranks find, told as rough, until the passages have been read once."""
    question = "In what mood did the federal visitors walk out of the talks?"
    index = open_index([article], real_embedder, tmp_path)
    retriever = Retriever([article], index, real_embedder)
    rough = retriever.search(question, may_read=False)
    compared = retriever.search(question)
    assert (rough.rough, compared.rough) == (True, False)
    assert [hit.passage for hit in rough.hits] != [hit.passage for hit in compared.hits]
    assert retriever.search(question, may_read=False) == compared
    index.close()


def test_while_the_embedding_model_loads_keywords_find_what_may_not_wait(
    tmp_path: Path,
    article: Article,
    real_embedder: SentenceEmbedder,
    late_embedder: tuple[SentenceEmbedder, threading.Event],
) -> None:
    """Who may not wait gets what keywords alone find, told as rough even where that is nothing; who may, waits."""
    embedder, may_load = late_embedder
    # An index that was built before needs no model.
    open_index([article], real_embedder, tmp_path).close()
    with closing(open_index([article], embedder, tmp_path)) as index:
        retriever = Retriever([article], index, embedder)
        with ThreadPoolExecutor(1) as pool:
            patient = pool.submit(retriever.search, "How many doctors signed the petition?")
            nothing = retriever.search("Xyzzy?", may_read=False)
            found = retriever.search("How many doctors signed the petition?", may_read=False)
            assert not embedder.is_loaded
            may_load.set()
            assert patient.result().similarities
        assert not retriever.search("How many doctors signed the petition?", may_read=False).rough
    assert (nothing.rough, nothing.evidence) == (True, ())
    assert (found.rough, found.similarities) == (True, {})
    keywords = Retriever([article], None, None).search("How many doctors signed the petition?")
    assert [each.sentence for each in found.evidence] == [each.sentence for each in keywords.evidence]


def test_what_was_read_ahead_needs_not_be_read_for_a_question(
    tmp_path: Path, article: Article, real_embedder: SentenceEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then who may not wait gets the same; of more than can be kept nothing is read, nor once that was called off."""
    questions = ["Who visited the mayor?", "What did the deputies demand?"]
    ahead, called_off = threading.Event(), threading.Event()
    called_off.set()
    with closing(open_index([article], real_embedder, tmp_path)) as index:
        retriever = Retriever([article], index, real_embedder)
        retriever.read_ahead(called_off)
        monkeypatch.setattr(retrieval, "KEPT", len(passages(article)) - 1)
        retriever.read_ahead(ahead)
        assert all(retriever.search(question, may_read=False).rough for question in questions)
        monkeypatch.undo()
        retriever.read_ahead(ahead)
        found = [retriever.search(question, may_read=False) for question in questions]
        assert found == [retriever.search(question) for question in questions]
        assert not any(findings.rough for findings in found)


def test_without_token_vectors_nothing_is_rough(retriever: Retriever) -> None:
    """Where words cannot be compared at all, there is nothing better to wait for."""
    assert not retriever.search("Who inspected the pillars?", may_read=False).rough


def test_what_is_near_the_article_is_more_similar_than_what_is_not(shipped: Retriever) -> None:
    """The similarity of the best sentence tells a question about the article from one about something else."""
    about = shipped.search("Why did the city end the PARS contract with ICE?").similarity
    beside = shipped.search("How long should pasta be boiled?").similarity
    assert about > 0.5
    assert beside < 0.3
