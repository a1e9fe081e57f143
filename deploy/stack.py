"""All that several machines would run, on this one: `python deploy/stack.py`, and it ends with Ctrl+C.

A Chroma server, two processes of the assistant that share it, and nginx in front of them. The model is what the
environment says. nginx gets `nginx.conf` as it is but for the ports. What was started is ended by its number.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from processes import Running, chroma_server, free_port, start, stop, wait_until_answers

from assistant.errors import AssistantError, ConfigurationError
from assistant.settings import PROJECT, go_offline

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PORTS = ("7861", "7862")
"""Of the processes, as `nginx.conf` has them."""
PROXY_PORT = "8080"


@dataclass(slots=True)
class Process:
    """One process of the assistant, and how it is started again."""

    running: Running
    command: Sequence[str]
    environment: Mapping[str, str]

    def stop(self) -> None:
        """End the process that runs now."""
        stop(self.running)

    def restart(self) -> None:
        """Stop it, which lets those who have asked have their answer, and return when the new one can be asked."""
        self.stop()
        self.running = start(self.command, self.running.address, self.running.log, self.environment)
        wait_until_answers(self.running, "/readyz")


@dataclass(frozen=True, slots=True)
class Stack:
    """Everything, running."""

    address: str
    """Of nginx."""
    processes: tuple[Process, ...]
    logs: Path

    def restart(self) -> None:
        """Restart the processes one after the other."""
        for process in self.processes:
            process.restart()


@contextmanager
def stack(
    folder: Path, port: int | None = None, settings: Mapping[str, str] = {}, nginx: str | None = NGINX
) -> Iterator[Stack]:
    """Run everything with its files in the folder; the settings are those of each process.

    Raises:
        ConfigurationError: nginx is not installed.
        AssistantError: a process did not start.
    """
    if nginx is None:
        raise ConfigurationError("nginx is not installed: run apt-get install nginx-light")
    proxy_port, *ports = (free_port() for _ in range(1 + len(PORTS)))
    proxy_port = port or proxy_port
    with ExitStack() as running:

        def run(name: str, command: Sequence[str], at: int, environment: Mapping[str, str] = {}) -> Running:
            started = start(command, f"http://127.0.0.1:{at}", folder / f"{name}.log", environment)
            running.callback(stop, started)
            return started

        chroma = running.enter_context(chroma_server(folder))
        processes = []
        for number in ports:
            environment = {**_environment(folder / str(number), number, chroma.address), **settings}
            command = [sys.executable, "-m", "assistant", "serve"]
            processes.append(Process(run(f"assistant-{number}", command, number, environment), command, environment))
            # The first one fills the index, and the second finds it there.
            wait_until_answers(processes[-1].running, "/readyz")
            running.callback(processes[-1].stop)
        configuration = _nginx_configuration(folder, proxy_port, ports)
        wait_until_answers(run("nginx", [nginx, "-e", "stderr", "-c", str(configuration)], proxy_port))
        yield Stack(f"http://127.0.0.1:{proxy_port}", tuple(processes), folder)


def _environment(data: Path, port: int, chroma: str) -> dict[str, str]:
    return {
        "ASSISTANT_PORT": str(port),
        "ASSISTANT_DATA": str(data),
        "ASSISTANT_FEEDBACK": str(data.parent / "feedback.sqlite3"),
        "ASSISTANT_CHROMA_URL": chroma,
        "ASSISTANT_TRUSTED_PROXIES": "127.0.0.1",
        "ASSISTANT_UNLIMITED": "127.0.0.1",
        "ASSISTANT_STOP_SECONDS": "50",
    }


def _nginx_configuration(folder: Path, proxy_port: int, ports: Sequence[int]) -> Path:
    """Write what nginx needs to run without a place of its own, around the file that is shipped."""
    shipped = (PROJECT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    for shipped_port, port in zip((PROXY_PORT, *PORTS), (proxy_port, *ports), strict=True):
        shipped = shipped.replace(shipped_port, str(port))
    own = folder / "nginx"
    own.mkdir()
    (own / "assistant.conf").write_text(shipped, encoding="utf-8")
    places = "".join(
        f"    {kind}_temp_path {own / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = own / "nginx.conf"
    configuration.write_text(
        f"{'user root;' if os.geteuid() == 0 else ''}\n"
        f"daemon off;\npid {own / 'pid'};\nworker_rlimit_nofile 8192;\nevents {{ worker_connections 4096; }}\n"
        f"http {{\n    access_log off;\n{places}    include {own / 'assistant.conf'};\n}}\n",
        encoding="utf-8",
    )
    return configuration


def main() -> None:
    """Run it until the process is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=int(PROXY_PORT))
    options = parser.parse_args()
    go_offline()
    told_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_stop.set())
    try:
        with tempfile.TemporaryDirectory() as folder, stack(Path(folder), options.port) as running:
            print(f"The article assistant is at {running.address}; the logs are in {running.logs}", flush=True)  # noqa: T201
            told_to_stop.wait()
    except AssistantError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
