"""A real server over many questions, in the short form that suits a test: nothing is left behind by any of them.

The long form is `python -m lab load --readers 0 --soak 120`.
"""

from __future__ import annotations

import pytest

from lab.benchmarks.load import Watch, scripted, soak
from lab.benchmarks.readers import ANSWERED

QUESTIONS = 60
MOST_BYTES_A_QUESTION = 250_000
"""Of a tab Gradio keeps half of it, up to a thousand tabs; a thread or an event loop is more."""


@pytest.mark.timeout(900)
def test_questions_leave_nothing_behind() -> None:
    """After 60 tabs with a question each, files are as before, and memory has grown by what is kept."""
    with scripted(0.0) as server:
        watch = Watch(server)
        asked = soak(watch, QUESTIONS, 0.0)
    assert [each for each in asked if each.outcome != ANSWERED] == []
    # The first third fills caches and pools.
    begin, end = watch.samples[len(watch.samples) // 3], watch.samples[-1]
    assert end.files <= begin.files + 3
    assert end.memory - begin.memory < QUESTIONS * 2 / 3 * MOST_BYTES_A_QUESTION
