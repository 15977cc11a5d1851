"""An event loop on which nobody waits: for the checks of what is done while nothing happens."""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
CLOCKS = ("monotonic", "perf_counter", "time")


class _Jumping(selectors.SelectSelector):
    """A selector that never sleeps: when nothing is ready, its clock jumps to the time of the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        self.seconds += 0 if ready else timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.seconds


def run(work: Coroutine[Any, Any, T], names: dict[str, Any]) -> T:
    """What `work` returns, on a loop whose hours pass at once. names: the globals of the code under test.

    There the module `time` and its clocks show the loop's time meanwhile; everywhere else they stay, because a kernel
    lives by them. Left out: a clock that is imported inside of a function, and the time that other threads work.
    """
    with asyncio.Runner(loop_factory=_Loop) as runner, pytest.MonkeyPatch.context() as patch:
        clocks = dict.fromkeys(CLOCKS, runner.get_loop().time)
        stand_ins: dict[int, Any] = {id(getattr(time, name)): clock for name, clock in clocks.items()}
        stand_ins[id(time)] = SimpleNamespace(**vars(time) | clocks)
        for name, value in list(names.items()):
            if id(value) in stand_ins:
                patch.setitem(names, name, stand_ins[id(value)])
        return runner.run(work)
