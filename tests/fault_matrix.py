"""`make faults`: what four clients do under every failure, by running them, written to data/fault_matrix.toml.

The first client and the finished one are those of lesson 04.
"""

import json
import random
from importlib.metadata import version
from typing import Any

from course import sandbox
from course.definitions import solved_names
from course.exercises import ROOT
from course.files import write_whole
from course.four_clients import MODEL, PATIENCE_SECONDS, PLANS, STREAM_PLANS, Ask, clients, watch
from course.sandbox import faults

FILE = ROOT / "data" / "fault_matrix.toml"
CLIENTS = ("first", "ours", "InferenceClient", "openai")
_SHAPES: tuple[faults.Body, ...] = ("object", "string", "list", "html", "empty", "wrong_type", "invalid_json")
_HEAD = """\
# What four clients do under every failure: requests, seconds of waits between them, end. Made by `make faults`, never by hand.
# With {versions}. Time-outs of {patience} s are no part of the waits.
# "first" is the client that lesson 04 begins with, "ours" the one that it ends with.
"""  # noqa: E501 - the first line is one line of the file


def matrix() -> list[dict[str, str]]:
    """A row for each failure: its name, and what each client made of it."""
    with sandbox.start(credit_usd=1000) as hub:
        asks = lesson_clients(hub)
        return [
            {"fault": name, **{who: watch(hub, plan, asks[who][kind]) for who in CLIENTS}}
            for kind, plans in enumerate((PLANS | _more_plans(), STREAM_PLANS | _more_streams()))
            for name, plan in plans.items()
        ]


def lesson_clients(hub: sandbox.Sandbox, seconds: float = PATIENCE_SECONDS) -> dict[str, tuple[Ask, Ask]]:
    """The four clients, two of them as lesson 04 solves them. seconds: the time-outs of all but the first."""
    lesson = solved_names("04")
    token, address = hub.tokens["fine_grained"], f"{hub.router}/v1"
    session = lesson["build_session"](lesson["BearerAuth"](token), retries=0)
    dice = random.Random(4)
    ours = lesson["StreamingChatClient"](session, address, MODEL, timeouts=(seconds, seconds), rng=dice)
    return clients(hub, lesson["FirstClient"](f"{address}/chat/completions", token), ours, seconds)


def _more_plans() -> dict[str, list[Any]]:
    """The failures that the lesson has no room for; each for ever, unless its name says otherwise."""
    shapes: dict[str, Any] = {f"503 once, body {shape}": [faults.Status(503, body=shape)] for shape in _SHAPES}
    waits: tuple[Any, ...] = (1.5, -5, "soon")
    return {
        **{str(status): [status] * 9 for status in (400, 403, 404, 408, 410, 413, 422, 500, 502)},
        **shapes,
        **{f"429 once, Retry-After {wait}": [faults.Status(429, retry_after=wait)] for wait in waits},
        "drip": [faults.Drip(interval_seconds=0, size_bytes=1)],
        "body cut, nobody counted": [faults.CutClose(after=20)],
        "redirect, same origin": [faults.Redirect("same")],
        "redirect, other host": [faults.Redirect("host")],
    }


def _more_streams() -> dict[str, list[Any]]:
    return {
        "stream, 503 once": [503],
        "stream, reset once": [faults.Reset()],
        "stream, stalls": [faults.Stall()] * 9,
        "stream, short": [faults.ShortBody()],
        "stream, error late, openai's shape": [faults.ErrorEvent(shape="object")],
        "stream, in pieces of 7 bytes": [faults.Slices(size_bytes=7)],
    }


def as_toml(rows: list[dict[str, str]]) -> str:
    """The file: a table for each row. Strings of TOML and JSON are the same for what stands in them."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("requests", "urllib3", "huggingface_hub", "openai"))
    tables = ["[[faults]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in row.items()) for row in rows]
    return "\n".join([_HEAD.format(versions=versions, patience=PATIENCE_SECONDS), *tables])


if __name__ == "__main__":
    write_whole(FILE, as_toml(matrix()))
    print(f"wrote {FILE.relative_to(ROOT)}")
