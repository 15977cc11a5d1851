"""Requests at a fixed rate, whatever became of those before: each is late from the moment when it was due.

A loop that waits for an answer before it asks again would leave out just the requests that a slow server delays.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Seconds, and how to let some pass."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Answer:
    """What a client saw. first_at, done_at: by the clock, at the first byte of the body and at its end."""

    first_at: float
    done_at: float
    ok: bool
    events: int = 0


@dataclass(frozen=True)
class Sample:
    """One request. first_seconds, done_seconds: from the moment when it was due."""

    target: str
    first_seconds: float
    done_seconds: float
    ok: bool


def schedule(targets: list[str], rate: float, seconds: float, seed: int = 0) -> Iterator[tuple[float, str]]:
    """When whom to ask: `rate` requests a second for each target, in turn, each turn in an order of its own."""
    order, dice = list(targets), random.Random(seed)
    for turn in range(round(rate * seconds)):
        dice.shuffle(order)
        for place, target in enumerate(order):
            yield (turn + place / len(order)) / rate, target


async def open_loop(
    due: Iterable[tuple[float, str]], ask: Callable[[str], Awaitable[Answer]], clock: Clock
) -> list[Sample]:
    """Ask at the given moments (seconds from now); an exception counts as an answer that is not ok."""

    async def one(due_at: float, target: str) -> Sample:
        try:
            answer = await ask(target)
        except Exception:
            answer = Answer(clock.now(), clock.now(), ok=False)
        return Sample(target, answer.first_at - due_at, answer.done_at - due_at, answer.ok)

    began, asked = clock.now(), []
    for offset, target in due:
        pause = began + offset - clock.now()
        if pause > 0:
            await clock.sleep(pause)
        asked.append(asyncio.create_task(one(began + offset, target)))
    return list(await asyncio.gather(*asked))
