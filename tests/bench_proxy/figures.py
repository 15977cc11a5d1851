"""Samples to figures: percentiles, what a proxy adds to a direct call, and whether that is within reach."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

PERCENTILES = (50, 95, 99)
Values = Mapping[str, Sequence[float]]  # of each target


def percentile(values: Sequence[float], percent: int) -> float:
    """Of at least two values, between the two nearest."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def overheads(values: Values, base: str) -> dict[str, list[float]]:
    """What each other target adds: the difference of percentiles, each of its own distribution."""
    due = [percentile(values[base], each) for each in PERCENTILES]
    return {
        name: [percentile(values[name], each) - before for each, before in zip(PERCENTILES, due, strict=True)]
        for name in values
        if name != base
    }


@dataclass(frozen=True)
class Reach:
    """How far `value` may go. unit: of both; none for a ratio."""

    what: str
    value: float
    most: float
    unit: str = ""

    def line(self) -> str:
        word = "within reach" if self.value <= self.most else "OUT OF REACH"
        most = f"at most {self.most:g} {self.unit}".rstrip()
        return f"  {self.what:<62} {self.value:6.2f} {self.unit:<2} ({most})  {word}"


def table(heading: str, columns: Sequence[str], rows: Iterable[tuple[str, Sequence[float]]], digits: int = 2) -> str:
    """Lines for a terminal, one row for each target."""
    lines = [f"{heading:<34}" + "".join(f"{column:>13}" for column in columns)]
    lines += [f"  {name:<32}" + "".join(f"{value:>13,.{digits}f}" for value in values) for name, values in rows]
    return "\n".join(lines)
