"""`python -m assistant check`: what is wrong with an installation is named in a line of its own, with its cure."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import filelock
import pytest
from conftest import WordEmbedder
from typer.testing import CliRunner

from assistant.articles.reading import read_corpus
from assistant.cli import app
from assistant.model import weights
from assistant.search import index_files
from assistant.search.index import open_index
from assistant.settings import Settings
from assistant.types import Answer, Status
from assistant.web.feedback import Feedback, save
from assistant.web.plain.starting import starting
from assistant.web.server import server_configuration

TEXTS = {
    "bridge.md": "The bridge was closed in March. The mayor blamed the river.",
    "school.md": "The school was rebuilt in June. The council praised the teacher.",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with article files, and an index of them that claims to be the real embedder's; to be copied."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "articles").mkdir()
    for name, text in TEXTS.items():
        (folder / "articles" / name).write_text(text)
    articles = read_corpus(folder / "articles").articles
    open_index(articles, WordEmbedder(weights.EMBEDDER_SHA256), folder / "data" / "index").close()
    return folder


@pytest.fixture
def place(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the whole folder, which the command is told to look at."""
    folder = shutil.copytree(whole, tmp_path / "copy")
    monkeypatch.setenv("ASSISTANT_ARTICLES", str(folder / "articles"))
    monkeypatch.setenv("ASSISTANT_DATA", str(folder / "data"))
    monkeypatch.setenv("ASSISTANT_MODEL", "none")
    monkeypatch.setenv("ASSISTANT_FEEDBACK", str(folder / "reports" / "feedback.sqlite3"))
    monkeypatch.setenv("ASSISTANT_PORT", "0")
    return folder


def looked() -> tuple[int, list[str], list[str]]:
    """Run the command; return its exit code, the problems it names, and what it finds in order."""
    result = CliRunner().invoke(app, ["check"], catch_exceptions=False)
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert [line for line in lines if not line.startswith(("PROBLEM ", "ok      "))] == []
    problems = [line.removeprefix("PROBLEM ") for line in lines if line.startswith("PROBLEM ")]
    return result.exit_code, problems, [line.removeprefix("ok").strip() for line in lines if line.startswith("ok")]


def only_problem() -> str:
    """Run the command and return the only thing that is wrong; the exit code says that something is."""
    code, (problem,), _ = looked()
    assert code == 1
    return problem


@pytest.fixture
def bare(place: Path) -> Path:
    """Return a folder whose index was not built yet, which is quicker to look at."""
    shutil.rmtree(place / "data" / "index")
    return place


def only_problem_but_the_index() -> str:
    """Run the command in a bare folder and return what else is wrong."""
    code, problems, _ = looked()
    (problem,) = [problem for problem in problems if not problem.startswith("index: there is none in ")]
    assert (code, len(problems)) == (1, 2)
    return problem


def sealed_file(folder: Path, name: str) -> Path:
    """Return the only file of this name in the sealed database."""
    (file,) = (folder / "data" / "index").rglob(name)
    return file


def flip(file: Path) -> None:
    """Change one bit in the middle of a file, and neither its size nor its time."""
    times, content = file.stat(), bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def halve(file: Path) -> None:
    """Cut a file in half."""
    os.truncate(file, file.stat().st_size // 2)


# A whole installation


def test_of_a_whole_installation_everything_is_fine(place: Path) -> None:
    """Each thing that is looked at has a line, none names a problem, and the exit code is 0."""
    code, problems, fine = looked()
    assert (code, problems) == (0, [])
    assert [line.partition(":")[0] for line in fine] == [
        *("articles", "disk", "prompts", "embedding model", "span finder", "adapter", "language model", "index"),
        *("reports", "page"),
    ]
    assert fine[0] == f"articles: 2 can be read from {place}/articles; of 2 the file name is shown, for want of a title"
    assert fine[-3:] == [
        "index: all 2 passages are there and can be searched",
        f"reports: they can be saved in {place}/reports/feedback.sqlite3",
        "page: it can be served at 127.0.0.1:0",
    ]


def test_looking_changes_nothing(place: Path) -> None:
    """Every file is what it was, and none is added, also where something is wrong."""
    halve(sealed_file(place, "data_level0.bin"))
    save(place / "reports" / "feedback.sqlite3", Feedback(Answer("Why?", Status.DECLINED), helpful=True))
    before = {path: path.is_file() and path.read_bytes() for path in place.rglob("*")}
    code, problems, _ = looked()
    assert (code, len(problems)) == (1, 1)
    assert {path: path.is_file() and path.read_bytes() for path in place.rglob("*")} == before


def test_an_index_in_use_is_no_problem(place: Path) -> None:
    """While a process serves, its number is told, and the index is looked at all the same."""
    articles = read_corpus(place / "articles").articles
    with closing(open_index(articles, WordEmbedder(weights.EMBEDDER_SHA256), place / "data" / "index")):
        code, problems, fine = looked()
    assert (code, problems) == (0, [])
    assert fine[-4:-2] == [
        f"index: process {os.getpid()} uses it",
        "index: all 2 passages are there and can be searched",
    ]


def test_a_script_gets_one_object_a_line(place: Path) -> None:
    """With --json each line has what was looked at, what was found, and the cure, which is empty where all is well."""
    (place / "articles" / "bridge.md").unlink()
    result = CliRunner().invoke(app, ["check", "--json"], catch_exceptions=False)
    findings = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(set(finding) == {"subject", "what", "cure"} for finding in findings)
    assert (result.exit_code, result.stderr) == (1, "")
    assert [finding for finding in findings if finding["cure"]] == [
        {
            "subject": "index",
            "what": "the article bridge was taken away",
            "cure": "run python -m assistant index",
        }
    ]


# The index


@pytest.mark.parametrize(
    ("name", "damage", "what"),
    [
        ("data_level0.bin", halve, "has changed"),
        ("data_level0.bin", flip, "has changed"),
        ("data_level0.bin", Path.unlink, "is missing"),
        ("chroma.sqlite3", halve, "has changed"),
        ("chroma.sqlite3", flip, "has changed"),
        ("chroma.sqlite3", Path.unlink, "is missing"),
        ("header.bin", flip, "has changed"),
        ("length.bin", Path.unlink, "is missing"),
    ],
)
def test_a_damaged_index_file_is_named(place: Path, name: str, damage: Callable[[Path], object], what: str) -> None:
    """A file that was cut, changed by a bit or removed is named with the command that builds the index again."""
    file = sealed_file(place, name)
    damage(file)
    assert only_problem() == f"index: {file} {what}: run python -m assistant index"


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00" + b"\xff" * 50_000, None])
def test_what_the_checksums_do_not_see_is_found_by_searching(place: Path, content: bytes | None) -> None:
    """A database that was sealed with its damage is not believed: a child process searches it for its own sentences."""
    database = sealed_file(place, "chroma.sqlite3")
    if content is None:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("DELETE FROM embeddings")
    else:
        database.write_bytes(content)
    folder = place / "data" / "index"
    sealed = index_files.current(folder)
    assert sealed
    files = {**sealed.files, "chroma.sqlite3": hashlib.sha256(database.read_bytes()).hexdigest()}
    index_files.switch(folder, replace(sealed, files=files))
    assert only_problem() == f"index: Chroma cannot search {database.parent}: run python -m assistant index"


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", None])
def test_an_index_without_its_record_is_none(place: Path, content: bytes | None) -> None:
    """Where the file that says what is in use is gone or damaged there is no index, and the cure is to build one."""
    record = place / "data" / "index" / "CURRENT.json"
    record.unlink() if content is None else record.write_bytes(content)
    assert only_problem() == f"index: there is none in {place}/data/index: run python -m assistant index"


def test_changed_articles_are_named(place: Path) -> None:
    """An article that was added, taken away or changed since the index was built has a line each."""
    (place / "articles" / "bridge.md").write_text(TEXTS["bridge.md"].replace("March", "April"))
    (place / "articles" / "school.md").rename(place / "articles" / "prison.md")
    code, problems, _ = looked()
    assert code == 1
    assert problems == [
        f"index: the article {what}: run python -m assistant index"
        for what in ("prison was added", "school was taken away", "bridge was changed")
    ]


def test_an_index_of_another_embedder_is_named(place: Path) -> None:
    """Vectors of another embedding model are not taken for those of this one."""
    shutil.rmtree(place / "data")
    articles = read_corpus(place / "articles").articles
    open_index(articles, WordEmbedder("another"), place / "data" / "index").close()
    assert only_problem() == (
        "index: it was built with another embedding model, splitter, schema or release of Chroma: "
        "run python -m assistant index"
    )


def test_a_chroma_server_that_does_not_answer_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the index is on a server, that is what is looked at, and not the folder."""
    shutil.rmtree(place / "data" / "index")
    monkeypatch.setenv("ASSISTANT_CHROMA_URL", "http://127.0.0.1:9")
    problem = only_problem()
    assert problem.startswith("index: No Chroma server answers at http://127.0.0.1:9: start it with `chroma run`")


def test_while_a_process_serves_check_and_index_give_the_same_cure(place: Path) -> None:
    """A new article needs a restart then, since `index` cannot have the folder: both say so, in one line."""
    (place / "articles" / "new.md").write_text("The library opens on Sundays.")
    index = place / "data" / "index"
    cure = (
        f"restart process {os.getpid()}, unless it has just been started: it brings the index up to date as it starts"
    )
    assert only_problem() == "index: the article new was added: run python -m assistant index"
    with filelock.FileLock(index / "index.lock"):
        (index / "index.pid").write_text(str(os.getpid()))
        assert only_problem() == f"index: the article new was added: {cure}"
        result = CliRunner().invoke(app, ["index"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: The index in {index} is in use by another process: {cure}\n"


def test_an_index_that_is_being_built_is_no_problem(place: Path) -> None:
    """A server that has just been started builds it."""
    for part in (place / "data" / "index").iterdir():
        shutil.rmtree(part) if part.is_dir() else part.unlink()
    with filelock.FileLock(place / "data" / "index" / "index.lock"):
        (place / "data" / "index" / "index.pid").write_text("77")
        _, problems, fine = looked()
    assert problems == []
    assert fine[-3] == f"index: there is none in {place}/data/index yet, process 77 builds it"


# Articles, disk and models


def test_articles_that_are_skipped_are_named(bare: Path) -> None:
    """Each file that cannot be used has a line with the reason; the others are counted."""
    (bare / "articles" / "broken.txt").write_bytes(b"\xff")
    (bare / "articles" / "picture.png").write_bytes(b"\x89PNG")
    code, problems, fine = looked()
    assert code == 1
    assert [problem.partition(",")[0] for problem in problems] == [
        "articles: broken.txt is skipped",
        "articles: picture.png is skipped",
        f"index: there is none in {bare}/data/index: run python -m assistant index",
    ]
    assert all(problem.endswith(f": mend it or take it out of {bare}/articles") for problem in problems[:2])
    assert fine[0].startswith("articles: 2 can be read")


@pytest.mark.parametrize(("what", "told"), [("empty", "none can be read from"), ("missing", "there is no folder")])
def test_a_folder_without_articles_is_named(bare: Path, what: str, told: str) -> None:
    """Nothing to answer from is a problem of its own."""
    shutil.rmtree(bare / "articles")
    if what == "empty":
        (bare / "articles").mkdir()
    _, problems, _ = looked()
    cure = "put one there, or set ASSISTANT_ARTICLES to a folder that has some"
    assert f"articles: {told} {bare}/articles: {cure}" in problems


def test_a_disk_without_room_is_named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is free and what is needed stand in the line."""
    usage = shutil.disk_usage(bare)._replace(free=3_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    assert only_problem_but_the_index() == (
        f"disk: 3 MB are free at {bare}/data: make room for 200 MB, or set ASSISTANT_DATA to another folder"
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"MODEL": "local", "MODEL_FILE": "{bare}/absent.gguf"},
            "The model file {bare}/absent.gguf does not exist: set ASSISTANT_MODEL_FILE to a GGUF file",
        ),
        (
            {"MODEL": "local", "MODEL_FILE": "{bare}/articles/bridge.md", "MODEL_SHA256": "0" * 64},
            "The model file {bare}/articles/bridge.md is damaged or not the official one: ",
        ),
        ({"MODEL": "openai:m"}, "ASSISTANT_MODEL"),
        ({"MODEL": "nobody:m"}, "ASSISTANT_MODEL"),
    ],
    ids=["missing file", "another file", "no key", "unknown provider"],
)
def test_a_language_model_that_cannot_be_used_is_named(
    bare: Path, settings: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing or damaged model file, a missing key and an unknown provider are each one line."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(f"ASSISTANT_{name}", value.format(bare=bare))
    problem = only_problem_but_the_index()
    assert problem.startswith("language model: ")
    assert expected.format(bare=bare) in problem


@pytest.mark.usefixtures("bare")
def test_missing_weights_are_named_with_the_command_that_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages of the weights each of the two models has its line."""
    monkeypatch.setattr(weights, "EMBEDDER_PACKAGE", "absent-embedder")
    monkeypatch.setattr(metadata, "files", _no_package)
    monkeypatch.setenv("ASSISTANT_MODEL", "local")
    code, problems, _ = looked()
    assert code == 1
    assert [problem.partition(":")[0] for problem in problems] == ["embedding model", "language model", "index"]
    assert all(problem.endswith(f": run {weights.INSTALL}") for problem in problems[:2])


def _no_package(name: str) -> None:
    raise metadata.PackageNotFoundError(name)


@pytest.mark.parametrize("damage", [flip, halve, Path.unlink])
def test_damaged_weights_are_named(
    bare: Path, damage: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that were cut, changed by a bit or removed are never loaded; the line names the file and the cure."""
    file = Path(shutil.copy(weights.embedder_file(), bare / "model.safetensors"))
    damage(file)
    monkeypatch.setattr(weights, "embedder_file", lambda: file)
    problem = only_problem_but_the_index()
    assert problem.startswith(f"embedding model: The model file {file} ")
    assert problem.endswith(weights.INSTALL)


def test_what_an_interrupted_start_left_is_named(bare: Path) -> None:
    """The rest of joining the language model is told, unless a process is still at it."""
    rest = (bare / "data" / weights.LANGUAGE_MODEL_NAME).with_suffix(".partial")
    rest.write_bytes(b"x")
    assert only_problem_but_the_index() == (
        f"language model: {rest} was left by an interrupted start: start the assistant, or delete it"
    )
    with filelock.FileLock(bare / "data" / "weights.lock"):
        _, (problem,), _ = looked()
    assert problem.startswith("index: there is none")


def test_an_unknown_setting_ends_it_before_it_looks(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable is one line and exit code 2, as with every command."""
    monkeypatch.setenv("ASSISTANT_DATE", str(bare))
    result = CliRunner().invoke(app, ["check"], catch_exceptions=False)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: Unknown setting ASSISTANT_DATE: use one of ")


# Reports and address


def test_what_keeps_reports_or_the_page_from_being_served_is_named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that reports cannot be saved in has a line; so has an address that `serve` refuses, in the same words."""
    file = bare / "articles"
    monkeypatch.setenv("ASSISTANT_FEEDBACK", str(file))
    monkeypatch.setenv("ASSISTANT_HOST", "192.0.2.1")
    _, (_, reports, page), _ = looked()
    assert reports == (
        f"reports: Reports cannot be saved in {file} (unable to open database file): "
        "make room, or set ASSISTANT_FEEDBACK to another file"
    )
    assert page == (
        "page: The page cannot be served at 192.0.2.1:0 (Cannot assign requested address): "
        "set ASSISTANT_HOST to an address of this machine"
    )
    result = CliRunner().invoke(app, ["serve"], catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (2, f"error: {page.removeprefix('page: ')}\n")


@pytest.mark.usefixtures("bare")
def test_a_port_that_is_taken_is_named_unless_the_assistant_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program there is a problem, which `serve` tells in the same words; a page that is served is none."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("ASSISTANT_PORT", str(port))
        with starting(lambda served: server_configuration(served, Settings()), taken):
            _, (problem,), _ = looked()
        assert problem.startswith("index: ")
        taken.close()
        with closing(socket.create_server(("127.0.0.1", port))):
            problem = only_problem_but_the_index()
            result = CliRunner().invoke(app, ["serve"], catch_exceptions=False)
    assert problem == (
        f"page: The page cannot be served at 127.0.0.1:{port} (Address already in use): "
        "stop what uses this port, or set ASSISTANT_PORT to another one"
    )
    assert (result.exit_code, result.stderr) == (2, f"error: {problem.removeprefix('page: ')}\n")


@pytest.mark.parametrize(
    ("name", "value"),
    [("CONTACT", "javascript:alert(1)"), ("TRUSTED_PROXIES", "proxy.local"), ("MONITORS", "x"), ("PORT", "99999")],
)
@pytest.mark.usefixtures("bare")
def test_a_wrong_setting_is_said_by_every_command(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` and `serve` refuse it in the same line."""
    monkeypatch.setenv(f"ASSISTANT_{name}", value)
    checked, served = (CliRunner().invoke(app, [command], catch_exceptions=False) for command in ("check", "serve"))
    assert (checked.exit_code, checked.stdout) == (2, "")
    assert checked.stderr.startswith(f"error: ASSISTANT_{name} has the value {value!r}: it must be ")
    assert (served.exit_code, served.stderr) == (2, checked.stderr)
