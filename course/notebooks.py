"""Build notebooks/ and solutions/ from lessons/. A learner's notebook is never overwritten."""

import base64
import hashlib
import io
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

from course.exercises import ROOT, Lesson, all_lessons, blank, has_solution, solved
from course.files import write_whole
from course.proxy import export_solution
from course.shipped import Shipped, fingerprint

# The one part of an output that differs from run to run. nbval compares with the same replacement.
PORT = re.compile(r"(127\.0\.0\.1):\d+")
# Numpy takes other instructions on another processor, and a logarithm may then end in another last bit: a curve moves
# by less than anybody sees, and some pixels by 1 of 255.
_ROUNDING = 4
# nbval's own mark for a cell whose output it must not compare. What a machine measures is shown, and not stored.
MEASURED = "# NBVAL_IGNORE_OUTPUT"
_KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
_LANGUAGE = {"language_info": {"name": "python"}}


def build(root: Path = ROOT, say: Callable[[str], None] = print) -> None:
    """Write both notebooks of every lesson that changed; `say` gets one line for each file written or kept."""
    shipped = Shipped(root / "data" / "shipped.json")
    for lesson in all_lessons():
        _build_blank(root, lesson, shipped, say)
        _build_solved(root, lesson, say)
    if told := export_solution(root):
        say(told)


def blank_notebook(lesson: Lesson) -> Any:
    """The learner's notebook of `lesson`: no solution, no output."""
    return _notebook(lesson, blank)


def solved_notebook(lesson: Lesson) -> Any:
    """The solution notebook of `lesson`, not yet run."""
    return _notebook(lesson, lambda source, _: solved(source))


def dumps(notebook: Any) -> str:
    """The bytes of a notebook file: sorted keys, one space, a final newline."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _notebook(lesson: Lesson, transform: Callable[[str, str], str]) -> Any:
    parsed = jupytext.reads(_text(lesson), fmt="py:percent")
    exercises = iter(lesson.exercises)
    cells: list[Any] = []
    for cell in parsed.cells:
        if "hint" in cell.metadata or "explanation" in cell.metadata:
            continue
        if cell.cell_type == "code":
            source = cell.source + "\n"
            cell.source = transform(source, next(exercises).id if has_solution(source) else "").rstrip("\n")
        cells.append(_plain(cell, len(cells) + 1))
    return nbformat.v4.new_notebook(cells=cells, metadata=_KERNEL | _LANGUAGE)


def _plain(cell: Any, number: int) -> Any:
    make = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
    return make(cell.source, id=f"cell-{number:03d}", metadata={})


def _text(lesson: Lesson) -> str:
    return (ROOT / "lessons" / f"{lesson.stem}.py").read_text(encoding="utf-8")


def _build_blank(root: Path, lesson: Lesson, shipped: Shipped, say: Callable[[str], None]) -> None:
    notebook = blank_notebook(lesson)
    mark = fingerprint(notebook)
    path = root / "notebooks" / f"{lesson.stem}.ipynb"
    for target in _places(path):
        old = fingerprint(target) if target.exists() else None
        if old == mark:
            break
        if old is None or shipped.has(lesson.stem, old):
            write_whole(target, dumps(notebook))
            say(f"wrote {target.relative_to(root)}")
            break
        say(f"kept  {target.relative_to(root)}: it holds a learner's work")
    shipped.add(lesson.stem, mark)


def _places(path: Path) -> Iterator[Path]:
    yield path
    yield path.with_suffix(".new.ipynb")
    number = 2
    while True:
        yield path.with_suffix(f".new{number}.ipynb")
        number += 1


def _build_solved(root: Path, lesson: Lesson, say: Callable[[str], None]) -> None:
    path = root / "solutions" / f"{lesson.stem}.ipynb"
    stamp = root / ".build" / f"{lesson.stem}.sha256"
    inputs = _inputs(root, lesson)
    if path.exists() and stamp.exists() and stamp.read_text() == inputs + _digest(path):
        return
    notebook = solved_notebook(lesson)
    with TemporaryDirectory() as folder:  # what a notebook writes beside itself is no part of the build
        _execute(notebook, folder)
    with suppress(OSError, ValueError):  # none yet, or one with the marks of a merge in it
        keep_pictures(notebook, json.loads(path.read_text(encoding="utf-8")))
    write_whole(path, dumps(notebook))
    write_whole(stamp, inputs + _digest(path))
    say(f"ran   {path.relative_to(root)}")


def _execute(notebook: Any, folder: str) -> None:
    os.environ.pop("HF_TOKEN", None)  # a stored output must not depend on whose machine built it
    os.environ["ROOM_SEED"] = "course"
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": folder}},
    )
    client.execute(stderr=subprocess.DEVNULL)  # the kernel's own notices; errors of cells are raised
    notebook.metadata = nbformat.from_dict(_KERNEL | _LANGUAGE)
    for cell in notebook.cells:
        if cell.source.startswith(MEASURED):
            cell.outputs = []
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = PORT.sub(r"\1:8000", output["text"])


def keep_pictures(notebook: Any, stored: Any) -> None:
    """Put each picture of `stored` back into `notebook` where nobody can tell the two apart, so the bytes stay."""
    before = {"".join(cell["source"]): cell.get("outputs", []) for cell in stored["cells"]}
    for cell in notebook["cells"]:
        for output, old in zip(cell.get("outputs", []), before.get(cell["source"], []), strict=False):
            new_png, old_png = (each.get("data", {}).get("image/png") for each in (output, old))
            if new_png and old_png and _look_alike(*map(base64.b64decode, (new_png, old_png))):
                output["data"]["image/png"] = old_png


def _look_alike(one: bytes, other: bytes) -> bool:
    from PIL import Image, ImageChops

    first, second = (Image.open(io.BytesIO(png)).convert("RGBA") for png in (one, other))
    return first.size == second.size and max(ImageChops.difference(first, second).tobytes()) <= _ROUNDING


def _inputs(root: Path, lesson: Lesson) -> str:
    # Whatever can change an output of this lesson: its checks, all of the package, what the sandbox serves, what is
    # installed. A list of the modules that a kernel imports would be shorter, and one day wrong.
    files = [root / "lessons" / f"{lesson.stem}.py", root / "tests" / f"test_{lesson.stem}.py"]
    files += sorted(path for path in (root / "course").rglob("*.py") if "node_modules" not in path.parts)
    files += sorted(path for path in (root / "data").rglob("*") if path.is_file() and path.name != "shipped.json")
    files += [root / "requirements.lock", root / "deployment/Dockerfile", root / "deployment/kubernetes/proxy.yaml"]
    return hashlib.sha256("".join(_digest(path) for path in files).encode()).hexdigest()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
