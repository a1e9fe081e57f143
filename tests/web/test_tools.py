"""Other programs' models ask by a tool, as a real client of the protocol sees it: off by default, and with limits."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
from mcp import Client
from served import ARTICLE, CITATION, DECLINED, OPEN, QUOTE, WRITTEN, ScriptedAssistant, running

ON = replace(OPEN, mcp=True)


def scripted() -> ScriptedAssistant:
    """Return an assistant with an answer and a refusal."""
    assistant = ScriptedAssistant(ARTICLE)
    assistant.script |= {"How much?": [WRITTEN], "Who is the mayor?": [DECLINED]}
    return assistant


async def visit(address: str, *each: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return the tools that there are, and what came back of these calls in one session."""
    async with Client(f"{address}/mcp") as client:
        tools = list((await client.list_tools()).tools)
        return tools, [await client.call_tool("ask_article", arguments) for arguments in each]


def test_the_tool_is_off_unless_it_is_switched_on() -> None:
    """By default nothing is there."""
    with running(scripted()) as address:
        assert httpx.post(f"{address}/mcp", json={}).status_code in {404, 405}


def test_a_model_asks_as_a_program_does() -> None:
    """It reads what the tool does and that it changes nothing; an answer has its words, a refusal is no error.

    An article that there is not is named as such, and nothing is asked. A stream on which nothing comes is refused.
    """
    assistant = scripted()
    asked = [{"question": "How much?"}, {"question": "Who is the mayor?"}, {"question": "Why?", "article": "nowhere"}]
    with running(assistant, ON) as address:
        (tool,), (answered, declined, refused) = asyncio.run(visit(address, *asked))
        stream = httpx.get(f"{address}/mcp", headers={"accept": "text/event-stream"})
    assert (stream.status_code, stream.headers["allow"]) == (405, "POST")
    assert tool.name == "ask_article"
    assert "exact words" in (tool.description or "")
    assert tool.annotations.read_only_hint
    assert set(tool.input_schema["properties"]) == {"question", "article"}
    (citation,) = answered.structured_content["citations"]
    assert (citation["quote"], citation["start"]) == (QUOTE, CITATION.start)
    assert answered.structured_content["status"] == "answered"
    assert not declined.is_error
    assert declined.structured_content["citations"] == []
    assert refused.is_error
    assert "no article of this id" in refused.content[0].text
    assert set(assistant.histories) == {"How much?", "Who is the mayor?"}


def test_a_model_has_the_limits_of_a_reader() -> None:
    """One question a minute is one, and the next is told when to come again."""
    with running(scripted(), replace(ON, unlimited=(), questions_per_minute=1)) as address:
        _, (first, second) = asyncio.run(visit(address, {"question": "How much?"}, {"question": "Who is the mayor?"}))
    assert not first.is_error
    assert second.is_error
    assert "Please ask again in" in second.content[0].text
