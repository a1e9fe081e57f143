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

from langchain.chat_models import init_chat_model
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough

from assistant.benchmarks.processes import free_port, start, stop, wait_until_answers
from assistant.errors import ConfigurationError
from assistant.settings import PROJECT
from assistant.types import Article

PROMPT = """You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer \
the question. If you don't know the answer, just say that you don't know. Use three sentences maximum and keep the \
answer concise.
Question: {question}
Context: {context}
Answer:"""
"""As LangChain's own tutorial has it."""

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


@contextmanager
def opened(articles: Sequence[Article], embedder: Embeddings, data: Path, threads: int) -> Iterator[Tutorial]:
    """Index the articles, start the model server, and yield the chain.

    Raises:
        ConfigurationError: what only this needs is not installed.
        AssistantError: the model server did not start.
    """
    try:
        from langchain_chroma import Chroma  # noqa: PLC0415 - a package that only this needs
        from langchain_text_splitters import RecursiveCharacterTextSplitter  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError('The benchmark needs more packages: run pip install -e ".[benchmark]"') from error
    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
    documents = splitter.split_documents([Document(article.text) for article in articles])
    retriever = Chroma.from_documents(documents, embedder).as_retriever(search_kwargs={"k": 4})
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        server = start(
            [sys.executable, str(PROJECT / "deploy" / "model_server.py"), f"--port={port}", f"--threads={threads}"],
            f"http://127.0.0.1:{port}",
            Path(folder) / "log",
            {"ASSISTANT_DATA": str(data)},
        )
        try:
            wait_until_answers(server, "/health")
            model = init_chat_model(
                "openai:local", base_url=f"{server.address}/v1", api_key="none", temperature=0, timeout=300
            )
            filled_in = {"context": retriever | RunnableLambda(_joined), "question": RunnablePassthrough()}
            yield Tutorial(filled_in | ChatPromptTemplate.from_template(PROMPT) | model | StrOutputParser())
        finally:
            stop(server)


def _joined(documents: Sequence[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)
