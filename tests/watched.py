"""Serves an assistant in a process of its own, and notes what the process opens, whom it looks up and whom it calls.

`python tests/watched.py NOTES` prints `Watched at ADDRESS`, and serves until its standard input ends. What the page and
the libraries are made of is not noted. It declines whatever it is asked.
"""

import asyncio
import json
import os
import sys
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from served import ARTICLE, DECLINED, OPEN, ScriptedAssistant, running
from visitors import reader

from assistant.settings import PROJECT
from assistant.types import Answer
from assistant.web.observability import log_to_standard_error

OURS = (str(PROJECT / "assistant"), sys.prefix, sys.base_prefix, str(OPEN.data), "/proc/self/", "/proc/stat")
"""The program, its libraries and their files, whether it is switched off, and the figures of the process."""


class Declining(ScriptedAssistant):
    """Declines whatever it is asked."""

    def stream(self, question: str, *_: Any, **__: Any) -> Generator[Answer]:  # noqa: ANN401 - the assistant's own
        """Decline at once."""
        yield replace(DECLINED, question=question)


def watch(notes: int) -> None:
    """Note from now on, one JSON line each."""

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        match event, arguments:
            case "open", (str() | bytes() as path, *_):
                name = os.fsdecode(path)
                if name.startswith(OURS):
                    return
                said = name
            case "socket.getaddrinfo" | "socket.gethostbyname" | "socket.sendto", _:
                said = str(arguments[:2])
            case "socket.connect", (_, address):
                said = str(address)
            case "os.mkdir" | "os.rename" | "os.remove" | "subprocess.Popen" | "os.system" | "os.exec", _:
                said = str(arguments)
            case _:
                return
        os.write(notes, (json.dumps([event, said]) + "\n").encode())

    sys.addaudithook(note)


async def begin(address: str) -> None:
    """Begin a page, which lets libraries load what they load late."""
    async with reader(address) as someone:
        await someone.greet("first")


def main(notes: str) -> None:
    """Serve until nobody is there any more."""
    log_to_standard_error()
    other = replace(ARTICLE, id="another-story", title="Another story")
    with running(Declining(ARTICLE, other)) as address:
        asyncio.run(begin(address))
        watch(os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
        print(f"\nWatched at {address}", flush=True)  # noqa: T201 - the parent reads it
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
