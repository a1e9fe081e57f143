"""The form in which a reader says what they think of an answer.

What is sent is the exchange as the server has it, never as the browser says it was.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from typing import Any

import gradio as gr

from assistant.articles.reading import normalise
from assistant.markup import escape, html_line
from assistant.types import Turn
from assistant.web.chat.exchanges import LOST, Conversation, Exchange
from assistant.web.service import THANKS, Service, client_of
from assistant.web.storage.feedback import MAX_COMMENT_CHARACTERS, REASONS, Feedback, reasons_against

HELPFUL, UNHELPFUL = "Helpful", "Not helpful"
SENDING = "Sending the report…"
UNDECIDED = "Please say first whether the answer was helpful."
TOO_LONG = "The report is not sent: please shorten its words by {excess} characters."
GONE = "The report cannot be sent: the answer that it is about is no longer kept here."

_WHAT_IS_SENT = (
    "This sends the question, the answer and what you say to those who run this assistant. They keep it. Please write "
    "nothing about yourself."
)

Update = dict[Any, Any]
"""What becomes of the components that change."""


class ReportForm:
    """The form, hidden until a reader presses a button under an answer. To be made within a page."""

    def __init__(self, service: Service) -> None:
        """Lay it out."""
        self._service = service
        # The script writes here which button was pressed. That is a stranger's word like any other.
        self._bridge = gr.Textbox(visible="hidden", elem_id="bridge", label="Which answer")
        with gr.Column(visible=False, elem_id="report") as self._form:
            self._about = gr.Markdown(elem_id="reported", latex_delimiters=[])
            self._verdict = gr.Radio([HELPFUL, UNHELPFUL], label="The answer was", elem_id="verdict")
            # Gradio shows and reads out the values as well, so they are words.
            self._reasons = gr.CheckboxGroup([*REASONS.values()], label="What is wrong with it?", visible=False)
            self._comment = gr.Textbox(
                label="Anything else (optional)", info=f"At most {MAX_COMMENT_CHARACTERS} characters.", lines=2
            )
            self._along = gr.Checkbox(label="Send the questions and answers before it along", visible=False)
            with gr.Row(elem_classes="buttons"):
                self._send = gr.Button("Send the report", variant="primary", size="sm", min_width=0)
                self._drop = gr.Button("Do not send", size="sm", min_width=0, elem_id="drop-report")

    def connect(
        self, token: gr.Textbox, conversation_of: Callable[[str | None], Conversation], status: gr.Markdown
    ) -> None:
        """Let it work on the conversation of that token, and say in that line how it went."""
        outputs = [
            self._form, self._about, self._verdict, self._reasons,
            self._comment, self._along, status,
        ]  # fmt: skip
        self._conversation_of = conversation_of
        self._token = token
        self._status = status
        how: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
        self._bridge.change(self._open, [self._bridge, token], outputs, **how)
        # Not `change`, which fires for what the server has set as well.
        self._verdict.input(self._ask_why, [self._verdict], outputs, trigger_mode="always_last", **how)
        self._drop.click(self._closed, None, outputs, **how)
        given: set[Any] = {self._bridge, self._verdict, self._reasons, self._comment, self._along, token}
        self._send.click(self._take, given, outputs, **how)

    def _open(self, pressed: str | None, token: str | None) -> Update:
        conversation = self._conversation_of(token)
        verdict, exchange = _pressed(pressed, conversation)
        if exchange is None or exchange.answer is None or exchange.turn is None:
            # Where what there was to report on is gone, the words in the form stay.
            return {self._status: html_line(LOST)} if conversation.is_lost else self._closed()
        return self._closed() | {
            self._form: gr.update(visible=True),
            self._about: (
                f'<h2 id="report-title">Report on the answer to “{escape(exchange.question)}”</h2>'
                f'<p class="note">{escape(_WHAT_IS_SENT)}</p>'
            ),
            self._verdict: HELPFUL if verdict == "helpful" else UNHELPFUL,
            self._reasons: gr.update(
                choices=[*reasons_against(exchange.answer).values()], visible=verdict == "unhelpful", value=[]
            ),
            self._along: gr.update(visible=bool(_before(exchange, conversation)), value=False),
        }

    def _ask_why(self, verdict: str | None) -> Update:
        return {self._reasons: gr.update(visible=verdict == UNHELPFUL)}

    def _closed(self) -> Update:
        return {
            self._form: gr.update(visible=False),
            self._verdict: None,
            self._reasons: [],
            self._comment: "",
            self._along: False,
        }

    async def _take(self, given: Update, request: gr.Request) -> AsyncGenerator[Update]:
        """Yield what changes while a report is sent; the form closes once it is saved, and else keeps its words."""
        yield {self._status: html_line(SENDING)}
        report = self._reported(given)
        if isinstance(report, str):
            yield {self._status: html_line(report)}
            return
        told = await self._service.give_feedback(report, client=client_of(request))
        yield (self._closed() if told == THANKS else {}) | {self._status: html_line(told)}

    def _reported(self, given: Update) -> Feedback | str:
        """Return the report, or what is to be said because there can be none."""
        conversation = self._conversation_of(given[self._token])
        _, exchange = _pressed(given[self._bridge], conversation)
        comment = normalise(given[self._comment] or "")
        if exchange is None or exchange.answer is None:
            return LOST if conversation.is_lost else GONE
        if given[self._verdict] is None:
            return UNDECIDED
        if len(comment) > MAX_COMMENT_CHARACTERS:
            return TOO_LONG.format(excess=len(comment) - MAX_COMMENT_CHARACTERS)
        is_helpful = given[self._verdict] == HELPFUL
        reasons = () if is_helpful else [name for name, label in REASONS.items() if label in given[self._reasons]]
        return Feedback(
            exchange.answer,
            helpful=is_helpful,
            reasons=tuple(reasons),
            comment=comment,
            turns=_before(exchange, conversation) if given[self._along] else (),
            asked_of=exchange.article.id if exchange.article else "",
        )


def _pressed(pressed: str | None, conversation: Conversation) -> tuple[str, Exchange | None]:
    """Return what the pressed button says, and the exchange under which it stands, where that is still there."""
    match = re.fullmatch(r"(helpful|unhelpful) ([0-9]{1,6}) [0-9]+", pressed or "")
    return (match[1], conversation.numbered(int(match[2]))) if match else ("", None)


def _before(exchange: Exchange, conversation: Conversation) -> tuple[Turn, ...]:
    earlier = (other.turn for other in conversation.exchanges if other.number < exchange.number)
    return tuple(turn for turn in earlier if turn)
