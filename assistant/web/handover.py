"""Behind a proxy with several processes: what this one does not have, or takes no more, is passed on to another.

The answer 503 is what the proxy (`deploy/nginx.conf`) takes as the sign to ask the next process, so that a process can
be restarted while readers ask. Without a proxy this stands back, since then nobody would ask elsewhere.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_EVENTS = "/gradio_api/queue/data"
"""Where a page listens for what becomes of its question."""
_ALWAYS = ("/healthz", "/readyz", "/metrics", "/gradio_api/cancel", "/gradio_api/reset")
"""What is asked of this very process."""


class HandOver:
    """Turns away what another process should answer."""

    def __init__(self, app: ASGIApp, is_leaving: Callable[[], bool], has_tab: Callable[[str], bool]) -> None:
        """Take the application, whether it takes nothing new, and whether a tab has a question here."""
        self._app = app
        self._is_leaving = is_leaving
        self._has_tab = has_tab

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or turn it away."""
        app = self._app
        if scope["type"] == "http" and self._is_for_another(scope):
            app = PlainTextResponse("Ask another process", status_code=503, headers={"retry-after": "1"})
        await app(scope, receive, send)

    def _is_for_another(self, scope: Scope) -> bool:
        if scope["path"] == _EVENTS:
            query = urllib.parse.parse_qs(scope["query_string"].decode("latin-1"))
            return not self._has_tab(query.get("session_hash", [""])[0])
        return self._is_leaving() and not scope["path"].startswith(_ALWAYS)
