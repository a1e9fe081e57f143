"""What every command does: options in groups, errors as lines, progress, and an assistant that is opened and closed."""

from __future__ import annotations

import functools
import inspect
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import is_dataclass, replace
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.errors import AssistantError, BadLinesError, ConfigurationError
from assistant.files import Progress
from assistant.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType

    from assistant.answering.assistant import Assistant

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, in place of each parameter that is a dataclass, an option for each of its fields.

    A field is declared as such a parameter is, by an annotation for typer.
    """
    taken = inspect.signature(command, eval_str=True).parameters
    groups: dict[str, Any] = {name: each.annotation for name, each in taken.items() if is_dataclass(each.annotation)}
    fields = {name: inspect.signature(group, eval_str=True).parameters for name, group in groups.items()}

    @functools.wraps(command)
    def called(**given: object) -> None:
        for name, group in groups.items():
            given[name] = group(**{field: given.pop(field) for field in fields[name]})
        command(**given)

    options = [each for name, each in taken.items() if name not in groups]
    options += chain.from_iterable(found.values() for found in fields.values())
    called.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    return called


@contextmanager
def opened(articles: Path | None = None) -> Iterator[tuple[Assistant, Progress]]:
    """Yield an assistant whose model is loaded, of other articles than those that are set up, and the progress."""
    with progress() as show:
        show("Starting", 0, 0)
        from assistant.answering.assistant import Assistant  # noqa: PLC0415

        settings = Settings.from_environment()
        settings = replace(settings, articles=articles) if articles else settings
        with closing(Assistant.open(settings, show)) as assistant:
            show("Loading the language model", 0, 0)
            assistant.wait_until_loaded()
            yield assistant, show


@contextmanager
def errors_as_lines() -> Iterator[None]:
    """End the run with one line for what a person should read, or one for each bad line of a file.

    Anything else is a defect and shows its traceback.
    """
    try:
        yield
    except AssistantError as error:
        for line in str(error).split("\n") if isinstance(error, BadLinesError) else [str(error)]:
            typer.echo(f"error: {' '.join(line.split())}", err=True)
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from error


@contextmanager
def pace(counted: str) -> Iterator[Progress]:
    """Yield a display of progress that also shows the rate and the time that is left of what is counted.

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

    with progress() as display:
        yield show


@contextmanager
def progress() -> Iterator[Progress]:
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


def print_rich(shown: RenderableType) -> None:
    """Print a table, or other words with a form, on standard output."""
    from rich.console import Console  # noqa: PLC0415

    Console(highlight=False).print(shown)
