"""From questions, and the answers of a run where there are some, to a file of another program.

What a format does not hold is found by reading back what was written. Knows nothing of how answers are made.
"""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from assistant import rendering
from assistant.errors import ConfigurationError
from assistant.evaluation import run
from assistant.evaluation.interchange.reading import ESCAPED, FIELDS, Row, listing, parse, read
from assistant.evaluation.questions import Question, to_row
from assistant.evaluation.reporting.export import facts, table
from assistant.evaluation.scoring.causes import cause
from assistant.evaluation.scoring.observed import Observed

ENDINGS = {
    "questions": (".jsonl",),
    "csv": (".csv",),
    "promptfoo": (".yaml", ".yml"),
    "inspect-log": (".json",),
    "inspect": (".jsonl",),
    "ragas": (".jsonl",),
}
"""The formats that can be written, and how their files end; of two with one ending the first is meant."""
WITH_ANSWERS = ("promptfoo", "inspect-log", "ragas")


def convert(source: Path, target: Path, wanted: str = "") -> list[str]:
    """Write the questions of a file, or of a run with its answers, in another format, and return what to say of it.

    Raises:
        ConfigurationError: the one cannot be read, the other cannot be written or is there already.
    """
    name = wanted or next((name for name, endings in ENDINGS.items() if target.suffix.lower() in endings), "")
    if name not in ENDINGS or target.suffix.lower() not in ENDINGS[name]:
        known = "; ".join(f"{known}: {' '.join(endings)}" for known, endings in ENDINGS.items())
        raise ConfigurationError(f"{target} does not end as a format's file does: name the format with --as ({known})")
    if target.exists():
        raise ConfigurationError(f"{target} is there already: choose another name, or remove it")
    seen: list[Observed] = []
    values: Row = {}
    if source.is_dir():
        values, questions, seen = run.observed(source)
        note = "" if name in WITH_ANSWERS else f"Not written: the answers, which {name} does not hold."
    elif name == "inspect-log":
        raise ConfigurationError(
            f"{source} has no answers for a log: name the folder of a run, or end {target} in .jsonl"
        )
    else:
        questions, note = read(source)
    # Of several repeats the first counts.
    by_id = {o.question.id: o for o in reversed(seen)}
    text = _written(name, values, [(question, by_id.get(question.id)) for question in questions])
    try:
        back, _ = parse(target, io.StringIO(text.removeprefix("\ufeff"), newline=None).read())
    except ConfigurationError as error:
        raise ConfigurationError(f"{name} would not hold these questions: {error}") from error
    run.write(target, text)
    pairs = [(to_row(was), to_row(now)) for was, now in zip(questions, back, strict=True)]
    lost = {field: sum(was[field] != now[field] for was, now in pairs) for field in FIELDS}
    said = [f"Questions written to {target}: {len(questions)}.", note, listing(f"{name} does not hold", lost)]
    return [line for line in said if line]


def _written(name: str, values: Row, asked: Sequence[tuple[Question, Observed | None]]) -> str:
    if name == "csv":
        return table(FIELDS, (_cells(question) for question, _ in asked))
    made: dict[str, Callable[[Question, Observed | None], Row]] = {
        "questions": lambda question, _: to_row(question),
        "promptfoo": _to_promptfoo,
        "inspect": lambda question, _: _to_inspect(question),
        "inspect-log": lambda question, o: _to_inspect(question) | (_logged(o) if o else {"epoch": 1}),
        "ragas": _to_ragas,
    }
    items = [made[name](*each) for each in asked]
    if name == "promptfoo":
        return yaml.safe_dump(items, allow_unicode=True, sort_keys=False, width=120)
    if name != "inspect-log":
        return "".join(f"{json.dumps(item, ensure_ascii=False)}\n" for item in items)
    about = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "task": values["title"],
        "model": values["model"],
        "dataset": {"name": values["title"], "samples": len(items)},
        "config": {},
    }
    log = {"version": 2, "status": "success", "eval": about, "samples": items}
    return json.dumps(log, indent=1, ensure_ascii=False)


def _cells(question: Question) -> dict[str, str]:
    cells = {field: _cell(field, value) for field, value in to_row(question).items()}
    # A spreadsheet takes what begins with an apostrophe for text, and never runs it.
    return {field: f"'{cell}" if ESCAPED.match(cell) else cell for field, cell in cells.items()}


def _cell(field: str, value: Any) -> str:  # noqa: ANN401 - of any field
    """Return the words that are read as this value."""
    if field == "must_have":
        cell = facts(value)
    elif field == "history":
        cell = json.dumps(value, ensure_ascii=False) if value else ""
    elif field == "answerable":
        cell = "" if value is None else str(value).lower()
    else:
        cell = value if isinstance(value, str) else ("; " if field == "must_not" else "\n").join(value)
    return cell


def _metadata(question: Question, *elsewhere: str) -> Row:
    """Return the fields that have a value and no other place in an item."""
    row = to_row(question)
    return {n: v for n, v in row.items() if n not in elsewhere and (v or n in ("answerable", "must_have"))}


def _to_promptfoo(question: Question, o: Observed | None) -> Row:
    checks: list[Row] = [{"type": "icontains-any", "value": list(wordings)} for wordings in question.must_have]
    checks += [{"type": "not-icontains", "value": wording} for wording in question.must_not]
    test: Row = {
        "vars": {"question": question.question},
        "assert": checks,
        "metadata": _metadata(question, "question", "history", "must_have", "must_not", "notes"),
    }
    if question.history:
        # As words: of a list promptfoo makes a test for each entry.
        test["vars"]["history"] = _cell("history", to_row(question)["history"])
    if question.notes:
        test["description"] = question.notes
    if o:
        test["providerOutput"] = _response(o)
    return test


def _to_inspect(question: Question) -> Row:
    messages = [
        {"role": role, "content": words}
        for turn in question.history
        for role, words in (("user", turn.question), ("assistant", turn.answer))
    ]
    only_fact = list(question.must_have[0]) if len(question.must_have) == 1 and not question.ideal else None
    return {
        "id": question.id,
        "input": [*messages, {"role": "user", "content": question.question}] if messages else question.question,
        "target": only_fact or question.ideal,
        "metadata": _metadata(question, "id", "question", "history", "ideal", "must_have" if only_fact else "ideal"),
    }


def _logged(o: Observed) -> Row:
    message = {"role": "assistant", "content": _response(o)}
    value = {"right": "C", "wrong": "I", "missing": "N"}.get(o.outcome or "")
    score = {"value": value, "answer": _response(o), "explanation": cause(o) or ""}
    return {
        "epoch": 1,
        "messages": [],
        "output": {"model": o.record.model, "choices": [{"message": message, "stop_reason": "stop"}]},
        "scores": {"outcome": score} if value else {},
    }


def _to_ragas(question: Question, o: Observed | None) -> Row:
    found = [o.articles[span.article].text[span.start : span.end] for span in o.record.retrieved] if o else None
    return {
        "user_input": question.rewrite or question.question,
        "retrieved_contexts": found,
        "reference_contexts": list(question.evidence),
        "response": _response(o) if o else None,
        "reference": question.ideal or None,
    }


def _response(o: Observed) -> str:
    """Return what the reader was told: the answer without its markers, or that there is none."""
    labels = {str(status): label for status, label in rendering.LABELS.items()}
    return o.words or labels.get(o.record.status, o.record.status)
