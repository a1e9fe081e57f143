"""Whatever a model's server does, over real HTTP: the reader keeps the quotation, in time, and the next question works.

The states of an answer whose model failed, as `Answer.error` names them:

    time is up     nothing was said before the deadline, or the model was busy with others until then
    cut off        the stream ended, by whatever fault, within the first sentence
    failed         the server refused, broke off, or sent what is none of its protocol
    empty          the model ended well and said nothing
    loading        the model is not ready yet, or is being started again
    unavailable    it could not be started; the state says why
"""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import faulty_endpoint
import httpx
import pytest
from faulty_endpoint import BEHAVIOURS, TEXT, Endpoint

from assistant.answering import calibration
from assistant.answering.assistant import Assistant
from assistant.answering.calibration import Calibration, Quoting
from assistant.articles.reading import Corpus
from assistant.markup import markdown
from assistant.model.holder import ModelHolder
from assistant.rendering import NOT_WRITTEN
from assistant.search.retrieval import Retriever
from assistant.settings import Settings
from assistant.types import Answer, Article, Status, Turn

CRIME = "How much has violent crime fallen since 2014?"
SECONDS = 1.0
"""What the model has for an answer."""
PATIENCE = 30.0
"""The same where nothing is waited for in vain, however busy the machine."""

TIME_IS_UP = "The time was up before the model said anything"
CUT_OFF = "The model was cut off within its first sentence"
EMPTY = "The model gave an empty answer"

STATES = {
    "hangs": TIME_IS_UP,
    "hangs up": r"The model failed: \w+",
    "closes without a word": r"The model failed: \w+",
    "talks another protocol": r"The model failed: \w+",
    "drips its headers": TIME_IS_UP,
    "500": r"The model failed: \w+ \(HTTP 500\)",
    "503": r"The model failed: \w+ \(HTTP 503\)",
    "429": r"The model failed: \w+ \(HTTP 429\); it asks to wait 50 s",
    "401": r"The model failed: \w+ \(HTTP 401\)",
    "404": r"The model failed: \w+ \(HTTP 404\)",
    "400": r"The model failed: \w+ \(HTTP 400\)",
    "500 without a body": r"The model failed: \w+ \(HTTP 500\)",
    "a web page": r"The model failed: \w+",
    "a web page as an error": r"The model failed: \w+ \(HTTP 502\)",
    "stalls": CUT_OFF,
    "keeps alive and says nothing": TIME_IS_UP,
    "floods": CUT_OFF,
    "drops": r"The model failed: \w+",
    "drops before a word": r"The model failed: \w+",
    "never ends its stream": CUT_OFF,
    "breaks its JSON": r"The model failed: \w+",
    "sends other JSON": r"The model failed: \w+",
    "sends bytes that are no text": r"The model failed: \w+",
    "sends an error": r"The model failed: \w+",
    "says nothing": EMPTY,
    "says white space": EMPTY,
    "only thinks": EMPTY,
    "has no choices": EMPTY,
    "has no room": CUT_OFF,
    "is filtered": CUT_OFF,
    "calls a tool": EMPTY,
}
"""How each fault is told."""
MENDED = ("answers", "503 once", "hangs up once")
"""What a reader does not notice."""


@pytest.fixture(autouse=True)
def everything_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer every question with any draft that holds: here it is the model that is tried, not the calibration."""
    always = Calibration(mean={}, scale={}, weight={}, intercept=0.0, threshold=0.0)
    quoted = Quoting(mean={"score": 0.0}, scale={"score": 1.0}, weight={"score": 1.0}, intercept=0.0, further_share=1.0)
    monkeypatch.setattr(calibration, "calibration", lambda _fit: always)
    monkeypatch.setattr(calibration, "written", lambda _fit: always)
    monkeypatch.setattr(calibration, "quoting", lambda _fit: quoted)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """Run a server that answers until it is told to misbehave."""
    with faulty_endpoint.running() as endpoint:
        yield endpoint


def assemble(article: Article, settings: Settings) -> Assistant:
    """Return an assistant with the model of the settings, searching by keyword."""
    holder = ModelHolder(settings, (article,), lambda what, done, total: None)
    holder.wait()
    return Assistant(Corpus((article,)), Retriever([article], None, None), None, holder, settings.answer_seconds)


@pytest.fixture
def assistant(endpoint: Endpoint, article: Article, monkeypatch: pytest.MonkeyPatch) -> Iterator[Assistant]:
    """Return an assistant whose model is reached as an operator would set it up."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    settings = Settings(model="openai:m", check="none", model_url=endpoint.address, answer_seconds=SECONDS)
    with closing(assemble(article, settings)) as assistant:
        yield assistant


def assert_quoted(answer: Answer, error: str) -> None:
    """Hold an answer to what a reader is owed when the model failed."""
    assert answer.status is Status.QUOTED
    assert "18 percent" in answer.text
    assert answer.error is not None
    assert re.fullmatch(error, answer.error)
    assert "sk-123" not in answer.error
    assert re.sub(r"[^\w ]", "", NOT_WRITTEN.split(";")[0]) in re.sub(r"&#\d+;", "", markdown(answer))


def assert_next_question_works(assistant: Assistant, endpoint: Endpoint) -> None:
    """Hold the question after a fault to the ordinary; a busy machine takes its time."""
    endpoint.behaviour, assistant._answer_seconds = "answers", PATIENCE
    answer = assistant.ask(CRIME)
    assert (answer.status, answer.error) == (Status.ANSWERED, None)
    assert answer.text.startswith(TEXT)


# A provider's server


TRIED = dict.fromkeys(("401", "404", "400", "429"), 1) | dict.fromkeys(("500", "hangs up"), 2)
"""How often it is asked: what would fail again once, such as a wrong key or too long a wait; what may pass twice."""
HELD = ("hangs", "stalls", "floods", "keeps alive and says nothing")


@pytest.mark.parametrize("behaviour", STATES)
def test_a_fault_of_the_server_leaves_the_quotation(behaviour: str, assistant: Assistant, endpoint: Endpoint) -> None:
    """The quotation is there first and last, the fault is named without a secret, and the next answer comes.

    A server that would go on for ever is let go when the time is up.
    """
    endpoint.behaviour = behaviour
    if behaviour in TRIED:
        assistant._answer_seconds = PATIENCE
    first, final = assistant.stream(CRIME)
    assert (first.status, first.final, final.final) == (Status.QUOTED, False, True)
    assert first.citations
    assert_quoted(final, STATES[behaviour])
    assert len(endpoint.bodies) == TRIED.get(behaviour, len(endpoint.bodies))
    assert behaviour not in HELD or endpoint.hung_up.wait(10)
    assert_next_question_works(assistant, endpoint)


@pytest.mark.parametrize("behaviour", ["hangs", "stalls", "drips its headers"])
def test_the_time_is_counted_once(
    behaviour: str, endpoint: Endpoint, article: Article, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is waited for in vain, in one try or in pieces, costs the reader the model's time and not twice that."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    endpoint.behaviour = behaviour
    settings = Settings(model="openai:m", check="none", model_url=endpoint.address, answer_seconds=2.0)
    with closing(assemble(article, settings)) as assistant:
        answer = assistant.ask(CRIME)
    assert answer.error
    assert answer.timings.total_ms is not None
    # Twice the time of the model would be a deadline that is taken twice; a busy machine is slow by much less.
    assert 2000 <= answer.timings.total_ms < 3900


@pytest.mark.parametrize("behaviour", MENDED)
def test_a_fault_that_passes_is_not_noticed(behaviour: str, assistant: Assistant, endpoint: Endpoint) -> None:
    """What fails once before its first word is asked once more."""
    endpoint.behaviour, assistant._answer_seconds = behaviour, PATIENCE
    answer = assistant.ask(CRIME)
    assert (answer.status, answer.error, answer.text.startswith(TEXT)) == (Status.ANSWERED, None, True)
    assert len(endpoint.bodies) == (1 if behaviour == "answers" else 2)


def test_every_behaviour_is_tried() -> None:
    """No fault of the server is left out."""
    assert {*STATES, *MENDED, "drips"} == BEHAVIOURS.keys()


def test_who_hangs_up_within_the_headers_holds_nothing_up(endpoint: Endpoint) -> None:
    """The endpoint of these tests notices it, counts no request, and can be closed."""
    with socket.create_connection(("127.0.0.1", httpx.URL(endpoint.address).port)) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
    assert endpoint.hung_up.wait(10)
    assert endpoint.bodies == []


def test_what_came_before_the_time_was_up_is_checked_like_any_answer(assistant: Assistant, endpoint: Endpoint) -> None:
    """A stream that drips for ever has finished its first sentences when it is called off, and they may stand."""
    endpoint.behaviour = "drips"
    answer = assistant.ask(CRIME)
    assert (answer.status, answer.error) == (Status.ANSWERED, None)
    assert TEXT in answer.text
    assert endpoint.hung_up.wait(10)
    assert_next_question_works(assistant, endpoint)


def test_a_reader_who_leaves_lets_the_server_go(assistant: Assistant, endpoint: Endpoint) -> None:
    """Stopping in the middle closes the connection, and the quotation is the answer."""
    endpoint.behaviour = "drips"
    stopped = threading.Event()
    stream = assistant.stream(CRIME, stopped=stopped)
    next(stream)
    threading.Timer(0.2, stopped.set).start()
    (final,) = stream
    assert final.status is Status.QUOTED
    assert endpoint.hung_up.wait(10)
    assert_next_question_works(assistant, endpoint)


def test_a_server_that_is_not_there_leaves_the_quotation(article: Article, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection is told at once, and a server that comes back is used."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with faulty_endpoint.running() as gone:
        pass
    settings = Settings(model="openai:m", check="none", model_url=gone.address, answer_seconds=SECONDS)
    with closing(assemble(article, settings)) as assistant:
        assert_quoted(assistant.ask(CRIME), r"The model failed: \w+")
        with faulty_endpoint.running(int(gone.address.split(":")[2].split("/")[0])) as endpoint:
            assert_next_question_works(assistant, endpoint)


def test_a_long_conversation_leaves_room_for_the_passages(assistant: Assistant, endpoint: Endpoint) -> None:
    """Of many and long turns the latest are sent, as far as there is room; the question and the passages always are."""
    follow_up = "How much has violent crime fallen there since 2014?"
    short = [Turn(f"question {number}?", f"answer {number}.") for number in range(20)]
    fits, alone, over = (Turn("Why?", "語" * length) for length in (400, 1330, 4000))
    for history, kept in ((short, 2), ([*short, fits], 2), ([*short, fits, alone], 1), ([*short, over], 0)):
        assistant.ask(follow_up, history)
        system, *turns, question = endpoint.bodies[-1]["messages"]
        assert "18 percent" in system["content"]
        assert len(turns) == 2 * kept
        assert question["content"].strip() == follow_up
