"""Recorded replies, served over real HTTP: the very messages get the very reply, and no others get one."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from assistant.errors import ConfigurationError
from lab import replay

MESSAGES = [{"role": "system", "content": "Be brief — “so”."}, {"role": "user", "content": "Who?"}]
REPLY: dict[str, Any] = {"answerable": "no", "sentences": [], "near": None}


@contextmanager
def served(recorded: dict[str, Any], wanted: Path | None = None) -> Iterator[httpx.Client]:
    """Serve some recordings."""
    server = uvicorn.Server(uvicorn.Config(replay.server(recorded, wanted), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/v1") as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def test_what_was_recorded_is_replied(tmp_path: Path) -> None:
    """A recording that was taken up from a reply answers its messages, in parts too, with usage."""
    wanted = [{"digest": replay.digest(MESSAGES), "reply": REPLY}]
    (tmp_path / "some.jsonl").write_text(replay.lines(wanted, "somebody"), encoding="utf-8")
    in_parts = [{"role": "system", "content": [{"type": "text", "text": MESSAGES[0]["content"]}]}, MESSAGES[1]]
    with served(replay.read(tmp_path)) as client:
        for messages in (MESSAGES, in_parts):
            reply = client.post("/chat/completions", json={"model": "m", "messages": messages}).json()
            assert json.loads(reply["choices"][0]["message"]["content"]) == REPLY
            assert reply["usage"]["prompt_tokens"] > 0


@pytest.mark.parametrize("change", ["Who? ", "who?", "Who"])
def test_what_was_never_recorded_is_an_error_and_is_wanted_once(change: str, tmp_path: Path) -> None:
    """One character more or less is another prompt; it is kept for whoever records it."""
    other = [MESSAGES[0], {"role": "user", "content": change}]
    with served({replay.digest(MESSAGES): REPLY}, tmp_path / "wanted.jsonl") as client:
        for _ in range(2):
            reply = client.post("/chat/completions", json={"model": "m", "messages": other})
            assert reply.status_code == 422
            assert "never recorded" in reply.json()["error"]["message"]
    (line,) = (tmp_path / "wanted.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {
        "digest": replay.digest(other),
        "messages": [[message["role"], message["content"]] for message in other],
    }


def test_a_reply_that_is_missing_or_a_damaged_file_is_named(tmp_path: Path) -> None:
    """Nothing is recorded without a reply."""
    with pytest.raises(ConfigurationError, match="has no reply"):
        replay.lines([{"digest": "x", "reply": "words"}], "somebody")
    (tmp_path / "bad.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"bad\.jsonl"):
        replay.read(tmp_path)
