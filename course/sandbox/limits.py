"""Rate limits of the Hub: three buckets, counted in fixed windows on the sandbox's clock."""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path

from course.sandbox.clock import Clock

TABLE = Path(__file__).parents[2] / "data" / "sandbox" / "rate_limits.toml"


@dataclass(frozen=True)
class Usage:
    """How full one bucket is after a request. remaining: requests left; reset_seconds: until the window ends."""

    bucket: str
    quota: int
    remaining: int
    reset_seconds: int
    window_seconds: int
    exceeded: bool

    def headers(self) -> dict[str, str]:
        """The two headers on every answer of the Hub.

        Source: huggingface/hub-docs docs/hub/rate-limits.md, 2026-08-22, after draft-ietf-httpapi-ratelimit-headers-09.
        Left out: Retry-After, which the Hub does not send with these (observed, third-party).
        """
        return {
            "RateLimit": f'"{self.bucket}";r={self.remaining};t={self.reset_seconds}',
            "RateLimit-Policy": f'"fixed window";"{self.bucket}";q={self.quota};w={self.window_seconds}',
        }


def bucket_of(path: str) -> str:
    """Source: huggingface/hub-docs docs/hub/rate-limits.md, 2026-08-22. Left out: the unpublished limits per action."""
    if "/resolve/" in path:
        return "resolvers"
    return "api" if path.startswith("/api/") else "pages"


class RateLimits:
    """Counts requests per caller and bucket. Quotas come from data/sandbox/rate_limits.toml, which carries its date."""

    def __init__(self, clock: Clock, table: Path = TABLE) -> None:
        data = tomllib.loads(table.read_text(encoding="utf-8"))
        self._clock = clock
        self._window_seconds: int = data["window_seconds"]
        self.quotas: dict[str, dict[str, int]] = data["plans"]
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}

    def count(self, caller: str, plan: str, bucket: str) -> Usage:
        """Count one request of `caller` ("user learner", "ip 127.0.0.1"). Refused requests are counted, too."""
        now = self._clock.now()
        window = int(now // self._window_seconds)
        last_window, used = self._counts.get((caller, bucket), (window, 0))
        used = used + 1 if last_window == window else 1
        self._counts[caller, bucket] = (window, used)
        quota = self.quotas[plan][bucket]
        return Usage(
            bucket=bucket,
            quota=quota,
            remaining=max(0, quota - used),
            reset_seconds=max(1, math.ceil((window + 1) * self._window_seconds - now)),
            window_seconds=self._window_seconds,
            exceeded=used > quota,
        )
