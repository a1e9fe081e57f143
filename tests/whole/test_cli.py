"""The command line: what it prints, where, and with which exit code."""

import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr
from pathlib import Path
from unittest.mock import Mock, call, create_autospec

import pytest
from parts import told
from typer.testing import CliRunner, Result

from assistant.answering.assistant import Assistant
from assistant.cli import app
from assistant.errors import ConfigurationError, Fault, IndexLockedError, ModelError, WeightsError
from assistant.files import Progress
from assistant.rendering import LABELS, to_json
from assistant.settings import PROJECT, Settings
from assistant.types import Answer, Article, Citation, Outcome, Timings, Turn

ARTICLE = Article("a-story", "Before. It fell by a fifth. After.", "A story")
WRITTEN = Answer(
    question="How much?",
    outcome=Outcome.WRITTEN,
    parts=told("By a fifth. [1]", (Citation(1, ARTICLE, 8, 27),)),
    timings=Timings(12.4, 900.6),
    model="a-model",
)


@pytest.fixture
def assistant(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Return what the commands open instead of the real assistant; it gives one answer."""
    scripted: Mock = create_autospec(Assistant, instance=True)
    scripted.ask.return_value = WRITTEN

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


def test_ask_for_a_script(assistant: Mock) -> None:
    """Standard output is one JSON object in the form of the contract, and nothing else is printed."""
    result = run("ask", "How much?", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(only_line(result.stdout)) == to_json(WRITTEN)
    assert assistant.mock_calls == [call.wait_until_loaded(), call.ask("How much?", []), call.close()]


@pytest.mark.usefixtures("assistant")
def test_ask_for_a_person() -> None:
    """A person reads what kind of answer it is, the answer, and the quotation under it."""
    result = run("ask", "How much?")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        LABELS[Outcome.WRITTEN],
        "",
        "By a fifth. [1]",
        "",
        "[1] It fell by a fifth.",
        "    A story",
    ]


def test_a_terminal_shows_what_is_waited_for(assistant: Mock) -> None:
    """On a terminal a bar shows how far the weights are joined and a spinner that the model loads; both go away."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stderr = Terminal()
    os.environ |= {"TERM": "xterm", "COLUMNS": "100"}
    with redirect_stderr(stderr):
        app(["ask", "How much?", "--json"], standalone_mode=False)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stderr.getvalue())
    assert re.search(r"Joining the language model .* 30%", drawn)
    assert "Reading" in drawn
    assert stderr.getvalue().endswith("\x1b[2K")
    assistant.close.assert_called_once_with()


def test_the_history_is_read(assistant: Mock, tmp_path: Path) -> None:
    """The exchanges of the file reach the assistant in their order."""
    file = tmp_path / "history.json"
    file.write_text('[{"question": "Who?", "answer": "He."}, {"question": "Wo?", "answer": "Köln."}]', encoding="utf-8")
    assert run("ask", "And when?", "--history", str(file)).exit_code == 0
    assert assistant.ask.call_args == call("And when?", [Turn("Who?", "He."), Turn("Wo?", "Köln.")])


@pytest.mark.parametrize(
    "content",
    [
        *(None, b"", b"\xff\xfe", b"{", b"{}", b'["Who?"]', b'[{"question": "Who?"}]', b"[" * 9999),
        b'[{"question": 1, "answer": ""}]',
    ],
)
def test_a_bad_history_is_one_line(assistant: Mock, tmp_path: Path, content: bytes | None) -> None:
    """A history file that is missing or malformed ends the run before anything is loaded."""
    file = tmp_path / "history.json"
    if content is not None:
        file.write_bytes(content)
    result = run("ask", "Who?", "--history", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert only_line(result.stderr).startswith(f"error: The history {file} ")
    assert assistant.mock_calls == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("Mend this."), 2),
        (WeightsError("Mend this."), 2),
        (IndexLockedError("Mend\nthis."), 2),
        (ModelError(Fault.ENGINE, "Mend this."), 1),
    ],
)
def test_what_a_person_can_mend_is_one_line(assistant: Mock, error: Exception, code: int) -> None:
    """The exit code tells configuration from failure; there is no traceback, and the assistant is closed."""
    assistant.ask.side_effect = error
    result = run("ask", "Who?", "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", "error: Mend this.\n")
    assistant.close.assert_called_once_with()


def test_a_defect_is_not_hidden(assistant: Mock) -> None:
    """An exception that nobody foresaw keeps its traceback, and the assistant is closed."""
    assistant.ask.side_effect = ZeroDivisionError("ours")
    with pytest.raises(ZeroDivisionError, match="ours"):
        run("ask", "Who?")
    assistant.close.assert_called_once_with()


@pytest.mark.parametrize("outcome", Outcome)
def test_the_exit_code_says_whether_the_articles_were_searched(assistant: Mock, outcome: Outcome) -> None:
    """A refusal is a result; an index or a model that nothing could be got from is a failed run. Both are printed."""
    assistant.ask.return_value = Answer("Who?", outcome)
    result = run("ask", "Who?", "--json")
    assert result.exit_code == (1 if outcome in (Outcome.UNAVAILABLE, Outcome.UNWRITTEN) else 0)
    assert json.loads(result.stdout)["status"] == outcome.status


@pytest.mark.parametrize("command", [("ask", "Who?"), ("index",), ("check",), ("serve",)], ids=lambda words: words[0])
def test_every_command_refuses_a_wrong_setting(command: tuple[str, ...]) -> None:
    """It is named in one line, with exit code 2; which there are is in `test_settings.py`."""
    os.environ["ASSISTANT_PORT"] = "99999"
    result = run(*command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert only_line(result.stderr).startswith("error: ASSISTANT_PORT has the value '99999': it must be ")


@pytest.mark.parametrize("arguments", [("ask",), ("ask", "Who?", "--unknown"), ("unknown",)])
def test_wrong_usage_has_exit_code_2(arguments: tuple[str, ...]) -> None:
    """A missing argument, an unknown option and an unknown command are usage errors."""
    assert run(*arguments).exit_code == 2


HEAVY = ["chromadb", "gradio", "langchain", "langchain_core", "numpy", "sentence_transformers", "torch", "uvicorn"]


def test_help_loads_nothing_heavy() -> None:
    """Help comes at once, because no command has imported what it works with."""
    code = "import sys; from assistant.cli import app; app(['--help'], standalone_mode=False); print(*sys.modules)"
    said = child("-c", code).stdout
    assert "index" in said
    assert not set(HEAVY) & set(said.splitlines()[-1].split())


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
    """Good articles are indexed and bad files named, again with exit code 1; nothing is embedded a second time.

    A photo beside them is named, and is no failure.
    """
    articles = tmp_path / "articles"
    articles.mkdir()
    (articles / "good.md").write_text("The mayor spoke. The council voted.")
    (articles / "picture.png").write_bytes(b"\x89PNG")
    (articles / "empty.md").touch()
    os.environ["ASSISTANT_ARTICLES"] = str(articles)
    os.environ["ASSISTANT_DATA"] = str(tmp_path / "data")
    for embedded in (1, 0):
        result = run("index", "--json")
        assert result.exit_code == 1
        empty, picture = result.stderr.splitlines()
        assert empty == "skipped empty.md: it holds no text"
        assert picture.startswith("picture.png: its type is not one of ")
        report = json.loads(only_line(result.stdout))
        assert set(report) == {"articles", "passages", "embedded", "fingerprint", "problems"}
        assert (report["articles"], report["passages"], report["embedded"]) == (1, 1, embedded)
        assert report["problems"] == [
            {"file": "empty.md", "reason": "it holds no text", "skipped": True},
            {"file": "picture.png", "reason": picture.partition(": ")[2], "skipped": False},
        ]
    (articles / "empty.md").unlink()
    result = run("index")
    assert (result.exit_code, result.stderr) == (0, f"{picture}\n")
    assert result.stdout == "Articles: 1. Passages: 1, embedded now: 0.\n"
