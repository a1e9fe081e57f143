"""What the chat uses of Gradio though Gradio does not document it: a new release may change any of it.

No other module uses such parts. `tests/web/test_gradio_parts.py` names each, and fails where a release drops one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from gradio.block_function import BlockFunction
from gradio.events import Dependency
from gradio.routes import templates
from gradio.state_holder import SessionState
from jinja2 import DictLoader
from starlette.responses import Response

JOIN = "/gradio_api/queue/join"
"""Where a page sends its calls."""
EVENTS = "/gradio_api/queue/data"
"""Where it opens the stream of their results."""
END = b'data: {"msg":"close_stream"'
"""How the last message on a stream begins."""
LOST = Response(
    b'data: {"msg": "unexpected_error", "message": "", "session_not_found": true, "success": false}\n\n',
    404,
    media_type="text/event-stream",
)
"""What Gradio sends to the page of a tab that it does not know; the page then begins again."""
TEMPLATE = "frontend/index.html"
_EVENTS_AT_ONCE = 1000
"""Gradio's own limit, out of the way of our queue: in Gradio's a reader would wait without a sign."""
_TABS = 100
"""Of so many Gradio remembers what they look like, which nothing here needs; each takes about 100 kB."""


class Blocks(gr.Blocks):
    """Blocks that leave alone what does not change.

    Gradio makes a component anew, and describes it anew, for each output that a handler leaves out, in each of its
    steps; with a crowd that was more than half of all that the server did.
    """

    async def postprocess_data(
        self,
        block_fn: BlockFunction,
        predictions: Any,  # noqa: ANN401 - as in Gradio
        state: SessionState | None,
    ) -> list[Any]:
        """Return what is sent to the browser for each output."""
        if not isinstance(predictions, dict) or not any(output in predictions for output in block_fn.outputs):
            return list(await super().postprocess_data(block_fn, predictions, state))
        changing = copy(block_fn)
        changing.outputs = [output for output in block_fn.outputs if output in predictions]
        sent = await super().postprocess_data(changing, predictions, state)
        by_output = dict(zip(changing.outputs, sent, strict=True))
        return [by_output.get(output, gr.skip()) for output in block_fn.outputs]


class Calls:
    """What pages have called, while Gradio's queue keeps it."""

    def __init__(self, blocks: gr.Blocks) -> None:
        """Take a page that is mounted."""
        self._queue = blocks._queue  # noqa: SLF001

    def functions(self) -> list[int]:
        """Return the number of the called function, for each call that waits or is being served."""
        waiting = [event for line in self._queue.event_queue_per_concurrency_id.values() for event in line.queue]
        served = [event for job in self._queue.active_jobs if job for event in job]
        return [event.fn._id for event in waiting + served]  # noqa: SLF001

    def is_awaited(self, tab: str) -> bool:
        """Whether something is still to be sent to the tab."""
        return bool(self._queue.pending_event_ids_session.get(tab))

    def is_known(self, tab: str) -> bool:
        """Whether the tab has called, and was not given up since."""
        return tab in self._queue.pending_messages_per_session

    async def give_up(self, tab: str) -> None:
        """Forget the tab and what it has called."""
        await self._queue.clean_events(session_hash=tab)
        self._queue.pending_event_ids_session.pop(tab, None)
        self._queue.pending_messages_per_session.pop(tab, None)


def numbers(events: Sequence[Dependency]) -> frozenset[int]:
    """Return the numbers by which a page calls the functions of these events."""
    return frozenset(event["id"] for event in events)


def inputs(blocks: gr.Blocks) -> dict[int, Sequence[object]]:
    """Return the components whose values a page sends, by the number of the function."""
    return {number: function.inputs for number, function in blocks.fns.items()}


def describe(blocks: gr.Blocks) -> None:
    """Show the components as they are now to those who open the page from now on; from any thread."""
    blocks.config = blocks.get_config_file()


def mount(app: FastAPI, blocks: gr.Blocks, tags: str, **how: Any) -> None:  # noqa: ANN401 - as in Gradio
    """Mount a page as `gr.mount_gradio_app` does, with these tags at the beginning of its head.

    They name the assistant, where Gradio's own name Gradio and lead to its site.
    """
    source = (Path(gr.__file__).parent / "templates" / TEMPLATE).read_text(encoding="utf-8")
    unnamed = re.sub(r"<meta\s+(property|name)=.(og|twitter):[^>]*>", "", source)
    templates.env.loader = DictLoader({TEMPLATE: unnamed.replace("<head>", f"<head>{tags}", 1)})
    blocks.max_threads = _EVENTS_AT_ONCE
    blocks.state_session_capacity = _TABS
    blocks.queue(max_size=_EVENTS_AT_ONCE)
    gr.mount_gradio_app(app, blocks, **how)
    # Else Gradio believes that a path was put in by us, not by a stranger; of a mounted page it never says so itself.
    blocks.has_launched = True
