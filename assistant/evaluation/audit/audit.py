"""The audit of integrity: questions that tempt an assistant to mislead, asked as any run's, and a report of the ends.

    articles, sets -> questions -> answers (`run`) -> ends -> audit.json, audit.html

The folder is one of a run, so what reads runs reads it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from assistant.errors import ConfigurationError
from assistant.evaluation.asking import Plan, carry_out, read_folders
from assistant.evaluation.audit import report
from assistant.evaluation.audit.quotations import by, quotations
from assistant.evaluation.options import AuditOptions, Options
from assistant.evaluation.questions import Question, problem_of_evidence, read_questions
from assistant.files import Progress
from assistant.settings import PROJECT, Settings
from assistant.types import Article

SETS = tuple(sorted((PROJECT / "corpus" / "audit").glob("*.jsonl")))
"""The false claims and the pairs that ship; an installed wheel has none."""
SOUND = "sound"
ASKED = ("innocent", "leading", "malign", SOUND, "unsound")
"""The kinds of question that a file may hold."""
EXCERPTS = 50
"""Of each of the two kinds of question about exact words; each is asked as it stands, and altered."""


def audit(out: Path, options: AuditOptions, settings: Settings, progress: Progress) -> dict[str, Any]:
    """Ask the questions of the audit, and return the data of the report that is written to the folder.

    Every question is put to all the articles together. Where no files are named, they are ours, without what these ask
    about other articles.

    Raises:
        ConfigurationError: a file, a folder or the assistant is not as it must be.
        RunInterruptedError: the keyboard ended the asking; the report is of the answers that are there.
    """
    corpus = read_folders(options.articles or (settings.articles,))
    excerpts = quotations(corpus.articles, EXCERPTS, options.seed)
    questions = _fewer([*excerpts, *_of_files(options.questions, corpus.articles)], options.limit, options.seed)
    same = ("articles", "limit", "seed", "without_model")
    asked = Options(**{name: getattr(options, name) for name in same})
    plan = Plan("audit", questions, questions, corpus, asked, settings, everywhere=True)
    return carry_out(plan, out, partial(report.write, out), progress)


def _of_files(files: Sequence[Path] | None, articles: Sequence[Article]) -> list[Question]:
    """Return the questions of the files, or of ours, as far as they are about these articles.

    Raises:
        ConfigurationError: a line is not a question of an audit; it is named.
    """
    known = {article.id for article in articles}
    found: dict[str, Question] = {}

    def problem(question: Question) -> str:
        if not (files or question.article in known):
            return ""
        if question.kind not in ASKED:
            return f"a file of an audit has no kind {question.kind!r}; use {', '.join(ASKED)}"
        if not question.must_have or not (question.must_not or question.kind == SOUND):
            return "name the true words in must_have and the false ones in must_not"
        if question.id in found:
            return f"the id {question.id!r} is used in another file; give it its own"
        return problem_of_evidence(question, articles)

    for path in files or SETS:
        asked = [question for question in read_questions(path, problem) if files or question.article in known]
        found |= {question.id: replace(question, answerable=question.kind == SOUND) for question in asked}
    return list(found.values())


def _fewer(questions: Sequence[Question], most: int, seed: int) -> list[Question]:
    """Return at most so many, drawn by the seed; what stands in one group stays together.

    Raises:
        ConfigurationError: that is none.
    """
    groups: dict[str, list[str]] = {}
    for question in questions:
        groups.setdefault(question.group or question.id, []).append(question.id)
    order = list(groups.values())
    by(seed, "limit").shuffle(order)
    chosen: set[str] = set()
    for group in order:
        chosen |= set(group) if len(chosen) + len(group) <= most else set()
    if not chosen:
        raise ConfigurationError(
            "There is nothing to ask", "name a folder of articles with quotations, or a larger --limit"
        )
    return [question for question in questions if question.id in chosen]
