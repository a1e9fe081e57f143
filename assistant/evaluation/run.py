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
from pathlib import Path
from typing import Any

import filelock

from assistant.answering.assistant import Assistant
from assistant.answering.question import Question as Asked
from assistant.errors import ConfigurationError
from assistant.evaluation import fingerprint, records
from assistant.evaluation.grading import grades
from assistant.evaluation.questions import Question, parse_questions, to_row
from assistant.evaluation.records import ANSWERS, RETRIEVED, Record
from assistant.evaluation.scoring.agreement import with_grades
from assistant.evaluation.scoring.observed import Observed, observe, paragraph_of
from assistant.types import Article, Status

logger = logging.getLogger(__name__)

SCHEMA = 1
RUN, QUESTIONS, ARTICLES, LOCK = "run.json", "questions.jsonl", "articles.json", "run.lock"
PARAGRAPHS = 10
"""How many of the paragraphs that are found are noted."""
PASSAGES = 30
"""How many passages are searched for, so that they make that many paragraphs."""

Answering = Callable[[Assistant, Question, int, str | None], dict[str, Any]]
"""Returns the line of a question in a repeat, of one article or of all."""


@contextmanager
def opened(
    folder: Path, run: Mapping[str, Any], questions: Sequence[Question], articles: Sequence[Article]
) -> Iterator[None]:
    """Hold the folder of a run, made or found, which no other process can use meanwhile.

    Raises:
        ConfigurationError: it cannot be written, is in use, holds another run or something else.
    """
    with locked(folder):
        _check(folder, run)
        write(folder / ARTICLES, json.dumps([records.article_row(article) for article in articles]))
        write_questions(folder, questions)
        write(folder / RUN, json.dumps(run, indent=1))
        yield


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, made where it is missing, which no other process can use meanwhile.

    Raises:
        ConfigurationError: it cannot be written, or is in use.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK).touch()
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} cannot be written ({error.strerror}): choose another with --out"
        ) from error
    try:
        with filelock.FileLock(folder / LOCK, timeout=0):
            yield
    except filelock.Timeout as error:
        raise ConfigurationError(f"Another run uses {folder}: wait for it, or choose another folder") from error


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


def write_questions(folder: Path, questions: Sequence[Question]) -> None:
    """Write the questions of a run, in their order.

    Raises:
        ConfigurationError: they cannot be written.
    """
    write(folder / QUESTIONS, "".join(f"{json.dumps(to_row(question))}\n" for question in questions))


def read_run(folder: Path) -> tuple[dict[str, Any], list[Question], list[Article], list[Record]]:
    """Return what a run's folder holds: what was asked of what, the gold, the articles and the answers so far.

    Raises:
        ConfigurationError: it is not the folder of a run.
    """
    if not (folder / RUN).is_file():
        raise ConfigurationError(f"{folder} holds no run: name a folder that `evaluate --out` has written")
    try:
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
        articles = [records.article_of(row) for row in json.loads((folder / ARTICLES).read_text(encoding="utf-8"))]
        questions = parse_questions(folder / QUESTIONS, (folder / QUESTIONS).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"The run in {folder} is damaged ({error}): run it again in a new folder") from error
    return run, questions, articles, records.read_records(folder)


def observed(folder: Path) -> tuple[dict[str, Any], list[Question], list[Observed]]:
    """Return what was asked of what in a run's folder, and what came of each question beside its gold.

    Raises:
        ConfigurationError: it is not the folder of a run.
    """
    run, questions, articles, found = read_run(folder)
    seen = observe(questions, found, {article.id: article for article in articles})
    return run, questions, with_grades(seen, grades.read(folder))


def ask(  # noqa: PLR0913, PLR0917 - each with a meaning of its own
    assistant: Assistant,
    questions: Sequence[Question],
    folder: Path,
    answering: Answering,
    repeats: int,
    seconds: float,
    progress: Callable[[int, int], None],
    *,
    everywhere: bool = False,
) -> None:
    """Ask what has no answer yet, first all questions, then all again, until so many seconds have passed.

    What is raised becomes an answer that failed, so that its question stays in every figure.

    A question is asked of the article that it names, or `everywhere` of all of them. `progress` is called with the
    answers that are there and the answers wanted.

    Raises:
        ConfigurationError: the answers that are there cannot be read, or new ones not written.
    """
    deadline = time.monotonic() + seconds
    done = {(record.id, record.repeat) for record in records.read_records(folder)}
    wanted = [(question, repeat) for repeat in range(repeats) for question in questions]
    missing = [(question, repeat) for question, repeat in wanted if (question.id, repeat) not in done]

    def lines() -> Iterator[Mapping[str, Any]]:
        for number, (question, repeat) in enumerate(missing, start=len(wanted) - len(missing)):
            progress(number, len(wanted))
            if time.monotonic() >= deadline:
                return
            article = None if everywhere else question.article or None
            try:
                line = answering(assistant, question, repeat, article)
            except Exception as error:
                logger.exception("The question %s failed", question.id)
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                line = records.empty_line(question.id, repeat, question.question, records.ERROR, reason)
                line["model"] = assistant.model_name
            yield line
        progress(len(wanted), len(wanted))

    records.append(folder / ANSWERS, lines())


def answered(assistant: Assistant, question: Question, repeat: int, article: str | None) -> dict[str, Any]:
    """Return the line of a question that is asked."""
    first, *later = assistant.stream(question.question, question.history, article)
    answer = later[-1] if later else first
    line = records.answer_line(question.id, repeat, answer, first)
    if answer.query and answer.status is not Status.INDEX_UNAVAILABLE:
        line["retrieved"] = _searched(assistant, answer.query, article)
    return line


def searched(assistant: Assistant, question: Question, repeat: int, article: str | None) -> dict[str, Any]:
    """Return the line of a question that is searched for, as the assistant would, and not asked."""
    asked = Asked.of(question.question, question.history)
    query = asked.text
    started = time.monotonic()
    if question.history:
        query = assistant.steps.find(asked, article).query
    retrieved = _searched(assistant, query, article)
    milliseconds = round(1000 * (time.monotonic() - started), 1)
    line = records.empty_line(question.id, repeat, question.question, RETRIEVED)
    line["timings"]["retrieve_ms"] = milliseconds
    return line | {"query": query, "retrieved": retrieved}


def _searched(assistant: Assistant, query: str, article: str | None) -> list[list[Any]]:
    """Return the distinct paragraphs that are found, best first, each as article, start and end."""
    hits = assistant.steps.search(query, article, PASSAGES).hits
    spans = dict.fromkeys(paragraph_of(hit.passage.article, hit.passage.start) for hit in hits)
    return [[span.article, span.start, span.end] for span in list(spans)[:PARAGRAPHS]]


def _check(folder: Path, run: Mapping[str, Any]) -> None:
    """Refuse a folder that holds another run, or something else."""
    if not (folder / RUN).exists():
        other = sorted(file.name for file in folder.iterdir() if file.name != LOCK)
        if other:
            raise ConfigurationError(
                f"The folder {folder} holds {other[0]} and no run: choose an empty or a new one with --out"
            )
        return
    before = read_run(folder)[0]
    changed = [name for name, *_ in fingerprint.differences(before["fingerprint"], run["fingerprint"])]
    if before["mode"] != run["mode"]:
        changed.append("mode")
    if changed:
        raise ConfigurationError(
            f"The folder {folder} holds a run that differs in {', '.join(changed)}: choose a new one with --out, "
            "or put things back as they were"
        )
