"""What the engine's process serves, over real connections, with a scripted decoder behind it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import openai
import pytest

from assistant import engine_server, language_model
from assistant.benchmarks.recorder import ask_again, recording
from assistant.decoder import Decoder, Token
from assistant.engine_server import EngineServer

MESSAGES = [{"role": "system", "content": "The café is open."}, {"role": "user", "content": "Is it open?"}]


class Scripted:
    """A decoder with two conversations that always say the same, and remember what they were asked."""

    room = 100

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self.asked: list[tuple[Sequence[tuple[str, str]], bool]] = []
        """The messages, and whether they are to be read apart."""
        self.numbers: list[int] = []
        """Of the conversations that were asked to read, write, save or restore."""
        self.conversations = [ScriptedConversation(self, number) for number in range(2)]
        self.rested: list[int] = []
        self.kept: list[str] = []
        self.written = 0
        self.reading = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.called_off = threading.Event()
        self.pieces = [b"The ", b"caf", b"\xc3", b"\xa9", b" is", b" open."]
        self.failing = False
        self.breaking = False
        self.pace = 0.0
        self.pause_apart = 0.0

    def prompt(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """Return a token for each character."""
        self.messages = messages
        return [0] * sum(len(text) for _, text in messages)

    def text(self, token: int) -> bytes:
        """Return one of three words."""
        return (b"no", b"yes", b"wrong")[token]


class ScriptedConversation:
    """One of its conversations."""

    def __init__(self, scripted: Scripted, number: int) -> None:
        """Take the decoder that remembers."""
        self.scripted = scripted
        self.number = number

    def read(self, prompt: Sequence[int], wanted: Callable[[], bool], *, apart: bool = False) -> bool:
        """Wait until it may go on."""
        assert prompt
        self.scripted.asked.append((self.scripted.messages, apart))
        self.scripted.numbers.append(self.number)
        if self.scripted.failing:
            raise RuntimeError("llama_decode returned -3")
        self.scripted.reading.set()
        if apart:
            time.sleep(self.scripted.pause_apart)
        while not self.scripted.go_on.wait(0.01):
            if not wanted():
                self.scripted.called_off.set()
                return False
        return True

    def write(self) -> Iterator[Token]:
        """Yield the pieces."""
        scores = np.log(np.array([0.1, 0.7, 0.2], dtype=np.float32))
        for piece in self.scripted.pieces:
            if self.scripted.breaking and self.scripted.written == 2:
                raise RuntimeError("llama_decode returned -3")
            self.scripted.written += 1
            time.sleep(self.scripted.pace)
            yield Token(1, piece, scores, ends=False)
        yield Token(1, b"", scores, ends=True)

    def rest(self) -> None:
        """Remember that nobody waits."""
        self.scripted.rested.append(self.number)

    def save(self, file: Path) -> None:
        """Remember that it was asked, and write the file."""
        self.scripted.numbers.append(self.number)
        self.scripted.kept.append(file.name)
        if file.name == "full":
            raise OSError("there is no room")
        file.write_text("state")

    def restore(self, file: Path) -> None:
        """Fail where there is no file."""
        self.scripted.numbers.append(self.number)
        if not file.exists():
            raise OSError("it is not there")


@pytest.fixture
def scripted() -> Scripted:
    """Return what stands in for the model."""
    return Scripted()


@pytest.fixture
def address(scripted: Scripted, tmp_path: Path) -> Iterator[str]:
    """Serve the scripted decoder, and yield where."""
    server = EngineServer(cast("Decoder", scripted), tmp_path)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    scripted.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


def ask(address: str, **more: Any) -> httpx.Response:  # noqa: ANN401
    """Return what the server says to a conversation."""
    return httpx.post(f"{address}/v1/chat/completions", json={"messages": MESSAGES, **more}, timeout=30)


def test_a_client_of_the_protocol_gets_the_reply_in_one_piece(address: str, scripted: Scripted) -> None:
    """With OpenAI's client; each token and the end has its log-probability, and the likeliest others in order."""
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none")
    told = client.chat.completions.create(messages=cast("Any", MESSAGES), model="any", logprobs=True, top_logprobs=2)
    (choice,) = told.choices
    assert (choice.message.content, choice.finish_reason) == ("The café is open.", "stop")
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert len(choice.logprobs.content) == len(scripted.pieces) + 1
    assert [other.token for other in choice.logprobs.content[0].top_logprobs] == ["yes", "wrong"]
    assert choice.logprobs.content[0].logprob == pytest.approx(np.log(0.7))
    assert scripted.asked == [([(message["role"], message["content"]) for message in MESSAGES], False)]


def test_a_client_of_the_protocol_gets_the_reply_as_it_grows(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A character comes when all its bytes are there, and the last part says how it ended."""
    monkeypatch.setattr(engine_server, "GATHERED_SECONDS", 0.0)
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none")
    parts = list(client.chat.completions.create(messages=cast("Any", MESSAGES), model="any", stream=True))
    assert [part.choices[0].delta.content for part in parts] == ["The ", "caf", "", "é", " is", " open.", ""]
    assert [part.choices[0].finish_reason for part in parts] == [None] * 6 + ["stop"]


def test_tokens_that_come_at_once_are_sent_together(
    address: str, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the log-probabilities of all of them."""
    monkeypatch.setattr(engine_server, "GATHERED_SECONDS", 60.0)
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none")
    asked = {"messages": cast("Any", MESSAGES), "model": "any", "logprobs": True}
    ((choice,),) = [part.choices for part in client.chat.completions.create(**asked, stream=True)]
    assert (choice.delta.content, choice.finish_reason) == ("The café is open.", "stop")
    assert len(choice.logprobs.content) == len(scripted.pieces) + 1


def test_tokens_that_come_slowly_are_sent_one_by_one(address: str, scripted: Scripted) -> None:
    """None waits for the next where the part before is long ago; nobody asked for log-probabilities, so none come."""
    scripted.pace = 0.4
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none")
    parts = list(client.chat.completions.create(messages=cast("Any", MESSAGES), model="any", stream=True, max_tokens=3))
    assert [part.choices[0].delta.content for part in parts[:2]] == ["The ", "caf"]
    assert [part.choices[0].logprobs for part in parts[:2]] == [None, None]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_reply_that_may_not_be_longer_says_so(address: str, scripted: Scripted, name: str) -> None:
    """No token is written beyond what may be."""
    (choice,) = ask(address, **{name: 2}).json()["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("The caf", "length")
    assert scripted.written == 2


def test_a_message_may_come_in_parts(address: str, scripted: Scripted) -> None:
    """As OpenAI's protocol allows it."""
    ask(
        address,
        messages=[{"role": "user", "content": [{"type": "text", "text": "Is it"}, {"type": "text", "text": " open?"}]}],
    )
    assert scripted.asked[0][0] == [("user", "Is it open?")]


def test_what_is_to_be_read_apart_is(address: str, scripted: Scripted) -> None:
    """The decoder is told so."""
    ask(address, n_cache_reuse=0)
    ask(address)
    assert [apart for _, apart in scripted.asked] == [True, False]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", b"no JSON", 400),
        ("/v1/chat/completions", b"[]", 400),
        ("/v1/chat/completions", b"{}", 400),
        ("/v1/chat/completions", b'{"messages": [{"role": "user"}]}', 400),
        ("/v1/chat/completions", b'{"messages": [{"role": "user", "content": "\xff"}]}', 400),
        ("/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": "x" * 100}]}).encode(), 400),
        ("/slots/0?action=save", b"{}", 400),
        ("/slots/0?action=restore", b'{"filename": "missing"}', 400),
        ("/slots/0?action=save", b'{"filename": "full"}', 400),
        ("/v1/chat/completions", json.dumps({"messages": MESSAGES, "max_tokens": "many"}).encode(), 400),
        ("/v1/chat/completions", b'{"messages": [], "max_tokens": 1e999}', 400),
        ("/v1/chat/completions", json.dumps({"messages": MESSAGES, "top_logprobs": -1}).encode(), 400),
        ("/v1/chat/completions", json.dumps({"messages": MESSAGES, "top_logprobs": 21}).encode(), 400),
        ("/slots/0?action=erase", b'{"filename": "kept"}', 404),
        ("/slots/2?action=save", b'{"filename": "kept"}', 400),
        ("/v1/chat/completions", json.dumps({"messages": MESSAGES, "id_slot": 2}).encode(), 400),
        ("/v1/chat/completions", json.dumps({"messages": MESSAGES, "id_slot": -1}).encode(), 400),
        ("/nothing", b"{}", 404),
    ],
)
def test_what_cannot_be_done_is_refused(address: str, path: str, body: bytes, status: int) -> None:
    """With a status and a reason, as the protocol has it; the next request of the same connection is served."""
    with httpx.Client(base_url=address, limits=httpx.Limits(max_connections=1)) as client:
        refused = client.post(path, content=body)
        assert refused.status_code == status
        assert refused.json()["error"]["message"]
        assert client.post("/v1/chat/completions", json={"messages": MESSAGES}).status_code == 200


@pytest.mark.parametrize("length", [b"", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_of_unknown_length_is_refused(address: str, length: bytes) -> None:
    """The connection is closed, since nobody knows where the next request begins."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n" + length + b"\r\n")
        told = b"".join(iter(lambda: connection.recv(4096), b""))
    assert told.startswith(b"HTTP/1.1 411 ")


def test_a_reply_that_breaks_off_does_not_pass_for_one(
    address: str, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection ends in the middle, and the next request is served."""
    monkeypatch.setattr(engine_server, "GATHERED_SECONDS", 0.0)
    scripted.breaking = True
    with pytest.raises(httpx.RemoteProtocolError):
        ask(address, stream=True)
    scripted.breaking = False
    assert ask(address).status_code == 200


def test_a_token_that_ends_the_reply_has_its_probability(address: str, scripted: Scripted) -> None:
    """Where nothing is said, what else might have been is told."""
    scripted.pieces = []
    (choice,) = ask(address, logprobs=True, top_logprobs=2).json()["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "stop")
    assert [other["token"] for other in choice["logprobs"]["content"][0]["top_logprobs"]] == ["yes", "wrong"]


def test_a_model_that_cannot_go_on_is_an_error_of_the_server(address: str, scripted: Scripted) -> None:
    """The status says that asking again may help."""
    scripted.failing = True
    assert ask(address).status_code == 500
    scripted.failing = False
    assert ask(address).status_code == 200


def test_what_was_read_is_kept_in_the_folder(address: str, scripted: Scripted, tmp_path: Path) -> None:
    """Whatever path is named, its last part alone counts."""
    saved = httpx.post(f"{address}/slots/0?action=save", json={"filename": "../../kept"})
    assert (saved.status_code, scripted.kept) == (200, ["kept"])
    assert (tmp_path / "kept").exists()
    assert httpx.post(f"{address}/slots/0?action=restore", json={"filename": "kept"}).status_code == 200


def test_whoever_leaves_while_a_prompt_is_read_ends_the_reading(address: str, scripted: Scripted) -> None:
    """And the next one has the model."""
    scripted.go_on.clear()
    host, port = address.removeprefix("http://").split(":")
    body = json.dumps({"messages": MESSAGES}).encode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert scripted.reading.wait(10)
    assert scripted.called_off.wait(10)
    scripted.go_on.set()
    assert ask(address).status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/slots/0?action=save"])
def test_for_whoever_leaves_while_waiting_nothing_is_done(address: str, scripted: Scripted, path: str) -> None:
    """What the next one needs is as it was."""
    scripted.go_on.clear()
    asking = threading.Thread(target=ask, args=(address,))
    asking.start()
    assert scripted.reading.wait(10)
    host, port = address.removeprefix("http://").split(":")
    body = json.dumps({"messages": MESSAGES, "filename": "kept"}).encode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body)) + body)
        time.sleep(0.2)
    scripted.go_on.set()
    asking.join(10)
    assert ask(address).status_code == 200
    assert (len(scripted.asked), scripted.kept) == (2, [])


@pytest.mark.parametrize("stream", [True, False])
def test_nothing_more_is_written_for_whoever_leaves(address: str, scripted: Scripted, stream: bool) -> None:  # noqa: FBT001
    """Also where the reply was to come in one piece."""
    scripted.pieces = [b"on and "] * 2_000
    scripted.pace = 0.005
    host, port = address.removeprefix("http://").split(":")
    body = json.dumps({"messages": MESSAGES, "stream": stream}).encode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert scripted.reading.wait(10)
    scripted.pace = 0.0
    assert ask(address, max_tokens=1).status_code == 200
    assert scripted.written < 2_000


def test_each_slot_is_a_conversation(address: str, scripted: Scripted) -> None:
    """The one that is named, or the first; its name is that of llama.cpp."""
    ask(address, id_slot=1)
    ask(address)
    for slot, action in ((1, "save"), (0, "restore")):
        httpx.post(f"{address}/slots/{slot}?action={action}", json={"filename": "kept"}).raise_for_status()
    assert scripted.numbers == [1, 0, 1, 0]


def test_a_conversation_rests_however_a_request_ends(address: str, scripted: Scripted) -> None:
    """Only then what it has read may be forgotten for others."""
    for failing in (False, True):
        scripted.failing = failing
        ask(address, id_slot=1)
    assert scripted.rested == [1, 1]


def test_who_has_another_slot_need_not_wait(address: str, scripted: Scripted) -> None:
    """While one is asked the other begins, and whoever asks the same waits for it."""
    scripted.go_on.clear()
    asking = [threading.Thread(target=ask, args=(address,), kwargs={"id_slot": slot}) for slot in (0, 0, 1)]
    for each in asking:
        each.start()
    deadline = time.monotonic() + 10
    while len(scripted.numbers) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    assert sorted(scripted.numbers) == [0, 1]
    scripted.go_on.set()
    for each in asking:
        each.join(10)
    assert sorted(scripted.numbers) == [0, 0, 1]


def test_what_was_recorded_is_asked_again_as_it_was(address: str, scripted: Scripted) -> None:
    """The benchmark compares with the bare engine so: a reply and a slot, which are asked for in two ways."""

    async def reply(model: Any) -> None:  # noqa: ANN401 - LangChain's
        await model.ainvoke([("system", "The café is open."), ("user", "Is it open?")])
        await model.root_async_client.close()

    with recording() as requests:
        model = vars(language_model)["init_chat_model"]("openai:local", base_url=f"{address}/v1", api_key="none")
        asyncio.run(reply(model))
        httpx.post(f"{address}/slots/0?action=save", json={"filename": "kept"}).raise_for_status()
    ask_again(requests)
    assert len(requests) == 2
    first, _, again = scripted.asked
    assert first == again == ([(message["role"], message["content"]) for message in MESSAGES], False)
    assert scripted.kept == ["kept", "kept"]


def test_what_is_asked_again_is_not_there_still(address: str, scripted: Scripted) -> None:
    """Each conversation that is to reply reads something else first, once, and not at the bare engine's expense."""
    requests = []
    for slot, what in ((1, MESSAGES), (1, MESSAGES), (0, MESSAGES)):
        requests.append((f"{address}/v1/chat/completions", json.dumps({"messages": what, "id_slot": slot}).encode()))
    requests.append((f"{address}/slots/1?action=save", json.dumps({"filename": "kept"}).encode()))
    scripted.pause_apart = 1.0
    assert ask_again(requests) < scripted.pause_apart
    assert scripted.numbers == [0, 1, 1, 1, 0, 1]
    own = [(message["role"], message["content"]) for message in MESSAGES]
    assert [(messages == own, apart) for messages, apart in scripted.asked] == [(False, True)] * 2 + [(True, False)] * 3


def test_it_lives_while_it_is_busy(address: str, scripted: Scripted) -> None:
    """Health does not wait for the model."""
    scripted.go_on.clear()
    asking = threading.Thread(target=ask, args=(address,))
    asking.start()
    assert scripted.reading.wait(10)
    assert httpx.get(f"{address}/health").json() == {"status": "ok"}
    assert httpx.get(f"{address}/else").status_code == 404
    scripted.go_on.set()
    asking.join(10)
