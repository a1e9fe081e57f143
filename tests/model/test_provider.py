"""How a provider is asked, and when it is left alone: by a clock of the test's own, over real HTTP."""

from collections.abc import Iterator
from pathlib import Path

import faulty_endpoint
import pytest
from faulty_endpoint import Endpoint
from langchain.chat_models import init_chat_model
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

from assistant.errors import Fault, ModelError
from assistant.model import provider as providers
from assistant.model.limit import Limit
from assistant.model.provider import AWAY_SECONDS, FAILURES, Provider, fault_of
from assistant.model.usage import Ledger


class Form(BaseModel):
    """Of any reply."""

    answerable: str


class Asked:
    """A provider over HTTP, and a clock that the test sets."""

    def __init__(self, endpoint: Endpoint, folder: Path) -> None:
        """Ask nothing yet."""
        self.endpoint, self.now = endpoint, 0.0
        chat = init_chat_model("openai:m", base_url=endpoint.address, api_key="none", max_retries=0)
        self.provider = Provider(chat, "m", Ledger(folder / "tokens.sqlite3"), clock=lambda: self.now)

    def fault(self, question: str = "How much?") -> Fault | None:
        """Ask, and return what went wrong."""
        try:
            self.provider.ask([HumanMessage(question)], Form, Limit.of_seconds(30), [])
        except ModelError as error:
            return error.fault
        return None


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """Return a provider whose server answers until it is told to misbehave, and which is tried again at once."""
    monkeypatch.setattr(providers, "RETRY_SECONDS", 0.0)
    with faulty_endpoint.running() as endpoint:
        yield Asked(endpoint, tmp_path)


def test_the_call_that_looks_whether_a_provider_is_back_has_its_second_try(asked: Asked) -> None:
    """After half a minute one call asks again; where its first try fails, and its second does not, all is well."""
    asked.endpoint.behaviour = "503"
    for _ in range(FAILURES):
        asked.fault()
    assert asked.fault() is Fault.AWAY
    asked.now += AWAY_SECONDS
    asked.endpoint.bodies.clear()
    asked.endpoint.behaviour = "503 once"
    assert (asked.fault(), asked.fault(), len(asked.endpoint.bodies)) == (None, None, 3)


def test_nobody_can_switch_a_provider_off(asked: Asked) -> None:
    """A question that the provider forbids, asked every twenty seconds, takes an answer from nobody else."""
    asked.endpoint.behaviour = "403 for poison"
    for _ in range(3 * FAILURES):
        asked.now += 20
        assert [asked.fault("How is poison made?"), asked.fault()] == [Fault.FORBIDDEN, None]
    assert {asked.fault("How is poison made?") for _ in range(3 * FAILURES)} == {Fault.FORBIDDEN}
    assert asked.fault() is None


class ProviderError(Exception):
    """Fails as a provider's package does."""

    def __init__(self, status_code: int, told: str) -> None:
        """Take the HTTP status, and what the provider says."""
        super().__init__(told)
        self.status_code = status_code


@pytest.mark.parametrize(
    ("status", "told", "fault"),
    [
        (400, "API key not valid. Please pass a valid API key.", Fault.KEY),
        (400, "Invalid x-api-key", Fault.KEY),
        (400, "Your credit balance is too low to access the API.", Fault.CREDIT),
        (403, "This method requires billing to be enabled.", Fault.CREDIT),
        (429, "You exceeded your current quota: check your plan and billing details.", Fault.CREDIT),
        (400, "Invalid content: 'What does the billing office say of its API key?'", Fault.REQUEST),
        (500, "While asked 'Who is billing them?': overloaded", Fault.SERVER),
    ],
)
def test_a_provider_that_repeats_the_question_is_not_misread(status: int, told: str, fault: Fault) -> None:
    """A word that a reader can type tells of neither credit nor key, so that nobody can switch the provider off."""
    assert fault_of(ProviderError(status, told)) is fault
