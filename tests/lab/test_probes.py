"""Fitting the probes: graded answers as they are read, and states that tell them apart."""

import json
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from assistant.articles.passages import passages
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import Question, read_questions
from assistant.model import probes
from assistant.model.chat import text_of
from assistant.search.retrieval import Retriever
from assistant.settings import PROJECT
from assistant.types import Article
from lab.training import openings
from lab.training.probes import GRADES, REPORTS, Graded, fit, judged, probe, read_graded, save, states
from lab.training.readers import ReaderQuestion, read_reader_questions, read_verdicts
from lab.training.reports import GRADED, JUDGED, Report, read_reports
from lab.training.reports import READERS as READER_QUESTIONS
from lab.training.reports import REPORTS as REPORTS_FILE
from lab.training.writer import learned, read_materials

READERS = PROJECT / "corpus" / "readers"


def question(number: int, *, answerable: bool) -> Question:
    """Return a question that the article answers or does not."""
    return Question(id=f"q{number}", question="Who?", answerable=answerable)


def test_what_was_fitted_tells_right_answers_from_wrong_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once read, a state like those of right answers has odds above one, one like those of other questions below."""
    rng = np.random.default_rng(0)
    graded = [Graded(question(n, answerable=n % 4 < 2), "He did.", GRADES[n % 4]) for n in range(80)]
    told = rng.normal(size=(80, 12)) + 4 * np.array(
        [[g.question.answerable, g.grade in ("good", "partly")] * 6 for g in graded]
    )
    save(*fit(told, graded), tmp_path / "probes.npz")
    monkeypatch.setattr(probes, "PROBES", tmp_path / "probes.npz")
    save(*probe(told, [[g.grade in ("good", "partly") for g in graded]]), tmp_path / "provider.npz")
    monkeypatch.setattr(probes, "PROVIDER_PROBE", tmp_path / "provider.npz")
    right, none = (probes.signals(told[[g.grade == grade for g in graded]].mean(axis=0)) for grade in ("good", "wrong"))
    assert min(right.values()) > 0 > max(none.values())


def test_how_an_answer_opens_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state like those before a yes tells a yes, and one like those before a no tells a no."""
    rng = np.random.default_rng(0)
    asked = [
        openings.Asked(Report("r", "", ()), ReaderQuestion("yes_no", "Is it?", "It is."), n % 2 == 0)
        for n in range(160)
    ]
    told = rng.normal(size=(160, 12)) + 4 * np.array([[each.opens_with_yes] * 12 for each in asked])
    save(*openings.fit(told, asked), tmp_path / "opening.npz")
    monkeypatch.setattr(probes, "OPENING_PROBE", tmp_path / "opening.npz")
    told_by = [probes.opening(np.full(12, value, dtype=np.float32)) for value in (5, -1)]
    assert told_by == ["Yes,", "No,"]


def test_no_opening_is_fitted_to_what_the_writer_learned() -> None:
    """The reports are others; of each question the answer opens with a yes or a no."""
    reports = read_reports(REPORTS_FILE)
    questions = read_reader_questions(READER_QUESTIONS, reports)
    seen = learned(read_materials(READER_QUESTIONS, REPORTS_FILE, JUDGED))
    asked = openings.asked_about(reports, questions, seen)
    assert len(asked) > 300
    assert not seen & {text_of(passages(Article(each.report.id, each.report.text, ""))) for each in asked}
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


def test_only_the_model_that_was_trained_to_check_can_be_fitted_to(article: Article) -> None:
    """Another one leaves no state."""
    assistant = Mock(spec=["steps", "model"])
    assistant.steps.find.return_value = Retriever([article], None, None).search("Who is Krasner?")
    assistant.model.check.return_value = None
    with pytest.raises(ConfigurationError, match="unset ASSISTANT_MODEL"):
        states(assistant, [Graded(question(1, answerable=True), "He did.", "good")])


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
