"""`check`, `hint`, `solution` and `needs` inside a notebook: plain text and HTML, no widgets."""

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from course.attempts import Attempts
from course.card import COLOURS, Card, mendable_as_card
from course.checks import Verdict, run_checks
from course.exercises import Exercise, find_exercise, find_lesson
from course.learner import NOT_RUN, from_kernel, written_in_kernel
from course.progress import SYMBOLS
from course.reveal import read_rule

if "ipykernel.zmqshell" in sys.modules:
    # huggingface_hub loads tqdm, which asks in a kernel, in red, for widgets that no lesson needs.
    with warnings.catch_warnings(action="ignore"):
        importlib.import_module("tqdm.auto")


@mendable_as_card
def check(exercise_id: str = "") -> Card:
    """Check exercise `exercise_id` as it is defined in this kernel, and say what is right, wrong and why."""
    exercise = find_exercise(exercise_id)
    namespace = _user_namespace()
    with from_kernel(namespace) as source:
        verdict = run_checks([exercise], source)[exercise.id]
    Attempts(Path.cwd()).record(verdict, written_in_kernel(namespace.get(exercise.name), exercise.name))
    return Card(*_told(exercise, verdict), COLOURS[verdict.state])


_hints_given: dict[str, int] = {}  # of this kernel: the next call gives the next hint


@mendable_as_card
def hint(exercise_id: str = "") -> Card:
    """The next hint: the first call nudges, the later ones tell more."""
    exercise = find_exercise(exercise_id)
    given = min(_hints_given.get(exercise.id, 0), len(exercise.hints) - 1)
    _hints_given[exercise.id] = given + 1
    last = f'\n\nThat was the last hint. Then: solution("{exercise.id}")' if given + 1 == len(exercise.hints) else ""
    return Card(f"Hint {given + 1} of {len(exercise.hints)} for {exercise.id}", exercise.hints[given] + last)


@mendable_as_card
def solution(exercise_id: str = "") -> Card:
    """Our solution, when the teacher's rule (teacher.toml) opens it."""
    exercise = find_exercise(exercise_id)
    refusal = read_rule().refusal(exercise, Attempts(Path.cwd()).of(exercise.id))
    if refusal:
        return Card(f"The solution of {exercise.id} is still closed", refusal)
    return Card(f"Our solution of {exercise.id}", exercise.explanation, code=f"{exercise.source}\n\n")


@contextmanager
def needs(exercise_id: str) -> Iterator[None]:
    """A cell that uses an exercise: while that is open, say so instead of stopping the notebook."""
    exercise = find_exercise(exercise_id)  # a misspelt id is noticed at once
    try:
        yield
    except NameError as error:
        missing = [other for other in find_lesson(exercise.lesson).exercises if other.name == error.name]
        if not missing:
            raise
        print(f"This cell needs exercise {missing[0].id}. {NOT_RUN.format(error.name, 'this one')}")
    except NotImplementedError as error:
        _, _, open_id = str(error).partition("Exercise ")
        if not open_id:
            raise
        name = find_exercise(open_id).name
        also = "" if open_id == exercise_id else f" It needs {exercise_id}, too."
        print(f"This cell needs exercise {open_id}. Write {name} above, then run this cell again.{also}")


def _told(exercise: Exercise, verdict: Verdict) -> tuple[str, str]:
    body = exercise.explanation if verdict.state == "right" else verdict.message or ""
    help_ = f"\nStuck? hint({exercise.id!r})" if verdict.state == "wrong" else ""
    return f"{SYMBOLS[verdict.state]} {exercise.id} {verdict.state}", body + help_


def _user_namespace() -> dict[str, Any]:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        raise RuntimeError("check(...) works inside a notebook. In a terminal: make check EX=01-2")
    namespace: dict[str, Any] = shell.user_ns
    return namespace
