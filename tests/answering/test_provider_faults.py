"""Whatever a provider's server does, over HTTP: the reader keeps the quotation, and the next question works."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import faulty_endpoint
import pytest
from answers import fits
from faulty_endpoint import BEHAVIOURS, Endpoint
from replies import TEXT

from assistant.answering.assistant import Assistant
from assistant.articles.reading import Corpus
from assistant.errors import Fault
from assistant.installation import check
from assistant.markup import markdown
from assistant.model.holder import CapableModels, ModelHolder
from assistant.rendering import headline
from assistant.search.retrieval import Retriever
from assistant.settings import Settings
from assistant.types import Answer, Article, Outcome, Turn

CRIME = "How much has violent crime fallen since 2014?"
SECONDS = 1.0
"""What the model has for an answer."""
PATIENCE = 30.0
"""The same where nothing is waited for in vain, however busy the machine."""

FAULTS = {
    behaviour: fault
    for fault, behaviours in {
        Fault.TIME_UP: ("hangs", "drips its headers", "stalls"),
        Fault.CONNECTION: ("hangs up", "closes without a word", "talks another protocol", "drops"),
        Fault.SERVER: ("500", "503", "500 without a body", "a web page", "a web page as an error", "other JSON"),
        Fault.RATE: ("429",),
        Fault.KEY: ("401",),
        Fault.FORBIDDEN: ("403",),
        Fault.CREDIT: ("402", "no credit"),
        Fault.UNKNOWN_MODEL: ("404",),
        Fault.REQUEST: ("400",),
        Fault.CONTEXT: ("too long",),
        Fault.EMPTY: ("says nothing", "says white space", "only thinks"),
        Fault.MALFORMED: ("talks", "half of its JSON", "another form"),
        Fault.CUT_OFF: ("has no room",),
        Fault.REFUSED: ("is filtered", "refuses"),
    }.items()
    for behaviour in behaviours
}
MENDED = [behaviour for behaviour in BEHAVIOURS if behaviour not in FAULTS and "poison" not in behaviour]
"""What a reader does not notice."""
LEFT_ALONE = {Fault.KEY, Fault.CREDIT, Fault.UNKNOWN_MODEL, Fault.RATE}
"""After these the provider is not asked for a while."""
TRIED = dict.fromkeys((Fault.CONNECTION, Fault.SERVER), 3) | {Fault.MALFORMED: 2}
"""How often is asked: what may pass three times, each after a longer pause; else once."""


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
def settings(endpoint: Endpoint, tmp_path: Path) -> Settings:
    """Return settings as an operator would make them."""
    os.environ["OPENAI_API_KEY"] = "none"
    return Settings(model="openai:m", model_url=endpoint.address, answer_seconds=SECONDS, data=tmp_path)


@pytest.fixture
def assistant(settings: Settings, article: Article) -> Iterator[Assistant]:
    """Return an assistant whose model is reached over HTTP."""
    with closing(assemble(article, settings)) as assistant:
        yield assistant


def assert_quoted(answer: Answer, fault: Fault) -> None:
    """Hold an answer to what a reader is owed when the model failed."""
    assert answer.outcome is Outcome.QUOTED
    assert "18 percent" in answer.text
    assert answer.fault is fault
    what, _, cure = (answer.error or "").partition(": ")
    assert what
    assert cure
    assert "sk-123" not in f"{answer.error}{markdown(answer)}"


def assert_next_question_works(assistant: Assistant, endpoint: Endpoint) -> None:
    """Hold the question after a fault to the ordinary; a busy machine takes its time."""
    endpoint.behaviour, assistant._answer_seconds = "answers", PATIENCE
    answer = assistant.ask(CRIME)
    assert (answer.outcome, answer.error) == (Outcome.WRITTEN, None)
    assert answer.text.startswith(TEXT)


@pytest.mark.parametrize("behaviour", FAULTS)
def test_a_fault_of_the_server_leaves_the_quotation(behaviour: str, assistant: Assistant, endpoint: Endpoint) -> None:
    """The quotation is there first and last, the fault is named without a secret, and the connection is let go.

    A provider that works again is used at once, unless it said that it would not.
    """
    endpoint.behaviour = behaviour
    if FAULTS[behaviour] is not Fault.TIME_UP:
        assistant._answer_seconds = PATIENCE
    first, final = assistant.stream(CRIME)
    assert (first.outcome, first.final, final.final) == (Outcome.QUOTED, False, True)
    assert first.citations
    assert_quoted(final, FAULTS[behaviour])
    assert len(endpoint.bodies) == TRIED.get(FAULTS[behaviour], 1)
    assert FAULTS[behaviour] is not Fault.TIME_UP or endpoint.hung_up.wait(10)
    if FAULTS[behaviour] not in LEFT_ALONE:
        assert_next_question_works(assistant, endpoint)


@pytest.mark.parametrize("behaviour", MENDED)
def test_a_fault_that_passes_is_not_noticed(behaviour: str, assistant: Assistant, endpoint: Endpoint) -> None:
    """What fails once is asked once more, and a parameter that a model does not take is left out from then on."""
    endpoint.behaviour, assistant._answer_seconds = behaviour, PATIENCE
    answer = assistant.ask(CRIME)
    assert (answer.outcome, answer.error, answer.text.startswith(TEXT)) == (Outcome.WRITTEN, None, True)
    assert len(endpoint.bodies) == (2 if behaviour == "answers" else 3)


def test_the_time_is_counted_once(endpoint: Endpoint, settings: Settings, article: Article) -> None:
    """What is waited for in vain costs the reader the model's time and not twice that."""
    endpoint.behaviour = "hangs"
    with closing(assemble(article, replace(settings, answer_seconds=2.0))) as assistant:
        answer = assistant.ask(CRIME)
    # Twice the time of the model would be a deadline that is taken twice; a busy machine is slow by much less.
    assert 2000 <= answer.timings.total_ms < 3900


def test_a_dead_provider_is_left_alone_and_looked_at_again(assistant: Assistant, endpoint: Endpoint) -> None:
    """After several failures no question waits for the provider any more; later one tries, and then all."""
    models = assistant.steps.holder.get()
    assert isinstance(models, CapableModels)
    models.writer._breaker.away_seconds = 0.5
    assistant._answer_seconds = PATIENCE
    endpoint.behaviour = "401"
    assert_quoted(assistant.ask(CRIME), Fault.KEY)
    asked = len(endpoint.bodies)
    assert_quoted(assistant.ask(CRIME), Fault.AWAY)
    assert len(endpoint.bodies) == asked
    threading.Event().wait(0.6)
    assert_next_question_works(assistant, endpoint)


def test_what_could_not_be_asked_is_said(assistant: Assistant, endpoint: Endpoint) -> None:
    """Where nothing can be quoted either, nobody knows whether there is an answer, and none is said not to be."""
    endpoint.behaviour, assistant._answer_seconds = "403", PATIENCE
    assistant.steps = replace(assistant.steps, fits=fits(threshold=0.6))
    answer = assistant.ask("Which newspapers wrote of zebras?")
    assert (answer.outcome, answer.fault, answer.citations) == (Outcome.UNWRITTEN, Fault.FORBIDDEN, ())
    assert headline(answer) == "An answer could not be written now; please ask again later"


def test_a_day_without_tokens_leaves_the_quotation(settings: Settings, article: Article, endpoint: Endpoint) -> None:
    """When the budget is spent nothing is asked any more, in this process and in the next one."""
    with_budget = replace(settings, tokens_per_day=200, answer_seconds=PATIENCE)
    with closing(assemble(article, with_budget)) as assistant:
        assert assistant.ask(CRIME).outcome is Outcome.WRITTEN
        asked = len(endpoint.bodies)
        assert_quoted(assistant.ask(CRIME), Fault.BUDGET)
    with closing(assemble(article, with_budget)) as another:
        assert_quoted(another.ask(CRIME), Fault.BUDGET)
    assert len(endpoint.bodies) == asked


def test_a_reader_who_leaves_lets_the_server_go(assistant: Assistant, endpoint: Endpoint) -> None:
    """Stopping in the middle closes the connection, and the quotation is the answer."""
    endpoint.behaviour, assistant._answer_seconds = "hangs", PATIENCE
    stopped = threading.Event()
    stream = assistant.stream(CRIME, stopped=stopped)
    next(stream)
    threading.Timer(0.2, stopped.set).start()
    (final,) = stream
    assert final.outcome is Outcome.QUOTED
    assert endpoint.hung_up.wait(10)


def test_a_server_that_is_not_there_leaves_the_quotation(settings: Settings, article: Article) -> None:
    """A refused connection is told, and a server that comes back is used."""
    with faulty_endpoint.running() as gone:
        pass
    away = replace(settings, model_url=gone.address, answer_seconds=PATIENCE)
    with closing(assemble(article, away)) as assistant:
        assert_quoted(assistant.ask(CRIME), Fault.CONNECTION)
        with faulty_endpoint.running(int(gone.address.split(":")[2].split("/")[0])) as back:
            assert_next_question_works(assistant, back)


def test_a_long_conversation_leaves_room_for_the_article(assistant: Assistant, endpoint: Endpoint) -> None:
    """Of many and long turns the latest are sent, as far as there is room; the question and the article always are."""
    assistant._answer_seconds = PATIENCE
    follow_up = "How much has violent crime fallen there since 2014?"
    short = [Turn(f"question {number}?", f"answer {number}.") for number in range(20)]
    fits, alone, over = (Turn("Why?", "語" * length) for length in (400, 1330, 4000))
    for history, kept in ((short, 2), ([*short, fits], 2), ([*short, fits, alone], 1), ([*short, over], 0)):
        assistant.ask(follow_up, history)
        system, task = endpoint.bodies[-2]["messages"]
        assert "18 percent" in system["content"]
        assert task["content"].count("Reader: ") == kept
        assert task["content"].strip().endswith(follow_up)


def test_both_calls_begin_alike(assistant: Assistant, endpoint: Endpoint) -> None:
    """What comes before the task is the same to the last byte, in both calls and for another question."""
    assistant._answer_seconds = PATIENCE
    assistant.ask(CRIME)
    assistant.ask("Who is Larry Krasner?")
    assert len({body["messages"][0]["content"] for body in endpoint.bodies}) == 1


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("answers", r"answered a question about “.+” in \d+\.\d s: 2 calls, 200 tokens read and 40 written"),
        ("talks", "not in the form"),
        ("half of its JSON", "not in the form"),
        ("refuses", "refuses"),
        ("401", "key"),
        ("402", "credit"),
        ("404", "model"),
    ],
)
def test_an_operator_learns_before_readers_do_whether_the_model_answers(
    behaviour: str, words: str, endpoint: Endpoint, settings: Settings
) -> None:
    """`python -m assistant check` has an answer written and checked, and says what it took, or what to do."""
    endpoint.behaviour = behaviour
    (found,) = (each for each in check(settings) if each.subject == "language model")
    assert re.search(words, f"{found.what} {found.cure}")
    assert bool(found.cure) is (behaviour != "answers")


def test_a_model_that_finds_no_answer_in_an_article_at_hand_is_a_problem(settings: Settings) -> None:
    """`python -m assistant check` takes what a reader would not be shown for no answer."""
    (settings.data / "other.md").write_text("# The well\n\nThe well of Aldery was dug by hand in 1911.")
    (found,) = (each for each in check(replace(settings, articles=settings.data)) if each.subject == "language model")
    assert found.what.endswith(
        "nothing that may be shown when it was asked “What is this article about?” of “The well”"
    )
    assert "take a larger model" in found.cure
