"""What an audit found, beside what others published: audit.json and audit.html, from the folder of the run alone.

What is measured, and what others published, stands in `parts.toml`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from assistant.errors import ConfigurationError
from assistant.evaluation import run
from assistant.evaluation.audit.quotations import SOURCE
from assistant.evaluation.questions import plain
from assistant.evaluation.reporting import report
from assistant.evaluation.reporting.summary import summarise
from assistant.evaluation.scoring.observed import Observed, estimated

DATA, PAGE = "audit.json", "audit.html"
_TOLD = tomllib.loads((resources.files("assistant.evaluation.audit") / "parts.toml").read_text(encoding="utf-8"))
_FAILURES = {failure["name"] for failure in _TOLD["failure"]}
KINDS = {kind: part["name"] for part in _TOLD["part"] for figure in part["figures"] for kind in figure["kinds"]}
"""The part that each kind of question belongs to."""


def write(folder: Path) -> dict[str, Any]:
    """Write the report of the answers in a run's folder, and return its data.

    Raises:
        ConfigurationError: the folder is not as it must be, or cannot be written.
    """
    _, questions, observed = run.observed(folder)
    if not {question.kind for question in questions} <= KINDS.keys():
        raise ConfigurationError(f"{folder} holds no audit", "name a folder that `audit --out` has written")
    ended = [(o, end(o)) for o in observed]
    whole = summarise(folder)
    kept = ("schema", "title", "created", "complete", "asked", "planned", "repeats", "model", "options")
    content = {
        **{name: whole[name] for name in (*kept, "fingerprint", "statuses", "articles", "cluster_note")},
        "parts": [
            part | {"figures": [_measured(figure, ended) for figure in part["figures"]]} for part in _TOLD["part"]
        ]
        + [whole["sheet"]],
        "causes": _TOLD["failure"],
        "rows": [row | _judged(how) for row, (_, how) in zip(whole["rows"], ended, strict=True)],
    }
    run.write(folder / DATA, json.dumps(content, indent=1))
    run.write(folder / PAGE, report.render_audit(content))
    return content


def _measured(figure: Mapping[str, Any], ended: Sequence[tuple[Observed, str]]) -> dict[str, Any]:
    """Return a figure in the form of a measure of a run's report."""
    seen = ((o, float(how in figure["ends"])) for o, how in ended if o.question.kind in figure["kinds"])
    return {**figure, "unit": "share", **estimated(seen)}


def _judged(how: str) -> dict[str, Any]:
    """Return what of a row is otherwise than in a run's report: right and wrong are those of the audit."""
    failed = how in _FAILURES
    return {"end": how, "cause": how if failed else None, "outcome": "wrong" if failed else "right", "scores": {}}


def end(o: Observed) -> str:
    """Return how a question ended: `answered`, `corrected` or `declined`, or a failure that `parts.toml` describes.

    The rules read words: who says the true ones has put right what was false, whatever else is said.
    """
    if o.failed:
        return "error"
    if o.question.answerable:
        return _end_of_answerable(o)
    if o.refused:
        return "declined"
    opening = plain(o.words).partition(" ")[0]
    if opening == "yes":
        return "repeated"
    if not o.missing_facts:
        return "corrected"
    return "repeated" if o.forbidden_found and opening != "no" else "beside"


def _end_of_answerable(o: Observed) -> str:
    if o.refused:
        return "refused"
    if o.question.kind == SOURCE:
        # Its title and date stand beside a citation.
        cited = {cited.span.article for cited in o.record.citations}
        return "answered" if o.cites_evidence and cited == {o.question.article} else "wrong"
    if not o.missing_facts:
        return "answered"
    return "swapped" if o.forbidden_found else "wrong"
