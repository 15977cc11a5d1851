"""What can go wrong on demand: one small value for each failure.

| fault | what the client gets |
|---|---|
| `Status(503)` | a whole answer with a status from 400 to 599, in any shape of body, with or without times to wait |
| `Redirect("same")` | a redirect to the same origin, to another port, or to another host name |
| `LoginPage()` | 200, and an HTML page where an answer was due |
| `Reset()` | the connection is reset (TCP RST) before any byte of the answer |
| `Hang()` | the connection stays open and silent |
| `Drip()` | the answer, a few bytes at a time |
| `Stall()` | the beginning of the answer, then silence |
| `ShortBody()` | fewer bytes than Content-Length promised, then the end of the connection |
| `CutChunk()` | a chunked answer that ends without its last chunk |
| `CutClose()` | an answer whose end is the end of the connection, which comes too early: nobody can tell |
| `ErrorEvent()` | 200, the beginning of the stream, then an event with an error |
| `NoDone()` | a stream that ends cleanly, without `[DONE]` |
| `Slices()` | the right answer, cut into chunks at any byte |
| `Pass()` | the right answer: a place in a script where nothing goes wrong |

A refused connection is no request, so no script can order it: `Sandbox.refused_url` is an address where nobody listens.

Left out: failures below TCP (lost packets, no route, names that do not resolve) and of TLS.
"""

import math
from dataclasses import fields
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Side = Literal["hub", "router"]
Unit = Literal["events", "bytes"]
Body = Literal["usual", "object", "string", "list", "html", "empty", "wrong_type", "invalid_json"]
ErrorType = Literal["overloaded", "generation", "incomplete_generation", "validation"]

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
HeaderText = Annotated[str, Field(pattern=r"^([!-~]([ -~]*[!-~])?)?$")]  # what HTTP allows on one line
_STRICT = ConfigDict(extra="forbid", defer_build=True)  # validators are made when a fault is: starting stays quick


@dataclass(frozen=True, config=_STRICT)
class DateIn:
    """A time to wait, told as an HTTP date that many seconds from now on the sandbox's clock; below zero it is past."""

    date_in_seconds: Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, config=_STRICT)
class Fault:
    """The ancestor of all. `str` names a fault with what differs from its defaults: "Stall(after=1)"."""

    def __str__(self) -> str:
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        usual = {field.name: field.default for field in fields(self)}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in told.items() if v != usual[k])})"


@dataclass(frozen=True, config=_STRICT)
class Pass(Fault):
    """No fault. In a script, the number 200 says the same."""


@dataclass(frozen=True, config=_STRICT)
class Status(Fault):
    """A whole answer with this status.

    body: "usual" is what a real server sends with the status. "object", "string" and "list" are three shapes of `error`
    in JSON; "html" a page; "wrong_type" JSON that is called text/plain; "invalid_json" half of a JSON object.
    retry_after: the header Retry-After. A number is sent as it is, whole or not, a text too ("soon", "-5", "nan"), a
    `DateIn` as an HTTP date. rate_limit: (requests left, seconds to reset) for the header RateLimit.
    """

    status: Annotated[int, Field(ge=400, le=599)]
    body: Body = "usual"
    retry_after: int | float | HeaderText | DateIn | None = None
    rate_limit: tuple[Count, Count] | None = None

    def wait_seconds(self) -> int | None:
        """The wait in whole seconds if `retry_after` is a number that makes sense, for a header that needs one."""
        wait = self.retry_after
        return math.ceil(wait) if isinstance(wait, int | float) and 0 <= wait < math.inf else None


@dataclass(frozen=True, config=_STRICT)
class Redirect(Fault):
    """A redirect of the same path to: "same", this origin; "port", another port; "host", this port as "localhost".

    Where it leads, the sandbox answers as ever. `Sandbox.requests` shows whether the token came along.
    """

    to: Literal["same", "port", "host"]
    status: Literal[301, 302, 303, 307, 308] = 307


@dataclass(frozen=True, config=_STRICT)
class LoginPage(Fault):
    """200 and a page that asks to log in, as networks of hotels and proxies of companies send it; in our own words."""


@dataclass(frozen=True, config=_STRICT)
class Reset(Fault):
    """The connection breaks as the request has arrived. Nothing was worked on."""


@dataclass(frozen=True, config=_STRICT)
class Hang(Fault):
    """Silence until the client leaves, or `Sandbox.release()` lets the answer go. The answer is worked out, and billed.

    clock_seconds: so much passes on the sandbox's clock meanwhile, at once.
    """

    clock_seconds: Seconds = 0


@dataclass(frozen=True, config=_STRICT)
class Drip(Fault):
    """The body in pieces of `size_bytes`, `interval_seconds` of real time apart; headers come at once.

    clock_seconds: so much passes on the sandbox's clock before each piece, at once. With an interval of 0 a client that
    reads this clock sees a slow answer without anybody waiting.
    """

    interval_seconds: Seconds = 0.01
    size_bytes: Annotated[int, Field(ge=1)] = 16
    clock_seconds: Seconds = 0


@dataclass(frozen=True, config=_STRICT)
class _Partial(Fault):
    """A fault after the first `after` events of a stream, or bytes of it; of any other answer, bytes in any case."""

    after: Count = 3
    unit: Unit = "events"


@dataclass(frozen=True, config=_STRICT)
class Stall(_Partial):
    """Silence in the middle, until the client leaves or `Sandbox.release()` lets the rest go.

    clock_seconds: so much passes on the sandbox's clock meanwhile, at once.
    """

    clock_seconds: Seconds = 0


@dataclass(frozen=True, config=_STRICT)
class ShortBody(_Partial):
    """The header Content-Length tells the length of the whole body, the connection ends before."""


@dataclass(frozen=True, config=_STRICT)
class CutChunk(_Partial):
    """Transfer-Encoding: chunked, and the connection ends between two chunks."""


@dataclass(frozen=True, config=_STRICT)
class CutClose(_Partial):
    """Neither Content-Length nor chunks, as HTTP/1.0 does it: the body ends where the connection ends."""


@dataclass(frozen=True, config=_STRICT)
class ErrorEvent(Fault):
    """After `after` events, one with an error, then a clean end. Of any other answer, the error is the body.

    shape: "string" is {"error": "...", "error_type": ...}, "object" is {"error": {"message": ...}}.
    Source of the string: huggingface_hub 2.4.0 inference/_common.py, which raises an error named after error_type.
    """

    shape: Literal["string", "object"] = "string"
    error_type: ErrorType = "overloaded"
    after: Count = 3


@dataclass(frozen=True, config=_STRICT)
class NoDone(Fault):
    """A stream without [DONE] that ends cleanly, after `after` events or all of them. Other answers stay whole."""

    after: Count | None = None


@dataclass(frozen=True, config=_STRICT)
class Slices(Fault):
    """The right answer in chunks of `size_bytes`; with `at`, cut at these bytes instead."""

    size_bytes: Annotated[int, Field(ge=1)] = 1
    at: tuple[Count, ...] = ()


KINDS: dict[str, type[Fault]] = {
    kind.__name__: kind
    for kind in (Status, Redirect, LoginPage, Reset, Hang, Drip, Stall, ShortBody, CutChunk, CutClose,
                 ErrorEvent, NoDone, Slices, Pass)
}  # fmt: skip
