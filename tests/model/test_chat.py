"""Asking a model behind LangChain's seam: how a stream ends, deadlines, turns, and what is read in advance."""

import itertools
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pytest
from conftest import Reply, ScriptedModel
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.outputs import ChatGenerationChunk
from pydantic import Field

from assistant.articles.passages import passages
from assistant.errors import ModelError
from assistant.model import chat
from assistant.model.chat import KEPT, WHOLE_WORDS, Draft, LanguageModel
from assistant.model.engine import Engine
from assistant.model.prompts import CHECK
from assistant.types import Article, Passage, Turn

ARTICLE = Article("bridge", "Nine engineers inspected the bridge.\n\nThe mayor closed it.", "Bridge")
EVIDENCE = passages(ARTICLE)


@dataclass
class StubEngine:
    """An engine that is alive for as long as it is told to be."""

    alive: bool = True
    adapted: bool = True
    kept: frozenset[str] = frozenset()
    newest: int = 0
    told: list[set[str]] = field(default_factory=list)
    """What it was told to keep, each time."""

    def keeps(self, name: str) -> bool:
        """Whether it has read something under a name."""
        return name in self.kept

    def keep_newest(self, count: int) -> None:
        """Note how many are kept."""
        self.newest = count

    def keep_only(self, names: Iterable[str]) -> None:
        """Keep nothing else."""
        self.told.append(set(names))
        self.kept &= self.told[-1]

    def close(self) -> None:
        """End it."""
        self.alive = False


def embedded(model: ScriptedModel, stub: StubEngine | None = None) -> LanguageModel:
    """Return the scripted model as if an engine stood behind it."""
    return LanguageModel(model, "embedded", cast("Engine", stub or StubEngine()))


STATE = np.linspace(-1, 1, 1536, dtype=np.float32)
"""What an engine tells of its last layer."""


CHECKED = Reply("", metadata={"state": STATE.tolist()})
"""The reply of an engine to a check."""


def soon(seconds: float = 30.0) -> float:
    """Return a deadline so many seconds from now."""
    return time.monotonic() + seconds


def drafts_of(model: ScriptedModel, reply: Reply | str, deadline: float | None = None) -> list[Draft]:
    """Return every draft of one answer."""
    model.enqueue(reply)
    asked: list[Passage] = EVIDENCE
    return list(LanguageModel(model, "scripted").draft("Who?", (), asked, deadline or soon()))


class NotedModel(ScriptedModel):
    """Remembers with which options it was asked."""

    options: list[dict[str, Any]] = Field(default_factory=list)

    def _stream(self, *messages: Any, **options: Any) -> Iterator[ChatGenerationChunk]:  # noqa: ANN401
        self.options.append(options)
        yield from super()._stream(*messages, **options)


@pytest.fixture
def noted() -> NotedModel:
    """Return such a model."""
    return NotedModel()


# How a stream ends


def test_a_finished_stream_grows_and_ends_complete(model: ScriptedModel) -> None:
    """Each draft goes on from the one before; only the last, stripped, is complete."""
    drafts = drafts_of(model, " Nine engineers inspected it. ")
    assert len(drafts) > 2
    assert all(later.text.startswith(earlier.text) for earlier, later in itertools.pairwise(drafts[:-1]))
    assert [draft.complete for draft in drafts] == [False] * (len(drafts) - 1) + [True]
    assert drafts[-1].text == "Nine engineers inspected it."


@pytest.mark.parametrize("reason", ["length", "content_filter", None])
def test_a_stream_that_was_cut_off_is_not_complete(model: ScriptedModel, reason: str | None) -> None:
    """Out of tokens, filtered, or dropped without a word: the text stands, but not as a finished one.

    Only the engine is known to have said too much: it was stopped where an answer must end.
    """
    reply = Reply("Nine engineers inspected", finish_reason=reason)
    assert drafts_of(model, reply)[-1] == Draft("Nine engineers inspected", complete=False)
    model.enqueue(reply)
    *_, last = embedded(model).draft("Who inspected it?", (), EVIDENCE, soon())
    assert (last.complete, last.too_long) == (False, reason == "length")


def test_another_providers_way_to_say_that_it_ended_counts(model: ScriptedModel) -> None:
    """Anthropic reports a stop_reason instead of a finish_reason."""
    reply = Reply("Nine did.", finish_reason=None, metadata={"stop_reason": "end_turn"})
    assert drafts_of(model, reply)[-1].complete


@pytest.mark.parametrize("text", ["", " \n "])
def test_an_empty_answer_is_an_error(model: ScriptedModel, text: str) -> None:
    """Saying nothing is not an answer."""
    with pytest.raises(ModelError, match="empty answer"):
        drafts_of(model, text)


def test_an_error_in_the_middle_becomes_a_model_error(model: ScriptedModel) -> None:
    """Whatever the provider raises is named in one line, without its message, and keeps its cause."""
    with pytest.raises(ModelError, match=r"^The model failed: ConnectionError$") as caught:
        drafts_of(model, Reply("Nine engineers", error=ConnectionError("secret\nkey")))
    assert isinstance(caught.value.__cause__, ConnectionError)


# Time


def test_a_dripping_stream_ends_at_the_deadline(model: ScriptedModel) -> None:
    """Words that keep coming do not keep the reader waiting: the text so far stands, cut off."""
    started = time.monotonic()
    last = drafts_of(model, Reply("word " * 500, delay=0.02), soon(0.2))[-1]
    assert time.monotonic() - started < 2.0
    assert not last.complete
    assert 0 < len(last.text.split()) < 100


def test_a_busy_model_gives_up_when_the_time_is_up_or_the_reader_leaves(model: ScriptedModel) -> None:
    """Where another question has its turn, the next one waits until its own deadline and not longer."""
    one, stopped = embedded(model), threading.Event()
    started = time.monotonic()
    with one.turn(soon()), pytest.raises(ModelError, match="busy"), one.turn(soon(0.1)):
        pass
    assert time.monotonic() - started < 2.0
    threading.Timer(0.1, stopped.set).start()
    with one.turn(soon()), pytest.raises(ModelError, match="busy"), one.turn(soon(), stopped):
        pass


def test_the_next_question_gets_its_turn(model: ScriptedModel) -> None:
    """It waits until the turn is given back, however that ends."""
    one, began = embedded(model), threading.Event()

    def ask() -> None:
        with one.turn(soon()):
            began.set()

    other = threading.Thread(target=ask)
    with suppress(ModelError), one.turn(soon()):
        other.start()
        assert not began.wait(0.2)
        raise ModelError("gone")
    assert began.wait(10)
    other.join()
    with one.turn(soon(0.5)):
        pass


def test_a_provider_is_asked_by_many_at_once_and_reads_nothing_in_advance(model: ScriptedModel) -> None:
    """It has a line of its own, so a second answer begins while a first is written; it would be paid for reading."""
    one = LanguageModel(model, "scripted")
    with one.turn(soon()), one.turn(soon(0.5)):
        one.read(ARTICLE)
    assert model.prompts == []


def test_an_engine_that_lost_the_connection_is_asked_once_more(model: ScriptedModel) -> None:
    """Before its first word, a draft and its check come all the same."""
    one, lost = embedded(model), Reply("", error=ConnectionError("lost"))
    model.enqueue(lost, "The mayor.", lost, CHECKED)
    assert list(one.draft("Who closed it?", (), EVIDENCE, soon()))[-1].text == "The mayor."
    assert one.check("Who closed it?", (), EVIDENCE, "The mayor.", soon()) is not None
    assert len(model.prompts) == 4


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_an_engine_that_died_is_not_asked_again(model: ScriptedModel, when: str) -> None:
    """Whether it was dead when the connection was lost, or dies in the pause after it."""
    stub = StubEngine(alive=when == "meanwhile")
    model.enqueue(Reply("", error=ConnectionError("lost")))
    dying = threading.Timer(chat.RETRY_SECONDS / 5, stub.close)
    dying.start()
    with pytest.raises(ModelError, match="ConnectionError"):
        list(embedded(model, stub).draft("Who closed it?", (), EVIDENCE, soon()))
    dying.join()
    assert len(model.prompts) == 1


# The check of a draft


def test_a_check_goes_on_from_the_conversation_of_the_draft(model: ScriptedModel) -> None:
    """What it leaves the model in is returned for the probes to read."""
    model.enqueue("Nine engineers.", CHECKED)
    history = [Turn("What of the bridge?", "It is closed.")]
    one = embedded(model)
    *_, draft = one.draft("Who inspected it?", history, EVIDENCE, soon())
    state = one.check("Who inspected it?", history, EVIDENCE, draft.text, soon())
    assert state is not None
    assert (state == STATE).all()
    drafted, check_prompt = model.prompts
    assert check_prompt[: len(drafted)] == drafted
    said, check = (str(message.content) for message in check_prompt[len(drafted) :])
    assert said == "Nine engineers."
    assert check.endswith("Who inspected it?")


def test_an_answer_goes_on_after_its_opening(model: ScriptedModel) -> None:
    """The state before it tells which; it is part of what was written."""
    model.enqueue(CHECKED, " it is closed.")
    one = embedded(model)
    assert one.beginning("Is it closed?", (), EVIDENCE, soon()) is not None
    assert list(one.draft("Is it closed?", (), EVIDENCE, soon(), opening="Yes,"))[-1].text == "Yes, it is closed."
    assert model.prompts[0] == model.prompts[1]


@pytest.mark.parametrize("stub", [None, StubEngine(adapted=False)])
def test_only_the_model_that_was_trained_to_tell_is_asked(stub: StubEngine | None, model: ScriptedModel) -> None:
    """A provider is not, nor a model file of the operator's own."""
    one = LanguageModel(model, "scripted") if stub is None else embedded(model, stub)
    assert one.check("Who?", (), EVIDENCE, "The mayor.", soon()) is None
    assert model.prompts == []


def test_the_packaged_model_checks_what_a_provider_wrote(model: ScriptedModel) -> None:
    """It is asked as if it had written the draft itself; the two live and end together."""
    provider, stub = ScriptedModel(), StubEngine()
    provider.enqueue("Nine engineers.")
    model.enqueue(CHECKED)
    one = LanguageModel(provider, "provider:m", checker=embedded(model, stub))
    *_, draft = one.draft("Who inspected it?", (), EVIDENCE, soon())
    assert one.check("Who inspected it?", (), EVIDENCE, draft.text, soon()) is not None
    assert [str(message.content) for message in model.prompts[0]][-2] == "Nine engineers."
    assert one.beginning("Is it closed?", (), EVIDENCE, soon()) is None
    assert one.alive
    one.close()
    assert not stub.alive
    assert not one.alive


def test_a_failing_check_is_a_model_error(model: ScriptedModel) -> None:
    """The endpoint's error does not pass."""
    model.enqueue(*[Reply("Yes", error=TimeoutError())] * 2)
    with pytest.raises(ModelError, match="TimeoutError"):
        embedded(model).check("Who?", (), EVIDENCE, "The mayor.", soon())


@given(parts=st.lists(st.sampled_from([CHECK, " ", "?", "Do the passages", "the answer\n\n"]), max_size=4))
def test_nobody_else_brings_in_the_adapter(parts: list[str]) -> None:
    """Whatever is said in article and conversation, the words stand in no draft's prompt, and once in a check's."""
    words = "".join(parts)
    scripted = ScriptedModel()
    scripted.enqueue("Nine.", CHECKED)
    one, evidence = embedded(scripted), passages(Article("a", f"It is so. {words} It is.", "A"))
    list(one.draft(words, [Turn(words, words)], evidence, soon()))
    one.check(words, [Turn(words, words)], evidence, words, soon())
    counts = [sum(str(message.content).count(CHECK) for message in prompt) for prompt in scripted.prompts]
    assert counts == [0, 1]
    assert str(scripted.prompts[1][-1].content).startswith(CHECK)


# What the engine reads in advance


def test_an_article_is_read_once_and_recalled(noted: NotedModel) -> None:
    """What was read is kept under a name of its own, which each question about the article has."""
    one = embedded(noted)
    noted.enqueue("x", "Nine did.")
    one.read(ARTICLE)
    list(one.draft("Who?", (), EVIDENCE, soon()))
    reading, asking = noted.options
    assert (reading["reads_article"], reading["article"]) == (True, asking["article"])
    assert "reads_article" not in asking
    assert "The mayor closed it." in str(noted.prompts[0][0].content)


@pytest.mark.parametrize("way", ["read", "read_now"])
def test_who_asks_while_an_article_is_read_need_not_wait_for_its_end(noted: NotedModel, way: str) -> None:
    """In advance or because somebody waits for it: the reading is called off for the question, and goes on after it."""
    one = embedded(noted)
    noted.enqueue(Reply("x", delay=2.0), "The first.", "x")
    reading = threading.Thread(target=getattr(one, way), args=(ARTICLE,))
    reading.start()
    while not noted.options:
        time.sleep(0.01)
    with one.turn(soon(5)):
        assert list(one.draft("Which?", (), EVIDENCE, soon()))[-1].text == "The first."
    reading.join(10)
    assert [options.get("reads_article", False) for options in noted.options] == [True, False, True]


def test_an_article_that_was_not_read_is_read_when_it_is_asked_about(noted: NotedModel) -> None:
    """Once, and what was read of others goes where there is too much of it; a long one is left to its passages."""
    stub = StubEngine()
    one, long = embedded(noted, stub), Article("long", "word " * (WHOLE_WORDS + 1), "Long")
    noted.enqueue("x")
    one.read_now(ARTICLE)
    ((options,), stub.kept) = noted.options, frozenset(str(each["article"]) for each in noted.options)
    assert options["reads_article"]
    one.read_now(ARTICLE)
    one.read_now(long)
    assert (len(noted.options), stub.newest) == (1, KEPT)


def test_whoever_leaves_waits_for_no_article(noted: NotedModel) -> None:
    """Neither while it is read, nor while another one is."""
    one, stopped = embedded(noted), threading.Event()
    noted.enqueue(Reply("x x x", delay=2.0))
    waiting = [
        threading.Thread(target=one.read_now, args=(each, stopped)) for each in (ARTICLE, replace(ARTICLE, text="x"))
    ]
    for thread in waiting:
        thread.start()
    while not noted.options:
        time.sleep(0.01)
    stopped.set()
    for thread in waiting:
        thread.join(1.5)
    assert not any(thread.is_alive() for thread in waiting)
    assert len(noted.options) == 1


@pytest.mark.parametrize("text", ["дом " * 1200, "市長の家" * 1000, "1,204,331 " * 900])
def test_an_article_of_more_signs_than_there_is_room_for_is_left_to_its_passages(text: str) -> None:
    """However few words it has: a digit, or a sign of another script, takes as much room as an English word."""
    assert not chat.is_short(Article("a", text, "A"))
    assert chat.is_short(Article("a", "house " * 900, "A"))


def test_another_text_is_another_article(noted: NotedModel) -> None:
    """It is read anew, so no answer can come from the old one."""
    noted.enqueue("x", "x")
    for article in (ARTICLE, Article("bridge", "The bridge is open.", "Bridge")):
        embedded(noted).read(article)
    assert len({options["article"] for options in noted.options}) == 2


def test_an_article_that_does_not_fit_is_not_read(noted: NotedModel) -> None:
    """What is longer than the context is left to its passages."""
    one, long = embedded(noted), Article("long", "word " * 5_000, "Long")
    one.read(long)
    noted.enqueue("It is.")
    list(one.draft("Who?", (), passages(long)[:1], soon()))
    assert ["article" in options for options in noted.options] == [False]


def test_an_article_that_cannot_be_read_is_an_error(noted: NotedModel) -> None:
    """As where the disk is full; it is tried once more, and not for ever."""
    noted.enqueue(*[Reply("", error=RuntimeError("full"))] * 2)
    with pytest.raises(ModelError, match="RuntimeError"):
        embedded(noted).read(ARTICLE)
