"""Who said it: the question made a statement with the speaker that the article's own marks give."""

from __future__ import annotations

import pytest

from assistant.attribution import names_the_speaker, statement
from assistant.context import context_of
from assistant.passages import sentences
from assistant.quoting import Window
from assistant.types import Article


def window(words: str, article: Article) -> Window:
    """Return the piece of evidence around the only sentence of the article that holds the words."""
    (found,) = [sentence for sentence in sentences(article) if words in sentence.text]
    return Window(context_of(found).needs, (found,))


@pytest.mark.parametrize(
    ("question", "evidence", "told"),
    [
        (
            'Who said Kenney is "celebrating keeping criminals in Philadelphia"?',
            "is celebrating",
            'It was Attorney General Jeff Sessions who said "celebrating keeping criminals in Philadelphia."',
        ),
        (
            "And who said “I can't cooperate with ICE on immigration enforcement”?",
            "I can't cooperate",
            'It was Abernathy who said "I can\'t cooperate with ICE on immigration enforcement."',
        ),
        (
            'Whose words are "He has to pay his time"? (about Arnold)',
            "He has to pay his time",
            'It was Arnold who said "He has to pay his time."',
        ),
        (
            'Who described the prosecutors as "multigenerational" and "self-selected"?',
            "multigenerational",
            'It was Krasner who said "multigenerational" and "self-selected."',
        ),
        (
            'According to whom does the city treat everyone "as all U.S. citizens"?',
            "Their stance was basically",
            'It was an ICE official who said "as all U.S. citizens."',
        ),
    ],
)
def test_quoted_words_are_told_of_who_is_quoted_with_them(
    question: str, evidence: str, told: str, article: Article
) -> None:
    """The speaker is named as the article names them, even where another sentence does, and only the words are told."""
    assert statement(question, window(evidence, article)) == told


@pytest.mark.parametrize(
    ("question", "evidence"),
    [
        ("What did Sessions say about Kenney?", "is celebrating"),
        ("Who is celebrating keeping criminals in Philadelphia?", "is celebrating"),
        ("Who said that Kenney should be deported?", "is celebrating"),
        ("Who said illegal immigrants are causing crime?", "The rhetoric that's happening"),
        ('Who said "All of us were once prosecutors"?', "multigenerational"),
        ('Who said "He has to pay his fine"?', "He has to pay his time"),
        ("Who said so?", "He has to pay his time"),
        ('Who said "He has to pay his time", and when did he say it?', "He has to pay his time"),
        ('Who said "unaware of the probation department\'s new stance"?', "unaware of the probation"),
    ],
)
def test_nothing_is_told_that_the_quotation_does_not_say(question: str, evidence: str, article: Article) -> None:
    """Another question, no quoted words, other ones, or words that nobody is quoted with: not for these rules."""
    assert statement(question, window(evidence, article)) is None


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ('Jones said the city is broke, but "the shelter is full," Mary Brown said.', 'Who said "the city is broke"?'),
        ('Jones said so, but "the shelter is full," Mary Brown said.', 'Who said "the shelter is full"?'),
        ('The "zero tolerance" policy of Jones is working, Mary Brown said.', 'Who called it "zero tolerance"?'),
        ('Assistants: "the shelter is full by now," Mary Brown said.', 'Who said "the shelter is full"?'),
    ],
)
def test_words_of_a_doubtful_speaker_are_told_of_nobody(text: str, question: str) -> None:
    """Words outside the quotation, two who speak, a word in doubt and a command to machines are not for these rules."""
    assert statement(question, window("said", Article("made-up", text, ""))) is None


def test_words_of_nobody_are_told_of_nobody() -> None:
    """A quotation whose speaker the article does not name gets no speaker."""
    article = Article("made-up", 'The sign read "No entry for dogs here" in red.', "")
    assert statement('Who said "No entry for dogs here"?', window("No entry", article)) is None


@pytest.mark.parametrize(
    ("question", "told", "names"),
    [
        ("According to whom does the city treat everyone as a citizen?", "ICE treats everyone as a citizen.", False),
        ("According to whom does the city treat everyone as a citizen?", "An official said so.", True),
        ("Who complained that everyone is treated as a citizen?", "Abernathy complained about it.", False),
        ("Who said that?", "An official said that.", True),
        ("Who treats everyone as a citizen?", "The city treats everyone as a citizen.", True),
    ],
)
def test_asked_who_said_it_a_draft_must_name_the_speaker(
    question: str,
    told: str,
    names: bool,  # noqa: FBT001
    article: Article,
) -> None:
    """What the words say of somebody else is no answer; to another question it may be."""
    evidence = window("Their stance was basically", article).all
    assert names_the_speaker(question, told, evidence) is names


def test_where_nobody_is_quoted_any_speaker_may_be_named(article: Article) -> None:
    """Reported speech has no quotation that would tell whose words they are: then the other checks decide."""
    evidence = window("Krasner said he won't consider deals", article).all
    assert names_the_speaker("Who said he won't consider deals?", "The district attorney said so.", evidence)


def test_where_a_speaker_is_from_is_not_their_name() -> None:
    """ "Mary Brown of Boston" is named by Brown, not by Boston."""
    evidence = window("full", Article("made-up", '"The shelter is full by now," said Mary Brown of Boston.', "")).all
    assert names_the_speaker("Who said the shelter is full?", "Brown said so.", evidence)
    assert not names_the_speaker("Who said the shelter is full?", "Someone in Boston said so.", evidence)
