"""The dated tables of data/, as a lesson reads them."""

import tomllib
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from course.errors import CourseError
from course.exercises import ROOT


class UnknownTable(CourseError, LookupError):  # a cause, named as people say it
    """There is no such table; the text names those that exist."""


def table(name: str) -> dict[str, Any]:
    """The content of data/`name`.toml. Each says where its facts come from and when. Raises UnknownTable."""
    path = ROOT / "data" / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in path.parent.glob("*.toml")))
        raise UnknownTable(f"There is no table {name!r}. There are: {known}.")
    return deepcopy(_parsed(path, path.stat().st_mtime_ns))


@cache  # a lesson is read anew at every check, and parsing its tables would be a quarter of that
def _parsed(path: Path, changed: int) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
