"""Asking the language model that phrases an answer, which is any chat model of LangChain.

`LanguageModel.draft` yields the text so far and ends with how it ended; a stream that was cut off is never reported as
complete, and a total deadline holds whatever the endpoint does. Requests run in an event loop of their own, because
only there one can be called off in the middle, which closes its connection and ends the engine's work. Knows nothing of
citations, and does not check what the model says. Errors of providers become `ModelError` here and nowhere else.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import queue
import re
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from assistant.articles.passages import passages
from assistant.errors import ModelError
from assistant.model import prompts
from assistant.model.engine import CONTEXT_TOKENS, Engine
from assistant.model.probes import State
from assistant.model.prompts import check_messages, draft_messages
from assistant.types import Article, Passage, Turn

MAX_ANSWER_TOKENS = 72
"""One or two sentences: with 64 allowed, the longest draft that held the facts of a development question took 47."""
WHOLE_WORDS = 1000
"""Articles of at most so many words are given to the model as a whole (lab/LOG.md)."""
KEPT = 100
"""What was read of so many articles is kept, some 20 MB of each."""
READ_SECONDS = 300.0
"""The longest time that reading an article may take, with the wait for a turn."""
GIVE_WAY_SECONDS = 0.05
"""Pause before reading goes on; without it the turn is taken again before whoever waits for it has woken."""
MAX_ANSWER_CHARACTERS = 20 * MAX_ANSWER_TOKENS
"""An endpoint that says more does not keep to its tokens, and is called off."""
CHARACTERS_PER_TOKEN = 4.0
"""Of English text with this tokenizer, rounded down so that what is planned fits."""
RETRY_SECONDS = 0.5
"""Pause before an endpoint is asked once more, where it does not name one."""

PROVIDER_TURNS = 64
"""A provider has a line of its own; this many questions may stand in it."""
POLL_SECONDS = 0.1
"""How often is looked whether a request was called off."""

_SLOW = "The time was up before the model said anything"
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
"""What a reasoning model says to itself."""

_T = TypeVar("_T")
_M = TypeVar("_M", bound=AIMessage)


@dataclass(frozen=True, slots=True)
class Draft:
    """What the model has said so far."""

    text: str
    complete: bool = False
    """The model itself ended here. False on the last draft means that it was cut off."""
    too_long: bool = False
    """The embedded model was cut off because it had as many tokens as an answer may have."""
    log_probabilities: tuple[float, ...] = ()
    """Of each token that holds a letter or a digit; empty where the endpoint does not tell them."""


class LanguageModel:
    """A chat model, and the engine behind it where it is the embedded one."""

    def __init__(
        self, chat: BaseChatModel, name: str, engine: Engine | None = None, checker: LanguageModel | None = None
    ) -> None:
        """Take a loaded chat model; `engine` is given for the embedded one only, `checker` for a provider's."""
        self.name = name
        self.checker = checker
        """The packaged model where it checks a provider's drafts; None where a model checks its own, or none does."""
        self._chat = chat
        self._engine = engine
        self._prompts = prompts.fingerprint()
        self._turns = threading.Semaphore(PROVIDER_TURNS if engine is None else 1)
        self._reading = threading.Lock()
        """Held by whoever lets an article be read: of two who took turns each would load what it had read again."""
        self._is_wanted = threading.Event()
        """Somebody waits for a turn, so that what is read in advance gives way."""

    @property
    def alive(self) -> bool:
        """Whether it can be asked: false once the embedded engine has died, also that of its checker."""
        return (self._engine is None or self._engine.alive) and (self.checker is None or self.checker.alive)

    @property
    def reader(self) -> LanguageModel:
        """What reads an article once for all that is asked about it: its checker where it has one, else itself."""
        return self.checker or self

    @property
    def checks(self) -> bool:
        """Whether it was trained to check a draft."""
        return self._engine is not None and self._engine.adapted

    def read(self, article: Article) -> None:
        """Let the embedded engine read an article that fits its context, once for all; 25 s for 8,000 characters.

        Whoever asks meanwhile waits for one batch alone; after that it goes on where it was.

        Raises:
            ModelError: the engine failed, or what it read could not be kept.
        """
        if self._engine is None or not _fits(article):
            return
        is_read = False
        while not is_read:
            with self._reading:
                is_read = self._read_on(article)
            time.sleep(GIVE_WAY_SECONDS)

    def is_read(self, article: Article) -> bool:
        """Whether nothing of an article has to be read before somebody asks about it."""
        return self._engine is None or not is_short(article) or self._engine.keeps(self._kept_as(article))

    def read_now(self, article: Article, stopped: threading.Event | None = None) -> None:
        """Let the embedded engine read an article whose answers are written from all of it, if it has not read it yet.

        What is read in advance gives way to that, and it gives way to whoever asks. Setting `stopped` ends it.

        Raises:
            ModelError: the engine failed, or what it read could not be kept.
        """
        if self._engine is None or self.is_read(article):
            return
        self._is_wanted.set()
        limit = _Limit(time.monotonic() + READ_SECONDS, stopped)
        while not self._reading.acquire(timeout=limit.wait):
            if limit.reached:
                return
        try:
            # Somebody else may have waited for the same article.
            while not limit.reached and not self.is_read(article):
                if self._read_on(article, stopped):
                    break
                time.sleep(GIVE_WAY_SECONDS)
            self._engine.keep_newest(KEPT)
        finally:
            self._reading.release()

    def keep_only(self, articles: Iterable[Article]) -> None:
        """Delete what the embedded engine has read of others than these.

        Raises:
            OSError: it cannot be deleted.
        """
        if self._engine is not None:
            self._engine.keep_only(map(self._kept_as, articles))

    def draft(  # noqa: PLR0913, PLR0917 - what is asked, and how long
        self,
        question: str,
        history: Sequence[Turn],
        evidence: Sequence[Passage],
        deadline: float,
        stopped: threading.Event | None = None,
        opening: str = "",
    ) -> Iterator[Draft]:
        """Yield the answer as it grows, from evidence in reading order; `deadline` is in `time.monotonic()` seconds.

        Setting `stopped` ends it like the deadline does. For whoever has the `turn`. The packaged model goes on after
        an `opening`, which the answer begins with.

        Raises:
            ModelError: the endpoint failed, said nothing, or had no time for this question.
        """
        limit = _Limit(deadline, stopped)
        messages = draft_messages(question, history, text_of(evidence))
        article = evidence[0].article if evidence else None
        text = opening
        options = {"opening": opening} if opening else {}
        finish = None
        scores: list[float] = []
        for chunk in self._reply(messages, limit, MAX_ANSWER_TOKENS, article, **options):
            text += str(chunk.text)
            scores += [float(token["logprob"]) for token in _tokens(chunk) if re.search(r"\w", token["token"])]
            finish = (
                chunk.response_metadata.get("finish_reason") or chunk.response_metadata.get("stop_reason") or finish
            )
            if chunk.text:
                yield Draft(text)
            if len(text) > MAX_ANSWER_CHARACTERS:
                finish = "length"
                break
        text = _THOUGHT.sub("", text).strip()
        if not text:
            raise ModelError(_SLOW if limit.reached else "The model gave an empty answer")
        yield Draft(
            text,
            complete=finish in ("stop", "end_turn"),
            # What another endpoint means by it is not known: it may have had no room for more.
            too_long=finish == "length" and self._engine is not None,
            log_probabilities=tuple(scores),
        )

    def check(  # noqa: PLR0913, PLR0917 - what a draft takes, and what it said
        self,
        question: str,
        history: Sequence[Turn],
        evidence: Sequence[Passage],
        draft: str,
        deadline: float,
        stopped: threading.Event | None = None,
    ) -> State | None:
        """Return the state that the check of a draft leaves the model in, which the probes read.

        It carries on the conversation of the draft. Its checker does it, where it has one, in a turn of its own. None
        where the model is not the one that was trained to check.

        Raises:
            ModelError: the endpoint failed, or had no time for this question.
        """
        if self.checker is not None:
            with self.checker.turn(deadline, stopped):
                return self.checker.check(question, history, evidence, draft, deadline, stopped)
        return self._state(check_messages(question, history, text_of(evidence), draft), evidence, deadline, stopped)

    def beginning(
        self,
        question: str,
        history: Sequence[Turn],
        evidence: Sequence[Passage],
        deadline: float,
        stopped: threading.Event | None = None,
    ) -> State | None:
        """Return the state in which the model begins to answer a question; None as for `check`.

        Raises:
            ModelError: the endpoint failed, or had no time for this question.
        """
        return self._state(draft_messages(question, history, text_of(evidence)), evidence, deadline, stopped)

    def close(self) -> None:
        """End the embedded engine, also that of its checker."""
        for engine in (self._engine, self.checker):
            if engine is not None:
                engine.close()

    def _state(
        self,
        messages: list[BaseMessage],
        evidence: Sequence[Passage],
        deadline: float,
        stopped: threading.Event | None,
    ) -> State | None:
        """Return the state that messages leave the model in; None where it is not the one whose states can be read."""
        if not self.checks:
            return None
        article = evidence[0].article if evidence else None
        for chunk in self._reply(messages, _Limit(deadline, stopped), 1, article, tells_state=True):
            if "state" in chunk.response_metadata:
                return np.array(chunk.response_metadata["state"], dtype=np.float32)
        raise ModelError(_SLOW)

    @contextmanager
    def turn(self, deadline: float, stopped: threading.Event | None = None) -> Iterator[None]:
        """Have the model for one question: the embedded one holds one conversation at a time.

        Raises:
            ModelError: others had it until the deadline, or until `stopped` was set.
        """
        limit = _Limit(deadline, stopped)
        self._is_wanted.set()
        while not self._turns.acquire(timeout=limit.wait):
            # Whoever else had waited may have cleared it.
            self._is_wanted.set()
            if limit.reached:
                raise ModelError("The model was busy with other questions until the time was up")
        self._is_wanted.clear()
        try:
            yield
        finally:
            self._turns.release()

    def _read_on(self, article: Article, stopped: threading.Event | None = None) -> bool:
        """Read an article from where it was left, until somebody wants the model; return whether it is read."""
        limit = _Limit(time.monotonic() + READ_SECONDS, self._is_wanted, stopped)
        with self.turn(limit.deadline, stopped):
            if list(self._reply(_about(article), limit, 1, article, reads_article=True)):
                return True
        if time.monotonic() >= limit.deadline:
            raise ModelError(_SLOW)
        return False

    def _reply(
        self,
        messages: list[BaseMessage],
        limit: _Limit,
        max_tokens: int,
        article: Article | None,
        **options: Any,  # noqa: ANN401 - of the embedded engine
    ) -> Iterator[AIMessage]:
        """Yield the parts of a reply until the limit is reached."""
        options["max_tokens"] = max_tokens
        if self._engine is not None and article is not None and _fits(article):
            options["article"] = self._kept_as(article)
        try:
            yield from _until(limit, self._twice(lambda: self._chat.astream(messages, **options), limit))
        except Exception as error:
            raise ModelError(_failure(error)) from error

    def _kept_as(self, article: Article) -> str:
        """Return the name of what the engine has read of an article."""
        key = hashlib.sha256(f"{self.name}\n{self._prompts}\n{article.text}".encode()).hexdigest()
        return f"{key[:32]}.bin"

    async def _twice(self, ask: Callable[[], AsyncIterator[_M]], limit: _Limit) -> AsyncGenerator[_M]:
        """Yield what the endpoint says; where it fails before its first word, and that may pass, it is asked again."""
        silent = True
        try:
            async for message in ask():
                silent = silent and not message.text
                yield message
        except Exception as error:
            pause = _retry_after(error)
            if not silent or pause is None or pause >= limit.left or not self.alive:
                raise
            await asyncio.sleep(pause)
            # It may have lost the connection because it was dying.
            if not self.alive:
                raise
        else:
            return
        async for message in ask():
            yield message


@dataclass(frozen=True, slots=True)
class _Limit:
    """Until when something may take."""

    deadline: float
    stopped: threading.Event | None = None
    stopped_too: threading.Event | None = None
    """Whichever is set first ends it."""

    @property
    def left(self) -> float:
        """Seconds; 0 when it is over."""
        is_stopped = any(event.is_set() for event in (self.stopped, self.stopped_too) if event is not None)
        return 0.0 if is_stopped else max(0.0, self.deadline - time.monotonic())

    @property
    def wait(self) -> float:
        """Seconds until one has to look again."""
        return min(self.left, POLL_SECONDS)

    @property
    def reached(self) -> bool:
        """Whether it is over."""
        return self.left == 0.0


def _until(limit: _Limit, source: AsyncGenerator[_T]) -> Iterator[_T]:
    """Yield what arrives until it ends or the limit is reached; then, or when closed, the source is called off."""
    arrived: queue.SimpleQueue[_T | None] = queue.SimpleQueue()
    called_off = threading.Event()

    async def receive() -> None:
        async with aclosing(source):
            async for item in source:
                arrived.put(item)
                # Python 3.11's wait_for swallows a cancel that comes together with a word.
                if called_off.is_set():
                    return

    receiving = asyncio.run_coroutine_threadsafe(receive(), _requests())
    receiving.add_done_callback(lambda _: arrived.put(None))
    try:
        while not limit.reached:
            try:
                item = arrived.get(timeout=limit.wait)
            except queue.Empty:
                continue
            if item is None:
                receiving.result()
                return
            yield item
    finally:
        called_off.set()
        receiving.cancel()


@functools.cache
def _requests() -> asyncio.AbstractEventLoop:
    """Return the event loop in which requests to the model run, in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="language-model-requests", daemon=True).start()
    return loop


def _tokens(chunk: AIMessage) -> list[dict[str, Any]]:
    """Return what is told of each token of a part of a reply; nothing where the endpoint tells nothing."""
    return (chunk.response_metadata.get("logprobs") or {}).get("content") or []


def is_short(article: Article) -> bool:
    """Whether an answer is written from all of an article, and not from its likeliest passages."""
    return len(article.text.split()) <= WHOLE_WORDS and _fits(article)


def _about(article: Article) -> list[BaseMessage]:
    """Return the prompt that any question about all of an article begins with."""
    return draft_messages("?", (), text_of(passages(article)))


def text_of(evidence: Sequence[Passage]) -> str:
    """Return passages as a prompt has them; all of an article's are what is read of it once for all."""
    return "\n\n".join(passage.text for passage in evidence)


def _fits(article: Article) -> bool:
    """Whether all of an article leaves room for a conversation; a digit, or a sign of another script, is a token."""
    if len(article.text) > CHARACTERS_PER_TOKEN * (CONTEXT_TOKENS - 1024):
        return False  # Its signs need not be looked at one by one.
    alone = sum(not sign.isascii() or sign.isdigit() for sign in article.text)
    return alone + (len(article.text) - alone) / CHARACTERS_PER_TOKEN <= CONTEXT_TOKENS - 1024


def _failure(error: Exception) -> str:
    """Say in one line what failed, without the provider's own words, which may hold a key or an address."""
    status, pause = getattr(error, "status_code", None), _retry_after(error)
    told = f" (HTTP {status})" if status else ""
    wait = f"; it asks to wait {pause:.0f} s" if status == HTTPStatus.TOO_MANY_REQUESTS and pause else ""
    return f"The model failed: {type(error).__name__}{told}{wait}"


def _retry_after(error: Exception) -> float | None:
    """Return the seconds after which asking again may help; None where it will not."""
    status = getattr(error, "status_code", None)
    if status is not None and status < 500 and status != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return RETRY_SECONDS
