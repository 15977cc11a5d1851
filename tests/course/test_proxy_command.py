"""`python -m course proxy`: whose parts it serves, and that it serves them."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from course import cli
from course.errors import CourseError
from course.exercises import ROOT, find_exercise, find_lesson
from course.page import PLAIN
from course.proxy import _counting, _variables, _whose, load_parts, serve
from tests.course.learners import answer
from tests.course.proxies import QUESTION, settings, solution


def test_an_untouched_notebook_is_served_with_our_solution(learners_folder: Path) -> None:
    parts = load_parts(learners_folder)

    assert (parts.theirs, len(parts.ours)) == ([], len(find_lesson("05").exercises))
    assert "our solution" in _whose(parts)
    assert parts.names["create_app"](parts.names["Settings"](hf_token="a-token")).title == "Chat proxy"


def test_what_is_right_is_theirs_and_what_is_wrong_is_ours(learners_folder: Path) -> None:
    right, wrong = find_exercise("05-3"), find_exercise("05-6")
    answer(learners_folder, right, right.source.replace("secrets.token_hex(8)", "secrets.token_hex(9)"))
    answer(learners_folder, wrong, wrong.source.replace("raise TurnedAway(503, 1)", "pass"))

    parts = load_parts(learners_folder)

    assert [each.id for each in parts.theirs] == ["05-3"]
    assert len(parts.names["public_error"](ValueError()).id) == 18
    with pytest.raises(parts.names["TurnedAway"]):
        open_too_many_slots(parts.names)
    assert _whose(parts).startswith("Yours: 05-3. Ours, as yours are not right yet: 05-1, 05-2, 05-4")


def open_too_many_slots(names: dict[str, object]) -> None:
    make, settings = names["RateLimiter"], names["Settings"]
    limiter = make(settings(hf_token="a-token", max_concurrent=1))  # type: ignore[operator]
    with limiter.slot(), limiter.slot():
        pass


def test_live_without_settings_says_what_is_missing(learners_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE", "1")
    monkeypatch.setenv("MAX_TOKENS", "many")

    with pytest.raises(CourseError, match=r"LIVE=1 needs settings.*MAX_TOKENS"):
        serve(None, learners_folder, PLAIN)


def test_a_page_of_ones_own_is_served_in_the_place_of_ours(
    learners_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Path] = []
    monkeypatch.setattr("course.proxy.serve", lambda port, folder, static, *_: served.append(static))

    cli.proxy(static=tmp_path, notebooks=learners_folder)
    cli.proxy(notebooks=learners_folder)

    assert served == [tmp_path, PLAIN]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGINT that another process could send")
def test_the_command_says_where_it_is_serves_and_ends_quietly(learners_folder: Path) -> None:
    command = [sys.executable, "-m", "course", "proxy", "--notebooks", str(learners_folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert address is not None
        told = requests.post(f"{address[0]}/api/chat", json=QUESTION, timeout=10)
        page = requests.get(address[0], timeout=10)
        limits = requests.get(f"{address[0]}/limits.json", timeout=10)
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=20)

    assert told.json()["choices"][0]["message"]["content"].startswith("An access token is")
    assert "<title>Chat</title>" in page.text
    assert limits.json()["max_characters"] == 8000
    assert (complaints, process.returncode) == ("", 0)


# --- several workers ------------------------------------------------------------------------------------------


def test_a_worker_reads_the_same_settings_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings(allowed_models=("a/b", "c/d"), max_concurrent=7, idle_seconds=2.5, static_dir="page")

    for name, value in _variables(given).items():
        monkeypatch.setenv(name, value)

    assert solution().Settings.load(None) == given


def test_it_says_what_each_worker_counts_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    each, shared = (
        solution().ServerSettings(hf_token="a-token", requests_per_minute=3, max_concurrent=7, redis_url=url)
        for url in (None, "redis://host")
    )

    assert _counting(each, 2) == (
        "2 workers. A client gets up to 2 x 3 calls a minute, as each worker counts for itself; 2 x 7 run at once. "
        "REDIS_URL=redis://... lets them count together."
    )
    assert _counting(shared, 2) == "2 workers. A client gets 3 calls a minute, counted in Redis; 2 x 7 run at once."


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGINT that another process could send")
def test_two_workers_serve_the_learners_parts_and_end_quietly(learners_folder: Path) -> None:
    right = find_exercise("05-3")
    answer(learners_folder, right, right.source.replace("secrets.token_hex(8)", "secrets.token_hex(9)"))
    command = [sys.executable, "-m", "course", "proxy", "--workers", "2", "--notebooks", str(learners_folder)]
    environment = {**os.environ, "MAX_CONCURRENT": "7", "MAX_MESSAGES": "5"}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(3)]
        address = re.search(r"http://127\.0\.0\.1:\d+", told[0])
        assert address is not None
        chat = requests.post(f"{address[0]}/api/chat", json=QUESTION, timeout=20)
        missing = requests.post(f"{address[0]}/api/chat", json=QUESTION | {"model": "a"}, timeout=10)
        limits = requests.get(f"{address[0]}/limits.json", timeout=10)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl+C does: all processes get it
        _, log = process.communicate(timeout=20)

    assert told[1].startswith("Yours: 05-3. Ours")
    assert "2 x 7 run at once" in told[2]
    assert (chat.status_code, missing.status_code, process.returncode) == (200, 422, 0)
    assert limits.json()["max_messages"] == 5
    assert sorted(json.loads(line)["status"] for line in log.splitlines()) == [200, 200, 422]  # two processes, one log
