"""A chat page on the proxy of lesson 05, in front of an upstream that a test leads by the hand."""

import asyncio
import json
import queue
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from anyio.from_thread import start_blocking_portal
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course.page import BUILT, PLAIN, prepare
from tests.course.proxies import listening, served, settings, solution

BUILD = "npm --prefix course/web/react ci && npm --prefix course/web/react run build"
FOLDERS = {"plain": PLAIN, "react": BUILT}
WAIT_SECONDS = 30


class Call:
    """One request at the upstream, answered when the test says so. body: as JSON. hung_up: the other end has left."""

    def __init__(self, head: str, body: Any, writer: StreamWriter) -> None:
        self.head, self.body = head, body
        self.hung_up = threading.Event()
        self._writer, self._loop = writer, asyncio.get_running_loop()

    def say(self, *pieces: str) -> None:
        """Send pieces of the answer, an event each; the first call begins the stream."""
        self._begin()
        for piece in pieces:
            self._event(json.dumps({"choices": [{"index": 0, "delta": {"content": piece}}]}))

    def end(self, finish_reason: str = "stop") -> None:
        self._begin()
        self._event(json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]}))
        self._event("[DONE]")
        self.cut()

    def fail(self, text: str) -> None:
        """An error in the middle, in the words of the upstream."""
        self._event(json.dumps({"error": text}))
        self.cut()

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._writer.close)

    def refuse(self, status: int, text: str = "{}", **headers: str) -> None:
        self._head(f"{status} No", {"Content-Length": str(len(text)), **headers})
        self._send(text)
        self.cut()

    def _begin(self) -> None:
        self._head("200 OK", {"Content-Type": "text/event-stream"})
        self._begin = lambda: None  # type: ignore[method-assign]

    def _head(self, status: str, headers: dict[str, str]) -> None:
        lines = [
            f"{name.replace('_', '-')}: {value}\r\n" for name, value in (headers | {"Connection": "close"}).items()
        ]
        self._send(f"HTTP/1.1 {status}\r\n{''.join(lines)}\r\n")

    def _event(self, data: str) -> None:
        self._send(f"data: {data}\n\n")

    def _send(self, text: str) -> None:
        self._loop.call_soon_threadsafe(self._writer.write, text.encode())


class Upstream:
    """An upstream of bare sockets; `next` gives its calls, in the order they come."""

    def __init__(self) -> None:
        self._calls: queue.Queue[Call] = queue.Queue()
        self.url = ""

    def next(self) -> Call:
        return self._calls.get(timeout=WAIT_SECONDS)

    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line for line in head.lower().splitlines() if line.startswith("content-length:"))
        body = await reader.readexactly(int(length.partition(":")[2]))
        call = Call(head, json.loads(body), writer)
        self._calls.put(call)
        while await reader.read(65536):
            pass
        call.hung_up.set()


@dataclass(frozen=True)
class Site:
    """A running page. sent: every message that has left the proxy, with headers and bytes."""

    url: str
    upstream: Upstream
    sent: list[Message]


class Tap:
    def __init__(self, app: ASGIApp, sent: list[Message]) -> None:
        self._app, self._sent = app, sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            self._sent.append(message)
            await send(message)

        await self._app(scope, receive, noted)


@contextmanager
def site(kind: str) -> Iterator[Site]:
    upstream, sent = Upstream(), list[Message]()
    with start_blocking_portal() as portal:
        enter = portal.wrap_async_context_manager
        with enter(listening(upstream)) as url:
            ours = settings(upstream_url=url, static_dir=str(FOLDERS[kind]), requests_per_minute=10_000)
            app = solution().create_app(ours)
            prepare(app, ours)
            app.add_middleware(Tap, sent=sent)
            with enter(served(app)) as port:
                yield Site(f"http://127.0.0.1:{port}", upstream, sent)
