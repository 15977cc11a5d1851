"""What lesson 02 teaches about rights is what the sandbox enforces: one table, two readers."""

from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from course import sandbox, table
from course.exercises import ROOT, find_exercise
from course.learner import from_notebooks
from course.sandbox.account import Account
from course.sandbox.catalogue import permissions
from course.sandbox.clock import Clock
from course.sandbox.identity import whoami
from course.sandbox.rights import holds
from course.sandbox.tokens import Scope, Token, TokenStore

ENTITIES = [
    ("user", "learner"),
    ("org", "workshop"),
    ("model", "learner/private-notes"),
    ("dataset", "learner/private-notes"),
    ("space", "workshop/demo"),
    ("model", "other/model"),
]
JOBS = table("token_needs")["jobs"]
ON_REPOSITORIES = ("model", "dataset", "space")


@pytest.fixture(scope="module")
def lesson() -> SimpleNamespace:
    return SimpleNamespace(**from_notebooks(ROOT / "solutions")(find_exercise("02-5")))


@pytest.fixture(scope="module")
def tokens() -> list[Token]:
    """A token of each classic kind, and fine-grained ones with one permission, in each place where it can be ticked."""
    store = TokenStore(Clock())
    made = [store.issue("read", "read"), store.issue("write", "write")]
    places: dict[str, list[tuple[str, str]]] = {
        "user": [ENTITIES[0]], "org": [ENTITIES[1]], "repo": [ENTITIES[2], ENTITIES[3]], "global": []
    }  # fmt: skip
    for permission in permissions().values():
        for kind, name in (place for on in permission.on for place in places[on]):
            made.append(store.issue(f"t{len(made)}", "fineGrained", scopes=(Scope(kind, name, (permission.id,)),)))
    everywhere = ("discussion.write", "post.write", "inference.serverless.write")
    return [*made, store.issue("all", "fineGrained", global_permissions=everywhere, can_read_gated=True)]


def test_the_lesson_and_the_sandbox_agree_on_every_right(lesson: SimpleNamespace, tokens: list[Token]) -> None:
    account = Account()
    disagreed = [
        (token, permission, kind, name)
        for token, permission, (kind, name) in product(tokens, permissions(), ENTITIES)
        if lesson.can(whoami(token, account), permission, lesson.Entity(kind, name))
        is not holds(token, permission, kind, name, account)  # type: ignore[arg-type]
    ]

    assert disagreed == []


@pytest.mark.parametrize("row", JOBS + table("token_inventory")["tokens"], ids=lambda row: row["name"])
def test_what_a_job_needs_can_be_ticked_where_it_says(row: dict[str, Any]) -> None:
    for need in row.get("needs", []) + (row["grants"] if "kind" in row else []):
        place = "repo" if need["on"] in ON_REPOSITORIES else need["on"]
        assert place in permissions()[need["does"]].on, f"{row['name']}: {need['does']} on {need['on']}"


@pytest.mark.parametrize("row", JOBS, ids=lambda row: row["name"])
def test_the_least_suffices_and_nothing_can_be_left_out(row: dict[str, Any]) -> None:
    if row["due"] in ("trusted publisher", "sign in"):
        pytest.skip("no token of the user: the sandbox plays no CI and no visitors")
    wanted = [row["needs"][position] for position in row["grants"]]
    gated = any(need.get("access") == "gated" for need in row["needs"])

    with sandbox.start() as hub:
        assert all(serves(hub, need, wanted, gated) for need in row["needs"])
        for left_out in wanted:
            rest = [need for need in wanted if need is not left_out]
            assert not all(serves(hub, need, rest, gated) for need in row["needs"])
        if gated:
            assert not all(serves(hub, need, wanted, False) for need in row["needs"])


def serves(hub: sandbox.Sandbox, need: dict[str, Any], grants: list[dict[str, Any]], gated: bool) -> bool:
    """Whether a token with `grants` gets what it needs: on the wire where an address asks, else from the model."""
    scopes = tuple(Scope(grant["on"], grant["name"], (grant["does"],)) for grant in grants if grant["on"] != "global")
    token = hub.token_store.issue(
        "job", "fineGrained", scopes=scopes, can_read_gated=gated,
        global_permissions=tuple(grant["does"] for grant in grants if grant["on"] == "global"),
    )  # fmt: skip
    bare = not grants and not gated
    headers = {} if bare else {"Authorization": f"Bearer {token.value}"}
    if need["does"] == "repo.content.read":
        url = f"{hub.url}/{need['name']}/resolve/main/README.md"
        return requests.get(url, headers=headers, timeout=10).ok
    if need["does"] == "repo.write":
        url = f"{hub.url}/api/models/{need['name']}/auth-check/write"
        return requests.get(url, headers=headers, timeout=10).ok
    if need["does"] == "inference.serverless.write":
        question = {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "hello"}]}
        headers |= {"X-HF-Bill-To": need["name"]} if need["on"] == "org" else {}
        return requests.post(f"{hub.router}/v1/chat/completions", headers=headers, json=question, timeout=10).ok
    on, name = ("model", "other/model") if need["on"] == "global" else (need["on"], need["name"])
    kind: Any = on
    return not bare and holds(token, need["does"], kind, name, hub.account)
