"""The escape room as a learner meets it: program files, knocking, hints that cost points, the board."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from course.card import COLOURS, Card, mendable_as_card
from course.errors import CourseError
from course.escape_room.doors import JUDGES
from course.escape_room.layout import Door, Layout, read_layout
from course.escape_room.trial import Closed, on_trial
from course.files import write_whole
from course.masking import mask_parts
from course.traffic import Exchange, story

FOLDER = Path("escape_room")
FULL_POINTS = 10
HINT_COSTS = 3
_LOG = ".room.jsonl"
_MOST_SHOWN = 12  # lines of traffic


class NoProgram(CourseError):
    """The file of a door cannot be read; the text names it and the next step."""


@dataclass(frozen=True)
class Knock:
    """What came of one knock. objection: why the door stays shut, None if it is open.

    traffic: of the last run, and of what was asked of its result.
    """

    door: Door
    traffic: list[Exchange] = field(default_factory=list)
    objection: str | None = None


def knock(door: Door, layout: Layout, source: str, file_name: str) -> Knock:
    """Run a program at its door. Nothing of it reaches the files or the sandbox of anybody else."""
    try:
        code = compile(source, file_name, "exec")
    except SyntaxError as error:
        return Knock(
            door, [], f"Seen:  {file_name}, line {error.lineno}: {error.msg}\nDue:   a file that Python can read"
        )
    traffic: list[Exchange] = []
    issued: list[str] = []
    objection = None
    try:
        with on_trial(code, layout.names) as trial:
            issued = trial.issued
            try:
                JUDGES[door.key](trial)
            finally:
                traffic = trial.seen()
    except Closed as closed:
        objection = mask_parts(str(closed), issued)
    # A program that sends or returns `place.token[3:]`, to see what it got, has a part of a token to show.
    return Knock(door, [replace(each, path=mask_parts(each.path, issued)) for each in traffic], objection)


class Room:
    """One escape room in one folder. Whoever shares the folder shares the points.

    In a notebook each method returns a card: text, and HTML.
    """

    def __init__(self, layout: Layout, folder: Path) -> None:
        self.layout, self.folder = layout, folder
        folder.mkdir(parents=True, exist_ok=True)
        for door in layout.doors:
            if not self._path(door).exists():  # what somebody has written is never touched
                write_whole(self._path(door), door.program)

    @mendable_as_card
    def knock(self, number: int) -> Card:
        """Run the program of this door, show what it sent, and say whether the door opens."""
        door = self.layout.door(number)
        path = self._path(door)
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NoProgram(
                f"{path} cannot be read ({type(error).__name__}). room.fresh({number}) gives it back."
            ) from None
        came = knock(door, self.layout, source, path.name)
        if came.objection is None:
            self._note(door, "open")
            head = f"✓ Door {number}, {door.title}, is open. Its word: {door.word}"
            return Card(head, f"The cause: {door.cause}.\n{_points(self._score(door))}.", COLOURS["right"])
        head = f"✗ Door {number}, {door.title}, stays shut"
        return Card(head, came.objection, COLOURS["wrong"], code=_shown(came.traffic))

    @mendable_as_card
    def hint(self, number: int) -> Card:
        """The next hint for this door. Each costs points, once: those that were given are given again."""
        door = self.layout.door(number)
        given = min(self._count(door)["hint"], len(door.hints))
        if given < len(door.hints):
            self._note(door, "hint")
            given += 1
        hints = "\n\n".join(door.hints[:given])
        return Card(f"Door {number}, hints: {given} of {len(door.hints)}; now {_points(self._score(door))}", hints)

    @mendable_as_card
    def mended(self, number: int) -> Card:
        """Our program for this door. It costs all its points, unless the door is open."""
        door = self.layout.door(number)
        if not self._count(door)["open"]:
            self._note(door, "mended")
        return Card(f"Door {number}, our program", f"The cause: {door.cause}.", code=f"{door.mended}\n")

    @mendable_as_card
    def fresh(self, number: int) -> Card:
        """The program of this door as it was at first, in a new file; yours stays where it is, under another name."""
        door = self.layout.door(number)
        path = self._path(door)
        kept = ""
        if path.exists() and path.read_bytes() != door.program.encode():
            aside = next(other for other in _numbered(path) if not other.exists())
            path.rename(aside)
            kept = f" What was there is {aside.name} now."
        write_whole(path, door.program)
        return Card(f"{path.name} is as it was at first", f"Reload it in the editor.{kept}")

    def __repr__(self) -> str:
        return repr(self._board())

    def _repr_html_(self) -> str:
        return self._board()._repr_html_()

    def _board(self) -> Card:
        lines = [self._line(door) for door in self.layout.doors]
        points = sum(self._score(door) for door in self.layout.doors if self._count(door)["open"])
        opened = [door for door in self.layout.doors if self._count(door)["open"]]
        sentence = " ".join(door.word if door in opened else "..." for door in self.layout.doors)
        head = f"Room {self.layout.mark}: {len(opened)} of {len(self.layout.doors)} doors open, {_points(points)}"
        return Card(head, f"\n{sentence}", code="\n".join(lines) + "\n")

    def _line(self, door: Door) -> str:
        state = "open" if self._count(door)["open"] else "shut"
        return f"{door.number:>2}  {door.title:<24} {state}  {self._score(door):>2} points  {self._path(door).name}"

    def _score(self, door: Door) -> int:
        """What the door is worth, or was when it opened."""
        count = self._count(door)
        return 0 if count["mended"] else FULL_POINTS - HINT_COSTS * count["hint"]

    def _count(self, door: Door) -> Counter[str]:
        """What happened at this door until it opened; hints after that are free."""
        count: Counter[str] = Counter()
        for event in self._events():
            if event.get("door") == door.key and not (count["open"] and event.get("what") != "open"):
                count[str(event.get("what"))] += 1
        return count

    def _events(self) -> Iterator[dict[str, object]]:
        log = self.folder / _LOG
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []:
            try:
                event = json.loads(line)
            except ValueError:  # half a line, from a kernel that was killed
                continue
            if isinstance(event, dict):
                yield event

    def _note(self, door: Door, what: str) -> None:
        with (self.folder / _LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"door": door.key, "what": what}) + "\n")

    def _path(self, door: Door) -> Path:
        return self.folder / f"door_{door.number:02}.py"


def enter(folder: Path = FOLDER) -> Room:
    """The room that the seed describes, in a folder of its own below `folder`. Writes the programs that are missing."""
    layout = read_layout()
    return Room(layout, folder / layout.mark)


def _shown(traffic: list[Exchange]) -> str:
    lines = story(traffic).splitlines() or ["neither Hub nor router was asked anything"]
    more = [f"... and {len(lines) - _MOST_SHOWN} lines more"] if len(lines) > _MOST_SHOWN else []
    return "\n".join(lines[:_MOST_SHOWN] + more) + "\n"


def _points(number: int) -> str:
    return f"{number} point{'' if number == 1 else 's'}"


def _numbered(path: Path) -> Iterator[Path]:
    number = 1
    while True:
        yield path.with_name(f"{path.stem}_mine_{number}.py")
        number += 1
