"""Wait for a JupyterLab that a test has started."""

import json
import subprocess
import time
import urllib.request
from contextlib import suppress

TOKEN = "fake-jupyter-token"
DEADLINE_SECONDS = 60.0


def status(port: int, token: str) -> dict[str, object]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/status", headers={"Authorization": f"token {token}"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=5) as answer:
        return dict(json.load(answer))


def wait_for_status(port: int, process: subprocess.Popen[str]) -> dict[str, object]:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return status(port, TOKEN)
        except OSError:
            with suppress(subprocess.TimeoutExpired):  # asked again soon, unless it has ended
                process.wait(0.05)
    process.kill()
    raise AssertionError(f"JupyterLab did not answer:\n{process.communicate()[0]}")
