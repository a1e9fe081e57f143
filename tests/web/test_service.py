"""A stranger's question on its way to the assistant: who is let in, whose turn it is, and how it ends."""

import asyncio
import html
import json
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from answers import assemble
from served import ARTICLE, CITATION, OPEN, QUOTED, WRITTEN, ScriptedAssistant, in_a_loop

from assistant.rendering import LABELS
from assistant.settings import Settings
from assistant.types import Answer, Outcome, Status
from assistant.web.observability import JsonLines
from assistant.web.plain.pages import about
from assistant.web.service import (
    AT_ONCE_LOCAL,
    NO_ROOM,
    NOT_SAVED,
    THANKS,
    Client,
    Event,
    Reason,
    Refusal,
    Service,
    Waiting,
    Working,
    client_of,
)
from assistant.web.storage import feedback as reports
from assistant.web.storage.feedback import Feedback

SNAPSHOT = replace(QUOTED, final=False)
CLIENT = Client("127.0.0.1", "page", "a-question")
STRANGER = Client("192.0.2.7", "api", "another")


@pytest.fixture
def assistant() -> ScriptedAssistant:
    """Return an assistant without a script."""
    return ScriptedAssistant(ARTICLE)


def run(
    assistant: ScriptedAssistant, scenario: Callable[[Service], Coroutine[Any, Any, Any]], settings: Settings = OPEN
) -> Any:  # noqa: ANN401 - whatever the scenario returns
    """Return what the scenario returns, for a service in a loop of its own."""
    return in_a_loop(lambda: scenario(Service(assistant, settings)))


async def events(service: Service, question: str, client: Client = CLIENT) -> list[Event]:
    """Return every event of a question but the ticks."""
    return [event async for event in service.answers(question, client=client) if not isinstance(event, Working)]


async def last(service: Service, question: str, client: Client = CLIENT) -> Event:
    """Return how a question ended."""
    return (await events(service, question, client))[-1]


async def begun(assistant: ScriptedAssistant, service: Service, question: str) -> asyncio.Task[list[Event]]:
    """Ask a question, and return what becomes of it once the assistant has it."""
    task = asyncio.create_task(events(service, question))
    await until(lambda: question in assistant.histories)
    return task


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; fail when it never does."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in threads
            await asyncio.sleep(0.01)


def test_who_asks_too_often_is_told_when_to_ask_again(assistant: ScriptedAssistant) -> None:
    """Beyond the limit a question is refused with the seconds to wait; others, and whoever has no limit, are let in."""
    assistant.script["How?"] = [WRITTEN]
    settings = replace(OPEN, questions_per_minute=2)

    async def scenario(service: Service) -> list[Event]:
        asked = [STRANGER] * 3 + [CLIENT] * 200
        return [await last(service, "How?", client) for client in asked]

    _, _, refused, *others = run(assistant, scenario, settings)
    assert refused.reason == Reason.RATE_LIMITED
    assert 25 < refused.retry_after <= 30
    assert f"{refused.retry_after} seconds" in refused.text
    assert {event.status for event in others} == {Status.ANSWERED}


def test_evidence_is_found_while_others_are_answered(assistant: ScriptedAssistant) -> None:
    """Whoever waits for the model has the quotation already, and is told how many are before them, in their order."""
    release = threading.Event()
    names = [f"Question {number}?" for number in range(AT_ONCE_LOCAL + 2)]
    for name in names:
        assistant.script[name] = [SNAPSHOT, release, WRITTEN]

    async def scenario(service: Service) -> list[list[Event]]:
        tasks = [await begun(assistant, service, name) for name in names]
        await asyncio.sleep(0.3)
        release.set()
        return await asyncio.gather(*tasks)

    *answered, next_one, last_one = run(assistant, scenario)
    assert not any(isinstance(event, Waiting) for events_of_one in answered for event in events_of_one)
    for waited, ahead in ((next_one, 1), (last_one, 2)):
        assert isinstance(waited[0], Answer)
        assert isinstance(waited[1], Waiting)
        assert waited[1].ahead == ahead
        assert waited[-1].status == Status.ANSWERED


def test_a_full_line_says_so_at_once(assistant: ScriptedAssistant) -> None:
    """Beyond those who may wait a question is refused without being looked at; it gets in when one has left."""
    release = threading.Event()
    names = [f"Question {number}?" for number in range(AT_ONCE_LOCAL + 1)]
    for name in names:
        assistant.script[name] = [SNAPSHOT, release, WRITTEN]
    assistant.script["How?"] = [WRITTEN]

    async def scenario(service: Service) -> tuple[Event, Event]:
        tasks = [asyncio.create_task(events(service, name)) for name in names]
        await until(lambda: f"assistant_line {len(names)}.0".encode() in service.metrics.exposition())
        refused = await last(service, "How?")
        assert "How?" not in assistant.histories
        release.set()
        await asyncio.gather(*tasks)
        await until(lambda: b"assistant_line 0.0" in service.metrics.exposition())
        return refused, await last(service, "How?")

    refused, answered = run(assistant, scenario, replace(OPEN, waiting=1))
    assert refused.reason == Reason.BUSY
    assert refused.retry_after > 0
    assert answered.status == Status.ANSWERED


@pytest.mark.parametrize("name", ["running", "waiting", "finding"])
def test_who_leaves_frees_the_place(assistant: ScriptedAssistant, name: str) -> None:
    """Closing the events ends the work and lets the next question in, wherever in the line the reader stood."""
    never = threading.Event()
    others_running = [f"running {number}" for number in range(AT_ONCE_LOCAL)]
    for running_or_waiting in (*others_running, "running", "waiting"):
        assistant.script[running_or_waiting] = [SNAPSHOT, never]
    assistant.script["finding"] = [never]
    assistant.script["How?"] = [WRITTEN]

    async def leave(asked: AsyncGenerator[Event]) -> None:
        async with aclosing(asked):
            async for event in asked:
                if isinstance(event, Waiting if name == "waiting" else Answer | Working):
                    return

    async def scenario(service: Service) -> Event:
        running = others_running if name == "waiting" else others_running[1:]
        others = [asyncio.create_task(events(service, other)) for other in running]
        await until(lambda: len(assistant.histories) == len(others))
        await leave(service.answers(name, client=CLIENT))
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await until(lambda: len(assistant.ended) == len(others) + 1)
        return await last(service, "How?")

    answered = run(assistant, scenario, replace(OPEN, waiting=1))
    assert answered.status == Status.ANSWERED


def test_the_model_is_told_to_stop() -> None:
    """Where the reader leaves while the model is at work, it hears of it at once and not with its next words."""
    told: list[bool] = []

    class Slow(ScriptedAssistant):
        def stream(self, *arguments: Any) -> Any:  # noqa: ANN401 - as the scripted one
            yield SNAPSHOT
            told.append(arguments[3].wait(60))

    async def scenario(service: Service) -> None:
        async with aclosing(service.answers("How?", client=CLIENT)) as asked:
            async for event in asked:
                if isinstance(event, Working):
                    break
        await until(lambda: bool(told))

    run(Slow(ARTICLE), scenario)
    assert told == [True]


@pytest.mark.parametrize("steps", [[ValueError("the words of a reader")], [SNAPSHOT, OSError("disk")], [SNAPSHOT]])
def test_a_defect_is_told_and_leaves_the_service_usable(
    assistant: ScriptedAssistant, caplog: pytest.LogCaptureFixture, steps: list[Any]
) -> None:
    """The reader is told and nothing is raised; the log has the place of the defect, not what the reader wrote."""
    assistant.script["the words of a reader"] = steps
    assistant.script["How?"] = [WRITTEN]

    async def scenario(service: Service) -> list[Event]:
        found = []
        for question in [*["the words of a reader"] * 5, "How?"]:
            found.append(await last(service, question))
            await until(lambda: b"assistant_line 0.0" in service.metrics.exposition())
        return found

    *failed, answered = run(assistant, scenario, replace(OPEN, waiting=0))
    assert {event.reason for event in failed} == {Reason.FAILED}
    assert answered.status == Status.ANSWERED
    lines = [JsonLines().format(record) for record in caplog.records]
    assert not any("words of a reader" in line for line in lines)
    defect = next(json.loads(line) for line in lines if "where" in line)
    assert defect["id"] == CLIENT.identifier
    assert any("service.py" in where for where in defect["where"])


def test_the_log_has_how_it_ended_and_not_what_was_asked(
    assistant: ScriptedAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    """Each question is one line: its length, its end, its time and what was quoted; no word and no address.

    Of one that is not let in, only by which way it came, and why.
    """
    caplog.set_level(logging.INFO, "assistant")
    assistant.script["What did Mayor Smith say?\n"] = [SNAPSHOT, WRITTEN]

    async def scenario(service: Service) -> None:
        for _ in range(2):
            await last(service, "What did Mayor Smith say?\n", STRANGER)

    run(assistant, scenario, replace(OPEN, questions_per_minute=1))
    line, refused = [JsonLines().format(record) for record in caplog.records if record.name == "assistant"]
    entry = json.loads(line)
    assert (entry["id"], entry["via"], entry["status"], entry["characters"]) == ("another", "api", "answered", 26)
    assert entry["quoted"] == [f"a-story:{CITATION.start}-{CITATION.end}"]
    assert entry["seconds"] >= 0
    assert json.loads(refused).items() >= {"event": "refused", "via": "api", "status": "rate_limited"}.items()
    assert "Smith" not in line
    assert "192.0.2.7" not in line + refused


def test_who_is_in_distress_is_never_turned_away_counted_or_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Words of help come beyond every limit, while all is switched off, and leave no trace."""
    caplog.set_level(logging.INFO, "assistant")
    settings = replace(OPEN, data=tmp_path, feedback=tmp_path / "feedback", questions_per_minute=1, keep_questions=7)
    (tmp_path / "maintenance").write_text("Back at nine")

    async def scenario(service: Service) -> None:
        for _ in range(3):
            (event,) = await events(service, "i want to kill myself", STRANGER)
            assert isinstance(event, Answer)
            assert (event.outcome, event.text, event.final) == (Outcome.HELP, settings.help, True)
        assert not next(iter(service.metrics.questions.collect())).samples

    in_a_loop(lambda: scenario(Service(assemble(None, [ARTICLE]), settings)))
    assert not [record for record in caplog.records if record.name == "assistant"]
    assert [path.name for path in tmp_path.iterdir()] == ["maintenance"]


def test_maintenance_is_switched_with_a_file(assistant: ScriptedAssistant, tmp_path: Path) -> None:
    """While the file is there nobody is let in, and its words are shown; without it the service goes on."""
    assistant.script["How?"] = [WRITTEN]
    switch = tmp_path / "maintenance"
    settings = replace(OPEN, data=tmp_path)

    async def scenario(service: Service) -> list[Event]:
        found = [await last(service, "How?")]
        switch.write_text("Back at noon.\n", encoding="utf-8")
        assert (service.ready, service.notice) == (False, "Back at noon.")
        found.append(await last(service, "How?"))
        switch.write_bytes(b"")
        found.append(await last(service, "How?"))
        switch.unlink()
        assert (service.ready, service.notice) == (True, "")
        return [*found, await last(service, "How?")]

    before, off, off_without_words, after = run(assistant, scenario, settings)
    assert (before.status, after.status) == (Status.ANSWERED, Status.ANSWERED)
    assert off == Refusal(Reason.MAINTENANCE, "Back at noon.")
    assert "maintenance" in off_without_words.text


def test_those_who_have_asked_get_their_answer_before_the_end(assistant: ScriptedAssistant) -> None:
    """Told to stop, the service lets nobody in, and answers whoever has asked, also those who wait."""
    release = threading.Event()
    for name in "abc":
        assistant.script[name] = [SNAPSHOT, release, WRITTEN]

    async def scenario(service: Service) -> list[Event]:
        tasks = [await begun(assistant, service, name) for name in "abc"]
        drained = asyncio.create_task(service.drain(30))
        await asyncio.sleep(0)
        new = await last(service, "d")
        assert not service.ready
        release.set()
        await drained
        return [*(told[-1] for told in await asyncio.gather(*tasks)), new]

    *asked, new = run(assistant, scenario)
    assert [event.status for event in asked] == [Status.ANSWERED] * 3
    assert new.reason == Reason.SHUTTING_DOWN


def test_the_end_does_not_wait_for_ever(assistant: ScriptedAssistant) -> None:
    """An answer that does not come in time ends with a message."""
    assistant.script["slow"] = [SNAPSHOT, threading.Event()]

    async def scenario(service: Service) -> Event:
        task = asyncio.create_task(last(service, "slow"))
        await until(lambda: "slow" in assistant.histories)
        await service.drain(0.2)
        return await task

    assert run(assistant, scenario).reason == Reason.SHUTTING_DOWN


def test_feedback_is_kept_or_the_reader_is_told(assistant: ScriptedAssistant, tmp_path: Path) -> None:
    """A report is thanked for only when it is on the disk; too many of one address are refused."""
    report = Feedback(replace(WRITTEN, question="How?"), helpful=False, reasons=("wrong",))

    async def scenario(service: Service) -> list[str]:
        return [await service.give_feedback(report, client=STRANGER) for _ in range(12)]

    told = run(assistant, scenario, replace(OPEN, feedback=tmp_path / "feedback.sqlite3"))
    assert told[0] == THANKS
    assert "second" in told[-1]
    (tmp_path / "file").touch()
    assert run(assistant, scenario, replace(OPEN, feedback=tmp_path / "file" / "feedback.sqlite3"))[0] == NOT_SAVED


def test_a_report_for_which_the_file_has_no_room_can_come_later(
    assistant: ScriptedAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reader is told that nothing is wrong with the report itself."""
    monkeypatch.setattr(reports, "save", partial(reports.save, most_bytes=4096))
    report = Feedback(replace(WRITTEN, question="How?"), helpful=True)
    settings = replace(OPEN, feedback=tmp_path / "feedback.sqlite3")
    assert run(assistant, lambda service: service.give_feedback(report, client=STRANGER), settings) == NO_ROOM


def test_all_without_an_address_are_one_client() -> None:
    """A connection that has no address, or none that can be known, is a client like any other."""
    assert client_of(SimpleNamespace(client=None)).address == ""
    assert client_of(None, "mcp").via == "mcp"
    assert client_of(SimpleNamespace(client=SimpleNamespace(host="192.0.2.7"))).address == "192.0.2.7"
    assert client_of(None).identifier != client_of(None).identifier


HOSTED = replace(OPEN, model="openai:m", questions_per_minute=0, questions_per_hour=0)
WRITES = (
    "writes an answer: from all of a short article",
    "checked by fixed rules against the words that it cites",
    "A written sentence can pass the checks",
)
QUOTES = ("None is used here", "the quoted words are the answer")


@pytest.mark.parametrize(
    ("settings", "said", "not_said"),
    [
        (
            replace(OPEN, questions_per_hour=0, contact="mailto:desk@example.org"),
            ("You can ask up to 10 questions a minute.", "not stored", "does not leave the machine", *QUOTES),
            WRITES,
        ),
        (HOSTED, ("as many questions as you like.", "the provider of openai:m", "say why. </p>", *WRITES), QUOTES),
        (HOSTED, ("openai:m is asked in a second call", LABELS[Outcome.PARTLY], LABELS[Outcome.OVERVIEW]), ()),
        (replace(HOSTED, check="none"), WRITES, ("second call", "trained for it")),
        (replace(OPEN, model="local"), (*WRITES, "trained for it"), (*QUOTES, "second call")),
    ],
)
def test_what_is_done_stored_and_allowed_is_said_in_words(
    settings: Settings, said: tuple[str, ...], not_said: tuple[str, ...], assistant: ScriptedAssistant
) -> None:
    """Readers are told the limits, whether a model writes, that nothing is kept, and where questions go."""
    page = about(Service(assistant, settings))
    words = " ".join(html.unescape(page).split())
    assert [each for each in said if each not in words] == []
    assert [each for each in not_said if each in words] == []
    assert ('<a href="mailto:desk@example.org">desk@example.org</a>' in words) is bool(settings.contact)
