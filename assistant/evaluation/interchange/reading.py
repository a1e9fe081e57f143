"""From a question file of any format to questions: our own lines, promptfoo's tests, and tables.

    file -> its items -> rows as a question file has them -> questions

An item of promptfoo's is known by its keys. What of an item has no place in a question is counted and named.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from assistant.errors import ConfigurationError
from assistant.evaluation.questions import Item, Problem, Question, lines, of_items, read_text
from assistant.evaluation.reporting.export import ESCAPED

Row = dict[str, Any]
"""What a line of a question file holds, or an item of another format."""
Unread = Counter[str]
"""What of the items has no place in a question, and how often."""

FIELDS = tuple(field.name for field in fields(Question))

_MONTH = (
    "(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    "|Nov(?:ember)?|Dec(?:ember)?)"
)
_MADE_OF_AN_ID = re.compile(
    rf"\d+[-. /]+{_MONTH}(?:[-. /]+\d+)?|{_MONTH}[-. /]+\d+|\d+[./]\d+[./]\d+|\d{{4}}-\d\d-\d\d(?: 00:00:00)?"
    r"|\d(?:[.,]\d+)?E\+\d+"
)
"""Dates and powers of ten as spreadsheets write them, where 1-2 or 12E3 was meant."""


class _Words(yaml.SafeLoader):
    """Reads `yes`, `9` and `2014-10-18` as the words that stand there."""

    yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}  # noqa: RUF012 - as its base has it


def read(path: Path, problem: Problem = lambda _: "") -> tuple[list[Question], str]:
    """Read a question file of any format, and return with the questions a sentence about what was not read, or "".

    `problem` is what else may be wrong with a question, "" where nothing is.

    Raises:
        ConfigurationError: it is of no such format, or items of it are not questions; each is named.
    """
    found, unread = parse(path, read_text(path), problem)
    return found, listing(f"Not read from {path}", unread)


def listing(what: str, counts: Mapping[str, int]) -> str:
    """Return a sentence of names, each with how often; "" where nothing is counted."""
    names = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()) if count)
    return f"{what}: {names}." if names else ""


def parse(path: Path, text: str, problem: Problem = lambda _: "") -> tuple[list[Question], Unread]:
    """Return the questions in the text of a file, and what of it has no place in one; `path` is for messages.

    Raises:
        ConfigurationError: items are not questions; each is named.
    """
    unread: Unread = Counter()
    place, items = _items(path, text)
    rows = ((number, partial(_row, number, item_of, unread)) for number, item_of in items)
    return of_items(path, rows, problem, place), unread


def _items(path: Path, text: str) -> tuple[str, Iterable[Item]]:
    """Return what an item is called in a message, and the items."""
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv"):
        return "row", _table(path, text)
    whole = None
    if ending in (".yaml", ".yml", ".json"):
        try:
            whole = json.loads(text) if ending == ".json" else yaml.load(text, _Words)  # noqa: S506 - it is a safe one
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            if ending != ".json":
                raise ConfigurationError(f"{path} is no YAML ({error}); mend it") from error
    tests = whole.get("tests") if isinstance(whole, dict) else whole
    if isinstance(tests, list):
        return "question", ((number, partial(copy, test)) for number, test in enumerate(tests, start=1))
    if ending in (".yaml", ".yml"):
        raise ConfigurationError(f"{path} holds no list of tests", "name the file that holds the tests themselves")
    return "line", lines(text)


def _table(path: Path, text: str) -> Iterator[Item]:
    """Yield the rows of a table under its first line, numbered as a spreadsheet numbers them."""
    text = re.sub(r"\Asep=.\n", "", text)
    head = text.partition("\n")[0]
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True))
    except csv.Error as error:
        raise ConfigurationError(f"{path} is no table ({error})", "save it as CSV UTF-8 again") from error
    header = [name.strip().lower() for name in table[0]] if table else []
    if "question" not in header:
        curled = " without curled quotation marks" if re.search("[“”]", head) else ""
        raise ConfigurationError(
            f"{path} has no column `question`",
            f"name the columns in the first line{curled}, as in id,question,answerable",
        )
    return ((number, partial(_of_cells, header, cells)) for number, cells in enumerate(table[1:], 2) if any(cells))


def _of_cells(header: Sequence[str], cells: Sequence[str]) -> Row:
    """Return a row whose lists were cells: facts parted by semicolons, their wordings by strokes, evidence by lines."""
    if any(cells[len(header) :]):
        raise ValueError("it has more cells than the first line; put those with a comma in quotation marks")
    row: Row = {n: c[1:] if c[:1] == "'" and ESCAPED.match(c) else c for n, c in zip(header, cells) if n}  # noqa: B905
    if _MADE_OF_AN_ID.fullmatch(row.get("id", "")):
        raise ValueError(f"a spreadsheet made {row['id']!r} of the id; set the column to text and enter it again")

    def parts(name: str, mark: str) -> list[str]:
        return [part.strip() for part in re.split(mark, row.get(name, "")) if part.strip()]

    required = [[w.strip() for w in fact.split("|") if w.strip()] for fact in parts("must_have", "[;\n]")]
    lists = {"must_have": required, "must_not": parts("must_not", "[;\n]"), "evidence": parts("evidence", "\n")}
    return row | {name: value for name, value in lists.items() if name in row}


def _row(number: int, item_of: Callable[[], Any], unread: Unread) -> Row:
    """Return the row of an item, whose keys are taken out as they are read."""
    item = item_of()
    if not isinstance(item, dict):
        raise ValueError("it is no object with names and values")
    if "vars" in item and "question" not in item:
        row: Row = {"id": number} | _promptfoo(item, unread)
        row.setdefault("answerable", True if row["must_have"] or row.get("ideal") else None)
    else:
        row = {name: item.pop(name) for name in FIELDS if name in item}
    if isinstance(row.get("answerable"), str):
        truth = row["answerable"].strip().lower()
        row["answerable"] = {"true": True, "false": False, "": None, "null": None}.get(truth, truth)
    if isinstance(row.get("history"), str):
        row["history"] = _list_in(row["history"])
    unread.update(name for name, value in item.items() if value)
    return row


def _list_in(cell: str) -> Any:  # noqa: ANN401 - whatever stands there
    try:
        return json.loads(cell or "[]")
    except (ValueError, RecursionError) as error:
        raise ValueError("history must be a list of exchanges, written as JSON") from error


def _promptfoo(test: Row, unread: Unread) -> Row:
    """Return the row of one of promptfoo's tests: checks for words are facts and forbidden words."""
    variables, checks = test.pop("vars"), test.pop("assert", None) or []
    asked = next(iter(variables)) if len(variables) == 1 else "question"
    unread.update(f"vars {name}" for name in variables if name not in (asked, "history"))
    row = {"notes": test.pop("description", ""), "question": variables[asked], "history": variables.get("history")}
    required: list[list[str]] = []
    forbidden: list[str] = []
    for check in checks:
        kind, value = check["type"].replace("icontains", "contains"), check.get("value") or ""
        if "{{" in str(value):
            raise ValueError(f"the template {value!r} is not filled in; write the words themselves")
        each = value if isinstance(value, list) else [value]
        if isinstance(value, str) and kind.endswith(("-any", "-all")):
            each = [wording.strip() for wording in value.split(",")]
        if kind in ("contains", "equals", "contains-any"):
            required.append(each)
        elif kind == "contains-all":
            required += [[wording] for wording in each]
        elif kind in ("not-contains", "not-contains-any"):
            forbidden += each
        elif kind == "is-refusal":
            row["answerable"] = False
        elif kind in ("factuality", "similar") and isinstance(value, str):
            row["ideal"] = value
        else:
            unread[f"assert {check['type']}"] += 1
        unread.update(f"assert {name}" for name in check if name not in ("type", "value"))
    return row | {"must_have": required, "must_not": forbidden}
