"""The folder of the embedded index: sealed databases, their checksums, and the file that says which are in use.

    CURRENT.json        what is searched: each part with its articles and the SHA-256 of its files
    PREVIOUS.json       the same for the index before, whose vectors a rebuild can take over
    parts/NAME/         a sealed part: written once, then never again
    stems.txt           counts of the words of each article, which no search needs
    building/           a part that is not sealed yet
    open/               what is searched while the index is open: a copy of the database, to which Chroma writes even
                        when it only reads, and other names for the sealed files of the graph, which it only reads
    check/, check.lock  the same for what `check` tries beside an open index, and the lock of the process that does

Everything becomes visible by a rename, last of all CURRENT.json, so whatever is interrupted leaves the index before in
place, and what it wrote is deleted by the next start. Knows nothing of vectors or of Chroma but the names of its files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import filelock

DATABASE = "chroma.sqlite3"
CURRENT, PREVIOUS = "CURRENT.json", "PREVIOUS.json"


@dataclass(frozen=True, slots=True)
class Indexed:
    """An article in a part: the SHA-256 of its text, and how many passages it has."""

    digest: str
    passages: int


@dataclass(frozen=True, slots=True)
class Part:
    """A sealed database of some articles."""

    name: str
    articles: Mapping[str, Indexed]
    hidden: tuple[str, ...]
    """Articles in it that were changed or taken away since; they are not to be found any more."""
    files: Mapping[str, str]
    """SHA-256 of each file, by its path in the part's folder."""

    @property
    def visible(self) -> dict[str, str]:
        """Digest by article id, of what is to be found."""
        hidden = set(self.hidden)
        return {article: indexed.digest for article, indexed in self.articles.items() if article not in hidden}

    @property
    def passages(self) -> int:
        """How many passages the database holds, the hidden ones among them."""
        return sum(indexed.passages for indexed in self.articles.values())

    @property
    def hidden_passages(self) -> int:
        """How many of them are not to be found."""
        return sum(self.articles[article].passages for article in self.hidden)


@dataclass(frozen=True, slots=True)
class Generation:
    """A whole index: a large part, and where little changed since it was built a small one with the changes."""

    fingerprint: str
    recipe: str
    chroma: str
    """The release of Chroma that is known to open it."""
    parts: tuple[Part, ...]

    @property
    def passages(self) -> int:
        """How many passages can be found."""
        return sum(part.passages - part.hidden_passages for part in self.parts)

    @property
    def articles(self) -> dict[str, str]:
        """Digest by article id, of what can be found."""
        return {article: digest for part in self.parts for article, digest in part.visible.items()}


def generations(folder: Path) -> list[Generation]:
    """Return the current and the previous generation; one whose record is missing or damaged is left out."""
    found = (_read(folder / name) for name in (CURRENT, PREVIOUS))
    return [generation for generation in found if generation is not None]


def building_folder(folder: Path) -> Path:
    """Return an empty folder to build a part in."""
    building = folder / "building"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    return building


def seal(folder: Path, name: str) -> dict[str, str]:
    """Make the closed database in `building` a part, on disk to its last byte, and return its files' SHA-256.

    Raises:
        OSError: there is no room.
    """
    building, part = folder / "building", folder / "parts" / name
    # Chroma may still be closing it in a thread of its own: the copy is of one moment, and without free pages.
    copy = building / "sealed.sqlite3"
    try:
        with closing(sqlite3.connect(building / DATABASE)) as connection:
            connection.execute("VACUUM INTO ?", (str(copy),))
    except sqlite3.Error as error:
        raise OSError(f"The index could not be written: {error}") from error
    copy.replace(building / DATABASE)
    (building / f"{DATABASE}-journal").unlink(missing_ok=True)
    files = {}
    for path in sorted(path for path in building.rglob("*") if path.is_file()):
        _sync(path)
        files[str(path.relative_to(building))] = _sha256(path)
    part.parent.mkdir(exist_ok=True)
    building.replace(part)
    _sync(part.parent)
    return files


def switch(folder: Path, generation: Generation) -> None:
    """Make the generation the current one, and the current one the previous, if it is another."""
    if (current := _read(folder / CURRENT)) is not None and current.fingerprint != generation.fingerprint:
        _write(folder / PREVIOUS, current)
    _write(folder / CURRENT, generation)


def tidy(folder: Path, in_use: Generation | None = None) -> None:
    """Delete what no generation holds, and of what is open what is not in use: the rest of what was interrupted."""
    kept = {part.name for generation in generations(folder) for part in generation.parts}
    opened = {part.name for part in in_use.parts} if in_use else set()
    shutil.rmtree(folder / "building", ignore_errors=True)
    for place, names in ((folder / "parts", kept), (folder / "open", opened)):
        for path in _entries(place):
            if path.name not in names:
                shutil.rmtree(path, ignore_errors=True)
    for name in (CURRENT, PREVIOUS):
        _partial(folder / name).unlink(missing_ok=True)
    if _trial_lock(folder).exists():
        # Who holds it is still at work.
        with suppress(filelock.Timeout), filelock.FileLock(_trial_lock(folder), timeout=0):
            _end_trial(folder)


@contextmanager
def trial_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to try parts in, when no other process has it any more, and delete it afterwards.

    Raises:
        OSError: the folder cannot be written.
    """
    place = folder / "check"
    with filelock.FileLock(_trial_lock(folder)):
        shutil.rmtree(place, ignore_errors=True)  # What a killed process left.
        place.mkdir()
        try:
            yield place
        finally:
            _end_trial(folder)


def working_copy(folder: Path, part: Part, place: Path) -> list[str]:
    """Put a part into the folder `place` to be opened, and return what is wrong with it; then nothing is left there.

    Raises:
        OSError: there is no room.
    """

    def problem(name: str) -> str:
        sealed, target = folder / "parts" / part.name / name, place / name
        if not sealed.is_file():
            return f"{sealed} is missing"
        target.parent.mkdir(parents=True, exist_ok=True)
        if name == DATABASE:
            shutil.copyfile(sealed, target)
        else:
            _link(sealed, target)
        # What was brought is digested, not what was sealed: that is what will be read.
        return "" if _sha256(target) == part.files[name] else f"{sealed} has changed"

    # Neither copying nor digesting holds up the other threads.
    try:
        with ThreadPoolExecutor() as threads:
            found = [said for said in threads.map(problem, part.files) if said]
    except OSError:
        shutil.rmtree(place, ignore_errors=True)
        raise
    if found:
        shutil.rmtree(place, ignore_errors=True)
    return found


def _link(sealed: Path, target: Path) -> None:
    """Give a file of the graph another name; copy it where the file system knows no second names.

    Chroma writes the graph only when passages are added, which never happens to what is sealed. Should another release
    write to it all the same, the checksums tell at the next start.
    """
    try:
        target.hardlink_to(sealed)
    except OSError:
        target.unlink(missing_ok=True)
        shutil.copyfile(sealed, target)


def read_record(path: Path) -> str:
    """Return what `write_record` wrote; empty where that is missing or damaged."""
    try:
        sha256, _, body = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, ValueError):
        return ""
    return body if hashlib.sha256(body.encode()).hexdigest() == sha256 else ""


def write_record(path: Path, body: str) -> None:
    """Write a text with its checksum, whole or not at all.

    Raises:
        OSError: there is no room, or the folder cannot be written.
    """
    partial = _partial(path)
    partial.write_text(f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}", encoding="utf-8")
    _sync(partial)
    partial.replace(path)
    _sync(path.parent)


def _trial_lock(folder: Path) -> Path:
    return folder / "check.lock"


def _end_trial(folder: Path) -> None:
    """Delete the folder, then the lock, which is held: who waits for it sees that it is gone, and makes another."""
    shutil.rmtree(folder / "check", ignore_errors=True)
    _trial_lock(folder).unlink()


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _read(path: Path) -> Generation | None:
    try:
        content: dict[str, Any] = json.loads(read_record(path))
        return Generation(content["fingerprint"], content["recipe"], content["chroma"], tuple(_parts(content["parts"])))
    except (ValueError, KeyError, TypeError):
        return None


def _parts(entries: Iterable[Mapping[str, Any]]) -> Iterator[Part]:
    for entry in entries:
        articles = {article: Indexed(**indexed) for article, indexed in entry["articles"].items()}
        yield Part(entry["name"], articles, tuple(entry["hidden"]), entry["files"])


def _write(path: Path, generation: Generation) -> None:
    write_record(path, json.dumps(asdict(generation)))


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
