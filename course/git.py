"""Run git, either as a person has set it up or without any settings."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from course.errors import CourseError
from course.masking import mask


@dataclass(frozen=True)
class Answer:
    """What git answered. code: its exit code; output: its standard output, in bytes, as files in it may be anything."""

    code: int
    output: bytes = field(repr=False)

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", errors="replace")

    @property
    def names(self) -> list[str]:
        """The parts of an output that `-z` has parted, as Python itself names files: whatever bytes are in a name."""
        return [name for name in os.fsdecode(self.output).split("\0") if name]


class GitFailed(CourseError):
    """git is missing or refused; the text says which command and what git said."""


def git(
    folder: Path,
    *arguments: str,
    accept: tuple[int, ...] = (0,),
    plain: bool = True,
    variables: Mapping[str, str] | None = None,
) -> Answer:
    """Run git in `folder`. Raises GitFailed if either is missing, or git ends with another code than those in `accept`.

    plain: without anybody's global settings, templates and hooks, so that every machine answers the same.
    variables: of the environment, beside those that are there.
    """
    if not folder.is_dir():
        raise GitFailed(f"{folder} is no folder, so git cannot run there. Give it the folder of a repository.")
    options = ["-c", f"core.hooksPath={os.devnull}", "-c", "core.autocrlf=false"] if plain else []
    environment = (_plain_environment() if plain else dict(os.environ)) | dict(variables or {})
    try:
        ran = subprocess.run(["git", *options, *arguments], cwd=folder, env=environment, capture_output=True)
    except FileNotFoundError:
        raise GitFailed("git is not installed, or not on the PATH. Get it from git-scm.com, then try again.") from None
    if ran.returncode not in accept:
        said = ran.stderr.decode(errors="replace").strip() or "nothing"
        raise GitFailed(mask(f"`git {arguments[0]}` in {folder} ended with {ran.returncode} and said: {said}"))
    return Answer(ran.returncode, ran.stdout)


def _plain_environment() -> dict[str, str]:
    # A program that git itself has started inherits GIT_DIR and GIT_INDEX_FILE, which mean another repository.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return inherited | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_DEFAULT_HASH": "sha1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
