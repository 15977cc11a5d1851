"""`make doctor`: look at this machine and say what stands in the way of the course. Changes nothing.

Runs on a bare Python, with or without the environment. The report is made to be pasted in public: tokens are
given by their length, passwords in addresses are hidden, the home directory is shown as ~.
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from course import environment
from course.dates import dated_facts, is_old
from course.machine import LAB_PORT, Machine, find_browser
from course.masking import mask
from course.setup_problems import SUPPORTED, disk_problem, python_problem, venv_problem

if TYPE_CHECKING:
    from typing import Literal  # Python 3.7 has none

_TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY")
# These change where the libraries send requests, or whether they send any.
_BEHAVIOUR_VARIABLES = (
    "HF_ENDPOINT",
    "HF_INFERENCE_ENDPOINT",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_TOKEN_PATH",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN",
    "OPENAI_BASE_URL",
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at. level: "problem" stops the course, "warning" may surprise. step: what to do, or ""."""

    level: Literal["ok", "warning", "problem"]
    subject: str
    seen: str
    step: str = ""


def doctor(root: Path) -> int:
    """Print the report; 1 if there is a problem, else 0."""
    machine = Machine.here(root)
    findings = examine(root, machine)
    print(report(findings, machine))
    return int(any(finding.level == "problem" for finding in findings))


def examine(root: Path, machine: Machine | None = None) -> list[Finding]:
    """Everything there is to say about this machine, in the order of the report."""
    machine = machine or Machine.here(root)
    looks = (
        _python,
        _active_environment,
        _kernel,
        _torch,
        _disk,
        _access,
        _ports,
        _proxy,
        _variables,
        _browser,
        _facts,
    )
    return [finding for look in looks for finding in look(machine)]


def report(findings: list[Finding], machine: Machine | None = None) -> str:
    """`findings` as plain text to paste."""
    home = str(machine.home if machine else Path.home())
    system = machine.system if machine else platform.system()
    lines = [f"doctor: Hugging Face token course on {system}"]
    for finding in findings:
        lines.append(f"{finding.level:<8} {finding.subject:<12} {finding.seen}")
        if finding.step:
            lines.append(f"{'':<21} next: {finding.step}")
    lines.append(_summary(findings))
    text = "\n".join(lines)
    # A home of "/" (some containers) would turn every path into nonsense.
    return text.replace(home, "~") if len(home) > 1 else text


def _summary(findings: list[Finding]) -> str:
    problems = sum(finding.level == "problem" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if not problems and not warnings:
        return "Nothing stands in the way."
    counts = f"{problems} problem{'s' * (problems != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    return f"{counts}. " + ("Problems first." if problems else "The course runs all the same.")


# --- the looks, in the order of the report -----------------------------------------------------------------


def _python(machine: Machine) -> Iterator[Finding]:
    if environment.python_path(machine.root).exists():
        # What runs this report does not matter once the environment has a Python of its own.
        made_with = _made_with(machine.root)
        if made_with[:2] in SUPPORTED:
            yield Finding("ok", "Python", f"{_dotted(made_with)} in .venv")
            return
    problem = python_problem(machine.version, machine.executable) or venv_problem()
    if problem:
        seen, _, step = problem.partition("; next: ")
        yield Finding("problem", "Python", seen, step)
    else:
        yield Finding("ok", "Python", f"{_dotted(machine.version)} ({machine.executable})")


def _made_with(root: Path) -> tuple[int, ...]:
    """The version that pyvenv.cfg names, or () if it names none."""
    config = root / ".venv" / "pyvenv.cfg"
    lines = config.read_text(errors="replace").splitlines() if config.exists() else []
    pairs = [line.partition("=") for line in lines]
    named = next((value.strip() for key, _, value in pairs if key.strip() in ("version", "version_info")), "")
    return tuple(int(part) for part in named.split(".")[:3] if part.isdigit())


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


def _active_environment(machine: Machine) -> Iterator[Finding]:
    for name, leave in (("VIRTUAL_ENV", "deactivate"), ("CONDA_PREFIX", "conda deactivate")):
        active = machine.env.get(name)
        if active and Path(active).resolve() != (machine.root / ".venv").resolve():
            step = f"{leave}; or start everything with make, which uses .venv whatever is active"
            yield Finding("warning", "Environment", f"another one is active: {active} ({name})", step)
    if machine.env.get("PYTHONPATH"):
        seen = "PYTHONPATH is set: its modules come before those of the course"
        yield Finding("warning", "Environment", seen, "unset PYTHONPATH")


def _kernel(machine: Machine) -> Iterator[Finding]:
    if not environment.is_ready(machine.root):
        half_made = (machine.root / ".venv").exists()
        seen = ".venv is half-made or older than requirements.lock" if half_made else "no .venv yet"
        yield Finding("warning", "Kernel", seen, "make lab, or python -m course lab: it is made then")
        return
    spec = machine.root / ".venv" / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    try:
        python = json.loads(spec.read_text())["argv"][0]
    except (OSError, ValueError, LookupError):
        yield Finding("problem", "Kernel", "ipykernel left no kernel in .venv", "make clean, then make lab")
        return
    # "python" stands for the Python that JupyterLab itself runs on, which is that of .venv.
    if python != "python" and not Path(python).is_relative_to(machine.root / ".venv"):
        yield Finding("problem", "Kernel", f"it starts another Python: {python}", "make clean, then make lab")
    else:
        yield Finding("ok", "Kernel", "python3 in .venv")


def _torch(machine: Machine) -> Iterator[Finding]:
    found = sorted((machine.root / ".venv").glob("[Ll]ib/**/site-packages/torch-*.dist-info"))
    if not found:
        if environment.is_ready(machine.root):
            yield Finding("warning", "torch", "not installed; lessons 3 and 6 run models with it")
        return
    version = found[0].name[len("torch-") : -len(".dist-info")]
    has_cuda = any(found[0].parent.glob("nvidia_*.dist-info"))
    yield Finding("ok", "torch", f"{version}, {'with CUDA libraries' if has_cuda else 'CPU build'}")


def _disk(machine: Machine) -> Iterator[Finding]:
    free = machine.free_bytes(machine.root)
    needed = 0.5 if environment.is_ready(machine.root) else 2
    problem = disk_problem(free, needed)
    if problem:
        seen, _, step = problem.partition("; next: ")
        yield Finding("problem", "Disk", seen, step)
    else:
        yield Finding("ok", "Disk", f"{free / 10**9:.0f} GB free")


def _access(machine: Machine) -> Iterator[Finding]:
    folders = [machine.root, machine.root / "notebooks", machine.home]
    closed = [str(folder) for folder in folders if folder.exists() and not machine.can_write(folder)]
    if closed:
        step = "put the course into a folder of your own, or give yourself the rights to this one"
        yield Finding("problem", "Access", f"cannot write in {', '.join(closed)}", step)
    else:
        yield Finding("ok", "Access", "the course's folders can be written")


def _ports(machine: Machine) -> Iterator[Finding]:
    if not machine.can_bind(0):
        step = "allow programs to listen on 127.0.0.1 (a firewall or container setting)"
        yield Finding("problem", "Ports", "no server can listen on this machine's loopback address", step)
    elif not machine.can_bind(LAB_PORT):
        yield Finding("ok", "Ports", f"{LAB_PORT} is busy; make lab takes the next free one")
    else:
        yield Finding("ok", "Ports", f"{LAB_PORT} is free for JupyterLab")


def _proxy(machine: Machine) -> Iterator[Finding]:
    env = {name.lower(): value for name, value in machine.env.items() if value}
    proxies = [name for name in ("http_proxy", "https_proxy", "all_proxy") if name in env]
    if not proxies:
        yield Finding("ok", "Proxy", "none set")
        return
    seen = ", ".join(f"{name} = {_hide_credentials(env[name])}" for name in proxies)
    excepted = {host.strip() for host in env.get("no_proxy", "").split(",")}
    if "*" in excepted or {"localhost", "127.0.0.1"} <= excepted:
        yield Finding("ok", "Proxy", f"{seen}; loopback goes around it")
    else:
        step = "export NO_PROXY=localhost,127.0.0.1 (and no_proxy): requests to the sandbox must stay on this machine"
        yield Finding("warning", "Proxy", f"{seen}; loopback is not excepted", step)


def _hide_credentials(address: str) -> str:
    """A proxy's address without whatever stands before its @, even where there is no scheme or no password."""
    scheme, separator, rest = address.rpartition("://")
    credentials, at, host = rest.rpartition("@")
    return mask(f"{scheme}{separator}{'***@' if at and credentials else ''}{host}")


def _variables(machine: Machine) -> Iterator[Finding]:
    for name in _TOKEN_VARIABLES:
        if name in machine.env:
            seen = f"{name} is set, {len(machine.env[name])} characters"
            yield Finding("ok", "Variables", f"{seen}; the sandbox does not need it")
    for name in _BEHAVIOUR_VARIABLES:
        if machine.env.get(name):
            seen = f"{name} = {_hide_credentials(machine.env[name])}: the Hugging Face libraries behave differently"
            yield Finding("warning", "Variables", seen, f"unset {name}, unless you mean it")


def _browser(machine: Machine) -> Iterator[Finding]:
    found = find_browser(machine)
    if found:
        yield Finding("ok", "Chromium", f"{found} (optional: for the browser tests)")
        return
    step = ".venv/bin/python -m playwright install chromium"
    if machine.which("apt-get"):
        step = "apt-get install chromium"
    elif machine.system.startswith("Windows"):
        step = r".venv\Scripts\python -m playwright install chromium"
    yield Finding("ok", "Chromium", f"not found; only the browser tests need it, they are skipped. To have it: {step}")


def _facts(machine: Machine) -> Iterator[Finding]:
    if machine.version < (3, 11):
        return  # cannot read TOML; what to do about that Python is said above
    facts = dated_facts(machine.root / "data")
    if not facts:
        return
    old = Counter(fact.file for fact in facts if is_old(fact.day, machine.today))
    if not old:
        yield Finding("ok", "Facts", f"{len(facts)} dates in data/, none older than a year")
        return
    oldest = min(fact.day for fact in facts)
    seen = (
        f"older than a year: {', '.join(f'{file} ({count})' for file, count in old.items())}; the oldest is of {oldest}"
    )
    step = "look them up again before you rely on them: each row names its source"
    yield Finding("warning", "Facts", seen, step)
