"""Whether a question asks for an article as a whole, whatever its words: with the packaged embedding model."""

import json

import pytest
from answers import assemble

from assistant.answering.understanding.whole import asks_for_whole
from assistant.search.embedder import SentenceEmbedder
from assistant.search.retrieval import Retriever
from assistant.settings import PROJECT
from assistant.types import Article, Outcome


def found(questions: list[str], embedder: SentenceEmbedder) -> list[bool]:
    """Return of each question whether it is taken for one for the whole."""
    return [asks_for_whole(vector) for vector in map(embedder.vectors(questions).get, questions)]  # type: ignore[arg-type]


@pytest.mark.parametrize("overviews", [True, False])
def test_readers_who_want_the_whole_are_told_from_others(overviews: bool, real_embedder: SentenceEmbedder) -> None:  # noqa: FBT001
    """Of readers' questions that it was not fitted to, most overviews are found, and one other in a hundred at most."""
    rows = map(json.loads, (PROJECT / "corpus" / "readers" / "report.jsonl").read_text(encoding="utf-8").splitlines())
    asked = [row["question"] for row in rows if (row["kind"] == "overview") == overviews]
    taken = sum(found(asked, real_embedder))
    assert taken >= 0.75 * len(asked) > 0 if overviews else taken <= len(asked) / 100


@pytest.mark.parametrize(
    "question",
    [
        "overall what does the writer want to tell us with it",
        "And how would you put this one in a nutshell?",
        "why would I care about this article, whats in it",
    ],
)
def test_words_that_no_rule_knows_bring_an_overview(question: str, article: Article, by_meaning: Retriever) -> None:
    """The article's own sentences sum it up."""
    assistant = assemble(None, [article], by_meaning, 0.4)
    assert assistant.means_article_in_sight(question, article)
    assert assistant.ask(question).outcome is Outcome.OVERVIEW


@pytest.mark.parametrize("question", ["summarise the ferry article", "now give me the gist of the ferry thing"])
def test_the_article_that_is_named_is_summed_up(question: str, article: Article) -> None:
    """Of several articles the one whose title has the words, whichever is in sight; where two have them, none."""
    ferry = Article("ferry", "The ferry costs 3 million. It sails in May.", "A new ferry")
    bridge = Article("bridge", "The bridge is shut. The ferry sails instead.", "Bridge and ferry")
    assistant = assemble(None, [article, ferry], None, 0.4)
    assert not assistant.means_article_in_sight(question, article)
    assert assistant.means_article_in_sight(question, ferry)
    answer = assistant.ask(question)
    assert (answer.outcome, {each.article for each in answer.citations}) == (Outcome.OVERVIEW, {ferry})
    assert assemble(None, [ferry, bridge], None, 0.4).ask(question).outcome is not Outcome.OVERVIEW


def test_a_question_for_something_in_the_article_brings_none(article: Article, by_meaning: Retriever) -> None:
    """It is quoted, or declined."""
    assistant = assemble(None, [article], by_meaning, 0.4)
    question = "how does it end for the people who were arrested"
    assert assistant.ask(question).outcome is not Outcome.OVERVIEW
