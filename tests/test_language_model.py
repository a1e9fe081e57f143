"""The language model behind LangChain's seam: how a stream ends, deadlines, turns, and a dead engine."""

from __future__ import annotations

import gc
import itertools
import math
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from conftest import Reply, ScriptedModel
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.outputs import ChatGenerationChunk
from pydantic import Field

from assistant import engine, language_model, weights
from assistant.engine import CONVERSATIONS, Engine
from assistant.errors import ConfigurationError, ModelError
from assistant.language_model import INVOCATION, Draft, LanguageModel, ModelHolder, check_configuration, model_name
from assistant.passages import passages
from assistant.settings import Settings
from assistant.types import Article, Passage, Turn

ARTICLE = Article("bridge", "Nine engineers inspected the bridge.\n\nThe mayor closed it.", "Bridge")
EVIDENCE = passages(ARTICLE)


@dataclass
class StubEngine:
    """An engine that is alive for as long as it is told to be."""

    alive: bool = True
    adapted: bool = True
    address: str = "http://127.0.0.1:9"
    closed: bool = False

    def close(self) -> None:
        """Remember that it was ended."""
        self.alive = False
        self.closed = True


def embedded(model: ScriptedModel, stub: StubEngine | None = None, slots: Path | None = None) -> LanguageModel:
    """Return the scripted model as if an engine stood behind it."""
    return LanguageModel(model, "embedded", cast("Engine", stub or StubEngine()), slots)


def begin(one: LanguageModel, model: ScriptedModel, count: int) -> list[Iterator[Draft]]:
    """Return so many drafts that are being written, each of which holds a slot."""
    model.enqueue(*["Nine engineers did."] * count)
    writing = [one.draft("Who inspected it?", (), EVIDENCE, soon()) for _ in range(count)]
    for draft in writing:
        next(draft)
    return writing


def told(**chances: float) -> Reply:
    """Return the reply of an engine that gives the next token these probabilities."""
    tokens = [{"token": token.replace("_", " "), "logprob": math.log(chance)} for token, chance in chances.items()]
    return Reply("Yes", metadata={"logprobs": {"content": [{"token": " Yes", "top_logprobs": tokens}]}})


def soon(seconds: float = 30.0) -> float:
    """Return a deadline so many seconds from now."""
    return time.monotonic() + seconds


def drafts_of(model: ScriptedModel, reply: Reply | str, deadline: float | None = None) -> list[Draft]:
    """Return every draft of one answer."""
    model.enqueue(reply)
    asked: list[Passage] = EVIDENCE
    return list(LanguageModel(model, "scripted").draft("Who?", (), asked, deadline or soon()))


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
    """Out of tokens, filtered, or dropped without a word: the text stands, but not as a finished one."""
    last = drafts_of(model, Reply("Nine engineers inspected", finish_reason=reason))[-1]
    assert last == Draft("Nine engineers inspected", complete=False)


@pytest.mark.parametrize(("reason", "too_long"), [("length", True), ("content_filter", False), (None, False)])
def test_only_the_engine_is_known_to_have_said_too_much(
    reason: str | None, model: ScriptedModel, *, too_long: bool
) -> None:
    """It was stopped where an answer must end; another endpoint may have had no room for more."""
    model.enqueue(Reply("Nine engineers inspected", finish_reason=reason))
    *_, last = embedded(model).draft("Who inspected it?", (), EVIDENCE, soon())
    assert (last.complete, last.too_long) == (False, too_long)


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


def test_a_busy_model_gives_up_when_the_time_is_up(model: ScriptedModel) -> None:
    """Where all slots are taken, another question waits until its own deadline and not longer."""
    one = embedded(model)
    writing = begin(one, model, CONVERSATIONS)
    started = time.monotonic()
    with pytest.raises(ModelError, match="busy"):
        next(one.draft("What?", (), EVIDENCE, soon(0.1)))
    with pytest.raises(ModelError, match="busy"):
        one.margins("What?", (), EVIDENCE, "The mayor.", soon(0.1))
    assert time.monotonic() - started < 2.0
    assert list(writing[0])[-1].complete


@pytest.mark.parametrize("how", ["finished", "abandoned", "failed"])
def test_the_next_question_gets_its_turn(model: ScriptedModel, how: str) -> None:
    """However an answer ends, also when nobody reads it to the end, the model is free again."""
    one = embedded(model)
    others = begin(one, model, CONVERSATIONS - 1)
    model.enqueue(Reply("Nine engineers did.", error=OSError("gone") if how == "failed" else None), "The mayor.")
    writing = one.draft("Who?", (), EVIDENCE, soon())
    next(writing)
    if how == "abandoned":
        cast("Generator[Draft]", writing).close()
    elif how == "failed":
        with pytest.raises(ModelError):
            list(writing)
    else:
        list(writing)
    assert list(one.draft("And?", (), EVIDENCE, soon(0.5)))[-1].text == "The mayor."
    assert all(list(other)[-1].complete for other in others)


def test_a_provider_is_asked_by_many_at_once(model: ScriptedModel) -> None:
    """It has a line of its own, so a second answer begins, and ends, while a first one is being written."""
    one = LanguageModel(model, "scripted")
    model.enqueue("Nine engineers inspected it.", "The mayor.")
    writing = one.draft("Who?", (), EVIDENCE, soon())
    next(writing)
    assert list(one.draft("What?", (), EVIDENCE, soon(5)))[-1].text == "The mayor."
    assert list(writing)[-1].complete


def test_a_question_keeps_its_slot_for_its_turn() -> None:
    """The draft and what is asked after it are one conversation, and whoever asks meanwhile has another."""
    noted = NotedModel()
    one = embedded(noted)
    noted.enqueue("Nine engineers.", "The mayor.", told(yes=1.0), "The mayor.")
    with one.turn(soon()):
        list(one.draft("Who inspected it?", (), EVIDENCE, soon()))
        other = threading.Thread(target=lambda: list(one.draft("Who closed it?", (), EVIDENCE, soon())))
        other.start()
        other.join(10)
        one.margins("Who inspected it?", (), EVIDENCE, "Nine engineers.", soon())
    list(one.draft("Who closed it?", (), EVIDENCE, soon()))
    slots = [options["extra_body"]["id_slot"] for options in noted.options]
    assert slots[0] == slots[2] == slots[3] != slots[1]


def test_when_all_slots_are_taken_the_next_question_waits(model: ScriptedModel) -> None:
    """Until one of them has been answered."""
    one = embedded(model)
    writing = begin(one, model, CONVERSATIONS)
    model.enqueue("The mayor.")
    drafts: list[Draft] = []
    other = threading.Thread(target=lambda: drafts.extend(one.draft("Who closed it?", (), EVIDENCE, soon())))
    other.start()
    other.join(0.2)
    assert drafts == []
    list(writing[0])
    other.join(10)
    assert drafts[-1].text == "The mayor."


def test_a_turn_that_goes_wrong_is_given_up(model: ScriptedModel) -> None:
    """What fails within a turn leaves the engine to the next question."""
    one = embedded(model)
    model.enqueue(*[Reply("", error=ConnectionError("lost"))] * 2, "The mayor.")
    with pytest.raises(ModelError), one.turn(soon()):
        list(one.draft("Who inspected it?", (), EVIDENCE, soon()))
    assert list(one.draft("Who closed it?", (), EVIDENCE, soon(1)))[-1].text == "The mayor."


def test_an_engine_that_lost_the_connection_is_asked_once_more(model: ScriptedModel) -> None:
    """Before its first word, a draft and its check come all the same."""
    one, lost = embedded(model), Reply("", error=ConnectionError("lost"))
    model.enqueue(lost, "The mayor.", lost, told(yes=1.0))
    assert list(one.draft("Who closed it?", (), EVIDENCE, soon()))[-1].text == "The mayor."
    assert one.margins("Who closed it?", (), EVIDENCE, "The mayor.", soon()) is not None
    assert len(model.prompts) == 4


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_an_engine_that_died_is_not_asked_again(model: ScriptedModel, when: str) -> None:
    """Whether it was dead when the connection was lost, or dies in the pause after it."""
    stub = StubEngine(alive=when == "meanwhile")
    model.enqueue(Reply("", error=ConnectionError("lost")))
    dying = threading.Timer(language_model.RETRY_SECONDS / 5, stub.close)
    dying.start()
    with pytest.raises(ModelError, match="ConnectionError"):
        list(embedded(model, stub).draft("Who closed it?", (), EVIDENCE, soon()))
    dying.join()
    assert len(model.prompts) == 1


# Evidence that is read anew


class NotedModel(ScriptedModel):
    """Remembers with which options it was asked."""

    options: list[dict[str, Any]] = Field(default_factory=list)

    def _stream(self, *messages: Any, **options: Any) -> Iterator[ChatGenerationChunk]:  # noqa: ANN401
        self.options.append(options)
        yield from super()._stream(*messages, **options)


def test_what_is_read_apart_is_not_taken_over() -> None:
    """Only then the engine is told so, for the draft and for its check."""
    noted = NotedModel()
    one = embedded(noted)
    for apart in (False, True):
        noted.enqueue("Nine did.", told(yes=1.0))
        list(one.draft("Who inspected it?", (), EVIDENCE, soon(), apart=apart))
        one.margins("Who inspected it?", (), EVIDENCE, "Nine did.", soon(), apart=apart)
    told_of = [options["extra_body"].get("n_cache_reuse") for options in noted.options]
    assert told_of == [None, None, 0, 0]


# The margins of a draft


def test_the_margins_weigh_the_verdicts(model: ScriptedModel) -> None:
    """Every spelling of a verdict counts, with its probability, and the check goes on from the draft's conversation."""
    model.enqueue("Nine engineers.", told(_Yes=0.5, yes=0.1, wrong=0.2, No=0.1, maybe=0.1))
    history = [Turn("What of the bridge?", "It is closed.")]
    one = embedded(model)
    *_, draft = one.draft("Who inspected it?", history, EVIDENCE, soon())
    margins = one.margins("Who inspected it?", history, EVIDENCE, draft.text, soon())
    assert margins == pytest.approx((math.log(0.8 / 0.1), math.log(0.6 / 0.3)), abs=0.001)
    drafted, checked = model.prompts
    assert checked[: len(drafted)] == drafted
    said, check = (str(message.content) for message in checked[len(drafted) :])
    assert said == "Nine engineers."
    assert check.endswith("Who inspected it?")


@pytest.mark.parametrize("stub", [None, StubEngine(adapted=False)])
def test_only_the_model_that_was_trained_to_tell_is_asked(stub: StubEngine | None, model: ScriptedModel) -> None:
    """A provider is not, nor a model file of the operator's own."""
    one = LanguageModel(model, "scripted") if stub is None else embedded(model, stub)
    assert one.margins("Who?", (), EVIDENCE, "The mayor.", soon()) is None
    assert model.prompts == []


def test_a_failing_margin_is_a_model_error(model: ScriptedModel) -> None:
    """The endpoint's error does not pass."""
    model.enqueue(*[Reply("Yes", error=TimeoutError())] * 2)
    with pytest.raises(ModelError, match="TimeoutError"):
        embedded(model).margins("Who?", (), EVIDENCE, "The mayor.", soon())


@given(parts=st.lists(st.sampled_from([INVOCATION, " ", "?", "Do the passages", "the answer\n\n"]), max_size=4))
def test_nobody_else_brings_in_the_adapter(parts: list[str]) -> None:
    """Whatever is said in article and conversation, the words stand in no draft's prompt, and once in a check's."""
    words = "".join(parts)
    scripted = ScriptedModel()
    scripted.enqueue("Nine.", told(yes=1.0))
    one, evidence = embedded(scripted), passages(Article("a", f"It is so. {words} It is.", "A"))
    list(one.draft(words, [Turn(words, words)], evidence, soon()))
    one.margins(words, [Turn(words, words)], evidence, words, soon())
    counts = [sum(str(message.content).count(INVOCATION) for message in prompt) for prompt in scripted.prompts]
    assert counts == [0, 1]
    assert str(scripted.prompts[1][-1].content).startswith(INVOCATION)


# What the engine has read


LONG_ARTICLE = Article("piers", "\n\n".join(f"Pier {n}. " + "It is new. " * 60 for n in range(3)), "Piers")
"""More than is read at once."""


@pytest.fixture
def slot_calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str]]:
    """Do what the engine does with its slot's files, and return a list of what was asked of it."""
    calls: list[tuple[str, str]] = []

    def post(url: str, json: dict[str, str], timeout: float, **_: object) -> httpx.Response:
        assert timeout > 0
        action, file = url.partition("action=")[2], tmp_path / json["filename"]
        calls.append((action, file.name))
        if action == "save":
            file.touch()
        return httpx.Response(200 if file.exists() else 400, request=httpx.Request("POST", url))

    monkeypatch.setattr(httpx, "post", post)
    return calls


def test_an_article_is_read_once_and_recalled(
    model: ScriptedModel, tmp_path: Path, slot_calls: list[tuple[str, str]]
) -> None:
    """The state after reading is saved under a name of its own, and restored before each answer."""
    one = embedded(model, slots=tmp_path)
    model.enqueue("x", "Nine did.")
    one.read([ARTICLE])
    assert [action for action, _ in slot_calls] == ["save"]
    one.read([ARTICLE])
    assert len(model.prompts) == 1
    list(one.draft("Who?", (), EVIDENCE, soon()))
    (saved,) = tmp_path.iterdir()
    assert slot_calls[1:] == [("restore", saved.name)]


def test_who_asks_while_an_article_is_read_waits_for_a_part_of_it_alone(
    model: ScriptedModel, tmp_path: Path, slot_calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question comes between two parts and begins from what was read so far, as does the next part after it."""
    monkeypatch.setattr(language_model, "GIVE_WAY_SECONDS", 1.0)
    one = embedded(model, slots=tmp_path)
    model.enqueue("x", "The first.", "x")
    asking = threading.Thread(target=lambda: list(one.draft("Which?", (), passages(LONG_ARTICLE)[:1], soon())))
    answer = httpx.post

    def post(*arguments: Any, **options: Any) -> httpx.Response:  # noqa: ANN401
        if not slot_calls:
            asking.start()
            asking.join(0.2)
        return answer(*arguments, **options)

    monkeypatch.setattr(httpx, "post", post)
    one.read([LONG_ARTICLE])
    asking.join(10)
    assert ["Which?" in str(prompt[-1].content) for prompt in model.prompts] == [False, True, False]
    assert [action for action, _ in slot_calls] == ["save", "restore", "restore", "save"]
    assert len({name for _, name in slot_calls}) == 1
    assert ["Pier 2" in str(prompt[0].content) for prompt in model.prompts] == [False, False, True]
    assert [file.suffix for file in tmp_path.iterdir()] == [".bin"]


@pytest.mark.usefixtures("slot_calls")
def test_no_part_of_an_article_begins_with_what_was_read_before(tmp_path: Path) -> None:
    """What a question before it held is not taken over into what is kept for all who ask later."""
    noted = NotedModel()
    noted.enqueue("x", "x")
    embedded(noted, slots=tmp_path).read([LONG_ARTICLE])
    assert [options["extra_body"].get("n_cache_reuse") for options in noted.options] == [0, 0]


def test_what_was_not_read_to_the_end_is_read_anew(
    model: ScriptedModel, tmp_path: Path, slot_calls: list[tuple[str, str]]
) -> None:
    """A process that ended in the middle leaves a part, which is not taken for the whole."""
    model.enqueue("x", *[Reply("", error=ConnectionError("lost"))] * 2, "x", "x")
    with pytest.raises(ModelError):
        embedded(model, slots=tmp_path).read([LONG_ARTICLE])
    assert len(list(tmp_path.iterdir())) == 1
    slot_calls.clear()
    one = embedded(model, slots=tmp_path)
    one.read([LONG_ARTICLE])
    assert [action for action, _ in slot_calls] == ["save", "restore", "save"]
    one.read([LONG_ARTICLE])
    assert len(model.prompts) == 5


def test_what_was_read_is_forgotten_when_the_article_changes(
    model: ScriptedModel, tmp_path: Path, slot_calls: list[tuple[str, str]]
) -> None:
    """Another text is read anew, so no answer can come from the old one."""
    one = embedded(model, slots=tmp_path)
    model.enqueue("x", "x")
    one.read([ARTICLE, Article("bridge", "The bridge is open.", "Bridge")])
    names = {name for _, name in slot_calls}
    assert len(names) == 2


@pytest.mark.usefixtures("slot_calls")
def test_a_state_that_cannot_be_restored_costs_only_time(
    model: ScriptedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged file is removed, and the answer comes all the same."""
    one = embedded(model, slots=tmp_path)
    model.enqueue("x", "Nine did.")
    one.read([ARTICLE])
    (saved,) = tmp_path.iterdir()

    def refuse(url: str, **_: object) -> httpx.Response:
        return httpx.Response(500, request=httpx.Request("POST", url))

    monkeypatch.setattr(httpx, "post", refuse)
    assert list(one.draft("Who?", (), EVIDENCE, soon()))[-1].text == "Nine did."
    assert not saved.exists()


@pytest.mark.parametrize("how", ["refused", "lost"])
def test_a_part_that_cannot_be_kept_is_not_taken_for_the_whole(
    how: str, model: ScriptedModel, tmp_path: Path, slot_calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk, or where the engine is gone, the article is read again at the next start."""
    keep = httpx.post

    def fail_later(url: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        if "action=save" not in url or not slot_calls:
            return keep(url, **options)
        if how == "lost":
            raise httpx.ConnectError("gone")
        return httpx.Response(500, request=httpx.Request("POST", url))

    monkeypatch.setattr(httpx, "post", fail_later)
    model.enqueue("x", "x")
    with pytest.raises(ModelError, match="kept"):
        embedded(model, slots=tmp_path).read([LONG_ARTICLE])
    assert len(model.prompts) == 2
    assert not list(tmp_path.glob("*.bin"))


def test_an_article_that_does_not_fit_is_not_read(
    model: ScriptedModel, tmp_path: Path, slot_calls: list[tuple[str, str]]
) -> None:
    """What is longer than the context is left to its passages."""
    embedded(model, slots=tmp_path).read([Article("long", "word " * 5_000, "Long")])
    assert model.prompts == []
    assert slot_calls == []


# Configuration


@pytest.mark.parametrize(
    "name", ["nonsense:model", "no-such-provider-or-model", "openai:gpt-4.1-mini", "mistralai:small", ":", "local:x"]
)
def test_a_model_that_cannot_be_used_is_refused_at_the_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown provider, a missing package and a missing key are told in one line that names the setting."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        check_configuration(Settings(model=name))
    message = str(caught.value)
    assert message.startswith(f"ASSISTANT_MODEL is {name!r}: ")
    assert "\n" not in message
    assert re.search(r"install it$|use local, none, or provider:model", message)


def test_a_self_hosted_server_needs_no_more_than_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """VLLM and its like are spoken to as OpenAI, at a base URL."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    settings = Settings(model="openai:some-model", model_url="http://127.0.0.1:9/v1")
    check_configuration(settings)
    opened = language_model.open_language_model(settings, lambda what, done, total: None)
    assert opened is not None
    assert (opened.name, opened.alive) == ("openai:some-model", True)


def test_a_missing_model_file_is_refused_at_the_start(tmp_path: Path) -> None:
    """The file and the setting are named."""
    with pytest.raises(ConfigurationError, match=r"absent\.gguf does not exist: set ASSISTANT_MODEL_FILE"):
        check_configuration(Settings(model_file=str(tmp_path / "absent.gguf")))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (Settings(), "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
        (Settings(model_file="/models/other.gguf"), "other.gguf"),
        (Settings(model="none"), "none"),
        (Settings(model="openai:gpt"), "openai:gpt"),
    ],
)
def test_the_model_has_a_name_before_it_is_loaded(settings: Settings, name: str) -> None:
    """The answer tells what it was written by: a file or a provider's model."""
    assert model_name(settings) == name


# Loading, and a dead engine


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a shell script in place of the engine's Python: it says that it is ready and waits for its input to close."""
    script = tmp_path / "child"
    script.write_text("#!/bin/sh\necho loading\necho ready http://127.0.0.1:9\nexec cat > /dev/null\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(language_model, "RESTART_SECONDS", (0.0,))
    return script


def local(tmp_path: Path) -> Settings:
    """Return settings for the embedded engine with a file that only the script sees."""
    file = tmp_path / "model.gguf"
    file.touch()
    return Settings(model_file=str(file), data=tmp_path / "data")


def hold(settings: Settings) -> ModelHolder:
    """Return a holder that has tried to load its model."""
    holder = ModelHolder(settings, (), lambda what, done, total: None)
    holder.wait()
    return holder


def test_an_engine_is_alive_until_it_is_closed(child: Path, tmp_path: Path) -> None:
    """The child prints its address and is gone after closing."""
    running = Engine(child, tmp_path / "slots", 1)
    assert running.address == "http://127.0.0.1:9"
    assert running.alive
    assert Path(f"/proc/{running.process_id}").exists()
    running.close()
    assert not running.alive


def test_an_engine_that_does_not_start_says_so(child: Path, tmp_path: Path) -> None:
    """A child that ends before it is ready is an error with what may be missing."""
    child.write_text("#!/bin/sh\necho loading\n")
    with pytest.raises(ModelError, match="did not start: is there enough memory"):
        Engine(child, tmp_path / "slots", 1)


def test_an_engine_that_hangs_at_the_start_is_ended(
    child: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that never gets ready is killed when its time is up."""
    child.write_text("#!/bin/sh\nexec cat\n")
    monkeypatch.setattr(engine, "START_SECONDS", 0.2)
    with pytest.raises(ModelError, match="did not start"):
        Engine(child, tmp_path / "slots", 1)


@pytest.mark.usefixtures("child")
def test_what_another_version_of_the_engine_has_read_is_deleted(tmp_path: Path) -> None:
    """This one cannot read it, and nobody else would ever delete it; its own is kept."""
    settings = local(tmp_path)
    hold(settings).close()
    (own,) = (settings.data / "slots").iterdir()
    (own / "article.bin").touch()
    (settings.data / "slots" / "another-1.0").mkdir()
    for other in ("article.bin", "another-1.0/article.bin"):
        (settings.data / "slots" / other).touch()
    hold(settings).close()
    assert [file for file in (settings.data / "slots").rglob("*") if file.is_file()] == [own / "article.bin"]


def test_an_engine_that_is_not_installed_makes_the_model_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to run is said."""
    monkeypatch.setattr(language_model, "ENGINE_PACKAGE", "no-such-engine")
    with closing(hold(local(tmp_path))) as holder:
        assert holder.state == f"unavailable: The language model's engine is not installed: run {weights.INSTALL}"


@pytest.mark.usefixtures("child")
def test_a_dead_engine_is_started_again(tmp_path: Path) -> None:
    """Killing the child loses the model for a moment: nothing is waited for, and the next one is another process."""
    with closing(hold(local(tmp_path))) as holder:
        first = holder.get()
        assert first is not None
        assert first._engine is not None
        assert holder.state == "ready"
        process_id = first._engine.process_id
        os.kill(process_id, signal.SIGKILL)
        while first.alive:
            time.sleep(0.01)
        assert holder.get() is None
        holder.wait()
        second = holder.get()
        assert second is not None
        assert second._engine is not None
        assert second._engine.process_id != process_id
        assert holder.state == "ready"
        del first
        gc.collect()  # What the dead engine had left open would warn here.
    assert not second.alive


def test_an_engine_that_starts_at_a_later_try_is_ready(child: Path, tmp_path: Path) -> None:
    """A restart that failed makes the model unavailable until the next one succeeds, and no longer."""
    with closing(hold(local(tmp_path))) as holder:
        first = holder.get()
        assert first is not None
        first.close()
        good = child.read_text()
        child.write_text("#!/bin/sh\n")
        assert holder.get() is None
        holder.wait()
        assert holder.state.startswith("unavailable: ")
        child.write_text(good)
        assert holder.get() is None
        holder.wait()
        assert holder.get() is not None
        assert holder.state == "ready"


@pytest.mark.usefixtures("child")
def test_a_closed_holder_starts_nothing_again(tmp_path: Path) -> None:
    """After closing there is no model, and asking for it brings none back."""
    holder = hold(local(tmp_path))
    holder.close()
    assert holder.get() is None
    holder.wait()
    assert holder.get() is None


def test_an_engine_that_cannot_start_makes_the_model_unavailable(child: Path, tmp_path: Path) -> None:
    """The state says why and nobody gets a model; who asks has it tried again, which may go well."""
    good = child.read_text()
    child.write_text("#!/bin/sh\n")
    with closing(hold(local(tmp_path))) as holder:
        assert holder.state.startswith("unavailable: The language model's engine did not start")
        assert "model.gguf" in holder.state
        child.write_text(good)
        assert holder.get() is None
        holder.wait()
        assert holder.get() is not None
        assert holder.state == "ready"


@pytest.mark.usefixtures("child")
def test_a_file_with_another_hash_is_never_loaded(tmp_path: Path) -> None:
    """A model file that is not the one the operator named fails closed, and trying again would not help."""
    file = tmp_path / "model.gguf"
    file.write_bytes(b"other")
    holder = hold(Settings(model_file=str(file), model_sha256="0" * 64, data=tmp_path / "data"))
    assert holder.get() is None
    holder.wait()
    assert "damaged or not the official one" in holder.state


def test_no_model_is_a_state_of_its_own() -> None:
    """ "none" is neither loading nor unavailable."""
    holder = hold(Settings(model="none"))
    assert (holder.state, holder.get()) == ("none", None)


def test_a_model_is_loaded_while_others_go_on(monkeypatch: pytest.MonkeyPatch, model: ScriptedModel) -> None:
    """Until it is loaded there is none, at once; then there is."""
    loaded = threading.Event()

    def slowly(_settings: Settings, _progress: object) -> LanguageModel:
        loaded.wait(10)
        return LanguageModel(model, "scripted")

    monkeypatch.setattr(language_model, "open_language_model", slowly)
    holder = ModelHolder(Settings(model="scripted:test"), (), lambda what, done, total: None)
    assert (holder.state, holder.get()) == ("loading", None)
    loaded.set()
    holder.wait()
    assert holder.state == "ready"
    assert holder.get() is not None


def test_closing_while_it_loads_ends_the_engine(monkeypatch: pytest.MonkeyPatch, model: ScriptedModel) -> None:
    """An engine that gets ready after closing is ended, so no process is left behind."""
    loaded = threading.Event()
    stub = StubEngine()

    def slowly(_settings: Settings, _progress: object) -> LanguageModel:
        loaded.wait(10)
        return embedded(model, stub)

    monkeypatch.setattr(language_model, "open_language_model", slowly)
    holder = ModelHolder(Settings(model="scripted:test"), (), lambda what, done, total: None)
    holder.close()
    loaded.set()
    holder.wait()
    assert stub.closed
    assert holder.get() is None
