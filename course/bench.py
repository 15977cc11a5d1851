"""`make bench`: the waits that learners feel, measured here and now, with the targets beside them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from course.overhead import lines
from course.smollm2 import folder, is_whole

_RUNS = 5
_START_SANDBOX = """
import time
began = time.perf_counter()
from course import sandbox
hub = sandbox.start()
print(time.perf_counter() - began, flush=True)
hub.stop()
"""
_LOCAL_MODEL = """
import resource, time
began = time.perf_counter()
from course.local_model import load
model = load("smollm2")
loaded = time.perf_counter()
answer = model.answer([{"role": "user", "content": "What is an access token?"}], 64)
next(answer)
first = time.perf_counter()
list(answer)
each = (time.perf_counter() - first) / (answer.completion_tokens - 1)
print(loaded - began, first - loaded, each, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
_CHECK_IN_KERNEL = """
import time
_began = time.perf_counter()
check("01-2")
print("seconds:", time.perf_counter() - _began)
"""


@dataclass(frozen=True)
class Figure:
    """One measured value and the most it may be, both in `unit`."""

    name: str
    value: float
    target: float
    unit: str = "s"

    def line(self) -> str:
        """One line for the terminal."""
        word = "ok" if self.value <= self.target else "over"
        return f"  {self.name:<38} {self.value:8.2f} {self.unit:<2} (target {self.target:g} {self.unit})  {word}"


def bench(root: Path) -> int:
    """Print every figure as it comes; 0 whatever they are, as a loaded machine is no mistake in the course."""
    print(f"Medians of {_RUNS} on {os.cpu_count()} cores, warm:")
    for measure in (_check_process, _check_in_kernel, _sandbox_start, _whole_test, _disk):
        figure = measure(root)
        if figure:
            print(figure.line(), flush=True)
    for figure in local_model(root):
        print(figure.line(), flush=True)
    print("Clients of lesson 04, as ratios to plain requests (target for ours: 1.15, and below both libraries):")
    for line in lines():
        print(line)
    return 0


def median_seconds(run: Callable[[], float]) -> float:
    """The median of five, after one run that warms up."""
    run()
    return statistics.median(run() for _ in range(_RUNS))


def _check_process(root: Path) -> Figure:
    def run() -> float:
        began = time.perf_counter()
        # Exit code 1 is a wrong answer in the learner's notebook, and as good to time as a right one.
        subprocess.run(["make", "check", "EX=01-2"], cwd=root, capture_output=True, check=False)
        return time.perf_counter() - began

    return Figure("make check EX=01-2, whole process", median_seconds(run), 1.0)


def _check_in_kernel(root: Path) -> Figure:
    """check("01-2") on the solution, in a kernel as JupyterLab starts it."""
    from nbclient import NotebookClient

    nbformat: Any = import_module("nbformat")  # it has no types
    notebook = nbformat.read(next((root / "solutions").glob("01_*.ipynb")), as_version=4)
    timed = [nbformat.v4.new_code_cell(_CHECK_IN_KERNEL) for _ in range(_RUNS + 1)]
    notebook.cells += [nbformat.v4.new_code_cell("from course import check"), *timed]
    NotebookClient(
        notebook,
        timeout=60,
        extra_arguments=["--log-level=40"],
        resources={"metadata": {"path": tempfile.mkdtemp()}},  # our success is not the learner's
    ).execute()
    seconds = [_printed_seconds(cell) for cell in timed]
    return Figure('check("01-2") in a kernel', statistics.median(seconds[1:]), 0.1)


def _printed_seconds(cell: Mapping[str, Any]) -> float:
    texts = [output.get("text", "") for output in cell["outputs"]]
    return float("".join(texts).rpartition("seconds:")[2])


def _sandbox_start(root: Path) -> Figure:
    def run() -> float:
        command = [sys.executable, "-c", _START_SANDBOX]
        return float(subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout)

    return Figure("sandbox.start(), with its imports", median_seconds(run), 0.5)


def local_model(root: Path) -> Iterator[Figure]:
    """What lesson 06 pays for a model of its own, one run in a process of its own."""
    if os.name == "nt" or not is_whole(folder()):
        print("  SmolLM2: not measured, it is not here; next: make model (Windows does not tell the memory)")
        return
    command = [sys.executable, "-c", _LOCAL_MODEL]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split()
    load, first, token, memory = map(float, told)
    memory_unit = 10**9 if sys.platform == "darwin" else 10**6  # bytes there, kB elsewhere
    yield Figure("SmolLM2, import of torch and loading", load, 10)
    yield Figure("SmolLM2, time to first token", first, 2)
    yield Figure("SmolLM2, each generated token", 1000 * token, 100, "ms")
    yield Figure("SmolLM2, peak memory of the process", memory / memory_unit, 1, "GB")


def _whole_test(root: Path) -> Figure | None:
    """One run only, and only with FULL=1: it takes a minute."""
    if not os.environ.get("FULL"):
        return None
    began = time.perf_counter()
    done = subprocess.run(["make", "test"], cwd=root, capture_output=True, check=False)
    name = "make test" if done.returncode == 0 else f"make test (failed with {done.returncode})"
    return Figure(f"{name}, one run", time.perf_counter() - began, 60)


def _disk(root: Path) -> Figure:
    return Figure("disk: this folder with .venv", disk_bytes(root) / 10**9, 1.7, "GB")


def disk_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`; links are not followed."""
    return sum((Path(place) / name).lstat().st_size for place, _, names in os.walk(folder) for name in names)
