"""The editors' rules hold, or nothing is answered: whatever becomes of the file that they stand in."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import told
from served import ARTICLE, FERRY, OPEN, WRITTEN, ScriptedAssistant, in_a_loop
from test_weights import full_disk

from assistant.errors import ConfigurationError
from assistant.settings import Settings
from assistant.types import Answer, Citation, Outcome
from assistant.web.service import UNKNOWN_RULES, Client, Event, Service
from assistant.web.storage import rules
from assistant.web.storage.desk_file import Act, Asked, Do, acts, copy_of, do, file_of, keep
from assistant.web.storage.rules import Rulebook, same

WORDS = "We are looking into it."
OFF = Act(Do.OFF, "a-story", WORDS)
LEAVES = Answer("", Outcome.WRITTEN, told("At nine. [1]", (Citation(1, FERRY, 0, 25),)))
EITHER = replace(WRITTEN, parts=told("So it is. [1] At nine. [2]", (*WRITTEN.citations, Citation(2, FERRY, 0, 25))))
ASKED = [("Who fell?", "a-story"), ("Who fell?", None), ("When?", "ferry"), ("Both?", None), ("When?", None)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings with a desk, whose file lies elsewhere than what can be rebuilt."""
    return replace(OPEN, data=tmp_path / "data", feedback=tmp_path / "kept" / "feedback.sqlite3", keep_questions=7)


@pytest.fixture
def assistant() -> ScriptedAssistant:
    """Return an assistant with two articles, of which one will be off."""
    assistant = ScriptedAssistant(ARTICLE, FERRY)
    assistant.script |= {"Who fell?": [WRITTEN], "When?": [LEAVES], "Both?": [EITHER]}
    return assistant


async def ends(service: Service, question: str, article: str | None) -> Event:
    """Return how a question ended; nothing that it showed on the way is of the article that is off."""
    async for event in service.answers(question, (), article, client=Client("127.0.0.1", "api", "x")):
        assert not (isinstance(event, Answer) and ARTICLE in event.articles), "answered from an article that is off"
    return event


async def readers(service: Service) -> list[str]:
    """Let four readers ask everything at once, and return how it ended for each question."""
    told = [await asyncio.gather(*(ends(service, *asked) for _ in range(4))) for asked in ASKED]
    return [
        ",".join({str(getattr(each, "reason", "") or getattr(each, "status", "")) for each in four}) for four in told
    ]


HELD = ["switched_off", "switched_off", "answered", "switched_off", "answered"]


FAULTS = ("missing", "unmounted", "damaged", "emptied", "begun anew", "locked", "full")


@contextmanager
def faulty(file: Path, fault: str) -> Iterator[None]:
    """Let this become of the desk's file: another process has it or began it anew, the disk is full or not there."""
    match fault:
        case "missing":
            file.unlink()
        case "unmounted":
            shutil.rmtree(file.parent)
        case "damaged":
            file.write_bytes(b"garbage" * 2000)
        case "emptied":
            file.write_bytes(b"")
        case "begun anew":
            file.unlink()
            keep(file, Asked("Why?", "ferry", "declined"))
    if fault == "full":
        with full_disk(file.stat().st_size):
            yield
    elif fault == "locked":
        with closing(sqlite3.connect(file)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
    else:
        yield


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_off_stays_off_whatever_becomes_of_the_file(
    assistant: ScriptedAssistant, settings: Settings, fault: str
) -> None:
    """Four readers ask before, while and after it goes, and after a restart: none is answered from that article.

    What is on is answered all the time.
    """
    file = file_of(settings)

    async def scenario() -> None:
        service = Service(assistant, settings)
        await asyncio.to_thread(service.rulebook.do, OFF)
        asking = asyncio.create_task(readers(service))
        await asyncio.sleep(0.01)
        with faulty(file, fault):
            assert await asking == HELD
            assert await readers(service) == HELD
            assert await readers(Service(assistant, settings)) == HELD

    in_a_loop(scenario)


@pytest.mark.parametrize("fault", ["damaged", "locked"])
def test_where_no_rule_is_known_nothing_is_answered(
    assistant: ScriptedAssistant, settings: Settings, fault: str
) -> None:
    """A process that was started beside a file that cannot be read, and has no copy, says that it cannot answer."""
    do(file_of(settings), OFF)

    async def scenario() -> None:
        service = Service(assistant, settings)
        assert await readers(service) == ["failed"] * len(ASKED)
        assert await service.switched_off("ferry") == UNKNOWN_RULES

    with faulty(file_of(settings), fault):
        in_a_loop(scenario)


@given(st.lists(st.sampled_from(["Who", "fell", "Ärger", "3", "café"]), min_size=1), st.randoms(use_true_random=False))
def test_a_question_is_the_same_in_other_capitals_punctuation_and_spaces(words: list[str], chance: Random) -> None:
    """And is another one in other words, in another order, or without its accents; the desk says so beside the form."""
    between = [chance.choice([" ", "  ", ", ", " – ", "\n", "? "]) for _ in words]
    spelt = "".join(chance.choice([str.upper, str.lower])(word) + gap for word, gap in zip(words, between, strict=True))
    question = " ".join(words)
    assert same(f"“{spelt}!") == same(question)
    for other in (f"{question} not", " ".join(reversed(words)), question.replace("é", "e")):
        assert (same(other) == same(question)) == (other == question)


def test_a_desk_at_which_nothing_was_done_holds_nothing_up(assistant: ScriptedAssistant, settings: Settings) -> None:
    """Neither without a file nor with one that a full disk has kept from being written."""
    file = file_of(settings)

    async def scenario() -> None:
        service = Service(assistant, replace(settings, keep_questions=0))
        for _ in range(2):
            assert isinstance(await ends(service, "When?", "ferry"), Answer)
            with full_disk(0):
                keep(file, Asked("When?", "ferry", "answered"))
        assert file.stat().st_size == 0
        assert service.rulebook.problem == ""

    in_a_loop(scenario)
    assert not copy_of(settings).exists()


def known(settings: Settings) -> Rulebook:
    """Return a rulebook that knows of two acts, and the file of the first alone as `backup`."""
    book = Rulebook(file_of(settings), copy_of(settings))
    book.do(OFF)
    shutil.copy(book.file, book.file.with_name("backup"))
    book.do(Act(Do.OFF, "ferry", WORDS))
    return book


@pytest.mark.parametrize("returning", ["the file", "its copy"])
def test_the_file_counts_again_when_it_is_back(
    settings: Settings, returning: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Itself, or the copy of this process in its place; until then nothing is done, and the log says why."""
    monkeypatch.setattr(rules, "_WAIT_SECONDS", 0)
    book = known(settings)
    away = book.file.rename(book.file.with_name("away"))
    assert book.read().off.keys() == {"a-story", "ferry"}
    cure = f"restore it, or put {copy_of(settings)} in its place"
    told = f"The desk's file {book.file} is gone, and the last rules hold: {cure}"
    assert (book.problem, caplog.messages) == (told, [told])
    with pytest.raises(ConfigurationError, match="is gone"):
        book.do(Act(Do.ON, "ferry"))
    shutil.copy(away if returning == "the file" else copy_of(settings), book.file)
    book.do(Act(Do.ON, "ferry"))
    assert (book.problem, [*book.read().off]) == ("", ["a-story"])
    assert acts(copy_of(settings)) == acts(book.file) == [*book.acts]


def test_a_backup_that_lacks_a_rule_switches_nothing_on(settings: Settings) -> None:
    """The last rules hold, also after a restart, and it is named; with all that was known it counts."""
    book = known(settings)
    book.file.with_name("backup").replace(book.file)
    for each in (book, Rulebook(book.file, copy_of(settings))):
        assert each.read().off.keys() == {"a-story", "ferry"}
        assert "is not the one that was here, and the last rules hold" in each.problem
    with pytest.raises(ConfigurationError, match="is not the one that was here"):
        rules.check(settings)


def test_what_another_process_did_counts_at_once(settings: Settings) -> None:
    """Each looks into the file before it answers, and adds to its own copy what it finds there."""
    book, other = known(settings), Rulebook(file_of(settings), settings.data / "other.sqlite3")
    other.do(Act(Do.ON, "a-story"))
    assert [*book.read().off] == ["ferry"]
    assert acts(copy_of(settings)) == acts(settings.data / "other.sqlite3")


def test_a_damaged_copy_is_written_anew(settings: Settings) -> None:
    """Where the file is there, it is enough; where both are lost, nothing is answered until one of them is back."""
    book = known(settings)
    copy_of(settings).write_bytes(b"garbage" * 2000)
    assert Rulebook(book.file, copy_of(settings)).read() == book.read()
    assert acts(copy_of(settings)) == [*book.acts]
    copy_of(settings).write_bytes(b"garbage" * 2000)
    book.file.unlink()
    with pytest.raises(ConfigurationError, match="restore one of them"):
        Rulebook(book.file, copy_of(settings)).read()


OLD_TABLES = (
    """CREATE TABLE questions (
        question TEXT NOT NULL, article TEXT NOT NULL, ended TEXT NOT NULL, site TEXT NOT NULL, version TEXT NOT NULL,
        start INTEGER NOT NULL, end INTEGER NOT NULL, at TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE acts (
        act TEXT NOT NULL, article TEXT NOT NULL, words TEXT NOT NULL, question TEXT NOT NULL, signature TEXT NOT NULL,
        at TEXT NOT NULL, number INTEGER PRIMARY KEY
    ) STRICT""",
)


def test_a_file_of_an_earlier_release_counts_as_it_is_and_is_written_on(settings: Settings) -> None:
    """Its rules hold before anything is written, and nothing of it is lost when the first act or question is."""
    file = file_of(settings)
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as database, database:
        for table in OLD_TABLES:
            database.execute(table)
        database.execute("INSERT INTO questions VALUES ('Why?', 'ferry', 'declined', '', '', 0, 0, '2026-12-01T10:00')")
        database.execute("INSERT INTO acts VALUES ('switch off', 'a-story', 'No.', '', '', '2026-12-01T10:00', 1)")
        database.execute("INSERT INTO acts VALUES ('pin', 'ferry', 'At nine.', 'When?', 'Desk', '2026-12-01T10:00', 2)")
    book = Rulebook(file, copy_of(settings))
    before = book.read()
    assert (before.off, [*before.pins]) == ({"a-story": "No."}, [("ferry", "when")])
    book.do(Act(Do.PIN, "ferry", "At ten.", "When?", "Desk", of_all=True))
    keep(file, Asked("How?", "ferry", "declined", of_all=True))
    assert [*book.read().pins] == [("ferry", "when"), ("", "when")]
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT question, of_all FROM questions").fetchall() == [("Why?", 0), ("How?", 1)]
