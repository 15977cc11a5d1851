"""Give a learner the blank of an exercise or of a notebook again; what was there is kept."""

import json
from pathlib import Path
from typing import Any

from course.backups import keep
from course.cells import parse_cell, read_cells
from course.definitions import Definition, bodies, definitions, is_stub
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

    Only the definition itself is replaced: what else stands in its cell stays. If none is found, the one cell that
    Python cannot read and that was meant to define it becomes the stub; else a new cell at the end does.
    Raises UnreadableNotebook.
    """
    path = folder / f"{exercise.lesson}.ipynb"
    sources = read_cells(path)
    copy = keep(path)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    rewritten = {number: _with_stub(source, exercise) for number, source in enumerate(sources)}
    found = {number: source for number, source in rewritten.items() if source is not None}
    for number, source in (found or _only_broken(sources, exercise)).items():
        _rewrite(notebook["cells"][number], source)
    if not found and not _only_broken(sources, exercise):
        notebook["cells"].append(_new_cell(exercise))
    write_whole(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return copy


def _with_stub(source: str, exercise: Exercise) -> str | None:
    """`source` with every definition of the exercise at its top level made the stub; None if it has none.

    Where the exercise's cell has a second class to write, that becomes a stub as well.
    """
    try:
        parse_cell(source)
    except SyntaxError:
        return None
    stubs = {node.name: _text(exercise.stub, node) for node in _open_definitions(exercise.stub)}
    nodes = [node for node in _definitions(source) if node.name in stubs]
    if exercise.name not in {node.name for node in nodes}:
        return None
    lines = source.split("\n")
    for node in reversed(nodes):
        lines[_first_line(node) - 1 : node.end_lineno] = stubs[node.name]
    return "\n".join(lines)


def _only_broken(sources: list[str], exercise: Exercise) -> dict[int, str]:
    """The one cell that Python cannot read and that was meant to define the exercise, as its stub; {} if unsure."""
    broken = [cell.number - 1 for cell in definitions(sources, exercise.lesson).broken if cell.defines(exercise)]
    return {broken[0]: exercise.stub.rstrip("\n")} if len(broken) == 1 else {}


def _definitions(source: str) -> list[Definition]:
    return [node for node in parse_cell(source).body if isinstance(node, Definition)]


def _open_definitions(stub: str) -> list[Definition]:
    return [node for node in _definitions(stub) if any(map(is_stub, bodies(node)))]


def _text(source: str, node: Definition) -> list[str]:
    return source.split("\n")[_first_line(node) - 1 : node.end_lineno]


def _first_line(node: Definition) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


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
