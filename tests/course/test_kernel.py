"""`check`, `hint`, `solution` and `needs` on what a kernel holds."""

import linecache
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from course import notebook
from course.card import Card
from course.definitions import execute, lesson_definitions
from course.exercises import ROOT, find_exercise, find_lesson

FIRST = find_exercise("01-1")
_cells = count()


def run_cell(source: str, namespace: dict[str, Any]) -> None:
    """Run `source` as a kernel does: under a file name whose lines Python can look up."""
    filename = f"kernel/ipykernel_1/{next(_cells)}.py"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), namespace)  # noqa: S102


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of a kernel in which the untouched notebook was run."""
    namespace: dict[str, Any] = {"__name__": "kernel"}
    lesson = find_lesson("01")
    execute(lesson_definitions(lesson), namespace)
    for exercise in lesson.exercises:
        run_cell(exercise.stub, namespace)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(notebook, "_user_namespace", lambda: namespace)
    return namespace


def test_a_stub_is_todo(kernel: dict[str, Any]) -> None:
    assert repr(notebook.check("01-1")).startswith("· 01-1 todo")


def test_a_right_answer_is_explained(kernel: dict[str, Any]) -> None:
    run_cell(FIRST.source, kernel)

    assert FIRST.explanation in repr(notebook.check("01-1"))


def test_what_is_not_begun_is_lent_and_taken_back(kernel: dict[str, Any]) -> None:
    run_cell(find_exercise("01-4").source, kernel)
    before = dict(kernel)

    told = repr(notebook.check("01-4"))

    assert told.startswith("✓ 01-4 right")  # it calls token_problem, still the stub in this kernel
    assert kernel == before


def test_an_exercise_whose_cell_was_not_run_is_todo(kernel: dict[str, Any]) -> None:
    del kernel["token_problem"]

    assert "run the cells above" in repr(notebook.check("01-1"))
    assert "token_problem" not in kernel


def test_a_wrong_answer_is_a_card_in_text_and_html(kernel: dict[str, Any]) -> None:
    run_cell("def token_problem(text): return '<b>no</b>'", kernel)

    card = notebook.check("01-1")

    assert "Seen:" in repr(card)
    assert "hint(&#x27;01-1&#x27;)" in card._repr_html_()


def test_hints_go_on_and_stop_at_the_last(kernel: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "_hints_given", {})

    heads = [repr(notebook.hint("01-1")).splitlines()[0] for _ in range(3)]

    assert heads == ["Hint 1 of 2 for 01-1", "Hint 2 of 2 for 01-1", "Hint 2 of 2 for 01-1"]


def test_a_solution_opens_after_success(kernel: dict[str, Any]) -> None:
    closed = repr(notebook.solution("01-1"))
    run_cell(FIRST.source, kernel)
    notebook.check("01-1")

    assert "still closed" in closed
    assert "def token_problem" in repr(notebook.solution("01-1"))


def test_needs_lets_an_open_exercise_pass_with_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    with notebook.needs("01-1"):
        raise NotImplementedError("Exercise 01-1")

    assert "This cell needs exercise 01-1" in capsys.readouterr().out


def test_needs_says_what_was_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    with notebook.needs("01-4"):
        run_cell("token_problem('')", {})

    said = capsys.readouterr().out
    assert "needs exercise 01-1. token_problem is not defined in this kernel: run the cells above" in said


def test_needs_hides_no_other_error() -> None:
    with pytest.raises(NotImplementedError, match="mine"), notebook.needs("01-1"):
        raise NotImplementedError("mine")


SLIPS = {
    "no exercise": "token_problm('')",
    "an exercise of another lesson": "revoke_leaked",
    "a local variable": "def f():\n    token_problem = token_problem('')\nf()",
}


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS)
def test_needs_hides_no_misspelt_name(slip: str) -> None:
    with pytest.raises(NameError), notebook.needs("01-1"):
        run_cell(slip, {})


def test_needs_names_the_exercise_that_is_open(capsys: pytest.CaptureFixture[str]) -> None:
    with notebook.needs("01-4"):
        raise NotImplementedError("Exercise 01-1")

    said = capsys.readouterr().out
    assert "needs exercise 01-1. Write token_problem above" in said
    assert "It needs 01-4, too." in said


def test_in_a_kernel_the_hub_is_loaded_without_a_word_about_widgets() -> None:
    program = "import IPython, ipykernel.zmqshell; from course import check; import huggingface_hub.utils.tqdm"

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert ran.stderr == ""


def test_a_misspelt_exercise_is_a_card(kernel: dict[str, Any]) -> None:
    assert "There is no exercise '01-99'" in repr(notebook.check("01-99"))


def test_a_right_answer_that_uses_a_wrong_one_is_told_so(kernel: dict[str, Any]) -> None:
    no_return = find_exercise("01-2").source.replace("        return request\n", "")
    run_cell(no_return, kernel)
    run_cell(find_exercise("01-3").source, kernel)

    told = repr(notebook.check("01-3"))

    assert "who_am_i is right by itself" in told


def test_a_class_whose_methods_are_decorated_is_known_as_a_stub(kernel: dict[str, Any]) -> None:
    """Settings of lesson 05 has class methods and validators alone; what it lacks is lent to the others."""
    lesson = find_lesson("05")
    execute(lesson_definitions(lesson), kernel)
    for exercise in lesson.exercises:
        run_cell(exercise.stub, kernel)
    run_cell(find_exercise("05-2").source, kernel)

    assert repr(notebook.check("05-1")).startswith("· 05-1 todo")
    assert repr(notebook.check("05-2")).startswith("✓ 05-2 right")


def test_marks_of_markdown_are_shown_as_html_and_kept_in_text() -> None:
    card = Card("head", "call `f(a, *b)`, not *g*: **never** `<i>`")

    assert (
        "call <code>f(a, *b)</code>, not <em>g</em>: <strong>never</strong> <code>&lt;i&gt;</code>"
        in card._repr_html_()
    )
    assert repr(card) == "head\ncall `f(a, *b)`, not *g*: **never** `<i>`"


@pytest.mark.parametrize(
    "text", ["2 * 3 * 4", "2**3 and 4**5", "hf_*** and hf_***", "Bearer ***, ***", "*args, **more"]
)
def test_what_only_looks_like_a_mark_stays_as_it_is(text: str) -> None:
    assert f">{text}</pre>" in Card("head", text)._repr_html_()


def test_marks_in_a_solution_are_code() -> None:
    card = Card("head", "*why*", code="f(*a, *b)\n\n")

    assert ">f(*a, *b)\n\n<em>why</em></pre>" in card._repr_html_()
    assert repr(card) == "head\nf(*a, *b)\n\n*why*"
