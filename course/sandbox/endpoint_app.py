"""Inference Endpoints over HTTP: the management API below /v2, and each endpoint at an address of its own.

Bodies of refusals, unless a docstring says otherwise: observed, third-party, 2026-10-10. Left out: planned faults and
rate limits; the API's lists of hardware and of providers, updates, logs.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from course.sandbox.chat import ChatRequest, invalid_parameter, openai_error, respond
from course.sandbox.deployment import BadDeployment, read_deployment
from course.sandbox.endpoint import Endpoint
from course.sandbox.permissions import CALL_ENDPOINTS, MANAGE_ENDPOINTS, Refusal, refuse_endpoints
from course.sandbox.world import World

_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]
Handler = Callable[[World, Request], Awaitable[Response]]


def endpoint_app(world: World) -> Starlette:
    routes: list[tuple[str, Handler, list[str]]] = [
        ("/v2/endpoint/{namespace}", create, ["POST"]),
        ("/v2/endpoint/{namespace}", list_all, ["GET"]),
        ("/v2/endpoint/{namespace}/{name}", show, ["GET"]),
        ("/v2/endpoint/{namespace}/{name}", delete, ["DELETE"]),
        ("/v2/endpoint/{namespace}/{name}/{order}", order, ["POST"]),
        ("/{endpoint_id}/{path:path}", serve, _ANY),
    ]
    return Starlette(routes=[Route(path, partial(handler, world), methods=how) for path, handler, how in routes])


# --- management -----------------------------------------------------------------------------------------------


async def create(world: World, request: Request) -> Response:
    """Source: huggingface_hub 2.4.0 hf_api.py. Statuses of the answers are the sandbox's own, here and below."""
    namespace = request.path_params["namespace"]
    refusal = _refuse(world, request, MANAGE_ENDPOINTS, namespace)
    if refusal is not None:
        return refusal
    try:
        made = world.endpoints.add(read_deployment(json.loads(await request.body())), namespace)
    except json.JSONDecodeError:
        return _error(400, "BAD_REQUEST", "Bad Request: the body is no JSON")
    except BadDeployment as bad:
        return _error(400, "BAD_REQUEST", f"Bad Request: {bad}")
    return JSONResponse(made.as_json())


async def list_all(world: World, request: Request) -> Response:
    namespace = request.path_params["namespace"]
    refusal = _refuse(world, request, MANAGE_ENDPOINTS, namespace)
    return refusal or JSONResponse({"items": [each.as_json() for each in world.endpoints.of(namespace)]})


async def show(world: World, request: Request) -> Response:
    found = _find(world, request)
    return JSONResponse(found.as_json()) if isinstance(found, Endpoint) else found


async def delete(world: World, request: Request) -> Response:
    found = _find(world, request)
    if isinstance(found, Endpoint):
        world.endpoints.delete(found)
        return Response(status_code=202)
    return found


async def order(world: World, request: Request) -> Response:
    """Pause, resume, scale-to-zero. Resuming what runs: 400 with the words that huggingface_hub 2.4.0 looks for."""
    found = _find(world, request)
    if not isinstance(found, Endpoint):
        return found
    orders = {"pause": found.pause, "resume": found.resume, "scale-to-zero": found.scale_to_zero}
    carry_out = orders.get(request.path_params["order"])
    if carry_out is None:
        return _error(404, "NOT_FOUND", "404 Not Found")
    try:
        carry_out()
    except BadDeployment as bad:
        return _error(400, "BAD_REQUEST", f"Bad Request: {bad}")
    return JSONResponse(found.as_json())


# --- serving --------------------------------------------------------------------------------------------------


async def serve(world: World, request: Request) -> Response:
    """One request to an endpoint. Who may not call it does not wake it.

    Asleep or starting: 503 at once, without Retry-After; with the header X-Scale-Up-Timeout it is held until a replica
    is ready, or for that many seconds (documented; the 503 at their end, and a header that is no number, which counts
    as none, are the sandbox's own). Paused: 400. Failed: 503, the sandbox's own.
    """
    endpoint = world.endpoints.at(request.path_params["endpoint_id"])
    if endpoint is None:
        return _error(404, "NOT_FOUND", "404 Not Found")
    if endpoint.deployment.type == "authenticated":
        refusal = _refuse(world, request, CALL_ENDPOINTS, endpoint.namespace)
        if refusal is not None:
            return refusal
    endpoint.use()
    patience = request.headers.get("x-scale-up-timeout", "")
    if patience.isdecimal() and endpoint.state in ("pending", "initializing"):
        await _hold(world, request, endpoint, int(patience))
    if endpoint.state == "paused":
        told = "Bad Request: The endpoint is paused, ask a maintainer to restart it"
        return _error(400, "BAD_REQUEST", told)
    if endpoint.state != "running":
        return _error(503, "SERVICE_UNAVAILABLE", "503 Service Unavailable")
    return await _answer(world, request, endpoint)


async def _hold(world: World, request: Request, endpoint: Endpoint, seconds: int) -> None:
    """Wait on the sandbox's clock until the endpoint runs, cannot run any more, or the time is up; or the client left.

    The clock tells nobody when it is moved, so it is looked at fifty times a second.
    """
    ends_at = world.clock.now() + seconds
    await request.body()  # from here on, all that can be received is that the client left
    gone = asyncio.ensure_future(request.receive())
    while not gone.done() and endpoint.state in ("pending", "initializing"):
        left = min(endpoint.seconds_to_ready(), ends_at - world.clock.now())
        if left <= 0:
            break
        if endpoint.skips_waits:
            world.clock.advance(left)
        else:
            await asyncio.wait({gone}, timeout=min(left, 0.02))
    gone.cancel()


async def _answer(world: World, request: Request, endpoint: Endpoint) -> Response:
    """What runs inside: vLLM. Its model is called as the repository (observed); the documentation also has the
    endpoint's name, so both are good here, and any other is vLLM's 404. The answers are those of the sandbox's engine.
    """
    repository, path = endpoint.deployment.model.repository, request.path_params["path"]
    if path == "health":
        return Response()
    if path == "v1/models":
        model = {"id": repository, "object": "model", "created": int(world.clock.start), "owned_by": "vllm"}
        return JSONResponse({"object": "list", "data": [model]})
    if path != "v1/chat/completions" or request.method != "POST":
        return JSONResponse({"detail": "Not Found"}, 404)
    try:
        asked = ChatRequest.model_validate_json(await request.body())
    except ValidationError as error:
        return invalid_parameter(error)
    if asked.model not in (repository, endpoint.name):
        return openai_error(404, f"The model `{asked.model}` does not exist.", "model", "NotFoundError")
    return await respond(request, asked, asked.model, world.engine, world.clock.now(), lambda _: None)


# --- both -----------------------------------------------------------------------------------------------------


def _find(world: World, request: Request) -> Endpoint | Response:
    name, namespace = request.path_params["name"], request.path_params["namespace"]
    refusal = _refuse(world, request, MANAGE_ENDPOINTS, namespace)
    found = world.endpoints.find(name, namespace)
    return refusal or found or _error(404, "NOT_FOUND", f"404 Not Found: there is no endpoint {name}")


def _refuse(world: World, request: Request, permission: str, namespace: str) -> Response | None:
    """401 without a good token, on every address. 403 for one without the right: the sandbox's own."""
    request.state.note(client=world.client_name(request))
    caller = world.identify(request)
    if caller is None or isinstance(caller, Refusal):
        return _error(401, "UNAUTHORIZED", "401 Unauthorized")
    refusal = refuse_endpoints(caller, permission, namespace, world.account)
    return None if refusal is None else _error(refusal.status, "FORBIDDEN", refusal.message)


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": message, "code": code}, status)
