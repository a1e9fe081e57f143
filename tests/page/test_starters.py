"""Questions that are offered: those that the assistant was seen to answer, as well as it can at the time."""

import asyncio
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from parts import told
from served import ARTICLE, CITATION, DECLINED, FERRY, QUOTED, ScriptedAssistant, Step

from assistant.answering.assistant import Assistant
from assistant.answering.understanding.overview import Wanted, sentences_of
from assistant.articles.reading import Corpus
from assistant.settings import Settings
from assistant.types import Answer, Article, Citation, Outcome
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


def test_an_answer_offers_nothing_of_other_articles() -> None:
    """A refusal, which is from none, does."""
    of_ferry, of_story = Starter("When?", FERRY.id, 0, 9), replace(STARTER, question="Who?", start=0, end=3)
    assert nearest([of_ferry, of_story], QUOTED, ()) == (of_story,)
    assert nearest([of_ferry, of_story], DECLINED, ()) == (of_story, of_ferry)


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


def quoting(article: Article, quote: str) -> list[Step]:
    """Return the script of an assistant that quotes these words."""
    start = article.text.index(quote)
    return [Answer("", Outcome.QUOTED, told(f"{quote} [1]", (Citation(1, article, start, start + len(quote)),)))]


ENGLISH = Article(
    "english",
    "The half marathon was won by Lydia Chepkorir, a nurse, on Sunday. Chepkorir said that the hills of the half "
    "marathon were kind. Mateo Reyes, a teacher who came last, said that the half marathon is too long. Reyes walked "
    "home.",
    "The half marathon",
)
LYDIA = "The half marathon was won by Lydia Chepkorir, a nurse, on Sunday."
MATEO = "Mateo Reyes, a teacher who came last, said that the half marathon is too long."
MADE = {
    "What is this article about?": LYDIA,
    "What are the main points?": LYDIA,
    "Who is Lydia Chepkorir?": LYDIA,
    "Who is Mateo Reyes?": MATEO,
}


def test_what_is_made_is_offered_where_its_sentence_is_quoted() -> None:
    """Of one article what it is about and who is in it; what another sentence answers, or none, is left out."""
    assistant = ScriptedAssistant(ENGLISH)
    assistant.script |= {question: quoting(ENGLISH, sentence) for question, sentence in MADE.items()}

    def offered() -> list[str]:
        return [starter.question for starter in asyncio.run(Starters(assistant, ()).of(ENGLISH.id))]

    assert offered() == list(MADE)
    assistant.script["What are the main points?"] = [DECLINED]
    assistant.script["Who is Lydia Chepkorir?"] = quoting(ENGLISH, MATEO)
    assert offered() == ["What is this article about?", "Who is Mateo Reyes?"]
    assistant.script["Who is Mateo Reyes?"] = [RuntimeError("x")]
    assert offered() == ["What is this article about?"]


def test_of_all_articles_what_is_made_names_the_article() -> None:
    """One question an article, the newest first: whoever has read none of them knows what each is about."""
    other = replace(FERRY, text="The ferry was sold in May to the town of Arden, the council said.", date=ENGLISH.date)
    assistant = ScriptedAssistant(ENGLISH, other)
    asked = {f"What is the article “{each.title}” about?": each for each in (ENGLISH, other)}
    for question, article in asked.items():
        (first, *_) = sentences_of(article, Wanted.GIST)
        assistant.script[question] = quoting(article, first.text)
    offered = asyncio.run(Starters(assistant, ()).of(None))
    assert {starter.question: starter.article for starter in offered} == {
        question: article.id for question, article in asked.items()
    }


def test_what_the_file_offers_goes_before_what_is_made() -> None:
    """Where one of its questions is answered, none is made."""
    assistant = ScriptedAssistant(ENGLISH)
    question = "Who is Mateo Reyes?"
    assistant.script[question] = quoting(ENGLISH, MATEO)
    start = ENGLISH.text.index(MATEO)
    starter = Starter(question, ENGLISH.id, start, start + len(MATEO))
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
