"""Which sentences are quoted: their signals over the article that ships, and the choice among them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.answering.packaged.calibration import coverage
from assistant.answering.quoting import (
    MOST_SENTENCES,
    SIGNALS,
    Told,
    Window,
    about_another,
    candidate_passages,
    choose,
    signals,
)
from assistant.answering.understanding.question import Question
from assistant.articles.annotated import annotated
from assistant.articles.passages import is_label, passages, sentences, statements
from assistant.articles.terms import stems
from assistant.search.embedder import SentenceEmbedder
from assistant.search.retrieval import Findings, Rarity, Retriever
from assistant.types import Article, Sentence

BESIDE = "What happened in the city?"
"""A question that says little of what its answer holds."""
EVERYTHING = 1000
"""More passages and sentences than the article has."""

Teller = Callable[[str | None], Told | None]
Candidates = list[tuple[Window, dict[str, float]]]


@pytest.fixture(scope="module")
def told(article: Article, real_embedder: SentenceEmbedder) -> Teller:
    """Return what a draft tells, if there is one, with how like it the sentences of the article are."""
    retriever, found = Retriever([article], None, real_embedder), passages(article)
    return lambda draft: None if draft is None else Told(draft, retriever.similarities(draft, found))


@pytest.fixture(scope="module")
def rarity(article: Article) -> Rarity:
    """Return how rare the stems of the article are."""
    return Retriever([article], None, None).rarity


@pytest.fixture(scope="module")
def windows(article: Article, rarity: Rarity) -> list[Window]:
    """Return each sentence of the article with those that it leans on."""
    everything = Retriever([article], None, None).search(article.text, EVERYTHING)
    return [window_of(sentence) for sentence, _ in signals(everything, rarity)]


def window_of(sentence: Sentence) -> Window:
    """Return the sentence with those that it leans on."""
    (window,) = choose(Question.of(""), [(sentence, 1.0)])
    return window


def chosen_of(question: str, likely: Sequence[tuple[Window, float]]) -> list[Window]:
    """Choose among the sentences of windows."""
    return choose(Question.of(question), [(window.sentences[0], probability) for window, probability in likely])


def the_one_with(words: str, windows: Sequence[Window]) -> Window:
    """Return the only window whose own sentence holds the words."""
    (found,) = [window for window in windows if words in window.sentences[0].text]
    return found


# About another


@pytest.mark.parametrize(
    ("question", "is_another"),
    [
        ("Whitlock promised an inquiry, didn't he?", True),
        ("turkana is how far behind", True),
        ("ok so cholera has come back?", True),
        ("who was harold lindqvist", True),
        ("whos harold lindqvist?", True),
        ("krasner promised a change, right?", False),
        ("krasener is the district attorney?", False),
        ("wait is he out", False),
        ("Nobody was hurt?", False),
        ("Six was enough?", False),
        ("who was badly hurt", False),
        ("who's in charge there", False),
        ("whos larry lindqvist", False),
    ],
)
def test_a_name_is_known_by_where_it_stands(question: str, article: Article, *, is_another: bool) -> None:
    """It opens a statement or is the whole of who is asked for, and the article has no part of it."""
    assert about_another(question, [article]) == ({article} if is_another else set())


@pytest.mark.parametrize("form", ["who is {}", "whos {}?", "{} has left?", "so {} was right"])
def test_whom_the_article_names_is_no_other(form: str, article: Article) -> None:
    """However the name is written."""
    for surname, name in annotated(article).people.items():
        for written in (surname, name, name.lower()):
            assert not about_another(form.format(written), [article])


# Windows


def test_who_announces_words_is_quoted_with_them() -> None:
    """The sentence that says only who wrote something stands before what was written."""
    text = "Prince Hallam wrote in the Wexley Petition.\n\n“We were promised land. We got none.”"
    announcing, quotation = annotated(Article("a", text, "Land")).statements
    assert window_of(announcing) == window_of(quotation) == Window((announcing,), (quotation,))


# Signals


def every_draft(article: Article) -> st.SearchStrategy[str | None]:
    """Return a draft of the article's sentences, of anything else, or none."""
    return st.one_of(
        st.none(), st.sampled_from([sentence.text for sentence in sentences(article)]), st.text(max_size=40)
    )


@given(st.data())
def test_each_statement_of_what_was_found_is_a_candidate_once(
    by_words: Retriever, article: Article, rarity: Rarity, told: Teller, data: st.DataObject
) -> None:
    """Whatever is asked and told, each statement of a found passage has every signal of both fits, all finite."""
    query = data.draw(st.one_of(st.sampled_from([s.text for s in sentences(article)]), st.text(max_size=40)))
    findings = by_words.search(query, limit=data.draw(st.integers(1, 12)))
    candidates = signals(findings, rarity, told(data.draw(every_draft(article))))
    found = [sentence for passage in candidate_passages(findings) for sentence in statements(passage)]
    assert [sentence for sentence, _ in candidates] == found
    assert len(set(found)) == len(found)
    assert {evidence.sentence for evidence in findings.evidence if not is_label(evidence.sentence)} <= set(found)
    for _, own in candidates:
        assert set(own) >= {name for fit in SIGNALS.values() for name in fit}
        assert all(math.isfinite(value) for value in own.values())


@given(st.data())
def test_the_best_sentence_is_no_distance_below_itself(
    by_words: Retriever, article: Article, rarity: Rarity, told: Teller, data: st.DataObject
) -> None:
    """How far a signal is below that of the best is never above 0, 0 for the best, and the distance for the others."""
    query = data.draw(st.sampled_from([sentence.text for sentence in sentences(article)]))
    draft = told(data.draw(every_draft(article)))
    candidates = [own for _, own in signals(by_words.search(query), rarity, draft)]
    for name in (name for name in SIGNALS["draft"] if not name.endswith("_below")):
        best = max(own[name] for own in candidates)
        assert [own[f"{name}_below"] for own in candidates] == [own[name] - best for own in candidates]


def test_a_count_is_held_by_a_sentence_that_counts(
    by_words: Retriever, rarity: Rarity, windows: Sequence[Window]
) -> None:
    """Asked how many, only a sentence with a number that the question does not hold is of that kind."""
    query = "How many of the 200 cases since February had an agreement?"
    own = dict(signals(by_words.search(query, EVERYTHING), rarity))
    counts, other = (own[the_one_with(words, windows).sentences[0]] for words in ("summaries of nine", "200 cases"))
    assert (counts["kind"], other["kind"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        ("Violent crime has fallen by nearly 18% since 2014.", "nearly 18 percent"),
        ("Ramirez-Disla threw a beer bottle, and a man's orbital bone was fractured.", "chucked a beer bottle"),
        ("He will not consider a deal for sex offenders or murderers.", "won't consider deals for sex offenders"),
        ("Arnold's office has looked at more than 200 cases since February.", "more than 200 cases"),
    ],
)
def test_a_draft_points_to_the_sentence_that_it_was_made_from(
    draft: str, words: str, by_words: Retriever, rarity: Rarity, told: Teller
) -> None:
    """Its words and its vector raise that sentence above all others, though the question does not hold them."""
    findings = by_words.search(BESIDE, EVERYTHING)
    own = dict(signals(findings, rarity, told(draft)))
    (sentence,) = [sentence for sentence in own if words in sentence.text]
    pointed = own.pop(sentence)
    for name in ("told", "told_new", "told_similarity"):
        assert pointed[name] > max(values[name] for values in own.values())


def test_a_draft_that_copies_a_sentence_is_held_by_it_entirely(
    by_words: Retriever, article: Article, rarity: Rarity, told: Teller
) -> None:
    """Whichever sentence it is, all the draft's words are in it and its vector is the same."""
    findings = by_words.search(BESIDE, EVERYTHING)
    for sentence in (sentence for passage in passages(article) for sentence in statements(passage)):
        candidates = signals(findings, rarity, told(sentence.text))
        (own,) = [values for candidate, values in candidates if candidate == sentence]
        words = stems(sentence.text)
        assert (own["told"], own["told_new"]) == (float(bool(words)), float(bool(words - stems(BESIDE))))
        assert own["told_similarity"] == pytest.approx(1.0, abs=1e-3)


def test_what_the_question_says_already_is_nothing_new_to_tell(by_words: Retriever, rarity: Rarity) -> None:
    """A sentence that has only the question's words in common with the draft tells nothing new."""
    findings = by_words.search("How much has violent crime fallen?", EVERYTHING)
    draft = Told("Violent crime has fallen by nearly 18 percent.", {})
    shared = [values for _, values in signals(findings, rarity, draft) if values["told"] and not values["told_new"]]
    assert shared
    assert all(values["asked"] for values in shared)


def test_where_no_passage_was_read_each_stands_for_its_sentences(by_words: Retriever, rarity: Rarity) -> None:
    """So one of a single sentence, which has a vector in the index, is not preferred to the sentences of the others.

    Without a draft nothing is told: what a model would have said raises no sentence above another.
    """
    findings = by_words.search(BESIDE)
    of_each = dict(signals(findings, rarity))
    assert {value for own in of_each.values() for name, value in own.items() if name.startswith("told")} == {0.0}
    for passage in candidate_passages(findings):
        alike = {of_each[sentence]["similarity"] for sentence in statements(passage)}
        assert alike == {findings.similarities.get(passage.id, 0.0)}


def test_without_an_embedder_words_tell_alone(article: Article, rarity: Rarity, windows: Sequence[Window]) -> None:
    """No sentence is more similar than another, and the draft's words still find theirs."""
    findings = Retriever([article], None, None).search("How much has violent crime fallen?")
    candidates = signals(findings, rarity, Told("It has fallen by nearly 18 percent.", {}))
    assert {own[name] for _, own in candidates for name in SIGNALS["draft"] if "similarity" in name} == {0.0}
    sentence, _ = max(candidates, key=lambda candidate: candidate[1]["told"])
    assert sentence == the_one_with("nearly 18 percent", windows).sentences[0]


@pytest.mark.parametrize("text", ["", " ", "Yes.", "?!", "日本", "x" * 10_000])
@pytest.mark.parametrize("query", ["?!", "the of and", BESIDE])
def test_a_draft_without_words_changes_no_order(query: str, text: str, by_words: Retriever, rarity: Rarity) -> None:
    """It tells the same of every sentence, and nothing breaks, whatever was asked."""
    candidates = signals(by_words.search(query), rarity, Told(text, {}))
    assert candidates
    for name in ("told", "told_new", "told_similarity"):
        assert {own[f"{name}_below"] for _, own in candidates} == {0.0}


def test_nothing_found_is_nothing_to_quote(rarity: Rarity) -> None:
    """Empty findings have no candidates, with a draft or without."""
    nothing = Findings("Who?", None, (), (), 0.0, {})
    assert signals(nothing, rarity) == signals(nothing, rarity, Told("He.", {})) == []


@pytest.mark.parametrize("factor", [0.01, 3.0, 1000.0])
def test_scores_count_beside_each_other(factor: float, by_words: Retriever, rarity: Rarity) -> None:
    """Scores that come of ranks and scores that come of comparing words tell the same where their order does."""
    findings = by_words.search("How much has violent crime fallen?")
    others = tuple(replace(evidence, score=factor * evidence.score) for evidence in findings.evidence)
    before = signals(findings, rarity)
    after = signals(replace(findings, evidence=others), rarity)
    assert {sentence: own["score"] for sentence, own in after} == pytest.approx(
        {sentence: own["score"] for sentence, own in before}
    )
    assert max(own["score"] for _, own in before) == 1.0


@pytest.mark.parametrize("score", [0.0, -0.2])
def test_where_nothing_matches_no_sentence_has_a_score(score: float, by_words: Retriever, rarity: Rarity) -> None:
    """A question that no word of the article is like divides by nothing, and turns no order round."""
    findings = by_words.search("How much has violent crime fallen?")
    others = tuple(replace(evidence, score=score) for evidence in findings.evidence)
    assert {own["score"] for _, own in signals(replace(findings, evidence=others), rarity)} == {0.0}


def test_a_sentence_brings_along_what_it_leans_on(windows: Sequence[Window]) -> None:
    """ "He chucked a beer bottle" is quoted with the sentence that says who he is, before it and in reading order."""
    window = the_one_with("He chucked a beer bottle", windows)
    assert "Jose Ramirez-Disla was" in window.leading[0].text
    for each in windows:
        assert each.all == (*each.leading, *each.sentences)
        assert list(each.all) == sorted(each.all, key=lambda sentence: sentence.start)


def test_the_people_whom_a_sentence_means_are_among_its_words(
    by_words: Retriever, rarity: Rarity, windows: Sequence[Window]
) -> None:
    """A question for Ramirez-Disla is covered by the sentence that calls him "he"."""
    findings = by_words.search("Ramirez-Disla", EVERYTHING)
    covered = {sentence: own["asked"] for sentence, own in signals(findings, rarity)}
    assert covered[the_one_with("He chucked a beer bottle", windows).sentences[0]] == 1.0


# Rarity


def rarity_of(texts: Sequence[str]) -> Rarity:
    """Return how rare the stems of an article of these sentences are."""
    return Retriever([Article("a", "\n\n".join(texts), "A")], None, None).rarity


TEXTS = st.lists(st.lists(st.sampled_from(["bridge", "river", "pillar", "mayor"]), max_size=4).map(" ".join))


STEMS = st.frozensets(st.sampled_from(["bridg", "river", "pillar", "mayor", "zeppelin", ""]))


@given(TEXTS, STEMS, STEMS, STEMS)
def test_coverage_is_a_share(
    texts: list[str], wanted: frozenset[str], held: frozenset[str], more: frozenset[str]
) -> None:
    """It is 0 to 1, 1 where all is held, 0 where nothing is, and never falls when more is held."""
    rarity = rarity_of(texts)
    share = coverage(wanted, held, rarity)
    assert 0.0 <= share <= coverage(wanted, held | more, rarity) <= 1.0
    assert (share == 1.0) == (wanted <= held)
    assert (share == 0.0) == (bool(wanted) and wanted.isdisjoint(held))


def test_a_rare_word_covers_more_than_a_common_one() -> None:
    """The word that one sentence has tells more of it than the word of all."""
    rarity = rarity_of(["The bridge pillar.", "The bridge.", "A bridge.", "Bridges."])
    assert coverage({"bridg", "pillar"}, {"pillar"}, rarity) > 0.5 > coverage({"bridg", "pillar"}, {"bridg"}, rarity)


# The choice


PROBABILITY = st.floats(0, 1)


@given(st.data())
def test_the_likeliest_sentences_are_quoted_the_best_one_first(windows: Sequence[Window], data: st.DataObject) -> None:
    """A few in all, none of them less likely than one that is left out."""
    some = data.draw(st.lists(st.sampled_from(windows), min_size=1, max_size=8, unique=True))
    likely = [(window, data.draw(PROBABILITY)) for window in some]
    probability = dict(likely)
    chosen = chosen_of(BESIDE, likely)
    told = [probability[window] for window in chosen]
    assert len(chosen) == min(len(some), MOST_SENTENCES)
    assert told == sorted(probability.values(), reverse=True)[:MOST_SENTENCES]


def test_of_equals_the_one_that_was_found_first_leads(windows: Sequence[Window]) -> None:
    """A tie keeps the order of what was found."""
    assert chosen_of(BESIDE, [(window, 0.5) for window in windows]) == windows[:MOST_SENTENCES]


def test_of_a_table_one_row_is_enough() -> None:
    """The others tell the same of others."""
    rows = sentences(Article("table", "Village | Tonnes\nOrby | 7\nAsk | 9", ""))[1:]
    assert len(rows) == 2
    (window,) = choose(Question.of("How many in Orby?"), [(row, 0.5) for row in rows])
    assert window.sentences == (rows[0],)


@pytest.mark.parametrize("quoted", ["“can't cooperate with ICE,”", '"Can\'t Cooperate with ICE"'])
def test_the_words_that_the_question_quotes_go_before_all_others(quoted: str, windows: Sequence[Window]) -> None:
    """However unlikely its sentence is, it is first."""
    holding = the_one_with("can't cooperate with ICE", windows)
    others = [window for window in windows if window != holding]
    likely = [*((window, 0.9) for window in others), (holding, 0.001)]
    assert chosen_of(f"Who said {quoted} in court?", likely)[0] == holding
    assert holding not in chosen_of("Who said so in court?", likely)


def test_a_quotation_that_stands_nowhere_changes_nothing(windows: Sequence[Window]) -> None:
    """Where no sentence holds the words, the likeliest ones are quoted."""
    likely = [(window, 1 / number) for number, window in enumerate(windows, start=1)]
    assert chosen_of("Who said “the moon is a cheese”?", likely) == chosen_of("Who said so?", likely)
