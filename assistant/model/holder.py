"""Which language model answers, and whether it is there: the embedded engine, a provider of LangChain, or none.

`ModelHolder` loads it in the background and starts a dead engine again. Knows nothing of questions.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel

from assistant.errors import ConfigurationError, ModelError, WeightsError
from assistant.model import prompts, weights
from assistant.model.chat import LanguageModel
from assistant.model.engine import ENGINE_PACKAGE, Engine, EngineChat
from assistant.model.prompts import CHECK, TURN
from assistant.settings import Settings
from assistant.types import Article

logger = logging.getLogger(__name__)

RESTART_SECONDS = (1.0, 5.0, 30.0, 120.0)
"""Pauses before the engine is started again after it died, one after the other."""
CALM_SECONDS = 600.0
"""After so long without a restart the pauses begin anew."""

_READ_AHEAD = 8
"""So many articles are read before somebody asks."""

Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much in all."""


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
        self._reading = threading.Lock()
        """Two that read would take turns without end, and each begin anew."""
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

    def renew(self, articles: Sequence[Article]) -> None:
        """Take the articles as they are now: the first are read soon, and what was read of those that are gone goes."""
        self._articles = articles
        if (model := self._model) is not None:
            self._forget_gone(model.reader)
            threading.Thread(target=self._read, args=(model.reader,), name="reading", daemon=True).start()

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
            self._forget_gone(model.reader)
            self._read(model.reader)

    def read_now(self, model: LanguageModel, article: Article, stopped: threading.Event | None = None) -> None:
        """Let the model, or its checker, read the article that it is asked about, as its `read_now`."""
        if not model.reader.is_read(article):
            self._attempt(model.reader, article, partial(model.reader.read_now, article, stopped))

    def _read(self, model: LanguageModel) -> None:
        with self._reading:
            for article in self._articles[:_READ_AHEAD]:
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


def checks_provider(settings: Settings) -> bool:
    """Whether the packaged model checks what a provider's writes."""
    return (
        settings.model not in ("local", "none") and settings.check == "local" and weights.language_model_is_packaged()
    )


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
    """Load the model that the settings name, and what checks its drafts; None for "none".

    Raises:
        ConfigurationError: it cannot be loaded as it is set up.
        ModelError: the engine did not start.
    """
    if settings.model == "none":
        return None
    if settings.model != "local":
        checker = _packaged(settings, progress) if checks_provider(settings) else None
        return LanguageModel(_provider(settings), settings.model, checker=checker)
    if not settings.model_file:
        return _packaged(settings, progress)
    if settings.model_sha256:
        weights.verify(Path(settings.model_file), settings.model_sha256, settings.data)
    return _embedded(Path(settings.model_file), settings, [])


def _packaged(settings: Settings, progress: Progress) -> LanguageModel:
    """Load the packaged model with the adapters with which it writes and checks."""
    file = weights.language_model_file(
        settings.data, lambda done, total: progress("Joining the language model", done, total)
    )
    return _embedded(file, settings, [(weights.writer_file(), TURN), (weights.checker_file(), CHECK)])


def _embedded(file: Path, settings: Settings, adapters: list[tuple[Path, str]]) -> LanguageModel:
    engine = Engine(file, _kept(settings.data), settings.threads or os_processors(), adapters)
    return LanguageModel(EngineChat(engine=engine), file.name, engine)


def _kept(data: Path) -> Path:
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


def os_processors() -> int:
    """Return how many processors this process may use."""
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
