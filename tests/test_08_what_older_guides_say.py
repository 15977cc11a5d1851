"""Checks of the exercise in 08_what_older_guides_say; see tests/test_01_account_setup.py.

PYTEST_DONT_REWRITE: the messages say all, and stay as they were written.
"""

from datetime import date
from types import SimpleNamespace
from typing import Any

from course.checks import wrong

TODAY = date(2031, 6, 1)
HOST = {"id": "old-host", "date": date(2031, 1, 1), "signs": ["old.host.test", "OLDER.host.test"]}
ARGUMENT = {"id": "argument", "date": date(2029, 1, 1), "signs": ["use_old_word"]}
QUIET: dict[str, Any] = {"id": "no-sign", "date": date(2031, 1, 1)}
CLAIMS = [HOST, QUIET, ARGUMENT]


def found(lesson: SimpleNamespace, text: str, claims: Any = CLAIMS, today: date = TODAY) -> list[tuple[int, str]]:
    return [(finding.line, finding.claim) for finding in lesson.outdated(text, claims, today)]


def test_08_1_a_clean_text_has_no_findings(lesson: SimpleNamespace) -> None:
    said = lesson.outdated("a new host\n\nand new words", CLAIMS, TODAY)

    assert said == [], wrong(
        "finds-too-much",
        seen=f"a text in which no sign stands gave {said!r}",
        due="an empty list",
        read='"Exercise 08-1", its first rule',
    )


def test_08_1_it_names_line_and_claim(lesson: SimpleNamespace) -> None:
    said = found(lesson, "first\ncall old.host.test\n\nf(use_old_word=1)")

    assert said == [(2, "old-host"), (4, "argument")], wrong(
        "wrong-place",
        seen=f"for signs in the lines 2 and 4 you returned the (line, claim) pairs {said}",
        due="[(2, 'old-host'), (4, 'argument')]: lines count from 1, empty ones as well",
        read='"Exercise 08-1", its second rule',
    )


def test_08_1_capitals_do_not_matter(lesson: SimpleNamespace) -> None:
    said = found(lesson, "Old.Host.Test\nolder.host.test")

    assert said == [(1, "old-host"), (2, "old-host")], wrong(
        "minds-capitals",
        seen=f"for a sign with other capitals in the text, and one with capitals in the table, you found {said}",
        due="both: addresses and words of a guide are written in many ways",
        read='"Exercise 08-1", its first rule',
    )


def test_08_1_the_order_is_that_of_lines_then_of_claims(lesson: SimpleNamespace) -> None:
    said = found(lesson, "f(use_old_word=1)\nuse_old_word at old.host.test")

    assert said == [(1, "argument"), (2, "old-host"), (2, "argument")], wrong(
        "another-order",
        seen=f"the (line, claim) pairs came as {said}",
        due="line after line, and in a line as in the table: a person reads the text from top to bottom",
        read='"Exercise 08-1", its second rule',
    )


def test_08_1_a_claim_is_found_once_in_a_line(lesson: SimpleNamespace) -> None:
    said = found(lesson, "old.host.test, OLDER.host.test, old.host.test")

    assert said == [(1, "old-host")], wrong(
        "found-twice",
        seen=f"a line with three signs of one claim gave {len(said)} findings",
        due="one: it is one line to mend",
        read='"Exercise 08-1", its second rule',
    )


def test_08_1_an_old_correction_says_so(lesson: SimpleNamespace) -> None:
    ages = {"a year": date(2030, 6, 1), "a year and a day": date(2030, 5, 31), "a day": date(2031, 5, 31)}
    rows = [{"id": age, "date": day, "signs": ["sign"]} for age, day in ages.items()]

    said = {finding.claim: finding.look_again for finding in lesson.outdated("a sign", rows, TODAY)}

    assert said == {"a year": False, "a year and a day": True, "a day": False}, wrong(
        "wrong-age",
        seen=f"rows of 365, 366 and 1 days got look_again = {list(said.values())}",
        due="[False, True, False]: more than 365 days before the day that was given as today",
        read='"Exercise 08-1", its last rule',
    )
