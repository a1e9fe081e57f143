"""The command line: `python -m assistant ask`, `index`, `serve`; `evaluate`, `review`, `audit` … for evaluators; more.

Scripts read what it prints and its exit codes: 0 done, 1 the run failed, 2 usage or configuration, 3 a threshold was
missed. Answers go to standard output, all else to standard error. Each command imports what it needs by itself, so
that help comes at once; what an answer looks like is not known here.
"""

from __future__ import annotations

import getpass
import json
import re
import time
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from assistant.command import errors_as_lines, opened, pace, progress
from assistant.errors import ConfigurationError, IndexLockedError
from assistant.extras import require
from assistant.model.weights import INSTALL, LANGUAGE_MODEL_NAME, LANGUAGE_MODEL_SHA256, OFFICIAL_REPOSITORY, fetch
from assistant.settings import Settings, go_offline
from assistant.threads import take_one_thread_for_products
from assistant.types import Status, Turn

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Answers questions about a news article in its own words, with citations.",
)

feedback = typer.Typer(no_args_is_help=True, help="What readers said about answers.")
app.add_typer(feedback, name="feedback")

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


@app.callback()
def _before_all_commands() -> None:
    go_offline()
    take_one_thread_for_products()


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotation marks.")],
    history: Annotated[
        Path | None,
        typer.Option(help='JSON file of earlier exchanges: [{"question": "...", "answer": "..."}]', metavar="FILE"),
    ] = None,
    as_json: _Json = False,  # noqa: FBT002 - typer's way to declare an option
) -> None:
    """Answer a question, with the words of the article that the answer rests on."""
    with errors_as_lines():
        turns = _read_history(history) if history else []
        with opened() as (assistant, show):
            show("Reading", 0, 0)
            answer = assistant.ask(question, turns)
        from assistant.rendering import terminal, to_json  # noqa: PLC0415

    if as_json:
        typer.echo(json.dumps(to_json(answer)))
    else:
        _print(terminal(answer))
    if answer.status is Status.INDEX_UNAVAILABLE:
        raise typer.Exit(1)


@app.command()
def index(
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Bring the index up to date with the article files; nothing is done where nothing changed.

    A server does the same when it starts and whenever a file changes, so while one runs there is nothing to do.
    Exit code 1 says that a file was skipped; it is named with the reason, as is one of which something is left out.
    """
    with errors_as_lines(), progress() as show:
        settings = Settings.from_environment()
        show("Starting", 0, 0)
        from assistant.answering.assistant import Assistant  # noqa: PLC0415

        try:
            assistant = Assistant.open(replace(settings, model="none"), show)
        except IndexLockedError as error:
            from assistant.installation import renewal  # noqa: PLC0415
            from assistant.search.index_files import lock_holder  # noqa: PLC0415

            folder = settings.data / "index"
            cure = renewal(lock_holder(folder))
            raise IndexLockedError(f"The index in {folder} is in use by another process: {cure}") from error
        with closing(assistant):
            if assistant.index is None:
                raise ConfigurationError(f"There is no embedding model to index with: run {INSTALL}")
            report, problems = assistant.index.report, assistant.corpus.problems
    for problem in problems:
        typer.echo(problem, err=True)
    if as_json:
        typer.echo(json.dumps({**asdict(report), "problems": [asdict(problem) for problem in problems]}))
    else:
        typer.echo(f"Articles: {report.articles}. Passages: {report.passages}, embedded now: {report.embedded}.")
    if any(problem.skipped for problem in problems):
        raise typer.Exit(1)


@app.command()
def check(
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Look at articles, disk, model files and index, and say what is wrong and what to do about it.

    Exit code 1 says that something is. Nothing is changed, and another process may serve meanwhile.
    """
    with errors_as_lines():
        settings = Settings.from_environment()
        from assistant.installation import check as look  # noqa: PLC0415

        problems = 0
        for finding in look(settings):
            problems += bool(finding.cure)
            if as_json:
                typer.echo(json.dumps(asdict(finding)))
            else:
                cure = f": {finding.cure}" if finding.cure else ""
                typer.echo(f"{'PROBLEM' if cure else 'ok':<8}{finding.subject}: {finding.what}{cure}")
    if problems:
        raise typer.Exit(1)


@app.command()
def serve() -> None:
    """Serve the chat as a web page on this machine."""
    with errors_as_lines():
        settings = Settings.from_environment()
        from assistant.web import server  # noqa: PLC0415

        with progress() as show:
            server.serve(settings, show)


@app.command()
def evaluate(  # noqa: PLR0913, PLR0917 - each is an option of the command
    questions: Annotated[
        Path | None, typer.Argument(help="Question file: one JSON object a line, or SQuAD's format.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; an unfinished one is gone on with.")] = None,
    rescore: Annotated[Path | None, typer.Option(help="Score this run again, without asking anything.")] = None,
    articles: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="Answer from these articles; may be given again.")
    ] = None,
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
    without_model: Annotated[bool, typer.Option("--without-model", help="Answer by quotation alone.")] = False,  # noqa: FBT002
    retrieval_only: Annotated[bool, typer.Option("--retrieval-only", help="Search, and do not ask.")] = False,  # noqa: FBT002
    least: Annotated[
        list[str] | None, typer.Option("--min", metavar="NAME>=VALUE", help="What must be reached; <= is possible too.")
    ] = None,
    thresholds: Annotated[Path | None, typer.Option(help="TOML file of such limits.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="Earlier run to compare with.")] = None,
    max_drop: Annotated[
        float | None, typer.Option(min=0.0, help="How much worse than that each headline may be.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="PROVIDER:MODEL", help="Ask this model too what it thinks of the answers.")
    ] = None,
    judge_url: Annotated[str, typer.Option(help="Base URL of the judge, for a self-hosted server.")] = "",
    judge_itself: Annotated[bool, typer.Option("--judge-itself", help="Let a model judge its own answers.")] = False,  # noqa: FBT002
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Ask the questions of a file and report what is right, how sure that is, and what failed why.

    The folder gets answers.jsonl, report.html, report.json, questions.csv and junit.xml. Exit code 3 says that a limit
    was missed, 1 that every answer failed or that the run was interrupted.
    """
    with errors_as_lines():
        require("evaluate", "Evaluating")
        from assistant.evaluation import evaluate as evaluation  # noqa: PLC0415
        from assistant.evaluation.scoring import gates  # noqa: PLC0415
        from assistant.evaluation.scoring.judge import Judge  # noqa: PLC0415

        if max_drop is not None and baseline is None:
            raise ConfigurationError("--max-drop needs an earlier run: name it with --baseline")
        limits = [gates.parse(text) for text in least or []]
        limits += gates.read_thresholds(thresholds) if thresholds else []
        judging = None if judge is None else Judge(judge, judge_url, judge_itself)
        demands = evaluation.Demands(tuple(limits), baseline, max_drop, judging)
        if rescore is not None:
            with progress() as show:
                content, folder = evaluation.rescore(rescore, demands, show, questions), rescore
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
            settings = Settings.from_environment()
            if without_model:
                settings = replace(settings, model="none")
            with pace(evaluation.ASKING) as show:
                content = evaluation.evaluate(
                    questions, out, options, demands, settings, show, partial(typer.echo, err=True)
                )
                folder = out
    _show_evaluation(content, folder, as_json=as_json)


@app.command()
def audit(  # noqa: PLR0913, PLR0917 - each is an option of the command
    out: Annotated[Path, typer.Option(help="Folder of the run; an unfinished one is gone on with.")],
    articles: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="Audit these articles; may be given again.")
    ] = None,
    questions: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="These claims and pairs and not ours; may be given again.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask at most so many questions, by default 400.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    without_model: Annotated[bool, typer.Option("--without-model", help="Answer by quotation alone.")] = False,  # noqa: FBT002
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Ask about altered quotations, false claims and subtly false questions, and report beside published studies.

    The folder gets audit.html, audit.json and the files of a run, which `review` and `compare` read too.
    """
    with errors_as_lines():
        require("evaluate", "Auditing")
        from assistant.evaluation.audit import audit as auditing  # noqa: PLC0415
        from assistant.evaluation.audit.report import PAGE  # noqa: PLC0415
        from assistant.evaluation.evaluate import ASKING, Options  # noqa: PLC0415
        from assistant.evaluation.reporting import terminal  # noqa: PLC0415

        settings = Settings.from_environment()
        settings = replace(settings, model="none") if without_model else settings
        options = Options(limit=limit, seed=seed, articles=tuple(articles or ()))
        with pace(ASKING) as show:
            content = auditing.audit(out, questions or (), options, settings, show)
    if as_json:
        typer.echo(json.dumps({name: content[name] for name in ("asked", "planned", "complete", "parts")}))
    else:
        _print(terminal.audited(content, out / PAGE))
    if terminal.is_failed(content):
        typer.echo("error: every question ended in an error; answers.jsonl has the reasons", err=True)
        raise typer.Exit(1)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="Folder of the earlier run.")],
    after: Annotated[Path, typer.Argument(help="Folder of the later run.")],
    as_json: _Json = False,  # noqa: FBT002
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
        _print(terminal.comparison(comparison))


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="A question file, or the folder of a run.")],
    target: Annotated[Path, typer.Argument(metavar="TO", help="A new file: .jsonl, .csv, .yaml or .json.")],
    wanted: Annotated[
        str, typer.Option("--as", metavar="FORMAT", help="questions, csv, promptfoo, inspect, inspect-log or ragas.")
    ] = "",
) -> None:
    """Write questions in another program's format: promptfoo's, inspect-ai's, RAGAS', or a table; or read them from it.

    The format is that of the ending of TO; `--as` names one of two. What a format does not hold is named.
    """
    with errors_as_lines():
        require("evaluate", "Converting")
        from assistant.evaluation.interchange import writing  # noqa: PLC0415

        for line in writing.convert(source, target, wanted):
            typer.echo(line)


@app.command()
def review(  # noqa: PLR0913, PLR0917 - each is an option of the command
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folder of a run; of two to compare them.")],
    grader: Annotated[str, typer.Option(help="Who grades; by default who is logged in.")] = "",
    sample: Annotated[int | None, typer.Option(min=1, help="Grade so many answers at random.")] = None,
    per_kind: Annotated[int | None, typer.Option(min=1, help="Grade so many of each kind.")] = None,
    disagreements: Annotated[bool, typer.Option("--disagreements", help="Rules and grades differ first.")] = False,  # noqa: FBT002
    second: Annotated[bool, typer.Option("--second", help="Grade what only one other person has graded.")] = False,  # noqa: FBT002
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; by default any that is free.")] = 0,
) -> None:
    """Grade answers by reading them, on a page that only this machine can open, with the keyboard.

    The grades are kept in grades.jsonl in the folder of the run; `evaluate --rescore RUN` puts them into its report.
    """
    with errors_as_lines():
        require("evaluate", "Reviewing")
        from assistant.evaluation.review.draw import Draw  # noqa: PLC0415
        from assistant.evaluation.review.server import review as grade  # noqa: PLC0415

        if len(runs) > 2:
            raise ConfigurationError("Name one run, or two to compare: review RUN [RUN]")
        chosen = Draw(sample, per_kind, disagreements, second, seed)
        done, drawn = grade(runs, chosen, grader or getpass.getuser(), port, typer.echo)
    typer.echo(f"{done} of {drawn} graded. The same command goes on; evaluate --rescore {runs[-1]} reports the grades.")


@feedback.command("export")
def export_feedback() -> None:
    """Print what readers said about answers as lines of a question file."""
    with errors_as_lines():
        from assistant.web.feedback import question_lines  # noqa: PLC0415

        for line in question_lines(Settings.from_environment().feedback):
            typer.echo(json.dumps(line))


@app.command("fetch")
def fetch_articles(  # noqa: PLR0913, PLR0917 - each is an option of the command
    urls: Annotated[list[str], typer.Argument(metavar="URL...", help="Pages, feeds or sitemaps.")],
    every: Annotated[str, typer.Option(metavar="TIME", help="Do it again each time, as 30s, 5m or 1h.")] = "",
    delay: Annotated[float, typer.Option(min=0.0, help="Seconds between two requests to a host.")] = 1.0,
    most: Annotated[int, typer.Option(min=1, help="Pages of each address, at most.")] = 200,
    private_host: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="Also this host of a private network; may be given again.")
    ] = None,
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Bring articles from the web into the folder of articles, and say of each address what became of it.

    A server that runs takes them up by itself. Exit code 1 says that one of the addresses could not be had.
    """
    with errors_as_lines():
        require("fetch", "Fetching")
        from assistant.fetching import fetch as fetching  # noqa: PLC0415
        from assistant.fetching.getting import Getter  # noqa: PLC0415

        folder, pause = Settings.from_environment().articles, _seconds(every)
        while True:
            failed = False
            with progress() as show, Getter(private_host or (), delay) as getter:
                show("Fetching", 0, 0)
                try:
                    for count, outcome in enumerate(fetching.fetch(urls, folder, getter, most), start=1):
                        typer.echo(json.dumps(asdict(outcome)) if as_json else outcome)
                        show(f"Fetching: {count} so far", 0, 0)
                        failed |= outcome.end is fetching.End.FAILED
                except OSError as error:
                    raise ConfigurationError(
                        f"{folder} cannot be written ({error.strerror}): make room there"
                    ) from error
            if not pause:
                raise typer.Exit(int(failed))
            time.sleep(pause)


def _seconds(words: str) -> int:
    """Return a time as in `5m` in seconds; 0 for none.

    Raises:
        ConfigurationError: it is none.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,4})([smh])", words)
    if words and not match:
        raise ConfigurationError(f"--every is {words!r}: write it as 30s, 5m or 1h")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else 0


@app.command("fetch-model")
def fetch_model(
    repository: Annotated[str, typer.Option(help="Repository of the model hub.")] = OFFICIAL_REPOSITORY,
    file: Annotated[str, typer.Option(help="GGUF file in it.")] = LANGUAGE_MODEL_NAME,
    revision: Annotated[str, typer.Option(help="Commit, branch or tag.")] = "main",
    sha256: Annotated[str, typer.Option(help="What its SHA-256 must be.")] = LANGUAGE_MODEL_SHA256,
) -> None:
    """Download a language model where the model hub can be reached; by default the packaged one."""
    with errors_as_lines():
        path = fetch(repository, file, revision, sha256, Settings.from_environment().data)
    typer.echo(f"{path}\nUse it with ASSISTANT_MODEL_FILE={path}")


def _print(shown: RenderableType) -> None:
    from rich.console import Console  # noqa: PLC0415

    Console(highlight=False).print(shown)


def _show_evaluation(content: dict[str, Any], folder: Path, *, as_json: bool) -> None:
    """Print the headlines, and end with the exit code that the run deserves."""
    from assistant.evaluation.reporting import terminal  # noqa: PLC0415
    from assistant.evaluation.scoring import gates  # noqa: PLC0415

    if as_json:
        typer.echo(json.dumps({name: content[name] for name in terminal.SUMMARY} | {"folder": str(folder)}))
    else:
        _print(terminal.headlines(content, folder))
    missed = gates.missed(content["gates"])
    for line in missed:
        typer.echo(f"missed: {line}", err=True)
    if terminal.is_failed(content):
        typer.echo("error: every question ended in an error; answers.jsonl has the reasons", err=True)
        raise typer.Exit(1)
    if missed:
        raise typer.Exit(3)


def _read_history(file: Path) -> list[Turn]:
    """Return the earlier exchanges of a file.

    Raises:
        ConfigurationError: it cannot be read, or is not of the form that the help describes.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"The history {file} cannot be read ({error}): give a JSON file") from error
    try:
        return TypeAdapter(list[Turn]).validate_python(content)
    except ValidationError as error:
        raise ConfigurationError(
            f'The history {file} is not a list of exchanges: write [{{"question": "...", "answer": "..."}}, ...]'
        ) from error
