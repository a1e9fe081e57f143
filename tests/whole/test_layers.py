"""The direction of imports: a module knows only what lies below it."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

from assistant.settings import PROJECT

LAYERS = (
    ("types", "errors", "threads", "engine_library", "html_pages"),
    ("settings",),
    ("articles", "extras", "passages", "prompts"),
    ("weights", "embedder", "engine", "decoder", "index_files", "vectors"),
    ("chat", "engine_child", "collection"),
    ("index_server",),
    ("index", "holder", "late_interaction", "context", "conversation"),
    ("retrieval", "grounding", "reader"),
    ("answerability",),
    ("quoting",),
    ("attribution",),
    ("drafts",),
    ("judgement", "answers"),
    ("answering", "rendering", "check"),
    ("evaluation", "web"),
    ("benchmarks",),
    ("cli",),
    ("__main__", "app"),
)
"""Lowest first. A package is one place: its modules may import each other, and what they import as a whole counts."""


def modules() -> dict[str, Path]:
    """Return every module of the project by its name below `assistant`."""
    package = PROJECT / "assistant"
    files = {".".join(path.relative_to(package).with_suffix("").parts): path for path in package.rglob("*.py")}
    files = {name.removesuffix(".__init__"): path for name, path in files.items() if name != "__init__"}
    return files | {"app": PROJECT / "app.py"}


def imported(path: Path, names: set[str]) -> set[str]:
    """Return which of the named modules the file imports, at its head, in a function or for its types."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import; write it in full"
            module = node.module or ""
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return {name for name in names if f"assistant.{name}" in found}


def layer(name: str) -> int:
    """Return how high a module lies."""
    place = name.partition(".")[0]
    found = [height for height, layer in enumerate(LAYERS) if place in layer]
    assert found, f"{name} has no place in LAYERS: put it as low as its imports allow"
    return found[0]


@pytest.mark.parametrize("name", modules())
def test_imports_point_down(name: str) -> None:
    """A module imports only from lower layers, or from its own package."""
    known = modules()
    package = name.partition(".")[0]
    others = {other for other in imported(known[name], set(known)) if other.partition(".")[0] != package}
    assert {other for other in others if layer(other) >= layer(name)} == set()


def test_there_are_no_cycles() -> None:
    """No module needs itself, not even by a late import."""
    known = modules()
    graph = {name: imported(path, set(known)) for name, path in known.items()}
    assert sum(map(len, graph.values())) > len(LAYERS)
    graphlib.TopologicalSorter(graph).prepare()


def test_every_place_exists() -> None:
    """LAYERS names nothing that is gone."""
    places = {name.partition(".")[0] for name in modules()}
    assert {place for layer in LAYERS for place in layer} <= places
