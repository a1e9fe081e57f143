"""The benchmarks tell apart what readers meet at a real server, and measure what they say."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

from served import ARTICLE, OPEN, QUOTED, WRITTEN, ScriptedAssistant, running

from assistant.web.service import AT_ONCE_LOCAL, BUSY_SECONDS
from lab.benchmarks.readers import ANSWERED, TOLD_TO_WAIT, Asked, ask, form, new_tab, reader
from lab.processes import memory_bytes, own_memory_bytes

READERS = 6
"""More than are answered at once, and the one that may wait."""


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
    assistant, go_on = ScriptedAssistant(ARTICLE), threading.Event()
    questions = [f"How much has crime fallen? ({number})" for number in range(READERS)]
    assistant.script |= {question: [replace(QUOTED, final=False), go_on, WRITTEN] for question in questions}
    let_in = AT_ONCE_LOCAL + 1

    async def one(address: str, question: str) -> tuple[Asked, int]:
        async with reader(address) as client:
            return await ask(client, await form(client), new_tab(), question)

    async def all_at_once(address: str) -> list[tuple[Asked, int]]:
        readers = [asyncio.create_task(one(address, question)) for question in questions]
        async with asyncio.timeout(60):
            while sum(each.done() for each in readers) < READERS - let_in:  # noqa: ASYNC110 - of as many tasks
                await asyncio.sleep(0.02)
        go_on.set()
        return await asyncio.gather(*readers)

    with running(assistant, replace(OPEN, waiting=1)) as address:
        met = asyncio.run(all_at_once(address))
    assert Counter(asked.outcome for asked, _ in met) == {ANSWERED: let_in, TOLD_TO_WAIT: READERS - let_in}
    assert {seconds for asked, seconds in met if asked.outcome == TOLD_TO_WAIT} == {BUSY_SECONDS}
