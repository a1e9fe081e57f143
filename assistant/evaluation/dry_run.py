"""What a run will take, said before anything is asked: calls and tokens, and money where a price is set.

Every question goes the way of a real one, to a model that counts what it would read and always writes the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import BaseMessage
from pydantic import BaseModel

from assistant.answering.assistant import Progress
from assistant.evaluation import asking, run
from assistant.model.holder import CapableModels, ModelHolder, model_name
from assistant.model.limit import Limit
from assistant.model.provider import Provider
from assistant.model.usage import Ledger, Price
from assistant.types import Usage

COUNTING = "Counting"
"""What the progress is called."""
_CHARACTERS = 4
"""Of English in a token, about."""
_ANSWER = "Most answers are about as long as this sentence, which stands for what a model writes of the cited ones."
_WRITTEN = {"answerable": "yes", "sentences": [{"text": _ANSWER, "cites": [1]}], "near": None}
_PASSED = {"supported": True, "answers": "yes", "wrong_words": [], "should_say": "", "missing_cites": []}
"""An answer that no rule objects to, and a check that lets it pass."""

_S = TypeVar("_S", bound=BaseModel)


class _Counting(Provider):
    def __init__(self) -> None:
        super().__init__(FakeListChatModel(responses=[]), "counting", Ledger(Path()))

    def ask(self, messages: Sequence[BaseMessage], schema: type[_S], limit: Limit, used: list[Usage]) -> _S:  # noqa: ARG002
        prompt = "".join(message.text for message in messages)
        reply = schema.model_validate({**_WRITTEN, **_PASSED, "question": prompt.rpartition("Question: ")[2]})
        sent, said = prompt + json.dumps(schema.model_json_schema()), reply.model_dump_json()
        used.append(Usage(1, len(sent) // _CHARACTERS, 0, len(said) // _CHARACTERS))
        return reply


def estimate(plan: asking.Plan, out: Path, progress: Progress) -> dict[str, Any]:
    """Return what it takes to ask what has no answer yet in the folder; the cost is None where no price is set.

    Raises:
        ConfigurationError: the folder holds something else, or the assistant cannot be opened.
    """
    run.check(out, asking.described(plan))
    settings, missing, used = plan.settings, asking.missing(plan, out), Usage()
    if settings.model not in ("local", "none"):
        model = _Counting()
        models = CapableModels(model, model if settings.check == "provider" else None)
        holder = ModelHolder(settings, (), open_them=lambda *_: models)
        holder.wait()
        with asking.loaded(replace(plan, settings=replace(settings, model="none")), progress) as assistant:
            assistant.steps = replace(assistant.steps, holder=holder)
            for number, (question, _) in enumerate(missing, start=1):
                used += assistant.ask(question.question, question.history, plan.article_of(question)).usage
                progress(COUNTING, number, len(missing))
    cost = Price(*settings.model_price).of(used) if any(settings.model_price) else None
    return {"questions": len(missing), "model": model_name(settings), **asdict(used), "cost": cost}


def told(found: Mapping[str, Any]) -> str:
    """Return an estimate in words."""
    if not found["calls"]:
        return f"{found['questions']:,} questions, asked of {found['model']}: no call leaves this machine."
    cost = "Set ASSISTANT_MODEL_PRICE to be told what they cost."
    if found["cost"] is not None:
        cost = f"They cost at most about {found['cost']:,.2f} (a provider's cache makes it less)."
    return (
        f"{found['questions']:,} questions, {found['calls']:,} calls of {found['model']}: about {found['read']:,} "
        f"tokens read and {found['written']:,} written, at {_CHARACTERS} characters a token. {cost} An answer that has "
        "to be mended takes two calls more. Nothing was asked."
    )
