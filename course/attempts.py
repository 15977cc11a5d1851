"""What a learner has tried: kept in one file beside the notebooks, without a word of their code."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from course.checks import Verdict
from course.files import write_whole

FILE_NAME = ".progress.json"


@dataclass(frozen=True)
class Tried:
    """What is known of one exercise. wrong: a fingerprint of each different wrong attempt, oldest first."""

    wrong: tuple[str, ...] = ()
    solved: bool = False


class Attempts:
    """The attempts kept in `folder`. A file that cannot be read is set aside, never thrown away."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def of(self, exercise_id: str) -> Tried:
        """What is known of `exercise_id`."""
        return self._read().get(exercise_id, Tried())

    def record(self, verdict: Verdict, code: str) -> None:
        """Count `verdict` on `code`. The same wrong code twice is one attempt; `todo` is none."""
        if verdict.state == "todo":
            return
        known = self._read()
        tried = known.get(verdict.id, Tried())
        mark = hashlib.sha256(code.encode()).hexdigest()[:16]
        wrong = tried.wrong if verdict.state == "right" or mark in tried.wrong else (*tried.wrong, mark)
        updated = Tried(wrong, tried.solved or verdict.state == "right")
        if updated != tried:
            self._write(known | {verdict.id: updated})

    def _read(self) -> dict[str, Tried]:
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            return {key: Tried(tuple(value["wrong"]), bool(value["solved"])) for key, value in stored.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError):
            self._path.replace(self._path.with_suffix(".unreadable.json"))
            return {}

    def _write(self, known: dict[str, Tried]) -> None:
        text = json.dumps({key: asdict(value) for key, value in sorted(known.items())}, indent=1)
        write_whole(self._path, text + "\n")
