"""The proxy of lesson 05, our solution of it, for the tests that speak to it from outside."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import uvicorn
from anyio.from_thread import start_blocking_portal

from course.sandbox.sockets import LOOPBACK, open_socket
from tests.course.learners import solved

TOKEN = "hf_" + "CaNaRy" * 5 + "wxyz"  # put together here, so that no file holds the shape of a token
QUESTION = {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "What is a token?"}]}
PATIENCE_SECONDS = 20  # for what must happen, on a machine that is busy; passed only where a test fails
PLAIN = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Well."}, "finish_reason": "stop"}]}
ANSWER = json.dumps(PLAIN).encode()


def solution() -> SimpleNamespace:
    """The names of the lesson, solved."""
    return solved("05")


def shows_the_token(said: bytes | str) -> bool:
    """Whether the token is in there: as it is, encoded for an address, or in base64, wherever in it it begins."""
    said = said.decode("latin-1") if isinstance(said, bytes) else said
    encoded = [TOKEN, TOKEN.replace("_", "%5F")]
    for before in range(3):
        in_base64 = base64.b64encode(before * b"x" + TOKEN.encode()).decode()
        encoded.append(in_base64[4:-4])  # what does not depend on its neighbours
    return any(each in said for each in encoded)


def settings(**given: Any) -> Any:
    return solution().Settings(hf_token=given.pop("hf_token", TOKEN), **given)


@asynccontextmanager
async def served(app: Any, **config: Any) -> AsyncIterator[int]:
    """`app` behind a real uvicorn, in this loop; the port it listens on."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", **config))
    opened = open_socket(0)
    running = asyncio.create_task(server._serve(sockets=[opened]))  # `serve` would take over the signals
    try:
        while not server.started:
            await asyncio.sleep(0)
        yield opened.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await running


def post(body: bytes, *lines: str, path: str = "/api/chat") -> bytes:
    """A request as it goes over the wire, the last of its connection. lines: instead of the right Content-Length."""
    headers = ("Host: a", "Connection: close", "Content-Type: application/json")
    lengths = lines or (f"Content-Length: {len(body)}",)
    return "\r\n".join([f"POST {path} HTTP/1.1", *headers, *lengths, "", ""]).encode("latin-1") + body


def question(**more: Any) -> bytes:
    return json.dumps(QUESTION | more).encode()


def chunked(*pieces: bytes) -> bytes:
    """These pieces as chunks of a body, without the last one."""
    return b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)


async def spoken(port: int, said: bytes) -> bytes:
    """All that a server answers to these bytes, until it closes the connection."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(said)
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    finally:
        writer.close()


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """`app` behind a real uvicorn, in a thread; its address."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(served(app)) as port:
        yield f"http://{LOOPBACK}:{port}"


class Recorder:
    """An upstream of bare sockets that answers each call, and keeps it: its head as lines, its body."""

    def __init__(self) -> None:
        self.heads: list[list[str]] = []
        self.bodies: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):  # the connection is kept, until its other end closes it
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
                (length,) = [line.split(": ")[1] for line in head if line.lower().startswith("content-length")]
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(int(length)))
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(ANSWER)}\r\n\r\n".encode() + ANSWER)
        writer.close()


class RawUpstream:
    """An upstream of bare sockets: only these see that the other end hangs up. say: what is sent after the request."""

    def __init__(self, say: bytes = b"") -> None:
        self._say = say
        self.asked, self.hung_up = asyncio.Event(), asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self._say)
        self.asked.set()
        while await reader.read(65536):
            pass
        self.hung_up.set()
        writer.close()


@asynccontextmanager
async def listening(upstream: Callable[..., Awaitable[None]]) -> AsyncIterator[str]:
    """The address of a server of bare sockets."""
    server = await asyncio.start_server(upstream, LOOPBACK, 0)
    try:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
