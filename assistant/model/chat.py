"""The packaged language model: asked for a draft and for the check of one, and for one question at a time.

A total deadline holds whatever the engine does, and a reply that was cut off is never reported as complete. What the
model says is not checked here.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from assistant.articles.annotated import annotated
from assistant.errors import Fault, ModelError
from assistant.files import sha256
from assistant.model import prompts
from assistant.model.engine.process import CONTEXT_TOKENS, Engine
from assistant.model.limit import Limit, busy, run_within, time_up
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
"""Pause before reading goes on; without it this thread takes the lock again before one that waits for it has woken."""
CHARACTERS_PER_TOKEN = 4.0
"""Of English text with this tokenizer, rounded down so that what is planned fits."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the model has said."""

    text: str
    complete: bool = False
    """The model itself ended here. False means that it was cut off."""
    log_probabilities: tuple[float, ...] = ()
    """Of each token that holds a letter or a digit."""


class LanguageModel:
    """A chat model, and the engine behind it."""

    def __init__(self, chat: BaseChatModel, name: str, engine: Engine) -> None:
        """Take the engine, and LangChain's face of it."""
        self.name = name
        self._chat = chat
        self._engine = engine
        self._prompts = prompts.fingerprint()
        self._turns = threading.Lock()
        self._reading = threading.Lock()
        """Held while an article is read: two that alternate would each load again what it had read."""
        self._is_wanted = threading.Event()
        """A question waits for its turn, so that what is read in advance gives way."""

    @property
    def alive(self) -> bool:
        """Whether it can be asked: false once the engine has died."""
        return self._engine.alive

    def read(self, article: Article) -> None:
        """Let the embedded engine read an article that fits its context, once for all; 25 s for 8,000 characters.

        A question that comes meanwhile waits for one batch alone; after that, reading goes on where it was.

        Raises:
            ModelError: the engine failed, or what it read could not be kept.
        """
        if not _fits(article):
            return
        is_read = False
        while not is_read:
            with self._reading:
                is_read = self._read_on(article)
            time.sleep(GIVE_WAY_SECONDS)

    def is_read(self, article: Article) -> bool:
        """Whether nothing of an article has to be read before somebody asks about it."""
        return not is_short(article) or self._engine.keeps(self._kept_as(article))

    def read_now(self, article: Article, stopped: threading.Event | None = None) -> None:
        """Let the embedded engine read an article whose answers are written from all of it, if it has not read it yet.

        Prefill in advance gives way to this, and this gives way to questions. Setting `stopped` ends it.

        Raises:
            ModelError: the engine failed, or what it read could not be kept.
        """
        if self.is_read(article):
            return
        self._is_wanted.set()
        limit = Limit(time.monotonic() + READ_SECONDS, stopped)
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
        self._engine.keep_only(map(self._kept_as, articles))

    def draft(
        self, question: str, history: Sequence[Turn], evidence: Sequence[Passage], limit: Limit, opening: str = ""
    ) -> Draft:
        """Return an answer, from evidence in reading order; it goes on after an `opening`, which it begins with.

        For a thread that has the `turn`.

        Raises:
            ModelError: the engine failed, said nothing, or had no time for this question.
        """
        messages = draft_messages(question, history, text_of(evidence))
        article = evidence[0].article if evidence else None
        text = opening
        finish = None
        scores: list[float] = []
        for chunk in self._reply(
            messages, limit, MAX_ANSWER_TOKENS, article, **({"opening": opening} if opening else {})
        ):
            text += str(chunk.text)
            scores += [float(token["logprob"]) for token in _tokens(chunk) if re.search(r"\w", token["token"])]
            finish = chunk.response_metadata.get("finish_reason") or finish
        if not text.strip():
            empty = ModelError(Fault.EMPTY, "The model said nothing", "ask in other words")
            raise time_up() if limit.reached else empty
        return Draft(text.strip(), complete=finish == "stop", log_probabilities=tuple(scores))

    def check(
        self, question: str, history: Sequence[Turn], evidence: Sequence[Passage], draft: str, limit: Limit
    ) -> State:
        """Return the state that the check of a draft leaves the model in, which the probes read.

        It carries on the conversation of the draft.

        Raises:
            ModelError: the engine failed, or had no time for this question.
        """
        return self._state(check_messages(question, history, text_of(evidence), draft), evidence, limit)

    def beginning(self, question: str, history: Sequence[Turn], evidence: Sequence[Passage], limit: Limit) -> State:
        """Return the state in which the model begins to answer a question.

        Raises:
            ModelError: the engine failed, or had no time for this question.
        """
        return self._state(draft_messages(question, history, text_of(evidence)), evidence, limit)

    def close(self) -> None:
        """End the engine."""
        self._engine.close()

    def _state(self, messages: list[BaseMessage], evidence: Sequence[Passage], limit: Limit) -> State:
        article = evidence[0].article if evidence else None
        for chunk in self._reply(messages, limit, 1, article, tells_state=True):
            if "state" in chunk.response_metadata:
                return np.array(chunk.response_metadata["state"], dtype=np.float32)
        raise time_up()

    @contextmanager
    def turn(self, limit: Limit) -> Iterator[None]:
        """Have the model for one question: the engine holds one conversation at a time.

        Raises:
            ModelError: others had it until the limit.
        """
        self._is_wanted.set()
        while not self._turns.acquire(timeout=limit.wait):
            # Another question that waits as well may have cleared it.
            self._is_wanted.set()
            if limit.reached:
                raise busy()
        self._is_wanted.clear()
        try:
            yield
        finally:
            self._turns.release()

    def _read_on(self, article: Article, stopped: threading.Event | None = None) -> bool:
        """Read an article from where it was left, until somebody wants the model; return whether it is read."""
        limit = Limit(time.monotonic() + READ_SECONDS, stopped)
        with self.turn(limit):
            until_wanted = replace(limit, stopped_too=self._is_wanted)
            if self._reply(_about(article), until_wanted, 1, article, reads_article=True):
                return True
        if time.monotonic() >= limit.deadline:
            raise time_up()
        return False

    def _reply(
        self,
        messages: list[BaseMessage],
        limit: Limit,
        max_tokens: int,
        article: Article | None,
        **options: Any,  # noqa: ANN401 - of the embedded engine
    ) -> list[AIMessage]:
        """Return the parts of a reply that came before the limit."""
        options["max_tokens"] = max_tokens
        if article is not None and _fits(article):
            options["article"] = self._kept_as(article)
        parts: list[AIMessage] = []

        async def receive() -> None:
            async with aclosing(self._chat.astream(messages, **options)) as source:  # type: ignore[type-var]
                async for part in source:
                    parts.append(part)  # noqa: PERF401 - what came stays when it is called off

        try:
            run_within(limit, receive())
        except ModelError:
            return parts
        except Exception as error:
            what = f"The engine failed: {type(error).__name__}"
            raise ModelError(Fault.ENGINE, what, "ask again in a moment, it is started anew") from error
        return parts

    def _kept_as(self, article: Article) -> str:
        """Return the name of what the engine has read of an article."""
        key = sha256(f"{self.name}\n{self._prompts}\n{article.text}")
        return f"{key[:32]}.bin"


def _tokens(chunk: AIMessage) -> list[dict[str, Any]]:
    """Return the log-probabilities in a part of a reply; none where the endpoint sends none."""
    return (chunk.response_metadata.get("logprobs") or {}).get("content") or []


def is_short(article: Article) -> bool:
    """Whether an answer is written from all of an article, and not from its likeliest passages."""
    return len(article.text.split()) <= WHOLE_WORDS and _fits(article)


def _about(article: Article) -> list[BaseMessage]:
    """Return the prompt that any question about all of an article begins with."""
    return draft_messages("?", (), text_of(annotated(article).passages))


def text_of(evidence: Sequence[Passage]) -> str:
    """Return passages as a prompt has them; all of an article's are what is read of it once for all."""
    return "\n\n".join(passage.text for passage in evidence)


def _fits(article: Article) -> bool:
    """Whether all of an article leaves room for a conversation; a digit, or a sign of another script, is a token."""
    if len(article.text) > CHARACTERS_PER_TOKEN * (CONTEXT_TOKENS - 1024):
        return False  # Its signs need not be looked at one by one.
    alone = sum(not sign.isascii() or sign.isdigit() for sign in article.text)
    return alone + (len(article.text) - alone) / CHARACTERS_PER_TOKEN <= CONTEXT_TOKENS - 1024
