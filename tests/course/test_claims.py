"""Every claim of data/claims.toml has a verdict, a source, a day, and a place in the lessons where it is met."""

import re
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from course.definitions import solved_names
from course.exercises import Lesson, all_lessons
from course.tables import table

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


def test_lesson_08_tells_the_shares_that_the_table_has() -> None:
    verdicts = Counter(row["verdict"] for row in ROWS)
    others = len(ROWS) - verdicts["right"]

    assert verdicts["right"] / len(ROWS) == pytest.approx(1 / 3, abs=0.04), '"A third"'
    assert verdicts["half right"] > others / 2, '"Most of the others"'


# --- guesses, then verdicts -----------------------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of lesson 08; what it displays as Markdown is printed."""
    names = solved_names("08")
    monkeypatch.setitem(names, "Markdown", str)
    monkeypatch.setitem(names, "display", print)
    monkeypatch.setitem(names, "GUESSES", {})
    return names


@pytest.mark.parametrize(
    ("letters", "said"),
    [("", "Write your letters first"), ("h w", "has 2, for 8 claims"), ("x" * 8, "'x' is no verdict")],
)
def test_no_verdict_is_told_before_there_is_a_guess_for_each(
    shown: dict[str, Any], capsys: pytest.CaptureFixture[str], letters: str, said: str
) -> None:
    shown["GUESSES"]["01"] = letters

    shown["tell"]("01")

    told = capsys.readouterr().out
    assert said in told
    assert "**" not in told


def test_a_verdict_says_whether_the_guess_was_right(shown: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = [claim["verdict"] for claim in ROWS if claim["lesson"] == "01"]
    shown["GUESSES"]["01"] = " R" * len(verdicts)

    shown["tell"]("01")

    told = capsys.readouterr().out
    assert (told.count("✓"), told.count("✗")) == (verdicts.count("right"), len(verdicts) - verdicts.count("right"))
