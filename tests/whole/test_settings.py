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
from assistant.settings import PROJECT, Settings, go_offline

NAMES = [field.name for field in fields(Settings)]
VALUES = {"Path": ("/some/folder", Path("/some/folder")), "str": ("words", "words")}
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
    """Some module outside settings.py reads the field."""
    files = [PROJECT / "app.py", *(PROJECT / "assistant").rglob("*.py")]
    sources = [file.read_text(encoding="utf-8") for file in files if file.exists() and file.name != "settings.py"]
    read = {
        node.attr
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("settings")
    }
    assert name in read


def test_the_documents_list_every_variable_with_its_default() -> None:
    """The table has a line for each field and for nothing else, and its defaults are the real ones."""
    document = (PROJECT / "docs" / "operate.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(ASSISTANT_[A-Z0-9_]+)` \| ([^|]*) \|", document, flags=re.MULTILINE))
    assert set(rows) == {f"ASSISTANT_{name.upper()}" for name in NAMES}
    for field in fields(Settings):
        if str(field.type) != "Path":
            shown = f"`{str(field.default).removesuffix('.0')}`" if field.default != "" else "–"
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
