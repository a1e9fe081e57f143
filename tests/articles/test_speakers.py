"""Who speaks in a sentence, and which earlier sentence says whom its pronouns stand for."""

import pytest
from conftest import the_one_with

from assistant.articles.annotated import annotated, annotation
from assistant.articles.passages import is_label, sentences
from assistant.articles.speakers import Context, outside_quotations
from assistant.types import Article, Sentence


def last_of(text: str) -> Context:
    """Return the context of the last sentence of an article that says only this."""
    return annotation(sentences(Article("made-up", text, ""))[-1]).context


# The article that ships

DISLA = "Jose Ramirez-Disla was a 19-year-old"


@pytest.mark.parametrize(
    ("words", "speaker", "person", "needed"),
    [
        ("He [Kenney] is celebrating", "Attorney General Jeff Sessions", None, []),
        ("The rhetoric that's happening", "Abernathy", None, []),
        ("I can't cooperate with ICE", "Abernathy", None, ["The rhetoric that's happening"]),
        ("Their stance was basically", "an ICE official", None, []),
        ("Unfortunately, there's hundreds of thousands", "an ICE official", None, ["Their stance was basically"]),
        ("nearly 18 percent", None, None, []),
        ("All of us have ancestors", "Kenney", "Kenney", ["Kenney presented the move"]),
        ('"All of us."', "Kenney", None, ["Kenney presented the move", "All of us have ancestors"]),
        ("ICE has neither violated", "the agency", None, ["ICE officials complained about the loss"]),
        ("Months before cutting ICE off", None, None, []),
        ("the agency had many ways", None, None, ["With Lock and Track"]),
        ("One of Krasner's first decisions", None, None, []),
        ("He is taking into account", "Arnold", None, []),
        ("He feels it should be considered", "Arnold", None, ["He is taking into account"]),
        ("Jose Ramirez-Disla was", None, None, []),
        ("he got into a fight", None, "Ramirez-Disla", [DISLA]),
        ("He chucked a beer bottle", None, "Ramirez-Disla", [DISLA]),
        ("he would face deportation", None, "Ramirez-Disla", [DISLA]),
        ("He has to pay his time", "Arnold", None, []),
        ("It takes into consideration", "Arnold", None, ["He has to pay his time"]),
        ("Krasner said he won't consider deals", "Krasner", None, []),
        ("You're dealing with multigenerational", "Krasner", "Krasner", ["Krasner isn't fazed"]),
        ("It only provided anonymized summaries", None, None, ["When asked for case information"]),
    ],
)
def test_each_sentence_has_its_speaker_and_what_it_leans_on(
    words: str, speaker: str | None, person: str | None, needed: list[str], article: Article
) -> None:
    """A quotation goes to who said it, across sentences, a graphic and a pronoun; "he" and "the agency" to the name."""
    context = annotation(the_one_with(words, article)).context
    assert context == Context(speaker, tuple(the_one_with(each, article) for each in needed), person)


def test_what_a_sentence_needs_stands_before_it_and_is_short(article: Article) -> None:
    """At most two sentences are needed, earlier ones of the same article in reading order."""
    every = {(sentence.start, sentence.end): sentence for sentence in sentences(article)}
    assert annotated(article).contexts.keys() == {place for place, sentence in every.items() if not is_label(sentence)}
    for (start, _), context in annotated(article).contexts.items():
        ends = [needed.end for needed in context.needs]
        assert len(ends) <= 2
        assert ends == sorted(ends)
        assert all(end <= start for end in ends)
        assert all((needed.start, needed.end) in every for needed in context.needs)


def test_people_go_by_their_fullest_name(article: Article) -> None:
    """Surnames lead to the full name where the article gives one; a bar and a city are no people."""
    people = annotated(article).people
    assert people["Arnold"] == "Caleb Arnold"
    assert people["Sessions"] == "Jeff Sessions"
    assert people["Ramirez-Disla"] == "Jose Ramirez-Disla"
    assert people["Kenney"] == "Kenney"
    assert not {"Philadelphia", "Chihuahua", "Hall", "Republic", "ICE"} & people.keys()


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("The Health Department closed the school.\n\nIt was old.\n\nNobody told the department why.", 0),
        ("FEMA officials came late.\n\nBrook waited.\n\nThe agency brought tents.", 0),
        ("FEMA officials came late.\n\nThe agency of Brook brought tents.", None),
        ("FEMA officials came late.\n\nEvery agency was blamed.\n\nThe agency brought tents.", 0),
        ("FEMA officials came late.\n\nNASA said the agency brought tents.", None),
        ("Brook lost the MAP.\n\nThe agency brought tents.", None),
        ('Brook said "FEMA is late."\n\nThe agency brought tents.', None),
    ],
)
def test_the_agency_needs_the_sentence_that_names_it(text: str, needed: int | None) -> None:
    """A body is named by its letters, where they own or do something, or in full; not in somebody's words."""
    every = sentences(Article("made-up", text, ""))
    assert annotation(every[-1]).context.needs == (() if needed is None else (every[needed],))


# Ways to say who speaks


@pytest.mark.parametrize(
    ("text", "speaker"),
    [
        ('"We will stay," Ada Brook said.', "Ada Brook"),
        ('"We will stay," said Ada Brook.', "Ada Brook"),
        ('"We will stay," Brook, the mayor, said on Monday.', "Brook"),
        ("“We will stay.” – Mayor Ada Brook", "Mayor Ada Brook"),
        ('Brook said: "We will stay."', "Brook"),
        ('The committee wrote: "We will stay."', "The committee"),
        ('"We will stay," said an official.', "an official"),
        ("Brook told reporters that she would stay.", "Brook"),
        ("The bridge was closed.", None),
        ('A sign read "No entry" in red.', None),
        # Who is named in somebody's words does not speak.
        ('"Carl Dunn said no," Brook said.', "Brook"),
        # A quotation alone continues the one before it in its paragraph.
        ('"We will stay," Brook said. "We like it here."', "Brook"),
        ('"We will stay," Brook said.\n\n"We like it here."', None),
        # Where nobody was named, nobody is guessed.
        ('"We will stay," she said.', None),
        ("The bridge was closed. He was angry.", None),
    ],
)
def test_news_style_attributions_are_understood(text: str, speaker: str | None) -> None:
    """Each common way to attribute words gives the speaker, and a sentence without one gives none."""
    assert last_of(text).speaker == speaker
    assert last_of(text).person is None


def test_a_pronoun_after_two_people_is_left_open() -> None:
    """Where two people are named and neither opens the sentence, it is quoted for context but nobody is chosen."""
    context = last_of('"Stay," Ada Brook said. "Go," Carl Dunn said. In March, Brook and Dunn met. He was angry.')
    assert [needed.text for needed in context.needs] == ["In March, Brook and Dunn met."]
    assert context.person is None


@pytest.mark.parametrize(
    ("told_of_as", "speaker"),
    [
        ("who voted against the plan", "Vail"),
        ("whose boat was lost", "Vail"),
        ("61", "Vail"),
        ("a retired pilot", None),
        ("the harbor master", None),
    ],
)
def test_he_is_nobody_named_before_the_last_one_told_of(told_of_as: str, speaker: str | None) -> None:
    """Who neither says nor owns anything can be meant all the same; where it might be a firm, nobody is chosen."""
    context = last_of(f'Ada Brook said no. Curtis Vail, {told_of_as}, called that reckless. "It is not," he said.')
    assert context.speaker == speaker
    assert [needed.text for needed in context.needs] == [f"Curtis Vail, {told_of_as}, called that reckless."]


@pytest.mark.parametrize("rank", ["Cllr", "Councillor", "Coach", "Dame"])
def test_a_rank_is_no_first_name(rank: str) -> None:
    """ "He" is the councillor just told of, and not whom an earlier paragraph names."""
    told = f"{rank} Curtis Vail, who voted no, will stay. It is advisory."
    context = last_of(f"Ada Brook, who leads them, says no.\n\n{told} “It is over,” he adds.")
    assert context.speaker == "Vail"


@pytest.mark.parametrize(
    ("text", "is_announced"),
    [
        ("In 1787, Prince Hallam wrote in the Wexley Petition.", True),
        ("Jane Roe told the council:", True),
        ("The deal was off, Jane Roe said.", False),
        ("“No,” Jane Roe said in a letter.", False),
        ("Jane Roe left for Arden.", False),
    ],
)
def test_who_announces_words_is_known_with_them(text: str, *, is_announced: bool) -> None:
    """A sentence that tells only that something was said belongs to the quotation that opens the next paragraph."""
    text = f"Jane Roe met Prince Hallam. {text}\n\n“We lost. We got none.”\n\nIt rained."
    article = annotated(Article("a", text, "t"))
    *_, announcing, quotation, _ = article.statements
    assert article.of(announcing).context.announced == (quotation if is_announced else None)
    assert not is_announced or article.of(quotation).context.needs[-1:] == (announcing,)


def test_a_sentence_of_another_article_is_unknown() -> None:
    """A span that is no sentence of its article leans on nothing."""
    assert annotation(Sentence(Article("a", "He went. She came.", ""), 3, 9)).context == Context()


def test_blanked_quotations_keep_every_offset() -> None:
    """Quoted words become spaces, one for each character."""
    text = 'He said "no" twice, and “never” once.'
    blanked = outside_quotations(text)
    assert len(blanked) == len(text)
    assert "no" not in blanked
    assert "never" not in blanked
    assert blanked.split() == ["He", "said", "twice,", "and", "once."]
