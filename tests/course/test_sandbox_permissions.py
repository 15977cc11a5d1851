"""Who may do what: the permission model on its own, without any server."""

import pytest

from course.sandbox import permissions
from course.sandbox.account import Account, Organisation, Policy
from course.sandbox.clock import Clock
from course.sandbox.repositories import Repository
from course.sandbox.tokens import Role, Scope, Token, TokenStore

ORGANISATION_REPOSITORY = Repository("workshop/model", {}, private=True)


def token(role: Role, *scopes: Scope) -> Token:
    return TokenStore(Clock()).issue("tried", role, scopes=scopes)


def organisation_token(*more: str) -> Token:
    return token("fineGrained", Scope("org", "workshop", ("repo.content.read", *more)))


@pytest.mark.parametrize(
    ("policy", "tried", "allowed"),
    [
        ("allow_all", token("read"), True),
        ("allow_all", organisation_token(), True),
        ("only_fine_grained", token("read"), False),
        ("only_fine_grained", organisation_token(), True),
        ("approval", token("write"), False),
        ("approval", organisation_token(), False),
    ],
)
def test_the_policy_of_the_organisation_decides_about_its_repositories(
    policy: Policy, tried: Token, allowed: bool
) -> None:
    account = Account(organisation=Organisation(policy=policy))

    refusal = permissions.refuse_reading(tried, ORGANISATION_REPOSITORY, account)

    assert (refusal is None) == allowed
    assert refusal is None or refusal.status == 403


@pytest.mark.parametrize(
    ("approval", "words"),
    [("pending", "needs to be approved"), ("denied", "needs to be approved"), ("revoked", "has been revoked")],
)
def test_a_token_held_back_by_the_organisation_hears_the_documented_reason(approval: str, words: str) -> None:
    scopes = (Scope("org", "workshop", ("repo.content.read",)),)
    held = TokenStore(Clock()).issue("held", "fineGrained", scopes=scopes, approval=approval)  # type: ignore[arg-type]

    refusal = permissions.refuse_seeing(held, ORGANISATION_REPOSITORY, Account())

    assert refusal is not None
    assert refusal.status == 403
    assert words in refusal.message


def test_a_fine_grained_token_sees_only_the_repositories_it_names() -> None:
    named, other = (Repository(f"learner/{name}", {}, private=True) for name in ("named", "other"))
    tried = token("fineGrained", Scope("model", "learner/named", ("repo.content.read",)))

    assert permissions.refuse_seeing(tried, named, Account()) is None
    assert permissions.refuse_seeing(tried, other, Account()) == permissions.no_such_repository(tried)


@pytest.mark.parametrize("role", ["read", "write"])
def test_the_private_repositories_of_strangers_stay_hidden(role: Role) -> None:
    stranger = Repository("stranger/notes", {}, private=True)

    refusal = permissions.refuse_seeing(token(role), stranger, Account())

    assert refusal is not None
    assert refusal.status == 404


def test_a_hidden_and_a_missing_repository_look_the_same() -> None:
    hidden = Repository("learner/hidden", {}, private=True)

    assert permissions.refuse_seeing(None, hidden, Account()) == permissions.no_such_repository(None)


@pytest.mark.parametrize(
    ("tried", "repo_id", "allowed"),
    [
        (token("write"), "learner/notes", True),
        (token("write"), "sandbox/haiku", False),
        (token("read"), "learner/notes", False),
        (token("fineGrained", Scope("user", "learner", ("repo.write",))), "learner/notes", True),
        (token("fineGrained", Scope("user", "learner", ("repo.content.read",))), "learner/notes", False),
    ],
)
def test_writing_takes_a_right_to_write_and_an_own_repository(tried: Token, repo_id: str, allowed: bool) -> None:
    refusal = permissions.refuse_writing(tried, Repository(repo_id, {}), Account())

    assert (refusal is None) == allowed


@pytest.mark.parametrize(
    ("bill_to", "entity", "allowed"),
    [
        (None, ("user", "learner"), True),
        ("workshop", ("org", "workshop"), True),
        ("workshop", ("user", "learner"), False),
        ("elsewhere", ("org", "elsewhere"), False),
    ],
)
def test_inference_takes_the_permission_of_whoever_pays(
    bill_to: str | None, entity: tuple[str, str], allowed: bool
) -> None:
    tried = token("fineGrained", Scope(*entity, ("inference.serverless.write",)))

    refusal = permissions.refuse_inference(tried, Account(), bill_to)

    assert (refusal is None) == allowed
    assert refusal is None or refusal.message.endswith(f"on behalf of org {bill_to}")
