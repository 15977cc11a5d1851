"""Sample repositories: real small files on disk, with the hashes that the Hub would give them."""

import hashlib
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "data" / "repositories"


@dataclass(frozen=True)
class File:
    """One file of a repository. large: kept in the Hub's large-file storage, so a download is redirected there."""

    path: str
    content: bytes = field(repr=False)
    large: bool = False

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def pointer(self) -> bytes:
        """What git itself keeps of a large file. Source: Git LFS specification, docs/spec.md."""
        lines = ("version https://git-lfs.github.com/spec/v1", f"oid sha256:{self.sha256}", f"size {len(self.content)}")
        return ("\n".join(lines) + "\n").encode()

    @cached_property
    def blob_sha1(self) -> str:
        """The file's name in git: SHA-1 over a short header and the content, or over the pointer of a large file."""
        stored = self.pointer if self.large else self.content
        return _sha1(b"blob %d\0" % len(stored) + stored)


@dataclass
class Repository:
    """A model repository. gated: "auto", "manual" or False; granted: whether the user's request was accepted.

    Left out: datasets, Spaces, branches other than main, history.
    """

    id: str
    files: dict[str, File] = field(repr=False)
    private: bool = False
    gated: str | bool = False
    granted: bool = False
    disabled: bool = False

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    @cached_property
    def commit(self) -> str:
        """40 hexadecimal digits that change with any path or content; not git's own commit hash."""
        listing = "".join(f"{path} {file.blob_sha1}\n" for path, file in sorted(self.files.items()))
        return _sha1(f"{self.id}\n{listing}".encode())

    def knows_revision(self, revision: str) -> bool:
        return revision in ("main", self.commit)


def load_repositories(folder: Path = FOLDER) -> dict[str, Repository]:
    """Every repository named in `folder`/repositories.toml, by id."""
    table = tomllib.loads((folder / "repositories.toml").read_text(encoding="utf-8"))
    return {repo_id: _repository(repo_id, row, folder) for repo_id, row in table.items()}


def _repository(repo_id: str, row: dict[str, str | bool | list[str]], folder: Path) -> Repository:
    root = folder / str(row.pop("folder", repo_id))
    large = row.pop("large_files", [])
    files = {}
    for found in sorted(root.rglob("*")):
        if found.is_file():
            path = found.relative_to(root).as_posix()
            files[path] = File(path, found.read_bytes(), large=isinstance(large, list) and path in large)
    row.pop("about", None)
    return Repository(repo_id, files, **row)  # type: ignore[arg-type]  # an unknown key fails here, by name


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
