"""The commands of evaluators: `python -m assistant evaluate`, `audit`, `compare`, `convert`, `review`.

Each imports what it needs by itself, so that help comes at once. What is measured is not known here.
"""

from __future__ import annotations

import getpass
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from assistant.command import Json, errors_as_lines, pace, print_rich
from assistant.errors import ConfigurationError
from assistant.extras import require
from assistant.settings import Settings

app = typer.Typer()

_Out = Annotated[Path | None, typer.Option(help="Folder of the run; an unfinished one is gone on with.")]
_Articles = Annotated[
    list[Path] | None, typer.Option(metavar="FOLDER", help="Answer from these articles; may be given again.")
]
_WithoutModel = Annotated[bool, typer.Option("--without-model", help="Answer by quotation alone.")]


@app.command()
def evaluate(  # noqa: PLR0913, PLR0917 - each is an option of the command
    questions: Annotated[Path | None, typer.Argument(help="Question file: one JSON object a line.")] = None,
    out: _Out = None,
    rescore: Annotated[Path | None, typer.Option(help="Score this run again, without asking anything.")] = None,
    articles: _Articles = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask at most so many questions.")] = None,
    ids: Annotated[list[str] | None, typer.Option(help="Ask only this question; may be given again.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Ask only this kind; may be given again.")] = None,
    failed_in: Annotated[Path | None, typer.Option(help="Ask only what failed in this run.")] = None,
    per_article: Annotated[
        int | None, typer.Option(min=1, help="Draw so many answerable and so many other questions of each article.")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Ask every question so often.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw and of the intervals.")] = 0,
    max_minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Stop asking then; the report is of what was asked.")
    ] = None,
    without_model: _WithoutModel = False,  # noqa: FBT002
    retrieval_only: Annotated[bool, typer.Option("--retrieval-only", help="Search, and do not ask.")] = False,  # noqa: FBT002
    least: Annotated[
        list[str] | None, typer.Option("--min", metavar="NAME>=VALUE", help="What must be reached; <= is possible too.")
    ] = None,
    thresholds: Annotated[Path | None, typer.Option(help="TOML file of such limits.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="Earlier run to compare with.")] = None,
    max_drop: Annotated[
        float | None, typer.Option(min=0.0, help="How much worse than that each headline may be.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Ask the questions of a file and report what is right, how sure that is, and what failed why.

    The folder gets answers.jsonl, report.html, report.json, questions.csv and junit.xml. Exit code 3 says that a limit
    was missed, 1 that every answer failed or that the run was interrupted.
    """
    with errors_as_lines():
        require("evaluate", "Evaluating")
        from assistant.evaluation import evaluate as evaluation  # noqa: PLC0415
        from assistant.evaluation.scoring import gates  # noqa: PLC0415

        if max_drop is not None and baseline is None:
            raise ConfigurationError("--max-drop needs an earlier run: name it with --baseline")
        limits = [gates.parse(text) for text in least or []]
        limits += gates.read_thresholds(thresholds) if thresholds else []
        demands = evaluation.Demands(tuple(limits), baseline, max_drop)
        if rescore is not None:
            content, folder = evaluation.rescore(rescore, demands, questions), rescore
        elif questions is None or out is None:
            raise ConfigurationError("Name a question file and a folder: evaluate QUESTIONS --out DIR")
        else:
            options = evaluation.Options(
                limit,
                tuple(ids or ()),
                tuple(kind or ()),
                failed_in,
                per_article,
                repeat,
                seed,
                max_minutes,
                retrieval_only,
                tuple(articles or ()),
            )
            settings, say = _settings(without_model=without_model), partial(typer.echo, err=True)
            with pace(evaluation.ASKING) as show:
                content, folder = evaluation.evaluate(questions, out, options, demands, settings, show, say), out
    _show_evaluation(content, folder, as_json=as_json)


@app.command()
def audit(  # noqa: PLR0913, PLR0917 - each is an option of the command
    out: _Out = None,
    rescore: Annotated[Path | None, typer.Option(help="Report on this audit again, without asking anything.")] = None,
    articles: _Articles = None,
    questions: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="These claims and pairs and not ours; may be given again.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask at most so many questions, by default 400.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    without_model: _WithoutModel = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Ask about altered quotations, false claims and subtly false questions, and report beside published studies.

    The folder gets audit.html, audit.json and the files of a run, which `review` and `compare` read too.
    """
    with errors_as_lines():
        require("evaluate", "Auditing")
        from assistant.evaluation.audit import audit as auditing  # noqa: PLC0415
        from assistant.evaluation.audit import report  # noqa: PLC0415
        from assistant.evaluation.evaluate import ASKING, Options  # noqa: PLC0415
        from assistant.evaluation.reporting import terminal  # noqa: PLC0415

        if rescore is not None:
            content, folder = report.write(rescore), rescore
        elif out is None:
            raise ConfigurationError("Name a folder: audit --out DIR")
        else:
            settings = _settings(without_model=without_model)
            options = Options(limit=limit, seed=seed, articles=tuple(articles or ()))
            with pace(ASKING) as show:
                content, folder = auditing.audit(out, questions or (), options, settings, show), out
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
    source: Annotated[Path, typer.Argument(metavar="FROM", help="A question file, or the folder of a run.")],
    target: Annotated[Path, typer.Argument(metavar="TO", help="A new file: .jsonl, .csv for a table, or .yaml.")],
) -> None:
    """Write questions as promptfoo's tests (.yaml) or a table (.csv), or make a question file (.jsonl) of either.

    What a format does not hold is named.
    """
    with errors_as_lines():
        require("evaluate", "Converting")
        from assistant.evaluation.interchange import writing  # noqa: PLC0415

        for line in writing.convert(source, target):
            typer.echo(line)


@app.command()
def review(  # noqa: PLR0913, PLR0917 - each is an option of the command
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folder of a run; of two to compare them.")],
    grader: Annotated[str, typer.Option(help="Who grades; by default who is logged in.")] = "",
    sample: Annotated[int | None, typer.Option(min=1, help="Grade so many answers at random.")] = None,
    per_kind: Annotated[int | None, typer.Option(min=1, help="Grade so many of each kind.")] = None,
    disagreements: Annotated[bool, typer.Option("--disagreements", help="Rules and grades differ first.")] = False,  # noqa: FBT002
    ebu: Annotated[bool, typer.Option("--ebu", help="Grade by the five criteria of the EBU instead.")] = False,  # noqa: FBT002
    second: Annotated[bool, typer.Option("--second", help="Grade what only one other person has graded.")] = False,  # noqa: FBT002
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; by default any that is free.")] = 0,
) -> None:
    """Grade answers by reading them, on a page that only this machine can open, with the keyboard.

    The grades are kept in grades.jsonl in the folder of the run; `evaluate --rescore RUN` puts them into its report,
    `audit --rescore RUN` into that of an audit.
    """
    with errors_as_lines():
        require("evaluate", "Reviewing")
        from assistant.evaluation.grading.rubrics import CONTENT, EBU  # noqa: PLC0415
        from assistant.evaluation.review.draw import Draw  # noqa: PLC0415
        from assistant.evaluation.review.server import review as grade  # noqa: PLC0415

        if len(runs) > 2:
            raise ConfigurationError("Name one run, or two to compare: review RUN [RUN]")
        if ebu and (len(runs) > 1 or disagreements):
            raise ConfigurationError(
                "--ebu is for one run and knows no rules: leave out the second RUN, and --disagreements"
            )
        chosen = Draw(sample, per_kind, disagreements, second, seed, EBU if ebu else CONTENT)
        done, drawn = grade(runs, chosen, grader or getpass.getuser(), port, typer.echo)
    typer.echo(f"{done} of {drawn} graded; the same command goes on.")
    typer.echo(f"Into the report: evaluate --rescore {runs[-1]}. Into that of an audit: audit --rescore {runs[-1]}.")


def _settings(*, without_model: bool) -> Settings:
    settings = Settings.from_environment()
    return replace(settings, model="none") if without_model else settings


def _show_evaluation(content: dict[str, Any], folder: Path, *, as_json: bool) -> None:
    """Print the headlines, and end with the exit code that the run deserves."""
    from assistant.evaluation.reporting import terminal  # noqa: PLC0415
    from assistant.evaluation.scoring import gates  # noqa: PLC0415

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


def _end_where_all_failed(content: dict[str, Any]) -> None:
    if {row["status"] for row in content["rows"]} == {"error"}:
        typer.echo("error: every question ended in an error; answers.jsonl has the reasons", err=True)
        raise typer.Exit(1)
