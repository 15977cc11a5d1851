"""How old the dated facts of data/ are. Runs on a bare Python 3.11, because the doctor does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

OLD_DAYS = 365
# The keys under which the tables of data/ keep the day of a fact. `created` and the like belong to made-up people.
_KEYS = ("date", "taken", "as_of")


@dataclass(frozen=True)
class DatedFact:
    """One date in a table of data/. file: its path below data/."""

    file: str
    day: date


def is_old(day: date, today: date) -> bool:
    """True if `day` is more than a year, 365 days, before `today`."""
    return (today - day).days > OLD_DAYS


def dated_facts(data: Path) -> list[DatedFact]:
    """Every date of a fact in the TOML files below `data`; a file that is no TOML is left to the tests."""
    import tomllib  # the doctor also starts on Pythons that do not have it yet

    facts = []
    for path in sorted(data.rglob("*.toml")):
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue
        facts += [DatedFact(path.relative_to(data).as_posix(), day) for day in _days(content)]
    return facts


def _days(value: Any) -> Iterator[date]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _KEYS and isinstance(inner, date):
                yield inner
            else:
                yield from _days(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _days(inner)
