"""What the tests of training share: an article to learn from, a small language model, and what is in an adapter."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from lab.training.lora import FIRST_LAYER

NORMANS = (
    "The Normans came from Denmark in the 10th century. Their leader Rollo swore fealty to King Charles of Francia. "
    "They married among the people of Rouen."
)
FAR = "The mill at Bayeux burned in 1204 and was never built again."


def entry(title: str) -> dict[str, Any]:
    """Return an article with a question that its first paragraph answers, one that it does not, and one far from it."""
    asked = [
        {"id": f"{title} 1", "question": "Who was the leader?", "answers": [{"text": "Rollo", "answer_start": 0}]},
        {"id": f"{title} 2", "question": "Who was the queen?", "answers": [], "is_impossible": True},
    ]
    last = [{"id": f"{title} 3", "question": "When did the mill burn?", "answers": [{"text": "1204"}]}]
    contexts = [(NORMANS, asked), ("Nothing else is known of them.", []), (FAR, last)]
    return {"title": title, "paragraphs": [{"context": context, "qas": qas} for context, qas in contexts]}


def small_model(layers: int) -> Qwen2ForCausalLM:
    """Return a small language model with the packaged one's vocabulary and so many layers, at random."""
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=151936,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=layers,
            num_attention_heads=2,
            num_key_value_heads=1,
            initializer_range=0.3,  # So large that attention alone can change the reply.
        )
    )
    model.requires_grad_(False)  # noqa: FBT003 - torch's own name for it differs by release
    return model


def words_of(file: Path, projections: Mapping[str, str], layers: int) -> object:
    """Return the tokens from which on an adapter works, and hold it to have the matrices of so many layers."""
    reader = gguf.GGUFReader(file)
    numbers = range(FIRST_LAYER, FIRST_LAYER + layers)
    blocks = [f"blk.{number}.{name}.weight" for number in numbers for name in projections.values()]
    assert {tensor.name for tensor in reader.tensors} == {f"{block}.lora_{half}" for block in blocks for half in "ab"}
    return reader.fields[gguf.Keys.Adapter.ALORA_INVOCATION_TOKENS].contents()
