"""The index on a Chroma server that several processes share.

A collection is named by the fingerprint of its articles, so what it has to hold is known, and several processes may
fill it at once, since what is there already stays as it is. Collections of other articles lend the vectors of texts
that they share, and are deleted when nobody has used them for a month. Knows nothing of the folder of this machine.
"""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, cast

import httpx
import numpy as np

from assistant.articles.passages import passages
from assistant.errors import ConfigurationError
from assistant.search.collection import BATCH, digest, fill, fingerprint, holds, made, named_errors, recipe
from assistant.search.vectors import NamedEmbeddings, Progress, Vector, embedded
from assistant.types import Article, Passage

if TYPE_CHECKING:
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


def open_on_server(
    articles: Sequence[Article], embedder: NamedEmbeddings, client: Client, progress: Progress
) -> tuple[Collection, int]:
    """Return the collection of these articles, whole, and how many texts had to be embedded for it."""
    wanted = [passage for article in articles for passage in passages(article)]
    name = _name(articles, embedder.name)
    count = 0
    for _ in range(2):
        collection = made(client, len(wanted), name, {"recipe": recipe(embedder.name), "used": time.time()})
        if collection.count() != len(wanted):
            vectors, count = _vectors_of(wanted, client, embedder, progress)
            fill(collection, wanted, vectors)
        if _is_whole(collection, wanted):
            stamp_use(collection)
            _forget_unused(client, name)
            return collection, count
        client.delete_collection(name)
    raise RuntimeError("the index that was just built does not find its own passages")


def check_server(articles: Sequence[Article], embedder: str, url: str) -> None:
    """See whether a Chroma server has the index of these articles and finds in it what it should.

    Raises:
        ConfigurationError: it does not answer, or has not.
    """
    with named_errors(url, shared=True), ExitStack() as resources:
        client = connected(url, resources)
        name = _name(articles, embedder)
        wanted = [passage for article in articles for passage in passages(article)]
        collection = next((each for each in _ours(client) if each.name == name), None)
        if collection is None or not _is_whole(collection, wanted):
            raise ConfigurationError(
                f"The server at {url} has no index of these articles: run python -m assistant index"
            )


def stamp_use(collection: Collection, seconds_ago: float = 0.0) -> None:
    """Note when the collection was in use."""
    collection.modify(metadata={**(collection.metadata or {}), "used": time.time() - seconds_ago})


def leave(collection: Collection) -> None:
    """Let the collection be deleted after two days, unless another process notes that it uses it."""
    stamp_use(collection, _UNUSED_SECONDS - 2 * STAMP_SECONDS)


def _last_used(collection: Collection) -> float:
    return float(str((collection.metadata or {}).get("used", 0.0)))


def _ours(client: Client) -> list[Collection]:
    """Return all collections of articles, first the one that was used last."""
    found = [collection for collection in client.list_collections() if collection.name.startswith("articles-")]
    return sorted(found, key=_last_used, reverse=True)


def _name(articles: Sequence[Article], embedder: str) -> str:
    return f"articles-{fingerprint(articles, embedder)[:40]}"


def _is_whole(collection: Collection, wanted: Sequence[Passage]) -> bool:
    return collection.count() == len(wanted) and holds(collection, wanted)


def _vectors_of(
    wanted: Iterable[Passage], client: Client, embedder: NamedEmbeddings, progress: Progress
) -> tuple[dict[str, Vector], int]:
    """Return the vectors by text: those that our collections of the same recipe hold, and the others embedded."""
    missing = {digest(passage.text): passage.text for passage in wanted}
    vectors: dict[str, Vector] = {}
    # That of the articles before they changed has the most of them.
    for collection in _ours(client):
        if (collection.metadata or {}).get("recipe") == recipe(embedder.name):
            lent = _lent(collection, missing)
            vectors |= lent
            missing = {key: text for key, text in missing.items() if text not in lent}
    for batch in embedded(missing.values(), embedder, progress):
        vectors |= batch
    return vectors, len(missing)


def _lent(collection: Collection, texts: Mapping[str, str]) -> dict[str, Vector]:
    """Return the vectors, by text, that the collection holds of texts that are given by their digests."""
    lent: dict[str, Vector] = {}
    digests = list(texts)
    for start in range(0, len(digests), BATCH):
        batch = digests[start : start + BATCH]
        page = collection.get(where={"digest": {"$in": batch}}, include=["embeddings", "metadatas"])  # type: ignore[dict-item]
        entries: Sequence[Mapping[str, object]] = page["metadatas"] or []
        vectors = np.asarray(page["embeddings"], dtype=np.float32)
        lent |= {texts[str(entry["digest"])]: vector for entry, vector in zip(entries, vectors, strict=True)}
    return lent


def _forget_unused(client: Client, name: str) -> None:
    """Delete collections of ours, but this one, that nobody has used for a month."""
    from chromadb.errors import NotFoundError  # noqa: PLC0415 - slow to import

    for collection in _ours(client):
        if collection.name != name and time.time() - _last_used(collection) > _UNUSED_SECONDS:
            with suppress(NotFoundError):  # Another process may delete it too.
                client.delete_collection(collection.name)


def connected(url: str, resources: ExitStack) -> Client:
    """Return a client of a server, until the resources are closed.

    Raises:
        ConfigurationError: the server does not answer.
    """
    import chromadb  # noqa: PLC0415 - slow to import

    address = urllib.parse.urlsplit(url)
    if not address.hostname:
        raise ConfigurationError(f"ASSISTANT_CHROMA_URL is {url!r}: it must be of the form http://127.0.0.1:8000")
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
            f"No Chroma server answers at {url}: start it with `chroma run`, or unset ASSISTANT_CHROMA_URL"
        ) from error
    resources.callback(client.close)
    # Chroma offers neither a time limit nor a way to close the connections of its two parts.
    for part in (client, client._admin_client):  # noqa: SLF001
        session: httpx.Client = cast("Any", part)._server._session  # noqa: SLF001
        session.timeout = httpx.Timeout(_SERVER_SECONDS)
        resources.callback(session.close)
    return client
