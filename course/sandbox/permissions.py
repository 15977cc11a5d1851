"""The one permission model: who may see, read, write and call what, and the reason of a refusal.

Hub, router and pages all ask here. Every function returns None for "yes" and a `Refusal` for "no".

Sources: huggingface/hub-docs docs/hub/security-tokens.md (2026-08-07), docs/hub/enterprise-tokens-management.md and
docs/hub/oauth.md (2026-08-22); permission ids and messages of refused calls: observed, third-party, 2025-05 to 2026-09.
Left out: resource groups, wildcard patterns, discussions, collections, Inference Endpoints, jobs.
"""

from dataclasses import dataclass

from course.sandbox.account import Account
from course.sandbox.repositories import Repository
from course.sandbox.tokens import Token

READ_CONTENT = "repo.content.read"
WRITE_CONTENT = "repo.write"
CALL_INFERENCE = "inference.serverless.write"

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

_CLASSIC_RIGHTS = {
    # That a read token may call Inference Providers is said by the docs' role text, not by a table.
    "read": {READ_CONTENT, CALL_INFERENCE},
    "write": {READ_CONTENT, CALL_INFERENCE, WRITE_CONTENT},
}
_OAUTH_RIGHTS = {
    "read-repos": {READ_CONTENT},
    "write-repos": {READ_CONTENT, WRITE_CONTENT},
    "manage-repos": {READ_CONTENT, WRITE_CONTENT},
    "inference-api": {CALL_INFERENCE},
}


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
    """May this caller know that the repository exists, and read its description and list of files?"""
    if repository.disabled:
        return Refusal(403, DISABLED)
    if not repository.private:
        return None
    if token is None:
        return no_such_repository(token)
    if repository.owner == account.organisation.name:
        refusal = refuse_by_policy(token, account)
        if refusal is not None:
            return refusal
    readable = _is_own(repository, account) and _may(token, READ_CONTENT, repository.owner, repository.id)
    return None if readable else no_such_repository(token)


def refuse_reading(token: Token | None, repository: Repository, account: Account) -> Refusal | None:
    """May this caller download files? Behind a gate that takes a granted request and a token that may use it."""
    refusal = refuse_seeing(token, repository, account)
    if refusal is not None or not repository.gated:
        return refusal
    restricted = f"Access to model {repository.id} is restricted"
    if token is None:
        ask = f"{restricted}. You must have access to it and be authenticated to access it. Please log in."
        return Refusal(401, ask, "GatedRepo")
    if not repository.granted:
        page = f"https://huggingface.co/{repository.id}"
        ask = f"{restricted} and you are not in the authorized list. Visit {page} to ask for access."
        return Refusal(403, ask, "GatedRepo")
    return None if _may_use_gates(token) else Refusal(403, NEEDS_GATED_PERMISSION, "GatedRepo")


def refuse_writing(token: Token | None, repository: Repository, account: Account) -> Refusal | None:
    """May this caller change the repository? The message for a read token is the sandbox's own."""
    refusal = refuse_reading(token, repository, account)
    if refusal is not None:
        return refusal
    if token is None:
        return Refusal(401, NO_CREDENTIALS)
    if repository.owner == account.organisation.name:
        refusal = refuse_by_policy(token, account)
    writable = _is_own(repository, account) and _may(token, WRITE_CONTENT, repository.owner, repository.id)
    if refusal is None and not writable:
        refusal = Refusal(403, "Forbidden: this token cannot write to this repository.")
    return refusal


def refuse_inference(token: Token | None, account: Account, bill_to: str | None = None) -> Refusal | None:
    """May this caller use Inference Providers, for the user or for the organisation named in X-HF-Bill-To?"""
    if token is None:
        return Refusal(401, NO_CREDENTIALS)
    if bill_to == account.organisation.name:
        refusal = refuse_by_policy(token, account)
        if refusal is not None:
            return refusal
    member = bill_to in (None, account.name, account.organisation.name)
    if member and _may(token, CALL_INFERENCE, bill_to or account.name):
        return None
    owner = f"org {bill_to}" if bill_to and bill_to != account.name else f"user {account.name}"
    method = "This authentication method does not have sufficient permissions to call Inference Providers"
    return Refusal(403, f"{method} on behalf of {owner}")


def refuse_by_policy(token: Token, account: Account) -> Refusal | None:
    """The organisation's word on this token. A decision about one token beats the general policy."""
    if token.approval in ("pending", "denied"):
        return Refusal(403, NEEDS_APPROVAL)
    if token.approval == "revoked":
        return Refusal(403, REVOKED_BY_ORGANISATION)
    if token.approval == "approved" or account.organisation.policy == "allow_all" or token.role == "oauth":
        return None
    if token.role in ("read", "write"):
        return Refusal(403, ONLY_FINE_GRAINED)
    return Refusal(403, NEEDS_APPROVAL) if account.organisation.policy == "approval" else None


def _is_own(repository: Repository, account: Account) -> bool:
    return repository.owner in (account.name, account.organisation.name)


def _may(token: Token, permission: str, owner: str, repo_id: str | None = None) -> bool:
    if token.role in _CLASSIC_RIGHTS:
        return permission in _CLASSIC_RIGHTS[token.role]
    if token.role == "oauth":
        return any(permission in _OAUTH_RIGHTS.get(scope, ()) for scope in token.oauth_scopes)
    # Older answers of the Hub list the inference permission as global, newer ones per user or organisation.
    if permission in token.global_permissions:
        return True
    entities = {("user", owner), ("org", owner), ("model", repo_id)}
    held = {held for s in token.scopes if (s.entity_type, s.entity_name) in entities for held in s.permissions}
    return permission in held or (permission == READ_CONTENT and WRITE_CONTENT in held)


def _may_use_gates(token: Token) -> bool:
    if token.role == "oauth":
        return "gated-repos" in token.oauth_scopes
    return token.role in _CLASSIC_RIGHTS or token.can_read_gated
