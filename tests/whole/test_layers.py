"""The direction of imports: a module imports only what lies below it, between rooms and within them."""

import ast
import graphlib
from pathlib import Path

import pytest

from assistant.settings import PROJECT

LAYERS = (
    ("assistant.errors", "assistant.files", "assistant.threads"),
    ("assistant.types",),
    ("assistant.settings",),
    ("assistant.extras", "assistant.articles"),
    ("assistant.search", "assistant.model", "assistant.fetching"),
    ("assistant.answering",),
    ("assistant",),
    ("assistant.rendering", "assistant.command"),
    ("assistant.markup",),
    ("assistant.evaluation", "assistant.web"),
    ("assistant.installation",),
    ("assistant.cli",),
    ("assistant.__main__", "app"),
    ("lab",),
)
"""Lowest first. A package is one place: its modules may import each other, and what they import as a whole counts.

The lab is last, since what ships knows nothing of it, and it is not in the wheel.
"""

INSIDE = {
    "assistant.evaluation": (
        "questions",
        "records fingerprint",
        "grading",
        "options",
        "scoring",
        "run",
        "asking",
        "reporting",
        "interchange review",
        "evaluate",
        "audit",
        "commands",
    ),
    "assistant.web": (
        "limits listening observability shared_stream work",
        "answer_cache middleware storage",
        "service",
        "following plain",
        "api chat desk embedding",
        "starting",
        "server",
    ),
}
"""The same one level down: the modules and folders of a package, a line a layer. A folder is one place there."""

TABLES = {"": LAYERS} | {
    package: tuple(tuple(f"{package}.{name}" for name in layer.split()) for layer in layers)
    for package, layers in INSIDE.items()
}
"""By package; each module stands in that of the whole, and in that of its package where there is one."""


def modules() -> dict[str, Path]:
    """Return every module of the project by its dotted name."""
    files = [path for package in ("assistant", "lab") for path in (PROJECT / package).rglob("*.py")]
    names = {".".join(path.relative_to(PROJECT).with_suffix("").parts): path for path in files}
    return {name.removesuffix(".__init__"): path for name, path in names.items()} | {"app": PROJECT / "app.py"}


def imported(path: Path, names: set[str]) -> set[str]:
    """Return which of the named modules the file imports, at its head, in a function or for its types."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import; write it in full"
            module = node.module or ""
            each = {f"{module}.{alias.name}" for alias in node.names}
            found |= {name if name in names else module for name in each}
    return found & names


def within(package: str) -> set[str]:
    """Return the modules that stand in the table of a package."""
    return {name for name in modules() if not package or name.startswith(f"{package}.")}


def place(name: str, package: str = "") -> str:
    """Return the place in the table of a package that a module belongs to."""
    places = {place for layer in TABLES[package] for place in layer}
    parts = name.split(".")
    found = {".".join(parts[:length]) for length in range(1, len(parts) + 1)} & places
    exact = name if name in ("assistant", "app") else max(found - {"assistant"}, key=len, default="")
    assert exact, f"{name} has no place in the table of {package or 'LAYERS'}: put it as low as its imports allow"
    return exact


def layer(name: str, package: str = "") -> int:
    """Return how high a module lies in the table of a package."""
    return next(height for height, layer in enumerate(TABLES[package]) if place(name, package) in layer)


@pytest.mark.parametrize(("package", "name"), [(each, name) for each in TABLES for name in sorted(within(each))])
def test_imports_point_down(package: str, name: str) -> None:
    """A module imports only from lower layers, or from its own place."""
    others = imported(modules()[name], within(package))
    others = {other for other in others if place(other, package) != place(name, package)}
    assert {other for other in others if layer(other, package) >= layer(name, package)} == set()


def test_there_are_no_cycles() -> None:
    """No module needs itself, not even by a late import."""
    known = modules()
    graph = {name: imported(path, set(known)) for name, path in known.items()}
    assert sum(map(len, graph.values())) > len(LAYERS)
    graphlib.TopologicalSorter(graph).prepare()


def test_every_place_exists() -> None:
    """No table names what is gone."""
    for package, table in TABLES.items():
        assert {each for layer in table for each in layer} <= {place(name, package) for name in within(package)}


@pytest.mark.parametrize("folder", sorted({path.parent for path in modules().values()} - {PROJECT}))
def test_a_room_has_at_most_a_dozen_modules(folder: Path) -> None:
    """Whoever looks for something sees at a glance what is there."""
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 12
