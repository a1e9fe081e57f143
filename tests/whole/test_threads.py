"""On how many threads the embedding model computes, with the real weights; loading once."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from assistant import threads
from assistant.search.embedder import SentenceEmbedder
from assistant.settings import PROJECT
from assistant.threads import Once


@pytest.mark.parametrize(
    "texts", [["Who spoke?"], ["The mayor spoke.", "So did others, and at length, as they had before."]]
)
def test_each_text_is_computed_on_one_thread(texts: list[str], real_embedder: SentenceEmbedder) -> None:
    """Beside a busy engine a question is read as soon as one processor has a moment."""
    real_embedder.load()
    seen: set[int] = set()
    with register_module_forward_pre_hook(lambda *_: seen.add(torch.get_num_threads())):
        real_embedder.embed_documents(texts)
    assert seen == {1}


def test_many_texts_are_computed_on_several_threads(real_embedder: SentenceEmbedder) -> None:
    """An index is built on all processors."""
    seen: set[int] = set()
    with register_module_forward_pre_hook(lambda *_: seen.add(threading.get_native_id())):
        real_embedder.embed_documents([f"The mayor spoke{' again' * (number % 40)}." for number in range(400)])
    assert len(seen) > 1


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted where Linux lists them")
def test_numpy_multiplies_on_one_thread() -> None:
    """Otherwise a thread looks for work after each product, and takes the time from the engine; what is set stays."""
    code = (
        "import os; os.sched_setaffinity(0, range(os.cpu_count()))\n"
        "from assistant.cli import _before_all_commands; {}\n"
        "import numpy; numpy.ones((600, 600)) @ numpy.ones((600, 600)); print(len(os.listdir('/proc/self/task')))"
    )
    said = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in said}

    def threads_after(first: str) -> int:
        command = [sys.executable, "-c", code.format(first)]
        return int(subprocess.run(command, env=environment, cwd=PROJECT, check=True, stdout=subprocess.PIPE).stdout)

    set_already = {"OPENBLAS_NUM_THREADS": "4"}
    threads.take_one_thread_for_products(set_already)
    assert set_already == {"OPENBLAS_NUM_THREADS": "4"}
    if threads_after("") == 1:
        pytest.skip("numpy takes one thread on this machine anyway")
    assert threads_after("_before_all_commands()") == 1


def test_what_several_threads_need_at_once_is_loaded_once() -> None:
    """The first loads it, the others wait, and all get the same."""
    loads: list[object] = []

    def load() -> object:
        time.sleep(0.05)
        loads.append(object())
        return loads[-1]

    once = Once(load)
    assert not once.is_there
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: once.get(), range(8)))
    assert (len(loads), set(map(id, found)), once.is_there) == (1, {id(loads[0])}, True)


def test_what_could_not_be_loaded_is_tried_again() -> None:
    """Whoever needed it is told why; whoever needs it next may get it."""
    fails = iter([True, False])

    def load() -> str:
        if next(fails):
            raise OSError("no room")
        return "the model"

    once = Once(load)
    with pytest.raises(OSError, match="no room"):
        once.get()
    assert (once.is_there, once.get()) == (False, "the model")
