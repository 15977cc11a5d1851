"""`make bench-proxy`: what the proxy of lesson 05 costs, beside a bare pass-through and, with LITELLM=1, LiteLLM.

All on this machine, in about a minute; FULL=1 takes five times as long. Every phase asks the servers in turn, so that
all of them see the same machine. A figure is worth what the machine was doing: compare columns, not days.
"""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tests.bench_proxy.client import Client, RealClock
from tests.bench_proxy.figures import Reach, overheads, percentile, table
from tests.bench_proxy.open_loop import Answer, Sample, open_loop, schedule
from tests.bench_proxy.servers import Server, started

BASE = "direct"
OPEN_STREAMS = 500
WARM_UP_SECONDS = 1.0


@dataclass(frozen=True)
class Plan:
    """A kind of call: whether it is a stream, and what upstream.py shall do for it."""

    stream: bool
    upstream: dict[str, int]


WHOLE = Plan(False, {"delay_ms": 20})
STREAM = Plan(True, {"delay_ms": 20, "events": 20, "gap_ms": 5})
FAST = Plan(False, {})
BURST = Plan(True, {"events": 200, "gap_ms": 0})
LONG = Plan(True, {"events": 8, "gap_ms": 500})


class Bench:
    """Servers by name, one client for each. scale: how many times the usual duration."""

    def __init__(self, servers: dict[str, Server], scale: float) -> None:
        self._servers, self._scale = servers, scale
        self.names = list(servers)
        self._clients = {name: Client(server.port) for name, server in servers.items()}

    async def at_a_rate(self, plan: Plan, rate: float, seconds: float) -> list[Sample]:
        """An open loop; what came while it warmed up is dropped."""

        def ask(name: str) -> Coroutine[Any, Any, Answer]:
            return self._clients[name].ask(plan.stream, plan.upstream)

        await open_loop(schedule(self.names, rate, WARM_UP_SECONDS), ask, RealClock)
        return await open_loop(schedule(self.names, rate, seconds * self._scale), ask, RealClock)

    async def as_fast_as_it_goes(self, plan: Plan, at_once: int, seconds: float) -> dict[str, list[Answer]]:
        """Each server alone for a while, twice, in turn; `at_once` calls wait for it all the time. Without warm-up."""
        answers: dict[str, list[Answer]] = {name: [] for name in self.names}
        for name in self.names * 2:
            await self._busy(name, plan, at_once, 0.3)
            answers[name] += await self._busy(name, plan, at_once, seconds * self._scale / 2)
        return answers

    async def _busy(self, name: str, plan: Plan, at_once: int, seconds: float) -> list[Answer]:
        until, answers = time.perf_counter() + seconds, []

        async def again() -> None:
            while time.perf_counter() < until:
                answers.append(await self._clients[name].ask(plan.stream, plan.upstream))

        await asyncio.gather(*(again() for _ in range(at_once)))
        return [answer for answer in answers if answer.done_at <= until]

    async def many_streams(self, name: str) -> tuple[float, float, int]:
        """MiB before, MiB while OPEN_STREAMS are open, and how many of those did not end well."""
        before = self._servers[name].memory_mib()
        client, asked = Client(self._servers[name].port), []
        for _ in range(OPEN_STREAMS):
            asked.append(asyncio.create_task(client.ask(LONG.stream, LONG.upstream)))
            await asyncio.sleep(0.002)
        await asyncio.sleep(1)
        during = await asyncio.to_thread(self._servers[name].memory_mib)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        client.close()
        good = [
            each
            for each in answers
            if isinstance(each, Answer) and each.ok and each.events == LONG.upstream["events"] + 1
        ]
        return before, during, OPEN_STREAMS - len(good)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


def milliseconds(samples: list[Sample], names: list[str], pick: Callable[[Sample], float]) -> dict[str, list[float]]:
    return {name: [1000 * pick(each) for each in samples if each.target == name and each.ok] for name in names}


def show_rate(heading: str, values: dict[str, list[float]], samples: list[Sample]) -> dict[str, list[float]]:
    """Print what each server took, and added; the latter is returned."""
    added, failed = overheads(values, BASE), sum(not each.ok for each in samples)
    own = [(name, [percentile(each, percent) for percent in (50, 95, 99)]) for name, each in values.items()]
    print(table(heading, ["p50 ms", "p95 ms", "p99 ms"], own))
    print(table("  added to direct", [], [(f"  {name}", each) for name, each in added.items()]))
    print(f"  {len(samples)} calls, {failed} failed\n", flush=True)
    return added


async def measure(servers: dict[str, Server], scale: float) -> list[Reach]:
    bench, added = Bench(servers, scale), {}
    for rate in (20, 60):
        samples = await bench.at_a_rate(WHOLE, rate, 8)
        values = milliseconds(samples, bench.names, lambda each: each.done_seconds)
        added[f"whole answer, {rate}/s"] = show_rate(f"Whole answers, {rate}/s each", values, samples)
    samples = await bench.at_a_rate(STREAM, 10, 8)
    first = milliseconds(samples, bench.names, lambda each: each.first_seconds)
    added["first event, 10/s"] = show_rate("Time to the first event, 10/s each", first, samples)

    whole = await bench.as_fast_as_it_goes(FAST, 32, 3)
    burst = await bench.as_fast_as_it_goes(BURST, 16, 3)
    many = {name: await bench.many_streams(name) for name in bench.names}
    bench.close()
    last = [
        (
            name,
            [
                len(whole[name]) / (3 * scale),
                sum(each.events for each in burst[name]) / (3 * scale),
                many[name][0],
                many[name][1],
                many[name][2],
            ],
        )
        for name in bench.names
    ]
    columns = ["calls/s", "events/s", "MiB before", f"MiB, {OPEN_STREAMS} open", "of them bad"]
    print(table("As fast as it goes; many streams", columns, last, digits=0), flush=True)
    return reaches(added, many["ours"][2])


def reaches(added: dict[str, dict[str, list[float]]], bad_streams: int) -> list[Reach]:
    """Our aims, as ratios of the medians of what each adds."""
    found = []
    for what, by in added.items():
        found.append(Reach(f"{what}: ours to the pass-through's", by["ours"][0] / by["pass-through"][0], 1.3))
        if "LiteLLM" in by:
            found.append(Reach(f"{what}: ours to LiteLLM's", by["ours"][0] / by["LiteLLM"][0], 0.2))
    return [*found, Reach(f"streams of {OPEN_STREAMS} on one worker that did not end well", bad_streams, 0)]


def main() -> None:
    names = ["pass-through", "ours", *(["LiteLLM"] if os.environ.get("LITELLM") else [])]
    with ExitStack() as stack:
        servers = {BASE: stack.enter_context(started(BASE))}
        upstream = servers[BASE].port
        servers |= {name: stack.enter_context(started(name, upstream)) for name in names}
        print(f"On {os.cpu_count()} cores, one worker each; milliseconds count from when a call was due.\n", flush=True)
        aims = asyncio.run(measure(servers, 5.0 if os.environ.get("FULL") else 1.0))
    print("\nWhat we aim at, as ratios of medians")
    for aim in aims:
        print(aim.line())


if __name__ == "__main__":
    main()
