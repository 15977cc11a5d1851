"""Checks of the exercises in 07_troubleshooting. `lesson` holds the learner's names; nobody waits and nothing is sent.

Run against solutions/ and notebooks/ by `make test`, against a learner's code by `check("07-2")` and `make check`.
Every name given to `wrong(...)` is proven in tests/mistakes/07_troubleshooting.py; the doors of the escape room are
proven in tests/course/test_escape_room.py.

PYTEST_DONT_REWRITE: the messages say all, and stay as they were written.
"""

import json
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from course.checks import Unfinished, todo, wrong
from course.escape_room.layout import VARIABLE, read_layout
from course.exercises import find_exercise
from course.tables import table
from tests.scripted import VirtualClock

FAKE = "hf_" + "FaKe" * 8 + "zz"  # plausible, and as long as a real one

# --- 07-1 diagnose ------------------------------------------------------------------------------------------

# The rows that are often taken for something else; all others are "wrong-cause".
CONFUSED = {
    "no token at the router": "no-token-taken-for-a-bad-one",
    "credits": "credits-taken-for-a-rate-limit",
    "gated, and the switch is off": "gate-taken-for-a-permission",
    "waits for the administrator": "policy-taken-for-a-permission",
    "private, with a token that may not see it": "404-taken-at-its-word",
    "window of an address used up": "address-not-told-apart",
    "429 with requests left": "waits-for-a-window-that-is-open",
    "endpoint scaled to zero": "endpoint-not-told-apart",
    "login page of a network": "page-taken-for-an-answer",
}


def diagnosed(lesson: SimpleNamespace, row: Mapping[str, Any]) -> Any:
    headers: Any = CaseInsensitiveDict(row.get("headers", {}))
    return lesson.diagnose(row["status"], headers, row["body"].encode(), row["url"])


def test_07_1_each_row_of_the_table_is_diagnosed(lesson: SimpleNamespace) -> None:
    symptoms = table("symptoms")
    for row in sorted(symptoms["symptoms"], key=lambda row: row["name"] not in CONFUSED):
        found = diagnosed(lesson, row)

        assert isinstance(found, lesson.Diagnosis), wrong(
            "no-diagnosis",
            seen=f"for {row['status']} you returned {found!r}",
            due="what conclude(cause, seen) returns",
            read='"Exercise 07-1", its first line',
        )
        assert found.cause == row["cause"], wrong(
            CONFUSED.get(row["name"], "wrong-cause"),
            seen=f"your cause was {found.cause!r} for {row['status']} {row['url']}, headers {row.get('headers', {})}, "
            f"body {row['body'][:120] or 'empty'}",
            due=f"{row['cause']!r}: {symptoms['causes'][row['cause']]['next_step']}",
            read=f'the row of {row["status"]} in "Exercise 07-1"; "{row["name"]}" in data/symptoms.toml',
        )
        advice = symptoms["causes"][row["cause"]]
        assert (found.whose, found.retry, found.next_step) == tuple(advice.values()), wrong(
            "own-advice",
            seen=f"for {row['cause']} you returned {(found.whose, found.retry, found.next_step)!r}",
            due=f"what the table says: {tuple(advice.values())!r}",
            read='"One status, many causes": conclude',
        )


# status, headers, error of the body, URL, cause: where two lines of the table could be meant, or one is wider than
# its examples.
HUB = "https://hub.test/api/models/x/y"
NARROW = {
    "gate before policy": (403, {"X-Error-Code": "GatedRepo"}, "disabled by its organization", HUB, "gate-closed"),
    "disabled before policy": (403, {}, "disabled by its organization", HUB, "disabled"),
    "a word like a code": (400, {}, "this field is not supported", HUB, "bad-request"),
    "422 of a model": (422, {}, {"message": "no", "code": "model_not_supported"}, HUB, "model-not-served"),
    "304": (304, {}, "", HUB, "moved"),
    "200 that is JSON": (200, {"Content-Type": "application/json"}, "text/html", HUB, "unknown"),
    "a window that ends now": (429, {"RateLimit": '"api";r=7;t=0'}, "", HUB, "busy"),
    "an empty window, with spaces": (429, {"RateLimit": '"api"; r=0; t=9'}, "", HUB, "window-used-up"),
    "loading at another status": (500, {}, "loading failed", HUB, "service-failed"),
    "loading outside the words": (503, {}, {"message": "no", "loading": "x"}, HUB, "service-failed"),
    "an endpoint in the path": (503, {}, "", "https://hub.test/a.endpoints.huggingface.cloud", "service-failed"),
    "an endpoint of somebody else": (503, {}, "", "https://a.endpoints.huggingface.cloud.test/", "service-failed"),
    "501": (501, {}, "", HUB, "service-failed"),
    "599": (599, {}, "", HUB, "service-failed"),
}  # fmt: skip


def test_07_1_each_line_of_the_table_is_as_wide_as_it_says(lesson: SimpleNamespace) -> None:
    for what, (status, headers, error, url, cause) in NARROW.items():
        body = json.dumps({"error": error}).encode()
        found = lesson.diagnose(status, CaseInsensitiveDict(headers), body, url)

        assert found.cause == cause, wrong(
            "line-too-wide-or-too-narrow",
            seen=f"{what}: your cause was {found.cause!r} for {status} {url}, headers {headers}, body {body.decode()}",
            due=f"{cause!r}",
            read=f'the row of {status} in "Exercise 07-1"; of several lines the first that applies counts',
        )


def test_07_1_nothing_secret_is_in_the_line(lesson: SimpleNamespace) -> None:
    chat = "router.test/v1/chat/completions"
    password = "QxZjVkWq"
    cases = {
        "the body": (json.dumps({"error": f"no such token: {FAKE}"}), f"https://{chat}", "shows-the-token"),
        "a page of HTML": (f"<p>{FAKE}</p>", f"https://{chat}", "shows-the-token"),
        "the path": ("", f"https://hub.test/api/{FAKE}/x", "shows-the-token"),
        "the query": ("", f"https://{chat}?key={password}", "shows-the-query"),
        "the URL before an @": ("", f"https://me:{password}@{chat}", "shows-the-user"),
        "the body, where it is cut": (
            json.dumps({"error": "x" * 140 + FAKE}),
            f"https://{chat}",
            "cuts-before-masking",
        ),
    }
    for place, (body, url, mistake) in cases.items():
        shown = repr(lesson.diagnose(403, {}, body.encode(), url))

        assert FAKE[:7] not in shown and password not in shown, wrong(  # noqa: PT018 - one problem, one message
            mistake,
            seen=f"a secret stood in {place}, and your diagnosis shows {'a part of it' if 'cut' in place else 'it'}",
            due="a line without it: masked first, cut afterwards, and of the URL only host and path",
            read='"Exercise 07-1", the rule of `seen`',
        )


def test_07_1_the_line_says_what_was_seen(lesson: SimpleNamespace) -> None:
    body = json.dumps({"error": {"message": "The lamp is broken", "code": "lamp"}}).encode()

    seen = lesson.diagnose(418, {}, body, "https://router.test/v1/chat/completions?a=b").seen

    for what in ("418", "router.test", "/v1/chat/completions", "The lamp is broken"):
        assert what in seen, wrong(
            "says-too-little",
            seen=f"the line was {seen!r}",
            due=f"status, host, path and the words of the server; {what!r} is missing",
            read='"Exercise 07-1", the rule of `seen`',
        )


def test_07_1_the_line_is_one_line(lesson: SimpleNamespace) -> None:
    body = json.dumps({"error": "one\ntwo"}).encode()

    seen = lesson.diagnose(500, {}, body, "https://router.test/v1").seen

    assert len(seen.splitlines()) == 1, wrong(
        "more-than-one-line",
        seen=f"for an error of two lines the line was {seen!r}",
        due="one line: in a log, a second one looks like an entry of its own",
        read='"Exercise 07-1", the rule of `seen`',
    )


def test_07_1_the_line_is_short(lesson: SimpleNamespace) -> None:
    seen = lesson.diagnose(500, {}, b"<p>" + b"very " * 1000 + b"</p>", "https://router.test/v1").seen

    assert len(seen) <= 200, wrong(
        "endless-line",
        seen=f"for a page of 5,000 characters the line has {len(seen)}",
        due="at most 200: a log is read by people",
        read='"Exercise 07-1", the rule of `seen`',
    )


def test_07_1_nothing_is_raised(lesson: SimpleNamespace) -> None:
    for body in (b"", b"\xff\xfe", b"[]", b"null", b'{"error": null}', b'{"error": {"message": null}}'):
        for status in (200, 307, 401, 403, 404, 429, 503):
            assert diagnosed_bytes(lesson, status, body), wrong(
                "no-diagnosis",
                seen=f"for {status} with the body {body!r} you returned nothing",
                due="a diagnosis, whatever the body is",
                read='"Exercise 07-1", its last paragraph',
            )


def test_07_1_an_address_that_nobody_can_read_is_diagnosed_too(lesson: SimpleNamespace) -> None:
    body = json.dumps({"error": "The lamp is broken"}).encode()
    try:
        found = lesson.diagnose(500, {}, body, "http://me:QxZjVkWq@[lamp/y?key=QxZjVkWq")
    except ValueError as error:
        found = error

    assert isinstance(found, lesson.Diagnosis), wrong(
        "stumbles-over-an-address",
        seen=f'for the address "http://[lamp/y", which urlsplit refuses, there was {type(found).__name__}: {found}',
        due="a diagnosis, without host and path",
        read='"Exercise 07-1", its last paragraph',
    )
    secret = "QxZjVkWq" in found.seen
    assert not secret and "[lamp" not in found.seen, wrong(  # noqa: PT018 - one problem, one message
        "shows-a-broken-address",
        seen=f"the line for an address that urlsplit refuses holds {'its password' if secret else 'parts of it'}",
        due="status and words alone: nobody knows which part of such an address is a secret",
        read='"Exercise 07-1", its last paragraph',
    )
    assert found.cause == "service-failed", wrong(
        "wrong-cause",
        seen=f"for 500 and an address that urlsplit refuses your cause was {found.cause!r}",
        due="'service-failed': the status says it",
        read='the row of "any other from 500 on" in "Exercise 07-1"',
    )


def diagnosed_bytes(lesson: SimpleNamespace, status: int, body: bytes) -> Any:
    return lesson.diagnose(status, {}, body, "not an address")


# --- 07-2 RateWindow and Pacer --------------------------------------------------------------------------------


LEEWAY = 5  # seconds that somebody may wait longer, to be on the safe side


class Window(HTTPAdapter):
    """The Hub's windows for a session, on a virtual clock: `quota` requests in each 300 s.

    steps: answers that come before, in order: a status, or headers to send instead of its own, or None for the usual.
    """

    seconds = 300

    def __init__(self, clock: VirtualClock, quota: int = 20, steps: Sequence[Any] = ()) -> None:
        super().__init__()
        self.clock, self.quota, self.steps = clock, quota, list(steps)
        self.sent: list[str] = []
        self.timeouts: list[Any] = []
        self.used: Counter[int] = Counter()

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        self.timeouts.append(options.get("timeout"))
        number = int(self.clock.passed // self.seconds)
        self.sent.append(request.url or "")
        self.used[number] += 1
        left = max(0, self.quota - self.used[number])
        resets = self.seconds - self.clock.passed % self.seconds
        headers = {
            "RateLimit": f'"api";r={left};t={-int(-resets // 1)}',
            "RateLimit-Policy": f'"fixed window";"api";q={self.quota};w={self.seconds}',
        }
        status = 429 if self.used[number] > self.quota else 200
        step = self.steps.pop(0) if self.steps else None
        if isinstance(step, int):
            status = step
        elif step is not None:
            status, headers = step
        answer = requests.Response()
        answer.status_code, answer.url, answer.headers = status, request.url or "", CaseInsensitiveDict(headers)
        answer._content, answer.request = f"answer {len(self.sent)}".encode(), request
        return answer


def pacer(lesson: SimpleNamespace, steps: Sequence[Any] = (), **more: Any) -> tuple[Any, Window]:
    clock = VirtualClock()
    session, window = requests.Session(), Window(clock, steps=steps)
    session.mount("http://", window)
    session.trust_env = False
    return lesson.Pacer(session, clock, **more), window


def test_07_2_the_headers_are_read(lesson: SimpleNamespace) -> None:
    policy = {"RateLimit-Policy": '"fixed window";"api";q=500;w=300'}
    for headers, due, mistake in (
        ({"RateLimit": '"api";r=487;t=155', **policy}, ("api", 487, 155, 500), "misreads-the-window"),
        ({"RateLimit": '"pages";r=3;t=9'}, ("pages", 3, 9, None), "misreads-the-window"),
        ({"RateLimit": '"resolvers"; r=0; t=55'}, ("resolvers", 0, 55, None), "strict-about-spaces"),
        ({"RateLimit": "soon"}, None, "guesses-a-window"),
        (policy, None, "guesses-a-window"),
        ({}, None, "guesses-a-window"),
    ):
        got = lesson.RateWindow.from_headers(CaseInsensitiveDict(headers))

        told = None if got is None else (got.bucket, got.remaining, got.reset_seconds, got.quota)
        assert told == due, wrong(
            mistake,
            seen=f"for {headers} you returned {got!r}",
            due=f"{'None' if due is None else f'bucket, remaining, reset_seconds and quota {due}'}",
            read='"Exercise 07-2", its first paragraph',
        )


def test_07_2_no_request_goes_over_the_limit(lesson: SimpleNamespace) -> None:
    paced, window = pacer(lesson)

    statuses = [paced.get(f"http://hub.test/{number}").status_code for number in range(50)]

    assert max(window.used.values()) <= window.quota, wrong(
        "over-the-limit",
        seen=f"with {window.quota} requests a window you sent {dict(window.used)}, by window",
        due=f"at most {window.quota} in each: when r is 0, nothing is sent before the window ends",
        read='"Exercise 07-2", rule 2',
    )
    assert statuses == [200] * 50, wrong(
        "lost-answers",
        seen=f"of 50 pages {statuses.count(200)} came",
        due="all of them",
        read='"Exercise 07-2", rule 2',
    )
    assert paced.clock.passed <= 2 * window.seconds + 30, wrong(
        "too-slow",
        seen=f"50 requests with {window.quota} a window took {paced.clock.passed:.0f} s",
        due="about 600 s: the end of the second window, and not longer",
        read='"Exercise 07-2", rule 2: until that window ends',
    )


def test_07_2_nobody_waits_while_there_is_room(lesson: SimpleNamespace) -> None:
    paced, window = pacer(lesson)

    for number in range(window.quota):
        paced.get(f"http://hub.test/{number}")

    assert paced.clock.slept == [], wrong(
        "waits-without-need",
        seen=f"{window.quota} requests, as many as the window allows, and you slept {paced.clock.slept} s",
        due="no sleep: with requests left it sends at once",
        read='"Exercise 07-2", rule 2',
    )


def test_07_2_the_server_knows_better(lesson: SimpleNamespace) -> None:
    used_by_others = (200, {"RateLimit": '"api";r=0;t=77'})
    paced, window = pacer(lesson, [None, used_by_others])

    for number in range(3):
        paced.get(f"http://hub.test/{number}")

    assert sum(paced.clock.slept) >= 77, wrong(
        "counts-for-itself",
        seen=f"the second answer said r=0, t=77 (others share the quota); then you slept {paced.clock.slept}",
        due="77 s: the newest window that an answer told of counts",
        read='"Exercise 07-2", rule 2',
    )
    assert all(window.timeouts), wrong(
        "no-timeout",
        seen=f"you sent with timeout={window.timeouts[0]!r}",
        due="timeout=10: whoever paces may wait for a window, but not for ever for an answer",
        read='"Exercise 07-2", the line below the rules',
    )


def test_07_2_the_time_since_the_answer_counts(lesson: SimpleNamespace) -> None:
    paced, _ = pacer(lesson, [(200, {"RateLimit": '"api";r=0;t=77'})])
    paced.get("http://hub.test/1")
    paced.clock.passed += 50  # the program did something else
    paced.get("http://hub.test/2")

    assert 27 <= sum(paced.clock.slept) <= 27 + LEEWAY, wrong(
        "waits-from-the-start",
        seen=f"an answer said r=0, t=77; 50 s later you slept {paced.clock.slept} s",
        due="27 s: the window ends 77 s after the answer",
        read='"Exercise 07-2", rule 2',
    )


def test_07_2_an_answer_without_a_window_changes_nothing(lesson: SimpleNamespace) -> None:
    full = (200, {"RateLimit": '"api";r=0;t=77'})
    paced, _ = pacer(lesson, [(200, {}), full])
    for number in range(2):
        paced.get(f"http://hub.test/{number}")

    assert paced.clock.slept == [], wrong(
        "waits-without-need",
        seen=f"the first answer told of no window, and then you slept {paced.clock.slept} s",
        due="no sleep",
        read='"Exercise 07-2", rule 2',
    )


def test_07_2_some_requests_are_left_for_others(lesson: SimpleNamespace) -> None:
    paced, window = pacer(lesson, reserve=5)

    for number in range(16):
        paced.get(f"http://hub.test/{number}")

    assert window.used[0] == window.quota - 5, wrong(
        "takes-the-reserve",
        seen=f"with reserve=5 of {window.quota} you sent {window.used[0]} in the first window",
        due=f"{window.quota - 5}: the rest is for your other programs",
        read='"Exercise 07-2", rule 2',
    )


def test_07_2_what_is_fresh_is_not_asked_again(lesson: SimpleNamespace) -> None:
    paced, window = pacer(lesson, fresh_seconds=60)
    first = paced.get("http://hub.test/a?n=1")
    paced.clock.passed += 40
    again = paced.get("http://hub.test/a?n=1")
    sent = len(window.sent)
    paced.clock.passed += 21
    paced.get("http://hub.test/a?n=1")
    asked = len(window.sent)
    other = paced.get("http://hub.test/a?n=2")

    assert sent == 1, wrong(
        "no-cache",
        seen=f"the same address twice: {sent} requests",
        due="one: the second time the first answer is returned",
        read='"Exercise 07-2", rule 1',
    )
    assert again.content == first.content, wrong(
        "another-answer",
        seen=f"the answers were {first.content!r} and {again.content!r}",
        due="the same answer twice",
        read='"Exercise 07-2", rule 1',
    )
    assert asked == 2, wrong(
        "keeps-for-ever",
        seen="61 s later, with fresh_seconds=60, the old answer was returned",
        due="a new request: what is kept gets old, however often it is used",
        read='"Exercise 07-2", rule 1',
    )
    assert other.content not in (first.content, b"answer 2"), wrong(
        "mixes-up-addresses",
        seen="a?n=2 got the answer of a?n=1",
        due="another address, another answer",
        read='"Exercise 07-2", rule 1',
    )


def test_07_2_failures_are_not_kept(lesson: SimpleNamespace) -> None:
    paced, _ = pacer(lesson, [404, 202, 200])

    statuses = [paced.get("http://hub.test/a").status_code for _ in range(3)]

    assert statuses == [404, 202, 200], wrong(
        "keeps-failures",
        seen=f"an address that answered 404, then 202 (not ready), then 200 gave {statuses}",
        due="[404, 202, 200]: only a 200 is kept",
        read='"Exercise 07-2", rule 1',
    )


def test_07_2_a_surprising_429_is_waited_for(lesson: SimpleNamespace) -> None:
    refused = (429, {"RateLimit": '"api";r=412;t=40'})
    paced, window = pacer(lesson, [refused, 200])
    status = paced.get("http://hub.test/a").status_code

    assert (status, len(window.sent)) == (200, 2), wrong(
        "gives-up-at-once",
        seen=f"a 429 whose window said r=412, t=40: you returned {status} after {len(window.sent)} request(s)",
        due="200, from a second request",
        read='"Exercise 07-2", rule 3',
    )
    assert 40 <= sum(paced.clock.slept) <= 40 + LEEWAY, wrong(
        "wrong-wait-after-429",
        seen=f"the 429 said t=40, and you slept {paced.clock.slept} s",
        due="40 s",
        read='"Exercise 07-2", rule 3',
    )


def test_07_2_a_429_that_stays_is_returned(lesson: SimpleNamespace) -> None:
    refused = (429, {"RateLimit": '"api";r=0;t=40'})
    paced, window = pacer(lesson, [refused] * 20)
    status = paced.get("http://hub.test/a").status_code

    assert (status, len(window.sent)) == (429, lesson.MAX_TRIES), wrong(
        "never-gives-up",
        seen=f"every answer was 429: {len(window.sent)} requests, then {status}",
        due=f"{lesson.MAX_TRIES} requests, then the 429",
        read='"Exercise 07-2", rule 3',
    )


def test_07_2_a_429_without_a_window_is_returned_at_once(lesson: SimpleNamespace) -> None:
    paced, window = pacer(lesson, [(429, {})])
    status = paced.get("http://hub.test/a").status_code

    assert (status, len(window.sent), paced.clock.slept) == (429, 1, []), wrong(
        "repeats-without-a-window",
        seen=f"a 429 without a window: {len(window.sent)} requests, slept {paced.clock.slept}, then {status}",
        due="the 429, at once: nobody said when to come back",
        read='"Exercise 07-2", rule 3',
    )


# --- 07-3 run_batch -----------------------------------------------------------------------------------------


class Model:
    """A client that counts: `asked` has every prompt, `most` the calls that ran at once."""

    def __init__(self, broken: Sequence[str] = (), meet: int = 0) -> None:
        self.asked: list[str] = []
        self.broken, self.running, self.most = broken, 0, 0
        self._lock = threading.Lock()
        self._meeting = threading.Barrier(meet) if meet else None

    def __call__(self, prompt: str) -> str:
        with self._lock:
            self.asked.append(prompt)
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            if self._meeting:
                self._meeting.wait(timeout=1.5)  # until so many calls run at once
            if prompt == "strange" and self.broken:
                raise KeyError("choices")
            if prompt in self.broken:
                raise requests.ReadTimeout(f"with the header Bearer {FAKE}")
            return f"{prompt}: dé\u2028\nà"
        finally:
            with self._lock:
                self.running -= 1


def answer_to(prompt: str) -> str:
    return Model()(prompt)


def run(lesson: SimpleNamespace, prompts: Sequence[str], model: Model, journal: Path, concurrency: int = 1) -> Any:
    return lesson.run_batch(prompts, model, concurrency, journal)


def test_07_3_the_answers_come_in_the_order_of_the_prompts(lesson: SimpleNamespace, tmp_path: Path) -> None:
    prompts = [f"prompt {number}" for number in range(12)]
    model = Model(meet=3)
    result = run(lesson, prompts, model, tmp_path / "journal", concurrency=3)

    assert not result.failures, wrong(
        "one-after-the-other",
        seen=f"with concurrency=3, 3 calls never ran at once; {model.most} did",
        due="three threads: the client waits most of the time",
        read='"Exercise 07-3", its first rule',
    )
    assert model.most <= 3, wrong(
        "unbounded",
        seen=f"with concurrency=3, {model.most} calls ran at once",
        due="never more than 3: the other side counts, too",
        read='"Exercise 07-3", its first rule',
    )
    assert result.answers == [answer_to(prompt) for prompt in prompts], wrong(
        "out-of-order",
        seen=f"the answers to prompt 0, 1, 2 ... came as {[str(text)[:9] for text in result.answers]}",
        due="in the order of the prompts, whichever was ready first",
        read='"Exercise 07-3", its last paragraph',
    )


def test_07_3_no_more_calls_run_at_once_than_asked_for(lesson: SimpleNamespace, tmp_path: Path) -> None:
    gate, model = threading.Event(), Model()
    full = threading.Timer(0.05, gate.set)  # time for calls that should not be there

    def slow(prompt: str) -> str:
        with model._lock:
            model.running += 1
            model.most = max(model.most, model.running)
        gate.wait(1)
        with model._lock:
            model.running -= 1
        return prompt

    full.start()
    lesson.run_batch([str(number) for number in range(8)], slow, 2, tmp_path / "journal")

    assert model.most <= 2, wrong(
        "unbounded",
        seen=f"with concurrency=2, {model.most} calls ran at once",
        due="never more than 2: the other side counts, too",
        read='"Exercise 07-3", its first rule',
    )


def test_07_3_a_failure_is_reported_and_stops_nobody(lesson: SimpleNamespace, tmp_path: Path) -> None:
    prompts, model = ["a", "b", "strange", "c"], Model(broken=["b"])
    try:
        result = run(lesson, prompts, model, tmp_path / "journal")
        came = repr(result.answers)
    except (requests.RequestException, LookupError) as error:
        came = f"{type(error).__name__} was raised"

    assert came == repr([answer_to("a"), None, None, answer_to("c")]), wrong(
        "failure-stops-the-others",
        seen=f"of {prompts} the client failed for b with ReadTimeout, for strange with KeyError: {came}",
        due="the answers to a and c, and None for the two others: any exception is a failure of that prompt alone",
        read='"Exercise 07-3", its fifth rule',
    )
    assert (sorted(model.asked), result.asked) == (sorted(prompts), 4), wrong(
        "miscounts",
        seen=f"the client was asked {model.asked}, and result.asked was {result.asked}",
        due="each of the four once, and asked=4: calls that failed are calls",
        read='"Exercise 07-3", its last paragraph',
    )
    assert FAKE not in repr(result), wrong(
        "shows-the-token",
        seen="the text of the exception held a token, and your result holds it",
        due="the class of the exception alone",
        read='"Exercise 07-3", its fifth rule',
    )
    due = {"b": "ReadTimeout", "strange": "KeyError"}
    assert result.failures == due, wrong(
        "hides-failures",
        seen=f"failures was {result.failures!r}",
        due=f"{due}",
        read='"Exercise 07-3", its fifth rule',
    )
    again = Model()
    run(lesson, prompts, again, tmp_path / "journal")
    assert again.asked == ["b", "strange"], wrong(
        "keeps-failures" if not again.asked else "asks-twice",
        seen=f"b and strange had failed; the second run asked {again.asked}",
        due="these two: a failure is no answer, and the others have one",
        read='"Exercise 07-3", its third and fifth rule',
    )


def test_07_3_what_is_answered_is_not_asked_again(lesson: SimpleNamespace, tmp_path: Path) -> None:
    journal, model = tmp_path / "journal", Model()
    first = run(lesson, ["a", "b", "a"], model, journal)

    assert (model.asked, first.asked) == (["a", "b"], 2), wrong(
        "asks-doubles",
        seen=f'for ["a", "b", "a"] the client was asked {model.asked}, and result.asked was {first.asked}',
        due="a and b, 2 calls: each call is paid",
        read='"Exercise 07-3", its third rule',
    )
    again = Model()
    result = run(lesson, ["c", "b", "a"], again, journal)
    assert again.asked == ["c"], wrong(
        "asks-twice" if "c" in again.asked else "known-by-place",
        seen=f"a and b were in the journal; the second run, with [c, b, a], asked {again.asked}",
        due="c alone",
        read='"Exercise 07-3", its third rule',
    )
    assert result.answers == [answer_to(prompt) for prompt in "cba"], wrong(
        "known-by-place",
        seen=f"with [a, b, a] first and [c, b, a] then, the answers were {[str(t)[:7] for t in result.answers]}",
        due="the answer of each prompt, wherever it stands now",
        read='"Exercise 07-3", its third rule',
    )


def test_07_3_a_prompt_is_its_text_and_an_answer_stays_one(lesson: SimpleNamespace, tmp_path: Path) -> None:
    prompts, journal = ["a", " a", "A", "another"], tmp_path / "journal"
    asked: list[str] = []

    def silent(prompt: str) -> str:
        asked.append(prompt)
        return ""

    lesson.run_batch(prompts[:1], silent, 1, journal)
    lesson.run_batch(prompts[1:], silent, 1, journal)
    first = list(asked)
    lesson.run_batch(prompts, silent, 1, journal)

    assert sorted(first) == sorted(prompts), wrong(
        "alters-prompts",
        seen=f"for {prompts} the client was asked {first}",
        due="all of them as they are: another space or capital is another prompt",
        read='"Exercise 07-3", its third rule',
    )
    assert asked == first, wrong(
        "forgets-answers",
        seen=f"all had been answered, with empty texts, in two runs; then the client was asked {asked[len(first) :]}",
        due="nothing: an empty answer is one, and a run with other prompts takes nothing away",
        read='"Exercise 07-3", its third rule',
    )


def killed_after(lesson: SimpleNamespace, prompts: Sequence[str], journal: Path) -> tuple[bytes, list[int]]:
    """The journal of a whole run, and its size whenever a prompt was asked."""
    sizes: list[int] = []

    def client(prompt: str) -> str:
        sizes.append(journal.stat().st_size if journal.exists() else 0)
        return answer_to(prompt)

    lesson.run_batch(prompts, client, 1, journal)
    return journal.read_bytes(), sizes


def places_to_cut(whole: bytes, lines: Sequence[int]) -> list[int]:
    """Every seventh byte, all around the ends of lines, and within each letter of more than one byte."""
    around = {end + step for end in lines for step in range(-3, 3)}
    letters = {place for place, byte in enumerate(whole) if byte & 0xC0 == 0x80}
    return sorted(end for end in {*range(0, len(whole), 7), *around, *letters} if 0 <= end <= len(whole))


def test_07_3_a_crash_at_any_byte_loses_no_whole_answer(lesson: SimpleNamespace, tmp_path: Path) -> None:
    prompts = ["à", "bé", "c"]
    whole, sizes = killed_after(lesson, prompts, tmp_path / "first")

    assert sizes[0] < sizes[1] < sizes[2] < len(whole), wrong(
        "written-too-late",
        seen=f"when the prompts were asked in turn, the journal had {sizes} bytes, and {len(whole)} at the end",
        due="more each time: an answer is in the file before the next prompt is asked",
        read='"Exercise 07-3", its second rule',
    )
    journal = tmp_path / "journal"
    for end in places_to_cut(whole, [*sizes, len(whole)]):
        lost = sum(size > end for size in [*sizes[1:], len(whole)])  # answers that were not whole yet
        journal.write_bytes(whole[:end])
        model, once_more = Model(), Model()
        try:
            result = run(lesson, prompts, model, journal)
            final = run(lesson, prompts, once_more, journal)
        except (ValueError, LookupError, TypeError) as error:
            result, final = error, error
        assert not isinstance(result, Exception), wrong(
            "chokes-on-a-torn-line",
            seen=f"the journal ended after {end} of {len(whole)} bytes: {type(result).__name__} was raised",
            due="whole lines count, the rest of the file is asked again",
            read='"Exercise 07-3", its fourth rule',
        )
        # The newline alone may be what is missing; then the answer is there, and may be counted or asked again.
        assert len(model.asked) in (lost, lost - (whole[end : end + 1] == b"\n")), wrong(
            "forgets-whole-lines" if len(model.asked) > lost else "trusts-a-torn-line",
            seen=f"the journal ended after {end} of {len(whole)} bytes, {lost} answers were not whole; "
            f"asked again: {model.asked}",
            due="exactly those that were not whole",
            read='"Exercise 07-3", its fourth rule',
        )
        assert final.answers == [answer_to(prompt) for prompt in prompts] and once_more.asked == [], wrong(  # noqa: PT018
            "glued-to-the-torn-line",
            seen=f"the journal had ended after {end} bytes; the run after the next asked {once_more.asked} once more",
            due="nothing: what is written after a torn line must not hang on to it",
            read='"A thousand prompts, and a power cut"',
        )


def test_07_3_a_crash_while_the_file_is_mended_loses_nothing(lesson: SimpleNamespace, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    whole, sizes = killed_after(lesson, ["a", "b"], journal)
    journal.write_bytes(whole[:-3])
    kept = whole[sizes[0] : sizes[1]].strip()
    gone: list[int] = []

    def at_each_line(frame: FrameType, event: str, _: Any) -> Any:
        # As if the program were killed here: what would be on the disk?
        if event == "line" and not gone and not (journal.exists() and kept in journal.read_bytes()):
            gone.append(frame.f_lineno)
        return at_each_line

    before = sys.gettrace()
    sys.settrace(at_each_line)
    try:
        run(lesson, ["a", "b"], Model(), journal)
    finally:
        sys.settrace(before)

    assert not gone, wrong(
        "gone-while-mending",
        seen="the journal ended in the middle of a line; while you mended it, the whole lines were not on the disk",
        due="a file that has them at every moment: cut its end off, or write another one and os.replace",
        read='"Exercise 07-3", its fourth rule',
    )


def test_07_3_many_threads_write_whole_lines(lesson: SimpleNamespace, tmp_path: Path) -> None:
    prompts = [f"{number} " + "x" * 3000 for number in range(40)]
    run(lesson, prompts, Model(), tmp_path / "journal", concurrency=8)
    again = Model()
    try:
        run(lesson, prompts, again, tmp_path / "journal", concurrency=8)
        came = f"asked {len(again.asked)} of them again"
    except (ValueError, LookupError, TypeError) as error:
        came = f"stopped with {type(error).__name__}"

    assert came == "asked 0 of them again", wrong(
        "mixed-lines",
        seen=f"8 threads wrote 40 long answers; the next run {came}",
        due="none: one thread writes at a time",
        read='"Exercise 07-3": a lock around writing, hint("07-3")',
    )


# --- 07-4 migrate_use_auth_token ------------------------------------------------------------------------------

IMPORTS = "from transformers import AutoModel, pipeline\nimport transformers as tf\nfrom huggingface_hub import HfApi\n"
# what: the code, the mistake of whoever leaves it or changes more than `use_auth_token=` to `token=`
RENAMED: dict[str, tuple[str, str]] = {
    "a plain call": ('pipeline("x", use_auth_token=t)', "leaves-the-old-word"),
    "a call within a call": ("show(pipeline(m, use_auth_token=t))", "leaves-the-old-word"),
    "options as well": ("pipeline(m, use_auth_token=t, **options)", "leaves-the-old-word"),
    "a module's function": ('tf.pipeline("x", use_auth_token=t)', "leaves-dotted-calls"),
    "a class's method": ("AutoModel.from_pretrained(m, use_auth_token=t)", "leaves-dotted-calls"),
    "a method of an object": ("HfApi().model_info(m, use_auth_token=t)", "leaves-methods-of-objects"),
    "a class in a variable": ("self.kind.from_pretrained(m, use_auth_token=t)", "leaves-known-methods"),
    "an upload": ("model.push_to_hub(m, use_auth_token=t)", "leaves-known-methods"),
    "the value": ("pipeline(m, use_auth_token=use_auth_token)", "changes-the-value"),
    "False": ("pipeline(m, use_auth_token=False)", "changes-the-value"),
    "a tab": ("if x:\n\tpipeline(m, use_auth_token=t)", "loses-the-layout"),
    "ends of lines": ("pipeline(m,\r\n    use_auth_token=t)\r\n", "loses-the-layout"),
    "quotes and lines": ("x = ['a',\n     \"b\"]\n\n\n\npipeline(m, use_auth_token=t)", "loses-the-layout"),
}
REWRITTEN: dict[str, tuple[str, str, str]] = {
    "a call": ("pipeline( m,use_auth_token = t )  # old", "pipeline( m,token = t )  # old", "loses-the-layout"),
    "both": ("pipeline(m, use_auth_token=t, token=u)", "pipeline(m, token=u)", "keeps-both"),
    "both, the old one last": ("pipeline(m, token=u, use_auth_token=t)", "pipeline(m, token=u)", "leaves-a-comma"),
    "both, over lines": ("pipeline(\n    m,\n    token=u,\n    use_auth_token=t,\n)",
                         "pipeline(\n    m,\n    token=u,\n)", "loses-the-layout"),
}  # fmt: skip
UNTOUCHED = {
    "a text": ('"call pipeline(m, use_auth_token=t)"', "changes-texts"),
    "a comment": ("# pipeline(m, use_auth_token=t)", "changes-texts"),
    "options from elsewhere": ('pipeline(m, **{"use_auth_token": t})', "changes-texts"),
    "somebody else's function": ("load(m, use_auth_token=t)", "changes-other-peoples-calls"),
    "somebody else's method": ("client.fetch(m, use_auth_token=t)", "changes-other-peoples-calls"),
    "a parameter": ("def mine(m, use_auth_token=None):\n    return use_auth_token", "changes-definitions"),
    "a call of it": ("def mine(m, use_auth_token=None): ...\nmine(m, use_auth_token=t)", "changes-other-peoples-calls"),
    "a name of theirs on another's object": ("mine.pipeline(m, use_auth_token=t)", "changes-other-peoples-calls"),
    "a function of that name": ("from_pretrained(m, use_auth_token=t)", "changes-other-peoples-calls"),
    "another library's module": ("import requests\nrequests.get(u, use_auth_token=t)", "changes-other-peoples-calls"),
}


def became(got: Any, old: str) -> str:
    new = str(got).removeprefix(IMPORTS)
    return "stayed as it was" if new == old else f"became\n{new}"


def test_07_4_what_is_hugging_faces_gets_the_new_word(lesson: SimpleNamespace) -> None:
    renamed = {what: (old, old.replace("use_auth_token=", "token=", 1), no) for what, (old, no) in RENAMED.items()}
    for what, (old, new, mistake) in {**renamed, **REWRITTEN}.items():
        got = lesson.migrate_use_auth_token(IMPORTS + old)

        assert got == IMPORTS + new, wrong(
            mistake,
            seen=f"{what}:\n{old}\n{became(got, old)}",
            due=f"{new}",
            read='"Exercise 07-4", its rules',
        )


def test_07_4_everything_else_stays(lesson: SimpleNamespace) -> None:
    for what, (code, mistake) in UNTOUCHED.items():
        got = lesson.migrate_use_auth_token(IMPORTS + code + "\n")

        assert got == IMPORTS + code + "\n", wrong(
            mistake,
            seen=f"{what}:\n{code}\n{became(got, code)}",
            due="the same code: what is not theirs is not ours to change",
            read='"Exercise 07-4", its fourth rule',
        )


def test_07_4_the_imports_decide_and_not_the_names(lesson: SimpleNamespace) -> None:
    for imports, word in (
        ("from elsewhere import pipeline", "use_auth_token"),
        ("\n# old\nfrom transformers import pipeline as pipeline", "token"),
        ("from transformers.pipelines import old as pipeline", "token"),
    ):
        code = imports + "\npipeline(m, {}=t)\n"
        got = lesson.migrate_use_auth_token(code.format("use_auth_token"))

        assert got == code.format(word), wrong(
            "goes-by-the-name",
            seen=f"{code.format('use_auth_token')}became\n{got}",
            due=f"{code.format(word)}",
            read='"Exercise 07-4", its first rule: imported_names',
        )


def test_07_4_what_is_no_python_is_refused(lesson: SimpleNamespace) -> None:
    for code in ("from transformers import pipeline\npipeline(use_auth_token=t", "pipeline(use_auth_token=t"):
        try:
            got = lesson.migrate_use_auth_token(code)
        except Exception as error:
            got = error

        assert isinstance(got, SyntaxError), wrong(
            "no-syntax-error",
            seen=f"for code with an open bracket: {got!r}",
            due="a SyntaxError, with an import in the code or without",
            read='"Exercise 07-4", its last rule',
        )


# --- 07-5 version_conflicts -----------------------------------------------------------------------------------


def named(lesson: SimpleNamespace, installed: dict[str, str]) -> list[str]:
    return [conflict.name for conflict in lesson.version_conflicts(installed)]


def test_07_5_each_row_is_found(lesson: SimpleNamespace) -> None:
    found = named(lesson, {"optimum-onnx": "0.1.0", "transformers": "4.57.6", "optimum": "2.3.0"})

    assert found == ["exporter-with-new-optimum"], wrong(
        "misses-a-row" if len(found) < 2 else "one-of-them-is-enough",
        seen=f"for optimum-onnx 0.1.0, transformers 4.57.6, optimum 2.3.0 you found {found}",
        due="exporter-with-new-optimum alone: each package of `when` has to be there, in such a version",
        read='"Packages that do not go together"',
    )
    single = named(lesson, {"urllib3": "2.2.0"})
    assert single == ["old-urllib3-for-retries"], wrong(
        "misses-a-row",
        seen=f"for urllib3 2.2.0 you found {single}",
        due="old-urllib3-for-retries: one package can be enough",
        read='"Packages that do not go together"',
    )


def test_07_5_versions_are_no_texts(lesson: SimpleNamespace) -> None:
    found = named(lesson, {"transformers": "5.9.0", "huggingface_hub": "2.4.0"})

    assert "first-transformers-5-with-hub-2" in found, wrong(
        "text-comparison",
        seen=f"for transformers 5.9.0 with huggingface_hub 2.4.0 you found {found}",
        due="first-transformers-5-with-hub-2 among them: 5.9 comes before 5.18",
        read='"Packages that do not go together": versions are no texts',
    )


def test_07_5_names_are_one_however_they_are_spelt(lesson: SimpleNamespace) -> None:
    for name in ("huggingface-hub", "Huggingface_Hub", "huggingface.hub"):
        found = named(lesson, {"Transformers": "4.57.6", name: "1.0.0"})

        assert found[:1] == ["transformers-4-with-hub-1"], wrong(
            "strict-about-names",
            seen=f"for Transformers 4.57.6 with {name} 1.0.0 you found {found}",
            due="transformers-4-with-hub-1 first",
            read='"Exercise 07-5", its first rule',
        )


def test_07_5_pre_releases_and_local_parts_count(lesson: SimpleNamespace) -> None:
    for version in ("5.17.0rc1", "5.17.0+cpu", "5.17.0.dev0"):
        found = named(lesson, {"transformers": version, "huggingface_hub": "2.4.0"})

        assert "first-transformers-5-with-hub-2" in found, wrong(
            "ignores-pre-releases",
            seen=f"for transformers {version} with huggingface_hub 2.4.0 you found {found}",
            due="first-transformers-5-with-hub-2 among them: it is installed, whatever it is called",
            read='"Exercise 07-5", its second rule',
        )


def test_07_5_a_pre_release_comes_before_its_release(lesson: SimpleNamespace) -> None:
    found = named(lesson, {"transformers": "5.0.0rc1"})

    assert "use-auth-token-ignored" not in found, wrong(
        "takes-a-pre-release-for-the-release",
        seen=f"for transformers 5.0.0rc1 you found {found}",
        due="no row for `>=5`: 5.0.0rc1 is not 5 yet",
        read='"Packages that do not go together": neither',
    )


def test_07_5_what_cannot_be_read_is_no_conflict(lesson: SimpleNamespace) -> None:
    try:
        found: Any = named(lesson, {"transformers": "unknown", "requests": "", "urllib3": "2.2.0"})
    except (ValueError, LookupError) as error:
        found = error

    assert found == ["old-urllib3-for-retries"], wrong(
        "chokes-on-a-version",
        seen=f"for transformers 'unknown', requests '' and urllib3 2.2.0: {found!r}",
        due="old-urllib3-for-retries: what cannot be read makes no conflict and no error, and hides no other",
        read='"Exercise 07-5", its third rule',
    )


def test_07_5_the_order_is_that_of_mending(lesson: SimpleNamespace) -> None:
    old = {
        "optimum-onnx": "0.1.0",
        "transformers": "4.58.0",
        "huggingface_hub": "2.4.0",
        "requests": "2.29.0",
        "urllib3": "2.8.0",
    }
    found = lesson.version_conflicts(old)

    due = [
        "transformers-4-with-hub-1",
        "old-requests-with-urllib3-2",
        "use-auth-token-removed",
        "exporter-with-transformers-5",
    ]
    assert [conflict.name for conflict in found] == due, wrong(
        "wrong-order",
        seen=f"in this order: {[(conflict.step, conflict.name) for conflict in found]}",
        due=f"by step, then as in the table: {due}",
        read='"Exercise 07-5", its first paragraph',
    )
    row = next(row for row in table("version_conflicts")["conflicts"] if row["name"] == due[0])
    assert found[0] == lesson.Conflict(row["name"], row["seen"], row["fix"], row["step"]), wrong(
        "own-words",
        seen=f"the first conflict was {found[0]!r}",
        due="name, seen, fix and step of the row",
        read='"Exercise 07-5", its first paragraph',
    )


# --- 07-6 code_words ------------------------------------------------------------------------------------------


def test_07_6_each_door_has_said_its_word(lesson: SimpleNamespace) -> None:
    layout = read_layout()
    words = lesson.code_words()

    assert isinstance(words, dict), wrong(
        "no-dictionary",
        seen=f"you returned {type(words).__name__}",
        due='a dictionary, number to word: {1: "...", 2: "..."}',
        read='"Exercise 07-6", its first line',
    )
    due = {door.number: door.word for door in layout.doors}
    strange = [number for number in words if number not in due]
    assert not strange, wrong(
        "no-such-door",
        seen=f"{strange[:1]} is the number of no door",
        due=f"the numbers 1 to {len(due)}, as int: {{1: ..., 2: ...}}",
        read='"Exercise 07-6", its first line',
    )
    told = {number: " ".join(str(word or "").lower().split()) for number, word in words.items()}
    given = {number: word for number, word in told.items() if word.strip(".…")}
    false = [number for number in given if given[number] != due[number]]
    moved = [number for number in false if given[number] in due.values()]
    assert not moved, wrong(
        "words-at-other-doors",
        seen=f"the word at door {', '.join(map(str, moved))} was said by another door",
        due="each word at the door that said it: the board shows them in order",
        read='"The escape room": print(room)',
    )
    assert not false, wrong(
        "another-word",
        seen=f"door {', '.join(map(str, false))} of room {layout.mark} said another word",
        due="the word, letter for letter. If all are wrong, they come from a room with another seed",
        read='"The escape room": print(room) shows the room and its words',
    )
    missing = [number for number in due if number not in given]
    if missing:
        seen = (
            f"{len(given)} of {len(due)} words, and they are right; still to come: door {', '.join(map(str, missing))}."
        )
        raise Unfinished(todo(find_exercise("07-6"), seen if given else "No word yet: knock at a door."))


def test_07_6_the_words_are_written_down(lesson: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    here = lesson.code_words()
    monkeypatch.setenv(VARIABLE, f"another room than {read_layout().seed}")

    assert lesson.code_words() == here, wrong(
        "looks-the-words-up",
        seen="for a room with another seed the function returned other words: it reads them where the doors have them",
        due="the words that your doors said, typed",
        read='"Exercise 07-6", its first line',
    )
