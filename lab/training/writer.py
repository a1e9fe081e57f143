"""Train `assistant/model/writer.gguf`: the packaged language model answers readers' questions.

`python -m lab train-writer` trains matrices beside attention and the way out of each layer. They work in the last turn
of a conversation: what the model has read of the article stays as it is. A step is about one report. The model learns
to write the answers that were written to readers' questions, and plain ones to questions in full sentences, so that it
does not forget these. Beside them it learns verdicts on answers, as a lesson in what a right one is: nobody asks the
writer for them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from langchain_core.messages import BaseMessage, HumanMessage
from torch import Tensor
from torch.nn.functional import cross_entropy

from assistant.articles.passages import passages
from assistant.errors import ConfigurationError
from assistant.files import Progress
from assistant.model.chat import text_of
from assistant.model.prompts import TURN, draft_messages
from assistant.types import Article, Turn
from lab.training.checker import verdict_losses
from lab.training.checks import Check, even
from lab.training.drafting import TURN_END, opening, tokens
from lab.training.lora import ATTENTION, Adapted, Split, adapt, learn, loaded, packed, save, split_at, states
from lab.training.readers import READER_VERDICTS, read_reader_questions, read_verdicts
from lab.training.reports import ReportQuestion, read_reports

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CHECKED = "Question: {question}\nAnswer: {answer}\nIs this the right answer, by the article?"
"""How a verdict is asked for here."""
RANK = 16
PROJECTIONS = ATTENTION | {"mlp.down_proj": "ffn_down"}
"""Of the two other projections of a layer's second half the engine takes no notice."""
SIDE_BY_SIDE = 10
"""At most so many questions about a report are answered in a step, and so many answers judged."""
PLAIN_EVERY = 5
"""So often a step is about a report that has no readers' questions."""
MEASURED = 8
"""On so many of the reports that are held out the loss is measured."""

SHIPPED = ((90, 0), (84, 1))
"""Steps and seed of each of the two trainings that made the adapter that ships."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question, what was asked and answered before it, and the answer that is to be written."""

    question: str
    history: Sequence[Turn]
    answer: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learned about an article, which is read once for all of it; its text is as the engine is given it."""

    article: str
    exchanges: Sequence[Exchange]
    checks: Sequence[Check]


@dataclass(frozen=True, slots=True)
class Material:
    """All that can be learned about an article."""

    article: str
    of_readers: Sequence[Exchange]
    """Questions as readers type them."""
    plain: Sequence[Exchange]
    """Questions in full sentences."""
    checks: Sequence[Check]
    """Answers to the first, or where there are none to the second, with their verdicts."""


def run(  # noqa: PLR0913, PLR0917 - what the command takes
    path: Path,
    reports: Path,
    verdicts: Path,
    model: Path,
    out: Path,
    seed: int,
    steps: int,
    progress: Progress,
    begin: Path | None = None,
) -> tuple[str, list[float]]:
    """Train on a file of readers' questions, the reports that they are about, and verdicts, and write the adapter.

    Of the reports with readers' questions a tenth, drawn by the seed, is held out. The matrices begin as those of the
    adapter `begin` where there is one. Returns the SHA-256 of what is written, and the mean loss on what is held out,
    of words and of verdicts.

    Raises:
        ConfigurationError: a file cannot be read, too few reports are asked about, or the adapter has no place.
    """
    if out.resolve() in {file.resolve() for file in (path, reports, verdicts, model)}:
        raise ConfigurationError(f"{out} is what the adapter is trained from: give the adapter a file of its own")
    taught, held_out = split(read_materials(path, reports, verdicts), steps, seed)
    unseen: list[float] = []

    def trained() -> bytes:
        language_model, tokenizer = loaded(model, torch.float32)
        adapted = adapt(language_model, PROJECTIONS, RANK, seed, begin)
        of_lesson = partial(losses, language_model, tokenizer, adapted)
        learn(adapted, taught, lambda lesson: torch.stack([each.mean() for each in of_lesson(lesson)]).sum(), progress)
        with torch.no_grad():
            measured = [of_lesson(lesson) for lesson in held_out[:MEASURED]]
        unseen.extend(float(torch.cat(each).mean()) for each in zip(*measured, strict=True))
        return packed(adapted, tokens(tokenizer, TURN))

    return save(out, trained), unseen


def read_materials(path: Path, reports: Path, verdicts: Path) -> list[Material]:
    """Return what can be learned about each report.

    Raises:
        ConfigurationError: a file cannot be read, or a line of it is not what it should be.
    """
    known = read_reports(reports)
    asked, judged = read_reader_questions(path, known), read_verdicts(verdicts, known)
    found = []
    for report in known:
        of_readers = [Exchange(each.question, each.history, each.right) for each in asked.get(report.id, ())]
        plain = [Exchange(each.question, (), each.sentence) for each in report.questions if each.sentence]
        checks = [Check(each.question, each.answer, "yes", each.history) for each in of_readers]
        if of_readers:
            checks += judged.get(report.id, ())
        else:
            checks = [check for each in report.questions for check in _plain_checks(each)]
        found.append(Material(text_of(passages(Article(report.id, report.text, ""))), of_readers, plain, checks))
    return found


def _plain_checks(asked: ReportQuestion) -> list[Check]:
    """Return the verdicts on what was written, or kept of the model's own drafts, to a question in a full sentence."""
    told = [(each, "yes") for each in (asked.right, asked.sentence)]
    told += [(each, "wrong" if asked.answers else "no") for each in (asked.wrong, asked.near_miss)]
    told.append((asked.draft, asked.verdict))
    return [Check(asked.question, answer, verdict) for answer, verdict in told if answer]


def split(materials: Sequence[Material], steps: int, seed: int) -> tuple[list[Lesson], list[Lesson]]:
    """Return a lesson for each step, and those that are held out: what concerns readers of a tenth of the reports.

    Most steps are about a report with readers' questions: these and, where there is room, plain ones.

    Raises:
        ConfigurationError: fewer than two reports have readers' questions.
    """
    generator = random.Random(seed)  # noqa: S311 - no secret
    asked = [material for material in materials if material.of_readers]
    others = [material for material in materials if material.plain and not material.of_readers]
    if len(asked) < 2:
        raise ConfigurationError("Readers' questions about at least two reports are needed: one of them is held out")
    generator.shuffle(asked)
    unseen = math.ceil(len(asked) / 10)
    held_out = [Lesson(one.article, one.of_readers, _evenly(one.checks)) for one in asked[:unseen]]
    with_readers, without = _again_and_again(asked[unseen:], generator), _again_and_again(others, generator)
    taught = []
    for number in range(1, steps + 1):
        material = next(without if others and number % PLAIN_EVERY == 0 else with_readers)
        exchanges = _some(material.of_readers, SIDE_BY_SIDE, generator)
        exchanges += _some(material.plain, SIDE_BY_SIDE - len(exchanges), generator)
        checks = _evenly(_some(material.checks, len(material.checks), generator))
        taught.append(Lesson(material.article, exchanges, checks))
    return taught, held_out


def learned(materials: Sequence[Material]) -> set[str]:
    """Return the texts of the reports that the adapter that ships has learned from."""
    return {lesson.article for steps, seed in SHIPPED for lesson in split(materials, steps, seed)[0]}


def losses(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, adapted: Mapping[str, Adapted], lesson: Lesson
) -> tuple[Tensor, Tensor]:
    """Return the negative logarithms of the probabilities of what a lesson teaches: (tokens,) and (checks,).

    The tokens are those of the answers and the end of each. The article, and earlier turns, are read by the model as it
    is.
    """
    # The turn of a question belongs to what is read with the matrices.
    begin = opening(tokenizer, lesson.article).rpartition(TURN)[0]

    def turn(messages: Sequence[BaseMessage]) -> Split:
        return split_at(tokenizer, messages, begin, TURN)

    conversations: list[Split] = []
    wanted: list[list[int]] = []
    for each in lesson.exchanges:
        before, asked = turn(draft_messages(each.question, each.history, lesson.article))
        wanted.append(tokens(tokenizer, each.answer + TURN_END))
        # Nothing comes after the last token, so it is not read.
        conversations.append((before, [*asked, *wanted[-1][:-1]]))
    for check in lesson.checks:
        judged = HumanMessage(CHECKED.format(question=check.question, answer=check.draft))
        conversations.append(turn([*draft_messages(check.question, check.history, lesson.article)[:-1], judged]))
    ends = torch.tensor([len(last) for _, last in conversations]).cumsum(0).tolist()
    places = [place for end, answer in zip(ends, wanted, strict=False) for place in range(end - len(answer), end)]
    targets = torch.tensor([token for answer in wanted for token in answer], dtype=torch.long)
    places += [end - 1 for end in ends[len(wanted) :]]
    read = model.lm_head(states(model, adapted, tokens(tokenizer, begin), conversations)[places]).float()
    of_words = cross_entropy(read[: len(targets)], targets, reduction="none")
    told = torch.log_softmax(read[len(targets) :], -1)
    return of_words, verdict_losses(tokenizer, told, [check.verdict for check in lesson.checks], READER_VERDICTS)


def _evenly(checks: Sequence[Check]) -> list[Check]:
    return even(checks, READER_VERDICTS)[:SIDE_BY_SIDE]


def _again_and_again(materials: Sequence[Material], generator: random.Random) -> Iterator[Material]:
    """Yield all of them in some order, and again in another, for ever."""
    order = list(materials)
    while order:
        generator.shuffle(order)
        yield from order


def _some(some: Sequence[_T], most: int, generator: random.Random) -> list[_T]:
    return generator.sample(some, min(most, len(some)))
