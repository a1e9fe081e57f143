"""What readers say about an answer: kept in a file, and turned into lines of a question file."""

import json
import os
import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from served import ARTICLE, CITATION, DECLINED, QUOTE, TOO_LONG, WRITTEN
from typer.testing import CliRunner

from assistant.cli import app
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import read_questions
from assistant.rendering import to_json
from assistant.types import Outcome, Turn
from assistant.web.storage.feedback import (
    MAX_COMMENT_CHARACTERS,
    REASONS,
    Feedback,
    check,
    question_lines,
    reasons_against,
    save,
)

ANSWER = replace(WRITTEN, question="By how much has violent crime fallen?")
REFUSED = replace(DECLINED, question="Who wrote it?")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the feedback goes; its folder is not there yet."""
    return tmp_path / "kept" / "feedback.sqlite3"


def lines(file: Path) -> list[dict[str, Any]]:
    """Return all lines of the file."""
    return list(question_lines(file))


def test_a_report_becomes_a_question_for_evaluators(file: Path, tmp_path: Path) -> None:
    """What is exported can be read as a question file, with what the reader said as gold."""
    save(file, Feedback(ANSWER, helpful=True, turns=(Turn("Is the city large?", "It is."),)))
    save(file, Feedback(REFUSED, helpful=True))
    save(file, Feedback(ANSWER, helpful=False, reasons=("not_in_article",)))
    save(file, Feedback(ANSWER, helpful=False, reasons=("wrong", "other"), comment="It was 15."))
    save(file, Feedback(REFUSED, helpful=False, reasons=("in_article",)))
    exported = tmp_path / "questions.jsonl"
    exported.write_text("".join(f"{json.dumps(line)}\n" for line in lines(file)), encoding="utf-8")
    good, declined, unanswerable, wrong, wrongly_declined = read_questions(exported)
    assert [question.id for question in (good, wrong)] == ["feedback-1", "feedback-4"]
    assert (good.question, good.history) == (ANSWER.question, (Turn("Is the city large?", "It is."),))
    assert (good.answerable, good.evidence, good.article) == (True, (QUOTE,), ARTICLE.id)
    assert declined.answerable is False
    assert unanswerable.answerable is False
    assert wrongly_declined.answerable is True
    assert wrong.answerable is None
    assert wrong.notes == "not helpful; It is wrong; Something else: It was 15."


def test_a_report_holds_the_whole_exchange(file: Path) -> None:
    """An evaluator sees the answer that the reader saw, and when; nobody sees who it was, others not even the file.

    Where nothing was quoted it is not known which article was meant.
    """
    save(file, Feedback(ANSWER, helpful=False, reasons=("unsupported",), comment="No."))
    (line,) = lines(file)
    report = line["feedback"]
    assert report["answer"]["answer"] == ANSWER.text
    assert report["answer"]["citations"][0]["quote"] == CITATION.quote
    assert (report["helpful"], report["reasons"]) == (False, ["unsupported"])
    assert set(report) == {"given", "helpful", "reasons", "answer", "asked_of", "articles"}
    with closing(sqlite3.connect(file)) as database:
        columns = [column[1] for column in database.execute("PRAGMA table_info(feedback)")]
    assert columns == [
        *("number", "given", "helpful", "reasons", "comment", "answer", "history", "asked_of", "articles")
    ]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    save(file, Feedback(replace(TOO_LONG, question="Hm?", outcome=Outcome.UNAVAILABLE), helpful=False))
    _, line = lines(file)
    assert {"article", "answerable"}.isdisjoint(line)
    assert line["notes"] == "not helpful"


def test_unknown_reasons_are_dropped_and_comments_cut(file: Path) -> None:
    """A report cannot fill the file, nor put a name into it that the page does not offer."""
    comment = "\x00\x1b[31m=HYPERLINK(1)\u202e" + "x" * 1_000_000
    save(file, Feedback(ANSWER, helpful=False, reasons=("<script>", "wrong", "wrong"), comment=comment))
    (line,) = lines(file)
    assert line["feedback"]["reasons"] == ["wrong"]
    kept = line["notes"].removeprefix("not helpful; It is wrong: ")
    assert len(kept) == MAX_COMMENT_CHARACTERS
    assert kept.isprintable()
    assert file.stat().st_size < 50_000


def test_no_report_is_lost_when_many_come_at_once(file: Path) -> None:
    """A hundred readers who report in the same moment are all kept, each whole."""
    reports = [Feedback(ANSWER, helpful=True, comment=f"number {index}") for index in range(100)]
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda report: save(file, report), reports))
    assert {line["notes"] for line in lines(file)} == {f"helpful: number {index}" for index in range(100)}


def fill(file: Path, most_bytes: int = 16_384) -> int:
    """Save until no more can be saved, and return how many were."""
    saved = 0
    with suppress(sqlite3.OperationalError):
        while True:
            save(file, Feedback(ANSWER, helpful=False, comment="x" * 1000), most_bytes)
            saved += 1
    return saved


def test_a_full_file_takes_no_more_and_loses_nothing(file: Path) -> None:
    """The file stops growing at its limit; what is in it can still be read."""
    saved = fill(file, 40_960)
    assert file.stat().st_size <= 40_960
    assert 5 < saved == len(lines(file))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda file: file.write_bytes(b"garbage" * 1000), "file is not a database"),
        (Path.mkdir, "Is a directory"),
        (lambda file: (file.parent.rmdir(), file.parent.touch()), "Not a directory"),
        (fill, "database or disk is full"),
    ],
)
def test_where_nothing_can_be_saved_is_known_before_a_report_is_lost(
    file: Path, make: Callable[[Path], object], why: str
) -> None:
    """What is damaged, full, or no file is named in one line."""
    file.parent.mkdir()
    make(file)
    with pytest.raises(
        ConfigurationError, match=rf"^Reports cannot be saved in .* \({why}\): make room, or set ASSIST"
    ):
        check(file, 16_384)


def test_that_a_report_can_be_saved_is_found_out_without_saving_one(file: Path) -> None:
    """No file is made, and one that is there stays as it is."""
    check(file)
    assert not file.exists()
    save(file, Feedback(ANSWER, helpful=True))
    before = file.read_bytes()
    check(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "^There is no feedback at "),
        (b"garbage" * 1000, r"feedback\.sqlite3 cannot be read .*: restore or remove it"),
    ],
)
def test_a_file_of_something_else_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    """The operator reads in one line which file cannot be read."""
    file = tmp_path / "feedback.sqlite3"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=told):
        lines(file)


def test_what_is_wrong_fits_what_is_reported(file: Path) -> None:
    """Against a refusal it is said that the article does answer; against an answer, that it does not."""
    for answer, kept in ((REFUSED, ["in_article", "other"]), (ANSWER, [*REASONS.keys() - {"in_article"}])):
        assert {*reasons_against(answer)} == {*kept}
        save(file, Feedback(answer, helpful=False, reasons=(*REASONS,)))
        assert {*lines(file)[-1]["feedback"]["reasons"]} == {*kept}


OLD_TABLE = """CREATE TABLE feedback (
    number INTEGER PRIMARY KEY, given TEXT NOT NULL, helpful INTEGER NOT NULL, reasons TEXT NOT NULL,
    comment TEXT NOT NULL, answer TEXT NOT NULL, history TEXT NOT NULL
) STRICT"""


def test_a_file_of_an_earlier_release_is_read_as_it_is_and_written_on(tmp_path: Path) -> None:
    """Its reports are kept, and say the same; what is new is known of new ones alone."""
    file = tmp_path / "feedback.sqlite3"
    answer = json.dumps(to_json(ANSWER))
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(OLD_TABLE)
        database.execute(
            "INSERT INTO feedback VALUES (1, '2026-12-01T10:00:00', 0, '[\"wrong\"]', 'No.', ?, '[]')", [answer]
        )
    (old,) = lines(file)
    assert (old["article"], old["notes"]) == (ARTICLE.id, "not helpful; It is wrong: No.")
    save(file, Feedback(REFUSED, helpful=False, asked_of="ferry"))
    again, new = lines(file)
    assert again == old
    assert (new["article"], new["feedback"]["articles"]) == ("ferry", [ARTICLE.id])


DAMAGES = ("answer = '[]'", "answer = 'x'", "reasons = '[[1]]'", "history = '{'", "answer = '{\"question\": 1}'")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_report_that_cannot_be_read_costs_no_other(file: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is left out and named."""
    for _ in range(3):
        save(file, Feedback(ANSWER, helpful=True))
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(f"UPDATE feedback SET {damage} WHERE number = 2")  # noqa: S608
    assert [line["id"] for line in lines(file)] == ["feedback-1", "feedback-3"]
    assert caplog.messages == [f"report 2 of {file} cannot be read and is left out"]


def test_the_command_prints_the_lines(file: Path) -> None:
    """`feedback export` writes a question file to standard output, and says where nothing is there yet."""
    os.environ["ASSISTANT_FEEDBACK"] = str(file)
    missing = CliRunner().invoke(app, ["feedback", "export"])
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "ASSISTANT_FEEDBACK" in missing.stderr
    save(file, Feedback(replace(ANSWER, question="“Why?” – \U0001f600"), helpful=True))
    exported = CliRunner().invoke(app, ["feedback", "export"])
    assert exported.exit_code == 0
    (line,) = exported.stdout.splitlines()
    assert json.loads(line)["question"] == "“Why?” – \U0001f600"
