"""A stranger's question on its way to the assistant: is it let in, when is its turn, and what is shown meanwhile.

The page, the API and the tool for other models all ask through `Service.answers`, so that limits, the line, the log and
the promise never to raise exist once. Knows nothing of HTTP, HTML or Gradio.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import sqlite3
import threading
import time
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

from assistant.answering.assistant import Assistant
from assistant.answering.understanding.question import Question
from assistant.articles.reading import Corpus
from assistant.errors import ConfigurationError
from assistant.model.usage import LEDGER, Ledger
from assistant.settings import Settings
from assistant.types import Answer, Article, Outcome, Part, Status, Turn
from assistant.web.answer_cache import AnswerCache
from assistant.web.limits import Budgets, Line, Place, client_key, is_in
from assistant.web.observability import Metrics, log, log_refusal
from assistant.web.storage import desk_file
from assistant.web.storage import feedback as reports
from assistant.web.storage.feedback import Feedback
from assistant.web.storage.rules import Rulebook, Rules, same
from assistant.web.work import Work

TICK_SECONDS = 1.0
"""The longest time without an event: a reader who is gone is noticed when one is sent."""
AT_ONCE_LOCAL = 2
"""While the embedded engine answers one question, the passages of the next are read."""
BUSY_SECONDS = 20
"""After so long a refused reader may ask again: the embedded engine has answered some ten by then, so there is room."""
UNREAD_SECONDS = 10
"""After so long it is worth looking again whether an article is read."""
MAX_NOTICE_CHARACTERS = 500

_POLL_SECONDS = 0.05
_REPORTS_PER_MINUTE = 10
_REPORTS_PER_HOUR = 100
_CALLS_PER_MINUTE = 60
"""Of the page's calls from one address, beside its questions: a page begins with one or two, and each press of a button
is one, so that a reader never has so many. Each takes time from all others, so that nobody may have any number."""
_AT_ONCE = 30
"""So many calls at once, and so many streams open, has a household that opens all its tabs again."""


class Reason(StrEnum):
    """Why a question was not answered."""

    RATE_LIMITED = "rate_limited"
    BUSY = "busy"
    MAINTENANCE = "maintenance"
    SHUTTING_DOWN = "shutting_down"
    SWITCHED_OFF = "switched_off"
    FAILED = "failed"


TEXTS: Mapping[Reason, str] = {
    Reason.RATE_LIMITED: "These were many questions in a short time. Please ask again in {wait}.",
    Reason.BUSY: "Too many people are asking at the moment. Please ask again in {wait}.",
    Reason.MAINTENANCE: "The assistant is switched off for maintenance. Please ask again later.",
    Reason.SHUTTING_DOWN: "The assistant is being restarted. Please ask again in {wait}.",
    Reason.FAILED: "Something went wrong on our side, and the question was not answered. Please ask it again.",
}

UNKNOWN_RULES = "The assistant cannot answer at the moment, because of a fault on our side. Please ask again later."
_NOT_LET_IN = frozenset(Reason) - {Reason.FAILED}

SITE_LIMITED = "Readers of this site have asked many questions in a short time. Please ask again in {wait}."
THANKS = "Thank you. Your report is saved, with the question and the answer."
NOT_SAVED = "Your report could not be saved, because of a fault on our side. Please send it again later."
NO_ROOM = "Your report could not be saved, because there is no room for it. Please send it again later."
TOO_MANY_REPORTS = "These were many reports in a short time. Please send the next one in {wait}."


@dataclass(frozen=True, slots=True)
class Waiting:
    """The question is in line; comes again at least once a second."""

    ahead: int
    """How many must be answered first."""
    seconds: int
    """Since the question was asked."""


@dataclass(frozen=True, slots=True)
class Working:
    """The answer is being made; comes again at least once a second."""

    seconds: int
    """Since the question was asked."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The question was not let in, or failed; the last event."""

    reason: Reason
    text: str
    """What the reader sees."""
    retry_after: int = 0
    """Seconds after which asking again makes sense; 0 where that is not known."""


Event = Waiting | Working | Answer | Refusal


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, and by which way."""

    address: str
    """Behind a trusted proxy that is the reader's."""
    via: str
    """`page`, `api` or `mcp`."""
    identifier: str
    """Under which the log has this question."""
    site: str = ""
    """Where the chat stands, if on a publisher's page; as the page says, which anybody can forge."""


def client_of(request: Any, via: str = "page") -> Client:  # noqa: ANN401 - Gradio's, Starlette's, or none
    """Return who sent the request; with an identifier that is new each time. All without an address are one client."""
    address = getattr(getattr(request, "client", None), "host", None)
    site = (getattr(request, "headers", None) or {}).get("x-assistant-site", "")
    return Client(address or "", via, secrets.token_hex(8), site)


class Service:
    """One assistant, open to strangers. For one event loop."""

    def __init__(self, assistant: Assistant, settings: Settings) -> None:
        """Take an open assistant, which stays the caller's to close."""
        self.assistant = assistant
        self.settings = settings
        at_once = AT_ONCE_LOCAL if settings.model in ("local", "none") else settings.model_calls
        self._line = Line(at_once, settings.waiting)
        self._budgets = Budgets(settings.questions_per_minute, settings.questions_per_hour)
        questions = settings.questions_per_minute
        self.ledger = Ledger(settings.data / LEDGER, settings.tokens_per_day)
        """What a provider's model took, by day."""
        self.site_budgets = Budgets(settings.site_questions_per_minute, 0, burst=settings.site_questions_per_minute)
        self._call_budgets = Budgets(questions and questions + _CALLS_PER_MINUTE, 0, burst=_AT_ONCE)
        self._report_budgets = Budgets(_REPORTS_PER_MINUTE, _REPORTS_PER_HOUR)
        # Finding evidence is quick and must not wait for an answer that is being written.
        self._finding = ThreadPoolExecutor(2, "finding")
        self._writing = ThreadPoolExecutor(at_once, "writing")
        self._behind: set[asyncio.Task[None]] = set()
        """What nobody waits for."""
        self.rulebook = Rulebook(desk_file.file_of(settings), desk_file.copy_of(settings))
        self._closes_at = math.inf
        """When questions that were let in and have no answer yet end, because the server stops; else never."""
        self.is_leaving = False
        """Whether another process, behind the same proxy, is to take what comes from now on."""
        self.has_callers: Callable[[], bool] = lambda: False
        """Whether a call is on its way into Gradio's own queue, waits in it or is served from it."""
        self.metrics = Metrics(lambda: len(self._line), lambda: assistant.model_state.kind == "ready")
        self.renewals: list[Callable[[], None]] = []
        """Called when the articles have changed: each renews something that was made of them."""
        self._kept: tuple[Corpus, AnswerCache[Event]] = assistant.corpus, self._empty_cache()

    @property
    def articles(self) -> Mapping[str, Article]:
        """The articles that are answered from now, by their ids."""
        return self.assistant.corpus.by_id

    @property
    def unread(self) -> Collection[str]:
        """The ids of the articles that are there, and still to be indexed."""
        return self.assistant.corpus.unread

    @property
    def _cache(self) -> AnswerCache[Event]:
        """The answers from the articles as they are; what others end with is kept where nobody asks any more."""
        if self._kept[0] is not self.assistant.corpus:
            self._kept = self.assistant.corpus, self._empty_cache()
        return self._kept[1]

    def _empty_cache(self) -> AnswerCache[Event]:
        return AnswerCache(lambda how: self.metrics.reused.labels(how).inc())

    @property
    def notice(self) -> str:
        """The operator's words while the assistant is switched off; empty while it is on.

        It is off while the file `maintenance` is in the data folder; what is in the file is shown to readers.
        """
        try:
            words = (self.settings.data / "maintenance").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return words.strip()[:MAX_NOTICE_CHARACTERS] or TEXTS[Reason.MAINTENANCE]

    @property
    def room(self) -> int:
        """How many questions can be served or wait."""
        return self._line.room

    def costs_nothing(self, question: str, turns: Sequence[Turn], article: str | None, opened: str | None) -> bool:
        """Whether the question needs no place in the line, since it is answered already or being answered."""
        return self._cache.has(question, turns, article, opened)

    def turn_away(self) -> Refusal:
        """Note that a question was not even taken up, and return what its reader sees."""
        self.metrics.questions.labels("page", str(Reason.BUSY)).inc()
        log_refusal("page", str(Reason.BUSY))
        return _refusal(Reason.BUSY, BUSY_SECONDS)

    def turn_away_call(self, client: Client) -> Refusal | None:
        """Count a call of the page's, a question or not; return the refusal where there were too many."""
        refusal = self._over_budget(self._call_budgets, client.address)
        if refusal:
            log_refusal(client.via, str(refusal.reason))
        return refusal

    def turn_away_stream(self, client: Client, listening: int) -> Refusal | None:
        """Return the refusal for an address that listens to so many streams that one more is too many."""
        if listening < _AT_ONCE or not self.settings.questions_per_minute or self._is_unlimited(client.address):
            return None
        log_refusal(client.via, str(Reason.RATE_LIMITED))
        return _refusal(Reason.RATE_LIMITED, BUSY_SECONDS)

    @property
    def ready(self) -> bool:
        """Whether questions are let in, and all articles are read where the operator waits for that."""
        is_read = self.settings.ready == "one" or not self.unread
        return is_read and self._closes_at == math.inf and not self.is_leaving and not self.notice

    async def answers(
        self,
        question: str,
        turns: Sequence[Turn] = (),
        article: str | None = None,
        *,
        client: Client,
        opened: str | None = None,
    ) -> AsyncGenerator[Event]:
        """Yield what becomes of a question: better and better snapshots of its answer, and where it stands meanwhile.

        `article` and `opened` are as for `Assistant.stream`. The last event is a final answer or a refusal. Nothing is
        raised. Close the iterator to stop: the model ends and the place in the line is free.
        """
        if help_words := await asyncio.to_thread(self.assistant.help, question):
            # Before any limit, and without a trace: nobody in distress is turned away, counted or kept.
            yield help_words
            return
        started = time.monotonic()
        entry: dict[str, Any] = {"id": client.identifier, "via": client.via, "status": "stopped"}
        entry |= {"characters": len(question), "turns": len(turns)}
        answer: Answer | None = None
        try:
            if refusal := self._refusal(client):
                entry["status"] = str(refusal.reason)
                yield refusal
                return
            async with aclosing(self._by_rules(question, turns, article, opened)) as events:
                async for event in events:
                    answer = event if isinstance(event, Answer) else answer
                    self._note(event, entry, started)
                    yield event
        except Exception:  # noqa: BLE001 - whatever it was, the reader must be told
            log.exception("a question failed", extra={"fields": {"id": entry["id"]}})
            entry["status"] = str(Reason.FAILED)
            yield Refusal(Reason.FAILED, TEXTS[Reason.FAILED])
        finally:
            entry["seconds"] = round(time.monotonic() - started, 3)
            self.metrics.questions.labels(client.via, entry["status"]).inc()
            if entry["status"] in _NOT_LET_IN:
                log_refusal(client.via, entry["status"])
            else:
                log.info("question", extra={"fields": entry})
            ended = "failed" if entry["status"] == Status.INDEX_UNAVAILABLE else entry["status"]
            # Nothing is written where the desk's file should be: it may come back.
            if self.settings.keep_questions and ended in desk_file.ENDS and not self.rulebook.problem:
                kept = desk_file.asked(question, self._only(article), ended, self._site(client), answer)
                self._afterwards(asyncio.to_thread(desk_file.keep, self.rulebook.file, kept))

    async def _by_rules(
        self, question: str, turns: Sequence[Turn], article: str | None, opened: str | None
    ) -> AsyncGenerator[Event]:
        """Yield an editor's own answer where there is one, and nothing about an article that an editor switched off."""
        rules = await asyncio.to_thread(self.rulebook.read)
        only = self._only(article)
        if only in rules.off:
            yield Refusal(Reason.SWITCHED_OFF, rules.off[only])
            return
        pin = self._pin(question, article or opened, rules)
        # "Who is he?" is another question after each other one.
        if pin and not Question.of(question, turns).may_follow:
            about = (self.articles[pin.article],) if pin.article else ()
            words = Part(f"{pin.words}\n— {pin.signature}")
            answers = _alone(Answer(question, Outcome.PINNED, (words,), records=about))
        else:
            work = partial(self._in_turn, question, turns, article, opened)
            answers = self._cache.answers(question, turns, article, work, opened)
        async with aclosing(answers) as events:
            async for event in events:
                if not isinstance(event, Answer):
                    yield event
                    continue
                off = await self.off()
                found = next((each for each in event.articles if each.id in off), None)
                if found is None:
                    yield event
                elif event.final:
                    # Where one article is asked of, its reader knows which that is.
                    which = "" if only else f"“{found.title}”: "
                    yield Refusal(Reason.SWITCHED_OFF, f"{which}{off[found.id]}")

    def _pin(self, question: str, article: str | None, rules: Rules) -> desk_file.Act | None:
        """Return the editor's answer to a question of one article, or of all; none about an article that is gone."""
        places = {self._only(article), article or ""}
        pins = (rules.pins.get((place, same(question))) for place in sorted(places, reverse=True))
        return next((pin for pin in pins if pin and pin.article in ("", *self.articles)), None)

    def _only(self, article: str | None) -> str:
        """Return the id of the article that alone is asked of; empty where there are several."""
        return article or ("" if len(self.articles) != 1 else next(iter(self.articles)))

    async def switched_off(self, article: str | None) -> str:
        """Return what is said where an editor switched the chat about this article off; empty where it is on."""
        return (await self.off()).get(self._only(article), "")

    async def off(self) -> Mapping[str, str]:
        """Return what is said instead of answers about each article whose chat an editor switched off, by its id."""
        try:
            return (await asyncio.to_thread(self.rulebook.read)).off
        except ConfigurationError:  # Any may be off.
            return dict.fromkeys(self.articles, UNKNOWN_RULES)

    async def _in_turn(
        self, question: str, turns: Sequence[Turn], article: str | None, opened: str | None
    ) -> AsyncGenerator[Event]:
        place = self._line.join()
        if place is None:
            yield _refusal(Reason.BUSY, BUSY_SECONDS)
            return
        stopped = threading.Event()
        work = Work(self.assistant.stream(question, turns, article, stopped, opened), stopped)
        started = time.monotonic()
        try:
            while not work.ended:
                seconds = int(time.monotonic() - started)
                if time.monotonic() >= self._closes_at:
                    yield _refusal(Reason.SHUTTING_DOWN, BUSY_SECONDS)
                    return
                if work.begun and place.ahead:
                    yield Waiting(place.ahead, seconds)
                    await place.wait(TICK_SECONDS)
                else:
                    threads = self._writing if work.begun else self._finding
                    yield await work.snapshot(threads, TICK_SECONDS) or Working(seconds)
        finally:
            self._let_go(work, place)

    def _refusal(self, client: Client) -> Refusal | None:
        # A call that Gradio had queued before the server was stopped is still answered.
        if self._closes_at < math.inf and not self.is_leaving:
            return _refusal(Reason.SHUTTING_DOWN, BUSY_SECONDS)
        if notice := self.notice:
            return Refusal(Reason.MAINTENANCE, notice)
        return self._over_budget(self._budgets, client.address) or self._over_site_budget(self._site(client))

    def _site(self, client: Client) -> str:
        return client.site if client.site in self.settings.embed_sites else ""

    def _over_site_budget(self, site: str) -> Refusal | None:
        seconds = self.site_budgets.take(site) if site else 0
        if site:
            self.metrics.sites.labels(site, "refused" if seconds else "let in").inc()
        return _refusal(Reason.RATE_LIMITED, seconds, SITE_LIMITED) if seconds else None

    def _over_budget(self, budgets: Budgets, address: str) -> Refusal | None:
        seconds = 0 if self._is_unlimited(address) else budgets.take(client_key(address))
        return _refusal(Reason.RATE_LIMITED, seconds) if seconds else None

    def _is_unlimited(self, address: str) -> bool:
        return is_in(address, self.settings.unlimited)

    def _let_go(self, work: Work, place: Place) -> None:
        """Free the place as soon as the thread has stopped, which nobody waits for."""

        async def leave() -> None:
            try:
                await work.close()
            finally:
                self._line.leave(place)

        self._afterwards(leave())

    def _afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)

    def _note(self, event: Event, entry: dict[str, Any], started: float) -> None:
        """Keep for the log what the event says, without a word of the reader's."""
        match event:
            case Refusal():
                entry["status"] = str(event.reason)
            case Answer():
                if "first_ms" not in entry and event.citations:
                    entry["first_ms"] = round(1000 * (time.monotonic() - started))
                    self.metrics.first.observe(time.monotonic() - started)
                if event.final:
                    self.metrics.total.observe(time.monotonic() - started)
                    entry |= {"status": str(event.status), "model": event.model, "error": event.error}
                    entry |= {"outcome": event.outcome.value, "fault": event.fault, "confidence": event.confidence}
                    entry |= {"steps": event.why.get("steps", {})}
                    if event.usage.calls:
                        entry |= {"tokens": asdict(event.usage)}
                        self.metrics.used(event.usage)
                    if event.fault:
                        self.metrics.faults.labels(event.fault).inc()
                    entry["quoted"] = [f"{each.article.id}:{each.start}-{each.end}" for each in event.citations]

    async def give_feedback(self, feedback: Feedback, *, client: Client) -> str:
        """Keep what a reader says about an answer, and return what to show them. Nothing is raised."""
        seconds = self._report_budgets.take(client_key(client.address))
        if seconds:
            self.metrics.feedback.labels("refused").inc()
            return TOO_MANY_REPORTS.format(wait=_in_words(seconds))
        feedback = replace(feedback, asked_of=self._only(feedback.asked_of))
        try:
            await asyncio.to_thread(reports.save, self.settings.feedback, feedback)
        except (sqlite3.Error, OSError) as error:
            log.exception("feedback could not be saved")
            self.metrics.feedback.labels("lost").inc()
            return NO_ROOM if reports.is_full(error) else NOT_SAVED
        self.metrics.feedback.labels("helpful" if feedback.helpful else "not helpful").inc()
        return THANKS

    async def drain(self, seconds: float) -> None:
        """Let nobody in any more, and return when those who are in have their answers."""
        self._closes_at = time.monotonic() + seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds + 2 * TICK_SECONDS):
                while self.has_callers() or len(self._line):  # noqa: ASYNC110 - Gradio does not tell when its queue is empty
                    await asyncio.sleep(_POLL_SECONDS)


async def _alone(answer: Answer) -> AsyncGenerator[Event]:
    yield answer


def _refusal(reason: Reason, seconds: int, text: str = "") -> Refusal:
    return Refusal(reason, (text or TEXTS[reason]).format(wait=_in_words(seconds)), seconds)


def _in_words(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{-(-seconds // 60)} minutes"
