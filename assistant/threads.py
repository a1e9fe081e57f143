"""On how many threads the small models compute: a question alone on one, several texts on all there are.

On several threads each step of a model waits until all of them have had their turn. Beside the engine, which keeps all
processors busy, a question takes many times as long so; and where nothing else runs it is too short to gain by them.
Knows nothing of the models.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def threads_for(texts: int) -> Iterator[None]:
    """Let torch compute so many texts on as many threads as suit them, in this thread of Python's alone."""
    import torch  # noqa: PLC0415 - slow to import, and missing where keywords alone are searched

    every = _every()
    before = torch.get_num_threads()
    torch.set_num_threads(1 if texts == 1 else every)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@functools.cache
def _every() -> int:
    """Return torch's own choice. A new thread of Python's begins with what was set last, wherever that was."""
    import torch  # noqa: PLC0415

    return torch.get_num_threads()
