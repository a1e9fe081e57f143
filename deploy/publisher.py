"""A demonstration publisher: `python deploy/publisher.py`, and it ends with Ctrl+C or SIGTERM.

Serves the newspaper page of `demo/`, under a strict content security policy, and starts the assistant, which lights up
the words of its answers in that page. The two have addresses of their own, as a publisher and an assistant would.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from assistant.settings import PROJECT, Settings

SITE = "http://localhost:8000"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src ASSISTANT; frame-src ASSISTANT; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_FOLDER = Path(__file__).parent / "demo"


def publisher(pages: Mapping[str, str], assistant: str, port: int = 0, policy: str = POLICY) -> ThreadingHTTPServer:
    """Return a server, not started, of pages and style sheets by their paths; in all, ASSISTANT is its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            body = (page or "Not found").replace("ASSISTANT", assistant).encode()
            self.send_response(404 if page is None else 200)
            kind = "css" if self.path.endswith(".css") else "html"
            self.send_header("content-type", f"text/{kind}; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.send_header("content-security-policy", policy.replace("ASSISTANT", assistant))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def newspaper() -> dict[str, str]:
    """Return the demonstration's page and its style sheet."""
    files = {f"/{file.name}": file.read_text(encoding="utf-8") for file in _FOLDER.iterdir()}
    return files | {"/": files["/index.html"]}


def main() -> None:
    """Serve both until Ctrl+C, or until the process is told to stop."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = Settings.from_environment()
    command = [sys.executable, "-m", "assistant", "serve"]
    environment = os.environ | {"ASSISTANT_EMBED_SITES": SITE}
    port = int(SITE.rpartition(":")[2])
    with publisher(newspaper(), f"http://{settings.host}:{settings.port}", port) as pages:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment)  # noqa: S603 - the project's own
        try:
            with suppress(KeyboardInterrupt):
                print(f"The publisher's page is at {SITE}", flush=True)  # noqa: T201
                pages.serve_forever()
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
