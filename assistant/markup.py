"""An `Answer`, and an article with its quoted words marked, as HTML.

Articles, models and readers are strangers: what they wrote is shown as text and can never become markup or a link.
Knows nothing of Gradio, nor of the page around it; the words of every state are those of `rendering.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from urllib.parse import quote

from assistant.articles.reading import normalise
from assistant.rendering import (
    CLOSEST_WORDS,
    NEAREST,
    Piece,
    beside_title,
    copied_quotations,
    corrections,
    day,
    headline,
    is_only_quotations,
    note,
    pieces,
    source_line,
)
from assistant.types import Answer, Article, Citation, Outcome

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_PARAGRAPH = re.compile(r"[^\n]+(?:\n[^\n]+)*")
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

    The answer comes first, then what it is. Of the quotations that it does not repeat one is open, the others one tap
    away; a snapshot has none, so that nothing moves when a better one takes its place. `anchor` is the id of the block
    and begins those of the quotations; it is ours, and must differ from answer to answer on one page. A link of the
    class `cite` leads to the quoted words, wherever they are shown.
    """
    parts = [_words_to_html(answer), f'<p class="headline">{escape(headline(answer))}</p>']
    if answer.final:
        parts += [f'<p class="note correction">{escape(line)}</p>' for line in corrections(answer)]
        copied = copied_quotations(answer)
        first = min({citation.number for citation in answer.citations} - copied, default=0)
        items = list(zip(answer.citations, _items(answer.citations, anchor, copied), strict=True))
        opened = [item for citation, item in items if citation.number in {first, *copied}]
        more = [item for _, item in items if item not in opened]
        parts.append(_listed(opened))
        parts.append(_one_tap_away(f"{len(more)} more quotation{'' if len(more) == 1 else 's'}", more))
        if said := note(answer):
            parts.append(f'<p class="note">{escape(said)}</p>')
    parts.append(closest_words(answer.closest))
    state = answer.status if answer.final else f"{answer.status} unfinished"
    return f'<div class="answer {state}" id="{anchor}" tabindex="-1">{"".join(parts)}</div>'


def closest_words(citations: Sequence[Citation]) -> str:
    """Return quotations that answer nothing, and are said not to; nothing where there are none."""
    return _one_tap_away(CLOSEST_WORDS, _items(citations))


def _one_tap_away(words: str, items: Sequence[str]) -> str:
    """Return items that open under some words; nothing where there are none."""
    return f'<details><summary class="note">{escape(words)}</summary>{_listed(items)}</details>' if items else ""


def _listed(items: Sequence[str]) -> str:
    return f'<ol class="quotations">{"".join(items)}</ol>' if items else ""


def _words_to_html(answer: Answer) -> str:
    """Return the words of the answer: quotations each by itself, as the article has them."""
    if is_only_quotations(answer):
        pieces_of_it = [Piece(citation.quote, (citation.number,)) for citation in answer.citations]
        quoted = (_piece_to_html(piece, answer.citations) for piece in pieces_of_it)
        return "".join(f'<blockquote class="words">{words}</blockquote>' for words in quoted)
    words = "".join(_piece_to_html(piece, answer.citations) for piece in pieces(answer))
    if words and answer.outcome is Outcome.DECLINED:
        return f'<p class="words"><span class="nearest">{escape(NEAREST)}</span> {words}</p>'
    return f'<p class="words">{words}</p>' if words else ""


def _piece_to_html(piece: Piece, citations: Iterable[Citation]) -> str:
    by_number = {citation.number: citation for citation in citations}
    links = "".join(
        f'<a class="cite" href="{article_link(by_number[number])}">'
        f'<span class="hidden">Quotation&nbsp;</span>&#91;{number}&#93;</a>'
        for number in piece.numbers
    )
    return f"{escape(piece.words)}{'&nbsp;' if links else ''}{links}"


def _items(citations: Iterable[Citation], anchor: str = "", copied: Collection[int] = frozenset()) -> list[str]:
    """Return the items of a list of quotations, numbered and reachable by their numbers where an anchor is given.

    Of those that are `copied` above, only the place is told. A title that the quotation before has too is of the class
    `again`: it is not shown, and is there to be copied.
    """
    items: list[str] = []
    article: Article | None = None
    for citation in citations:
        number = f"<b>&#91;{citation.number}&#93;</b>" if anchor else ""
        target = f' id="{anchor}-{citation.number}"' if anchor else ""
        quoted = "" if citation.number in copied else f"<blockquote>{escape(citation.quote)}</blockquote>"
        title = "title again" if citation.article is article else "title"
        items.append(
            f"<li{target}>{number}{quoted}"
            f'<p class="source"><span class="{title}">{escape(source_line(citation.article))}, </span>'
            f'paragraph {_paragraph(citation)}<span class="links">&emsp;{_links(citation)}</span></p></li>'
        )
        article = citation.article
    return items


def _links(citation: Citation) -> str:
    links = [f'<a class="cite" href="{article_link(citation)}">Show in the article</a>']
    if citation.article.url:
        links.append(_link_out(publisher_link(citation), "At the publisher"))
    return "&emsp;".join(links)


def _link_out(address: str, words: str) -> str:
    hidden = '<span class="hidden"> (opens in a new tab)</span>'
    return f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{words}{hidden}</a>'


def article_link(citation: Citation) -> str:
    """Return the address, fit for an attribute, of the page that shows the quoted words in their place."""
    article = quote(citation.article.id, safe="")
    place = f"version={citation.article.version}&amp;start={citation.start}&amp;end={citation.end}"
    return f"/article/{article}?{place}#quote"


def article_title_link(article: Article) -> str:
    """Return the title of an article as a link of the class `open` to its page, and the rest of its `source_line`."""
    link = f'<a class="open" href="/article/{quote(article.id, safe="")}">{escape(article.title)}</a>'
    return ", ".join((link, *map(escape, beside_title(article))))


def article_list(articles: Iterable[Article], level: int) -> str:
    """Return the articles as a list of HTML, under a heading of that level."""
    items = "".join(f"<li>{article_title_link(article)}</li>" for article in articles)
    return f"<h{level}>The articles</h{level}><ul>{items}</ul>"


def publisher_link(citation: Citation) -> str:
    """Return the article's own address with the quoted words as its text fragment, which a browser scrolls to."""
    words = citation.quote.split()
    # A long one, or one over several paragraphs, is given by its beginning and its end.
    is_short = len(words) <= 2 * _FRAGMENT_WORDS and "\n" not in citation.quote
    ends = [words] if is_short else [words[:_FRAGMENT_WORDS], words[-_FRAGMENT_WORDS:]]
    # A hyphen has a meaning of its own there.
    fragment = ",".join(quote(" ".join(end), safe="").replace("-", "%2D") for end in ends)
    address, _, own = citation.article.url.partition("#")
    return f"{address}#{own}:~:text={fragment}"


def _paragraph(citation: Citation) -> int:
    """Return the number of the paragraph in which the quotation begins, from 1."""
    return sum(match.start() <= citation.start for match in _PARAGRAPH.finditer(citation.article.text))


def article_header(article: Article, level: int) -> str:
    """Return the title, date and source of an article as HTML; `level` is that of its heading."""
    title = f"<h{level}>{escape(article.title)}</h{level}>"
    notes = [article.author] if article.author else []
    notes += [day(article.date)] if article.date else []
    notes += [f"updated on {day(article.updated)}"] if article.updated not in (None, article.date) else []
    notes += [article.section] if article.section else []
    notes += ["subscribers only"] if article.free is False else []
    notes += [f"title by {article.title_by}"] if article.title_by else []
    notes += [article.told_apart_by] if article.told_apart_by not in ("", article.source) else []
    lines = [escape(" · ".join(notes)), escape(article.source)]
    if article.url:
        lines.append(_link_out(article.url, "The article at its publisher"))
    return title + "".join(f'<p class="note">{line}</p>' for line in lines if line)


def in_section(content: str, article: Article | None = None) -> str:
    """Return an article, or a list, as the part of a page that the chat's script looks for; it has the article's id."""
    return f'<section id="article" data-id="{escape(article.id if article else "")}">{content}</section>'


Span = tuple[int, int]
"""Offsets into an article: of the first character, and after the last."""


def article_paragraphs(article: Article, current: Span = (0, 0), others: Iterable[Span] = ()) -> str:
    """Return the article's paragraphs as HTML without a line break, with the quoted words of an answer marked.

    The paragraphs have the ids "paragraph-1" and so on. Of the marks, those of the `current` quotation are of the
    class `current`, and the first of them has the id "quote".
    """
    spans = [span for span in (current, *others) if span[0] < span[1]]
    edges = sorted({offset for span in spans for offset in span})
    attributes = ' class="current" id="quote" tabindex="-1"'
    paragraphs: list[str] = []
    for number, match in enumerate(_PARAGRAPH.finditer(article.text), start=1):
        inner = [edge for edge in edges if match.start() < edge < match.end()]
        cuts = [match.start(), *inner, match.end()]
        parts: list[str] = []
        for start, end in pairwise(cuts):
            words = escape(article.text[start:end])
            if current[0] <= start < current[1]:
                words = f"<mark{attributes}>{words}</mark>"
                attributes = ' class="current"'
            elif any(span[0] <= start < span[1] for span in spans):
                words = f"<mark>{words}</mark>"
            parts.append(words)
        paragraphs.append(f'<p id="paragraph-{number}">{"".join(parts)}</p>')
    return "".join(paragraphs)
