"""One address on the web -> what stands there: politely, within limits of size and time, and never from a private host.

Asks robots.txt first, waits between two requests to the same host, follows a few redirects, and tells the server what
is here already.
"""

from __future__ import annotations

import time
import urllib.parse
import zlib
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http import HTTPStatus

import httpx
from protego import Protego

from assistant.fetching.addresses import FAILURES, NotPublicError, PublicTransport

AGENT = "article-assistant"
MAX_BYTES = 10_000_000
"""Of one reply, unpacked."""
_MAX_ROBOTS_BYTES = 500_000
_MAX_REDIRECTS = 5
_MAX_DELAY = 60.0
"""Seconds: who asks for more than that between two requests does not want to be read, and is asked no faster."""
_REDIRECTS = (301, 302, 303, 307, 308)
_PACKED = ("gzip", "x-gzip", "deflate")


class GetError(Exception):
    """Nothing can be had from an address; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What stands at an address; no body where it is gone, or where nothing has changed."""

    url: str
    """The last one, where there were redirects."""
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def is_gone(self) -> bool:
        """Whether the server says that nothing stands there any more."""
        return self.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)

    @property
    def is_unchanged(self) -> bool:
        """Whether the server says that it is what it was."""
        return self.status == HTTPStatus.NOT_MODIFIED


class Getter(AbstractContextManager["Getter"]):
    """Gets one address after the other; close it to close its connections."""

    def __init__(self, private_hosts: Collection[str] = (), delay: float = 1.0, seconds: float = 30.0) -> None:
        """Take the hosts that may be private, and the seconds between two requests to a host and for one of them."""
        self._client = httpx.Client(
            transport=PublicTransport(private_hosts, seconds),
            trust_env=False,
            headers={"user-agent": AGENT, "accept-encoding": "gzip"},
            timeout=httpx.Timeout(seconds),
        )
        self._delay = delay
        self._robots: dict[str, Protego | GetError] = {}
        self._asked: dict[str, float] = {}
        """By host, when it was asked last."""

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._client.close()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Return what stands at an address; `headers` may make the request conditional.

        Raises:
            GetError: robots.txt forbids it, the host is not public or does not answer, or the reply is too large, too
                slow or an error.
        """
        reply = self._followed(url, headers or {}, MAX_BYTES, self._allowed)
        if reply.status == HTTPStatus.OK or reply.is_gone or reply.is_unchanged:
            return reply
        raise GetError(f"the server replies with {reply.status}")

    def _followed(self, url: str, headers: Mapping[str, str], most: int, pause: Callable[[str], float]) -> Reply:
        """Return the reply at the end of the redirects; `pause` says how long to wait before each, or raises."""
        for _ in range(_MAX_REDIRECTS + 1):
            self._wait(_origin(url), pause(url))
            reply = self._request(url, headers, most)
            if reply.status not in _REDIRECTS or "location" not in reply.headers:
                return reply
            url = _joined(url, reply.headers["location"])
        raise GetError(f"it leads on more than {_MAX_REDIRECTS} times")

    def _allowed(self, url: str) -> float:
        """Return the seconds between two requests to the host of an address, where robots.txt allows one at all."""
        rules = self._rules(_origin(url))
        if not rules.can_fetch(url, AGENT):
            raise GetError("robots.txt forbids it")
        return min(_MAX_DELAY, max(self._delay, float(rules.crawl_delay(AGENT) or 0.0)))

    def _rules(self, origin: str) -> Protego:
        """Return what robots.txt says: all is allowed where there is none, and nothing where it cannot be had."""
        if origin not in self._robots:
            try:
                self._robots[origin] = self._read_rules(origin)
            except GetError as error:
                self._robots[origin] = error  # Each page of a host that is down would take as long.
        rules = self._robots[origin]
        if isinstance(rules, GetError):
            raise GetError(str(rules))
        return rules

    def _read_rules(self, origin: str) -> Protego:
        reply = self._followed(f"{origin}/robots.txt", {}, _MAX_ROBOTS_BYTES, lambda _: self._delay)
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise GetError(f"robots.txt cannot be had: the server replies with {reply.status}")
        text = reply.body.decode("utf-8", errors="replace") if reply.status == HTTPStatus.OK else ""
        return Protego.parse(text)

    def _wait(self, origin: str, seconds: float) -> None:
        if origin in self._asked:
            time.sleep(max(0.0, self._asked[origin] + seconds - time.monotonic()))
        self._asked[origin] = time.monotonic()

    def _request(self, url: str, headers: Mapping[str, str], most: int) -> Reply:
        try:
            with self._client.stream("GET", url, headers=dict(headers)) as response:
                body = _read(response, most) if response.status_code == HTTPStatus.OK else b""
                return Reply(url, response.status_code, body, {**response.headers})
        except NotPublicError as error:
            raise GetError(str(error)) from error
        except (*FAILURES, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise GetError(f"it cannot be reached ({str(error) or type(error).__name__})") from error


def _read(response: httpx.Response, most: int) -> bytes:
    """Return the body, unpacked by ourselves: a small one may unpack to any size."""
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "", *_PACKED):
        raise GetError(f"it is packed as {coding[:40]!r}")
    raw = bytearray()
    for part in response.iter_raw():
        raw += part
        if len(raw) > most:
            raise GetError(f"it is larger than {most // 1_000_000 or most / 1_000_000} MB")
    return _unpacked(bytes(raw), most) if coding in _PACKED or raw[:2] == b"\x1f\x8b" else bytes(raw)


def _unpacked(packed: bytes, most: int) -> bytes:
    """Return what was packed with gzip or zlib."""
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        body = unpacking.decompress(packed, most)
    except zlib.error as error:
        raise GetError("it is packed, and damaged") from error
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise GetError("it is packed, and unpacks to too much or to no end")
    return body


def _origin(url: str) -> str:
    """Return scheme, host and port of an address, which has to be one of the web, without a password."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise GetError("it is no address of the web") from error
    if parts.scheme not in ("http", "https") or not host:
        raise GetError("it is no address of the web")
    if "@" in parts.netloc:
        raise GetError("it holds a name or a password")
    return f"{parts.scheme}://{parts.netloc}"


def _joined(url: str, location: str) -> str:
    try:
        return urllib.parse.urljoin(url, location)
    except ValueError as error:
        raise GetError("it leads on to no address") from error
