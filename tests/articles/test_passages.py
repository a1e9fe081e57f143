"""Splitting an article: what holds for every text, and the sentences that news text makes hard."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

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
        *("Who paid", "A heading\n\n", "A Headline\n", "MILLBROOK — ", "BY JANE DOE", "- an item\n", "2. "),
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
        # Short for something
        ["In Roe v. Wade and U.S. v. Nixon the court ruled.", "It ruled again in Ali vs. Frazier."],
        ["H.R. 90, H.Con.Res. 90 and S.J. Res. 5 passed.", "They met."],
        ["The U. S. Senate and the U.N. Security Council met.", "They adjourned."],
        ["It is No. 2 of Nos. 2 and 3, in Fig. 4, Sec. 5 and Vol. 6.", "It is old."],
        ["Were they off?", "No.", "Two were."],
        ["On Jan. 6 and Sept. 11 they came.", "They left in Dec.", "The rest stayed until Feb. 8.", "The vote came."],
        [
            "Lt. Gov. Smith met Maj. Gen. Ada Brook and Sens. Bob Casey, D-Pa., and Al Franken of St. Louis.",
            "They left.",
        ],
        [
            "It ends at 9 p.m. Monday.",
            "It began at 6 a.m. Eastern time, or 11 a.m. GMT.",
            "It rained until 4 p.m.",
            "He left.",
        ],
        ["J. R. R. Tolkien, J. A. Smith and J. I. Packer wrote.", "Others read."],
        [
            "Smith & Co. Chairman Ada Brook and Brook Inc. President Al Smith Jr. met.",
            "They own the firm Ltd.",
            "It fell.",
        ],
        ["Plan B.", "It is Plan A.", "The rest was Vitamin C.", "He has a Ph.D.", "She has none."],
        ["Jones et al. 1998 and Daly et al. (2002) agree.", "They wrote it by hand, etc.", "The rest was printed."],
        ['He left, said an official, adding: "It is over. We lost."', "Then he drove off."],
        ["Said an official, adding: “It is … How fair is it?”", "He left."],
        # Numbered
        ["There are two: 1. The bridge is old.", "2. The river is high.", "They meet."],
        ["1. The bridge is old.", "It is closed.", "2. The river is high."],
        ["He was No. 5.", "The rest were 6.", "All left in 2014.", "They met on Feb. 8.", "They won."],
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


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "1. The council met. It voted.\n2. The mayor quit.\n10) Who pays\n3. Nobody",
            ["1. The council met.", "It voted.", "2. The mayor quit.", "10) Who pays", "3. Nobody"],
        ),
        ("- Yes: 7,911\n- No: 8,702\n* Spoiled: 12", ["- Yes: 7,911", "- No: 8,702", "* Spoiled: 12"]),
        (
            "• Four buses burned\n• A bridge fell into\nthe river",
            ["• Four buses burned", "• A bridge fell into\nthe river"],
        ),
        ("1986. A year of floods.", ["1986. A year of floods."]),
        ("It became one in\n2014. The rate fell.", ["It became one in\n2014.", "The rate fell."]),
        ("It rose\n- so he said - by four.", ["It rose\n- so he said - by four."]),
    ],
    ids=["numbers", "dashes", "points", "a year", "a wrapped year", "a wrapped dash"],
)
def test_each_item_of_a_list_begins_a_sentence(text: str, parts: list[str]) -> None:
    """Its number or mark stays with its words; only a paragraph that begins with an item is a list."""
    assert split(text) == parts


@pytest.mark.parametrize(
    ("text", "headline"),
    [
        ("Cutting Deals, or Not\nFor Krasner, there was none.", "Cutting Deals, or Not"),
        ("The End of Hail\n“It will cost nine,” he said.", "The End of Hail"),
        ("Crime in Halden On Downward Trend Halden’s crime rate has fallen.", "Crime in Halden On Downward Trend"),
        ("Talks on Trade Fail The two sides met for six hours.", "Talks on Trade Fail"),
        ("MILLBROOK — The mayor quit.", "MILLBROOK —"),
        ("NEW YORK (AP) — U.S. stocks fell.", "NEW YORK (AP) —"),
        (
            "PORT ELLERY, Tasmania, May 21 (Southern Ledger) -- “We lost,” he said.",
            "PORT ELLERY, Tasmania, May 21 (Southern Ledger) --",
        ),
        ("ASHGROVE, Alta. - The last stone was thrown.", "ASHGROVE, Alta. -"),
    ],
)
def test_what_runs_into_a_sentence_is_no_part_of_it(text: str, headline: str) -> None:
    """A headline or a dateline is told by its form, and states nothing by itself."""
    first, second = sentences(of_text(text))
    assert (first.text, is_label(first), is_label(second)) == (headline, True, False)


@pytest.mark.parametrize(
    "text",
    [
        "The mayor met President Donald Trump\nMonday in the White House.",
        "President Donald Trump\nMonday said he would go on.",
        "Concentrated Oxygen\n2 will burn.",
        "Near Tamins the Anterior Rhine and the Posterior Rhine join.",
        "District Attorney Larry Krasner of Philadelphia and Philadelphia’s mayor met.",
        "Harry Potter And The Cursed Child opened in London.",
        "ICE — The agency’s full name is longer — met.",
        "PARS — the database — was cut off.",
    ],
)
def test_names_in_large_letters_are_part_of_their_sentence(text: str) -> None:
    """A row of names, a line that is only wrapped and a word between dashes are no headline and no dateline."""
    assert split(text) == [text]


def test_a_dateline_may_stand_below_a_caption() -> None:
    """With its state or agency it is no other thing; without, a name in capitals may stand before a dash."""
    assert split("It rained.\n\nMILLBROOK, Ohio — It is wet.")[1:] == ["MILLBROOK, Ohio —", "It is wet."]
    assert split("It rained.\n\nMILLBROOK — The town is old — flooded.")[1:] == [
        "MILLBROOK — The town is old — flooded."
    ]


def test_headings_and_captions_are_sentences_of_their_own() -> None:
    """A paragraph without a full stop is one sentence."""
    assert split("Cutting deals — or not\n\nFor Krasner, there was none.") == [
        "Cutting deals — or not",
        "For Krasner, there was none.",
    ]


# What states nothing

LABELS = [
    "Cutting deals — or not",
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


def test_a_heading_that_is_marked_is_a_label_whatever_its_form() -> None:
    """It may end like a sentence, and be as long as one."""
    text = "What we know:\n\nThe mayor quit.\n\nThe vote.\n\nIt was close."
    article = replace(of_text(text), headings=frozenset({0, text.index("The vote.")}))
    assert [passage.text for passage in passages(article)] == ["The mayor quit.", "It was close."]
    assert [is_label(sentence) for sentence in sentences(article)] == [True, False, True, False]


def test_beside_a_sentence_a_label_stays_and_states_nothing() -> None:
    """The passage holds it, and the sentence alone states something."""
    (passage,) = passages(of_text("The mayor quit. SOURCE: City Hall"))
    assert len(passage.sentences) == 2
    assert [sentence.text for sentence in statements(passage)] == ["The mayor quit."]


def test_an_article_of_nothing_but_labels_is_found_all_the_same() -> None:
    """What is nothing but names or lines without full stops is what its article has to say."""
    found = passages(of_text("Smith, goal\n\nJones, bench"))
    assert [statement.text for passage in found for statement in statements(passage)] == ["Smith, goal", "Jones, bench"]


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
                "Violent Crime in Philadelphia On Downward Trend",
                (
                    "Philadelphia’s violent crime rate has fallen by nearly 18 percent since it became a sanctuary "
                    "city in 2014."
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
        "Aa " * 100_000,
        "Aa\n" * 100_000,
        "1. A\n" * 100_000,
    ],
    ids=[
        "prose",
        "quotations",
        "dots",
        "capitals",
        "indented",
        "gap",
        "initials",
        "marks",
        "lines",
        "paragraphs",
        "title",
        "titles",
        "items",
    ],
)
def test_a_million_characters_are_split_in_seconds(text: str) -> None:
    """The time grows with the length of the text and not with its square, whatever it is made of."""
    begin = time.process_time()
    passages(of_text(text))
    assert time.process_time() - begin < 10
