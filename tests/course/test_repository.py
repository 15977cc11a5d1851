"""What is true of the files of this repository as a whole."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from course.exercises import ROOT
from course.token_shapes import kinds_in

_NOT_OURS = {
    ".git",
    ".venv",
    ".build",
    "__pycache__",
    ".hypothesis",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    "node_modules",
    ".backups",
}
# Folders of one person or one machine. A name after the slash, so that prose may say "/home/".
_LOCAL_PATHS = re.compile(r"(?<![\w.~])/(?:home|Users)/\w+|(?<![\w.~])/(?:root|work)/[\w.]|[A-Z]:\\+Users\b")


def in_git() -> bool:
    return shutil.which("git") is not None and (ROOT / ".git").exists()


@cache
def tracked_files() -> list[Path]:
    """The files that git knows or would add; in a copy without git, all that are not built."""
    if in_git():
        command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
        paths = [ROOT / name for name in names if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not _NOT_OURS & set(path.relative_to(ROOT).parts)]
    return [path for path in paths if path.is_file() and path.name != ".env"]


def texts() -> list[tuple[str, str]]:
    return [
        (path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8", errors="replace"))
        for path in tracked_files()
    ]


def test_no_file_holds_a_token_shaped_string() -> None:
    found = [(name, kinds_in(text)) for name, text in texts() if kinds_in(text)]

    assert found == [], "make fakes short, or of x alone: scanners and readers must never have to wonder"


def test_no_file_names_a_folder_of_one_machine() -> None:
    found = [(name, path) for name, text in texts() for path in _LOCAL_PATHS.findall(text)]

    assert found == []


def test_the_search_for_local_paths_finds_them() -> None:
    for path in ("/home" + "/me/x", "/Users" + "/me", "/root" + "/.cache", "C:\\" + "Users\\me"):
        assert _LOCAL_PATHS.search(f"see {path}"), path


def test_the_file_with_the_token_is_ignored_by_git() -> None:
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    if in_git():
        ignored = subprocess.run(
            ["git", "-C", str(ROOT), "check-ignore", ".env", ".env.example"], capture_output=True, text=True
        )
        assert ignored.stdout.split() == [".env"], "the example must be committed, the real one never"


REQUIREMENT = re.compile(
    r"^(?P<name>[A-Za-z0-9_.-]+)==(?P<version>[^\s;]+)(?P<marker>\s*;[^#]*)?(?:\s+# (?P<reason>\S.+))?$"
)


def requirements() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("line", requirements(), ids=lambda line: line.partition("==")[0])
def test_a_requirement_is_pinned_reasoned_and_locked(line: str) -> None:
    parts = REQUIREMENT.match(line)

    assert parts is not None, f"not of the form name==version  # reason: {line}"
    assert parts["reason"], f"{parts['name']} has no reason"
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    locked = {re.split(r"[ ;]", entry)[0] for entry in lock}
    name = re.sub(r"[-_.]+", "-", parts["name"]).lower()
    assert f"{name}=={parts['version']}" in locked, "requirements.lock is stale; run: make lock"


def test_the_lock_names_no_index_and_no_cuda_package() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    assert "://" not in lock
    assert re.findall(r"^(?:nvidia|cuda|triton).*", lock, re.MULTILINE) == []
