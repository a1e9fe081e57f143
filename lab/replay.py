"""Recorded replies of a capable language model, served as an OpenAI-compatible server.

A recording is a line of JSON: the digest of the messages, the reply to them, who replied and when. What was never
recorded is an error that says so, never an invented reply; it can be written to a file of what is wanted, and
`record` turns the replies to that into recordings.
"""

from __future__ import annotations

import datetime
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from assistant.errors import ConfigurationError
from assistant.files import sha256

FOLDER = Path(__file__).parents[1] / "corpus" / "recordings"
CHARACTERS_PER_TOKEN = 4
"""The usage that is told is estimated with that, since a recording has none."""

Messages = Sequence[Mapping[str, Any]]
"""Of OpenAI's protocol: each has a `role` and a `content`."""


def digest(messages: Messages) -> str:
    """Return the SHA-256, in hexadecimal, of who says what in some messages."""
    said = [[message["role"], text_of(message)] for message in messages]
    return sha256(json.dumps(said, ensure_ascii=False))


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message, which may be in parts."""
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def read(folder: Path = FOLDER) -> dict[str, Any]:
    """Return the recorded replies by the digest of their messages.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*.jsonl")):
        try:
            rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            found |= {row["digest"]: row["reply"] for row in rows}
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(f"{file} cannot be read ({error})", "take it from the repository again") from error
    return found


def lines(replies: Iterable[Mapping[str, Any]], by: str) -> str:
    """Return replies as recordings: each has the `digest` of what was wanted, and the `reply`, a JSON object.

    Raises:
        ConfigurationError: one has no reply.
    """
    now = datetime.datetime.now(datetime.UTC).date().isoformat()
    rows = []
    for row in replies:
        if not isinstance(row.get("reply"), dict):
            raise ConfigurationError(f"What was wanted as {row.get('digest')} has no reply", "add it as an object")
        rows.append({"digest": row["digest"], "task": row.get("task", ""), "reply": row["reply"], "by": by, "on": now})
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def server(recorded: Mapping[str, Any], wanted: Path | None = None) -> Starlette:
    """Return a server of recorded replies; what was never recorded is added to the file `wanted`, if one is named."""
    adding = threading.Lock()
    asked: set[str] = set()

    async def complete(request: Request) -> JSONResponse:
        body = await request.json()
        messages = body["messages"]
        key = digest(messages)
        if key in recorded:
            return JSONResponse(completion(body.get("model", ""), messages, json.dumps(recorded[key])))
        if wanted is not None and key not in asked:
            with adding, wanted.open("a", encoding="utf-8") as file:
                asked.add(key)
                said = [[message["role"], text_of(message)] for message in messages]
                file.write(f"{json.dumps({'digest': key, 'messages': said}, ensure_ascii=False)}\n")
        told = f"These messages were never recorded (digest {key})"
        return JSONResponse({"error": {"message": told, "type": "not_recorded", "code": "not_recorded"}}, 422)

    return Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])


def completion(model: str, messages: Messages, content: str) -> dict[str, Any]:
    """Return a reply in the form of OpenAI's protocol."""
    read_tokens = sum(len(text_of(message)) for message in messages) // CHARACTERS_PER_TOKEN
    written_tokens = len(content) // CHARACTERS_PER_TOKEN
    return {
        "id": "recorded",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": read_tokens,
            "completion_tokens": written_tokens,
            "total_tokens": read_tokens + written_tokens,
        },
    }
