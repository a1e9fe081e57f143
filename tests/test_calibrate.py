"""Calibration with real parts and a model that copies the evidence, or a sentence beside the point."""

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
from assistant.evaluation.calibrate import MOST_TWICE, MOST_WRONG, Observation, fit, observe, save
from assistant.evaluation.questions import read_questions
from assistant.index import open_index
from assistant.language_model import LanguageModel, ModelHolder
from assistant.passages import sentences
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
    """Run forty development questions once, with a model that answers those that have an answer."""
    questions = read_questions(PROJECT / "corpus" / "questions" / "development.jsonl")
    answerable = [q for q in questions if q.answerable and q.evidence][:24]
    others = [q for q in questions if not q.answerable and q.kind != "about"][:16]
    model = ScriptedModel()
    for question in [*answerable, *others]:
        text = question.evidence[0] if question.answerable else sentences(article)[0].text
        model.enqueue(text, text)
    embedder = WordEmbedder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(language_model, "open_language_model", lambda *_: ModelThatHasRead(model, "scripted"))
        holder = ModelHolder(Settings(model="scripted:test"), [article], lambda what, done, total: None)
        holder.wait()
    index = open_index([article], embedder, tmp_path_factory.mktemp("index"))
    assistant = Assistant(Corpus((article,)), Retriever([article], index, embedder), None, holder, 10.0)
    found = observe(assistant, [*answerable, *others], [], lambda done, total: None)
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
    assistant, (first, *rest) = observed
    with pytest.raises(ConfigurationError, match="two drafts"):
        fit(assistant, [replace(first, twice=first.once), *rest])


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
