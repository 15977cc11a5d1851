"""The Hub's addresses of one repository: description, files, uploads, discussions."""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from course.sandbox.account import Account
from course.sandbox.commits import Announcement, BadCommit, files_after, upload_mode
from course.sandbox.discussions import Discussion, DiscussionRequest
from course.sandbox.identity import entity_id
from course.sandbox.permissions import (
    Refusal,
    no_such_repository,
    refuse_access_requests,
    refuse_discussing,
    refuse_reading,
    refuse_seeing,
    refuse_writing,
)
from course.sandbox.refusals import refused
from course.sandbox.repositories import PREFIXES, File, Repository
from course.sandbox.tokens import Token
from course.sandbox.world import World

Answerer = Callable[[World, Request, Token | None], Awaitable[Response]]
Routes = list[tuple[str, Answerer]]
_Gatekeeper = Callable[[Token | None, Repository, Account], Refusal | None]
_RepositoryAnswerer = Callable[[World, Request, Repository], Awaitable[Response]]


def reading_routes() -> Routes:
    """Answered to HEAD and GET."""
    routes: Routes = []
    for kind, prefix in PREFIXES.items():
        api = f"/api/{kind}s/{{owner}}/{{name}}"
        addresses: list[tuple[str, _Gatekeeper, _RepositoryAnswerer]] = [
            (f"{api}/auth-check", refuse_reading, auth_check),
            (f"{api}/auth-check/write", refuse_writing, auth_check),
            (f"{api}/revision/{{revision:path}}", refuse_seeing, describe),
            (f"{api}/tree/{{revision}}", refuse_seeing, tree),
            (f"{api}/tree/{{revision}}/{{path:path}}", refuse_seeing, tree),
            (f"{api}/discussions", refuse_seeing, list_discussions),
            (f"{api}/discussions/{{num:int}}", refuse_seeing, show_discussion),
            (f"{api}/user-access-request/{{status}}", refuse_access_requests, list_access_requests),
            (api, refuse_seeing, describe),
            (f"/api/{kind}s/{{name}}", refuse_seeing, describe),
            (f"/{prefix}{{owner}}/{{name}}/resolve/{{revision}}/{{path:path}}", refuse_reading, resolve),
            (f"/{prefix}{{name}}/resolve/{{revision}}/{{path:path}}", refuse_reading, resolve),
        ]
        routes += [(path, _for_repository(prefix, may, how)) for path, may, how in addresses]
    return routes


def writing_routes() -> Routes:
    """Answered to POST."""
    routes: Routes = [("/api/validate-yaml", validate_yaml)]
    for kind, prefix in PREFIXES.items():
        api = f"/api/{kind}s/{{owner}}/{{name}}"
        routes += [
            (f"{api}/preupload/{{revision}}", _for_repository(prefix, refuse_writing, preupload)),
            (f"{api}/commit/{{revision}}", _for_repository(prefix, refuse_writing, commit)),
            (f"{api}/discussions", _for_repository(prefix, refuse_discussing, open_discussion)),
        ]
    return routes


def _for_repository(prefix: str, gatekeeper: _Gatekeeper, answerer: _RepositoryAnswerer) -> Answerer:
    """Look the repository up and ask whether the caller may, before answering."""

    async def answer(world: World, request: Request, token: Token | None) -> Response:
        parts = request.path_params
        repository = world.repositories.get(f"{prefix}{parts.get('owner', '')}/{parts['name']}")
        if repository is None:
            return refused(no_such_repository(token))
        refusal = gatekeeper(token, repository, world.account)
        if refusal is None and not repository.knows_revision(parts.get("revision", "main")):
            refusal = Refusal(404, f"Invalid rev id: {parts['revision']}", "RevisionNotFound")
        return refused(refusal) if refusal is not None else await answerer(world, request, repository)

    return answer


async def auth_check(world: World, request: Request, repository: Repository) -> Response:
    """GET /api/{kind}s/{id}/auth-check[/write]. Source: huggingface_hub 2.4.0 hf_api.py; it reads the status only."""
    return Response(status_code=200)


async def describe(world: World, request: Request, repository: Repository) -> Response:
    """GET /api/{kind}s/{id} and .../revision/{revision}.

    Source: what huggingface_hub 2.4.0 reads in hf_api.py.
    Left out: card data, downloads, likes, the state of a Space, `expand`.
    """
    description = {
        "_id": entity_id(repository.kind, repository.id),
        "id": repository.id,
        "author": repository.owner,
        "sha": repository.commit,
        "private": repository.private,
        "gated": repository.gated,
        "disabled": repository.disabled,
        "tags": [],
        "siblings": [{"rfilename": path} for path in sorted(repository.files)],
    }
    return JSONResponse(description | ({"modelId": repository.id} if repository.kind == "model" else {}))


async def tree(world: World, request: Request, repository: Repository) -> Response:
    """GET /api/{kind}s/{id}/tree/{revision}[/{path}]?recursive=&expand= in one page.

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


async def resolve(world: World, request: Request, repository: Repository) -> Response:
    """HEAD and GET /{key}/resolve/{revision}/{path}: the file, or for a large one the way to its store.

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


async def validate_yaml(world: World, request: Request, token: Token | None) -> Response:
    """POST /api/validate-yaml, which the library asks before it uploads a README.md. Left out: looking at it.

    Source: huggingface_hub 2.4.0 hf_api.py.
    """
    return JSONResponse({"errors": [], "warnings": []})


async def preupload(world: World, request: Request, repository: Repository) -> Response:
    """POST /api/{kind}s/{id}/preupload/{revision}: how each file is to be sent.

    Source: huggingface_hub 2.4.0 _commit_api.py. 413 for a large file is the sandbox's own.
    """
    try:
        announced = Announcement.model_validate_json(await request.body())
        return JSONResponse({"files": [upload_mode(file, repository.files) for file in announced.files]})
    except BadCommit as error:
        return refused(Refusal(413, str(error)))
    except ValidationError:
        return refused(Refusal(400, 'The body is not of the form {"files": [{"path": str, "size": int}]}.'))


async def commit(world: World, request: Request, repository: Repository) -> Response:
    """POST /api/{kind}s/{id}/commit/{revision}: change files, in memory only.

    Source: huggingface_hub 2.4.0 _commit_api.py; the texts of bad requests are the sandbox's own.
    Left out: large files, commits as a pull request.
    """
    if "create_pr" in request.query_params:
        return refused(Refusal(400, "This sandbox makes no commits as pull requests. Leave create_pr out."))
    try:
        repository.replace_files(files_after(await request.body(), repository.files, repository.commit))
    except BadCommit as error:
        return refused(Refusal(400, str(error)))
    except ValueError:  # its text would repeat the content, which may be secret
        return refused(Refusal(400, 'The body is not one JSON object {"key": ..., "value": {...}} a line.'))
    url = f"{request.base_url}{repository.key}/commit/{repository.commit}"
    return JSONResponse({"success": True, "commitUrl": url, "commitOid": repository.commit, "hookOutput": ""})


async def list_discussions(world: World, request: Request, repository: Repository) -> Response:
    """GET /api/{kind}s/{id}/discussions in one page. Source: huggingface_hub 2.4.0 hf_api.py. Left out: filters."""
    rows = [discussion.as_row(repository.id, repository.kind) for discussion in repository.discussions]
    return JSONResponse({"discussions": rows, "count": len(rows), "start": 0})


async def show_discussion(world: World, request: Request, repository: Repository) -> Response:
    """GET /api/{kind}s/{id}/discussions/{num}. Source: huggingface_hub 2.4.0 hf_api.py; 404: the sandbox's own."""
    num = request.path_params["num"]
    if not 1 <= num <= len(repository.discussions):
        return refused(Refusal(404, f"{repository.id} has no discussion {num}"))
    return JSONResponse(repository.discussions[num - 1].as_page(repository.id, repository.kind))


async def open_discussion(world: World, request: Request, repository: Repository) -> Response:
    """POST /api/{kind}s/{id}/discussions. Source: huggingface_hub 2.4.0 hf_api.py; the 400 is the sandbox's own."""
    try:
        asked = DiscussionRequest.model_validate_json(await request.body())
    except ValidationError:
        return refused(Refusal(400, "A discussion needs a title of 3 to 200 characters."))
    discussion = Discussion(
        num=len(repository.discussions) + 1,
        title=asked.title,
        description=asked.description,
        author=world.account.name,
        created_at=world.clock.now(),
        is_pull_request=asked.pull_request,
    )
    repository.discussions.append(discussion)
    return JSONResponse(discussion.as_page(repository.id, repository.kind))


async def list_access_requests(world: World, request: Request, repository: Repository) -> Response:
    """GET /api/{kind}s/{id}/user-access-request/{status}: nobody has asked for access to the learner's repositories.

    Source: huggingface_hub 2.4.0 hf_api.py, which promises 400 where there is no gate. Left out: deciding on requests.
    """
    if not repository.gated:
        return refused(Refusal(400, f"{repository.id} is not gated, so nobody asks for access to it."))
    return JSONResponse([])
