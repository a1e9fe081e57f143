"""Notes what the assistant asks of its engine, so that it can be asked once more without the assistant.

It is noted where it leaves this process: a proxy between the two would cost the assistant time that it does not need.
"""

from __future__ import annotations

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


@contextmanager
def recording() -> Iterator[list[Request]]:
    """Note, in their order, what language models that are opened meanwhile ask; whoever takes the list may empty it."""
    noted: list[Request] = []
    post = httpx.post

    async def note(request: Any) -> None:  # noqa: ANN401 - OpenAI's client may have an httpx of its own
        noted.append((str(request.url), request.content))

    def note_and_post(url: str, *, json: dict[str, Any], **how: Any) -> httpx.Response:  # noqa: ANN401
        noted.append((url, httpx.Request("POST", url, json=json).content))
        return post(url, json=json, **how)

    client = openai.DefaultAsyncHttpxClient(event_hooks={"request": [note]})
    with (
        patch.object(language_model, "init_chat_model", partial(init_chat_model, http_async_client=client)),
        patch.object(httpx, "post", note_and_post),
    ):
        yield noted


def repeat(requests: Sequence[Request]) -> None:
    """Make the same requests, one after the other, and read all that is said to them.

    Raises:
        httpx.HTTPError: one of them failed.
    """
    headers = {"content-type": "application/json"}
    with httpx.Client(timeout=_SECONDS, verify=False) as client:  # noqa: S501 - nothing is encrypted here
        for url, body in requests:
            client.post(url, content=body, headers=headers).raise_for_status()
