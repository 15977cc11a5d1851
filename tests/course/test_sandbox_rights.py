"""Every permission that has an effect, seen by the real clients: enough alone, and missed when it alone is missing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from huggingface_hub import HfApi, errors

from course import sandbox
from course.sandbox import rights
from course.sandbox.account import Account
from course.sandbox.catalogue import permissions
from course.sandbox.clock import Clock
from course.sandbox.repositories import PREFIXES, File, Repository, RepositoryKind
from course.sandbox.tokens import Role, Scope, Token, TokenStore

KINDS: tuple[RepositoryKind, ...] = ("model", "dataset", "space")
Act = Callable[[sandbox.Sandbox, HfApi, "Case"], object]


@dataclass(frozen=True)
class Case:
    """Something to do that takes one permission. entity: where the token holds it; repo: what it is done to."""

    permission: str
    entity: tuple[str, str]
    act: Act
    repo_id: str = "learner/tried"
    kind: RepositoryKind = "model"
    private: bool = False
    gated: bool = False
    is_global: bool = False

    def __str__(self) -> str:
        where = "global" if self.is_global else self.entity[0]
        return f"{self.permission} of {where}: {self.act.__name__} {self.kind} {self.repo_id}"


def read(hub: sandbox.Sandbox, api: HfApi, case: Case) -> None:
    api.auth_check(case.repo_id, repo_type=case.kind)
    assert api.repo_info(case.repo_id, repo_type=case.kind).private
    assert [entry.path for entry in api.list_repo_tree(case.repo_id, repo_type=case.kind)] == ["notes.txt"]


def write(hub: sandbox.Sandbox, api: HfApi, case: Case) -> None:
    api.upload_file(path_or_fileobj=b"new", path_in_repo="new.txt", repo_id=case.repo_id, repo_type=case.kind)


def discuss(hub: sandbox.Sandbox, api: HfApi, case: Case) -> None:
    api.create_discussion(case.repo_id, "A question", repo_type=case.kind)


def see_requests(hub: sandbox.Sandbox, api: HfApi, case: Case) -> None:
    assert list(api.list_pending_access_requests(case.repo_id, repo_type=case.kind)) == []


def chat(hub: sandbox.Sandbox, api: HfApi, case: Case) -> None:
    headers = {"Authorization": f"Bearer {api.token}"}
    if case.entity[0] == "org":
        headers["X-HF-Bill-To"] = case.entity[1]
    model = requests.get(f"{hub.router}/v1/models", timeout=5).json()["data"][0]["id"]
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    answer = requests.post(f"{hub.router}/v1/chat/completions", json=body, headers=headers, timeout=5)
    answer.raise_for_status()


def repository_cases(kind: RepositoryKind) -> Iterator[Case]:
    places = [("user", "learner", "learner/tried"), ("org", "workshop", "workshop/tried")]
    places += [(kind, repo_id, repo_id) for repo_id in ("learner/tried", "workshop/tried")]
    for entity_type, name, repo_id in places:
        where: dict[str, Any] = {"entity": (entity_type, name), "repo_id": repo_id, "kind": kind}
        yield Case("repo.content.read", act=read, private=True, **where)
        yield Case("repo.write", act=write, **where)
        yield Case("discussion.write", act=discuss, **where)
        yield Case("repo.access.read", act=see_requests, gated=True, **where)


CASES = [
    *(case for kind in KINDS for case in repository_cases(kind)),
    Case("discussion.write", ("", ""), discuss, repo_id="stranger/tried", is_global=True),
    Case("inference.serverless.write", ("user", "learner"), chat),
    Case("inference.serverless.write", ("org", "workshop"), chat),
    Case("inference.serverless.write", ("user", "learner"), chat, is_global=True),
]


@pytest.fixture(scope="module")
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start(plan="team") as started:  # a free plan's quota would not last for all rows
        yield started


def client(hub: sandbox.Sandbox, case: Case, token: dict[str, Any]) -> HfApi:
    """A client with this token, in a sandbox with the repository that the case is about."""
    hub.repositories[PREFIXES[case.kind] + case.repo_id] = Repository(
        case.repo_id,
        {"notes.txt": File("notes.txt", b"some notes\n")},
        private=case.private,
        gated="auto" if case.gated else False,
        kind=case.kind,
    )
    return HfApi(endpoint=hub.url, token=hub.token_store.issue("tried", **token).value)


def fine_grained(case: Case, held: tuple[str, ...], elsewhere: tuple[str, ...] = ()) -> dict[str, Any]:
    """What to issue: `held` where the case wants its permission, `elsewhere` on every other entity."""
    if case.is_global:
        return {"role": "fineGrained", "global_permissions": held, "scopes": ()}
    owner = case.repo_id.partition("/")[0]
    entities = {("user", "learner"), ("org", "workshop"), *((kind, case.repo_id) for kind in KINDS)}
    entities |= {(kind, f"{owner}/other") for kind in KINDS}
    scopes = [Scope(*entity, elsewhere) for entity in sorted(entities - {case.entity})]
    return {"role": "fineGrained", "scopes": (Scope(*case.entity, held), *scopes)}


def all_but(case: Case) -> tuple[str, ...]:
    """Every permission but the case's own, and without those that include it."""
    without = {case.permission, rights.INCLUDED_IN.get(case.permission)}
    return tuple(permission for permission in permissions() if permission not in without)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_permission_is_enough_for_what_it_is_for(hub: sandbox.Sandbox, case: Case) -> None:
    api = client(hub, case, fine_grained(case, (case.permission,)))

    case.act(hub, api, case)

    assert hub.requests[-1].status == 200


@pytest.mark.parametrize("case", CASES, ids=str)
def test_all_others_together_are_not_enough(hub: sandbox.Sandbox, case: Case) -> None:
    api = client(hub, case, fine_grained(case, all_but(case), all_but(case)))

    with pytest.raises((errors.HfHubHTTPError, requests.HTTPError)):
        case.act(hub, api, case)

    assert hub.requests[-1].status == (404 if case.act is read else 403)


@pytest.mark.parametrize("case", [case for case in CASES if not case.is_global], ids=str)
def test_a_permission_on_another_entity_is_not_enough(hub: sandbox.Sandbox, case: Case) -> None:
    others = {"user": ("org", "workshop"), "org": ("user", "learner")}
    if case.entity[0] in KINDS:
        kind = KINDS[KINDS.index(case.kind) - 1]
        token = {"role": "fineGrained", "scopes": (Scope(kind, case.repo_id, (case.permission,)),)}
    else:
        token = {"role": "fineGrained", "scopes": (Scope(*others[case.entity[0]], (case.permission,)),)}
    api = client(hub, case, token)

    with pytest.raises((errors.HfHubHTTPError, requests.HTTPError)):
        case.act(hub, api, case)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("role", ["read", "write"])
def test_a_classic_token_can_what_the_table_says(hub: sandbox.Sandbox, role: Role, case: Case) -> None:
    api = client(hub, case, {"role": role})

    if role in permissions()[case.permission].held_by:
        case.act(hub, api, case)
    else:
        with pytest.raises(errors.HfHubHTTPError):
            case.act(hub, api, case)


@pytest.mark.parametrize("policy", ["only_fine_grained", "approval"])
@pytest.mark.parametrize("act", [read, write, discuss, see_requests])
def test_the_policy_of_the_organisation_holds_for_every_address(act: Act, policy: str) -> None:
    case = Case("", ("", ""), act, repo_id="workshop/tried", private=act is read, gated=act is see_requests)
    with sandbox.start() as hub:
        hub.account.organisation.policy = policy  # type: ignore[assignment]
        api = client(hub, case, {"role": "write"})

        with pytest.raises(errors.HfHubHTTPError, match="Due to the organization token policy"):
            act(hub, api, case)


# --- the model without a server -------------------------------------------------------------------------------


def token(role: Role, *scopes: Scope, oauth: str = "", everywhere: tuple[str, ...] = ()) -> Token:
    store = TokenStore(Clock())
    return store.issue("tried", role, scopes=scopes, oauth_scopes=(oauth,), global_permissions=everywhere)


def test_the_model_names_only_permissions_of_the_catalogue() -> None:
    from course.sandbox import permissions as model

    asked = {model.READ_CONTENT, model.WRITE_CONTENT, model.READ_ACCESS_REQUESTS, model.DISCUSS, model.CALL_INFERENCE}

    assert asked | {*rights.GLOBAL_REACH} | {*rights.INCLUDED_IN} | {*rights.INCLUDED_IN.values()} <= {*permissions()}
    assert asked == {case.permission for case in CASES}, "each has its row in the table above"
    assert {name for name, row in permissions().items() if "global" in row.on} <= {*rights.GLOBAL_REACH}


@pytest.mark.parametrize(
    "permission", [row for row in permissions().values() if "global" not in row.on], ids=lambda row: row.id
)
def test_a_permission_counts_as_global_only_where_it_exists(permission: Any) -> None:
    held = token("fineGrained", everywhere=(permission.id,))

    assert rights.holds(held, permission.id, "user", "learner", Account()) == (
        permission.id == "inference.serverless.write"
    )


@pytest.mark.parametrize("permission", permissions().values(), ids=lambda row: row.id)
def test_a_permission_is_held_where_it_can_be_ticked(permission: Any) -> None:
    entities: dict[str, tuple[rights.EntityType, str]] = {
        "user": ("user", "learner"),
        "org": ("org", "workshop"),
        "repo": ("model", "learner/notes"),
    }
    for where in set(permission.on) & set(entities):
        entity_type, name = entities[where]
        held, empty = (token("fineGrained", Scope(entity_type, name, ids)) for ids in ((permission.id,), ()))

        assert rights.holds(held, permission.id, entity_type, name, Account())
        assert not rights.holds(empty, permission.id, entity_type, name, Account())


def test_who_may_write_a_repository_may_read_it() -> None:
    writer = token("fineGrained", Scope("model", "learner/notes", ("repo.write",)))

    assert rights.holds(writer, "repo.content.read", "model", "learner/notes", Account())
    assert not rights.holds(writer, "repo.content.read", "model", "learner/other", Account())


@pytest.mark.parametrize(
    ("scope", "permission"),
    [(scope, row.id) for row in permissions().values() for scope in row.held_by if scope not in ("read", "write")],
)
def test_an_oauth_scope_stands_for_its_permissions(scope: str, permission: str) -> None:
    assert rights.holds(token("oauth", oauth=scope), permission, "user", "learner", Account())
    assert not rights.holds(token("oauth", oauth="profile"), permission, "user", "learner", Account())


@pytest.mark.parametrize("role", ["read", "write", "oauth", "fineGrained"])
def test_an_unknown_permission_is_held_only_by_who_lists_it(role: Role) -> None:
    listed = token(role, Scope("user", "learner", ("kernel.write",)), oauth="kernel.write")

    assert rights.holds(listed, "kernel.write", "user", "learner", Account()) == (role == "fineGrained")


@pytest.mark.parametrize("role", ["read", "write", "fineGrained"])
def test_what_others_own_is_out_of_reach(role: Role) -> None:
    greedy = token(role, Scope("model", "stranger/notes", tuple(permissions())), everywhere=tuple(permissions()))

    held = [name for name in permissions() if rights.holds(greedy, name, "model", "stranger/notes", Account())]

    assert held == ([] if role == "read" else ["discussion.write"])


def test_the_global_permission_for_discussions_is_for_those_of_others() -> None:
    external = token("fineGrained", everywhere=("discussion.write",))

    assert rights.holds(external, "discussion.write", "model", "stranger/notes", Account())
    assert not rights.holds(external, "discussion.write", "model", "learner/notes", Account())
