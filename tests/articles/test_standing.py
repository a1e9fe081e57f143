"""What a publisher states of an article beside its words."""

import datetime
import json
import os
from collections.abc import Callable
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


@pytest.mark.parametrize(("name", "articles"), [("ferry.md", 0), ("old", 1), ("articles", 0)])
def test_what_cannot_be_looked_at_is_named(
    tmp_path: Path, name: str, articles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is told in place of a traceback: of a file, of a subfolder, and of the folder itself."""
    folder = tmp_path / "articles"
    (folder / "old").mkdir(parents=True)
    (folder / "ferry.md").write_text(TEXT)

    def refusing(look: Callable[[Path], object]) -> Callable[[Path], object]:
        def scan(path: Path) -> object:
            if Path(path).name == name:
                raise PermissionError(13, "Permission denied", str(path))
            return look(path)

        return scan

    for owner, look in ((os, os.scandir), (Path, Path.is_file)):
        monkeypatch.setattr(owner, look.__name__, refusing(look))
    corpus = read_corpus(folder)
    (problem,) = corpus.problems
    assert problem.file == (str(folder) if name == "articles" else name)
    assert (problem.skipped, len(corpus.articles)) == (True, articles)
    assert "Permission denied" in problem.reason
