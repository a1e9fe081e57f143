"""What an evaluator reads in the terminal: the headlines of a run, and how two runs differ.

Made from the data of `report.json` and of a comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from assistant.evaluation.reporting.formatting import DASH, interval, number
from assistant.rendering import plain

SUMMARY = (
    *("title", "model", "complete", "asked", "planned"),
    *("headlines", "second_screen", "causes", "gates", "grades", "usage"),
)
"""What is printed for a script; the rest is in the report."""

_MOST_LISTED = 20
_BY_KIND = {
    "content": "content",
    "written_and_right": "written\nand right",
    "facts": "facts",
    "refusal_recall": "unanswerable\nrefused",
    "words_to_read_p50": "words to\nread, p50",
    "words_to_read_p90": "p90",
}
"""The headlines that the terminal splits by kind, and what stands above them."""


def headlines(content: Mapping[str, Any], folder: Path) -> RenderableType:
    """Return the headlines with their intervals, the causes of failures, the gates, and where the report is."""
    asked, planned = content["asked"], content["planned"]
    parts: list[RenderableType] = [
        Text(
            f"{plain(content['title'])}: {asked} of {planned} questions, model {plain(content['model'])}", style="bold"
        )
    ]
    if not content["complete"]:
        parts.append(Text("Not complete: the same command goes on where it stopped.", style="yellow"))
    parts += [_figures(content["headlines"]), _by_kind(content["by_kind"]), *_used(content["usage"])]
    failed = [f"{cause['label']} {cause['count']}" for cause in content["causes"] if cause["count"]]
    parts.append(Text(f"Failures: {', '.join(failed) or 'none'}."))
    parts += _graded(content["grades"])
    parts += [
        Text(f"{'passed' if gate['passed'] else 'MISSED'}: {gate['text']}", style="green" if gate["passed"] else "red")
        for gate in content["gates"]
    ]
    parts += [Text(content["smallest_difference"]["note"], style="dim"), Text(f"Report: {folder / 'report.html'}")]
    return Group(*parts)


def _figures(measures: Sequence[Mapping[str, Any]]) -> Table:
    """Return the measures that apply, with their intervals."""
    table = _table("", "value", "95 % interval", "n")
    for measure in measures:
        if measure["n"]:
            table.add_row(
                measure["label"],
                number(measure["value"], measure["unit"]),
                interval(measure["low"], measure["high"], measure["unit"]),
                str(measure["n"]),
            )
    return table


def audited(content: Mapping[str, Any], page: Path) -> RenderableType:
    """Return what an audit measured, beside what is published, how many answers are to be read, and where."""
    parts: list[RenderableType] = []
    for part in content["parts"]:
        published = "; ".join(f"{what} {figure}" for what, figure in part["published"])
        found = _figures(part["figures"]) if part["figures"] else Text(part["empty"])
        parts += [Text(part["title"], style="bold"), found]
        parts += [Text(plain(note)) for note in part.get("notes", ())]
        parts += [Text(f"{part['study']}: {published}", style="dim"), Text()]
    failed = sum(row["cause"] is not None for row in content["rows"])
    return Group(*parts, Text(f"{failed} of {content['asked']} answers to read: {page}"))


def _graded(grades: Mapping[str, Any] | None) -> list[RenderableType]:
    """Return how many answers people graded, and how far they agree."""
    if grades is None:
        return []
    same = grades["agreement"]
    agree = f"alpha {number(same['alpha'])} on the {same['n']} that were graded twice" if same else "none graded twice"
    lines = [f"Graded by reading: {grades['n']} answers, {agree}; rules differ on {len(grades['differ'])}."]
    return [Text(plain(line)) for line in [*lines, *grades["notes"]]]


def _used(usage: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Return what the calls of a provider's model took, where there were any."""
    table = _table("", "an answer, median", "in all", "n")
    for row in usage:
        table.add_row(row["label"], number(row["p50"], row["unit"]), number(row["total"], row["unit"]), str(row["n"]))
    return [table] if usage else []


def estimated(found: Mapping[str, Any]) -> str:
    """Return in words what a run will take."""
    asked = f"{found['questions']:,} questions, {found['calls']:,} calls of {found['model']}"
    if not found["calls"]:
        return f"{asked}: no call leaves this machine."
    cost = "set ASSISTANT_MODEL_PRICE to be told the cost" if found["cost"] is None else f"cost {found['cost']:,.2f}"
    tokens = f"about {found['read']:,} tokens read, {found['written']:,} written; {cost}"
    return f"{asked}: {tokens}. What the provider has kept costs less, an answer that has to be mended twice as much."


def _by_kind(groups: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return what a reader feels of each kind of question."""
    table = _table("kind", *_BY_KIND.values(), "n")
    for group in groups:
        measures = {measure["name"]: measure for measure in group["measures"]}
        shown = [measures[name] for name in _BY_KIND]
        figures = [number(measure["value"], measure["unit"]) for measure in shown]
        table.add_row(plain(group["name"] or DASH), *figures, str(group["n"]))
    return table


def comparison(found: Mapping[str, Any]) -> RenderableType:
    """Return the questions that turned, and the headlines that differ, with their intervals and p values."""
    parts = _turned(f"Broken: {len(found['broken'])} of {found['n']} questions in common", found["broken"], "red")
    parts += _turned(f"Fixed: {len(found['fixed'])}", found["fixed"], "green")
    parts += [Text(plain(note), style="yellow") for note in found["notes"]]
    differing = [row for row in found["differences"] if any((row["difference"], row["low"], row["high"]))]
    table = _table("", "before", "after", "change", "95 % interval", "p", "n")
    for row in differing:
        table.add_row(
            *_before_and_after(row),
            interval(row["low"], row["high"], row["unit"]),
            DASH if row["p_holm"] is None else f"{row['p_holm']:.3f}",
            str(row["n"]),
        )
    for row in found["latency"]:
        table.add_row(*_before_and_after(row), *[DASH] * 3)
    same = [row["label"] for row in found["differences"] if row not in differing]
    parts += [Text(f"Same in both: {', '.join(same)}")] if same else []
    words = f"p is adjusted for all headlines; {found['clusters']} clusters, by {found['cluster_by']}."
    parts += [table, Text(words, style="dim")]
    parts += [
        Text(
            f"differs in {plain(str(row['part']))}: {_short(row['baseline'])} before, {_short(row['run'])} after",
            style="dim",
        )
        for row in found["fingerprint_differences"]
    ]
    return Group(*parts)


def _before_and_after(row: Mapping[str, Any]) -> list[str]:
    """Return what is measured, both figures and their difference."""
    was, now = row["baseline"], row["run"]
    change = None if was is None or now is None else now - was
    return [row["label"], *(number(f, row["unit"]) for f in (was, now)), number(change, row["unit"], signed=True)]


def _turned(title: str, rows: Sequence[Mapping[str, Any]], style: str) -> list[RenderableType]:
    lines: list[RenderableType] = [Text(title, style=style)]
    lines += [
        Text(f"  {plain(row['id'])} {plain(row['question'])} ({str(row['cause']).replace('_', ' ')})")
        for row in rows[:_MOST_LISTED]
    ]
    return [*lines, Text("  and more")] if len(rows) > _MOST_LISTED else lines


def _short(value: object) -> str:
    text = plain(str(value))
    return text if len(text) <= 24 else f"{text[:24]}…"


def _table(*columns: str) -> Table:
    """Return a table that breaks no figure, whose first column takes several lines where the others leave it few."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left", no_wrap=bool(position))
    return table
