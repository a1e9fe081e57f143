"""What tells who asks is taken out of a question before it is kept."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.web.storage.stripping import stripped

MAIL = re.compile(r"[^\s@]+@[^\s@]+")
LONG = re.compile(r"\d(?:[ .()/-]?\d){6,}")
ANY = st.text(max_size=40)


@given(ANY, st.emails(), ANY)
def test_no_address_of_mail_is_left(before: str, address: str, after: str) -> None:
    """Whatever stands around it."""
    kept = stripped(f"{before}{address}{after}")
    assert not MAIL.search(kept)
    assert address not in kept


@given(ANY, st.from_regex(r"\+?\d{2,4}[ -]\(?\d{3}\)?[ .-]\d{3,4}[ .-]?\d{2,4}", fullmatch=True), ANY)
def test_no_telephone_number_is_left(before: str, number: str, after: str) -> None:
    """However it is set apart, and whatever stands around it."""
    assert not LONG.search(stripped(f"{before} {number} {after}"))


@given(st.from_regex(r"[A-Z][a-z]{3,9}", fullmatch=True), st.sampled_from(["My name is {}.", "I'm {}.", "i am {},"]))
def test_no_name_that_is_said_is_left(name: str, says: str) -> None:
    """Also where it comes again."""
    assert name not in stripped(f"{says.format(name)} Was {name} right?")


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("write to ann at example dot org please", "write to [address] please"),
        ("Is it true? ann.lee (at) example.org", "Is it true? [address]"),
        ("my name is ann lee, what happened", "my name is [name], what happened"),
        ("i'm bob and what is ICE?", "i'm [name] and what is ICE?"),
        ("Call me Maria de la Cruz. Who won?", "Call me [name]. Who won?"),
        ("I live at 12 Elm Road. Is the ferry free?", "I live [address]. Is the ferry free?"),
        ("My case number is A12-34, was it in 2014?", "My case number is [number], was it in [number]?"),
        ("My IBAN: DE89 3704 0044 0532 0130 00?", "My IBAN: [number]?"),
        ("Ring 0171/234 56 78, who is he?", "Ring [number], who is he?"),
    ],
)
def test_what_is_the_askers_own_goes(question: str, kept: str) -> None:
    """A mark stands in its place, so that an editor can read the rest."""
    assert stripped(question) == kept


@pytest.mark.parametrize(
    "question",
    [
        "Did 1,000,000 people leave between 2014-2018?",
        "What happened on 2018-10-18, and on 18.10.2018?",
        "Why did Caleb Arnold say that 18 percent is enough?",
        "I'm a reader from Leeds: is the ferry free?",
        "Who is the district attorney?",
    ],
)
def test_what_is_the_articles_stays(question: str) -> None:
    """Dates, sums and the names of others are what the question is about."""
    assert stripped(question) == question
