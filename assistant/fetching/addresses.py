"""Connections to public addresses alone: a stranger's link must not reach what only this machine can reach.

A name is looked up once, and the address that was looked at is the one that is connected to, so a name that changes its
mind, and a redirect, gain nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Collection, Iterable, Iterator

import httpcore
import httpx

_EMBEDDING = (
    (ipaddress.ip_network("64:ff9b::/96"), 0),
    (ipaddress.ip_network("64:ff9b:1::/48"), 0),
    (ipaddress.ip_network("::/96"), 0),
    (ipaddress.ip_network("2002::/16"), 80),
)
"""Networks of IPv6 whose addresses hold one of IPv4, and how many bits stand behind it: NAT64, the old form, 6to4."""

FAILURES = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)
"""What may go wrong on the way to a host; httpx hands on the errors of a transport that is not its own as they are."""


class NotPublicError(OSError):
    """An address that is not public, and belongs to no host that is named."""


def is_public(address: str) -> bool:
    """Whether everybody can reach an address; one of IPv4 within one of IPv6 counts as well."""
    found = ipaddress.ip_address(address.partition("%")[0])
    counting = [*_embedded(found)] or (found,)
    return all(each.is_global and not each.is_multicast and not each.is_reserved for each in counting)


def _embedded(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.teredo:
        yield from address.teredo
    for network, behind in _EMBEDDING:
        if address in network:
            yield ipaddress.IPv4Address(int(address) >> behind & 0xFFFFFFFF)


class PublicTransport(httpx.BaseTransport):
    """How an `httpx.Client` reaches hosts that are public, and others by their names where these are given.

    One request at a time, each with a connection of its own.
    """

    def __init__(self, private_hosts: Collection[str] = (), seconds: float = 30.0) -> None:
        """Take the names of hosts that may have any address, and how long a connection may live."""
        backend = _PublicBackend(private_hosts, seconds)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(), network_backend=backend, max_keepalive_connections=0
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            NotPublicError: the host has no public address.
            FAILURES: it does not answer; reading the response may raise them too.
        """
        url = request.url
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        asked = httpcore.Request(request.method, target, headers=request.headers.raw, extensions=request.extensions)
        reply = self._pool.handle_request(asked)
        return httpx.Response(reply.status, headers=reply.headers, stream=_Body(reply), extensions=reply.extensions)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, reply: httpcore.Response) -> None:
        self._reply = reply

    def __iter__(self) -> Iterator[bytes]:
        yield from self._reply.iter_stream()

    def close(self) -> None:
        self._reply.close()


class _PublicBackend(httpcore.NetworkBackend):
    def __init__(self, private_hosts: Collection[str], seconds: float) -> None:
        self._seconds = seconds
        self._backend = httpcore.SyncBackend()
        self._private_hosts = frozenset(map(str.lower, private_hosts))

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the host {host} is not known") from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        if host.lower() not in self._private_hosts and not all(map(is_public, addresses)):
            raise NotPublicError(f"the host {host} has an address that is not public")
        deadline = time.monotonic() + self._seconds
        failed: Exception = httpcore.ConnectError(f"the host {host} has no address")
        for address in addresses:
            try:
                stream = self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Timed(stream, deadline)
        raise failed


class _Timed(httpcore.NetworkStream):
    """A connection with an end: a server that sends a byte now and then would hold it for ever."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def _left(self, timeout: float | None) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("it takes too long")
        return left if timeout is None else min(left, timeout)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, self._left(timeout)), self._deadline)
