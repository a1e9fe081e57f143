"""Kills the indexer at its first step, its second, and so on until it gets through; looks after each what is left.

`python tests/killed.py FOLDER` prints an object a step: {"change": "first", "step": 7, "killed": true, "wrong": []}.
A step is anything that the indexer does to a file, asks of Chroma that writes, or commits to Tantivy. Each indexer is a
fork of this process, which has loaded everything (what Chroma would load late as well) and opened nothing, so a step
takes a fraction of a second.
"""

import functools
import itertools
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from chromadb.api.models.Collection import Collection
from conftest import WordEmbedder
from test_index import finds_itself, ids, made

from assistant.search import collection
from assistant.search import index as index_module
from assistant.search.index import open_index, place_of
from assistant.search.keywords import Keywords
from assistant.types import Article

OLD = [made(f"city{number}", 4) for number in range(4)]
NEW = {
    "first": [made("kyoto", 4)],
    "more": [*OLD, made("kyoto", 8), made("lima", 4)],
    "other": [made("city0", 8, seed=1), *OLD[2:]],
}
"""The articles after the change: where there was no index, where some are new, where one changed and one is gone."""

CHANGING = {
    "os.rename",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.truncate",
    "sqlite3.connect",
}


def die_at(step: int, folder: Path) -> None:
    """Let this process be killed when it begins its step of that number."""
    steps = itertools.count(1)

    def count() -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        path = str(arguments[0]) if arguments else ""
        writes = event in CHANGING or (event == "open" and int(arguments[2]) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        # `shutil.rmtree` deletes by names within an open folder.
        if writes and (path.startswith(str(folder)) or not path.startswith("/")):
            count()

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            count()
            return function(*arguments, **named)

        return call

    sys.addaudithook(hook)
    for owner, name in ((Collection, "add"), (Collection, "delete"), (Keywords, "commit"), (Keywords, "settle")):
        setattr(owner, name, counted(getattr(owner, name)))


def forked(action: Callable[[], list[str]]) -> tuple[bool, list[str]]:
    """Do something in a fork; return whether it was killed, and what it found wrong."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            found = action()
        except BaseException:  # noqa: BLE001 - the parent tells it
            found = [traceback.format_exc()]
        os.write(writing, json.dumps(found).encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status), json.loads(said) if said else []


def opened(articles: Sequence[Article], folder: Path, *, embeds: int | None) -> list[str]:
    """Open the index of these articles and return what is wrong: what it lacks, has twice or had to embed."""
    index = open_index(articles, WordEmbedder(), folder)
    wrong = []
    if embeds is not None and index.report.embedded > embeds:
        wrong.append(f"{index.report.embedded} of {index.report.passages} passages were embedded")
    found = index.nearest(np.ones(512, dtype=np.float32), 10_000)
    if {*found} != ids(list(articles)) or len(found) != index.report.passages:
        wrong.append(f"{len(found)} passages were found, not {len(ids(list(articles)))}")
    if not finds_itself(index, list(articles)):
        wrong.append("a passage does not find itself")
    index.close()
    return wrong


def left_over(folder: Path) -> list[str]:
    """Return what an index that was closed should have cleared away."""
    entries = {entry.name for entry in folder.iterdir()} - {place_of("words"), "index.lock", "index.pid"}
    return [f"{name} was left" for name in (*entries, *(path.name for path in folder.rglob("*.partial")))]


def main(place: Path, change: str) -> None:
    """Print what happened at each step."""
    new = NEW[change]
    # A child process that loads Chroma anew would take most of the time.
    index_module.works = collection.works_here  # type: ignore[attr-defined]
    start, folder = place / "start", place / "work"
    if change == "first":
        start.mkdir(parents=True)
    else:
        forked(lambda: opened(OLD, start, embeds=None))
    for step in itertools.count(1):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(start, folder)

        def index(step: int = step) -> list[str]:
            die_at(step, folder)
            open_index(new, WordEmbedder(), folder).close()
            return []

        killed, wrong = forked(index)
        if change != "first":
            again = shutil.copytree(folder, place / "again")
            # What the change had taken away by then has to be computed again.
            lost = 0 if change == "more" else 4
            wrong += forked(lambda again=again, lost=lost: opened(OLD, again, embeds=lost))[1]  # type: ignore[misc]
            shutil.rmtree(again)
        wrong += forked(lambda: opened(new, folder, embeds=None))[1]
        wrong += forked(lambda: opened(new, folder, embeds=0))[1]
        wrong += left_over(folder)
        sys.stdout.write(json.dumps({"change": change, "step": step, "killed": killed, "wrong": wrong}) + "\n")
        sys.stdout.flush()
        if not killed:
            break


if __name__ == "__main__":
    for each in NEW:
        main(Path(sys.argv[1]) / each, each)
