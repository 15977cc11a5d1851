# Answers to the exercises of 06_api_or_own_machine, in the form that tests/mistakes/01_account_setup.py explains.

# %% 06-1 wrong: wrong-unit
# -/ 1e6 -
# +/ 1e3 -

# %% 06-1 wrong: input-is-free
# -(reading + writing)
# +writing

# %% 06-1 wrong: prices-swapped
# -workload.input_tokens * price.input_usd_per_million
# +workload.input_tokens * price.output_usd_per_million
# -workload.output_tokens * price.output_usd_per_million
# +workload.output_tokens * price.input_usd_per_million

# %% 06-1 wrong: one-price-for-both
def api_cost_usd_per_month(workload, price):
    tokens = workload.requests_per_hour * workload.hours_per_month * (workload.input_tokens + workload.output_tokens)
    mean = (price.input_usd_per_million + price.output_usd_per_million) / 2
    return max(0.0, tokens * mean / 1e6 - price.credit_usd_per_month)


# %% 06-1 wrong: wrong-hours
# -workload.requests_per_hour * workload.hours_per_month
# +workload.requests_per_hour * workload.days_per_month

# %% 06-1 wrong: wrong-hours
# -workload.requests_per_hour * workload.hours_per_month
# +workload.requests_per_hour * HOURS_PER_MONTH

# %% 06-1 wrong: bills-the-busiest
# -workload.requests_per_hour * workload.hours_per_month
# +workload.requests_per_hour * workload.busiest * workload.hours_per_month

# %% 06-1 wrong: ignores-credit
# - - price.credit_usd_per_month)
# +)

# %% 06-1 wrong: credit-more-than-once
# - - price.credit_usd_per_month)
# + - price.credit_usd_per_month * workload.days_per_month)

# %% 06-1 wrong: pays-the-credit-out
# -max(0.0, requests
# +(requests

# %% 06-1 right: cents first
def api_cost_usd_per_month(workload, price):
    asked = workload.requests_per_hour * workload.hours_per_day * workload.days_per_month
    bill = 0.0
    for tokens, usd in (
        (workload.input_tokens, price.input_usd_per_million),
        (workload.output_tokens, price.output_usd_per_million),
    ):
        bill += asked * tokens / 1_000_000 * usd
    bill -= price.credit_usd_per_month
    return bill if bill > 0 else 0


# %% 06-2 wrong: month-of-30-days
# -60 * HOURS_PER_MONTH * plan.min_replicas
# +60 * 720 * plan.min_replicas

# %% 06-2 wrong: bills-use-only
# -60 * HOURS_PER_MONTH * plan.min_replicas
# +60 * workload.hours_per_month * plan.min_replicas

# %% 06-2 wrong: forgets-the-rate
# -minutes / 60 * plan.usd_per_hour
# +minutes

# %% 06-2 wrong: wrong-rate
# -minutes / 60 * plan.usd_per_hour
# +minutes * 60 / plan.usd_per_hour

# %% 06-2 wrong: start-is-free
# -busy = plan.start_minutes + 60
# +busy = 60

# %% 06-2 wrong: idle-is-free
# -math.ceil(busy + plan.idle_minutes)
# +math.ceil(busy)

# %% 06-2 wrong: wrong-minutes-of-a-day
# -busy = plan.start_minutes + 60 * workload.hours_per_day
# +busy = plan.start_minutes + workload.hours_per_day

# %% 06-2 wrong: wrong-minutes-of-a-day
# -busy = plan.start_minutes + 60
# +busy = 7 + 60

# %% 06-2 wrong: never-sleeps
# -60 * HOURS_PER_MONTH * plan.min_replicas
# +60 * HOURS_PER_MONTH * max(1, plan.min_replicas)

# %% 06-2 wrong: idle-is-always-an-hour
# -math.ceil(busy + plan.idle_minutes)
# +math.ceil(busy + 60)

# %% 06-2 wrong: whole-hours-only
# -60 * workload.hours_per_day
# +60 * int(workload.hours_per_day)

# %% 06-2 wrong: not-rounded-up
# -math.ceil(busy + plan.idle_minutes)
# +round(busy + plan.idle_minutes)

# %% 06-2 wrong: not-rounded-up
# -math.ceil(busy)) *
# +busy) *

# %% 06-2 wrong: more-than-a-day
# -min(MINUTES_PER_DAY, math.ceil(busy + plan.idle_minutes))
# +math.ceil(busy + plan.idle_minutes)

# %% 06-2 wrong: more-than-a-day
# -min(MINUTES_PER_DAY, math.ceil(busy)) *
# +math.ceil(busy) *

# %% 06-2 wrong: forgets-replicas
# -days * (first + others)
# +days * first

# %% 06-2 wrong: all-of-them-idle
# -math.ceil(busy)) * max
# +math.ceil(busy + plan.idle_minutes)) * max

# %% 06-2 wrong: wrong-number-of-replicas
# -max(0, plan.replicas - max(1, plan.min_replicas))
# +max(0, plan.replicas - 1) // 2

# %% 06-2 wrong: counts-the-first-twice
# -plan.replicas - max(1, plan.min_replicas)
# +plan.replicas - plan.min_replicas

# %% 06-2 wrong: less-than-none
# -max(0, plan.replicas - max(1, plan.min_replicas))
# +(plan.replicas - max(1, plan.min_replicas))

# %% 06-2 wrong: counts-those-that-always-run-twice
# -max(0, plan.replicas - max(1, plan.min_replicas))
# +max(0, plan.replicas - 1)

# %% 06-2 wrong: wakes-for-nobody
# -    days = workload.days_per_month if asked else 0.0
# +    days = workload.days_per_month

# %% 06-2 wrong: wakes-for-nobody
# -workload.requests_per_hour * workload.hours_per_month > 0
# +workload.requests_per_hour > 0

# %% 06-2 wrong: always-on-is-free
# -    days = workload.days_per_month if asked else 0.0
# +    if not asked:
# +        return 0.0
# +    days = workload.days_per_month

# %% 06-2 right: replica by replica
def endpoint_cost_usd_per_month(plan, workload):
    minutes = 0.0
    for number in range(max(plan.replicas, plan.min_replicas)):
        if number < plan.min_replicas:
            minutes += HOURS_PER_MONTH * 60
        elif workload.requests_per_hour and workload.hours_per_day:
            day = plan.start_minutes + workload.hours_per_day * 60
            day += plan.idle_minutes if number == 0 else 0
            minutes += min(math.ceil(day), 24 * 60) * workload.days_per_month
    return plan.usd_per_hour * minutes / 60


# %% 06-3 wrong: wrong-volume
# -volume = (rate * HOURS_PER_MONTH + fixed) / price
# +volume = (rate * 24 + fixed) / price

# %% 06-3 wrong: ignores-fixed
# -(rate * HOURS_PER_MONTH + fixed)
# +(rate * HOURS_PER_MONTH)

# %% 06-3 wrong: in-per-cent
# -volume * 1e6 /
# +volume * 1e8 /

# %% 06-3 wrong: wrong-utilisation
# -volume * 1e6 /
# +volume /

# %% 06-3 wrong: fixed-not-in-utilisation
# -    utilisation = volume * 1e6 / (throughput * 3600 * HOURS_PER_MONTH)
# +    utilisation = rate * 1e6 / (3600 * throughput * price)

# %% 06-3 wrong: never-not-said
# -    if utilisation > 1:
# +    if utilisation > 1.5:

# %% 06-3 wrong: never-not-said
# -    if utilisation > 1:
# +    if utilisation > 1.02:

# %% 06-3 wrong: full-is-not-never
# -    if utilisation > 1:
# +    if utilisation >= 1:

# %% 06-3 wrong: hardly-not-said
# -    if utilisation > PRACTICAL:
# +    if utilisation > 0.9:

# %% 06-3 wrong: yes-not-said
# -    if utilisation > PRACTICAL:
# +    if utilisation > 0.5:

# %% 06-3 wrong: reason-without-its-number
# -f"it would have to be busy for {utilisation:.0%} of the time"
# +"it would have to be busier than a machine can be"

# %% 06-3 wrong: divides-by-zero
# -    if price <= 0 or throughput <= 0:
# +    if price <= 0:

# %% 06-3 wrong: divides-by-zero
# -    if price <= 0 or throughput <= 0:
# +    if throughput <= 0:

# %% 06-3 wrong: infinite-per-cent
# -        reason = "nothing is cheaper than a free API" if price <= 0 else "the machine makes no text tokens"
# +        reason = f"it would have to be busy for {math.inf:.0%} of the time"

# %% 06-3 wrong: zero-is-not-never
# -        return BreakEven(math.inf, math.inf, "never", reason)
# +        return BreakEven(0.0, 0.0, "yes", reason)

# %% 06-3 right: by the price of a million
def break_even(rate, throughput, price, fixed=0.0):
    per_month = rate * HOURS_PER_MONTH + fixed
    capacity = throughput * 3.6e-3 * HOURS_PER_MONTH  # millions
    volume = per_month / price if price else math.inf
    share = volume / capacity if capacity and price else math.inf
    verdict = "yes"
    if share > PRACTICAL:
        verdict = "hardly" if share <= 1 else "never"
    told = f"{round(100 * share)} % of the time" if share < math.inf else "no utilisation at all"
    return BreakEven(share, volume, verdict, f"break-even needs {told}")


# %% 06-4 wrong: not-async
def measure(generate, prompts, clock, callers=(1, 4, 16)):
    return Report(())


# %% 06-4 wrong: wrong-levels
# -for count in callers]))
# +for count in sorted(callers)]))

# %% 06-4 wrong: not-each-prompt-once
# -            for prompt in waiting:  # shared by all callers, so each prompt is taken once
# +            for prompt in prompts:

# %% 06-4 wrong: too-many-at-once
# -        await asyncio.gather(*(caller() for _ in range(count)))
# +        await asyncio.gather(*(caller() for _ in prompts))

# %% 06-4 wrong: one-after-the-other
# -        await asyncio.gather(*(caller() for _ in range(count)))
# +        for _ in range(count):
# +            await caller()

# %% 06-4 wrong: levels-at-once
# -    return Report(tuple([await level(count) for count in callers]))
# +    return Report(tuple(await asyncio.gather(*(level(count) for count in callers))))

# %% 06-4 wrong: waits-for-the-slowest
async def measure(generate, prompts, clock, callers=(1, 4, 16)):
    async def ask(prompt):
        began = clock()
        times = [clock() async for _ in generate(prompt)]
        return Answer(times[0] - began, clock() - began, len(times))

    levels = []
    for count in callers:
        began, answers = clock(), []
        for start in range(0, len(prompts), count):
            batch = (ask(prompt) for prompt in prompts[start : start + count])
            answers += await asyncio.gather(*batch, return_exceptions=True)
        good = [each for each in answers if isinstance(each, Answer)]
        levels.append(Level.of(count, good, len(answers) - len(good), clock() - began))
    return Report(tuple(levels))


# %% 06-4 wrong: first-is-not-the-first
# -Answer(times[0] - began,
# +Answer(times[-1] - began,

# %% 06-4 wrong: end-is-not-the-end
# -clock() - began, len(times))
# +times[-1] - began, len(times))

# %% 06-4 wrong: mean-or-maximum
# -        return Level.of(count, answers, len(prompts) - len(answers), clock() - began)
# +        level = Level.of(count, answers, len(prompts) - len(answers), clock() - began)
# +        worst = max((answer.total_seconds for answer in answers), default=math.nan)
# +        return replace(level, total_p95=worst)

# %% 06-4 wrong: mean-or-maximum
# -        return Level.of(count, answers, len(prompts) - len(answers), clock() - began)
# +        level = Level.of(count, answers, len(prompts) - len(answers), clock() - began)
# +        mean = sum(answer.first_seconds for answer in answers) / max(1, len(answers))
# +        return replace(level, first_p50=mean)

# %% 06-4 wrong: zero-is-not-nothing
# -        times = [clock() async for _ in generate(prompt)]
# -        return Answer(times[0] - began, clock() - began, len(times))
# +        first, pieces = None, 0
# +        async for _ in generate(prompt):
# +            first, pieces = first or clock(), pieces + 1
# +        return Answer(first - began, clock() - began, pieces)

# %% 06-4 wrong: counts-our-own-queue
# -    async def ask(prompt: str) -> Answer:
# -        began = clock()
# +    async def ask(prompt: str, began: float) -> Answer:
# -await ask(prompt))
# +await ask(prompt, began))

# %% 06-4 wrong: another-clock
# -        began = clock()
# -        times = [clock() async for _ in generate(prompt)]
# -        return Answer(times[0] - began, clock() - began, len(times))
# +        loop = asyncio.get_running_loop()
# +        began = loop.time()
# +        times = [loop.time() async for _ in generate(prompt)]
# +        return Answer(times[0] - began, loop.time() - began, len(times))

# %% 06-4 wrong: miscounts-the-pieces
# -clock() - began, len(times))
# +clock() - began, len(times) - 1)

# %% 06-4 wrong: wrong-seconds-of-a-level
# -len(prompts) - len(answers), clock() - began)
# +len(prompts) - len(answers), sum(answer.total_seconds for answer in answers))

# %% 06-4 wrong: one-failure-ends-all
# -                with suppress(Exception):  # a piece that never came: no times[0]
# -                    answers.append(await ask(prompt))
# +                answers.append(await ask(prompt))

# %% 06-4 wrong: failures-not-counted
# -len(prompts) - len(answers), clock() - began)
# +0, clock() - began)

# %% 06-4 wrong: failures-not-counted
# -        times = [clock() async for _ in generate(prompt)]
# +        times = []
# +        with suppress(Exception):
# +            async for _ in generate(prompt):
# +                times.append(clock())

# %% 06-4 right: a queue and a task group
async def measure(generate, prompts, clock, callers=(1, 4, 16)):
    levels = []
    for count in callers:
        queue, answers, failed = asyncio.Queue(), [], []
        for prompt in prompts:
            queue.put_nowait(prompt)

        async def worker(queue, answers, failed):
            while not queue.empty():
                prompt = queue.get_nowait()
                sent, first, pieces = clock(), None, 0
                try:
                    async for _ in generate(prompt):
                        first = clock() if first is None else first
                        pieces += 1
                    if not pieces:
                        raise ValueError("no piece")
                except Exception as error:
                    failed.append(error)
                else:
                    answers.append(Answer(first - sent, clock() - sent, pieces))

        began = clock()
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(worker(queue, answers, failed))
        levels.append(Level.of(count, answers, len(failed), clock() - began))
    return Report(tuple(levels))


# %% 06-4 right: a semaphore
async def measure(generate, prompts, clock, callers=(1, 4, 16)):
    async def one(prompt, free):
        async with free:
            sent = clock()
            times = [clock() async for _ in generate(prompt)]
            return Answer(times[0] - sent, clock() - sent, len(times))

    levels = []
    for count in callers:
        free, began = asyncio.Semaphore(count), clock()
        done = await asyncio.gather(*(one(prompt, free) for prompt in prompts), return_exceptions=True)
        answers = [each for each in done if not isinstance(each, BaseException)]
        levels.append(Level.of(count, answers, len(done) - len(answers), clock() - began))
    return Report(tuple(levels))


# %% 06-5 wrong: ignores-overhead
# -(weights + cache) * OVERHEAD / 1e9
# +(weights + cache) / 1e9

# %% 06-5 wrong: other-gigabytes
# -OVERHEAD / 1e9
# +OVERHEAD / 2**30

# %% 06-5 wrong: wrong-weights
# -params * BYTES[precision]
# +params * 2

# %% 06-5 wrong: keys-without-values
# -cache = 2 * shape.layers
# +cache = shape.layers

# %% 06-5 wrong: weights-for-each-user
# -(weights + cache) * OVERHEAD
# +(weights * users + cache) * OVERHEAD

# %% 06-5 wrong: wrong-cache
# - * context * users
# + * users

# %% 06-5 wrong: wrong-cache
# -2 * shape.layers * shape.kv_heads
# +2 * shape.kv_heads

# %% 06-5 wrong: one-cache-for-all
# - * context * users
# + * context

# %% 06-5 wrong: cache-shrinks-with-the-weights
# -shape.head_dim * 2 * context
# +shape.head_dim * BYTES[precision] * context

# %% 06-5 wrong: full-does-not-fit
# -shape) <= gpu_gb
# +shape) < gpu_gb

# %% 06-5 wrong: fits-the-wrong-way
# -shape) <= gpu_gb
# +shape) >= gpu_gb

# %% 06-5 wrong: fits-without-all-it-was-given
# -    return memory_gb(params, precision, context, users, shape)
# +    return memory_gb(params, precision, context, 1, shape)

# %% 06-5 wrong: fits-without-all-it-was-given
# -    return memory_gb(params, precision, context, users, shape)
# +    return memory_gb(params, "fp16", context, users, shape)

# %% 06-5 wrong: fits-without-all-it-was-given
# -    return memory_gb(params, precision, context, users, shape)
# +    return memory_gb(params, precision, 8192, users, shape)

# %% 06-5 right: token by token
def memory_gb(params, precision, context, users, shape):
    per_token = sum(2 * (shape.kv_heads * shape.head_dim) for kind in ("key", "value")) * shape.layers
    return OVERHEAD * (BYTES[precision] * params + per_token * context * users) * 1e-9


def fits(gpu_gb, *what):
    return not gpu_gb < memory_gb(*what)


# %% 06-6 wrong: not-the-cheapest
# -return min(allowed,
# +return max(allowed,

# %% 06-6 wrong: not-the-cheapest
# -min(allowed, key=lambda offer: offer.cost(load), default=None)
# +next(iter(allowed), None)

# %% 06-6 wrong: not-for-this-workload
# -key=lambda offer: offer.cost(load)
# +key=lambda offer: offer.cost(replace(load, requests_per_hour=100.0))

# %% 06-6 wrong: last-of-equals
# -return min(allowed,
# +return min(reversed(allowed),

# %% 06-6 wrong: breaks-privacy
# -kept = PRIVACY.index(offer.keeps) >= PRIVACY.index(load.privacy)
# +kept = True

# %% 06-6 wrong: breaks-privacy
# -key=lambda offer: offer.cost(load)
# +key=lambda offer: offer.cost(load) * (2 if PRIVACY.index(offer.keeps) < PRIVACY.index(load.privacy) else 1)
# -        allowed = [offer for offer in offers if not broken(offer, load)]
# +        allowed = [offer for offer in offers if broken(offer, load) in ([], ["privacy"])]

# %% 06-6 wrong: breaks-privacy
# -PRIVACY.index(offer.keeps) >= PRIVACY.index(load.privacy)
# +PRIVACY.index(offer.keeps) <= PRIVACY.index(load.privacy)

# %% 06-6 wrong: stricter-is-allowed
# -kept = PRIVACY.index(offer.keeps) >= PRIVACY.index(load.privacy)
# +kept = load.privacy in ("anywhere", offer.keeps)

# %% 06-6 wrong: ignores-cold-start
# -awake = offer.cold_start_seconds <= load.patience_seconds
# +awake = True

# %% 06-6 wrong: patience-is-enough
# -awake = offer.cold_start_seconds <= load.patience_seconds
# +awake = offer.cold_start_seconds < load.patience_seconds

# %% 06-6 wrong: ignores-capacity
# -enough = offer.tokens_per_second >= load.peak_tokens_per_second
# +enough = True

# %% 06-6 wrong: ignores-the-busiest
# -enough = offer.tokens_per_second >= load.peak_tokens_per_second
# +enough = offer.tokens_per_second >= load.peak_tokens_per_second / load.busiest

# %% 06-6 wrong: enough-is-enough
# -enough = offer.tokens_per_second >= load.peak_tokens_per_second
# +enough = offer.tokens_per_second > load.peak_tokens_per_second

# %% 06-6 wrong: crashes-without-an-offer
# -, default=None)
# +)

# %% 06-6 wrong: something-is-always-allowed
# -return min(allowed,
# +return min(allowed or offers,

# %% 06-6 wrong: a-tie-with-itself
# - if offer is not chosen),
# +),

# %% 06-6 wrong: a-tie-with-what-is-not-allowed
# -if usd is not None and not broken(o, workload) and
# +if usd is not None and

# %% 06-6 wrong: ties-not-said
# -usd * (1 + TIE)
# +usd

# %% 06-6 wrong: ties-not-said
# -        tuple(offer.name for offer in close if offer is not chosen),
# +        tuple(offer.name for offer in close if offer is not chosen)[:1],

# %% 06-6 wrong: last-of-equals
# -key=lambda offer: offer.cost(load)
# +key=lambda offer: (offer.cost(load), offer.name)

# %% 06-6 wrong: a-reason-is-missing
# -tuple(reason(offer) for offer in offers),
# +tuple(reason(offer) for offer in offers if not broken(offer, workload)),

# %% 06-6 wrong: a-reason-without-its-number
# -{offer.cost(workload):,.2f}
# +{offer.cost(workload):.0f}

# %% 06-6 wrong: a-rule-is-not-named
# -{', '.join(rules)}
# +{rules[:0]}

# %% 06-6 wrong: a-rule-is-not-named
# -', '.join(rules)
# +', '.join(rules[:1])

# %% 06-6 wrong: nothing-allowed-nothing-said
# -    chosen = best(workload)
# +    chosen = best(workload)
# +    if chosen is None:
# +        return Decision(None, None, (), (), ())

# %% 06-6 wrong: reversals-that-are-none
# - if name != option),
# +),

# %% 06-6 wrong: forgets-the-volume
# -    changes = {f"{factor:g} times the requests": workload.times(factor) for factor in FACTORS}
# +    changes = {}

# %% 06-6 wrong: forgets-the-rules
# -    changes |= {f"privacy: {rule}": replace(workload, privacy=rule) for rule in PRIVACY}

# %% 06-6 wrong: only-more-requests
# -for factor in FACTORS}
# +for factor in FACTORS if factor > 1}

# %% 06-6 wrong: rules-of-the-old-volume
# -        allowed = [offer for offer in offers if not broken(offer, load)]
# +        rules = replace(load, requests_per_hour=workload.requests_per_hour)
# +        allowed = [offer for offer in offers if not broken(offer, rules)]

# %% 06-6 wrong: only-stricter-rules
# -for rule in PRIVACY}
# +for rule in PRIVACY[PRIVACY.index(workload.privacy) :]}

# %% 06-6 wrong: other-offers
# -    def broken(offer: Offer, load: Workload) -> list[str]:
# +    offers = offers[1:] if offers is OFFERS else offers
# +
# +    def broken(offer: Offer, load: Workload) -> list[str]:

# %% 06-6 right: loops
def recommend(workload, offers=OFFERS):
    def rules(offer, load):
        found = []
        if PRIVACY.index(offer.keeps) < PRIVACY.index(load.privacy):
            found.append("privacy")
        if load.patience_seconds < offer.cold_start_seconds:
            found.append("cold start")
        if offer.tokens_per_second < load.peak_tokens_per_second:
            found.append("capacity")
        return found

    def ranked(load):
        return sorted((o for o in offers if not rules(o, load)), key=lambda o: o.cost(load))

    order = ranked(workload)
    winner = order[0].name if order else None
    usd = order[0].cost(workload) if order else None
    ties = tuple(o.name for o in order[1:] if o.cost(workload) <= usd + TIE * usd)
    reasons = []
    for offer in offers:
        text = f"{offer.name}: costs {offer.cost(workload):,.2f} USD"
        if rules(offer, workload):
            text += " and is not allowed for its " + " and ".join(rules(offer, workload))
        reasons.append(text)
    changes = [(f"{f:g} times the requests", workload.times(f)) for f in FACTORS]
    changes += [(f"privacy: {rule}", replace(workload, privacy=rule)) for rule in PRIVACY]
    reversals = []
    for change, load in changes:
        other = next((o.name for o in ranked(load)), None)
        if other != winner:
            reversals.append(Reversal(change, other))
    return Decision(winner, usd, ties, tuple(reasons), tuple(reversals))
