"""An answer as people and scripts see it."""

import datetime
import io
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import served
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from parts import told
from rich.console import Console

from assistant.articles.reading import normalise
from assistant.markup import (
    article_header,
    article_list,
    article_paragraphs,
    escape,
    in_brief,
    markdown,
    publisher_link,
)
from assistant.rendering import (
    CLOSEST_WORDS,
    LABELS,
    MORE,
    NOT_READ,
    NOT_WRITTEN,
    READING,
    corrections,
    headline,
    terminal,
    to_json,
    why_lines,
)
from assistant.types import Answer, Article, Citation, Correction, Outcome, Part, Sentence, Timings

OURS = {"div", "p", "ol", "li", "b", "blockquote", "a", "span", "br", "details", "summary"}
"""The elements that an answer consists of."""

PAYLOADS = (
    *served.PAYLOADS,
    "<https://evil.test> www.evil.test me@evil.test",
    "    indented code\n\n# heading\n\n- item\n\n---\n| a | b |\n|---|---|",
    "&lt;b&gt; &amp; </div></li></ol>",
    '" onclick="alert(1)" x="',
    "**bold** _it_ `code` ~~gone~~ [1]: https://evil.test",
)

strange_text = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(PAYLOADS)), max_size=4).map(" ".join)


def an_article(text: str, title: str = "A title", date: datetime.date | None = None) -> Article:
    """Return an article with this text."""
    return Article(id="an-article", text=text, title=title, date=date)


def cite(number: int, quote: str, title: str = "A title", date: datetime.date | None = None, url: str = "") -> Citation:
    """Return a citation of these words, which stand in an article between others."""
    article = replace(an_article(f"Before. {quote} After.", title, date), url=url)
    return Citation(number, article, 8, 8 + len(quote))


class Seen(HTMLParser):
    """What a browser would make of HTML: its elements, their attributes, and its text."""

    def __init__(self, html: str) -> None:
        """Read the HTML."""
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.marked = ""
        self._in_mark = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element; a break is a line feed."""
        self.tags.append(tag)
        self.attributes += attrs
        self._in_mark = self._in_mark or tag == "mark"
        self.handle_data("\n" if tag == "br" else "")

    def handle_endtag(self, tag: str) -> None:
        """Leave a mark."""
        self._in_mark = self._in_mark and tag != "mark"

    def handle_data(self, data: str) -> None:
        """Remember text."""
        self.text += data
        self.marked += data if self._in_mark else ""

    def all(self, attribute: str) -> list[str | None]:
        """Return the values of an attribute, in order."""
        return [value for name, value in self.attributes if name == attribute]


def markers(html: str) -> list[tuple[int, int]]:
    """Return the number of each marker in an answer, and where the words end that its link leads to."""
    found = re.findall(r'end=(\d+)#quote"><span class="hidden">Quotation&nbsp;</span>&#91;(\d+)&#93;</a>', html)
    return [(int(number), int(end)) for end, number in found]


def squeezed(text: str) -> str:
    """Return text without white space, which browsers do not keep."""
    return "".join(text.split())


def shown(answer: Answer, *, colours: bool = False) -> str:
    """Return what the terminal receives."""
    file = io.StringIO()
    Console(file=file, width=100, force_terminal=colours, highlight=False).print(terminal(answer))
    return file.getvalue()


# For a script


def test_json_has_exactly_the_form_of_the_contract() -> None:
    """The keys and values that scripts read are those of the contract; what there is not is null; more may follow."""
    answer = Answer(
        question="How much?",
        outcome=Outcome.WRITTEN,
        parts=told("Nine. [1]", (cite(1, "Nine."),)),
        timings=Timings(95.2, 2100.4),
        model="a-model",
    )
    seen = json.loads(json.dumps(to_json(answer, "q001")))
    cited = {"number": 1, "article": "an-article", "start": 8, "end": 13, "quote": "Nine."}
    assert [quotation | cited for quotation in seen["citations"]] == seen["citations"]
    assert (
        seen
        | {
            "id": "q001",
            "question": "How much?",
            "status": "answered",
            "answer": "Nine. [1]",
            "timings": {"first_ms": 95, "total_ms": 2100},
            "model": "a-model",
            "error": None,
        }
        == seen
    )
    assert list(seen)[:8] == ["id", "question", "status", "answer", "citations", "timings", "model", "error"]
    seen = to_json(Answer("?", Outcome.UNAVAILABLE, error="It broke."))
    assert (seen["id"], seen["timings"]["first_ms"], seen["citations"], seen["error"]) == (None, None, [], "It broke.")


# Markers


@given(
    st.lists(
        st.tuples(
            st.text(st.sampled_from("abc [12]\"'"), max_size=12).map(lambda words: f"A{words}z."),
            st.lists(st.integers(1, 4), min_size=1, max_size=2, unique=True),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_the_links_of_an_answer_are_the_markers_that_were_appended(sentences: list[tuple[str, list[int]]]) -> None:
    """Each appended marker is a link to its quotation, in order; brackets inside a sentence never are one."""
    cited = {number: cite(number, "Words."[:number]) for number in range(1, 5)}
    parts = (Part(words, tuple(cited[number] for number in numbers)) for words, numbers in sentences)
    answer = Answer("?", Outcome.WRITTEN, tuple(parts))
    appended = [number for _, numbers in sentences for number in numbers]
    assert markers(markdown(answer)) == [(number, 8 + number) for number in appended]
    assert answer.words == " ".join(words for words, _ in sentences)
    text = " ".join(f"{words} {''.join(f'[{number}]' for number in numbers)}" for words, numbers in sentences)
    assert answer.text == text


# For a browser


@given(strange_text, strange_text, strange_text)
@example(":", ";", "")
def test_nothing_that_a_stranger_wrote_becomes_markup(words: str, quote: str, title: str) -> None:
    """The words of model, article and title are seen as they are, between elements and attributes of ours only."""
    quote = normalise(quote)
    citation = cite(1, quote, title)
    written = Answer("?", Outcome.WRITTEN, (Part(words, (citation,)),))
    declined = Answer("?", Outcome.DECLINED, closest=(citation,))
    for html in (markdown(written), markdown(declined)):
        assert "\n\n" not in html
        assert MarkdownIt("commonmark").render(html).strip() == html.strip()
        seen = Seen(html)
        assert set(seen.tags) <= OURS
        assert {name for name, _ in seen.attributes} <= {"class", "id", "tabindex", "href", "target", "rel"}
        assert all(
            link and re.fullmatch(r"/article/an-article\?version=[0-9a-f]{16}&start=8&end=\d+#quote", link)
            for link in seen.all("href")
        )
        assert squeezed(quote) in squeezed(seen.text)
        assert squeezed(normalise(title)) in squeezed(seen.text)
    assert squeezed(normalise(words)) in squeezed(Seen(markdown(written)).text)


@given(strange_text)
def test_escaped_text_is_text_wherever_it_stands(text: str) -> None:
    """It cannot end the attribute that it is in, and where Markdown is read it is a paragraph."""
    seen = Seen(f'<i title="{escape(text)}">')
    assert (seen.tags, [name for name, _ in seen.attributes]) == (["i"], ["title"])
    assert set(Seen(MarkdownIt("js-default", {"html": True}).render(f"x{escape(text)}")).tags) <= {"p", "br"}


def test_quotations_name_their_article_and_lead_to_it() -> None:
    """Under the answer stand the quoted words, the article's title and date, and a link to the place."""
    fell = cite(1, "It fell by a fifth.", date=datetime.date(2018, 10, 18))
    seen = Seen(markdown(Answer("?", Outcome.WRITTEN, told("It fell. [1]", (fell,))), "answer-7"))
    assert "[1]It fell by a fifth.A title · 18 October 2018 Show in the article" in seen.text
    assert seen.all("href") == 2 * [f"/article/an-article?version={fell.article.version}&start=8&end=27#quote"]
    assert {"answer-7", "answer-7-1"} <= set(seen.all("id"))
    # What stays on the page must not say that it opens a tab.
    assert seen.all("target") == []
    assert "(opens in a new tab)" not in seen.text
    assert 'id="paragraph-3"' in article_paragraphs(an_article("One.\n\nTwo\nlines.\n\nThree."))


def test_a_quotation_leads_to_its_words_at_the_publisher() -> None:
    """Where the article has an address, its header links to it, with the quoted words as text fragment if there are."""
    cited = cite(1, "He said - well, all-in & more.", url="https://paper.test/story?id=1#top")
    address = publisher_link(cited.article, (cited.start, cited.end))
    assert address == "https://paper.test/story?id=1#top:~:text=He%20said%20%2D%20well%2C%20all%2Din%20%26%20more."
    assert Seen(article_header(cited.article, 2, (cited.start, cited.end))).all("href") == [address]
    assert Seen(article_header(cited.article, 2)).all("href") == [cited.article.url]


@pytest.mark.parametrize("quote", [" ".join("abcdefghijklmnopqrstuvwxyz"), "a b c d e f g h\n\ns t u v w x y z"])
def test_a_long_quotation_is_given_by_its_ends(quote: str) -> None:
    """A browser finds a long quotation, or one over several paragraphs, by its first and its last words."""
    cited = cite(1, quote, url="https://paper.test")
    address = publisher_link(cited.article, (cited.start, cited.end))
    assert address == "https://paper.test#:~:text=a%20b%20c%20d%20e%20f%20g%20h,s%20t%20u%20v%20w%20x%20y%20z"


@pytest.mark.parametrize("render", [markdown, shown])
@pytest.mark.parametrize("outcome", [Outcome.QUOTED, Outcome.WRITTEN])
def test_an_answer_of_quotations_says_nothing_twice(render: Callable[[Answer], str], outcome: Outcome) -> None:
    """Where the answer is its quotations, they are shown once, also where a model chose the words."""
    answer = Answer("?", outcome, told("Ab cd. [1] Ef gh. [2]", (cite(1, "Ab cd."), cite(2, "Ef gh."))), model="a.gguf")
    assert headline(answer) == LABELS[Outcome.QUOTED]
    text = Seen(render(answer)).text
    assert (text.count("Ab cd."), text.count("Ef gh.")) == (1, 1)
    assert text.index("Ab cd.") < text.index("Ef gh.")


@pytest.mark.parametrize("render", [markdown, shown])
def test_what_else_was_found_is_one_tap_away(render: Callable[[Answer], str]) -> None:
    """The sentence that answers stands alone, after what it needs in small; the rest has numbers of its own."""
    context, best, rest = cite(1, "Low came."), cite(2, "He left at nine."), cite(3, "Nobody minds.")
    parts = (Part("Low came.", (context,), is_verbatim=True, is_context=True), *told("He left at nine. [2]", (best,)))
    said = render(Answer("?", Outcome.QUOTED, parts, more=(rest,)))
    seen = Seen(said).text
    assert seen.index("Low came.") < seen.index("He left at nine.") < seen.index(MORE) < seen.index("Nobody minds.")
    if render is markdown:
        assert Seen(re.findall(r'<blockquote class="context">(.*?)&nbsp;', said)[0]).text == "Low came."
        assert "Nobody minds" in said[said.index("<details>") :].replace("&#46;", ".")


def test_words_of_ours_before_a_quotation_stand_outside_of_it() -> None:
    """A quotation is the article's words alone; who is meant, or the name in a list of people, stands before it."""
    first, second = cite(1, "He left at nine."), cite(2, "Ann Lee, a baker, slept.")
    for outcome in (Outcome.QUOTED, Outcome.OVERVIEW):
        parts = told("Low: He left at nine. [1] Ann Lee, a baker, slept. [2]", (first, second))
        html = markdown(Answer("?", outcome, parts))
        assert re.findall(r'<p class="before">(.*?)</p>', html) == ["Low&#58;"]
        assert [Seen(each).text for each in re.findall(r'<blockquote class="words">(.*?)&nbsp;', html)] == [
            "He left at nine.",
            "Ann Lee, a baker, slept.",
        ]


def test_what_stands_in_the_answer_word_for_word_is_not_quoted_again() -> None:
    """Of such a quotation, and of no other, only the article is told under the answer."""
    quotations = (cite(1, "It fell by 5.5%, he said."), cite(2, "Ef gh ij."))
    for words, copied in (("It fell by 5.5%, he said.", 1), ("It fell by 55%, he said.", 0)):
        html = markdown(Answer("?", Outcome.WRITTEN, told(f"{words} [1] So. [2]", quotations), model="a.gguf"))
        assert html.count("<blockquote>") == 2 - copied
        assert Seen(html).text.count("A title") == 2


def test_the_answer_comes_first_and_one_quotation_is_open() -> None:
    """What it is stands after the words; the other quotations are one tap away, and a snapshot has none yet."""
    citations = (cite(1, "Ab cd."), cite(2, "Ef gh."), cite(3, "Ij kl."))
    answer = Answer("?", Outcome.WRITTEN, told("So. [1] Then. [2][3]", citations), model="a.gguf")
    shown_at_once, _, one_tap_away = markdown(answer).partition("<details>")
    seen = Seen(shown_at_once).text
    assert seen.startswith("So.")
    assert seen.index("Then.") < seen.index(LABELS[Outcome.WRITTEN]) < seen.index("Ab cd.")
    assert [words in Seen(one_tap_away).text for words in ("2 more", "Ab cd.", "Ef gh.", "Ij kl.")] == [1, 0, 1, 1]
    assert "Ab cd." not in markdown(replace(answer, final=False))


@pytest.mark.parametrize("render", [markdown, shown])
def test_a_refusal_offers_the_closest_words_as_no_answer(render: Callable[[Answer], str]) -> None:
    """A refusal says so, labels the closest words, and numbers nothing."""
    answer = Answer("?", Outcome.DECLINED, closest=(cite(1, "Something else."),))
    text = Seen(render(answer)).text
    assert text.index(LABELS[Outcome.DECLINED]) < text.index(CLOSEST_WORDS) < text.index("Something else.")
    assert "[1]" not in text


@pytest.mark.parametrize("render", [markdown, shown])
def test_what_a_model_wrote_beside_a_refusal_is_said_to_be_that(render: Callable[[Answer], str]) -> None:
    """It stands below the refusal, with the marker of the words that it rests on, and is no answer's text."""
    fell = (cite(1, "The ferry leaves at nine."),)
    answer = Answer("?", Outcome.DECLINED, told("It leaves early. [1]", fell), closest=fell, model="a.gguf")
    text = " ".join(Seen(render(answer)).text.replace("Quotation\u00a0", "").replace("\u00a0", " ").split())
    said = [LABELS[Outcome.DECLINED], "Written by AI", "It leaves early. [1]", CLOSEST_WORDS, "The ferry leaves"]
    assert [text.index(words) for words in said] == sorted(text.index(words) for words in said)
    assert text.count("[1]") == 2
    assert answer.citations == ()
    html = markdown(answer)
    assert 'class="words"' not in html
    assert markers(html) == [(1, fell[0].end)]


# Wording


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_own_wording_everywhere(outcome: Outcome) -> None:
    """Page and terminal show the fixed wording of the outcome and the text that comes with it.

    The page shows this first, unless it is a refusal.
    """
    citations = (cite(1, "Words."),) if outcome in (Outcome.WRITTEN, Outcome.PARTLY) else ()
    answer = Answer("?", outcome, (Part("Some text.", citations),), model="a.gguf")
    on_page = ("Some text.", LABELS[outcome])[:: -1 if outcome is Outcome.DECLINED else 1]
    for text, first, second in (
        (Seen(markdown(answer)).text, *on_page),
        (shown(answer), LABELS[outcome], "Some text."),
    ):
        assert text.startswith(first)
        assert second in text
    assert len(set(LABELS.values())) == len(Outcome)


@pytest.mark.parametrize("outcome", [Outcome.QUOTED, Outcome.WRITTEN])
def test_a_snapshot_says_that_a_better_one_follows(outcome: Outcome) -> None:
    """Words that may still be replaced are not presented as the answer."""
    answer = Answer("?", outcome, told("Some words. [1]", (cite(1, "Words."),)), final=False)
    assert headline(answer) == READING
    assert LABELS[outcome] not in Seen(markdown(answer)).text
    assert headline(replace(answer, final=True, model="a.gguf")) == LABELS[outcome]


OLD, NEW = datetime.date(2018, 10, 18), datetime.date(2019, 1, 2)


@pytest.mark.parametrize(("dates", "as_of"), [((None,), ""), ((OLD, OLD), ", as of 18 October 2018"), ((OLD, NEW), "")])
def test_the_line_beside_says_what_it_rests_on_and_as_of_when(dates: tuple[datetime.date, ...], as_of: str) -> None:
    """Words of an article, and the date of all of them; where they differ, each quotation has its own."""
    citations = tuple(cite(number, "Ab.", date=date) for number, date in enumerate(dates, start=1))
    assert headline(Answer("?", Outcome.QUOTED, (Part("Words.", citations),))) == LABELS[Outcome.QUOTED] + as_of


def test_only_the_operator_sees_why_the_model_failed() -> None:
    """The terminal shows the error; a reader of the page is told that the quotation stands."""
    answer = Answer("?", Outcome.QUOTED, told("Ab. [1]", (cite(1, "Ab."),)), error="connection to 10.0.0.7 refused")
    assert "10.0.0.7" in shown(answer)
    assert "10.0.0.7" not in Seen(markdown(answer)).text
    assert NOT_WRITTEN in Seen(markdown(answer)).text


@pytest.mark.parametrize("render", [shown, lambda answer: Seen(markdown(answer)).text], ids=("terminal", "page"))
def test_a_refusal_says_that_not_all_articles_are_read_yet(render: Callable[[Answer], str]) -> None:
    """One of them may have the answer; an answer that was found says nothing of it."""
    for outcome in (Outcome.DECLINED, Outcome.UNWRITTEN, Outcome.UNAVAILABLE):
        assert NOT_READ in " ".join(render(Answer("?", outcome, unread=3)).split())
        assert NOT_READ not in render(Answer("?", outcome))
    quoted = Answer("?", Outcome.QUOTED, told("Ab. [1]", (cite(1, "Ab."),)), unread=3)
    assert NOT_READ not in " ".join(render(quoted).split())


# The article


spans = st.tuples(st.integers(0, 80), st.integers(0, 80))


@given(strange_text.map(normalise), spans, st.lists(spans, max_size=3))
def test_the_marked_words_are_those_at_the_offsets(
    text: str, current: tuple[int, int], others: list[tuple[int, int]]
) -> None:
    """The page of an article shows its whole text, and marks the cited characters and no others.

    Those of the current quotation stand out, also where another overlaps it. What stands between the cells of a table
    is not shown.
    """
    html = article_paragraphs(an_article(text), current, others)
    strong = "".join(re.findall(r'<mark class="current"[^>]*>(.*?)</mark>', html))
    assert bare(Seen(strong).text) == bare(text[slice(*current)])
    seen = Seen(html)
    assert bare(seen.text) == bare(text)
    marked = {offset for start, end in (current, *others) for offset in range(start, end)}
    assert bare(seen.marked) == bare("".join(c for offset, c in enumerate(text) if offset in marked))
    assert set(seen.tags) <= {"p", "mark", "br", "table", "tr", "td"}
    assert ("quote" in seen.all("id")) >= bool(bare(text[slice(*current)]))


def bare(text: str) -> str:
    """Return text without white space, and without what stands between the cells of a table."""
    return squeezed(text).replace("|", "")


TABLE = """| 2025 (tonnes) | 2026 (tonnes)
Orsay | 41 | 38
Kerrin |  | 7"""


def test_a_table_of_an_article_is_shown_as_one() -> None:
    """With a row for each of its rows, a cell that is empty too, and the marks within the cells."""
    text = f"The catch fell.\n\n{TABLE}\n\nNobody minds."
    start = text.index("Orsay")
    html = article_paragraphs(an_article(text), (start, start + len("Orsay | 41 | 38")))
    table = re.findall("<table.*?</table>", html)[0]
    assert table.startswith('<table id="paragraph-2">')
    rows = re.findall("<tr>(.*?)</tr>", table)
    assert [[Seen(cell).text for cell in re.findall("<td>(.*?)</td>", row)] for row in rows] == [
        ["", "2025 (tonnes)", "2026 (tonnes)"],
        ["Orsay", "41", "38"],
        ["Kerrin", "", "7"],
    ]
    assert re.findall("<mark[^>]*>(.*?)</mark>", table) == ["Orsay", "41", "38"]


def test_a_long_article_is_told_in_brief() -> None:
    """Its telling sentences are links to their places.

    Nothing is told twice: not a short article, which is read as fast, and not the words that the article begins with.
    """
    news = "The ferry to <Aland> was sold in May."
    others = ["Nobody had thought that the old boat would go."]
    for before, after, is_told in ((1, 3, True), (1, 1, False), (0, 4, False)):
        article = an_article(" ".join([*others * before, news, *others * after]))
        start = article.text.index(news)
        seen = Seen(in_brief([Sentence(article, start, start + len(news))]))
        assert seen.text == (f"In brief{news}" if is_told else "")
        assert [str(link).split("?")[0] for link in seen.all("href")] == ["/article/an-article"] * is_told
    assert in_brief([]) == ""


# For a terminal


@given(strange_text, strange_text, strange_text)
def test_no_character_commands_the_terminal(words: str, quote: str, error: str) -> None:
    """Whatever comes from elsewhere, the terminal receives printable characters and line feeds."""
    answer = Answer("?", Outcome.QUOTED, told(f"{words} [1]", (cite(1, quote, title=words),)), error=error)
    assert not {c for c in shown(answer) if unicodedata.category(c) == "Cc" and c not in "\n\t"}


@pytest.mark.parametrize(
    "sequence", ["\x1b[31m", "\x1b[2J", "\x1b]0;title\x07", "\x1b]8;;https://evil.test\x1b\\", "\x9b31m", "\x1bc"]
)
def test_terminal_sequences_leave_nothing_behind(sequence: str) -> None:
    """A sequence goes as a whole, not only its first character; the markup of our terminal library is text."""
    words = "[bold]fore[/bold] [link=https://evil.test]x[/link]. [1]"
    assert f"\nbe{words}\n" in shown(Answer("?", Outcome.WRITTEN, told(f"be{sequence}{words}", (cite(1, "Ab."),))))


def test_the_terminal_shows_the_status_in_colour_and_the_quotations_under_the_answer() -> None:
    """A person sees what kind of answer it is, the answer, and the words it rests on, in that order."""
    answer = Answer("?", Outcome.WRITTEN, told("It fell. [1]", (cite(1, "It fell by a fifth."),)), model="a.gguf")
    text = shown(answer)
    assert text.index(LABELS[Outcome.WRITTEN]) < text.index("It fell. [1]") < text.index("[1] It fell by a fifth.")
    assert "\x1b[1;32m" in shown(answer, colours=True)


# An article, and a list of them


def test_the_header_says_in_a_readers_words_what_is_known() -> None:
    """Who wrote it, when, for whom, where it is from, and whose the title is; what is not known is not said."""
    article = replace(
        an_article("Text.", date=OLD),
        author="Jane Doe",
        updated=NEW,
        section="Courts",
        free=False,
        source="The Paper",
        title_by="the file name",
    )
    assert re.findall(r'<p class="note">(.*?)</p>', article_header(article, 2)) == [
        escape("By Jane Doe · 18 October 2018 · updated on 2 January 2019 · Courts · for subscribers"),
        "The Paper",
        escape("It has no headline of its own: the title is from the file name."),
    ]
    for free in (True, None):  # That everybody may read it is not said.
        assert article_header(replace(an_article("Text."), free=free), 2) == "<h2>A title</h2>"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", ["New", "Old", "Dateless"]),
        ("paper", ["New", "Old"]),
        ("PAPER 2018", ["Old"]),
        ("old new", []),
    ],
)
def test_a_list_has_the_newest_first_and_what_is_searched_for(words: str, found: list[str]) -> None:
    """In titles, sources and dates, each of the words."""
    articles = [
        Article("c", "Text.", "Dateless"),
        Article("b", "Text.", "Old", date=OLD, source="The Paper"),
        Article("a", "Text.", "New", date=NEW, source="The Paper"),
    ]
    assert re.findall(r'class="open" href="[^"]*">([^<]*)<', article_list(articles, 2, words)) == found


def test_a_long_list_can_be_searched_and_says_what_it_leaves_out() -> None:
    """No more than a hundred are shown of an archive; where few are, there is no form."""
    archive = [Article(str(number), "Text.", f"Title {number}") for number in range(1234)]
    listed = article_list(archive, 2)
    assert listed.count("<li>") == 100
    assert "1,234 of 1,234 articles, of which these are the 100 newest" in listed
    assert 'role="search"' in listed
    assert 'role="search"' not in article_list(archive[:7], 2)
    assert 'value="&#34;&#62;&#60;b&#62;"' in article_list(archive, 2, '"><b>')


# Corrections


TEXT = "The ferry leaves at ten. It costs nine dollars."
DAY, LATER = datetime.date(2025, 3, 27), datetime.date(2025, 3, 28)


def answered(*given: Correction) -> Answer:
    """Return an answer that quotes the first sentence of an article that was corrected so."""
    article = Article("ferry", TEXT, "A ferry", date=DAY, updated=LATER, corrections=given)
    return Answer("When?", Outcome.QUOTED, told("The ferry leaves at ten. [1]", (Citation(1, article, 0, 24),)))


@pytest.mark.parametrize(
    ("words", "is_told"), [("at ten", True), ("nine dollars", False), ("", True), ("at eleven", True)]
)
def test_what_was_corrected_is_said_where_the_answer_rests_on_it(words: str, is_told: bool) -> None:  # noqa: FBT001
    """Where it is not told which words were corrected, or they are not there any more, it may be any."""
    answer = answered(Correction("It leaves at ten, not at nine.", LATER, words))
    assert (corrections(answer) == ["Corrected on 28 March 2025: It leaves at ten, not at nine."]) is is_told
    assert ("not at nine" in markdown(answer)) is is_told


def test_the_headline_says_as_of_when() -> None:
    """The day of the last change counts, and the day of the last correction is named."""
    assert headline(answered()).endswith(", as of 28 March 2025")
    assert headline(answered(Correction("Mended.", LATER), Correction("Before.", DAY))).endswith(
        ", as of 28 March 2025, corrected on 28 March 2025"
    )


def test_an_answer_says_of_which_version_it_is() -> None:
    """Two texts of one article have different versions; the same text has the same."""
    answer = answered()
    (cited,) = to_json(answer)["citations"]
    assert cited["version"] == answered().citations[0].article.version
    assert cited["version"] != Article("ferry", f"{TEXT} ", "A ferry").version


def test_nothing_that_was_found_out_is_left_without_a_word() -> None:
    """What is nested stands below its name; where there is none, that is said behind it."""
    found = {"draft": {"right": 0.9, "held back by": ["a name"]}, "objections": [], "signals": {}}
    assert why_lines(found) == [
        "draft",
        f"  {'right':<24}0.9",
        "  held back by",
        "    a name",
        f"{'objections':<24}nothing",
        f"{'signals':<24}nothing",
    ]
