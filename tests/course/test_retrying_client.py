"""The client of lesson 04, beyond the checks of its exercises: any cutting, any script of failures, many threads."""

import json
import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import sentry_sdk
from hypothesis import given, settings
from hypothesis import strategies as st

from course import sandbox
from course.sandbox import faults
from tests.course.learners import solved
from tests.scripted import (
    DONE,
    ROUTER,
    Break,
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

FAKE = "hf_" + "FaKe" * 8 + "zz"
PROMPT = "Is my illness curable?"
MODEL = "openai/gpt-oss-120b"


lesson = solved("04")
# No database: tests leave no files. No deadline: a loaded machine is no mistake in the client.
settings.register_profile("course", database=None, deadline=None)
settings.load_profile("course")


# --- SSEDecoder -----------------------------------------------------------------------------------------------

letters = st.text(
    st.sampled_from("ab: é€😀\ufeff\u2028\x85\x0b\0") | st.characters(exclude_characters="\r\n"), max_size=6
)
names = st.sampled_from(["data", "event", "id", "retry", "Data", "", "other"]) | letters
lines = st.builds(lambda name, colon, value: name + colon + value, names, st.sampled_from([":", ": ", ""]), letters)
streams = st.lists(st.tuples(lines | st.just(""), st.sampled_from(["\n", "\r", "\r\n"])).map("".join), max_size=20).map(
    lambda parts: "".join(parts).encode("utf-8", "replace")
)


def _by_the_letter(wire: bytes) -> list[Any]:
    """The standard's own words, slowly, on the whole stream: what a decoder must find in any cutting of it."""
    text = wire.decode("utf-8", "replace").removeprefix("\ufeff")
    found, data, kind, last_id = [], list[str](), "", ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            found += [lesson.Event("\n".join(data), kind or "message", last_id)] if data else []
            data, kind = [], ""
        elif name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id" and "\0" not in value:
            last_id = value
    return found


@given(streams, st.lists(st.integers(0, 200), max_size=12))
def test_any_cutting_of_any_stream_gives_the_events_of_the_standard(wire: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    decoder = lesson.SSEDecoder()

    seen = [e for start, end in pairwise(places) for e in decoder.feed(wire[start:end])]

    assert seen == _by_the_letter(wire)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_crash(wire: bytes) -> None:
    whole, single = lesson.SSEDecoder(), lesson.SSEDecoder()

    assert whole.feed(wire) == [e for place in range(len(wire)) for e in single.feed(wire[place : place + 1])]


# --- wait_seconds ---------------------------------------------------------------------------------------------

number = st.integers(0, 10**400) | st.integers(0, 99)
zone = st.sampled_from(["GMT", "+0100", "-9999", "", "XYZ"])
header = st.text(max_size=30) | st.floats().map(str)
header |= st.builds('"api"{2}r={0}{2}t={1}'.format, number, number, st.sampled_from([";", "; ", ",", ""]))
header |= st.builds("Mon, {} Nov {} {}:00:00 {}".format, *[st.integers(0, 99), number, st.integers(0, 30), zone])


@given(header, header, st.integers(1, 10_000), st.integers(0, 100))
def test_no_header_makes_the_wait_a_crash_or_no_number(after: str, limit: str, attempt: int, seed: int) -> None:
    wait = lesson.wait_seconds(
        {"Retry-After": after, "RateLimit": limit}, attempt, 1_793_000_000.0, random.Random(seed)
    )

    assert 0 <= wait < float("inf")


# --- the client under any script of failures ------------------------------------------------------------------

gaps = st.sampled_from([0.0, 1.0, 7.0])
ends: Any = st.sampled_from(["well", "cut", "stall", "close"])
bodies = st.lists(
    st.sampled_from([b"{", b"data: oops\n\n", DONE, delta("Yes"), delta(None, "stop"), event({"error": PROMPT})]),
    max_size=6,
)
kinds = st.sampled_from(["application/json", "text/event-stream", "text/html"])
breaks: list[Break] = ["refused", "connect timeout", "reset", "hang", "bad header"]
waits = st.sampled_from([{}, {"Retry-After": "3"}, {"Retry-After": "7200"}, {"RateLimit": '"api";r=0;t=9'}])
statuses = st.sampled_from([302, 400, 401, 402, 403, 404, 408, 410, 422, 429, 500, 502, 503, 504])
steps: st.SearchStrategy[Step] = (
    st.sampled_from(breaks)
    | st.just(answer())
    | st.just(whole_stream("Yes", "."))
    | st.builds(lambda status, told: refusal(status, PROMPT, told), statuses, waits)
    | st.builds(
        lambda pieces, kind, gap, end: Reply(200, tuple(pieces), {"Content-Type": kind}, gap, end),
        bodies,
        kinds,
        gaps,
        ends,
    )
)


def _client(script: list[Step], **options: Any) -> tuple[Any, ScriptedAdapter, VirtualClock]:
    clock = VirtualClock()
    adapter = ScriptedAdapter(script, clock)
    session = lesson.build_session(lesson.BearerAuth(FAKE), 0)
    session.mount("http://", adapter)
    return lesson.StreamingChatClient(session, ROUTER, MODEL, clock=clock, **options), adapter, clock


def _outcome(call: Callable[[], object]) -> Any:
    try:
        return call()
    except lesson.ChatError as error:
        return error


@given(
    st.lists(steps, min_size=1, max_size=6), st.booleans(), st.integers(1, 5), st.sampled_from([0.0, 2.0, 20.0, 60.0])
)
def test_whatever_fails_the_client_keeps_its_word(
    script: list[Step], streamed: bool, most: int, deadline: float
) -> None:
    client, adapter, clock = _client(script, max_attempts=most, deadline_seconds=deadline)
    question = [{"role": "user", "content": PROMPT}]
    ask = (lambda: list(client.stream(question))) if streamed else (lambda: client.complete(question))

    result = _outcome(ask)  # anything but a ChatError fails the test

    assert clock.passed <= deadline + 1e-9
    assert len(adapter.sent) <= most
    assert adapter.lent == adapter.returned
    if isinstance(result, lesson.ChatError):
        told = f"{result!r} {result} {vars(result)}"
        assert FAKE not in told
        assert PROMPT not in told
        assert result.__cause__ is None
        assert result.__context__ is None


# --- on a real wire -------------------------------------------------------------------------------------------


class ShiftedClock:
    """The real clock, but sleeping only moves it."""

    def __init__(self) -> None:
        self.shift = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.shift

    def time(self) -> float:
        return time.time() + self.shift

    def sleep(self, seconds: float) -> None:
        self.shift += seconds


@pytest.fixture(scope="module")
def shared_hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as started:
        yield started


@pytest.fixture
def hub(shared_hub: sandbox.Sandbox) -> Iterator[sandbox.Sandbox]:
    shared_hub.forget()
    yield shared_hub
    shared_hub.faults.clear()


def _real(hub: sandbox.Sandbox, **options: Any) -> Any:
    session = lesson.build_session(lesson.BearerAuth(hub.tokens["fine_grained"]), 0)
    clock = options.pop("clock", ShiftedClock())
    return lesson.StreamingChatClient(session, f"{hub.router}/v1", MODEL, clock=clock, **options)


WIRE: dict[str, tuple[faults.Fault, str, str]] = {  # the fault for ever; the end of a whole answer, and of a stream
    "reset": (faults.Reset(), "ServiceUnavailable", "ServiceUnavailable"),
    "silence": (faults.Hang(), "ServiceUnavailable", "ServiceUnavailable"),
    "drip": (faults.Drip(interval_seconds=0.1, size_bytes=1), "DeadlineExceeded", "DeadlineExceeded"),
    "stall": (faults.Stall(after=1), "ServiceUnavailable", "ServiceUnavailable"),
    "short body": (faults.ShortBody(after=1), "ServiceUnavailable", "ServiceUnavailable"),
    "cut chunk": (faults.CutChunk(after=1), "ServiceUnavailable", "ServiceUnavailable"),
    "cut close": (faults.CutClose(after=1), "BadAnswer", "ServiceUnavailable"),
    "login page": (faults.LoginPage(), "BadAnswer", "BadAnswer"),
    "error event": (faults.ErrorEvent(after=1), "BadAnswer", "ServiceUnavailable"),
    "redirect here": (faults.Redirect("same"), "BadAnswer", "BadAnswer"),
    "redirect away": (faults.Redirect("host"), "BadAnswer", "BadAnswer"),
    "slices": (faults.Slices(size_bytes=7), "Answer", "Answer"),
    "no [DONE]": (faults.NoDone(), "Answer", "Answer"),
}


@pytest.mark.parametrize("name", WIRE)
def test_a_fault_on_the_wire_has_its_end_in_time(hub: sandbox.Sandbox, name: str) -> None:
    fault, *ends = WIRE[name]
    at_once: Any = SimpleNamespace(uniform=lambda low, high: low)
    client = _real(hub, timeouts=(0.2, 0.2), deadline_seconds=0.7, max_attempts=2, rng=at_once)
    question = [{"role": "user", "content": "What is a read token?"}]

    def streamed() -> Any:
        reading = client.stream(question)
        for _ in reading:
            pass
        return reading.answer

    for ask, due in zip((lambda: client.complete(question), streamed), ends, strict=True):
        hub.faults.clear()
        hub.fail_next(fault, times=9, on="router")
        hub.forget()
        began = time.monotonic()

        result = _outcome(ask)

        assert type(result).__name__ == due
        assert time.monotonic() - began < 0.7 + 0.3  # the rest is for a machine with other things to do
        assert len(hub.requests) <= 2


def test_a_refused_connection_is_tried_again_without_consent_as_nothing_was_sent(hub: sandbox.Sandbox) -> None:
    session = lesson.build_session(lesson.BearerAuth(FAKE), 0)
    client = lesson.ChatClient(session, f"{hub.refused_url}/v1", MODEL, repeatable=False, clock=ShiftedClock())

    error = _outcome(lambda: client.complete([{"role": "user", "content": "Hi"}]))

    assert (type(error).__name__, error.attempts, error.status) == ("ServiceUnavailable", 4, None)


@pytest.mark.parametrize("slip", ["\n", "\u20ac"])
def test_a_token_that_no_header_can_carry_is_an_invalid_one(hub: sandbox.Sandbox, slip: str) -> None:
    session = lesson.build_session(lesson.BearerAuth(FAKE + slip), 0)
    client = lesson.ChatClient(session, f"{hub.router}/v1", MODEL)

    error = _outcome(lambda: client.complete([{"role": "user", "content": PROMPT}]))

    assert type(error).__name__ == "InvalidToken"
    assert (error.__cause__, error.__context__, len(hub.requests)) == (None, None, 0)
    assert FAKE not in f"{error} {vars(error)}"


def test_another_value_error_says_nothing_of_the_token() -> None:
    failure = lesson.unreachable(ValueError("the timeout cannot be set to a value less than or equal to 0."))

    assert type(failure.error).__name__ == "BadRequest"
    assert not lesson.is_retryable(failure.outcome, "GET")


def test_fifty_threads_share_one_client_and_nothing_is_mixed_up(hub: sandbox.Sandbox) -> None:
    questions = ["What is a read token?", "And a write token?", "My token has leaked", "When does it expire?"]
    client = _real(hub, max_attempts=60, deadline_seconds=1e9, timeouts=(5, 5))
    due = {q: client.complete([{"role": "user", "content": q}]).text for q in questions}
    assert len(set(due.values())) == len(questions)
    hub.script(
        [429, faults.Reset(), 200, 503, faults.CutChunk(after=0), faults.ShortBody(after=0), 502] * 10, on="router"
    )

    def ask(number: int) -> tuple[str, str]:
        question = questions[number % len(questions)]
        messages = [{"role": "user", "content": question}]
        text = "".join(client.stream(messages)) if number % 2 else client.complete(messages).text
        return question, text

    with ThreadPoolExecutor(50) as pool:
        said = list(pool.map(ask, range(100)))

    assert [text for _, text in said] == [due[question] for question, _ in said]


def test_a_budget_keeps_an_outage_from_growing(hub: sandbox.Sandbox) -> None:
    client = _real(hub, budget=lesson.RetryBudget(capacity=10, per_success=0.1))
    hub.fail_next(503, times=400, on="router")

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: _outcome(lambda: client.complete([{"role": "user", "content": "Hi"}])), range(100)))

    assert len(hub.requests) == 110


# --- what leaves the program ----------------------------------------------------------------------------------


@pytest.fixture
def reports() -> Iterator[list[str]]:
    """What Sentry's SDK would send, with all that it collects by default."""
    kept: list[str] = []

    class Keep(sentry_sdk.Transport):
        def capture_envelope(self, envelope: Any) -> None:
            kept.extend(json.dumps(item.payload.json) for item in envelope.items)

    sentry_sdk.init(dsn="http://public@sentry.test/1", transport=Keep, auto_enabling_integrations=False)
    yield kept
    sentry_sdk.get_client().close()
    sentry_sdk.init(default_integrations=False, auto_enabling_integrations=False)


SECRET_STEPS: list[Step] = [refusal(401, PROMPT), refusal(503, PROMPT), "refused", "hang", "bad header",
                            stream(delta("Yes"), ends="cut")]  # fmt: skip


@pytest.mark.parametrize("step", SECRET_STEPS, ids=str)
def test_no_report_carries_the_token_the_prompt_or_a_header(reports: list[str], step: Step) -> None:
    client, _, _ = _client([step], max_attempts=2)

    question = [{"role": "user", "content": PROMPT}]
    for ask in (lambda: client.complete(question), lambda: list(client.stream(question))):
        lesson.report(_outcome(ask))

    facts = [json.loads(report)["contexts"]["call"] for report in reports]
    assert [sorted(fact) for fact in facts] == [["attempts", "elapsed_seconds", "request_id", "status"]] * 2
    for secret in (FAKE, PROMPT, "Bearer", "Authorization", "Content-Type", "messages"):
        assert secret not in "".join(reports), secret


def test_the_recording_would_show_a_secret(reports: list[str]) -> None:
    def careless(token: str) -> None:
        try:
            requests.get("http://127.0.0.1:9/", headers={"Authorization": f"Bearer {token}"}, timeout=1)
        except requests.RequestException as error:
            sentry_sdk.capture_exception(error)

    careless(FAKE)

    assert FAKE in reports[0]


def test_no_log_carries_the_token_or_the_prompt(hub: sandbox.Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hub.script([503, faults.Reset(), 401], on="router")

    _outcome(lambda: _real(hub).complete([{"role": "user", "content": PROMPT}]))

    assert "/v1/chat/completions" in caplog.text
    assert hub.tokens["fine_grained"] not in caplog.text
    assert PROMPT not in caplog.text


def test_the_live_cell_takes_the_environment_then_the_file_that_it_names(
    hub: sandbox.Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = tmp_path / "course" / "notebooks"
    working.mkdir(parents=True)
    monkeypatch.chdir(working)
    monkeypatch.setenv("LIVE", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    (tmp_path / ".env").write_text("HF_TOKEN=of-a-stranger\n", encoding="utf-8")

    with pytest.raises(lesson.InvalidToken, match=r"HF_TOKEN is not set"):
        lesson.destination(hub)
    (tmp_path / "course" / ".env").write_text("HF_TOKEN=' a${b}c '\n", encoding="utf-8")
    assert lesson.destination(hub) == ("https://router.huggingface.co/v1", "a${b}c")
    assert "HF_TOKEN" not in os.environ
    monkeypatch.setenv("HF_TOKEN", "of-the-environment")
    assert lesson.destination(hub)[1] == "of-the-environment"


def test_without_live_the_cell_asks_the_sandbox(hub: sandbox.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVE", raising=False)

    assert lesson.destination(hub) == (f"{hub.router}/v1", hub.tokens["fine_grained"])
