"""The colours of the sandbox's pages can be read by everybody, in daylight and in the dark."""

import re
from itertools import product
from pathlib import Path

import pytest

from course.page import PLAIN
from course.sandbox import pages

CHAT = (PLAIN / "chat.css").read_text(encoding="utf-8")
CSS = (Path(pages.__file__).parent / "static" / "style.css").read_text(encoding="utf-8")
GROUNDS = ("page", "card")
# What is read on what: texts, then edges that say where something is. Source: WCAG 2.2, 1.4.3 and 1.4.11.
TEXTS = [
    *product(("text", "soft", "accent", "danger"), GROUNDS),
    ("text", "tint"),
    ("accent", "tint"),
    ("on-accent", "accent"),
    ("text", "danger-tint"),
    ("danger", "danger-tint"),
    ("on-danger", "danger"),
    ("on-mark", "mark"),
]
EDGES = [*product(("line", "accent", "danger"), GROUNDS), ("danger", "danger-tint"), ("accent", "tint")]
DECORATION = {"faint"}


def colours(theme: str, css: str = CSS) -> dict[str, str]:
    """Name -> "#rrggbb". The dark theme replaces what the light one says."""
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w{6});", block)) for block in re.findall(r":root {(.+?)}", css, re.S)
    )
    return light if theme == "light" else light | dark


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1. Source: WCAG 2.2, "relative luminance"."""
    shares = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """1 to 21. Source: WCAG 2.2, "contrast ratio"."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXTS, 4.5), (EDGES, 3.0)], ids=["texts", "edges"])
def test_every_pair_of_colours_has_the_contrast_of_wcag_aa(
    theme: str, pairs: list[tuple[str, str]], least: float
) -> None:
    known = colours(theme)

    ratios = {pair: round(contrast(known[pair[0]], known[pair[1]]), 2) for pair in pairs}

    assert {pair: ratio for pair, ratio in ratios.items() if ratio < least} == {}


def test_every_colour_is_judged_and_none_stands_outside_the_themes() -> None:
    judged = {name for pair in TEXTS + EDGES for name in pair} | DECORATION

    assert set(colours("light")) == set(colours("dark")) == judged
    for css in (CSS, CHAT):
        rules = re.sub(r":root {.+?}", "", css, flags=re.S)
        assert re.findall(r"#[0-9a-f]{3,8}\b|\brgba?\((?!0 0 0 / )", rules) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_chat_page_of_lesson_05_has_the_same_colours(theme: str) -> None:
    assert colours(theme, CHAT).items() <= colours(theme).items()
    assert len(colours(theme, CHAT)) > 5
