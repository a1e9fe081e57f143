"""An answer says as of when its article is, and what of the words that it rests on was corrected."""

import datetime

import pytest

from assistant.markup import markdown
from assistant.rendering import corrections, headline, to_json
from assistant.types import Answer, Article, Citation, Correction, Outcome

TEXT = "The ferry leaves at ten. It costs nine dollars."
DAY, LATER = datetime.date(2025, 3, 27), datetime.date(2025, 3, 28)


def answered(*given: Correction) -> Answer:
    """Return an answer that quotes the first sentence of an article that was corrected so."""
    article = Article("ferry", TEXT, "A ferry", date=DAY, updated=LATER, corrections=given)
    return Answer("When?", Outcome.QUOTED, "The ferry leaves at ten. [1]", (Citation(1, article, 0, 24),))


@pytest.mark.parametrize(
    ("words", "is_told"), [("at ten", True), ("nine dollars", False), ("", True), ("at eleven", True)]
)
def test_what_was_corrected_is_said_where_the_answer_rests_on_it(words: str, is_told: bool) -> None:  # noqa: FBT001
    """Where it is not told which words were corrected, or they are not there any more, it may be any."""
    answer = answered(Correction("It leaves at ten, not at nine.", LATER, words))
    assert (corrections(answer) == ["Corrected on 28 March 2025: It leaves at ten, not at nine."]) is is_told
    assert ("not at nine" in markdown(answer)) is is_told


def test_the_headline_says_as_of_when() -> None:
    """The day of the last change counts, and the day of the last correction is named."""
    assert headline(answered()).endswith(", as of 28 March 2025")
    assert headline(answered(Correction("Mended.", LATER), Correction("Before.", DAY))).endswith(
        ", as of 28 March 2025, corrected on 28 March 2025"
    )


def test_an_answer_says_of_which_version_it_is() -> None:
    """Two texts of one article have different versions; the same text has the same."""
    answer = answered()
    (cited,) = to_json(answer)["citations"]
    assert cited["version"] == answered().citations[0].article.version
    assert cited["version"] != Article("ferry", f"{TEXT} ", "A ferry").version
