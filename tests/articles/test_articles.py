"""Reading article files: what becomes of their text, their front matter, and of files that cannot be used."""

from __future__ import annotations

import datetime
import json
import re
import tempfile
import unicodedata
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.articles.passages import passages
from assistant.articles.reading import MAX_FILE_BYTES, normalise, read_article, read_corpus
from assistant.rendering import article_header, article_title_link, source_line
from assistant.settings import PROJECT
from assistant.types import Article

PAGE = """<!doctype html>
<html lang="en"><head><title>Council votes on bridge</title>
<meta name="author" content="A. Writer"><meta property="article:published_time" content="2021-03-04">
<meta property="og:site_name" content="The Valley Post">
<link rel="canonical" href="https://example.org/council-bridge"></head>
<body><nav><a href="/">Home</a> <a href="/sport">Sport</a></nav>
<article><h1>Council votes on bridge</h1>
<p>The town council voted on Tuesday to rebuild the old bridge over the river, which has been closed to cars since a
flood damaged two of its pillars in the winter of 2019.</p>
<p>“It will cost nine million,” said the mayor, Ada Brook, after the meeting, &amp; added that work starts in May.</p>
<script>alert("never read this")</script></article>
<footer>Terms and conditions</footer></body></html>"""


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def reason(folder: Path) -> str:
    """Return why the only file of the folder was skipped."""
    corpus = read_corpus(folder)
    assert corpus.articles == ()
    (problem,) = corpus.problems
    assert problem.skipped
    return problem.reason


# The article that ships


def test_shipped_article_keeps_the_words_of_the_file(article: Article) -> None:
    """The text is what follows the front matter, unchanged."""
    content = (PROJECT / "corpus" / "articles" / "2018-10-18-philadelphia-ice.md").read_text(encoding="utf-8")
    assert content.split("\n---\n", 1)[1].strip() == article.text
    assert article.text.startswith("ICE officials said they were unaware")
    assert article.text.endswith("Other cases were diverted into addiction rehab programs.")


def test_shipped_article_says_that_its_title_is_ours(article: Article) -> None:
    """The source has no title, so the one shown is marked as written by us."""
    assert (article.id, article.date, article.title_by) == (
        "2018-10-18-philadelphia-ice",
        datetime.date(2018, 10, 18),
        "us",
    )


# Normalisation


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    """Offsets into a normalised text stay right when it is normalised again."""
    assert normalise(normalise(text)) == normalise(text)


@given(st.text())
def test_normalised_text_hides_nothing(text: str) -> None:
    """No control, bidirectional, zero-width or tag character and no half of a pair is left."""
    left = {c for c in normalise(text) if unicodedata.category(c) in ("Cc", "Cs") or c in "\u200b\u202e\ufeff\u2066"}
    assert left <= {"\n", "\t"}


@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_plain_text_is_left_alone(text: str) -> None:
    """Ordinary characters stay as they are."""
    assert normalise(text) == text


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("one\x0btwo\x85three\u2028four", "one\ntwo\nthree\nfour"),
        ("end of page\x0cnext page", "end of page\n\nnext page"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("pay\u200bment soft\u00adware \ufeffmark", "payment software mark"),
        ("abc \u202edcba\u202c", "abc dcba"),
        ("say\U000e0049\U000e0047 this", "say this"),
        ("bell\x07 and \x1b[31mred\x1b[0m", "bell and [31mred[0m"),
        ("5½ to 11 — “quoted”\t…", "5½ to 11 — “quoted”\t…"),
    ],
    ids=["line ends", "other line ends", "page break", "accents", "zero width", "bidi", "tags", "controls", "kept"],
)
def test_normalise(raw: str, clean: str) -> None:
    """Words that a line or page break kept apart stay apart, and what is invisible goes."""
    assert normalise(raw) == clean


# Files


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_give_the_same_article(tmp_path: Path, encoding: str) -> None:
    """A byte order mark or UTF-16 changes nothing about the text."""
    path = written(tmp_path, "a.txt", "“Nine” cafés — 5½.\r\n\r\nThe end.".encode(encoding))
    assert read_article(path).text == "“Nine” cafés — 5½.\n\nThe end."


def test_front_matter_is_read(tmp_path: Path) -> None:
    """Every key of the front matter reaches the article, and none of it the text."""
    head = "id: My Id\ntitle: A title\ntitle_by: us\ndate: 2020-02-29\nsource: Wire\nurl: https://example.org/a"
    article = read_article(written(tmp_path, "file.md", f"---\n{head}\n---\n\nThe text.\n"))
    assert article == Article(
        id="my-id",
        text="The text.",
        title="A title",
        title_by="us",
        date=datetime.date(2020, 2, 29),
        source="Wire",
        url="https://example.org/a",
    )


def test_front_matter_of_toml_is_read(tmp_path: Path) -> None:
    """Between lines of plus signs, with the same keys; days and moments need no quotation marks."""
    head = 'id = "My Id"\ntitle = "Mayor: “no”"\ndate = 2020-02-29T23:00:00-05:00\nsource = "Wire"\ntags = ["a"]'
    article = read_article(written(tmp_path, "file.md", f"+++\r\n{head}\r\n+++\r\n\r\nThe text.\r\n"))
    assert (article.id, article.title, article.source, article.text) == ("my-id", "Mayor: “no”", "Wire", "The text.")
    assert article.date == datetime.date(2020, 2, 29)


@pytest.mark.parametrize("date", ["27.03.2025", "yesterday", "2018-13-45", "March 2025"])
@pytest.mark.parametrize("head", ["---\ntitle: A\ndate: {}\n---\n", '+++\ntitle = "A"\ndate = "{}"\n+++\n'])
def test_a_date_that_cannot_be_read_costs_nothing_but_the_date(tmp_path: Path, head: str, date: str) -> None:
    """The article stays, and the problem says what to write."""
    written(tmp_path, "a.md", f"{head.format(date)}Text.")
    corpus = read_corpus(tmp_path)
    assert [(article.title, article.text, article.date) for article in corpus.articles] == [("A", "Text.", None)]
    (problem,) = corpus.problems
    assert str(problem) == f"a.md: its date {date!r} is left out: write it as in 2018-10-18"
    assert not problem.skipped


def test_a_date_in_words_is_read(tmp_path: Path) -> None:
    """As people write it, without a problem."""
    written(tmp_path, "a.md", "---\ndate: Thursday, March 27, 2025\n---\nText.")
    corpus = read_corpus(tmp_path)
    assert (corpus.articles[0].date, corpus.problems) == (datetime.date(2025, 3, 27), ())


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("статья.md", "статья"),
        ("新聞 2025-03-27.txt", "新聞-2025-03-27"),
        ("हिन्दी समाचार.md", "हिन्दी-समाचार"),
        ("ΟΔΟΣ (2).md", "οδος-2"),
        ("cafe\u0301.md", "café"),
        ("A  b--c_d.e.md", "a-b--c_d.e"),
        ("🦊.md", "article-"),
        ("—.md", "article-"),
        (f"{'語' * 60}.md", "語" * 33),
    ],
)
def test_a_file_of_any_name_has_an_id(tmp_path: Path, name: str, identifier: str) -> None:
    """It can be read where the name has letters or digits, fits the name of a file, and is the same the next time."""
    path = written(tmp_path, name, "Text.")
    found = read_article(path).id
    assert found.startswith(identifier)
    assert identifier == "article-" or found.rstrip("ς") == identifier.rstrip("ς")
    assert (read_article(path).id, len(found.encode()) <= 100) == (found, True)


def test_names_of_signs_have_different_ids(tmp_path: Path) -> None:
    """Nothing of them can be read, and none takes the place of another."""
    for name in ("🦊.md", "🐻.md", "—.md", "!.md"):
        written(tmp_path, name, "Text.")
    corpus = read_corpus(tmp_path)
    assert (len({article.id for article in corpus.articles}), corpus.problems) == (4, ())


def test_a_file_without_title_is_titled_by_its_name(tmp_path: Path) -> None:
    """The title is then marked as the file's name."""
    article = read_article(written(tmp_path, "flood-report.txt", "Water rose."))
    assert (article.id, article.title, article.title_by) == ("flood-report", "flood-report", "the file name")


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("title: Mayor: bridge stays closed", "Mayor: bridge stays closed"),
        ('title: "Closed": mayor on the bridge', '"Closed": mayor on the bridge'),
        ("title: 'Closed' or not: the mayor’s list #3", "'Closed' or not: the mayor’s list #3"),
        ("title: What now:", "What now:"),
        ("title: @mayor, & *others*", "@mayor, & *others*"),
        ("title: Yes", "Yes"),
        ("title: 2018", "2018"),
        ('title: "Quoted: as a whole"', "Quoted: as a whole"),
        ("title: 'The mayor''s bridge'", "The mayor's bridge"),
        ("title: Over two\n  lines", "Over two lines"),
        ("title: >\n  Folded: over\n  lines", "Folded: over lines"),
        (r"title: A back\slash: kept", r"A back\slash: kept"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["Unix", "Windows"])
def test_a_title_is_taken_as_it_stands(tmp_path: Path, line: str, title: str, end: str) -> None:
    """Colons, number signs and words that mean something to YAML belong to the title; YAML's own forms still hold."""
    content = f"---\n{line}\nsource: Wire: news\ndate: 2020-02-29\n---\nText.".replace("\n", end)
    article = read_article(written(tmp_path, "a.md", content))
    assert (article.title, article.source, article.date) == (title, "Wire: news", datetime.date(2020, 2, 29))


@pytest.mark.parametrize(
    "other",
    [
        "author: A. Writer\ntags: [bridge, river]\nlayout:\n  wide: true",
        "author: Kim: Lee\ntags: [a, b",
        "tags:\n  - a: b: c\n\n  title: Not this\n@: %",
    ],
)
def test_keys_of_other_programs_do_not_matter(tmp_path: Path, other: str) -> None:
    """A file keeps its place whatever else stands in its front matter, nested or not, and valid or not."""
    head = f"{other}\ntitle: The bridge\nid: bridge"
    article = read_article(written(tmp_path, "a.md", f"---\n{head}\n---\nText."))
    assert (article.id, article.title, article.text) == ("bridge", "The bridge", "Text.")


def test_rules_inside_the_text_stay(tmp_path: Path) -> None:
    """Lines of dashes below the first line are the article's own."""
    text = "First part.\n\n---\n\nSecond part.\n\n---\n\nThird part."
    assert read_article(written(tmp_path, "a.md", text)).text == text


def test_an_address_that_could_run_code_is_dropped(tmp_path: Path) -> None:
    """Only http and https addresses become links."""
    assert read_article(written(tmp_path, "a.md", "---\nurl: javascript:alert(1)\n---\nText.")).url == ""


# What stands above the text


@pytest.mark.parametrize(
    ("name", "content", "title", "text"),
    [
        ("a.md", "# The *bridge*\n\nIt is shut.", "The bridge", "It is shut."),
        ("a.md", "The bridge\n===\nIt is shut.", "The bridge", "It is shut."),
        ("a.md", "---\ntitle: The Bridge\n---\n# The bridge.\nIt is shut.", "The Bridge", "It is shut."),
        ("a.md", "---\ntitle: The Bridge\n---\n**The bridge**\n\nIt is shut.", "The Bridge", "It is shut."),
        ("a.txt", "---\ntitle: The Bridge\n---\nThe bridge\nIt is shut.", "The Bridge", "It is shut."),
        ("a.md", "---\ntitle: Other\n---\n# The bridge\n\nIt is shut.", "Other", "The bridge\n\nIt is shut."),
        ("a.md", "## The bridge\n\nIt is shut.", "a", "The bridge\n\nIt is shut."),
        ("a.md", "It is shut.\n\n# The bridge\n\nIt opens.", "a", "It is shut.\n\nThe bridge\n\nIt opens."),
        ("a.txt", "# The bridge\n\nIt is *shut*.", "a", "# The bridge\n\nIt is *shut*."),
        ("a.md", "---\ntitle: It is shut\n---\nIt is shut.", "It is shut", "It is shut."),
    ],
)
def test_a_title_is_not_repeated_in_the_text(tmp_path: Path, name: str, content: str, title: str, text: str) -> None:
    """A heading at the top of Markdown is the title where nothing else is; a first line that is the title goes."""
    article = read_article(written(tmp_path, name, content))
    assert (article.title, article.text) == (title, text)
    assert article.title_by == ("the file name" if title == "a" else "")


def test_headings_keep_their_places(tmp_path: Path) -> None:
    """Each begins where the article says, whatever was taken from above it."""
    content = "---\ntitle: One\n---\n# One\n\nText *a*.\n\n## Who pays:\n\ncafe\u0301\n\n### The vote.\nIt was close."
    article = read_article(written(tmp_path, "a.md", content))
    assert article.text == "Text a.\n\nWho pays:\n\ncafé\n\nThe vote.\n\nIt was close."
    assert [article.text[start:].split("\n")[0] for start in sorted(article.headings)] == ["Who pays:", "The vote."]
    assert [passage.text for passage in passages(article)] == ["Text a.", "It was close."]


@given(st.lists(st.text(st.sampled_from("Ab9 .,:;’“”—–()]!?%$é\t\n"), max_size=30)).map("\n".join))
def test_markdown_without_marks_is_kept_to_the_last_space(text: str) -> None:
    """Its line ends, indents and blank lines are its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), "a.md", f"---\nid: a\n---\nA plain article.\n{text}")
        assert read_article(path).text == f"A plain article.\n{text}".strip()


def test_html_gives_the_article_without_its_page(tmp_path: Path) -> None:
    """Of an HTML file only the article's paragraphs are read, with its title, date, source and address."""
    article = read_article(written(tmp_path, "bridge.html", PAGE))
    assert article.text.startswith("The town council voted on Tuesday")
    assert "“It will cost nine million,” said the mayor, Ada Brook, after the meeting, & added" in article.text
    assert not any(word in article.text for word in ("Sport", "alert", "Terms", "<"))
    assert (article.title, article.date, article.source, article.url) == (
        "Council votes on bridge",
        datetime.date(2021, 3, 4),
        "The Valley Post",
        "https://example.org/council-bridge",
    )
    assert "winter of 2019.\n\n“It will cost" in article.text


PROSE = (
    "The town council voted on Tuesday to rebuild the old bridge over the river, which has been closed since 1998.",
    "“It will cost nine million,” said the mayor, Ada Brook, after the meeting, and she added that work starts in May.",
)
TEXT = "".join(f"<p>{sentence}</p>" for sentence in PROSE)


def page(head: str = "", before: str = "", after: str = "", text: str = TEXT) -> str:
    """Return a page with something in its head, and something before and after the paragraphs of its article."""
    return (
        f"<!doctype html><html><head><title>Council votes on bridge</title>{head}</head><body>"
        f"<article><h1>Council votes on bridge</h1>{before}{text}{after}</article></body></html>"
    )


def data(thing: object) -> str:
    """Return JSON-LD for the head of a page."""
    return f'<script type="application/ld+json">{json.dumps(thing)}</script>'


STATED = {
    "meta": page('<meta property="article:published_time" content="2021-03-04T23:30:00-05:00">'),
    "meta by another name": page('<meta name="pubdate" content="20210304">'),
    "meta with slashes": page('<meta name="citation_publication_date" content="2021/03/04">'),
    "meta in words": page('<meta name="date" content="March 4, 2021">'),
    "meta beside a looser one": page(
        '<meta name="date" content="2022-05-06"><meta property="article:published_time" content="2021-03-04">'
    ),
    "JSON-LD": page(
        data({"@type": "NewsArticle", "datePublished": "2021-03-04T10:00:00Z", "dateModified": "2022-05-06"})
    ),
    "JSON-LD with a graph": page(
        data({"@graph": [{"@type": ["WebPage", "FAQPage"], "datePublished": "2021-03-04"}, {"@type": "Organization"}]})
    ),
    "JSON-LD beside others' dates": page(
        data(
            [
                {"@type": "VideoObject", "datePublished": "2019-01-02"},
                {
                    "@type": "https://schema.org/ReportageNewsArticle",
                    "datePublished": "2021-03-04",
                    "comment": [{"@type": "Comment", "datePublished": "2020-01-02"}],
                    "hasPart": {"@type": "Article", "datePublished": "2018-01-02"},
                },
            ]
        )
    ),
    "time": page(before='<div class="byline">By A. Writer <time datetime="2021-03-04T10:00">4 March</time></div>'),
    "time in words": page(before="<time>4 March 2021, 10:30 a.m.</time>"),
    "time in the header": page(before='<header><p><time datetime="2021-03-04">4 March</time></p></header>'),
    "time that is marked": page(
        before='<p>By A. Writer, <time class="entry-date published" datetime="2021-03-04">4</time></p>'
    ),
    "time with that of a change": page(
        before='<time datetime="2021-03-04"></time><time class="updated" datetime="2022-05-06"></time>'
    ),
    "microdata": page(before='<p>By A. Writer <meta itemprop="datePublished" content="2021-03-04"></p>'),
}
NOT_STATED = {
    "prose": page(),
    "copyright": page(after="<footer>© 2021 The Valley Post. Copyright 2019-2021. All rights reserved.</footer>"),
    "copyright in the head": page(
        '<meta name="copyright" content="2021"><meta itemprop="copyrightYear" content="2021">'
    ),
    "address": page('<link rel="canonical" href="https://example.org/2021/03/04/council-bridge">'),
    "address of an image": page('<meta property="og:image" content="https://example.org/2021/03/04/x.jpg">'),
    "month": page('<meta property="article:published_time" content="2021-03"><meta name="date" content="March 2021">'),
    "no day at all": page('<meta name="date" content="2021-02-30"><meta name="pubdate" content="yesterday">'),
    "change": page(
        '<meta property="article:modified_time" content="2021-03-04"><meta name="last-modified" content="2021-03-04">'
    ),
    "text": page(before="<div class='date'>4 March 2021</div>"),
    "time in prose": page(text=f"<p>On <time datetime='2001-09-11'>that day</time> it was open.</p><p>{PROSE[1]}</p>"),
    "time of a teaser": page(
        after="<aside><time datetime='2021-03-04'></time></aside><ul><li><time datetime='2020-01-02'></time></li></ul>"
    ),
    "time of a comment": page(after="<article><p>Good.</p><time pubdate datetime='2021-03-04'></time></article>"),
    "time of day": page(before="<time datetime='10:30'>10:30</time>"),
    "numbers in either order": page('<meta name="date" content="03/04/2021">'),
    "several times": page(before="<time datetime='2021-03-04'></time><time datetime='2020-01-02'></time>"),
    "time outside": page().replace("</body>", "<div><time datetime='2021-03-04'></time></div></body>"),
    "data of others": page(data({"@type": "VideoObject", "datePublished": "2021-03-04", "uploadDate": "2021-03-04"})),
    "broken data": page('<script type="application/ld+json">{"@type": "NewsArticle", "datePublished": "2021</script>'),
    "odd data": page(data([None, 1, {"@type": None, "@graph": 3}, {"@type": "Article", "datePublished": 20210304}])),
}


@pytest.mark.parametrize("content", STATED.values(), ids=STATED.keys())
def test_a_date_that_a_page_states_is_read(tmp_path: Path, content: str) -> None:
    """The day of publication is taken from the head, from data for machines or from a mark of the article."""
    assert read_article(written(tmp_path, "a.html", content)).date == datetime.date(2021, 3, 4)


@pytest.mark.parametrize("content", NOT_STATED.values(), ids=NOT_STATED.keys())
def test_no_date_is_made_up(tmp_path: Path, content: str) -> None:
    """What a page does not state as its own date is none, whatever years, addresses and other dates are in it."""
    article = read_article(written(tmp_path, "a.html", content))
    assert article.date is None
    assert source_line(article) == "Council votes on bridge"


TRAFFIC = "<tr><th>Year</th><th>Cars a <b>d</b>ay</th></tr><tr><td>2017</td><td>4,<i>100</i></td></tr>"
TABLES = {
    "head": f"<table>{TRAFFIC}</table>",
    "parts": "<table><thead><tr><td>Year</td></tr></thead><tbody><tr><td>2017</td></tr></tbody></table>",
    "caption": f"<table><caption>Traffic on the bridge</caption>{TRAFFIC}</table>",
    "list in a cell": "<table><tr><th>Who</th></tr><tr><td><ul><li>Ada</li><li>Bob<br>Cy</li></ul></td></tr></table>",
    "paragraphs in a cell": "<table><tr><th>Who</th><td><p>Ada</p><p>Brook</p></td></tr></table>",
    "links": "<table><tr><td><a href='/a'>Adams</a></td><td><a href='/b'>5,250</a></td></tr></table>",
    "empty cells": "<table><tr><td></td><th colspan='2'>Cars</th></tr><tr><td>1</td><td></td><td>4</td></tr></table>",
    "figure": f"<figure><table>{TRAFFIC}</table></figure>",
    "table in a cell": "<table><tr><th>Both<table><tr><td>in one</td></tr></table></th><td>Right</td></tr></table>",
    "two": f"<table>{TRAFFIC}</table><p>{PROSE[1]} Then.</p><table><tr><td>Dogs</td><td>17</td></tr></table>",
}


def visible_words(markup: str) -> list[str]:
    """Return the words of some HTML in order."""
    spaced = re.sub(r"</?(?:td|th|tr|p|li|br|caption|table)[^>]*>", " ", markup)
    return re.findall(r"[\w,]+", re.sub(r"<[^>]+>", "", spaced))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_a_table_keeps_its_words(tmp_path: Path, table: str) -> None:
    """Every word of a table is in the text, in order, between the paragraphs that stand around it."""
    content = page(text=f"<p>{PROSE[0]}</p>{table}<p>{PROSE[1]}</p>")
    text = read_article(written(tmp_path, "a.html", content)).text
    between = text[text.index(PROSE[0]) + len(PROSE[0]) : text.rindex(PROSE[1])]
    assert re.findall(r"[\w,]+", between) == visible_words(table)


def test_a_table_is_one_paragraph_with_a_line_for_each_row(tmp_path: Path) -> None:
    """A figure stays beside its heading when the text is cut into passages."""
    content = page(text=f"<p>{PROSE[0]}</p><table>{TRAFFIC}</table><p>{PROSE[1]}</p>")
    text = read_article(written(tmp_path, "a.html", content)).text
    assert text.endswith(f"{PROSE[0]}\n\nYear | Cars a day\n2017 | 4,100\n\n{PROSE[1]}")


@pytest.mark.parametrize(
    ("head", "top"),
    [
        ("", "<h1>Council votes on bridge</h1>"),
        ("", "<h1>Council\n votes <em>on</em><br>bridge</h1>"),
        ("", "<header><h1><a href='/a'>Council votes on bridge</a></h1></header>"),
        ("", "<h2>Council votes on bridge</h2>"),
        (
            '<meta property="og:title" content="Council votes on bridge | The Valley Post">',
            "<h1>Council votes on bridge</h1>",
        ),
        ('<meta property="og:title" content="COUNCIL votes on “bridge”">', "<h1>Council votes on bridge</h1>"),
    ],
)
def test_a_page_does_not_repeat_its_title(tmp_path: Path, head: str, top: str) -> None:
    """The heading above its text is the title that is shown already."""
    content = page(head, text=TEXT).replace("<h1>Council votes on bridge</h1>", top)
    article = read_article(written(tmp_path, "a.html", content))
    assert article.title.casefold().startswith("council votes on")
    assert article.text == "\n\n".join(PROSE)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>All 10<sup>6</sup> trees</p>", "All 10⁶ trees"),
        ("<p>CO<sub>2</sub> of 10<sup>−26</sup> said<sup><a href='#n'>1</a></sup> the</p>", "CO₂ of 10⁻²⁶ said¹ the"),
        ("<p>The 1<sup>st</sup> of x<sup>n+1</sup></p>", "The 1st of xn+1"),
        ("<table><tr><th>Area</th><td>5 km<sup>2</sup><del>6</del></td></tr></table>", "Area | 5 km²"),
        ("<h2>The 10<sup>6</sup> trees</h2>", "The 10⁶ trees"),
        ("<p>It fell <del>by <b>half</b></del> by <s>one</s> <strike>two</strike> three</p>", "It fell by three"),
    ],
)
def test_raised_digits_and_withdrawn_words(tmp_path: Path, markup: str, text: str) -> None:
    """A power or a formula is no other number, and what was struck is not stated."""
    content = page(text=f"<p>{PROSE[0]}</p>{markup}<p>{PROSE[1]}</p>")
    article = read_article(written(tmp_path, "a.html", content))
    assert article.text == f"{PROSE[0]}\n\n{text}\n\n{PROSE[1]}"


@pytest.mark.parametrize("inner", ["div", "section", "p", "blockquote", "ul"])
@pytest.mark.parametrize("outer", ["p", "div", "blockquote", "section"])
def test_the_edge_of_a_block_separates_words(tmp_path: Path, outer: str, inner: str) -> None:
    """Words before, in and behind a block inside others are not joined."""
    markup = f"<{outer}>The organizers said<{inner}>It was long</{inner}>then they left</{outer}>"
    content = page(text=f"<p>{PROSE[0]}</p>{markup}<p>{PROSE[1]}</p>")
    text = read_article(written(tmp_path, "a.html", content)).text
    assert not re.search(r"saidIt|longthen", text)


@pytest.mark.parametrize(
    "markup", ["<p hidden>None sees it.</p>", "<div hidden=''><p>No</p></div>", "<template><p>No</p></template>"]
)
def test_hidden_words_are_left_out(tmp_path: Path, markup: str) -> None:
    """What a page holds and does not show is no part of its article."""
    content = page(text=f"<p>{PROSE[0]}</p>{markup}<p>{PROSE[1]}</p>")
    assert read_article(written(tmp_path, "a.html", content)).text == "\n\n".join(PROSE)


def test_headings_of_a_page_are_no_passages(tmp_path: Path) -> None:
    """Whatever mark they end with."""
    content = page(text=f"<h2>What we <em>know</em>:</h2><p>{PROSE[0]}</p><h3>The vote.</h3><p>{PROSE[1]}</p>")
    article = read_article(written(tmp_path, "a.html", content))
    assert article.text == f"What we know:\n\n{PROSE[0]}\n\nThe vote.\n\n{PROSE[1]}"
    assert [passage.text for passage in passages(article)] == list(PROSE)


@pytest.mark.parametrize(
    "cell",
    [
        f"<h1>Council votes on bridge</h1><p>{PROSE[0]}</p><table>{TRAFFIC}</table><p>{PROSE[1]}</p>",
        f"<p>{PROSE[0]}</p><p>{PROSE[1]}</p>",
        f"<font>{PROSE[0]}<br>\n<br>{PROSE[1]}</font>",
        f"<table><tr><td><p>{PROSE[0]}</p><p>{PROSE[1]}</p></td></tr></table>",
    ],
    ids=["heading", "paragraphs", "breaks", "nested"],
)
def test_a_table_that_lays_out_the_page_is_no_table(tmp_path: Path, cell: str) -> None:
    """The article in its cell keeps its paragraphs."""
    links = "<a href='/'>Home</a><br><a href='/sport'>Sport</a>"
    content = f"<html><title>Council</title><body><table><tr><td>{links}</td><td>{cell}</td></tr></table></body></html>"
    paragraphs = read_article(written(tmp_path, "a.html", content)).text.split("\n\n")
    assert [each for each in paragraphs if each in PROSE] == list(PROSE)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.pdf", "text", "its type is not one of .md, .markdown, .txt, .html, .htm"),
        ("a.md", "", "it holds no text"),
        ("a.md", " \n\u200b\n", "it holds no text"),
        ("a.md", "---\ntitle: only a head\n---\n", "it holds no text"),
        ("a.txt", b"caf\xe9", "it is not valid UTF-8: save it as UTF-8"),
        ("a.txt", b"\xff\xfea", "it is not valid UTF-16: save it as UTF-8"),
        ("a.txt", b"GIF89a\x00\x00", "it is a binary file"),
        ("a.md", "---\ntitle: [\n---\nText.", "its front matter is not valid YAML in line 3"),
        ("a.md", "---\nby: A: B\ntags:\n  - c: d: e\nid: a: b\n---\nText.", "not valid YAML in line 5"),
        (
            "a.md",
            '---\ntitle: "Go": the mayor says "no"\n---\nText.',
            "put what stands after the colon in quotation marks",
        ),
        ("a.md", "---\ntitle: " + "[" * 5000 + "\n---\nText.", "its front matter is not valid YAML"),
        ("a.md", "---\ntitle: [a, b]\n---\nText.", "its title is not a single value"),
        ("a.md", "+++\ntitle = The bridge\n+++\nText.", "its front matter is not valid TOML"),
        ("a.md", "+++\ntitle = Bridge\n+++\nText.", "put words after an equals sign in quotation marks"),
        ("a.md", "+++\ntitle = 'A'\n\nText.", "it begins with a line of plus signs that opens a front matter"),
        ("a.md", "---\n\nA rule, not a head.\n\n---\n\nText.", "there is no front matter"),
        ("a.md", "---\nA rule, and no other.", "none closes it"),
        ("a.html", "<html><body></body></html>", "no article text was found in the HTML"),
        ("a.html", b"\x00\x01\x02\x03", "no article text was found in the HTML"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, name: str, content: str | bytes, expected: str
) -> None:
    """Each defect has its own words, and none stops the reading."""
    written(tmp_path, name, content)
    assert expected in reason(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """The limit holds before the content is looked at."""
    with written(tmp_path, "a.txt", "x").open("r+b") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert reason(tmp_path) == "it is larger than 20 MB"


# Folders


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    """The good files are read in the order of their names, the bad one is named."""
    written(tmp_path, "b.md", "Second.")
    written(tmp_path, "a.txt", "First.")
    written(tmp_path, "broken.txt", b"\xff")
    for name in (".hidden.md", "~$draft.md", "draft.md~"):
        written(tmp_path, name, "Not read.")
    (tmp_path / "folder").mkdir()
    corpus = read_corpus(tmp_path)
    assert [article.text for article in corpus.articles] == ["First.", "Second."]
    assert [problem.file for problem in corpus.problems] == ["broken.txt"]


def test_an_id_is_given_once(tmp_path: Path) -> None:
    """Of two files with one id the first is kept and the second is named."""
    written(tmp_path, "a.md", "---\nid: same\n---\nFirst.")
    written(tmp_path, "b.md", "---\nid: same\n---\nSecond.")
    corpus = read_corpus(tmp_path)
    assert [article.text for article in corpus.articles] == ["First."]
    assert "its id 'same' is taken by another file" in corpus.problems[0].reason


@pytest.mark.parametrize(
    ("heads", "beside"),
    [
        (["date: 2020-01-02\nsource: Wire", "date: 2021-03-04\nsource: Wire"], ["2 January 2020", "4 March 2021"]),
        (["date: 2020-01-02", "source: Wire"], ["2 January 2020", ""]),
        (["source: Wire", "source: The Valley Post"], ["Wire", "The Valley Post"]),
        (["source: Wire", "source: Wire"], ["0.md", "1.md"]),
        (["source: Wire", "date:"], ["0.md", "1.md"]),
        (["date: 2020-01-02\nsource: Wire"] * 2, ["2 January 2020, 0.md", "2 January 2020, 1.md"]),
        (["date:", "date:", "date: 2020-01-02"], ["0.md", "1.md", "2 January 2020"]),
    ],
)
def test_articles_of_one_title_are_told_apart(tmp_path: Path, heads: list[str], beside: list[str]) -> None:
    """By their dates, or else by their sources, or else by their files: in a line, in a link and above the text."""
    for number, (head, title) in enumerate(zip(heads, ("The bridge", "The  Bridge", "The bridge"), strict=False)):
        written(tmp_path, f"{number}.md", f"---\ntitle: {title}\n{head}\n---\nText {number}.")
    articles = read_corpus(tmp_path).articles
    assert [source_line(each)[len(each.title) :].removeprefix(", ") for each in articles] == beside
    for one, other in combinations(articles, 2):
        assert article_title_link(one).split("</a>")[1] != article_title_link(other).split("</a>")[1]
        assert article_header(one, 1) != article_header(other, 1)


def test_an_article_with_a_title_of_its_own_needs_nothing_beside_it(tmp_path: Path) -> None:
    """Its source is shown where it always is, and its file nowhere."""
    written(tmp_path, "a.md", "---\ntitle: One\nsource: Wire\n---\nText.")
    written(tmp_path, "b.md", "---\ntitle: Two\nsource: Wire\n---\nText.")
    assert [source_line(each) for each in read_corpus(tmp_path).articles] == ["One", "Two"]


def test_a_missing_folder_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    """The folder itself is then what is named."""
    corpus = read_corpus(tmp_path / "nowhere")
    assert corpus.articles == ()
    assert corpus.problems[0].reason == "there is no such folder"
