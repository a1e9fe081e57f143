"""Calibration with real parts and a model that copies the evidence, or that of another question."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from answers import Packaged
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.answering import quoting
from assistant.answering.assistant import Assistant
from assistant.answering.packaged import calibration
from assistant.answering.packaged.calibration import Fits
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import read_questions
from assistant.search.retrieval import Retriever
from assistant.settings import PROJECT
from assistant.types import Article
from lab.training import calibration as calibrate
from lab.training.calibration import MOST_WRONG, Observation, fit, observe, save


@pytest.fixture(scope="module")
def observed(article: Article, by_words: Retriever) -> tuple[Assistant, list[Observation]]:
    """Run 80 development questions once, with a model that answers two of three that have an answer."""
    questions = read_questions(PROJECT / "corpus" / "questions" / "development.jsonl")
    answerable = [q for q in questions if q.answerable and q.evidence][:48]
    others = [q for q in questions if not q.answerable and q.kind != "about"][:32]
    writing = Packaged([article], by_words)
    written = [
        (question if question.answerable and number % 3 else answerable[number % len(answerable) - 1]).evidence[0]
        for number, question in enumerate([*answerable, *others])
    ]
    writing.model.enqueue(*written)
    found = observe(writing.assistant, [*answerable, *others], [], lambda done, total: None)
    assert len(writing.drafted) == len(written)
    return writing.assistant, found


@pytest.fixture(autouse=True)
def folds_are_drawn_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a fit take two fifths of its time; drawing them five times only makes what is found steadier."""
    monkeypatch.setattr(calibrate, "REPEATS", 2)


def test_what_is_fitted_can_be_read_again(observed: tuple[Assistant, list[Observation]], tmp_path: Path) -> None:
    """The file holds every fit, with a weight for each of its signals, and the product reads it."""
    save(fit(observed[1]), tmp_path / "calibration.json")
    assert weights_of(Fits.read(tmp_path / "calibration.json")) == weights_of(Fits.read())


def weights_of(fits: Fits) -> dict[str, set[str]]:
    """Return the signals that each fit has a weight for."""
    quoted = {f"quoted by {name}": fit for name, fit in fits.quoted.items()}
    some = {"written": fits.written, **fits.answerable, **quoted}
    return {name: set(fit.weight) for name, fit in some.items()}


def test_what_ships_was_fitted_to_the_signals_that_there_are() -> None:
    """Each fit that the product asks for is in the file, with a weight for each of its signals, and no other is."""
    quoted = {f"quoted by {name}": signals for name, signals in quoting.SIGNALS.items()}
    wanted = {"written": calibration.WRITTEN_SIGNALS, **calibration.SIGNALS, **quoted}
    assert weights_of(Fits.read()) == {name: set(signals) for name, signals in wanted.items()}


def test_the_same_observations_give_the_same_file(observed: tuple[Assistant, list[Observation]]) -> None:
    """Nothing in a fit is left to chance."""
    assert json.dumps(fit(observed[1])) == json.dumps(fit(observed[1]))


def test_without_drafts_nothing_is_fitted(observed: tuple[Assistant, list[Observation]]) -> None:
    """A model that was not there would be taken for one that has nothing to say."""
    _, found = observed
    with pytest.raises(ConfigurationError, match="no draft"):
        fit([replace(o, seen=replace(o.seen, draft=None)) for o in found])


def test_a_question_whose_draft_fails_is_observed_without_one(
    observed: tuple[Assistant, list[Observation]], writing: Packaged
) -> None:
    """One failure does not end half an hour of questions."""
    writing.model.enqueue("")
    (observation,) = observe(writing.assistant, [observed[1][0].question], [], lambda done, total: None)
    assert observation.seen.draft is None


@pytest.mark.parametrize("kind", ["feedback", ""])
def test_a_kind_that_nothing_is_aimed_at_is_named_before_anything_is_asked(
    observed: tuple[Assistant, list[Observation]], kind: str
) -> None:
    """Half an hour of questions is not lost to one line of the file, in whichever of the two it stands."""
    assistant, found = observed
    known = next(o.question for o in found if o.question.kind == "near")
    stranger = replace(known, id="q7", kind=kind)
    asked: list[tuple[int, int]] = []
    for usual, hard in (([known, stranger], []), ([known], [stranger])):
        with pytest.raises(ConfigurationError, match=r"q7.*near, false_premise"):
            observe(assistant, usual, hard, lambda number, of: asked.append((number, of)))
    assert asked == []


@settings(max_examples=30)
@given(st.data())
def test_the_threshold_keeps_to_what_is_allowed(
    observed: tuple[Assistant, list[Observation]], data: st.DataObject
) -> None:
    """Whatever the probabilities, at most so many of all questions get a wrong draft."""
    _, found = observed
    sure = np.array(data.draw(st.lists(st.floats(0, 1), min_size=len(found), max_size=len(found))))
    may_be_shown = np.array(data.draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found))))
    shares, right = calibrate._shares(found), calibrate._right(found)
    threshold = calibrate._threshold_of_shown(shares, right, sure, may_be_shown)
    assert shares[may_be_shown & (sure >= threshold) & ~right].sum() <= MOST_WRONG + 1e-9
