"""A model server that always says the same: `python tests/scripted_model.py --port=N --seconds=S`.

Speaks OpenAI's protocol, so that everything in front of a model can be put under load without one.
"""

from __future__ import annotations

import argparse
import asyncio

import uvicorn
from replies import completion, reply_to
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route


def create_app(seconds: float) -> Starlette:
    """Return the server as an application."""

    async def complete(request: Request) -> Response:
        body = await request.json()
        await asyncio.sleep(seconds)
        return JSONResponse(completion(reply_to(body["messages"])))

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[Route("/v1/chat/completions", complete, methods=["POST"]), Route("/health", health)],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long it takes for a call")
    options = parser.parse_args()
    uvicorn.run(create_app(options.seconds), port=options.port, log_level="warning")
