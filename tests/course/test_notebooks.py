"""The two builds: the same bytes every time, never stale, never over a learner's work, and every notebook runs."""

import base64
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from course import backups
from course.exercises import ROOT, Lesson, all_lessons, find_exercise
from course.files import write_whole
from course.notebooks import PORT, _build_blank, _execute, blank_notebook, dumps, keep_pictures, solved_notebook
from course.reset import reset_exercise, reset_lesson
from course.shipped import Shipped, fingerprint
from tests.course.learners import answer

LESSONS = all_lessons()
stems = [lesson.stem for lesson in LESSONS]
LIGHT = ("01", "02", "03", "04", "05")  # lessons that must stay quick to start
STALE = "is not what lessons/{0}.py makes; run `make build` and commit the result"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder with one built blank."""
    (tmp_path / "data").mkdir()
    build(tmp_path)
    return tmp_path


def build(root: Path) -> list[str]:
    said: list[str] = []
    _build_blank(root, LESSONS[0], Shipped(root / "data" / "shipped.json"), said.append)
    return said


def source_of(notebook: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]]


@pytest.mark.parametrize("lesson", LESSONS, ids=stems)
def test_the_committed_solution_is_not_stale(lesson: Lesson) -> None:
    committed = source_of(ROOT / "solutions" / f"{lesson.stem}.ipynb")

    assert committed == [cell["source"] for cell in solved_notebook(lesson).cells], (
        f"solutions/{lesson.stem}.ipynb " + STALE.format(lesson.stem)
    )


@pytest.mark.parametrize("lesson", LESSONS, ids=stems)
def test_the_committed_blank_is_not_stale(lesson: Lesson) -> None:
    shipped = Shipped(ROOT / "data" / "shipped.json")
    path = ROOT / "notebooks" / f"{lesson.stem}.ipynb"
    current = fingerprint(blank_notebook(lesson))

    assert shipped.has(lesson.stem, current), "data/shipped.json " + STALE.format(lesson.stem)
    if not shipped.has(lesson.stem, fingerprint(path)):
        pytest.skip(f"notebooks/{lesson.stem}.ipynb holds a learner's work")
    assert fingerprint(path) == current, f"notebooks/{lesson.stem}.ipynb " + STALE.format(lesson.stem)


def test_the_two_folders_hold_the_same_names_as_the_lessons() -> None:
    solutions = {path.stem for path in (ROOT / "solutions").glob("*.ipynb")}

    assert solutions == set(stems)
    assert set(stems) <= {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert set(stems) == {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}


@pytest.mark.parametrize("lesson", LESSONS, ids=stems)
def test_a_blank_holds_no_solution_no_hint_and_no_output(lesson: Lesson) -> None:
    notebook = blank_notebook(lesson)
    text = dumps(notebook)

    for exercise in lesson.exercises:
        assert f'NotImplementedError(\\"Exercise {exercise.id}\\")' in text
        assert exercise.hints[0][:40] not in text
        assert exercise.explanation[:40] not in text
    assert "SOLUTION" not in text
    assert all(not cell.get("outputs") for cell in notebook.cells)


@pytest.mark.parametrize("lesson", LESSONS, ids=stems)
def test_something_is_to_be_done_every_five_cells(lesson: Lesson) -> None:
    run_only = 0
    for cell in blank_notebook(lesson).cells:
        asks = "redict" in cell.source or "Exercise" in cell.source or "?" in cell.source or "Try" in cell.source
        run_only = 0 if asks else run_only + 1

        assert run_only < 5, (
            f"{lesson.stem}: five cells in a row ask nothing of the learner, up to {cell.source[:60]!r}"
        )


def test_the_same_build_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    notebook = solved_notebook(LESSONS[0])
    _execute(notebook, str(tmp_path))

    assert dumps(notebook) == (ROOT / "solutions" / f"{stems[0]}.ipynb").read_text(encoding="utf-8")


def with_picture(shade: int, size: tuple[int, int] = (4, 3), source: str = "plot()") -> dict[str, Any]:
    """A notebook of one cell, which shows a grey picture and says so."""
    stored = io.BytesIO()
    Image.new("RGBA", size, (shade, shade, shade, 255)).save(stored, format="png")
    data = {"image/png": base64.b64encode(stored.getvalue()).decode(), "text/plain": "grey"}
    return with_outputs([{"output_type": "display_data", "data": data, "metadata": {}}], source)


def with_outputs(outputs: list[dict[str, Any]], source: str = "plot()") -> dict[str, Any]:
    return {"cells": [{"cell_type": "code", "source": source, "outputs": outputs}]}


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        (with_picture(100), True),
        (with_picture(101), True),
        (with_picture(130), False),
        (with_picture(101, size=(4, 4)), False),
        (with_picture(101, source="another()"), False),
        (with_outputs([]), False),
    ],
    ids=["the same", "another processor's rounding", "another shade", "another size", "another cell", "none before"],
)
def test_a_stored_picture_stays_where_nobody_can_tell_it_from_the_new_one(stored: Any, kept: bool) -> None:
    fresh = with_picture(100)

    keep_pictures(fresh, json.loads(dumps(stored)))

    assert fresh["cells"][0]["outputs"] == (stored if kept else with_picture(100))["cells"][0]["outputs"]


def test_a_second_build_writes_nothing(project: Path) -> None:
    assert build(project) == []


def test_an_old_blank_is_replaced(project: Path) -> None:
    notebook = next((project / "notebooks").glob("*.ipynb"))
    old = json.loads(notebook.read_text())
    old["cells"].pop()
    notebook.write_text(json.dumps(old))
    Shipped(project / "data" / "shipped.json").add(LESSONS[0].stem, fingerprint(notebook))

    build(project)

    assert fingerprint(notebook) == fingerprint(blank_notebook(LESSONS[0]))


def test_a_learners_notebook_is_kept_and_the_new_blank_lands_beside_it(project: Path) -> None:
    notebook = next((project / "notebooks").glob("*.ipynb"))
    answer(notebook.parent, find_exercise("01-1"), "def token_problem(text):\n    return 'mine'")
    before = notebook.read_bytes()

    said = build(project)

    assert notebook.read_bytes() == before
    beside = notebook.with_suffix(".new.ipynb")
    assert fingerprint(beside) == fingerprint(blank_notebook(LESSONS[0]))
    assert "kept" in said[0]
    assert "wrote" in said[1]


def test_work_in_the_notebook_beside_is_kept_too(project: Path) -> None:
    notebook = next((project / "notebooks").glob("*.ipynb"))
    answer(notebook.parent, find_exercise("01-1"), "mine = 1")
    build(project)
    beside = notebook.with_suffix(".new.ipynb")
    shutil.copy(notebook, beside)

    build(project)

    assert beside.read_bytes() == notebook.read_bytes()
    assert notebook.with_suffix(".new2.ipynb").exists()


@pytest.mark.parametrize("text", ["", "not json", "[]"])
def test_a_file_that_we_cannot_read_is_kept(project: Path, text: str) -> None:
    notebook = next((project / "notebooks").glob("*.ipynb"))
    notebook.write_text(text)

    build(project)

    assert notebook.read_text() == text


def test_running_a_blank_does_not_make_it_a_learners(project: Path) -> None:
    notebook = next((project / "notebooks").glob("*.ipynb"))
    run = json.loads(notebook.read_text())
    for cell in run["cells"]:
        if cell["cell_type"] == "code":
            cell.update(execution_count=7, outputs=[{"output_type": "stream", "name": "stdout", "text": "x"}])
    notebook.write_text(json.dumps(run))

    assert fingerprint(notebook) == fingerprint(blank_notebook(LESSONS[0]))


def test_resetting_an_exercise_keeps_the_rest_and_can_be_undone(learners_folder: Path) -> None:
    exercise, notebook = find_exercise("01-2"), learners_folder / "01_account_setup.ipynb"
    answer(learners_folder, exercise, exercise.source.strip() + "\n\nmine = BearerAuth('x')")
    before = source_of(notebook)

    reset_exercise(learners_folder, exercise)

    now = source_of(notebook)
    changed = [number for number, (old, new) in enumerate(zip(before, now, strict=True)) if old != new]
    assert len(changed) == 1
    assert 'NotImplementedError("Exercise 01-2")' in now[changed[0]]
    assert "mine = BearerAuth('x')" in now[changed[0]]
    backups.undo(learners_folder)
    assert source_of(notebook) == before
    backups.undo(learners_folder)
    assert source_of(notebook) == now


def test_resetting_an_exercise_that_python_cannot_read_puts_its_stub_back(learners_folder: Path) -> None:
    exercise = find_exercise("01-1")
    answer(learners_folder, exercise, "def token_problem(text)\n  oops")

    copy = reset_exercise(learners_folder, exercise)

    assert exercise.stub.strip() in source_of(learners_folder / "01_account_setup.ipynb")
    assert "oops" in copy.read_text()


def test_resetting_an_exercise_that_was_deleted_adds_its_stub(learners_folder: Path) -> None:
    exercise = find_exercise("01-1")
    answer(learners_folder, exercise, "x = 1")

    reset_exercise(learners_folder, exercise)

    assert source_of(learners_folder / "01_account_setup.ipynb")[-1] == exercise.stub.strip()


def test_resetting_an_exercise_of_two_classes_puts_both_stubs_back(learners_folder: Path) -> None:
    exercise = find_exercise("07-2")
    answer(learners_folder, exercise, exercise.source)

    reset_exercise(learners_folder, exercise)

    cell = next(cell for cell in source_of(learners_folder / "07_troubleshooting.ipynb") if "class Pacer" in cell)
    assert cell.strip().endswith(exercise.stub.strip())


OTHERS = {
    "a method of that name": "class Mine:\n    def token_problem(self): ...\nMY_WORK = 1",
    "a text that quotes it": "NOTES = '''\ndef token_problem(text): ...\n'''",
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_resetting_an_exercise_leaves_other_cells_alone(learners_folder: Path, other: str) -> None:
    notebook = learners_folder / "01_account_setup.ipynb"
    answer(learners_folder, find_exercise("01-2"), other)

    reset_exercise(learners_folder, find_exercise("01-1"))

    assert any(cell.endswith(other) for cell in source_of(notebook))


@pytest.mark.parametrize("before", ["%%time\n", "%load_ext autoreload\n", "def token_problem(text): return 1\n"])
def test_resetting_an_exercise_works_beside_magics_and_a_second_definition(learners_folder: Path, before: str) -> None:
    exercise, notebook = find_exercise("01-1"), learners_folder / "01_account_setup.ipynb"
    cells = json.loads(notebook.read_text())
    number = next(n for n, cell in enumerate(cells["cells"]) if cell["source"].strip() == exercise.stub.strip())
    cells["cells"][number]["source"] = before + "def token_problem(text):\n    return 2\nMINE = 3"
    notebook.write_text(json.dumps(cells))

    reset_exercise(learners_folder, exercise)

    now = source_of(notebook)[number]
    assert "return" not in now.replace("'''", "").split("raise")[-1]
    assert 'NotImplementedError("Exercise 01-1")' in now
    assert "MINE = 3" in now


def test_undo_knows_a_notebook_from_the_one_beside_it(learners_folder: Path) -> None:
    for name, text in (("01_account_setup", "mine"), ("01_account_setup.new", "beside")):
        path = learners_folder / f"{name}.ipynb"
        path.write_text(text)
        backups.keep(path)
        path.write_text("changed")

    assert backups.undo(learners_folder, "01_account_setup").read_text() == "mine"
    assert (learners_folder / "01_account_setup.new.ipynb").read_text() == "changed"


def test_a_pasted_picture_makes_a_notebook_a_learners() -> None:
    notebook = blank_notebook(LESSONS[0])
    notebook.cells[0]["attachments"] = {"a.png": {"image/png": "AA=="}}

    assert fingerprint(notebook) != fingerprint(blank_notebook(LESSONS[0]))


def test_resetting_a_notebook_keeps_a_copy_of_each_state(learners_folder: Path) -> None:
    notebook = learners_folder / "01_account_setup.ipynb"
    for text in ("first", "second"):
        notebook.write_text(text)
        reset_lesson(learners_folder, LESSONS[0])

    kept = sorted(path.read_text() for path in (learners_folder / ".backups").iterdir())

    assert kept == ["first", "second"]
    assert backups.undo(learners_folder).read_text() == "second"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "work.ipynb"
    path.write_text("mine")

    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half\ud800")

    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


# Its cells and its checks have run in the kernel by then.
NO_TORCH: dict[str, Any] = {
    "cell_type": "code",
    "id": "no-torch",
    "metadata": {},
    "execution_count": 1,
    "source": 'import sys\nprint("torch" in sys.modules)',
    "outputs": [{"output_type": "stream", "name": "stdout", "text": "False\n"}],
}


@pytest.fixture
def nbval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """nbval over a copy of a notebook, in this process: starting another one costs more than most notebooks."""

    def run(notebook: Path, mode: str, *more: Any) -> str:
        """What it printed, its exit code in front. more: cells to run after its own."""
        folder = tmp_path / "run"
        folder.mkdir()
        content = json.loads(notebook.read_text(encoding="utf-8"))
        content["cells"] += more
        (folder / notebook.name).write_text(json.dumps(content), encoding="utf-8")
        (folder / "same.ini").write_text(f"[port]\nregex: {PORT.pattern}\nreplace: 127.0.0.1:8000\n", encoding="utf-8")
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        # Without these two folders pytest would list all that lies beside each folder above.
        options = ["-q", "-p", "nbval.plugin", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}"]
        options += [f"--confcutdir={folder}"]
        options += ["--nbval-current-env", "--nbval-cell-timeout=60", "--nbval-sanitize-with=same.ini"]
        code = pytest.main([*options, mode, notebook.name])
        return f"{int(code)}\n{capsys.readouterr().out}"

    return run


@pytest.mark.parametrize("stem", stems)
def test_a_solution_passes_nbval_with_its_stored_outputs(stem: str, nbval: Callable[..., str]) -> None:
    said = nbval(ROOT / "solutions" / f"{stem}.ipynb", "--nbval", *([NO_TORCH] if stem.startswith(LIGHT) else []))

    assert said.startswith("0\n"), said[-4000:]


@pytest.mark.parametrize("lesson", LESSONS, ids=stems)
def test_an_untouched_notebook_passes_nbval_from_top_to_bottom(
    lesson: Lesson, tmp_path: Path, nbval: Callable[..., str]
) -> None:
    blank = tmp_path / f"{lesson.stem}.ipynb"
    blank.write_text(dumps(blank_notebook(lesson)), encoding="utf-8")

    said = nbval(blank, "--nbval-lax")

    assert said.startswith("0\n"), said[-4000:]


def test_nbval_notices_torch_in_a_kernel(tmp_path: Path, nbval: Callable[..., str]) -> None:
    notebook = json.loads((ROOT / "solutions" / f"{stems[0]}.ipynb").read_text(encoding="utf-8"))
    notebook["cells"] = [
        NO_TORCH | {"id": "brings-it", "source": 'import sys\nsys.modules["torch"] = sys', "outputs": []}
    ]
    path = tmp_path / "heavy.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")

    said = nbval(path, "--nbval", NO_TORCH)

    assert said.startswith("1\n")
    assert "True" in said


def test_nbval_notices_a_changed_output(tmp_path: Path, nbval: Callable[..., str]) -> None:
    notebook = json.loads((ROOT / "solutions" / f"{stems[0]}.ipynb").read_text(encoding="utf-8"))
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"][:1]
    notebook["cells"][0]["outputs"][0]["text"] = ["200 {}\n"]
    path = tmp_path / "changed.ipynb"
    path.write_text(json.dumps(notebook))

    assert nbval(path, "--nbval").startswith("1\n")
