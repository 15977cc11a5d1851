"""Our solutions of lesson 07 where they have to hold: in a window of the sandbox, and when the process is killed."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from course import sandbox
from course.definitions import solved_names
from course.exercises import find_exercise

PROMPTS = [f"prompt {number}" for number in range(8)]
# Answers five prompts in two threads; then the process is killed by the system, as `kill -9` does it. The exercise's
# cell stands alone but for these imports, so that no course has to be loaded.
IMPORTS = "import json\nfrom dataclasses import dataclass\nfrom pathlib import Path\n"
KILLED = """
import os, signal, sys

count, lock = 0, threading.Lock()

def client(prompt):
    global count
    with lock:
        count += 1
        if count == 6:
            os.kill(os.getpid(), signal.SIGKILL)
    return prompt.upper()

run_batch([f"prompt {number}" for number in range(8)], client, 2, Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def solved() -> dict[str, Any]:
    return solved_names("07")


def test_a_pacer_waits_for_the_window_of_the_hub_after_the_thousandth_request(solved: dict[str, Any]) -> None:
    with sandbox.start() as hub:
        hub.clock.freeze()
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {hub.tokens['read']}"
        for _ in range(980):  # by the user's other programs, without the cost of HTTP
            hub._world.limits.count(f"user {hub.account.name}", hub.account.plan, "api")
        pacer = solved["Pacer"](session, hub.clock)

        answers = [pacer.get(f"{hub.url}/api/models/sandbox/haiku?n={number}") for number in range(25)]
        sent_at = Counter(exchange.at for exchange in hub.requests)

    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].headers["RateLimit-Policy"] == '"fixed window";"api";q=1000;w=300'
    assert list(sent_at.values()) == [20, 5]
    first, second = (at or 0 for at in sent_at)
    assert second - first == 300


@pytest.mark.skipif(os.name != "posix", reason="the signal that cannot be caught is POSIX")
def test_a_batch_survives_the_signal_that_nobody_can_catch(solved: dict[str, Any], tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    program = IMPORTS + find_exercise("07-3").source + KILLED
    ran = subprocess.run([sys.executable, "-c", program, str(journal)], check=False)
    assert ran.returncode < 0
    before = {row["prompt"] for row in map(json.loads, journal.read_text().splitlines())}
    journal.write_bytes(journal.read_bytes() + b'{"prompt": "prompt 7", "ans')
    asked: list[str] = []

    def client(prompt: str) -> str:
        asked.append(prompt)
        return prompt.upper()

    result = solved["run_batch"](PROMPTS, client, 2, journal)

    assert len(before) >= 4, "five were answered; the last may have been on its way to the file"
    assert set(asked) == set(PROMPTS) - before
    assert result.answers == [prompt.upper() for prompt in PROMPTS]
