"""Every check of an exercise runs twice here: against solutions/, where all must be right, and against notebooks/."""

import gc
import os
import sys
from collections import Counter
from functools import cache
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from course.checks import Unfinished, Verdict, exercise_id
from course.exercises import ROOT, Exercise, find_exercise
from course.learner import from_notebooks

pytest_plugins = ["course.pytest_plugin"]

# jsonschema, which nbformat loads, builds a grammar of web addresses if this package is there: 2 s in each process, and
# no notebook holds what it would check.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

_LONG = ("passes_nbval", "test_browser.py", "gets_its_verdict", "the_stored_matrix", "test_lab.py")
_TORCH = ("test_real_model.py", "test_local_tiny_model.py", "test_local_model.py")  # 5 s to load, in each process

# Programs that tests start are no sockets of this process, so pytest-socket does not see them: they get a proxy that
# is not there, and no token of whoever runs the tests.
_NO_NETWORK = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
}

# Nothing here speaks TLS, and each client of httpx2 would read all certificates of this machine: 26 ms, and as much
# again for each of the two proxies above.
_NO_CERTIFICATES = {"SSL_CERT_DIR": os.devnull}


def pytest_configure(config: pytest.Config) -> None:
    os.environ.update(_NO_NETWORK | {name.lower(): value for name, value in _NO_NETWORK.items()})
    os.environ["ROOM_SEED"] = (
        "course"  # the stored outputs are of this room, whatever a teacher writes into teacher.toml
    )
    os.environ.update(_NO_CERTIFICATES)
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING_FACE_", "SSL_CERT_FILE"))]:
        del os.environ[name]


def pytest_collection_finish() -> None:
    # What is loaded by now stays to the end. Frozen, the garbage collector does not walk through it a thousand times.
    gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if exercise_id(metafunc.function.__name__) and "lesson" in metafunc.fixturenames:
        metafunc.parametrize("lesson", ["solutions", "notebooks"], indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long ones first in the share of each worker: begun last, one of them would keep the others waiting.

    Those with torch all go to one worker, so that it is loaded once.
    """
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    torch = [item for item in items if any(name in item.nodeid for name in _TORCH)]
    long = [item for item in items if any(name in item.nodeid for name in _LONG)]
    chosen = {*torch, *long}
    short = iter([item for item in items if item not in chosen])
    dealt: list[pytest.Item] = []
    for worker in range(workers):  # pytest-xdist gives each as many, in this order
        share = (len(items) - len(dealt)) // (workers - worker)
        mine = [*([] if worker else torch), *long[worker::workers]]
        dealt += [*mine, *islice(short, max(0, share - len(mine)))]
    items[:] = [*dealt, *short]


@pytest.fixture
def lesson(request: pytest.FixtureRequest) -> SimpleNamespace:
    """The names that a build defines; an exercise that nobody has begun is a visible skip."""
    exercise = find_exercise(exercise_id(request.node.name) or "")
    found = _names(request.param, exercise)
    if isinstance(found, Verdict):
        if found.state == "todo" and request.param == "notebooks":
            pytest.skip(f"todo: {exercise.id} in notebooks/{exercise.lesson}.ipynb")
        pytest.fail(f"{exercise.id} in {request.param}/: {found.message}", pytrace=False)
    return SimpleNamespace(**found)


@cache
def _names(folder: str, exercise: Exercise) -> dict[str, Any] | Verdict:
    """Read once for all tests of an exercise, as in a check."""
    try:
        return from_notebooks(ROOT / folder)(exercise)
    except Unfinished as unfinished:
        return unfinished.verdict


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """Count a stub that is only met while the check runs (one method of a class, say) as todo, too.

    Here, because pytest would write a report on the error first, which takes longer than all else.
    """
    found = exercise_id(item.name)
    try:
        return (yield)
    except NotImplementedError as error:
        if found and "notebooks" in item.name and f"Exercise {found}" in str(error):
            pytest.skip(f"todo: {found}")
        raise
    except Unfinished as unfinished:  # collected bit by bit, and not all is there
        if "notebooks" in item.name and unfinished.verdict.state == "todo":
            pytest.skip(f"todo: {found}")
        raise


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line each: exercises, notebooks, tests."""
    states: dict[str, dict[str, str]] = {"solutions": {}, "notebooks": {}}
    names = {"passed": "right", "failed": "wrong", "error": "wrong", "skipped": "todo"}
    for outcome, state in names.items():
        for report in terminalreporter.stats.get(outcome, []):
            test = report.nodeid.rsplit("::", 1)[-1]
            for folder, known in states.items():
                if (found := exercise_id(test)) and f"[{folder}" in test.replace("-", "[") + "[":
                    known[found] = _worse(known.get(found), state)
    for folder, known in states.items():
        count = Counter(known.values())
        told = ", ".join(f"{count[state]} {state}" for state in ("right", "wrong", "todo"))
        terminalreporter.write_line(f"{folder + '/':<12} exercises: {told}")
    passed = [r.nodeid for r in terminalreporter.stats.get("passed", []) if "passes_nbval" in r.nodeid]
    terminalreporter.write_line(f"{'nbval':<12} notebooks: {len(passed)} run from top to bottom as stored")
    skipped = (str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", []) if report.longrepr)
    for reason, number in Counter(reason.removeprefix("Skipped: ") for reason in skipped).items():
        if not reason.startswith("todo:"):
            terminalreporter.write_line(f"{'skipped':<12} {number}: {reason}")


def _worse(old: str | None, new: str) -> str:
    order = ["right", "todo", "wrong"]
    return new if old is None else max(old, new, key=order.index)


@pytest.fixture
def learners_folder(tmp_path: Path) -> Path:
    """A folder with the blank notebooks as they are shipped, for a test to write into."""
    from tests.course.learners import blank_notebooks

    return blank_notebooks(tmp_path / "notebooks")
