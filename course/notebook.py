"""`check`, `hint`, `solution` and `needs` inside a notebook: plain text and HTML, no widgets."""

import html
import importlib
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from course.attempts import Attempts
from course.checks import Verdict, run_checks
from course.errors import CourseError
from course.exercises import Exercise, find_exercise
from course.learner import from_kernel, written_in_kernel
from course.progress import SYMBOLS
from course.reveal import read_rule

if "ipykernel.zmqshell" in sys.modules:
    # huggingface_hub loads tqdm, which asks in a kernel for widgets that no lesson needs: in red, at its first import.
    with warnings.catch_warnings(action="ignore"):
        importlib.import_module("tqdm.auto")

# JupyterLab would break the lines of a <pre> in the middle of a word.
_WRAPPED = "white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;margin:0.3em 0"
# No mark within a word or between stars: a masked token (hf_***) stays what it is.
_MARKS = re.compile(
    r"`(?P<code>[^`\n]+)`"
    r"|(?<![\w*])\*\*(?=[^\s*])(?P<strong>[^*\n]+)(?<!\s)\*\*(?![\w*])"
    r"|(?<![\w*])\*(?=[^\s*])(?P<em>[^*\n]+)(?<!\s)\*(?![\w*])"
)
_COLOURS = {"right": "#1a7f37", "wrong": "#b42318", "todo": "#6e7781"}


class Card:
    """A short answer to a learner, as text and as HTML. `code` comes before `body`; no mark in it means anything."""

    def __init__(self, head: str, body: str, colour: str = _COLOURS["todo"], code: str = "") -> None:
        self._head, self._body, self._colour, self._code = head, body, colour, code

    def __repr__(self) -> str:
        return "\n".join(part for part in (self._head, self._code + self._body) if part)

    def _repr_html_(self) -> str:
        return (
            f'<div style="border-left:4px solid {self._colour};padding:0.2em 0.8em">'
            f"<b>{html.escape(self._head)}</b>"
            f'<pre style="{_WRAPPED}">{html.escape(self._code)}{_marked_up(self._body)}</pre></div>'
        )


def _marked_up(text: str) -> str:
    """`text` as HTML, with the marks of Markdown that hints and explanations use: `code`, *em* and **strong**."""
    return _MARKS.sub(
        lambda mark: f"<{mark.lastgroup}>{mark[mark.lastgroup or 0]}</{mark.lastgroup}>", html.escape(text)
    )


def _unknown_as_card(answer: Callable[[str], Card]) -> Callable[[str], Card]:
    """What a person can mend (a misspelt id, say) gets a card too, instead of a traceback through our files."""

    @wraps(answer)
    def told(exercise_id: str = "") -> Card:
        try:
            return answer(exercise_id)
        except CourseError as error:
            return Card("That did not work", str(error))

    return told


@_unknown_as_card
def check(exercise_id: str) -> Card:
    """Check exercise `exercise_id` as it is defined in this kernel, and say what is right, wrong and why."""
    exercise = find_exercise(exercise_id)
    namespace = _user_namespace()
    with from_kernel(namespace) as source:
        verdict = run_checks([exercise], source)[exercise.id]
    Attempts(Path.cwd()).record(verdict, written_in_kernel(namespace.get(exercise.name), exercise.name))
    return Card(*_told(exercise, verdict), _COLOURS[verdict.state])


_hints_given: dict[str, int] = {}  # of this kernel: the next call gives the next hint


@_unknown_as_card
def hint(exercise_id: str) -> Card:
    """The next hint: the first call nudges, the later ones tell more."""
    exercise = find_exercise(exercise_id)
    given = min(_hints_given.get(exercise.id, 0), len(exercise.hints) - 1)
    _hints_given[exercise.id] = given + 1
    last = f'\n\nThat was the last hint. Then: solution("{exercise.id}")' if given + 1 == len(exercise.hints) else ""
    return Card(f"Hint {given + 1} of {len(exercise.hints)} for {exercise.id}", exercise.hints[given] + last)


@_unknown_as_card
def solution(exercise_id: str) -> Card:
    """Our solution, when the teacher's rule (teacher.toml) opens it."""
    exercise = find_exercise(exercise_id)
    refusal = read_rule().refusal(exercise, Attempts(Path.cwd()).of(exercise.id))
    if refusal:
        return Card(f"The solution of {exercise.id} is still closed", refusal)
    return Card(f"Our solution of {exercise.id}", exercise.explanation, code=f"{exercise.source}\n\n")


@contextmanager
def needs(exercise_id: str) -> Iterator[None]:
    """A cell that uses an exercise: while that is open, say so instead of stopping the notebook."""
    find_exercise(exercise_id)  # a misspelt id is noticed at once
    try:
        yield
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
