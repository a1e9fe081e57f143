"""Which article a question means where there are several, with the packaged embedding model."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date

import pytest
from answers import assemble

from assistant.answering.assistant import Assistant
from assistant.search.embedder import SentenceEmbedder
from assistant.search.index import open_index
from assistant.search.retrieval import Retriever
from assistant.types import Article, Outcome, Turn

FIRE = Article("fire", "A fire broke out in a mill on Sunday. Nine workers were hurt, two of them badly.", "Mill burns")
CRASH = Article("crash", "Two trams met on a bridge. Fourteen people were hurt, the police said.", "Trams crash")
HARVEST = Article("harvest", "The apple harvest is late. Growers blame a cold spring.", "Apples are late")
TALK = Turn("What burned?", "A fire broke out in a mill on Sunday.", FIRE.id)


@pytest.fixture(scope="module")
def assistant(real_embedder: SentenceEmbedder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    """Return an assistant that answers from three articles."""
    articles = [FIRE, CRASH, HARVEST]
    with closing(open_index(articles, real_embedder, tmp_path_factory.mktemp("index"))) as index:
        yield assemble(None, articles, Retriever(articles, index, real_embedder))


def searched(assistant: Assistant, question: str, opened: Article | None = None, *turns: Turn) -> Article | None:
    """Return the only article that a question means; None for all."""
    *_, answer = assistant.stream(question, turns, opened=opened.id if opened else None)
    return answer.searched


@pytest.mark.parametrize(
    ("question", "opened", "meant"),
    [
        ("How many people were hurt?", FIRE, FIRE),
        ("How many people were hurt?", CRASH, CRASH),
        ("How many people were hurt?", None, None),
        ("Why are the apples late?", FIRE, None),
        ("where did the trams meet", HARVEST, None),
        ("What is this article about?", HARVEST, HARVEST),
        ("summarize the apples one", FIRE, HARVEST),
        ("when was the article about the trams published", FIRE, CRASH),
    ],
)
def test_an_open_article_is_meant_unless_another_one_is(
    question: str, opened: Article | None, meant: Article | None, assistant: Assistant
) -> None:
    """Another one is meant by its title, or where it answers to a word that the open one does not."""
    assert searched(assistant, question, opened) == meant


@pytest.mark.parametrize("question", ["title?", "when was the story posted", "what's the date of the article"])
def test_what_asks_for_the_record_names_no_other_title(question: str) -> None:
    """Another title may have the word "title", "date" or "post"."""
    posted = replace(FIRE, id="posted", title="A Post Without a Date Takes the Title", text="It was found in a drawer.")
    assistant = assemble(None, [replace(CRASH, date=date(2026, 3, 2)), posted], None)
    *_, answer = assistant.stream(question, opened=CRASH.id)
    assert [each.id for each in answer.records] == [CRASH.id]


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("Why are the apples late?", None),
        ("How many people were hurt in the tram crash?", None),
        ("tldr", FIRE),
        ("And how many of them were hurt?", FIRE),
        ("and the apples one?", HARVEST),
    ],
)
def test_a_change_of_subject_leaves_what_was_talked_about(
    question: str, meant: Article | None, assistant: Assistant
) -> None:
    """Only what says that it goes on, or names nothing of its own, is about the same article."""
    assert searched(assistant, question, None, TALK) == meant


def test_where_nobody_says_what_was_talked_about_the_answer_tells(assistant: Assistant) -> None:
    """A program may send questions and answers alone."""
    assert searched(assistant, "sum it up", None, Turn("What burned?", TALK.answer)) == FIRE


def test_all_articles_are_searched_where_that_was_chosen(assistant: Assistant) -> None:
    """Whichever the question means."""
    *_, answer = assistant.stream("How many people were hurt?", article="", opened=FIRE.id)
    assert answer.searched is None
    assert {each.article for each in (*answer.citations, *answer.more, *answer.closest)} == {FIRE, CRASH}


def test_without_an_embedding_model_all_articles_are_meant() -> None:
    """How well one fits beside another is not known then."""
    assert searched(assemble(None, [FIRE, CRASH]), "How many people were hurt?", FIRE) is None


def test_an_article_that_is_gone_is_not_meant(assistant: Assistant) -> None:
    """It may still lie open."""
    gone = Article("gone", CRASH.text, "Trams crash again")
    assert searched(assistant, "How many people were hurt?", gone) is None


@pytest.mark.parametrize("question", ["summarise the ferry article", "now give me the gist of the ferry thing"])
def test_the_article_that_is_named_is_summed_up(question: str, article: Article) -> None:
    """Of several articles the one whose title has the words, whichever is open; where two have them, none."""
    ferry = Article("ferry", "The ferry costs 3 million. It sails in May.", "A new ferry")
    bridge = Article("bridge", "The bridge is shut. The ferry sails instead.", "Bridge and ferry")
    *_, answer = assemble(None, [article, ferry], None, 0.4).stream(question, opened=article.id)
    assert (answer.outcome, {each.article for each in answer.citations}) == (Outcome.OVERVIEW, {ferry})
    assert assemble(None, [ferry, bridge], None, 0.4).ask(question).outcome is not Outcome.OVERVIEW
