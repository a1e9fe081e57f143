"""What a benchmark found: figures beside the aims that they are held against, as lines, JSON and a plot.

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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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


def machine() -> dict[str, Any]:
    """Return what the figures were measured on, and how busy it was."""
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


def save(
    folder: Path,
    name: str,
    figures: Sequence[Figure],
    details: Mapping[str, Any],
    draw: Callable[[Sequence[Axes]], None],
) -> None:
    """Write `name`.json and `name`.png; `draw` gets two axes, side by side."""
    # Slow to import, and only this needs it.
    from matplotlib.figure import Figure as Drawing  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    told = [{**asdict(figure), "missed": figure.missed} for figure in figures]
    (folder / f"{name}.json").write_text(json.dumps({"figures": told, **details}, indent=1) + "\n", encoding="utf-8")
    drawing = Drawing(figsize=(11, 4), layout="constrained")
    draw([drawing.add_subplot(1, 2, number) for number in (1, 2)])
    drawing.savefig(folder / f"{name}.png", dpi=120)
