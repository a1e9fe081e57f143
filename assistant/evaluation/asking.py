"""Ask the questions of a run, and keep each answer on the disk before the next question.

What is raised becomes an answer that failed, so that its question stays in every figure. An interrupted run goes on
where it stopped.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from assistant.answering.assistant import Assistant
from assistant.articles.reading import Corpus, read_corpus
from assistant.errors import ConfigurationError, RunInterruptedError
from assistant.evaluation import fingerprint, records, run
from assistant.evaluation.options import Options
from assistant.evaluation.questions import Question
from assistant.evaluation.records import ANSWERS
from assistant.evaluation.scoring.observed import paragraph_of
from assistant.files import Progress
from assistant.model.holder import model_name
from assistant.rendering import to_json
from assistant.settings import Settings
from assistant.types import Answer, Article, Outcome, Status

logger = logging.getLogger(__name__)

ASKING = "Asking"
"""What the progress of the questions is called."""
PARAGRAPHS = 10
"""How many of the paragraphs that are found are noted."""
_NO_TIMES = {"first_ms": None, "total_ms": None}
PASSAGES = 30
"""How many passages are searched for, so that they make that many paragraphs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of what, and how."""

    title: str
    questions: Sequence[Question]
    chosen_from: Sequence[Question]
    """All of their file."""
    corpus: Corpus
    options: Options
    settings: Settings
    everywhere: bool = False
    """Whether a question is asked of all articles, also where it names one."""


def carry_out(
    plan: Plan,
    out: Path,
    report: Callable[[], dict[str, Any]],
    progress: Progress,
    begin: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Ask what has no answer yet in the folder, and return the data of the report that is made at the end.

    `begin` is called when the folder is held, before anything is asked.

    Raises:
        ConfigurationError: the folder cannot be used, or the assistant not opened.
        RunInterruptedError: the keyboard ended the asking; the report is of the answers that are there.
    """
    if plan.options.without_model:
        plan = replace(plan, settings=replace(plan.settings, model="none"))
    with run.opened(out, _described(plan), plan.questions, plan.corpus.articles):
        begin()
        try:
            with loaded(plan, progress) as assistant:
                ask(assistant, plan, out, progress)
        except KeyboardInterrupt as error:
            content = report()
            raise RunInterruptedError(
                f"Interrupted after {content['asked']} of {content['planned']} questions, of which the report is in "
                f"{out}: the same command goes on"
            ) from error
        progress("Scoring", 0, 0)
        return report()


def _described(plan: Plan) -> dict[str, Any]:
    """Return what `run.json` says of a run."""
    parts = fingerprint.fingerprint(plan.chosen_from, plan.corpus.articles, plan.settings, plan.options.seed)
    return {
        "schema": run.SCHEMA,
        "title": plan.title,
        "model": model_name(plan.settings),
        "price": plan.settings.model_price,
        "options": json.loads(json.dumps(asdict(plan.options), default=str)),
        "fingerprint": parts,
    }


@contextmanager
def loaded(plan: Plan, progress: Progress) -> Iterator[Assistant]:
    """Yield an assistant whose model is loaded; its index is the readers' unless other articles are named."""
    progress("Starting", 0, 0)
    if plan.options.articles:
        # Their index is kept beside that of the readers, and never on a server that others search.
        index = plan.settings.data / "evaluation" / fingerprint.of_articles(plan.corpus.articles)[:16]
        opened = Assistant.over(plan.corpus, replace(plan.settings, chroma_url=""), index, progress)
    else:
        opened = Assistant.open(plan.settings, progress)
    with closing(opened) as assistant:
        progress("Loading the language model", 0, 0)
        assistant.wait_until_loaded()
        yield assistant


def ask(assistant: Assistant, plan: Plan, folder: Path, progress: Progress) -> None:
    """Ask what has no answer yet, first all questions, then all again, until the time of the options has passed.

    Raises:
        ConfigurationError: the answers that are there cannot be read, or new ones not written.
    """
    minutes = float("inf") if plan.options.max_minutes is None else plan.options.max_minutes
    deadline = time.monotonic() + 60 * minutes
    done = {(record.id, record.repeat) for record in records.read_records(folder)}
    wanted = [(question, repeat) for repeat in range(plan.options.repeat) for question in plan.questions]
    missing = [(question, repeat) for question, repeat in wanted if (question.id, repeat) not in done]

    def lines() -> Iterator[Mapping[str, Any]]:
        for number, (question, repeat) in enumerate(missing, start=len(wanted) - len(missing)):
            progress(ASKING, number, len(wanted))
            if time.monotonic() >= deadline:
                return
            article = None if plan.everywhere else question.article or None
            try:
                line = _answered(assistant, question, article)
            except Exception as error:
                logger.exception("The question %s failed", question.id)
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                failed = Answer(question.question, Outcome.DECLINED, model=assistant.model_name, error=reason)
                line = to_json(failed, question.id) | {"status": records.ERROR, "timings": _NO_TIMES}
            yield line | {"repeat": repeat}
        progress(ASKING, len(wanted), len(wanted))

    records.append(folder / ANSWERS, lines())


def _answered(assistant: Assistant, question: Question, article: str | None) -> dict[str, Any]:
    """Return the line of a question that is asked."""
    first, *later = assistant.stream(question.question, question.history, article)
    answer = later[-1] if later else first
    line = to_json(answer, question.id) | {"why": answer.why}
    if not answer.citations and first.citations:
        line["first"] = to_json(first)["citations"]
    if answer.query and answer.status is not Status.INDEX_UNAVAILABLE:
        line["retrieved"] = _found(assistant, answer.query, article)
    return line


def _found(assistant: Assistant, query: str, article: str | None) -> list[list[Any]]:
    """Return the distinct paragraphs that are found, best first, each as article, start and end."""
    hits = assistant.steps.search(query, article, PASSAGES).hits
    spans = dict.fromkeys(paragraph_of(hit.passage.article, hit.passage.start) for hit in hits)
    return [[span.article, span.start, span.end] for span in list(spans)[:PARAGRAPHS]]


def read_folders(folders: Sequence[Path]) -> Corpus:
    """Return the articles of all the folders.

    Raises:
        ConfigurationError: a folder has no article, or two articles have one id.
    """
    found: dict[str, Article] = {}
    for folder in folders:
        corpus = read_corpus(folder)
        if not corpus.articles:
            reason = f" ({corpus.problems[0].file}: {corpus.problems[0].reason})" if corpus.problems else ""
            raise ConfigurationError(f"No article can be read from {folder}{reason}", "name a folder of article files")
        for article in corpus.articles:
            if article.id in found:
                raise ConfigurationError(f"{folder} has a second article {article.id!r}", "name each folder once")
            found[article.id] = article
    return Corpus(tuple(found.values()))
