"""The streams by which the page is told of its calls: nothing is lost where one ends, and nobody fills the server."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from served import ARTICLE, OPEN, QUOTED, WRITTEN, ScriptedAssistant, running
from visitors import ANSWERED, EVENTS, JOIN, Reader, reader

from assistant.settings import networks
from assistant.web.chat import streams as streams_module
from assistant.web.chat.door import Door
from assistant.web.chat.gradio_parts import Calls
from assistant.web.server import mount_chat
from assistant.web.service import Service

END = b'"close_stream"'


async def join(someone: Reader, tab: str, question: str) -> None:
    """Ask, and return when the call is confirmed."""
    async with someone.client.post(JOIN, json=someone.call(tab, question)):
        pass


@asynccontextmanager
async def ended(someone: Reader, tab: str) -> AsyncIterator[str]:
    """Listen until the page is told that nothing follows, and stay; yield what it was told."""
    async with someone.client.get(EVENTS, params={"session_hash": tab}) as events:
        told = b""
        while END not in told:
            told += await events.content.readline()
        yield told.decode()


def test_what_is_asked_where_a_stream_ends_is_told_on_the_next(
    address: str, assistant: ScriptedAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that has not read of the end yet would listen to no other: its call is confirmed when it has left."""
    monkeypatch.setattr(streams_module, "LEAVE_SECONDS", 60.0)
    assistant.script |= {"First?": [WRITTEN], "Second?": [QUOTED]}

    async def visit() -> tuple[bool, str]:
        async with reader(address) as someone:
            await join(someone, "tab", "First?")
            async with ended(someone, "tab"):
                second = asyncio.create_task(join(someone, "tab", "Second?"))
                while "Second?" not in assistant.ended:  # noqa: ASYNC110 - a thread of the server's
                    await asyncio.sleep(0.02)
                was_confirmed = second.done()
            await second
            async with ended(someone, "tab") as told:
                return was_confirmed, told

    was_confirmed, told = asyncio.run(visit())
    assert not was_confirmed
    assert QUOTED.citations[0].quote.split()[0] in told


def test_a_page_that_never_leaves_holds_nothing_up_for_long(
    address: str, assistant: ScriptedAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a network does not tell that a reader has left, what is asked next is confirmed all the same."""
    monkeypatch.setattr(streams_module, "LEAVE_SECONDS", 0.1)
    assistant.script |= {"Third?": [WRITTEN], "Fourth?": [WRITTEN]}

    async def visit() -> None:
        async with reader(address) as someone:
            await join(someone, "tab", "Third?")
            async with ended(someone, "tab"):
                await join(someone, "tab", "Fourth?")

    asyncio.run(visit())


def test_a_page_that_listens_in_vain_is_told_so(address: str) -> None:
    """Gradio's page does, where it reads of an end before it reads that its call was taken; it must not begin again."""

    async def visit() -> str:
        async with reader(address) as someone:
            await someone.greet("known")
            async with ended(someone, "known") as told:
                return told

    assert asyncio.run(visit()).startswith('data: {"msg":"close_stream"')
    assert httpx.get(f"{address}{EVENTS}?session_hash=unknown").status_code == 404


def test_a_page_asks_once_at_a_time(address: str, assistant: ScriptedAssistant) -> None:
    """What is asked while an answer is made, as by a key pressed twice, is not; what is asked after it is."""
    go_on = threading.Event()
    assistant.script |= {"Long?": [go_on, WRITTEN], "Twice?": [WRITTEN], "After?": [WRITTEN]}

    async def visit() -> str:
        async with reader(address) as someone:
            await join(someone, "one", "Long?")
            while "Long?" not in assistant.histories:  # noqa: ASYNC110 - a thread of the server's
                await asyncio.sleep(0.02)
            await join(someone, "one", "Twice?")
            async with someone.client.get(EVENTS, params={"session_hash": "one"}) as events:
                while END not in (told := await events.content.readline()):
                    if b'"process_completed"' in told:
                        go_on.set()
            return (await someone.ask("one", "After?")).outcome

    assert asyncio.run(visit()) == ANSWERED
    assert "Twice?" not in assistant.histories


def test_who_listens_without_end_is_told_to_wait(assistant: ScriptedAssistant) -> None:
    """One address has so many streams open and no more; others listen meanwhile."""
    go_on = threading.Event()
    assistant.script["Endless?"] = [go_on, WRITTEN]
    settings = replace(OPEN, unlimited=networks("192.0.2.9"), trusted_proxies=networks("127.0.0.1"))
    with running(assistant, settings) as address, httpx.Client(base_url=address, timeout=60) as client:

        async def call() -> dict[str, Any]:
            async with reader(address) as someone:
                return someone.call("tab", "Endless?")

        client.post(JOIN, json=asyncio.run(call()), headers={"x-forwarded-for": "192.0.2.1"}).raise_for_status()
        with ExitStack() as streams:

            def listen(listener: str) -> int:
                told = {"x-forwarded-for": listener}
                url = f"{EVENTS}?session_hash=tab"
                return streams.enter_context(
                    httpx.stream("GET", f"{address}{url}", headers=told, timeout=60)
                ).status_code

            statuses = [listen("192.0.2.1") for _ in range(40)]
            others = [listen(other) for other in ("192.0.2.2", *["192.0.2.9"] * 40)]
            go_on.set()
    assert statuses == [200] * 30 + [429] * 10
    assert set(others) == {200}


def test_what_nobody_fetches_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of tabs that do not listen leave nothing behind."""
    monkeypatch.setattr(streams_module, "LISTEN_SECONDS", 0.5)

    async def visit() -> None:
        app = FastAPI()
        service = Service(ScriptedAssistant(ARTICLE), OPEN)
        page = mount_chat(app, service)
        calls, tabs = Calls(page.blocks), [f"tab{number}" for number in range(20)]
        door = Door(app, page.blocks, page.asking, page.costs_nothing, service)
        (greeting,) = [number for number, each in page.blocks.fns.items() if ("load" in str(each.targets))]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://localhost") as client:
            for tab in tabs:
                body = {"fn_index": greeting, "data": [], "session_hash": tab}
                assert (await client.post(JOIN, json=body)).status_code == 200
                assert calls.is_awaited(tab)
        while calls.functions() or any(calls.is_awaited(tab) or calls.is_known(tab) for tab in tabs):  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(visit(), 30))
