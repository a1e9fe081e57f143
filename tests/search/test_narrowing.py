"""A question of a whole archive: times and sections that it names, and copies that count once."""

import datetime
from datetime import date

import pytest

from assistant.articles.passages import passages
from assistant.search.narrowing import folded, narrowed
from assistant.search.retrieval import Retriever
from assistant.types import Article

TODAY = date(2026, 12, 2)
"""A Wednesday."""


def dated(day: date | None, text: str = "The bridge was closed.", section: str = "") -> Article:
    """Return an article of a day."""
    return Article(f"a{day}", text, "A", date=day, section=section)


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("What happened in 2019?", date(2019, 1, 1), date(2019, 12, 31)),
        ("Who was fired in February 2020?", date(2020, 2, 1), date(2020, 2, 29)),
        ("what did the council decide in December of 2021", date(2021, 12, 1), date(2021, 12, 31)),
        ("What was said last week?", date(2026, 11, 23), date(2026, 11, 29)),
        ("What was said this week?", date(2026, 11, 30), date(2026, 12, 6)),
        ("Which bridges closed last month?", date(2026, 11, 1), date(2026, 11, 30)),
        ("Which bridges closed last year?", date(2025, 1, 1), date(2025, 12, 31)),
        ("What happened yesterday?", date(2026, 12, 1), date(2026, 12, 1)),
    ],
)
def test_a_time_narrows_to_its_days(question: str, first: date, last: date) -> None:
    """Its first and last day fit, and those before and after do not; an article without a date may be of any time."""
    (fits,) = narrowed(question, TODAY)
    day = datetime.timedelta(days=1)
    assert [fits(dated(when)) for when in (first - day, first, last, last + day, None)] == [
        False,
        True,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    "question", ["Why was the bridge closed?", "How old is she?", "Has crime fallen since 2014?", "the last weekend"]
)
def test_other_questions_narrow_nothing(question: str) -> None:
    """Neither do years that are no time of a report, as after "since"."""
    assert narrowed(question, TODAY) == []


def test_what_was_told_later_is_found() -> None:
    """An article that says the year fits as well: what happened then may be told years later."""
    (fits,) = narrowed("How many were arrested in 2019?", TODAY)
    assert fits(dated(date(2024, 5, 1), "In 2019 nine were arrested."))


def test_a_section_narrows() -> None:
    """The desk that a question names, in whatever case."""
    (fits,) = narrowed("What does the sports desk say of the bridge?", TODAY)
    assert fits(dated(None, section="Sports"))
    assert not fits(dated(None, section="Business"))


def test_search_is_narrowed_where_an_article_fits() -> None:
    """Of two that tell of a bridge the one of that year is found; where none is of it, all are searched."""
    articles = [
        dated(date(year, 6, 1), f"The bridge of {place} fell.") for year, place in ((2019, "Oslo"), (2023, "Lima"))
    ]
    retriever = Retriever(articles, None, None)
    for year, expected in ((2019, [2019]), (2023, [2023]), (1999, [2023, 2019])):
        hits = retriever.search(f"Which bridge fell in {year}?").hits
        assert [hit.passage.article.date.year for hit in hits if hit.passage.article.date] == expected


def test_of_equal_matches_the_newer_comes_first() -> None:
    """And one without a date last."""
    texts = "The bridge of Oslo fell down.", "The bridge of Lima fell down.", "The bridge of Rome fell down."
    days = (date(2020, 1, 1), None, date(2024, 1, 1))
    articles = [dated(day, text) for day, text in zip(days, texts, strict=True)]
    hits = Retriever(articles, None, None).search("bridge").hits
    assert [hit.passage.article.date for hit in hits] == [days[2], days[0], None]


def test_copies_are_folded_into_the_newest() -> None:
    """Twenty papers print an agency's report, some with a word changed: it counts once, in the place of the first."""
    report = (
        "The old bridge over the river Ellery was closed on Monday after engineers found cracks in {} of its pillars."
    )
    copies = [Article(f"copy{n}", report.format(n), "A", date=date(2026, 1, 1 + n)) for n in range(20)]
    other = Article("other", "The bridge club meets on Mondays.", "B")
    found = [passage for article in [*copies[:10], other, *copies[10:]] for passage in passages(article)]
    assert [passage.article.id for passage in folded(found, 5)] == ["copy19", "other"]
    assert [passage.article.id for passage in folded(found, 1)] == ["copy9"]
    hits = Retriever([*copies, other], None, None).search("bridge").hits
    assert {hit.passage.article.id for hit in hits} == {"copy19", "other"}


def test_an_article_that_repeats_itself_is_not_folded() -> None:
    """Its paragraphs stand apart in it, and each may be what is asked for."""
    article = Article("a", "The bridge is closed today.\n\nThe bridge is closed today.", "A")
    assert folded(passages(article), 5) == passages(article)
