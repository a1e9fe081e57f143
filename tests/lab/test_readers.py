"""Readers' questions to train on, and judged answers to them: how their files are read, and what is refused."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import ConfigurationError
from assistant.types import Turn
from lab.training.checks import Check
from lab.training.readers import KINDS, READER_VERDICTS, ReaderQuestion, read_reader_questions, read_verdicts
from lab.training.reports import JUDGED, READERS, Report, read_reports

REPORTS = [Report("a", "Ann fell. Bob ran.", []), Report("b", "Cora sang.", [])]
ASKED = {"kind": "why", "question": "why did she fall", "history": [], "right": "The report does not tie it to Bob."}
FOLLOWING = {
    "kind": "follow_up",
    "question": "and bob",
    "history": [{"question": "who fell", "answer": "Ann fell."}],
    "right": "Bob ran.",
    "evidence": ["Bob ran"],
}
JUDGED_ANSWER = {"question": "and bob", "history": FOLLOWING["history"], "answer": "Bob fell.", "verdict": "partly"}


def written(folder: Path, *rows: object) -> Path:
    """Write a file of these rows."""
    path = folder / "readers.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return path


def test_the_questions_about_a_report_come_by_its_id(tmp_path: Path) -> None:
    """Each has its history and, where it was noted, its evidence; a report without a line has none."""
    assert read_reader_questions(written(tmp_path, {"id": "a", "questions": [ASKED, FOLLOWING]}), REPORTS) == {
        "a": [
            ReaderQuestion("why", "why did she fall", "The report does not tie it to Bob."),
            ReaderQuestion("follow_up", "and bob", "Bob ran.", (Turn("who fell", "Ann fell."),), ("Bob ran",)),
        ]
    }


def test_judged_answers_come_by_the_id_of_their_report(tmp_path: Path) -> None:
    """Each has its history and its verdict; how it was made is not asked."""
    path = written(tmp_path, {"id": "b", "answers": [JUDGED_ANSWER | {"relation": "name"}]})
    asked = (Turn("who fell", "Ann fell."),)
    assert read_verdicts(path, REPORTS) == {"b": [Check("and bob", "Bob fell.", "partly", asked)]}


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"verdict": "right"}, "'right' is none of"), ({"answer": " "}, "are no words"), ({"kind": "why"}, "it has kind")],
)
def test_a_judged_answer_that_is_not_as_it_should_be_is_named(
    more: dict[str, str], reason: str, tmp_path: Path
) -> None:
    """The message says which line, and what is wrong with it."""
    path = written(tmp_path, {"id": "b", "answers": [JUDGED_ANSWER, JUDGED_ANSWER | more]})
    with pytest.raises(ConfigurationError, match=rf"line 1: not judged answers .*{reason}.*mend the line"):
        read_verdicts(path, REPORTS)


def without(key: str) -> dict[str, Any]:
    """Return the question without what it must have."""
    return {name: value for name, value in ASKED.items() if name != key}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        *(
            ({"id": "a", "questions": [ASKED, asked]}, reason)
            for asked, reason in [
                *((without(key), f"it lacks {key}") for key in ASKED),
                (ASKED | {"answer": "No."}, "it has answer, which means nothing here"),
                (ASKED | {"kind": "near"}, "the kind 'near' is none of"),
                (ASKED | {"right": "  "}, "'  ' are no words"),
                (ASKED | {"question": 9}, "9 are no words"),
                (ASKED | {"kind": "follow_up"}, "takes the history"),
                (ASKED | {"history": [{"question": "who"}]}, "it lacks answer"),
                (ASKED | {"history": ["who"]}, "AttributeError"),
                (ASKED | {"evidence": ["Ann ran"]}, "does not hold 'Ann ran'"),
                ("why", "AttributeError"),
            ]
        ),
        ({"id": "c", "questions": [ASKED]}, "'c' is no report"),
        ({"id": "b", "questions": [ASKED]}, "has a line already"),
        ({"id": "a", "questions": []}, "there are no questions"),
        ({"id": "a", "questions": [ASKED], "text": "Ann fell."}, "it has text"),
        ({"id": "a"}, "it lacks questions"),
        (["a"], "AttributeError"),
    ],
)
def test_a_line_or_a_question_that_is_not_as_it_should_be_is_named(row: object, reason: str, tmp_path: Path) -> None:
    """Which line, and what is wrong; its report must be known and have no line yet, and something must be asked."""
    with pytest.raises(ConfigurationError, match=rf"line 2: not readers' questions .*{reason}.*mend the line"):
        read_reader_questions(written(tmp_path, {"id": "b", "questions": [ASKED]}, row), REPORTS)


def test_a_file_without_questions_is_named(tmp_path: Path) -> None:
    """Nothing can be learned from no line."""
    with pytest.raises(ConfigurationError, match="holds no questions"):
        read_reader_questions(written(tmp_path), REPORTS)


def test_the_questions_that_ship_are_enough_to_learn_from() -> None:
    """At least 3,000 about 250 reports, of every kind; at least as many answers are "No" as "Yes"."""
    asked = read_reader_questions(READERS, read_reports())
    questions = [question for of_report in asked.values() for question in of_report]
    assert len(asked) >= 250
    assert len(questions) >= 3000
    assert {question.kind for question in questions} == set(KINDS)
    begins = Counter(question.right.partition(",")[0] for question in questions if question.kind == "yes_no")
    assert begins["No"] >= begins["Yes"] > 0


def test_the_judged_answers_that_ship_are_enough_to_learn_from() -> None:
    """There are some about every report with readers' questions, of every verdict that is not only for right ones."""
    reports = read_reports()
    judged = read_verdicts(JUDGED, reports)
    assert judged.keys() == read_reader_questions(READERS, reports).keys()
    assert {check.verdict for of_report in judged.values() for check in of_report} == {*READER_VERDICTS} - {"yes"}
