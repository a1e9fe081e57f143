"""What a publisher states of an article beside its words."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from assistant.articles.reading import read_article, read_corpus
from assistant.types import Correction

TEXT = "The ferry leaves at ten. Nobody minds that it is late, since the river is calm and the evening is warm."
DAY = datetime.date(2025, 3, 28)


def test_front_matter_states_the_standing(tmp_path: Path) -> None:
    """Updated, corrections, author, section and free are read from front matter."""
    (tmp_path / "ferry.md").write_text(
        "---\ntitle: A ferry\nupdated: 2025-03-28\nauthor: [Jane Doe, John Roe]\nsection: City\nfree: false\n"
        f"corrections:\n  - date: 2025-03-28\n    text: It leaves at ten.\n    words: at ten\n---\n{TEXT}"
    )
    article = read_article(tmp_path / "ferry.md")
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
    article = read_article(tmp_path / "ferry.html")
    assert (article.updated, article.author, article.section, article.free) == (DAY, "Jane Doe", "City", False)
    assert article.corrections == (Correction("It leaves at ten.", DAY),)


@pytest.mark.parametrize("value", ["true", "yes", "2025-03-28", "'True'", "the author asked for it", "1"])
def test_a_withdrawn_article_is_no_article(tmp_path: Path, value: str) -> None:
    """Whatever is said but no withdraws it, also beside front matter that cannot be read; nothing is wrong with it."""
    (tmp_path / "ferry.md").write_text(f"---\nwithdrawn: {value}\ntags: [a: b: c\n---\n{TEXT}")
    corpus = read_corpus(tmp_path)
    assert (corpus.articles, corpus.problems) == ((), ())


@pytest.mark.parametrize("value", ["false", "no", "", "0"])
def test_an_article_that_is_not_withdrawn_stays(tmp_path: Path, value: str) -> None:
    """To say no is to say nothing."""
    (tmp_path / "ferry.md").write_text(f"---\nwithdrawn: {value}\n---\n{TEXT}")
    assert read_article(tmp_path / "ferry.md").text == TEXT
