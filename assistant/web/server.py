"""The web server: what stands at which address, and how the process starts and ends.

One process serves, because conversations are kept in its memory.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
from concurrent.futures import Future
from contextlib import ExitStack, closing, suppress
from functools import partial
from http import HTTPStatus

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.answering.assistant import Assistant
from assistant.extras import require
from assistant.files import Progress, silent, unwritable
from assistant.markup import escape
from assistant.settings import Settings
from assistant.web.api import routes as api
from assistant.web.chat.door import Door
from assistant.web.chat.gradio_parts import LOST, mount
from assistant.web.chat.layout import HEAD, TAGS
from assistant.web.chat.page import Page
from assistant.web.desk.routes import add_desk
from assistant.web.embedding.routes import as_page, with_embedding
from assistant.web.following import following
from assistant.web.limits import is_in
from assistant.web.listening import listening
from assistant.web.middleware import PatientProtocol, guarded, served_names, without_lent_address
from assistant.web.observability import log, log_to_standard_error
from assistant.web.plain.assets import Assets
from assistant.web.plain.pages import add_pages, plain_page
from assistant.web.service import Service, client_of
from assistant.web.starting import starting
from assistant.web.storage.desk_file import erasing

_STOP_SECONDS = 1
"""Open pages hold a connection that never ends by itself."""
_HAND_OVER_SECONDS = 1.0
"""In which a page that has sent its question begins to listen for the answer."""
_SPARE_FILES = 200
"""Open files that are not connections: the index, the model, the log."""
_OF_THIS_PROCESS = ("/healthz", "/readyz", "/metrics")
_ASK_ANOTHER = PlainTextResponse("Ask another process", status_code=503, headers={"retry-after": "1"})
"""What the proxy of `deploy/nginx.conf` takes as the sign to ask the next process."""


def serve(settings: Settings, progress: Progress = silent) -> None:
    """Open the assistant and serve the page until the process is told to stop.

    Raises:
        ConfigurationError: the assistant cannot be opened, or the address is taken.
    """
    log_to_standard_error()
    with listening(settings.host, settings.port) as listener:
        # Uvicorn passes the signal on when it is done, and then the assistant has still to be closed.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt), ExitStack() as resources:
            guard = partial(guarded, refused=refused, names=served_names(settings))
            serving = partial(server_configuration, settings=settings)
            with starting(lambda app: serving(guard(app)), listener, settings.embed_sites) as note:

                def tell(what: str, done: int, total: int) -> None:
                    progress(what, done, total)
                    note(what, done, total)

                assistant = resources.enter_context(closing(Assistant.open(settings, tell, at_once=True)))
                for problem in assistant.corpus.problems:
                    log.warning("%s", problem)
                # It takes seconds, and the page can be read and asked meanwhile.
                loading = assistant.load_in_background()
                service = Service(assistant, settings)
                configuration = server_configuration(create_app(service), settings)
            resources.enter_context(following(service))
            resources.enter_context(erasing(settings))
            configuration.limit_concurrency = _most_connections()
            server = Server(configuration, service)
            loading.add_done_callback(server.stop_unless_loaded)
            server.run([listener])
            if loading.done():
                loading.result()


def create_app(service: Service) -> ASGIApp:
    """Return the web application."""
    tools = None
    if service.settings.mcp:
        require("mcp", "ASSISTANT_MCP")
        from assistant.web.api.tools import create_tools  # noqa: PLC0415 - a package that few need

        tools = create_tools(service)
    app = FastAPI(
        title="Article assistant",
        description=api.__doc__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=tools.router.lifespan_context if tools else None,
    )
    if tools:
        app.router.routes += tools.routes
    # Without a list of our own, Gradio would let the pages of any site talk to this one.
    app.add_middleware(CORSMiddleware, allow_origins=[])
    app.add_exception_handler(HTTPException, lambda request, problem: refused(request.url.path, problem))
    app.add_exception_handler(RequestValidationError, api.invalid_request)
    app.include_router(api.create_router(service))
    _add_checks(app, service)
    add_pages(app, service)
    add_desk(app, service)
    page = mount_chat(app, service)
    # Behind a proxy another process may know a tab that this one does not.
    lost = _ASK_ANOTHER if service.settings.trusted_proxies else LOST
    door = Door(as_page(app), page.blocks, page.asking, page.costs_nothing, service, lost)
    service.has_callers = door.has_callers
    assets = Assets(door)
    service.renewals += [page.renew, assets.forget_pages]
    application = with_embedding(assets, service)

    async def handing_over(scope: Scope, receive: Receive, send: Send) -> None:
        leaves = service.is_leaving and scope["type"] == "http" and not scope["path"].startswith(_OF_THIS_PROCESS)
        scope = without_lent_address(scope, service.settings.trusted_proxies)
        await (_ASK_ANOTHER if leaves else application)(scope, receive, send)

    return guarded(handing_over, refused, served_names(service.settings))


def refused(path: str, refusal: HTTPException) -> Response:
    """Return what is said of a request that goes no further: to a program in its form, to a person on a page."""
    if path.startswith("/api/"):
        return api.error(refusal.status_code, api.INVALID, refusal.detail, headers=refusal.headers)
    title = HTTPStatus(refusal.status_code).phrase
    page = plain_page(title, f"<h1>{title}</h1><p>{escape(refusal.detail)}</p>", refusal.status_code)
    page.headers.update(refusal.headers or {})
    return page


def _add_checks(app: FastAPI, service: Service) -> None:
    """Add what a supervisor asks for."""

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        ready = service.ready and service.assistant.is_loaded
        kept = (service.settings.data, service.settings.feedback.parent)
        problems = await asyncio.to_thread(
            lambda: [why for folder in kept if folder.is_dir() if (why := unwritable(folder))]
        )
        state = {
            "ready": ready,
            "model": service.assistant.model_state.kind,
            "articles": len(service.articles),
            "missing": service.assistant.missing,
            "disk": problems[0] if problems else "ok",
        }
        return JSONResponse(state, 200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        if not is_in(client_of(request).address, service.settings.monitors):
            return PlainTextResponse("Not found", 404)
        return Response(service.metrics.exposition(), media_type="text/plain; version=0.0.4")


def mount_chat(app: FastAPI, service: Service) -> Page:
    """Add the page with the chat, and return it."""
    page = Page(service)
    mount(
        app,
        page.blocks,
        TAGS,
        path="/",
        theme=_theme(),
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
    return page


def _theme() -> gr.themes.Base:
    """Return Gradio's theme with the system's fonts, and contrasts that a reader with weak eyes can do with."""
    theme: gr.themes.Base = gr.themes.Default(
        primary_hue="indigo", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    return theme.set(
        body_background_fill="#f8f7f4",
        body_background_fill_dark="#131316",
        background_fill_primary_dark="#131316",
        block_background_fill_dark="#131316",
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


def server_configuration(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Return how the application is run: quietly, with an end to every wait, and who is believed about addresses."""
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
        timeout_graceful_shutdown=_STOP_SECONDS,
    )


class Server(uvicorn.Server):
    """Prints its address when it answers, and lets those who have asked have their answer before it stops."""

    def __init__(self, configuration: uvicorn.Config, service: Service) -> None:
        """Take how to run, and whose questions to wait for."""
        super().__init__(configuration)
        self._service = service

    def stop_unless_loaded(self, loading: Future[None]) -> None:
        """Stop where loading has failed, and say why at once: those who have asked may take a while."""
        if (reason := loading.exception()) is not None:
            log.error("the embedding model could not be loaded", exc_info=reason)
            self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            address = f"[{host}]" if ":" in host else host
            print(f"The article assistant is at http://{address}:{port}", flush=True)  # noqa: T201

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, not before the last answer; questions that come meanwhile are refused."""
        if not self.force_exit:
            if self._service.settings.trusted_proxies:
                # Another process takes what comes now; what came a moment ago may still be on its way.
                self._service.is_leaving = True
                await asyncio.sleep(_HAND_OVER_SECONDS)
            await self._service.drain(self._service.settings.stop_seconds)
            if self._service.settings.trusted_proxies:
                await asyncio.sleep(_HAND_OVER_SECONDS)
        await super().shutdown(sockets)


def _most_connections() -> int:
    """Return how many connections there can be, after asking for more open files than most systems allow at first."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(most, 65_536) if most != resource.RLIM_INFINITY else 65_536
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    return wanted - _SPARE_FILES
