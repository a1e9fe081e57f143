"""The vector index, with the real Chroma: what is kept, what is rebuilt, and who is kept out."""

import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import WordEmbedder
from hypothesis import example, given, settings
from hypothesis import strategies as st
from processes import chroma_server

from assistant.articles.passages import passages
from assistant.errors import ConfigurationError, IndexLockedError
from assistant.search import collection as collection_module
from assistant.search import index as index_module
from assistant.search import index_files, index_server
from assistant.search.collection import client_of, collection_of, find_themselves, fingerprint
from assistant.search.index import IndexReport, VectorIndex, open_index
from assistant.settings import PROJECT
from assistant.types import Article

NOUNS = ["mayor", "council", "river", "bridge", "judge", "prison", "school", "teacher", "doctor", "hospital", "train"]
VERBS = ["praised", "blamed", "visited", "ignored", "rebuilt", "closed", "funded", "followed", "questioned", "painted"]


def made(name: str, sentences: int, seed: int = 0) -> Article:
    """Return an article of so many sentences, all different, in paragraphs of four."""
    words = random.Random(f"{name} {seed}")  # noqa: S311 - any words do
    lines = [
        f"The {words.choice(NOUNS)} {words.choice(VERBS)} the {words.choice(NOUNS)} of {name} on day {number}."
        for number in range(sentences)
    ]
    text = "\n\n".join(" ".join(lines[start : start + 4]) for start in range(0, sentences, 4))
    return Article(id=name, text=text, title=name)


@pytest.fixture(autouse=True)
def tried_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is built be tried in this process, but not beside what is damaged: a child process takes seconds."""
    if "large" not in request.fixturenames:
        monkeypatch.setattr(index_module, "works", collection_module.works_here)


@pytest.fixture
def articles() -> list[Article]:
    """Return three short articles."""
    return [made("oslo", 10), made("lima", 10), made("kyoto", 10)]


def ids(articles: list[Article]) -> set[str]:
    """Return the ids of everything that is embedded."""
    return {passage.id for article in articles for passage in passages(article)}


def finds_itself(index: VectorIndex, articles: list[Article]) -> bool:
    """Whether each passage is found by its own text, before every passage of another text."""
    embedder = WordEmbedder()
    for passage in (passage for article in articles for passage in passages(article)):
        found = index.search(embedder.embed_query(passage.text), 3)
        if not found[passage.id] == pytest.approx(1.0, abs=1e-3) == max(found.values()):
            return False
    return True


def built(articles: list[Article], folder: Path, url: str = "", embedder: WordEmbedder | None = None) -> IndexReport:
    """Open the index, close it, and return what had to be done."""
    index = open_index(articles, embedder or WordEmbedder(), folder, url)
    index.close()
    return index.report


def sealed(folder: Path) -> list[str]:
    """Return the names of the databases in the folder of an index that is closed."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


# What is embedded


def test_many_passages_that_are_nearly_the_same_can_be_indexed(tmp_path: Path) -> None:
    """The graph of neighbours misses some of them by their own words; that is no damage, and most are found."""
    lines = [f"Line {number} goes on and on, and nobody has seen its end." for number in range(400)]
    queries = [WordEmbedder().embed_query(line) for line in lines]
    article = Article(id="list", text="\n\n".join(lines), title="List")
    with closing(open_index([article], WordEmbedder(), tmp_path)) as index:
        found = [max(index.search(query, 1).values()) > 0.999 for query in queries]
    assert sum(found) > len(lines) / 2


@pytest.mark.parametrize(("held", "works"), [(0, False), (38, False), (39, True), (199, True)])
def test_an_index_that_finds_hardly_any_passage_by_itself_does_not_work(
    tmp_path: Path, held: int, *, works: bool
) -> None:
    """Of a sample of 200 a fifth has to be found; one without finite numbers is damaged whatever is found."""
    vectors = np.random.default_rng(0).standard_normal((200, 384), np.float32)
    with ExitStack() as resources:
        client = client_of(tmp_path, resources)
        collection = client.create_collection("some", configuration={"hnsw": {"space": "cosine"}})
        ids = [str(number) for number in range(held + 1)]
        collection.add(ids=ids, embeddings=np.vstack([vectors[:held], vectors[-1:]]))
        assert find_themselves(collection, vectors) is works
        assert not find_themselves(collection, np.full_like(vectors, np.nan))


@pytest.mark.parametrize("others", [0, 60])
def test_search_agrees_with_exact_search(tmp_path: Path, articles: list[Article], others: int) -> None:
    """Similarities are cosines, best first, of everything or of one article, and those that comparing with each finds.

    So it is where an article is compared by itself and where it is looked for in the graph.
    """
    embedder = WordEmbedder()
    corpus = [*articles, *(made(f"other{number}", 12) for number in range(others))]
    query = embedder.embed_query("The judge visited the hospital of lima")
    with closing(open_index(corpus, embedder, tmp_path)) as index:
        for article in (None, "lima", "paris"):
            wanted = [passage for each in corpus if article in {None, each.id} for passage in passages(each)]
            vectors = np.array(embedder.embed_documents([passage.text for passage in wanted])).reshape(-1, 512)
            exact = dict(zip((passage.id for passage in wanted), vectors @ np.array(query), strict=True))
            for limit in (2, 4, 1000):
                found = index.search(query, limit, article)
                assert list(found.values()) == pytest.approx(sorted(exact.values(), reverse=True)[:limit], abs=1e-3)
                assert found == pytest.approx({passage: exact[passage] for passage in found}, abs=1e-3)


def test_an_empty_corpus_has_an_empty_index(tmp_path: Path) -> None:
    """Nothing is found, and nothing breaks."""
    with closing(open_index([], WordEmbedder(), tmp_path)) as index:
        assert index.report.passages == index.report.embedded == 0
        assert index.search(WordEmbedder().embed_query("anything"), 5) == {}


# What is kept


def test_the_fingerprint_is_of_the_texts_and_the_embedder(articles: list[Article]) -> None:
    """It changes with any text, id or embedder, and not with the order of the articles or with a title."""
    first, *rest = articles
    same = fingerprint(articles, "e")
    assert fingerprint(list(reversed(articles)), "e") == same
    assert fingerprint([replace(first, title="Another"), *rest], "e") == same
    others = [
        fingerprint(rest, "e"),
        fingerprint(articles, "f"),
        fingerprint([replace(first, text=first.text + "."), *rest], "e"),
        fingerprint([replace(first, headings=frozenset({0})), *rest], "e"),
        fingerprint([replace(first, id="bergen"), *rest], "e"),
    ]
    assert len({same, *others}) == 6


POOL = [
    *(made(f"city{number}", 8) for number in range(12)),
    *(made(f"city{number}", 6, seed=1) for number in range(4)),
    # A paragraph more at both ends, and the same words in another article.
    replace(made("city0", 8), text=f"The ferry sank.\n\n{made('city0', 8).text}\n\nThe ferry was raised."),
    replace(made("city1", 8), id="copy"),
    # A paragraph that is or is not a heading: the words are the same, and the passages are not.
    (plain := replace(made("city2", 8), text=f"The end.\n\n{made('city2', 8).text}")),
    (marked := replace(plain, headings=frozenset({0}))),
]
"""Articles, of some several versions."""


@st.composite
def corpora(draw: st.DrawFn) -> list[list[Article]]:
    """Return corpora that follow one another, of most articles or a few, each article in one of its versions."""
    names = [article.id for article in POOL]
    versions = {name: [article for article in POOL if article.id == name] for name in names}

    def corpus() -> st.SearchStrategy[list[Article]]:
        out = st.sets(st.sampled_from(sorted(versions)), max_size=3)
        few = st.sets(st.sampled_from(sorted(versions)), max_size=2)
        kept = st.one_of(out.map(lambda gone: versions.keys() - gone), few)
        one_of_each = kept.flatmap(lambda kept: st.tuples(*(st.sampled_from(versions[name]) for name in sorted(kept))))
        return one_of_each.map(list)

    return draw(st.lists(corpus(), min_size=2, max_size=4))


@settings(max_examples=10)
@given(following=corpora())
@example(following=[[plain, *POOL[3:12]], [marked, *POOL[3:12]], [marked]])
def test_whatever_follows_is_found_and_no_text_is_embedded_twice(
    tmp_path_factory: pytest.TempPathFactory, following: list[list[Article]]
) -> None:
    """Articles added, changed, taken away or brought back: exactly their passages are found, and only new texts cost.

    Only the newest database stays in the folder.
    """
    folder, known = tmp_path_factory.mktemp("following"), set[str]()
    for corpus in following:
        embedder = WordEmbedder()
        texts = {passage.text for article in corpus for passage in passages(article)}
        with closing(open_index(corpus, embedder, folder)) as index:
            assert sorted(embedder.embedded) == sorted(texts - known)
            assert index.report.embedded == len(texts - known)
            assert index.report.passages == len(ids(corpus))
            assert set(index.search(embedder.embed_query("the river"), 10_000)) == ids(corpus)
            for article in POOL:
                wanted = ids([other for other in corpus if other.id == article.id])
                assert set(index.search(embedder.embed_query("the river"), 10_000, article.id)) == wanted
            assert finds_itself(index, corpus)
        known |= texts
        assert len(sealed(folder)) == 1
        assert built(corpus, folder).embedded == 0


def contents(folder: Path) -> dict[Path, bytes]:
    """Return what is in the files of the databases of an index."""
    return {path: path.read_bytes() for path in folder.rglob("*/*") if path.is_file()}


def test_few_changes_leave_what_is_sealed_as_it_is(tmp_path: Path) -> None:
    """One article of ten is changed in the copy that is searched; when more were, a new database is built."""
    corpus = [made(f"city{number}", 4) for number in range(10)]
    built(corpus, tmp_path)
    before = contents(tmp_path)
    for changed in (made("city0", 8, seed=1), made("city0", 8, seed=2)):
        assert built([changed, *corpus[1:]], tmp_path).embedded == len(passages(changed))
        assert contents(tmp_path) == before
    built([made(article.id, 8, seed=1) if article.id < "city2" else article for article in corpus], tmp_path)
    assert not before.keys() & contents(tmp_path).keys()


def test_a_copy_that_does_not_find_what_was_added_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then a new database is built, of the vectors that are kept."""
    corpus = [made(f"city{number}", 4) for number in range(10)]
    built(corpus, tmp_path)
    before, changed = sealed(tmp_path), [made("city0", 8, seed=1), *corpus[1:]]
    answers = iter([False, True])
    monkeypatch.setattr(index_module, "holds", lambda *_: next(answers, True))
    with closing(open_index(changed, WordEmbedder(), tmp_path)) as index:
        assert finds_itself(index, changed)
    assert sealed(tmp_path) != before


def test_an_embedder_that_fails_costs_nothing(tmp_path: Path, articles: list[Article]) -> None:
    """Its own error is raised, and the old index is still there."""
    built(articles[:2], tmp_path)
    broken = WordEmbedder()
    broken.embed_documents = lambda texts: [][len(texts)]  # type: ignore[method-assign]
    with pytest.raises(IndexError):
        open_index(articles, broken, tmp_path)
    assert built(articles[:2], tmp_path).embedded == 0


# Who is kept out


CHILD = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:5]
from conftest import WordEmbedder
from test_index import made
from assistant.errors import AssistantError
from assistant.search.index import open_index
folder, url = Path(sys.argv[5]), sys.argv[6]
def progress(done, total):
    print("embedded", done, flush=True)
    sys.stdin.read()
try:
    index = open_index([made("bergen", 1200)], WordEmbedder(), folder, url, progress)
    print("open", index.report.embedded, len(index.search(WordEmbedder().embed_query("river"), 5)))
except AssistantError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def child(folder: Path, url: str = "") -> subprocess.Popen[str]:
    """Start another process that opens an index; while it builds one, it waits for its input to end."""
    places = [PROJECT, PROJECT / "deploy", PROJECT / "tests", PROJECT / "tests" / "search"]
    command = [sys.executable, "-c", CHILD, *map(str, places), str(folder), url]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_second_process_is_kept_out(tmp_path: Path, articles: list[Article]) -> None:
    """While an index is open another process, or this one, gets one line that says who has it."""
    with closing(open_index(articles, WordEmbedder(), tmp_path)) as index:
        out, error = child(tmp_path).communicate()
        assert out == ""
        assert error == (
            f"IndexLockedError: The index in {tmp_path} is in use by process {os.getpid()}: "
            "stop it, or set ASSISTANT_DATA to another folder\n"
        )
        with pytest.raises(IndexLockedError):
            open_index(articles, WordEmbedder(), tmp_path)
        index.close()


def test_closing_releases_the_files(tmp_path: Path, articles: list[Article]) -> None:
    """No file of the folder stays open, however often it is opened."""

    def opened() -> list[str]:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return [file for link in links if (file := str(link.readlink())).startswith(str(tmp_path))]

    for _ in range(3):
        with closing(open_index(articles, WordEmbedder(), tmp_path)):
            assert opened()
        patience = time.monotonic() + 10  # Chroma closes its database in a thread of its own.
        while opened() and time.monotonic() < patience:
            time.sleep(0.01)
        assert opened() == []


# Damage


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an index that is large enough for Chroma to write its graph to disk; to be copied."""
    folder = tmp_path_factory.mktemp("large")
    built([made("oslo", 1200)], folder)
    return folder


DAMAGE: dict[str, Callable[[Path], object]] = {
    "random bytes": lambda file: file.write_bytes(random.Random(0).randbytes(file.stat().st_size)),  # noqa: S311
    "half of it": lambda file: os.truncate(file, file.stat().st_size // 2),
    "nothing": lambda file: os.truncate(file, 0),
    "gone": Path.unlink,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_no_damaged_file_is_ever_opened(large: Path, tmp_path: Path, how: str) -> None:
    """Whichever of the sealed files it is, and whatever happened to it, it is named before Chroma sees it."""
    record = index_files.current(large)
    assert record is not None
    assert len(record.files) > 4
    for number, name in enumerate(record.files):
        folder = shutil.copytree(large, tmp_path / str(number))
        file = folder / record.name / name
        if file.stat().st_size:
            DAMAGE[how](file)
            found = index_files.copy_out(folder, record, tmp_path / f"{number} copied")
            assert found == [f"{file} {'is missing' if how == 'gone' else 'has changed'}"]


@pytest.mark.parametrize(("name", "how"), [("chroma.sqlite3", "half of it"), ("data_level0.bin", "random bytes")])
def test_damage_costs_a_rebuild(large: Path, tmp_path: Path, name: str, how: str) -> None:
    """What is found afterwards is right, and so is the next start."""
    folder, article = shutil.copytree(large, tmp_path / "copy"), made("oslo", 1200)
    (file,) = folder.rglob(name)
    DAMAGE[how](file)
    with closing(open_index([article], embedder := WordEmbedder(), folder)) as index:
        assert embedder.embedded == []  # The vectors lie elsewhere.
        sample = passages(article)[::50]
        found = [index.search(WordEmbedder().embed_query(passage.text), 1) for passage in sample]
        assert [next(iter(hit.values())) for hit in found] == pytest.approx([1.0] * len(sample), abs=1e-3)
        assert len(index.search(WordEmbedder().embed_query("river"), 200)) == 200
    assert built([article], folder).embedded == 0


@pytest.mark.parametrize("sentences", [1, 3, 1200])
def test_what_is_sealed_is_whole_and_never_written_to(tmp_path: Path, sentences: int) -> None:
    """Chroma's log holds at most the last vector, so opening adds none anew; what is searched is a copy, which goes."""
    built([made("oslo", sentences)], tmp_path)
    (database,) = sealed(tmp_path)
    with closing(sqlite3.connect(tmp_path / database / "chroma.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) <= 1 FROM embeddings_queue").fetchall() == [(1,)]
    before = contents(tmp_path)
    with closing(open_index([made("oslo", sentences)], WordEmbedder(), tmp_path)) as index:
        for article in (None, "oslo"):
            index.search(WordEmbedder().embed_query("river"), 200, article)
    assert contents(tmp_path) == before
    assert sealed(tmp_path) == [database]


def test_damage_of_the_record_costs_a_rebuild(large: Path, tmp_path: Path) -> None:
    """Without the file that says what is in use, or with one that was tampered with, nothing is searched."""
    folder, article = shutil.copytree(large, tmp_path / "copy"), made("oslo", 60)
    record = folder / "CURRENT.json"
    for content in (b"", b"{}", b"\xff\x00", record.read_bytes().replace(b"oslo", b"lima")):
        record.write_bytes(content)
        with closing(open_index([article], WordEmbedder(), folder)) as index:
            assert finds_itself(index, [article])


def test_what_another_release_of_chroma_or_embedder_wrote_is_not_opened(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade the database is built anew from the vectors that are kept; for another embedder from its own."""
    folder, article = shutil.copytree(large, tmp_path / "copy"), made("oslo", 1200)
    before = sealed(folder)
    monkeypatch.setattr("assistant.search.index.metadata.version", lambda _: "99.0")
    assert built([article], folder).embedded == 0
    assert sealed(folder) != before
    other = built([article], folder, embedder=WordEmbedder("another"))
    assert other.embedded == other.passages


def test_a_database_that_does_not_work_is_not_put_in_use(
    tmp_path: Path, articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the child process does not find what was just built, it is a defect, and the index before stays in use."""
    built(articles[:1], tmp_path)
    before = (tmp_path / "CURRENT.json").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(index_module, "works", lambda *_: False)
        with pytest.raises(RuntimeError, match="does not work: Chroma cannot search"):
            open_index(articles, WordEmbedder(), tmp_path)
    assert (tmp_path / "CURRENT.json").read_bytes() == before
    assert built(articles, tmp_path).embedded == 0


def test_what_a_killed_build_had_written_is_deleted(tmp_path: Path, articles: list[Article]) -> None:
    """Half-built databases, copies and records go at the next start, and what an earlier release built."""
    built(articles, tmp_path)
    before = {path for path in tmp_path.rglob("*") if path.name != "index.pid"}
    for rest in (
        "building-ab/database/chroma.sqlite3",
        "open-cd/chroma.sqlite3",
        "parts/abc/header.bin",
        "CURRENT.json.partial",
    ):
        (tmp_path / rest).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / rest).write_bytes(b"rest")
    assert built(articles, tmp_path).embedded == 0
    assert {path for path in tmp_path.rglob("*") if path.name != "index.pid"} == before


# Places that do not work


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("hangs", [False, True])
def test_a_server_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, *, hangs: bool
) -> None:
    """The error says how to start one; a port that takes connections and never answers holds nothing up for ever."""
    monkeypatch.setattr(index_server, "_FIRST_ANSWER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        if not hangs:
            silent.close()
        with pytest.raises(ConfigurationError, match=f"No Chroma server answers at {url}: start it with `chroma run`"):
            open_index([], WordEmbedder(), tmp_path, url)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "localhost", "http://"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    """The error shows the form."""
    with pytest.raises(ConfigurationError, match=r"it must be of the form http://127\.0\.0\.1:8000"):
        open_index([], WordEmbedder(), tmp_path, url)


# A server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a real Chroma server and return its address."""
    with chroma_server(tmp_path_factory.mktemp("server")) as running:
        yield running.address


def test_a_server_is_used_like_the_folder(server: str, tmp_path: Path, articles: list[Article]) -> None:
    """Through an address the same is found, only what changed is embedded, and nothing is written to the folder."""
    more = [*articles, made("turin", 6)]
    for corpus, embedded in ((articles, len(ids(articles))), (articles, 0), (more, len(passages(more[-1])))):
        with closing(open_index(corpus, WordEmbedder(), tmp_path, server)) as index:
            assert index.report.embedded == embedded
            assert finds_itself(index, corpus)
    assert list(tmp_path.iterdir()) == []


def test_processes_share_a_server(server: str, tmp_path: Path, articles: list[Article]) -> None:
    """Several processes may start on one server at once; each finds everything, and none deletes another's index."""
    with closing(open_index(articles, WordEmbedder(), tmp_path, server)) as mine:
        processes = [child(tmp_path, server) for _ in range(3)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("embedded")
        results = [process.communicate("") for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0], results
        assert all(out.splitlines()[-1] == "open 300 5" for out, _ in results), results
        assert finds_itself(mine, articles)


def test_what_nobody_uses_is_deleted_from_a_server_after_a_month(
    server: str, tmp_path: Path, articles: list[Article]
) -> None:
    """A collection of ours that was used lately is left alone, and so is whatever is not ours."""
    address = f"{server}/api/v2/tenants/default_tenant/databases/default_database/collections"
    ages = {"articles-young": 60, "articles-old": 3_000_000, "somebody-elses": 3_000_000}
    for name, seconds in ages.items():
        collection = {"name": name, "metadata": {"used": time.time() - seconds}}
        httpx.post(address, json=collection).raise_for_status()
    built(articles, tmp_path, server)
    names = {collection["name"] for collection in httpx.get(address).json()}
    assert names & set(ages) == {"articles-young", "somebody-elses"}


@pytest.mark.parametrize("where", ["in a folder", "on a server"])
def test_an_index_goes_on_with_other_articles(server: str, tmp_path: Path, articles: list[Article], where: str) -> None:
    """It is that of a new start; the one before can be searched until it gives way, and other processes' for ever."""
    url = server if where == "on a server" else ""
    changed, new = replace(articles[0], text=f"{articles[0].text} Later."), made(f"new {where}", 3)
    others = [changed, *articles[2:], new]
    with closing(open_index(articles, WordEmbedder(), tmp_path / "mine", url)) as before:
        index = before.of_others(others)
        assert finds_itself(index, others)
        assert finds_itself(before, articles)
        with closing(open_index(articles, WordEmbedder(), tmp_path / "theirs", url)) as theirs:
            before.give_way_to(index)
            assert finds_itself(theirs, articles)
        assert finds_itself(index, others)
        assert set(index.search([1.0] * 512, 1000)) == ids(others)
        back = index.of_others(articles)
        index.give_way_to(back)
        assert finds_itself(back, articles)
        index = back.of_others(others)
        back.give_way_to(index)
        report = index.report
    again = built(others, tmp_path / "mine", url)
    assert again == replace(report, embedded=0)


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_collection_that_was_left_is_deleted_after_two_days(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_shared: bool
) -> None:
    """Unless another process uses it; so articles that change every minute do not fill the server."""
    articles = [made(f"left, {is_shared}", 2)]
    name = f"articles-{fingerprint(articles, WordEmbedder().name)[:40]}"
    address = f"{server}/api/v2/tenants/default_tenant/databases/default_database/collections"
    with closing(open_index(articles, WordEmbedder(), tmp_path, server)) as before:
        before.give_way_to(before.of_others([made("what came after", 2)]))
        if is_shared:
            built(articles, tmp_path, server)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3 * 24 * 3600)
    built([made("three days later", 2)], tmp_path, server)
    names = {collection["name"] for collection in httpx.get(address).json()}
    assert (name in names) is is_shared


@pytest.mark.parametrize("rest", ["half", "nothing", "a passage that is none"])
def test_what_a_killed_process_left_on_a_server_is_completed(server: str, tmp_path: Path, rest: str) -> None:
    """A collection that lacks passages gets them; one that holds something else is built anew."""
    corpus = [made(f"killed while there was {rest}", 40)]
    wanted = [passage for article in corpus for passage in passages(article)]
    built(corpus, tmp_path, server)
    name = f"articles-{fingerprint(corpus, WordEmbedder().name)[:40]}"
    with ExitStack() as resources:
        collection = collection_of(index_server.connected(server, resources), name)
        kept = {"half": len(wanted) // 2, "nothing": 0, "a passage that is none": len(wanted) - 1}[rest]
        collection.delete(ids=[passage.id for passage in wanted[kept:]])
        if rest == "a passage that is none":
            collection.add(ids=["none"], embeddings=np.ones((1, 512), np.float32))
    with closing(open_index(corpus, WordEmbedder(), tmp_path, server)) as index:
        assert finds_itself(index, corpus)
