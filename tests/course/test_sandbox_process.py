"""Starting, stopping and serving: ports, threads, signals."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from course import sandbox

ROOT = Path(__file__).parents[2]


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def serve(*arguments: object) -> subprocess.Popen[str]:
    code = f"from course.sandbox.serve import serve; serve{arguments!r}"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM that a program could catch")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_served_sandbox_says_where_it_is_in_one_line_and_ends_quietly(ending: signal.Signals) -> None:
    with serve(None, True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        answer = requests.get(
            f"{ready['hub']}/api/whoami-v2", headers={"Authorization": f"Bearer {ready['tokens']['read']}"}, timeout=5
        )
        listed = requests.get(
            f"{ready['endpoints']}/endpoint/learner",
            headers={"Authorization": f"Bearer {ready['tokens']['write']}"},
            timeout=5,
        )
        process.send_signal(ending)
        rest, complaints = process.communicate(timeout=10)

    assert {"read", "write", "fine_grained", "no_inference", "revoked", "pending"} <= set(ready["tokens"])
    assert ready["router"].startswith("http://127.0.0.1:")
    assert answer.json()["name"] == "learner"
    assert listed.json() == {"items": []}
    assert ready["settings"] == f"{ready['hub']}/settings/tokens"
    assert (rest, complaints, process.returncode) == ("", "", 0)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM that a program could catch")
def test_a_served_sandbox_tells_people_how_to_use_it() -> None:
    with serve(None, False) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(20)]
        process.terminate()
        process.communicate(timeout=10)

    assert "HF_ENDPOINT=http://127.0.0.1:" in "".join(lines)
    for place in ("/settings/tokens", "/v2 (the API"):
        assert any("http://127.0.0.1:" in line and place in line for line in lines)


def test_a_busy_port_is_named_with_the_next_step() -> None:
    with sandbox.start() as hub, pytest.raises(sandbox.PortInUse) as caught:
        sandbox.start(port=port_of(hub.url))

    assert f"Port {port_of(hub.url)} is in use" in str(caught.value)
    assert "--port" in str(caught.value)


def test_a_stopped_sandbox_listens_no_more_and_its_port_is_free_again() -> None:
    hub = sandbox.start()
    session = requests.Session()
    session.get(f"{hub.url}/api/whoami-v2", timeout=5)

    hub.stop()
    hub.stop()

    with pytest.raises(requests.ConnectionError):
        session.get(f"{hub.url}/api/whoami-v2", timeout=5)
    with sandbox.start(port=port_of(hub.url)) as again:
        assert again.url == hub.url


def test_a_sandbox_that_nobody_holds_any_more_ends() -> None:
    hub = sandbox.start()
    url = hub.url

    del hub
    gc.collect()

    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_it_starts_inside_a_running_loop_as_in_a_notebook() -> None:
    async def cell() -> int:
        with sandbox.start() as hub:
            return requests.get(f"{hub.router}/v1/models", timeout=5).status_code

    assert asyncio.run(cell()) == 200


def test_names_other_than_loopback_are_refused() -> None:
    with sandbox.start() as hub:
        foreign = requests.get(f"{hub.url}/api/whoami-v2", headers={"Host": "attacker.test"}, timeout=5)
        own = requests.get(f"http://localhost:{port_of(hub.url)}/api/models/sandbox/haiku", timeout=5)

    assert (foreign.status_code, own.status_code) == (400, 200)


def test_starting_needs_no_large_library() -> None:
    start = "import sys; from course import sandbox; sandbox.start().stop()"
    code = f"{start}; print({{*sys.modules}} & {{'torch', 'openai', 'jinja2'}})"
    env = os.environ | {"PYTHONPATH": str(ROOT)}

    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
    assert done.stderr == ""
