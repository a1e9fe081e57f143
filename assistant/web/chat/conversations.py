"""The conversations of the last hour, in memory, each under a token that nobody but its page knows.

A token stands for a conversation as it is after one question, and for that alone: where a tab was duplicated, each of
the two goes on by itself. The number is bounded. When there are too many, the address that has the most gives up its
oldest, so that nobody can drive out the conversations of others by having many.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from assistant.web.chat.exchanges import Conversation
from assistant.web.shared_stream import SharedStream

KEPT_SECONDS = 3600
"""From a question on."""
MOST = 10_000
"""Each takes about 3 kB, since it shares the most with the one that it goes on from."""
_TOKEN_BYTES = 16

_Update = TypeVar("_Update")


@dataclass(slots=True, weakref_slot=True, eq=False)
class Kept(Generic[_Update]):
    """A conversation, and the answer that is being made for it."""

    conversation: Conversation
    """Without the question that is being answered."""
    address: str
    """Whose budget it counts for."""
    before: str = ""
    """The token of the conversation that this one goes on from."""
    token: str = field(default_factory=partial(secrets.token_urlsafe, _TOKEN_BYTES))
    """Nobody guesses it."""
    answering: SharedStream[_Update] | None = None
    """What becomes of the question that is being answered; None while there is none."""
    is_stopped: bool = False
    """Whether a reader wants no more of that."""


class Conversations(Generic[_Update]):
    """Keeps and finds them. One without a question is worth a place only where it goes on from one that was cleared."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        """Take a clock in seconds that never goes back, and how many are kept."""
        self._clock = clock
        self._most = most
        self._kept: dict[str, tuple[Kept[_Update], float]] = {}
        """By token, with the time until which it is kept; the oldest first."""
        self._counts: Counter[str] = Counter()
        """By address."""

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    def keep(self, kept: Kept[_Update]) -> None:
        """Keep one, to be found by its token."""
        self._drop_old()
        self._kept[kept.token] = (kept, self._clock() + KEPT_SECONDS)
        self._counts[kept.address] += 1
        if len(self._kept) > self._most:
            most = max(self._counts.values())
            self.drop(next(token for token, (each, _) in self._kept.items() if self._counts[each.address] == most))

    def find(self, token: str) -> Kept[_Update] | None:
        """Return what is kept under the token; None where nothing is, any more or at all."""
        self._drop_old()
        kept, _ = self._kept.get(token, (None, 0.0))
        return kept

    def drop(self, token: str) -> Kept[_Update] | None:
        """Forget the conversation, but not the one that it goes on from, and return what was kept."""
        kept, _ = self._kept.pop(token, (None, 0.0))
        if kept is not None:
            self._counts[kept.address] -= 1
            if not self._counts[kept.address]:
                del self._counts[kept.address]
        return kept

    def forget(self, token: str) -> None:
        """Forget the conversation with all that it goes on from."""
        while kept := self.drop(token):
            token = kept.before

    def _drop_old(self) -> None:
        now = self._clock()
        while self._kept:
            oldest, (_, until) = next(iter(self._kept.items()))
            if until > now:
                break
            self.drop(oldest)
