"""What Hugging Face tokens look like, for whoever searches text for them.

Narrower than `masking`, which may hide a word too many. Source of the prefixes: huggingface/hub-docs, docs/hub/oauth.md
and trusted-publishers.md, 2026-08-22. 34 characters: an example in Hugging Face's API description, observed
(third-party, 2026-09). Letters and digits are TruffleHog's choice; no official text names an alphabet.
"""

import re
from collections.abc import Iterator
from typing import Any

# Without a word border in front: inside the JSON of a notebook the letter of "\n" may stand there.
# Behind hf_oauth_ and hf_jwt_ stands a JWT, which has capitals (observed, third-party, 2026-09); a name of a file or a
# function, such as hf_oauth_expiration_minutes.py, has none.
SHAPES = {
    "OAuth token": re.compile(r"hf_oauth_(?!(\w)\1{19})(?=[a-z0-9._-]*[A-Z])[A-Za-z0-9._-]{20,}"),
    "CI token": re.compile(r"hf_jwt_(?!(\w)\1{19})(?=[a-z0-9._-]*[A-Z])[A-Za-z0-9._-]{20,}"),
    "organisation token": re.compile(r"api_org_(?!(\w)\1{33})[A-Za-z0-9]{34}"),
    "user token": re.compile(r"hf_(?!(\w)\1{33})[A-Za-z0-9]{34}"),  # one letter over and over is a placeholder
}
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def kinds_in(text: str) -> list[str]:
    """The kinds of tokens in `text`, each once, never a value."""
    return [kind for kind, shape in SHAPES.items() if shape.search(text)]


def cell_text(cell: Any) -> str:
    """Every text in a cell of a notebook: source, outputs and tracebacks, without the colours of a terminal."""
    return _COLOURS.sub("", "\n".join(_texts(cell)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list) and all(isinstance(part, str) for part in value):
        yield "".join(value)  # notebooks store a text as the list of its lines
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
