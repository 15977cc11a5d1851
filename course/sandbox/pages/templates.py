"""Templates to HTML. Every value that is put in is escaped."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent / "templates"


def render(template: str, **values: object) -> str:
    return _environment().get_template(template).render(values)


def day(seconds: float) -> str:
    """A date on the sandbox's clock, as people write it: "2 November 2026"."""
    date = datetime.fromtimestamp(seconds, UTC)
    return f"{date.day} {date:%B %Y}"


@cache
def _environment() -> Environment:
    import jinja2  # when the first page is asked for: most sandboxes never show one

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["day"] = day
    return environment
