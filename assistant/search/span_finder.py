"""The span finder, a small extractive model: how likely a passage answers a question, and in which of its words.

The packaged embedding model, trained on by `python -m lab train-span-finder` to point to the first and the last token
of the answer, or to the very first token of its input where the passage has none (Devlin et al., BERT, NAACL 2019,
§4.3). The word embeddings are the package's own, untouched. Knows nothing of search or of what is done with a reading.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assistant.threads import Once, give_way, threads_for
from assistant.types import Passage, Sentence

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHARED = "bert.embeddings.word_embeddings.weight"
"""What is not trained, and so not in that file."""
MAX_TOKENS = 384
"""Of question and passage together; what is beyond is not read. A passage has at most 256."""
MAX_ANSWER_TOKENS = 30

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Span:
    """Words of one sentence that may be the answer; the offsets are characters of the article, `end` exclusive."""

    start: int
    end: int
    score: float
    """Log-odds of these words being the answer against the passage having none."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the span finder makes of one passage for one question."""

    passage: Passage
    spans: Mapping[Sentence, Span]
    """The likeliest words of each sentence that was read."""

    @property
    def score(self) -> float:
        """Log-odds of the likeliest words of all; those of no answer at all where nothing could be read."""
        return max((span.score for span in self.spans.values()), default=-math.inf)


Readings = tuple[tuple[Reading, ...], ...]
"""What the span finder makes of the best passages, for each part of a question."""


def load(weights: Path, embedder: Path) -> PreTrainedModel:
    """Return the model of trained weights over the folder of the embedding model; nothing is downloaded."""
    # They take seconds to import; the page starts first.
    from safetensors.torch import load_file  # noqa: PLC0415
    from transformers import AutoConfig, AutoModelForQuestionAnswering  # noqa: PLC0415

    config = AutoConfig.from_pretrained(embedder, local_files_only=True)
    model: PreTrainedModel = AutoModelForQuestionAnswering.from_config(config)  # type: ignore[no-untyped-call]
    trained = {name: value.float() for name, value in load_file(weights).items()}
    shared = load_file(embedder / "model.safetensors")[SHARED.removeprefix("bert.")]
    model.load_state_dict({**trained, SHARED: shared})
    return model


class SpanFinder:
    """Reads passages for a question."""

    def __init__(self, load: Callable[[], tuple[PreTrainedModel, PreTrainedTokenizerBase]]) -> None:
        """Take what loads a model that points to two tokens, and its tokenizer."""
        self._loaded = Once(load)
        # A reading takes several times as long as the search for passages, which whoever asks meanwhile waits for.
        self._giving_way = ThreadPoolExecutor(1, "reading", initializer=give_way)

    @classmethod
    def from_files(cls, weights: Path, embedder: Path) -> SpanFinder:
        """Take trained weights over the folder of the embedding model; nothing is downloaded."""
        return cls(partial(_load_with_tokenizer, weights, embedder))

    def load(self) -> None:
        """Load the model now; whoever lets it read meanwhile waits until it is there."""
        self._loaded.get()

    def read(self, question: str, passages: Sequence[Passage]) -> list[Reading]:
        """Return what the span finder makes of each passage, in their order; one question after the other."""
        return self._giving_way.submit(self._read, question, passages).result() if passages else []

    def _read(self, question: str, passages: Sequence[Passage]) -> list[Reading]:
        import torch  # noqa: PLC0415

        model, tokenizer = self._loaded.get()
        read = tokenizer(
            [question] * len(passages),
            [passage.text for passage in passages],
            truncation="longest_first",
            max_length=MAX_TOKENS,
            return_offsets_mapping=True,
        )
        tokens, types = read["input_ids"], read["token_type_ids"]
        ends = list(accumulate(map(len, tokens), initial=0))

        def in_one_row(values: Iterable[Iterable[int]]) -> torch.Tensor:
            return torch.tensor([list(chain.from_iterable(values))])

        with threads_for(len(passages)), torch.inference_mode():
            logits = model(
                input_ids=in_one_row(tokens),
                token_type_ids=in_one_row(types),
                position_ids=in_one_row(range(len(text)) for text in tokens),
                cu_seq_lens_q=ends,
            )
        scores = np.concatenate([logits.start_logits.numpy(), logits.end_logits.numpy()])
        of_each = zip(passages, np.split(scores, ends[1:-1], axis=1), read["offset_mapping"], types, strict=True)
        return [
            Reading(passage, dict(_spans(passage, of_tokens, np.array(offsets), np.array(of_passage, dtype=bool))))
            for passage, of_tokens, offsets, of_passage in of_each
        ]


def _load_with_tokenizer(weights: Path, embedder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from transformers import AttentionInterface, AutoTokenizer  # noqa: PLC0415 - slow to import; the page starts first

    model = load(weights, embedder).train(mode=False)
    AttentionInterface.register(_within_texts.__name__, _within_texts)
    model.set_attn_implementation(_within_texts.__name__)
    return model, AutoTokenizer.from_pretrained(embedder, local_files_only=True)


def _within_texts(  # noqa: PLR0913 - as transformers calls it
    module: torch.nn.Module,  # noqa: ARG001
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001
    *,
    scaling: float,
    cu_seq_lens_q: Sequence[int],
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Return the attention of texts in one row, (1, heads, tokens, size), each to itself; they end where is said.

    Filled up to the longest one and side by side, a quarter of all tokens would be computed for nothing.
    """
    from torch import cat, nn  # noqa: PLC0415 - slow to import; the page starts first

    def of_text(begin: int, end: int) -> torch.Tensor:
        of = (slice(None), slice(None), slice(begin, end))
        return nn.functional.scaled_dot_product_attention(query[of], key[of], value[of], scale=scaling)

    return cat([of_text(*text) for text in pairwise(cu_seq_lens_q)], dim=2).transpose(1, 2), None


def _spans(
    passage: Passage, scores: Floats, offsets: NDArray[np.int64], of_passage: NDArray[np.bool_]
) -> Iterator[tuple[Sentence, Span]]:
    """Yield the likeliest span of each sentence, given the scores of each token as first and last, (2, tokens)."""
    none = scores[:, 0].sum()
    for sentence in passage.sentences:
        first, last = sentence.start - passage.start, sentence.end - passage.start
        inside = np.flatnonzero(of_passage & (offsets[:, 0] >= first) & (offsets[:, 1] <= last) & (offsets[:, 1] > 0))
        if len(inside):
            pairs = scores[0, inside][:, None] + scores[1, inside][None, :]
            # The last token is not before the first, nor far behind it.
            pairs[
                ~np.tri(len(inside), k=MAX_ANSWER_TOKENS - 1, dtype=bool) | np.tri(len(inside), k=-1, dtype=bool)
            ] = -np.inf
            begin, end = np.unravel_index(pairs.argmax(), pairs.shape)
            yield (
                sentence,
                Span(
                    passage.start + int(offsets[inside[begin], 0]),
                    passage.start + int(offsets[inside[end], 1]),
                    float(pairs[begin, end] - none),
                ),
            )
