"""A short answer to a learner in a notebook: plain text and HTML, no widgets."""

import html
import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from course.errors import CourseError

P = ParamSpec("P")
COLOURS = {"right": "#1a7f37", "wrong": "#b42318", "todo": "#6e7781"}
# JupyterLab would break the lines of a <pre> in the middle of a word.
_WRAPPED = "white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;margin:0.3em 0"
# No mark within a word or between stars: a masked token (hf_***) stays what it is.
_MARKS = re.compile(
    r"`(?P<code>[^`\n]+)`"
    r"|(?<![\w*])\*\*(?=[^\s*])(?P<strong>[^*\n]+)(?<!\s)\*\*(?![\w*])"
    r"|(?<![\w*])\*(?=[^\s*])(?P<em>[^*\n]+)(?<!\s)\*(?![\w*])"
)


class Card:
    """The answer. `code` comes before `body`; no mark in it means anything."""

    def __init__(self, head: str, body: str, colour: str = COLOURS["todo"], code: str = "") -> None:
        self._head, self._body, self._colour, self._code = head, body, colour, code

    def __repr__(self) -> str:
        return "\n".join(part for part in (self._head, self._code + self._body) if part)

    def _repr_html_(self) -> str:
        return (
            f'<div style="border-left:4px solid {self._colour};padding:0.2em 0.8em">'
            f"<b>{html.escape(self._head)}</b>"
            f'<pre style="{_WRAPPED}">{html.escape(self._code)}{_marked_up(self._body)}</pre></div>'
        )


def _marked_up(text: str) -> str:
    """`text` as HTML, with the marks of Markdown that hints and explanations use: `code`, *em* and **strong**."""
    return _MARKS.sub(
        lambda mark: f"<{mark.lastgroup}>{mark[mark.lastgroup or 0]}</{mark.lastgroup}>", html.escape(text)
    )


def mendable_as_card(answer: Callable[P, Card]) -> Callable[P, Card]:
    """What a person can mend (a misspelt id, say) gets a card too, instead of a traceback through our files."""

    @wraps(answer)
    def told(*args: P.args, **kwargs: P.kwargs) -> Card:
        try:
            return answer(*args, **kwargs)
        except CourseError as error:
            return Card("That did not work", str(error))

    return told
