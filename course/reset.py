"""Give a learner the blank of an exercise or of a notebook again; what was there is kept."""

import ast
import json
import re
from pathlib import Path
from typing import Any

from course.backups import keep
from course.definitions import read_cells
from course.exercises import Exercise, Lesson
from course.files import write_whole


def reset_lesson(folder: Path, lesson: Lesson) -> Path | None:
    """Replace the notebook of `lesson` in `folder` by its blank; return the copy of what was there, if any."""
    from course.notebooks import blank_notebook, dumps  # jupytext takes seconds to import: only here

    path = folder / f"{lesson.stem}.ipynb"
    copy = keep(path) if path.exists() else None
    write_whole(path, dumps(blank_notebook(lesson)))
    return copy


def reset_exercise(folder: Path, exercise: Exercise) -> Path:
    """Put the stub of `exercise` back into its notebook in `folder`; return the copy of what was there.

    Only the definition itself is replaced: what else stands in its cell stays. A cell that Python cannot read is
    replaced whole. If no cell defines it, a new one at the end does.
    Raises UnreadableNotebook.
    """
    path = folder / f"{exercise.lesson}.ipynb"
    sources = read_cells(path)
    copy = keep(path)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    meant = re.compile(rf"^\s*(?:async\s+)?(?:def|class)\s+{exercise.name}\b", re.MULTILINE)
    found = [number for number, source in enumerate(sources) if meant.search(source)]
    for number in found:
        _rewrite(notebook["cells"][number], _replaced(sources[number], exercise))
    if not found:
        notebook["cells"].append(_new_cell(exercise))
    write_whole(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return copy


def _replaced(source: str, exercise: Exercise) -> str:
    stub = _definition(exercise.stub, exercise.name)
    try:
        old = _definition(source, exercise.name)
    except SyntaxError:
        return exercise.stub.rstrip("\n")
    return source.replace(old, stub)


def _definition(source: str, name: str) -> str:
    """The text of the definition of `name` in `source`, decorators included; "" if it is nested somewhere."""
    lines = source.split("\n")
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return "\n".join(lines[first - 1 : node.end_lineno])
    raise SyntaxError(f"{name} is not defined at the top level of its cell")


def _rewrite(cell: dict[str, Any], source: str) -> None:
    cell.update(source=source, outputs=[], execution_count=None)


def _new_cell(exercise: Exercise) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": f"exercise-{exercise.id}",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": exercise.stub.rstrip("\n"),
    }
