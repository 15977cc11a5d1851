# %% [markdown]
# # 04 The retrying client
#
# After this you can
#
# - **decide** which failures deserve a second try, and **compute** how long to wait before it;
# - **write** a client that ends before its deadline, raises an error one can act on, and tells nobody the token;
# - **limit** what retries add to an outage;
# - **read** a stream of events, however the network cuts it, and **keep** the text that came before it broke.
#
# You should know Python classes, exceptions and generators, and that a token travels as `Authorization: Bearer ...`.
# About 210 minutes; after section 6 is a good place for a break. Works offline: a sandbox on this machine plays Hugging Face, and it fails on demand.

# %% [markdown]
# ## 1. A client that looks fine
#
# Clients like the next one stand in many guides. It retries, it catches errors, it even "streams". **It is wrong in eight places**, and it is
# here to be watched. Read it first: how many do you find?

# %%
from collections.abc import Iterator
from contextlib import suppress

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from course import check, hint, needs, sandbox, solution  # noqa: F401
from course.four_clients import PATIENCE_SECONDS, PLANS, STREAM_PLANS, Ask, clients, noted_waits, table
from course.sandbox import faults

MODEL = "openai/gpt-oss-120b"


class FirstClient:
    """Wrong on purpose: do not copy."""

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self.headers = {"Authorization": f"Bearer {token}"}
        again = Retry(total=3, backoff_factor=1, allowed_methods=["POST"], status_forcelist=[429, 500, 502, 503, 504])
        self.session = requests.Session()
        self.session.mount("http://", HTTPAdapter(max_retries=again))

    def ask(self, question: str) -> dict[str, str]:
        body = {"model": MODEL, "messages": [{"role": "user", "content": question}]}
        try:
            answer = self.session.post(self.address, headers=self.headers, json=body)
            answer.raise_for_status()
            return {"text": answer.json()["choices"][0]["message"]["content"]}
        except requests.RequestException as error:
            return {"error": str(error)}

    def stream(self, question: str) -> Iterator[str]:
        yield from self.ask(question)["text"].split()


# %% [markdown]
# The first mistake is the address: many guides still name `api-inference.huggingface.co/models/...` (the sandbox plays that
# host). **Predict, then run:** what comes back from there, an exception or a value?

# %%
hub = sandbox.start()
hub.clock.freeze()  # its time stands still until somebody moves it, so that you see what we saw
token = hub.tokens["fine_grained"]
said = FirstClient(f"{hub.router}/models/gpt2", token).ask("What is a read token?")
print(said["error"].split(" for url")[0])

# %% [markdown]
# **410 Gone**: that host was shut down (observed, third-party, 2025-12 to 2026-05). Chat lives at `https://router.huggingface.co/v1/chat/completions` (hub-docs,
# `docs/inference-providers/index.md`, 2026-08-22). And the failure came back as a *value*: a program that does not look goes on with it.
#
# Next, the right address and three failures: a revoked token, no credits left, no permission. **Predict:** what can a program do
# with what it gets, except print it?

# %%
chat = f"{hub.router}/v1/chat/completions"
print(FirstClient(chat, hub.tokens["revoked"]).ask("Hello")["error"].split(" for url")[0])
hub.fail_next(402, on="router")
print(FirstClient(chat, token).ask("Hello")["error"].split(" for url")[0])
print(FirstClient(chat, hub.tokens["no_inference"]).ask("Hello")["error"].split(" for url")[0])

# %% [markdown]
# Three causes, three different remedies (a new token, more credits, one more permission), and a program would have to take English sentences
# apart to tell them. The router's own explanation is not among them either.
#
# After a 402 an organisation can pay instead of you: the header `X-HF-Bill-To: <organisation>` says which (hub-docs, `docs/inference-providers/pricing.md`, 2026-08-21).
#
# Now overload. From here on, waits are written down instead of slept: `noted_waits` notes what this thread would sleep. The router answers 503 three times, then 200. **Predict:** how many
# requests, and which waits before the three retries?

# %%
hub.forget()
hub.fail_next(503, times=3, on="router")
with noted_waits() as waits:
    FirstClient(chat, token).ask("Hello")
print(len(hub.requests), "requests, waits:", waits)

# %% [markdown]
# Four requests and **two** waits: urllib3 sends the first retry at once, then waits 2 and 4 s (you have just seen it; urllib3 2.8.0). A
# server that is overloaded gets the second request in the same moment as everybody else's.
#
# And each of them was a `POST`. After a 504 the first generation may well be finished, and paid for: this client orders it four times.
#
# What if the server says when to come back? **Predict:** `Retry-After: 3600` means: come back in an hour. Does the client give up, or wait?

# %%
hub.fail_next(429, times=4, retry_after=3600, on="router")
with noted_waits() as waits:
    said = FirstClient(chat, token).ask("Hello")
print(waits)
print("too many 429" in said["error"], "overloaded" in said["error"])

# %% [markdown]
# It waits: an hour before each of its three retries, three hours in silence. Then it reports neither the server's words ("Model is overloaded") nor the time it was told to wait: `RetryError`
# has no answer attached.
#
# The most expensive line is the shortest: no `timeout=`. **Predict:** the server takes the request and says nothing. When does this client give up?

# %%
import threading

hub.fail_next(faults.Hang(), on="router")
caller = threading.Thread(target=FirstClient(chat, token).ask, args=["Hello"], daemon=True)
caller.start()
caller.join(0.5)
print("still waiting:", caller.is_alive())
print("answers that are let go now:", hub.release())

# %% [markdown]
# Never: without a time-out `requests` waits for ever.
#
# A token is easily copied with a line break behind it. **Predict:** does the text of the error, which many programs print, hold the token?

# %%
said = FirstClient(chat, token + "\n").ask("Hello")
print(token in said["error"])

# %% [markdown]
# It does: `requests` quotes the header that it refuses. What such a dictionary reaches, a log or a web page, has the token.
#
# The last one is `stream`. **Predict:** what did the server send, a stream of events or one piece of JSON?

# %%
print(list(FirstClient(chat, token).stream("What is a read token?"))[:4])
print(hub.requests[-1].answer_headers["content-type"])

# %% [markdown]
# One piece. The words come one by one *after* the whole answer has arrived: nobody sees the first word a moment sooner.
#
# | the mistake | what it costs | mended in |
# |---|---|---|
# | an address that is gone | 410 | here |
# | everything is retried, nothing is asked | money, and load on a server that is down | 04-1 |
# | first retry at once, then the same waits for all | everybody comes back in the same moment | 04-2 |
# | waits as long as the server likes, loses its answer | three hours of silence | 04-3, 04-4 |
# | `{"error": ...}` | failures travel on as answers | 04-4 |
# | no time-out, no deadline | a program that hangs | 04-4 |
# | the text of foreign errors | a token in a log | 04-4 |
# | a stream that is none | waiting for the last word | 04-6, 04-7 |
#
# A ninth needs many clients to be seen: 04-5. Which of them would a test with a server that always answers have found?

# %% [markdown]
# ## 2. Which failures deserve a second try?
#
# Two questions decide. *Can it end differently?* A token that is refused is refused again. *Can it do harm?* If the server may have done the work
# already, a repeated request does it twice. For methods that HTTP calls **idempotent**, twice is as good as once: GET, HEAD, OPTIONS, TRACE, PUT, DELETE (RFC 9110,
# section 9.2.2). `POST` is not among them. A chat completion changes nothing at the server, but it is billed each time: so the caller has to say that a repeat is acceptable.

# %%
from dataclasses import dataclass, field
from typing import Any, Literal

Trouble = Literal["connect", "read timeout", "lost", "other"]


@dataclass(frozen=True)
class Outcome:
    """How one attempt ended, as far as it matters for another one.

    status: of the answer, if one came. trouble: what the network did, where no status says more: "connect" (refused, name
    unknown, connect time-out: nothing was sent), "read timeout" (sent, then silence), "lost" (sent, then cut), "other" (a bad
    certificate, say). error_type: of an error event inside a stream. text_seen: part of the generated text had come.
    repeatable: the caller accepts that a POST runs, and is paid, twice.
    """

    status: int | None = None
    trouble: Trouble | None = None
    error_type: str | None = None
    text_seen: bool = False
    repeatable: bool = False


# %% [markdown]
# ### Exercise 04-1: is it worth another try?   (about 8 lines, 8 minutes)
#
# Write `is_retryable(outcome, method)`. The first row that applies counts:
#
# | the attempt ended with | another try? |
# |---|---|
# | anything, after generated text had come (`text_seen`) | no: the caller has already used that text |
# | trouble "connect" | yes, whatever the method: nothing was sent |
# | 408, 429, 503; an error event of type "overloaded" | yes, whatever the method: the server says that it did not begin |
# | 500, 502, 504; trouble "read timeout" or "lost"; an error event of another type, except "validation" | only if `method` is idempotent or the outcome is `repeatable`: it may have begun |
# | anything else: 400, 401, 402, 403, 404, 410, 413, 422, 425, any other 5xx such as 501 or 505, a redirect, success ... | no: it would end the same way |
#
# Example: `is_retryable(Outcome(504), "POST")` → `False`; `is_retryable(Outcome(504, repeatable=True), "POST")` → `True`.
#
# Check: the cell below, or `make check EX=04-1`.

# %%
IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}


def is_retryable(outcome: Outcome, method: str) -> bool:
    """Whether a request that ended like this may be sent again."""
    # BEGIN SOLUTION
    if outcome.text_seen:
        return False
    if outcome.trouble == "connect" or outcome.status in (408, 429, 503) or outcome.error_type == "overloaded":
        return True
    may_have_begun = (
        outcome.status in (500, 502, 504)
        or outcome.trouble in ("read timeout", "lost")
        or outcome.error_type not in (None, "validation")
    )
    return may_have_begun and (outcome.repeatable or method in IDEMPOTENT)
    # END SOLUTION


# %% [markdown] hint="04-1"
# The table is the program: one question a row, from the top. Row three names two sources of failure, a status and an event; row four three: a status, the network, an event. Which rows need `method`?

# %% [markdown] hint="04-1"
# Nearly code: `if outcome.text_seen: return False`; then one `if` with three parts joined by `or` that returns `True`; then `may_have_begun = ... or ... or ...` for the
# fourth row, and `return may_have_begun and (outcome.repeatable or method in IDEMPOTENT)`. An `error_type` of `None` means that there was no error event.

# %% [markdown] explanation="04-1"
# Why: the two expensive mistakes are a loop on an error that stays (401, 402) and a silent second bill. Both end here, in one place, without any network.
#
# One alternative: a dictionary from status to answer. It reads well until the network and the stream join in.
#
# In production: 402 means that credits are used up, so no wait helps. A server may send `x-should-retry` (the `openai` SDK obeys it). An `Idempotency-Key` makes POST repeatable only where a server
# honours it; Hugging Face documents none. 409 is retried by some clients, for locks.

# %%
check("04-1")

# %% [markdown]
# Six ways to fail. **Predict** six times True or False for a chat completion whose caller does not accept a second bill.

# %%
with needs("04-1"):
    for outcome in (
        Outcome(401),
        Outcome(429),
        Outcome(504),
        Outcome(trouble="connect"),
        Outcome(trouble="read timeout"),
        Outcome(200, error_type="overloaded", text_seen=True),
    ):
        print(is_retryable(outcome, "POST"), outcome)

# %% [markdown]
# ## 3. How long to wait?
#
# The server knows best, and it may say so in two ways:
#
# - `Retry-After: 120`, or a date (RFC 9110, section 10.2.3). Hugging Face's Hub was not seen to send it (observed, third-party, 2026-08); providers may.
# - `RateLimit: "api";r=0;t=155`: of the quota "api", `r` requests remain, and it is new in `t` seconds (both whole numbers). That is the Hub's way (hub-docs, `docs/hub/rate-limits.md`, 2026-08-22).
#
# If it says nothing, guess, and guess *differently from everybody else*: clients that failed together must not come back together. **Full jitter** takes a
# random time between 0 and a bound that doubles with each attempt, up to a cap. **Predict:** three clients fail at the same time. Which line is kinder to the server?

# %%
import random

print("doubling     ", [[min(8.0, 0.5 * 2**n) for n in range(5)] for _ in range(3)])
dice = random.Random(4)  # a seed, so that the output is the same on every run
print("full jitter  ", [[round(dice.uniform(0, min(8.0, 0.5 * 2**n)), 1) for n in range(5)] for _ in range(3)])

# %% [markdown]
# ### Exercise 04-2: how long to wait   (about 15 lines, 18 minutes)
#
# Write `wait_seconds(headers, attempt, now, rng)`. It returns seconds, above 0 where the server asked for them. The first that applies:
#
# 1. `Retry-After` as a number of seconds, whole or not: `"2"`, `"1.5"`.
# 2. `Retry-After` as a date: the seconds from `now` until then. A date without a zone means UTC.
# 3. `RateLimit` with `r=0`: its `t`. With several entries, parted by commas, the longest of those with `r=0`. With `r` above 0 that quota was not the reason.
#    `"api"; r=0; t=155` is the same as `"api";r=0;t=155`, and so is `"api";t=155;r=0`.
# 4. Full jitter: `rng.uniform(0, bound)`, where `bound` is `BASE_SECONDS` doubled for each attempt after the first, at most `CAP_SECONDS`.
#    `attempt` may be any positive number, so bound the exponent, too: Python refuses `0.5 * 2**5000`.
#
# What makes no sense (zero, negative, past, `nan`, `inf`, too long for a float, garbage) is passed over for the next rule, and never crashes. A long wait is returned as it is: whether to accept it is the caller's business.
#
# `headers` is a mapping such as `response.headers`; `attempt` is 1 after the first attempt failed; `now` is in seconds since 1970; `rng` is a `random.Random`.
#
# Example: `wait_seconds({"Retry-After": "2"}, 1, now, rng)` → `2.0`.
#
# Check: the cell below, or `make check EX=04-2`.

# %%
import math
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

BASE_SECONDS = 0.5
CAP_SECONDS = 8.0


def wait_seconds(headers: Mapping[str, str], attempt: int, now: float, rng: random.Random) -> float:
    """Seconds to wait before the next attempt: as the server asked for, else full jitter. Raises nothing."""
    # BEGIN SOLUTION
    asked = headers.get("Retry-After", "")
    try:
        seconds = float(asked)
    except ValueError:
        try:
            date = parsedate_to_datetime(asked)
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            seconds = 0.0
    quotas = [dict(re.findall(r"\b([rt])=(\d+)", quota)) for quota in headers.get("RateLimit", "").split(",")]
    resets = [float(quota.get("t", 0)) for quota in quotas if re.fullmatch("0+", quota.get("r", ""))]
    for asked_for in (seconds, max(resets, default=0.0)):
        if 0 < asked_for < math.inf:
            return asked_for
    doublings = min(attempt - 1, 10)  # 2 ** 5000 is more than a float can hold
    return rng.uniform(0, min(CAP_SECONDS, BASE_SECONDS * 2**doublings))
    # END SOLUTION


# %% [markdown] hint="04-2"
# Four sources, one after the other. Which of Python's own functions reads numbers like `"1.5"`, and which values does it accept that nobody can wait for? Who in the standard library reads the dates of
# e-mails, which look the same?

# %% [markdown] hint="04-2"
# Nearly code: `float(asked)` in a `try`; in its `except ValueError` a second `try` with `parsedate_to_datetime(asked)`, its `.timestamp() - now`; a date with `tzinfo` None gets
# `.replace(tzinfo=UTC)`. Accept a value if `0 < value < math.inf`. For each part of `RateLimit.split(",")`, `dict(re.findall(r"\b([rt])=(\d+)", part))` has both numbers in any order. `min(CAP_SECONDS, BASE_SECONDS * 2 ** ...)` first, `rng.uniform(0, ...)` last, and
# keep the exponent small: Python refuses `0.5 * 2 ** 5000`.

# %% [markdown] explanation="04-2"
# Why: the cap comes before the jitter. The other way round, every long wait is exactly the cap, and all clients meet again. `now` and `rng` are parameters, so a test needs neither a clock nor luck.
#
# One alternative: "equal jitter", half of the bound fixed and half random: never at once, and a little less spread.
#
# In production: clients that are all told `t=155` all come back after 155 s, so add a little jitter on top, never below. huggingface_hub adds one second to be past the window; the `openai` SDK waits up
# to 120 s as told and gives up beyond.

# %%
check("04-2")

# %% [markdown]
# Six answers of servers at 12:00:00. **Predict:** which of them are taken at their word?

# %%
from datetime import datetime

with needs("04-2"):
    noon = datetime(2026, 11, 2, 12, tzinfo=UTC).timestamp()
    for headers in (
        {"Retry-After": "1.5"},
        {"Retry-After": "Mon, 02 Nov 2026 12:00:30 GMT"},
        {"RateLimit": '"api";r=0;t=155'},
        {"RateLimit": '"api";r=42;t=155'},
        {"Retry-After": "-5"},
        {"Retry-After": "soon"},
    ):
        wait = wait_seconds(headers, 1, noon, random.Random(4))
        print(round(wait, 2), "s", "after", headers)

# %% [markdown]
# ## 4. What urllib3 can do for you
#
# `requests` has no retries until an `HTTPAdapter` with a `Retry` is mounted. The first client mounted one, and left most of its switches as they were. They are worth knowing: for plain
# `GET` requests that is all one needs.
#
# | switch | left alone | so |
# |---|---|---|
# | `allowed_methods` | idempotent ones; `None` means *every* method, and so does an empty set (with a warning) | name them |
# | `raise_on_status` | `True`: after the last retry a `RetryError` without the answer | `False`: you get the last answer |
# | `retry_after_max` | 6 hours | what a caller of yours would wait |
# | `backoff_factor`, `backoff_jitter` | 0: no waits at all | set both |
# | `backoff_max` | such a wait grows up to 120 s | the longest that a caller of yours would wait |
# | `pool_maxsize` of the adapter | 10 connections kept; more are thrown away after use | as many as you have threads |
#
# Source: urllib3 2.8.0 (the class `Retry`) and requests 2.34.2, read and run 2026-11. Here is an object that carries the token; why is it better than a header set by hand?

# %%
from requests.auth import AuthBase


class BearerAuth(AuthBase):
    """Sends `token` as a bearer token; does not show it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def __repr__(self) -> str:
        return "BearerAuth(hidden)"


# %% [markdown]
# A file `.netrc` with an entry for the host would replace such a header, silently. It does not replace an auth object (requests 2.34.2).
#
# ### The session
#
# Redirects are the other way out for a token: by default `requests` follows them. To another host it drops `Authorization`, but on the same one it goes along, to whatever path the answer names.
# With `session.max_redirects = 0` it raises `TooManyRedirects` instead. Which of the two would you rather explain afterwards?

# %% [markdown]
# ### Exercise 04-3: a session that retries what is safe   (about 15 lines, 14 minutes)
#
# Write `build_session(auth, retries)`. It returns a `requests.Session` that
#
# - sends `auth` with every request, also where a `.netrc` has an entry for the host;
# - repeats `GET` and `HEAD` up to `retries` times on 408, 429, 500, 502, 503, 504, and **never repeats a `POST` that was sent**;
# - waits as `Retry-After` says, but at most `MAX_WAIT_SECONDS`; otherwise with a growing wait and jitter, at most 8 s;
# - returns the last answer when all retries are used up, instead of raising an error without it;
# - follows no redirect: it raises, or returns the 3xx;
# - keeps up to `CONNECTIONS` connections per host, for `http://` and `https://`.
#
# Example: `build_session(BearerAuth(token), retries=3).get(url, timeout=10)`.
#
# Check: the cell below, or `make check EX=04-3`.

# %%
MAX_WAIT_SECONDS = 30
CONNECTIONS = 50


def build_session(auth: AuthBase, retries: int) -> requests.Session:
    """A session that repeats GET and HEAD up to `retries` times, and sends `auth` nowhere but where it is told."""
    # BEGIN SOLUTION
    policy = Retry(
        total=retries,
        allowed_methods={"GET", "HEAD"},
        status_forcelist={408, 429, 500, 502, 503, 504},
        backoff_factor=0.5,
        backoff_jitter=0.5,
        backoff_max=8,
        retry_after_max=MAX_WAIT_SECONDS,
        raise_on_status=False,
    )
    session = requests.Session()
    session.auth = auth
    session.max_redirects = 0
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=policy, pool_maxsize=CONNECTIONS))
    return session
    # END SOLUTION


# %% [markdown] hint="04-3"
# Two objects do the work, and one holds them: `Retry` (what and how often), `HTTPAdapter` (connections, and it carries the `Retry`), `Session`. Which rule of the text belongs to which of the three? The
# table above names the switches.

# %% [markdown] hint="04-3"
# Nearly code: `Retry(total=retries, allowed_methods={"GET", "HEAD"}, status_forcelist={...}, backoff_factor=0.5, backoff_jitter=0.5, backoff_max=8, retry_after_max=MAX_WAIT_SECONDS, raise_on_status=False)`; then
# `session.auth = auth`, `session.max_redirects = 0`, and for both schemes `session.mount(scheme, HTTPAdapter(max_retries=policy, pool_maxsize=CONNECTIONS))`.

# %% [markdown] explanation="04-3"
# Why: mounted once, these rules hold for every request of the session, and nobody has to think of them again. `POST` is left out because urllib3 cannot know whether a second one is acceptable.
#
# One alternative: a subclass of `Session` with a default time-out; requests has none of its own. Or a subclass of `Retry` whose `get_retry_after` also reads `RateLimit`.
#
# In production: what it still cannot do is listed below the next cell. urllib3 retries connect errors for POST as well: nothing was sent then.

# %%
check("04-3")

# %% [markdown]
# The same overload as before, once for a `GET` and once for a `POST`. **Predict** both numbers of requests.

# %%
with needs("04-3"):
    session = build_session(BearerAuth(token), retries=3)
    for method, address, failures in (("GET", f"{hub.router}/v1/models", 2), ("POST", chat, 1)):
        hub.forget()
        hub.fail_next(503, times=failures, retry_after=1, on="router")
        with noted_waits() as waits:
            reply = session.request(method, address, json={}, timeout=10)
        print(method, len(hub.requests), "requests, waits", waits, "then", reply.status_code)

# %% [markdown]
# The `GET` came through; the `POST` was sent once, and its 503 is there to be read.
#
# For a chat client that is not enough. What this session still cannot do:
#
# | it cannot | because |
# |---|---|
# | end in time | each attempt gets the whole time-out again, the waits come on top, and a body that drips never times out |
# | decline to wait | `Retry-After: 3600` is cut to 30 s: too early for the server, too late for the caller |
# | wait as the Hub asks | it does not read `RateLimit` |
# | survive a bad header | `Retry-After: soon`, `-5` or `1.5` raises `InvalidHeader` |
# | spread the first retry | it comes at once, and at the cap all waits are equal: jitter is added before it |
# | decide per request | a method is repeatable or not; a stream that has begun is unknown to it |
# | stop when everybody fails | each session counts for itself |
#
# So the next client has a loop of its own. From the session it takes what is left: the connections, the auth object, no redirects.

# %% [markdown]
# ## 5. A loop of your own
#
# Three parts, each of which knows little: an **attempt** sends one request and says how it ended; the **loop** decides, waits or gives up; the **errors** tell the caller what to do. First the
# errors, one class for each thing a caller can do. They are given. What do they *not* hold?


# %%
class ChatError(Exception):
    """A call that failed. Holds no header, no prompt and no word of the server, so it may be logged.

    status, request_id: of the last answer, if one came. attempts, elapsed_seconds: of the whole call.
    retry_after_seconds: when another call makes sense, None if it makes none. partial_text: what a stream had brought.
    """

    next_step = "look at the status"

    def __init__(
        self, what: str, status: int | None = None, request_id: str | None = None, partial_text: str = ""
    ) -> None:
        super().__init__(f"{what}: {self.next_step}")
        self.status, self.request_id, self.partial_text = status, request_id, partial_text
        self.attempts, self.elapsed_seconds = 0, 0.0
        self.retry_after_seconds: float | None = None


class InvalidToken(ChatError):
    next_step = "make a new token, or copy it again"


class OutOfCredits(ChatError):
    next_step = "buy credits, or wait for the next month"


class NotPermitted(ChatError):
    next_step = "give the token the permission to call Inference Providers"


class ModelNotServed(ChatError):
    next_step = "choose a model and an address that exist: GET /v1/models lists them"


class BadRequest(ChatError):
    next_step = "change the request: its size, messages or parameters"


class RateLimited(ChatError):
    next_step = "come back after retry_after_seconds"


class ServiceUnavailable(ChatError):
    next_step = "try again later"


class DeadlineExceeded(ChatError):
    next_step = "allow more time, or ask for less text"


class BadAnswer(ChatError):
    next_step = "look at the address: this is not how a chat router answers"


# %% [markdown]
# ### Time
#
# A time-out bounds one wait for bytes. A **deadline** bounds everything: all attempts, the waits between them, a body that drips. It has to be asked at every step, so it gets an object.
#
# The client takes its clock as an argument. Python's module `time` is one. Ours, below, is another: whoever sleeps on it moves it. **Predict:** how many seconds of yours does an hour on it take?

# %%
import time
from typing import Protocol


class Clock(Protocol):
    """What a client needs of time. The module `time` has all three."""

    def monotonic(self) -> float: ...

    def time(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


class LessonClock:
    """The sandbox's clock, as a client sees it: sleeping moves it, so client and server agree, and nobody waits."""

    def __init__(self, server: sandbox.Sandbox) -> None:
        self._clock = server.clock
        self.slept: list[float] = []

    def time(self) -> float:
        return self._clock.now()

    monotonic = time

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(round(seconds, 2))
        self._clock.advance(seconds)


class Call:
    """One call of a caller's, over all its attempts."""

    def __init__(self, clock: Clock, deadline_seconds: float) -> None:
        self._clock, self._began, self._seconds = clock, clock.monotonic(), deadline_seconds
        self.attempts = 0

    def elapsed(self) -> float:
        return self._clock.monotonic() - self._began

    def left(self) -> float:
        return self._seconds - self.elapsed()


clock = LessonClock(hub)
began = time.monotonic()
clock.sleep(3600)
print("slept", clock.slept, "s; it took", round(time.monotonic() - began), "s")

# %% [markdown]
# None: the sandbox is an hour later, and nobody waited.
#
# Last, reading. `response.content` waits until a dripping body is complete, whatever the time. The next function hands out bytes as they come, asks the clock
# before each read, and lets no read last longer than what is left. It is given. Read the loop alone: how much time is left, no read longer than that, one read. **Where** in it would a
# stalled stream end?

# %%
from urllib3 import exceptions as urllib3_errors


def chunks(response: requests.Response, call: Call, read_seconds: float) -> Iterator[bytes]:
    """The bytes of a streamed body as they come. Raises RequestException when it breaks, or when no time is left.

    Where a server has announced to close the connection, urllib3 shows no socket: then the time-out of the beginning stays.
    """
    connection = response.raw.connection
    while (left := call.left()) > 0:
        if connection is not None and connection.sock is not None:
            connection.sock.settimeout(min(read_seconds, left))
        try:
            chunk = response.raw.read1(65_536, decode_content=True)
        except urllib3_errors.HTTPError as error:
            raise requests.ConnectionError(error) from None
        if not chunk:
            return
        yield chunk
    raise requests.ReadTimeout("no time left")


@dataclass(frozen=True)
class Answer:
    """A finished answer. finish_reason: "stop", or "length" where max_tokens cut it. usage: as the router counts it."""

    text: str
    finish_reason: str | None
    usage: Mapping[str, int]
    request_id: str | None
    attempts: int
    elapsed_seconds: float


# %% [markdown]
# In `read1`: the socket's time-out raises there, and it leaves as a `requests.ConnectionError`.
#
# Hugging Face's router writes its errors in two shapes (observed, third-party, 2025-08 to 2026-09), and proxies on the way send HTML:
#
# ```text
# 400  {"error": {"message": "The requested model ...", "type": "invalid_request_error", "code": "model_not_supported"}}
# 402  {"error": "You have depleted your monthly included credits. ..."}
# 502  <html> ...
# ```
#
# So a reader of errors must expect anything. A 400 can even mean two things: a bad request, or a model that nobody serves; only the code in the body tells.
#
# Given are the class for each status, and two functions that turn an answer or a network error into a `Failure`. Read `refused` and `unreachable`; the other two serve them.
# **Predict:** which error does `unreachable` make of a time-out while connecting, and may a POST be sent again after it?

# %%
import json

BY_STATUS: dict[int, type[ChatError]] = {
    401: InvalidToken,
    402: OutOfCredits,
    403: NotPermitted,
    404: ModelNotServed,
    410: ModelNotServed,
    408: ServiceUnavailable,
    429: RateLimited,
}


@dataclass(frozen=True)
class Failure:
    """How an attempt failed: the error to raise, what `is_retryable` asks for, and what the server said about waiting."""

    error: ChatError
    outcome: Outcome
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def error_code(body: object) -> str:
    """The code in a body of either shape, such as "model_not_supported" or "overloaded"; "" if it has none."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        return str(error.get("code") or error.get("type") or "")
    return str(body.get("error_type") or "") if isinstance(body, dict) else ""


def refused(response: requests.Response, call: Call) -> Failure:
    """The failure that an answer with another status than 200 is. Reads its body, and expects nothing of it."""
    status = response.status_code
    try:
        code = error_code(json.loads(b"".join(chunks(response, call, read_seconds=5.0))))
    except (requests.RequestException, ValueError):  # cut off, HTML, or nothing
        code = ""
    other = BadAnswer if status < 400 else BadRequest if status < 500 else ServiceUnavailable
    kind = ModelNotServed if code == "model_not_supported" else BY_STATUS.get(status, other)
    error = kind(f"the router answered {status}", status, response.headers.get("X-Request-Id"))
    return Failure(error, Outcome(status), response.headers)


def unreachable(error: Exception) -> Failure:
    """The failure that an error of the network is. Keeps nothing of `error`: it holds the request, with its headers."""
    # http.client refuses a line break in a header, and a letter beyond Latin-1, and quotes the header
    if isinstance(error, UnicodeEncodeError) or str(error).startswith("Invalid header value"):
        return Failure(InvalidToken("the token cannot be sent"), Outcome(trouble="other"))
    if not isinstance(error, requests.RequestException):
        return Failure(BadRequest("the request cannot be sent"), Outcome(trouble="other"))
    if isinstance(error, requests.TooManyRedirects):  # from a session that follows none
        return Failure(BadAnswer("the router answered with a redirect"), Outcome(trouble="other"))
    trouble = trouble_of(error)
    return Failure(ServiceUnavailable(f"no answer ({trouble})"), Outcome(trouble=trouble))


def trouble_of(error: Exception) -> Trouble:
    """What the network did. requests 2.34.2 hides it in the first argument of its errors, urllib3 in `reason`."""
    if isinstance(error, requests.ConnectTimeout):
        return "connect"
    network = requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError
    if isinstance(error, requests.exceptions.SSLError) or not isinstance(error, network):
        return "other"
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, urllib3_errors.NewConnectionError | urllib3_errors.ConnectTimeoutError):
        return "connect"
    silent = isinstance(error, requests.Timeout) or isinstance(reason, urllib3_errors.ReadTimeoutError)
    return "read timeout" if silent else "lost"


connecting = unreachable(requests.ConnectTimeout())
print(connecting)
with needs("04-1"):
    print("another try:", is_retryable(connecting.outcome, "POST"))

# %% [markdown]
# ### Exercise 04-4: a client with a deadline   (about 40 lines, 45 minutes)
#
# Complete `ChatClient`. `__init__` and `complete` are given, the rest is yours. For messages that are JSON, `complete(messages)` returns an `Answer` or raises a `ChatError`, nothing else.
#
# **`_send(body, call)`** posts `body` as JSON to `{base_url}/chat/completions` with `self.session`, streamed, and follows no redirect. Its connect and read time-outs are those of
# `self.timeouts`, neither longer than the time left. If no time is left, it sends nothing and raises `requests.ConnectTimeout`.
#
# **`_once(messages, call)`** sends `{"model": ..., "messages": ...}`, reads the body with `chunks` and the read time-out, and closes the response, whatever happened. It returns
#
# - `refused(response, call)` for a status other than 200;
# - `unreachable(error)` for a `requests.RequestException` or a `ValueError` from sending or reading;
# - `Failure(BadAnswer("...", 200, request_id), Outcome(200))`, which is not repeated, for a 200 that is no chat completion: no JSON, or no text at `choices[0].message.content` (`null` is none);
# - else an `Answer`. `finish_reason` and `usage` may be missing or `null`: then they are `None` and `{}`. The request id stands in the header `X-Request-Id`.
#
# **`_wait_or_raise(failure, call)`** returns after the wait that is due before another attempt, or raises `failure.error`. In this order:
#
# 1. If no time is left, a `ServiceUnavailable` becomes a `DeadlineExceeded` with the same status, request id and partial text. Rules 2 to 4 hold for that as well.
# 2. What `is_retryable` refuses is raised. For us a POST is `repeatable` if `self.repeatable` says so.
# 3. The wait is that of `wait_seconds`, given the failure's headers, the attempts, the clock's `time()` and `self.rng`.
# 4. The error is raised, with `retry_after_seconds` set to that wait, if `self.max_attempts` attempts were made, or if the wait is **not shorter than the time left** (nobody waits in vain), or if
#    `self.budget.take()` says no. The budget is asked last: a retry that cannot happen costs nothing.
# 5. Else it sleeps with `self.clock.sleep` and returns.
#
# Whatever is raised has `attempts` and `elapsed_seconds` filled in. It holds nothing secret, and nothing is printed. No other error is chained to it (`__cause__`, `__context__`): the errors of `requests` hold the whole
# request, with token and prompt, and whoever reports an error reports its chain.
#
# Example: `ChatClient(session, f"{hub.router}/v1", MODEL).complete([{"role": "user", "content": "Hello"}]).text`.
#
# Check: the cell below, or `make check EX=04-4`.

# %%
from dataclasses import replace

Messages = list[dict[str, str]]


class Budget(Protocol):
    """Who is asked before each retry, and told of each success."""

    def take(self) -> bool: ...

    def success(self) -> None: ...


class NoBudget:
    """Allows every retry; 04-5 is stricter."""

    def take(self) -> bool:
        return True

    def success(self) -> None:
        pass


class ChatClient:
    """Chat with `model` at `base_url`. May be shared by threads. clock: the module `time`, or one that tests move."""

    def __init__(
        self,
        session: requests.Session,
        base_url: str,
        model: str,
        *,
        deadline_seconds: float = 60.0,
        timeouts: tuple[float, float] = (5.0, 30.0),
        max_attempts: int = 4,
        repeatable: bool = True,
        budget: Budget | None = None,
        clock: Clock = time,
        rng: random.Random | None = None,
    ) -> None:
        self.session, self.base_url, self.model = session, base_url, model
        self.deadline_seconds, self.timeouts, self.max_attempts = deadline_seconds, timeouts, max_attempts
        self.repeatable, self.budget = repeatable, budget or NoBudget()
        self.clock, self.rng = clock, rng or random.Random()

    def complete(self, messages: Messages) -> Answer:
        """The whole answer. Raises ChatError."""
        call = Call(self.clock, self.deadline_seconds)
        while True:
            call.attempts += 1
            result = self._once(messages, call)
            if isinstance(result, Answer):
                self.budget.success()
                return result
            self._wait_or_raise(result, call)

    def _send(self, body: dict[str, object], call: Call) -> requests.Response:
        # BEGIN SOLUTION
        left = call.left()
        if left <= 0:
            raise requests.ConnectTimeout("no time left")
        connect, read = (min(seconds, left) for seconds in self.timeouts)
        url = f"{self.base_url}/chat/completions"
        return self.session.post(url, json=body, timeout=(connect, read), allow_redirects=False, stream=True)
        # END SOLUTION

    def _once(self, messages: Messages, call: Call) -> Answer | Failure:
        # BEGIN SOLUTION
        try:
            with self._send({"model": self.model, "messages": messages}, call) as response:
                if response.status_code != 200:
                    return refused(response, call)
                content = b"".join(chunks(response, call, self.timeouts[1]))
        except (requests.RequestException, ValueError) as error:
            return unreachable(error)
        request_id = response.headers.get("X-Request-Id")
        try:
            body = json.loads(content)
            choice = body["choices"][0]
            text = choice["message"]["content"]
        except (ValueError, LookupError, TypeError):
            text = None
        if not isinstance(text, str):
            return Failure(BadAnswer("this is no chat completion", 200, request_id), Outcome(200))
        usage = body.get("usage") or {}
        return Answer(text, choice.get("finish_reason"), usage, request_id, call.attempts, call.elapsed())
        # END SOLUTION

    def _wait_or_raise(self, failure: Failure, call: Call) -> None:
        # BEGIN SOLUTION
        error, left = failure.error, call.left()
        if left <= 0 and isinstance(error, ServiceUnavailable):
            error = DeadlineExceeded("the time is used up", error.status, error.request_id, error.partial_text)
        if is_retryable(replace(failure.outcome, repeatable=self.repeatable), "POST"):
            wait = wait_seconds(failure.headers, call.attempts, self.clock.time(), self.rng)
            if call.attempts < self.max_attempts and wait < left and self.budget.take():
                self.clock.sleep(wait)
                return
            error.retry_after_seconds = wait
        error.attempts, error.elapsed_seconds = call.attempts, call.elapsed()
        raise error
        # END SOLUTION


# %% [markdown] hint="04-4"
# Which of the three methods knows HTTP, which knows time, and which knows both? Start with `_send`: four keyword arguments, each named in its paragraph. In `_wait_or_raise`, the rules
# stand in the order of the code. Why does raising outside of an `except` block need no `from None`?

# %% [markdown] hint="04-4"
# Nearly code. `_send`: `left = call.left()`; raise if it is not above 0; `connect, read = (min(s, left) for s in self.timeouts)`, then `self.session.post(url, json=body, timeout=(connect, read), allow_redirects=False, stream=True)`. `_once`: `try: with self._send(...) as response:` look
# at the status, `content = b"".join(chunks(...))`; `except (requests.RequestException, ValueError) as error: return unreachable(error)`; then `json.loads` and `["choices"][0]["message"]["content"]` in a second `try`.
# `_wait_or_raise`: `if left <= 0 and isinstance(error, ServiceUnavailable)` make a `DeadlineExceeded` of it; `if is_retryable(replace(failure.outcome, repeatable=self.repeatable), "POST"):` compute the wait; `if call.attempts < self.max_attempts and wait < left and self.budget.take()`: sleep and `return`. At the end set the two fields and `raise error`.

# %% [markdown] explanation="04-4"
# Why: an attempt *returns* how it ended, and only the loop raises. So the error of `requests`, which holds the request with its header, is never chained to ours, and the loop can be read without knowing HTTP. A call that
# would wait longer than its time allows fails at once and says how long the wait would be: the caller can plan with that.
#
# One alternative: `tenacity` or `stamina` bring the loop, with `stop`, `wait` and `retry` as functions. The three decisions stay yours.
#
# In production: the answer that `repeatable` orders twice is paid twice, so make it a choice of the caller. A deadline should travel: what is left of a web request is the `deadline_seconds` of the calls that it makes. Name lookup has no time-out of its own in Python.

# %%
check("04-4")

# %% [markdown]
# The failures of the beginning once more, now with the sandbox's clock. **Predict** for each: which error, how many attempts, which waits?

# %%
question: Messages = [{"role": "user", "content": "What is a read token?"}]
settings: Any = {"base_url": f"{hub.router}/v1", "model": MODEL, "clock": clock, "rng": random.Random(4)}

with needs("04-4"):
    client = ChatClient(build_session(BearerAuth(token), retries=0), **settings)
    for status, times, retry_after in ((401, 1, None), (503, 2, None), (429, 1, 2), (429, 1, 3600), (504, 9, None)):
        clock.slept.clear()
        hub.fail_next(status, times=times, retry_after=retry_after, on="router")
        try:
            print(status, f"-> an answer, attempts: {client.complete(question).attempts}, waits {clock.slept}")
        except ChatError as failed:
            later = failed.retry_after_seconds
            told = f"{type(failed).__name__}, attempts: {failed.attempts}, waits {clock.slept}"
            print(status, "->", told + (f", come back after {later:.1f} s" if later else ""))
    hub.faults.clear()

# %% [markdown]
# In the fourth line the error came at once, and says when to come back; the first client waited three hours in that place. In the last line all four attempts failed, and a fifth would have failed as well.
#
# ## 6. When everybody fails
#
# A retry helps one caller. In an outage it harms all: with three retries each, a server that is down gets **four times** the load, from every client, until it is up again. If a proxy in front of it retries
# as well, 4 x 4. **Predict:** 50 calls against a router that answers only 503. How many requests arrive?

# %%
with needs("04-4"):
    client = ChatClient(build_session(BearerAuth(token), retries=0), **settings)
    hub.forget()
    hub.fail_next(503, times=1000, on="router")
    for _ in range(50):
        with suppress(ServiceUnavailable):
            client.complete(question)
    print(len(hub.requests), "requests for 50 calls")
hub.faults.clear()

# %% [markdown]
# A **retry budget** ends that. It is a bucket of tokens that all calls of a program share: a retry takes one out, a success puts a small part of one back. In normal times the bucket is full and nobody notices. In an outage
# it is soon empty, and calls fail at once. AWS SDKs do this (capacity 500, 14 or 5 a retry, 2026-11); Google's SRE book allows retries for 10 % of the requests.

# %% [markdown]
# ### Exercise 04-5: a budget for retries   (about 12 lines, 9 minutes)
#
# Write `RetryBudget(capacity, per_success)`. It begins with `capacity` tokens.
#
# - `take()` takes one whole token out and returns `True`; if less than one is left, it takes nothing and returns `False`.
# - `success()` puts `per_success` back, never above `capacity`.
# - Threads share it: two of them never get the same token, and nobody waits for one.
#
# Example: `budget = RetryBudget(capacity=2, per_success=0.1)`; `[budget.take() for _ in range(3)]` → `[True, True, False]`.
#
# Check: the cell below, or `make check EX=04-5`.


# %%
class RetryBudget:
    """At most `capacity` retries in a row, and `per_success` more for each call that succeeds. Shared by threads."""

    def __init__(self, capacity: float = 10.0, per_success: float = 0.1) -> None:
        # BEGIN SOLUTION
        self._capacity, self._per_success = capacity, per_success
        self._left = capacity
        self._lock = threading.Lock()
        # END SOLUTION

    def take(self) -> bool:
        """Whether a retry is allowed; if so, it is counted."""
        # BEGIN SOLUTION
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True
        # END SOLUTION

    def success(self) -> None:
        """A call succeeded: a part of a token comes back."""
        # BEGIN SOLUTION
        with self._lock:
            self._left = min(self._capacity, self._left + self._per_success)
        # END SOLUTION


# %% [markdown] hint="04-5"
# Two threads may both look at the last token before either takes it. Which two steps have to happen as one, and what in `threading` makes them one? Which of the methods needs it, only `take`?

# %% [markdown] hint="04-5"
# Nearly code: `self._lock = threading.Lock()`; in `take`, `with self._lock:` if `self._left < 1` return False, else subtract 1 and return True; in `success`, `with self._lock:` `self._left = min(self._capacity, self._left + self._per_success)`.

# %% [markdown] explanation="04-5"
# Why: the bucket turns "each call may retry three times" into "one request in ten may be a retry", which is what a server can plan with. First attempts are always allowed, so the program notices when the server is back.
#
# One alternative: a circuit breaker, which stops first attempts too, after enough failures, and needs a rule for trying again.
#
# In production: one budget for each host, in each process; ten processes have ten budgets. And retry at one layer only: three layers with three retries each are 64 requests.

# %%
check("04-5")

# %% [markdown]
# The same outage, one shared budget of 10. **Predict:** how many requests arrive for 50 calls, and how many of them for each of the first six?

# %%
with needs("04-5"):
    budget = RetryBudget(capacity=10, per_success=0.1)
    client = ChatClient(build_session(BearerAuth(token), retries=0), **settings, budget=budget)
    hub.forget()
    hub.fail_next(503, times=1000, on="router")
    arrived = [0]
    for _ in range(50):
        with suppress(ServiceUnavailable):
            client.complete(question)
        arrived.append(len(hub.requests))
    print(arrived[-1], "requests for 50 calls; the first six:", [arrived[n + 1] - arrived[n] for n in range(6)])
hub.faults.clear()  # the outage is over

# %% [markdown]
# 60 instead of 200. Three calls spend nine tokens and the fourth the last one; calls 5 to 50 fail at their first 503. What does a caller lose? Nothing here: no retry would have helped.
#
# **A good place for a break.** Streams, the second half, need of all this the loop, `_send` and `_wait_or_raise`.
#
# ## 7. A stream, as it comes over the wire
#
# With `"stream": true` the router sends the answer in pieces: **server-sent events** (the WHATWG's HTML standard, section 9.2). **Predict:** does each piece that `requests` hands out hold one event?

# %%
hub.fail_next(faults.Slices(size_bytes=120), on="router")
order = {"model": MODEL, "messages": [{"role": "user", "content": "What is a read token?"}], "stream": True}
with requests.post(chat, auth=BearerAuth(token), json=order, stream=True, timeout=10) as streamed:
    pieces_of_wire = list(streamed.iter_content(None))
wire = b"".join(pieces_of_wire)
print(pieces_of_wire[0], pieces_of_wire[1], pieces_of_wire[-1], sep="\n")

# %% [markdown]
# A line `data: ...`, then an empty line: that is one event. The end is `data: [DONE]`. But a network knows bytes and no lines: it may cut between any two of them, within a line, a letter, between CR and LF. What `requests`
# offers for lines does not help:
#
# - `iter_lines()` on text also splits at U+2028, U+2029, U+0085, VT and FF, which JSON may hold; on bytes it adds an empty line where a cut falls between CR and LF, and an empty line *means* something here;
# - a stream without charset is decoded as ISO-8859-1, not as UTF-8 (requests 2.34.2).
#
# **Predict:** what becomes of the letter é (two bytes in UTF-8) if each half is decoded by itself?

# %%
halves = "é".encode()[:1], "é".encode()[1:]
print([half.decode("utf-8", "replace") for half in halves])
print("one\u2028line".splitlines())

# %% [markdown]
# ### Exercise 04-6: read server-sent events   (about 35 lines, 25 minutes)
#
# Write `SSEDecoder`. `feed(chunk)` takes the next bytes, however they were cut, and returns the list of events that are complete now. Every cutting of the same bytes gives the same events. The rules:
#
# 1. The stream is UTF-8; bad bytes become U+FFFD. One byte order mark at its very beginning is dropped.
# 2. A line ends with LF, CR, or CR LF, and nothing else. A line that ends is dealt with at once: nobody waits to see whether an LF follows a CR.
# 3. A line is `name: value` or `name:value` (**one** space after the colon is dropped) or `name` alone (the value is then empty). A line that starts with a colon is a comment.
# 4. `data` adds a line to the event's data; several are joined with LF. `event` sets its type (`message` if it is never set, or set to nothing). Names are exact: `Data` is nothing. Unknown names are passed over.
# 5. `id` sets the id of this event and of all that follow, unless the value holds NUL (`"\0"`). `retry` sets `retry_milliseconds` if the value is digits and nothing else.
# 6. An empty line ends the event. If it has no `data` line, there is none, and its type is forgotten. `data` alone is an event with empty data.
# 7. What is not ended by an empty line is no event. `[DONE]` is data like any other.
# 8. A server must not fill our memory. At the end of a `feed`, count the bytes that are kept: the line that has begun, and the `data` lines of the event so far (whole lines, without line ends). More than `limit_bytes` raise
#    `StreamTooLong`; what this chunk had completed is lost with it. Long *chunks* are fine, and so are long streams.
#
# Example: `SSEDecoder().feed(b"data: a\ndata: b\n\n")` → `[Event(data="a\nb", type="message", id="")]`.
#
# Check: the cell below, or `make check EX=04-6`.


# %%
@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    data: str
    type: str = "message"
    id: str = ""


class StreamTooLong(Exception):
    """An event is longer than allowed."""


class SSEDecoder:
    """Server-sent events out of bytes. retry_milliseconds: as the server last asked for, or None."""

    def __init__(self, limit_bytes: int = 1_000_000) -> None:
        self.limit_bytes = limit_bytes
        self.retry_milliseconds: int | None = None
        # BEGIN SOLUTION
        self._line = bytearray()  # what has come of a line that has not ended
        self._after_cr = False
        self._at_start = True
        self._data: list[str] = []
        self._gathered = 0
        self._type = self._id = ""
        # END SOLUTION

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Raises StreamTooLong."""
        # BEGIN SOLUTION
        if not chunk:
            return []
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        first, *others = re.split(rb"\r\n|\r|\n", chunk)
        self._line += first
        events = []
        for following in others:
            events += self._end_of_line(bytes(self._line))
            self._line = bytearray(following)
        if len(self._line) + self._gathered > self.limit_bytes:
            raise StreamTooLong(f"an event is longer than {self.limit_bytes} bytes")
        return events

    def _end_of_line(self, line: bytes) -> list[Event]:
        if self._at_start:
            line, self._at_start = line.removeprefix(b"\xef\xbb\xbf"), False
        if not line:
            return self._end_of_event()
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._gathered += len(line)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            with suppress(ValueError):  # int() refuses thousands of digits
                self.retry_milliseconds = int(value)
        return []

    def _end_of_event(self) -> list[Event]:
        data, kind = self._data, self._type or "message"
        self._data, self._gathered, self._type = [], 0, ""
        return [Event("\n".join(data), kind, self._id)] if data else []
        # END SOLUTION


# %% [markdown] hint="04-6"
# Which is safer to cut: bytes into lines, or text into lines? In UTF-8, no byte of a longer letter ever equals CR or LF: so when is a line's text complete? Keep three things between two calls: the line
# begun, whether the last byte was a CR, and the event begun.

# %% [markdown] hint="04-6"
# Nearly code: if the last chunk ended with CR, drop one LF at the start of this one. `first, *others = re.split(rb"\r\n|\r|\n", chunk)`; `first` is the rest of the line begun; each of the others says: that line has ended, and here begins
# the next. For an ended line: BOM off if it is the first; empty → the event ends; else `line.decode("utf-8", "replace").partition(":")`, `value.removeprefix(" ")`, and an `if` for each of the four names. A comment has the name `""`.

# %% [markdown] explanation="04-6"
# Why: lines are cut as bytes and decoded whole, so no letter can be split, and no other separator than CR and LF can be mistaken for one. Whoever decodes chunk by chunk gets U+FFFD for each letter on a border, once in a while, in production.
#
# One alternative: an incremental decoder (`codecs.getincrementaldecoder("utf-8-sig")("replace")`) and a loop over characters: it reads like the standard, and is slower.
#
# In production: `"\u00b2".isdigit()` is true, and `int` refuses it, as it refuses thousands of digits: a server that sends such a `retry` must not end your stream. A keep-alive comment every 15 s is common, so the time-out between bytes may be short. Well-known parsers differ from the standard (httpx-sse 0.4.3 keeps the byte order mark and
# dispatches events without data), which a chat stream seldom shows.

# %%
check("04-6")

# %% [markdown]
# The same bytes in one piece, and one by one. **Predict:** are the two lists equal?

# %%
with needs("04-6"):
    whole, one_by_one = SSEDecoder().feed(wire), SSEDecoder()
    single = [event for number in range(len(wire)) for event in one_by_one.feed(wire[number : number + 1])]
    print(len(whole), "events;", single == whole, "; the last:", whole[-1])

# %% [markdown]
# ## 8. A client that streams
#
# A stream can break where a whole answer cannot: in the middle, after the caller has shown half a sentence. Then there is no second try, since it would begin with another first word: the caller gets the text and an error that says so. Three ends look alike and
# are not:
#
# - `data: [DONE]`, or a `finish_reason` before the bytes end: the answer is complete;
# - the bytes end without either: **cut**, although no layer below noticed. If nobody counted the body (neither length nor chunks), a broken connection looks like an end;
# - an event `{"error": ...}` inside a stream that began with 200: the status came too early to say it.
#
# Given are a class for the caller's side, and three functions. Who gives the connection back if the caller stops reading after the first word?

# %%
from collections.abc import Generator


class TextStream(Iterator[str]):
    """The pieces of an answer as they come. After the last one `answer` is the whole. Leaving it early hangs up."""

    def __init__(self, pieces: Generator[str, None, Answer]) -> None:
        self._pieces = pieces
        self.answer: Answer | None = None

    def __next__(self) -> str:
        try:
            return next(self._pieces)
        except StopIteration as end:
            self.answer = end.value or self.answer
            raise StopIteration from None

    def close(self) -> None:
        self._pieces.close()

    def __enter__(self) -> "TextStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def failed_event(payload: dict[str, object], request_id: str | None) -> Failure:
    """The failure that an error event is. Its types: huggingface_hub 2.4.0, `inference/_common.py`."""
    code = error_code(payload) or "unknown"
    kind = BadRequest if code == "validation" else ServiceUnavailable
    return Failure(kind("the stream reports an error", 200, request_id), Outcome(200, error_type=code))


def hang_up(response: requests.Response, call: Call) -> None:
    """After the last event: take the end of the body if it is there already. Then the connection can be used again.

    Without it the next stream begins with a new connection, and on a real network with a new TLS handshake.
    """
    connection, patience = response.raw.connection, min(0.01, call.left())
    if connection is not None and connection.sock is not None and patience > 0:
        connection.sock.settimeout(patience)
        with suppress(urllib3_errors.HTTPError):
            response.raw.read1(65_536)


def after(text: str, failure: Failure) -> Failure:
    """`failure`, once `text` had come: the error keeps the text, and `is_retryable` is told."""
    failure.error.partial_text = text
    return replace(failure, outcome=replace(failure.outcome, text_seen=bool(text)))


# %% [markdown]
# ### Exercise 04-7: text as it comes   (about 40 lines, 35 minutes)
#
# Write `_stream_once(messages, call)`: one attempt, as a generator. `stream` and the loop around it are given, `_send` and `_wait_or_raise` are those of 04-4. It **yields** each piece of text as soon as it has come, and **returns** how it ended.
#
# - The body asks for `"stream": True` and `"stream_options": {"include_usage": True}` besides model and messages.
# - Another status than 200 is `refused(response, call)`. A 200 whose `Content-Type` does not start with `text/event-stream` is a `BadAnswer`, `Outcome(200)`.
# - The text of an event is `choices[0]["delta"]["content"]`; each of these may be missing, empty or `None` (the last chunk, with `usage`, has empty `choices`). Nothing is yielded for no text.
# - `[DONE]`, or the end of the bytes after a `finish_reason`, returns an `Answer` with the whole text, the request id and the `usage`: `{}` if none came. `finish_reason` is `None` if only `[DONE]` came. After `[DONE]` nothing more is waited for; `hang_up(response, call)` saves the connection.
# - The end without either is a `ServiceUnavailable` with trouble "lost". An event with `"error"` is `failed_event(...)`. An event that is no JSON object, or longer than the decoder allows, is a `BadAnswer`. A `RequestException` or a `ValueError` from sending or reading is
#   `unreachable(error)`. Each of them goes through `after(text, ...)`, so that text already yielded is kept and never ordered again.
# - The response is closed in every case, also when the caller stops early.
#
# Example: `streaming = StreamingChatClient(session, f"{hub.router}/v1", MODEL)`; `print(*streaming.stream(question), sep="|")` → `A| read| token| ...`.
#
# Check: the cell below, or `make check EX=04-7`.


# %%
class StreamingChatClient(ChatClient):
    """A ChatClient that can also stream."""

    def stream(self, messages: Messages) -> TextStream:
        """The answer, piece by piece; sent when the first piece is asked for. Iterating raises ChatError."""
        return TextStream(self._pieces(messages))

    def _pieces(self, messages: Messages) -> Generator[str, None, Answer]:
        call = Call(self.clock, self.deadline_seconds)
        while True:
            call.attempts += 1
            result = yield from self._stream_once(messages, call)
            if isinstance(result, Answer):
                self.budget.success()
                return result
            self._wait_or_raise(result, call)

    def _stream_once(self, messages: Messages, call: Call) -> Generator[str, None, Answer | Failure]:
        # BEGIN SOLUTION
        body = {"model": self.model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
        text, finish_reason, usage = "", None, dict[str, int]()
        broken = BadAnswer("this is no stream of events", 200)
        try:
            with self._send(body, call) as response:
                request_id = broken.request_id = response.headers.get("X-Request-Id")
                if response.status_code != 200:
                    return refused(response, call)
                if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
                    return Failure(broken, Outcome(200))
                for event in self._events(response, call):
                    if event.data == "[DONE]":
                        hang_up(response, call)
                        return Answer(text, finish_reason, usage, request_id, call.attempts, call.elapsed())
                    payload = _json_object(event.data)
                    if payload is None:
                        return after(text, Failure(broken, Outcome(200)))
                    if "error" in payload:
                        return after(text, failed_event(payload, request_id))
                    piece, finished = _piece(payload)
                    finish_reason, usage = finished or finish_reason, payload.get("usage") or usage
                    if piece:
                        text += piece
                        yield piece
        except StreamTooLong:
            return after(text, Failure(broken, Outcome(200)))
        except (requests.RequestException, ValueError) as error:
            return after(text, unreachable(error))
        if finish_reason:
            return Answer(text, finish_reason, usage, request_id, call.attempts, call.elapsed())
        cut = ServiceUnavailable("the stream ended too early", 200, request_id)
        return after(text, Failure(cut, Outcome(200, trouble="lost")))

    def _events(self, response: requests.Response, call: Call) -> Iterator[Event]:
        decoder = SSEDecoder()
        for chunk in chunks(response, call, self.timeouts[1]):
            yield from decoder.feed(chunk)


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _piece(payload: dict[str, Any]) -> tuple[str, str | None]:
    """The text and the finish reason of a chunk, where it has them."""
    try:
        choice = payload["choices"][0]
        return choice["delta"].get("content") or "", choice.get("finish_reason")
    except (LookupError, TypeError, AttributeError):
        return "", None
    # END SOLUTION


# %% [markdown] hint="04-7"
# It is `_once` with a loop inside. Which of your three tools gives bytes, which makes events of them, and what is left to do for each event? Write the way of a good stream first (four lines inside the loop), then the seven ways to fail.

# %% [markdown] hint="04-7"
# Nearly code: `with self._send(body, call) as response:` status, content type, then `for chunk in chunks(response, call, self.timeouts[1]): for event in decoder.feed(chunk):`. If `event.data == "[DONE]"`, `hang_up(response, call)` and `return Answer(...)`; `json.loads`; `"error" in payload`; then the piece:
# `(payload.get("choices") or [{}])[0].get("delta")`, and `text += piece; yield piece`. A `with` inside a generator closes the response even if the caller stops: Python raises `GeneratorExit` at the `yield`. Behind the loops: `finish_reason` or cut?

# %% [markdown] explanation="04-7"
# Why: the generator yields text and *returns* its end, so the loop of 04-4 works for streams as it is. `after(text, ...)` is the one place that makes sure that nothing is repeated once the caller has seen text.
#
# One alternative: send the request in `stream` itself, not at the first `next`: then a refused token shows before anybody starts to iterate.
#
# In production: 60 s for a whole answer may be short for long texts; bound the gap between bytes closely and the whole generously. What was cut off was generated and is billed. And hanging up does not always stop the server: whether it goes on generating is its own affair.

# %%
check("04-7")

# %% [markdown]
# An answer, and its usage at the end. **Predict:** what is `answer` while the stream is running?

# %%
with needs("04-7"):
    streaming = StreamingChatClient(build_session(BearerAuth(token), retries=0), **settings)
    with streaming.stream(question) as pieces:
        print(next(pieces), pieces.answer)
        print("|".join(pieces))
    print(pieces.answer)

# %% [markdown]
# (`request_id` is `None`: the sandbox numbers failures only.) Now five streams that break. **Predict** for each: is it tried again, and what does the caller hold at the end?

# %%
with needs("04-7"):
    streaming = StreamingChatClient(build_session(BearerAuth(token), retries=0), **settings)
    for fault in (
        faults.CutChunk(after=3),
        faults.CutClose(after=3),
        faults.ErrorEvent(after=3),
        faults.ErrorEvent(after=0),
        faults.NoDone(),
    ):
        hub.fail_next(fault, on="router")
        reading = streaming.stream(question)
        try:
            text = "".join(reading)
            print(fault, "->", text[:14], "...", reading.answer.attempts if reading.answer else "", "attempt(s)")
        except ChatError as failed:
            print(fault, "->", type(failed).__name__, failed.attempts, "attempt(s), had:", failed.partial_text)

# %% [markdown]
# `CutClose` is the one that no library below notices: to `requests` that stream ended well.

# %% [markdown]
# ## 9. Tell somebody
#
# Guides advise to send failures to a monitoring service such as Sentry. Its SDK is good at collecting: with the error it takes every **local variable** of every function on the way, and lines of your source. The next cell keeps what would be sent. **Predict:** does the event of a
# careless call hold the token? And the prompt?


# %%
def keep_reports() -> list[str]:
    """Start Sentry's SDK with a transport that keeps every event, as text, instead of sending it."""
    import sentry_sdk

    kept: list[str] = []

    class Keep(sentry_sdk.Transport):
        def capture_envelope(self, envelope: Any) -> None:
            kept.extend(json.dumps(item.payload.json) for item in envelope.items)

    sentry_sdk.init(dsn="http://public@sentry.test/1", transport=Keep, auto_enabling_integrations=False)
    return kept


def careless(question: str, token: str) -> None:
    """Wrong on purpose: reports the error as it is."""
    import sentry_sdk

    headers = {"Authorization": f"Bearer {token}"}
    try:
        requests.post("http://127.0.0.1:9/v1", headers=headers, json={"prompt": question}, timeout=1)
    except requests.RequestException as error:
        sentry_sdk.capture_exception(error)


reports = keep_reports()
careless("Is my " + "illness curable?", token)
print("token:", token in reports[-1], " prompt:", "illness curable" in reports[-1])

# %% [markdown]
# Both (sentry-sdk 2.75.0, its default settings without the integrations for frameworks). `include_local_variables=False` helps, a scrubbing function helps, and each forgets something one day. The safe way is a list of what **may** go out, and nothing else. A `ChatError` has it: status, request id, attempts. **Predict:** what does
# the second report hold?


# %%
def report(error: ChatError) -> None:
    """Tell Sentry of a failed call: these five facts, no traceback. Does nothing where sentry-sdk is missing."""
    try:
        import sentry_sdk
    except ImportError:  # monitoring is an extra
        return
    facts = {
        "status": error.status,
        "request_id": error.request_id,
        "attempts": error.attempts,
        "elapsed_seconds": round(error.elapsed_seconds, 3),
    }
    with sentry_sdk.new_scope() as scope:
        scope.set_context("call", facts)
        scope.fingerprint = [type(error).__name__, str(error.status)]  # equal failures are one issue, not a thousand
        scope.capture_message(type(error).__name__, level="error")


with needs("04-4"):
    client = ChatClient(build_session(BearerAuth(token), retries=0), **settings)
    hub.fail_next(503, times=4, on="router")
    try:
        client.complete([{"role": "user", "content": "Is my illness curable?"}])
    except ChatError as failed:
        report(failed)
    event = json.loads(reports[-1])
    print(event["message"], event["contexts"]["call"])
    print("token:", token in reports[-1], " prompt:", "illness curable" in reports[-1])

# %% [markdown]
# ## 10. What the libraries do
#
# First your client beside the one of section 1, under twelve failures. Each cell of the table: requests, seconds of waiting (noted, not slept), end. **Predict:** in which of the lines is the first client the better one?


# %%
def all_four(hub: sandbox.Sandbox) -> dict[str, tuple[Ask, Ask]]:
    """By name: a whole answer and a streamed one, from the client of section 1, from yours and from two libraries."""
    token, address = hub.tokens["fine_grained"], f"{hub.router}/v1"
    session = build_session(BearerAuth(token), retries=0)
    ours = StreamingChatClient(
        session, address, MODEL, timeouts=(PATIENCE_SECONDS, PATIENCE_SECONDS), rng=random.Random(4)
    )
    return clients(hub, FirstClient(f"{address}/chat/completions", token), ours)


with needs("04-7"):
    four = all_four(hub)
    print(table(hub, PLANS, {name: four[name][0] for name in ("first", "ours")}))

# %% [markdown]
# In none. It was faster after "429, RateLimit t=20" and "reset", because it came back at once; here the failure was planned for one request, a real quota would have refused it again. After "Retry-After 2" both do the same.
# Elsewhere it waits longer, follows a redirect with the prompt, hangs in silence, or returns its error as a value.
#
# `huggingface_hub` and `openai` bring clients for the same router. What do you get from them when it fails? Not what the documentation says: run them. Each gets a time-out here, as without one `InferenceClient` waits for ever and
# `openai` ten minutes. **Predict:** which of the three hands out half an answer as a whole one?

# %%
with needs("04-7"):
    four = all_four(hub)
    for kind, plans in enumerate((PLANS, STREAM_PLANS)):
        print(table(hub, plans, {name: four[name][kind] for name in ("ours", "InferenceClient", "openai")}), "\n")

# %% [markdown]
# Versions: huggingface_hub 2.4.0, openai 3.54.0. Go down the column of each library once, then look at single lines:
#
# - `InferenceClient` sends each request once, whatever comes. Its errors carry the status, but most share one class.
# - `openai` sends a request up to three times, obeys a `Retry-After` of up to two minutes, and knows nothing of `RateLimit`.
# - **redirect**: both follow a 307 to another port. They leave the token behind, so the second answer is a 401; the *prompt* went along.
# - **cut unseen**: both hand out half an answer as a whole one. Only `finish_reason` in the last chunk would tell: look at it yourself.
# - **login page**, streamed: both hand out an empty answer.
# - **error first**: no text had come, and yet neither asks again: a stream that began with 200 counts as a success.
#
# All failures that the sandbox knows are in `data/fault_matrix.toml`, made the same way by `make faults`. Ours does worse in two ways: it is code that you have to keep, and "504 for ever" may cost four generations, unless `repeatable=False`.

# %% [markdown]
# ## 11. Which client should I use?
#
# | you | take | because |
# |---|---|---|
# | write a script or a notebook | `openai` with the router's address, or `InferenceClient` | short, known, streamed; **set a time-out**, and with `InferenceClient` retry yourself |
# | call more than the router: images, embeddings, files of the Hub | `InferenceClient` | one client for all of it, and it knows the providers |
# | run a service | the `openai` SDK with `timeout` and `max_retries` set, inside a deadline of yours, or a client like this one | you decide about deadlines, budgets, second bills and errors |
# | need none of it in the request's path | a queue with retries | a failure then costs time, not a user |
#
# What would make you change? A provider that honours idempotency keys, a library that takes a total deadline, a Hub that sends `Retry-After`.
#
# With `LIVE=1` in the environment and a token (there, or in `.env` at the top of this course), the next cell asks the real router. It costs a fraction of a cent of your credits; without `LIVE` it asks the sandbox. **Predict:** which of the arguments changes?

# %%
import os

from dotenv import dotenv_values


def destination(hub: sandbox.Sandbox) -> tuple[str, str]:
    """The router's address and a token: Hugging Face's with LIVE=1, else the sandbox's. Raises InvalidToken."""
    if os.environ.get("LIVE") != "1":
        return f"{hub.router}/v1", hub.tokens["fine_grained"]
    in_file = dotenv_values("../.env", interpolate=False)  # a file that is named, and nothing is changed: lesson 03
    for value in (os.environ.get("HF_TOKEN"), in_file.get("HF_TOKEN")):
        if value and value.strip():
            return "https://router.huggingface.co/v1", value.strip()
    raise InvalidToken("HF_TOKEN is not set, neither in the environment nor in ../.env")


with needs("04-7"):
    try:
        base_url, secret = destination(hub)
        session = build_session(BearerAuth(secret), retries=0)
        streaming = StreamingChatClient(session, base_url, MODEL, budget=RetryBudget())
        print("".join(streaming.stream(question)))
    except ChatError as failed:
        print(type(failed).__name__, failed)

# %% [markdown]
# Two: the address and the token. The client is the same, since the sandbox speaks as the router does.

# %%
hub.stop()

# %% [markdown]
# ## What you can do now
#
# - **Decide** with a table which failures deserve a second try, and **compute** the wait: as the server says, else with full jitter below a cap.
# - **Write** a client that ends before its deadline, raises typed errors, and tells nobody the token.
# - **Limit** retries with a budget that all calls share.
# - **Read** server-sent events however they are cut, and **keep** the text that came before a stream broke.
#
# See your progress with `make check NB=04`.
