"""The arithmetic of lesson 06: properties that hold for any numbers, and the numbers that others published."""

import asyncio
import math
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course import virtual_time
from course.dates import day_of
from course.exercises import ROOT
from course.tables import table
from tests.course.learners import solved

lesson = solved("06")

few = settings(max_examples=40, deadline=None)
amounts = st.floats(0, 1e6, allow_nan=False)
rates = st.floats(0.01, 100)
factors = st.floats(1, 50)
workloads = st.builds(
    lesson.Workload,
    st.floats(0, 1e5),
    st.floats(0, 1e5),
    st.floats(0, 1e5),
    st.floats(0, 24),
    st.floats(0, 30),
    st.floats(1, 10),
)
prices = st.builds(lesson.ApiPrice, st.floats(0, 50), st.floats(0, 50), st.floats(0, 10))
plans = st.builds(
    lesson.EndpointPlan,
    rates,
    replicas=st.integers(1, 5),
    min_replicas=st.integers(0, 3),
    start_minutes=st.floats(0, 30),
    idle_minutes=st.floats(0, 120),
)


def at_most(less: float, more: float) -> bool:
    return less <= more * (1 + 1e-9) + 1e-9


# --- properties -----------------------------------------------------------------------------------------------


@few
@given(workloads, prices, factors)
def test_more_requests_and_higher_prices_never_cost_less(use: Any, price: Any, factor: float) -> None:
    usd = lesson.api_cost_usd_per_month(use, price)
    dearer = replace(price, output_usd_per_million=price.output_usd_per_million * factor)

    assert 0 <= usd < math.inf
    assert at_most(usd, lesson.api_cost_usd_per_month(use.times(factor), price))
    assert at_most(usd, lesson.api_cost_usd_per_month(use, dearer))
    assert lesson.api_cost_usd_per_month(use.times(0), price) == 0


@few
@given(workloads, prices, factors)
def test_without_a_credit_the_api_scales_with_the_volume(use: Any, price: Any, factor: float) -> None:
    plain = replace(price, credit_usd_per_month=0.0)
    usd = lesson.api_cost_usd_per_month(use, plain)

    assert lesson.api_cost_usd_per_month(use.times(factor), plain) == pytest.approx(factor * usd)
    swapped = replace(use, requests_per_hour=use.requests_per_hour * factor, hours_per_day=use.hours_per_day / factor)
    assert lesson.api_cost_usd_per_month(swapped, plain) == pytest.approx(usd), "only their product counts"


@few
@given(plans, workloads, factors)
def test_an_endpoint_costs_more_with_every_rate_hour_and_replica(plan: Any, use: Any, factor: float) -> None:
    usd = lesson.endpoint_cost_usd_per_month(plan, use)
    whole = plan.usd_per_hour * lesson.HOURS_PER_MONTH * max(plan.replicas, plan.min_replicas)

    assert plan.usd_per_hour * lesson.HOURS_PER_MONTH * plan.min_replicas <= usd + 1e-9
    assert at_most(usd, whole), "no more than all replicas, all the month"
    dearer = replace(plan, usd_per_hour=plan.usd_per_hour * factor)
    assert lesson.endpoint_cost_usd_per_month(dearer, use) == pytest.approx(factor * usd)
    longer = replace(use, hours_per_day=min(24.0, use.hours_per_day * factor))
    assert at_most(usd, lesson.endpoint_cost_usd_per_month(plan, longer))
    assert at_most(usd, lesson.endpoint_cost_usd_per_month(replace(plan, replicas=plan.replicas + 1), use))


@few
@given(plans)
def test_an_endpoint_used_day_and_night_costs_every_minute_of_the_month_once(plan: Any) -> None:
    usd = lesson.endpoint_cost_usd_per_month(plan, lesson.ALWAYS)

    whole = plan.usd_per_hour * lesson.HOURS_PER_MONTH * max(plan.replicas, plan.min_replicas)
    assert usd == pytest.approx(whole), "starting and idling fit into no day that is full already"


@few
@given(plans, workloads)
def test_a_day_of_an_endpoint_is_billed_in_whole_minutes(plan: Any, use: Any) -> None:
    use = replace(use, requests_per_hour=1.0, hours_per_day=max(0.1, use.hours_per_day), days_per_month=20)
    plan = replace(plan, usd_per_hour=60.0)  # a minute costs a dollar
    minutes = lesson.endpoint_cost_usd_per_month(plan, use) - 60 * lesson.HOURS_PER_MONTH * plan.min_replicas

    a_day = minutes / 20
    first = max(0, 1 - plan.min_replicas)
    further = max(0, plan.replicas - max(1, plan.min_replicas))
    ran = plan.start_minutes + 60 * use.hours_per_day
    least = first * min(1440, ran + plan.idle_minutes) + further * min(1440, ran)
    assert a_day == pytest.approx(round(a_day), abs=1e-6)
    assert -1e-6 <= a_day - least < max(first + further, 1e-6), "rounded up, by less than a minute for each replica"


@few
@given(plans, workloads)
def test_an_endpoint_that_nobody_asks_costs_what_always_runs(plan: Any, use: Any) -> None:
    usd = lesson.endpoint_cost_usd_per_month(plan, use.times(0))

    assert usd == pytest.approx(plan.usd_per_hour * lesson.HOURS_PER_MONTH * plan.min_replicas)


def verdict_of(utilisation: float) -> str:
    if utilisation > 1:
        return "never"
    return "hardly" if utilisation > lesson.PRACTICAL else "yes"


@pytest.mark.parametrize("rate", [37, 36.01, 36, 35.99, 25.3, 25.1, 1])
def test_a_machine_that_cannot_be_busy_enough_is_never_cheaper(rate: float) -> None:
    found = lesson.break_even(rate, 10_000, 1.0)  # which makes 36 million text tokens an hour

    assert found.utilisation == pytest.approx(rate / 36)
    assert found.verdict == verdict_of(rate / 36)


@few
@given(rates, st.floats(1, 1e5), st.floats(0.01, 50), amounts, factors)
def test_break_even_is_where_both_cost_the_same(
    rate: float, speed: float, price: float, fixed: float, factor: float
) -> None:
    found = lesson.break_even(rate, speed, price, fixed)

    assert found.million_tokens_per_month * price == pytest.approx(rate * lesson.HOURS_PER_MONTH + fixed)
    capacity = speed * 3600 * lesson.HOURS_PER_MONTH / 1e6
    assert found.utilisation == pytest.approx(found.million_tokens_per_month / capacity)
    assert found.verdict == verdict_of(found.utilisation)
    assert lesson.break_even(rate * factor, speed, price, fixed).utilisation >= found.utilisation
    assert lesson.break_even(rate, speed * factor, price, fixed).utilisation <= found.utilisation
    scaled = lesson.break_even(rate * factor, speed, price * factor, fixed * factor)
    assert scaled.utilisation == pytest.approx(found.utilisation), "another currency changes nothing"


@few
@given(st.floats(1e6, 1e12), st.integers(0, 10**6), st.integers(0, 64), st.integers(1, 128), factors)
def test_memory_grows_with_all_that_it_holds(params: float, context: int, users: int, size: int, more: float) -> None:
    shape = lesson.Shape(size, 8, 64)
    gb = lesson.memory_gb(params, "fp16", context, users, shape)

    assert at_most(gb, lesson.memory_gb(params * more, "fp16", context, users, shape))
    assert at_most(gb, lesson.memory_gb(params, "fp16", context + 1, users, shape))
    assert at_most(gb, lesson.memory_gb(params, "fp16", context, users + 1, shape))
    assert at_most(lesson.memory_gb(params, "int4", context, users, shape), gb)
    weights = lesson.memory_gb(params, "fp16", context, 0, shape)
    assert lesson.memory_gb(params, "fp16", context, 2 * users, shape) - weights == pytest.approx(2 * (gb - weights))
    assert lesson.fits(gb, params, "fp16", context, users, shape)
    assert not lesson.fits(gb * 0.99, params, "fp16", context, users, shape)


offers = st.lists(
    st.builds(
        lambda name, usd, keeps, start, most: lesson.Offer(name, lambda load: usd, keeps, start, most),
        st.text("abc", min_size=1, max_size=3),
        st.floats(0, 1e4),
        st.sampled_from(lesson.PRIVACY),
        st.sampled_from([0.0, 300.0]),
        st.sampled_from([1.0, math.inf]),
    ),
    max_size=5,
)


@few
@given(workloads, offers, st.sampled_from(lesson.PRIVACY), st.sampled_from([10.0, math.inf]))
def test_a_recommendation_breaks_no_rule_and_is_beaten_by_none(
    use: Any, choice: list[Any], privacy: str, patience: float
) -> None:
    use = replace(use, privacy=privacy, patience_seconds=patience)

    decision = lesson.recommend(use, choice)

    def fine(offer: Any) -> bool:
        kept: bool = lesson.PRIVACY.index(offer.keeps) >= lesson.PRIVACY.index(privacy)
        return kept and offer.cold_start_seconds <= patience and offer.tokens_per_second >= use.peak_tokens_per_second

    allowed = {offer.cost(use) for offer in choice if fine(offer)}
    assert decision.usd_per_month == min(allowed, default=None)
    assert (decision.option is None) == (not allowed)
    assert len(decision.reasons) == len(choice)
    assert sum("not allowed" in reason for reason in decision.reasons) == sum(not fine(offer) for offer in choice)
    for reversal in decision.reversals:
        if reversal.change.startswith("privacy: "):
            other = replace(use, privacy=reversal.change.removeprefix("privacy: "))
        else:
            other = use.times(float(reversal.change.split()[0]))
        assert lesson.recommend(other, choice).option == reversal.option != decision.option


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests_per_hour": -1},
        {"requests_per_hour": math.nan},
        {"input_tokens": math.inf},
        {"hours_per_day": 25},
        {"days_per_month": 31},
        {"busiest": 0.5},
        {"patience_seconds": -1},
        {"privacy": "secret"},
    ],
)
def test_a_workload_that_cannot_be_is_refused_by_name(wrong: dict[str, Any]) -> None:
    fine = {"requests_per_hour": 1, "input_tokens": 1, "output_tokens": 1}

    with pytest.raises(ValueError, match=next(iter(wrong))):
        lesson.Workload(**fine | wrong)


# --- what others published ------------------------------------------------------------------------------------

PER_MILLION = [
    ("NVIDIA L4", 0.80, 0.61, 6.09),
    ("NVIDIA A100 80 GB", 2.50, 0.18, 1.78),
    ("NVIDIA H200", 5.00, 0.29, 2.86),
]


@pytest.mark.parametrize(("hardware", "rate", "busy", "idle"), PER_MILLION, ids=lambda value: str(value))
def test_a_million_text_tokens_cost_what_the_worked_table_says(
    hardware: str, rate: float, busy: float, idle: float
) -> None:
    peak = max(row["peak"] for row in table("throughput")["anchor"] if row["hardware"] == hardware)

    assert round(lesson.usd_per_million(rate, peak), 2) == busy
    assert round(lesson.usd_per_million(rate, peak, 0.10), 2) == idle
    assert rate in {row["usd_per_hour"] for row in table("prices")["endpoint"] if row["hardware"] == hardware}
    assert (rate, peak) in lesson.MACHINES.values()


def test_the_other_worked_numbers() -> None:
    always = lesson.endpoint_cost_usd_per_month(lesson.EndpointPlan(0.80), lesson.ALWAYS)
    a100 = lesson.break_even(2.50, 3908, 0.60)
    office = lesson.Workload(1, 1, 1, hours_per_day=8, days_per_month=5 * lesson.DAYS_PER_MONTH / 7)
    floors = [16 / row["gb_per_second"] * 1000 for row in table("throughput")["bandwidth"]]

    assert always == pytest.approx(584.00)
    assert (round(a100.utilisation, 2), a100.verdict) == (0.30, "yes")
    assert round(office.hours_per_month / lesson.HOURS_PER_MONTH, 2) == 0.24
    assert [round(floor, 1) for floor in floors] == [53.3, 8.0, 4.8]


@pytest.mark.parametrize("published", table("model_shapes")["published"], ids=lambda row: row["shape"])
def test_the_makers_say_the_same_about_memory(published: dict[str, Any]) -> None:
    row = next(row for row in table("model_shapes")["shape"] if row["name"] == published["shape"])
    shape = lesson.Shape(row["layers"], row["kv_heads"], row["head_dim"])

    def cache_gib(context: int) -> Any:
        return lesson.memory_gb(0, "fp16", context, 1, shape) / lesson.OVERHEAD * 1e9 / 2**30

    weights = lesson.memory_gb(row["params"], "fp16", 0, 1, shape) / lesson.OVERHEAD
    assert weights == pytest.approx(published["weights_fp16_gb"], rel=0.01)
    assert cache_gib(1024) == pytest.approx(published["cache_1k_gib"], rel=0.01)
    assert cache_gib(16_000) == pytest.approx(published["cache_16k_gib"], rel=0.01)
    assert cache_gib(128_000) == pytest.approx(published["cache_128k_gib"], rel=0.01)


def test_the_offers_of_the_lesson_are_those_of_the_tables() -> None:
    rows, speeds = table("prices"), table("throughput")["anchor"]
    api = next(row for row in rows["api"] if row["model"].endswith("Llama-3.1-8B-Instruct"))
    rates = {row["name"]: row["usd_per_hour"] for row in rows["endpoint"] + rows["market"]}
    steady = {row["hardware"]: row["steady"] for row in speeds}
    use = lesson.SUPPORT

    due = [
        lesson.api_cost_usd_per_month(
            use, lesson.ApiPrice(api["input_usd_per_million"], api["output_usd_per_million"])
        ),
        *(
            lesson.endpoint_cost_usd_per_month(
                lesson.EndpointPlan(rates["aws nvidia-l4 x1"], lesson.replicas_for(use, steady["NVIDIA L4"]), least),
                use,
            )
            for least in (1, 0)
        ),
        rates["H100"]
        * rows["operations"]["usual"]
        * lesson.HOURS_PER_MONTH
        * lesson.replicas_for(use, steady["NVIDIA H100"]),
    ]

    assert [offer.cost(use) for offer in lesson.OFFERS] == pytest.approx(due)


def test_every_row_names_a_source_with_a_date_and_a_kind() -> None:
    for name in ("prices", "throughput", "model_shapes"):
        tables = table(name)
        used = set()
        for rows in tables.values():
            used |= {row["source"] for row in (rows if isinstance(rows, list) else [rows]) if "source" in row}
        assert used == set(tables["sources"]), name
        for source in tables["sources"].values():
            assert isinstance(day_of(source), date)
            assert not {"as_of", "published_on"} <= source.keys()
            assert source["kind"] in ("documented", "observed", "computed")


def test_two_of_the_five_cases_agree() -> None:
    verdicts = {
        case["name"]: abs(lesson.again(case) - case["published"]) <= case["tolerance"] * case["published"]
        for case in table("cases")["case"]
    }

    assert [name for name, agrees in verdicts.items() if agrees] == ["endpoint with spikes", "7B on an A10G"]


# --- measure, and the lessons before --------------------------------------------------------------------------


@few
@given(st.lists(amounts, min_size=1, max_size=50), st.sampled_from([0.5, 0.95]))
def test_a_percentile_is_the_least_value_that_enough_do_not_exceed(values: list[float], share: float) -> None:
    got = lesson.percentile(values, share)

    assert got in values
    assert sum(value <= got for value in values) >= share * len(values)
    assert sum(value < got for value in values) < share * len(values)
    assert lesson.percentile(values[::-1], share) == got
    assert math.isnan(lesson.percentile([], share))


def test_measure_finds_the_delays_of_a_real_server_within_five_per_cent() -> None:
    """Real sockets on a virtual clock: the server's delays are its own, and nobody waits for them."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        await asyncio.sleep(0.8)
        for _ in range(10):
            writer.write(b"piece\n")
            await asyncio.sleep(0.12)
        writer.close()

    async def work() -> Any:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def generate(prompt: str) -> AsyncIterator[str]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"{prompt}\n".encode())
            async for line in reader:
                yield line.decode()
            writer.close()

        async with server:
            return await lesson.measure(generate, ["one"] * 8, virtual_time.now, (1, 8))

    for level in virtual_time.run(work(), patience=0.002).levels:
        assert (level.answered, level.failed) == (8, 0)
        assert level.first_p50 == pytest.approx(0.8, rel=0.05)
        assert level.total_p95 == pytest.approx(2.0, rel=0.05)
        assert level.pieces_per_second == pytest.approx(10 * level.callers / 2.0, rel=0.05)


def test_a_virtual_clock_jumps_also_where_another_loop_runs() -> None:
    async def minute() -> float:
        await asyncio.sleep(60)
        return virtual_time.now()

    async def notebook() -> float:
        return virtual_time.run(minute())

    assert virtual_time.run(minute()) == 60
    assert asyncio.run(notebook()) == 60


def test_a_check_of_the_lesson_loads_nothing_heavy() -> None:
    code = (
        "import sys; from course.definitions import solved_names\n"
        "solved_names('06')\n"
        "print({'torch', 'matplotlib', 'onnxruntime'} & {*sys.modules})"
    )

    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.stdout == "set()\n", ran.stderr
