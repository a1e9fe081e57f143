"""How many threads torch and numpy compute on, and how one loads something for all.

A step of a model is computed on one thread. On several it waits until all of them have had their turn: beside the
engine, which keeps all processors busy, a question takes many times as long so. Many texts are read on as many threads
as there are processors, each some texts of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, MutableMapping
from typing import Generic, TypeVar

_T = TypeVar("_T")


def take_one_thread_for_products(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let numpy multiply on one thread, unless somebody has said on how many; call it before numpy is imported.

    The products here are small. With more threads those that have nothing to do look for work for some 20 ms after each
    product before they sleep, and the engine beside them has that much less.
    """
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")


class Once(Generic[_T]):
    """Something that is loaded by the first thread that needs it, while the others wait."""

    def __init__(self, load: Callable[[], _T]) -> None:
        """Take what loads it; where that raises, the next one that needs it tries again."""
        self._load = load
        self._loading = threading.Lock()
        self._loaded: list[_T] = []

    @property
    def is_there(self) -> bool:
        """Whether it is loaded."""
        return bool(self._loaded)

    def get(self) -> _T:
        """Return it, and load it before if need be."""
        if not self._loaded:
            with self._loading:
                if not self._loaded:
                    self._loaded.append(self._load())
        return self._loaded[0]


def compute_on_one_thread() -> None:
    """Let torch compute each step of a model on the thread that asks; to be called before a model is loaded."""
    import torch  # noqa: PLC0415 - slow to import, and missing where keywords alone are searched

    torch.set_num_threads(1)
