"""Which blank notebooks were ever shipped: the way to tell a learner's work from ours."""

import hashlib
import json
from pathlib import Path
from typing import Any

from course.files import write_whole


def fingerprint(notebook: Any) -> str:
    """A mark of what a person can write into a notebook: cells with their kind, text and attachments.

    notebook: a notebook, or the path of one. Outputs and counters do not matter. A file that is no notebook gets the
    mark of its bytes, which is never that of a blank.
    """
    if isinstance(notebook, Path):
        raw = notebook.read_bytes()
        try:
            notebook = json.loads(raw)
            cells = [_written(cell) for cell in notebook["cells"]]
        except (ValueError, KeyError, TypeError):
            return hashlib.sha256(raw).hexdigest()[:16]
    else:
        cells = [_written(cell) for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()[:16]


def _written(cell: Any) -> list[Any]:
    return [cell["cell_type"], "".join(cell["source"]), cell.get("attachments", {})]


class Shipped:
    """The list in data/shipped.json: the fingerprints of each lesson's blanks, oldest first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[str]] = json.loads(path.read_text()) if path.exists() else {}

    def has(self, stem: str, mark: str) -> bool:
        """Whether `mark` is that of a blank we shipped."""
        return mark in self._known.get(stem, [])

    def add(self, stem: str, mark: str) -> None:
        """Remember `mark`; written at once."""
        if not self.has(stem, mark):
            self._known.setdefault(stem, []).append(mark)
            write_whole(self._path, json.dumps(self._known, indent=1, sort_keys=True) + "\n")
