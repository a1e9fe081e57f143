"""The figures of several runs side by side."""

import json
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import ConfigurationError
from lab.tables import side_by_side


def finished(folder: Path, **measures: tuple[float, int]) -> Path:
    """Write the report of a run with these measures: the value, and of how many questions."""
    folder.mkdir()
    found: list[dict[str, Any]] = [
        {"name": name, "label": name.upper(), "unit": "share", "value": value, "n": n}
        for name, (value, n) in measures.items()
    ]
    (folder / "report.json").write_text(json.dumps({"headlines": found[:1], "second_screen": found[1:]}))
    return folder


def test_each_measure_has_a_row_and_each_run_a_column(tmp_path: Path) -> None:
    """What one run does not measure is a dash there; what none does is left out."""
    one = finished(tmp_path / "one", facts=(0.8, 165), graded=(0.0, 0))
    other = finished(tmp_path / "other", facts=(0.61, 100), wrong=(0.05, 120))
    assert side_by_side([one, other]).splitlines()[2:] == [
        "| FACTS | 0.800 of 165 | 0.610 of 100 |",
        "| WRONG | – | 0.050 of 120 |",
    ]


def test_a_folder_without_a_finished_run_is_named(tmp_path: Path) -> None:
    """The error says what to do."""
    with pytest.raises(ConfigurationError, match=r"holds no report\.json: finish the run"):
        side_by_side([tmp_path])
