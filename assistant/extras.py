"""What is installed on request only: whether it is there, and the command that installs it.

The extras stand in pyproject.toml and nowhere else.
"""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import Requirement

from assistant.errors import ConfigurationError
from assistant.settings import IS_CHECKOUT

_PACKAGE = "article-assistant"


def install(extra: str) -> str:
    """Return the command that installs an extra; in a checkout with the releases that were tested."""
    return f'pip install -e ".[{extra}]" -c constraints.txt' if IS_CHECKOUT else f'pip install "{_PACKAGE}[{extra}]"'


def require(extra: str, purpose: str) -> None:
    """Make sure that every package of an extra is installed.

    Raises:
        ConfigurationError: one is missing; it is named with the cure.
    """
    for requirement in map(Requirement, metadata.requires(_PACKAGE) or []):
        marker = requirement.marker
        if marker and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}):
            try:
                metadata.version(requirement.name)
            except metadata.PackageNotFoundError as error:
                raise ConfigurationError(
                    f"{purpose} needs the package {requirement.name}", f"run {install(extra)}"
                ) from error
