"""What happens in the chat when a reader does something there.

The conversation is kept on the server, under a token that the page sends along. The chat window is an output only,
since what a browser sends back can be forged, and nothing that a stranger wrote reaches it unescaped.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

import gradio as gr
from cachetools import LRUCache

from assistant.answering.understanding.question import MAX_QUESTION_CHARACTERS
from assistant.markup import escape, html_line
from assistant.rendering import LABELS
from assistant.types import Answer, Article, Outcome, Status
from assistant.web.chat.conversations import MOST, Conversations, Kept
from assistant.web.chat.door import Call
from assistant.web.chat.exchanges import (
    ANSWERED_HERE,
    STOPPED,
    Conversation,
    Exchange,
    id_of,
    messages,
    read_out,
    suggestions,
)
from assistant.web.chat.feedback_form import Update
from assistant.web.chat.gradio_parts import Blocks, describe, numbers
from assistant.web.chat.layout import NAME, NOTHING_YET, Layout
from assistant.web.chat.starters import Starter, Starters, nearest, read_starters
from assistant.web.limits import client_key
from assistant.web.service import TEXTS, Client, Event, Reason, Refusal, Service, Waiting, client_of
from assistant.web.shared_stream import SharedStream

STARTING = "Reading…"
CLEARED = "The conversation is cleared."
_UNDO = '<button type="button" class="action" name="undo">Undo</button>'
EDITING = "Change your question and send it. The new answer takes the place of the last one."
ELSE = "Ask in other words, or something else."
KEPT = "The last answer stays."
BACK = "Your conversation is here again."
NEXT = "{told} Your next question is about {what}."
ELSEWHERE = "The answer is being made for other tabs of yours. Load this page again in a moment."

READY = "Ready."
_READY_WITHOUT_MODEL = {
    "none": "Ready. Answers are quotations.",
    "loading": "Ready. The models are still loading; until then, answers come later or are quotations.",
    "unavailable": "Ready. The language model is not available: answers are quotations.",
}
_FIRST_STARTERS = 3
AWAY_SECONDS = 10.0
"""In which a page that is loaded again in the middle of an answer comes back; else nobody computes for nobody."""
_PAGES = 5
"""So many show the same answer while it is made; more would take the places of other readers' pages."""

_log = logging.getLogger(__name__)


class Page:
    """The chat of one service. No handler raises, or the page would be stuck."""

    blocks: gr.Blocks
    """To be mounted."""
    asking: frozenset[int]
    """Gradio's numbers of what asks a question, and so may have to wait."""

    def __init__(self, service: Service) -> None:
        """Build the page."""
        self._service = service
        self._starters = self._unchecked_starters()
        self._renewals = 0
        """How often the articles have become others."""
        self._seen: LRUCache[str, int] = LRUCache(MOST)
        """By page that has begun, how often they had when it was shown what there is to choose from."""
        self._conversations: Conversations[Update] = Conversations()
        self._asked: WeakValueDictionary[str, Kept[Update]] = WeakValueDictionary()
        """By page, what it asked last."""
        self._linked: LRUCache[str, str] = LRUCache(MOST)
        """By page, the question that its address held, until it is asked."""
        with Blocks(title=NAME, analytics_enabled=False, fill_width=True) as self.blocks:
            self._parts = Layout(service)
            self._connect(self._parts)
        self._unchanged: Update = {self._parts.progress: gr.skip()}

    def renew(self) -> None:
        """Show the articles as they are now to those who open the page from now on; from any thread."""
        self._starters = self._unchecked_starters()
        self._parts.renew()
        describe(self.blocks)
        self._renewals += 1

    def _unchecked_starters(self) -> Starters:
        file = self._service.settings.articles.parent / "starters.jsonl"
        return Starters(self._service.assistant, read_starters(file, self._service.assistant))

    def _connect(self, parts: Layout) -> None:
        how: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
        how["outputs"] = [
            parts.box, parts.window, parts.token, parts.status, parts.progress, parts.suggested, parts.send,
            parts.stop, parts.picker, parts.picked, parts.pane, parts.spoken, parts.introduction,
            parts.composer,
        ]  # fmt: skip
        # Else the page would drop, without a word, what is asked before it has read that nothing follows.
        at_any_time = how | {"trigger_mode": "multiple"}
        asking = (
            gr.on(
                [parts.box.submit, parts.send.click],
                self._ask,
                [parts.box, parts.picker, parts.opened, parts.token],
                **at_any_time,
            ),
            parts.retry.click(self._ask_again, [parts.token], **at_any_time),
            parts.everywhere.click(self._ask_everywhere, [parts.token], **at_any_time),
        )
        self.asking = numbers(asking)
        parts.stop.click(self._end, [parts.token], **how)
        parts.edit.click(self._begin_edit, [parts.token], **how)
        parts.keep.click(self._end_edit, [parts.token], **how)
        parts.clear.click(self._clear, [parts.picker, parts.token], **how)
        parts.undo.click(self._bring_back, [parts.token], **how)
        parts.picker.input(self._choose, [parts.picker, parts.picked], trigger_mode="always_last", **how)
        parts.returning.change(self._come_back, [parts.returning], **how)
        self.blocks.load(self._greet, None, **how)
        parts.report.connect(parts.token, self._conversation, parts.status)

    # Asking

    async def costs_nothing(self, call: Call) -> bool:
        """Whether a call of the page's asks what is answered already, or being answered."""
        match call.data:
            case [str() | None as question, article, opened, token]:
                exchange, before = self._next(question, article, opened, token, call.session_hash)
                turns = before.with_next(exchange).turns
                return self._service.costs_nothing(exchange.question, turns, *exchange.scope)
        return False

    def _next(
        self, question: str | None, article: str | None, opened: str | None, token: str | None, page: str
    ) -> tuple[Exchange, Conversation]:
        """Return an exchange that begins, and the conversation before it: a linked question follows on nothing."""
        question, conversation = question or "", self._conversation(token)
        is_linked = self._linked.get(page) == question
        before = replace(conversation, is_editing=False) if is_linked else conversation.before_next
        articles = self._chosen(article), self._chosen(opened)
        return Exchange(before.next_number, question, *articles, stands_alone=is_linked), before

    def _conversation(self, token: str | None) -> Conversation:
        """Return what is kept under a token; where that is gone, a new conversation that says so."""
        kept = self._conversations.find(token or "")
        return self._without_gone(kept.conversation) if kept else Conversation(is_lost=bool(token))

    def _without_gone(self, conversation: Conversation) -> Conversation:
        return conversation.without_gone(self._service.articles)

    async def _ask(
        self, question: str | None, article: str | None, opened: str | None, token: str | None, request: gr.Request
    ) -> AsyncGenerator[Update]:
        """Yield what changes while a question is answered."""
        page = request.session_hash or ""
        exchange, before = self._next(question, article, opened, token, page)
        self._linked.pop(page, None)
        async with aclosing(self._answered(exchange, before, token, request)) as updates:
            async for update in updates:
                yield update

    async def _ask_again(self, token: str | None, request: gr.Request) -> AsyncGenerator[Update]:
        """Yield the same for the last question once more."""
        conversation = self._conversation(token)
        last = conversation.last
        exchange = last and replace(last, answer=None, notice="", follow_ups=())
        async with aclosing(self._answered(exchange, conversation.without_last, token, request)) as updates:
            async for update in updates:
                yield update

    async def _ask_everywhere(self, token: str | None, request: gr.Request) -> AsyncGenerator[Update]:
        """Yield the same for the last question, asked of all articles, as the next one."""
        conversation = self._conversation(token)
        last = conversation.last
        exchange = last and Exchange(conversation.next_number, last.question, is_everywhere=True)
        if exchange:
            yield self._parts.choosing(None)
        async with aclosing(self._answered(exchange, conversation, token, request)) as updates:
            async for update in updates:
                yield update

    async def _answered(
        self, exchange: Exchange | None, before: Conversation, token: str | None, request: gr.Request
    ) -> AsyncGenerator[Update]:
        """Yield what changes while the exchange is completed, which follows on what was said before; None for none."""
        if exchange is None:
            yield self._stands(before)
            return
        page = request.session_hash or ""
        if page in self._asked and self._asked[page].answering:
            yield self._unchanged  # A key was pressed twice.
            return
        client = client_of(request)
        kept = self._asked[page] = self._kept(self._conversation(token), token, client)
        updates = self._updates(replace(exchange, notice=STARTING), before, kept, client)
        kept.answering = SharedStream(updates, lambda so_far, update: (so_far or {}) | update, patience=AWAY_SECONDS)
        # The articles as they are, once to each page that is older than they are.
        seen, self._seen[page] = self._seen.get(page, 0), self._renewals
        newer = self._parts.choosing(exchange.article) if seen < self._renewals else {}
        async with aclosing(kept.answering.follow()) as told:
            async for update in told:
                yield newer | update
                newer = {}

    async def _updates(
        self, exchange: Exchange, before: Conversation, kept: Kept[Update], client: Client
    ) -> AsyncGenerator[Update]:
        """Yield the same, whichever pages show it, and keep how it ended."""
        started = time.monotonic()
        try:
            yield self._begun(exchange, before) | {self._parts.token: kept.token}
            turns = before.with_next(exchange).turns
            article, opened = exchange.scope
            events = self._service.answers(exchange.question, turns, article, client=client, opened=opened)
            async with aclosing(events):
                async for event in events:
                    if kept.is_stopped:
                        yield self._over(before.with_next(replace(exchange, notice=STOPPED)), kept, STOPPED)
                        return
                    exchange, update = await self._shown(event, exchange, before, kept, client.identifier)
                    seconds = int(time.monotonic() - started)
                    yield {self._parts.progress: html_line(f"{seconds} s") if seconds else ""} | update
        except Exception:  # noqa: BLE001 - whatever it was, the reader must be able to go on
            _log.exception("the page could not show an answer")
            failed = Refusal(Reason.FAILED, TEXTS[Reason.FAILED])
            _, update = await self._shown(failed, exchange, before, kept, client.identifier)
            yield update
        finally:
            kept.answering = None

    async def _shown(
        self, event: Event, exchange: Exchange, before: Conversation, kept: Kept[Update], reference: str
    ) -> tuple[Exchange, Update]:
        """Return the exchange with what the event brought, and what changes on the page."""
        update: Update = {}
        match event:
            case Waiting(ahead=ahead):
                told = f"Waiting: {ahead} question{'' if ahead == 1 else 's'} to be answered before yours."
                update = {self._parts.status: html_line(told)}
            case Answer(outcome=Outcome.BLOCKED):
                update = self._undone(exchange, kept, f"{LABELS[event.outcome]}. {event.text}")
            case Answer(final=False):
                exchange = replace(exchange, answer=event, notice="")
                window = messages(self._without_gone(before.with_next(exchange)))
                update = {self._parts.window: window, self._parts.status: html_line(STARTING)}
            case Answer():
                exchange = replace(exchange, answer=event, notice="")
                starters = await self._offered(self._starters.known(id_of(exchange.only)))
                asked = {exchange.question, *(earlier.question for earlier in before.exchanges)}
                exchange = replace(exchange, follow_ups=nearest(starters, event, asked))
                update = self._over(before.with_next(exchange), kept, _outcome(event))
            case Refusal(reason=Reason.FAILED):
                exchange = replace(exchange, notice=f"{event.text} (Reference: {reference})")
                update = self._over(before.with_next(exchange), kept, exchange.notice)
            case Refusal():
                update = self._undone(exchange, kept, event.text) | self._parts.asking(exchange.article)
        return exchange, update

    def _begun(self, exchange: Exchange, before: Conversation) -> Update:
        return {
            self._parts.box: "",
            self._parts.window: messages(before.with_next(exchange)),
            self._parts.status: html_line(STARTING),
            self._parts.spoken: "",
            self._parts.send: gr.update(visible=False),
            self._parts.stop: gr.update(visible=True),
        }

    def _over(self, conversation: Conversation, kept: Kept[Update], told: str) -> Update:
        """Keep the conversation as it ended, and return what shows it and reads its last answer out."""
        if not kept.conversation.exchanges:
            self._conversations.forget(kept.before)  # What was cleared before it cannot be brought back any more.
        kept.conversation, kept.answering = conversation, None
        conversation = self._without_gone(conversation)
        shown = {self._parts.window: messages(conversation), self._parts.spoken: read_out(conversation.exchanges[-1])}
        return shown | self._idle(_heard(told))

    def _undone(self, exchange: Exchange, kept: Kept[Update], told: str) -> Update:
        """Return the conversation as it was, with the question back in the box, to be mended or sent again."""
        self._conversations.drop(kept.token)
        kept.answering = None
        back = {self._parts.token: kept.before, self._parts.box: exchange.question}
        return self._stands(self._without_gone(kept.conversation), told) | back

    def _stands(self, conversation: Conversation, told: str = READY) -> Update:
        """Return what shows the conversation as it is; that an earlier one is lost is said this once."""
        forgotten = {self._parts.token: ""} if conversation.is_lost and not conversation.exchanges else {}
        return {self._parts.window: messages(conversation)} | forgotten | self._idle(_line(told))

    def _idle(self, status: str) -> Update:
        return {
            self._parts.status: status,
            self._parts.progress: "",
            self._parts.send: gr.update(visible=True),
            self._parts.stop: gr.update(visible=False),
        }

    def _end(self, token: str | None) -> Update:
        """Stop the answer that is being made; what makes it shows that it ended."""
        kept = self._conversations.find(token or "")
        if kept and kept.answering:
            kept.is_stopped = True
            return self._unchanged
        # Its end has not got through to the page.
        return self._stands(self._conversation(token), STOPPED)

    # The conversation as a whole

    async def _come_back(self, token: str | None, request: gr.Request) -> AsyncGenerator[Update]:
        """Yield what a page shows that was loaded again, and what becomes of the question that is being answered."""
        kept = self._conversations.find(token or "")
        if kept and kept.answering and kept.answering.followers < _PAGES:
            async with aclosing(kept.answering.follow()) as updates:
                async for update in updates:
                    yield update
        elif kept and (kept.answering or kept.conversation.exchanges):
            yield self._again(kept, request)
        else:
            yield self._stands(self._conversation(token))

    def _again(self, kept: Kept[Update], request: gr.Request) -> Update:
        """Return what shows the conversation again; it goes on with the article that the address names, or with all."""
        conversation = self._without_gone(kept.conversation)
        told = ELSEWHERE if kept.answering else EDITING if conversation.is_editing else BACK
        article = self._chosen(request.query_params.get("article"))
        if not conversation.last:
            told = NOTHING_YET
        elif article != conversation.last.article:
            told = NEXT.format(told=told, what=f"“{article.title}”" if article else "all articles")
        return self._stands(conversation, told) | {self._parts.token: kept.token}

    def _begin_edit(self, token: str | None, request: gr.Request) -> Update:
        return self._edit(replace(self._conversation(token), is_editing=True), token, request)

    def _end_edit(self, token: str | None, request: gr.Request) -> Update:
        return self._edit(replace(self._conversation(token), is_editing=False), token, request)

    def _edit(self, conversation: Conversation, token: str | None, request: gr.Request) -> Update:
        if not conversation.last:
            return self._stands(conversation)
        question, told = (conversation.last.question, EDITING) if conversation.is_editing else ("", KEPT)
        token = self._kept(conversation, token, client_of(request)).token
        return self._stands(conversation, told) | {self._parts.token: token, self._parts.box: question}

    def _kept(self, conversation: Conversation, before: str | None, client: Client) -> Kept[Update]:
        kept: Kept[Update] = Kept(conversation, client_key(client.address), before or "")
        self._conversations.keep(kept)
        return kept

    async def _clear(self, article: str | None, token: str | None, request: gr.Request) -> Update:
        """Begin anew. What is cleared can be brought back until the next question is answered."""
        can_undo = bool(self._conversation(token).exchanges)
        return {
            self._parts.token: self._kept(Conversation(), token, client_of(request)).token if can_undo else "",
            self._parts.window: [],
            self._parts.suggested: await self._first_suggestions(self._chosen(article)),
        } | self._idle(f"<p>{CLEARED} {_UNDO if can_undo else ''}</p>")

    def _bring_back(self, token: str | None, request: gr.Request) -> Update:
        """Return what shows the conversation again that was cleared."""
        cleared = self._conversations.find(token or "")
        before = self._conversations.find(cleared.before) if cleared else None
        return self._again(before, request) if before else self._stands(self._conversation(token))

    async def _greet(self, request: gr.Request) -> AsyncGenerator[Update]:
        """Yield what the page begins with; its address may name an article, and hold a question for the box."""
        page, renewals = request.session_hash or "", self._renewals
        article = self._chosen(request.query_params.get("article"))
        question = str(request.query_params.get("q", ""))[: 2 * MAX_QUESTION_CHARACTERS]
        ready = _READY_WITHOUT_MODEL.get(self._service.assistant.model_state.kind, READY)
        off = await self._service.switched_off(id_of(article))
        update = self._unchanged
        if page not in self._seen:  # A reader may have asked before all this was there.
            self._seen[page] = renewals
            update = {self._parts.status: _line(self._service.notice or off or ready)}
            if question:
                update[self._parts.box] = self._linked[page] = question
        yield update | (self._parts.choosing(article) if article or off else {})
        yield {self._parts.suggested: await self._first_suggestions(article)}

    # The article

    async def _choose(self, chosen: str | None, before: str | None) -> AsyncGenerator[Update]:
        """Yield what shows the choice. Gradio calls this whenever the reader leaves the picker: then all stays."""
        if (chosen or "") == (before or ""):
            yield self._unchanged
            return
        article = self._chosen(chosen)
        words, earlier = [await self._service.switched_off(each) for each in (id_of(article), before)]
        update = self._parts.showing(article)
        if words or earlier:
            update[self._parts.status] = _line(words or READY)
        yield update
        yield {self._parts.suggested: await self._first_suggestions(article)}

    async def _first_suggestions(self, article: Article | None) -> str:
        starters = await self._offered(await self._starters.of(id_of(article)))
        return suggestions(ANSWERED_HERE, tuple(starter.question for starter in starters[:_FIRST_STARTERS]))

    async def _offered(self, starters: tuple[Starter, ...]) -> tuple[Starter, ...]:
        off = await self._service.off()
        return tuple(each for each in starters if each.article not in off)

    def _chosen(self, identifier: str | None) -> Article | None:
        """Return the only article to answer from; None for all, and for what is no article."""
        articles = self._service.articles
        return articles.get(identifier or "") if len(articles) > 1 else None


def _line(told: str) -> str:
    """Return words for the line above the box; those that the page shows anyway are heard alone."""
    return _heard(told) if told in (READY, _READY_WITHOUT_MODEL["none"], BACK) else html_line(told)


def _heard(words: str) -> str:
    """Return words for the line above the box that need not be seen: the page shows what they say."""
    return f'<p class="hidden">{escape(words)}</p>'


def _outcome(answer: Answer) -> str:
    """Return what is said above the box: of a refusal not once more that it is one."""
    if answer.status is Status.DECLINED:
        return ELSE
    if answer.status not in (Status.ANSWERED, Status.QUOTED):
        return f"{LABELS[answer.outcome]}."
    count = len(answer.citations)
    quotations = f", with {count} quotation{'' if count == 1 else 's'}" if count else ""
    return f"The answer is complete{quotations}."
