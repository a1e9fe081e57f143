"""What measures and fits: `python -m lab --help`. It is run from a checkout and is not in the wheel.

Each command imports what it needs by itself, so that help comes at once.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from assistant.command import Json, errors_as_lines, opened, pace, progress
from assistant.extras import require
from assistant.model.probes import OPENING_PROBE
from assistant.settings import Settings, go_offline
from assistant.threads import take_one_thread_for_products
from lab.training.reports import GRADED, JUDGED, READERS, REPORTS

if TYPE_CHECKING:
    from lab.training.probes import Graded

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measures prompt injection and archives; fits what ships.",
)


@app.callback()
def _before_all_commands() -> None:
    with errors_as_lines():
        require("lab", "Measuring and fitting")
    go_offline()
    take_one_thread_for_products()


@app.command()
def injections(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files of injections; by default those of corpus/injections.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Try to make the assistant obey questions and articles that command it, and print how often it did."""
    with errors_as_lines():
        from lab import injections  # noqa: PLC0415

        tried = [injection for file in files or injections.FILES for injection in injections.read_injections(file)]
        with progress() as show:
            results = injections.run(Settings.from_environment(), tried, show)
    if as_json:
        typer.echo(json.dumps(injections.to_json(results)))
        return
    for place, found in injections.by_place(results).items():
        for name, rate in injections.rates(found).items():
            typer.echo(f"{place + ', ' + name:<48}{rate.line}")
    for result in results:
        if result.outcome == "obeyed":
            typer.echo(f"obeyed {result.injection.id}: {result.answer.text}")


@app.command()
def table(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs, of any question files.")],
) -> None:
    """Print the figures of runs side by side: a change is judged by look-ups and readers' questions together."""
    with errors_as_lines():
        from lab.tables import side_by_side  # noqa: PLC0415

        typer.echo(side_by_side(runs))


@app.command()
def archive(  # noqa: PLR0913, PLR0917 - each is an option of the command
    folder: Annotated[Path, typer.Argument(help="Folder of article files; made where it is not there.")],
    out: Annotated[Path, typer.Option(help="Folder for the index, and what else is kept.")] = Path("runs/archive"),
    make: Annotated[int, typer.Option(min=0, help="Make so many articles in the folder, and do no more.")] = 0,
    made_vectors: Annotated[bool, typer.Option(help="Embed some for real, and make up the others' vectors.")] = False,  # noqa: FBT002
    kills: Annotated[int, typer.Option(min=0, help="Kill the indexer so often at random, and measure no more.")] = 0,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Measure how an archive is indexed, started, asked and changed, beside one article alone."""
    with errors_as_lines():
        from assistant.search.index import READING  # noqa: PLC0415
        from lab import archive as measuring  # noqa: PLC0415

        if make:
            measuring.make(folder, make)
            return
        out.mkdir(parents=True, exist_ok=True)
        with pace(READING) as show:
            if kills:
                lost, differing = measuring.killed(folder, out, kills, show)
                typer.echo(f"killed {kills} times: articles lost {lost}, answers that differ {differing}")
                return
            figures = measuring.measure(folder, out, is_made=made_vectors, progress=show)
    if as_json:
        typer.echo(json.dumps([asdict(figure) for figure in figures]))
        return
    for figure in figures:
        ratio = f"{figure.of_one:>12,.3g}{figure.value / figure.of_one:>10.2f} times" if figure.of_one else ""
        typer.echo(f"{figure.name:<50}{figure.value:>12,.4g} {figure.unit:<4}{ratio}")


@app.command()
def calibrate(
    questions: Annotated[Path, typer.Argument(help="The development questions.")],
    hard: Annotated[
        Path | None, typer.Option(help="Further ones, to fit to; when to decline is chosen without them.")
    ] = None,
    readers: Annotated[
        Path | None, typer.Option(help="Readers' questions; their articles and graded answers lie beside it.")
    ] = None,
) -> None:
    """Fit assistant/answering/packaged/calibration.json to question files; about six seconds a question."""
    with errors_as_lines():
        from assistant.evaluation.questions import read_questions  # noqa: PLC0415
        from lab.training import calibration as fitting  # noqa: PLC0415

        usual, further = read_questions(questions), read_questions(hard) if hard else []
        with opened() as (assistant, show):
            observations = fitting.observe(assistant, usual, further, partial(show, "Observing"))
        if readers:
            asked = read_questions(readers)
            states, answers = _checked(
                [readers, readers.with_name("elsewhere.jsonl")], readers.with_name("graded.jsonl")
            )
            with opened(readers.with_name("articles")) as (assistant, show):
                observations += fitting.observe_readers(
                    assistant, asked, answers, states, partial(show, "Observing readers")
                )
        fitting.save(fitting.fit(observations))
    typer.echo(f"Fitted to {len(observations)} questions.")


@app.command()
def replay(
    port: Annotated[int, typer.Option(help="Port of this machine.")] = 8100,
    wanted: Annotated[Path | None, typer.Option(help="File to add what was never recorded to.")] = None,
) -> None:
    """Serve recorded replies of a capable language model, as a server of OpenAI's protocol.

    Use it with ASSISTANT_MODEL=openai:recorded ASSISTANT_MODEL_URL=http://127.0.0.1:8100/v1 OPENAI_API_KEY=none.
    """
    with errors_as_lines():
        import uvicorn  # noqa: PLC0415

        from lab import replay as recordings  # noqa: PLC0415

        served = recordings.server(recordings.read(), wanted)
    uvicorn.run(served, port=port, log_level="warning")


@app.command()
def readers(
    count: Annotated[int, typer.Option(help="How many ask at once.")] = 40,
    seconds: Annotated[float, typer.Option(help="What a call of the model takes.")] = 1.5,
    calls: Annotated[int, typer.Option(help="How many calls the model gets at once.")] = 16,
) -> None:
    """Let many readers ask a capable model at once, and print how many answers are lost and how long they wait."""
    import asyncio  # noqa: PLC0415

    from lab import readers as asking  # noqa: PLC0415

    for name, value in asyncio.run(asking.wait_for(count, seconds, calls)).items():
        typer.echo(f"{name:<9} {value}")


@app.command()
def record(
    replies: Annotated[Path, typer.Argument(help="JSON file: a list of what was wanted, each with its `reply`.")],
    out: Annotated[Path, typer.Argument(help="File of recordings to add to, in corpus/recordings.")],
    by: Annotated[str, typer.Option(help="Who replied.")],
) -> None:
    """Add replies to what was wanted to the recordings."""
    with errors_as_lines():
        from lab import replay as recordings  # noqa: PLC0415

        lines = recordings.lines(json.loads(replies.read_text(encoding="utf-8")), by)
        with out.open("a", encoding="utf-8") as file:
            file.write(lines)
    typer.echo(f"Added {lines.count(chr(10))} replies to {out}.")


@app.command("fit-probes")
def fit_probes(
    questions: Annotated[list[Path], typer.Argument(help="Files of the questions that the answers were written to.")],
    graded: Annotated[Path, typer.Option(help="File of answers that were graded by reading.")] = GRADED,
) -> None:
    """Fit assistant/model/probes.npz to graded answers, and to judged ones about invented reports; an hour."""
    with errors_as_lines():
        from lab.training import probes as fitting  # noqa: PLC0415

        found, answers = _checked(questions, graded)
        fitting.save(*fitting.fit(found, answers))
    typer.echo(f"Fitted to {len(answers)} answers; run python -m lab calibrate now.")


@app.command("fit-opening")
def fit_opening() -> None:
    """Fit assistant/model/opening_probe.npz to yes-or-no questions about invented reports; half an hour."""
    with errors_as_lines():
        from lab.training import openings as fitting  # noqa: PLC0415
        from lab.training.probes import save  # noqa: PLC0415
        from lab.training.readers import read_reader_questions  # noqa: PLC0415
        from lab.training.reports import read_reports  # noqa: PLC0415

        reports = read_reports(REPORTS)
        asked = fitting.asked_about(reports, read_reader_questions(READERS, reports), fitting.learned())
        with opened() as (assistant, show):
            states = fitting.states(assistant.model, asked, partial(show, "Asking"))
        save(*fitting.fit(states, asked), OPENING_PROBE)
    typer.echo(f"Fitted to {len(asked)} questions; run python -m lab calibrate now.")


@app.command("fit-meanings")
def fit_meanings(
    files: Annotated[list[Path], typer.Argument(help="Question files with overviews among them.")],
) -> None:
    """Fit assistant/answering/understanding/meaning.npz to what asks for nothing that an article tells; a minute."""
    with errors_as_lines():
        from assistant.answering.understanding.meaning import EXAMPLES  # noqa: PLC0415
        from assistant.evaluation.questions import read_questions  # noqa: PLC0415
        from assistant.model.weights import EMBEDDER_SHA256, embedder_folder  # noqa: PLC0415
        from assistant.search.embedder import SentenceEmbedder  # noqa: PLC0415
        from lab.training import meanings as fitting  # noqa: PLC0415

        typed = fitting.read_utterances({file.stem: read_questions(file) for file in files})
        embedder = SentenceEmbedder.from_folder(embedder_folder(Settings.from_environment().data), EMBEDDER_SHA256)
        vectors = np.array([embedder.embed_query(each.text) for each in typed])
        np.savez_compressed(EXAMPLES, allow_pickle=False, **fitting.fit(vectors, typed))
    typer.echo(f"Fitted to {len(typed)} utterances.")


def _checked(files: list[Path], graded: Path) -> tuple[NDArray[np.float64], list[Graded]]:
    """Return the states that checks leave, and of which answers: graded ones, and judged ones about reports."""
    from assistant.evaluation.questions import read_questions  # noqa: PLC0415
    from lab.training import probes as fitting  # noqa: PLC0415
    from lab.training.readers import read_reader_questions, read_verdicts  # noqa: PLC0415
    from lab.training.reports import read_reports  # noqa: PLC0415

    reports = read_reports(REPORTS)
    answers = fitting.read_graded(graded, [question for file in files for question in read_questions(file)])
    judged = fitting.judged(reports, read_reader_questions(READERS, reports), read_verdicts(JUDGED, reports))
    about = {each.question.article for each in judged}
    with opened(graded.with_name("articles")) as (assistant, show):
        states = fitting.states(assistant, answers, partial(show, "Checking"))
    with TemporaryDirectory() as folder:
        for report in reports:
            if report.id in about:
                (Path(folder) / f"{report.id}.txt").write_text(report.text, encoding="utf-8")
        with opened(Path(folder)) as (assistant, show):
            further = fitting.states(assistant, judged, partial(show, "Checking reports"))
    return np.concatenate([states, further]), [*answers, *judged]


if __name__ == "__main__":
    app()
