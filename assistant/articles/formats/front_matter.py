"""Read what stands at the head of a Markdown or text file: YAML between lines of dashes, or TOML between plus signs.

Keys count in any case, and a line that may say that the article is withdrawn is found even where the rest cannot be
read.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import yaml

from assistant.articles.standing import NAMES, clearly_withdraws, may_be_withdrawn

KEYS = ("id", "title", "title_by", "source", "url")
"""What a file may state of itself, beside its standing."""
_NAMES = (*KEYS, *NAMES)
_CLOSE = 0.85
"""How like `corrections` or a date a key must be to be named as a slip; "collections" is another program's."""

_AROUND = re.compile(r"^(?:(-{3,})|\+{3,})\s*$", re.MULTILINE)
"""The line above a head, and the one below it."""
_LINE = re.compile(r"^(?!\s*#)([^\w\n]*)([^:=\N{FULLWIDTH COLON}\n]{0,40})[:=\N{FULLWIDTH COLON}]?(.*)$", re.MULTILINE)
"""A line that is no comment: what stands before its key, the key (40 letters at most), and what stands behind it."""
_WORDS = re.compile(
    r"^(title|title_by|date|source|updated|author|section|withdrawn)[ \t]*:[ \t]+"
    r"(?![\[{|>]|([\"']).*\2[ \t]*$)(\S.*?)[ \t]*$(?!\n[ \t]+\S)",
    re.MULTILINE | re.IGNORECASE,
)
"""A line of words that nobody put in quotation marks: YAML has a meaning of its own for ": " or " #" in it."""
_OTHER_KEYS = re.compile(
    rf"^(?![\"']?(?:{'|'.join(_NAMES)})[\"']?[ \t]*:)\S.*(?:\n(?:[ \t].*)?$)*", re.MULTILINE | re.IGNORECASE
)
"""The lines of keys that are not read, with what is indented below them."""


class _Loader(yaml.CBaseLoader):
    """Every value is words, as it stands there, or None where there is none."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_constructor("tag:yaml.org,2002:null", lambda *_: None)


@dataclass(frozen=True, slots=True)
class Head:
    """What was read of a file's head."""

    stated: dict[str, Any]
    """By keys in lower case; behind `withdrawn` is a list, of all that is said of it."""
    text: str
    """What stands below it."""
    left_out: tuple[str, ...] = ()
    """What of it does not count, each with what to do about it."""


def read_head(content: str) -> Head:
    """Return the head of a normalised text, and the rest; without lines around it there is none.

    Raises:
        ValueError: it cannot be read; the message is the reason.
    """
    text = content.strip()
    stated, said, left_out = dict[str, Any](), list[str](), list[str]()
    if above := _AROUND.match(text):
        is_toml = not above[1]
        below = next((line for line in _AROUND.finditer(text, above.end()) if bool(line[1]) == bool(above[1])), None)
        if not below:
            line = "plus signs" if is_toml else "dashes"
            raise ValueError(f"it begins with a line of {line} that opens a front matter, but none closes it")
        block, text = text[above.end() : below.start()], text[below.end() :]
        metadata = _of_toml(block) if is_toml else _of_yaml(block)
        stated = {str(key).strip().lower(): value for key, value in metadata.items()}
        said = [_bare(value) for key, value in stated.items() if may_be_withdrawn(key)] + _withdrawing(block)
        lines = (_bare(key) for before, key, _ in _LINE.findall(block) if not _bare(before))
        left_out = [*_twice(metadata if is_toml else lines), *_slips(stated)]
    # The lines around a head may be mistyped or missing. Only a plain yes counts there: a text may begin in any way.
    said += filter(clearly_withdraws, _withdrawing(text.strip().partition("\n\n")[0]))
    return Head(stated | {"withdrawn": said}, text, tuple(left_out))


def _withdrawing(lines: str) -> list[str]:
    """Return what stands behind each key that is, or may be, `withdrawn`, wherever in the lines."""
    return [_bare(value) for _, key, value in _LINE.findall(lines) if may_be_withdrawn(_bare(key))]


def _bare(value: object) -> str:
    """Return a single value as words, without a comment, quotation marks and the comma of a list."""
    return "" if isinstance(value, list | dict | None) else str(value).partition(" #")[0].strip("\"', \t")


def _twice(keys: Iterable[object]) -> Iterator[str]:
    times = Counter(str(key).strip().lower() for key in keys)
    for key in _NAMES:
        if times[key] > 1:
            yield f"its key {key} stands there {times[key]} times, and only the last counts: write it once"


def _slips(stated: dict[str, Any]) -> Iterator[str]:
    for key in (key for key in stated if key not in _NAMES):
        for name in get_close_matches(key, ("corrections", "date", "updated"), n=1, cutoff=_CLOSE):
            yield f"its key {key[:40]!r} is not read: write {name} if that is meant"


def _of_toml(block: str) -> dict[Any, Any]:
    try:
        return tomllib.loads(block)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"its front matter is not valid TOML ({reason}): put words after an equals sign in quotation marks"
        ) from error


def _of_yaml(block: str) -> dict[Any, Any]:
    try:
        words = _WORDS.sub(lambda line: f"{line[1]}: {json.dumps(line[3], ensure_ascii=False)}", block)
        metadata = yaml.load(words, Loader=_Loader)  # noqa: S506 - it makes words, and no objects
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        ours = _OTHER_KEYS.sub(lambda lines: "\n" * lines[0].count("\n"), block)
        if ours.strip() and ours != block:
            return _of_yaml(ours)
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ValueError(
            f"its front matter is not valid YAML{line} ({reason}): put what stands after the colon in quotation marks"
        ) from error
    if not isinstance(metadata, dict | None):
        raise ValueError("between its first two lines of dashes there is no front matter of the form `title: ...`")
    return metadata or {}
