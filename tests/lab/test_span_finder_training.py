"""Training the span finder: what it is trained on, and that a run ends in weights that can be used."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from assistant.articles.passages import passages
from assistant.articles.reading import normalise
from assistant.articles.terms import stems
from assistant.errors import ConfigurationError
from assistant.model import weights
from assistant.search.span_finder import SpanFinder
from assistant.types import Article
from lab.training.reports import Report, ReportQuestion
from lab.training.span_finder import (
    EPOCHS,
    REPORT_EPOCHS,
    Example,
    entry_of,
    examples,
    exchanged,
    misplaced,
    run,
    split,
)

PARAGRAPH = (
    "The Normans came from Denmark in the 10th century. Their leader Rollo swore fealty to King Charles of Francia."
)


def entry(title: str, paragraph: str = PARAGRAPH) -> dict[str, Any]:
    """Return an article with a question that its first paragraph answers, and one that it does not."""
    answered = {
        "id": f"{title} 1",
        "question": "Who was the  leader?",
        "answers": [{"text": "Rollo", "answer_start": 0}],
    }
    other = {"id": f"{title} 2", "question": "Who was the queen?", "answers": [], "is_impossible": True}
    second = {"context": "Nothing else is known of them.", "qas": []}
    return {"title": title, "paragraphs": [{"context": paragraph, "qas": [answered, other]}, second]}


def file_of(folder: Path, *titles: str) -> Path:
    """Write a file of articles with these titles."""
    path = folder / "set.json"
    path.write_text(json.dumps({"version": "v2.0", "data": [entry(title) for title in titles]}))
    return path


def reports_of(folder: Path) -> Path:
    """Write a file of one report."""
    path = folder / "reports.jsonl"
    asked = {
        "kind": "fact",
        "question": "Who led them?",
        "answers": ["Rollo"],
        "right": "Rollo did.",
        "wrong": "Charles.",
    }
    path.write_text(json.dumps({"id": "normans", "text": PARAGRAPH, "questions": [asked]}))
    return path


def test_an_answer_is_where_its_words_stand_first() -> None:
    """The offsets point to the words, and are 0 where there is no answer."""
    answered, other = examples([entry("Normans")])
    assert answered.question == "Who was the leader?"
    assert answered.paragraph[answered.start : answered.end] == "Rollo"
    assert (other.start, other.end) == (0, 0)


@given(generator=st.randoms(use_true_random=False))
def test_one_word_is_exchanged_for_another_of_the_paragraph(generator: random.Random) -> None:
    """The question changes in one word, to one that was not asked nor is of the answer, and has no answer then."""
    start = PARAGRAPH.index("Rollo")
    asked = Example("Which leader came from Denmark in the 10th century?", PARAGRAPH, start, start + len("Rollo"))
    changed = exchanged(asked, generator)
    assert changed is not None
    assert (changed.start, changed.end) == (0, 0)
    before, after = asked.question.rstrip("?").split(), changed.question.rstrip("?").split()
    differing = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(differing) == 1
    assert differing[0][1] in PARAGRAPH
    assert differing[0][1] != "Rollo"
    assert stems(differing[0][1]).isdisjoint(stems(asked.question))


def test_a_short_answer_is_not_found_inside_a_longer_word() -> None:
    """A 9 is not that of 1980; where the words stand inside others alone, they are taken there."""
    asked = [{"question": "How many?", "answers": [{"text": answer}]} for answer in ("9", "inspect")]
    text = "In 1980 engineers inspected 9 houses."
    found = examples([{"paragraphs": [{"context": text, "qas": asked}]}])
    assert [example.start for example in found] == [text.index(" 9 ") + 1, text.index("inspect")]


def test_nothing_is_exchanged_where_nothing_is_shared() -> None:
    """A question without a word of the paragraph stays out."""
    assert exchanged(Example("Why?", PARAGRAPH), random.Random(0)) is None  # noqa: S311 - no secret


@given(generator=st.randoms(use_true_random=False))
def test_a_wrong_paragraph_does_not_hold_the_answer(generator: random.Random) -> None:
    """A question is put beside another paragraph only where the words of the answer are not."""
    asked = Example("Who was the leader?", PARAGRAPH, PARAGRAPH.index("Rollo"), PARAGRAPH.index("Rollo") + 5)
    others = [PARAGRAPH, "Rollo came later.", "Nothing else is known of them."]
    wrong = misplaced(asked, others, generator)
    assert wrong is None or wrong == Example("Who was the leader?", "Nothing else is known of them.")


def test_the_halves_share_no_article(tmp_path: Path) -> None:
    """Each article is in one half, the same with the same seed wherever it stands in the file."""
    seen, unseen = split(file_of(tmp_path, "A", "B", "C"), 0)
    assert sorted(entry["title"] for entry in [*seen, *unseen]) == ["A", "B", "C"]
    assert split(file_of(tmp_path, "C", "A", "B"), 0) == (seen, unseen)


def test_one_article_cannot_be_halved(tmp_path: Path) -> None:
    """With nothing left to measure with, the command says so and writes nothing."""
    with pytest.raises(ConfigurationError, match="one article"):
        run(
            file_of(tmp_path, "A"),
            reports_of(tmp_path),
            tmp_path,
            tmp_path / "out",
            tmp_path / "held-out.json",
            0,
            lambda *_: None,
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("nowhere", ["out", "held-out.json"])
def test_a_folder_that_is_not_there_is_named(nowhere: str, tmp_path: Path) -> None:
    """Where the weights or the other half cannot be written, one line says so before anything is trained."""
    out, held_out = (tmp_path / ("missing" if name == nowhere else "") / name for name in ("out", "held-out.json"))
    steps: list[tuple[int, int]] = []
    with pytest.raises(ConfigurationError, match=r"cannot be written \(No such file or directory\)"):
        run(
            file_of(tmp_path, "A", "B"),
            reports_of(tmp_path),
            tmp_path,
            out,
            held_out,
            0,
            lambda *count: steps.append(count),
        )
    assert steps == []
    assert not list(tmp_path.glob("*.partial"))


def test_what_is_trained_on_is_not_overwritten(tmp_path: Path) -> None:
    """The other half goes to a file of its own."""
    path = file_of(tmp_path, "A", "B")
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="are the same"):
        run(path, reports_of(tmp_path), tmp_path, tmp_path / "out", tmp_path / "." / path.name, 0, lambda *_: None)
    assert path.read_bytes() == before


def test_a_half_without_a_question_is_refused(tmp_path: Path) -> None:
    """There must be something to train on, whichever half it falls in."""
    path = tmp_path / "set.json"
    empty = {"title": "B", "paragraphs": [{"context": PARAGRAPH, "qas": []}]}
    path.write_text(json.dumps({"data": [entry("A"), empty]}))
    refused = []
    for seed in range(8):
        try:
            split(path, seed)
        except ConfigurationError as error:
            refused.append(str(error))
    assert 0 < len(refused) < 8
    assert all("no question in the half to train on" in message for message in refused)


def test_training_ends_in_weights_that_read(tmp_path: Path) -> None:
    """A run with the real embedding model moves all layers, leaves the words alone, and is the same again."""
    embedder = weights.embedder_folder(tmp_path)
    path = file_of(tmp_path, "A", "B")
    done = []
    digests = [
        run(
            path,
            reports_of(tmp_path),
            embedder,
            tmp_path / name,
            tmp_path / "held-out.json",
            0,
            lambda *count: done.append(count),
        )
        for name in ("one", "two")
    ]
    assert digests[0] == digests[1]
    assert done[-1] == (EPOCHS + REPORT_EPOCHS, EPOCHS + REPORT_EPOCHS)
    trained, before = load_file(tmp_path / "one"), load_file(embedder / "model.safetensors")
    assert "bert.embeddings.word_embeddings.weight" not in trained
    layer = "encoder.layer.0.attention.self.query.weight"
    assert (trained[f"bert.{layer}"] != before[layer].astype("float16")).any()
    readings = SpanFinder.from_files(tmp_path / "one", embedder).read(
        "Who was the leader?", passages(Article("a", normalise(PARAGRAPH), "A"))
    )
    assert readings[0].spans
    assert json.loads((tmp_path / "held-out.json").read_text())["data"][0]["title"] in {"A", "B"}


def test_training_goes_on_from_weights_with_the_reports_alone(tmp_path: Path) -> None:
    """With weights to begin with only the epochs of the reports are left, and what was known is built on."""
    embedder, done = weights.embedder_folder(tmp_path), list[tuple[int, int]]()
    arguments = (file_of(tmp_path, "A", "B"), reports_of(tmp_path), embedder)
    held_out = tmp_path / "held-out.json"
    run(*arguments, tmp_path / "new", held_out, 0, lambda *count: done.append(count), weights.span_finder_file())
    assert done == [(number, REPORT_EPOCHS) for number in range(1, REPORT_EPOCHS + 1)]
    before, after = load_file(weights.span_finder_file()), load_file(tmp_path / "new")
    moved = [float(abs(after[name].astype("float32") - before[name].astype("float32")).max()) for name in before]
    assert before.keys() == after.keys()
    assert 0 < max(moved) < 0.01


def test_a_question_is_asked_of_the_passage_that_answers_it() -> None:
    """Where the words of the answer stand more than once, the passage counts that is most like question and answer.

    A question about two things is asked of none.
    """
    lines = [f"The council of Bree met on day {number} and heard about the price of salt again." for number in range(9)]
    first, last = "Ann Lee opened the mill.", "Ann Lee had sold her boat to a fisherman of Bree for 40 crowns."
    asked = [
        ReportQuestion(
            "To whom did the boat go?", "To Ann Lee.", ("Ann Lee",), "Ann Lee sold her boat to a fisherman."
        ),
        ReportQuestion("What did the salt cost on day 4?", "The salt cost 40 crowns."),
        ReportQuestion("Who sold what?", "A fisherman.", ("Ann Lee", "her boat"), "Ann Lee sold her boat."),
    ]
    entry = entry_of(Report("bree", normalise("\n\n".join([first, *lines, last])), asked))
    placed = {row["question"]: paragraph["context"] for paragraph in entry["paragraphs"] for row in paragraph["qas"]}
    assert len(entry["paragraphs"]) > 1
    assert placed.keys() == {each.question for each in asked if not each.about_two}
    assert last in placed["To whom did the boat go?"]
    assert first not in placed["To whom did the boat go?"]
    boat, salt = sorted(examples([entry]), key=lambda example: example.question)
    assert boat.paragraph[boat.start : boat.end] == "Ann Lee"
    assert salt.end == 0


@pytest.mark.parametrize("begin", ["none", "text", "other"])
def test_weights_that_cannot_be_gone_on_from_are_named(begin: str, tmp_path: Path) -> None:
    """One line says so before anything is written, whether the file is missing or is something else."""
    embedder = weights.embedder_folder(tmp_path)
    (tmp_path / "text").write_text("no weights at all")
    shutil.copy(embedder / "model.safetensors", tmp_path / "other")
    held_out = tmp_path / "held-out.json"
    with pytest.raises(ConfigurationError, match=rf"{begin} has no weights to go on from .*train-span-finder wrote"):
        run(
            file_of(tmp_path, "A", "B"),
            reports_of(tmp_path),
            embedder,
            tmp_path / "out",
            held_out,
            0,
            lambda *_: None,
            tmp_path / begin,
        )
    assert not held_out.exists()


def test_the_reports_are_not_overwritten(tmp_path: Path) -> None:
    """The other half goes to a file of its own, which is not that of the reports either."""
    reports = reports_of(tmp_path)
    before = reports.read_bytes()
    with pytest.raises(ConfigurationError, match="are the same"):
        run(file_of(tmp_path, "A", "B"), reports, tmp_path, tmp_path / "out", reports, 0, lambda *_: None)
    assert reports.read_bytes() == before
