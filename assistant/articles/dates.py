"""The day that somebody wrote down: `2025-03-27`, `27 March 2025`, `March 27th, 2025`, with or without a time of day.

What can be read in two ways, as `03.04.2025`, is no day. Of a moment the day is taken as it stands, in its own zone.
"""

from __future__ import annotations

import datetime
import itertools
import re

_YEAR_FIRST = re.compile(r"(\d{4})([-/]?)(\d\d)\2(\d\d)(?!\d)")
"""ISO 8601, and what differs from it in its signs alone."""
_MONTH = re.compile(r"[^\W\d_]{3}")
"""In words: two numbers are told apart by habit, which differs from land to land."""
_ANY = (datetime.datetime(2001, 1, 1), datetime.datetime(2002, 2, 2))  # noqa: DTZ001 - days have no zone
"""What takes the place of what is not said: who says year, month and day, needs none of it."""


def stated_day(words: str) -> datetime.date | None:
    """Return the day, None where the words do not state one, or may state several."""
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
