"""The articles change while the page is served: a thread reads what has changed, and the service goes on with it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from assistant.articles.watching import changes
from assistant.web.observability import log
from assistant.web.service import Service

_LEAVE_SECONDS = 1.0
"""A look at the folder ends within that; a renewal that embeds takes minutes, and no supervisor waits so long. The
thread ends with the process then, and the next start takes up what the index has not."""


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
    assistant = service.assistant
    said = set(assistant.corpus.problems)

    def goes_on() -> bool:
        return assistant.missing > 0 and not stop.is_set()

    for corpus in changes(service.settings.articles, assistant.corpus, stop, assistant.read_file, goes_on):
        for problem in set(corpus.problems) - said:
            log.warning("%s", problem)
        said = set(corpus.problems)
        if corpus.articles == assistant.corpus.articles and not service.is_behind:
            continue
        service.renew(corpus)
        if not service.is_behind:
            log.info("articles", extra={"fields": {"articles": len(corpus.articles), "missing": assistant.missing}})
