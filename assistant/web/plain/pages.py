"""The pages that need no script: an article with quoted words marked, what is to be known about the assistant, files.

They print, they can be linked to, and they work when the chat does not. Knows nothing of questions.
"""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from assistant.rendering import Span, article_header, article_list, article_paragraphs, escape
from assistant.web.plain.about import about
from assistant.web.service import Service

FILES = Path(__file__).parents[1] / "static"
_NO_ARTICLE = (
    "<h1>There is no such article here</h1>"
    '<p>It may have been taken away. <a href="/articles">These are the articles</a> that there are.</p>'
)
_MOST_SPANS = 20
"""Marked on one page; no answer has as many quotations."""


def add_pages(app: FastAPI, service: Service) -> None:
    """Add them to the application."""
    articles = {article.id: article for article in service.assistant.corpus.articles}
    router = APIRouter(include_in_schema=False)

    @router.get("/article/{identifier}")
    async def show_article(identifier: str, start: str = "", end: str = "", also: str = "") -> HTMLResponse:
        if identifier not in articles:
            return plain_page("No such article", _NO_ARTICLE, status=404)
        article = articles[identifier]
        others = [_span(*pair.split("-", 1)) for pair in also.split(",")[:_MOST_SPANS] if "-" in pair]
        paragraphs = article_paragraphs(article, _span(start, end), others)
        header = article_header(article, level=1)
        return plain_page(article.title, f'<section id="article">{header}<article>{paragraphs}</article></section>')

    @router.get("/articles")
    async def show_articles() -> HTMLResponse:
        words = "The article assistant answers questions from these; its chat needs JavaScript."
        listed = f'<section id="article">{article_list(articles.values(), level=1)}</section>'
        return plain_page("The articles", f'{listed}<p class="note">{words}</p>')

    @router.get("/about")
    async def show_about() -> HTMLResponse:
        return plain_page("About the article assistant", about(service))

    app.include_router(router)
    app.mount("/site", StaticFiles(directory=FILES))


def _span(start: str, end: str) -> Span:
    """Return the offsets, or an empty span for what are none: a link that was damaged still shows the article."""
    is_span = all(re.fullmatch(r"[0-9]{1,9}", offset) for offset in (start, end))
    return (int(start), int(end)) if is_span else (0, 0)


def plain_page(title: str, body: str, status: int = 200) -> HTMLResponse:
    """Return a page that needs no script."""
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(" ".join(title.split()))}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/site/plain.css"></head><body>'
        '<header><nav aria-label="Site"><a href="/">Ask the article assistant</a> '
        '<a href="/articles">Articles</a> <a href="/about">About</a></nav>'
        "</header>"
        f"<main>{body}</main></body></html>"
    )
    return HTMLResponse(page, status)
