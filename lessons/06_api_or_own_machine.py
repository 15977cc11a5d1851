# %% [markdown]
# # 06 API, endpoint or own machine
#
# After this you can
#
# - **price** a month of an API and of a dedicated endpoint, to the cent;
# - **find** the volume from which a machine is cheaper, or **show** that it never is;
# - **measure** how a model answers when many ask at once, and **tell** whether it fits a card;
# - **decide**, with a number in every reason, and **name** what would reverse the decision.
#
# You should know dataclasses and what `async def` means (lesson 05). About 140 minutes. Works offline: prices and speeds come from dated tables in `data/`.
#
# **With 90 minutes,** take the core: sections 1 to 4, then 8. Sections 5 and 6 stand alone, and so do 9 to 11. A good place to stop: after section 4.

# %% [markdown]
# ## 1. Advice without numbers
#
# Guides often say: an API for prototypes, a dedicated endpoint for production, a model on the device for private data. Part of it is wrong, and nothing of it can be checked:
#
# | one reads | what is known |
# |---|---|
# | the API wakes a sleeping model, half a second to two | no source was found; providers keep the models that they list loaded |
# | free calls end in a strict rate limit | used-up credits answer 402; 429 is something else (lesson 04) |
# | an endpoint has no cold start | only while one replica always runs; one that sleeps answers 503 for minutes (HF's docs, `guides/autoscaling.md`, 2026-08-20) |
# | host it yourself with TGI | in maintenance mode since 2025-12-11; its own page names vLLM and SGLang (`engines/tgi.md`, 2026-08-20) |
# | an endpoint is for high volume | often it never gets cheaper. You will see when |
#
# A word with two meanings: a **text token** is a piece of text that a model reads (input) or writes (output), and is what you pay for. An **access token** opens the API, and downloads weights. To *run* a
# model on a machine of yours you need none.
#
# And five of the trade: an **engine** is the program that runs a model, such as vLLM. A **replica** is one running copy of it, on a machine of its own. **Throughput** is how many text tokens come out of it in a
# second, for all who ask together. **Precision** is the bytes that each number of the model takes: `fp16` two, `int8` one; going from one to the other is to **quantise**. **ONNX** is a file format for models that other
# engines than PyTorch can run.
#
# **Predict, before any number:** a shop's support chat, 120 questions an hour in office hours, a model of 8 billion parameters. What does a month cost on the API, and what on a GPU of its own?
# Write your two numbers down.

# %%
from datetime import date

from course import check, hint, needs, sandbox, solution, table  # noqa: F401

TODAY = date(2026, 11, 24)  # fixed, so that you see what we saw; for a decision of your own: date.today()
PRICES, THROUGHPUT, SHAPES = table("prices"), table("throughput"), table("model_shapes")

for tables in (PRICES, THROUGHPUT):
    for source in tables["sources"].values():
        day = source.get("as_of") or source["published_on"]
        print(f"{(TODAY - day).days:5} days old, {source['kind']:<10}  {source['says']}")

# %% [markdown]
# Every number below comes from these tables, and prices die young. Which of these sources would you look up again before you sign a contract?
#
# What is to be paid for is a **workload**: how much is asked, and when. The class refuses what cannot be.

# %%
import math
from dataclasses import dataclass, replace

HOURS_PER_MONTH = 730.0  # a year of 365 days has 8760 hours
DAYS_PER_MONTH = HOURS_PER_MONTH / 24
PRIVACY = ("anywhere", "one processor", "our machines", "the device")  # from loose to strict


@dataclass(frozen=True)
class Workload:
    """What is asked of a model in a month.

    requests_per_hour: the mean, in the hours of use. busiest: the busiest minutes, as a multiple of that mean.
    input_tokens, output_tokens: text tokens of one request. hours_per_day, days_per_month: of use.
    privacy: where the text may go, one of PRIVACY. patience_seconds: how long the first caller may wait for a start.
    """

    requests_per_hour: float
    input_tokens: float
    output_tokens: float
    hours_per_day: float = 24.0
    days_per_month: float = DAYS_PER_MONTH
    busiest: float = 1.0
    privacy: str = "anywhere"
    patience_seconds: float = math.inf

    def __post_init__(self) -> None:
        for name, least, most in (
            ("requests_per_hour", 0, math.inf),
            ("input_tokens", 0, math.inf),
            ("output_tokens", 0, math.inf),
            ("hours_per_day", 0, 24),
            ("days_per_month", 0, DAYS_PER_MONTH),
            ("busiest", 1, math.inf),
            ("patience_seconds", 0, math.inf),
        ):
            value = getattr(self, name)
            if not least <= value <= most or (value == math.inf and name != "patience_seconds"):
                raise ValueError(f"{name} is {value!r}; it takes {least:g} to {most:g}")
        if self.privacy not in PRIVACY:
            raise ValueError(f"privacy is {self.privacy!r}; it takes one of {', '.join(PRIVACY)}")

    @property
    def hours_per_month(self) -> float:
        return self.hours_per_day * self.days_per_month

    @property
    def peak_tokens_per_second(self) -> float:
        """Input and output together, in the busiest minutes."""
        return self.requests_per_hour * self.busiest * (self.input_tokens + self.output_tokens) / 3600

    def times(self, factor: float) -> "Workload":
        """The same with `factor` times the requests."""
        return replace(self, requests_per_hour=self.requests_per_hour * factor)


SUPPORT = Workload(120, 900, 300, hours_per_day=10, days_per_month=21, busiest=3, patience_seconds=10)
print(
    f"{SUPPORT.hours_per_month:g} of {HOURS_PER_MONTH:g} hours; at most {SUPPORT.peak_tokens_per_second:g} text tokens/s"
)

# %% [markdown]
# ## 2. The API
#
# What you send and what you get have prices of their own, per million text tokens. Hugging Face passes the provider's price on, and each plan includes a monthly credit (hub-docs,
# `docs/inference-providers/pricing.md`, 2026-08-21).

# %% [markdown]
# ### Exercise 06-1: a month of the API   (about 5 lines, 8 minutes)
#
# Write `api_cost_usd_per_month(workload, price)`. It returns USD: the input and the output of all requests of the month, each at its own price **per million** text tokens, less the credit of the plan.
# A credit that is left over is not paid out: the least is 0.
#
# The requests of the month are those of an hour, in all hours of use (`workload.hours_per_month`).
#
# Example: 100 requests an hour with 1,000 + 500 text tokens, 10 hours a day, 20 days, at 0.10 and 0.40 USD with a credit of 2 USD → `4.0`.
# Check: the cell below, or `make check EX=06-1`.


# %%
@dataclass(frozen=True)
class ApiPrice:
    """USD per million text tokens, and USD that a month includes."""

    input_usd_per_million: float
    output_usd_per_million: float
    credit_usd_per_month: float = 0.0


def api_cost_usd_per_month(workload: Workload, price: ApiPrice) -> float:
    """USD for a month of `workload`, after the credit; never below 0."""
    # BEGIN SOLUTION
    requests = workload.requests_per_hour * workload.hours_per_month
    reading = workload.input_tokens * price.input_usd_per_million
    writing = workload.output_tokens * price.output_usd_per_million
    return max(0.0, requests * (reading + writing) / 1e6 - price.credit_usd_per_month)
    # END SOLUTION


# %% [markdown] hint="06-1"
# How many requests has the month? Then: what does one of them cost? Input and output are two products with two prices. Where does the million belong, and where the credit: inside the bracket or outside?

# %% [markdown] hint="06-1"
# Nearly code: `requests = workload.requests_per_hour * workload.hours_per_month`; one request costs `(workload.input_tokens * price.input_usd_per_million + ...) / 1e6`; then
# `max(0.0, requests * one - price.credit_usd_per_month)`.

# %% [markdown] explanation="06-1"
# Why: two prices, because writing costs a provider more than reading. A prompt with a long document is mostly input, a story mostly output; one mean price is wrong for both.
#
# One alternative: sum up `usage` of real answers. It is exact, and comes after the bill.
#
# In production: only answers with a status below 400 are billed (hub-docs, `register-as-a-provider.md`). Retries, system prompts and the history of a chat are input, too: a talk of ten turns sends its
# beginning ten times.

# %%
check("06-1")

# %% [markdown]
# The month of the shop, for every API price in the table. **Predict** the order of magnitude: a dollar, a hundred, a thousand? (Your first number from above.)

# %%
credit = next(row["usd_per_month"] for row in PRICES["credit"] if row["plan"] == "Free")
with needs("06-1"):
    for row in PRICES["api"]:
        price = ApiPrice(row["input_usd_per_million"], row["output_usd_per_million"], credit)
        usd = api_cost_usd_per_month(SUPPORT, price)
        print(f"{usd:8.2f} USD  {row['size']:<8} {row['provider']:<10} {row['model']}")

# %% [markdown]
# The small models cost less than a sandwich. Remember the first line; what follows has to beat it.
#
# ## 3. A dedicated endpoint
#
# An Inference Endpoint is a machine by the hour, billed **per minute** while it starts and while it runs, whether anybody asks or not. It may sleep (`min_replicas = 0`): by default after an hour
# without a request. Waking takes minutes, which are billed, and in which callers get 503 (HF's docs, `support/pricing.md`, 2026-05-19; `guides/autoscaling.md`, 2026-08-20).
#
# **Try to say** before you go on: a chat in office hours, ten hours on 21 days. Which share of a month is an endpoint awake that sleeps at night?

# %% [markdown]
# ### Exercise 06-2: a month of an endpoint   (about 10 lines, 15 minutes)
#
# Write `endpoint_cost_usd_per_month(plan, workload)`. It returns USD. Count minutes, then turn them into hours:
#
# 1. `min_replicas` replicas run all the month: `HOURS_PER_MONTH`.
# 2. If `min_replicas` is 0, the first replica wakes on each day of use. Its minutes of that day: starting, the hours of use, and being idle.
# 3. Each further replica, up to `replicas`, comes on each day of use: starting and the hours of use. (It leaves within minutes. We leave that out.)
# 4. Minutes of a day are rounded **up** to whole ones, and a day has 1,440 of them.
# 5. Without any request in the month nothing wakes: only rule 1 costs.
#
# Example: 1 USD an hour, one replica that sleeps, 5 minutes to start, 60 idle; 8 hours on 20 days → `(5 + 480 + 60) / 60 * 20` = `181.67`.
# Check: the cell below, or `make check EX=06-2`.

# %%
MINUTES_PER_DAY = 1440


@dataclass(frozen=True)
class EndpointPlan:
    """How an endpoint scales.

    usd_per_hour: of one replica. replicas: in the hours of use. min_replicas: always; 0 means that it sleeps.
    start_minutes: until a replica answers: measure yours, 5 is our assumption. idle_minutes: before the last one sleeps.
    """

    usd_per_hour: float
    replicas: int = 1
    min_replicas: int = 1
    start_minutes: float = 5.0
    idle_minutes: float = 60.0


def endpoint_cost_usd_per_month(plan: EndpointPlan, workload: Workload) -> float:
    """USD for a month: every minute in which a replica starts or runs. Use is one stretch a day."""
    # BEGIN SOLUTION
    asked = workload.requests_per_hour * workload.hours_per_month > 0
    days = workload.days_per_month if asked else 0.0
    busy = plan.start_minutes + 60 * workload.hours_per_day
    first = min(MINUTES_PER_DAY, math.ceil(busy + plan.idle_minutes)) if plan.min_replicas == 0 else 0
    others = min(MINUTES_PER_DAY, math.ceil(busy)) * max(0, plan.replicas - max(1, plan.min_replicas))
    minutes = 60 * HOURS_PER_MONTH * plan.min_replicas + days * (first + others)
    return minutes / 60 * plan.usd_per_hour
    # END SOLUTION


# %% [markdown] hint="06-2"
# Three groups of replicas: those that always run, the first one of an endpoint that sleeps, and the further ones. How many are in each, if `replicas=3` and `min_replicas` is 0, 1 or 2? Only one group has
# idle minutes.

# %% [markdown] hint="06-2"
# Nearly code: `busy = plan.start_minutes + 60 * workload.hours_per_day`; `first = min(1440, math.ceil(busy + plan.idle_minutes)) if plan.min_replicas == 0 else 0`;
# `others = min(1440, math.ceil(busy)) * max(0, plan.replicas - max(1, plan.min_replicas))`; then `(60 * HOURS_PER_MONTH * plan.min_replicas + days * (first + others)) / 60 * plan.usd_per_hour`, with `days = 0` where nobody asks.

# %% [markdown] explanation="06-2"
# Why: sleep is not free. Each waking costs the start and an idle hour; with three short uses a day an endpoint that "sleeps" is awake half the day. And whoever comes first waits for the start.
#
# One alternative: take the hours from the bill of last month. Better than any formula, once there is one.
#
# In production: keep two replicas if the service must not fail with one machine (HF's docs, `support/faq.md`, say so for 503 in production). Send `X-Scale-Up-Timeout` to be held instead of refused while it wakes.
# And watch what keeps it awake: a health check of yours is a request as well.

# %%
check("06-2")

# %% [markdown]
# The same chat on machines. **Predict:** how much does sleeping at night save, a tenth, a half, three quarters?

# %%
with needs("06-2"):
    for name in ("aws nvidia-t4 x1", "aws nvidia-l4 x1", "aws nvidia-a100 x1"):
        rate = next(row["usd_per_hour"] for row in PRICES["endpoint"] if row["name"] == name)
        always, asleep = (endpoint_cost_usd_per_month(EndpointPlan(rate, min_replicas=n), SUPPORT) for n in (1, 0))
        print(f"{name:<19} always on {always:8.2f} USD   asleep at night {asleep:8.2f} USD   ({asleep / always:.0%})")

# %% [markdown]
# ## 4. When does a machine break even?
#
# The API costs per text token, the machine per hour. So there is a volume where both cost the same, if the machine can do that volume at all. Its bound is the **throughput**: text tokens per second.
# That number means something only together with model, precision, engine, what is counted, and how many ask at once. The table has two for each machine: its peak, with as many callers as it takes, and what is
# left with 8 users for half an hour. **Predict:** by what factor do the two differ?

# %%
for row in THROUGHPUT["anchor"]:
    if row["source"] == "accelmark":
        print(
            f"{row['hardware']:<18} {row['engine']:<12} peak {row['peak']:>5}/s   8 users for half an hour {row['steady']:>4}/s"
        )


# %%
def usd_per_million(rate: float, throughput: float, utilisation: float = 1.0) -> float:
    """USD for a million text tokens on a machine of `rate` USD per hour that is busy for that share of the time."""
    return rate * 1e6 / (3600 * throughput * utilisation)


MACHINES = {"L4": (0.80, 365), "A100 80 GB": (2.50, 3908), "H200": (5.00, 4860)}  # checked against data/ by a test
for name, (rate, peak) in MACHINES.items():
    told = ", ".join(f"{usd_per_million(rate, peak, share):.2f} at {share:.0%}" for share in (1.0, 0.1))
    print(f"{name:<11} USD per million text tokens: {told}")

# %% [markdown]
# The right column is the usual one: office hours are a quarter of the week, and in them the load is uneven. So the question is not "how cheap is the machine" but "**how busy must it be**?"

# %% [markdown]
# ### Exercise 06-3: break-even, or never   (about 14 lines, 14 minutes)
#
# Write `break_even(rate, throughput, price, fixed=0.0)`. `rate` is USD per hour, always on; `throughput` text tokens per second; `price` USD per million text tokens of the API, input and output mixed as
# the throughput counts them; `fixed` USD per month for people, storage and the like. It returns a `BreakEven`:
#
# - `million_tokens_per_month`: the volume where both cost the same. The machine costs `rate` for `HOURS_PER_MONTH`, plus `fixed`.
# - `utilisation`: that volume as a share of what the machine can do in the month, 1.0 being all.
# - `verdict`: `"never"` if the utilisation is above 1, `"hardly"` above `PRACTICAL`, else `"yes"`.
# - `reason`: a sentence with the utilisation in whole per cent, such as `30%`; where it is infinite, the reason why.
#
# A free API (`price` 0) and a machine that makes nothing (`throughput` 0) are `"never"`, with infinite utilisation.
#
# Example: `break_even(2.50, 3908, 0.60)` → 3,041.67 million, utilisation 0.296, `"yes"`.   Check: the cell below, or `make check EX=06-3`.

# %%
from typing import Literal

PRACTICAL = 0.7  # a machine that is busier has queues: nobody loads one evenly


@dataclass(frozen=True)
class BreakEven:
    """From where on a machine is cheaper than an API."""

    utilisation: float
    million_tokens_per_month: float
    verdict: Literal["yes", "hardly", "never"]
    reason: str


def break_even(rate: float, throughput: float, price: float, fixed: float = 0.0) -> BreakEven:
    """Where a machine at `rate` USD per hour costs as much as an API at `price` USD per million."""
    # BEGIN SOLUTION
    if price <= 0 or throughput <= 0:
        reason = "nothing is cheaper than a free API" if price <= 0 else "the machine makes no text tokens"
        return BreakEven(math.inf, math.inf, "never", reason)
    volume = (rate * HOURS_PER_MONTH + fixed) / price
    utilisation = volume * 1e6 / (throughput * 3600 * HOURS_PER_MONTH)
    if utilisation > 1:
        return BreakEven(utilisation, volume, "never", f"it would have to be busy for {utilisation:.0%} of the time")
    if utilisation > PRACTICAL:
        return BreakEven(utilisation, volume, "hardly", f"it must be busy for {utilisation:.0%}, and then it queues")
    return BreakEven(utilisation, volume, "yes", f"it is cheaper once it is busy for {utilisation:.0%} of the time")
    # END SOLUTION


# %% [markdown] hint="06-3"
# First money: what does the machine cost in the month, and how many millions does the API sell for that? Then seconds: how many text tokens can the machine make in the month? Their quotient is the
# utilisation. Mind the million: one side counts millions, the other single ones.

# %% [markdown] hint="06-3"
# Nearly code: `volume = (rate * HOURS_PER_MONTH + fixed) / price`; `utilisation = volume * 1e6 / (throughput * 3600 * HOURS_PER_MONTH)`; `verdict = "never" if utilisation > 1 else "hardly" if utilisation > PRACTICAL else "yes"`;
# `f"... {utilisation:.0%} ..."`. Return before the divisions if `price` or `throughput` is 0.

# %% [markdown] explanation="06-3"
# Why: "never" is a result. Most small models end there: their API price is below what the machine costs even when it never rests, because the provider fills the machine with everybody's requests.
#
# One alternative: compare USD per million at your own utilisation. The same arithmetic; break-even asks it without knowing the load.
#
# In production: `fixed` is the larger half. Published all-in costs are 3 to 5 times the raw GPU, and published break-evens differ fifty-fold, so show a table of cases instead of one number: the next
# cells do.

# %%
check("06-3")

# %% [markdown]
# Four comparisons, with raw prices and without any people. **Predict** each verdict: yes, hardly, never.

# %%
with needs("06-3"):
    for name, usd in (("L4", 0.20), ("A100 80 GB", 0.05), ("A100 80 GB", 0.20), ("A100 80 GB", 0.60)):
        found = break_even(*MACHINES[name], usd)
        print(
            f"{name:<10} against {usd:.2f}: {found.verdict:<6} {found.million_tokens_per_month:9,.0f} M: {found.reason}"
        )
    found = break_even(MACHINES["A100 80 GB"][0] * PRICES["operations"]["usual"], 3908, 0.60)
    print(f"A100 all-in against 0.60: {found.verdict:<6} {found.reason}")

# %% [markdown]
# One table instead of one number: what a million text tokens cost on the A100, as a multiple of the API price. Below 1 the machine wins. **Predict:** in which corner are those cells, and how many are they?

# %%
from course import figures

API_PRICES, SHARES = (0.05, 0.20, 0.60, 1.70, 3.50), (0.05, 0.10, 0.24, 0.50, 0.70, 1.00)
PRICED = f"prices of {min(s['as_of'] for s in PRICES['sources'].values()):%Y-%m} to {TODAY:%Y-%m}"
ratios = [[usd_per_million(*MACHINES["A100 80 GB"], share) / price for price in API_PRICES] for share in SHARES]
for share, ratio_row in zip(SHARES, ratios, strict=True):
    print(f"{share:5.0%} ", *(f"{ratio:7.2f}" for ratio in ratio_row))
cheaper = sum(ratio < 1 for ratio_row in ratios for ratio in ratio_row)
says = (
    f"The machine is cheaper in {cheaper} of {len(SHARES) * len(API_PRICES)} cells (hatched): dear APIs, busy machines."
)
figures.sensitivity(
    ratios,
    [f"{share:.0%}" for share in SHARES],
    [f"{price:.2f}" for price in API_PRICES],
    f"8B on an A100 (2.50 USD/h), as a multiple of the API; {PRICED}",
    says,
).show()

# %% [markdown]
# Mind what the columns on the right are: prices of the largest models, and those do not run on one A100. For the model that was measured, the two left columns count.
#
# Now the whole way from small to large. A second machine is rented when the first is full: hence the steps. Two machines against three prices make six pairs of lines. **Predict:** how many pairs ever cross?

# %%
with needs("06-3"):
    volumes = [10 ** (step / 32) for step in range(32, 145)]  # million text tokens per month
    curves = {f"API at {usd:.2f} USD/million": [(v, v * usd) for v in volumes] for usd in (0.05, 0.20, 0.60)}
    crossings = []
    for name in ("L4", "A100 80 GB"):
        rate, peak = MACHINES[name]
        month, capacity = rate * HOURS_PER_MONTH, peak * 3600 * HOURS_PER_MONTH / 1e6
        curves[f"endpoint, {name}"] = [(v, month * math.ceil(v / capacity)) for v in volumes]
        for usd in (0.05, 0.20, 0.60):
            found = break_even(rate, peak, usd)
            print(
                f"{name:<10} {usd:.2f}: {found.million_tokens_per_month:9,.0f} M of {capacity:6,.0f} M  {found.verdict}"
            )
            if found.verdict != "never":
                crossings.append((found.million_tokens_per_month, month))
    says = (
        f"{len(crossings)} of 6 pairs cross, both with the A100, first at the rings: "
        + " and ".join(f"{v:,.0f} M" for v, _ in crossings)
        + "."
    )
    figures.cost_against_volume(
        curves, crossings, f"A month of an 8B model, machines fully used; {PRICED}", says
    ).show()

# %% [markdown]
# Look right of the rings. Against 0.60 the A100 stays below. Against 0.20 its lead ends where the first machine is full: two of them are dearer than the API again, until the second one is nearly full as well. And
# the small card never gets below the dearest line: when it is full, the next one is due. Who rents by the hour competes with somebody who fills the same card day and night.
#
# ## 5. How fast is it, really?
#
# Costs assume a throughput, and people feel **latency**: how long until the first piece of the answer is there (time to first token), and until the last. Both change with the number of callers. So measure, at 1, 4 and 16
# callers at once, and never quote a mean: p50 is what half of the callers see at most, p95 what all but one in twenty do.
#
# The engines of this lesson give an answer piece by piece, as `async` iterators. Here is a model with known delays, on a clock that jumps: `virtual_time.run` lets nobody wait. **Predict:** it serves four
# at once. What will the time to the first piece do at 16 callers?

# %%
import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

from course import virtual_time

Generate = Callable[[str], AsyncIterator[str]]


def known_model(places: int = 4, first_seconds: float = 0.3, piece_seconds: float = 0.05) -> Generate:
    """A model with `places` for callers; who comes later waits for a free one. It says what it heard, word by word."""
    free = asyncio.Semaphore(places)

    async def generate(prompt: str) -> AsyncIterator[str]:
        async with free:
            await asyncio.sleep(first_seconds)
            for word in prompt.split():
                yield f"{word} "
                await asyncio.sleep(piece_seconds)

    return generate


async def one_answer() -> str:
    began = virtual_time.now()
    text = "".join([piece async for piece in known_model()("three words only")])
    return f"{text}after {virtual_time.now() - began:.2f} s on its clock"


print(virtual_time.run(one_answer()))

# %% [markdown]
# ### Exercise 06-4: measure with many callers   (about 22 lines, 20 minutes)
#
# Write `measure(generate, prompts, clock, callers=(1, 4, 16))`, an `async` function. For each number in `callers`, in that order, all prompts are asked once, by exactly that many callers **at the same
# time**: each takes the next prompt as soon as its last answer is complete (with fewer prompts than callers, some have nothing to do). It returns a `Report` with one `Level` for each number: `Level.of(callers, answers, failed, seconds)`.
#
# - `answers`: an `Answer` for each prompt that was answered. Its clock starts when **this** request is sent, not earlier: seconds to the first piece, seconds to the end, number of pieces.
#   An answer without any piece counts as failed.
# - `failed`: how many requests raised an exception or gave no piece. The others go on.
# - `seconds`: how long the level took in all.
#
# `generate(prompt)` is an async iterator of pieces. Time comes from `clock()` alone, in seconds.
#
# Example: for `known_model()` and 16 prompts: `first_p95` is 0.3 s with 1 and with 4 callers, and more with 16.   Check: the cell below, or `make check EX=06-4`.


# %%
@dataclass(frozen=True)
class Answer:
    """One answer: seconds from sending to the first piece and to the end, and how many pieces came."""

    first_seconds: float
    total_seconds: float
    pieces: int


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed (nearest rank); nan if there is none."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else math.nan


@dataclass(frozen=True)
class Level:
    """What was seen with so many callers at once. A piece is what a stream brings at a time: mostly one text token."""

    callers: int
    answered: int
    failed: int
    first_p50: float
    first_p95: float
    total_p50: float
    total_p95: float
    pieces_per_second: float  # of all callers together

    @classmethod
    def of(cls, callers: int, answers: Sequence[Answer], failed: int, seconds: float) -> "Level":
        def rank(share: float, of: Callable[[Answer], float]) -> float:
            return percentile([of(answer) for answer in answers], share)

        return cls(
            callers,
            len(answers),
            failed,
            first_p50=rank(0.50, lambda answer: answer.first_seconds),
            first_p95=rank(0.95, lambda answer: answer.first_seconds),
            total_p50=rank(0.50, lambda answer: answer.total_seconds),
            total_p95=rank(0.95, lambda answer: answer.total_seconds),
            pieces_per_second=sum(answer.pieces for answer in answers) / seconds if seconds else 0.0,
        )


@dataclass(frozen=True)
class Report:
    levels: tuple[Level, ...]


async def measure(
    generate: Generate, prompts: Sequence[str], clock: Callable[[], float], callers: Sequence[int] = (1, 4, 16)
) -> Report:
    """How `generate` answers all prompts with 1, 4 and 16 callers at the same time."""

    # BEGIN SOLUTION
    async def ask(prompt: str) -> Answer:
        began = clock()
        times = [clock() async for _ in generate(prompt)]
        return Answer(times[0] - began, clock() - began, len(times))

    async def level(count: int) -> Level:
        answers: list[Answer] = []
        waiting, began = iter(prompts), clock()

        async def caller() -> None:
            for prompt in waiting:  # shared by all callers, so each prompt is taken once
                with suppress(Exception):  # a piece that never came: no times[0]
                    answers.append(await ask(prompt))

        await asyncio.gather(*(caller() for _ in range(count)))
        return Level.of(count, answers, len(prompts) - len(answers), clock() - began)

    return Report(tuple([await level(count) for count in callers]))
    # END SOLUTION


# %% [markdown] hint="06-4"
# Two tasks: time one answer, and let n callers share the prompts. For the first, how many times do you have to look at the clock? For the second: what happens if several `for` loops run over **one** iterator?

# %% [markdown] hint="06-4"
# Nearly code: `waiting = iter(prompts)`; `async def caller(): for prompt in waiting: ...` with `began = clock()`, `async for _ in generate(prompt):` noting `clock()` for the first piece and counting, all in `try` / `except Exception:` which
# counts `failed`. Then `began = clock()`, `await asyncio.gather(*(caller() for _ in range(count)))`, `Level.of(count, answers, failed, clock() - began)`, once for each `count` in `callers`.

# %% [markdown] explanation="06-4"
# Why: callers that share an iterator keep exactly n requests under way. `gather` over all prompts at once would be another experiment: as many callers as prompts. And a clock that starts
# when the prompt is queued measures our own queue.
#
# One alternative: an open loop, which sends at fixed times whether or not answers have come. It is closer to the real world, where people do not wait for each other: a slow server meets more of them, not fewer.
#
# In production: warm up first, vary the prompts (a cache answers the second time), repeat on several days, and write model, engine, precision and lengths beside every number.

# %%
check("06-4")

# %% [markdown]
# The model with four places, at 1, 4 and 16 callers. **Predict:** which column stops growing after 4, and which begins to?

# %%
LENGTHS = ["word " * (5 + 7 * number % 30) for number in range(32)]  # answers of 5 to 34 words


def known_report() -> Report:
    return virtual_time.run(measure(known_model(), LENGTHS, virtual_time.now))


with needs("06-4"):
    for seen in known_report().levels:
        print(
            f"{seen.callers:>2} callers: first piece {seen.first_p50:.2f} / {seen.first_p95:.2f} s (p50 / p95), "
            f"whole answer {seen.total_p50:.2f} / {seen.total_p95:.2f} s, {seen.pieces_per_second:5.1f} pieces/s"
        )

# %% [markdown]
# From 4 to 16 callers the machine does not do one piece more; all that grows is the queue in front of it. A throughput without the latency that goes with it says little. Which of these lines would you promise?

# %%
with needs("06-4"):
    report = known_report()
    numbers = [seen.callers for seen in report.levels]
    seconds = {
        "first piece, p95": [seen.first_p95 for seen in report.levels],
        "first piece, p50": [seen.first_p50 for seen in report.levels],
        "whole answer, p50": [seen.total_p50 for seen in report.levels],
    }
    worse = report.levels[-1].first_p95 / report.levels[0].first_p95
    says = f"Up to {numbers[1]} callers all lines are flat; at {numbers[2]} the first piece takes {worse:.0f} times as long."
    figures.latency(
        numbers, seconds, "A model with 4 places, 0.3 s and then 0.05 s a piece; virtual clock, 2026-11", says
    ).show()

# %% [markdown]
# For one caller alone there is a bound that no engine can beat: for each text token the chip reads all weights from its memory once. **Predict:** how many milliseconds is that on the small card?

# %%
weights_gb = next(shape["params"] for shape in SHAPES["shape"] if shape["name"] == "Llama-3-8B") * 2 / 1e9
for row in THROUGHPUT["bandwidth"]:
    print(f"{row['hardware']:<18} {weights_gb / row['gb_per_second'] * 1000:5.1f} ms a text token, at least")

# %% [markdown]
# ## 6. Does it fit?
#
# Two things fill the memory of a card. The **weights**, once: parameters times bytes. And the **KV cache**: for each text token of each user under way, a key and a value in every layer. The second
# grows with users and context, and is the one that people forget.

# %% [markdown]
# ### Exercise 06-5: how much memory, and does it fit   (about 8 lines, 8 minutes)
#
# Write two functions.
#
# `memory_gb(params, precision, context, users, shape)` returns GB (10⁹ bytes):
#
# - weights: `params` times `BYTES[precision]`;
# - cache: for each text token 2 (key and value) × `layers` × `kv_heads` × `head_dim` × 2 bytes (the cache stays in 16 bits, whatever the weights are), for `context` text tokens of each of `users`;
# - all of it times `OVERHEAD`, for what the engine needs itself.
#
# `fits(gpu_gb, params, precision, context, users, shape)` returns whether that is at most `gpu_gb`.
#
# Example: `memory_gb(8e9, "fp16", 8192, 1, Shape(32, 8, 128))` → `20.49`.   Check: the cell below, or `make check EX=06-5`.

# %%
BYTES = {"fp16": 2.0, "int8": 1.0, "int4": 0.5}
OVERHEAD = 1.2  # 10 to 20 per cent are usual


@dataclass(frozen=True)
class Shape:
    """What a model's config.json says as num_hidden_layers, num_key_value_heads, head_dim."""

    layers: int
    kv_heads: int
    head_dim: int


def memory_gb(params: float, precision: str, context: int, users: int, shape: Shape) -> float:
    """GB (10^9 bytes) for weights and KV cache, with OVERHEAD."""
    # BEGIN SOLUTION
    weights = params * BYTES[precision]
    cache = 2 * shape.layers * shape.kv_heads * shape.head_dim * 2 * context * users
    return (weights + cache) * OVERHEAD / 1e9
    # END SOLUTION


def fits(gpu_gb: float, params: float, precision: str, context: int, users: int, shape: Shape) -> bool:
    """Whether a card of `gpu_gb` GB holds it."""
    # BEGIN SOLUTION
    return memory_gb(params, precision, context, users, shape) <= gpu_gb
    # END SOLUTION


# %% [markdown] hint="06-5"
# Count bytes first, divide at the end. Which of the two parts knows the number of users, and which one the precision? `kv_heads` is not the number of attention heads: newer models share keys among several.

# %% [markdown] hint="06-5"
# Nearly code: `weights = params * BYTES[precision]`; `cache = 2 * shape.layers * shape.kv_heads * shape.head_dim * 2 * context * users`; `return (weights + cache) * OVERHEAD / 1e9`. And `fits` compares that with `gpu_gb`.

# %% [markdown] explanation="06-5"
# Why: a card that holds the weights may still hold no second user. Four bits instead of sixteen save memory first; time only where memory was the bound.
#
# One alternative: let the engine tell. vLLM reports at its start how many text tokens of cache fit; that number is the truth for your machine.
#
# In production: a context is seldom full, and engines share what prompts have in common, so this is an upper bound. Leave room for the longest prompts all the same: they come together.

# %%
check("06-5")

# %% [markdown]
# Five models, 8,192 text tokens of context. **Predict:** of the two with 7 billion parameters, one needs four times the cache of the other. Which, and why?

# %%
with needs("06-5"):
    for row in SHAPES["shape"][1:]:
        shape = Shape(row["layers"], row["kv_heads"], row["head_dim"])
        needed = [memory_gb(row["params"], "fp16", 8192, users, shape) for users in (1, 16)]
        card = {gb: fits(gb, row["params"], "fp16", 8192, 16, shape) for gb in (24, 80)}
        print(
            f"{row['name']:<16} 1 user {needed[0]:6.1f} GB, 16 users {needed[1]:6.1f} GB   24 GB: {card[24]}  80 GB: {card[80]}"
        )

# %% [markdown]
# Llama-2 keeps a key for each of its 32 heads, Mistral shares one among four. A question that costs nothing to ask before choosing a model.
#
# ## 7. Defend your number
#
# Five calculations that others published. For each: **write a guess** into `GUESSES`, run, compare. Where two numbers differ, one of them is wrong, and it need not be yours.

# %%
CASES = {case["name"]: case for case in table("cases")["case"]}
GUESSES: dict[str, float | None] = dict.fromkeys(CASES)  # GUESSES["small endpoint"] = ...
for case in CASES.values():
    print(f"{case['name']:<21} {case['asks']}")

# %%
ALWAYS = Workload(1, 1, 1)  # a request now and then, all the month


def again(case: dict[str, float]) -> float:
    """The published calculation, with the functions of this lesson."""
    if "context" in case:
        row = next(row for row in SHAPES["shape"] if row["name"] == case["shape"])
        shape = Shape(row["layers"], row["kv_heads"], row["head_dim"])
        return memory_gb(0, "fp16", int(case["context"]), 1, shape) / OVERHEAD
    if "tokens_per_second" in case:
        return usd_per_million(case["usd_per_hour"], case["tokens_per_second"])
    plan = EndpointPlan(case["usd_per_hour"], int(case.get("replicas", 1)), start_minutes=0)
    return endpoint_cost_usd_per_month(plan, replace(ALWAYS, hours_per_day=case.get("busy_hours_per_day", 24)))


with needs("06-2"), needs("06-5"):
    for name, case in CASES.items():
        ours, theirs = again(case), case["published"]
        agree = "agree " if abs(ours - theirs) <= case["tolerance"] * theirs else "DIFFER"
        guess = "-" if GUESSES[name] is None else f"{GUESSES[name]:g}"
        print(
            f"{agree} {name:<21} guess {guess}, ours {ours:.2f}, published {theirs:.2f} {case['unit']} ({case['published_on']})"
        )
        print(f"       {case['teaches']}")

# %% [markdown]
# Two of five agree. None of the authors is careless; a number is copied, a rate retires, a unit slips. So a decision carries its inputs, its dates and a way to compute it again.
#
# ## 8. Decide
#
# Price is one of several questions, and some are not for sale. A rule of privacy is a **hard constraint**: whoever breaks it is out, at any price. What each way keeps:
#
# | way | keeps | what is known |
# |---|---|---|
# | API | anywhere | Hugging Face stores no bodies; each provider has its own terms (hub-docs, `docs/inference-providers/security.md`, 2026-08-22) |
# | endpoint | one processor | one named company, no payloads stored, logs for 30 days |
# | own machine | our machines | nobody else, and you patch it |
# | on the device | the device | the text never leaves it |
#
# An **offer** is one way with its price. The next cell makes four of them, for the same model of 8 billion parameters: the first API price of section 2, without the credit; an L4 at its steady speed, always
# awake or sleeping at night; and an H100 of your own, at four times its raw price for people and failures. (On the user's own device another one has to run, a smaller and worse one: `device_offer`.) **Predict:** by what
# factor do the cheapest and the dearest differ, for the shop?

# %%
HEADROOM = 0.7  # plan a machine for this share of its throughput


@dataclass(frozen=True)
class Offer:
    """One way to serve a workload.

    cost: USD per month. keeps: the strictest rule of PRIVACY that it satisfies. cold_start_seconds: what the first
    caller may have to wait. tokens_per_second: at most, input and output together.
    """

    name: str
    cost: Callable[[Workload], float]
    keeps: str
    cold_start_seconds: float = 0.0
    tokens_per_second: float = math.inf


def replicas_for(workload: Workload, throughput: float) -> int:
    """Machines for the busiest minutes, at HEADROOM of their throughput; at least one."""
    return max(1, math.ceil(workload.peak_tokens_per_second / (throughput * HEADROOM)))


def api_offer(name: str, price: ApiPrice) -> Offer:
    return Offer(name, lambda workload: api_cost_usd_per_month(workload, price), "anywhere")


def endpoint_offer(name: str, plan: EndpointPlan, throughput: float) -> Offer:
    def cost(workload: Workload) -> float:
        return endpoint_cost_usd_per_month(replace(plan, replicas=replicas_for(workload, throughput)), workload)

    return Offer(name, cost, "one processor", 0.0 if plan.min_replicas else 60 * plan.start_minutes)


def own_offer(name: str, usd_per_hour: float, throughput: float) -> Offer:
    """usd_per_hour: all-in, with people and failures."""
    return Offer(name, lambda w: usd_per_hour * HOURS_PER_MONTH * replicas_for(w, throughput), "our machines")


def device_offer(name: str, throughput: float, devices: int) -> Offer:
    """On devices that people have anyway: it costs us nothing."""
    return Offer(name, lambda workload: 0.0, "the device", tokens_per_second=throughput * devices)


OFFERS = (
    api_offer("API", ApiPrice(0.02, 0.05)),
    endpoint_offer("endpoint", EndpointPlan(0.80), 117),
    endpoint_offer("endpoint that sleeps", EndpointPlan(0.80, min_replicas=0), 117),
    own_offer("own machine", 3.13 * PRICES["operations"]["usual"], 907),
)
with needs("06-1"), needs("06-2"):
    for offer in OFFERS:
        print(f"{offer.cost(SUPPORT):9,.2f} USD  {offer.name}, keeps: {offer.keeps}")

# %% [markdown]
# ### Exercise 06-6: recommend   (about 24 lines, 25 minutes)
#
# Write `recommend(workload, offers=OFFERS)`. It returns a `Decision`:
#
# - An offer is **allowed** if it keeps the workload's `privacy` or a stricter rule, its `cold_start_seconds` are at most `patience_seconds`, and its `tokens_per_second` are at least `peak_tokens_per_second`.
# - `option`: the name of the cheapest allowed offer, the first of equals; `None` if none is allowed. `usd_per_month`: its cost, or `None`.
# - `ties`: the names of all other allowed offers that cost at most `TIE` more than the cheapest.
# - `reasons`: one sentence for each offer, in order. It starts with `name:` and holds the cost as `1,234.50`. Of an offer that is not allowed it says `not allowed` and names each rule that is broken: `privacy`,
#   `cold start`, `capacity`.
# - `reversals`: what would change `option`. Try each of `FACTORS` (times the requests), then each rule of `PRIVACY` in place of the workload's. Where another option comes out, add
#   `Reversal("10 times the requests", option)` (the factor as `f"{factor:g}"`) or `Reversal("privacy: our machines", option)`.
#
# Example: for `SUPPORT`: option `"API"`, no ties, and among the reversals `Reversal("privacy: our machines", "own machine")`.   Check: the cell below, or `make check EX=06-6`.

# %%
TIE = 0.10  # volume and throughput are not known better than that
FACTORS = (0.01, 0.1, 10, 100)


@dataclass(frozen=True)
class Reversal:
    """A change of the workload, and the option that it would lead to."""

    change: str
    option: str | None


@dataclass(frozen=True)
class Decision:
    option: str | None
    usd_per_month: float | None
    ties: tuple[str, ...]
    reasons: tuple[str, ...]
    reversals: tuple[Reversal, ...]


def recommend(workload: Workload, offers: Sequence[Offer] = OFFERS) -> Decision:
    """The cheapest offer that breaks no rule, why, and what would reverse that."""

    # BEGIN SOLUTION
    def broken(offer: Offer, load: Workload) -> list[str]:
        kept = PRIVACY.index(offer.keeps) >= PRIVACY.index(load.privacy)
        awake = offer.cold_start_seconds <= load.patience_seconds
        enough = offer.tokens_per_second >= load.peak_tokens_per_second
        return [name for name, fine in (("privacy", kept), ("cold start", awake), ("capacity", enough)) if not fine]

    def best(load: Workload) -> Offer | None:
        allowed = [offer for offer in offers if not broken(offer, load)]
        return min(allowed, key=lambda offer: offer.cost(load), default=None)

    def reason(offer: Offer) -> str:
        rules = broken(offer, workload)
        return f"{offer.name}: {offer.cost(workload):,.2f} USD a month" + (
            f", not allowed: {', '.join(rules)}" * bool(rules)
        )

    chosen = best(workload)
    option, usd = (chosen.name, chosen.cost(workload)) if chosen else (None, None)
    close = [o for o in offers if usd is not None and not broken(o, workload) and o.cost(workload) <= usd * (1 + TIE)]
    changes = {f"{factor:g} times the requests": workload.times(factor) for factor in FACTORS}
    changes |= {f"privacy: {rule}": replace(workload, privacy=rule) for rule in PRIVACY}
    others = {change: other.name if (other := best(load)) else None for change, load in changes.items()}
    return Decision(
        option,
        usd,
        tuple(offer.name for offer in close if offer is not chosen),
        tuple(reason(offer) for offer in offers),
        tuple(Reversal(change, name) for change, name in others.items() if name != option),
    )
    # END SOLUTION


# %% [markdown] hint="06-6"
# Split it: which rules does one offer break for one workload? Which offer is the best for a workload? With these two, everything else is a loop. A reversal is the second question again, for another workload:
# `workload.times(factor)`, `replace(workload, privacy=rule)`.

# %% [markdown] hint="06-6"
# Nearly code: `def broken(offer, load)` returns a list with `"privacy"` if `PRIVACY.index(offer.keeps) < PRIVACY.index(load.privacy)`, and so on; `def best(load): return min((o for o in offers if not broken(o, load)), key=lambda o: o.cost(load), default=None)`.
# Ties: `cost <= usd * (1 + TIE)`, without the chosen one. Reasons: `f"{offer.name}: {offer.cost(workload):,.2f} USD a month"`, plus `", not allowed: "` and the rules.

# %% [markdown] explanation="06-6"
# Why: rules first, price second. An order of the two that mixes them (a "privacy score") lets money buy what was not for sale. And a decision that names its reversals is easy to look at again: you know what to watch.
#
# One alternative: score every offer by weights. It feels thorough, and hides the one weight that decides.
#
# In production: write the page down with its date (the next section does), and look again when a price, the volume or a rule has changed. The exit is cheap as long as your client speaks to a base URL alone.

# %%
check("06-6")

# %% [markdown]
# Your two numbers from the beginning, and ours. **Predict:** what does the sleeping endpoint fail at? And does any volume reverse the decision, or only a rule?

# %%
with needs("06-1"), needs("06-2"), needs("06-6"):
    decision = recommend(SUPPORT)
    print(f"{decision.option} at {decision.usd_per_month or 0:.2f} USD; ties: {', '.join(decision.ties) or 'none'}")
    print(*decision.reasons, sep="\n")
    print(*(f"if {each.change}: {each.option or 'nothing is allowed'}" for each in decision.reversals), sep="\n")

# %% [markdown]
# Only a rule. That is the usual result for a small model, and a reason to ask early **who may read the text**.
#
# Two more workloads. **Predict** each option before you look: notes of patients that must stay on the device, with a small model there; and a model of your own, which no provider serves.

# %%
NOTES = Workload(12, 400, 150, hours_per_day=8, days_per_month=21, privacy="the device", patience_seconds=60)
OWN_WEIGHTS = Workload(40, 1200, 400, hours_per_day=9, days_per_month=21, busiest=2, patience_seconds=600)
with needs("06-1"), needs("06-2"), needs("06-6"):
    for workload, offers in ((NOTES, (*OFFERS, device_offer("device", 17, 1))), (OWN_WEIGHTS, OFFERS[1:])):
        decision = recommend(workload, offers)
        print(f"{decision.option} at {decision.usd_per_month or 0:.2f} USD")
        print(*(f"  if {each.change}: {each.option or 'nothing is allowed'}" for each in decision.reversals), sep="\n")

# %% [markdown]
# ## 9. If it is your machine: which engine, which work, which way out
#
# An **engine** is the program that serves a model. The router, an Inference Endpoint and every engine below speak the chat API of OpenAI. **Predict:** what of your client has to change between them?

# %%
ENGINES = table("engines")
for engine in ENGINES["engines"]:
    kept = "" if engine["maintained"] else " (maintenance mode)"
    print(f"{engine['name']:<18} {engine['base_url']:<26} {engine['good_for']}{kept}")
print(f"as of {ENGINES['taken']}; data/engines.toml says how to start each, which key it wants, and its source")

# %% [markdown]
# A base URL, a key and a model's name: three values, so keep them in the settings and not in the code. The key is the engine's own: an access token of Hugging Face has no business on a machine of yours.
#
# Below, one function asks two places. The second is an Inference Endpoint of the sandbox, which fell asleep after its idle hour. **Predict:** what does the first call to it get, and how long does the second one
# wait?

# %%
import httpx2

hub = sandbox.start()
hub.clock.freeze()
demo = hub.endpoints.create("demo", "org/model", min_replica=0, skips_waits=True)  # a held call moves the clock
hub.clock.advance(2 * 3600)


def ask(base_url: str, model: str, **headers: str) -> str:
    """The beginning of the answer, or the status of a refusal."""
    answer = httpx2.post(
        f"{base_url}/chat/completions",
        # Our fine-grained token is for the API alone. Yours, for an endpoint: inference.endpoints.infer.write.
        headers={"Authorization": f"Bearer {hub.tokens['write']}"} | headers,
        json={"model": model, "messages": [{"role": "user", "content": "What is a read token?"}]},
        timeout=30,
    )
    return str(answer.json()["choices"][0]["message"]["content"])[:40] if answer.is_success else str(answer.status_code)


print("router:          ", ask(f"{hub.router}/v1", "openai/gpt-oss-20b"))
print("endpoint, asleep:", ask(demo.base_url, "org/model"), "and now it is", demo.state)
began = hub.clock.now()
print("endpoint, held:  ", ask(demo.base_url, "org/model", **{"X-Scale-Up-Timeout": "600"}))
print(f"waited {hub.clock.now() - began:.0f} s; {demo.billed_minutes} minutes are billed so far")
hub.stop()

# %% [markdown]
# The call that met 503 had woken it; the header lets the next one wait instead of failing (hf-endpoints-documentation, `guides/autoscaling.md`, 2026-08-20). Starting was billed like running, and so was the idle
# hour: that is exercise 06-2. The length of the start is the sandbox's own; measure yours.
#
# So the **way out** costs three settings. What it still takes is a look at the small print of the other engine:

# %%
for engine in ENGINES["engines"]:
    print(f"{engine['name']}: {engine['differs']}")

# %% [markdown]
# **Try it**, once `make model` is done: in `~/.cache/hugging-face-token-course/`, start `transformers serve SmolLM2-135M-Instruct --port 8000` (the program lies in `.venv/bin/` of the course), and give the client of
# lesson 04 the base URL `http://localhost:8000/v1` and that model's name.
#
# "Many users" and "one user" in the table are no matter of taste: somebody compared two engines on the same card. **Predict** the factor between the two.

# %%
vllm, ollama = (
    row
    for engine in ("vLLM", "Ollama")
    for row in THROUGHPUT["anchor"]
    if (row["source"], row["engine"]) == ("redhat", engine)
)
print(
    f"{vllm['hardware']}: {vllm['engine']} {vllm['peak']}/s, {ollama['engine']} {ollama['peak']}/s at their best",
    end=", ",
)
print(f"{vllm['peak'] / ollama['peak']:.0f} times ({THROUGHPUT['sources']['redhat']['published_on']:%Y-%m})")

# %% [markdown]
# The factor comes from many callers: an engine that works on all of them at once reads the weights once for all. One caller alone meets the bound of the memory (end of section 5), whatever the engine.
#
# The price of a machine is not its rent alone. Who patches it, who is called at night when it stops, who loads the next model, and who notices that the answers got worse? With the API it is the provider, with an endpoint
# Hugging Face for the machine and you for the model, on your own machine you for all. That is the factor in the row `operations`. **Which of the four would you have forgotten?**
#
# ## 10. Your own case
#
# `data/workloads/support_chat.toml` is this lesson's chat as a file. **Try it** in a terminal: copy the file, write your numbers into it, and run `make decide FILE=mine.toml`. You get one page, as Markdown and as HTML: the
# decision, every reason, what would reverse it, the date of every price, and a visible notice if one is older than a year.
#
# What a page cannot know stays yours: whether the small model is good enough. Try that on twenty of your own questions before you compute anything.
#
# ## 11. Measured here
#
# So far a model with known delays. Now real ones, with the same `measure`: the API (the sandbox, which answers from a list, so this is the price of HTTP and streaming alone), through the address that any
# OpenAI-compatible server has. The numbers are those of your machine, so they are shown and not stored. **Predict:** which of the three columns grows with the callers?

# %%
import json

import httpx2
from anyio.from_thread import start_blocking_portal

hub = sandbox.start()
PROMPTS = [f"What is a token? ({number})" for number in range(16)]
REPORTS: dict[str, Report] = {}


async def from_api(base_url: str, token: str, model: str, prompts: Sequence[str]) -> Report:
    """`measure`, for any OpenAI-compatible server."""
    limits = httpx2.Limits(max_connections=16)
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60, limits=limits) as client:

        async def generate(prompt: str) -> AsyncIterator[str]:
            body = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True}
            async with client.stream("POST", f"{base_url}/chat/completions", json=body) as answer:
                answer.raise_for_status()
                async for line in answer.aiter_lines():
                    choices = json.loads(line[6:])["choices"] if line.startswith("data: {") else []
                    if choices and (piece := choices[0]["delta"].get("content")):
                        yield piece

        return await measure(generate, prompts, virtual_time.now)


def show(report: Report) -> None:
    for seen in report.levels:
        print(
            f"{seen.callers:>2} callers: first piece {1000 * seen.first_p50:7.1f} / {1000 * seen.first_p95:7.1f} ms (p50 / p95), "
            f"{seen.pieces_per_second:7.0f} pieces/s"
        )


# %%
# NBVAL_IGNORE_OUTPUT
# (the mark above: numbers of this machine at this moment are shown, and neither stored nor compared)
with needs("06-4"), start_blocking_portal() as portal:  # a notebook has a loop of its own; this is another one
    REPORTS["API"] = portal.call(
        from_api, f"{hub.router}/v1", hub.tokens["fine_grained"], "openai/gpt-oss-20b", PROMPTS
    )
    show(REPORTS["API"])

# %% [markdown]
# And two models in this process, both made of the same weights: the small one that was trained on this course (`data/tiny-gpt2/`), through PyTorch, and its ONNX edition with weights in `int8`, which runs without torch.
# Neither needs a token or a network. A token opens the **download** of weights; here they are files already, and from then on nobody is asked.
#
# The usual tool for the export, `optimum-onnx`, does not install beside transformers 5 (lesson 07 has that conflict, with its date), so `course/onnx_export.py` calls `torch.onnx` itself, and onnxruntime's own
# `quantize_dynamic` makes the `int8` edition. Here is what the export cost and gained, measured when the model was made. **Predict:** how often do the two name the same next token?

# %%
COMPARED = table("tiny-gpt2-onnx/comparison")
for row in COMPARED["engines"]:
    print(
        f"{row['engine']:<15} {row['file_bytes'] / 1e6:4.1f} MB   {row['times_as_fast_as_pytorch']:4.1f} x as fast   "
        f"same next token {row['top1_agreement']:.1%}   ({COMPARED['taken']}, one thread)"
    )

# %% [markdown]
# Less than a third of the bytes of ONNX in float32, and now and then another word: whether that is too often only your own questions can tell.
#
# `pieces` computes, so it would stop the loop and all other callers with it: each piece is asked for in a thread. PyTorch's model serves one caller after the other, the other one several at once.
# **Predict:** for which of the two does the first piece at 16 callers take longest, compared with one caller?

# %%
from functools import partial

from anyio import to_thread

from course.local_model import LocalModel, load
from course.onnx_model import OnnxModel

LOADERS: dict[str, Callable[[], LocalModel | OnnxModel]] = {
    "ONNX int8": partial(OnnxModel, threads=1),
    "PyTorch": partial(load, "tiny-gpt2"),
}
MAX_TOKENS = 8


async def from_model(model: LocalModel | OnnxModel, prompts: Sequence[str]) -> Report:
    """`measure`, for a model in this process."""

    async def generate(prompt: str) -> AsyncIterator[str]:
        pieces = iter(model.pieces([{"role": "user", "content": prompt}], MAX_TOKENS))
        while (piece := await to_thread.run_sync(next, pieces, None)) is not None:
            yield piece

    [piece async for piece in generate("warm up")]  # the first answer of all is slower, and belongs to no level
    return await measure(generate, prompts, virtual_time.now)


# %%
# NBVAL_IGNORE_OUTPUT
# (importing torch takes seconds; then 2 x 48 short answers, some seconds more)
with needs("06-4"), start_blocking_portal() as portal:
    for name, load_model in LOADERS.items():
        REPORTS[name] = portal.call(from_model, load_model(), PROMPTS)
        print(name)
        show(REPORTS[name])
    firsts = {name: [seen.first_p95 for seen in report.levels] for name, report in REPORTS.items()}
    steps = {name: f"{times[-1] / times[0]:.1f} times" for name, times in firsts.items()}
    says = (
        f"From 1 to 16 callers the first piece (p95) takes longer: {', '.join(f'{n} {t}' for n, t in steps.items())}."
    )
    figures.latency([1, 4, 16], firsts, f"First piece, p95, measured here on {date.today()}", says).show()

# %% [markdown]
# Three engines, one function, and no number of somebody else's. **Look at your lines:** do the pieces per second grow with the callers? Where they do not, more callers are only a longer queue, as with the model of
# known delays. What a small model that people talk to does here, SmolLM2 with 135 million parameters: `make model` brings it once, then `load("smollm2")` in the cell above, and some minutes.
#
# A table of latencies is worth little if some answers never came. **Predict:** what do the nine lines below have to say before you may quote the numbers above?

# %%
for name, report in REPORTS.items():
    for seen in report.levels:
        print(f"{name}, {seen.callers:>2} callers: {seen.answered} of {len(PROMPTS)} answered, {seen.failed} failed")

# %%
hub.stop()

# %% [markdown]
# ## What you can do now
#
# - **Price** a month: two prices and a credit for the API, minutes for an endpoint, starting and idling among them.
# - **Find** where a machine breaks even, or **show** that it never does, by the utilisation that it would need.
# - **Measure** with 1, 4 and 16 callers, first piece and whole answer, p50 and p95; **tell** what fits a card, with its cache.
# - **Decide**: rules first, price second, ties said; and **name** what would reverse it.
#
# See your progress with `make check NB=06`.
