"""What is wrong with this installation, each with its cure: articles, disk, weights, model, index, reports, address.

It changes nothing, and may run while another process serves: every file is read as it lies.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path

from assistant.answering import material
from assistant.answering.capable import CapableWriter
from assistant.answering.trace import Trace
from assistant.answering.understanding.question import Question
from assistant.articles.reading import Corpus, read_corpus
from assistant.errors import AssistantError, ConfigurationError
from assistant.extras import require
from assistant.files import nearest_folder, unwritable
from assistant.model import prompts, weights
from assistant.model.holder import check_configuration, providers
from assistant.model.limit import Limit
from assistant.search import index, index_files
from assistant.settings import Settings
from assistant.types import Article
from assistant.web.listening import listening
from assistant.web.middleware import served_names
from assistant.web.storage import desk_file, feedback, rules

_ROOM = 200_000_000
"""Bytes that should be free: an index of some hundred articles, and what a day writes."""
_ASKED = "What is this article about?"
_BUILT_AT_START = "it is built at the start"
"""What becomes of an index that is not there, as on the day of the installation."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    what: str
    cure: str = ""
    """What to do about it; empty where nothing is wrong, or nothing that has to be mended."""
    warning: bool = False
    """Whether it should be known, although the assistant works all the same."""


def check(settings: Settings) -> Iterator[Finding]:
    """Yield what was found, one by one, for reading the weights takes some seconds."""
    corpus = read_corpus(settings.articles)
    yield from _articles(corpus, settings.articles)
    yield from _disk(settings)
    yield _attempt("prompts", "all are there", prompts.check)
    embedder = "embedding model", "it is whole and the official one"
    yield _attempt(*embedder, lambda: weights.check(weights.embedder_file(), weights.EMBEDDER_SHA256))
    yield _attempt("checker", "its weights belong to this code", weights.checker_file)
    yield _attempt("writer", "its weights belong to this code", weights.writer_file)
    yield from _language_model(settings, corpus.articles)
    # Where there are no articles to compare an index with, nothing true can be said of it.
    if corpus.articles and settings.chroma_url:
        yield _server_index(corpus.articles, settings.chroma_url)
    elif corpus.articles:
        yield from _index(corpus.articles, settings.data / "index")
    yield _attempt("reports", f"they can be saved in {settings.feedback}", lambda: feedback.check(settings.feedback))
    yield _desk(settings)
    yield from _names(settings)
    yield _attempt("page", f"it can be served at {settings.host}:{settings.port}", lambda: _page(settings))
    if settings.mcp:
        yield _attempt("tools", "their package is installed", lambda: require("mcp", "ASSISTANT_MCP"))


def _articles(corpus: Corpus, folder: Path) -> Iterator[Finding]:
    cure = "put one there, or set ASSISTANT_ARTICLES to a folder that has some"
    if not folder.is_dir():
        yield Finding("articles", f"there is no folder {folder.absolute()}", cure)
        return
    for problem in corpus.problems:
        mend = f"mend it or take it out of {folder}" if problem.skipped else ""
        yield Finding("articles", str(problem), mend, warning=not problem.skipped)
    if corpus.articles:
        untitled = len(corpus.without_title)
        titles = f"; of {untitled} the file name is shown, for want of a title" if untitled else ""
        yield Finding("articles", f"{len(corpus.articles)} can be read from {folder}{titles}")
    else:
        yield Finding("articles", f"none can be read from {folder}", cure)


def _disk(settings: Settings) -> Iterator[Finding]:
    existing = nearest_folder(settings.data)
    if reason := unwritable(existing):
        yield Finding("disk", f"{existing} cannot be written ({reason})", "set ASSISTANT_DATA to another folder")
        return
    free = shutil.disk_usage(existing).free
    needed = _ROOM
    if _is_packaged(settings) and not (settings.data / weights.LANGUAGE_MODEL_NAME).exists():
        needed += weights.LANGUAGE_MODEL_BYTES
    cure = f"make room for {needed / 1e6:,.0f} MB, or set ASSISTANT_DATA to another folder"
    yield Finding("disk", f"{free / 1e6:,.0f} MB are free at {existing}", cure if free < needed else "")


def _language_model(settings: Settings, articles: Sequence[Article]) -> Iterator[Finding]:
    try:
        check_configuration(settings)
        yield Finding("language model", _tried(settings, articles))
    except AssistantError as error:
        yield _problem("language model", error)
    if settings.model == "local" and find_spec("ik_llama_cpp") is None:
        yield Finding("language model", "the engine is not installed", f"run {weights.INSTALL}")
    if rest := weights.unfinished(settings.data):
        yield Finding("language model", f"{rest} was left by an interrupted start", "start the assistant, or delete it")


def _tried(settings: Settings, articles: Sequence[Article]) -> str:
    """Return what is right with the language model.

    Raises:
        AssistantError: something is wrong with it.
    """
    if settings.model == "none":
        return "none is configured, answers are quotations"
    if settings.model == "local":
        if _is_packaged(settings):
            weights.check_language_model(settings.data)
        elif settings.model_sha256:
            weights.check(Path(settings.model_file), settings.model_sha256)
        return "its file is whole"
    # The shortest costs least.
    shortest = min(articles, key=lambda article: len(article.text), default=None)
    if shortest is None:
        return f"{settings.model} was not asked, for want of an article"
    return _answered(settings, shortest)


def _answered(settings: Settings, article: Article) -> str:
    """Have the provider's models write and check an answer about an article, as for a reader; return what it took.

    Raises:
        AssistantError: no answer came of it that a reader would be shown.
    """
    models, trace, started = providers(settings), Trace(), time.monotonic()
    limit = Limit.of_seconds(settings.answer_seconds)
    writer = CapableWriter(models.writer, models.checker)
    reply = writer.reply(Question.of(_ASKED), material.of_articles([article]), limit, trace)
    if reply.error:
        raise reply.error
    if not reply.statements:
        what = f"{settings.model} wrote nothing that may be shown when it was asked “{_ASKED}” of “{article.title}”"
        raise AssistantError(what, "ask again with python -m assistant check, or take a larger model")
    took, seconds = trace.usage, time.monotonic() - started
    return (
        f"{settings.model} answered a question about “{article.title}” in {seconds:.1f} s: {took.calls} calls, "
        f"{took.read:,} tokens read and {took.written:,} written"
    )


def _server_index(articles: Sequence[Article], url: str) -> Finding:
    there = f"the server at {url} has the index of these articles"
    try:
        has_one = index.check_server(articles, weights.EMBEDDER_SHA256, url)
    except ConfigurationError as error:
        return Finding("index", error.what, error.cure)
    return Finding("index", there if has_one else f"the server at {url} has none yet, {_BUILT_AT_START}")


def _index(articles: Sequence[Article], folder: Path) -> Iterator[Finding]:
    holder = ""
    try:
        if holder := index_files.lock_holder(folder):
            yield Finding("index", f"process {holder} uses it")
    except OSError as error:
        yield Finding("index", f"its lock cannot be opened ({error.strerror})", f"make {folder} writable")
    cure = renewal(holder)
    problems = index.differences(articles, weights.EMBEDDER_SHA256, folder)
    if problems is None:
        builder = f"process {holder} builds it" if holder else _BUILT_AT_START
        yield Finding("index", f"there is none in {folder} yet, {builder}")
        return
    try:
        # What is open changes while it is looked at.
        with tempfile.TemporaryDirectory(prefix="assistant-check-") as place:
            problems += [] if holder else index.damage(weights.EMBEDDER_SHA256, folder, Path(place))
    except OSError as error:
        yield Finding("index", f"it cannot be tried ({error})", f"make room in {tempfile.gettempdir()}")
    for problem in problems:
        yield Finding("index", problem, cure)
    if not problems:
        yield Finding("index", f"the passages of all {len(articles):,} articles are there and can be searched")


def renewal(holder: str) -> str:
    """Return what brings an index up to date, where the process of this number has it open; empty where none has."""
    if holder:
        return f"a server brings it up to date within seconds; where it does not, restart process {holder}"
    return "run python -m assistant index"


def _desk(settings: Settings) -> Finding:
    file, days = desk_file.file_of(settings), settings.keep_questions
    kept = f"questions are kept for {days} day{'' if days == 1 else 's'} in {file}" if days else "no question is kept"
    is_on = f"it is {'on' if settings.desk_token else 'off'}, {kept}"
    return _attempt("desk", is_on, lambda: rules.check(settings))


def _names(settings: Settings) -> Iterator[Finding]:
    if not served_names(settings):
        what = "it answers under any host name, also of a page that leads a reader's browser here by a name of its own"
        cure = "set ASSISTANT_NAMES to the names that it is served under"
        yield Finding("page", f"{what}: {cure}", warning=True)


def _page(settings: Settings) -> None:
    try:
        listening(settings.host, settings.port).close()
    except ConfigurationError as error:
        if not (isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE):
            raise
        # What answers there may be this assistant itself.
        with suppress(OSError, HTTPException), closing(HTTPConnection(settings.host, settings.port, timeout=2)) as page:
            page.request("GET", "/healthz")
            if page.getresponse().read(3) == b"ok":
                return
        raise


def _attempt(subject: str, fine: str, action: Callable[[], object]) -> Finding:
    try:
        action()
    except AssistantError as error:
        return _problem(subject, error)
    return Finding(subject, fine)


def _problem(subject: str, error: AssistantError) -> Finding:
    return Finding(subject, error.what, error.cure or "try again")


def _is_packaged(settings: Settings) -> bool:
    return settings.model == "local" and not settings.model_file
