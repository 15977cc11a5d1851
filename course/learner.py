"""A learner's names for testing one exercise: from a notebook file, or from a running kernel."""

import ast
import inspect
import linecache
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType
from typing import Any

from course.cells import BrokenCell, UnreadableNotebook, read_cells
from course.checks import ENDLESS, UNREADABLE, Source, Unfinished, Verdict, todo
from course.definitions import (
    Definition,
    Definitions,
    beyond,
    bodies,
    definitions,
    execute,
    is_stub,
    lesson_definitions,
    new_namespace,
)
from course.exercises import Exercise, find_lesson
from course.limit import TimeLimit, limited
from course.masking import mask

NOT_RUN = "{0} is not defined in this kernel: run the cells above (Run > Run All Above Selected Cell), then {1}."
_STUB_IN_KERNEL = "{0} is still the stub in this kernel: write it, run its cell, then check again."
_NOT_THERE = "no cell defines {0} with `def` or `class` at the left margin; `make reset EX={1}` puts its stub back."


def from_notebooks(folder: Path) -> Source:
    """Names as the notebooks in `folder` define them, laid over the lesson's own.

    So whatever a learner has not begun, except the exercise under test, comes from the solution.
    """

    def source(exercise: Exercise, alone: bool = False) -> dict[str, Any]:
        try:
            theirs = definitions(read_cells(folder / f"{exercise.lesson}.ipynb"), f"{exercise.lesson}.ipynb")
        except UnreadableNotebook as error:
            raise Unfinished(Verdict(exercise.id, "wrong", UNREADABLE, str(error))) from None
        _refuse_unfinished(exercise, theirs)
        others = [other.name for other in find_lesson(exercise.lesson).exercises if other.id != exercise.id]
        lent = [name for name in others if _is_lent(theirs.defining(name))]
        if alone and lent == others:
            return {}
        ours = _solved(exercise)  # outside of the limit: what a lesson imports may take seconds the first time
        try:
            return limited(lambda: _overlay(exercise, theirs, others if alone else lent, ours))
        except TimeLimit as error:
            message = f"Seen:  the notebook's own definitions were {error}\nDue:   they are made at once"
            raise Unfinished(Verdict(exercise.id, "wrong", ENDLESS, message)) from None

    return source


@contextmanager
def from_kernel(user_namespace: dict[str, Any]) -> Iterator[Source]:
    """Names as a kernel holds them. What is not begun is lent from the solution, and taken back on leaving.

    So a check changes nothing in the kernel.
    """
    before = dict(user_namespace)

    def source(exercise: Exercise, alone: bool = False) -> dict[str, Any]:
        if exercise.name not in before:
            raise Unfinished(todo(exercise, NOT_RUN.format(exercise.name, "its own")))
        if _is_open(before[exercise.name], exercise.name, all):
            raise Unfinished(todo(exercise, _STUB_IN_KERNEL.format(exercise.name)))
        lesson = find_lesson(exercise.lesson)
        others = {other.name for other in lesson.exercises} - {exercise.name}
        lent = {name for name in others if _is_open(before.get(name), name, any)}
        if alone and lent == others:
            return {}
        lent = others if alone else lent
        execute(lesson_definitions(lesson), user_namespace)
        user_namespace.update({name: value for name, value in before.items() if name not in lent})
        return user_namespace

    try:
        yield source
    finally:
        for name in set(user_namespace) - set(before):
            del user_namespace[name]
        user_namespace.update(before)


def _refuse_unfinished(exercise: Exercise, theirs: Definitions) -> None:
    broken = [cell for cell in theirs.broken if cell.defines(exercise)]
    if broken:
        raise Unfinished(Verdict(exercise.id, "wrong", "syntax", _syntax(broken[-1])))
    node = theirs.defining(exercise.name)
    if node is None:
        raise Unfinished(todo(exercise, _NOT_THERE.format(exercise.name, exercise.id)))
    # A class counts as begun as soon as one of its methods is written: then its check says what is missing.
    if all(map(is_stub, bodies(node))):
        raise Unfinished(todo(exercise))


def _is_lent(node: Definition | None) -> bool:
    return node is None or any(map(is_stub, bodies(node)))


def _solved(exercise: Exercise) -> dict[str, Any]:
    """The names of the lesson, solved, without that of `exercise`."""
    namespace = new_namespace(f"lesson_{exercise.lesson}")
    execute(lesson_definitions(find_lesson(exercise.lesson)), namespace)
    namespace.pop(exercise.name)
    return namespace


def _overlay(exercise: Exercise, theirs: Definitions, lent: list[str], namespace: dict[str, Any]) -> dict[str, Any]:
    ours = lesson_definitions(find_lesson(exercise.lesson))
    failed = execute(beyond(theirs, ours, [exercise.name]), namespace, without=lent)
    if exercise.name not in namespace:
        reason = failed.get(exercise.name, "its definition was not run")
        message = f"Seen:  {exercise.name} could not be defined: {reason}\nDue:   its cell runs without an error"
        raise Unfinished(Verdict(exercise.id, "wrong", None, message))
    return namespace


def _syntax(cell: BrokenCell) -> str:
    lines = cell.source.splitlines()
    code = mask(lines[cell.line - 1].strip()) if cell.line <= len(lines) else ""
    return (
        f"Seen:  cell {cell.number} is not Python, line {cell.line}: {cell.reason}: {code}\n"
        "Due:   a cell that Python can read; the line named, or the one before it, holds the slip\n"
        "Read:  run that cell in JupyterLab: it marks the place"
    )


def written_in_notebook(folder: Path, exercise: Exercise) -> str:
    """The learner's definition of `exercise` in a notebook of `folder`, in one normal form; "" without one."""
    try:
        node = definitions(read_cells(folder / f"{exercise.lesson}.ipynb"), exercise.lesson).defining(exercise.name)
    except UnreadableNotebook:
        return ""
    return ast.unparse(node) if node else ""


def written_in_kernel(value: Any, name: str) -> str:
    """The same for a function or class of a running kernel, whose cells Python remembers."""
    node = _node(value, name)
    return ast.unparse(node) if node else repr(value)


def _is_open(value: Any, name: str, how_many: Callable[[Iterable[bool]], bool]) -> bool:
    """Whether all, or any, of the bodies of a kernel's function or class are the stub's."""
    node = _node(value, name)
    return node is not None and how_many(map(is_stub, bodies(node)))


def _node(value: Any, name: str) -> Definition | None:
    members = vars(value).values() if isinstance(value, type) else [value]
    # Below a decorator (classmethod, a validator of pydantic, contextmanager) stands the function that a cell defines.
    functions = (inspect.unwrap(getattr(member, "__func__", member)) for member in members)
    files = dict.fromkeys(f.__code__.co_filename for f in functions if isinstance(f, FunctionType))
    found = (definitions(["".join(linecache.getlines(file))], "kernel").defining(name) for file in files)
    return next((node for node in found if node), None)
