"""The project itself: its version, licence, README and pinned releases agree with each other and with the code."""

import ast
import itertools
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import typer
from conftest import LANGUAGE_MODEL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from assistant.cli import app
from assistant.settings import PROJECT
from lab.__main__ import app as lab

README = (PROJECT / "README.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMMANDS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
LAB_COMMANDS = set(typer.main.get_command(lab).commands)  # type: ignore[attr-defined]
DOCUMENTS = sorted((PROJECT / "docs").glob("*.md"))

EXTRAS = PYPROJECT["optional-dependencies"]
REQUIREMENTS = [
    requirement
    for requirement in map(
        Requirement, sorted({*PYPROJECT["dependencies"], *itertools.chain.from_iterable(EXTRAS.values())})
    )
    if requirement.name != PYPROJECT["name"]
]
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (PROJECT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))


def test_the_installed_version_is_the_one_in_the_files() -> None:
    """What is installed is this checkout, and the changelog knows its version or has it in preparation."""
    assert metadata.version("article-assistant") == PYPROJECT["version"]
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[([^\]]+)\]", changelog, flags=re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert versions == ["Unreleased"] or PYPROJECT["version"] in versions


def test_the_licence_is_apache_2() -> None:
    """The file, the package and the README say the same."""
    licence = (PROJECT / "LICENSE").read_text(encoding="utf-8")
    assert licence.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "END OF TERMS AND CONDITIONS" in licence
    assert PYPROJECT["license"] == "Apache-2.0"
    assert "Apache-2.0" in README


def test_the_documents_name_every_command() -> None:
    """Each of the program is in the README, and no other; each that measures or trains is in docs/."""
    assert set(re.findall(r"python -m assistant ([a-z][a-z-]*)", README)) == COMMANDS
    text = "".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    assert set(re.findall(r"python -m lab ([a-z][a-z-]*)", text)) == LAB_COMMANDS


@pytest.mark.parametrize(
    "document", [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *DOCUMENTS], ids=lambda path: path.name
)
def test_a_document_names_what_is_there(document: Path) -> None:
    """Commands of the program and of the lab, files in backticks and linked files: none is gone."""
    text = document.read_text(encoding="utf-8")
    assert set(re.findall(r"python -m assistant ([a-z][a-z-]*)", text)) <= COMMANDS
    assert set(re.findall(r"python -m lab ([a-z][a-z-]*)", text)) <= LAB_COMMANDS
    named = re.findall(r"`((?:assistant|lab|tests|corpus|prompts|docs|deploy)/[\w./-]*)`", text)
    linked = re.findall(r"\]\((?!http)([^)#]+)", text)
    assert [name for name in named if not (PROJECT / name).exists()] == []
    assert [name for name in linked if not (document.parent / name).exists()] == []


def test_the_readme_has_one_command_to_test_and_one_to_start() -> None:
    """Both stand in a code block of their own, so that they can be copied and run."""
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert [line for line in lines if "&& pytest" in line] == [
        'pip install -e ".[local,test]" -c constraints.txt && pytest'
    ]
    assert 'pip install -e ".[local]" -c constraints.txt && python app.py' in lines


def test_the_readme_names_only_files_that_exist() -> None:
    """Every path of the annotated tree is there."""
    (tree,) = re.findall(r"## Where things are\n.*?```text\n(.*?)```", README, flags=re.DOTALL)
    folder, missing = PROJECT, []
    for indent, name in re.findall(r"^( *)(\S+)", tree, flags=re.MULTILINE):
        if not indent:
            path = PROJECT / name
            folder = path if name.endswith("/") else PROJECT
        else:
            path = folder / name
        if not list(PROJECT.glob(str(path.relative_to(PROJECT)))):
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_a_requirement_is_pinned_within_its_range(requirement: Requirement) -> None:
    """The tested release of everything that is required is in constraints.txt, and pyproject.toml allows it."""
    name = canonicalize_name(requirement.name)
    if name == "torch":  # Its builds differ by platform, so that it has no pin.
        assert requirement.specifier.contains(metadata.version("torch"))
        return
    pins = {canonicalize_name(pinned): version for pinned, version in PINS.items()}
    assert requirement.specifier.contains(pins[name])
    assert requirement.specifier.contains(metadata.version(name))


def test_no_pin_is_of_one_platform() -> None:
    """PyTorch and what it brings for graphics cards are left to the platform."""
    assert [name for name in PINS if re.match(r"torch$|triton|nvidia|cuda", name)] == []
    assert [version for version in PINS.values() if "+" in version] == []


def test_what_is_imported_is_required() -> None:
    """Every library that the code imports is a direct dependency, and not one of the tests alone."""
    sources = [PROJECT / "app.py", *(PROJECT / "assistant").rglob("*.py"), *(PROJECT / "lab").rglob("*.py")]
    imported = {
        name.partition(".")[0]
        for source in sources
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    distributions = metadata.packages_distributions()
    of_extras = [named for extra, named in EXTRAS.items() if extra != "test"]
    all_named = itertools.chain(PYPROJECT["dependencies"], *of_extras)
    required = {canonicalize_name(Requirement(named).name) for named in all_named}
    third_party = imported - set(sys.stdlib_module_names) - {"assistant", "lab"}
    assert [
        name for name in sorted(third_party) if not required & set(map(canonicalize_name, distributions[name]))
    ] == []


def test_one_process_has_all_tests_of_the_language_model() -> None:
    """The files with such tests are those that are given to one process, so that no two engines run at once."""
    files = (PROJECT / "tests").rglob("test_*.py")
    marked = {
        file.stem for file in files if re.search(r"mark\.slow\b|\bmodel_data\b", file.read_text(encoding="utf-8"))
    }
    assert marked == set(LANGUAGE_MODEL)
