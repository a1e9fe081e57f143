"""The rows of a report as a CSV file for spreadsheets, made from the data of `report.json`, which holds more."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from assistant.articles.reading import normalise

Content = Mapping[str, Any]
"""The report's data, or one object of it."""

_COLUMNS = "id repeat kind article question status answer outcome cause confidence error".split()
ESCAPED = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet takes for the beginning of a formula, or is kept from it by an apostrophe."""


def to_csv(content: Content) -> str:
    """Return one line a row: what was asked and answered, every score, and the times in milliseconds.

    Text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    lines = [_line(row) for row in content["rows"]]
    return table(dict.fromkeys(column for line in lines for column in line) or _COLUMNS, lines)


def table(columns: Collection[str], lines: Iterable[Mapping[str, object]]) -> str:
    """Return a CSV file, which begins with a byte order mark: without it spreadsheets misread quotation marks."""
    text = io.StringIO(newline="")
    text.write("\ufeff")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _line(row: Content) -> dict[str, object]:
    values = {name: row[name] for name in _COLUMNS} | {
        "answerable": row["gold"]["answerable"],
        "must_have": facts(row["gold"]["must_have"]),
        "ideal": row["gold"]["ideal"],
        "missing_facts": facts(row["missing_facts"]),
        "citations": "; ".join(f"{cited['article']}:{cited['start']}-{cited['end']}" for cited in row["citations"]),
    }
    cells = {name: inert(normalise(v)) if isinstance(v, str) else v for name, v in values.items()}
    return {**cells, **row["scores"], **row["timings"]}


def facts(required: Iterable[Iterable[str]]) -> str:
    """Return required facts in one cell: a semicolon between two, a stroke between the wordings of one."""
    return "; ".join(" | ".join(wordings) for wordings in required)


def inert(text: str) -> str:
    """Return text that a spreadsheet shows and never runs: it takes what begins with an apostrophe for text."""
    return f"'{text}" if ESCAPED.match(text) else text
