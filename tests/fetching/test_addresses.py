"""What must never be reached: an address that is not public."""

import ipaddress
import itertools
import socket
from typing import Any

import pytest

from assistant.fetching.addresses import is_public
from assistant.fetching.getting import GetError, Getter

PUBLIC = ("8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1")
PRIVATE = (
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),  # noqa: S104 - nothing is bound
    *("224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
    *("2001:0:7f00:1::", "64:ff9b:1::7f00:1"),
)
URLS = (
    *(f"http://{address}/" for address in PRIVATE if ":" not in address),
    *(f"http://[{address}]:8080/x" for address in PRIVATE if ":" in address and "%" not in address),
    *("http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://0/"),
    *("http://localhost/", "http://LOCALHOST:80/", "http://localhost./", "https://inside.test/", "http://both.test/"),
    *("file:///etc/passwd", "ftp://8.8.8.8/", "gopher://8.8.8.8/", "data:text/html,x", "//8.8.8.8/", "http:///x"),
    *("http://8.8.8.8@127.0.0.1/", "http://user:word@8.8.8.8/", "http://[::1/", "http://8.8.8.8:99999/"),
)
NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1"],
    "inside.test": ["10.1.2.3"],
    "both.test": ["8.8.8.8", "10.1.2.3"],
}


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Yield the addresses that are connected to; nothing answers, and names are looked up here."""
    connected: list[str] = []
    of_two_minds = itertools.cycle((["8.8.8.8"], ["127.0.0.1"]))

    def look_up(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        if host == "two-minds.test":
            found = next(of_two_minds)
        elif host in NAMES or host.lower() in NAMES:
            found = NAMES[host.lower()]
        else:
            try:
                found = [str(ipaddress.ip_address(host))]
            except ValueError:
                found = [socket.inet_ntoa(socket.inet_aton(host))]
        return [(0, 0, 0, "", (address, port)) for address in found]

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    return connected


@pytest.mark.parametrize("address", [*PUBLIC, *PRIVATE])
def test_an_address_is_public_where_everybody_can_reach_it(address: str) -> None:
    """In whatever form; one that holds a private one is not."""
    assert is_public(address) is (address in PUBLIC)


@pytest.mark.parametrize("url", URLS)
def test_a_private_host_is_not_reached(reached: list[str], url: str) -> None:
    """Whatever form its address has, nothing is connected to."""
    with Getter(delay=0.0) as getter, pytest.raises(GetError):
        getter.get(url)
    assert reached == []


def test_a_name_that_changes_its_mind_gains_nothing(reached: list[str]) -> None:
    """The address that was looked at is the one that is connected to."""
    for _ in range(4):
        with Getter(delay=0.0) as getter, pytest.raises(GetError):
            getter.get("http://two-minds.test/")
    assert set(reached) == {"8.8.8.8"}


def test_a_host_that_is_named_may_be_private(reached: list[str]) -> None:
    """Only that one."""
    with Getter(["inside.test"], delay=0.0) as getter, pytest.raises(GetError):
        getter.get("http://inside.test/")
    assert reached == ["10.1.2.3"]
