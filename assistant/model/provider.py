"""A capable language model, asked through any chat model of LangChain: messages in, one JSON object out.

A call keeps to a total deadline. What may pass by itself is tried again inside it, and a provider that fails again and
again is left alone for half a minute. Each fault is a `ModelError` with its name and its cure; the provider's own words
are never passed on, since they may hold a key or a reader's question.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
from pydantic import BaseModel, ValidationError

from assistant.errors import Fault, ModelError
from assistant.model.engine.process import Engine
from assistant.model.limit import Limit, busy, run_within
from assistant.model.usage import Ledger
from assistant.types import Usage

ROOM_TOKENS = 2048
"""For one reply: a thinking model's thoughts count too, and the schema keeps the rest short."""
TRIES = 3
"""So often is asked at most where a fault may pass, all within the deadline."""
RETRY_SECONDS = 0.5
"""The first pause; each further one is twice as long, and up to half of each is left out by chance."""
FAILURES = 5
"""After so many failures one after the other the provider is left alone ..."""
AWAY_SECONDS = 30.0
"""... for so long; then one call tries again."""

_PASSES = frozenset({Fault.RATE, Fault.SERVER, Fault.CONNECTION})
"""Faults that may be gone at the next try."""
_ITS_OWN = frozenset({Fault.KEY, Fault.UNKNOWN_MODEL, Fault.CREDIT})
"""Faults that somebody has to mend: one is enough to leave the provider alone."""
_COUNTED = _PASSES | _ITS_OWN | {Fault.TIME_UP}
"""Faults of the provider. What it forbids is a fault of one question: nobody can ask so that others get no answer."""
_OPTIONAL = ("temperature", "reasoning_effort")
"""What is sent with a request and not every model takes."""
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)|\A(?:(?!<think>).)*</think>", re.DOTALL)
"""What a thinking model says to itself; of some, the prompt has the opening tag already."""

_S = TypeVar("_S", bound=BaseModel)


class Provider:
    """A chat model, with the number of calls that it may have at once."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it is, and how it may be used
        self,
        chat: BaseChatModel,
        name: str,
        ledger: Ledger,
        calls_at_once: int = 16,
        engine: Engine | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a chat model that was made; `name` is what the operator calls it. Some have an engine of ours behind.

        By the clock, in seconds, it is known how long a provider that failed is left alone.
        """
        self.name = name
        self.ledger = ledger
        self._chat = chat
        self._has_schemas = True
        """Whether it takes a JSON Schema; where it does not, the words of the prompt must do."""
        self._calls = threading.Semaphore(calls_at_once)
        self._breaker = _Breaker(clock)
        self._engine = engine

    @property
    def alive(self) -> bool:
        """Whether it can be asked: false once an engine of ours has died."""
        return self._engine is None or self._engine.alive

    def close(self) -> None:
        """End the engine behind it, if there is one."""
        if self._engine is not None:
            self._engine.close()

    def kept(self, text: str) -> SystemMessage:
        """Return the message that opens several calls alike, marked for the provider's cache where it wants a mark."""
        if type(self._chat).__module__.startswith("langchain_anthropic"):
            return SystemMessage([{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}])
        return SystemMessage(text)

    def ask(self, messages: Sequence[BaseMessage], schema: type[_S], limit: Limit, used: list[Usage]) -> _S:
        """Return the reply to some messages, in the form of the schema; what each call takes is added to `used`.

        A reply in another form is asked for once more.

        Raises:
            ModelError: there is none; the fault says why.
        """
        try:
            return self._reply(messages, schema, limit, used)
        except ModelError as error:
            if error.fault is not Fault.MALFORMED:
                raise
            return self._reply(messages, schema, limit, used)

    def _reply(self, messages: Sequence[BaseMessage], schema: type[_S], limit: Limit, used: list[Usage]) -> _S:
        while not self._calls.acquire(timeout=limit.wait):
            if limit.reached:
                raise busy()
        try:
            message = self._within(messages, schema, limit)
        finally:
            self._calls.release()
        usage = _usage_of(message)
        used.append(usage)
        self.ledger.add(usage)
        return _parsed(message, schema)

    def _within(self, messages: Sequence[BaseMessage], schema: type[BaseModel], limit: Limit) -> AIMessage:
        """Return what the model says; what may pass is tried again until the limit.

        A call that is let through has all its tries, also where it is the one that looks whether the provider is back.
        """
        if self.ledger.is_spent:
            raise ModelError(Fault.BUDGET, "The tokens for today are spent", "raise ASSISTANT_TOKENS_PER_DAY")
        self._breaker.check()
        for number in range(TRIES):
            try:
                message = run_within(limit, self._invoke(messages, schema))
            except ModelError as error:
                self._breaker.failed(error.fault)
                raise
            except Exception as error:
                fault = fault_of(error)
                if self._gives_in(error, fault):
                    continue
                self._breaker.failed(fault)
                pause = _pause(error, number)
                if fault not in _PASSES or number == TRIES - 1 or pause >= limit.left:
                    raise model_error(fault, error) from error
                _sleep(pause, limit)
            else:
                self._breaker.succeeded()
                return message
        raise model_error(Fault.REQUEST)

    async def _invoke(self, messages: Sequence[BaseMessage], schema: type[BaseModel]) -> AIMessage:
        if not self._has_schemas:
            reply = await self._chat.ainvoke(list(messages))
        else:
            form = {"title": schema.__name__, **schema.model_json_schema()}
            structured = self._chat.with_structured_output(form, method="json_schema", include_raw=True)
            reply = (await structured.ainvoke(list(messages)))["raw"]  # type: ignore[index]
        if not isinstance(reply, AIMessage):
            raise ModelError(Fault.SERVER, "The provider answered in another protocol", "look at ASSISTANT_MODEL_URL")
        return reply

    def _gives_in(self, error: Exception, fault: Fault) -> bool:
        """Leave out what the model does not take, from now on; return whether asking again makes sense."""
        told = str(error).lower()
        if self._has_schemas and (
            isinstance(error, (NotImplementedError, ValueError, TypeError))
            or (fault is Fault.REQUEST and re.search(r"response_format|json_schema|structured|grammar", told))
        ):
            self._has_schemas = False
            return True
        named = [name for name in _OPTIONAL if getattr(self._chat, name, None) is not None and name in told]
        if fault is Fault.REQUEST and named:
            self._chat = self._chat.model_copy(update=dict.fromkeys(named))
            return True
        return False


class _Breaker:
    """Leaves a provider alone that failed again and again; for many threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._changing = threading.Lock()
        self._failures = 0
        self._asked_again_at = 0.0
        self._last = Fault.SERVER
        self.away_seconds = AWAY_SECONDS

    def check(self) -> None:
        """Let a call through.

        Raises:
            ModelError: the provider is left alone now.
        """
        with self._changing:
            if self._failures < FAILURES:
                return
            if self._clock() < self._asked_again_at:
                away = model_error(self._last)
                raise ModelError(Fault.AWAY, f"The provider is not asked for a moment. {away.what}", away.cure)
            # This one tries; the others wait for what comes of it.
            self._asked_again_at = self._clock() + self.away_seconds

    def failed(self, fault: Fault) -> None:
        """Count a failure."""
        if fault not in _COUNTED:
            return
        with self._changing:
            self._failures = max(FAILURES if fault in _ITS_OWN else 0, self._failures + 1)
            self._asked_again_at = self._clock() + self.away_seconds
            self._last = fault

    def succeeded(self) -> None:
        """Forget the failures."""
        with self._changing:
            self._failures = 0


def _parsed(message: AIMessage, schema: type[_S]) -> _S:
    """Return the last object of this form in a message; words around it, and braces in them, do not matter.

    Raises:
        ModelError: there is none.
    """
    ended = str(message.response_metadata.get("finish_reason") or message.response_metadata.get("stop_reason") or "")
    if message.additional_kwargs.get("refusal") or ended in ("refusal", "content_filter", "SAFETY"):
        raise model_error(Fault.REFUSED)
    text = _THOUGHT.sub("", str(message.text)).strip()
    if ended in ("length", "max_tokens", "MAX_TOKENS"):
        raise model_error(Fault.CUT_OFF)
    if not text:
        raise model_error(Fault.EMPTY)
    found: _S | None = None
    for said in _objects(text):
        with suppress(ValidationError):
            found = schema.model_validate(said)
    if found is None:
        raise model_error(Fault.MALFORMED)
    return found


def _objects(text: str) -> Iterator[object]:
    """Yield the JSON objects that stand in a text, one after the other."""
    decoder = json.JSONDecoder()
    place = text.find("{")
    while place >= 0:
        end = place + 1
        with suppress(ValueError, RecursionError):
            said, end = decoder.raw_decode(text, place)
            yield said
        place = text.find("{", end)


def _usage_of(message: AIMessage) -> Usage:
    told = message.usage_metadata
    if told is None:
        return Usage(calls=1)
    cached = (told.get("input_token_details") or {}).get("cache_read", 0)
    return Usage(1, told["input_tokens"], cached or 0, told["output_tokens"])


_WRONG_KEY = re.compile(r"api.?key (?:not valid|expired|missing)|invalid.{0,9}api.?key")


def fault_of(error: Exception) -> Fault:  # noqa: PLR0911 - a table, a line each
    """Return what an exception of a provider's package means, by its name, its HTTP status and its words."""
    status, told = getattr(error, "status_code", None) or getattr(error, "code", None), str(error).lower()
    name = type(error).__name__
    if "Refusal" in name or "ContentFilter" in name:
        return Fault.REFUSED
    if "LengthFinishReason" in name:
        return Fault.CUT_OFF
    # A provider may repeat the question, so that a word that a reader can type tells nothing by itself.
    is_of_billing = "billing" in told and status in (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
    if is_of_billing or re.search(r"insufficient_quota|credit balance|payment required", told) or status == 402:
        return Fault.CREDIT
    if re.search(r"context.{0,12}length|maximum context|context window|too many tokens|prompt is too long", told):
        return Fault.CONTEXT
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return Fault.KEY
        case HTTPStatus.FORBIDDEN:
            return Fault.FORBIDDEN
        case HTTPStatus.NOT_FOUND:
            return Fault.UNKNOWN_MODEL
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Fault.RATE
        case int() if 400 <= status < 500:
            return Fault.KEY if _WRONG_KEY.search(told) else Fault.REQUEST
    return Fault.CONNECTION if re.search(r"Connect|Timeout|Network|Protocol|OSError|Remote", name) else Fault.SERVER


_TOLD: dict[Fault, tuple[str, str]] = {
    Fault.KEY: ("The provider does not take the key", "set the provider's key, as OPENAI_API_KEY, and start again"),
    Fault.FORBIDDEN: (
        "The provider does not let this question in",
        "ask in other words; where every question ends so, look at what the key may use",
    ),
    Fault.UNKNOWN_MODEL: (
        "The provider has no such model",
        "look at the name in ASSISTANT_MODEL, and ASSISTANT_MODEL_URL",
    ),
    Fault.CREDIT: ("The provider's account has no credit", "top it up"),
    Fault.RATE: ("The provider asks to wait", "raise the account's limits, or lower ASSISTANT_MODEL_CALLS"),
    Fault.CONTEXT: ("The prompt is longer than the model reads", "lower ASSISTANT_MODEL_WORDS"),
    Fault.REQUEST: ("The provider does not take the request", "look whether the model can write JSON"),
    Fault.SERVER: ("The provider failed", "wait, or look at the server of ASSISTANT_MODEL_URL"),
    Fault.CONNECTION: ("The provider does not answer", "look at the network, and ASSISTANT_MODEL_URL"),
    Fault.TIME_UP: ("The provider took too long", "raise ASSISTANT_ANSWER_SECONDS, or take a faster model"),
    Fault.REFUSED: ("The model refuses to answer this", "ask in other words"),
    Fault.CUT_OFF: ("The model's reply was cut off", "ask again, or in other words"),
    Fault.EMPTY: ("The model gave an empty reply", "ask again, or in other words"),
    Fault.MALFORMED: ("The model's reply was not in the form that was asked for", "take a model that can write JSON"),
}


def model_error(fault: Fault, error: Exception | None = None) -> ModelError:
    """Return a fault with its message, its cure, and the HTTP status where there was one."""
    what, cure = _TOLD[fault]
    status = getattr(error, "status_code", None)
    return ModelError(fault, f"{what} (HTTP {status})" if status else what, cure)


def _pause(error: Exception, number: int) -> float:
    """Return the seconds to wait before a further try: what the provider asks for, else longer each time."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return float(RETRY_SECONDS * 2**number * random.uniform(0.5, 1.0))  # noqa: S311 - no secret


def _sleep(seconds: float, limit: Limit) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not limit.reached:
        time.sleep(min(limit.wait, max(0.0, end - time.monotonic())))
