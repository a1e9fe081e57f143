"""The command line: `python -m assistant ask`, `index`, `serve` …; those of evaluators are `evaluation/commands.py`'s.

Scripts read what it prints and its exit codes: 0 done, 1 the run failed, 2 usage or configuration, 3 a threshold was
missed. Answers go to standard output, all else to standard error. Each command imports what it needs by itself, so
that help comes at once; what an answer looks like is not known here.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from assistant.command import Json, errors_as_lines, opened, print_rich, progress
from assistant.errors import ConfigurationError, IndexLockedError
from assistant.evaluation import commands
from assistant.extras import require
from assistant.model.weights import INSTALL, OFFERED, PACKAGED, fetch
from assistant.settings import Settings, go_offline
from assistant.threads import take_one_thread_for_products
from assistant.types import Status, Turn

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Answers questions about a news article in its own words, with citations.",
)

app.add_typer(commands.app)
feedback = typer.Typer(no_args_is_help=True, help="What readers said about answers.")
app.add_typer(feedback, name="feedback")


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
    why: Annotated[bool, typer.Option("--why", help="Say how the answer came about, step by step.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002 - typer's way to declare an option
) -> None:
    """Answer a question, with the words of the article that the answer rests on."""
    with errors_as_lines():
        turns = _read_history(history) if history else []
        with opened() as (assistant, show):
            show("Reading", 0, 0)
            answer = assistant.ask(question, turns)
        from assistant.rendering import terminal, to_json, why_lines  # noqa: PLC0415

    if as_json:
        typer.echo(json.dumps(to_json(answer) | ({"why": answer.why} if why else {})))
    else:
        print_rich(terminal(answer))
        if why:
            typer.echo("\n" + "\n".join(why_lines(answer.why)))
    if answer.status is Status.INDEX_UNAVAILABLE:
        raise typer.Exit(1)


@app.command()
def index(
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Bring the index up to date with the article files; nothing is done where nothing changed.

    A server does the same when it starts and whenever a file changes, so while one runs there is nothing to do.
    Exit code 1 says that a file was skipped; it is named with the reason, as is what is left out or is no article.
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
            raise IndexLockedError(f"The index in {folder} is in use by another process", cure) from error
        with closing(assistant):
            if assistant.index is None:
                raise ConfigurationError("There is no embedding model to index with", f"run {INSTALL}")
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
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Look at articles, disk, model files and index, and say what is wrong and what to do about it.

    Exit code 1 says that something is; a warning alone is no failure. Nothing is changed, and another process may serve
    meanwhile.
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
                kind = "PROBLEM" if cure else "warning" if finding.warning else "ok"
                typer.echo(f"{kind:<8}{finding.subject}: {finding.what}{cure}")
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


@feedback.command("export")
def export_feedback() -> None:
    """Print what readers said about answers as lines of a question file."""
    with errors_as_lines():
        from assistant.web.storage.feedback import question_lines  # noqa: PLC0415

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
    as_json: Json = False,  # noqa: FBT002
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
                        f"{folder} cannot be written ({error.strerror})", "make room there"
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
        raise ConfigurationError(f"--every is {words!r}", "write it as 30s, 5m or 1h")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else 0


@app.command("fetch-model")
def fetch_model(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(OFFERED)}.")] = PACKAGED,
    repository: Annotated[str, typer.Option(help="Another repository of the model hub.")] = "",
    file: Annotated[str, typer.Option(help="GGUF file in it.")] = "",
    revision: Annotated[str, typer.Option(help="Commit, branch or tag.")] = "main",
    sha256: Annotated[str, typer.Option(help="What its SHA-256 must be.")] = "",
) -> None:
    """Download a language model where the model hub can be reached; by default the packaged one."""
    with errors_as_lines():
        if name not in OFFERED:
            raise ConfigurationError(f"{name!r} is no model that is offered", f"take one of {', '.join(OFFERED)}")
        offered = OFFERED[name]
        place = repository or offered[0], file or offered[1], revision, sha256 or offered[2]
        path = fetch(*place, Settings.from_environment().data)
    typer.echo(f"{path}\nUse it with ASSISTANT_MODEL_FILE={path}")


def _read_history(file: Path) -> list[Turn]:
    """Return the earlier exchanges of a file.

    Raises:
        ConfigurationError: it cannot be read, or is not of the form that the help describes.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"The history {file} cannot be read ({error})", "give a JSON file") from error
    try:
        return TypeAdapter(list[Turn]).validate_python(content)
    except ValidationError as error:
        raise ConfigurationError(
            f"The history {file} is not a list of exchanges", 'write [{"question": "...", "answer": "..."}, ...]'
        ) from error
