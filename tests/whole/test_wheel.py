"""The wheel: what is in it answers in an empty folder, and says what is missing and how it is cured."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from assistant.settings import PROJECT

ON_REQUEST = {
    "mcp": "mcp",
    "fetch": "feedparser",
    "evaluate": "krippendorff",
}
"""By extra a package that it alone brings."""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and an empty folder to start the program in."""

    python: Path
    folder: Path

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the program with these arguments and settings, and nothing else that is set here."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASSISTANT_", "PYTHON"))}
        return subprocess.run(
            [self.python, "-m", "assistant", *arguments],
            cwd=self.folder,
            env=kept | {"ASSISTANT_MODEL": "none", "ASSISTANT_DATA": str(self.folder.parent / "data")} | settings,
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )


def install(wheel: Path, folder: Path, leave_out: Sequence[str]) -> Path:
    """Return the interpreter of a new environment with the wheel and all that is installed here, but some packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        own = entry.name.startswith(("article_assistant", "_editable_impl_article_assistant"))
        if not own and entry.name.partition("-")[0] not in leave_out:
            (site / entry.name).symlink_to(entry)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel and install it without the packages of the extras."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(place / "dist")]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = (place / "dist").glob("*.whl")
    (place / "empty").mkdir()
    return Installed(install(wheel, place / "environment", [*ON_REQUEST.values()]), place / "empty")


@pytest.fixture
def articles(tmp_path: Path) -> str:
    """Return a folder with an article."""
    (tmp_path / "bridge.md").write_text("The bridge was closed in March. The mayor, Ada Brook, blamed the river.")
    return str(tmp_path)


def prompt_files(installed: Installed) -> Path:
    """Return the folder of the prompts in the environment."""
    (folder,) = installed.python.parents[1].rglob("assistant/prompt_files")
    return folder


def test_the_prompts_are_inside(installed: Installed) -> None:
    """Every prompt of the repository is in the wheel, as it stands there."""
    inside = {file.name: file.read_bytes() for file in prompt_files(installed).iterdir()}
    assert inside == {file.name: file.read_bytes() for file in (PROJECT / "prompts").iterdir()}


def test_it_answers_in_an_empty_folder(installed: Installed, articles: str) -> None:
    """`check` finds nothing wrong, `index` builds the index, and `ask` quotes the article."""
    found = installed.run("check", "--json", ASSISTANT_ARTICLES=articles)
    assert [finding for finding in map(json.loads, found.stdout.splitlines()) if finding["cure"]] == [], found
    built = installed.run("index", ASSISTANT_ARTICLES=articles)
    assert (built.returncode, built.stdout) == (0, "Articles: 1. Passages: 1, embedded now: 1.\n"), built
    asked = installed.run("ask", "--json", "Whom did the mayor blame?", ASSISTANT_ARTICLES=articles)
    assert (asked.returncode, asked.stderr) == (0, ""), asked
    answer = json.loads(asked.stdout)
    assert (answer["status"], answer["model"], answer["error"]) == ("quoted", "none", None)
    assert "blamed the river" in answer["citations"][0]["quote"]
    assert 0 < answer["timings"]["first_ms"] <= answer["timings"]["total_ms"]
    assert list(installed.folder.iterdir()) == []


def test_what_is_missing_is_named_before_it_serves(installed: Installed, articles: str) -> None:
    """The folder that was looked for, or the package of an extra, with what to set or to install."""
    told = installed.run("serve", ASSISTANT_PORT="0")
    assert told.returncode == 2
    assert told.stderr == (
        f"error: No article can be read from {installed.folder}/articles (there is no such folder): "
        "put one there, or set ASSISTANT_ARTICLES to a folder that has some\n"
    )
    for extra, command in (("mcp", ["serve"]), ("evaluate", ["evaluate", "questions.jsonl", "--out", "run"])):
        told = installed.run(*command, ASSISTANT_ARTICLES=articles, ASSISTANT_MCP="true", ASSISTANT_PORT="0")
        assert told.returncode == 2
        assert told.stderr.splitlines()[-1].endswith(f'run pip install "article-assistant[{extra}]"'), told
        assert "Traceback" not in told.stderr


def test_check_says_what_is_missing(installed: Installed) -> None:
    """Without articles and prompts `check` names both."""
    hidden = prompt_files(installed).rename(prompt_files(installed).with_name("hidden"))
    try:
        found = installed.run("check", "--json")
        asked = installed.run("ask", "Why?", ASSISTANT_MODEL="local")
    finally:
        hidden.rename(hidden.with_name("prompt_files"))
    problems = {
        finding["subject"]: finding for finding in map(json.loads, found.stdout.splitlines()) if finding["cure"]
    }
    assert {"articles", "prompts"} <= problems.keys(), found
    assert problems["articles"]["what"] == f"there is no folder {installed.folder}/articles"
    assert problems["prompts"]["cure"] == "install the assistant again"
    assert asked.returncode == 2
    assert len(asked.stderr.splitlines()) == 1
    assert "cannot be read: install the assistant again" in asked.stderr


def test_every_extra_is_looked_for(installed: Installed) -> None:
    """A package that only an extra brings is missed where it is not there, and not by the other extras."""
    code = f"""
from assistant.errors import ConfigurationError
from assistant.extras import require
for extra in {[*ON_REQUEST, "local"]}:
    try:
        require(extra, "This")
    except ConfigurationError as error:
        print(error)
"""
    command = [str(installed.python), "-c", code]
    told = subprocess.run(command, cwd=installed.folder, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == [
        f'This needs the package {package.replace("_", "-")}: run pip install "article-assistant[{extra}]"'
        for extra, package in ON_REQUEST.items()
    ]
