"""An `Answer`, and an article with its quoted words marked, as HTML.

Articles, models and readers are strangers: what they wrote is shown as text and can never become markup or a link.
Knows nothing of Gradio, nor of the page around it; the words of every state are those of `rendering.py`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from urllib.parse import quote

from assistant.articles.passages import paragraphs, rows_of
from assistant.articles.reading import normalise
from assistant.rendering import (
    CLOSEST_WORDS,
    MORE,
    MORE_OF_SEVERAL,
    NEAREST,
    beside_title,
    corrections,
    day,
    headline,
    note,
)
from assistant.types import Answer, Article, Citation, Outcome, Part, Sentence

Span = tuple[int, int]
"""Offsets into an article: of the first character, and after the last."""

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
MOST_LISTED = 100
"""Articles; a reader searches for others."""
_SEARCHED_FROM = 8
"""Fewer are found at a glance."""
_SEARCH = (
    '<form role="search" action="/articles"><label for="search" class="hidden">Search titles, sources and dates</label>'
    '<input type="search" id="search" name="q" value="{words}" autocomplete="off" '
    'placeholder="Titles, sources, dates"><button>Search</button></form>'
)
_BRIEF = 4
"""An article has a brief if it has so many times the brief's words."""
_FRAGMENT_WORDS = 8
"""At each end of a long quotation; as many words hardly ever stand twice in one article."""


def escape(text: str) -> str:
    """Return text that shows as itself within HTML, within an attribute, and within Markdown.

    ASCII punctuation becomes entities, so that not even a bare address is made a link; invisible characters go.
    """
    encoded = _PUNCTUATION.sub(lambda match: f"&#{ord(match[0])};", normalise(text))
    # A blank line would end the block of HTML, and Markdown would begin.
    return re.sub(r"\s*\n\s*", "<br>", encoded)


def html_line(words: str) -> str:
    """Return words of ours or of a stranger as one paragraph."""
    return f"<p>{escape(words)}</p>"


def markdown(answer: Answer, anchor: str = "answer") -> str:
    """Return the answer as one block of HTML that Markdown passes through, its markers linked to the quoted words.

    The answer comes first, then what it is; a refusal says first that it is one, and below, small, what a model wrote
    of what the article does say. Of the quotations that it does not repeat one is open, the others one tap away; a
    snapshot has none, so that nothing moves when a better one takes its place. `anchor` is the id of the block and
    begins those of the quotations; it is ours, and must differ from answer to answer on one page. A link of the class
    `cite` leads to the quoted words, wherever they are shown.
    """
    parts = [_words_to_html(answer), f'<p class="headline">{escape(headline(answer))}</p>']
    if answer.outcome is Outcome.DECLINED:
        parts.reverse()
    if answer.final:
        parts += [f'<p class="note correction">{escape(line)}</p>' for line in corrections(answer)]
        copied = {each.number for part in answer.parts if part.is_verbatim for each in part.citations}
        first = min({citation.number for citation in answer.citations} - copied, default=0)
        items = list(zip(answer.citations, _items(answer.citations, anchor, copied), strict=True))
        opened = [item for citation, item in items if citation.number in {first, *copied}]
        more = [item for _, item in items if item not in opened]
        parts.append(_listed(opened))
        parts.append(_one_tap_away(f"{len(more)} more quotation{'' if len(more) == 1 else 's'}", more))
        several = len({each.article for each in (*answer.citations, *answer.more)}) > 1
        parts.append(_one_tap_away(MORE_OF_SEVERAL if several else MORE, _items(answer.more, anchor)))
        if said := note(answer):
            parts.append(f'<p class="note">{escape(said)}</p>')
    parts.append(closest_words(answer.closest, anchor if answer.parts else ""))
    state = answer.status if answer.final else f"{answer.status} unfinished"
    return f'<div class="answer {state}" id="{anchor}" tabindex="-1">{"".join(parts)}</div>'


def closest_words(citations: Sequence[Citation], anchor: str = "") -> str:
    """Return quotations that answer nothing, and are said not to; with their numbers where an anchor is given."""
    return _one_tap_away(CLOSEST_WORDS, _items(citations, anchor))


def _one_tap_away(words: str, items: Sequence[str]) -> str:
    """Return items that open under some words; nothing where there are none."""
    return f'<details><summary class="note">{escape(words)}</summary>{_listed(items)}</details>' if items else ""


def _listed(items: Sequence[str]) -> str:
    return f'<ol class="quotations">{"".join(items)}</ol>' if items else ""


def _words_to_html(answer: Answer) -> str:
    """Return the words of the answer: quotations each by itself, as the article has them."""
    if answer.parts and all(part.is_verbatim for part in answer.parts):
        return "".join(map(_quotation_to_html, answer.parts))
    if answer.outcome is Outcome.PINNED:
        return "".join(f'<p class="words">{escape(each)}</p>' for each in answer.words.split("\n\n"))
    if answer.outcome is Outcome.LIST:
        items = "".join(f"<li>{_open_link(each)}</li>" for each in answer.records)
        return f'<p class="words">{escape(answer.parts[0].words)}</p><ul>{items}</ul>'
    words = " ".join(f"{escape(part.told)}{_links(part.citations)}" for part in answer.parts)
    if words and answer.outcome is Outcome.DECLINED:
        return f'<p class="note near">{escape(NEAREST)} {words}</p>'
    return f'<p class="words">{words}</p>' if words else ""


def _quotation_to_html(part: Part) -> str:
    lead = f'<p class="before">{escape(part.lead)}</p>' if part.lead else ""
    size = "context" if part.is_context else "words"
    return f'{lead}<blockquote class="{size}">{escape(part.words)}{_links(part.citations)}</blockquote>'


def _links(citations: Iterable[Citation]) -> str:
    """Return the markers behind some words."""
    links = "".join(
        f'<a class="cite" href="{article_link(each)}">'
        f'<span class="hidden">Quotation&nbsp;</span>{escape(each.marker)}</a>'
        for each in citations
    )
    return f"&nbsp;{links}" if links else ""


def _items(citations: Iterable[Citation], anchor: str = "", copied: Collection[int] = frozenset()) -> list[str]:
    """Return the items of a list of quotations, numbered and reachable by their numbers where an anchor is given.

    Of those that are `copied` above, only the article is told. One that the quotation before has too is of the class
    `again`: it is not shown, and is there to be copied.
    """
    items: list[str] = []
    article: Article | None = None
    for citation in citations:
        number = f"<b>{escape(citation.marker)}</b>" if anchor else ""
        target = f' id="{anchor}-{citation.number}"' if anchor else ""
        quoted = "" if citation.number in copied else f"<blockquote>{escape(citation.quote)}</blockquote>"
        told = "told again" if citation.article is article else "told"
        beside = "".join(f" · {words}" for words in beside_title(citation.article))
        items.append(
            f"<li{target}>{number}{quoted}"
            f'<p class="source"><span class="{told}"><span class="title">{escape(citation.article.title)}</span>'
            f'<span class="beside">{escape(beside)}</span></span><span class="links"> '
            f'<a class="cite" href="{article_link(citation)}">Show<span class="hidden"> in the article</span></a>'
            "</span></p></li>"
        )
        article = citation.article
    return items


def article_link(citation: Citation) -> str:
    """Return the address, fit for an attribute, of the page that shows the quoted words in their place."""
    article = quote(citation.article.id, safe="")
    place = f"version={citation.article.version}&amp;start={citation.start}&amp;end={citation.end}"
    return f"/article/{article}?{place}#quote"


def article_list(articles: Collection[Article], level: int, words: str = "") -> str:
    """Return the articles whose entry in the list has all of these words, the newest first.

    They stand under a heading of that level, and where there are many, with a form to search for others.
    """
    wanted = words.casefold().split()
    found = [each for each in articles if all(word in _told(each).casefold() for word in wanted)]
    found.sort(key=lambda each: each.date or datetime.date.min, reverse=True)
    items = "".join(
        f'<li>{_open_link(each)}<p class="note">{escape(", ".join(_beside(each)))}</p></li>'
        for each in found[:MOST_LISTED]
    )
    search = _SEARCH.format(words=escape(words)) if len(articles) >= _SEARCHED_FROM else ""
    count = f"{len(found):,} of {len(articles):,} articles" if wanted or len(found) > MOST_LISTED else ""
    more = f", of which these are the {MOST_LISTED} newest" if len(found) > MOST_LISTED else ""
    none = "" if found or not wanted else ". To search their words, ask a question."
    told = f'<p class="note" id="count" role="status">{count}{more}{none}</p>'
    return f'<h{level}>The articles</h{level}>{search}{told}<ul id="found">{items}</ul>'


def _open_link(article: Article) -> str:
    """Return the title as a link to the article, which opens beside the chat where there is one."""
    return f'<a class="open" href="/article/{quote(article.id, safe="")}">{escape(article.title)}</a>'


def _beside(article: Article) -> list[str]:
    """Return what a list says about an article beside its title."""
    return list(dict.fromkeys(words for words in (article.source, *beside_title(article)) if words))


def _told(article: Article) -> str:
    return " ".join((article.title, *_beside(article), article.author, article.section))


def publisher_link(article: Article, span: Span = (0, 0)) -> str:
    """Return the article's own address, with the words of a span as its text fragment, which a browser scrolls to."""
    quoted = article.text[slice(*span)]
    words = quoted.split()
    if not words:
        return article.url
    # A long one, or one over several paragraphs, is given by its beginning and its end.
    is_short = len(words) <= 2 * _FRAGMENT_WORDS and "\n" not in quoted
    ends = [words] if is_short else [words[:_FRAGMENT_WORDS], words[-_FRAGMENT_WORDS:]]
    # A hyphen has a meaning of its own there.
    fragment = ",".join(quote(" ".join(end), safe="").replace("-", "%2D") for end in ends)
    address, _, own = article.url.partition("#")
    return f"{address}#{own}:~:text={fragment}"


def article_header(article: Article, level: int, span: Span = (0, 0)) -> str:
    """Return the title of an article, and in a reader's words what is known of it.

    `level` is that of the heading; the link to the publisher leads to the words of the span.
    """
    known = [f"By {article.author}"] if article.author else []
    known += [day(article.date)] if article.date else []
    known += [f"updated on {day(article.updated)}"] if article.updated not in (None, article.date) else []
    known += [article.section] if article.section else []
    known += ["for subscribers"] if article.free is False else []
    known += [article.told_apart_by] if article.told_apart_by not in ("", article.source) else []
    lines = [escape(" · ".join(known)), escape(article.source)]
    if article.title_by:
        lines.append(escape(f"It has no headline of its own: the title is from {article.title_by}."))
    if article.url:
        lines.append(
            f'<a class="publisher" href="{escape(publisher_link(article, span))}" target="_blank" '
            'rel="noopener noreferrer">Read it at the publisher<span class="hidden"> (opens in a new tab)</span></a>'
        )
    notes = "".join(f'<p class="note">{line}</p>' for line in lines if line)
    return f"<h{level}>{escape(article.title)}</h{level}>{notes}"


def in_brief(sentences: Sequence[Sentence]) -> str:
    """Return the brief of an article: its own sentences, each a link to its place.

    Nothing where the article has not many times their words, or begins with these very sentences: they would stand
    twice, one above the other.
    """
    words = sum(len(sentence.text.split()) for sentence in sentences)
    if not words or words * _BRIEF > len(sentences[0].article.text.split()):
        return ""
    if words == len(sentences[0].article.text[: sentences[-1].end].split()):
        return ""
    items = "".join(
        f'<li><a class="open" href="{article_link(Citation(0, each.article, each.start, each.end))}">'
        f"{escape(each.text)}</a></li>"
        for each in sentences
    )
    return f'<div class="brief"><p class="note">In brief</p><ul>{items}</ul></div>'


def in_section(content: str, article: Article | None = None) -> str:
    """Return an article, or a list, as the part of a page that the chat's script looks for; it has the article's id."""
    return f'<section id="article" data-id="{escape(article.id if article else "")}">{content}</section>'


def article_paragraphs(article: Article, current: Span = (0, 0), others: Iterable[Span] = ()) -> str:
    """Return the article's paragraphs as HTML without a line break, with the quoted words of an answer marked.

    The paragraphs have the ids "paragraph-1" and so on, and one that is a table is shown as a table. Of the marks,
    those of the `current` quotation are of the class `current`, and the first of them has the id "quote".
    """
    spans = [span for span in (current, *others) if span[0] < span[1]]
    edges = sorted({offset for span in spans for offset in span})
    attributes = ' class="current" id="quote" tabindex="-1"'

    def marked(first: int, last: int) -> str:
        nonlocal attributes
        if first >= last:  # an empty cell
            return ""
        cuts = [first, *(edge for edge in edges if first < edge < last), last]
        parts: list[str] = []
        for start, end in pairwise(cuts):
            words = escape(article.text[start:end])
            if current[0] <= start < current[1]:
                words = f"<mark{attributes}>{words}</mark>"
                attributes = ' class="current"'
            elif any(span[0] <= start < span[1] for span in spans):
                words = f"<mark>{words}</mark>"
            parts.append(words)
        return "".join(parts)

    shown: list[str] = []
    for number, (start, end) in enumerate(paragraphs(article.text), start=1):
        rows = rows_of(article.text, start, end)
        cells = ("".join(f"<td>{marked(*cell)}</td>" for cell in row) for row in rows)
        table = "".join(f"<tr>{row}</tr>" for row in cells)
        name = f'id="paragraph-{number}"'
        shown.append(f"<table {name}>{table}</table>" if rows else f"<p {name}>{marked(start, end)}</p>")
    return "".join(shown)
