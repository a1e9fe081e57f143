"""Which words of a quoted sentence are set in bold, and what stands before one that begins with "he"."""

import re
from itertools import pairwise

import pytest
from conftest import the_one_with
from hypothesis import given
from hypothesis import strategies as st

from assistant.answering.marks import MOST_WORDS, answering, lead_in
from assistant.answering.marks import marked as with_mark
from assistant.articles.passages import passages, sentences, statements
from assistant.search.span_finder import Span
from assistant.types import Article, Citation, Part, Sentence

SURE, UNSURE = 2.0, -20.0
"""Log-odds of the span finder."""


def alone(words: str) -> Sentence:
    """Return a sentence that is a whole article."""
    return Sentence(Article("one", words, ""), 0, len(words))


def span(words: str, sentence: Sentence, score: float = SURE) -> Span:
    """Return the words of the sentence as the span finder would point to them."""
    start = sentence.article.text.index(words, sentence.start)
    return Span(start, start + len(words), score)


def marked(question: str, sentence: Sentence, draft: str = "", pointed: Span | None = None) -> str | None:
    """Return the words that are marked."""
    found = answering(question, sentence, draft, pointed)
    return None if found is None else sentence.article.text[slice(*found)]


FOG = alone("The last boxes arrived by lifeboat on Monday, because fog had grounded the plane at Stornsay and Oban.")
HALLS = alone("The council will close 12 halls, sell four of them by May, 2027, and turn the one in Leith into flats.")
FERRY = alone(
    "The ferry needs a new engine, said Ann Lee, and the yard that built it has closed, but the state will pay."
)
HEARING = alone("Sir John said that the bridge was safe, but not new, and that he “would walk over it” every day.")
WALK = "he “would walk over it” every day"
FIRM = alone("The firm employs 3,100 people, 1,250 of them in Germany.")
WALL = alone("“Four to three isn’t a wall,” he said.")
TILL = alone("You pay a deposit at the till (20p is the likely figure), take the empty can to a machine, and are paid.")


@pytest.mark.parametrize(
    ("question", "sentence", "draft", "pointed", "words"),
    [
        ("When did the boxes arrive?", FOG, "They arrived on Monday.", "Monday", "on Monday"),
        ("How many halls will be sold?", HALLS, "The council will sell four halls.", "four", "sell four of them"),
        ("By when will they be sold?", HALLS, "By May 2027.", "May, 2027", "May, 2027"),
        ("will the state help", FERRY, "Yes, the state will pay.", "state will pay", "the state will pay"),
        ("is the bridge new", HEARING, "No, it was safe, but not new.", "not new", "the bridge was safe, but not new"),
        ("Would he use it?", HEARING, "He would walk over it.", "would walk over it", WALK),
        ("how many work there and where is it", FIRM, FIRM.text, "3,100", FIRM.text.rstrip(".")),
        ("how much is the deposit", TILL, "It is 20p.", "20p", "20p is the likely figure"),
        # Where the sentence says "he", what he said is not marked as who he is.
        ("who said it was no wall", WALL, "He said four to three.", "Four to three", None),
    ],
)
def test_the_words_that_answer_are_marked_and_no_others(
    question: str, sentence: Sentence, draft: str, pointed: str, words: str | None
) -> None:
    """A fact is marked as a phrase; what decides between yes and no, as a whole clause."""
    assert marked(question, sentence, draft, span(pointed, sentence)) == words


@pytest.mark.parametrize(
    ("question", "pointed", "words"),
    [
        ("When did the boxes arrive?", "Monday", "on Monday"),
        ("Did fog ground the plane?", "fog had", "because fog had grounded the plane at Stornsay and Oban"),
        ("how come the boxes came by boat", "fog had", None),
        ("Who brought the boxes?", "lifeboat", None),
    ],
)
def test_a_reason_or_who_did_something_is_not_marked(question: str, pointed: str, words: str | None) -> None:
    """Readers are misled by such a mark as often as they are helped, however sure the span finder is."""
    part = Part(FOG.text, (Citation(1, FOG.article, FOG.start, FOG.end),), is_verbatim=True)
    draft = "They arrived on Monday, because fog had grounded the plane."
    found = with_mark(part, [FOG], question, draft, lambda *_: span(pointed, FOG)).citations[0].answering
    assert (FOG.text[slice(*found)] if found else None) == words


@pytest.mark.parametrize(
    ("question", "words", "speaker"),
    [
        ('Who said "That\'s fair"?', "That's fair", "Arnold"),
        ("who said they treat everybody as US citizens", "Their stance was basically", "an ICE official"),
    ],
)
def test_of_who_said_it_the_speaker_is_marked(question: str, words: str, speaker: str, article: Article) -> None:
    """Whose words they are is told by the article's own marks, whatever the span finder points to."""
    sentence = the_one_with(words, article)
    assert marked(question, sentence, "", span(words, sentence)) == speaker


@pytest.mark.parametrize(
    ("told", "other"),
    [
        ("“Farmers do this with their noses,” said the study’s lead author, Dr Orla Tiernan of Galway.", "the study"),
        ("“It does what farmers do with noses,” its head for Canada, Ruth Friesen, said in a statement.", "Canada"),
    ],
)
def test_somebody_whom_the_words_are_said_of_is_no_speaker(told: str, other: str) -> None:
    """What stands before the name of who speaks is not marked as the speaker."""
    assert marked("who said farmers do it with their noses", alone(told)) != other


@pytest.mark.parametrize(
    ("draft", "pointed"),
    [
        ("", None),
        ("The mayor resigned over a scandal in the harbour office.", None),
        ("", span("plane at Stornsay", FOG, UNSURE)),
        ("Lifeboat crews were paid.", span("Stornsay and Oban", FOG, UNSURE)),
    ],
)
def test_nothing_is_marked_where_nothing_is_sure(draft: str, pointed: Span | None) -> None:
    """A draft of something else and an unsure span finder mark no words."""
    assert answering("how come the boxes came by boat", FOG, draft, pointed) is None


def test_words_that_the_draft_contradicts_are_not_marked(article: Article) -> None:
    """Where a draft tells of this sentence, the span finder alone marks no words that it does not hold."""
    sentence = the_one_with("ICE has neither violated", article)
    pointed = span("to the city solicitor", sentence)
    found = marked("What did the agency say?", sentence, "ICE has neither violated the PARS contract.", pointed)
    assert found is None or "solicitor" not in found


def test_words_of_the_kind_that_is_asked_for_are_marked_before_others() -> None:
    """Where the span finder is unsure, a count that the draft tells as well is marked."""
    pointed = span("3,100", FIRM, UNSURE)
    assert (
        marked("how many people work there", FIRM, "It employs 3,100 people.", pointed)
        == "The firm employs 3,100 people"
    )


def test_a_name_is_not_cut(article: Article) -> None:
    """A small word in a name begins no phrase."""
    sentence = the_one_with("Juanita Kidd Stout", article)
    pointed = span("Juanita Kidd Stout Center", sentence)
    found = marked("What is the name of the courthouse Arnold went to?", sentence, "The Stout Center.", pointed)
    assert found is not None
    assert found.endswith("Center for Criminal Justice")


def test_the_question_itself_is_not_marked() -> None:
    """Words that say nothing that the question does not say answer nothing."""
    sentence = alone("Margit Solheim, an archaeologist, died on 27 March at a hospice in Aarhus after a short illness.")
    assert marked("Who was Margit Solheim?", sentence, "", span("Margit Solheim", sentence)) != "Margit Solheim"


@given(st.data())
def test_a_mark_has_natural_borders(article: Article, data: st.DataObject) -> None:
    """Whatever a draft says and the span finder points to: no half word, number or pair of marks, nothing dangling."""
    each = data.draw(st.sampled_from([s for passage in passages(article) for s in statements(passage)]))
    words_of = list(re.finditer(r"\S+", each.text))
    first_word = data.draw(st.integers(0, len(words_of) - 1))
    last_word = data.draw(st.integers(first_word, len(words_of) - 1))
    pointed = Span(each.start + words_of[first_word].start(), each.start + words_of[last_word].end(), SURE)
    drafted = data.draw(st.sampled_from(["", each.text, article.text[pointed.start : pointed.end]]))
    asked = data.draw(
        st.sampled_from(["When was it?", "why did they do it", "did he agree", "How many were there?", "What was it?"])
    )
    found = answering(asked, each, drafted, pointed)
    if found is None:
        return
    first, last = found
    words = article.text[first:last]
    assert each.start <= first < last <= each.end
    assert len(words.split()) <= MOST_WORDS
    assert not re.search(r"\w\Z", article.text[:first]) or not re.match(r"\w", words)
    assert not re.match(r"\w|[.,]\d", article.text[last:]) or not re.search(r"\w\Z", words)
    assert not re.search(r"[A-Z]\w+\Z", words) or not re.match(r" for [A-Z]", article.text[last:])
    assert words.count('"') % 2 == 0
    assert all(words.count(opens) == words.count(closes) for opens, closes in ("“”", "()", "[]"))
    assert not re.match(r"(?:and|but|or|that|which|who|of)\s|\W*\Z", words)
    assert words[-1] not in " ,;:—.?!"


def second_of(*told: str) -> Sentence:
    """Return the second sentence of an article of one paragraph."""
    return sentences(Article("two", " ".join(told), ""))[1]


@pytest.mark.parametrize(
    ("before", "quoted", "lead"),
    [
        ("“We cut two routes,” chief Gail Brandt told the council.", "“I’d like a plan B.”", "Gail Brandt said:"),
        ("Asked again, Tanaka said that he was pleased.", "“I wasn’t trying to make law,” he added.", "Tanaka said:"),
        ("Last year Ethiopia's Dawit Mengesha said that it hurt.", "He lodged a protest.", "On Dawit Mengesha:"),
    ],
)
def test_who_is_meant_stands_before_a_sentence_that_does_not_name_them(before: str, quoted: str, lead: str) -> None:
    """The name is the one that the sentence right before has, as it stands there."""
    assert lead_in(second_of(before, quoted)) == lead


@pytest.mark.parametrize(
    ("before", "quoted"),
    [
        ("Szendrei said that his wife, Anna, had left.", "She thinks that he should sell the hives."),
        ("Of the growers, Kvale said that he would give it a week.", "He has been asked by growers how to go at it."),
        ("On Monday Arne Kvale said that it was late.", "He has been asked by growers how to go at it."),
        ("“It is safe,” its head for Canada, Ruth Friesen, said.", "“Nothing was changed.”"),
        ("“We would rather sell it,” said Skerry’s director, Fraser Innes.", "“Nobody frames a cheque.”"),
        ("Nobody said anything.", "She packs the felt into a bag."),
        ("The board cut the hours, and Marsh said why.", "It will meet again in May."),
        ("Tanaka said that it was done.", "The trial ended in May."),
    ],
)
def test_where_it_is_not_certain_who_is_meant_nothing_stands_before(before: str, quoted: str) -> None:
    """Another person in the sentence before, a name that is no speaker's, and an "it" say nothing."""
    assert not lead_in(second_of(before, quoted))


def test_every_lead_in_is_short_and_names_whom_the_sentence_before_names(article: Article) -> None:
    """What stands before a sentence is at most eight words, and all of its name stand in the one before."""
    told = [each for passage in passages(article) for each in statements(passage)]
    leads = [(lead, before) for before, each in pairwise(told) if (lead := lead_in(each))]
    assert leads
    for lead, before in leads:
        name = re.sub(r"^On |(?: said)?:$", "", lead)
        assert name in before.text
        assert len(lead.split()) <= 8
