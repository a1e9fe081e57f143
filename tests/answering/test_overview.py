"""Questions for an article as a whole, and the sentences that answer them: invented articles, and the readers' own."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.answering.understanding.overview import Wanted, main_people, sentences_of, wanted
from assistant.articles.annotated import annotation
from assistant.articles.passages import sentences
from assistant.articles.reading import read_corpus
from assistant.settings import PROJECT
from assistant.types import Article

CORPUS = PROJECT / "corpus"
SHIPPED = "Philadelphia, its district attorney and ICE"
TITLE = "Council Rejects Data Center After Hearing"


@pytest.fixture(scope="module")
def articles() -> dict[str, Article]:
    """Return the articles that readers were asked about, by their ids."""
    return read_corpus(CORPUS / "readers" / "articles").by_id


def understood(articles: dict[str, Article], file: str, *, overviews: bool) -> list[bool]:
    """Return which questions of a file, for an overview or for anything else, are taken for one for an overview."""
    questions = map(json.loads, (CORPUS / file).read_text(encoding="utf-8").splitlines())
    return [
        wanted(each["question"], getattr(articles.get(each.get("article")), "title", SHIPPED)) is not None
        for each in questions
        if (each["kind"] == "overview") == overviews
    ]


def shown(article: Article, what: Wanted = Wanted.GIST) -> list[str]:
    """Return the words that are shown."""
    return [sentence.text for sentence in sentences_of(article, what)]


def made_up(*paragraphs: str, title: str = TITLE) -> Article:
    """Return an article of these paragraphs."""
    return Article("made-up", "\n\n".join(paragraphs), title)


# What is asked


@pytest.mark.parametrize(
    ("what", "question"),
    [
        (Wanted.GIST, "whats this about"),
        (Wanted.GIST, "What's this article about?"),
        (Wanted.GIST, "so whats it all about then"),
        (Wanted.GIST, "tl;dr pls"),
        (Wanted.GIST, "Summarise the article."),
        (Wanted.GIST, "can you sum it up for me"),
        (Wanted.GIST, "the gist, and who is against it"),
        (Wanted.GIST, "what happened"),
        (Wanted.GIST, "what happened with this cop"),
        (Wanted.GIST, "whats going on with the data center"),
        (Wanted.GIST, "whats the hearng about"),
        (Wanted.GIST, "whats the hearing about, in short"),
        (Wanted.GIST, "who was this guy"),
        (Wanted.GIST, "whats the main finding"),
        (Wanted.POINTS, "give me the main points"),
        (Wanted.POINTS, "key facts + people"),
        (Wanted.POINTS, "what should i know about this"),
        (Wanted.PEOPLE, "who are the main ppl in this"),
        (Wanted.PEOPLE, "whos who"),
        (Wanted.PEOPLE, "who is involved here"),
        (None, "what happened to him"),
        (None, "what happened next"),
        (None, "what happened to the other one"),
        (None, "what did he say about that"),
        (None, "whats going on with the library"),
        (None, "whats the gist of his speech"),
        (None, "key points of the contract"),
        (None, "who is the main witness"),
        (None, "whos for it and whos against"),
        (None, "what is the data center"),
        (None, "how many people were involved"),
        (None, "why did the council reject it"),
        (None, ""),
    ],
)
def test_an_overview_is_asked_for_in_many_words(what: Wanted | None, question: str) -> None:
    """Words that ask for a summary, the news or the people; not what the title does not name, or points to somebody."""
    assert wanted(question, TITLE) is what


@given(data=st.data())
def test_a_letter_may_be_wrong(data: st.DataObject) -> None:
    """A long word is known also where one of its letters is missing, is another, or is there twice."""
    question = data.draw(
        st.sampled_from(["summarise this", "what happened here", "key points please", "main takeaways"])
    )
    word = max(question.split(), key=len)
    place = data.draw(st.integers(1, len(word) - 2))
    letter = data.draw(st.sampled_from(["", "e", word[place] * 2]))
    mistyped = question.replace(word, f"{word[:place]}{letter}{word[place + 1 :]}")
    assert wanted(mistyped, TITLE) is wanted(question, TITLE) is not None


@given(st.text(), st.text())
def test_whatever_is_typed_is_understood_or_not(question: str, title: str) -> None:
    """No text is too odd, in a question or as a title."""
    assert wanted(question, title) in (None, *Wanted)


@pytest.mark.parametrize("file", ["readers/fit.jsonl", "readers/choose.jsonl"])
def test_readers_who_want_the_whole_are_understood(file: str, articles: dict[str, Article]) -> None:
    """Of the readers' questions for an overview at most one in ten is missed."""
    found = understood(articles, file, overviews=True)
    assert sum(found) >= 0.9 * len(found) > 0


def test_readers_who_want_something_else_are_left_alone(articles: dict[str, Article]) -> None:
    """Of all other questions at most one in three hundred is taken for one for an overview."""
    files = "readers/fit.jsonl", "readers/choose.jsonl", "questions/development.jsonl", "questions/hard.jsonl"
    taken = [each for file in files for each in understood(articles, file, overviews=False)]
    assert sum(taken) <= len(taken) / 300
    assert len(taken) > 1000


# What is shown

LEAD = "The council voted 4-3 on Tuesday to reject a data center, after a hearing that went on for five hours."
MORE = (
    "Most speakers were farmers, who warned that the wells on their farms would run dry and that nobody dug new ones."
)
REST = (
    "Farmers sold their farms.",
    "Speakers applauded the farmers.",
    "Wells ran dry on farms.",
    "Farmers dug wells.",
    "Council and farmers left.",
)
"""Too short to be shown, but it says again what the article is about."""


def test_news_that_comes_first_is_told_first() -> None:
    """A report that opens with its news is summed up by its opening, and by what tells more of the same."""
    assert shown(made_up(LEAD, MORE, "It had begun to rain by the time that everybody left.", *REST)) == [LEAD, MORE]


def test_a_summary_reads_on() -> None:
    """A sentence from further down may take for known what stands between; only among points it stands by itself."""
    article = made_up(LEAD, "Rain fell.", MORE, *REST)
    assert shown(article) == [LEAD]
    assert shown(article, Wanted.POINTS) == [LEAD, MORE]


def test_a_scene_is_passed_over() -> None:
    """Where the news comes after a scene, the news is told."""
    scene = "Before dawn a heron stood by the pond at Miller's Lane and watched the fog."
    assert shown(made_up(scene, "Nobody else was up.", LEAD, MORE, *REST)) == [LEAD, MORE]


def test_what_somebody_says_is_not_the_news() -> None:
    """Neither a quotation nor a question stands in an overview, nor what an interviewed person says of himself."""
    said = '"The council was right to reject the data center after that hearing of the farmers," she said.'
    own = "I told the council at the hearing that I reject the data center, and that farmers need their wells."
    question = (
        "Did the council reject the data center because of the hearing, or because of the farmers and their wells?"
    )
    assert shown(made_up(said, own, question, LEAD, MORE, *REST)) == [LEAD, MORE]


def test_a_pronoun_brings_whom_it_means() -> None:
    """A sentence that says "he" of somebody is shown with the one that names him."""
    vale = "Mayor Tom Vale, who was heard last of all, has a few fields of his own."
    wells = "He told the speakers that farms whose wells run dry are dug no more."
    article = made_up(LEAD, f"{vale} Rain fell. {wells}", *REST)
    assert [needed.text for sentence in sentences(article) for needed in annotation(sentence).context.needs] == [vale]
    assert {vale, wells} <= {*shown(article, Wanted.POINTS)}


def test_what_only_repeats_what_it_needs_is_left_out() -> None:
    """A sentence that tells little of its own is not shown because the one that it needs tells much."""
    article = made_up(f"{LEAD} It was over at midnight, when all were asleep.", *REST * 4)
    assert shown(article) == [LEAD]


def test_what_goes_on_brings_what_goes_before() -> None:
    """A sentence that begins with "But" or "Its" is shown with the one before it, or not at all."""
    before = "Speakers from the city said that wells there run dry as well."
    after = "But farmers warned that the wells on their farms would run dry first, and that few dug new ones."
    told = shown(made_up(LEAD, before, after, *REST))
    assert (before in told) == (after in told)
    assert after not in shown(made_up(LEAD, "Others laughed.", after, *REST))


def test_a_surname_alone_brings_who_that_is() -> None:
    """Of an article that begins in the middle of its story, the sentence that says who somebody is comes along."""
    vale = "Vale and the council announced after the hearing that they would reject the data center on the farmland."
    introduced = "District Attorney Tom Vale, elected in May, wants the council to hold another hearing."
    article = made_up("Nothing came of the other plan for weeks.", vale, "Rain fell on the town all day.", introduced)
    assert {vale, introduced} <= {*shown(article)}


def test_the_items_of_a_list_are_its_overview() -> None:
    """A list whose title counts its items is told by its first statement and the head of each item."""
    heads = ["1. The tax goes up.", "2. A library closes.", "3. The pool is repaired.", "4. Nobody is hired."]
    items = [f"{head} The council has argued about that since the hearing in May, it seems." for head in heads]
    article = made_up("The council passed its budget on Monday.", *items, title="Four Things in the Council's Budget")
    assert shown(article) == ["The council passed its budget on Monday.", *heads]


def test_a_number_in_a_title_makes_no_list() -> None:
    """Where no such number of items stands below it, a number in the title counts something else."""
    assert shown(made_up(LEAD, "A vote followed.", "Rain fell.", title="Three Councils Reject Data Center"))[0] == LEAD


def test_a_page_of_results_is_told_by_its_figures() -> None:
    """Of a page that is kept up to date the newest figures are shown, those of its labels too."""
    figures = ["YES: 4,118\nNO: 4,020", "Ballots counted: 8,138.", "Margin: 98 votes.", "Left to count: 900."]
    crowd = "Nobody at the count was in a hurry on that long and windy night."
    article = made_up("This page was last updated at 11 p.m.", *figures, crowd, title="Live: The Recall")
    assert shown(article) == figures


def test_people_come_with_who_they_are() -> None:
    """Those who are named most are listed, each with the first sentence that says who that is."""
    article = made_up(
        "Tom Vale was there. The mayor, Tom Vale, opened the hearing.",
        "Ann Moss, 47, a baker, said that Vale had been late.",
        "Vale said nothing. The Data Center Group, of Ohio, paid.",
        "The judge at Crown Court waited. The firm, Dalal Research, a broker, did not. It was New Year, of all days.",
    )
    assert [(each.name, each.words, each.sentence.text) for each in main_people(article)] == [
        ("Tom Vale", "The mayor, Tom Vale", "The mayor, Tom Vale, opened the hearing."),
        ("Ann Moss", "Ann Moss, 47, a baker", "Ann Moss, 47, a baker, said that Vale had been late."),
    ]


def test_an_article_without_people_is_told_as_it_is() -> None:
    """Where the article says of nobody who that is, its news is told, as for a summary."""
    article = made_up(LEAD, "Rain fell.", MORE, *REST)
    assert shown(article, Wanted.PEOPLE) == shown(article) == [LEAD]


@given(st.text(st.sampled_from('AbC é.?!"“” \n1,’#-'), max_size=200), st.sampled_from(Wanted), st.text(max_size=30))
def test_any_text_can_be_told(text: str, what: Wanted, title: str) -> None:
    """What is shown are sentences of the article, in reading order; something is, where it has any."""
    article = Article("made-up", text, title)
    every = sentences(article)
    told = [every.index(sentence) for sentence in sentences_of(article, what)]
    assert told == sorted(set(told))
    assert bool(told) == bool(every)


@pytest.mark.parametrize("what", [Wanted.GIST, Wanted.POINTS])
def test_an_overview_is_short(what: Wanted, articles: dict[str, Article]) -> None:
    """At most three sentences are shown of each article that readers are asked about; of a list, its short heads."""
    for article in articles.values():
        lengths = [len(sentence.text.split()) for sentence in sentences_of(article, what)]
        assert sum(lengths) <= (60 if len(lengths) == 3 else 90)
        assert len(lengths) <= 3 or sum(lengths) <= 20 * len(lengths)


def test_people_are_told_in_a_few_words(articles: dict[str, Article]) -> None:
    """At most eight words of the article's stand beside a name, in the sentence that says who that is."""
    for person in (each for article in articles.values() for each in main_people(article)):
        assert person.name in person.words.replace("\n", " ")
        assert person.words in person.sentence.text
        assert len(person.words.split()) <= len(person.name.split()) + 8 + 5


# The article that ships begins in the middle of its story


def test_the_article_that_ships_is_told(article: Article) -> None:
    """Its overview says that the city cut ICE off and what the district attorney wants, not how the excerpt begins."""
    told = shown(article)
    assert len(told) == 2
    assert "would not renew its contract with ICE" in told[0]
    assert told[1].startswith("District Attorney Larry Krasner, elected on a reform platform, wants")
