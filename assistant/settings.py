"""What can be set, in one frozen object. The environment is read once, at the edge, by `Settings.from_environment`.

`go_offline` is the one place where libraries are told to stay on this machine; call it before they are imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter
from pydantic.fields import FieldInfo

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


def networks(value: str) -> Networks:
    """Return the addresses and networks of a list with commas.

    Raises:
        ValueError: one of them is neither.
    """
    return tuple(ip_network(part) for part in map(str.strip, value.split(",")) if part)


def _price(value: str) -> tuple[str, str, str]:
    read, *cached, written = value.split(",")
    if len(cached) > 1:
        raise ValueError
    return read, cached[0] if cached else read, written


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


# The types of the fields: how a variable is read, and what it must be

Count = Annotated[int, Field(ge=0, lt=10**6, description="a whole number, 0 or more")]
Tokens = Annotated[int, Field(ge=0, lt=10**12, description="a whole number, 0 or more")]
Port = Annotated[int, Field(ge=0, le=65_535, description="a whole number, at most 65535")]
Number = Annotated[float, Field(ge=0, lt=10**6, allow_inf_nan=False, description="a number, 0 or more")]
Switch = Annotated[bool, Field(description="true or false")]
Place = Annotated[Path, AfterValidator(Path.expanduser)]
Ready = Annotated[Literal["one", "all"], Field(description="one or all")]
Check = Annotated[Literal["provider", "local", "none"], Field(description="provider, local or none")]
Token = Annotated[str, Field(min_length=16, description="16 characters or more")]
"""A secret: at the rate at which one address may guess, even words are safe then."""
_PRICE = "prices for a million tokens read, read from the cache, and written, as in 0.40,0.10,1.60"
Price = Annotated[tuple[Number, Number, Number], BeforeValidator(_price), Field(description=_PRICE)]
"""All 0 where it is not known."""
Address = Annotated[str, BeforeValidator(_address), Field(description="a mail address or an https address")]
"""Of a person; empty for none."""
_NAMES = "host names, as in assistant.example.org,www.example.org"
Names = Annotated[tuple[str, ...], BeforeValidator(_names), Field(description=_NAMES)]
_SITES = "sites, as in https://news.example.org,https://www.example.org"
Sites = Annotated[tuple[str, ...], BeforeValidator(_sites), Field(description=_SITES)]
_NETWORKS = "addresses or networks, as in 10.0.0.7,192.168.0.0/16"
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(networks), Field(description=_NETWORKS)]

_THIS_MACHINE = networks("127.0.0.1,::1")

HELP = (
    "It sounds as if you, or somebody near you, may be in danger. This is only a program that answers questions "
    "about articles: please call the emergency number where you are, or a crisis line, or talk to somebody you "
    "trust, now. You do not have to go through this alone."
)


def go_offline(environment: MutableMapping[str, str] = os.environ) -> None:
    """Switch off every telemetry, tracing and hub look-up that the libraries would do on their own."""
    environment.update(_OFFLINE)


@dataclass(frozen=True, slots=True)
class Settings:
    """Each field is the environment variable `ASSISTANT_<FIELD>`; `docs/operate.md` has the table."""

    # What is read and where things are kept
    articles: Place = PROJECT / "corpus" / "articles" if IS_CHECKOUT else Path("articles")
    """Folder of article files; without a checkout the folder `articles` where the program is started."""
    data: Place = Path(platformdirs.user_cache_dir("article-assistant"))
    """Folder for the index and the joined weights; all of it can be rebuilt."""
    chroma_url: str = ""
    """A Chroma server, as in http://127.0.0.1:8000; empty for the embedded one."""

    # The language model
    model: str = "local"
    """`local`, `none`, or anything that LangChain's init_chat_model takes, as in `openai:gpt-4.1-mini`."""
    model_url: str = ""
    """Base URL for the provider, for a self-hosted server such as vLLM."""
    model_words: Count = 12_000
    """Articles of at most so many words in all are given to a capable model as a whole, else passages of them."""
    model_calls: Count = 16
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
    answer_seconds: Number = 20.0
    """Total time for the model on one question, in seconds; then the quotation stands."""
    threads: Count = 0
    """Threads of the embedded engine; 0 for as many as there are processors."""

    # The page
    host: str = "127.0.0.1"
    port: Port = 7860
    names: Names = ()
    """Host names that it is served under, without a port.

    Without any, it is served under this machine's own names, and under any name where other machines may ask.
    """
    ready: Ready = "one"
    """How many articles must be read before `/readyz` says that it is ready: `one`, or `all`."""
    stop_seconds: Number = 7.0
    """How long those who have asked may still get their answer when the server is stopped, in seconds."""
    help: str = HELP
    """What is said to somebody in distress: words and numbers of where help is."""
    contact: Address = ""
    """How readers reach the operator: a mail address or an https address."""
    feedback: Place = Path(platformdirs.user_data_dir("article-assistant")) / "feedback.sqlite3"
    """File for the answers that readers report; it cannot be rebuilt."""

    embed_sites: Sites = ()
    """Sites that may have the chat on their pages."""

    # The editors' desk
    desk_token: Token = field(default="", repr=False)
    """What opens the desk at /desk; empty for no desk."""
    keep_questions: Count = 0
    """For how many days readers' questions are kept for it; 0 for none at all."""

    # Strangers
    questions_per_minute: Count = 10
    """How many questions one address may ask in a minute; 0 for any number."""
    questions_per_hour: Count = 100
    """The same for an hour."""
    site_questions_per_minute: Count = 0
    """How many questions all readers of one of the sites may ask in a minute; 0 for any number."""
    unlimited: Networks = ()
    """Addresses or networks without these limits: a school, or this machine."""
    waiting: Count = 60
    """How many questions may wait for the model; more are told that the assistant is busy."""
    trusted_proxies: Networks = ()
    """Addresses or networks of reverse proxies that say who the reader is."""
    monitors: Networks = _THIS_MACHINE
    """Addresses or networks that may read /metrics."""
    mcp: Switch = False
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
            raise ConfigurationError(f"Unknown setting {unknown[0]}", f"use one of {', '.join(known)}.")
        kinds = get_type_hints(cls, include_extras=True)
        return cls(
            **{
                each.name: _read(key, environment[key], kinds[each.name], is_secret=not each.repr)
                for key, each in known.items()
                if environment.get(key)
            }
        )


def _read(key: str, value: str, kind: Any, *, is_secret: bool) -> Any:  # noqa: ANN401 - of the field's type
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValueError:
        wanted = next(each.description for each in kind.__metadata__ if isinstance(each, FieldInfo))
        said = "a value that is kept secret" if is_secret else f"the value {value!r}"
        # The library's own error would show a secret.
        raise ConfigurationError(f"{key} has {said}", f"it must be {wanted}.") from None
