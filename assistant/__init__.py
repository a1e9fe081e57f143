"""Answers questions about news articles with the articles' own words: `Assistant.open(Settings())`, then `ask`.

What is imported here is loaded when it is first used, so that a command which needs none of it starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assistant.answering.assistant import Assistant
    from assistant.errors import AssistantError
    from assistant.settings import Settings
    from assistant.types import Answer, Article, Citation, Status, Turn

__all__ = ["Answer", "Article", "Assistant", "AssistantError", "Citation", "Settings", "Status", "Turn"]

_HOMES = {
    "Assistant": "assistant.answering.assistant",
    "AssistantError": "assistant.errors",
    "Settings": "assistant.settings",
} | dict.fromkeys(("Answer", "Article", "Citation", "Status", "Turn"), "assistant.types")


def __getattr__(name: str) -> Any:  # noqa: ANN401 - one of the classes above
    """Return what is named in `__all__`."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
