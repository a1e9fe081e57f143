"""What a writer returns: does the article answer the question, and which sentences say so?

A writer is a language model with whatever it needs to be asked. What holds a reply against the article, words it and
shows it, does not know which one wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.answering.quoting import Window
from assistant.errors import ModelError
from assistant.types import Sentence

Answerable = Literal["yes", "partly", "no"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of an answer, and the sentences of the article that it cites."""

    text: str
    cites: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a writer makes of a question; it is checked already, but for the rules."""

    answerable: Answerable
    statements: tuple[Statement, ...] = ()
    """What may be shown as the answer; empty where nothing that was written may be."""
    near: Statement | None = None
    """Where there is no answer: what the article says that comes nearest."""
    quoted: tuple[Window, ...] = ()
    """What is quoted where nothing that was written may be shown, best first; empty where the writer chooses none."""
    by_rule: bool = False
    """The statements were made by rule from the article's quotation marks: no model wrote them."""
    confidence: float | None = None
    """Calibrated probability that the article answers the question, where the writer has one."""
    thrown_out: bool = False
    """Whether a capable model wrote what may not be shown; asked again it may write something else."""
    error: ModelError | None = None
    """What kept the writer from more."""


def cited(statements: Sequence[Statement]) -> tuple[Sentence, ...]:
    """Return the sentences that some statements cite, each once."""
    return tuple(dict.fromkeys(sentence for statement in statements for sentence in statement.cites))
