"""The time of one sandbox: it runs like a real clock and can be moved forward."""

import threading
import time
from datetime import UTC, datetime

# A fixed start keeps dates in stored notebook outputs the same on every run. It is a multiple of
# 300 s, so a rate-limit window begins with the sandbox.
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC).timestamp()


class Clock:
    """Seconds since 1970, starting on 2026-11-02 09:00 UTC whatever the machine's own clock says."""

    def __init__(self, start: float = START) -> None:
        self.start = start
        self._moved = 0.0
        self._running_since: float | None = time.monotonic()
        self._moving = threading.Lock()  # clients in several threads may sleep on this clock

    def now(self) -> float:
        running = 0.0 if self._running_since is None else time.monotonic() - self._running_since
        return self.start + self._moved + running

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once. Raises ValueError below zero: tokens and limits know no way back."""
        if seconds < 0:
            raise ValueError(f"seconds is {seconds}, and this clock only moves forward: pass 0 or more")
        with self._moving:
            self._moved += seconds

    def freeze(self) -> None:
        """Stop the clock; from now on only `advance` moves it. Makes every printed second repeatable."""
        self._moved = self.now() - self.start
        self._running_since = None


def iso_time(seconds: float) -> str:
    """The way the Hub writes times: "2026-07-23T10:27:03.276Z"."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
