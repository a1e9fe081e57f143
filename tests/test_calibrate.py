"""Calibration with real parts and a model that copies the evidence, or that of another question."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ScriptedModel, WordEmbedder
from hypothesis import given
from hypothesis import strategies as st

from assistant import answerability, language_model
from assistant.answering import Assistant
from assistant.articles import Corpus
from assistant.errors import ConfigurationError
from assistant.evaluation import calibrate
from assistant.evaluation.calibrate import MOST_TWICE, MOST_WRONG, Observation, fit, observe, observe_again, save
from assistant.evaluation.questions import read_questions
from assistant.index import open_index
from assistant.language_model import LanguageModel, ModelHolder
from assistant.retrieval import Retriever
from assistant.settings import PROJECT, Settings
from assistant.types import Article


class ModelThatHasRead(LanguageModel):
    """Has read every article, and is as sure of each answer as of the next."""

    def has_read(self, article: Article) -> bool:  # noqa: ARG002
        """Say so."""
        return True

    def margin(self, *_: object) -> float:
        """Return the same for every question."""
        return 0.5


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory, article: Article) -> tuple[Assistant, list[Observation]]:
    """Run 80 development questions once, with a model that answers two of three that have an answer."""
    questions = read_questions(PROJECT / "corpus" / "questions" / "development.jsonl")
    answerable = [q for q in questions if q.answerable and q.evidence][:48]
    others = [q for q in questions if not q.answerable and q.kind != "about"][:32]
    model = ScriptedModel()
    written = [
        (question if question.answerable and number % 3 else answerable[number % len(answerable) - 1]).evidence[0]
        for number, question in enumerate([*answerable, *others])
    ]
    model.enqueue(*written)
    embedder = WordEmbedder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(language_model, "open_language_model", lambda *_: ModelThatHasRead(model, "scripted"))
        holder = ModelHolder(Settings(model="scripted:test"), [article], lambda what, done, total: None)
        holder.wait()
    index = open_index([article], embedder, tmp_path_factory.mktemp("index"))
    assistant = Assistant(Corpus((article,)), Retriever([article], index, embedder), None, holder, 10.0)
    found = observe(assistant, [*answerable, *others], [], lambda done, total: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrate, "IN_DOUBT", 0.8)  # So few questions leave doubt about fewer yet.
        model.enqueue(*(written[number] for number in sorted(calibrate._in_doubt(found))))
        found = observe_again(assistant, found, lambda done, total: None)
    index.close()
    return assistant, found


def test_what_is_fitted_can_be_read_again(
    observed: tuple[Assistant, list[Observation]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file holds every fit, with a weight for each of its signals, and the product reads it."""
    file = tmp_path / "calibration.json"
    save(fit(*observed), file)
    monkeypatch.setattr(answerability, "CALIBRATION", file)
    for read in (answerability.calibration, answerability.written):
        read.cache_clear()
    try:
        for name, signals in answerability.SIGNALS.items():
            assert set(answerability.calibration(name).weight) == set(signals)
        for name, signals in answerability.WRITTEN_SIGNALS.items():
            assert set(answerability.written(name).weight) == set(signals)
    finally:
        monkeypatch.undo()
        for read in (answerability.calibration, answerability.written):
            read.cache_clear()


def test_the_same_observations_give_the_same_file(observed: tuple[Assistant, list[Observation]]) -> None:
    """Nothing in a fit is left to chance."""
    assert json.dumps(fit(*observed)) == json.dumps(fit(*observed))


def test_without_two_drafts_nothing_is_fitted(observed: tuple[Assistant, list[Observation]]) -> None:
    """A model that was not there would be taken for one that has nothing to say."""
    assistant, found = observed
    with pytest.raises(ConfigurationError, match="second draft"):
        fit(assistant, [replace(o, twice=None) for o in found])
    with pytest.raises(ConfigurationError, match="no draft"):
        observe_again(assistant, [replace(o, once=replace(o.once, drafts=())) for o in found], lambda *_: None)


def test_only_those_in_doubt_are_asked_again(observed: tuple[Assistant, list[Observation]]) -> None:
    """A second draft is made of some questions and not of all, and each is of the question that it stands beside."""
    _, found = observed
    again = [o for o in found if o.twice is not None]
    assert 0 < len(again) < len(found)
    assert all(o.twice is not None and o.twice.drafts[0].text == o.once.drafts[0].text for o in again)


_STAGE = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0, 1), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
        st.lists(st.floats(0, 1), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
    )
)


@given(_STAGE)
def test_the_thresholds_keep_to_what_is_allowed(
    drawn: tuple[list[float], list[bool], list[float], list[bool]],
) -> None:
    """Whatever the probabilities, at most so many get a wrong draft, and at most so many wait for a second one."""
    sure, right, sure_later, right_later = (np.array(column) for column in drawn)
    shares, waiting = np.full(len(sure), 1 / len(sure)), np.full(len(sure), fill_value=True)
    first, second, begin = calibrate._thresholds_of_two((sure, right), (sure_later, right_later), shares, waiting)
    shown = sure >= first
    again = ~shown & (sure >= begin)
    shown_later = again & (sure_later >= second)
    assert shares[shown & ~right].sum() + shares[shown_later & ~right_later].sum() <= MOST_WRONG + 1e-9
    assert shares[again].sum() <= MOST_TWICE + 1e-9
