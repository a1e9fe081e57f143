"""The chat: the conversation and the question box, and the article beside them.

The conversation is kept on the server, under a token that the page sends along. The chat window is an output only,
since what a browser sends back can be forged, and nothing that a stranger wrote reaches it unescaped. What needs no
server, as jumping to the quoted words and copying, is done by `static/chat.js`. Knows nothing of how an answer comes
about.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from copy import copy
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.state_holder import SessionState

from assistant.answering.understanding import MAX_QUESTION_CHARACTERS
from assistant.rendering import (
    LABELS,
    READING,
    article_header,
    article_list,
    article_paragraphs,
    html_line,
    source_line,
)
from assistant.types import Answer, Article, Status
from assistant.web.chat.conversations import Conversations, Kept
from assistant.web.chat.door import Call
from assistant.web.chat.exchanges import (
    ANSWERED_HERE,
    EVERYWHERE,
    STOPPED,
    Conversation,
    Exchange,
    messages,
    read_out,
    suggestions,
)
from assistant.web.chat.feedback_form import ReportForm
from assistant.web.chat.starters import Starters, nearest, read_starters
from assistant.web.limits import client_key
from assistant.web.service import TEXTS, Client, Event, Reason, Refusal, Service, Waiting, Working, client_of
from assistant.web.shared_stream import SharedStream

CONNECTING = "Connecting…"
"""Until the server has greeted."""
STARTING = "Reading…"
CLEARED = "The conversation is cleared."
EDITING = "Change your question and send it. The new answer takes the place of the last one."
KEPT = "The last answer stays."
BACK = "Your conversation is here again."
NOTHING_YET = "There is no answer yet."
OFFLINE = "This device is offline. What was said stays here."
ELSEWHERE = "The answer is being made for other tabs of yours. Load this page again in a moment."

READY = "Ready."
_READY_WITHOUT_MODEL = {
    "none": "Ready. Answers are quotations.",
    "loading": "Ready. The models are still loading; until then, answers come later or are quotations.",
    "unavailable": "Ready. The language model is not available: answers are quotations.",
}
_FIRST_STARTERS = 4
AWAY_SECONDS = 10.0
"""In which a page that is loaded again in the middle of an answer comes back; else nobody computes for nobody."""
_PAGES = 5
"""So many show the same answer while it is made; more would take the places of other readers' pages."""

NAME = "Article assistant"
_ABOUT = "Answers questions about news articles in their own words, which stand under each answer. It can be wrong."

HEAD = '<link rel="stylesheet" href="/site/chat.css"><script type="module" src="/site/chat.js"></script>'
"""Added to the head by Gradio's script."""
TAGS = (
    f'<title>{NAME}</title><meta name="description" content="{_ABOUT}">'
    f'<meta property="og:type" content="website"><meta property="og:title" content="{NAME}">'
    f'<meta property="og:description" content="{_ABOUT}"><meta name="twitter:card" content="summary">'
    f'<meta name="twitter:title" content="{NAME}"><meta name="twitter:description" content="{_ABOUT}">'
    '<noscript><meta http-equiv="refresh" content="0; url=/articles"></noscript>'
    f'<meta name="chat" data-limit="{MAX_QUESTION_CHARACTERS}" data-connecting="{CONNECTING}" data-offline="{OFFLINE}" '
    f'data-nothing-yet="{NOTHING_YET}" data-busy="{TEXTS[Reason.BUSY].partition("{wait}")[0]}">'
)
"""In the head from the beginning: without scripts there is no chat, but the articles can be read. The last element is
what the script must know."""

_log = logging.getLogger(__name__)

Update = dict[Any, Any]
"""What becomes of the components that change."""


class _Blocks(gr.Blocks):
    """Blocks that leave alone what does not change.

    Gradio makes a component anew, and describes it anew, for each output that a handler leaves out, in each of its
    steps; with a crowd that was more than half of all that the server did.
    """

    async def postprocess_data(
        self,
        block_fn: BlockFunction,
        predictions: Any,  # noqa: ANN401 - as in Gradio
        state: SessionState | None,
    ) -> list[Any]:
        """Return what is sent to the browser for each output."""
        if not isinstance(predictions, dict) or not any(output in predictions for output in block_fn.outputs):
            return list(await super().postprocess_data(block_fn, predictions, state))
        changing = copy(block_fn)
        changing.outputs = [output for output in block_fn.outputs if output in predictions]
        sent = await super().postprocess_data(changing, predictions, state)
        by_output = dict(zip(changing.outputs, sent, strict=True))
        return [by_output.get(output, None if output.stateful else gr.skip()) for output in block_fn.outputs]


class Page:
    """The components, and what happens when a reader does something. No handler raises, or the page would be stuck."""

    blocks: gr.Blocks
    """To be mounted."""
    asking: frozenset[int]
    """Gradio's numbers of what asks a question, and so may have to wait."""

    def __init__(self, service: Service) -> None:
        """Build the page."""
        self._service = service
        self._articles = {article.id: article for article in service.assistant.corpus.articles}
        file = service.settings.articles.parent / "starters.jsonl"
        self._starters = Starters(service.assistant, read_starters(file, service.assistant))
        self._conversations: Conversations[Update] = Conversations()
        with _Blocks(title=NAME, analytics_enabled=False, fill_width=True) as self.blocks:
            with gr.Row(elem_id="panes"):
                with gr.Column(min_width=0, elem_id="conversation"):
                    self._lay_out_conversation()
                with gr.Column(min_width=0, elem_id="reading"):
                    self._lay_out_reading()
            self._connect()

    def _lay_out_conversation(self) -> None:
        _text(_introduction(len(self._articles)), "introduction")
        self._window = _window(len(self._articles))
        self._suggested = _text("", "starters")
        # Not Gradio's state, whose key is new each time the page is loaded. The script remembers the token for the tab,
        # and writes it into the other box when the page was loaded again.
        self._token = gr.Textbox(visible="hidden", elem_id="token", label="Which conversation")
        self._returning = gr.Textbox(visible="hidden", elem_id="returning", label="Which conversation before")
        self._report = ReportForm(self._service)
        self._spoken = _text("", "spoken")
        with gr.Row(elem_id="tools", elem_classes="buttons", visible=False) as self._tools:
            self._retry = gr.Button("Try again", size="sm", min_width=0, elem_id="retry")
            self._edit = gr.Button("Edit the question", size="sm", min_width=0, elem_id="edit")
            self._keep = gr.Button("Keep the answer", size="sm", min_width=0, visible=False)
            gr.Button("Save as Markdown", size="sm", min_width=0, elem_id="export")
            self._clear = gr.Button("Clear", size="sm", min_width=0, elem_id="clear")
        # The button that a reader sees stands in the chat window, which is an output only.
        self._everywhere = gr.Button(EVERYWHERE, visible="hidden", elem_id="everywhere")
        _text(_NOTE, "note")
        with gr.Column(min_width=0, elem_id="dock"):
            with gr.Row(elem_id="state"):
                self._status = _text(html_line(CONNECTING), "status")
                self._progress = _text("", "progress")
                _text(_TO_ANSWER, "to-answer")
            with gr.Row(elem_id="composer"):
                self._box = _box()
                self._send = gr.Button("Ask", variant="primary", min_width=0, elem_id="send")
                self._stop = gr.Button("Stop", min_width=0, visible=False, elem_id="stop")

    def _lay_out_reading(self) -> None:
        choices = [("All articles", ""), *((source_line(article), article.id) for article in self._articles.values())]
        self._picker = gr.Dropdown(
            choices,
            value="",
            label="Answer from",
            filterable=True,
            visible=len(self._articles) > 1,
            elem_id="picker",
        )
        if len(self._articles) > 1:
            _text(_TO_LIST, "to-list")
        self._pane = _text(self._reading(None), "pane")

    def _connect(self) -> None:
        how: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
        outputs = [
            self._box, self._window, self._token, self._status, self._progress, self._suggested,
            self._send, self._stop, self._tools, self._keep, self._picker, self._pane, self._spoken,
        ]  # fmt: skip
        asking = [self._box.submit, self._send.click]
        ask = gr.on(asking, self._ask, [self._box, self._picker, self._token], outputs, trigger_mode="once", **how)
        ask_again = self._retry.click(self._ask_again, [self._token], outputs, **how)
        ask_all = self._everywhere.click(self._ask_everywhere, [self._token], outputs, **how)
        self.asking = frozenset((ask["id"], ask_again["id"], ask_all["id"]))
        self._stop.click(self._end, [self._token], outputs, **how)
        self._edit.click(self._begin_edit, [self._token], outputs, **how)
        self._keep.click(self._end_edit, [self._token], outputs, **how)
        self._clear.click(self._forget, [self._picker, self._token], outputs, **how)
        self._picker.input(self._choose, [self._picker, self._token], outputs, **how)
        self._returning.change(self._come_back, [self._returning], outputs, **how)
        self.blocks.load(self._greet, None, outputs, **how)
        self._report.connect(self._token, self._conversation, self._status)

    # Asking

    def costs_nothing(self, call: Call) -> bool:
        """Whether a call of the page's asks what is answered already, or being answered."""
        match call.data:
            case [str() as question, str() | None as article, str() | None as token]:
                turns = self._conversation(token).before_next.turns
                return self._service.costs_nothing(question, turns, _id(self._chosen(article)))
        return False

    def _conversation(self, token: str | None) -> Conversation:
        """Return what is kept under a token; where that is gone, a new conversation that says so."""
        kept = self._conversations.find(token or "")
        return kept.conversation if kept else Conversation(is_lost=bool(token))

    async def _ask(
        self, question: str | None, article: str | None, token: str | None, request: gr.Request
    ) -> AsyncGenerator[Update]:
        """Yield what changes while a question is answered."""
        before = self._conversation(token).before_next
        exchange = Exchange(before.next_number, question or "", self._chosen(article), notice=STARTING)
        async with aclosing(self._answered(exchange, before, token or "", request)) as updates:
            async for update in updates:
                yield update

    async def _ask_again(self, token: str | None, request: gr.Request) -> AsyncGenerator[Update]:
        """Yield the same for the last question once more."""
        conversation = self._conversation(token)
        if not conversation.exchanges:
            yield self._stands(conversation, READY)
            return
        last = conversation.exchanges[-1]
        exchange = Exchange(last.number, last.question, last.article, notice=STARTING)
        async with aclosing(self._answered(exchange, conversation.without_last, token or "", request)) as updates:
            async for update in updates:
                yield update

    async def _ask_everywhere(self, token: str | None, request: gr.Request) -> AsyncGenerator[Update]:
        """Yield the same for the last question, asked of all articles, as the next one."""
        conversation = self._conversation(token)
        if not conversation.exchanges:
            yield self._stands(conversation, READY)
            return
        yield {self._picker: "", self._pane: self._reading(None)}
        exchange = Exchange(conversation.next_number, conversation.exchanges[-1].question, notice=STARTING)
        async with aclosing(self._answered(exchange, conversation, token or "", request)) as updates:
            async for update in updates:
                yield update

    async def _answered(
        self, exchange: Exchange, before: Conversation, token: str, request: gr.Request
    ) -> AsyncGenerator[Update]:
        """Yield what changes while the exchange is completed, which follows on what was said before."""
        client = client_of(request)
        kept: Kept[Update] = Kept(self._conversation(token), client_key(client.address), token)
        self._conversations.keep(kept)
        updates = self._updates(exchange, before, kept, client)
        kept.answering = SharedStream(updates, lambda so_far, update: (so_far or {}) | update, patience=AWAY_SECONDS)
        async with aclosing(kept.answering.follow()) as told:
            async for update in told:
                yield update

    async def _updates(
        self, exchange: Exchange, before: Conversation, kept: Kept[Update], client: Client
    ) -> AsyncGenerator[Update]:
        """Yield the same, whichever pages show it, and keep how it ended."""
        started = time.monotonic()
        try:
            yield self._begun(exchange, before) | {self._token: kept.token}
            events = self._service.answers(exchange.question, before.turns, _id(exchange.article), client=client)
            async with aclosing(events):
                async for event in events:
                    if kept.stopped.is_set():
                        yield self._over(before.with_next(replace(exchange, notice=STOPPED)), kept, STOPPED)
                        return
                    exchange = await self._advanced(exchange, event, before, client.identifier)
                    elapsed = {self._progress: _seconds(int(time.monotonic() - started))}
                    yield elapsed | self._shown(event, exchange, before, kept)
        except Exception:  # noqa: BLE001 - whatever it was, the reader must be able to go on
            _log.exception("the page could not show an answer")
            told = _failure(client.identifier)
            yield self._over(before.with_next(replace(exchange, notice=told)), kept, told)
        finally:
            kept.answering = None

    async def _advanced(self, exchange: Exchange, event: Event, before: Conversation, reference: str) -> Exchange:
        """Return the exchange with what the event brought, and with questions that could be asked next."""
        match event:
            case Answer(final=True):
                exchange = replace(exchange, answer=event, notice="")
                starters = await self._starters.of(_id(exchange.article))
                asked = {exchange.question, *(earlier.question for earlier in before.exchanges)}
                return replace(exchange, follow_ups=nearest(starters, event.citations or event.closest, asked))
            case Answer():
                return replace(exchange, answer=event, notice="")
            case Refusal():
                return replace(exchange, notice=_failure(reference))
        return exchange

    def _shown(self, event: Event, exchange: Exchange, before: Conversation, kept: Kept[Update]) -> Update:
        update: Update
        match event:
            case Waiting():
                update = {self._status: html_line(_waiting(event.ahead))}
            case Working():
                update = {}
            case Answer(status=Status.BLOCKED_INPUT):
                update = self._undone(exchange, kept, f"{LABELS[event.status]}. {event.text}")
            case Answer(final=False):
                update = {self._window: messages(before.with_next(exchange)), self._status: html_line(READING)}
            case Answer():
                update = self._over(before.with_next(exchange), kept, _outcome(event, exchange))
            case Refusal(reason=Reason.FAILED):
                update = self._over(before.with_next(exchange), kept, exchange.notice)
            case Refusal():
                update = self._undone(exchange, kept, event.text)
        return update

    def _begun(self, exchange: Exchange, before: Conversation) -> Update:
        return {
            self._box: "",
            self._window: messages(before.with_next(exchange)),
            self._status: html_line(STARTING),
            self._suggested: "",
            self._spoken: "",
            self._send: gr.update(visible=False),
            self._stop: gr.update(visible=True),
            self._tools: gr.update(visible=False),
        }

    def _over(self, conversation: Conversation, kept: Kept[Update], told: str) -> Update:
        """Keep the conversation as it ended, and return what shows it and reads its last answer out."""
        kept.conversation = conversation
        shown = {self._window: messages(conversation), self._spoken: read_out(conversation.exchanges[-1])}
        return shown | self._idle(told, conversation)

    def _undone(self, exchange: Exchange, kept: Kept[Update], told: str) -> Update:
        """Return the conversation as it was, with the question back in the box, to be mended or sent again."""
        self._conversations.drop(kept.token)
        as_it_was = {self._token: kept.before, self._window: messages(kept.conversation)}
        return {self._box: exchange.question} | as_it_was | self._idle(told, kept.conversation)

    def _stands(self, conversation: Conversation, told: str) -> Update:
        """Return what shows the conversation as it is; that an earlier one is lost is said this once."""
        forgotten = {self._token: ""} if conversation.is_lost and not conversation.exchanges else {}
        return {self._window: messages(conversation)} | forgotten | self._idle(told, conversation)

    def _idle(self, told: str, conversation: Conversation) -> Update:
        return {
            self._status: html_line(told),
            self._progress: "",
            self._send: gr.update(visible=True),
            self._stop: gr.update(visible=False),
            self._tools: gr.update(visible=bool(conversation.exchanges)),
            self._keep: gr.update(visible=conversation.is_editing),
        }

    def _end(self, token: str | None) -> Update:
        """Let the answer that is being made come to its end; whoever makes it says so."""
        kept = self._conversations.find(token or "")
        if kept and kept.answering:
            kept.stopped.set()
            return {self._progress: gr.skip()}
        # Its end has not got through to the page.
        return self._stands(self._conversation(token), STOPPED)

    # The conversation as a whole

    async def _come_back(self, token: str | None) -> AsyncGenerator[Update]:
        """Yield what a page shows that was loaded again, and what becomes of the question that is being answered."""
        kept = self._conversations.find(token or "")
        if kept and kept.answering and kept.answering.followers < _PAGES:
            async with aclosing(kept.answering.follow()) as updates:
                async for update in updates:
                    yield update
        elif kept:
            told = ELSEWHERE if kept.answering else EDITING if kept.conversation.is_editing else BACK
            yield self._again(kept.conversation, told) | {self._token: kept.token}
        else:
            yield self._stands(self._conversation(token), READY)

    def _again(self, conversation: Conversation, told: str) -> Update:
        if not conversation.exchanges:
            return self._stands(conversation, NOTHING_YET)
        last = conversation.exchanges[-1]
        update = self._stands(conversation, told) | {self._suggested: ""}
        if last.article:
            update |= {self._picker: _id(last.article), self._pane: self._reading(last.article)}
        if conversation.is_editing:
            update[self._box] = last.question
        return update

    def _begin_edit(self, token: str | None, request: gr.Request) -> Update:
        conversation = self._conversation(token)
        if not conversation.exchanges:
            return self._stands(conversation, READY)
        edited = replace(conversation, is_editing=True)
        again = {self._box: edited.exchanges[-1].question}
        return self._changed(edited, token, request) | again | self._idle(EDITING, edited)

    def _end_edit(self, token: str | None, request: gr.Request) -> Update:
        conversation = replace(self._conversation(token), is_editing=False)
        if not conversation.exchanges:
            return self._stands(conversation, READY)
        return self._changed(conversation, token, request) | {self._box: ""} | self._idle(KEPT, conversation)

    def _changed(self, conversation: Conversation, token: str | None, request: gr.Request) -> Update:
        kept: Kept[Update] = Kept(conversation, client_key(client_of(request).address), token or "")
        self._conversations.keep(kept)
        return {self._token: kept.token}

    async def _forget(self, article: str | None, token: str | None) -> Update:
        self._conversations.forget(token or "")
        return {
            self._token: "",
            self._window: [],
            self._suggested: await self._first_suggestions(self._chosen(article)),
        } | self._idle(CLEARED, Conversation())

    async def _greet(self, request: gr.Request) -> Update:
        """Return what the page begins with; its address may name an article, and hold a question for the box."""
        asked = request.query_params
        article = self._chosen(asked.get("article"))
        state = self._service.assistant.model_state.partition(":")[0]
        question = str(asked.get("q", ""))[: 2 * MAX_QUESTION_CHARACTERS]
        return (
            ({self._box: question} if question else {})
            | {
                # What stands behind the colon is for the operator.
                self._status: html_line(self._service.notice or _READY_WITHOUT_MODEL.get(state, READY)),
                self._suggested: await self._first_suggestions(article),
            }
            | ({self._picker: _id(article), self._pane: self._reading(article)} if article else {})
        )

    # The article

    async def _choose(self, chosen: str | None, token: str | None) -> Update:
        article = self._chosen(chosen)
        update: Update = {self._pane: self._reading(article)}
        if not self._conversation(token).exchanges:
            update[self._suggested] = await self._first_suggestions(article)
        return update

    async def _first_suggestions(self, article: Article | None) -> str:
        starters = await self._starters.of(_id(article))
        return suggestions(ANSWERED_HERE, tuple(starter.question for starter in starters[:_FIRST_STARTERS]))

    def _chosen(self, identifier: str | None) -> Article | None:
        """Return the only article to answer from; None for all, and for what is no article."""
        return self._articles.get(identifier or "") if len(self._articles) > 1 else None

    def _reading(self, article: Article | None) -> str:
        """Return the article, or else the only one, or a list of all."""
        if article is None and len(self._articles) == 1:
            (article,) = self._articles.values()
        if article is None:
            words = article_list(self._articles.values(), level=2)
        else:
            words = f"{article_header(article, level=2)}<article>{article_paragraphs(article)}</article>"
        return f'<section id="article">{words}</section>'


def _id(article: Article | None) -> str | None:
    return article.id if article else None


def _text(html: str, name: str) -> gr.Markdown:
    # Not gr.HTML: it shows nothing where the content security policy forbids eval.
    return gr.Markdown(html, elem_id=name, latex_delimiters=[])


def _window(articles: int) -> gr.Chatbot:
    # What could come to life here is switched off, on top of the escaping.
    return gr.Chatbot(
        show_label=False,
        height=None,
        autoscroll=False,
        buttons=[],
        allow_tags=False,
        latex_delimiters=[],
        group_consecutive_messages=False,
        allow_file_downloads=False,
        feedback_options=None,
        elem_id="window",
        elem_classes="one-article" if articles == 1 else None,
    )


def _box() -> gr.Textbox:
    # No max_length: the browser would cut a longer question without a word.
    return gr.Textbox(label="Your question", lines=1, max_lines=6, scale=1, elem_id="question")


_NOTE = (
    f"<p>Enter sends, Shift+Enter begins a new line. At most {MAX_QUESTION_CHARACTERS} characters"
    '<span id="counter"></span>. <span id="label">Answers are made by a computer program (AI) and can be wrong: '
    "check them against the quoted words.</span> Nothing you ask is stored unless you report an answer. "
    '<a href="/about" target="_blank" rel="noopener">About, privacy and accessibility'
    '<span class="hidden"> (opens in a new tab)</span></a></p>'
)


_TO_LIST = '<p><a class="open" href="/articles">All articles</a></p>'
_TO_ANSWER = '<p class="skip"><a href="#window">Go to the newest answer</a></p>'
"""The way back from the box for whoever has only a keyboard: Shift+Tab and Enter."""


def _introduction(articles: int) -> str:
    these = "this article" if articles == 1 else f"these {articles} articles"
    return (
        '<p class="skip"><a href="#question">Skip to the question box</a></p>'
        "<h1>Article assistant</h1>"
        f'<p>An AI answers from <a href="#article">{these}</a>. <strong>It can be wrong:</strong> '
        "check the quoted words.</p>"
    )


def _waiting(ahead: int) -> str:
    return f"Waiting: {ahead} question{'' if ahead == 1 else 's'} to be answered before yours."


def _failure(reference: str) -> str:
    return f"{TEXTS[Reason.FAILED]} (Reference: {reference})"


def _seconds(seconds: int) -> str:
    return html_line(f"{seconds} s") if seconds else ""


def _outcome(answer: Answer, exchange: Exchange) -> str:
    if answer.status in (Status.ANSWERED, Status.QUOTED):
        count = len(answer.citations)
        return f"The answer is complete, with {count} quotation{'' if count == 1 else 's'}."
    return f"{LABELS[answer.status]}. {exchange.searched}".strip()
