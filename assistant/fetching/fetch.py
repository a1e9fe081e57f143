"""Bring articles into their folder: pages, and what feeds and sitemaps list, each with what became of it.

A server that watches the folder takes up what has changed by itself. What was saved before is asked for again, so that
a correction is found, and what its publisher took down is deleted here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from assistant.fetching.getting import GetError, Getter, Reply
from assistant.fetching.listing import Listed, listed
from assistant.fetching.saving import Saved, article_page, file_name, read_record, write_record
from assistant.files import sha256, sha256_of, write_whole

_MOST_LISTS = 50
"""So many sitemaps of sitemaps are read for one address."""


class End(StrEnum):
    """What became of an address."""

    SAVED = "saved"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    LISTED = "a list"
    DELETED = "deleted here, since its publisher took it down"
    EDITED = "left alone, since its file was changed here"
    TAKEN_AWAY = "left out, since its file was taken away here"
    NO_ARTICLE = "no article"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An address, what became of it, and the file or the reason."""

    url: str
    end: End
    detail: str = ""

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{self.url}: {self.end}{f' ({self.detail})' if self.detail else ''}"


def fetch(urls: Sequence[str], folder: Path, getter: Getter, most: int) -> Iterator[Outcome]:
    """Bring what stands at the addresses into the folder, at most so many pages of each; yield what became of each.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = read_record(folder)
    seen: set[str] = set()
    for source in urls:
        # What was found before may not be listed any more.
        waiting = deque([Listed(source), *(Listed(url) for url, saved in record.items() if saved.source == source)])
        lists, pages = 0, 0
        while waiting and pages < most:
            each = waiting.popleft()
            if each.url in seen or (each.is_list and lists >= _MOST_LISTS):
                continue
            seen.add(each.url)
            outcome, found = _fetched(each, source, folder, record, getter)
            yield outcome
            lists += outcome.end is End.LISTED
            pages += outcome.end is not End.LISTED
            if lists <= _MOST_LISTS:
                waiting.extendleft(reversed(found))


def _fetched(
    each: Listed, source: str, folder: Path, record: dict[str, Saved], getter: Getter
) -> tuple[Outcome, list[Listed]]:
    """Return what became of an address, and what it lists."""
    saved = record.get(each.url)
    if saved and not (folder / saved.file).exists():
        return Outcome(each.url, End.TAKEN_AWAY, saved.file), []
    try:
        reply = getter.get(each.url, saved.conditions if saved else {})
    except GetError as error:
        return Outcome(each.url, End.FAILED, str(error)), []
    if reply.is_gone:
        return _deleted(each.url, folder, record), []
    if reply.is_unchanged:
        return Outcome(each.url, End.UNCHANGED, saved.file if saved else ""), []
    found = listed(reply.body, reply.url, reply.headers)
    if found is not None:
        return Outcome(each.url, End.LISTED, f"{len(found)} addresses"), found
    return _saved(each, reply, source, folder, record), []


def _deleted(url: str, folder: Path, record: dict[str, Saved]) -> Outcome:
    saved = record.get(url)
    if saved is None:
        return Outcome(url, End.FAILED, "there is nothing at this address")
    if not _is_ours(saved, folder):
        return Outcome(url, End.EDITED, f"{saved.file}; its publisher took it down")
    (folder / saved.file).unlink()
    del record[url]
    write_record(folder, record)
    return Outcome(url, End.DELETED, saved.file)


def _saved(each: Listed, reply: Reply, source: str, folder: Path, record: dict[str, Saved]) -> Outcome:
    saved = record.get(each.url)
    try:
        content = article_page(reply.body, reply.url, reply.headers.get("content-type", ""), each.published)
    except ValueError as error:
        return Outcome(each.url, End.NO_ARTICLE, str(error))
    if saved and not _is_ours(saved, folder):
        return Outcome(each.url, End.EDITED, saved.file)
    name, digest = file_name(each.url), sha256(content)
    end = End.SAVED if saved is None else End.UNCHANGED if saved.sha256 == digest else End.CHANGED
    if end is not End.UNCHANGED:
        write_whole(folder / name, content)
    headers = reply.headers
    new = Saved(name, digest, source, headers.get("etag", ""), headers.get("last-modified", ""))
    if new != saved:
        record[each.url] = new
        write_record(folder, record)
    return Outcome(each.url, end, name)


def _is_ours(saved: Saved, folder: Path) -> bool:
    """Whether a file is as it was written."""
    return sha256_of(folder / saved.file) == saved.sha256
