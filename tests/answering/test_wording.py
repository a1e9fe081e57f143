"""A decision in words: in which order what is quoted is shown, and what never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.answering.quoting import Window, choose, signals
from assistant.answering.understanding.question import Question
from assistant.answering.wording import declined, quoted
from assistant.articles.passages import is_label, sentences
from assistant.search.retrieval import Retriever
from assistant.types import Answer, Article, Outcome, Sentence

BASE = Answer("Who quit?", Outcome.DECLINED)
TEXT = "Ann won. She left.\n\nBob quit. He cried.\n\nEve came. Dan ran."
EVERY = sentences(Article("one", TEXT, "One"))
OTHERS = sentences(Article("two", "Zoe sang. Max slept.", "Two"))


def window(sentence: Sentence, *leading: Sentence) -> Window:
    """Return one sentence, and what it leans on."""
    return Window(leading, (sentence,))


@pytest.mark.parametrize(
    ("windows", "before", "expected", "more"),
    [
        ([window(EVERY[4])], [], "Eve came. [1]", []),
        ([window(EVERY[2]), window(EVERY[5]), window(EVERY[0])], [], "Bob quit. [1]", ["Dan ran.", "Ann won."]),
        ([window(EVERY[2]), window(EVERY[3])], [], "Bob quit. [1]", ["He cried."]),
        ([window(EVERY[3], EVERY[2]), window(EVERY[2])], ["Bob quit."], "Bob quit. [1] He cried. [1]", []),
        ([window(EVERY[3], EVERY[0], EVERY[2])], ["Bob quit."], "Bob quit. [1] He cried. [1]", []),
        ([window(EVERY[3], EVERY[0])], ["Ann won."], "Ann won. [1] He cried. [2]", []),
        ([window(EVERY[2]), window(OTHERS[1], OTHERS[0])], [], "Bob quit. [1]", ["Zoe sang. Max slept."]),
    ],
)
def test_one_sentence_stands_and_what_it_needs_before_it(
    windows: list[Window], before: list[str], expected: str, more: list[str]
) -> None:
    """At most one sentence says whom it means; everything else that was found is told as more, each once."""
    answer = quoted(BASE, windows)
    assert [part.words for part in answer.parts if part.is_context] == before
    assert answer.parts[-1].words == windows[0].sentences[0].text
    assert (answer.text, [each.quote for each in answer.more]) == (expected, more)


@given(st.lists(st.sampled_from([*EVERY, *OTHERS]), min_size=1, max_size=4, unique=True))
def test_whatever_is_chosen_is_quoted_once_and_numbered_in_a_row(chosen: list[Sentence]) -> None:
    """No sentence is lost or repeated, each quotation is one run of text, and the best one stands alone."""
    answer = quoted(BASE, [window(sentence) for sentence in chosen])
    citations = (*answer.citations, *answer.more)
    assert [each.quote for each in answer.citations] == [chosen[0].text]
    assert [each.number for each in citations] == list(range(1, len(citations) + 1))
    held = [sentence for citation in citations for sentence in (*EVERY, *OTHERS) if citation.holds(sentence)]
    assert sorted(held, key=lambda each: each.id) == sorted(chosen, key=lambda each: each.id)


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
    answer = quoted(BASE, choose(Question.of(question), likely))
    shown = [*answer.citations, *answer.more, *declined(BASE, findings).closest]
    assert {paragraph for citation in shown for paragraph in citation.quote.split("\n\n")} <= {*SAID}
