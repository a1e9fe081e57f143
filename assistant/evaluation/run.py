"""The folder of a run: what was asked of what, the gold, and the answers so far.

`run.json` says what was asked of what, `questions.jsonl` and `articles.json` hold the gold, `answers.jsonl` grows by a
line an answer, `grades.jsonl` by a line a grade. One process at a time asks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock

from assistant.errors import ConfigurationError
from assistant.evaluation import fingerprint, records
from assistant.evaluation.grading import grades
from assistant.evaluation.questions import Question, read_questions
from assistant.evaluation.records import Record
from assistant.evaluation.scoring.agreement import with_grades
from assistant.evaluation.scoring.observed import Observed, observe
from assistant.files import write_whole
from assistant.types import Article

SCHEMA = 1
RUN, QUESTIONS, ARTICLES, LOCK = "run.json", "questions.jsonl", "articles.json", "run.lock"


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
            f"The folder {folder} cannot be written ({error.strerror})", "choose another with --out"
        ) from error
    try:
        with filelock.FileLock(folder / LOCK, timeout=0):
            yield
    except filelock.Timeout as error:
        raise ConfigurationError(f"Another run uses {folder}", "wait for it, or choose another folder") from error


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        write_whole(path, text.encode(), synced=True)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror})", "make room there, or choose another folder"
        ) from error


def write_questions(folder: Path, questions: Sequence[Question]) -> None:
    """Write the questions of a run, in their order.

    Raises:
        ConfigurationError: they cannot be written.
    """
    write(folder / QUESTIONS, "".join(f"{json.dumps(asdict(question))}\n" for question in questions))


def read_run(folder: Path) -> tuple[dict[str, Any], list[Question], list[Article], list[Record]]:
    """Return what a run's folder holds: what was asked of what, the gold, the articles and the answers so far.

    Raises:
        ConfigurationError: it is not the folder of a run.
    """
    if not (folder / RUN).is_file():
        raise ConfigurationError(f"{folder} holds no run", "name a folder that `evaluate --out` has written")
    try:
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
        articles = [records.article_of(row) for row in json.loads((folder / ARTICLES).read_text(encoding="utf-8"))]
        questions = read_questions(folder / QUESTIONS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"The run in {folder} is damaged ({error})", "run it again in a new folder") from error
    return run, questions, articles, records.read_records(folder)


def observed(folder: Path) -> tuple[dict[str, Any], list[Question], list[Observed]]:
    """Return what was asked of what in a run's folder, and what came of each question beside its gold.

    Raises:
        ConfigurationError: it is not the folder of a run.
    """
    run, questions, articles, found = read_run(folder)
    seen = observe(questions, found, {article.id: article for article in articles})
    return run, questions, with_grades(seen, grades.read(folder))


def _check(folder: Path, run: Mapping[str, Any]) -> None:
    """Refuse a folder that holds another run, or something else."""
    if not (folder / RUN).exists():
        other = sorted(file.name for file in folder.iterdir() if file.name != LOCK)
        if other:
            raise ConfigurationError(
                f"The folder {folder} holds {other[0]} and no run", "choose an empty or a new one with --out"
            )
        return
    before = read_run(folder)[0]
    changed = [name for name, *_ in fingerprint.differences(before["fingerprint"], run["fingerprint"])]
    if changed:
        raise ConfigurationError(
            f"The folder {folder} holds a run that differs in {', '.join(changed)}",
            "choose a new one with --out, or put things back as they were",
        )
