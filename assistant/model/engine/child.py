"""The engine's process: it answers what its parent asks on standard input, line by line, with a `Decoder`.

`python -m assistant.model.engine.child MODEL FOLDER THREADS CONTEXT [ADAPTER WORDS]...` loads the model, says `ready`,
and ends with its standard input. A request is a line of JSON, and so is each part of its reply:

    {"number": 7, "messages": [["system", "…"], ["user", "…"]], "max_tokens": 72, "article": "name"}
    {"number": 7, "text": "Nine", "scores": [{"token": "Nine", "logprob": -0.1}]}
    {"number": 7, "text": "", "scores": [], "end": "stop"}

`article` names what was kept of an article in FOLDER; with `"reads_article": true` the messages have the whole of it,
which is read, kept under that name, and not replied to. With `"tells_state": true` the only part has what the last
layer makes of the messages as `state`, a list of numbers. With `"opening": "Yes,"` the reply goes on after these words,
which it does not repeat; with a `grammar`, in GBNF, it is what this allows. The last part has an `end`:
`stop`, `length`, `failed` with an `error`, or `called off`: whatever arrives meanwhile calls off what is under way,
before the next token or batch. A number alone asks for nothing else.
"""

from __future__ import annotations

import codecs
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from assistant.model.engine.decoder import Decoder, Token

GATHERED_SECONDS = 0.25
"""Tokens are sent together, at most so often: to take up each by itself would cost the parent a processor."""


def serve(decoder: Decoder, folder: Path, requests: queue.SimpleQueue[dict[str, Any]], output: TextIO) -> None:
    """Answer one request after the other, for ever."""
    while True:
        request = requests.get()
        if "messages" not in request:
            continue
        for part in _gathered(_reply(decoder, folder, request, requests.empty)):
            output.write(f"{json.dumps(part | {'number': request['number']})}\n")
            output.flush()


def _reply(
    decoder: Decoder, folder: Path, request: dict[str, Any], wanted: Callable[[], bool]
) -> Iterator[dict[str, Any]]:
    """Yield the parts of a reply, one for each token; whatever is wrong with the request is the last part."""
    try:
        prompt = decoder.prompt([(role, text) for role, text in request["messages"]], request.get("opening", ""))
        article = folder / Path(request["article"]).name if request.get("article") else None
        if len(prompt) >= decoder.room:
            yield _end("failed") | {"error": f"{len(prompt)} tokens are more than fit the context"}
        elif article and request.get("reads_article"):
            yield _end("stop" if decoder.read_article(prompt, article, wanted) else "called off")
        elif not decoder.read(prompt, wanted, article):
            yield _end("called off")
        elif request.get("tells_state"):
            yield _end("stop") | {"state": decoder.state().tolist()}
        else:
            yield from _written(decoder.write(request.get("grammar", "")), decoder, request["max_tokens"], wanted)
    except Exception as error:  # noqa: BLE001 - the next request may go well, and the parent is told of this one
        yield _end("failed") | {"error": f"{type(error).__name__}: {error}"}


def _written(
    tokens: Iterator[Token], decoder: Decoder, most_tokens: int, wanted: Callable[[], bool]
) -> Iterator[dict[str, Any]]:
    characters = codecs.getincrementaldecoder("utf-8")("replace")
    for count, token in enumerate(tokens, start=1):
        scores = [{"token": decoder.text(token.number).decode(errors="replace"), "logprob": token.log_probability}]
        part = {"text": characters.decode(token.text), "scores": scores}
        if token.ends:
            yield part | {"end": "stop"}
            return
        yield part
        if count == most_tokens:
            break
        if not wanted():
            yield _end("called off")
            return
    yield _end("length", characters.decode(b"", final=True))


def _end(how: str, text: str = "") -> dict[str, Any]:
    return {"text": text, "scores": [], "end": how}


def _gathered(parts: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the parts of a reply, those that come soon after one another as one."""
    held: dict[str, Any] = {"text": "", "scores": []}
    begun = time.monotonic()
    for part in parts:
        held = part | {"text": held["text"] + part["text"], "scores": held["scores"] + part["scores"]}
        if "end" in part or time.monotonic() - begun >= GATHERED_SECONDS:
            yield held
            held, begun = {"text": "", "scores": []}, time.monotonic()


def _listen(requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Take in what the parent asks, and end with it, also in the middle of a batch."""
    for line in sys.stdin:
        requests.put(json.loads(line))
    # Nothing here needs saving.
    os._exit(0)


def main(model: str, folder: str, threads: str, context: str, *adapters: str) -> None:
    """Serve until standard input closes."""
    # What a library prints is no reply.
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    with_words = [(Path(file), words) for file, words in zip(adapters[::2], adapters[1::2], strict=True)]
    decoder = Decoder(Path(model), int(context), int(threads), with_words)
    output.write("ready\n")
    output.flush()
    serve(decoder, Path(folder), requests, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
