"""`make bench`: the waits that learners feel, measured here and now, with what they may be at most beside them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from course.exercises import ROOT
from course.smollm2 import folder, is_whole
from tests.bench.overhead import lines
from tests.bench_proxy.figures import Reach

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


def main() -> None:
    """Print every figure as it comes. Whatever they are is no failure: a loaded machine is no mistake in the course."""
    print(f"Medians of {_RUNS} on {os.cpu_count()} cores, warm:")
    for measure in (_check_process, _check_in_kernel, _sandbox_start, _whole_test, _disk, local_model):
        for figure in measure():
            print(figure.line(), flush=True)
    print("Clients of lesson 04, as ratios to plain requests (aim for ours: 1.15, and below both libraries):")
    for line in lines():
        print(line)


def median_seconds(run: Callable[[], float]) -> float:
    """The median of five, after one run that warms up."""
    run()
    return statistics.median(run() for _ in range(_RUNS))


def _check_process() -> Iterator[Reach]:
    def run() -> float:
        began = time.perf_counter()
        # Exit code 1 is a wrong answer in the learner's notebook, and as good to time as a right one.
        subprocess.run(["make", "check", "EX=01-2"], cwd=ROOT, capture_output=True, check=False)
        return time.perf_counter() - began

    yield Reach("make check EX=01-2, whole process", median_seconds(run), 1.0, "s")


def _check_in_kernel() -> Iterator[Reach]:
    """check("01-2") on the solution, in a kernel as JupyterLab starts it."""
    from nbclient import NotebookClient

    nbformat: Any = import_module("nbformat")  # it has no types
    notebook = nbformat.read(next((ROOT / "solutions").glob("01_*.ipynb")), as_version=4)
    timed = [nbformat.v4.new_code_cell(_CHECK_IN_KERNEL) for _ in range(_RUNS + 1)]
    notebook.cells += [nbformat.v4.new_code_cell("from course import check"), *timed]
    NotebookClient(
        notebook,
        timeout=60,
        extra_arguments=["--log-level=40"],
        resources={"metadata": {"path": tempfile.mkdtemp()}},  # our success is not the learner's
    ).execute()
    seconds = [_printed_seconds(cell) for cell in timed]
    yield Reach('check("01-2") in a kernel', statistics.median(seconds[1:]), 0.1, "s")


def _printed_seconds(cell: Mapping[str, Any]) -> float:
    texts = [output.get("text", "") for output in cell["outputs"]]
    return float("".join(texts).rpartition("seconds:")[2])


def _sandbox_start() -> Iterator[Reach]:
    def run() -> float:
        command = [sys.executable, "-c", _START_SANDBOX]
        return float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    yield Reach("sandbox.start(), with its imports", median_seconds(run), 0.5, "s")


def local_model() -> Iterator[Reach]:
    """What lesson 06 pays for a model of its own, one run in a process of its own."""
    if os.name == "nt" or not is_whole(folder()):
        print("  SmolLM2: not measured, it is not here; next: make model (Windows does not tell the memory)")
        return
    command = [sys.executable, "-c", _LOCAL_MODEL]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    load, first, token, memory = map(float, told)
    memory_unit = 10**9 if sys.platform == "darwin" else 10**6  # bytes there, kB elsewhere
    yield Reach("SmolLM2, import of torch and loading", load, 10, "s")
    yield Reach("SmolLM2, time to first token", first, 2, "s")
    yield Reach("SmolLM2, each generated token", 1000 * token, 100, "ms")
    yield Reach("SmolLM2, peak memory of the process", memory / memory_unit, 1, "GB")


def _whole_test() -> Iterator[Reach]:
    """One run only, and only with FULL=1, as it takes minutes; at most as long as `make help` says."""
    if not os.environ.get("FULL"):
        return
    began = time.perf_counter()
    done = subprocess.run(["make", "test"], cwd=ROOT, capture_output=True, check=False)
    name = "make test" if done.returncode == 0 else f"make test (failed with {done.returncode})"
    yield Reach(f"{name}, one run", time.perf_counter() - began, 180, "s")


def _disk() -> Iterator[Reach]:
    """All files below this folder; links are not followed."""
    files = (Path(place) / name for place, _, names in os.walk(ROOT) for name in names)
    yield Reach("disk: this folder with .venv", sum(file.lstat().st_size for file in files) / 10**9, 1.7, "GB")


if __name__ == "__main__":
    main()
