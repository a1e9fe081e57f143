"""The packaged model behind LangChain's seam: how a reply ends, deadlines, turns, and what is read in advance."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from scripted_engine import SURE, Reply, ScriptedModel, StubEngine, packaged, state_of

from assistant.articles.passages import passages
from assistant.errors import Fault, ModelError
from assistant.model import chat
from assistant.model.chat import KEPT, WHOLE_WORDS, Draft
from assistant.model.limit import Limit
from assistant.model.prompts import CHECK
from assistant.types import Article, Turn

ARTICLE = Article("bridge", "Nine engineers inspected the bridge.\n\nThe mayor closed it.", "Bridge")
EVIDENCE = passages(ARTICLE)


@pytest.fixture
def model() -> ScriptedModel:
    """Return a model that has no replies yet."""
    return ScriptedModel()


def soon(seconds: float = 30.0) -> Limit:
    """Return a limit so many seconds from now."""
    return Limit.of_seconds(seconds)


def draft_of(model: ScriptedModel, reply: Reply | str, limit: Limit | None = None, opening: str = "") -> Draft:
    """Return the draft that a reply makes."""
    model.enqueue(reply)
    return packaged(model).draft("Who?", (), EVIDENCE, limit or soon(), opening)


# How a reply ends


def test_a_draft_is_what_was_said(model: ScriptedModel) -> None:
    """It is stripped, and complete where the model itself ended; of punctuation alone nothing is scored."""
    draft = draft_of(model, " Nine engineers \u2014 inspected it. ")
    assert (draft.text, draft.complete) == ("Nine engineers \u2014 inspected it.", True)
    assert draft.log_probabilities == (-0.1,) * 4


@pytest.mark.parametrize("reason", ["length", None])
def test_a_draft_that_was_cut_off_is_not_complete(model: ScriptedModel, reason: str | None) -> None:
    """Out of tokens, or dropped without a word: the text stands, but not as a finished one."""
    draft = draft_of(model, Reply("Nine engineers inspected", finish_reason=reason))
    assert (draft.text, draft.complete) == ("Nine engineers inspected", False)


@pytest.mark.parametrize("text", ["", " \n "])
def test_an_empty_draft_is_an_error(model: ScriptedModel, text: str) -> None:
    """Saying nothing is not an answer."""
    with pytest.raises(ModelError) as caught:
        draft_of(model, text)
    assert caught.value.fault is Fault.EMPTY


def test_a_dead_engine_is_a_model_error(model: ScriptedModel) -> None:
    """Whatever it raises is named in one line, without its message, and keeps its cause."""
    with pytest.raises(
        ModelError, match=r"^The engine failed: ConnectionError: ask again in a moment, it is started anew$"
    ) as caught:
        draft_of(model, Reply("Nine engineers", error=ConnectionError("secret\nkey")))
    assert caught.value.fault is Fault.ENGINE
    assert isinstance(caught.value.__cause__, ConnectionError)
    model.sure = None
    with pytest.raises(
        ModelError, match=r"^The engine failed: RuntimeError: ask again in a moment, it is started anew$"
    ):
        packaged(model).check("Who?", (), EVIDENCE, "The mayor.", soon())


# Time


def test_a_dripping_reply_ends_at_the_deadline(model: ScriptedModel) -> None:
    """Words that keep coming do not keep the reader waiting: the text so far stands, cut off."""
    started = time.monotonic()
    draft = draft_of(model, Reply("word " * 500, delay=0.02), soon(0.3))
    assert time.monotonic() - started < 2.0
    assert not draft.complete
    assert 0 < len(draft.text.split()) < 100


class SilentModel(ScriptedModel):
    """Says nothing for a long time."""

    async def _astream(self, *_: object, **__: object) -> AsyncIterator[ChatGenerationChunk]:
        await asyncio.sleep(30)
        yield ChatGenerationChunk(message=AIMessageChunk(content="late"))


def test_a_model_that_says_nothing_in_its_time_is_an_error() -> None:
    """Neither a draft nor a check waits longer."""
    one = packaged(SilentModel())
    for ask in (one.draft, partial(one.check, draft="The mayor.")):
        with pytest.raises(ModelError) as caught:
            ask("Who?", (), EVIDENCE, limit=soon(0.1))
        assert caught.value.fault is Fault.TIME_UP


def test_a_busy_model_gives_up_when_the_time_is_up_or_the_reader_leaves(model: ScriptedModel) -> None:
    """Where another question has its turn, the next one waits until its own limit and not longer."""
    one, stopped = packaged(model), threading.Event()
    started = time.monotonic()
    with one.turn(soon()):
        threading.Timer(0.2, stopped.set).start()
        for limit in (soon(0.1), Limit.of_seconds(30.0, stopped)):
            with pytest.raises(ModelError) as caught, one.turn(limit):
                pass
            assert caught.value.fault is Fault.BUSY
    assert time.monotonic() - started < 2.0


def test_the_next_question_gets_its_turn(model: ScriptedModel) -> None:
    """It waits until the turn is given back, however that ends."""
    one, began = packaged(model), threading.Event()

    def ask() -> None:
        with one.turn(soon()):
            began.set()

    other = threading.Thread(target=ask)
    with suppress(ModelError), one.turn(soon()):
        other.start()
        assert not began.wait(0.2)
        raise ModelError(Fault.ENGINE, "gone")
    assert began.wait(10)
    other.join()


# The check of a draft


def test_a_check_goes_on_from_the_conversation_of_the_draft(model: ScriptedModel) -> None:
    """What it leaves the model in is returned for the probes to read."""
    model.enqueue("Nine engineers.")
    one, history = packaged(model), [Turn("What of the bridge?", "It is closed.")]
    draft = one.draft("Who inspected it?", history, EVIDENCE, soon())
    state = one.check("Who inspected it?", history, EVIDENCE, draft.text, soon())
    assert np.array_equal(state, np.array(state_of(SURE), dtype=np.float32))
    drafted, check_prompt = model.prompts
    assert check_prompt[: len(drafted)] == drafted
    said, check = (str(message.content) for message in check_prompt[len(drafted) :])
    assert said == "Nine engineers."
    assert check.endswith("Who inspected it?")


def test_an_answer_goes_on_after_its_opening(model: ScriptedModel) -> None:
    """The state before it tells which; it is part of what was written."""
    packaged(model).beginning("Who?", (), EVIDENCE, soon())
    assert draft_of(model, " it is closed.", opening="Yes,").text == "Yes, it is closed."
    assert model.prompts[0] == model.prompts[1]
    assert model.options[1]["opening"] == "Yes,"


@given(parts=st.lists(st.sampled_from([CHECK, " ", "?", "Do the passages", "the answer\n\n"]), max_size=4))
def test_nobody_else_brings_in_the_adapter(parts: list[str]) -> None:
    """Whatever is said in article and conversation, the words stand in no draft's prompt, and once in a check's."""
    words = "".join(parts)
    scripted = ScriptedModel()
    scripted.enqueue("Nine.")
    one, evidence = packaged(scripted), passages(Article("a", f"It is so. {words} It is.", "A"))
    one.draft(words, [Turn(words, words)], evidence, soon())
    one.check(words, [Turn(words, words)], evidence, words, soon())
    counts = [sum(str(message.content).count(CHECK) for message in prompt) for prompt in scripted.prompts]
    assert counts == [0, 1]
    assert str(scripted.prompts[1][-1].content).startswith(CHECK)


# What the engine reads in advance


def test_an_article_is_read_once_and_recalled(model: ScriptedModel) -> None:
    """What was read is kept under a name of its own, which each question about the article has."""
    packaged(model).read(ARTICLE)
    draft_of(model, "Nine did.")
    reading, asking = model.options
    assert (reading["reads_article"], reading["article"]) == (True, asking["article"])
    assert "reads_article" not in asking
    assert "The mayor closed it." in str(model.prompts[0][0].content)


@pytest.mark.parametrize("way", ["read", "read_now"])
def test_who_asks_while_an_article_is_read_need_not_wait_for_its_end(model: ScriptedModel, way: str) -> None:
    """In advance or because somebody waits for it: the reading is called off for the question, and goes on after it."""
    one = packaged(model, StubEngine(kept=frozenset()))
    model.enqueue(Reply("x", delay=30.0), "The first.")
    reading = threading.Thread(target=getattr(one, way), args=(ARTICLE,))
    reading.start()
    while not model.options:
        time.sleep(0.01)
    with one.turn(soon(5)):
        assert one.draft("Which?", (), EVIDENCE, soon()).text == "The first."
    reading.join(10)
    assert [options.get("reads_article", False) for options in model.options] == [True, False, True]


@pytest.mark.parametrize("way", ["read", "read_now"])
def test_an_article_waits_for_the_question_that_is_being_answered(model: ScriptedModel, way: str) -> None:
    """A question that has the model keeps it, and the article is read after it."""
    one = packaged(model, StubEngine(kept=frozenset()))
    with one.turn(soon()):
        reading = threading.Thread(target=getattr(one, way), args=(ARTICLE,))
        reading.start()
        reading.join(0.3)
        assert (reading.is_alive(), model.options) == (True, [])
    reading.join(10)
    assert [options["reads_article"] for options in model.options] == [True]


def test_an_article_that_was_not_read_is_read_when_it_is_asked_about(model: ScriptedModel) -> None:
    """Once, and what was read of others goes where there is too much of it; a long one is left to its passages."""
    stub = StubEngine(kept=frozenset())
    one, long = packaged(model, stub), Article("long", "word " * (WHOLE_WORDS + 1), "Long")
    one.read_now(ARTICLE)
    ((options,), stub.kept) = model.options, frozenset(str(each["article"]) for each in model.options)
    assert options["reads_article"]
    one.read_now(ARTICLE)
    one.read_now(long)
    assert (len(model.options), stub.newest) == (1, KEPT)


def test_whoever_leaves_waits_for_no_article(model: ScriptedModel) -> None:
    """Neither while it is read, nor while another one is."""
    one, stopped = packaged(model, StubEngine(kept=frozenset())), threading.Event()
    model.enqueue(Reply("x", delay=30.0))
    waiting = [
        threading.Thread(target=one.read_now, args=(each, stopped)) for each in (ARTICLE, replace(ARTICLE, text="x"))
    ]
    for thread in waiting:
        thread.start()
    while not model.options:
        time.sleep(0.01)
    stopped.set()
    for thread in waiting:
        thread.join(1.5)
    assert not any(thread.is_alive() for thread in waiting)
    assert len(model.options) == 1


@pytest.mark.parametrize("text", ["дом " * 1200, "市長の家" * 1000, "1,204,331 " * 900])
def test_an_article_of_more_signs_than_there_is_room_for_is_left_to_its_passages(text: str) -> None:
    """However few words it has: a digit, or a sign of another script, takes as much room as an English word."""
    assert not chat.is_short(Article("a", text, "A"))
    assert chat.is_short(Article("a", "house " * 900, "A"))


def test_another_text_is_another_article(model: ScriptedModel) -> None:
    """It is read anew, so no answer can come from the old one."""
    for article in (ARTICLE, replace(ARTICLE, text="The bridge is open.")):
        packaged(model).read(article)
    assert len({options["article"] for options in model.options}) == 2


def test_an_article_that_does_not_fit_is_not_read(model: ScriptedModel) -> None:
    """What is longer than the context is left to its passages."""
    one, long = packaged(model), Article("long", "word " * 5_000, "Long")
    one.read(long)
    model.enqueue("It is.")
    one.draft("Who?", (), passages(long)[:1], soon())
    assert ["article" in options for options in model.options] == [False]


def test_an_article_that_cannot_be_read_is_an_error(model: ScriptedModel) -> None:
    """As where the disk is full; it is not tried for ever."""
    model.enqueue(Reply("", error=RuntimeError("full")))
    with pytest.raises(ModelError, match="RuntimeError"):
        packaged(model).read(ARTICLE)
