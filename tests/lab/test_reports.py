"""The news reports that what ships learned from: how they are read, and that what ships is as it says."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from assistant.articles.reading import read_corpus
from assistant.articles.terms import share, stems
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import read_questions
from assistant.settings import PROJECT
from lab.training.reports import REPORTS, Report, ReportQuestion, read_reports

STATED = {"kind": "fact", "question": "Who fell?", "answers": ["Ann"], "right": "Ann fell.", "wrong": "Bob fell."}
JOINED = {
    "kind": "multi",
    "question": "Who fell and who ran?",
    "answers": ["Ann", "Bob"],
    "right": "Ann fell, Bob ran.",
    "wrong": "Ann.",
}
NEAR = {"kind": "near", "question": "Why did she fall?", "wrong": "She fell because of Bob."}


def written(folder: Path, *rows: object) -> Path:
    """Write a file of these rows."""
    path = folder / "reports.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return path


def test_a_report_comes_with_what_was_written_to_each_question(tmp_path: Path) -> None:
    """A question that the report does not answer has a wrong answer only, one for two things the words of both."""
    told = STATED | {"sentence": "It was Ann who fell.", "near_miss": "It was Bob."}
    path = written(tmp_path, {"id": "a", "text": "Ann fell. Bob ran.", "questions": [told, JOINED, NEAR]})
    asked = [
        ReportQuestion("Who fell?", "Bob fell.", ("Ann",), "Ann fell.", "It was Ann who fell.", "It was Bob."),
        ReportQuestion("Who fell and who ran?", "Ann.", ("Ann", "Bob"), "Ann fell, Bob ran."),
        ReportQuestion("Why did she fall?", "She fell because of Bob."),
    ]
    assert read_reports(path) == [Report("a", "Ann fell. Bob ran.", asked)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": "a", "text": "Bob ran.", "questions": [STATED]}, "the text does not hold 'Ann'"),
        ({"id": "a", "text": "Ann fell.", "questions": [{"question": "Who?"}]}, "it has no wrong"),
        ({"id": "a", "text": "Ann fell.", "questions": [STATED | {"answers": "Ann"}]}, "are a list of words"),
        ({"id": "a", "text": "Ann fell.", "questions": [STATED | {"answers": []}]}, "come with a"),
        ({"id": "a", "text": "Ann fell.", "questions": [NEAR | {"answers": ["Ann"]}]}, "come with a"),
        ({"id": "a", "text": "Ann fell.", "questions": [NEAR | {"sentence": "Ann did."}]}, 'takes "answers"'),
        (["a"], "its values are not of the form"),
    ],
)
def test_a_line_that_is_no_report_is_named(row: object, reason: str, tmp_path: Path) -> None:
    """The message says which line, and what is wrong with it."""
    good = {"id": "a", "text": "Ann fell.", "questions": [STATED]}
    with pytest.raises(ConfigurationError, match=rf"line 2: not a report \(.*{reason}.*mend the line"):
        read_reports(written(tmp_path, good, row))


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    """Nothing can be learned from no report."""
    with pytest.raises(ConfigurationError, match="holds no report"):
        read_reports(written(tmp_path))


def test_every_report_that_ships_is_asked_the_same_kinds_of_questions() -> None:
    """Twenty-seven of each report, three of which ask for two things; each report has a name of its own."""
    kinds = {"fact": 5, "paraphrase": 7, "speaker": 2, "multi": 3, "near": 7, "premise": 2, "misattributed": 1}
    rows = [json.loads(line) for line in REPORTS.read_text(encoding="utf-8").splitlines()]
    assert [Counter(asked["kind"] for asked in row["questions"]) for row in rows] == [kinds] * len(rows)
    assert {len(asked["answers"]) for row in rows for asked in row["questions"] if asked["kind"] == "multi"} == {2}
    assert len({row["id"] for row in rows}) == len(rows)


def test_the_answers_that_ship_are_what_they_are_said_to_be() -> None:
    """A right one holds the report's words, a wrong one is another, without a single answer's words.

    None is longer than a reader would read.
    """
    for report in read_reports():
        for asked in report.questions:
            assert bool(asked.answers) == bool(asked.right)
            for answer in asked.answers:
                assert re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", report.text), asked
                assert share(stems(answer), stems(asked.right)) == 1, asked
                assert not asked.sentence or share(stems(answer), stems(asked.sentence)) == 1, asked
            # A wrong answer to a question about two things may hold both answers, each given to the wrong person.
            for wrong in (asked.wrong, asked.near_miss):
                assert len(asked.answers) != 1 or asked.answers[0].lower() not in wrong.lower(), asked
            assert not ({asked.wrong, asked.near_miss} - {""}) & {asked.right, asked.sentence}, asked
            assert max(len(told.split()) for told in (asked.sentence, asked.near_miss)) <= 32, asked


def test_nothing_of_the_question_sets_was_learned_from() -> None:
    """No question of a set is asked of a report, and no report has the words of a set's evidence."""
    folder = PROJECT / "corpus"
    sets = [question for path in sorted((folder / "questions").glob("*.jsonl")) for question in read_questions(path)]
    known = {" ".join(question.question.lower().split()) for question in sets}
    reports = read_reports()
    assert known.isdisjoint(" ".join(each.question.lower().split()) for report in reports for each in report.questions)
    evidence = [stems(words) for question in sets for words in question.evidence if len(stems(words)) > 6]
    held = [stems(report.text) for report in reports]
    assert max(share(words, text) for words in evidence for text in held) < 0.9
    assert {article.id for article in read_corpus(folder / "articles").articles}.isdisjoint(r.id for r in reports)
