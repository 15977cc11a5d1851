"""The matrix of every exercise: stub, solution, named mistakes, another correct answer."""

import re
from pathlib import Path

import pytest

from course.checks import check_answers, test_file
from course.exercises import Exercise, all_exercises
from course.learner import from_notebooks
from tests.course.learners import Answer, answers, one_notebook

EXERCISES = all_exercises()
ids = [exercise.id for exercise in EXERCISES]


@pytest.fixture(autouse=True)
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless answer ends sooner here; a learner gets five seconds."""
    from course import limit

    monkeypatch.setattr(limit, "SECONDS", limit.SECONDS / 2)


@pytest.mark.parametrize("exercise", EXERCISES, ids=ids)
def test_every_answer_gets_its_verdict(exercise: Exercise, tmp_path: Path, subtests: pytest.Subtests) -> None:
    prepared = [given for given in answers() if given.exercise == exercise.id]
    stub, solution = Answer(exercise.id, "todo", "the stub", exercise.stub), exercise.source
    given = [stub, Answer(exercise.id, "right", "our solution", solution), *prepared]
    folders = [one_notebook(tmp_path / str(number), exercise, each.code) for number, each in enumerate(given)]

    verdicts = check_answers({str(folder): (exercise, from_notebooks(folder)) for folder in folders})

    for each, verdict in zip(given, verdicts.values(), strict=True):
        with subtests.test(each.name, state=each.state):
            expected = each.name if each.state == "wrong" else None
            assert (verdict.state, verdict.mistake) == (each.state, expected), verdict.message
            if verdict.state == "wrong":
                assert re.match(r"(?s)Seen:  .+\nDue:   .+\nRead:  .+", verdict.message or "")


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
