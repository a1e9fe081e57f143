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

from assistant.web.chat.page import ELSE, STARTING
from assistant.web.service import TEXTS, Reason

ANSWERED, TOLD_TO_WAIT, LOST = "answered", "told to wait", "lost"

THINKING_SECONDS = (1.0, 4.0)
"""Between an answer and the next question."""
PATIENCE_SECONDS = 60.0
"""How long a reader waits for an answer before it counts as lost."""

_LONGEST_EVENT = 2**20
"""Bytes of a line that the page may be sent."""
_COMPLETE = ("The answer is complete", ELSE)
_TELLING = (STARTING, "Waiting", *_COMPLETE)
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
    first_ms: float
    """Until the page said anything about it: where it stands, the evidence, or that it has to wait."""
    end_ms: float
    seen: str = ""
    """Where it was lost: the last that the page had."""


@dataclass(slots=True)
class Crowd:
    """What all readers met."""

    pages_ms: list[float] = field(default_factory=list)
    broken_pages: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Form:
    """How the page sends a question."""

    function: int
    trigger: int
    question_at: int
    inputs: int
    status_at: int
    """Among what comes back."""
    token_at: int
    """Among what is sent: which conversation it is."""
    token_back_at: int
    """The same among what comes back."""
    greeting: int
    """The function with which the page begins."""
    tokens: dict[str, str] = field(default_factory=dict)
    """By tab, of its conversation."""


@asynccontextmanager
async def reader(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client with cookies of its own. A lean one, since what the crowd takes the server does not have."""
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
        yield client


_TRUST = ssl.create_default_context()
"""Slow to make, so once for all."""


async def form(client: aiohttp.ClientSession) -> Form:
    """Return how a question is sent, from the page's description of itself."""
    async with client.get("/config") as response:
        config: dict[str, Any] = await response.json()
    named = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
    box, status, token = named["question"], named["status"], named["token"]
    asking = next(entry for entry in config["dependencies"] if [box, "submit"] in entry["targets"])
    inputs, outputs = asking["inputs"], asking["outputs"]
    greeting = next(entry for entry in config["dependencies"] if any(event == "load" for _, event in entry["targets"]))
    return Form(
        asking["id"],
        box,
        inputs.index(box),
        len(inputs),
        outputs.index(status),
        inputs.index(token),
        outputs.index(token),
        greeting["id"],
    )


async def open_page(client: aiohttp.ClientSession) -> float:
    """Load the page and what it looks like; return the milliseconds.

    Raises:
        aiohttp.ClientError: a part of it is broken.
    """
    started = time.perf_counter()
    async with client.get("/") as page:
        if "gradio" not in await page.text():
            raise aiohttp.ClientPayloadError("the page is not the chat")
    for path in ("/theme.css", "/site/chat.css", "/site/chat.js"):
        async with client.get(path) as part:
            await part.read()
    return 1000 * (time.perf_counter() - started)


async def greet(client: aiohttp.ClientSession, by: Form, session: str) -> float:
    """Let the page begin, as it does in each tab; return the milliseconds until a reader can ask.

    Raises:
        aiohttp.ClientError: it does not.
    """
    started = time.perf_counter()
    body = {"data": [], "fn_index": by.greeting, "session_hash": session}
    async with client.post("/gradio_api/queue/join", json=body):
        pass
    async with aclosing(_events(client, session)) as events:
        async for event in events:
            if event["msg"] == "process_completed":
                return 1000 * (time.perf_counter() - started)
    raise aiohttp.ClientPayloadError("the page did not begin")


async def _events(client: aiohttp.ClientSession, session: str) -> AsyncGenerator[dict[str, Any]]:
    """Yield what the server sends to a tab."""
    async with client.get("/gradio_api/queue/data", params={"session_hash": session}) as events:
        async for line in events.content:
            if line.strip():
                yield json.loads(line.removeprefix(b"data:"))


async def ask(client: aiohttp.ClientSession, by: Form, session: str, question: str) -> tuple[Asked, int]:
    """Ask as the page does; return what became of it, and the seconds that the reader is told to wait."""
    started = time.perf_counter()
    first: float | None = None
    status = last = ""

    def milliseconds() -> float:
        return 1000 * (time.perf_counter() - started)

    data: list[str | None] = [None] * by.inputs
    data[by.question_at] = question
    data[by.token_at] = by.tokens.get(session)
    body = {"data": data, "fn_index": by.function, "session_hash": session, "trigger_id": by.trigger}
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with client.post("/gradio_api/queue/join", json=body, raise_for_status=False) as joined:
                if joined.status == HTTPStatus.TOO_MANY_REQUESTS:
                    # The page shows it as a notice.
                    return _told_to_wait(str((await joined.json())["detail"]), milliseconds(), milliseconds())
                joined.raise_for_status()
            async with aclosing(_events(client, session)) as events:
                async for event in events:
                    last = json.dumps(event)
                    status = _words(event, by.status_at) or status
                    if token := _words(event, by.token_back_at):
                        by.tokens[session] = token
                    if first is None and status.startswith((*_TELLING, *_WAIT)):
                        first = milliseconds()
                    if event["msg"] in ("process_completed", "close_stream", "unexpected_error"):
                        break
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        last = f"{type(error).__name__}: {error}"
    end = milliseconds()
    if status.startswith(_COMPLETE):
        return Asked(ANSWERED, first or end, end), 0
    if status.startswith(_WAIT):
        return _told_to_wait(status, first or end, end)
    return Asked(LOST, first or end, end, f"{status} | {last[:500]}"), 0


def _told_to_wait(words: str, first: float, end: float) -> tuple[Asked, int]:
    seconds = _SECONDS.search(words)
    return Asked(TOLD_TO_WAIT, first, end), int(seconds[1]) if seconds else 1


def _words(event: dict[str, Any], at: int) -> str:
    """Return what an event says on the status line; empty where it says nothing there."""
    data = (event.get("output") or {}).get("data") or []
    told = data[at] if len(data) > at else ""
    if isinstance(told, list):  # What changed since the event before.
        told = told[-1][-1] if told else ""
    # The page shows a full stop as "&#46;", so that it is no Markdown.
    return html.unescape(re.sub(r"<[^>]*>", "", told)) if isinstance(told, str) else ""


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
        session = new_tab()
        async with reader(address) as client:
            try:
                milliseconds = await open_page(client)
                by = await form(client)
                met.pages_ms.append(milliseconds + await greet(client, by, session))
            except (aiohttp.ClientError, TimeoutError, StopIteration, ValueError) as error:
                met.broken_pages.append(f"{type(error).__name__}: {error}")
                return
            while left() > 0:
                # No two questions are the same, or the second would be answered without work.
                question = f"{chance.choice(_QUESTIONS)} ({next(numbers)})"
                asked, wait = await ask(client, by, session, question)
                met.asked.append(asked)
                await asyncio.sleep(max(0.0, min(left(), wait or chance.uniform(*THINKING_SECONDS))))

    await asyncio.gather(*(visit() for _ in range(readers)))
    return met


def new_tab() -> str:
    """Return the name of a tab."""
    return secrets.token_hex(6)
