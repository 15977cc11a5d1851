"""The one description of every exercise, read from lessons/.

A lesson is a jupytext percent file. These marks make it a source of exercises:
- a heading `### Exercise 01-2: title   (about 8 lines, 10 minutes)` opens one;
- `# BEGIN SOLUTION` ... `# END SOLUTION` in the code cell below it encloses what the learner writes;
- cells `# %% [markdown] hint="01-2"` and `explanation="01-2"` belong to it and appear in no notebook.
Behind `explanation="07-6"`, `solution="when right"` keeps the solution closed until then.
A line that ends with `  # guess` gives a learner's guess: right in solutions/, "" in notebooks/.
The marks are read here without jupytext, because its import alone takes longer than a whole check may.
"""

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from course.errors import CourseError

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ROOT / "lessons"

_MARKER = re.compile(r"^# %%(?P<options>.*)$", re.MULTILINE)
_OPTION = re.compile(r'(\w+)="([^"]*)"')
_HEADING = re.compile(
    r"^### Exercise (?P<id>\d\d-\d+): (?P<title>.+?)\s+\(about (?P<lines>\d+) lines, (?P<minutes>\d+) minutes\)$",
    re.MULTILINE,
)
_SOLUTION = re.compile(r"^(?P<indent> *)# BEGIN SOLUTION\n.*?^ *# END SOLUTION\n?", re.MULTILINE | re.DOTALL)
_GUESS = re.compile(r"^(?P<left>.+ = )(?P<right>.+)  # guess$", re.MULTILINE)
_SOLUTION_MARK = re.compile(r"^ *# (?:BEGIN|END) SOLUTION\n?", re.MULTILINE)


class UnknownExercise(CourseError):
    """There is no exercise or lesson of that name; the text lists those that exist."""


class LessonError(CourseError):
    """A lesson breaks the rules of an exercise; the text names file, exercise and what is missing."""


@dataclass(frozen=True)
class Cell:
    """One cell of a lesson. text: markdown without its "# ", or code with solution marks."""

    is_code: bool
    options: dict[str, str] = field(hash=False)
    text: str


@dataclass(frozen=True)
class Exercise:
    """One exercise. name: the function or class the learner writes; source: its solved cell; stub: its blank one.

    is_riddle: the solution shows nothing but the answer, so no number of attempts opens it.
    """

    id: str
    lesson: str
    title: str
    lines: int
    minutes: int
    name: str
    contract: str
    source: str
    stub: str
    hints: tuple[str, ...]
    explanation: str
    is_riddle: bool


@dataclass(frozen=True)
class Lesson:
    """One lesson. stem: "01_account_setup"; number: "01"."""

    stem: str
    title: str
    cells: tuple[Cell, ...]
    exercises: tuple[Exercise, ...]

    @property
    def number(self) -> str:
        return self.stem[:2]


def all_lessons() -> list[Lesson]:
    """Every lesson, in teaching order."""
    return [load_lesson(path) for path in sorted(LESSONS.glob("[0-9][0-9]_*.py"))]


def all_exercises() -> list[Exercise]:
    """Every exercise, in teaching order."""
    return [exercise for lesson in all_lessons() for exercise in lesson.exercises]


def find_exercise(exercise_id: str) -> Exercise:
    """The exercise "01-2", or "1-2". Raises UnknownExercise, naming those that exist."""
    known = {exercise.id: exercise for exercise in all_exercises()}
    if exercise_id.zfill(4) not in known:
        raise UnknownExercise(f"There is no exercise {exercise_id!r}. There are: {', '.join(known)}.")
    return known[exercise_id.zfill(4)]


def find_lesson(name: str) -> Lesson:
    """The lesson "01", "1" or "01_account_setup". Raises UnknownExercise, naming those that exist."""
    known = {lesson.stem: lesson for lesson in all_lessons()}
    wanted = Path(name).stem
    for lesson in known.values():
        if wanted in (lesson.stem, lesson.number) or wanted.zfill(2) == lesson.number:
            return lesson
    raise UnknownExercise(f"There is no lesson {name!r}. There are: {', '.join(known)}.")


@cache
def load_lesson(path: Path) -> Lesson:
    """Read one lesson file. Raises LessonError where it breaks the rules of an exercise."""
    cells = tuple(_cells(path.read_text(encoding="utf-8")))
    title = next((c.text.splitlines()[0].lstrip("# ") for c in cells if not c.is_code), path.stem)
    return Lesson(path.stem, title, cells, tuple(_exercises(path.stem, cells)))


def blank(source: str, exercise_id: str) -> str:
    """`source` as the learner gets it.

    Each solution becomes `raise NotImplementedError("Exercise 01-2")`, each guess "".
    """
    source = _GUESS.sub(r'\g<left>""', source)
    return _SOLUTION.sub(rf'\g<indent>raise NotImplementedError("Exercise {exercise_id}")' + "\n", source)


def solved(source: str) -> str:
    """`source` with its solutions, without the marks around them."""
    return _GUESS.sub(r"\g<left>\g<right>", _SOLUTION_MARK.sub("", source))


def has_solution(source: str) -> bool:
    """Whether this code encloses a solution."""
    return _SOLUTION.search(source) is not None


def _cells(text: str) -> Iterator[Cell]:
    marks = list(_MARKER.finditer(text))
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() + 1 : following.start() if following else len(text)].strip("\n")
        options = dict(_OPTION.findall(mark["options"]))
        is_code = "[markdown]" not in mark["options"]
        yield Cell(is_code, options, body if is_code else re.sub(r"^# ?", "", body, flags=re.MULTILINE))


def _exercises(stem: str, cells: tuple[Cell, ...]) -> Iterator[Exercise]:
    heading: re.Match[str] | None = None
    contract = ""
    for cell in cells:
        if not cell.is_code and cell.text.startswith("### Exercise"):
            heading, contract = _heading(stem, cell.text), cell.text
        elif cell.is_code and has_solution(cell.text):
            if heading is None:
                raise LessonError(f"lessons/{stem}.py has a solution before any '### Exercise' heading.")
            yield _exercise(stem, heading, contract, cell.text, cells)
            heading = None


def _heading(stem: str, text: str) -> re.Match[str]:
    found = _HEADING.match(text)
    if found is None:
        line = text.splitlines()[0]
        raise LessonError(
            f"lessons/{stem}.py: {line!r} is not '### Exercise 01-2: title   (about 8 lines, 10 minutes)'."
        )
    return found


def _exercise(stem: str, heading: re.Match[str], contract: str, code: str, cells: tuple[Cell, ...]) -> Exercise:
    exercise_id = heading["id"]
    hints = tuple(_reflowed(cell.text) for cell in cells if cell.options.get("hint") == exercise_id)
    explaining = [cell for cell in cells if cell.options.get("explanation") == exercise_id]
    explanation = "\n".join(_reflowed(cell.text) for cell in explaining)
    if len(hints) < 2 or not explanation:
        raise LessonError(f"lessons/{stem}.py: exercise {exercise_id} needs two hints and an explanation.")
    return Exercise(
        id=exercise_id,
        lesson=stem,
        title=heading["title"],
        lines=int(heading["lines"]),
        minutes=int(heading["minutes"]),
        name=_name(stem, exercise_id, code),
        contract=contract,
        source=solved(code),
        stub=blank(code, exercise_id),
        hints=hints,
        explanation=explanation,
        is_riddle=any(cell.options.get("solution") == "when right" for cell in explaining),
    )


def _reflowed(text: str) -> str:
    # One line a paragraph: whoever shows it knows how wide the screen is.
    return "\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _name(stem: str, exercise_id: str, code: str) -> str:
    for node in ast.parse(textwrap.dedent(code)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            segment = "\n".join(code.splitlines()[node.lineno - 1 : (node.end_lineno or node.lineno) + 1])
            if "# BEGIN SOLUTION" in segment:
                return node.name
    raise LessonError(f"lessons/{stem}.py: the solution of {exercise_id} is inside no function or class.")
