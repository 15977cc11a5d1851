"""The proxy of lesson 05 is told to end: streams end with an event, and no call that was accepted is lost."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
import pytest
import uvicorn

from course.proxy import _run
from course.sandbox.sockets import LOOPBACK, open_socket
from tests.course.proxies import PATIENCE_SECONDS, PLAIN, QUESTION, served, settings, solution

EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "Well"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
STREAM = QUESTION | {"stream": True}


class Upstream(httpx2.AsyncBaseTransport):
    """Plain answers wait for `go`; streams say one event, and wait for it. asked: a call has come."""

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.set()
        if b'"stream":true' in await request.aread():
            return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, content=self._events())
        await self.go.wait()
        return httpx2.Response(200, json=PLAIN)

    async def _events(self) -> AsyncIterator[bytes]:
        yield EVENT
        await self.go.wait()
        yield DONE


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """The signals that come to whoever set a handler before the proxy did: here nobody ends of them."""
    signals: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, frame: signals.append(number))
    yield signals
    for number, handler in before.items():
        signal.signal(number, handler)


@asynccontextmanager
async def visiting(upstream: Any, **given: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A visitor of a proxy in front of `upstream`, on a server that leaves the signals alone."""
    async with (
        served(solution().create_app(settings(**given), transport=upstream)) as port,
        visitor_of(port) as visitor,
    ):
        yield visitor


def visitor_of(port: int) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", verify=False, timeout=PATIENCE_SECONDS)


@asynccontextmanager
async def begun(visitor: httpx2.AsyncClient) -> AsyncIterator[AsyncIterator[str]]:
    """A stream whose first event has come; the rest of its text."""
    async with visitor.stream("POST", "/api/chat", json=STREAM) as answer:
        pieces = answer.aiter_text()
        assert "Well" in await anext(pieces)
        yield pieces


async def refused(port: int) -> None:
    """Come back when nothing listens there any more."""
    while True:
        with suppress(ConnectionResetError):  # it was in the queue of the system when that was closed
            try:
                (await asyncio.open_connection(LOOPBACK, port))[1].close()
            except ConnectionRefusedError:
                return


async def text_of(pieces: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in pieces])


def test_streams_end_with_an_event_and_plain_calls_get_their_answer(heard: list[int]) -> None:
    async def scenario() -> tuple[str, httpx2.Response, str, httpx2.Response]:
        upstream = Upstream()
        async with visiting(upstream, drain_seconds=0) as visitor, begun(visitor) as stream:
            upstream.asked.clear()
            plain = asyncio.create_task(visitor.post("/api/chat", json=QUESTION))
            await upstream.asked.wait()
            signal.raise_signal(signal.SIGTERM)
            rest = await text_of(stream)
            ready = await visitor.get("/readyz")
            late = await visitor.post("/api/chat", json=STREAM)
            upstream.go.set()
            return rest, await plain, late.text, ready

    rest, plain, late, ready = asyncio.run(scenario())

    assert rest.startswith('event: error\ndata: {"error": {"code": "shutting_down"')
    assert rest.endswith("\n\n")
    assert plain.json()["choices"][0]["message"]["content"] == "Well."
    assert "shutting_down" in late
    assert (ready.status_code, ready.headers["x-content-type-options"]) == (503, "nosniff")
    assert heard == [signal.SIGTERM]


def test_a_stream_that_is_soon_over_is_let_run(heard: list[int]) -> None:
    async def scenario() -> tuple[str, int]:
        upstream = Upstream()
        async with visiting(upstream, drain_seconds=60) as visitor, begun(visitor) as stream:
            signal.raise_signal(signal.SIGINT)
            ready = await visitor.get("/readyz")
            upstream.go.set()
            return await text_of(stream), ready.status_code

    assert asyncio.run(scenario()) == (DONE.decode(), 503)
    assert heard == [signal.SIGINT]


def test_uvicorn_ends_within_its_grace_and_takes_no_more(heard: list[int]) -> None:
    """uvicorn as its command runs it. It gives the signal back at its end, so that the process ends of it."""

    async def scenario() -> tuple[str, httpx2.Response]:
        upstream = Upstream()
        app = solution().create_app(settings(drain_seconds=0), transport=upstream)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5))
        opened = open_socket(0)
        running = asyncio.create_task(server.serve(sockets=[opened]))
        while not server.started:
            await asyncio.sleep(0)
        port = opened.getsockname()[1]
        async with visitor_of(port) as visitor, begun(visitor) as stream:
            upstream.asked.clear()
            plain = asyncio.create_task(visitor.post("/api/chat", json=QUESTION))
            await upstream.asked.wait()
            signal.raise_signal(signal.SIGTERM)
            rest = await text_of(stream)
            await refused(port)
            assert not heard
            upstream.go.set()
            answer = await plain
        await asyncio.wait_for(running, PATIENCE_SECONDS)
        return rest, answer

    rest, answer = asyncio.run(scenario())

    assert "shutting_down" in rest
    assert answer.status_code == 200
    assert heard == [signal.SIGTERM]


def test_the_handlers_of_the_server_are_put_back(heard: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def run() -> Any:
        async with visiting(Upstream()):
            return signal.getsignal(signal.SIGTERM)

    assert asyncio.run(run()) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_command_ends_of_sigterm_as_of_ctrl_c(heard: list[int]) -> None:
    """`make proxy`: it comes back in good order, so its exit code is 0 and the sandbox is stopped."""
    opened = open_socket(0)
    port = opened.getsockname()[1]

    def visit() -> None:
        httpx2.get(f"http://{LOOPBACK}:{port}/healthz", timeout=PATIENCE_SECONDS)
        signal.raise_signal(signal.SIGTERM)

    visits = threading.Thread(target=visit)
    visits.start()

    _run(solution().create_app(settings()), opened)

    visits.join()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://{LOOPBACK}:{port}/healthz")
    assert not heard
