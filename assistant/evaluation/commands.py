"""The commands of evaluators: `python -m assistant evaluate`, `audit`, `compare`, `convert`, `review`.

Each imports what it needs by itself, so that help comes at once.
"""

from __future__ import annotations

import getpass
import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from assistant.command import Json, errors_as_lines, grouped, pace, print_rich
from assistant.errors import ConfigurationError
from assistant.evaluation.options import AuditOptions, Draw, Limits, Options
from assistant.extras import require
from assistant.settings import Settings

app = typer.Typer()

_Out = Annotated[Path | None, typer.Option(help="Folder of the run; an unfinished one is gone on with.")]


@app.command()
@grouped
def evaluate(  # noqa: PLR0913, PLR0917 - two of them are groups, and the others have nothing in common
    options: Options,
    limits: Limits,
    questions: Annotated[Path | None, typer.Argument(help="Question file: one JSON object a line.")] = None,
    out: _Out = None,
    rescore: Annotated[Path | None, typer.Option(help="Score this run again, without asking anything.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the run will take; ask nothing.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Ask the questions of a file and report what is right, how sure that is, and what failed why.

    The folder gets answers.jsonl, report.html, report.json and questions.csv. Exit code 3 says that a limit was missed,
    1 that every answer failed or that the run was interrupted.
    """
    with errors_as_lines():
        require("evaluate", "Evaluating")
        from assistant.evaluation import evaluate as evaluation  # noqa: PLC0415
        from assistant.evaluation.asking import ASKING  # noqa: PLC0415
        from assistant.evaluation.reporting import terminal  # noqa: PLC0415
        from assistant.evaluation.scoring import gates  # noqa: PLC0415

        demands = gates.demanded(limits)
        if rescore is not None and dry_run:
            raise ConfigurationError("--rescore asks nothing", "leave out --dry-run")
        if rescore is not None:
            content, folder = evaluation.rescore(rescore, demands, questions), rescore
        elif questions is None or out is None:
            raise ConfigurationError("Name a question file and a folder: evaluate QUESTIONS --out DIR")
        elif dry_run:
            with pace(ASKING) as show:
                found = evaluation.estimate(questions, options, Settings.from_environment(), show)
            typer.echo(json.dumps(found) if as_json else terminal.estimated(found))
            return
        else:
            settings, say = Settings.from_environment(), partial(typer.echo, err=True)
            with pace(ASKING) as show:
                content, folder = evaluation.evaluate(questions, out, options, demands, settings, show, say), out
    if as_json:
        typer.echo(json.dumps({name: content[name] for name in terminal.SUMMARY} | {"folder": str(folder)}))
    else:
        print_rich(terminal.headlines(content, folder))
    missed = gates.missed(content["gates"])
    for line in missed:
        typer.echo(f"missed: {line}", err=True)
    _end_where_all_failed(content)
    if missed:
        raise typer.Exit(3)


@app.command()
@grouped
def audit(
    options: AuditOptions,
    out: _Out = None,
    rescore: Annotated[Path | None, typer.Option(help="Report on this audit again, without asking anything.")] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Ask about altered quotations, false claims and subtly false questions, and report beside published studies.

    The folder gets audit.html, audit.json and the files of a run, which `review` and `compare` read too.
    """
    with errors_as_lines():
        require("evaluate", "Auditing")
        from assistant.evaluation.asking import ASKING  # noqa: PLC0415
        from assistant.evaluation.audit import audit as auditing  # noqa: PLC0415
        from assistant.evaluation.audit import report  # noqa: PLC0415
        from assistant.evaluation.reporting import terminal  # noqa: PLC0415

        if rescore is not None:
            content, folder = report.write(rescore), rescore
        elif out is None:
            raise ConfigurationError("Name a folder: audit --out DIR")
        else:
            with pace(ASKING) as show:
                content, folder = auditing.audit(out, options, Settings.from_environment(), show), out
    if as_json:
        typer.echo(json.dumps({name: content[name] for name in ("asked", "planned", "complete", "parts")}))
    else:
        print_rich(terminal.audited(content, folder / report.PAGE))
    _end_where_all_failed(content)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="Folder of the earlier run.")],
    after: Annotated[Path, typer.Argument(help="Folder of the later run.")],
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Compare two runs on the questions that both asked: what changed, and could chance alone have changed it?"""
    with errors_as_lines():
        require("evaluate", "Evaluating")
        from assistant.evaluation.reporting import compare as comparing  # noqa: PLC0415
        from assistant.evaluation.reporting import terminal  # noqa: PLC0415

        comparison = comparing.compare(before, after)
    if as_json:
        typer.echo(json.dumps(comparison))
    else:
        print_rich(terminal.comparison(comparison))


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="A question file, a table, or promptfoo's tests.")],
    target: Annotated[Path, typer.Argument(metavar="TO", help="A new file: .jsonl, or .csv for a table.")],
) -> None:
    """Write questions as a table (.csv), or make a question file (.jsonl) of one or of promptfoo's tests.

    What a table does not hold is named.
    """
    with errors_as_lines():
        require("evaluate", "Converting")
        from assistant.evaluation.interchange import writing  # noqa: PLC0415

        for line in writing.convert(source, target):
            typer.echo(line)


@app.command()
@grouped
def review(
    chosen: Draw,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folder of a run; of two to compare them.")],
    grader: Annotated[str, typer.Option(help="Who grades; by default who is logged in.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; by default any that is free.")] = 0,
) -> None:
    """Grade answers by reading them, on a page that only this machine can open, with the keyboard.

    The grades are kept in grades.jsonl in the folder of the run; `evaluate --rescore RUN` puts them into its report,
    `audit --rescore RUN` into that of an audit.
    """
    with errors_as_lines():
        require("evaluate", "Reviewing")
        from assistant.evaluation.review.server import review as grade  # noqa: PLC0415

        if len(runs) > 2:
            raise ConfigurationError("Name one run, or two to compare: review RUN [RUN]")
        if chosen.ebu and (len(runs) > 1 or chosen.disagreements):
            raise ConfigurationError(
                "--ebu is for one run and knows no rules", "leave out the second RUN, and --disagreements"
            )
        done, drawn = grade(runs, chosen, grader or getpass.getuser(), port, typer.echo)
    typer.echo(f"{done} of {drawn} graded; the same command goes on.")
    typer.echo(f"Into the report: evaluate --rescore {runs[-1]}. Into that of an audit: audit --rescore {runs[-1]}.")


def _end_where_all_failed(content: dict[str, Any]) -> None:
    if {row["status"] for row in content["rows"]} == {"error"}:
        typer.echo("error: every question ended in an error; answers.jsonl has the reasons", err=True)
        raise typer.Exit(1)
