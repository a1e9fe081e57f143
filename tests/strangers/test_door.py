"""A crowd at the door: whoever cannot be served is told at once, and nobody else is kept waiting."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio
import httpx
import pytest
from browser import chatting, finish, needs_chromium, problems, question_box, send
from playwright.sync_api import Browser, expect
from served import ARTICLE, OPEN, QUOTED, WRITTEN, ScriptedAssistant, running
from visitors import ANSWERED, JOIN, TOLD_TO_WAIT, Asked, reader

from assistant.settings import networks
from assistant.web import middleware
from assistant.web.service import AT_ONCE_LOCAL, BUSY_SECONDS

BUSY = "Too many people are asking at the moment"


@pytest.fixture
def assistant() -> ScriptedAssistant:
    """Return the assistant behind the server."""
    return ScriptedAssistant(ARTICLE)


@pytest.fixture
def address(assistant: ScriptedAssistant) -> Iterator[str]:
    """Serve the assistant, with room for no more than are answered at once."""
    with running(assistant, replace(OPEN, waiting=0)) as address:
        yield address


async def fill(address: str, assistant: ScriptedAssistant, go_on: threading.Event) -> list[asyncio.Task[Asked]]:
    """Let as many ask as can be answered, each from a tab of its own, and return what will become of them."""

    async def one(name: str) -> Asked:
        async with reader(address) as someone:
            return await someone.ask(name.strip("?"), name)

    names = [f"Inside{number}?" for number in range(AT_ONCE_LOCAL)]
    assistant.script |= {name: [replace(QUOTED, final=False), go_on, WRITTEN] for name in names}
    tasks = [asyncio.create_task(one(name)) for name in names]
    while not all(name in assistant.histories for name in names):  # noqa: ASYNC110 - a thread of the server's
        await asyncio.sleep(0.02)
    return tasks


def test_a_question_too_many_is_refused_before_it_is_taken_up(address: str, assistant: ScriptedAssistant) -> None:
    """The refused reader is told how long to wait; those inside are answered; then there is room again."""
    go_on = threading.Event()
    assistant.script["Outside?"] = [WRITTEN]

    async def visit() -> None:
        async with reader(address) as someone:
            inside = await fill(address, assistant, go_on)
            assert await someone.ask("outside", "Outside?") == Asked(TOLD_TO_WAIT, BUSY_SECONDS)
            assert "Outside?" not in assistant.histories
            go_on.set()
            assert {asked.outcome for asked in await asyncio.gather(*inside)} == {ANSWERED}
            # The place is free a moment after the last word.
            async with asyncio.timeout(30):
                while (await someone.ask("outside", "Outside?")).outcome != ANSWERED:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)

    asyncio.run(visit())


def test_what_costs_nothing_is_let_in_although_the_line_is_full(address: str, assistant: ScriptedAssistant) -> None:
    """A question that is being answered is shared, one that was answered is answered again; others have to wait.

    What asks nothing is let in: many pages at once begin one after the other.
    """
    go_on = threading.Event()
    assistant.script |= {"Before?": [WRITTEN], "Another?": [WRITTEN]}

    async def visit() -> None:
        async with reader(address) as someone:

            async def is_shared() -> bool:
                return 'reused_total{how="shared"} 1.0' in await (await someone.client.get("/metrics")).text()

            told = [await someone.ask("first", "Before?")]
            inside = await fill(address, assistant, go_on)
            await asyncio.gather(*(someone.greet(f"tab{number}") for number in range(20)))
            for tab, question in (("second", "Before?"), ("third", "Another?"), ("first", "Inside0?")):
                told.append(await someone.ask(tab, question))
            inside.append(asyncio.create_task(someone.ask("fourth", "Inside0?")))
            while not await is_shared():  # noqa: ASYNC110 - a thread of the server's
                await asyncio.sleep(0.02)
            go_on.set()
            assert {asked.outcome for asked in await asyncio.gather(*inside)} == {ANSWERED}
            assert [each.outcome for each in told] == [ANSWERED, ANSWERED, TOLD_TO_WAIT, TOLD_TO_WAIT]

    asyncio.run(visit())
    asked = assistant.histories.keys() & assistant.script.keys()
    assert sorted(asked) == ["Before?", *(f"Inside{number}?" for number in range(AT_ONCE_LOCAL))]


def test_a_reader_who_takes_nothing_keeps_nobody_waiting(address: str, assistant: ScriptedAssistant) -> None:
    """A connection is full of what its reader does not take; the page that it begins holds up no question."""
    assistant.script["Next?"] = [WRITTEN]
    host, port = address.removeprefix("http://").split(":")
    body = json.dumps(asyncio.run(beginning(address, "stuck")))
    largest = max(
        (Path(gradio.__file__).parent / "templates/frontend/assets").iterdir(), key=lambda f: f.stat().st_size
    )
    # From memory it is sent in one go, so that what is asked on the same connection is taken up behind it.
    httpx.get(f"{address}/assets/{largest.name}", headers={"accept-encoding": "identity", "host": "x"})
    with closing(socket.socket()) as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect((host, int(port)))
        stuck.sendall(f"GET /assets/{largest.name} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        head = "POST /gradio_api/queue/join HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json"
        stuck.sendall(f"{head}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        time.sleep(1)

        async def next_one() -> Asked:
            async with asyncio.timeout(middleware.SEND_SECONDS / 2), reader(address) as someone:
                return await someone.ask("next", "Next?")

        assert asyncio.run(next_one()).outcome == ANSWERED


async def beginning(address: str, tab: str) -> dict[str, Any]:
    """Return what the page sends when it begins."""
    async with reader(address) as someone:
        return someone.beginning(tab)


def test_who_calls_without_end_is_told_to_wait(assistant: ScriptedAssistant) -> None:
    """Whatever is sent from one address, some is let in and the rest refused as a question would be; others go on.

    An address without limits may call as it likes.
    """
    proxies = networks("127.0.0.1")
    settings = replace(OPEN, unlimited=networks("192.0.2.9"), trusted_proxies=proxies)
    with running(assistant, settings) as address:
        greeting = asyncio.run(beginning(address, "tab"))
        no_call = {"fn_index": -1}

        def call(body: dict[str, Any], reader: str) -> httpx.Response:
            return client.post(f"{address}{JOIN}", json=body, headers={"x-forwarded-for": reader})

        with httpx.Client(timeout=60) as client:
            first = call(greeting, "192.0.2.1")
            let_in = sum(call(no_call, "192.0.2.1").status_code != 429 for _ in range(100))
            last = call(greeting, "192.0.2.1")
            other = call(greeting, "192.0.2.2")
            free = {call(no_call, "192.0.2.9").status_code for _ in range(100)}
    assert first.status_code == other.status_code == 200
    assert 20 <= let_in < 100
    assert last.status_code == 429
    assert 0 < int(last.headers["retry-after"]) < 10
    wait = f"{last.headers['retry-after']} second"
    assert last.json()["detail"].startswith(f"These were many questions in a short time. Please ask again in {wait}")
    assert free == {422}


@needs_chromium
def test_the_page_shows_the_refusal_and_keeps_the_question(
    browser: Browser, address: str, assistant: ScriptedAssistant
) -> None:
    """The status line says it, which screen readers announce; the question stays in the box and can be sent again."""
    go_on = threading.Event()
    assistant.script["Outside?"] = [WRITTEN]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    inside = asyncio.run_coroutine_threadsafe(fill(address, assistant, go_on), loop).result(30)
    with chatting(browser, address, may_fail=True) as page:
        send(page, "Outside?")
        expect(page.locator("#status p")).to_have_text(f"{BUSY}. Please ask again in {BUSY_SECONDS} seconds.")
        expect(page.get_by_test_id("toast-text")).to_have_count(0)
        expect(question_box(page)).to_have_value("Outside?")
        expect(page.get_by_role("button", name="Ask")).to_be_visible()
        assert problems(page) == []
        go_on.set()
        while not all(task.done() for task in inside):
            time.sleep(0.05)
        send(page, "Outside?")
        finish(page)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
