"""Reading article files: what becomes of their text, their front matter, and of files that cannot be used."""

from __future__ import annotations

import datetime
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.articles import MAX_FILE_BYTES, normalise, read_article, read_corpus
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


def test_a_file_without_title_is_titled_by_its_name(tmp_path: Path) -> None:
    """The title is then marked as the file's name."""
    article = read_article(written(tmp_path, "flood-report.txt", "Water rose."))
    assert (article.id, article.title, article.title_by) == ("flood-report", "flood-report", "the file name")


def test_rules_inside_the_text_stay(tmp_path: Path) -> None:
    """Lines of dashes below the first line are the article's own."""
    text = "First part.\n\n---\n\nSecond part.\n\n---\n\nThird part."
    assert read_article(written(tmp_path, "a.md", text)).text == text


def test_an_address_that_could_run_code_is_dropped(tmp_path: Path) -> None:
    """Only http and https addresses become links."""
    assert read_article(written(tmp_path, "a.md", "---\nurl: javascript:alert(1)\n---\nText.")).url == ""


def test_html_gives_the_article_without_its_page(tmp_path: Path) -> None:
    """Of an HTML file only the article's paragraphs are read, with its title, date, source and address."""
    article = read_article(written(tmp_path, "bridge.html", PAGE))
    assert "The town council voted on Tuesday" in article.text
    assert "“It will cost nine million,” said the mayor, Ada Brook, after the meeting, & added" in article.text
    assert not any(word in article.text for word in ("Sport", "alert", "Terms", "<"))
    assert (article.title, article.date, article.source, article.url) == (
        "Council votes on bridge",
        datetime.date(2021, 3, 4),
        "The Valley Post",
        "https://example.org/council-bridge",
    )
    assert "winter of 2019.\n\n“It will cost" in article.text


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
        ("a.md", "---\ntitle: [\n---\nText.", "its front matter is not valid YAML"),
        ("a.md", "---\ntitle: " + "[" * 5000 + "\n---\nText.", "its front matter is not valid YAML"),
        ("a.md", "---\ntitel: x\n---\nText.", "its front matter has the unknown key 'titel'"),
        ("a.md", "---\ntitle: [a, b]\n---\nText.", "its title is not a single value"),
        ("a.md", "---\ndate: yesterday\n---\nText.", "its date 'yesterday' is not of the form 2018-10-18"),
        ("a.md", "---\ndate: 2018-13-45\n---\nText.", "its front matter is not valid YAML (month must be in 1..12)"),
        ("a.md", "---\n\nA rule, not a head.\n\n---\n\nText.", "there is no front matter"),
        ("a.md", "---\nA rule, and no other.", "none closes it"),
        ("статья.md", "Text.", "its id 'статья' has no letter from a to z and no digit"),
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
    written(tmp_path, ".hidden.md", "Not read.")
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


def test_a_missing_folder_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    """The folder itself is then what is named."""
    corpus = read_corpus(tmp_path / "nowhere")
    assert corpus.articles == ()
    assert corpus.problems[0].reason == "there is no such folder"
