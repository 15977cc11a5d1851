"""What can be asked of the machine that the course runs on. Runs on a bare Python, because the doctor does."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

LAB_PORT = 8888
_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")


@dataclass(frozen=True)
class Machine:
    """All that the doctor asks of a machine, so that a test can make one up."""

    root: Path
    home: Path
    env: Mapping[str, str]
    version: tuple[int, ...]
    executable: str
    system: str
    today: date
    free_bytes: Callable[[Path], int]
    can_write: Callable[[Path], bool]
    can_bind: Callable[[int], bool]
    which: Callable[[str], str | None]

    @classmethod
    def here(cls, root: Path) -> Machine:
        """The machine this runs on."""
        return cls(
            root=root,
            home=Path.home(),
            env=os.environ,
            version=sys.version_info[:3],
            executable=sys.executable,
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            today=date.today(),
            free_bytes=lambda path: shutil.disk_usage(str(path)).free,
            can_write=lambda path: os.access(str(path), os.W_OK),
            can_bind=can_bind,
            which=shutil.which,
        )


def can_bind(port: int) -> bool:
    """True if a server could listen on this port of the loopback address; 0 asks for any port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        if os.name != "nt":
            # A port whose last connection has just closed counts as free, as it does for JupyterLab.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def find_browser(machine: Machine) -> str | None:
    """A Chromium or a relative of it: the path of the system's one, or the folder of Playwright's own."""
    system = next((path for path in map(machine.which, _CHROMIUM_NAMES) if path), None)
    if system:
        return system
    folders = [
        machine.env.get("PLAYWRIGHT_BROWSERS_PATH", ""),
        str(machine.home / ".cache" / "ms-playwright"),
        str(machine.home / "Library" / "Caches" / "ms-playwright"),
        str(machine.home / "AppData" / "Local" / "ms-playwright"),
    ]
    own = [path for folder in folders if folder for path in sorted(Path(folder).glob("chromium-*"))]
    return str(own[-1]) if own else None
