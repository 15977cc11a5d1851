"""Orders to a running sandbox over HTTP, below /_sandbox/: what `Sandbox` offers in Python, for all other programs.

These addresses are the sandbox's own. They are no part of its traffic and of no rate limit.
"""

import json
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from course.sandbox.pages import PageHeaders
from course.sandbox.pages.traffic import news, traffic
from course.sandbox.plan import read_script
from course.sandbox.world import World

PREFIX = "/_sandbox"
Handler = Callable[[World, Request], Awaitable[Response]]


def control_app(world: World) -> Starlette:
    """On the Hub's port."""
    routes: list[tuple[str, Handler, str]] = [
        ("/faults", show_faults, "GET"),
        ("/faults", plan_faults, "POST"),
        ("/faults", clear_faults, "DELETE"),
        ("/release", release, "POST"),
        ("/traffic", traffic, "GET"),
        ("/traffic/news", news, "GET"),
    ]
    # The page of the traffic asks for news of itself.
    headers = [Middleware(PageHeaders, more_policy="; connect-src 'self'")]
    guarded = [
        Route(PREFIX + path, partial(_own_orders_only, world, handler), methods=[method])
        for path, handler, method in routes
    ]
    return Starlette(routes=guarded, middleware=headers)


async def show_faults(world: World, request: Request) -> Response:
    """{"pending": [...], "used": [...]}, each fault as it is written in Python."""
    told = {"pending": world.faults.pending, "used": world.faults.used}
    return JSONResponse({name: [str(fault) for fault in faults] for name, faults in told.items()})


async def plan_faults(world: World, request: Request) -> Response:
    """POST a list as for `Sandbox.script`; faults are names or objects: [429, "Reset", {"fault": "Stall", "after": 1}].

    ?on=router and ?client=read stand in the query. Answers what is pending then; or 422 with the reason, and then
    nothing of the list is planned.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return _error(415, "Send the script as JSON, with the header Content-Type: application/json")
    on, client = request.query_params.get("on"), request.query_params.get("client")
    try:
        world.plan_faults(read_script(json.loads(await request.body())), on, client)  # type: ignore[arg-type]
    except json.JSONDecodeError as error:
        return _error(422, f"the body is no JSON: {error}")
    except ValueError as error:
        return _error(422, str(error))
    return await show_faults(world, request)


async def clear_faults(world: World, request: Request) -> Response:
    world.faults.clear()
    return await show_faults(world, request)


async def release(world: World, request: Request) -> Response:
    """Let the answers go that are held back now: {"released": how many}."""
    return JSONResponse({"released": await world.wire.gate.open(within_seconds=0)})


async def _own_orders_only(world: World, handler: Handler, request: Request) -> Response:
    """Refuse what a web page of somebody else sends from this machine's browser; such pages cannot hide their origin.

    That the Host is this machine is seen to before. GET changes nothing, and without CORS nobody else can read it.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{request.url.netloc}":
        return _error(403, "This comes from a page of another site. Orders come from this machine's own programs")
    return await handler(world, request)


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)
