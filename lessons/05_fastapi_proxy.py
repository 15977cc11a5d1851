# %% [markdown]
# # 05 A proxy that keeps the token
#
# After this you can
#
# - **show** what a web page gives away, and why a token never belongs there;
# - **configure** a server that refuses to start without a token, and never shows it;
# - **bound** what a stranger may ask, and **translate** what goes wrong upstream;
# - **relay** an answer, whole or as a stream, and **hang up** when the caller does;
# - **limit** callers, and **harden** the server around it all.
#
# You should know how a token travels (lesson 01), what a route of FastAPI is, and what `await` and a task of asyncio do.
# About 265 minutes: the end of section 6 (05-4) is a good place to stop and come back. Works offline: a sandbox on this machine plays
# Hugging Face, and its tokens open nothing anywhere else.
#
# **Only 90 minutes?** The core is 05-1, 05-3 and 05-4: run the other cells up to there as they are, and copy `bounded_request` (05-2) from `solutions/`.

# %% [markdown]
# ## 1. What a page gives away
#
# A chat page could call Hugging Face itself, with five lines of JavaScript. **That is wrong**, and the next cell shows the price. The page
# holds a token. A visitor opens it and looks at what every browser shows: the page's source, and its log of the network.
# (`httpx2` is a client much like `requests`. It can also be awaited, which the proxy will need.)
# **Predict, then run:** how many of the three lines say that the visitor has your token now?

# %%
import httpx2

from course import check, hint, needs, sandbox, solution  # noqa: F401

hub = sandbox.start()
token = hub.tokens["fine_grained"]
chat_url = f"{hub.router}/v1/chat/completions"
QUESTION = {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "What is a token?"}]}

page = f"<script>fetch('{chat_url}', {{headers: {{Authorization: 'Bearer {token}'}}, ...}})</script>"
network_log: list[httpx2.Request] = []  # the tab "Network" of the developer tools
with httpx2.Client(event_hooks={"request": [network_log.append]}) as browser:
    browser.post(chat_url, headers={"Authorization": f"Bearer {token}"}, json=QUESTION)

stolen = network_log[0].headers["authorization"].removeprefix("Bearer ")
thief = httpx2.get(f"{hub.url}/api/whoami-v2", headers={"Authorization": f"Bearer {stolen}"})
print("in the page's source:", token in page)
print("in the network log:  ", stolen == token)
print("the thief is now:    ", thief.json()["name"])

# %% [markdown]
# All three. Hiding it in a build step, an environment variable of the bundler or an encrypted constant changes nothing: whatever the page sends, its
# visitor can read. So the token stays on a server of yours, a **proxy**:
#
# ```text
# page  ->  proxy (holds the token)  ->  Hugging Face
#       <-                           <-
# ```
#
# (The other way is "Sign in with HF": each visitor brings an own token and pays; hub-docs, `docs/hub/oauth.md`, 2026-08-22.)
#
# Words for this lesson: the **client** is whoever calls the proxy, the **upstream** is the server behind it.

# %% [markdown]
# ## 2. A common example, examined
#
# Guides often show this architecture, and then code of the shape below (reduced to its bones; a real one has a model where ours has `upper`).
# **FastAPI** stands on **Starlette** (requests, answers, middlewares), and both stand on **anyio** (tasks, threads). `TestClient` calls an app in this process, without a server.
# **Predict:** somebody misspells the field `text`. What does the answer hold?

# %%
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel


class Prompt(BaseModel):
    text: str


example = FastAPI()
model = str.upper  # loaded while the file is imported


@example.post("/generate")
def generate(prompt: Prompt) -> dict[str, str]:
    return {"result": model(prompt.text)}


print(TestClient(example).post("/generate", json={"txt": "Dear diary, ..."}).json())

# %% [markdown]
# The whole body came back (`input`): into a log, an error collector, a screenshot. (You have just seen it; FastAPI 0.165.) More about that shape:
#
# | it does | so |
# |---|---|
# | load a model at import, in the web process | it never calls Hugging Face: the token there only downloads weights. Each worker loads its own copy, and nobody is answered before |
# | answer in a plain `def` | up to 40 threads (the default of anyio 4) work on one model at once |
# | accept any length, any number of calls, any caller | strangers spend your money |
# | catch every error, answer 500 | "wait 5 seconds", "too long" and "our token is dead" look the same |
#
# One thing it does right: it does not send the text of an error to the client. We keep that.

# %% [markdown]
# ## 3. Settings
#
# A server is told from outside what it needs: by the environment, else by a file `.env`. `pydantic-settings` reads both into one object, and `SecretStr` hides
# a value from `print`. **Predict:** in the next cell `HF_TOKEN` is there and a *number* is missing. Will the error show the token?

# %%
import os
from typing import Self
from unittest.mock import patch

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError


class Careless(BaseSettings):
    hf_token: SecretStr
    max_tokens: int


with patch.dict(os.environ, {"HF_TOKEN": "hf_my_dear_secret"}):
    try:
        Careless()  # type: ignore[call-arg]  # MAX_TOKENS is missing
    except ValidationError as error:
        print(error)

# %% [markdown]
# It does: for a missing field, pydantic quotes everything that it was given. `SecretStr` hides a value only after it became one. `hide_input_in_errors`
# mends the text of the error, but not `error.errors()`, and not the errors of others below it. So we write our own text.
#
# The token itself should be a small one: fine-grained, with `inference.serverless.write` and nothing else (hub-docs,
# `docs/inference-providers/index.md`, 2026-08-22). Then a server that is broken into gives away chat calls, and no repository.
#
# Two more rules of this package (seen with 2.16): the environment wins over the file, and a list in a variable is written as JSON:
# `ALLOWED_MODELS='["a/b", "c/d"]'`. If that is no JSON, the error is no `ValidationError` but a `SettingsError`. Its text names the
# field alone; the error that it is chained to (`__cause__`) holds the value.

# %% [markdown]
# ### Exercise 05-1: settings that refuse to start   (about 20 lines, 20 minutes)
#
# The fields are given. Write the three methods of `Settings`.
#
# - `usable` gets the token and returns it, a `SecretStr` still, or raises a `ValueError`: it is empty, it has white space or a character outside
#   ASCII anywhere, or it is a placeholder: it contains `...`, `<` or `your_`, or after `hf_` comes nothing, or one character over and over. Judge nothing else.
# - `named` gets the origins and returns them, or raises a `ValueError`. An origin is what a browser sends: `https://chat.test` or
#   `http://localhost:5173`. It starts with `http://` or `https://`, then comes a host, and no `*` and no slash.
# - `load(env_file)` returns the settings (`cls(_env_file=env_file)` reads them; `None` means: no file). Whatever is wrong with them, it raises one `BadSettings` whose text names **every** bad variable
#   and quotes no value. (A list that is no JSON stops the reading: then that one alone.) No error that a traceback would chain to it holds a value, either, and nothing is printed.
#
# Example: with `HF_TOKEN` missing and `MAX_TOKENS=many`: `BadSettings("HF_TOKEN: Field required; MAX_TOKENS: Input should be a valid integer, ...")`.
# Check: the cell below, or `make check EX=05-1`.


# %%
class BadSettings(Exception):
    """The server must not start. The text names each bad variable, and quotes no value."""


class Settings(BaseSettings):
    """What the proxy is told from outside. Each field is a variable of that name: HF_TOKEN, UPSTREAM_URL, ..."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    hf_token: SecretStr
    upstream_url: str = "https://router.huggingface.co/v1"
    allowed_models: tuple[str, ...] = ("openai/gpt-oss-20b",)
    allowed_origins: tuple[str, ...] = ()  # of pages that other servers serve
    max_messages: int = Field(default=20, ge=1)
    max_characters: int = Field(default=8_000, ge=1)  # of all messages together
    max_tokens: int = Field(default=512, ge=1)  # generated tokens of one answer
    max_body_bytes: int = Field(default=64_000, ge=1)
    requests_per_minute: int = Field(default=20, ge=1)  # of one client
    max_clients: int = Field(default=10_000, ge=1)  # that the limiter remembers
    max_concurrent: int = Field(default=50, ge=1)
    trusted_proxies: int = Field(default=0, ge=0)  # of ours, in front of this server
    connect_seconds: float = Field(default=5, gt=0)
    idle_seconds: float = Field(default=30, gt=0)  # how long the upstream may be silent
    keep_alive_seconds: float = Field(default=10, gt=0)
    client_seconds: float = Field(default=10, gt=0)  # for a client to send its body, or to take a piece of the answer
    drain_seconds: float = Field(default=3, ge=0)  # for running streams, once the server is told to end
    static_dir: str = ""  # a folder with a page to serve

    @field_validator("hf_token")
    @classmethod
    def usable(cls, token: SecretStr) -> SecretStr:
        # BEGIN SOLUTION
        value = token.get_secret_value()
        if not value:
            raise ValueError("is empty: put your token there")
        if any(character.isspace() or not character.isascii() for character in value):
            raise ValueError("holds white space or a character that no token has: copy it again")
        one_character = value.startswith("hf_") and len(set(value[3:])) <= 1
        if one_character or any(sign in value for sign in ("...", "<", "your_")):
            raise ValueError("is a placeholder: put your own token there")
        return token
        # END SOLUTION

    @field_validator("allowed_origins")
    @classmethod
    def named(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        # BEGIN SOLUTION
        for origin in origins:
            scheme, _, rest = origin.partition("://")
            if scheme not in ("http", "https") or not rest or "*" in rest or "/" in rest:
                raise ValueError("each is scheme://host or scheme://host:port, without * and without a path")
        return origins
        # END SOLUTION

    @classmethod
    def load(cls, env_file: str | None = ".env") -> Self:
        # BEGIN SOLUTION
        try:
            return cls(_env_file=env_file)  # type: ignore[call-arg]
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
        except SettingsError as error:
            problems = [f"{error}: a list is written as JSON"]
        raise BadSettings("; ".join(problems))
        # END SOLUTION


# %% [markdown] hint="05-1"
# `load` has two kinds of error to catch; both know the field. Which parts of one entry of `error.errors()` name the field and the rule, and which
# hold the value? And where must the `raise` stand, so that the first error is not chained to yours?

# %% [markdown] hint="05-1"
# Nearly code: `try: return cls(_env_file=env_file)`, `except ValidationError as error: problems = [f"{each['loc'][0]}: {each['msg']}" for each in error.errors()]`, `except SettingsError as error:`
# its `str` names the field and no value; then, **below** the `try`, `raise BadSettings("; ".join(problems))`. In `usable`: `token.get_secret_value()`, look, `return token`.

# %% [markdown] explanation="05-1"
# Why: a server that starts without its token fails later, at a visitor. And the text of a failed start goes to a log that many people read. Raising
# after the `except` block leaves no chained error at all; `from None` inside it only hides one (`__context__` still holds it, with the values in it).
#
# One alternative: read `os.environ` by hand. It is ten lines for three fields, and grows with every field.
#
# In production: let the platform put the secret into the environment of this one process, or mount it as a file (`secrets_dir`). Give the names a prefix
# (`env_prefix="PROXY_"`) when several programs share one environment.

# %%
check("05-1")

# %% [markdown]
# Two files `.env`, one good, one not. **Predict** both outputs: will the token show in either?

# %%
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
(folder / "good.env").write_text(f"HF_TOKEN={token}\nUPSTREAM_URL={hub.router}/v1\n")
(folder / "bad.env").write_text('HF_TOKEN=hf_your_secret\nMAX_TOKENS=many\nALLOWED_ORIGINS=["*"]\n')
with needs("05-1"):
    print(Settings.load(str(folder / "good.env")).model_dump(include={"hf_token", "max_tokens", "allowed_models"}))
    try:
        Settings.load(str(folder / "bad.env"))
    except BadSettings as bad:
        print(*str(bad).split("; "), sep="\n")

# %% [markdown]
# ## 4. What a stranger may ask
#
# Whoever finds your proxy can write its requests by hand. So the body is bounded in everything that costs: which model, how many messages, how long in all, how
# long an answer. And nothing passes that is not named: an unknown field may be a switch of the upstream that you never thought of.
#
# The fields are fixed, the bounds come from the settings. So the class with the bounds is made when the server starts. FastAPI then also writes
# them into `/openapi.json`, where the authors of a page can read them.

# %%
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str

    @field_validator("content")
    @classmethod
    def whole(cls, content: str) -> str:
        try:
            content.encode()
        except UnicodeEncodeError:  # JSON can say half a character, as \ud83d alone; nobody could send it on
            raise ValueError("holds half a character") from None
        return content


class ChatRequest(BaseModel):
    """What a client may ask, without bounds yet."""

    model: str
    messages: list[Message]
    max_tokens: int = 256
    stream: bool = False


KNOWN_NAMES = {"body", *ChatRequest.model_fields, *Message.model_fields}


def problems_of(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What is wrong with a body, in words that hold nothing of it: even a name in it may be a pasted secret."""
    return [
        {
            "where": ".".join(str(p) if isinstance(p, int) or p in KNOWN_NAMES else "?" for p in error["loc"]),
            "problem": error["msg"],
        }
        for error in errors
    ]


# %% [markdown]
# ### Exercise 05-2: a request with bounds   (about 16 lines, 12 minutes)
#
# Write `bounded_request(settings)`. It returns a subclass of `ChatRequest` that refuses
#
# - a `model` that is not in `settings.allowed_models`, letter for letter;
# - no message at all, or more than `settings.max_messages`;
# - more than `settings.max_characters` in all `content` together, whatever the role;
# - a `max_tokens` below 1 or above `settings.max_tokens`. If it is not given, it is 256, or the ceiling where that is lower;
# - a field that is not named.
#
# What is exactly at a bound passes. No message of an error holds anything that was sent.
#
# Example: `bounded_request(settings)(model="other/model", messages=[...])` raises `ValidationError`; its message could be "Value error, this model is not offered".
# Check: the cell below, or `make check EX=05-2`.


# %%
def bounded_request(settings: Settings) -> type[ChatRequest]:
    """ChatRequest with the bounds of these settings."""

    # BEGIN SOLUTION
    class BoundedRequest(ChatRequest):
        model_config = ConfigDict(extra="forbid")

        messages: Annotated[list[Message], Field(min_length=1, max_length=settings.max_messages)]
        max_tokens: Annotated[int, Field(ge=1, le=settings.max_tokens)] = min(256, settings.max_tokens)

        @field_validator("model")
        @classmethod
        def offered(cls, name: str) -> str:
            if name not in settings.allowed_models:
                raise ValueError("this model is not offered")
            return name

        @field_validator("messages")
        @classmethod
        def short_enough(cls, messages: list[Message]) -> list[Message]:
            if sum(len(message.content) for message in messages) > settings.max_characters:
                raise ValueError(f"more than {settings.max_characters} characters in all")
            return messages

    return BoundedRequest
    # END SOLUTION


# %% [markdown] hint="05-2"
# A class may be written inside a function, and then reads its parameters. Which bounds can `Field(...)` say alone, and for which two do you need a
# `field_validator`? Which line of `Message` refuses unknown fields?

# %% [markdown] hint="05-2"
# Nearly code: `class Bounded(ChatRequest):` with `model_config = ConfigDict(extra="forbid")`; `messages: list[Message] = Field(min_length=1, max_length=settings.max_messages)`;
# `max_tokens: int = Field(min(256, settings.max_tokens), ge=1, le=settings.max_tokens)`; validators for `model` (`not in settings.allowed_models`) and `messages` (`sum(len(m.content) for m in messages)`); `return Bounded`.

# %% [markdown] explanation="05-2"
# Why: a list of what is allowed stays right when the upstream learns something new; a list of what is forbidden does not. The sum counts, not each message alone:
# twenty messages just below a bound are twenty times the bill.
#
# One alternative: `Literal[...]` of the names instead of a validator; then `/openapi.json` lists them, and so does every error.
#
# In production: characters are not generated or read tokens, and a text in another script has more tokens for each character. The bound keeps
# the order of magnitude; the exact price is in `usage`.

# %%
check("05-2")

# %% [markdown]
# Somebody pasted a token into the wrong place. **Predict:** is it in the first line? In the second?

# %%
with needs("05-1"), needs("05-2"):
    settings = Settings(hf_token=SecretStr(token), upstream_url=f"{hub.router}/v1")
    try:
        bounded_request(settings).model_validate({**QUESTION, "my-secret-token": 1, "max_tokens": 100_000})
    except ValidationError as error:
        print("pydantic's own, in part:", [(each["loc"], each["input"]) for each in error.errors()])
        print("what a client may see:  ", problems_of(error.errors()))

# %% [markdown]
# ## 5. What went wrong, for strangers
#
# The upstream speaks to **you**: "invalid credentials", "you have depleted your monthly credits". Passed on, these tell a stranger that your token is dead, or that your money
# is gone. And a 401 would tell the page to log its user in, who did nothing wrong. So every outcome is translated: **whose turn is it now?**
#
# Each error gets an id of its own. The client sees the id, your log has id and cause together.

# %%
import secrets
from dataclasses import dataclass


@dataclass(frozen=True)
class PublicError:
    """An error as a stranger may see it. id: to find its line in our log. retry_after_seconds: None where waiting does not help."""

    status: int
    code: str
    id: str
    retry_after_seconds: int | None = None


class TurnedAway(Exception):
    """Our own refusal: 429 (this client asks too often) or 503 (we are full)."""

    def __init__(self, status: Literal[429, 503], retry_after_seconds: int) -> None:
        super().__init__(status)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class BadAnswer(Exception):
    """The upstream said 200, and what followed was no chat answer, or only a part of one."""


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


MESSAGES = {
    "bad_request": "The request cannot be answered as it is. Change it before you send it again.",
    "not_found": "This model is not available at the moment.",
    "client_left": "The client hung up.",
    "rate_limited": "Too many requests. Wait as long as Retry-After says.",
    "internal": "Something is wrong here, and it is not your fault.",
    "bad_gateway": "The model cannot be reached at the moment.",
    "unavailable": "The service is not available at the moment.",
    "timeout": "The model took too long. A shorter answer may help.",
    "too_slow": "The request did not arrive in time.",
    "shutting_down": "This server is going to end. Ask again: another one will answer.",
}


# %% [markdown]
# ### Exercise 05-3: translate the outcome   (about 25 lines, 12 minutes)
#
# Write `public_error(outcome)`. The outcome is an answer of the upstream (`httpx2.Response`) or an exception. It returns a `PublicError`:
#
# | outcome | status | code | Retry-After (empty: `None`) |
# |---|---|---|---|
# | answer 400, 413 or 422 | 400 | `bad_request` | |
# | answer 404 | 404 | `not_found` | |
# | answer 429 | 429 | `rate_limited` | theirs, if it is one to four ASCII digits that say 1 to 3600; else 10 |
# | answer 402: the credits are used up | 503 | `unavailable` | |
# | any other answer: 401 and 403 (our token), 5xx, a redirect, a 200 without sense | 502 | `bad_gateway` | |
# | `TurnedAway` | as it says | `rate_limited` or `unavailable` | as it says |
# | `ClientLeft` | 499 | `client_left` | |
# | `httpx2.PoolTimeout`: all our connections are busy | 503 | `unavailable` | 1 |
# | another `httpx2.TimeoutException`, or `TimeoutError` | 504 | `timeout` | |
# | another `httpx2.RequestError` (no connection, a broken answer), or `BadAnswer` | 502 | `bad_gateway` | |
# | any other exception | 500 | `internal` | |
#
# `id` is new each time: `secrets.token_hex(8)`. Nothing of the upstream's text, headers or errors comes in.
#
# Example: `public_error(httpx2.Response(401))` → `PublicError(502, "bad_gateway", "9f86d081884c7d65")`.   Check: the cell below, or `make check EX=05-3`.


# %%
def public_error(outcome: httpx2.Response | Exception) -> PublicError:
    """What a client is told about an outcome. Never raises, and quotes nothing."""
    # BEGIN SOLUTION
    error_id = secrets.token_hex(8)
    match outcome:
        case httpx2.Response(status_code=400 | 413 | 422):
            return PublicError(400, "bad_request", error_id)
        case httpx2.Response(status_code=404):
            return PublicError(404, "not_found", error_id)
        case httpx2.Response(status_code=429, headers=headers):
            told = headers.get("retry-after", "")
            seconds = int(told) if told.isascii() and told.isdigit() and len(told) < 5 else 0
            return PublicError(429, "rate_limited", error_id, seconds if 1 <= seconds <= 3600 else 10)
        case httpx2.Response(status_code=402):
            return PublicError(503, "unavailable", error_id)
        case TurnedAway(status=status, retry_after_seconds=wait):
            return PublicError(status, "rate_limited" if status == 429 else "unavailable", error_id, wait)
        case ClientLeft():
            return PublicError(499, "client_left", error_id)
        case httpx2.PoolTimeout():
            return PublicError(503, "unavailable", error_id, 1)
        case httpx2.TimeoutException() | TimeoutError():
            return PublicError(504, "timeout", error_id)
        case httpx2.Response() | httpx2.RequestError() | BadAnswer():
            return PublicError(502, "bad_gateway", error_id)
        case _:
            return PublicError(500, "internal", error_id)
    # END SOLUTION


# %% [markdown] hint="05-3"
# The table is the program, if you keep one order: the special class before its ancestor. `PoolTimeout` is a `TimeoutException`, and that is a `RequestError`. What do
# `"7".isdigit()`, `"-5".isdigit()` and `"\u00b2".isdigit()` say, and what does `int` say to five thousand digits?

# %% [markdown] hint="05-3"
# Nearly code: `if isinstance(outcome, httpx2.Response):` look at `outcome.status_code` with one `if` for each row; then the exceptions with `isinstance`, from special to general, and 500 at the end. For 429:
# `told = outcome.headers.get("retry-after", "")`; `int(told)` only if `told.isascii()`, `told.isdigit()` and at most 4 characters, then `1 <= seconds <= 3600`, else 10.

# %% [markdown] explanation="05-3"
# Why: each row answers "whose turn is it?". 4xx: the client's. 502, 503, 504: ours or the upstream's. A dead token and a crashed server look alike from outside, and differ
# in our log. A header of the upstream is text of a stranger as well: only a number that we have read ourselves goes on.
#
# One alternative: a dict from status to (status, code), and a second one for exception classes, walked in order. Good when the table lives in a file.
#
# In production: alert on 401, 402 and 403 at once. They do not mend themselves, and your visitors only see "at the moment".

# %%
check("05-3")

# %% [markdown]
# Four outcomes. **Predict** status and code of each; the third is a trap.

# %%
outcomes: list[httpx2.Response | Exception] = [
    httpx2.Response(401, json={"error": "Invalid credentials in Authorization header"}),
    httpx2.Response(429, headers={"Retry-After": "7"}),
    httpx2.PoolTimeout("all connections are busy"),
    httpx2.ReadTimeout("30 s without a byte"),
]
with needs("05-3"):
    for outcome in outcomes:
        public = public_error(outcome)
        print(public.status, public.code, public.retry_after_seconds)

# %% [markdown]
# This function makes an answer of it, for all that follows. **Predict:** which of the two, the client or the log, learns that it was a `ReadTimeout`?

# %%
import json
import logging

from starlette.responses import JSONResponse

logger = logging.getLogger("proxy")


def body_of(error: PublicError) -> dict[str, Any]:
    return {"error": {"code": error.code, "message": MESSAGES[error.code], "id": error.id}}


def answer_for(outcome: httpx2.Response | Exception) -> JSONResponse:
    """The JSON answer for an outcome; its kind goes to the log, under the same id."""
    error = public_error(outcome)
    kind = outcome.status_code if isinstance(outcome, httpx2.Response) else type(outcome).__name__
    logger.info(json.dumps({"error_id": error.id, "cause": kind}))
    headers = {} if error.retry_after_seconds is None else {"Retry-After": str(error.retry_after_seconds)}
    return JSONResponse(body_of(error), error.status, headers)


# %% [markdown]
# ## 6. The server
#
# Now the app itself. Four decisions, each with the reason:
#
# - **One client for all calls**, made when the server starts and closed when it ends. The place for both is `lifespan`, a generator that FastAPI runs up to its `yield` at the
#   start, and on from there at the end. The client keeps connections open. A new client for each call would pay for a new connection, with TLS, each time.
# - **Every wait is bounded**: connecting, silence, and the queue for a free connection. (httpx2 2.16 waits 5 s each by default: too short for a model.)
# - **What goes up is ours.** The client's headers stay here: its `Cookie` and `Authorization` are none of the upstream's business, and its `X-Forwarded-For` would speak for us.
# - **What comes down is chosen**, field by field. `200` with an error inside, or a page of HTML, is a `BadAnswer`.
#
# These are the chosen fields:


# %%
class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Choice(BaseModel):
    index: int = 0
    message: Message
    finish_reason: str | None = None


class ChatAnswer(BaseModel):
    """A whole answer, in the shape that OpenAI clients read. Whatever else the upstream sends is dropped."""

    object: Literal["chat.completion"] = "chat.completion"
    choices: list[Choice] = Field(min_length=1)
    usage: Usage | None = None


print(
    ChatAnswer.model_validate(httpx2.post(chat_url, headers={"Authorization": f"Bearer {token}"}, json=QUESTION).json())
)

# %% [markdown]
# One thing is missing: the client may leave while the model thinks. Starlette 1.10 does **not** notice that before the first byte of its answer, so the
# upstream goes on, and you pay. (Seen: a call of 3 s ran to its end.) The function below races the work with the message that says "the client has left".
# (Server and app speak in messages; their language is called **ASGI**. `await request.receive()` gives the client's next one.) **Predict** both lines.

# %%
import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from anyio.from_thread import start_blocking_portal
from starlette.requests import Request
from starlette.types import Message as AsgiMessage

T = TypeVar("T")


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. If the client leaves first, `work` is cancelled, and ClientLeft is raised.

    Only after the body was read: until then, the next message of the client is a part of it.
    """

    async def leaving() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, left = asyncio.create_task(work), asyncio.create_task(leaving())
    try:
        await asyncio.wait({working, left}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientLeft
        return working.result()
    finally:
        left.cancel()
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)  # until it has hung up


async def endless() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        print("the work was ended")


async def a_client_leaves() -> None:
    async def receive() -> AsgiMessage:
        return {"type": "http.disconnect"}

    try:
        await while_connected(Request({"type": "http"}, receive), endless())
    except ClientLeft:
        print("ClientLeft")


with start_blocking_portal() as portal:  # a notebook has a loop of its own; this is another one
    portal.call(a_client_leaves)

# %% [markdown]
# ### Exercise 05-4: the app   (about 30 lines, 40 minutes)
#
# Write `chat_app(settings, transport=None)`. It returns a `FastAPI`:
#
# - While it runs (`lifespan`), `app.state.client` is **one** `httpx2.AsyncClient` with `base_url=settings.upstream_url`, the token as `Authorization: Bearer ...`, `transport=transport`
#   (tests and section 10 put something there), `connect_seconds` to connect, `idle_seconds` to read, a bound for every other wait, and at most `max_concurrent` connections. At the end it is closed.
# - `POST /api/chat` and `POST /v1/chat/completions` do the same: the body is a `bounded_request(settings)`. Send its four fields, once, as JSON to `/chat/completions` of the upstream, inside
#   `while_connected(request, ...)`. On 200 answer with the fields of `ChatAnswer`; a 200 that it cannot read, JSON or not, is a `BadAnswer()`. That, every other status and every `Exception` (no `BaseException`: a
#   call that was cancelled must end) becomes `answer_for(...)`.
# - With `stream` true it returns `await stream_answer(request, app.state.client.stream("POST", "/chat/completions", json=...), settings)`. That function is the next exercise.
# - A body that does not fit (`RequestValidationError`) gets 422 with `{"error": {"code": "invalid", "problems": problems_of(error.errors())}}`.
#
# Example: `TestClient(chat_app(settings))`, used with `with`, answers `post("/api/chat", json=QUESTION)` with 200.   Check: the cell below, or `make check EX=05-4`.

# %%
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi.exceptions import RequestValidationError
from starlette.responses import Response


class Problem(BaseModel):
    """The body of every error, for /openapi.json."""

    error: dict[str, Any]


ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": ChatAnswer, "content": {"text/event-stream": {}}},
    **{status: {"model": Problem} for status in (400, 404, 408, 422, 429, 500, 502, 503, 504)},
    413: {"model": Problem, "content": {"text/plain": {}}},  # Starlette's body limit says it as text
}


def chat_app(settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> FastAPI:
    """An app that answers chats with our token. Its routes: responses=ANSWERS puts all answers into /openapi.json."""

    # BEGIN SOLUTION
    asked_type = bounded_request(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with httpx2.AsyncClient(
            base_url=settings.upstream_url,
            headers={"Authorization": f"Bearer {settings.hf_token.get_secret_value()}"},
            timeout=httpx2.Timeout(settings.idle_seconds, connect=settings.connect_seconds, pool=1),
            limits=httpx2.Limits(max_connections=settings.max_concurrent),
            transport=transport,
        ) as client:
            app.state.client = client
            yield

    app = FastAPI(title="Chat proxy", lifespan=lifespan, docs_url=None, redoc_url=None)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return JSONResponse({"error": {"code": "invalid", "problems": problems_of(error.errors())}}, 422)

    @app.post("/api/chat", responses=ANSWERS)
    @app.post("/v1/chat/completions", responses=ANSWERS)
    async def chat(request: Request, asked: asked_type) -> Response:  # type: ignore[valid-type]
        client: httpx2.AsyncClient = request.app.state.client
        body = ChatRequest.model_dump(asked)
        try:
            if body["stream"]:
                return await stream_answer(request, client.stream("POST", "/chat/completions", json=body), settings)
            answer = await while_connected(request, client.post("/chat/completions", json=body))
            if answer.status_code != 200:
                return answer_for(answer)
            return JSONResponse(ChatAnswer.model_validate_json(answer.content).model_dump())
        except ValidationError:
            return answer_for(BadAnswer())
        except Exception as error:
            return answer_for(error)

    return app
    # END SOLUTION


# %% [markdown] hint="05-4"
# Which line creates the client, and which lines use it? The first belongs into `lifespan`, before its `yield`. `async with` closes it. In the route, first sort out what is not 200, then
# look at the body. What does `ChatAnswer.model_validate_json` raise for a body that is no answer, and which outcome of 05-3 is that?

# %% [markdown] hint="05-4"
# Nearly code: `@asynccontextmanager async def lifespan(app): async with httpx2.AsyncClient(base_url=..., headers={"Authorization": f"Bearer {settings.hf_token.get_secret_value()}"}, timeout=httpx2.Timeout(settings.idle_seconds, connect=...),
# limits=httpx2.Limits(max_connections=...), transport=transport) as app.state.client: yield`. In the route `answer = await while_connected(request, client.post("/chat/completions", json=asked.model_dump()))`; `except ValidationError: return answer_for(BadAnswer())`; `except Exception as error: return answer_for(error)`.

# %% [markdown] explanation="05-4"
# Why: nothing travels that nobody chose. The body is built from four fields, the headers come from the client that we made, and the answer is read into a class before it is
# written again. `except Exception` is right at this one place: it is the border to strangers, and `CancelledError` passes it.
#
# One alternative: forward everything and remove what is dangerous. It is shorter, and every new header of tomorrow goes through.
#
# In production: the client waits `pool=1` second for a free connection, then we say 503. It has no bound on the size of an answer; `max_tokens` keeps that small as
# long as the upstream is the one you trust.

# %%
check("05-4")

# %% [markdown]
# The page of section 1 would now ask the proxy. A visitor tries to pass a cookie and a token of their own. **Predict** what the upstream sees of each.

# %%
with (
    needs("05-4"),
    TestClient(chat_app(Settings(hf_token=SecretStr(token), upstream_url=f"{hub.router}/v1"))) as visitor,
):
    hub.forget()
    answer = visitor.post("/api/chat", json=QUESTION, headers={"Authorization": "Bearer mine", "Cookie": "a=b"})
    print(answer.status_code, answer.json()["choices"][0]["message"]["content"][:60])
    seen = hub.requests[-1].request_headers
    print(
        "authorization:",
        seen["authorization"],
        " cookie:",
        seen.get("cookie"),
        " forwarded:",
        seen.get("x-forwarded-for"),
    )
    print("token in the answer:", token in answer.text + str(answer.headers))
    hub.fail_next(401, on="router")
    refused = visitor.post("/api/chat", json=QUESTION)
    print(refused.status_code, refused.json()["error"]["message"])

# %% [markdown]
# **A good place to stop.** When you come back: select the heading of section 7, then *Run > Run All Above Selected Cell*.

# %% [markdown]
# ## 7. Streaming
#
# A model writes for seconds. As **server-sent events** (SSE) its text arrives piece by piece: lines `data: {...}`, a blank line after each event, `data: [DONE]` at the end. Three things change:
#
# - **The status is gone with the first byte.** Before it, an error is an ordinary JSON answer. After it, there is only an event: `event: error`.
# - **Silence is ambiguous.** Is it thinking, or dead? A comment, `: keep-alive`, tells machines in between that we live; the idle time says when we give up.
# - **The client leaves more often**: people press Stop.
#
# `httpx2.EventSource(answer)` reads events, with `for` or `async for`, and bounds their size; each has its `data`. The class `EventStream` closes the upstream whatever happens. (A `finally` in the generator is not enough: if the
# client leaves before the first event, the generator may never have begun, and then runs no `finally`.) **Predict:** how many events does the sandbox send for an answer of three pieces?

# %%
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, suppress

from anyio import CancelScope
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class Delta(BaseModel):
    role: Literal["assistant"] = "assistant"
    content: str = ""


class ChunkChoice(BaseModel):
    index: int = 0
    delta: Delta
    finish_reason: str | None = None


class ChatChunk(BaseModel):
    """One event of a stream; what else the upstream sends is dropped. The last one may have no choices, only usage."""

    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    choices: list[ChunkChoice]
    usage: Usage | None = None


class EventStream(StreamingResponse):
    """Sends `events`, and closes them and `upstream` when it is over: finished, broken off, or never begun.

    When the server is told to end, the last event says so (`Farewell`, in section 10).
    """

    media_type = "text/event-stream"

    def __init__(self, events: Any, upstream: AsyncExitStack) -> None:
        super().__init__(events, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._events, self._upstream = events, upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._until_the_end = scope.get("state", {}).get("until_the_end", CancelScope)
        async with self._upstream, aclosing(self._events):
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with self._until_the_end() as running:
            async for event in self._events:
                piece = event if isinstance(event, bytes) else event.encode()
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        last = b""
        if running.cancelled_caught:
            error = PublicError(503, "shutting_down", secrets.token_hex(8))
            last = f"event: error\ndata: {json.dumps(body_of(error))}\n\n".encode()
        await send({"type": "http.response.body", "body": last})


three = {**QUESTION, "max_tokens": 3, "stream": True}
with httpx2.stream("POST", chat_url, headers={"Authorization": f"Bearer {token}"}, json=three) as upstream_answer:
    for event in httpx2.EventSource(upstream_answer):
        print(event.data if event.data == "[DONE]" else ChatChunk.model_validate_json(event.data).choices)

# %% [markdown]
# ### Exercise 05-5: relay the stream   (about 35 lines, 60 minutes)
#
# Write `stream_answer(request, opening, settings)`. `opening` is what `client.stream(...)` returned: `async with opening as answer` sends the request and gives the upstream's answer, its body unread.
#
# Before the first byte:
#
# 1. Open it inside `while_connected`, and in an `AsyncExitStack`: `upstream.enter_async_context(opening)` is the work to do there. An exception, a status other than 200, or another content type than
#    `text/event-stream` (`BadAnswer`; parameters such as `; charset=utf-8` may follow) becomes `answer_for(...)`, and the upstream is closed.
# 2. Else return an `EventStream` of the events below. It takes over the upstream: `upstream.pop_all()` hands on what the stack would close.
#
# Then, for each event as it comes:
#
# 3. `[DONE]` → send `data: [DONE]` and end. The same where the upstream ends without it after a choice had a `finish_reason`: some servers leave `[DONE]` out (`transformers serve` 5.24 does). Any other → read its `data` as `ChatChunk`, and send that as `data: <its JSON>`.
# 4. No event for `keep_alive_seconds` → send the comment `: keep-alive`. No event for `idle_seconds` → `TimeoutError`. Each event begins both anew, and no comment costs one.
# 5. Any exception, an event that is no `ChatChunk` (`BadAnswer`), or an end with neither `[DONE]` nor a `finish_reason` before it (`BadAnswer`) → send `event: error` with the body of `answer_for(...)` as its `data`, and end. (`answer_for(error).body.decode()`; the status of that answer is not needed any more, its line in the log is.)
#
# Each event ends with a blank line: `\n\n`. A task that you start ends with the stream. Do not ask `request.is_disconnected()`: `while_connected` and `EventStream` do that work.
#
# Example: an upstream that stops in the middle gives `data: {...}`, then `event: error` and its `data`, and no `[DONE]`.   Check: the cell below, or `make check EX=05-5`.


# %%
async def stream_answer(
    request: Request, opening: AbstractAsyncContextManager[httpx2.Response], settings: Settings
) -> Response:
    """The upstream's stream as ours, or a JSON error if it does not begin. Raises nothing."""

    # BEGIN SOLUTION
    async def next_event(source: AsyncIterator[httpx2.ServerSentEvent]) -> httpx2.ServerSentEvent | None:
        return await anext(source, None)

    async def relayed(source: AsyncIterator[httpx2.ServerSentEvent]) -> AsyncIterator[str]:
        silent_seconds, waiting, finished = 0.0, asyncio.create_task(next_event(source)), False
        try:
            while True:
                done, _ = await asyncio.wait({waiting}, timeout=settings.keep_alive_seconds)
                if not done:
                    silent_seconds += settings.keep_alive_seconds
                    if silent_seconds >= settings.idle_seconds:
                        raise TimeoutError
                    yield ": keep-alive\n\n"
                    continue
                event = waiting.result()
                if event is None and not finished:
                    raise BadAnswer
                if event is None or event.data == "[DONE]":
                    yield "data: [DONE]\n\n"
                    return
                chunk = ChatChunk.model_validate_json(event.data)
                yield f"data: {chunk.model_dump_json(exclude_none=True)}\n\n"
                finished = finished or any(choice.finish_reason for choice in chunk.choices)
                silent_seconds, waiting = 0.0, asyncio.create_task(next_event(source))
        finally:
            waiting.cancel()

    async def events(source: AsyncIterator[httpx2.ServerSentEvent]) -> AsyncIterator[str]:
        try:
            async for text in relayed(source):
                yield text
        except Exception as error:
            outcome = BadAnswer() if isinstance(error, ValidationError) else error
            yield f"event: error\ndata: {bytes(answer_for(outcome).body).decode()}\n\n"
        else:
            with suppress(Exception):  # read to the very end: only then is the connection free for the next call
                async with asyncio.timeout(1):
                    await anext(source, None)

    try:
        async with AsyncExitStack() as upstream:
            answer = await while_connected(request, upstream.enter_async_context(opening))
            if answer.status_code != 200:
                return answer_for(answer)
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                return answer_for(BadAnswer())
            return EventStream(events(aiter(httpx2.EventSource(answer))), upstream.pop_all())
    except Exception as error:
        return answer_for(error)
    # END SOLUTION


# %% [markdown] hint="05-5"
# Begin without rule 4: an `async def events()` with `try`, `async for event in httpx2.EventSource(answer)`, and one `yield` for each rule. Then ask how to wait for the next event and for a clock at once, without losing
# the event: `asyncio.wait_for` would cancel the reading, `asyncio.wait({task}, timeout=...)` leaves the task alone.

# %% [markdown] hint="05-5"
# Nearly code: `source = aiter(httpx2.EventSource(answer))`; a small `async def next_event(): return await anext(source, None)`; `waiting = asyncio.create_task(next_event())`; loop: `done, _ = await asyncio.wait({waiting}, timeout=settings.keep_alive_seconds)`; not done: count the seconds, `yield ": keep-alive\n\n"`; done:
# `event = waiting.result()`, `None` means the end, a good one if a `finish_reason` came before; then a new task. `finally: waiting.cancel()`. Around it `except Exception as error:` and one `yield` with `answer_for(...).body.decode()`. Outside: `async with AsyncExitStack() as upstream: answer = await while_connected(request, upstream.enter_async_context(opening))`, look at it, `return EventStream(events(), upstream.pop_all())`.

# %% [markdown] explanation="05-5"
# Why: three windows, three answers. Before the headers of the upstream, `while_connected` ends the call. Between two events, Starlette cancels the generator, and `EventStream` closes the connection. And a plain answer goes through `while_connected` in
# `chat_app`. Reading each event and writing it anew keeps comments from landing in the middle of one, and keeps the upstream's own error texts here.
#
# After `[DONE]`, ours reads on to the end of the upstream's answer. A connection whose answer was not read whole cannot be used again, so each stream would pay for a new one, with TLS.
#
# One alternative: pass the bytes on as they are. Faster, and an `error` of the upstream, with all its words, goes straight to the page.
#
# In production: machines in between may hold a stream back until it is whole. `X-Accel-Buffering: no` tells nginx; ask the others. And look at the idle time of your load balancer: keep-alive must be shorter.

# %%
check("05-5")

# %% [markdown]
# The same three pieces through the proxy, then a stream that breaks off. The second upstream is a few lines of our own, put in as `transport`. **Predict** the last two lines of output.


# %%
def breaks_off(request: httpx2.Request) -> httpx2.Response:
    """An upstream that says one word, then an error in its own words."""
    one = ChatChunk(choices=[ChunkChoice(delta=Delta(content="Well"))]).model_dump_json()
    text = f'data: {one}\n\ndata: {{"error": "CUDA out of memory on node 7"}}\n\n'
    return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, text=text)


with needs("05-5"):
    settings = Settings(hf_token=SecretStr(token), upstream_url=f"{hub.router}/v1")
    for transport in (None, httpx2.MockTransport(breaks_off)):
        with TestClient(chat_app(settings, transport)) as visitor:
            for line in visitor.post("/api/chat", json=three).text.splitlines():
                if line:
                    print(line.partition(',"id"')[0])

# %% [markdown]
# ## 8. Not too often, not too many
#
# Two limits, because two things run out. **Calls for each client** keep one visitor from spending everything. **Calls at once** keep the server from drowning: the next one gets 503 *at once*, which
# is kinder than a queue that never ends.
#
# Who is "a client"? The address of the connection (`peer`). But behind a load balancer every connection comes from *it*, and the true address stands in `X-Forwarded-For`, to which each proxy appends, at the **right**,
# the address that called it. Whoever calls can send that header, too. **Predict:** one proxy of ours is in front, a visitor at 203.0.113.9 sends `X-Forwarded-For: 1.2.3.4` themselves. What does our server read, and which entry is true?

# %%
sent_by_visitor = "1.2.3.4"
appended_by_our_proxy = "203.0.113.9"
print(f"X-Forwarded-For: {sent_by_visitor}, {appended_by_our_proxy}")

# %% [markdown]
# Only the last one: it is our proxy's word. Left of it stands whatever the visitor likes. Whoever takes the left-most entry lets each visitor choose a new name for each call. (uvicorn, the server
# that `make proxy` runs this app with, does just that if it is told `--forwarded-allow-ips "*"`; seen with 0.54.)

# %% [markdown]
# ### Exercise 05-6: a limiter   (about 25 lines, 20 minutes)
#
# Write the class `RateLimiter(settings, now)`. `now` is a function that returns seconds, such as `time.monotonic`; ask it, never a clock of your own.
#
# - `client_of(peer, forwarded_for)`: who calls. With `settings.trusted_proxies` = 0 it is `peer`, whatever the header says. With *n* it is the *n*-th entry **from the right**, without spaces around it; `peer` if there are fewer, or if that entry is empty.
# - `admit(client)`: lets `settings.requests_per_minute` calls pass at once, and as many each minute. Else it raises `TurnedAway(429, seconds)`: whole seconds, 1 to 60, after which one call passes. A refused call costs nothing.
# - It remembers at most `settings.max_clients` clients. When there are more, the one that called longest ago is forgotten. (Here a refused call counts as a call.)
# - `slot()`: a context manager. At most `settings.max_concurrent` are open; the next raises `TurnedAway(503, 1)` at once. A slot is free again after an exception, too.
#
# Example: with 2 a minute, `admit("a")` passes twice, then raises `TurnedAway` with `retry_after_seconds` 30 or 60, as you count.   Check: the cell below, or `make check EX=05-6`.

# %%
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class RateLimiter:
    """How often each client may call, and how many at once. Of one process: two workers count apart."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.monotonic) -> None:
        # BEGIN SOLUTION
        self._settings, self._now = settings, now
        self._calls_left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # and when that was, oldest first
        self._open = 0
        # END SOLUTION

    def client_of(self, peer: str, forwarded_for: str = "") -> str:
        # BEGIN SOLUTION
        trusted = self._settings.trusted_proxies
        entries = [entry.strip() for entry in forwarded_for.split(",")]
        return entries[-trusted] if 0 < trusted <= len(entries) and entries[-trusted] else peer
        # END SOLUTION

    def admit(self, client: str) -> None:
        # BEGIN SOLUTION
        limit, now = self._settings.requests_per_minute, self._now()
        left, since = self._calls_left.pop(client, (float(limit), now))
        left = min(limit, left + (now - since) * limit / 60)
        admitted = left > 1 - 1e-9  # what floats lose on the way
        self._calls_left[client] = (left - 1 if admitted else left, now)
        if len(self._calls_left) > self._settings.max_clients:
            self._calls_left.popitem(last=False)
        if not admitted:
            raise TurnedAway(429, max(1, math.ceil((1 - left) * 60 / limit - 1e-9)))
        # END SOLUTION

    @contextmanager
    def slot(self) -> Iterator[None]:
        # BEGIN SOLUTION
        if self._open >= self._settings.max_concurrent:
            raise TurnedAway(503, 1)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
        # END SOLUTION


# %% [markdown] hint="05-6"
# A bucket for each client: it holds calls, starts full, and one call takes one out. How much has dripped in since the last look? You need two numbers for each client: what was left, and when. Where does an `OrderedDict`
# keep its oldest entry, if you take each client out and put it back?

# %% [markdown] hint="05-6"
# Nearly code: `left, since = self._table.pop(client, (limit, now))`; `left = min(limit, left + (now - since) * limit / 60)`; put back `(left - 1, now)` if `left >= 1`, else `(left, now)`; `popitem(last=False)` when there are too many; then raise with `math.ceil((1 - left) * 60 / limit)`. In `slot`: count up,
# `try: yield`, `finally:` count down. `entries[-n]` is the n-th from the right.

# %% [markdown] explanation="05-6"
# Why: a bucket needs two numbers for a client, allows a short burst, and knows how long to wait. The table is bounded, because addresses cost an attacker nothing; forgetting the oldest is a small amnesty, running out of memory is a large one.
#
# One alternative: a counter for each minute ("fixed window"). Simpler, and lets twice as many pass around the turn of a minute.
#
# In production: each worker has its own table, so N workers let N times as many pass; a shared store (Redis) behind the same three methods mends that: section 11. With IPv6 one visitor owns 2^64 addresses: count the first 64 bits. And a
# limit by address is for visitors without a name; if yours log in, count the account.

# %%
check("05-6")

# %% [markdown]
# A small middleware puts the limiter in front of every `POST`. Middlewares of this shape wrap an app and see every message in both directions: `scope` is the head of the request, `receive` gives the client's
# next message, and `send` takes the messages of the answer, first `http.response.start` (status, headers), then each `http.response.body` (a piece). You write one in the next exercise. This one knows three tricks of callers:
#
# - They send a byte now and then. So a slot is taken when the whole body is there, and that takes `client_seconds` at most (408).
# - They never read the answer. So each piece must be taken in that time.
# - They say the length of a body twice, as `Content-Length` and as `Transfer-Encoding`. A server in front may believe one and ours the other; then what one takes for the rest of a body is a *second request* for the other
#   ("request smuggling"). RFC 9112, 6.1 lets us refuse it, and wants the connection closed.
#
# **Predict:** two calls a minute are allowed, and the visitor invents a new `X-Forwarded-For` each time. Which statuses come?


# %%
from collections.abc import Awaitable
from contextlib import AbstractContextManager
from inspect import isawaitable
from typing import Protocol


class Limiter(Protocol):
    """The three methods of RateLimiter. One that asks another machine is awaited (section 11)."""

    def client_of(self, peer: str, forwarded_for: str = "") -> str: ...

    def admit(self, client: str) -> Awaitable[None] | None: ...

    def slot(self) -> AbstractContextManager[None]: ...


def hang_up(status: int, code: str) -> JSONResponse:
    """A refusal after which the connection is closed: nobody waits for what may still come on it."""
    return JSONResponse(body_of(PublicError(status, code, secrets.token_hex(8))), status, {"Connection": "close"})


class Limited:
    """Asks `limiter` before each POST passes; a stream keeps its slot until its end. The client has to be quick."""

    def __init__(self, app: ASGIApp, limiter: Limiter, client_seconds: float = 10) -> None:
        self._app, self._limiter, self._client_seconds = app, limiter, client_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if {"content-length", "transfer-encoding"} <= set(request.headers):
            await hang_up(400, "bad_request")(scope, receive, send)
        elif request.method == "POST":
            await self._limited(request, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _limited(self, request: Request, receive: Receive, send: Send) -> None:
        peer = request.client.host if request.client else "unknown"
        client = self._limiter.client_of(peer, ",".join(request.headers.getlist("x-forwarded-for")))
        try:
            admitted = self._limiter.admit(client)
            if isawaitable(admitted):
                await admitted
            try:
                async with asyncio.timeout(self._client_seconds):
                    first = [await self._whole(receive)]
            except TimeoutError:
                await hang_up(408, "too_slow")(request.scope, receive, send)
                return

            async def receive_again() -> AsgiMessage:
                return first.pop() if first else await receive()

            async def send_in_time(message: AsgiMessage) -> None:
                async with asyncio.timeout(self._client_seconds):
                    await send(message)

            with self._limiter.slot():
                await self._app(request.scope, receive_again, send_in_time)
        except TurnedAway as refusal:
            await answer_for(refusal)(request.scope, receive, send)

    async def _whole(self, receive: Receive) -> AsgiMessage:
        """The body as one message, or the one that says that the client has left."""
        body = bytearray()
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                return {"type": "http.request", "body": bytes(body)}
        return message


with needs("05-4"), needs("05-6"):
    settings = Settings(hf_token=SecretStr(token), upstream_url=f"{hub.router}/v1", requests_per_minute=2)
    app = chat_app(settings)
    app.add_middleware(Limited, limiter=RateLimiter(settings, now=lambda: 0.0))  # here time stands still
    with TestClient(app) as visitor:
        for number in range(3):
            answer = visitor.post("/api/chat", json=QUESTION, headers={"X-Forwarded-For": f"10.0.0.{number}"})
            print(answer.status_code, answer.headers.get("retry-after"))

# %% [markdown]
# ## 9. The hull
#
# What every server needs, and what goes wrong with it:
#
# - **CORS** tells *browsers* which other sites' pages may read your answers. It stops no program: curl does not ask. `allow_origins=["*"]` with `allow_credentials=True` allows **every** site, cookies included:
#   Starlette then answers with whatever origin asked. **Predict** the next cell's output.

# %%
from starlette.middleware.cors import CORSMiddleware

careless = FastAPI()
careless.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)
print(TestClient(careless).get("/", headers={"Origin": "https://evil.test"}).headers)

# %% [markdown]
# - **A body limit** must count what arrives: a chunked request has no `Content-Length`. Starlette 1.x has one (`RequestBodyLimitMiddleware`).
# - **Health**: `/healthz` says "the process lives", `/readyz` "send me work". Both are asked every few seconds, so neither calls a model: that would cost money.
# - **A log line** for each request, as JSON, without prompt, answer, query or headers. A **request id** ties it to what the client saw. It is our own: an id from outside may hold a forged line.
# - **The order** of middlewares: the last one added is the outermost. CORS must be outside of whatever answers errors, or a page cannot even read that it should wait. The body limit answers, too:
#   its 413 has the headers of those outside of it.

# %% [markdown]
# ### Exercise 05-7: harden   (about 35 lines, 35 minutes)
#
# Write `harden(app, settings)`. It changes the app, and returns nothing. Afterwards
#
# - only `settings.allowed_origins` get CORS headers, without credentials, on errors too. Pages there may read `Retry-After` and `X-Request-ID`, and send JSON with `POST`;
# - a body of more than `settings.max_body_bytes` gets 413 (`max_body_size` of Starlette's class);
# - `GET /healthz` says 200. `GET /readyz` says 200 while `app.state.client` is there and not closed (`is_closed`), else 503. Neither sends anything upstream;
# - each answer of the app has the `SECURITY_HEADERS`, and an `X-Request-ID` of our own, new each time, whatever the client sent;
# - an exception that nobody caught becomes `answer_for(error)`; once the answer has begun, it is raised on;
# - each request writes one line with `logger.info`: a JSON object with `request_id`, `method`, `path`, `status` and `ms` (milliseconds), and nothing else.
#
# Streams must still flow: write a middleware like `Limited` (not `@app.middleware("http")`, which puts a queue and a task into each stream). Like `Limited` it lets pass what is not of the type `http`: the start
# and the end of the app come that way.
#
# A preflight, the browser's question before a `POST` from another site, is answered by CORS alone: it needs neither your headers nor a line of the log.
#
# Example: `harden(app, settings)`, then `TestClient(app).get("/healthz").headers["x-content-type-options"]` → `"nosniff"`.   Check: the cell below, or `make check EX=05-7`.

# %%
from starlette.datastructures import MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def harden(app: FastAPI, settings: Settings) -> None:
    """CORS, body limit, health, request id, security headers and a log line, around everything that `app` does."""

    # BEGIN SOLUTION
    class Hull:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await self._app(scope, receive, send)
                return
            request_id, started, status = secrets.token_hex(8), time.perf_counter(), 0

            async def with_headers(message: AsgiMessage) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    MutableHeaders(scope=message).update(SECURITY_HEADERS | {"X-Request-ID": request_id})
                await send(message)

            try:
                await self._app(scope, receive, with_headers)
            except Exception as error:
                if status:
                    raise
                await answer_for(error)(scope, receive, with_headers)
            finally:
                line = {"request_id": request_id, "method": scope["method"], "path": scope["path"], "status": status}
                logger.info(json.dumps(line | {"ms": round(1000 * (time.perf_counter() - started))}))

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", responses={503: {}})
    async def readyz(request: Request) -> Response:
        client = getattr(request.app.state, "client", None)
        ready = client is not None and not client.is_closed
        return JSONResponse({"status": "ready" if ready else "not ready"}, 200 if ready else 503)

    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
    app.add_middleware(Hull)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST"],
        expose_headers=["Retry-After", "X-Request-ID"],
    )
    # END SOLUTION


# %% [markdown] hint="05-7"
# Three middlewares, two of them Starlette's. Which must be outermost, so that a page may read even a 500? In your own one, `send` is wrapped: which message carries the status and the headers, and what do you know if it never came?

# %% [markdown] hint="05-7"
# Nearly code: inside `harden` a `class Hull` with `__init__(self, app)` and `async def __call__(self, scope, receive, send)`; a wrapped `send` that on `"http.response.start"` notes `message["status"]` and does `MutableHeaders(scope=message).update(SECURITY_HEADERS | {"X-Request-ID": request_id})`; `try: await self.app(scope, receive, wrapped)`, `except Exception as error:` → `await answer_for(error)(scope, receive, wrapped)` unless it has begun,
# `finally: logger.info(json.dumps({...}))`. Then add body limit, Hull, CORS, in this order. `Content-Type` is allowed to be JSON if you name it in `allow_headers`, or leave Starlette's default, which has it.

# %% [markdown] explanation="05-7"
# Why: the outermost layers see everything, also what failed further in. Starlette answers an uncaught exception outside of all middlewares that you add, without CORS headers; catching it in our own layer keeps them. The log has what you need to count, and nothing that you would have to delete.
#
# One alternative: let the reverse proxy in front do headers, limits and logs. Often right; then test it there.
#
# In production: `/readyz` can also say "no" while the upstream fails (a circuit breaker). A
# `Strict-Transport-Security` header belongs to where TLS ends.

# %%
check("05-7")

# %% [markdown]
# ## 10. All together, and a model of your own behind it
#
# The app can also serve a model **in this process**: the common example of section 2, done right. For `httpx2`, what carries a request to its answer is a
# *transport*, and `LocalModel` is one. So everything above holds for it: bounds, limits, errors, streams, hanging up.
#
# - It is loaded in `lifespan`: entering the client enters its transport.
# - It works in a thread, piece by piece, so that the server goes on answering; and on one request at a time.
#
# Every server is told to end one day: a new version, a smaller cluster. `Farewell` hears it (`SIGTERM`, Ctrl+C). From then on `/readyz` says 503, so that no new work is sent here. Plain calls get their answer. Streams may run on for
# `drain_seconds`, and then end with an `event: error` of the code `shutting_down`: a page can tell it from an answer that is whole. uvicorn itself (0.54) takes no new connections, and waits.
#
# One thing no app can bound: it is called when the head of a request is whole, and for that uvicorn waits for ever. `make proxy` bounds it (`course/connection.py`); so does any server in front (in nginx `client_header_timeout`).
#
# Both classes are in the next cell. Run it, and skim it or leave it for another day: nothing below asks for more than the lines above say.

# %%
import signal
import threading
from types import FrameType

from starlette.concurrency import iterate_in_threadpool


class Engine(Protocol):
    """A loaded model. pieces: the answer, piece by piece; blocks while it computes."""

    def pieces(self, messages: list[dict[str, str]], max_tokens: int) -> Iterator[str]: ...


class LocalModel(httpx2.AsyncBaseTransport):
    """A model of this process, in the place of the upstream. load: runs once, when the app starts."""

    def __init__(self, load: Callable[[], Engine]) -> None:
        self._load = load

    async def __aenter__(self) -> "LocalModel":
        self._engine, self._free = await asyncio.to_thread(self._load), asyncio.Lock()
        return self

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(await request.aread())
        if asked["stream"]:
            return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, content=self._events(asked))
        text = "".join([piece async for piece in self._pieces(asked)])
        choice = Choice(message=Message(role="assistant", content=text), finish_reason="stop")
        return httpx2.Response(200, json=ChatAnswer(choices=[choice]).model_dump())

    async def _events(self, asked: dict[str, Any]) -> AsyncIterator[bytes]:
        async with aclosing(self._pieces(asked)) as pieces:
            async for piece in pieces:
                yield self._event(ChunkChoice(delta=Delta(content=piece)))
        yield self._event(ChunkChoice(delta=Delta(), finish_reason="stop")) + b"data: [DONE]\n\n"

    async def _pieces(self, asked: dict[str, Any]) -> Any:
        async with self._free:
            async for piece in iterate_in_threadpool(self._engine.pieces(asked["messages"], asked["max_tokens"])):
                yield piece

    @staticmethod
    def _event(choice: ChunkChoice) -> bytes:
        return f"data: {ChatChunk(choices=[choice]).model_dump_json()}\n\n".encode()


class Farewell:
    """Ends in good order. When the server is told to end (SIGTERM, Ctrl+C), it goes about it as ever; besides, /readyz says 503
    at once, and each stream that is not over after `drain_seconds` ends with an event that says why."""

    def __init__(self, app: ASGIApp, drain_seconds: float) -> None:
        self._app, self._drain_seconds = app, drain_seconds
        self._deadline, self._streams = math.inf, set[CancelScope]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            with self._listening():
                await self._app(scope, receive, send)
        elif self._deadline < math.inf and scope.get("path") == "/readyz":
            await JSONResponse({"status": "shutting down"}, 503)(scope, receive, send)
        else:
            scope.setdefault("state", {})["until_the_end"] = self._until_the_end
            await self._app(scope, receive, send)

    @contextmanager
    def _until_the_end(self) -> Iterator[CancelScope]:
        with CancelScope(deadline=self._deadline) as running:
            self._streams.add(running)
            try:
                yield running
            finally:
                self._streams.discard(running)

    def _told(self) -> None:
        self._deadline = asyncio.get_running_loop().time() + self._drain_seconds
        for running in self._streams:
            running.deadline = self._deadline

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Put ourselves before the handlers that the server has set. Signals reach only the main thread of a process."""
        loop, kept = asyncio.get_running_loop(), {}
        for number in (signal.SIGINT, signal.SIGTERM):
            theirs = signal.getsignal(number)
            if callable(theirs) and threading.current_thread() is threading.main_thread():

                def ours(number: int, frame: FrameType | None, theirs: Callable[..., Any] = theirs) -> None:
                    loop.call_soon_threadsafe(self._told)
                    theirs(number, frame)

                signal.signal(number, ours)
                kept[number] = (ours, theirs)
        try:
            yield
        finally:
            for number, (ours, theirs) in kept.items():
                if signal.getsignal(number) is ours:
                    signal.signal(number, theirs)


# %% [markdown]
# `create_app` puts the parts in order, from the inside out. **Predict:** which of the two apps below would answer with Hugging Face switched off?

# %%
from http import HTTPStatus

from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException


def create_app(
    settings: Settings,
    local: Callable[[], Engine] | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
    now: Callable[[], float] = time.monotonic,
    limiter: Limiter | None = None,
) -> FastAPI:
    """The whole proxy, ready to be served. local: loads a model to ask instead of the upstream. transport, now: for tests.

    limiter: None means one of this process alone.
    """
    app = chat_app(settings, LocalModel(local) if local else transport)
    app.add_middleware(Farewell, drain_seconds=settings.drain_seconds)
    app.add_middleware(Limited, limiter=limiter or RateLimiter(settings, now), client_seconds=settings.client_seconds)
    harden(app, settings)
    for chatty in ("httpx2", "httpcore2"):  # their lines quote the upstream's headers, and it may repeat ours there
        logging.getLogger(chatty).setLevel(logging.WARNING)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:  # 404 and 405 in the shape of all other errors
        reason = HTTPStatus(error.status_code)
        told = {"error": {"code": reason.name.lower(), "message": reason.phrase}}
        return JSONResponse(told, error.status_code, error.headers)

    if settings.static_dir:
        app.mount("/", StaticFiles(directory=settings.static_dir, html=True))
    return app


class Parrot:
    """An engine that needs no download: it says what it heard."""

    def pieces(self, messages: list[dict[str, str]], max_tokens: int) -> Iterator[str]:
        yield from [f"{word} " for word in messages[-1]["content"].split()][:max_tokens]


with needs("05-7"):
    settings = Settings(hf_token=SecretStr(token), upstream_url=f"{hub.router}/v1")
    for app in (create_app(settings), create_app(settings, local=Parrot)):
        with TestClient(app) as visitor:
            print(
                visitor.get("/readyz").json(), visitor.post("/api/chat", json=QUESTION).json()["choices"][0]["message"]
            )

# %% [markdown]
# **Try it** in a terminal: `make proxy PORT=8000` serves this app, with your exercises where they are right, and a chat page. Open the address that it prints, and beside it the browser's
# developer tools, tab "Network". **Predict:** you ask "What is a token?"; which of the page's requests carries the token? (None: `POST /api/chat` has no `Authorization`. Section 1 had.)
# The page is plain HTML and JavaScript, in `course/web/page/`; the same one in React is in `course/web/react/`.
#
# A last look from outside. The upstream fails in four ways, each with a text of its own. **Predict:** in how many of the answers is the token, or a word of the upstream?

# %%
with needs("05-7"):
    settings = Settings(hf_token=SecretStr(token), upstream_url=f"{hub.router}/v1")
    with TestClient(create_app(settings)) as visitor:
        for status in (401, 402, 429, 502):
            hub.fail_next(status, on="router")
            answer = visitor.post("/api/chat", json=QUESTION)
            code = answer.json()["error"]["code"]
            print(status, "->", answer.status_code, code, "| token:", token in f"{answer.headers}{answer.text}")

# %% [markdown]
# ## 11. Going on: several workers, and a place to run
#
# **Optional reading, for whoever puts this on a server.** No exercise needs it: if that is not you, run the last code cell and read the recap.
#
# One process of Python keeps about one core busy. So servers run several **workers**: processes that share one port. `make proxy WORKERS=2` does that here. What they do not share is memory.
# **Predict:** two calls a minute are allowed, and two workers take turns. How many of eight calls pass?

# %%
with needs("05-6"):
    settings, passed = Settings(hf_token=SecretStr(token), requests_per_minute=2), 0
    workers = [RateLimiter(settings, now=lambda: 0.0) for _ in range(2)]
    for number in range(8):
        try:
            workers[number % 2].admit("203.0.113.9")
            passed += 1
        except TurnedAway:
            pass
    print(passed, "of 8 passed")

# %% [markdown]
# Four: two for each worker. So the counts must stand where all workers can ask: in **Redis**, say, a server that keeps a table in memory. But asking takes a moment, and in that moment another worker asks.
# **Predict:** one call is left, two workers look at once. What does each of them decide?


# %%
async def look_then_take(table: dict[str, int]) -> bool:
    left = table["left"]
    await asyncio.sleep(0)  # the answer is on its way, and somebody else is asking
    table["left"] = left - 1
    return left > 0


async def two_at_once() -> list[bool]:
    table = {"left": 1}
    return list(await asyncio.gather(look_then_take(table), look_then_take(table)))


with start_blocking_portal() as portal:
    print("let pass:", portal.call(two_at_once))

# %% [markdown]
# Both let their caller pass. Looking and taking must be **one step**, done in Redis itself: a small script that Redis runs whole. `deployment/shared_limit.py` has it: the arithmetic of 05-6, in a class with the same three methods. Try it, with a Redis of yours:
# `REDIS_URL=redis://127.0.0.1 make proxy WORKERS=2`.
#
# And if Redis does not answer? *Closed*, nobody passes: then the proxy fails whenever Redis does. *Open*, everybody passes: then there is no limit just when something is wrong. Ours does a third thing: each worker counts alone for 5 s, then asks again.
# The cap on calls at once stays with each worker: it guards that worker's memory.
#
# Now the part that starts it. A server is started by name: `uvicorn --factory proxy:app` imports `proxy.py`, in each worker, and calls its `app()`. `python -m course proxy --export proxy.py` writes that file, with your exercises where they are right.
# **Predict:** somebody deploys it with the placeholder for a token, and a word where a number is due. How many lines does their log get, and what is in them?


# %%
SECRETS = Path("/run/secrets")  # compose and Kubernetes put secrets there, each as a file


class ServerSettings(Settings):
    """What a server is told where it is one of several processes. A field may also be a file of its name in SECRETS."""

    model_config = SettingsConfigDict(secrets_dir=SECRETS if SECRETS.is_dir() else None)

    redis_url: SecretStr | None = None  # a secret, because it may hold a password


def app() -> FastAPI:
    """The proxy, for `uvicorn --factory proxy:app`. Bad settings end the process with one line and no value."""
    try:
        settings = ServerSettings.load()
    except (BadSettings, OSError) as bad:  # OSError: a secret that this user may not read
        raise SystemExit(f"The proxy does not start. {bad}") from None
    logging.basicConfig(format="%(message)s")
    logger.setLevel(logging.INFO)
    if settings.redis_url is None:
        return create_app(settings)
    from shared_limit import RedisRateLimiter  # beside the file of this module; only here is the package redis needed

    alone = RateLimiter(settings)
    return create_app(settings, limiter=RedisRateLimiter(settings.redis_url, settings.requests_per_minute, alone))


with needs("05-7"), patch.dict(os.environ, {"HF_TOKEN": "hf_your_token", "MAX_TOKENS": "many"}):
    try:
        app()  # type: ignore[call-arg, unused-coroutine]  # further up, this name meant an app
    except SystemExit as end:
        print(end)

# %% [markdown]
# One line, with both mistakes and no value. (uvicorn would print a traceback for any other exception, and its supervisor starts a worker that died again, and again: look at the log first.)
#
# The folder `deployment/` has what carries this to a server. First an **image**: a program with all the files that it needs, to be started on any machine. Its recipe is a `Dockerfile`. There `ARG` and `ENV` set
# variables, `COPY` brings files in, `RUN` runs a command, and each leaves a layer in the image. Whoever can download the image can read every layer, also what a later one deleted. **Look at ours:** where could a token come in?

# %%
from course.exercises import ROOT

for line in (ROOT / "deployment" / "Dockerfile").read_text().splitlines():
    if line.startswith(("FROM", "ARG", "ENV", "COPY", "RUN", "USER")):
        print(line)

# %% [markdown]
# By each of the four, and in ours by none. `COPY` names its files, and `.dockerignore` keeps everything else away from it. The token comes when the image **runs** (then it is called a *container*), as the file `/run/secrets/hf_token`: `secrets:` in `compose.yaml`, a `Secret` that is mounted in `kubernetes/`.
# (A variable works too; but `docker inspect` shows it, and each child process inherits it.) `USER` is a number that is not 0, so not root. The root of the file system is read-only, and Redis has a network without a way out.
#
# **Kubernetes** keeps containers running on many machines. What it starts and ends is a **pod**, here one container. It asks more questions, and has a kind of object for each:
#
# | question | answered by |
# |---|---|
# | does it live? does it want work? | three **probes**, requests every few seconds. Startup and liveness ask `/healthz`, readiness asks `/readyz`: if liveness asked that, a slow upstream would get every pod killed |
# | how does it end? | `preStop` waits until nobody is sent here any more, then calls have 40 s to end, streams 3 s and a last event |
# | how many? | `HorizontalPodAutoscaler`: 2 to 6. That is why the limit needs Redis |
# | who may call whom? | `NetworkPolicy` |
#
# The next cell prints what the proxy may call (`egress`, "the way out"). `10.0.0.0/8` there means every address that begins with `10.`, `169.254.0.0/16` every one that begins with `169.254.`, and `0.0.0.0/0` all.
# **Read it, then say:** a stranger has broken into the container. Which of these can they reach: `huggingface.co`, a database at 10.0.3.7, 169.254.169.254 (where a machine in a cloud gets its keys), Redis?

# %%
print((ROOT / "deployment" / "kubernetes" / "proxy.yaml").read_text().rpartition("  egress:\n")[2])

# %% [markdown]
# `huggingface.co` and Redis. The other two stand below `except`. (Some clusters ignore such policies: try it out.)
#
# The last rule but one is for a model of your own: `kubernetes/vllm.yaml` runs **vLLM**, a server for models that speaks the language of the router. (So does Hugging Face's TGI, but it is in maintenance mode since 2025-12-11, and its own documentation recommends vLLM or SGLang.) The proxy needs one other line: `UPSTREAM_URL=http://vllm:8000/v1`.
# **Predict:** you change that line, and no other. Which token does vLLM get to read?

# %%
seen_by_vllm: list[str] = []


def vllm(request: httpx2.Request) -> httpx2.Response:
    seen_by_vllm.append(request.headers["authorization"].removeprefix("Bearer "))
    return httpx2.Response(503)


with needs("05-4"):
    settings = Settings(hf_token=SecretStr(token), upstream_url="http://vllm:8000/v1")
    with TestClient(chat_app(settings, httpx2.MockTransport(vllm))) as visitor:
        visitor.post("/api/chat", json=QUESTION)
    print("vLLM got the Hugging Face token:", seen_by_vllm == [token])

# %% [markdown]
# Yours, for Hugging Face, unencrypted, and perhaps into a log. A token belongs to an address: **change both or none**. The files in `kubernetes/` mark the second place, too: then the proxy mounts the key of vLLM (`VLLM_API_KEY`) in the place of the token. And that key guards `/v1` alone: `/invocations` asks
# the model without it (vLLM, `docs/usage/security.md`, 2026-11-24), so a `NetworkPolicy` lets only the proxy in.
#
# The files of `deployment/` are checked against the published schemas in `make test`. They have not been run on a cluster: begin with a small one.

# %%
hub.stop()

# %% [markdown]
# ## What you can do now
#
# - **Show** that a page's source and its network log hold whatever the page sends.
# - **Configure** with `SecretStr`, a refusal at the start, and an error text that quotes nothing.
# - **Bound** a request by a list of what is allowed; **translate** each outcome by "whose turn is it?".
# - **Relay** with one client, chosen fields and bounded waits; **hang up** in all three windows.
# - **Limit** by an address that nobody can invent; **harden** from the outside in.
#
# See your progress with `make check NB=05`.
