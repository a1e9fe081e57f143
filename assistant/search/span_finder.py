"""Point to the words of a sentence that answer a question: a small model, and how sure it is.

The packaged embedding model, trained to tell the first and the last token of an answer, or the very first token of its
input where the text has none (Devlin et al., BERT, NAACL 2019, §4.3). Its word embeddings are the package's own, so
they are not in the file of its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assistant.threads import Once, compute_on_one_thread
from assistant.types import Sentence

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FILE = Path(__file__).with_name("span_finder.safetensors")
SHA256 = "fb66ac2739f2c4cd2960fdf50685ba66fd78621a53288a84376c8eeb9207d12b"

_SHARED = "embeddings.word_embeddings.weight"
_MAX_TOKENS = 384
"""Of question and sentence together; what is beyond is not read."""
_MAX_ANSWER_TOKENS = 30


@dataclass(frozen=True, slots=True)
class Span:
    """Words that may answer; the offsets are characters of the article, `end` exclusive."""

    start: int
    end: int
    score: float
    """Log-odds of these words being the answer against the sentence having none."""


class SpanFinder:
    """Finds the likeliest answer in a sentence. The model is loaded when it is first needed."""

    def __init__(self, load: Callable[[], tuple[PreTrainedModel, PreTrainedTokenizerBase]]) -> None:
        """Take what loads a model that points to two tokens, and its tokenizer."""
        self._loaded = Once(load)

    @classmethod
    def from_folder(cls, embedder: Path) -> SpanFinder:
        """Take the folder of the embedding model; nothing is downloaded."""
        return cls(partial(_load, embedder))

    def load(self) -> None:
        """Load the model now."""
        self._loaded.get()

    def find(self, question: str, sentence: Sentence) -> Span | None:
        """Return the words of the sentence that answer best; None where the question leaves no room for it."""
        import torch  # noqa: PLC0415 - slow to import; the page starts first

        model, tokenizer = self._loaded.get()
        read = tokenizer(
            question,
            sentence.text,
            truncation="longest_first",
            max_length=_MAX_TOKENS,
            return_offsets_mapping=True,
            return_tensors="pt",
        )
        offsets = read.pop("offset_mapping")[0].numpy()
        inside = np.flatnonzero((read["token_type_ids"][0].numpy() == 1) & (offsets[:, 1] > 0))
        if not len(inside):
            return None
        with torch.inference_mode():
            told = model(**read)
        first, last = told.start_logits[0].numpy(), told.end_logits[0].numpy()
        pairs = first[inside][:, None] + last[inside][None, :]
        # The last token is not before the first, nor far behind it.
        pairs[~np.triu(np.tri(len(inside), k=_MAX_ANSWER_TOKENS - 1, dtype=bool))] = -np.inf
        begin, end = np.unravel_index(pairs.argmax(), pairs.shape)
        return Span(
            sentence.start + int(offsets[inside[begin], 0]),
            sentence.start + int(offsets[inside[end], 1]),
            float(pairs[begin, end] - first[0] - last[0]),
        )


def _load(embedder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    # They take seconds to import; the page starts first.
    from safetensors.torch import load_file  # noqa: PLC0415
    from transformers import AutoConfig, AutoModelForQuestionAnswering, AutoTokenizer  # noqa: PLC0415

    compute_on_one_thread()
    model: PreTrainedModel = AutoModelForQuestionAnswering.from_config(  # type: ignore[no-untyped-call]
        AutoConfig.from_pretrained(embedder, local_files_only=True)
    )
    trained = {name: value.float() for name, value in load_file(FILE).items()}
    shared = load_file(embedder / "model.safetensors")[_SHARED]
    model.load_state_dict({**trained, f"bert.{_SHARED}": shared})
    return model.train(mode=False), AutoTokenizer.from_pretrained(embedder, local_files_only=True)
