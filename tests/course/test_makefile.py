"""The Makefile says what it does, and `make clean` leaves alone what is not ours."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed: python -m course does")


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # This test may itself run under `make`, whose settings must not reach the one started here.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *arguments], cwd=folder, env=env, text=True, capture_output=True, timeout=60)


def phony_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return {target for line in re.findall(r"^\.PHONY:(.*)$", text, re.MULTILINE) for target in line.split()}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The Makefile in a folder of its own, with an environment that only prints what it is asked."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").write_text("")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n[ "$4" != 01-9 ]\n')
    python.chmod(0o755)
    (tmp_path / ".venv" / "ready").write_text("")
    return tmp_path


def test_plain_make_lists_every_target_in_one_line() -> None:
    lines = make(ROOT).stdout.splitlines()

    assert {line.split()[0] for line in lines} == phony_targets()
    assert [line for line in lines if len(line) > 100 or len(line.split()) < 4] == []


COMMANDS = [
    pytest.param(["check"], "check", id="every exercise"),
    pytest.param(["check", "EX=01-2"], "check 01-2", id="one exercise"),
    pytest.param(["check", "NB=01"], "check --nb 01", id="one notebook"),
    pytest.param(["hint", "EX=01-2"], "hint 01-2", id="hint"),
    pytest.param(["solution", "EX=01-2"], "solution 01-2", id="solution"),
    pytest.param(["reset", "EX=01-2"], "reset --ex 01-2", id="reset one exercise"),
    pytest.param(["reset", "NB=01"], "reset --nb 01", id="reset one notebook"),
    pytest.param(["reset", "UNDO=1"], "reset --undo", id="take a reset back"),
    pytest.param(["sandbox", "PORT=8000"], "sandbox --port 8000", id="sandbox"),
    pytest.param(["decide", "FILE=mine.toml"], "decide mine.toml", id="decide"),
    pytest.param(["proxy", "PORT=8000"], "proxy --port 8000", id="proxy"),
    pytest.param(["proxy", "PAGE=react"], "proxy --port 0 --page react", id="proxy with the React page"),
    pytest.param(["proxy", "WORKERS=2"], "proxy --port 0 --workers 2", id="proxy with workers"),
    pytest.param(["proxy", "ENGINE=local"], "proxy --port 0 --engine local", id="proxy with the model"),
    pytest.param(
        ["sandbox", "ENGINE=local", "MODEL=smollm2"],
        "sandbox --port 0 --engine local --model smollm2",
        id="sandbox with the model that is named",
    ),
    *(pytest.param([name], name, id=name) for name in ("lab", "model", "test", "watch", "doctor", "build", "lint")),
]


@pytest.mark.parametrize(("arguments", "command"), COMMANDS)
def test_a_target_starts_one_python_with_one_command(tree: Path, arguments: list[str], command: str) -> None:
    ran = make(tree, *arguments)

    assert ran.stdout.split() == ["-m", "course", *command.split()], ran.stderr
    assert ran.returncode == 0


@pytest.mark.parametrize(
    ("target", "program"),
    [("bench", "bench"), ("bench-proxy", "bench_proxy"), ("faults", "fault_matrix"), ("live-check", "live_check")],
)
def test_what_only_authors_run_is_a_program_of_the_tests(tree: Path, target: str, program: str) -> None:
    assert make(tree, target).stdout.split() == ["-m", f"tests.{program}"]


@pytest.mark.parametrize("target", ["hint", "solution", "reset"])
def test_a_target_that_needs_an_exercise_says_so(tree: Path, target: str) -> None:
    ran = make(tree, target)

    assert ran.returncode != 0
    assert f"for example: make {target} EX=01-2" in ran.stderr


def test_decide_needs_a_file(tree: Path) -> None:
    ran = make(tree, "decide")

    assert ran.returncode != 0
    assert "for example: make decide FILE=data/workloads/support_chat.toml" in ran.stderr


def test_a_failing_command_fails_make_with_one_line_of_its_own(tree: Path) -> None:
    ran = make(tree, "check", "EX=01-9")

    assert ran.returncode != 0
    assert len(ran.stderr.splitlines()) == 1


def test_set_up_runs_only_when_the_lock_is_younger_than_the_stamp(tree: Path) -> None:
    os.utime(tree / ".venv" / "ready", (1, 1))

    ran = make(tree, "check", f"PYTHON={tree / '.venv' / 'bin' / 'python'}")

    assert ran.stdout.splitlines() == ["-m course setup", "-m course check"]


def test_clean_removes_what_we_built_and_nothing_else(tree: Path) -> None:
    kept = [
        tree / "notebooks" / "01_account_setup.ipynb",
        tree / "notebooks" / ".progress.json",
        tree / "notebooks" / ".backups" / "01_account_setup.1.ipynb",
        tree / "notebooks" / "__pycache__" / "mine.pyc",
        tree / "solutions" / "01_account_setup.ipynb",
        tree / ".env",
    ]
    built = [
        tree / ".build" / "x",
        tree / ".mypy_cache" / "x",
        tree / "course" / "web" / "react" / "node_modules" / "x",
        tree / "course" / "__pycache__" / "x.pyc",
    ]
    for path in [*kept, *built]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("touched by a learner")

    ran = make(tree, "clean")

    assert ran.returncode == 0, ran.stderr
    assert {path for path in kept if path.read_text() == "touched by a learner"} == set(kept)
    assert [path for path in [*built, tree / ".venv"] if path.exists()] == []
