"""Kills the indexer at its first step, its second, and so on until it gets through; looks after each what is left.

`python tests/killed.py FOLDER` prints an object a step: {"change": "first", "step": 7, "killed": true, "wrong": []}.
A step is anything that the indexer does to a file, or asks of Chroma that writes. What happens inside Chroma is no step
of its own: it happens in the folder `building`, which nothing reads before it is sealed. Each indexer is a fork of this
process, which has loaded everything (what Chroma would load late as well) and opened nothing, so a step takes a
fraction of a second.
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

import chromadb.api.client
import chromadb.api.rust
import chromadb.telemetry.product.posthog
from chromadb.api.models.Collection import Collection
from conftest import WordEmbedder
from test_index import ids, made

from assistant.articles.passages import passages
from assistant.search import collection, index_files
from assistant.search import index as index_module
from assistant.search.index import open_index
from assistant.types import Article

OLD = [made(f"city{number}", 4) for number in range(10)]
NEW = {
    "first": [made("kyoto", 4)],
    "much": [made("city0", 8, seed=1), OLD[1], made("kyoto", 8)],
    "little": [made("city0", 8, seed=1), *OLD[1:]],
}
"""The articles after the change: where there was no index, for which one is built, and for which a copy is changed."""

CHANGING = {
    "os.rename",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.truncate",
    "sqlite3.connect",
    "shutil.copyfile",
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
    for owner, name in ((Collection, "add"), (chromadb.api.client.Client, "create_collection")):
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


def opened(articles: Sequence[Article], folder: Path, *, embeds: bool) -> list[str]:
    """Open the index of these articles and return what is wrong: what it lacks, has twice or had to embed."""
    index = open_index(articles, WordEmbedder(), folder)
    wrong = []
    if index.report.embedded and not embeds:
        wrong.append(f"{index.report.embedded} of {index.report.passages} passages were embedded again")
    found = index.search(WordEmbedder().embed_query("the river"), 10_000)
    if found.keys() != ids(list(articles)) or len(found) != index.report.passages:
        wrong.append(f"{len(found)} passages were found, not {len(ids(list(articles)))}")
    for passage in (passage for article in articles for passage in passages(article)[::2]):
        best = index.search(WordEmbedder().embed_query(passage.text), 1)
        if not best or next(iter(best.values())) < 0.999:
            wrong.append(f"{passage.id} does not find itself")
    index.close()
    return wrong


def left_over(folder: Path) -> list[str]:
    """Return what an index that was closed should have cleared away."""
    current = index_files.current(folder)
    assert current is not None
    known = {"CURRENT.json", current.name, "vectors.sqlite", "index.lock", "index.pid"}
    return [f"{entry.name} was left" for entry in folder.iterdir() if entry.name not in known]


def main(place: Path, change: str) -> None:
    """Print what happened at each step."""
    new = NEW[change]
    # A child process that loads Chroma anew would take most of the time.
    index_module.works = collection.works_here  # type: ignore[attr-defined]
    start, folder = place / "start", place / "work"
    if change == "first":
        start.mkdir(parents=True)
    else:
        forked(lambda: opened(OLD, start, embeds=True))
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
            wrong += forked(lambda again=again: opened(OLD, again, embeds=False))[1]  # type: ignore[misc]
            shutil.rmtree(again)
        wrong += forked(lambda: opened(new, folder, embeds=True))[1]
        wrong += forked(lambda: opened(new, folder, embeds=False))[1]
        wrong += left_over(folder)
        sys.stdout.write(json.dumps({"change": change, "step": step, "killed": killed, "wrong": wrong}) + "\n")
        sys.stdout.flush()
        if not killed:
            break


if __name__ == "__main__":
    for each in NEW:
        main(Path(sys.argv[1]) / each, each)
