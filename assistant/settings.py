"""What can be set, in one frozen object. The environment is read once, at the edge, by `Settings.from_environment`.

`go_offline` is the one place where libraries are told to stay on this machine; call it before they are imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import Field, TypeAdapter, ValidationError

from assistant.errors import ConfigurationError

PROJECT = Path(__file__).resolve().parents[1]
IS_CHECKOUT = (PROJECT / "pyproject.toml").is_file()
"""Whether the code runs where its repository is, and not from an installed wheel, which has no articles."""

_OFFLINE = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "TOKENIZERS_PARALLELISM": "false",
    "FASTAPI_OTEL_AUTO_CONFIGURE": "false",
}
_WANTED = {"int": "a whole number, 0 or more", "float": "a number, 0 or more", "bool": "true or false"}
_CASTS: Mapping[str, TypeAdapter[Any]] = {
    "int": TypeAdapter(Annotated[int, Field(ge=0, lt=10**6)]),
    "float": TypeAdapter(Annotated[float, Field(ge=0, lt=10**6, allow_inf_nan=False)]),
    "bool": TypeAdapter(bool),
}


def go_offline(environment: MutableMapping[str, str] = os.environ) -> None:
    """Switch off every telemetry, tracing and hub look-up that the libraries would do on their own."""
    environment.update(_OFFLINE)


@dataclass(frozen=True, slots=True)
class Settings:
    """Each field is the environment variable `ASSISTANT_<FIELD>`; the README has the table."""

    # What is read and where things are kept
    articles: Path = PROJECT / "corpus" / "articles" if IS_CHECKOUT else Path("articles")
    """Folder of article files; without a checkout the folder `articles` where the program is started."""
    data: Path = Path(platformdirs.user_cache_dir("article-assistant"))
    """Folder for the index and the joined weights; all of it can be rebuilt."""
    chroma_url: str = ""
    """A Chroma server, as in http://127.0.0.1:8000; empty for the embedded one."""

    # The language model
    model: str = "local"
    """`local`, `none`, or anything that LangChain's init_chat_model takes, as in `openai:gpt-4.1-mini`."""
    model_url: str = ""
    """Base URL for the provider, for a self-hosted server such as vLLM."""
    model_file: str = ""
    """Another GGUF for `local`, instead of the packaged one."""
    model_sha256: str = ""
    """Its SHA-256; when given it is checked before use."""
    answer_seconds: float = 20.0
    """Total time for the model on one question, in seconds; then the quotation stands."""
    threads: int = 0
    """Threads of the embedded engine; 0 for as many as there are processors."""

    # The page
    host: str = "127.0.0.1"
    port: int = 7860
    stop_seconds: float = 7.0
    """How long those who have asked may still get their answer when the server is told to stop, in seconds."""
    contact: str = ""
    """How readers reach the operator: a mail address or an https address."""
    feedback: Path = Path(platformdirs.user_data_dir("article-assistant")) / "feedback.sqlite3"
    """File for the answers that readers report; it cannot be rebuilt."""

    # Strangers
    questions_per_minute: int = 10
    """How many questions one address may ask in a minute; 0 for any number."""
    questions_per_hour: int = 100
    """The same for an hour."""
    unlimited: str = ""
    """Addresses or networks without these limits, separated by commas: a school, or this machine."""
    waiting: int = 60
    """How many questions may wait for the model; more are told that the assistant is busy."""
    trusted_proxies: str = ""
    """Addresses or networks of reverse proxies that say who the reader is, separated by commas."""
    monitors: str = "127.0.0.1,::1"
    """Addresses or networks that may read /metrics, separated by commas."""
    mcp: bool = False
    """Whether other programs' models may ask through the Model Context Protocol, at /mcp."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables `ASSISTANT_*`.

        Raises:
            ConfigurationError: a variable is unknown, or its value is not of the field's type.
        """
        known = {f"ASSISTANT_{field.name.upper()}": field for field in fields(cls)}
        unknown = sorted(key for key in environment if key.startswith("ASSISTANT_") and key not in known)
        if unknown:
            raise ConfigurationError(f"Unknown setting {unknown[0]}: use one of {', '.join(known)}.")
        values: dict[str, Path | str | float | bool] = {}
        for key, field in known.items():
            if environment.get(key):
                values[field.name] = _cast(key, environment[key], str(field.type))
        return cls(**values)  # type: ignore[arg-type]


def _cast(key: str, value: str, kind: str) -> Path | str | float | bool:
    if kind == "Path":
        return Path(value).expanduser()
    if kind not in _CASTS:
        return value
    try:
        cast: float | bool = _CASTS[kind].validate_python(value)
    except ValidationError as error:
        raise ConfigurationError(f"{key} has the value {value!r}: it must be {_WANTED[kind]}.") from error
    return cast
