"""The commands of `python -m course`, as a learner, a teacher or a program uses them."""

import io
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from course.attempts import Attempts
from course.checks import Verdict, run_checks
from course.errors import CourseError
from course.exercises import ROOT, Exercise, all_exercises, find_exercise, find_lesson
from course.isolation import no_input, own_output
from course.learner import from_notebooks, written_in_notebook
from course.progress import show

NOTEBOOKS = ROOT / "notebooks"
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Ids = Annotated[list[str] | None, typer.Argument(help="Exercises such as 01-2; none means all.")]
Notebook = Annotated[str | None, typer.Option("--nb", help="All exercises of one notebook: 01")]
EngineName = Annotated[Literal["scripted", "local"], typer.Option(help="What answers: the script, or a local model.")]
ModelName = Annotated[str, typer.Option(help="Of the local engine: tiny-gpt2, smollm2 (make model), or a folder.")]
Folder = Annotated[Path, typer.Option("--notebooks", help="The folder with the notebooks to check.")]


class UsageError(CourseError):
    """A command was called in a way that cannot work; the text says what to do."""


@app.command()
def check(
    ids: Ids = None,
    nb: Notebook = None,
    notebooks: Folder = NOTEBOOKS,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object; counts no attempt.")] = False,
) -> None:
    """Check exercises: right, wrong and why, or still to do."""
    exercises, notebooks = _chosen(ids, nb), notebooks.resolve()
    _require_folder(notebooks, exercises)
    with no_input(), own_output() if as_json else nullcontext():
        verdicts = run_checks(exercises, from_notebooks(notebooks))
    if as_json:
        print(json.dumps({key: _plain(verdict) for key, verdict in verdicts.items()}, ensure_ascii=False))
    else:
        _record(exercises, verdicts, notebooks)
        show(Console(soft_wrap=False), exercises, verdicts, explain=len(exercises) == 1)
    raise typer.Exit(int(any(verdict.state == "wrong" for verdict in verdicts.values())))


@app.command()
def hint(
    exercise: Annotated[str, typer.Argument(help="01-2")],
    number: Annotated[int, typer.Option(help="Which hint; the later ones tell more.")] = 1,
) -> None:
    """Show a hint: the first only nudges."""
    found = find_exercise(exercise)
    count = len(found.hints)
    if not 1 <= number <= count:
        raise UsageError(f"{found.id} has {count} hints; --number takes 1 to {count}.")
    _say(f"Hint {number} of {count} for {found.id}\n{found.hints[number - 1]}\n")
    if number < count:
        _say(f"More: make hint EX={found.id} N={number + 1}, or python -m course hint {found.id} --number {number + 1}")


@app.command()
def solution(exercise: Annotated[str, typer.Argument(help="01-2")], notebooks: Folder = NOTEBOOKS) -> None:
    """Show our solution, when the rule in teacher.toml opens it."""
    from course.reveal import read_rule

    found = find_exercise(exercise)
    refusal = read_rule().refusal(found, Attempts(notebooks).of(found.id))
    if refusal is None:
        print(found.source)
    _say(refusal or found.explanation)


@app.command()
def reset(
    ex: Annotated[str | None, typer.Option(help="Put the stub of this exercise back: 01-2")] = None,
    nb: Annotated[str | None, typer.Option(help="Put this blank notebook back: 01")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last reset back.")] = False,
    notebooks: Folder = NOTEBOOKS,
) -> None:
    """Start an exercise or a notebook again. What you wrote is kept, and --undo brings it back."""
    from course import backups
    from course.reset import reset_exercise, reset_lesson

    if undo:
        restored = backups.undo(notebooks, find_lesson(nb).stem if nb else None)
        print(
            f"{restored.name} is as it was before the last reset; a second undo would take this back. "
            "In JupyterLab: File > Reload Notebook from Disk."
        )
        return
    if (ex is None) == (nb is None):
        raise UsageError("reset takes one of: --ex 01-2, --nb 01, --undo (make reset EX=01-2, NB=01, UNDO=1).")
    copy = reset_exercise(notebooks, find_exercise(ex)) if ex else reset_lesson(notebooks, find_lesson(nb or ""))
    kept = f"What was there is in {copy.parent.name}/{copy.name}; `make reset UNDO=1` brings it back. " if copy else ""
    print(f"{ex or nb} is blank again. {kept}In JupyterLab: File > Reload Notebook from Disk.")


@app.command()
def watch(notebooks: Folder = NOTEBOOKS) -> None:
    """Check again whenever a notebook is saved; shows the next open exercise. Ctrl+C ends it."""
    from course.watch import watch_folder

    watch_folder(notebooks)


@app.command()
def build() -> None:
    """Build notebooks/ and solutions/ from lessons/; runs only what changed."""
    from course.notebooks import build as build_all

    build_all()


@app.command("model")
def bring_model() -> None:
    """Bring SmolLM2-135M-Instruct to this machine, once; with LIVE=1 from the Hub."""
    from course.smollm2 import bring

    bring(live=os.environ.get("LIVE") == "1")


@app.command()
def sandbox(
    port: Annotated[
        int | None, typer.Option(help="The Hub's port; a free one if 0 or not given.", min=0, max=65535)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON when ready.")] = False,
    engine: EngineName = "scripted",
    model: ModelName = "tiny-gpt2",
) -> None:
    """Run Hugging Face in a box on this machine. Ctrl+C ends it."""
    from course.local_model import load
    from course.sandbox.serve import serve

    serve(port, as_json, load(model) if engine == "local" else None)


@app.command()
def proxy(
    port: Annotated[int | None, typer.Option(help="A free one if 0 or not given.", min=0, max=65535)] = None,
    page: Annotated[Literal["plain", "react"], typer.Option(help="react needs Node.js, and is built.")] = "plain",
    static: Annotated[Path | None, typer.Option(help="A folder with a page of your own.", file_okay=False)] = None,
    workers: Annotated[int, typer.Option(help="Processes that serve it.", min=1, max=16)] = 1,
    export: Annotated[Path | None, typer.Option(help="Write it to this file instead.", dir_okay=False)] = None,
    notebooks: Folder = NOTEBOOKS,
    engine: EngineName = "scripted",
    model: ModelName = "tiny-gpt2",
) -> None:
    """Serve the proxy of lesson 05 and its page, yours where right, before a sandbox or a model. Ctrl+C ends it."""
    from course import proxy
    from course.local_model import load
    from course.page import page_folder

    _require_folder(notebooks, list(find_lesson("05").exercises))
    if export:
        print(proxy.export(notebooks.resolve(), export))
    else:
        answering = load(model) if engine == "local" else None
        proxy.serve(port, notebooks.resolve(), static or page_folder(page), workers, answering)


@app.command()
def decide(
    file: Annotated[Path, typer.Argument(help="A workload file; data/workloads/ has some to copy.")],
    out: Annotated[Path, typer.Option(help="The folder for the report.", file_okay=False, exists=True)] = Path(),
) -> None:
    """API, endpoint or own machine? Read a workload, write one page as Markdown and HTML."""
    from datetime import date

    from course.decide import decide as decided

    for path in decided(file, date.today(), out):
        print(f"wrote {path}")


@app.command()
def protect(undo: Annotated[bool, typer.Option("--undo", help="Remove the hook.")] = False) -> None:
    """Let git refuse commits that hold a token (a pre-commit hook in this clone)."""
    from course import protect as hook

    print(hook.unprotect(ROOT) if undo else hook.protect(ROOT))


@app.command()
def lab(browser: Annotated[bool, typer.Option(help="Open a browser.")] = True) -> None:
    """Open JupyterLab in notebooks/."""
    from course.lab import open_lab

    raise typer.Exit(open_lab(ROOT, browser))


@app.command("doctor")
def examine_machine() -> None:
    """Check this machine and print a report you can paste."""
    from course.doctor import doctor

    raise typer.Exit(doctor(ROOT))


@app.command("setup")
def set_up() -> None:
    """Make the course's environment in .venv, if it is not there yet."""
    from course.environment import setup

    raise typer.Exit(setup(ROOT))


@app.command("tiny-model")
def train_tiny_model() -> None:
    """Train the small model of data/tiny-gpt2/ on the course's own prose, and write its card."""
    from course.tiny_model import write_model

    raise typer.Exit(write_model())


@app.command()
def test() -> None:
    """Run every test: the course, the solutions, your notebooks, lint and types."""
    workers = str((os.cpu_count() or 1) + 1)  # one more than cores, because some tests wait for a server or a browser
    raise typer.Exit(
        subprocess.call([sys.executable, "-m", "pytest", "-n", workers, "--dist", "worksteal", "tests"], cwd=ROOT)
    )


@app.command()
def lint() -> None:
    """Look for lint and type errors; changes nothing."""
    commands = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"])
    raise typer.Exit(max(subprocess.call([sys.executable, "-m", *command], cwd=ROOT) for command in commands))


@app.command("format")
def format_code() -> None:
    """Format the code, and mend what lint can mend."""
    for command in (["ruff", "check", "--fix", "."], ["ruff", "format", "."]):
        subprocess.call([sys.executable, "-m", *command], cwd=ROOT)


def _say(text: str) -> None:
    """Print prose, broken between words."""
    Console().print(text, markup=False, highlight=False)


def _chosen(ids: list[str] | None, nb: str | None) -> list[Exercise]:
    if nb is not None and ids:
        raise UsageError("check takes exercises (01-2) or a notebook (--nb 01), not both.")
    if nb is not None:
        return list(find_lesson(nb).exercises)
    return [find_exercise(name) for name in dict.fromkeys(ids)] if ids else all_exercises()


def _require_folder(folder: Path, exercises: list[Exercise]) -> None:
    if not folder.is_dir():
        raise UsageError(
            f"{folder.name} is not a folder. --notebooks takes the folder that holds 01_account_setup.ipynb."
        )
    missing = sorted({f"{e.lesson}.ipynb" for e in exercises if not (folder / f"{e.lesson}.ipynb").exists()})
    if missing:
        raise UsageError(
            f"{folder.name} has no {', '.join(missing)}. `make build` puts blank notebooks into notebooks/."
        )


def _record(exercises: list[Exercise], verdicts: dict[str, Verdict], folder: Path) -> None:
    attempts = Attempts(folder)
    for exercise in exercises:
        attempts.record(verdicts[exercise.id], written_in_notebook(folder, exercise))


def _plain(verdict: Verdict) -> dict[str, str | None]:
    return {"state": verdict.state, "mistake": verdict.mistake, "message": verdict.message}


def run() -> int:
    """Run the command line; errors that a user can mend are one line on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that knows no "✓" shows "?", and nothing stops
    try:
        app(standalone_mode=True)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    return 0
