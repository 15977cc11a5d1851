"""The chat pages that the proxy of lesson 05 serves: the plain one as it lies there, the React one built first."""

import mimetypes
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course.errors import CourseError
from course.exercises import ROOT
from course.masking import mask

Kind = Literal["plain", "react"]
PLAIN, REACT = (ROOT / "course" / "web" / name for name in ("page", "react"))
BUILT = ROOT / ".build" / "react"  # vite.config.ts names it, too
_LINES_OF_NPM = 12


def page_folder(kind: Kind) -> Path:
    """The folder to serve. Builds the React page if it is older than its sources; raises CourseError if that fails."""
    if kind == "react" and not is_built():
        print("Building the React page with npm: some seconds, and the network the first time.", flush=True)
        _build()
    return PLAIN if kind == "plain" else BUILT


def is_built() -> bool:
    """Is the built React page younger than everything it is made of?"""
    index = BUILT / "index.html"
    return index.exists() and index.stat().st_mtime >= max(source.stat().st_mtime for source in _sources())


def _sources() -> Iterator[Path]:
    """Folders count: theirs is the time at which a file in them came or went."""
    for folder in (PLAIN, REACT / "src"):
        yield folder
        yield from folder.rglob("*")
    yield from (file for file in REACT.iterdir() if file.is_file())


def _build() -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise CourseError(
            "PAGE=react needs Node.js 20.19 or newer, and there is no npm on this machine. Install Node.js, or leave "
            "PAGE=react away: the plain page does the same."
        )
    installed = REACT / "node_modules" / ".package-lock.json"  # npm's own note of what it has installed
    if not installed.exists() or installed.stat().st_mtime < (REACT / "package-lock.json").stat().st_mtime:
        _run(npm, "ci")
    _run(npm, "run", "build")


def _run(npm: str, *arguments: str) -> None:
    ran = subprocess.run([npm, *arguments], cwd=REACT, capture_output=True, text=True, encoding="utf-8", check=False)
    if ran.returncode:
        said = "\n".join(mask(f"{ran.stdout}{ran.stderr}").splitlines()[-_LINES_OF_NPM:])
        raise CourseError(
            f"npm {' '.join(arguments)} failed in course/web/react. It said:\n{said}\n"
            "Mend that, or leave PAGE=react away: the plain page does the same."
        )


def prepare(app: FastAPI, settings: Any) -> None:
    """Give the page what it needs besides its files: the bounds of this proxy, and word how long a file may be kept."""
    limits = {
        "model": next(iter(settings.allowed_models), ""),
        **settings.model_dump(include={"max_messages", "max_characters", "max_tokens"}),
    }

    async def told(_: Request) -> Response:
        return JSONResponse(limits)

    mimetypes.add_type("text/javascript", ".js")  # Windows may say text/plain, and with nosniff no script would run
    app.router.routes.insert(0, Route("/limits.json", told))  # before the page, whose own one has the defaults
    app.add_middleware(Caching)


class Caching:
    """A browser may keep a file of the page, if it asks each time whether it is still right.

    Below /assets/ a file has the hash of its content in its name, so nobody needs to ask.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_rule(message: Message) -> None:
            if message["type"] == "http.response.start" and "etag" in (headers := MutableHeaders(scope=message)):
                never_changes = scope["path"].startswith("/assets/")
                headers["Cache-Control"] = "public, max-age=31536000, immutable" if never_changes else "no-cache"
            await send(message)

        await self._app(scope, receive, with_rule)
