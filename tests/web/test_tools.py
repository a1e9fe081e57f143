"""Other programs' models ask by a tool, as a real client of the protocol sees it: off by default, and with limits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from mcp import Client
from served import ARTICLE, CITATION, DECLINED, OPEN, QUOTE, WRITTEN, ScriptedAssistant, running

# Gradio's own doing, in its queue.
pytestmark = [pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")]

ON = replace(OPEN, mcp=True)


def scripted() -> ScriptedAssistant:
    """Return an assistant with an answer and a refusal."""
    assistant = ScriptedAssistant(ARTICLE)
    assistant.script |= {"How much?": [WRITTEN], "Who is the mayor?": [DECLINED]}
    return assistant


def call(address: str, *each: dict[str, Any]) -> list[Any]:
    """Call the tool so often in one session, and return what came back."""

    async def visit() -> list[Any]:
        async with Client(f"{address}/mcp") as client:
            return [await client.call_tool("ask_article", arguments) for arguments in each]

    return asyncio.run(visit())


def test_the_tool_is_off_unless_it_is_switched_on() -> None:
    """By default nothing is there."""
    with running(scripted()) as address:
        assert httpx.post(f"{address}/mcp", json={}).status_code in {404, 405}


def test_the_tool_describes_itself() -> None:
    """A model reads what it does and that it changes nothing."""

    async def visit(address: str) -> list[Any]:
        async with Client(f"{address}/mcp") as client:
            return list((await client.list_tools()).tools)

    with running(scripted(), ON) as address:
        (tool,) = asyncio.run(visit(address))
    assert tool.name == "ask_article"
    assert "exact words" in (tool.description or "")
    assert tool.annotations.read_only_hint
    assert set(tool.input_schema["properties"]) == {"question", "article"}


def test_an_answer_comes_with_the_words_it_rests_on() -> None:
    """The same contract as that of the command line; a refusal cites nothing and is no error."""
    with running(scripted(), ON) as address:
        answered, declined = call(address, {"question": "How much?"}, {"question": "Who is the mayor?"})
    (citation,) = answered.structured_content["citations"]
    assert (citation["quote"], citation["start"]) == (QUOTE, CITATION.start)
    assert answered.structured_content["status"] == "answered"
    assert not declined.is_error
    assert declined.structured_content["citations"] == []


def test_an_unknown_article_is_named_as_such() -> None:
    """The model is told, and nothing is asked."""
    assistant = scripted()
    with running(assistant, ON) as address:
        (refused,) = call(address, {"question": "How much?", "article": "nowhere"})
    assert refused.is_error
    assert "no article of this id" in refused.content[0].text
    assert assistant.histories == {}


def test_a_model_has_the_limits_of_a_reader() -> None:
    """One question a minute is one, and the next is told when to come again."""
    limited = replace(ON, unlimited=(), questions_per_minute=1)
    with running(scripted(), limited) as address:
        first, second = call(address, {"question": "How much?"}, {"question": "Who is the mayor?"})
    assert not first.is_error
    assert second.is_error
    assert "Please ask again in" in second.content[0].text
