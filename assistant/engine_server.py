"""Serves a `Decoder` to the process that started it: the part of OpenAI's protocol, and of llama.cpp's, that is used.

`python -m assistant.engine_server MODEL FOLDER THREADS [ADAPTER INVOCATION]` loads the model, prints its address on one
line, and serves until its standard input closes.

    GET  /health                          it lives
    POST /v1/chat/completions             the likeliest reply, in one piece or as it grows, with log-probabilities;
                                          `"n_cache_reuse": 0` takes over nothing but what the conversation begins with
    POST /slots/N?action=save|restore     keep in FOLDER what conversation N has read, or go back to it:
                                          `{"filename": "…"}`

A reply names its conversation too (`"id_slot"`, 0 where it does not); each is for one request after the other. Whoever
leaves is noticed before the next token or batch.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import select
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import numpy as np

from assistant.decoder import Conversation, Decoder, Token
from assistant.engine import CONTEXT_TOKENS, CONVERSATIONS

MOST_ALTERNATIVES = 20
SILENT_SECONDS = 60
"""After so long a connection is closed on which nothing is sent, or nothing taken."""
GATHERED_SECONDS = 0.25
"""The token after which so much time has gone by is sent, and those before it with it: whoever takes them up one by one
takes a processor from us."""
_SLOT = re.compile(r"/slots/(?P<number>\d+)\?action=(?P<action>save|restore)")


class EngineServer(ThreadingHTTPServer):
    """The conversations of one decoder for all who ask, on a free port of this machine."""

    # That of HTTPServer looks its own name up, which takes seconds where that is broken.
    server_bind = socketserver.TCPServer.server_bind

    def __init__(self, decoder: Decoder, slots: Path) -> None:
        """Take the decoder, and the folder for what it has read."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.decoder = decoder
        self.slots = slots
        self.turns = tuple(threading.Lock() for _ in decoder.conversations)

    def handle_error(self, *_: object) -> None:
        """Say nothing of a connection that broke."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request for a reply."""

    messages: list[tuple[str, str]]
    most_tokens: int
    stream: bool
    scored: bool
    alternatives: int
    apart: bool
    slot: int

    @classmethod
    def of(cls, body: dict[str, Any]) -> _Asked:
        """Take what OpenAI's protocol calls these."""
        alternatives = int(body.get("top_logprobs") or 0)
        if not 0 <= alternatives <= MOST_ALTERNATIVES:
            raise ValueError(f"top_logprobs is at most {MOST_ALTERNATIVES}")
        return cls(
            [(str(message["role"]), _plain(message["content"])) for message in body["messages"]],
            int(body.get("max_completion_tokens") or body.get("max_tokens") or CONTEXT_TOKENS),
            bool(body.get("stream")),
            bool(body.get("logprobs")),
            alternatives,
            body.get("n_cache_reuse") == 0,
            int(body.get("id_slot") or 0),
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: EngineServer
    timeout = SILENT_SECONDS
    # A reply is many small parts, none of which is to wait for the next.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/health":
            self._reply({"status": "ok"})
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not length.isdecimal():
            # Where the body ends is not known, so neither is where the next request begins.
            self.close_connection = True
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "the length of the body is not given")
            return
        try:
            body = json.loads(self.rfile.read(int(length)))
            if not isinstance(body, dict):
                raise TypeError("the body is no object")
            if self.path == "/v1/chat/completions":
                asked = _Asked.of(body)
                self._in_turn(asked.slot, partial(self._complete, asked))
            elif slot := _SLOT.fullmatch(self.path):
                file = self.server.slots / Path(body["filename"]).name
                self._in_turn(int(slot["number"]), partial(self._slot, slot["action"] == "save", file))
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"{type(error).__name__}: {error}")
        except RuntimeError as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _in_turn(self, slot: int, action: Callable[[Conversation], None]) -> None:
        """Do it with a conversation, if whoever asked still listens when its turn comes: for nobody nothing is done."""
        if not 0 <= slot < len(self.server.turns):
            raise ValueError(f"there is no slot {slot}")
        with self.server.turns[slot]:
            if not self._is_there():
                self.close_connection = True
                return
            conversation = self.server.decoder.conversations[slot]
            try:
                action(conversation)
            finally:
                conversation.rest()

    def _complete(self, asked: _Asked, conversation: Conversation) -> None:
        decoder = self.server.decoder
        prompt = decoder.prompt(asked.messages)
        if len(prompt) >= decoder.room:
            self._refuse(HTTPStatus.BAD_REQUEST, f"{len(prompt)} tokens are more than fit the context")
        elif not conversation.read(prompt, self._is_there, apart=asked.apart):
            self.close_connection = True
        elif asked.stream:
            self._stream(asked, conversation)
        else:
            self._reply(_in_one_piece(list(self._parts(asked, conversation))))

    def _parts(self, asked: _Asked, conversation: Conversation) -> Iterator[dict[str, Any]]:
        """Yield a `choice` for each token; the last one says how the reply ended."""
        characters = codecs.getincrementaldecoder("utf-8")("replace")
        reason = "length"
        scores = None
        for count, token in enumerate(conversation.write(), start=1):
            scores = {"content": [_scores(self.server.decoder, token, asked.alternatives)]} if asked.scored else None
            if token.ends:
                reason = "stop"
                break
            yield _choice(characters.decode(token.text), scores)
            scores = None
            if count == asked.most_tokens or not self._is_there():
                break
        yield _choice(characters.decode(b"", final=True), scores, reason)

    def _stream(self, asked: _Asked, conversation: Conversation) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for part in _gathered(self._parts(asked, conversation)):
                self._send_chunk(f"data: {json.dumps(_envelope('chat.completion.chunk', part))}\n\n")
            self._send_chunk("data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")
        except Exception:  # noqa: BLE001 - the status is sent, so this is the only way to say it
            # Nobody listens, or the model cannot go on: without an end to it, what was sent does not pass for a reply.
            self.close_connection = True

    def _slot(self, is_to_be_saved: bool, file: Path, conversation: Conversation) -> None:  # noqa: FBT001
        try:
            (conversation.save if is_to_be_saved else conversation.restore)(file)
        except OSError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        else:
            self._reply({"filename": file.name})

    def _is_there(self) -> bool:
        """Return whether whoever asked still listens."""
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return not readable or bool(self.connection.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def _send_chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _reply(self, content: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._reply({"error": {"message": why, "type": "invalid_request_error", "code": status.value}}, status)


def _plain(content: Any) -> str:  # noqa: ANN401 - as it came
    """Return the text of a message, which may come in parts."""
    if isinstance(content, str):
        return content
    return "".join(str(part["text"]) for part in content)


def _choice(text: str, scores: dict[str, Any] | None, reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": {"role": "assistant", "content": text}, "logprobs": scores, "finish_reason": reason}


def _envelope(kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {"id": "reply", "object": kind, "created": 0, "model": "local", "choices": [choice]}


def _gathered(parts: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the parts of a reply, those that come soon after one another as one."""
    held: list[dict[str, Any]] = []
    begun = time.monotonic()
    for part in parts:
        held.append(part)
        if part["finish_reason"] or time.monotonic() - begun >= GATHERED_SECONDS:
            yield _together(held)
            held, begun = [], time.monotonic()


def _together(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return some parts of a reply as one."""
    scores = [score for part in parts for score in (part["logprobs"] or {"content": []})["content"]]
    text = "".join(part["delta"]["content"] for part in parts)
    return _choice(text, {"content": scores} if scores else None, parts[-1]["finish_reason"])


def _in_one_piece(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    choice = _together(parts)
    return _envelope("chat.completion", choice | {"message": choice.pop("delta")})


def _scores(decoder: Decoder, token: Token, alternatives: int) -> dict[str, Any]:
    def score(number: int) -> dict[str, Any]:
        text = decoder.text(number).decode(errors="replace")
        return {"token": text, "logprob": float(token.log_probabilities[number]), "bytes": None}

    if not alternatives:
        return score(token.number) | {"top_logprobs": []}
    likeliest = np.argpartition(-token.log_probabilities, alternatives)[:alternatives].tolist()
    ranked = sorted(likeliest, key=lambda number: -float(token.log_probabilities[number]))
    return score(token.number) | {"top_logprobs": [score(number) for number in ranked]}


def main(model: str, slots: str, threads: str, adapter: str = "", invocation: str = "") -> None:
    """Serve until standard input closes."""
    adapted = Path(adapter) if adapter else None
    decoder = Decoder(Path(model), CONTEXT_TOKENS, int(threads), adapted, invocation, CONVERSATIONS)
    server = EngineServer(decoder, Path(slots))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host, port = cast("tuple[str, int]", server.server_address)
    print(f"ready http://{host}:{port}", flush=True)  # noqa: T201 - the parent reads it
    # And nothing after it: what a library prints would wait for a reader.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.stdin.read()
    # Nothing here needs saving, and a request that is under way would hold it up.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
