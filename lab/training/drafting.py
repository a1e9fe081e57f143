"""Let the unpacked language model draft answers to many questions side by side; the engine writes one after the other.

Passages are read once for all questions about them, and a row whose draft is finished is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from langchain_core.messages import BaseMessage, convert_to_openai_messages
from torch import Tensor
from torch.nn.functional import pad

from assistant.model.prompts import draft_messages

if TYPE_CHECKING:
    from transformers import Cache, PreTrainedModel, PreTrainedTokenizerBase

MOST_TOKENS = 48
"""Of a draft: the longest one that held the facts of a development question took 47."""
TURN_END = "<|im_end|>"
_ENDS = (TURN_END, "<|endoftext|>")
_SPLIT = "?"


def written(tokenizer: PreTrainedTokenizerBase, messages: Sequence[BaseMessage]) -> str:
    """Return a conversation as the engine writes it, up to where the model is to reply."""
    turns = convert_to_openai_messages(messages)
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def opening(tokenizer: PreTrainedTokenizerBase, passages: str) -> str:
    """Return what every conversation about the passages begins with."""
    return written(tokenizer, draft_messages(_SPLIT, (), passages)).rpartition(_SPLIT)[0]


def tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the tokens of a part of a conversation."""
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


@torch.no_grad()
def drafts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: Sequence[tuple[str, Sequence[str]]]
) -> list[list[str]]:
    """Return the draft of each question, for each of several passages with questions about them; at temperature 0."""
    some = [(passages, questions) for passages, questions in asked if questions]
    if not some:
        return [[] for _ in asked]
    begun = [opening(tokenizer, passages) for passages, _ in some]
    read = [tokens(tokenizer, begin) for begin in begun]
    rows = [
        (number, tokens(tokenizer, written(tokenizer, draft_messages(question, (), passages))[len(begun[number]) :]))
        for number, (passages, questions) in enumerate(some)
        for question in questions
    ]
    before = torch.tensor([len(read[number]) for number, _ in rows])
    own = torch.tensor([len(ids) for _, ids in rows])
    widest, longest = int(before.max()), int(own.max())
    cache = _openings(model, read, [number for number, _ in rows])
    mask = torch.cat([_from_the_right(before, widest), _from_the_right(own, longest)], 1)
    ids = torch.stack([pad(torch.tensor(row), (longest - len(row), 0)) for _, row in rows])
    positions = (before[:, None] + torch.arange(longest) - (longest - own[:, None])).clamp(min=0)
    ends = torch.tensor(tokenizer.convert_tokens_to_ids(list(_ENDS)))
    going = torch.arange(len(rows))
    told: list[list[int]] = [[] for _ in rows]
    for _ in range(MOST_TOKENS):
        states = model.model(
            ids, attention_mask=mask, position_ids=positions, cache=cache, use_cache=True
        ).last_hidden_state[:, -1]
        likeliest = model.lm_head(states).argmax(-1)
        on = ~torch.isin(likeliest, ends)
        if not on.any():
            break
        going, ids, positions = going[on], likeliest[on, None], positions[on, -1:] + 1
        mask = pad(mask[on], (0, 1), value=1)
        if not on.all():
            cache.batch_select_indices(on.nonzero()[:, 0])
        for row, token in zip(going.tolist(), ids[:, 0].tolist(), strict=True):
            told[row].append(token)
    texts = iter(tokenizer.batch_decode(told))
    return [[next(texts).strip() for _ in questions] for _, questions in asked]


def _openings(model: PreTrainedModel, read: Sequence[Sequence[int]], rows: Sequence[int]) -> Cache:
    """Return what the model holds of each row's opening, the shorter ones padded on the left; it reads each once."""
    from transformers import DynamicCache  # noqa: PLC0415 - slow to import

    caches = [model.model(torch.tensor([ids]), use_cache=True).cache for ids in read]
    widest = max(len(ids) for ids in read)
    together = DynamicCache()
    for layer in range(len(caches[0].layers)):
        keys, values = (
            [
                pad(getattr(cache.layers[layer], part), (0, 0, widest - len(ids), 0))
                for cache, ids in zip(caches, read, strict=True)
            ]
            for part in ("keys", "values")
        )
        together.update(torch.cat([keys[row] for row in rows]), torch.cat([values[row] for row in rows]), layer)
    return together


def _from_the_right(lengths: Tensor, width: int) -> Tensor:
    """Return a row of ones for each length, padded on the left with zeros, (lengths, width)."""
    return (torch.arange(width) >= width - lengths[:, None]).long()
