"""The one permission model: who may see, read, write, discuss and call what, and the reason of a refusal.

Hub, router and pages all ask here. Every function returns None for "yes" and a `Refusal` for "no". What a token
carries is asked of `rights.holds`; what is public, gated, switched off or held back by the organisation, here.

Sources: huggingface/hub-docs docs/hub/security-tokens.md (2026-08-07), docs/hub/enterprise-tokens-management.md
(2026-08-22); messages of refused calls: observed, third-party, 2025-05 to 2026-09, or marked as the sandbox's own.
Left out: no address of the sandbox asks for post.write, collection.*, job.write, user.* and org.*; `rights.holds`
answers for them all the same.
"""

from dataclasses import dataclass

from course.sandbox.account import Account
from course.sandbox.repositories import Repository
from course.sandbox.rights import EntityType, holds, may_use_gates
from course.sandbox.tokens import Token

READ_CONTENT = "repo.content.read"
WRITE_CONTENT = "repo.write"
READ_ACCESS_REQUESTS = "repo.access.read"
DISCUSS = "discussion.write"
CALL_INFERENCE = "inference.serverless.write"
CALL_ENDPOINTS = "inference.endpoints.infer.write"
MANAGE_ENDPOINTS = "inference.endpoints.write"

INVALID_CREDENTIALS = "Invalid credentials in Authorization header"
NO_CREDENTIALS = "Invalid username or password."  # observed, third-party, 2026: what a call without a token reads
DISABLED = "Access to this resource is disabled."
NEEDS_APPROVAL = (
    "Due to the organization token policy, your token needs to be approved by the organization before you can access "
    "this resource."
)
REVOKED_BY_ORGANISATION = (
    "Your token has been revoked by the organization administrator, you can no longer access organization resources. "
    "Please contact them for more information."
)
ONLY_FINE_GRAINED = "Due to the organization token policy, you need a fine-grained token to access this resource."
NEEDS_GATED_PERMISSION = (
    "Please enable access to public gated repositories in your fine-grained token settings to view this repository."
)


@dataclass(frozen=True)
class Refusal:
    """Why not. code: the value of X-Error-Code, which tells client libraries what the status leaves open."""

    status: int
    message: str
    code: str | None = None


def no_such_repository(token: Token | None) -> Refusal:
    """What a missing and a hidden repository have in common: 401 without a token, 404 with one."""
    if token is None:
        return Refusal(401, NO_CREDENTIALS, "RepoNotFound")
    return Refusal(404, "Repository not found", "RepoNotFound")


def refuse_seeing(token: Token | None, repository: Repository, account: Account) -> Refusal | None:
    """May this caller know that the repository exists, and read its description, list of files and discussions?"""
    if repository.disabled:
        return Refusal(403, DISABLED)
    if not repository.private:
        return None
    if token is None:
        return no_such_repository(token)
    refusal = refuse_by_policy(token, repository.owner, account)
    if refusal is None and not _holds_on(repository, READ_CONTENT, token, account):
        refusal = no_such_repository(token)
    return refusal


def refuse_reading(token: Token | None, repository: Repository, account: Account) -> Refusal | None:
    """May this caller download files? Behind a gate that takes a granted request and a token that may use it."""
    refusal = refuse_seeing(token, repository, account)
    if refusal is not None or not repository.gated:
        return refusal
    restricted = f"Access to {repository.kind} {repository.id} is restricted"
    if token is None:
        ask = f"{restricted}. You must have access to it and be authenticated to access it. Please log in."
        return Refusal(401, ask, "GatedRepo")
    if not repository.granted:
        page = f"https://huggingface.co/{repository.key}"
        ask = f"{restricted} and you are not in the authorized list. Visit {page} to ask for access."
        return Refusal(403, ask, "GatedRepo")
    return None if may_use_gates(token) else Refusal(403, NEEDS_GATED_PERMISSION, "GatedRepo")


def refuse_writing(token: Token | None, repository: Repository, account: Account) -> Refusal | None:
    """May this caller change the files of the repository? Message: the sandbox's own."""
    refusal = refuse_reading(token, repository, account)
    return refusal or _refuse_without(WRITE_CONTENT, "write to", token, repository, account)


def refuse_discussing(token: Token | None, repository: Repository, account: Account) -> Refusal | None:
    """May this caller open a discussion? Message: the sandbox's own."""
    refusal = refuse_seeing(token, repository, account)
    return refusal or _refuse_without(DISCUSS, "open discussions in", token, repository, account)


def refuse_access_requests(token: Token | None, repository: Repository, account: Account) -> Refusal | None:
    """May this caller read who asked for access to the gated repository? Message: the sandbox's own."""
    refusal = refuse_seeing(token, repository, account)
    return refusal or _refuse_without(READ_ACCESS_REQUESTS, "read the requests for", token, repository, account)


def refuse_inference(token: Token | None, account: Account, bill_to: str | None = None) -> Refusal | None:
    """May this caller use Inference Providers, for the user or for the organisation named in X-HF-Bill-To?"""
    if token is None:
        return Refusal(401, NO_CREDENTIALS)
    payer = bill_to or account.name
    refusal = refuse_by_policy(token, payer, account)
    if refusal is not None:
        return refusal
    if holds(token, CALL_INFERENCE, "user" if payer == account.name else "org", payer, account):
        return None
    owner = f"user {payer}" if payer == account.name else f"org {payer}"
    method = "This authentication method does not have sufficient permissions to call Inference Providers"
    return Refusal(403, f"{method} on behalf of {owner}")


def refuse_endpoints(token: Token, permission: str, namespace: str, account: Account) -> Refusal | None:
    """May this token call, or manage, the Inference Endpoints of `namespace`? Message: the sandbox's own."""
    refusal = refuse_by_policy(token, namespace, account)
    kind: EntityType = "user" if namespace == account.name else "org"
    if refusal is None and not holds(token, permission, kind, namespace, account):
        refusal = Refusal(403, f"403 Forbidden: for endpoints of {namespace} this takes {permission}")
    return refusal


def refuse_by_policy(token: Token, owner: str, account: Account) -> Refusal | None:
    """The organisation's word on this token, for what is its own. A decision on one token beats the general policy."""
    if owner != account.organisation.name:
        return None
    if token.approval in ("pending", "denied"):
        return Refusal(403, NEEDS_APPROVAL)
    if token.approval == "revoked":
        return Refusal(403, REVOKED_BY_ORGANISATION)
    if token.approval == "approved" or account.organisation.policy == "allow_all" or token.role == "oauth":
        return None
    if token.role in ("read", "write"):
        return Refusal(403, ONLY_FINE_GRAINED)
    return Refusal(403, NEEDS_APPROVAL) if account.organisation.policy == "approval" else None


def _refuse_without(
    permission: str, action: str, token: Token | None, repository: Repository, account: Account
) -> Refusal | None:
    if token is None:
        return Refusal(401, NO_CREDENTIALS)
    refusal = refuse_by_policy(token, repository.owner, account)
    if refusal is None and not _holds_on(repository, permission, token, account):
        refusal = Refusal(403, f"Forbidden: this token cannot {action} this repository. It takes {permission}.")
    return refusal


def _holds_on(repository: Repository, permission: str, token: Token, account: Account) -> bool:
    return holds(token, permission, repository.kind, repository.id, account)
