"""The vector index, with the real Chroma: what is kept, what is rebuilt, and who is kept out."""

import itertools
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import WordEmbedder
from hypothesis import example, given, settings
from hypothesis import strategies as st
from processes import chroma_server

from assistant.articles.passages import passages
from assistant.articles.reading import Corpus
from assistant.errors import ConfigurationError, IndexLockedError
from assistant.search import collection as collection_module
from assistant.search import index as index_module
from assistant.search import index_files, index_server
from assistant.search.collection import client_of, find_themselves
from assistant.search.index import Index, IndexReport, check_server, damage, open_index, place_of
from assistant.search.retrieval import Retriever
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


def found(index: Index, article: Article | None = None, limit: int = 10_000) -> list[str]:
    """Return the ids of all that is found near some vector, in one article where it is named."""
    vector = np.ones(512, dtype=np.float32)
    return index.nearest(vector, limit) if article is None else index.nearest_of(vector, [article], limit)


def finds_itself(index: Index, articles: list[Article]) -> bool:
    """Whether each passage is found by its own words, as near as can be, or one of the same words in its place."""
    retriever = Retriever(articles, index, WordEmbedder())
    for passage in (passage for article in articles for passage in passages(article)):
        findings = retriever.search(passage.text, 30)
        is_there = passage.text in {hit.passage.text for hit in findings.hits}
        if not is_there or findings.similarity != pytest.approx(1.0, abs=1e-3):
            return False
    return True


def built(articles: list[Article], folder: Path, url: str = "", embedder: WordEmbedder | None = None) -> IndexReport:
    """Open the index, close it, and return what had to be done."""
    index = open_index(articles, embedder or WordEmbedder(), folder, url)
    index.close()
    return index.report


def place(folder: Path) -> Path:
    """Return where in its folder an index lies."""
    return folder / place_of("words")


# What is embedded


def test_many_passages_that_are_nearly_the_same_can_be_indexed(tmp_path: Path) -> None:
    """The graph of neighbours misses some of them by their own words; that is no damage, and most are found."""
    lines = [f"Line {number} goes on and on, and nobody has seen its end." for number in range(400)]
    article = Article(id="list", text="\n\n".join(lines), title="List")
    vectors = {passage.id: WordEmbedder().embed_query(passage.text) for passage in passages(article)}
    with closing(open_index([article], WordEmbedder(), tmp_path)) as index:
        found = [(vector, index.nearest(np.array(vector), 1)[0]) for vector in vectors.values()]
    # Two lines may have one vector: either counts.
    assert sum(vectors[name] == vector for vector, name in found) > len(lines) / 2
    assert damage("words", tmp_path, tmp_path / "trial") == []


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
    """The nearest passages come best first, of everything or of one article, as comparing with each finds them."""
    embedder = WordEmbedder()
    corpus = [*articles, *(made(f"other{number}", 12) for number in range(others))]
    query = np.array(embedder.embed_query("The judge visited the hospital of lima"))
    with closing(open_index(corpus, embedder, tmp_path)) as index:
        for named in ([each for each in corpus if each.id == "lima"], corpus):
            wanted = [passage for each in named for passage in passages(each)]
            vectors = np.array(embedder.embed_documents([passage.text for passage in wanted]))
            exact = dict(zip((passage.id for passage in wanted), vectors @ query, strict=True))
            for limit in (2, 4, 1000):
                found = index.nearest(query, limit) if named is corpus else index.nearest_of(query, named, limit)
                best = sorted(exact.values(), reverse=True)[:limit]
                assert [exact[name] for name in found] == pytest.approx(best, abs=1e-3)


def test_an_empty_corpus_has_an_empty_index(tmp_path: Path) -> None:
    """Nothing is found, and nothing breaks."""
    with closing(open_index([], WordEmbedder(), tmp_path)) as index:
        assert index.report.passages == index.report.embedded == 0
        assert found(index) == []
        assert Retriever([], index, WordEmbedder()).search("anything").evidence == ()


# What is kept


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


@settings(max_examples=6)
@given(following=corpora(), goes_on=st.booleans())
@example(following=[[plain, *POOL[3:12]], [marked, *POOL[3:12]], [marked]], goes_on=False)
def test_whatever_follows_is_found_and_nothing_is_embedded_twice(
    tmp_path_factory: pytest.TempPathFactory, following: list[list[Article]], *, goes_on: bool
) -> None:
    """Articles added, changed, taken away or brought back, while the index is open or not: it is that of a new start.

    Exactly their passages are found, as they would be in an index made for them, and only new articles are embedded.
    """
    folder, embedder, before = tmp_path_factory.mktemp("following"), WordEmbedder(), list[Article]()
    index = open_index([], embedder, folder)
    for corpus in following:
        embedder.embedded.clear()
        if goes_on:
            index.take_up(corpus)
            index.forget_others(corpus)
        else:
            index.close()
            index = open_index(corpus, embedder, folder)
        new = [article for article in corpus if article not in before]
        assert len(embedder.embedded) == sum(len({passage.text for passage in passages(each)}) for each in new)
        assert index.report.passages == len(ids(corpus))
        assert {*found(index)} == ids(corpus)
        assert finds_itself(index, corpus)
        anew = Retriever(corpus, None, None)
        for query in ("Who visited the river?", "city1 bridge"):
            followed = Retriever(corpus, index, None).search(query)
            assert [hit.passage for hit in followed.hits] == [hit.passage for hit in anew.search(query).hits]
            assert followed.keyword_score == pytest.approx(anew.search(query).keyword_score)
        before = corpus
    index.close()
    assert built(before, folder).embedded == 0


def test_an_embedder_that_fails_costs_nothing(tmp_path: Path, articles: list[Article]) -> None:
    """Its own error is raised, and what was indexed before still is."""
    built(articles[:2], tmp_path)
    broken = WordEmbedder()
    broken.embed_documents = lambda texts: [][len(texts)]  # type: ignore[method-assign]
    with pytest.raises(IndexError):
        open_index(articles, broken, tmp_path)
    assert built(articles[:2], tmp_path).embedded == 0


def test_what_is_there_is_answered_from_at_once(tmp_path: Path, articles: list[Article]) -> None:
    """Without waiting for what is new, of which only what nothing could be answered without is taken up."""
    with closing(open_index(articles, WordEmbedder(), tmp_path / "empty", at_once=True)) as index:
        assert index.part_of(Corpus(tuple(articles))).articles == (articles[0],)
    built(articles[:2], tmp_path)
    with closing(open_index(articles, embedder := WordEmbedder(), tmp_path, at_once=True)) as index:
        part = index.part_of(Corpus(tuple(articles)))
        assert part.articles == tuple(articles[:2])
        assert part.unread == {articles[2].id}
        assert embedder.embedded == []
        assert [*index.taking_up(articles)] == [(1, 1)]
        assert index.part_of(Corpus(tuple(articles))) == Corpus(tuple(articles))


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
def progress(what, done, total):
    print("embedded", done, flush=True)
    sys.stdin.read()
try:
    index = open_index([made("bergen", 1200)], WordEmbedder(), folder, url, progress)
    print("open", index.report.embedded, len(index.nearest(WordEmbedder().embed_query("river"), 5)))
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


@pytest.mark.parametrize("part", ["chroma", "keywords"])
def test_damage_is_named_and_costs_a_rebuild(
    large: Path, tmp_path: Path, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whichever of the files it is, it is named before it is opened; what is found is right, and nothing embedded."""
    files = [path.relative_to(large) for path in (place(large) / part).rglob("*") if path.is_file()]
    files = [file for file in files if (large / file).stat().st_size and file.suffix != ".lock"]
    assert len(files) >= len(DAMAGE)
    article = made("oslo", 1200)
    for file, how in zip(files, itertools.cycle(DAMAGE)):
        folder = shutil.copytree(large, tmp_path / file.name)
        DAMAGE[how](folder / file)
        caplog.clear()
        with closing(open_index([article], embedder := WordEmbedder(), folder)) as index:
            assert embedder.embedded == []  # What was embedded lies elsewhere.
            assert f"{folder / file} has changed or is missing" in caplog.text
            assert {*found(index)} == ids([article])
            assert finds_itself(index, [article]) if file == files[0] else True
        assert built([article], folder).embedded == 0


@pytest.mark.parametrize(("name", "how"), [("chroma.sqlite3", "half of it"), ("data_level0.bin", "random bytes")])
def test_after_a_killed_process_the_vectors_are_tried(large: Path, tmp_path: Path, name: str, how: str) -> None:
    """Nothing says then how the files should be: where they cannot be searched, they are made anew."""
    folder, article = shutil.copytree(large, tmp_path / "copy"), made("oslo", 1200)
    index_files.unseal(place(folder))
    (file,) = folder.rglob(name)
    DAMAGE[how](file)
    with closing(open_index([article], embedder := WordEmbedder(), folder)) as index:
        assert embedder.embedded == []
        assert {*found(index)} == ids([article])


def complete(folder: Path, corpus: list[Article], url: str, rest: str) -> None:
    """Let a killed process leave this of an index, and open it again."""
    with closing(open_index(corpus, WordEmbedder(), folder, url)) as index:
        assert index.vectors is not None
        wanted = sorted(ids(corpus))
        kept = {"half": len(wanted) // 2, "nothing": 0, "a passage that is none": len(wanted)}[rest]
        index.vectors.delete(ids=wanted[kept:] or ["none"])
        if rest == "a passage that is none":
            index.vectors.add(ids=["none@0123456789abcdef:0-1"], embeddings=np.ones((1, 512), np.float32))
    with closing(open_index(corpus, embedder := WordEmbedder(), folder, url)) as index:
        assert embedder.embedded == []
        assert url or {*found(index)} == ids(corpus)
        assert finds_itself(index, corpus)


@pytest.mark.parametrize("rest", ["half", "nothing", "a passage that is none"])
def test_what_a_killed_process_left_is_completed(tmp_path: Path, articles: list[Article], rest: str) -> None:
    """Vectors that are not there are given to Chroma again, and those of no article are taken out."""
    complete(tmp_path, articles, "", rest)


def test_damage_of_the_record_costs_a_trial(large: Path, tmp_path: Path) -> None:
    """Without the file that says how the others should be, or with one that was tampered with, all is right too."""
    folder, article = shutil.copytree(large, tmp_path / "copy"), made("oslo", 1200)
    record = place(folder) / "sealed.json"
    for content in (b"", b"{}", b"\xff\x00", record.read_bytes().replace(b"chroma", b"kroma")):
        record.write_bytes(content)
        with closing(open_index([article], embedder := WordEmbedder(), folder)) as index:
            assert (embedder.embedded, {*found(index)}) == ([], ids([article]))


def test_what_another_release_or_embedder_wrote_is_not_opened(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade of a library, and for another embedder, all is made anew, and what was there goes."""
    folder, article = shutil.copytree(large, tmp_path / "copy"), made("oslo", 40)
    (folder / "CURRENT.json").write_text("of an earlier release")
    before = place(folder)
    monkeypatch.setattr("assistant.search.index.metadata.version", lambda _: "99.0")
    for embedder in (WordEmbedder(), WordEmbedder("another")):
        report = built([article], folder, embedder=embedder)
        assert report.embedded == report.passages
        assert not before.exists()
        assert not (folder / "CURRENT.json").exists()


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
    """Through an address the same is found, and only what changed is embedded; another machine finds it there too."""
    more = [*articles, made("turin", 6)]
    for corpus, embedded in ((articles, len(ids(articles))), (articles, 0), (more, len(passages(more[-1])))):
        with closing(open_index(corpus, WordEmbedder(), tmp_path / "one", server)) as index:
            assert index.report.embedded == embedded
            assert finds_itself(index, corpus)
            name = index.vectors.name if index.vectors else ""
    with closing(open_index(more, WordEmbedder(), tmp_path / "other", server)) as index:
        assert finds_itself(index, more)
        assert index.vectors is not None
        assert index.vectors.name == name
    assert not list(tmp_path.rglob("chroma.sqlite3"))


def test_a_server_without_an_index_is_told_from_one_whose_index_lacks_passages(
    server: str, tmp_path: Path, articles: list[Article]
) -> None:
    """The first start builds what is not there; what is there and not whole has its cure."""
    own = [made(f"{article.id} of nobody else", 5) for article in articles]
    looked = partial(check_server, own, WordEmbedder().name, server)
    assert not looked()
    with closing(open_index(own, WordEmbedder(), tmp_path, server)) as index:
        assert looked()
        assert index.vectors is not None
        index.vectors.delete([passages(own[0])[0].id])
    with pytest.raises(ConfigurationError, match=r"no whole index of these articles: run python -m assistant index"):
        looked()


def test_processes_share_a_server(server: str, tmp_path: Path, articles: list[Article]) -> None:
    """Several processes may start on one server at once; each finds everything, and none deletes another's index."""
    with closing(open_index(articles, WordEmbedder(), tmp_path / "mine", server)) as mine:
        processes = [child(tmp_path / str(number), server) for number in range(3)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("embedded")
        results = [process.communicate("") for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0], results
        assert all(out.splitlines()[-1] == "open 300 5" for out, _ in results), results
        assert finds_itself(mine, articles)


COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


def collections_of(server: str) -> set[str]:
    """Return the names of the collections on a server."""
    return {collection["name"] for collection in httpx.get(f"{server}{COLLECTIONS}").json()}


def test_what_nobody_uses_is_deleted_from_a_server_after_a_month(
    server: str, tmp_path: Path, articles: list[Article]
) -> None:
    """A collection of ours that was used lately is left alone, and so is whatever is not ours."""
    ages = {"articles-young": 60, "articles-old": 3_000_000, "somebody-elses": 3_000_000}
    for name, seconds in ages.items():
        collection = {"name": name, "metadata": {"used": time.time() - seconds}}
        httpx.post(f"{server}{COLLECTIONS}", json=collection).raise_for_status()
    built(articles, tmp_path, server)
    assert collections_of(server) & set(ages) == {"articles-young", "somebody-elses"}


def test_an_article_that_changes_is_added_to_what_machines_share(
    server: str, tmp_path: Path, articles: list[Article]
) -> None:
    """Another machine that has not followed yet finds what it has as before, and one that follows finds it done."""
    changed, new = replace(articles[0], text=f"{articles[0].text} Later."), made("new", 3)
    others = [changed, *articles[2:], new]
    with (
        closing(open_index(articles, WordEmbedder(), tmp_path / "mine", server)) as mine,
        closing(open_index(articles, WordEmbedder(), tmp_path / "theirs", server)) as theirs,
    ):
        before = collections_of(server)
        mine.take_up(others)
        mine.forget_others(others)
        assert finds_itself(mine, others)
        assert finds_itself(theirs, articles)
        theirs.take_up(others)
        theirs.forget_others(others)
        assert finds_itself(theirs, others)
        assert collections_of(server) == before
    # When it is mostly of what is gone, a new one is made.
    few = made("new", 3)
    built([few], tmp_path / "few", server)
    assert len(collections_of(server) - before) == 1


@pytest.mark.parametrize("rest", ["half", "nothing"])
def test_what_a_killed_process_left_on_a_server_is_completed(server: str, tmp_path: Path, rest: str) -> None:
    """A collection that lacks passages gets them."""
    complete(tmp_path, [made(f"killed while there was {rest}", 40)], server, rest)
