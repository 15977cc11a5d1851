"""`make lab` starts a JupyterLab that only this machine can reach."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from course import lab
from tests.course.jupyter import DEADLINE_SECONDS, TOKEN, status, wait_for_status

ROOT = Path(__file__).parents[2]


def test_a_busy_port_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "can_bind", lambda port: port >= 8890)

    assert lab.free_port() == 8890


def test_no_free_port_is_one_line_with_the_next_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lab, "can_bind", lambda _: False)

    assert lab.open_lab(ROOT) == 1
    assert "next: close another JupyterLab" in capsys.readouterr().out


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def server(port: int, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "notebooks").mkdir()
    process = subprocess.Popen(
        lab.command(tmp_path, port, browser=False),
        cwd=tmp_path,
        env={**os.environ, "JUPYTER_TOKEN": TOKEN, "JUPYTER_CONFIG_DIR": str(tmp_path / "config")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell lets programs in the background ignore Ctrl-C, and the tests may be one.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL) if os.name == "posix" else None,
    )
    yield process
    process.terminate()
    process.communicate(timeout=DEADLINE_SECONDS)


def test_it_answers_on_loopback_with_its_token_alone_and_one_ctrl_c_ends_it(
    port: int, server: subprocess.Popen[str]
) -> None:
    assert "started" in wait_for_status(port, server)

    with pytest.raises(urllib.error.HTTPError, match="403"):
        status(port, "another")

    if sys.platform != "win32":  # which sends no SIGINT to one process
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=DEADLINE_SECONDS) == 0
