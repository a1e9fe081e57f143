"""The report's rows for other tools, and what the terminal shows."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from evaluated import ROWS, evaluate_with, finished, never_declines, perfect
from rich.console import Console

from assistant.evaluation.reporting import terminal
from assistant.evaluation.reporting.compare import compare
from assistant.evaluation.reporting.export import to_csv
from assistant.evaluation.reporting.formatting import interval, number
from assistant.evaluation.scoring.gates import Demands, parse


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run in which two questions failed."""
    folder = tmp_path_factory.mktemp("runs") / "bold"
    demands = Demands((parse("refusal_recall>=0.9"), parse("facts>=0.9")))
    evaluate_with(perfect(never_declines), folder, demands=demands)
    return folder


@pytest.fixture
def content(folder: Path) -> dict[str, Any]:
    """Return the data of its report."""
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def test_a_spreadsheet_has_a_line_a_row(folder: Path, content: dict[str, Any]) -> None:
    """Every score and time of every question is there, and it opens with its typographic marks intact."""
    text = (folder / "questions.csv").read_text(encoding="utf-8")
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text[1:])))
    assert [row["id"] for row in rows] == [row["id"] for row in ROWS]
    assert rows[0]["facts"] == "1.0"
    assert (rows[2]["ideal"], rows[2]["words_to_read"]) == ("They cost 4.2 million dollars.", "13.0")
    assert rows[4]["facts"] == ""
    assert rows[4]["cause"] == "should_have_declined"
    assert set(content["rows"][0]["scores"]) | {"total_ms", "must_have", "answer"} <= set(rows[0])


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "=cmd|' /C calc'!A0"])
def test_a_spreadsheet_runs_no_formula(content: dict[str, Any], text: str) -> None:
    """A question, an answer or an error that looks like a formula is text."""
    content["rows"][0] |= {"question": text, "answer": text, "error": text}
    (row, *_) = csv.DictReader(io.StringIO(to_csv(content)[1:]))
    assert not {row["question"][0], row["answer"][0], row["error"][0]} & set("=+-@\t\r")


def test_an_empty_run_is_an_empty_table(content: dict[str, Any]) -> None:
    """Without an answer there is the head of the table."""
    content["rows"] = []
    assert to_csv(content).startswith("\ufeffid,")


def shown(renderable: Any, width: int = 160) -> str:  # noqa: ANN401 - whatever rich renders
    """Return what a terminal of so many columns shows."""
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_terminal_shows_what_decides(content: dict[str, Any], folder: Path) -> None:
    """Headlines with n, failures by cause, each gate, how much the set can see, and where the report is."""
    text = shown(terminal.headlines(content, folder))
    assert "10 of 10 questions, model none" in text
    assert "unanswerable questions refused" in text
    assert re.search(r"written and right +0\.000", text)
    assert re.search(r"words to read, median +\d+\.\d", text)
    kinds = [line.split()[0] for line in text[text.index("\nkind") :].splitlines()[2:] if line][:6]
    assert kinds == ["fact", "multi", "speaker", "follow_up", "near", "false_premise"]
    assert "Failures: should have declined 3." in text
    assert "MISSED: refusal_recall >= 0.9" in text
    assert "passed: facts >= 0.9" in text
    assert "If 20% of the answers change" in text
    assert str(folder / "report.html") in text


def test_the_terminal_is_not_painted_by_strangers(content: dict[str, Any], folder: Path) -> None:
    """Escape sequences of a file's name or a question do nothing."""
    text = shown(terminal.headlines(content | {"title": "\x1b[31mred"}, folder))
    assert "\x1b" not in text
    found = compare(folder, folder)
    found["broken"] = [{"id": "\x1b[2J", "question": "\x1b]0;x\x07?", "cause": "error"}]
    assert "\x1b" not in shown(terminal.comparison(found))


def test_a_comparison_begins_with_what_broke(folder: Path) -> None:
    """First the questions that broke, each with its cause, then those fixed, then the headlines that differ."""
    lines = shown(terminal.comparison(compare(finished(), folder))).splitlines()
    assert lines[0] == "Broken: 3 of 10 questions in common"
    assert lines[1] == "  b5 Who built the bridge? (should have declined)"
    assert lines[4] == "Fixed: 0"
    (row,) = [line for line in lines if line.startswith("unanswerable questions ")]
    assert re.search(r"1\.000 +0\.250 +−0\.750 +−1\.000 to −0\.250 +1\.000 +4$", row)
    assert any(re.match(r"Same in both: written and right, facts contained, ", line) for line in lines)
    assert "Fixed: 3" in shown(terminal.comparison(compare(folder, finished())))


def test_the_terminal_fits_80_columns(folder: Path, content: dict[str, Any]) -> None:
    """No line is wider, and no figure is broken, also with large figures and changes of every headline."""
    found = compare(finished(), folder)
    for row in found["differences"]:
        row |= {"baseline": 0.125, "run": 0.875, "low": -1.0, "high": -0.5, "p_holm": 0.5, "n": 9999}
    for row in found["latency"]:
        row |= {"baseline": 12345.0, "run": 54321.0}
    for view in (terminal.comparison(found), terminal.headlines(content, folder)):
        lines = shown(view, 80).splitlines()
        assert max(len(line) for line in lines if "report.html" not in line) <= 80
    rows = [line for line in shown(terminal.comparison(found), 80).splitlines() if "0.125" in line]
    assert len(rows) == len(found["differences"])
    assert all(re.search(r" 0\.125 +0\.875 +\+0\.750 +−1\.000 to −0\.500 +0\.500 9999$", row) for row in rows)


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (None, "share", "–"),
        (0.0, "share", "0.000"),
        (0.9, "score", "0.900"),
        (2018.4, "ms", "2,018"),
        (-0.0001, "share", "0.000"),
    ],
)
def test_a_figure_has_the_decimals_of_its_unit(value: float | None, unit: str, written: str) -> None:
    """What was not measured is a dash and never 0."""
    assert number(value, unit) == written


def test_an_interval_needs_both_ends() -> None:
    """Half an interval is none."""
    assert interval(0.61, 0.8) == "0.610 to 0.800"
    assert interval(None, 0.8) == "–"
    assert number(0.1, signed=True) == "+0.100"
    assert number(-0.1, signed=True) == "−0.100"
