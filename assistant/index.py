"""The meaning of every passage, in Chroma: in a folder of this machine, or on a server that is shared.

The article files are the record; the index is a cache that can be rebuilt from them at any time. It is named by a
fingerprint of the articles, the splitter, the embedder and the schema, so an index that does not belong to the corpus
is never searched. A new one is built aside, verified by a child process, sealed with checksums, and put in place in one
step. Where little changed only the changes are built: a small part, beside a large one in which they are hidden.
Vectors of words that an article had before are taken over. Knows nothing of keywords or ranking.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import filelock
import httpx
import numpy as np

from assistant import index_files
from assistant import passages as splitter
from assistant.errors import ConfigurationError, IndexLockedError
from assistant.index_files import Generation, Indexed, Part
from assistant.passages import passages
from assistant.types import Article, Passage

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

logger = logging.getLogger(__name__)

SCHEMA = "3"
BATCH = 1000
_EMBEDDED_AT_ONCE = 64
"""Passages between two reports of progress: two of the batches that the model takes, so that none is smaller."""
_SAMPLE = 200
"""How many passages are looked up by their own vectors to see whether an index works."""
_SAME = 1e-3
"""Cosine distance under which two vectors are the same but for rounding."""
_FOUND = 0.2
"""At least this share of a sample has to find itself: of what is nearly the same a graph of neighbours misses some, a
broken one finds hardly any."""
_SMALL = 0.1
"""A part with changes may be as large as this share of the large part; then one is built of both."""
_BYTES_A_PASSAGE = 8000
"""Disk that a passage takes while it is indexed: vector, graph and SQLite, with room for copies and some to spare."""
_BYTES_AT_LEAST = 30_000_000
_ABANDONED_SECONDS = 24 * 60 * 60
"""A build on a shared server that is older than this was interrupted."""
_UNUSED_SECONDS = 30 * 24 * 60 * 60
"""A collection on a shared server that no process has used for as long is deleted."""
_STAMP_SECONDS = 24 * 60 * 60
"""How often a process notes on a shared server that it uses its collection."""
_CHECK_SECONDS = 600
"""How long opening and searching a new part may take before it counts as damaged."""
_SERVER_SECONDS = 30
"""How long a server may take for one request."""
_COLLECTION = "articles"
_HNSW = {"space": "cosine", "ef_construction": 400, "ef_search": 400, "max_neighbors": 48}
"""The defaults miss exact matches in clustered data."""
_LARGE = 50_000
"""With more passages than this the graph is made with half the care, which takes half the time."""
_SYNCED = 20_000
"""After how many passages, about, Chroma writes its graph and forgets its log, which it reads at every addition."""
_FEW = 40
"""An article with less than this part of all passages is compared passage by passage: the graph has to pass over all
others to find those of one article, and to fetch a vector takes as long as to pass over so many. Chroma looks at every
passage as well to find those of an article, so they are fetched by their names."""

Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]

Progress = Callable[[int, int], None]
"""Called with the passages embedded and the passages to embed."""


class NamedEmbeddings(Protocol):
    """What the index needs of an embedder; the name goes into the fingerprint."""

    name: str

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector a text, in the order of the texts."""
        ...


_VectorsOf = Callable[[Sequence[Passage]], tuple[dict[str, np.ndarray], int]]
"""Returns the vectors of passages by id, and how many of them had to be embedded."""

_Trial = Callable[[Path, Part], bool]
"""Returns whether enough of a sample of a part's passages is found by itself, in the place to which it was brought."""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What opening the index had to do."""

    fingerprint: str
    articles: int
    passages: int
    embedded: int
    """Passages whose vector was computed now; 0 when nothing changed."""


@dataclass(frozen=True, slots=True)
class _Searched:
    """An open collection, by id the articles that are to be found in it, and those that are not any more."""

    collection: Collection
    passages: int
    articles: Mapping[str, Article]
    hidden: frozenset[str] = frozenset()

    def search(self, vector: list[float], limit: int, article: str | None) -> dict[str, float]:
        """Return the cosine similarity of the nearest passages by id, at least so many where there are."""
        if article:
            if article not in self.articles:
                return {}
            names = _names_of_passages(self.articles[article])
            if len(names) * _FEW < self.passages:
                return self._compared(vector, names)
        asked = min(limit, self.passages)
        while asked:
            found = self.collection.query(
                query_embeddings=[vector],  # type: ignore[arg-type]
                n_results=asked,
                where={"article": article} if article else None,
                include=["distances"],
            )
            similarities = {
                passage: 1.0 - distance
                for passage, distance in zip(found["ids"][0], (found["distances"] or [[]])[0], strict=True)
                if passage.rpartition(":")[0] not in self.hidden
            }
            if len(similarities) >= limit or len(found["ids"][0]) < asked or asked == self.passages:
                return similarities
            asked = min(2 * asked, self.passages)
        return {}

    def _compared(self, vector: list[float], names: list[str]) -> dict[str, float]:
        """Return the cosine similarity of the passages with these ids."""
        stored = self.collection.get(ids=names, include=["embeddings"])
        vectors = np.asarray(stored["embeddings"], dtype=np.float32).reshape(-1, len(vector))
        similarities = vectors @ vector / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(vector))
        return dict(zip(stored["ids"], similarities.tolist(), strict=True))


class VectorIndex:
    """An open index; close it to release the folder."""

    def __init__(
        self,
        searched: Sequence[_Searched],
        report: IndexReport,
        resources: ExitStack,
        stamp: Callable[[], object] = lambda: None,
    ) -> None:
        """Take what `open_index` opened; closing the resources closes the clients and releases the lock.

        `stamp` is called once a day while the index is searched.
        """
        self._searched = searched
        self._resources = resources
        self._stamp = stamp
        self._stamped = time.monotonic()
        self.report = report

    def search(self, vector: list[float], limit: int, article: str | None = None) -> dict[str, float]:
        """Return the cosine similarity of the nearest passages by id, best first, of one article where one is named."""
        if time.monotonic() - self._stamped > _STAMP_SECONDS:
            self._stamped = time.monotonic()
            self._stamp()
        found: dict[str, float] = {}
        for searched in self._searched:
            found |= searched.search(vector, limit, article)
        return dict(sorted(found.items(), key=lambda hit: -hit[1])[:limit])

    def close(self) -> None:
        """Close the database and let another process use the folder; closing twice does nothing."""
        self._resources.close()


@lru_cache(maxsize=1000)
def _names_of_passages(article: Article) -> list[str]:
    return [passage.id for passage in passages(article)]


def fingerprint(articles: Iterable[Article], embedder: str) -> str:
    """Return the SHA-256, in hexadecimal, of everything that the vectors depend on."""
    digest = hashlib.sha256(f"{_recipe(embedder)}\n".encode())
    for article in sorted(articles, key=lambda article: article.id):
        digest.update(f"{article.id} {_digest(article.text)}\n".encode())
    return digest.hexdigest()


def open_index(
    articles: Sequence[Article],
    embedder: NamedEmbeddings,
    folder: Path,
    url: str = "",
    progress: Progress = lambda done, total: None,
) -> VectorIndex:
    """Open the index of these articles, in `folder` or on the Chroma server at `url`; build what is missing.

    Raises:
        IndexLockedError: another process uses the folder.
        ConfigurationError: the folder cannot be written, or the server does not answer.
    """
    with _named_errors(url or str(folder), shared=bool(url)), ExitStack() as resources:
        if url:
            return _on_server(articles, embedder, url, progress, resources)
        resources.callback(_locked(folder).release)
        return _in_folder(articles, embedder, folder, progress, resources)


def check_server(articles: Sequence[Article], embedder: str, url: str) -> None:
    """See whether a Chroma server has the index of these articles and finds in it what it should.

    Raises:
        ConfigurationError: it does not answer, or has not.
    """
    with _named_errors(url, shared=True), ExitStack() as resources:
        client = _server_client(url, resources)
        name = _name_on_server(fingerprint(articles, embedder))
        wanted = [passage for article in articles for passage in passages(article)]
        if name not in _names(client) or not _holds(client.get_collection(name, embedding_function=None), wanted):
            raise ConfigurationError(
                f"The server at {url} has no index of these articles: run python -m assistant index"
            )


def lock_holder(folder: Path) -> str:
    """Return the number of the process that has the index in a folder open; empty when none has.

    Raises:
        OSError: the lock file cannot be opened.
    """
    if not (folder / "index.lock").exists():
        return ""
    lock = filelock.FileLock(folder / "index.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return _holder(folder)
    lock.release()
    return ""


def differences(articles: Iterable[Article], embedder: str, generation: Generation) -> list[str]:
    """Return why the generation is not the index of these articles, each in a few words; nothing when it is."""
    if generation.recipe != _recipe(embedder):
        return ["it was built with another embedding model, splitter or schema"]
    wanted, indexed = {article.id: _digest(article.text) for article in articles}, generation.articles
    return [
        *(f"the article {article} was added" for article in sorted(wanted.keys() - indexed.keys())),
        *(f"the article {article} was taken away" for article in sorted(indexed.keys() - wanted.keys())),
        *(
            f"the article {article} was changed"
            for article in sorted(wanted.keys() & indexed.keys())
            if wanted[article] != indexed[article]
        ),
    ]


def damage(folder: Path, part: Part, place: Path) -> list[str]:
    """Bring a part to `place` and return what is wrong with it, each in a few words; nothing when it can be searched.

    Its files must be as they were sealed, and enough of a sample of its passages be found by itself: a child process
    tries, since damage may kill the process that meets it.

    Raises:
        OSError: there is no room for it.
    """
    with _trial() as finds_its_own:
        return _damage(folder, part, place, finds_its_own)


# In a folder


def _in_folder(
    articles: Sequence[Article], embedder: NamedEmbeddings, folder: Path, progress: Progress, resources: ExitStack
) -> VectorIndex:
    index_files.tidy(folder)
    resources.callback(shutil.rmtree, folder / "open", ignore_errors=True)
    by_id = {article.id: article for article in articles}
    # A part whose vectors were taken over stays open until it is opened again, so that its graph is read once.
    with ExitStack() as borrowed:
        generation, embedded = _brought_up_to_date(articles, embedder, folder, progress, borrowed)
        searched = [
            _Searched(
                _opened(folder, part, resources),
                part.passages,
                {name: by_id[name] for name in part.visible},
                frozenset(part.hidden),
            )
            for part in generation.parts
        ]
    index_files.tidy(folder, in_use=generation)
    report = IndexReport(generation.fingerprint, len(articles), generation.passages, embedded)
    return VectorIndex(searched, report, resources.pop_all())


def _brought_up_to_date(
    articles: Sequence[Article], embedder: NamedEmbeddings, folder: Path, progress: Progress, borrowed: ExitStack
) -> tuple[Generation, int]:
    """Return the generation of these articles, its parts ready to open, and how many passages were embedded for it."""
    wanted = fingerprint(articles, embedder.name)
    sound: list[Generation] = []
    for generation in index_files.generations(folder):
        if generation.recipe != _recipe(embedder.name) or not _is_sound(folder, generation):
            continue
        if generation.fingerprint == wanted:
            if sound or generation.chroma != _chroma():
                index_files.switch(folder, replace(generation, chroma=_chroma()))
            return generation, 0
        sound.append(generation)

    def vectors_of(wanted: Sequence[Passage]) -> tuple[dict[str, np.ndarray], int]:
        vectors = _taken_over(wanted, folder, sound, borrowed)
        return vectors, _embed_missing(wanted, vectors, embedder, progress)

    parts, embedded = _parts(articles, embedder.name, folder, sound, vectors_of)
    generation = Generation(wanted, _recipe(embedder.name), _chroma(), parts)
    index_files.switch(folder, generation)
    return generation, embedded


def _is_sound(folder: Path, generation: Generation) -> bool:
    """Whether the files are as they were sealed; what another release of Chroma sealed is searched as well.

    Leaves each part that is ready to open.
    """
    found: list[str] = []
    for part in generation.parts:
        place = _place(folder, part)
        if place.exists():
            continue
        found += index_files.working_copy(folder, part, place)
        if not found and generation.chroma != _chroma():
            with _trial() as finds_its_own:
                if not finds_its_own(place, part):
                    found.append(f"this release of Chroma cannot search {part.name}")
    if found:
        logger.warning("The index is damaged and will be built anew: %s", "; ".join(found))
    return not found


def _parts(
    articles: Sequence[Article], embedder: str, folder: Path, sound: Sequence[Generation], vectors_of: _VectorsOf
) -> tuple[tuple[Part, ...], int]:
    """Build what the sound generations lack; return the parts of the new one and how many passages were embedded."""
    if sound:
        large = sound[0].parts[0]
        digests = {article.id: _digest(article.text) for article in articles}
        hidden = tuple(name for name, indexed in large.articles.items() if digests.get(name) != indexed.digest)
        kept = large.articles.keys() - set(hidden)
        changed = [passage for article in articles if article.id not in kept for passage in passages(article)]
        large = replace(large, hidden=hidden)
        if len(changed) + large.hidden_passages <= _SMALL * large.passages:
            if not changed:
                return (large,), 0
            small, embedded = _built(changed, embedder, folder, vectors_of)
            return (large, small), embedded
    everything = [passage for article in articles for passage in passages(article)]
    part, embedded = _built(everything, embedder, folder, vectors_of)
    return (part,), embedded


def _built(wanted: list[Passage], embedder: str, folder: Path, vectors_of: _VectorsOf) -> tuple[Part, int]:
    """Build a part aside, seal it and verify it; return it and how many passages had to be embedded."""
    _check_room(folder, len(wanted))
    with _trial() as finds_its_own:
        vectors, embedded = vectors_of(wanted)
        building = index_files.building_folder(folder)
        try:
            with ExitStack() as resources:
                client = _client(building, resources)
                _fill(_created(client, _COLLECTION, embedder, len(wanted)), wanted, vectors)
            name = secrets.token_hex(8)
            part = Part(name, _indexed(wanted), (), index_files.seal(folder, name))
        finally:
            shutil.rmtree(building, ignore_errors=True)
        found = _damage(folder, part, _place(folder, part), finds_its_own)
    if found:
        raise RuntimeError(f"the index that was just built does not work: {'; '.join(found)}")
    return part, embedded


def _check_room(folder: Path, passages_to_write: int) -> None:
    need = _BYTES_AT_LEAST + _BYTES_A_PASSAGE * passages_to_write
    free = shutil.disk_usage(folder).free
    if free < need:
        raise ConfigurationError(
            f"The index needs about {need / 1e6:.0f} MB, and {folder} has {free / 1e6:.0f} MB: "
            "make room there, or set ASSISTANT_DATA to another folder"
        )


def _taken_over(
    wanted: Sequence[Passage], folder: Path, sound: Sequence[Generation], borrowed: ExitStack
) -> dict[str, np.ndarray]:
    """Return the vectors, by passage id, that the parts of the sound generations already hold."""
    taken: dict[str, np.ndarray] = {}
    for part in {part.name: part for generation in sound for part in generation.parts}.values():
        lacking = [passage for passage in wanted if passage.article.id in part.articles and passage.id not in taken]
        if lacking:
            taken |= _stored(_opened(folder, part, borrowed), lacking)
    return taken


def _opened(folder: Path, part: Part, resources: ExitStack) -> Collection:
    return _client(_place(folder, part), resources).get_collection(_COLLECTION, embedding_function=None)


def _place(folder: Path, part: Part) -> Path:
    return folder / "open" / part.name


def _damage(folder: Path, part: Part, place: Path, finds_its_own: _Trial) -> list[str]:
    if found := index_files.working_copy(folder, part, place):
        return found
    return [] if finds_its_own(place, part) else [f"Chroma cannot search {folder / 'parts' / part.name}"]


@contextmanager
def _trial() -> Iterator[_Trial]:
    """Start a child process, and yield a function that lets it try the part in a place, once.

    It takes most of its time to load Chroma, which it does until the part is there.
    """
    project = Path(__file__).resolve().parents[1]
    silent = subprocess.DEVNULL
    command = [sys.executable, "-m", "assistant.index"]
    with subprocess.Popen(command, cwd=project, stdin=subprocess.PIPE, stdout=silent, stderr=silent) as child:  # noqa: S603

        def finds_its_own(place: Path, part: Part) -> bool:
            try:
                child.communicate(json.dumps([str(place.absolute()), part.passages]).encode(), timeout=_CHECK_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
            return child.wait() == 0

        try:
            yield finds_its_own
        finally:
            child.kill()


def _indexed(wanted: Sequence[Passage]) -> dict[str, Indexed]:
    articles = {passage.article.id: passage.article for passage in wanted}
    counts = Counter(passage.article.id for passage in wanted)
    return {name: Indexed(_digest(articles[name].text), count) for name, count in counts.items()}


# On a server


def _on_server(
    articles: Sequence[Article], embedder: NamedEmbeddings, url: str, progress: Progress, resources: ExitStack
) -> VectorIndex:
    client = _server_client(url, resources)
    wanted = [passage for article in articles for passage in passages(article)]
    known_as = fingerprint(articles, embedder.name)
    name = _name_on_server(known_as)
    if name in _names(client) and not _holds(client.get_collection(name, embedding_function=None), wanted):
        client.delete_collection(name)
    embedded = 0
    if name not in _names(client):
        embedded = _built_on_server(client, name, wanted, embedder, progress)
    collection = client.get_collection(name, embedding_function=None)
    _stamp_use(collection)
    _forget_unused(client, name)
    report = IndexReport(known_as, len(articles), len(wanted), embedded)
    searched = [_Searched(collection, len(wanted), {passage.article.id: passage.article for passage in wanted})]
    return VectorIndex(searched, report, resources.pop_all(), lambda: _stamp_use(collection))


def _built_on_server(
    client: Client, name: str, wanted: list[Passage], embedder: NamedEmbeddings, progress: Progress
) -> int:
    """Build under another name, verify, rename; return how many passages had to be embedded."""
    vectors: dict[str, np.ndarray] = {}
    for older in client.list_collections():
        if older.name.startswith("articles-") and (older.metadata or {}).get("recipe") == _recipe(embedder.name):
            vectors |= _stored(older, [passage for passage in wanted if passage.id not in vectors])
    embedded = _embed_missing(wanted, vectors, embedder, progress)
    # Several processes may build on one server at once, so each has a name of its own.
    building = f"building-{name}-{secrets.token_hex(8)}"
    collection = _created(client, building, embedder.name, len(wanted))
    _fill(collection, wanted, vectors)
    if not _holds(collection, wanted):
        client.delete_collection(building)
        raise RuntimeError("the index that was just built does not find its own passages")
    if name in _names(client):  # Another process was faster.
        client.delete_collection(building)
    else:
        collection.modify(name=name)
    return embedded


def _stamp_use(collection: Collection) -> None:
    collection.modify(metadata={**(collection.metadata or {}), "used": time.time()})


def _forget_unused(client: Client, name: str) -> None:
    """Delete what an interrupted build left, and collections of ours that nobody has used for a month."""
    for collection in client.list_collections():
        noted = collection.metadata or {}
        idle = time.time() - float(str(noted.get("used", noted.get("started", 0.0))))
        patience = {"building": _ABANDONED_SECONDS, "articles": _UNUSED_SECONDS}.get(collection.name.partition("-")[0])
        is_ours = collection.name.startswith(("articles-", "building-articles-")) and collection.name != name
        if is_ours and patience is not None and idle > patience:
            client.delete_collection(collection.name)


def _holds(collection: Collection, wanted: list[Passage]) -> bool:
    """Whether the collection has as many passages as wanted, and enough of a sample of them finds itself."""
    if collection.count() != len(wanted):
        return False
    sample = [passage.id for passage in wanted[:: max(1, len(wanted) // _SAMPLE)]]
    if not sample:
        return True
    stored = collection.get(ids=sample, include=["embeddings"])
    vectors = np.asarray(stored["embeddings"], dtype=np.float32)
    return len(stored["ids"]) == len(sample) and _find_themselves(collection, vectors)


def _name_on_server(known_as: str) -> str:
    return f"articles-{known_as[:40]}"


def _names(client: Client) -> set[str]:
    return {collection.name for collection in client.list_collections()}


def _server_client(url: str, resources: ExitStack) -> Client:
    import chromadb  # noqa: PLC0415 - slow to import

    address = urllib.parse.urlsplit(url)
    if not address.hostname:
        raise ConfigurationError(f"ASSISTANT_CHROMA_URL is {url!r}: it must be of the form http://127.0.0.1:8000")
    secure = address.scheme == "https"
    settings = chromadb.config.Settings(anonymized_telemetry=False)
    try:
        port = address.port or (443 if secure else 8000)
        # Chroma's client waits without end, even while it is made, so we ask first.
        httpx.get(f"{address.scheme}://{address.hostname}:{port}/api/v2/heartbeat").raise_for_status()
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


# Anywhere


def _created(client: Client, name: str, embedder: str, passages_in_it: int) -> Collection:
    hnsw: dict[str, object] = {**_HNSW, "sync_threshold": max(1, passages_in_it // _shares(passages_in_it))}
    if passages_in_it > _LARGE:
        hnsw["ef_construction"] = 200
    return client.create_collection(
        name,
        embedding_function=None,
        configuration={"hnsw": hnsw},  # type: ignore[arg-type]
        metadata={"recipe": _recipe(embedder), "started": time.time()},
    )


def _embed_missing(
    wanted: Iterable[Passage], vectors: dict[str, np.ndarray], embedder: NamedEmbeddings, progress: Progress
) -> int:
    """Add the vectors of the passages that have none; return how many those were."""
    # Texts of like length are embedded together, or the short ones would be padded to the longest.
    missing = sorted(
        (passage for passage in wanted if passage.id not in vectors), key=lambda passage: passage.start - passage.end
    )
    for start in range(0, len(missing), _EMBEDDED_AT_ONCE):
        batch = missing[start : start + _EMBEDDED_AT_ONCE]
        computed = np.asarray(embedder.embed_documents([passage.text for passage in batch]), dtype=np.float32)
        vectors |= dict(zip((passage.id for passage in batch), computed, strict=True))
        progress(start + len(batch), len(missing))
    return len(missing)


def _shares(passages_in_it: int) -> int:
    """Return how often Chroma writes its graph while so many passages are added."""
    return max(1, math.ceil(passages_in_it / _SYNCED))


def _fill(collection: Collection, wanted: Sequence[Passage], vectors: Mapping[str, np.ndarray]) -> None:
    # Each share ends where Chroma writes its graph: what was left over would be added anew whenever it is opened.
    for share in np.array_split(np.arange(len(wanted)), _shares(len(wanted))):
        for numbers in (share[start : start + BATCH] for start in range(0, len(share), BATCH)):
            batch = [wanted[number] for number in numbers]
            collection.add(
                ids=[passage.id for passage in batch],
                embeddings=[vectors[passage.id] for passage in batch],
                metadatas=[{"article": passage.article.id, "digest": _digest(passage.text)} for passage in batch],
            )


def _stored(collection: Collection, wanted: Sequence[Passage]) -> dict[str, np.ndarray]:
    """Return the vectors, by id, of the passages whose words the collection holds somewhere in the same article."""
    held: dict[tuple[object, object], np.ndarray] = {}
    seen: set[str] = set()
    for start in range(0, len(wanted), BATCH):
        articles = {passage.article.id for passage in wanted[start : start + BATCH]} - seen
        if not articles:
            continue
        seen |= articles
        page = collection.get(where={"article": {"$in": sorted(articles)}}, include=["embeddings", "metadatas"])  # type: ignore[dict-item]
        vectors = np.asarray(page["embeddings"], dtype=np.float32)
        entries: Sequence[Mapping[str, object]] = page["metadatas"] or []
        held |= {(entry["article"], entry["digest"]): vector for entry, vector in zip(entries, vectors, strict=True)}
    return {passage.id: held[key] for passage in wanted if (key := (passage.article.id, _digest(passage.text))) in held}


def _find_themselves(collection: Collection, vectors: Vectors) -> bool:
    """Whether enough of the vectors, which the collection holds, are found by themselves."""
    if not np.isfinite(vectors).all():
        return False
    found = collection.query(query_embeddings=vectors, n_results=1, include=["distances"])
    # Equal texts have equal vectors, so a twin may come first: the distance tells, not the id.
    return sum(bool(row) and row[0] < _SAME for row in found["distances"] or []) >= _FOUND * len(vectors)


def _sample_finds_itself(database: Path, passages_in_it: int) -> bool:
    with ExitStack() as resources:
        collection = _client(database, resources).get_collection(_COLLECTION, embedding_function=None)
        if collection.count() != passages_in_it:
            return False
        pages, size = 10, _SAMPLE // 10
        sample: dict[str, np.ndarray] = {}
        for number in range(pages):
            page = collection.get(limit=size, offset=number * passages_in_it // pages, include=["embeddings"])
            sample |= dict(zip(page["ids"], np.asarray(page["embeddings"], dtype=np.float32), strict=True))
        return not sample or _find_themselves(collection, np.array(list(sample.values())))


def _client(database: Path, resources: ExitStack) -> Client:
    import chromadb  # noqa: PLC0415 - slow to import

    settings = chromadb.config.Settings(anonymized_telemetry=False)
    client = cast("Client", chromadb.PersistentClient(str(database), settings=settings))
    resources.callback(client.close)
    return client


@contextmanager
def _named_errors(place: str, *, shared: bool) -> Iterator[None]:
    from chromadb.errors import ChromaError  # noqa: PLC0415 - slow to import

    try:
        yield
    except (OSError, ChromaError, httpx.HTTPError) as error:
        cure = "look at the server's log" if shared else "make room there, or set ASSISTANT_DATA to another folder"
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(f"The index at {place} cannot be used ({reason}): {cure}") from error


def _locked(folder: Path) -> filelock.BaseFileLock:
    """Return a lock on the folder that is already held.

    Raises:
        IndexLockedError: another process holds it.
        ConfigurationError: the folder cannot be written.
    """
    holder = folder / "index.pid"
    lock = filelock.FileLock(folder / "index.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        holder.write_text(str(os.getpid()))
    except filelock.Timeout as error:
        raise IndexLockedError(
            f"The index in {folder} is in use by process {_holder(folder)}: "
            "stop it, or set ASSISTANT_DATA to another folder"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} cannot be written ({error.strerror}): set ASSISTANT_DATA to another one"
        ) from error
    return lock


def _holder(folder: Path) -> str:
    file = folder / "index.pid"
    return file.read_text() if file.exists() else "unknown"


def _chroma() -> str:
    return metadata.version("chromadb")


def _recipe(embedder: str) -> str:
    source = Path(splitter.__file__).read_bytes()
    return f"schema {SCHEMA}, splitter {hashlib.sha256(source).hexdigest()[:16]}, embedder {embedder}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    import chromadb.api.rust  # noqa: F401 - slow to import, so before the part is there

    if asked := sys.stdin.buffer.read():
        database, passages_in_it = json.loads(asked)
        sys.exit(not _sample_finds_itself(Path(database), passages_in_it))
