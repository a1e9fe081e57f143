"""The RAG that tutorials build, to compare with: split, embed, store in Chroma, take the best four, fill in one prompt.

Nothing of the assistant is used but its embedding model; the language model is the same file behind a plain server.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import chromadb
from langchain.chat_models import init_chat_model
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough

from assistant.model.holder import os_processors
from assistant.settings import PROJECT, Settings
from assistant.types import Article
from lab.processes import free_port, start, stop, wait_until_answers

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from langchain_chroma import Chroma
    from langchain_core.vectorstores import VectorStoreRetriever

PROMPT = """You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer \
the question. If you don't know the answer, just say that you don't know. Use three sentences maximum and keep the \
answer concise.
Question: {question}
Context: {context}
Answer:"""
"""As LangChain's own tutorial has it."""

COLLECTION = "tutorial"

_DECLINES = re.compile(
    r"\b(?:don.t|do not|cannot|can.t|not able to|unable to)\s+(?:know|answer|determine|find|provide)"
    r"|\b(?:not|no|n.t)\b[^.]{0,40}\b(?:mention|provide|state|specif|contain|information|say|discuss|include)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What it answered."""

    text: str
    first_ms: float
    """Until the first word."""
    total_ms: float

    @property
    def declines(self) -> bool:
        """Whether it says in some words that it does not know."""
        return _DECLINES.search(self.text) is not None


class Tutorial:
    """The chain, ready to be asked."""

    def __init__(self, chain: Runnable[str, str]) -> None:
        """Take the chain; `opened` builds it."""
        self._chain = chain

    def ask(self, question: str) -> Reply:
        """Return the whole answer, and when its first word came."""
        started = time.perf_counter()
        first: float | None = None
        text = ""
        for part in self._chain.stream(question):
            text += part
            if first is None and part.strip():
                first = 1000 * (time.perf_counter() - started)
        total = 1000 * (time.perf_counter() - started)
        return Reply(text, first or total, total)


def chunks(articles: Sequence[Article]) -> list[Document]:
    """Split the articles into pieces of at most 1,000 characters, of which 200 may be those of the piece before.

    Each knows the id of its article, and where it starts there, in characters.
    """
    from langchain_text_splitters import RecursiveCharacterTextSplitter  # noqa: PLC0415 - a package that only this needs

    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200, add_start_index=True)
    return splitter.split_documents([Document(article.text, metadata={"article": article.id}) for article in articles])


def client(folder: Path) -> ClientAPI:
    """Return an embedded Chroma that keeps its collections in the folder."""
    return chromadb.PersistentClient(str(folder))


def store(documents: Sequence[Document], embedder: Embeddings, client: ClientAPI) -> Chroma:
    """Embed the documents into a collection of Chroma, with all that is the default."""
    from langchain_chroma import Chroma  # noqa: PLC0415 - a package that only this needs

    return Chroma.from_documents(list(documents), embedder, collection_name=COLLECTION, client=client)


def retriever(stored: Chroma) -> VectorStoreRetriever:
    """Return what finds the best four for a question."""
    return stored.as_retriever(search_kwargs={"k": 4})


@contextmanager
def opened(articles: Sequence[Article], embedder: Embeddings, settings: Settings, slots: int = 1) -> Iterator[Tutorial]:
    """Index the articles, start the model server, which answers so many at once, and yield the chain.

    Of the settings it takes the folder of the weights, and how many threads the embedded engine would have.

    Raises:
        AssistantError: the model server did not start.
    """
    port = free_port()
    threads = settings.threads or os_processors()
    with tempfile.TemporaryDirectory() as folder:
        found = retriever(store(chunks(articles), embedder, client(Path(folder) / "chroma")))
        script = str(PROJECT / "deploy" / "model_server.py")
        server = start(
            [sys.executable, script, f"--port={port}", f"--threads={threads}", f"--slots={slots}"],
            f"http://127.0.0.1:{port}",
            Path(folder) / "log",
            {"ASSISTANT_DATA": str(settings.data)},
        )
        try:
            wait_until_answers(server, "/health")
            model = init_chat_model(
                "openai:local", base_url=f"{server.address}/v1", api_key="none", temperature=0, timeout=300
            )
            filled_in = {"context": found | RunnableLambda(_joined), "question": RunnablePassthrough()}
            yield Tutorial(filled_in | ChatPromptTemplate.from_template(PROMPT) | model | StrOutputParser())
        finally:
            stop(server)


def _joined(documents: Sequence[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)
