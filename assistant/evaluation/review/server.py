"""The page on which answers are graded: one a screen, by the keyboard, for one person at this machine.

Its stack is the chat's, Starlette and Uvicorn, but the pages are plain forms of our own and no components of Gradio:
with a form the browser itself does focus, labels and Enter, each key of the small script presses one of its controls,
and a page is there at once; it works without the script too.

Blind: no score, status, model, run or word of another grader is sent. Others who use the machine cannot guess the
address. A grade is on the disk before the next answer is shown.
"""

from __future__ import annotations

import secrets
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from assistant.articles.passages import paragraphs
from assistant.articles.reading import normalise
from assistant.errors import AssistantError, ConfigurationError
from assistant.evaluation.grading import grades
from assistant.evaluation.grading.grades import Grade
from assistant.evaluation.grading.rubrics import Rubric
from assistant.evaluation.options import Draw
from assistant.evaluation.records import Span
from assistant.evaluation.reporting.report import Marked, as_rows, environment, marked_paragraphs
from assistant.evaluation.review.draw import Card, Side, draw
from assistant.evaluation.review.session import Said, Session, places
from assistant.evaluation.scoring.sample_size import before_review, before_run
from assistant.rendering import CLOSEST_WORDS, LABELS, day
from assistant.types import Outcome

HOST = "127.0.0.1"
_MOST = {"issue": 100, "comment": 2000, "reason": 200}
"""Characters that are kept of what is typed."""
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_MISSING = "-"
"""Stands for the level of a criterion that has none yet."""
Form = Mapping[str, str]
_PREFERENCES = {"left": "Left", "same": "The same", "right": "Right"}


def review(
    folders: Sequence[Path], chosen: Draw, grader: str, port: int, say: Callable[[str], None]
) -> tuple[int, int]:
    """Serve the page until the keyboard ends it; return how many answers are graded, and how many were drawn.

    `say` is given the sample size and the address, of which a part cannot be guessed; port 0 is any that is free.

    Raises:
        ConfigurationError: a folder or the port is not as it must be, or nothing is to be graded.
    """
    session = Session(folders, draw(folders, chosen, grader), grader, chosen.rubric)
    for folder in folders:
        grades.check(folder)
    try:
        listener = socket.create_server((HOST, port))
    except OSError as error:
        raise ConfigurationError(f"Port {port} is in use", "name another with --port, or leave it out") from error
    token, count = secrets.token_urlsafe(16), len(session.cards)
    with listener:
        say(before_review(count))
        if len(folders) > 1:
            say(before_run(count))
        say(f"{grader} grades {count} answers at http://{HOST}:{listener.getsockname()[1]}/{token}/ (Ctrl-C ends it)")
        server = uvicorn.Server(uvicorn.Config(application(session, token), log_level="warning", access_log=False))
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    return len(session.graded()), count


def application(session: Session, token: str) -> Starlette:
    """Return the page as an ASGI application, all of it below the token."""
    site = _Site(session, token)
    return Starlette(
        routes=[
            Route(f"/{token}/", site.start),
            Route(f"/{token}/done", site.done),
            Route(f"/{token}/{{number:int}}", site.card, methods=["GET", "POST"]),
            Mount(f"/{token}/site", StaticFiles(directory=Path(__file__).parent / "site")),
        ],
        # A page of another site that has this machine's address for its own name is sent away.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])],
        exception_handlers={HTTPException: site.refused, AssistantError: site.refused},
    )


class _Site:
    """What is answered at each address."""

    def __init__(self, session: Session, token: str) -> None:
        self.session, self.token = session, token
        self.pages = environment("assistant.evaluation.review")
        self.pages.filters["as_rows"] = as_rows

    def page(self, name: str, status: int = 200, **values: object) -> Response:
        return HTMLResponse(self.pages.get_template(name).render(values), status, _HEADERS)

    def to(self, number: int | None) -> Response:
        address = f"/{self.token}/{'done' if number is None else number + 1}"
        return RedirectResponse(address, HTTPStatus.SEE_OTHER, _HEADERS)

    async def start(self, _: Request) -> Response:
        return self.to(self.session.following())

    async def done(self, _: Request) -> Response:
        words = f"All {len(self.session.cards)} are graded."
        return self.page("said.html", words=words, more="Close the page, and press Ctrl-C in the terminal.")

    async def card(self, request: Request) -> Response:
        number = request.path_params["number"] - 1
        if number not in range(len(self.session.cards)):
            raise HTTPException(404)
        if request.method != "POST":
            return self.shown(number, {})
        form, rubric = {name: str(value) for name, value in (await request.form()).items()}, self.session.rubric
        match form.get("action"):
            case "skip":
                self.session.skipped.add(number)
            case "undo":
                undone = self.session.undo()
                return self.to(number if undone is None else undone)
            case _:
                said = [_said(form, place, rubric) for place in range(len(self.session.cards[number].sides))]
                if not all(rubric.holds(one.grade) for one in said):
                    problem = f"Choose a grade{' for each criterion' if len(rubric.criteria) > 1 else ''} first."
                    return self.shown(number, form, problem, HTTPStatus.UNPROCESSABLE_ENTITY)
                if earlier := self.session.save(number, said, _cut(form, "reason")):
                    problem = f"You graded this {earlier.grade.replace(' ', ', ')} before: say why that changes."
                    return self.shown(number, form, problem, HTTPStatus.CONFLICT)
        return self.to(self.session.following(number))

    def shown(self, number: int, form: Form, problem: str = "", status: int = 200) -> Response:
        self.session.show(number)
        return self.page("card.html", status, problem=problem, **_card(self.session, number, form))

    async def refused(self, _: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            words = "There is nothing at this address: open the one that the terminal shows."
            return self.page("said.html", error.status_code, words=words, more="")
        return self.page("said.html", HTTPStatus.INTERNAL_SERVER_ERROR, words=str(error), more="")


# What is posted


def _said(form: Form, place: int, rubric: Rubric) -> Said:
    chosen, this = form.get("preferred", ""), ("left", "right")[place]
    preferred = {"same": "same", this: "this"}.get(chosen, "other" if chosen in _PREFERENCES else "")
    grade = " ".join(form.get(f"{criterion}-{place}", _MISSING) for criterion in rubric.criteria)
    return Said(grade, _cut(form, "issue", f"-{place}"), _cut(form, "comment", f"-{place}"), preferred)


def _cut(form: Form, name: str, place: str = "") -> str:
    return normalise(form.get(f"{name}{place}", "")).strip()[: _MOST[name]]


# What is shown


def _card(session: Session, number: int, form: Form) -> dict[str, Any]:
    """Return what the page of a card shows; it repeats what was typed in a form that was not kept."""
    card, current, graded = session.cards[number], session.current(), session.graded()
    rubric = session.rubric
    mine = [current.get(places(Card((side,)))[0]) for side in card.sides]
    before = {"this": "left", "other": "right", "same": "same"}.get(mine[0].preferred if mine[0] else "", "")
    left = len(session.cards) - len(graded)
    seconds = session.seconds_left(left)
    marks = [
        (f"{label}{cited.number}", cited.span) for label, side in _labelled(card) for cited in side.observed.verbatim
    ]
    return {
        "grader": session.grader,
        "number": number + 1,
        "count": len(session.cards),
        "graded": len(graded),
        "minutes": None if seconds is None else max(1, round(seconds / 60)),
        "question": card.question,
        "sides": [
            _side(place, label, side, _said(form, place, rubric) if form else grade or Said(""), rubric)
            for place, ((label, side), grade) in enumerate(zip(_labelled(card), mine, strict=True))
        ],
        "is_graded": any(mine),
        "reason": form.get("reason", ""),
        "preferred": form.get("preferred", before),
        "preferences": _PREFERENCES,
        "rubric": rubric,
        "issues": _issues(session),
        "most": _MOST,
        "articles": _articles(card, [span for _, span in marks]),
        "marks": [name for name, _ in marks],
        "can_undo": bool(session.done),
    }


def _labelled(card: Card) -> list[tuple[str, Side]]:
    """Return the sides, each with what tells its citations from the other's."""
    return list(zip(("A", "B") if len(card.sides) == 2 else ("",), card.sides, strict=True))


def _side(place: int, label: str, side: Side, said: Said | Grade, rubric: Rubric) -> dict[str, Any]:
    """Return an answer as readers see it, without the line that says how it was made, and what is said of it."""
    o = side.observed
    return {
        "place": place,
        "label": label,
        "refusal": LABELS[Outcome.of(o.record.status)] if o.refused else "",
        "parts": [(_unmarked(each.words), [f"{label}{number}" for number in each.citations]) for each in o.parts],
        "closest_words": CLOSEST_WORDS,
        "closest": [_unmarked(cited.quote) for cited in o.record.closest],
        "levels": rubric.by_criterion(said.grade),
        "issue": said.issue,
        "comment": said.comment,
    }


def _unmarked(words: str) -> list[Marked]:
    return [Marked(words, cited=False, evidence=False, closing=())]


def _articles(card: Card, marks: Sequence[Span]) -> list[dict[str, Any]]:
    """Return the articles that the question or an answer is about, with the cited words marked."""
    seen = [side.observed for side in card.sides]
    wanted = {card.question.article, *(span.article for span in marks)}
    wanted |= {cited.span.article for o in seen for cited in o.record.closest}
    wanted |= {place.article for o in seen for places in o.evidence for place in places}
    found = [article for article in seen[0].articles.values() if article.id in wanted]
    return [
        {
            "title": article.title,
            "about": ", ".join(filter(None, (day(article.date) if article.date else "", article.source))),
            # Every paragraph is shown, so all are asked for.
            "paragraphs": marked_paragraphs(
                article.text,
                [(span.start, span.end, place) for place, span in enumerate(marks) if span.article == article.id],
                list(paragraphs(article.text)),
            ),
        }
        for article in found
    ]


def _issues(session: Session) -> list[str]:
    """Return the issues to choose from: those that this person named, the most frequent first, and then the usual ones.

    What others named would tell what they found.
    """
    used = Counter(grade.issue for grade in session.current().values() if grade.issue)
    return list(dict.fromkeys((*(issue for issue, _ in used.most_common()), *session.rubric.issues)))
