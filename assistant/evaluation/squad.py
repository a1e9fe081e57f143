"""Question files in the format of SQuAD 1.1 or 2.0: their paragraphs become the articles of a run.

A question's evidence is its whole paragraph, since the offset of an answer is only where its words stand first. Knows
nothing of how answers are made or measured.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assistant.articles.reading import normalise
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import Question, has_words, line_of
from assistant.types import Article


def is_squad(text: str) -> bool:
    """Whether the text of a question file is of this format, and not one JSON object a line."""
    return re.match(r"\s*\{", text) is not None and re.search(r'"paragraphs"\s*:\s*\[', text) is not None


def read_squad(path: Path, text: str) -> tuple[list[Article], list[Question]]:
    """Return the articles and the questions of a file.

    Raises:
        ConfigurationError: it is not of the format; the article is named.
    """
    try:
        entries = list(json.loads(text)["data"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not a SQuAD file ({type(error).__name__}: {error}); mend it") from error
    articles: list[Article] = []
    questions: dict[str, Question] = {}
    for number, entry in enumerate(entries, start=1):
        with line_of(path, number, "as in SQuAD", "article"):
            article, asked = _article(number, entry)
            articles.append(article)
            for question in asked:
                if question.id in questions:
                    raise ValueError(f"the id {question.id!r} is used twice; give each question its own")
                questions[question.id] = question
    if not questions:
        raise ConfigurationError(f"The question file {path} holds no question; add some")
    return articles, list(questions.values())


def sample(questions: Sequence[Question], per_article: int, seed: int) -> list[Question]:
    """Return at most so many answerable and so many other questions of each article, in the order of the file."""
    groups: dict[tuple[str, bool], list[Question]] = {}
    for question in questions:
        groups.setdefault((question.article, bool(question.answerable)), []).append(question)
    chosen = set()
    for (article, answerable), group in groups.items():
        # What else is in the file changes nothing.
        draw = random.Random(f"{seed} {article} {answerable}")  # noqa: S311 - no secret
        chosen |= {question.id for question in draw.sample(group, min(per_article, len(group)))}
    return [question for question in questions if question.id in chosen]


def _article(number: int, entry: dict[str, Any]) -> tuple[Article, list[Question]]:
    title = normalise(str(entry.get("title") or f"Article {number}")).replace("_", " ").strip()
    identifier = f"{number:03}-{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}"[:100].rstrip("-")
    paragraphs = entry["paragraphs"]
    # A blank line inside would make two paragraphs of one.
    texts = [" ".join(normalise(paragraph["context"]).split()) for paragraph in paragraphs]
    questions = [
        _question(identifier, text, row)
        for text, paragraph in zip(texts, paragraphs, strict=True)
        for row in paragraph["qas"]
    ]
    return Article(identifier, "\n\n".join(texts), title), questions


def _question(article: str, paragraph: str, row: dict[str, Any]) -> Question:
    wordings = tuple(dict.fromkeys(str(answer["text"]) for answer in row["answers"]))
    answerable = not row.get("is_impossible", False)
    if answerable and not wordings:
        raise ValueError(f"the question {row['id']!r} has no answer and is not marked as impossible")
    # SQuAD 2.0 has answers that are a full stop; its own script does not count them either.
    wordings = tuple(filter(has_words, wordings))
    return Question(
        id=str(row["id"]),
        question=" ".join(str(row["question"]).split()),
        kind="answerable" if answerable else "unanswerable",
        answerable=answerable,
        must_have=(wordings,) if answerable and wordings else (),
        evidence=(paragraph,) if answerable else (),
        article=article,
    )
