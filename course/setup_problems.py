"""What can go wrong while the environment is made: one line for each, with the next step.

Parses on Python 3.7, like course/environment.py: it is here that an old Python hears which one is needed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence

SUPPORTED = ((3, 11), (3, 12), (3, 13))
_AGAIN = "then the same command again"


class SetupError(Exception):
    """Set-up cannot go on; the text says in its first line what was seen and the next step."""


def python_problem(version: Sequence[int], executable: str, others: Callable[[], str] | None = None) -> str | None:
    """One line if the course cannot run on this version of Python, else None.

    others: the name of a fitting Python on this machine, or ""; looked for only if it is needed.
    """
    if tuple(version[:2]) in SUPPORTED:
        return None
    number = ".".join(str(part) for part in version)
    other = (others or _other_python)()
    step = "install one, from your system's packages or from python.org"
    if other:
        step = f"make lab PYTHON={other}, or without make: {other} -m course lab"
    return f"Python 3.11, 3.12 or 3.13 is needed, this is {number} ({executable}); next: {step}"


def _other_python() -> str:
    """The name of a fitting Python that really starts: a name on the PATH may be a version manager's, no more."""
    import shutil
    import subprocess

    for major, minor in reversed(SUPPORTED):
        name = f"python{major}.{minor}"
        if shutil.which(name) and subprocess.call([name, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return name
    return ""


def venv_problem(is_there: Callable[[str], object] | None = None) -> str | None:
    """One line if Python came without the modules that make environments (Debian splits them off), else None."""
    from importlib.util import find_spec

    missing = [name for name in ("venv", "ensurepip") if not (is_there or find_spec)(name)]
    if not missing:
        return None
    package = "python{}.{}-venv".format(*sys.version_info[:2])
    step = f"apt-get install {package} (Debian, Ubuntu); elsewhere install Python with all its modules"
    return f"Python's module {' and '.join(missing)} is missing; next: {step}"


def disk_problem(free_bytes: int, gigabytes: float) -> str | None:
    """One line if less than `gigabytes` (10^9 bytes) are free, else None."""
    if free_bytes >= gigabytes * 10**9:
        return None
    seen = f"{gigabytes:.2g} GB of disk are needed here, {free_bytes / 10**9:.1f} GB are free"
    return f"{seen}; next: make room, {_AGAIN}"


# What pip, venv or the system say -> what it means, and the next step. The first that matches counts.
_MEANINGS = (
    (
        r"Errno 28|No space left|not enough space",
        "The disk is full",
        f"make room, {_AGAIN}",
    ),
    (
        r"Errno (1|13|30)\]|Permission denied|Access is denied|Read-only",
        "A file or folder here cannot be written",
        "put the course into a folder of your own, or give yourself the rights to this one",
    ),
    (
        r"ensurepip",
        "Python came without its venv module",
        "apt-get install python3-venv (Debian, Ubuntu); elsewhere install Python with all its modules",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "The certificate of the package index is not trusted",
        "set PIP_CERT to the file with your organisation's certificates",
    ),
    (
        r"resolution|getaddrinfo|NewConnection|[Tt]imed out|Connection (refused|reset)|unreachable|ProxyError|Max retr",
        "The package index cannot be reached",
        f"check the network and the proxy (python -m course doctor), {_AGAIN}",
    ),
    (
        r"No matching distribution",
        "The package index was not reached, or has no build for this system and Python",
        "check the network (python -m course doctor), or try another Python: make lab PYTHON=python3.12",
    ),
)


def explain_failure(output: str, command: str, log: str = "") -> str:
    """What a failed command's output means and the next step, in one line; below it the last lines, masked.

    log: where all of the output is kept, if it is.
    """
    from course.masking import mask

    meaning = next(((what, step) for pattern, what, step in _MEANINGS if re.search(pattern, output)), None)
    what, step = meaning or (f"{command} failed", "the lines below say why")
    last = [line.rstrip() for line in output.splitlines() if line.strip() and "Ignoring " not in line][-5:]
    end = [f"  all of it: {log}"] if log else []
    return mask("\n".join([f"{what}; next: {step}", *(f"  | {line}" for line in last), *end]))
