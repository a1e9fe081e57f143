"""Calibration with real parts and a model that copies the evidence, or that of another question."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from conftest import ScriptedModel, WordEmbedder, checked_as
from hypothesis import given
from hypothesis import strategies as st

from assistant.answering import calibration
from assistant.answering.assistant import Assistant
from assistant.answering.drafts import holds
from assistant.answering.judgement import SHORT_WORDS, Judgement, is_long
from assistant.articles.reading import Corpus
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import read_questions
from assistant.model.chat import Checked, LanguageModel
from assistant.model.holder import ModelHolder
from assistant.search.index import open_index
from assistant.search.retrieval import Retriever
from assistant.settings import PROJECT, Settings
from assistant.types import Article
from lab.training import calibration as calibrate
from lab.training.calibration import MOST_WRONG, Observation, fit, observe, save


class ModelThatTells(LanguageModel):
    """Is as sure of each answer as of the next."""

    def check(self, *_: object, **__: object) -> Checked:
        """Return the same for every question."""
        return checked_as(0.5, 0.5)


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
    drafted = [1 if len(draft.split()) > SHORT_WORDS else 2 for draft in written]
    model.enqueue(*(draft for draft, times in zip(written, drafted, strict=True) for _ in range(times)))
    embedder = WordEmbedder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assistant.model.holder.open_language_model", lambda *_: ModelThatTells(model, "scripted"))
        holder = ModelHolder(Settings(model="scripted:test"), [article], lambda what, done, total: None)
        holder.wait()
    index = open_index([article], embedder, tmp_path_factory.mktemp("index"))
    assistant = Assistant(Corpus((article,)), Retriever([article], index, embedder), None, holder, 10.0)
    found = observe(assistant, [*answerable, *others], [], lambda done, total: None)
    index.close()
    assert len(model.prompts) == sum(drafted)
    return assistant, found


@pytest.fixture(autouse=True)
def everything_is_promising(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every question get a closer look that is not shown an answer before: of 80 too few would."""
    monkeypatch.setattr(calibrate, "is_promising", lambda *_: True)


@pytest.fixture(autouse=True)
def folds_are_drawn_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a fit take two fifths of its time; drawing them five times only makes what is found steadier."""
    monkeypatch.setattr(calibrate, "REPEATS", 2)


def test_what_is_fitted_can_be_read_again(
    observed: tuple[Assistant, list[Observation]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file holds every fit, with a weight for each of its signals, and the product reads it."""
    file = tmp_path / "calibration.json"
    save(fit(observed[1]), file)
    monkeypatch.setattr(calibration, "CALIBRATION", file)
    for read in (calibration.calibration, calibration.written):
        read.cache_clear()
    try:
        for name, signals in calibration.SIGNALS.items():
            assert set(calibration.calibration(name).weight) == set(signals)
        for name, signals in calibration.WRITTEN_SIGNALS.items():
            assert set(calibration.written(name).weight) == set(signals)
    finally:
        monkeypatch.undo()
        for read in (calibration.calibration, calibration.written):
            read.cache_clear()


def test_the_same_observations_give_the_same_file(observed: tuple[Assistant, list[Observation]]) -> None:
    """Nothing in a fit is left to chance."""
    assert json.dumps(fit(observed[1])) == json.dumps(fit(observed[1]))


def test_after_a_draft_those_tell_how_much_is_quoted_that_get_a_quotation(
    observed: tuple[Assistant, list[Observation]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At first each question gets one, at last those without a written answer."""
    looks: list[calibrate.Looks] = []
    kept = calibrate._looks
    fit_quoting = Mock(wraps=calibrate._fit_quoting)

    def look(observations: list[Observation], before: calibrate.Before, most_wrong: float) -> calibrate.Looks:
        looks.append(kept(observations, before, most_wrong))
        return looks[-1]

    monkeypatch.setattr(calibrate, "_looks", look)
    monkeypatch.setattr(calibrate, "_fit_quoting", fit_quoting)
    fit(observed[1])
    at_first, read, drafted = (call.args[1].tolist() for call in fit_quoting.call_args_list)
    written = max(looks, key=lambda look: look.shown).written_at.tolist()
    assert at_first == read == [True] * len(at_first)
    with_evidence = [
        is_written
        for o, is_written in zip(observed[1], written, strict=True)
        if o.question.evidence and o.question.answerable
    ]
    assert drafted == [not is_written for is_written in with_evidence]
    assert 0 < sum(drafted) < len(drafted)


def test_without_drafts_nothing_is_fitted(observed: tuple[Assistant, list[Observation]]) -> None:
    """A model that was not there would be taken for one that has nothing to say."""
    _, found = observed
    for missing in ({"draft": None}, {"fit": "draft"}):
        with pytest.raises(ConfigurationError, match="no draft"):
            fit([replace(o, seen=replace(o.seen, **missing)) for o in found])


def test_a_long_draft_is_looked_at_both_ways_to_fit_to(observed: tuple[Assistant, list[Observation]]) -> None:
    """Which of them get but one look is known only when what is known without a check was fitted."""
    seen = [o.seen for o in observed[1] if o.seen.draft and is_long(o.seen.draft)]
    assert len(seen) > 5
    for judgement in seen:
        assert judgement.fit == "margin"
        assert judgement.draft
        assert judgement.closer
        assert judgement.closer.text == judgement.draft.text


def test_a_long_draft_that_skips_the_first_look_is_left_to_the_closer_one(
    observed: tuple[Assistant, list[Observation]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the passages tell of it is not asked, so what it told beside the likeliest sentences changes a fit."""

    def otherwise(seen: Observation) -> Observation:
        closer = seen.seen.closer
        if closer is None or not is_long(closer):
            return seen
        return replace(
            seen, seen=replace(seen.seen, closer=replace(closer, signals={**closer.signals, "stated": -1.0}))
        )

    fits = []
    for skips in (False, True):
        monkeypatch.setattr(calibrate, "skips_first_look", lambda draft, *_, skips=skips: skips and is_long(draft))
        monkeypatch.setattr(calibrate, "is_promising", lambda draft, *_: not is_long(draft))
        fits.append(fit(observed[1]))
        told_otherwise = fit([otherwise(o) for o in observed[1]])
        assert (told_otherwise["answerable"]["closer"] != fits[-1]["answerable"]["closer"]) == skips
    assert fits[0]["written"]["closer"] != fits[1]["written"]["closer"]
    for one in fits:
        del one["written"]["closer"], one["answerable"]["closer"], one["written"]["margin"]["threshold"]
    assert fits[0] == fits[1]


def test_a_closer_look_is_fitted_to_what_it_told(observed: tuple[Assistant, list[Observation]]) -> None:
    """What was written and told then changes its own fits, and none of the first look."""
    _, found = observed

    def of_another(number: int) -> Judgement:
        closer = found[number - 1].seen.closer
        assert closer
        return replace(found[number].seen, closer=replace(closer, signals={**closer.signals, "stated": -1.0}))

    other = [o if o.question.answerable else replace(o, seen=of_another(number)) for number, o in enumerate(found)]
    one, another = fit(found), fit(other)
    for part in ("answerable", "written"):
        assert one[part].pop("closer") != another[part].pop("closer")
    for fits in (one, another):
        del fits["written"]["margin"]["threshold"]  # It leaves to the closer look what that makes more of.
        del fits["quoted"]["draft"]["further_share"]  # What is not written then is quoted.
    assert one == another


@pytest.mark.parametrize(
    ("others", "may_lose", "threshold"),
    [({0.2, 0.3}, 1, 0.5), ({0.2, 0.6}, 2, 0.8), ({0.2, 0.6}, 1, 0.3), ({0.2, 0.6}, -1, 0.0), (set(), 5, 0.0)],
)
def test_nothing_is_declined_without_a_gain(others: set[float], may_lose: float, threshold: float) -> None:
    """Of the thresholds that lose no more than is allowed, the lowest of those that decline most others is taken."""
    probabilities = np.array([0.2, 0.3, 0.5, 0.6, 0.8, 0.9])
    without = np.isin(probabilities, list(others))
    found = calibrate._threshold_of_declined(probabilities, without.astype(float), ~without, may_lose)
    assert found == threshold


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from((0.0, 0.37, 0.61, 1.13))), min_size=1, max_size=200))
def test_a_lower_threshold_would_decline_fewer(questions: list[tuple[float, float]]) -> None:
    """However the weights add up: whatever stands right below the threshold is one of the others."""
    probabilities, others = np.array(questions).T
    counted = others == 0.0
    threshold = calibrate._threshold_of_declined(probabilities, others, counted, len(questions))
    below = np.unique(np.round(probabilities, 3))
    between = (probabilities < threshold) & (probabilities >= max(below[below < threshold], default=0.0))
    assert threshold == 0.0 or others[between].any()


@pytest.mark.parametrize("count", range(5, 60, 6))
def test_equal_gains_are_equal_however_they_are_added_up(count: int) -> None:
    """Behind the last of the others no higher threshold is taken, though more numbers round the sum another way."""
    probabilities = np.linspace(0.1, 0.9, 170)
    others = np.where(np.arange(170) < count, np.resize([0.37, 0.61, 1.13], 170), 0.0)
    threshold = calibrate._threshold_of_declined(probabilities, others, others == 0.0, 170)
    assert threshold == min(t for t in np.round(probabilities, 3) if t > probabilities[count - 1])


def test_nothing_is_declined_where_none_is_counted() -> None:
    """What would be lost is not known then."""
    none = np.zeros(2, dtype=bool)
    assert calibrate._threshold_of_declined(np.array([0.2, 0.6]), np.array([1.0, 0.0]), none, 1) == 0.0


def test_a_closer_look_that_too_few_got_is_not_fitted(
    observed: tuple[Assistant, list[Observation]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What decides then would be chance."""
    monkeypatch.setattr(calibrate, "is_promising", lambda *_: False)
    with pytest.raises(ConfigurationError, match="Too few questions got a closer look"):
        fit(observed[1])


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


@given(st.data(), st.floats(0, MOST_WRONG))
def test_the_threshold_keeps_to_what_is_allowed(
    observed: tuple[Assistant, list[Observation]], data: st.DataObject, most_wrong: float
) -> None:
    """Whatever the probabilities, at most so many of all questions get a wrong draft, fewer where less is allowed."""
    _, found = observed
    sure = np.array(data.draw(st.lists(st.floats(0, 1), min_size=len(found), max_size=len(found))))
    open_ = np.array(data.draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found))))
    held = np.array([o.seen.draft is not None and holds(o.seen.draft, o.seen.findings.query) for o in found])
    for threshold, allowed in (
        (calibrate._threshold_of_written(found, sure, open_), MOST_WRONG),
        (calibrate._threshold_of_written(found, sure, open_, most_wrong), most_wrong),
    ):
        shown = open_ & (sure >= threshold)
        assert calibrate._shares(found)[shown & held & ~calibrate._right(found)].sum() <= allowed + 1e-9
