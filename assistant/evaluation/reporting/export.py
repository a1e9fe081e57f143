"""The rows of a report for other tools: a CSV file for spreadsheets, a JUnit file for a build server.

Both are made from the data of `report.json` and nothing else; it holds more, and holds it exactly.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

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
    return {**{name: _cell(value) for name, value in values.items()}, **row["scores"], **row["timings"]}


def facts(required: Iterable[Iterable[str]]) -> str:
    """Return required facts in one cell: a semicolon between two, a stroke between the wordings of one."""
    return "; ".join(" | ".join(wordings) for wordings in required)


def _cell(value: object) -> object:
    return inert(normalise(value)) if isinstance(value, str) else value


def inert(text: str) -> str:
    """Return text that a spreadsheet shows and never runs: it takes what begins with an apostrophe for text."""
    return f"'{text}" if ESCAPED.match(text) else text


def to_junit(content: Content) -> str:
    """Return a suite of the gates, and one for each kind of question with a case a row.

    A row failed where its failure has a cause; it was skipped where no gold tells whether it is right.
    """
    causes = {cause["name"]: cause["label"] for cause in content["causes"]}
    suites = ElementTree.Element("testsuites", name=normalise(content["title"]))
    _add_suite(suites, "gates", map(_gate_case, content["gates"]))
    for kind in dict.fromkeys(row["kind"] for row in content["rows"]):
        _add_suite(suites, kind or "question", (_row_case(r, causes) for r in content["rows"] if r["kind"] == kind))
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True)


def _add_suite(suites: ElementTree.Element, name: str, cases: Iterable[ElementTree.Element]) -> None:
    suite = ElementTree.SubElement(suites, "testsuite", name=normalise(name))
    for case in cases:
        case.set("classname", normalise(name))
        suite.append(case)
    for ending, total in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped"), (".", "tests")):
        suite.set(total, str(len(suite) if ending == "." else len(suite.findall(f"testcase/{ending}"))))
    suite.set("time", f"{sum(float(case.attrib['time']) for case in suite):.3f}")


def _gate_case(gate: Content) -> ElementTree.Element:
    case = ElementTree.Element("testcase", name=normalise(gate["text"]), time="0")
    if not gate["passed"]:
        ElementTree.SubElement(case, "failure", message=f"it is {gate['value']}")
    return case


def _row_case(row: Content, causes: Content) -> ElementTree.Element:
    seconds = (row["timings"]["total_ms"] or 0.0) / 1000
    repeat = f" (repeat {row['repeat'] + 1})" if row["repeat"] else ""
    name = normalise(f"{row['id']}{repeat}: {row['question']}")
    case = ElementTree.Element("testcase", name=name, time=f"{seconds:.3f}")
    if row["cause"]:
        tag = "error" if row["cause"] == "error" else "failure"
        failure = ElementTree.SubElement(case, tag, message=causes.get(row["cause"], row["cause"]))
        required = facts(row["gold"]["must_have"])
        failure.text = normalise(f"required: {required}\nanswer: {row['error'] or row['answer'] or row['status']}")
    elif row["outcome"] is None:
        ElementTree.SubElement(case, "skipped", message="no gold tells whether it is right")
    return case
