"""The proxy of lesson 05 as one plain file: ours in deployment/, a learner's wherever they want it."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from course.definitions import definitions, execute, new_namespace, solved_names
from course.errors import CourseError
from course.exercises import ROOT, find_exercise, find_lesson
from course.export import laid_over, module_source, write_untouched
from course.proxy import export, export_solution
from tests.course.learners import answer

DEPLOYMENT = ROOT / "deployment"
CLEAN = {name: value for name, value in os.environ.items() if name.lower() not in {"hf_token", "max_tokens"}}

# --- a module out of definitions ------------------------------------------------------------------------------

CELLS = [
    "import os, json\nfrom time import time as now\nUNUSED = 1",
    "# why it is 2\nBASE = 2  # and no 3\nclass Kind:\n    pass",
    "from functools import cache\n\n@cache\ndef app():\n    return helper() + now()\nprint('no definition')",
    "def helper():\n    return BASE\ndef other():\n    return json.dumps({})\nKind.size = 1",
]


def test_a_module_has_what_a_name_needs_and_nothing_else() -> None:
    text = module_source(definitions(CELLS, "cells"), "app", "What it is.")

    assert text.partition("\n")[2] == (
        '"""What it is."""\n\nfrom functools import cache\nfrom time import time as now\n\n'
        "# why it is 2\nBASE = 2  # and no 3\n\n\n@cache\ndef app():\n    return helper() + now()\n\n\n"
        "def helper():\n    return BASE\n"
    )


def test_a_class_that_is_written_in_two_cells_stays_whole() -> None:
    text = module_source(definitions([*CELLS, "def last():\n    return Kind"], "cells"), "last", "")

    assert "class Kind" in text
    assert "Kind.size = 1" in text


def test_theirs_stands_in_the_place_of_ours_and_their_helper_before_it() -> None:
    ours = definitions(["class A: pass\nclass B(A): pass\ndef app() -> B: return B()", "class Deleted: pass"], "ours")
    theirs = definitions(["class A: mine = 1\nclass Helper: pass\nclass B(A, Helper): pass\ndef app(): pass"], "theirs")
    names = new_namespace("merged")

    merged = laid_over(ours, theirs, without=["app"])

    assert execute(merged, names) == {}
    assert names["app"]().mine == 1
    assert issubclass(names["B"], names["Helper"])
    assert "Deleted" in names


def test_a_file_that_a_person_changed_is_left_alone(tmp_path: Path) -> None:
    path, found = tmp_path / "proxy.py", definitions(CELLS, "cells")
    first, second = (module_source(found, "app", docstring) for docstring in ("One.", "Two."))

    assert [write_untouched(path, text) for text in (first, second)] == [True, True]
    path.write_text(second.replace("return BASE", "return BASE + 1"))
    assert not write_untouched(path, first)
    assert "BASE + 1" in path.read_text()


# --- ours -----------------------------------------------------------------------------------------------------


def test_the_file_in_deployment_is_that_of_the_lesson(tmp_path: Path) -> None:
    export_solution(tmp_path)

    built = (tmp_path / "deployment" / "proxy.py").read_text(encoding="utf-8")
    assert (DEPLOYMENT / "proxy.py").read_text(encoding="utf-8") == built, "deployment/proxy.py is stale: make build"


ALONE = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)
sys.meta_path.insert(0, Blocker())
sys.path.insert(0, {folder!r})
import proxy
print(sorted(route.path for route in proxy.app().routes if hasattr(route, "path")))
"""


def packages_of(*names: str) -> set[str]:
    """What can be imported where these distributions are installed with what they require, and nothing else."""
    seen: set[str] = set()
    new = set(names)
    while new:
        seen |= new
        required = [Requirement(line) for name in new for line in metadata.requires(name) or []]
        new = {r.name.lower() for r in required if not r.marker or r.marker.evaluate({"extra": ""})} - seen
    normal = {name.replace("_", "-") for name in seen}
    found = metadata.packages_distributions()
    return {package for package, dists in found.items() if {d.lower().replace("_", "-") for d in dists} & normal}


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=CLEAN | environment, cwd=DEPLOYMENT, capture_output=True, text=True, timeout=60)


def test_it_needs_four_packages_and_no_other() -> None:
    blocked = metadata.packages_distributions().keys() - packages_of(
        "fastapi", "uvicorn", "httpx2", "pydantic-settings"
    )
    assert {"redis", "requests"} <= blocked

    done = run(ALONE.format(blocked=set(blocked), folder=str(DEPLOYMENT)), HF_TOKEN="a-token")

    assert "'/api/chat', '/healthz', '/openapi.json', '/readyz', '/v1/chat/completions'" in done.stdout, done.stderr


def test_bad_settings_end_it_with_one_line_and_no_value() -> None:
    canary = "hf_" + "CaNaRy" * 5
    start = "import uvicorn; uvicorn.run('proxy:app', factory=True, log_level='critical')"

    done = run(start, HF_TOKEN=canary, MAX_TOKENS=canary)

    assert done.returncode == 1
    assert done.stderr.startswith("The proxy does not start. MAX_TOKENS: Input should be a valid integer")
    assert done.stderr.count("\n") == 1
    assert canary not in done.stderr + done.stdout


# --- a learner's ----------------------------------------------------------------------------------------------


def test_a_learner_gets_theirs_as_a_file(learners_folder: Path, tmp_path: Path) -> None:
    exercise = find_exercise("05-3")
    answer(learners_folder, exercise, exercise.source.replace("secrets.token_hex(8)", "secrets.token_hex(9)"))
    target, names = tmp_path / "mine.py", new_namespace("mine")

    told = export(learners_folder, target)

    text = target.read_text(encoding="utf-8")
    exec(text, names)  # noqa: S102 - our own text and that of this test
    assert told.startswith(f"{target}: uvicorn --factory mine:app. Yours: 05-3. Ours, as yours are not right yet: 05-1")
    assert len(names["public_error"](ValueError()).id) == 18
    assert names["create_app"](names["Settings"](hf_token="a-token")).title == "Chat proxy"

    target.write_text(text + "# my own line\n", encoding="utf-8")
    with pytest.raises(CourseError, match="left alone"):
        export(learners_folder, target)
    assert target.read_text(encoding="utf-8").endswith("# my own line\n")


def test_the_whole_lesson_is_right_when_it_comes_from_the_file() -> None:
    """Nothing was lost on the way: every name that a check asks for is there, and made of the same code."""
    names, file = solved_names("05"), new_namespace("file")
    exec((DEPLOYMENT / "proxy.py").read_text(encoding="utf-8"), file)  # noqa: S102 - our own file

    for exercise in find_lesson("05").exercises:
        assert exercise.name in file
    assert file["Settings"].model_fields.keys() == names["Settings"].model_fields.keys()
    assert file["SECURITY_HEADERS"] == names["SECURITY_HEADERS"]
