"""Everything one sandbox knows. Hub, router and pages share it; no two sandboxes do."""

import base64
import binascii
from dataclasses import dataclass, field
from typing import get_args

from starlette.requests import Request

from course.masking import mask
from course.sandbox.account import Account
from course.sandbox.answers import Engine, Model, Script, load_models
from course.sandbox.clock import Clock
from course.sandbox.endpoints import Endpoints
from course.sandbox.faults import Fault, Side
from course.sandbox.limits import RateLimits, Usage, bucket_of
from course.sandbox.permissions import INVALID_CREDENTIALS, Refusal
from course.sandbox.plan import Faults, When
from course.sandbox.record import Recorder
from course.sandbox.repositories import Repository, load_repositories
from course.sandbox.tokens import Token, TokenStore
from course.sandbox.wire import Wire


@dataclass
class World:
    """The state of one sandbox. Known once the sockets are open:

    cdn_url: where large files are downloaded from. elsewhere_port: of the origin that redirects lead to.
    """

    account: Account
    clock: Clock = field(default_factory=Clock)
    repositories: dict[str, Repository] = field(default_factory=load_repositories)
    models: dict[str, Model] = field(default_factory=load_models)
    engine: Engine = field(default_factory=Script)
    faults: Faults = field(default_factory=Faults)
    cdn_url: str = ""
    elsewhere_port: int = 0

    def __post_init__(self) -> None:
        self.tokens = TokenStore(self.clock)
        self.limits = RateLimits(self.clock)
        self.recorder = Recorder(self.clock)
        self.wire = Wire(self.clock)
        self.endpoints = Endpoints(self.clock, self.account.name)

    def identify(self, request: Request) -> Token | Refusal | None:
        """Who calls: a token, None for nobody, or the refusal of credentials that are not good.

        A token also works as the password of HTTP Basic, as git sends it.
        Source: huggingface/hub-docs docs/hub/security-tokens.md, 2026-08-07; the message: huggingface_hub 2.4.0.
        """
        header = request.headers.get("authorization")
        if not header:
            return None
        token = self.tokens.use(_credentials(header))
        return Refusal(401, INVALID_CREDENTIALS) if token is None else token

    def count(self, request: Request, is_user: bool) -> Usage:
        """Count a request for the rate limits. All that the user does shares a count; others are told by address."""
        bucket = bucket_of(request.url.path)
        if is_user:
            return self.limits.count(f"user {self.account.name}", self.account.plan, bucket)
        return self.limits.count(f"ip {address_of(request)}", "anonymous", bucket)

    def plan_faults(self, faults: list[Fault], on: Side | None, client: str | None, when: When | None = None) -> None:
        """Plan `faults`. Raises ValueError for a side or a client that does not exist, as it would wait for ever."""
        if on not in (None, *get_args(Side)):
            raise ValueError(f"on is {on!r}; choose one of {', '.join(get_args(Side))}, or leave it out for both")
        self.faults.plan(faults, on, None if client is None else self._known_client(client), when)

    def client_name(self, request: Request) -> str | None:
        """The name of the token a request carries, good or not any more, else its id; None for anybody without one."""
        sent = _credentials(request.headers.get("authorization", ""))
        return next((token.name or token.id for token in self.tokens.all() if token.value == sent), None)

    def _known_client(self, client: str) -> str:
        try:
            token = self.tokens[client]
        except KeyError:
            known = ", ".join(token.name or token.id for token in self.tokens.all())
            raise ValueError(f"no token is called {mask(client)!r}; a client is one of {known}") from None
        return token.name or token.id


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _credentials(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "basic":
        return rest.strip() if scheme.lower() == "bearer" else ""
    try:
        return base64.b64decode(rest).decode("utf-8", "replace").partition(":")[2]
    except binascii.Error:
        return ""
