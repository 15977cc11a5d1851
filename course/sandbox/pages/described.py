"""A token in the words of the pages. Its value is no part of this."""

from dataclasses import dataclass

from course.sandbox.catalogue import find_permission, permissions
from course.sandbox.permissions import NEEDS_APPROVAL, refuse_by_policy
from course.sandbox.rights import may_use_gates
from course.sandbox.tokens import Scope, Token
from course.sandbox.world import World

_KINDS = {"fineGrained": "Fine-grained", "read": "Read", "write": "Write"}
_PLACES = {"user": "User", "org": "Organisation", "model": "Model", "dataset": "Dataset", "space": "Space"}


@dataclass(frozen=True)
class Described:
    """What people read about one token."""

    _token: Token
    _world: World

    @property
    def id(self) -> str:
        return self._token.id

    @property
    def name(self) -> str:
        return self._token.display_name

    @property
    def kind(self) -> str:
        return _KINDS[self._token.role]

    @property
    def created_at(self) -> float:
        return self._token.created_at

    @property
    def last_used_at(self) -> float | None:
        return self._token.last_used_at

    @property
    def is_revoked(self) -> bool:
        return self._world.tokens.is_revoked(self._token)

    @property
    def rights(self) -> list[tuple[str, list[str]]]:
        """Where, and what: ("User learner", ["Read contents of repositories"]). Empty: it only says whose it is."""
        token, account = self._token, self._world.account
        if token.role == "fineGrained":
            places = [(_place(scope), [_label(held) for held in scope.permissions]) for scope in token.scopes]
        else:
            held = [one.label for one in permissions().values() if token.role in one.held_by]
            places = [(f"All of {account.name} and {account.organisation.name}", held)]
        if token.global_permissions:
            places.append(("Global", [_label(held) for held in token.global_permissions]))
        if may_use_gates(token):
            places.append(("Gated repositories of others", ["Read those that you were let into"]))
        return places

    @property
    def reaches_organisation(self) -> bool:
        """Could it act in the organisation, were it not for the organisation's policy?"""
        organisation = self._world.account.organisation.name
        owners = {scope.entity_name.partition("/")[0] for scope in self._token.scopes}
        return self._token.role in ("read", "write") or organisation in owners

    @property
    def standing(self) -> str:
        """What the organisation says: accepted, pending, denied, revoked, or refused, as all tokens of its kind are."""
        if self._token.approval in ("denied", "revoked"):
            return self._token.approval
        refusal = refuse_by_policy(self._token, self._world.account.organisation.name, self._world.account)
        if refusal is None:
            return "accepted"
        return "pending" if refusal.message == NEEDS_APPROVAL else "refused"


def _place(scope: Scope) -> str:
    return f"{_PLACES.get(scope.entity_type, scope.entity_type)} {scope.entity_name}"


def _label(permission_id: str) -> str:
    permission = find_permission(permission_id)
    return permission.label if permission else permission_id
