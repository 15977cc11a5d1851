# %% [markdown]
# # 07 Troubleshooting, and the escape room
#
# After this you can
#
# - **diagnose** a failed call from its status, headers, body and address: the cause, whose turn it is, whether to try again;
# - **pace** a program so that it stays below the Hub's limit, and **resume** a long batch after a crash;
# - **migrate** old code, and **find** packages that do not go together;
# - **open** ten doors, behind programs that fail for ten reasons.
#
# You should know how a client decides about retries (lesson 04). About 300 minutes: 180 for the lesson, 120 for the escape room. Works offline: a sandbox on this machine plays Hugging Face.
#
# **With 90 minutes,** take the core: section 1, then as many doors of the room (section 6) as you reach, ten minutes each. Sections 2 to 5 stand alone; 4 and 5 are for those who have old code.
# Good places to stop: after section 3, and before the room.

# %% [markdown]
# ## 1. One status, many causes
#
# Each of the next four calls ends with 401 or 403 or 404. **Predict, then run:** for which of them is a new token the remedy?

# %%
import requests

from course import check, hint, needs, sandbox, solution, table  # noqa: F401

hub = sandbox.start()
hub.clock.freeze()  # its time stands still until somebody moves it, so that you see what we saw
chat = f"{hub.router}/v1/chat/completions"
QUESTION = {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "What is a token?"}]}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


for answer in (
    requests.post(chat, headers=bearer(hub.tokens["no_inference"]), json=QUESTION, timeout=10),
    requests.get(
        f"{hub.url}/sandbox/gated-other/resolve/main/config.json",
        headers=bearer(hub.tokens["fine_grained"]),
        timeout=10,
    ),
    requests.get(
        f"{hub.url}/api/models/workshop/private-model", headers=bearer(hub.tokens["fine_grained"]), timeout=10
    ),
    requests.get(f"{hub.url}/api/whoami-v2", headers=bearer(hub.tokens["revoked"]), timeout=10),
):
    print(answer.status_code, answer.headers.get("X-Error-Code", "-"), answer.json()["error"])

# %% [markdown]
# For the first (a token with one permission more) and the last. The second needs a click on the repository's page. The third may be
# a slip in the name, or a private repository that this token must not see: the Hub says the same for both, so that nobody can find out what exists.
#
# So the status alone decides little. What else there is:
#
# | look at | because |
# |---|---|
# | the host | the old host, a proxy, an Endpoint that wakes up |
# | `X-Error-Code` | `RepoNotFound`, `GatedRepo`, `RevisionNotFound`, `EntryNotFound`: the Hub's own word (huggingface_hub 2.4.0, `utils/_http.py`) |
# | `RateLimit`, `Retry-After` | whether waiting helps, and how long |
# | the body, if it is JSON | two shapes at the router (a text, or an object with `message` and `code`), lists elsewhere |
# | the body, if it is HTML | then somebody on the way answered, not the application |
#
# `data/symptoms.toml` has a row for each kind of answer, with its source and its date, and what each cause asks for. **Read the table:** for how many of the causes does it help to try again?

# %%
from IPython.display import Markdown, display

CAUSES = table("symptoms")["causes"]
SYMPTOMS = table("symptoms")["symptoms"]
rows = ["| cause | whose turn | again? | next step |", "|---|---|---|---|"]
rows += [f"| `{name}` | {cause['whose']} | {cause['retry']} | {cause['next_step']} |" for name, cause in CAUSES.items()]
display(Markdown("\n".join(rows)))
print(sum(cause["retry"] != "no" for cause in CAUSES.values()), "of", len(CAUSES), "- from", len(SYMPTOMS), "symptoms")

# %% [markdown]
# For six of 22: `wait` means as long as the answer says, `again` a few times, with growing waits. Everything else needs a person.
#
# 402 looks like a limit, and is a bill: it ends the same way however often you ask. If an organisation is to pay, the request says so, in the header
# `X-HF-Bill-To: <name of the organisation>` (hub-docs, `docs/inference-providers/pricing.md`, 2026-08-21); the token needs the permission for that organisation.
#
# The next cell is given. `said` reads a body of any shape; `conclude` makes a `Diagnosis` of a cause. **Read** `said` once: what does it do with a page of HTML?

# %%
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from course.masking import mask


@dataclass(frozen=True)
class Diagnosis:
    """What a failed call means. whose: turn it is. retry: "no", "wait" or "again".

    seen: one line for a log, without secrets.
    """

    cause: str
    whose: str
    retry: str
    next_step: str
    seen: str


def conclude(cause: str, seen: str) -> Diagnosis:
    """A diagnosis with what the table says about `cause`."""
    return Diagnosis(cause, **CAUSES[cause], seen=seen)


def said(body: bytes) -> tuple[str, str]:
    """The words of the server in a body of any shape, on one line, and its code, such as "model_not_supported".

    What is missing is "".
    """
    text = body.decode("utf-8", "replace")
    words: Any
    code: Any = None
    try:
        answer = json.loads(text)
    except ValueError:  # a page, or nothing: its words without the tags
        words = re.sub(r"<[^>]*>", " ", text)
    else:
        fields = answer if isinstance(answer, dict) else {}
        words, code = fields.get("error") or fields.get("message") or fields.get("detail"), fields.get("error_type")
        if isinstance(words, dict):
            words, code = words.get("message"), words.get("code") or words.get("type")
        elif isinstance(words, list):
            words = "; ".join(map(str, words))
    return " ".join(str(words or "").split()), str(code or "")


for body in (
    b'{"error": {"message": "Not served", "code": "model_not_supported"}}',
    b'{"error": ["a", "b"]}',
    b"<h1>502</h1>",
    b"",
):
    print(said(body))

# %% [markdown]
# It keeps the words between the tags.


# %% [markdown]
# ### Exercise 07-1: what does it mean?   (about 30 lines, 20 minutes)
#
# Write `diagnose(status, headers, body, url)`. It returns `conclude(cause, seen)`. "Words" and "code" are what `said(body)` returns; of several lines in a field, the first that applies counts:
#
# | status | cause |
# |---|---|
# | 200 with a `Content-Type` of `text/html` | `not-the-server` |
# | 300 to 399 | `moved` |
# | 400, 422 | `model-not-served` if the code is `model_not_supported`, else `bad-request` |
# | 401 | `token-refused` if the words hold "Invalid credentials", else `no-token` |
# | 402, 410, 413, 504 | `credits-used-up`, `old-host`, `too-large`, `too-slow` |
# | 403 | `gate-closed` if `X-Error-Code` is `GatedRepo`; `disabled` if the words hold "disabled"; `organisation-policy` if they hold "organization"; else `permission-missing` |
# | 404 | `hidden-or-missing` if `X-Error-Code` is `RepoNotFound`, else `nothing-there` |
# | 429 | `address-limited` if the words hold "your IP"; `window-used-up` if `RateLimit` has `r=0`; else `busy` |
# | 503 | `starting` if the host ends with `.endpoints.huggingface.cloud` or the words hold "loading"; else as any other |
# | 424, any other from 500 on | `service-failed` |
# | anything else | `unknown` |
#
# `seen` is one line of at most 200 characters, for a log: status, host, path and words. A token that stands in the words or in the path is masked (`mask` does that); what stands in the URL before an `@` or
# after a `?` is left out. **No part of a token may be in it.**
#
# `headers` is a mapping that does not mind capitals, such as `response.headers`; a header may be missing. `body` is bytes. `url` is any text: of one that `urlsplit` refuses, `seen` has no host and no path. Nothing is raised.
#
# Example: `diagnose(402, {}, b"", chat)` → cause `"credits-used-up"`, retry `"no"`, seen `"402 127.0.0.1/v1/chat/completions: "`.
#
# Check: the cell below, or `make check EX=07-1`.


# %%
BY_STATUS = {402: "credits-used-up", 410: "old-host", 413: "too-large", 424: "service-failed", 504: "too-slow"}


def diagnose(status: int, headers: Mapping[str, str], body: bytes, url: str) -> Diagnosis:
    """What an answer means that is not the one that was hoped for."""
    # BEGIN SOLUTION
    words, code = said(body)
    try:
        address = urlsplit(url)
    except ValueError:
        address = urlsplit("")
    host = address.hostname or ""
    error_code = headers.get("X-Error-Code", "")
    seen = mask(f"{status} {host}{address.path}: {words}")[:200]
    cause = BY_STATUS.get(status, "unknown")
    if status == 200 and headers.get("Content-Type", "").startswith("text/html"):
        cause = "not-the-server"
    elif 300 <= status < 400:
        cause = "moved"
    elif status in (400, 422):
        cause = "model-not-served" if code == "model_not_supported" else "bad-request"
    elif status == 401:
        cause = "token-refused" if "Invalid credentials" in words else "no-token"
    elif status == 403:
        policy = "organisation-policy" if "organization" in words else "permission-missing"
        cause = "gate-closed" if error_code == "GatedRepo" else "disabled" if "disabled" in words else policy
    elif status == 404:
        cause = "hidden-or-missing" if error_code == "RepoNotFound" else "nothing-there"
    elif status == 429:
        limited = "window-used-up" if re.search(r"\br=0\b", headers.get("RateLimit", "")) else "busy"
        cause = "address-limited" if "your IP" in words else limited
    elif status == 503 and (host.endswith(".endpoints.huggingface.cloud") or "loading" in words):
        cause = "starting"
    elif status >= 500 and status != 504:
        cause = "service-failed"
    return conclude(cause, seen)
    # END SOLUTION


# %% [markdown] hint="07-1"
# Which rows of the table need the status alone? `BY_STATUS` has them. For the others, go down the table. Two steps make `seen`: masking and cutting. What is left of a token that is cut first?

# %% [markdown] hint="07-1"
# Nearly code: `words, code = said(body)`; `address = urlsplit(url)` has `.hostname` and `.path` without the rest, and raises `ValueError` for `"http://[x"`; `seen = mask(f"{status} {address.hostname}{address.path}: {words}")[:200]`;
# then `if status == 200 and headers.get("Content-Type", "").startswith("text/html")`, `elif 300 <= status < 400`, and so on; `re.search(r"\br=0\b", headers.get("RateLimit", ""))` finds an empty window; `return conclude(cause, seen)`.

# %% [markdown] explanation="07-1"
# Why: the same status asks for different people: the owner of the token, the one who pays, an administrator, nobody. A program that knows which can say so, instead of "something went wrong". And it tries again only where that helps.
#
# One alternative: `match (status, ...)` with guards, or a list of rules that is tried from the top; better when the rules come from a file.
#
# In production: texts change without notice, so an unknown text must fall into the careful default, never into "try again". Most of the router's bodies are observed, not documented: the table has the dates.

# %%
check("07-1")

# %% [markdown]
# Every row of the table at once, and then one that hides something. **Predict:** how many rows does it diagnose as the table says? And what is left of the token?

# %%
with needs("07-1"):
    told = [diagnose(row["status"], row.get("headers", {}), row["body"].encode(), row["url"]) for row in SYMPTOMS]
    print(sum(one.cause == row["cause"] for one, row in zip(told, SYMPTOMS, strict=True)), "of", len(SYMPTOMS))
    careless = f"https://me:{hub.tokens['read']}@huggingface.co/api/models?token={hub.tokens['read']}"
    print(diagnose(403, {}, json.dumps({"error": f"{hub.tokens['write']} may not"}).encode(), careless).seen)

# %% [markdown]
# ## 2. Too many requests
#
# The Hub counts in windows of 300 seconds, and says with every answer how full the window is (hub-docs, `docs/hub/rate-limits.md`, 2026-08-22). **Predict:** the same question with a token and without one. Which of the numbers differ?

# %%
for headers in ({}, bearer(hub.tokens["read"])):
    answer = requests.get(f"{hub.url}/api/models/sandbox/haiku", headers=headers, timeout=10)
    print({name: answer.headers[name] for name in ("RateLimit", "RateLimit-Policy")})

# %% [markdown]
# `r`, what is left, and `q`, the quota: 500 for an address without a token, which whole offices share, and 1,000 for a free account. Three buckets are counted apart: `api`, `resolvers` (files), `pages`. So the **first remedy** for a 429 is to send the token. The second is to ask once
# what you ask a thousand times. Only the third is to wait. (These limits are the Hub's; the router is limited by credits and providers.)
#
# ### The time
#
# `hub.clock` has `time` and `sleep`, like Python's module `time`; who sleeps on it moves it. What does a program gain that takes its clock as an argument?

# %%
import time
from typing import Protocol


class Clock(Protocol):
    """What a pacer needs of time. The module `time` has both."""

    def time(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


before = hub.clock.time()
hub.clock.sleep(300)
print(hub.clock.time() - before, "s later, and nobody waited")

# %% [markdown]
# It can be tested, and watched, without anybody waiting.

# %% [markdown]
# ### Exercise 07-2: stay below the limit   (about 30 lines, 25 minutes)
#
# Two classes in one cell. **`RateWindow.from_headers(headers)`** reads `RateLimit: "api";r=487;t=155` and, if it is there, `RateLimit-Policy: "fixed window";"api";q=500;w=300`. Spaces after a semicolon are harmless. Without a
# `RateLimit` that can be read it returns `None`.
#
# **`Pacer(session, clock)`** sends `GET` requests of one kind, one after the other. `get(url)` returns the response.
#
# 1. What was answered with 200 in the last `fresh_seconds` is returned again, and nothing is sent. Anything else is not kept.
# 2. If the newest window that an answer told of has at most `reserve` requests left, it sleeps until that window ends (`reset_seconds` after that answer; up to 5 s longer do no harm), then sends. Otherwise it sends at once. An answer without a window
#    changes nothing.
# 3. An answer 429 with a window: it waits as in rule 2, whatever `r` says, and asks again, up to `MAX_TRIES` requests in all. Then it returns the answer as it is. A 429 without a window is returned at once.
#
# It sends with `self.session.get(url, timeout=10)`, and waits with `self.clock.sleep`; nothing is raised that the session does not raise.
#
# Example: `RateWindow.from_headers({"RateLimit": '"api";r=0;t=55'})` → `RateWindow("api", 0, 55, None)`.
#
# Check: the cell below, or `make check EX=07-2`.

# %%
MAX_TRIES = 3


@dataclass(frozen=True)
class RateWindow:
    """How full a window is.

    remaining: requests left in it; reset_seconds: until it ends; quota: requests in all, if told.
    """

    bucket: str
    remaining: int
    reset_seconds: int
    quota: int | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "RateWindow | None":
        # BEGIN SOLUTION
        limit = re.search(r'"(\w+)"\s*;\s*r=(\d+)\s*;\s*t=(\d+)', headers.get("RateLimit", ""))
        if limit is None:
            return None
        quota = re.search(r"\bq=(\d+)", headers.get("RateLimit-Policy", ""))
        return cls(limit[1], int(limit[2]), int(limit[3]), int(quota[1]) if quota else None)
        # END SOLUTION


class Pacer:
    """GET, never above the Hub's limit, and never twice for what is fresh. Not for several threads at once."""

    def __init__(
        self, session: requests.Session, clock: Clock = time, *, reserve: int = 0, fresh_seconds: float = 3600
    ) -> None:
        self.session, self.clock = session, clock
        self.reserve, self.fresh_seconds = reserve, fresh_seconds
        # BEGIN SOLUTION
        self._kept: dict[str, tuple[float, requests.Response]] = {}
        self._free_at = 0.0  # no request before
        # END SOLUTION

    def get(self, url: str) -> requests.Response:
        # BEGIN SOLUTION
        until, kept = self._kept.get(url, (0.0, None))
        if kept is not None and self.clock.time() < until:
            return kept
        for _ in range(MAX_TRIES):
            if (wait := self._free_at - self.clock.time()) > 0:
                self.clock.sleep(wait)
            answer = self.session.get(url, timeout=10)
            window = RateWindow.from_headers(answer.headers)
            if window is not None:
                full = window.remaining <= self.reserve or answer.status_code == 429
                self._free_at = self.clock.time() + window.reset_seconds if full else 0.0
            if answer.status_code != 429 or window is None:
                break
        if answer.status_code == 200:
            self._kept[url] = (self.clock.time() + self.fresh_seconds, answer)
        return answer
        # END SOLUTION


# %% [markdown] hint="07-2"
# A pacer has to remember two things between two calls of `get`: what it got, and a point in time before which it must not send. When does that point change, and to what? Rule 3 is a loop around rule 2: what ends it?

# %% [markdown] hint="07-2"
# Nearly code: `re.search(r'"(\w+)"\s*;\s*r=(\d+)\s*;\s*t=(\d+)', headers.get("RateLimit", ""))`. In `__init__` `self._kept = {}` and `self._free_at = 0.0`. In `get`: look into `_kept`; `for _ in range(MAX_TRIES):` sleep if `self._free_at` is later than `self.clock.time()`, send, read
# the window; if there is one, `self._free_at = self.clock.time() + window.reset_seconds` where the window is full or the answer is a 429, else 0; `break` unless it is a 429 with a window. Keep a 200; return the answer.

# %% [markdown] explanation="07-2"
# Why: the server's number is the only one that knows of your other programs, your colleagues behind the same token, and what you sent before a restart. A counter of your own knows none of that.
#
# One alternative: `huggingface_hub.utils.parse_ratelimit_headers` reads these headers, and `http_backoff` waits `t + 1` seconds after a 429. It waits *after* the refusal; a pacer waits before it.
#
# In production: many clients that wait for the same end of a window come back together: add some jitter. Pin a revision (a full commit hash): huggingface_hub then asks nothing for files that are in its cache. And `snapshot_download` asks once for a whole repository, not once a file.

# %%
check("07-2")

# %% [markdown]
# 250 pages from the sandbox, whose windows are real. The bucket `pages` has a quota of 200 for a free account. **Predict:** how many 429, and how many seconds of sleep?

# %%
with needs("07-2"):
    hub.forget()
    session = requests.Session()
    session.headers.update(bearer(hub.tokens["read"]))
    began = hub.clock.time()
    pacer = Pacer(session, hub.clock)
    for number in range(250):
        pacer.get(f"{hub.url}/page/{number}")  # there are no such pages, and they count all the same
    statuses = [exchange.status for exchange in hub.requests]
    print(len(statuses), "requests,", statuses.count(429), "of them 429,", hub.clock.time() - began, "s on the clock")

# %% [markdown]
# ## 3. A thousand prompts, and a power cut
#
# A batch runs for an hour; after forty minutes the machine restarts. What then? If the answers were in memory, they are gone, and paid for. So each answer goes into a **journal** as it comes: one line of JSON, added at the end of a
# file. A crash in the middle of a write leaves half a line. **Predict:** what does the next line look like that is added after it?

# %%
import tempfile
from pathlib import Path

journal = Path(tempfile.mkdtemp()) / "journal.jsonl"
journal.write_text('{"prompt": "a", "answer": "A"}\n{"prompt": "b", "ans')  # here the power went
with journal.open("a") as file:
    file.write('{"prompt": "c", "answer": "C"}\n')
print(journal.read_text())

# %% [markdown]
# It is glued to the torn one: a good answer is lost as well. A program that resumes has to mend the end of its journal before it writes.

# %% [markdown]
# ### Exercise 07-3: a batch that can be killed   (about 35 lines, 30 minutes)
#
# Write `run_batch(prompts, client, concurrency, journal)`. `client(prompt)` returns the answer, a `str`, or raises an exception. `journal` is the path of a file of lines, one for each answer, that only `run_batch` writes; it may not exist yet.
#
# - Up to `concurrency` calls of `client` run at the same time, in threads, and never more.
# - **Each answer is in the file before the next prompt of that thread is asked.** (With `concurrency=1`: when prompt 3 is asked, answers 1 and 2 are on disk.)
# - What the journal already answers is not asked again. A prompt that occurs twice is asked once. Prompts are known by their text: the list may have another order next time.
# - The file may end anywhere, in the middle of a line or of a letter: the program was killed. Whole lines count, the rest is asked again, and nothing that is written later is lost. The program may be killed **while it mends the
#   file**, too: at no moment is an answer gone that was there.
# - A failure does not stop the others and is not kept: the next run asks again. It is reported by the class of its exception alone (`"ReadTimeout"`): texts may hold tokens.
#
# It returns a `BatchResult`: `answers` in the order of `prompts`, `None` where one failed; `failures`, prompt to class; `asked`, how many calls were made now.
#
# Example: `run_batch(["a", "b"], str.upper, 2, path)` → `BatchResult(["A", "B"], {}, 2)`; once more → `BatchResult(["A", "B"], {}, 0)`.
#
# Check: the cell below, or `make check EX=07-3`.

# %%
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch.

    failures: by prompt, the class of the exception. asked: calls of the client in this run.
    """

    answers: list[str | None]
    failures: dict[str, str]
    asked: int


def run_batch(prompts: Sequence[str], client: Callable[[str], str], concurrency: int, journal: Path) -> BatchResult:
    """The answers to all prompts; those that an earlier run has written down are not asked for again."""
    # BEGIN SOLUTION
    done: dict[str, str] = {}
    whole = 0
    for line in journal.read_bytes().splitlines(keepends=True) if journal.exists() else []:
        if line.endswith(b"\n"):
            row = json.loads(line)
            done[row["prompt"]] = row["answer"]
            whole += len(line)
    failures: dict[str, str] = {}
    writing = threading.Lock()
    asked = [prompt for prompt in dict.fromkeys(prompts) if prompt not in done]

    with journal.open("ab") as file, ThreadPoolExecutor(max_workers=concurrency) as pool:
        file.truncate(whole)  # cuts half a line off, and touches nothing in front of it

        def ask(prompt: str) -> None:
            try:
                answer = client(prompt)
            except Exception as error:
                failures[prompt] = type(error).__name__
                return
            with writing:
                file.write(json.dumps({"prompt": prompt, "answer": answer}).encode() + b"\n")
                file.flush()
                done[prompt] = answer

        list(pool.map(ask, asked))
    return BatchResult([done.get(prompt) for prompt in prompts], failures, len(asked))
    # END SOLUTION


# %% [markdown] hint="07-3"
# Three parts: read what is there, ask for the rest, put the answers in order. How can you tell from the bytes of a file that its last line is whole? Which two things must not happen in two threads at once?

# %% [markdown] hint="07-3"
# Nearly code: `journal.read_bytes().splitlines(keepends=True)`; a line that ends with `b"\n"` is whole: `json.loads` it, and add its length up. Open the journal with `"ab"`, and `file.truncate(whole)`. `asked = [p for p in dict.fromkeys(prompts) if p not in done]`. With `ThreadPoolExecutor(max_workers=concurrency)` and
# `list(pool.map(ask, asked))`, where `ask` calls the client in a `try`, and under a `threading.Lock()` writes one line, `file.flush()`, and notes the answer. Last: `[done.get(p) for p in prompts]`.

# %% [markdown] explanation="07-3"
# Why: a file that only grows can lose no more than its end, and a newline is the mark that a line is whole. The journal is the truth; what is in memory is a copy of it. `flush` hands the line to the system: that outlives the program. A power cut
# may still take it; `os.fsync(file.fileno())` after it is the price for that.
#
# One alternative: SQLite, with one transaction an answer: it mends itself after a crash, and others can read along.
#
# In production: what was in flight when the program died is asked, and paid, again: between the server's answer and our line nobody can know. To write the whole file anew, as an editor does, would be a moment
# in which all answers are gone: write beside it and `os.replace`, or cut, as here. Put model and parameters into the line as well: with another model the old answers are wrong.

# %%
check("07-3")

# %% [markdown]
# Against the router, which fails for one of five prompts; then once more. **Predict** both numbers of requests.

# %%
from functools import partial

PROMPTS = [
    "What is a read token?",
    "What does 402 mean?",
    "When does a token expire?",
    "What is a rate limit?",
    "Hello",
]


def ask_router(hub: sandbox.Sandbox, prompt: str) -> str:
    body = {**QUESTION, "messages": [{"role": "user", "content": prompt}]}
    headers = bearer(hub.tokens["fine_grained"])
    answer = requests.post(f"{hub.router}/v1/chat/completions", headers=headers, json=body, timeout=10)
    answer.raise_for_status()
    return str(answer.json()["choices"][0]["message"]["content"])


with needs("07-3"):
    journal = Path(tempfile.mkdtemp()) / "journal.jsonl"
    for failing in ([503], []):
        hub.forget()
        hub.script(failing, on="router")
        result = run_batch(PROMPTS, partial(ask_router, hub), 2, journal)
        print(len(hub.requests), "requests, open:", result.answers.count(None), list(result.failures.values()))

# %% [markdown]
# A good place to stop.
#
# ## 4. Code from before
#
# Guides from before 2023-07 write `use_auth_token=...`. That was deprecated in transformers 4.31 and removed in 5.0; huggingface_hub removed it in 1.0 (2025-10). What happens today depends on the function:
#
# | call (transformers 5.24.0, huggingface_hub 2.4.0; run 2026-11-24) | what happens |
# |---|---|
# | `pipeline(..., use_auth_token=t)`; `.from_pretrained(..., use_auth_token=t)` of `AutoConfig`, `AutoTokenizer`, `AutoModel` and others | no error, no warning, **and the token is not sent**. What is private: `OSError`, "not a valid model identifier" |
# | the same with `token=` as well | the token is sent, the old word is ignored (4.57.6 raised a `ValueError`) |
# | `hf_hub_download`, `snapshot_download`, `whoami`, `InferenceClient` | `TypeError`: unexpected keyword argument |
#
# The silent one is the bad one: the message speaks of the model's name. (If `HF_TOKEN` is set, that one is sent instead, and nobody notices until it expires or is another's.)
#
# Replacing a word in every file is quick, and wrong: it also changes texts, comments, and functions of other people that happen to have such an argument. **libcst** reads code with all its spaces and comments, and writes
# it back unchanged, but for what you change. **Predict:** which of the two calls does this example change?

# %%
import libcst as cst


class RenameTimeout(cst.CSTTransformer):
    """wait= becomes timeout= in calls of `fetch`."""

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if not isinstance(updated_node.func, cst.Name) or updated_node.func.value != "fetch":
            return updated_node
        args = [
            arg.with_changes(keyword=cst.Name("timeout")) if arg.keyword and arg.keyword.value == "wait" else arg
            for arg in updated_node.args
        ]
        return updated_node.with_changes(args=args)


print(cst.parse_module("x = fetch( url,wait = 5 )   # wait=5\ncook(wait=5)").visit(RenameTimeout()).code)

# %% [markdown]
# The first; its spaces and its comment are as they were. `arg.keyword` is `None` for a positional argument; `arg.star` is `"**"` for `**options`. An `import` is a node as well, with `visit_ImportFrom` and `visit_Import`.
#
# The next function is given: it finds what a module imported from the libraries of Hugging Face, under whatever name. **Read** its result: why is `json` not in it?

# %%
LIBRARIES = {"transformers", "huggingface_hub", "datasets", "diffusers"}


def imported_names(source: str) -> set[str]:
    """The names under which `source` knows LIBRARIES and what is in them. Raises SyntaxError."""
    import ast

    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {a.asname or a.name.split(".")[0] for a in node.names if a.name.split(".")[0] in LIBRARIES}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIBRARIES:
            found |= {alias.asname or alias.name for alias in node.names}
    return found


print(
    sorted(imported_names("import json, transformers as tf\nfrom huggingface_hub import HfApi, hf_hub_download as get"))
)

# %% [markdown]
# ### Exercise 07-4: the new word   (about 30 lines, 45 minutes)
#
# Write `migrate_use_auth_token(source)`. It returns the code with `use_auth_token=` made `token=` in the calls that are Hugging Face's, and **nothing else changed**, not a space.
#
# - A call is Hugging Face's if the first name in front of its brackets is in `imported_names(source)`: `pipeline(...)`, `tf.pipeline(...)`, `HfApi().model_info(...)`; or if it calls a method `from_pretrained` or `push_to_hub` of
#   anything: `self.model_class.from_pretrained(...)`.
# - If such a call has `token=` as well, `use_auth_token=` goes away, with its comma: `f(a, use_auth_token=t, token=t)` becomes `f(a, token=t)`.
# - The value stays: `use_auth_token=use_auth_token` becomes `token=use_auth_token`.
# - Texts, comments, `**options`, parameters of functions that are defined here, and calls of anything else stay as they are.
# - What is not Python raises `SyntaxError`.
#
# Example: `migrate_use_auth_token('from transformers import pipeline\npipe = pipeline("gpt2", use_auth_token = t)  # old')` → the same with `token = t`.
#
# Check: the cell below, or `make check EX=07-4`.

# %%
HUB_METHODS = {"from_pretrained", "push_to_hub"}


def migrate_use_auth_token(source: str) -> str:
    """`source` with token= where Hugging Face's functions were given use_auth_token=. Raises SyntaxError."""
    # BEGIN SOLUTION
    known = imported_names(source)

    def is_theirs(function: cst.BaseExpression) -> bool:
        if isinstance(function, cst.Attribute) and function.attr.value in HUB_METHODS:
            return True
        while isinstance(function, cst.Attribute | cst.Call):
            function = function.value if isinstance(function, cst.Attribute) else function.func
        return isinstance(function, cst.Name) and function.value in known

    class Migration(cst.CSTTransformer):
        def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
            keywords = [arg.keyword.value if arg.keyword else None for arg in updated_node.args]
            if "use_auth_token" not in keywords or not is_theirs(updated_node.func):
                return updated_node
            place, args = keywords.index("use_auth_token"), list(updated_node.args)
            if "token" not in keywords:
                args[place] = args[place].with_changes(keyword=cst.Name("token"))
            else:
                removed = args.pop(place)
                if place == len(args):  # what stood before it ends the list now, as it ended it
                    args[-1] = args[-1].with_changes(comma=removed.comma)
            return updated_node.with_changes(args=args)

    return cst.parse_module(source).visit(Migration()).code
    # END SOLUTION


# %% [markdown] hint="07-4"
# One transformer with one method, as in the example: `leave_Call`. It has two questions to ask: is this call theirs, and has it the old word? In `HfApi().model_info(...)` the part in front of the brackets is an `Attribute` whose
# `value` is a `Call` whose `func` is a `Name`. How do you get down to the name?

# %% [markdown] hint="07-4"
# Nearly code: `while isinstance(function, cst.Attribute | cst.Call): function = function.value if isinstance(function, cst.Attribute) else function.func`, then `isinstance(function, cst.Name) and function.value in known`. Before that: an `Attribute` whose `.attr.value` is in
# `HUB_METHODS` is theirs. `keywords = [arg.keyword.value if arg.keyword else None for arg in updated_node.args]`; without `"token"` among them `arg.with_changes(keyword=cst.Name("token"))`; else leave the argument out, and if it was the last one, give its `comma` to the one before.

# %% [markdown] explanation="07-4"
# Why: what is changed without being theirs breaks silently; what is theirs and missed speaks up (`TypeError`) or is found by a search afterwards. So in doubt it stays. `api.model_info(...)`, with `api` from somewhere, is such a case.
#
# One alternative: `ast` finds the places (`lineno`, `col_offset`, in bytes), and you cut and join the text yourself. That is fine for one word, and hard for a whole argument with its comma.
#
# In production: keep a shim for a while if others call *your* function with `use_auth_token=`: accept it, warn, pass it on as `token`. For 500 files use libcst's own command line (`python -m libcst.tool codemod`), and look at the diff.

# %%
check("07-4")

# %% [markdown]
# Now the proof: old code, and what your function makes of it, both run against the sandbox with a private model, in a process of their own (the libraries read `HF_ENDPOINT` when they are imported). **Predict:** in which of the four lines does a token travel?

# %%
import os
import subprocess
import sys

OLD = """
import sys
sys.modules["torch"] = None  # a configuration needs none, and its import takes seconds
from huggingface_hub import hf_hub_download
from transformers import AutoConfig

def told(function, *names, **how):
    try:
        return type(function(*names, **how)).__name__
    except Exception as error:
        return type(error).__name__

def load(name, token):
    print(told(lambda: AutoConfig.from_pretrained(name, use_auth_token=token)))
    print(told(lambda: hf_hub_download(name, "config.json", use_auth_token=token)))
"""


def run_against(hub: sandbox.Sandbox, program: str) -> list[str]:
    """The lines that `program` prints, and what the sandbox saw of it: the tokens that were sent."""
    with tempfile.TemporaryDirectory() as home:
        settings = {"HF_ENDPOINT": hub.url, "HF_HOME": home, "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
        environment = os.environ | settings | {"TOKEN_OF_THE_LESSON": hub.tokens["read"]}
        ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    return ran.stdout.split()


with needs("07-4"):
    hub.forget()
    call = '\nimport os\nload("learner/private-notes", os.environ["TOKEN_OF_THE_LESSON"])'
    lines = run_against(hub, OLD + call + migrate_use_auth_token(OLD) + call)
    for name, line in zip(
        ("AutoConfig, old", "hf_hub_download, old", "AutoConfig, new", "hf_hub_download, new"), lines, strict=True
    ):
        print(f"{name:<22} {line}")
    asked = [exchange for exchange in hub.requests if "private-notes" in exchange.path]
    print(
        [
            f"{exchange.status} {'token' if 'authorization' in exchange.request_headers else 'none'}"
            for exchange in asked
        ]
    )

# %% [markdown]
# In the last two. `AutoConfig` with the old word said nothing about it: the record shows its requests, without a token, answered with 401.
#
# ## 5. Packages that do not go together
#
# The client of the Hub changed its HTTP layer twice: 0.x uses `requests`, 1.x `httpx`, 2.x `httpx2`. Each library around it accepts some of these. pip refuses a bad combination, but only if it installs all at once: what was added
# later, by hand or with `--no-deps`, fails when it is imported. `data/version_conflicts.toml` lists what we found in the packages' own demands (2026-11-24). **Read** one row: under which condition does it apply?

# %%
CONFLICTS = table("version_conflicts")["conflicts"]
print(len(CONFLICTS), "rows; the first:")
for name, value in CONFLICTS[0].items():
    print(f"  {name:<9} {value}")

# %% [markdown]
# If **each** package of `when` is installed in such a version. Versions are no numbers and no texts: `"4.9" < "4.57"` is false for texts, and `5.0.0rc1` comes before `5.0.0`. The package `packaging` knows the rules. **Predict** the three lines: is `5.0.0rc1`
# below 5, at least 5, or neither?

# %%
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

print(Version("4.9") < Version("4.57"), Version("5.0.0rc1") < Version("5.0.0"))
print([SpecifierSet(wanted).contains("5.0.0rc1", prereleases=True) for wanted in ("<5", ">=5", ">=5.0.0rc0")])
print(SpecifierSet("==2.13").contains("2.13.0+cpu"))

# %% [markdown]
# Neither: `<5` leaves the pre-releases of 5 out, so that nobody gets them who asked for 4. `prereleases=True` says that a pre-release may count at all: whoever looks at what *is* installed wants that, whatever the default of
# the day.

# %% [markdown]
# ### Exercise 07-5: what does not go together   (about 15 lines, 14 minutes)
#
# Write `version_conflicts(installed)`. `installed` maps names of packages to versions, as texts. It returns a `Conflict` for each row of `CONFLICTS` that applies, in the order of mending: by `step`, rows of the same step as in the table.
#
# - Names differ in spelling: `Huggingface_Hub` and `huggingface-hub` are one package. `packaging.utils.canonicalize_name` knows.
# - Pre-releases count (`5.24.0rc1`), and a local part does no harm (`2.13.0+cpu`).
# - A package that is not installed, or whose version cannot be read (`"unknown"`), makes no conflict, and no error.
#
# Example: `version_conflicts({"transformers": "4.57.6", "huggingface_hub": "2.4.0"})[0].fix` → `"upgrade transformers to 5"`.
#
# Check: the cell below, or `make check EX=07-5`.

# %%
from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class Conflict:
    """Packages that do not go together. seen: how it shows; fix: what to do; step: in which order, 1 first."""

    name: str
    seen: str
    fix: str
    step: int


def version_conflicts(installed: Mapping[str, str]) -> list[Conflict]:
    """The rows of CONFLICTS that apply to these versions, in the order of mending."""
    # BEGIN SOLUTION
    versions = {}
    for name, text in installed.items():
        try:
            versions[canonicalize_name(name)] = Version(text)
        except InvalidVersion:
            continue
    found = []
    for row in CONFLICTS:
        wanted = {canonicalize_name(name): SpecifierSet(accepted) for name, accepted in row["when"].items()}
        if all(name in versions and wanted[name].contains(versions[name], prereleases=True) for name in wanted):
            found.append(Conflict(row["name"], row["seen"], row["fix"], row["step"]))
    return sorted(found, key=lambda conflict: conflict.step)
    # END SOLUTION


# %% [markdown] hint="07-5"
# Two loops: one that makes the names and versions of `installed` comparable, one over the rows. Which word of Python says that something holds for *each* package of a row? Why does sorting keep the order of equal ones?

# %% [markdown] hint="07-5"
# Nearly code: `versions[canonicalize_name(name)] = Version(text)` in a `try` with `except InvalidVersion`; for each row, `all(name in versions and SpecifierSet(accepted).contains(versions[name], prereleases=True) for name, accepted in row["when"].items())`, with `canonicalize_name(name)` here as
# well; `Conflict(row["name"], row["seen"], row["fix"], row["step"])`; last `sorted(found, key=lambda conflict: conflict.step)`, which is stable.

# %% [markdown] explanation="07-5"
# Why: mending begins with the program that calls (step 1): it usually brings versions that fit. Then the call itself is changed (step 2). Holding a package back (step 3) comes last: it holds back everything that needs the newer one, too.
#
# One alternative: `pip check` compares what is installed with what the packages demand. It knows nothing of what installs and yet behaves differently: mocks that no longer catch, an argument that is ignored.
#
# In production: a lock file, made whole and installed whole, prevents most of this. When it breaks all the same, the first thing to write down is the list of versions: `pip freeze`, or `make doctor` here.

# %%
check("07-5")

# %% [markdown]
# An old environment into which somebody installed the newest hub, and the one of this course. **Predict:** is ours without any row?

# %%
with needs("07-5"):
    from importlib.metadata import version

    ours = {
        name: version(name)
        for row in CONFLICTS
        for name in row["when"]
        if name not in ("datasets", "optimum", "optimum-onnx")
    }
    old = {
        "transformers": "4.30.2",
        "Huggingface_Hub": "2.4.0",
        "requests": "2.29.0",
        "urllib3": "2.8.0",
        "optimum-onnx": "0.1.0",
    }
    for environment in (old, ours):
        print(
            *(f"{conflict.step}  {conflict.seen[:76]}" for conflict in version_conflicts(environment)),
            sep="\n",
            end="\n\n",
        )

# %%
hub.stop()

# %% [markdown]
# Three, of step 2: nothing stops here, but old code would. They are why lesson 04 mocks `requests` only, and why section 4 exists.
#
# A good place to stop.
#
# ## 6. The escape room
#
# It is night, and you are locked in. Ten doors, and behind each runs a small program that has one job to do. None of them does it: each fails for another reason, and you have met every one of these reasons in this course. When a program
# does its job, its door opens and says a **word**. The ten words, in the order of the doors, are a sentence.
#
# - The programs are files: `escape_room/` beside this notebook, in the folder named after your room, `door_01.py` and so on. Open them in the file browser at the left, change them, save.
# - `room.knock(1)` runs a program against a fresh sandbox, and shows what it sent, what came back, and what the door says. Knock as often as you like.
# - `place` is what a program is given: `place.hub` and `place.router` are addresses, `place.token` or `place.tokens` values, `place.folder` a folder. What it prints stands above the traffic.
# - A door looks at what the program **does**: its requests and its result, sometimes under a second set of conditions. How it is written is your business. The docstring at the top says the job.
# - Every door is worth 10 points. `room.hint(1)` helps, and costs 3 of them, up to three times; `room.mended(1)` shows our program and costs all.
# - `room` alone shows the board. `room.fresh(1)` gives you the program as it was, and keeps yours.
#
# **Alone or in teams.** Whoever was started with the same seed is in the same room, on every machine: split the doors, tell each other the words. Whoever shares the folder shares the board.
#
# Where do you begin? With the request that did not come back as it should, or that was never sent: `diagnose`, whoami, and a `print(answer.text)` in the right place tell most of it.

# %%
from course import escape_room

room = escape_room.enter()
print(room)

# %% [markdown]
# **Predict** from the first program's text what will go wrong, then knock.

# %%
print(room.layout.door(1).program)
print(room.knock(1))

# %% [markdown]
# ### Exercise 07-6: the ten words   (about 10 lines, 100 minutes)
#
# Write `code_words()`. It returns the words that the doors said, typed, by number: `{1: "...", 2: "...", ...}`, all ten. Add each as you get it: `check("07-6")` says which are missing, and counts that as no attempt.
#
# Example: with the words of another room, `{1: "every", 2: "patient", 3: "otter", ...}`.
#
# Check: the cell below, or `make check EX=07-6`.


# %%
def code_words() -> dict[int, str]:
    """The word behind each door, by its number."""
    # BEGIN SOLUTION
    # The words of the room "course", without giving them away. Yours are typed, as your doors said them.
    return {door.number: door.word for door in escape_room.Layout("course").doors}
    # END SOLUTION


# %% [markdown] hint="07-6"
# Take the doors in any order; leave one that resists and come back. For each ask three questions. How many requests arrived? Which of them ended otherwise than it should? What did the server say, in its own words, which `raise_for_status` does not
# show? Then `room.hint(...)` for that door.

# %% [markdown] hint="07-6"
# Nearly code: `return {1: "...", 2: "...", 3: "..."}`, with the word that each open door said; the board shows those you have. The lessons behind the doors: 02 (two doors), 03 (one), 04 (five), 05 (one), 07 (one).

# %% [markdown] explanation="07-6" solution="when right"
# Why: the ten causes were quotes in a file, a missing permission, a hidden repository, an empty purse, an old address, a lost token, a second letter, half a stream, endless silence, a window that was closed to its own page. Most of them show in the traffic before they show in the
# code.
#
# One alternative: no way is prescribed. A door that opened for you is open, even if our program (`room.mended(1)`) looks different.
#
# In production nobody says which door it is. So keep what you used here: a record of requests with masked tokens, errors that carry status and request id, and a small program that shows the failure alone.

# %%
check("07-6")

# %% [markdown]
# **Try** the board once more. Is the sentence complete?

# %%
print(room)

# %% [markdown]
# ## What you can do now
#
# - **Diagnose** a failure from all that the answer says, and **say** whose turn it is, without showing a token.
# - **Pace** by what the server tells, and **resume** a batch from a journal that may be torn.
# - **Migrate** code without touching what is not yours, and **find** versions that do not fit.
# - **Open** doors by watching what is sent, not by guessing.
#
# See your progress with `make check NB=07`.
