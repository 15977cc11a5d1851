"""The organisation's page: which tokens it accepts. The learner plays its administrator here.

Source: huggingface/hub-docs docs/hub/enterprise-tokens-management.md, 2026-08-22; its table of situations and answers
is kept in `permissions`. Left out: plans that offer this, several administrators, tokens that they made themselves.
"""

from typing import cast, get_args

from starlette.responses import Response

from course.sandbox.account import Policy
from course.sandbox.pages.described import Described
from course.sandbox.pages.visit import Visit
from course.sandbox.tokens import Approval

# A denied token may be approved later, a revoked one never; what is refused for its kind cannot be approved.
DECISIONS: dict[str, dict[Approval, str]] = {
    "pending": {"approved": "Approve", "denied": "Deny"},
    "denied": {"approved": "Approve"},
    "accepted": {"revoked": "Revoke"},
}
POLICIES: dict[Policy, tuple[str, str]] = {
    "allow_all": ("Allow all", "Every token of a member works here."),
    "only_fine_grained": ("Only fine-grained", "Read and write tokens get 403 here."),
    "approval": (
        "Approval",
        "Fine-grained tokens get 403 until an administrator approves them. Read and write tokens always get 403.",
    ),
}


def organisation(visit: Visit) -> Response:
    """GET shows policy and tokens, POST sets the policy."""
    if visit.request.path_params["name"] != visit.account.organisation.name:
        return visit.problem(404, "There is no such organisation", f"Yours is {visit.account.organisation.name}.")
    if not visit.sends:
        return _shown(visit)
    policy = visit.form.get("policy", "")
    if policy not in get_args(Policy):
        return _shown(visit, {"policy": "Choose one of the three policies."})
    visit.account.organisation.policy = cast(Policy, policy)
    return visit.go(address(visit), f"Policy set: {POLICIES[cast(Policy, policy)][0]}.")


def decide(visit: Visit) -> Response:
    """Approve, deny or revoke one token, as far as its standing allows."""
    known = {token.id: token for token in _tokens(visit)}
    token = known.get(visit.form.get("token", ""))
    decision = visit.form.get("decision", "")
    if token is None or decision not in DECISIONS.get(token.standing, {}):
        return visit.problem(
            409, "This cannot be decided now", "Nothing was changed. Look at the list of tokens again."
        )
    visit.world.tokens.decide(token.id, decision)
    return visit.go(address(visit), f"{token.name} is {decision}.")


def address(visit: Visit) -> str:
    return f"/organizations/{visit.account.organisation.name}/settings/tokens"


def _shown(visit: Visit, errors: dict[str, str] | None = None) -> Response:
    return visit.show(
        "organisation.html", errors=errors, policies=POLICIES, tokens=_tokens(visit)[::-1], decisions=DECISIONS
    )


def _tokens(visit: Visit) -> list[Described]:
    described = (Described(token, visit.world) for token in visit.world.tokens.all() if token.role != "oauth")
    return [token for token in described if token.reaches_organisation and not token.is_revoked]
