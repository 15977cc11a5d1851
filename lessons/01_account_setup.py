# %% [markdown]
# # 01 Account and first call
#
# After this you can
#
# - **find** the page where Hugging Face makes access tokens, and **make** one;
# - **reject** a pasted text that cannot be a token, without showing it to anybody;
# - **send** a token the way the Hub expects it, and **read** who it says you are;
# - **tell** what is still missing between a new account and a working call.
#
# You should know Python functions, classes and exceptions. About 55 minutes. Works offline: a sandbox on this
# machine plays Hugging Face, and its tokens open nothing anywhere else.

# %% [markdown]
# ## 1. A first call, without a token
#
# The next cell starts the sandbox and asks it "who am I?". Nobody has introduced themselves yet.
# **Predict, then run** (Shift+Enter): which status code comes back?

# %%
import requests

from course import check, hint, needs, sandbox, solution  # noqa: F401

hub = sandbox.start()
answer = requests.get(f"{hub.url}/api/whoami-v2", timeout=10)
print(answer.status_code, answer.json())

# %% [markdown]
# **401** means: *I do not know who you are.* The server did not say that you may not do something (that is 403). It
# could not connect the request to an account. (You gave neither user name nor password: that is how the Hub says that no token came.)
# A token makes that connection, so we need an account first.

# %% [markdown]
# ## 2. From nothing to a token
#
# On the real site these are the steps. You can do them now or later: nothing below needs them.
#
# 1. **Sign up** at huggingface.co with an e-mail address. (Guides also name GitHub or Google. We found no official
#    source for that as of 2026-11, so we leave it open.)
# 2. **Verify** the address: open the mail, follow its link.
# 3. Picture at the top right > **Settings** > **Access Tokens**. The page is huggingface.co/settings/tokens.
# 4. **Create new token**, choose its kind, name it after the one program that will use it.
# 5. **Copy the value now.** You see it in full once (observed; we found no official sentence for personal tokens).
#    Lose it, and you make a new value: the menu of the token offers *refresh* and *delete*.
#
# Source of steps 3 to 5: hub-docs, `docs/hub/security-tokens.md`, 2026-08-07. For 1 and 2 we found no page that we could read.

# %% [markdown]
# **Try it** in the sandbox's own pages, which look different and send nothing. Run the cell and open the address. Sign up, read the "mail", make a token of the kind
# *Fine-grained*, name it, tick one permission. Then reload the page that shows the value, and see why step 5 says *now*.

# %%
print(f"{hub.url}/join")

# %% [markdown]
# ## 3. What you hold now
#
# Many guides describe it with words that mislead. Ask of each line on the left: what would somebody do who believes it?
#
# | guides say | it is | so |
# |---|---|---|
# | API key | a **User Access Token** (Hugging Face's own term) | search the docs for "token" |
# | an encrypted string, like a bank password | an opaque random text. It encrypts nothing: **whoever holds it may do all that it allows, as you** | nothing protects it but you |
# | Read is the safest kind | Read opens *all* your private repositories, and those of your organisations | a narrow fine-grained token is safer, and public models need none |
# | it can expire in six months | personal tokens live "until revoked" (as of 2026-08) | you watch its age yourself |
#
# Source: hub-docs, `docs/hub/security-tokens.md` (2026-08-07) and `docs/hub/trusted-publishers.md`, read 2026-08-22.

# %% [markdown]
# For the rest of the lesson the sandbox holds a few tokens ready made, in `hub.tokens`; think of each as a value
# that the page has just shown you. **Predict:** will the next cell print the secret?

# %%
print(hub.tokens)
token = hub.tokens["fine_grained"]
print(len(token), "characters, starting with", token[:3])

# %% [markdown]
# The values are hidden, because a printed token is a leaked token: notebooks store their outputs in the file.
#
# The last line shows what you may know about a token: its **prefix** `hf_` and its **length**, 37 (observed, third-party, 2026-09: an example in
# Hugging Face's API description). The characters after `hf_` are documented nowhere, so do not judge them.
#
# | prefix | what it is |
# |---|---|
# | `hf_` | your token: fine-grained, read or write |
# | `hf_oauth_` | made by "Sign in with HF", or for a CI run (a machine that tests and publishes code by itself). Much longer, and it expires |
# | `hf_jwt_` | made for one CI run, lives 60 minutes |
# | `api_org_` | an organisation's token. Removed in 2024, no longer accepted |
#
# Source: hub-docs, `docs/hub/oauth.md` and `trusted-publishers.md`, 2026-08-22; Hugging Face blog, `space-secrets-disclosure.md`, 2024-05.

# %% [markdown]
# ### Exercise 01-1: can this text be a token?   (about 15 lines, 14 minutes)
#
# A copied token often arrives damaged. Write `token_problem(text)`. It returns `None` if `text` may be a usable user
# token, else **one sentence** that says which of these problems it has, the first that applies:
#
# 1. nothing there: empty, or only white space
# 2. a space, tab or line break, in it or around it
# 3. a quote in it or around it: any character of `QUOTES`
# 4. a placeholder: after `hf_` the same character over and over; or it contains `...`, `<` or `your_`
# 5. an organisation token: starts with `api_org_`
# 6. another prefix than `hf_`
# 7. cut short: fewer than 37 characters
#
# The sentence **never quotes the text**, not even a part. Judge prefix and length only: never refuse a letter,
# digit or sign because it looks odd, and never refuse a text for being long (`hf_oauth_` tokens are).
#
# Example: `token_problem("api_org_" + 34 * "k")` → `"this is an organisation token; make a personal one"`. The wording is
# yours; each problem needs its own.
#
# Check: the cell below. Or save (Ctrl+S) and run `make check EX=01-1` in a terminal, which reads the file.
# Stuck? `hint("01-1")`, and later `solution("01-1")`. Start again? `make reset EX=01-1`.

# %%
QUOTES = "'\"`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"


def token_problem(text: str) -> str | None:
    """Why `text` cannot be a usable user token, in one sentence that does not quote it; None if it may be one."""
    # BEGIN SOLUTION
    if not text.strip():
        return "there is nothing here; copy the token again"
    if any(character.isspace() for character in text):
        return "there is a space or a line break in it; copy the value alone"
    if any(quote in text for quote in QUOTES):
        return "there are quotes in it; copy the value without them"
    same_all_over = text.startswith("hf_") and len(set(text[3:])) == 1
    if same_all_over or any(sign in text for sign in ("...", "<", "your_")):
        return "this is a placeholder; put your own token there"
    if text.startswith("api_org_"):
        return "this is an organisation token; make a personal one"
    if not text.startswith("hf_"):
        return "a user token starts with hf_; copy it from Settings > Access Tokens"
    if len(text) < 37:
        return f"only {len(text)} characters, a token has 37; copy all of it"
    return None
    # END SOLUTION


# %% [markdown] hint="01-1"
# Seven questions, one `if` each, in the order of the list. Which of them can be asked with `in`, with `startswith`, with `len`? The
# rules talk about the text as it was pasted: so what would be lost if you called `strip()` first?

# %% [markdown] hint="01-1"
# Nearly code: `any(c.isspace() for c in text)` finds every kind of white space. For "the same character over and over" take what follows
# `hf_` and look at `set(...)` of it. The length rule is `< 37`, never `!= 37`. Your sentences are constants: none of them needs `{text}`.

# %% [markdown] explanation="01-1"
# Why: a damaged copy is cheap to find before a request leaves the machine. The order matters: a quoted
# token also has a wrong prefix, and "remove the quotes" helps more.
#
# One alternative: a list of (test, sentence) pairs and a loop; better when a teacher wants to add rules.
#
# In production: plausible is not valid, and an invisible character (a zero-width space) still passes. Only the server knows, so the next exercises ask it. And a stricter pattern would break on the day
# the format changes: the alphabet is promised nowhere.

# %%
check("01-1")

# %% [markdown]
# Four texts, the last a plausible token. **Predict** what it says to each, then run. Add one of your own.

# %%
with needs("01-1"):
    for text in ["", "'hf_secret'", "hf_" + 34 * "x", token]:
        print(token_problem(text))

# %% [markdown]
# ## 4. How a token travels
#
# A token goes into one header of each request: `Authorization: Bearer <token>`. The word *Bearer* says: whoever bears
# this is allowed in. Never put it into the address (`?token=...`): addresses end up in logs, histories and error texts.
#
# `requests` has a place for this, `auth=`, and a trap beside it. **Predict:** the cell sets the header by hand, while a file
# `.netrc` on this machine also has an entry for the host. Whose credentials arrive?

# %%
import os
import tempfile
from pathlib import Path

netrc = Path(tempfile.mkdtemp()) / "netrc"
netrc.write_text("machine 127.0.0.1 login somebody password else\n")
os.environ["NETRC"] = str(netrc)
requests.get(f"{hub.url}/api/whoami-v2", headers={"Authorization": f"Bearer {token}"}, timeout=10)
print(hub.requests[-1].request_headers["authorization"])

# %% [markdown]
# *Basic*, not *Bearer*: the entry of `.netrc` **replaced** our header, silently. (You have just seen it; requests 2.34.2.) Such a
# file may have been written years ago by another tool. With `auth=` the object that you give has the last word.

# %% [markdown]
# ### Exercise 01-2: an object that carries the token   (about 8 lines, 7 minutes)
#
# Write the class `BearerAuth(token)`, a `requests.auth.AuthBase`.
#
# - Called with a request, it sets `Authorization: Bearer <token>`, whatever stood there before, leaves the other headers
#   alone, and returns the request.
# - Given as `auth=`, it wins over an entry in `.netrc`.
# - Neither `repr(auth)` nor `str(auth)` shows the token.
#
# Example: `requests.get(url, auth=BearerAuth(token), timeout=10)`; `repr(BearerAuth(token))` → `"BearerAuth(hidden)"`.
# Check: the cell below, or `make check EX=01-2`.

# %%
from requests.auth import AuthBase


class BearerAuth(AuthBase):
    """Sends `token` as a bearer token; does not show it."""

    def __init__(self, token: str) -> None:
        # BEGIN SOLUTION
        self._token = token
        # END SOLUTION

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # BEGIN SOLUTION
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
        # END SOLUTION

    def __repr__(self) -> str:
        # BEGIN SOLUTION
        return "BearerAuth(hidden)"
        # END SOLUTION


# %% [markdown] hint="01-2"
# `requests` calls your object once, just before it sends, and sends what the call **returns**. Which of the three methods
# stores the token, which one uses it, and which one is asked when somebody prints the object?

# %% [markdown] hint="01-2"
# Nearly code: keep the token as `self._token`; in `__call__` assign `request.headers["Authorization"] = f"Bearer {...}"` (assign one key, do
# not replace the headers) and `return request`; `__repr__` returns a constant text. `str()` uses `__repr__` when there is no `__str__`.

# %% [markdown] explanation="01-2"
# Why: `requests` consults `.netrc` only when a request has no `auth`. An object there wins, and it keeps the token out of your own code's
# printed values.
#
# One alternative: a `@dataclass` with `field(repr=False)`; or `session.trust_env = False`, which also turns off proxy settings.
#
# In production: the token is still in an attribute of the object and in the headers of every request object. Whoever logs those, logs the token.

# %%
check("01-2")

# %% [markdown]
# The same call as before, `.netrc` still in place. **Predict** the first word of the header, Basic or Bearer, then run.

# %%
os.environ["NETRC"] = str(netrc)
with needs("01-2"):
    requests.get(f"{hub.url}/api/whoami-v2", auth=BearerAuth(token), timeout=10)
    print(hub.requests[-1].request_headers["authorization"])

del os.environ["NETRC"]  # the trap has done its work

# %% [markdown]
# ## 5. Who am I?
#
# `GET /api/whoami-v2` answers one question: whom does this token belong to? Ask rarely, the Hub limits it more than other
# addresses (huggingface_hub 2.4.0 says so). Below is the answer to ours, shortened. Where does it say which **kind** of token asked?

# %%
import json


def ask(hub_url: str, value: str) -> requests.Response:
    return requests.get(f"{hub_url}/api/whoami-v2", headers={"Authorization": f"Bearer {value}"}, timeout=10)


whole = ask(hub.url, token).json()
whole["auth"]["accessToken"].pop("fineGrained")  # what it may do: long, and not for today
print(json.dumps({key: whole[key] for key in ("type", "name", "emailVerified", "auth")}, indent=1))

# %% [markdown]
# `auth.accessToken.role` is `fineGrained`, `read` or `write`; `displayName` is the name you gave the token. Read such answers loosely: `emailVerified` may be
# missing, and an OAuth token may come without `accessToken`. (Shape observed in live answers, 2026-07.)
#
# The next cell asks with a token that was revoked. **Predict:** the same 401 as without a token, or can you tell the two apart?

# %%
refused = ask(hub.url, hub.tokens["revoked"])
print(refused.status_code, refused.json())

# %% [markdown]
# The same status, another text: it alone tells a refused token from none. Now wrap the question into a function that a program can rely on. What it returns and raises is given.

# %%
from dataclasses import dataclass


class InvalidToken(Exception):
    """The Hub refused the token (401)."""


class HubUnreachable(Exception):
    """No usable answer came: network failure, time-out, redirect, or a status other than 200 and 401."""


@dataclass(frozen=True)
class Identity:
    """Who a token belongs to. role: "fineGrained", "read", "write", or "unknown" where the answer does not say."""

    name: str
    role: str = "unknown"
    token_name: str = ""
    email_verified: bool | None = None  # None: the answer does not say


# %% [markdown]
# ### Exercise 01-3: ask the Hub who I am   (about 20 lines, 15 minutes)
#
# Write `who_am_i(token, hub_url)` with `requests` and your `BearerAuth`. It sends one `GET {hub_url}/api/whoami-v2` and returns an `Identity`.
#
# - The request has a time-out; without one `requests` waits for ever.
# - It follows **no redirect**: a token must not travel to an address that an answer names.
# - 401 raises `InvalidToken`. A network failure, a redirect, any other status but 200, or a 200 that is no JSON (a hotel's
#   login page) raises `HubUnreachable`.
# - Missing optional fields give the defaults of `Identity`.
# - Nothing secret in the errors, their text and their attributes, nor printed.
# - Nothing secret in a chained error: that of `requests` holds the request with its headers, so raise with `from None`.
# - A token with a line break never leaves: Python raises a `ValueError` that quotes it whole. Turn that into `InvalidToken`.
#
# Example: `who_am_i(hub.tokens["read"], hub.url).role` → `"read"`.
# Check: the cell below, or `make check EX=01-3`.


# %%
def who_am_i(token: str, hub_url: str) -> Identity:
    """The identity behind `token`, as the Hub at `hub_url` tells it. Raises InvalidToken, HubUnreachable."""
    # BEGIN SOLUTION
    url = f"{hub_url}/api/whoami-v2"
    try:
        answer = requests.get(url, auth=BearerAuth(token), timeout=(5, 10), allow_redirects=False)
        body = answer.json() if answer.status_code == 200 else {}
    except requests.RequestException as error:
        raise HubUnreachable(f"no answer from the Hub: {type(error).__name__}") from None
    except ValueError:  # from Python's own http.client, which refuses to send a line break, and quotes the token
        raise InvalidToken("the token cannot be sent: it holds a character that no header can carry") from None
    if answer.status_code == 401:
        raise InvalidToken("the Hub refused the token (401): copy it again, or make a new one")
    if answer.status_code != 200:
        raise HubUnreachable(f"the Hub answered {answer.status_code}, not 200")
    if not isinstance(body, dict) or "name" not in body:
        raise HubUnreachable("the answer is not that of a Hub")
    access = (body.get("auth") or {}).get("accessToken") or {}
    return Identity(
        name=body["name"],
        role=access.get("role", "unknown"),
        token_name=access.get("displayName", ""),
        email_verified=body.get("emailVerified"),
    )
    # END SOLUTION


# %% [markdown] hint="01-3"
# Which lines can raise an error of `requests`? Only those belong into the `try`. Every error of `requests` has one common
# ancestor: which one? And by default, what does `requests.get` do with a 302?

# %% [markdown] hint="01-3"
# Nearly code: `requests.get(url, auth=BearerAuth(token), timeout=10, allow_redirects=False)`; `except requests.RequestException` →
# `raise HubUnreachable("no answer from the Hub") from None`; a second `except ValueError` for the broken token; then look at `status_code`: 401, then anything but 200. Read optional fields with
# `.get(..., {})`.
# Write your own error texts: `str(error)` of requests can quote the header.

# %% [markdown] explanation="01-3"
# Why: the caller can act on two causes, so there are two exceptions: a refused token needs a new token, an unreachable Hub needs patience. `from None` keeps
# the request, and the token in its headers, out of tracebacks and error collectors.
#
# One alternative: `raise_for_status()` inside the `try`, then sort by `error.response.status_code`.
#
# In production: `__context__` still holds the original error in memory; only its display is off. A 429 is not "unreachable": a longer client gives it its own
# class. And huggingface_hub's `whoami()` does this call for you; it waits without a time-out unless you configure one.

# %%
check("01-3")

# %% [markdown]
# Three tokens, three fates. **Predict** the three lines, then run.

# %%
with needs("01-3"):
    for kind in ("fine_grained", "read", "revoked"):
        try:
            print(who_am_i(hub.tokens[kind], hub.url))
        except InvalidToken as error:
            print("InvalidToken:", error)

# %% [markdown]
# ## 6. What is still missing?
#
# A person who starts meets the same few states, in this order: no token, a placeholder, a refused token, an
# e-mail address not verified, ready. A program that names the next step saves a search. The steps are given.

# %%
from collections.abc import Mapping

CREATE_TOKEN = "create a token: Settings > Access Tokens > Create new token"
SET_TOKEN = "put the token into the variable HF_TOKEN"
CALL_WHOAMI = "call whoami"
VERIFY_EMAIL = "verify your e-mail address: follow the link in the mail"

# %% [markdown]
# ### Exercise 01-4: what remains to be done   (about 10 lines, 7 minutes)
#
# Write `setup_steps(identity_or_error, env)`. `identity_or_error` is what `who_am_i` returned or raised, or `None` if it was not called yet; `env`
# is a mapping such as `os.environ`. It returns the list of steps that remain. The first row that applies counts:
#
# | situation | returns |
# |---|---|
# | `HF_TOKEN` is missing, empty or white space | `[CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]` |
# | `HF_TOKEN` holds a text that `token_problem` rejects, such as a placeholder | `[SET_TOKEN, CALL_WHOAMI]` |
# | `InvalidToken`: the Hub refused it | `[CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]` |
# | `HubUnreachable`, or `None` | `[CALL_WHOAMI]` |
# | an `Identity` whose `email_verified` is `False` | `[VERIFY_EMAIL]` |
# | ready | `[]` |
#
# `email_verified` is `None` where the answer does not say: that is no reason to send anybody to the mailbox.
# Look only into `env`, never into `os.environ` itself.
#
# Example: `setup_steps(None, {})` → `[CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]`.   Check: the cell below, or `make check EX=01-4`.


# %%
def setup_steps(identity_or_error: Identity | Exception | None, env: Mapping[str, str]) -> list[str]:
    """The steps that remain between this state and a working call, in order; [] when ready."""
    # BEGIN SOLUTION
    token = env.get("HF_TOKEN", "")
    if not token.strip():
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    if token_problem(token):
        return [SET_TOKEN, CALL_WHOAMI]
    if isinstance(identity_or_error, InvalidToken):
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    if not isinstance(identity_or_error, Identity):
        return [CALL_WHOAMI]
    if identity_or_error.email_verified is False:
        return [VERIFY_EMAIL]
    return []
    # END SOLUTION


# %% [markdown] hint="01-4"
# The table is the program: one `if` a row, from the top. Which function that you have already written answers the second row? And
# which of `not x` and `x is False` treats "unknown" differently from "no"?

# %% [markdown] hint="01-4"
# Nearly code: `token = env.get("HF_TOKEN", "")`; `if not token.strip()`: three steps; `if token_problem(token)`: two; then
# `isinstance(identity_or_error, InvalidToken)`; then `not isinstance(identity_or_error, Identity)`; then `email_verified is False`; else `[]`.

# %% [markdown] explanation="01-4"
# Why: the environment is judged before the answer, because an answer may be older than the variable. `env` is a parameter, so that a test needs no real
# environment, and nobody's real token is read by accident.
#
# One alternative: a table of (condition, steps) pairs; the order then stands in data.
#
# In production: a variable set in one terminal is not
# set in another. Ask where a variable comes from before you trust it.

# %%
check("01-4")

# %% [markdown]
# A whole beginning, step by step. **Predict** each line.

# %%
with needs("01-4"):
    print(setup_steps(None, {}))
    print(setup_steps(None, {"HF_TOKEN": "hf_" + 34 * "x"}))
    print(setup_steps(InvalidToken("401"), {"HF_TOKEN": hub.tokens["revoked"]}))
    print(setup_steps(Identity("learner", email_verified=False), {"HF_TOKEN": token}))
    print(setup_steps(who_am_i(token, hub.url), {"HF_TOKEN": token}))

# %% [markdown]
# ## 7. Look at what left the machine
#
# The sandbox wrote down every request, credentials masked. Look, instead of guessing
# what was sent. The first question of this notebook carried no token: what did the later ones carry? Each kind stands here once.

# %%
asked = [request for request in hub.requests if request.path == "/api/whoami-v2"]  # without the pages that you opened
carried = [(request.status, request.request_headers.get("authorization", "no token")) for request in asked]
for status, credentials in dict.fromkeys(carried):
    print(status, credentials)

# %% [markdown]
# ## What you can do now
#
# - **Find** the tokens under Settings > Access Tokens, **make** one, and copy it while it is shown.
# - **Reject** a damaged copy without showing it.
# - **Send** `Authorization: Bearer ...` with an auth object, and **read** `whoami-v2`; 401 means "I do not know you".
# - **Tell** the next step from the state.
#
# See your progress with `make check NB=01`.
