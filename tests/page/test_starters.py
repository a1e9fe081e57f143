"""Questions that are offered: those that the assistant was seen to answer, as well as it can at the time."""

import asyncio
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import ARTICLE, CITATION, DECLINED, FERRY, QUOTED, ScriptedAssistant, Step

from assistant.answering.assistant import Assistant
from assistant.articles.reading import Corpus
from assistant.settings import Settings
from assistant.types import Answer, Article, Citation, Status
from assistant.web.chat.made_questions import questions_of
from assistant.web.chat.starters import Starter, Starters, nearest, read_starters

STARTER = Starter("By how much did it fall?", ARTICLE.id, CITATION.start, CITATION.end)


def test_what_is_found_while_the_embedding_model_loads_is_looked_for_again() -> None:
    """Keywords alone may miss what is offered a moment later; from then on nothing is asked twice."""
    assistant = ScriptedAssistant(ARTICLE)
    starters = Starters(assistant, [STARTER])
    assistant._loading = Future()
    assistant.script[STARTER.question] = [DECLINED]
    assert asyncio.run(starters.of(None)) == ()
    assistant._loading.set_result(None)
    assistant.script[STARTER.question] = [QUOTED]
    assert asyncio.run(starters.of(None)) == (STARTER,)
    assistant.script[STARTER.question] = [DECLINED]
    assert asyncio.run(starters.of(None)) == (STARTER,)


def test_what_an_answer_tells_is_not_offered_after_it() -> None:
    """Of the others those are offered first whose answers stand nearest to its words, and none that was asked."""
    other, asked = (replace(STARTER, question=question, start=0, end=3) for question in ("When?", "Who?"))
    assert nearest([STARTER, asked, other], QUOTED, {"Who?"}) == (other,)
    assert nearest([asked, STARTER], DECLINED, ()) == (STARTER, asked)


@pytest.mark.parametrize("content", [b'{"question": "\xff"}', b"[" * 100_000, None], ids=["bytes", "nested", "folder"])
def test_a_file_that_cannot_be_read_offers_nothing(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """The page goes on without questions to begin with, and the log says why."""
    file = tmp_path / "starters.jsonl"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    assert read_starters(file, ScriptedAssistant(ARTICLE)) == ()
    assert str(file) in caplog.text


# Made from the articles

SENTENCES = {
    "The gates will be closed on Friday.": "When will the gates be closed?",
    "The road is shut because the wall fell.": "Why is the road shut?",
    "The office has assessed more than 200 cases since February.": "How many cases has the office assessed?",
    "The ward has 24 beds.": "How many beds does the ward have?",
    "The goalkeeper made 19 saves.": "How many saves did the goalkeeper make?",
    "The company raised $210m in spring.": "How much did the company raise?",
    "The owners refused to talk.": "What did the owners refuse to do?",
    "The council approved a budget.": "What did the council approve?",
    "The bridge was built by the army.": "Who built the bridge?",
    "Lydia Chepkorir won the Kipsoma Half Marathon on Sunday.": "Who won the Kipsoma Half Marathon?",
    "Mateo Reyes, a schoolteacher, said he was late.": "Who is Mateo Reyes?",
}
SILENT = (
    "He said it would be closed on Friday.",
    "“The gates will be closed on Friday,” she said.",
    "The man who was hired in May was late.",
    "It has 24 beds.",
    "Kestrel Power, a company in Hull, said it was late.",
    "The dividend is unchanged at 4 cents.",
)


@pytest.mark.parametrize(("sentence", "question"), SENTENCES.items())
def test_a_sentence_is_asked_for(sentence: str, question: str) -> None:
    """Where its form says what can be asked; the sentence comes along."""
    ((made, answering),) = questions_of(Article("an-article", sentence, "A title"))
    assert (made, answering.text) == (question, sentence)


@pytest.mark.parametrize("sentence", SILENT)
def test_a_sentence_that_leaves_open_what_it_is_about_is_not_asked_for(sentence: str) -> None:
    """A pronoun, somebody's words, a clause within, a thing that may be taken for a person: no question is made."""
    assert list(questions_of(Article("an-article", sentence, "A title"))) == []


@given(st.lists(st.sampled_from([*SENTENCES, *SILENT]) | st.text(max_size=80), max_size=8))
def test_no_question_is_made_twice(sentences: list[str]) -> None:
    """And each comes with a sentence of the article."""
    article = Article("an-article", " ".join(sentences), "A title")
    made = list(questions_of(article))
    assert len({question for question, _ in made}) == len(made)
    assert all(sentence.article is article and sentence.text in article.text for _, sentence in made)


def told(article: Article, quote: str) -> list[Step]:
    """Return the script of an assistant that quotes these words."""
    start = article.text.index(quote)
    return [Answer("", Status.QUOTED, f"{quote} [1]", (Citation(1, article, start, start + len(quote)),))]


ENGLISH = Article("english", " ".join(SENTENCES), "English")


def test_what_is_made_is_offered_where_its_sentence_is_quoted() -> None:
    """Of one article up to four, first what it is about; those that another sentence answers, or none, are left out."""
    sentences = list(SENTENCES.items())
    assistant = ScriptedAssistant(ENGLISH)
    assistant.script |= {question: told(ENGLISH, sentence) for sentence, question in sentences}
    assistant.script["What is this article about?"] = told(ENGLISH, sentences[0][0])
    assistant.script[sentences[1][1]] = told(ENGLISH, sentences[2][0])
    assistant.script[sentences[2][1]] = [DECLINED]
    assistant.script[sentences[3][1]] = [RuntimeError("x")]
    offered = [starter.question for starter in asyncio.run(Starters(assistant, ()).of(ENGLISH.id))]
    assert offered == ["What is this article about?", *(sentences[number][1] for number in (0, 4, 5))]


def test_of_all_articles_what_is_made_names_somebody() -> None:
    """One question an article, the newest first, since nothing says which article is meant."""
    other = replace(FERRY, text="The ferry was sold in May. Mateo Reyes, a schoolteacher, said he was late.")
    assistant = ScriptedAssistant(ENGLISH, other)
    assistant.script |= {question: told(ENGLISH, sentence) for sentence, question in SENTENCES.items()}
    assistant.script["Who is Mateo Reyes?"] = told(other, "Mateo Reyes, a schoolteacher, said he was late.")
    offered = asyncio.run(Starters(assistant, ()).of(None))
    assert [(starter.question, starter.article) for starter in offered] == [
        ("Who is Mateo Reyes?", "ferry"),
        ("Who won the Kipsoma Half Marathon?", "english"),
    ]


def test_what_the_file_offers_goes_before_what_is_made() -> None:
    """Where one of its questions is answered, none is made."""
    assistant = ScriptedAssistant(ENGLISH)
    sentence, question = next(iter(SENTENCES.items()))
    assistant.script[question] = told(ENGLISH, sentence)
    starter = Starter(question, ENGLISH.id, 0, len(sentence))
    assert asyncio.run(Starters(assistant, (starter,)).of(ENGLISH.id)) == (starter,)
    assert list(assistant.articles) == [question]


def test_nobody_waits_for_what_is_being_checked() -> None:
    """What is known at once is none, and a moment later all."""
    assistant = ScriptedAssistant(ARTICLE)
    assistant.script[STARTER.question] = [QUOTED]

    async def scenario() -> list[tuple[Starter, ...]]:
        starters = Starters(assistant, [STARTER])
        return [starters.known(None), await starters.of(None), starters.known(None)]

    assert asyncio.run(scenario()) == [(), (STARTER,), (STARTER,)]


def test_without_a_model_what_is_offered_is_not_declined_in_the_end(
    article: Article, weights_folder: Path, tmp_path: Path
) -> None:
    """Of the article that ships, asked by the real assistant: each question ends in a quotation of its sentence."""
    settings = Settings(model="none", data=weights_folder)
    with Assistant.over(Corpus((article,)), settings, tmp_path / "index") as assistant:
        assistant.wait_until_loaded()
        offered = asyncio.run(Starters(assistant, ()).of(None))
        assert offered
        for starter in offered:
            cited = assistant.ask(starter.question).citations
            assert any(each.start <= starter.start and starter.end <= each.end for each in cited)
