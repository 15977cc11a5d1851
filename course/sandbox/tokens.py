"""Access tokens: what one is, and the store that issues, refreshes, deletes and revokes them."""

import base64
import hashlib
import json
import secrets
import threading
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

    id: the same for as long as the token exists, whatever its value. name: its key in `hub.tokens`; None for a token
    that was made on the page, whose value is shown there once and nowhere else. display_name: what people read.
    created_at, last_used_at, expires_at: seconds on the sandbox's clock; personal tokens never expire.
    scopes, global_permissions, can_read_gated: fine-grained tokens only. oauth_scopes: OAuth tokens only.
    approval: where the organisation's administrators have decided on this token, or have yet to.
    Source: huggingface/hub-docs docs/hub/security-tokens.md, 2026-08-07; docs/hub/oauth.md, 2026-08-22.
    Left out: organisation, service-account and CI tokens.
    """

    id: str
    name: str | None
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
    last_used_at: float | None = None


class TokenValues(dict[str, str]):
    """Token values by name. Printing the whole table shows no value; asking for one name gives it."""

    def __repr__(self) -> str:
        return repr({name: mask(value) for name, value in self.items()})


class TokenStore:
    """The tokens of one account. A refused, deleted or revoked value is refused everywhere at once.

    The sandbox's thread and a notebook's may use it at the same time. Where a method takes `which`, that is a token's
    name in `hub.tokens` or its id; it raises KeyError for one that is not there.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, Token] = {}  # by id
        self._issued: dict[str, int] = {}
        self._revoked: set[str] = set()
        self._lock = threading.RLock()

    def issue(
        self,
        name: str | None,
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
        """Create the token `name`, or another one in its place. The first value of a name is the same in every run.

        name: None for a token that was made on the page; then nobody can foretell its value.
        """
        now = int(self._clock.now())  # whole seconds, so that stored outputs repeat
        with self._lock:
            return self._keep(
                Token(
                    id=_id(secrets.token_hex() if name is None else f"named {name}"),
                    name=name,
                    role=role,
                    value=self._next_value(name, role),
                    created_at=now - age_days * 86_400,
                    display_name=display_name or f"{(name or 'page').replace('_', '-')}-token",
                    scopes=scopes,
                    global_permissions=global_permissions,
                    can_read_gated=can_read_gated,
                    oauth_scopes=oauth_scopes,
                    expires_at=None if lifetime_seconds is None else now + lifetime_seconds,
                    approval=approval,
                )
            )

    def refresh(self, which: str) -> Token:
        """Give the token a new value and keep its name and rights; the old value dies at once."""
        with self._lock:
            old = self[which]
            value = self._next_value(old.name, old.role)
            return self._keep(replace(old, value=value, created_at=self._clock.now(), last_used_at=None))

    def decide(self, which: str, approval: Approval) -> Token:
        """What the organisation's administrator says about this token.

        Raises ValueError once it was revoked: a denied token may be approved later, a revoked one never.
        Source: huggingface/hub-docs docs/hub/enterprise-tokens-management.md, 2026-08-22.
        """
        with self._lock:
            old = self[which]
            if old.approval == "revoked":
                raise ValueError(f"the organisation revoked {old.display_name!r} for good: create another token")
            return self._keep(replace(old, approval=approval))

    def delete(self, which: str) -> None:
        with self._lock:
            del self._tokens[self[which].id]

    def revoke(self, value: str) -> None:
        """Kill a value for good. Unknown values are ignored, so that nobody can use this to try values out."""
        if any(token.value == value for token in self.all()):
            self._revoked.add(value)

    def is_revoked(self, token: Token) -> bool:
        """Was its value reported as leaked? Until it is refreshed, the token is good for nothing."""
        return token.value in self._revoked

    def find(self, value: str) -> Token | None:
        """The token with this value, or None when it is unknown, revoked or expired."""
        token = next((token for token in self.all() if token.value == value), None)
        if token is None or self.is_revoked(token):
            return None
        expired = token.expires_at is not None and token.expires_at <= self._clock.now()
        return None if expired else token

    def use(self, value: str) -> Token | None:
        """Like `find`, and remember that the token was used just now."""
        with self._lock:
            token = self.find(value)
            return None if token is None else self._keep(replace(token, last_used_at=int(self._clock.now())))

    def all(self) -> list[Token]:
        """Every token, in the order of creation."""
        with self._lock:
            return list(self._tokens.values())

    def values(self) -> TokenValues:
        return TokenValues({token.name: token.value for token in self.all() if token.name is not None})

    def __getitem__(self, which: str) -> Token:
        found = next((token for token in self.all() if which in (token.id, token.name)), None)
        if found is None:
            raise KeyError(f"no token has the name or id {mask(which)!r}")
        return found

    def _keep(self, token: Token) -> Token:
        with self._lock:
            self._tokens[token.id] = token
        return token

    def _next_value(self, name: str | None, role: Role) -> str:
        if name is None:
            return _user_value("page", secrets.token_hex())
        generation = self._issued.get(name, 0)
        self._issued[name] = generation + 1
        return _oauth_value(name, generation) if role == "oauth" else _user_value(name, generation)


def _id(seed: str) -> str:
    """24 hexadecimal digits, as the Hub's other ids have."""
    return hashlib.sha256(f"token {seed}".encode()).hexdigest()[:24]


def _user_value(name: str, generation: int | str) -> str:
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
