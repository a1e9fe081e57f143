"""Prompts are files in `prompts/`; this fills them in, and puts the conversations together that a model is asked with.

`string.Template` suits news: a "$4.2 million" in a value is safe, and a reader's braces mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from string import Template

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from assistant.errors import ConfigurationError
from assistant.files import sha256
from assistant.settings import IS_CHECKOUT, PROJECT
from assistant.types import Turn

FOLDER = PROJECT / "prompts" if IS_CHECKOUT else PROJECT / "assistant" / "prompt_files"
"""A wheel has them beside the code."""
TURN = "<|im_start|>user"
"""What a turn of the reader begins with: the adapter that writes works in the last one. What strangers write holds it
as words, not as this token."""
CHECK = "Do the passages state the answer"
"""What the check begins with: the adapter that checks works from these words on."""
MAX_HISTORY_TURNS = 2
MAX_HISTORY_BYTES = 4000
"""Of UTF-8: a token is a byte in the worst case, and the passages and the question need the rest of the context."""
_NAMES = (
    "system",
    "question",
    "checked",
    "capable",
    "capable_answer",
    "capable_repair",
    "capable_check",
    "standalone",
)


def check() -> None:
    """Make sure that every prompt can be read.

    Raises:
        ConfigurationError: one cannot.
    """
    for name in _NAMES:
        _template(FOLDER / f"{name}.md")


def render(name: str, **values: str) -> str:
    """Return the prompt `prompts/<name>.md` with its variables replaced; values are never looked into.

    Raises:
        ConfigurationError: the file is missing.
        ValueError: the values are not exactly the variables of the file; all are named.
    """
    template = _template(FOLDER / f"{name}.md")
    wanted = set(template.get_identifiers())
    if wrong := sorted(wanted ^ set(values)):
        raise ValueError(f"prompts/{name}.md takes {sorted(wanted)}; check {', '.join(wrong)}")
    return template.substitute(values)


def fingerprint(folder: Path = FOLDER) -> str:
    """Return the SHA-256, in hexadecimal, of all prompt files."""
    return sha256(b"".join(path.name.encode() + path.read_bytes() for path in sorted(folder.glob("*.md"))))


def draft_messages(question: str, history: Sequence[Turn], passages: str) -> list[BaseMessage]:
    """Return the conversation that asks for a draft: the passages first and the question last."""
    messages: list[BaseMessage] = [SystemMessage(render("system", article=_plain(passages)))]
    for turn in recent(history):
        messages += [HumanMessage(_plain(turn.question)), AIMessage(_plain(turn.answer))]
    return [*messages, HumanMessage(render("question", question=_plain(question)))]


def check_messages(question: str, history: Sequence[Turn], passages: str, draft: str) -> list[BaseMessage]:
    """Return the conversation of a draft, carried on with the check of it."""
    check = HumanMessage(render("checked", question=_plain(question)))
    return [*draft_messages(question, history, passages), AIMessage(_plain(draft)), check]


@cache
def _template(path: Path) -> Template:
    try:
        return Template(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise ConfigurationError(f"The prompt {path} cannot be read", "install the assistant again") from error


def _plain(text: str) -> str:
    """Return the text without the words that would bring in the adapter that checks: they are for our prompts alone."""
    return text.replace(CHECK, CHECK.lower())


def recent(history: Sequence[Turn]) -> Sequence[Turn]:
    """Return the latest turns that there is room for."""
    turns = list(history[-MAX_HISTORY_TURNS:])
    while sum(len(f"{turn.question}{turn.answer}".encode()) for turn in turns) > MAX_HISTORY_BYTES:
        del turns[0]
    return turns
