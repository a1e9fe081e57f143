"""The evaluators' command: which questions are asked, and what is written about the answers.

    questions -> selection -> answers (`run`) -> data (`summary`) -> gates, comparison -> report.json, .html, .csv

Scoring starts from the folder alone, so that it can be done again at any time without the assistant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from assistant.answering.counting import counting
from assistant.errors import ConfigurationError
from assistant.evaluation import run
from assistant.evaluation.asking import ASKING, Plan, carry_out, loaded, read_folders
from assistant.evaluation.interchange.reading import read
from assistant.evaluation.options import Options
from assistant.evaluation.questions import Question, problem_of_evidence
from assistant.evaluation.reporting import export, report
from assistant.evaluation.reporting.compare import compare
from assistant.evaluation.reporting.summary import summarise
from assistant.evaluation.scoring import gates, sample_size
from assistant.evaluation.scoring.causes import cause
from assistant.evaluation.scoring.gates import Demands
from assistant.files import Progress
from assistant.model.holder import model_name
from assistant.model.usage import Price
from assistant.settings import Settings
from assistant.types import Article, Usage


def evaluate(  # noqa: PLR0913, PLR0917 - each with a meaning of its own
    path: Path,
    out: Path,
    options: Options,
    demands: Demands,
    settings: Settings,
    progress: Progress,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Ask the questions of a file, and return the data of the report that is written to the folder.

    A question that names an article is asked of that one alone. `say` gets first what so many questions can show.

    Raises:
        ConfigurationError: a file, a folder, an option or the assistant is not as it must be.
        RunInterruptedError: the keyboard ended the asking; the report is of the answers that are there.
    """
    plan, unread = _planned(path, options, settings)
    gates.check_kinds(demands.gates, [question.kind for question in plan.questions])
    if demands.baseline:
        run.read_run(demands.baseline)

    def begin() -> None:
        for line in filter(None, (sample_size.before_run(len(plan.questions)), unread)):
            say(line)

    return carry_out(plan, out, partial(score, out, demands), progress, begin)


def _planned(path: Path, options: Options, settings: Settings) -> tuple[Plan, str]:
    """Return what is asked of what, and a sentence about what was not read of the file, or ""."""
    corpus = read_folders(options.articles or (settings.articles,))
    everything, unread = read(path, partial(problem_of_evidence, articles=corpus.articles))
    return Plan(path.name, select(everything, options), everything, corpus, options, settings), unread


def estimate(path: Path, options: Options, settings: Settings, progress: Progress) -> dict[str, Any]:
    """Return the calls and tokens that a run will take, and the cost, None without a price; nothing is asked.

    Raises:
        ConfigurationError: a file, a folder, an option or the assistant is not as it must be.
    """
    plan, used = _planned(path, options, settings)[0], Usage()
    if not options.without_model and settings.model not in ("local", "none"):
        with loaded(replace(plan, settings=replace(settings, model="none")), progress) as assistant:
            assistant.steps = replace(assistant.steps, holder=counting(settings))
            for number, each in enumerate(plan.questions, start=1):
                taken = assistant.ask(each.question, each.history, each.article or None).usage
                used = sum([taken] * options.repeat, used)
                progress(ASKING, number, len(plan.questions))
    cost = Price(*settings.model_price).of(used) if any(settings.model_price) else None
    return {"questions": len(plan.questions), "model": model_name(settings), **asdict(used), "cost": cost}


def rescore(folder: Path, demands: Demands, path: Path | None = None) -> dict[str, Any]:
    """Score a run again without asking the assistant, against the gold of a question file where one is given.

    Raises:
        ConfigurationError: it is not the folder of a run, or the file does not hold its questions.
    """
    _, asked, articles, _ = run.read_run(folder)
    with run.locked(folder):
        if path is not None:
            run.write_questions(folder, _with_gold_of(path, asked, articles))
        return score(folder, demands)


def _with_gold_of(path: Path, asked: Sequence[Question], articles: Sequence[Article]) -> list[Question]:
    """Return the questions that were asked as the file has them."""
    wanted = {question.id for question in asked}
    found, _ = read(path, lambda each: problem_of_evidence(each, articles) if each.id in wanted else "")
    offered = {question.id: question for question in found}
    for question in asked:
        same = offered.get(question.id)
        if same is None or (same.question, same.history) != (question.question, question.history):
            raise ConfigurationError(
                f"{path} does not hold the question {question.id!r} as it was asked", "only its gold may differ"
            )
    return [offered[question.id] for question in asked]


def score(folder: Path, demands: Demands) -> dict[str, Any]:
    """Score the answers of a run's folder, write every report, and return the data.

    Raises:
        ConfigurationError: the folder is not as it must be, or cannot be written.
    """
    content = summarise(folder)
    content["gates"] = gates.check(demands.gates, content)
    if demands.baseline:
        content["comparison"] = compare(demands.baseline, folder)
        if demands.max_drop is not None:
            content["gates"] += gates.check_drops(content["comparison"], demands.max_drop)
    run.write(folder / "report.json", json.dumps(content, indent=1))
    run.write(folder / "questions.csv", export.to_csv(content))
    run.write(folder / "report.html", report.render(content))
    return content


def select(questions: Sequence[Question], options: Options) -> list[Question]:
    """Return the questions that the options name, in the order of the file.

    Raises:
        ConfigurationError: an id or a kind is unknown, or none is left.
    """
    ids, kinds = options.ids or [], options.kind or []
    _all_known("id", ids, [question.id for question in questions])
    _all_known("kind", kinds, [question.kind for question in questions])
    chosen = [q for q in questions if q.id in (ids or [q.id]) and q.kind in (kinds or [q.kind])]
    if options.failed_in:
        failed = {o.question.id for o in run.observed(options.failed_in)[2] if cause(o)}
        chosen = [question for question in chosen if question.id in failed]
    if options.limit is not None:
        chosen = chosen[: options.limit]
    if not chosen:
        raise ConfigurationError("No question is left by these options", "use fewer of them")
    return chosen


def _all_known(what: str, named: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in named if name not in known]
    if unknown:
        some = ", ".join(list(dict.fromkeys(known))[:12])
        raise ConfigurationError(f"No question has the {what} {unknown[0]!r}", f"there are {some} and so on")
