"""The Hub: whoami, repositories, downloads and the revocation of leaked tokens."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from course.sandbox.identity import entity_id, whoami
from course.sandbox.limits import Usage, bucket_of
from course.sandbox.permissions import (
    NO_CREDENTIALS,
    Refusal,
    no_such_repository,
    refuse_reading,
    refuse_seeing,
    refuse_writing,
)
from course.sandbox.repositories import File, Repository
from course.sandbox.tokens import Token
from course.sandbox.world import World

Answerer = Callable[[World, Request, Token | None], Response]
Gatekeeper = Callable[..., Refusal | None]


def hub_app(world: World) -> Starlette:
    """Left out: datasets, Spaces, search, uploads, discussions, pages, Xet storage, OAuth."""
    model = "/api/models/{owner}/{name}"
    routes: list[tuple[str, Answerer]] = [
        ("/api/whoami-v2", who_am_i),
        (f"{model}/auth-check", _for_repository(refuse_reading, auth_check)),
        (f"{model}/auth-check/write", _for_repository(refuse_writing, auth_check)),
        (f"{model}/revision/{{revision:path}}", _for_repository(refuse_seeing, model_info)),
        (f"{model}/tree/{{revision}}", _for_repository(refuse_seeing, tree)),
        (f"{model}/tree/{{revision}}/{{path:path}}", _for_repository(refuse_seeing, tree)),
        (model, _for_repository(refuse_seeing, model_info)),
        ("/api/models/{name}", _for_repository(refuse_seeing, model_info)),
        ("/{owner}/{name}/resolve/{revision}/{path:path}", _for_repository(refuse_reading, resolve)),
        ("/{name}/resolve/{revision}/{path:path}", _for_repository(refuse_reading, resolve)),
        ("/{path:path}", not_found),
    ]
    revoking = Route("/api/credentials/revoke", _limited(world, None), methods=["POST"])
    return Starlette(routes=[revoking, *(Route(path, _limited(world, how)) for path, how in routes)])


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
        usage = count_request(world, request, caller)
        if usage.exceeded:
            response = _too_many_requests(usage, request, caller)
        elif answerer is None:
            response = await revoke(world, request)
        elif isinstance(caller, Refusal):
            response = refused(caller)
        else:
            response = answerer(world, request, caller)
        response.headers.update(usage.headers())
        return response

    return answer


def count_request(world: World, request: Request, caller: Token | Refusal | None) -> Usage:
    """One user's tokens share one count; callers without a good token are counted by address."""
    bucket = bucket_of(request.url.path)
    if isinstance(caller, Token):
        return world.limits.count(f"user {world.account.name}", world.account.plan, bucket)
    return world.limits.count(f"ip {_address(request)}", "anonymous", bucket)


def _too_many_requests(usage: Usage, request: Request, caller: Token | Refusal | None) -> Response:
    """Texts: observed, third-party, 2025-2026. The Hub may also answer with an HTML page; this always answers JSON."""
    if isinstance(caller, Token):
        quota = f"{usage.quota} {usage.bucket} requests"
        message = f"We had to rate limit you, you hit the quota of {quota} per 5 minutes period."
    else:
        message = (
            f"We had to rate limit your IP ({_address(request)}). To continue using our service, create a HF account "
            "or login to your existing account, and make sure you pass a HF_TOKEN if you're using the API."
        )
    return refused(Refusal(429, message))


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def refused(refusal: Refusal) -> JSONResponse:
    """A refusal as the Hub words it: the message in the body and in X-Error-Message, its kind in X-Error-Code.

    Source: the headers that huggingface_hub 2.4.0 reads in utils/_http.py. The library takes a bare 401 for "repository
    not found" only on https addresses, so this server has to send the code where the real one may leave it out.
    """
    headers = {"X-Error-Message": refusal.message}
    if refusal.code is not None:
        headers["X-Error-Code"] = refusal.code
    return JSONResponse({"error": refusal.message}, refusal.status, headers)


def who_am_i(world: World, request: Request, token: Token | None) -> Response:
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


def _for_repository(gatekeeper: Gatekeeper, answerer: Callable[[World, Request, Repository], Response]) -> Answerer:
    """Look the repository up and ask whether the caller may, before answering."""

    def answer(world: World, request: Request, token: Token | None) -> Response:
        parts = request.path_params
        repository = world.repositories.get(f"{parts.get('owner', '')}/{parts['name']}")
        if repository is None:
            return refused(no_such_repository(token))
        refusal = gatekeeper(token, repository, world.account)
        if refusal is None and not repository.knows_revision(parts.get("revision", "main")):
            refusal = Refusal(404, f"Invalid rev id: {parts['revision']}", "RevisionNotFound")
        return answerer(world, request, repository) if refusal is None else refused(refusal)

    return answer


def auth_check(world: World, request: Request, repository: Repository) -> Response:
    """GET /api/models/{id}/auth-check[/write]. Source: huggingface_hub 2.4.0 hf_api.py; it reads the status only."""
    return Response(status_code=200)


def model_info(world: World, request: Request, repository: Repository) -> Response:
    """GET /api/models/{id} and .../revision/{revision}.

    Source: what huggingface_hub 2.4.0 reads in hf_api.py. Left out: card data, downloads, likes, `expand`.
    """
    return JSONResponse(
        {
            "_id": entity_id("model", repository.id),
            "id": repository.id,
            "modelId": repository.id,
            "author": repository.owner,
            "sha": repository.commit,
            "private": repository.private,
            "gated": repository.gated,
            "disabled": repository.disabled,
            "tags": [],
            "siblings": [{"rfilename": path} for path in sorted(repository.files)],
        }
    )


def tree(world: World, request: Request, repository: Repository) -> Response:
    """GET /api/models/{id}/tree/{revision}[/{path}]?recursive=&expand= in one page.

    Source: huggingface_hub 2.4.0 hf_api.py. Left out: further pages (header Link), security scans, Xet hashes.
    """
    folder = request.path_params.get("path", "").strip("/")
    inside = f"{folder}/" if folder else ""
    files = [file for path, file in sorted(repository.files.items()) if path.startswith(inside)]
    if folder and not files:
        return refused(Refusal(404, f'{folder} does not exist on "{request.path_params["revision"]}"', "EntryNotFound"))
    recursive, expand = (
        request.query_params.get(name, "").lower() in ("true", "1") for name in ("recursive", "expand")
    )
    rows: dict[str, dict[str, Any]] = {}
    for file in files:
        first, _, deeper = file.path.removeprefix(inside).partition("/")
        if deeper:
            rows.setdefault(
                inside + first, {"type": "directory", "oid": repository.commit, "size": 0, "path": inside + first}
            )
        if recursive or not deeper:
            rows[file.path] = _file_row(file)
    last_commit = {"id": repository.commit, "title": "Add files", "date": "2026-11-02T09:00:00.000Z"}
    return JSONResponse([row | ({"lastCommit": last_commit} if expand else {}) for row in rows.values()])


def _file_row(file: File) -> dict[str, Any]:
    row: dict[str, Any] = {"type": "file", "oid": file.blob_sha1, "size": len(file.content), "path": file.path}
    if file.large:
        row["lfs"] = {"oid": file.sha256, "size": len(file.content), "pointerSize": len(file.pointer)}
    return row


def resolve(world: World, request: Request, repository: Repository) -> Response:
    """HEAD and GET /{id}/resolve/{revision}/{path}: the file, or for a large one the way to its store.

    Source: huggingface_hub 2.4.0 file_download.py. Left out: Xet headers, ranges, the redirect of small files.
    """
    file = repository.files.get(request.path_params["path"])
    headers = {"X-Repo-Commit": repository.commit}
    if file is None:
        answer = refused(Refusal(404, "Entry not found", "EntryNotFound"))
        answer.headers.update(headers)
        return answer
    if not file.large:
        return Response(file.content, headers=headers | {"ETag": f'"{file.blob_sha1}"'}, media_type="text/plain")
    headers |= {
        "Location": f"{world.cdn_url}/{file.sha256}",
        "X-Linked-Etag": f'"{file.sha256}"',
        "X-Linked-Size": str(len(file.content)),
        "ETag": f'"{file.blob_sha1}"',
    }
    return Response(b"", 302, headers)


def not_found(world: World, request: Request, token: Token | None) -> Response:
    """Any address that this Hub does not imitate; the text is the sandbox's own."""
    return refused(Refusal(404, "This sandbox has no such page. It imitates whoami, models and downloads."))
