"""What a publisher states of an article beside its words."""

import datetime
import json
from collections.abc import Callable
from os import scandir
from pathlib import Path

import pytest

from assistant.articles.reading import read_corpus, read_file
from assistant.types import Correction

TEXT = "The ferry leaves at ten. Nobody minds that it is late, since the river is calm and the evening is warm."
DAY = datetime.date(2025, 3, 28)


def test_front_matter_states_the_standing(tmp_path: Path) -> None:
    """Updated, corrections, author, section and free are read from front matter."""
    (tmp_path / "ferry.md").write_text(
        "---\ntitle: A ferry\nupdated: 2025-03-28\nauthor: [Jane Doe, John Roe]\nsection: City\nfree: false\n"
        f"corrections:\n  - date: 2025-03-28\n    text: It leaves at ten.\n    words: at ten\n---\n{TEXT}"
    )
    article = read_file(tmp_path / "ferry.md")[0]
    assert (article.updated, article.author, article.section, article.free) == (
        DAY,
        "Jane Doe, John Roe",
        "City",
        False,
    )
    assert article.corrections == (Correction("It leaves at ten.", DAY, "at ten"),)


def test_json_ld_states_the_standing(tmp_path: Path) -> None:
    """The same is read from a page's data for machines."""
    stated = {
        "@type": "NewsArticle",
        "dateModified": "2025-03-28T10:00:00Z",
        "author": [{"@type": "Person", "name": "Jane Doe"}],
        "articleSection": "City",
        "isAccessibleForFree": "False",
        "correction": [{"@type": "CorrectionComment", "text": "It leaves at ten.", "datePublished": "2025-03-28"}, ""],
    }
    (tmp_path / "ferry.html").write_text(
        f'<html><head><title>A ferry</title><script type="application/ld+json">{json.dumps(stated)}</script></head>'
        f"<body><article><h1>A ferry</h1><p>{TEXT}</p><p>{TEXT}</p></article></body></html>"
    )
    article = read_file(tmp_path / "ferry.html")[0]
    assert (article.updated, article.author, article.section, article.free) == (DAY, "Jane Doe", "City", False)
    assert article.corrections == (Correction("It leaves at ten.", DAY),)


def test_what_is_stated_is_normalised_as_the_text_is(tmp_path: Path) -> None:
    """Corrected words are found in the text, however their letters are composed and whatever cannot be seen in them."""
    (tmp_path / "cafe.md").write_text(
        "---\nauthor: Rene\u0301e\nsection: Ci\u200bty\ncorrections:\n  - text: It is the cafe\u0301.\n"
        "    words: the ca\u00adfe\u0301\n---\nIt is the cafe\u0301 at the harbour.",
        encoding="utf-8",
    )
    article = read_file(tmp_path / "cafe.md")[0]
    assert (article.author, article.section) == ("Ren\u00e9e", "City")
    (correction,) = article.corrections
    assert correction == Correction("It is the caf\u00e9.", None, "the caf\u00e9")
    assert correction.words in article.text


@pytest.mark.parametrize(
    ("value", "stays"),
    [
        *((value, False) for value in ("true", "yes", "2025-03-28", "'True'", "1")),
        *((value, True) for value in ("false", "no", "0")),
    ],
)
def test_a_withdrawn_article_is_no_article(tmp_path: Path, value: str, *, stays: bool) -> None:
    """A plain yes or a day withdraws it, also beside front matter that cannot be read, and nothing is wrong then."""
    broken = "" if stays else "tags: [a: b: c\n"
    (tmp_path / "ferry.md").write_text(f"---\nwithdrawn: {value}\n{broken}---\n{TEXT}")
    corpus = read_corpus(tmp_path)
    assert ([article.text for article in corpus.articles], corpus.problems) == ([TEXT] * stays, ())


@pytest.mark.parametrize(
    "stated",
    ["corrections: &a [*a]", "author:\n  &a {name: *a}", "section:\n  &a [*a]", "free: !!bool maybe", "free: &a [*a]"],
)
def test_what_nobody_expected_costs_no_other_article(tmp_path: Path, stated: str) -> None:
    """What is stated within itself says nothing; what cannot be read at all is named, and what to do about it."""
    (tmp_path / "bridge.md").write_text(TEXT)
    (tmp_path / "ferry.md").write_text(f"---\n{stated}\n---\n{TEXT}")
    corpus = read_corpus(tmp_path)
    ferry = corpus.by_id.get("ferry")
    assert "bridge" in corpus.by_id
    assert ferry is None or (ferry.author, ferry.section, ferry.corrections) == ("", "", ())
    assert (ferry is None) == bool(corpus.problems)
    assert all("front matter" in problem.reason and "\n" not in problem.reason for problem in corpus.problems)


def test_deeply_nested_json_ld_states_nothing(tmp_path: Path) -> None:
    """An author within an author within an author, and so on, is none; the article is read."""
    nested = f'{"[" * 800}"Jane Doe"{"]" * 800}'
    (tmp_path / "ferry.html").write_text(
        '<html><head><title>A ferry</title><script type="application/ld+json">'
        f'{{"@type": "NewsArticle", "author": {nested}}}</script></head>'
        f"<body><article><h1>A ferry</h1><p>{TEXT}</p><p>{TEXT}</p></article></body></html>"
    )
    assert read_file(tmp_path / "ferry.html")[0].author == ""


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is told in place of a traceback; so it is of a subfolder, and of a file that cannot be looked at."""
    (tmp_path / "old").mkdir()
    (tmp_path / "ferry.md").write_text(TEXT)

    def fails(name: str) -> Callable[[Path], object]:
        def scan(path: Path) -> object:
            if Path(path).name == name:
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        return scan

    with monkeypatch.context() as broken:
        broken.setattr(Path, "is_file", fails("ferry.md"))
        (problem,) = read_corpus(tmp_path).problems
        assert (problem.file, "Permission denied" in problem.reason) == ("ferry.md", True)
    for name, file, articles in (("old", "old", 1), (tmp_path.name, str(tmp_path), 0)):
        with monkeypatch.context() as broken:
            broken.setattr("os.scandir", fails(name))
            corpus = read_corpus(tmp_path)
        (problem,) = corpus.problems
        assert (problem.file, "Permission denied" in problem.reason) == (file, True)
        assert (problem.skipped, len(corpus.articles)) == (True, articles)
