"""What a run must reach to be shipped: limits for measures, and how far they may fall behind an earlier run.

A gate is about the value, not about the bound of its interval; a measure that does not apply fails it, since nothing
was shown.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.errors import ConfigurationError
from assistant.evaluation.options import Limits
from assistant.evaluation.scoring.measures import GRADED, HEADLINES, MEASURES

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Demands:
    """What a run must reach."""

    gates: tuple[Gate, ...] = ()
    baseline: Path | None = None
    """An earlier run to compare with."""
    max_drop: float | None = None
    """How much worse than that each headline may be."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One limit; `kind` restricts it to the questions of that kind, for headlines only."""

    name: str
    limit: float
    at_most: bool = False
    kind: str = ""

    @property
    def text(self) -> str:
        """The gate as a person writes it."""
        return f"{self.name}{f'@{self.kind}' if self.kind else ''} {'<=' if self.at_most else '>='} {self.limit:g}"


def demanded(limits: Limits) -> Demands:
    """Return what the options of a command demand.

    Raises:
        ConfigurationError: a limit is not of its form, or a drop has no run to be measured from.
    """
    if limits.max_drop is not None and limits.baseline is None:
        raise ConfigurationError("--max-drop needs an earlier run", "name it with --baseline")
    gates = [parse(text) for text in limits.least or ()]
    gates += read_thresholds(limits.thresholds) if limits.thresholds else []
    return Demands(tuple(gates), limits.baseline, limits.max_drop)


def parse(text: str, where: str = "") -> Gate:
    """Return the gate of `NAME>=VALUE` or `NAME<=VALUE`; NAME may be `facts@speaker`, for one kind of question.

    Raises:
        ConfigurationError: it is not of that form, or no measure has that name; `where` it stands is named.
    """
    where = where or repr(text)
    match = re.fullmatch(r"\s*([\w]+)(?:@([^<>=]+?))?\s*(>=|<=)\s*(\S+)\s*", text)
    if match is None:
        raise ConfigurationError(f"{where} is not of the form NAME>=VALUE or NAME<=VALUE, as in 'facts>=0.9'")
    name, kind, sign, limit = match.groups()
    known = [measure.name for measure in (HEADLINES if kind else MEASURES)]
    if name not in known:
        raise ConfigurationError(f"{where}: there is no measure {name!r}; use one of {', '.join(known)}")
    try:
        value = float(limit)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise ConfigurationError(f"{where}: the limit {limit!r} of {name} is not a number; write one as 0.9")
    return Gate(name, value, sign == "<=", kind or "")


def read_thresholds(path: Path) -> list[Gate]:
    """Read a TOML file with the tables `min` and `max`, each of names and limits.

    Raises:
        ConfigurationError: it cannot be read, or is not of that form.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"The thresholds {path} cannot be read ({error})", "mend the file") from error
    wrong = [name for name, table in tables.items() if name not in _SIGNS or not isinstance(table, dict)]
    if wrong:
        raise ConfigurationError(f"The thresholds {path} have a part {wrong[0]!r}", "use the tables [min] and [max]")
    limits = [(name, _SIGNS[table], limit) for table, found in tables.items() for name, limit in found.items()]
    return [parse(f"{name}{sign}{limit}", str(path)) for name, sign, limit in limits]


_SIGNS = {"min": ">=", "max": "<="}


def check(gates: Sequence[Gate], content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each gate with the figures of its measure and whether it holds.

    Raises:
        ConfigurationError: a gate is for a kind of question that the run does not have.
    """
    kinds = {group["name"]: group["measures"] for group in content["by_kind"]}
    check_kinds(gates, list(kinds))
    found = []
    for gate in gates:
        measures = kinds[gate.kind] if gate.kind else [*content["headlines"], *content["second_screen"]]
        measure = next(measure for measure in measures if measure["name"] == gate.name)
        value = measure["value"]
        short = None if value is None else value - gate.limit if gate.at_most else gate.limit - value
        figures = {key: measure[key] for key in ("value", "low", "high", "n", "unit")}
        found.append(_checked(gate.text, gate.name, gate.limit, figures, short))
    return found


def check_kinds(gates: Iterable[Gate], kinds: Sequence[str]) -> None:
    """Check that there are questions for each gate of one kind.

    Raises:
        ConfigurationError: a gate is for a kind of question that the run does not have.
    """
    for gate in gates:
        if gate.kind and gate.kind not in kinds:
            known = ", ".join(dict.fromkeys(kinds))
            raise ConfigurationError(f"{gate.text}: the run has no question of that kind; it has {known}")


def check_drops(comparison: Mapping[str, Any], max_drop: float) -> list[dict[str, Any]]:
    """Return for each headline that was compared whether it got worse by no more than `max_drop`."""
    found = []
    for row in comparison["differences"]:
        drop, low, high = row["difference"], row["low"], row["high"]
        if row["better"] != "lower":
            drop, low, high = (None if figure is None else -figure for figure in (drop, high, low))
        figures = {"value": drop, "low": low, "high": high, "n": row["n"], "unit": row["unit"]}
        text = f"{row['name']} drops by at most {max_drop:g}"
        found.append(_checked(text, row["name"], max_drop, figures, drop - max_drop))
    return found


def _checked(text: str, name: str, limit: float, figures: Mapping[str, Any], short: float | None) -> dict[str, Any]:
    """Return a gate with what it is about, and whether the figure is `short` of the limit by nothing."""
    return {"text": text, "name": name, "limit": limit, **figures, "passed": short is not None and short <= _ROUNDING}


def missed(gates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each gate that does not hold."""
    return [f"{gate['text']}: it is {_value(gate)}" for gate in gates if not gate["passed"]]


def _value(gate: Mapping[str, Any]) -> str:
    """Return the value of a gate; where it rests on grades, which are few, with how sure it is."""
    if gate["value"] is None:
        return "not applicable" if gate["name"] not in GRADED else "not applicable: grade answers with `review` first"
    value = format(gate["value"], ".4g")
    if gate["name"] not in GRADED or gate["low"] is None:
        return value
    return f"{value}, at least {gate['low']:.4g} and at most {gate['high']:.4g} by its interval, n {gate['n']}"
