"""Copies of notebooks, made before anything of ours replaces one, and the way back."""

import shutil
from pathlib import Path

FOLDER = ".backups"


class NoBackup(Exception):
    """There is nothing to undo; the text says for which notebook."""


def keep(notebook: Path) -> Path:
    """Copy `notebook` into its folder's .backups/ under a new number; return the copy."""
    folder = notebook.parent / FOLDER
    folder.mkdir(exist_ok=True)
    number = 1 + max((_number(path) for path in folder.glob(f"{notebook.stem}.*.ipynb")), default=0)
    copy = folder / f"{notebook.stem}.{number:03d}.ipynb"
    shutil.copyfile(notebook, copy)
    return copy


def undo(folder: Path, stem: str | None = None) -> Path:
    """Put the newest copy (of notebook `stem`, or of any) back; return the notebook.

    The two change places, so a second undo takes the first one back. Raises NoBackup.
    """
    copies = list((folder / FOLDER).glob(f"{stem or '*'}.*.ipynb"))
    if not copies:
        raise NoBackup(
            f"There is no backup {f'of {stem} ' if stem else ''}in {folder / FOLDER}: nothing was reset yet."
        )
    copy = max(copies, key=lambda path: (path.stat().st_mtime_ns, path.name))
    notebook = folder / f"{copy.name.rsplit('.', 2)[0]}.ipynb"
    aside = copy.with_suffix(".swap")
    shutil.copyfile(copy, aside)
    if notebook.exists():
        shutil.copyfile(notebook, copy)
    else:
        copy.unlink()
    aside.replace(notebook)
    return notebook


def _number(path: Path) -> int:
    digits = path.name.rsplit(".", 2)[1]
    return int(digits) if digits.isdigit() else 0
