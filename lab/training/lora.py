"""Small matrices beside projections of the packaged language model (LoRA, Hu et al., ICLR 2022): made, taught, written.

The engine brings them in from certain words of a prompt on (activated LoRA, Greenewald et al., 2025). Up to there the
model is as it is, so what it has read need not be read again; `states` reads in the same way.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from langchain_core.messages import BaseMessage
from torch import Tensor, nn

from assistant.errors import ConfigurationError
from assistant.files import Progress, replacing, sha256
from lab.training.drafting import tokens, written

if TYPE_CHECKING:
    from transformers import Cache, PreTrainedModel, PreTrainedTokenizerBase

ATTENTION = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
}
"""The projections of a layer's attention, and llama.cpp's names for them."""
FIRST_LAYER = 8
"""The layers below are left as they are: a fifth of the time and of the file for no loss that was seen."""
SCALE = 2
"""What the matrices add is multiplied by this; llama.cpp calls this number times the rank `alpha`."""
RATE = 3e-4
"""The highest learning rate; it rises over the first twentieth of the steps and falls to nothing over the others."""

Split = tuple[Sequence[int], Sequence[int]]
"""The tokens of a conversation behind its opening: those that the model reads as it is, and those with the matrices."""
_T = TypeVar("_T")


class Adapted(nn.Module):
    """A projection of the model with two small matrices beside it, which can be switched off."""

    def __init__(self, projection: nn.Linear, rank: int) -> None:
        """Begin where nothing is changed: one matrix at random, the other of zeros."""
        super().__init__()
        self.projection = projection
        self.down = nn.Parameter(torch.empty(rank, projection.in_features))
        self.up = nn.Parameter(torch.zeros(projection.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self.active = True

    def forward(self, states: Tensor) -> Tensor:
        """Return the projection of hidden states, (..., in) to (..., out)."""
        projected: Tensor = self.projection(states)
        if not self.active:
            return projected
        return projected + states @ self.down.to(states.dtype).T @ self.up.to(states.dtype).T * SCALE


def loaded(file: Path, precision: torch.dtype) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the language model, its weights unpacked in this precision and frozen, and its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        local_files_only=True,
        dtype=precision,
        quantization_config=GgufConfig(dequantize=True),
        attn_implementation="sdpa",
    )
    model.requires_grad_(False)  # noqa: FBT003 - torch's own name for it differs by release
    return model.train(mode=False), tokenizer


def adapt(
    model: PreTrainedModel, projections: Mapping[str, str], rank: int, seed: int, begin: Path | None = None
) -> dict[str, Adapted]:
    """Put matrices beside these projections of the model, and return them by llama.cpp's names.

    They are those of the adapter `begin` where there is one, and else change nothing yet.

    Raises:
        ConfigurationError: `begin` cannot be read, or is no adapter of this layout.
    """
    torch.manual_seed(seed)
    adapted = {}
    for number, layer in enumerate(model.model.layers):
        for name, theirs in projections.items() if number >= FIRST_LAYER else ():
            one = Adapted(layer.get_submodule(name), rank)
            layer.set_submodule(name, one)
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
            f"{file} is no adapter to go on from ({type(error).__name__}: {error}): give one that this command wrote"
        ) from error


@contextmanager
def inactive(adapted: Mapping[str, Adapted]) -> Iterator[None]:
    """Switch the matrices off within the block."""
    for one in adapted.values():
        one.active = False
    try:
        yield
    finally:
        for one in adapted.values():
            one.active = True


def split_at(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[BaseMessage], opening: str, invocation: str
) -> Split:
    """Return the tokens of a conversation behind its opening, those before the last `invocation` and those from it."""
    before, _, rest = written(tokenizer, messages).rpartition(invocation)
    return tokens(tokenizer, before[len(opening) :]), tokens(tokenizer, invocation + rest)


def states(
    model: PreTrainedModel, adapted: Mapping[str, Adapted], opening: Sequence[int], conversations: Sequence[Split]
) -> Tensor:
    """Return the model's states of what is read with the matrices, of all conversations in a row, (tokens, width).

    The opening that they share is read once, and then what each has of its own, by the model as it is. They follow one
    another as one sequence, in which each sees the opening and itself alone, so that nothing is padded.
    """
    with inactive(adapted), torch.no_grad():
        cache = model.model(torch.tensor([opening]), use_cache=True).cache
        whose = torch.full((len(opening),), -1)
        if any(plain for plain, _ in conversations):
            _, whose = _side_by_side(model, cache, whose, [plain for plain, _ in conversations])
    return _side_by_side(model, cache, whose, [own for _, own in conversations])[0]


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


def learn(
    adapted: Mapping[str, Adapted], lessons: Sequence[_T], loss: Callable[[_T], Tensor], progress: Progress
) -> None:
    """Let the matrices learn from one lesson a step; `loss` tells a lesson's, a number."""
    from transformers import get_cosine_schedule_with_warmup  # noqa: PLC0415 - slow to import

    matrices = [matrix for one in adapted.values() for matrix in (one.down, one.up)]
    optimizer = torch.optim.AdamW(matrices, lr=RATE, weight_decay=0.0)
    schedule = get_cosine_schedule_with_warmup(optimizer, len(lessons) // 20, len(lessons))
    for done, lesson in enumerate(lessons, start=1):
        optimizer.zero_grad()
        loss(lesson).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(matrices, 1.0)
        optimizer.step()
        schedule.step()
        progress("Training", done, len(lessons))


def packed(adapted: Mapping[str, Adapted], invocation: Sequence[int]) -> bytes:
    """Return the matrices as a GGUF file, with the tokens from which on they work."""
    import gguf  # noqa: PLC0415 - only needed here

    (rank,) = {one.down.shape[0] for one in adapted.values()}
    writer = gguf.GGUFWriter(None, "qwen2")
    writer.add_type("adapter")
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(SCALE * rank))
    writer.add_key_value(
        gguf.Keys.Adapter.ALORA_INVOCATION_TOKENS,
        list(invocation),
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


def save(out: Path, trained: Callable[[], bytes]) -> str:
    """Write what comes of a training, whole or not at all, and return its SHA-256.

    Raises:
        ConfigurationError: it has no place; nothing was trained then.
    """
    with replacing(out) as partial:
        try:
            partial.touch()  # A long training is not to end where there is nowhere to write.
        except OSError as error:
            raise ConfigurationError(f"{out} cannot be written ({error.strerror}): choose another file") from error
        content = trained()
        partial.write_bytes(content)
    return sha256(content)
