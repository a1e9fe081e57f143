"""The web server: the page, an article with quoted words marked in it, a health check, and the headers of all three.

One process serves, because Gradio keeps the conversations in memory. Knows nothing of questions.
"""

from __future__ import annotations

import base64
import hashlib
import re
import signal
import socket
from contextlib import closing, suppress

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.answering import Assistant, Progress
from assistant.errors import ConfigurationError
from assistant.rendering import article_paragraphs, escape
from assistant.settings import Settings
from assistant.web.page import HEAD, STYLE, article_header, create_page

MAX_BODY_BYTES = 1_000_000
"""The page sends a question and little else; one that is merely too long is to reach the assistant, which says so."""
_STOP_SECONDS = 5
"""Open pages hold a connection that never ends by itself."""

BLOCKED_PATHS = (
    "/gradio_api/component_server",
    "/gradio_api/deep_link",
    "/gradio_api/file",
    "/gradio_api/process_recording",
    "/gradio_api/proxy=",
    "/gradio_api/run-history",
    "/gradio_api/runs",
    "/gradio_api/stream/",
    "/gradio_api/undo-vibe",
    "/gradio_api/upload",
    "/gradio_api/vibe",
    "/monitoring",
)
"""What Gradio answers but a chat of text never asks: files, uploads, proxying, recordings."""

# Gradio's page needs inline scripts and styles; no part of it may load from, or send to, another machine.
_PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'; font-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'self'; frame-ancestors 'self'; object-src 'none'"
)
_HEADERS = {
    "content-security-policy": _PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}

_STYLE = """
:root { color-scheme: light dark; --mark: #fde68a; --line: #d4d4d8; --quiet: #52525b; }
@media (prefers-color-scheme: dark) { :root { --mark: #854d0e; --line: #3f3f46; --quiet: #a1a1aa; } }
a { color: inherit; }
body { max-width: 42rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; font: 1.0625rem/1.65 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; }
article { border-top: 1px solid var(--line); margin-top: 1.5rem; overflow-wrap: anywhere; }
.note { color: var(--quiet); font-size: 0.9rem; margin: 0.25rem 0; }
mark { background: var(--mark); color: inherit; padding: 0.1em 0; text-decoration: underline; scroll-margin: 30vh; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PLAIN_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)


def serve(settings: Settings, progress: Progress = lambda what, done, total: None) -> None:
    """Open the assistant and serve the page until the process is told to stop.

    Raises:
        ConfigurationError: the assistant cannot be opened, or the address is taken.
    """
    with _listening(settings.host, settings.port) as listener:
        # Uvicorn passes the signal on when it is done, and then the assistant has still to be closed.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with closing(Assistant.open(settings, progress)) as assistant, suppress(KeyboardInterrupt):
            _Server(server_configuration(create_app(assistant))).run([listener])


def create_app(assistant: Assistant) -> FastAPI:
    """Return the web application: the page at `/`, `/article/<id>`, and `/healthz`."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # Without a list of our own, Gradio would let the pages of any site talk to this one.
    app.add_middleware(CORSMiddleware, allow_origins=[])
    app.add_middleware(_Guard)
    articles = {article.id: article for article in assistant.corpus.articles}

    @app.get("/healthz")
    def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok")

    @app.get("/article/{identifier}")
    def show_article(identifier: str, start: str = "", end: str = "") -> HTMLResponse:
        if identifier not in articles:
            return _plain_page("No such article", "<h1>There is no such article here</h1>", status=404)
        article = articles[identifier]
        marked = article_paragraphs(article, *_span(start, end))
        body = f"{article_header(article, level=1)}<article>{marked}</article>"
        return _plain_page(article.title, body)

    gr.mount_gradio_app(
        app,
        create_page(assistant),
        path="/",
        theme=_theme(),
        css=STYLE,
        head=HEAD,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        max_file_size="1kb",
        ssr_mode=False,
        mcp_server=False,
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        allowed_paths=[],
    )
    return app


def _theme() -> gr.themes.Base:
    """Return Gradio's theme with the system's fonts, and contrasts that a reader with weak eyes can do with."""
    theme: gr.themes.Base = gr.themes.Default(
        primary_hue="indigo", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    return theme.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
    )


def server_configuration(app: FastAPI) -> uvicorn.Config:
    """Return how the application is run: quietly, and with an end to every shutdown."""
    return uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=_STOP_SECONDS
    )


class _Server(uvicorn.Server):
    """Prints its address when it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            address = f"[{host}]" if ":" in host else host
            print(f"The article assistant is at http://{address}:{port}", flush=True)  # noqa: T201


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"The page cannot be served at {host}:{port} ({error.strerror}): stop what uses this port, "
            "or set ASSISTANT_PORT to another one"
        ) from error


class _Guard:
    """Refuses what no page of ours asks for, and gives every response its security headers; leaves streams alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                missing = {name.encode(): value.encode() for name, value in _HEADERS.items()}
                extra = [(name, value) for name, value in missing.items() if name not in present]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        refusal = _refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)


def _refusal(scope: Scope) -> PlainTextResponse | None:
    if scope["path"].startswith(BLOCKED_PATHS):
        return PlainTextResponse("Not found", status_code=404)
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    # A body of unknown length cannot be refused before it is read.
    if b"transfer-encoding" in headers or not length.isdigit() or int(length) > MAX_BODY_BYTES:
        return PlainTextResponse("Too large", status_code=413)
    return None


def _span(start: str, end: str) -> tuple[int, int]:
    """Return the offsets, or an empty span for what are none: a link that was damaged still shows the article."""
    is_span = all(re.fullmatch(r"[0-9]{1,9}", offset) for offset in (start, end))
    return (int(start), int(end)) if is_span else (0, 0)


def _plain_page(title: str, body: str, status: int = 200) -> HTMLResponse:
    one_line = escape(" ".join(title.split()))
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{one_line}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f'<body><main><p><a href="/">← Ask the article assistant</a></p>{body}</main></body></html>'
    )
    return HTMLResponse(page, status, headers={"content-security-policy": _PLAIN_POLICY})
