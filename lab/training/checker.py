"""Train `assistant/model/checker.gguf`: do passages state an answer to a question, and did the model give it?

`python -m lab train-checker` trains matrices beside the attention of the packaged language model, which work from the
first words of such a check on. Up to there the model is the one that drafted, so what it has read and written is not
read again. It learns from articles that others wrote questions about, and from there on from the reports.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from assistant.errors import ConfigurationError
from assistant.files import Progress
from assistant.model.prompts import CHECK, check_messages
from lab.training.checks import Check, Group, even, groups, groups_of_reports, made_checks, own_checks, read_entries
from lab.training.drafting import drafts, opening, tokens
from lab.training.lora import (
    ATTENTION,
    Adapted,
    adapt,
    inactive,
    learn,
    loaded,
    packed,
    save,
    split_at,
    states,
)
from lab.training.reports import VERDICTS, read_reports

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

RANK = 8
STEPS = 320
MADE_UP = 60
"""For so many paragraphs drafts are made up, to begin with: it takes a while until every verdict is known."""
DRAFTED = 180
"""For so many others, and for all reports without drafts that were kept, the model drafts answers itself."""
SIDE_BY_SIDE = 64
"""At least so many questions are drafted together."""
CHECKS = 16
"""At most so many about the same passages are learned from at a time."""


def run(  # noqa: PLR0913, PLR0917 - what the command takes
    path: Path,
    model: Path,
    out: Path,
    seed: int,
    progress: Progress,
    begin: Path | None = None,
    steps: int = STEPS,
) -> str:
    """Train on the articles of a file in SQuAD's format, or on the reports of one (.jsonl), and write the adapter.

    Training goes on from the adapter of the file `begin` where there is one. Returns the SHA-256 of what is written.

    Raises:
        ConfigurationError: a file cannot be read, the adapter has no place, or a package is missing.
    """
    if out.resolve() in {path.resolve(), model.resolve()}:
        raise ConfigurationError(f"{out} is what the adapter is trained from: give the adapter a file of its own")
    generator = random.Random(seed)  # noqa: S311 - no secret
    if path.suffix == ".jsonl":
        made_up, drafted = [], groups_of_reports(read_reports(path), generator)
        generator.shuffle(drafted)
    else:
        data = groups(read_entries(path), generator)
        generator.shuffle(data)
        made_up, drafted = data[: -MADE_UP - 1 : -1], data[:DRAFTED]
    return save(out, lambda: train(made_up, drafted, model, seed, progress, begin, steps))


def train(  # noqa: PLR0913, PLR0917 - as for `run`
    made_up: Sequence[Group],
    drafted: Sequence[Group],
    model: Path,
    seed: int,
    progress: Progress,
    begin: Path | None,
    steps: int,
) -> bytes:
    """Return an adapter of the language model in a GGUF file, trained on one group a step, as the content of a file.

    Raises:
        ConfigurationError: the adapter to go on from cannot be used, or a package that reads or writes GGUF files is
            missing.
    """
    language_model, tokenizer = loaded(model, torch.bfloat16)
    adapted = adapt(language_model, ATTENTION, RANK, seed, begin)
    told: list[list[str]] = []
    with inactive(adapted):
        for of_group in _drafts(language_model, tokenizer, drafted):
            told.append(of_group)
            progress("Training", len(told), len(drafted) + steps)
    taught = lessons(made_up, drafted, told, random.Random(seed), steps)  # noqa: S311 - no secret
    fit(
        language_model,
        tokenizer,
        adapted,
        taught,
        lambda what, step, of: progress(what, len(drafted) + step, len(drafted) + of),
    )
    return packed(adapted, tokens(tokenizer, CHECK))


def lessons(
    made_up: Sequence[Group],
    drafted: Sequence[Group],
    drafts: Sequence[Sequence[str]],
    generator: random.Random,
    steps: int,
) -> list[tuple[str, list[Check]]]:
    """Return passages and their checks for each step, which there may be fewer of where every draft is in doubt.

    First come made-up drafts, then those of the groups that the model drafted for, again and again.
    """
    made = [(group.passages, made_checks(group, generator)) for group in made_up]
    again = islice(cycle(zip(drafted, drafts, strict=True)), max(0, steps - len(made)))
    own = [(group.passages, own_checks(group, told, generator)) for group, told in again]
    return [(passages, even(checks)[:CHECKS]) for passages, checks in [*made, *own][:steps] if checks]


def fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    adapted: Mapping[str, Adapted],
    taught: Sequence[tuple[str, Sequence[Check]]],
    progress: Progress,
) -> None:
    """Let the matrices beside the model learn from one lesson a step."""

    def loss(lesson: tuple[str, Sequence[Check]]) -> Tensor:
        passages, checks = lesson
        told = log_probabilities(model, tokenizer, adapted, passages, checks)
        return verdict_losses(tokenizer, told, [check.verdict for check in checks], VERDICTS).mean()

    learn(adapted, taught, loss, progress)


def _drafts(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, data: Sequence[Group]) -> Iterator[list[str]]:
    """Yield what the model drafts for each group's questions."""
    batch: list[Group] = []
    for group in data:
        batch.append(group)
        if group is data[-1] or sum(len(one.asked) for one in batch) >= SIDE_BY_SIDE:
            yield from drafts(
                model, tokenizer, [(one.passages, [asked.question for asked in one.asked]) for one in batch]
            )
            batch = []


def log_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    adapted: Mapping[str, Adapted],
    passages: str,
    checks: Sequence[Check],
) -> Tensor:
    """Return the log-probability of each token as the first of the reply to each check, (checks, tokens).

    The passages are read once, and then each question and draft, by the model as it is.
    """
    begin = opening(tokenizer, passages)
    asked = [
        split_at(tokenizer, check_messages(check.question, check.history, passages, check.draft), begin, CHECK)
        for check in checks
    ]
    read = states(model, adapted, tokens(tokenizer, begin), asked)
    last = torch.tensor([len(check) for _, check in asked]).cumsum(0) - 1
    return torch.log_softmax(model.lm_head(read[last]).float(), -1)


def verdict_losses(
    tokenizer: PreTrainedTokenizerBase, told: Tensor, right: Sequence[str], verdicts: Sequence[str]
) -> Tensor:
    """Return the negative logarithm of the probability of each right verdict among those that there are, (checks,).

    `told` is the log-probability of each token as the first of a reply, (checks, tokens).
    """
    of_verdicts = torch.stack([told[:, _spellings(tokenizer, verdict)].logsumexp(-1) for verdict in verdicts], -1)
    places = torch.tensor([verdicts.index(each) for each in right], dtype=torch.long)
    return -of_verdicts.gather(1, places[:, None])[:, 0]


def _spellings(tokenizer: PreTrainedTokenizerBase, word: str) -> list[int]:
    """Return the tokens that are read as the word."""
    spellings = (word, word.capitalize(), f" {word}", f" {word.capitalize()}", word.upper())
    return [ids[0] for ids in (tokens(tokenizer, spelling) for spelling in spellings) if len(ids) == 1]
