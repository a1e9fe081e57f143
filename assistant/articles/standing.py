"""What a publisher states of an article beside its words: when it was changed, what was corrected, whose it is.

The names are those of a file's front matter; JSON-LD is put into them first. Knows nothing of files or pages.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from assistant.articles.dates import stated_day
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
