"""The passages' vectors on a Chroma server that several machines share.

A collection holds the passages of one archive in all versions that one of its machines may still search; each machine
leaves out what is not its own. So an article that comes or changes is added, and nothing else is touched. A machine
takes the collection that has most of its passages. Where more than half of it is of no use any more, a new one is made,
and what nobody has used for a month is deleted.
"""

from __future__ import annotations

import time
import urllib.parse
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, cast

import httpx

from assistant.errors import ConfigurationError
from assistant.files import sha256
from assistant.search.collection import held, made

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

_UNUSED_SECONDS = 30 * 24 * 60 * 60
"""A collection that no process has used for as long is deleted."""
STAMP_SECONDS = 24 * 60 * 60
"""How often a process notes that it uses its collection."""
_FIRST_ANSWER_SECONDS = 5.0
"""How long it may take to say that it is there."""
_SERVER_SECONDS = 30
"""How long a server may take for one request."""
_SAMPLE = 200
"""By so many of its passages a machine knows its collection."""


def shared_collection(client: Client, names: Sequence[str], recipe: str) -> Collection:
    """Return the collection that has most of these passages, made in the same way; a new one where none has."""
    if found := known_collection(client, names, recipe):
        stamp_use(found)
        return found
    # Named by what it is made for, so that several machines that begin at once make one.
    name = sha256("\n".join([recipe, *names]))
    return made(client, f"articles-{name[:40]}", {"recipe": recipe, "used": time.time()})


def known_collection(client: Client, names: Sequence[str], recipe: str) -> Collection | None:
    """Return the collection that has most of these passages, if one has more than half; delete what is unused."""
    from chromadb.errors import NotFoundError  # noqa: PLC0415 - slow to import

    sample = names[:: max(1, len(names) // _SAMPLE)]
    found = []
    for collection in _ours(client):
        if time.time() - _last_used(collection) > _UNUSED_SECONDS:
            with suppress(NotFoundError):  # Another process may delete it too.
                client.delete_collection(collection.name)
        elif (collection.metadata or {}).get("recipe") == recipe:
            with suppress(NotFoundError):
                share = len(held(collection, sample))
                # Of a part of another archive, and of one that holds mostly what is gone, a new one is made.
                if share > len(sample) / 2 and collection.count() <= 2 * len(names):
                    found.append((share, collection.name, collection))
    return max(found, key=lambda each: each[:2])[2] if found else None


def stamp_use(collection: Collection) -> None:
    """Note that the collection is in use."""
    collection.modify(metadata={**(collection.metadata or {}), "used": time.time()})


def _last_used(collection: Collection) -> float:
    return float(str((collection.metadata or {}).get("used", 0.0)))


def _ours(client: Client) -> list[Collection]:
    return [collection for collection in client.list_collections() if collection.name.startswith("articles-")]


def connected(url: str, resources: ExitStack) -> Client:
    """Return a client of a server, until the resources are closed.

    Raises:
        ConfigurationError: the server does not answer.
    """
    import chromadb  # noqa: PLC0415 - slow to import

    address = urllib.parse.urlsplit(url)
    if not address.hostname:
        raise ConfigurationError(f"ASSISTANT_CHROMA_URL is {url!r}", "it must be of the form http://127.0.0.1:8000")
    secure = address.scheme == "https"
    settings = chromadb.config.Settings(anonymized_telemetry=False)
    try:
        port = address.port or (443 if secure else 8000)
        # Chroma's client waits without end, even while it is made, so we ask first.
        heartbeat = f"{address.scheme}://{address.hostname}:{port}/api/v2/heartbeat"
        httpx.get(heartbeat, timeout=_FIRST_ANSWER_SECONDS).raise_for_status()
        client = cast("Client", chromadb.HttpClient(address.hostname, port, ssl=secure, settings=settings))
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise ConfigurationError(
            f"No Chroma server answers at {url}", "start it with `chroma run`, or unset ASSISTANT_CHROMA_URL"
        ) from error
    resources.callback(client.close)
    # Chroma offers neither a time limit nor a way to close the connections of its two parts.
    for part in (client, client._admin_client):  # noqa: SLF001
        session: httpx.Client = cast("Any", part)._server._session  # noqa: SLF001
        session.timeout = httpx.Timeout(_SERVER_SECONDS)
        resources.callback(session.close)
    return client
