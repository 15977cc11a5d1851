"""The proxy of lesson 05 as a program: the learner's parts where they are right, ours everywhere else."""

import json
import os
import runpy
import shutil
import signal
import socket
import sys
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from course import sandbox
from course.cells import read_cells
from course.checks import run_checks
from course.connection import BoundedConnection
from course.definitions import Definitions, definitions, execute, lesson_definitions, new_namespace
from course.errors import CourseError
from course.exercises import ROOT, Exercise, find_lesson
from course.export import laid_over, module_source, write_untouched
from course.learner import from_notebooks
from course.local_model import LocalModel
from course.page import prepare
from course.sandbox.sockets import LOOPBACK, open_socket

LESSON = "05"
DEPLOYMENT = ROOT / "deployment"


@dataclass(frozen=True)
class Parts:
    """names: those of the lesson, create_app and Settings among them. theirs, ours: who wrote which exercise.

    found: the definitions behind the names, for a file of their own.
    """

    names: dict[str, Any]
    theirs: list[Exercise]
    ours: list[Exercise]
    found: Definitions


def load_parts(folder: Path) -> Parts:
    """The proxy that the notebook in `folder` makes. Each exercise that is not right comes from our solution."""
    lesson = find_lesson(LESSON)
    verdicts = run_checks(lesson.exercises, from_notebooks(folder))
    theirs = [each for each in lesson.exercises if verdicts[each.id].state == "right"]
    ours = [each for each in lesson.exercises if each not in theirs]
    names, found = new_namespace("proxy"), lesson_definitions(lesson)
    execute(found, names)
    if theirs:
        notebook = definitions(read_cells(folder / f"{lesson.stem}.ipynb"), f"{lesson.stem}.ipynb")
        not_right = [each.name for each in ours]
        execute(notebook, names, without=not_right)
        found = laid_over(found, notebook, without=not_right)
    return Parts(names, theirs, ours, found)


def serve(port: int | None, folder: Path, static: Path, workers: int = 1, model: LocalModel | None = None) -> None:
    """Serve the proxy on loopback until Ctrl+C, in front of a sandbox; with LIVE=1 in front of the real router.

    static: a folder with the page to serve at "/". workers: processes; this one keeps the sandbox, and looks once whose
    parts are right. model: answers instead, in this process. Raises PortInUse, and CourseError where the settings are
    bad, or where several workers should share a model.
    """
    parts = load_parts(folder)
    page = {"static_dir": str(static)}
    opened = open_socket(port or 0)
    address = f"http://{LOOPBACK}:{opened.getsockname()[1]}"
    print(f"The page: {address}/   The proxy: {address}/api/chat   (Ctrl+C ends both)", flush=True)
    print(_whose(parts), flush=True)
    if model and workers > 1:
        raise CourseError("Each worker would load a model of its own. Leave ENGINE=local or WORKERS away.")
    with nullcontext() if os.environ.get("LIVE") == "1" and not model else sandbox.start() as hub:
        if hub is None:
            settings = _live_settings(parts, page)
        else:
            given = {"hf_token": hub.tokens["fine_grained"], "upstream_url": f"{hub.router}/v1", **page}
            settings = parts.names["Settings"](**given)
        if workers == 1:
            _run(make_app(parts, settings, model), opened)
        else:
            _run_workers(parts, settings, opened, workers)


def make_app(parts: Parts, settings: Any, model: LocalModel | None = None) -> FastAPI:
    """The proxy with its page. model: answers instead of the upstream, by whichever name it is asked for."""
    if model:
        settings = settings.model_copy(update={"allowed_models": (model.name, *settings.allowed_models)})
    app: FastAPI = parts.names["create_app"](settings, local=(lambda: model) if model else None)
    prepare(app, settings)
    return app


def export(folder: Path, target: Path) -> str:
    """Write the proxy that the notebook in `folder` makes to `target`, as one file; says whose parts are in it.

    Raises CourseError if `target` holds something that a person wrote or changed.
    """
    parts = load_parts(folder)
    text = module_of(parts.found, f"{_whose(parts)} Written by `python -m course proxy --export`.")
    if not write_untouched(target, text):
        raise CourseError(f"{target} is there already, and it is not as we wrote it: left alone. Name another file.")
    return f"{target}: uvicorn --factory {target.stem}:app. {_whose(parts)}"


def export_solution(root: Path) -> str:
    """Write deployment/proxy.py, our solution. Says what became of it; "" if it is as it was."""
    target = root / "deployment" / "proxy.py"
    before = target.read_bytes() if target.exists() else b""
    lesson = find_lesson(LESSON)
    text = module_of(lesson_definitions(lesson), f"Written from lessons/{lesson.stem}.py by `make build`.")
    if not write_untouched(target, text):
        return f"kept  {target.relative_to(root)}: somebody changed it"
    return "" if target.read_bytes() == before else f"wrote {target.relative_to(root)}"


def module_of(found: Definitions, whose: str) -> str:
    """The text of a module with the factory `app`, and all that it needs."""
    docstring = f"The proxy of lesson 05 as one file: `uvicorn --factory proxy:app`.\n\n{whose}\n"
    return module_source(found, "app", docstring)


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
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl+C: with 0, and without the sandbox
    with suppress(KeyboardInterrupt):  # uvicorn has already ended in good order, and passes the signal on
        uvicorn.Server(_config(app)).run(sockets=[opened])


def _run_workers(parts: Parts, settings: Any, opened: socket.socket, workers: int) -> None:
    """Each worker imports the parts from one file, and reads the settings from its environment."""
    with TemporaryDirectory() as place:
        sys.path.insert(0, place)  # the workers get it, too
        file = Path(place) / "proxy.py"
        file.write_text(module_of(parts.found, _whose(parts)), encoding="utf-8")
        shutil.copy(DEPLOYMENT / "shared_limit.py", place)
        os.environ.update(_variables(settings))
        names = runpy.run_path(str(file))
        names["app"]()  # what would end each worker, again and again, ends this process now
        print(_counting(names["ServerSettings"].load(), workers), flush=True)
        Multiprocess(_config("course.proxy:with_page", factory=True, workers=workers), sockets=[opened]).run()


def with_page() -> FastAPI:
    """What one of several workers serves: the parts that `_run_workers` wrote, and the page."""
    names = vars(import_module("proxy"))
    app: FastAPI = names["app"]()
    prepare(app, names["ServerSettings"].load())
    return app


def _counting(settings: Any, workers: int) -> str:
    calls = f"up to {workers} x {settings.requests_per_minute} calls a minute, as each worker counts for itself"
    if settings.redis_url:
        calls = f"{settings.requests_per_minute} calls a minute, counted in Redis"
    hint = "" if settings.redis_url else " REDIS_URL=redis://... lets them count together."
    return f"{workers} workers. A client gets {calls}; {workers} x {settings.max_concurrent} run at once.{hint}"


def _variables(settings: Any) -> dict[str, str]:
    """The environment that makes these settings again."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    plain = {name: getattr(value, "get_secret_value", lambda value=value: value)() for name, value in given.items()}
    return {name.upper(): json.dumps(v) if isinstance(v, tuple) else str(v) for name, v in plain.items()}


def _config(app: Any, **more: Any) -> uvicorn.Config:
    # Without proxy_headers=False uvicorn would believe the X-Forwarded-For of anybody on this machine.
    config: dict[str, Any] = {
        "http": BoundedConnection,
        "log_level": "warning",
        "server_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": 5,
    }
    return uvicorn.Config(app, **config, **more)
