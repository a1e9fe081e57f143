"""Files that are whole or not there, and their SHA-256."""

import hashlib
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_weights import full_disk

from assistant.files import partial_of, replacing, sha256, sha256_of, write_whole


@given(st.binary(), st.booleans())
def test_what_is_written_takes_the_place_of_what_was_there(content: bytes, synced: bool) -> None:  # noqa: FBT001
    """Afterwards the file holds the content, its SHA-256 is the content's, and nothing lies beside it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        file.write_bytes(b"before")
        partial_of(file).write_bytes(b"left by a process that was killed")
        write_whole(file, content, synced=synced)
        assert file.read_bytes() == content
        assert sha256_of(file) == sha256(content) == hashlib.sha256(content).hexdigest()
        assert [*Path(folder).iterdir()] == [file]


@given(st.text(st.characters()))
def test_every_text_has_a_sha256(text: str) -> None:
    """That of a text is that of its UTF-8, and half a pair of surrogates has one too."""
    assert sha256(text) == sha256(text.encode(errors="surrogatepass"))


def test_a_disk_without_room_leaves_what_was_there(tmp_path: Path) -> None:
    """Where there is no room, the file before stays as it is, and nothing lies beside it."""
    (file := tmp_path / "file").write_bytes(b"before")
    with full_disk(after=10), pytest.raises(OSError, match="too large"):
        write_whole(file, b"x" * 1000)
    assert (file.read_bytes(), [*tmp_path.iterdir()]) == (b"before", [file])


def test_what_fails_before_its_end_is_never_seen(tmp_path: Path) -> None:
    """Until the block ends the file is as before, also where it is stopped from the keyboard."""
    (file := tmp_path / "file").write_bytes(b"before")
    with suppress(KeyboardInterrupt), replacing(file) as partial:
        partial.write_bytes(b"half")
        assert file.read_bytes() == b"before"
        raise KeyboardInterrupt
    assert (file.read_bytes(), [*tmp_path.iterdir()]) == (b"before", [file])
