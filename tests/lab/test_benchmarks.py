"""The benchmarks tell apart what readers meet at a real server, and measure what they say."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from assistant.articles.passages import passages
from assistant.types import Article
from lab.benchmarks import load
from lab.benchmarks.load import copies, scripted
from lab.benchmarks.readers import ANSWERED, TOLD_TO_WAIT, Asked, ask, form, reader
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
            return await ask(client, await form(client), f"tab{number}", f"How much has crime fallen? ({number})")

    async def all_at_once(address: str) -> list[tuple[Asked, int]]:
        return list(await asyncio.gather(*(one(address, number) for number in range(READERS))))

    with scripted(2.0, {"ASSISTANT_WAITING": "1"}) as server:
        met = asyncio.run(all_at_once(server.address))
    counts = Counter(asked.outcome for asked, _ in met)
    assert counts.keys() == {ANSWERED, TOLD_TO_WAIT}
    assert all(seconds > 1 for asked, seconds in met if asked.outcome == TOLD_TO_WAIT)


def test_who_asks_while_articles_are_indexed_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question has its answer meanwhile, and the next process finds every passage embedded."""
    monkeypatch.setattr(load, "QUIET_SECONDS", 2.0)
    figures = {figure.name: figure for figure in load.measure_indexing(4, 120, lambda *_: None).figures}
    assert [figure.line for figure in figures.values() if figure.missed] == []
    assert figures["passages embedded"].value > 60
    assert figures["while indexing: questions told to wait"].value == 0
    assert figures["while indexing: questions answered"].value >= 4


def test_copies_of_the_articles_have_as_many_passages_as_are_wanted(article: Article) -> None:
    """Each passage is another text, so that each must be embedded; the last copy is not one too many."""
    *most, last = ([passage.text for passage in passages(copy)] for copy in copies([article], 150))
    texts = [text for copy in (*most, last) for text in copy]
    assert len(set(texts)) == len(texts)
    assert len(texts) - len(last) < 150 <= len(texts)
