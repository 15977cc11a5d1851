"""Planning faults, from Python and over HTTP: who gets them, in which order, and what a bad order hears."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import requests

from course import sandbox
from course.sandbox import faults
from course.sandbox.wire import slices
from course.traffic import story


@pytest.fixture
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as started:
        yield started


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as started:
        yield started


def whoami(hub: sandbox.Sandbox, token: str = "read", timeout: float = 10) -> int:  # noqa: S107 the name of one
    headers = {"Authorization": f"Bearer {hub.tokens[token]}"}
    return requests.get(f"{hub.url}/api/whoami-v2", headers=headers, timeout=timeout).status_code


def order(hub: sandbox.Sandbox, script: object, query: str = "", **headers: str) -> requests.Response:
    return requests.post(
        f"{hub.url}/_sandbox/faults{query}",
        data=json.dumps(script),
        headers={"Content-Type": "application/json", **headers},
        timeout=5,
    )


def test_a_script_gives_one_outcome_a_request_and_then_all_is_well(hub: sandbox.Sandbox) -> None:
    hub.script([429, faults.Reset(), 200, faults.Status(503, body="html")])

    seen: list[object] = []
    for _ in range(5):
        try:
            seen.append(whoami(hub))
        except requests.ConnectionError:
            seen.append("reset")

    assert seen == [429, "reset", 200, 503, 200]


def test_plans_are_used_in_the_order_they_were_made(hub: sandbox.Sandbox) -> None:
    hub.fail_next(500, times=2)
    hub.script([502, 200, 504])

    assert [whoami(hub) for _ in range(6)] == [500, 500, 502, 200, 504, 200]


def test_what_is_pending_and_used_can_be_counted_and_cleared(hub: sandbox.Sandbox) -> None:
    hub.script([503, faults.Stall(after=1), 200])

    whoami(hub)

    assert hub.faults.pending == [faults.Stall(after=1), faults.Pass()]
    assert hub.faults.used == [faults.Status(503)]
    hub.faults.clear()
    assert (hub.faults.pending, hub.faults.used) == ([], [])


def test_a_plan_for_one_client_leaves_all_others_alone(hub: sandbox.Sandbox) -> None:
    hub.script([503, 502], client="read")
    hub.script([500], client="write")

    seen = [(name, whoami(hub, name)) for name in ("write", "fine_grained", "read", "read", "write", "read")]

    assert seen == [("write", 500), ("fine_grained", 200), ("read", 503), ("read", 502), ("write", 200), ("read", 200)]


def test_a_plan_may_wait_for_a_certain_request(hub: sandbox.Sandbox) -> None:
    hub.fail_next(503, on="hub", when=lambda request: request.url.path.endswith("/api/whoami-v2"))

    statuses = [
        requests.get(f"{hub.url}/api/{path}", timeout=10).status_code for path in ("no", "whoami-v2", "whoami-v2")
    ]

    assert statuses == [404, 503, 401]


def test_many_clients_at_once_get_their_own_plan_each(hub: sandbox.Sandbox, pool: ThreadPoolExecutor) -> None:
    names = [f"client_{number}" for number in range(8)]
    for number, name in enumerate(names):
        hub.token_store.issue(name, "read")
        hub.script([500 + number, 200, 400 + number], client=name)

    seen = list(pool.map(lambda name: [whoami(hub, name) for _ in range(4)], names))

    assert seen == [[500 + number, 200, 400 + number, 200] for number in range(8)]
    assert len(hub.faults.used) == 24


def test_the_traffic_tells_the_fault_and_the_client(hub: sandbox.Sandbox) -> None:
    hub.script([faults.Status(503, retry_after=2), 200])

    whoami(hub)
    whoami(hub, "write")

    assert [(seen.client, seen.fault) for seen in hub.requests] == [
        ("read", "Status(status=503, retry_after=2)"),
        ("write", None),
    ]
    assert "-> 503, Retry-After 2, fault Status(status=503, retry_after=2)\n" in story(hub.requests)


def test_a_broken_connection_is_on_record_without_an_answer(hub: sandbox.Sandbox) -> None:
    hub.fail_next(faults.Reset())

    with pytest.raises(requests.ConnectionError):
        whoami(hub)

    assert [(seen.status, seen.fault) for seen in hub.requests] == [(None, "Reset()")]


def test_an_answer_in_plain_bytes_is_on_record_too(hub: sandbox.Sandbox) -> None:
    hub.fail_next(faults.CutClose(after=2))

    answer = requests.get(f"{hub.router}/v1/models", timeout=5)

    assert answer.content == b'{"'
    assert hub.requests[0].status == 200
    assert hub.requests[0].answer_headers["connection"] == "close"


BAD: list[tuple[str, Any, str]] = [
    ("no list", {"fault": "Reset"}, "a script is a list"),
    ("an unknown name", [200, "Explode"], "entry 2: 'Explode' is no fault; choose a status"),
    ("an unknown name in an object", [{"fault": "Explode"}], "entry 1"),
    ("nothing", [None], "entry 1: None is no fault"),
    ("a yes", [True], "entry 1: True is no fault"),
    ("no failure", [503, 302], "entry 2: Status, status: Input should be greater than or equal to 400, got 302"),
    ("a name that it has not", [{"fault": "Stall", "afer": 1}], "Stall takes after, unit, clock_seconds"),
    ("a name without its value", ["Redirect"], "entry 1: Redirect, to"),
    ("a body that is not there", [{"fault": "Status", "status": 500, "body": "poem"}], "'usual', 'object', 'string'"),
    ("a count below zero", [{"fault": "CutChunk", "after": -1}], "greater than or equal to 0, got -1"),
    ("a wait without end", [{"fault": "Hang", "clock_seconds": "inf"}], "finite number"),
    ("two lines in a header", [{"fault": "Status", "status": 503, "retry_after": "1\r\nX: 1"}], "retry_after"),
]


@pytest.mark.parametrize(("script", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_entry_is_named_with_what_is_allowed_and_nothing_is_planned(
    hub: sandbox.Sandbox, script: Any, words: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 each row has its words
        hub.script(script)
    answer = order(hub, script)

    assert words in str(caught.value)
    assert (answer.status_code, answer.json()) == (422, {"error": str(caught.value)})
    assert hub.faults.pending == []


def test_a_side_or_a_client_that_is_not_there_is_refused(hub: sandbox.Sandbox) -> None:
    with pytest.raises(ValueError, match="no token is called 'me'; a client is one of read, write"):
        hub.script([500], client="me")
    with pytest.raises(ValueError, match="on is 'moon'; choose one of hub, router"):
        hub.script([500], on="moon")  # type: ignore[arg-type]

    assert order(hub, [500], "?client=me").status_code == 422
    assert order(hub, [500], "?on=moon").status_code == 422


def test_the_value_of_a_token_is_in_no_complaint(hub: sandbox.Sandbox) -> None:
    value = hub.tokens["read"]
    asked = [order(hub, [value]), order(hub, [{"fault": "Hang", value: value}]), order(hub, [], f"?client={value}")]

    assert all(answer.status_code == 422 and value not in answer.text for answer in asked)


@pytest.mark.parametrize("fault", [faults.Reset(), "Reset"], ids=repr)
def test_what_belongs_to_a_status_is_refused_elsewhere(hub: sandbox.Sandbox, fault: Any) -> None:
    with pytest.raises(ValueError, match="retry_after: only with a status"):
        hub.fail_next(fault, retry_after=2)


@pytest.mark.parametrize(("fault", "times"), [(200, 1), (faults.Pass(), 1), (503, 0), (503, -1)])
def test_what_is_no_failure_is_refused(hub: sandbox.Sandbox, fault: Any, times: int) -> None:
    with pytest.raises(ValueError, match=r"no failure|greater than or equal to 400"):
        hub.fail_next(fault, times=times)


def test_a_script_over_http_does_the_same(hub: sandbox.Sandbox) -> None:
    script = [
        {"fault": "Status", "status": 429, "retry_after": {"date_in_seconds": 30}, "rate_limit": [0, 30]},
        "Reset",
        200,
    ]

    answer = order(hub, script, "?on=hub&client=write")

    wait = faults.DateIn(30)
    assert hub.faults.pending == [
        faults.Status(429, retry_after=wait, rate_limit=(0, 30)),
        faults.Reset(),
        faults.Pass(),
    ]
    assert answer.json()["pending"] == [str(fault) for fault in hub.faults.pending]
    assert [whoami(hub), whoami(hub, "write")] == [200, 429]
    assert requests.get(f"{hub.url}/_sandbox/faults", timeout=5).json()["used"] == answer.json()["pending"][:1]
    assert requests.delete(f"{hub.url}/_sandbox/faults", timeout=5).json() == {"pending": [], "used": []}


def test_orders_are_no_traffic_and_use_no_rate_limit(hub: sandbox.Sandbox) -> None:
    hub.fail_next(503)

    answer = requests.get(f"{hub.url}/_sandbox/faults", timeout=5)

    assert answer.json()["pending"] == ["Status(status=503)"]
    assert "RateLimit" not in answer.headers
    assert hub.requests == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://attacker.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "attacker.test"}, 400),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_a_web_page_cannot_give_orders(hub: sandbox.Sandbox, headers: dict[str, str], status: int) -> None:
    answer = order(hub, [500], **headers)

    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers
    assert hub.faults.pending == []


def test_a_page_of_the_sandbox_itself_may(hub: sandbox.Sandbox) -> None:
    assert order(hub, [500], Origin=hub.url).status_code == 200


def chat(hub: sandbox.Sandbox) -> requests.Response:
    return requests.post(
        f"{hub.router}/v1/chat/completions",
        json={"model": "openai/gpt-oss-120b", "messages": [{"role": "user", "content": "Hi"}], "stream": True},
        headers={"Authorization": f"Bearer {hub.tokens['fine_grained']}"},
        timeout=10,
    )


@pytest.mark.parametrize("fault", [faults.Hang(), faults.Stall(after=1)], ids=str)
def test_a_held_answer_is_whole_once_it_is_released(
    hub: sandbox.Sandbox, pool: ThreadPoolExecutor, fault: faults.Fault
) -> None:
    hub.clock.freeze()
    whole = chat(hub).content
    hub.fail_next(fault)

    waiting: Future[requests.Response] = pool.submit(chat, hub)
    released = hub.release()

    assert released == 1
    assert waiting.result().content == whole
    assert hub.release(within_seconds=0) == 0


def test_a_held_answer_is_released_over_http(hub: sandbox.Sandbox, pool: ThreadPoolExecutor) -> None:
    hub.fail_next(faults.Hang())
    waiting = pool.submit(whoami, hub)

    released = 0
    while not waiting.done() and not released:
        released = requests.post(f"{hub.url}/_sandbox/release", timeout=5).json()["released"]

    assert (released, waiting.result()) == (1, 200)


def test_stopping_ends_held_connections_at_once(pool: ThreadPoolExecutor) -> None:
    hub = sandbox.start()
    hub.script([faults.Hang(), faults.Drip(interval_seconds=60), faults.Stall()])
    waiting = [pool.submit(whoami, hub) for _ in range(3)]
    while len(hub.faults.used) < 3:
        pass

    began = time.monotonic()
    hub.stop()

    assert time.monotonic() - began < 2
    assert all(isinstance(call.exception(timeout=5), requests.RequestException) for call in waiting)


def test_nothing_is_held_once_the_client_has_left(hub: sandbox.Sandbox) -> None:
    hub.fail_next(faults.Hang())

    with pytest.raises(requests.ReadTimeout):
        whoami(hub, timeout=0.2)

    assert whoami(hub) == 200
    assert hub.release(within_seconds=0) == 0


@pytest.mark.parametrize("fault", [faults.Hang(clock_seconds=30), faults.Stall(clock_seconds=30)], ids=str)
def test_silence_may_take_its_time_on_the_sandbox_s_clock(hub: sandbox.Sandbox, fault: faults.Fault) -> None:
    hub.clock.freeze()
    began = hub.clock.now()
    hub.fail_next(fault)

    with pytest.raises(requests.RequestException):
        whoami(hub, timeout=0.2)

    assert hub.clock.now() - began == 30


def test_a_slow_answer_needs_no_real_time(hub: sandbox.Sandbox) -> None:
    hub.clock.freeze()
    began = hub.clock.now()
    hub.fail_next(faults.Drip(interval_seconds=0, size_bytes=8, clock_seconds=5))

    answer = requests.get(f"{hub.router}/v1/models/no/such", timeout=5)

    assert answer.content == b'{"error":"Not Found"}'
    assert hub.clock.now() - began == 15


def test_an_answer_that_hangs_was_worked_out_and_billed_and_a_reset_one_was_not(hub: sandbox.Sandbox) -> None:
    before = hub.account.credit_usd
    hub.script([faults.Reset(), faults.CutChunk(after=1)])

    for _ in range(2):
        with pytest.raises(requests.RequestException):
            chat(hub)

    assert hub.account.credit_usd < before
    assert before - hub.account.credit_usd < 0.001


@pytest.mark.parametrize(
    ("fault", "due"),
    [
        (faults.Slices(3), [b"abc", b"def", b"g"]),
        (faults.Slices(at=(1, 3)), [b"a", b"bc", b"defg"]),
        (faults.Slices(at=(0, 3, 3, 7, 99)), [b"abc", b"defg"]),
        (faults.Slices(99), [b"abcdefg"]),
    ],
    ids=str,
)
def test_slices_lose_nothing_and_are_never_empty(fault: faults.Slices, due: list[bytes]) -> None:
    assert slices(b"abcdefg", fault) == due


def test_every_fault_is_in_the_table_of_its_module() -> None:
    assert [name for name in faults.KINDS if f"| `{name}(" not in (faults.__doc__ or "")] == []


def test_a_fault_is_told_by_what_differs_from_its_defaults() -> None:
    assert str(faults.Stall()) == "Stall()"
    assert str(faults.Stall(after=1, unit="bytes")) == "Stall(after=1, unit='bytes')"
