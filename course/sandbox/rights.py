"""What a token may do on an entity, whatever its kind: the one question below every refusal."""

from typing import Literal

from course.sandbox.account import Account
from course.sandbox.catalogue import find_permission
from course.sandbox.tokens import Token

EntityType = Literal["user", "org", "model", "dataset", "space"]

# Where the permissions listed as `global` reach: what other people own, or the user and the user's organisation.
# Source: trufflesecurity/trufflehog pkg/analyzer/analyzers/huggingface/scopes.go (discussions "on external repos");
# inference.serverless.write stands here in older answers of whoami, and per user or organisation in newer ones.
GLOBAL_REACH = {"discussion.write": "others", "post.write": "own", "inference.serverless.write": "own"}

# A permission that comes with another one. Inferred: who may write contents gets them to see.
INCLUDED_IN = {"repo.content.read": "repo.write"}


def holds(token: Token, permission: str, entity_type: EntityType, entity_name: str, account: Account) -> bool:
    """Does this token carry `permission` for the entity? Gates, policies and what is public are asked elsewhere.

    entity_name: "learner", "workshop" or "learner/notes". permission: an id as whoami names it; one that nobody knows
    is held by a fine-grained token that lists it, by no other.
    A fine-grained token may name the entity itself, for a repository also its owner, or the permission as global.
    Classic and OAuth tokens reach all that is the user's and the organisation's: column `held_by` of
    data/permissions.toml, with the reasons. Entities of others are out of reach, but for discussions.
    Source: huggingface/hub-docs docs/hub/security-tokens.md, 2026-08-07, and docs/hub/oauth.md, 2026-08-22.
    Left out: resource groups, wildcard patterns, roles inside the organisation, and an OAuth app that was granted no
    organisation.
    """
    owner = entity_name.partition("/")[0]
    own = owner in (account.name, account.organisation.name)
    reach = GLOBAL_REACH.get(permission)
    if token.role == "fineGrained" and permission in token.global_permissions and reach == ("own" if own else "others"):
        return True
    if not own and reach != "others":
        return False
    if token.role != "fineGrained":
        known = find_permission(permission)
        names = token.oauth_scopes if token.role == "oauth" else (token.role,)
        return known is not None and not {*known.held_by}.isdisjoint(names)
    entities = {(entity_type, entity_name)}
    if "/" in entity_name:
        entities |= {("user", owner), ("org", owner)}
    held = {held for s in token.scopes if (s.entity_type, s.entity_name) in entities for held in s.permissions}
    return permission in held or INCLUDED_IN.get(permission) in held


def may_use_gates(token: Token) -> bool:
    """Does this token open the gated repositories to which its user was admitted? The switch canReadGatedRepos."""
    if token.role == "oauth":
        return "gated-repos" in token.oauth_scopes
    return token.role != "fineGrained" or token.can_read_gated
