"""Lesson 01 in JupyterLab, in a real browser: untouched, wrong, right."""

import os
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from course import lab
from course.exercises import ROOT, find_exercise, find_lesson
from course.notebooks import blank_notebook, dumps
from tests.course.browser import NEEDS_CHROMIUM
from tests.course.jupyter import DEADLINE_SECONDS, TOKEN, wait_for_status

STEM = "01_account_setup"
WRONG = "def token_problem(text):\n    return text  # too simple"
pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the notebook in a JupyterLab of its own, on a copy of the notebooks."""
    root = tmp_path_factory.mktemp("course")
    (root / "notebooks").mkdir()
    notebook = root / "notebooks" / f"{STEM}.ipynb"
    notebook.write_text(dumps(blank_notebook(find_lesson("01"))), encoding="utf-8")
    port = lab.free_port()
    assert port is not None
    process = subprocess.Popen(
        lab.command(root, port, browser=False), cwd=root / "notebooks", text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JUPYTER_CONFIG_DIR": str(root / "config"), "JUPYTER_TOKEN": TOKEN},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    wait_for_status(port, process)
    yield f"http://127.0.0.1:{port}/lab/tree/{STEM}.ipynb?token={TOKEN}&reset"
    process.terminate()
    process.communicate(timeout=DEADLINE_SECONDS)


@pytest.fixture
def page(jupyterlab: str, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(60_000)
    page.goto(jupyterlab)
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.locator(".jp-NotebookPanel").get_by_title("Switch kernel").get_by_text("Python 3").wait_for()
    # The name of a kernel is shown before there is one; what is run too early is not run at all.
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for()
    yield page
    page.close()


def run_all(page: Page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def write(page: Page, now: str, code: str) -> None:
    """Put `code` into the cell that holds the text `now`, and run that cell and the next one, its check."""
    cell = page.locator(".jp-CodeCell", has_text=now).first
    cell.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")


def test_lesson_01_is_worked_through(page: Page) -> None:
    exercise = find_exercise("01-1")

    run_all(page)

    expect(page.locator(".jp-OutputArea").get_by_text("01-4 todo")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("This cell needs exercise 01-1")).to_be_visible()
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0

    write(page, 'NotImplementedError("Exercise 01-1")', WRONG)

    expect(page.get_by_text("01-1 wrong")).to_be_visible()
    expect(page.get_by_text("Seen:").first).to_be_visible()
    assert page.get_by_text("Traceback").count() == 0

    write(page, "return text  # too simple", exercise.source)

    expect(page.get_by_text("01-1 right")).to_be_visible()
