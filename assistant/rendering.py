"""An `Answer` in words, in a terminal, and for a script; as HTML it is made by `markup.py`.

The labels of all outcomes stand here and nowhere else. Articles, models and readers are strangers: in a terminal
what they wrote can never become a command.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
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
    Outcome.RECORD: "From what is known of the article or of this assistant, not from the article's words",
    Outcome.OVERVIEW: "In brief, in the article's own words",
    Outcome.QUOTED: "Quoted word for word",
    Outcome.PINNED: "An editor's own answer, not the article's words",
    Outcome.DECLINED: "No answer to this question was found",
    Outcome.BLOCKED: "Not answered yet",
    Outcome.UNAVAILABLE: "The articles cannot be searched at the moment; please ask again later",
}
"""What is said beside an answer that is final, of one article or of many."""

READING = "Reading… the closest words so far"
"""What is said beside a snapshot that a better one will replace."""

NOT_WRITTEN = "There is no written answer this time; the quoted words stand for themselves."
SPENT = "What may be spent on written answers today is used up; the quoted words stand for themselves."
NEAREST = "What the article does say:"
CLOSEST_WORDS = "The closest words, which are not an answer"

_MOST_BEFORE = 8
"""Words of ours before a quotation, as in "Ann Lee said:"."""
_MARKERS = re.compile(r"(?<=\S) ((?:\[[0-9]{1,4}\])+)(?=\s|$)")
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
        "query": answer.query,
        "confidence": answer.confidence,
        "outcome": answer.outcome.value,
        "fault": answer.fault,
        "usage": asdict(answer.usage),
        "closest": [_citation_to_json(citation) for citation in answer.closest],
    }


def _citation_to_json(citation: Citation) -> dict[str, Any]:
    return {
        "number": citation.number,
        "article": citation.article.id,
        "start": citation.start,
        "end": citation.end,
        "answering": citation.answering,
        "quote": citation.quote,
        "version": citation.article.version,
    }


# Markers


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words of an answer, and the numbers of the citations that stand behind them."""

    words: str
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """Quoted words, from `start` to `end` in characters of the article, and the few words of ours before them."""

    before: str
    citation: Citation
    start: int
    end: int


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


def is_only_quotations(answer: Answer) -> bool:
    """Whether the answer says what its quotations say and no more."""
    quotes = " ".join(citation.quote for citation in answer.citations)
    return bool(quotes) and _is_same(without_markers(answer), quotes)


def told_quotations(answer: Answer) -> list[Told]:
    """Return the quotations that the answer consists of; none where it says more."""
    if is_only_quotations(answer):
        return [Told("", each, each.start, each.end) for each in answer.citations]
    found: list[Told] = []
    by_number = {citation.number: citation for citation in answer.citations}
    for piece in pieces(answer) if answer.outcome in (Outcome.QUOTED, Outcome.OVERVIEW) else ():
        told = _told(piece.words.strip(), by_number[piece.numbers[0]]) if piece.numbers else None
        if told is None:
            return []
        found.append(told)
    return found


def _told(words: str, citation: Citation) -> Told | None:
    for match in islice(re.finditer(r"\S+", words), _MOST_BEFORE + 1):
        quoted = words[match.start() :]
        if quoted in citation.quote:
            start = citation.start + citation.quote.index(quoted)
            return Told(words[: match.start()].strip(), citation, start, start + len(quoted))
    return None


def copied_quotations(answer: Answer) -> set[int]:
    """Return the numbers of the quotations that stand in the answer already, each as a sentence of its own."""
    if told := told_quotations(answer):
        return {each.citation.number for each in told}
    quotes = {citation.number: citation.quote for citation in answer.citations}
    alone = [(piece.words, piece.numbers[0]) for piece in pieces(answer) if len(piece.numbers) == 1]
    return {number for words, number in alone if words.split() == quotes[number].split()}


def _is_same(words: str, others: str) -> bool:
    """Whether two texts differ at most in capitals, punctuation and white space."""
    said = re.findall(r"\w+", words.casefold())
    return bool(said) and said == re.findall(r"\w+", others.casefold())


# Wording


def headline(answer: Answer) -> str:
    """Return the line beside the answer: what it is, and as of when."""
    if not answer.final:
        return READING
    is_copied = answer.outcome in (Outcome.WRITTEN, Outcome.PARTLY) and is_only_quotations(answer)
    label = LABELS[Outcome.QUOTED if is_copied else answer.outcome]
    articles = {citation.article for citation in answer.citations}
    dates = {article.updated or article.date for article in articles}
    date = dates.pop() if len(dates) == 1 else None
    corrected = {each.date for article in articles for each in article.corrections if each.date}
    parts = [label, f"as of {day(date)}" if date else "", f"corrected on {day(max(corrected))}" if corrected else ""]
    return ", ".join(filter(None, parts))


def note(answer: Answer) -> str:
    """Return why a quotation stands where an answer should have been written; empty where nothing went wrong."""
    if answer.outcome is not Outcome.QUOTED or not answer.error:
        return ""
    return SPENT if answer.fault is Fault.BUDGET else NOT_WRITTEN


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
    if answer.text and not is_only_quotations(answer):
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
        lines += [Text(), Text(f"{CLOSEST_WORDS}:", style="yellow")]
        lines += [Text(f"  · {plain(citation.quote)}", style="dim") for citation in answer.closest]
    return Group(*lines)


def why_lines(why: Mapping[str, Any], indent: str = "") -> list[str]:
    """Return how an answer came about as lines: what is nested stands below its name."""
    lines = []
    for name, value in why.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{name}", *why_lines(value, f"{indent}  ")]
        elif isinstance(value, list | tuple):
            lines += [f"{indent}{name}", *(f"{indent}  {plain(str(each))}" for each in value)]
        else:
            lines.append(f"{indent}{name:<24}{plain(str(value))}")
    return lines


def plain(text: str) -> str:
    """Return text without the sequences and characters that command a terminal."""
    return normalise(_ESCAPE_SEQUENCE.sub("", text))
