"""What a benchmark found: figures beside the aims that they are held against, as lines and as JSON.

Passes no judgement: a figure that misses its aim is marked, and the command ends well.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much in all."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, and what it should be at most or at least, where there is such an aim."""

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def missed(self) -> bool:
        """Whether it is not what it should be."""
        too_much = self.at_most is not None and self.value > self.at_most
        return too_much or (self.at_least is not None and self.value < self.at_least)

    @property
    def line(self) -> str:
        """The figure for a person."""
        aim = "" if self.at_most is None else f"at most {self.at_most:g}"
        aim = aim if self.at_least is None else f"at least {self.at_least:g}"
        told = f"   ({aim}{': MISSED' if self.missed else ''})" if aim else ""
        return f"{self.name:<62}{self.value:>10.4g} {self.unit:<10}{told}".rstrip()


@dataclass(frozen=True, slots=True)
class Measured:
    """What a benchmark found, and the single values behind it."""

    figures: Sequence[Figure]
    details: Mapping[str, Any]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share, 0 to 1, does not exceed; 0 of nothing."""
    return float(np.quantile(values, share)) if values else 0.0


def spread(
    name: str, values: Sequence[float], unit: str = "ms", *, p50: float | None = None, p95: float | None = None
) -> list[Figure]:
    """Return the median and the 95th percentile of the values, each with what it should be at most, if anything."""
    return [
        Figure(f"{name}, p50", percentile(values, 0.5), unit, p50),
        Figure(f"{name}, p95", percentile(values, 0.95), unit, p95),
    ]


def machine() -> dict[str, Any]:
    """Return what the figures are measured on, and how busy it is."""
    try:
        model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        model = None
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": model[1] if model else platform.processor(),
        "processors": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def save(file: Path, measured: Measured, on: Mapping[str, Any]) -> None:
    """Write figures and details, with the machine that they were measured on, as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    figures = [{**asdict(figure), "missed": figure.missed} for figure in measured.figures]
    content = {"figures": figures, "machine": on, **measured.details}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
