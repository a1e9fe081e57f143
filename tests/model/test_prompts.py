"""Prompt files: each is used, renders, and takes exactly its variables; a value is never looked into."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from assistant.articles.passages import passages
from assistant.errors import ConfigurationError
from assistant.model import prompts
from assistant.model.prompts import draft_messages
from assistant.types import Article, Turn

VARIABLES = {
    "system": {"article"},
    "question": {"question"},
    "checked": {"question"},
    "capable": {"material"},
    "capable_answer": {"turns", "question"},
    "capable_repair": {"turns", "question", "answer", "objection"},
    "capable_check": {"turns", "question", "answer"},
    "standalone": {"turns", "question"},
}


def test_there_is_no_other_prompt_file() -> None:
    """A file that nobody renders has no place."""
    assert {file.stem for file in prompts.FOLDER.glob("*.md")} == VARIABLES.keys()


@pytest.mark.parametrize("name", VARIABLES)
def test_every_prompt_renders_with_its_variables(name: str) -> None:
    """Every value appears in the prompt, and no variable is left open."""
    values = {variable: f"the words for {variable}" for variable in VARIABLES[name]}
    rendered = prompts.render(name, **values)
    assert all(value in rendered for value in values.values())
    assert "$" not in rendered


@pytest.mark.parametrize("name", VARIABLES)
def test_a_missing_or_extra_variable_is_named(name: str) -> None:
    """Too few and too many values are refused, with the file and the name."""
    values = dict.fromkeys(VARIABLES[name], "words")
    with pytest.raises(ValueError, match=rf"prompts/{name}\.md .*check {', '.join(sorted(values))}$"):
        prompts.render(name)
    with pytest.raises(ValueError, match=r"check surplus$"):
        prompts.render(name, **values, surplus="words")


def test_a_missing_file_says_what_to_do() -> None:
    """A prompt that is not there is a fault of the installation, in one line."""
    with pytest.raises(
        ConfigurationError, match=r"^The prompt .*nothing\.md cannot be read: install the assistant again$"
    ):
        prompts.render("nothing")


@given(st.text() | st.sampled_from(["$article", "${question}", "$$", "{x}", "{{x}}", "$4.2 million", "%s", "\\n"]))
def test_what_a_reader_writes_stays_as_it_is(question: str) -> None:
    """Braces, dollars and names of variables in a question are words like any other."""
    assert prompts.render("question", question=question) == question
    assert question in prompts.render("checked", question=question)
    assert prompts.render("system", article=question).endswith(question)


def test_the_fingerprint_follows_the_files(tmp_path: Path) -> None:
    """Changing, renaming or adding a prompt changes the fingerprint; putting it back restores it."""
    found = []
    for files in ({"one": "this"}, {"one": "that"}, {"one": "this", "two": ""}, {"three": "this"}, {"one": "this"}):
        for name, words in files.items():
            (tmp_path / f"{name}.md").write_text(f"Read ${words}.")
        found.append(prompts.fingerprint(tmp_path))
        for file in tmp_path.iterdir():
            file.unlink()
    assert (len(set(found)), found[-1]) == (4, found[0])


def test_a_conversation_begins_with_the_same_words_whatever_is_asked(article: Article) -> None:
    """The article comes first and the question last, so that the engine's prefix cache holds."""
    evidence = passages(article)[:2]
    words = "\n\n".join(passage.text for passage in evidence)
    history = [Turn(f"question {n}", f"answer {n}") for n in range(4)]
    one = draft_messages("Why?", history, words)
    other = draft_messages("Do the passages state it?", (), words)
    assert one[0] == other[0]
    assert isinstance(one[0], SystemMessage)
    assert all(passage.text in str(one[0].content) for passage in evidence)
    assert one[1:] == [
        HumanMessage("question 2"),
        AIMessage("answer 2"),
        HumanMessage("question 3"),
        AIMessage("answer 3"),
        HumanMessage("Why?"),
    ]
