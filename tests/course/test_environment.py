"""Set-up decides and explains without a network: every probe is made up here."""

import ast
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from course import environment, setup_problems
from course.exercises import ROOT
from course.setup_problems import SetupError, disk_problem, explain_failure, python_problem, venv_problem
from course.torch_build import CPU_INDEX, answers, choose_torch, torch_requirement

Probe = Callable[[], bool]


def _must_not_be_asked() -> bool:
    raise AssertionError("this probe costs time and was not needed any more")


def _yes() -> bool:
    return True


def _no() -> bool:
    return False


# --- which torch -------------------------------------------------------------------------------------------

N = _must_not_be_asked
TORCH_CASES = [
    pytest.param("linux", _yes, N, N, (), "NVIDIA", id="an NVIDIA GPU gets the default build"),
    pytest.param("linux", _no, _yes, N, ("--no-index", "--no-deps"), "find-links", id="a wheel at hand wins"),
    pytest.param(
        "linux", _no, _no, _yes, ("--index-url", CPU_INDEX, "--no-deps"), "CPU build", id="then the CPU index"
    ),
    pytest.param("linux", _no, _no, _no, (), "CUDA", id="a silent CPU index leaves the default"),
    pytest.param("darwin", N, N, N, (), "default", id="macOS has only one build"),
    pytest.param("win32", N, N, N, (), "default", id="the default on Windows is a CPU build"),
]


@pytest.mark.parametrize(("system", "gpu", "at_hand", "index", "arguments", "named"), TORCH_CASES)
def test_the_smallest_fitting_torch_is_chosen(
    system: str, gpu: Probe, at_hand: Probe, index: Probe, arguments: tuple[str, ...], named: str
) -> None:
    build = choose_torch(system, gpu, at_hand, index)

    assert build.arguments == arguments
    assert named in build.name
    assert "GB" in build.size, "people on a slow line want to know before it starts"


def test_torch_is_asked_for_as_the_lock_pins_it() -> None:
    lock = "tokenizers==1\ntorch==2.0.0 ; sys_platform == 'linux'\ntorchx==9\n"

    assert torch_requirement(lock) == "torch==2.0.0 ; sys_platform == 'linux'"


def test_an_index_that_cannot_be_reached_does_not_answer() -> None:
    assert answers("http://127.0.0.1:1/torch/", 3) is False


# --- an old Python --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module",
    ["__main__", "environment", "setup_problems", "torch_build", "doctor", "machine", "dates", "masking"],
)
def test_an_old_python_can_read_what_tells_it_so(module: str) -> None:
    source = (ROOT / "course" / f"{module}.py").read_text(encoding="utf-8")

    ast.parse(source, feature_version=(3, 7))


# --- the stamp ---------------------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder whose environment was made just now, as far as the stamp can tell."""
    (tmp_path / "requirements.lock").write_text("requests==2\n")
    python = environment.python_path(tmp_path)
    python.parent.mkdir(parents=True)
    target = tmp_path / "python3.11"
    target.write_text("")
    try:
        python.symlink_to(target)
    except OSError:
        python.write_text("")
    environment._stamp_file(tmp_path).write_text(environment._stamp(tmp_path))
    return tmp_path


def test_a_finished_environment_is_only_looked_at(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_set_up", lambda *_: pytest.fail("it must not set up again"))

    assert environment.ensure(made) == environment.python_path(made)


def test_another_lock_makes_it_unready(made: Path) -> None:
    (made / "requirements.lock").write_text("requests==3\n")

    assert not environment.is_ready(made)


def test_a_lock_with_a_new_date_but_the_same_text_is_still_ready(made: Path) -> None:
    os.utime(made / "requirements.lock", (2_000_000_000, 2_000_000_000))

    assert environment.is_ready(made)


def test_setup_renews_the_stamp_so_that_make_rests(made: Path) -> None:
    stamp = environment._stamp_file(made)
    os.utime(stamp, (1, 1))

    assert environment.setup(made) == 0
    assert stamp.stat().st_mtime > 1


def test_a_half_made_environment_is_unready(made: Path) -> None:
    environment._stamp_file(made).unlink()

    assert not environment.is_ready(made)


def test_an_environment_whose_python_went_away_is_unready(made: Path) -> None:
    environment.python_path(made).unlink()

    assert not environment.is_ready(made)


@pytest.mark.skipif(os.name == "nt", reason="Windows copies the starter instead of linking it")
def test_an_environment_whose_python_moved_on_is_unready(made: Path) -> None:
    newer = made / "python3.13"
    newer.write_text("")
    environment.python_path(made).unlink()
    environment.python_path(made).symlink_to(newer)

    assert not environment.is_ready(made)


def test_a_package_that_was_cut_off_is_installed_again(tmp_path: Path) -> None:
    packages = tmp_path / ".venv" / ("Lib/site-packages" if os.name == "nt" else "lib/python3.11/site-packages")
    whole, cut_off = packages / "rich-1.dist-info", packages / "typer-1.dist-info"
    for folder in (whole, cut_off):
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text("")
    (whole / "RECORD").write_text("")

    environment._forget_half_installed(tmp_path)

    assert whole.exists()
    assert not cut_off.exists()


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_the_course_is_found_from_anywhere_even_through_a_linked_environment(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "course", tmp_path / "elsewhere" / "deep"
    packages = elsewhere / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    root.mkdir()
    (root / ".venv").symlink_to(elsewhere)

    environment._make_course_importable(root)

    assert (packages / (packages / "course.pth").read_text().strip()).resolve() == root.resolve()


def test_pip_keeps_the_index_and_installs_nowhere_else() -> None:
    kept = {"PIP_INDEX_URL": "https://index.test/simple", "HTTPS_PROXY": "http://proxy.test:3128"}

    made = environment.pip_environment({**kept, "PIP_TARGET": "elsewhere", "PIP_USER": "1", "PYTHONPATH": "mine"})

    assert made == {**kept, "PIP_USER": "0"}


# --- what went wrong ---------------------------------------------------------------------------------------


def test_the_python_that_runs_this_is_a_supported_one() -> None:
    assert python_problem(sys.version_info[:3], sys.executable) is None


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 10, 0), (3, 14, 0)])
def test_another_python_is_named_with_a_way_on(version: tuple[int, int, int]) -> None:
    line = python_problem(version, "/usr/bin/python3", others=lambda: "python3.12")

    assert line is not None
    assert "this is " + ".".join(map(str, version)) + " (/usr/bin/python3)" in line
    assert "make lab PYTHON=python3.12" in line


def test_without_a_fitting_python_the_step_is_to_install_one() -> None:
    line = python_problem((3, 9, 1), "python", others=lambda: "")

    assert line is not None
    assert "next: install one" in line


def test_a_missing_venv_module_names_the_package() -> None:
    line = venv_problem(lambda name: name != "ensurepip")

    assert line is not None
    assert line.startswith("Python's module ensurepip is missing; next: apt-get install python3.")


def test_a_full_disk_is_seen_before_it_hurts() -> None:
    assert disk_problem(2_100_000_000, 2) is None
    assert disk_problem(300_000_000, 2) == (
        "2 GB of disk are needed here, 0.3 GB are free; next: make room, then the same command again"
    )


FAILURES = [
    pytest.param("ERROR: [Errno 28] No space left on device", "The disk is full", id="disk"),
    pytest.param("[Errno 13] Permission denied: '.venv'", "cannot be written", id="access"),
    pytest.param("[Errno 30] Read-only file system", "cannot be written", id="read-only"),
    pytest.param("virtual environment ... ensurepip is not available", "venv module", id="Debian's split Python"),
    pytest.param("[Errno -3] Temporary failure in name resolution", "cannot be reached", id="network"),
    pytest.param("SSLError(SSLCertVerificationError(... CERTIFICATE_VERIFY_FAILED", "certificate", id="certificate"),
    pytest.param("ERROR: No matching distribution found for x==1", "no build", id="no wheel"),
    pytest.param("something never seen", "pip failed", id="anything else"),
]


@pytest.mark.parametrize(("output", "meaning"), FAILURES)
def test_a_failure_says_what_it_means_and_the_next_step_in_its_first_line(output: str, meaning: str) -> None:
    first, *rest = explain_failure(output, "pip").splitlines()

    assert meaning in first
    assert "; next: " in first
    assert output in rest[0], "the original words help whoever searches for them"


def test_a_failure_shows_no_password_of_the_index() -> None:
    told = explain_failure("cannot reach https://reader:pw-in-url@index.test/simple", "pip", log=".venv/setup.log")

    assert "pw-in-url" not in told
    assert told.endswith(".venv/setup.log")


def test_an_interrupted_setup_says_that_it_can_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "_set_up", interrupt)

    with pytest.raises(SetupError, match=r"interrupted; next: the same command again"):
        environment.ensure(tmp_path)


def test_setup_on_a_wrong_python_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "python_problem", lambda *_: "Python 3.11 is needed; next: install it")

    assert environment.setup(tmp_path) == 1
    assert capsys.readouterr().err == "Python 3.11 is needed; next: install it\n"
    assert list(tmp_path.iterdir()) == []


def test_the_supported_versions_are_those_of_the_project_file() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()

    assert 'requires-python = ">=3.11' in project
    assert setup_problems.SUPPORTED[0] == (3, 11)
