"""`make faults`: what four clients do under every failure, by running them, written to data/fault_matrix.toml.

The clients, and the way of watching them, are those of lesson 04: its first client, its finished one, InferenceClient
and the openai SDK.
"""

import json
import threading
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from course import sandbox
from course.definitions import execute, lesson_definitions, new_namespace
from course.exercises import find_lesson
from course.files import write_whole
from course.sandbox import faults

CLIENTS = ("first", "ours", "InferenceClient", "openai")
PATIENCE_SECONDS = 3.0  # after that, a client without a time-out counts as waiting for ever
_SHAPES: tuple[faults.Body, ...] = ("object", "string", "list", "html", "empty", "wrong_type", "invalid_json")
_HEAD = """\
# What four clients do under every failure: requests, seconds of waits between them, end. Made by `make faults`, never by hand.
# With {versions}. Time-outs of 0.3 s are no part of the waits.
# "first" is the client that lesson 04 begins with, "ours" the one that it ends with.
"""  # noqa: E501 - the first line is one line of the file


def matrix() -> list[dict[str, str]]:
    """A row for each failure: its name, and what each client made of it."""
    lesson = new_namespace("lesson_04_clients")
    execute(lesson_definitions(find_lesson("04")), lesson)
    with sandbox.start(credit_usd=1000) as hub:
        asks = lesson["clients"](hub)
        rows = []
        for kind, plans in enumerate((lesson["PLANS"] | _more_plans(), lesson["STREAM_PLANS"] | _more_streams())):
            for name, plan in plans.items():
                cells = {who: _patiently(hub, partial(lesson["watch"], hub, plan, asks[who][kind])) for who in CLIENTS}
                rows.append({"fault": name, **cells})
    return rows


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
        "stream, one byte at a time": [faults.Slices()],
    }


def _patiently(hub: sandbox.Sandbox, watch: Any) -> str:
    """What `watch` says; if it says nothing for long, that, once the server has let it go."""
    said: list[str] = []
    worker = threading.Thread(target=lambda: said.append(watch()), daemon=True)
    worker.start()
    worker.join(PATIENCE_SECONDS)
    if not worker.is_alive():
        return said[0]
    calls = len(hub.requests)
    hub.faults.clear()
    hub.release()
    worker.join(PATIENCE_SECONDS)
    return f"{calls}, waits for ever"


def as_toml(rows: list[dict[str, str]]) -> str:
    """The file: a table for each row. Strings of TOML and JSON are the same for what stands in them."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("requests", "urllib3", "huggingface_hub", "openai"))
    tables = ["[[faults]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in row.items()) for row in rows]
    return "\n".join([_HEAD.format(versions=versions), *tables])


def write_matrix(root: Path) -> int:
    """Run every client under every failure and write the file."""
    path = root / "data" / "fault_matrix.toml"
    write_whole(path, as_toml(matrix()))
    print(f"wrote {path.relative_to(root)}")
    return 0
