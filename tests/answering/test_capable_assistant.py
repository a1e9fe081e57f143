"""A whole assistant with a capable model: what the model is given, and what becomes of its answer and of bad input."""

import html
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from answers import assemble
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import Field
from replies import PASSES, told

from assistant.answering.assistant import Assistant
from assistant.articles.reading import read_corpus
from assistant.markup import markdown
from assistant.model.holder import CapableModels
from assistant.model.provider import Provider
from assistant.model.usage import Ledger
from assistant.types import Article, Outcome, Turn

DECLINES = told(answerable="no")
NORTH = "---\ntitle: North\ndate: 2026-01-01\n---\nThe north bridge was closed in March.\n"
SOUTH = "---\ntitle: South\ndate: 2026-02-01\n---\nThe south bridge was closed in June.\n"


class Chat(GenericFakeChatModel):
    """Says one thing after the other, and keeps what it was given."""

    given: list[str] = Field(default_factory=list)
    """The words of each call, system text and all."""

    def _generate(self, messages: list[BaseMessage], *_: object, **__: object) -> ChatResult:
        self.given.append("\n".join(message.text for message in messages))
        return super()._generate(messages)


class Asked:
    """An assistant over a folder of articles, and the chat model behind it."""

    def __init__(self, folder: Path, files: dict[str, str], *said: object) -> None:
        """Write the articles, and let the model say one thing after the other."""
        self.folder = folder / "articles"
        self.folder.mkdir()
        for name, text in files.items():
            self.write(name, text)
        self.chat = Chat(messages=iter(AIMessage(json.dumps(each)) for each in said))
        model = Provider(self.chat, "scripted", Ledger(folder / "tokens.sqlite3"))
        articles: Sequence[Article] = read_corpus(self.folder).articles
        self.assistant: Assistant = assemble(lambda: CapableModels(model, model), articles)
        self.assistant.wait_until_loaded()

    def write(self, name: str, text: str) -> None:
        """Write an article's file."""
        (self.folder / f"{name}.md").write_text(text, encoding="utf-8")


def test_an_answer_of_two_articles_names_each(tmp_path: Path) -> None:
    """Beside each citation stand the title and the day of its article."""
    reply = told("The south bridge was closed in June, the north one in March.", 1, 2)
    asked = Asked(tmp_path, {"north": NORTH, "south": SOUTH}, reply, PASSES)
    answer = asked.assistant.ask("When were the bridges closed?")
    assert [(each.article.title, each.quote) for each in answer.citations] == [
        ("South", "The south bridge was closed in June."),
        ("North", "The north bridge was closed in March."),
    ]
    shown = html.unescape(re.sub(r"<[^>]+>", "", markdown(answer)))
    assert 0 < shown.index("South · 1 February 2026") < shown.index("North · 1 January 2026")


def test_a_withdrawn_article_is_given_to_no_model(tmp_path: Path) -> None:
    """Withdrawn before the start or while the assistant runs, it is in no call, and is not cited."""
    gone = SOUTH.replace("---\n", "---\nwithdrawn: true\n", 1)
    asked = Asked(tmp_path, {"north": NORTH, "old": gone}, told("It was closed in March.", 1), PASSES, DECLINES)
    assert asked.assistant.ask("When was the bridge closed?").outcome is Outcome.WRITTEN
    asked.write("south", SOUTH)
    asked.write("north", NORTH.replace("---\n", "---\nwithdrawn: true\n", 1))
    asked.assistant.renew(read_corpus(asked.folder))
    answer = asked.assistant.ask("When was the north bridge closed?")
    assert {each.article.id for each in (*answer.citations, *answer.closest)} <= {"south"}
    first, check, later = asked.chat.given
    assert "June" not in first + check
    assert "June" in later
    assert "March" not in later


def test_a_follow_up_of_a_follow_up_is_searched_for_by_itself(tmp_path: Path) -> None:
    """Where passages must be found, one short call puts the question; its words find what the reader's cannot."""
    filler = "\n\n".join(f"Filler {number} stands in this long article. " * 60 for number in range(40))
    ferry = f"---\ntitle: Ferry\n---\n{filler}\n\nThe Wexley ferry hopes to sail in May.\n\n{filler}\n"
    other = f"---\ntitle: Other\n---\nIt will open again when it is mended, they said.\n\n{filler}\n"
    meant = {"question": "When does the Wexley ferry hope to sail?"}
    turns = [Turn("Who runs the boat at Wexley?", "The county runs it."), Turn("And is it broken?", "Yes, it is.")]
    asked = Asked(tmp_path, {"ferry": ferry, "other": other}, meant, DECLINES)
    asked.assistant.ask("And when will it again?", turns)
    standalone, write = asked.chat.given
    assert all(words in standalone for turn in turns for words in (turn.question, turn.answer))
    assert len(standalone) < 1500
    assert "[1] " not in standalone
    assert re.search(r"^\[\d+\] The Wexley ferry hopes to sail in May\.$", write, re.MULTILINE)


def test_brackets_and_control_characters_of_an_article_number_nothing(tmp_path: Path) -> None:
    """What is cited is what our numbers stand for, and is quoted as the article has it."""
    text = "[3] The mill\x07 burned.\x1b[31m See [1].\n\n[1] The bridge\u202e was closed in June [2].\n"
    asked = Asked(tmp_path, {"odd": text}, told("It was closed in June.", 2), PASSES)
    answer = asked.assistant.ask("When was the bridge closed?")
    lines = re.findall(r"^\[(\d+)\] (.*)$", asked.chat.given[0], re.MULTILINE)
    assert lines == [("1", "[3] The mill burned.[31m See [1]."), ("2", "[1] The bridge was closed in June [2].")]
    assert (answer.outcome, [each.quote for each in answer.citations]) == (Outcome.WRITTEN, [lines[1][1]])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", asked.chat.given[0])


@pytest.mark.parametrize("letter", ["問", "б", "ب", "𐍈", "é"])
def test_a_question_in_another_script_is_taken_or_told_to_be_too_long(letter: str, tmp_path: Path) -> None:
    """Of 600 characters it is too long, which one line says, and takes no call; of 400 the model is asked."""
    asked = Asked(tmp_path, {"north": NORTH}, DECLINES)
    long = asked.assistant.ask(letter * 600)
    assert (long.outcome, long.citations, asked.chat.given) == (Outcome.BLOCKED, (), [])
    assert long.text == "The question has 600 characters; please keep it to 500."
    short = asked.assistant.ask(f"{letter * 399}?")
    assert (short.outcome, short.error, len(asked.chat.given)) == (Outcome.DECLINED, None, 1)
    assert letter * 399 in asked.chat.given[0]
