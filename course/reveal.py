"""When a solution is shown: the teacher's rule, in teacher.toml."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from course.attempts import Tried
from course.errors import CourseError
from course.exercises import ROOT, Exercise

RULES = ROOT / "teacher.toml"


class BadRule(CourseError):
    """teacher.toml holds something else than a rule; the text says which rules there are."""


@dataclass(frozen=True)
class Rule:
    """after: how many honest attempts open a solution; 0 always, None never (success does not open it either)."""

    after: int | None = 3

    def refusal(self, exercise: Exercise, tried: Tried) -> str | None:
        """Why the solution stays closed for now, or None if it may be shown."""
        if self.after is None:
            return "Your teacher keeps the solutions closed (teacher.toml)."
        left = self.after - len(tried.wrong)
        if tried.solved or self.after == 0 or (left <= 0 and not exercise.is_riddle):
            return None
        attempts = (
            f", or after {left} more honest {'attempt' if left == 1 else 'attempts'}: "
            "a check of code you have not tried before"
        )
        return (
            f"The solution of {exercise.id} opens when yours is right{'' if exercise.is_riddle else attempts}. "
            f"A hint costs nothing: hint({exercise.id!r}), or `make hint EX={exercise.id}`."
        )


def read_rule(path: Path = RULES) -> Rule:
    """The rule in `path`; without a file, after 3 attempts. Raises BadRule."""
    try:
        text = str(tomllib.loads(path.read_text(encoding="utf-8")).get("show_solution", "after 3"))
    except FileNotFoundError:
        return Rule()
    except tomllib.TOMLDecodeError as error:
        raise BadRule(f"{path.name} is not TOML: {error}.") from None
    if text in ("always", "never"):
        return Rule(0 if text == "always" else None)
    if found := re.fullmatch(r"after (\d+)", text):
        return Rule(int(found[1]))
    raise BadRule(f'{path.name}: show_solution is {text!r}; write "always", "never" or "after 3".')
