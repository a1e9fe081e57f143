"""How often an address may ask, and whose question is next."""

import asyncio
import ipaddress
import time
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.settings import networks
from assistant.web.limits import BURST, UNKNOWN, Budgets, Line, Place, client_key, is_in


def test_a_burst_is_let_in_and_then_one_by_one() -> None:
    """Some questions may follow each other at once; after them one gets in whenever the minute has room for one."""
    budgets = Budgets(6, 0, lambda: 1000.0)
    assert [budgets.take("a") for _ in range(BURST + 1)] == [0] * BURST + [10]


@given(st.integers(0, 12), st.integers(0, 20), st.lists(st.floats(0, 90), max_size=80))
def test_nobody_gets_more_than_is_allowed_or_waits_longer_than_told(
    per_minute: int, per_hour: int, gaps: list[float]
) -> None:
    """However a client asks, the minute and the hour are kept to; 0 is no limit.

    Who is refused pays nothing for asking again, keeps nobody else out, and is let in after the seconds that are told.
    """
    clock, let_in = Mock(return_value=1000.0), list[float]()
    budgets = Budgets(per_minute, per_hour, clock)
    for number, gap in enumerate(gaps):
        clock.return_value += gap
        if wait := budgets.take("a"):
            assert {budgets.take("a") for _ in range(10)} == {wait}
            assert budgets.take(f"another {number}") == 0
            clock.return_value += wait - 1
            assert budgets.take("a") == 1
            clock.return_value += 1
            assert budgets.take("a") == 0
        let_in.append(clock.return_value)
    for limit, seconds, at_once in ((per_minute, 60, min(per_minute, BURST)), (per_hour, 3600, per_hour)):
        for number, begin in enumerate(let_in) if limit else ():
            assert sum(at < begin + seconds - 0.001 for at in let_in[number:]) <= limit + at_once


def test_what_is_remembered_of_clients_is_bounded() -> None:
    """Of more clients than there is room for, those who were not seen longest are forgotten."""
    budgets = Budgets(1, 0, lambda: 1000.0, clients=3)
    for client in "abc":
        budgets.take(client)
    assert budgets.take("a") > 0
    budgets.take("d")
    assert budgets.take("a") > 0
    assert budgets.take("b") == 0


def test_the_clock_of_the_limits_never_goes_back() -> None:
    """A clock that is set by hand or by the network gives and takes nothing."""
    assert Budgets.__init__.__defaults__ is not None
    assert Budgets.__init__.__defaults__[0] is time.monotonic


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", UNKNOWN),
        ("testclient", UNKNOWN),
        ("192.0.2.7:1234", UNKNOWN),
    ],
)
def test_a_budget_belongs_to_an_address_or_a_home(address: str, key: str) -> None:
    """An IPv6 address counts as its /64 network; what is no address shares one budget with all that is none."""
    assert client_key(address) == key


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_no_address_of_a_home_has_a_budget_of_its_own(address: ipaddress.IPv6Address, host: int) -> None:
    """Whichever address of its /64 network a client takes, the budget is the same."""
    other = ipaddress.IPv6Address(int(address) >> 64 << 64 | host)
    if address.ipv4_mapped is None and other.ipv4_mapped is None:
        assert client_key(str(address)) == client_key(str(other))


@given(st.text())
def test_every_text_belongs_to_some_budget(address: str) -> None:
    """Whatever a proxy says who the client is, there is a budget for it, and nothing is raised."""
    assert client_key(address)
    assert is_in(address, networks("0.0.0.0/0,::/0")) == (client_key(address) != UNKNOWN)


def test_an_address_is_in_a_network_in_its_ipv4_form_too() -> None:
    """What is no address is in none."""
    school = networks("10.0.0.0/8,192.0.2.7,2001:db8::/32")
    asked = ("10.1.2.3", "::ffff:10.1.2.3", "192.0.2.7", "2001:db8::1", "192.0.2.8", "nonsense", "")
    assert [is_in(address, school) for address in asked] == [True] * 4 + [False] * 3


def test_whoever_waits_is_told_at_once() -> None:
    """Waiting ends when the line moves, and when all have left it is empty."""

    async def moves() -> tuple[int, int, int]:
        line = Line(at_once=1, waiting=1)
        first, second = line.join(), line.join()
        assert first
        assert second
        await second.wait(0.01)
        unmoved = second.ahead
        waiting = asyncio.create_task(second.wait(60))
        await asyncio.sleep(0)
        line.leave(first)
        await asyncio.wait_for(waiting, 10)
        left = len(line)
        line.leave(second)
        return unmoved, left, len(line)

    assert asyncio.run(moves()) == (1, 1, 0)


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 3), st.integers(0, 4))
def test_never_more_are_served_than_allowed(steps: list[bool], at_once: int, waiting: int) -> None:
    """Whoever comes and goes, so many are served, in their order; each who leaves lets all behind move on by one."""
    line = Line(at_once, waiting)
    places: list[Place] = []
    for joins in steps:
        if joins:
            place = line.join()
            assert (place is None) == (len(places) == at_once + waiting)
            places += [place] if place else []
        elif places:
            line.leave(places.pop(len(places) // 2))
        assert [place.ahead for place in places] == [max(0, number - at_once) for number in range(1, len(places) + 1)]
        assert len(line) == len(places)
