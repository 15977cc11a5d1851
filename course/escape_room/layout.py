"""What the seed of an escape room decides: the order of the doors, the names in the programs, the words."""

import hashlib
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from string import Template
from typing import Any

from course.errors import CourseError
from course.reveal import RULES
from course.tables import table

VARIABLE = "ROOM_SEED"
_COLOURS = ("amber", "cobalt", "crimson", "indigo", "jade", "olive", "saffron", "violet")
_SHELVES = ("bird-notes", "cloud-log", "ferry-list", "fog-diary", "lamp-book", "tide-table")
_ORGANISATIONS = ("allotment", "dairy", "boathouse", "observatory", "orchard", "signal-box")
_OWNERS = ("caretaker", "gardener", "keeper", "lodger", "porter", "warden")
_TITLES = (
    "The lamp in aisle 7 hums",
    "The lift stops between floors",
    "The clock in the hall runs late",
    "Owls in the attic",
)
_PAGES = ("kiosk", "foyer", "pier", "tower")
_QUESTIONS = ("What is a read token?", "What does 402 mean?", "When does a token expire?", "What is a rate limit?")
# One word a door, in the order of the doors: together they are a sentence.
_SENTENCE = (
    ("every", "no", "another", "one", "each", "this", "that", "any"),
    ("patient", "careful", "sleepless", "quiet", "hungry", "honest", "lazy", "nervous"),
    ("heron", "otter", "badger", "magpie", "lynx", "hedgehog", "beaver", "raven"),
    ("hides", "keeps", "loses", "guards", "counts", "borrows", "polishes", "forgets"),
    ("two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ("silver", "copper", "paper", "wooden", "velvet", "glass", "rusty", "tiny"),
    ("tokens", "keys", "headers", "secrets", "packets", "logs", "prompts", "permissions"),
    ("behind", "under", "beside", "inside", "above", "near", "beyond", "below"),
    ("our", "the", "your", "her", "his", "their", "my", "some"),
    ("proxy", "firewall", "lighthouse", "bridge", "cupboard", "router", "sandbox", "bakery"),
)  # fmt: skip


class BadSeed(CourseError):
    """The seed is no text; the text says where it came from."""


@dataclass(frozen=True)
class Door:
    """A door as a learner sees it. number: 1 to 10; key: its row in data/escape_room.toml.

    program, mended, hints: with the room's names in them.
    """

    number: int
    key: str
    title: str
    program: str
    mended: str
    hints: tuple[str, ...]
    cause: str
    word: str


@dataclass(frozen=True)
class Layout:
    """A room. Two rooms with the same seed are the same, on every machine."""

    seed: str

    @property
    def mark(self) -> str:
        """Four letters and digits that tell rooms apart, and do not tell the seed."""
        return hashlib.sha256(f"mark of {self.seed}".encode()).hexdigest()[:4]

    @cached_property
    def names(self) -> dict[str, str]:
        """The words that stand for $names in the programs."""
        keys = self._shuffled(_COLOURS)
        page = self._one_of(_PAGES)
        return {
            **{f"key_{number}": key for number, key in enumerate(keys[:3], start=1)},
            "shelf": self._one_of(_SHELVES),
            "owner": self._one_of(_OWNERS),
            "organisation": self._one_of(_ORGANISATIONS),
            "title": self._one_of(_TITLES),
            "question": self._one_of(_QUESTIONS),
            "page": f"https://{page}.test",
            "page_host": f"{page}.test",
        }

    @cached_property
    def doors(self) -> tuple[Door, ...]:
        rows = {row["name"]: row for row in table("escape_room")["doors"]}
        return tuple(self._door(number, rows[key]) for number, key in enumerate(self._shuffled(tuple(rows)), start=1))

    def door(self, number: int) -> Door:
        """Raises NoSuchDoor."""
        if number not in range(1, len(self.doors) + 1):
            raise NoSuchDoor(f"There is no door {number!r}: the room has the doors 1 to {len(self.doors)}.")
        return self.doors[number - 1]

    def _door(self, number: int, row: dict[str, Any]) -> Door:
        mended = row["program"]
        for repair in row["mended"]:
            mended = mended.replace(repair["old"], repair["new"])
        program, mended, *hints = (
            Template(text).substitute(self.names) for text in (row["program"], mended, *row["hints"])
        )
        word = self._one_of(_SENTENCE[number - 1])
        return Door(number, row["name"], row["title"], program, mended, tuple(hints), row["cause"], word)

    def _shuffled(self, choices: Sequence[str]) -> list[str]:
        return sorted(choices, key=self._draw)

    def _one_of(self, choices: Sequence[str]) -> str:
        return self._shuffled(choices)[0]

    def _draw(self, what: str) -> bytes:
        # Not the module `random`: its choices may differ from one Python to the next.
        return hashlib.sha256(f"{self.seed}\n{what}".encode()).digest()


class NoSuchDoor(CourseError, LookupError):  # a cause, named as people say it
    """The number belongs to no door; the text says which do."""


def read_layout() -> Layout:
    """The room of ROOM_SEED in the environment, else of `room_seed` in teacher.toml, else of "course".

    Raises BadSeed.
    """
    seed: object = os.environ.get(VARIABLE)
    if not seed:
        rules = tomllib.loads(RULES.read_text(encoding="utf-8")) if RULES.is_file() else {}
        seed = rules.get("room_seed", "course")
    if not isinstance(seed, str) or not seed.strip():
        raise BadSeed(f'{RULES.name}: room_seed is {seed!r}; write any text: room_seed = "autumn".')
    return Layout(seed)
