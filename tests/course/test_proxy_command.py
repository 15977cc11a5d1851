"""`python -m course proxy`: whose parts it serves, and that it serves them."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from course.errors import CourseError
from course.exercises import ROOT, find_exercise, find_lesson
from course.page import PLAIN
from course.proxy import _whose, load_parts, serve
from tests.course.learners import answer
from tests.course.proxies import QUESTION


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


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGINT that another process could send")
def test_the_command_says_where_it_is_serves_and_ends_quietly(learners_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>Chat</h1>")
    command = [sys.executable, "-m", "course", "proxy", "--notebooks", str(learners_folder), "--static", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert address is not None
        told = requests.post(f"{address[0]}/api/chat", json=QUESTION, timeout=10)
        page = requests.get(address[0], timeout=10)
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=20)

    assert told.json()["choices"][0]["message"]["content"].startswith("An access token is")
    assert page.text == "<h1>Chat</h1>"
    assert (complaints, process.returncode) == ("", 0)
