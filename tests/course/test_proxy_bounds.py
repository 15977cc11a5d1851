"""Large, endless and slow requests to the proxy of lesson 05, and thousands of them: others are served."""

import asyncio
import gc
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import repeat
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from course.connection import BoundedConnection
from course.sandbox.sockets import LOOPBACK
from tests.course.proxies import PATIENCE_SECONDS, PLAIN, chunked, post, question, served, settings, solution, spoken

HALF_A_HEAD = b"POST /api/chat HTTP/1.1\r\nHost: a\r\nX: " + 1000 * b"x"
READY = b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HALF_OPEN = 2000


class Endless(httpx2.AsyncByteStream):
    """Events without end. left: it was closed."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in repeat({"choices": [{"index": 0, "delta": {"content": 10_000 * "x"}}]}):
            yield f"data: {json.dumps(event)}\n\n".encode()

    async def aclose(self) -> None:
        self.left.set()


class Upstream(httpx2.AsyncBaseTransport):
    """Answers each call. calls: how many there were; stream: what is streamed."""

    def __init__(self) -> None:
        self.calls, self.stream = 0, Endless()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.calls += 1
        if b'"stream":true' in await request.aread():
            return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, stream=self.stream)
        return httpx2.Response(200, json=PLAIN)


def proxy(upstream: Upstream | None = None, **given: Any) -> Any:
    return solution().create_app(settings(**given), transport=upstream or Upstream())


def status(answer: bytes) -> bytes:
    return answer.partition(b"\r\n")[0].removeprefix(b"HTTP/1.1 ")[:3]


LARGE = {
    "with its length": post(70_000 * b" "),
    "with its length alone": post(b"", "Content-Length: 70000"),
    "in chunks": post(chunked(*7 * [10_000 * b" "]), "Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("said", LARGE.values(), ids=LARGE)
def test_a_large_body_is_refused(said: bytes) -> None:
    async def ask() -> tuple[bytes, int]:
        upstream = Upstream()
        async with served(proxy(upstream)) as port:
            return await spoken(port, said), upstream.calls

    answer, calls = asyncio.run(ask())

    assert (status(answer), calls) == (b"413", 0)


def test_an_endless_body_is_refused_costs_little_and_loses_its_connection() -> None:
    """The client does not stop when it has its answer; the connection is closed under its hands."""

    async def send_for_ever() -> tuple[bytes, int]:
        async with served(proxy(), http=BoundedConnection, timeout_keep_alive=0.1) as port:
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(post(b"", "Transfer-Encoding: chunked").replace(b"Connection: close\r\n", b""))
            piece = chunked(10_000 * b" ")
            tracemalloc.start()
            answer = asyncio.create_task(reader.readuntil(b"Content Too Large"))
            with suppress(ConnectionError):
                while not reader.at_eof():
                    writer.write(piece)
                    await writer.drain()
            return await answer, tracemalloc.get_traced_memory()[1]

    try:
        answer, peak = asyncio.run(asyncio.wait_for(send_for_ever(), PATIENCE_SECONDS))
    finally:
        tracemalloc.stop()

    assert status(answer) == b"413"
    assert peak < 20 * 64_000


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def ask() -> bytes:
        async with served(proxy(client_seconds=0.05)) as port:
            return await spoken(port, post(b"{", "Content-Length: 2"))

    answer = asyncio.run(ask())

    assert status(answer) == b"408"
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "too_slow"


@pytest.mark.parametrize("piece", [b"", b" "], ids=["nothing", "a byte"])
def test_a_body_that_comes_bit_by_bit_is_given_up(piece: bytes) -> None:
    """The clock is that of the whole body: another bit does not set it back."""
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    async def ask() -> None:
        limiter = solution().RateLimiter(settings())
        scope = {"type": "http", "method": "POST", "headers": [], "client": ("a", 1)}
        await asyncio.wait_for(
            solution().Limited(None, limiter, client_seconds=0.05)(scope, receive, send), PATIENCE_SECONDS
        )

    asyncio.run(ask())

    assert sent[0]["status"] == 408


def test_a_full_server_says_so_at_once_and_is_free_again() -> None:
    async def ask() -> list[bytes]:
        upstream = Upstream()
        async with served(proxy(upstream, max_concurrent=1)) as port:
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(post(question(stream=True)))
            await reader.readuntil(b"data: ")
            full = await spoken(port, post(question()))
            writer.close()
            await asyncio.wait_for(upstream.stream.left.wait(), PATIENCE_SECONDS)
            return [full, await spoken(port, post(question()))]

    full, free = asyncio.run(ask())

    assert (status(full), status(free)) == (b"503", b"200")
    assert b"retry-after: 1\r\n" in full.lower()


def test_a_client_is_whom_our_own_proxy_names_last() -> None:
    """Each line of the header counts, as one list (RFC 9110, 5.3): what the visitor wrote is left of it."""
    app = proxy(requests_per_minute=1, trusted_proxies=1)
    lines = [("X-Forwarded-For", "203.0.113.9"), ("Content-Type", "application/json")]

    with TestClient(app) as visitor:
        answers = [
            visitor.post("/api/chat", content=question(), headers=[("X-Forwarded-For", f"10.0.0.{number}"), *lines])
            for number in range(2)
        ]

    assert [answer.status_code for answer in answers] == [200, 429]


def test_a_slow_sender_holds_no_slot() -> None:
    async def ask() -> bytes:
        async with served(proxy(max_concurrent=1)) as port:
            _, slow = await asyncio.open_connection(LOOPBACK, port)
            slow.write(post(b"{", "Content-Length: 2"))
            await slow.drain()
            answers = [await spoken(port, post(question())) for _ in range(2)]
            slow.close()
            return answers[1]

    assert status(asyncio.run(ask())) == b"200"


def test_who_does_not_read_the_answer_loses_the_slot() -> None:
    async def ask() -> bytes:
        upstream = Upstream()
        async with served(proxy(upstream, max_concurrent=1, client_seconds=0.1)) as port:
            deaf = socket.create_connection((LOOPBACK, port))
            with deaf:
                deaf.sendall(post(question(stream=True)))
                await asyncio.wait_for(upstream.stream.left.wait(), PATIENCE_SECONDS)
                return await spoken(port, post(question()))

    assert status(asyncio.run(ask())) == b"200"


@pytest.mark.parametrize("said", [b"", b"G", HALF_A_HEAD], ids=["nothing", "a letter", "half a head"])
def test_a_request_that_does_not_begin_is_given_up(said: bytes) -> None:
    async def connect() -> bytes:
        async with served(proxy(), http=BoundedConnection, timeout_keep_alive=0.05) as port:
            return await spoken(port, said)

    assert asyncio.run(connect()) == b""


def test_a_head_that_comes_bit_by_bit_is_given_up() -> None:
    """That of the second request on a connection, too, and long before it is too long for h11."""

    async def letters_until_closed() -> int:
        async with served(proxy(), http=BoundedConnection, timeout_keep_alive=0.05) as port:
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            await reader.readuntil(b"alive")
            writer.write(b"GET /healthz HTTP/1.1\r\nX: ")
            letters, closed = 0, asyncio.create_task(reader.read())
            while not closed.done():
                writer.write(b"x")
                letters += 1
                await asyncio.sleep(0)
            await asyncio.gather(closed, return_exceptions=True)  # the last letters may have met a closed connection
            return letters

    assert asyncio.run(asyncio.wait_for(letters_until_closed(), PATIENCE_SECONDS)) < 16_000


def test_an_answer_may_take_longer_than_a_head() -> None:
    async def ask() -> bytes:
        async def late(_: httpx2.Request) -> httpx2.Response:
            await asyncio.sleep(0.15)
            return httpx2.Response(200, json=PLAIN)

        app = solution().create_app(settings(), transport=httpx2.MockTransport(late))
        async with served(app, http=BoundedConnection, timeout_keep_alive=0.05) as port:
            return await spoken(port, post(question()))

    assert status(asyncio.run(ask())) == b"200"


@pytest.fixture
def many_files() -> Iterator[None]:
    """Leave for 4,000 open files: both ends of each connection are in this process."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit to raise")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    due = 2 * HALF_OPEN + 500
    if hard != resource.RLIM_INFINITY and hard < due:
        pytest.skip(f"this needs {due} open files, and {hard} are allowed: raise the limit with `ulimit -n {due}`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, due), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_thousands_of_half_open_connections_leave_others_served(many_files: None) -> None:
    """From `most` connections on, memory grows no more."""
    taken: list[int] = []
    statuses: set[bytes] = set()

    async def attack() -> None:
        async with served(proxy(), http=BoundedConnection, timeout_keep_alive=60) as port:
            held = []
            for number in range(1, HALF_OPEN + 1):
                held.append(socket.create_connection((LOOPBACK, port)))
                held[-1].sendall(HALF_A_HEAD)
                if number % 100 == 0:
                    statuses.add(status(await spoken(port, READY)))
                if number in (900, HALF_OPEN):
                    gc.collect()
                    taken.append(tracemalloc.get_traced_memory()[0])
            for each in held:
                each.close()

    tracemalloc.start()
    try:
        asyncio.run(attack())
    finally:
        tracemalloc.stop()

    assert statuses == {b"200"}
    assert taken[1] < 1.25 * taken[0]  # at 900 there were `most` already
    assert taken[0] < BoundedConnection.most * 20_000
