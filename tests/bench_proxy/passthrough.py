"""The least that a proxy can do with the same server and client: bytes through, nothing looked at."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    limits = httpx2.Limits(max_connections=1000)
    async with httpx2.AsyncClient(base_url=os.environ["UPSTREAM_URL"], timeout=30, limits=limits) as app.state.client:
        yield


async def pass_through(request: Request) -> StreamingResponse:
    client: httpx2.AsyncClient = request.app.state.client
    headers = {"Authorization": f"Bearer {os.environ['HF_TOKEN']}", "Content-Type": "application/json"}
    asked = client.build_request("POST", "/chat/completions", content=await request.body(), headers=headers)
    answer = await client.send(asked, stream=True)
    kind = {"Content-Type": answer.headers["content-type"]}
    return StreamingResponse(answer.aiter_raw(), answer.status_code, kind, background=BackgroundTask(answer.aclose))


def app() -> Starlette:
    return Starlette(routes=[Route("/v1/chat/completions", pass_through, methods=["POST"])], lifespan=lifespan)
