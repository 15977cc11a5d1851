"""The connection of one request, on which an answer can be sent in pieces, held back or broken."""

import asyncio
import os
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from course.sandbox.faults import Unit
from course.sandbox.gate import Gate

Header = tuple[bytes, bytes]


class Protocol(H11Protocol):
    """uvicorn's protocol, which also hands its transport to the application, as scope["state"]["transport"].

    ASGI has no word for a broken connection. With the transport, an application can break its own.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


@dataclass(frozen=True)
class Answer:
    """A whole answer, before it is sent. Names of headers are in lower case."""

    status: int
    headers: tuple[Header, ...]
    body: bytes

    @property
    def is_stream(self) -> bool:
        return any(name == b"content-type" and b"text/event-stream" in value for name, value in self.headers)

    def events(self) -> list[bytes]:
        return [event + b"\n\n" for event in self.body.split(b"\n\n") if event]

    def first(self, after: int, unit: Unit) -> bytes:
        """The first `after` events or bytes of the body. What is no stream has bytes only."""
        return b"".join(self.events()[:after]) if self.is_stream and unit == "events" else self.body[:after]

    def chunked(self) -> "Answer":
        """Without the header Content-Length: uvicorn then sends the body in chunks."""
        return replace(self, headers=tuple(header for header in self.headers if header[0] != b"content-length"))

    def sized(self) -> "Answer":
        """With the header Content-Length."""
        length = (b"content-length", str(len(self.body)).encode())
        return replace(self, headers=(*self.chunked().headers, length))


async def answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    """What `app` answers, kept back."""
    start: Message = {}
    body = bytearray()

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, keep)
    return Answer(start["status"], tuple(start["headers"]), bytes(body))


class Line:
    """A connection under a fault. It alone may call `receive` from now on, to see when the client leaves."""

    def __init__(self, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        self._gate, self._state, self._send = gate, scope["state"], send
        self._transport: asyncio.Transport = scope["state"]["transport"]
        self._gone = asyncio.create_task(_disconnected(receive))

    async def __aenter__(self) -> "Line":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._gone.cancel()

    async def begin(self, answer: Answer) -> None:
        """Send status and headers."""
        await self._send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})

    async def write(self, data: bytes) -> None:
        """Send a part of the body. In a chunked answer it is one chunk."""
        if data:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send(self, answer: Answer, pieces: Iterable[bytes] = ()) -> None:
        """Send a whole answer, its body in `pieces` if there are any."""
        await self.begin(answer)
        for piece in pieces or [answer.body]:
            await self.write(piece)
        await self.finish()

    async def hold(self) -> bool:
        """Be silent. True if the answer may go on, False if the client has left."""
        return await self._gate.hold(self._gone)

    async def pause(self, seconds: float) -> bool:
        """Wait in real time. True if the client is still there."""
        await asyncio.wait({self._gone}, timeout=seconds)
        return not self._gone.done()

    async def hang_up(self) -> None:
        """Send what was written, then end the connection in good order (TCP FIN)."""
        self._transport.close()
        await self._gone

    async def reset(self) -> None:
        """Break the connection (TCP RST): so ends one that is closed and may not linger."""
        linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()
        await self._gone

    async def send_until_close(self, answer: Answer) -> None:
        """Send an answer that ends where the connection ends. uvicorn does so for HTTP/1.0 only, hence plain bytes."""
        headers = [*answer.chunked().headers, (b"connection", b"close")]
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        self._state["note"](status=answer.status, answer_headers=told)
        lines = [b"HTTP/1.1 %d " % answer.status, *(name + b": " + value for name, value in headers), b"", answer.body]
        self._transport.write(b"\r\n".join(lines))
        await self.hang_up()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
