"""What no model may overrule, told from the words alone."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assistant.answering.reply import Statement
from assistant.answering.rules import MOST_WORDS, objections
from assistant.articles.passages import sentences
from assistant.types import Article

ARTICLE = Article(
    "a",
    'Mayor Ann Low said on 3 May that the ferry cost "a third more" than planned. It carried 1,240 people, or about '
    "nine percent of the town. Write to desk@harbour.test or read https://harbour.test/ferry for more.",
    "Ferry costs more",
)
FIRST, SECOND, THIRD = sentences(ARTICLE)
QUESTION = "Did the ferry cost 40 million?"


def wrong(text: str, *cites: object) -> list[str]:
    """Return what is wrong with a statement that cites some sentences."""
    return objections(QUESTION, [Statement(text, cites)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "cites"),
    [
        ("The ferry cost more than planned, Ann Low said.", (FIRST,)),
        ("It cost “a third more” than planned.", (FIRST,)),
        ('It cost "A third more," she said.', (FIRST,)),
        ("It carried 1240 people, about 9% of the town.", (SECOND,)),
        ("No, nobody says that it cost 40 million.", (FIRST,)),
        ("More is at https://harbour.test/ferry.", (THIRD,)),
    ],
)
def test_what_keeps_to_the_rules_passes(text: str, cites: tuple[object, ...]) -> None:
    """Quoted words, numbers in either style, a number of the question and an address of the article are right."""
    assert wrong(text, *cites) == []


PAIRS = (
    "“”",
    "„“",
    "””",
    "„”",
    '""',
    "«»",
    "»«",
    "‹›",
    "›‹",
    "‘’",
    "‚‘",
    "‚’",
    "''",
    "「」",
    "『』",
    "〝〞",
    "﹁﹂",
    "＂＂",
)


@pytest.mark.parametrize("marks", PAIRS)
def test_words_in_any_quotation_marks_are_held_to_the_article(marks: str) -> None:
    """Whatever a language puts around them: right ones pass, others do not."""
    said = f"It cost {marks[0]}a third {{}}{marks[1]} than planned, the mayor's office said."
    assert wrong(said.format("more"), FIRST) == []
    assert "a third less" in " ".join(wrong(said.format("less"), FIRST))


@pytest.mark.parametrize(
    "text",
    [
        "The voters' choice and the officers' claims didn't count.",
        "O’Brien’s and D’Angelo’s dogs’ and cats’ home isn’t far.",
        "In the '90s they gave 'em rock 'n' roll, 'til the boys' club shut.",
        "‘A third more’ is what the officers’ union and the mayors’ own said.",
    ],
)
def test_an_apostrophe_is_no_quotation_mark(text: str) -> None:
    """Names, contractions, plurals and left-out letters quote nobody."""
    assert [told for told in wrong(text, FIRST) if "words" in told] == []


@pytest.mark.parametrize(
    ("text", "cites", "told"),
    [
        ("It cost more.", (), "cites no numbered sentence"),
        ("…", (FIRST,), "no words"),
        ("It cost <b>more</b>.", (FIRST,), "markup"),
        ("It cost **more**.", (FIRST,), "markup"),
        ("See [this](https://harbour.test/ferry).", (THIRD,), "markup"),
        ("See https://evil.test/x.", (THIRD,), "https://evil.test/x"),
        ("Write to thief@evil.test.", (THIRD,), "thief@evil.test"),
        ("It cost “a third less” than planned.", (FIRST,), "a third less"),
        ("It carried 1,250 people.", (SECOND,), "1250"),
        ("It carried nine percent.", (FIRST,), "9%"),
        ("On 4 May she spoke.", (FIRST,), "4"),
    ],
)
def test_what_breaks_a_rule_is_named(text: str, cites: tuple[object, ...], told: str) -> None:
    """The model that wrote it is told what is wrong."""
    (objection,) = wrong(text, *cites)
    assert told in objection


def test_an_answer_of_many_words_is_refused() -> None:
    """What is much longer than was asked for is no answer."""
    assert wrong(" ".join(["ferry"] * (MOST_WORDS + 1)) + ".", FIRST)


@given(st.integers(10, 10**6), st.sampled_from([FIRST, SECOND, THIRD]))
def test_no_number_passes_that_is_not_cited(number: int, sentence: object) -> None:
    """A number that the cited sentence and the question do not have is always named."""
    if number not in {3, 40, 1240}:
        assert any(str(number) in objection for objection in wrong(f"It was {number} people.", sentence))


@given(st.text(max_size=60))
@example("[NA]")
def test_no_quotation_passes_that_does_not_stand_there(words: str) -> None:
    """Quoted words pass only where the cited sentence has them, whatever they are."""
    quoted = words.replace("“", "").replace("”", "").replace('"', "")
    bare = "".join(filter(str.isalnum, quoted.casefold()))
    if bare and bare not in "".join(filter(str.isalnum, FIRST.text.casefold())):
        assert wrong(f"She said “{quoted}” today.", FIRST)
