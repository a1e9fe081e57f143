"""Train the span finder on half the articles of a file in SQuAD 2.0's format, then on news reports.

`python -m lab train-span-finder` writes the weights, and the other half of the articles as a file that nothing was
trained on, to measure with. Besides the questions that are there, each epoch asks some with one of their words
exchanged for another of the same paragraph, and some of a wrong paragraph: neither has an answer there, and both teach
to look at every word. Those about the reports teach what is asked in other words than it is told in. Knows nothing of
how a reading is used.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.articles.passages import passages
from assistant.articles.terms import stems
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import read_text
from assistant.evaluation.squad import read_squad
from assistant.search import span_finder as reader
from assistant.types import Article
from lab.training.reports import Report, read_reports

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EPOCHS = 4
BATCH = 32
RATE = 1e-4
"""The highest learning rate; it rises over the first tenth of the steps and falls to nothing over the others."""
REPORT_EPOCHS = 2
REPORT_RATE = 5e-5
"""With the reports it is trained so often, and with this rate as the highest."""
REHEARSED = 0.2
"""Beside the examples of the reports, for each of them so many of those before, so that they are not forgotten."""
EXCHANGED, MISPLACED = 0.7, 0.3
"""How many of the questions with an answer are asked again with a word exchanged, and of all in a wrong paragraph."""

Entry = dict[str, Any]
"""An article as it stands in the file."""
Progress = Callable[[int, int], None]
"""Called with the batches done and the batches in all."""

WORD = re.compile(r"[A-Za-z][A-Za-z'-]+|\d[\d,.]*\d|\d")


@dataclass(frozen=True, slots=True)
class Example:
    """A question, a paragraph, and the offsets of the answer in it; 0 and 0 where it has none."""

    question: str
    paragraph: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Encoded:
    """An example as tokens; `first` and `last` are the positions of the answer's tokens, 0 where there is none."""

    ids: Sequence[int]
    types: Sequence[int]
    first: int
    last: int


def run(  # noqa: PLR0913, PLR0917 - what the command takes
    path: Path,
    reports: Path,
    embedder: Path,
    out: Path,
    held_out: Path,
    seed: int,
    progress: Progress,
    begin: Path | None = None,
) -> str:
    """Train on half the articles of a file and then on reports, write the weights and the other half.

    Training goes on with the reports from the weights of the file `begin` where there is one, which must come of the
    same seed: they have learned from the same half. Returns the SHA-256 of the weights.

    Raises:
        ConfigurationError: a file cannot be read, has too little to halve, or what is written has no place.
    """
    if len({file.resolve() for file in (path, reports, out, held_out)}) < 4:
        raise ConfigurationError("Two of the files are the same: give the weights and the other half their own")
    seen, unseen = split(path, seed)
    of_reports = [entry_of(report) for report in read_reports(reports)]
    begun = _begun(begin, embedder) if begin else None

    def trained() -> bytes:
        write(held_out, json.dumps({"version": "held out", "data": unseen}).encode())
        return packed(train(seen, of_reports, embedder, seed, progress, begun))

    return save(out, trained)


def save(out: Path, trained: Callable[[], bytes]) -> str:
    """Write what comes of a training, whole or not at all, and return its SHA-256.

    Raises:
        ConfigurationError: it has no place; nothing was trained then.
    """
    # A long training is not to end where there is nowhere to write.
    partial = _partial(out)
    write(partial, b"")
    try:
        weights = trained()
        replace(out, weights)
    finally:
        partial.unlink(missing_ok=True)
    return hashlib.sha256(weights).hexdigest()


def replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; one that is there is replaced.

    Raises:
        ConfigurationError: it cannot be written.
    """
    write(_partial(path), content)
    _partial(path).replace(path)


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


def write(path: Path, content: bytes) -> None:
    """Write a file.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written ({error.strerror}): choose another file") from error


def split(path: Path, seed: int) -> tuple[list[Entry], list[Entry]]:
    """Return the articles of a file to train on, as they stand there, and the others.

    Raises:
        ConfigurationError: it cannot be read, has fewer than two articles, or no question to train on.
    """
    text = read_text(path)
    read_squad(path, text)  # Says where it is not of that format.
    entries: list[Entry] = sorted(json.loads(text)["data"], key=lambda entry: str(entry.get("title")))
    if len(entries) < 2:
        raise ConfigurationError(f"{path} has one article: give one with more, half of them to measure with")
    random.Random(seed).shuffle(entries)  # noqa: S311 - no secret
    half = math.ceil(len(entries) / 2)
    if not examples(entries[:half]):
        raise ConfigurationError(f"{path} has no question in the half to train on: give more, or another seed")
    return entries[:half], entries[half:]


def entry_of(report: Report) -> Entry:
    """Return a report as an article whose paragraphs are its passages; a question is asked of the one most like it.

    What is like it is told by its words and those of the answers that were written to it. Questions about two things
    are left out: the span finder is asked for one at a time.
    """
    paragraphs: list[Entry] = [
        {"context": passage.text, "qas": []} for passage in passages(Article(report.id, report.text, report.id))
    ]
    for asked in (asked for asked in report.questions if not asked.about_two):
        answer = "".join(asked.answers)
        words = stems(f"{asked.question} {asked.right or asked.wrong}")
        # An answer that reaches over two passages is in neither.
        there = [paragraph for paragraph in paragraphs if answer in paragraph["context"]]
        if there:
            best = max(there, key=lambda paragraph: len(words & stems(paragraph["context"])))
            answers = [{"text": answer}] if answer else []
            best["qas"].append({"question": asked.question, "answers": answers, "is_impossible": not answer})
    return {"title": report.id, "paragraphs": paragraphs}


def examples(entries: Iterable[Entry]) -> list[Example]:
    """Return the questions of articles; an answer is taken to stand where its words, rather whole, stand first."""
    found = []
    for entry in entries:
        for paragraph in entry["paragraphs"]:
            text = str(paragraph["context"])
            for row in paragraph["qas"]:
                question = " ".join(str(row["question"]).split())
                answer = "" if row.get("is_impossible") else str(row["answers"][0]["text"])
                whole = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text)
                start = -1 if not answer else whole.start() if whole else text.find(answer)
                found.append(
                    Example(question, text, start, start + len(answer)) if start >= 0 else Example(question, text)
                )
    return found


def exchanged(example: Example, generator: random.Random) -> Example | None:
    """Return the question with one content word exchanged for another of the same form from the same paragraph.

    None where there is none. That the paragraph does not answer it is nearly always true.
    """
    answer = example.paragraph[example.start : example.end]
    held, asked = stems(example.paragraph), stems(example.question)
    there = [
        word
        for word in WORD.findall(example.paragraph)
        if word not in answer and stems(word) and asked.isdisjoint(stems(word))
    ]
    choices = [
        (match, other)
        for match in WORD.finditer(example.question)
        if stems(match[0]) and stems(match[0]) <= held
        for other in there
        if form(other) == form(match[0])
    ]
    if not choices:
        return None
    match, other = generator.choice(choices)
    return Example(example.question[: match.start()] + other + example.question[match.end() :], example.paragraph)


def form(word: str) -> str:
    """Return what tells numbers, names and the endings of other words apart."""
    return "number" if word[0].isdigit() else "name" if word[0].isupper() else word[-2:]


def misplaced(example: Example, paragraphs: Sequence[str], generator: random.Random) -> Example | None:
    """Return the question with another paragraph, None where the only other one holds the words of the answer."""
    other = generator.choice(paragraphs)
    answer = example.paragraph[example.start : example.end]
    return None if other == example.paragraph or (answer and answer in other) else Example(example.question, other)


def train(  # noqa: PLR0913, PLR0917 - as for `run`
    entries: Sequence[Entry],
    of_reports: Sequence[Entry],
    embedder: Path,
    seed: int,
    progress: Progress,
    begun: PreTrainedModel | None = None,
) -> PreTrainedModel:
    """Return the embedding model of a folder, trained to read the articles and then the reports.

    One that has begun, with the articles, is trained on: these are only rehearsed.
    """
    import torch  # noqa: PLC0415
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer  # noqa: PLC0415

    torch.manual_seed(seed)
    generator = random.Random(seed)  # noqa: S311 - no secret
    tokenizer = AutoTokenizer.from_pretrained(embedder, local_files_only=True)
    model: PreTrainedModel = begun or AutoModelForQuestionAnswering.from_pretrained(
        embedder, local_files_only=True, attn_implementation="eager"
    )
    model.get_parameter(reader.SHARED).requires_grad_(False)  # noqa: FBT003 - torch's own name for it differs by release
    # Dropout costs half of the time here, and the questions of each epoch differ anyway.
    model.train(mode=False)
    first = [] if begun else [_epoch(entries, generator) for _ in range(EPOCHS)]
    then = [
        _rehearsed(_epoch(of_reports, generator), _epoch(entries, generator), generator) for _ in range(REPORT_EPOCHS)
    ]
    steps = sum(_steps(asked) for asked in [*first, *then])
    done = 0
    for rounds, rate in ((first, RATE), (then, REPORT_RATE)):
        batches = (batch for asked in rounds for batch in _batches(_encoded(asked, tokenizer), generator))
        for _ in _learn(model, batches, sum(map(_steps, rounds)), rate):
            done += 1
            progress(done, steps)
    return model


def _steps(asked: Sequence[Example]) -> int:
    return math.ceil(len(asked) / BATCH)


def _learn(model: PreTrainedModel, batches: Iterable[Mapping[str, Tensor]], steps: int, rate: float) -> Iterator[None]:
    """Learn from one batch after the other, yielding after each."""
    import torch  # noqa: PLC0415
    from transformers import get_linear_schedule_with_warmup  # noqa: PLC0415

    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)  # type: ignore[no-untyped-call]
    for batch in batches:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        yield


def _begun(weights: Path, embedder: Path) -> PreTrainedModel:
    """Return the model that a training ended with.

    Raises:
        ConfigurationError: the file is not one of its weights.
    """
    from safetensors import SafetensorError  # noqa: PLC0415

    try:
        model = reader.load(weights, embedder)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ConfigurationError(
            f"{weights} has no weights to go on from ({type(error).__name__}): give a file that train-span-finder wrote"
        ) from error
    model.set_attn_implementation("eager")  # As from the beginning.
    return model


def packed(model: PreTrainedModel) -> bytes:
    """Return what was trained as the content of a file, in half precision."""
    from safetensors.torch import save  # noqa: PLC0415

    values = {name: value.half().contiguous() for name, value in model.state_dict().items() if name != reader.SHARED}
    content: bytes = save(values)
    return content


def _epoch(entries: Sequence[Entry], generator: random.Random) -> list[Example]:
    """Return the questions of one epoch."""
    asked: list[Example | None] = []
    for entry in entries:
        paragraphs = [str(paragraph["context"]) for paragraph in entry["paragraphs"]]
        for example in examples([entry]):
            asked.append(example)
            if example.end and generator.random() < EXCHANGED:
                asked.append(exchanged(example, generator))
            if generator.random() < MISPLACED:
                asked.append(misplaced(example, paragraphs, generator))
    return [example for example in asked if example is not None]


def _rehearsed(asked: Sequence[Example], before: Sequence[Example], generator: random.Random) -> list[Example]:
    """Return the examples and some that were learned before."""
    return [*asked, *generator.sample(before, min(len(before), round(REHEARSED * len(asked))))]


def _encoded(asked: Sequence[Example], tokenizer: PreTrainedTokenizerBase) -> list[Encoded]:
    batch = tokenizer(
        [example.question for example in asked],
        [example.paragraph for example in asked],
        truncation="longest_first",
        max_length=reader.MAX_TOKENS,
        return_offsets_mapping=True,
    )
    found = []
    for number, example in enumerate(asked):
        types = batch["token_type_ids"][number]
        inside = [
            position
            for position, (of_paragraph, (start, end)) in enumerate(
                zip(types, batch["offset_mapping"][number], strict=True)
            )
            if of_paragraph and start < example.end and end > example.start and end > start
        ]
        first, last = (inside[0], inside[-1]) if inside else (0, 0)
        found.append(Encoded(batch["input_ids"][number], types, first, last))
    return found


def _batches(encoded: Sequence[Encoded], generator: random.Random) -> Iterator[dict[str, Tensor]]:
    """Yield all of them in batches of nearly equal length, in no order."""
    import torch  # noqa: PLC0415

    mixed = sorted(encoded, key=lambda one: len(one.ids) + generator.random() * 20)
    batches = [mixed[start : start + BATCH] for start in range(0, len(mixed), BATCH)]
    generator.shuffle(batches)
    for batch in batches:
        longest = max(len(one.ids) for one in batch)
        yield {
            "input_ids": torch.tensor([[*one.ids, *[0] * (longest - len(one.ids))] for one in batch]),
            "token_type_ids": torch.tensor([[*one.types, *[0] * (longest - len(one.ids))] for one in batch]),
            "attention_mask": torch.tensor([[1] * len(one.ids) + [0] * (longest - len(one.ids)) for one in batch]),
            "start_positions": torch.tensor([one.first for one in batch]),
            "end_positions": torch.tensor([one.last for one in batch]),
        }
