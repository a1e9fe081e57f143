"""Read an HTML page: the article's words with its tables, and what the page states about itself.

What belongs to the article is trafilatura's to find. A date counts only where the page states it as its own: a
copyright line or a year in the text, which trafilatura takes too, says nothing.
"""

from __future__ import annotations

import datetime
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import trafilatura
from lxml import etree
from lxml.html import HtmlElement
from trafilatura.settings import Document

from assistant.articles.formats.markdown import Block, show
from assistant.articles.standing import may_be_withdrawn, of_json_ld, stated_day

_DATE_NAMES = (
    "article:published_time", "article:published", "og:article:published_time", "og:published_time", "datepublished",
    "parsely-pub-date", "sailthru.date", "citation_publication_date", "citation_date", "dcterms.issued",
    "dc.date.issued", "dcterms.date", "dc.date", "pubdate", "publishdate", "publish-date", "publish_date",
    "published-date", "publication_date", "date",
)  # fmt: skip
"""Names under which publishers state the day of publication in a page's head, the clearest first."""

_ARTICLE_TYPE = re.compile(r"(?:Article|Posting|Report|WebPage)$")
"""Ends of the types of schema.org that are the page's article or the page itself, not a comment or a film in it."""

_NESTED = "ancestor::article/ancestor::article"
_PUBLISHED = "@pubdate or @itemprop='datePublished' or contains(@class, 'published') or contains(@class, 'entry-date')"
_CHANGED = "@itemprop='dateModified' or contains(@class, 'updated') or contains(@class, 'modified')"
_IN_PROSE = (
    "ancestor::p[not(ancestor::header)] or ancestor::li or ancestor::blockquote or ancestor::aside or ancestor::nav "
    "or ancestor::table or ancestor::figure"
)

_BLOCKS = (
    *("p", "div", "br", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre", "table", "caption", "th", "td"),
    *("section", "article", "aside", "header", "footer", "main", "figure", "figcaption", "details", "summary"),
)
"""Elements whose edges separate words."""
_INNERMOST_OF_QUOTATION = (
    "//blockquote//*[self::div or self::section or self::blockquote]"
    "[not(.//p or .//div or .//section or .//blockquote or .//ul or .//ol or .//table)]"
)
_HOLDS_TEXT = (
    ".//h1|.//h2|.//h3|.//table|.//article|.//p[2]|"
    ".//br[following-sibling::node()[not(self::text()) or normalize-space()][1][self::br]]"
)
"""Finds in a cell what a table of data has not: headings, tables, several paragraphs."""
_ROW = re.compile(r"\| (.*?)[ |]*")
_RULE = re.compile(r"\|(?:---\|)+")


@dataclass(frozen=True, slots=True)
class Page:
    """What was read, as it stands there; each but the text is empty or None where the page does not state it."""

    blocks: tuple[Block, ...]
    """Without the title. A table is one of them, with a line for each row and " | " between its cells."""
    title: str
    date: datetime.date | None
    site: str
    url: str
    stated: Mapping[str, Any]
    """What it states of its standing, under the names of a front matter."""


def read_page(content: bytes) -> Page:
    """Read a page.

    Raises:
        ValueError: it has no article; the message is the reason.
    """
    tree = trafilatura.load_html(content)
    document = None
    if tree is not None:
        date, stated = _stated_date(tree), _stated_standing(tree)
        show(tree)
        for block in tree.iter(*_BLOCKS):
            block.text, block.tail = f" {block.text or ''}", f" {block.tail or ''}"
        for block in tree.xpath(_INNERMOST_OF_QUOTATION):
            block.tag = "p"  # Of any other block in a quotation trafilatura joins the words to those around it.
        for heading in list(tree.iter("h1", "h2", "h3", "h4", "h5", "h6")):
            _flatten(heading)
        _untangle_tables(tree)
        document = trafilatura.bare_extraction(
            tree,
            with_metadata=True,
            include_comments=False,
            include_tables=True,
            date_extraction_params={"extensive_search": False, "original_date": True},  # the quicker; it is not used
        )
    if not isinstance(document, Document) or not document.text:
        raise ValueError("no article text was found in the HTML")
    title = document.title or ""
    levels = {head.text: int(head.get("rend", "h2")[1:]) for head in document.body.iter("head")}
    blocks = [Block(words, levels.get(words, 0)) for words in _paragraphs(document.text.splitlines())]
    return Page(
        # A title may have the site's name behind the heading that it repeats.
        tuple(block for block in blocks if block.level != 1 or not title.startswith(block.text)),
        title,
        date,
        document.sitename or "",
        document.url or "",
        stated,
    )


# Dates


def _stated_date(tree: HtmlElement) -> datetime.date | None:
    """Return the day of publication where the page states one: in its head, in its data for machines, or in a mark."""
    return next(filter(None, (*_dates_in_head(tree), _only(_dates_for_machines(tree)), _marked_date(tree))), None)


def _dates_in_head(tree: HtmlElement) -> Iterator[datetime.date | None]:
    stated = {
        str(element.get("property") or element.get("name") or element.get("itemprop") or "").lower(): element
        for element in reversed(tree.xpath("//head/meta[@content]"))
    }
    for name in _DATE_NAMES:
        if name in stated:
            yield stated_day(stated[name].get("content", ""))


def _dates_for_machines(tree: HtmlElement) -> Iterator[datetime.date | None]:
    for thing in _articles_for_machines(tree):
        yield from map(stated_day, _texts(thing.get("datePublished")))


def _stated_standing(tree: HtmlElement) -> dict[str, Any]:
    """Return what the articles of JSON-LD state beside their words; the first that states a thing counts."""
    named = [(str(meta.get("name") or meta.get("property")), meta.get("content", "")) for meta in tree.iter("meta")]
    # The operator's: no publisher states it so.
    found: dict[str, Any] = {"withdrawn": [content for name, content in named if may_be_withdrawn(name)]}
    for thing in _articles_for_machines(tree):
        found = of_json_ld(thing) | found
    return found


def _articles_for_machines(tree: HtmlElement) -> Iterator[dict[str, Any]]:
    """Yield the articles at the top of JSON-LD: what is nested is another's, as a comment's."""
    for script in tree.xpath("//script[@type='application/ld+json']"):
        try:
            things = json.loads(script.text or "", strict=False)
        except (ValueError, RecursionError):
            continue
        things = list(things) if isinstance(things, list) else [things]
        for thing in things:
            if not isinstance(thing, dict):
                continue
            for further in (thing.get("@graph"), thing.get("mainEntity")):
                things += further if isinstance(further, list) else [further]
            if any(map(_ARTICLE_TYPE.search, _texts(thing.get("@type")))):
                yield thing


def _marked_date(tree: HtmlElement) -> datetime.date | None:
    """Return the date that an element of the page's only article marks as its own, not one that its text mentions."""
    articles = tree.xpath("//article[not(ancestor::article)]")
    articles = articles if len(articles) == 1 else [article for article in articles if article.xpath(".//h1")]
    if len(articles) != 1:
        return None
    times = articles[0].xpath(f".//*[self::time or @itemprop='datePublished'][not({_CHANGED} or {_NESTED})]")
    published = [each for each in times if each.xpath(f"boolean({_PUBLISHED})")]
    own = published or [each for each in times if not each.xpath(f"boolean({_IN_PROSE})")]
    return _only(stated_day(each.get("datetime") or each.get("content") or each.text_content()) for each in own)


def _only(dates: Iterable[datetime.date | None]) -> datetime.date | None:
    """Return the date that all agree on; None where there is none, or more than one."""
    found = set(filter(None, dates))
    return found.pop() if len(found) == 1 else None


def _texts(value: object) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


# Tables


def _untangle_tables(tree: HtmlElement) -> None:
    """Make each table one of data, whose cells hold words alone: trafilatura drops lists in cells.

    A table that only lays out the page becomes plain blocks, or the whole page would be one row.
    """
    for table in reversed(list(tree.iter("table"))):
        rows = [part for part in table.iter("tr") if next(part.iterancestors("table")) is table]
        cells = [cell for row in rows for cell in row if cell.tag in ("td", "th")]
        if _is_layout(table, cells):
            for part in (*cells, *rows, *table.xpath("thead|tbody|tfoot"), table):
                part.tag = "div"
        else:
            etree.strip_elements(table, "script", "style", with_tail=False)
            for cell in cells:
                _flatten(cell)


def _is_layout(table: HtmlElement, cells: list[HtmlElement]) -> bool:
    if table.get("role") in ("presentation", "none"):
        return True
    if table.xpath("caption|thead") or any(cell.tag == "th" for cell in cells):
        return False
    return any(cell.xpath(_HOLDS_TEXT) for cell in cells)


def _flatten(cell: HtmlElement) -> None:
    words = " ".join(cell.text_content().split())
    cell[:] = []
    cell.text = words


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    """Yield the paragraphs of trafilatura's lines, each of which is one, but for the rows of a table."""
    kept = (line for line in lines if not _RULE.fullmatch(line.strip()))
    for is_table, group in itertools.groupby(kept, lambda line: _ROW.fullmatch(line.strip()) is not None):
        if is_table:
            yield "\n".join(row[1] for line in group if (row := _ROW.fullmatch(line.strip())))
        else:
            yield from (re.sub(" +", " ", line) for line in group if line.strip())
