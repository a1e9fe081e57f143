"""The pages that need no script: an article with quoted words marked, what is to be known about the assistant, files.

They print, they can be linked to, and they work when the chat does not. What an operator can change is read from the
settings, so that no page says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel

from assistant import rendering
from assistant.answering.understanding.overview import Wanted, sentences_of
from assistant.markup import Span, article_header, article_list, article_paragraphs, escape, in_brief, in_section
from assistant.types import Article
from assistant.web.middleware import PLAIN_POLICY
from assistant.web.service import UNREAD_SECONDS, Service

FILES = Path(__file__).parents[1] / "static"
TEMPLATES = Environment(
    loader=PackageLoader("assistant.web.plain"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_NO_ARTICLE = "<h1>There is no such article here</h1><p>It may have been taken away.</p>"
_TO_ARTICLES = '<p><a href="/articles">These are the articles</a> that there are.</p>'
_UNREAD = "<h1>This article is still to be read</h1><p>This page goes on by itself.</p>"
_CHANGED = '<p class="note">The article has changed since this link was made, so no words are marked.</p>'
_MOST_SPANS = 20
"""Marked on one page; no answer has as many quotations."""


class _Place(BaseModel):
    """What an address says of the quoted words; whatever is wrong with it, the article is shown."""

    start: str = ""
    end: str = ""
    also: str = ""
    """Those of further quotations, with commas between them."""
    version: str = ""


def add_pages(app: FastAPI, service: Service) -> None:
    """Add them to the application."""
    router = APIRouter(include_in_schema=False)

    @router.get("/article/{identifier}")
    async def show_article(identifier: str, place: Annotated[_Place, Query()]) -> HTMLResponse:
        article = service.articles.get(identifier)
        if article is None:
            return not_there(identifier, service)
        off = switched_off(await service.switched_off(identifier))
        if place.version not in ("", article.version):
            # The words stand elsewhere in it now, or nowhere.
            off, place = f"{off}{_CHANGED}", _Place()
        current = _span(place.start, place.end)
        others = [_pair(pair) for pair in place.also.split(",")[:_MOST_SPANS]]
        shown = article_whole(article, 1, off, article_paragraphs(article, current, others), current)
        return plain_page(article.title, in_section(shown, article))

    @router.get("/articles")
    async def show_articles(q: str = "") -> HTMLResponse:
        words = "The article assistant answers questions from these; its chat needs JavaScript."
        listed = in_section(article_list(service.articles.values(), 1, q))
        page = plain_page("The articles", f'{listed}<p class="note">{words}</p>')
        # To search is to send a form.
        page.headers["content-security-policy"] = PLAIN_POLICY.replace("form-action 'none'", "form-action 'self'")
        return page

    @router.get("/about")
    async def show_about() -> HTMLResponse:
        return plain_page("About the article assistant", about(service))

    app.include_router(router)
    app.mount("/site", StaticFiles(directory=FILES))


def not_there(identifier: str | None, service: Service, framing: Sequence[str] = ()) -> HTMLResponse:
    """Return the page in place of an article that is still to be read, which loads itself again, or of none."""
    if identifier not in service.unread:
        return plain_page("No such article", _NO_ARTICLE + ("" if framing else _TO_ARTICLES), 404, framing)
    page = plain_page("Not read yet", _UNREAD, 503, framing)
    page.headers["refresh"] = page.headers["retry-after"] = str(UNREAD_SECONDS)
    return page


def article_whole(article: Article, level: int, said: str, paragraphs: str, current: Span = (0, 0)) -> str:
    """Return an article under a heading of that level, with its header, what is `said` of it, and itself in brief."""
    brief = in_brief(sentences_of(article, Wanted.GIST))
    return f"{article_header(article, level, current)}{said}{brief}<article>{paragraphs}</article>"


def switched_off(words: str) -> str:
    """Return what is said above an article whose chat is off, with the editor's words; nothing where there are none."""
    return f'<p class="notice">The chat about this article is switched off. {escape(words)}</p>' if words else ""


def _span(start: str, end: str) -> Span:
    """Return the offsets, or an empty span for what are none: a link that was damaged still shows the article."""
    is_span = all(re.fullmatch(r"[0-9]{1,9}", offset) for offset in (start, end))
    return (int(start), int(end)) if is_span else (0, 0)


def _pair(span: str) -> Span:
    """Return the same of both offsets with a hyphen between them."""
    start, _, end = span.partition("-")
    return _span(start, end)


def about(service: Service) -> str:
    """Return as HTML what a reader should know: how it works, what it keeps, and where it fails."""
    settings = service.settings
    allowed = ((settings.questions_per_minute, "a minute"), (settings.questions_per_hour, "an hour"))
    return TEMPLATES.get_template("about.html").render(
        articles=len(service.assistant.corpus.articles),
        settings=settings,
        writes=settings.model != "none",
        model_name=service.assistant.model_name if settings.model_file else "",
        limits=[f"{count} questions {span}" for count, span in allowed if count],
        labels={outcome.value: words for outcome, words in rendering.LABELS.items()},
    )


def plain_page(title: str, body: str, status: int = 200, framing: Sequence[str] = ()) -> HTMLResponse:
    """Return a page that needs no script; the `framing` sites may have it in a frame, where it leads nowhere else."""
    title = escape(" ".join(title.split()))
    page = TEMPLATES.get_template("page.html").render(title=title, body=body, is_framed=bool(framing))
    policy = PLAIN_POLICY.replace("frame-ancestors 'none'", f"frame-ancestors {' '.join(framing)}")
    return HTMLResponse(page, status, {"content-security-policy": policy} if framing else None)
