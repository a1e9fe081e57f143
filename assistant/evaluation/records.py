"""One line of `answers.jsonl`: what came of a question, and what was searched, as plain values.

A record holds everything that scoring needs of the assistant, so that scoring never calls it.
"""

from __future__ import annotations

import datetime
import json
import os
import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from assistant.errors import ConfigurationError
from assistant.types import Article, Usage

ANSWERS = "answers.jsonl"
_MARKERS = re.compile(r"(?<=\S)\s+((?:\[[0-9]{1,4}\])+)(?:\s+(?![a-zß-ÿ\[])|$)")
"""Behind these a sentence begins, or nothing stands."""
_NUMBER = re.compile(r"[0-9]+")
ERROR = "error"
"""The status of a question that ended in an exception."""

Line = TypeVar("Line")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of an article; `end` is exclusive, both in characters."""

    article: str
    start: int
    end: int

    def overlaps(self, other: Span) -> bool:
        """Whether the two have a character in common."""
        return self.article == other.article and self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation as it was recorded; whether the quote stands at the offsets is for the scoring to see."""

    number: int
    span: Span
    quote: str


@dataclass(frozen=True, slots=True)
class RecordedPart:
    """Some words of an answer, and the numbers of the citations behind them."""

    words: str
    citations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """What came of one question in one repeat."""

    id: str
    repeat: int
    question: str
    status: str
    outcome: str = ""
    """How the answer came about; the status, where that is not known."""
    answer: str = ""
    told: tuple[RecordedPart, ...] | None = None
    """The same in its parts; None where it was recorded before there were any."""
    citations: tuple[Cited, ...] = ()
    closest: tuple[Cited, ...] = ()
    first: tuple[Cited, ...] = ()
    """For a refusal: what had been quoted before the decision, and would have stood without it."""
    query: str = ""
    confidence: float | None = None
    first_ms: float | None = None
    total_ms: float | None = None
    model: str = "none"
    error: str | None = None
    retrieved: tuple[Span, ...] = ()
    """The distinct paragraphs that were found, best first."""
    usage: Usage = field(default_factory=Usage)

    @property
    def parts(self) -> tuple[RecordedPart, ...]:
        """The words of the answer, each part with the numbers of the citations behind it."""
        return _taken_apart(self.answer, {cited.number for cited in self.citations}) if self.told is None else self.told

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> Record:
        """Return the record of a parsed line."""
        timings = line["timings"]
        return cls(
            **{name: line[name] for name in ("id", "question", "status", "answer", "model", "error")},
            outcome=line.get("outcome", line["status"]),
            told=_told(line["parts"]) if "parts" in line else None,
            citations=_cited(line["citations"]),
            closest=_cited(line.get("closest", ())),
            first=_cited(line.get("first", ())),
            repeat=line.get("repeat", 0),
            query=line.get("query", ""),
            confidence=line.get("confidence"),
            first_ms=timings["first_ms"],
            total_ms=timings["total_ms"],
            retrieved=tuple(Span(*span) for span in line.get("retrieved", ())),
            usage=Usage(**line.get("usage", {})),
        )


def article_row(article: Article) -> dict[str, Any]:
    """Return an article as plain values."""
    return {
        "id": article.id,
        "title": article.title,
        "date": article.date.isoformat() if article.date else None,
        "source": article.source,
        "text": article.text,
    }


def article_of(row: Mapping[str, Any]) -> Article:
    """Return the article of such values."""
    date = datetime.date.fromisoformat(row["date"]) if row["date"] else None
    return Article(row["id"], row["text"], row["title"], date=date, source=row["source"])


def read_records(folder: Path) -> list[Record]:
    """Return the answers of a run's folder so far.

    Raises:
        ConfigurationError: the file cannot be read, or a whole line is damaged; it is named.
    """
    return read_lines(folder / ANSWERS, Record.from_line)


def read_lines(path: Path, parsed: Callable[[dict[str, Any]], Line]) -> list[Line]:
    """Return what the lines of a file hold, without a last one that was cut off; nothing where it does not exist.

    Raises:
        ConfigurationError: the file cannot be read, or a whole line is damaged; it is named.
    """
    try:
        lines = _whole(path.read_bytes()).decode().split("\n") if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read ({error})", "restore it, or start in a new folder") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if line:
            try:
                found.append(parsed(json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ConfigurationError(
                    f"{path}, line {number} is damaged", "delete that line and run again"
                ) from error
    return found


def append(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Add lines, each on the disk before the next one is asked for; what was left of a cut-off last one goes.

    Raises:
        ConfigurationError: they cannot be written.
    """
    try:
        if path.exists():
            os.truncate(path, len(_whole(path.read_bytes())))
        with path.open("a", encoding="utf-8") as file:
            for line in lines:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror})", "make room there and run the same command again"
        ) from error


def _whole(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]


def _told(parts: Iterable[Mapping[str, Any]]) -> tuple[RecordedPart, ...]:
    return tuple(RecordedPart(part["words"], tuple(part["citations"])) for part in parts)


def _taken_apart(answer: str, known: Container[int]) -> tuple[RecordedPart, ...]:
    """Return what stands between the markers of an answer, which point to the known citations."""
    found, start = [], 0
    for match in _MARKERS.finditer(answer):
        numbers = tuple(map(int, _NUMBER.findall(match[1])))
        if all(number in known for number in numbers):
            found.append(RecordedPart(answer[start : match.start()], numbers))
            start = match.end()
    rest = answer[start:].strip()
    return (*found, RecordedPart(rest)) if rest else tuple(found)


def _cited(values: Iterable[Mapping[str, Any]]) -> tuple[Cited, ...]:
    return tuple(Cited(v["number"], Span(v["article"], v["start"], v["end"]), v["quote"]) for v in values)
