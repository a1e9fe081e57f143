"""What may go wrong, by number, and the files of the tests that hold it; "no test" has its reason.

Index and disk

     1  the indexer is killed at each of its steps: test_faults
     2  the power fails between writing an index and putting it in use: test_faults, test_index
     3  the disk is full while an index is built: test_faults
     4  the disk is full while questions are answered: test_faults
     5  the folder of the index cannot be written: test_faults, test_index
     6  a segment's folder is gone: test_index, test_installation
     7  a file of the graph is cut: test_index, test_installation
     8  a file of the graph is random bytes, which can crash Chroma: test_index, test_installation
     9  the database is empty, garbage or half there: test_index, test_installation
    10  a byte of what is stored has changed: test_installation, test_index
    11  two processes start on one folder: test_index, test_cli
    12  the index is of another embedding model: test_index, test_installation
    13  the index is of another version of ours: test_index
    14  articles are indexed while readers ask: test_index, test_deploy, test_following
        no test: a process reads its articles at its start alone, so no answer can come from two indexes
        no test: how fast it is meanwhile, since times are no test
    15  articles are none, tiny, huge, or without title and date: test_faults, test_index, test_articles, test_steps
    16  an article has odd bytes: test_faults, test_fuzzing, test_articles, test_page_bars
    17  an article is there twice: test_articles, test_index

Model

    18  the model's server refuses, has no address, or speaks no TLS: test_provider_faults, test_faults
    19  it hangs before its first word: test_provider_faults, test_chat
    20  it stalls after its first word: test_provider_faults
    21  it drips for ever: test_provider_faults, test_chat
    22  it answers 500, 503 or 429: test_provider_faults
    23  it sends what is none of its protocol: test_provider_faults
    24  its stream breaks off or never ends: test_provider_faults, test_chat, test_packaged
    25  it says nothing, or only thinks: test_provider_faults, test_chat
    26  it runs out of room, or repeats itself: test_provider_faults, test_packaged
    27  it invents quotations, citations, links or markup: test_packaged, test_page_bars
    28  the key, the model or the provider is wrong: test_holder, test_provider_faults
    29  the engine crashes, is killed, or its file is missing or another: test_end_to_end, test_chat, test_holder
    30  the conversation is longer than the model reads: test_provider_faults

Readers and network

    31  up to 300 ask at once: test_door, test_service
        no test: how fast it is with 300, since times are no test; `crowd` in tests/visitors.py lets so many come
    32  questions come for two hours: test_soak
        no test: two hours are longer than a test may take; with more QUESTIONS test_soak runs so long
    33  a reader leaves in the middle of an answer: test_page, test_service, test_api
    34  a reader stops, asks twice, tries again or clears meanwhile: test_page
    35  one visitor has several tabs: test_page_history
        no test: seven tabs over HTTP/1.1 meet the browser's own limit of six connections; HTTP/2 lifts it
    36  a client is slow to send or to take: test_server, test_api
    37  a question is empty, too long, odd, or looks like code: test_question, test_api, test_page_bars
    38  a program misuses the interface, or forges a history: test_hostile, test_server, test_api
    39  addresses are made up, or change within one home: test_api, test_limits, test_hostile
    40  one reader asks too often, or a school has one address: test_service, test_door

Process and machine

    41  the server is told to stop while it answers: test_faults, test_service
    42  the server is killed while it answers: test_faults, test_page_bars, test_index
    43  the clock jumps, and leap days: test_faults, test_limits, test_articles
    44  feedback is spam, huge, many at once, or finds the disk full: test_faults, test_feedback, test_service
    45  there is no network: test_offline, test_settings
    46  settings, port, folder, Python or model file are wrong: test_settings, test_installation, test_holder
        no test: that Python is too old is said by pip, which reads `requires-python` before it installs anything
    47  the log cannot be written: test_faults
    48  a question or an article gives the model orders: test_injections
    49  the folder is of an earlier release: test_faults, test_index, test_weights

The browser

    50  it is small, magnified, read aloud, printed, without mouse or network: test_accessibility, test_page_bars
        no test: cookies that are off change nothing, as none is needed without a proxy before several processes
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import faulty_endpoint
import httpx
import numpy as np
import pytest
from conftest import WordEmbedder
from processes import free_port
from served import OPEN, WRITTEN, ScriptedAssistant
from test_cli import child
from test_feedback import lines
from test_index import built, finds_itself, made, tried_here  # noqa: F401 - for every test here
from test_provider_faults import CRIME, assemble, assert_quoted
from test_service import STRANGER, run
from test_weights import full_disk

from assistant.articles.passages import passages, sentences
from assistant.articles.reading import read_corpus
from assistant.errors import ConfigurationError, Fault
from assistant.search.embedder import SentenceEmbedder
from assistant.search.index import open_index
from assistant.settings import PROJECT, Settings
from assistant.types import Article, Outcome
from assistant.web.service import NOT_SAVED, THANKS, Service
from assistant.web.storage.feedback import Feedback


def test_every_case_is_held() -> None:
    """Each number is there, and each file that it names."""
    cases = re.findall(r"^ +(\d+)  .*: (test_.*)$", __doc__ or "", re.MULTILINE)
    assert [int(number) for number, _ in cases] == [*range(1, 51)]
    files = {file.stem for file in (PROJECT / "tests").rglob("test_*.py")}
    assert [case for case in cases if not set(case[1].split(", ")) <= files] == []


# Index and disk


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    """Return, by the change that the indexer was killed at, what was found after each step."""
    places = (PROJECT, PROJECT / "deploy", PROJECT / "tests" / "search")
    said = subprocess.run(
        [sys.executable, "tests/killed.py", str(tmp_path_factory.mktemp("killed"))],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    steps = list(map(json.loads, said.stdout.splitlines()))
    return {change: [step for step in steps if step["change"] == change] for change in ("first", "more", "other")}


@pytest.mark.parametrize("change", ["first", "more", "other"])
def test_a_killed_indexer_leaves_nothing_wrong(killed: dict[str, list[dict[str, object]]], change: str) -> None:
    """Killed at any step, it leaves the index before whole, and the next run completes and clears everything away."""
    *before, last = killed[change]
    assert [step for step in killed[change] if step["wrong"]] == []
    assert len(before) > 15
    assert all(step["killed"] for step in before)
    assert not last["killed"]


@pytest.mark.parametrize("room", [0, 30_000, 300_000])
def test_a_disk_that_fills_while_indexing_costs_nothing(tmp_path: Path, room: int) -> None:
    """The error is one line with the folder and a cure, what was indexed before is, and the next start goes on."""
    old, new = [made("oslo", 10)], [made("oslo", 10), made("lima", 1000)]
    built(old, tmp_path)
    with full_disk(after=room), pytest.raises(ConfigurationError) as raised:
        open_index(new, WordEmbedder(), tmp_path)
    assert re.fullmatch(
        rf"The (index at|folder) {tmp_path} cannot be .*: (make room there, or )?set ASSISTANT_DATA to another .*",
        str(raised.value),
    )
    assert built(old, tmp_path).embedded == 0
    with closing(open_index(new, WordEmbedder(), tmp_path)) as index:
        assert finds_itself(index, new)


def test_a_disk_without_room_is_not_begun_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is embedded the error says how much room is needed and how much there is."""
    usage = shutil.disk_usage(tmp_path)._replace(free=3_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    embedder = WordEmbedder()
    with pytest.raises(ConfigurationError, match=r"needs about \d+ MB, and .* has 3 MB: make room there"):
        open_index([made("oslo", 10)], embedder, tmp_path)
    assert embedder.embedded == []


def test_a_full_disk_stops_no_search(tmp_path: Path) -> None:
    """An open index needs no room: everything is found while nothing can be written."""
    articles = [made("oslo", 100), made("lima", 10)]
    with closing(open_index(articles, WordEmbedder(), tmp_path)) as index, full_disk(after=0):
        assert finds_itself(index, articles)


LAW_ABIDING = """
import ctypes, sys
# Root may write everywhere; without its capabilities it may do what permissions say.
ctypes.CDLL(None, use_errno=True).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
from assistant.cli import app
app(["index"])
"""


def test_a_folder_that_may_only_be_read_is_named(tmp_path: Path) -> None:
    """An index in a folder without write permission ends the command with exit code 2 and one line."""
    (tmp_path / "index").mkdir()
    (tmp_path / "index").chmod(0o555)
    result = child("-c", LAW_ABIDING, ASSISTANT_DATA=str(tmp_path))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: The folder {tmp_path}/index cannot be written (Permission denied): set ASSISTANT_DATA to another one\n"
    )


SENTENCE = "The bridge across the harbour was closed in March."
ODD = {
    "letter": b"x",
    "sentence": b"%s",
    "line": b" ".join(b"word%d" % number for number in range(3000)),
    "long": made("oslo", 200).text.encode(),
    "mark": b"\xef\xbb\xbf%s",
    "line ends": b"One.\r\n\r\nTwo.\r%s\x0b\x0cThree.",
    "direction": "\u202eabc\u202c \u05e9\u05dc\u05d5\u05dd. \u0645\u0631\u062d\u0628\u0627.\n\n%s".encode(),
    "joined": ("\U0001f469\u200d\U0001f52c" * 50 + " \u0065\u0301. %s").encode(),
    "hidden": "\u200b\U000e0041\U000e0042\ufeff%s\u00ad".encode(),
    "controls": b"\x1b[31m\x07\x7f. %s",
    "markup": b"<script>alert(1)</script> <img src=x onerror=alert(1)>.\n\n%s",
    "one line": b" ".join(b"Line %d goes on and on, and nobody has seen its end." % number for number in range(70))
    + b" %s",
}


def test_articles_of_every_size_and_with_odd_bytes_are_found(tmp_path: Path) -> None:
    """Each passage is found by its own words, and a sentence stands where it is told, whatever stands around it."""
    (folder := tmp_path / "articles").mkdir()
    for name, content in ODD.items():
        (folder / f"{name}.md").write_bytes(content.replace(b"%s", SENTENCE.encode()))
    (folder / "empty.txt").touch()
    corpus, embedder = read_corpus(folder), WordEmbedder()
    assert [problem.file for problem in corpus.problems] == ["empty.txt"]
    with closing(open_index(corpus.articles, embedder, tmp_path / "data")) as index:
        for passage in (passage for article in corpus.articles for passage in passages(article)):
            vector = np.array(embedder.embed_query(passage.text), dtype=np.float32)
            (best,) = index.nearest_of(vector, [passage.article], 1)
            (found,) = index.files.read([each for each in passages(passage.article) if each.id == best])
            assert found.vector @ vector == pytest.approx(1.0, abs=1e-3)
    held = {article.id for article in corpus.articles if SENTENCE in {each.text for each in sentences(article)}}
    assert held == {name.replace(" ", "-") for name, content in ODD.items() if b"%s" in content}
    assert len(corpus.articles) == len(ODD)


# Model


@pytest.mark.parametrize("fault", ["no TLS", "no such name"])
def test_a_model_server_that_cannot_be_reached_leaves_the_quotation(
    fault: str, article: Article, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that speaks no TLS and a name that nobody knows are told within the time, beside the quotation."""
    os.environ["OPENAI_API_KEY"] = "none"

    def nobody_knows(host: str | bytes | None, *_: object, **__: object) -> list[tuple[object, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is not known")

    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as plain:
        threading.Thread(target=plain.serve_forever, kwargs={"poll_interval": 0.01}).start()
        url = f"https://127.0.0.1:{plain.server_address[1]}/v1"
        if fault == "no such name":
            monkeypatch.setattr(socket, "getaddrinfo", nobody_knows)
            url = "http://model.test/v1"
        settings = Settings(model="openai:m", model_url=url, answer_seconds=3.0, data=tmp_path)
        with closing(assemble(article, settings)) as assistant:
            first, *_, final = assistant.stream(CRIME)
        plain.shutdown()
    assert (first.outcome, final.final) == (Outcome.QUOTED, True)
    assert_quoted(final, Fault.CONNECTION)
    assert final.timings.total_ms < 3000


# Process, readers and machine


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, article: Article, real_embedder: SentenceEmbedder) -> Path:
    """Return a data folder that the servers have one after the other, so that no article is embedded again."""
    data = tmp_path_factory.mktemp("data")
    open_index([article], real_embedder, data / "index").close()
    (data / "articles").mkdir()
    shutil.copy(PROJECT / "corpus" / "articles" / "2018-10-18-philadelphia-ice.md", data / "articles")
    (data / "articles" / "broken.txt").touch()
    return data


@contextmanager
def served(data: Path, model_url: str, log: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the real program in a process of its own and yield it with its address, when all is loaded."""
    port = free_port()
    environment = {
        "ASSISTANT_ARTICLES": str(data / "articles"),
        "ASSISTANT_DATA": str(data),
        "ASSISTANT_PORT": str(port),
        "ASSISTANT_MODEL": "openai:m",
        "ASSISTANT_MODEL_URL": model_url,
        "ASSISTANT_CHECK": "none",
        "ASSISTANT_ANSWER_SECONDS": "3",
        "OPENAI_API_KEY": "none",
    }
    program = [sys.executable, str(PROJECT / "app.py")]
    settings = os.environ | environment
    with (
        log.open("w") as errors,
        subprocess.Popen(program, env=settings, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout
            address = f"http://127.0.0.1:{port}"
            assert process.stdout.readline() == f"The article assistant is at {address}\n"
            assert httpx.get(f"{address}/healthz").text == "ok"
            with httpx.Client(base_url=address, timeout=30) as client:
                while not client.get("/readyz").is_success:
                    time.sleep(0.1)
            yield process, address
        finally:
            process.kill()


def asked(address: str, question: str = CRIME) -> httpx.Response:
    """Ask about the article that ships."""
    return httpx.post(f"{address}/api/ask", json={"question": question}, timeout=30)


@contextmanager
def asked_meanwhile(address: str, endpoint: faulty_endpoint.Endpoint) -> Iterator[list[httpx.Response | Exception]]:
    """Ask in a thread, and go on when the model is at work; afterwards what came of it is in the list."""
    came: list[httpx.Response | Exception] = []

    def ask() -> None:
        try:
            came.append(asked(address))
        except httpx.HTTPError as error:
            came.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    patience = time.monotonic() + 30
    while not (endpoint.bodies or came) and time.monotonic() < patience:
        time.sleep(0.02)
    yield came
    thread.join()


def assert_answered(response: httpx.Response | Exception) -> None:
    """Hold a response to an answer of the article with its citation."""
    assert isinstance(response, httpx.Response)
    assert response.status_code == 200
    assert response.json()["status"] in ("answered", "quoted", "declined")
    assert response.json()["citations"] or response.json()["closest"]


def test_a_killed_server_answers_again_and_one_told_to_stop_whoever_has_asked(data: Path, tmp_path: Path) -> None:
    """Killed while it answers it loses that answer alone, and is as before when it is started again.

    After SIGTERM whoever has asked gets the answer, nobody else does, and the process ends with exit code 0. Where its
    log is on a full device all of this is no different.
    """
    log = tmp_path / "log"
    with faulty_endpoint.running() as endpoint:
        endpoint.behaviour = "stalls"
        with served(data, endpoint.address, log) as (process, address):
            assert "Article assistant" in httpx.get(address).text
            told = {json.loads(line)["event"] for line in log.read_text().splitlines()}
            # On a machine that has much to do, the log says how far the start has come.
            assert told - {"starting"} == {"skipped broken.txt: it holds no text"}
            with asked_meanwhile(address, endpoint) as came:
                assert came == []
                process.kill()
        assert isinstance(came[0], httpx.HTTPError)
        with served(data, endpoint.address, Path("/dev/full")) as (process, address):
            for behaviour in ("answers", "500"):
                endpoint.behaviour = behaviour
                assert_answered(asked(address, f"{CRIME} ({behaviour})"))
            endpoint.behaviour = "stalls"
            endpoint.bodies.clear()
            with asked_meanwhile(address, endpoint) as came:
                assert came == []
                process.send_signal(signal.SIGTERM)
                time.sleep(0.5)
                with suppress(httpx.ConnectError):  # Its words, or its closed door.
                    assert asked(address).json()["status"] == "shutting_down"
            assert process.wait(timeout=30) == 0
        assert_answered(came[0])


_UNLOADABLE = """
from assistant.search import embedder


def load(folder):
    raise OSError("its file is gone")


embedder._load = load
from assistant.cli import app

app(["serve"])
"""


def test_an_embedding_model_that_cannot_be_loaded_ends_the_server(data: Path) -> None:
    """The page is there already, but a supervisor sees that the program has failed, and an operator why."""
    settings = {"ASSISTANT_DATA": str(data), "ASSISTANT_MODEL": "none", "ASSISTANT_PORT": str(free_port())}
    ended = child("-c", _UNLOADABLE, **settings)
    assert ended.returncode == 1
    assert ended.stdout.startswith("The article assistant is at ")
    assert "OSError: its file is gone" in ended.stderr


def test_a_clock_that_jumps_changes_no_answer(
    article: Article, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock set back or forward by years while the model writes neither ends the answer nor holds it up."""
    os.environ["OPENAI_API_KEY"] = "none"
    now = time.time()
    jumps = iter(range(10**9))
    with faulty_endpoint.running() as endpoint:
        settings = Settings(model="openai:m", model_url=endpoint.address, answer_seconds=60.0, data=tmp_path)
        with closing(assemble(article, settings)) as assistant:
            expected = assistant.ask(CRIME)
            monkeypatch.setattr(time, "time", lambda: now + (-1) ** next(jumps) * 10**9)
            answer = assistant.ask(CRIME)
    assert replace(answer, timings=expected.timings, why=expected.why) == expected
    assert answer.error is None
    assert 0 <= answer.timings.total_ms < 60_000


def test_feedback_that_finds_the_disk_full_is_not_thanked_for(tmp_path: Path) -> None:
    """The reader is told that it could not be saved, what was saved before can be read, and the next one is saved."""
    file = tmp_path / "feedback.sqlite3"
    report = Feedback(replace(WRITTEN, question="How?"), helpful=False)

    async def scenario(service: Service) -> list[str]:
        before = await service.give_feedback(report, client=STRANGER)
        with full_disk(after=0):
            meanwhile = await service.give_feedback(report, client=STRANGER)
        assert len(lines(file)) == 1
        return [before, meanwhile, await service.give_feedback(report, client=STRANGER)]

    assert run(ScriptedAssistant(), scenario, replace(OPEN, feedback=file)) == [THANKS, NOT_SAVED, THANKS]
    assert len(lines(file)) == 2
