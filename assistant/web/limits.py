"""How often an address may ask, and whose question is next: a token bucket each, and one queue for all.

Time is monotonic, so that a clock which is set gives and takes nothing. What is remembered is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from cachetools import LRUCache

from assistant.settings import Networks

BURST = 5
"""How many questions may follow each other at once, where the minute allows so many."""
MAX_CLIENTS = 50_000
"""Of more, those who were not seen longest are forgotten; each takes about 200 bytes."""

_MOMENT = 1e-6
"""Seconds that are a matter of rounding."""

UNKNOWN = "unknown"
"""All whose address makes no sense share one budget, so that making one up gains nothing."""


def client_key(address: str) -> str:
    """Return what a budget belongs to: an IPv4 address, or the /64 network of an IPv6 one, since each home has that."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed), 64), strict=False))
    return str(parsed or UNKNOWN)


def is_in(address: str, among: Networks) -> bool:
    """Whether the address is in one of the networks."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in among)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """Return the address, one of IPv4 also where IPv6 has it; None for what makes no sense."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


class Budgets:
    """A token bucket for each client, for the minute and for the hour."""

    def __init__(
        self,
        per_minute: int,
        per_hour: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        burst: int = BURST,
        clients: int = MAX_CLIENTS,
    ) -> None:
        """Take how many are allowed, 0 for any number, and how many of a minute's may follow each other at once.

        `clock` is in seconds and never goes back.
        """
        limits = ((per_minute, 60, min(per_minute, burst)), (per_hour, 3600, per_hour))
        self._buckets = [(seconds / limit, size) for limit, seconds, size in limits if limit]
        """In how many seconds a token comes, and how many there can be."""
        self._clock = clock
        self._full_at: LRUCache[str, list[float]] = LRUCache(clients)
        """By client, when each bucket is full again."""

    def take(self, client: str) -> int:
        """Take one token and return 0; or return in how many whole seconds there will be one."""
        now = self._clock()
        full_at = [max(now, at) for at in self._full_at.get(client) or [now] * len(self._buckets)]
        pairs = list(zip(self._buckets, full_at, strict=True))
        missing = max((at - now - (size - 1) * seconds for (seconds, size), at in pairs), default=0.0)
        wait = max(0, math.ceil(missing - _MOMENT))
        if not wait:
            full_at = [at + seconds for (seconds, _), at in pairs]
        self._full_at[client] = full_at
        return wait

    def used(self, client: str) -> int:
        """Return how many of the first bucket's tokens are taken and not there again; 0 where there is no limit."""
        full_at = self._full_at.get(client) or [0.0]
        return max([0, *(math.ceil((full_at[0] - self._clock()) / seconds) for seconds, _ in self._buckets[:1])])


@dataclass(eq=False)
class Place:
    """A place in the line; `ahead` is how many must finish first, 0 when it is our turn."""

    ahead: int
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, seconds: float) -> None:
        """Return when the line has moved, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.moved.wait()
        self.moved.clear()


class Line:
    """Serves so many at once, in the order in which they came, and lets so many wait. For one event loop."""

    def __init__(self, at_once: int, waiting: int) -> None:
        """Take how many are served at once, and how many may wait."""
        self._at_once = at_once
        self.room = at_once + waiting
        """How many can be served or wait."""
        self._places: list[Place] = []

    def __len__(self) -> int:
        """Return how many are served or wait."""
        return len(self._places)

    def join(self) -> Place | None:
        """Return a place at the end; None where the line is full."""
        if len(self._places) >= self.room:
            return None
        place = Place(max(0, len(self._places) + 1 - self._at_once))
        self._places.append(place)
        return place

    def leave(self, place: Place) -> None:
        """Give the place up; those behind it move up."""
        self._places.remove(place)
        for index, other in enumerate(self._places):
            other.ahead = max(0, index + 1 - self._at_once)
            other.moved.set()
