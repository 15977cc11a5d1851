"""A server that follows a script, and a clock that nobody waits for: for the checks of HTTP clients.

It stands below `requests`, in the place of the adapter, so that no socket is opened and no second passes. What it
hands up are the objects of requests and urllib3 themselves, with the errors that they raise on a wire (urllib3 2.8.0,
requests 2.34.2, each seen there).
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import IncompleteRead
from typing import Any, Literal

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

ROUTER = "http://router.test/v1"
FOREVER = 100_000.0  # what a call without a time-out waits, in virtual seconds
Break = Literal["refused", "connect timeout", "reset", "hang", "bad header"]


class VirtualClock:
    """Stands in for the module `time`: `sleep` moves it at once, and `slept` keeps what was asked for."""

    def __init__(self, start: float = 1_793_000_000.0) -> None:
        self.start, self.passed, self.slept = start, 0.0, list[float]()

    def monotonic(self) -> float:
        return self.passed

    def time(self) -> float:
        return self.start + self.passed

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds


@dataclass(frozen=True)
class Reply:
    """An answer: `pieces` of a body, `gap` seconds before each, then its end.

    ends: "well", "cut" (as a chunked or counted body that breaks off), "stall" (silence), "close" (the end of a body
    that nobody counted, so its cut cannot be seen).
    """

    status: int = 200
    pieces: tuple[bytes, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    gap: float = 0.0
    ends: Literal["well", "cut", "stall", "close"] = "well"


@dataclass(frozen=True)
class Sent:
    """A request as it arrived. timeout: (connect, read) in seconds, None for one that was not given.

    streamed: whether the body of the answer was left to be read.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any
    timeout: tuple[float | None, float | None]
    at: float
    streamed: bool


Step = Reply | Break


def answer(text: str = "Yes.", headers: Mapping[str, str] | None = None, finish_reason: str = "stop") -> Reply:
    """A whole chat completion, as the router sends it (huggingface/hub-docs, tasks/chat-completion.md, 2026-08-22)."""
    body = {
        "id": "chatcmpl-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}],
        "usage": USAGE,
    }
    return Reply(200, (json.dumps(body).encode(),), {"Content-Type": "application/json", **(headers or {})})


def refusal(status: int, error: Any = "no", headers: Mapping[str, str] | None = None, **more: object) -> Reply:
    """An answer that is none; `error` is a text or an object, as the router has both."""
    body = json.dumps({"error": error, **more}).encode()
    return Reply(status, (body,), {"Content-Type": "application/json", **(headers or {})})


USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
DONE = b"data: [DONE]\n\n"


def event(payload: object) -> bytes:
    return f"data: {json.dumps(payload, ensure_ascii=False)}\n\n".encode()


def delta(text: str | None, finish_reason: str | None = None) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}]})


def stream(*pieces: bytes, ends: Literal["well", "cut", "stall", "close"] = "well", gap: float = 0.0) -> Reply:
    """A stream of events, each of the `pieces` as its own read."""
    return Reply(200, pieces, {"Content-Type": "text/event-stream"}, gap, ends)


def whole_stream(*texts: str) -> Reply:
    """Text, finish reason, usage without choices, [DONE]: as the router sends it."""
    return stream(*map(delta, texts), delta("", "stop"), event({"choices": [], "usage": USAGE}), DONE)


class ScriptedAdapter(HTTPAdapter):
    """Answers the requests of one session by `steps`; the last one goes on for ever.

    sent: what arrived. lent, returned: connections given out, and given back. read_up: bodies read to their end, after
    which a connection can be used again.
    """

    def __init__(self, steps: Iterable[Step], clock: VirtualClock) -> None:
        super().__init__()
        self._steps, self.clock = list(steps), clock
        self.sent: list[Sent] = []
        self.lent = self.returned = self.read_up = 0

    def send(  # type: ignore[override]  # the adapters' own signature has more than we need
        self, request: requests.PreparedRequest, timeout: Any = None, stream: bool = False, **_: object
    ) -> requests.Response:
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        if any(seconds is not None and seconds <= 0 for seconds in (connect, read)):  # as urllib3 refuses it
            raise ValueError("the timeout cannot be set to a value less than or equal to 0.")
        body = json.loads(request.body) if request.body else None
        headers = dict(request.headers)
        self.sent.append(
            Sent(request.method or "", request.url or "", headers, body, (connect, read), self.clock.passed, stream)
        )
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, Reply):
            return self._reply(step, request, read)
        raise self._broken(step, request, connect, read)

    def _reply(self, reply: Reply, request: requests.PreparedRequest, read: float | None) -> requests.Response:
        self.lent += 1
        connection = _Connection(_Socket(read))
        body = _Body(reply, self.clock, connection.sock, self._count_end)
        stand_ins: Any = {"original_response": body, "pool": self, "connection": connection}  # of a few methods each
        raw = urllib3.HTTPResponse(body, reply.headers, reply.status, preload_content=False, **stand_ins)
        return self.build_response(request, raw)

    def _count_end(self) -> None:
        self.read_up += 1

    def _put_conn(self, connection: object) -> None:  # what urllib3 calls on the pool that a connection came from
        self.returned += 1

    def _broken(
        self, how: Break, request: requests.PreparedRequest, connect: float | None, read: float | None
    ) -> Exception:
        pool: Any = urllib3.HTTPConnectionPool("router.test")
        url = request.url or ""
        if how == "refused":
            refused = NewConnectionError(pool._new_conn(), "[Errno 111] Connection refused")
            return requests.ConnectionError(MaxRetryError(pool, url, refused), request=request)
        if how == "connect timeout":
            self.clock.passed += FOREVER if connect is None else connect
            late = ConnectTimeoutError(pool, "timed out")
            return requests.ConnectTimeout(MaxRetryError(pool, url, late), request=request)
        if how == "hang":
            self.clock.passed += FOREVER if read is None else read
            return requests.ReadTimeout(ReadTimeoutError(pool, url, "Read timed out."), request=request)
        if how == "bad header":  # http.client on a line break in a header that an auth object has set
            return ValueError(f"Invalid header value {request.headers['Authorization'].encode()!r}")
        lost = ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
        return requests.ConnectionError(lost, request=request)


class _Socket:
    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout

    def settimeout(self, seconds: float | None) -> None:
        self.timeout = seconds


class _Connection:
    def __init__(self, sock: _Socket) -> None:
        self.sock = sock

    def close(self) -> None:
        pass


class _Body(io.RawIOBase):
    """What http.client's response is to urllib3: read, read1, and closed at its end."""

    def __init__(self, reply: Reply, clock: VirtualClock, sock: _Socket, at_end: Callable[[], None]) -> None:
        self._pieces, self._reply, self._clock, self._socket = list(reply.pieces), reply, clock, sock
        self._at_end = at_end
        self._begun = False
        self.msg = Message()  # where requests looks for cookies

    def isclosed(self) -> bool:
        return self.closed

    def read1(self, amount: int = -1) -> bytes:
        if not self._pieces:
            return self._end()
        if not self._begun:  # the gap is before a piece, not within it
            self._wait(self._reply.gap)
        piece = self._pieces.pop(0)
        self._begun = 0 <= amount < len(piece)
        if self._begun:
            self._pieces.insert(0, piece[amount:])
            piece = piece[:amount]
        return piece

    def read(self, amount: int | None = -1) -> bytes:
        wanted = -1 if amount is None else amount
        got = b""
        while wanted < 0 or len(got) < wanted:  # as a real one: it returns when it has all that was asked for
            piece = self.read1(wanted - len(got) if wanted >= 0 else -1)
            if not piece:
                break
            got += piece
        return got

    def _wait(self, seconds: float) -> None:
        patience = FOREVER if self._socket.timeout is None else self._socket.timeout
        self._clock.passed += min(seconds, patience)
        if seconds > patience:
            raise TimeoutError("timed out")

    def _end(self) -> bytes:
        if self._reply.ends == "stall":
            self._wait(FOREVER + 1)
        if self._reply.ends == "cut":
            raise IncompleteRead(b"")
        if not self.closed:
            self._at_end()
        self.close()
        return b""
