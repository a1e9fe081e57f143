"""The embedded llama.cpp server, as a child process that dies with its parent and can die without it.

`python -m assistant.engine MODEL FOLDER THREADS [ADAPTER]` is the child: it loads the model, prints its address on one
line, and serves until its standard input closes. `Engine` is the parent's handle. Neither knows what is asked.

Why slots are saved: reading a prompt is most of the time on a processor (about 65 tokens a second), so the state after
reading an article is kept in a file. Restoring it takes 20 ms, and llama.cpp then reuses the passages that a prompt
shares with it (`n_cache_reuse`), wherever they stand: only the question is read.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from assistant.errors import ModelError

CONTEXT_TOKENS = 4096
REUSE_TOKENS = 16
"""Shortest run of tokens that is taken over from the saved article."""
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

    def __init__(self, model: Path, slots: Path, threads: int, adapter: Path | None = None) -> None:
        """Start the child and wait until it has loaded the model; an adapter works from the words on that it names.

        Raises:
            ModelError: it ended, or did not get ready in 60 seconds.
        """
        self.adapted = adapter is not None
        slots.mkdir(parents=True, exist_ok=True)
        arguments = [model, slots, threads, *([adapter] if adapter else [])]
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", "assistant.engine", *map(str, arguments)],
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


def parameters_of(model: str, questions: int, threads: int) -> Any:  # noqa: ANN401 - xllamacpp has no types
    """Return what a llama.cpp server of the model is started with, so that it answers so many questions at once."""
    import xllamacpp  # noqa: PLC0415 - only in the process that serves

    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    # Mapped into memory the file would stay there beside what llama.cpp makes of it: 0.6 GB more.
    parameters.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
    # Each question that is answered at once has a context of its own.
    parameters.n_ctx = CONTEXT_TOKENS * questions
    parameters.n_parallel = questions
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    parameters.verbosity = 1
    return parameters


def _serve(model: str, slots: str, threads: int, adapters: Sequence[str]) -> None:
    import xllamacpp  # noqa: PLC0415 - only in the child

    parameters = parameters_of(model, 1, threads)
    parameters.n_cache_reuse = REUSE_TOKENS
    parameters.cache_ram_mib = 0
    parameters.slot_save_path = slots.rstrip("/") + "/"
    parameters.lora_adapters = [xllamacpp.CommonAdapterLoraInfo() for _ in adapters]
    for adapter, file in zip(parameters.lora_adapters, adapters, strict=True):
        adapter.path, adapter.scale = file, 1.0
    server = xllamacpp.Server(parameters)
    print(f"ready {server.listening_address}", flush=True)  # noqa: T201 - the parent reads it
    sys.stdin.read()
    # The server's own shutdown can take seconds; nothing here needs saving.
    os._exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
