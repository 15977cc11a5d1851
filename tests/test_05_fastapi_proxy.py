"""Checks of the exercises in 05_fastapi_proxy. `lesson` holds the learner's names.

The app is called in this process: no port, no server. The upstream is a transport that the check brings.
Run against solutions/ and notebooks/ by `make test`, against a learner's code by `check("05-2")` and `make check`.
Every name given to `wrong(...)` is proven in tests/mistakes/05_fastapi_proxy.py.

PYTEST_DONT_REWRITE: the messages say all, and stay as they were written.
"""

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from course.checks import wrong

FAKE = "hf_" + "FaKe" * 8 + "zz"  # plausible, and as long as a real one
CANARY = "QxZjVkWq"  # what must not appear where a stranger or a log reads
UPSTREAM = "http://upstream.test/v1"
QUESTION = {"model": "a/model", "messages": [{"role": "user", "content": "Hello?"}]}
ANSWER = {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}
PATIENCE_SECONDS = 0.5  # for what must happen at once


def settings_of(lesson: SimpleNamespace, **more: Any) -> Any:
    given = {"upstream_url": UPSTREAM, "allowed_models": ("a/model", "b/model")} | more
    return lesson.Settings(hf_token=SecretStr(FAKE), **given)


# --- 05-1 Settings ------------------------------------------------------------------------------------------

UNUSABLE = {
    "": "takes-nothing",
    "hf_": "takes-a-placeholder",
    "hf_" + 34 * "x": "takes-a-placeholder",
    "hf_abc...": "takes-a-placeholder",
    "<token>": "takes-a-placeholder",
    "hf_your_token_here": "takes-a-placeholder",
    FAKE[:20] + "\n" + FAKE[20:]: "takes-a-damaged-token",
    FAKE[:20] + " " + FAKE[20:]: "takes-a-damaged-token",
    FAKE + "\u201d": "takes-a-damaged-token",
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
    for token in (FAKE, "hf_oauth_" + "eyJ.a-b_c" * 40, "another-server's-key"):
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
    for origin in ["*", "https://*.chat.test", "https://chat.test/", "https://a.test/b", "chat.test", "ftp://a.test"]:
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


def test_05_1_a_refusal_names_the_variable_and_quotes_no_value(lesson: SimpleNamespace) -> None:
    for what, (variable, environment) in BAD.items():
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
        shown = f"{error!r}{''.join(traceback.format_exception(error))}{error.__cause__!r}"
        assert not any(secret in shown for secret in (CANARY, FAKE)), wrong(
            "quotes-a-value",
            seen=f"the slip was {what}; your error, or a traceback with what is chained to it, shows a value",
            due="the field (`loc`) and the rule (`msg`) alone, raised below the `except` blocks or `from None`",
            read='"Exercise 05-1", the rule of `load`',
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


def ask(lesson: SimpleNamespace, settings: Any, **body: Any) -> Any:
    """The request, or the ValidationError."""
    try:
        return lesson.bounded_request(settings).model_validate(QUESTION | body)
    except ValidationError as error:
        return error


def say(*lengths: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": "x" * length} for length in lengths]


def passes(lesson: SimpleNamespace, settings: Any, name: str, what: str, **body: Any) -> None:
    got = ask(lesson, settings, **body)

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


def fails(lesson: SimpleNamespace, settings: Any, name: str, what: str, **body: Any) -> None:
    assert isinstance(ask(lesson, settings, **body), ValidationError), wrong(
        name,
        seen=f"this passed: {what}",
        due="a ValidationError",
        read='the list in "Exercise 05-2"',
    )


def test_05_2_what_is_within_the_bounds_passes(lesson: SimpleNamespace) -> None:
    settings = settings_of(lesson, max_messages=3, max_characters=30, max_tokens=9)

    passes(lesson, settings, "refuses-a-good-request", "the second of two allowed models", model="b/model")
    passes(
        lesson,
        settings,
        "stops-at-the-bound",
        "3 messages of 10 characters, where 3 and 30 are allowed",
        messages=say(10, 10, 10),
    )
    passes(lesson, settings, "stops-at-the-bound", "max_tokens 9, where 9 are allowed", max_tokens=9)
    passes(lesson, settings, "stops-at-the-bound", "max_tokens 1", max_tokens=1)


def test_05_2_only_listed_models_pass(lesson: SimpleNamespace) -> None:
    for model in ["c/model", "a/model:cheapest", "A/Model", "a/mode", ""]:
        name = "any-model" if model == "c/model" else "nearly-a-model"

        fails(
            lesson,
            settings_of(lesson),
            name,
            f"the model {model!r}, where a/model and b/model are allowed",
            model=model,
        )


def test_05_2_messages_are_bounded(lesson: SimpleNamespace) -> None:
    settings = settings_of(lesson, max_messages=3, max_characters=30)

    fails(lesson, settings, "no-message", "an empty list of messages", messages=[])
    fails(lesson, settings, "endless-messages", "4 short messages, where 3 are allowed", messages=say(1, 1, 1, 1))
    fails(lesson, settings, "endless-text", "one message of 31 characters, where 30 are allowed", messages=say(31))
    fails(
        lesson,
        settings,
        "bounds-each-alone",
        "3 messages of 20 characters, where 30 in all are allowed",
        messages=say(20, 20, 20),
    )


def test_05_2_the_answer_is_bounded(lesson: SimpleNamespace) -> None:
    for tokens in (0, -1, 10):
        fails(
            lesson,
            settings_of(lesson, max_tokens=9),
            "no-ceiling",
            f"max_tokens {tokens}, where 1 to 9 are allowed",
            max_tokens=tokens,
        )


def test_05_2_the_default_is_bounded_as_well(lesson: SimpleNamespace) -> None:
    for ceiling, due in [(9, 9), (1000, 256)]:
        got = ask(lesson, settings_of(lesson, max_tokens=ceiling))

        assert getattr(got, "max_tokens", None) == due, wrong(
            "default-over-the-ceiling",
            seen=f"without max_tokens in the body, and a ceiling of {ceiling}: {getattr(got, 'max_tokens', 'refused')}",
            due=f"{due}: 256, or the ceiling where that is lower. Pydantic does not validate defaults",
            read='the list in "Exercise 05-2"',
        )


def test_05_2_what_is_not_named_is_refused(lesson: SimpleNamespace) -> None:
    fails(lesson, settings_of(lesson), "unknown-field", "a field `tools` that is not named", tools=[])


def test_05_2_the_bounds_are_those_of_the_settings_given(lesson: SimpleNamespace) -> None:
    narrow, wide = settings_of(lesson, max_tokens=9), settings_of(lesson, max_tokens=99, allowed_models=("c/model",))
    lesson.bounded_request(narrow)

    passes(lesson, wide, "refuses-a-good-request", "max_tokens 99, with other settings", model="c/model", max_tokens=99)


def test_05_2_no_message_holds_what_was_sent(lesson: SimpleNamespace) -> None:
    settings = settings_of(lesson, max_characters=30)
    bodies: dict[str, dict[str, Any]] = {
        "the model": {"model": CANARY},
        "the text": {"messages": [{"role": "user", "content": 9 * CANARY}]},
        "an unknown field": {CANARY: CANARY},
    }
    for what, body in bodies.items():
        error = ask(lesson, settings, **body)

        assert CANARY not in str(lesson.problems_of(error.errors())), wrong(
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
    ("upstream-broken", "an answer 410", httpx2.Response(410), (502, "bad_gateway")),
    ("upstream-broken", "an answer 302", httpx2.Response(302), (502, "bad_gateway")),
    ("upstream-broken", "an answer 200", httpx2.Response(200), (502, "bad_gateway")),
    ("own-exception", "ClientLeft", "ClientLeft", (499, "client_left")),
    ("timeout", "httpx2.PoolTimeout", httpx2.PoolTimeout(""), (503, "unavailable")),
    ("timeout", "httpx2.ReadTimeout", httpx2.ReadTimeout(""), (504, "timeout")),
    ("timeout", "httpx2.ConnectTimeout", httpx2.ConnectTimeout(""), (504, "timeout")),
    ("timeout", "TimeoutError", TimeoutError(), (504, "timeout")),
    ("connection", "httpx2.ConnectError", httpx2.ConnectError(""), (502, "bad_gateway")),
    ("connection", "httpx2.RemoteProtocolError", httpx2.RemoteProtocolError(""), (502, "bad_gateway")),
    ("connection", "BadAnswer", "BadAnswer", (502, "bad_gateway")),
    ("own-exception", "ValueError", ValueError(""), (500, "internal")),
]  # fmt: skip


def test_05_3_each_outcome_is_translated(lesson: SimpleNamespace) -> None:
    for name, what, outcome, due in TABLE:
        outcome = getattr(lesson, outcome)() if isinstance(outcome, str) else outcome

        error = lesson.public_error(outcome)

        seen = (getattr(error, "status", None), getattr(error, "code", None))
        assert seen == due, wrong(
            f"wrong-{name}",
            seen=f"for {what} you returned {seen[0]} {seen[1]}",
            due=f"{due[0]} {due[1]}",
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
    ]:
        headers = [] if sent is None else [(b"Retry-After", sent.encode("latin-1"))]

        try:
            seen = lesson.public_error(httpx2.Response(429, headers=headers)).retry_after_seconds
        except ValueError as error:
            seen = f"{type(error).__name__} was raised"

        assert seen == due, wrong(
            "loses-retry-after" if due != 10 else "any-retry-after",
            seen=f"for a 429 with Retry-After {'missing' if sent is None else repr(sent[:30])}: {seen}",
            due=f"{due}: theirs if it is whole seconds from 1 to 3600, else 10",
            read='the row of 429 in "Exercise 05-3"',
        )


def test_05_3_waiting_is_only_named_where_it_helps(lesson: SimpleNamespace) -> None:
    pool = lesson.public_error(httpx2.PoolTimeout("")).retry_after_seconds
    answered = lesson.public_error(httpx2.Response(500, headers={"Retry-After": "7"})).retry_after_seconds

    assert (pool, answered) == (1, None), wrong(
        "wrong-wait",
        seen=f"retry_after_seconds is {pool} for a PoolTimeout, and {answered} for a 500 that carried Retry-After: 7",
        due="1 and None: the column Retry-After of the table",
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
    ids = {lesson.public_error(httpx2.Response(500)).id for _ in range(20)}

    assert len({each for each in ids if len(str(each)) >= 8}) == 20, wrong(
        "same-id",
        seen=f"twenty errors had {len(ids)} different ids, such as {sorted(map(str, ids))[0]!r}",
        due="a new one each time, long enough to be found in a log: secrets.token_hex(8)",
        read='"Exercise 05-3", the line on `id`',
    )


# --- 05-4 chat_app ------------------------------------------------------------------------------------------


class Upstream(httpx2.AsyncBaseTransport):
    """An upstream in this process: gives (or raises) `answer`, notes requests, counts its closings."""

    def __init__(self) -> None:
        self.answer: Callable[[], httpx2.Response] | Exception = partial(httpx2.Response, 200, json=ANSWER)
        self.requests: list[httpx2.Request] = []
        self.closings = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer()

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
    """The client's end of one ASGI call: sends `body`, stays until `leave` is set, keeps what it is sent."""

    def __init__(self, body: bytes = b"{}") -> None:
        self._body: bytes | None = body
        self.leave, self.got_a_piece = asyncio.Event(), asyncio.Event()
        self.messages: list[Any] = []

    async def receive(self) -> Any:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        if message.get("body"):
            self.got_a_piece.set()

    def scope(
        self, path: str = "/api/chat", method: str = "POST", headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """As uvicorn 0.54 gives it."""
        given = {"content-type": "application/json"} | (headers or {})
        return {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "state": {},
        }  # fmt: skip


async def happens(event: asyncio.Event) -> bool:
    """Whether it happens at once, more or less."""
    try:
        await asyncio.wait_for(event.wait(), PATIENCE_SECONDS)
    except TimeoutError:
        return False
    return True


@contextmanager
def visiting(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as visitor:
        yield visitor


@contextmanager
def proxy(lesson: SimpleNamespace) -> Iterator[tuple[Upstream, TestClient]]:
    """An upstream, and a visitor of an app in front of it."""
    upstream = Upstream()
    with visiting(lesson.chat_app(settings_of(lesson), upstream)) as visitor:
        yield upstream, visitor


def asked(lesson: SimpleNamespace, *answers: Callable[[], httpx2.Response] | Exception, **request: Any) -> list[Any]:
    """What a visitor gets for each of these answers of the upstream."""
    with proxy(lesson) as (upstream, visitor):
        got = []
        for answer in answers:
            upstream.answer = answer
            got.append(visitor.post("/api/chat", **{"json": QUESTION} | request))
    return got


def test_05_4_a_question_is_answered(lesson: SimpleNamespace) -> None:
    paths = ("/api/chat", "/v1/chat/completions")
    with proxy(lesson) as (_, visitor):
        answers = {path: visitor.post(path, json=QUESTION) for path in paths}

    for path, answer in answers.items():
        assert answer.status_code == 200, wrong(
            "no-answer",
            seen=f"POST {path}, and an upstream that answers 200: {answer.status_code} {answer.text[:200]}",
            due="200, at both addresses",
            read='"Exercise 05-4", its second point',
        )
        assert answer.json() == lesson.ChatAnswer.model_validate(ANSWER).model_dump(), wrong(
            "another-answer",
            seen=f"POST {path}: {answer.text[:300]}",
            due="the fields of ChatAnswer, as the upstream filled them",
            read='"Exercise 05-4", its second point',
        )


def test_05_4_the_upstream_gets_our_token_and_four_fields(lesson: SimpleNamespace) -> None:
    with proxy(lesson) as (upstream, visitor):
        visitor.post("/api/chat", json=QUESTION | {"max_tokens": 7})
    request = upstream.requests[0]

    assert request.headers.get("authorization") == f"Bearer {FAKE}", wrong(
        "no-token",
        seen=f"the request upstream carried {'another' if 'authorization' in request.headers else 'no'} Authorization",
        due="Bearer and the value of settings.hf_token: get_secret_value()",
        read='"Exercise 05-4", its first point',
    )
    assert str(request.url) == f"{UPSTREAM}/chat/completions", wrong(
        "another-address",
        seen=f"with upstream_url={UPSTREAM} you asked {request.url}",
        due=f"{UPSTREAM}/chat/completions",
        read='"Exercise 05-4", its second point',
    )
    sent, due = json.loads(request.content), QUESTION | {"max_tokens": 7, "stream": False}
    assert sent == due, wrong(
        "another-body",
        seen=f"the request upstream carried {sent}",
        due=f"the four fields of the request: {due}",
        read='"Exercise 05-4", its second point',
    )


def test_05_4_the_headers_of_the_client_stay_here(lesson: SimpleNamespace) -> None:
    theirs = ("Authorization", "Cookie", "X-Forwarded-For", "X-Anything", "Traceparent")

    with proxy(lesson) as (upstream, visitor):
        visitor.post("/api/chat", json=QUESTION, headers=dict.fromkeys(theirs, CANARY))

    through = [name for name, value in upstream.requests[0].headers.items() if CANARY in value]
    assert not through, wrong(
        "client-headers-travel",
        seen=f"the client sent {', '.join(theirs)}; the upstream got of these: {', '.join(through)}",
        due="none: what goes up is ours",
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
    translation = {401: 502, 402: 503, 422: 400, 429: 429, 302: 502, 500: 502}
    theirs = {"Location": f"https://{CANARY}.test", "Retry-After": "7"}
    gives = [partial(httpx2.Response, status, json={"error": CANARY}, headers=theirs) for status in translation]

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
            seen=f"the upstream said {status}, and the client got {answer.status_code} {answer.text[:100]}",
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
            seen=f"a 200 with {what} inside, and the client got {answer.status_code} {answer.text[:100]}",
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
            seen=f"{type(error).__name__} upstream: the client got {answer.status_code} {answer.text[:100]}",
            due=f"{due}, with the body that answer_for makes",
            read='"Exercise 05-4", its second point',
        )


def test_05_4_there_is_one_client(lesson: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    init = httpx2.AsyncClient.__init__

    def counted(self: httpx2.AsyncClient, **given: Any) -> None:
        made.append(given)
        init(self, **given)

    monkeypatch.setattr(httpx2.AsyncClient, "__init__", counted)
    upstream, settings = Upstream(), settings_of(lesson, connect_seconds=3, idle_seconds=44, max_concurrent=6)
    app = lesson.chat_app(settings, upstream)
    before = len(made)
    with visiting(app) as visitor:
        for _ in range(3):
            visitor.post("/api/chat", json=QUESTION)
        open_while_running = not upstream.closings
        shared = getattr(app.state, "client", None)

    assert (len(made), open_while_running) == (1, True), wrong(
        "client-per-request",
        seen=f"three requests, and {len(made)} clients were made"
        + ("" if open_while_running else "; the transport was closed while the app was running"),
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
    waits = (shared.timeout.connect, shared.timeout.read)
    assert waits == (3, 44), wrong(
        "other-waits",
        seen=f"with connect_seconds=3 and idle_seconds=44 the client waits {waits[0]} s and {waits[1]} s",
        due="3 s and 44 s: httpx2.Timeout(idle, connect=...)",
        read='"The server": every wait is bounded',
    )
    limits = made[0].get("limits")
    assert getattr(limits, "max_connections", None) == 6, wrong(
        "no-limit",
        seen=f"with max_concurrent=6 the client was made with limits={limits}",
        due="httpx2.Limits(max_connections=6)",
        read='"Exercise 05-4", its first point',
    )


def test_05_4_a_bad_body_is_refused_without_an_echo(lesson: SimpleNamespace) -> None:
    bodies = [{"model": CANARY, "messages": []}, QUESTION | {CANARY: CANARY}, {"messages": CANARY}]
    with proxy(lesson) as (upstream, visitor):
        answers = [visitor.post("/api/chat", json=body) for body in bodies]

    for answer in answers:
        assert (answer.status_code, len(upstream.requests)) == (422, 0), wrong(
            "bad-body-passes",
            seen=f"a bad body got {answer.status_code}, and {len(upstream.requests)} requests went upstream",
            due="422, and none: the body is a bounded_request(settings)",
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

    with proxy(lesson) as (_, visitor):
        answer = visitor.post("/api/chat", json=QUESTION | {"stream": True})

    due = [("/api/chat", f"{UPSTREAM}/chat/completions", True, settings_of(lesson))]
    assert (given, answer.text) == (due, "handed on"), wrong(
        "stream-not-handed-on",
        seen=f"with stream true, stream_answer was called {len(given)} times, and the client got {answer.text[:80]!r}",
        due='one call, its answer returned: stream_answer(request, client.stream("POST", ..., json=...), settings)',
        read='"Exercise 05-4", its third point',
    )


def test_05_4_the_call_ends_when_the_client_leaves(lesson: SimpleNamespace) -> None:
    async def leave_early() -> bool:
        upstream, client = Forever(), Client(json.dumps(QUESTION).encode())
        app = lesson.chat_app(settings_of(lesson), upstream)
        async with app.router.lifespan_context(app):
            call = asyncio.create_task(app(client.scope(), client.receive, client.send))
            await happens(upstream.reached)
            client.leave.set()
            ended = await happens(upstream.ended)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        return ended

    assert asyncio.run(leave_early()), wrong(
        "works-for-nobody",
        seen=f"the client left, and {PATIENCE_SECONDS} s later the call upstream was still going on",
        due="ended at once: await while_connected(request, client.post(...))",
        read='"The server": the paragraph on a client that leaves',
    )


# --- 05-5 stream_answer -------------------------------------------------------------------------------------


def chunk(text: str, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    return f"data: {json.dumps({'choices': [choice], **more})}\n\n".encode()


DONE = b"data: [DONE]\n\n"
Part = bytes | Exception | asyncio.Event


class Body(httpx2.AsyncByteStream):
    """The upstream's stream: sends bytes, waits for an event that the check sets, or breaks with an exception."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts
        self.closed = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            if isinstance(part, asyncio.Event):
                await part.wait()
            elif isinstance(part, Exception):
                raise part
            else:
                yield part

    async def aclose(self) -> None:
        self.closed.set()


class Streamed:
    """What a client got from stream_answer. status, headers, text; closed: whether the upstream was let go."""

    def __init__(self, client: Client, body: Body, escaped: BaseException | None) -> None:
        start: dict[str, Any] = next((m for m in client.messages if m["type"] == "http.response.start"), {})
        self.status = start.get("status")
        self.headers = {name.decode(): value.decode() for name, value in start.get("headers", [])}
        self.text = b"".join(m.get("body", b"") for m in client.messages).decode()
        self.closed, self.escaped = body.closed.is_set(), escaped

    def events(self) -> list[tuple[str, str]]:
        """(type, data) of each event, as a browser reads them."""
        return [(event.event, event.data) for event in httpx2.EventSource(self._response())]

    def _response(self) -> httpx2.Response:
        headers = {"Content-Type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, text=self.text, request=httpx2.Request("POST", UPSTREAM))

    def said(self) -> str:
        """The text that the events spell out."""
        try:
            chunks = [json.loads(data) for kind, data in self.events() if kind == "message" and data.startswith("{")]
            return "".join(each["choices"][0]["delta"].get("content", "") for each in chunks if each.get("choices"))
        except ValueError:
            return "no JSON"


async def stream(
    lesson: SimpleNamespace,
    parts: list[Part],
    *,
    status: int = 200,
    content_type: str = "text/event-stream",
    headers: dict[str, str] | None = None,
    client: Client | None = None,
    **settings: Any,
) -> Streamed:
    """Let stream_answer relay an upstream that sends `parts`; the client stays until the end."""
    body, client = Body(parts), client or Client()
    theirs = {"Content-Type": content_type} | (headers or {})
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, headers=theirs, stream=body))
    async with httpx2.AsyncClient(transport=transport) as upstream:
        escaped = await _call(lesson, client, upstream, settings_of(lesson, **settings))
    return Streamed(client, body, escaped)


async def _call(lesson: SimpleNamespace, client: Client, upstream: Any, settings: Any) -> BaseException | None:
    scope = client.scope()
    request = Request(scope, client.receive)
    await request.body()  # as FastAPI has read it by then

    async def answer() -> None:
        response = await lesson.stream_answer(request, upstream.stream("POST", UPSTREAM), settings)
        await response(scope, client.receive, client.send)

    try:
        await asyncio.wait_for(answer(), 4 * PATIENCE_SECONDS)
    except NotImplementedError:
        raise
    except Exception as error:
        return error
    return None


def test_05_5_events_pass_in_order(lesson: SimpleNamespace) -> None:
    got = asyncio.run(stream(lesson, [chunk("Well"), chunk(", yes.")[:20], chunk(", yes.")[20:] + DONE]))

    kind = got.headers.get("content-type", "")
    assert kind.startswith("text/event-stream"), wrong(
        "another-content-type",
        seen=f"the answer came as {got.status} {kind} {got.text[:100]}",
        due="200 text/event-stream: return an EventStream",
        read='"Exercise 05-5", point 2',
    )
    assert got.said() == "Well, yes.", wrong(
        "text-lost",
        seen=f"the upstream said 'Well' and ', yes.', and the client got {got.text[:300]!r}",
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


def test_05_5_events_pass_as_they_come(lesson: SimpleNamespace) -> None:
    async def slow_upstream() -> bool:
        client = Client()
        got = await stream(lesson, [chunk("Well"), client.got_a_piece, chunk("."), DONE], client=client)
        return got.escaped is None and got.said() == "Well."

    assert asyncio.run(slow_upstream()), wrong(
        "held-back",
        seen="the upstream sent one event and waited; the client did not get that event before the next one",
        due="each event sent on when it comes: a generator that yields",
        read='"Streaming"',
    )


def test_05_5_only_chosen_fields_pass(lesson: SimpleNamespace) -> None:
    got = asyncio.run(stream(lesson, [chunk("Well", prompt=CANARY, provider=CANARY), DONE]))

    assert CANARY not in got.text, wrong(
        "unchosen-fields",
        seen="a field that the upstream added to an event came through to the client",
        due="the fields of ChatChunk, and no other",
        read='"Exercise 05-5", point 3',
    )


def test_05_5_before_the_first_byte_errors_are_json(lesson: SimpleNamespace) -> None:
    for status, due in ((401, 502), (429, 429), (500, 502)):
        got = asyncio.run(stream(lesson, [CANARY.encode()], status=status, headers={"Retry-After": "7"}))

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
    got = asyncio.run(stream(lesson, [b"<h1>Hello</h1>"], content_type="text/html"))

    assert got.status == 502, wrong(
        "html-as-a-stream",
        seen=f"the upstream sent a page of HTML, and the client got {got.status} {got.text[:100]!r}",
        due="502: look at the content type before the stream begins",
        read='"Exercise 05-5", point 1',
    )


def test_05_5_an_exception_before_the_stream_is_json(lesson: SimpleNamespace) -> None:
    for error, due in ((httpx2.ConnectError(CANARY), 502), (httpx2.ReadTimeout(CANARY), 504)):

        def refuse(_: httpx2.Request, error: Exception = error) -> httpx2.Response:
            raise error

        async def call() -> tuple[Any, Any]:
            client = Client()
            async with httpx2.AsyncClient(transport=httpx2.MockTransport(refuse)) as upstream:
                escaped = await _call(lesson, client, upstream, settings_of(lesson))
            return client.messages[0].get("status") if client.messages else None, escaped

        status, escaped = asyncio.run(call())

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
        got = asyncio.run(stream(lesson, [chunk("Well"), *parts]))

        assert CANARY not in got.text, wrong(
            "upstream-words",
            seen=f"after some text came {what}, and the upstream's words went through to the client",
            due="body_of(public_error(...)): our own",
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
        error = json.loads(got.events()[-1][1]).get("error", {})
        assert (error.get("code"), "id" in error) == (code, True), wrong(
            "another-error-event",
            seen=f"after some text came {what}, and the data of the error was {got.events()[-1][1]}",
            due=f"the body with the code {code}, as body_of(public_error(...)) makes it",
            read='"Exercise 05-5", point 5',
        )


class Slow(Client):
    """A client that notes when it has seen a comment."""

    def __init__(self) -> None:
        super().__init__()
        self.commented = asyncio.Event()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if b": keep-alive" in message.get("body", b""):
            self.commented.set()


def test_05_5_silence_is_filled_and_bounded(lesson: SimpleNamespace) -> None:
    async def pause() -> Streamed:
        client = Slow()
        parts: list[Part] = [chunk("Well"), client.commented, chunk(", yes."), DONE]
        return await stream(lesson, parts, client=client, keep_alive_seconds=0.02, idle_seconds=10)

    silence = asyncio.run(stream(lesson, [chunk("Well"), asyncio.Event()], keep_alive_seconds=0.02, idle_seconds=0.1))

    assert ": keep-alive\n\n" in silence.text, wrong(
        "silent",
        seen=f"nothing came for five times keep_alive_seconds, and the client got {silence.text[-120:]!r}",
        due="the comment `: keep-alive` and a blank line, each time keep_alive_seconds have passed",
        read='"Exercise 05-5", point 4',
    )
    paused = asyncio.run(pause())
    assert (paused.said(), paused.events()[-1][1]) == ("Well, yes.", "[DONE]"), wrong(
        "comment-costs-an-event",
        seen=f"the upstream paused, a comment went out, the upstream went on: the client got {paused.text[-200:]!r}",
        due="Well, yes. and [DONE]: waiting for the clock must not cancel the reading (asyncio.wait, not wait_for)",
        read='the first hint of 05-5: hint("05-5")',
    )
    kind, data = silence.events()[-1]
    assert (kind, "timeout" in data) == ("error", True), wrong(
        "waits-for-ever",
        seen=f"nothing came for far longer than idle_seconds, and the last event was {kind}: {data}",
        due="event: error with the code timeout",
        read='"Exercise 05-5", point 4',
    )


def test_05_5_leaving_before_the_headers_ends_the_call(lesson: SimpleNamespace) -> None:
    async def leave() -> bool:
        client, transport = Client(), Forever()
        async with httpx2.AsyncClient(transport=transport) as upstream:
            call = asyncio.create_task(_call(lesson, client, upstream, settings_of(lesson)))
            await happens(transport.reached)
            client.leave.set()
            ended = await happens(transport.ended)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        return ended

    assert asyncio.run(leave()), wrong(
        "works-for-nobody",
        seen=f"the client left before the upstream answered, and {PATIENCE_SECONDS} s later the call was going on",
        due="ended at once: open it inside while_connected. request.is_disconnected() says only what is true now",
        read='"Exercise 05-5", point 1',
    )


def test_05_5_leaving_in_the_middle_closes_the_upstream(lesson: SimpleNamespace) -> None:
    async def leave() -> bool:
        client, body = Client(), Body([chunk("Well"), asyncio.Event()])
        theirs = {"Content-Type": "text/event-stream"}
        transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=theirs, stream=body))
        async with httpx2.AsyncClient(transport=transport) as upstream:
            call = asyncio.create_task(_call(lesson, client, upstream, settings_of(lesson)))
            await happens(client.got_a_piece)
            client.leave.set()
            closed = await happens(body.closed)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        return closed

    assert asyncio.run(leave()), wrong(
        "streams-to-nobody",
        seen=f"the client left in the middle of a stream, and {PATIENCE_SECONDS} s later the upstream was still open",
        due="closed at once: an EventStream with the upstream's stack. A check between two events comes too late",
        read='"Exercise 05-5", point 2',
    )


def test_05_5_a_finish_reason_is_an_end_too(lesson: SimpleNamespace) -> None:
    last = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    got = asyncio.run(stream(lesson, [chunk("Well"), f"data: {last}\n\n".encode()]))

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
    limiter, _ = limiter_of(lesson, requests_per_minute=5)

    passed = [refusal(lesson, limiter, "a") is None for _ in range(7)]

    assert passed[:5] == 5 * [True], wrong(
        "refuses-too-early",
        seen=f"with 5 calls a minute, the first five calls passed: {passed[:5]}",
        due="all five, at once if the client likes",
        read='"Exercise 05-6", the rule of `admit`',
    )
    assert passed[5:] == 2 * [False], wrong(
        "no-limit",
        seen=f"with 5 calls a minute, the sixth and the seventh at once passed: {passed[5:]}",
        due="TurnedAway",
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
        assert refusal(lesson, limiter, "a") is None, wrong(
            "waits-in-vain",
            seen=f"with {per_minute} calls a minute: told to wait {told} s, the client waited and was refused",
            due="that call passes: round up",
            read='"Exercise 05-6", the rule of `admit`',
        )


def test_05_6_calls_come_back_at_their_rate(lesson: SimpleNamespace) -> None:
    limiter, clock = limiter_of(lesson, requests_per_minute=6)
    passed = 0
    for _ in range(600):  # ten minutes, a try each second
        passed += refusal(lesson, limiter, "a") is None
        clock.seconds += 1

    assert 58 <= passed <= 68, wrong(
        "another-rate",
        seen=f"with 6 calls a minute and a try each second, {passed} passed in ten minutes",
        due="about 60, and perhaps the first six on top",
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


def test_05_6_the_client_is_who_called(lesson: SimpleNamespace) -> None:
    visitors = "1.2.3.4, 203.0.113.9"
    for trusted, forwarded, due, mistake in (
        (0, "1.2.3.4", "10.0.0.1", "trusts-anybody"),
        (1, visitors, "203.0.113.9", "left-most"),
        (1, "1.2.3.4,203.0.113.9", "203.0.113.9", "left-most"),
        (2, "1.2.3.4, 203.0.113.9, 10.0.0.2", "203.0.113.9", "left-most"),
        (1, "", "10.0.0.1", "short-chain"),
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
    with limiter.slot(), limiter.slot():
        try:
            with limiter.slot():
                third: Any = None
        except lesson.TurnedAway as turned_away:
            third = turned_away

    seen = (third.status, third.retry_after_seconds) if third else None
    assert seen == (503, 1), wrong(
        "no-cap",
        seen=f"with max_concurrent=2, a third slot was {'opened' if third is None else f'refused with {seen}'}",
        due="TurnedAway(503, 1), at once",
        read='"Exercise 05-6", the rule of `slot`',
    )
    for _ in range(3):
        try:
            with limiter.slot():
                raise KeyError("planned")
        except KeyError:
            pass
        except lesson.TurnedAway:
            raise AssertionError(
                wrong(
                    "slot-lost",
                    seen="after calls that ended with an exception their slots were still taken",
                    due="free again, whatever happened: finally",
                    read='"Exercise 05-6", the rule of `slot`',
                )
            ) from None


# --- 05-7 harden --------------------------------------------------------------------------------------------

PAGE = "https://page.test"


def hardened(lesson: SimpleNamespace, **settings: Any) -> FastAPI:
    """A small app with harden around it."""
    app = FastAPI()

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        return JSONResponse({"length": len(await request.body())})

    @app.get("/breaks")
    async def breaks() -> None:
        raise RuntimeError(CANARY)

    @app.get("/breaks-late")
    async def breaks_late() -> Response:
        async def pieces() -> AsyncIterator[str]:
            yield "a piece"
            raise RuntimeError(CANARY)

        return StreamingResponse(pieces())

    lesson.harden(app, settings_of(lesson, allowed_origins=(PAGE,), max_body_bytes=100, **settings))
    return app


@contextmanager
def visit(lesson: SimpleNamespace) -> Iterator[TestClient]:
    with visiting(hardened(lesson)) as visitor:
        yield visitor


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


def test_05_7_only_named_origins_may_read(lesson: SimpleNamespace) -> None:
    with visit(lesson) as visitor:
        answers = {
            origin: visitor.post("/echo", content="x", headers={"Origin": origin, "Cookie": "a=b"}).headers
            for origin in (PAGE, "https://evil.test")
        }
        preflight = visitor.options(
            "/echo",
            headers={
                "Origin": PAGE,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type",
            },
        )
        broken = visitor.get("/breaks", headers={"Origin": PAGE})
        large = visitor.post("/echo", content=200 * "x", headers={"Origin": PAGE})

    allow = "access-control-allow-origin"
    assert allow not in answers["https://evil.test"], wrong(
        "any-origin",
        seen=f"a page of https://evil.test got {allow}: {answers['https://evil.test'].get(allow)}",
        due="no such header: only settings.allowed_origins",
        read='"The hull": CORS',
    )
    assert answers[PAGE].get(allow) == PAGE, wrong(
        "no-origin",
        seen=f"a page of an allowed origin got {allow}: {answers[PAGE].get(allow)}",
        due=PAGE,
        read='"Exercise 05-7", its first point',
    )
    assert "access-control-allow-credentials" not in answers[PAGE], wrong(
        "credentials",
        seen="the answer allows credentials: browsers then send cookies along",
        due="no credentials: this server has no cookies",
        read='"Exercise 05-7", its first point',
    )
    exposed = answers[PAGE].get("access-control-expose-headers", "").lower()
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
    def in_pieces() -> Iterator[bytes]:
        yield from 20 * [b"0123456789"]

    with visit(lesson) as visitor:
        fits = visitor.post("/echo", content=100 * "x").status_code
        large = visitor.post("/echo", content=101 * "x").status_code
        chunked = visitor.post("/echo", content=in_pieces()).status_code

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
    with visiting(app) as visitor:
        alive, before = visitor.get("/healthz").status_code, visitor.get("/readyz").status_code
        app.state.client = httpx2.AsyncClient(transport=upstream, base_url=UPSTREAM)
        ready = visitor.get("/readyz").status_code
        asyncio.run(app.state.client.aclose())
        closed = visitor.get("/readyz").status_code

    assert alive == 200, wrong(
        "no-healthz",
        seen=f"GET /healthz got {alive}",
        due="200: the process lives",
        read='"Exercise 05-7", its third point',
    )
    assert (before, ready, closed) == (503, 200, 503), wrong(
        "wrong-readiness",
        seen=f"GET /readyz without app.state.client, with it, and after it was closed: {before}, {ready}, {closed}",
        due="503, 200, 503",
        read='"Exercise 05-7", its third point',
    )
    assert not upstream.requests, wrong(
        "health-costs",
        seen=f"GET /readyz sent {len(upstream.requests)} requests upstream",
        due="none: it is asked every few seconds",
        read='"The hull": health',
    )


def test_05_7_each_answer_has_the_headers(lesson: SimpleNamespace) -> None:
    with visit(lesson) as visitor:
        answers = {
            "an answer": visitor.post("/echo", content="x"),
            "a 404": visitor.get("/nowhere"),
            "a 413": visitor.post("/echo", content=200 * "x"),
            "a 500": visitor.get("/breaks"),
        }

    for what, answer in answers.items():
        missing = [name for name, value in lesson.SECURITY_HEADERS.items() if answer.headers.get(name) != value]
        assert not missing, wrong(
            "no-security-headers",
            seen=f"{what} came without {', '.join(missing)}",
            due="all SECURITY_HEADERS, on each answer",
            read='"Exercise 05-7", its fourth point',
        )


def test_05_7_each_request_has_an_id_of_ours(lesson: SimpleNamespace) -> None:
    with visit(lesson) as visitor:
        ids = [
            visitor.get("/nowhere", headers={"X-Request-ID": CANARY}).headers.get_list("x-request-id") for _ in range(5)
        ]

    flat = [each for answer in ids for each in answer]
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
    with visit(lesson) as visitor:
        answer = visitor.get("/breaks")

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


def test_05_7_each_request_is_a_line_of_the_log(lesson: SimpleNamespace) -> None:
    with visit(lesson) as visitor, log_of(lesson) as lines:
        answer = visitor.post(
            f"/echo?key={CANARY}",
            content=CANARY,
            headers={"Authorization": f"Bearer {CANARY}", "User-Agent": CANARY, "X-Request-ID": CANARY},
        )
        visitor.get("/breaks")

    assert CANARY not in str(lines), wrong(
        "log-tells",
        seen="the log holds a part of the query, of a header, of the body, or the text of an exception",
        due="request_id, method, path, status and ms, and nothing else",
        read='"The hull": a log line',
    )
    records = [json.loads(line) for line in lines if line.startswith("{")]
    of_requests = [record for record in records if "request_id" in record]
    assert len(of_requests) == 2, wrong(
        "no-log-line",
        seen=f"two requests, one of which broke, and {len(of_requests)} JSON lines with a request_id: {lines}",
        due="two: finally",
        read='"Exercise 05-7", its last point',
    )
    seen = {name: value for name, value in of_requests[0].items() if name != "ms"}
    due = {"request_id": answer.headers.get("x-request-id"), "method": "POST", "path": "/echo", "status": 200}
    assert (seen, isinstance(of_requests[0].get("ms"), int | float)) == (due, True), wrong(
        "another-log-line",
        seen=f"{of_requests[0]}",
        due=f"{due} and ms, a number",
        read='"Exercise 05-7", its last point',
    )
    assert of_requests[1].get("status") == 500, wrong(
        "status-not-seen",
        seen=f"a request that broke was logged with the status {of_requests[1].get('status')}",
        due="500: what the client got",
        read='"Exercise 05-7", its last point',
    )
