"""Every claim of data/claims.toml has a verdict, a source, a day, and a place in the lessons where it is met."""

import re
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from course.exercises import Lesson, all_lessons
from course.exercises import blank as without_solutions
from course.exercises import solved as with_solutions
from course.tables import table
from tests.course.learners import solved

Text = Annotated[str, Field(min_length=3, pattern=r"^\S(.*\S)?$")]
ROWS = table("claims")["claims"]
LESSONS = {lesson.number: lesson for lesson in all_lessons()}


class Claim(BaseModel, extra="forbid"):
    """One row. A learner meets it in `section` of `lesson`, and in `exercise` if there is one."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]+$")]
    says: Text
    verdict: Literal["right", "half right", "outdated", "wrong"]
    true_now: Text
    source: Text
    date: date
    confidence: Literal["documented", "code", "run", "observed", "inferred"]
    lesson: str
    section: Text
    exercise: str | None = None
    signs: Annotated[list[Text], Field(min_length=1)] | None = None


def problems(rows: list[dict[str, Any]], lessons: Mapping[str, Lesson], today: date) -> list[str]:
    """What is wrong with `rows`, one line each."""
    said = []
    for number, row in enumerate(rows):
        name = f"claim {row.get('id') or number}"
        if row.get("id") in [other.get("id") for other in rows[:number]]:
            said.append(f"{name}: the id is given twice")
        try:
            claim = Claim.model_validate(row)
        except ValidationError as error:
            said += [f"{name}: {problem['loc'][0]}: {problem['msg']}" for problem in error.errors()]
            continue
        if claim.date > today:
            said.append(f"{name}: date: {claim.date} is in the future")
        said += [f"{name}: {problem}" for problem in place_problems(claim, lessons)]
    return said


def place_problems(claim: Claim, lessons: Mapping[str, Lesson]) -> list[str]:
    if claim.lesson not in lessons:
        return [f"lesson: there is no lesson {claim.lesson}"]
    lesson, said = lessons[claim.lesson], []
    headings = [found for cell in lesson.cells for found in re.findall(r"^## \d+\. (.+)$", cell.text, re.MULTILINE)]
    if claim.section not in headings:
        said.append(f"section: lesson {claim.lesson} has no section {claim.section!r}")
    if claim.exercise and claim.exercise not in [exercise.id for exercise in lesson.exercises]:
        said.append(f"exercise: lesson {claim.lesson} has no exercise {claim.exercise}")
    return said


def test_every_claim_is_whole() -> None:
    assert problems(ROWS, LESSONS, date.today()) == []


PLANTED: list[tuple[str, Any, str]] = [
    *((key, None, key) for key in ("id", "says", "verdict", "true_now", "source", "date", "lesson", "section")),
    ("source", " ", "source"),
    ("verdict", "maybe", "verdict"),
    ("confidence", "sure", "confidence"),
    ("date", "last summer", "date"),
    ("date", date(2026, 11, 25), "in the future"),
    ("lesson", "99", "there is no lesson 99"),
    ("section", "No such heading", "no section 'No such heading'"),
    ("exercise", "02-9", "has no exercise 02-9"),
    ("exercise", "01-1", "has no exercise 01-1"),
    ("signs", [], "signs"),
    ("sauce", "typo", "sauce"),
    ("id", "api-key", "twice"),
]


@pytest.mark.parametrize(("key", "value", "told"), PLANTED)
def test_a_broken_row_is_refused(key: str, value: object, told: str) -> None:
    rows = deepcopy(ROWS)
    row = next(row for row in rows if row["id"] == "expiry-date")
    if value is None:
        del row[key]
    else:
        row[key] = value

    said = problems(rows, LESSONS, date(2026, 11, 24))

    assert len(said) == 1
    assert told in said[0]


def test_every_lesson_meets_a_claim() -> None:
    assert {row["lesson"] for row in ROWS} == set(LESSONS)


def test_lesson_08_asks_and_tells_for_each_of_them() -> None:
    text = "\n".join(cell.text for cell in LESSONS["08"].cells if cell.is_code)

    for call in ("ask", "tell"):
        assert re.findall(rf'^{call}\("(\d\d)"\)$', text, re.MULTILINE) == sorted({row["lesson"] for row in ROWS})


def words_of_08(letters: str, monkeypatch: pytest.MonkeyPatch, **how: bool) -> str:
    """What `tell("01")` prints or displays with these guesses."""
    said: list[str] = []
    lesson = solved("08")
    monkeypatch.setitem(lesson.GUESSES, "01", letters)
    monkeypatch.setitem(lesson.tell.__globals__, "display", lambda shown: said.append(shown.data))
    monkeypatch.setitem(lesson.tell.__globals__, "print", said.append)
    lesson.tell("01", **how)
    return "\n".join(said)


def test_tell_waits_for_the_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    due = [row for row in ROWS if row["lesson"] == "01"]

    for letters in ("", "r", "r" * (len(due) + 1)):
        said = words_of_08(letters, monkeypatch)

        assert said == f'Write your letters first: GUESSES["01"] has {len(letters)}, for {len(due)} claims.'
    assert due[0]["true_now"] in words_of_08("", monkeypatch, anyway=True)


def test_tell_refuses_what_is_no_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    due = [row for row in ROWS if row["lesson"] == "01"]

    assert words_of_08("x" * len(due), monkeypatch).startswith("'x' is no verdict: write r(ight)")


def test_tell_marks_each_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    due = [row["verdict"] for row in ROWS if row["lesson"] == "01"]

    said = words_of_08(" R" * len(due), monkeypatch)

    assert re.findall(r"^\d+\. (.) \*\*(.+?)\*\*", said, re.MULTILINE) == [
        ("✓" if verdict == "right" else "✗", verdict) for verdict in due
    ]


def test_the_guesses_in_solutions_are_right_and_notebooks_have_none() -> None:
    code = "\n".join(cell.text for cell in LESSONS["08"].cells if cell.is_code)
    guesses = r'^GUESSES\["(\d\d)"\] = (.*)$'
    letters = {number: "".join(row["verdict"][0] for row in ROWS if row["lesson"] == number) for number in LESSONS}

    assert re.findall(guesses, without_solutions(code, "08-1"), re.MULTILINE) == [(number, '""') for number in letters]
    assert re.findall(guesses, with_solutions(code), re.MULTILINE) == [(n, f'"{each}"') for n, each in letters.items()]


def test_claims_and_lesson_07_speak_of_one_transformers() -> None:
    told = {version for row in ROWS for version in re.findall(r"transformers .*?\b(5\.\d+\.\d+)", row["source"])}
    text = "\n".join(cell.text for cell in LESSONS["07"].cells)

    assert told == set(re.findall(r"\(transformers (\d+\.\d+\.\d+), .*; run ", text))


def test_lesson_08_tells_the_shares_that_the_table_has() -> None:
    verdicts = Counter(row["verdict"] for row in ROWS)
    others = len(ROWS) - verdicts["right"]

    assert verdicts["right"] / len(ROWS) == pytest.approx(1 / 3, abs=0.04), '"A third"'
    assert verdicts["half right"] > others / 2, '"Most of the others"'
