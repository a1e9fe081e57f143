"""The door of Gradio's queue: what no page of ours sends is refused here, and so is a question too many.

Gradio itself would open the file, or ask the host, that a stranger names in place of a question. So a call goes on only
where each input is what its component takes, and nothing but what was checked goes on. A question beyond the room is
refused before Gradio takes it up, which takes seconds in a crowd; what costs nothing needs no room. So are too many
calls of one address, whatever they are. The page shows a refusal as a notice, and leaves the question in its box.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Annotated, Any

import gradio as gr
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.web.chat.gradio_parts import EVENTS, JOIN, LOST, Calls, inputs
from assistant.web.chat.streams import Streams, told_to_wait
from assistant.web.observability import log_refusal
from assistant.web.service import Service, client_of

_NO_CALL = "This page is not the present one. Please load it again."


class Call(BaseModel, strict=True):
    """What a page sends to have one of its functions called. Anything else that comes along goes no further."""

    fn_index: int
    session_hash: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}\z")]
    data: list[Any]


class Door:
    """Lets calls through to Gradio's queue."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is another thing of the page or the service
        self,
        app: ASGIApp,
        blocks: gr.Blocks,
        asking: Collection[int],
        costs_nothing: Callable[[Call], Awaitable[bool]],
        service: Service,
        lost: Response = LOST,
    ) -> None:
        """Take the application, its page, which of the page's functions ask, and whose room there is.

        `costs_nothing` says of a call that asks, whether its answer needs no room; `lost` is what a page is told whose
        question is not here.

        Raises:
            TypeError: the page has a kind of input that nothing is known of here.
        """
        self._app = app
        self._calls = Calls(blocks)
        self._takes = {number: [takes(component) for component in each] for number, each in inputs(blocks).items()}
        self._asking = frozenset(asking)
        self._costs_nothing = costs_nothing
        self._service = service
        self._streams = Streams(app, self._calls, service, lost)
        self._entering: set[int] = set()
        """The questions that were let in and are not in the queue yet."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        match scope:
            case {"type": "http", "path": path, "method": "POST"} if path == JOIN:
                await self._join(scope, receive, send)
            case {"type": "http", "path": path, "method": "GET"} if path == EVENTS:
                await self._streams.listen(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _join(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if refusal := self._service.turn_away_call(client_of(request)):
            await told_to_wait(refusal)(scope, receive, send)
            return
        call = self._checked(await request.body())
        if call is None:
            log_refusal("page", "no call")
            await JSONResponse({"detail": _NO_CALL}, 422)(scope, receive, send)
            return
        is_question = call.fn_index in self._asking
        if is_question and self._asked >= self._service.room and not await self._costs_nothing(call):
            await told_to_wait(self._service.turn_away())(scope, receive, send)
            return

        async def confirm(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._entering.discard(id(call))
                await self._streams.confirmed(call.session_hash)
            await send(message)

        if is_question:
            self._entering.add(id(call))
        try:
            await self._app(scope, _again(call.model_dump_json().encode(), receive), confirm)
        finally:
            self._entering.discard(id(call))

    def _checked(self, body: bytes) -> Call | None:
        """Return the call; None where no page of ours would make it."""
        try:
            call = Call.model_validate_json(body)
        except ValidationError:
            return None
        takes = self._takes.get(call.fn_index)
        if takes is None or len(takes) != len(call.data):
            return None
        return call if all(take(value) for take, value in zip(takes, call.data, strict=True)) else None

    @property
    def _asked(self) -> int:
        """How many questions are on the way to their answer."""
        return len(self._entering) + sum(number in self._asking for number in self._calls.functions())

    def has_callers(self) -> bool:
        """Whether somebody is on the way into Gradio's queue, waits in it or is being served from it."""
        return bool(self._entering or self._calls.functions())


def takes(component: object) -> Callable[[Any], bool]:
    """Return a test of whether a page of ours would send a value for a component.

    Raises:
        TypeError: nothing is known of such a component.
    """
    match component:
        case gr.Textbox():
            return lambda value: value is None or isinstance(value, str)
        case gr.Checkbox():
            return lambda value: value is None or isinstance(value, bool)
        case gr.Radio() | gr.Dropdown(multiselect=None | False, allow_custom_value=False):
            return lambda value: value is None or _is_choice(value, component)
        case gr.CheckboxGroup():
            return lambda value: isinstance(value, list) and all(_is_choice(one, component) for one in value)
    raise TypeError(f"{type(component).__name__} is an input of the page: say in door.py what may be sent for it")


def _is_choice(value: object, component: gr.Radio | gr.Dropdown | gr.CheckboxGroup) -> bool:
    # Looked up for each call: the articles to choose from change while the page is served.
    return isinstance(value, str) and any(value == choice for _, choice in component.choices)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives this body."""
    is_given = False

    async def receive_again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
