"""Settings: each variable has an effect and a line in the documents, and a wrong one says how to put it right."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from assistant.errors import ConfigurationError
from assistant.settings import PROJECT, Settings, go_offline, networks

NAMES = [field.name for field in fields(Settings)]
VALUES = {"Path": ("/some/folder", Path("/some/folder")), "str": ("words", "words")}
VALUES |= {"Networks": ("10.0.0.7, ::1/128", networks("10.0.0.7,::1")), "Port": ("3", 3)}
VALUES |= {"Address": ("desk@example.org", "mailto:desk@example.org")}
VALUES |= {"int": ("3", 3), "float": ("2.5", 2.5), "bool": ("on", True)}


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_a_variable_sets_its_field(field: object) -> None:
    """ASSISTANT_<FIELD> reaches the field as the field's own type, and no other field changes."""
    name, kind = getattr(field, "name"), str(getattr(field, "type"))  # noqa: B009 - dataclasses.Field is generic
    raw, value = VALUES[kind]
    settings = Settings.from_environment({f"ASSISTANT_{name.upper()}": raw})
    assert getattr(settings, name) == value
    assert type(getattr(settings, name)) is type(getattr(Settings(), name))
    assert [other for other in NAMES if getattr(settings, other) != getattr(Settings(), other)] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_is_used(name: str) -> None:
    """Some module outside settings.py reads the field, or a template of a page does."""
    files = [PROJECT / "app.py", *(PROJECT / "assistant").rglob("*.py")]
    sources = [file.read_text(encoding="utf-8") for file in files if file.exists() and file.name != "settings.py"]
    read = {
        node.attr
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("settings")
    }
    templates = "".join(file.read_text(encoding="utf-8") for file in (PROJECT / "assistant").rglob("*.html"))
    assert name in read | set(re.findall(r"\bsettings\.(\w+)", templates))


def test_the_documents_list_every_variable_with_its_default() -> None:
    """The table has a line for each field and for nothing else, and its defaults are the real ones."""
    document = (PROJECT / "docs" / "operate.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(ASSISTANT_[A-Z0-9_]+)` \| ([^|]*) \|", document, flags=re.MULTILINE))
    assert set(rows) == {f"ASSISTANT_{name.upper()}" for name in NAMES}
    for field in fields(Settings):
        if str(field.type) != "Path":
            default = field.default
            words = (
                ",".join(str(each.network_address) for each in default) if isinstance(default, tuple) else str(default)
            )
            shown = f"`{words.removesuffix('.0')}`" if words else "–"
            assert rows[f"ASSISTANT_{field.name.upper()}"].strip() == shown


def test_no_variable_means_the_defaults() -> None:
    """Other variables, and empty ones, change nothing."""
    assert Settings.from_environment({"HOME": "/root", "ASSISTANT_MODEL": "", "ASSISTANT_PORT": ""}) == Settings()


def test_an_unknown_variable_is_refused() -> None:
    """A misspelt name is not overlooked: the message lists the real ones."""
    with pytest.raises(ConfigurationError, match=r"Unknown setting ASSISTANT_MODLE: use one of .*ASSISTANT_MODEL,"):
        Settings.from_environment({"ASSISTANT_MODLE": "none"})


@pytest.mark.parametrize("value", ["many", "-1", "1.5", "1e3", "1000000", "٣x"])
def test_a_bad_whole_number_is_refused(value: str) -> None:
    """The message shows the variable and its value."""
    with pytest.raises(ConfigurationError) as raised:
        Settings.from_environment({"ASSISTANT_PORT": value})
    assert str(raised.value).startswith(f"ASSISTANT_PORT has the value {value!r}: it must be a whole number")


def test_a_port_that_there_is_not_is_named() -> None:
    """One line says what the highest is."""
    with pytest.raises(ConfigurationError, match=r"^ASSISTANT_PORT has the value '65536': .* at most 65535\.$"):
        Settings.from_environment({"ASSISTANT_PORT": "65536"})


@pytest.mark.parametrize("name", ["UNLIMITED", "TRUSTED_PROXIES", "MONITORS"])
@pytest.mark.parametrize("value", ["localhost", "10.0.0.0/33", "10.0.0.1/8", "1.2.3.4;5.6.7.8", "*"])
def test_what_is_no_network_is_refused(name: str, value: str) -> None:
    """The operator reads in one line which setting is wrong, and how it is written."""
    with pytest.raises(ConfigurationError, match=rf"^ASSISTANT_{name} has the value .* addresses or networks, as in "):
        Settings.from_environment({f"ASSISTANT_{name}": value})


def test_networks_are_read_from_a_list() -> None:
    """Addresses and networks stand side by side."""
    school = Settings.from_environment({"ASSISTANT_UNLIMITED": " 10.0.0.0/8, 192.0.2.7 ,2001:db8::/32,"}).unlimited
    assert [str(network) for network in school] == ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("value", "link"),
    [
        ("desk@example.org", "mailto:desk@example.org"),
        ("mailto:desk@example.org", "mailto:desk@example.org"),
        ("https://example.org/contact?to=desk#form", "https://example.org/contact?to=desk#form"),
        ("javascript:alert(1)", None),
        ("javascript:alert(1)//@example.org", None),
        ("JavaScript:alert@example.org", None),
        ("data:text/html,x", None),
        ("http://example.org", None),
        ("https://", None),
        ("https:///example.org", None),
        ("https://example.org/ x", None),
        ("//example.org", None),
        ("mailto:", None),
        ("mailto:a@b@c", None),
        ("the desk", None),
    ],
)
def test_a_contact_is_a_mail_address_or_an_https_address(value: str, link: str | None) -> None:
    """Readers get a link that does nothing else; whatever is neither is refused."""
    environment = {"ASSISTANT_CONTACT": value}
    if link is None:
        with pytest.raises(ConfigurationError, match=r"^ASSISTANT_CONTACT has the value .* a mail address or an https"):
            Settings.from_environment(environment)
    else:
        assert Settings.from_environment(environment).contact == link


@pytest.mark.parametrize("value", ["soon", "-0.1", "nan", "inf"])
def test_a_bad_number_is_refused(value: str) -> None:
    """Numbers that are none, or endless, are refused like words."""
    with pytest.raises(ConfigurationError, match=r"ASSISTANT_ANSWER_SECONDS has the value .* it must be a number"):
        Settings.from_environment({"ASSISTANT_ANSWER_SECONDS": value})


@pytest.mark.parametrize(("value", "meant"), [("true", True), ("1", True), ("Yes", True), ("off", False), ("0", False)])
def test_a_switch_has_several_spellings(value: str, *, meant: bool) -> None:
    """Whatever an operator is used to write turns it on or off."""
    assert Settings.from_environment({"ASSISTANT_MCP": value}).mcp is meant


def test_a_bad_switch_is_refused() -> None:
    """A word that is neither is not taken for off."""
    with pytest.raises(ConfigurationError, match=r"^ASSISTANT_MCP has the value 'maybe': it must be true or false\.$"):
        Settings.from_environment({"ASSISTANT_MCP": "maybe"})


def test_a_home_folder_may_be_abbreviated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that begins with ~ is in the home folder."""
    monkeypatch.setenv("HOME", "/home/reader")
    assert Settings.from_environment({"ASSISTANT_DATA": "~/data"}).data == Path("/home/reader/data")


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
