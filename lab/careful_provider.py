"""A provider's model that answers as a careful journalist would, or gets one thing wrong: what is shown of it?

Readers' questions have ideal answers. `corpus/readers/changed.jsonl` has the same answers with one thing changed, so
that they are wrong: the speaker, the source, a number, yes or no, how strongly it is said, the cause, or a name. A
server says them in OpenAI's protocol to an assistant that is set up as before any provider. A good guard shows the
first and holds back the others. Knows nothing of what the packaged model writes.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from assistant.answering import understanding
from assistant.answering.assistant import Assistant
from assistant.command import opened
from assistant.errors import AssistantError, ConfigurationError
from assistant.evaluation.questions import Question, line_of, read_text
from assistant.model.probes import PROVIDER_PROBE
from assistant.types import Answer, Status
from lab.training import probes
from lab.training.calibration import PROVIDER, SECONDS, Observation
from lab.training.probes import Graded

IDEAL = "ideal"
START_SECONDS = 10.0
STRENGTH = 0.01
"""The inverse of how strongly the weights are kept small: of .0003 to .3 it tells most about articles left out."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the provider's model says to a question."""

    question: Question
    text: str
    changed: str = IDEAL
    """What is changed of the ideal answer, as in "speaker"; `IDEAL` where nothing is."""

    @property
    def grade(self) -> str:
        """What a reader would say of it."""
        return "good" if self.changed == IDEAL else "wrong"


def read_said(questions: Sequence[Question], changed: Path) -> list[Said]:
    """Return the ideal answers to the questions, and after them those that are changed.

    Raises:
        ConfigurationError: the file of changed answers cannot be read, or a line is none; it is named.
    """
    by_id = {question.id: question for question in questions}
    said = [Said(question, question.ideal) for question in questions if question.ideal]
    for number, line in enumerate(read_text(changed).splitlines(), start=1):
        with line_of(changed, number, "a changed answer"):
            row = json.loads(line)
            if row["id"] in by_id:
                said.append(Said(by_id[row["id"]], row["changed"], row["kind"]))
    return said


def read_pairs(questions: Sequence[Question], changed: Path) -> list[Said]:
    """Return the same of those questions alone that have both.

    Raises:
        ConfigurationError: as `read_said`.
    """
    said = read_said(questions, changed)
    both = {each.question.id for each in said if each.changed != IDEAL}
    return [each for each in said if each.question.id in both]


@contextmanager
def before_provider(
    articles: Path,
) -> Iterator[tuple[Assistant, Callable[[str], None], Callable[[str, int, int], None]]]:
    """Yield an assistant before a provider's model, what tells that model its next answer, and the progress.

    Raises:
        AssistantError: the server did not start.
    """
    says = [""]
    server = uvicorn.Server(uvicorn.Config(_provider(lambda: says[0]), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise AssistantError("The provider's server did not start")
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    provider = {"ASSISTANT_MODEL": "openai:careful", "ASSISTANT_MODEL_URL": f"http://127.0.0.1:{port}/v1"}
    try:
        with patch.dict(os.environ, {**provider, "OPENAI_API_KEY": "none"}), opened(articles) as (assistant, show):
            yield assistant, lambda text: says.__setitem__(0, text), show
    finally:
        server.should_exit = True
        thread.join()


def _provider(says: Callable[[], str]) -> Starlette:
    """Return a server of OpenAI's protocol that answers whatever it is asked with what `says` returns."""

    def events() -> Iterator[str]:
        for delta, finish in (({"role": "assistant", "content": says()}, None), ({}, "stop")):
            choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
            chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "careful", "choices": choices}
            yield f"data: {json.dumps(chunk)}\n\n"
        yield "data: [DONE]\n\n"

    def complete(_: Request) -> Response:
        return StreamingResponse(events(), media_type="text/event-stream")

    return Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])


def ask(said: Sequence[Said], articles: Path) -> dict[str, Counter[str]]:
    """Return how often each outcome came of ideal answers, of ideal refusals, and of each kind of change.

    Raises:
        AssistantError: the provider's server did not start.
    """
    counts: dict[str, Counter[str]] = {}
    with before_provider(articles) as (assistant, tell, show):
        for done, each in enumerate(said, start=1):
            tell(each.text)
            answer = assistant.ask(each.question.question, each.question.history, each.question.article or None)
            name = each.changed if each.question.answerable else f"{each.changed}, without an answer"
            counts.setdefault(name, Counter())[outcome(answer)] += 1
            show("Asking", done, len(said))
    return counts


def outcome(answer: Answer) -> str:
    """Return what a reader sees: `shown`, the words of the provider's model; else `ruled`, `quoted` or `declined`."""
    if answer.status is not Status.ANSWERED:
        return answer.status.value
    return "shown" if answer.model != "none" else "ruled"


def fit_probe(said: Sequence[Said], articles: Path) -> None:
    """Fit `assistant/model/provider_probe.npz` to the states in which the check of each answer leaves the model.

    Raises:
        ConfigurationError: there is no model that was trained to check.
        ModelError: an answer could not be checked.
    """
    graded = [Graded(each.question, each.text, each.grade) for each in said]
    with opened(articles) as (assistant, show):
        told = probes.states(assistant, graded, lambda done, total: show("Checking", done, total))
    probes.save(*probes.probe(told, [[each.grade == "good" for each in said]], STRENGTH), PROVIDER_PROBE)


def observe(said: Sequence[Said], articles: Path) -> list[Observation]:
    """Return what the assistant sees of each answer up to the decision, for `fit_provider`.

    Raises:
        AssistantError: the provider's server did not start.
        ConfigurationError: the packaged model did not check an answer.
    """
    found = []
    with before_provider(articles) as (assistant, tell, show):
        for done, each in enumerate(said, start=1):
            tell(each.text)
            asked, question = understanding.clean(each.question.question), each.question
            findings = assistant.steps.find(asked, question.history, question.article or None)
            seen = assistant.steps.judge(asked, question.history, findings, time.monotonic() + SECONDS)
            if seen.fit != PROVIDER or seen.draft is None:
                raise ConfigurationError(f"The packaged model did not check an answer ({seen.error}): install it")
            graded = {seen.draft.text: each.grade}
            found.append(Observation(question, seen, graded, {}))
            show("Observing", done, len(said))
    return found
