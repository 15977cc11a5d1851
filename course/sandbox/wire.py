"""Faults on the wire: what each does to an answer that was right, and to its connection."""

import json
from dataclasses import replace
from itertools import pairwise

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from course.sandbox.clock import Clock
from course.sandbox.faults import (
    CutChunk,
    CutClose,
    Drip,
    ErrorEvent,
    Fault,
    Hang,
    NoDone,
    Reset,
    ShortBody,
    Slices,
    Stall,
)
from course.sandbox.gate import Gate
from course.sandbox.line import Answer, Line, answer_of

_DONE = b"data: [DONE]\n\n"


class Wire:
    """Plays faults. Held connections wait at `gate`; faults that take time move `clock`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.gate = Gate()

    async def play(self, fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of `app`, wrongly."""
        if isinstance(fault, Reset):
            # A client that is still sending would meet the end there, and take it for another failure.
            await Request(scope, receive).body()
            async with Line(self.gate, scope, receive, send) as line:
                await line.reset()
            return
        answer = await answer_of(app, scope, receive)  # before the line, which takes `receive` for itself
        async with Line(self.gate, scope, receive, send) as line:
            await self._send(fault, answer, line)

    async def _send(self, fault: Fault, answer: Answer, line: Line) -> None:
        match fault:
            case Hang():
                await self._hang(fault, answer, line)
            case Stall():
                await self._stall(fault, answer, line)
            case Drip():
                await self._drip(fault, answer, line)
            case ShortBody():
                await _cut(line, answer.sized(), answer.first(fault.after, fault.unit))
            case CutChunk():
                await _cut(line, answer.chunked(), answer.first(fault.after, fault.unit))
            case CutClose():
                await line.send_until_close(replace(answer, body=answer.first(fault.after, fault.unit)))
            case ErrorEvent():
                await line.send(with_error(answer, fault))
            case NoDone():
                await line.send(without_done(answer, fault))
            case Slices():
                await line.send(answer.chunked(), slices(answer.body, fault))

    async def _hang(self, fault: Hang, answer: Answer, line: Line) -> None:
        self._clock.advance(fault.clock_seconds)
        if await line.hold():
            await line.send(answer)

    async def _stall(self, fault: Stall, answer: Answer, line: Line) -> None:
        first = answer.first(fault.after, fault.unit)
        await line.begin(answer)
        await line.write(first)
        self._clock.advance(fault.clock_seconds)
        if await line.hold():
            await line.write(answer.body[len(first) :])
            await line.finish()

    async def _drip(self, fault: Drip, answer: Answer, line: Line) -> None:
        await line.begin(answer)
        for piece in slices(answer.body, Slices(fault.size_bytes)):
            self._clock.advance(fault.clock_seconds)
            if not await line.pause(fault.interval_seconds):
                return
            await line.write(piece)
        await line.finish()


async def _cut(line: Line, answer: Answer, first: bytes) -> None:
    await line.begin(answer)
    await line.write(first)
    await line.hang_up()


def with_error(answer: Answer, fault: ErrorEvent) -> Answer:
    """The beginning of a stream and an event with an error; of another answer, the error alone."""
    message = {"overloaded": "Model is overloaded"}.get(fault.error_type, f"The request failed: {fault.error_type}")
    if fault.shape == "string":
        body = json.dumps({"error": message, "error_type": fault.error_type})
    else:
        body = json.dumps({"error": {"message": message, "type": fault.error_type, "param": None, "code": None}})
    if not answer.is_stream:
        return replace(answer, body=body.encode()).sized()
    return replace(answer, body=answer.first(fault.after, "events") + f"data: {body}\n\n".encode())


def without_done(answer: Answer, fault: NoDone) -> Answer:
    """A stream without its mark of the end, and without what comes after `fault.after` events."""
    if not answer.is_stream:
        return answer
    events = [event for event in answer.events() if event != _DONE]
    return replace(answer, body=b"".join(events[: fault.after]))


def slices(body: bytes, fault: Slices) -> list[bytes]:
    """`body` cut as the fault says. No piece is empty.

    >>> slices(b"abcd", Slices(at=(1, 3)))
    [b'a', b'bc', b'd']
    """
    places = fault.at or range(fault.size_bytes, len(body), fault.size_bytes)
    ends = sorted({0, len(body), *(place for place in places if place < len(body))})
    return [body[start:end] for start, end in pairwise(ends)]
