"""Everything one sandbox knows. Hub, router and pages share it; no two sandboxes do."""

import base64
import binascii
from dataclasses import dataclass, field

from starlette.requests import Request

from course.sandbox.account import Account
from course.sandbox.answers import Model, Script, load_models
from course.sandbox.clock import Clock
from course.sandbox.faults import Faults
from course.sandbox.limits import RateLimits
from course.sandbox.permissions import INVALID_CREDENTIALS, Refusal
from course.sandbox.record import Recorder
from course.sandbox.repositories import Repository, load_repositories
from course.sandbox.tokens import Token, TokenStore


@dataclass
class World:
    """The state of one sandbox. cdn_url: where large files are downloaded from, known once the sockets are open."""

    account: Account
    clock: Clock = field(default_factory=Clock)
    repositories: dict[str, Repository] = field(default_factory=load_repositories)
    models: dict[str, Model] = field(default_factory=load_models)
    script: Script = field(default_factory=Script)
    faults: Faults = field(default_factory=Faults)
    cdn_url: str = ""

    def __post_init__(self) -> None:
        self.tokens = TokenStore(self.clock)
        self.limits = RateLimits(self.clock)
        self.recorder = Recorder(self.clock)

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


def _credentials(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "basic":
        return rest.strip() if scheme.lower() == "bearer" else ""
    try:
        return base64.b64decode(rest).decode("utf-8", "replace").partition(":")[2]
    except binascii.Error:
        return ""
