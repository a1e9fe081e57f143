"""On how many threads the embedding model computes, and how urgently, with the real weights; loading once."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from assistant import threads
from assistant.search.embedder import SentenceEmbedder
from assistant.settings import PROJECT
from assistant.threads import LESS_URGENT, Once, give_way, threads_for


@pytest.fixture
def seen() -> Iterator[set[int]]:
    """Yield on how many threads models computed, of the three that torch takes by itself meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    threads._every.cache_clear()
    found: set[int] = set()
    hook = register_module_forward_pre_hook(lambda *_: found.add(torch.get_num_threads()))
    yield found
    hook.remove()
    torch.set_num_threads(before)
    threads._every.cache_clear()


@pytest.mark.parametrize(("texts", "threads"), [(["Who spoke?"], 1), (["The mayor spoke.", "So did others."], 3)])
def test_a_question_alone_takes_one_thread_and_several_texts_all(
    texts: list[str], threads: int, real_embedder: SentenceEmbedder, seen: set[int]
) -> None:
    """Beside a busy engine it is read as soon as one processor has a moment; an index is built as fast as can be."""
    real_embedder.embed_documents(texts)
    assert seen == {threads}


def test_a_thread_that_begins_beside_a_question_is_not_held_to_one(
    real_embedder: SentenceEmbedder, seen: set[int]
) -> None:
    """In torch a new thread takes over what was set last; who reads several texts has all threads all the same."""
    with threads_for(1), ThreadPoolExecutor() as other:
        assert other.submit(torch.get_num_threads).result() == 1
        other.submit(real_embedder.embed_documents, ["The mayor spoke.", "So did others."]).result()
    assert seen == {3}
    assert torch.get_num_threads() == 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows an order of the threads of a program")
def test_a_thread_that_gives_way_computes_less_urgently(real_embedder: SentenceEmbedder) -> None:
    """Whoever asks while it reads is served first; all other threads stay as they are."""
    own, urgencies = urgency(), set()
    with (
        register_module_forward_pre_hook(lambda *_: urgencies.add(urgency())),
        ThreadPoolExecutor(1, initializer=give_way) as giving_way,
    ):
        giving_way.submit(real_embedder.read, ["The mayor spoke.", "So did others."]).result()
    assert urgencies == {min(own + LESS_URGENT, 19)}
    assert urgency() == own


def urgency() -> int:
    """Return the place of this thread in the system's order."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


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
