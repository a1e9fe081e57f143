"""The packaged language model, scripted: it says what it is told to, in the way in which the engine tells it."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

from assistant.model import probes
from assistant.model.chat import LanguageModel
from assistant.model.engine.process import Engine

SURE = (5.0, 5.0, 5.0)
"""Of an answer, that the draft is right, and that it begins with yes: log-odds."""


@dataclass(frozen=True)
class Reply:
    """One reply of the scripted model."""

    text: str
    finish_reason: str | None = "stop"
    """How it ended; None for one that was dropped."""
    delay: float = 0.0
    """Seconds before each word."""
    error: Exception | None = None
    """Raised after the text."""


class ScriptedModel(BaseChatModel):
    """Gives the enqueued replies in order, word by word, and fails when asked more often.

    It needs none to tell its state, or to read an article.
    """

    replies: list[Reply] = Field(default_factory=list)
    prompts: list[list[BaseMessage]] = Field(default_factory=list)
    """The messages of each call, in order."""
    options: list[dict[str, Any]] = Field(default_factory=list)
    """The options of each."""
    sure: tuple[float, float, float] | None = SURE
    """What the probes read in its state; None where it fails to tell that."""

    def enqueue(self, *replies: Reply | str) -> None:
        """Add replies; a string is one that ends well."""
        self.replies += [Reply(reply) if isinstance(reply, str) else reply for reply in replies]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    async def _astream(
        self,
        messages: list[BaseMessage],
        *_: object,
        **options: Any,  # noqa: ANN401 - LangChain's
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.prompts.append(messages)
        self.options.append(options)
        if options.get("tells_state"):
            if self.sure is None:
                raise RuntimeError("it could not go on")
            yield _chunk("", finish_reason="stop", state=state_of(self.sure))
            return
        if options.get("reads_article") and not self.replies:
            yield _chunk("", finish_reason="stop")
            return
        assert self.replies, "the model was asked more often than the test has replies for"
        reply = self.replies.pop(0)
        for word in re.findall(r"\s*\S+\s*$|\s*\S+|\s+", reply.text):
            await asyncio.sleep(reply.delay)
            yield _chunk(word, logprobs={"content": [{"token": word, "logprob": -0.1}]})
        if reply.error is not None:
            raise reply.error
        yield _chunk("", **({"finish_reason": reply.finish_reason} if reply.finish_reason else {}))

    def _generate(self, *_: object, **__: object) -> ChatResult:
        raise NotImplementedError


def _chunk(text: str, **told: object) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text, response_metadata=told))


def state_of(sure: tuple[float, float, float]) -> list[float]:
    """Return a state in which the probes read this."""
    weights, intercepts = map(np.concatenate, zip(*map(probes.fitted, probes.FILES), strict=True))
    state, *_ = np.linalg.lstsq(weights, np.array(sure) - intercepts, rcond=None)
    told: list[float] = state.tolist()
    return told


@dataclass
class StubEngine:
    """An engine without a process, which has read every article where nothing else is said."""

    alive: bool = True
    kept: frozenset[str] | None = None
    """The names of what it has read; None for everything."""
    newest: int = 0
    told: list[set[str]] = field(default_factory=list)
    """What it was told to keep, each time."""

    def keeps(self, name: str) -> bool:
        """Whether it has read something under a name."""
        return self.kept is None or name in self.kept

    def keep_newest(self, count: int) -> None:
        """Note how many are kept."""
        self.newest = count

    def keep_only(self, names: Iterable[str]) -> None:
        """Note what alone is kept."""
        self.told.append(set(names))

    def close(self) -> None:
        """End it."""
        self.alive = False


def packaged(model: ScriptedModel, engine: StubEngine | None = None) -> LanguageModel:
    """Return the scripted model with an engine behind it."""
    return LanguageModel(model, "scripted", cast("Engine", engine or StubEngine()))
