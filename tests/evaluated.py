"""An assistant that knows the gold, for the tests of the evaluation: perfect, or broken in one way.

    evaluate_with(perfect(), tmp_path / "run")                   a run of the real evaluation
    evaluate_with(perfect(invents_numbers), tmp_path / "other")

It searches with the real retriever, by keywords alone.
"""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any
from unittest import mock

from parts import citing
from typer.testing import CliRunner, Result

from assistant.answering.assistant import Assistant
from assistant.articles.reading import Corpus
from assistant.cli import app
from assistant.evaluation import evaluate, run
from assistant.evaluation.grading.grades import Grade, add, key_of
from assistant.evaluation.grading.rubrics import CONTENT
from assistant.evaluation.options import Options
from assistant.evaluation.questions import Question, lines, of_items
from assistant.evaluation.scoring import statistics
from assistant.evaluation.scoring.gates import Demands
from assistant.model.holder import ModelHolder
from assistant.search.retrieval import Retriever
from assistant.settings import Settings
from assistant.types import Answer, Article, Citation, Outcome, Part, Timings, Turn, Usage

BRIDGE = Article(
    "bridge",
    "The town council voted on Monday to close the Mill Street bridge for nine months.\n\n"
    '"It is the safest choice we have," said Mayor Ada Brook.\n\n'
    "Repairs will cost 4.2 million dollars, and the state pays half of that.\n\n"
    "About 3,500 cars cross the bridge on a weekday. Buses will go over Hill Road instead.",
    "A bridge closes",
)
SCHOOL = Article(
    "school",
    "The Hill Road school opened a garden on Friday.\n\nTwelve pupils planted forty trees.\n\n"
    "The teacher Omar Lind said the garden will feed the kitchen.",
    "A school plants trees",
)
ARTICLES = (BRIDGE, SCHOOL)

Row = dict[str, Any]

statistics.RESAMPLES = 100  # Intervals of so few questions need no more, and a report takes a fraction of the time.


def row(identifier: str, kind: str, question: str, evidence: str = "", facts: str = "", **more: object) -> Row:
    """Return a line of a question file about the bridge; the wordings of its one fact are parted by a stroke."""
    gold: Row = {"must_have": [facts.split("/")] if facts else [], "evidence": [evidence] if evidence else []}
    asked: Row = {"id": identifier, "question": question, "kind": kind, "answerable": bool(facts), "article": "bridge"}
    return {**asked, **gold, **more}


REPAIRS = [{"question": "What do the repairs cost?", "answer": "4.2 million dollars."}]
COUNCIL, SAFEST, COST, *_ = BRIDGE.text.split("\n\n")
GARDEN, TREES, *_ = SCHOOL.text.split("\n\n")
HALF = "the state pays half of that"
ROWS = (
    row("b1", "fact", "How long will the Mill Street bridge be closed?", COUNCIL, "nine months/9 months"),
    row("b2", "speaker", "Who called it the safest choice?", SAFEST, "Brook", must_not=["Lind"]),
    row("b3", "fact", "What do the repairs cost?", COST, "4.2 million", ideal="They cost 4.2 million dollars."),
    row(
        "b4",
        "follow_up",
        "And who pays half of that?",
        HALF,
        "state",
        history=REPAIRS,
        rewrite="Who pays half of the cost of the repairs?",
        group="repairs",
    ),
    row("b5", "near", "Who built the bridge?"),
    row("b6", "near", "When was the bridge opened?"),
    row("b7", "false_premise", "Why does the town pay for all of the repairs?", HALF, must_not=["the town pays"]),
    row("s1", "fact", "How many trees were planted?", TREES, "forty/40", article="school"),
    row("x1", "multi", "What lies on Hill Road?", GARDEN, "school", article=""),
    row("x2", "off_topic", "Who won the election?", article=""),
)
ANSWERABLE = [row["id"] for row in ROWS if row["answerable"]]

Broken = Callable[[Answer, Question], Answer]
"""What is done to a perfect answer."""


def questions(rows: Iterable[Row] = ROWS) -> list[Question]:
    """Return the questions of rows."""
    return of_items(Path("questions.jsonl"), lines("\n".join(map(json.dumps, rows))))


class Knowing(Assistant):
    """Quotes the evidence where there is an answer, and declines where there is none; then it is broken."""

    def __init__(self, known: Sequence[Question], broken: Broken, articles: Sequence[Article] = ARTICLES) -> None:
        """Take the gold and what is done to each answer."""
        holder = ModelHolder(Settings(model="none"), tuple(articles), lambda what, done, total: None)
        super().__init__(Corpus(tuple(articles)), Retriever(articles, None, None), None, holder, 1.0)
        self.known = {question.question: question for question in known}
        self.broken = broken
        self.seconds = 0.0
        """How long each answer takes."""
        self.asked: list[tuple[str, str | None]] = []
        """Each question so far, with the article it was asked of."""

    def stream(
        self,
        question: str,
        history: Sequence[Turn] = (),
        article: str | None = None,
        stopped: threading.Event | None = None,  # noqa: ARG002 - as its base has it
        opened: str | None = None,  # noqa: ARG002
    ) -> Generator[Answer]:
        """Yield the first quotation that the search finds, and then the answer."""
        time.sleep(self.seconds)
        self.asked.append((question, article))
        gold = self.known[question]
        query = gold.rewrite if history else question
        hits = self.steps.search(query, article).hits
        found = tuple(Citation(n, h.passage.article, h.passage.start, h.passage.end) for n, h in enumerate(hits, 1))
        base = Answer(question, Outcome.QUOTED, query=query, timings=Timings(5.0), final=False)
        yield self.quoting(base, found[:1])
        timings = Timings(5.0, 20.0)
        if gold.evidence:
            answer = self.quoting(base, self.places(gold))
        else:
            answer = replace(base, outcome=Outcome.DECLINED, closest=found[:2])
        confidence = 0.9 if gold.answerable else 0.2
        yield self.broken(replace(answer, confidence=confidence, timings=timings, final=True), gold)

    def places(self, gold: Question) -> tuple[Citation, ...]:
        """Return where the evidence stands."""
        return tuple(
            Citation(number, article, article.text.index(words), article.text.index(words) + len(words))
            for number, words in enumerate(gold.evidence, start=1)
            for article in self.corpus.articles
            if words in article.text
        )

    @staticmethod
    def quoting(base: Answer, citations: tuple[Citation, ...]) -> Answer:
        """Return the answer that quotes these."""
        parts = tuple(Part(citation.quote, (citation,), is_verbatim=True) for citation in citations)
        return replace(base, outcome=Outcome.QUOTED, parts=parts)


def unbroken(answer: Answer, gold: Question) -> Answer:  # noqa: ARG001 - as all of them
    """Leave it as it is."""
    return answer


def cites_elsewhere(answer: Answer, gold: Question) -> Answer:  # noqa: ARG001
    """Cite the beginning of the other article instead."""
    other = SCHOOL if answer.citations and answer.citations[0].article == BRIDGE else BRIDGE
    return citing(answer, [Citation(citation.number, other, 0, 20) for citation in answer.citations])


def quotes_what_is_not_there(answer: Answer, gold: Question) -> Answer:  # noqa: ARG001
    """Cite words that are not in the article at their offsets."""
    loud = [replace(c, article=replace(c.article, text=c.article.text.upper())) for c in answer.citations]
    return citing(answer, [replace(c, start=c.start + 1, end=c.end + 1) for c in loud])


def invents_numbers(answer: Answer, gold: Question) -> Answer:  # noqa: ARG001
    """Add a number that no article has."""
    if not answer.citations:
        return answer
    first, *others = answer.parts
    first = replace(first, words=f"After 7,777 days: {first.words}", is_verbatim=False)
    return replace(answer, outcome=Outcome.WRITTEN, parts=(first, *others))


def always_declines(answer: Answer, gold: Question) -> Answer:  # noqa: ARG001
    """Refuse every question."""
    return replace(answer, outcome=Outcome.DECLINED, parts=())


def never_declines(answer: Answer, gold: Question) -> Answer:  # noqa: ARG001
    """Quote whatever is closest."""
    return answer if answer.citations else Knowing.quoting(answer, answer.closest)


def leaves_out_markers(answer: Answer, gold: Question) -> Answer:  # noqa: ARG001
    """Write the answer without saying where it stands."""
    return replace(answer, parts=(Part(answer.words), Part("", answer.citations)))


def writes(answer: Answer, gold: Question) -> Answer:  # noqa: ARG001
    """Give the quotation as a written answer."""
    return replace(answer, outcome=Outcome.WRITTEN) if answer.citations else answer


def takes_calls(answer: Answer, gold: Question) -> Answer:
    """Take two calls of a provider for what has an answer, and four for one that was mended."""
    used = Usage(4, 9000, 6000, 200) if gold.id == "b1" else Usage(2, 3000, 0, 100)
    return replace(answer, usage=used if gold.answerable else Usage())


def perfect(broken: Broken = unbroken, rows: Iterable[Row] = ROWS) -> Knowing:
    """Return an assistant that knows these questions."""
    return Knowing(questions(rows), broken)


def evaluate_with(
    assistant: Assistant,
    folder: Path,
    options: Options = Options(),  # noqa: B008 - frozen
    demands: Demands = Demands(),  # noqa: B008
    rows: Iterable[Row] = ROWS,
    **settings: Any,  # noqa: ANN401 - a setting each
) -> dict[str, Any]:
    """Run the real evaluation of an assistant in a folder, and return the data of its report."""
    path = write(folder.parent, rows)
    wanted = replace(settings_of(folder.parent), **settings)
    with mock.patch.object(Assistant, "open", return_value=assistant):
        return evaluate.evaluate(path, folder, options, demands, wanted, lambda *_: None)


@cache
def finished(broken: Broken = unbroken) -> Path:
    """Return the folder of a run of ROWS, one for all tests of a process: only to be read."""
    folder = Path(mkdtemp(dir=FOLDERS.name))
    evaluate_with(perfect(broken), folder / "run")
    return folder / "run"


def report_of(broken: Broken = unbroken) -> dict[str, Any]:
    """Return the data of that run's report, a new copy each time."""
    found: dict[str, Any] = json.loads((finished(broken) / "report.json").read_text())
    return found


def copied(folder: Path, broken: Broken = unbroken) -> Path:
    """Return a copy of that run that a test may change."""
    return shutil.copytree(finished(broken), folder / "run")


def grade_of(identifier: str = "b1", grade: str = "good", grader: str = "ada", **more: str) -> Grade:
    """Return a grade of an answer whose hash is "a"."""
    values: dict[str, str] = {"time": "2026-11-30T12:00:00+00:00", "rubric": CONTENT.version, "answer": "a", **more}
    return Grade(grader=grader, id=identifier, grade=grade, **values)


def give(folder: Path, said: dict[str, str], grader: str = "ada", **more: str) -> None:
    """Let a grader grade answers of a run, by the ids of their questions."""
    keys = {o.question.id: key_of(o.record)[1] for o in run.observed(folder)[2]}
    for identifier, grade in said.items():
        add(folder, grade_of(identifier, grade, grader, **({"answer": keys[identifier]} | more)))


FOLDERS = TemporaryDirectory()


def settings_of(folder: Path) -> Settings:
    """Return settings with the articles in this folder, which are written there."""
    articles = folder / "articles"
    articles.mkdir(exist_ok=True)
    for article in ARTICLES:
        (articles / f"{article.id}.md").write_text(f"---\ntitle: {article.title}\n---\n{article.text}\n")
    return Settings(articles=articles, data=folder / "data", model="none")


def set_up(folder: Path) -> None:
    """Let commands take articles and data from this folder, and no language model."""
    os.environ["ASSISTANT_ARTICLES"] = str(settings_of(folder).articles)
    os.environ["ASSISTANT_DATA"] = str(folder / "data")
    os.environ["ASSISTANT_MODEL"] = "none"


def write(folder: Path, rows: Iterable[Row | str]) -> Path:
    """Write a question file, JSON unless a line is a string, and return its path."""
    path = folder / "questions.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def command(*arguments: object) -> Result:
    """Run a command in this process, as a person types it; a defect is raised."""
    return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)


def value(content: dict[str, Any], name: str) -> float | None:
    """Return the value of a measure in the data of a report."""
    found: float | None = measure(content, name)["value"]
    return found


def measure(content: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a measure in the data of a report."""
    measures: list[dict[str, Any]] = [*content["headlines"], *content["second_screen"]]
    return next(measure for measure in measures if measure["name"] == name)
