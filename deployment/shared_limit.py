"""The limit of RateLimiter for several workers: Redis counts the calls of each client.

So N workers let as many pass as one. The same three methods: `admit` asks Redis, and is awaited; `slot` stays with the
worker, whose memory it guards.
"""

import json
import time
from collections.abc import Callable

from pydantic import SecretStr
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from proxy import Limiter, TurnedAway, logger

# One step for Redis, so that no two workers take the same call. The clock is that of Redis: those of workers differ.
# A bucket is full again after a minute, so it may be forgotten then: that bounds the memory.
TAKE_ONE = """
local limit, time = tonumber(ARGV[1]), redis.call('TIME')
local now = time[1] + time[2] / 1000000
local bucket = redis.call('HMGET', KEYS[1], 'left', 'since')
local left = (tonumber(bucket[1]) or limit) + math.max(0, now - (tonumber(bucket[2]) or now)) * limit / 60
left = math.min(limit, left)
local wait = 0
if left > 1 - 1e-6 then left = left - 1 else wait = math.max(1, math.ceil((1 - left) * 60 / limit - 1e-6)) end
redis.call('HSET', KEYS[1], 'left', string.format('%.17g', left), 'since', string.format('%.17g', now))
redis.call('EXPIRE', KEYS[1], 60)
return wait
"""
PATIENCE_SECONDS = 0.2  # a call waits no longer than this for Redis
PAUSE_SECONDS = 5.0  # how long Redis is left alone after it failed


class RedisRateLimiter:
    """RateLimiter, shared. While Redis does not answer, `alone` counts: each worker for itself, as without Redis.

    That is neither open (a limit remains, N times as wide) nor closed (the proxy does not fail with Redis).
    url: redis://host:6379/0, rediss:// with TLS, unix:///path. now: in seconds, for tests.
    """

    def __init__(
        self, url: SecretStr, calls_per_minute: int, alone: Limiter, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = Redis.from_url(
            url.get_secret_value(),
            socket_timeout=PATIENCE_SECONDS,
            socket_connect_timeout=PATIENCE_SECONDS,
            retry=Retry(NoBackoff(), 1),  # once: the connection may have been closed while nobody called
        )
        self._take_one = self._redis.register_script(TAKE_ONE)
        self._limit, self._alone, self._now, self._ask_again_at = calls_per_minute, alone, now, now()
        self.client_of, self.slot = alone.client_of, alone.slot

    async def admit(self, client: str) -> None:
        """Let one call of `client` pass, or raise TurnedAway(429, seconds). Waits for Redis, briefly."""
        if self._now() < self._ask_again_at:
            self._alone.admit(client)
            return
        try:
            wait_seconds = int(await self._take_one(keys=[f"proxy:calls:{client}"], args=[self._limit]))
        except (RedisError, OSError) as error:  # its text may quote the address, so only its kind is told
            self._ask_again_at = self._now() + PAUSE_SECONDS
            logger.warning(json.dumps({"cause": type(error).__name__, "limit": "each worker counts for itself"}))
            self._alone.admit(client)
            return
        if wait_seconds:
            raise TurnedAway(429, wait_seconds)

    async def aclose(self) -> None:
        """Close the connections; the end of the process does the same."""
        await self._redis.aclose()
