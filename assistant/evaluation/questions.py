"""Question files: one question a line, with the facts that a right answer holds.

Matching ignores case, punctuation and number style: "nine" is 9, "5½" is 5.5, "18%" is 18 percent. Knows nothing of
how answers are made.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import ConfigurationError
from assistant.types import Turn


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
    group: str = ""


def read_questions(path: Path) -> list[Question]:
    """Read a question file.

    Raises:
        ConfigurationError: it cannot be read, or a line is not a question; the line is named.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The question file {path} cannot be read: {error}") from error
    found: dict[str, Question] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            question = _question(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{path}, line {number}: not a question ({type(error).__name__}: {error}); mend the line"
            ) from error
        if question.id in found:
            raise ConfigurationError(
                f"{path}, line {number}: the id {question.id!r} is used twice; give each question its own"
            )
        found[question.id] = question
    if not found:
        raise ConfigurationError(f"The question file {path} holds no question")
    return list(found.values())


def _question(row: dict[str, object]) -> Question:
    history = row.get("history") or []
    facts = row.get("must_have") or []
    if not isinstance(history, list) or not isinstance(facts, list):
        raise TypeError("history and must_have must be lists")
    answerable = row.get("answerable")
    return Question(
        id=str(row["id"]),
        question=str(row["question"]),
        history=tuple(Turn(str(turn["question"]), str(turn["answer"])) for turn in history),
        kind=str(row.get("kind") or ""),
        answerable=None if answerable is None else bool(answerable),
        must_have=tuple(tuple(map(str, wordings)) for wordings in facts),
        must_not=_strings(row.get("must_not")),
        evidence=_strings(row.get("evidence")),
        article=str(row.get("article") or ""),
        group=str(row.get("group") or ""),
    )


def _strings(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise TypeError("a list is expected")
    return tuple(map(str, value))


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


_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty
    """.split()
    )
} | {"percent": "%", "pct": "%", "eighth": "8th", "half": ".5"}


def plain(text: str) -> str:
    """Return the text in lower case, without punctuation, numbers as digits."""
    text = text.lower().replace("’", "'").replace("per cent", "percent").replace("and a half", "½").replace(" 1/2", "½")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"\s*½", ".5", text).replace("%", " % ")
    text = re.sub(r"\.(?!\d)", " ", re.sub(r"[^\w\s.%$€£'-]", " ", text))
    # An apostrophe inside a word is part of it; at its ends it is a quotation mark.
    text = re.sub(r"(?<!\w)'|'(?!\w)", " ", text)
    words = " ".join(_NUMBER_WORDS.get(word, word) for word in text.replace("-", " ").split())
    return re.sub(r"(\d) \.5", r"\1.5", words)
