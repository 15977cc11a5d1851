# %% [markdown]
# # 08 What older guides say
#
# After this you can
#
# - **predict** which claims of a guide still hold, and **show** a wrong one in a few lines;
# - **look up** what is true now, with its source and its day;
# - **search** a guide, or your own code, for what is out of date.
#
# You should know lessons 01 to 07; this is an appendix to read with them. About 55 minutes. Works offline: the claims are a dated table in `data/`, and a sandbox on this machine plays Hugging Face.

# %% [markdown]
# ## 1. A guide is a table of claims
#
# This course began with guides of the kind that a search finds first: make an account, get a key, write a client, build a server. Taken apart, such a guide is a list of claims. We
# looked each of them up. **Predict, then run:** how many of ten claims are right as they stand?

# %%
from collections import Counter
from datetime import date
from typing import Any

from IPython.display import Markdown, display

from course import check, hint, needs, sandbox, solution, table  # noqa: F401
from course.exercises import find_lesson

CLAIMS = table("claims")["claims"]
print(len(CLAIMS), "claims:", dict(Counter(claim["verdict"] for claim in CLAIMS).most_common()))

# %% [markdown]
# A third. Most of the others are not false but **half right**: true for one case, told as if for all. Those are the dear ones, because they work at first.
#
# Not every "now" below stands on the same ground. **Predict:** is more of it documented by the maker, or found out by trying and reading code?

# %%
print(dict(Counter(claim["confidence"] for claim in CLAIMS).most_common()))
print("oldest source:", min(claim["date"] for claim in CLAIMS), " newest:", max(claim["date"] for claim in CLAIMS))

# %% [markdown]
# `run` we tried ourselves, `code` we read in source code, `observed` others saw, `inferred` we concluded. A fact without such a word, and without a day, is a rumour.
#
# The two functions of the next cell show the claims that belong to one lesson: `ask` without, `tell` with the verdict. Between the two is your turn: one letter for each claim, in `GUESSES`; `tell` waits for them. What would
# `GUESSES["01"] = "rhow"` say?

# %%
GUESSES: dict[str, str] = {}  # lesson -> one letter a claim
VERDICTS = {"r": "right", "h": "half right", "o": "outdated", "w": "wrong"}


def of_lesson(lesson: str) -> list[dict[str, Any]]:
    return [claim for claim in CLAIMS if claim["lesson"] == lesson]


def ask(lesson: str) -> None:
    """The claims, numbered."""
    display(Markdown("\n".join(f"{number}. {claim['says']}" for number, claim in enumerate(of_lesson(lesson), 1))))


def guessed(lesson: str) -> str:
    return "".join(GUESSES.get(lesson, "").lower().split())


def tell(lesson: str, anyway: bool = False) -> None:
    """What is true now, from where and from when, and where the lesson has it. anyway: without guesses."""
    claims, letters = of_lesson(lesson), guessed(lesson)
    strange = sorted(set(letters) - set(VERDICTS))
    if strange:
        print(f"{strange[0]!r} is no verdict: write r(ight), h(alf right), o(utdated) or w(rong).")
    elif len(letters) != len(claims) and not anyway:
        print(f'Write your letters first: GUESSES["{lesson}"] has {len(letters)}, for {len(claims)} claims.')
    else:
        stem, rows = find_lesson(lesson).stem, []
        for number, claim in enumerate(claims, 1):
            mark = "" if number > len(letters) else "✓ " if VERDICTS[letters[number - 1]] == claim["verdict"] else "✗ "
            place = ", ".join(filter(None, [f"[{lesson}]({stem}.ipynb)", claim["section"], claim.get("exercise")]))
            origin = f"*{claim['source']}, {claim['date']}, {claim['confidence']}* → {place}"
            rows.append(f"{number}. {mark}**{claim['verdict']}**. {claim['true_now']}\n\n   {origin}")
        display(Markdown("\n".join(rows)))


# %% [markdown]
# It would say: the first is right, the second half right, the third outdated, the fourth wrong.
#
# ## 2. Account and first call
#
# **Predict** a letter for each, and put them into `GUESSES["01"]` before you run the second cell.

# %%
ask("01")

# %%
GUESSES["01"] = "hwrhrrrr"  # guess
tell("01")

# %% [markdown]
# "Whoever holds it is you" sounds like a figure of speech. **Predict:** what does the Hub need besides the text of a token, to take a stranger for its owner?

# %%
import requests

hub = sandbox.start()
hub.clock.freeze()  # its time stands still, so that you see what we saw
found_in_a_log = hub.tokens["read"]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


print(requests.get(f"{hub.url}/api/whoami-v2", headers=bearer(found_in_a_log), timeout=10).json()["name"])

# %% [markdown]
# Nothing. There is no second factor, no address, no machine.
#
# ## 3. Kinds of token
#
# The lesson with most claims. **Predict** again: the kinds, what they open, how long they live.

# %%
ask("02")

# %%
GUESSES["02"] = "hrhwwhwrhwrr"  # guess
tell("02")

# %% [markdown]
# Three of them can be shown at once. **Predict:** does a public file want a token? Which of two tokens opens a private file of your organisation, the "safest" kind or a fine-grained one? Which field says when a token expires?

# %%
public = f"{hub.url}/sandbox/haiku/resolve/main/README.md"
private = f"{hub.url}/workshop/private-model/resolve/main/README.md"
print("public file, no token:", requests.get(public, timeout=10).status_code)
for kind in ("read", "fine_grained"):
    print(f"private file, {kind}:", requests.get(private, headers=bearer(hub.tokens[kind]), timeout=10).status_code)
about = requests.get(f"{hub.url}/api/whoami-v2", headers=bearer(hub.tokens["read"]), timeout=10).json()
print(about["auth"]["accessToken"])

# %% [markdown]
# No; the "safest"; none. (The fine-grained token was not given that right, so it does not even learn that the file exists.)
#
# Two more: a kind "Inference", and Write for discussions. The next token may do one thing, `discussion.write`. **Predict:** what does it get for a post, 201, 200 or 403, and for a chat call?

# %%
hub.token_store.issue("poster", "fineGrained", global_permissions=("discussion.write",))
poster = bearer(hub.tokens["poster"])
chat = f"{hub.router}/v1/chat/completions"
question = {"messages": [{"role": "user", "content": "What is a token?"}], "max_tokens": 5}
post = {"title": "Thanks", "description": "It works."}
posted = requests.post(f"{hub.url}/api/models/sandbox/haiku/discussions", headers=poster, json=post, timeout=10)
asked = requests.post(chat, headers=poster, json={"model": "openai/gpt-oss-20b", **question}, timeout=10)
print(posted.status_code, asked.status_code, asked.json()["error"])

# %% [markdown]
# The post is made. The chat call lacks a *permission*, says the router, and not another kind of token.
#
# ## 4. Secrets
#
# **Predict.** Here most advice is right. One line is dangerous: which?

# %%
ask("03")

# %%
GUESSES["03"] = "hrhwrrrr"  # guess
tell("03")

# %% [markdown]
# What is in the context of an agent is text, like everything that it reads. **Predict:** the file is safe; what does the prompt hold?

# %%
import tempfile
from pathlib import Path

project = Path(tempfile.mkdtemp())
(project / ".env").write_text("HF_TOKEN=not-a-real-one\n", encoding="utf-8")
(project / "app.py").write_text("print('hello')\n", encoding="utf-8")
prompt = "Mend this project:\n" + "\n".join(path.read_text() for path in sorted(project.iterdir()))
print("not-a-real-one" in prompt)

# %% [markdown]
# It holds the token, on its way to a service, its logs and its suggestions.
#
# ## 5. The client
#
# **Predict.** Six claims: how many of them are right as they stand?

# %%
ask("04")

# %%
GUESSES["04"] = "oowhhw"  # guess
tell("04")

# %% [markdown]
# The address, the model and the waits, each in a line. **Predict:** two statuses and three numbers.

# %%
from urllib3.util.retry import Retry

token = hub.tokens["fine_grained"]
old = requests.post(f"{hub.router}/models/gpt2", headers=bearer(token), json={"inputs": "Hello"}, timeout=10)
new = requests.post(chat, headers=bearer(token), json={"model": "gpt2", **question}, timeout=10)
print(old.status_code, new.status_code, new.json()["error"]["code"])

again, waits = Retry(total=3, backoff_factor=1), []
for _ in range(3):
    again = again.increment("POST", "/")
    waits.append(again.get_backoff_time())
print(waits)

# %% [markdown]
# The first retry does not wait at all, and then all clients wait the same.
#
# Now the client that "streams", and the one that returns the text of an error. **Predict:** does the server send events if nobody asks for them? And a token that was copied with a line break: is it in that text?

# %%
for more in ({}, {"stream": True}):
    answer = requests.post(
        chat, headers=bearer(token), json={"model": "openai/gpt-oss-20b", **question, **more}, timeout=10
    )
    print(answer.headers["content-type"].partition(";")[0])
try:
    requests.get(f"{hub.url}/api/whoami-v2", headers=bearer(token + "\n"), timeout=10)
except requests.RequestException as error:
    print(token in str(error))

# %% [markdown]
# One piece, unless the request says `"stream": true`. And the whole token, in a text that such a client prints, logs and returns.
#
# ## 6. The server
#
# **Predict.** The drawing in such a guide is usually right, and the code below it does something else.

# %%
ask("05")

# %%
GUESSES["05"] = "rrwhh"  # guess
tell("05")

# %% [markdown]
# The next server has a model in it (here `str.upper`), as in those guides. **Predict:** it is asked three times. How many requests does Hugging Face see?

# %%
from fastapi import FastAPI
from fastapi.testclient import TestClient

server, model = FastAPI(), str.upper


@server.post("/generate")
def generate(text: str) -> str:
    return model(text)


hub.forget()
for _ in range(3):
    TestClient(server).post("/generate", params={"text": "hello"})
print(len(hub.requests))

# %% [markdown]
# So the token in its environment protects nothing and pays nothing.
#
# ## 7. API or own machine
#
# **Predict.** Prices and products age fastest: where would you look for the day first?

# %%
ask("06")

# %%
GUESSES["06"] = "wwhohhrhro"  # guess
tell("06")

# %% [markdown]
# "By the text token": an answer says how many it was, and the router's list what they cost (made-up prices in the sandbox). **Predict** what a free account's 0.10 USD buys: ten, a hundred or more than a thousand such calls?

# %%
listed = requests.get(f"{hub.router}/v1/models/openai/gpt-oss-20b", timeout=10).json()["data"]["providers"][0][
    "pricing"
]
used = requests.post(chat, headers=bearer(token), json={"model": "openai/gpt-oss-20b", **question}, timeout=10).json()[
    "usage"
]
usd = (used["prompt_tokens"] * listed["input"] + used["completion_tokens"] * listed["output"]) / 1_000_000
print(used)
print(int(0.10 / usd) > 1000)

# %% [markdown]
# More than a thousand, as these are short. Lesson 06 has real prices, with their days.
#
# ## 8. When it fails
#
# **Predict** all three: what does a failure mean, and what mends it?

# %%
ask("07")

# %%
GUESSES["07"] = "whh"  # guess
tell("07")

# %% [markdown]
# A free account has used up its credits. **Predict:** 402, 403 or 429, and does an answer say how long to wait? Then the old argument, given to huggingface_hub: an error, or silence?

# %%
from huggingface_hub import InferenceClient

hub.account.credit_usd = 0
empty = requests.post(chat, headers=bearer(token), json={"model": "openai/gpt-oss-20b", **question}, timeout=10)
print(empty.status_code, empty.headers.get("Retry-After"))
try:
    InferenceClient(use_auth_token=token)  # type: ignore[call-arg]  # the old argument
except TypeError as error:
    print(str(error).rpartition(".")[2])

# %% [markdown]
# 402, without a time to wait for: more calls change nothing. And an error, which is the better of the two: lesson 07 shows the silence.
#
# ## 9. Code that was never run
#
# A claim that no guide writes down: that its code runs. **Predict,** then run.

# %%
ask("08")

# %%
GUESSES["08"] = "hw"  # guess
tell("08")

# %% [markdown]
# The next two lines look well in print. **Which** two errors will come?

# %%
for printed in ("print(answer[\u2018text\u2019])", "token = os.environ['HF_TOKEN']"):
    try:
        exec(printed, {"answer": {"text": "hello"}})  # noqa: S102 - printed code is what this is about
    except (SyntaxError, NameError) as error:
        print(type(error).__name__)

# %% [markdown]
# The quotes of a typesetter, and a forgotten `import os`. Whoever had run either line once would know.
#
# ## 10. Search a guide
#
# Some claims give themselves away by a text: an address, an argument. Those rows have `signs`. But a table of corrections is a guide as well, and ages: so whoever uses it should hear when a
# row was last looked up. **Which** of these signs stand in code of yours?

# %%
for claim in CLAIMS:
    if "signs" in claim:
        print(f"{claim['id']:<18} {claim['signs']}")

# %% [markdown]
# ### Exercise 08-1: what is out of date here?   (about 10 lines, 10 minutes)
#
# Write `outdated(text, claims, today)`. `text` is a guide or a program; `claims` are rows such as those of `CLAIMS`. It returns a list of `Finding`.
#
# - A claim is found in a line if one of its `signs` stands there, in capitals or not. Rows without `signs` are never found.
# - Lines count from 1. Line after line; in a line, in the order of `claims`. A claim is found once in a line, however often its signs stand there.
# - `look_again` is `True` if the row's `date` is more than 365 days before `today`: then its source has to be read again, before anybody is corrected.
#
# Example: `outdated("a\nuse_auth_token=t", CLAIMS, date(2026, 11, 24))` → `[Finding(line=2, claim="use-auth-token", look_again=False)]`.
#
# Check: the cell below, or `make check EX=08-1`.

# %%
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Finding:
    """A line that holds an outdated claim. claim: its id. look_again: the correction is older than a year itself."""

    line: int
    claim: str
    look_again: bool


def outdated(text: str, claims: Sequence[Mapping[str, Any]], today: date) -> list[Finding]:
    """The claims of `claims` that a sign in `text` gives away, line after line."""
    # BEGIN SOLUTION
    return [
        Finding(number, claim["id"], today - claim["date"] > timedelta(days=365))
        for number, line in enumerate(text.lower().splitlines(), start=1)
        for claim in claims
        if any(sign.lower() in line for sign in claim.get("signs", ()))
    ]
    # END SOLUTION


# %% [markdown] hint="08-1"
# Two loops, one in the other: which is the outer one, if the findings come line after line? And what does `claim["signs"]` do with a row that has none?

# %% [markdown] hint="08-1"
# Nearly code: `for number, line in enumerate(text.splitlines(), start=1)`, `for claim in claims`, `if any(sign.lower() in line.lower() for sign in claim.get("signs", ()))`. The difference of two dates is a
# `timedelta`: compare it with `timedelta(days=365)`.

# %% [markdown] explanation="08-1"
# Why: the day is a part of the fact. A tool that corrects others with facts of its own, and does not say how old they are, will one day be the older guide.
#
# One alternative: one regular expression of all signs, which is faster for large folders, and harder to read.
#
# In production: a sign is a reason to look, no verdict. A text that warns of an argument names it as well.

# %%
check("08-1")

# %% [markdown]
# A short guide, made up. **Predict** which of its lines will be named.

# %%
GUIDE = """\
Install the packages and take a token.
url = "https://API-inference.huggingface.co/models/gpt2"
pipe = pipeline("text-generation", model="gpt2", use_auth_token=token)
url = "https://router.huggingface.co/v1/chat/completions"
For your own machine: docker run ghcr.io/huggingface/text-generation-inference
"""
NOW = {claim["id"]: claim["true_now"] for claim in CLAIMS}

with needs("08-1"):
    for finding in outdated(GUIDE, CLAIMS, date(2026, 11, 24)):
        print(f"line {finding.line}: {finding.claim}. {NOW[finding.claim]}")

# %% [markdown]
# And the same guide, read in two years. **Predict:** what changes?

# %%
with needs("08-1"):
    print({finding.claim: finding.look_again for finding in outdated(GUIDE, CLAIMS, date(2028, 11, 24))})

# %% [markdown]
# Every correction asks to be looked at again. **Try it** on code of yours: `outdated(Path("mine.py").read_text(), CLAIMS, date.today())`.

# %% [markdown]
# ## What you can do now
#
# - **Predict** where a guide is likely to be wrong: addresses, names of things, prices, limits, and code that nobody ran.
# - **Show** it against a sandbox, and **look up** what is true now, with source and day.
# - **Search** a text for what is out of date, and distrust the correction when it is old.
#
# How many did you guess?

# %%
pairs = [
    (VERDICTS.get(letter), claim["verdict"])
    for lesson in GUESSES
    for letter, claim in zip(guessed(lesson), of_lesson(lesson), strict=False)
]
print(sum(guess == verdict for guess, verdict in pairs), "of", len(pairs))
