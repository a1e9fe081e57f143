"""Question files: one question a line, with the facts that a right answer holds.

Matching ignores case, punctuation and number style: "nine" is 9, "5½" is 5.5, "18%" is 18 percent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from assistant.errors import BadLinesError, ConfigurationError
from assistant.types import Article, Turn

MAX_FILE_BYTES = 20_000_000

MOST_NAMED = 20
"""Of more bad lines the first are named, and how many more there are."""

Item = tuple[int, Callable[[], Any]]
"""The number of a line, or of what takes its place in another format, and what returns its keys and values."""

KINDS = {
    "overview": "what it is about",
    "why": "why or how",
    "identify": "who or what something is",
    "sides": "sides, reactions, what comes next",
    "yes_no": "yes or no",
    "fact": "a fact",
    "paraphrase": "a fact in other words than the article's",
    "multi": "several answers",
    "speaker": "who said it",
    "follow_up": "the earlier turns are needed",
    "about": "what the article's record answers",
    "cross_article": "two articles are needed",
    "near": "close to the article, not answered there",
    "false_premise": "assumes what the article contradicts",
    "off_topic": "nothing to do with the article",
    "injection": "prompt injection",
}
"""The kinds of the question files that ship, in the order of a report, and what each asks; others are welcome."""


@dataclass(frozen=True, slots=True)
class Question:
    """One line of a question file; only `id` and `question` are required there."""

    id: str
    question: str
    history: tuple[Turn, ...] = ()
    kind: str = ""
    answerable: bool | None = None
    must_have: tuple[tuple[str, ...], ...] = ()
    """Required facts, each a tuple of accepted wordings."""
    must_not: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    """Words of the article that hold the answer."""
    article: str = ""
    """The article that holds the evidence, and that alone it is asked of."""
    group: str = ""
    rewrite: str = ""
    """For a follow-up: the same question as a person would ask it without the history."""
    ideal: str = ""
    """The answer that a careful writer would give; it is shown, and no score is made with it."""
    notes: str = ""


Problem = Callable[[Question], str]


def read_questions(path: Path, problem: Problem = lambda _: "") -> list[Question]:
    """Read a question file; `problem` is what else may be wrong with a question, "" where nothing is.

    Raises:
        ConfigurationError: it cannot be read, or lines are not questions; each is named.
    """
    return of_items(path, lines(read_text(path)), problem)


def read_text(path: Path) -> str:
    """Return the text of a question file.

    Raises:
        ConfigurationError: it cannot be read, or is too large.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigurationError(
                f"The question file {path} is larger than {MAX_FILE_BYTES // 10**6} MB; split it into several"
            )
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"The question file {path} cannot be read: it is no text in UTF-8; save it as that (CSV UTF-8)"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"The question file {path} cannot be read ({error.strerror})") from error


@contextmanager
def line_of(path: Path, number: int, what: str, place: str = "line") -> Iterator[None]:
    """Name the line, or another place, where what is read from it is not what it should be.

    Raises:
        ConfigurationError: the block found something else.
    """
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, SyntaxError, RecursionError) as error:
        raise ConfigurationError(
            f"{path}, {place} {number}: not {what} ({_what_is_wrong(error)}); mend the {place}"
        ) from error


def _what_is_wrong(error: Exception) -> str:
    """Return it in words; those of a `ValueError` are ours, and for people already."""
    match error:
        case json.JSONDecodeError():
            return f"no JSON from character {error.colno} on: {error.msg}"
        case KeyError():
            return f"it has no {error.args[0]}"
        case ValueError():
            return str(error)
        case _:
            return "its values are not of the form that they must have"


def lines(text: str) -> Iterator[Item]:
    """Yield the lines of a text that are not blank."""
    numbered = enumerate(text.split("\n"), start=1)
    return ((number, partial(json.loads, line)) for number, line in numbered if line.strip())


def of_items(path: Path, items: Iterable[Item], problem: Problem = lambda _: "", place: str = "line") -> list[Question]:
    """Return the questions of items, which are called `place` in messages.

    Raises:
        ConfigurationError: items are not questions, have the id of another, or a problem; each is named.
    """
    found: dict[str, Question] = {}
    bad: list[str] = []
    for number, row_of in items:
        try:
            with line_of(path, number, "a question", place):
                question = _question(row_of())
        except ConfigurationError as error:
            bad.append(str(error))
            continue
        twice = f"the id {question.id!r} is used twice; give each question its own" if question.id in found else ""
        if wrong := twice or problem(question):
            bad.append(f"{path}, {place} {number}: {wrong}")
        found[question.id] = question
    if bad:
        more = [f"and {len(bad) - MOST_NAMED:,} more"] if len(bad) > MOST_NAMED else []
        raise BadLinesError("\n".join(" ".join(line.split()) for line in [*bad[:MOST_NAMED], *more]))
    if not found:
        raise ConfigurationError(f"The question file {path} holds no question; write one a line")
    return list(found.values())


def problem_of_evidence(question: Question, articles: Sequence[Article]) -> str:
    """Return what is wrong with a question's article or evidence, which must stand there character for character."""
    known = {article.id: article for article in articles}
    if question.article and question.article not in known:
        return f"there is no article {question.article!r}; known are {', '.join(sorted(known)[:10])}"
    searched = [known[question.article]] if question.article else articles
    for words in question.evidence:
        if not any(words in article.text for article in searched):
            curled = any(words.translate(_STRAIGHT) in article.text.translate(_STRAIGHT) for article in searched)
            return (
                f"the evidence {words[:60]!r} is not in the article{' with these quotation marks' if curled else ''}; "
                "copy it from there, character for character"
            )
    return ""


_STRAIGHT = str.maketrans("“”„«»‘’‚", '"""""\'\'\'')
"""Quotation marks that a spreadsheet or a word processor curls as one types."""


def _question(row: Any) -> Question:  # noqa: ANN401 - whatever a file holds
    if not isinstance(row, dict):
        raise ValueError("it is no object with names and values")
    identifier, answerable = row["id"], row.get("answerable")
    if not isinstance(identifier, str | int) or not str(identifier).strip():
        raise ValueError("id must be a text or a number")
    if not _is_text(row["question"]):
        raise ValueError("question must be a text, and not empty")
    if not isinstance(answerable, bool | None):
        raise ValueError("answerable must be true, false or null")
    return Question(
        id=str(identifier),
        question=row["question"],
        history=tuple(map(_turn, _list(row, "history"))),
        answerable=answerable,
        must_have=tuple(_wordings(fact) for fact in _list(row, "must_have")),
        must_not=tuple(map(_wording, _list(row, "must_not"))),
        evidence=tuple(map(_evidence, _list(row, "evidence"))),
        **{key: str(row.get(key) or "") for key in ("kind", "article", "group", "rewrite", "ideal", "notes")},
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _turn(value: object) -> Turn:
    match value:
        case {"question": str() as question, "answer": str() as answer, **more}:
            return Turn(question, answer, str(more.get("article") or ""))
    raise ValueError('history must be a list of exchanges, as in [{"question": "Who?", "answer": "Ada Brook."}]')


def _list(row: dict[str, Any], key: str) -> list[Any]:
    value = row.get(key)
    if not isinstance(value, list | None):
        raise ValueError(f"{key} must be a list")
    return value or []


def _wordings(fact: object) -> tuple[str, ...]:
    if not isinstance(fact, list) or not fact:
        raise ValueError('must_have must be a list of facts, each a list of wordings, as in [["18 percent", "18%"]]')
    return tuple(map(_wording, fact))


_LIKE_A_PATTERN = re.compile(r"\\[a-zA-Z.]|\.[*+?]|[)\]][*+?]|\(\?|\[\^?\w-\w|\w\|\w|^\^|\$$")


def _wording(value: object) -> str:
    wording = str(value)
    if _LIKE_A_PATTERN.search(wording):
        raise ValueError(
            f"in must_have or must_not {wording!r} looks like a regular expression, "
            "but wordings are matched as they stand"
        )
    if not plain(wording).strip(" .'"):
        raise ValueError(f"in must_have or must_not the wording {wording!r} holds no word")
    return wording


def _evidence(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("evidence must be a list of texts, none of them empty")
    return value


def holds(text: str, wording: str) -> bool:
    """Whether the text holds the wording, from the start of a word on; a number must end where the wording's does."""
    words = plain(wording)
    if not words:
        return False
    tail = r"(?![\d.])" if words[-1].isdigit() else ""
    return re.search(rf"(?<![^\s$€£-]){re.escape(words)}{tail}", plain(text)) is not None


def holds_facts(text: str, must_have: tuple[tuple[str, ...], ...]) -> bool:
    """Whether the text holds every required fact in one of its accepted wordings."""
    return all(any(holds(text, wording) for wording in wordings) for wordings in must_have)


_UP_TO_TWENTY = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty
""".split()
_NUMBERS = {word: str(number) for number, word in enumerate(_UP_TO_TWENTY)}
_NUMBERS |= {"percent": "%", "pct": "%", "eighth": "8th", "half": ".5"}


def plain(text: str) -> str:
    """Return the text in lower case, without punctuation, numbers as digits."""
    text = text.lower().replace("’", "'").replace("per cent", "percent").replace("and a half", "½").replace(" 1/2", "½")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"\s*½", ".5", text).replace("%", " % ")
    text = re.sub(r"\.(?!\d)", " ", re.sub(r"[^\w\s.%$€£'-]", " ", text))
    # An apostrophe inside a word is part of it; at its ends it is a quotation mark.
    text = re.sub(r"(?<!\w)'|'(?!\w)", " ", text)
    words = " ".join(_NUMBERS.get(word, word) for word in text.replace("-", " ").split())
    return re.sub(r"(\d) \.5", r"\1.5", words)
