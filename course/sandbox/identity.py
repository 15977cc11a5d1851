"""The body of whoami: who a token belongs to and what it may do."""

import hashlib
from typing import Any

from course.sandbox.account import Account
from course.sandbox.clock import iso_time
from course.sandbox.tokens import Scope, Token


def whoami(token: Token, account: Account) -> dict[str, Any]:
    """What GET /api/whoami-v2 says about this token.

    Source: the shape of a fine-grained token's answer was observed (third-party, 2026-07); read and write tokens:
    schemas in code owned by Hugging Face; email, emailVerified: huggingface.js packages/hub/src/lib/who-am-i.ts.
    auth.type "oauth" of OAuth tokens is a guess: nobody documents the value.
    Left out: resource groups, security restrictions, answers of type "app".
    """
    organisation = account.organisation
    return {
        "type": "user",
        "id": entity_id("user", account.name),
        "name": account.name,
        "fullname": account.full_name,
        "email": account.email,
        "emailVerified": account.email_verified,
        "canPay": False,
        "billingMode": "prepaid",
        "periodEnd": 1_796_083_200,  # the end of the month in which the sandbox's clock starts
        "isPro": account.plan == "pro",
        "avatarUrl": "/avatars/learner.svg",
        "orgs": [
            {
                "type": "org",
                "id": entity_id("org", organisation.name),
                "name": organisation.name,
                "fullname": organisation.name.capitalize(),
                "roleInOrg": "contributor",
            }
        ],
        "auth": _auth(token),
    }


def entity_id(kind: str, name: str) -> str:
    """24 hexadecimal digits, the same for the same name."""
    return hashlib.sha256(f"{kind} {name}".encode()).hexdigest()[:24]


def _auth(token: Token) -> dict[str, Any]:
    if token.role == "oauth":
        return {"type": "oauth", "expiresAt": iso_time(token.expires_at or 0), "scopes": list(token.oauth_scopes)}
    access: dict[str, Any] = {
        "displayName": token.display_name,
        "role": token.role,
        "createdAt": iso_time(token.created_at),
    }
    if token.role == "fineGrained":
        access["fineGrained"] = {
            "canReadGatedRepos": token.can_read_gated,
            "global": list(token.global_permissions),
            "scoped": [_scoped(scope) for scope in token.scopes],
        }
    return {"type": "access_token", "accessToken": access}


def _scoped(scope: Scope) -> dict[str, Any]:
    entity = {
        "_id": entity_id(scope.entity_type, scope.entity_name),
        "type": scope.entity_type,
        "name": scope.entity_name,
    }
    return {"entity": entity, "permissions": list(scope.permissions)}
