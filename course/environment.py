"""The course's Python environment: `.venv`, made once from requirements.lock, then only looked at.

Runs on a bare Python with nothing installed. It also has to *parse* on Python 3.7, to be able to say there
which version is needed: no walrus, no match, new type syntax in annotations only.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from course.setup_problems import SUPPORTED, SetupError, disk_problem, explain_failure, python_problem, venv_problem

# What no start of the first five lessons imports is not compiled ahead: 190 MB and half a minute less.
_NOT_COMPILED = (
    r"[/\\](torch|torchgen|functorch|transformers|sympy|mpmath|networkx|numpy|setuptools|playwright|tests?)[/\\]"
)

# --- looking -----------------------------------------------------------------------------------------------


def python_path(root: Path) -> Path:
    """Where the environment's Python is, made or not."""
    return root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_ready(root: Path) -> bool:
    """True if `.venv` was finished from the requirements.lock that lies here now. Costs a stat and a hash."""
    try:
        return _stamp_file(root).read_text() == _stamp(root) and python_path(root).exists()
    except OSError:
        return False


def _stamp_file(root: Path) -> Path:
    return root / ".venv" / "ready"


def _stamp(root: Path) -> str:
    """What the stamp file must say: the lock's hash and the Python that the environment was made with.

    When the system's Python moves on (python3 -> python3.13), the link in `.venv` leads to one that does not
    see the installed packages; the version in the name at its end gives that away without a start.
    """
    lock = hashlib.sha256((root / "requirements.lock").read_bytes()).hexdigest()
    linked = re.search(r"python(\d\.\d+)$", os.path.realpath(str(python_path(root))))
    return "{} {}\n".format(lock, linked.group(1) if linked else "python")


# --- making ------------------------------------------------------------------------------------------------


def ensure(root: Path, say: Callable[[str], None] | None = None) -> Path:
    """The environment's Python; makes or finishes the environment first if need be (minutes, once).

    say: gets each line of progress; the default is standard error, as standard output may carry JSON.
    Raises SetupError.
    """
    if is_ready(root):
        return python_path(root)
    try:
        _set_up(root, say or _say)
    except KeyboardInterrupt:
        raise SetupError("Set-up was interrupted; next: the same command again, it goes on from here.") from None
    except OSError as error:
        raise SetupError(explain_failure(str(error), "set-up")) from error
    return python_path(root)


def setup(root: Path, say: Callable[[str], None] | None = None) -> int:
    """`python -m course setup`: 0 when the environment is ready, 1 with one line on standard error if not."""
    try:
        ensure(root, say)
    except SetupError as error:
        _say(str(error))
        return 1
    # `make` compares ages: a lock that was touched but not changed must not send it here every time.
    os.utime(str(_stamp_file(root)))
    return 0


def run_inside(root: Path, arguments: Sequence[str]) -> int:
    """Run `python -m course <arguments>` with the environment's Python, for those who have no make."""
    try:
        python = ensure(root)
    except SetupError as error:
        _say(str(error))
        return 1
    return become([str(python), "-m", "course", *arguments], os.environ)


def become(command: Sequence[str], env: Mapping[str, str]) -> int:
    """Let `command` take this process's place: its exit code, and every signal (Ctrl-C, terminate) goes to it."""
    import signal
    import subprocess

    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":
        os.execve(command[0], list(command), dict(env))  # noqa: S606 - our own Python, no shell
    # Windows cannot replace a process; there Ctrl-C reaches both, and the inner one decides what it means.
    process = subprocess.Popen(command, env=dict(env))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return process.wait()


def is_inside(root: Path) -> bool:
    """True if this very process runs on the environment's Python."""
    return Path(sys.prefix).resolve() == (root / ".venv").resolve()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _set_up(root: Path, say: Callable[[str], None]) -> None:
    import time

    started = time.monotonic()
    half_made = (root / ".venv").exists()
    _stop_at(python_problem(sys.version_info[:3], sys.executable))
    _stop_at(venv_problem())
    _stop_at(disk_problem(_free(root), 1 if half_made else 2))
    say("{} the environment in .venv, once; about 2 minutes.".format("Finishing" if half_made else "Making"))
    say(f"  Python  {sys.version.split()[0]}")
    _make_venv(root)
    _forget_half_installed(root)
    _stamp_file(root).unlink(missing_ok=True)
    _log_file(root).write_text("")
    _install_torch(root, say)
    say("  others  everything else in requirements.lock, about a minute")
    # The lock is complete, so pip need not work out dependencies again: faster, and nothing unpinned.
    _pip(root, ["--no-deps", "-r", str(root / "requirements.lock")])
    _run(root, ["-m", "compileall", "-q", "-j", "0", "-x", _NOT_COMPILED, str(_site_packages(root))])
    _make_course_importable(root)
    _stamp_file(root).write_text(_stamp(root))
    say(f"  ready   after {time.monotonic() - started:.0f} s")


def _stop_at(problem: str | None) -> None:
    if problem:
        raise SetupError(problem)


def _make_venv(root: Path) -> None:
    """A `.venv` with a working pip: the one that is there, or a new one if it is broken or of a wrong Python."""
    import subprocess

    python, folder = python_path(root), root / ".venv"
    probe = f"import sys, pip; sys.exit(sys.version_info[:2] not in {SUPPORTED})"
    if python.exists() and subprocess.call([str(python), "-c", probe], stderr=subprocess.DEVNULL) == 0:
        return
    # Started from within another environment, sys.executable is a link that may go away with it.
    base = getattr(sys, "_base_executable", sys.executable)
    made = subprocess.run(
        [base, "-m", "venv", "--clear", str(folder)], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if made.returncode:
        raise SetupError(explain_failure(made.stdout, "python -m venv"))


def _forget_half_installed(root: Path) -> None:
    """Make pip install a package again whose installation was cut off.

    pip writes RECORD last, but takes a package for installed as soon as it sees METADATA.
    """
    import shutil

    for metadata in _site_packages(root).glob("*.dist-info"):
        if not (metadata / "RECORD").exists():
            shutil.rmtree(str(metadata))


def _make_course_importable(root: Path) -> None:
    """Let `import course` work from any folder. The path is relative: the whole tree may be moved."""
    # Links are followed first, as Python does when it reads the file: `.venv` may be one.
    packages = os.path.realpath(str(_site_packages(root)))
    Path(packages, "course.pth").write_text(os.path.relpath(os.path.realpath(str(root)), packages) + "\n")


def _site_packages(root: Path) -> Path:
    if os.name == "nt":
        return root / ".venv" / "Lib" / "site-packages"
    return next((root / ".venv" / "lib").glob("python3.*")) / "site-packages"


def _free(root: Path) -> int:
    import shutil

    return shutil.disk_usage(str(root)).free


# --- installing --------------------------------------------------------------------------------------------


def _install_torch(root: Path, say: Callable[[str], None]) -> None:
    import platform

    from course.torch_build import CPU_INDEX, answers, choose_torch, has_nvidia_gpu, torch_requirement

    requirement = torch_requirement((root / "requirements.lock").read_text())
    version = requirement.split(";")[0].strip().partition("==")[2]
    if any(_site_packages(root).glob(f"torch-{version}*.dist-info")):
        return
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        say("  torch   left out: it is no longer built for Macs with Intel. Only lessons 3 and 6 use it.")
        return
    at_hand = ["-m", "pip", "install", "--dry-run", "--no-index", "--no-deps", requirement]
    build = choose_torch(
        sys.platform, has_nvidia_gpu, lambda: _run(root, at_hand) == 0, lambda: answers(CPU_INDEX + "/torch/", 3)
    )
    say(f"  torch   {version}, {build.name}: {build.size}")
    _stop_at(disk_problem(_free(root), build.gigabytes + 1))
    # The default build pulls its own exact pins of CUDA packages; what it shares with the lock stays as locked.
    constraint = [] if "--no-deps" in build.arguments else ["--constraint", str(root / "requirements.lock")]
    _pip(root, [*build.arguments, *constraint, requirement])


def _log_file(root: Path) -> Path:
    return root / ".venv" / "setup.log"


def pip_environment(env: Mapping[str, str]) -> dict[str, str]:
    """`env` without what would send pip's work elsewhere than into `.venv`; indexes and proxies are kept."""
    elsewhere = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONHOME", "PYTHONPATH", "PIP_REQUIREMENT"}
    return {**{name: value for name, value in env.items() if name not in elsewhere}, "PIP_USER": "0"}


def _run(root: Path, arguments: Sequence[str]) -> int:
    import subprocess

    with _log_file(root).open("a") as noise:
        return subprocess.call(
            [str(python_path(root)), *arguments], stdout=noise, stderr=noise, env=pip_environment(os.environ)
        )


def _pip(root: Path, arguments: Sequence[str]) -> None:
    # Compiling comes later and in parallel; a cache of wheels that are installed once only takes disk.
    command = [
        "-m",
        "pip",
        "install",
        "--no-compile",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--progress-bar=off",
    ]
    before = len(_log_file(root).read_bytes())
    if _run(root, [*command, *arguments]):
        output = _log_file(root).read_bytes()[before:].decode(errors="replace")
        raise SetupError(explain_failure(output, "pip", log=".venv/setup.log"))
