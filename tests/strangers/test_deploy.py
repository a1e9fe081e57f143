"""Beyond one machine: two processes behind a real nginx, with one Chroma server for both."""

import asyncio
import configparser
import json
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from processes import free_port, start, stop, wait_until_answers
from stack import NGINX, PORTS, Stack, stack
from visitors import ANSWERED, Crowd, crowd, new_tab, reader

from assistant.settings import PROJECT, Settings
from assistant.types import Article

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light")
SCRIPTED = [sys.executable, "tests/scripted_model.py", "--seconds=1"]
CRIME = "How much has violent crime fallen?"
ASKED_ABOUT = ("violent crime", "Caleb Arnold", "mayor", "weigh")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, article: Article) -> Iterator[Stack]:
    """Run everything over what the readers ask about, with a model that always says the same."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "articles").mkdir()
    # Until the embedding model is loaded, keywords alone find something.
    about = [part for part in article.text.split("\n\n") if any(word in part for word in ASKED_ABOUT)]
    (folder / "articles" / "crime.md").write_text("\n\n".join(about), encoding="utf-8")
    # The machine may be busy.
    settings = {"ASSISTANT_ARTICLES": str(folder / "articles"), "ASSISTANT_ANSWER_SECONDS": "300"}
    address = f"http://127.0.0.1:{free_port()}"
    model = start([*SCRIPTED, f"--port={address.rpartition(':')[2]}"], address, folder / "model.log")
    settings |= {"ASSISTANT_MODEL": "openai:local", "ASSISTANT_MODEL_URL": f"{address}/v1"}
    settings |= {"ASSISTANT_CHECK": "none", "OPENAI_API_KEY": "none"}
    try:
        wait_until_answers(model, "/health")
        with stack(folder, settings=settings) as running:
            yield running
    finally:
        stop(model)


def lines(running: Stack) -> dict[str, list[dict[str, object]]]:
    """Return what each process has logged of questions, by its address."""
    found = {}
    for process in running.processes:
        logged = process.running.log.read_text().splitlines()
        entries = [json.loads(line) for line in logged if line.startswith("{")]
        found[process.running.address] = [entry for entry in entries if entry["event"] == "question"]
    return found


async def visit(address: str, questions: int) -> list[str]:
    """Let a reader open the page and ask so many questions in one tab; return how they ended."""
    async with reader(address) as someone:
        await someone.open_page()
        tab = new_tab()
        return [(await someone.ask(tab, f"{CRIME} ({tab} {number})")).outcome for number in range(questions)]


@needs_nginx
@pytest.mark.timeout(600)
def test_a_reader_stays_with_one_process(running: Stack) -> None:
    """All questions of a tab reach the process that holds its conversation; many readers are spread over both."""

    async def everybody() -> list[list[str]]:
        return await asyncio.gather(*(visit(running.address, 3) for _ in range(10)))

    before = lines(running)
    outcomes = asyncio.run(everybody())
    assert outcomes == [[ANSWERED] * 3] * 10
    new = {process: entries[len(before[process]) :] for process, entries in lines(running).items()}
    # What leans on one turn and on two was answered where the first was.
    for entries in new.values():
        turns = [entry["turns"] for entry in entries]
        assert turns.count(0) == turns.count(1) == turns.count(2) > 0


@needs_nginx
@pytest.mark.timeout(600)
def test_programs_are_answered_by_both(running: Stack) -> None:
    """Without a cookie each question may go to another process; the interface is the same, and so is the index."""
    before = lines(running)
    for number in range(12):
        body = httpx.post(f"{running.address}/api/ask", json={"question": f"{CRIME} ({number})"}, timeout=60).json()
        assert body["status"] in ("answered", "quoted")
        if all(len(entries) > len(before[process]) for process, entries in lines(running).items()):
            break
    else:
        pytest.fail("one of the processes was never asked")
    assert httpx.get(f"{running.address}/metrics").status_code == 404
    # The articles were embedded once, into the shared server.
    assert not list(running.logs.glob("*/index/parts/*"))
    assert (running.logs / "chroma" / "chroma.sqlite3").stat().st_size > 100_000


@needs_nginx
@pytest.mark.timeout(900)
def test_a_rolling_restart_loses_no_question(running: Stack) -> None:
    """While readers ask, and programs too, both processes are restarted: every question is answered."""
    over = threading.Event()
    met: list[Crowd] = []
    statuses: list[int] = []

    def programs() -> None:
        number = 0
        with httpx.Client(base_url=running.address, timeout=60) as client:
            while not over.wait(0.2):  # What it takes, those who start do not have.
                number += 1
                statuses.append(client.post("/api/ask", json={"question": f"{CRIME} (p{number})"}).status_code)

    threads = [
        threading.Thread(target=lambda: met.append(asyncio.run(crowd(running.address, 4, 300.0, over.is_set)))),
        threading.Thread(target=programs),
    ]
    processes = [process.running.process.pid for process in running.processes]
    for thread in threads:
        thread.start()
    try:
        running.restart()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not set(processes) & {process.running.process.pid for process in running.processes}
    (readers,) = met
    assert readers.broken_pages == []
    assert [asked for asked in readers.asked if asked.outcome != ANSWERED] == []
    assert len(readers.asked) > 8
    assert set(statuses) == {200}
    assert [each for each in running.processes if "Traceback" in each.running.log.read_text()] == []


def test_the_units_set_what_there_is_to_set() -> None:
    """Each unit starts a file or a module of this project, and names only settings that exist."""
    units = sorted((PROJECT / "deploy" / "systemd").glob("*.service"))
    assert len(units) == 2
    for unit in units:
        parsed = configparser.RawConfigParser(strict=False)
        parsed.optionxform = str  # type: ignore[assignment, method-assign]
        parsed.read(unit)
        command = parsed["Service"]["ExecStart"].split()
        assert command[1] in ("-m", "run") or (PROJECT / command[1]).is_file()
        pairs = re.findall(r"^Environment=(ASSISTANT_\w+)=(.*)$", unit.read_text(), flags=re.MULTILINE)
        Settings.from_environment({name: value.replace("%i", PORTS[0]) for name, value in pairs})
    assert "KillMode=mixed" in (PROJECT / "deploy" / "systemd" / "assistant@.service").read_text()


def test_a_publisher_that_is_told_to_stop_ends_its_assistant(tmp_path: Path) -> None:
    """SIGTERM, as a supervisor sends it, leaves no process behind."""
    ports = free_port(), free_port()
    script = f"import publisher; publisher.SITE = 'http://localhost:{ports[0]}'; publisher.main()"
    settings = {"ASSISTANT_MODEL": "none", "ASSISTANT_PORT": str(ports[1]), "PYTHONPATH": "deploy"}
    running = start([sys.executable, "-c", script], f"http://127.0.0.1:{ports[1]}", tmp_path / "log", settings)
    try:
        wait_until_answers(running)
        (assistant,) = psutil.Process(running.process.pid).children()
        assert httpx.get(f"http://127.0.0.1:{ports[0]}").status_code == 200
    finally:
        stop(running)
    gone, _ = psutil.wait_procs([assistant], timeout=0)
    assert (running.process.returncode, gone) == (0, [assistant])


def test_without_nginx_the_stack_says_what_to_install(tmp_path: Path) -> None:
    """One line names the package, before anything is started."""
    with pytest.raises(Exception, match="apt-get install nginx-light"), stack(tmp_path, nginx=None):
        pass
    assert list(tmp_path.iterdir()) == []
