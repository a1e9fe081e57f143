"""Ask every question of a set, and keep each answer on the disk before the next question.

A run is a folder: `run.json` says what was asked of what, `questions.jsonl` and `articles.json` hold the gold,
`answers.jsonl` grows by a line an answer. The same command goes on where an interrupted one stopped. Knows nothing of
what is right.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from assistant.answering import understanding
from assistant.answering.assistant import Assistant
from assistant.errors import ConfigurationError
from assistant.evaluation import fingerprint, records
from assistant.evaluation.questions import Question, parse_questions, read_text, to_row
from assistant.evaluation.records import RETRIEVED, Record
from assistant.evaluation.scoring.observed import paragraph_of
from assistant.evaluation.squad import is_squad, read_squad
from assistant.types import Article, Status

logger = logging.getLogger(__name__)

SCHEMA = 1
PARAGRAPHS = 10
"""How many of the paragraphs that are found are noted."""
PASSAGES = 30
"""How many passages are searched for, so that they make that many paragraphs."""

Progress = Callable[[int, int], None]
"""Called with the answers that are there and the answers wanted."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of a run."""

    path: Path

    @property
    def run(self) -> Path:
        """What was asked of what."""
        return self.path / "run.json"

    @property
    def questions(self) -> Path:
        """The questions of the run, in their order."""
        return self.path / "questions.jsonl"

    @property
    def articles(self) -> Path:
        """The articles that were searched."""
        return self.path / "articles.json"

    @property
    def answers(self) -> Path:
        """One line an answer."""
        return self.path / "answers.jsonl"

    @property
    def judgements(self) -> Path:
        """One line a verdict of a judge, where one was asked."""
        return self.path / "judgements.jsonl"

    @property
    def report(self) -> Path:
        """The data of the report."""
        return self.path / "report.json"


def read(path: Path) -> tuple[list[Question], list[Article] | None]:
    """Read a question file of either format; the articles are None where it does not bring its own.

    Raises:
        ConfigurationError: it is of neither format; the line is named.
    """
    text = read_text(path)
    if is_squad(text):
        articles, questions = read_squad(path, text)
        return questions, articles
    return parse_questions(path, text), None


@contextmanager
def opened(
    path: Path, run: Mapping[str, Any], questions: Sequence[Question], articles: Sequence[Article]
) -> Iterator[Folder]:
    """Yield the folder of a run, made or found, which no other process can use meanwhile.

    Raises:
        ConfigurationError: it cannot be written, is in use, holds another run or something else.
    """
    with locked(path) as folder:
        _check(folder, run)
        write(folder.articles, json.dumps([records.article_row(article) for article in articles]))
        write_questions(folder, questions)
        write(folder.run, json.dumps(run, indent=1))
        records.mend(folder.answers)
        yield folder


@contextmanager
def locked(path: Path) -> Iterator[Folder]:
    """Yield a folder, made where it is missing, which no other process can use meanwhile.

    Raises:
        ConfigurationError: it cannot be written, or is in use.
    """
    try:
        with filelock.FileLock(_made(path) / "run.lock", timeout=0):
            yield Folder(path)
    except filelock.Timeout as error:
        raise ConfigurationError(f"Another run uses {path}: wait for it, or choose another folder") from error


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        ConfigurationError: it cannot be written.
    """
    partial = path.with_suffix(f"{path.suffix}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror}): make room there, or choose another folder"
        ) from error


def write_questions(folder: Folder, questions: Sequence[Question]) -> None:
    """Write the questions of a run, in their order.

    Raises:
        ConfigurationError: they cannot be written.
    """
    write(folder.questions, "".join(f"{json.dumps(to_row(question))}\n" for question in questions))


def read_run(path: Path) -> tuple[dict[str, Any], list[Question], list[Article], list[Record]]:
    """Return what a run's folder holds: what was asked of what, the gold, the articles and the answers so far.

    Raises:
        ConfigurationError: it is not the folder of a run.
    """
    folder = Folder(path)
    if not folder.run.is_file():
        raise ConfigurationError(f"{path} holds no run: name a folder that `evaluate --out` has written")
    try:
        run = json.loads(folder.run.read_text(encoding="utf-8"))
        articles = [records.article_of(row) for row in json.loads(folder.articles.read_text(encoding="utf-8"))]
        questions = parse_questions(folder.questions, folder.questions.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"The run in {path} is damaged ({error}): run it again in a new folder") from error
    return run, questions, articles, records.read_records(folder.answers)


@dataclass(frozen=True, slots=True)
class Asking:
    """How the questions are asked."""

    repeats: int = 1
    seconds: float = float("inf")
    """After which no further question is asked; the loading of the model does not count."""
    retrieval_only: bool = False
    """Search for them and do not ask them."""
    everywhere: bool = False
    """Ask each question of all articles, also where it names the one that holds the answer."""

    def article(self, question: Question) -> str | None:
        """Return the article that a question is asked of; None for all of them."""
        return None if self.everywhere else question.article or None


def ask(
    assistant: Assistant, questions: Sequence[Question], folder: Folder, asking: Asking, progress: Progress
) -> None:
    """Ask what has no answer yet; first all questions, then all again.

    Raises:
        ConfigurationError: the answers that are there cannot be read, or new ones not written.
    """
    deadline = time.monotonic() + asking.seconds
    done = {(record.id, record.repeat) for record in records.read_records(folder.answers)}
    wanted = [(question, repeat) for repeat in range(asking.repeats) for question in questions]
    missing = [(question, repeat) for question, repeat in wanted if (question.id, repeat) not in done]

    def lines() -> Iterator[Mapping[str, Any]]:
        for number, (question, repeat) in enumerate(missing, start=len(wanted) - len(missing)):
            progress(number, len(wanted))
            if time.monotonic() >= deadline:
                return
            answer = _search if asking.retrieval_only else _ask
            yield answer(assistant, question, repeat, asking.article(question))
        progress(len(wanted), len(wanted))

    try:
        records.append(folder.answers, lines())
    except OSError as error:
        raise ConfigurationError(
            f"{folder.answers} cannot be written ({error.strerror}): make room there and run the same command again"
        ) from error


def _ask(assistant: Assistant, question: Question, repeat: int, article: str | None) -> dict[str, Any]:
    """Return the line of an answer; what is raised becomes an answer that failed, so that it stays in every figure."""
    try:
        first, *later = assistant.stream(question.question, question.history, article)
        answer = later[-1] if later else first
        line = records.answer_line(question.id, repeat, answer, first)
        if answer.query and answer.status is not Status.INDEX_UNAVAILABLE:
            line["retrieved"] = _searched(assistant, answer.query, article)
            line |= _searched_otherwise(assistant, question, article)
    except Exception as error:
        logger.exception("The question %s failed", question.id)
        return _failed(question, repeat, error) | {"model": assistant.model_name}
    return line


def _search(assistant: Assistant, question: Question, repeat: int, article: str | None) -> dict[str, Any]:
    """Return the line of a question that is searched for, as the assistant would, and not asked."""
    query = understanding.clean(question.question)
    try:
        started = time.monotonic()
        if question.history:
            query = assistant.find(query, question.history, article).query
        retrieved = _searched(assistant, query, article)
        milliseconds = round(1000 * (time.monotonic() - started), 1)
        otherwise = _searched_otherwise(assistant, question, article)
    except Exception as error:
        logger.exception("The search for %s failed", question.id)
        return _failed(question, repeat, error)
    line = records.empty_line(question.id, repeat, question.question, RETRIEVED)
    line["timings"]["retrieve_ms"] = milliseconds
    return line | {"query": query, "retrieved": retrieved} | otherwise


def _failed(question: Question, repeat: int, error: Exception) -> dict[str, Any]:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return records.empty_line(question.id, repeat, question.question, records.ERROR, reason)


def _searched_otherwise(assistant: Assistant, question: Question, article: str | None) -> dict[str, Any]:
    """Return, for a follow-up, what its own words and its gold rewrite find."""
    if not question.history:
        return {}
    found = {"last_turn": _searched(assistant, understanding.clean(question.question), article)}
    if question.rewrite:
        found["gold_rewrite"] = _searched(assistant, question.rewrite, article)
    return {"retrieved_otherwise": found}


def _searched(assistant: Assistant, query: str, article: str | None) -> list[list[Any]]:
    """Return the distinct paragraphs that are found, best first, each as article, start and end."""
    hits = assistant.search(query, article, PASSAGES).hits
    spans = dict.fromkeys(paragraph_of(hit.passage.article, hit.passage.start) for hit in hits)
    return [[span.article, span.start, span.end] for span in list(spans)[:PARAGRAPHS]]


def _made(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / "run.lock").touch()
    except OSError as error:
        raise ConfigurationError(
            f"The folder {path} cannot be written ({error.strerror}): choose another with --out"
        ) from error
    return path


def _check(folder: Folder, run: Mapping[str, Any]) -> None:
    """Refuse a folder that holds another run, or something else."""
    if not folder.run.exists():
        other = sorted(file.name for file in folder.path.iterdir() if file.name != "run.lock")
        if other:
            raise ConfigurationError(
                f"The folder {folder.path} holds {other[0]} and no run: choose an empty or a new one with --out"
            )
        return
    before = read_run(folder.path)[0]
    changed = [name for name, *_ in fingerprint.differences(before["fingerprint"], run["fingerprint"])]
    if before["mode"] != run["mode"]:
        changed.append("mode")
    if changed:
        raise ConfigurationError(
            f"The folder {folder.path} holds a run that differs in {', '.join(changed)}: choose a new one with --out, "
            "or put things back as they were"
        )
