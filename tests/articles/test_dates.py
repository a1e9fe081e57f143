"""The day that somebody wrote down, and what is none."""

import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assistant.articles.standing import stated_day


@pytest.mark.parametrize(
    "words",
    [
        *("2025-03-09", " 2025-03-09\n", "20250309", "2025/03/09"),
        *("2025-03-09T23:30:00-05:00", "2025-03-09 10:00:00+01:00", "2025-03-09T10:00Z"),
        *("9 March 2025", "09 MARCH 2025", "9th of March, 2025", "9-Mar-2025", "Sunday, 9 March 2025"),
        *("March 9, 2025", "Mar. 9, 2025", "March 9th 2025", "Sun, March 9, 2025, 4:30 p.m. EST"),
        *("2025 March 9", "Sun, 09 Mar 2025 10:30:00 GMT"),
    ],
)
def test_a_day_is_read_in_its_usual_spellings(words: str) -> None:
    """With the year first, or with its month in words; of a moment the day is taken as it stands."""
    assert stated_day(words) == datetime.date(2025, 3, 9)


@pytest.mark.parametrize(
    "words",
    [
        *("09.03.2025", "27.03.2025", "03/09/2025", "03.09.2025 10:00 UTC", "9 March 27"),
        *("", "March 2025", "2025-03", "9 March", "2025", "Sunday", "10:30 a.m.", "yesterday", "27. März 2025"),
        *("2025-02-30", "2025-13-45", "31 June 2025", "Updated 9 March 2025", "9 March 2025 to 10 March 2025"),
        *("2025-03-09 to 2025-03-10", "2025-03-09, 2025/03/10"),
    ],
)
def test_what_states_no_day_or_several_is_none(words: str) -> None:
    """Nothing is guessed: not a part that is missing, and not which of two numbers is the month."""
    assert stated_day(words) is None


@given(
    st.text(max_size=40) | st.lists(st.sampled_from(["27", "may", "2025", "-", ":", ".", " ", "+", "99"])).map("".join)
)
@example("1" * 5000 + "may")
def test_any_words_are_a_day_or_none(words: str) -> None:
    """Nothing that stands where a date is looked for is an error."""
    assert isinstance(stated_day(words), datetime.date | None)
