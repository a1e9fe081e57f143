"""What answers at the address while the articles are read and indexed, which takes minutes where there are many.

A supervisor is told that the process lives and is not ready, a reader how far it has come; the log says so too. It has
a thread of its own, so that a signal still ends the main one.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from assistant.files import Progress
from assistant.markup import html_line
from assistant.web.api import routes as api
from assistant.web.embedding.routes import scripts_for
from assistant.web.middleware import EMBEDDED
from assistant.web.observability import log
from assistant.web.plain.pages import FILES, plain_page

STARTING = "The assistant is starting."
_BY_ITSELF = "This page goes on by itself."
_AGAIN_SECONDS = 5
"""After which a page or a program asks again."""
LOG_SECONDS = 10


@contextmanager
def starting(
    guarded: Callable[[ASGIApp], uvicorn.Config],
    listener: socket.socket,
    sites: Sequence[str] = (),
    log_seconds: float = LOG_SECONDS,
) -> Iterator[Progress]:
    """Answer at a listening socket, which stays open, until the block ends; yield what is to be told of progress.

    `guarded` says how an application is served to strangers; the sites may have the chat, and what stands in its place,
    on their pages.
    """
    said = [STARTING]
    logged = time.monotonic()

    def note(what: str, done: int, total: int) -> None:
        nonlocal logged
        said[0] = f"{STARTING} {what}: {done / total:.0%} so far." if total else STARTING
        if time.monotonic() - logged > log_seconds:
            logged = time.monotonic()
            log.info("starting", extra={"fields": {"what": what, "done": done, "total": total}})

    server = uvicorn.Server(guarded(_app(said, tuple(sites))))
    # Closing what it listens at is the server's way to stop.
    thread = Thread(target=server.run, args=([listener.dup()],), name="starting")
    thread.start()
    try:
        yield note
    finally:
        server.should_exit = True
        thread.join()


def _app(said: list[str], sites: tuple[str, ...]) -> ASGIApp:
    scripts = scripts_for(sites)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_: Request) -> Response:
        return JSONResponse({"ready": False, "model": "loading", "starting": said[0]}, 503)

    async def anything(request: Request) -> Response:
        path = request.url.path
        if path.startswith("/api/"):
            return api.error(503, "starting", f"{said[0]} Please ask again later.", _AGAIN_SECONDS)
        if path in scripts:
            return scripts[path]
        body = f"<h1>One moment, please</h1>{html_line(f'{said[0]} {_BY_ITSELF}')}"
        response = plain_page("Starting", body, 503, sites if path == EMBEDDED else ())
        response.headers.update({"retry-after": str(_AGAIN_SECONDS), "refresh": str(_AGAIN_SECONDS)})
        return response

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Mount("/site", StaticFiles(directory=FILES)),
            Route("/{path:path}", anything, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
        ]
    )
