"""An event loop on which nobody waits: for the checks of what is done while nothing happens."""

import asyncio
import selectors
import time
from collections.abc import Coroutine
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
    """What `work` returns, on a loop whose hours pass at once. names: the globals of the learner's code.

    The clocks of the module `time` show the loop's time meanwhile, also under a name that the learner imported. Left
    out: a thread that works while the loop waits; its work takes no time here.
    """
    with asyncio.Runner(loop_factory=_Loop) as runner, pytest.MonkeyPatch.context() as patch:
        for clock in CLOCKS:
            real, virtual = getattr(time, clock), runner.get_loop().time
            patch.setattr(time, clock, virtual)
            for name in [name for name, value in names.items() if value is real]:
                patch.setitem(names, name, virtual)
        return runner.run(work)
