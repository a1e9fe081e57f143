"""Grades by people: the file that keeps them, and what they say of a run."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from evaluated import copied, finished, give, grade_of, invents_numbers, measure, report_of

from assistant.evaluation import run as runs
from assistant.evaluation.evaluate import score
from assistant.evaluation.grading.grades import FILE, add, key_of, latest, read
from assistant.evaluation.scoring import statistics
from assistant.evaluation.scoring.agreement import agreement, alpha
from assistant.evaluation.scoring.gates import Demands

# The file


def test_an_edit_keeps_what_was_said_and_needs_a_reason(tmp_path: Path) -> None:
    """The same again adds no line, another grade without a reason is refused, and with one both lines stay."""
    first = grade_of()
    assert add(tmp_path, first) is None
    assert add(tmp_path, replace(first, time="later")) is None
    assert add(tmp_path, grade_of(grade="wrong")) == first
    assert read(tmp_path) == [first]
    second = grade_of(grade="wrong", reason="I misread the date")
    assert add(tmp_path, second) is None
    assert read(tmp_path) == [first, second]
    assert list(latest(read(tmp_path)).values()) == [second]
    assert add(tmp_path, grade_of(grade="", reason="undone")) is None
    assert latest(read(tmp_path)) == {}
    assert len(read(tmp_path)) == 3


def test_a_torn_last_line_costs_nothing_that_was_kept(tmp_path: Path) -> None:
    """What a power cut left of a line is passed over, and goes when the next grade is kept."""
    add(tmp_path, grade_of("b1"))
    with (tmp_path / FILE).open("a") as file:
        file.write('{"time": "2026-')
    assert [grade.id for grade in read(tmp_path)] == ["b1"]
    add(tmp_path, grade_of("b2"))
    assert [grade.id for grade in read(tmp_path)] == ["b1", "b2"]


def test_a_kill_loses_no_grade(tmp_path: Path) -> None:
    """A process that is killed while it grades leaves every grade whose keeping it knew of, each once."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        for number in range(10_000):
            add(tmp_path, grade_of(f"q{number}"))
            os.write(writing, b".")
    for _ in range(20):
        assert os.read(reading, 1) == b"."
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(writing)
    known = 20 + len(os.read(reading, 10_000))
    os.close(reading)
    found = [grade.id for grade in read(tmp_path)]
    assert found[:known] == [f"q{number}" for number in range(known)]
    assert len(found) == len(set(found))
    assert add(tmp_path, grade_of("after")) is None
    assert read(tmp_path)[-1].id == "after"


def test_two_graders_at_once_do_not_collide(tmp_path: Path) -> None:
    """Of two processes that grade the same answers at the same time every line is whole and there."""
    children = []
    for grader in ("ada", "ben"):
        if (child := os.fork()) == 0:
            for number in range(30):
                add(tmp_path, grade_of(f"q{number}", grader=grader))
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    found = [(grade.grader, grade.id) for grade in read(tmp_path)]
    assert sorted(found) == sorted((grader, f"q{number}") for grader in ("ada", "ben") for number in range(30))


def test_a_grade_is_of_every_word_that_was_read() -> None:
    """Another answer, citation or closest sentence is another thing to grade."""
    records = [o.record for o in runs.observed(finished())[2]]
    quoted, declined = records[0], next(record for record in records if record.closest)
    assert key_of(replace(quoted, answer="")) != key_of(quoted) != key_of(replace(quoted, citations=()))
    assert key_of(replace(declined, closest=())) != key_of(declined)


def test_grades_that_do_not_count_are_named(tmp_path: Path) -> None:
    """A grade by another rubric, or of an answer that is not there, changes no figure and is told with the cure."""
    folder = copied(tmp_path)
    give(folder, {"b1": "good"})
    give(folder, {"b2": "wrong"}, rubric="older")
    give(folder, {"b3": "wrong"}, answer="of other words")
    content = score(folder, Demands())
    assert measure(content, "content")["n"] == 1
    by_rubric, strays = content["grades"]["notes"]
    assert "another rubric" in by_rubric
    assert "b3" in strays
    assert len(read(folder)) == 3


# What the grades say


def test_alpha_is_the_published_one() -> None:
    """Four observers of twelve units, some of which not all of them saw: Krippendorff (2011), part D, ordinal .815."""
    observers = ("123321412---", "1233224125-3", "-3332342251-", "12332441251-")
    seen = [[(str(n), level) for n, level in enumerate(unit) if level != "-"] for unit in zip(*observers, strict=True)]
    assert alpha(list(map(dict, seen)), "54321") == pytest.approx(0.815, abs=5e-4)


def test_agreement_is_of_what_several_graded() -> None:
    """Answers of one grader do not count; pairs that agree, and who said what, do; one grade alone has no alpha."""
    answers = [{"ada": "good", "ben": "good"}, {"ben": "bad", "ada": "partly"}, {"ada": "wrong"}]
    found = agreement(answers)
    assert found is not None
    assert (found["n"], found["pairs"], found["share"]) == (2, 2, 0.5)
    assert found["confusion"] == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert agreement(answers[2:]) is None
    assert alpha([{"ada": "good", "ben": "good"}]) is None


def test_grades_are_a_measure_like_the_others(tmp_path: Path) -> None:
    """Their share has the clustered interval of any share, and stands by kind, by state and in rows."""
    folder = copied(tmp_path)
    said = {"b1": "good", "b2": "partly", "b3": "good", "b4": "wrong", "b5": "good", "s1": "good"}
    give(folder, said)
    give(folder, {"b1": "wrong", "b3": "good"}, "ben", issue="wrong fact")
    content = score(folder, Demands(baseline=finished()))
    clusters = {row["id"]: row["cluster"] for row in content["rows"]}
    shares = {name: float(grade == "good") for name, grade in said.items()} | {"b1": 0.5}
    expected = statistics.mean(list(shares.values()), [clusters[name] for name in shares])
    found = measure(content, "content")
    assert [found[key] for key in ("value", "low", "high", "n")] == pytest.approx(
        [expected.value, expected.low, expected.high, 6], abs=1e-6
    )
    assert measure(content, "graded_wrong")["value"] == pytest.approx(1.5 / 6)
    near = next(group for group in content["by_kind"] if group["name"] == "near")
    assert next(m for m in near["measures"] if m["name"] == "content")["value"] == 1.0
    states = {state["name"]: state for state in content["grades"]["by_state"]}
    assert states["declined"]["content"]["value"] == 1.0
    assert states["quoted"]["n"] == 5
    assert content["grades"]["issues"] == [{"issue": "wrong fact", "n": 2, "ids": ["b1", "b3"]}]
    assert {row["id"] for row in content["grades"]["differ"]} == {"b1", "b4"}
    page = (folder / "report.html").read_text()
    assert "Where rules and grades differ" in page
    assert report_of()["grades"] is None


def test_two_answers_are_read_side_by_side(tmp_path: Path) -> None:
    """The report has both answers to a question, the words that only one has marked, and what each was graded."""
    folder, baseline = copied(tmp_path, invents_numbers), finished()
    give(folder, {"b1": "wrong"}, comment="nobody says <so>")
    score(folder, Demands(baseline=baseline))
    page = (folder / "report.html").read_text()
    changes = page[page.index('id="changes"') :]
    assert "<mark>After 7,777 days: </mark>The town council voted" in changes
    assert "nobody says &lt;so&gt;" in changes
