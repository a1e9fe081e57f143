"""What happened on the way to an answer: how long each step took, and what was found out in it.

`ask --why`, the report of a run and the lab show it: why did an answer come out as it did?
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from assistant.types import Usage


class Trace:
    """Notes of one question; each step has one name, and its time is added up."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.steps: dict[str, float] = {}
        """Milliseconds."""
        self.notes: dict[str, Any] = {}
        self.used: list[Usage] = []
        """What each call of a provider took."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step, also where it fails."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.steps[name] = round(self.steps.get(name, 0.0) + 1000 * (time.monotonic() - started), 1)

    def note(self, **values: Any) -> None:  # noqa: ANN401 - whatever can be written as JSON
        """Keep what was found out."""
        self.notes |= values

    @property
    def why(self) -> dict[str, Any]:
        """All of it, as it is written in JSON."""
        return {"steps": self.steps, **self.notes}

    @property
    def usage(self) -> Usage:
        """What all calls took together."""
        return sum(self.used, Usage())
