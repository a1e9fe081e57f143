"""What the tests share: articles, two embedders, a scripted chat model, and a guard around the network.

Every test runs without the ASSISTANT_* variables of the person who starts it, and no test can reach another machine.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from langchain_core.embeddings import Embeddings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from assistant.articles.passages import sentences
from assistant.articles.reading import read_file
from assistant.model.weights import EMBEDDER_SHA256, LANGUAGE_MODEL_NAME, embedder_folder, language_model_file
from assistant.search.embedder import SentenceEmbedder
from assistant.search.index import open_index
from assistant.search.retrieval import Retriever
from assistant.settings import PROJECT, Settings, go_offline
from assistant.types import Article, Sentence

if TYPE_CHECKING:
    from answers import Packaged
    from playwright.sync_api import Browser, Page
    from sentence_transformers import SentenceTransformer
    from served import ScriptedAssistant

go_offline()

MOST_BYTES = 2 * 10**9
"""Are never written: the tests of all processes together leave half a gigabyte at most, and only those that fail."""


def _take_a_processor() -> None:
    """Keep this process of pytest-xdist, and those that it starts, on one processor.

    Each would compute with a thread for each processor, and threads that wait for each other would wait for the others.
    With a third process, two share a processor, and a page may take longer than its test waits for it.
    """
    process = re.fullmatch(r"gw(\d+)", os.environ.get("PYTEST_XDIST_WORKER", ""))
    if process and hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, processors[min(int(process[1]), len(processors) - 1) :][:1])


def _write_into_memory() -> None:
    """Let what tests write stay in memory where there is room: each time a database is sure of a disk takes it 5 ms."""
    memory = Path("/dev/shm")  # noqa: S108 - every folder in it has a name of its own
    if memory.is_dir() and shutil.disk_usage(memory).free > MOST_BYTES and "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = tempfile.tempdir = str(memory)


_take_a_processor()
_write_into_memory()

# A busy machine is no defect: an example may take its time.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("patient")


def _refuse_other_machines(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise where Python is about to look up or talk to another machine; an audit hook sees every library do it."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # A path is a socket on this machine.
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name and name != "localhost" and not _is_loopback(name):
        raise AssertionError(f"a test tried to reach {name}")


def _is_loopback(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


sys.addaudithook(_refuse_other_machines)

LANGUAGE_MODEL = (
    "test_end_to_end",
    "test_evaluation_thresholds",
    "test_offline",
    "test_weights",
    "test_decoder",
    "test_engine_library",
)
"""The files that run the language model. One process has them all, so that no two engines run at once."""
PROCESSES = ("test_deploy", "test_faults", "test_readers", "test_soak", "test_wheel")
"""The files that take long because they start, end or ask processes of their own."""
LONGEST = (
    *LANGUAGE_MODEL,
    *("test_faults", "test_accessibility", "test_page", "test_report", "test_page_layout"),
    *("test_hostile", "test_page_history", "test_index", "test_wheel", "test_soak", "test_page_bars"),
    *("test_packaged", "test_assistant", "test_embedding", "test_review", "test_calibrate"),
    *("test_follow_ups", "test_door"),
)
"""The files that take longest. They begin first, so that at the end no process waits for the other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, and mark as slow what takes the language model, a browser or processes."""
    for item in items:
        if {"model_data", "browser"}.intersection(getattr(item, "fixturenames", ())) or item.path.stem in PROCESSES:
            item.add_marker("slow")
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


class FileByFile(LoadFileScheduling):  # type: ignore[misc] # it ships no types
    """Gives a process a file, and when it is done the next one; the first process begins with the first."""

    @property
    def nodes(self) -> list[WorkerController]:
        """The processes, in their order and not in that of their start."""
        return sorted(self.assigned_work, key=lambda node: str(node.gateway.id))

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "language model" if Path(file).stem in LANGUAGE_MODEL else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileByFile:
    """Let pytest-xdist give the tests to its processes in that way."""
    return FileByFile(config, log)


@pytest.fixture(autouse=True)
def clean_environ() -> Iterator[None]:
    """Take the assistant's variables, keys and proxies out of the environment, which a test may change as it likes."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("ASSISTANT_") or name.lower().endswith(("_proxy", "_api_key")):
            del os.environ[name]
    yield
    # Never is it empty: other threads read it.
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


def the_one_with(words: str, article: Article) -> Sentence:
    """Return the only sentence of the article that holds the words."""
    (found,) = [sentence for sentence in sentences(article) if words in sentence.text]
    return found


@pytest.fixture(scope="session")
def article() -> Article:
    """Return the article that ships."""
    return read_file(PROJECT / "corpus" / "articles" / "2018-10-18-philadelphia-ice.md")[0]


@pytest.fixture(scope="session")
def weights_folder(request: pytest.FixtureRequest) -> Path:
    """Return a folder that outlives the run, so that the language model is joined and checked once a checkout."""
    return request.config.cache.mkdir("weights")


@pytest.fixture(scope="session")
def model_data(tmp_path_factory: pytest.TempPathFactory, weights_folder: Path) -> Iterator[Path]:
    """Return a data folder that begins with the joined weights alone, and remove what is added to it at the end.

    The language model reads the article once for all who use it.
    """
    folder = tmp_path_factory.mktemp("data")
    (folder / LANGUAGE_MODEL_NAME).symlink_to(language_model_file(weights_folder).resolve())
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def real_embedder(weights_folder: Path) -> SentenceEmbedder:
    """Return the packaged embedding model."""
    return SentenceEmbedder.from_folder(embedder_folder(weights_folder), EMBEDDER_SHA256)


@pytest.fixture
def late_embedder(real_embedder: SentenceEmbedder) -> Iterator[tuple[SentenceEmbedder, threading.Event]]:
    """Yield the packaged embedding model, not loaded, and the event on which it can be; at the end it can."""
    may_load = threading.Event()

    def load() -> SentenceTransformer:
        may_load.wait(30)
        return real_embedder._loaded.get()[0]

    yield SentenceEmbedder(load, real_embedder.name), may_load
    may_load.set()


@pytest.fixture(scope="module")
def assistant() -> ScriptedAssistant:
    """Return an assistant that has no script yet."""
    from served import ARTICLE, ScriptedAssistant  # noqa: PLC0415 - slow to import

    return ScriptedAssistant(ARTICLE)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return settings without limits, with a place for reports."""
    from served import OPEN  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("served")
    return replace(OPEN, data=folder, feedback=folder / "feedback.sqlite3")


@pytest.fixture(scope="module")
def address(assistant: ScriptedAssistant, settings: Settings) -> Iterator[str]:
    """Serve the assistant and return the address."""
    from served import running  # noqa: PLC0415

    with running(assistant, settings) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run Chromium."""
    from browser import chromium  # noqa: PLC0415 - few tests take it

    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Open the chat in two panes."""
    from browser import DESKTOP, chatting  # noqa: PLC0415 - few tests take it

    with chatting(browser, address, **DESKTOP) as page:
        yield page


class WordEmbedder(Embeddings):
    """Counts words into 512 buckets: deterministic, and near means that words are shared."""

    def __init__(self, name: str = "words") -> None:
        """Take the name that goes into an index's fingerprint."""
        self.name = name
        self.embedded: list[str] = []
        """Every text so far, in order."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return vectors of length 1; a text without a word has the last bucket to itself."""
        self.embedded += texts
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text, which is not remembered."""
        return self._vector(text)

    @staticmethod
    def _vector(text: str) -> list[float]:
        counts = [0.0] * 512
        for word in re.findall(r"\w+", text.lower()):
            counts[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % 511] += 1.0
        if not any(counts):
            counts[511] = 1.0
        length = sum(count * count for count in counts) ** 0.5
        return [count / length for count in counts]


@pytest.fixture
def word_embedder() -> WordEmbedder:
    """Return an embedder that needs no weights."""
    return WordEmbedder()


@pytest.fixture(scope="session")
def by_words(article: Article, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retriever]:
    """Search the article that ships, in a real Chroma, with the vectors of words."""
    with closing(open_index([article], WordEmbedder(), tmp_path_factory.mktemp("by-words"))) as index:
        yield Retriever([article], index, WordEmbedder())


@pytest.fixture(scope="session")
def by_meaning(
    article: Article, real_embedder: SentenceEmbedder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Retriever]:
    """Search the article that ships as readers do, with the packaged embedder."""
    with closing(open_index([article], real_embedder, tmp_path_factory.mktemp("by-meaning"))) as index:
        yield Retriever([article], index, real_embedder)


@pytest.fixture
def writing(article: Article, by_words: Retriever) -> Packaged:
    """Return an assistant whose packaged model writes about the article that ships what the test tells it."""
    from answers import Packaged  # noqa: PLC0415 - slow to import

    return Packaged([article], by_words)
