"""Forty readers at once, and a capable model that takes a fixed time a call: how long do they wait?

The model is a server of OpenAI's protocol on this machine that repeats the first sentence it is given, and approves.
What is measured is the assistant's own server, asked over HTTP with events, as the page and other programs ask it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from lab.replay import completion, text_of

MODEL_PORT, PORT = 8190, 8191
START_SECONDS = 120.0
_APPROVES = {"supported": True, "answers": "yes", "wrong_words": [], "should_say": "", "missing_cites": []}


def slow_model(seconds: float) -> Starlette:
    """Return a server of a model that takes so long for each call."""

    async def complete(request: Request) -> JSONResponse:
        body = await request.json()
        said = [text_of(message) for message in body["messages"]]
        await asyncio.sleep(seconds)
        first = next(line.removeprefix("[1] ") for line in said[0].splitlines() if line.startswith("[1] "))
        answer = {"answerable": "yes", "sentences": [{"text": first, "cites": [1]}], "near": None}
        reply = _APPROVES if said[-1].startswith("TASK CHECK") else answer
        return JSONResponse(completion(body.get("model", ""), body["messages"], json.dumps(reply)))

    return Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])


async def wait_for(readers: int, seconds: float, calls: int) -> dict[str, Any]:
    """Return what so many readers see who ask at once: lost answers, seconds until evidence and answer (p50 and p95).

    `least` is how long the last one waits if nothing but the model takes time. `seconds` is what a call of the model
    takes, and `calls` how many it gets at once.
    """
    model = uvicorn.Server(uvicorn.Config(slow_model(seconds), port=MODEL_PORT, log_level="warning"))
    serving = asyncio.create_task(model.serve())
    with TemporaryDirectory() as data:
        settings = {
            "ASSISTANT_MODEL": "openai:slow",
            "ASSISTANT_MODEL_URL": f"http://127.0.0.1:{MODEL_PORT}/v1",
            "ASSISTANT_MODEL_CALLS": str(calls),
            "ASSISTANT_PORT": str(PORT),
            "ASSISTANT_DATA": str(Path(data) / "data"),
            "ASSISTANT_FEEDBACK": str(Path(data) / "feedback.jsonl"),
            "ASSISTANT_QUESTIONS_PER_MINUTE": "0",
            "ASSISTANT_QUESTIONS_PER_HOUR": "0",
            "OPENAI_API_KEY": "none",
        }
        command = [sys.executable, "-m", "assistant", "serve"]
        server = await asyncio.create_subprocess_exec(*command, env=os.environ | settings, stderr=subprocess.DEVNULL)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", timeout=60.0) as client:
                await _ready(client)
                seen = await asyncio.gather(*(_ask(client, number) for number in range(readers)))
        finally:
            server.terminate()
            await server.wait()
            model.should_exit = True
            await serving
    answered = [times for times in seen if times is not None]
    first, last = (np.array(each) for each in zip(*answered, strict=True))
    return {
        "lost": readers - len(answered),
        "least": 2 * seconds * readers / calls,
        "evidence": np.percentile(first, [50, 95]).round(2).tolist(),
        "answer": np.percentile(last, [50, 95]).round(2).tolist(),
    }


async def _ready(client: httpx.AsyncClient) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            if (await client.get("/readyz")).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.5)
    raise TimeoutError(f"The server was not ready after {START_SECONDS:.0f} seconds")


async def _ask(client: httpx.AsyncClient, number: int) -> tuple[float, float] | None:
    """Return the seconds until the evidence and until the written answer; None where that was lost."""
    # Equal questions would share an answer.
    question, started = f"What did Krasner say about ICE, asks reader {number}?", time.monotonic()
    first, event = 0.0, ""
    asked = client.stream("POST", "/api/ask", json={"question": question}, headers={"Accept": "text/event-stream"})
    async with asked as response:
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            event = value if name == "event" else event
            if name == "data" and event in {"snapshot", "answer"}:
                first = first or time.monotonic() - started
                if event == "answer":
                    is_written = json.loads(value)["outcome"] == "written"
                    return (first, time.monotonic() - started) if is_written else None
    return None
