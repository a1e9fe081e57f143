"""What a publisher states of an article beside its words: days, what was corrected, whose it is.

The names are those of a file's front matter; JSON-LD is put into them first.
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from reprlib import Repr
from typing import Any, TypedDict

from assistant.articles.normalising import normalise
from assistant.types import Correction

NAMES = ("date", "updated", "corrections", "author", "section", "free", "withdrawn")
_OF_JSON_LD = {
    "updated": "dateModified",
    "corrections": "correction",
    "author": "author",
    "section": "articleSection",
    "free": "isAccessibleForFree",
}
_DEEPEST = 4
"""A list of things whose names are lists of words; what is nested deeper, perhaps within itself, says nothing."""
_ALIKE = 0.75
"""How like `withdrawn` a key must be to count as it: in doubt an article is withdrawn. "drawn" and "within" are not."""
_SHORT = Repr()
"""What stands in a file may be of any length, and in YAML of any depth."""
_SHORT.maxstring = 40
_NO, _YES = ("false", "no", "off", "0"), ("true", "yes", "on", "1")

_YEAR_FIRST = re.compile(r"(\d{4})([-/]?)(\d\d)\2(\d\d)(?!\d|.*\d{4}[-/]\d\d[-/])")
"""ISO 8601, and what differs from it in its signs alone; not where another one follows."""
_MONTH = re.compile(r"[^\W\d_]{3}")
"""In words: of two numbers, which is the day and which the month is a habit that differs from land to land."""
_ANY = (datetime.datetime(2001, 1, 1), datetime.datetime(2002, 2, 2))  # noqa: DTZ001 - days have no zone
"""What takes the place of what is not said: who says year, month and day, needs none of it."""


class Standing(TypedDict):
    """The fields of an article that are read here."""

    date: datetime.date | None
    updated: datetime.date | None
    corrections: tuple[Correction, ...]
    author: str
    section: str
    free: bool | None


class HeldBackError(ValueError):
    """Nothing of the article may be shown; the message is what is wrong with its file, mostly nothing."""

    def __init__(self, identifier: str = "", reason: str = "") -> None:
        """Keep the article's id, where it is known."""
        super().__init__(reason)
        self.identifier = identifier


def check_withdrawn(identifier: str, said: Iterable[str]) -> None:
    """Look at all that is said of an article's being withdrawn.

    Raises:
        HeldBackError: it is withdrawn. In doubt it is, and the message says so.
    """
    withdrawing = [words for words in said if not _is_no(words)]
    if any(map(clearly_withdraws, withdrawing)):
        raise HeldBackError(identifier)
    if withdrawing:
        behind = repr(withdrawing[0][:40]) if withdrawing[0] else "nothing"
        raise HeldBackError(
            identifier,
            f"it counts as withdrawn, since {behind} stands behind that word at its head: write withdrawn: true, or "
            "withdrawn: false to have it served",
        )


def may_be_withdrawn(key: str) -> bool:
    """Return whether a key is `withdrawn`, in any letters, or may be a slip for it."""
    return bool(get_close_matches(key.strip().lower(), ["withdrawn"], cutoff=_ALIKE))


def clearly_withdraws(words: str) -> bool:
    """Return whether these words behind `withdrawn` leave no doubt: a plain yes, or a day."""
    return words.strip().lower() in _YES or stated_day(words) is not None


def standing(stated: Mapping[str, Any]) -> Standing:
    """Return what is stated; what cannot be read counts as not stated, since nobody needs it to answer."""
    free = stated.get("free")
    return Standing(
        date=_day(stated.get("date")),
        updated=_day(stated.get("updated")),
        corrections=tuple(_corrections(stated.get("corrections"))),
        author=_words(stated.get("author")),
        section=_words(stated.get("section")),
        free=None if free is None else not _is_no(free),
    )


def unread(stated: Mapping[str, Any]) -> Iterator[str]:
    """Yield what of it cannot be read, each with what to do about it."""
    corrections = _groups(stated.get("corrections"))
    days = [(name, stated.get(name)) for name in ("date", "updated")]
    for name, day in (*days, *(("correction's date", _day_of(group)) for group in corrections)):
        if day not in (None, "") and not _day(day):
            yield f"its {name} {_SHORT.repr(day)} is left out: write it as in 2018-10-18"
    for group in corrections:
        if not _text_of(group):
            yield f"its correction {_SHORT.repr(group)} is left out: write what was corrected as its text"


def of_json_ld(thing: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an article of JSON-LD states, under the names of a front matter."""
    return {name: thing[theirs] for name, theirs in _OF_JSON_LD.items() if thing.get(theirs) is not None}


def _corrections(stated: object) -> Iterator[Correction]:
    for group in _groups(stated):
        if text := _text_of(group):
            yield Correction(text, _day(_day_of(group)), _words(group.get("words")))


def _groups(stated: object) -> list[dict[str, Any]]:
    """Return a group of `text`, `date` and `words` for each correction, which may be words alone."""
    said = [each for each in (stated if isinstance(stated, list) else [stated]) if each and not _is_no(each)]
    groups = (each if isinstance(each, dict) else {"text": each} for each in said)
    return [{str(key).lower(): value for key, value in group.items()} for group in groups]


def _text_of(correction: Mapping[str, Any]) -> str:
    text = _words(correction.get("text"))
    return "" if text.lower() in (*_YES, *_NO, "none") else text


def _day_of(correction: Mapping[str, Any]) -> object:
    return correction.get("date") or correction.get("datepublished")


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
    return not isinstance(value, list | dict) and str(value).strip().lower() in _NO


def _day(value: object) -> datetime.date | None:
    return None if isinstance(value, list | dict) else stated_day(_words(value))


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
