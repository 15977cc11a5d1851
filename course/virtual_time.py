"""An event loop on which waiting takes no time: `await asyncio.sleep(60)` moves its clock by 60 s, at once.

So what takes minutes with a real model is the same on every run, and over in milliseconds.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class _Hasty(selectors.DefaultSelector):
    """Where the loop would wait for `timeout` seconds, its clock is moved instead."""

    def __init__(self, patience: float, began: float) -> None:
        super().__init__()
        self.patience = patience
        self.now = began

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout if timeout is None else min(timeout, self.patience))
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its clock begins at `began` seconds.

    patience: real seconds that bytes on a socket get to arrive first; 0 where no socket is used. Left out: threads are
    not waited for on its clock, as they live in real time.
    """

    def __init__(self, patience: float = 0.0, began: float = 0.0) -> None:
        self._hasty = _Hasty(patience, began)
        super().__init__(self._hasty)

    def time(self) -> float:
        return self._hasty.now


def now() -> float:
    """Seconds on the clock of the loop that runs here: a virtual one's, or the real time."""
    return asyncio.get_running_loop().time()


def run(work: Coroutine[Any, Any, T], patience: float = 0.0) -> T:
    """The result of `work`, on a virtual clock. Also where another loop runs already, as in a notebook."""

    def in_loop() -> T:
        with asyncio.Runner(loop_factory=lambda: VirtualLoop(patience)) as runner:
            return runner.run(work)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return in_loop()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(in_loop).result()
