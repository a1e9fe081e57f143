"""From a question to the answer that is shown: told, written, quoted, declined or blocked, and in which words."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from answers import CRIME, TRUE, Packaged, assemble, checked, says, written
from replies import PASSES, told
from scripted_engine import ScriptedModel, packaged

from assistant.answering.assistant import Assistant
from assistant.answering.material import of_articles
from assistant.errors import Fault
from assistant.model.holder import CapableModels
from assistant.search.retrieval import Findings, Retriever
from assistant.types import Article, Outcome, Turn

BRIDGES = [
    Article(name, f"The {name} bridge was closed in {month}.", name.title(), date=date(2026, number, 1))
    for number, (name, month) in enumerate({"north": "March", "south": "June"}.items(), start=1)
]
CLOSED = "When was the bridge closed?"
JUNE, BOTH = "The bridge was closed in June.", "The south bridge was closed in June, the north in March."


def quoting(articles: Sequence[Article], search: Retriever | None = None, threshold: float = 0.4) -> Assistant:
    """Return an assistant without a language model."""
    return assemble(None, articles, search, threshold)


# Without a model, or with the packaged one


@pytest.mark.parametrize(
    ("asked", "outcome"),
    [
        ("in Arden", Outcome.DECLINED),
        ("in 1998", Outcome.DECLINED),
        ("under Dr. Petrosyan", Outcome.DECLINED),
        ("under Mr. Kenney", Outcome.QUOTED),
        ("under Prof Kenney", Outcome.QUOTED),
        ("in Philadelphia", Outcome.QUOTED),
        ("in Philadelfia", Outcome.QUOTED),
        ("in 2018", Outcome.QUOTED),
    ],
)
def test_a_question_about_another_place_or_year_is_not_answered_by_a_quotation(
    asked: str, outcome: Outcome, article: Article
) -> None:
    """The article, its title and its date have the name or the year, or it is declined; a slip of the pen is none."""
    snapshots = quoting([article]).stream(f"How much did violent crime fall {asked}?")
    assert {each.outcome for each in snapshots} == {outcome}


@pytest.mark.parametrize(("threshold", "outcome"), [(0.4, Outcome.QUOTED), (0.6, Outcome.DECLINED)])
def test_without_a_model_the_quotation_is_the_answer_or_it_is_declined(
    threshold: float, outcome: Outcome, article: Article, by_words: Retriever
) -> None:
    """The words alone decide then; that is no error, and the answer says that no model wrote it."""
    answer = checked(quoting([article], by_words, threshold).stream(CRIME))
    assert (answer.outcome, answer.model, answer.error) == (outcome, "none", None)
    assert ("18 percent" in answer.text) == (outcome is Outcome.QUOTED)


def test_a_refusal_cites_nothing_and_offers_the_closest_words(article: Article, by_words: Retriever) -> None:
    """Below the threshold even a perfect draft is not shown; the nearest passages are offered apart."""
    answer = Packaged([article], by_words, threshold=0.999).ask(TRUE)
    assert (answer.outcome, answer.text, answer.citations) == (Outcome.DECLINED, "", ())
    assert 1 <= len(answer.closest) <= 2
    assert any("18 percent" in citation.quote for citation in answer.closest)


def test_keywords_alone_answer_a_question_or_decline_it_at_once(article: Article) -> None:
    """Without an embedding model its words find the passage; where none is known there is nothing to ask a model."""
    by_keyword = Packaged([article])
    answer = by_keyword.ask(question="Xyzzy plugh?")
    assert (answer.outcome, answer.closest, answer.timings.first_ms) == (Outcome.DECLINED, (), None)
    assert by_keyword.drafted == []
    assert by_keyword.ask(TRUE).outcome is Outcome.WRITTEN


@pytest.mark.parametrize(
    "question", ["", " \n\t ", "\u200b\u202e\ufeff", "\x00\x07\x1b", "?!", "a" * 501, "why " * 126]
)
def test_what_is_no_question_is_blocked(question: str, writing: Packaged) -> None:
    """Nothing, nothing visible, or too much: one fixed answer that says what to do, and no model is asked."""
    answer = writing.ask(question=question)
    assert (answer.outcome, len(writing.snapshots), writing.drafted) == (Outcome.BLOCKED, 1, [])
    assert answer.text
    assert len(answer.question) <= 600


def test_invisible_characters_do_not_change_the_question(writing: Packaged) -> None:
    """What the reader sees is what is asked, searched for, and sent to the model."""
    answer = writing.ask(TRUE, question="How much\x00 has\u200b violent\u202e crime\n\nfallen?")
    assert (answer.question, answer.query, answer.outcome) == (CRIME, CRIME, Outcome.WRITTEN)
    assert writing.drafted[0][-1] == CRIME


def test_a_broken_search_is_told_apart_from_a_refusal(article: Article) -> None:
    """Nobody is told that the article has no answer when it could not be searched."""

    class Broken(Retriever):
        def search(self, *_: object, **__: object) -> Findings:
            raise RuntimeError("disk")

    writing = Packaged([article], Broken([article], None, None))
    answer = writing.ask()
    assert (answer.outcome, answer.text, writing.drafted) == (Outcome.UNAVAILABLE, "", [])


@pytest.mark.parametrize("asks", ["Who said {}?", "Which article has the words {}?"])
def test_words_are_found_as_they_stand_or_not_at_all(asks: str, writing: Packaged) -> None:
    """Whoever asks whose or where they are gets the sentence that has them; with a word altered nothing is answered."""
    found = writing.ask(TRUE, question=asks.format('"He has to pay his time"'))
    assert "He has to pay his time" in found.citations[0].quote
    altered = writing.ask("Arnold said so.", question=asks.format('"He has to pay his fine"'))
    assert altered.outcome is Outcome.DECLINED
    assert altered.closest


# The article itself


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("When was this article published?", "18 October 2018"),
        ("What is the title of this article?", "Philadelphia, its district attorney and ICE"),
        ("How long is this article?", "{words:,} words in"),
        ("Who wrote this article?", "{source}"),
    ],
)
def test_a_question_about_the_article_is_answered_from_its_front_matter(
    question: str, told: str, writing: Packaged, article: Article
) -> None:
    """Its date, title, length and source are told at once, without a model; there is no passage to cite."""
    answer = writing.ask(question=question)
    assert (answer.outcome, answer.model, writing.drafted) == (Outcome.RECORD, "none", [])
    assert told.format(words=len(article.text.split()), source=article.source) in answer.text


@pytest.mark.parametrize("said", ["hi", "thank you!", "ok", "are you a bot?"])
def test_small_talk_is_answered_without_a_search_or_a_model(said: str, writing: Packaged) -> None:
    """In words of ours, with nothing cited."""
    answer = writing.ask(question=said)
    assert (answer.outcome, answer.model, writing.drafted) == (Outcome.RECORD, "none", [])
    assert answer.text
    assert answer.articles == ()


def test_of_several_articles_a_reader_is_asked_which_one_is_meant() -> None:
    """What is known of one is told where the question names it; one whose record says nothing is declined."""
    mill = Article("mill", "The mill was opened.", "Mill", date=date(2026, 3, 2))
    quay = Article("quay", "The quay was closed.", "Quay")
    assistant = quoting([mill, quay])
    asked = assistant.ask("When was this article published?")
    assert (asked.outcome, asked.articles) == (Outcome.LIST, (mill, quay))
    assert assistant.ask("When was the mill article published?").text.startswith("The article is dated 2 March 2026")
    for answer in (
        assistant.ask("When was the quay article published?"),
        quoting([quay]).ask("When was it published?"),
    ):
        assert (answer.outcome, answer.text) == (Outcome.DECLINED, "")


def test_an_overview_is_of_the_one_article_that_is_meant(writing: Packaged) -> None:
    """No search finds what is not a part of the article, and no model is asked; which of several must be named."""
    answer = writing.ask(question="whats this about")
    assert (answer.outcome, answer.model, len(writing.snapshots)) == (Outcome.OVERVIEW, "none", 1)
    assert writing.drafted == []
    articles = [Article(name, f"The {name} was closed. It rained.", name) for name in ("bridge", "school")]
    several = quoting(articles)
    named = several.ask("tldr", article="school")
    assert "The school was closed. [1]" in named.text
    assert {citation.article.id for citation in named.citations} == {"school"}
    assert several.ask("tldr").outcome is not Outcome.OVERVIEW


# Follow-ups and several articles


def test_a_follow_up_is_searched_with_the_names_of_the_exchange_before(writing: Packaged) -> None:
    """ "Him" becomes Caleb Arnold for the search; the model gets the exchange and the question as it was asked."""
    turn = Turn("Who is Caleb Arnold?", "Caleb Arnold is a former public defender.")
    answer = writing.ask("Arnold was hired by Krasner.", question="Who hired him?", turns=[turn])
    assert (answer.question, answer.query.startswith("Who hired him?")) == ("Who hired him?", True)
    assert "Caleb Arnold" in answer.query
    assert "Krasner" in answer.text
    assert writing.drafted[0][1:] == [turn.question, turn.answer, "Who hired him?"]


@pytest.mark.parametrize("question", [CRIME, "How much has violent crime fallen there?"])
def test_a_question_that_stands_by_itself_is_put_as_if_it_were_the_first(question: str, writing: Packaged) -> None:
    """What was said before it leads neither the search nor the model astray, though it may read like a follow-up."""
    turn = Turn("Who runs the Zanzibar Ballet?", "Qadir Xylander runs the Zanzibar Ballet.")
    alone, after = (writing.ask(TRUE, question=question, turns=turns) for turns in ([], [turn]))
    assert (after.outcome, after.text, after.query) == (alone.outcome, alone.text, question)
    assert len(writing.drafted) == 2
    assert writing.drafted[0] == writing.drafted[1]


def test_a_question_to_one_article_is_not_answered_from_another() -> None:
    """Citations stay within the article that the reader has open."""
    writing = Packaged(BRIDGES)
    answer = writing.ask("It was closed in June.", question=CLOSED, article="north")
    assert {citation.article.id for citation in answer.citations} == {"north"}
    assert "June" not in answer.text
    assert written(writing.ask("The bridge was closed in June.", question=CLOSED, article="south")).endswith("June.")


# A capable model


def capable(folder: Path, articles: Sequence[Article], *said: object, local: ScriptedModel | None = None) -> Assistant:
    """Return an assistant with a capable model that says this, checked by itself or by the packaged one."""
    provider = says(folder, *said)
    models = CapableModels(provider, local=packaged(local)) if local else CapableModels(provider, provider)
    assistant = assemble(lambda: models, articles)
    assistant.wait_until_loaded()
    return assistant


@pytest.mark.parametrize(
    ("said", "outcome", "text", "shown"),
    [
        ([told("It was closed in March.", 2), PASSES], Outcome.WRITTEN, "It was closed in March. [1]", 1),
        ([told(BOTH, 1, 2), PASSES], Outcome.WRITTEN, f"{BOTH} [1][2]", 2),
        ([told(JUNE, 1, answerable="partly"), PASSES], Outcome.PARTLY, f"{JUNE} [1]", 1),
        ([told(JUNE, 1, answerable="no"), PASSES], Outcome.DECLINED, JUNE, 1),
        ([told(answerable="no")], Outcome.DECLINED, "", 2),
        ([told("It was closed in 1912.", 1)] * 2, Outcome.QUOTED, "The south bridge was closed in June. [1]", 1),
    ],
)
def test_what_a_capable_model_replies_is_told_as_what_it_is(
    said: list[object], outcome: Outcome, text: str, shown: int, tmp_path: Path
) -> None:
    """Written, partly, declined with what is nearest, or quoted from what it cited; from as many articles as needed."""
    answer = capable(tmp_path, BRIDGES, *said).ask(CLOSED)
    assert (answer.outcome, answer.text, answer.error) == (outcome, text, None)
    citations = answer.closest if outcome is Outcome.DECLINED else answer.citations
    assert len({citation.article.id for citation in citations}) == shown
    assert answer.usage.calls == len(said)


def test_an_overview_is_shown_at_once_and_a_capable_models_takes_its_place(tmp_path: Path) -> None:
    """Its own sentences tell the article until the model has, and where the model says that there is no answer."""
    has_one, has_none = told("The north bridge is closed since March.", 1), told(answerable="no")
    for said, last in (([has_one, PASSES], Outcome.WRITTEN), ([has_none], Outcome.OVERVIEW)):
        first, final = capable(tmp_path, BRIDGES[:1], *said).stream("whats this about")
        assert (first.outcome, final.outcome) == (Outcome.OVERVIEW, last)


@pytest.mark.parametrize(("right", "outcome"), [(5, Outcome.WRITTEN), (-9, Outcome.QUOTED)])
def test_the_packaged_model_may_check_what_a_capable_one_wrote(
    right: float, outcome: Outcome, tmp_path: Path, article: Article
) -> None:
    """It is asked as of a draft of its own, which takes no call of the provider's."""
    numbered = enumerate(of_articles([article]).sentences, start=1)
    said = told(TRUE, next(number for number, each in numbered if "nearly 18 percent" in each.text))
    local = ScriptedModel(sure=(5, right, 5))
    answer = capable(tmp_path, [article], said, said, local=local).ask(CRIME)
    assert answer.outcome is outcome
    assert str(local.prompts[-1][-2].content) == TRUE


@pytest.mark.parametrize("question", [CLOSED, "Whither villains?"])
def test_a_capable_model_answers_whatever_a_search_finds(question: str, tmp_path: Path) -> None:
    """It has all of the articles; where it fails, what was found stands, and why there is no more is told."""
    assert capable(tmp_path, BRIDGES, told(JUNE, 1), PASSES).ask(question).outcome is Outcome.WRITTEN
    failed = checked(capable(tmp_path, BRIDGES, "no JSON", "nor this").stream(question))
    assert failed.outcome is (Outcome.QUOTED if question == CLOSED else Outcome.UNWRITTEN)
    assert failed.fault is Fault.MALFORMED
