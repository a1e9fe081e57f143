"""Processes that are started and ended: a Chroma server, or any other that answers under an address."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from assistant.errors import AssistantError
from assistant.settings import PROJECT

START_SECONDS = 120.0
STOP_SECONDS = 60.0
"""An app lets those who have asked have their answer first."""
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Running:
    """A process that answers under an address."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path
    """What it says on standard error."""


def free_port() -> int:
    """Return a port of this machine that nobody uses now."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


def start(command: Sequence[str], address: str, log: Path, environment: Mapping[str, str] = {}) -> Running:
    """Start a command of this project's Python that will answer under the address; what it says goes to the log."""
    with log.open("ab") as said:
        process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
            list(command), cwd=PROJECT, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    return Running(process, address, log)


def wait_until_answers(running: Running, path: str = "/healthz") -> None:
    """Return as soon as the address answers the path with success.

    Raises:
        AssistantError: the process ended, or did not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    # One client for all: each makes a TLS context, which takes the starting process a third of a single core.
    with httpx.Client(base_url=running.address, timeout=5.0) as client:
        while time.monotonic() < deadline and running.process.poll() is None:
            try:
                if client.get(path).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(_POLL_SECONDS)
    said = running.log.read_text(errors="replace").strip().splitlines()[-3:]
    raise AssistantError(f"The process at {running.address} did not start: {' '.join(said) or 'it said nothing'}")


def stop(running: Running) -> None:
    """End the process by its number, with force where it does not go."""
    running.process.terminate()
    try:
        running.process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        running.process.kill()
        running.process.wait()


@contextmanager
def chroma_server(folder: Path) -> Iterator[Running]:
    """Run a Chroma server with its files in the folder, and yield when it answers.

    Raises:
        AssistantError: it did not start.
    """
    port = free_port()
    chroma = str(Path(sys.executable).with_name("chroma"))
    command = [chroma, "run", f"--path={folder / 'chroma'}", "--host=127.0.0.1", f"--port={port}"]
    running = start(command, f"http://127.0.0.1:{port}", folder / "chroma.log")
    try:
        wait_until_answers(running, "/api/v2/heartbeat")
        yield running
    finally:
        stop(running)
