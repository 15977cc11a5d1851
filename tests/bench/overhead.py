"""What a client costs on top of plain `requests`: a call, and a streamed one, on the same sandbox, interleaved."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests

from course import sandbox
from tests.bench_proxy.figures import percentile
from tests.fault_matrix import lesson_clients

_WARM_UP = 10
_QUESTION = "What is a read token?"


def lines(rounds: int = 300) -> Iterator[str]:
    """One line for each client: median and 95th percentile, as ratios to plain requests.

    All streams have the same events, so the ratio of a streamed call is that of an event.
    """
    with sandbox.start(credit_usd=1000) as hub:
        calls = {"requests": _plain(hub), **lesson_clients(hub, seconds=10.0)}
        del calls["first"]
        asks = [{name: call[kind] for name, call in calls.items()} for kind in (0, 1)]
        whole, streamed = (_measured(kind, rounds) for kind in asks)
    for name in calls:
        ratios = [
            f"{percentile(seconds[name], percent) / percentile(seconds['requests'], percent):.2f}"
            for seconds in (whole, streamed)
            for percent in (50, 95)
        ]
        yield "  {:<16} call {} (p95 {})   streamed {} (p95 {})".format(name, *ratios)


def _plain(hub: sandbox.Sandbox) -> tuple[Callable[[], object], Callable[[], object]]:
    session, url = requests.Session(), f"{hub.router}/v1/chat/completions"
    session.headers["Authorization"] = f"Bearer {hub.tokens['fine_grained']}"
    body: dict[str, Any] = {
        "model": "openai/gpt-oss-120b",
        "messages": [{"role": "user", "content": _QUESTION}],
    }

    def call() -> object:
        return session.post(url, json=body, timeout=10).json()

    def stream() -> object:
        with session.post(url, json=body | {"stream": True}, timeout=10, stream=True) as answer:
            return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith(b"data: {")]

    return call, stream


def _measured(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, every client once a round, so that all see the same machine."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(_WARM_UP + rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if number >= _WARM_UP:
                seconds[name].append(time.perf_counter() - began)
    return seconds
