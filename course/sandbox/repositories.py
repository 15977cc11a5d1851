"""Sample repositories: real small files on disk, with the hashes that the Hub would give them."""

import hashlib
import tomllib
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from course.sandbox.discussions import Discussion

FOLDER = Path(__file__).parents[2] / "data" / "repositories"

RepositoryKind = Literal["model", "dataset", "space"]
# What stands before the id in the addresses of pages and files. Source: huggingface_hub 2.4.0 constants.py.
PREFIXES: dict[RepositoryKind, str] = {"model": "", "dataset": "datasets/", "space": "spaces/"}


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
    """A repository. gated: "auto", "manual" or False; granted: whether the user's request was accepted.

    kind: decides its addresses and which entity a token has to name. discussions: the first has the number 1.
    Left out: branches other than main; history: after a commit, the revision before is not served any more.
    """

    id: str
    files: dict[str, File] = field(repr=False)
    private: bool = False
    gated: str | bool = False
    granted: bool = False
    disabled: bool = False
    kind: RepositoryKind = "model"
    parent: str = ""
    discussions: list[Discussion] = field(default_factory=list, repr=False)

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    @property
    def key(self) -> str:
        """The path of its page on the Hub, the key it is kept under: two kinds may use the same id."""
        return PREFIXES[self.kind] + self.id

    @property
    def commit(self) -> str:
        """40 hexadecimal digits that change with any path, content or commit; not git's own commit hash."""
        listing = "".join(f"{path} {file.blob_sha1}\n" for path, file in sorted(self.files.items()))
        return _sha1(f"{self.parent}{self.key}\n{listing}".encode())

    def knows_revision(self, revision: str) -> bool:
        return revision in ("main", self.commit)

    def replace_files(self, files: dict[str, File]) -> None:
        """Make these the files of a new commit. In memory only: the folder they came from stays as it is."""
        self.parent, self.files = self.commit, files


def load_repositories(folder: Path = FOLDER) -> dict[str, Repository]:
    """Every repository named in `folder`/repositories.toml, by its key: "learner/notes", "datasets/learner/notes"."""
    table = tomllib.loads((folder / "repositories.toml").read_text(encoding="utf-8"))
    return {key: _repository(key, row, folder) for key, row in table.items()}


def _repository(key: str, row: dict[str, Any], folder: Path) -> Repository:
    large = row.pop("large_files", [])
    home = folder / row.pop("folder", key)
    files = {}
    for found in sorted(home.rglob("*")):
        if found.is_file():
            path = found.relative_to(home).as_posix()
            files[path] = _file(found, found.stat().st_mtime_ns, path, path in large)
    row.pop("about", None)
    fitting = (kind for kind, prefix in PREFIXES.items() if key.startswith(prefix))
    kind = max(fitting, key=lambda kind: len(PREFIXES[kind]))
    return Repository(key.removeprefix(PREFIXES[kind]), files, kind=kind, **row)  # an unknown key fails here, by name


@cache
def _file(source: Path, stamp: int, path: str, large: bool) -> File:
    """Read once for all sandboxes of a process. stamp: a file that has changed is read anew."""
    return File(path, source.read_bytes(), large)


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
