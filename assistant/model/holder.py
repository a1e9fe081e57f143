"""Which language models answer, and whether they are there: the packaged one, capable ones, or none.

`ModelHolder` loads them in the background and starts a dead engine again.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel

from assistant.errors import AssistantError, ConfigurationError, ModelError, WeightsError
from assistant.files import Progress, silent
from assistant.model import prompts, weights
from assistant.model.chat import LanguageModel
from assistant.model.engine.process import CONTEXT_TOKENS, ENGINE_PACKAGE, Engine, EngineChat
from assistant.model.prompts import CHECK, TURN
from assistant.model.provider import ROOM_TOKENS, Provider
from assistant.model.usage import LEDGER, Ledger
from assistant.settings import Settings
from assistant.types import Article

logger = logging.getLogger(__name__)

RESTART_SECONDS = (1.0, 5.0, 30.0, 120.0)
"""Pauses before the engine is started again after it died, one after the other."""
CALM_SECONDS = 600.0
"""After so long without a restart the pauses begin anew."""
OWN_CONTEXT_TOKENS = 8192
"""What a model file of the operator's reads at once."""

_PREFILLED = 8
"""So many articles are read before somebody asks."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """Whether the models can be asked."""

    kind: Literal["none", "loading", "ready", "unavailable"]
    error: AssistantError | None = None
    """Why they are unavailable."""


class ModelHolder:
    """Loads the models in the background, says how far they are, and starts a dead engine again."""

    def __init__(
        self,
        settings: Settings,
        articles: Sequence[Article],
        progress: Progress = silent,
        open_them: Callable[[Settings, Progress], Models | None] | None = None,
        restart_seconds: Sequence[float] = RESTART_SECONDS,
    ) -> None:
        """Start loading, with `open_models` where nothing else is named; returns at once.

        The pauses are those before a dead engine is started again, one after the other.
        """
        self._settings = settings
        self._articles = articles
        self._progress = progress
        self._open = open_them or open_models
        self._restart_seconds = restart_seconds
        self._models: Models | None = None
        self._failure: AssistantError | None = None
        self._restarts = 0
        self._started = time.monotonic()
        self._closed = False
        self._reading = threading.Lock()
        """Held while articles are read: two that read would interrupt each other, and each begin anew."""
        self._loading = threading.Thread(target=self._load, name="language-model", daemon=True)
        self._loading.start()

    @property
    def name(self) -> str:
        """What the answers are written by: a file name, `provider:model`, or "none"."""
        return model_name(self._settings)

    @property
    def state(self) -> ModelState:
        """Whether the models can be asked."""
        if self._settings.model == "none":
            return ModelState("none")
        if self._failure:
            return ModelState("unavailable", self._failure)
        return ModelState("loading" if self._models is None or not self._models.alive else "ready")

    def get(self) -> Models | None:
        """Return the models if they can be asked now; an engine that is not there is started again, with pauses."""
        models = self._models
        may_pass = isinstance(self._failure, ModelError)
        broken = may_pass if models is None else not models.alive
        if broken and not self._loading.is_alive() and not self._closed:
            if time.monotonic() - self._started > CALM_SECONDS:
                self._restarts = 0
            pause = self._restart_seconds[min(self._restarts, len(self._restart_seconds) - 1)]
            self._restarts += 1
            self._started = time.monotonic()
            self._loading = threading.Thread(target=self._load, args=(pause,), name="language-model", daemon=True)
            self._loading.start()
        return models if models is not None and models.alive else None

    def wait(self) -> None:
        """Block until the models are ready and have read the articles, or are known to be unavailable."""
        self._loading.join()

    def renew(self, articles: Sequence[Article]) -> None:
        """Take the articles as they are now: the first are read soon, and what was read of those that are gone goes."""
        self._articles = articles
        if (model := _packaged_of(self._models)) is not None:
            self._forget_gone(model)
            threading.Thread(target=self._prefill, args=(model,), name="reading", daemon=True).start()

    def close(self) -> None:
        """End the engines, also one that is still starting."""
        self._closed = True
        if self._models is not None:
            self._models.close()

    def read_now(self, model: LanguageModel, article: Article, stopped: threading.Event | None = None) -> None:
        """Let the packaged model read the article that it is asked about, as its `read_now`."""
        if not model.is_read(article):
            self._attempt(model, article, partial(model.read_now, article, stopped))

    def _load(self, pause: float = 0.0) -> None:
        try:
            time.sleep(pause)
            models = self._open(self._settings, self._progress)
            if models is None:
                return
            if self._closed:
                models.close()
                return
            if self._models is not None:
                # Its child is dead; what is left of it is let go.
                self._models.close()
            self._models = models
            self._failure = None
        except (ModelError, ConfigurationError) as error:
            self._failure = error
        except OSError as error:
            what = f"The engine could not start ({error.strerror})"
            self._failure = ConfigurationError(what, "set ASSISTANT_DATA to another folder")
        else:
            if (model := _packaged_of(models)) is not None:
                self._forget_gone(model)
                self._prefill(model)

    def _prefill(self, model: LanguageModel) -> None:
        with self._reading:
            for article in self._articles[:_PREFILLED]:
                if model.alive:
                    self._attempt(model, article, partial(model.read, article))

    def _attempt(self, model: LanguageModel, article: Article, read: Callable[[], None]) -> None:
        try:
            read()
        except (ModelError, OSError) as error:
            # Only speed is lost, or the engine is dead, which the next question finds.
            logger.warning("The article %s could not be read once for all: %s", article.id, error)
        if article not in self._articles:  # It went meanwhile.
            self._forget_gone(model)

    def _forget_gone(self, model: LanguageModel) -> None:
        """Delete what was read of articles that are not there, also of those that went while nothing ran."""
        try:
            model.keep_only(self._articles)
        except OSError as error:
            logger.warning("What was read of an article that is gone could not be deleted: %s", error.strerror)


def model_name(settings: Settings) -> str:
    """Return what the answers are written by: a file name, `provider:model`, or "none"."""
    if settings.model != "local":
        return settings.model
    return Path(settings.model_file).name if settings.model_file else weights.LANGUAGE_MODEL_NAME


def _packaged_of(models: Models | None) -> LanguageModel | None:
    """Return the packaged model among them, if it is there."""
    return models.local if isinstance(models, CapableModels) else models


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
                f"The model file {settings.model_file} does not exist", "set ASSISTANT_MODEL_FILE to a GGUF file"
            )
    elif settings.model != "none":
        for name in filter(None, (settings.model, settings.check_model)):
            _provider(name, settings, Ledger(settings.data / LEDGER))


@dataclass(frozen=True, slots=True)
class CapableModels:
    """A capable model that writes, and what checks it."""

    writer: Provider
    checker: Provider | None = None
    """None where the packaged model checks, or nothing but the rules."""
    local: LanguageModel | None = None
    """The packaged model, where it checks."""

    @property
    def alive(self) -> bool:
        """Whether they can be asked."""
        return self.writer.alive and (self.local is None or self.local.alive)

    def close(self) -> None:
        """End what runs on this machine."""
        self.writer.close()
        if self.local is not None:
            self.local.close()


Models = LanguageModel | CapableModels


def open_models(settings: Settings, progress: Progress) -> Models | None:
    """Load the models that the settings name; None for "none".

    Raises:
        ConfigurationError: one cannot be loaded as it is set up.
        ModelError: the engine did not start.
    """
    if settings.model == "none":
        return None
    if settings.model == "local" and not settings.model_file:
        return _packaged(settings, progress)
    ledger = Ledger(settings.data / LEDGER, settings.tokens_per_day)
    writer = _own(settings, ledger) if settings.model == "local" else _provider(settings.model, settings, ledger)
    local = _packaged(settings, progress) if settings.check == "local" else None
    return CapableModels(writer, _checker(writer, settings, ledger), local)


def providers(settings: Settings) -> CapableModels:
    """Return the models of the provider that the settings name, without what is on this machine; nothing is asked yet.

    Raises:
        ConfigurationError: one cannot be set up.
    """
    ledger = Ledger(settings.data / LEDGER, settings.tokens_per_day)
    writer = _provider(settings.model, settings, ledger)
    return CapableModels(writer, _checker(writer, settings, ledger))


def _checker(writer: Provider, settings: Settings, ledger: Ledger) -> Provider | None:
    if settings.check != "provider":
        return None
    return _provider(settings.check_model, settings, ledger) if settings.check_model else writer


def _own(settings: Settings, ledger: Ledger) -> Provider:
    """Load a model file of the operator's, which is asked like a provider's model."""
    if settings.model_sha256:
        weights.verify(Path(settings.model_file), settings.model_sha256, settings.data)
    engine = _engine(Path(settings.model_file), settings, OWN_CONTEXT_TOKENS, [])
    return Provider(EngineChat(engine=engine), model_name(settings), ledger, calls_at_once=1, engine=engine)


def _packaged(settings: Settings, progress: Progress) -> LanguageModel:
    """Load the packaged model with the adapters with which it writes and checks."""
    file = weights.language_model_file(settings.data, progress)
    adapters = [(weights.writer_file(), TURN), (weights.checker_file(), CHECK)]
    engine = _engine(file, settings, CONTEXT_TOKENS, adapters)
    return LanguageModel(EngineChat(engine=engine), file.name, engine)


def _engine(file: Path, settings: Settings, context: int, adapters: list[tuple[Path, str]]) -> Engine:
    return Engine(file, _kept(settings.data), settings.threads or os_processors(), context, adapters)


def _kept(data: Path, package: str = ENGINE_PACKAGE) -> Path:
    """Return the folder for what this version of the engine has read, and delete that of others, which it cannot read.

    Raises:
        ConfigurationError: the engine is not installed.
    """
    try:
        own = data / "slots" / f"{package}-{version(package)}"
    except PackageNotFoundError as error:
        raise ConfigurationError("The language model's engine is not installed", f"run {weights.INSTALL}") from error
    for other in own.parent.glob("*"):
        if other == own:
            continue
        if other.is_dir():
            shutil.rmtree(other, ignore_errors=True)
        else:
            other.unlink(missing_ok=True)
    return own


def os_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _provider(name: str, settings: Settings, ledger: Ledger) -> Provider:
    """Return a provider's model; nothing is asked of it yet.

    Raises:
        ConfigurationError: it is not known, its package is missing, or its key.
    """
    options: dict[str, Any] = {"max_retries": 0, "timeout": settings.answer_seconds, "max_tokens": ROOM_TOKENS}
    if settings.model_url:
        options["base_url"] = settings.model_url
    try:
        chat: BaseChatModel = init_chat_model(name, **options)
        chat = init_chat_model(name, **options, **taken(chat))
    except ImportError as error:
        raise ConfigurationError(
            f"{name!r} needs a package that is not installed ({error.name})",
            "install the extra of that provider, as in pip install 'article-assistant[anthropic]'",
        ) from error
    except Exception as error:
        told = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ConfigurationError(
            f"{name!r} is no model that can be asked ({told})",
            "use local, none, or provider:model with the provider's key set, as OPENAI_API_KEY",
        ) from error
    return Provider(chat, name, ledger, settings.model_calls)


def taken(chat: BaseChatModel) -> dict[str, Any]:
    """Return which further options a model takes, by its profile: the same answer each time, and little thinking."""
    profile = chat.profile or {}
    options: dict[str, Any] = {"temperature": 0} if profile.get("temperature", True) else {}
    if efforts := profile.get("reasoning_effort_levels"):
        options["reasoning_effort"] = efforts[0]
    return options
