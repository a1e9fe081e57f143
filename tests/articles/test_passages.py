"""Splitting an article: what holds for every text, and the sentences that news text makes hard."""

import itertools
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assistant.articles.normalising import normalise
from assistant.articles.passages import (
    MAX_PASSAGE_CHARACTERS,
    MAX_SENTENCE_CHARACTERS,
    MOST_CHARACTERS,
    head_of,
    is_label,
    is_row,
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
        *("Party | Seats\n", "| Greens | 12\n", "| 2019\n", " | ", "7"),
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
@example("It rained. It is wet.\nParty | Seats")
@example(f"{'It rained all day. ' * 40}Party | Seats\nLeft | 4")
def test_the_head_of_a_row_is_the_first_sentence_of_its_table(text: str) -> None:
    """It stands in the same paragraph, and states nothing itself."""
    article = of_text(re.sub(r"\s*\n\s*\n\s*", "\n\n", normalise(text)).strip())
    for row in filter(is_row, sentences(article)):
        (table,) = [(start, end) for start, end in paragraphs(article.text) if start <= row.start < end]
        first = next(each for each in sentences(article) if each.start == table[0])
        head = head_of(row)
        if head is not None and len(article.text[table[0] : table[1]].split("\n")[0]) <= MOST_CHARACTERS:
            assert head == first
            assert is_label(head) or not is_row(head)


@given(TEXTS)
def test_every_character_is_in_exactly_one_sentence(text: str) -> None:
    """Each sentence is a slice that begins and ends with a word; between them there is only white space."""
    found = sentences(of_text(text))
    edges = [0, *(edge for sentence in found for edge in (sentence.start, sentence.end)), len(text)]
    assert edges == sorted(edges)
    gaps = [text[left:right] for left, right in zip(edges[::2], edges[1::2], strict=True)]
    assert not any(gap.strip() for gap in gaps)
    for sentence in found:
        assert sentence.text == text[sentence.start : sentence.end] == sentence.text.strip() != ""
        assert len(sentence.text) <= MOST_CHARACTERS


@given(TEXTS)
def test_passages_hold_the_sentences_in_order(text: str) -> None:
    """Each once; those that state nothing may be left out. A passage fits the embedder or is one sentence."""
    article, found_paragraphs = of_text(text), list(paragraphs(text))
    held = [sentence for passage in passages(article) for sentence in passage.sentences]
    everything = sentences(article)
    assert held == [sentence for sentence in everything if sentence in held]
    assert all(is_label(sentence) for sentence in everything if sentence not in held)
    assert bool(held) == bool(everything)
    for passage in passages(article):
        assert len(passage.text) <= MAX_PASSAGE_CHARACTERS or len(passage.sentences) == 1
        assert any(start <= passage.start and passage.end <= end for start, end in found_paragraphs)


@given(TEXTS)
def test_a_long_paragraph_is_cut_no_more_often_than_it_must(text: str) -> None:
    """A passage and the first sentence of the next would not fit together."""
    for left, right in itertools.pairwise(passages(of_text(text))):
        if not text[left.end : right.start].strip(" \t\u00a0"):
            assert right.sentences[0].end - left.start > MAX_PASSAGE_CHARACTERS


# Sentences that are hard


@pytest.mark.parametrize(
    "marked",
    [
        "She moved to the U.S. in May. |He stayed.",
        "He moved to the U.S. |The rest stayed.",
        "The U.S. Senate met. |It adjourned.",
        "Mr. Kenney and Dr. A. B. Stone met Gov. Wolf at 9 a.m. in Room No. 7. |They left.",
        "A sentence of 5½ to 11 months. |Other cases were diverted.",
        "It fell by 3.5 percent to $4.2 million. |It rose.",
        "Is it true? |Yes! |It is… |Or so he says.",
        "(He declined to comment.) |She did not.",
        "Ask J. Smith. |She knows.",
        "The 49ers won. |49 people came.",
        "¿Qué? |Élan vital.",
        # Quotations, and marks that do not pair up
        '"That\'s fair. He has to pay his time," Arnold explained. |"It takes time."',
        "“All of us. All of us,” he said. |He left.",
        'He asked: "Who? When?" |Nobody knew.',
        "The agency wrote: \"It does not engage in 'profiling.' \" |It was a letter.",
        "“Hundreds wait to come to the U.S. … How fair is it to those people?”",
        'He left, said an official, adding: "It is over. We lost." |Then he drove off.',
        "Said an official, adding: “It is … How fair is it?” |He left.",
        'The screen was 19" wide. |It broke.',
        'He said "yes. |She left. |They stayed.',
        'She said "It is. |It was." |Then "she left. |They stayed.',
        "It ended.” |She said “One. |Two.” |They left.",
        "“He said “One. |Two.” |They left.",
        # Credits and headings
        "JOSE F. MORENO/ Staff Photographer |District Attorney Larry Krasner wants his office to help.",
        "Crime fell by 18 percent. |SOURCE: Philadelphia Police Department JARED WHALEN / Staff Artist",
        "Cutting deals — or not\n\n|For Krasner, there was none.",
        # Short for something
        "In Roe v. Wade and U.S. v. Nixon the court ruled. |It ruled again in Ali vs. Frazier.",
        "H.R. 90, H.Con.Res. 90 and S.J. Res. 5 passed. |They met.",
        "The U. S. Senate and the U.N. Security Council met. |They adjourned.",
        "It is No. 2 of Nos. 2 and 3, in Fig. 4, Sec. 5 and Vol. 6. |It is old.",
        "Were they off? |No. |Two were.",
        "On Jan. 6 and Sept. 11 they came. |They left in Dec. |The rest stayed until Feb. 8. |The vote came.",
        "Lt. Gov. Smith met Maj. Gen. Ada Brook and Sens. Bob Casey, D-Pa., and Al Franken of St. Louis. |They left.",
        "It ends at 9 p.m. Monday. |It began at 6 a.m. Eastern time, or 11 a.m. GMT. |It rained until 4 p.m. |He left.",
        "J. R. R. Tolkien, J. A. Smith and J. I. Packer wrote. |Others read.",
        "Smith & Co. Chairman Ada Brook and Brook Inc. President Al Smith Jr. met. |They own the firm Ltd. |It fell.",
        "Plan B. |It is Plan A. |The rest was Vitamin C. |He has a Ph.D. |She has none.",
        "Jones et al. 1998 and Daly et al. (2002) agree. |They wrote it by hand, etc. |The rest was printed.",
        # Numbered, and lists: only a paragraph that begins with an item is one
        "There are two: 1. The bridge is old. |2. The river is high. |They meet.",
        "1. The bridge is old. |It is closed. |2. The river is high.",
        "He was No. 5. |The rest were 6. |All left in 2014. |They met on Feb. 8. |They won.",
        "1. The council met. |It voted.\n|2. The mayor quit.\n|10) Who pays\n|3. Nobody",
        "- Yes: 7,911\n|- No: 8,702\n|* Spoiled: 12",
        "• Four buses burned\n|• A bridge fell into\nthe river",
        "1986. A year of floods.",
        "It became one in\n2014. |The rate fell.",
        "It rose\n- so he said - by four.",
        # Names in large letters and words between dashes are no headline and no dateline
        "The mayor met President Donald Trump\nMonday in the White House.",
        "President Donald Trump\nMonday said he would go on.",
        "Concentrated Oxygen\n2 will burn.",
        "Near Tamins the Anterior Rhine and the Posterior Rhine join.",
        "District Attorney Larry Krasner of Philadelphia and Philadelphia’s mayor met.",
        "Harry Potter And The Cursed Child opened in London.",
        "ICE — The agency’s full name is longer — met.",
        "PARS — the database — was cut off.",
        # A dateline may stand below a caption, where it has its state or agency
        "It rained.\n\n|MILLBROOK, Ohio — |It is wet.",
        "It rained.\n\n|MILLBROOK — The town is old — flooded.",
    ],
    ids=lambda marked: marked[:24],
)
def test_sentences(marked: str) -> None:
    """They are found where a reader would end them; here each begins at the start or behind a bar."""
    assert split(marked.replace("|", "")) == [part.strip() for part in marked.split("|")]


def test_none_of_300_sentences_of_strangers_is_cut() -> None:
    """Each is a line of the file; a dateline is apart. Of those outside quotations at most 2 % run into the next."""
    blocks = (Path(__file__).parent / "sentences.txt").read_text(encoding="utf-8").split("\n\n")
    count, together, cut = 0, [], []
    for lines in (block.strip().split("\n") for block in blocks):
        text = " ".join(lines)
        ends = list(itertools.accumulate(len(line) + 1 for line in lines))
        found = {sentence.start for sentence in sentences(of_text(text))} - {0}
        cut += [text[:start] for start in found.difference(ends) if not text[:start].endswith("(Wire) — ")]
        quoted = {place for match in re.finditer('["“][^"”]*["”]', text) for place in range(*match.span())}
        together += [text[end:] for end in ends[:-1] if end not in found and end not in quoted]
        count += len(lines)
    assert (count, cut) == (300, [])
    assert len(together) <= 0.02 * count


@pytest.mark.parametrize(
    "marked",
    [
        "Cutting Deals, or Not\n|For Krasner, there was none.",
        "The End of Hail\n|“It will cost nine,” he said.",
        "Crime in Halden On Downward Trend |Halden’s crime rate has fallen.",
        "Talks on Trade Fail |The two sides met for six hours.",
        "Violent Crime in Philadelphia On Downward Trend |Philadelphia’s violent crime rate has fallen.",
        "MILLBROOK — |The mayor quit.",
        "NEW YORK (AP) — |U.S. stocks fell.",
        "PORT ELLERY, Tasmania, May 21 (Southern Ledger) -- |“We lost,” he said.",
        "ASHGROVE, Alta. - |The last stone was thrown.",
    ],
)
def test_what_runs_into_a_sentence_is_no_part_of_it(marked: str) -> None:
    """A headline or a dateline is told by its form, and states nothing by itself."""
    first, second = sentences(of_text(marked.replace("|", "")))
    assert (first.text, is_label(first), is_label(second)) == (marked.partition("|")[0].strip(), True, False)


def test_the_passages_of_the_shipped_article_are_its_paragraphs(article: Article) -> None:
    """None of them is too long to be embedded whole, and its one heading is no passage."""
    spans = list(paragraphs(article.text))
    assert len(spans) == article.text.count("\n\n") + 1
    spans = [span for span in spans if article.text[slice(*span)] != "Cutting deals — or not"]
    assert [(passage.start, passage.end) for passage in passages(article)] == spans


PILES = [
    *("The mayor spoke. ", '"Yes," he said. "It is so." ', ".", "A", '"', "A. ", "line \n", "a.\n\n", "Aa "),
    *("Aa\n", "1. A\n", " ", "a | b\n"),
]


@pytest.mark.parametrize("piece", PILES)
def test_a_million_characters_are_split_in_seconds(piece: str) -> None:
    """The time grows with the length of the text and not with its square, whatever it is made of."""
    begin = time.process_time()
    for text in (piece * 50_000, f"a{piece * 50_000}b."):
        passages(of_text(text))
    assert time.process_time() - begin < 10


# What states nothing


@pytest.mark.parametrize(
    "label",
    [
        *("Cutting deals — or not", "**What we know**", "A DECADE OF LOSSES.", "Who pays for the bridge?"),
        *("What Smith's “no” means", "By Dana Ohlmeyer, Staff Writer", "— Idlewild Courier"),
        *("JOSE F. MORENO/ Staff Photographer", "(Elena Ruiz/Colfax Sentinel)"),
        "SOURCE: Philadelphia Police Department JARED WHALEN / Staff Artist",
        "Members of the posse lead the parade in Cotter Springs last September",
    ],
)
def test_what_states_nothing_is_told_by_its_form_and_is_no_passage(label: str) -> None:
    """A short line without a full stop, a line of capitals, a Markdown heading and a question are labels."""
    article = of_text(f"{label}\n\nThe mayor quit.\n\n{label}")
    assert [is_label(sentence) for sentence in sentences(article)] == [True, False, True]
    assert [passage.text for passage in passages(article)] == ["The mayor quit."]


def stated(text: str) -> list[str]:
    """Return the sentences of an article that state something, in its passages."""
    return [sentence.text for passage in passages(of_text(text)) for sentence in statements(passage)]


@pytest.mark.parametrize(
    "text",
    [
        *("The mayor quit.", '"Who pays?" he asked.', "“Who pays?” the mayor asked", "One official said, adding:"),
        *("“He is celebrating.” – Attorney General Jeff Sessions", "Vier Busse brannten aus!", "四辆公共汽车被烧毁。"),
        *("- Four buses burned", "• Four buses burned", "2) Four buses burned"),
        "The harbor board kept its three ferries running through the whole of the winter and then sold the oldest",
    ],
)
def test_what_states_something_is_no_label(text: str) -> None:
    """A sentence ends; an item of a list, and what is too long for a heading, need not."""
    (sentence,) = sentences(of_text(text))
    assert (is_label(sentence), stated(text)) == (False, [text])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # A label in the passage of a sentence stays there, and states nothing.
        ("The mayor quit. SOURCE: City Hall", ["The mayor quit."]),
        # Where there is nothing but names, they are what the article has to say.
        ("Smith, goal\n\nJones, bench", ["Smith, goal", "Jones, bench"]),
        # Wrapped lines are one paragraph, with or without spaces at their ends; a blank line ends it.
        ("One two  \nthree.\nFour.\n \t\nFive.", ["One two  \nthree.", "Four.", "Five."]),
    ],
)
def test_what_an_article_states(text: str, expected: list[str]) -> None:
    """Its sentences without labels, and labels where it has nothing else."""
    assert stated(text) == expected


def test_a_heading_that_is_marked_is_a_label_whatever_its_form() -> None:
    """It may end like a sentence, and be as long as one."""
    text = "What we know:\n\nThe mayor quit.\n\nThe vote.\n\nIt was close."
    article = replace(of_text(text), headings=frozenset({0, text.index("The vote.")}))
    assert [passage.text for passage in passages(article)] == ["The mayor quit.", "It was close."]
    assert [is_label(sentence) for sentence in sentences(article)] == [True, False, True, False]


def test_a_list_without_full_stops_is_cut_between_words() -> None:
    """What is too long for a quotation is cut at white space, and no word is lost or broken."""
    words = [f"word{number}" for number in range(1000)]
    parts = split(" ".join(words))
    assert len(parts) > 1
    assert " ".join(parts).split() == words


def test_a_sentence_is_never_cut_however_long_it_is() -> None:
    """A long quotation is cut between its sentences, and a sentence without end is whole."""
    long = "We voted, " + "and they counted, " * 70 + "and that was that."
    assert len(long) > 2 * MAX_SENTENCE_CHARACTERS
    assert split(f"It began. {long} It ended.") == ["It began.", long, "It ended."]
    said = [
        f"Of the {number} members of this council none has ever asked me what the bridge cost." for number in range(9)
    ]
    first, *others = split(f"“{' '.join(said)}” she said. He left.")
    assert first.startswith("“Of the 0")
    assert all(part.endswith(("cost.", "cost.” she said.", "He left.")) for part in (first, *others))
    assert max(len(part) for part in (first, *others)) <= MAX_SENTENCE_CHARACTERS


# Tables


@pytest.mark.parametrize(
    ("table", "stated"),
    [
        ("Party | Seats\nGreens | 12\nLabour | 19", ["Greens | 12", "Labour | 19"]),
        ("Party | 2019 | 2024\nGreens | 5 | 12", ["Greens | 5 | 12"]),
        ("| Votes | %\nYes | 4,118 | 50.6\nCol. A. Voss | 1 | 0.1", ["Yes | 4,118 | 50.6", "Col. A. Voss | 1 | 0.1"]),
        ("Population | 5,000\nArea | 12 km²", ["Population | 5,000", "Area | 12 km²"]),
    ],
)
def test_each_row_of_a_table_states_something_and_its_head_does_not(table: str, stated: list[str]) -> None:
    """A row is one sentence; where the first one has figures, it is no head."""
    article = of_text(f"It was counted.\n\n{table}\n\nNo one won.")
    rows = [each for passage in passages(article) for each in statements(passage) if is_row(each)]
    assert [row.text for row in rows] == stated
    head = table.split("\n", maxsplit=1)[0]
    assert {found.text if (found := head_of(row)) else "" for row in rows} == {"" if head in stated else head}
