"""A client of bare sockets: what it costs itself must not hide what a proxy costs."""

import asyncio
import json
import time
from collections.abc import Mapping

from tests.bench_proxy.open_loop import Answer

PATH = "/v1/chat/completions"


class RealClock:
    """The clock of `time.perf_counter`."""

    now = staticmethod(time.perf_counter)
    sleep = staticmethod(asyncio.sleep)


class Client:
    """Asks one server, over connections that it keeps."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, stream: bool, plan: Mapping[str, int], begun: asyncio.Event | None = None) -> Answer:
        """One call, read to its end. plan: what upstream.py shall do, see there. begun: set when the head is there.

        ok: the status is 200, and the answer is whole, up to [DONE] where it is a stream. Raises OSError, EOFError.
        """
        message = {"role": "user", "content": json.dumps(plan)}
        body = json.dumps({"model": "bench", "messages": [message], "stream": stream}).encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        )
        reader, writer = await self._connection()
        try:
            writer.write(head.encode() + b"\r\n" + body)
            told = await reader.readuntil(b"\r\n\r\n")
            if begun:
                begun.set()
            first_at, text = await _read_body(told.lower(), reader)
        except BaseException:
            writer.close()
            raise
        self._idle.append((reader, writer))
        complete = b"data: [DONE]" in text if stream else b'"choices"' in text
        return Answer(first_at, time.perf_counter(), told[9:12] == b"200" and complete, text.count(b"data: {"))

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():  # servers close what nobody used for a while
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


async def _read_body(head: bytes, reader: asyncio.StreamReader) -> tuple[float, bytes]:
    """When its first byte was there, and all of it."""
    if b"transfer-encoding: chunked" not in head:
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        text = await reader.readexactly(length)
        return time.perf_counter(), text
    received, first_at = bytearray(), 0.0
    while not received.endswith(b"0\r\n\r\n"):
        piece = await reader.read(65536)
        if not piece:
            raise ConnectionError("the body was cut")
        first_at = first_at or time.perf_counter()
        received += piece
    return first_at, without_chunks(received)


def without_chunks(received: bytes | bytearray) -> bytes:
    """A chunked body without the marks: each chunk is its length (hexadecimal), CR LF, as many bytes, CR LF."""
    pieces: list[bytes] = []
    at = 0
    while True:
        mark = received.index(b"\r\n", at)
        length = int(received[at:mark], 16)
        if length == 0:
            return b"".join(pieces)
        pieces.append(bytes(received[mark + 2 : mark + 2 + length]))
        at = mark + length + 4
