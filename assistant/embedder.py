"""The packaged sentence-transformers model behind LangChain's `Embeddings`.

Knows nothing of articles. Vectors have 384 dimensions and length 1, so a dot product is the cosine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.embeddings import Embeddings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MAX_TOKENS = 256
"""What the model was trained to read; text beyond it is cut off."""


class SentenceEmbedder(Embeddings):
    """Embeds texts with a local sentence-transformers model."""

    def __init__(self, model: SentenceTransformer, name: str) -> None:
        """Take a loaded model and the name that goes into the index's fingerprint."""
        self._model = model
        self.name = name

    @classmethod
    def from_folder(cls, folder: Path, name: str) -> SentenceEmbedder:
        """Load the model from a folder; nothing is downloaded."""
        # They take seconds to import; the page starts first.
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

        # Loading takes a moment; its bar would stand between the question and the answer.
        disable_progress_bar()  # type: ignore[no-untyped-call]
        model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        model.max_seq_length = MAX_TOKENS
        return cls(model, name)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector a text, in the order of the texts."""
        vectors = self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        rows: list[list[float]] = vectors.tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return self.embed_documents([text])[0]
