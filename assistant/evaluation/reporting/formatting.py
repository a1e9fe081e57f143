"""How the figures of an evaluation are written, in the report and in a terminal alike."""

from __future__ import annotations

DASH = "–"
"""What stands where there is nothing to measure; never 0."""

_PATTERNS = {"share": "z.3f", "score": "z.3f", "money": "z,.4f", "words": "z,.1f", "points": "z,.1f"}
_PATTERNS |= dict.fromkeys(("ms", "count"), "z,.0f")


def number(value: float | None, unit: str = "share", *, signed: bool = False) -> str:
    """Return a figure with as many decimals as its unit is worth, its minus sign as wide as its plus."""
    if value is None:
        return DASH
    written = format(value, ("+" if signed else "") + _PATTERNS[unit])
    return written.replace("-", "−")


def probability(value: float | None) -> str:
    """Return a p value; one too small for the decimals is less than something, and never 0."""
    return "< 0.001" if value is not None and value < 0.0005 else number(value)


def interval(low: float | None, high: float | None, unit: str = "share") -> str:
    """Return an interval as in "0.610 to 0.800"."""
    return DASH if low is None or high is None else f"{number(low, unit)} to {number(high, unit)}"
