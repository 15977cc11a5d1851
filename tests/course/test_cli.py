"""`python -m course` as a learner and a program call it."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from course import cli
from course.exercises import ROOT, all_exercises, find_exercise
from tests.course.learners import answer, blank_notebooks

FIRST = find_exercise("01-1")


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Course = Callable[..., Ran]


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Course:
    """`python -m course ...` in this process: half a second less than in one of its own."""

    def call(*arguments: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["course", *map(str, arguments)])
        try:
            code = cli.run()
        except SystemExit as end:
            code = int(end.code or 0)
        return Ran(code, *capsys.readouterr())

    return call


def as_json(folder: Path, *ids: str) -> tuple[int, dict[str, dict[str, str | None]]]:
    ran = CliRunner().invoke(cli.app, ["check", *ids, "--notebooks", str(folder), "--json"])
    return ran.exit_code, json.loads(ran.stdout)


def test_untouched_notebooks_are_todo_and_no_error(learners_folder: Path) -> None:
    code, found = as_json(learners_folder)

    assert code == 0
    assert {key: value["state"] for key, value in found.items()} == dict.fromkeys(
        [e.id for e in all_exercises()], "todo"
    )


def test_a_program_gets_one_json_object(learners_folder: Path) -> None:
    answer(learners_folder, FIRST, "def token_problem(text):\n    return 'no'")

    code, found = as_json(learners_folder, "01-1", "01-2")

    assert code == 1
    assert list(found) == ["01-1", "01-2"]
    assert found["01-1"]["state"] == "wrong"
    assert found["01-1"]["mistake"] == "refuses-all"
    assert (found["01-1"]["message"] or "").startswith("Seen:")


def test_a_right_answer_has_no_message(learners_folder: Path) -> None:
    answer(learners_folder, FIRST, FIRST.source)

    assert as_json(learners_folder, "01-1") == (0, {"01-1": {"state": "right", "mistake": None, "message": None}})


def test_json_counts_no_attempt(learners_folder: Path) -> None:
    answer(learners_folder, FIRST, "def token_problem(text):\n    return 'no'")

    as_json(learners_folder)

    assert not (learners_folder / ".progress.jsonl").exists()


def test_the_committed_solutions_are_right() -> None:
    code, found = as_json(ROOT / "solutions")

    assert code == 0
    assert {value["state"] for value in found.values()} == {"right"}


def test_what_a_learner_prints_does_not_break_the_json(learners_folder: Path) -> None:
    loud = "def token_problem(text):\n    import os\n    os.system('echo loud')\n    print('here')\n    return 'no'"
    answer(learners_folder, FIRST, loud)
    code = "import sys; from course.cli import run; sys.exit(run())"
    command = [sys.executable, "-c", code, "check", "01-1", "--notebooks", str(learners_folder), "--json"]

    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert "loud" in ran.stderr
    assert json.loads(ran.stdout)["01-1"]["state"] == "wrong"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "99-1"], "There is no exercise '99-1'. There are: 01-1,"),
        (["check", "--nb", "99"], "There is no lesson '99'"),
        (["check", "--notebooks", "nowhere"], "nowhere is not a folder"),
        (["check", "--notebooks", "data"], "data has no 01_account_setup.ipynb"),
        (["reset"], "reset takes one of"),
        (["hint", "01-1", "--number", "9"], "takes 1 to 2"),
        (["sandbox", "--port", "70000"], "equal to 65535"),
        (["unknown"], "No such command"),
    ],
)
def test_bad_usage_is_one_clear_line_and_exit_code_2(arguments: list[str], said: str, course: Course) -> None:
    ran = course(*arguments)

    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_notebook_that_is_none_is_wrong_with_the_next_step(learners_folder: Path) -> None:
    (learners_folder / "01_account_setup.ipynb").write_text("{")

    code, found = as_json(learners_folder, "01-1")

    assert code == 1
    assert "make reset NB=01" in (found["01-1"]["message"] or "")


def test_three_different_attempts_open_the_solution(learners_folder: Path, course: Course) -> None:
    closed = course("solution", "01-1", "--notebooks", learners_folder)
    for attempt in ("'no'", "'never'", "text"):
        blank_notebooks(learners_folder)
        answer(learners_folder, FIRST, f"def token_problem(text):\n    return {attempt}")
        course("check", "01-1", "--notebooks", learners_folder)

    opened = course("solution", "01-1", "--notebooks", learners_folder)

    assert "after 3 more honest attempts" in closed.stdout
    assert "def token_problem" not in closed.stdout
    assert "def token_problem" in opened.stdout


def test_no_colour_is_respected(learners_folder: Path, course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = course("check", "01-1", "--notebooks", learners_folder)
    monkeypatch.setenv("NO_COLOR", "1")

    plain = course("check", "01-1", "--notebooks", learners_folder)

    assert "\x1b[" in coloured.stdout
    assert "\x1b[3" not in plain.stdout


def test_a_process_ends_with_the_code_of_its_check(learners_folder: Path) -> None:
    answer(learners_folder, FIRST, "def token_problem(text):\n    return 'no'")
    code = "import sys; from course.cli import run; sys.exit(run())"

    ran = subprocess.run(
        [sys.executable, "-c", code, "check", "01-1", "--notebooks", learners_folder], cwd=ROOT, check=False
    )

    assert ran.returncode == 1


def test_the_first_hint_only_nudges(course: Course) -> None:
    first, second = course("hint", "01-1").stdout, course("hint", "01-1", "--number", "2").stdout

    assert "Hint 1 of 2" in first
    assert "Hint 2 of 2" not in first
    assert "make hint EX=01-1 N=2" in first
    assert "Hint 2 of 2" in second
