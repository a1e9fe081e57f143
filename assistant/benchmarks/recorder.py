"""Notes every request that passes between the assistant and its engine, so that it can be made once more without it.

Stands between the two as a proxy on this machine, which costs the assistant a little more time than it would need.
"""

from __future__ import annotations

import http.client
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import httpx

_SECONDS = 300.0


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    engine: str
    requests: list[tuple[str, bytes]]


class _Passing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._pass_on("GET", b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        cast("_Proxy", self.server).requests.append((self.path, body))
        self._pass_on("POST", body)

    def _pass_on(self, method: str, body: bytes) -> None:
        address = urllib.parse.urlsplit(cast("_Proxy", self.server).engine)
        engine = http.client.HTTPConnection(address.netloc, timeout=_SECONDS)
        try:
            engine.request(method, self.path, body, {"content-type": "application/json"})
            response = engine.getresponse()
            self.send_response(response.status)
            self.send_header("content-type", response.headers.get("content-type", "application/json"))
            self.send_header("connection", "close")
            self.end_headers()
            while part := response.read1(65_536):
                self.wfile.write(part)
        except OSError:
            self.close_connection = True
        finally:
            engine.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Recorder:
    """The requests so far, and the engine that they went to."""

    def __init__(self, proxy: _Proxy) -> None:
        """Take the proxy; `recording` starts it."""
        self.address = f"http://127.0.0.1:{proxy.server_address[1]}"
        self._proxy = proxy

    def forget(self) -> None:
        """Begin anew."""
        self._proxy.requests.clear()

    def repeat(self) -> None:
        """Make the same requests of the engine itself, one after the other, and read all that it says."""
        # The engine may close a connection after a stream; the requests that were recorded had one each, too.
        fresh = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(base_url=self._proxy.engine, timeout=_SECONDS, limits=fresh) as client:
            for path, body in list(self._proxy.requests):
                client.post(path, content=body, headers={"content-type": "application/json"}).raise_for_status()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._proxy.requests)


@contextmanager
def recording(engine: str) -> Iterator[Recorder]:
    """Stand before the engine at this address."""
    with _Proxy(("127.0.0.1", 0), _Passing) as proxy:
        proxy.engine = engine
        proxy.requests = []
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield Recorder(proxy)
        finally:
            proxy.shutdown()
            thread.join()
