"""The real server as a process of its own."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from processes import Running, free_port, start, stop, wait_until_answers


@contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[Running]:
    """Run the real server with these settings, and yield before it answers."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        running = start(
            [sys.executable, "-m", "assistant", "serve"],
            f"http://127.0.0.1:{port}",
            Path(folder) / "log",
            {"ASSISTANT_PORT": str(port), "ASSISTANT_UNLIMITED": "127.0.0.1", **environment},
        )
        try:
            yield running
        finally:
            stop(running)


def wait_for_model(running: Running) -> None:
    """Return as soon as the server answers and has loaded its model, or knows that it cannot.

    Raises:
        AssistantError: the process ended, or did not answer in time.
    """
    wait_until_answers(running, "/readyz")
    with httpx.Client(base_url=running.address) as client:
        while client.get("/readyz").json()["model"] == "loading":
            time.sleep(0.2)
