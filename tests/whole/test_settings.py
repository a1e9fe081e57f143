"""Settings: each variable has an effect and a line in the documents, and a wrong one says how to put it right."""

import ast
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from assistant.errors import ConfigurationError
from assistant.settings import PROJECT, Settings, go_offline, networks

NAMES = [field.name for field in fields(Settings)]
VALUES = {
    "Place": ("/some/folder", Path("/some/folder")),
    "str": ("words", "words"),
    "Networks": (" 10.0.0.7, ::1/128,", networks("10.0.0.7,::1")),
    "Names": (" News.example.org., 192.0.2.7,[2001:DB8::1],", ("news.example.org", "192.0.2.7", "[2001:db8::1]")),
    "Sites": (" https://News.example.org/, http://[::1]:8000,", ("https://news.example.org", "http://[::1]:8000")),
    "Port": ("3", 3),
    "Token": ("sixteen letters!", "sixteen letters!"),
    "Check": ("none", "none"),
    "Ready": ("all", "all"),
    "Price": ("0.4, 1.6", (0.4, 0.4, 1.6)),
    "Tokens": ("3000000", 3_000_000),
    "Address": ("desk@example.org", "mailto:desk@example.org"),
    "Count": ("3", 3),
    "Number": ("2.5", 2.5),
    "Switch": ("on", True),
}
"""By the type of a field: how a value is written, and the value."""


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_a_variable_sets_its_field(field: object) -> None:
    """ASSISTANT_<FIELD> reaches the field as the field's own type, and no other field changes."""
    name, kind = getattr(field, "name"), str(getattr(field, "type"))  # noqa: B009 - dataclasses.Field is generic
    raw, value = VALUES[kind]
    settings = Settings.from_environment({f"ASSISTANT_{name.upper()}": raw})
    assert getattr(settings, name) == value
    assert type(getattr(settings, name)) is type(getattr(Settings(), name))
    assert [other for other in NAMES if getattr(settings, other) != getattr(Settings(), other)] == [name]


def test_every_setting_is_used() -> None:
    """Some module outside settings.py reads the field, or a template of a page does."""
    files = [PROJECT / "app.py", *(PROJECT / "assistant").rglob("*.py")]
    read = {
        node.attr
        for file in files
        if file.name != "settings.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("settings")
    }
    templates = "".join(file.read_text(encoding="utf-8") for file in (PROJECT / "assistant").rglob("*.html"))
    assert set(NAMES) <= read | set(re.findall(r"\bsettings\.(\w+)", templates))


def test_the_documents_list_every_variable_with_its_default() -> None:
    """The table has a line for each field and for nothing else, and its defaults are the real ones."""
    document = (PROJECT / "docs" / "operate.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(ASSISTANT_[A-Z0-9_]+)` \| ([^|]*) \|", document, flags=re.MULTILINE))
    assert set(rows) == {f"ASSISTANT_{name.upper()}" for name in NAMES}
    for field in fields(Settings):
        if str(field.type) != "Place":
            default = field.default
            several = default if isinstance(default, tuple) else (str(default),)
            words = ",".join(str(getattr(each, "network_address", each)) for each in several if each)
            shown = f"`{words.removesuffix('.0')}`" if words else "–"
            assert rows[f"ASSISTANT_{field.name.upper()}"].strip() == shown


def test_no_variable_means_the_defaults() -> None:
    """Other variables, and empty ones, change nothing."""
    assert Settings.from_environment({"HOME": "/root", "ASSISTANT_MODEL": "", "ASSISTANT_PORT": ""}) == Settings()


def test_an_unknown_variable_is_refused() -> None:
    """A misspelt name is not overlooked: the message lists the real ones."""
    with pytest.raises(ConfigurationError, match=r"Unknown setting ASSISTANT_MODLE: use one of .*ASSISTANT_MODEL,"):
        Settings.from_environment({"ASSISTANT_MODLE": "none"})


NO_NETWORK = ["localhost", "10.0.0.0/33", "10.0.0.1/8", "1.2.3.4;5.6.7.8", "*"]
NO_SITE = [
    *("*", "https://*.example.org", "news.example.org", "https://", "ftp://news.example.org", "null", "'self'"),
    *(
        "https://news.example.org/story",
        "https://a.test https://b.test",
        "https://a.test; script-src *",
        "https://ü.test",
    ),
]
NO_NAME = ["*", "https://news.example.org", "news.example.org:8080", "news example", "2001:db8::1", "/", "ü.test"]
NO_PRICE = ["cheap", "1", "0.4,", "0.4,,1.6", "1,2,3,4", "-1,2", "nan,1", "1,inf", "$0.40,$1.60", "0.4;1.6"]
WANTED_PRICE = "prices for a million tokens read, read from the cache, and written, as in 0.40,0.10,1.60"
NO_CONTACT = [
    *("javascript:alert(1)", "javascript:alert(1)//@example.org", "JavaScript:alert@example.org", "data:text/html,x"),
    *("http://example.org", "https://", "https:///example.org", "https://example.org/ x", "//example.org"),
    *("mailto:", "mailto:a@b@c", "the desk"),
]


@pytest.mark.parametrize(
    ("name", "values", "wanted"),
    [
        ("PORT", ["many", "-1", "1.5", "1e3", "65536", "1000000", "٣x"], "a whole number, at most 65535"),
        ("WAITING", ["many", "-1", "1.5", "1000000"], "a whole number, 0 or more"),
        ("ANSWER_SECONDS", ["soon", "-0.1", "nan", "inf"], "a number, 0 or more"),
        ("TOKENS_PER_DAY", ["many", "-1", "1.5", "1e6", "3 million"], "a whole number, 0 or more"),
        ("MODEL_PRICE", NO_PRICE, WANTED_PRICE),
        ("MCP", ["maybe"], "true or false"),
        *(
            (name, NO_NETWORK, "addresses or networks, as in 10.0.0.7,192.168.0.0/16")
            for name in ("UNLIMITED", "TRUSTED_PROXIES", "MONITORS")
        ),
        ("EMBED_SITES", NO_SITE, "sites, as in https://news.example.org,https://www.example.org"),
        ("NAMES", NO_NAME, "host names, as in assistant.example.org,www.example.org"),
        # Readers get a link that does nothing else.
        ("CONTACT", NO_CONTACT, "a mail address or an https address"),
    ],
)
def test_a_wrong_value_is_refused(name: str, values: list[str], wanted: str) -> None:
    """The operator reads in one line which setting is wrong, its value, and what it must be."""
    for value in values:
        with pytest.raises(ConfigurationError) as raised:
            Settings.from_environment({f"ASSISTANT_{name}": value})
        assert str(raised.value) == f"ASSISTANT_{name} has the value {value!r}: it must be {wanted}."


@pytest.mark.parametrize("token", ["desk", "fifteen letters"])
def test_a_token_that_is_refused_stays_secret(token: str) -> None:
    """What is wrong with it is said without a word of it: the message goes to a terminal, or into a log."""
    with pytest.raises(ConfigurationError) as raised:
        Settings.from_environment({"ASSISTANT_DESK_TOKEN": token})
    told = "ASSISTANT_DESK_TOKEN has a value that is kept secret: it must be 16 characters or more."
    assert (str(raised.value), raised.value.__cause__) == (told, None)


SAME_PORTS = ("https://a.test", "http://b.test", "http://c.test:443")


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        *(("mcp", yes, True) for yes in ("true", "1", "Yes")),
        *(("mcp", no, False) for no in ("off", "0")),
        ("contact", "mailto:desk@example.org", "mailto:desk@example.org"),
        ("contact", "https://example.org/contact?to=desk#form", "https://example.org/contact?to=desk#form"),
        ("unlimited", " 10.0.0.0/8, 192.0.2.7 ,2001:db8::/32,", networks("10.0.0.0/8,192.0.2.7/32,2001:db8::/32")),
        ("embed_sites", "https://a.test:443,http://b.test:80,http://c.test:443", SAME_PORTS),
        ("data", "~/data", Path("/home/reader/data")),
    ],
)
def test_a_value_has_several_spellings(name: str, value: str, meant: object) -> None:
    """Whatever an operator is used to write is understood."""
    os.environ["HOME"] = "/home/reader"
    assert getattr(Settings.from_environment({f"ASSISTANT_{name.upper()}": value}), name) == meant


def test_libraries_are_told_to_stay_offline() -> None:
    """In a fresh process the libraries' own switches for telemetry, tracing and downloads are off."""
    environment = {"HF_HUB_OFFLINE": "0", "KEPT": "1"}
    go_offline(environment)
    assert environment["KEPT"] == "1"
    script = (
        "from assistant.settings import go_offline; go_offline()\n"
        "import huggingface_hub.constants as hub, langsmith.utils as tracing, chromadb.config as chroma\n"
        "print(hub.HF_HUB_OFFLINE, hub.HF_HUB_DISABLE_TELEMETRY, tracing.tracing_is_enabled(), "
        "chroma.Settings().anonymized_telemetry)"
    )
    child = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert child.stdout.split() == ["True", "True", "False", "False"]
