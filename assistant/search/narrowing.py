"""What a question of a whole archive asks for besides its words: articles of a time or a section, and each event once.

Narrowing looks at the question alone, and at what is known of each article. Folding looks at the words of passages.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable
from datetime import timedelta

from assistant.types import Article, Passage

_ALIKE = 0.8
"""Passages that share so much of all their words are copies, as of an agency's report."""

_MONTHS = {
    name: number
    for number, name in enumerate(
        "january february march april may june july august september october november december".split(), start=1
    )
}
_TIME = re.compile(
    rf"""
    \b(?:in|during|of|from|since|until|before|after|by)\s+
        (?P<month>{"|".join(_MONTHS)})\s+(?:of\s+)?(?P<its_year>(?:19|20)\d\d)\b     # in March 2019
    | \b(?:in|during)\s+(?:the\s+year\s+)?(?P<year>(?:19|20)\d\d)\b                  # in 2019
    | \b(?P<which>last|this)\s+(?P<span>week|month|year)\b                           # last week
    | \b(?P<day>yesterday|today)\b                                                   # yesterday
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SECTION = re.compile(r"\b(?:the|our|your)\s+(?P<section>[\w&' -]{2,30}?)\s+(?:desk|section|pages)\b", re.IGNORECASE)
"""The sports desk, the business pages."""

Fits = Callable[[Article], bool]


def narrowed(question: str, today: datetime.date) -> list[Fits]:
    """Return what an article has to fit, where the question names a time or a section; mostly nothing.

    An article fits a year or a month also where it says the year: what happened then may be told later. One without a
    date may be of any time.
    """
    wanted: list[Fits] = []
    if match := _TIME.search(question):
        first, last = _span(match, today)
        said = match["its_year"] or match["year"]
        wanted.append(
            lambda article: (
                article.date is None or first <= article.date <= last or (said is not None and said in article.text)
            )
        )
    if match := _SECTION.search(question):
        section = match["section"].casefold()
        wanted.append(lambda article: section in article.section.casefold())
    return wanted


def _span(match: re.Match[str], today: datetime.date) -> tuple[datetime.date, datetime.date]:
    """Return the first and the last day of the time that a question names."""
    if year := match["its_year"] or match["year"]:
        month = _MONTHS[match["month"].lower()] if match["month"] else None
        return _whole(int(year), month)
    if match["day"]:
        day = today - timedelta(days=match["day"].lower() == "yesterday")
        return day, day
    is_last, span = match["which"].lower() == "last", match["span"].lower()
    if span == "week":
        monday = today - timedelta(days=today.weekday() + 7 * is_last)
        return monday, monday + timedelta(days=6)
    if span == "year":
        return _whole(today.year - is_last)
    before = today.replace(day=1) - timedelta(days=1)
    month_of = before if is_last else today
    return _whole(month_of.year, month_of.month)


def _whole(year: int, month: int | None = None) -> tuple[datetime.date, datetime.date]:
    first = datetime.date(year, month or 1, 1)
    following = datetime.date(year + (month or 12) // 12, (month or 12) % 12 + 1, 1)
    return first, following - timedelta(days=1)


def folded(passages: Iterable[Passage], limit: int) -> list[Passage]:
    """Return the first passages, at most so many, of those that are copies only the newest, in the place of the first.

    No further passage is looked at than the first that there is no place for.
    """
    kept: list[tuple[Passage, set[str]]] = []
    for passage in passages:
        words = set(passage.text.lower().split())
        copies = (number for number, (other, held) in enumerate(kept) if _are_copies(passage, words, other, held))
        if (twin := next(copies, None)) is not None:
            if is_newer(passage.article, kept[twin][0].article):
                kept[twin] = passage, words
        elif len(kept) == limit:
            break
        else:
            kept.append((passage, words))
    return [passage for passage, _ in kept]


def is_newer(one: Article, other: Article) -> bool:
    """Whether an article is later than another; one without a date is older than any."""
    return (one.date or datetime.date.min) > (other.date or datetime.date.min)


def _are_copies(one: Passage, words: set[str], other: Passage, held: set[str]) -> bool:
    if one.article is other.article or not _ALIKE * len(held) <= len(words) <= len(held) / _ALIKE:
        return False
    both = len(words & held)
    return both >= _ALIKE * (len(words) + len(held) - both) > 0
