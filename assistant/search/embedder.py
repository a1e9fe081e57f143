"""The packaged sentence-transformers model behind LangChain's `Embeddings`; it has vectors of single tokens too.

It is loaded when it is first needed, since that takes seconds. Vectors have 384 dimensions and length 1, so a dot
product is the cosine.
"""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from langchain_core.embeddings import Embeddings

from assistant.threads import Once, compute_on_one_thread

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerBase

MAX_TOKENS = 256
"""What the model was trained to read; text beyond it is cut off."""
_AT_ONCE = 32
"""So many texts at most are read at once."""
_ALIKE, _ALIKE_CHARACTERS = 1.25, 20
"""Texts are read at once where the longest has at most so many times the characters of the shortest, and these more."""

Vector = np.ndarray[tuple[int], np.dtype[np.float32]]
Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """What the tokens of a text mean where they stand; those beyond `MAX_TOKENS` are missing."""

    spans: tuple[tuple[int, int], ...]
    """Where each starts and ends, in characters of the text."""
    vectors: np.ndarray
    """One row a token, of length 1."""

    def within(self, start: int, end: int) -> list[int]:
        """Return the numbers of the tokens between two places of the text."""
        return [number for number, span in enumerate(self.spans) if start <= span[0] and span[1] <= end]


class SentenceEmbedder(Embeddings):
    """Embeds texts with a local sentence-transformers model."""

    def __init__(self, load: Callable[[], SentenceTransformer], name: str) -> None:
        """Take what loads the model, and the name that goes into the index's fingerprint."""
        self._loaded = Once(lambda: _with_tokenizer(load()))
        self.name = name

    @classmethod
    def from_folder(cls, folder: Path, name: str) -> SentenceEmbedder:
        """Take the model of a folder; nothing is downloaded."""
        return cls(partial(_load, folder), name)

    def load(self) -> None:
        """Load the model now; other threads that embed meanwhile wait until it is there."""
        self._loaded.get()

    @property
    def is_loaded(self) -> bool:
        """Whether a text can be embedded without loading the model first."""
        return self._loaded.is_there

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector a text, in the order of the texts."""
        vectors = self.vectors(texts)
        return [vectors[text].tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return self.embed_query_and_tokens(text)[0].tolist()

    def embed_query_and_tokens(self, text: str) -> tuple[Vector, TokenVectors]:
        """Return the vector of a question, and those of its tokens, from reading it once."""
        return self._read([text])[0]

    def vectors(self, texts: Iterable[str]) -> dict[str, Vector]:
        """Return the vector of each text."""
        return {text: vector for text, (vector, _) in self.read(texts).items()}

    def read(self, texts: Iterable[str]) -> dict[str, tuple[Vector, TokenVectors]]:
        """Return the vector of each text, and those of its tokens."""
        batches = _batches(texts)
        # Several batches on a thread each are read faster than one after the other on all threads.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = [*pool.map(self._read, batches)]
        return {
            text: vectors
            for batch, of_batch in zip(batches, found, strict=True)
            for text, vectors in zip(batch, of_batch, strict=True)
        }

    def _read(self, texts: Sequence[str]) -> list[tuple[Vector, TokenVectors]]:
        """Read all texts at once. A question takes 19 ms so; what `encode` does besides would add 4."""
        import torch  # noqa: PLC0415 - slow to import; the page starts first

        model, tokenizer = self._loaded.get()
        # In the same way for one text and for several: another thread must not find that it pads otherwise.
        read = tokenizer(
            list(texts),
            truncation=True,
            max_length=MAX_TOKENS,
            padding=True,
            return_offsets_mapping=True,
            return_tensors="pt",
        )
        lengths = read["attention_mask"].sum(dim=1).tolist()
        spans = [of_text[:length] for of_text, length in zip(read.pop("offset_mapping").tolist(), lengths, strict=True)]
        # Rounded in its products alone, a vector's cosine to the one that is not is above 0.9999, in half the time.
        is_quick = len(texts) > 1 and "avx512_bf16" in _features()
        rounded = torch.autocast("cpu", torch.bfloat16, enabled=is_quick)
        with torch.inference_mode(), rounded:
            outputs = model(dict(read))
        return [
            (vector, _token_vectors(tokens, of_text))
            for vector, tokens, of_text in zip(
                outputs["sentence_embedding"].float().numpy(),
                outputs["token_embeddings"].float().numpy(),
                spans,
                strict=True,
            )
        ]


def _batches(texts: Iterable[str]) -> list[list[str]]:
    """Return different texts, those of like length together, or the short ones would be filled up to the longest.

    The longest come first, so that no thread is left with them when the others are done.
    """
    ordered = sorted(set(texts), key=lambda text: (len(text), text))
    batches = []
    while ordered:
        longest = _ALIKE * len(ordered[0]) + _ALIKE_CHARACTERS
        batches.append([text for text in ordered[:_AT_ONCE] if len(text) <= longest])
        ordered = ordered[len(batches[-1]) :]
    return batches[::-1]


@functools.cache
def _features() -> frozenset[str]:
    """Return what the processor can do; nothing where torch does not say."""
    import torch  # noqa: PLC0415

    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return frozenset(name for name, is_there in found.items() if is_there)


def _load(folder: Path) -> SentenceTransformer:
    # They take seconds to import; the page starts first.
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415
    from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

    # Loading takes a moment; its bar would stand between the question and the answer.
    disable_progress_bar()  # type: ignore[no-untyped-call]
    compute_on_one_thread()
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    model.max_seq_length = MAX_TOKENS
    return model


def _with_tokenizer(model: SentenceTransformer) -> tuple[SentenceTransformer, PreTrainedTokenizerBase]:
    """Return the model and a tokenizer beside its own.

    Its own keeps how it pads from one call to the next: asked by two threads in two ways, it would mix them up.
    """
    return model.train(mode=False), copy.deepcopy(model.tokenizer)


def _token_vectors(vectors: np.ndarray, spans: Sequence[tuple[int, int]]) -> TokenVectors:
    """Leave out what marks the text's start and end, and what fills it up to the length of others."""
    own = vectors[1 : len(spans) - 1]
    lengths = np.linalg.norm(own, axis=1, keepdims=True)
    return TokenVectors(tuple((start, end) for start, end in spans[1:-1]), own / lengths)
