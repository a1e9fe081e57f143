"""Where all articles are searched, a question means the one that its reader has before them, if that answers it."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from answers import assemble

from assistant.answering.assistant import Assistant
from assistant.search.embedder import SentenceEmbedder
from assistant.search.index import open_index
from assistant.search.retrieval import Retriever
from assistant.types import Article

FIRE = Article("fire", "A fire broke out in a mill on Sunday. Nine workers were hurt, two of them badly.", "Mill burns")
CRASH = Article("crash", "Two trams met on a bridge. Fourteen people were hurt, the police said.", "Trams crash")
HARVEST = Article("harvest", "The apple harvest is late. Growers blame a cold spring.", "Apples are late")


@pytest.fixture(scope="module")
def assistant(real_embedder: SentenceEmbedder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    """Return an assistant that answers from three articles."""
    articles = [FIRE, CRASH, HARVEST]
    with closing(open_index(articles, real_embedder, tmp_path_factory.mktemp("index"))) as index:
        yield assemble(None, articles, Retriever(articles, index, real_embedder))


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("How many people were hurt?", [FIRE, CRASH]),
        ("Why are the apples late?", [HARVEST]),
        ("where did the trams meet", [CRASH]),
    ],
)
def test_a_question_means_the_article_in_sight_that_answers_it(
    question: str, meant: list[Article], assistant: Assistant
) -> None:
    """Another one may fit a little better; where it fits far better, it is asked."""
    found = [each for each in assistant.corpus.articles if assistant.means_article_in_sight(question, each)]
    assert found == meant


def test_without_an_embedding_model_all_articles_are_meant() -> None:
    """How well one fits beside another is not known then."""
    assert not assemble(None, [FIRE, CRASH]).means_article_in_sight("How many people were hurt?", FIRE)


def test_an_article_that_is_gone_is_not_meant(assistant: Assistant) -> None:
    """It may still lie open."""
    gone = Article("gone", CRASH.text, "Trams crash again")
    assert not assistant.means_article_in_sight("How many people were hurt?", gone)
