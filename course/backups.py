"""Copies of notebooks, made before anything of ours replaces one, and the way back."""

import re
import shutil
from pathlib import Path

from course.errors import CourseError

FOLDER = ".backups"
_NAME = re.compile(r"(?P<stem>.+)\.(?P<number>\d{3,})\.ipynb")


class NoBackup(CourseError):
    """There is nothing to undo; the text says for which notebook."""


def keep(notebook: Path) -> Path:
    """Copy `notebook` into its folder's .backups/ under a new number; return the copy."""
    folder = notebook.parent / FOLDER
    folder.mkdir(exist_ok=True)
    number = 1 + max((_parts(path)[1] for path in _copies(folder, notebook.stem)), default=0)
    copy = folder / f"{notebook.stem}.{number:03d}.ipynb"
    shutil.copyfile(notebook, copy)
    return copy


def undo(folder: Path, stem: str | None = None) -> Path:
    """Put the newest copy (of notebook `stem`, or of any) back; return the notebook.

    The two change places, so a second undo takes the first one back. Raises NoBackup.
    """
    copies = _copies(folder / FOLDER, stem)
    if not copies:
        raise NoBackup(
            f"There is no backup {f'of {stem} ' if stem else ''}in {folder / FOLDER}: nothing was reset yet."
        )
    copy = max(copies, key=lambda path: (path.stat().st_mtime_ns, path.name))
    notebook = folder / f"{_parts(copy)[0]}.ipynb"
    aside = copy.with_suffix(".swap")
    shutil.copyfile(copy, aside)
    if notebook.exists():
        shutil.copyfile(notebook, copy)
    else:
        copy.unlink()
    aside.replace(notebook)
    return notebook


def _copies(folder: Path, stem: str | None) -> list[Path]:
    found = [path for path in folder.glob("*.ipynb") if _NAME.fullmatch(path.name)]
    return [path for path in found if stem in (None, _parts(path)[0])]


def _parts(copy: Path) -> tuple[str, int]:
    found = _NAME.fullmatch(copy.name)
    return (found["stem"], int(found["number"])) if found else (copy.stem, 0)
