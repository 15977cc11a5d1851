"""The proxy of lesson 05 as a program: the learner's parts where they are right, ours everywhere else."""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from course import sandbox
from course.checks import run_checks
from course.definitions import definitions, execute, lesson_definitions, new_namespace, read_cells
from course.errors import CourseError
from course.exercises import ROOT, Exercise, find_lesson
from course.learner import from_notebooks
from course.page import prepare
from course.sandbox.front import LOOPBACK
from course.sandbox.server import open_socket

LESSON = "05"


@dataclass(frozen=True)
class Parts:
    """names: those of the lesson, create_app and Settings among them. theirs, ours: who wrote which exercise."""

    names: dict[str, Any]
    theirs: list[Exercise]
    ours: list[Exercise]


def load_parts(folder: Path) -> Parts:
    """The proxy that the notebook in `folder` makes. Each exercise that is not right comes from our solution."""
    lesson = find_lesson(LESSON)
    verdicts = run_checks(lesson.exercises, from_notebooks(folder))
    theirs = [each for each in lesson.exercises if verdicts[each.id].state == "right"]
    ours = [each for each in lesson.exercises if each not in theirs]
    names = new_namespace("proxy")
    execute(lesson_definitions(lesson), names)
    if theirs:
        notebook = definitions(read_cells(folder / f"{lesson.stem}.ipynb"), f"{lesson.stem}.ipynb")
        execute(notebook, names, without=[each.name for each in ours])
    return Parts(names, theirs, ours)


def serve(port: int | None, folder: Path, static: Path) -> None:
    """Serve the proxy on loopback until Ctrl+C, in front of a sandbox; with LIVE=1 in front of the real router.

    static: a folder with the page to serve at "/". Raises PortInUse, and CourseError where the settings are bad.
    """
    parts = load_parts(folder)
    page = {"static_dir": str(static)}
    opened = open_socket(port or 0)
    address = f"http://{LOOPBACK}:{opened.getsockname()[1]}"
    print(f"The page: {address}/   The proxy: {address}/api/chat   (Ctrl+C ends both)", flush=True)
    print(_whose(parts), flush=True)
    if os.environ.get("LIVE") == "1":
        _run(make_app(parts, _live_settings(parts, page)), opened)
        return
    with sandbox.start() as hub:
        settings = parts.names["Settings"](hf_token=hub.tokens["fine_grained"], upstream_url=f"{hub.router}/v1", **page)
        _run(make_app(parts, settings), opened)


def make_app(parts: Parts, settings: Any) -> FastAPI:
    """The proxy with its page."""
    app: FastAPI = parts.names["create_app"](settings)
    prepare(app, settings)
    return app


def _live_settings(parts: Parts, page: dict[str, str]) -> Any:
    try:
        settings = parts.names["Settings"].load(str(ROOT / ".env"))
    except parts.names["BadSettings"] as bad:
        raise CourseError(f"LIVE=1 needs settings in the environment or in .env, and they are bad. {bad}") from None
    return settings.model_copy(update=page)


def _whose(parts: Parts) -> str:
    if not parts.theirs:
        return "It is our solution: of your exercises none is right yet (make check NB=05)."
    if not parts.ours:
        return "It is all yours."
    yours, ours = (", ".join(each.id for each in group) for group in (parts.theirs, parts.ours))
    return f"Yours: {yours}. Ours, as yours are not right yet: {ours}."


def _run(app: Any, opened: socket.socket) -> None:
    config = uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=5)
    with suppress(KeyboardInterrupt):  # uvicorn has already ended in good order, and passes the signal on
        uvicorn.Server(config).run(sockets=[opened])
