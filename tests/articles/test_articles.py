"""Reading article files: what becomes of their text, their front matter, and of files that cannot be used."""

import datetime
import json
import re
import tempfile
import unicodedata
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assistant.articles.passages import passages
from assistant.articles.reading import MAX_FILE_BYTES, Corpus, normalise, read_corpus, read_file
from assistant.markup import article_header, article_list
from assistant.rendering import source_line
from assistant.settings import PROJECT
from assistant.types import Article

Read = Callable[[str, str | bytes], Article]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that reads the article of a file with this name and content."""
    return lambda name, content: read_file(written(tmp_path, name, content))[0]


def reason(folder: Path) -> str:
    """Return why the only file of the folder was skipped."""
    corpus = read_corpus(folder)
    assert corpus.articles == ()
    (problem,) = corpus.problems
    assert problem.skipped
    return problem.reason


def test_shipped_article_keeps_the_words_of_the_file(article: Article) -> None:
    """The text is what follows the front matter, unchanged; its title is marked as ours, for the source has none."""
    content = (PROJECT / "corpus" / "articles" / "2018-10-18-philadelphia-ice.md").read_text(encoding="utf-8")
    assert content.split("\n---\n", 1)[1].strip() == article.text
    assert article.text.startswith("ICE officials said they were unaware")
    assert article.text.endswith("Other cases were diverted into addiction rehab programs.")
    known = (article.id, article.date, article.title_by)
    assert known == ("2018-10-18-philadelphia-ice", datetime.date(2018, 10, 18), "the editors of this page")


# Normalisation


@given(st.text())
def test_normalised_text_hides_nothing(text: str) -> None:
    """No control, bidirectional, zero-width or tag character and no half of a pair; doing it again changes nothing."""
    found = normalise(text)
    left = {c for c in found if unicodedata.category(c) in ("Cc", "Cs") or c in "\u200b\u202e\ufeff\u2066"}
    assert left <= {"\n", "\t"}
    assert normalise(found) == found


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("one\x0btwo\x85three\u2028four", "one\ntwo\nthree\nfour"),
        ("end of page\x0cnext page", "end of page\n\nnext page"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("pay\u200bment soft\u00adware \ufeffmark", "payment software mark"),
        ("abc \u202edcba\u202c say\U000e0049\U000e0047 this", "abc dcba say this"),
        ("bell\x07 and \x1b[31mred\x1b[0m", "bell and [31mred[0m"),
        ("5½ to 11 — “quoted”\t…", "5½ to 11 — “quoted”\t…"),
        (PLAIN := "".join(map(chr, range(32, 127))), PLAIN),
    ],
)
def test_normalise(raw: str, clean: str) -> None:
    """Words that a line or page break kept apart stay apart, and what is invisible goes."""
    assert normalise(raw) == clean


# Front matter


@pytest.mark.parametrize("date", ["2020-02-29", "2020-02-29T23:00:00-05:00", '"Saturday, February 29, 2020"'])
def test_front_matter_is_read(read: Read, date: str) -> None:
    """Every key of YAML or TOML reaches the article, and none of it the text; a day may be a moment or in words."""
    words = {"id": "My Id", "title": "A title", "title_by": "us", "source": "Wire", "url": "https://example.org/a"}
    yaml = "".join(f"{key}: {value}\n" for key, value in words.items())
    toml = "".join(f'{key} = "{value}"\r\n' for key, value in words.items())
    for head in (f"---\n{yaml}date: {date}\n---\n\n", f'+++\r\n{toml}date = {date}\r\ntags = ["a"]\r\n+++\r\n\r\n'):
        assert read("file.md", f"{head}The text.\n") == Article(
            id="my-id",
            text="The text.",
            title="A title",
            title_by="us",
            date=datetime.date(2020, 2, 29),
            source="Wire",
            url="https://example.org/a",
        )


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("статья.md", "статья"),
        ("新聞 2025-03-27.txt", "新聞-2025-03-27"),
        ("हिन्दी समाचार.md", "हिन्दी-समाचार"),
        ("ΟΔΟΣ (2).md", "οδος-2"),
        ("cafe\u0301.md", "café"),
        ("A  b--c_d.e.md", "a-b--c_d.e"),
        (f"{'語' * 60}.md", "語" * 33),
    ],
)
def test_a_file_of_any_name_has_an_id(read: Read, name: str, identifier: str) -> None:
    """It can be read where the name has letters or digits, and fits the name of a file."""
    found = read(name, "Text.").id
    assert found.rstrip("ς") == identifier.rstrip("ς")
    assert len(found.encode()) <= 100


def test_names_of_signs_have_different_ids(tmp_path: Path) -> None:
    """Nothing of them can be read, none takes the place of another, and each is the same the next time."""
    for name in ("🦊.md", "🐻.md", "—.md", "!.md"):
        written(tmp_path, name, "Text.")
    corpus = read_corpus(tmp_path)
    assert (len({article.id for article in corpus.articles}), corpus.problems) == (4, ())
    assert all(article.id.startswith("article-") for article in corpus.articles)
    assert read_corpus(tmp_path) == corpus


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
def test_a_title_is_taken_as_it_stands(read: Read, line: str, title: str) -> None:
    """Colons, number signs and words that mean something to YAML belong to the title; YAML's own forms still hold."""
    for end in ("\n", "\r\n"):
        article = read("a.md", f"---\n{line}\nsource: Wire: news\ndate: 2020-02-29\n---\nText.".replace("\n", end))
        assert (article.title, article.source, article.date) == (title, "Wire: news", datetime.date(2020, 2, 29))


@pytest.mark.parametrize(
    "other",
    [
        "author: A. Writer\ntags: [bridge, river]\nlayout:\n  wide: true",
        "author: Kim: Lee\ntags: [a, b",
        "tags:\n  - a: b: c\n\n  title: Not this\n@: %",
    ],
)
def test_keys_of_other_programs_do_not_matter(read: Read, other: str) -> None:
    """A file keeps its place whatever else stands in its front matter, nested or not, and valid or not."""
    article = read("a.md", f"---\n{other}\ntitle: The bridge\nid: bridge\n---\nText.")
    assert (article.id, article.title, article.text) == ("bridge", "The bridge", "Text.")


def test_an_address_that_could_run_code_is_dropped(read: Read) -> None:
    """Only http and https addresses become links."""
    assert read("a.md", "---\nurl: javascript:alert(1)\n---\nText.").url == ""


# What stands above the text, and in it


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
        *(("a.txt", "“5½”\r\n\r\nEnd.".encode(code), "a", "“5½”\n\nEnd.") for code in ("utf-8", "utf-8-sig", "utf-16")),
        ("a.md", "First.\n\n---\n\nSecond.\n\n---\n\nThird.", "a", "First.\n\n---\n\nSecond.\n\n---\n\nThird."),
    ],
)
def test_a_title_is_not_repeated_in_the_text(
    read: Read, name: str, content: str | bytes, title: str, text: str
) -> None:
    """A heading at the top of Markdown is the title where nothing else is; a first line that is the title goes.

    A file without a title is titled by its name; its encoding changes nothing.
    """
    article = read(name, content)
    assert (article.title, article.text) == (title, text)
    assert article.title_by == ("the file name" if title == "a" else "")


def test_headings_keep_their_places(read: Read) -> None:
    """Each begins where the article says, whatever was taken from above it."""
    content = "---\ntitle: One\n---\n# One\n\nText *a*.\n\n## Who pays:\n\ncafe\u0301\n\n### The vote.\nIt was close."
    article = read("a.md", content)
    assert article.text == "Text a.\n\nWho pays:\n\ncafé\n\nThe vote.\n\nIt was close."
    assert [article.text[start:].split("\n")[0] for start in sorted(article.headings)] == ["Who pays:", "The vote."]
    assert [passage.text for passage in passages(article)] == ["Text a.", "It was close."]


@given(st.lists(st.text(st.sampled_from("Ab9 .,:;’“”—–()]!?%$é\t\n"), max_size=30)).map("\n".join))
@example("\n9.")
def test_markdown_without_marks_is_kept_to_the_last_space(text: str) -> None:
    """Its line ends, indents and blank lines are its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), "a.md", f"---\nid: a\n---\nA plain article.\n{text}")
        assert read_file(path)[0].text == f"A plain article.\n{text}".strip()


# Pages

PROSE = (
    "The town council voted on Tuesday to rebuild the old bridge over the river, which has been closed since 1998.",
    "“It will cost nine million,” said the mayor, Ada Brook, after the meeting, & she added that work starts in May.",
)
TEXT = "".join(f"<p>{sentence.replace('&', '&amp;')}</p>" for sentence in PROSE)


def page(head: str = "", before: str = "", after: str = "", text: str = TEXT) -> str:
    """Return a page with something in its head, and something before and after the paragraphs of its article."""
    return (
        f"<!doctype html><html><head><title>Council votes on bridge</title>{head}</head><body>"
        f"<article><h1>Council votes on bridge</h1>{before}{text}{after}</article></body></html>"
    )


def around(markup: str) -> str:
    """Return a page with some markup between the paragraphs of its article."""
    return page(text=TEXT.replace("</p><p>", f"</p>{markup}<p>"))


def data(thing: object) -> str:
    """Return JSON-LD for the head of a page."""
    return f'<script type="application/ld+json">{json.dumps(thing)}</script>'


def test_html_gives_the_article_without_its_page(read: Read) -> None:
    """Of an HTML file only the article's paragraphs are read, with its title, source and address."""
    head = '<meta property="og:site_name" content="The Valley Post"><link rel="canonical" href="https://example.org/a">'
    content = page(head, after='<script>alert("never read this")</script>').replace(
        "<article>", '<nav><a href="/">Home</a> <a href="/sport">Sport</a></nav><article>'
    )
    article = read("a.html", content.replace("</body>", "<footer>Terms and conditions</footer></body>"))
    assert article.text == "\n\n".join(PROSE)
    assert (article.title, article.source, article.url) == (
        "Council votes on bridge",
        "The Valley Post",
        "https://example.org/a",
    )


STATED = [
    ("head", '<meta property="article:published_time" content="2021-03-04T23:30:00-05:00">'),
    ("head", '<meta name="pubdate" content="20210304">'),
    ("head", '<meta name="citation_publication_date" content="2021/03/04">'),
    ("head", '<meta name="date" content="March 4, 2021">'),
    # The clearest name counts.
    ("head", '<meta name="date" content="2022-05-06"><meta property="article:published_time" content="2021-03-04">'),
    ("head", data({"@type": "NewsArticle", "datePublished": "2021-03-04T10:00:00Z", "dateModified": "2022-05-06"})),
    (
        "head",
        data({"@graph": [{"@type": ["WebPage", "FAQPage"], "datePublished": "2021-03-04"}, {"@type": "Organization"}]}),
    ),
    # Dates of others stand beside it and in it.
    (
        "head",
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
        ),
    ),
    ("before", '<div class="byline">By A. Writer <time datetime="2021-03-04T10:00">4 March</time></div>'),
    ("before", "<time>4 March 2021, 10:30 a.m.</time>"),
    ("before", '<header><p><time datetime="2021-03-04">4 March</time></p></header>'),
    ("before", '<p>By A. Writer, <time class="entry-date published" datetime="2021-03-04">4</time></p>'),
    ("before", '<time datetime="2021-03-04"></time><time class="updated" datetime="2022-05-06"></time>'),
    ("before", '<p>By A. Writer <meta itemprop="datePublished" content="2021-03-04"></p>'),
]
NOT_STATED = [
    ("head", '<meta name="copyright" content="2021"><meta itemprop="copyrightYear" content="2021">'),
    ("after", "<footer>© 2021 The Valley Post. Copyright 2019-2021. All rights reserved.</footer>"),
    ("head", '<link rel="canonical" href="https://example.org/2021/03/04/council-bridge">'),
    ("head", '<meta property="og:image" content="https://example.org/2021/03/04/x.jpg">'),
    ("head", '<meta property="article:published_time" content="2021-03"><meta name="date" content="March 2021">'),
    ("head", '<meta name="date" content="2021-02-30"><meta name="pubdate" content="yesterday">'),
    (
        "head",
        '<meta property="article:modified_time" content="2021-03-04"><meta name="last-modified" content="2021-03-04">',
    ),
    ("head", '<meta name="date" content="03/04/2021">'),
    ("before", "<div class='date'>4 March 2021</div>"),
    ("before", "<p>On <time datetime='2001-09-11'>that day</time> it was open.</p>"),
    (
        "after",
        "<aside><time datetime='2021-03-04'></time></aside><ul><li><time datetime='2020-01-02'></time></li></ul>",
    ),
    # Of a comment, of a time of day, of two days, and what stands outside of the article.
    ("after", "<article><p>Good.</p><time pubdate datetime='2021-03-04'></time></article>"),
    ("before", "<time datetime='10:30'>10:30</time>"),
    ("before", "<time datetime='2021-03-04'></time><time datetime='2020-01-02'></time>"),
    ("after", "</article><div><time datetime='2021-03-04'></time></div><article>"),
    # Data of others, and data that are broken or odd.
    ("head", data({"@type": "VideoObject", "datePublished": "2021-03-04", "uploadDate": "2021-03-04"})),
    ("head", '<script type="application/ld+json">{"@type": "NewsArticle", "datePublished": "2021</script>'),
    ("head", data([None, 1, {"@type": None, "@graph": 3}, {"@type": "Article", "datePublished": 20210304}])),
]


@pytest.mark.parametrize(("place", "markup"), [*STATED, *NOT_STATED])
def test_a_date_is_read_where_a_page_states_it_as_its_own(read: Read, place: str, markup: str) -> None:
    """It is taken from the head, from data for machines or from a mark, and never from other years and dates."""
    article = read("a.html", page(**{place: markup}))
    assert article.date == (datetime.date(2021, 3, 4) if (place, markup) in STATED else None)
    assert source_line(article).startswith("Council votes on bridge")


TRAFFIC = "<tr><th>Year</th><th>Cars a <b>d</b>ay</th></tr><tr><td>2017</td><td>4,<i>100</i></td></tr>"


@pytest.mark.parametrize(
    "table",
    [
        "<table><thead><tr><td>Year</td></tr></thead><tbody><tr><td>2017</td></tr></tbody></table>",
        f"<table><caption>Traffic on the bridge</caption>{TRAFFIC}</table>",
        "<table><tr><th>Who</th></tr><tr><td><ul><li>Ada</li><li>Bob<br>Cy</li></ul></td></tr></table>",
        "<table><tr><th>Who</th><td><p>Ada</p><p>Brook</p></td></tr></table>",
        "<table><tr><td><a href='/a'>Adams</a></td><td><a href='/b'>5,250</a></td></tr></table>",
        "<table><tr><td></td><th colspan='2'>Cars</th></tr><tr><td>1</td><td></td><td>4</td></tr></table>",
        f"<figure><table>{TRAFFIC}</table></figure>",
        "<table><tr><th>Both<table><tr><td>in one</td></tr></table></th><td>Right</td></tr></table>",
        f"<table>{TRAFFIC}</table><p>{PROSE[0]} Then.</p><table><tr><td>Dogs</td><td>17</td></tr></table>",
    ],
)
def test_a_table_keeps_its_words(read: Read, table: str) -> None:
    """Every word of a table is in the text, in order, between the paragraphs that stand around it."""
    text = read("a.html", around(table)).text
    between = text[text.index(PROSE[0]) + len(PROSE[0]) : text.rindex(PROSE[1])]
    spaced = re.sub(r"</?(?:td|th|tr|p|li|br|caption|table)[^>]*>", " ", table)
    assert re.findall(r"[\w,]+", between) == re.findall(r"[\w,]+", re.sub(r"<[^>]+>", "", spaced))


@pytest.mark.parametrize(
    ("head", "top"),
    [
        ("", "<h1>Council\n votes <em>on</em><br>bridge</h1>"),
        ("", "<header><h1><a href='/a'>Council votes on bridge</a></h1></header>"),
        ("", "<h2>Council votes on bridge</h2>"),
        ('<meta property="og:title" content="Council votes on bridge | The Valley Post">', ""),
        ('<meta property="og:title" content="COUNCIL votes on “bridge”">', ""),
    ],
)
def test_a_page_does_not_repeat_its_title(read: Read, head: str, top: str) -> None:
    """The heading above its text is the title that is shown already."""
    heading = "<h1>Council votes on bridge</h1>"
    article = read("a.html", page(head).replace(heading, top or heading))
    assert article.title.casefold().startswith("council votes on")
    assert article.text == "\n\n".join(PROSE)


@pytest.mark.parametrize(
    ("markup", "shown"),
    [
        # A power or a formula is no other number, what was struck is not stated, and what is hidden is not seen.
        ("<p>CO<sub>2</sub> of 10<sup>−26</sup> said<sup><a href='#n'>1</a></sup> the</p>", "CO₂ of 10⁻²⁶ said¹ the"),
        ("<p>The 1<sup>st</sup> of x<sup>n+1</sup></p>", "The 1st of xn+1"),
        ("<table><tr><th>Area</th><td>5 km<sup>2</sup><del>6</del></td></tr></table>", "Area | 5 km²"),
        ("<h2>The 10<sup>6</sup> trees</h2>", "The 10⁶ trees"),
        ("<p>It fell <del>by <b>half</b></del> by <s>one</s> <strike>two</strike> three</p>", "It fell by three"),
        ("<p hidden>None sees it.</p><div hidden=''><p>No</p></div><template><p>No</p></template>", ""),
        # A table is one paragraph, so that a figure stays beside its heading.
        (f"<table>{TRAFFIC}</table>", "Year | Cars a day\n2017 | 4,100"),
        # Headings are no passages, whatever mark they end with.
        ("<h2>What we <em>know</em>:</h2><p>It is shut.</p><h3>The vote.</h3>", "What we know:|It is shut.|The vote."),
    ],
)
def test_the_words_of_a_page_are_what_readers_see(read: Read, markup: str, shown: str) -> None:
    """Paragraph by paragraph; a table has a line for each row."""
    article = read("a.html", around(markup))
    blocks = [block for block in (shown.split("|") if "<h3>" in markup else [shown]) if block]
    assert article.text == "\n\n".join([PROSE[0], *blocks, PROSE[1]])
    assert not {"What we know:", "The vote."} & {passage.text for passage in passages(article)}


@pytest.mark.parametrize("inner", ["div", "section", "p", "blockquote", "ul"])
@pytest.mark.parametrize("outer", ["p", "div", "blockquote", "section"])
def test_the_edge_of_a_block_separates_words(read: Read, outer: str, inner: str) -> None:
    """Words before, in and behind a block inside others are not joined."""
    markup = f"<{outer}>The organizers said<{inner}>It was long</{inner}>then they left</{outer}>"
    assert not re.search(r"saidIt|longthen", read("a.html", around(markup)).text)


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
def test_a_table_that_lays_out_the_page_is_no_table(read: Read, cell: str) -> None:
    """The article in its cell keeps its paragraphs."""
    links = "<a href='/'>Home</a><br><a href='/sport'>Sport</a>"
    content = f"<html><title>Council</title><body><table><tr><td>{links}</td><td>{cell}</td></tr></table></body></html>"
    assert [each for each in read("a.html", content).text.split("\n\n") if each in PROSE] == list(PROSE)


# Files and folders


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.md", "", "it holds no text"),
        ("a.md", " \n\u200b\n", "it holds no text"),
        ("a.md", "---\ntitle: only a head\n---\n", "it holds no text"),
        ("a.txt", b"caf\x81", "it is not valid UTF-8: save it as UTF-8"),
        (
            "a.txt",
            f"{'The mayor spoke. ' * 99}It’s over.".encode() + b"\xe9",
            "it is not valid UTF-8: save it as UTF-8",
        ),
        ("a.txt", b"\xff\xfea", "it is not valid UTF-16: save it as UTF-8"),
        ("a.txt", b"GIF89a\x00\x00", "it is a binary file"),
        ("a.md", "---\ntitle: [\n---\nText.", "its front matter is not valid YAML in line 3"),
        ("a.md", "---\nby: A: B\ntags:\n  - c: d: e\nid: a: b\n---\nText.", "not valid YAML in line 5"),
        ("a.md", '---\ntitle: "Go": he says "no"\n---\nText.', "put what stands after the colon in quotation marks"),
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


def test_a_file_of_windows_1252_is_read_and_named(tmp_path: Path) -> None:
    """Its words and its front matter count, and the problem says what to look at."""
    words = "“It’s £5”, said the café’s owner — nobody was hurt…"
    written(tmp_path, "a.md", f"---\ntitle: The café\n---\n{words}".encode("cp1252"))
    written(tmp_path, "b.md", f"---\nwithdrawn: true\n---\n{words}".encode("cp1252"))
    corpus = read_corpus(tmp_path)
    assert [(article.title, article.text) for article in corpus.articles] == [("The café", words)]
    (problem,) = corpus.problems
    assert (problem.file, problem.skipped) == ("a.md", False)
    assert "Windows-1252" in problem.reason


@pytest.mark.parametrize("code", ["koi8-r", "cp1251", "shift-jis", "gbk", "mac_cyrillic"])
def test_what_is_no_windows_1252_is_not_read_as_such(tmp_path: Path, code: str) -> None:
    """Words of other scripts are not shown as a row of accents."""
    words = {"shift-jis": "警察は誰も怪我をしなかったと発表した。", "gbk": "警察表示没有人受伤。"}
    written(tmp_path, "a.md", (words.get(code, "Полиция сообщила, что никто не пострадал. ") * 5).encode(code))
    assert "save it as UTF-8" in reason(tmp_path)


def test_bad_files_do_not_stop_the_others(tmp_path: Path) -> None:
    """The good files are read in the order of their names, and what is not read is named with the reason."""
    written(tmp_path, "b.md", "Second.")
    written(tmp_path, "a.txt", "First.")
    with written(tmp_path, "large.txt", "x").open("r+b") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    for name in (".hidden.md", "~$draft.md", "draft.md~"):
        written(tmp_path, name, "Not read.")
    corpus = read_corpus(tmp_path)
    assert [article.text for article in corpus.articles] == ["First.", "Second."]
    assert [str(problem) for problem in corpus.problems] == ["skipped large.txt: it is larger than 20 MB"]


def test_what_is_no_article_is_named_once_and_is_no_failure(tmp_path: Path) -> None:
    """One line for each type of file, since a folder of photos may lie beside the articles."""
    for name in ("a.md", "b.jpg", "c.JPG", "d.pdf", "e.jpg"):
        written(tmp_path, name, "Text.")
    corpus = read_corpus(tmp_path)
    assert [article.id for article in corpus.articles] == ["a"]
    types = "its type is not one of .md, .markdown, .txt, .html, .htm"
    assert [str(problem) for problem in corpus.problems] == [
        f"b.jpg: {types}, nor is that of 2 more of this type",
        f"d.pdf: {types}",
    ]


def folders(folder: Path, files: dict[str, str]) -> Corpus:
    """Write files, in folders where their names say so, and read them."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        written(folder, name, content)
    return read_corpus(folder)


def test_subfolders_are_read_and_the_path_is_part_of_the_id(tmp_path: Path) -> None:
    """At any depth, in the order of their paths; files of one name have different ids, and hidden folders are left."""
    files = {"ferry.md": "A", "2026/11/ferry.md": "B", "2026/12/Ferry.txt": "C", "2026/🦊.md": "D", ".git/x.md": "E"}
    corpus = folders(
        tmp_path, files | {"2026/11/bad.md": "", "2026/11/own.md": "---\nid: own\n---\nF", "~$x/y.md": "G"}
    )
    found = {article.id: article.text for article in corpus.articles}
    (sign,) = (identifier for identifier in found if "article-" in identifier)
    assert found == {"2026-11-ferry": "B", "own": "F", "2026-12-ferry": "C", sign: "D", "ferry": "A"}
    assert sign.startswith("2026-article-")
    assert [str(problem) for problem in corpus.problems] == ["skipped 2026/11/bad.md: it holds no text"]


def test_articles_of_one_title_in_several_folders_are_told_apart(tmp_path: Path) -> None:
    """By their paths, since their names may be the same."""
    corpus = folders(tmp_path, {"2025/a.md": "---\ntitle: A\n---\nOne.", "2026/a.md": "---\ntitle: A\n---\nTwo."})
    assert [article.told_apart_by for article in corpus.articles] == ["2025/a.md", "2026/a.md"]


@given(st.lists(st.sampled_from(["a/b", "a-b", "b", "a/a-b", "a/c", "A/B"]), unique=True, min_size=1))
def test_an_id_is_of_its_file_whatever_the_others_are(names: list[str]) -> None:
    """A file that comes or goes gives no other article a new id, under which an editor's rules would be lost."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = folders(Path(folder), {f"{name}.md": name for name in names})
    assert all(article.id == article.text.lower().replace("/", "-") for article in corpus.articles)
    assert {article.id for article in corpus.articles} == {name.lower().replace("/", "-") for name in names}


@pytest.mark.parametrize(
    ("files", "kept"),
    [
        ({"b.md": "Kept.", "b.txt": "No."}, "b.md"),
        ({"a.md": "---\nid: b\n---\nNo.", "b.md": "Kept."}, "b.md"),
        ({"b.md": "Kept.", "c.md": "---\nid: B\n---\nNo."}, "b.md"),
        ({"a.md": "---\nid: z\n---\nKept.", "b.md": "---\nid: z\n---\nNo."}, "a.md"),
        ({"a-b.md": "Kept.", "a/b.md": "No."}, "a-b.md"),
        ({"a.md": "---\nid: b\n---\nNo.", "b.html": "Kept.", "b.md": "Kept.", "c.md": "---\nid: b\n---\nNo."}, "b.md"),
    ],
)
def test_two_files_of_one_id_are_both_named(tmp_path: Path, files: dict[str, str], kept: str) -> None:
    """A name goes before an id that a file gives itself; whichever is served, each of the others is skipped."""
    corpus = folders(tmp_path, files)
    assert [article.text for article in corpus.articles] == ["Kept."]
    named = {problem.file: problem for problem in corpus.problems if "is that of" in problem.reason}
    assert named.keys() | {"b.html"} == files.keys() | {"b.html"}
    assert [file for file, problem in named.items() if not problem.skipped] == [kept]
    assert all(other in named[kept].reason for other in named.keys() - {kept})
    assert all(kept in problem.reason for problem in named.values() if problem.skipped)


@pytest.mark.parametrize("other", ["b.txt", "a.md"])
def test_a_withdrawn_article_does_not_come_back_from_another_file_of_its_id(tmp_path: Path, other: str) -> None:
    """The file that withdraws keeps the id, and the other one is named."""
    corpus = folders(tmp_path, {"b.md": "---\nwithdrawn: true\n---\nOld.", other: "---\nid: b\n---\nOld."})
    assert corpus.articles == ()
    assert [problem.file for problem in corpus.problems if problem.skipped] == [other]


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """Of a file and of a folder; one that leads nowhere is named too."""
    (tmp_path / "outside").mkdir()
    secret = written(tmp_path / "outside", "secret.md", "Secret.")
    inside = tmp_path / "articles"
    (inside / "2026").mkdir(parents=True)
    written(inside / "2026", "ferry.md", "Text.")
    (inside / "this-year").symlink_to(inside / "2026")
    (inside / "2026" / "up").symlink_to(inside)
    (inside / "secret.md").symlink_to(secret)
    (inside / "same.md").symlink_to(secret)
    (inside / "2026" / "more").symlink_to(tmp_path / "outside")
    (inside / "gone.md").symlink_to(inside / "none.md")
    (inside / "loop.md").symlink_to(inside / "loop.md")
    (tmp_path / "link").symlink_to(inside)
    for folder in (inside, tmp_path / "link"):
        corpus = read_corpus(folder)
        assert {article.id: article.text for article in corpus.articles} == {"2026-ferry": "Text."}
        named = {problem.file: problem.reason for problem in corpus.problems if problem.skipped}
        assert named.keys() == {"2026/more", "secret.md", "same.md", "gone.md", "loop.md"}
        leading_out = [file for file, reason in named.items() if "leads out of the folder" in reason]
        assert leading_out == ["2026/more", "same.md", "secret.md"]


def test_a_link_within_the_folder_makes_no_second_article(tmp_path: Path) -> None:
    """The file itself counts, wherever it stands; where it is hidden, the first of its links does."""
    inside = tmp_path / "articles"
    (inside / ".store").mkdir(parents=True)
    written(inside, "zoo.md", "Text.")
    written(inside / ".store", "hidden.md", "More.")
    for name, target in {"a.md": "zoo.md", "b.md": "a.md", "c.md": ".store/hidden.md", "d.md": "c.md"}.items():
        (inside / name).symlink_to(inside / target)
    (tmp_path / "link").symlink_to(inside)
    for folder in (inside, tmp_path / "link"):
        corpus = read_corpus(folder)
        assert {article.id: article.text for article in corpus.articles} == {"c": "More.", "zoo": "Text."}
        assert [str(problem) for problem in corpus.problems] == [
            "a.md: it is a link to zoo.md, which is read once",
            "b.md: it is a link to zoo.md, which is read once",
            "d.md: it is a link to c.md, which is read once",
        ]


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
    written(tmp_path, "other.md", "---\ntitle: Another\nsource: Wire\n---\nText.")
    *articles, other = read_corpus(tmp_path).articles
    assert source_line(other) == "Another"
    assert [source_line(each)[len(each.title) :].removeprefix(", ") for each in articles] == beside
    for one, another in combinations(articles, 2):
        assert article_list([one], 1).split("</a>")[1] != article_list([another], 1).split("</a>")[1]
        assert article_header(one, 1) != article_header(another, 1)


def test_a_missing_folder_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    """The folder itself is then what is named."""
    assert reason(tmp_path / "nowhere") == "there is no such folder"
