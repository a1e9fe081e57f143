"""What can be set, in one frozen object. The environment is read once, at the edge, by `Settings.from_environment`.

`go_offline` is the one place where libraries are told to stay on this machine; call it before they are imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import Field, TypeAdapter

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
Port = int
Tokens = int
Address = str
"""Of a person, as in `mailto:desk@example.org` or `https://example.org/contact`; empty for none."""
Token = str
"""A secret of 16 characters or more: at the rate at which one address may guess, even words are safe then."""
Check = Literal["provider", "local", "none"]
Price = tuple[float, float, float]
"""Money for a million tokens: read, read from the provider's cache, written; all 0 where it is not known."""
Sites = tuple[str, ...]
"""Origins, as in `https://news.example.org`."""
Names = tuple[str, ...]
"""Of hosts, as in `assistant.example.org`; without a port."""
Networks = tuple[IPv4Network | IPv6Network, ...]


def networks(value: str) -> Networks:
    """Return the addresses and networks of a list with commas.

    Raises:
        ValueError: one of them is neither.
    """
    return tuple(ip_network(part) for part in map(str.strip, value.split(",")) if part)


_THIS_MACHINE = networks("127.0.0.1,::1")


def _price(value: str) -> Price:
    read, *cached, written = (_FLOAT(part.strip()) for part in value.split(","))
    if len(cached) > 1:
        raise ValueError
    return read, *(cached or [read]), written  # type: ignore[return-value]


def _names(value: str) -> Names:
    names = tuple(part.lower().rstrip(".") for part in map(str.strip, value.split(",")) if part)
    if not all(re.fullmatch(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", name) for name in names):
        raise ValueError
    return names


def _sites(value: str) -> Sites:
    sites = [part.lower().rstrip("/") for part in map(str.strip, value.split(",")) if part]
    if not all(re.fullmatch(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", site) for site in sites):
        raise ValueError
    # A browser leaves out the port that goes without saying.
    return tuple(re.sub(r"^(https://.*):443$|^(http://.*):80$", r"\1\2", site) for site in sites)


def _address(value: str) -> Address:
    if re.fullmatch(r"(mailto:)?[^\s@:/?]+@[^\s@:/?]+", value):
        return f"mailto:{value.removeprefix('mailto:')}"
    if re.fullmatch(r"https://[A-Za-z0-9\[][^\s\\]*", value):
        return value
    raise ValueError


_FLOAT = TypeAdapter(Annotated[float, Field(ge=0, lt=10**6, allow_inf_nan=False)]).validate_python
_CASTS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "int": (TypeAdapter(Annotated[int, Field(ge=0, lt=10**6)]).validate_python, "a whole number, 0 or more"),
    "Port": (TypeAdapter(Annotated[int, Field(ge=0, le=65_535)]).validate_python, "a whole number, at most 65535"),
    "Tokens": (TypeAdapter(Annotated[int, Field(ge=0, lt=10**12)]).validate_python, "a whole number, 0 or more"),
    "float": (_FLOAT, "a number, 0 or more"),
    "bool": (TypeAdapter(bool).validate_python, "true or false"),
    "Networks": (networks, "addresses or networks, as in 10.0.0.7,192.168.0.0/16"),
    "Token": (TypeAdapter(Annotated[str, Field(min_length=16)]).validate_python, "16 characters or more"),
    "Check": (TypeAdapter(Check).validate_python, "provider, local or none"),
    "Price": (_price, "prices for a million tokens read, read from the cache, and written, as in 0.40,0.10,1.60"),
    "Address": (_address, "a mail address or an https address"),
    "Names": (_names, "host names, as in assistant.example.org,www.example.org"),
    "Sites": (_sites, "sites, as in https://news.example.org,https://www.example.org"),
    "Path": (lambda value: Path(value).expanduser(), "a path"),
    "str": (str, "words"),
}
"""By the type of a field: how a variable is read, which raises ValueError where it cannot be, and what it must be."""


def go_offline(environment: MutableMapping[str, str] = os.environ) -> None:
    """Switch off every telemetry, tracing and hub look-up that the libraries would do on their own."""
    environment.update(_OFFLINE)


@dataclass(frozen=True, slots=True)
class Settings:
    """Each field is the environment variable `ASSISTANT_<FIELD>`; `docs/operate.md` has the table."""

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
    model_words: int = 12_000
    """Articles of at most so many words in all are given to a capable model as a whole, else passages of them."""
    model_calls: int = 16
    """How many calls a provider gets at once."""
    model_price: Price = (0.0, 0.0, 0.0)
    """What a million tokens cost: read, read from the provider's cache, written."""
    tokens_per_day: Tokens = 0
    """How many tokens a provider may read and write in a day, of UTC; 0 for any number."""
    check: Check = "provider"
    """What checks the answers of a capable model: `provider`, such a model; `local`, the packaged one; or `none`."""
    check_model: str = ""
    """Another model for that, as in `openai:gpt-4.1-nano`; empty for the one that writes."""
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
    port: Port = 7860
    names: Names = ()
    """Host names that it is served under, without a port; empty for any."""
    stop_seconds: float = 7.0
    """How long those who have asked may still get their answer when the server is stopped, in seconds."""
    contact: Address = ""
    """How readers reach the operator: a mail address or an https address."""
    feedback: Path = Path(platformdirs.user_data_dir("article-assistant")) / "feedback.sqlite3"
    """File for the answers that readers report; it cannot be rebuilt."""

    embed_sites: Sites = ()
    """Sites that may have the chat on their pages."""

    # The editors' desk
    desk_token: Token = field(default="", repr=False)
    """What opens the desk at /desk; empty for no desk."""
    keep_questions: int = 0
    """For how many days readers' questions are kept for it; 0 for none at all."""

    # Strangers
    questions_per_minute: int = 10
    """How many questions one address may ask in a minute; 0 for any number."""
    questions_per_hour: int = 100
    """The same for an hour."""
    site_questions_per_minute: int = 0
    """How many questions all readers of one of the sites may ask in a minute; 0 for any number."""
    unlimited: Networks = ()
    """Addresses or networks without these limits: a school, or this machine."""
    waiting: int = 60
    """How many questions may wait for the model; more are told that the assistant is busy."""
    trusted_proxies: Networks = ()
    """Addresses or networks of reverse proxies that say who the reader is."""
    monitors: Networks = _THIS_MACHINE
    """Addresses or networks that may read /metrics."""
    mcp: bool = False
    """Whether other programs' models may ask through the Model Context Protocol, at /mcp."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables `ASSISTANT_*`.

        Raises:
            ConfigurationError: a variable is unknown, or its value is not of the field's type.
        """
        known = {f"ASSISTANT_{each.name.upper()}": each for each in fields(cls)}
        unknown = sorted(key for key in environment if key.startswith("ASSISTANT_") and key not in known)
        if unknown:
            raise ConfigurationError(f"Unknown setting {unknown[0]}: use one of {', '.join(known)}.")
        return cls(
            **{
                each.name: _cast(key, environment[key], str(each.type))
                for key, each in known.items()
                if environment.get(key)
            }
        )


def _cast(key: str, value: str, kind: str) -> Any:  # noqa: ANN401 - of the field's type
    read, wanted = _CASTS[kind]
    try:
        return read(value)
    except ValueError:
        said = "a value that is kept secret" if kind == "Token" else f"the value {value!r}"
        # The library's own error would show a secret.
        raise ConfigurationError(f"{key} has {said}: it must be {wanted}.") from None
