"""A model server that always says the same: `python tests/scripted_model.py --port=N --seconds=S`.

Speaks OpenAI's protocol, so that everything in front of a model can be put under load without one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncGenerator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

TEXT = "Violent crime in Philadelphia has fallen by nearly 18 percent since it became a sanctuary city in 2014."


def create_app(seconds: float) -> Starlette:
    """Return the server as an application."""
    words = TEXT.split(" ")

    def choice(kind: str, content: str, finish: str | None) -> dict[str, object]:
        message = {"index": 0, kind: {"role": "assistant", "content": content}, "finish_reason": finish}
        return {"id": "x", "object": "chat.completion", "created": 1, "model": "scripted", "choices": [message]}

    async def events() -> AsyncGenerator[str]:
        for word in words:
            await asyncio.sleep(seconds / len(words))
            yield f"data: {json.dumps(choice('delta', f'{word} ', None))}\n\n"
        yield f"data: {json.dumps(choice('delta', '', 'stop'))}\n\ndata: [DONE]\n\n"

    async def complete(request: Request) -> Response:
        if (await request.json()).get("stream"):
            return StreamingResponse(events(), media_type="text/event-stream")
        await asyncio.sleep(seconds)
        return JSONResponse(choice("message", TEXT, "stop"))

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[Route("/v1/chat/completions", complete, methods=["POST"]), Route("/health", health)],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long it takes for an answer")
    options = parser.parse_args()
    uvicorn.run(create_app(options.seconds), port=options.port, log_level="warning")
