"""The command line: `python -m assistant ask`, `index`, `serve`; for evaluators `evaluate` and `compare`; and more.

Scripts read what it prints and its exit codes: 0 done, 1 the run failed, 2 usage or configuration, 3 a threshold was
missed. Answers go to standard output, all else to standard error. Each command imports what it needs by itself, so
that help comes at once; what an answer looks like is not known here.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.errors import AssistantError, ConfigurationError, IndexLockedError
from lab.training.reports import REPORTS
from assistant.extras import require
from assistant.settings import Settings, go_offline
from assistant.threads import take_one_thread_for_products
from assistant.types import Answer, Status, Turn
from assistant.model.weights import (
    ADAPTER_FILE,
    INSTALL,
    LANGUAGE_MODEL_NAME,
    LANGUAGE_MODEL_SHA256,
    OFFICIAL_REPOSITORY,
    READER_FILE,
    embedder_folder,
    fetch,
    language_model_file,
)

if TYPE_CHECKING:
    from assistant.answering.assistant import Assistant
    from assistant.articles.reading import Problem
    from assistant.search.index import IndexReport

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
    with _errors_as_lines():
        answer = _answer(question, _read_history(history))
    _show(answer, as_json=as_json)
    if answer.status is Status.INDEX_UNAVAILABLE:
        raise typer.Exit(1)


@app.command()
def index(
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Bring the index up to date with the article files; nothing is done where nothing changed.

    A server does the same whenever it starts, so while one runs, restart it instead.
    Exit code 1 says that a file was skipped; it is named with the reason.
    """
    with _errors_as_lines():
        report, problems = _index(Settings.from_environment())
    for problem in problems:
        typer.echo(f"skipped {problem.file}: {problem.reason}", err=True)
    if as_json:
        typer.echo(json.dumps({**asdict(report), "problems": [asdict(problem) for problem in problems]}))
    else:
        typer.echo(f"Articles: {report.articles}. Passages: {report.passages}, embedded now: {report.embedded}.")
    if problems:
        raise typer.Exit(1)


@app.command()
def check(
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Look at articles, disk, model files and index, and say what is wrong and what to do about it.

    Exit code 1 says that something is. Nothing is changed, and another process may serve meanwhile.
    """
    with _errors_as_lines():
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
    with _errors_as_lines():
        settings = Settings.from_environment()
        from assistant.web import server  # noqa: PLC0415

        with _progress() as progress:
            server.serve(settings, progress)


@app.command()
def benchmark(
    questions: Annotated[Path, typer.Argument(help="Question file, one JSON object a line.")],
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Ask every question of a file and print how many answers hold, and how long they took."""
    with _errors_as_lines():
        require("evaluate", "Evaluating")
        from lab.benchmarks import questions as measure  # noqa: PLC0415
        from assistant.evaluation.questions import read_questions  # noqa: PLC0415

        asked = read_questions(questions)
        with _opened() as (assistant, progress):
            results = measure.run(assistant, asked, lambda done, total: progress("Asking", done, total))
    figures, by_kind = measure.figures(results), measure.by_kind(results)
    if as_json:
        typer.echo(json.dumps({"model": results[0].record.model, "figures": figures, "right_by_kind": by_kind}))
        return
    for name, value in (*figures.items(), *((f"right, {kind}", share) for kind, share in by_kind.items())):
        typer.echo(f"{name:<66}{value}")


@app.command("benchmark-latency")
def benchmark_latency(
    questions: Annotated[Path, typer.Argument(help="Question file, one JSON object a line.")],
    out: Annotated[Path, typer.Option(help="Folder for latency.json and latency.png.")] = Path("benchmarks"),
    limit: Annotated[int, typer.Option(min=1, help="How many questions are answered; about 20 seconds each.")] = 20,
) -> None:
    """Measure how long readers wait, beside the bare parts and beside the RAG that tutorials build."""
    with _errors_as_lines():
        from lab.benchmarks.latency import measure  # noqa: PLC0415
        from assistant.evaluation.questions import read_questions  # noqa: PLC0415

        asked = read_questions(questions)
        with _progress() as progress:
            figures = measure(asked, limit, Settings.from_environment(), out, progress)
    for figure in figures:
        typer.echo(figure.line)


@app.command("benchmark-load")
def benchmark_load(  # noqa: PLR0913, PLR0917 - each is an option of the command
    questions: Annotated[Path, typer.Argument(help="Question file, one JSON object a line; for the packaged model.")],
    out: Annotated[Path, typer.Option(help="Folder for the figures as JSON and PNG.")] = Path("benchmarks"),
    readers: Annotated[int, typer.Option(min=0, help="How many come at once; 0 for no crowd.")] = 300,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long they stay; they come twice.")] = 60.0,
    each: Annotated[int, typer.Option(min=0, help="A fourth of the questions for the packaged model; 0 for none.")] = 4,
    soak: Annotated[float, typer.Option(min=0.0, help="Minutes with a question every two seconds; 0 for none.")] = 0.0,
    indexed: Annotated[int, typer.Option(min=0, help="Passages to index while 20 readers ask; 0 for none.")] = 0,
) -> None:
    """Measure a crowd, four readers at once beside the RAG of tutorials, a long time, and indexing."""
    with _errors_as_lines():
        from lab.benchmarks import load  # noqa: PLC0415
        from assistant.evaluation.questions import read_questions  # noqa: PLC0415

        asked = read_questions(questions)
        with _progress() as progress:
            figures = load.measure_crowd(readers, seconds, out, progress) if readers else []
            figures += load.measure_packaged(asked, each, out, progress) if each else []
            figures += load.measure_soak(soak, out, progress) if soak else []
            if indexed:
                from lab.benchmarks import indexing  # noqa: PLC0415

                figures += indexing.measure_indexing(indexing.READERS, indexed, out, progress)
    for figure in figures:
        typer.echo(figure.line)


@app.command("benchmark-injections")
def benchmark_injections(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files of injections; by default those of corpus/injections.")
    ] = None,
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Try to make the assistant obey questions and articles that command it, and print how often it did."""
    with _errors_as_lines():
        from lab import injections  # noqa: PLC0415

        tried = [injection for file in files or injections.FILES for injection in injections.read_injections(file)]
        with _progress() as progress:
            results = injections.run(Settings.from_environment(), tried, progress)
    if as_json:
        typer.echo(json.dumps(injections.to_json(results)))
        return
    for place, found in injections.by_place(results).items():
        for name, rate in injections.rates(found).items():
            typer.echo(f"{place + ', ' + name:<48}{rate.line}")
    for result in results:
        if result.outcome == "obeyed":
            typer.echo(f"obeyed {result.injection.id}: {result.answer.text}")


@app.command("benchmark-scale")
def benchmark_scale(
    file: Annotated[Path, typer.Argument(help="Real paragraphs and questions in SQuAD's format, to make articles of.")],
    passages: Annotated[int, typer.Option(min=1, help="How many passages.")] = 10_000,
    out: Annotated[Path, typer.Option(help="Folder for scale.json and scale.png.")] = Path("benchmarks"),
) -> None:
    """Measure index and search with many articles, beside the RAG of tutorials: time, disk, memory, what is found."""
    with _errors_as_lines():
        from lab.benchmarks.scale import measure  # noqa: PLC0415

        with _progress() as progress:
            figures = measure(file, passages, Settings.from_environment().data, out, progress)
    for figure in figures:
        typer.echo(figure.line)


@app.command()
def calibrate(
    questions: Annotated[Path, typer.Argument(help="The development questions.")],
    hard: Annotated[
        Path | None, typer.Option(help="Further ones, to fit to; when to decline is chosen without them.")
    ] = None,
) -> None:
    """Fit assistant/answering/calibration.json to question files; about six seconds a question."""
    with _errors_as_lines():
        from lab.training import calibration as fitting  # noqa: PLC0415
        from assistant.evaluation.questions import read_questions  # noqa: PLC0415

        usual, further = read_questions(questions), read_questions(hard) if hard else []
        with _opened() as (assistant, progress):
            observations = fitting.observe(
                assistant, usual, further, lambda done, total: progress("Observing", done, total)
            )
            fitting.save(fitting.fit(assistant, observations))
    typer.echo(f"Fitted to {len(observations)} questions.")


@app.command("train-reader")
def train_reader(  # noqa: PLR0913, PLR0917 - each is an option of the command
    questions: Annotated[Path, typer.Argument(help="File in SQuAD 2.0's format, of many articles.")],
    reports: Annotated[Path, typer.Option(help="File of news reports, to train on after that.")] = REPORTS,
    begin: Annotated[Path | None, typer.Option(help="Weights to go on from with the reports.")] = None,
    out: Annotated[Path, typer.Option(help="File for the weights.")] = READER_FILE,
    held_out: Annotated[
        Path, typer.Option(help="File for the half of the articles that is not trained on, to measure with.")
    ] = Path("held-out.json"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the halves and of the training; that of BEGIN.")] = 0,
) -> None:
    """Train the reader on half the articles of a file and on reports, in about an hour."""
    with _errors_as_lines():
        from lab.training import span_finder as reader_training  # noqa: PLC0415

        with _progress() as progress:
            digest = reader_training.run(
                questions,
                reports,
                embedder_folder(Settings.from_environment().data),
                out,
                held_out,
                seed,
                lambda done, total: progress("Training", done, total),
                begin,
            )
    typer.echo(
        f"{out} has the SHA-256 {digest}: where that is new, set READER_SHA256 in assistant/model/weights.py to it and run "
        f"python -m assistant calibrate. Nothing of {held_out} was trained on."
    )


@app.command("train-adapter")
def train_adapter(
    questions: Annotated[
        Path, typer.Argument(help="The file that the reader was trained on, or one of reports (.jsonl).")
    ],
    begin: Annotated[Path | None, typer.Option(help="The adapter to go on from.")] = None,
    out: Annotated[Path, typer.Option(help="File for the adapter.")] = ADAPTER_FILE,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the halves, as for the reader, and of the training.")] = 0,
) -> None:
    """Train what tells whether passages state an answer, beside the packaged language model; an hour and a half."""
    with _errors_as_lines():
        from lab.training import adapter as adapter_training  # noqa: PLC0415

        with _progress() as progress:
            digest = adapter_training.run(
                questions,
                language_model_file(Settings.from_environment().data),
                out,
                seed,
                lambda done, total: progress("Training", done, total),
                begin,
            )
    typer.echo(
        f"{out} has the SHA-256 {digest}: where that is new, set ADAPTER_SHA256 in assistant/model/weights.py to it and run "
        "python -m assistant calibrate."
    )


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
    with _errors_as_lines():
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
            with _progress() as progress:
                content, folder = evaluation.rescore(rescore, demands, progress, questions), rescore
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
            with _pace(evaluation.ASKING) as progress:
                content, folder = evaluation.evaluate(questions, out, options, demands, settings, progress), out
    _show_evaluation(content, folder, as_json=as_json)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="Folder of the earlier run.")],
    after: Annotated[Path, typer.Argument(help="Folder of the later run.")],
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Compare two runs on the questions that both asked: what changed, and could chance alone have changed it?"""
    with _errors_as_lines():
        require("evaluate", "Evaluating")
        from assistant.evaluation.reporting import compare as comparing  # noqa: PLC0415
        from assistant.evaluation.reporting import terminal  # noqa: PLC0415

        comparison = comparing.compare(before, after)
    if as_json:
        typer.echo(json.dumps(comparison))
    else:
        from rich.console import Console  # noqa: PLC0415

        Console(highlight=False).print(terminal.comparison(comparison))


@feedback.command("export")
def export_feedback() -> None:
    """Print what readers said about answers as lines of a question file."""
    with _errors_as_lines():
        from assistant.web.feedback import question_lines  # noqa: PLC0415

        for line in question_lines(Settings.from_environment().feedback):
            typer.echo(json.dumps(line))


@app.command("fetch-model")
def fetch_model(
    repository: Annotated[str, typer.Option(help="Repository of the model hub.")] = OFFICIAL_REPOSITORY,
    file: Annotated[str, typer.Option(help="GGUF file in it.")] = LANGUAGE_MODEL_NAME,
    revision: Annotated[str, typer.Option(help="Commit, branch or tag.")] = "main",
    sha256: Annotated[str, typer.Option(help="What its SHA-256 must be.")] = LANGUAGE_MODEL_SHA256,
) -> None:
    """Download a language model where the model hub can be reached; by default the packaged one."""
    with _errors_as_lines():
        path = fetch(repository, file, revision, sha256, Settings.from_environment().data)
    typer.echo(f"{path}\nUse it with ASSISTANT_MODEL_FILE={path}")


@contextmanager
def _opened() -> Iterator[tuple[Assistant, Callable[[str, int, int], None]]]:
    """Yield an assistant whose model is loaded, and the display of progress."""
    with _progress() as progress:
        progress("Starting", 0, 0)
        from assistant.answering.assistant import Assistant  # noqa: PLC0415

        with closing(Assistant.open(Settings.from_environment(), progress)) as assistant:
            progress("Loading the language model", 0, 0)
            assistant.wait_until_loaded()
            yield assistant, progress


def _answer(question: str, history: list[Turn]) -> Answer:
    with _opened() as (assistant, progress):
        progress("Reading", 0, 0)
        return assistant.ask(question, history)


def _index(settings: Settings) -> tuple[IndexReport, tuple[Problem, ...]]:
    with _progress() as progress:
        progress("Starting", 0, 0)
        from assistant.answering.assistant import Assistant  # noqa: PLC0415

        try:
            assistant = Assistant.open(replace(settings, model="none"), progress)
        except IndexLockedError as error:
            from assistant.installation import renewal  # noqa: PLC0415
            from assistant.search.index_files import lock_holder  # noqa: PLC0415

            folder = settings.data / "index"
            cure = renewal(lock_holder(folder))
            raise IndexLockedError(f"The index in {folder} is in use by another process: {cure}") from error
        with closing(assistant):
            if assistant.index is None:
                raise ConfigurationError(f"There is no embedding model to index with: run {INSTALL}")
            return assistant.index.report, assistant.corpus.problems


def _show(answer: Answer, *, as_json: bool) -> None:
    from rich.console import Console  # noqa: PLC0415

    from assistant.rendering import terminal, to_json  # noqa: PLC0415

    if as_json:
        typer.echo(json.dumps(to_json(answer)))
    else:
        Console(highlight=False).print(terminal(answer))


def _show_evaluation(content: dict[str, Any], folder: Path, *, as_json: bool) -> None:
    """Print the headlines, and end with the exit code that the run deserves."""
    from assistant.evaluation.reporting import terminal  # noqa: PLC0415
    from assistant.evaluation.scoring import gates  # noqa: PLC0415

    if as_json:
        typer.echo(json.dumps({name: content[name] for name in terminal.SUMMARY} | {"folder": str(folder)}))
    else:
        from rich.console import Console  # noqa: PLC0415

        Console(highlight=False).print(terminal.headlines(content, folder))
    missed = gates.missed(content["gates"])
    for line in missed:
        typer.echo(f"missed: {line}", err=True)
    if terminal.is_failed(content):
        typer.echo("error: every question ended in an error; answers.jsonl has the reasons", err=True)
        raise typer.Exit(1)
    if missed:
        raise typer.Exit(3)


def _read_history(file: Path | None) -> list[Turn]:
    """Return the earlier exchanges of a file.

    Raises:
        ConfigurationError: it cannot be read, or is not of the form that the help describes.
    """
    if file is None:
        return []
    try:
        exchanges = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"The history {file} cannot be read ({error}): give a JSON file") from error
    if not isinstance(exchanges, list) or not all(map(_is_exchange, exchanges)):
        raise ConfigurationError(
            f'The history {file} is not a list of exchanges: write [{{"question": "...", "answer": "..."}}, ...]'
        )
    return [Turn(exchange["question"], exchange["answer"]) for exchange in exchanges]


def _is_exchange(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in ("question", "answer"))


@contextmanager
def _errors_as_lines() -> Iterator[None]:
    """End the run with one line for what a person should read; anything else is a defect and shows its traceback."""
    try:
        yield
    except AssistantError as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from error


@contextmanager
def _pace(counted: str) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a display of progress that also tells, of what is counted, the rate and the time that is left.

    Where there is no terminal, a line of it is printed every ten seconds.
    """
    started, last, first = time.monotonic(), 0.0, 0

    def show(what: str, done: int, total: int) -> None:
        nonlocal started, last, first
        now = time.monotonic()
        if what != counted:
            display(what, done, total)
            return
        if not last:
            started, first = now, done
        rate = (done - first) / (now - started) if now > started else 0.0
        left = f", {timedelta(seconds=round((total - done) / rate))} left" if rate else ""
        if sys.stderr.isatty():
            display(f"{what} {done} of {total}, {rate:.1f} a second{left}", 0, 0)
        elif not last or now - last > 10 or done == total:
            typer.echo(f"{what}: {done} of {total}, {rate:.1f} a second{left}", err=True)
        else:
            return
        last = now

    with _progress() as display:
        yield show


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows on a terminal what is waited for: a spinner, or a bar where a total is known.

    It may be called from any thread. Bars leave the terminal when they are full, the spinner when the block ends.
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn  # noqa: PLC0415

    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    display = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    tasks: dict[str, TaskID] = {}

    def show(what: str, done: int, total: int) -> None:
        kind = what if total else "spinner"
        if kind not in tasks:
            tasks[kind] = display.add_task(what, total=total or None)
        display.update(tasks[kind], description=what, completed=done, visible=not total or done < total)
        if display.finished:
            display.stop()
        else:
            display.start()

    try:
        yield show
    finally:
        display.stop()
