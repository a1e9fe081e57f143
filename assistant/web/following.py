"""The articles change while the page is served: a thread reads what has changed, and the service goes on with it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from assistant.articles.reading import Corpus
from assistant.articles.watching import changes
from assistant.web.observability import log
from assistant.web.service import Service

_RENEWAL_SECONDS = 5.0
"""For so long new articles are taken up before the folder is looked at again."""
_LEAVE_SECONDS = 1.0
"""A look at the folder ends within that; a renewal that embeds takes minutes, and no supervisor waits so long. The
thread ends with the process then, and the next start takes up what the index has not."""

_LESS_URGENT = 5
"""What is added to the thread's place in the system's order of 0 to 19. With 10 the first evidence comes no sooner."""


@contextmanager
def following(service: Service) -> Iterator[None]:
    """Follow the folder of articles until the block ends; what is being taken up then is not waited for."""
    stop = threading.Event()
    thread = threading.Thread(target=_follow, args=(service, stop), name="following", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_LEAVE_SECONDS)


def _follow(service: Service, stop: threading.Event) -> None:
    if sys.platform == "linux":  # Elsewhere it would be the whole process that gives way to others.
        with suppress(OSError):
            os.nice(_LESS_URGENT)  # And so do the threads that embed for it.
    assistant, is_behind = service.assistant, False
    said = set(assistant.corpus.problems)

    def goes_on() -> bool:
        return assistant.missing > 0 and not stop.is_set()

    for corpus in changes(service.settings.articles, assistant.corpus, stop, assistant.read_file, goes_on):
        for problem in set(corpus.problems) - said:
            log.warning("%s", problem)
        said = set(corpus.problems)
        if corpus.articles == assistant.corpus.articles and not is_behind:
            continue
        is_behind = not renew(service, corpus)
        if not is_behind:
            log.info("articles", extra={"fields": {"articles": len(corpus.articles), "missing": assistant.missing}})


def renew(service: Service, corpus: Corpus) -> bool:
    """Answer from these articles from now on, and show them; return whether all could be done. Nothing is raised.

    Where there are many new ones, the rest of them is left to the next call: what is gone must not wait for them. What
    fails keeps nothing else from being done.
    """
    is_done, first = True, partial(service.assistant.renew, corpus, _RENEWAL_SECONDS)
    renewals: list[Callable[[], None]] = [first, *service.renewals]
    for take_up in renewals:
        try:
            take_up()
        except Exception:  # noqa: BLE001 - it may go well the next time
            log.exception("the articles that changed could not be taken up")
            is_done = False
    return is_done and not service.assistant.is_behind
