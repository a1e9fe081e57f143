"""The lab's command line: its help, and what it says where a package is missing."""

from importlib import metadata

import pytest
import typer
from typer.testing import CliRunner

from lab.__main__ import app


def test_each_command_has_help() -> None:
    """What a command measures or makes is said in its help, and its options are listed."""
    for command in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        result = CliRunner().invoke(app, [command, "--help"])
        assert result.exit_code == 0
        assert "Usage:" in result.output


def test_a_missing_package_is_named_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says which package of the lab is missing, and what to run."""
    version = metadata.version

    def without_openai(name: str) -> str:
        if name == "openai":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_openai)
    result = CliRunner().invoke(app, ["injections"])
    assert result.exit_code == 2
    assert result.output == (
        'error: Measuring and fitting needs the package openai: run pip install -e ".[lab]" -c constraints.txt\n'
    )
