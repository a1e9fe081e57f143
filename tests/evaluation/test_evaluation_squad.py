"""SQuAD's format, and the official figures on the predictions of published systems."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from assistant.errors import ConfigurationError
from assistant.evaluation.interchange.reading import read
from assistant.evaluation.questions import Question
from assistant.evaluation.records import Record
from assistant.evaluation.reporting.summary import question_scores
from assistant.evaluation.run import QUESTIONS, write_questions
from assistant.evaluation.scoring import statistics
from assistant.evaluation.scoring.measures import Measure, exact_match, f1
from assistant.evaluation.scoring.observed import Observed, observe
from assistant.evaluation.squad import sample
from assistant.settings import PROJECT

DATA = PROJECT.parent / "shared" / "data" / "squad2_dev"
OFFICIAL = {
    "bert_single": (78.74168280973637, 81.77528052374727),
    "nlnet": (75.82750778079582, 78.77776770381455),
    "bidaf_elmo": (65.70369746483618, 67.8764892145134),
}
"""Exact match and F1 by the official script, in percent."""

SPLIT = {
    "exact": {True: 74.10593792172739, False: 83.36417157275021},
    "f1": {True: 80.18183293833516, False: 83.36417157275021},
}
"""The same of answerable and other questions, for the first system."""

CONTEXT = "The  bridge\nwas built\u200b in 1901. It is 40 m long."


def entry(**changes: object) -> dict[str, object]:
    """Return a file of one article with two questions, some of its first question's keys changed."""
    answered = {"id": "a", "question": "When was  it built?", "answers": [{"text": "1901", "answer_start": 0}]}
    refused = {"id": "b", "question": "Who built it?", "answers": [], "is_impossible": True}
    paragraphs = [{"context": CONTEXT, "qas": [answered | changes, refused]}, {"context": "It leaks.", "qas": []}]
    return {"version": "v2.0", "data": [{"title": "Old_Bridge", "paragraphs": paragraphs}]}


def written(folder: Path, content: object) -> Path:
    """Write a file and return its path."""
    file = folder / "set.json"
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return file


# The format


def test_paragraphs_become_an_article(tmp_path: Path) -> None:
    """One article a title, one paragraph a context, without what hides in the text; evidence is the whole paragraph."""
    questions, articles, _ = read(written(tmp_path, entry()))
    assert articles is not None
    (article,) = articles
    assert (article.id, article.title) == ("001-old-bridge", "Old Bridge")
    assert article.text == "The bridge was built in 1901. It is 40 m long.\n\nIt leaks."
    answered, refused = questions
    assert (answered.question, answered.answerable, answered.must_have) == ("When was it built?", True, (("1901",),))
    assert answered.evidence == ("The bridge was built in 1901. It is 40 m long.",)
    assert (refused.answerable, refused.must_have, refused.evidence) == (False, (), ())
    assert {question.article for question in questions} == {article.id}


def test_an_answer_without_a_word_is_left_out(tmp_path: Path) -> None:
    """A full stop among the answers is none; what is read can be written to a run's folder and read again."""
    answers = [{"text": ".", "answer_start": 0}, {"text": "1901", "answer_start": 0}]
    questions = read(written(tmp_path, entry(answers=answers)))[0]
    assert questions[0].must_have == (("1901",),)
    unworded = read(written(tmp_path, entry(answers=answers[:1])))[0]
    assert (unworded[0].answerable, unworded[0].must_have) == (True, ())
    for asked in (questions, unworded):
        write_questions(tmp_path, asked)
        assert read(tmp_path / QUESTIONS)[0] == asked


def test_version_1_has_only_answerable_questions(tmp_path: Path) -> None:
    """Where nothing says that a question is impossible it has an answer."""
    content = entry()
    del content["data"][0]["paragraphs"][0]["qas"][1]  # type: ignore[index]
    (question,) = read(written(tmp_path, content))[0]
    assert question.answerable is True


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (entry(answers=[]), "article 1: not as in SQuAD .*'a' has no answer"),
        (entry(answers="1901"), "article 1: not as in SQuAD"),
        (entry(id="b"), "article 1: .*the id 'b' is used twice; give each question its own"),
        ({"data": [{"paragraphs": []}]}, "holds no question"),
        ({"data": [{"paragraphs": [{"qas": []}]}]}, "article 1: not as in SQuAD"),
        ({"data": None, "paragraphs": []}, "is not a SQuAD file"),
        ({"data": {"paragraphs": []}}, "article 1: not as in SQuAD"),
        ({"data": [None], "paragraphs": []}, "article 1: not as in SQuAD"),
    ],
)
def test_what_is_not_as_in_squad_is_named(tmp_path: Path, content: object, reason: str) -> None:
    """The article and the cure are named, and nothing is guessed."""
    with pytest.raises(ConfigurationError, match=reason):
        read(written(tmp_path, content))


def test_what_is_nested_without_end_is_named(tmp_path: Path) -> None:
    """However deep a file goes, it is refused in one line."""
    file = written(tmp_path, {"data": [], "paragraphs": []})
    file.write_text(file.read_text()[:-1] + ', "deep": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(ConfigurationError, match=r"is not a SQuAD file .*RecursionError"):
        read(file)


def test_a_sample_depends_on_its_article_and_the_seed_alone() -> None:
    """So many of either kind are drawn; other articles in the file change nothing, another seed does."""
    some = [Question(f"{a}{n}", "?", answerable=n % 2 == 0, article=a) for a in "pq" for n in range(40)]
    drawn = sample(some, 5, 7)
    assert len(drawn) == 20
    assert [q.id for q in drawn if q.article == "q"] == [q.id for q in sample(some[40:], 5, 7)]
    assert drawn != sample(some, 5, 8)
    assert sum(bool(q.answerable) for q in drawn) == 10
    assert sample(some, 100, 7) == some


# The official figures


@pytest.fixture(scope="module")
def data() -> Path:
    """Return the folder with the official predictions."""
    if not DATA.is_dir():
        pytest.skip("the public question sets are not there: ../shared/data is absent")
    return DATA


@cache
def predicted(system: str) -> list[Observed]:
    """Return what a published system answered."""
    questions, articles, _ = read(DATA / "dev-v2.0.rebuilt.json")
    answers = json.loads((DATA / f"pred_{system}.json").read_text(encoding="utf-8"))
    records = [
        Record(q.id, 0, q.question, "answered" if answers[q.id] else "declined", answer=answers[q.id])
        for q in questions
    ]
    return observe(questions, records, {article.id: article for article in articles or []})


def scores(system: str, measure: str) -> dict[str, float]:
    """Return the score of each question."""
    functions = {"exact": exact_match, "f1": f1}
    return question_scores(Measure(functions[measure], ""), predicted(system))


def percent(values: Sequence[float]) -> float:
    """Return the mean in percent."""
    return 100 * sum(values) / len(values)


@pytest.mark.parametrize("system", OFFICIAL)
@pytest.mark.usefixtures("data")
def test_scores_are_the_official_ones(system: str) -> None:
    """Exact match and F1 are those of the official script to six decimals, also of either kind of question alone."""
    kinds = {o.question.id: o.question.answerable for o in predicted(system)}
    for measure, official in zip(("exact", "f1"), OFFICIAL[system], strict=True):
        found = scores(system, measure)
        assert len(found) == 11_873
        assert percent(list(found.values())) == pytest.approx(official, abs=1e-6)
        if system == "bert_single":
            for answerable, split in SPLIT[measure].items():
                some = [score for name, score in found.items() if kinds[name] is answerable]
                assert percent(some) == pytest.approx(split, abs=1e-6)


@pytest.mark.usefixtures("data")
def test_errors_are_clustered_by_article() -> None:
    """The standard error of F1 is the naive one over questions and three and a half times as large over articles."""
    found = scores("bert_single", "f1")
    articles = {o.question.id: o.question.article for o in predicted("bert_single")}
    values = list(found.values())
    assert statistics.clustered_error(values, list(found)) == pytest.approx(0.0034, abs=5e-5)
    clustered = statistics.clustered_error(values, [articles[name] for name in found])
    assert clustered == pytest.approx(0.0118, abs=5e-5)


@pytest.mark.usefixtures("data")
def test_two_systems_are_compared_in_pairs() -> None:
    """The difference of two systems, its clustered error and what only one of them got right are the known ones."""
    one, other = scores("nlnet", "f1"), scores("bert_single", "f1")
    articles = {o.question.id: o.question.article for o in predicted("bert_single")}
    differences = [other[name] - one[name] for name in one]
    clusters = [articles[name] for name in one]
    assert sum(differences) / len(differences) == pytest.approx(0.02998, abs=5e-6)
    assert statistics.clustered_error(differences, clusters) == pytest.approx(0.00788, abs=5e-6)
    found = statistics.paired(differences, clusters, seed=0)
    assert (found.n, found.clusters) == (11_873, 35)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.02998 < found.high
    assert found.low == pytest.approx(0.02998 - 1.96 * 0.00788, abs=0.003)
    exact, exact_other = scores("nlnet", "exact"), scores("bert_single", "exact")
    assert sum(exact_other[name] > exact[name] for name in exact) == 1295
    assert sum(exact_other[name] < exact[name] for name in exact) == 949
