"""Checks of the exercises in 06_api_or_own_machine. `lesson` holds the learner's names; nobody waits for anything.

Run against solutions/ and notebooks/ by `make test`, against a learner's code by `check("06-2")` and `make check`.
Every name given to `wrong(...)` is proven in tests/mistakes/06_api_or_own_machine.py.

PYTEST_DONT_REWRITE: the messages say all, and stay as they were written.
"""

import asyncio
import inspect
import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from course import virtual_time
from course.checks import wrong


def _near(got: Any, due: float) -> bool:
    return isinstance(got, int | float) and math.isclose(got, due, rel_tol=1e-9, abs_tol=1e-9)


# --- 06-1 api_cost_usd_per_month ----------------------------------------------------------------------------


def _api_cost(lesson: SimpleNamespace, use: tuple[float, ...], price: tuple[float, ...]) -> Any:
    """use: requests per hour, input, output, hours, days. price: input, output, credit."""
    return lesson.api_cost_usd_per_month(lesson.Workload(*use), lesson.ApiPrice(*price))


def test_06_1_all_hours_of_use_count(lesson: SimpleNamespace) -> None:
    one, all_of_them = (_api_cost(lesson, (100, 1000, 500, *use), (10, 40, 0)) for use in ((1, 1), (10, 20)))

    # A ratio, so that a slip of the unit is told as one, below.
    assert _near(all_of_them, 200 * one), wrong(
        "wrong-hours",
        seen=f"the same requests an hour cost {one!r} USD for 1 hour on 1 day, {all_of_them!r} for 10 hours on 20 days",
        due="200 times as much: workload.hours_per_month has the hours of use",
        read='"Exercise 06-1", its second paragraph',
    )


def test_06_1_the_busiest_minutes_are_not_the_mean(lesson: SimpleNamespace) -> None:
    even, uneven = (
        lesson.api_cost_usd_per_month(lesson.Workload(100, 1000, 500, busiest=busiest), lesson.ApiPrice(0.10, 0.40))
        for busiest in (1, 3)
    )

    assert _near(even, uneven), wrong(
        "bills-the-busiest",
        seen=f"the same month cost {even!r} USD, and {uneven!r} where the busiest minutes have three times that",
        due="the same: requests_per_hour is the mean already; `busiest` says how many machines it takes",
        read='the docstring of `Workload`, and "Exercise 06-1", its second paragraph',
    )


def test_06_1_prices_are_per_million(lesson: SimpleNamespace) -> None:
    usd = _api_cost(lesson, (1, 1_000_000, 0, 1, 1), (0.25, 0.25, 0))

    assert _near(usd, 0.25), wrong(
        "wrong-unit" if isinstance(usd, int | float) and usd > 1 else "input-is-free",
        seen=f"one request a month with a million input tokens, at 0.25 USD per million, cost {usd!r} USD",
        due="0.25: prices are per million text tokens, of the input too",
        read='"Exercise 06-1", its first lines',
    )


def test_06_1_input_and_output_have_prices_of_their_own(lesson: SimpleNamespace) -> None:
    usd = _api_cost(lesson, (1, 3_000_000, 1_000_000, 1, 1), (0.25, 2.0, 0))

    assert not _near(usd, 3 * 2.0 + 0.25), wrong(
        "prices-swapped",
        seen="the input was paid at the price of the output, and the output at that of the input",
        due="input_tokens with input_usd_per_million, output_tokens with output_usd_per_million",
        read='"Exercise 06-1", its first lines',
    )
    assert _near(usd, 3 * 0.25 + 2.0), wrong(
        "one-price-for-both",
        seen=f"3 million input tokens at 0.25 and 1 million output tokens at 2.00 cost {usd!r} USD",
        due="2.75: 0.75 for the input, 2.00 for the output",
        read='"Exercise 06-1", its first lines',
    )


def test_06_1_the_credit_comes_off_once(lesson: SimpleNamespace) -> None:
    usd = _api_cost(lesson, (100, 1000, 500, 10, 20), (0.10, 0.40, 2.0))

    assert not _near(usd, 6.0), wrong(
        "ignores-credit",
        seen="a credit of 2 USD changed nothing: the month still costs 6.00 USD",
        due="4.00: the credit of the plan comes off",
        read='"Exercise 06-1", its first lines',
    )
    assert _near(usd, 4.0), wrong(
        "credit-more-than-once",
        seen=f"a month of 6.00 USD with a credit of 2.00 cost {usd!r} USD",
        due="4.00: the credit is one for the month",
        read='"Exercise 06-1", its first lines',
    )


def test_06_1_a_credit_is_not_paid_out(lesson: SimpleNamespace) -> None:
    little = _api_cost(lesson, (1, 100, 100, 1, 1), (0.10, 0.40, 2.0))
    nothing = _api_cost(lesson, (0, 100, 100), (0.10, 0.40, 2.0))

    assert (little, nothing) == (0, 0), wrong(
        "pays-the-credit-out",
        seen=f"with a credit of 2 USD, one request cost {little!r} USD and none {nothing!r} USD",
        due="0 for both: what is left of a credit is gone",
        read='"Exercise 06-1": "the least is 0"',
    )


# --- 06-2 endpoint_cost_usd_per_month -----------------------------------------------------------------------


def _endpoint_cost(
    lesson: SimpleNamespace, hours: float, days: float | None = None, requests: float = 10, **plan: float
) -> Any:
    """At 60 USD per hour, unless another rate is given, so that a minute costs a dollar."""
    days = lesson.DAYS_PER_MONTH if days is None else days
    return lesson.endpoint_cost_usd_per_month(
        lesson.EndpointPlan(**{"usd_per_hour": 60.0} | plan), lesson.Workload(requests, 100, 100, hours, days)
    )


def test_06_2_a_replica_that_always_runs_costs_the_whole_month(lesson: SimpleNamespace) -> None:
    minutes = _endpoint_cost(lesson, hours=8, days=20)

    assert not _near(minutes, 43_200), wrong(
        "month-of-30-days",
        seen="a replica that always runs was billed 43,200 minutes, 30 days",
        due="43,800: HOURS_PER_MONTH, 730 hours",
        read='"Exercise 06-2", rule 1',
    )
    assert _near(minutes, 43_800), wrong(
        "bills-use-only",
        seen=f"a replica that always runs, used 8 hours on 20 days, was billed {minutes!r} minutes",
        due="43,800: all the month, whether anybody asks or not",
        read='"Exercise 06-2", rule 1',
    )


def test_06_2_an_hour_costs_its_rate(lesson: SimpleNamespace) -> None:
    minutes, usd = (_endpoint_cost(lesson, hours=8, days=20, usd_per_hour=rate) for rate in (60.0, 1.5))

    assert _near(usd, 730 * 1.5), wrong(
        "forgets-the-rate" if _near(usd, minutes) else "wrong-rate",
        seen=f"730 hours at 1.50 USD per hour cost {usd!r} USD",
        due="1095.00: the hours times usd_per_hour; an hour has 60 of the minutes that were counted",
        read='"Exercise 06-2", its first lines',
    )


def test_06_2_sleep_has_its_price(lesson: SimpleNamespace) -> None:
    minutes = _endpoint_cost(lesson, hours=8, days=20, min_replicas=0, start_minutes=7, idle_minutes=60)

    assert not _near(minutes, 20 * 540), wrong(
        "start-is-free",
        seen="20 days of 8 hours were billed 540 minutes each, without the 7 minutes to start",
        due="547 a day: starting is billed",
        read='"Exercise 06-2", rule 2',
    )
    assert not _near(minutes, 20 * 487), wrong(
        "idle-is-free",
        seen="20 days of 8 hours were billed 487 minutes each, without the idle hour before it sleeps",
        due="547 a day: it runs on until it has been idle for 60 minutes",
        read='"Exercise 06-2", rule 2',
    )
    assert not _near(minutes, 43_800 + 20 * 547), wrong(
        "never-sleeps",
        seen="an endpoint with min_replicas=0 was billed the whole month, and its days of use on top",
        due="the days of use alone: no replica always runs, that is what 0 means",
        read='"Exercise 06-2", rules 1 and 2',
    )
    assert _near(minutes, 20 * 547), wrong(
        "counts-the-first-twice" if _near(minutes, 20 * (547 + 487)) else "wrong-minutes-of-a-day",
        seen=f"20 days of 8 hours, 7 minutes to start and 60 idle, were billed {minutes!r} minutes",
        due="10,940: (7 + 480 + 60) * 20",
        read='"Exercise 06-2", rule 2',
    )


def test_06_2_start_and_idle_are_those_of_the_plan(lesson: SimpleNamespace) -> None:
    minutes = _endpoint_cost(lesson, hours=7.5, days=20, min_replicas=0, start_minutes=4, idle_minutes=15)

    assert not _near(minutes, 20 * 514), wrong(
        "idle-is-always-an-hour",
        seen="with idle_minutes=15 each day was billed an idle hour",
        due="15 minutes a day: plan.idle_minutes; 60 is only what it is if nobody says otherwise",
        read='"Exercise 06-2", rule 2, and the docstring of `EndpointPlan`',
    )
    assert _near(minutes, 20 * 469), wrong(
        "whole-hours-only" if _near(minutes, 20 * 439) else "wrong-minutes-of-a-day",
        seen=f"20 days of 7.5 hours, 4 minutes to start and 15 idle, were billed {minutes!r} minutes",
        due="9,380: (4 + 450 + 15) * 20",
        read='"Exercise 06-2", rule 2',
    )


def test_06_2_minutes_of_a_day_are_rounded_up(lesson: SimpleNamespace) -> None:
    minutes = _endpoint_cost(lesson, hours=8, days=20, min_replicas=0, start_minutes=4.25, idle_minutes=0)

    assert _near(minutes, 20 * 485), wrong(
        "not-rounded-up",
        seen=f"20 days of 484.25 minutes were billed {minutes!r} minutes",
        due="9,700: each day is rounded up to 485 whole minutes",
        read='"Exercise 06-2", rule 4',
    )


def test_06_2_a_day_has_1440_minutes(lesson: SimpleNamespace) -> None:
    asleep = _endpoint_cost(lesson, hours=24, min_replicas=0)

    assert _near(asleep, 43_800), wrong(
        "more-than-a-day",
        seen=f"an endpoint that may sleep, but is used day and night, was billed {asleep!r} minutes",
        due="43,800: it never sleeps, and a day has no more than 1,440 minutes",
        read='"Exercise 06-2", rule 4',
    )


def test_06_2_further_replicas_come_for_the_hours_of_use(lesson: SimpleNamespace) -> None:
    minutes = _endpoint_cost(lesson, hours=6, days=20, replicas=3, start_minutes=5) - 43_800

    assert not _near(minutes, 0), wrong(
        "forgets-replicas",
        seen="three replicas in the hours of use cost as much as one",
        due="two more: 20 days of 365 minutes each",
        read='"Exercise 06-2", rule 3',
    )
    assert not _near(minutes, 2 * 20 * 425), wrong(
        "all-of-them-idle",
        seen="each further replica was billed an idle hour a day",
        due="starting and the hours of use: only the last replica waits for an hour before it sleeps",
        read='"Exercise 06-2", rules 2 and 3',
    )
    assert _near(minutes, 2 * 20 * 365), wrong(
        "wrong-number-of-replicas",
        seen=f"two further replicas, 6 hours on 20 days, were billed {minutes!r} minutes",
        due="14,600: 2 * 20 * (5 + 360)",
        read='"Exercise 06-2", rule 3',
    )


def test_06_2_minutes_of_a_further_replica_are_rounded_up_too(lesson: SimpleNamespace) -> None:
    further = _endpoint_cost(lesson, hours=8, days=20, replicas=2, start_minutes=4.25) - 43_800

    assert _near(further, 20 * 485), wrong(
        "not-rounded-up",
        seen=f"a second replica, for 20 days of 484.25 minutes, was billed {further!r} minutes",
        due="9,700: its days are rounded up to 485 whole minutes, too",
        read='"Exercise 06-2", rules 3 and 4',
    )


def test_06_2_a_day_of_a_further_replica_has_1440_minutes_too(lesson: SimpleNamespace) -> None:
    second = _endpoint_cost(lesson, hours=24, replicas=2)

    assert _near(second, 2 * 43_800), wrong(
        "more-than-a-day",
        seen=f"two replicas, used day and night, were billed {second!r} minutes",
        due="87,600: the second one, too, has at most 1,440 minutes a day",
        read='"Exercise 06-2", rules 3 and 4',
    )


def test_06_2_each_replica_is_counted_once(lesson: SimpleNamespace) -> None:
    asleep = _endpoint_cost(lesson, hours=6, days=20, replicas=3, min_replicas=0, start_minutes=5, idle_minutes=60)
    many = _endpoint_cost(lesson, hours=6, days=20, replicas=1, min_replicas=2)
    further = _endpoint_cost(lesson, hours=6, days=20, replicas=3, min_replicas=2, start_minutes=5) - 2 * 43_800

    assert _near(asleep, 20 * (425 + 2 * 365)), wrong(
        "counts-the-first-twice",
        seen=f"three replicas that sleep, 6 hours on 20 days, were billed {asleep!r} minutes",
        due="23,100: the first one with its idle hour, and two more",
        read='"Exercise 06-2", rules 2 and 3',
    )
    assert _near(many, 2 * 43_800), wrong(
        "less-than-none",
        seen=f"two replicas that always run, with replicas=1, were billed {many!r} minutes",
        due="87,600: there is no further replica, and none is given back",
        read='"Exercise 06-2", rule 3',
    )
    assert _near(further, 20 * 365), wrong(
        "counts-those-that-always-run-twice",
        seen=f"of three replicas two always run; what comes for the hours of use was billed {further!r} minutes",
        due="7,300: one further replica; the two are in the whole month already",
        read='"Exercise 06-2", rule 3: "each further replica"',
    )


def test_06_2_without_a_request_nothing_wakes(lesson: SimpleNamespace) -> None:
    asleep = _endpoint_cost(lesson, hours=8, days=20, requests=0, replicas=2, min_replicas=0)
    never_used = _endpoint_cost(lesson, hours=0, days=20, min_replicas=0)
    always = _endpoint_cost(lesson, hours=8, days=20, requests=0)

    assert (asleep, never_used) == (0, 0), wrong(
        "wakes-for-nobody",
        seen=f"an endpoint that sleeps was billed {asleep!r} minutes without a request, {never_used!r} without use",
        due="0: nothing wakes it",
        read='"Exercise 06-2", rule 5',
    )
    assert _near(always, 43_800), wrong(
        "always-on-is-free",
        seen=f"a replica that always runs, and that nobody asks, was billed {always!r} minutes",
        due="43,800: it runs all the same",
        read='"Exercise 06-2", rule 5',
    )


# --- 06-3 break_even ----------------------------------------------------------------------------------------


def test_06_3_the_volume_where_both_cost_the_same(lesson: SimpleNamespace) -> None:
    found = lesson.break_even(2.50, 3908, 0.60)
    with_people = lesson.break_even(2.50, 3908, 0.60, 600.0)

    assert _near(found.million_tokens_per_month, 2.50 * 730 / 0.60), wrong(
        "wrong-volume",
        seen=f"for 2.50 USD an hour against 0.60 USD per million, the volume was {found.million_tokens_per_month!r}",
        due="3041.67 (millions): what the machine costs in 730 hours, divided by the price",
        read='"Exercise 06-3", million_tokens_per_month',
    )
    assert _near(with_people.million_tokens_per_month, (2.50 * 730 + 600) / 0.60), wrong(
        "ignores-fixed",
        seen=f"with 600 USD a month for people, the volume was {with_people.million_tokens_per_month!r}",
        due="4041.67 (millions): the API must cost as much as machine and people together",
        read='"Exercise 06-3", fixed',
    )


def test_06_3_utilisation_is_a_share_of_what_the_machine_can_do(lesson: SimpleNamespace) -> None:
    share = lesson.break_even(2.50, 3908, 0.60).utilisation
    due = 2.50 * 1e6 / (3600 * 3908 * 0.60)

    assert not _near(share, 100 * due), wrong(
        "in-per-cent",
        seen=f"the utilisation was {share!r}",
        due="0.296: a share, where 1.0 is all",
        read='"Exercise 06-3", utilisation',
    )
    assert _near(share, due), wrong(
        "wrong-utilisation",
        seen=f"for an A100 with 3,908 text tokens/s against 0.60, the utilisation was {share!r}",
        due="0.296: the volume, divided by the text tokens that the machine can make in the month. Mind the million",
        read='"Exercise 06-3", utilisation',
    )


def test_06_3_people_raise_the_utilisation_too(lesson: SimpleNamespace) -> None:
    plain, dear = (lesson.break_even(2.50, 3908, 0.60, fixed).utilisation for fixed in (0.0, 2.50 * 730))

    assert _near(dear, 2 * plain), wrong(
        "fixed-not-in-utilisation",
        seen=f"twice the cost (machine and people) changed the utilisation from {plain:.3f} to {dear:.3f}",
        due="twice the utilisation: it is that of the volume",
        read='"Exercise 06-3": "that volume as a share"',
    )


@pytest.mark.parametrize(
    ("rate", "due", "mistake"),
    [
        (37.0, "never", "never-not-said"),
        (36.1, "never", "never-not-said"),
        (36.0, "hardly", "full-is-not-never"),
        (26.0, "hardly", "hardly-not-said"),
        (25.0, "yes", "yes-not-said"),
    ],
)
def test_06_3_never_hardly_yes(lesson: SimpleNamespace, rate: float, due: str, mistake: str) -> None:
    found = lesson.break_even(rate, 10_000, 1.0)

    assert found.verdict == due, wrong(
        mistake,
        seen=f"for a utilisation of {rate / 36:.3f} the verdict was {found.verdict!r}",
        due=f"{due!r}: above 1 never, above PRACTICAL (0.7) hardly, else yes",
        read='"Exercise 06-3", verdict',
    )
    said = found.reason.replace(" %", "%").replace("\u00a0%", "%")
    assert f"{rate / 36:.0%}" in said, wrong(
        "reason-without-its-number",
        seen=f"for a utilisation of {rate / 36:.3f} the reason was {found.reason!r}",
        due=f"a sentence that holds {rate / 36:.0%}",
        read='"Exercise 06-3", reason',
    )


def test_06_3_nothing_beats_a_free_api_and_no_machine_is_none(lesson: SimpleNamespace) -> None:
    for name, arguments in (("price", (1.0, 100, 0.0)), ("throughput", (1.0, 0.0, 1.0))):
        try:
            found = lesson.break_even(*arguments)
        except ZeroDivisionError:
            found = None

        assert found is not None, wrong(
            "divides-by-zero",
            seen=f"with {name} 0 your function raised ZeroDivisionError",
            due='"never", with infinite utilisation and a reason',
            read='"Exercise 06-3", below the list',
        )
        assert "inf" not in found.reason.lower().replace("infinit", ""), wrong(
            "infinite-per-cent",
            seen=f"with {name} 0 the reason was {found.reason!r}",
            due="the reason why: a free API cannot be beaten, or a machine that makes nothing; no per cent of infinity",
            read='"Exercise 06-3", reason: "where it is infinite, the reason why"',
        )
        assert (found.verdict, found.utilisation) == ("never", math.inf) and found.reason, wrong(  # noqa: PT018
            "zero-is-not-never",
            seen=f"with {name} 0 you returned {found!r}",
            due='"never", with infinite utilisation and a reason',
            read='"Exercise 06-3", below the list',
        )


# --- 06-4 measure -------------------------------------------------------------------------------------------


class Model:
    """A model with known delays that notes who asks. places: how many it serves at once."""

    def __init__(self, first: float = 0.5, between: float = 0.1, pieces: int = 5, bad: Sequence[str] = ()) -> None:
        self.first, self.between, self.pieces, self.bad = first, between, pieces, bad
        self.asked: list[str] = []
        self.under_way = self.most = 0

    async def __call__(self, prompt: str) -> AsyncIterator[str]:
        self.asked.append(prompt)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.first)
            if prompt == "empty":
                return
            for number in range(self.pieces):
                if prompt in self.bad and number == 2:
                    raise ConnectionError("the model is gone")
                yield "piece "
                await asyncio.sleep(self.between)
        finally:
            self.under_way -= 1


PROMPTS = [f"prompt {number}" for number in range(20)]


def _measured(
    lesson: SimpleNamespace,
    model: Model,
    callers: Sequence[int] | None = None,
    prompts: Sequence[str] = PROMPTS,
    clock: Callable[[], float] = virtual_time.now,
) -> Any:
    work = lesson.measure(model, prompts, clock, *([callers] if callers else []))
    assert inspect.iscoroutine(work), wrong(
        "not-async",
        seen=f"measure(...) returned {type(work).__name__} at once",
        due="an `async def`: many callers wait at the same time in one thread",
        read='"Exercise 06-4", its first line',
    )
    return virtual_time.run(work).levels


def test_06_4_there_is_a_level_for_each_number_of_callers(lesson: SimpleNamespace) -> None:
    usual = [level.callers for level in _measured(lesson, Model())]
    chosen = [level.callers for level in _measured(lesson, Model(), (8, 2))]

    assert (usual, chosen) == ([1, 4, 16], [8, 2]), wrong(
        "wrong-levels",
        seen=f"the levels were for {usual} callers, and with callers=(8, 2) for {chosen}",
        due="one level for each number in `callers`, in that order",
        read='"Exercise 06-4", its first paragraph',
    )


@pytest.mark.parametrize("count", [1, 4, 16])
def test_06_4_that_many_callers_ask_at_the_same_time(lesson: SimpleNamespace, count: int) -> None:
    model = Model()
    _measured(lesson, model, (count,))

    assert sorted(model.asked) == sorted(PROMPTS), wrong(
        "not-each-prompt-once",
        seen=f"with {count} callers, {len(model.asked)} requests were sent for {len(PROMPTS)} prompts",
        due="each prompt once: the callers share them",
        read='"Exercise 06-4", its first paragraph',
    )
    assert model.most <= count, wrong(
        "too-many-at-once",
        seen=f"with {count} callers, {model.most} requests were under way at once",
        due=f"{count}: a caller takes its next prompt when its last answer is complete",
        read='"Exercise 06-4", its first paragraph',
    )
    assert model.most == count, wrong(
        "one-after-the-other",
        seen=f"with {count} callers, at most {model.most} requests were under way at once",
        due=f"{count}: that many callers at the same time",
        read='"Exercise 06-4", its first paragraph',
    )


def test_06_4_one_level_after_the_other(lesson: SimpleNamespace) -> None:
    model = Model()
    _measured(lesson, model, (2, 3))

    assert model.most == 3, wrong(
        "levels-at-once",
        seen=f"with callers=(2, 3), {model.most} requests were under way at once",
        due="3 at most: a level begins when the one before is complete, or each disturbs the other's numbers",
        read='"Exercise 06-4": "by exactly that many callers at the same time"',
    )


def test_06_4_no_caller_waits_for_the_others(lesson: SimpleNamespace) -> None:
    ended: list[float] = []

    class Uneven(Model):
        async def __call__(self, prompt: str) -> AsyncIterator[str]:
            await asyncio.sleep(9.0 if prompt == PROMPTS[0] else 0.0)
            async for piece in super().__call__(prompt):
                yield piece
            ended.append(virtual_time.now())

    _measured(lesson, Uneven(), (2,))

    assert ended[-1] < 17, wrong(
        "waits-for-the-slowest",
        seen=f"one answer of 10 s and nineteen of 1 s took two callers {ended[-1]:.1f} s",
        due="15 s: who is done takes the next prompt, and does not wait for a slow neighbour",
        read='"Exercise 06-4": "as soon as its last answer is complete"',
    )


def test_06_4_the_first_piece_and_the_end(lesson: SimpleNamespace) -> None:
    (level,) = _measured(lesson, Model(), (1,), PROMPTS[:1])

    assert _near(level.first_p50, 0.5), wrong(
        "first-is-not-the-first",
        seen=f"the first piece comes after 0.5 s; you measured {level.first_p50!r} s",
        due="0.5: from sending the request to its first piece",
        read='"Exercise 06-4", answers',
    )
    assert _near(level.total_p50, 1.0), wrong(
        "end-is-not-the-end",
        seen=f"the stream ends after 1.0 s; you measured {level.total_p50!r} s",
        due="1.0: until the iterator is at its end",
        read='"Exercise 06-4", answers',
    )


def test_06_4_a_first_piece_at_second_zero_is_one(lesson: SimpleNamespace) -> None:
    (level,) = _measured(lesson, Model(first=0.0), (1,), PROMPTS[:1])

    assert level.first_p50 == 0, wrong(
        "zero-is-not-nothing",
        seen=f"the first piece comes at once, when the clock shows 0.0; you measured {level.first_p50!r} s",
        due="0.0: a time of zero is a time; compare with None",
        read='the second hint of 06-4: hint("06-4")',
    )


def test_06_4_the_clock_starts_when_this_request_is_sent(lesson: SimpleNamespace) -> None:
    (level,) = _measured(lesson, Model(), (4,))

    assert _near(level.first_p95, 0.5), wrong(
        "counts-our-own-queue",
        seen=f"each first piece comes 0.5 s after its request; with 4 callers you measured {level.first_p95!r} s (p95)",
        due="0.5: a prompt that waits for a free caller has not been sent yet",
        read='"Exercise 06-4", answers',
    )


def test_06_4_percentiles_are_no_means_and_no_maxima(lesson: SimpleNamespace) -> None:
    class Slower(Model):
        async def __call__(self, prompt: str) -> AsyncIterator[str]:
            await asyncio.sleep(PROMPTS.index(prompt) ** 2)
            async for piece in super().__call__(prompt):
                yield piece

    (level,) = _measured(lesson, Slower(first=0.5, between=0.0, pieces=1), (1,))
    seen = (level.first_p50, level.total_p50, level.first_p95, level.total_p95)

    assert all(_near(got, due) for got, due in zip(seen, (81.5, 81.5, 324.5, 324.5), strict=True)), wrong(
        "mean-or-maximum",
        seen=f"20 answers after 0.5, 1.5, 4.5 ... 324.5, 361.5 s gave p50 {seen[:2]} and p95 {seen[2:]} (first, total)",
        due="81.5, which half do not exceed, and 324.5, which all but one in twenty do not: Level.of computes both; "
        "the mean is 124, the maximum 361.5",
        read='"Exercise 06-4", its first paragraph: Level.of',
    )


def test_06_4_time_comes_from_the_clock(lesson: SimpleNamespace) -> None:
    def fast() -> float:
        return 1000 + 2 * virtual_time.now()

    (level,) = _measured(lesson, Model(), (1,), clock=fast)

    assert (_near(level.first_p50, 1.0), _near(level.total_p50, 2.0)) == (True, True), wrong(
        "another-clock",
        seen=f"on a clock that runs twice as fast you measured {level.first_p50!r} and {level.total_p50!r} s",
        due="1.0 and 2.0: every time comes from clock()",
        read='"Exercise 06-4", the line above the example',
    )


def test_06_4_speed_is_that_of_all_callers_together(lesson: SimpleNamespace) -> None:
    one, four = _measured(lesson, Model(), (1, 4))

    assert _near(one.pieces_per_second, 5.0) or not _near(four.pieces_per_second, 4 * one.pieces_per_second), wrong(
        "miscounts-the-pieces",
        seen=f"answers of 5 pieces in 1 s gave {one.pieces_per_second!r} pieces/s to 1 caller",
        due="5: each piece of an answer counts, the first and the last one, too",
        read='"Exercise 06-4", answers',
    )
    assert (_near(one.pieces_per_second, 5.0), _near(four.pieces_per_second, 20.0)) == (True, True), wrong(
        "wrong-seconds-of-a-level",
        seen=f"answers of 5 pieces in 1 s gave {one.pieces_per_second!r} pieces/s to 1 caller, "
        f"{four.pieces_per_second!r} to 4",
        due="5 and 20: `seconds` is how long this level took on the clock, from its beginning to its end",
        read='"Exercise 06-4", seconds',
    )


def test_06_4_a_failure_is_counted_and_the_others_go_on(lesson: SimpleNamespace) -> None:
    prompts = [*PROMPTS[:8], "empty"]
    try:
        (level,) = _measured(lesson, Model(bad=PROMPTS[2:4]), (2,), prompts)
    except (ConnectionError, IndexError, TypeError) as error:
        level = error

    assert not isinstance(level, Exception), wrong(
        "one-failure-ends-all",
        seen=f"two of nine requests failed and one gave no piece; measure raised {type(level).__name__}",
        due="a Level with 6 answered and 3 failed: the others go on",
        read='"Exercise 06-4", failed',
    )
    assert (level.answered, level.failed) == (6, 3), wrong(
        "failures-not-counted",
        seen=f"of nine requests two failed and one was empty; you: {level.answered} answered, {level.failed} failed",
        due="6 answered, 3 failed: a stream that breaks in the middle or brings nothing is no answer",
        read='"Exercise 06-4", answers and failed',
    )


# --- 06-5 memory_gb and fits --------------------------------------------------------------------------------


def test_06_5_weights_are_parameters_times_bytes(lesson: SimpleNamespace) -> None:
    shape = lesson.Shape(1, 1, 1)
    gb = {precision: lesson.memory_gb(1e10, precision, 0, 1, shape) for precision in ("fp16", "int8", "int4")}

    assert not _near(gb["fp16"], 20.0), wrong(
        "ignores-overhead",
        seen="ten thousand million parameters in fp16 needed 20.0 GB",
        due="24.0: what the engine needs itself comes on top (OVERHEAD)",
        read='"Exercise 06-5", the third point',
    )
    assert not _near(gb["fp16"], 24e9 / 2**30), wrong(
        "other-gigabytes",
        seen=f"ten thousand million parameters in fp16 needed {gb['fp16']!r} GB",
        due="24.0: a GB has 10^9 bytes here (2^30 would be a GiB)",
        read='"Exercise 06-5", its first line',
    )
    assert all(_near(gb[name], due) for name, due in (("fp16", 24), ("int8", 12), ("int4", 6))), wrong(
        "wrong-weights",
        seen=f"ten thousand million parameters needed {gb} GB",
        due="24 in fp16, 12 in int8, 6 in int4: BYTES[precision] each, and OVERHEAD",
        read='"Exercise 06-5", the first point',
    )


def test_06_5_all_users_share_the_weights(lesson: SimpleNamespace) -> None:
    one, five = (lesson.memory_gb(1e10, "fp16", 0, users, lesson.Shape(1, 1, 1)) for users in (1, 5))

    assert _near(five, one), wrong(
        "weights-for-each-user",
        seen=f"the weights alone needed {one!r} GB for one user, {five!r} GB for five",
        due="the same: all users read the same weights; only the cache is one for each",
        read='"Exercise 06-5": weights "once"',
    )


def test_06_5_the_cache_holds_keys_and_values(lesson: SimpleNamespace) -> None:
    # 128 KiB a text token: Llama-3-8B. tests/course/test_decision_numbers.py compares with what its makers published.
    gb = lesson.memory_gb(0, "fp16", 10_000, 1, lesson.Shape(32, 8, 128))
    due = 1.2 * 131_072 * 10_000 / 1e9

    assert not _near(gb, due / 2), wrong(
        "keys-without-values",
        seen=f"a cache of 10,000 text tokens needed {gb:.3f} GB, half of what is due",
        due="a key and a value, of 2 bytes for each number: 2 * ... * 2",
        read='"Exercise 06-5", the second point',
    )
    assert _near(gb, due), wrong(
        "wrong-cache",
        seen=f"a cache of 10,000 text tokens with 32 layers, 8 heads of 128 needed {gb!r} GB",
        due=f"{due:.3f}: 2 * layers * kv_heads * head_dim * 2 bytes a text token, and OVERHEAD",
        read='"Exercise 06-5", the second point',
    )


def test_06_5_each_user_has_a_cache_in_16_bits(lesson: SimpleNamespace) -> None:
    shape = lesson.Shape(32, 8, 128)
    one, five = (lesson.memory_gb(0, "fp16", 1000, users, shape) for users in (1, 5))
    small = lesson.memory_gb(0, "int4", 1000, 5, shape)

    assert _near(five, 5 * one), wrong(
        "one-cache-for-all",
        seen=f"five users needed {five:.3f} GB of cache, one needs {one:.3f} GB",
        due="five times as much: each has a context of its own",
        read='"Exercise 06-5", the second point',
    )
    assert _near(small, five), wrong(
        "cache-shrinks-with-the-weights",
        seen=f"with weights in int4 the cache needed {small:.3f} GB, with fp16 {five:.3f} GB",
        due="the same: the cache stays in 16 bits",
        read='"Exercise 06-5", the second point',
    )


def test_06_5_it_fits_if_it_is_not_larger_than_the_card(lesson: SimpleNamespace) -> None:
    what = (8.03e9, "fp16", 8192, 1, lesson.Shape(32, 8, 128))
    needed = lesson.memory_gb(*what)
    answers = [bool(lesson.fits(gb, *what)) for gb in (needed - 1, needed, needed + 1)]

    assert answers[1], wrong(
        "full-does-not-fit",
        seen=f"a card of exactly the {needed:.2f} GB that are needed did not do",
        due="True: at most",
        read='"Exercise 06-5", fits',
    )
    assert answers == [False, True, True], wrong(
        "fits-the-wrong-way",
        seen=f"a card with 1 GB too little, enough, 1 GB more: {answers}",
        due="[False, True, True]",
        read='"Exercise 06-5", fits',
    )


FITS: dict[str, dict[str, Any]] = {
    "precision": {"precision": "fp16"},
    "context": {"context": 9000},
    "users": {"users": 9},
}


@pytest.mark.parametrize("change", FITS)
def test_06_5_fits_asks_about_the_same_model_and_users(lesson: SimpleNamespace, change: str) -> None:
    few = {"precision": "int8", "context": 1000, "users": 1}
    more = few | FITS[change]
    loads = [(8.03e9, *what.values(), lesson.Shape(32, 8, 128)) for what in (few, more)]
    cards = [lesson.memory_gb(*load) + 0.01 for load in loads]
    answers = [bool(lesson.fits(gb, *load)) for gb, load in zip(cards, loads, strict=True)]
    small = bool(lesson.fits(cards[0], *loads[1]))

    assert (answers, small) == ([True, True], False), wrong(
        "fits-without-all-it-was-given",
        seen=f"cards with room for {few} and for {more}: {answers}; the first card with the second load: {small}",
        due="[True, True] and False: precision, context and users decide as much as the parameters",
        read='"Exercise 06-5", fits',
    )


# --- 06-6 recommend -----------------------------------------------------------------------------------------


def _offers(lesson: SimpleNamespace) -> dict[str, Any]:
    """api: cheap, loose; endpoint: dearer, for fewer; own: dear and strict; phone: free, for very few."""

    def offer(name: str, usd: float, keeps: str, start: float = 0.0, most: float = math.inf, each: float = 0.0) -> Any:
        return lesson.Offer(name, lambda workload: usd + each * workload.requests_per_hour, keeps, start, most)

    return {
        "api": offer("api", 0.0, "anywhere", each=1.0),
        "endpoint": offer("endpoint", 1234.5, "one processor", start=300.0),
        "own": offer("own", 5000.0, "our machines"),
        "phone": offer("phone", 1.0, "the device", most=0.5),
    }


def _decided(lesson: SimpleNamespace, offers: Sequence[Any], **use: Any) -> Any:
    workload = lesson.Workload(**{"requests_per_hour": 100.0, "input_tokens": 900.0, "output_tokens": 100.0} | use)
    crash = None
    try:
        return lesson.recommend(workload, offers)
    except (ValueError, AttributeError, TypeError, IndexError) as error:
        crash = error

    # Only where no offer is left, here or in a reversal; what else goes wrong is shown as it is.
    assert not any(sign in str(crash) for sign in ("empty", "NoneType", "out of range")), wrong(
        "crashes-without-an-offer",
        seen=f"where every offer breaks a rule, recommend raised {crash!r}",
        due="option None and usd_per_month None; among the reversals that happens, too",
        read='"Exercise 06-6", option',
    )
    raise crash


def test_06_6_the_cheapest_is_chosen(lesson: SimpleNamespace) -> None:
    api, endpoint, own = (replace(offer, keeps="anywhere") for offer in list(_offers(lesson).values())[:3])
    offers = [endpoint, api, own]
    little, much = (_decided(lesson, offers, requests_per_hour=count) for count in (100.0, 2000.0))

    assert (little.option, little.usd_per_month) == ("api", 100.0), wrong(
        "not-the-cheapest",
        seen=f"api 100 USD, endpoint 1,234.50, own 5,000: you chose {little.option!r} at {little.usd_per_month!r}",
        due="'api' at 100.0",
        read='"Exercise 06-6", option',
    )
    assert (much.option, much.usd_per_month) == ("endpoint", 1234.5), wrong(
        "not-for-this-workload",
        seen=f"2,000 requests an hour: api 2,000, endpoint 1,234.50; you: {much.option!r} at {much.usd_per_month!r}",
        due="'endpoint' at 1234.5: the cost is that of this workload",
        read='"Exercise 06-6", option',
    )


def test_06_6_equal_costs_leave_the_first(lesson: SimpleNamespace) -> None:
    twins = [lesson.Offer(name, lambda workload: 7.0, "anywhere") for name in ("one", "another")]

    assert (said := _decided(lesson, twins).option) == "one", wrong(
        "last-of-equals",
        seen=f"two offers of 7 USD, 'one' and 'another' in this order: you chose {said!r}",
        due="'one': the first of equals",
        read='"Exercise 06-6", option',
    )


RULES: dict[str, tuple[dict[str, Any], str, str]] = {  # the mistake: use, offers, due
    "breaks-privacy": ({"privacy": "one processor"}, "api endpoint", "endpoint"),
    "stricter-is-allowed": ({"privacy": "one processor"}, "api own", "own"),
    "ignores-cold-start": ({"requests_per_hour": 2000.0, "patience_seconds": 299.0}, "api endpoint", "api"),
    "patience-is-enough": ({"requests_per_hour": 2000.0, "patience_seconds": 300.0}, "api endpoint", "endpoint"),
    "ignores-capacity": ({"requests_per_hour": 2.0}, "api phone", "api"),
    "ignores-the-busiest": ({"requests_per_hour": 1.5, "busiest": 2.0}, "api phone", "api"),
    "enough-is-enough": ({"requests_per_hour": 1.8}, "api phone", "phone"),
}


@pytest.mark.parametrize("rule", RULES)
def test_06_6_a_rule_is_not_for_sale(lesson: SimpleNamespace, rule: str) -> None:
    use, names, due = RULES[rule]
    offers = _offers(lesson)
    decision = _decided(lesson, [offers[name] for name in names.split()], **use)

    assert decision.option == due, wrong(
        rule,
        seen=f"for {use} you chose {decision.option!r} of {names}; api keeps anywhere, endpoint one processor "
        "(starts in 300 s), own our machines, phone the device (0.5 text tokens/s)",
        due=f"{due!r}: the cheapest that keeps every rule. Who keeps a stricter rule keeps a looser one, too; "
        "exactly enough is enough",
        read='"Exercise 06-6", allowed',
    )


def test_06_6_nothing_may_be_allowed(lesson: SimpleNamespace) -> None:
    decision = _decided(lesson, list(_offers(lesson).values())[:3], privacy="the device")

    assert (decision.option, decision.usd_per_month, tuple(decision.ties)) == (None, None, ()), wrong(
        "something-is-always-allowed",
        seen=f"where every offer breaks a rule, you returned {decision!r}",
        due="None, None and no ties",
        read='"Exercise 06-6", option',
    )


def test_06_6_ties_are_said(lesson: SimpleNamespace) -> None:
    costs = {"a": 100.0, "b": 110.0, "c": 110.01, "d": 105.0, "e": 101.0}
    offers = [
        lesson.Offer(name, lambda workload, usd=usd: usd, "anywhere", 600.0 if name == "d" else 0.0)
        for name, usd in costs.items()
    ]
    ties = tuple(_decided(lesson, offers, patience_seconds=10.0).ties)

    assert "a" not in ties, wrong(
        "a-tie-with-itself",
        seen=f"the ties of 'a' were {ties}",
        due="the others",
        read='"Exercise 06-6", ties',
    )
    assert "d" not in ties, wrong(
        "a-tie-with-what-is-not-allowed",
        seen=f"the ties were {ties}; 'd' starts too slowly for this workload",
        due="allowed offers only",
        read='"Exercise 06-6", ties',
    )
    assert set(ties) == {"b", "e"}, wrong(
        "ties-not-said",
        seen=f"a costs 100, b 110, c 110.01, e 101: the ties were {ties}",
        due="b and e: all that cost at most TIE, a tenth, more",
        read='"Exercise 06-6", ties',
    )


def test_06_6_every_offer_has_its_reason_with_a_number(lesson: SimpleNamespace) -> None:
    offers = list(_offers(lesson).values())
    reasons = list(_decided(lesson, offers, privacy="one processor", patience_seconds=10.0).reasons)

    assert [reason.partition(":")[0] for reason in reasons] == ["api", "endpoint", "own", "phone"], wrong(
        "a-reason-is-missing",
        seen=f"four offers had the reasons {reasons}",
        due="one sentence for each offer, in order, that starts with its name and a colon",
        read='"Exercise 06-6", reasons',
    )
    assert all(
        usd in reason for usd, reason in zip(("100.00", "1,234.50", "5,000.00", "1.00"), reasons, strict=True)
    ), wrong(
        "a-reason-without-its-number",
        seen=f"the reasons were {reasons}",
        due="the cost in each: 100.00, 1,234.50, 5,000.00, 1.00",
        read='"Exercise 06-6", reasons',
    )
    told = [[rule for rule in ("privacy", "cold start", "capacity") if rule in reason] for reason in reasons]
    refused = ["not allowed" in reason for reason in reasons]
    assert (told, refused) == ([["privacy"], ["cold start"], [], ["capacity"]], [True, True, False, True]), wrong(
        "a-rule-is-not-named",
        seen=f"the reasons were {reasons}",
        due="api: not allowed, privacy; endpoint: not allowed, cold start; own: allowed; phone: not allowed, capacity",
        read='"Exercise 06-6", reasons',
    )


def test_06_6_what_would_reverse_it(lesson: SimpleNamespace) -> None:
    offers = list(_offers(lesson).values())
    found = {(each.change, each.option) for each in _decided(lesson, offers[:3]).reversals}
    volume = {("100 times the requests", "endpoint")}
    rules = {
        ("privacy: one processor", "endpoint"),
        ("privacy: our machines", "own"),
        ("privacy: the device", None),
    }

    assert "api" not in {option for _, option in found}, wrong(
        "reversals-that-are-none",
        seen=f"the option is 'api'; the reversals were {sorted(map(str, found))}",
        due="only changes after which another option comes out",
        read='"Exercise 06-6", reversals',
    )
    assert {each for each in found if "times" in each[0]} == volume, wrong(
        "forgets-the-volume",
        seen=f"the reversals were {sorted(map(str, found))}",
        due="Reversal('100 times the requests', 'endpoint') among them: each of FACTORS is tried",
        read='"Exercise 06-6", reversals',
    )
    assert {each for each in found if "privacy" in each[0]} == rules, wrong(
        "forgets-the-rules",
        seen=f"the reversals were {sorted(map(str, found))}",
        due="'endpoint' for one processor, 'own' for our machines, None for the device",
        read='"Exercise 06-6", reversals',
    )


def test_06_6_another_volume_is_another_question(lesson: SimpleNamespace) -> None:
    api, endpoint, _, phone = _offers(lesson).values()
    much = {each.change: each.option for each in _decided(lesson, [api, endpoint], requests_per_hour=2000.0).reversals}
    little = {each.change: each.option for each in _decided(lesson, [api, phone], requests_per_hour=1.5).reversals}

    assert (much.get("0.1 times the requests"), much.get("0.01 times the requests")) == ("api", "api"), wrong(
        "only-more-requests",
        seen=f"at 2,000 requests an hour 'endpoint' is the option; the reversals were {much}",
        due="'api' for 0.1 and for 0.01 times the requests: each of FACTORS is tried, also those below 1",
        read='"Exercise 06-6", reversals: "each of FACTORS"',
    )
    assert little.get("10 times the requests") == "api", wrong(
        "rules-of-the-old-volume",
        seen=f"a phone with 0.5 text tokens/s serves 1.5 requests an hour; the reversals were {little}",
        due="'api' for 10 times the requests: which rules are broken is asked again for each change",
        read='the first hint of 06-6: hint("06-6")',
    )


def test_06_6_a_rule_that_falls_is_a_reversal_too(lesson: SimpleNamespace) -> None:
    offers = list(_offers(lesson).values())[:3]
    found = {(each.change, each.option) for each in _decided(lesson, offers, privacy="our machines").reversals}

    assert ("privacy: anywhere", "api") in found, wrong(
        "only-stricter-rules",
        seen=f"for a workload that stays on our machines the reversals were {sorted(map(str, found))}",
        due="Reversal('privacy: anywhere', 'api') among them: what the rule costs is worth knowing",
        read='"Exercise 06-6", reversals: "each rule of PRIVACY"',
    )


def test_06_6_where_nothing_is_allowed_all_the_rest_is_said(lesson: SimpleNamespace) -> None:
    decision = _decided(lesson, list(_offers(lesson).values())[:3], privacy="the device")

    freed = {each.option for each in decision.reversals if each.change == "privacy: anywhere"}
    assert (len(decision.reasons), freed) == (3, {"api"}), wrong(
        "nothing-allowed-nothing-said",
        seen=f"where every offer breaks a rule, you returned {decision!r}",
        due="three reasons, and among the reversals Reversal('privacy: anywhere', 'api'): what would help is asked "
        "most where nothing is allowed",
        read='"Exercise 06-6", reasons and reversals',
    )


def test_06_6_each_broken_rule_is_named(lesson: SimpleNamespace) -> None:
    bad = lesson.Offer("slow phone", lambda workload: 1.0, "anywhere", 300.0, 0.5)
    reasons = _decided(lesson, [bad], privacy="one processor", patience_seconds=10.0).reasons
    told = [rule for rule in ("privacy", "cold start", "capacity") if rule in " ".join(reasons)]

    assert len(told) == 3, wrong(
        "a-rule-is-not-named",
        seen=f"an offer that breaks three rules had the reason {' '.join(reasons)!r}",
        due="privacy, cold start and capacity: who repairs the first wants to know the others",
        read='"Exercise 06-6", reasons: "each rule that is broken"',
    )


def test_06_6_the_lessons_own_offers_are_the_default(lesson: SimpleNamespace) -> None:
    decision = lesson.recommend(lesson.SUPPORT)

    assert decision.option == "API", wrong(
        "other-offers",
        seen=f"recommend(SUPPORT) chose {decision.option!r}",
        due="'API': without `offers` it takes OFFERS",
        read='"Exercise 06-6", its first line',
    )
