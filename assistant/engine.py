"""The embedded language model's process: a child that dies with its parent and can die without it.

`Engine` is the parent's handle of what `engine_server` serves. It does not know what is asked.

Why slots are saved: reading a prompt is most of the time on a processor, so the state after
reading an article is kept in a file. To take the passages of a prompt over from there takes some 50 ms; only the
question is read.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import httpx

from assistant.errors import ModelError

ENGINE_PACKAGE = "ik-llama-cpp-python"
"""What one version of it has kept in a file, another may not understand."""
CONTEXT_TOKENS = 4096
CONVERSATIONS = 2
"""So many questions it answers at once; with four it looks through the cells of all, and takes longer."""
SPINS = "2000"
"""How often a thread looks again before it sleeps until the others are done: for about a tenth of a millisecond.

Without, an answer takes a twelfth longer on an idle machine, and up to a quarter less beside a busy program; without
end, ten times as long as soon as anything else runs.
"""
START_SECONDS = 60.0
HEALTH_SECONDS = 5.0
"""A busy engine says within milliseconds that it lives; one that takes so long hangs."""


class Engine:
    """A running child process."""

    def __init__(
        self, model: Path, slots: Path, threads: int, adapter: Path | None = None, invocation: str = ""
    ) -> None:
        """Start the child and wait until it has loaded the model; the adapter works from the words `invocation` on.

        Raises:
            ModelError: it ended, or did not get ready in 60 seconds.
        """
        self.adapted = adapter is not None
        slots.mkdir(parents=True, exist_ok=True)
        arguments = [model, slots, threads, *([adapter, invocation] if adapter else [])]
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", "assistant.engine_server", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"GOMP_SPINCOUNT": SPINS},
            cwd=Path(__file__).resolve().parents[1],
            text=True,
        )
        watchdog = threading.Timer(START_SECONDS, self._process.kill)
        watchdog.start()
        try:
            self.address = self._first_address()
        finally:
            watchdog.cancel()
        if not self.address:
            self.close()
            raise ModelError(
                f"The language model's engine did not start: is there enough memory (2 GB), and is {model} whole?"
            )

    def _first_address(self) -> str:
        output = self._process.stdout
        for line in output or ():
            if line.startswith("ready http://"):
                return line.split()[1]
        return ""

    @property
    def alive(self) -> bool:
        """Whether the child still runs."""
        return self._process.poll() is None

    @property
    def process_id(self) -> int:
        """The child's process id."""
        return self._process.pid

    def end_if_hung(self) -> None:
        """Kill the child if it does not even say that it lives; it can be started again."""
        try:
            httpx.get(f"{self.address}/health", timeout=HEALTH_SECONDS)
        except httpx.TransportError:
            self._process.kill()

    def close(self) -> None:
        """End the child."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
