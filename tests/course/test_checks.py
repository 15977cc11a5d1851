"""What a check says when something is wrong: in order, with the traffic, without secrets, in time."""

import dataclasses
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from course import limit
from course.checks import judge, run_checks
from course.exercises import ROOT, LessonError, find_exercise
from course.isolation import no_input
from course.learner import from_notebooks
from course.limit import TimeLimit, limited
from course.masking import mask, mask_headers
from course.traffic import Exchange, story
from tests.course.learners import answer
from tests.test_05_fastapi_proxy import CANARY

WHO_AM_I = find_exercise("01-3")
SECRET = "hf_" + "Kq7" * 11 + "z"


def message(folder: Path, code: str, exercise_id: str = "01-3") -> str:
    exercise = find_exercise(exercise_id)
    answer(folder, exercise, code)
    return run_checks([exercise], from_notebooks(folder))[exercise.id].message or ""


def test_a_failed_check_shows_what_was_sent(learners_folder: Path) -> None:
    code = "def who_am_i(token, hub_url):\n    return requests.get(hub_url + '/api/whoami-v2', timeout=1)"

    told = message(learners_folder, code)

    assert told.index("Seen:") < told.index("Due:") < told.index("Read:") < told.index("Traffic:")
    assert "request 1: GET /api/whoami-v2, no Authorization -> 200" in told


def test_an_error_of_the_learner_is_told_with_its_line_and_without_ours(learners_folder: Path) -> None:
    told = message(learners_folder, "def who_am_i(token, hub_url):\n    return undefined_name")

    assert "NameError: name 'undefined_name' is not defined at line 2 of cell" in told
    assert ": return undefined_name" in told
    assert "Traceback" not in told
    assert "course/" not in told


def test_a_token_in_a_learners_error_is_masked(learners_folder: Path) -> None:
    told = message(learners_folder, f"def who_am_i(token, hub_url):\n    raise OSError('{SECRET}')")

    assert "OSError: hf_***" in told
    assert SECRET not in told


@pytest.mark.parametrize(
    ("slip", "text"),
    [
        pytest.param(("json=body", f"json=body['{SECRET}']"), SECRET, id="in the line itself"),
        pytest.param(("json=body", "json={1}"), "serializable", id="in what it awaits, by way of a given function"),
        pytest.param(("return answer_for(error)", "raise"), CANARY, id="not caught"),
    ],
)
def test_an_error_inside_an_app_is_told_with_its_line_and_without_its_text(
    learners_folder: Path, slip: tuple[str, str], text: str
) -> None:
    code = find_exercise("05-4").source.replace(*slip)

    told = message(learners_folder, code, "05-4")

    assert re.search(r"500 .*; \w+Error came up at line \d+ of cell \d+: answer = await", told)
    assert text not in told


def test_an_error_inside_a_stream_is_told_with_its_line(learners_folder: Path) -> None:
    code = find_exercise("05-5").source.replace("ChatChunk.model_validate_json(event.data)", "event.delta")

    told = message(learners_folder, code, "05-5")

    assert re.search(r"; AttributeError came up at line \d+ of cell \d+: chunk = event.delta", told)


def test_exit_in_an_answer_ends_nothing_else(learners_folder: Path) -> None:
    told = message(learners_folder, "def token_problem(text):\n    exit()", "01-1")

    assert "exit() was called at line 5 of cell" in told


def test_a_patch_of_requests_does_not_outlive_its_check(learners_folder: Path) -> None:
    import requests

    whole = requests.get
    answer(
        learners_folder,
        find_exercise("01-1"),
        "def token_problem(text):\n    import requests\n    requests.get = None\n",
    )
    answer(learners_folder, WHO_AM_I, WHO_AM_I.source)

    verdicts = run_checks([find_exercise("01-1"), WHO_AM_I], from_notebooks(learners_folder))

    assert verdicts["01-3"].state == "right"
    assert requests.get is whole


def test_an_assertion_of_the_learners_own_is_told_like_any_error(learners_folder: Path) -> None:
    told = message(learners_folder, "def token_problem(text):\n    assert text == 'x'", "01-1")

    assert told.startswith("Seen:  your code stopped with AssertionError")


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("def audit(tokens, uses, today):\n    return [None]", "has no attribute 'token'"),
        ("def audit(tokens):\n    return []", "audit() takes 1 positional argument"),
    ],
    ids=["what it returned", "what it takes"],
)
def test_an_error_in_no_line_of_the_learner_is_told_as_one_of_types(
    learners_folder: Path, code: str, seen: str
) -> None:
    told = message(learners_folder, code, "02-5")

    assert told.startswith("Seen:  what audit takes or returned is not what its text promises: ")
    assert seen in told
    assert "your code stopped" not in told


def test_input_in_an_answer_waits_for_nobody(learners_folder: Path) -> None:
    with no_input():
        told = message(learners_folder, "def token_problem(text):\n    return input()", "01-1")

    assert "EOFError" in told


def test_a_check_looks_at_no_folder_above_the_course(learners_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(learners_folder, WHO_AM_I, WHO_AM_I.source)
    listed: list[str] = []
    scandir = os.scandir

    def noting(path: str = ".") -> Any:
        listed.append(str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noting)

    run_checks([WHO_AM_I], from_notebooks(learners_folder))

    assert str(ROOT / "tests") in listed
    assert not {str(folder) for folder in ROOT.parents} & set(listed)


def test_an_exercise_without_a_check_is_a_defect_and_not_right(learners_folder: Path) -> None:
    unchecked = dataclasses.replace(find_exercise("01-1"), id="01-9")

    with pytest.raises(LessonError, match="test_01_9_"):
        run_checks([unchecked], lambda exercise, alone=False: {exercise.name: print})


def test_only_the_first_problem_is_told(learners_folder: Path) -> None:
    told = message(learners_folder, "def token_problem(text):\n    return text", "01-1")

    assert told.count("Seen:") == 1


def test_an_endless_loop_ends_with_the_line_it_hung_on(learners_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "SECONDS", 1.0)

    told = message(learners_folder, "def token_problem(text):\n    n = 0\n    while True:\n        n += 1", "01-1")

    assert "still running after 1 s, at line" in told
    assert "which condition ends the loop?" in told


def test_a_learners_line_is_the_innermost_of_all_cells_or_of_one() -> None:
    names: dict[str, Any] = {}
    exec(compile("def given():\n    return 1 / 0", "a.ipynb, cell 1", "exec"), names)  # noqa: S102
    exec(compile("def own():\n\n    return given()", "a.ipynb, cell 2", "exec"), names)  # noqa: S102

    with pytest.raises(ZeroDivisionError) as raised:
        names["own"]()

    assert limit.learners_line(raised.tb) == "line 2 of cell 1"
    assert limit.learners_line(raised.tb, "a.ipynb, cell 2") == "line 3 of cell 2"


def test_the_limit_of_a_learner_is_five_seconds() -> None:
    assert limit.SECONDS == 5.0


def test_code_that_swallows_exceptions_is_ended_too() -> None:

    def stubborn() -> None:
        while True:
            try:
                sum(range(100))
            except Exception:  # noqa: S112 - this is the point
                continue

    with pytest.raises(TimeLimit):
        limited(stubborn, seconds=0.2, name="stubborn")
    assert not any(thread.is_alive() and thread.name == "stubborn" for thread in threading.enumerate())


def test_limited_returns_and_raises_what_the_code_does() -> None:
    assert limited(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        limited(lambda: 1 / 0)


def test_a_defect_of_a_check_is_not_taken_for_a_learners(tmp_path: Path) -> None:
    found = judge(WHO_AM_I, NotImplementedError("Exercise 99-1"))

    assert found.state == "wrong"


def test_a_wait_shorter_than_asked_for_is_told() -> None:
    told = story(
        [Exchange("GET", "/a", 429, answer_headers={"Retry-After": "2"}, at=0.0), Exchange("GET", "/a", 200, at=0.5)]
    )

    assert "request 1: GET /a, no Authorization -> 429, Retry-After 2" in told
    assert "you waited 0.5 s, 2 s were asked for" in told


def test_an_unanswered_request_is_told() -> None:
    assert story([Exchange("GET", "/a")]) == "request 1: GET /a, no Authorization -> no answer"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"token {SECRET}!", "token hf_***!"),
        (f"Bearer {SECRET}", "Bearer hf_***"),
        ("Authorization: Basic bGVhcm5lcjpzZWNyZXQ=", "Authorization: Basic ***"),
        ("hf_oauth_eyJhbGciOi.J9-x_y", "hf_oauth_***"),
        (repr(f"a\n{SECRET}\tb"), "'a\\nhf_***\\tb'"),
        (f"\x1b[32m{SECRET}\x1b[0m", "\x1b[32mhf_***\x1b[0m"),
        ("Bearer%20hf_" + 34 * "x", "Bearer%20hf_***"),
        (repr("a\nhf_hub_download, load_hf_weights_quickly"), repr("a\nhf_hub_download, load_hf_weights_quickly")),
        ("http://user:secret@host.test/", "http://***@host.test/"),
        ("Bearer <token>: one space", "Bearer <token>: one space"),
        ("huggingface_hub and hf_x", "huggingface_hub and hf_x"),
        ("HF_ENDPOINT for hf_hub_download()", "HF_ENDPOINT for hf_hub_download()"),
    ],
)
def test_secrets_are_masked_in_texts(text: str, shown: str) -> None:
    assert mask(text) == shown


def test_credentials_of_any_scheme_are_masked_in_headers() -> None:
    shown = mask_headers({"Authorization": "Digest username=x", "X-Api-Key": "k", "Accept": "text/html"})

    assert shown == {"Authorization": "Digest ***", "X-Api-Key": "***", "Accept": "text/html"}


def test_a_cookie_is_hidden_whole() -> None:
    shown = mask_headers({"Cookie": "seen=a; session=b", "Set-Cookie": "session=b; HttpOnly"})

    assert shown == {"Cookie": "***", "Set-Cookie": "***"}
