"""What an operator can see: one JSON line for each question that was let in, and figures for Prometheus.

What may come in floods, refusals and whatever warns, is one line a kind and a minute. Neither lines nor figures hold a
reader's words or address. Exceptions are logged by their type and place, not their message, because that may quote what
a reader sent.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from assistant.types import Usage

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)

FLOOD_SECONDS = 60.0
_REFUSED = "refused"

log = logging.getLogger("assistant")


def log_refusal(via: str, status: str) -> None:
    """Log that something was not let in: by which way it came, and why it was refused."""
    log.info(_REFUSED, extra={"fields": {"via": via, "status": status}})


class JsonLines(logging.Formatter):
    """One line for each record, whatever is in it; `extra={"fields": {...}}` adds keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON; line breaks and control characters are escaped by it."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage() if record.exc_info is None else str(record.msg),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, where = record.exc_info
            frames = traceback.extract_tb(where)
            line["error"] = kind.__name__
            line["where"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line, default=str)


class OnceAMinute(logging.StreamHandler[TextIO]):
    """Writes the first record of a kind that may come in floods, and then one a minute, with how many times it came."""

    def __init__(self, stream: TextIO, seconds: float = FLOOD_SECONDS) -> None:
        """Take where to write to, and how long a minute is."""
        super().__init__(stream)
        self._seconds = seconds
        self._floods: dict[tuple[object, ...], tuple[int, logging.LogRecord]] = {}
        """By the kinds of the last minute: how many were not written, and the latest."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it."""
        kind = _kind_of_flood(record)
        if kind in self._floods:
            self._floods[kind] = self._floods[kind][0] + 1, record
            return
        super().emit(record)
        if kind is not None:
            if not self._floods:
                self._wait()
            self._floods[kind] = 0, record

    def _wait(self) -> None:
        timer = threading.Timer(self._seconds, self._write_counts)
        timer.daemon = True
        timer.start()

    def _write_counts(self) -> None:
        with self.lock or nullcontext():
            counted = {kind: (times, latest) for kind, (times, latest) in self._floods.items() if times}
            self._floods = {kind: (0, latest) for kind, (_, latest) in counted.items()}
            for times, latest in counted.values():
                latest.__dict__["fields"] = getattr(latest, "fields", {}) | {"times": times}
                super().emit(latest)
            if counted:
                self._wait()

    def close(self) -> None:
        """Write what was counted so far."""
        self._write_counts()
        super().close()


def _kind_of_flood(record: logging.LogRecord) -> tuple[object, ...] | None:
    """Return what records of one flood have in common; None for one that everybody is to see."""
    if record.levelno < logging.WARNING and record.msg != _REFUSED:
        return None
    fields = getattr(record, "fields", {})
    error, _, where = record.exc_info or (None, None, None)
    event = record.msg if error else record.getMessage()
    return record.name, event, error, str(traceback.extract_tb(where)[-1:]), fields.get("via"), fields.get("status")


def log_to_standard_error() -> None:
    """Let every library log as JSON lines: ours from INFO on, the others from WARNING on."""
    # A log that cannot be written must not be the end of an answer.
    logging.raiseExceptions = False
    handler = OnceAMinute(sys.stderr)
    handler.setFormatter(JsonLines())
    # Some libraries set a lower level for themselves.
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.startswith(log.name))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    log.setLevel(logging.INFO)


class Metrics:
    """The figures of one application."""

    def __init__(self, in_line: Callable[[], int], model_is_ready: Callable[[], bool]) -> None:
        """Take what is read anew for each scrape."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        counter, gauge = partial(Counter, registry=self._registry), partial(Gauge, registry=self._registry)
        histogram = partial(Histogram, buckets=_SECONDS, registry=self._registry)
        self.questions = counter("assistant_questions", "Questions, by how they ended", ["via", "status"])
        self.reused = counter("assistant_reused", "Questions without work, by what they got", ["how"])
        self.first = histogram("assistant_first_evidence_seconds", "Until the first evidence")
        self.total = histogram("assistant_answer_seconds", "Until the final answer")
        self.feedback = counter("assistant_feedback", "Reports about answers", ["outcome"])
        self.faults = counter(
            "assistant_model_faults", "Answers that a fault of the model cost, by the fault", ["fault"]
        )
        self.calls = counter("assistant_model_calls", "Calls of a provider's model")
        self.tokens = counter(
            "assistant_model_tokens", "Tokens of these calls: read, of these cached, written", ["how"]
        )
        told = "Questions from publishers' pages, by whether the site's budget had room"
        self.sites = counter("assistant_site_questions", told, ["site", "outcome"])
        gauge("assistant_line", "Questions that are being answered, or wait").set_function(in_line)
        gauge("assistant_model_ready", "1 while the language model can be asked").set_function(model_is_ready)

    def used(self, usage: Usage) -> None:
        """Count what the calls for one answer took."""
        self.calls.inc(usage.calls)
        for how in ("read", "cached", "written"):
            self.tokens.labels(how).inc(getattr(usage, how))

    def of_site(self, site: str) -> tuple[int, int]:
        """Return how many questions of a site were let in, and how many its budget had no room for."""
        let_in, refused = (
            self._registry.get_sample_value("assistant_site_questions_total", {"site": site, "outcome": outcome})
            for outcome in ("let in", "refused")
        )
        return int(let_in or 0), int(refused or 0)

    def exposition(self) -> bytes:
        """Return the figures in Prometheus's text format."""
        return generate_latest(self._registry)
