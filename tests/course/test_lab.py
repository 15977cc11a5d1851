"""`make lab` starts a JupyterLab that only this machine can reach."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from course import lab

ROOT = Path(__file__).parents[2]
TOKEN = "fake-jupyter-token"
DEADLINE_SECONDS = 60.0


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
    )
    yield process
    process.terminate()
    process.communicate(timeout=DEADLINE_SECONDS)


def _status(port: int, token: str) -> dict[str, object]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/status", headers={"Authorization": f"token {token}"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=5) as answer:
        return dict(json.load(answer))


def _wait_for_status(port: int, process: subprocess.Popen[str]) -> dict[str, object]:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return _status(port, TOKEN)
        except OSError:
            time.sleep(0.05)  # a poll with a deadline: the server opens its port when it is ready
    process.kill()
    raise AssertionError(f"JupyterLab did not answer:\n{process.communicate()[0]}")


def test_jupyterlab_answers_on_loopback_and_only_with_the_token(port: int, server: subprocess.Popen[str]) -> None:
    assert "started" in _wait_for_status(port, server)

    with pytest.raises(urllib.error.HTTPError, match="403"):
        _status(port, "another")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_one_ctrl_c_ends_it(port: int, server: subprocess.Popen[str]) -> None:
    _wait_for_status(port, server)

    server.send_signal(signal.SIGINT)

    assert server.wait(timeout=DEADLINE_SECONDS) == 0
