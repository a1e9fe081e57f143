"""What the chat uses of Gradio though Gradio does not document it: each is named here, and one module uses it."""

import ast
import asyncio
import inspect
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio import queueing, routes, server_messages

from assistant.settings import PROJECT
from assistant.web.chat.gradio_parts import END, EVENTS, JOIN, LOST, TEMPLATE

WHERE = PROJECT / "assistant/web/chat/gradio_parts.py"
PARTS = """
    blocks.config blocks.fns blocks.get_config_file blocks.has_launched blocks.max_threads blocks.postprocess_data
    blocks.state_session_capacity
    blocks._queue.active_jobs blocks._queue.clean_events blocks._queue.event_queue_per_concurrency_id
    blocks._queue.pending_event_ids_session blocks._queue.pending_messages_per_session
    event.fn._id event.fn.inputs event.fn.outputs line.queue templates.env.loader
""".split()


def has(parts: SimpleNamespace, part: str) -> bool:
    """Whether there is an attribute of this dotted name."""
    try:
        attrgetter(part)(parts)
    except AttributeError:
        return False
    return True


async def missing() -> list[str]:
    """Return what the installed Gradio has no more."""
    with gr.Blocks() as blocks:
        click = gr.Button().click(str.strip, [gr.Textbox()])
    (function,) = blocks.queue().fns.values()
    request: Any = None
    event, line = queueing.Event("tab", function, request, None), queueing.EventQueue("", None)
    parts = SimpleNamespace(blocks=blocks, event=event, line=line, templates=routes.templates)
    end = server_messages.CloseStreamMessage().model_dump_json()
    lost = server_messages.UnexpectedErrorMessage(message="", session_not_found=True, success=False)
    template = Path(gr.__file__).parent / "templates" / TEMPLATE
    there = {part: has(parts, part) for part in PARTS} | {
        "the number of an event": click["id"] == next(iter(blocks.fns)),
        "what is passed to postprocess_data": [*inspect.signature(gr.Blocks.postprocess_data).parameters]
        == ["self", "block_fn", "predictions", "state"],
        "the addresses of the queue": {JOIN, EVENTS} <= blocks.app.openapi()["paths"].keys(),
        "the end of a stream": f"data: {end}".encode().startswith(END),
        "what a lost tab is sent": type(lost).model_validate_json(bytes(LOST.body)[5:]) == lost,
        "the head of the page": template.is_file() and template.read_text(encoding="utf-8").count("<head>") == 1,
    }
    return [what for what, is_there in there.items() if not is_there]


def test_gradio_has_what_it_does_not_document() -> None:
    """A release that drops one of these parts is told by the name of the part, before the page breaks."""
    gone = asyncio.run(missing())  # Outside of a loop, Gradio makes one and never closes it.
    assert not gone, f"Gradio {gr.__version__} has no more: {', '.join(gone)}. Mend {WHERE}."


def test_one_module_alone_looks_into_gradio() -> None:
    """All others get by with `gr`, as the documents show it."""
    looking = set()
    for path in (PROJECT / "assistant").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            looking |= {path for name in names if name.startswith("gradio.")}
    assert looking == {WHERE}
