"""How old the dated facts of data/ are. Runs on a bare Python 3.11, because the doctor does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

OLD_DAYS = 365
# The keys under which the tables of data/ keep the day of a fact that may change, and can be looked up again. What was
# published once and stays as it is, a measurement, say, has `published_on`; `created` belongs to made-up people.
_KEYS = ("date", "taken", "as_of")


@dataclass(frozen=True)
class DatedFact:
    """One date in a table of data/. file: its path below data/."""

    file: str
    day: date


def is_old(day: date, today: date) -> bool:
    """True if `day` is more than a year, 365 days, before `today`."""
    return (today - day).days > OLD_DAYS


def day_of(source: Mapping[str, Any]) -> date:
    """The day of which a row of `sources` speaks, whether it is a fact that may change or a record."""
    day: date = source["as_of"] if "as_of" in source else source["published_on"]
    return day


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
