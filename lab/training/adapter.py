"""Train `assistant/model/adapter.gguf`: do passages state an answer to a question, and did the model give it?

`python -m lab train-adapter` trains small matrices beside the attention of the packaged language model (LoRA, Hu
et al., ICLR 2022), which the engine brings in from the first words of such a check on (activated LoRA, Greenewald et
al., 2025). Up to there the model is the one that drafted, so what it has read and written is not read again. It learns
from what the span finder learned from: first the articles, and from there on the reports. Knows nothing of how a
check is used.
"""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from assistant.errors import ConfigurationError
from assistant.model.prompts import INVOCATION, check_messages
from assistant.types import VERDICTS
from lab.training.adapter_checks import Check, Group, even, groups, groups_of_reports, made_checks, own_checks
from lab.training.drafting import drafts, opening, tokens, written
from lab.training.reports import read_reports
from lab.training.span_finder import save, split

if TYPE_CHECKING:
    from transformers import Cache, PreTrainedModel, PreTrainedTokenizerBase

RANK, ALPHA = 8, 16
FIRST_LAYER = 8
"""The layers below are left as they are: a fifth of the time and of the file for no loss that was seen."""
PROJECTIONS = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output"}
"""What is adapted of each layer, and llama.cpp's names for it."""
STEPS = 320
RATE = 3e-4
"""The highest learning rate; it rises over the first twentieth of the steps and falls to nothing over the others."""
MADE_UP = 60
"""For so many paragraphs drafts are made up, to begin with: it takes a while until every verdict is known."""
DRAFTED = 180
"""For so many others, and for all reports without drafts that were kept, the model drafts answers itself."""
SIDE_BY_SIDE = 64
"""At least so many questions are drafted together."""
CHECKS = 16
"""At most so many about the same passages are learned from at a time."""

Progress = Callable[[int, int], None]
"""Called with the groups drafted and the steps done, and with both in all."""


def run(  # noqa: PLR0913, PLR0917 - what the command takes
    path: Path,
    model: Path,
    out: Path,
    seed: int,
    progress: Progress,
    begin: Path | None = None,
    steps: int = STEPS,
) -> str:
    """Train on half the articles of a file in SQuAD's format, or on all reports of one (.jsonl), and write the adapter.

    Training goes on from the adapter of the file `begin` where there is one. Returns the SHA-256 of what is written.

    Raises:
        ConfigurationError: a file cannot be read, has too little to halve, the adapter has no place, or a package is
            missing.
    """
    if out.resolve() in {path.resolve(), model.resolve()}:
        raise ConfigurationError(f"{out} is what the adapter is trained from: give the adapter a file of its own")
    generator = random.Random(seed)  # noqa: S311 - no secret
    if path.suffix == ".jsonl":
        made_up, drafted = [], groups_of_reports(read_reports(path), generator)
        generator.shuffle(drafted)
    else:
        data = groups(split(path, seed)[0], generator)
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
    language_model, tokenizer = _loaded(model)
    adapted = adapt(language_model, seed, begin)
    told: list[list[str]] = []
    with _inactive(adapted):
        for of_group in _drafts(language_model, tokenizer, drafted):
            told.append(of_group)
            progress(len(told), len(drafted) + steps)
    taught = lessons(made_up, drafted, told, random.Random(seed), steps)  # noqa: S311 - no secret
    fit(
        language_model,
        tokenizer,
        adapted,
        taught,
        lambda step, of: progress(len(drafted) + step, len(drafted) + of),
    )
    return _packed(adapted, tokenizer)


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
    trained = [matrix for one in adapted.values() for matrix in (one.down, one.up)]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    steps = len(taught)
    warm = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.02, (steps - step) / max(1, steps - warm)))
    )
    spellings = [_spellings(tokenizer, verdict) for verdict in VERDICTS]
    for step, (passages, checks) in enumerate(taught, start=1):
        told = log_probabilities(model, tokenizer, adapted, passages, checks)
        of_verdicts = torch.stack([told[:, spelled].logsumexp(-1) for spelled in spellings], -1)
        right = torch.tensor([[VERDICTS.index(check.verdict)] for check in checks])
        loss = -of_verdicts.gather(1, right).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        progress(step, steps)


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


def _loaded(file: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the language model, its weights unpacked and frozen, and its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        local_files_only=True,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
        attn_implementation="sdpa",
    )
    model.requires_grad_(False)  # noqa: FBT003 - torch's own name for it differs by release
    return model.train(mode=False), tokenizer


class Adapted(nn.Module):
    """A projection of the model with two small matrices beside it, which can be switched off."""

    def __init__(self, projection: nn.Linear) -> None:
        """Begin where nothing is changed: one matrix at random, the other of zeros."""
        super().__init__()
        self.projection = projection
        self.down = nn.Parameter(torch.empty(RANK, projection.in_features))
        self.up = nn.Parameter(torch.zeros(projection.out_features, RANK))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self.active = True

    def forward(self, states: Tensor) -> Tensor:
        """Return the projection of hidden states, (..., in) to (..., out)."""
        projected: Tensor = self.projection(states)
        if not self.active:
            return projected
        return projected + states @ self.down.to(states.dtype).T @ self.up.to(states.dtype).T * (ALPHA / RANK)


def adapt(model: PreTrainedModel, seed: int, begin: Path | None = None) -> dict[str, Adapted]:
    """Put matrices beside the model's projections, and return them by llama.cpp's names.

    They are those of the adapter `begin` where there is one, and else change nothing yet.

    Raises:
        ConfigurationError: `begin` cannot be read, or is no adapter of this layout.
    """
    torch.manual_seed(seed)
    adapted = {}
    for number, layer in enumerate(model.model.layers):
        for name, theirs in PROJECTIONS.items() if number >= FIRST_LAYER else ():
            one = Adapted(getattr(layer.self_attn, name))
            setattr(layer.self_attn, name, one)
            adapted[f"blk.{number}.{theirs}.weight"] = one
    if begin is not None:
        _restore(adapted, begin)
    return adapted


def _restore(adapted: Mapping[str, Adapted], file: Path) -> None:
    import gguf  # noqa: PLC0415 - only needed here

    try:
        held = {tensor.name: torch.tensor(tensor.data) for tensor in gguf.GGUFReader(file).tensors}
        with torch.no_grad():
            for name, one in adapted.items():
                one.down.copy_(held.pop(f"{name}.lora_a"))
                one.up.copy_(held.pop(f"{name}.lora_b"))
        if held:
            raise ValueError(f"nothing is of the name {min(held)}")
    except (OSError, ValueError, LookupError, RuntimeError) as error:
        raise ConfigurationError(
            f"{file} is no adapter to go on from ({type(error).__name__}: {error}): give one that train-adapter wrote"
        ) from error


def log_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    adapted: Mapping[str, Adapted],
    passages: str,
    checks: Sequence[Check],
) -> Tensor:
    """Return the log-probability of each token as the first of the reply to each check, (checks, tokens).

    The passages are read once, and then each question and draft, by the model as it is. The checks follow as one
    sequence in which each sees the passages, its own question and draft, and itself alone, so that nothing is padded.
    """
    begin = opening(tokenizer, passages)
    told, asked = [], []
    for check in checks:
        conversation = written(tokenizer, check_messages(check.question, (), passages, check.draft))
        before, invocation, rest = conversation.rpartition(INVOCATION)
        told.append(tokens(tokenizer, before[len(begin) :]))
        asked.append(tokens(tokenizer, invocation + rest))
    with _inactive(adapted), torch.no_grad():
        read = tokens(tokenizer, begin)
        cache = model.model(torch.tensor([read]), use_cache=True).cache
        whose = torch.full((len(read),), -1)
        _, whose = _side_by_side(model, cache, whose, told)
    states, _ = _side_by_side(model, cache, whose, asked)
    last = torch.tensor([len(ids) for ids in asked]).cumsum(0) - 1
    return torch.log_softmax(model.lm_head(states[last]).float(), -1)


def _side_by_side(
    model: PreTrainedModel, cache: Cache, whose: Tensor, sequences: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """Read sequences, each of which goes on from its own part of what was read; return the states, and whose all is.

    `whose` tells the sequence that each token so far belongs to, and -1 for those that all go on from.
    """
    own = torch.tensor([number for number, ids in enumerate(sequences) for _ in ids])
    seen = torch.cat([(whose == -1) | (whose == own[:, None]), (own == own[:, None]).tril()], 1)
    mask = torch.zeros(1, 1, *seen.shape, dtype=model.dtype).masked_fill_(~seen, torch.finfo(model.dtype).min)
    output = model.model(
        torch.tensor([[token for ids in sequences for token in ids]]),
        attention_mask=mask,
        position_ids=(seen.sum(-1) - 1)[None],
        cache=cache,
        use_cache=True,
    )
    return output.last_hidden_state[0], torch.cat([whose, own])


@contextmanager
def _inactive(adapted: Mapping[str, Adapted]) -> Iterator[None]:
    for one in adapted.values():
        one.active = False
    try:
        yield
    finally:
        for one in adapted.values():
            one.active = True


def _spellings(tokenizer: PreTrainedTokenizerBase, word: str) -> list[int]:
    """Return the tokens that are read as the word."""
    spellings = (word, word.capitalize(), f" {word}", f" {word.capitalize()}", word.upper())
    return [ids[0] for ids in (tokens(tokenizer, spelling) for spelling in spellings) if len(ids) == 1]


def _packed(adapted: Mapping[str, Adapted], tokenizer: PreTrainedTokenizerBase) -> bytes:
    """Return the matrices as a GGUF file, with the tokens from which on they work."""
    import gguf  # noqa: PLC0415 - only needed here

    writer = gguf.GGUFWriter(None, "qwen2")
    writer.add_type("adapter")
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(ALPHA))
    writer.add_key_value(
        gguf.Keys.Adapter.ALORA_INVOCATION_TOKENS,
        tokens(tokenizer, INVOCATION),
        gguf.GGUFValueType.ARRAY,
        sub_type=gguf.GGUFValueType.UINT32,
    )
    for name, one in adapted.items():
        writer.add_tensor(f"{name}.lora_a", one.down.detach().half().numpy())
        writer.add_tensor(f"{name}.lora_b", one.up.detach().half().numpy())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "adapter.gguf"
        writer.write_header_to_file(file)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return file.read_bytes()
