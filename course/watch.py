"""Check again whenever a notebook is saved."""

from pathlib import Path

from rich.console import Console
from watchfiles import watch

from course.attempts import Attempts
from course.checks import run_checks
from course.exercises import all_exercises
from course.learner import from_notebooks, written_in_notebook
from course.progress import show


def watch_folder(folder: Path, console: Console | None = None) -> None:
    """Show the progress of the notebooks in `folder`, now and after each save, until Ctrl+C."""
    console = console or Console()
    _show_once(folder, console)
    for changes in watch(folder, recursive=False, raise_interrupt=False):
        if any(path.endswith(".ipynb") for _, path in changes):
            _show_once(folder, console)


def _show_once(folder: Path, console: Console) -> None:
    exercises = [exercise for exercise in all_exercises() if (folder / f"{exercise.lesson}.ipynb").exists()]
    verdicts = run_checks(exercises, from_notebooks(folder))
    for exercise in exercises:
        if verdicts[exercise.id].state == "right":  # a save in the middle of a thought is no attempt
            Attempts(folder).record(verdicts[exercise.id], written_in_notebook(folder, exercise))
    console.clear()
    show(console, exercises, verdicts, explain=False)
    console.print(f"Watching {folder}. Save a notebook to check again; Ctrl+C ends this.", style="dim")
