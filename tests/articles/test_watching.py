"""Following a folder of articles: what has changed counts, what is half-written does not."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from shutil import rmtree
from typing import Any
from unittest.mock import patch

import pytest

from assistant.articles import watching
from assistant.articles.reading import Corpus, ReadFile, read_corpus, read_file
from assistant.articles.watching import changes
from assistant.types import Article

WITHIN = 5.0
"""Seconds in which a change must be seen."""


@contextmanager
def followed(
    folder: Path, read: ReadFile = read_file, seconds: float = 2.0, goes_on: Callable[[], bool] = lambda: False
) -> Iterator[SimpleQueue[Corpus]]:
    """Follow a folder in a thread; yield what becomes of its articles, once it has looked at what is there."""
    stop, looked, seen = threading.Event(), threading.Event(), SimpleQueue[Corpus]()
    served, wait = read_corpus(folder), watching._wait

    def waits(*arguments: Any) -> None:  # noqa: ANN401 - whatever it is given
        looked.set()
        wait(*arguments)

    def follow() -> None:
        for corpus in changes(folder, served, stop, read, goes_on):
            seen.put(corpus)

    thread = threading.Thread(target=follow)
    with patch.multiple(watching, _wait=waits, _LOOK_SECONDS=seconds):
        thread.start()
        try:
            assert looked.wait(30)
            yield seen
        finally:
            stop.set()
            thread.join()


def until(seen: SimpleQueue[Corpus], texts: dict[str, str]) -> list[Corpus]:
    """Wait until these are the articles; return all that were seen on the way."""
    way: list[Corpus] = []
    deadline = time.monotonic() + WITHIN
    while not way or texts_of(way[-1]) != texts:
        way.append(seen.get(timeout=max(0.0, deadline - time.monotonic())))
    return way


def texts_of(corpus: Corpus) -> dict[str, str]:
    """Return the texts of its articles, by their ids."""
    return {article.id: article.text for article in corpus.articles}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of two articles."""
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "ferry.txt").write_text("The ferry leaves at nine.")
    (folder / "bridge.txt").write_text("The bridge is closed.")
    return folder


BRIDGE = {"bridge": "The bridge is closed."}
BOTH = {**BRIDGE, "ferry": "The ferry leaves at nine."}


def test_changes_are_seen(folder: Path) -> None:
    """A file that is new, changed, replaced, withdrawn or gone is seen; and so it is where the folder is another."""
    with followed(folder) as seen:
        (folder / "school.txt").write_text("The school opens.")
        until(seen, BOTH | {"school": "The school opens."})
        (folder / "school.txt").unlink()
        until(seen, BOTH)
        (folder / "ferry.txt").write_text("The ferry leaves at ten.")
        until(seen, BRIDGE | {"ferry": "The ferry leaves at ten."})
        (folder / ".new").write_text("The ferry leaves at noon.")
        (folder / ".new").replace(folder / "ferry.txt")
        until(seen, BRIDGE | {"ferry": "The ferry leaves at noon."})
        (folder / "ferry.txt").write_text("---\nwithdrawn: true\n---\nThe ferry leaves at noon.")
        until(seen, BRIDGE)
        folder.rename(folder.with_name("before"))
        folder.mkdir()
        (folder / "ferry.txt").write_text("It leaves.")
        until(seen, {"ferry": "It leaves."})


def test_changes_in_subfolders_are_seen(folder: Path) -> None:
    """As they happen, without waiting for the next look: a file in a folder, also a new one, and a folder that goes."""
    (folder / "2026").mkdir()
    (folder / "2026" / "ferry.txt").write_text("It leaves at eight.")
    with followed(folder, seconds=60.0) as seen:
        (folder / "2026" / "ferry.txt").write_text("It leaves at seven.")
        until(seen, BOTH | {"2026-ferry": "It leaves at seven."})
        (folder / "2026" / "12").mkdir()
        (folder / "2026" / "12" / "school.txt").write_text("The school opens.")
        until(seen, BOTH | {"2026-ferry": "It leaves at seven.", "2026-12-school": "The school opens."})
        (folder / "2026" / "12" / "school.txt").write_text("---\nWithdrawn:\n---\nThe school opens.")
        until(seen, BOTH | {"2026-ferry": "It leaves at seven."})
        (folder / "2026").rename(folder / "2027")
        until(seen, BOTH | {"2027-ferry": "It leaves at seven."})
        rmtree(folder / "2027")
        until(seen, BOTH)


def test_a_link_that_leads_out_is_not_followed(folder: Path) -> None:
    """It is refused and named, also when it takes the place of a file; and looking goes no further than the folder."""
    (folder.parent / "secret.txt").write_text("Secret.")
    with (
        patch.object(watching, "read_corpus", wraps=read_corpus) as reading,
        followed(folder, seconds=0.1) as seen,
    ):
        (folder / "all").symlink_to("/")
        (folder / ".new").symlink_to(folder.parent / "secret.txt")
        (folder / ".new").replace(folder / "ferry.txt")
        assert {problem.file for problem in until(seen, BRIDGE)[-1].problems} == {"ferry.txt", "all"}
        settled = reading.call_count
        time.sleep(1.0)
        assert reading.call_count == settled


def test_a_half_written_file_is_not_served(folder: Path) -> None:
    """While a file is being written, or was deleted to be written anew, what it held before stands."""
    with followed(folder) as seen:
        (folder / "ferry.txt").unlink()
        for end in range(1, 20):
            (folder / "ferry.txt").write_text("The ferry leaves at ten."[:end])
            time.sleep(0.1)
        (folder / "ferry.txt").write_text("The ferry leaves at ten.")
        (corpus,) = until(seen, BRIDGE | {"ferry": "The ferry leaves at ten."})
        assert texts_of(corpus) == BRIDGE | {"ferry": "The ferry leaves at ten."}


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\x81\x81", "UTF-8"), (b"---\nfree: [\n---\nThe bridge is open.", "front matter")]
)
def test_a_file_that_cannot_be_read_any_more_holds_nothing_up(folder: Path, content: bytes, reason: str) -> None:
    """What a restart would not serve is not served, it is told why, and the others are served as they are now."""
    with followed(folder) as seen:
        (folder / "bridge.txt").write_bytes(content)
        (problem,) = until(seen, {"ferry": BOTH["ferry"]})[-1].problems
        assert problem.file == "bridge.txt"
        assert reason in problem.reason
        (folder / "ferry.txt").write_text("---\nwithdrawn: true\n---\nThe ferry leaves at nine.")
        until(seen, {})


def test_a_folder_that_cannot_be_looked_at_for_a_moment_is_looked_at_again(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was read before stands meanwhile, the log says what went wrong, and then what is new is served."""
    broken, unwatched = OSError("no answer"), RuntimeError("no event")
    with followed(folder, seconds=0.1) as seen:
        with patch("os.scandir", side_effect=broken), patch.object(watching, "watch", side_effect=unwatched):
            (folder / "school.txt").write_text("The school opens.")
            time.sleep(1.0)
            assert seen.empty()
        until(seen, BOTH | {"school": "The school opens."})
    assert "no answer" in caplog.text
    assert "no event" in caplog.text


def test_a_file_that_could_not_be_read_is_tried_again(folder: Path) -> None:
    """It is served as soon as it can be read, although nothing of the file has changed."""
    refused = [True]

    def read(path: Path, folder: Path | None) -> tuple[Article, tuple[str, ...]]:
        if path.name == "ferry.txt" and refused:
            raise PermissionError(f"Permission denied: {path}")
        return read_file(path, folder)

    with followed(folder, read, 0.1) as seen:
        (folder / "ferry.txt").write_text("The ferry leaves at ten.")
        until(seen, BRIDGE)
        refused.clear()
        until(seen, BRIDGE | {"ferry": "The ferry leaves at ten."})


def test_a_change_that_keeps_size_and_time_is_seen(folder: Path) -> None:
    """As one by a program that sets the time of the file back to what it was."""
    status = (folder / "ferry.txt").stat()
    with followed(folder) as seen:
        with (folder / "ferry.txt").open("r+") as file:
            file.write("The ferry comes at night")
        os.utime(folder / "ferry.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
        assert (folder / "ferry.txt").stat().st_mtime_ns == status.st_mtime_ns
        until(seen, BRIDGE | {"ferry": "The ferry comes at night."})


def test_nothing_is_done_while_nothing_changes(folder: Path) -> None:
    """The articles are put together when the folder is first looked at, and when a file has changed."""
    with (
        patch.object(watching, "read_corpus", wraps=read_corpus) as reading,
        followed(folder, seconds=0.05) as seen,
    ):
        time.sleep(1.0)
        assert reading.call_count == 1
        (folder / "school.txt").write_text("The school opens.")
        until(seen, BOTH | {"school": "The school opens."})
        time.sleep(0.5)
        settled = reading.call_count
        time.sleep(0.5)
        assert reading.call_count == settled


def test_what_changes_while_the_folder_is_looked_at_is_noticed(folder: Path) -> None:
    """It does not wait for the next look that nothing wakes."""

    def changing() -> bool:  # This is asked after the look.
        if not (folder / "school.txt").exists():
            (folder / "school.txt").write_text("The school opens.")
        return False

    with followed(folder, seconds=60.0, goes_on=changing) as seen:
        until(seen, BOTH | {"school": "The school opens."})


def test_what_changes_while_a_change_is_taken_up_is_looked_for_at_once(folder: Path) -> None:
    """It does not wait for the watcher, which knows no new subfolders."""
    with patch.object(watching, "_wait", side_effect=lambda _, seconds: time.sleep(seconds)) as wait:
        seen = changes(folder, Corpus(()), threading.Event())
        assert texts_of(next(seen)) == BOTH
        (folder / "ferry.txt").write_text("The ferry leaves at ten.")
        assert texts_of(next(seen)) == BRIDGE | {"ferry": "The ferry leaves at ten."}
    assert max(call.args[1] for call in wait.call_args_list) <= watching.QUIET_SECONDS


def test_what_other_programs_leave_for_a_moment_holds_nothing_up(folder: Path) -> None:
    """Files of the moment, as of a program that copies, come and go all the time, and what is new is served."""
    stop = threading.Event()

    def churn() -> None:
        while not stop.wait(0.05):
            (folder / ".school.part").write_text("The sch")
            (folder / ".school.part").unlink()

    with followed(folder) as seen:
        churning = threading.Thread(target=churn)
        churning.start()
        try:
            (folder / "school.txt").write_text("The school opens.")
            until(seen, BOTH | {"school": "The school opens."})
        finally:
            stop.set()
            churning.join()
