"""Readers who come to the page and ask, by the protocol that the page itself speaks; a browser each would be too many.

What a reader sees is told from the words of the status line.
"""

from __future__ import annotations

import asyncio
import html
import itertools
import json
import random
import re
import secrets
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp

from assistant.web.chat.page import ELSE
from assistant.web.service import TEXTS, Reason

ANSWERED, TOLD_TO_WAIT, LOST = "answered", "told to wait", "lost"
JOIN, EVENTS = "/gradio_api/queue/join", "/gradio_api/queue/data"

THINKING_SECONDS = (1.0, 4.0)
"""Between an answer and the next question."""
PATIENCE_SECONDS = 60.0
"""How long a reader waits for an answer before it counts as lost."""

_LONGEST_EVENT = 2**20
"""Bytes of a line that the page may be sent."""
_COMPLETE = ("The answer is complete", ELSE)
_WAIT = tuple(TEXTS[reason].partition("{wait}")[0] for reason in (Reason.BUSY, Reason.SHUTTING_DOWN))
_SECONDS = re.compile(r"(\d+) seconds?\b")

_QUESTIONS = (
    "How much has violent crime fallen?",
    "Who hired Caleb Arnold?",
    "What did the mayor say about the city's policy?",
    "Why do prosecutors weigh deportation?",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of one question."""

    outcome: str
    """Answered, told to wait, or lost."""
    wait: int = 0
    """The seconds that the reader is told to wait."""
    seen: str = ""
    """Where it was lost: the last that the page had."""


@dataclass(slots=True)
class Crowd:
    """What all readers met."""

    broken_pages: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Form:
    """How the page sends a question."""

    function: int
    question: int
    """The box."""
    inputs: list[int]
    outputs: list[int]
    status: int
    """What comes back on the status line, among the outputs."""
    token: int
    """Which conversation it is, among both."""
    greeting: int
    """The function with which the page begins."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A client with cookies of its own, and how it asks."""

    client: aiohttp.ClientSession
    form: Form
    tokens: dict[str, str] = field(default_factory=dict)
    """By tab, of its conversation."""

    async def open_page(self) -> None:
        """Load the page and what it looks like.

        Raises:
            aiohttp.ClientError: a part of it is broken.
        """
        async with self.client.get("/") as page:
            if "gradio" not in await page.text():
                raise aiohttp.ClientPayloadError("the page is not the chat")
        for path in ("/theme.css", "/site/chat.css", "/site/chat.js"):
            async with self.client.get(path) as part:
                await part.read()

    async def greet(self, tab: str) -> None:
        """Let the page begin, as it does in each tab.

        Raises:
            aiohttp.ClientError: it does not.
        """
        async with self.client.post(JOIN, json=self.beginning(tab)):
            pass
        async with aclosing(self._events(tab)) as events:
            async for event in events:
                if event["msg"] == "process_completed":
                    return
        raise aiohttp.ClientPayloadError("the page did not begin")

    def beginning(self, tab: str) -> dict[str, Any]:
        """Return what the page sends when it begins."""
        return {"data": [], "fn_index": self.form.greeting, "session_hash": tab}

    def call(self, tab: str, question: str) -> dict[str, Any]:
        """Return what the page sends that asks."""
        given = {self.form.question: question, self.form.token: self.tokens.get(tab)}
        data = [given.get(each) for each in self.form.inputs]
        return {"data": data, "fn_index": self.form.function, "session_hash": tab, "trigger_id": self.form.question}

    async def ask(self, tab: str, question: str) -> Asked:
        """Ask as the page does; return what became of it."""
        status = last = ""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                call = self.call(tab, question)
                async with self.client.post(JOIN, json=call, raise_for_status=False) as joined:
                    if joined.status == HTTPStatus.TOO_MANY_REQUESTS:
                        # The page shows it as a notice.
                        return _told_to_wait(str((await joined.json())["detail"]))
                    joined.raise_for_status()
                async with aclosing(self._events(tab)) as events:
                    async for event in events:
                        last = json.dumps(event)
                        status = self._words(event, self.form.status) or status
                        if token := self._words(event, self.form.token):
                            self.tokens[tab] = token
                        if event["msg"] in ("process_completed", "close_stream", "unexpected_error"):
                            break
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            last = f"{type(error).__name__}: {error}"
        if status.startswith(_COMPLETE):
            return Asked(ANSWERED)
        return _told_to_wait(status) if status.startswith(_WAIT) else Asked(LOST, seen=f"{status} | {last[:500]}")

    async def _events(self, tab: str) -> AsyncGenerator[dict[str, Any]]:
        """Yield what the server sends to a tab."""
        async with self.client.get(EVENTS, params={"session_hash": tab}) as events:
            async for line in events.content:
                if line.strip():
                    yield json.loads(line.removeprefix(b"data:"))

    def _words(self, event: dict[str, Any], part: int) -> str:
        """Return what an event says in a part of the page; empty where it says nothing there."""
        data, at = (event.get("output") or {}).get("data") or [], self.form.outputs.index(part)
        told = data[at] if len(data) > at else ""
        if isinstance(told, list):  # What changed since the event before.
            told = told[-1][-1] if told else ""
        # The page shows a full stop as "&#46;", so that it is no Markdown.
        return html.unescape(re.sub(r"<[^>]*>", "", told)) if isinstance(told, str) else ""


@asynccontextmanager
async def reader(address: str) -> AsyncIterator[Reader]:
    """Yield a reader. A lean one, since what the crowd takes the server does not have."""
    connections = aiohttp.TCPConnector(limit=8, ssl=_TRUST)
    cookies, timeout = aiohttp.CookieJar(unsafe=True), aiohttp.ClientTimeout(PATIENCE_SECONDS)
    async with aiohttp.ClientSession(
        address,
        connector=connections,
        cookie_jar=cookies,
        timeout=timeout,
        read_bufsize=_LONGEST_EVENT,
        raise_for_status=True,
    ) as client:
        yield Reader(client, await _form(client))


_TRUST = ssl.create_default_context()
"""Slow to make, so once for all."""


async def _form(client: aiohttp.ClientSession) -> Form:
    """Return how a question is sent, from the page's description of itself."""
    async with client.get("/config") as response:
        config: dict[str, Any] = await response.json()
    named = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
    box = named["question"]
    asking = next(entry for entry in config["dependencies"] if [box, "submit"] in entry["targets"])
    greeting = next(entry for entry in config["dependencies"] if any(event == "load" for _, event in entry["targets"]))
    asked = asking["inputs"], asking["outputs"], named["status"], named["token"]
    return Form(asking["id"], box, *asked, greeting["id"])


def _told_to_wait(words: str) -> Asked:
    seconds = _SECONDS.search(words)
    return Asked(TOLD_TO_WAIT, int(seconds[1]) if seconds else 1)


async def crowd(address: str, readers: int, seconds: float, is_over: Callable[[], bool] = lambda: False) -> Crowd:
    """Let so many readers come, ask, read and ask again for so long; those who have asked then wait for the answer."""
    met = Crowd()
    end = time.monotonic() + seconds
    # Another crowd at the same server must not find its questions answered.
    numbers = itertools.count(secrets.randbelow(1_000_000))
    chance = random.Random(1)  # noqa: S311 - readers need not be secret

    def left() -> float:
        return 0.0 if is_over() else end - time.monotonic()

    async def visit() -> None:
        await asyncio.sleep(chance.uniform(0.0, min(2.0, seconds / 4)))
        tab = new_tab()
        try:
            async with reader(address) as someone:
                await someone.open_page()
                await someone.greet(tab)
                while left() > 0:
                    # No two questions are the same, or the second would be answered without work.
                    asked = await someone.ask(tab, f"{chance.choice(_QUESTIONS)} ({next(numbers)})")
                    met.asked.append(asked)
                    await asyncio.sleep(max(0.0, min(left(), asked.wait or chance.uniform(*THINKING_SECONDS))))
        except (aiohttp.ClientError, TimeoutError, StopIteration, ValueError) as error:
            met.broken_pages.append(f"{type(error).__name__}: {error}")

    await asyncio.gather(*(visit() for _ in range(readers)))
    return met


def new_tab() -> str:
    """Return the name of a tab."""
    return secrets.token_hex(6)
