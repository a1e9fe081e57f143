"""What stands at `/desk`: the way in for who has the operator's token, and what an editor sees and does there.

Without a token set there is nothing. A cookie names a visit and no more: it says nothing by itself, comes from no other
site, and ends after a working day; each form holds a secret of the visit besides.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cachetools import TTLCache
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import PackageLoader
from langchain_core.embeddings import Embeddings
from starlette.exceptions import HTTPException

from assistant.answering.understanding.question import MAX_QUESTION_CHARACTERS
from assistant.errors import ConfigurationError
from assistant.files import sha256
from assistant.model.usage import Day, Price
from assistant.rendering import source_line
from assistant.web.desk import overview
from assistant.web.desk.overview import MOST_SHOWN, Counts, Group, Listed, Report, first
from assistant.web.limits import Budgets, client_key
from assistant.web.middleware import PLAIN_POLICY
from assistant.web.observability import log, log_refusal
from assistant.web.plain.pages import TEMPLATES, plain_page
from assistant.web.service import MAX_NOTICE_CHARACTERS, Service, client_of
from assistant.web.storage import desk_file, feedback
from assistant.web.storage.desk_file import Act, Asked, Do
from assistant.web.storage.rules import Rules, same

GUESSES_PER_MINUTE, GUESSES_PER_HOUR = 5, 20
"""Of one address; an editor needs one."""
VISIT_SECONDS = 8 * 3600
_MOST_VISITS = 100
_MOST_WORDS = 2000
_COOKIE = "desk"
_HEADERS = {
    "content-security-policy": PLAIN_POLICY.replace("form-action 'none'", "form-action 'self'"),
    "cache-control": "no-store",
}
_TEMPLATES = TEMPLATES.overlay(loader=PackageLoader("assistant.web.desk"))
_NOTHING = "There is nothing at this address."
_OLD = "This page is not the present one. Please try again."
_WRONG = "That is not the token."
_TOO_MANY = "These were many tries in a short time. Please try again in {minutes} min."
_NO_ARTICLE = "There is no such article here. It may have been taken away."
_NO_WORDS = "Nothing was done: each part of the form needs words."
_NOT_SAVED = "It could not be saved. The log of the assistant says why."
_NOT_DONE = "Nothing was done. Why is said at the top of the desk."
_DONE: Mapping[str, str] = {
    Do.PIN: "The answer is pinned.",
    Do.UNPIN: "The pinned answer is taken away.",
    Do.OFF: "The chat is switched off.",
    Do.ON: "The chat is switched on.",
    Do.DISMISS: "The question is dismissed. It comes back when somebody asks it again.",
}
"""What is said after an act. A browser comes back to the fragment of the form's address."""
_WHATEVER = "whatever"
"""Sent where an answer is for those who ask all articles, and is from none of them."""
_MOST_LINES = 200
"""Of days and articles."""
_MOST_HOT = 10
_LEDGER_DAYS = 14
"""Of the tokens that were used."""


def add_desk(app: FastAPI, service: Service) -> None:
    """Add it to the application."""
    desk = _Desk(service)
    ways = {"GET": desk.show, "POST": desk.act} if service.settings.desk_token else {"GET": _nothing, "POST": _nothing}
    for method, way in ways.items():
        app.add_api_route("/desk", way, methods=[method], include_in_schema=False)


class _Desk:
    """The desk of one service, and who is at it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._guesses = Budgets(GUESSES_PER_MINUTE, GUESSES_PER_HOUR)
        self._visits: TTLCache[str, str] = TTLCache(_MOST_VISITS, VISIT_SECONDS)
        """By what the cookie holds, the secret of its forms."""
        self._vectors: dict[str, list[float]] = {}
        """Of the wordings that were declined when the desk was shown last, so that only new ones are embedded."""

    async def show(self, request: Request) -> Response:
        """Show the desk, or the way in."""
        form = self._visits.get(request.cookies.get(_COOKIE, ""))
        done = _DONE.get(request.query_params.get("done", ""), "")
        find = request.query_params.get("find", "").strip()[:MAX_QUESTION_CHARACTERS]
        return await self._shown(form, done=done, find=find) if form else _login()

    async def act(self, request: Request) -> Response:
        """Let somebody in or out, or do what an editor wants."""
        pairs = parse_qsl((await request.body()).decode(errors="replace"))
        sent = dict(pairs)
        visit = request.cookies.get(_COOKIE, "")
        form = self._visits.get(visit)
        if "token" in sent:
            return self._enter(sent["token"], request)
        if not form:
            return _login(status=401)
        if not _is_same(sent.get("form", ""), form):
            return await self._shown(form, message=_OLD, status=403)
        if sent.get("act") == "leave":
            del self._visits[visit]
            return _back()
        wordings = [value for name, value in pairs if name == "wording"]
        return await self._done(_act(sent), form, wordings, sent.get("find", ""))

    def _enter(self, token: str, request: Request) -> Response:
        if seconds := self._guesses.take(client_key(client_of(request).address)):
            log_refusal("desk", "rate_limited")
            return _login(_TOO_MANY.format(minutes=math.ceil(seconds / 60)), 429, {"retry-after": str(seconds)})
        if not _is_same(token, self._service.settings.desk_token):
            log_refusal("desk", "wrong token")
            return _login(_WRONG, 401)
        visit = secrets.token_urlsafe(32)
        self._visits[visit] = secrets.token_urlsafe(32)
        response = _back()
        is_safe = request.url.scheme == "https"
        response.set_cookie(
            _COOKIE, visit, VISIT_SECONDS, path="/desk", secure=is_safe, httponly=True, samesite="strict"
        )
        return response

    async def _done(self, act: Act, form: str, wordings: Sequence[str], find: str) -> Response:
        if problem := _problem(act, wordings, self._service):
            return await self._shown(form, message=problem, status=422)
        rulebook = self._service.rulebook
        # What a reader asked goes when its days are over, and stays in no log.
        logged = Act(act.act, act.article) if act.act in {Do.LINE, Do.DISMISS} else act
        try:
            number = await asyncio.to_thread(rulebook.do, logged)
            if act.act == Do.DISMISS:
                await asyncio.to_thread(desk_file.dismiss, rulebook.file, act.article, wordings, of_all=act.of_all)
        except ConfigurationError:
            return await self._shown(form, message=_NOT_DONE, status=503)
        except (sqlite3.Error, OSError):
            log.exception("an act of the desk could not be saved")
            return await self._shown(form, message=_NOT_SAVED, status=500)
        if act.act != Do.LINE:
            return _back(f"?{urlencode({'done': act.act} | ({'find': find} if find else {}))}")
        asked_of = "" if act.of_all else act.article
        return await self._shown(form, line=overview.line(act.question, asked_of, number))

    async def _shown(self, form: str, status: int = 200, **said: str) -> HTMLResponse:
        """Show the desk, with what is said to the editor at its top, and the words that were searched for."""
        said = {"message": "", "done": "", "line": "", "find": ""} | said
        told = await asyncio.to_thread(self._told, said["find"])
        return _page("desk.html", status, **told, **said, form=form)

    def _told(self, find: str) -> dict[str, Any]:
        """Return what the desk shows now; where a file cannot be read its part is left out, and the desk says so."""
        service, settings = self._service, self._service.settings
        articles, rulebook = service.articles, service.rulebook
        rules, questions = Rules(), self._questions([], [], {})
        reports: Listed[Report] = Listed(())
        problems: list[str] = []
        try:
            rules = rulebook.read()
            if rulebook.problem:
                raise ConfigurationError(rulebook.problem)
            questions = self._questions(desk_file.counts(rulebook.file), *desk_file.declined(rulebook.file, find))
        except (ConfigurationError, sqlite3.Error, OSError) as error:
            problems.append(str(error))
        try:
            reports = overview.reports(feedback.reports(settings.feedback), articles)
        except ConfigurationError as error:
            problems.append(str(error))
        used: list[Day] = []
        try:
            used = service.ledger.days(_LEDGER_DAYS)
        except (sqlite3.Error, OSError) as error:
            problems.append(f"The tokens of the last days cannot be read: {error}")
        pins = [pin for pin in rules.pins.values() if pin.article in ("", *articles)]
        off = [(article, words) for article, words in rules.off.items() if article in articles]
        return questions | {
            "settings": settings,
            "used": used,
            "price": Price(*settings.model_price) if any(settings.model_price) else None,
            "problems": problems,
            "articles": {article.id: source_line(article) for article in articles.values()},
            "ends": desk_file.ENDS,
            "reports": reports,
            "off": Listed(off, gone=len(rules.off) - len(off)),
            "pins": Listed(pins, gone=len(rules.pins) - len(pins)),
            "acts": overview.log_of(rulebook.acts, articles),
            "signature": next((act.signature for act in reversed(rulebook.acts) if act.signature), ""),
            "sites": [
                (site, service.site_budgets.used(site), *service.metrics.of_site(site)) for site in settings.embed_sites
            ],
            "most": {"question": MAX_QUESTION_CHARACTERS, "notice": MAX_NOTICE_CHARACTERS, "words": _MOST_WORDS},
        }

    def _questions(self, counts: Counts, declined: Sequence[Asked], found: Mapping[str, int]) -> dict[str, Any]:
        """Return what the desk shows of readers' questions."""
        articles, today = self._service.articles, datetime.now(UTC).date()
        here = {"", *articles}
        shown = [each for each in counts if each[1] in here]
        asked = [each for each in declined if each.article in here]
        groups = self._groups(asked)[:MOST_SHOWN]
        lines = overview.by_day_and_article(shown)
        older = sum(line.total for line in lines[_MOST_LINES:])
        left = sum(count for article, count in found.items() if article in here)
        return {
            "figures": Listed(lines[:_MOST_LINES], older, sum(each[3] for each in counts if each not in shown)),
            "plot": overview.plot(shown, today, self._service.settings.keep_questions),
            "hot": first(overview.hot(shown, today), _MOST_HOT),
            "groups": Listed(groups, left - sum(group.total for group in groups)),
        }

    def _groups(self, asked: Sequence[Asked]) -> list[Group]:
        articles, embedder = self._service.articles, self._service.assistant.steps.retriever.embedder
        try:
            return overview.groups(asked, articles, partial(self._embedded, embedder) if embedder else None)
        except Exception:  # noqa: BLE001 - of whatever library; the questions are shown all the same
            log.exception("declined questions could not be grouped by meaning")
            return overview.groups(asked, articles, None)

    def _embedded(self, embedder: Embeddings, wordings: list[str]) -> list[list[float]]:
        known = self._vectors
        if new := [each for each in wordings if each not in known]:
            known = known | dict(zip(new, embedder.embed_documents(new), strict=True))
        self._vectors = {each: known[each] for each in wordings}
        return [*self._vectors.values()]


def _act(sent: Mapping[str, str]) -> Act:
    """Return what a form wants, each part no longer than its place, and each line of it a paragraph."""
    most = {"question": MAX_QUESTION_CHARACTERS, "words": _MOST_WORDS, "signature": MAX_NOTICE_CHARACTERS}
    if sent.get("act") == Do.OFF:
        most["words"] = MAX_NOTICE_CHARACTERS
    question, words, signature = (_paragraphs(sent.get(name, ""))[:length] for name, length in most.items())
    of_all = sent.get("of_all", "")
    article = "" if of_all == _WHATEVER else sent.get("article", "")
    return Act(sent.get("act", ""), article, words, question, signature, of_all=bool(of_all))


def _paragraphs(words: str) -> str:
    return "\n\n".join(" ".join(line.split()) for line in words.splitlines() if line.strip())


def _problem(act: Act, wordings: Sequence[str], service: Service) -> str:
    """Return why an act cannot be done; empty where it can."""
    if act.act not in [*Do]:
        return "There is no such act."
    is_of_none = not act.article and (act.act == Do.LINE or (act.of_all and act.act in {Do.PIN, Do.UNPIN, Do.DISMISS}))
    if act.article not in service.articles and not is_of_none:
        return _NO_ARTICLE
    needed: Mapping[Do, Sequence[object]] = {
        Do.OFF: [act.words],
        Do.PIN: [same(act.question), act.words, act.signature],
        Do.LINE: [act.question],
        Do.DISMISS: [wordings],
    }
    return "" if all(needed.get(Do(act.act), [])) else _NO_WORDS


async def _nothing() -> Response:
    raise HTTPException(404, _NOTHING)


def _login(message: str = "", status: int = 200, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    response = _page("login.html", status, message=message)
    response.headers.update(headers or {})
    return response


def _page(template: str, status: int, **told: object) -> HTMLResponse:
    body = _TEMPLATES.get_template(template).render(**told)
    # What a damaged file holds may be no text that can be sent.
    legible = body.encode(errors="replace").decode()
    response = plain_page("The editors' desk", f'<div id="desk">{legible}</div>', status)
    response.headers.update(_HEADERS)
    return response


def _back(query: str = "") -> RedirectResponse:
    return RedirectResponse(f"/desk{query}", 303, _HEADERS)


def _is_same(given: str, secret: str) -> bool:
    """Whether somebody knows a secret; the time that the comparison takes shows nothing of it, not even its length."""
    return secrets.compare_digest(sha256(given), sha256(secret))
