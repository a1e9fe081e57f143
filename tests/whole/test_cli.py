"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from assistant.answering.assistant import Assistant, Progress
from assistant.cli import app
from assistant.errors import ConfigurationError, IndexLockedError, ModelError, WeightsError
from assistant.rendering import LABELS
from assistant.settings import PROJECT, Settings
from assistant.types import Answer, Article, Citation, Status, Timings, Turn

ARTICLE = Article("a-story", "Before. It fell by a fifth. After.", "A story")
WRITTEN = Answer(
    question="How much?",
    status=Status.ANSWERED,
    text="By a fifth. [1]",
    citations=(Citation(1, ARTICLE, 8, 27),),
    timings=Timings(12.4, 900.6),
    model="a-model",
)


class ScriptedAssistant(Assistant):
    """Gives one answer, or raises one exception, and notes what is done with it."""

    def __init__(self, outcome: Answer | Exception) -> None:
        """Take the answer to give, or the exception to raise."""
        self.outcome = outcome
        self.calls: list[str] = []
        self.history: list[Turn] = []

    def wait_until_loaded(self) -> None:
        """Note it."""
        self.calls.append("wait")

    def ask(self, question: str, history: Sequence[Turn] = (), article: str | None = None) -> Answer:
        """Give the answer."""
        assert article is None
        self.calls.append(f"ask {question}")
        self.history = list(history)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def close(self) -> None:
        """Note it."""
        self.calls.append("close")


@pytest.fixture
def assistant(monkeypatch: pytest.MonkeyPatch) -> ScriptedAssistant:
    """Return what the commands open instead of the real assistant."""
    scripted = ScriptedAssistant(WRITTEN)

    def opened(settings: Settings, progress: Progress) -> Assistant:
        assert settings == Settings()
        progress("Joining the language model", 30, 100)
        return scripted

    monkeypatch.setattr(Assistant, "open", opened)
    return scripted


def run(*arguments: str) -> Result:
    """Run a command in this process; a defect is raised."""
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def only_line(text: str) -> str:
    """Return the only line of a text."""
    (line,) = text.splitlines()
    return line


def test_ask_for_a_script(assistant: ScriptedAssistant) -> None:
    """Standard output is one JSON object in the form of the contract, and nothing else is printed."""
    result = run("ask", "How much?", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    seen = json.loads(only_line(result.stdout))
    assert {
        key: seen[key] for key in ("id", "question", "status", "answer", "citations", "timings", "model", "error")
    } == {
        "id": None,
        "question": "How much?",
        "status": "answered",
        "answer": "By a fifth. [1]",
        "citations": [{"number": 1, "article": "a-story", "start": 8, "end": 27, "quote": "It fell by a fifth."}],
        "timings": {"first_ms": 12, "total_ms": 901},
        "model": "a-model",
        "error": None,
    }
    assert assistant.calls == ["wait", "ask How much?", "close"]


@pytest.mark.usefixtures("assistant")
def test_ask_for_a_person() -> None:
    """A person reads what kind of answer it is, the answer, and the quotation under it."""
    result = run("ask", "How much?")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        LABELS[Status.ANSWERED],
        "",
        "By a fifth. [1]",
        "",
        "[1] It fell by a fifth.",
        "    A story",
    ]


def test_a_terminal_shows_what_is_waited_for(monkeypatch: pytest.MonkeyPatch, assistant: ScriptedAssistant) -> None:
    """On a terminal a bar shows how far the weights are joined and a spinner that the model loads; both go away."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    app(["ask", "How much?", "--json"], standalone_mode=False)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stderr.getvalue())
    assert re.search(r"Joining the language model .* 30%", drawn)
    assert "Reading" in drawn
    assert stderr.getvalue().endswith("\x1b[2K")
    assert assistant.calls[-1] == "close"


def test_the_history_is_read(assistant: ScriptedAssistant, tmp_path: Path) -> None:
    """The exchanges of the file reach the assistant in their order."""
    file = tmp_path / "history.json"
    file.write_text('[{"question": "Who?", "answer": "He."}, {"question": "Wo?", "answer": "Köln."}]', encoding="utf-8")
    assert run("ask", "And when?", "--history", str(file)).exit_code == 0
    assert assistant.history == [Turn("Who?", "He."), Turn("Wo?", "Köln.")]


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{",
        b"\xff\xfe",
        b"{}",
        b'["Who?"]',
        b'[{"question": "Who?"}]',
        b'[{"question": 1, "answer": ""}]',
        b"[" * 9999,
    ],
)
def test_a_bad_history_is_one_line(assistant: ScriptedAssistant, tmp_path: Path, content: bytes | None) -> None:
    """A history file that is missing or malformed ends the run before anything is loaded."""
    file = tmp_path / "history.json"
    if content is not None:
        file.write_bytes(content)
    result = run("ask", "Who?", "--history", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert only_line(result.stderr).startswith(f"error: The history {file} ")
    assert assistant.calls == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("Mend this."), 2),
        (WeightsError("Mend this."), 2),
        (IndexLockedError("Mend\nthis."), 2),
        (ModelError("Mend this."), 1),
    ],
)
def test_what_a_person_can_mend_is_one_line(assistant: ScriptedAssistant, error: Exception, code: int) -> None:
    """The exit code tells configuration from failure; there is no traceback, and the assistant is closed."""
    assistant.outcome = error
    result = run("ask", "Who?", "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", "error: Mend this.\n")
    assert assistant.calls[-1] == "close"


def test_a_defect_is_not_hidden(assistant: ScriptedAssistant) -> None:
    """An exception that nobody foresaw keeps its traceback, and the assistant is closed."""
    assistant.outcome = ZeroDivisionError("ours")
    with pytest.raises(ZeroDivisionError, match="ours"):
        run("ask", "Who?")
    assert assistant.calls[-1] == "close"


@pytest.mark.parametrize("status", Status)
def test_the_exit_code_says_whether_the_articles_were_searched(assistant: ScriptedAssistant, status: Status) -> None:
    """A refusal is a result; only an index that cannot be searched is a failed run. Both are printed."""
    assistant.outcome = Answer("Who?", status)
    result = run("ask", "Who?", "--json")
    assert result.exit_code == (1 if status is Status.INDEX_UNAVAILABLE else 0)
    assert json.loads(result.stdout)["status"] == status


@pytest.mark.parametrize("command", [("ask", "Who?"), ("index",), ("serve",)])
def test_every_command_refuses_an_unknown_setting(monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    """A misspelt variable is named, with exit code 2."""
    monkeypatch.setenv("ASSISTANT_MODLE", "none")
    result = run(*command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert only_line(result.stderr).startswith("error: Unknown setting ASSISTANT_MODLE")


@pytest.mark.parametrize("arguments", [("ask",), ("ask", "Who?", "--unknown"), ("unknown",)])
def test_wrong_usage_has_exit_code_2(arguments: tuple[str, ...]) -> None:
    """A missing argument, an unknown option and an unknown command are usage errors."""
    assert run(*arguments).exit_code == 2


def test_help_loads_nothing_heavy() -> None:
    """Help comes at once, because no command has imported what it works with."""
    code = "import sys, assistant.cli; print([name for name in sys.argv[1:] if name in sys.modules])"
    heavy = ["chromadb", "gradio", "langchain", "langchain_core", "numpy", "sentence_transformers", "torch", "uvicorn"]
    assert child("-c", code, *heavy).stdout == "[]\n"
    assert "index" in child("-m", "assistant", "--help").stdout


# The whole program


def child(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the project."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_index_names_what_it_skips_and_does_nothing_twice(tmp_path: Path) -> None:
    """Good articles are indexed and bad files named, again with exit code 1; nothing is embedded a second time."""
    articles = tmp_path / "articles"
    articles.mkdir()
    (articles / "good.md").write_text("The mayor spoke. The council voted.")
    (articles / "picture.png").write_bytes(b"\x89PNG")
    environment = {"ASSISTANT_ARTICLES": str(articles), "ASSISTANT_DATA": str(tmp_path / "data")}
    for embedded in (True, False):
        result = child("-m", "assistant", "index", "--json", **environment)
        assert result.returncode == 1
        assert only_line(result.stderr).startswith("skipped picture.png: its type is not one of ")
        report = json.loads(only_line(result.stdout))
        assert set(report) == {"articles", "passages", "embedded", "fingerprint", "problems"}
        assert (report["articles"], report["passages"]) == (1, 1)
        assert report["embedded"] == (1 if embedded else 0)
        reason = result.stderr.strip().partition(": ")[2]
        assert report["problems"] == [{"file": "picture.png", "reason": reason, "skipped": True}]
    (articles / "picture.png").unlink()
    result = child("-m", "assistant", "index", **environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "Articles: 1. Passages: 1, embedded now: 0.\n"


def test_ask_without_a_language_model(tmp_path: Path) -> None:
    """The real program answers from the article that ships: each citation is the text at its offsets."""
    result = child(
        "-m",
        "assistant",
        "ask",
        "By how much has violent crime fallen in Philadelphia?",
        "--json",
        ASSISTANT_MODEL="none",
        ASSISTANT_DATA=str(tmp_path),
    )
    assert (result.returncode, result.stderr) == (0, "")
    seen = json.loads(only_line(result.stdout))
    assert (seen["status"], seen["model"], seen["error"]) == ("quoted", "none", None)
    assert "18 percent" in seen["answer"]
    assert seen["citations"]
    assert 0 < seen["timings"]["first_ms"] <= seen["timings"]["total_ms"]


def test_the_page_is_served_until_the_process_is_told_to_stop(tmp_path: Path) -> None:
    """`python app.py` prints its address when the page is there, and ends with exit code 0 when it is terminated."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles" / "bridge.md").write_text("The bridge was closed in March.")
    (tmp_path / "articles" / "broken.txt").write_bytes(b"\xff")
    environment = {"ASSISTANT_MODEL": "none", "ASSISTANT_DATA": str(tmp_path), "ASSISTANT_PORT": str(port)}
    environment |= {"ASSISTANT_ARTICLES": str(tmp_path / "articles")}
    with subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=PROJECT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        try:
            assert process.stdout.readline() == f"The article assistant is at http://127.0.0.1:{port}\n"
            assert httpx.get(f"http://127.0.0.1:{port}/healthz").text == "ok"
            assert "Article assistant" in httpx.get(f"http://127.0.0.1:{port}/").text
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
            told = {json.loads(line)["event"] for line in process.stderr}
            # On a machine that has much to do, the log says how far the start has come.
            assert told - {"starting"} == {"skipped broken.txt: it is not valid UTF-8: save it as UTF-8"}
        finally:
            process.kill()


def test_a_busy_port_is_a_matter_of_configuration(tmp_path: Path) -> None:
    """The page does not start where its port is taken; one line says what to do."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        result = child("app.py", ASSISTANT_PORT=str(port), ASSISTANT_DATA=str(tmp_path), ASSISTANT_MODEL="none")
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(rf"error: .*127\.0\.0\.1:{port}.*ASSISTANT_PORT.*\n", result.stderr)
