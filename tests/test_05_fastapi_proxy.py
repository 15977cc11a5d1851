"""Checks of the exercises in 05_fastapi_proxy. `lesson` holds the learner's names.

The app is called in this process: no port, no server. The upstream is a transport that the check brings.
Run against solutions/ and notebooks/ by `make test`, against a learner's code by `check("05-2")` and `make check`.
Every name given to `wrong(...)` is proven in tests/mistakes/05_fastapi_proxy.py.

PYTEST_DONT_REWRITE: the messages say all, and stay as they were written.
"""

import asyncio
import io
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from course.checks import wrong
from course.limit import learners_line
from tests.no_waiting import run

FAKE = "hf_" + "FaKe" * 8 + "zz"  # plausible, and as long as a real one
CANARY = "QxZjVkWq"  # what must not appear where a stranger or a log reads
UPSTREAM = "http://upstream.test/v1"
QUESTION = {"model": "a/model", "messages": [{"role": "user", "content": "Hello?"}]}
ANSWER = {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}
PATIENCE_SECONDS = 0.5  # for what must happen at once; they pass on a clock that nobody waits for


def settings_of(lesson: SimpleNamespace, **more: Any) -> Any:
    """Settings with these fields. Made without the environment, which is not ours to read, and slow to read."""
    given = {"upstream_url": UPSTREAM, "allowed_models": ("a/model", "b/model")} | more
    return lesson.Settings.model_construct(hf_token=SecretStr(FAKE), **given)


# --- 05-1 Settings ------------------------------------------------------------------------------------------

UNUSABLE = {
    "": "takes-nothing",
    "hf_": "takes-a-placeholder",
    "hf_" + 34 * "x": "takes-a-placeholder",
    "hf_" + 34 * "0": "takes-a-placeholder",
    "hf_abc...": "takes-a-placeholder",
    "hf_...abc": "takes-a-placeholder",
    "<token>": "takes-a-placeholder",
    "hf_your_token_here": "takes-a-placeholder",
    FAKE[:20] + "\n" + FAKE[20:]: "takes-a-damaged-token",
    FAKE[:20] + " " + FAKE[20:]: "takes-a-damaged-token",
    FAKE + "\u201d": "takes-a-damaged-token",
    FAKE + "\r": "takes-a-damaged-token",
    " " + FAKE: "takes-a-damaged-token",
}


def loaded(lesson: SimpleNamespace, env_file: str | None = None, **environment: str) -> Any:
    """What Settings.load returns, or raises, with these variables of the settings and no other."""
    with pytest.MonkeyPatch.context() as patch:
        for name in lesson.Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            return lesson.Settings.load(env_file)
        except NotImplementedError:
            raise
        except Exception as error:
            return error


def became(got: Any) -> str:
    return f"{type(got).__name__} was raised" if isinstance(got, Exception) else "the settings were accepted"


def test_05_1_a_good_token_is_taken(lesson: SimpleNamespace) -> None:
    for token in (FAKE, FAKE + "xxxx", "hf_oauth_" + "eyJ.a-b_c" * 40, "another-server's-key"):
        got = loaded(lesson, HF_TOKEN=token)

        assert not isinstance(got, Exception), wrong(
            "refuses-a-good-token",
            seen=f"a usable value of {len(token)} characters was in HF_TOKEN, and {became(got)}",
            due="settings: only emptiness, white space, other characters than ASCII and placeholders speak against it",
            read='"Exercise 05-1", the rule of `usable`',
        )


def test_05_1_the_token_stays_a_secret(lesson: SimpleNamespace) -> None:
    token = loaded(lesson, HF_TOKEN=FAKE).hf_token

    assert isinstance(token, SecretStr), wrong(
        "token-not-secret",
        seen=f"settings.hf_token is a {type(token).__name__}",
        due="the SecretStr that came in: a validator returns what the field becomes",
        read='"Exercise 05-1", the rule of `usable`',
    )
    assert token.get_secret_value() == FAKE, wrong(
        "token-changed",
        seen="settings.hf_token holds another value than HF_TOKEN",
        due="the value as it came",
        read='"Exercise 05-1", the rule of `usable`',
    )


def test_05_1_a_file_is_read_when_it_is_named(
    lesson: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my.env").write_text(f"HF_TOKEN={FAKE}\nOTHER=1\n")
    (tmp_path / ".env").write_text(f"HF_TOKEN={FAKE}\n")
    monkeypatch.chdir(tmp_path)

    named, none = loaded(lesson, "my.env"), loaded(lesson, None)

    assert not isinstance(named, Exception), wrong(
        "file-not-read",
        seen=f"HF_TOKEN stands in the file given to load, and {became(named)}",
        due="settings with it: _env_file=env_file",
        read='"Exercise 05-1", the rule of `load`',
    )
    assert isinstance(none, Exception), wrong(
        "reads-a-file-unasked",
        seen=f"load(None), with HF_TOKEN in .env alone: {became(none)}",
        due="BadSettings: None means that no file is read",
        read='"Exercise 05-1", the rule of `load`',
    )


def test_05_1_the_environment_wins_over_the_file(lesson: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "my.env").write_text("HF_TOKEN=hf_of_the_file\nMAX_TOKENS=7\n")

    got = loaded(lesson, str(tmp_path / "my.env"), HF_TOKEN=FAKE)

    whose, tokens = "environment" if got.hf_token.get_secret_value() == FAKE else "file", got.max_tokens
    assert (whose, tokens) == ("environment", 7), wrong(
        "file-wins",
        seen="the environment held HF_TOKEN, the file another one and MAX_TOKENS=7: "
        f"the settings have the token of the {whose}, and max_tokens {tokens}",
        due="that of the environment, and the file for what it does not have: cls(_env_file=env_file) does both",
        read='"Settings": the last paragraph before the exercise',
    )


def test_05_1_an_unusable_token_is_refused(lesson: SimpleNamespace) -> None:
    for value, mistake in UNUSABLE.items():
        got = loaded(lesson, HF_TOKEN=value)

        assert isinstance(got, Exception), wrong(
            mistake,
            seen=f"HF_TOKEN was {value.replace(FAKE[:20], '<a token>').replace(FAKE[20:], '')!r}, and {became(got)}",
            due="BadSettings: such a value cannot work, and the first visitor would find out",
            read='"Exercise 05-1", the rule of `usable`',
        )


def test_05_1_an_origin_has_a_name(lesson: SimpleNamespace) -> None:
    paths = ["https://chat.test/", "https://a.test/b"]
    for origin in ["*", "https://*.chat.test", *paths, "chat.test", "ftp://a.test", "https://"]:
        got = loaded(lesson, HF_TOKEN=FAKE, ALLOWED_ORIGINS=json.dumps(["https://good.test", origin]))

        assert isinstance(got, Exception), wrong(
            "any-origin" if "*" in origin else "no-origin",
            seen=f"ALLOWED_ORIGINS held {origin}, and {became(got)}",
            due="BadSettings: each origin is http:// or https://, then a host, perhaps a port, and no more",
            read='"Exercise 05-1", the rule of `named`',
        )


def test_05_1_good_origins_are_taken(lesson: SimpleNamespace) -> None:
    origins = ("https://chat.test", "http://localhost:5173")

    got = loaded(lesson, HF_TOKEN=FAKE, ALLOWED_ORIGINS=json.dumps(origins))

    assert getattr(got, "allowed_origins", None) == origins, wrong(
        "refuses-good-origins",
        seen=f"for ALLOWED_ORIGINS={json.dumps(origins)}: {getattr(got, 'allowed_origins', became(got))!r}",
        due=f"{origins!r}",
        read='"Exercise 05-1", the rule of `named`',
    )


BAD: dict[str, tuple[str, dict[str, str]]] = {
    "no token at all": ("HF_TOKEN", {"MAX_TOKENS": "7"}),
    "a number": ("MAX_TOKENS", {"HF_TOKEN": FAKE, "MAX_TOKENS": CANARY}),
    "a placeholder": ("HF_TOKEN", {"HF_TOKEN": f"hf_your_{CANARY}"}),
    "an origin": ("ALLOWED_ORIGINS", {"HF_TOKEN": FAKE, "ALLOWED_ORIGINS": json.dumps([f"https://{CANARY}.test/"])}),
    "a list that is no JSON": ("ALLOWED_MODELS", {"HF_TOKEN": FAKE, "ALLOWED_MODELS": f"a/model,{CANARY}"}),
}


def in_a_log(error: BaseException | None) -> str:
    """The text of an error, and what it and those chained to it hold, as a collector of errors shows them."""
    if error is None:
        return ""
    held = error.errors() if isinstance(error, ValidationError) else vars(error)
    chained = None if error.__suppress_context__ else error.__context__
    return f"{error!r} {held} {in_a_log(error.__cause__ or chained)}"


def test_05_1_a_refusal_names_the_variable_and_quotes_no_value(lesson: SimpleNamespace) -> None:
    for what, (variable, environment) in BAD.items():
        with redirect_stdout(io.StringIO()) as printed, redirect_stderr(printed):
            error = loaded(lesson, **environment)

        assert isinstance(error, lesson.BadSettings), wrong(
            "another-error",
            seen=f"the slip was {what}, and {became(error)}",
            due="BadSettings for everything, a list that is no JSON (SettingsError) included",
            read='"Settings": the paragraphs below its first cell',
        )
        assert variable.lower() in str(error).lower(), wrong(
            "nameless",
            seen=f"{variable} was bad, and the text of the error does not hold that name",
            due="the name of each bad variable: whoever reads it must know which one to mend",
            read='"Exercise 05-1", the rule of `load`',
        )
        shown = in_a_log(error)
        assert not any(secret in shown for secret in (CANARY, FAKE)), wrong(
            "quotes-a-value",
            seen=f"the slip was {what}; your error, or one that is chained to it, holds a value",
            due="the field (`loc`) and the rule (`msg`) alone, raised below the `except` blocks or `from None`",
            read='"Exercise 05-1", the rule of `load`',
        )
        assert not any(secret in printed.getvalue() for secret in (CANARY, FAKE)), wrong(
            "prints-a-value",
            seen=f"the slip was {what}; what your code printed or logged on the way holds a value",
            due="BadSettings and no other output: error.errors() holds every input",
            read='"Settings": the first paragraph below its first cell',
        )


def test_05_1_all_that_is_bad_is_named_at_once(lesson: SimpleNamespace) -> None:
    text = str(loaded(lesson, HF_TOKEN="hf_...", MAX_TOKENS="many")).lower()

    assert all(name in text for name in ("hf_token", "max_tokens")), wrong(
        "one-at-a-time",
        seen="HF_TOKEN and MAX_TOKENS were bad, and the text of the error does not hold both names",
        due="every bad variable in one error: nobody likes to start a server five times",
        read='"Exercise 05-1", the rule of `load`',
    )


# --- 05-2 bounded_request -----------------------------------------------------------------------------------


def bounded(lesson: SimpleNamespace, **settings: Any) -> Any:
    """The learner's class for these settings."""
    return lesson.bounded_request(settings_of(lesson, **settings))


def ask(request_type: Any, **body: Any) -> Any:
    """The request, or the ValidationError."""
    try:
        return request_type.model_validate(QUESTION | body)
    except ValidationError as error:
        return error


def say(*lengths: int, role: str = "user", letter: str = "x") -> list[dict[str, str]]:
    return [{"role": role, "content": letter * length} for length in lengths]


BOUNDS = {"max_messages": 3, "max_characters": 30, "max_tokens": 9}
GOOD: list[tuple[str, str, dict[str, Any]]] = [
    ("refuses-a-good-request", "the second of two allowed models", {"model": "b/model"}),
    ("stops-at-the-bound", "3 messages of 10 characters, where 3 and 30 are allowed", {"messages": say(10, 10, 10)}),
    (
        "counts-bytes",
        "30 letters \u00e4 (60 bytes), where 30 characters are allowed",
        {"messages": say(30, letter="\u00e4")},
    ),
    ("stops-at-the-bound", "max_tokens 9, where 9 are allowed", {"max_tokens": 9}),
    ("stops-at-the-bound", "max_tokens 1", {"max_tokens": 1}),
]
TOO_MUCH: list[tuple[str, str, dict[str, Any]]] = [
    ("any-model", "the model c/model, where a/model and b/model are allowed", {"model": "c/model"}),
    *(
        ("nearly-a-model", f"the model {name!r}, where a/model and b/model are allowed", {"model": name})
        for name in ("a/model:cheapest", "A/Model", "a/mode", "a/model ", "")
    ),
    ("no-message", "an empty list of messages", {"messages": []}),
    ("endless-messages", "4 short messages, where 3 are allowed", {"messages": say(1, 1, 1, 1)}),
    ("endless-text", "one message of 31 characters, where 30 are allowed", {"messages": say(31)}),
    ("bounds-each-alone", "3 messages of 20 characters, where 30 in all are allowed", {"messages": say(20, 20, 20)}),
    *(
        (
            "counts-one-role",
            f"31 characters of the role {role}, where 30 in all are allowed",
            {"messages": [*say(31, role=role), *say(0)]},
        )
        for role in ("system", "assistant")
    ),
    *(
        ("no-ceiling", f"max_tokens {tokens}, where 1 to 9 are allowed", {"max_tokens": tokens})
        for tokens in (0, -1, 10)
    ),
    ("unknown-field", "a field `tools` that is not named", {"tools": []}),
]


def test_05_2_what_is_within_the_bounds_passes(lesson: SimpleNamespace) -> None:
    request_type = bounded(lesson, **BOUNDS)
    for name, what, body in GOOD:
        got = ask(request_type, **body)

        assert not isinstance(got, ValidationError), wrong(
            name,
            seen=f"this was refused: {what}",
            due="it passes: a bound itself is allowed, and what is not bounded is free",
            read='the list in "Exercise 05-2"',
        )
        assert isinstance(got, lesson.ChatRequest), wrong(
            "no-chat-request",
            seen=f"an object of your class is a {type(got).__name__}, and no ChatRequest",
            due="a subclass of ChatRequest: the code after it counts on its fields",
            read='"Exercise 05-2", its first line',
        )


def test_05_2_what_is_beyond_them_is_refused(lesson: SimpleNamespace) -> None:
    request_type = bounded(lesson, **BOUNDS)
    for name, what, body in TOO_MUCH:
        assert isinstance(ask(request_type, **body), ValidationError), wrong(
            name,
            seen=f"this passed: {what}",
            due="a ValidationError",
            read='the list in "Exercise 05-2"',
        )


def test_05_2_the_default_is_bounded_as_well(lesson: SimpleNamespace) -> None:
    for ceiling, due in [(9, 9), (1000, 256)]:
        got = ask(bounded(lesson, max_tokens=ceiling))

        assert getattr(got, "max_tokens", None) == due, wrong(
            "default-over-the-ceiling",
            seen=f"without max_tokens in the body, and a ceiling of {ceiling}: {getattr(got, 'max_tokens', 'refused')}",
            due=f"{due}: 256, or the ceiling where that is lower. Pydantic does not validate defaults",
            read='the list in "Exercise 05-2"',
        )


def test_05_2_the_bounds_are_those_of_the_settings_given(lesson: SimpleNamespace) -> None:
    narrow = bounded(lesson, max_tokens=9)
    wide = bounded(lesson, max_tokens=99, allowed_models=("a/model", "c/model"))

    assert not isinstance(ask(wide, model="c/model", max_tokens=99), ValidationError), wrong(
        "refuses-a-good-request",
        seen="this was refused: max_tokens 99 and the model c/model, where the settings allow just these",
        due="it passes: every bound comes from the settings that were given",
        read='the list in "Exercise 05-2"',
    )
    assert isinstance(ask(narrow, max_tokens=99), ValidationError), wrong(
        "last-settings-win",
        seen="a class for 9 tokens was made, then one for 99: the first class took 99",
        due="a class of its own for each call, with the bounds of its settings: two apps may run in one process",
        read='"Exercise 05-2", its first line',
    )


def test_05_2_no_message_holds_what_was_sent(lesson: SimpleNamespace) -> None:
    request_type = bounded(lesson, max_characters=30)
    bodies: dict[str, dict[str, Any]] = {
        "the model": {"model": CANARY},
        "the text": {"messages": [{"role": "user", "content": 9 * CANARY}]},
        "an unknown field": {CANARY: CANARY},
        "max_tokens": {"max_tokens": 98765},
    }
    for what, body in bodies.items():
        told = str(lesson.problems_of(ask(request_type, **body).errors()))

        assert not any(sent in told for sent in (CANARY, "98765")), wrong(
            "echoes",
            seen=f"the message of the error holds what was sent as {what}",
            due="a message of fixed words: answers end in logs and screenshots",
            read='"Exercise 05-2", the line below the list',
        )


# --- 05-3 public_error --------------------------------------------------------------------------------------

TABLE: list[tuple[str, str, Any, tuple[int, str]]] = [
    ("callers-fault", "an answer 400", httpx2.Response(400), (400, "bad_request")),
    ("callers-fault", "an answer 413", httpx2.Response(413), (400, "bad_request")),
    ("callers-fault", "an answer 422", httpx2.Response(422), (400, "bad_request")),
    ("callers-fault", "an answer 404", httpx2.Response(404), (404, "not_found")),
    ("rate-limit", "an answer 429", httpx2.Response(429), (429, "rate_limited")),
    ("tells-about-us", "an answer 402", httpx2.Response(402), (503, "unavailable")),
    ("tells-about-us", "an answer 401", httpx2.Response(401), (502, "bad_gateway")),
    ("tells-about-us", "an answer 403", httpx2.Response(403), (502, "bad_gateway")),
    ("upstream-broken", "an answer 500", httpx2.Response(500), (502, "bad_gateway")),
    ("upstream-broken", "an answer 503", httpx2.Response(503), (502, "bad_gateway")),
    ("upstream-broken", "an answer 504", httpx2.Response(504), (502, "bad_gateway")),
    ("upstream-broken", "an answer 408", httpx2.Response(408), (502, "bad_gateway")),
    ("upstream-broken", "an answer 418", httpx2.Response(418), (502, "bad_gateway")),
    ("upstream-broken", "an answer 302", httpx2.Response(302), (502, "bad_gateway")),
    ("upstream-broken", "an answer 200", httpx2.Response(200), (502, "bad_gateway")),
    ("own-exception", "ClientLeft", "ClientLeft", (499, "client_left")),
    ("timeout", "httpx2.PoolTimeout", httpx2.PoolTimeout(""), (503, "unavailable")),
    ("timeout", "httpx2.ReadTimeout", httpx2.ReadTimeout(""), (504, "timeout")),
    ("timeout", "httpx2.ConnectTimeout", httpx2.ConnectTimeout(""), (504, "timeout")),
    ("timeout", "httpx2.WriteTimeout", httpx2.WriteTimeout(""), (504, "timeout")),
    ("timeout", "TimeoutError", TimeoutError(), (504, "timeout")),
    ("connection", "httpx2.ConnectError", httpx2.ConnectError(""), (502, "bad_gateway")),
    ("connection", "httpx2.RemoteProtocolError", httpx2.RemoteProtocolError(""), (502, "bad_gateway")),
    ("connection", "httpx2.WriteError", httpx2.WriteError(""), (502, "bad_gateway")),
    ("connection", "httpx2.ProxyError", httpx2.ProxyError(""), (502, "bad_gateway")),
    ("connection", "httpx2.DecodingError", httpx2.DecodingError(""), (502, "bad_gateway")),
    ("connection", "BadAnswer", "BadAnswer", (502, "bad_gateway")),
    ("own-exception", "ValueError", ValueError(""), (500, "internal")),
]  # fmt: skip


def test_05_3_each_outcome_is_translated(lesson: SimpleNamespace) -> None:
    for name, what, outcome, due in TABLE:
        outcome = getattr(lesson, outcome)() if isinstance(outcome, str) else outcome

        try:
            error = lesson.public_error(outcome)
        except NotImplementedError:
            raise
        except Exception as raised:
            error = raised

        seen = (getattr(error, "status", type(error).__name__), getattr(error, "code", ""))
        assert seen == due, wrong(
            f"wrong-{name}",
            seen=f"for {what} you returned {seen[0]} {seen[1]!r}",
            due=f"{due[0]} {due[1]!r}",
            read='the table in "Exercise 05-3", and its order',
        )


def test_05_3_our_own_refusals_say_how_long_to_wait(lesson: SimpleNamespace) -> None:
    for status, code in [(429, "rate_limited"), (503, "unavailable")]:
        error = lesson.public_error(lesson.TurnedAway(status, 4))

        seen = (error.status, error.code, error.retry_after_seconds)
        assert seen == (status, code, 4), wrong(
            "own-refusal",
            seen=f"for TurnedAway({status}, 4): {seen}",
            due=f"{(status, code, 4)}",
            read='the row of TurnedAway in "Exercise 05-3"',
        )


def test_05_3_a_wait_is_whole_seconds_or_ten(lesson: SimpleNamespace) -> None:
    for sent, due in [
        ("7", 7),
        ("1", 1),
        ("3600", 3600),
        (None, 10),
        ("", 10),
        ("0", 10),
        ("-5", 10),
        ("1.5", 10),
        ("abc", 10),
        ("3601", 10),
        ("9" * 5000, 10),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 10),
        ("\u00b2", 10),
        ("\u0663", 10),
        ("+7", 10),
        ("1_5", 10),
        ("inf", 10),
    ]:
        headers = [] if sent is None else [(b"Retry-After", sent.encode())]

        try:
            seen = lesson.public_error(httpx2.Response(429, headers=headers)).retry_after_seconds
        except NotImplementedError:
            raise
        except Exception as error:
            seen = f"{type(error).__name__} was raised"

        shown = "missing" if sent is None else ascii(sent) if len(sent) < 40 else f"{sent[:5]}... ({len(sent)} digits)"
        assert seen == due, wrong(
            "loses-retry-after" if due != 10 else "any-retry-after",
            seen=f"for a 429 with Retry-After {shown}: {seen}",
            due=f"{due}: theirs if it is one to four ASCII digits that say 1 to 3600, else 10",
            read='the row of 429 in "Exercise 05-3"',
        )


def test_05_3_waiting_is_only_named_where_it_helps(lesson: SimpleNamespace) -> None:
    for _, what, outcome, (status, _) in TABLE:
        if status == 429:
            continue
        if isinstance(outcome, httpx2.Response):
            outcome = httpx2.Response(outcome.status_code, headers={"Retry-After": "7"})
        outcome = getattr(lesson, outcome)() if isinstance(outcome, str) else outcome
        due = 1 if what.endswith("PoolTimeout") else None

        seen = lesson.public_error(outcome).retry_after_seconds

        assert seen == due, wrong(
            "wrong-wait",
            seen=f"retry_after_seconds is {seen} for {what}",
            due=f"{due}: the column Retry-After of the table, where an empty field is None",
            read='the table in "Exercise 05-3"',
        )


def test_05_3_nothing_of_the_upstream_comes_through(lesson: SimpleNamespace) -> None:
    request = httpx2.Request("POST", UPSTREAM, headers={"Authorization": f"Bearer {CANARY}"})
    outcomes: list[Any] = [
        httpx2.Response(
            s, headers={"X-Request-Id": CANARY, "Retry-After": CANARY}, json={"error": CANARY}, request=request
        )
        for s in (200, 400, 401, 404, 422, 429, 500)
    ]
    outcomes += [
        httpx2.ConnectError(CANARY, request=request),
        httpx2.ReadTimeout(CANARY),
        ValueError(CANARY),
        lesson.BadAnswer(CANARY),
    ]
    for outcome in outcomes:
        assert CANARY not in str(lesson.public_error(outcome)), wrong(
            "quotes-the-upstream",
            seen=f"for {type(outcome).__name__} the error that a stranger sees holds a text of the upstream",
            due="status, code, an id of our own, and a number",
            read='"Exercise 05-3", the line on what does not come in',
        )


def test_05_3_each_error_has_an_id_of_its_own(lesson: SimpleNamespace) -> None:
    outcome = httpx2.ReadTimeout("")
    ids = {lesson.public_error(outcome).id for _ in range(20)}

    assert len({each for each in ids if len(str(each)) >= 8}) == 20, wrong(
        "same-id",
        seen=f"the same time-out, twenty times, had {len(ids)} different ids, such as {sorted(map(str, ids))[0]!r}",
        due="a new one each time, long enough to be found in a log: secrets.token_hex(8)",
        read='"Exercise 05-3", the line on `id`',
    )


# --- 05-4 chat_app ------------------------------------------------------------------------------------------

Answer = Callable[[], httpx2.Response] | Exception


class Upstream(httpx2.AsyncBaseTransport):
    """An upstream in this process: gives (or raises) its answers in turn, the last for ever. Notes the requests."""

    def __init__(self) -> None:
        self.forget()

    def forget(self, *answers: Answer) -> None:
        """Begin anew, with these answers to give."""
        self._answers = list(answers) or [partial(httpx2.Response, 200, json=ANSWER)]
        self.requests: list[httpx2.Request] = []
        self.closings = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer()

    async def aclose(self) -> None:
        self.closings += 1


class Forever(httpx2.AsyncBaseTransport):
    """An upstream that never answers. reached, ended: a call came, and was cancelled."""

    def __init__(self) -> None:
        self.reached, self.ended = asyncio.Event(), asyncio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        raise AssertionError


class Client:
    """The client's end of one ASGI call: sends `body`, stays until `leave` is set, keeps what it is sent, and when."""

    def __init__(self, body: bytes = b"{}") -> None:
        self._body: bytes | None = body
        self.leave, self.got_a_piece = asyncio.Event(), asyncio.Event()
        self.messages: list[Any] = []
        self.pieces: list[tuple[float, str]] = []
        self.response: Any = None  # kept, or the garbage collector would close what the code under test forgot

    async def receive(self) -> Any:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await asyncio.sleep(0)  # a server may wait here, for a client that reads slowly or has left
        self.messages.append(message)
        if message.get("body"):
            self.pieces.append((asyncio.get_running_loop().time(), message["body"].decode()))
            self.got_a_piece.set()

    def scope(self, path: str = "/api/chat", method: str = "POST") -> dict[str, Any]:
        """As uvicorn 0.54 gives it."""
        return {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "state": {},
        }  # fmt: skip


async def happens(event: asyncio.Event) -> bool:
    """Whether it happens at once, more or less."""
    try:
        await asyncio.wait_for(event.wait(), PATIENCE_SECONDS)
    except TimeoutError:
        return False
    return True


async def ends_alone(call: asyncio.Task[Any]) -> bool:
    """Whether the task ends at once; if not, it is ended."""
    await asyncio.wait({call}, timeout=PATIENCE_SECONDS)
    ended = call.done()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    return ended


def request_of(method: str, path: str, **given: Any) -> httpx2.Request:
    return httpx2.Request(method, f"http://proxy.test{path}", **given)


post, get = partial(request_of, "POST"), partial(request_of, "GET")


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[Callable[[Any, Any, Any], Coroutine[Any, Any, None]]]:
    """The app between its start and its end, as a server calls it: with the state that its lifespan yields."""
    async with app.router.lifespan_context(app) as state:

        async def call(scope: Any, receive: Any, send: Any) -> None:
            await app(scope | {"state": dict(state or {})}, receive, send)

        yield call


def visited(app: FastAPI, *requests: httpx2.Request) -> list[httpx2.Response]:
    """What a visitor gets for these requests, one after the other, while the app runs.

    An exception that the app let out is in the answer's extensions, as "escaped".
    """
    unanswered: list[str] = []
    escaped: list[Exception] = []

    async def visit() -> list[httpx2.Response]:
        async with running(app) as call:

            async def served(scope: Any, receive: Any, send: Any) -> None:
                sent: list[Any] = []

                async def noted(message: Any) -> None:
                    sent.append(message)
                    await send(message)

                try:
                    await call(scope, receive, noted)
                except Exception as error:
                    escaped.append(error)
                    raise
                if not sent:
                    unanswered.append(f"{scope['method']} {scope['path']}")
                    await JSONResponse(None)(scope, receive, send)

            transport = httpx2.ASGITransport(served, raise_app_exceptions=False)
            async with httpx2.AsyncClient(transport=transport) as visitor:
                answers = []
                for request in requests:
                    answers.append(await visitor.send(request))
                    answers[-1].extensions["escaped"] = escaped.pop() if escaped else None
                return answers

    answers = asyncio.run(visit())
    assert not unanswered, wrong(
        "unanswered",
        seen=f"for {unanswered[0]} your app sent nothing, and its call was over",
        due="an answer to each request: whoever wraps `send` passes every message on, `await send(message)`",
        read='"Not too often, not too many": the class Limited',
    )
    return answers


@contextmanager
def handed_over(lesson: SimpleNamespace, function: Any) -> Iterator[list[Any]]:
    """What the learner's function gives to answer_for meanwhile: exceptions that nobody else would see."""
    given: list[Any] = []

    def noted(outcome: Any) -> Any:
        given.append(outcome)
        return answer_for(outcome)

    answer_for = lesson.answer_for
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(function.__globals__, "answer_for", noted)
        yield given


def came_up(function: Any, outcomes: Iterable[Any]) -> str:
    """Which exception came up at which line of the learner's. Without its text: that may hold the token."""
    for error in outcomes:
        if isinstance(error, Exception) and error.__traceback__:  # one that was made and never raised has none
            cell = function.__code__.co_filename
            where = learners_line(error.__traceback__, cell) or learners_line(error.__traceback__)
            return f"; {type(error).__name__} came up" + (f" at {where}" if where else "")
    return ""


def shown(function: Any, answer: httpx2.Response, outcomes: Iterable[Any] = ()) -> str:
    """An answer as a message shows it, and what came up on the way."""
    told = came_up(function, [*outcomes, answer.extensions["escaped"]])
    return f"{answer.status_code} {answer.text[:200]}{told}"


def proxy(lesson: SimpleNamespace) -> tuple[FastAPI, Upstream]:
    """The learner's app, with a fresh upstream behind it. Made once for all checks: that costs more than a request."""
    if not hasattr(lesson, "made_for_the_checks"):
        upstream = Upstream()
        lesson.made_for_the_checks = lesson.chat_app(settings_of(lesson), upstream), upstream
    app, upstream = lesson.made_for_the_checks
    upstream.forget()
    return app, upstream


def asked(lesson: SimpleNamespace, *answers: Answer) -> list[httpx2.Response]:
    """What a visitor gets for each of these answers of the upstream."""
    app, upstream = proxy(lesson)
    upstream.forget(*answers)
    got = visited(app, *(post("/api/chat", json=QUESTION) for _ in answers))
    assert len(upstream.requests) == len(answers), wrong(
        "asks-again",
        seen=f"{len(answers)} visitors asked once each, and the upstream was asked {len(upstream.requests)} times",
        due="once each: every call is paid for, and whether to try again is the client's decision",
        read='"Exercise 05-4", its second point',
    )
    return got


def test_05_4_a_question_is_answered(lesson: SimpleNamespace) -> None:
    paths = ("/api/chat", "/v1/chat/completions")
    passed_by: list[httpx2.Request] = []

    async def the_network(_: Any, request: httpx2.Request) -> httpx2.Response:
        passed_by.append(request)
        raise httpx2.ConnectError("a check has no network")

    with handed_over(lesson, lesson.chat_app) as outcomes, pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", the_network)
        app, _ = proxy(lesson)
        answers = visited(app, *(post(path, json=QUESTION) for path in paths))

    for path, answer in zip(paths, answers, strict=True):
        assert not passed_by, wrong(
            "passes-by-the-transport",
            seen=f"POST {path}: a request went to the network, past the transport that chat_app was given",
            due="transport=transport, where the AsyncClient is made",
            read='"Exercise 05-4", its first point',
        )
        assert answer.status_code == 200, wrong(
            "no-answer",
            seen=f"POST {path}, and an upstream that answers 200: {shown(lesson.chat_app, answer, outcomes)}",
            due="200, at both addresses",
            read='"Exercise 05-4", its second point',
        )
        assert answer.json() == lesson.ChatAnswer.model_validate(ANSWER).model_dump(), wrong(
            "another-answer",
            seen=f"POST {path}: {answer.text[:300]}",
            due="the fields of ChatAnswer, as the upstream filled them",
            read='"Exercise 05-4", its second point',
        )
        assert FAKE not in f"{answer.headers!r}{dict(answer.headers)}{answer.text}", wrong(
            "shows-the-token",
            seen=f"POST {path}: the token is in the answer",
            due="it stays here: the client must not be able to read it anywhere",
            read='"What a page gives away"',
        )


# This one stands before those that use the app of `proxy` again: what it finds would spoil them.
def test_05_4_there_is_one_client(lesson: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    init = httpx2.AsyncClient.__init__
    upstream, settings = Upstream(), settings_of(lesson, connect_seconds=3, idle_seconds=44, max_concurrent=6)
    meanwhile: list[tuple[bool, Any]] = []

    def counted(self: httpx2.AsyncClient, **given: Any) -> None:
        made.append(given)
        init(self, **given)

    def noted() -> httpx2.Response:
        meanwhile.append((bool(upstream.closings), getattr(app.state, "client", None)))
        return httpx2.Response(200, json=ANSWER)

    upstream.forget(noted)
    with monkeypatch.context() as patch:
        patch.setattr(httpx2.AsyncClient, "__init__", counted)
        app = lesson.chat_app(settings, upstream)
        before = len(made)
        visited(app, *3 * [post("/api/chat", json=QUESTION)])
    made = [given for given in made if not isinstance(given.get("transport"), httpx2.ASGITransport)]  # the visitor's
    closed, shared = any(closed for closed, _ in meanwhile), meanwhile[-1][1]

    assert (len(made), closed) == (1, False), wrong(
        "client-per-request",
        seen=f"three requests, and {len(made)} clients were made"
        + ("; the transport was closed while the app was running" if closed else ""),
        due="one, made in lifespan, for all: a new one opens a new connection each time",
        read='"The server": one client for all calls',
    )
    assert before == 0, wrong(
        "client-before-the-start",
        seen="the client was made by chat_app itself, before the app had started",
        due="made in lifespan: it belongs to the loop that runs the app, and can be closed there",
        read='"Exercise 05-4", its first point',
    )
    assert isinstance(shared, httpx2.AsyncClient), wrong(
        "hidden-client",
        seen=f"while the app runs, app.state.client is {type(shared).__name__}",
        due="the AsyncClient: health checks look at it",
        read='"Exercise 05-4", its first point',
    )
    assert shared.is_closed, wrong(
        "never-closed",
        seen="after the end of the app its client was still open",
        due="closed: async with httpx2.AsyncClient(...) in lifespan, with the yield inside",
        read='"Exercise 05-4", its first point',
    )
    waits = shared.timeout
    assert (waits.connect, waits.read) == (3, 44), wrong(
        "other-waits",
        seen=f"with connect_seconds=3 and idle_seconds=44 the client waits {waits.connect} s and {waits.read} s",
        due="3 s and 44 s: httpx2.Timeout(idle, connect=...)",
        read='"The server": every wait is bounded',
    )
    assert None not in (waits.write, waits.pool), wrong(
        "endless-wait",
        seen=f"the client waits {waits.write} s to send and {waits.pool} s for a free connection; None is for ever",
        due="a number each: httpx2.Timeout(idle, connect=...) bounds them as well",
        read='"The server": every wait is bounded',
    )
    limits = made[0].get("limits")
    assert getattr(limits, "max_connections", None) == 6, wrong(
        "no-limit",
        seen=f"with max_concurrent=6 the client was made with limits={limits}",
        due="httpx2.Limits(max_connections=6)",
        read='"Exercise 05-4", its first point',
    )


def test_05_4_the_upstream_gets_our_token_and_four_fields(lesson: SimpleNamespace) -> None:
    app, upstream = proxy(lesson)
    bodies = [{"max_tokens": 7}, {}]
    visited(app, *(post("/api/chat", json=QUESTION | body) for body in bodies))

    for request, body in zip(upstream.requests, bodies, strict=True):
        authorization = request.headers.get("authorization")
        assert authorization == f"Bearer {FAKE}", wrong(
            "no-token",
            seen=f"the request upstream carried {'no' if authorization is None else 'another'} Authorization",
            due="`Bearer`, a space and the value of settings.hf_token, from get_secret_value()",
            read='"Exercise 05-4", its first point',
        )
        assert str(request.url) == f"{UPSTREAM}/chat/completions", wrong(
            "another-address",
            seen=f"with upstream_url={UPSTREAM} you asked {request.url}",
            due=f"{UPSTREAM}/chat/completions",
            read='"Exercise 05-4", its second point',
        )
        sent, due = json.loads(request.content), QUESTION | {"max_tokens": 256, "stream": False} | body
        assert sent == due, wrong(
            "another-body",
            seen=f"for {QUESTION | body} the request upstream carried {sent}",
            due=f"the four fields of the request, also those that the client left out: {due}",
            read='"Exercise 05-4", its second point',
        )


def test_05_4_what_else_the_client_sends_stays_here(lesson: SimpleNamespace) -> None:
    theirs = ("Authorization", "Cookie", "X-Forwarded-For", "X-Anything", "Traceparent")
    app, upstream = proxy(lesson)

    visited(app, post(f"/api/chat?key={CANARY}", json=QUESTION, headers=dict.fromkeys(theirs, CANARY)))

    request = upstream.requests[0]
    through = [name for name, value in request.headers.items() if CANARY in value]
    assert not through, wrong(
        "client-headers-travel",
        seen=f"the client sent {', '.join(theirs)}; the upstream got of these: {', '.join(through)}",
        due="none: what goes up is ours",
        read='"The server": what goes up',
    )
    assert CANARY not in str(request.url), wrong(
        "query-travels",
        seen="the client sent a query (`?key=...`), and the address that you asked holds it",
        due=f"{UPSTREAM}/chat/completions: what goes up is ours",
        read='"The server": what goes up',
    )


def test_05_4_only_what_was_chosen_comes_back(lesson: SimpleNamespace) -> None:
    more = ANSWER | {"system_fingerprint": CANARY, "prompt": CANARY}
    theirs = {"Set-Cookie": f"a={CANARY}", "Server": CANARY, "X-Request-Id": CANARY}

    (answer,) = asked(lesson, partial(httpx2.Response, 200, json=more, headers=theirs))

    assert CANARY not in answer.text, wrong(
        "unchosen-fields",
        seen="a field that the upstream added to its answer came back to the client",
        due="the fields of ChatAnswer, and no other",
        read='"The server": what comes down',
    )
    assert CANARY not in str(answer.headers), wrong(
        "unchosen-headers",
        seen="a header of the upstream (Set-Cookie, Server, X-Request-Id) came back to the client",
        due="an answer of our own",
        read='"The server": what comes down',
    )


def test_05_4_a_failure_upstream_is_translated(lesson: SimpleNamespace) -> None:
    translation = {401: 502, 402: 503, 422: 400, 429: 429, 302: 502, 500: 502, 202: 502}
    theirs = {"Location": f"https://{CANARY}.test", "Retry-After": "7"}
    gives = [
        partial(httpx2.Response, status, json=ANSWER | {"error": CANARY}, headers=theirs) for status in translation
    ]

    for (status, due), answer in zip(translation.items(), asked(lesson, *gives), strict=True):
        assert answer.status_code != 200, wrong(
            "error-with-200",
            seen=f"the upstream said {status}, and the client got 200",
            due=f"{due}: a program looks at the status, and believes it",
            read='"Exercise 05-4", its second point',
        )
        assert CANARY not in answer.text + str(answer.headers), wrong(
            "echoes-the-upstream",
            seen=f"the upstream said {status}, and a text of its answer came back to the client",
            due="answer_for(answer): nothing of theirs",
            read='"What went wrong, for strangers"',
        )
        assert answer.status_code == due, wrong(
            "untranslated",
            seen=f"the upstream said {status}, and the client got {shown(lesson.chat_app, answer)}",
            due=f"{due}, as answer_for makes it",
            read='"Exercise 05-4", its second point',
        )


def test_05_4_an_answer_without_sense_is_an_error(lesson: SimpleNamespace) -> None:
    nonsense = {
        "an error": partial(httpx2.Response, 200, json={"error": CANARY}),
        "a page of HTML": partial(httpx2.Response, 200, text=f"<h1>{CANARY}</h1>"),
        "no choices": partial(httpx2.Response, 200, json=ANSWER | {"choices": []}),
    }

    for what, answer in zip(nonsense, asked(lesson, *nonsense.values()), strict=True):
        assert answer.status_code == 502, wrong(
            "nonsense-passes",
            seen=f"a 200 with {what} inside, and the client got {shown(lesson.chat_app, answer)}",
            due="502: what ChatAnswer cannot read is a BadAnswer",
            read='"Exercise 05-4", its second point',
        )


def test_05_4_an_exception_is_translated(lesson: SimpleNamespace) -> None:
    translation: dict[Exception, int] = {
        httpx2.ConnectError(CANARY): 502,
        httpx2.ReadTimeout(CANARY): 504,
        httpx2.PoolTimeout(CANARY): 503,
        RuntimeError(CANARY): 500,
    }

    for (error, due), answer in zip(translation.items(), asked(lesson, *translation), strict=True):
        assert (answer.status_code, "id" in answer.text) == (due, True), wrong(
            "exception-escapes",
            seen=f"{type(error).__name__} upstream: the client got {shown(lesson.chat_app, answer)}",
            due=f"{due}, with the body that answer_for makes",
            read='"Exercise 05-4", its second point',
        )
        assert CANARY not in answer.text, wrong(
            "tells-the-exception",
            seen=f"{type(error).__name__} upstream, and its text came to the client",
            due="answer_for(error): nothing of theirs",
            read='"What went wrong, for strangers"',
        )


def test_05_4_a_bad_body_is_refused_without_an_echo(lesson: SimpleNamespace) -> None:
    bodies = [{"model": CANARY, "messages": []}, QUESTION | {CANARY: CANARY}, {"messages": CANARY}]
    headers = {"Content-Type": "application/json"}
    app, upstream = proxy(lesson)
    contents = [*map(json.dumps, bodies), f'{{"model": {CANARY}']  # the last one is no JSON

    answers = visited(app, *(post("/api/chat", content=content, headers=headers) for content in contents))

    for content, answer in zip(contents, answers, strict=True):
        assert (answer.status_code, len(upstream.requests)) == (422, 0), wrong(
            "bad-body-passes",
            seen=f"the body {content[:40]}... got {answer.status_code}, "
            f"and {len(upstream.requests)} requests went upstream",
            due="422, and none: the parameter of the route is of the type bounded_request(settings)",
            read='"Exercise 05-4", its last point',
        )
        assert CANARY not in answer.text, wrong(
            "echoes-the-client",
            seen=f"the answer 422 holds what the client had sent: {answer.text[:200]}",
            due="problems_of(error.errors()): FastAPI's own answer repeats the input",
            read='"Exercise 05-4", its last point',
        )
        assert answer.json().get("error", {}).get("problems"), wrong(
            "no-problems",
            seen=f"the answer 422 was {answer.text[:200]}",
            due='{"error": {"code": "invalid", "problems": [...]}}: the author of the page must know what to mend',
            read='"Exercise 05-4", its last point',
        )


def test_05_4_a_stream_is_handed_on(lesson: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    async def stream_answer(request: Request, opening: Any, settings: Any) -> Response:
        async with opening as answer:
            given.append(
                (request.url.path, str(answer.request.url), json.loads(answer.request.content)["stream"], settings)
            )
        return Response("handed on")

    monkeypatch.setitem(lesson.chat_app.__globals__, "stream_answer", stream_answer)
    app, _ = proxy(lesson)

    (answer,) = visited(app, post("/api/chat", json=QUESTION | {"stream": True}))

    due = [("/api/chat", f"{UPSTREAM}/chat/completions", True, settings_of(lesson))]
    assert (given, answer.text) == (due, "handed on"), wrong(
        "stream-not-handed-on",
        seen=f"with stream true, stream_answer was called {len(given)} times, and the client got {answer.text[:80]!r}",
        due='one call, its answer returned: stream_answer(request, client.stream("POST", ..., json=...), settings)',
        read='"Exercise 05-4", its third point',
    )


def test_05_4_the_call_ends_when_the_client_leaves(lesson: SimpleNamespace) -> None:
    upstream = Forever()

    async def end(leaves: bool, app: Any) -> tuple[bool, bool]:
        """Whether the call upstream ended at once, and whether the task of the call ended by a cancellation."""
        upstream.reached.clear()
        upstream.ended.clear()
        client = Client(json.dumps(QUESTION).encode())
        call = asyncio.create_task(app(client.scope(), client.receive, client.send))
        await happens(upstream.reached)
        client.leave.set() if leaves else call.cancel()
        ended = await happens(upstream.ended)
        await ends_alone(call)
        return ended, call.cancelled()

    async def both() -> tuple[bool, bool]:
        async with running(lesson.chat_app(settings_of(lesson), upstream)) as app:
            return (await end(True, app))[0], (await end(False, app))[1]

    left, cancelled = run(both(), lesson.chat_app.__globals__)

    assert left, wrong(
        "works-for-nobody",
        seen=f"the client left, and {PATIENCE_SECONDS} s later the call upstream was still going on",
        due="ended at once: await while_connected(request, client.post(...))",
        read='"The server": the paragraph on a client that leaves',
    )
    assert cancelled, wrong(
        "swallows-the-end",
        seen="the server cancelled the call, as it does when it shuts down, and your code answered as if nothing was",
        due="CancelledError goes on: `except Exception` lets it pass, a bare `except` or BaseException does not",
        read='"Exercise 05-4", its second point',
    )


# --- 05-5 stream_answer -------------------------------------------------------------------------------------


def chunk(text: str, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    return f"data: {json.dumps({'choices': [choice], **more})}\n\n".encode()


DONE = b"data: [DONE]\n\n"
Part = bytes | Exception | asyncio.Event | float


class Body(httpx2.AsyncByteStream):
    """The upstream's stream: sends bytes, is silent for seconds or until an event, or breaks with an exception."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts
        self.closed = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            match part:
                case asyncio.Event():
                    await part.wait()
                case Exception():
                    raise part
                case float():
                    await asyncio.sleep(part)
                case _:
                    yield part

    async def aclose(self) -> None:
        self.closed.set()


class Streamed:
    """What a client got from stream_answer. status, headers, text; closed: whether the upstream was let go."""

    def __init__(self, client: Client, body: Body, escaped: BaseException | None) -> None:
        start: dict[str, Any] = next((m for m in client.messages if m["type"] == "http.response.start"), {})
        self.status = start.get("status")
        self.headers = {name.decode(): value.decode() for name, value in start.get("headers", [])}
        self.pieces = client.pieces
        self.text = "".join(text for _, text in self.pieces)
        self.closed, self.escaped = body.closed.is_set(), escaped

    def events(self) -> list[tuple[str, str]]:
        """(type, data) of each event, as a browser reads them."""
        return [(event.event, event.data) for event in httpx2.EventSource(self._response())]

    def _response(self) -> httpx2.Response:
        headers = {"Content-Type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, text=self.text, request=httpx2.Request("POST", UPSTREAM))

    def chunks(self) -> list[dict[str, Any]]:
        """The data of the events that are JSON objects, errors left out."""
        found = []
        for kind, data in self.events():
            try:
                found += [json.loads(data)] if kind == "message" and data.startswith("{") else []
            except ValueError:
                found += [{"broken": data}]
        return found

    def said(self) -> str:
        """The text that the events spell out."""
        deltas = [each["choices"][0]["delta"] for each in self.chunks() if each.get("choices")]
        return "".join(delta.get("content", "") for delta in deltas)

    def error(self) -> dict[str, Any]:
        """What the last event tells of an error; {} if it tells none."""
        try:
            return dict(json.loads(self.events()[-1][1])["error"])
        except (IndexError, ValueError, TypeError, KeyError):
            return {}


async def _streamed(
    lesson: SimpleNamespace,
    parts: list[Part],
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    client: Client | None = None,
    leaves_before_the_first_event: bool = False,
) -> Streamed:
    body, client = Body(parts), client or Client()
    theirs = {"Content-Type": "text/event-stream"} | (headers or {})
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, headers=theirs, stream=body))
    escaped = await _call(lesson, client, transport, leaves_before_the_first_event)
    return Streamed(client, body, escaped)


async def _call(
    lesson: SimpleNamespace, client: Client, transport: Any, leaves_before_the_first_event: bool = False
) -> BaseException | None:
    scope = client.scope()
    request = Request(scope, client.receive)
    await request.body()  # as FastAPI has read it by then

    async def answer() -> None:
        response = await lesson.stream_answer(request, upstream.stream("POST", UPSTREAM), settings_of(lesson))
        client.response = response
        if leaves_before_the_first_event:
            client.leave.set()
        await response(scope, client.receive, client.send)

    try:
        async with httpx2.AsyncClient(transport=transport) as upstream:
            await asyncio.wait_for(answer(), 600)
    except NotImplementedError:
        raise
    except Exception as error:
        return error
    return None


def stream(lesson: SimpleNamespace, parts: list[Part], **more: Any) -> Streamed:
    """Let stream_answer relay an upstream that sends `parts`; the client stays until the end, or for ten minutes."""
    return run(_streamed(lesson, parts, **more), lesson.stream_answer.__globals__)


def test_05_5_events_pass_in_order(lesson: SimpleNamespace) -> None:
    with handed_over(lesson, lesson.stream_answer) as outcomes:
        got = stream(lesson, [chunk("Well"), chunk(", yes. [DONE]")[:20], chunk(", yes. [DONE]")[20:] + DONE])

    told = came_up(lesson.stream_answer, [*outcomes, got.escaped])
    kind = got.headers.get("content-type", "")
    assert kind.startswith("text/event-stream"), wrong(
        "another-content-type",
        seen=f"the answer came as {got.status} {kind} {got.text[:100]}{told}",
        due="200 text/event-stream: return an EventStream",
        read='"Exercise 05-5", point 2',
    )
    assert got.said() == "Well, yes. [DONE]", wrong(
        "text-lost",
        seen=f"the upstream said 'Well' and ', yes. [DONE]', and the client got {got.text[:300]!r}{told}",
        due='two events "data: {...}", a blank line after each',
        read='"Exercise 05-5", point 3',
    )
    assert got.events()[-1] == ("message", "[DONE]"), wrong(
        "no-done",
        seen=f"the last event was {got.events()[-1]}",
        due="data: [DONE], as the upstream said it: without it a client thinks that the answer was cut",
        read='"Exercise 05-5", point 3',
    )
    assert got.closed, wrong(
        "left-open",
        seen="the stream was over, and the upstream's answer was still open",
        due="closed: EventStream does it, if it was given the stack with the upstream in it (pop_all)",
        read='"Exercise 05-5", point 2',
    )


def test_05_5_only_chosen_fields_pass(lesson: SimpleNamespace) -> None:
    got = stream(lesson, [chunk("Well", prompt=CANARY, provider=CANARY), DONE])

    assert CANARY not in got.text, wrong(
        "unchosen-fields",
        seen="a field that the upstream added to an event came through to the client",
        due="the fields of ChatChunk, and no other",
        read='"Exercise 05-5", point 3',
    )


def test_05_5_any_spelling_of_a_stream_is_read(lesson: SimpleNamespace) -> None:
    plain = chunk("Well").decode()
    halves = plain.replace(', "delta"', ',\ndata: "delta"')
    spellings = {
        "a charset in the content type": ([plain, plain], {"Content-Type": "text/event-stream; charset=utf-8"}),
        "comments between the events": ([": thinking\n\n", plain, ": thinking\n\n", plain], None),
        "lines that end with CR LF": ([plain.replace("\n", "\r\n")] * 2, None),
        "no space after `data:`": ([plain.replace("data: ", "data:")] * 2, None),
        "an event in two lines `data:`": ([halves] * 2, None),
    }
    for what, (texts, headers) in spellings.items():
        got = stream(lesson, [*(text.encode() for text in texts), DONE], headers=headers)

        assert (got.said(), got.events()[-1:]) == ("WellWell", [("message", "[DONE]")]), wrong(
            "one-spelling",
            seen=f"the upstream's stream had {what}: the client got {got.status} {got.text[:200]!r}",
            due="the same two events: the content type may have parameters, and httpx2.EventSource reads all of this",
            read='"Streaming": the paragraph below the list',
        )


def test_05_5_every_event_passes(lesson: SimpleNamespace) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    bills = f"data: {json.dumps(last)}\n\ndata: {json.dumps({'choices': [], 'usage': usage})}\n\n"

    got = stream(lesson, [chunk("Well"), bills.encode(), DONE])

    reasons = [each["choices"][0].get("finish_reason") for each in got.chunks() if each.get("choices")]
    assert (reasons[-1:], [each["usage"] for each in got.chunks() if each.get("usage")]) == (["stop"], [usage]), wrong(
        "event-dropped",
        seen="after the text the upstream sent an event without text (finish_reason: stop) and one without choices "
        f"(usage): the client got {got.text[-300:]!r}",
        due="both: each event that is a ChatChunk passes, whatever is in it",
        read='"Exercise 05-5", point 3',
    )


def test_05_5_events_pass_as_they_come(lesson: SimpleNamespace) -> None:
    async def slow_upstream() -> Streamed:
        client = Client()
        return await _streamed(lesson, [chunk("Well"), client.got_a_piece, chunk("."), DONE], client=client)

    got = run(slow_upstream(), lesson.stream_answer.__globals__)

    assert (got.escaped, got.said()) == (None, "Well."), wrong(
        "held-back",
        seen="the upstream sent one event and waited; the client did not get that event before the next one",
        due="each event sent on when it comes: a generator that yields",
        read='"Streaming"',
    )


def test_05_5_before_the_first_byte_errors_are_json(lesson: SimpleNamespace) -> None:
    for status, due in ((401, 502), (429, 429), (500, 502)):
        got = stream(lesson, [CANARY.encode()], status=status, headers={"Retry-After": "7"})

        assert got.status == due, wrong(
            "error-as-a-stream",
            seen=f"the upstream said {status}, and the client got {got.status} {got.headers.get('content-type')}",
            due=f"{due} as JSON: look at the status before the stream begins",
            read='"Exercise 05-5", point 1',
        )
        assert CANARY not in got.text, wrong(
            "echoes-the-upstream",
            seen=f"the upstream said {status}, and a text of its answer came through to the client",
            due="answer_for(answer)",
            read='"Exercise 05-5", point 1',
        )
        assert got.closed, wrong(
            "error-left-open",
            seen=f"the upstream said {status}; its answer was never closed, so its connection is lost for others",
            due="closed: leave the `async with AsyncExitStack()` without pop_all",
            read='"Exercise 05-5", point 1',
        )


def test_05_5_an_answer_that_is_no_stream_is_an_error(lesson: SimpleNamespace) -> None:
    got = stream(lesson, [b"<h1>Hello</h1>"], headers={"Content-Type": "text/html"})

    assert got.status == 502, wrong(
        "html-as-a-stream",
        seen=f"the upstream sent a page of HTML, and the client got {got.status} {got.text[:100]!r}",
        due="502: look at the content type before the stream begins",
        read='"Exercise 05-5", point 1',
    )


def test_05_5_an_exception_before_the_stream_is_json(lesson: SimpleNamespace) -> None:
    for error, due in ((httpx2.ConnectError(CANARY), 502), (httpx2.ReadTimeout(CANARY), 504)):
        client, upstream = Client(), Upstream()
        upstream.forget(error)

        escaped = run(_call(lesson, client, upstream), lesson.stream_answer.__globals__)

        status = client.messages[0].get("status") if client.messages else None
        assert status == due, wrong(
            "exception-escapes",
            seen=f"{type(error).__name__} upstream: the client got {status}; raised was {type(escaped).__name__}",
            due=f"{due}, from answer_for",
            read='"Exercise 05-5", point 1',
        )


LATE: dict[str, tuple[str, str, list[Part]]] = {
    "an error inside a 200": ("late-error-lost", "bad_gateway", [f'data: {{"error": "{CANARY}"}}\n\n'.encode(), DONE]),
    "an event that is no JSON": ("late-error-lost", "bad_gateway", [f"data: {CANARY}\n\n".encode(), DONE]),
    "a broken connection": ("late-exception-escapes", "bad_gateway", [httpx2.ReadError(CANARY)]),
    "a time-out": ("late-exception-escapes", "timeout", [httpx2.ReadTimeout(CANARY)]),
    "an end with neither [DONE] nor a finish_reason": ("cut-unnoticed", "bad_gateway", []),
}


def test_05_5_a_late_error_is_an_event(lesson: SimpleNamespace) -> None:
    for what, (mistake, code, parts) in LATE.items():
        with log_of(lesson) as lines:
            got = stream(lesson, [chunk("Well"), *parts])

        assert CANARY not in got.text, wrong(
            "upstream-words",
            seen=f"after some text came {what}, and the upstream's words went through to the client",
            due="the body of answer_for(...): our own words",
            read='"Exercise 05-5", point 5',
        )
        kinds = [kind for kind, _ in got.events()]
        assert (kinds[-1:], got.escaped) == (["error"], None), wrong(
            mistake,
            seen=f"after some text came {what}: "
            + (f"{type(got.escaped).__name__} was raised" if got.escaped else f"the events were {kinds}"),
            due="message, then error: the page must learn that the answer is not whole",
            read='"Exercise 05-5", point 5',
        )
        error = got.error()
        assert (error.get("code"), "id" in error) == (code, True), wrong(
            "another-error-event",
            seen=f"after some text came {what}, and the data of the error was {got.events()[-1][1]}",
            due=f"one line, the body of answer_for(...), with the code {code}. "
            "The ValidationError of a bad event is no outcome of its own: give BadAnswer() instead",
            read='"Exercise 05-5", point 5',
        )
        assert str(error["id"]) in str(lines), wrong(
            "unlogged",
            seen=f"after some text came {what}; the client got the id of an error, and no line of the log has it",
            due="a line with id and cause: answer_for writes it, public_error alone does not",
            read='"What went wrong, for strangers": the last line',
        )


def test_05_5_silence_is_filled_and_bounded(lesson: SimpleNamespace) -> None:
    settings = settings_of(lesson)  # a comment after 10 s, the end after 30 s
    silence = stream(lesson, [chunk("Well"), asyncio.Event()])
    passed = [(seconds - silence.pieces[0][0], text) for seconds, text in silence.pieces]
    comments = [seconds for seconds, text in passed if ": keep-alive\n\n" in text]

    assert comments[:1] == [pytest.approx(settings.keep_alive_seconds, abs=1)], wrong(
        "silent",
        seen="nothing came for half a minute, with keep_alive_seconds=10, and the client got "
        + (f"its first comment after {comments[0]:.0f} s" if comments else f"{silence.text[-120:]!r}"),
        due="the comment `: keep-alive` and a blank line, each time 10 s have passed",
        read='"Exercise 05-5", point 4',
    )
    once = stream(lesson, [chunk("Well"), 12.0, chunk(", yes."), DONE])
    assert (once.said(), once.events()[-1][1]) == ("Well, yes.", "[DONE]"), wrong(
        "comment-costs-an-event",
        seen=f"the upstream paused, a comment went out, the upstream went on: the client got {once.text[-200:]!r}",
        due="Well, yes. and [DONE]: waiting for the clock must not cancel the reading (asyncio.wait, not wait_for)",
        read='the first hint of 05-5: hint("05-5")',
    )
    seconds, _ = passed[-1]
    assert (silence.error().get("code"), seconds < 45) == ("timeout", True), wrong(
        "waits-for-ever",
        seen="nothing came any more, with idle_seconds=30, and the last thing that the client got was, "
        f"after {seconds:.0f} s, {silence.text[-120:]!r}",
        due="event: error with the code timeout, when 30 s have passed",
        read='"Exercise 05-5", point 4',
    )
    words: list[Part] = [part for word in ("Well", ", ", "yes", ".") for part in (chunk(word), 22.0)]
    often = stream(lesson, [*words, DONE])
    assert (seconds >= 29, often.said(), often.events()[-1][1]) == (True, "Well, yes.", "[DONE]"), wrong(
        "gives-up-early",
        seen=f"with idle_seconds=30: a silence was ended after {seconds:.0f} s; and of four words, 22 s apart, "
        f"the client got {often.said()!r}, then {often.events()[-1]}",
        due="the end after 30 s in which nothing came; each event begins them anew",
        read='"Exercise 05-5", point 4',
    )


async def _leaving(
    lesson: SimpleNamespace, transport: Any, client: Client, when: asyncio.Event, ended: asyncio.Event
) -> tuple[bool, int]:
    """Whether `ended` happens at once after the client left, and how many tasks are left when the call is over."""
    call = asyncio.create_task(_call(lesson, client, transport))
    await happens(when)
    client.leave.set()
    at_once = await happens(ended) and await ends_alone(call)
    for _ in range(5):  # a task that was cancelled ends in the next rounds
        await asyncio.sleep(0)
    return at_once, len(asyncio.all_tasks()) - 1


def test_05_5_leaving_before_the_headers_ends_the_call(lesson: SimpleNamespace) -> None:
    async def leave() -> tuple[bool, int]:
        client, transport = Client(), Forever()
        return await _leaving(lesson, transport, client, transport.reached, transport.ended)

    at_once, _ = run(leave(), lesson.stream_answer.__globals__)

    assert at_once, wrong(
        "works-for-nobody",
        seen=f"the client left before the upstream answered, and {PATIENCE_SECONDS} s later the call was going on",
        due="ended at once: open it inside while_connected. request.is_disconnected() says only what is true now",
        read='"Exercise 05-5", point 1',
    )


def test_05_5_leaving_in_the_middle_closes_the_upstream(lesson: SimpleNamespace) -> None:
    async def leave() -> tuple[bool, int]:
        client, body = Client(), Body([chunk("Well"), asyncio.Event()])
        theirs = {"Content-Type": "text/event-stream"}
        transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=theirs, stream=body))
        return await _leaving(lesson, transport, client, client.got_a_piece, body.closed)

    at_once, tasks = run(leave(), lesson.stream_answer.__globals__)

    assert at_once, wrong(
        "streams-to-nobody",
        seen=f"the client left in the middle of a stream, and {PATIENCE_SECONDS} s later the upstream was still open",
        due="closed at once: an EventStream with the upstream's stack. A check between two events comes too late",
        read='"Exercise 05-5", point 2',
    )
    assert tasks == 0, wrong(
        "task-left",
        seen=f"the client left in the middle of a stream, the call was over, and {tasks} task was still waiting",
        due="none: what you start with create_task you cancel in `finally`, else one is lost with each visitor",
        read='"Exercise 05-5", the line below its points',
    )


def test_05_5_leaving_before_the_first_event_closes_the_upstream(lesson: SimpleNamespace) -> None:
    got = stream(lesson, [asyncio.Event()], leaves_before_the_first_event=True)

    assert got.closed, wrong(
        "never-begun",
        seen="the client left after stream_answer had returned and before the first event: the upstream stayed open",
        due="closed: by EventStream, not by a `finally` in a generator that never began",
        read='"Streaming": the paragraph below the list',
    )


def test_05_5_nobody_in_between_holds_it_back(lesson: SimpleNamespace) -> None:
    got = stream(lesson, [chunk("Well"), DONE])

    assert got.headers.get("x-accel-buffering") == "no", wrong(
        "no-event-stream",
        seen=f"the headers of the answer were {got.headers}",
        due="those of EventStream: without them a cache or nginx in between holds the events back",
        read='"Exercise 05-5", point 2',
    )


def test_05_5_a_finish_reason_is_an_end_too(lesson: SimpleNamespace) -> None:
    last = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})

    got = stream(lesson, [chunk("Well"), f"data: {last}\n\n".encode()])

    assert got.events()[-1] == ("message", "[DONE]"), wrong(
        "done-demanded",
        seen=f"the upstream gave a finish_reason and ended without [DONE]; the last event was {got.events()[-1]}",
        due="data: [DONE]: the answer is whole, and not every server says so a second time",
        read='"Exercise 05-5", point 3',
    )


# --- 05-6 RateLimiter ---------------------------------------------------------------------------------------


class Clock:
    """Seconds that pass when the check says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def limiter_of(lesson: SimpleNamespace, **settings: Any) -> tuple[Any, Clock]:
    clock = Clock()
    return lesson.RateLimiter(settings_of(lesson, **settings), clock), clock


def refusal(lesson: SimpleNamespace, limiter: Any, client: str) -> Any:
    """None if the call passes, else the TurnedAway."""
    try:
        limiter.admit(client)
    except lesson.TurnedAway as turned_away:
        return turned_away
    return None


def test_05_6_a_client_has_its_number_of_calls(lesson: SimpleNamespace) -> None:
    limiter, clock = limiter_of(lesson, requests_per_minute=5)

    passed = [refusal(lesson, limiter, "a") is None for _ in range(6)]
    clock.seconds += 0.1
    passed.append(refusal(lesson, limiter, "a") is None)

    assert passed[:5] == 5 * [True], wrong(
        "refuses-too-early",
        seen=f"with 5 calls a minute, the first five calls passed: {passed[:5]}",
        due="all five, at once if the client likes",
        read='"Exercise 05-6", the rule of `admit`',
    )
    assert passed[5:] == 2 * [False], wrong(
        "no-limit",
        seen=f"with 5 calls a minute, the sixth at once and the seventh after 0.1 s passed: {passed[5:]}",
        due="TurnedAway: a part of a call is no call",
        read='"Exercise 05-6", the rule of `admit`',
    )
    assert refusal(lesson, limiter, "b") is None, wrong(
        "one-for-all",
        seen="client a had used up its calls, and the first call of client b was refused",
        due="each client has calls of its own",
        read='"Exercise 05-6", its first lines',
    )


def test_05_6_the_wait_that_is_told_suffices(lesson: SimpleNamespace) -> None:
    for per_minute in (7, 1, 60, 600):
        limiter, clock = limiter_of(lesson, requests_per_minute=per_minute)
        for _ in range(per_minute):
            limiter.admit("a")
        clock.seconds += 0.05 if per_minute == 7 else 0
        refused = [refusal(lesson, limiter, "a") for _ in range(3)]
        refused = [each for each in refused if each]
        told = refused[-1].retry_after_seconds if refused else None

        assert (refused[-1].status if refused else None, type(told), 1 <= (told or 0) <= 60) == (429, int, True), wrong(
            "no-wait",
            seen=f"with {per_minute} calls a minute used up, the refusal was "
            + (f"TurnedAway({refused[-1].status}, {told!r})" if refused else "none"),
            due="TurnedAway(429, seconds), an int from 1 to 60",
            read='"Exercise 05-6", the rule of `admit`',
        )
        assert refused[0].retry_after_seconds == told, wrong(
            "punishes",
            seen=f"three calls refused at the same time were told to wait {[e.retry_after_seconds for e in refused]} s",
            due="the same each time: a refused call costs nothing",
            read='"Exercise 05-6", the rule of `admit`',
        )
        clock.seconds += told
        passes = refusal(lesson, limiter, "a") is None
        clock.seconds += 3600
        assert passes or refusal(lesson, limiter, "a") is None, wrong(
            "own-clock",
            seen="an hour passed on the clock `now` that the limiter was given, and the client was still refused",
            due="a call that passes: ask self.now() and no other clock",
            read='"Exercise 05-6", its first line',
        )
        assert passes, wrong(
            "waits-in-vain",
            seen=f"with {per_minute} calls a minute: told to wait {told} s, the client waited and was refused",
            due="that call passes: round up",
            read='"Exercise 05-6", the rule of `admit`',
        )


def test_05_6_calls_come_back_at_their_rate(lesson: SimpleNamespace) -> None:
    limiter, clock = limiter_of(lesson, requests_per_minute=6)
    passed = 0
    for _ in range(2 * 60 * 60):  # a try each second, long enough to tell 60 s from 59 s
        passed += refusal(lesson, limiter, "a") is None
        clock.seconds += 1

    assert 700 <= passed <= 730, wrong(
        "another-rate",
        seen=f"with 6 calls a minute and a try each second, {passed} passed in two hours",
        due="about 720, and perhaps the first six on top: a minute has 60 s",
        read='"Exercise 05-6", the rule of `admit`',
    )
    clock.seconds += 24 * 3600
    burst = sum(refusal(lesson, limiter, "a") is None for _ in range(100))
    assert burst <= 6, wrong(
        "saves-up",
        seen=f"after a day of silence {burst} calls passed at once, with 6 a minute",
        due="6: calls that were not used do not add up",
        read='"Exercise 05-6", the rule of `admit`',
    )


def _entries(value: Any, seen: set[int]) -> int:
    """How many entries the containers below `value` have."""
    if id(value) in seen or isinstance(value, str | bytes | int | float | type | None):
        return 0
    seen.add(id(value))
    if isinstance(value, dict):
        return len(value) + sum(_entries(each, seen) for each in value.values())
    try:
        return len(value) + sum(_entries(each, seen) for each in value)
    except TypeError:
        return _entries(vars(value), seen) if hasattr(value, "__dict__") and not callable(value) else 0


def test_05_6_memory_is_bounded(lesson: SimpleNamespace) -> None:
    limiter, clock = limiter_of(lesson, max_clients=50, requests_per_minute=2)
    empty = _entries(limiter, set())
    for number in range(2000):
        limiter.admit(f"client {number}")
        clock.seconds += 0.001
        if number % 20 == 0:
            refusal(lesson, limiter, "regular")

    held = _entries(limiter, set()) - empty
    assert held <= 50 * 5, wrong(
        "endless-table",
        seen=f"with max_clients=50, after 2000 clients the limiter held {held} entries more than at first",
        due="at most 50 clients: addresses cost an attacker nothing, your memory does",
        read='"Exercise 05-6", the rule on what it remembers',
    )
    assert refusal(lesson, limiter, "regular") is not None, wrong(
        "forgets-the-wrong-one",
        seen="a client that had used up its calls called all the time, and after many others had come it was new",
        due="the one that called longest ago is forgotten: a call moves its client to the end",
        read='"Exercise 05-6", the rule on what it remembers',
    )


def test_05_6_as_many_are_remembered_as_the_settings_say(lesson: SimpleNamespace) -> None:
    limiter, _ = limiter_of(lesson, max_clients=3, requests_per_minute=1)
    for client in "abc":
        limiter.admit(client)

    new = [client for client in "abc" if refusal(lesson, limiter, client) is None]

    assert not new, wrong(
        "forgets-too-early",
        seen=f"with max_clients=3, three clients had used up their calls, and {', '.join(new)} could call again",
        due="none of them: three are remembered, and only a fourth makes the limiter forget one",
        read='"Exercise 05-6", the rule on what it remembers',
    )
    limiter.admit("d")
    assert refusal(lesson, limiter, "d") is not None, wrong(
        "forgets-the-newest",
        seen="with max_clients=3, a fourth client called twice, with one call a minute: the second passed as well",
        due="TurnedAway: the one that called longest ago is forgotten, not the one that calls now",
        read='"Exercise 05-6", the rule on what it remembers',
    )


def test_05_6_one_client_costs_no_memory(lesson: SimpleNamespace) -> None:
    limiter, clock = limiter_of(lesson, requests_per_minute=5)
    empty = _entries(limiter, set())
    for _ in range(1000):
        limiter.admit("regular")
        clock.seconds += 20

    held = _entries(limiter, set()) - empty
    assert held <= 20, wrong(
        "endless-history",
        seen=f"one client called a thousand times, three times a minute, and the limiter held {held} entries more",
        due="two numbers for a client, or the calls of the last minute: what is older is never needed again",
        read='the first hint of 05-6: hint("05-6")',
    )


def test_05_6_the_client_is_who_called(lesson: SimpleNamespace) -> None:
    visitors = "1.2.3.4, 203.0.113.9"
    for trusted, forwarded, due, mistake in (
        (0, "1.2.3.4", "10.0.0.1", "trusts-anybody"),
        (1, visitors, "203.0.113.9", "left-most"),
        (1, "1.2.3.4,203.0.113.9", "203.0.113.9", "left-most"),
        (2, "1.2.3.4, 203.0.113.9, 10.0.0.2", "203.0.113.9", "left-most"),
        (1, "", "10.0.0.1", "short-chain"),
        (1, "1.2.3.4, ", "10.0.0.1", "skips-the-empty"),
        (3, visitors, "10.0.0.1", "short-chain"),
    ):
        try:
            seen: Any = lesson.RateLimiter(settings_of(lesson, trusted_proxies=trusted), Clock()).client_of(
                "10.0.0.1", forwarded
            )
        except IndexError as error:
            seen = error

        assert seen == due, wrong(
            mistake,
            seen=f"with trusted_proxies={trusted}, peer 10.0.0.1 and the header {forwarded!r}, you returned {seen!r}",
            due=f"{due!r}",
            read='"Not too often, not too many": which entry is true',
        )


def test_05_6_slots_are_few_and_come_back(lesson: SimpleNamespace) -> None:
    limiter, _ = limiter_of(lesson, max_concurrent=2)

    def opened() -> Any:
        """None if a slot could be opened (it is closed again at once), else the status and wait of the refusal."""
        try:
            with limiter.slot():
                return None
        except lesson.TurnedAway as turned_away:
            return turned_away.status, turned_away.retry_after_seconds

    with limiter.slot(), limiter.slot():
        third = [opened() for _ in range(3)]

    assert third == 3 * [(503, 1)], wrong(
        "no-cap",
        seen=f"with max_concurrent=2, three tries for a third slot gave {third} (None: it was opened)",
        due="TurnedAway(503, 1) at once, each time",
        read='"Exercise 05-6", the rule of `slot`',
    )
    for how in (KeyError("planned"), asyncio.CancelledError()):
        for _ in range(3):
            with suppress(KeyError, asyncio.CancelledError, lesson.TurnedAway), limiter.slot():
                raise how

        assert opened() is None, wrong(
            "slot-lost",
            seen=f"after refused calls, and calls that ended with {type(how).__name__}, all slots were taken for ever",
            due="free again, whatever happened: `finally` sees a CancelledError, too; a refused call takes none",
            read='"Exercise 05-6", the rule of `slot`',
        )


# --- 05-7 harden --------------------------------------------------------------------------------------------

PAGE = "https://page.test"


def hardened(lesson: SimpleNamespace) -> FastAPI:
    """A small app with harden around it."""
    app = FastAPI()

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        app.state.task_of_the_route = asyncio.current_task()
        return JSONResponse({"length": len(await request.body())})

    @app.get("/slow")
    async def slow() -> None:
        end = time.perf_counter() + 0.005
        while time.perf_counter() < end:
            pass

    @app.get("/breaks")
    async def breaks() -> None:
        raise RuntimeError(CANARY)

    @app.get("/breaks-late")
    async def breaks_late() -> Response:
        async def pieces() -> AsyncIterator[str]:
            yield "a piece"
            raise RuntimeError(CANARY)

        return StreamingResponse(pieces())

    lesson.harden(app, settings_of(lesson, allowed_origins=(PAGE,), max_body_bytes=100))
    return app


def seen_by(lesson: SimpleNamespace, *requests: httpx2.Request) -> list[httpx2.Response]:
    """What a visitor of a hardened app gets for these requests."""
    return visited(hardened(lesson), *requests)


@contextmanager
def log_of(lesson: SimpleNamespace) -> Iterator[list[str]]:
    """What is written to the logger of the lesson meanwhile."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    level = lesson.logger.level
    lesson.logger.addHandler(handler)
    lesson.logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        lesson.logger.removeHandler(handler)
        lesson.logger.setLevel(level)


STRANGERS = ("https://evil.test", f"{PAGE}.evil.test", PAGE.replace("https", "http"), "null")


def test_05_7_only_named_origins_may_read(lesson: SimpleNamespace) -> None:
    preflight_headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    page, preflight, broken, large, *strangers = seen_by(
        lesson,
        post("/echo", content="x", headers={"Origin": PAGE, "Cookie": "a=b"}),
        request_of("OPTIONS", "/echo", headers=preflight_headers),
        get("/breaks", headers={"Origin": PAGE}),
        post("/echo", content=200 * "x", headers={"Origin": PAGE}),
        *(post("/echo", content="x", headers={"Origin": origin, "Cookie": "a=b"}) for origin in STRANGERS),
    )

    allow = "access-control-allow-origin"
    for origin, stranger in zip(STRANGERS, strangers, strict=True):
        assert allow not in stranger.headers, wrong(
            "any-origin",
            seen=f"{PAGE} is allowed, and a page of {origin} got {allow}: {stranger.headers[allow]}",
            due="no such header: only settings.allowed_origins, letter for letter",
            read='"The hull": CORS',
        )
    assert page.headers.get(allow) == PAGE, wrong(
        "no-origin",
        seen=f"a page of an allowed origin got {allow}: {page.headers.get(allow)}, and {shown(lesson.harden, page)}",
        due=PAGE,
        read='"Exercise 05-7", its first point',
    )
    assert "access-control-allow-credentials" not in page.headers, wrong(
        "credentials",
        seen="the answer allows credentials: browsers then send cookies along",
        due="no credentials: this server has no cookies",
        read='"Exercise 05-7", its first point',
    )
    exposed = page.headers.get("access-control-expose-headers", "").lower()
    assert all(name in exposed for name in ("retry-after", "x-request-id")), wrong(
        "unreadable-headers",
        seen=f"pages may read these headers: {exposed or 'none of ours'}",
        due="Retry-After and X-Request-ID: expose_headers. Without it JavaScript does not see them",
        read='"Exercise 05-7", its first point',
    )
    assert preflight.status_code == 200, wrong(
        "no-preflight",
        seen=f"the browser asked (OPTIONS) whether it may send JSON: {preflight.status_code} {preflight.text}",
        due="200: allow_methods has POST",
        read='"Exercise 05-7", its first point',
    )
    assert [broken.headers.get(allow), large.headers.get(allow)] == [PAGE, PAGE], wrong(
        "errors-unreadable",
        seen=f"{allow} on a 500: {broken.headers.get(allow)}, on a 413: {large.headers.get(allow)}",
        due=f"{PAGE} on both: CORS is the outermost layer, and a layer inside it catches what nobody caught",
        read='"The hull": the order',
    )


def test_05_7_a_body_is_bounded(lesson: SimpleNamespace) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"0123456789"

    bodies = (100 * "x", 101 * "x", in_pieces())
    fits, large, chunked = (
        answer.status_code for answer in seen_by(lesson, *(post("/echo", content=body) for body in bodies))
    )

    assert (fits, large) == (200, 413), wrong(
        "no-body-limit",
        seen=f"with max_body_bytes=100, a body of 100 bytes got {fits}, one of 101 bytes {large}",
        due="200 and 413",
        read='"Exercise 05-7", its second point',
    )
    assert chunked == 413, wrong(
        "believes-content-length",
        seen=f"200 bytes in pieces, without Content-Length, got {chunked}",
        due="413: what arrives is counted",
        read='"The hull": a body limit',
    )


def test_05_7_health_is_told(lesson: SimpleNamespace) -> None:
    upstream = Upstream()
    app = hardened(lesson)
    both = (get("/healthz"), get("/readyz"))
    told = visited(app, *both)
    app.state.client = httpx2.AsyncClient(transport=upstream, base_url=UPSTREAM)
    told += visited(app, *both)
    asyncio.run(app.state.client.aclose())
    told += visited(app, *both)
    alive, ready = ([answer.status_code for answer in told[first::2]] for first in (0, 1))

    assert alive == [200, 200, 200], wrong(
        "no-healthz",
        seen=f"GET /healthz without app.state.client, with it, and after it was closed: {alive}",
        due="200 each time: the process lives",
        read='"Exercise 05-7", its third point',
    )
    assert ready == [503, 200, 503], wrong(
        "wrong-readiness",
        seen=f"GET /readyz without app.state.client, with it, and after it was closed: {ready}",
        due="503, 200, 503",
        read='"Exercise 05-7", its third point',
    )
    assert not upstream.requests, wrong(
        "health-costs",
        seen=f"GET /healthz and GET /readyz sent {len(upstream.requests)} requests upstream",
        due="none: both are asked every few seconds",
        read='"The hull": health',
    )


def test_05_7_each_answer_has_the_headers(lesson: SimpleNamespace) -> None:
    requests = {
        "an answer": post("/echo", content="x"),
        "a 404": get("/nowhere"),
        "a 413": post("/echo", content=200 * "x"),
        "a 500": get("/breaks"),
    }

    for what, answer in zip(requests, seen_by(lesson, *requests.values()), strict=True):
        missing = [name for name, value in lesson.SECURITY_HEADERS.items() if answer.headers.get(name) != value]
        assert not missing, wrong(
            "no-security-headers",
            seen=f"{what} came without {', '.join(missing)}",
            due="all SECURITY_HEADERS, on each answer",
            read='"Exercise 05-7", its fourth point',
        )


def test_05_7_each_request_has_an_id_of_ours(lesson: SimpleNamespace) -> None:
    answers = seen_by(lesson, *5 * [get("/nowhere", headers={"X-Request-ID": CANARY})])

    flat = [each for answer in answers for each in answer.headers.get_list("x-request-id")]
    assert len(flat) == 5, wrong(
        "no-request-id",
        seen=f"five answers carried {len(flat)} headers X-Request-ID",
        due="one each",
        read='"Exercise 05-7", its fourth point',
    )
    assert CANARY not in flat, wrong(
        "their-request-id",
        seen="the client sent an X-Request-ID, and the answer carried the same",
        due="an id of our own: theirs could forge a line of the log",
        read='"The hull": a log line',
    )
    assert len(set(flat)) == 5, wrong(
        "same-request-id",
        seen=f"five answers carried {len(set(flat))} different ids",
        due="a new one each time",
        read='"Exercise 05-7", its fourth point',
    )


def test_05_7_what_nobody_caught_is_answered(lesson: SimpleNamespace) -> None:
    (answer,) = seen_by(lesson, get("/breaks"))

    assert (answer.status_code, '"internal"' in answer.text) == (500, True), wrong(
        "uncaught",
        seen=f"a route raised a RuntimeError, and the client got {answer.status_code} {answer.text[:100]}",
        due="the answer of answer_for(error): 500, with an id",
        read='"Exercise 05-7", its fifth point',
    )
    assert CANARY not in answer.text, wrong(
        "tells-the-exception",
        seen="a route raised a RuntimeError, and its text came to the client",
        due="the answer of answer_for(error)",
        read='"Exercise 05-7", its fifth point',
    )


def test_05_7_a_late_exception_is_raised_on(lesson: SimpleNamespace) -> None:
    async def late() -> tuple[int, BaseException | None]:
        client, raised = Client(), None
        try:
            await hardened(lesson)(client.scope("/breaks-late", "GET"), client.receive, client.send)
        except Exception as error:
            raised = error
        return sum(message["type"] == "http.response.start" for message in client.messages), raised

    starts, error = asyncio.run(late())

    assert (starts, isinstance(error, RuntimeError | ExceptionGroup)) == (1, True), wrong(
        "second-answer",
        seen=f"after a first piece a route raised a RuntimeError: {starts} answers were begun, and "
        + (f"{type(error).__name__} was raised" if error else "nothing was raised"),
        due="one, and the error raised on: the server breaks the connection, and the client sees it",
        read='"Exercise 05-7", its fifth point',
    )


def test_05_7_the_app_still_starts_and_ends(lesson: SimpleNamespace) -> None:
    asked_for, told = ["lifespan.startup", "lifespan.shutdown"], []

    async def receive() -> Any:
        return {"type": asked_for.pop(0)}

    async def send(message: Any) -> None:
        told.append(message["type"])

    async def life() -> BaseException | None:
        try:
            await hardened(lesson)({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
        except Exception as error:
            return error
        return None

    error = asyncio.run(life())

    due = ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert (told, error) == (due, None), wrong(
        "lifespan-lost",
        seen=f"the server announced start and end (a scope of the type lifespan): your app answered {told}"
        + (f", and {type(error).__name__}: {error} was raised" if error else ""),
        due=f"{due}: whatever is not of the type http goes on to the inner app as it is, as in Limited",
        read='"Exercise 05-7", the paragraph below its points',
    )


def test_05_7_streams_still_flow(lesson: SimpleNamespace) -> None:
    app, waits_for = hardened(lesson), Client()

    @app.get("/two-pieces")
    async def two_pieces() -> Response:
        async def pieces() -> AsyncIterator[str]:
            yield "one"
            await waits_for.got_a_piece.wait()
            yield "two"

        return StreamingResponse(pieces())

    async def call(client: Client, path: str, method: str) -> bool:
        """Whether the route ran in the task of the call."""
        task = asyncio.create_task(app(client.scope(path, method), client.receive, client.send))
        await ends_alone(task)
        return getattr(app.state, "task_of_the_route", None) is task

    names = lesson.harden.__globals__
    run(call(waits_for, "/two-pieces", "GET"), names)

    assert [text for _, text in waits_for.pieces] == ["one", "two"], wrong(
        "held-back",
        seen=f"a route sent one piece and waited until the client had it: the client got {waits_for.pieces}",
        due="each message sent on at once: `await send(message)`",
        read='"Exercise 05-7", the paragraph below its points',
    )
    assert run(call(Client(b"x"), "/echo", "POST"), names), wrong(
        "another-task",
        seen="a route ran in another task than the call of the app: @app.middleware and BaseHTTPMiddleware start one",
        due="a class like Limited: `async def __call__(self, scope, receive, send)` that awaits the inner app",
        read='"Exercise 05-7", the paragraph below its points',
    )


def test_05_7_each_request_is_a_line_of_the_log(lesson: SimpleNamespace) -> None:
    theirs = {"Authorization": f"Bearer {CANARY}", "User-Agent": CANARY, "X-Request-ID": CANARY}
    with log_of(lesson) as lines:
        answer, *_ = seen_by(
            lesson,
            post(f"/echo?key={CANARY}", content=CANARY, headers=theirs),
            get("/breaks"),
            get("/slow"),
            get("/%22,%0A%22status%22:1"),
        )

    assert CANARY not in str(lines), wrong(
        "log-tells",
        seen="the log holds a part of the query, of a header, of the body, or the text of an exception",
        due="request_id, method, path, status and ms, and nothing else",
        read='"The hull": a log line',
    )
    records = [record for record in map(_json, lines) if "request_id" in record]
    assert len(records) >= 3, wrong(
        "no-log-line",
        seen=f"three requests, one of which broke, and {len(records)} JSON lines with a request_id: {lines}",
        due="three: json.dumps of a dict, in `finally`",
        read='"Exercise 05-7", its last point',
    )
    first, broken, slow, *odd = records
    seen = {name: value for name, value in first.items() if name != "ms"}
    due = {"request_id": answer.headers.get("x-request-id"), "method": "POST", "path": "/echo", "status": 200}
    assert (seen, isinstance(first.get("ms"), int | float)) == (due, True), wrong(
        "another-log-line",
        seen=f"{first}",
        due=f"{due} and ms, a number",
        read='"Exercise 05-7", its last point',
    )
    assert broken.get("status") == 500, wrong(
        "status-not-seen",
        seen=f"a request that broke was logged with the status {broken.get('status')}",
        due="500: what the client got",
        read='"Exercise 05-7", its last point',
    )
    assert 4 <= slow["ms"] < 5000, wrong(
        "another-unit",
        seen=f"a request that took 5 ms was logged with ms: {slow['ms']}",
        due="milliseconds: the seconds of a clock, times 1000",
        read='"Exercise 05-7", its last point',
    )
    assert [record.get("path") for record in odd] == ['/",\n"status":1'], wrong(
        "forged-line",
        seen=f"somebody asked for an odd path, with a quote and a line break in it: {lines[-1]!r}",
        due="one JSON object with that path: json.dumps escapes what would begin a new field or a new line",
        read='"The hull": a log line',
    )


def _json(line: str) -> dict[str, Any]:
    """The JSON object in a line of the log; {} if it is none."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
