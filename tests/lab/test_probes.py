"""Fitting the probes: graded answers as they are read, and states that tell them apart."""

import json
from pathlib import Path

import numpy as np
import pytest
from answers import Packaged
from scripted_engine import SURE, state_of

from assistant.errors import ConfigurationError
from assistant.evaluation.questions import Question, read_questions
from assistant.model import probes
from assistant.settings import PROJECT
from assistant.types import Article
from lab.training import openings
from lab.training.probes import GRADES, REPORTS, Graded, fit, judged, read_graded, save, states
from lab.training.readers import ReaderQuestion, read_reader_questions, read_verdicts
from lab.training.reports import GRADED, JUDGED, Report, read_reports
from lab.training.reports import READERS as READER_QUESTIONS
from lab.training.reports import REPORTS as REPORTS_FILE

READERS = PROJECT / "corpus" / "readers"


def question(number: int, *, answerable: bool) -> Question:
    """Return a question that the article answers or does not."""
    return Question(id=f"q{number}", question="Who?", answerable=answerable)


def test_what_was_fitted_tells_right_answers_from_wrong_ones(tmp_path: Path) -> None:
    """Once read, a state like those of right answers has odds above one, one like those of other questions below."""
    rng = np.random.default_rng(0)
    graded = [Graded(question(n, answerable=n % 4 < 2), "He did.", GRADES[n % 4]) for n in range(80)]
    told = rng.normal(size=(80, 12)) + 4 * np.array(
        [[g.question.answerable, g.grade in ("good", "partly")] * 6 for g in graded]
    )
    file = tmp_path / "probes.npz"
    save(*fit(told, graded), file)
    means = (told[[g.grade == grade for g in graded]].mean(axis=0) for grade in ("good", "wrong"))
    right, none = (probes.signals(mean, file) for mean in means)
    assert min(right.values()) > 0 > max(none.values())


def test_how_an_answer_opens_is_told(tmp_path: Path) -> None:
    """A state like those before a yes tells a yes, and one like those before a no tells a no."""
    rng = np.random.default_rng(0)
    asked = [
        openings.Asked(Report("r", "", ()), ReaderQuestion("yes_no", "Is it?", "It is."), n % 2 == 0)
        for n in range(160)
    ]
    told = rng.normal(size=(160, 12)) + 4 * np.array([[each.opens_with_yes] * 12 for each in asked])
    save(*openings.fit(told, asked), tmp_path / "opening.npz")
    states = (np.full(12, value, dtype=np.float32) for value in (5, -1))
    yes, no = (probes.opens_with_yes(state, tmp_path / "opening.npz") for state in states)
    assert yes > 0 > no


def test_no_opening_is_fitted_to_what_the_writer_learned() -> None:
    """The reports are others; of each question the answer opens with a yes or a no."""
    reports = read_reports(REPORTS_FILE)
    questions = read_reader_questions(READER_QUESTIONS, reports)
    seen = openings.learned()
    assert seen < {report.id for report in reports}
    asked = openings.asked_about(reports, questions, seen)
    assert len(asked) > 300
    assert seen.isdisjoint(each.report.id for each in asked)
    assert all(each.question.right.startswith("Yes" if each.opens_with_yes else "No") for each in asked)


def test_each_graded_answer_belongs_to_a_question() -> None:
    """Those that ship can be read, each with its question."""
    questions = [each for name in ("fit", "elsewhere") for each in read_questions(READERS / f"{name}.jsonl")]
    graded = read_graded(GRADED, questions)
    assert len(graded) == len(GRADED.read_text().splitlines())
    assert {each.grade for each in graded} == set(GRADES)


@pytest.mark.parametrize("line", ["no JSON", "[]", '{"id": "q9"}', '{"id": "q1", "answer": "He.", "grade": "fine"}'])
def test_a_line_that_is_no_graded_answer_is_named(line: str, tmp_path: Path) -> None:
    """One line says which, and what to do."""
    file = tmp_path / "graded.jsonl"
    file.write_text(f"{json.dumps({'id': 'q1', 'answer': 'He did.', 'grade': 'good'})}\n{line}\n")
    with pytest.raises(ConfigurationError, match=r"graded\.jsonl, line 2: not a graded answer"):
        read_graded(file, [question(1, answerable=True)])


def test_the_state_of_a_check_is_kept_for_each_answer(article: Article) -> None:
    """It is asked about the article as the product gives it."""
    writing = Packaged([article])
    graded = [Graded(question(number, answerable=True), f"{number} did.", "good") for number in range(2)]
    assert states(writing.assistant, graded) == pytest.approx(np.array([state_of(SURE)] * 2), rel=1e-5)
    assert [str(prompt[-2].content) for prompt in writing.model.prompts[-2:]] == ["0 did.", "1 did."]


def test_answers_about_reports_are_drawn_with_what_they_were_judged() -> None:
    """The same each time; of each report some that are right, some that are wrong, some of what it does not tell."""
    reports = read_reports()
    questions, verdicts = read_reader_questions(READER_QUESTIONS, reports), read_verdicts(JUDGED, reports)
    drawn = judged(reports, questions, verdicts)
    assert drawn == judged(reports, questions, verdicts)
    by_report: dict[str, list[Graded]] = {}
    for each in drawn:
        by_report.setdefault(each.question.article, []).append(each)
    assert len(by_report) == REPORTS
    for answers in by_report.values():
        assert {each.grade for each in answers} >= {"good", "wrong"}
        assert {each.question.answerable for each in answers} == {True, False}
        assert all(each.grade == "wrong" for each in answers if not each.question.answerable)
