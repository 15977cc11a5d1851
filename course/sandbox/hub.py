"""The Hub: what all its addresses have in common, whoami, and the revocation of leaked tokens."""

import json
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from course.sandbox.hub_repositories import Answerer, Routes, reading_routes, writing_routes
from course.sandbox.identity import whoami
from course.sandbox.injection import around
from course.sandbox.limits import Usage
from course.sandbox.pages import page_routes
from course.sandbox.permissions import NO_CREDENTIALS, Refusal
from course.sandbox.refusals import refused
from course.sandbox.tokens import Token
from course.sandbox.world import World, address_of


def hub_app(world: World) -> Starlette:
    """Left out: search, creating repositories, large uploads, Xet storage, OAuth; whatever no docstring here names."""
    reading: Routes = [("/api/whoami-v2", who_am_i), *reading_routes(), ("/{path:path}", not_found)]
    api = Starlette(
        routes=[
            Route("/api/credentials/revoke", _limited(world, None), methods=["POST"]),
            *(Route(path, _limited(world, how), methods=["POST"]) for path, how in writing_routes()),
            *(Route(path, _limited(world, how)) for path, how in reading),
        ]
    )
    # Planned faults are for programs: a page that somebody has open must not use them up.
    return Starlette(routes=[*page_routes(world), Mount("", around(world, "hub", api))])


def cdn_app(world: World) -> Starlette:
    """The store of large files, an origin of its own. It asks for no token: the address is the permission.

    Left out: addresses that are signed and expire, ranges.
    """

    async def content(request: Request) -> Response:
        wanted = request.path_params["sha256"]
        files = (file for repository in world.repositories.values() for file in repository.files.values())
        file = next((file for file in files if file.large and file.sha256 == wanted), None)
        if file is None:
            return JSONResponse({"error": "Not Found"}, 404)
        return Response(file.content, headers={"ETag": f'"{file.sha256}"', "Content-Type": "application/octet-stream"})

    return Starlette(routes=[Route("/{sha256}", content)])


def _limited(world: World, answerer: Answerer | None) -> Callable[[Request], Awaitable[Response]]:
    """What every address of the Hub has in common: rate limits and their headers, bad credentials."""

    async def answer(request: Request) -> Response:
        caller = world.identify(request)
        usage = world.count(request, is_user=isinstance(caller, Token))
        if usage.exceeded:
            response = _too_many_requests(usage, request, caller)
        elif answerer is None:
            response = await revoke(world, request)
        elif isinstance(caller, Refusal):
            response = refused(caller)
        else:
            response = await answerer(world, request, caller)
        response.headers.update(usage.headers())
        return response

    return answer


def _too_many_requests(usage: Usage, request: Request, caller: Token | Refusal | None) -> Response:
    """Texts: observed, third-party, 2025-2026. The Hub may also answer with an HTML page; this always answers JSON."""
    if isinstance(caller, Token):
        quota = f"{usage.quota} {usage.bucket} requests"
        message = f"We had to rate limit you, you hit the quota of {quota} per 5 minutes period."
    else:
        message = (
            f"We had to rate limit your IP ({address_of(request)}). To continue using our service, create a HF account "
            "or login to your existing account, and make sure you pass a HF_TOKEN if you're using the API."
        )
    return refused(Refusal(429, message))


async def who_am_i(world: World, request: Request, token: Token | None) -> Response:
    """GET /api/whoami-v2; sources in `identity`. Without a token: 401 with the text observed by third parties, 2026."""
    if token is None:
        return refused(Refusal(401, NO_CREDENTIALS))
    return JSONResponse(whoami(token, world.account))


async def revoke(world: World, request: Request) -> Response:
    """POST /api/credentials/revoke {"credentials": [...]}: kills leaked tokens, for anybody, always 202.

    Source: huggingface/hub-docs docs/hub/security-tokens.md, 2026-08-07. Left out: the e-mail to the owner.
    """
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    credentials = body.get("credentials") if isinstance(body, dict) else None
    for value in credentials if isinstance(credentials, list) else []:
        world.tokens.revoke(str(value))
    return JSONResponse({}, 202)


async def not_found(world: World, request: Request, token: Token | None) -> Response:
    """Any address that this Hub does not imitate; the text is the sandbox's own."""
    return refused(Refusal(404, "This sandbox has no such page. It imitates whoami, repositories and discussions."))
