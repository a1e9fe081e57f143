"""The plots of an evaluation report: SVG that stands within a page, each with a caption and its figures as a table.

Matplotlib draws; the page gives the colours and the typeface, so that a plot is legible in light, in dark and on paper.
Nothing but colour is told by colour alone. Knows nothing of how the figures came about.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assistant.evaluation.reporting.formatting import interval, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Entry = Mapping[str, Any]
"""One entry of a list of the report's data."""

_WIDTH, _HEIGHT = 360, 240
"""Of every plot, in units of which a letter is 12 high: the width is that of a phone."""

_COLOURS = {f"#00000{number}": f"var(--{name})" for number, name in enumerate(("ink", "quiet", "line", "accent"), 1)}
"""What stands for the page's colours while Matplotlib draws."""
_INK, _QUIET, _LINE, _ACCENT = _COLOURS

_STYLE: Mapping[Any, object] = {
    "svg.fonttype": "none",  # letters stay letters, in the page's typeface
    "text.parse_math": False,
    "font.size": 12,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _QUIET,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 12,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "text.color": _INK,
    "xtick.color": _LINE,
    "xtick.labelcolor": _QUIET,
    "ytick.color": _LINE,
    "ytick.labelcolor": _QUIET,
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing for people who see it, and the same in words and figures for everyone."""

    title: str
    caption: str
    """How to read it, and what it says here."""
    svg: Markup
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def plots(content: Mapping[str, Any]) -> list[Plot]:
    """Return the plots for which the report's data holds figures."""
    curves = content["curves"]
    drawn = (
        _risk_coverage(curves["risk_coverage"], curves["operating_point"]) if curves["risk_coverage"] else None,
        _calibration(curves["calibration"]) if curves["calibration"] else None,
        _latency(content["latency"]) if content["latency"] else None,
    )
    return [plot for plot in drawn if plot is not None]


def _risk_coverage(curve: Sequence[Entry], point: Entry | None) -> Plot:
    """How often answers are wrong when only the surest share of the questions is answered."""

    def draw(axes: Axes) -> None:
        axes.plot([at["coverage"] for at in curve], [at["risk"] for at in curve], color=_ACCENT)
        if point:
            threshold = "the assistant's threshold"
            axes.plot(point["coverage"], point["risk"], "o", color=_INK, markersize=7, label=threshold)
            axes.legend(loc="lower right")
        axes.set(xlabel="share of questions answered, surest first", ylabel="share wrong of those")
        axes.set(xlim=(0, 1), ylim=(0, max(0.1, 1.25 * max(at["risk"] for at in curve))))

    tenths = [min(curve, key=lambda at: abs(at["coverage"] - tenth / 10)) for tenth in range(1, 11)]
    caption = f"If only the surest half were answered, {tenths[4]['risk']:.3f} of those answers would be wrong"
    if point:
        coverage, risk = point["coverage"], point["risk"]
        caption += f"; at the assistant's threshold it answers {coverage:.3f}, of which {risk:.3f} are"
    return Plot(
        "Risk and coverage",
        f"{caption}. A curve that stays low and rises late is better.",
        _svg(draw),
        ("share answered", "share wrong", "least confidence"),
        [[number(at[key]) for key in ("coverage", "risk", "confidence")] for at in tenths],
    )


def _calibration(bins: Sequence[Entry]) -> Plot:
    """Whether the article answers as many questions as the assistant's confidence says."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=_QUIET, linestyle="--", linewidth=1)
        for at in bins:
            if at["low"] is not None:
                axes.vlines(at["confidence"], at["low"], at["high"], color=_ACCENT, linewidth=1.2)
        axes.plot([at["confidence"] for at in bins], [at["share"] for at in bins], "o", color=_ACCENT)
        axes.set(xlabel="confidence of the assistant", ylabel="share answerable")
        axes.set(xlim=(0, 1), ylim=(0, 1.03))

    return Plot(
        "Calibration",
        "Each point is a group of questions of like confidence, with its 95 % interval; on the dashed line the "
        "confidence is what it says. Below it the assistant is too sure.",
        _svg(draw),
        ("mean confidence", "share answerable", "95 % interval", "n"),
        [[number(at["confidence"]), number(at["share"]), interval(at["low"], at["high"]), str(at["n"])] for at in bins],
    )


def _latency(stages: Sequence[Entry]) -> Plot:
    """What share of the answers was ready within a time."""

    def draw(axes: Axes) -> None:
        for stage, dashes in zip(stages, cycle(("-", "--", ":", "-.")), strict=False):
            times = [max(1.0, time) for time in stage["values"]]
            axes.ecdf(times, color=_ACCENT, linestyle=dashes, label=stage["label"])
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda time, _: f"{time:g} ms" if time < 1000 else f"{time / 1000:g} s")
        axes.xaxis.set_minor_formatter(lambda *_: "")
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2)
        axes.set(xlabel="time, on a logarithmic scale", ylabel="share ready within it")

    return Plot(
        "Latency by stage",
        "Share of the answers of which a stage was done within a time; a curve further left is faster.",
        _svg(draw),
        ("stage", "p50, ms", "p95, ms", "longest, ms", "n"),
        [
            [stage["label"], *(number(stage[key], "ms") for key in ("p50", "p95", "max")), str(stage["n"])]
            for stage in stages
        ],
    )


def _svg(draw: Callable[[Axes], None]) -> Markup:
    """Return what `draw` puts on the axes, as an SVG element; the same figures give the same characters.

    It is hidden from screen readers: its figures stand beside it as text.
    """
    # Slow to import, and only this needs them.
    import matplotlib  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    file = io.StringIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": draw.__qualname__}):
        figure = Figure(figsize=(_WIDTH / 72, _HEIGHT / 72), layout="constrained")
        draw(figure.subplots())
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    drawing = file.getvalue()
    body = drawing[drawing.index(">", drawing.index("<svg")) + 1 :]
    # Its style sheet, its names and its typeface would be the whole page's.
    body = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</defs>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*">', "<g>", body)
    body = re.sub(r" ?font-family: [^;\"]*;?", "", body)
    for colour, variable in _COLOURS.items():
        body = body.replace(colour, variable)
    head = f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return Markup(head + body)  # noqa: S704 - Matplotlib has escaped every text
