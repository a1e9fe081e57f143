"""The engine's process and its parent: real processes, in which a scripted decoder takes the place of the model."""

import asyncio
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from assistant.model.engine.process import Engine, EngineChat, Reply
from assistant.settings import PROJECT

CHILD = '''
import os, sys, time
import numpy as np
from assistant.model.engine import child as engine_child
from assistant.model.engine.decoder import Token

PIECES = [b"The ", b"caf\\xc3", b"\\xa9 ", b"is ", b"open."]
WORDS = {0: b"yes", 1: b"no", 2: b"wrong"}


class Scripted:
    """Does what the last message tells it to; the decoder of the real engine has the same methods."""

    room = 50

    def __init__(self, *_):
        pass

    def prompt(self, messages, opening=""):
        self.messages = messages
        self.asked = messages[-1][1]
        print("a library says something")
        return [1] * len(self.asked)

    def text(self, token):
        return WORDS[token]

    def read_article(self, prompt, file, wanted):
        file.write_text(self.asked)
        return self.read(prompt, wanted)

    def read(self, prompt, wanted, article=None):
        if self.asked == "crash":
            os._exit(1)
        if self.asked == "fail":
            raise RuntimeError("it could not go on")
        if self.asked == "hang":
            time.sleep(60)
        while self.asked == "read on":
            if not wanted():
                return False
            time.sleep(0.01)
        return True

    def write(self, grammar):
        pieces = [b"on and "] * 10_000 if self.asked == "write on" else PIECES
        if self.asked.startswith("repeat"):
            pieces = [str(self.messages).encode()]
        for piece in pieces:
            if self.asked == "write on":
                time.sleep(0.005)
            yield Token(0, piece, -0.693, ends=False)
        yield Token(1, b"", -0.693, ends=True)


engine_child.Decoder = Scripted
engine_child.main(*sys.argv[3:])
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a folder for the engines, while Python is replaced by what runs the scripted child."""
    folder = tmp_path_factory.mktemp("engine")
    script, executable = folder / "child.py", folder / "python"
    script.write_text(CHILD)
    executable.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(script)])} "$@"\n')
    executable.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(PROJECT))
        patch.setattr(sys, "executable", str(executable))
        yield folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Engine]:
    """Yield an engine that runs, for all tests that leave it running."""
    with closing(Engine(folder / "model.gguf", folder / "kept", 1, 512)) as one:
        yield one


@pytest.fixture
def doomed(folder: Path) -> Iterator[Engine]:
    """Yield an engine for a test that ends it."""
    with closing(Engine(folder / "model.gguf", folder / "kept", 1, 512)) as one:
        yield one


def ask(one: Engine, what: str, **options: Any) -> list[Reply | None]:  # noqa: ANN401 - JSON
    """Return all parts of the reply to a request."""
    parts: list[Reply | None] = []
    ended = threading.Event()

    def tell(part: Reply | None) -> None:
        parts.append(part)
        if part is None or "end" in part:
            ended.set()

    one.ask({"messages": [("user", what)], "max_tokens": 72} | options, tell)
    assert ended.wait(20)
    return parts


def last(one: Engine, what: str, **options: Any) -> Reply:  # noqa: ANN401
    """Return the last part of the reply."""
    *_, part = ask(one, what, **options)
    assert part is not None
    return part


def asked_through_langchain(one: Engine, messages: list[BaseMessage], **options: Any) -> AIMessage:  # noqa: ANN401
    """Return the reply as any chat model gives it."""
    return EngineChat(engine=one).invoke(messages, **options)


def test_a_reply_is_what_the_model_wrote(running: Engine) -> None:
    """Characters that are spread over tokens come whole, each token has its probability, and how it ended is told."""
    message = asked_through_langchain(running, [HumanMessage("Is it open?")], max_tokens=72)
    assert message.text == "The café is open."
    assert message.response_metadata["finish_reason"] == "stop"
    tokens = message.response_metadata["logprobs"]["content"]
    assert len(tokens) == 6
    assert tokens[0]["logprob"] == pytest.approx(-0.693, abs=0.01)


def test_the_model_is_told_who_said_what(running: Engine) -> None:
    """The roles are those of the model's template."""
    messages = [SystemMessage("a"), HumanMessage("b"), AIMessage("c"), HumanMessage("repeat")]
    told = asked_through_langchain(running, messages, max_tokens=72).text
    assert told == str([("system", "a"), ("user", "b"), ("assistant", "c"), ("user", "repeat")])


def test_a_reply_that_has_too_many_tokens_is_cut_off(running: Engine) -> None:
    """And says so; half a character is shown as such."""
    part = last(running, "Is it?", max_tokens=2)
    assert (part["text"], part["end"], len(part["scores"])) == ("The caf\N{REPLACEMENT CHARACTER}", "length", 2)


def test_a_reply_comes_as_it_grows(running: Engine) -> None:
    """Part by part, with few parts for many tokens."""
    parts = ask(running, "write on", max_tokens=150)
    assert 1 < len(parts) < 30
    assert "".join(part["text"] for part in parts if part) == "on and " * 150


@pytest.mark.parametrize("what", ["fail", "x" * 50])
def test_what_cannot_be_done_is_told_and_the_next_request_is_served(running: Engine, what: str) -> None:
    """A model that cannot go on, and a prompt that is too long."""
    part = last(running, what)
    assert part["end"] == "failed"
    assert part["error"]
    with pytest.raises(RuntimeError):
        asked_through_langchain(running, [HumanMessage(what)], max_tokens=72)
    assert last(running, "Is it?")["end"] == "stop"


def test_what_is_kept_of_an_article_stays_in_the_folder(running: Engine, folder: Path) -> None:
    """Whatever path is named, its last part alone counts; and nothing is replied."""
    part = last(running, "the article", article="../../kept.bin", reads_article=True)
    assert (part["text"], part["end"]) == ("", "stop")
    assert (folder / "kept" / "kept.bin").read_text() == "the article"
    assert running.keeps("kept.bin")


def test_the_oldest_of_what_was_read_goes_first(running: Engine, folder: Path) -> None:
    """What it is told to keep are the last that were read."""
    for age, name in enumerate(("first", "second", "third")):
        file = folder / "kept" / f"{name}.bin"
        file.write_text("an article")
        os.utime(file, (age, age))
    running.keep_newest(len(list((folder / "kept").iterdir())) - 2)
    assert [running.keeps(f"{name}.bin") for name in ("first", "second", "third")] == [False, False, True]


def test_what_is_not_to_be_kept_is_deleted(running: Engine, folder: Path) -> None:
    """Whether it was read to its end or not."""
    for name in ("here.bin", "here.partial", "gone.bin", "gone.partial"):
        (folder / "kept" / name).write_text("an article")
    running.keep_only(["here.bin"])
    assert {file.name for file in (folder / "kept").iterdir()} == {"here.bin", "here.partial"}


def test_a_new_request_calls_off_the_one_before(running: Engine) -> None:
    """Nobody hears of that any more."""
    told: list[Reply | None] = []
    running.ask({"messages": [("user", "read on")], "max_tokens": 1}, told.append)
    assert last(running, "Is it?")["end"] == "stop"
    assert told == []


@pytest.mark.parametrize("what", ["read on", "write on"])
def test_whoever_leaves_ends_the_work(running: Engine, what: str) -> None:
    """A task of LangChain's that is cancelled calls its request off."""

    async def leave() -> None:
        async with asyncio.timeout(0.3):
            async for _ in EngineChat(engine=running).astream([HumanMessage(what)], max_tokens=10_000):
                pass

    with pytest.raises(TimeoutError):
        asyncio.run(leave())
    assert running._tell is None
    assert last(running, "Is it?")["end"] == "stop"


def test_a_child_that_dies_is_told(doomed: Engine) -> None:
    """In the middle of a request and before one; nobody waits for it."""
    assert ask(doomed, "crash")[-1] is None
    assert not doomed.alive
    assert ask(doomed, "Is it?")[-1] is None
    with pytest.raises(ConnectionError):
        asked_through_langchain(doomed, [HumanMessage("Is it?")], max_tokens=72)


@pytest.mark.parametrize("how", ["computes without end", "is stopped"])
def test_a_child_that_hangs_is_killed(doomed: Engine, how: str) -> None:
    """Where it does not even notice that a request is called off; whoever asks next is told that it died."""
    doomed.hung_seconds = 0.3
    number = doomed.ask({"messages": [("user", "hang")], "max_tokens": 1}, lambda _: None)
    if how == "is stopped":
        os.kill(doomed._process.pid, signal.SIGSTOP)
    doomed.call_off(number)
    assert ask(doomed, "Is it?")[-1] is None
    assert not doomed.alive


def test_a_child_that_notices_in_time_is_not_killed(doomed: Engine) -> None:
    """It ended the request that was called off."""
    doomed.hung_seconds = 1.0
    doomed.call_off(doomed.ask({"messages": [("user", "read on")], "max_tokens": 1}, lambda _: None))
    time.sleep(1.5)
    assert last(doomed, "Is it?")["end"] == "stop"


@pytest.mark.parametrize("what", ["", "hang"])
def test_a_child_ends_with_its_parent(doomed: Engine, what: str) -> None:
    """Whether it waits or computes, when its standard input closes it is gone."""
    if what:
        doomed.ask({"messages": [("user", what)], "max_tokens": 1}, lambda _: None)
    process = doomed._process
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 0
