"""The evaluators' commands: what they print, their exit codes, and what becomes of bad input."""

import errno
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from evaluated import ROWS, always_declines, command, copied, finished, give, perfect, set_up, write

from assistant.answering.assistant import Assistant
from assistant.types import Answer

GOOD = {"id": "a", "question": "Who?"}


@pytest.fixture(autouse=True)
def assistant(tmp_path: Path) -> Iterator[mock.Mock]:
    """Open an assistant that knows the answers, over articles in the test's folder."""
    set_up(tmp_path)
    with mock.patch.object(Assistant, "open", side_effect=lambda *_: perfect()) as opened:
        yield opened


def everything(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What it prints


def test_a_person_gets_headlines_and_a_script_one_object(tmp_path: Path) -> None:
    """Standard output has the figures, or with --json one object; progress goes to standard error."""
    arguments = ("evaluate", write(tmp_path, ROWS), "--out", tmp_path / "run", "--min", "facts>=0.9")
    result = command(*arguments)
    assert result.exit_code == 0
    assert "facts contained" in result.stdout
    assert "Asking: 10 of 10" in result.stderr
    assert result.stderr.startswith("Sample size: two runs on 10 questions are told apart")
    assert "a second" in result.stderr
    assert {"answers.jsonl", "report.json", "report.html", "questions.csv", "run.json"} <= set(
        everything(tmp_path / "run")
    )
    found = json.loads(command(*arguments, "--json").stdout)
    assert {"headlines", "causes", "gates", "asked", "complete", "folder"} <= set(found)
    assert found["gates"][0]["passed"] is True
    # A line of answers.jsonl has every key that `ask --json` has.
    lines = [json.loads(line) for line in (tmp_path / "run" / "answers.jsonl").read_text().splitlines()]
    keys = {"id", "question", "status", "answer", "citations", "timings", "model", "error"}
    assert all(keys <= set(line) for line in lines)
    assert [line["id"] for line in lines] == [row["id"] for row in ROWS]
    assert set(lines[0]["citations"][0]) == {"number", "article", "version", "start", "end", "quote"}


def test_two_runs_are_compared() -> None:
    """The command prints differences for a person and one object for a script."""
    runs = finished(), finished(always_declines)
    result = command("compare", *runs)
    assert result.exit_code == 0
    assert "Broken: 6" in result.stdout
    assert len(json.loads(command("compare", *runs, "--json").stdout)["broken"]) == 6


# Exit codes


def test_a_missed_limit_is_exit_code_3(tmp_path: Path) -> None:
    """The line that was missed is named with its value, those that were reached are not; limits of a file count too."""
    limits = tmp_path / "limits.toml"
    limits.write_text("[max]\nfalse_refusals = -1\n")
    result = command(
        "evaluate",
        *("--rescore", copied(tmp_path), "--min", "facts>=0.9", "--min", "total_p95<=1", "--thresholds", limits),
    )
    assert result.exit_code == 3
    assert result.stderr.splitlines() == ["missed: total_p95 <= 1: it is 20", "missed: false_refusals <= -1: it is 0"]


def test_falling_behind_a_baseline_is_exit_code_3(tmp_path: Path) -> None:
    """A headline that is worse than in the earlier run by more than allowed is named."""
    later = copied(tmp_path, always_declines)
    result = command("evaluate", "--rescore", later, "--baseline", finished(), "--max-drop", 0.05)
    assert result.exit_code == 3
    assert "missed: facts drops by at most 0.05: it is 1" in result.stderr


@pytest.mark.parametrize(
    ("error", "told"),
    [(OSError, "every question ended in an error"), (KeyboardInterrupt, "Interrupted after 0 of 10 questions")],
)
def test_a_run_of_errors_alone_and_an_interrupted_one_failed(
    tmp_path: Path, assistant: mock.Mock, error: type[BaseException], told: str
) -> None:
    """The exit code is 1, before any limit, and one line says what happened."""

    def fails(*_: object) -> Answer:
        raise error("gone")

    assistant.side_effect = lambda *_: perfect(fails)
    result = command("evaluate", write(tmp_path, ROWS), "--out", tmp_path / "run", "--min", "facts>=0.9")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(f"error: {told}")


def test_a_gate_on_grades_says_how_sure_it_is(tmp_path: Path) -> None:
    """What is missed is told with its interval and n, and without grades with what to do; both are exit code 3."""
    folder = copied(tmp_path)
    result = command("evaluate", "--rescore", folder, "--min", "content>=0.7")
    assert result.exit_code == 3
    assert "not applicable: grade answers with `review` first" in result.stderr
    give(folder, {"b1": "good", "b2": "bad", "b3": "bad"})
    result = command("evaluate", "--rescore", folder, "--min", "content>=0.7", "--min", "content@speaker<=0")
    assert result.exit_code == 3
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("missed")]
    assert re.fullmatch(r"missed: content >= 0.7: it is 0.3333, at least .+ and at most .+ by its interval, n 3", line)
    assert "Graded by reading: 3 answers, none graded twice" in result.stdout


# Bad input


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not a question"),
        ({**GOOD, "id": "b", "evidence": ["a mill"]}, "the evidence 'a mill' is not in the article"),
        ({**GOOD, "id": "b", "article": "tunnel"}, "there is no article 'tunnel'; known are bridge"),
    ],
)
def test_a_bad_line_ends_the_run_before_it_begins(
    tmp_path: Path, assistant: mock.Mock, line: dict[str, object] | str, reason: str
) -> None:
    """Exit code 2, one line with the number of the bad one and the cure; nothing is opened and no folder made."""
    result = command("evaluate", write(tmp_path, [GOOD, line]), "--out", tmp_path / "run")
    assert (result.exit_code, result.stdout) == (2, "")
    (shown,) = result.stderr.splitlines()
    assert shown.startswith(f"error: {tmp_path / 'questions.jsonl'}, line 2: {reason}")
    assert not (tmp_path / "run").exists()
    assistant.assert_not_called()


def test_every_bad_line_is_named_at_once(tmp_path: Path) -> None:
    """Each has a line of its own, in the order of the file, whatever is wrong with it; of very many the first."""
    bad: list[Any] = ["{", {**GOOD, "id": "b", "evidence": ["a mill"]}, GOOD, {"id": "c"}]
    result = command("evaluate", write(tmp_path, [GOOD, *bad]), "--out", tmp_path / "run")
    shown = result.stderr.splitlines()
    assert result.exit_code == 2
    reasons = ("JSON", "'a mill'", "used twice", "it has no question")
    for number, line, reason in zip(range(2, 6), shown, reasons, strict=True):
        assert line.startswith(f"error: {tmp_path / 'questions.jsonl'}, line {number}: ")
        assert reason in line
    shown = command("evaluate", write(tmp_path, ["{"] * 500), "--out", tmp_path / "run").stderr.splitlines()
    assert (len(shown), shown[-1]) == (21, "error: and 480 more")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no question"),
        (b"\n \n", "holds no question"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b" " * 50_000_000, "is larger than 20 MB; split it into several"),
    ],
    ids=["empty", "blank", "binary", "50 MB"],
)
def test_a_bad_file_ends_the_run_before_it_begins(tmp_path: Path, content: bytes, reason: str) -> None:
    """The file and the cure are named."""
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    result = command("evaluate", path, "--out", tmp_path / "run")
    assert (result.exit_code, result.stdout) == (2, "")
    (shown,) = result.stderr.splitlines()
    assert reason in shown
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "Name a question file and a folder"),
        (("QUESTIONS",), "Name a question file and a folder"),
        (("QUESTIONS", "--out", "RUN", "--min", "facts"), "not of the form NAME>=VALUE"),
        (("QUESTIONS", "--out", "RUN", "--min", "wit>=1"), "there is no measure 'wit'"),
        (("QUESTIONS", "--out", "RUN", "--min", "facts@riddle>=1"), "the run has no question of that kind"),
        (("QUESTIONS", "--out", "RUN", "--max-drop", "0.1"), "--max-drop needs an earlier run"),
        (("QUESTIONS", "--out", "RUN", "--baseline", "ABSENT"), "holds no run"),
        (("QUESTIONS", "--out", "RUN", "--thresholds", "ABSENT"), "cannot be read"),
        (("QUESTIONS", "--out", "RUN", "--failed-in", "ABSENT"), "holds no run"),
        (("QUESTIONS", "--out", "RUN", "--articles", "ABSENT"), "No article can be read from"),
        (("QUESTIONS", "--out", "RUN", "--ids", "zz"), "No question has the id 'zz'"),
        (("QUESTIONS", "--out", "/dev/null/run"), "error: The folder /dev/null/run cannot be written ("),
        (("ABSENT", "--out", "RUN"), "cannot be read"),
        (("--rescore", "ABSENT"), "holds no run"),
    ],
)
def test_bad_options_end_the_run_before_it_begins(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    """One line says what is wrong; no folder is made."""
    names = {"QUESTIONS": write(tmp_path, ROWS), "RUN": tmp_path / "run", "ABSENT": tmp_path / "absent"}
    result = command("evaluate", *[names.get(argument, argument) for argument in arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    (shown,) = result.stderr.splitlines()
    assert reason in shown
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "absent").exists()


def test_a_bad_file_overwrites_nothing(tmp_path: Path) -> None:
    """A finished run stays as it is when the command is given again with a bad file."""
    folder = copied(tmp_path)
    before = everything(folder)
    assert command("evaluate", write(tmp_path, [*ROWS, "{"]), "--out", folder).exit_code == 2
    assert everything(folder) == before


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """An answer that cannot be kept ends the run with what to do; going on is possible afterwards."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    questions = write(tmp_path, ROWS)
    with mock.patch("assistant.evaluation.records.os.fsync", side_effect=[None] * 5 + [full]):
        result = command("evaluate", questions, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "cannot be written (No space left on device): make room there" in result.stderr.splitlines()[-1]
    assert command("evaluate", questions, "--out", tmp_path / "run").exit_code == 0
