"""An `Answer` in words, in a terminal, and for a script; as HTML it is made by `markup.py`.

The labels of all outcomes stand here and nowhere else. Articles, models and readers are strangers: in a terminal
what they wrote can never become a command.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from assistant.articles.reading import normalise
from assistant.errors import Fault
from assistant.types import Answer, Article, Citation, Outcome, Status

if TYPE_CHECKING:
    from rich.console import RenderableType

LABELS: Mapping[Outcome, str] = {
    Outcome.WRITTEN: "Written by AI, checked against the quoted words",
    Outcome.PARTLY: "A part of the answer, written by AI, checked against the quoted words",
    Outcome.SPEECH: "Who said what, as the article puts it",
    Outcome.HELP: "Always the same words, written by people",
    Outcome.LIST: "From the list of articles",
    Outcome.RECORD: "From what is known of the article or of this assistant, not from the article's words",
    Outcome.OVERVIEW: "In brief, in the article's own words",
    Outcome.QUOTED: "Quoted word for word",
    Outcome.PINNED: "An editor's own answer, not the article's words",
    Outcome.DECLINED: "No answer to this question was found",
    Outcome.BLOCKED: "Not answered yet",
    Outcome.UNWRITTEN: "An answer could not be written now; please ask again later",
    Outcome.UNAVAILABLE: "The articles cannot be searched at the moment; please ask again later",
}
"""What is said beside an answer that is final, of one article or of many."""

READING = "Reading… the closest words so far"
"""What is said beside a snapshot that a better one will replace."""

NOT_WRITTEN = "There is no written answer this time; the quoted words stand for themselves."
SPENT = "What may be spent on written answers today is used up; the quoted words stand for themselves."
NOT_READ = "Not all articles are read yet, so one of them may have an answer; please ask again in a few minutes."
NEAREST = "What the article does say. Written by AI:"
MORE, MORE_OF_SEVERAL = "More from the article", "More from the articles"
CLOSEST_WORDS = "The closest words, which are not an answer"

_REFUSALS = (Outcome.DECLINED, Outcome.UNWRITTEN, Outcome.UNAVAILABLE)
_ESCAPE_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours and the like
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # window titles, links, the clipboard
    r"|\x1b."
)


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
        "searched": answer.searched.id if answer.searched else None,
        "query": answer.query,
        "confidence": answer.confidence,
        "outcome": answer.outcome.value,
        "fault": answer.fault,
        "usage": asdict(answer.usage),
        "unread": answer.unread,
        "articles": [article.id for article in answer.records],
        "more": [_citation_to_json(citation) for citation in answer.more],
        "closest": [_citation_to_json(citation) for citation in answer.closest],
        "parts": [
            {
                "words": part.told,
                "citations": [each.number for each in part.citations],
                "verbatim": part.is_verbatim,
                "context": part.is_context,
            }
            for part in answer.parts
        ],
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


# Wording


def headline(answer: Answer) -> str:
    """Return the line beside the answer: what it is, and as of when."""
    if not answer.final:
        return READING
    is_copied = answer.outcome in (Outcome.WRITTEN, Outcome.PARTLY) and all(each.is_verbatim for each in answer.parts)
    label = LABELS[Outcome.QUOTED if is_copied else answer.outcome]
    articles = {citation.article for citation in answer.citations}
    dates = {article.updated or article.date for article in articles}
    date = dates.pop() if len(dates) == 1 else None
    corrected = {each.date for article in articles for each in article.corrections if each.date}
    parts = [label, f"as of {day(date)}" if date else "", f"corrected on {day(max(corrected))}" if corrected else ""]
    return ", ".join(filter(None, parts))


def note(answer: Answer) -> str:
    """Return why there is no answer, or a quotation where one should have been written; empty where all went well."""
    if answer.outcome in _REFUSALS and answer.unread:
        return NOT_READ
    if answer.outcome is not Outcome.QUOTED or not answer.error:
        return ""
    return SPENT if answer.fault is Fault.BUDGET else NOT_WRITTEN


def nearest(answer: Answer) -> str:
    """Return what a model wrote beside a refusal, said to be that, with its markers; empty where it wrote nothing."""
    is_near = answer.outcome is Outcome.DECLINED and answer.parts
    return " ".join((NEAREST, *(part.marked for part in answer.parts))) if is_near else ""


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
    """Return the title of the article, its date, and what sets it apart from another of the same."""
    return ", ".join((article.title, *beside_title(article)))


def beside_title(article: Article) -> list[str]:
    """Return the date of the article, and what sets it apart from another of the same title, where there are such."""
    dated = day(article.date) if article.date else ""
    return [words for words in (dated, article.told_apart_by) if words]


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
    if not (answer.citations and all(part.is_verbatim and not part.lead for part in answer.parts)):
        lines += [Text(), Text(plain(nearest(answer) or answer.text))] if answer.parts else []
    for citation in (*answer.citations, *answer.more):
        lines += [Text(), Text(f"{MORE}:", style="yellow")] if answer.more[:1] == (citation,) else []
        lines += [Text(), Text.assemble((f"{citation.marker} ", "cyan"), plain(citation.quote))]
        lines.append(Text(f"    {plain(source_line(citation.article))}", style="dim"))
    lines += [Text(f"    {plain(line)}", style="yellow") for line in corrections(answer)]
    if answer.outcome in _REFUSALS and answer.unread:
        lines += [Text(), Text(NOT_READ, style="yellow")]
    if answer.error and answer.status is not Status.ANSWERED:
        lines += [Text(), Text(f"No written answer: {plain(answer.error)}", style="yellow")]
    if answer.closest:
        lines += [Text(), Text(f"{CLOSEST_WORDS}:", style="yellow")]
        signs = [citation.marker if answer.parts else "·" for citation in answer.closest]
        quotes = [plain(citation.quote) for citation in answer.closest]
        lines += [Text(f"  {sign} {words}", style="dim") for sign, words in zip(signs, quotes, strict=True)]
    return Group(*lines)


def why_lines(why: Mapping[str, Any], indent: str = "") -> list[str]:
    """Return how an answer came about as lines: what is nested stands below its name."""
    lines = []
    for name, value in why.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{name}", *why_lines(value, f"{indent}  ")]
        elif isinstance(value, list | tuple) and value:
            lines += [f"{indent}{name}", *(f"{indent}  {plain(str(each))}" for each in value)]
        else:
            told = "nothing" if isinstance(value, Mapping | list | tuple) else plain(str(value))
            lines.append(f"{indent}{name:<24}{told}")
    return lines


def plain(text: str) -> str:
    """Return text without the sequences and characters that command a terminal."""
    return normalise(_ESCAPE_SEQUENCE.sub("", text))
