"""The figures of several runs side by side, as a Markdown table: look-ups and readers' questions, old and new."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assistant.errors import ConfigurationError
from assistant.evaluation.reporting.formatting import number


def side_by_side(runs: Sequence[Path]) -> str:
    """Return a row for each measure and a column for each finished run, given by its folder.

    Raises:
        ConfigurationError: a folder holds no finished run.
    """
    columns: dict[str, dict[str, Any]] = {}
    rows: dict[str, str] = {}
    for run in runs:
        try:
            report = json.loads((run / "report.json").read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"{run} holds no report.json", "finish the run with evaluate --out") from error
        measures = {each["name"]: each for each in (*report["headlines"], *report["second_screen"])}
        columns[str(run)] = measures
        rows |= {name: measure["label"] for name, measure in measures.items()}
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    for name, label in rows.items():
        found = [measures.get(name, {}) for measures in columns.values()]
        if any(measure.get("n") for measure in found):
            lines.append([label, *(_figure(measure) for measure in found)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(measure: dict[str, Any]) -> str:
    return f"{number(measure['value'], measure['unit'])} of {measure['n']}" if measure.get("n") else number(None)
