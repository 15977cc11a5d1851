"""data/symptoms.toml is what the sandbox answers, row by row; and data/version_conflicts.toml can be read."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from packaging.specifiers import SpecifierSet

from course import sandbox
from course.definitions import solved_names
from course.sandbox import faults
from course.sandbox.repositories import File, Repository
from course.sandbox.tokens import Scope
from course.tables import table

SYMPTOMS: list[dict[str, Any]] = table("symptoms")["symptoms"]
CAUSES: dict[str, dict[str, str]] = table("symptoms")["causes"]
Make = Callable[[sandbox.Sandbox], requests.Response]
QUESTION = {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "Hello?"}]}


@pytest.fixture(scope="module")
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as hub:
        hub.clock.freeze()
        hub.account.name, hub.account.organisation.name = "demo", "team"
        card = {"config.json": File("config.json", b"{}")}
        for name, more in (("x/y", {}), ("demo/private", {"private": True}), ("team/private", {"private": True})):
            hub.repositories[name] = Repository(name, dict(card), **more)  # type: ignore[arg-type]
        hub.repositories["x/private"] = Repository("x/private", dict(card), private=True)
        hub.repositories["x/disabled"] = Repository("x/disabled", dict(card), disabled=True)
        hub.repositories["x/gated"] = Repository("x/gated", dict(card), gated="manual")
        hub.repositories["x/granted"] = Repository("x/granted", dict(card), gated="auto", granted=True)
        user = (Scope("user", "demo", ("repo.content.read", "inference.serverless.write")),)
        hub.token_store.issue("caller", "fineGrained", scopes=user)
        hub.token_store.issue("mute", "fineGrained", scopes=(Scope("user", "demo", ("repo.content.read",)),))
        waits = (Scope("org", "team", ("repo.content.read",)),)
        hub.token_store.issue("waiting", "fineGrained", scopes=waits, approval="pending")
        hub.token_store.issue("cut_off", "fineGrained", scopes=waits, approval="revoked")
        yield hub


@pytest.fixture(scope="module")
def diagnose() -> Any:
    return solved_names("07")["diagnose"]


def get(path: str, token: str | None = None) -> Make:
    def ask(hub: sandbox.Sandbox) -> requests.Response:
        headers = {"Authorization": f"Bearer {hub.tokens[token]}"} if token else {}
        return requests.get(f"{hub.url}{path}", headers=headers, timeout=10, allow_redirects=False)

    return ask


def post(path: str, token: str | None, body: object, **headers: str) -> Make:
    def ask(hub: sandbox.Sandbox) -> requests.Response:
        sent = {"Authorization": f"Bearer {hub.tokens[token]}"} if token else {}
        return requests.post(f"{hub.url}{path}", headers=sent | headers, json=body, timeout=10)

    return ask


def chat(who: str | None = "caller", path: str = "/v1/chat/completions", bill_to: str = "", **more: object) -> Make:
    def ask(hub: sandbox.Sandbox) -> requests.Response:
        sent = {"Authorization": f"Bearer {hub.tokens[who]}"} if who else {}
        sent |= {"X-HF-Bill-To": bill_to} if bill_to else {}
        return requests.post(f"{hub.router}{path}", headers=sent, json=QUESTION | more, timeout=10)

    return ask


def with_fault(fault: Any, make: Make, **options: Any) -> Make:
    def ask(hub: sandbox.Sandbox) -> requests.Response:
        hub.fail_next(fault, **options)
        return make(hub)

    return ask


def penniless(hub: sandbox.Sandbox) -> requests.Response:
    kept, hub.account.credit_usd = hub.account.credit_usd, 0
    answer = chat()(hub)
    hub.account.credit_usd = kept
    return answer


def only_fine_grained(hub: sandbox.Sandbox) -> requests.Response:
    hub.account.organisation.policy = "only_fine_grained"
    answer = get("/api/models/team/private", "read")(hub)
    hub.account.organisation.policy = "allow_all"
    return answer


def too_often(token: str | None) -> Make:
    """Asks for pages, whose windows are the smallest, until the window is used up: a real 429."""

    def ask(hub: sandbox.Sandbox) -> requests.Response:
        hub.clock.advance(300)
        with requests.Session() as session:
            session.headers.update({"Authorization": f"Bearer {hub.tokens[token]}"} if token else {})
            for _ in range(201):
                answer = session.get(f"{hub.url}/no/page", timeout=10)
                if answer.status_code == 429:
                    break
        return answer

    return ask


PRODUCE: dict[str, Make] = {
    "model that nobody serves": chat(model="x/y"),
    "bad token at the router": chat("revoked"),
    "no token at the router": chat(None),
    "credits": penniless,
    "no right to call": chat("mute"),
    "no right to bill the organisation": chat("mute", bill_to="team"),
    "unknown route": chat(path="/hf-inference/models/x/y"),
    "old host": chat(path="/models/gpt2"),
    "bad parameter": chat(temperature=3),
    "generation failed": with_fault(424, chat(), on="router"),
    "busy provider": with_fault(429, chat(), on="router", retry_after=2),
    "provider failed": with_fault(500, chat(), on="router"),
    "gateway, as a page": with_fault(502, chat(), on="router"),
    "nothing but a status": with_fault(503, chat(), on="router", body="empty"),
    "endpoint scaled to zero": with_fault(503, chat(), on="router"),
    "too long for one answer": with_fault(504, chat(), on="router"),
    "bad request to the Hub": with_fault(400, get("/api/models/x/y", "read"), on="hub", body="list"),
    "bad token at the Hub": get("/api/whoami-v2", "revoked"),
    "private, without a token": get("/api/models/x/private"),
    "gated, without a token": get("/x/gated/resolve/main/config.json"),
    "gated, and not admitted": get("/x/gated/resolve/main/config.json", "read"),
    "gated, and the switch is off": get("/x/granted/resolve/main/config.json", "caller"),
    "waits for the administrator": get("/api/models/team/private", "waiting"),
    "revoked by the administrator": get("/api/models/team/private", "cut_off"),
    "kind that is not accepted": only_fine_grained,
    "no right to write": post("/api/models/demo/private/commit/main", "caller", {}),
    "switched off": get("/api/models/x/disabled", "read"),
    "private, with a token that may not see it": get("/api/models/x/private", "caller"),
    "no such revision": get("/x/y/resolve/v9/config.json", "read"),
    "no such file": get("/x/y/resolve/main/none.json", "read"),
    "too much in one upload": post(
        "/api/models/demo/private/preupload/main", "write", {"files": [{"path": "a.bin", "size": 10**9}]}
    ),
    "window used up": too_often("read"),
    "window of an address used up": too_often(None),
    "window used up, as a page": with_fault(
        429, get("/api/models/x/y", "read"), on="hub", body="html", rate_limit=(0, 55)
    ),
    "429 with requests left": with_fault(429, get("/api/whoami-v2", "read"), on="hub", rate_limit=(412, 55)),
    "login page of a network": with_fault(faults.LoginPage(), chat(), on="router"),
    "sent elsewhere": with_fault(faults.Redirect("port"), get("/api/whoami-v2", "read"), on="hub"),
    "status that nobody told us about": with_fault(418, get("/api/models/x/y", "read"), on="hub"),
}
NOT_PLAYED = {"model in loading"}  # the old host's way; the sandbox plays that host as gone


@pytest.mark.parametrize("row", [row for row in SYMPTOMS if row["name"] not in NOT_PLAYED], ids=lambda row: row["name"])
def test_the_sandbox_gives_this_answer_and_it_is_diagnosed_so(
    row: dict[str, Any], hub: sandbox.Sandbox, diagnose: Any
) -> None:
    answer = PRODUCE[row["name"]](hub)

    assert answer.status_code == row["status"]
    assert {name: answer.headers.get(name) for name in row.get("headers", {})} == row.get("headers", {})
    assert words(answer.text) == words(row["body"])
    assert diagnose(answer.status_code, answer.headers, answer.content, row["url"]).cause == row["cause"]


def words(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return body


def test_every_row_is_played_or_said_to_be_left_out() -> None:
    assert {row["name"] for row in SYMPTOMS} == set(PRODUCE) | NOT_PLAYED


def test_every_cause_has_a_symptom_and_every_word_is_known() -> None:
    assert {row["cause"] for row in SYMPTOMS} == set(CAUSES)
    assert {cause["retry"] for cause in CAUSES.values()} == {"no", "wait", "again"}
    whose = {"request", "token", "account", "organisation", "service", "network"}
    assert {cause["whose"] for cause in CAUSES.values()} == whose
    assert {row["evidence"] for row in SYMPTOMS} == {"docs", "code", "observed", "inferred"}
    assert all(row["source"] and row["taken"].year >= 2025 for row in SYMPTOMS)


def test_the_rows_of_conflicts_can_be_read() -> None:
    for row in table("version_conflicts")["conflicts"]:
        assert [SpecifierSet(accepted) for accepted in row["when"].values()]
        assert row["step"] in (1, 2, 3)
        assert row["evidence"] in ("metadata", "run", "docs")
        assert row["source"]
