"""Commits that come in over the Hub's API: what the body asks for, and the files that it leaves."""

import base64
from typing import Any, Literal

from pydantic import BaseModel

from course.sandbox.repositories import File

MOST_BYTES = 1_000_000  # of one file; the sandbox's own limit, far above what the course uploads


class BadCommit(ValueError):
    """A commit that cannot be made. Its text says why, with the path."""


class AnnouncedFile(BaseModel):
    """A file before its upload; size in bytes."""

    path: str
    size: int


class Announcement(BaseModel):
    """The body of /preupload. Left out: the sample of the content, .gitignore."""

    files: list[AnnouncedFile]


class _Operation(BaseModel):
    key: str
    value: dict[str, Any]


class _Deletion(BaseModel):
    path: str


class _Addition(BaseModel):
    path: str
    content: str
    encoding: Literal["base64"]


def upload_mode(announced: AnnouncedFile, present: dict[str, File]) -> dict[str, Any]:
    """What the library has to know before it uploads one file. Raises BadCommit for a large one.

    oid: name in git of the file that is there, so that an upload of the same content is skipped.
    """
    _refuse_large(announced.path, announced.size)
    there = present.get(announced.path)
    oid = None if there is None or there.large else there.blob_sha1
    return {"path": announced.path, "uploadMode": "regular", "shouldIgnore": False, "oid": oid}


def files_after(body: bytes, present: dict[str, File], head: str) -> dict[str, File]:
    """The files that a commit leaves. body: newline-delimited JSON, a header line and one line an operation.

    head: the commit that a `parentCommit` has to name. `present` is not changed.
    Raises BadCommit, or another ValueError for a body of another form.
    Source: huggingface_hub 2.4.0 _commit_api.py. Left out: large files (`lfsFile`).
    """
    files = dict(present)
    for line in body.splitlines():
        operation = _Operation.model_validate_json(line)
        if operation.key == "header":
            if operation.value.get("parentCommit") not in (None, head):
                raise BadCommit("The parent commit is not the newest one. Fetch the repository again.")
        elif operation.key == "file":
            added = _Addition.model_validate(operation.value)
            files[added.path] = File(added.path, _content(added))
        elif operation.key == "deletedFile":
            path = _Deletion.model_validate(operation.value).path
            if files.pop(path, None) is None:
                raise BadCommit(f"{path}: A file with this name doesn't exist")
        elif operation.key == "deletedFolder":
            folder = _Deletion.model_validate(operation.value).path.rstrip("/") + "/"
            files = {path: file for path, file in files.items() if not path.startswith(folder)}
        else:
            raise BadCommit(f"This sandbox does not know the operation {operation.key}; it takes no large files.")
    return files


def _content(added: _Addition) -> bytes:
    content = base64.b64decode(added.content, validate=True)
    _refuse_large(added.path, len(content))
    return content


def _refuse_large(path: str, size: int) -> None:
    if size > MOST_BYTES:
        most = f"{MOST_BYTES:,} bytes are the most"
        raise BadCommit(f"{path} has {size:,} bytes. This sandbox takes no large files (Git LFS, Xet): {most}.")
