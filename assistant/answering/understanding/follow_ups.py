"""A follow-up made searchable: the names of the exchange before it are added, and nothing else of it.

To join the whole history to a follow-up, or a question of it, finds less. Rules only: they cost nothing, so the first
evidence is not kept waiting for a model.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

from assistant.types import Turn

_REFERENCE = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|that|this|those|these|there|one|ones|same|other|else|such)\b",
    re.IGNORECASE,
)
_PERSON = re.compile(r"\b(?:he|she|him|her|his|hers)\b", re.IGNORECASE)
_DETERMINED = re.compile(r"\b(?:the|an?|this|that|one|every|each|some|any|no|which|whose)\s+\w", re.IGNORECASE)
"""Somebody may have been named: "Does the mayor say that he paid?"."""
_GOES_ON = re.compile(
    r"^\s*(?:and|but|so|or|also|what about|how about|which one|who else|really|for how long)\b", re.IGNORECASE
)
_OPENS_AS_FOLLOW_UP = re.compile(rf"{_GOES_ON.pattern}|^\s*(?:why|how|when|where|since when)\b", re.IGNORECASE)
_NAME = re.compile(r"[A-ZÀ-Þ][\w'’.-]*\w(?:\s+(?:of|and|de|the)?\s*[A-ZÀ-Þ][\w'’.-]*\w)*")
_ORDINARY = frozenset(
    """
    the a an he she it they we you i his her its their our your my this that these those there here
    what who whom whose when where why how which do does did is are was were be been has have had can could will would
    should may might must in on at for and but or nor so if as with without from to by of about under over through
    during after before since until because while although though than then once also just only nearly almost about
    yes no not none nobody nothing one two three four five six seven eight nine ten some any most more many much few
    several all both each every another other
    january february march april june july august september october november december
    jan feb mar apr jun jul aug sept sep oct nov dec
    monday tuesday wednesday thursday friday saturday sunday
    """.split()
)
"""What begins with a capital without being a name, or is one that nobody means by "he" or "it": a day, a month."""
_MOST_NAMES = 6
_SHORT = 7
"""A question of fewer words that opens like a follow-up is taken for one."""


def forms(question: str, turns: Sequence[Turn]) -> tuple[str, ...]:
    """Return what to search for, one or two questions: as it stands, and with names, where it may be either."""
    named = standalone(question, turns)
    return (named,) if named == question or speaks_of_somebody_unnamed(question) else (question, named)


def standalone(question: str, turns: Sequence[Turn]) -> str:
    """Return the question with the names of the last exchange that has any, where it may follow one; else as it is."""
    if not may_follow(question):
        return question
    return _about(question, next(filter(None, (_names(turn.question, turn.answer) for turn in reversed(turns))), []))


def may_follow(question: str) -> bool:
    """Whether a question may mean something that was said before it."""
    words = len(question.split())
    return refers_back(question) or (words < _SHORT and bool(_OPENS_AS_FOLLOW_UP.match(question))) or words < 4


def leans(question: str) -> bool:
    """Whether a question says that it goes on with what was said before it."""
    return refers_back(question) or bool(_GOES_ON.match(question))


def _about(question: str, topics: Iterable[str]) -> str:
    new = [topic for topic in topics if not re.search(rf"\b{re.escape(topic)}\b", question, re.IGNORECASE)]
    return f"{question} (about {', '.join(new[:_MOST_NAMES])})" if new else question


def _names(*texts: str) -> list[str]:
    """Return each name once, without what stands capitalised before it where a sentence begins: "Did ICE" is ICE."""
    found = (match[0].split() for text in texts for match in _NAME.finditer(text))
    names = (" ".join(itertools.dropwhile(lambda word: word.lower() in _ORDINARY, words)) for words in found)
    return list(dict.fromkeys(name for name in names if name))


def speaks_of_somebody_unnamed(question: str) -> bool:
    """Whether it says "he" or "she" of somebody whom it has not named before: "When did he say that he would go?"."""
    said = _PERSON.search(question)
    before = question[: said.start()] if said else ""
    return said is not None and not _names(before) and not _DETERMINED.search(before)


def refers_back(sentence: str) -> bool:
    """Whether a sentence holds a word such as "he" or "this" that may stand for something said before it."""
    return bool(_REFERENCE.search(sentence))
