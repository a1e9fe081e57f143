"""The embedded language model's process: a child that dies with its parent and can die without it.

`Engine` is the parent's handle of what `child` does: both send lines of JSON, and one request is answered at a
time. `EngineChat` is LangChain's face of it. Neither knows what is asked.

Why what was read is kept: reading a prompt is most of the time on a processor, so the state after reading an article is
kept in a file. To share the passages of a prompt with it takes no time; only the question is read.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel, agenerate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import ConfigDict

from assistant.errors import Fault, ModelError
from assistant.model.engine.grammar import grammar_of
from assistant.settings import PROJECT

ENGINE_PACKAGE = "ik-llama-cpp-python"
"""What one version of it has kept in a file, another may not understand."""
CONTEXT_TOKENS = 4096
MAX_STRUCTURED_TOKENS = 400
"""Three sentences with their numbers, and what comes nearest."""
SPINS = "2000"
"""How often a thread looks again before it sleeps until the others are done: for about a tenth of a millisecond.

Without, an answer takes a twelfth longer on an idle machine, and up to a quarter less beside a busy program; without
end, ten times as long as soon as anything else runs.
"""
Reply = dict[str, Any]
"""A line from the child: a part of the reply to a request, as `child` describes them."""


class Engine:
    """A running child process, which answers one request at a time: a new one calls off the one before."""

    start_seconds = 60.0
    hung_seconds = 10.0
    """A request that is called off ends after one batch, within a second; a child that takes so long hangs."""

    def __init__(
        self, model: Path, kept: Path, threads: int, context: int, adapters: Sequence[tuple[Path, str]] = ()
    ) -> None:
        """Start the child and wait until it has loaded the model and the adapters, each of which works from words on.

        `kept` is the folder for what it has read, and `context` how many tokens it reads at once.

        Raises:
            ModelError: it ended, or did not get ready in 60 seconds.
        """
        self._kept = kept
        kept.mkdir(parents=True, exist_ok=True)
        arguments = [model, kept, threads, context, *chain.from_iterable(adapters)]
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", "assistant.model.engine.child", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"GOMP_SPINCOUNT": SPINS},
            cwd=PROJECT,
            text=True,
            encoding="utf-8",
        )
        self._changing = threading.Lock()
        self._number = 0
        self._tell: Callable[[Reply | None], None] | None = None
        self._hung: threading.Timer | None = None
        watchdog = threading.Timer(self.start_seconds, self._process.kill)
        watchdog.start()
        try:
            is_ready = self._is_ready()
        finally:
            watchdog.cancel()
        if not is_ready:
            self.close()
            what = "The language model's engine did not start"
            raise ModelError(Fault.ENGINE, what, f"look whether there is enough memory (2 GB), and {model} is whole")
        threading.Thread(target=self._listen, name="engine", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the child still runs."""
        return self._process.poll() is None

    def keeps(self, name: str) -> bool:
        """Whether an article that was read to its end is kept under a name."""
        return (self._kept / name).exists()

    def keep_newest(self, count: int) -> None:
        """Delete what was read, but for the last so many."""
        files = sorted(self._kept.iterdir(), key=lambda file: file.stat().st_mtime)
        for file in files[:-count]:
            file.unlink(missing_ok=True)

    def keep_only(self, names: Iterable[str]) -> None:
        """Delete what was read, but for what is kept under these names, or unfinished."""
        stems = {Path(name).stem for name in names}
        for file in self._kept.iterdir():
            if file.stem not in stems:
                file.unlink(missing_ok=True)

    def ask(self, request: dict[str, Any], tell: Callable[[Reply | None], None]) -> int:
        """Send a request, and return its number; `tell` gets, in another thread, each part of its reply as it comes.

        It gets None where the child has died. The request before it, if it is not answered, is called off.
        """
        with self._changing:
            self._number += 1
            self._tell = tell
            number = self._number
        self._send(request | {"number": number})
        if not self.alive:
            tell(None)
        return number

    def call_off(self, number: int) -> None:
        """End the work at a request, unless it has ended; a child that does not even notice that is killed."""
        with self._changing:
            if number != self._number or self._tell is None:
                return
            self._tell = None
            if self._hung is None:
                self._hung = threading.Timer(self.hung_seconds, self._process.kill)
                self._hung.daemon = True
                self._hung.start()
        self._send({"number": number})

    def close(self) -> None:
        """End the child."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _is_ready(self) -> bool:
        output = self._process.stdout
        return any(line == "ready\n" for line in output or ())

    def _send(self, line: dict[str, Any]) -> None:
        # That a child has died, `_listen` finds.
        with suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.write(f"{json.dumps(line)}\n")
                self._process.stdin.flush()

    def _listen(self) -> None:
        # A closed engine's output ends too.
        with suppress(OSError, ValueError):
            for line in self._process.stdout or ():
                self._take(json.loads(line))
        # It may have closed its output and live on, of no use to anybody.
        self._process.kill()
        self._process.wait()
        with self._changing:
            tell, self._tell = self._tell, None
        if tell is not None:
            tell(None)

    def _take(self, reply: Reply) -> None:
        with self._changing:
            # Any reply shows that it does not hang.
            if self._hung is not None:
                self._hung.cancel()
                self._hung = None
            if reply["number"] != self._number:
                return
            tell = self._tell
            if "end" in reply:
                self._tell = None
        if tell is not None:
            tell(reply)


class EngineChat(BaseChatModel):
    """The engine as a chat model of LangChain; the metadata of a reply has the shape of OpenAI's protocol."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    engine: Engine

    @property
    def _llm_type(self) -> str:
        return "ik_llama.cpp"

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **options: Any,  # noqa: ANN401
    ) -> AsyncIterator[ChatGenerationChunk]:
        """Yield the reply as it grows. Options are those of a request of `child`."""
        replies: asyncio.Queue[Reply | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(reply: Reply | None) -> None:
            loop.call_soon_threadsafe(replies.put_nowait, reply)

        number = self.engine.ask(
            options | {"messages": [(_ROLES[message.type], str(message.text)) for message in messages]},
            tell,
        )
        try:
            while True:
                reply = await replies.get()
                if reply is None:
                    raise ConnectionError("the engine has died")
                if reply.get("end") == "failed":
                    raise RuntimeError(reply["error"])
                yield _chunk(reply)
                if "end" in reply:
                    return
        finally:
            self.engine.call_off(number)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        **_: Any,  # noqa: ANN401 - LangChain's
    ) -> Runnable[Any, Any]:
        """Return a model that writes what a JSON Schema allows; its raw message is returned, and nothing is parsed."""
        if not isinstance(schema, dict) or not include_raw:
            raise NotImplementedError("only a JSON Schema, and the raw message")
        bound = self.bind(grammar=grammar_of(schema), max_tokens=MAX_STRUCTURED_TOKENS)
        return bound | RunnableLambda(lambda message: {"raw": message, "parsed": None, "parsing_error": None})

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,  # noqa: ANN401
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **options))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **options: Any,  # noqa: ANN401
    ) -> ChatResult:
        return asyncio.run(self._agenerate(messages, stop, **options))


_ROLES = {"system": "system", "human": "user", "ai": "assistant"}


def _chunk(reply: Reply) -> ChatGenerationChunk:
    about: dict[str, Any] = {"logprobs": {"content": reply["scores"]}} if reply["scores"] else {}
    if "state" in reply:
        about["state"] = reply["state"]
    if "end" in reply:
        about["finish_reason"] = reply["end"]
    return ChatGenerationChunk(message=AIMessageChunk(content=reply["text"], response_metadata=about))
