"""Splitting an article: what holds for every text, and the sentences that news text makes hard."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.articles.passages import (
    MAX_PASSAGE_CHARACTERS,
    MAX_SENTENCE_CHARACTERS,
    is_label,
    paragraphs,
    passages,
    sentences,
    statements,
)
from assistant.types import Article

PIECES = st.sampled_from(
    [
        "The mayor spoke for a long time about the bridge, the river and the price of both. " * 4,
        *("The mayor", "spoke", "U.S.", "J. R. Smith", "Mr.", "5½", "No. 7", "a.m.", "é", "日本語。", "x" * 700),
        *(". ", "! ", "? ", "… ", "...", " ", " ", "\n", " \n", "\n\n", "\n \n", "\t", "\u00a0"),
        *("Who paid", "A heading\n\n", "# One\n", "BY JANE DOE", "- an item"),
        *('"', "“", "”", "'", "’", "(", ")", "[sic]", "JANE DOE/ Staff Photographer ", "SOURCE: Police"),
    ]
)
TEXTS = st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=300)


def of_text(text: str) -> Article:
    """Return an article of this text."""
    return Article(id="a", text=text, title="t")


def split(text: str) -> list[str]:
    """Return the texts of the sentences."""
    return [sentence.text for sentence in sentences(of_text(text))]


# What always holds


@given(TEXTS)
def test_every_character_is_in_exactly_one_sentence(text: str) -> None:
    """Between the sentences, before and after them there is only white space, and they do not overlap."""
    spans = [(sentence.start, sentence.end) for sentence in sentences(of_text(text))]
    edges = [0, *itertools.chain.from_iterable(spans), len(text)]
    assert edges == sorted(edges)
    gaps = [text[left:right] for left, right in zip(edges[::2], edges[1::2], strict=True)]
    assert not any(gap.strip() for gap in gaps)


@given(TEXTS)
def test_a_sentence_is_a_slice_that_begins_and_ends_with_a_word(text: str) -> None:
    """Starts rise, no sentence is empty, and white space around it is not part of it."""
    found = sentences(of_text(text))
    assert all(left.start < right.start for left, right in itertools.pairwise(found))
    for sentence in found:
        assert sentence.text == text[sentence.start : sentence.end]
        assert sentence.text == sentence.text.strip() != ""
        assert len(sentence.text) <= MAX_SENTENCE_CHARACTERS


@given(TEXTS)
def test_passages_hold_the_sentences_in_order(text: str) -> None:
    """Together the passages are the sentences, each once; those that state nothing may be left out."""
    article = of_text(text)
    held = [sentence for passage in passages(article) for sentence in passage.sentences]
    everything = sentences(article)
    assert held == [sentence for sentence in everything if sentence in held]
    assert all(is_label(sentence) for sentence in everything if sentence not in held)
    assert bool(held) == bool(everything)


@given(TEXTS)
def test_a_passage_fits_the_embedder_or_is_one_sentence(text: str) -> None:
    """A passage stays within its limit and within its paragraph."""
    found_paragraphs = list(paragraphs(text))
    for passage in passages(of_text(text)):
        assert len(passage.text) <= MAX_PASSAGE_CHARACTERS or len(passage.sentences) == 1
        assert any(start <= passage.start and passage.end <= end for start, end in found_paragraphs)


@given(TEXTS)
def test_a_long_paragraph_is_cut_no_more_often_than_it_must(text: str) -> None:
    """A passage and the first sentence of the next would not fit together."""
    for left, right in itertools.pairwise(passages(of_text(text))):
        if not text[left.end : right.start].strip(" \t\u00a0"):
            assert right.sentences[0].end - left.start > MAX_PASSAGE_CHARACTERS


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    """Of twelve sentences of a hundred characters eight make a passage with room for no other, and four the next."""
    lines = [f"Sentence {number:2} is {'long ' * 17}." for number in range(12)]
    assert {len(line) for line in lines} == {101}
    assert [len(passage.sentences) for passage in passages(of_text(" ".join(lines)))] == [8, 4]


# Sentences that are hard


@pytest.mark.parametrize(
    "parts",
    [
        ["She moved to the U.S. in May.", "He stayed."],
        ["He moved to the U.S.", "The rest stayed."],
        ["The U.S. Senate met.", "It adjourned."],
        ["Mr. Kenney and Dr. A. B. Stone met Gov. Wolf at 9 a.m. in Room No. 7.", "They left."],
        ["A sentence of 5½ to 11 months.", "Other cases were diverted."],
        ["It fell by 3.5 percent to $4.2 million.", "It rose."],
        ["Is it true?", "Yes!", "It is…", "Or so he says."],
        ['"That\'s fair. He has to pay his time," Arnold explained.', '"It takes time."'],
        ["“All of us. All of us,” he said.", "He left."],
        ['He asked: "Who? When?"', "Nobody knew."],
        ["The agency wrote: \"It does not engage in 'profiling.' \"", "It was a letter."],
        ["(He declined to comment.)", "She did not."],
        ['The screen was 19" wide.', "It broke."],
        ["Ask J. Smith.", "She knows."],
        ["JOSE F. MORENO/ Staff Photographer", "District Attorney Larry Krasner wants his office to help."],
        ["Crime fell by 18 percent.", "SOURCE: Philadelphia Police Department JARED WHALEN / Staff Artist"],
        ["“Hundreds wait to come to the U.S. … How fair is it to those people?”"],
        ["The 49ers won.", "49 people came."],
        ["¿Qué?", "Élan vital."],
    ],
    ids=lambda parts: parts[0][:24],
)
def test_sentences(parts: list[str]) -> None:
    """The sentences of a paragraph are found where a reader would end them."""
    assert split(" ".join(parts)) == parts


def test_lines_of_a_paragraph_belong_together() -> None:
    """Wrapped lines are one paragraph, with or without spaces at their ends; a blank line ends it."""
    text = "One two  \nthree.\nFour.\n \t\nFive."
    assert [text[start:end] for start, end in paragraphs(text)] == ["One two  \nthree.\nFour.", "Five."]


def test_headings_and_captions_are_sentences_of_their_own() -> None:
    """A paragraph without a full stop is one sentence."""
    assert split("Cutting deals — or not\n\nFor Krasner, there was none.") == [
        "Cutting deals — or not",
        "For Krasner, there was none.",
    ]


# What states nothing

LABELS = [
    "Cutting deals — or not",
    "# Who pays?",
    "### The vote.",
    "**What we know**",
    "A DECADE OF LOSSES.",
    "Who pays for the bridge?",
    "What Smith's “no” means",
    "By Dana Ohlmeyer, Staff Writer",
    "— Idlewild Courier",
    "JOSE F. MORENO/ Staff Photographer",
    "SOURCE: Philadelphia Police Department JARED WHALEN / Staff Artist",
    "(Elena Ruiz/Colfax Sentinel)",
    "Members of the posse lead the parade in Cotter Springs last September",
]
STATEMENTS = [
    "The mayor quit.",
    '"Who pays?" he asked.',
    "“Who pays?” the mayor asked",
    "“He is celebrating.” – Attorney General Jeff Sessions",
    "One official said, adding:",
    "- Four buses burned",
    "• Four buses burned",
    "2) Four buses burned",
    "Vier Busse brannten aus!",
    "四辆公共汽车被烧毁。",
    "The harbor board kept all three of its ferries running through the whole of the winter and then sold the oldest",
]


@pytest.mark.parametrize("text", LABELS)
def test_what_states_nothing_is_told_by_its_form(text: str) -> None:
    """A short line without a full stop, a line of capitals, a Markdown heading and a question are labels."""
    (sentence,) = sentences(of_text(text))
    assert is_label(sentence)


@pytest.mark.parametrize("text", STATEMENTS)
def test_what_states_something_is_no_label(text: str) -> None:
    """A sentence ends; an item of a list, and what is too long for a heading, need not."""
    (sentence,) = sentences(of_text(text))
    assert not is_label(sentence)


@pytest.mark.parametrize("label", LABELS)
def test_a_label_is_no_passage_by_itself(label: str) -> None:
    """A paragraph of labels alone is never found."""
    text = f"{label}\n\nThe mayor quit.\n\n{label}"
    assert [passage.text for passage in passages(of_text(text))] == ["The mayor quit."]


@pytest.mark.parametrize("text", ["The mayor quit. SOURCE: City Hall", "# The end\nThe mayor quit."])
def test_beside_a_sentence_a_label_stays_and_states_nothing(text: str) -> None:
    """The passage holds it, and the sentence alone states something."""
    (passage,) = passages(of_text(text))
    assert len(passage.sentences) == 2
    assert [sentence.text for sentence in statements(passage)] == ["The mayor quit."]


def test_an_article_of_nothing_but_labels_is_found_all_the_same() -> None:
    """What is nothing but names or lines without full stops is what its article has to say."""
    found = passages(of_text("Smith, goal\n\nJones, bench"))
    assert [statement.text for passage in found for statement in statements(passage)] == ["Smith, goal", "Jones, bench"]


def test_a_markdown_heading_is_cut_from_the_words_below_it() -> None:
    """It takes no blank line."""
    assert split("The end.\n## The vote\nIt was close.") == ["The end.", "## The vote", "It was close."]


def test_a_list_without_full_stops_is_cut_between_words() -> None:
    """What is too long for a quotation is cut at white space, and no word is lost or broken."""
    words = [f"word{number}" for number in range(300)]
    parts = split(" ".join(words))
    assert len(parts) > 1
    assert " ".join(parts).split() == words


@pytest.mark.parametrize(
    "parts",
    [
        ['He said "yes.', "She left.", "They stayed."],
        ['She said "It is.', 'It was."', 'Then "she left.', "They stayed."],
        ["It ended.”", "She said “One.", "Two.”", "They left."],
        ["“He said “One.", "Two.”", "They left."],
    ],
    ids=["opened", "opened at the end", "closed at the start", "opened twice"],
)
def test_quotation_marks_that_do_not_pair_up_are_not_trusted(parts: list[str]) -> None:
    """One mark too many does not make a quotation of what stands between the others."""
    assert split(" ".join(parts)) == parts


# The article that ships


@pytest.mark.parametrize(
    ("opening", "expected"),
    [
        (
            '"The rhetoric',
            [
                (
                    "\"The rhetoric that's happening on a national scale — illegal immigrants are causing crime, "
                    "taking your jobs, all that posturing — drives a political base and has made it impossible [to "
                    "have a "
                    'conversation]," Abernathy said.'
                ),
                "\"I can't cooperate with ICE on immigration enforcement because what they're doing is wrong.\"",
            ],
        ),
        (
            "Violent Crime",
            [
                (
                    "Violent Crime in Philadelphia On Downward Trend Philadelphia’s violent crime rate has fallen by "
                    "nearly 18 percent since it became a sanctuary city in 2014."
                ),
                "SOURCE: Philadelphia Police Department JARED WHALEN / Staff Artist",
            ],
        ),
        (
            "ICE officials complained",
            [
                "ICE officials complained about the loss of the useful intelligence tool.",
                (
                    'In a letter to the city solicitor, the agency wrote: "ICE has neither violated the PARS contract '
                    "nor abused its use of information derived from PARS. ICE does not use PARS to target victims and "
                    "witnesses and does not engage in 'racial profiling.' \""
                ),
            ],
        ),
        (
            "JOSE F. MORENO/ Staff Photographer District",
            [
                "JOSE F. MORENO/ Staff Photographer",
                (
                    "District Attorney Larry Krasner, elected on a reform platform, wants his office to help "
                    "immigrants who are convicted of certain crimes to avoid being deported."
                ),
            ],
        ),
        (
            "In one instance",
            [
                "In one instance, a defendant was charged with robbery and theft after stealing someone's backpack.",
                (
                    "The defendant agreed to a downgrade to simple assault and theft, with a recommended sentence of "
                    "5½ to 11 months."
                ),
                "Other cases were diverted into addiction rehab programs.",
            ],
        ),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_paragraphs_of_the_shipped_article(article: Article, opening: str, expected: list[str]) -> None:
    """Its quotations, captions, abbreviations and fractions are split as a reader would."""
    start = article.text.index(opening)
    end = article.text.find("\n\n", start)
    found = [
        sentence for sentence in sentences(article) if start <= sentence.start and (end < 0 or sentence.end <= end)
    ]
    assert [sentence.text for sentence in found] == expected


def test_the_passages_of_the_shipped_article_are_its_paragraphs(article: Article) -> None:
    """None of them is too long to be embedded whole, and its one heading is no passage."""
    spans = list(paragraphs(article.text))
    assert len(spans) == article.text.count("\n\n") + 1
    spans = [span for span in spans if article.text[slice(*span)] != "Cutting deals — or not"]
    assert [(passage.start, passage.end) for passage in passages(article)] == spans


@pytest.mark.parametrize(
    "text",
    [
        "The mayor spoke. " * 60_000,
        '"Yes," he said. "It is so." ' * 40_000,
        "." * 100_000,
        "A" * 100_000,
        " " * 100_000 + "x",
        "a" + " " * 100_000 + "b.",
        "A. " * 50_000,
        '"' * 100_000,
        "line \n" * 100_000,
        "a.\n\n" * 100_000,
    ],
    ids=["prose", "quotations", "dots", "capitals", "indented", "gap", "initials", "marks", "lines", "paragraphs"],
)
def test_a_million_characters_are_split_in_seconds(text: str) -> None:
    """The time grows with the length of the text and not with its square, whatever it is made of."""
    begin = time.process_time()
    passages(of_text(text))
    assert time.process_time() - begin < 10
