"""How an archive of many articles is indexed, started, asked and changed, with figures beside those of one article.

Articles are made of the invented reports that the project trains on: sentences of one report dealt anew, with words
replaced, so that each article has words of its own. The vectors of most of them may be made as well, from those of
single words, since to embed an archive takes long; then how fast articles are embedded is measured on some of them.
"""

from __future__ import annotations

import datetime
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np
import psutil

from assistant.answering.assistant import Assistant
from assistant.articles.passages import passages
from assistant.articles.reading import read_corpus
from assistant.files import Progress
from assistant.model import weights
from assistant.search.embedder import SentenceEmbedder, TokenVectors, Vector
from assistant.search.index import open_index
from assistant.settings import PROJECT, Settings
from assistant.types import Article
from lab.training.reports import read_reports

_WORD = re.compile(r"\b[A-Z]?[a-z]{4,}\b")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SECTIONS = ("Politics", "Sports", "Business", "Culture", "Local")
_LAST_DAY = datetime.date(2026, 11, 30)
_QUESTIONS = 200
_REAL = 100
"""So many articles are embedded for real where the others are not."""
_CHANGES = 10
_WORDS_ASKED = 8
_PORT = 7960
_RECALL = "recall among five of what one article would give"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, of the archive and of one article where that tells something."""

    name: str
    value: float
    unit: str
    of_one: float | None = None


def make(folder: Path, count: int, seed: int = 0) -> None:
    """Write so many articles of some 350 words, with dates and sections, as files; the same ones for the same seed."""
    folder.mkdir(parents=True, exist_ok=True)
    reports = [report.text for report in read_reports()]
    vocabulary: dict[tuple[int, bool], list[str]] = {}
    for word in sorted({word for text in reports for word in _WORD.findall(text)}):
        vocabulary.setdefault((len(word), word[0].isupper()), []).append(word)
    for number in range(count):
        words = random.Random(f"{seed} {number}")  # noqa: S311 - any words do
        changed: dict[str, str] = {}

        def edited(match: re.Match[str], words: random.Random = words, changed: dict[str, str] = changed) -> str:
            word = match[0]
            others = vocabulary[len(word), word[0].isupper()]
            return changed.setdefault(word, words.choice(others) if words.random() < 0.25 else word)

        report = Article("a", words.choice(reports), "A")
        sentences = [sentence.text for passage in passages(report) for sentence in passage.sentences]
        words.shuffle(sentences)
        kept = [_WORD.sub(edited, sentence) for sentence in sentences]
        while len(kept) > 3 and sum(len(sentence.split()) for sentence in kept) > 380:
            kept.pop()
        text = "\n\n".join(" ".join(kept[start : start + 2]) for start in range(0, len(kept), 2))
        day = _LAST_DAY - datetime.timedelta(days=words.randrange(3000))
        title = " ".join(kept[0].split()[:8]).rstrip(".,")
        head = f"---\ntitle: {json.dumps(title)}\ndate: {day}\nsection: {words.choice(_SECTIONS)}\n---\n"
        (folder / f"made-{seed}-{number:06}.md").write_text(head + text + "\n", encoding="utf-8")


class MadeEmbedder(SentenceEmbedder):
    """Gives each word the vector that a word of its own has somewhere, and a text the mean of its words'."""

    def __init__(self, real: SentenceEmbedder, texts: Sequence[str]) -> None:
        """Take the embedder that reads questions, and texts whose words lend their vectors."""
        super().__init__(lambda: real._loaded.get()[0], real.name)  # noqa: SLF001 - the same model
        self._vectors = np.concatenate([tokens.vectors for _, tokens in real.read(texts).values()])

    def read(self, texts: Iterable[str]) -> dict[str, tuple[Vector, TokenVectors]]:
        """Return the vector of each text, and those of its words."""
        return {text: self._made(text) for text in texts}

    def _made(self, text: str) -> tuple[Vector, TokenVectors]:
        words = list(_TOKEN.finditer(text))
        numbers = [zlib.crc32(word[0].lower().encode()) % len(self._vectors) for word in words]
        vectors = self._vectors[numbers or [0]]
        mean = vectors.mean(axis=0)
        return mean / np.linalg.norm(mean), TokenVectors(tuple(word.span() for word in words), vectors[: len(words)])


def measure(folder: Path, data: Path, *, is_made: bool, progress: Progress) -> list[Figure]:
    """Index the articles of a folder, serve them, ask and change them; the folder is as before at the end."""
    corpus = read_corpus(folder)
    settings = Settings(articles=folder, data=data, model="none")
    real = SentenceEmbedder.from_folder(weights.embedder_folder(data), weights.EMBEDDER_SHA256)
    real.load()
    figures = [Figure("articles", len(corpus.articles), "", 1)]
    if is_made:
        some = corpus.articles[:_REAL]
        figures += _indexed(some, real, data / "some", progress)
        made = MadeEmbedder(real, [passage.text for article in some for passage in passages(article)])
        figures += _indexed(corpus.articles, made, data / "index", progress, " without embedding")
        shutil.rmtree(data / "some")
    else:
        figures += _indexed(corpus.articles, real, data / "index", progress)
    one = replace(settings, articles=data / "one", data=data / "data-of-one")
    for place in (one.articles, one.data):
        place.mkdir(exist_ok=True)
    shutil.copy(min(folder.iterdir()), one.articles)
    found: list[dict[str, float]] = []
    for each in (settings, one):
        progress("Serving and asking", len(found), 2)
        found.append(_served(each) | _asked(each, read_corpus(each.articles).articles))
    if is_made:
        del found[0][_RECALL]  # By made vectors any passage is as near as another.
    return figures + [Figure(name, value, _unit(name), found[1][name]) for name, value in found[0].items()]


def _indexed(
    articles: Sequence[Article],
    embedder: SentenceEmbedder,
    place: Path,
    progress: Progress,
    how: str = "",
) -> list[Figure]:
    started = time.monotonic()
    with closing(open_index(articles, embedder, place, progress=progress)) as index:
        seconds, report = time.monotonic() - started, index.report
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    return [
        Figure(f"passages{how}", report.passages, ""),
        Figure(f"indexing, passages a second{how}", report.embedded / seconds, "/s"),
        Figure(f"on disk, a passage{how}", size / report.passages / 1000, "kB"),
    ]


def _unit(name: str) -> str:
    units = {"memory": "GB", "start": "s", "adding": "s", "deleting": "s", "recall": ""}
    return next((unit for word, unit in units.items() if name.startswith(word)), "ms")


def _served(settings: Settings) -> dict[str, float]:
    """Serve the articles: seconds of the start, memory, and how long a new and a deleted article take to count."""
    with _server(settings):  # The first start reads the files, and every other one only what has changed.
        pass
    started = time.monotonic()
    with _server(settings) as (process, address):
        figures = {"start until the page answers": time.monotonic() - started}
        _until(lambda: _state(address)["missing"] == 0 and bool(_state(address)["ready"]))
        httpx.post(f"{address}/api/ask", json={"question": "What happened in the county?"}, timeout=60)
        figures["memory of the process"] = psutil.Process(process.pid).memory_info().rss / 1e9
        adding, deleting, before = [], [], _state(address)["articles"]
        make(settings.data / "new", _CHANGES, seed=1)
        for file in sorted((settings.data / "new").iterdir()):
            started = time.monotonic()
            target = Path(shutil.copy(file, settings.articles))
            _until(lambda: _state(address)["articles"] > before)
            adding.append(time.monotonic() - started)
            started = time.monotonic()
            target.unlink()
            _until(lambda: _state(address)["articles"] == before)
            deleting.append(time.monotonic() - started)
    return figures | {"adding one article, slowest": max(adding), "deleting one, slowest": max(deleting)}


@contextmanager
def _server(settings: Settings) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Yield a server that answers, and its address."""
    environment = os.environ | {
        "ASSISTANT_ARTICLES": str(settings.articles),
        "ASSISTANT_DATA": str(settings.data),
        "ASSISTANT_MODEL": "none",
        "ASSISTANT_PORT": str(_PORT),
        "ASSISTANT_UNLIMITED": "127.0.0.1",
        "ASSISTANT_FEEDBACK": str(settings.data / "feedback.sqlite3"),
    }
    with (settings.data / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "assistant", "serve"], cwd=PROJECT, env=environment, stdout=log, stderr=log
        )
        address = f"http://127.0.0.1:{_PORT}"
        try:
            _until(lambda: "missing" in _state(address))
            yield process, address
        finally:
            process.terminate()
            process.wait(600)


def _state(address: str) -> dict[str, float]:
    try:
        found: dict[str, float] = httpx.get(f"{address}/readyz", timeout=10).json()
    except httpx.HTTPError:
        return {}
    return found


def _until(is_so: Callable[[], bool], seconds: float = 3600.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_so():
            return
        time.sleep(0.02)
    raise TimeoutError("the server did not get so far")


def _asked(settings: Settings, articles: Sequence[Article]) -> dict[str, float]:
    """Ask about passages that nobody has asked about, then the same again; return milliseconds, and what is found."""
    words = random.Random(0)  # noqa: S311 - any do
    with closing(Assistant.open(settings, at_once=True)) as assistant:
        assistant.wait_until_loaded()
        assistant.ask("What happened?")
        figures, times = dict[str, float](), dict[str, list[float]]()
        questions = [_question(words, words.choice(articles)) for _ in range(_QUESTIONS)]
        for how in ("cold", "warm"):
            for question, _ in questions:
                answer = assistant.ask(question)
                times.setdefault(f"first evidence, {how}", []).append(answer.timings.first_ms or 0.0)
                times.setdefault(f"the quotation that stays, {how}", []).append(answer.timings.total_ms)
        for name, milliseconds in times.items():
            figures[f"{name}, p50"], figures[f"{name}, p95"] = np.percentile(milliseconds, [50, 95]).tolist()
        found = 0
        for question, article in questions:
            best = assistant.steps.search(question, article.id, 1).hits
            five = {hit.passage.id for hit in assistant.steps.search(question, None, 5).hits}
            found += bool(best) and best[0].passage.id in five
        figures[_RECALL] = found / _QUESTIONS
    return figures


def _question(words: random.Random, article: Article) -> tuple[str, Article]:
    """Return a question in words of a passage of the article."""
    passage = words.choice(passages(article))
    asked = words.choice(passage.sentences).text.rstrip(".").split()
    start = words.randrange(max(1, len(asked) - _WORDS_ASKED))
    return f"What about {' '.join(asked[start : start + _WORDS_ASKED])}?", article


def killed(folder: Path, data: Path, times: int, progress: Progress) -> tuple[int, int]:
    """Kill an indexer at random so often, and let it finish; return the articles lost, and the answers that differ.

    An article is lost when it was computed before a kill and is not any more.
    """
    environment = os.environ | {
        "ASSISTANT_ARTICLES": str(folder),
        "ASSISTANT_DATA": str(data),
        "ASSISTANT_MODEL": "none",
    }
    command, chance, lost, before = [sys.executable, "-m", "assistant", "index"], random.Random(0), 0, set[Path]()  # noqa: S311

    def computed() -> set[Path]:
        return {path for path in (data / "index").glob("*/articles/*/*") if not path.name.startswith(".")}

    for number in range(times):
        progress("Killing the indexer", number, times)
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command
        time.sleep(chance.uniform(4, 20))
        process.kill()
        process.wait()
        lost += len(before - computed())
        before = computed()
    subprocess.run(command, cwd=PROJECT, env=environment, check=True, stderr=subprocess.DEVNULL)  # noqa: S603
    anew = Settings(articles=folder, data=data, model="none")
    differing, words = 0, random.Random(1)  # noqa: S311
    articles = read_corpus(folder).articles
    with (
        closing(Assistant.open(anew)) as assistant,
        closing(Assistant.open(replace(anew, data=data / "whole"))) as whole,
    ):
        for _ in range(50):
            question, _article = _question(words, words.choice(articles))
            one, other = assistant.steps.search(question), whole.steps.search(question)
            differing += [hit.passage.id for hit in one.hits] != [hit.passage.id for hit in other.hits]
    return lost, differing
