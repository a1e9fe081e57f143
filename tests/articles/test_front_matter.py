"""Spellings of `withdrawn`, `corrections` and dates: none is overlooked, and what cannot be read is named."""

import datetime
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from assistant.articles.reading import Corpus, read_corpus
from assistant.types import Correction

TEXT = "The ferry leaves at ten."
DAY = datetime.date(2025, 3, 28)


def read(content: str, name: str = "ferry.md") -> Corpus:
    """Return what becomes of a folder with this file alone."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content.encode("utf-8", "surrogatepass"))
        return read_corpus(Path(folder))


def headed(head: str) -> Corpus:
    """Return what becomes of a file whose front matter, in YAML, also has a title."""
    return read(f"---\ntitle: A ferry\n{head}\n---\n{TEXT}")


# Withdrawn


@pytest.mark.parametrize(
    "head",
    [
        *("withdrawn: true", "Withdrawn: True", "WITHDRAWN: TRUE", "withdrawn : yes", '"withdrawn": "true"'),
        *("'Withdrawn': on", "withdrawn: 1", "withdrawn: 2025-03-28", "Withdrawn: 28 March 2025", "withdrawn:\ttrue"),
        *("withdrawn: true # since Monday", "{withdrawn: true, section: City}", "? Withdrawn\n: true"),
        *("with\u200bdrawn: yes", "withdr\u0430wn: true"),
        *("tags: [a: b\nWithdrawn: true", "tags: [a\nwithdrawn : true", "withdrawn: true\r\ntags: [a: b"),
        *("withdraw: true", "Withdrawal: yes", "withdrawn_on: 2025-03-28", "with-drawn: true", "witdrawn: true"),
        *("withdrawn: true\nwithdrawn: false", "withdrawn: false\nWithdrawn: true", "section:\n  withdrawn: true"),
    ],
)  # fmt: skip
def test_a_withdrawn_article_is_not_served_however_that_is_spelled(head: str) -> None:
    """Keys count in any case, quoted, mistyped, nested, twice and beside lines that cannot be read."""
    heads = [head, f"---\n{head}\n---\n{TEXT}"]
    assert [each.articles for each in (headed(head), read(heads[1]), read(heads[1].replace("\n", "\r")))] == [()] * 3


@pytest.mark.parametrize(
    "value",
    [
        *("", "~", "null", "maybe", "ture", "the author asked: so it went", "nope", "# true", "''", "[]", "-"),
        "false or true",
    ],
)
def test_an_unclear_value_withdraws_and_is_named(value: str) -> None:
    """The reason quotes it and says what to write."""
    corpus = headed(f"Withdrawn: {value}")
    assert corpus.articles == ()
    (problem,) = corpus.problems
    assert problem.skipped
    assert "withdrawn: false" in problem.reason
    assert (value.partition(":")[0] if value.isalpha() else "stands behind that word") in problem.reason


@pytest.mark.parametrize(
    "content",
    [
        f"+++\nwithdrawn = true\n+++\n{TEXT}",
        f'+++\n"Withdrawn" = "yes"\n+++\n{TEXT}',
        f"+++\nWITHDRAWN = 2025-03-28\n+++\n{TEXT}",
        f"+++\ntitle = 'A'\n[status]\nwithdrawn = true\n+++\n{TEXT}",
        f"withdrawn: true\ntitle: A ferry\n\n{TEXT}",
        f"\u2014\nWithdrawn: yes\n\u2014\n{TEXT}",
        f'{{\n  "withdrawn": true,\n  "title": "A ferry"\n}}\n{TEXT}',
        f"\ufeff\n\n---\nwithdrawn: true\n---\n{TEXT}",
        "---\nwithdrawn: true\n---\n",
        f"---\ntitle: A ferry\n---\n---\nwithdrawn: true\n---\n{TEXT}",
    ],
)
def test_it_is_withdrawn_whatever_stands_around_the_head(content: str) -> None:
    """In TOML as in YAML, and also where the lines around the head are mistyped or missing."""
    assert [read(content, name).articles for name in ("ferry.md", "ferry.txt")] == [(), ()]


@pytest.mark.parametrize(
    "head",
    [
        *("withdrawn: false", "Withdrawn: False", "WITHDRAWN: no", 'withdrawn: "false"', "withdrawn: off # not yet"),
        *("withdrawn: 0", "section: Withdrawn", "section: >\n  Withdrawn from service\n  for good"),
        "# withdrawn: true",
        *("title_by: us\ndrawn: by hand", "corrections:\n  - text: It was not withdrawn."),
    ],
)
def test_an_article_that_is_not_withdrawn_is_served(head: str) -> None:
    """A plain false is no doubt, and neither is the word in a value, in a comment or in the text."""
    for corpus in (headed(head), read(f"Withdrawn from service\n\n{TEXT}"), read(f"# Withdrawn: why\n\n{TEXT}")):
        assert (len(corpus.articles), corpus.problems) == (1, ())


@given(
    st.lists(st.booleans(), min_size=9, max_size=9).map(
        lambda upper: "".join(c.upper() if up else c for c, up in zip("withdrawn", upper, strict=True))
    ),
    st.text(max_size=30) | st.sampled_from(["tru", "yes", "falsely", "no no", "0.0", "False?", "not\nfalse"]),
    st.sampled_from(["---\n{}:{}{}\n---\n", "---\ntitle: A\n{}: {}{}\ntags: [a: b\n---\n", "+++\n{} ={}{}\n+++\n"]),
    st.sampled_from(["", " ", "\t"]),
)
def test_whatever_is_said_but_a_plain_false_withdraws(key: str, value: str, form: str, space: str) -> None:
    """No words behind the key, and no other letters in it, let the article be served."""
    assume(re.sub(r"[\W_]", "", value.partition("#")[0]).casefold() not in ("false", "no", "off", "0"))
    assert read(form.format(key, space, value) + TEXT).articles == ()


@pytest.mark.parametrize(
    "element",
    [
        *('<meta name="withdrawn" content="true">', '<META NAME="Withdrawn" CONTENT="Yes">', '<meta name="withdrawn">'),
        *('<meta property="withdrawn" content="1">', '<meta name="withdrawn" value="true">'),
        '<meta name=" withdrawn ">',
        '<meta name="withdrawn" content="true"><meta name="withdrawn" content="false">',
        '<meta name="withdrawn" content="false"><meta name="withdrawn" content="true">',
    ],
)
def test_a_page_is_withdrawn_however_that_is_spelled(element: str) -> None:
    """One element that does not say false is enough; to say false is to say nothing."""
    page = f"<html><head><title>A ferry</title></head><body><h1>A ferry</h1><p>{TEXT * 5}</p><p>{TEXT * 5}</p></body>"
    for said in ("", '<meta name="withdrawn" content="false">'):
        served = read(page.replace("</head>", f"{said}</head>"), "ferry.html")
        assert (len(served.articles), served.problems) == (1, ())
    assert read(page.replace("</head>", f"{element}</head>"), "ferry.html").articles == ()
    assert read(f"---\nwithdrawn: true\n---\n{page}", "ferry.html").articles == ()


# Corrections


@pytest.mark.parametrize(
    ("head", "texts", "problems"),
    [
        *(
            (f"{key}: It leaves at ten.", ["It leaves at ten."], 0)
            for key in ("corrections", "Corrections", "CORRECTIONS ")
        ),
        ("'corrections':\n- One.\n- Two.", ["One.", "Two."], 0),
        ("corrections:\n- Text: One.\n  DATE: 2025-03-28\n  Words: ten\n- TEXT: Two.", ["One.", "Two."], 0),
        ("tags: [a: b\nCorrections:\n  - One.", ["One."], 0),
        *((f"corrections: {value}", [], 0) for value in ("", "[]", "no", "false", "~")),
        ("corrections: true", [], 1),
        ("corrections: none", [], 1),
        ("corrections:\n- note: One.\n- {text: Two.}\n- date: 2025-03-28", ["Two."], 2),
        ("corrections:\n- {text: One., date: 2025-02-30}\n- {text: Two., date: 03.04.2025}", ["One.", "Two."], 2),
        ("corrections:\n- {text: One., date: yesterday}\n- what: {}", ["One."], 2),
        ("corrections:\n  2025-03-28: One.", [], 1),
        ("corrections: One.\nCorrections: Two.", ["Two."], 1),
        *((f"{key}: One.", [], 1) for key in ("correction", "Corection", "corrections_")),
    ],
)
def test_corrections_are_read_or_named(head: str, texts: list[str], problems: int) -> None:
    """Each one by itself, and none costs the article."""
    corpus = headed(head)
    (article,) = corpus.articles
    assert [correction.text for correction in article.corrections] == texts
    assert [(problem.file, problem.skipped) for problem in corpus.problems] == [("ferry.md", False)] * problems


def test_a_correction_keeps_its_day_and_words_whatever_the_case_of_its_keys() -> None:
    """YAML and TOML alike."""
    yaml = "corrections:\n- Text: It is ten.\n  DATE: 2025-03-28\n  Words: at ten"
    toml = '[[Corrections]]\nText = "It is ten."\nDATE = 2025-03-28\nWords = "at ten"'
    for corpus in (headed(yaml), read(f"+++\n{toml}\n+++\n{TEXT}")):
        assert corpus.articles[0].corrections == (Correction("It is ten.", DAY, "at ten"),)


# Dates


@pytest.mark.parametrize(
    "line",
    [
        *("date: 2025-03-28", "Date: 2025-03-28", "DATE: 28 March 2025", '"date": 2025-03-28', "date : 2025-03-28"),
        *("date: '2025-03-28'", "date: 2025-03-28 # Friday", "date: March 28, 2025", "tags: [a: b\nDate: 2025-03-28"),
        *("updated: 2025-03-28", "Updated: 2025-03-28", "UPDATED: Fri, 28 Mar 2025"),
    ],
)
def test_a_day_is_read_however_its_key_is_spelled(line: str) -> None:
    """The key counts in any case and in quotation marks; a comment behind the day is none of it."""
    corpus = headed(line)
    (article,) = corpus.articles
    assert (article.date or article.updated, corpus.problems) == (DAY, ())


@pytest.mark.parametrize(
    "line",
    [
        *("date: 28.03.2025", "Date: yesterday", "date: [2025-03-28, 2025-03-29]", "date: true", "date: 2025-02-30"),
        *("updated: 03/04/2025", "Updated: soon", "updated: {day: 28}", "dates: 2025-03-28", "update: 2025-03-28"),
        "date: 2025-03-27\nDate: 2025-03-28",
    ],
)
def test_a_day_that_is_not_read_is_named(line: str) -> None:
    """The article is served without it."""
    corpus = headed(line)
    assert len(corpus.articles) == 1
    assert [(problem.file, problem.skipped) for problem in corpus.problems] == [("ferry.md", False)]


def test_each_statement_that_is_not_read_is_named() -> None:
    """Not the first alone."""
    corpus = headed(
        "date: soon\nupdated: later\ncorrections:\n- {text: A., date: now}\n- {note: Two.}\n- {text: C., date: then}"
    )
    named = " ".join(problem.reason for problem in corpus.problems)
    assert len(corpus.problems) == 5
    assert str(corpus.problems[0]) == "ferry.md: its date 'soon' is left out: write it as in 2018-10-18"
    assert all(word in named for word in ("soon", "later", "now", "Two.", "then"))


@given(
    st.sampled_from(["date", "Updated", "DATE"]),
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20),
)
def test_any_words_behind_a_date_are_a_day_or_named(key: str, words: str) -> None:
    """Nothing that stands on the line is lost without a word."""
    corpus = headed(f"{key}: {words}")
    is_read = any(article.date or article.updated for article in corpus.articles)
    assert is_read or corpus.problems or not re.search(r"\w", words.partition("#")[0])
