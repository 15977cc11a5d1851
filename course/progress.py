"""What people see of their progress, in a terminal. Every state has a symbol and a word, colour only helps."""

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from course.checks import UNREADABLE, Verdict
from course.exercises import Exercise

SYMBOLS = {"right": "✓", "wrong": "✗", "todo": "·"}
_STYLES = {"right": "green", "wrong": "red", "todo": "dim"}


def next_step(exercises: Iterable[Exercise], verdicts: Mapping[str, Verdict]) -> str:
    """The one thing to do next: mend what is wrong, else begin what is open, else go on."""
    checked = [exercise for exercise in exercises if exercise.id in verdicts]
    for state, verb in (("wrong", "mend"), ("todo", "begin")):
        for exercise in checked:
            verdict = verdicts[exercise.id]
            if verdict.mistake == UNREADABLE:
                return f"Next: make reset NB={exercise.lesson[:2]}"
            if verdict.state == state:
                help_ = f"; stuck: make hint EX={exercise.id}" if state == "wrong" else ""
                return f"Next: {verb} {exercise.id}, {exercise.name}, in notebooks/{exercise.lesson}.ipynb{help_}"
    return "Next: these are right; go on in the notebook. `make check` shows what else is open."


def show(console: Console, exercises: Iterable[Exercise], verdicts: Mapping[str, Verdict], explain: bool) -> None:
    """Print a line an exercise, the message of each wrong one, and the next step.

    explain: also print why a right answer is right (when one exercise was asked for).
    """
    checked = [exercise for exercise in exercises if exercise.id in verdicts]
    told: set[str] = set()
    for exercise in checked:
        verdict = verdicts[exercise.id]
        console.print(_line(exercise, verdict), highlight=False)
        if verdict.message in told:  # one unreadable file is one problem, not four
            continue
        told.add(verdict.message or "")
        if verdict.state == "wrong" or (verdict.message and len(checked) == 1):
            console.print(_indented(verdict.message or ""), highlight=False)
        elif explain and verdict.state == "right":
            console.print(_indented(exercise.explanation), highlight=False)
    console.print(counts(verdicts.values()), highlight=False)
    console.print(next_step(checked, verdicts), highlight=False)


def counts(verdicts: Iterable[Verdict]) -> str:
    """ "3 right, 1 wrong, 0 todo"."""
    states = [verdict.state for verdict in verdicts]
    return ", ".join(f"{states.count(state)} {state}" for state in ("right", "wrong", "todo"))


def _line(exercise: Exercise, verdict: Verdict) -> Text:
    mark = Text(f"{SYMBOLS[verdict.state]} {verdict.state:<5}", style=_STYLES[verdict.state])
    return mark + Text(f"  {exercise.id}  {exercise.title}")


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, 4))
