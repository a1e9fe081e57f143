"""From questions to a question file or a table.

What a table does not hold is found by reading back what was written.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assistant.errors import ConfigurationError
from assistant.evaluation import run
from assistant.evaluation.interchange.reading import FIELDS, listing, parse, read
from assistant.evaluation.questions import Question
from assistant.evaluation.reporting.export import facts, inert, table

FORMATS = {".jsonl": "a question file", ".csv": "a table"}
"""What a file holds, by its ending."""


def convert(source: Path, target: Path) -> list[str]:
    """Write the questions of a file in another format, and return what to say of it.

    Raises:
        ConfigurationError: the one cannot be read, the other cannot be written or is there already.
    """
    name = FORMATS.get(target.suffix.lower())
    if name is None:
        known = "; ".join(f"{ending} for {what}" for ending, what in FORMATS.items())
        raise ConfigurationError(f"{target} does not end as a format's file does", f"use {known}")
    if target.exists():
        raise ConfigurationError(f"{target} is there already", "choose another name, or remove it")
    questions, note = read(source)
    text = _written(name, questions)
    try:
        back, _ = parse(target, io.StringIO(text.removeprefix("\ufeff"), newline=None).read())
    except ConfigurationError as error:
        raise ConfigurationError(f"{name} would not hold these questions: {error}") from error
    run.write(target, text)
    pairs = [(asdict(was), asdict(now)) for was, now in zip(questions, back, strict=True)]
    lost = {field: sum(was[field] != now[field] for was, now in pairs) for field in FIELDS}
    said = [f"Questions written to {target}: {len(questions)}.", note, listing(f"{name} does not hold", lost)]
    return [line for line in said if line]


def _written(name: str, questions: Sequence[Question]) -> str:
    rows = map(asdict, questions)
    if name == "a table":
        return table(FIELDS, ({field: inert(_cell(field, value)) for field, value in row.items()} for row in rows))
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def _cell(field: str, value: Any) -> str:  # noqa: ANN401 - of any field
    """Return the words that are read as this value."""
    if field == "must_have":
        return facts(value)
    if field == "history":
        return json.dumps(value, ensure_ascii=False) if value else ""
    if field == "answerable":
        return "" if value is None else str(value).lower()
    return value if isinstance(value, str) else ("; " if field == "must_not" else "\n").join(value)
