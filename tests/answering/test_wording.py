"""A decision in words: in which order what is quoted is shown, and what never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.answering.quoting import Window, choose, signals
from assistant.answering.understanding.question import Question
from assistant.answering.wording import declined, in_one_piece, quoted
from assistant.articles.passages import is_label, sentences
from assistant.search.retrieval import Retriever
from assistant.types import Answer, Article, Outcome, Sentence

BASE = Answer("Who quit?", Outcome.DECLINED)
TEXT = "Ann won. She left.\n\nBob quit. He cried.\n\nEve came. Dan ran."
EVERY = sentences(Article("one", TEXT, "One"))
OTHERS = sentences(Article("two", "Zoe sang. Max slept.", "Two"))


def quotes(*windows: Window) -> list[str]:
    """Return the quotations, by their numbers."""
    citations = quoted(BASE, windows).citations
    assert [citation.number for citation in citations] == list(range(1, len(citations) + 1))
    return [citation.quote for citation in citations]


def window(sentence: Sentence, *leading: Sentence) -> Window:
    """Return one sentence, and what it leans on."""
    return Window(leading, (sentence,))


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([window(EVERY[4]), window(EVERY[0])], ["Eve came.", "Ann won."]),
        ([window(EVERY[2]), window(EVERY[5]), window(EVERY[0])], ["Bob quit.", "Dan ran.", "Ann won."]),
        ([window(EVERY[2]), window(EVERY[3])], ["Bob quit. He cried."]),
        ([window(EVERY[3]), window(EVERY[2])], ["He cried.", "Bob quit."]),
        ([window(EVERY[3], EVERY[2])], ["Bob quit. He cried."]),
        ([window(EVERY[3], EVERY[0], EVERY[2])], ["Bob quit. He cried.", "Ann won."]),
        ([window(EVERY[3], EVERY[0])], ["He cried.", "Ann won."]),
        ([window(EVERY[2]), window(OTHERS[0]), window(EVERY[0])], ["Bob quit.", "Ann won.", "Zoe sang."]),
    ],
)
def test_the_best_sentence_comes_first(windows: list[Window], expected: list[str]) -> None:
    """It is in quotation 1, after what it leans on where that stands directly before it; then reading order goes on."""
    assert quotes(*windows) == expected


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([window(EVERY[2]), window(EVERY[5]), window(EVERY[3])], ["Bob quit. He cried."]),
        ([window(EVERY[3], EVERY[0]), window(EVERY[5])], ["He cried.", "Ann won."]),
        ([window(EVERY[4]), window(OTHERS[0])], ["Eve came."]),
    ],
)
def test_in_one_piece_only_what_stands_beside_the_best_sentence_is_quoted(
    windows: list[Window], expected: list[str]
) -> None:
    """And what it leans on, wherever that stands."""
    citations = in_one_piece(quoted(BASE, windows), windows).citations
    assert [(citation.number, citation.quote) for citation in citations] == list(enumerate(expected, start=1))


@given(st.lists(st.sampled_from([*EVERY, *OTHERS]), min_size=1, max_size=3, unique=True))
def test_whatever_is_chosen_is_quoted_once_and_what_stands_apart_is_apart(chosen: list[Sentence]) -> None:
    """The best one begins the first quotation; no sentence is lost or repeated; each quotation is one run of text."""
    citations = quoted(BASE, [window(sentence) for sentence in chosen]).citations
    assert (citations[0].article, citations[0].start) == (chosen[0].article, chosen[0].start)
    held = [
        sentence
        for citation in citations
        for sentence in (*EVERY, *OTHERS)
        if citation.article == sentence.article and citation.start <= sentence.start < citation.end
    ]
    assert sorted(held, key=lambda each: each.id) == sorted(chosen, key=lambda each: each.id)


def test_a_name_takes_the_place_of_the_sentence_that_tells_it() -> None:
    """A quotation that says "he" is shorter with two words of ours before it; where both are quoted, none is needed."""
    before, he = sentences(
        Article("kvale", "Asked again, Tanaka said that he was pleased. “I slept well,” he added.", "")
    )
    named = quoted(BASE, [window(he, before)])
    assert named.text == "Tanaka said: “I slept well,” he added. [1]"
    assert [(part.lead, part.words) for part in named.parts] == [("Tanaka said:", "“I slept well,” he added.")]
    assert [part.lead for part in quoted(BASE, [window(before), window(he, before)]).parts] == [""]


# Labels

SAID = ("The board lost money for a decade.", "Smith wants the county to pay for the bridge.", "The vote was close.")
HEADINGS = ("Who pays for the bridge?", "Smith, the bridge and the county", "## The bridge vote", "BRIDGE LOSES MONEY.")


@given(st.permutations([*SAID, *HEADINGS]), st.sampled_from([*HEADINGS, "What of the bridge?", "Who is Smith?"]))
def test_a_label_alone_is_never_a_quotation(paragraphs: list[str], question: str) -> None:
    """However like the question a heading is, it is neither quoted nor offered as the closest words."""
    article = Article("made-up", "\n\n".join(paragraphs), "")
    retriever = Retriever([article], None, None)
    findings = retriever.search(question)
    candidates = signals(findings, retriever.rarity)
    assert candidates
    assert not [sentence.text for sentence, _ in candidates if is_label(sentence)]
    likely = [(sentence, own["asked"]) for sentence, own in candidates]
    shown = [*quoted(BASE, choose(Question.of(question), likely, 0.0, {})).citations, *declined(BASE, findings).closest]
    assert {paragraph for citation in shown for paragraph in citation.quote.split("\n\n")} <= {*SAID}
