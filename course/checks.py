"""Run the checks of exercises: the same code for a notebook, a terminal, a program and CI.

The checks are the plain pytest files tests/test_NN_*.py. A test named `test_01_2_...` belongs to exercise 01-2 and
asks for the fixture `lesson`, the learner's names as attributes. Its assertions carry a `wrong(...)`.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, Protocol

import pytest

from course.errors import CourseError
from course.exercises import ROOT, Exercise, LessonError
from course.isolation import unpatched
from course.limit import TimeLimit, learners_line
from course.masking import mask

# Mistakes that every exercise can have.
UNREADABLE = "unreadable-notebook"  # the file is no notebook
ENDLESS = "endless"  # it did not end in time
ELSEWHERE = "mistake-elsewhere"  # right by itself, but it uses an exercise that is not
State = Literal["todo", "wrong", "right"]
TEST_NAME = re.compile(r"^test_(\d\d)_(\d+)_")

# What a learner's check does not need; each plugin less is a millisecond less (15 ms in all instead of 70).
_SWITCHED_OFF = [
    "cacheprovider",
    "faulthandler",
    "terminal",
    "junitxml",
    "pastebin",
    "doctest",
    "unittest",
    "logging",
    "warnings",
    "debugging",
    "setuponly",
    "setupplan",
    "stepwise",
    "recwarn",
    "legacypath",
    "unraisableexception",
    "threadexception",
    "skipping",
    "subtests",
    "reports",
    "assertion",
    "capture",
]


class wrong(str):  # noqa: N801 - it reads as a word: assert ..., wrong("no-bearer", seen=..., due=..., read=...)
    """The message of an assertion: what was seen, what was due, where to read on.

    mistake: the name under which tests/mistakes/ proves that this message appears. A str, so that pytest shows it too.
    """

    mistake: str

    def __new__(cls, mistake: str, *, seen: str, due: str, read: str) -> "wrong":
        message = super().__new__(cls, _in_order(seen, due, read))
        message.mistake = mistake
        return message


@dataclass(frozen=True)
class Verdict:
    """The state of one exercise. mistake: its name if it is a known one; message: masked text, None if right."""

    id: str
    state: State
    mistake: str | None = None
    message: str | None = None


class Unfinished(Exception):
    """An exercise cannot be judged as it stands; `verdict` says why.

    Sources raise it, and the check of an answer that is collected bit by bit.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


class Source(Protocol):
    """Gives the names to test an exercise with. Raises Unfinished.

    alone: with our solutions of all others; empty if that makes no difference, because none of them is begun.
    """

    def __call__(self, exercise: Exercise, alone: bool = False) -> dict[str, Any]: ...


def run_checks(exercises: Iterable[Exercise], source: Source) -> dict[str, Verdict]:
    """The verdict on each exercise, in the order given."""
    return check_answers({exercise.id: (exercise, source) for exercise in exercises})


def check_answers(answers: Mapping[str, tuple[Exercise, Source]]) -> dict[str, Verdict]:
    """The verdict on each answer, under its key. All in one run of pytest: starting it costs more than checking."""
    if not __debug__:
        raise CourseError("The checks are assertions, and this Python leaves them out. Unset PYTHONOPTIMIZE, drop -O.")
    verdicts = _verdicts(answers)
    wrong_ones = {key for key, verdict in verdicts.items() if verdict.state == "wrong" and verdict.mistake != ENDLESS}
    alone = _verdicts({key: (answers[key][0], partial(answers[key][1], alone=True)) for key in wrong_ones})
    innocent = [key for key, verdict in alone.items() if verdict.state == "right"]
    return verdicts | {key: _elsewhere(answers[key][0], verdicts[key]) for key in innocent}


def _verdicts(answers: Mapping[str, tuple[Exercise, Source]]) -> dict[str, Verdict]:
    verdicts: dict[str, Verdict] = {}
    begun: dict[str, _Answer] = {}
    for key, (exercise, source) in answers.items():
        try:
            with unpatched():
                names = source(exercise)
            if names:
                begun[key] = _Answer(exercise, SimpleNamespace(**names))
        except Unfinished as unfinished:
            verdicts[key] = unfinished.verdict
    _run_pytest(begun, verdicts)
    return {key: verdicts[key] for key in answers if key in verdicts}


def _elsewhere(exercise: Exercise, verdict: Verdict) -> Verdict:
    text = _in_order(
        f"{exercise.name} is right by itself, but it uses another exercise of this notebook, and that one is wrong",
        f"mend the other one first: make check NB={exercise.lesson[:2]} shows which",
        f"what went wrong together:\n{verdict.message}",
    )
    return Verdict(exercise.id, "wrong", ELSEWHERE, text)


def todo(exercise: Exercise, seen: str | None = None) -> Verdict:
    """The verdict on an exercise that nobody has begun."""
    return Verdict(exercise.id, "todo", None, seen or f"{exercise.name} is still the stub: write it, then check again.")


def judge(exercise: Exercise, error: BaseException) -> Verdict:
    """The verdict on an exercise whose check ended with `error`."""
    if isinstance(error, NotImplementedError) and f"Exercise {exercise.id}" in str(error):
        where = learners_line(error.__traceback__) or "a line that we cannot name"
        return todo(exercise, f"{exercise.name} is begun; a part of it still raises NotImplementedError, at {where}")
    if isinstance(error, Unfinished):
        return error.verdict
    mistake, text = None, str(error)
    if isinstance(error, AssertionError) and error.args and isinstance(error.args[0], wrong):
        mistake = error.args[0].mistake
    elif isinstance(error, TimeLimit):
        mistake, text = ENDLESS, _endless(exercise, error)
    else:
        text = _crashed(exercise, error)
    return Verdict(exercise.id, "wrong", mistake, mask("\n".join([text, *getattr(error, "__notes__", [])])))


def exercise_id(test_name: str) -> str | None:
    """The exercise that a test belongs to: "test_01_2_..." -> "01-2"."""
    found = TEST_NAME.match(test_name)
    return f"{found[1]}-{found[2]}" if found else None


def _crashed(exercise: Exercise, error: BaseException) -> str:
    where = learners_line(error.__traceback__)
    text = f'"Exercise {exercise.id}: {exercise.title}" in {exercise.lesson}'
    if where is None:  # no line of theirs: the check could not call it, or could not go on with what it returned
        return _in_order(
            f"what {exercise.name} takes or returned is not what its text promises: {type(error).__name__}: {error}",
            "the parameters and the type that its first line names (None means that a `return` is missing)",
            text,
        )
    return _in_order(
        f"your code stopped with {type(error).__name__}: {error} at {where}",
        f"{exercise.name} does what its text says and lets no other error out",
        text,
    )


def _endless(exercise: Exercise, error: TimeLimit) -> str:
    return _in_order(
        f"your code was {error}",
        f"{exercise.name} ends by itself, and in well under {error.seconds:g} s",
        f'"Exercise {exercise.id}: {exercise.title}" in {exercise.lesson}: which condition ends the loop?',
    )


def _in_order(seen: str, due: str, read: str) -> str:
    return f"Seen:  {seen}\nDue:   {due}\nRead:  {read}"


@dataclass(frozen=True)
class _Answer:
    """lesson: the learner's names, laid over ours."""

    exercise: Exercise
    lesson: SimpleNamespace


class _Runner:
    """The pytest plugin of one run: hands out the learners' names and collects verdicts."""

    def __init__(self, answers: dict[str, _Answer], verdicts: dict[str, Verdict]) -> None:
        self._answers, self._verdicts = answers, verdicts
        self._wanted = {answer.exercise.id for answer in answers.values()}
        self.checked: set[str] = set()

    @pytest.fixture
    def lesson(self, request: pytest.FixtureRequest) -> SimpleNamespace:
        return self._answers[request.param].lesson

    def pytest_configure(self, config: pytest.Config) -> None:
        config.option.tbstyle = "native"  # nobody sees pytest's own traceback; in its usual style it costs 50 ms each

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, name: str) -> list[Any] | None:
        # An item is made only for what will run: those of a whole lesson cost more than many a check.
        return None if exercise_id(name) in self._wanted else []

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        found = exercise_id(metafunc.function.__name__)
        keys = [key for key, answer in self._answers.items() if answer.exercise.id == found]
        metafunc.parametrize("lesson", keys, indirect=True)
        self.checked.update(keys)

    def pytest_runtest_setup(self, item: Any) -> None:
        if _key(item) in self._verdicts:  # one problem at a time
            pytest.skip("an earlier check of this answer failed")

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        key = _key(item)
        if call.excinfo is not None and key not in self._verdicts:
            self._verdicts[key] = judge(self._answers[key].exercise, call.excinfo.value)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:  # a defect of ours: show it whole
            raise RuntimeError(str(report.longrepr))


def _key(item: Any) -> str:
    key: str = item.callspec.params["lesson"]
    return key


def _run_pytest(answers: dict[str, _Answer], verdicts: dict[str, Verdict]) -> None:
    if not answers:
        return
    from course import pytest_plugin

    exercises = {answer.exercise for answer in answers.values()}
    files = sorted({str(_existing_test_file(exercise)) for exercise in exercises})
    # Without confcutdir pytest would look through every folder above the course, a person's home among them.
    options = ["--noconftest", f"--rootdir={ROOT}", "-c", os.devnull]
    options += [f"--confcutdir={ROOT / 'tests'}"]
    options += [word for name in _SWITCHED_OFF for word in ("-p", f"no:{name}")]
    runner = _Runner(answers, verdicts)
    with _quiet_pytest():
        code = pytest.main([*options, *files], plugins=[pytest_plugin, runner])
    if code == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    unchecked = sorted(answers[key].exercise.id for key in set(answers) - runner.checked)
    if unchecked:  # else an exercise without a check would count as right
        raise LessonError(f"no test_{unchecked[0].replace('-', '_')}_... in {files[0]} checks {unchecked[0]}.")
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"the checks in {', '.join(files)} could not be run: pytest ended with {code!r}")
    for key, answer in answers.items():
        verdicts.setdefault(key, Verdict(answer.exercise.id, "right"))


def _existing_test_file(exercise: Exercise) -> Path:
    file = test_file(exercise)
    if not file.exists():
        raise LessonError(f"{file.relative_to(ROOT)} is missing: it holds the checks of {exercise.id}.")
    return file


def test_file(exercise: Exercise) -> Path:
    """The pytest file that holds the checks of `exercise`."""
    return ROOT / "tests" / f"test_{exercise.lesson}.py"


test_file.__test__ = False  # type: ignore[attr-defined]  # the name is right, and pytest is not to collect it


@contextmanager
def _quiet_pytest() -> Iterator[None]:
    # Without the variable pytest would load nbval and xdist, 1.5 s for nothing; our own printing stays possible.
    before = {name: os.environ.pop(name, None) for name in ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_ADDOPTS")}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        os.environ.update({name: value for name, value in before.items() if value is not None})
