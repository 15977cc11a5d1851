"""Access tokens: what one is, and the store that issues, refreshes, deletes and revokes them."""

import base64
import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Literal

from course.masking import mask
from course.sandbox.clock import Clock

Role = Literal["fineGrained", "read", "write", "oauth"]
Approval = Literal["pending", "approved", "denied", "revoked"]

_USER_TOKEN_LENGTH = 37
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Scope:
    """Permissions on one entity.

    entity_type: "user", "org", "model", "dataset" or "space". entity_name: "learner", "learner/notes".
    """

    entity_type: str
    entity_name: str
    permissions: tuple[str, ...]


@dataclass(frozen=True)
class Token:
    """One access token. Its value is no part of its repr.

    created_at, expires_at: seconds on the sandbox's clock; personal tokens never expire.
    scopes, global_permissions, can_read_gated: fine-grained tokens only. oauth_scopes: OAuth tokens only.
    approval: where the organisation's administrators have decided on this token, or have yet to.
    Source: huggingface/hub-docs docs/hub/security-tokens.md, 2026-08-07; docs/hub/oauth.md, 2026-08-22.
    Left out: organisation, service-account and CI tokens.
    """

    name: str
    role: Role
    value: str = field(repr=False)
    created_at: float
    display_name: str
    scopes: tuple[Scope, ...] = ()
    global_permissions: tuple[str, ...] = ()
    can_read_gated: bool = False
    oauth_scopes: tuple[str, ...] = ()
    expires_at: float | None = None
    approval: Approval | None = None


class TokenValues(dict[str, str]):
    """Token values by name. Printing the whole table shows no value; asking for one name gives it."""

    def __repr__(self) -> str:
        return repr({name: mask(value) for name, value in self.items()})


class TokenStore:
    """The tokens of one account. A refused, deleted or revoked value is refused everywhere at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, Token] = {}
        self._issued: dict[str, int] = {}
        self._revoked: set[str] = set()

    def issue(
        self,
        name: str,
        role: Role,
        *,
        display_name: str | None = None,
        age_days: float = 0,
        scopes: tuple[Scope, ...] = (),
        global_permissions: tuple[str, ...] = (),
        can_read_gated: bool = False,
        oauth_scopes: tuple[str, ...] = (),
        lifetime_seconds: float | None = None,
        approval: Approval | None = None,
    ) -> Token:
        """Create the token `name`, or another one in its place. The first value of a name is the same in every run."""
        now = int(self._clock.now())  # whole seconds, so that stored outputs repeat
        token = Token(
            name=name,
            role=role,
            value=self._next_value(name, role),
            created_at=now - age_days * 86_400,
            display_name=display_name or f"{name.replace('_', '-')}-token",
            scopes=scopes,
            global_permissions=global_permissions,
            can_read_gated=can_read_gated,
            oauth_scopes=oauth_scopes,
            expires_at=None if lifetime_seconds is None else now + lifetime_seconds,
            approval=approval,
        )
        self._tokens[name] = token
        return token

    def refresh(self, name: str) -> Token:
        """Give the token a new value and keep its name and rights; the old value dies at once."""
        old = self._tokens[name]
        new = replace(old, value=self._next_value(name, old.role), created_at=self._clock.now())
        self._tokens[name] = new
        return new

    def delete(self, name: str) -> None:
        del self._tokens[name]

    def revoke(self, value: str) -> None:
        """Kill a value for good. Unknown values are ignored, so that nobody can use this to try values out."""
        if any(token.value == value for token in self._tokens.values()):
            self._revoked.add(value)

    def find(self, value: str) -> Token | None:
        """The token with this value, or None when it is unknown, revoked or expired."""
        token = next((token for token in self._tokens.values() if token.value == value), None)
        if token is None or value in self._revoked:
            return None
        expired = token.expires_at is not None and token.expires_at <= self._clock.now()
        return None if expired else token

    def values(self) -> TokenValues:
        return TokenValues({name: token.value for name, token in self._tokens.items()})

    def _next_value(self, name: str, role: Role) -> str:
        generation = self._issued.get(name, 0)
        self._issued[name] = generation + 1
        return _oauth_value(name, generation) if role == "oauth" else _user_value(name, generation)


def _user_value(name: str, generation: int) -> str:
    """A value shaped like a user token, 37 characters, that everybody can see is a sandbox's own."""
    visible = "hf_Sandbox" + "".join(word.capitalize() for word in name.split("_"))[:16]
    return visible + _letters(f"{name} {generation}", _USER_TOKEN_LENGTH - len(visible))


def _oauth_value(name: str, generation: int) -> str:
    """The documented prefix and a body in the form of a JWT, as observed (third party, 2026); nobody signed it."""
    header = _base64url(json.dumps({"alg": "EdDSA", "typ": "JWT"}).encode())
    claims = _base64url(json.dumps({"sub": "sandbox", "jti": f"{name}-{generation}"}).encode())
    return f"hf_oauth_{header}.{claims}.{_letters(f'{name} {generation}', 86)}"


def _letters(seed: str, count: int) -> str:
    digest = hashlib.shake_256(seed.encode()).digest(count)
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
