"""`make live-check`, tried with a second sandbox in the place of Hugging Face, and differences planted on the way."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from course import sandbox
from course.exercises import ROOT
from tests.live_check.__main__ import main
from tests.live_check.answer_shapes import ABSENT, differences, personal_texts, shape
from tests.live_check.comparison import QUESTIONS, LiveCheckError, Place, Report, as_markdown, compare, live_check

NOW = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)
WHOAMI = "/api/whoami-v2"
Plant = Callable[[httpx2.Request, dict[str, str], Any], Any]


class Planted(httpx2.BaseTransport):
    """Passes requests on, and lets `plant(request, headers, body)` change what comes back: headers in place, body by
    its result; an int is another status."""

    def __init__(self, plant: Plant) -> None:
        self._plant, self._way = plant, httpx2.HTTPTransport()
        self.asked: list[str] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._way.handle_request(request)
        answer.read()
        self.asked.append(f"{request.method} {request.url.path}")
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        try:
            body = json.loads(answer.content)
        except ValueError:
            body = None
        body = self._plant(request, headers, body)
        if isinstance(body, int):
            return httpx2.Response(body, headers=headers, content=answer.content)
        return httpx2.Response(answer.status_code, headers=headers, content=json.dumps(body))


@pytest.fixture(scope="module")
def second() -> Iterator[sandbox.Sandbox]:
    with sandbox.start(credit_usd=1000) as hub:
        hub.account.full_name, hub.account.email = "Zoraya Q. Example", "z@private.test"
        hub.account.organisation.name = "zorayas-lab"
        yield hub


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> None:
    if "second" in request.fixturenames:
        request.getfixturevalue("second").faults.clear()


def place(hub: sandbox.Sandbox) -> Place:
    return Place(hub.url, hub.router, "sandbox/haiku")


def found(hub: sandbox.Sandbox, plant: Plant, chat: bool = False) -> tuple[Report, list[tuple[str, str, str, str]]]:
    report = compare(hub.tokens["fine_grained"], place(hub), chat, Planted(plant))
    return report, [(one.question, one.field, one.ours, one.theirs) for one in report.found]


def on(path: str, change: Callable[[dict[str, str], Any], Any], signed: bool = True) -> Plant:
    """A plant on the answers to `path` for the caller's own token; signed: False for those without one."""

    def plant(request: httpx2.Request, headers: dict[str, str], body: Any) -> Any:
        own = "authorization" in request.headers and not request.headers["authorization"].endswith("xxxx")
        if not request.url.path.endswith(path) or own is not signed:
            return body
        changed = change(headers, body)
        return body if changed is None else changed

    return plant


@pytest.mark.parametrize("kind", ["fine_grained", "read"])
def test_the_sandbox_agrees_with_another_one_of_another_account(second: sandbox.Sandbox, kind: str) -> None:
    report = compare(second.tokens[kind], place(second), chat=True)

    assert report.found == []
    assert (report.asked, report.skipped) == (len(QUESTIONS) + 1, [])


REFUSED, UNKNOWN = "Invalid username or password.", "Invalid credentials in Authorization header"
# What is planted -> the plant, and all differences that it makes. Those of one table do not meet, so they go together.
PLANTS: tuple[dict[str, tuple[Plant, list[tuple[str, str, str, str]]]], ...] = (
    {
        "header missing": (
            on(WHOAMI, lambda headers, body: headers.pop("ratelimit") and None),
            [("whoami", "header ratelimit", '"api";r=N;t=N', ABSENT)],
        ),
        "header new": (
            on("/v1/models", lambda headers, body: headers.update({"retry-after": "3"}), signed=False),
            [("the router's models", "header retry-after", ABSENT, "text")],
        ),
        "field missing": (
            on(WHOAMI, lambda headers, body: body["auth"]["accessToken"].pop("createdAt") and None),
            [("whoami", "auth.accessToken.createdAt", "time", ABSENT)],
        ),
        "field new, with a field in it": (
            on("/models/sandbox/haiku", lambda headers, body: {**body, "gatedBy": {"deep": 1}}, signed=False),
            [("a public model", "gatedBy", ABSENT, "object")],
        ),
        "type changed": (
            on(WHOAMI, lambda headers, body: {**body, "isPro": "no"}),
            [("whoami", "isPro", "true or false", "text")],
        ),
        "type changed in a list": (
            on(WHOAMI, lambda headers, body: {**body, "orgs": [{**body["orgs"][0], "name": None}]}),
            [("whoami", "orgs[].name", "text", "null")],
        ),
        "shape of a text changed": (
            on(WHOAMI, lambda headers, body: {**body, "id": "learner-1"}),
            [("whoami", "id", "24 hex digits", "text")],
        ),
        "error text": (
            on(WHOAMI, lambda headers, body: {"error": "Unknown, learner"}, signed=False),
            [
                ("whoami without a token", "error", REFUSED, "Unknown, (account)"),
                ("whoami, invalid token", "error", UNKNOWN, "Unknown, (account)"),
            ],
        ),
        "error shape": (
            on("/chat/completions", lambda headers, body: {"error": {"message": "No"}}, signed=False),
            [
                ("chat without a token", "error", REFUSED, "object"),
                ("chat, invalid token", "error", UNKNOWN, "object"),
            ],
        ),
    },
    {
        "status": (
            on(WHOAMI, lambda headers, body: 403, signed=False),
            [
                ("whoami without a token", "status", "401", "403"),
                ("whoami, invalid token", "status", "401", "403"),
            ],
        ),
        "header changed": (
            on(WHOAMI, lambda headers, body: headers.update(ratelimit="limit=5, remaining=3")),
            [("whoami", "header ratelimit", '"api";r=N;t=N', "limit=N, remaining=N")],
        ),
        "a page in the place of JSON": (
            on("/v1/models", lambda headers, body: "<h1>Log in</h1>", signed=False),
            [("the router's models", "(body)", "object", "text")],
        ),
        "an empty list, which says nothing of what would be in it": (
            on(WHOAMI, lambda headers, body: {**body, "orgs": []}),
            [],
        ),
    },
)


@pytest.mark.parametrize("planted", PLANTS, ids=["fields", "answers"])
def test_every_planted_difference_is_found_and_no_other(
    second: sandbox.Sandbox, planted: dict[str, tuple[Plant, list[tuple[str, str, str, str]]]]
) -> None:
    def plant(request: httpx2.Request, headers: dict[str, str], body: Any) -> Any:
        for one, _ in planted.values():
            body = one(request, headers, body)
        return body

    _, said = found(second, plant)

    assert sorted(said) == sorted(difference for _, due in planted.values() for difference in due)


def test_only_what_the_sandbox_says_otherwise_is_a_contradiction(second: sandbox.Sandbox) -> None:
    more, _ = found(second, on(WHOAMI, lambda headers, body: {**body, "new": 1}))
    less, _ = found(second, on(WHOAMI, lambda headers, body: body.pop("isPro") and None))

    assert (len(more.found), len(more.contradictions)) == (1, 0)
    assert "## The sandbox says otherwise: nothing" in as_markdown(more, NOW)
    assert "| whoami | new | - | number |" in as_markdown(more, NOW)
    assert less.found == less.contradictions


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_no_difference(second: sandbox.Sandbox, status: int) -> None:
    report, said = found(second, on("config.json", lambda headers, body: status, signed=False))

    assert said == []
    assert report.skipped == [f"a public file: {status}"]
    assert f"a public file: {status}" in as_markdown(report, NOW)


def test_each_question_is_asked_once_and_only_reads_unless_one_says_so(second: sandbox.Sandbox) -> None:
    way = Planted(lambda request, headers, body: body)
    second.forget()

    compare(second.tokens["read"], place(second), False, way)

    assert len(way.asked) == len(QUESTIONS)
    posts = [request for request in second.requests if request.method == "POST"]
    assert [request.status for request in posts] == [401, 401], "nothing is generated, nothing is paid"


def test_neither_token_nor_account_is_in_the_report(second: sandbox.Sandbox) -> None:
    token = second.tokens["fine_grained"]

    def tell_all(request: httpx2.Request, headers: dict[str, str], body: Any) -> Any:
        told = f"{token} of learner (z@private.test, 24 Zoraya Q. Example, 192.0.2.7, 2001:db8:0:1::7)"
        headers["x-error-message"] = told
        if isinstance(body, dict) and "error" not in body:
            return {**body, "isPro": told, "zorayas-lab": told, "message": told, "error": [told]}
        return {"error": told, "learner": told}

    report = compare(token, place(second), True, Planted(tell_all))
    text = as_markdown(report, NOW) + repr(report)

    assert len(report.found) > len(QUESTIONS)
    for secret in (token, token[3:20], "learner", "zoraya", "z@private", "Example", "192.0.2", "2001:db8"):
        assert secret.lower() not in text.lower(), secret
    for own in personal_texts(httpx2.get(f"{second.url}{WHOAMI}", headers={"Authorization": f"Bearer {token}"}).json()):
        assert own not in text


def test_a_report_is_dated_and_never_overwritten(second: sandbox.Sandbox, tmp_path: Path) -> None:
    token, folder = second.tokens["read"], tmp_path / "live-checks"

    report, first = live_check(token, NOW, folder, place(second))
    first.write_text("mine")
    _, other = live_check(token, NOW, folder, place(second))

    assert report.contradictions == []
    assert [first.name, other.name] == ["2026-11-24_203000.md", "2026-11-24_203000-2.md"]
    assert first.read_text() == "mine"
    text = other.read_text(encoding="utf-8")
    assert text.startswith("# Live check of 2026-11-24 20:30 UTC\n")
    assert f"a token of the kind read: {len(QUESTIONS)} of {len(QUESTIONS)} answers compared" in text
    assert token not in text


@pytest.mark.parametrize(
    "token", [None, "", " ", "hf_" + 34 * "x", "hf_put_your_own_token_here_and_keep_it_", "sk-" + 40 * "a1"]
)
def test_without_a_token_nothing_is_asked(second: sandbox.Sandbox, tmp_path: Path, token: str | None) -> None:
    second.forget()

    with pytest.raises(LiveCheckError, match=r"HF_TOKEN holds no token: .+\n  next: ") as refused:
        live_check(token, NOW, tmp_path, place(second))

    assert second.requests == []
    assert not token or not token.strip() or token not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_token_and_a_missing_network_are_said(second: sandbox.Sandbox, tmp_path: Path) -> None:
    with pytest.raises(LiveCheckError, match=r"refused the token \(401\)"):
        live_check(second.tokens["revoked"], NOW, tmp_path, place(second))
    nobody = Place(second.refused_url, second.refused_url, "sandbox/haiku")
    with pytest.raises(LiveCheckError, match=r"did not answer \(ConnectError\)") as silent:
        live_check(second.tokens["read"], NOW, tmp_path, nobody)

    assert silent.value.__suppress_context__
    assert second.tokens["read"] not in str(silent.value)
    assert list(tmp_path.iterdir()) == []


def test_the_command_refuses_a_placeholder_with_one_line_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + 34 * "x")

    code = main()

    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert re.fullmatch(r"HF_TOKEN holds no token: .+\n  next: .+\n", err)


def test_reports_are_outside_what_git_follows() -> None:
    ran = subprocess.run(["git", "check-ignore", "-q", "live-checks/2026-11-24_203000.md"], cwd=ROOT, check=False)

    assert ran.returncode == 0


def test_a_body_that_is_no_json_is_compared_as_such() -> None:
    page, nothing = httpx2.Response(200, text="<h1>Log in</h1>"), httpx2.Response(200)
    fields = {"status": "200", "(body)": "object", "name": "text"}

    assert [one.field for one in differences("q", fields, shape(page, []))] == ["(body)", "header content-type"]
    assert [one.theirs for one in differences("q", fields, shape(nothing, []))] == ["empty"]
