"""The assistant's life: loading, snapshots in time, articles that change, and closing."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path

import pytest
from answers import CRIME, TRUE, Packaged, assemble, checked
from scripted_engine import Reply, ScriptedModel, packaged
from sentence_transformers import SentenceTransformer

from assistant.answering.assistant import Assistant
from assistant.articles.reading import Corpus
from assistant.errors import Fault
from assistant.model.chat import LanguageModel
from assistant.model.holder import ModelHolder
from assistant.search.embedder import SentenceEmbedder
from assistant.search.index import open_index
from assistant.search.retrieval import Findings, Retriever
from assistant.settings import Settings
from assistant.types import Article, Outcome

WITHOUT_WORDS = "Whither villains?"
"""A question that shares no word with the article."""

# Snapshots


def test_the_quotation_comes_first_and_the_final_answer_last(writing: Packaged) -> None:
    """What can be shown at once is the article's own words, before the model is asked; one final answer follows."""
    writing.model.enqueue(TRUE)
    stream = writing.assistant.stream(CRIME)
    first = next(stream)
    assert (first.outcome, first.final, writing.drafted) == (Outcome.QUOTED, False, [])
    assert "18 percent" in first.text
    (final,) = stream
    assert (final.outcome, final.final) == (Outcome.WRITTEN, True)
    assert final.timings.first_ms == first.timings.first_ms
    assert final.timings.first_ms is not None
    assert 0 < final.timings.first_ms <= final.timings.total_ms
    assert final.why["steps"].keys() == {
        "scope",
        "search",
        "quote",
        "read",
        "wait",
        "draft",
        "ground",
        "check",
        "decide",
    }


def test_a_slow_model_is_not_waited_for(article: Article, by_words: Retriever) -> None:
    """When the time is up the quotation is the answer."""
    slow = Packaged([article], by_words, seconds=0.3)
    started = time.monotonic()
    answer = slow.ask(Reply("Violent crime has fallen " * 100, delay=0.02))
    assert time.monotonic() - started < 3.0
    assert answer.outcome is Outcome.QUOTED


# Loading


def test_while_the_model_loads_the_quotation_is_the_answer(article: Article, by_words: Retriever) -> None:
    """Nobody waits for a model that is not ready; when it is, it writes."""
    loaded, model = threading.Event(), ScriptedModel()

    def slowly() -> LanguageModel:
        loaded.wait(10)
        return packaged(model)

    assistant = assemble(slowly, [article], by_words)
    early = checked(assistant.stream(CRIME))
    assert (early.outcome, early.fault, assistant.model_state.kind) == (Outcome.QUOTED, Fault.LOADING, "loading")
    loaded.set()
    assistant.wait_until_loaded()
    model.enqueue(TRUE)
    assert assistant.ask(CRIME).outcome is Outcome.WRITTEN


def test_the_language_model_is_not_ready_before_the_embedding_model(writing: Packaged) -> None:
    """Whoever waits for the model waits for all that an answer needs."""
    loading: Future[None] = Future()
    writing.assistant._loading = loading
    before = writing.assistant.model_state.kind
    loading.set_result(None)
    assert (before, writing.assistant.model_state.kind) == ("loading", "ready")


Arriving = tuple[Assistant, threading.Event]
"""An assistant as the server opens it, and the event on which its embedding model is there."""
Opened = Callable[[SentenceEmbedder], Assistant]
"""Opens an assistant without a language model over the article that ships, whose index was built before."""


@pytest.fixture(scope="module")
def indexed(article: Article, real_embedder: SentenceEmbedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an index of the article that ships, by the packaged embedder."""
    folder = tmp_path_factory.mktemp("indexed")
    open_index([article], real_embedder, folder).close()
    return folder


@pytest.fixture
def opened(article: Article, indexed: Path) -> Iterator[Opened]:
    """Return a function that opens one with an embedding model, loaded or not; it is closed at the end."""
    with ExitStack() as resources:

        def put_together(embedder: SentenceEmbedder) -> Assistant:
            index, holder = open_index([article], embedder, indexed), ModelHolder(Settings(model="none"), [article])
            search = Retriever([article], index, embedder)
            return resources.enter_context(Assistant(Corpus((article,)), search, index, holder, 30.0))

        yield put_together


@pytest.fixture
def arriving(opened: Opened, late_embedder: tuple[SentenceEmbedder, threading.Event]) -> Iterator[Arriving]:
    """Yield an assistant whose embedding model is being loaded."""
    embedder, may_load = late_embedder
    assistant = opened(embedder)
    assistant.load_in_background()
    yield assistant, may_load
    may_load.set()


def test_while_the_embedding_model_loads_keywords_find_the_first_evidence(arriving: Arriving) -> None:
    """The evidence is there at once, and the answer waits for what finds more."""
    assistant, may_load = arriving
    snapshots = assistant.stream(CRIME)
    first = next(snapshots)
    assert (first.outcome, assistant.is_loaded) == (Outcome.QUOTED, False)
    assert "18 percent" in first.text
    may_load.set()
    (final,) = snapshots
    assert (final.outcome, final.error, assistant.is_loaded) == (Outcome.QUOTED, None, True)
    assert assistant.ask(CRIME).text == final.text


def test_nobody_waits_beyond_their_time_or_stay_for_the_embedding_model(arriving: Arriving) -> None:
    """What keywords found is the answer then, and it is told why; who stops gives way to others at once."""
    assistant, _ = arriving
    assistant._answer_seconds = 0.2
    answer = assistant.ask(CRIME)
    assert (answer.outcome, answer.fault) == (Outcome.QUOTED, Fault.LOADING)
    assistant._answer_seconds, stopped = 300.0, threading.Event()
    snapshots = assistant.stream(CRIME, stopped=stopped)
    next(snapshots)
    stopped.set()
    assert next(snapshots).final
    assert not assistant.is_loaded


def test_what_keywords_do_not_find_is_not_declined_for_it(arriving: Arriving) -> None:
    """A question that shares no word with the article may have an answer, when there is more to find it."""
    assistant, may_load = arriving
    (early,) = assistant.stream(WITHOUT_WORDS)
    assert early.outcome is Outcome.UNAVAILABLE
    may_load.set()
    assistant.wait_until_loaded()
    late = assistant.ask(WITHOUT_WORDS)
    assert late.citations or late.closest


def test_without_a_server_the_embedding_model_is_loaded_when_it_is_needed(
    opened: Opened, late_embedder: tuple[SentenceEmbedder, threading.Event]
) -> None:
    """Also by a question that shares no word with the article."""
    embedder, may_load = late_embedder
    may_load.set()
    answer = opened(embedder).ask(WITHOUT_WORDS)
    assert answer.citations or answer.closest


def test_a_first_search_that_fails_is_no_reason_to_end(
    article: Article, by_meaning: Retriever, caplog: pytest.LogCaptureFixture
) -> None:
    """The embedding model is there, and a shared index that is away for a moment comes back."""

    class Away(Retriever):
        failures = 1

        def search(self, query: str, limit: int = 10, article: str | None = None, *, may_read: bool = True) -> Findings:
            if self.failures:
                self.failures -= 1
                raise RuntimeError("away")
            return super().search(query, limit, article, may_read=may_read)

    assistant = assemble(None, [article], Away([article], by_meaning._index, by_meaning.embedder))
    assistant.load_in_background()
    assistant.wait_until_loaded()
    assert "The first search failed" in caplog.text
    assert assistant.ask(CRIME).outcome is Outcome.QUOTED


def test_an_embedding_model_that_cannot_be_loaded_is_told_of(opened: Opened, real_embedder: SentenceEmbedder) -> None:
    """Whoever wanted it loaded gets the reason."""

    def load() -> SentenceTransformer:
        raise OSError("its file is gone")

    assistant = opened(SentenceEmbedder(load, real_embedder.name))
    assert isinstance(assistant.load_in_background().exception(), OSError)
    with pytest.raises(OSError, match="its file is gone"):
        assistant.wait_until_loaded()
    assert not assistant.is_loaded


# Change, and the end


def test_without_an_index_answers_are_of_the_articles_as_they_are() -> None:
    """What is new is found by its words; what is gone is in no answer, and the model forgets what it has read of it."""
    gone, new = (Article(name, f"The {name} bridge was closed in May.", name) for name in ("north", "south"))
    writing = Packaged([gone])
    writing.assistant.renew(Corpus((new,)))
    answer = writing.ask("The south bridge was closed in May.", question="When was the bridge closed?")
    assert [citation.article for citation in answer.citations] == [new]
    assert writing.engine.told[-1] == {packaged(writing.model)._kept_as(new)}


def test_closing_waits_until_nothing_is_loaded_any_more(arriving: Arriving) -> None:
    """What is loaded in the middle of the program's end may crash it."""
    assistant, may_load = arriving
    closing_it = threading.Thread(target=assistant.close)
    closing_it.start()
    closing_it.join(0.2)
    assert closing_it.is_alive()
    may_load.set()
    closing_it.join(30)
    assert not closing_it.is_alive()
