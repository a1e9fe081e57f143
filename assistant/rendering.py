"""An `Answer` for a person, on the page or in a terminal, and for a script.

The fixed wording of every state stands here and nowhere else. Articles, models and readers are strangers: what they
wrote is shown as text and can never become markup, a link or a terminal command. Knows nothing of how an answer came
about, nor of Gradio.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from assistant.articles.reading import normalise
from assistant.types import Answer, Article, Citation, Status

if TYPE_CHECKING:
    from rich.console import RenderableType

LABELS: Mapping[Status, str] = {
    Status.ANSWERED: "Written by AI, checked against the quoted words",
    Status.QUOTED: "Quoted word for word",
    Status.PINNED: "An editor's own answer, not the article's words",
    Status.DECLINED: "No answer to this question was found",
    Status.BLOCKED_INPUT: "Not answered yet",
    Status.INDEX_UNAVAILABLE: "The articles cannot be searched at the moment; please ask again later",
}
"""What is said beside an answer that is final, of one article or of many."""

READING = "Reading… the closest words so far"
WRITING = "Reading… checked so far"
"""What is said beside a snapshot that a better one will replace."""

FROM_RECORD = "From the article's record: its title, date, source or length"
"""The same for an answer that is written without citations, because its facts are not part of the text."""

BY_RULE = "Who said what, as the article puts it"
"""The same for an answer that no model wrote."""

OPENED = "Yes or no by AI; the words are quoted"
"""The same for a quotation that stands behind a yes or a no, which no words that it cites can be compared with."""

OVERVIEW = "The article's title, and how it begins"
"""The same for what tells an article as a whole."""

NOT_WRITTEN = "There is no written answer this time; the quoted words stand for themselves."
CLOSEST = "The closest words, which are not an answer"

_MARKERS = re.compile(r"(?<=\S) ((?:\[[0-9]{1,4}\])+)(?=\s|$)")
_YES_OR_NO = re.compile(r"^(?:Yes|No)\. ")
_ESCAPE_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours and the like
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # window titles, links, the clipboard
    r"|\x1b."
)
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_PARAGRAPH = re.compile(r"[^\n]+(?:\n[^\n]+)*")
_FRAGMENT_WORDS = 8
"""At each end of a long quotation; as many words hardly ever stand twice in one article."""


# For a script


def to_json(answer: Answer, identifier: str | None = None) -> dict[str, Any]:
    """Return the answer in the form of the command line's contract; keys may be added, never changed."""
    return {
        "id": identifier,
        "question": answer.question,
        "status": str(answer.status),
        "answer": answer.text,
        "citations": [_citation_to_json(citation) for citation in answer.citations],
        "timings": {
            "first_ms": None if answer.timings.first_ms is None else round(answer.timings.first_ms),
            "total_ms": round(answer.timings.total_ms),
        },
        "model": answer.model,
        "error": answer.error,
        "query": answer.query,
        "confidence": answer.confidence,
        "closest": [_citation_to_json(citation) for citation in answer.closest],
    }


def _citation_to_json(citation: Citation) -> dict[str, Any]:
    return {
        "number": citation.number,
        "article": citation.article.id,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
        "version": citation.article.version,
    }


# Markers


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words of an answer, and the numbers of the citations that stand behind them."""

    words: str
    numbers: tuple[int, ...] = ()


def without_markers(answer: Answer) -> str:
    """Return the words of the answer, as they belong into the history of a conversation."""
    return "".join(piece.words for piece in pieces(answer))


def pieces(answer: Answer) -> list[Piece]:
    """Return the words of the answer in order, cut behind each marker; the last piece may have none."""
    found: list[Piece] = []
    start = 0
    for match in _MARKERS.finditer(answer.text):
        numbers = tuple(int(number) for number in re.findall(r"[0-9]+", match[1]))
        if _is_marker(match, numbers, answer.citations):
            found.append(Piece(answer.text[start : match.start()], numbers))
            start = match.end()
    rest = answer.text[start:]
    return [*found, Piece(rest)] if rest else found


def _is_marker(match: re.Match[str], numbers: Sequence[int], citations: Sequence[Citation]) -> bool:
    """Whether brackets are ours, behind a sentence, and not the article's own as in "[2023]" or "player [2] scored"."""
    if not {citation.number for citation in citations}.issuperset(numbers):
        return False
    before = match.string[: match.start()]
    if any(citation.number in numbers and before.endswith(citation.quote) for citation in citations):
        # What is quoted next may be the rest of a sentence too long for one piece, which begins in small letters.
        return True
    following = match.string[match.end() :].split(maxsplit=1)
    if not following:
        return True
    # A sentence begins after ours; where brackets follow brackets, only the last can be ours.
    if following[0][0].islower() or re.fullmatch(r"(?:\[[0-9]+\])+", following[0]):
        return False
    preceding = before.split()[-1]
    own_words = f"{preceding} {match[1]} {following[0]}"
    return not any(own_words in " ".join(citation.quote.split()) for citation in citations)


def _is_only_quotations(answer: Answer) -> bool:
    """Whether the answer says what its quotations say and no more, whoever chose the words."""
    quotes = " ".join(citation.quote for citation in answer.citations)
    return bool(quotes) and _is_same(without_markers(answer), quotes)


def _before(answer: Answer) -> str:
    """Return what stands before a quotation, and is no part of it: a yes or a no, or what the article's record says."""
    if answer.records and answer.citations:
        return answer.text.rpartition(answer.citations[0].quote)[0]
    opening = _YES_OR_NO.match(answer.text)
    return opening[0] if opening else ""


def _is_opened(answer: Answer) -> bool:
    """Whether the answer is its quotations behind something that is no part of them."""
    return _is_only_quotations(replace(answer, text=answer.text.removeprefix(_before(answer))))


def _copied(answer: Answer) -> set[int]:
    """Return the numbers of the quotations that stand in the answer already, each as a sentence of its own."""
    quotes = {citation.number: citation.quote for citation in answer.citations}
    if _is_only_quotations(answer):
        return set(quotes)
    before = _before(answer)
    alone = [(piece.words, piece.numbers[0]) for piece in pieces(answer) if len(piece.numbers) == 1]
    return {number for words, number in alone if words.removeprefix(before).split() == quotes[number].split()}


def _is_same(words: str, others: str) -> bool:
    """Whether two texts differ at most in capitals, punctuation and white space."""
    said = re.findall(r"\w+", words.casefold())
    return bool(said) and said == re.findall(r"\w+", others.casefold())


# Wording


def headline(answer: Answer) -> str:
    """Return the line beside the answer: what it is, and as of when."""
    if not answer.final:
        return WRITING if answer.status is Status.ANSWERED else READING
    label = LABELS[answer.status]
    if answer.status is Status.ANSWERED and not answer.citations:
        label = FROM_RECORD
    elif answer.status is Status.ANSWERED and answer.records:
        label = OVERVIEW
    elif answer.status is Status.ANSWERED and _is_only_quotations(answer):
        label = LABELS[Status.QUOTED]
    elif answer.status is Status.ANSWERED and answer.model == "none":
        label = BY_RULE
    elif answer.status is Status.ANSWERED and _is_opened(answer):
        label = OPENED
    articles = {citation.article for citation in answer.citations}
    dates = {article.updated or article.date for article in articles}
    date = dates.pop() if len(dates) == 1 else None
    corrected = {each.date for article in articles for each in article.corrections if each.date}
    parts = [label, f"as of {day(date)}" if date else "", f"corrected on {day(max(corrected))}" if corrected else ""]
    return ", ".join(filter(None, parts))


def corrections(answer: Answer) -> list[str]:
    """Return what was corrected of the words that the answer rests on, each in a line.

    Where it is not told which words those are, it may be any of the article's.
    """
    found = {
        correction: None
        for citation in answer.citations
        for correction in citation.article.corrections
        if _overlaps(citation, correction.words)
    }
    return [f"Corrected{f' on {day(each.date)}' if each.date else ''}: {each.text}" for each in found]


def _overlaps(citation: Citation, words: str) -> bool:
    text = citation.article.text
    places = [match.span() for match in re.finditer(re.escape(words), text)] if words else []
    return not places or any(start < citation.end and citation.start < end for start, end in places)


def day(date: datetime.date) -> str:
    """Return a date as in "18 October 2018"."""
    return f"{date.day} {date:%B} {date.year}"


def source_line(article: Article) -> str:
    """Return the title of the article, its date, and what tells it from another of the same."""
    return ", ".join((article.title, *_beside_title(article)))


def _beside_title(article: Article) -> list[str]:
    dated = day(article.date) if article.date else ""
    return [words for words in (dated, article.told_apart_by) if words]


# For a browser


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
        copied = _copied(answer)
        first = min({citation.number for citation in answer.citations} - copied, default=0)
        items = list(zip(answer.citations, _items(answer.citations, anchor, copied), strict=True))
        opened = [item for citation, item in items if citation.number in {first, *copied}]
        more = [item for _, item in items if item not in opened]
        parts.append(_listed(opened))
        parts.append(_one_tap_away(f"{len(more)} more quotation{'' if len(more) == 1 else 's'}", more))
        if answer.error and answer.status is Status.QUOTED:
            parts.append(f'<p class="note">{escape(NOT_WRITTEN)}</p>')
    parts.append(closest_words(answer.closest))
    state = answer.status if answer.final else f"{answer.status} unfinished"
    return f'<div class="answer {state}" id="{anchor}" tabindex="-1">{"".join(parts)}</div>'


def closest_words(citations: Sequence[Citation]) -> str:
    """Return quotations that answer nothing, and are said not to; nothing where there are none."""
    return _one_tap_away(CLOSEST, _items(citations))


def _one_tap_away(words: str, items: Sequence[str]) -> str:
    """Return items that open under some words; nothing where there are none."""
    return f'<details><summary class="note">{escape(words)}</summary>{_listed(items)}</details>' if items else ""


def _listed(items: Sequence[str]) -> str:
    return f'<ol class="quotations">{"".join(items)}</ol>' if items else ""


def _words_to_html(answer: Answer) -> str:
    """Return the words of the answer: quotations each by itself, as the article has them."""
    if _is_only_quotations(answer):
        pieces_of_it = [Piece(citation.quote, (citation.number,)) for citation in answer.citations]
        quoted = (_piece_to_html(piece, answer.citations) for piece in pieces_of_it)
        return "".join(f'<blockquote class="words">{words}</blockquote>' for words in quoted)
    words = "".join(_piece_to_html(piece, answer.citations) for piece in pieces(answer))
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
    return ", ".join((link, *map(escape, _beside_title(article))))


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


# For a terminal

_COLOURS: Mapping[Status, str] = {
    Status.ANSWERED: "green",
    Status.QUOTED: "cyan",
    Status.PINNED: "magenta",
    Status.DECLINED: "yellow",
    Status.BLOCKED_INPUT: "red",
    Status.INDEX_UNAVAILABLE: "red",
}


def terminal(answer: Answer) -> RenderableType:
    """Return the answer for a rich console: what it is, its words, and the quotations under it."""
    from rich.console import Group  # noqa: PLC0415 - the page has no use for it
    from rich.text import Text  # noqa: PLC0415

    lines = [Text(plain(headline(answer)), style=f"bold {_COLOURS[answer.status]}")]
    if answer.text and not _is_only_quotations(answer):
        words = Text()
        for piece in pieces(answer):
            words.append(plain(piece.words))
            words.append("".join(f" [{number}]" for number in piece.numbers), style="cyan")
        lines += [Text(), words]
    for citation in answer.citations:
        lines += [Text(), Text.assemble((f"[{citation.number}] ", "cyan"), plain(citation.quote))]
        lines.append(Text(f"    {plain(source_line(citation.article))}", style="dim"))
    lines += [Text(f"    {plain(line)}", style="yellow") for line in corrections(answer)]
    if answer.error and answer.status is not Status.ANSWERED:
        lines += [Text(), Text(f"No written answer: {plain(answer.error)}", style="yellow")]
    if answer.closest:
        lines += [Text(), Text(f"{CLOSEST}:", style="yellow")]
        lines += [Text(f"  · {plain(citation.quote)}", style="dim") for citation in answer.closest]
    return Group(*lines)


def plain(text: str) -> str:
    """Return text without the sequences and characters that command a terminal."""
    return normalise(_ESCAPE_SEQUENCE.sub("", text))
