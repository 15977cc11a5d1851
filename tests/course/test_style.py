"""Lint, layout and types, for course/, lessons/ and tests/."""

import subprocess
import sys

import pytest

from course.exercises import ROOT


@pytest.mark.parametrize("command", ["ruff check .", "ruff format --check .", "mypy"])
def test_nothing_is_to_be_mended(command: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, f"{ran.stdout[-4000:]}{ran.stderr[-500:]}\nnext: make format, make lint"
