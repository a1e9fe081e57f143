"""What the benchmarks' readers meet at a real server is told apart."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import WordEmbedder

from assistant.articles.passages import passages
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import Question
from assistant.evaluation.squad import read_squad
from assistant.types import Article
from lab.benchmarks import indexing, load, tutorial
from lab.benchmarks.load import _together, scripted
from lab.benchmarks.readers import ANSWERED, TOLD_TO_WAIT, Asked, ask, form, reader
from lab.benchmarks.scale import Plan, dealt_anew, filled, is_among, prepared, tutorial_asked
from lab.processes import memory_bytes, own_memory_bytes

READERS = 14
"""More than the eight questions that a provider is asked at once, and the one that may wait."""


def test_own_memory_grows_by_what_a_process_keeps_and_not_by_files(tmp_path: Path) -> None:
    """Forty megabytes of its own count, as many of a file that it maps and reads do not."""
    size = 40_000_000
    file = tmp_path / "library"
    file.write_bytes(bytes(size))
    steps = f"""
import mmap, sys
say = lambda: (print(flush=True), sys.stdin.readline())
say()
with open({str(file)!r}, "rb") as opened:
    mapped = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)
    sum(mapped[at] for at in range(0, {size}, 4096))
    say()
kept = bytearray(b"x") * {size}
say()
"""
    command = [sys.executable, "-c", steps]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        held = []
        for _ in range(3):
            process.stdout.readline()
            held.append((memory_bytes([process.pid]), own_memory_bytes([process.pid])))
            process.stdin.write(b"\n")
            process.stdin.flush()
    (_, own), (with_file, own_with_file), (_, own_with_more) = held
    assert with_file > size
    assert own_with_file < own + size / 4
    assert own_with_more > own + size


def test_a_reader_who_finds_the_line_full_is_told_to_wait_and_not_lost() -> None:
    """Who is let in is answered; the others count as told to wait, with the seconds that the page names."""

    async def one(address: str, number: int) -> tuple[Asked, int]:
        async with reader(address) as client:
            return await ask(
                client, await form(client), f"tab{number}", f"How much has violent crime fallen? ({number})"
            )

    async def all_at_once(address: str) -> list[tuple[Asked, int]]:
        return list(await asyncio.gather(*(one(address, number) for number in range(READERS))))

    with scripted(2.0, {"ASSISTANT_WAITING": "1"}) as server:
        met = asyncio.run(all_at_once(server.address))
    counts = Counter(asked.outcome for asked, _ in met)
    assert counts.keys() == {ANSWERED, TOLD_TO_WAIT}
    assert all(seconds > 1 for asked, seconds in met if asked.outcome == TOLD_TO_WAIT)


def test_readers_who_share_a_list_ask_each_question_once() -> None:
    """Whoever has an answer takes the next one, so that nobody is left alone with many."""
    words = [f"How much has violent crime fallen? ({number})" for number in range(5)]
    with scripted(0.2) as server:
        met, speed = asyncio.run(_together(server.address, 2, words))
    assert [asked.outcome for asked in met] == [ANSWERED] * len(words)
    # The model takes 0.2 s for a draft.
    assert 0 < speed < 2 / 0.2


def test_a_machine_that_grows_faster_does_so_for_one_reader_and_for_four(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take turns, one, four, four, one, each time at a server that remembers no answer."""
    servers = itertools.count(1)
    turns: list[tuple[str, int]] = []

    @contextmanager
    def another() -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(address=f"server {next(servers)}", process=SimpleNamespace(pid=os.getpid()))

    async def each_faster_than_the_last(address: str, readers: int, _: Sequence[str]) -> tuple[list[Asked], float]:
        turns.append((address, readers))
        return [], float(len(turns))

    monkeypatch.setattr(load, "_packaged", another)
    monkeypatch.setattr(load, "_together", each_faster_than_the_last)
    _, speeds, memory = load._in_turns([], lambda *_: None)
    assert turns == [("server 1", 1), ("server 2", load.AT_ONCE), ("server 3", load.AT_ONCE), ("server 4", 1)]
    assert speeds[1] == speeds[load.AT_ONCE]
    assert memory > 0


def test_four_readers_who_ask_once_are_no_measure(tmp_path: Path) -> None:
    """How fast they are is told from their first answer on, so each needs another question."""
    with pytest.raises(ConfigurationError, match="take --each 2 or more"):
        load.measure_packaged([Question(str(number), "How many?") for number in range(4)], 1, tmp_path, lambda *_: None)


def test_who_asks_while_articles_are_indexed_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question has its answer meanwhile, and the next process finds every passage embedded."""
    monkeypatch.setattr(indexing, "QUIET_SECONDS", 2.0)
    monkeypatch.setattr(indexing, "end_with_us", lambda: None)
    figures = {figure.name: figure for figure in indexing.measure_indexing(4, 120, tmp_path, lambda *_: None)}
    assert [figure.line for figure in figures.values() if figure.missed] == []
    assert figures["passages embedded"].value > 60
    assert figures["while articles are indexed: questions answered"].value >= 4


def test_an_article_that_was_made_has_the_sentences_of_a_real_one_where_it_says(article: Article) -> None:
    """Each is there once, in another order, and with other words it has the same place."""
    text, starts, dealt = dealt_anew(article, 1)
    assert [text[start : start + len(sentence.text)] for start, sentence in zip(starts, dealt, strict=True)] == [
        sentence.text for sentence in dealt
    ]
    in_passages = [sentence for passage in passages(article) for sentence in passage.sentences]
    assert dealt != in_passages
    assert sorted(dealt, key=lambda sentence: sentence.start) == in_passages
    made = list(filled([article], 100))[1]
    assert made.text != text
    assert re.sub(r"\w", "x", made.text) == re.sub(r"\w", "x", text)


def test_a_corpus_is_filled_up_to_the_passages_that_are_wanted(article: Article) -> None:
    """It begins with the real articles; no two are the same, and the last is not one too many."""
    articles = list(filled([article], 150))
    assert articles[0] == article
    assert len({made.text for made in articles}) == len({made.id for made in articles}) == len(articles)
    sizes = [len(passages(made)) for made in articles]
    assert sum(sizes[:-1]) < 150 <= sum(sizes)


def test_the_tutorial_keeps_what_it_is_given_apart(
    article: Article, tmp_path: Path, word_embedder: WordEmbedder
) -> None:
    """Its pieces have at most 1,000 characters and name their article; no collection has a piece of another."""
    pieces = tutorial.chunks([article])
    assert {piece.metadata["article"] for piece in pieces} == {article.id}
    assert max(len(piece.page_content) for piece in pieces) <= 1000
    for folder in ("one", "other"):
        stored = tutorial.store(pieces, word_embedder, tutorial.client(tmp_path / folder))
        assert len(stored.get()["ids"]) == len(pieces)
    found = tutorial.retriever(stored).invoke("How much has violent crime fallen?")
    assert len(found) == len({piece.page_content for piece in found}) == 4


def test_the_tutorial_searches_as_many_articles(tmp_path: Path, weights_folder: Path) -> None:
    """It gets the articles that were made too, and is asked what the file answers."""
    paragraphs = [
        ("The bridge over the Ohm was opened in 1911.", "When was the bridge opened?", "1911"),
        ("Ada Lind has led the school since May.", "Who leads the school?", "Ada Lind"),
    ]
    rows = [
        {"title": title, "paragraphs": [{"context": context, "qas": [_row(title, question, answer, context)]}]}
        for title, (context, question, answer) in zip(("Bridge", "School"), paragraphs, strict=True)
    ]
    file = tmp_path / "squad.json"
    file.write_text(json.dumps({"version": "1.1", "data": rows}))
    originals, _ = read_squad(file, file.read_text())
    plan, _ = prepared(Plan(file, 8, weights_folder, tmp_path, 0.0), originals, lambda *_: None)
    asked = tutorial_asked(plan)
    assert (asked.pieces, len(asked.query), asked.found) == (8, 2, 1.0)


def test_an_answer_is_among_texts_of_its_article_that_have_its_words() -> None:
    """A made article is its original's, and the same words of another article are no answer."""
    words = (("1911", "the year 1911"),)
    asked = Question("q", "When was the bridge opened?", answerable=True, must_have=words, article="001-bridge")
    opened, closed = "It was opened in 1911.", "It was closed in 1950."
    assert is_among(asked, [("002-school", closed), ("001-bridge", opened)])
    assert is_among(asked, [("001-bridge+7", opened)])
    assert not is_among(asked, [("002-school", opened), ("001-bridge", closed)])
    assert not is_among(asked, [])


def _row(title: str, question: str, answer: str, context: str) -> dict[str, object]:
    return {
        "id": title,
        "question": question,
        "answers": [{"text": answer, "answer_start": context.index(answer)}],
    }
