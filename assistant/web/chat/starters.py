"""Questions that the articles are known to answer: offered at the beginning, after an answer, and after a refusal.

They stand in `starters.jsonl` beside the folder of articles, one a line: a `question`, the id of its `article`, and the
`evidence`, the words of the article that answer it. Where there are none for an article, they are made from it. One is
offered only when the assistant, asked that question, quotes those words.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from assistant.answering.assistant import Assistant
from assistant.answering.understanding.overview import Wanted, main_people, sentences_of
from assistant.articles.annotated import annotated
from assistant.types import Answer, Article, Citation, Sentence

_MOST_CHECKED = 24
"""Of one choice of articles: checking takes about a twentieth of a second each."""
_MADE = 4
"""So many that were made are enough."""
_OVERVIEWS = {"What is this article about?": Wanted.GIST, "What are the main points?": Wanted.POINTS}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Starter:
    """A question, and where in its article the words stand that answer it."""

    question: str
    article: str
    start: int
    end: int


def read_starters(file: Path, assistant: Assistant) -> tuple[Starter, ...]:
    """Return the questions whose article is in the corpus and holds the evidence, word for word; none without a file.

    A line that cannot be read is left out, with a warning; so is the whole file.
    """
    articles = assistant.corpus.by_id
    starters: list[Starter] = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        _log.warning("%s cannot be read, and none of its questions is offered: %s", file, error)
        return ()
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            question, article, evidence = str(entry["question"]), str(entry["article"]), str(entry["evidence"])
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            _log.warning("%s, line %d is not a question with an article and evidence: %s", file, number, error)
            continue
        if article not in articles:
            continue
        start = articles[article].text.find(evidence)
        if start < 0:
            _log.warning("%s, line %d: the evidence is not in the article %s", file, number, article)
            continue
        starters.append(Starter(question, article, start, start + len(evidence)))
    return tuple(starters)


class Starters:
    """The questions that were checked, by the choice of articles; each choice is checked when it is first asked for.

    What is found while the embedding model loads, by keywords alone, is kept apart and checked again when it is there.
    """

    def __init__(self, assistant: Assistant, starters: Iterable[Starter]) -> None:
        """Take an open assistant, and questions to check."""
        self._assistant = assistant
        self._starters = tuple(starters)
        self._checked: dict[tuple[str | None, bool], asyncio.Task[tuple[Starter, ...]]] = {}

    async def of(self, article: str | None) -> tuple[Starter, ...]:
        """Return the checked questions of an article, or of all of them together. It takes a second at first."""
        # A reader who leaves meanwhile does not end it for the others.
        return await asyncio.shield(self._checking(article))

    def known(self, article: str | None) -> tuple[Starter, ...]:
        """Return the same at once: none while they are checked."""
        checking = self._checking(article)
        return checking.result() if checking.done() else ()

    def _checking(self, article: str | None) -> asyncio.Task[tuple[Starter, ...]]:
        choice = article, self._assistant.is_loaded
        if choice not in self._checked:
            self._checked[choice] = asyncio.create_task(asyncio.to_thread(self._check, article))
        return self._checked[choice]

    def _check(self, article: str | None) -> tuple[Starter, ...]:
        given = [starter for starter in self._starters if article in (None, starter.article)]
        found = tuple(starter for starter in given[:_MOST_CHECKED] if self._is_answered(starter, article))
        if found:
            return found
        made = islice(self._made(article), _MOST_CHECKED)
        return tuple(islice((starter for starter in made if self._is_answered(starter, article)), _MADE))

    def _made(self, article: str | None) -> Iterator[Starter]:
        """Yield questions that can be asked of any article; of all together, what each is about, the newest first."""
        articles = [each for each in self._assistant.corpus.articles if article in (None, each.id)]
        if len(articles) > 1:
            # Nobody knows the people of an article that was not read, so that its title says which one is meant.
            for each in sorted(articles, key=lambda each: each.date or datetime.date.min, reverse=True):
                yield from _asked_for(each, f"What is the article “{each.title}” about?", Wanted.GIST)
            return
        for only in articles:
            for question, wanted in _OVERVIEWS.items():
                yield from _asked_for(only, question, wanted)
            yield from _asked_of_people(only)

    def _is_answered(self, starter: Starter, article: str | None) -> bool:
        # The first snapshot is made of quotations, before any model is asked. Without one, the last is as cheap.
        try:
            with closing(self._assistant.stream(starter.question, article=article)) as snapshots:
                answer = next(snapshots)
                if self._assistant.model_state.kind == "none":
                    *_, answer = answer, *snapshots
                return any(_holds(citation, starter) for citation in answer.citations)
        except Exception:  # noqa: BLE001 - a question that cannot be checked is not offered, whatever the reason
            _log.exception("a starter question could not be checked")
            return False


def _asked_for(article: Article, question: str, wanted: Wanted) -> Iterator[Starter]:
    """Yield the question with the first sentence of what is told to it, where there is any."""
    return (_starter(question, sentence) for sentence in sentences_of(article, wanted)[:1])


def _asked_of_people(article: Article) -> Iterator[Starter]:
    """Yield who each person is whom the article says most of, where it is certain to be a person."""
    certain = annotated(article).people.values()
    return (_starter(f"Who is {each.name}?", each.sentence) for each in main_people(article) if each.name in certain)


def _starter(question: str, answering: Sentence) -> Starter:
    return Starter(question, answering.article.id, answering.start, answering.end)


def _holds(citation: Citation, starter: Starter) -> bool:
    is_there = citation.article.id == starter.article
    return is_there and citation.start <= starter.start and starter.end <= citation.end


def nearest(starters: Iterable[Starter], answer: Answer, asked: Collection[str], most: int = 3) -> tuple[Starter, ...]:
    """Return questions that were not asked yet and that the answer does not answer; the nearest to its words first.

    Where it is from some articles, only those of these.
    """
    cited = {citation.article.id for citation in answer.citations}
    left = [
        starter
        for starter in starters
        if starter.question not in asked
        and (not cited or starter.article in cited)
        and not any(_holds(citation, starter) for citation in answer.citations)
    ]
    words = answer.citations or answer.closest
    left.sort(key=lambda starter: min((_distance(starter, citation) for citation in words), default=0))
    return tuple(left[:most])


def _distance(starter: Starter, citation: Citation) -> float:
    return abs(starter.start - citation.start) if starter.article == citation.article.id else float("inf")
