"""What a capable model is given: numbered sentences of one article or several, always in the same words."""

import datetime
import re

from hypothesis import given
from hypothesis import strategies as st

from assistant.answering.material import fit_whole, of_articles, of_findings
from assistant.articles.passages import passages, sentences
from assistant.search.retrieval import Findings
from assistant.types import Article, Correction, Hit

OLD = Article(
    "old", "The bridge has 40 cracks. It stays open.\n\nNobody was hurt.", "Bridge", date=datetime.date(2025, 5, 3)
)
NEW = Article(
    "new",
    "The bridge has 52 cracks.",
    "Bridge again",
    date=datetime.date(2025, 5, 6),
    source="The Wexley Ledger",
    section="Local",
    corrections=(Correction("It said 25.", datetime.date(2025, 5, 7)),),
)


def test_every_sentence_has_a_number_that_leads_back_to_it() -> None:
    """The numbers run on through all articles, and each is the sentence on its line."""
    material = of_articles([OLD, NEW])
    for number, words in re.findall(r"^\[(\d+)\] (.*)$", material.text, re.MULTILINE):
        (sentence,) = material.numbered([int(number)])
        assert sentence.text == words
        assert material.number_of(sentence) == int(number)
    assert len(material.sentences) == 4


def test_each_article_stands_under_its_title_and_day_the_newest_first() -> None:
    """What is known of an article, and what was corrected in it, stands above its sentences."""
    assert of_articles([OLD, NEW]).text.split("\n\n")[:2] == [
        "ARTICLE “Bridge again”, 6 May 2025, The Wexley Ledger, Local\nCorrected on 7 May 2025: It said 25.",
        "[1] The bridge has 52 cracks.",
    ]
    assert of_articles([OLD, NEW]) == of_articles([NEW, OLD])


@given(st.lists(st.integers(-5, 50)))
def test_a_number_that_is_not_there_has_no_sentence(numbers: list[int]) -> None:
    """A model may cite anything; only the sentences that it was given are cited, each once."""
    material = of_articles([OLD])
    cited = material.numbered(numbers)
    assert set(cited) == {material.sentences[number - 1] for number in numbers if 1 <= number <= 3}
    assert len(cited) == len(set(cited))


@given(st.text(alphabet="[]0123456789 .\nabc", min_size=1))
def test_brackets_in_an_article_number_nothing(text: str) -> None:
    """Whatever an article holds, its sentences stand on one line each, and the numbers before them are ours."""
    article = Article("a", text.strip() or "x", "T")
    lines = [line for line in of_articles([article]).text.split("\n")[1:] if line]
    assert [line.split("]")[0] for line in lines] == [f"[{number}" for number in range(1, len(lines) + 1)]
    assert len(lines) == len(sentences(article))


def test_of_a_larger_corpus_what_was_found_stands_with_its_neighbours() -> None:
    """The passages beside those that were found are given too, of as many articles as have some."""
    long = Article("long", "\n\n".join(f"Paragraph {number} is here." for number in range(9)), "Long")
    found = [passages(long)[4], passages(NEW)[0]]
    findings = Findings("q", None, tuple(Hit(each, 1.0) for each in found), (), 0.0, {})
    shown = {sentence.text for sentence in of_findings(findings, 100).sentences}
    assert shown == {
        "Paragraph 3 is here.",
        "Paragraph 4 is here.",
        "Paragraph 5 is here.",
        "The bridge has 52 cracks.",
    }
    assert {s.article for s in of_findings(findings, 12).sentences} == {long}


def test_articles_are_given_whole_up_to_so_many_words() -> None:
    """All their words count together."""
    assert fit_whole([OLD, NEW], 16)
    assert not fit_whole([OLD, NEW], 15)
