"""The limit that workers share, against a real Redis; and what becomes of it when Redis is away."""

import asyncio
import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from redis import Redis

from course import sandbox
from course.exercises import ROOT
from tests.course.proxies import QUESTION, TOKEN

PASSED = 0


@pytest.fixture(scope="module")
def shared() -> Iterator[ModuleType]:
    """deployment/shared_limit.py beside deployment/proxy.py, as in an image."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "deployment"))
        for name in ("proxy", "shared_limit"):
            patch.delitem(sys.modules, name, raising=False)
        yield import_module("shared_limit")
        for name in ("proxy", "shared_limit"):
            sys.modules.pop(name)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of its own, on a unix socket."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    path = tmp_path_factory.mktemp("redis") / "socket"
    command = [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(path.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert any("eady to accept connections" in line for line in server.stdout)
        yield f"unix://{path}"
        server.terminate()


class Moment:
    """A clock that moves when it is told to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def limiter(shared: ModuleType, url: str, calls: int, now: Moment | None = None) -> Any:
    proxy, moment = import_module("proxy"), now or Moment()
    alone = proxy.RateLimiter(proxy.Settings(hf_token=TOKEN, requests_per_minute=calls), moment)
    return shared.RedisRateLimiter(SecretStr(url), calls, alone, moment)


async def outcome(each: Any, client: str) -> int:
    """PASSED, or the seconds that the client shall wait."""
    try:
        await each.admit(client)
    except import_module("proxy").TurnedAway as refusal:
        return int(refusal.retry_after_seconds)
    return PASSED


def run(work: Coroutine[Any, Any, Any], *limiters: Any) -> Any:
    async def closed() -> Any:
        try:
            return await work
        finally:
            for each in limiters:
                await each.aclose()

    return asyncio.run(closed())


def later(url: str, client: str, seconds: float) -> None:
    """Let `seconds` pass for one client: its last call is moved into the past."""
    with Redis.from_url(url) as redis:
        redis.hincrbyfloat(f"proxy:calls:{client}", "since", -seconds)


def test_it_counts_as_the_limiter_of_one_process_does(shared: ModuleType, redis_url: str) -> None:
    moment, pauses = Moment(), [0.0, 0.0, 0.0, 0.0, 10.0, 9.0, 1.0, 0.0, 100.0, 0.0, 0.0, 0.0, 19.5]
    ours = limiter(shared, redis_url, 3)
    alone = import_module("proxy").RateLimiter(
        import_module("proxy").Settings(hf_token=TOKEN, requests_per_minute=3), moment
    )

    class Awaited:
        async def admit(self, client: str) -> None:
            alone.admit(client)

    async def both() -> list[tuple[int, int]]:
        seen = []
        for pause in pauses:
            moment.seconds += pause
            later(redis_url, "same", pause)
            seen.append((await outcome(ours, "same"), await outcome(Awaited(), "same")))
        return seen

    seen = run(both(), ours)

    assert [here for here, _ in seen] == [there for _, there in seen]
    assert [here for here, _ in seen] == [0, 0, 0, 20, 10, 1, 0, 20, 0, 0, 0, 20, 1]


def test_many_at_once_take_no_call_twice(shared: ModuleType, redis_url: str) -> None:
    workers = [limiter(shared, redis_url, 10) for _ in range(2)]

    async def rush() -> list[int]:
        return await asyncio.gather(*(outcome(workers[number % 2], "rush") for number in range(60)))

    assert run(rush(), *workers).count(PASSED) == 10


def test_two_apps_made_by_the_factory_share_the_limit(
    shared: ModuleType, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sandbox.start() as hub, ExitStack() as stack:
        for name, value in {
            "HF_TOKEN": hub.tokens["fine_grained"],
            "UPSTREAM_URL": f"{hub.router}/v1",
            "REDIS_URL": redis_url,
            "REQUESTS_PER_MINUTE": "3",
        }.items():
            monkeypatch.setenv(name, value)
        make = import_module("proxy").app
        workers = [stack.enter_context(TestClient(make(), client=("203.0.113.9", 1))) for _ in range(2)]
        answers = [workers[number % 2].post("/api/chat", json=QUESTION) for number in range(6)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429, 429]
    assert [answer.headers.get("retry-after") for answer in answers[3:]] == ["20"] * 3


def test_a_client_is_forgotten_after_a_minute_and_the_script_comes_back(shared: ModuleType, redis_url: str) -> None:
    ours = limiter(shared, redis_url, 1)

    async def twice() -> list[int]:
        first = await outcome(ours, "kept")
        with Redis.from_url(redis_url) as redis:
            redis.script_flush()  # as a restart does
            assert 0 < int(str(redis.ttl("proxy:calls:kept"))) <= 60
        return [first, await outcome(ours, "kept")]

    assert run(twice(), ours) == [PASSED, 60]


def test_without_redis_each_worker_counts_alone_and_says_so(
    shared: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = limiter(shared, f"unix://:{TOKEN}@{tmp_path / 'nothing'}", 2)

    async def three() -> list[int]:
        return [await outcome(ours, "a") for _ in range(3)]

    with caplog.at_level(logging.DEBUG):
        assert run(three(), ours) == [PASSED, PASSED, 30]

    told = [json.loads(record.getMessage()) for record in caplog.records if record.name == "proxy"]
    assert told == [{"cause": "ConnectionError", "limit": "each worker counts for itself"}]
    assert TOKEN not in caplog.text


def test_a_redis_that_hangs_is_left_alone_for_a_while(shared: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "PATIENCE_SECONDS", 0.02)
    moment, connections = Moment(), 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read()
        writer.close()

    async def admitted() -> list[int]:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        ours = limiter(shared, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", 100, moment)
        seen = []
        for pause in (0.0, shared.PAUSE_SECONDS - 1, 1.0):
            moment.seconds += pause
            assert await outcome(ours, "a") == PASSED
            seen.append(connections)
        await ours.aclose()
        server.close()
        return seen

    first, during, after = asyncio.run(admitted())

    assert first == during >= 1
    assert after > during


def test_who_calls_and_what_runs_at_once_stay_with_the_worker(shared: ModuleType, tmp_path: Path) -> None:
    proxy = import_module("proxy")
    settings = proxy.Settings(hf_token=TOKEN, max_concurrent=1, trusted_proxies=1)
    ours = shared.RedisRateLimiter(SecretStr(f"unix://{tmp_path / 'nothing'}"), 1, proxy.RateLimiter(settings))

    assert ours.client_of("10.0.0.1", "1.2.3.4, 203.0.113.9") == "203.0.113.9"
    with ours.slot(), pytest.raises(proxy.TurnedAway), ours.slot():
        pass
