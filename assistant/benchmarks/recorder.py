"""Notes what the assistant asks of its engine, so that it can be asked once more without the assistant.

It is noted where it leaves this process: a proxy between the two would cost the assistant time that it does not need.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import httpx
import openai
from langchain.chat_models import init_chat_model

from assistant import language_model

Request = tuple[str, bytes]
"""Where it goes, and its body."""
_SECONDS = 300.0
_SOMETHING_ELSE = {
    "messages": [{"role": "user", "content": "What is the time?"}],
    "max_tokens": 1,
    "n_cache_reuse": 0,
}


@contextmanager
def recording() -> Iterator[list[Request]]:
    """Note, in their order, what language models that are opened meanwhile ask; whoever takes the list may empty it."""
    noted: list[Request] = []
    post = httpx.post

    async def note(request: Any) -> None:  # noqa: ANN401 - OpenAI's client may have an httpx of its own
        noted.append((str(request.url), request.content))

    def note_and_post(url: str, **how: Any) -> httpx.Response:  # noqa: ANN401 - as httpx has it
        noted.append((url, httpx.Request("POST", url, json=how["json"]).content))
        return post(url, **how)

    client = openai.DefaultAsyncHttpxClient(event_hooks={"request": [note]})
    with (
        patch.object(language_model, "init_chat_model", partial(init_chat_model, http_async_client=client)),
        patch.object(httpx, "post", note_and_post),
    ):
        yield noted


def ask_again(requests: Sequence[Request]) -> float:
    """Make the same requests, one after the other, and return the seconds until all was said to them.

    Before, each conversation reads something else, or it would find there what it is to read.

    Raises:
        httpx.HTTPError: one of them failed.
    """
    others = {(url, json.loads(body).get("id_slot", 0)) for url, body in requests if url.endswith("/completions")}
    _post([(url, json.dumps(_SOMETHING_ELSE | {"id_slot": slot}).encode()) for url, slot in sorted(others)])
    started = time.perf_counter()
    _post(requests)
    return time.perf_counter() - started


def _post(requests: Sequence[Request]) -> None:
    headers = {"content-type": "application/json"}
    with httpx.Client(timeout=_SECONDS, verify=False) as client:  # noqa: S501 - nothing is encrypted here
        for url, body in requests:
            client.post(url, content=body, headers=headers).raise_for_status()
