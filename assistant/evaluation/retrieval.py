"""How often the product's own retriever finds the right paragraph, on a SQuAD-format file.

Each of its articles becomes an `Article`; a question is found at k when a passage of its paragraph is among the
first k distinct paragraphs. Knows nothing of answers.
"""

from __future__ import annotations

import json
import tempfile
import time
from bisect import bisect_right
from pathlib import Path

from assistant import weights
from assistant.embedder import SentenceEmbedder
from assistant.errors import ConfigurationError
from assistant.index import open_index
from assistant.retrieval import Retriever
from assistant.types import Article


def measure(file: Path, data: Path) -> dict[str, str]:
    """Return Success@1, Success@5 and the time a query takes, over the answerable questions of the file.

    Raises:
        ConfigurationError: the file is not of the SQuAD format.
    """
    try:
        articles, starts, questions = _read(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{file} is not a SQuAD file ({type(error).__name__}: {error})") from error
    embedder = SentenceEmbedder.from_folder(weights.embedder_folder(data), weights.EMBEDDER_SHA256)
    with tempfile.TemporaryDirectory() as folder:
        index = open_index(articles, embedder, Path(folder))
        retriever = Retriever(articles, index, embedder)
        started = time.monotonic()
        ranks = [_rank(retriever, starts, question, gold) for question, gold in questions]
        seconds = time.monotonic() - started
        index.close()
    return {
        "questions": str(len(questions)),
        "Success@1": f"{sum(rank < 1 for rank in ranks) / len(ranks):.4f}",
        "Success@5": f"{sum(rank < 5 for rank in ranks) / len(ranks):.4f}",
        "ms a query": f"{1000 * seconds / len(ranks):.1f}",
    }


Paragraph = tuple[str, int]
"""The id of an article and the number of a paragraph in it."""


def _read(
    content: dict[str, list[dict[str, list[dict[str, str]]]]],
) -> tuple[list[Article], dict[str, list[int]], list[tuple[str, Paragraph]]]:
    articles: list[Article] = []
    starts: dict[str, list[int]] = {}
    questions: list[tuple[str, Paragraph]] = []
    for number, entry in enumerate(content["data"]):
        identifier, offset = f"article-{number}", 0
        texts = [" ".join(paragraph["context"].split()) for paragraph in entry["paragraphs"]]
        starts[identifier] = []
        for position, (paragraph, text) in enumerate(zip(entry["paragraphs"], texts, strict=True)):
            starts[identifier].append(offset)
            offset += len(text) + 2
            questions += [(qa["question"], (identifier, position)) for qa in paragraph["qas"] if qa.get("answers")]  # type: ignore[attr-defined, index]
        articles.append(Article(identifier, "\n\n".join(texts), identifier))
    return articles, starts, questions


def _rank(retriever: Retriever, starts: dict[str, list[int]], question: str, gold: Paragraph) -> int:
    """Return the place of the gold paragraph among the distinct paragraphs found, from 0; 99 when it was not found."""
    found = dict.fromkeys(
        (hit.passage.article.id, bisect_right(starts[hit.passage.article.id], hit.passage.start) - 1)
        for hit in retriever.search(question, limit=20).hits
    )
    return list(found).index(gold) if gold in found else 99
