"""What a learner has tried: one line an attempt in a file beside the notebooks, without a word of their code."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from course.checks import ELSEWHERE, UNREADABLE, Verdict

FILE_NAME = ".progress.jsonl"
_NO_ATTEMPT = {"syntax", UNREADABLE, ELSEWHERE}  # a slip of the keyboard is no attempt at the exercise


@dataclass(frozen=True)
class Tried:
    """What is known of one exercise. wrong: a fingerprint of each different wrong attempt, oldest first."""

    wrong: tuple[str, ...] = ()
    solved: bool = False


class Attempts:
    """The attempts kept in `folder`. Lines are only ever added, so a kernel and a terminal may do that at once."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def of(self, exercise_id: str) -> Tried:
        """What is known of `exercise_id`. Lines that cannot be read are passed over, and stay where they are."""
        lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines() if self._path.is_file() else []
        mine = [entry for entry in map(_entry, lines) if entry.get("id") == exercise_id]
        wrong = dict.fromkeys(str(entry.get("code")) for entry in mine if entry.get("state") == "wrong")
        return Tried(tuple(wrong), any(entry.get("state") == "right" for entry in mine))

    def record(self, verdict: Verdict, code: str) -> None:
        """Count `verdict` on `code`. The same wrong code twice is one attempt; `todo` and a syntax error are none."""
        if verdict.state == "todo" or verdict.mistake in _NO_ATTEMPT:
            return
        tried = self.of(verdict.id)
        mark = hashlib.sha256(code.encode()).hexdigest()[:16]
        if tried.solved if verdict.state == "right" else mark in tried.wrong:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"id": verdict.id, "state": verdict.state, "code": mark}) + "\n")


def _entry(line: str) -> dict[str, object]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
