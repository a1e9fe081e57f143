"""Running a question set: what is asked of what, what is kept, and how an interrupted run goes on."""

import io
import json
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluated import (
    ANSWERABLE,
    ARTICLES,
    ROWS,
    always_declines,
    copied,
    evaluate_with,
    finished,
    measure,
    perfect,
    questions,
    report_of,
    settings_of,
    takes_calls,
    value,
    write,
)
from rich.console import Console

from assistant.answering.assistant import Assistant
from assistant.answering.steps import Steps
from assistant.articles.reading import Corpus
from assistant.errors import ConfigurationError, RunInterruptedError
from assistant.evaluation import evaluate, fingerprint, run
from assistant.evaluation.asking import PARAGRAPHS, read_folders
from assistant.evaluation.evaluate import rescore, select
from assistant.evaluation.options import Options
from assistant.evaluation.reporting.terminal import headlines
from assistant.evaluation.run import read_run
from assistant.evaluation.scoring.gates import Demands
from assistant.settings import Settings
from assistant.types import Answer

REPORTS = ("report.json", "report.html", "questions.csv")


def ids(assistant: Any) -> list[str]:  # noqa: ANN401
    """Return the ids of what an assistant was asked."""
    return [assistant.known[question].id for question, _ in assistant.asked]


def timeless(path: Path) -> str:
    """Return a file without what says when and how long."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d\+00:00)?", "then", text)
    return re.sub(r'("created"|"seconds"): [^,\n]+', r"\1: 0", text)


# What is asked


def test_a_question_is_asked_of_the_article_that_it_names(tmp_path: Path) -> None:
    """A question with an article is asked of that one alone, one without is asked of all."""
    assistant = perfect()
    rows = {row["id"]: row for row in evaluate_with(assistant, tmp_path / "run")["rows"]}
    assert dict(assistant.asked) == {row["question"]: row["article"] or None for row in ROWS}
    assert {hit["article"] for hit in rows["s1"]["retrieved"]} == {"school"}
    assert {hit["article"] for hit in rows["x1"]["retrieved"]} == {"school", "bridge"}


def test_the_search_is_measured_without_a_language_model(tmp_path: Path, weights_folder: Path) -> None:
    """With the embedding model and no language model, the evidence is found, and found first."""
    settings = Settings(model="none", data=weights_folder)
    with closing(Assistant.over(Corpus(ARTICLES), settings, tmp_path / "index")) as assistant:
        content = evaluate_with(assistant, tmp_path / "run")
    assert value(content, "success_at_5") == 1.0
    # An article here has fewer passages than five.
    assert value(content, "success_at_1") == 1.0
    assert all(len(row["retrieved"]) <= PARAGRAPHS for row in content["rows"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(), [row["id"] for row in ROWS]),
        (Options(limit=2), ["b1", "b2"]),
        (Options(ids=["x1", "b2"]), ["b2", "x1"]),
        (Options(kind=["near", "multi"]), ["b5", "b6", "x1"]),
        (Options(kind=["near", "multi"], limit=1), ["b5"]),
        (Options(ids=["b5"], kind=["near"]), ["b5"]),
    ],
)
def test_options_choose_questions_in_the_order_of_the_file(options: Options, expected: list[str]) -> None:
    """Each option narrows what is asked; none reorders it."""
    assert [question.id for question in select(questions(), options)] == expected


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (Options(ids=["b99"]), "No question has the id 'b99'"),
        (Options(kind=["riddle"]), "No question has the kind 'riddle': there are fact, speaker"),
        (Options(ids=["b1"], kind=["near"]), "No question is left"),
    ],
)
def test_options_that_choose_nothing_are_refused(options: Options, reason: str) -> None:
    """A misspelt id or kind does not make an empty, perfect run."""
    with pytest.raises(ConfigurationError, match=reason):
        select(questions(), options)


def test_failures_of_a_run_are_asked_again_alone() -> None:
    """What failed in an earlier run is all that is asked."""
    failed = select(questions(), Options(failed_in=finished(always_declines)))
    assert [question.id for question in failed] == ANSWERABLE
    with pytest.raises(ConfigurationError, match="No question is left"):
        select(questions(), Options(failed_in=finished()))


def test_repeats_are_rows_and_questions_count_once(tmp_path: Path) -> None:
    """Asked twice, each question has two rows and counts once in n; the spread between repeats is given."""
    assistant = perfect()
    content = evaluate_with(assistant, tmp_path / "run", Options(repeat=2))
    assert ids(assistant) == [row["id"] for row in ROWS] * 2
    assert len(content["rows"]) == 2 * len(ROWS)
    facts = measure(content, "facts")
    assert (facts["n"], facts["spread"]) == (6, 0.0)
    assert content["complete"]


def test_the_report_has_what_the_calls_took(tmp_path: Path) -> None:
    """Calls and tokens of an answer and of all, on the page and for scripts; money where a price is set."""
    content = evaluate_with(perfect(takes_calls), tmp_path / "run", model_price=(1.0, 0.5, 4.0))
    figures = {row["name"]: (row["p50"], row["total"], row["n"]) for row in content["usage"]}
    assert figures == {
        "calls": (2, 14, 6),
        "read": (3000, 24_000, 6),
        "cached": (0, 6000, 6),
        "written": (100, 700, 6),
        "cost": (pytest.approx(0.0034), pytest.approx(0.0238), 6),
    }
    assert [row["usage"]["calls"] for row in content["rows"] if row["id"] in ("b1", "b5")] == [4, 0]
    page = (tmp_path / "run" / "report.html").read_text()
    shown = re.sub(r"<[^>]+>", " ", page[page.index('id="usage"') : page.index('id="by-kind"')])
    assert re.search(r"tokens read\s+3,000\s+24,000\s+6\s", shown)
    assert re.search(r"cost\s+0.0034\s+0.0238\s+6\s", shown)
    text = io.StringIO()
    Console(file=text, width=200).print(headlines(content, tmp_path))
    assert re.search(r"tokens read +3,000 +24,000 +6\n", text.getvalue())


def test_a_run_without_calls_or_price_says_nothing_of_them(tmp_path: Path) -> None:
    """The packaged model costs nothing, and money needs a price; what was run earlier is read as it is."""
    assert report_of()["usage"] == []
    content = evaluate_with(perfect(takes_calls), tmp_path / "run")
    assert [row["name"] for row in content["usage"]] == ["calls", "read", "cached", "written"]


# Folders of articles


def test_articles_of_several_folders_are_searched_together(tmp_path: Path) -> None:
    """Each folder that is named adds its articles; the folder of the settings is then left out."""
    settings_of(tmp_path)
    for article in ARTICLES:
        folder = tmp_path / article.id
        folder.mkdir()
        (tmp_path / "articles" / f"{article.id}.md").rename(folder / f"{article.id}.md")
    corpus = read_folders([tmp_path / "bridge", tmp_path / "school"])
    assert [(article.id, article.text) for article in corpus.articles] == [(a.id, a.text) for a in ARTICLES]
    with pytest.raises(ConfigurationError, match="has a second article 'bridge'"):
        read_folders([tmp_path / "bridge", tmp_path / "bridge"])
    for empty in (tmp_path / "articles", tmp_path / "absent"):
        with pytest.raises(ConfigurationError, match=f"No article can be read from {empty}"):
            read_folders([tmp_path / "bridge", empty])


def test_named_folders_are_what_the_assistant_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their index lies beside that of the readers and on this machine alone, so that no reader finds their articles."""
    settings = settings_of(tmp_path)
    opened: list[tuple[Any, ...]] = []

    def over(*arguments: Any) -> Assistant:  # noqa: ANN401
        opened.append(arguments)
        return perfect()

    monkeypatch.setattr(Assistant, "over", over)
    other = replace(settings, articles=tmp_path / "absent", chroma_url="http://127.0.0.1:1")
    path = write(tmp_path, ROWS)
    options = Options(articles=[settings.articles])
    evaluate.evaluate(path, tmp_path / "run", options, Demands(), other, lambda *_: None)
    ((corpus, used, index, _),) = opened
    assert [article.id for article in corpus.articles] == ["bridge", "school"]
    assert used.chroma_url == ""
    assert index.parent == settings.data / "evaluation"


# Going on


def test_the_same_command_goes_on_where_time_ran_out(tmp_path: Path) -> None:
    """A run that was stopped has a valid report of what was asked; the next asks the rest, and nothing twice."""
    stopped = perfect()
    stopped.seconds = 0.05
    content = evaluate_with(stopped, tmp_path / "run", Options(max_minutes=0.12 / 60))
    assert 0 < content["asked"] < content["planned"] == len(ROWS)
    assert not content["complete"]
    assert all((tmp_path / "run" / name).stat().st_size for name in REPORTS)
    rest = perfect()
    content = evaluate_with(rest, tmp_path / "run")
    assert ids(stopped) + ids(rest) == [row["id"] for row in ROWS]
    assert content["complete"]


def test_the_keyboard_ends_a_run_and_leaves_a_report(tmp_path: Path) -> None:
    """What was answered is reported, the message says how to go on, and going on works."""

    def interrupted(answer: Any, gold: Any) -> Any:  # noqa: ANN401
        if gold.id == "b3":
            raise KeyboardInterrupt
        return answer

    with pytest.raises(
        RunInterruptedError, match=r"^Interrupted after 2 of 10 questions, .*: the same command goes on$"
    ):
        evaluate_with(perfect(interrupted), tmp_path / "run")
    content = json.loads((tmp_path / "run" / "report.json").read_text())
    assert [row["id"] for row in content["rows"]] == ["b1", "b2"]
    rest = perfect()
    assert evaluate_with(rest, tmp_path / "run")["complete"]
    assert ids(rest)[0] == "b3"


def test_an_answer_is_kept_before_the_next_question_is_asked(tmp_path: Path) -> None:
    """So a run that is killed has lost the answer that it waited for, and no other."""
    kept: list[int] = []

    def watched(answer: Answer, _: object) -> Answer:
        kept.append((tmp_path / "run" / "answers.jsonl").read_bytes().count(b"\n") if kept else 0)
        return answer

    evaluate_with(perfect(watched), tmp_path / "run")
    assert kept == list(range(len(ROWS)))


def test_a_killed_run_ends_in_the_report_of_an_unbroken_one(tmp_path: Path) -> None:
    """Of what it left the same command makes the same files, byte for byte but for times, and asks the rest alone."""
    folder = copied(tmp_path)
    for name in REPORTS:
        (folder / name).unlink()
    answered = b"".join((folder / "answers.jsonl").read_bytes().splitlines(keepends=True)[:3])
    # It ends in the middle of a line, as a power cut may leave it.
    (folder / "answers.jsonl").write_bytes(answered + b'{"id": "b7", "quest')
    rest = perfect()
    evaluate_with(rest, folder)
    assert ids(rest) == [row["id"] for row in ROWS[3:]]
    assert (folder / "answers.jsonl").read_bytes().startswith(answered)
    for name in ("answers.jsonl", "questions.jsonl", "articles.json", "run.json", *REPORTS):
        assert timeless(folder / name) == timeless(finished() / name), name


# The folder


@pytest.mark.parametrize(
    ("options", "changed", "what"),
    [
        (Options(), {"must_have": [["ten months"]]}, "questions"),
        (Options(), {"ideal": "For nine months."}, "questions"),
        (Options(seed=1), {}, "seed"),
    ],
)
def test_another_runs_folder_is_refused(tmp_path: Path, options: Options, changed: dict[str, Any], what: str) -> None:
    """What an answer depends on may not change within a folder: the change is named and nothing is overwritten."""
    folder = copied(tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ConfigurationError, match=f"holds a run that differs in {what}: choose a new one with --out"):
        evaluate_with(perfect(), folder, options, rows=[{**ROWS[0], **changed}, *ROWS[1:]])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    """A folder that holds other files stays as it is."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    with pytest.raises(
        ConfigurationError, match=r"holds thesis\.txt and no run: choose an empty or a new one with --out"
    ):
        evaluate_with(perfect(), tmp_path / "run")
    assert (tmp_path / "run" / "thesis.txt").read_text() == "years of work"
    assert not (tmp_path / "run" / "answers.jsonl").exists()


def test_a_folder_is_used_by_one_run_at_a_time(tmp_path: Path) -> None:
    """A second run in the same folder is told to wait."""
    with run.locked(tmp_path / "run"), pytest.raises(ConfigurationError, match="Another run uses"):
        evaluate_with(perfect(), tmp_path / "run")


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    """A line that is no answer is not skipped in silence, and the answers stay."""
    path = copied(tmp_path) / "answers.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:4], "{}\n", *lines[5:]]))
    with pytest.raises(ConfigurationError, match=r"answers\.jsonl, line 5 is damaged: delete that line and run again"):
        evaluate_with(perfect(), tmp_path / "run")
    path.write_text("".join([*lines[:4], *lines[5:]]))
    again = perfect()
    assert evaluate_with(again, tmp_path / "run")["complete"]
    assert ids(again) == ["b5"]


@pytest.mark.parametrize("name", ["run.json", "questions.jsonl", "articles.json"])
def test_a_damaged_run_is_named(tmp_path: Path, name: str) -> None:
    """A run whose other files are damaged is refused in one line."""
    folder = copied(tmp_path)
    (folder / name).write_text("{")
    with pytest.raises(ConfigurationError):
        read_run(folder)


# Scoring again


def test_scoring_again_asks_nothing_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is scored from its folder alone, to the same reports, though no assistant can be opened."""
    folder = copied(tmp_path, always_declines)
    before = {name: timeless(folder / name) for name in REPORTS}
    for kind, way in ((Assistant, "open"), (Assistant, "over"), (Assistant, "stream"), (Steps, "search")):
        monkeypatch.delattr(kind, way)
    for name in REPORTS:
        (folder / name).unlink()
    rescore(folder, Demands())
    assert {name: timeless(folder / name) for name in REPORTS} == before


def test_scoring_again_takes_new_gold(tmp_path: Path) -> None:
    """Gold that was mended after the run counts; the questions themselves must be those that were asked."""
    strict = [{**ROWS[0], "must_have": [["nine whole months"]]}, *ROWS[1:]]
    content = evaluate_with(perfect(rows=strict), tmp_path / "run", rows=strict)
    assert value(content, "facts") == pytest.approx(5 / 6)
    mended = write(tmp_path, ROWS)
    content = rescore(tmp_path / "run", Demands(), mended)
    assert value(content, "facts") == 1.0
    for other in ([{**ROWS[0], "question": "How long?"}, *ROWS[1:]], ROWS[1:]):
        with pytest.raises(ConfigurationError, match="does not hold the question 'b1' as it was asked"):
            rescore(tmp_path / "run", Demands(), write(tmp_path, other))


def test_a_folder_without_a_run_cannot_be_scored(tmp_path: Path) -> None:
    """Nothing is made there."""
    with pytest.raises(ConfigurationError, match="holds no run"):
        rescore(tmp_path / "absent", Demands())
    assert not (tmp_path / "absent").exists()


# What a run was made of


def test_a_run_says_what_it_was_made_of() -> None:
    """The report names every part that an answer depends on, and the hash of the gold that it was scored against."""
    parts = report_of()["fingerprint"]["parts"]
    assert {
        "questions", "articles", "splitter", "prompts", "model", "embedder", "thresholds", "packages", "git_commit",
        "seed", "code", "gold",
    } <= set(parts)  # fmt: skip
    assert parts["packages"]["chromadb"]
    assert parts["model"] == "none"


def test_a_password_in_an_address_stays_out_of_the_report(tmp_path: Path) -> None:
    """A model's address is part of what a run was made of; the credentials in it are not written anywhere."""
    settings = replace(settings_of(tmp_path), model="openai:m", model_url="https://user:secret@models.example/v1")
    parts = fingerprint.fingerprint(questions(), ARTICLES, settings, 0)
    assert parts["model"] == "openai:m https://models.example/v1"
