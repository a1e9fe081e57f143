"""Reading Markdown: the words that readers see, and none of the marks."""

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assistant.articles.formats.markdown import Block, read_markdown
from assistant.articles.reading import read_corpus
from assistant.settings import PROJECT

MARKED = {
    "bold and italic": ("**Nine** of *them*, __all__ of ***us***.", ["Nine of them, all of us."]),
    "stars that mark nothing": ("Smith* paid 5 * 3 * 2 for snake_case.", ["Smith* paid 5 * 3 * 2 for snake_case."]),
    "escaped": (r"\*Not her name. 1986\. AT&amp;T \[sic]", ["*Not her name. 1986. AT&T [sic]"]),
    "link": ('The [mayor](https://example.org/a "b") [said][1] it.\n\n[1]: https://a.org', ["The mayor said it."]),
    "link to anywhere": ("[Call](tel:117) or [run](javascript:run()) ![x](data:text/html,x)", ["Call or run"]),
    "address": ("See <https://example.org/a_b_c>.", ["See https://example.org/a_b_c."]),
    "brackets": ("He [Kenney] wrote “it [sic]” (twice) [2].", ["He [Kenney] wrote “it [sic]” (twice) [2]."]),
    "image": ('![A bridge](a.png "The bridge")\n\n[![A bridge](a.png)](b)\n\n*The bridge.*', ["The bridge."]),
    "image in a line": ("The ![bridge](a.png) old *![a](b.png)* bridge.", ["The old bridge."]),
    "quotation": ("> We lost,\n> all of us.\n>\n> Twice.", ["We lost,\nall of us.", "Twice."]),
    "line ends": ("One  \ntwo\\\nthree\nfour", ["One\ntwo\nthree\nfour"]),
    "list": ("- one\n- *two*\n  - three\n- ![](a.png)\n\n+ four", ["• one\n• two\n• three", "• four"]),
    "list with space": ("* one\n\n  more\n\n* two", ["• one", "more", "• two"]),
    "numbers": ("1. one\n2. two\n\nBetween.\n\n7) seven", ["1. one\n2. two", "Between.", "7) seven"]),
    "years": ("1986. A year.\n\n2014. Another.", ["1986. A year.", "2014. Another."]),
    "table": (
        "| | Votes | % |\n|---|--:|---|\n| **Yes** | 4,118 | 50.6 |\n| No |  |  |",
        ["| Votes | %\nYes | 4,118 | 50.6\nNo"],
    ),
    "rule": ("One.\n\n* * *\n\nTwo.", ["One.", "***", "Two."]),
    "indented": ("    The mayor *quit*.\n\n\tShe left.", ["The mayor quit.", "She left."]),
    "code": ("```\nno *mark*\n```\n\n`a*b*`", ["no *mark*", "a*b*"]),
    "HTML": (
        '<figure><img src="a"><figcaption>The <b>bri</b>dge</figcaption></figure>\n<script>alert("a")</script>',
        ["The bridge"],
    ),
    "HTML in a line": (
        "<!-- a -->\n\nThe dose, twice<!-- not -->.<br>The <em class=a>end</em>.",
        ["The dose, twice.\nThe end."],
    ),
    "raised": (
        ("CO<sub>2</sub>, *10<sup>6</sup>* of 10<SUP>−26</SUP>, the 1<sup>st</sup>\n\n"
        "<div>10<sup><a>6</a></sup>, 1<sup><sup>2</sup></sup>, 1<sub>2</sub> and 1<sup>st</sup></div>"),
        ["CO₂, 10⁶ of 10⁻²⁶, the 1st", "10⁶, 1², 1₂ and 1st"],
    ),
    "struck": (
        ("It fell ~~by *half*~~ by a <del>th<s>i</s>ird</del>quarter, <s>and ~ 5.\n\n"
        "<div>was <strike>two</strike>three</div>"),
        ["It fell by a quarter, and ~ 5.", "was three"],
    ),
    "hidden": ("<div>Seen<p hidden>not</p><template>nor</template></div>", ["Seen"]),
    "blocks in words": (
        "<p>They said<div>It was<section>long</section>then</div>\n\nThey said<div>It was</div>long",
        ["They said", "It was", "long", "then", "They said\nIt was\nlong"],
    ),
    "HTML table": ("<table><tr><th>a</th><th>b</th></tr><tr><td>c</td></tr></table>", ["a | b", "c"]),
    "no HTML": ("It is <3, a < b, and <|im_end|>.", ["It is <3, a < b, and <|im_end|>."]),
}  # fmt: skip


@pytest.mark.parametrize(("source", "blocks"), MARKED.values(), ids=MARKED.keys())
def test_the_words_are_what_readers_see(source: str, blocks: list[str]) -> None:
    """A paragraph is a block, so is a list whose items stand close together, or a table; marks and pictures go."""
    assert read_markdown(source) == [Block(block) for block in blocks]


def test_headings_are_told_from_paragraphs() -> None:
    """With a number sign or a line below, and without a blank line around them."""
    source = "# The *end*\n## Who pays?\nThe town.\n### A deal. ###\n\nTitle\n=====\n\nPart\n---\n\n#1 of 2"
    assert [(block.text, block.level) for block in read_markdown(source)] == [
        ("The end", 1),
        ("Who pays?", 2),
        ("The town.", 0),
        ("A deal.", 3),
        ("Title", 1),
        ("Part", 2),
        ("#1 of 2", 0),
    ]


PIECES = "The mayor|*|**|_|`|[|](|)|!|<|>|<b>|<!--|<?|&|\\|#|- |1. ".split("|")


@given(st.lists(st.sampled_from([*PIECES, "|", "|-", " ", "\n", "\n\n", "    "]), max_size=40).map("".join) | st.text())
@example("<?php")
@example("<html><frameset>")
@example("<!DOCTYPE html>\n\n<![CDATA[a")
@example("\x00<p>&#0;</p>")
@example("The mayor<b>The mayor")
def test_anything_can_be_read(source: str) -> None:
    """Whatever is written, the blocks have words and no white space at their ends, and no word is made up."""
    blocks = read_markdown(source)
    assert all(block.text == block.text.strip() != "" for block in blocks)
    words = sorted(set(re.findall(r"[a-z]+", source.lower())), key=len, reverse=True)
    if "&" not in source:
        # Where a mark within a line goes, two words become one.
        joined = re.compile(f"(?:{'|'.join(words)})+")
        assert all(joined.fullmatch(word) for block in blocks for word in re.findall(r"[a-z]+", block.text.lower()))


@pytest.mark.parametrize("source", ["*a " * 60_000, "[" * 60_000, "[a](" * 30_000, "- a\n" * 30_000, "<div>" * 30_000])
def test_hostile_marks_are_read_in_seconds(source: str) -> None:
    """The time grows with the length and not with its square."""
    begin = time.process_time()
    read_markdown(source)
    assert time.process_time() - begin < 10


def test_no_mark_is_left_in_the_articles_that_are_asked_about() -> None:
    """They were written with bold and italic words, headings, lists and tables."""
    articles = read_corpus(PROJECT / "corpus" / "readers" / "articles").articles
    marks = re.compile(r"\*\w|\w\*|^#+ |^[-*+>] |^\|?[-| ]+$|\]\(", re.MULTILINE)
    assert [article.id for article in articles if marks.search(article.text)] == []
    assert any(article.headings for article in articles)
