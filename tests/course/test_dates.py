"""Facts that are older than a year are told: by the helper, and in the doctor's report."""

from datetime import date
from pathlib import Path

import pytest

from course.dates import DatedFact, dated_facts, is_old
from course.doctor import Finding, examine
from course.exercises import ROOT
from course.machine import Machine

TODAY = date(2026, 11, 24)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "prices.toml").write_text(
        "[sources.a]\nas_of = 2025-11-23\n[sources.b]\nas_of = 2025-11-24\n[[people]]\ncreated = 2001-01-01\n"
        "[[cases]]\npublished_on = 2023-09-26\n"
    )
    (folder / "deep" / "limits.toml").write_text("taken = 2026-08-22\n[[rows]]\ndate = 2020-02-29\n")
    (folder / "broken.toml").write_text("not = = toml")
    return folder


def findings(root: Path, today: date = TODAY) -> list[Finding]:
    machine = Machine(
        root=root,
        home=root,
        env={},
        version=(3, 12, 4),
        executable="python3",
        system="Linux",
        today=today,
        free_bytes=lambda _: 50 * 10**9,
        can_write=lambda _: True,
        can_bind=lambda _: True,
        which=lambda _: None,
    )
    return [finding for finding in examine(root, machine) if finding.subject == "Facts"]


def test_a_year_is_not_old_and_a_day_more_is() -> None:
    assert not is_old(date(2025, 11, 24), TODAY)
    assert is_old(date(2025, 11, 23), TODAY)


def test_dates_of_facts_are_found_in_every_table_and_those_of_records_and_people_are_not(data: Path) -> None:
    assert dated_facts(data) == [
        DatedFact("deep/limits.toml", date(2026, 8, 22)),
        DatedFact("deep/limits.toml", date(2020, 2, 29)),
        DatedFact("prices.toml", date(2025, 11, 23)),
        DatedFact("prices.toml", date(2025, 11, 24)),
    ]


def test_the_doctor_names_the_files_with_old_facts_and_the_oldest(data: Path) -> None:
    [finding] = findings(data.parent)

    assert finding.level == "warning"
    assert finding.seen == "older than a year: deep/limits.toml (1), prices.toml (1); the oldest is of 2020-02-29"
    assert finding.step


def test_the_doctor_is_content_with_young_facts(data: Path) -> None:
    (data / "deep" / "limits.toml").write_text("taken = 2026-08-22\n")

    [finding] = findings(data.parent, today=date(2026, 9, 1))

    assert (finding.level, finding.seen) == ("ok", "3 dates in data/, none older than a year")


def test_the_tables_of_the_course_are_dated() -> None:
    files = {fact.file for fact in dated_facts(ROOT / "data")}

    assert {"claims.toml", "permissions.toml", "prices.toml", "sandbox/rate_limits.toml"} <= files
    assert findings(ROOT, today=date(2099, 1, 1))[0].level == "warning"


def test_no_fact_of_the_course_was_old_when_it_was_written_down() -> None:
    """What cannot be looked up again is a record, and would warn for ever: it has `published_on`."""
    assert findings(ROOT)[0].level == "ok"
