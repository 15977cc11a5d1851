"""Four clients of the router, and what each does while the router fails as planned. For lesson 04 and `make faults`.

Two come from the lesson, the one that it begins with and the one that it ends with; two are libraries, imported only
when they are asked for.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

from course import sandbox
from course.sandbox import faults

MODEL = "openai/gpt-oss-120b"
QUESTION = "What is a read token?"
PATIENCE_SECONDS = (
    0.6  # the time-out of each client but the first; shorter, and a busy machine is taken for a silent one
)
QUIET_SECONDS = 2.0  # no request and no end for so long: only a client without any time-out does that

Ask = Callable[[], object]
Plan = Sequence[Any]

PLANS: dict[str, Plan] = {
    "401": [401],
    "402": [402],
    "503, 503, 200": [503, 503, 200],
    "504 for ever": [504] * 9,
    "429, Retry-After 2": [faults.Status(429, retry_after=2)],
    "429, RateLimit t=20": [faults.Status(429, rate_limit=(0, 20))],
    "429, Retry-After 3600": [faults.Status(429, retry_after=3600)] * 9,
    "reset": [faults.Reset()],
    "silence": [faults.Hang()] * 9,
    "login page": [faults.LoginPage()],
    "redirect": [faults.Redirect("port")],
    "body cut": [faults.ShortBody(after=20)],
}
STREAM_PLANS: dict[str, Plan] = {
    "stream, no fault": [200],
    "stream, cut": [faults.CutChunk()],
    "stream, cut unseen": [faults.CutClose()],
    "stream, error late": [faults.ErrorEvent()],
    "stream, error first": [faults.ErrorEvent(after=0)],
    "stream, no [DONE]": [faults.NoDone()],
    "stream, login page": [faults.LoginPage()],
}


def clients(
    hub: sandbox.Sandbox, first: Any, ours: Any, seconds: float = PATIENCE_SECONDS
) -> dict[str, tuple[Ask, Ask]]:
    """By name: a whole answer and a streamed one, from each client. seconds: the time-out of the two libraries."""
    from huggingface_hub import InferenceClient
    from openai import OpenAI

    token, address = hub.tokens["fine_grained"], f"{hub.router}/v1"
    asked: Any = [{"role": "user", "content": QUESTION}]
    face = InferenceClient(base_url=address, api_key=token, timeout=seconds).chat_completion
    opened = OpenAI(base_url=address, api_key=token, timeout=seconds).chat.completions.create

    def whole(create: Callable[..., Any]) -> object:
        return create(messages=asked, model=MODEL).choices[0].message.content

    def streamed(create: Callable[..., Any]) -> object:
        chunks = create(messages=asked, model=MODEL, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    return {
        "first": (lambda: first.ask(QUESTION), lambda: list(first.stream(QUESTION))),
        "ours": (lambda: ours.complete(asked), lambda: list(ours.stream(asked))),
        "InferenceClient": (partial(whole, face), partial(streamed, face)),
        "openai": (partial(whole, opened), partial(streamed, opened)),
    }


@contextmanager
def noted_waits() -> Iterator[list[float]]:
    """Whatever this thread would sleep is noted instead; other threads sleep as ever."""
    waits: list[float] = []
    sleep, here = time.sleep, threading.get_ident()

    def noted(seconds: float) -> None:
        if threading.get_ident() == here:
            waits.append(seconds)
        else:
            sleep(seconds)

    with patch("time.sleep", noted):
        yield waits


def watch(hub: sandbox.Sandbox, plan: Plan, ask: Ask) -> str:
    """What came of one call while the router does as planned: requests, seconds of waiting, end."""
    hub.faults.clear()
    hub.forget()
    hub.script(plan, on="router")
    random.seed(4)  # openai's jitter
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(_told, hub, ask)
        sent = -1
        while not told.done() and len(hub.requests) > sent:
            sent = len(hub.requests)
            wait([told], QUIET_SECONDS)
        if told.done():
            return told.result()
        hub.faults.clear()
        hub.release()
        return f"{sent}, waits for ever"


def _told(hub: sandbox.Sandbox, ask: Ask) -> str:
    with noted_waits() as waits:
        try:
            answer = ask()
            ended = "error as a value" if isinstance(answer, dict) and "error" in answer else "answer"
        except NotImplementedError:  # an exercise that is still open
            raise
        except Exception as error:
            ended = type(error).__name__
    return f"{len(hub.requests)}, {sum(waits):.1f} s, {ended}"


def table(hub: sandbox.Sandbox, plans: Mapping[str, Plan], asks: Mapping[str, Ask]) -> str:
    """A line for each plan, a column for each client."""
    rows = [("", *asks)]
    rows += [(name, *(watch(hub, plan, ask) for ask in asks.values())) for name, plan in plans.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
