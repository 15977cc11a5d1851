"""The proxy of lesson 05 as a container runs it: uvicorn, all loggers at DEBUG, an upstream that repeats our token."""

import asyncio
import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from course.exercises import ROOT
from tests.course.proxies import PATIENCE_SECONDS, TOKEN, listening, post, question, shows_the_token, spoken

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM that another process could send")

APP = """
import logging
logging.basicConfig(level=logging.DEBUG)
from tests.course.proxies import solution
lesson = solution()
app = lesson.create_app(lesson.Settings.load(None))
"""
DESCRIPTION = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "Well"}}]}\n\n'
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + EVENT
# What the upstream says, with our Authorization header for each @, before it closes the connection.
ECHOES = {
    "reason phrase": b"HTTP/1.1 401 @\r\nX-Echo: @\r\nContent-Length: 0\r\n\r\n",
    "headers": b"HTTP/1.1 200 @\r\nX-Echo: @\r\nSet-Cookie: a=@\r\nContent-Length: 2\r\n\r\n{}",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: /elsewhere?token=@\r\nContent-Length: 0\r\n\r\n",
    "a wait": b"HTTP/1.1 429 Slow\r\nRetry-After: @\r\nContent-Length: 0\r\n\r\n",
    "an early hint": b"HTTP/1.1 103 @\r\nLink: @\r\n\r\nHTTP/1.1 500 @\r\n\r\n@",
    "body": b'HTTP/1.1 422 No\r\nContent-Type: application/json\r\n\r\n{"error": "@"}',
    "an answer": b'HTTP/1.1 200 OK\r\n\r\n{"choices": [{"message": {"role": "@", "content": "Well"}}]}',
    "a content type": b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=@\r\n\r\n" + EVENT,
    "a late error": STREAM + b'data: {"error": "@"}\n\n',
    "a late nonsense": STREAM + b"event: @\nid: @\nretry: @\n: @\ndata: @\n\n",
    "no HTTP": b"@\r\n\r\n",
    "a bad header": b"HTTP/1.1 200 OK\r\nX-@: \x00@\r\n\r\n",
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n@\r\n",
    "a late bad chunk": STREAM.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n3f\r\n", 1) + b"\r\n@\r\n",
    "a trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Echo: @\r\n\r\n",
    "bad gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n@",
    "a short body": b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n@",
}


class Echo:
    """An upstream of bare sockets. say: what comes next. hold: whether the connection stays open after that.

    asked: the first lines of what it was asked.
    """

    def __init__(self) -> None:
        self.say, self.hold = b"", False
        self.asked: set[bytes] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.add(head.partition(b"\r\n")[0])
        told = re.search(rb"(?i)authorization: (.*)\r\n", head)
        assert told is not None
        writer.write(self.say.replace(b"@", told[1]))
        if self.hold:
            await reader.read()
            await reader.read()
        writer.close()


@dataclass(frozen=True)
class Seen:
    """All that left the process. last: a stream that ran when SIGTERM came. exit_code: as Popen tells it."""

    asked: set[bytes]
    answers: dict[str, bytes]
    last: bytes
    output: bytes
    exit_code: int


async def run(folder: Path) -> Seen:
    (folder / "served.py").write_text(APP)
    upstream = Echo()
    async with listening(upstream) as url:
        told = {"HF_TOKEN": TOKEN, "UPSTREAM_URL": url, "REQUESTS_PER_MINUTE": "1000", "DRAIN_SECONDS": "0"}
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "uvicorn", "served:app", "--port", "0", "--log-level", "trace"],
            *["--app-dir", str(folder)],
            cwd=ROOT,
            env=os.environ | told | {"PYTHONASYNCIODEBUG": "1", "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        started = await process.stdout.readuntil(b"Press CTRL+C")
        output = asyncio.create_task(process.stdout.read())
        port = int(re.findall(rb"http://127\.0\.0\.1:(\d+)", started)[-1])
        answers = {}
        for name, upstream.say in ECHOES.items():
            for stream in (False, True):
                answers[f"{name}, {stream=}"] = await spoken(port, post(question(stream=stream)))
        answers["422"] = await spoken(port, post(b'{"model": 1}'))
        answers["description"] = await spoken(
            port, b"GET /openapi.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )

        upstream.say, upstream.hold = STREAM, True
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(question(stream=True)))
        await reader.readuntil(b"Well")
        process.send_signal(signal.SIGTERM)
        last = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
        writer.close()
        exit_code = await asyncio.wait_for(process.wait(), PATIENCE_SECONDS)
        return Seen(upstream.asked, answers, last, started + await output, exit_code)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return asyncio.run(run(tmp_path_factory.mktemp("served")))


def test_no_byte_that_leaves_shows_the_token(seen: Seen) -> None:
    assert [name for name, answer in seen.answers.items() if shows_the_token(answer)] == []
    assert not shows_the_token(seen.last)
    assert seen.asked == {b"POST /v1/chat/completions HTTP/1.1"}  # it went where it belongs, and in no address


def test_no_log_shows_the_token(seen: Seen) -> None:
    assert b'"cause": 401' in seen.output
    assert b"TRACE" in seen.output
    assert not shows_the_token(seen.output)


def test_each_of_them_got_an_answer(seen: Seen) -> None:
    statuses = {name: int(answer[9:12]) for name, answer in seen.answers.items()}

    assert set(statuses.values()) == {200, 400, 422, 429, 502}
    assert statuses["bad gzip, stream=False"] == 502  # httpx2.DecodingError is no TransportError


def test_sigterm_ends_streams_with_an_event_and_the_process_of_it(seen: Seen) -> None:
    """uvicorn raises the signal again at its end, so whoever started it sees what it ended of."""
    assert b'event: error\ndata: {"error": {"code": "shutting_down"' in seen.last
    assert seen.last.endswith(b"0\r\n\r\n")
    assert b"Application shutdown complete" in seen.output
    assert seen.exit_code == -signal.SIGTERM
