"""How a learner's notebook is read: its definitions, and nothing else of it."""

import json
from pathlib import Path

import pytest

from course import sandbox
from course.cells import UnreadableNotebook, read_cells
from course.checks import Verdict, run_checks
from course.definitions import (
    beyond,
    definitions,
    execute,
    lesson_definitions,
    new_namespace,
)
from course.exercises import Lesson, all_lessons, find_exercise
from course.learner import from_notebooks
from tests.course.learners import answer

TOKEN_PROBLEM = find_exercise("01-1")


def names(*cells: str) -> dict[str, object]:
    namespace = new_namespace("test_definitions_names")
    execute(definitions(cells, "test.ipynb"), namespace)
    return namespace


def test_statements_are_not_run() -> None:
    namespace = names("seen = []\nprint(1 / 0)\nopen('/nowhere')", "def f(): return 1")

    assert namespace["f"]() == 1  # type: ignore[operator]
    assert "seen" not in namespace


def test_an_assignment_is_run_if_a_definition_reads_it() -> None:
    namespace = names("import logging", "name = 'course'\nlog = logging.getLogger(name)", "def f(): return log.name")

    assert namespace["f"]() == "course"  # type: ignore[operator]


def test_a_local_or_parameter_of_the_same_name_runs_nothing() -> None:
    namespace = names("answer = 1 / 0\ntext = print('run')", "def f(text):\n    answer = text\n    return answer")

    assert {"answer", "text"} & set(namespace) == set()


@pytest.mark.parametrize("lesson", all_lessons(), ids=lambda lesson: lesson.stem)
def test_reading_a_lesson_starts_no_sandbox(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(sandbox, "start", lambda **options: started.append(options))

    execute(lesson_definitions(lesson), new_namespace("test_definitions_lesson"))

    assert started == []


def test_an_answer_that_asks_the_sandbox_of_its_notebook_is_told_so(learners_folder: Path) -> None:
    exercise = find_exercise("02-1")
    answer(learners_folder, exercise, exercise.source.replace("    auth =", "    hub.url\n    auth ="))

    found = verdict(learners_folder, "02-1")

    assert found.state == "wrong"
    assert "a check has no sandbox of the notebook (.url)" in (found.message or "")


def test_only_what_differs_from_the_lesson_is_made_again() -> None:
    given = ["import os", "LIMIT = 3", "class Small:\n    limit = LIMIT", "class Other: pass", "def f(): return Small"]
    theirs = ["import os", "LIMIT = 4", *given[2:], "def f(): return Other", "def g(): pass"]

    again = beyond(definitions(theirs, "theirs"), definitions(given, "ours"), ["g"])

    names = [getattr(statement, "name", "LIMIT") for statement, _ in again.statements]
    assert names == ["LIMIT", "Small", "f", "f", "g"]  # f, as given, reads Small, which reads LIMIT


def test_another_future_makes_everything_again() -> None:
    cells = ["class Small:\n    limit: int"]

    again = beyond(
        definitions(["from __future__ import annotations", *cells], "theirs"), definitions(cells, "ours"), []
    )

    assert len(again.statements) == 2


def test_constants_are_kept_and_a_failing_one_breaks_only_itself() -> None:
    namespace = names("import os", "TOKEN = os.environ['NOT_SET_ANYWHERE']", "LIMIT = 3", "def f(): return LIMIT")

    assert namespace["f"]() == 3  # type: ignore[operator]
    assert "TOKEN" not in namespace


@pytest.mark.parametrize(
    "cell",
    [
        "%matplotlib inline\ndef f(): return 1",
        "!pip list\ndef f(): return 1",
        "files = !ls\ndef f(): return 1",
        "%%time\ndef f(): return 1",
        "f?\ndef f(): return 1",
        "await something()\ndef f(): return 1",
    ],
)
def test_magics_shell_lines_and_await_are_skipped(cell: str) -> None:
    assert names(cell)["f"]() == 1  # type: ignore[operator]


def test_a_cell_of_another_language_is_skipped() -> None:
    assert "f" in names("%%bash\nif then fi (", "def f(): return 1")


def test_the_last_definition_counts() -> None:
    assert names("def f(): return 1", "def f(): return 2")["f"]() == 2  # type: ignore[operator]


def test_dataclasses_and_postponed_annotations_work() -> None:
    namespace = names(
        "from __future__ import annotations\nfrom dataclasses import dataclass",
        "@dataclass\nclass P:\n    q: Later | None = None",
    )

    assert namespace["P"]().q is None  # type: ignore[operator]


def verdict(folder: Path, exercise: str = "01-1") -> Verdict:
    return run_checks([find_exercise(exercise)], from_notebooks(folder))[exercise]


def edit(folder: Path, change: dict[str, object]) -> None:
    path = folder / "01_account_setup.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"].append({"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, **change})
    path.write_text(json.dumps(notebook), encoding="utf-8")


def test_a_syntax_error_breaks_its_own_exercise_alone(learners_folder: Path) -> None:
    answer(learners_folder, TOKEN_PROBLEM, "def token_problem(text)\n    return None")
    answer(learners_folder, find_exercise("01-2"), find_exercise("01-2").source)

    broken, other = verdict(learners_folder), verdict(learners_folder, "01-2")

    assert broken.state == "wrong"
    assert broken.mistake == "syntax"
    assert "def token_problem(text)" in (broken.message or "")
    assert other.state == "right"


@pytest.mark.parametrize(
    "code",
    [
        "def token_problem(text):\n    if text:\n        return None\nreturn None",
        "def token_problem(text):\n    match text:\n        case one: return 1\n        case two: return 2",
        "def token_problem(text):\n    break",
    ],
)
def test_a_cell_that_no_kernel_would_run_is_wrong(learners_folder: Path, code: str) -> None:
    answer(learners_folder, TOKEN_PROBLEM, code)

    assert verdict(learners_folder).mistake == "syntax"


def test_a_token_in_a_broken_line_is_masked(learners_folder: Path) -> None:
    answer(learners_folder, TOKEN_PROBLEM, "def token_problem(text):\n    x = 'hf_" + 17 * "aB" + "\n    return x")

    assert "hf_***" in (verdict(learners_folder).message or "")


def test_a_class_may_be_written_in_two_cells(learners_folder: Path) -> None:
    whole = find_exercise("01-2").source
    body = whole[whole.index("    def __call__") : whole.index("    def __repr__")]
    answer(learners_folder, find_exercise("01-2"), whole.replace(body, ""))
    edit(learners_folder, {"source": body.replace("    def __call__", "def call").replace("\n    ", "\n")})
    edit(learners_folder, {"source": "BearerAuth.__call__ = call"})

    assert verdict(learners_folder, "01-2").state == "right"


def test_a_leftover_raise_below_an_answer_is_no_stub(learners_folder: Path) -> None:
    answer(learners_folder, TOKEN_PROBLEM, TOKEN_PROBLEM.source + '    raise NotImplementedError("Exercise 01-1")\n')

    assert verdict(learners_folder).state == "right"


@pytest.mark.parametrize(
    "code", ["X = exit(3)", "class X:\n    exit()", "Y = '\\ud800'.encode()", "import nothing_there"]
)
def test_a_definition_that_fails_breaks_no_other(learners_folder: Path, code: str) -> None:
    edit(learners_folder, {"source": code})
    answer(learners_folder, TOKEN_PROBLEM, TOKEN_PROBLEM.source)

    assert verdict(learners_folder).state == "right"


@pytest.mark.parametrize(
    "text", ["  def f():\n      return 1", ">>> def f():\n...     return 1", "V = (5\n  % 3)\n%ls\ndef f(): return 1"]
)
def test_what_a_notebook_reads_as_python_is_read(text: str) -> None:
    assert names(text)["f"]() == 1  # type: ignore[operator]


def test_a_byte_order_mark_is_no_trouble(learners_folder: Path) -> None:
    path = learners_folder / "01_account_setup.ipynb"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert verdict(learners_folder).state == "todo"


def test_a_function_that_was_deleted_is_todo(learners_folder: Path) -> None:
    answer(learners_folder, TOKEN_PROBLEM, "x = 1")

    assert verdict(learners_folder).state == "todo"


def test_a_stub_that_was_copied_and_solved_below_is_right(learners_folder: Path) -> None:
    edit(learners_folder, {"source": TOKEN_PROBLEM.source.splitlines(keepends=True)})

    assert verdict(learners_folder).state == "right"


def test_an_untouched_earlier_exercise_is_filled_in(learners_folder: Path) -> None:
    answer(learners_folder, find_exercise("01-4"), find_exercise("01-4").source)

    assert verdict(learners_folder, "01-4").state == "right"  # it calls token_problem, which is still the stub


def test_a_right_answer_that_uses_a_wrong_one_is_told_so(learners_folder: Path) -> None:
    auth, who_am_i = find_exercise("01-2"), find_exercise("01-3")
    answer(learners_folder, auth, auth.source.replace("        return request\n", ""))
    answer(learners_folder, who_am_i, who_am_i.source)

    found = verdict(learners_folder, "01-3")

    assert found.mistake == "mistake-elsewhere"
    assert verdict(learners_folder, "01-2").mistake == "no-return"


def test_a_class_of_which_one_method_is_written_is_begun(learners_folder: Path) -> None:
    source = find_exercise("01-2").source.replace(
        'return "BearerAuth(hidden)"', 'raise NotImplementedError("Exercise 01-2")'
    )
    answer(learners_folder, find_exercise("01-2"), source)

    assert verdict(learners_folder, "01-2").state == "todo"


def test_an_endless_constant_ends_with_its_line(learners_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from course import limit

    monkeypatch.setattr(limit, "SECONDS", 1.0)
    edit(learners_folder, {"source": "import itertools\nFIRST = [n for n in itertools.count() if n < 0][0]"})
    answer(learners_folder, TOKEN_PROBLEM, TOKEN_PROBLEM.source)

    found = verdict(learners_folder)

    assert found.mistake == "endless"
    assert "FIRST = " in (found.message or "")


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"cells": 1}', '{"cells": [{}]}'])
def test_a_file_that_is_no_notebook_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "01_account_setup.ipynb"
    path.write_text(text)

    with pytest.raises(UnreadableNotebook, match=r"is not a notebook.*make reset NB=01"):
        read_cells(path)
