"""`make bench-proxy`: what the proxy of lesson 05 costs, beside a bare pass-through and, with LITELLM=1, LiteLLM.

All on this machine, in about a minute; FULL=1 takes five times as long. Every phase asks the servers in turn, so that
all of them see the same machine. A figure is worth what the machine was doing: compare columns, not days.
"""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from tests.bench_proxy.client import Client, RealClock
from tests.bench_proxy.figures import Reach, overheads, percentile, table
from tests.bench_proxy.open_loop import Answer, Sample, open_loop, schedule
from tests.bench_proxy.servers import Server, started

BASE, LITELLM = "direct", "LiteLLM"
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

    async def at_a_rate(self, names: list[str], plan: Plan, rate: float, seconds: float) -> list[Sample]:
        """An open loop; what came while it warmed up is dropped."""

        def ask(name: str) -> Coroutine[Any, Any, Answer]:
            return self._clients[name].ask(plan.stream, plan.upstream)

        await open_loop(schedule(names, rate, WARM_UP_SECONDS), ask, RealClock)
        return await open_loop(schedule(names, rate, seconds * self._scale), ask, RealClock)

    async def as_fast_as_it_goes(self, plan: Plan, at_once: int, seconds: float) -> dict[str, tuple[float, float]]:
        """Calls and events a second of each server. Each is asked alone, twice, in turn; the warm-up is dropped."""
        took, calls, events = (dict.fromkeys(self.names, 0.0) for _ in range(3))
        for name in self.names * 2:
            await self._busy(name, plan, at_once, 0.3)
            began = time.perf_counter()
            answers = await self._busy(name, plan, at_once, seconds * self._scale / 2)
            took[name] += time.perf_counter() - began
            calls[name] += len(answers)
            events[name] += sum(answer.events for answer in answers)
        return {name: (calls[name] / took[name], events[name] / took[name]) for name in self.names}

    async def _busy(self, name: str, plan: Plan, at_once: int, seconds: float) -> list[Answer]:
        """`at_once` calls all the time, begun within `seconds`."""
        until, answers = time.perf_counter() + seconds, []

        async def again() -> None:
            while time.perf_counter() < until:
                answers.append(await self._clients[name].ask(plan.stream, plan.upstream))

        await asyncio.gather(*(again() for _ in range(at_once)))
        return answers

    async def many_streams(self, name: str) -> tuple[float, float, int]:
        """MiB before, MiB while OPEN_STREAMS are open, and how many of those did not end well."""
        before = self._servers[name].memory_mib()
        client, begun = Client(self._servers[name].port), [asyncio.Event() for _ in range(OPEN_STREAMS)]
        left = iter(begun)

        async def ask(_: str) -> Answer:
            mine = next(left)
            try:
                answer = await client.ask(LONG.stream, LONG.upstream, mine)
            finally:
                mine.set()  # of one that failed, too
            return replace(answer, ok=answer.ok and answer.events == LONG.upstream["events"] + 1)

        asking = asyncio.create_task(open_loop(schedule([name], OPEN_STREAMS, 1.0), ask, RealClock))
        await asyncio.gather(*(each.wait() for each in begun))
        during = await asyncio.to_thread(self._servers[name].memory_mib)
        samples = await asking
        client.close()
        return before, during, sum(not each.ok for each in samples)

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
    """All phases. LiteLLM takes part where calls are few: it would queue at the others' rates, and take their cores."""
    bench, added = Bench(servers, scale), {}
    quick = [name for name in bench.names if name != LITELLM]
    rates = [(quick, 20.0), (quick, 60.0), *([(bench.names, 4.0)] if LITELLM in bench.names else [])]
    for names, rate in rates:
        samples = await bench.at_a_rate(names, WHOLE, rate, 8)
        values = milliseconds(samples, names, lambda each: each.done_seconds)
        added[f"whole answer, {rate:g}/s"] = show_rate(f"Whole answers, {rate:g}/s each", values, samples)
    for names, rate in [(quick, 10.0), *rates[2:]]:
        samples = await bench.at_a_rate(names, STREAM, rate, 8)
        values = milliseconds(samples, names, lambda each: each.first_seconds)
        added[f"first event, {rate:g}/s"] = show_rate(f"Time to the first event, {rate:g}/s each", values, samples)

    calls = await bench.as_fast_as_it_goes(FAST, 32, 3)
    events = await bench.as_fast_as_it_goes(BURST, 16, 3)
    many = {name: await bench.many_streams(name) for name in bench.names}
    bench.close()
    rows = [(name, [calls[name][0], events[name][1], *many[name]]) for name in bench.names]
    columns = ["calls/s", "events/s", "MiB before", f"{OPEN_STREAMS} open", "of them bad"]
    print(table("As fast as it goes; many streams", columns, rows, digits=0), flush=True)
    return reaches(added, many["ours"][2])


def reaches(added: dict[str, dict[str, list[float]]], bad_streams: int) -> list[Reach]:
    """Our aims, as ratios of the medians of what each adds."""
    found = []
    for what, by in added.items():
        found.append(Reach(f"{what}: ours to the pass-through's", by["ours"][0] / by["pass-through"][0], 1.3))
        if LITELLM in by:
            found.append(Reach(f"{what}: ours to LiteLLM's", by["ours"][0] / by[LITELLM][0], 0.2))
    return [*found, Reach(f"streams of {OPEN_STREAMS} on one worker that did not end well", bad_streams, 0)]


def main() -> None:
    names = ["pass-through", "ours", *([LITELLM] if os.environ.get("LITELLM") else [])]
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
