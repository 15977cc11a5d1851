"""The doctor's report for machines made up here: right words, one next step each, nothing secret."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from course.doctor import Finding, examine, report
from course.machine import Machine, can_bind, find_browser


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with nothing wrong, on which the course was not set up yet."""
    return Machine(
        root=tmp_path / "home" / "course",
        home=tmp_path / "home",
        env={},
        version=(3, 12, 4),
        executable=str(tmp_path / "home" / "bin" / "python3"),
        system="Linux 6.1 x86_64",
        today=date(2026, 11, 24),
        free_bytes=lambda _: 50 * 10**9,
        can_write=lambda _: True,
        can_bind=lambda _: True,
        which={"chromium": "/usr/bin/chromium"}.get,
    )


def _with_env(machine: Machine, env: Mapping[str, str]) -> Machine:
    return replace(machine, env=env)


def _about(subject: str, machine: Machine) -> list[Finding]:
    return [finding for finding in examine(machine.root, machine) if finding.subject == subject]


def test_a_good_machine_has_no_problem(machine: Machine) -> None:
    findings = examine(machine.root, machine)

    assert {finding.level for finding in findings if finding.subject != "Kernel"} == {"ok"}
    assert "0 problems, 1 warning. The course runs all the same." in report(findings, machine)


def test_every_warning_and_problem_has_a_next_step(machine: Machine) -> None:
    worst = replace(
        machine,
        version=(3, 9, 1),
        env={"VIRTUAL_ENV": "/other", "http_proxy": "http://proxy.test:1", "HF_ENDPOINT": "http://hub.test"},
        free_bytes=lambda _: 0,
        can_write=lambda _: False,
        can_bind=lambda _: False,
    )
    machine.root.mkdir(parents=True)

    findings = examine(worst.root, worst)

    assert [finding for finding in findings if finding.level != "ok" and not finding.step] == []
    problems = {finding.subject for finding in findings if finding.level == "problem"}
    assert problems == {"Python", "Disk", "Access", "Ports"}


SECRETS = [
    pytest.param({"HF_TOKEN": "hf_visibly-fake-secret"}, "visibly-fake", id="token"),
    pytest.param({"HUGGING_FACE_HUB_TOKEN": "no-prefix-secret"}, "no-prefix-secret", id="token of any shape"),
    pytest.param({"OPENAI_API_KEY": "sk-fake-secret"}, "fake-secret", id="token of another service"),
    pytest.param({"HTTPS_PROXY": "http://reader:pass-word@proxy.test:3128"}, "pass-word", id="password in a proxy"),
    pytest.param({"all_proxy": "reader:pass-word@proxy.test:3128"}, "pass-word", id="proxy without a scheme"),
    pytest.param({"http_proxy": "http://only-a-key@proxy.test"}, "only-a-key", id="proxy with a name alone"),
    pytest.param({"http_proxy": "http://a:b@c@proxy.test"}, "b@c", id="an @ in the password"),
    pytest.param({"HF_ENDPOINT": "https://reader:pass-word@hub.test"}, "pass-word", id="password in an endpoint"),
]


@pytest.mark.parametrize(("env", "secret"), SECRETS)
def test_the_report_can_be_pasted_in_public(machine: Machine, env: dict[str, str], secret: str) -> None:
    machine = _with_env(machine, env)

    text = report(examine(machine.root, machine), machine)

    assert secret not in text
    assert "reader" not in text
    assert next(iter(env)).lower() in text.lower(), "the name is what one needs to know"


def test_a_token_is_shown_by_its_length(machine: Machine) -> None:
    [finding] = _about("Variables", _with_env(machine, {"HF_TOKEN": "x" * 12}))

    assert finding.seen.startswith("HF_TOKEN is set, 12 characters")


def test_the_home_directory_is_not_shown(machine: Machine) -> None:
    text = report(examine(machine.root, machine), machine)

    assert str(machine.home) not in text
    assert "~/bin/python3" in text.replace("\\", "/")


PROXIES = [
    pytest.param({"http_proxy": "http://proxy.test"}, "warning", id="loopback would go through the proxy"),
    pytest.param({"http_proxy": "http://proxy.test", "NO_PROXY": "localhost"}, "warning", id="only half excepted"),
    pytest.param({"http_proxy": "http://proxy.test", "no_proxy": "a.test, localhost,127.0.0.1"}, "ok", id="excepted"),
    pytest.param({"https_proxy": "http://proxy.test", "NO_PROXY": "*"}, "ok", id="everything excepted"),
    pytest.param({"http_proxy": ""}, "ok", id="set but empty"),
]


@pytest.mark.parametrize(("env", "level"), PROXIES)
def test_a_proxy_matters_only_if_loopback_goes_through_it(machine: Machine, env: dict[str, str], level: str) -> None:
    [finding] = _about("Proxy", _with_env(machine, env))

    assert finding.level == level


def test_a_busy_jupyter_port_is_no_problem(machine: Machine) -> None:
    [finding] = _about("Ports", replace(machine, can_bind=lambda port: port == 0))

    assert finding.level == "ok"
    assert "next free one" in finding.seen


def test_another_active_environment_is_named(machine: Machine) -> None:
    [finding] = _about("Environment", _with_env(machine, {"CONDA_PREFIX": "/opt/conda"}))

    assert finding.level == "warning"
    assert "/opt/conda (CONDA_PREFIX)" in finding.seen


def test_the_courses_own_environment_may_be_active(machine: Machine) -> None:
    assert _about("Environment", _with_env(machine, {"VIRTUAL_ENV": str(machine.root / ".venv")})) == []


def test_a_kernel_of_another_python_is_a_problem(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("course.environment.is_ready", lambda _: True)
    folder = machine.root / ".venv" / "share" / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": ["/usr/bin/python3", "-m", "ipykernel_launcher"]}')

    [finding] = _about("Kernel", machine)

    assert finding.level == "problem"
    assert "/usr/bin/python3" in finding.seen


def test_playwrights_own_chromium_counts(machine: Machine) -> None:
    folder = machine.home / ".cache" / "ms-playwright" / "chromium-1200"
    folder.mkdir(parents=True)

    assert find_browser(replace(machine, which=lambda _: None)) == str(folder)


def test_without_chromium_the_command_that_brings_it_is_named(machine: Machine) -> None:
    [debian] = _about("Chromium", replace(machine, which={"apt-get": "/usr/bin/apt-get"}.get))
    [elsewhere] = _about("Chromium", replace(machine, which=lambda _: None))

    assert debian.level == elsewhere.level == "ok", "it is optional"
    assert debian.seen.endswith("apt-get install chromium")
    assert elsewhere.seen.endswith("python -m playwright install chromium")


def test_loopback_can_be_bound_here() -> None:
    assert can_bind(0)
