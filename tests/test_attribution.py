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
            "Who said that Kenney is celebrating keeping criminals in Philadelphia?",
            "is celebrating",
            "Attorney General Jeff Sessions said that Kenney is celebrating keeping criminals in Philadelphia.",
        ),
        (
            'And who said "I can\'t cooperate with ICE on immigration enforcement"?',
            "I can't cooperate",
            'Abernathy said "I can\'t cooperate with ICE on immigration enforcement."',
        ),
        (
            "who asked how fair it is to the people who are trying to come in legally",
            "How fair is it",
            "An ICE official asked how fair it is to the people who are trying to come in legally.",
        ),
        (
            'Whose words are "He has to pay his time"?',
            "He has to pay his time",
            'It was Arnold who said "He has to pay his time."',
        ),
        (
            'Who was it that called the prosecutors "multigenerational"?',
            "multigenerational",
            'Krasner called the prosecutors "multigenerational."',
        ),
        (
            'Who said of the bargain "He has to pay his time"?',
            "He has to pay his time",
            'It was Arnold who said "He has to pay his time."',
        ),
    ],
)
def test_who_said_it_is_told_in_the_words_of_the_question(
    question: str, evidence: str, told: str, article: Article
) -> None:
    """The speaker comes before what the question says was said, even where another sentence names them."""
    assert statement(question, window(evidence, article)) == told


@pytest.mark.parametrize(
    ("question", "evidence"),
    [
        ("What did Sessions say about Kenney?", "is celebrating"),
        ("Who is celebrating keeping criminals in Philadelphia?", "is celebrating"),
        ("Who said that Krasner is celebrating keeping criminals in Philadelphia?", "is celebrating"),
        ("Who said that Kenney is celebrating keeping immigrants safe?", "is celebrating"),
        ("Who said ICE can cooperate on immigration enforcement?", "I can't cooperate"),
        ('Who said "All of us were once prosecutors"?', "multigenerational"),
        ('Who said "He has to pay his fine"?', "He has to pay his time"),
        ("Who said so?", "He has to pay his time"),
        ("Who said they were unaware of the probation department's new stance?", "unaware of the probation"),
        ("Who announced that the city would not renew its contract with ICE?", "would not renew"),
    ],
)
def test_nothing_is_told_that_the_quotation_does_not_say(question: str, evidence: str, article: Article) -> None:
    """Another question, another word, a denial, other quoted words or no quotation: then it is not for these rules."""
    assert statement(question, window(evidence, article)) is None


def test_words_of_nobody_are_told_of_nobody() -> None:
    """A quotation whose speaker the article does not name gets no speaker."""
    article = Article("made-up", 'The sign read "No entry" in red.', "")
    assert statement('Who said "No entry in red"?', window("No entry", article)) is None
    assert statement("Who said no entry?", window("No entry", article)) is None


@pytest.mark.parametrize(
    ("question", "told", "names"),
    [
        ("According to whom does the city treat everyone as a citizen?", "ICE treats everyone as a citizen.", False),
        ("According to whom does the city treat everyone as a citizen?", "An official said so.", True),
        ("Who complained that everyone is treated as a citizen?", "Abernathy complained about it.", False),
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
