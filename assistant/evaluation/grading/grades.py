"""What people who read the answers say of them, and the file that keeps it.

The file grows by a line and is never rewritten. Of a grader's lines about one answer the last one counts, and one
without a grade takes back. A grade is of the very words that were read: where they changed, or the rubric did, it does
not count; grades by different rubrics do not touch each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import filelock

from assistant.errors import ConfigurationError
from assistant.evaluation import records
from assistant.evaluation.grading.rubrics import CONTENT, RUBRICS
from assistant.evaluation.records import Record
from assistant.files import sha256

FILE, LOCK = "grades.jsonl", "grades.lock"
_WAIT_SECONDS = 20.0
"""How long a grader waits for another one's line, which takes milliseconds."""

Key = tuple[str, str]
"""The id of a question, and the hash of the answer that was read."""


@dataclass(frozen=True, slots=True)
class Grade:
    """What a grader said of one answer."""

    time: str
    """In UTC, as ISO 8601 has it."""
    grader: str
    rubric: str
    id: str
    answer: str
    """Hash of what was read."""
    grade: str
    """The level of each criterion of the rubric; empty where an earlier one is taken back."""
    issue: str = ""
    comment: str = ""
    preferred: str = ""
    """Whether `this` answer, the `other` or neither, the `same`, is better, where two were read together."""
    against: str = ""
    """Hash of that other one."""
    reason: str = ""
    """Why it is not what the same grader said before."""

    @property
    def key(self) -> Key:
        """Which answer it is of."""
        return self.id, self.answer


def key_of(record: Record) -> Key:
    """Return what a grade of this answer is kept by."""
    quotes = [cited.quote for cited in (*record.citations, *record.closest)]
    shown = [record.question, record.status, record.answer, *quotes]
    return record.id, sha256(json.dumps(shown))[:16]


def read(folder: Path) -> list[Grade]:
    """Return every line of a run's grades, without a last one that was cut off; none where nobody graded.

    Raises:
        ConfigurationError: the file cannot be read, or a whole line is damaged; it is named.
    """
    return records.read_lines(folder / FILE, _parsed)


def _parsed(line: Mapping[str, Any]) -> Grade:
    grade = Grade(**line)
    if grade.grade and grade.rubric in RUBRICS and not RUBRICS[grade.rubric].holds(grade.grade):
        raise ValueError(grade.grade)
    return grade


def latest(given: Iterable[Grade], rubric: str = CONTENT.version) -> dict[tuple[str, Key], Grade]:
    """Return what each grader says now of each answer by a rubric, without what was taken back."""
    last = {(grade.grader, grade.key): grade for grade in given if grade.rubric == rubric}
    return {place: grade for place, grade in last.items() if grade.grade}


def left_out(known: Iterable[Record], given: Sequence[Grade], rubric: str = CONTENT.version) -> list[str]:
    """Return a sentence for each reason why grades do not count for these answers, and what to do."""
    keys = {key_of(record) for record in known}
    last, name = latest(given, rubric), rubric.rpartition("-")[0]
    others = [g for g in given if g.rubric != rubric and g.rubric.rpartition("-")[0] == name]
    of_another = len({(g.grader, g.key) for g in others} - last.keys())
    strays = sorted({grade.id for grade in last.values() if grade.key not in keys})
    notes = []
    if of_another:
        notes.append(f"Grades by another rubric do not count, {of_another} of them: grade these answers again.")
    if strays:
        notes.append(f"Grades of answers that are not in this run do not count: {', '.join(strays)}. Grade those anew.")
    return notes


def add(folder: Path, new: Grade) -> Grade | None:
    """Keep a grade, which is on the disk when this returns; from any process.

    What says nothing new is not written twice. What contradicts the same grader's grade and gives no reason is not
    written at all, and the earlier grade is returned.

    Raises:
        ConfigurationError: the file cannot be read or written.
    """
    with _locked(folder):
        earlier = latest(read(folder), new.rubric).get((new.grader, new.key))
        if earlier and not new.reason and _said(earlier) != _said(new):
            return earlier
        is_new = earlier != replace(new, time=earlier.time, reason=earlier.reason) if earlier else bool(new.grade)
        if is_new:
            records.append(folder / FILE, [asdict(new)])
    return None


def _said(grade: Grade) -> tuple[str, str, str]:
    return grade.grade, grade.issue, grade.comment


def check(folder: Path) -> None:
    """Make sure that grades can be kept in a folder and that those that are there can be read.

    Raises:
        ConfigurationError: they cannot.
    """
    with _locked(folder):
        read(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the files of grades, which another grader's process may write at the same time."""
    try:
        with filelock.FileLock(folder / LOCK, timeout=_WAIT_SECONDS):
            yield
    except filelock.Timeout as error:
        raise ConfigurationError(f"Another program holds {folder / LOCK}", "stop it and grade again") from error
    except OSError as error:
        raise ConfigurationError(
            f"Grades cannot be kept in {folder} ({error.strerror})", "make the folder writable"
        ) from error
