"""What a publisher states of an article beside its words: days, what was corrected, whose it is.

The names are those of a file's front matter; JSON-LD is put into them first. Knows nothing of files or pages.
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from assistant.articles.normalising import normalise
from assistant.types import Correction

NAMES = ("updated", "corrections", "author", "section", "free", "withdrawn")
_OF_JSON_LD = {
    "updated": "dateModified",
    "corrections": "correction",
    "author": "author",
    "section": "articleSection",
    "free": "isAccessibleForFree",
}
_DEEPEST = 4
"""A list of things whose names are lists of words; what is nested deeper, perhaps within itself, says nothing."""
_NO = ("", "0", "false", "no", "none", "off")

_YEAR_FIRST = re.compile(r"(\d{4})([-/]?)(\d\d)\2(\d\d)(?!\d)")
"""ISO 8601, and what differs from it in its signs alone."""
_MONTH = re.compile(r"[^\W\d_]{3}")
"""In words: two numbers are told apart by habit, which differs from land to land."""
_ANY = (datetime.datetime(2001, 1, 1), datetime.datetime(2002, 2, 2))  # noqa: DTZ001 - days have no zone
"""What takes the place of what is not said: who says year, month and day, needs none of it."""


class Standing(TypedDict):
    """The fields of an article that are read here."""

    updated: datetime.date | None
    corrections: tuple[Correction, ...]
    author: str
    section: str
    free: bool | None


class HeldBackError(ValueError):
    """Nothing of the article may be shown, and nothing is wrong with its file."""


def standing(stated: Mapping[str, Any]) -> Standing:
    """Return what is stated; what cannot be read counts as not stated, since nobody needs it to answer.

    Raises:
        HeldBackError: the article is withdrawn. In doubt it is.
    """
    if not _is_no(stated.get("withdrawn")):
        raise HeldBackError("it is withdrawn")
    free = stated.get("free")
    return Standing(
        updated=stated_day(_words(stated.get("updated"))),
        corrections=tuple(_corrections(stated.get("corrections"))),
        author=_words(stated.get("author")),
        section=_words(stated.get("section")),
        free=None if free is None else not _is_no(free),
    )


def of_json_ld(thing: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an article of JSON-LD states, under the names of a front matter."""
    return {name: thing[theirs] for name, theirs in _OF_JSON_LD.items() if thing.get(theirs) is not None}


def _corrections(stated: object) -> Iterator[Correction]:
    """Yield the corrections that say something, each from words alone or from a group of `text`, `date`, `words`."""
    for each in stated if isinstance(stated, list) else [stated]:
        told = each if isinstance(each, dict) else {"text": each}
        if text := _words(told.get("text")):
            day = stated_day(_words(told.get("date") or told.get("datePublished")))
            yield Correction(text, day, _words(told.get("words")))


def _words(value: object, depth: int = _DEEPEST) -> str:
    """Return one or several values, or things that have names, as words."""
    if isinstance(value, list | dict) and not depth:
        return ""
    if isinstance(value, list):
        return ", ".join(filter(None, (_words(each, depth - 1) for each in value)))
    if isinstance(value, dict):
        return _words(value.get("name"), depth - 1)
    return "" if value is None or isinstance(value, bool) else " ".join(normalise(str(value)).split())


def _is_no(value: object) -> bool:
    return value is None or str(value).strip().lower() in _NO


def stated_day(words: str) -> datetime.date | None:
    """Return the day that words state, as `2025-03-27`, `27 March 2025` or `March 27th, 2025`, also with a time of day.

    None where they do not state one, or may state several, as `03.04.2025`. A moment's day is that of its own zone.
    """
    words = words.strip()
    if match := _YEAR_FIRST.match(words):
        try:
            return datetime.date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:
            return None
    if not _MONTH.search(words):
        return None
    from dateutil import parser  # noqa: PLC0415 - slow to import, and most dates have the year first

    days = set()
    for default, day_first, year_first in itertools.product(_ANY, (False, True), (False, True)):
        try:
            moment = parser.parse(words, default=default, dayfirst=day_first, yearfirst=year_first, ignoretz=True)
        except (ValueError, OverflowError):
            return None
        days.add(moment.date())
    return days.pop() if len(days) == 1 else None
