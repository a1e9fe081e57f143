"""The language model that phrases an answer: the embedded engine, any provider of LangChain, or none.

`LanguageModel.draft` yields the text so far and ends with how it ended; a stream that was cut off is never reported as
complete, and a total deadline holds whatever the endpoint does. Requests run in an event loop of their own, because
only there one can be called off in the middle, which closes its connection and ends the engine's work. It knows nothing
of citations and does not check what the model says. Errors of providers become `ModelError` here and nowhere else.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import math
import queue
import re
import shutil
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import httpx
from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from assistant import prompts, weights
from assistant.engine import CONTEXT_TOKENS, CONVERSATIONS, ENGINE_PACKAGE, Engine
from assistant.errors import ConfigurationError, ModelError, WeightsError
from assistant.passages import passages
from assistant.settings import Settings
from assistant.types import VERDICTS, Article, Passage, Turn

logger = logging.getLogger(__name__)

MAX_ANSWER_TOKENS = 72
"""One or two sentences: with 64 allowed, the longest draft that held the facts of a development question took 47."""
READ_SECONDS = 300.0
"""The longest time that reading a part of an article may take, with the wait for a turn."""
PART_CHARACTERS = 1_200
"""So much of an article is read in advance before questions that wait get their turn; about four seconds."""
GIVE_WAY_SECONDS = 0.05
"""Pause between two parts; without it the turn is taken again before whoever waits for it has woken."""
MAX_ANSWER_CHARACTERS = 20 * MAX_ANSWER_TOKENS
"""An endpoint that says more does not keep to its tokens, and is called off."""
INVOCATION = "Do the passages state the answer"
"""The words from which on the adapter works: the prompt of a check begins with them, and no draft's holds them."""
MAX_HISTORY_TURNS = 2
MAX_HISTORY_BYTES = 4000
"""Of UTF-8: a token is a byte in the worst case, and the passages and the question need the rest of the context."""
CHARACTERS_PER_TOKEN = 4.0
"""Of English text with this tokenizer, rounded down so that what is planned fits."""
RESTART_SECONDS = (1.0, 5.0, 30.0, 120.0)
"""Pauses before the engine is started again after it died, one after the other."""
CALM_SECONDS = 600.0
"""After so long without a restart the pauses begin anew."""
RETRY_SECONDS = 0.5
"""Pause before an endpoint is asked once more, where it does not name one."""

PROVIDER_SLOTS = 64
"""A provider has a line of its own; this many questions may stand in it."""
POLL_SECONDS = 0.1
"""How often is looked whether a request was called off."""

_SLOW = "The time was up before the model said anything"
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
"""What a reasoning model says to itself."""

_T = TypeVar("_T")
_M = TypeVar("_M", bound=AIMessage)

Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much in all."""


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

    def __init__(self, chat: BaseChatModel, name: str, engine: Engine | None = None, slots: Path | None = None) -> None:
        """Take a loaded chat model; `engine` and `slots` are given for the embedded one only."""
        self.name = name
        self._chat = chat
        self._engine = engine
        self._slots = slots
        self._prompts = prompts.fingerprint()
        self._free: queue.LifoQueue[int] = queue.LifoQueue()
        """The slots that nobody has. The one that was given back last is taken first: of it most is still there."""
        for slot in reversed(range(PROVIDER_SLOTS if engine is None else CONVERSATIONS)):
            self._free.put(slot)
        self._holding = threading.local()
        self._evidence: dict[int, Sequence[Passage]] = {}
        """What each slot of the engine that is taken has read; it need not be prepared for the same again."""

    @property
    def alive(self) -> bool:
        """Whether it can be asked: false once the embedded engine has died."""
        return self._engine is None or self._engine.alive

    @property
    def tells(self) -> bool:
        """Whether it was trained to tell whether a draft is right; else there are no margins."""
        return self._engine is not None and self._engine.adapted

    def read(self, articles: Sequence[Article]) -> None:
        """Let the embedded engine read each article that fits its context, once for all; 25 s for 8,000 characters.

        It is read part by part, and questions get their turn between two parts. They need not read again what was
        read until then.

        Raises:
            ModelError: the engine failed, or what it read could not be kept.
        """
        for article in articles:
            saved = self._saved(article)
            fits = len(article.text) <= CHARACTERS_PER_TOKEN * (CONTEXT_TOKENS - 1024)
            if saved is None or saved.exists() or not fits:
                continue
            self._read_in_parts(passages(article), saved)

    def draft(  # noqa: PLR0913 - what is asked, of what, for how long, and how it is read
        self,
        question: str,
        history: Sequence[Turn],
        evidence: Sequence[Passage],
        deadline: float,
        stopped: threading.Event | None = None,
        *,
        apart: bool = False,
    ) -> Iterator[Draft]:
        """Yield the answer as it grows, from evidence in reading order; `deadline` is in `time.monotonic()` seconds.

        Setting `stopped` ends it like the deadline does. `apart` reads the evidence anew: what the engine takes over
        from the article that it has read knows what stands around it.

        Raises:
            ModelError: the endpoint failed, said nothing, or had no time for this question.
        """
        limit = _Limit(deadline, stopped)
        with self._in_turn(limit) as slot:
            self._prepare(slot, () if apart else evidence, limit)
            yield from self._stream(slot, draft_messages(question, history, _text(evidence)), limit, apart=apart)

    def margins(  # noqa: PLR0913, PLR0917 - what a draft takes, and what it said
        self,
        question: str,
        history: Sequence[Turn],
        evidence: Sequence[Passage],
        draft: str,
        deadline: float,
        stopped: threading.Event | None = None,
        *,
        apart: bool = False,
    ) -> tuple[float, float] | None:
        """Return the log-odds that the evidence answers the question, and that the draft of an answer is right.

        The check carries on the conversation of the draft: beside the same evidence the engine has read all but the
        check by then.
        None where the model is not the one that was trained to tell.

        Raises:
            ModelError: the endpoint failed, or had no time for this question.
        """
        if not self.tells:
            return None
        messages = check_messages(question, history, _text(evidence), draft)
        limit = _Limit(deadline, stopped)
        with self._in_turn(limit) as slot:
            self._prepare(slot, () if apart else evidence, limit)
            return _margins(self._invoke(slot, messages, limit, scored=True, apart=apart))

    def close(self) -> None:
        """End the embedded engine."""
        if self._engine is not None:
            self._engine.close()

    @contextmanager
    def turn(self, deadline: float, stopped: threading.Event | None = None) -> Iterator[None]:
        """Keep a slot for all that this thread asks meanwhile, so that it is one conversation.

        Raises:
            ModelError: no slot was free until the time was up.
        """
        with self._in_turn(_Limit(deadline, stopped)) as slot:
            before = getattr(self._holding, "slot", None)
            self._holding.slot = slot
            try:
                yield
            finally:
                self._holding.slot = before

    @contextmanager
    def _in_turn(self, limit: _Limit) -> Iterator[int]:
        """Wait for a slot, and yield its number; other readers see their quotation meanwhile."""
        held = getattr(self._holding, "slot", None)
        if held is not None:
            yield held
            return
        slot = self._wait_for_slot(limit)
        try:
            yield slot
        except ModelError:
            if self._engine is not None and time.monotonic() >= limit.deadline:
                # Slow, or hung for good? Whoever waits has waited long enough, so that is found out elsewhere.
                threading.Thread(target=self._engine.end_if_hung, name="engine-check", daemon=True).start()
            raise
        finally:
            # Until it is taken again the engine may need its room for others.
            self._evidence.pop(slot, None)
            self._free.put(slot)

    def _wait_for_slot(self, limit: _Limit) -> int:
        while True:
            try:
                return self._free.get(timeout=limit.wait)
            except queue.Empty:
                if limit.reached:
                    raise ModelError("The model was busy with other questions until the time was up") from None

    def _read_in_parts(self, whole: Sequence[Passage], saved: Path) -> None:
        begun = _begun(saved)
        # Of an earlier process, which did not come to the end.
        begun.unlink(missing_ok=True)
        for part in _growing(whole):
            limit = _Limit(time.monotonic() + READ_SECONDS)
            # All slots: with a question beside it each would take twice as long, and after it the question reads less.
            with ExitStack() as turns:
                slot = [turns.enter_context(self._in_turn(limit)) for _ in range(CONVERSATIONS)][-1]
                # Since the last part the slot may have read something else, which no part is to begin with.
                self._prepare(slot, part, limit)
                self._invoke(slot, draft_messages("?", (), _text(part)), limit, apart=True)
                if not self._slot(slot, "save", begun, limit):
                    raise ModelError("What was read could not be kept")
                if part == whole:
                    begun.rename(saved)
            time.sleep(GIVE_WAY_SECONDS)

    def _stream(self, slot: int, messages: list[BaseMessage], limit: _Limit, *, apart: bool) -> Iterator[Draft]:
        text = ""
        finish = None
        scores: list[float] = []
        options = self._options(slot, MAX_ANSWER_TOKENS, limit, apart=apart)
        try:
            for chunk in _until(limit, self._twice(lambda: self._chat.astream(messages, **options), limit)):
                text += str(chunk.text)
                scores += _log_probabilities(chunk)
                finish = (
                    chunk.response_metadata.get("finish_reason") or chunk.response_metadata.get("stop_reason") or finish
                )
                if chunk.text:
                    yield Draft(text)
                if len(text) > MAX_ANSWER_CHARACTERS:
                    finish = "length"
                    break
        except Exception as error:
            raise ModelError(_failure(error)) from error
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

    def _options(self, slot: int, max_tokens: int, limit: _Limit, *, apart: bool) -> dict[str, Any]:
        options: dict[str, Any] = {"max_tokens": max_tokens}
        if self._engine is not None:
            # Providers differ in whether they tell probabilities.
            options |= {"timeout": max(POLL_SECONDS, limit.left), "logprobs": True}
            options["extra_body"] = {"id_slot": slot} | ({"n_cache_reuse": 0} if apart else {})
        return options

    def _invoke(
        self, slot: int, messages: list[BaseMessage], limit: _Limit, *, scored: bool = False, apart: bool = False
    ) -> AIMessage:
        """Return one token; `scored` asks for the probabilities of the likeliest ones."""
        options = self._options(slot, 1, limit, apart=apart)
        if scored:
            options["top_logprobs"] = 20

        async def reply() -> AsyncGenerator[AIMessage]:
            yield await self._chat.ainvoke(messages, **options)

        try:
            replies = list(_until(limit, self._twice(reply, limit)))
        except Exception as error:
            raise ModelError(_failure(error)) from error
        if not replies:
            raise ModelError(_SLOW)
        return replies[0]

    def _saved(self, article: Article) -> Path | None:
        if self._slots is None:
            return None
        key = hashlib.sha256(f"{self.name}\n{self._prompts}\n{article.text}".encode()).hexdigest()
        return self._slots / f"{key[:32]}.bin"

    def _prepare(self, slot: int, evidence: Sequence[Passage], limit: _Limit) -> None:
        """Put the slot into the state after reading the article of the first passage, as far as that was saved."""
        saved = self._saved(evidence[0].article) if evidence and evidence != self._evidence.get(slot) else None
        kept = next((file for file in (saved, _begun(saved)) if file.exists()), None) if saved else None
        if kept is not None:
            self._slot(slot, "restore", kept, limit)
        self._evidence[slot] = evidence

    def _slot(self, slot: int, action: str, saved: Path, limit: _Limit) -> bool:
        """Save or restore what a slot of the engine has read, and return whether it did."""
        if self._engine is None:
            return False
        address, file = f"{self._engine.address}/slots/{slot}?action={action}", {"filename": saved.name}
        try:
            httpx.post(
                address,
                json=file,
                timeout=max(POLL_SECONDS, limit.left),
                verify=False,  # noqa: S501 - nothing is encrypted here, and to load certificates takes 11 ms
            ).raise_for_status()
        except httpx.HTTPStatusError:
            # Only speed is lost: the prompt is read in full. A file that cannot be restored is written anew.
            saved.unlink(missing_ok=True)
            return False
        except httpx.TransportError:
            # The engine is gone or hangs, of which the next request tells.
            return False
        return True


class ModelHolder:
    """Loads the language model in the background, says how far it is, and starts a dead engine again."""

    def __init__(self, settings: Settings, articles: Sequence[Article], progress: Progress) -> None:
        """Start loading; returns at once."""
        self._settings = settings
        self._articles = articles
        self._progress = progress
        self._model: LanguageModel | None = None
        self._failure = ""
        self._restarts = 0
        self._started = time.monotonic()
        self._may_pass = False
        self._closed = False
        self._loading = threading.Thread(target=self._load, name="language-model", daemon=True)
        self._loading.start()

    @property
    def name(self) -> str:
        """What the answers are written by: a file name, `provider:model`, or "none"."""
        return model_name(self._settings)

    @property
    def state(self) -> str:
        """`none`, `loading`, `ready`, or `unavailable: <why>`."""
        if self._settings.model == "none":
            return "none"
        if self._failure:
            return f"unavailable: {self._failure}"
        return "loading" if self._model is None or not self._model.alive else "ready"

    def get(self) -> LanguageModel | None:
        """Return the model if it can be asked now; an engine that is not there is started again, with pauses."""
        model = self._model
        broken = self._may_pass if model is None else not model.alive
        if broken and not self._loading.is_alive() and not self._closed:
            if time.monotonic() - self._started > CALM_SECONDS:
                self._restarts = 0
            pause = RESTART_SECONDS[min(self._restarts, len(RESTART_SECONDS) - 1)]
            self._restarts += 1
            self._started = time.monotonic()
            self._loading = threading.Thread(target=self._load, args=(pause,), name="language-model", daemon=True)
            self._loading.start()
        return model if model is not None and model.alive else None

    def wait(self) -> None:
        """Block until the model is ready and has read the articles, or is known to be unavailable."""
        self._loading.join()

    def close(self) -> None:
        """End the engine, also one that is still starting."""
        self._closed = True
        if self._model is not None:
            self._model.close()

    def _load(self, pause: float = 0.0) -> None:
        try:
            time.sleep(pause)
            model = open_language_model(self._settings, self._progress)
            if model is None:
                return
            if self._closed:
                model.close()
                return
            if self._model is not None:
                # Its child is dead; what is left of it is let go.
                self._model.close()
            self._model = model
            self._failure = ""
        except (ModelError, ConfigurationError) as error:
            self._failure = str(error)
            self._may_pass = isinstance(error, ModelError)
        except OSError as error:
            self._failure = f"The engine could not start ({error.strerror}): set ASSISTANT_DATA to another folder"
        else:
            self._read(model)

    def _read(self, model: LanguageModel) -> None:
        try:
            model.read(self._articles[:8])
        except (ModelError, OSError) as error:
            # Only speed is lost, or the engine is dead, which the next question finds.
            logger.warning("The articles could not be read in advance: %s", error)


def _begun(saved: Path) -> Path:
    """Return the file of what was read of an article so far, beside that of the whole article."""
    return saved.with_suffix(".begun")


def _growing(whole: Sequence[Passage]) -> Iterator[Sequence[Passage]]:
    """Yield the beginnings of an article, each longer by a part than the one before; the last one is the whole."""
    unread = 0
    for end, passage in enumerate(whole, start=1):
        unread += len(passage.text)
        if unread >= PART_CHARACTERS or end == len(whole):
            yield whole[:end]
            unread = 0


def model_name(settings: Settings) -> str:
    """Return what the answers are written by: a file name, `provider:model`, or "none"."""
    if settings.model != "local":
        return settings.model
    return Path(settings.model_file).name if settings.model_file else weights.LANGUAGE_MODEL_NAME


def check_configuration(settings: Settings) -> None:
    """Refuse at the start what can only fail later.

    Raises:
        ConfigurationError: the provider is unknown, its package is missing, or the model file cannot be used.
    """
    if settings.model != "none":
        prompts.check()
    if settings.model == "local":
        if settings.model_file and not Path(settings.model_file).is_file():
            raise WeightsError(
                f"The model file {settings.model_file} does not exist: set ASSISTANT_MODEL_FILE to a GGUF file"
            )
    elif settings.model != "none":
        _provider(settings)


def open_language_model(settings: Settings, progress: Progress) -> LanguageModel | None:
    """Load the model that the settings name; None for "none".

    Raises:
        ConfigurationError: it cannot be loaded as it is set up.
        ModelError: the engine did not start.
    """
    if settings.model == "none":
        return None
    if settings.model != "local":
        return LanguageModel(_provider(settings), settings.model)
    if settings.model_file:
        file = Path(settings.model_file)
        if settings.model_sha256:
            weights.verify(file, settings.model_sha256, settings.data)
    else:
        file = weights.language_model_file(
            settings.data, lambda done, total: progress("Joining the language model", done, total)
        )
    slots = _slots(settings.data)
    adapter = None if settings.model_file else weights.adapter_file()
    engine = Engine(file, slots, settings.threads or os_processors(), adapter, INVOCATION)
    chat = init_chat_model(
        "openai:local", base_url=f"{engine.address}/v1", api_key="none", temperature=0, max_retries=0, timeout=60
    )
    return LanguageModel(chat, file.name, engine, slots)


def _slots(data: Path) -> Path:
    """Return the folder for what this version of the engine has read, and delete that of others, which it cannot read.

    Raises:
        ConfigurationError: the engine is not installed.
    """
    try:
        own = data / "slots" / f"{ENGINE_PACKAGE}-{version(ENGINE_PACKAGE)}"
    except PackageNotFoundError as error:
        raise ConfigurationError(f"The language model's engine is not installed: run {weights.INSTALL}") from error
    for other in own.parent.glob("*"):
        if other == own:
            continue
        if other.is_dir():
            shutil.rmtree(other, ignore_errors=True)
        else:
            other.unlink(missing_ok=True)
    return own


def draft_messages(question: str, history: Sequence[Turn], passages: str) -> list[BaseMessage]:
    """Return the conversation that asks for a draft: the passages first and the question last."""
    messages: list[BaseMessage] = [SystemMessage(prompts.render("system", article=_plain(passages)))]
    for turn in _recent(history):
        messages += [HumanMessage(_plain(turn.question)), AIMessage(_plain(turn.answer))]
    return [*messages, HumanMessage(prompts.render("question", question=_plain(question)))]


def check_messages(question: str, history: Sequence[Turn], passages: str, draft: str) -> list[BaseMessage]:
    """Return the conversation of a draft, carried on with the check of it."""
    check = HumanMessage(prompts.render("checked", question=_plain(question)))
    return [*draft_messages(question, history, passages), AIMessage(_plain(draft)), check]


@dataclass(frozen=True, slots=True)
class _Limit:
    """Until when something may take."""

    deadline: float
    stopped: threading.Event | None = None

    @property
    def left(self) -> float:
        """Seconds; 0 when it is over."""
        is_stopped = self.stopped is not None and self.stopped.is_set()
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


def _log_probabilities(message: BaseMessage) -> list[float]:
    tokens = (message.response_metadata.get("logprobs") or {}).get("content") or []
    return [float(token["logprob"]) for token in tokens if re.search(r"\w", token["token"])]


def os_processors() -> int:
    """Return how many processors this process may use."""
    import os  # noqa: PLC0415

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _provider(settings: Settings) -> BaseChatModel:
    options: dict[str, Any] = {"temperature": 0, "max_retries": 0, "timeout": settings.answer_seconds}
    if settings.model_url:
        options["base_url"] = settings.model_url
    try:
        chat: BaseChatModel = init_chat_model(settings.model, **options)
    except ImportError as error:
        raise ConfigurationError(
            f"ASSISTANT_MODEL is {settings.model!r}: its package is missing ({error.name}); install it"
        ) from error
    except Exception as error:
        raise ConfigurationError(
            f"ASSISTANT_MODEL is {settings.model!r}: use local, none, or provider:model with its key "
            f"({(str(error).splitlines() or [type(error).__name__])[0][:120]})"
        ) from error
    return chat


def _text(evidence: Sequence[Passage]) -> str:
    return "\n\n".join(passage.text for passage in evidence)


def _plain(text: str) -> str:
    """Return the text without the words that would bring in the adapter, which are for our own prompts alone."""
    return text.replace(INVOCATION, INVOCATION.lower())


def _margins(reply: AIMessage) -> tuple[float, float]:
    tokens = ((reply.response_metadata.get("logprobs") or {}).get("content") or [{}])[0].get("top_logprobs", [])
    yes, wrong, no = (
        1e-6 + math.fsum(math.exp(t["logprob"]) for t in tokens if t["token"].strip().lower() == word)
        for word in VERDICTS
    )
    return math.log(yes + wrong) - math.log(no), math.log(yes) - math.log(wrong + no)


def _recent(history: Sequence[Turn]) -> Sequence[Turn]:
    """Return the latest turns that there is room for."""
    turns = list(history[-MAX_HISTORY_TURNS:])
    while sum(len(f"{turn.question}{turn.answer}".encode()) for turn in turns) > MAX_HISTORY_BYTES:
        del turns[0]
    return turns


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
