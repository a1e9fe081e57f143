"""The articles change while readers ask: what is answered, shown and kept from then on."""

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import numpy as np
import pytest
from conftest import WordEmbedder
from served import CITATION, DECLINED, FERRY, OPEN, QUOTED, WRITTEN, ScriptedAssistant, in_a_loop, serving
from visitors import JOIN, reader

from assistant.answering.assistant import Assistant
from assistant.articles import watching
from assistant.articles.reading import read_corpus, read_file
from assistant.model.holder import ModelHolder
from assistant.search import collection
from assistant.search.index import open_index
from assistant.search.retrieval import Retriever
from assistant.types import Answer, Article, Status
from assistant.web.chat.exchanges import GONE, Conversation, Exchange
from assistant.web.chat.page import Page
from assistant.web.chat.starters import Starter
from assistant.web.following import following, renew
from assistant.web.service import Service

BRIDGE, SECRET = "The bridge over the river is closed for repairs", "The mayor resigned over the harbour affair"


def write(folder: Path, name: str, text: str) -> None:
    """Write an article as a program should: whole or not at all."""
    (folder / ".new").write_text(f"---\ntitle: The {name}\n---\n{text}")
    (folder / ".new").replace(folder / f"{name}.md")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of two articles."""
    folder = tmp_path / "articles"
    folder.mkdir()
    write(folder, "bridge", f"{BRIDGE}.")
    write(folder, "mayor", f"{SECRET}.")
    return folder


@pytest.fixture
def assistant(folder: Path, word_embedder: WordEmbedder) -> Iterator[Assistant]:
    """Yield a real assistant without a language model."""
    corpus = read_corpus(folder)
    opened = open_index(corpus.articles, word_embedder, folder.parent / "index")
    holder = ModelHolder(replace(OPEN, articles=folder), corpus.articles, lambda *_: None)
    assistant = Assistant(corpus, Retriever(corpus.articles, opened, word_embedder), opened, holder, 5.0)
    yield assistant
    assistant.close()


def words(answer: Answer) -> str:
    """Return all of the articles that an answer shows."""
    return " ".join(citation.quote for citation in (*answer.citations, *answer.closest))


def test_an_answer_is_of_the_articles_as_they_are(assistant: Assistant, folder: Path) -> None:
    """What is new or changed is answered from, by keyword and by vector; what is gone is in no answer and no index."""
    assert SECRET in words(assistant.ask("Who resigned over the harbour affair?"))
    write(folder, "bridge", "The bridge over the river is open again.")
    write(folder, "school", "The school on the hill has a new roof.")
    (folder / "mayor.md").unlink()
    assistant.renew(read_corpus(folder))
    assert "open again" in words(assistant.ask("Is the bridge over the river closed?"))
    assert "new roof" in words(assistant.ask("What does the school on the hill have?"))
    assert SECRET not in words(assistant.ask("Who resigned over the harbour affair?"))
    assert assistant.index is not None
    versions = {article.version for article in assistant.corpus.articles}
    found = assistant.index.nearest(np.ones(512, dtype=np.float32), 100)
    assert {name.partition("@")[2].partition(":")[0] for name in found} == versions


def test_an_answer_that_rests_on_what_is_gone_is_begun_again(assistant: Assistant, folder: Path) -> None:
    """The question is not lost, and its answer shows nothing of the article."""
    answers = assistant.stream("Who resigned over the harbour affair?")
    assert SECRET in words(next(answers))
    (folder / "mayor.md").unlink()
    assistant.renew(read_corpus(folder))
    rest = list(answers)
    assert rest[-1].final
    assert SECRET not in "".join(words(answer) + answer.text for answer in rest)


def test_the_server_follows_the_folder(assistant: Assistant, folder: Path) -> None:
    """Answers, pages, links and the page of the chat show within 5 s what is there, and nothing of what is gone."""
    settings = replace(OPEN, articles=folder)
    with socket.create_server(("127.0.0.1", 0)) as listener, serving(assistant, settings, listener) as server:
        service: Service = server._service
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with following(service), httpx.Client(base_url=address, timeout=30.0) as client:

            def shown() -> str:
                asked = client.post("/api/ask", json={"question": "Who resigned over the harbour affair?"})
                pages = (client.get(path).text for path in ("/", "/articles", "/article/mayor", "/config"))
                return " ".join((asked.text, *pages))

            assert shown().count(SECRET) >= 2
            write(folder, "mayor", f"{SECRET}. It was a Monday.")
            until(lambda: "Monday" in client.get("/article/mayor").text)
            link = client.get("/article/mayor?start=0&end=9&version=0000000000000000").text
            assert "has changed since" in link
            assert "<mark" not in link
            write(folder, "mayor", "Nothing more.")
            (folder / "mayor.md").write_text(f"---\nwithdrawn: true\n---\n{SECRET}.")
            until(lambda: client.get("/article/mayor").status_code == 404)
            assert SECRET not in shown()
            until(lambda: "The mayor" not in shown())
            assert BRIDGE in client.get("/").text
            (folder / "2026").mkdir()
            write(folder / "2026", "school", "The school on the hill has a new roof.")
            until(lambda: "new roof" in client.get("/article/2026-school").text)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows an order of the threads of a program")
def test_readers_come_before_what_is_new(folder: Path) -> None:
    """What is new is read less urgently than readers are answered."""
    urgencies: list[int] = []

    def urgency() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def read(path: Path, folder: Path | None) -> tuple[Article, tuple[str, ...]]:
        urgencies.append(urgency())
        return read_file(path, folder)

    assistant = SimpleNamespace(corpus=read_corpus(folder), read_file=read, missing=0)
    with following(cast("Service", SimpleNamespace(assistant=assistant, settings=replace(OPEN, articles=folder)))):
        until(lambda: len(urgencies) == 2)
    assert {*urgencies} == {min(urgency() + 5, 19)}


def test_what_the_picker_shows_now_can_be_asked(assistant: Assistant, folder: Path) -> None:
    """A page that was loaded again may choose an article that is new; one that is gone is refused."""
    settings = replace(OPEN, articles=folder)
    with socket.create_server(("127.0.0.1", 0)) as listener, serving(assistant, settings, listener) as server:
        write(folder, "school", "The school on the hill has a new roof.")
        (folder / "mayor.md").unlink()
        renew(server._service, read_corpus(folder))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"

        async def visit() -> list[int]:
            statuses = []
            async with reader(address) as someone:
                for article in ("school", "bridge", "mayor"):
                    call = someone.call(article, "What has a roof?")
                    call["data"][1] = article
                    async with someone.client.post(JOIN, json=call, raise_for_status=False) as answer:
                        statuses.append(answer.status)
            return statuses

        assert asyncio.run(visit()) == [200, 200, 422]


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, 5 seconds at most."""
    deadline = time.monotonic() + 5.0
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_open_page_gets_the_articles_once_when_they_change() -> None:
    """With the next question; those that follow leave alone what the reader has opened, and so does a later page."""
    assistant = ScriptedAssistant(FERRY)
    assistant.script["When?"] = [DECLINED]

    async def scenario() -> list[int]:
        page = Page(Service(assistant, OPEN))

        def of(tab: str) -> Any:  # noqa: ANN401 - as much of Gradio's request as is looked at
            return SimpleNamespace(session_hash=tab, client=None, query_params={})

        async def sent(tab: str) -> int:
            return sum([page._parts.picker in update async for update in page._ask("When?", "", "", "", of(tab))])

        await anext(page._greet(of("early")))
        counts = [await sent("early")]
        page.renew()
        await anext(page._greet(of("late")))
        counts += [await sent("early"), await sent("early"), await sent("late")]
        page.renew()
        return [*counts, await sent("late"), await sent("late")]

    assert in_a_loop(scenario) == [0, 1, 0, 0, 1, 0]


def test_a_conversation_forgets_what_is_gone() -> None:
    """The question stays, the answer and what the next question could lean on go; others are left alone."""
    other = Exchange(2, "And now?", answer=replace(QUOTED, parts=()), follow_ups=(Starter("Who?", "b", 0, 9),))
    told = replace(QUOTED, parts=(), records=(FERRY,))
    conversation = Conversation((Exchange(1, "What?", answer=WRITTEN), other, Exchange(3, "Its title?", answer=told)))
    assert conversation.without_gone({CITATION.article.id, FERRY.id, "b"}) == conversation
    cleaned = conversation.without_gone(set())
    assert [(each.question, each.notice, each.turn is None) for each in cleaned.exchanges] == [
        ("What?", GONE, True),
        ("And now?", "", False),
        ("Its title?", GONE, True),
    ]
    assert not any(each.follow_ups for each in cleaned.exchanges)
    assert Exchange(1, "?", FERRY).without_gone(set()).article is None


def test_an_index_that_cannot_follow_is_behind_and_no_more(
    assistant: Assistant, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is gone is in no answer, what is new is found by its words, and it is renewed again, which mends it."""
    write(folder, "school", "The school on the hill has a new roof.")
    (folder / "mayor.md").unlink()
    corpus = read_corpus(folder)
    service = Service(assistant, replace(OPEN, articles=folder))
    with monkeypatch.context() as broken:
        broken.setattr(collection, "add", failing)
        assert not renew(service, corpus)
    assert SECRET not in words(assistant.ask("Who resigned over the harbour affair?"))
    assert "new roof" in words(assistant.ask("What does the school on the hill have?"))
    assert renew(service, corpus)
    assert assistant.index is not None
    versions = {article.version for article in corpus.articles}
    found = assistant.index.nearest(np.ones(512, dtype=np.float32), 100)
    assert {name.partition("@")[2].partition(":")[0] for name in found} == versions


def test_a_renewal_that_fails_is_tried_again(
    assistant: Assistant, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps no other from being done, and is done as soon as it can be, although nothing changes any more."""
    monkeypatch.setattr(watching, "_AGAIN_SECONDS", 0.2)
    service = Service(assistant, replace(OPEN, articles=folder))
    shown: list[int] = []
    can_fail = [True]

    def renew() -> None:
        if can_fail:
            failing()
        shown.append(len(service.articles))

    others: list[int] = []
    service.renewals += [renew, lambda: others.append(len(service.articles))]
    with following(service):
        (folder / "mayor.md").unlink()
        until(lambda: others != [])
        assert shown == []
        can_fail.clear()
        until(lambda: shown == [1])
        time.sleep(0.5)
    assert shown == [1]


def test_the_end_does_not_wait_for_a_renewal(assistant: Assistant, folder: Path) -> None:
    """To embed what is new takes minutes; who is told to stop stops."""
    service = Service(assistant, replace(OPEN, articles=folder))
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def renew() -> None:
        begun.set()
        go_on.wait(60)
        ended.set()

    service.renewals.append(renew)
    try:
        with following(service):
            (folder / "mayor.md").unlink()
            assert begun.wait(30)
            left = time.monotonic()
        assert time.monotonic() - left < 10
        assert not ended.is_set()
    finally:
        go_on.set()
        assert ended.wait(30)


def failing(*_: object) -> None:
    """Fail as a full disk does."""
    raise OSError("no room")


def test_no_question_is_lost_while_the_articles_change(assistant: Assistant, folder: Path) -> None:
    """Each answer is of one version, whole, while others take its place; the last is of the last."""
    question = "Is the bridge over the river closed?"

    def change() -> None:
        for number in range(10):
            write(folder, "bridge", f"The bridge over the river is closed for {number} weeks.")
            assistant.renew(read_corpus(folder))

    changing = threading.Thread(target=change)
    changing.start()
    answers = [assistant.ask(question)]
    while changing.is_alive():
        answers.append(assistant.ask(question))
    changing.join()
    answers.append(assistant.ask(question))
    assert {answer.status for answer in answers} <= {Status.QUOTED, Status.DECLINED}
    assert all(answer.error is None for answer in answers)
    for answer in answers:
        cited = (*answer.citations, *answer.closest)
        assert len({each.article.version for each in cited if each.article.id == "bridge"}) <= 1
    assert "9 weeks" in words(answers[-1])
