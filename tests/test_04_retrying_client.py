"""Checks of the exercises in 04_retrying_client. `lesson` holds the learner's names; nobody waits and nothing is sent.

Run against solutions/ and notebooks/ by `make test`, against a learner's code by `check("04-2")` and `make check`.
Every name given to `wrong(...)` is proven in tests/mistakes/04_retrying_client.py.

PYTEST_DONT_REWRITE: the messages say all, and stay as they were written.
"""

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import urllib3.util.retry

from course import sandbox
from course.checks import wrong
from tests.scripted import (
    DONE,
    ROUTER,
    USAGE,
    Reply,
    ScriptedAdapter,
    Step,
    VirtualClock,
    answer,
    delta,
    event,
    refusal,
    stream,
    whole_stream,
)

FAKE = "hf_" + "FaKe" * 8 + "zz"  # plausible, and as long as a real one

# --- 04-1 is_retryable --------------------------------------------------------------------------------------

NEVER_BEGUN: dict[str, dict[str, Any]] = {
    "429": {"status": 429},
    "503": {"status": 503},
    "408": {"status": 408},
    "connect": {"trouble": "connect"},
    "overloaded": {"status": 200, "error_type": "overloaded"},
}
MAY_HAVE_BEGUN: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "502": {"status": 502},
    "504": {"status": 504},
    "read-timeout": {"trouble": "read timeout"},
    "lost": {"status": 200, "trouble": "lost"},
    "error-event": {"status": 200, "error_type": "generation"},
}
FINAL: dict[str, dict[str, Any]] = {
    **{str(status): {"status": status} for status in (400, 401, 402, 403, 404, 410, 413, 422, 425, 501, 505, 511)},
    "redirect": {"status": 302},
    "success": {"status": 200},
    "other-trouble": {"trouble": "other"},
    "validation": {"status": 200, "error_type": "validation"},
}


def _told(outcome: Mapping[str, object]) -> str:
    return f"Outcome({', '.join(f'{name}={value!r}' for name, value in outcome.items())})"


@pytest.mark.parametrize("row", FINAL)
def test_04_1_what_ends_the_same_way_is_not_repeated(lesson: SimpleNamespace, row: str) -> None:
    for method in ("GET", "POST"):
        said = lesson.is_retryable(lesson.Outcome(**FINAL[row], repeatable=True), method)

        assert not said, wrong(
            f"retries-{row}" if row in ("401", "402") else "retries-what-ends-the-same",
            seen=f"for {_told(FINAL[row])} and {method} you returned {said!r}",
            due="False: it would end the same way",
            read='the last row of the table in "Exercise 04-1"',
        )


@pytest.mark.parametrize("row", NEVER_BEGUN)
def test_04_1_what_was_not_begun_is_repeated_with_any_method(lesson: SimpleNamespace, row: str) -> None:
    for method in ("GET", "POST"):
        said = lesson.is_retryable(lesson.Outcome(**NEVER_BEGUN[row]), method)

        assert said, wrong(
            "connect-error-is-final" if row == "connect" else "gives-up-too-early",
            seen=f"for {_told(NEVER_BEGUN[row])} and {method} you returned {said!r}",
            due="True: the server did not begin, so nothing happens twice",
            read='the second and third row of the table in "Exercise 04-1"',
        )


@pytest.mark.parametrize("row", MAY_HAVE_BEGUN)
def test_04_1_what_may_have_begun_is_repeated_only_if_that_does_no_harm(lesson: SimpleNamespace, row: str) -> None:
    outcome = MAY_HAVE_BEGUN[row]
    post, put, delete = (lesson.is_retryable(lesson.Outcome(**outcome), how) for how in ("POST", "PUT", "DELETE"))
    accepted = lesson.is_retryable(lesson.Outcome(**outcome, repeatable=True), "POST")

    assert not post, wrong(
        "repeats-post-blindly",
        seen=f"for {_told(outcome)} and POST you returned {post!r}",
        due="False: the server may have done the work, and nobody said that twice is acceptable",
        read='the fourth row of the table in "Exercise 04-1"',
    )
    assert accepted, wrong(
        "refuses-what-was-accepted",
        seen=f"for {_told(outcome)} with repeatable=True and POST you returned {accepted!r}",
        due="True: the caller accepts a second one",
        read='the fourth row of the table in "Exercise 04-1"',
    )
    assert put and delete, wrong(  # noqa: PT018 - one problem, one message
        "idempotent-not-repeated",
        seen=f"for {_told(outcome)} you returned {put!r} with PUT and {delete!r} with DELETE",
        due="True for both: twice is as good as once",
        read='"Which failures deserve a second try?": idempotent',
    )


def test_04_1_nothing_is_repeated_after_text_has_come(lesson: SimpleNamespace) -> None:
    for outcome in [*NEVER_BEGUN.values(), *MAY_HAVE_BEGUN.values()]:
        said = lesson.is_retryable(lesson.Outcome(**outcome, text_seen=True, repeatable=True), "GET")

        assert not said, wrong(
            "repeats-after-text",
            seen=f"for {_told(outcome)} with text_seen=True you returned {said!r}",
            due="False: the caller has used that text, and a second answer would begin anew",
            read='the first row of the table in "Exercise 04-1"',
        )


# --- 04-2 wait_seconds --------------------------------------------------------------------------------------

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC).timestamp()


class Dice(random.Random):
    """Always falls the same way, so that a random wait can be told from its bound."""

    def __init__(self, fall: float = 0.5) -> None:
        super().__init__()
        self.fall = fall

    def random(self) -> float:
        return self.fall


def _wait(lesson: SimpleNamespace, headers: dict[str, str], attempt: int = 1, fall: float = 0.5) -> Any:
    insensitive = requests.structures.CaseInsensitiveDict(headers)
    return lesson.wait_seconds(insensitive, attempt, NOON, Dice(fall))


def test_04_2_the_jitter_is_full_and_below_the_cap(lesson: SimpleNamespace) -> None:
    waits = [_wait(lesson, {}, 6, fall) for fall in (0.0, 0.25, 0.5)]

    assert len(set(waits)) == 3, wrong(
        "no-jitter" if _wait(lesson, {}, 2, 0.0) == _wait(lesson, {}, 2, 0.5) else "jitter-after-cap",
        seen=f"after attempt 6, three clients with different luck wait {waits} s",
        due="three different waits: first the cap, then the jitter, else all clients meet again at the cap",
        read='"How long to wait?": full jitter',
    )
    waits = [_wait(lesson, {}, 3, fall) / _wait(lesson, {}, 3, 1.0) for fall in (0.0, 0.25, 0.5)]
    assert waits == [0.0, 0.25, 0.5], wrong(
        "not-full-jitter",
        seen=f"dice that fall 0, 0.25 and 0.5 give {waits} of the longest wait after the same attempt",
        due="[0.0, 0.25, 0.5]: anything between 0 and the bound, each as likely as the other",
        read='"Exercise 04-2", rule 4',
    )


def test_04_2_the_bound_doubles_up_to_the_cap(lesson: SimpleNamespace) -> None:
    bounds = [_wait(lesson, {}, attempt, fall=1.0) for attempt in range(1, 8)]

    assert bounds[0] == 0.5, wrong(
        "wrong-base",
        seen=f"the longest possible wait after the first failed attempt is {bounds[0]!r} s",
        due="BASE_SECONDS, 0.5: it doubles for each attempt after the first",
        read='"Exercise 04-2", rule 4',
    )
    assert max(bounds) == 8.0, wrong(
        "no-cap",
        seen=f"the longest possible waits after attempts 1 to 7 are {bounds}",
        due="at most CAP_SECONDS, 8.0",
        read='"Exercise 04-2", rule 4',
    )
    assert bounds == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0], wrong(
        "wrong-growth",
        seen=f"the longest possible waits after attempts 1 to 7 are {bounds}",
        due="[0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]: doubled each time, up to the cap",
        read='"Exercise 04-2", rule 4',
    )


def test_04_2_the_dice_are_thrown_below_the_cap(lesson: SimpleNamespace) -> None:
    wait = _wait(lesson, {}, 9)

    assert wait == 4.0, wrong(
        "jitter-before-cap",
        seen=f"after attempt 9, dice that fall in the middle give {wait!r} s",
        due="4.0: the middle between 0 and the cap. If the dice are thrown first, most clients wait exactly the cap",
        read='"Exercise 04-2", rule 4: the bound is at most CAP_SECONDS',
    )


def test_04_2_many_attempts_are_no_problem(lesson: SimpleNamespace) -> None:
    try:
        wait = _wait(lesson, {}, 5000)
    except OverflowError as error:
        wait = error

    assert not isinstance(wait, OverflowError), wrong(
        "overflow",
        seen=f"after attempt 5000 your function raised {wait!r}",
        due="4.0: Python cannot turn 2 ** 5000 into a float, so bound the exponent, too",
        read='"Exercise 04-2", rule 4',
    )


@pytest.mark.parametrize(("value", "mistake"), [("2", "ignores-retry-after"), ("1.5", "whole-seconds-only")])
def test_04_2_seconds_are_taken_at_their_word(lesson: SimpleNamespace, value: str, mistake: str) -> None:
    wait = _wait(lesson, {"Retry-After": value})

    assert wait == float(value), wrong(
        mistake,
        seen=f"for Retry-After: {value} you returned {wait!r}",
        due=f"{float(value)}: the server knows best",
        read='"Exercise 04-2", rule 1',
    )


def test_04_2_a_long_wait_is_returned_as_it_is(lesson: SimpleNamespace) -> None:
    wait = _wait(lesson, {"Retry-After": "7200"})

    assert wait == 7200, wrong(
        "shortens-the-servers-wait",
        seen=f"for Retry-After: 7200 you returned {wait!r}",
        due="7200.0: a shorter wait only earns the same refusal; whether to wait is the caller's business",
        read='"Exercise 04-2", the line below the rules',
    )


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ("Mon, 02 Nov 2026 12:00:30 GMT", "ignores-dates"),
        ("Mon, 02 Nov 2026 13:00:30 +0100", "ignores-zones"),
        ("Mon Nov  2 12:00:30 2026", "local-time"),
    ],
)
def test_04_2_a_date_is_turned_into_seconds(
    lesson: SimpleNamespace, value: str, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "XYZ-3")  # three hours east of UTC, so that a date read as local time shows
    if hasattr(time, "tzset"):
        time.tzset()
    try:
        wait = _wait(lesson, {"Retry-After": value})
    finally:
        monkeypatch.undo()
        if hasattr(time, "tzset"):
            time.tzset()

    assert wait == 30, wrong(
        mistake,
        seen=f"at 12:00:00 UTC, for Retry-After: {value}, you returned {wait!r}",
        due="30.0: the seconds from now until then; without a zone it is UTC",
        read='"Exercise 04-2", rule 2',
    )


def test_04_2_the_hubs_window_counts(lesson: SimpleNamespace) -> None:
    wait = _wait(lesson, {"RateLimit": '"api";r=0;t=155'})

    assert wait == 155, wrong(
        "ignores-ratelimit",
        seen=f'for RateLimit: "api";r=0;t=155 you returned {wait!r}',
        due="155.0: the quota is new after t seconds",
        read='"Exercise 04-2", rule 3',
    )


@pytest.mark.parametrize(
    ("value", "due", "mistake"),
    [
        ('"api";r=42;t=155', None, "waits-for-a-quota-that-is-left"),
        ('"api";r=0;t=20, "pages";r=0;t=155', 155, "first-window-only"),
        ('"api";r=10;t=155, "pages";r=0;t=20', 20, "wrong-window"),
        ('"api"; r=0; t=20', 20, "strict-ratelimit"),
        ('"api";t=20;r=0', 20, "fixed-order-of-r-and-t"),
        ('"api";r=05;t=155', None, "takes-05-for-0"),
    ],
)
def test_04_2_only_an_empty_quota_counts(lesson: SimpleNamespace, value: str, due: float | None, mistake: str) -> None:
    wait = _wait(lesson, {"RateLimit": value})

    assert wait <= 0.5 if due is None else wait == due, wrong(
        mistake,
        seen=f"for RateLimit: {value} you returned {wait!r}",
        due=f"{due}.0" if due else "a random wait as without the header: r is not 0, so that quota was not the reason",
        read='"Exercise 04-2", rule 3',
    )


def test_04_2_retry_after_comes_first(lesson: SimpleNamespace) -> None:
    wait = _wait(lesson, {"Retry-After": "2", "RateLimit": '"api";r=0;t=155'})

    assert wait == 2, wrong(
        "wrong-order",
        seen=f"for Retry-After: 2 together with a RateLimit of 155 s you returned {wait!r}",
        due="2.0: the first rule that applies",
        read='"Exercise 04-2": the order of the rules',
    )


GARBAGE = [
    "0",
    "-5",
    "nan",
    "inf",
    "1e999",
    "soon",
    "",
    "Mon, 99 Foo 2026 12:00:00 GMT",
    "Sun, 01 Nov 2026 12:00:00 GMT",
]


@pytest.mark.parametrize("header", ["Retry-After", "RateLimit"])
def test_04_2_garbage_is_passed_over(lesson: SimpleNamespace, header: str) -> None:
    for value in [*GARBAGE, '"api";r=0;t=', '"api";r=0;t=0']:
        try:
            wait = _wait(lesson, {header: value})
        except Exception as error:
            wait = error

        assert not isinstance(wait, Exception), wrong(
            "crashes-on-garbage",
            seen=f"for {header}: {value} your function raised {type(wait).__name__}",
            due="a wait: a header that nobody can read is no reason to crash",
            read='"Exercise 04-2", the line below the rules',
        )
        assert 0 <= wait <= 0.5, wrong(
            "believes-garbage",
            seen=f"for {header}: {value} you returned {wait!r}",
            due="a random wait, as without the header: nobody can wait for that",
            read='"Exercise 04-2", the line below the rules',
        )


def test_04_2_a_number_may_be_too_long_for_a_float(lesson: SimpleNamespace) -> None:
    try:
        wait = _wait(lesson, {"RateLimit": '"api";r=0;t=' + "9" * 400})
    except Exception as error:
        wait = error

    ended = f"raised {type(wait).__name__}" if isinstance(wait, Exception) else "returned more than anybody can wait"
    assert not isinstance(wait, Exception) and 0 <= wait <= 0.5, wrong(  # noqa: PT018 - one problem, one message
        "too-long-for-a-float",
        seen=f'for RateLimit: "api";r=0;t= and 400 digits your function {ended}',
        due="a random wait, as without the header: the number is too long for a float (float() makes inf of it)",
        read='"Exercise 04-2", the line below the rules',
    )


def test_04_2_garbage_hands_over_to_the_next_rule(lesson: SimpleNamespace) -> None:
    for value in GARBAGE:
        wait = _wait(lesson, {"Retry-After": value, "RateLimit": '"api";r=0;t=155'})

        assert wait == 155, wrong(
            "stops-at-garbage",
            seen=f'for Retry-After: {value}, together with RateLimit: "api";r=0;t=155, you returned {wait!r}',
            due="155.0: what makes no sense is passed over, and the next rule is asked",
            read='"Exercise 04-2", the line below the rules',
        )


# --- 04-3 build_session -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared_hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as started:
        yield started


@pytest.fixture
def hub(shared_hub: sandbox.Sandbox) -> sandbox.Sandbox:
    shared_hub.forget()
    shared_hub.faults.clear()  # an answer that failed left its own unused
    return shared_hub


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What urllib3 would have slept. Other threads of a kernel sleep as ever."""
    waits: list[float] = []
    monkeypatch.setattr(urllib3.util.retry, "time", SimpleNamespace(sleep=waits.append, time=time.time))
    return waits


def _session(lesson: SimpleNamespace, *steps: Step, retries: int = 3) -> tuple[requests.Session, ScriptedAdapter]:
    """The learner's session over a scripted server: for what is the session's own business, not urllib3's."""
    session = lesson.build_session(lesson.BearerAuth(FAKE), retries)
    assert isinstance(session, requests.Session), wrong(
        "no-session",
        seen=f"build_session returned {type(session).__name__}",
        due="a requests.Session",
        read='"Exercise 04-3", its first line',
    )
    adapter = ScriptedAdapter(steps, VirtualClock())
    session.mount("http://router.test", adapter)
    return session, adapter


def _ask(session: requests.Session, method: str, url: str) -> Any:
    try:
        return session.request(method, url, timeout=5)
    except requests.RequestException as error:
        return error


def test_04_3_the_token_is_sent(lesson: SimpleNamespace) -> None:
    session, adapter = _session(lesson, answer())

    _ask(session, "GET", f"{ROUTER}/models")

    sent = adapter.sent[0].headers.get("Authorization", "nothing")
    assert sent == f"Bearer {FAKE}", wrong(
        "no-auth",
        seen=f"the request carried Authorization: {sent.split()[0]}",
        due="the token that `auth` holds: session.auth = auth",
        read='"Exercise 04-3", the first rule',
    )


def test_04_3_netrc_has_no_say(lesson: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine router.test login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    session, adapter = _session(lesson, answer())

    _ask(session, "GET", f"{ROUTER}/models")

    sent = adapter.sent[0].headers.get("Authorization", "nothing")
    assert sent == f"Bearer {FAKE}", wrong(
        "netrc-wins",
        seen=f"with an entry for the host in .netrc, the request carried Authorization: {sent.split()[0]}",
        due="Bearer: session.auth = auth. A header set on the session loses against .netrc",
        read='"What urllib3 can do for you": the paragraph on .netrc',
    )


@pytest.mark.parametrize("location", [f"{ROUTER}/elsewhere", "http://router.test.evil.test/"])
def test_04_3_no_redirect_is_followed(lesson: SimpleNamespace, location: str) -> None:
    session, adapter = _session(lesson, Reply(302, headers={"Location": location}), answer())
    session.mount("http://router.test.evil.test", adapter)

    _ask(session, "GET", f"{ROUTER}/models")

    assert len(adapter.sent) == 1, wrong(
        "follows-redirects",
        seen=f"the answer was 302, and a request to {adapter.sent[1].url if adapter.sent[1:] else ''} was sent",
        due="one request: session.max_redirects = 0 raises instead",
        read='"The session": redirects',
    )


@pytest.mark.parametrize("status", [429, 500, 503, 504])
def test_04_3_a_get_is_repeated(lesson: SimpleNamespace, hub: sandbox.Sandbox, slept: list[float], status: int) -> None:
    session = lesson.build_session(lesson.BearerAuth(hub.tokens["read"]), 3)
    hub.fail_next(status, times=2, on="router")

    reply = _ask(session, "GET", f"{hub.router}/v1/models")

    statuses = [exchange.status for exchange in hub.requests]
    assert statuses == [status, status, 200], wrong(
        "no-retries",
        seen=f"the router answered {status} twice, then 200; your session got {statuses}, the caller {_short(reply)}",
        due="three requests, and the 200",
        read='"Exercise 04-3", the second rule',
    )
    assert slept and sum(slept) > 0, wrong(  # noqa: PT018 - one problem, one message
        "no-backoff",
        seen=f"two retries without any wait: {slept}",
        due="a growing wait: backoff_factor is 0 unless you set it",
        read='"What urllib3 can do for you": the table of switches',
    )


def test_04_3_the_waits_grow_and_differ(
    lesson: SimpleNamespace, hub: sandbox.Sandbox, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: dict[float, list[float]] = {}
    for fall in (0.1, 0.9):  # urllib3, and whoever does it by hand, throws the dice of the module `random`
        monkeypatch.setattr(random, "random", lambda fall=fall: fall)
        monkeypatch.setattr(random, "uniform", lambda low, high, fall=fall: low + (high - low) * fall)
        session = lesson.build_session(lesson.BearerAuth(hub.tokens["read"]), 7)
        slept.clear()
        hub.fail_next(503, times=7, on="router")

        _ask(session, "GET", f"{hub.router}/v1/models")

        waits[fall] = list(slept)

    assert waits[0.9][-1] >= 2 * waits[0.9][0] > 0, wrong(
        "waits-do-not-grow",
        seen=f"seven retries came after waits of {waits[0.9]} s",
        due="growing waits: backoff_factor is 0 unless you set it, and jitter alone does not grow",
        read='"What urllib3 can do for you": the table of switches',
    )
    assert waits[0.1] != waits[0.9], wrong(
        "no-spread",
        seen=f"two clients with different luck waited {waits[0.1]} s, both",
        due="waits that differ: backoff_jitter is 0 unless you set it",
        read='"What urllib3 can do for you": the table of switches',
    )
    assert max(waits[0.9]) <= 8, wrong(
        "waits-too-long",
        seen=f"seven retries came after waits of {waits[0.9]} s",
        due="at most 8 s each: backoff_max, which is 120 unless you set it",
        read='"Exercise 04-3", the third rule',
    )


def test_04_3_a_post_is_not_repeated(lesson: SimpleNamespace, hub: sandbox.Sandbox, slept: list[float]) -> None:
    session = lesson.build_session(lesson.BearerAuth(hub.tokens["read"]), 3)
    hub.fail_next(503, on="router")

    _ask(session, "POST", f"{hub.router}/v1/chat/completions")

    assert len(hub.requests) == 1, wrong(
        "repeats-post",
        seen=f"the router answered 503 to a POST, and {len(hub.requests)} requests were sent",
        due="one: a POST may have been done, and paid for. allowed_methods=None means every method",
        read='"Exercise 04-3", the second rule',
    )


def test_04_3_the_last_answer_is_kept(lesson: SimpleNamespace, hub: sandbox.Sandbox, slept: list[float]) -> None:
    session = lesson.build_session(lesson.BearerAuth(hub.tokens["read"]), 2)
    hub.fail_next(503, times=3, on="router")

    reply = _ask(session, "GET", f"{hub.router}/v1/models")

    assert isinstance(reply, requests.Response) and reply.status_code == 503, wrong(  # noqa: PT018
        "loses-the-answer",
        seen=f"the router answered 503 three times; the caller got {_short(reply)}",
        due="the last answer, with its body and headers: raise_on_status=False",
        read='"What urllib3 can do for you": the table of switches',
    )


def test_04_3_retries_are_counted(lesson: SimpleNamespace, hub: sandbox.Sandbox, slept: list[float]) -> None:
    for retries in (0, 2):
        session = lesson.build_session(lesson.BearerAuth(hub.tokens["read"]), retries)
        hub.forget()
        hub.fail_next(503, times=retries + 1, on="router")

        _ask(session, "GET", f"{hub.router}/v1/models")

        assert len(hub.requests) == retries + 1, wrong(
            "wrong-count",
            seen=f"with retries={retries}, {len(hub.requests)} requests were sent",
            due=f"{retries + 1}: the first one, and {retries} more",
            read='"Exercise 04-3": what `retries` is',
        )


def test_04_3_an_hour_is_not_waited(lesson: SimpleNamespace, hub: sandbox.Sandbox, slept: list[float]) -> None:
    session = lesson.build_session(lesson.BearerAuth(hub.tokens["read"]), 1)
    for asked, due in ((7, 7), (3600, 30)):
        slept.clear()
        hub.fail_next(429, retry_after=asked, on="router")

        _ask(session, "GET", f"{hub.router}/v1/models")

        assert slept == [due], wrong(
            "waits-an-hour" if asked > 30 else "not-as-told",
            seen=f"for Retry-After: {asked} your session waited {slept} s",
            due=f"[{due}]: as the server says, but at most MAX_WAIT_SECONDS (retry_after_max)",
            read='"Exercise 04-3", the third rule',
        )


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_04_3_as_many_connections_are_kept_as_threads_may_use(lesson: SimpleNamespace, scheme: str) -> None:
    session, _ = _session(lesson, answer())
    adapter: Any = session.get_adapter(f"{scheme}://router.example.test")

    kept = adapter.poolmanager.connection_pool_kw.get("maxsize")

    assert kept == lesson.CONNECTIONS, wrong(
        "small-pool" if scheme == "http" else "https-forgotten",
        seen=f"for {scheme}:// the adapter keeps {kept} connections",
        due=f"{lesson.CONNECTIONS}: pool_maxsize, on an adapter for each of the two schemes",
        read='"Exercise 04-3", the last rule',
    )
    assert adapter.max_retries.total == 3, wrong(
        "retries-not-mounted",
        seen=f"for {scheme}:// the adapter has {adapter.max_retries.total} retries, of 3 asked for",
        due="the same Retry on both adapters",
        read='"Exercise 04-3": both http:// and https://',
    )


# --- 04-4 ChatClient ----------------------------------------------------------------------------------------

MODEL = "openai/gpt-oss-120b"
PROMPT = "Is my illness curable?"
QUESTION = [{"role": "user", "content": PROMPT}]
UNSUPPORTED = {"message": "The requested model is not supported.", "code": "model_not_supported"}
HTML = Reply(502, (b"<html>Bad Gateway</html>",), {"Content-Type": "text/html"})


def _client(
    lesson: SimpleNamespace,
    *steps: Step,
    kind: str = "ChatClient",
    clock: VirtualClock | None = None,
    **options: Any,
) -> Any:
    """The learner's client over a scripted server, with the adapter and the clock as attributes for the checks."""
    clock = clock or VirtualClock()
    adapter = ScriptedAdapter(steps, clock)
    session = requests.Session()
    session.auth = lesson.BearerAuth(FAKE)
    session.mount("http://", adapter)
    client = getattr(lesson, kind)(session, ROUTER, MODEL, **{"clock": clock, "rng": Dice(), **options})
    return SimpleNamespace(
        complete=lambda: client.complete(QUESTION),
        stream=lambda: client.stream(QUESTION),
        sent=adapter.sent,
        kept=lambda: adapter.lent - adapter.returned,
        read_up=lambda: adapter.read_up,
        clock=clock,
        wait_or_raise=client._wait_or_raise,
    )


def test_04_4_an_answer_is_returned(lesson: SimpleNamespace) -> None:
    client = _client(lesson, answer("Yes.", {"X-Request-Id": "r-1"}))

    got = _error(client.complete)

    assert all(sent.streamed for sent in client.sent), wrong(
        "not-streamed",
        seen="the request was sent without stream=True, so requests reads the whole body before `chunks` begins",
        due="stream=True: only then can `chunks` ask the clock before each read",
        read='"Exercise 04-4": _send',
    )
    assert [(sent.method, sent.url) for sent in client.sent] == [("POST", f"{ROUTER}/chat/completions")], wrong(
        "wrong-address",
        seen=f"with the base URL {ROUTER} you sent {[(sent.method, sent.url) for sent in client.sent]}",
        due="one POST to {base_url}/chat/completions",
        read='"Exercise 04-4": _send',
    )
    assert client.sent[0].body == {"model": MODEL, "messages": QUESTION}, wrong(
        "wrong-body",
        seen=f"the request said {client.sent[0].body}",
        due='{"model": ..., "messages": ...}, as JSON',
        read='"Exercise 04-4": _once',
    )
    answered = got.value if isinstance(got, _NothingRaised) else got
    assert answered == lesson.Answer("Yes.", "stop", USAGE, "r-1", 1, 0.0), wrong(
        "wrong-answer",
        seen=f"for a whole completion with X-Request-Id: r-1 complete gave {answered!r}",
        due=f"{lesson.Answer('Yes.', 'stop', USAGE, 'r-1', 1, 0.0)!r}",
        read='"Exercise 04-4": _once, and the class Answer above it',
    )


def test_04_4_a_failure_is_raised_not_returned(lesson: SimpleNamespace) -> None:
    error = _error(_client(lesson, refusal(401)).complete)

    assert isinstance(error, Exception) and not isinstance(error, _NothingRaised), wrong(  # noqa: PT018
        "swallows-errors",
        seen=f"on 401 complete {error}",
        due="it raises: a failure that is returned as a value travels on as if it were an answer",
        read='"A client that looks fine": what a program can do with a dictionary',
    )


STATUSES = {
    "InvalidToken": [401],
    "OutOfCredits": [402],
    "NotPermitted": [403],
    "ModelNotServed": [404, 410],
    "BadRequest": [400, 413, 422],
    "BadAnswer": [302],
}
ERRORS: dict[str, tuple[Reply, str]] = {
    **{str(status): (refusal(status), name) for name, statuses in STATUSES.items() for status in statuses},
    "400 model_not_supported": (refusal(400, UNSUPPORTED), "ModelNotServed"),
    "400 with an error that is a text": (refusal(400, "no"), "BadRequest"),
    "400 with HTML": (Reply(400, (b"<html>",)), "BadRequest"),
    "401 whose body breaks off": (Reply(401, (b"{",), ends="cut"), "InvalidToken"),
}


@pytest.mark.parametrize("row", ERRORS)
def test_04_4_what_ends_the_same_way_has_its_error_at_once(lesson: SimpleNamespace, row: str) -> None:
    reply, name = ERRORS[row]
    client = _client(lesson, reply)

    error = _error(client.complete)

    assert isinstance(error, getattr(lesson, name)), wrong(
        "one-error-shape" if " " in row else "wrong-error",
        seen=f"on {row} complete {_ended(error)}",
        due=f"raise {name}: refused(...) reads every shape of an error",
        read='"A loop of your own": the two shapes of errors, and the table BY_STATUS',
    )
    assert len(client.sent) == 1, wrong(
        "repeats-what-is-final",
        seen=f"on {row} {len(client.sent)} requests were sent",
        due="one: it would end the same way",
        read='"Exercise 04-4": what is_retryable refuses',
    )


def test_04_4_no_redirect_is_followed(lesson: SimpleNamespace) -> None:
    client = _client(lesson, Reply(307, headers={"Location": "http://elsewhere.test/"}), answer())

    error = _error(client.complete)

    assert len(client.sent) == 1, wrong(
        "follows-redirect",
        seen=f"the router answered 307, and the prompt was sent to {client.sent[-1].url}",
        due="one request: allow_redirects=False",
        read='"Exercise 04-4": _send',
    )
    assert isinstance(error, lesson.BadAnswer), wrong(
        "redirect-accepted",
        seen=f"on 307 complete {_ended(error)}",
        due="raise BadAnswer",
        read='"Exercise 04-4": _once, a status other than 200',
    )


def test_04_4_every_wait_for_the_network_is_bounded(lesson: SimpleNamespace) -> None:
    for deadline, due in ((60.0, (5.0, 30.0)), (3.0, (3.0, 3.0))):
        client = _client(lesson, answer(), deadline_seconds=deadline)

        client.complete()

        assert None not in client.sent[0].timeout, wrong(
            "no-timeout",
            seen=f"the request was sent with the time-outs {client.sent[0].timeout}",
            due="(connect, read) in seconds: without them requests waits for ever",
            read='"Exercise 04-4": _send',
        )
        assert client.sent[0].timeout == due, wrong(
            "timeout-beyond-deadline" if deadline < 5 else "other-timeouts",
            seen=f"with {deadline:g} s left the request was sent with the time-outs {client.sent[0].timeout}",
            due=f"{due}: those of self.timeouts, neither longer than the time left",
            read='"Exercise 04-4": _send',
        )


def test_04_4_what_may_end_better_is_tried_again(lesson: SimpleNamespace) -> None:
    for step in (refusal(503), refusal(429), HTML, "refused", "reset", "connect timeout", "hang"):
        client = _client(lesson, step, step, answer(), deadline_seconds=300.0)

        result = _error(client.complete)

        assert not isinstance(result, (requests.RequestException, ValueError, AttributeError, KeyError)), wrong(
            "network-error-escapes",
            seen=f"after {_step(step)} complete {_ended(result)}",
            due="an Answer or a ChatError, nothing else",
            read='"Exercise 04-4", its first lines',
        )
        assert isinstance(result, _NothingRaised), wrong(
            "gives-up",
            seen=f"after {_step(step)}, twice, then an answer, complete {_ended(result)}",
            due="the answer of the third attempt",
            read='"Exercise 04-4": _wait_or_raise',
        )
        assert result.value.attempts == 3, wrong(
            "attempts-not-counted",
            seen=f"after three attempts the Answer says attempts={result.value.attempts}",
            due="attempts=3, from call.attempts",
            read='"Exercise 04-4": _once, and the class Answer above it',
        )
        assert client.clock.slept == [0.25, 0.5], wrong(
            "wrong-waits",
            seen=f"between three attempts the client slept {client.clock.slept}",
            due="[0.25, 0.5]: what wait_seconds says, with self.rng, on self.clock",
            read='"Exercise 04-4": _wait_or_raise',
        )


def test_04_4_the_server_is_taken_at_its_word(lesson: SimpleNamespace) -> None:
    for headers, due in (
        ({"Retry-After": "7"}, 7),
        ({"RateLimit": '"api";r=0;t=9'}, 9),
        ({"Retry-After": _in(11)}, 11),
    ):
        client = _client(lesson, refusal(429, headers=headers), answer())

        _error(client.complete)

        assert client.clock.slept == [due], wrong(
            "retry-after-ignored",
            seen=f"after 429 with {headers} the client slept {client.clock.slept}",
            due=f"[{due}]: hand the headers of the answer, and self.clock.time(), to wait_seconds",
            read='"Exercise 04-4": _wait_or_raise',
        )


def _in(seconds: int) -> str:
    """An HTTP date, so many seconds after the start of a VirtualClock."""
    return datetime.fromtimestamp(VirtualClock().start + seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


@pytest.mark.parametrize("asked", [3600, 60])
def test_04_4_nobody_waits_in_vain(lesson: SimpleNamespace, asked: int) -> None:
    client = _client(lesson, refusal(429, headers={"Retry-After": str(asked)}), answer())

    error = _error(client.complete)

    assert client.clock.slept == [], wrong(
        "waits-beyond-deadline",
        seen=f"with 60 s left and Retry-After: {asked} the client slept {client.clock.slept} s",
        due="no wait: it is not shorter than the time left, so nothing could follow it",
        read='"Exercise 04-4": when _wait_or_raise raises',
    )
    assert isinstance(error, lesson.RateLimited), wrong(
        "limit-not-told",
        seen=f"complete {_ended(error)}",
        due="raise RateLimited, the error of the last attempt",
        read='"Exercise 04-4": when _wait_or_raise raises',
    )
    assert error.retry_after_seconds == asked, wrong(
        "no-retry-after",
        seen=f"the error has retry_after_seconds={error.retry_after_seconds!r}",
        due=f"{asked}.0: the caller wants to know when to come back",
        read='"Exercise 04-4": _wait_or_raise',
    )


def test_04_4_what_is_final_tells_no_time_to_come_back(lesson: SimpleNamespace) -> None:
    error = _error(_client(lesson, refusal(401, headers={"Retry-After": "7"})).complete)

    told = getattr(error, "retry_after_seconds", None)
    assert told is None, wrong(
        "retry-after-in-vain",
        seen=f"on a 401 the error has retry_after_seconds={told!r}",
        due="None: it would end the same way at any time. Rule 2 comes before rule 3",
        read='"Exercise 04-4": _wait_or_raise, rules 2 to 4',
    )


def test_04_4_each_read_has_the_read_time_out(lesson: SimpleNamespace) -> None:
    slow = Reply(200, (*(b" ",) * 2, *answer().pieces), {"Content-Type": "application/json"}, gap=10.0)
    for step, due in ((slow, 1), (Reply(200, (b"{",), ends="stall"), 2)):
        client = _client(lesson, step, answer())

        result = _error(client.complete)

        assert isinstance(result, _NothingRaised) and len(client.sent) == due, wrong(  # noqa: PT018
            "wrong-read-time-out",
            seen=f"with the time-outs (5, 30), on {_pace(step)} complete {_ended(result)} "
            f"after {len(client.sent)} requests",
            due=f"an Answer after {due}: chunks(response, call, ...) with the second of self.timeouts",
            read='"Exercise 04-4": _once reads with the read time-out',
        )


def test_04_4_text_that_had_come_outlives_the_deadline(lesson: SimpleNamespace) -> None:
    client = _client(lesson, answer())
    broken = lesson.ServiceUnavailable("cut", 200, "r-7", "Yes, it")
    late = lesson.Call(client.clock, 0.0)

    error = _error(lambda: client.wait_or_raise(lesson.Failure(broken, lesson.Outcome(200, trouble="lost")), late))

    told = {name: getattr(error, name, "missing") for name in ("status", "request_id", "partial_text")}
    due = {"status": 200, "request_id": "r-7", "partial_text": "Yes, it"}
    assert told == due, wrong(
        "deadline-forgets",
        seen=f"for a failure with partial text and no time left, _wait_or_raise {_ended(error)} with {told}",
        due=f"DeadlineExceeded with {due}",
        read='"Exercise 04-4": _wait_or_raise, rule 1',
    )


DRIP = Reply(200, (b" ",) * 1000, {"Content-Type": "application/json"}, gap=1.0)


@pytest.mark.parametrize(
    "steps", [["hang"], [DRIP], [refusal(503), DRIP], [Reply(200, (b"{",), ends="stall")], ["connect timeout"]],
    ids=["hang", "drip", "drip after 503", "stall", "connect timeout"],
)  # fmt: skip
def test_04_4_it_ends_before_its_deadline(lesson: SimpleNamespace, steps: list[Step]) -> None:
    client = _client(lesson, *steps, deadline_seconds=12.0)

    error = _error(client.complete)

    assert client.clock.passed <= 12, wrong(
        "past-the-deadline",
        seen=f"with a deadline of 12 s, and a server that {_slow(steps)}, complete took {client.clock.passed:g} s",
        due="12 s at most: chunks(...) asks the clock before each read, and _send bounds the time-outs",
        read='"Time": a deadline bounds everything',
    )
    late = isinstance(error, lesson.DeadlineExceeded) or client.clock.passed < 12
    assert late, wrong(
        "deadline-not-named",
        seen=f"after all 12 s were used up complete {_ended(error)}",
        due="raise DeadlineExceeded: no time is left",
        read='"Exercise 04-4": when _wait_or_raise raises',
    )


class _LateClock(VirtualClock):
    """A sleeper that wakes a minute late, as on a machine that was asleep itself."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.passed += 60


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [([answer()], 0.0), ([refusal(429), answer()], 60.0)],
    ids=["a deadline of 0 s", "a sleep that ends late"],
)
def test_04_4_nothing_is_sent_when_no_time_is_left(lesson: SimpleNamespace, steps: list[Step], seconds: float) -> None:
    client = _client(lesson, *steps, clock=_LateClock(), deadline_seconds=seconds)

    error = _error(client.complete)

    assert len(client.sent) < len(steps), wrong(
        "sends-too-late",
        seen=f"when no time was left, a request was sent with the time-outs {client.sent[-1].timeout}",
        due="no request: raise requests.ConnectTimeout before anything is sent",
        read='"Exercise 04-4": _send, its last sentence',
    )
    assert isinstance(error, lesson.DeadlineExceeded), wrong(
        "no-time-left",
        seen=f"when no time was left for a request complete {_ended(error)}",
        due="raise DeadlineExceeded: requests refuses a time-out of 0 or less with a ValueError, so ask before",
        read='"Exercise 04-4": _send, its last sentence',
    )


def test_04_4_attempts_are_bounded(lesson: SimpleNamespace) -> None:
    for most in (1, 4):
        client = _client(lesson, refusal(503), max_attempts=most)

        _error(client.complete)

        assert len(client.sent) == most, wrong(
            "too-many-attempts",
            seen=f"with max_attempts={most} the client sent {len(client.sent)} requests",
            due=f"{most}",
            read='"Exercise 04-4": when _wait_or_raise raises',
        )


def test_04_4_the_error_tells_what_happened(lesson: SimpleNamespace) -> None:
    client = _client(lesson, refusal(503, headers={"X-Request-Id": "r-9"}), max_attempts=2)

    error = _error(client.complete)

    told = {name: getattr(error, name, "missing") for name in ("status", "request_id", "attempts", "elapsed_seconds")}
    due = {"status": 503, "request_id": "r-9", "attempts": 2, "elapsed_seconds": 0.25}
    assert told == due, wrong(
        "empty-error",
        seen=f"after two attempts and a wait of 0.25 s the error tells {told}",
        due=f"{due}",
        read='"Exercise 04-4": what _wait_or_raise fills in',
    )


def test_04_4_a_second_bill_needs_consent(lesson: SimpleNamespace) -> None:
    for step, due in ((refusal(504), 1), (refusal(503), 2)):
        client = _client(lesson, step, answer(), repeatable=False)

        _error(client.complete)

        assert len(client.sent) == due, wrong(
            "repeatable-ignored",
            seen=f"with repeatable=False and {_step(step)}, {len(client.sent)} requests were sent",
            due=f"{due}: after 504 the work may have been done, after 503 it was not begun",
            read='"Exercise 04-4": self.repeatable, into the outcome with replace(...)',
        )


class _Purse:
    """A budget that counts, and gives `coins`."""

    def __init__(self, coins: int) -> None:
        self.coins, self.asked, self.successes = coins, 0, 0

    def take(self) -> bool:
        self.asked += 1
        self.coins -= 1
        return self.coins >= 0

    def success(self) -> None:
        self.successes += 1


def test_04_4_the_budget_is_asked_and_asked_last(lesson: SimpleNamespace) -> None:
    purse = _Purse(1)
    client = _client(lesson, refusal(503), budget=purse)

    _error(client.complete)

    assert len(client.sent) == 2, wrong(
        "budget-not-asked",
        seen=f"with a budget for one retry the client sent {len(client.sent)} requests",
        due="2: before each retry, self.budget.take() has to say yes",
        read='"Exercise 04-4": when _wait_or_raise raises',
    )
    hopeless: list[tuple[Step, dict[str, Any]]] = [
        (refusal(401), {}),
        (refusal(503), {"max_attempts": 1}),
        (refusal(429, headers={"Retry-After": "3600"}), {}),
    ]
    for step, options in hopeless:
        purse = _Purse(9)
        _error(_client(lesson, step, budget=purse, **options).complete)

        assert purse.asked == 0, wrong(
            "budget-asked-in-vain",
            seen=f"a call that could not be repeated anyway ({_step(step)}) took {purse.asked} from the budget",
            due="0: ask the budget last, when everything else allows a retry",
            read='"Exercise 04-4": when _wait_or_raise raises',
        )


NO_TEXT = '{"choices": [{"message": {"content": null}, "finish_reason": "stop"}], "usage": {}}'


@pytest.mark.parametrize("body", ["<html>Please log in</html>", "[]", "{}", '{"choices": []}', NO_TEXT, "7", ""])
def test_04_4_a_200_that_is_no_answer(lesson: SimpleNamespace, body: str) -> None:
    client = _client(lesson, Reply(200, (body.encode(),) if body else ()))

    error = _error(client.complete)

    assert isinstance(error, lesson.BadAnswer), wrong(
        "bad-answer-escapes",
        seen=f"on a 200 with the body {body!r} complete {_ended(error)}",
        due="raise BadAnswer: a login page of a hotel, say",
        read='"Exercise 04-4": _once, a 200 that is no chat completion',
    )
    assert len(client.sent) == 1, wrong(
        "bad-answer-repeated",
        seen=f"on a 200 with the body {body!r}, {len(client.sent)} requests were sent",
        due="one: it would come again, and a 200 is billed",
        read='"Exercise 04-4": _once, "that is not repeated"',
    )


@pytest.mark.parametrize("more", ["", ', "usage": null'])
def test_04_4_usage_and_finish_reason_may_be_missing(lesson: SimpleNamespace, more: str) -> None:
    body = '{"choices": [{"message": {"content": "Yes."}}]' + more + "}"

    result = _error(_client(lesson, Reply(200, (body.encode(),))).complete)

    got = result.value if isinstance(result, _NothingRaised) else result
    assert got == lesson.Answer("Yes.", None, {}, None, 1, 0.0), wrong(
        "demands-the-optional",
        seen=f"on a 200 with the body {body} complete gave {got!r}",
        due="the Answer, with finish_reason=None and usage={}",
        read='"Exercise 04-4": _once, its last point',
    )


@pytest.mark.parametrize(
    "step", [refusal(401), refusal(400, PROMPT), "bad header", "refused", "hang", "reset", answer()]
)
def test_04_4_nothing_secret_is_told(lesson: SimpleNamespace, step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    client = _client(lesson, step, max_attempts=1)
    printed = StringIO()
    monkeypatch.setattr(sys, "stdout", printed)

    error = _error(client.complete)

    assert FAKE not in printed.getvalue(), wrong(
        "prints-token",
        seen=f"after {_step(step)} the client printed the token",
        due="no output at all",
        read='"Exercise 04-4", the last rule',
    )
    assert isinstance(error, (lesson.ChatError, _NothingRaised)), wrong(
        "broken-token-shown",
        seen=f"after {_step(step)} complete raised {type(error).__name__}; its text may quote the token",
        due="InvalidToken: Python refuses a line break in a header with a ValueError that quotes the header",
        read='"Exercise 04-4": _once, a ValueError from sending',
    )
    told = _tells(error)
    assert told is None, wrong(
        "secret-in-error",
        seen=f"after {_step(step)}, {told} of the error holds the token or the prompt",
        due="words of your own; return a Failure and raise it outside of `except`, or use `from None`",
        read='"Exercise 04-4", the last rule',
    )


RETURNED: list[Step] = [
    answer(),
    refusal(401),
    refusal(503),
    DRIP,
    Reply(200, (b"{",), ends="cut"),
    Reply(200, (b"<",)),
]


def test_04_4_every_connection_is_given_back(lesson: SimpleNamespace) -> None:
    for step in RETURNED:
        client = _client(lesson, step, deadline_seconds=12.0)

        _error(client.complete)

        assert client.kept() == 0, wrong(
            "connection-kept",
            seen=f"after {_step(step)}, {client.kept()} connections were not given back",
            due="none: a streamed response is closed by `with`, whatever happened",
            read='"Exercise 04-4": _once',
        )


# --- 04-5 RetryBudget ---------------------------------------------------------------------------------------


def test_04_5_it_gives_what_it_holds(lesson: SimpleNamespace) -> None:
    budget = lesson.RetryBudget(capacity=2, per_success=0.1)

    given = [budget.take() for _ in range(4)]

    assert given == [True, True, False, False], wrong(
        "wrong-capacity",
        seen=f"with capacity 2, four take() gave {given}",
        due="[True, True, False, False]",
        read='"Exercise 04-5", the first rule',
    )


def test_04_5_two_budgets_are_two(lesson: SimpleNamespace) -> None:
    first, second = lesson.RetryBudget(1, 0.1), lesson.RetryBudget(1, 0.1)

    given = [first.take(), second.take()]

    assert given == [True, True], wrong(
        "shared-by-all",
        seen=f"two budgets with capacity 1, each asked once, gave {given}",
        due="[True, True]: each object counts for itself",
        read='"Exercise 04-5": self',
    )


def test_04_5_successes_put_a_part_back(lesson: SimpleNamespace) -> None:
    budget = lesson.RetryBudget(capacity=2, per_success=0.25)
    while budget.take():
        pass

    given = []
    for _ in range(8):
        budget.success()
        given.append(budget.take())

    assert given.count(True) >= 1, wrong(
        "never-refilled",
        seen="after the budget was empty, eight success() of 0.25 each allowed no retry",
        due="one after each four",
        read='"Exercise 04-5", the second rule',
    )
    assert given == [False, False, False, True, False, False, False, True], wrong(
        "refills-too-fast",
        seen=f"after the budget was empty, take() after each of eight success() of 0.25 gave {given}",
        due="True after each four: less than one whole token is no retry, and a refused take() takes nothing",
        read='"Exercise 04-5", both rules',
    )


def test_04_5_it_never_holds_more_than_its_capacity(lesson: SimpleNamespace) -> None:
    budget = lesson.RetryBudget(capacity=2, per_success=0.5)
    for _ in range(100):
        budget.success()

    given = [budget.take() for _ in range(4)]

    assert given == [True, True, False, False], wrong(
        "no-ceiling",
        seen=f"after a hundred successes, four take() of a budget with capacity 2 gave {given}",
        due="[True, True, False, False]: a good day must not pay for a bad one",
        read='"Exercise 04-5", the second rule',
    )


class _Meeting(float):
    """A number at which two threads meet, so that a missing lock shows each time."""

    meeting = threading.Barrier(2)

    def _meet(self) -> None:
        try:  # two threads are here together only if no lock keeps one out
            self.meeting.wait(0.05)
        except threading.BrokenBarrierError:
            self.meeting.reset()


class _Slow(_Meeting):
    """Lets another thread in while it is compared."""

    def __lt__(self, other: float) -> bool:
        self._meet()
        return float(self) < other

    def __ge__(self, other: float) -> bool:
        self._meet()
        return float(self) >= other

    def __gt__(self, other: float) -> bool:
        self._meet()
        return float(self) > other

    def __le__(self, other: float) -> bool:
        self._meet()
        return float(self) <= other


def test_04_5_threads_never_get_the_same_token(lesson: SimpleNamespace) -> None:
    budget = lesson.RetryBudget(capacity=_Slow(1.0), per_success=0.0)
    given: list[bool] = []

    _together(lambda: given.append(budget.take()))

    assert given.count(True) == 1, wrong(
        "race",
        seen=f"two threads asked a budget with one token at the same moment, and {given.count(True)} got it",
        due="one: looking and taking happen under one lock",
        read='the first hint of 04-5: hint("04-5")',
    )


class _SlowPart(_Meeting):
    """Lets another thread in while it is added, or taken from what was used."""

    def __add__(self, other: float) -> float:
        self._meet()
        return float(self) + other

    __radd__ = __add__

    def __rsub__(self, other: float) -> float:
        self._meet()
        return other - float(self)


def test_04_5_no_success_is_lost_between_threads(lesson: SimpleNamespace) -> None:
    budget = lesson.RetryBudget(capacity=2.0, per_success=_SlowPart(0.5))
    while budget.take():
        pass

    _together(budget.success)

    assert budget.take(), wrong(
        "race-in-success",
        seen="two threads called success() of 0.5 at the same moment, and no whole token came back",
        due="one token: reading what is left and writing the sum happen under the lock of take()",
        read='the first hint of 04-5: hint("04-5")',
    )


def _together(call: Callable[[], object]) -> None:
    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- 04-6 SSEDecoder ----------------------------------------------------------------------------------------

BOM = b"\xef\xbb\xbf"
Expected = list[tuple[str, str, str]]  # data, type, id
M = "message"
ODD = "a\u2028b\u2029c\x85d\x0be\x0cf"  # letters that str.splitlines takes for line ends
# Source of all rows: HTML standard, section 9.2.6 "Interpreting an event stream" (WHATWG, read 2026-08).
RULES: list[tuple[str, str, bytes, Expected]] = [
    ("misses-events", "two events", b"data: a\n\ndata: b\n\n", [("a", M, ""), ("b", M, "")]),
    ("misses-events", "CR LF", b"data: a\r\n\r\n", [("a", M, "")]),
    ("cr-is-no-line-end", "CR alone", b"data: a\r\rdata: b\r\r:", [("a", M, ""), ("b", M, "")]),
    ("other-line-ends", "U+2028, U+2029, U+0085, VT and FF", b"data: " + ODD.encode() + b"\n\n", [(ODD, M, "")]),
    ("space-after-colon", "no space after the colon", b"data:[DONE]\n\n", [("[DONE]", M, "")]),
    ("space-after-colon", "two spaces after it, and one at the end", b"data:  a \n\n", [(" a ", M, "")]),
    ("colon-in-value", "a colon in the value", b"data: a: b\n\n", [("a: b", M, "")]),
    ("several-data-lines", "three data lines, one empty", b"data: a\ndata\ndata: b\n\n", [("a\n\nb", M, "")]),
    ("cr-is-no-line-end", "all three mixed", b"data: a\rdata: b\r\ndata: c\n\n", [("a\nb\nc", M, "")]),
    ("empty-data", "data alone", b"data\n\n", [("", M, "")]),
    ("empty-data", "data alone, twice", b"data\ndata:\n\n", [("\n", M, "")]),
    ("comment", "comments", b": hello\n:data: no\ndata: a\n: ping\n\n", [("a", M, "")]),
    ("event-without-data", "a type without data", b"event: ping\n\ndata: a\n\n", [("a", M, "")]),
    ("event-without-data", "empty lines", b"\n\n\ndata: a\n\n\n\n", [("a", M, "")]),
    ("type", "a type", b"event: error\ndata: a\n\ndata: b\n\n", [("a", "error", ""), ("b", M, "")]),
    ("type", "an empty type", b"event: error\nevent:\ndata: a\n\n", [("a", M, "")]),
    ("names-are-exact", "other names", b"Data: no\n data: no\ndata : no\ndatum: no\ndata: a\n\n", [("a", M, "")]),
    ("id", "an id stays", b"id: 7\ndata: a\n\ndata: b\n\n", [("a", M, "7"), ("b", M, "7")]),
    ("id", "an id without data", b"id: 7\n\ndata: a\n\n", [("a", M, "7")]),
    ("id", "an id is taken back", b"id: 7\ndata: a\n\nid\ndata: b\n\n", [("a", M, "7"), ("b", M, "")]),
    ("id-with-nul", "an id with NUL", b"id: 7\n\nid: 8\x009\ndata: a\n\n", [("a", M, "7")]),
    ("unfinished", "an event that never ends", b"data: a\n\ndata: b\n", [("a", M, "")]),
    ("unfinished", "a line that never ends", b"data: a\n\ndata: b", [("a", M, "")]),
    ("bom", "a byte order mark", BOM + b"data: a\n\n", [("a", M, "")]),
    ("bom", "two of them", BOM + BOM + b"data: a\n\ndata: b\n\n", [("b", M, "")]),
    ("bom", "one in the middle", b"data: " + BOM + b"a\n\n", [("\ufeffa", M, "")]),
    ("bom", "one on the second line", b"data: a\n" + BOM + b"data: b\n\n", [("a", M, "")]),
    ("bad-bytes", "bytes that are no UTF-8", b"data: a\xff\xe2\x82\n\n", [("a\ufffd\ufffd", M, "")]),
    ("letters", "letters of two, three and four bytes", "data: é€😀\n\n".encode(), [("é€😀", M, "")]),
]  # fmt: skip
NUMBER = {  # of the rule in the text of the exercise
    "bom": 1, "bad-bytes": 1, "letters": 1, "cr-is-no-line-end": 2, "other-line-ends": 2, "space-after-colon": 3,
    "colon-in-value": 3, "comment": 3, "several-data-lines": 4, "type": 4, "names-are-exact": 4, "id": 5,
    "id-with-nul": 5, "misses-events": 6, "empty-data": 6, "event-without-data": 6, "unfinished": 7,
}  # fmt: skip


def _decoded(lesson: SimpleNamespace, chunks: list[bytes]) -> Any:
    decoder = lesson.SSEDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


@pytest.mark.parametrize(("rule", "what", "wire", "expected"), RULES, ids=[f"{r[0]}: {r[1]}" for r in RULES])
def test_04_6_the_rules_hold(lesson: SimpleNamespace, rule: str, what: str, wire: bytes, expected: Expected) -> None:
    due = [lesson.Event(*row) for row in expected]

    seen = _decoded(lesson, [wire])

    assert seen == due, wrong(
        f"rule-{rule}",
        seen=f"{what}: for {wire!r} in one piece you returned {seen}",
        due=f"{due}",
        read=f'"Exercise 04-6", rule {NUMBER[rule]}',
    )


def test_04_6_letters_may_be_cut(lesson: SimpleNamespace) -> None:
    wire = "data: é€😀\n\n".encode()

    for place in range(len(wire)):
        seen = _decoded(lesson, [wire[:place], wire[place:]])

        assert seen == [lesson.Event("é€😀")], wrong(
            "decodes-by-chunk",
            seen=f"for {wire[:place]!r}, then {wire[place:]!r}, you returned {seen}",
            due="the letters whole: cut the bytes into lines first, and decode whole lines",
            read='the first hint of 04-6: hint("04-6")',
        )


def test_04_6_an_event_is_there_as_soon_as_it_is_complete(lesson: SimpleNamespace) -> None:
    for end in (b"\n\n", b"\r\r", b"\r\n\r\n"):
        decoder = lesson.SSEDecoder()

        seen = decoder.feed(b"data: a" + end)

        assert seen == [lesson.Event("a")], wrong(
            "event-held-back",
            seen=f"after {b'data: a' + end!r} feed returned {seen}",
            due="the event, at once: the next bytes may be a minute away",
            read='"Exercise 04-6", rule 2',
        )


@pytest.mark.parametrize(("rule", "what", "wire", "expected"), RULES, ids=[f"{r[0]}: {r[1]}" for r in RULES])
def test_04_6_no_cut_changes_anything(
    lesson: SimpleNamespace, rule: str, what: str, wire: bytes, expected: Expected
) -> None:
    due = [lesson.Event(*row) for row in expected]
    cuts = [[wire[:place], wire[place:]] for place in range(1, len(wire))]
    cuts += [[wire[i : i + 1] for i in range(len(wire))], [wire[:3], b"", wire[3:], b""]]

    for pieces in cuts:
        seen = _decoded(lesson, pieces)

        assert seen == due, wrong(
            "depends-on-cuts",
            seen=f"{what}: for the pieces {[p for p in pieces if p][:4]} you returned {seen}",
            due=f"{due}, as for the whole",
            read='"Exercise 04-6": every cutting of the same bytes gives the same events',
        )


@pytest.mark.parametrize(
    ("value", "due"),
    [(b"3000", 3000), (b"3_000", None), (b"-1", None), (b"3.5", None), (b"", None)],
)
def test_04_6_retry_is_digits_only(lesson: SimpleNamespace, value: bytes, due: int | None) -> None:
    decoder = lesson.SSEDecoder()
    try:
        decoder.feed(b"retry: " + value + b"\n")
        seen: Any = decoder.retry_milliseconds
    except ValueError as error:
        seen = error

    assert seen == due, wrong(
        "retry",
        seen=f"after the line retry: {value.decode()!r}, retry_milliseconds was {seen!r}",
        due=f"{due!r}: digits and nothing else count; int() takes more than that",
        read='"Exercise 04-6", rule 5',
    )


def _fill(lesson: SimpleNamespace, chunk: bytes, times: int) -> str | None:
    """The name of what ends a decoder with a limit of 1000 bytes that gets `chunk` so often, or None."""
    decoder = lesson.SSEDecoder(limit_bytes=1000)
    try:
        for _ in range(times):
            decoder.feed(chunk)
    except Exception as error:
        return type(error).__name__
    return None


def test_04_6_the_memory_is_bounded(lesson: SimpleNamespace) -> None:
    for what, chunk in (
        ("a line without an end", b"x" * 100),
        ("data lines without an empty one", b"data: 0123456789\n"),
    ):
        ended = _fill(lesson, chunk, 200)

        assert ended == "StreamTooLong", wrong(
            "unbounded",
            seen=f"with limit_bytes=1000, {what} ended with {ended or 'nothing: all was kept'}",
            due="StreamTooLong, once a line and the data gathered pass the limit",
            read='"Exercise 04-6", rule 8',
        )
    for what, chunk in (
        ("one chunk of many short events", b"data: a\n\n" * 1000),
        ("a long comment in pieces", b": ping\n" * 50),
    ):
        ended = _fill(lesson, chunk, 20)

        assert ended is None, wrong(
            "bound-too-tight",
            seen=f"with limit_bytes=1000, {what} ended with {ended}",
            due="no error: the limit is for a line and the data of one event, not for chunks and streams",
            read='"Exercise 04-6", rule 8',
        )


def test_04_6_the_limit_is_exact(lesson: SimpleNamespace) -> None:
    line = b"data: " + b"x" * 494
    for what, most in (("a line of", b"x" * 1000), ("two data lines of together", line + b"\n" + line)):
        length = len(most.replace(b"\n", b""))
        at_most, more = _fill(lesson, most, 1), _fill(lesson, most + b"x", 1)

        assert (at_most, more) == (None, "StreamTooLong"), wrong(
            "wrong-limit",
            seen=f"with limit_bytes=1000, {what} {length} bytes ended with {at_most or 'no error'}, "
            f"with {length + 1} bytes {more or 'no error'}",
            due="no error at 1000, StreamTooLong above; names and colons count, line ends do not",
            read='"Exercise 04-6", rule 8',
        )


# --- 04-7 StreamingChatClient -------------------------------------------------------------------------------


def _streaming(lesson: SimpleNamespace, *steps: Step, **options: Any) -> Any:
    return _client(lesson, *steps, kind="StreamingChatClient", **options)


def _read(client: Any) -> tuple[list[str], Any, Exception | None]:
    """The pieces that came, the stream's answer, and the error that ended it."""
    pieces: list[str] = []
    reading = client.stream()
    try:
        for piece in reading:
            pieces.append(piece)
    except NotImplementedError:
        raise
    except Exception as error:
        return pieces, reading.answer, error
    return pieces, reading.answer, None


def _came(pieces: list[str], error: Exception | None) -> str:
    return f"the pieces {pieces}" + (f", then {type(error).__name__}" if error else "")


def test_04_7_text_comes_in_pieces(lesson: SimpleNamespace) -> None:
    reply = whole_stream("Yes", ",", " it is.")
    client = _streaming(lesson, replace(reply, headers={**reply.headers, "X-Request-Id": "r-1"}))

    pieces, answered, error = _read(client)

    asked = {key: client.sent[0].body.get(key) for key in ("stream", "stream_options")}
    assert asked == {"stream": True, "stream_options": {"include_usage": True}}, wrong(
        "no-stream-asked",
        seen=f"the request said {asked}",
        due='"stream": True and "stream_options": {"include_usage": True}',
        read='"Exercise 04-7", the first rule',
    )
    assert not isinstance(error, (LookupError, TypeError, AttributeError)), wrong(
        "indexes-blindly",
        seen=f"a good stream, whose last chunk has empty choices, gave {_came(pieces, error)}",
        due="no error: choices, delta and content may be missing, empty or None",
        read='"Exercise 04-7", the third rule',
    )
    assert (pieces, error) == (["Yes", ",", " it is."], None), wrong(
        "wrong-pieces",
        seen=f"for the pieces Yes / , / it is. the caller got {_came(pieces, error)}",
        due="['Yes', ',', ' it is.']: each as it came, and none without text",
        read='"Exercise 04-7", the third rule',
    )
    due = lesson.Answer("Yes, it is.", "stop", USAGE, "r-1", 1, 0.0)
    assert answered == due, wrong(
        "usage-lost" if answered.usage != USAGE else "wrong-end",
        seen=f"at the end the stream's answer was {answered!r}",
        due=f"{due!r}",
        read='"Exercise 04-7", the fourth rule',
    )


def test_04_7_text_comes_at_once(lesson: SimpleNamespace) -> None:
    client = _streaming(lesson, stream(delta("Yes"), delta(" it is.", "stop"), DONE, gap=1.0))

    next(client.stream())

    assert client.clock.passed == 1, wrong(
        "waits-for-the-end",
        seen=f"the first piece came after 1 s, the caller had it after {client.clock.passed:g} s",
        due="after 1 s: yield it before the next read",
        read='"Exercise 04-7", its first lines',
    )


def test_04_7_missing_parts_are_no_error(lesson: SimpleNamespace) -> None:
    odd = [event({}), event({"choices": [{}]}), event({"choices": [{"delta": None}]}), delta(None), delta("")]
    client = _streaming(lesson, stream(*odd, delta("Yes"), delta("", "stop"), DONE))

    pieces, _, error = _read(client)

    assert (pieces, error) == (["Yes"], None), wrong(
        "indexes-blindly",
        seen=f"a stream with chunks without choices, delta or content gave {_came(pieces, error)}",
        due="['Yes']: each of these may be missing, empty or None",
        read='"Exercise 04-7", the third rule',
    )


def test_04_7_a_refusal_has_its_error(lesson: SimpleNamespace) -> None:
    for step, name in ((refusal(401), "InvalidToken"), (refusal(402), "OutOfCredits"), (HTML, "ServiceUnavailable")):
        pieces, _, error = _read(_streaming(lesson, step))

        assert isinstance(error, getattr(lesson, name)), wrong(
            "status-ignored",
            seen=f"after {_step(step)} the caller got {_came(pieces, error)}",
            due=f"{name}: another status than 200 is refused(response, call)",
            read='"Exercise 04-7", the second rule',
        )


@pytest.mark.parametrize("reply", [answer(), Reply(200, (b"<html>",), {"Content-Type": "text/html"}), Reply(200)])
def test_04_7_a_200_may_be_no_stream(lesson: SimpleNamespace, reply: Reply) -> None:
    client = _streaming(lesson, reply)

    pieces, _, error = _read(client)

    assert isinstance(error, lesson.BadAnswer) and len(client.sent) == 1, wrong(  # noqa: PT018
        "page-taken-for-a-stream",
        seen=f"a 200 with Content-Type {reply.headers.get('Content-Type')} gave {_came(pieces, error)} "
        f"after {len(client.sent)} requests",
        due="BadAnswer after one request: it does not start with text/event-stream",
        read='"Exercise 04-7", the second rule',
    )


def test_04_7_before_the_first_text_it_is_tried_again(lesson: SimpleNamespace) -> None:
    overloaded = event({"error": "Model is overloaded", "error_type": "overloaded"})
    for step in (refusal(503), "reset", stream(ends="cut"), stream(overloaded), stream(delta(""), ends="close")):
        client = _streaming(lesson, step, whole_stream("Yes."))

        pieces, _, error = _read(client)

        assert (pieces, error) == (["Yes."], None), wrong(
            "gives-up-before-text",
            seen=f"after {_step(step)}, then a good stream, the caller got {_came(pieces, error)}",
            due="['Yes.'], from the second attempt: no text had come",
            read='"Exercise 04-7": what each failure is, and after(text, ...)',
        )


OPENAI_ERROR = {"error": {"message": "x", "type": "server_error", "code": None}}
BROKEN: dict[str, Reply] = {
    "cut": stream(delta("Yes"), ends="cut"),
    "stalled": stream(delta("Yes"), ends="stall"),
    "ended without finish_reason or [DONE]": stream(delta("Yes"), ends="close"),
    "ended by an error event": stream(delta("Yes"), event({"error": "x", "error_type": "overloaded"}), DONE),
    "ended by an error event of OpenAI's shape": stream(delta("Yes"), event(OPENAI_ERROR), DONE),
    "ended by an event that is no JSON": stream(delta("Yes"), b"data: oops\n\n"),
    "ended by an event that is no object": stream(delta("Yes"), b"data: 7\n\n"),
    "ended by an event of 2 MB": stream(delta("Yes"), *[b"data: " + b"x" * 99_000 + b"\n"] * 21),
}


@pytest.mark.parametrize("how", BROKEN)
def test_04_7_a_broken_stream_keeps_its_text(lesson: SimpleNamespace, how: str) -> None:
    client = _streaming(lesson, BROKEN[how])

    pieces, _, error = _read(client)

    assert error is not None, wrong(
        "error-event-ignored" if "error event" in how else "truncation-unnoticed",
        seen=f"a stream that was {how} gave {_came(pieces, error)}, and no error",
        due="an error: the caller would take half an answer for the whole",
        read='"A client that streams": three ends that look alike',
    )
    assert isinstance(error, lesson.ChatError), wrong(
        "stream-error-escapes",
        seen=f"a stream that was {how} ended with {type(error).__name__}",
        due="a ChatError, nothing else",
        read='"Exercise 04-7": what each failure is',
    )
    assert len(client.sent) == 1, wrong(
        "repeats-after-text",
        seen=f"a stream that was {how} after its first word was ordered {len(client.sent)} times: {pieces}",
        due="once: the caller has seen text, and a second answer would begin anew",
        read='"Exercise 04-7": after(text, ...)',
    )
    assert error.partial_text == "Yes", wrong(
        "partial-text-lost",
        seen=f"a stream that was {how} ended with partial_text={error.partial_text!r}",
        due="'Yes': the text that had come",
        read='"Exercise 04-7": after(text, ...)',
    )


def test_04_7_events_before_a_broken_one_count(lesson: SimpleNamespace) -> None:
    together = stream(delta("Yes") + delta(" it is") + b"data: oops\n\n")

    pieces, _, error = _read(_streaming(lesson, together))

    assert pieces == ["Yes", " it is"], wrong(
        "loses-whole-chunks",
        seen=f"two good events and a broken one in the same piece of bytes gave {_came(pieces, error)}",
        due="both pieces of text, then the error: how the bytes are cut must not matter",
        read='"Exercise 04-7": yields each piece as soon as it has come',
    )


def test_04_7_a_finish_reason_is_an_end(lesson: SimpleNamespace) -> None:
    client = _streaming(lesson, stream(delta("Yes"), delta(None, "length"), ends="close"))

    pieces, answered, error = _read(client)

    assert answered is not None and answered.finish_reason == "length", wrong(  # noqa: PT018
        "done-demanded",
        seen=f"a stream that ended after a finish_reason, without [DONE], gave {_came(pieces, error)}",
        due="an Answer with that finish_reason: not every server sends [DONE]",
        read='"Exercise 04-7", the fourth rule',
    )


def test_04_7_nothing_is_read_after_done(lesson: SimpleNamespace) -> None:
    client = _streaming(lesson, stream(delta("Yes", "stop"), DONE, ends="stall"))

    _, answered, error = _read(client)

    assert answered is not None and client.clock.passed < 0.1, wrong(  # noqa: PT018
        "reads-after-done",
        seen=f"a server that keeps the line open after [DONE] cost {client.clock.passed:g} s, the end: {error!r}",
        due="no wait: [DONE] is the end",
        read='"Exercise 04-7", the fourth rule',
    )


def test_04_7_done_alone_is_an_end(lesson: SimpleNamespace) -> None:
    _, answered, error = _read(_streaming(lesson, stream(delta("Yes"), DONE)))

    due = lesson.Answer("Yes", None, {}, None, 1, 0.0)
    assert answered == due, wrong(
        "bare-done",
        seen=f"a stream with [DONE], without finish_reason and usage, ended with {answered or error!r}",
        due=f"{due!r}",
        read='"Exercise 04-7", the fourth rule',
    )


def test_04_7_the_connection_can_be_used_again(lesson: SimpleNamespace) -> None:
    client = _streaming(lesson, whole_stream("Yes."))

    _read(client)

    assert client.read_up() == 1, wrong(
        "no-hang-up",
        seen="after [DONE] the end of the body was not taken, so the connection is thrown away",
        due="hang_up(response, call) after [DONE]: the next stream needs no new connection",
        read='"Exercise 04-7", the fourth rule',
    )


def test_04_7_the_deadline_holds_for_streams(lesson: SimpleNamespace) -> None:
    for step in (stream(*[delta("x")] * 100, gap=1.0), stream(delta("x"), ends="stall")):
        client = _streaming(lesson, step, deadline_seconds=12.0)

        _, _, error = _read(client)

        assert client.clock.passed <= 12 and isinstance(error, lesson.DeadlineExceeded), wrong(  # noqa: PT018
            "endless-stream",
            seen=f"with a deadline of 12 s a slow stream took {client.clock.passed:g} s and ended with {error!r}",
            due="DeadlineExceeded after at most 12 s: read with chunks(response, call, ...)",
            read='"Time": a deadline bounds everything',
        )


def test_04_7_every_connection_is_given_back(lesson: SimpleNamespace) -> None:
    steps = [whole_stream("Yes."), refusal(401), HTML, answer(), *BROKEN.values()]
    for step in steps:
        client = _streaming(lesson, step, deadline_seconds=12.0)

        _read(client)

        assert client.kept() == 0, wrong(
            "connection-kept",
            seen=f"after {_step(step)}, {client.kept()} connections were not given back",
            due="none: `with self._send(...) as response`",
            read='"Exercise 04-7", the last rule',
        )
    client = _streaming(lesson, whole_stream("Yes", "."))
    with client.stream() as reading:
        next(reading)
    assert client.kept() == 0, wrong(
        "connection-kept",
        seen="the caller stopped after the first piece, and the connection was not given back",
        due="given back: a `with` around the loop ends when the generator is closed",
        read='"Exercise 04-7", the last rule',
    )


@pytest.mark.parametrize("step", [refusal(401), "bad header", "reset", BROKEN["cut"]])
def test_04_7_nothing_secret_is_told(lesson: SimpleNamespace, step: Step) -> None:
    _, _, error = _read(_streaming(lesson, step, max_attempts=1))

    assert isinstance(error, lesson.ChatError), wrong(
        "stream-error-escapes",
        seen=f"after {_step(step)} the stream ended with {type(error).__name__}",
        due="a ChatError, nothing else",
        read='"Exercise 04-7": what each failure is',
    )
    told = _tells(error)
    assert told is None, wrong(
        "secret-in-error",
        seen=f"after {_step(step)}, {told} of the error holds the token or the prompt",
        due="a Failure that is returned, so that nothing is chained to it",
        read='"Exercise 04-4", the last rule',
    )


# --- how things are told ------------------------------------------------------------------------------------


def _step(step: Step) -> str:
    if isinstance(step, str):
        return {"hang": "silence", "reset": "a connection that was reset", "refused": "a connection that was refused",
                "connect timeout": "a connect time-out", "bad header": "a token with a line break"}[step]  # fmt: skip
    how = {"cut": ", cut off", "stall": ", then silence", "close": ", then its end"}.get(step.ends, "")
    return f"a {step.status}{how}"


def _pace(step: Reply) -> str:
    return f"a body with {step.gap:g} s before each piece" if step.gap else "a body that stops in the middle"


def _slow(steps: list[Step]) -> str:
    last = steps[-1]
    if isinstance(last, Reply):
        return "sends a byte a second" if last.gap else "stops in the middle of its body"
    return "says nothing" if last == "hang" else "lets nobody connect"


def _short(reply: object) -> str:
    return str(reply.status_code) if isinstance(reply, requests.Response) else type(reply).__name__


def _tells(error: BaseException | None) -> str | None:
    """Where an error collector would find the token or the prompt; None where it would not."""
    if error is None or isinstance(error, _NothingRaised):
        return None
    for name, held in {"the text": (str(error), repr(error), error.args), **vars(error)}.items():
        holders = [held, getattr(held, "request", None), getattr(error, "request", None)]
        texts = [f"{holder!r} {getattr(holder, 'headers', '')} {getattr(holder, 'body', '')}" for holder in holders]
        if any(secret in text for secret in (FAKE, PROMPT) for text in texts):
            return name
    chained = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"an error chained to it ({type(chained).__name__})" if chained else None


def _error(call: Callable[[], Any]) -> Any:
    """What `call` raised; a _NothingRaised with what it returned."""
    try:
        returned = call()
    except NotImplementedError:
        raise
    except Exception as error:
        return error
    return _NothingRaised(returned)


class _NothingRaised(Exception):
    """Stands for the error that did not come."""

    def __init__(self, value: object) -> None:
        super().__init__(f"returned {value!r}")
        self.value: Any = value


def _ended(error: Exception) -> str:
    if isinstance(error, _NothingRaised):
        return str(error)
    return f"raised {type(error).__name__}"
