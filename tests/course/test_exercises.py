"""The matrix of every exercise: stub, solution, named mistakes, another correct answer."""

import re
from pathlib import Path

import pytest

from course.checks import run_checks, test_file
from course.exercises import Exercise, all_exercises, find_exercise
from course.learner import from_notebooks
from tests.course.learners import Answer, answer, answers

EXERCISES = all_exercises()
ids = [exercise.id for exercise in EXERCISES]


@pytest.fixture(autouse=True)
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless answer ends sooner here; a learner gets five seconds."""
    from course import limit

    monkeypatch.setattr(limit, "SECONDS", limit.SECONDS / 2)


@pytest.mark.parametrize("exercise", EXERCISES, ids=ids)
def test_the_stub_is_todo(exercise: Exercise, learners_folder: Path) -> None:
    verdict = run_checks([exercise], from_notebooks(learners_folder))[exercise.id]

    assert verdict.state == "todo"


@pytest.mark.parametrize("exercise", EXERCISES, ids=ids)
def test_our_solution_is_right(exercise: Exercise, learners_folder: Path) -> None:
    answer(learners_folder, exercise, exercise.source)

    verdict = run_checks([exercise], from_notebooks(learners_folder))[exercise.id]

    assert (verdict.state, verdict.message) == ("right", None)


@pytest.mark.parametrize("given", answers(), ids=lambda given: f"{given.exercise} {given.state} {given.name}")
def test_a_prepared_answer_gets_its_verdict(given: Answer, learners_folder: Path) -> None:
    exercise = find_exercise(given.exercise)
    answer(learners_folder, exercise, given.code)

    verdict = run_checks([exercise], from_notebooks(learners_folder))[exercise.id]

    expected = given.name if given.state == "wrong" else None
    assert (verdict.state, verdict.mistake) == (given.state, expected), verdict.message
    if verdict.message:
        assert re.match(r"(?s)Seen:  .+\nDue:   .+\nRead:  .+", verdict.message)


@pytest.mark.parametrize("exercise", EXERCISES, ids=ids)
def test_there_are_three_mistakes_and_another_right_answer(exercise: Exercise) -> None:
    states = [given.state for given in answers() if given.exercise == exercise.id]

    assert states.count("wrong") >= 3
    assert states.count("right") >= 1


def test_every_message_is_proven_by_a_mistake() -> None:
    proven = {given.name for given in answers()}

    named = {name for exercise in EXERCISES for name in _literal_names(test_file(exercise).read_text(encoding="utf-8"))}

    assert named - proven == set(), "these names appear in wrong(...), and no answer in tests/mistakes/ provokes them"


def _literal_names(text: str) -> set[str]:
    # Names put together at run time (f"misses-{damage}") are proven row by row in the mistakes file.
    return set(re.findall(r'wrong\(\s*"([^"]+)"', text))
