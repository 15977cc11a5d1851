"""Checks of the exercises in 03_env_and_secrets. `lesson` holds the learner's names, `http` the mocked network.

Run against solutions/ and notebooks/ by `make test`, against a learner's code by `check("03-2")` and `make check`.
Every name given to `wrong(...)` is proven in tests/mistakes/03_env_and_secrets.py.

PYTEST_DONT_REWRITE: the messages say all, and stay as they were written.
"""

import json
import logging
import os
import pickle
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import requests

from course.checks import wrong
from course.git import git

BODY = "aB3" * 11 + "c"  # 34 characters, put together at run time so that no file holds the shape of a token
TOKEN = "hf_" + BODY
OTHER = "hf_" + "Zy9" * 11 + "w"
LETTERS = "QxZjVkWqYzXj"  # such as no sentence and no memory address holds


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """Whatever a learner's code puts into os.environ is taken back."""
    with mock.patch.dict(os.environ):
        yield


# --- 03-1 load_token ----------------------------------------------------------------------------------------


def test_03_1_it_returns_a_secret(lesson: SimpleNamespace, tmp_path: Path) -> None:
    loaded = _result(lambda: lesson.load_token({"HF_TOKEN": TOKEN}, tmp_path / "none.env"))

    assert hasattr(loaded, "reveal") or isinstance(loaded, Exception), wrong(
        "no-secret",
        seen=f"you returned a {type(loaded).__name__}",
        due="a Secret, so that nobody prints the token by accident",
        read='"Exercise 03-1", its first lines',
    )


def test_03_1_the_environment_gives_the_token(lesson: SimpleNamespace, tmp_path: Path) -> None:
    loaded = _loaded(lesson, {"HF_TOKEN": TOKEN}, tmp_path / "none.env")

    assert loaded == TOKEN, wrong(
        "environment-ignored",
        seen=f"with HF_TOKEN in environ and no file you {_told(loaded)}",
        due="a Secret with the value from environ",
        read='"Exercise 03-1", the first rule',
    )


def test_03_1_the_file_helps_out(lesson: SimpleNamespace, tmp_path: Path) -> None:
    loaded = _loaded(lesson, {}, _file(tmp_path, f"HF_TOKEN={TOKEN}"))

    assert loaded == TOKEN, wrong(
        "file-ignored",
        seen=f"with nothing in environ and HF_TOKEN in the file you {_told(loaded)}",
        due="a Secret with the value from the file",
        read='"Exercise 03-1", the first rule',
    )


def test_03_1_the_environment_wins(lesson: SimpleNamespace, tmp_path: Path) -> None:
    loaded = _loaded(lesson, {"HF_TOKEN": TOKEN}, _file(tmp_path, f"HF_TOKEN={OTHER}"))

    assert loaded == TOKEN, wrong(
        "file-wins",
        seen=f"with one value in environ and another in the file you {_told(loaded)}",
        due="the value from environ: a server and a test must be able to say something else than the file",
        read='"Where a token comes from"',
    )


@pytest.mark.parametrize("nothing", ["", " \t\n"], ids=["empty", "blank"])
def test_03_1_an_empty_variable_is_a_missing_one(lesson: SimpleNamespace, tmp_path: Path, nothing: str) -> None:
    loaded = _loaded(lesson, {"HF_TOKEN": nothing}, _file(tmp_path, f"HF_TOKEN={TOKEN}"))

    assert loaded == TOKEN, wrong(
        "empty-wins" if nothing == "" else "blank-wins",
        seen=f"with HF_TOKEN set to {nothing!r} and a value in the file you {_told(loaded)}",
        due="the value from the file: a value without a character counts as missing",
        read='"Four traps of python-dotenv", the first one',
    )


def test_03_1_white_space_around_a_value_does_not_count(lesson: SimpleNamespace, tmp_path: Path) -> None:
    for environ, line in (({"HF_TOKEN": f" {TOKEN}\n"}, ""), ({}, f"HF_TOKEN=' {TOKEN} '")):
        loaded = _loaded(lesson, environ, _file(tmp_path, line))

        assert loaded == TOKEN, wrong(
            "not-stripped",
            seen=f"for a value {'in the environment' if environ else 'in the file'} with a space before it and white "
            f"space after it you {_told(loaded)}",
            due="the value without white space around it: a line break cannot travel in a header",
            read='"Exercise 03-1", the second rule',
        )


def test_03_1_the_value_is_taken_as_it_stands(lesson: SimpleNamespace, tmp_path: Path) -> None:
    loaded = _loaded(lesson, {"USER_X": "me"}, _file(tmp_path, "HF_TOKEN=hf_a${USER_X}b${NONE:-c}d"))

    assert loaded == "hf_a${USER_X}b${NONE:-c}d", wrong(
        "interpolates",
        seen=f"for a value with ${{...}} in it you {_told(loaded)}",
        due="the value as it stands in the file: dotenv_values(..., interpolate=False)",
        read='"Four traps of python-dotenv", the second one',
    )


def test_03_1_a_placeholder_is_refused(lesson: SimpleNamespace, tmp_path: Path) -> None:
    for value in ("hf_" + 34 * "x", "hf_...", "<your token>", "hf_your_token"):
        for place in ("environment", "file"):
            path = _file(tmp_path, f"HF_TOKEN={value}" if place == "file" else "")
            environ = {} if place == "file" else {"HF_TOKEN": value}
            error = _error(partial(lesson.load_token, environ, path))

            assert isinstance(error, lesson.NoToken), wrong(
                "placeholder-taken",
                seen=f"with a placeholder in the {place} you {_ended(error)}",
                due="raise NoToken: is_placeholder knows it",
                read='"Exercise 03-1", the rule on the first value found',
            )
            assert (str(path) if place == "file" else "environment") in str(error), wrong(
                "placeholder-unnamed",
                seen=f"with a placeholder in the {place} the text of your error does not say where it was",
                due="the word environment, or the path of the file: somebody has to find the line",
                read='"Exercise 03-1", the rule on the first value found',
            )


def test_03_1_a_placeholder_is_not_passed_over(lesson: SimpleNamespace, tmp_path: Path) -> None:
    error = _error(lambda: lesson.load_token({"HF_TOKEN": "hf_xxxx"}, _file(tmp_path, f"HF_TOKEN={TOKEN}")))

    assert isinstance(error, lesson.NoToken), wrong(
        "placeholder-skipped",
        seen=f"with a placeholder in environ and a value in the file you {_ended(error)}",
        due="raise NoToken: somebody set the variable, and must hear that it holds a placeholder",
        read='"Exercise 03-1", the rule on the first value found',
    )


@pytest.mark.parametrize("line", ["HF_TOKEN", "HF_TOKEN=", "OTHER=1", None], ids=["bare", "empty", "other", "no file"])
def test_03_1_no_token_anywhere_stops_the_program(lesson: SimpleNamespace, tmp_path: Path, line: str | None) -> None:
    path = tmp_path / "app.env" if line is None else _file(tmp_path, line)

    error = _error(lambda: lesson.load_token({}, path))

    assert isinstance(error, lesson.NoToken), wrong(
        "no-stop",
        seen=f"with nothing in environ, and {'no file' if line is None else f'a file with the line {line!r}'}, "
        f"you {_ended(error)}",
        due="raise NoToken: fail fast",
        read='"Fail fast", and "Exercise 03-1"',
    )
    missing = [word for word in ("HF_TOKEN", "environment", str(path), ".env.example") if word not in str(error)]
    assert not missing, wrong(
        "says-too-little",
        seen=f"the text of your NoToken does not hold: {', '.join(Path(word).name for word in missing)}",
        due="what is missing (HF_TOKEN), where you looked (the environment, the path) and what to copy (.env.example)",
        read='"Exercise 03-1", the rule on no value at all',
    )


def test_03_1_a_file_that_is_no_text_is_no_token(lesson: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "latin.env"
    path.write_bytes(f"HF_TOKEN={TOKEN}\nNAME=M\xfcller\n".encode("latin-1"))

    error = _error(lambda: lesson.load_token({}, path))

    assert isinstance(error, lesson.NoToken), wrong(
        "unreadable-file",
        seen=f"with a file that is no UTF-8 you {_ended(error, hide=TOKEN)}",
        due="raise NoToken: the caller waits for this one error",
        read='"Exercise 03-1", the rule on no value at all',
    )
    assert not _tells(error, TOKEN), wrong(
        "chained-file",
        seen="the UnicodeDecodeError is chained to your error, and it holds the whole file, token included",
        due="raise ... from None, or raise after the except block",
        read='"Exercise 03-1", the rule on errors',
    )


def test_03_1_no_error_shows_a_value(lesson: SimpleNamespace, tmp_path: Path) -> None:
    for environ, line in (({"HF_TOKEN": f"<{LETTERS}>"}, ""), ({}, f"HF_TOKEN=hf_{LETTERS}...")):
        error = _error(partial(lesson.load_token, environ, _file(tmp_path, line)))

        assert not _tells(error, LETTERS), wrong(
            "shows-value",
            seen="the text of your error holds the value that it refuses",
            due="the place alone: what looks like a placeholder may be a token with three dots behind it",
            read='"Exercise 03-1", the rule on errors',
        )


def test_03_1_it_looks_nowhere_else(lesson: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", OTHER)
    _file(tmp_path, f"HF_TOKEN={TOKEN}", ".env")
    (tmp_path / "work").mkdir()

    loaded = _loaded(lesson, {}, tmp_path / "work" / ".env")

    assert loaded != OTHER, wrong(
        "reads-os-environ",
        seen="environ was empty, and you took HF_TOKEN from os.environ",
        due="look into the mapping environ, not into os.environ: the caller decides",
        read='"Exercise 03-1", the first rule',
    )
    assert loaded != TOKEN, wrong(
        "searches-upward",
        seen="the file did not exist, and you took one in a folder above it",
        due="the file dotenv_path and no other: that one may be a stranger's",
        read='"Four traps of python-dotenv", the fourth one',
    )


def test_03_1_nothing_is_changed(lesson: SimpleNamespace, tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    before = dict(os.environ)

    _loaded(lesson, environ, _file(tmp_path, f"HF_TOKEN={TOKEN}\nOTHER_X=1"))

    changed = dict(os.environ) != before
    assert not changed and environ == {}, wrong(  # noqa: PT018 - one rule, one message
        "changes-environment",
        seen=f"after your function {'os.environ' if changed else 'environ'} was another",
        due="read, and change nothing: dotenv_values does that, load_dotenv writes into os.environ",
        read='"Exercise 03-1", the last rule',
    )


# --- 03-2 Secret --------------------------------------------------------------------------------------------


def test_03_2_reveal_gives_the_value(lesson: SimpleNamespace) -> None:
    first, second = lesson.Secret(TOKEN), lesson.Secret(OTHER)

    assert (first.reveal(), second.reveal()) == (TOKEN, OTHER), wrong(
        "reveal-wrong",
        seen="reveal() of two secrets did not give the value of each",
        due="the value as it was given, kept in the object",
        read='"Exercise 03-2", the first rule',
    )


_PRINTED: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "an f-string": lambda secret: f"{secret}",
    "an f-string with a width": lambda secret: f"{secret:>40}",
    "%s": lambda secret: "%s" % secret,  # noqa: UP031 - old code is the point
    "format": lambda secret: "{:<30}|".format(secret),  # noqa: UP032
    "a list": lambda secret: str([secret, {"token": secret}]),
}


@pytest.mark.parametrize("way", _PRINTED)
def test_03_2_printing_shows_nothing(lesson: SimpleNamespace, way: str) -> None:
    secret = lesson.Secret("hf_" + LETTERS)

    try:
        text = _PRINTED[way](secret)
    except TypeError as error:
        text = f"a TypeError: {error}"

    assert not text.startswith("a TypeError"), wrong(
        "no-width",
        seen=f"{way} raised {text}",
        due="a text such as Secret(hidden), in that width: __format__ formats the text",
        read='"Exercise 03-2", the second rule',
    )
    assert not _holds_part(text, LETTERS), wrong(
        "printed",
        seen=f"{way} shows the value, or a part of it",
        due="a text without it, such as Secret(hidden)",
        read='"Exercise 03-2", the second rule',
    )


def test_03_2_a_log_line_shows_nothing(lesson: SimpleNamespace) -> None:
    written, logger = StringIO(), logging.Logger("check")
    logger.addHandler(logging.StreamHandler(written))

    logger.warning("loaded %s and %r", lesson.Secret("hf_" + LETTERS), [lesson.Secret("hf_" + LETTERS)])

    assert not _holds_part(written.getvalue(), LETTERS), wrong(
        "logged",
        seen="a log line with the secret as an argument shows the value",
        due="a text without it: %s asks str(), %r asks repr()",
        read='"Exercise 03-2", the second rule',
    )


def test_03_2_its_attributes_are_not_listed(lesson: SimpleNamespace) -> None:
    secret = lesson.Secret("hf_" + LETTERS)
    ways: dict[str, Callable[[], str]] = {
        "vars(secret)": lambda: repr(vars(secret)),
        "dataclasses.asdict(secret)": lambda: repr(asdict(secret)),
        "json.dumps(secret)": lambda: json.dumps(secret),
        "json.dumps(secret, default=vars)": lambda: json.dumps(secret, default=vars),
        "json.dumps(secret, default=str)": lambda: json.dumps(secret, default=str),
    }
    for way, run in ways.items():
        text = ""
        with suppress(TypeError):  # refused: just as good
            text = run()

        assert not _holds_part(text, LETTERS), wrong(
            "listed",
            seen=f"{way} shows the value",
            due="nothing of it, or a TypeError: __slots__ leaves no __dict__ to list",
            read='"Exercise 03-2", the rule on vars and json',
        )


def test_03_2_it_cannot_be_pickled(lesson: SimpleNamespace) -> None:
    secret = lesson.Secret("hf_" + LETTERS)

    # Both: what people call, and what it asks. A class of a notebook may be unpicklable for other reasons.
    errors = [_error(lambda: secret.__reduce_ex__(4)), _error(lambda: pickle.dumps(secret))]

    assert all(isinstance(error, TypeError | pickle.PicklingError) for error in errors), wrong(
        "pickled",
        seen="pickle.dumps(secret) did not refuse: the value, or a way to make it again, gets into a file",
        due="raise TypeError in __reduce_ex__",
        read='"Exercise 03-2", the rule on pickle',
    )
    assert not any(_holds_part(str(error), LETTERS) for error in errors), wrong(
        "refusal-shows",
        seen="the text of the error that refuses to pickle shows the value",
        due="a sentence without it",
        read='"Exercise 03-2", the first rule: nothing else shows the value',
    )


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [(TOKEN, TOKEN, True), (TOKEN, OTHER, False), (TOKEN, TOKEN[:-1], False), ("pässwörd✓", "pässwörd✓", True)],
    ids=["same", "different", "shorter", "any character"],
)
def test_03_2_equal_if_the_values_are(lesson: SimpleNamespace, one: str, other: str, equal: bool) -> None:
    try:
        said = lesson.Secret(one) == lesson.Secret("".join(other))
    except TypeError as error:
        said = error

    what = f"raised {said!r}" if isinstance(said, Exception) else f"was {said}"
    assert said is equal, wrong(
        "not-equal" if one.isascii() else "ascii-only",
        seen=f"comparing two secrets with {'the same value' if equal else 'different values'}"
        f"{'' if one.isascii() else ', which holds ä and ✓,'} {what}",
        due=f"{equal}; hmac.compare_digest takes texts only if they are ASCII, so give it bytes",
        read='"Exercise 03-2", the last rule',
    )


def test_03_2_a_plain_text_is_never_equal(lesson: SimpleNamespace) -> None:
    secret = lesson.Secret(TOKEN)

    said = [_result(lambda: secret == TOKEN), _result(lambda: secret == None), _result(lambda: secret != 3)]  # noqa: E711

    assert said == [False, False, True], wrong(
        "equals-text",
        seen=f"a secret compared with its plain value, with None and with 3 (by !=) gave {said}",
        due="[False, False, True]: only a Secret can be equal to a Secret",
        read='"Exercise 03-2", the last rule',
    )


def test_03_2_the_comparison_takes_the_same_time(lesson: SimpleNamespace) -> None:
    compared: list[str] = []

    def watched(base: Any) -> Any:
        def noticed(self: Any, other: object) -> bool:
            compared.append("==")
            return bool(base.__eq__(self, other))

        return type("Watched", (base,), {"__eq__": noticed, "__hash__": base.__hash__})

    watched_bytes, watched_str = watched(bytes), watched(str)
    watched_str.encode = lambda self, *how: watched_bytes(str.encode(self, *how))

    said = lesson.Secret(watched_str(TOKEN)) == lesson.Secret(watched_str(TOKEN))

    assert said and not compared, wrong(  # noqa: PT018 - an answer that is wrong has its own check
        "early-exit",
        seen="the values were compared with ==, which stops at the first letter that differs",
        due="hmac.compare_digest(one.encode(), other.encode()): how long it takes tells nothing",
        read='"Exercise 03-2", the last rule',
    )


# --- 03-3 ignore_gaps ---------------------------------------------------------------------------------------


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository without gaps."""
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "--quiet", "--template=")
    _write(root, ".gitignore", ".env\n.env.*\n!.env.example\n")
    _write(root, ".env.example", "HF_TOKEN=hf_" + 34 * "x" + "\nMODE=fast\nAPI_KEY=\n")
    return root


def test_03_3_no_gaps_is_an_empty_list(lesson: SimpleNamespace, repo: Path) -> None:
    _write(repo, ".env", f"HF_TOKEN={TOKEN}")

    gaps = _gaps(lesson, repo)

    assert gaps == [], wrong(
        "false-alarm",
        seen=f"for a repository in which .env is ignored and .env.example holds a placeholder you returned {gaps}",
        due="[]: an empty value, a placeholder and a setting such as MODE=fast are no secrets",
        read='"Exercise 03-3", the table and the rules',
    )


def test_03_3_a_file_that_git_would_take_is_a_gap(lesson: SimpleNamespace, repo: Path) -> None:
    _write(repo, ".gitignore", ".env\n")
    _write(repo, ".env.local", f"HF_TOKEN={TOKEN}")
    _write(repo, "service/.env.production", f"HF_TOKEN={TOKEN}")

    gaps = _gaps(lesson, repo)

    assert gaps == ["not ignored: .env.local", "not ignored: service/.env.production"], wrong(
        "misses-file",
        seen=f"with the one rule .env, and files .env.local and service/.env.production, you returned {gaps}",
        due="not ignored, for each of the two: the rule means that one name",
        read='"What git takes", and the rule on secret files in "Exercise 03-3"',
    )


def test_03_3_the_file_of_tomorrow_is_a_gap(lesson: SimpleNamespace, repo: Path) -> None:
    _write(repo, ".gitignore", "")

    gaps = _gaps(lesson, repo)

    assert gaps == ["not ignored: .env"], wrong(
        "only-existing",
        seen=f"without a rule for .env, which does not exist yet, you returned {gaps}",
        due="['not ignored: .env']: whoever makes it tomorrow will commit it",
        read='"Exercise 03-3": whether it exists or not',
    )


def test_03_3_git_is_asked_for_its_rules(lesson: SimpleNamespace, repo: Path) -> None:
    _write(repo, ".gitignore", "*\n!.env.example\n!/service/\n!service/.env\n")
    _write(repo, "deep/.gitignore", "")
    _write(repo, "deep/.env", "A=1")
    _write(repo, "service/.env", "A=1")

    gaps = _gaps(lesson, repo)

    assert gaps == ["not ignored: service/.env"], wrong(
        "reads-the-rules-itself",
        seen=f"with rules for all files and an exception (!service/.env) you returned {gaps}",
        due="['not ignored: service/.env']: git check-ignore knows what patterns and exceptions mean together",
        read='"What git takes": ask git check-ignore',
    )


def test_03_3_a_tracked_file_is_a_gap_of_its_own(lesson: SimpleNamespace, repo: Path) -> None:
    _write(repo, "service/.env", f"HF_TOKEN={TOKEN}")
    git(repo, "add", "--force", "service/.env")

    gaps = _gaps(lesson, repo)

    assert gaps == ["tracked: service/.env"], wrong(
        "misses-tracked",
        seen=f"with service/.env tracked, although a rule names it, you returned {gaps}",
        due="['tracked: service/.env'] and nothing else: for a tracked file no rule counts",
        read='"What git takes": a file that git already tracks',
    )


def test_03_3_names_that_only_look_alike_are_none(lesson: SimpleNamespace, repo: Path) -> None:
    _write(repo, ".gitignore", ".env\n")
    _write(repo, ".envrc", "use flake")
    _write(repo, "docs/.env.example", "HF_TOKEN=")
    _write(repo, ".env.d/notes.txt", "a folder")
    _write(repo, ".git/.env.bak", "inside git")

    gaps = _gaps(lesson, repo)

    assert gaps == [], wrong(
        "too-many-names",
        seen=f"with .envrc, docs/.env.example, a folder .env.d and a file inside .git you returned {gaps}",
        due="[]: a secret file is named .env or .env.something, is a file, no example, and not in .git",
        read='"Exercise 03-3", the rule on secret files',
    )


def test_03_3_a_missing_example_is_a_gap(lesson: SimpleNamespace, repo: Path) -> None:
    (repo / ".env.example").unlink()

    gaps = _gaps(lesson, repo)

    assert gaps == ["missing: .env.example"], wrong(
        "misses-example",
        seen=f"without .env.example you returned {gaps}",
        due="['missing: .env.example']: whoever clones has to guess the names",
        read='"Exercise 03-3", the third row of the table',
    )


def test_03_3_a_value_in_the_example_is_a_gap(lesson: SimpleNamespace, repo: Path) -> None:
    _write(repo, ".env.example", f"HF_TOKEN={TOKEN}\nMODE=fast\ndb_password=opensesame\n")

    gaps = _gaps(lesson, repo)

    due = ["value in .env.example: HF_TOKEN", "value in .env.example: db_password"]
    assert gaps == due, wrong(
        "misses-value",
        seen=f"with values for HF_TOKEN, MODE and db_password in .env.example you returned {_hidden(gaps)}",
        due=f"{due}: the names whose value should be secret, whatever their case",
        read='"Exercise 03-3", the last rule',
    )


def test_03_3_no_gap_shows_a_value(lesson: SimpleNamespace, repo: Path) -> None:
    _write(repo, ".env.example", f"HF_TOKEN=hf_{LETTERS}\n")

    gaps = lesson.ignore_gaps(repo)

    assert not _holds_part(repr(gaps), LETTERS), wrong(
        "gap-shows-value",
        seen="one of your texts holds the value",
        due="the name of the variable alone: the list will be printed",
        read='"Exercise 03-3", the table',
    )


# --- 03-4 find_tokens ---------------------------------------------------------------------------------------


def test_03_4_a_text_file_tells_its_line(lesson: SimpleNamespace, tmp_path: Path) -> None:
    _write(tmp_path, "src/app.py", f"import os\n\nTOKEN = '{TOKEN}'\nAGAIN = '{TOKEN}'; THIRD = '{TOKEN}'\n")

    found = _found(lesson, tmp_path)

    assert found == [("src/app.py", "line 3", "user token", ""), ("src/app.py", "line 4", "user token", "")], wrong(
        "wrong-line",
        seen=f"for src/app.py with a token in line 3 and two in line 4 you returned {found}",
        due="one Leak for line 3 and one for line 4, with the path relative to root",
        read='"Exercise 03-4", the first row of the table',
    )


_KINDS = {
    "user token": TOKEN,
    "organisation token": "api_org_" + BODY,
    "OAuth token": "hf_oauth_" + f"eyJ{BODY}.{BODY}-_",
    "CI token": "hf_jwt_" + f"eyJ{BODY}.{BODY}-_",
}


@pytest.mark.parametrize("kind", _KINDS)
def test_03_4_every_kind_is_found_wherever_it_stands(lesson: SimpleNamespace, tmp_path: Path, kind: str) -> None:
    for place in ("{}", "({})", "{},", "<b>{}</b>", "{}.", "https://me:{}@hub.test", "a=1&token={}&b", "'{}':"):
        _write(tmp_path, "a.txt", place.format(_KINDS[kind]) + "\n")

        found = _found(lesson, tmp_path)

        assert found == [("a.txt", "line 1", kind, "")], wrong(
            "misses-kind",
            seen=f"for a line with the {kind} in the form {place.format('...')} you returned {found}",
            due=f"one Leak of the kind {kind}: digits, dots and signs beside it are no reason to miss it",
            read='"Find what is already there": what gitleaks\' rule misses, and kinds_in',
        )


def _notebook(source: str = "pass", *outputs: dict[str, Any]) -> str:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n"]},
        {"cell_type": "code", "metadata": {}, "source": [source], "outputs": list(outputs), "execution_count": 1},
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


_HIDING_PLACES = {
    "source": _notebook(f"token = '{TOKEN}'"),
    "printed text": _notebook("p", {"output_type": "stream", "name": "stdout", "text": ["a\n", f"{TOKEN}\n"]}),
    "result": _notebook("p", {"output_type": "execute_result", "data": {"text/html": [f"<b>{TOKEN}</b>"]}}),
    "traceback": _notebook("p", {"output_type": "error", "evalue": "", "traceback": [f"\x1b[32m{TOKEN}\x1b[0m"]}),
    "error value": _notebook("p", {"output_type": "error", "evalue": f"Bearer {TOKEN}", "traceback": []}),
}


@pytest.mark.parametrize("place", _HIDING_PLACES)
def test_03_4_a_notebook_tells_its_cell(lesson: SimpleNamespace, tmp_path: Path, place: str) -> None:
    _write(tmp_path, "work.ipynb", _HIDING_PLACES[place])

    found = _found(lesson, tmp_path)

    assert found == [("work.ipynb", "cell 2", "user token", "")], wrong(
        "source-only" if place != "source" else "no-cell",
        seen=f"for a notebook with a token in the {place} of its second cell you returned {found}",
        due="one Leak with the place cell 2: cell_text gives all that a cell holds",
        read='"Exercise 03-4", the second row of the table',
    )


def test_03_4_a_broken_notebook_is_a_text_file(lesson: SimpleNamespace, tmp_path: Path) -> None:
    for content in ("<<<<<<< ours\n" + TOKEN, f'\n["{TOKEN}"]', f'{{"cells":\n"{TOKEN}"', f'{{"old":\n"{TOKEN}"}}'):
        _write(tmp_path, "work.ipynb", content)

        found = _result(lambda: _found(lesson, tmp_path))

        assert found == [("work.ipynb", "line 2", "user token", "")], wrong(
            "chokes-on-notebook",
            seen=f"for a file .ipynb that is no notebook, with a token in its second line, you {_gave(found)}",
            due="one Leak with the place line 2: it is read as a text file",
            read='"Exercise 03-4", the last rule',
        )


def test_03_4_binary_and_foreign_bytes_are_no_reason_to_stop(lesson: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"\x00\x01" * 50 + TOKEN.encode() + b"\n")
    (tmp_path / "latin.txt").write_bytes(b"M\xfcller\n" + TOKEN.encode())

    found = _result(lambda: _found(lesson, tmp_path))

    assert found == [("latin.txt", "line 2", "user token", "")], wrong(
        "chokes-on-bytes",
        seen=f"for a binary file and a text that is no UTF-8, with a token in line 2, you {_gave(found)}",
        due="one Leak, for the text: binary files are passed over, other bytes replaced (errors='replace')",
        read='"Exercise 03-4", the rules on binary files and on UTF-8',
    )


def test_03_4_of_a_huge_file_only_the_beginning_is_read(lesson: SimpleNamespace, tmp_path: Path) -> None:
    with (tmp_path / "huge.log").open("wb") as file:
        file.write(TOKEN.encode() + b"\n")
        for _ in range(30):
            file.write(b"x" * 1_000_000)

    tracemalloc.start()
    try:
        found = _found(lesson, tmp_path)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert found == [("huge.log", "line 1", "user token", "")], wrong(
        "skips-huge",
        seen=f"for a file of 30 MB with a token in its first line you returned {found}",
        due="one Leak: the first MAX_BYTES are read",
        read='"Exercise 03-4", the rule on big files',
    )
    assert peak_bytes < 40_000_000, wrong(
        "reads-huge",
        seen=f"a file of 30 MB took {peak_bytes / 1_000_000:.0f} MB of memory",
        due="read(MAX_BYTES): a log may be larger than your memory",
        read='"Exercise 03-4", the rule on big files',
    )


@pytest.fixture
def history(tmp_path: Path) -> tuple[Path, list[str]]:
    """A repository whose token was taken out again, on the main branch and on another; and the two commits."""
    root = tmp_path / "history"
    root.mkdir()
    commits = []
    git(root, "init", "--quiet", "--template=", "--initial-branch=main")
    for branch, name in (("main", "app.py"), ("try", "other dir/t\u00e4st.py")):
        git(root, "checkout", "--quiet", "-B", branch)
        _write(root, name, f"TOKEN = '{TOKEN}'\n")
        _commit(root)
        commits.append(git(root, "log", "-1", "--format=%h", "--abbrev=7").text.strip())
        _write(root, name, "TOKEN = None\n")
        _commit(root)
    git(root, "checkout", "--quiet", "main")
    return root, commits


def test_03_4_the_history_is_searched(lesson: SimpleNamespace, history: tuple[Path, list[str]]) -> None:
    root, commits = history

    found = _found(lesson, root)

    due = [
        ("app.py", "history", "user token", commits[0]),
        ("other dir/t\u00e4st.py", "history", "user token", commits[1]),
    ]
    assert found == due, wrong(
        "no-history",
        seen=f"for a repository whose tokens were taken out again, on two branches, you returned {found}",
        due=f"{due}: added_lines gives the lines of all branches",
        read='"Exercise 03-4", the third row of the table',
    )


def test_03_4_gits_own_files_are_left_out(lesson: SimpleNamespace, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--template=")
    _write(tmp_path, ".git/notes.txt", TOKEN)
    _write(tmp_path, ".github/run.yml", TOKEN)

    paths = {leak[0] for leak in _found(lesson, tmp_path)}

    assert ".git/notes.txt" not in paths, wrong(
        "searches-git-folder",
        seen="a file inside .git is in your list",
        due="files outside .git: what git stores there is read through added_lines",
        read='"Exercise 03-4", its first lines',
    )
    assert ".github/run.yml" in paths, wrong(
        "skips-github",
        seen="a file inside .github is not in your list",
        due="only the folder .git is left out: .github is a folder like any other",
        read='"Exercise 03-4", its first lines',
    )


def test_03_4_a_leak_holds_no_value(lesson: SimpleNamespace, tmp_path: Path) -> None:
    _write(tmp_path, "a.txt", TOKEN)

    leaks = lesson.find_tokens(tmp_path)

    assert BODY[:8] not in repr(leaks), wrong(
        "leak-shows-value",
        seen="a Leak in your list shows the token, or a part of it",
        due="path, place, kind and commit: the list will be printed",
        read='"Exercise 03-4", the first rule',
    )


def test_03_4_the_list_is_sorted_and_each_leak_is_there_once(lesson: SimpleNamespace, tmp_path: Path) -> None:
    for name in ("b.txt", "a/c.txt", "a.txt"):
        _write(tmp_path, name, f"{TOKEN} {OTHER}")

    leaks = lesson.find_tokens(tmp_path)

    paths = ", ".join(leak.path for leak in leaks)
    assert leaks == sorted(set(leaks)), wrong(
        "not-sorted",
        seen=f"for a.txt, a/c.txt and b.txt, two tokens in a line of each, the paths in your list were {paths}",
        due="sorted(...), and each Leak once: then two runs can be compared",
        read='"Exercise 03-4", its first lines',
    )


# --- 03-5 RedactingFilter -----------------------------------------------------------------------------------


def _logged(lesson: SimpleNamespace, write: Callable[[logging.Logger], None], formatter: Any = None) -> str:
    """What a handler with the filter writes, for a record of a child logger; "open-sesame" is configured."""
    written = StringIO()
    handler, parent, child = logging.StreamHandler(written), logging.Logger("app"), logging.Logger("app.hub")
    child.parent = parent
    parent.addHandler(handler)
    handler.setFormatter(formatter)
    handler.addFilter(lesson.RedactingFilter(lesson.Secret("open-sesame"), lesson.Secret("other-door")))
    write(child)
    return written.getvalue()


def test_03_5_an_ordinary_line_goes_through_as_it_is(lesson: SimpleNamespace) -> None:
    text = _logged(lesson, lambda log: log.warning("took %d %% of %s, see https://hub.test/a@b", 3, {"ms": 120}))

    assert text == "took 3 % of {'ms': 120}, see https://hub.test/a@b\n", wrong(
        "changes-ordinary",
        seen=f"an ordinary log line was written as {text!r}",
        due="the same line: only secrets are replaced, and every record is let through (return True)",
        read='"Exercise 03-5", the first two rules',
    )


# Where the secret is -> what writes the line, the secret, and the line that is due.
_LOG_LINES: dict[str, tuple[Callable[[logging.Logger], None], str, str]] = {
    "message": (lambda log: log.warning(f"sent {TOKEN}"), TOKEN, "sent ***"),
    "argument": (lambda log: log.warning("sent %s", TOKEN), TOKEN, "sent ***"),
    "argument by name": (lambda log: log.warning("sent %(t)s", {"t": TOKEN}), TOKEN, "sent ***"),
    "argument in parts": (lambda log: log.warning("sent hf_%s", BODY), TOKEN, "sent ***"),
    "object": (lambda log: log.warning({"t": TOKEN}), TOKEN, "{'t': '***'}"),
    "header": (lambda log: log.warning("Authorization: Bearer %s", "abc"), "abc", "Authorization: Bearer ***"),
    "address": (lambda log: log.warning("clone https://me:pw@hub.test/x"), "me:pw", "clone https://***@hub.test/x"),
    "configured value": (lambda log: log.warning("say %s", "open-sesame"), "open-sesame", "say ***"),
    "second configured value": (lambda log: log.warning("say other-door"), "other-door", "say ***"),
}


@pytest.mark.parametrize("where", _LOG_LINES)
def test_03_5_a_secret_in_a_line_is_replaced(lesson: SimpleNamespace, where: str) -> None:
    write, secret, due = _LOG_LINES[where]

    text = _logged(lesson, write).rstrip("\n")

    assert text == due, wrong(
        f"line-{where.replace(' ', '-')}",
        seen=f"a log line with a secret ({where}) {'still shows it' if secret in text else f'was written as {text!r}'}",
        due=repr(due),
        read='"Exercise 03-5", its rules',
    )


def _fail(log: logging.Logger) -> None:
    try:
        try:
            raise KeyError("open-sesame")
        except KeyError as error:
            raise ValueError(f"Invalid header {TOKEN}") from error
    except ValueError:
        log.exception("failed")


def test_03_5_a_traceback_is_redacted_and_still_there(lesson: SimpleNamespace) -> None:
    text = _logged(lesson, _fail)

    assert not _has_secret(text), wrong(
        "traceback-shows",
        seen="a traceback in the log shows a secret: in the error, or in the one that it is chained to",
        due="record.exc_text with the redacted traceback: a formatter writes that if it is set",
        read='"Exercise 03-5", the second rule; hint("03-5")',
    )
    assert "ValueError: Invalid header ***" in text and "KeyError" in text, wrong(  # noqa: PT018
        "traceback-lost",
        seen="the traceback is not in the log any more, or not whole",
        due="the traceback with its chained errors, *** in the place of the secrets",
        read='"Exercise 03-5", the second rule',
    )


def test_03_5_a_stack_is_redacted(lesson: SimpleNamespace) -> None:
    def write(log: logging.Logger) -> None:
        record = log.makeRecord(log.name, 30, "", 0, "here", (), None, sinfo=f"Stack:\n  call('{TOKEN}')")
        log.handle(record)

    text = _logged(lesson, write)

    assert not _has_secret(text) and "Stack:" in text, wrong(  # noqa: PT018 - one field, one message
        "stack-shows",
        seen="the stack (stack_info) " + ("shows a secret" if _has_secret(text) else "is not in the log any more"),
        due="record.stack_info redacted",
        read='"Exercise 03-5", the second rule',
    )


class _OwnFormatter(logging.Formatter):
    """Writes what it finds in the record, as formatters for JSON do."""

    def format(self, record: logging.LogRecord) -> str:
        error = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        return f"{record.getMessage()} {record.args} {error}{record.exc_text or ''}"


def test_03_5_a_formatter_of_its_own_finds_no_secret(lesson: SimpleNamespace) -> None:
    def write(log: logging.Logger) -> None:
        log.warning("sent %s", TOKEN)
        _fail(log)

    text = _logged(lesson, write, _OwnFormatter())

    assert not _has_secret(text), wrong(
        "record-keeps",
        seen="a formatter that looks at record.args, or formats record.exc_info itself, finds a secret",
        due="no secret left in the record: args = (), exc_info = None, the finished texts in msg and exc_text",
        read='"Exercise 03-5", the last rule',
    )


def test_03_5_redact_is_a_function_of_its_own(lesson: SimpleNamespace) -> None:
    said = _result(lambda: lesson.RedactingFilter(lesson.Secret("open-sesame")).redact(f"a open-sesame b {TOKEN} c"))

    assert said == "a *** b *** c", wrong(
        "redact-wrong",
        seen=f"redact(...) of a text with a configured value and a token gave {_hidden(said)}",
        due="'a *** b *** c'",
        read='"Exercise 03-5", the first rule',
    )


# --- 03-6 rotate --------------------------------------------------------------------------------------------


class _Hub:
    """A page with the token A on it. fail: the step that fails. used: seconds into the wait at which A is used."""

    def __init__(self, lesson: SimpleNamespace, fail: str, used: float | None, last: float | None) -> None:
        self._lesson, self._fail, self._used, self.last = lesson, fail, used, last
        self.alive = {"A": TOKEN}
        self.steps: list[str] = []
        self.time = 1000.0

    def create(self) -> Any:
        self._step("create")
        self.alive["B"] = OTHER
        return self._lesson.Entry("B", self._lesson.Secret(OTHER))

    def whoami(self, value: Any) -> str:
        text = value.reveal() if hasattr(value, "reveal") else value
        name = next((name for name, known in self.alive.items() if known == text), "")
        self._step(f"whoami {name}")
        if not name:
            raise _Planned("refused")
        return "learner"

    def last_used(self, name: str) -> float | None:
        self.steps.append(f"last_used {name}")
        return self.last if name == "A" else None

    def delete(self, name: str) -> None:
        self._step(f"delete {name}")
        del self.alive[name]

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.steps.append(f"wait {seconds:g}")
        if self._used is not None:
            self.last = self.time + self._used
        self.time += seconds

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name == self._fail:
            raise _Planned(name)


class _Store:
    """failing: the writes that fail, counted from 1, and whether the store took the entry all the same."""

    def __init__(self, hub: _Hub, entry: Any, failing: dict[int, bool]) -> None:
        self._hub, self._entry, self._failing, self._writes = hub, entry, failing, 0

    def read(self) -> Any:
        return self._entry

    def write(self, entry: Any) -> None:
        self._writes += 1
        self._hub.steps.append(f"write {entry.name}")
        if self._failing.get(self._writes, True):
            self._entry = entry
        if self._writes in self._failing:
            raise _Planned("write")


class _Planned(Exception):
    """A failure that the check has planned."""


def _rotated(
    lesson: SimpleNamespace,
    fail: str = "",
    used: float | None = None,
    last: float | None = 999.0,
    writes: dict[int, bool] | None = None,
) -> SimpleNamespace:
    """What became of one rotation: hub, store, the value returned or the error raised, and whether the store works."""
    hub = _Hub(lesson, fail, used, last)
    shelf = _Store(hub, lesson.Entry("A", lesson.Secret(TOKEN)), writes or {})
    ended = _result(lambda: lesson.rotate(hub, shelf))
    return SimpleNamespace(hub=hub, store=shelf, ended=ended, works=shelf.read().name in hub.alive)


def test_03_6_the_new_token_is_in_the_store_and_the_old_one_is_gone(lesson: SimpleNamespace) -> None:
    done = _rotated(lesson)

    assert done.store.read().name == "B" and done.ended == "B", wrong(  # noqa: PT018 - one outcome
        "not-deployed",
        seen=f"after rotate the store held {done.store.read().name}, and it {_gave(done.ended)}",
        due="B in the store, and its name returned",
        read='"Exercise 03-6", steps 1 and 2, and its first line',
    )
    assert list(done.hub.alive) == ["B"], wrong(
        "old-left",
        seen=f"after rotate these tokens worked: {', '.join(done.hub.alive)}",
        due="B alone: A was not used any more",
        read='"Exercise 03-6", step 5',
    )


def test_03_6_the_new_token_is_verified_before_the_old_one_goes(lesson: SimpleNamespace) -> None:
    done = _rotated(lesson)

    order = [step for step in done.hub.steps if step in ("write B", "whoami B", "delete A")]
    assert order == ["write B", "whoami B", "delete A"], wrong(
        "no-verify",
        seen=f"the steps were: {', '.join(done.hub.steps)}",
        due="write B, then whoami with the value of B, then delete A",
        read='"Exercise 03-6", steps 2, 3 and 5',
    )


def test_03_6_it_waits_and_then_looks(lesson: SimpleNamespace) -> None:
    done = _rotated(lesson)

    steps = [step for step in done.hub.steps if step.startswith(("wait", "last_used A", "delete A"))]
    assert steps == [f"wait {lesson.QUIET_SECONDS:g}", "last_used A", "delete A"], wrong(
        "no-watch",
        seen=f"the steps were: {', '.join(done.hub.steps)}",
        due="wait(QUIET_SECONDS), then last_used of A, then delete A: whoever still holds A shows up in that time",
        read='"Exercise 03-6", step 4',
    )


def test_03_6_a_token_in_use_is_not_deleted(lesson: SimpleNamespace) -> None:
    for used in (0.0, 60.0):
        done = _rotated(lesson, used=used)

        assert sorted(done.hub.alive) == ["A", "B"], wrong(
            "deletes-in-use",
            seen=f"A was used {used:g} s after the noted time, and afterwards these tokens worked: "
            f"{', '.join(done.hub.alive)}",
            due="both: somebody still holds A, and B is in the store",
            read='"Exercise 03-6", step 4',
        )
        assert isinstance(done.ended, lesson.StillInUse) and "A" in str(done.ended), wrong(  # noqa: PT018
            "silent-in-use",
            seen=f"A was still in use, and rotate {_gave(done.ended)}",
            due="raise StillInUse with the name of the token: a person has to look",
            read='"Exercise 03-6", step 4',
        )


def test_03_6_a_token_that_was_never_used_is_deleted(lesson: SimpleNamespace) -> None:
    done = _rotated(lesson, last=None)

    assert list(done.hub.alive) == ["B"], wrong(
        "never-used",
        seen=f"last_used of A was None (never), and rotate {_gave(done.ended)}",
        due="delete A: None means that nobody used it",
        read="the class Page: last_used",
    )


@pytest.mark.parametrize("step", ["create", "write", "whoami B", "delete A"])
def test_03_6_after_a_failure_the_store_holds_a_token_that_works(lesson: SimpleNamespace, step: str) -> None:
    done = _rotated(lesson, fail=step, writes={1: True} if step == "write" else {})

    assert done.works, wrong(
        "dead-store",
        seen=f"the step {step} failed, and then the store held a token that does not work",
        due="a token that works, whenever it stops: put A back first, then delete B",
        read='"Exercise 03-6", the rules on failures',
    )
    assert isinstance(done.ended, _Planned), wrong(
        "failure-swallowed",
        seen=f"the step {step} failed, and rotate {_gave(done.ended)}",
        due="its error, handed on: raise, without anything behind it",
        read='"Exercise 03-6": its error goes on to the caller',
    )
    if step in ("write", "whoami B"):
        assert done.store.read().name == "A", wrong(
            "not-put-back",
            seen=f"the step {step} failed, and the store held B",
            due="A, put back: nobody has verified B",
            read='"Exercise 03-6", the rule on steps 2 and 3',
        )
        assert list(done.hub.alive) == ["A"], wrong(
            "orphan",
            seen=f"the step {step} failed, and afterwards these tokens worked: {', '.join(done.hub.alive)}",
            due="A alone: a token that nobody uses is one that nobody misses when it leaks",
            read='"Exercise 03-6", the rule on steps 2 and 3',
        )


def test_03_6_if_putting_back_fails_nothing_is_deleted(lesson: SimpleNamespace) -> None:
    done = _rotated(lesson, writes={1: True, 2: False})

    assert sorted(done.hub.alive) == ["A", "B"], wrong(
        "deletes-what-the-store-holds",
        seen="writing B failed, putting A back failed too, and afterwards these tokens worked: "
        f"{', '.join(done.hub.alive) or 'none'}",
        due="both: the store may hold the one or the other",
        read='"Exercise 03-6", the last rule',
    )


# --- 03-7 revoke_leaked -------------------------------------------------------------------------------------

HUB = "http://hub.test"
REVOKE = f"{HUB}/api/credentials/revoke"


def test_03_7_the_report_arrives(lesson: SimpleNamespace, http: Any) -> None:
    http.post(REVOKE, status=202)

    ended = _result(lambda: lesson.revoke_leaked(HUB, lesson.Secret(TOKEN)))

    sent = [_json(call.request.body) for call in http.calls]
    assert sent == [{"credentials": [TOKEN]}], wrong(
        "wrong-report",
        seen=f"{len(sent)} request(s) to {REVOKE}, with the body {_hidden(sent)}; {_hidden(_gave(ended))}",
        due='one POST with the JSON {"credentials": [the value]}',
        read='"Exercise 03-7", its first lines',
    )
    assert ended is None, wrong(
        "202-refused",
        seen=f"after 202 you {_hidden(_gave(ended))}",
        due="nothing: 202 says that the report was taken",
        read='"Exercise 03-7", its first lines',
    )


def test_03_7_the_value_is_in_the_body_alone(lesson: SimpleNamespace, http: Any) -> None:
    http.post(REVOKE, status=202)

    lesson.revoke_leaked(HUB, lesson.Secret(TOKEN))

    request = http.calls[0].request
    assert TOKEN not in f"{request.url} {request.headers}", wrong(
        "value-elsewhere",
        seen=f"the value is in {'the address' if TOKEN in request.url else 'a header'} of the request",
        due="in the body alone: no account is needed, and addresses are logged everywhere",
        read='"Exercise 03-7", the first rule',
    )


def test_03_7_it_does_not_wait_for_ever(lesson: SimpleNamespace, http: Any) -> None:
    http.post(REVOKE, status=202)

    lesson.revoke_leaked(HUB, lesson.Secret(TOKEN))

    assert http.calls[0].request.req_kwargs.get("timeout"), wrong(
        "no-timeout-at-all",
        seen="the request was sent without a time-out",
        due="timeout=10, say: without it, requests waits for ever, and the token lives on",
        read='"Exercise 03-7", the first rule',
    )


def test_03_7_no_redirect_is_followed(lesson: SimpleNamespace, http: Any) -> None:
    http.post(REVOKE, status=307, headers={"Location": f"{HUB}/elsewhere"})
    http.post(f"{HUB}/elsewhere", status=202)

    error = _error(lambda: lesson.revoke_leaked(HUB, lesson.Secret(TOKEN)))

    assert len(http.calls) == 1 and isinstance(error, lesson.NotRevoked), wrong(  # noqa: PT018 - one rule
        "follows-a-redirect",
        seen=f"the Hub answered 307, {len(http.calls)} request(s) were sent, and you {_ended(error, hide=TOKEN)}",
        due="one request, allow_redirects=False, and NotRevoked: 307 would carry the body, token included, elsewhere",
        read='"Exercise 03-7", its rules',
    )


@pytest.mark.parametrize("status", [200, 400, 429, 503])
def test_03_7_another_answer_is_an_error(lesson: SimpleNamespace, http: Any, status: int) -> None:
    http.post(REVOKE, status=status, json={"error": "no"})

    error = _error(lambda: lesson.revoke_leaked(HUB, lesson.Secret(TOKEN)))

    assert isinstance(error, lesson.NotRevoked), wrong(
        "answer-ignored",
        seen=f"on {status} you {_ended(error, hide=TOKEN)}",
        due="raise NotRevoked: only 202 says that the report was taken",
        read='"Exercise 03-7", the second rule',
    )


def test_03_7_no_answer_is_an_error_without_the_value(lesson: SimpleNamespace, http: Any) -> None:
    def broken(request: requests.PreparedRequest) -> Any:
        raise requests.ConnectionError(f"could not send {request.body!r}", request=request)

    http.add_callback("POST", REVOKE, broken)

    error = _error(lambda: lesson.revoke_leaked(HUB, lesson.Secret(TOKEN)))

    assert isinstance(error, lesson.NotRevoked), wrong(
        "network-escapes",
        seen=f"on a network failure you {_ended(error, hide=TOKEN)}",
        due="raise NotRevoked: the caller waits for this one error",
        read='"Exercise 03-7", the second rule',
    )
    assert not _tells(error, TOKEN), wrong(
        "error-holds-value",
        seen="your NotRevoked, or an error chained to it, holds the value",
        due="a sentence of your own, raised after the try or from None: the error of requests holds the request",
        read='"Exercise 03-7", the second rule',
    )


# --- how things are done and told ---------------------------------------------------------------------------


def _file(folder: Path, line: str, name: str = "app.env") -> Path:
    path = folder / name
    path.write_text(line + "\n", encoding="utf-8")
    return path


def _write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8", newline="\n")


def _commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "-c", "user.name=Learner", "-c", "user.email=learner@course.test", "commit", "--quiet", "-m", "Change")


def _loaded(lesson: SimpleNamespace, environ: dict[str, str], path: Path) -> Any:
    """The value that load_token found, or the error that it raised."""
    return _result(lambda: lesson.load_token(environ, path).reveal())


def _gaps(lesson: SimpleNamespace, repo: Path) -> Any:
    return _result(lambda: lesson.ignore_gaps(repo))


def _found(lesson: SimpleNamespace, root: Path) -> list[tuple[str, str, str, str]]:
    leaks = lesson.find_tokens(root)
    return [(leak.path, leak.place, leak.kind, leak.commit) for leak in sorted(set(leaks))]


def _json(body: Any) -> Any:
    try:
        return json.loads(body)
    except (TypeError, ValueError):
        return "no JSON"


def _result(call: Callable[[], Any]) -> Any:
    """What `call` returns, or the error it raises."""
    try:
        return call()
    except NotImplementedError:
        raise
    except Exception as error:
        return error


def _error(call: Callable[[], Any]) -> Exception:
    """The error that `call` raises; what it returns stands in an error of its own."""
    returned = _result(call)
    return returned if isinstance(returned, Exception) else _NothingRaised(returned)


class _NothingRaised(Exception):
    """Stands for the error that did not come."""


def _told(value: object) -> str:
    """What load_token did, in words without a value."""
    known = {TOKEN: "the one value", OTHER: "the other value", "": "an empty value"}
    if isinstance(value, Exception):
        return f"raised {type(value).__name__}: {_hidden(value)}"
    return f"returned {known.get(str(value), 'a value that is neither the one nor the other')}"


def _gave(value: object) -> str:
    return f"raised {type(value).__name__}: {value}" if isinstance(value, Exception) else f"returned {value!r}"


def _ended(error: Exception, hide: str = "") -> str:
    if isinstance(error, _NothingRaised):
        return "returned None" if error.args[0] is None else f"returned a {type(error.args[0]).__name__}"
    return f"raised {type(error).__name__}: {_hidden(str(error), hide)}"


def _hidden(value: object, *more: str) -> str:
    text = str(value)
    for secret in (TOKEN, OTHER, BODY, "open-sesame", *filter(None, more)):
        text = text.replace(secret, "<a secret>")
    return text


def _has_secret(text: str) -> bool:
    return any(secret in text for secret in (BODY, "open-sesame", "other-door"))


def _holds_part(text: str, secret: str) -> bool:
    return any(secret[start : start + 4] in text for start in range(len(secret) - 3))


def _tells(error: BaseException | None, secret: str) -> bool:
    """Whether an error collector would find the secret: in a text, an attribute, a request, or a chained error."""
    if error is None:
        return False
    held = [*error.args, *vars(error).values(), getattr(error, "object", None), getattr(error, "request", None)]
    texts = [str(error), repr(held), *(str(getattr(item, "body", "")) for item in held)]
    chained = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return any(_holds_part(text, secret) for text in texts) or _tells(chained, secret)
