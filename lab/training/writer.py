"""Train `assistant/model/writer.gguf`: the packaged language model answers readers' questions from a whole article.

`python -m lab train-writer` trains matrices beside attention and the way out of each layer, which work from the
question on: what the model has read of the article stays as it is. It learns the answers that were written to readers'
questions about invented reports, and plain ones that were written to questions in full sentences, so that it does not
forget these. Nothing that it learns from declines. Knows nothing of how an answer is checked or shown.
"""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from assistant.articles.passages import passages
from assistant.errors import ConfigurationError
from assistant.model.chat import text_of
from assistant.model.prompts import draft_messages
from assistant.types import Article, Turn
from lab.training.drafting import TURN_END, opening, tokens
from lab.training.lora import ATTENTION, Adapted, Learning, adapt, loaded, packed, split_at, states
from lab.training.readers import read_reader_questions
from lab.training.reports import read_reports
from lab.training.span_finder import save

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

RANK = 16
PROJECTIONS = ATTENTION | {"mlp.down_proj": "ffn_down"}
"""Of the two other projections of a layer's second half the engine takes no notice."""
QUESTION_TURN = "<|im_start|>user"
"""What the turn of the question begins with, from which on the matrices work; earlier turns are read without them."""
SIDE_BY_SIDE = 14
"""At most so many questions about a report are learned from at a time."""
PLAIN = 12
"""So many of a report that has no readers' questions; every fourth step is about one."""
KEPT_AFTER = 20
"""After so many steps what is needed to go on is written; a step takes some ten seconds."""
MEASURED_AFTER = 100
"""After so many the loss on what is held out is measured, in some ninety seconds."""

Progress = Callable[[int, int], None]
"""Called with the steps done and with all of them."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question, what was asked and answered before it, and the answer that is to be written."""

    question: str
    history: Sequence[Turn]
    answer: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """Exchanges about an article, which is read once for all of them; its text is as the engine is given it."""

    article: str
    exchanges: Sequence[Exchange]


@dataclass(frozen=True, slots=True)
class Material:
    """All that can be learned about an article."""

    article: str
    of_readers: Sequence[Exchange]
    """Questions as readers type them."""
    plain: Sequence[Exchange]
    """Questions in full sentences."""


def run(  # noqa: PLR0913, PLR0917 - what the command takes
    path: Path,
    reports: Path,
    model: Path,
    out: Path,
    seed: int,
    steps: int,
    progress: Progress,
    say: Callable[[str], None],
    begin: Path | None = None,
    minutes: float = math.inf,
) -> str:
    """Train on a file of readers' questions and the reports that they are about, and write the adapter.

    Of the reports with readers' questions a tenth is held out; `say` gets a line with the loss on it now and then. What
    is needed to go on is kept beside `out`: after a break, or when the `minutes` are up, the same call goes on there.
    The matrices begin as those of the adapter `begin` where there is one. Returns the SHA-256 of what is written.

    Raises:
        ConfigurationError: a file cannot be read, too few reports are asked about, the adapter has no place, or what
            was kept is of another training.
    """
    until = time.monotonic() + 60 * minutes
    given = [file for file in (path, reports, begin) if file is not None]
    if out.resolve() in {file.resolve() for file in (*given, model)}:
        raise ConfigurationError(f"{out} is what the adapter is trained from: give the adapter a file of its own")
    taught, held_out = split(read_materials(path, reports), steps, seed)
    plan = hashlib.sha256(f"{seed} {steps}".encode() + b"".join(file.read_bytes() for file in given)).hexdigest()
    kept = out.with_name(f"{out.name}.kept")
    done = 0

    def trained() -> bytes:
        nonlocal done
        language_model, tokenizer = loaded(model)
        adapted = adapt(language_model, PROJECTIONS, RANK, seed, begin)
        learning = Learning(adapted, steps)
        if kept.exists():
            learning.go_on(kept, plan)
        losses = partial(token_losses, language_model, tokenizer, adapted)
        fit(learning, losses, taught, held_out, until, lambda: learning.keep(kept, plan), progress, say)
        done = learning.done
        return packed(adapted, tokens(tokenizer, QUESTION_TURN))

    digest = save(out, trained)
    if done == steps:
        kept.unlink()
    else:
        say(f"Stopped after step {done} of {steps}: the same command goes on from {kept}")
    return digest


def read_materials(path: Path, reports: Path) -> list[Material]:
    """Return what can be learned about each report.

    Raises:
        ConfigurationError: a file cannot be read, or a line of it is not what it should be.
    """
    known = read_reports(reports)
    asked = read_reader_questions(path, known)
    return [
        Material(
            text_of(passages(Article(report.id, report.text, ""))),
            [Exchange(each.question, each.history, each.right) for each in asked.get(report.id, ())],
            [Exchange(each.question, (), each.sentence) for each in report.questions if each.sentence],
        )
        for report in known
    ]


def split(materials: Sequence[Material], steps: int, seed: int) -> tuple[list[Lesson], list[Lesson]]:
    """Return a lesson for each step, and those that are held out: all readers' questions about a tenth of the reports.

    Three steps in four are about a report with readers' questions: these and, where there is room, plain ones.

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
    asked, held_out = asked[unseen:], [Lesson(one.article, one.of_readers) for one in asked[:unseen]]
    with_readers, without = _again_and_again(asked, generator), _again_and_again(others, generator)
    taught = []
    for number in range(1, steps + 1):
        if others and number % 4 == 0:
            material = next(without)
            exchanges = _some(material.plain, PLAIN, generator)
        else:
            material = next(with_readers)
            exchanges = _some(material.of_readers, SIDE_BY_SIDE, generator)
            exchanges += _some(material.plain, SIDE_BY_SIDE - len(exchanges), generator)
        taught.append(Lesson(material.article, exchanges))
    return taught, held_out


def fit(  # noqa: PLR0913, PLR0917 - what is learned from, until when, and who is told
    learning: Learning,
    losses: Callable[[Lesson], Tensor],
    taught: Sequence[Lesson],
    held_out: Sequence[Lesson],
    until: float,
    keep: Callable[[], None],
    progress: Progress,
    say: Callable[[str], None],
) -> None:
    """Learn from one lesson a step, to the last or `until` then, in `time.monotonic()` seconds.

    `losses` tells the loss of each token that a lesson teaches; `keep` is called now and then and at the end.
    """
    seen: list[float] = []

    def measure() -> None:
        with torch.no_grad():
            unseen = torch.cat([losses(lesson) for lesson in held_out]).mean()
        own = f"{sum(seen) / len(seen):.3f}" if seen else "not known yet"
        say(f"After step {learning.done} of {len(taught)}: loss {own}, on what is held out {unseen:.3f}")
        seen.clear()

    while learning.done < len(taught) and time.monotonic() < until:
        if learning.done % MEASURED_AFTER == 0:
            measure()
        loss = losses(taught[learning.done]).mean()
        learning.step(loss)
        seen.append(loss.item())
        progress(learning.done, len(taught))
        if learning.done % KEPT_AFTER == 0:
            keep()
    keep()
    if learning.done == len(taught):
        measure()


def token_losses(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, adapted: Mapping[str, Adapted], lesson: Lesson
) -> Tensor:
    """Return, for each token of the answers and the end of each, the negative logarithm of its probability; (tokens,).

    The article, and the turns before a question, are read by the model as it is.
    """
    begin = opening(tokenizer, lesson.article).rpartition(QUESTION_TURN)[0]
    conversations, answers = [], []
    for each in lesson.exchanges:
        messages = draft_messages(each.question, each.history, lesson.article)
        before, asked = split_at(tokenizer, messages, begin, QUESTION_TURN)
        answers.append(tokens(tokenizer, each.answer + TURN_END))
        # Nothing comes after the last token, so it is not read.
        conversations.append((before, [*asked, *answers[-1][:-1]]))
    ends = torch.tensor([len(own) for _, own in conversations]).cumsum(0).tolist()
    places = [place for end, answer in zip(ends, answers, strict=True) for place in range(end - len(answer), end)]
    read = states(model, adapted, tokens(tokenizer, begin), conversations)[places]
    targets = torch.tensor([token for answer in answers for token in answer])
    return cross_entropy(model.lm_head(read).float(), targets, reduction="none")


def _again_and_again(materials: Sequence[Material], generator: random.Random) -> Iterator[Material]:
    """Yield all of them in some order, and again in another, for ever."""
    order = list(materials)
    while order:
        generator.shuffle(order)
        yield from order


def _some(exchanges: Sequence[Exchange], most: int, generator: random.Random) -> list[Exchange]:
    return generator.sample(exchanges, min(most, len(exchanges)))
