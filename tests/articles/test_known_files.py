"""What was read of article files is kept, and a file that changed is read again."""

import os
from pathlib import Path

import pytest

from assistant.articles.known_files import KnownFiles
from assistant.articles.reading import Corpus, read_corpus, read_file
from assistant.types import Article


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of articles: with all that may be stated, without, and one that cannot be read."""
    folder = tmp_path / "articles"
    folder.mkdir()
    head = "---\ntitle: Bridge\ndate: 2025-03-27\ncorrections:\n- text: Not May.\n  date: 2025-03-28\nfree: true\n---\n"
    (folder / "bridge.md").write_text(f"{head}# A heading\n\nThe bridge “is” closed.")
    (folder / "école\udcff.txt").write_text("The school is closed.")
    (folder / "broken.txt").write_bytes(b"\xff\xfe\xff")
    return folder


def corpus_of(folder: Path, file: Path) -> tuple[Corpus, list[str]]:
    """Return the articles of a folder, and which files were read for that; keep what was read."""
    names = list[str]()

    def watched(path: Path, folder: Path | None = None) -> tuple[Article, tuple[str, ...]]:
        names.append(path.name)
        return read_file(path, folder)

    known = KnownFiles(file, watched)
    corpus = read_corpus(folder, known.read)
    known.save()
    return corpus, names


def test_only_what_changed_is_read_again(folder: Path, tmp_path: Path) -> None:
    """What is kept is what a reader would find; what cannot be read or kept is read each time."""
    kept = tmp_path / "data" / "known"
    assert corpus_of(folder, kept)[0] == read_corpus(folder)
    assert corpus_of(folder, kept) == (read_corpus(folder), ["broken.txt", "école\udcff.txt"])
    before = (folder / "bridge.md").stat()
    (folder / "bridge.md").write_text((folder / "bridge.md").read_text().replace("closed", "opened"))
    os.utime(folder / "bridge.md", ns=(before.st_atime_ns, before.st_mtime_ns))  # As a clock that goes back may do.
    (folder / "école\udcff.txt").unlink()
    assert corpus_of(folder, kept) == (read_corpus(folder), ["bridge.md", "broken.txt"])


@pytest.mark.parametrize("damage", ["bit", "cut", "other code"])
def test_what_is_damaged_or_of_other_code_is_not_believed(folder: Path, tmp_path: Path, damage: str) -> None:
    """All files are read again then."""
    kept = tmp_path / "known"
    corpus_of(folder, kept)
    content = kept.read_bytes()
    of_other_code = b"another" + content[content.index(b"\n") :]
    damaged = {"bit": content.replace(b"closed", b"opened"), "cut": content[:-5], "other code": of_other_code}
    kept.write_bytes(damaged[damage])
    corpus, read = corpus_of(folder, kept)
    assert corpus == read_corpus(folder)
    assert len(read) == 3


def test_where_nothing_can_be_kept_all_is_read(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line of the log says so."""
    (tmp_path / "file").touch()
    assert corpus_of(folder, tmp_path / "file" / "known")[0] == read_corpus(folder)
    assert [message.partition(" (")[0] for message in caplog.messages] == [f"{tmp_path}/file/known cannot be written"]
