"""What stands at `/embed`: the script of a publisher's page, and the chat for the frame that the script opens.

Only the sites that the operator listed get either; the browser holds to it.
"""

from __future__ import annotations

import json
from pathlib import Path

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.web.middleware import EMBEDDED, EMBEDDED_SCRIPTS, PAGE_POLICY, with_headers
from assistant.web.plain.pages import not_there
from assistant.web.service import Service

_FOLDER = Path(__file__).parent
_OFF = "This assistant is on no other site: its operator has listed none."


def with_embedding(app: ASGIApp, service: Service) -> ASGIApp:
    """Return the application with what a publisher's page asks for."""
    sites = service.settings.embed_sites
    ancestors = f"frame-ancestors {' '.join(sites)}"
    policy = {"content-security-policy": PAGE_POLICY.replace("frame-ancestors 'self'", ancestors)}
    scripts = scripts_for(sites)

    async def embedding(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in (EMBEDDED, *EMBEDDED_SCRIPTS):
            await app(scope, receive, send)
        elif not sites:
            raise HTTPException(404, _OFF)
        elif scope["path"] in scripts:
            await scripts[scope["path"]](scope, receive, send)
        elif (article := QueryParams(scope["query_string"]).get("article")) not in service.articles:
            await not_there(article, service, sites)(scope, receive, send)
        else:
            # Nobody but the sites may have the page in a frame.
            send = with_headers(send, policy | {"cache-control": "no-store"})
            await app({**scope, "query_string": b""}, receive, send)

    return embedding


def as_page(app: ASGIApp) -> ASGIApp:
    """Return the application with the chat also at `/embed`; its template knows it by the scope of the request."""

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        is_embedded = scope["type"] == "http" and scope["path"] == EMBEDDED
        at = {"path": "/", "raw_path": b"/", "is_embedded": True} if is_embedded else {}
        await app({**scope, **at}, receive, send)

    return page


def scripts_for(sites: tuple[str, ...]) -> dict[str, Response]:
    """Return by their paths the scripts for the pages of these sites and for the frame; none without a site."""
    of_host, of_frame = EMBEDDED_SCRIPTS
    return {of_host: _script(sites, "match.js", "host.js"), of_frame: _script(sites, "frame.js")} if sites else {}


def _script(sites: tuple[str, ...], *names: str) -> Response:
    """Return a script that knows the sites and leaves no name behind; on other sites, it does nothing."""
    parts = "".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)
    script = f'(() => {{\n"use strict";\nconst SITES = {json.dumps(sites)};\n{parts}}})();\n'
    headers = {"cross-origin-resource-policy": "cross-origin", "cache-control": "max-age=3600"}
    return Response(script, media_type="text/javascript", headers=headers)
