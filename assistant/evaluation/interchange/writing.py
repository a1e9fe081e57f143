"""From questions, and the answers of a run where there are some, to a file of another program.

What a format does not hold is found by reading back what was written.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from assistant import rendering
from assistant.errors import ConfigurationError
from assistant.evaluation import run
from assistant.evaluation.interchange.reading import FIELDS, Row, listing, parse, read
from assistant.evaluation.questions import Question
from assistant.evaluation.reporting.export import facts, inert, table
from assistant.evaluation.scoring.observed import Observed

FORMATS = {".jsonl": "a question file", ".csv": "a table", ".yaml": "promptfoo", ".yml": "promptfoo"}
"""What a file holds, by its ending."""


def convert(source: Path, target: Path) -> list[str]:
    """Write the questions of a file, or of a run with its answers, in another format, and return what to say of it.

    Raises:
        ConfigurationError: the one cannot be read, the other cannot be written or is there already.
    """
    name = FORMATS.get(target.suffix.lower())
    if name is None:
        known = "; ".join(f"{ending} for {what}" for ending, what in FORMATS.items())
        raise ConfigurationError(f"{target} does not end as a format's file does: use {known}")
    if target.exists():
        raise ConfigurationError(f"{target} is there already: choose another name, or remove it")
    seen: list[Observed] = []
    if source.is_dir():
        _, questions, seen = run.observed(source)
        note = "" if name == "promptfoo" else f"Not written: the answers, which {name} does not hold."
    else:
        questions, note = read(source)
    # Of several repeats the first counts.
    by_id = {o.question.id: o for o in reversed(seen)}
    text = _written(name, [(question, by_id.get(question.id)) for question in questions])
    try:
        back, _ = parse(target, io.StringIO(text.removeprefix("\ufeff"), newline=None).read())
    except ConfigurationError as error:
        raise ConfigurationError(f"{name} would not hold these questions: {error}") from error
    run.write(target, text)
    pairs = [(asdict(was), asdict(now)) for was, now in zip(questions, back, strict=True)]
    lost = {field: sum(was[field] != now[field] for was, now in pairs) for field in FIELDS}
    said = [f"Questions written to {target}: {len(questions)}.", note, listing(f"{name} does not hold", lost)]
    return [line for line in said if line]


def _written(name: str, asked: Sequence[tuple[Question, Observed | None]]) -> str:
    if name == "promptfoo":
        tests = [_to_promptfoo(*each) for each in asked]
        return yaml.safe_dump(tests, allow_unicode=True, sort_keys=False, width=120)
    if name == "a table":
        rows = (asdict(question) for question, _ in asked)
        return table(FIELDS, ({field: inert(_cell(field, value)) for field, value in row.items()} for row in rows))
    return "".join(f"{json.dumps(asdict(question), ensure_ascii=False)}\n" for question, _ in asked)


def _cell(field: str, value: Any) -> str:  # noqa: ANN401 - of any field
    """Return the words that are read as this value."""
    if field == "must_have":
        return facts(value)
    if field == "history":
        return json.dumps(value, ensure_ascii=False) if value else ""
    if field == "answerable":
        return "" if value is None else str(value).lower()
    return value if isinstance(value, str) else ("; " if field == "must_not" else "\n").join(value)


def _to_promptfoo(question: Question, o: Observed | None) -> Row:
    checks: list[Row] = [{"type": "icontains-any", "value": list(wordings)} for wordings in question.must_have]
    checks += [{"type": "not-icontains", "value": wording} for wording in question.must_not]
    row = asdict(question)
    elsewhere = ("question", "history", "must_have", "must_not", "notes")
    metadata = {n: v for n, v in row.items() if n not in elsewhere and (v or n == "answerable")}
    test: Row = {"vars": {"question": question.question}, "assert": checks, "metadata": metadata}
    if question.history:
        # As words: of a list promptfoo makes a test for each entry.
        test["vars"]["history"] = _cell("history", row["history"])
    if question.notes:
        test["description"] = question.notes
    if o:
        test["providerOutput"] = _response(o)
    return test


def _response(o: Observed) -> str:
    """Return what the reader saw: the answer without its markers, or that there is none."""
    labels = {outcome.value: label for outcome, label in rendering.LABELS.items()}
    return o.words or labels.get(o.record.outcome, o.record.status)
