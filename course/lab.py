"""`make lab`: JupyterLab in notebooks/, on this machine alone, asking nothing of the network."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from course.environment import become
from course.machine import LAB_PORT, can_bind

_PORTS_TRIED = 50


def open_lab(root: Path, browser: bool = True) -> int:
    """Run JupyterLab in this process's place; returns only if it cannot. Runs on the environment's Python."""
    port = free_port()
    if port is None:
        print(f"Ports {LAB_PORT} to {LAB_PORT + _PORTS_TRIED - 1} are all busy; next: close another JupyterLab.")
        return 1
    if port != LAB_PORT:
        print(f"Port {LAB_PORT} is busy, {port} is free.")
    print(f"JupyterLab starts at http://127.0.0.1:{port}/lab; Ctrl-C here ends it.")
    _quiet_settings()
    os.chdir(root / "notebooks")
    return become(command(root, port, browser), _environment())


def free_port() -> int | None:
    """The first free port from 8888 on."""
    return next((port for port in range(LAB_PORT, LAB_PORT + _PORTS_TRIED) if can_bind(port)), None)


def command(root: Path, port: int, browser: bool) -> list[str]:
    """The command line that starts JupyterLab."""
    options = [
        f"--ServerApp.root_dir={root / 'notebooks'}",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        # Its log names every request and its own settings; the addresses to open are printed at every level.
        "--Application.log_level=ERROR",
        # No look for a newer version, no list of extensions from the package index.
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        # Others on a shared machine could read what passes between notebook and kernel, tokens among it.
        "--MappingKernelManager.transport_encryption=auto",
        # One Ctrl-C ends it; nothing is lost, notebooks are saved as one works.
        "--ServerApp.answer_yes=True",
    ]
    if not browser:
        options.append("--ServerApp.open_browser=False")
    if getattr(os, "geteuid", lambda: 1)() == 0:
        # In containers everyone is root; with loopback only there is nothing to refuse.
        options.append("--ServerApp.allow_root=True")
    return [sys.executable, "-m", "jupyterlab", *options]


def _environment() -> dict[str, str]:
    # Kernels and settings of this environment come before those that the user has elsewhere.
    return {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"}


def _quiet_settings() -> None:
    """Answer JupyterLab's question whether it may fetch news, for this environment only; a user's own answer wins."""
    folder = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (folder / "overrides.json").write_text(json.dumps(settings, indent=2) + "\n")
