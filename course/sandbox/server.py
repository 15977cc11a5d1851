"""A running sandbox, as those see it who start it: addresses, state, faults, traffic."""

import socket
import weakref
from collections.abc import Sequence

from course.sandbox.account import Account
from course.sandbox.answers import Engine, Script
from course.sandbox.background import BackgroundServer
from course.sandbox.clock import Clock
from course.sandbox.endpoints import Endpoints
from course.sandbox.faults import Body, DateIn, Fault, Pass, Side
from course.sandbox.front import front
from course.sandbox.pages import TOKENS
from course.sandbox.plan import Faults, When, read_fault, read_script
from course.sandbox.repositories import Repository
from course.sandbox.sockets import open_socket, open_sockets, url_of
from course.sandbox.tokens import Scope as TokenScope
from course.sandbox.tokens import TokenStore, TokenValues
from course.sandbox.world import World
from course.traffic import Exchange


class Sandbox:
    """A running Hub and router. Made by `start`; also a context manager.

    url, router: addresses without a slash at the end; the router's API is below /v1. account, repositories: may be
    changed while it runs. token_store: issue, refresh, delete and revoke tokens. clock: moves when told to.
    refused_url: an address where nobody listens, kept from all others: connections to it are refused.
    elsewhere_url: another origin that answers as Hub and router do; the fault `Redirect("port")` leads there.
    """

    def __init__(self, world: World, port: int | None) -> None:
        self._world = world
        sockets, refusing = open_sockets(port), open_socket(0, listening=False)
        self.url, self.router, world.cdn_url, world.endpoints.origin, self.elsewhere_url = map(url_of, sockets)
        self.refused_url = url_of(refusing)
        world.elsewhere_port = sockets[-1].getsockname()[1]
        self._server = BackgroundServer(front(world, [opened.getsockname()[1] for opened in sockets]))
        self._server.start(sockets)
        # A notebook that runs `hub = sandbox.start()` again drops the first one, which then ends by itself.
        self._stop = weakref.finalize(self, _end, self._server, refusing)

    @property
    def account(self) -> Account:
        return self._world.account

    @property
    def settings_url(self) -> str:
        """The page "Access Tokens", for a browser on this machine."""
        return f"{self.url}{TOKENS}"

    @property
    def clock(self) -> Clock:
        return self._world.clock

    @property
    def repositories(self) -> dict[str, Repository]:
        return self._world.repositories

    @property
    def endpoints(self) -> Endpoints:
        """Its Inference Endpoints: `create` one, and the address of the API that manages them."""
        return self._world.endpoints

    @property
    def token_store(self) -> TokenStore:
        return self._world.tokens

    @property
    def tokens(self) -> TokenValues:
        """Token values by name: read, write, fine_grained, no_inference, revoked, pending, oauth."""
        return self._world.tokens.values()

    @property
    def requests(self) -> list[Exchange]:
        """Every request so far on Hub, router, file store and endpoints, in order of arrival, credentials masked."""
        return self._world.recorder.exchanges

    def forget(self) -> None:
        """Empty `requests`."""
        self._world.recorder.forget()

    @property
    def faults(self) -> Faults:
        """What is planned to go wrong (`pending`), what was used, and `clear()`."""
        return self._world.faults

    def fail_next(
        self,
        fault: Fault | int | str,
        *,
        times: int = 1,
        on: Side | None = None,
        client: str | None = None,
        when: When | None = None,
        body: Body = "usual",
        retry_after: float | str | DateIn | None = None,
        rate_limit: tuple[int, int] | None = None,
    ) -> None:
        """Let the next `times` requests fail: with a status (400 to 599), or with a fault of `sandbox.faults`.

        on: "hub" or "router", None for both. client: name or id of the token that the requests carry, None for anybody.
        when: asked of each request that this could concern; the fault waits for one of which it is true.
        body, retry_after, rate_limit: of a status, see `faults.Status`. Raises ValueError for what cannot be.
        """
        options = {"body": body, "retry_after": retry_after, "rate_limit": rate_limit}
        given = {name: value for name, value in options.items() if value not in (None, "usual")}
        failing = read_fault({"fault": "Status", "status": fault, **given} if isinstance(fault, int) else fault)
        if given and not isinstance(fault, int):
            raise ValueError(f"{', '.join(given)}: only with a status, such as Status(503, retry_after=2)")
        if isinstance(failing, Pass) or times < 1:
            raise ValueError(f"{failing} {times} times is no failure; to let requests pass, use script([200, ...])")
        self._world.plan_faults([failing] * times, on, client, when)

    def script(
        self, outcomes: Sequence[Fault | int | str], *, on: Side | None = None, client: str | None = None
    ) -> None:
        """Plan one outcome for each of the next requests, after what is planned already: [429, faults.Reset(), 200].

        200 is the ordinary answer. on, client: as in `fail_next`. Raises ValueError with the number of the bad entry.
        """
        self._world.plan_faults(read_script(outcomes), on, client)

    def release(self, within_seconds: float = 5) -> int:
        """Let all answers go that `faults.Hang` and `faults.Stall` hold back, and say how many there were.

        If there is none yet, wait for the first, in real time.
        """
        return self._server.run_coroutine(self._world.wire.gate.open(within_seconds))

    def stop(self) -> None:
        """Close all sockets and connections. Calling it twice is harmless."""
        self._stop()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"Sandbox(url={self.url!r}, router={self.router!r})"


def start(
    *,
    port: int | None = None,
    plan: str = "free",
    email_verified: bool = True,
    credit_usd: float = 0.10,
    engine: Engine | None = None,
) -> Sandbox:
    """Start a sandbox and return when it listens.

    port: of the Hub; without one a free port is taken. plan: a row of data/sandbox/rate_limits.toml. engine: answers in
    the place of the script, whichever model of the catalogue is asked: `local_model.load("tiny-gpt2")`; its name then
    stands in `system_fingerprint`. Raises PortInUse, and ValueError for an unknown plan.
    """
    account = Account(plan=plan, email_verified=email_verified, credit_usd=credit_usd)
    world = World(account, engine=engine or Script())
    if plan not in world.limits.quotas:
        raise ValueError(f"plan is {plan!r}; choose one of {', '.join(world.limits.quotas)}")
    _issue_tokens(world)
    return Sandbox(world, port)


def _issue_tokens(world: World) -> None:
    """One token for every situation the course speaks of."""
    user, organisation = world.account.name, world.account.organisation.name
    reading, calling = "repo.content.read", "inference.serverless.write"
    issue = world.tokens.issue
    issue("read", "read", age_days=400)
    issue("write", "write", age_days=200)
    issue("fine_grained", "fineGrained", age_days=30, can_read_gated=True,
          scopes=(TokenScope("user", user, (reading, calling)),))  # fmt: skip
    issue("no_inference", "fineGrained", age_days=20, scopes=(TokenScope("user", user, (reading,)),))
    issue("revoked", "read", age_days=90)
    issue("pending", "fineGrained", age_days=1, approval="pending",
          scopes=(TokenScope("org", organisation, (reading, calling)),))  # fmt: skip
    issue("oauth", "oauth", lifetime_seconds=8 * 3600,
          oauth_scopes=("openid", "profile", "email", "read-repos", "gated-repos", "inference-api"))  # fmt: skip
    world.tokens.revoke(world.tokens.values()["revoked"])


def _end(server: BackgroundServer, refusing: socket.socket) -> None:
    server.stop()
    refusing.close()
