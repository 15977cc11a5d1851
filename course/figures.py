"""The plots of lesson 06: small, readable in grey, with units and dates in them, and what each says in a sentence."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # importing matplotlib takes a second, which no check may cost
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = [("-", "o"), ("--", "s"), ("-.", "^"), (":", "D"), ((0, (5, 1, 1, 1, 1, 1)), "v")]
_DPI = 90  # a picture of this size stays below 60 kB


@dataclass(frozen=True, repr=False)
class Picture:
    """A PNG, and the sentence that says what it shows. A notebook shows both; nbval compares the sentence alone."""

    png: bytes
    says: str

    def show(self) -> None:
        """Display it, and the sentence below."""
        from IPython.display import display

        display(self)
        print(self.says)

    def __repr__(self) -> str:
        return self.says

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"image/png": base64.b64encode(self.png).decode(), "text/plain": self.says}


def cost_against_volume(
    curves: Mapping[str, Sequence[tuple[float, float]]], crossings: Sequence[tuple[float, float]], title: str, says: str
) -> Picture:
    """Curves of (million text tokens a month, USD a month), both axes logarithmic; crossings get a ring."""
    figure, axes = _blank(title, "million text tokens per month", "USD per month")
    for (name, points), (style, marker) in zip(curves.items(), _LINES, strict=False):
        volumes, usd = zip(*points, strict=True)
        axes.plot(volumes, usd, color="black", linestyle=style, marker=marker, markersize=4, markevery=0.08, label=name)
    for crossing in crossings:
        axes.plot(*crossing, "o", markersize=13, markerfacecolor="none", markeredgecolor="black", markeredgewidth=1.5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.legend(fontsize=7)
    return _finished(figure, says)


def sensitivity(
    values: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str], title: str, says: str
) -> Picture:
    """A table as a heat map: what is dark costs more than the API (above 1); what is hatched costs less."""
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Rectangle

    figure, axes = _blank(title, "price of the API, USD per million text tokens", "utilisation of the machine")
    axes.imshow(values, cmap="Greys", norm=LogNorm(0.1, 100), aspect="auto")
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            if value < 1:
                axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, hatch="///", alpha=0.35))
            axes.text(
                x,
                y,
                f"{value:.2f}" if value < 10 else f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if value > 7 else "black",
            )
    axes.set_xticks(range(len(columns)), columns, fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.grid(visible=False)
    return _finished(figure, says)


def latency(callers: Sequence[int], seconds: Mapping[str, Sequence[float]], title: str, says: str) -> Picture:
    """Seconds against the number of concurrent callers, one line for each name."""
    figure, axes = _blank(title, "callers at the same time", "seconds")
    for (name, values), (style, marker) in zip(seconds.items(), _LINES, strict=False):
        axes.plot(callers, values, color="black", linestyle=style, marker=marker, markersize=5, label=name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(callers, [str(count) for count in callers])
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    return _finished(figure, says)


def _blank(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), dpi=_DPI)
    figure.subplots_adjust(left=0.1, right=0.98, top=0.92, bottom=0.14)  # a layout of its own draws all twice
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _finished(figure: Figure, says: str) -> Picture:
    stored = io.BytesIO()
    figure.savefig(stored, format="png", metadata={"Software": None})  # the version would change the bytes
    return Picture(stored.getvalue(), says)
