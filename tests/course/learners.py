"""Pretend learners: notebooks with answers written into them, and lessons as we solve them."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from course.definitions import execute, lesson_definitions, new_namespace
from course.exercises import ROOT, Exercise, all_lessons, find_exercise, find_lesson

_BLOCK = re.compile(r"^# %% (?P<id>\d\d-\d+) (?P<state>todo|wrong|right): (?P<name>.+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """One prepared answer from tests/mistakes/: the state that it must get, and the mistake's name."""

    exercise: str
    state: str
    name: str
    code: str


@cache
def answers() -> list[Answer]:
    """All prepared answers; read once, as every exercise asks for them."""
    found = []
    for path in sorted((ROOT / "tests" / "mistakes").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        marks = list(_BLOCK.finditer(text))
        for mark, after in zip(marks, [*marks[1:], None], strict=True):
            block = text[mark.end() : after.start() if after else len(text)].strip("\n")
            code = _slipped(find_exercise(mark["id"]).source, block) if block.startswith("# -") else block
            found.append(Answer(mark["id"], mark["state"], mark["name"], code))
    return found


def _slipped(solution: str, slips: str) -> str:
    """Our solution with each run of `# -` lines replaced by the run of `# +` lines below it."""
    for slip in re.finditer(r"(?P<old>(?:^# -.*\n?)+)(?P<new>(?:^# \+.*\n?)*)", slips, re.MULTILINE):
        old, new = (re.sub(r"^# [-+]", "", slip[side], flags=re.MULTILINE).rstrip("\n") for side in ("old", "new"))
        assert solution.count(old) == 1, f"a slip must name one place of our solution: {old!r}"
        solution = solution.replace(old, new)
    return solution


def blank_notebook(stem: str) -> dict[str, Any]:
    """The blank of a lesson, as cells only: enough for reading definitions, and quick to make."""
    lesson = next(lesson for lesson in all_lessons() if lesson.stem == stem)
    stubs = iter(lesson.exercises)
    cells: list[dict[str, Any]] = []
    for cell in lesson.cells:
        source = cell.text
        if cell.is_code and "# BEGIN SOLUTION" in source:
            source = next(stubs).stub
        cells.append({"cell_type": "code" if cell.is_code else "markdown", "metadata": {}, "source": source})
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def blank_notebooks(folder: Path) -> Path:
    """Write the blanks of all lessons into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, text in _blank_texts().items():
        (folder / f"{stem}.ipynb").write_text(text, encoding="utf-8")
    return folder


@cache
def _blank_texts() -> dict[str, str]:
    return {lesson.stem: json.dumps(blank_notebook(lesson.stem)) for lesson in all_lessons()}


def one_notebook(folder: Path, exercise: Exercise, code: str) -> Path:
    """Write the blank of one lesson into `folder`, and `code` into the exercise's cell."""
    folder.mkdir(parents=True)
    write(folder, exercise.lesson, blank_notebook(exercise.lesson))
    answer(folder, exercise, code)
    return folder


def write(folder: Path, stem: str, notebook: dict[str, Any]) -> None:
    (folder / f"{stem}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


def answer(folder: Path, exercise: Exercise, code: str) -> None:
    """Write `code` into the exercise's cell of the notebook in `folder`, as a learner would."""
    path = folder / f"{exercise.lesson}.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if "".join(cell["source"]).strip() == exercise.stub.strip():
            cell["source"] = _keep_given(exercise, code)
            break
    else:
        raise AssertionError(f"the stub of {exercise.id} is not in {path}")
    write(folder, exercise.lesson, notebook)


def _keep_given(exercise: Exercise, code: str) -> str:
    # What stands above the stub in its cell (imports, constants) is given, and a learner leaves it there.
    given = re.split(rf"^(?:@\w+.*\n)*(?:def|class) {exercise.name}\b", exercise.stub, maxsplit=1, flags=re.MULTILINE)[
        0
    ]
    return given + code


@cache
def solved(number: str) -> SimpleNamespace:
    """The names of a lesson, solved."""
    names = new_namespace(f"solved_{number}")
    execute(lesson_definitions(find_lesson(number)), names)
    return SimpleNamespace(**names)
