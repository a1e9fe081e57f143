"""The tool `ask_article` for other programs' models, over the Model Context Protocol; off unless switched on.

It needs the package `mcp`, asks like a reader, and has a reader's limits.
"""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assistant.answering.understanding.question import MAX_QUESTION_CHARACTERS
from assistant.rendering import to_json
from assistant.types import Answer
from assistant.web.api.routes import AnswerBody
from assistant.web.middleware import MAX_BODY_BYTES
from assistant.web.service import Refusal, Service, client_of

_QUESTION = f"A question that stands by itself, at most {MAX_QUESTION_CHARACTERS} characters."


def create_tools(service: Service) -> Starlette:
    """Return the application for `/mcp`; it lives for as long as its lifespan is entered."""
    server: MCPServer[Any] = MCPServer(
        "article-assistant",
        instructions="Answers questions about news articles in their own words. Quote its citations, and say so where "
        "it declines: then the articles do not answer the question.",
    )

    @server.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))
    async def ask_article(
        context: Context[Any, Any],
        question: Annotated[str, Field(description=_QUESTION)],
        article: Annotated[str | None, Field(description="Answer from the article of this id alone.")] = None,
    ) -> AnswerBody:
        """Answer a question from the articles, with the exact words that the answer rests on."""
        if article in service.unread:
            raise ToolError("This article is still to be read. Ask again in a moment.")
        if article is not None and article not in service.articles:
            raise ToolError("There is no article of this id.")
        client = client_of(context.request_context.request, "mcp")
        last = None
        async for event in service.answers(question, (), article, client=client):
            last = event
        if isinstance(last, Answer):
            return AnswerBody.model_validate(to_json(last, client.identifier))
        raise ToolError(last.text if isinstance(last, Refusal) else "There is no answer.")

    settings = service.settings
    application = server.streamable_http_app(
        json_response=True,
        stateless_http=True,
        max_request_body_size=MAX_BODY_BYTES,
        # Behind a proxy the host is the public one; without, only this machine's own names are.
        host="" if settings.trusted_proxies else settings.host,
    )
    # GET would open a stream on which nothing ever comes, and which does not end.
    application.routes.insert(0, Route("/mcp", _refuse, methods=["GET"]))
    return application


async def _refuse(_: Request) -> Response:
    raise HTTPException(405, "Ask with POST.", {"allow": "POST"})
