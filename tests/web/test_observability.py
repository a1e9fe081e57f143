"""The log: what comes in floods does not fill it, and nothing else is held back."""

import io
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from assistant.web.observability import JsonLines, OnceAMinute, log, log_refusal

REFUSED_BY_UVICORN = "Invalid HTTP request received."
MINUTE = 0.5
"""In seconds."""


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Return where the log goes; a minute takes half a second."""
    stream = io.StringIO()
    handler = OnceAMinute(stream, MINUTE)
    handler.setFormatter(JsonLines())
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield stream
    log.removeHandler(handler)
    log.setLevel(before)
    handler.close()


def lines(stream: io.StringIO) -> list[tuple[str, Any]]:
    """Return what each line says, and how many times."""
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [(entry.get("status") or entry["event"], entry.get("times")) for entry in entries]


def fail(kind: type[Exception]) -> None:
    """Log an error with its trace."""
    try:
        raise kind
    except kind:
        log.exception("failed")


def test_a_flood_is_a_line_a_kind_and_a_minute(stream: io.StringIO) -> None:
    """The first is told at once, then once a minute how many there were since, and at the end the rest."""
    begun, sent = time.monotonic(), 0
    while time.monotonic() < begun + 1.2:
        log_refusal("api", "busy")
        log_refusal("api", "rate_limited")
        log.warning(REFUSED_BY_UVICORN)
        fail(ValueError)
        fail(OSError)
        sent += 1
    log.handlers[-1].close()
    minutes = (time.monotonic() - begun) / MINUTE
    told = lines(stream)
    assert [kind for kind, times in told[:5]] == ["busy", "rate_limited", REFUSED_BY_UVICORN, "failed", "failed"]
    for kind, share in Counter(kind for kind, _ in told[:5]).items():
        counts = [times for each, times in told if each == kind]
        assert sum(times or 1 for times in counts) == sent * share
        assert 2 * share < len(counts) <= (minutes + 2) * share


def test_who_comes_now_and_then_is_no_flood(stream: io.StringIO) -> None:
    """After a quiet minute the next one is told at once."""
    for _ in range(2):
        log_refusal("api", "busy")
        time.sleep(0.6)
    assert lines(stream) == [("busy", None)] * 2


def test_nothing_else_is_held_back(stream: io.StringIO) -> None:
    """Each question has its line, and so has each file that was skipped."""
    for number in range(5):
        log.info("question", extra={"fields": {"status": "answered"}})
        log.warning("skipped %s: %s", f"{number}.md", "it is empty")
    assert len(lines(stream)) == 10
