"""A process behind a proxy passes on what another one should answer."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import httpx
import pytest
from served import ARTICLE, OPEN, WRITTEN, ScriptedAssistant, serving

from assistant.settings import networks
from assistant.web.server import Server

# Gradio's own doing, in its queue.
pytestmark = [
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]

EVENTS = "/gradio_api/queue/data?session_hash=unknown"


@contextmanager
def behind(proxies: str) -> Iterator[tuple[str, Server]]:
    """Run a server that believes these proxies, and yield its address and the server."""
    assistant = ScriptedAssistant(ARTICLE)
    assistant.script["How?"] = [WRITTEN]
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with serving(assistant, replace(OPEN, trusted_proxies=networks(proxies)), listener) as server:
            yield address, server


def test_a_tab_of_another_process_is_passed_on() -> None:
    """Behind a proxy a question that is not here is looked for in the next process; without one its page is told."""
    with behind("127.0.0.1") as (address, _):
        assert httpx.get(f"{address}{EVENTS}").status_code == 503
        assert httpx.get(address).status_code == 200
    with behind("") as (address, _):
        response = httpx.get(f"{address}{EVENTS}")
        assert response.status_code == 404
        assert json.loads(response.text.removeprefix("data:"))["session_not_found"]


def test_who_leaves_takes_nothing_new() -> None:
    """Pages and questions are passed on; health is told, and what had come before is still answered."""
    with behind("127.0.0.1") as (address, server):
        service = server._service
        assert httpx.get(address).status_code == 200  # What was kept in memory is passed on like anything else.
        service.is_leaving = True
        assert httpx.get(address).status_code == 503
        assert httpx.post(f"{address}/api/ask", json={"question": "How?"}).headers["retry-after"] == "1"
        assert httpx.get(f"{address}/healthz").status_code == 200
        assert httpx.get(f"{address}/readyz").status_code == 503
        service.is_leaving = False
        assert httpx.post(f"{address}/api/ask", json={"question": "How?"}).status_code == 200
