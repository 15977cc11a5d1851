"""Which part of the sandbox answers a request: the port it came in on says so."""

from collections.abc import Sequence

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from course.sandbox.control import PREFIX, control_app
from course.sandbox.endpoint_app import endpoint_app
from course.sandbox.hub import cdn_app, hub_app
from course.sandbox.injection import around
from course.sandbox.router import router_app
from course.sandbox.sockets import LOOPBACK
from course.sandbox.world import World


def front(world: World, ports: Sequence[int]) -> ASGIApp:
    """One application for all sockets. ports: of Hub, router, file store, endpoints and elsewhere, in this order."""
    hub, router = hub_app(world), around(world, "router", router_app(world))
    control = control_app(world)

    async def elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
        """Another origin that is both, so that one sees what a redirected request is worth there."""
        await (router if scope["path"].startswith("/v1/") else hub)(scope, receive, send)

    parts: list[ASGIApp] = [hub, router, cdn_app(world), endpoint_app(world), elsewhere]
    by_port = dict(zip(ports, parts, strict=True))

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        await by_port[scope["server"][1]](scope, receive, send)

    # A web page elsewhere may point its own host name at 127.0.0.1; only these names are answered.
    guarded, orders = (TrustedHostMiddleware(part, allowed_hosts=[LOOPBACK, "localhost"]) for part in (choose, control))
    recorded = world.recorder.around(guarded)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Orders, and the looks of pages, are nothing that a reader of the traffic wants to see."""
        path = scope["path"] if scope["server"][1] == ports[0] else ""
        part = orders if path.startswith(f"{PREFIX}/") else guarded if path.startswith("/static/") else recorded
        await part(scope, receive, send)

    return app
