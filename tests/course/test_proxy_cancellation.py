"""Whoever leaves the proxy of lesson 05 ends the call upstream, in all three windows. Proven with bare sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tests.course.proxies import PATIENCE_SECONDS, QUESTION, RawUpstream, listening, served, settings, solution

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "Well"}}]}\n\n'
ONE_EVENT = HEADERS + f"{len(EVENT):x}\r\n".encode() + EVENT + b"\r\n"

WINDOWS = {
    "before the headers of a stream": (True, b"", b""),
    "in the middle of a stream": (True, ONE_EVENT, b"Well"),
    "while a plain answer is made": (False, b"", b""),
}


async def seconds_until_the_upstream_sees_it(app: Any, upstream: RawUpstream, stream: bool, wait_for: bytes) -> float:
    """Ask, wait until the client has got `wait_for`, hang up. The time until the upstream notices; inf without end."""
    body = json.dumps(QUESTION | {"stream": stream}).encode()
    head = (
        f"POST /api/chat HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with served(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + body)
        await asyncio.wait_for(upstream.asked.wait(), PATIENCE_SECONDS)
        if wait_for:
            await asyncio.wait_for(reader.readuntil(wait_for), PATIENCE_SECONDS)
        left_at = asyncio.get_running_loop().time()
        writer.transport.abort()
        try:
            await asyncio.wait_for(upstream.hung_up.wait(), 0.5)
        except TimeoutError:
            return float("inf")
        return asyncio.get_running_loop().time() - left_at


@pytest.mark.parametrize(("stream", "say", "wait_for"), WINDOWS.values(), ids=WINDOWS)
def test_the_upstream_sees_within_100_ms_that_the_client_left(stream: bool, say: bytes, wait_for: bytes) -> None:
    async def once() -> float:
        upstream = RawUpstream(say)
        async with listening(upstream) as url:
            app = solution().create_app(settings(upstream_url=url))
            return await seconds_until_the_upstream_sees_it(app, upstream, stream, wait_for)

    # One of three: other work on this machine may delay the others.
    assert any(asyncio.run(once()) < 0.1 for _ in range(3))


def test_without_the_race_a_plain_call_goes_on() -> None:
    """What the lesson says about Starlette; if this fails, it has learnt to do it, and the lesson should say so."""

    async def once() -> float:
        upstream = RawUpstream()
        async with listening(upstream) as url, httpx2.AsyncClient() as client:
            app = FastAPI()

            @app.post("/api/chat")
            async def chat() -> None:
                await client.post(url, json=QUESTION, timeout=1)

            return await seconds_until_the_upstream_sees_it(app, upstream, False, b"")

    assert asyncio.run(once()) == float("inf")


def test_a_stream_that_never_begins_closes_its_upstream() -> None:
    """The client is gone before the first event: the generator never runs, so its own `finally` would not, either."""
    seen: list[str] = []

    async def events() -> AsyncIterator[str]:
        seen.append("begun")
        yield ""

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        await asyncio.Event().wait()

    async def leave_at_once() -> None:
        upstream = AsyncExitStack()
        upstream.callback(seen.append, "closed")
        scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
        await solution().EventStream(events(), upstream)(scope, receive, send)

    asyncio.run(leave_at_once())

    assert seen == ["closed"]


class Endless:
    """An engine that never comes to an end by itself."""

    def pieces(self, messages: list[dict[str, str]], max_tokens: int) -> Iterator[str]:
        while True:
            yield "again "


def test_a_local_model_is_free_again_when_the_client_leaves() -> None:
    async def two_visitors() -> list[bool]:
        async with (
            served(solution().create_app(settings(keep_alive_seconds=60), local=Endless)) as port,  # no comment first
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as client,
        ):
            got = []
            for _ in range(2):
                async with client.stream("POST", "/api/chat", json=QUESTION | {"stream": True}) as answer:
                    got.append(b"again" in await anext(answer.aiter_bytes()))
            return got

    assert asyncio.run(two_visitors()) == [True, True]


def test_a_stream_leaves_its_connection_to_the_next_one() -> None:
    """Whatever stands behind [DONE] is read, too: else each stream would open a connection of its own."""
    connections = 0

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readline():
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
            writer.write(ONE_EVENT + b"e\r\ndata: [DONE]\n\n\r\n")
            await asyncio.sleep(0)  # the end comes in a piece of its own, as it does from afar
            writer.write(b"0\r\n\r\n")

    async def three_streams() -> list[bool]:
        async with (
            listening(upstream) as url,
            served(solution().create_app(settings(upstream_url=url))) as port,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            asked = [await client.post("/api/chat", json=QUESTION | {"stream": True}) for _ in range(3)]
        return [answer.text.endswith("data: [DONE]\n\n") for answer in asked]

    assert asyncio.run(three_streams()) == [True] * 3
    assert connections == 1
