"""What a run was made of: hashes of everything that an answer depends on.

Two runs with one fingerprint asked the same assistant the same questions.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from assistant.answering.packaged import calibration
from assistant.answering.understanding import meaning
from assistant.articles import passages
from assistant.evaluation.questions import Question
from assistant.files import sha256, sha256_of
from assistant.model import probes, prompts, weights
from assistant.model.holder import model_name
from assistant.settings import PROJECT, Settings
from assistant.types import Article

PACKAGES = """
    tantivy chromadb ik-llama-cpp-python langchain langchain-core langchain-openai numpy pystemmer sentence-transformers
    torch transformers
""".split()
"""What finds and writes answers."""

NOT_ANSWERING = ("evaluation", "web", "installation.py", "command.py", "cli.py", "__main__.py")
"""The parts of the package that no answer depends on."""

_CREDENTIALS = re.compile(r"(?<=//)[^/@]*@")

INFORMATION = ("git_commit",)
"""What is noted and not compared: the hash of the code says the same more exactly."""


def fingerprint(
    questions: Sequence[Question], articles: Iterable[Article], settings: Settings, seed: int
) -> dict[str, Any]:
    """Return the parts by name: hashes, versions and numbers."""
    is_packaged = settings.model == "local" and not settings.model_file
    is_checked = is_packaged or (settings.model != "none" and settings.check == "local")
    return {
        "questions": of_gold(questions),
        "articles": of_articles(articles),
        "splitter": sha256_of(Path(passages.__file__)),
        "prompts": prompts.fingerprint(),
        "model": _model(settings),
        "embedder": weights.EMBEDDER_SHA256 if weights.embedder_is_packaged() else "none",
        "checker": weights.CHECKER_SHA256 if is_checked else "none",
        "writer": weights.WRITER_SHA256 if is_packaged else "none",
        "probes": "".join(map(sha256_of, probes.FILES)) if is_checked else "none",
        "overviews": sha256_of(meaning.EXAMPLES),
        "thresholds": sha256_of(calibration.CALIBRATION),
        "answer_seconds": settings.answer_seconds,
        "code": _code(),
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "seed": seed,
        "git_commit": _git(),
    }


def digest(parts: Mapping[str, Any]) -> str:
    """Return one hash of all the parts that are compared."""
    return _of_json({name: value for name, value in parts.items() if name not in INFORMATION})


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return name, earlier and later value of the parts that are compared and differ; packages one by one."""
    one, other = _flat(before), _flat(after)
    return [
        (name, one.get(name), other.get(name))
        for name in dict.fromkeys((*one, *other))
        if one.get(name) != other.get(name) and name not in INFORMATION
    ]


def of_gold(questions: Iterable[Question]) -> str:
    """Return a hash of the questions that were scored against, with all that they require."""
    return _of_json([asdict(question) for question in questions])


def of_articles(articles: Iterable[Article]) -> str:
    """Return a hash of the articles, whatever their order."""
    return _of_json(sorted([article.id, article.text] for article in articles))


def _flat(parts: Mapping[str, Any]) -> dict[str, Any]:
    packages = {f"package {name}": version for name, version in parts.get("packages", {}).items()}
    return {name: value for name, value in parts.items() if name != "packages"} | packages


def _model(settings: Settings) -> str:
    name = model_name(settings)
    if settings.model != "local":
        return f"{name} {_CREDENTIALS.sub('', settings.model_url)}".strip()
    if not settings.model_file:
        return f"{name} {weights.LANGUAGE_MODEL_SHA256}"
    return f"{name} {settings.model_sha256 or sha256_of(Path(settings.model_file))}"


def _code() -> str:
    package = PROJECT / "assistant"
    files = sorted(path.relative_to(package) for path in package.rglob("*.py"))
    return _of_json([[str(file), sha256_of(package / file)] for file in files if file.parts[0] not in NOT_ANSWERING])


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git() -> str | None:
    """Return the commit of the checkout, with "-dirty" where it was changed since; None where it is no checkout."""
    git = shutil.which("git")
    if git is None or not (PROJECT / ".git").exists():
        return None
    command = [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    found = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    return found.stdout.strip() or None


def _of_json(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True))
