"""The options of the evaluators' commands that belong together, each with what `--help` says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from assistant.evaluation.grading.rubrics import CONTENT, EBU, Rubric

Articles = Annotated[
    list[Path] | None, typer.Option(metavar="FOLDER", help="Answer from these articles; may be given again.")
]
WithoutModel = Annotated[bool, typer.Option("--without-model", help="Answer by quotation alone.")]


@dataclass(frozen=True, slots=True)
class Options:
    """Which questions of a file are asked, and how."""

    articles: Articles = None
    limit: Annotated[int | None, typer.Option(min=1, help="Ask at most so many questions, the first ones.")] = None
    ids: Annotated[list[str] | None, typer.Option(help="Ask only this question; may be given again.")] = None
    kind: Annotated[list[str] | None, typer.Option(help="Ask only this kind; may be given again.")] = None
    failed_in: Annotated[Path | None, typer.Option(help="Ask only what failed in this run.")] = None
    repeat: Annotated[int, typer.Option(min=1, help="Ask every question so often.")] = 1
    seed: Annotated[int, typer.Option(min=0, help="Seed of the intervals.")] = 0
    max_minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Stop asking then; the report is of what was asked.")
    ] = None
    without_model: WithoutModel = False


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """How many questions an audit asks, and of what."""

    articles: Articles = None
    questions: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="These claims and pairs and not ours; may be given again.")
    ] = None
    limit: Annotated[int, typer.Option(min=1, help="Ask at most so many questions.")] = 400
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0
    without_model: WithoutModel = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run must reach."""

    least: Annotated[
        list[str] | None, typer.Option("--min", metavar="NAME>=VALUE", help="What must be reached; <= is possible too.")
    ] = None
    thresholds: Annotated[Path | None, typer.Option(help="TOML file of such limits.")] = None
    baseline: Annotated[Path | None, typer.Option(help="Earlier run to compare with.")] = None
    max_drop: Annotated[float | None, typer.Option(min=0.0, help="How much worse than that each headline may be.")] = (
        None
    )


@dataclass(frozen=True, slots=True)
class Draw:
    """Which answers of a run are graded, and by what."""

    sample: Annotated[int | None, typer.Option(min=1, help="Grade so many answers at random.")] = None
    per_kind: Annotated[int | None, typer.Option(min=1, help="Grade so many of each kind.")] = None
    disagreements: Annotated[bool, typer.Option("--disagreements", help="Rules and grades differ first.")] = False
    ebu: Annotated[bool, typer.Option("--ebu", help="Grade by the five criteria of the EBU instead.")] = False
    second: Annotated[bool, typer.Option("--second", help="Grade what only one other person has graded.")] = False
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0

    @property
    def rubric(self) -> Rubric:
        """By what they are graded; other grades do not matter."""
        return EBU if self.ebu else CONTENT
