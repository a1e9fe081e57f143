"""The HTTP interface for other programs: `POST /api/ask`, at once or as a stream of events, and its description.

An answer has the form of `python -m assistant ask --json`. Programs have the limits of a reader.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import BaseModel, Field

from assistant.answering.understanding.question import MAX_QUESTION_CHARACTERS
from assistant.rendering import to_json
from assistant.types import Answer, Outcome, Status, Turn
from assistant.web.plain.pages import TEMPLATES, plain_page
from assistant.web.service import UNREAD_SECONDS, Event, Reason, Refusal, Service, Waiting, Working, client_of

MAX_TURNS = 20
INVALID = "invalid_request"
_STARTING = "starting"
_UNREAD = "This article is still to be read. Please ask again in a moment."

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]

_CODES = {
    Reason.RATE_LIMITED: 429,
    Reason.BUSY: 503,
    Reason.MAINTENANCE: 503,
    Reason.SHUTTING_DOWN: 503,
    Reason.SWITCHED_OFF: 503,
    Reason.FAILED: 500,
    Status.BLOCKED_INPUT: 422,
    Status.INDEX_UNAVAILABLE: 503,
}
"""Every other end of a question is an answer: 200."""


class Exchange(BaseModel):
    """An earlier question and its answer."""

    question: str = Field(max_length=MAX_QUESTION_CHARACTERS)
    answer: str = Field(max_length=4000, description="Without citation markers.")
    article: str = Field(default="", description="The id of the article that it was about; else its words tell.")


class Question(BaseModel, extra="forbid"):
    """What is asked."""

    question: str = Field(
        description=f"At most {MAX_QUESTION_CHARACTERS} characters.", examples=["How much has violent crime fallen?"]
    )
    history: list[Exchange] = Field(default=[], max_length=MAX_TURNS, description="What a follow-up leans on.")
    article: str | None = Field(
        default=None, description="Answer from the article of this id alone; without, the question decides."
    )


class Quotation(BaseModel, extra="forbid"):
    """Words of an article: `quote` is exactly the characters from `start` to `end` of its text."""

    number: int = Field(description="The marker in the answer, as in [1].")
    article: str
    start: int
    end: int
    quote: str
    version: str = Field(description="Of the article's text that they are from.")


class Words(BaseModel, extra="forbid"):
    """Some words of an answer, and what supports them."""

    words: str
    citations: list[int] = Field(description="The numbers of the quotations that support them.")
    verbatim: bool = Field(description="Whether they are the article's own, character for character.")
    context: bool = Field(description="Whether they only say whom or what the next words mean.")


class Times(BaseModel, extra="forbid"):
    """Milliseconds since the question arrived."""

    first_ms: int | None = Field(description="When the first evidence could be shown.")
    total_ms: int = Field(description="When the answer was final.")


class Spent(BaseModel, extra="forbid"):
    """What the calls of a provider's model took, in tokens; `cached` are those of `read` that it had kept."""

    calls: int
    read: int
    cached: int
    written: int


class AnswerBody(BaseModel, extra="forbid"):
    """An answer; without citations where it is declined."""

    id: str | None
    question: str
    status: Literal["answered", "quoted", "pinned", "declined", "blocked_input", "index_unavailable"]
    answer: str = Field(description="Its markers [1] point to the citations.")
    citations: list[Quotation]
    timings: Times
    model: str
    error: str | None = Field(description="What went wrong with the model; the answer stands without it.")
    searched: str | None = Field(description="The id of the only one of several articles that was searched.")
    query: str = Field(description="The standalone question that was searched for.")
    confidence: float | None = Field(description="Probability that the article answers the question.")
    outcome: Literal[
        "written",
        "partly",
        "speech",
        "help",
        "list",
        "record",
        "overview",
        "quoted",
        "pinned",
        "declined",
        "blocked",
        "unwritten",
        "unavailable",
    ] = Field(description="The same as the status, in more kinds.")
    fault: str | None = Field(description="In which way the model failed.")
    usage: Spent
    parts: list[Words] = Field(description="The answer again, as words and what supports them.")
    articles: list[str] = Field(description="The ids of those that it lists, or whose title, date or author it tells.")
    unread: int = Field(description="How many of the articles that it may be from were still to be read.")
    more: list[Quotation] = Field(description="What else was found, where the answer is quoted.")
    closest: list[Quotation] = Field(description="Where it is declined: the closest words, which are not an answer.")


class RefusalBody(BaseModel):
    """The question was not answered."""

    status: str = Field(
        description="rate_limited, busy, maintenance, switched_off, starting, shutting_down, failed, invalid_request."
    )
    error: str = Field(description="What happened and what to do, for a person.")
    retry_after: int = Field(description="Seconds after which to ask again; 0 where that is not known.")


def create_router(service: Service) -> APIRouter:
    """Return the routes below /api."""
    router = APIRouter(prefix="/api")
    refused = {"model": RefusalBody}

    @router.post(
        "/ask",
        summary="Answer a question from the articles",
        response_model=AnswerBody,
        responses={
            200: {"content": {"text/event-stream": {}}, "description": "The answer, or the events that lead to it."},
            400: {**refused, "description": "The body is no text that can be read."},
            404: {**refused, "description": "There is no such article."},
            408: {**refused, "description": "The body did not come in time."},
            413: {**refused, "description": "The body is larger than a question with its history can be."},
            422: {**refused, "description": "The question cannot be answered as it is."},
            429: {**refused, "description": "Too many questions; see Retry-After."},
            500: {**refused, "description": "Something went wrong on the server."},
            503: {
                **refused,
                "description": "Busy, switched off, or not all is read yet; see Retry-After.",
            },
        },
    )
    async def ask(question: Question, request: Request) -> Response:
        """Return the final answer.

        With `Accept: text/event-stream` it is streamed. The events are `waiting` (`ahead`, `seconds`), `working`
        (`seconds`), `snapshot` (an answer that a better one follows), and at the end `answer` or `refusal`.
        """
        if question.article in service.unread:
            return error(503, _STARTING, _UNREAD, UNREAD_SECONDS)
        if question.article is not None and question.article not in service.articles:
            return error(404, INVALID, "There is no article of this id.")
        turns = [Turn(**turn.model_dump()) for turn in question.history]
        client = client_of(request, "api")
        events = service.answers(question.question, turns, question.article, client=client)
        if "text/event-stream" in request.headers.get("accept", ""):
            return await _stream(events, client.identifier)
        return await _last(events, client.identifier, request)

    @router.get("/docs", include_in_schema=False)
    async def show_docs(request: Request) -> Response:
        description = TEMPLATES.get_template("docs.html").render(**request.app.openapi())
        return plain_page("The article assistant for other programs", description)

    # Otherwise the chat would answer, which takes every path.
    @router.api_route("/{rest:path}", methods=_METHODS, include_in_schema=False)
    async def nothing_else(rest: str) -> Response:
        if rest == "ask":
            return error(405, INVALID, "Ask with POST.", headers={"allow": "POST"})
        return error(404, INVALID, "There is nothing here; the interface is described at /api/docs.")

    return router


async def _last(events: AsyncGenerator[Event], identifier: str, request: Request) -> Response:
    """Return the final answer, or why there is none; whoever leaves before ends the work."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Refusal):
                return _refused(event)
            if isinstance(event, Answer) and event.final:
                # Words that name help are to be read, and many programs show nothing of what is no 200.
                code = 200 if event.outcome is Outcome.HELP else _CODES.get(event.status, 200)
                return JSONResponse(to_json(event, identifier), code)
            if await request.is_disconnected():
                break
    return Response(status_code=499)


async def _stream(events: AsyncGenerator[Event], identifier: str) -> Response:
    """Return the events as they come; what is refused at once is no stream."""
    first = await anext(events)
    if isinstance(first, Refusal):
        await events.aclose()
        return _refused(first)

    async def lines() -> AsyncGenerator[bytes]:
        async with aclosing(events):
            yield _event_line(first, identifier)
            async for event in events:
                yield _event_line(event, identifier)

    return StreamingResponse(lines(), media_type=EventSourceResponse.media_type, headers={"cache-control": "no-store"})


def _event_line(event: Event, identifier: str) -> bytes:
    match event:
        case Waiting():
            name, data = "waiting", asdict(event)
        case Working():
            name, data = "working", asdict(event)
        case Refusal():
            name, data = "refusal", _body(event.reason, event.text, event.retry_after)
        case Answer():
            name, data = "answer" if event.final else "snapshot", to_json(event, identifier)
    return format_sse_event(event=name, data_str=json.dumps(data))


def _refused(refusal: Refusal) -> JSONResponse:
    return error(_CODES[refusal.reason], refusal.reason, refusal.text, refusal.retry_after)


def error(
    code: int, status: str, text: str, retry_after: int = 0, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return an error in the one form that all errors have."""
    all_headers = dict(headers or {}) | ({"retry-after": str(retry_after)} if retry_after else {})
    return JSONResponse(_body(status, text, retry_after), code, all_headers)


def _body(status: str, text: str, retry_after: int) -> dict[str, Any]:
    return RefusalBody(status=str(status), error=text, retry_after=retry_after).model_dump()


async def invalid_request(_: Request, problem: Exception) -> Response:
    """Say what is wrong with a request, without repeating what was sent."""
    found = problem.errors()[0] if isinstance(problem, RequestValidationError) else {"loc": (), "msg": "not valid"}
    where = ".".join(str(part) for part in found["loc"][1:] if isinstance(part, str | int))
    return error(422, INVALID, f"{where or 'The body'}: {found['msg']}")
