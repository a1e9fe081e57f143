"""Prompts are files in `prompts/`; this fills them in and refuses a variable too few or too many.

`string.Template` suits news: a "$4.2 million" in a value is safe, and a reader's braces mean nothing.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from string import Template

from assistant.errors import ConfigurationError
from assistant.settings import IS_CHECKOUT, PROJECT

FOLDER = PROJECT / "prompts" if IS_CHECKOUT else Path(__file__).with_name("prompt_files")
"""A wheel has them beside the code."""
_NAMES = ("system", "question", "checked")


def check() -> None:
    """Make sure that every prompt can be read.

    Raises:
        ConfigurationError: one cannot.
    """
    for name in _NAMES:
        _template(name)


def render(name: str, **values: str) -> str:
    """Return the prompt `prompts/<name>.md` with its variables replaced; values are never looked into.

    Raises:
        ConfigurationError: the file is missing.
        ValueError: the values are not exactly the variables of the file; all are named.
    """
    template = _template(name)
    wanted = set(template.get_identifiers())
    if wrong := sorted(wanted ^ set(values)):
        raise ValueError(f"prompts/{name}.md takes {sorted(wanted)}; check {', '.join(wrong)}")
    return template.substitute(values)


def fingerprint() -> str:
    """Return the SHA-256, in hexadecimal, of all prompt files."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.md")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


@cache
def _template(name: str) -> Template:
    path = FOLDER / f"{name}.md"
    try:
        return Template(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise ConfigurationError(f"The prompt {path} cannot be read: install the assistant again") from error
