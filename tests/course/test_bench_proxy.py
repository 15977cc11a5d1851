"""The rig of `make bench-proxy`: it leaves no slow call out, and what it tells can be trusted."""

import asyncio
import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.bench_proxy.__main__ import reaches
from tests.bench_proxy.client import Client, without_chunks
from tests.bench_proxy.figures import Reach, overheads, percentile, table
from tests.bench_proxy.open_loop import Answer, Sample, open_loop, schedule
from tests.bench_proxy.servers import Log, started
from tests.bench_proxy.upstream import answer as upstream


class FakeClock:
    """Time passes when somebody sleeps. oversleep: how much longer, by the number of the sleep."""

    def __init__(self, oversleep: dict[int, float] | None = None) -> None:
        self._oversleep, self._slept, self.seconds = oversleep or {}, 0, 100.0

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)  # first, whoever was asked before
        self._slept += 1
        self.seconds += seconds + self._oversleep.get(self._slept, 0.0)


def measured(due: list[float], clock: FakeClock, takes: float = 0.25) -> list[Sample]:
    async def ask(target: str) -> Answer:
        if target == "broken":
            raise ConnectionError
        return Answer(clock.now() + takes / 2, clock.now() + takes, ok=True)

    return asyncio.run(open_loop([(at, "a") for at in due], ask, clock))


def test_a_call_is_late_from_when_it_was_due() -> None:
    """The third sleep is 2 s too long, so three calls begin late: a clock that starts with them would show nothing."""
    samples = measured([0.0, 1.0, 2.0, 3.0, 4.0, 6.0], FakeClock(oversleep={3: 2.0}))

    assert [each.done_seconds for each in samples] == [0.25, 0.25, 0.25, 2.25, 1.25, 0.25]
    assert [each.first_seconds for each in samples] == [0.125, 0.125, 0.125, 2.125, 1.125, 0.125]


def test_no_call_waits_for_the_answer_to_another() -> None:
    async def all_at_once() -> int:
        gate, waiting, clock = asyncio.Event(), 0, FakeClock()

        async def ask(target: str) -> Answer:
            nonlocal waiting
            waiting += 1
            if waiting == 5:
                gate.set()
            await asyncio.wait_for(gate.wait(), 5)
            return Answer(0, 0, ok=True)

        return sum(each.ok for each in await open_loop([(n / 10, "a") for n in range(5)], ask, clock))

    assert asyncio.run(all_at_once()) == 5


def test_an_exception_is_an_answer_that_is_not_ok() -> None:
    async def ask(target: str) -> Answer:
        raise ConnectionError

    (sample,) = asyncio.run(open_loop([(0.0, "a")], ask, FakeClock()))

    assert not sample.ok


def test_all_targets_get_as_many_calls_at_the_same_time() -> None:
    due = list(schedule(["a", "b", "c"], rate=10, seconds=2))

    assert Counter(target for _, target in due) == {"a": 20, "b": 20, "c": 20}
    assert [at for at, _ in due] == pytest.approx([n / 30 for n in range(60)])
    assert {target for at, target in due if at * 10 == round(at * 10)} == {"a", "b", "c"}, "each is first now and then"


def test_percentiles_and_what_a_proxy_adds() -> None:
    values = {"direct": [float(n) for n in range(101)], "ours": [n + 2.0 for n in range(101)]}

    assert [percentile(values["direct"], each) for each in (50, 95, 99)] == [50, 95, 99]
    assert overheads(values, "direct") == {"ours": [2, 2, 2]}


def test_the_aims_are_ratios_of_what_is_added() -> None:
    added = {"whole": {"pass-through": [2.0, 9, 9], "ours": [2.4, 9, 9], "LiteLLM": [24.0, 9, 9]}}

    aims = reaches(added, bad_streams=1)

    assert [(round(each.value, 3), each.most) for each in aims] == [(1.2, 1.3), (0.1, 0.2), (1, 0)]
    assert ["within" in each.line() for each in aims] == [True, True, False]
    assert Reach("x", 1.31, 1.3).line().endswith("OUT OF REACH")


def test_a_table_has_a_row_for_each_target() -> None:
    lines = table("Calls", ["p50 ms"], [("ours", [1.234]), ("direct", [1000.0])]).splitlines()

    assert [line.split() for line in lines] == [["Calls", "p50", "ms"], ["ours", "1.23"], ["direct", "1,000.00"]]
    assert len({len(line) for line in lines}) == 1


def test_chunks_are_put_together_wherever_they_were_cut() -> None:
    assert without_chunks(b"3\r\nabc\r\na\r\n0123\r\n6789\r\n0\r\n\r\n") == b"abc0123\r\n6789"


@pytest.mark.parametrize("stream", [False, True])
def test_the_client_and_the_upstream_understand_each_other(stream: bool) -> None:
    async def twice() -> list[Answer]:
        async with await asyncio.start_server(upstream, "127.0.0.1", 0) as server:
            client = Client(server.sockets[0].getsockname()[1])
            answers = [await client.ask(stream, {"events": 3, "gap_ms": 0}) for _ in range(2)]
            client.close()
            return answers

    answers = asyncio.run(twice())

    assert [each.ok for each in answers] == [True, True]
    assert [each.events for each in answers] == [4 if stream else 0] * 2, "three words, and how it ended"


def test_a_stream_says_when_it_has_begun() -> None:
    async def once() -> bool:
        async with await asyncio.start_server(upstream, "127.0.0.1", 0) as server:
            client, begun = Client(server.sockets[0].getsockname()[1]), asyncio.Event()
            asked = asyncio.create_task(client.ask(True, {"events": 2, "gap_ms": 10_000}, begun))
            await begun.wait()
            asked.cancel()
            return asked.done()

    assert asyncio.run(once()) is False, "long before its end"


@pytest.mark.skipif(os.name != "posix", reason="the bench asks `ps` for the memory of its servers")
def test_a_server_that_is_started_answers() -> None:
    with started("direct") as server:
        assert server.memory_mib() > 1
        assert asyncio.run(Client(server.port).ask(False, {})).ok


def test_a_server_that_ends_at_once_is_told_with_its_log() -> None:
    command = [sys.executable, "-c", "print('the port is taken')"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as process,
        pytest.raises(RuntimeError, match="the port is taken"),
    ):
        Log(process).wait_until_ready()


def test_a_cut_answer_is_no_answer() -> None:
    async def cuts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndata")
        writer.close()

    async def once() -> None:
        async with await asyncio.start_server(cuts, "127.0.0.1", 0) as server:
            await Client(server.sockets[0].getsockname()[1]).ask(True, {})

    with pytest.raises(ConnectionError):
        asyncio.run(once())
