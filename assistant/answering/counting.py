"""A capable model that reads nothing and always writes the same: it counts what the way of a question would take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import BaseMessage
from pydantic import BaseModel

from assistant.model.holder import CapableModels, ModelHolder
from assistant.model.limit import Limit
from assistant.model.provider import Provider
from assistant.model.usage import Ledger
from assistant.settings import Settings
from assistant.types import Usage

CHARACTERS = 4
"""Of English in a token, about."""
_ANSWER = "Most answers are about as long as this sentence, which stands for what a model writes of the cited ones."
_WRITTEN = {"answerable": "yes", "sentences": [{"text": _ANSWER, "cites": [1]}], "near": None}
_PASSED = {"supported": True, "answers": "yes", "wrong_words": [], "should_say": "", "missing_cites": []}

_S = TypeVar("_S", bound=BaseModel)


def counting(settings: Settings) -> ModelHolder:
    """Return what stands for the hosted models of the settings; the usage of an answer is an estimate then."""
    model = _Counting()
    models = CapableModels(model, model if settings.check == "provider" else None)
    holder = ModelHolder(settings, (), open_them=lambda *_: models)
    holder.wait()
    return holder


class _Counting(Provider):
    def __init__(self) -> None:
        super().__init__(FakeListChatModel(responses=[]), "counting", Ledger(Path()))

    def ask(self, messages: Sequence[BaseMessage], schema: type[_S], limit: Limit, used: list[Usage]) -> _S:  # noqa: ARG002
        """Count what would be sent, which has the form too, and what comes back."""
        prompt = "".join(message.text for message in messages)
        reply = schema.model_validate({**_WRITTEN, **_PASSED, "question": prompt.rpartition("Question: ")[2]})
        sent, said = prompt + json.dumps(schema.model_json_schema()), reply.model_dump_json()
        used.append(Usage(1, len(sent) // CHARACTERS, 0, len(said) // CHARACTERS))
        return reply
