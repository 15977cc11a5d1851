"""Checks of the exercises in 03_env_and_secrets. `lesson` holds the learner's names, `http` the mocked network.

Run against solutions/ and notebooks/ by `make test`, against a learner's code by `check("03-2")` and `make check`.
Every name given to `wrong(...)` is proven in tests/mistakes/03_env_and_secrets.py.

PYTEST_DONT_REWRITE: the messages say all, and stay as they were written.
"""

import base64
import json
import logging
import os
import pickle
import sys
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict
from functools import partial
from io import StringIO
from operator import eq, methodcaller
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO
from unittest import mock

import pytest
import requests

from course.checks import wrong
from course.git import GitFailed, git

BODY = "aB3" * 11 + "c"  # 34 characters, put together at run time so that no file holds the shape of a token
TOKEN = "hf_" + BODY
OTHER = "hf_" + "Zy9" * 11 + "w"
LETTERS = "QxZjVkWqYzXj"  # no sentence and no memory address holds two of them in a row
DOORS = ("open-sesame", "other (door)+")  # secrets of no known shape
SECRETS = (BODY, OTHER[3:], LETTERS, *DOORS)


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """Whatever a learner's code puts into os.environ is taken back."""
    with mock.patch.dict(os.environ):
        yield


# --- 03-1 load_token ----------------------------------------------------------------------------------------


def load(lesson: SimpleNamespace, environ: dict[str, str], path: Path) -> Any:
    """The Secret that load_token returns, or the error that it raises; neither may leave anything behind."""
    before = dict(environ), dict(os.environ)
    ended = _result(lambda: lesson.load_token(environ, path))
    changed = "environ" if before[0] != environ else "os.environ" if before[1] != dict(os.environ) else ""
    assert not changed, wrong(
        "changes-environment",
        seen=f"after your function {changed} was another one",
        due="read, and change nothing: dotenv_values does that, load_dotenv writes into os.environ",
        read='"Exercise 03-1", the last rule',
    )
    holder = _who_tells(ended) if isinstance(ended, lesson.NoToken) else ""
    assert not holder, wrong(
        "error-holds-value",
        seen=f"{holder} holds a value, or a part of one",
        due="places and names alone, raised after the except block or from None: a chained error may hold the file",
        read='"Exercise 03-1", the rule on errors',
    )
    return ended


def test_03_1_the_environment_comes_first(lesson: SimpleNamespace, tmp_path: Path) -> None:
    loaded = load(lesson, {"HF_TOKEN": TOKEN}, tmp_path / "none.env")
    assert isinstance(loaded, lesson.Secret | Exception), wrong(
        "no-secret",
        seen=f"you returned a {type(loaded).__name__}",
        due="a Secret, so that nobody prints the token by accident",
        read='"Exercise 03-1", its first lines',
    )
    assert _revealed(loaded) == TOKEN, wrong(
        "environment-ignored",
        seen=f"with HF_TOKEN in environ and no file you {_told(loaded)}",
        due="a Secret with the value from environ",
        read='"Exercise 03-1", the first rule',
    )
    loaded = load(lesson, {}, _file(tmp_path, f"HF_TOKEN={TOKEN}"))
    assert _revealed(loaded) == TOKEN, wrong(
        "file-ignored",
        seen=f"with nothing in environ and HF_TOKEN in the file you {_told(loaded)}",
        due="a Secret with the value from the file",
        read='"Exercise 03-1", the first rule',
    )
    loaded = load(lesson, {"HF_TOKEN": TOKEN}, _file(tmp_path, f"HF_TOKEN={OTHER}"))
    assert _revealed(loaded) == TOKEN, wrong(
        "file-wins",
        seen=f"with one value in environ and another in the file you {_told(loaded)}",
        due="the value from environ: a server and a test must be able to say something else than the file",
        read='"Where a token comes from"',
    )


def test_03_1_white_space_does_not_count(lesson: SimpleNamespace, tmp_path: Path) -> None:
    for nothing in ("", " ", " \t\n"):
        loaded = load(lesson, {"HF_TOKEN": nothing}, _file(tmp_path, f"HF_TOKEN={TOKEN}"))
        assert _revealed(loaded) == TOKEN, wrong(
            "blank-wins",
            seen=f"with HF_TOKEN set to {nothing!r} and a value in the file you {_told(loaded)}",
            due="the value from the file: a value of white space only is missing",
            read='"Four traps of python-dotenv", the first one',
        )
    for environ, line in (({"HF_TOKEN": f" {TOKEN}\n"}, ""), ({}, f"HF_TOKEN='\t{TOKEN} '")):
        loaded = load(lesson, environ, _file(tmp_path, line))
        assert _revealed(loaded) == TOKEN, wrong(
            "not-stripped",
            seen=f"for a value {'in the environment' if environ else 'in the file'} with white space before and "
            f"after it you {_told(loaded)}",
            due="the value without white space around it: a line break cannot travel in a header",
            read='"Exercise 03-1", the second rule',
        )


def test_03_1_the_value_is_taken_as_it_stands(lesson: SimpleNamespace, tmp_path: Path) -> None:
    with mock.patch.dict(os.environ, {"USER_X": "me"}):
        loaded = load(lesson, {"USER_X": "me"}, _file(tmp_path, "HF_TOKEN=hf_a${USER_X}b${NONE:-c}d"))
    assert _revealed(loaded) == "hf_a${USER_X}b${NONE:-c}d", wrong(
        "interpolates",
        seen=f"for a value with ${{...}} in it you {_told(loaded)}",
        due="the value as it stands in the file: dotenv_values(..., interpolate=False)",
        read='"Four traps of python-dotenv", the second one',
    )
    for form in (
        'export HF_TOKEN="{}"  # mine',
        "A='\nHF_TOKEN=b\n'\nHF_TOKEN = {}",
        "HF_TOKEN=old\nHF_TOKEN={} # new",
    ):
        loaded = load(lesson, {}, _file(tmp_path, form.format(TOKEN)))
        assert _revealed(loaded) == TOKEN, wrong(
            "reads-by-hand",
            seen=f"for a file with {form.format('...')!r} you {_told(loaded)}",
            due="what dotenv_values finds there: it knows export, quotes, comments and names that occur twice",
            read='"Exercise 03-1", the third rule',
        )
    for value in ("abc", "hf_xxxy", "change-me", "a b", "x.y..z"):
        loaded = load(lesson, {"HF_TOKEN": value}, tmp_path / "none.env")
        assert _revealed(loaded) == value, wrong(
            "refuses-value",
            seen=f"for HF_TOKEN={value}, which is_placeholder does not know, you {_told(loaded)}",
            due="a Secret with that value, unchanged: whether a token is well formed is another question",
            read='"Exercise 03-1", the rule on the first value found',
        )


def test_03_1_a_placeholder_is_refused(lesson: SimpleNamespace, tmp_path: Path) -> None:
    for value in ("hf_" + 34 * "x", "hf_...", "<your token>", "hf_your_token", "hf_", "yyyy", f"hf_{LETTERS}..."):
        for place in ("environment", "file"):
            path = _file(tmp_path, f"HF_TOKEN={value if place == 'file' else TOKEN}")
            ended = load(lesson, {} if place == "file" else {"HF_TOKEN": value}, path)

            assert isinstance(ended, lesson.NoToken), wrong(
                "placeholder-skipped" if _revealed(ended) == TOKEN else "placeholder-taken",
                seen=f"with a placeholder ({_hidden(value)}) in the {place} you {_told(ended)}",
                due="raise NoToken: is_placeholder knows it, and somebody who set it must hear of it",
                read='"Exercise 03-1", the rule on the first value found',
            )
            named = [word for word, text in (("environment", "environment"), ("file", str(path))) if text in str(ended)]
            assert named == [place], wrong(
                "placeholder-unnamed",
                seen=f"with a placeholder in the {place} your error names {' and '.join(named) or 'no place'}",
                due="the word environment, or the path of the file, and not both: somebody has to find the line",
                read='"Exercise 03-1", the rule on the first value found',
            )


def _must_stop(lesson: SimpleNamespace, environ: dict[str, str], path: Path, what: str, name: str) -> None:
    ended = load(lesson, environ, path)
    assert isinstance(ended, lesson.NoToken), wrong(
        name,
        seen=f"{what} you {_told(ended)}",
        due="raise NoToken: fail fast, with the one error that the caller waits for",
        read='"Fail fast", and "Exercise 03-1", the rule on no value at all',
    )
    missing = [word for word in ("HF_TOKEN", "environment", str(path), ".env.example") if word not in str(ended)]
    assert not missing, wrong(
        "says-too-little",
        seen=f"{what} the text of your NoToken does not hold: {', '.join(Path(word).name for word in missing)}",
        due="what is missing (HF_TOKEN), where you looked (the environment, the path) and what to copy (.env.example)",
        read='"Exercise 03-1", the rule on no value at all',
    )


def test_03_1_no_token_anywhere_stops_the_program(lesson: SimpleNamespace, tmp_path: Path) -> None:
    _must_stop(lesson, {}, tmp_path / "none.env", "with nothing in environ and no file", "no-stop")
    for line in ("HF_TOKEN", "HF_TOKEN=", "OTHER=1", ""):
        what = f"with blanks in environ and a file with the line {line!r}"
        _must_stop(lesson, {"HF_TOKEN": " "}, _file(tmp_path, line), what, "no-stop")


def test_03_1_a_file_that_cannot_be_read_is_no_token(lesson: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "latin.env"
    path.write_bytes(f"HF_TOKEN={TOKEN}\nNAME=M\xfcller\n".encode("latin-1"))

    _must_stop(lesson, {}, path, "with a file that is no UTF-8", "unreadable-file")
    loaded = load(lesson, {"HF_TOKEN": OTHER}, path)
    assert _revealed(loaded) == OTHER, wrong(
        "file-first",
        seen=f"with a value in environ and a file that cannot be read you {_told(loaded)}",
        due="the value from environ: nobody has to look into the file then",
        read='"Exercise 03-1", the first rule',
    )
    with _forbidden(path):
        _must_stop(lesson, {}, path, "with a file that you may not open (PermissionError)", "unreadable-file")


def test_03_1_it_looks_nowhere_else(lesson: SimpleNamespace, tmp_path: Path) -> None:
    _file(tmp_path, f"HF_TOKEN={TOKEN}", ".env")
    (tmp_path / "work").mkdir()

    with mock.patch.dict(os.environ, {"HF_TOKEN": OTHER}):
        loaded = load(lesson, {}, tmp_path / "work" / ".env")
    assert _revealed(loaded) != OTHER, wrong(
        "reads-os-environ",
        seen="environ was empty, and you took HF_TOKEN from os.environ",
        due="look into the mapping environ, not into os.environ: the caller decides",
        read='"Exercise 03-1", the first rule',
    )
    assert _revealed(loaded) != TOKEN, wrong(
        "searches-upward",
        seen="the file did not exist, and you took one in a folder above it",
        due="the file dotenv_path and no other: that one may be a stranger's",
        read='"Four traps of python-dotenv", the fourth one',
    )
    for name in ("HUGGING_FACE_HUB_TOKEN", "hf_token", "TOKEN"):
        loaded = load(lesson, {name: TOKEN}, _file(tmp_path, f"{name}={TOKEN}"))
        assert isinstance(loaded, lesson.NoToken), wrong(
            "other-variable",
            seen=f"with {name} alone you {_told(loaded)}",
            due="raise NoToken: HF_TOKEN is the one name",
            read='"Exercise 03-1", its first lines',
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


def _log_line(secret: Any) -> str:
    written, logger = StringIO(), logging.Logger("check")
    logger.addHandler(logging.StreamHandler(written))
    logger.warning("loaded %s and %r", secret, [secret])
    return written.getvalue()


def test_03_2_printing_shows_nothing(lesson: SimpleNamespace) -> None:
    secret = lesson.Secret("hf_" + LETTERS)
    ways: dict[str, Callable[[], str]] = {
        "repr": lambda: repr(secret),
        "str": lambda: str(secret),
        "an f-string": lambda: f"{secret}",
        "an f-string with a width": lambda: f"{secret:>40}",
        "%s": lambda: "%s" % secret,  # noqa: UP031 - old code is the point
        "format": lambda: "{:<30}|".format(secret),  # noqa: UP032
        "a list": lambda: str([secret, {"token": secret}]),
        "a log line": lambda: _log_line(secret),
    }
    for way, run in ways.items():
        text = _result(run)
        assert isinstance(text, str), wrong(
            "no-width",
            seen=f"{way} of a secret {_hidden(_gave(text))}",
            due="a text such as Secret(hidden); a width is for __format__, which formats that text",
            read='"Exercise 03-2", the second rule',
        )
        assert not _holds_part(text), wrong(
            "printed",
            seen=f"{way} shows the value, or a part of it",
            due="a text without it, such as Secret(hidden)",
            read='"Exercise 03-2", the second rule',
        )


def test_03_2_nothing_else_gives_the_value(lesson: SimpleNamespace) -> None:
    secret = lesson.Secret("hf_" + LETTERS)
    public = [name for name in dir(secret) if not name.startswith("_") and name != "reveal"]
    ways: dict[str, Callable[[], str]] = {
        "vars(secret)": lambda: repr(vars(secret)),
        "dataclasses.asdict(secret)": lambda: repr(asdict(secret)),
        "json.dumps(secret)": lambda: json.dumps(secret),
        "json.dumps(secret, default=vars)": lambda: json.dumps(secret, default=vars),
        "json.dumps(secret, default=str)": lambda: json.dumps(secret, default=str),
        "a loop over secret": lambda: "".join(secret),
        "bytes(secret)": lambda: repr(bytes(secret)),
        f"an attribute ({', '.join(public)})": lambda: repr([getattr(secret, name) for name in public]),
    }
    for way, run in ways.items():
        text = ""
        with suppress(TypeError):  # refused: just as good
            text = run()

        assert not _holds_part(text), wrong(
            "listed",
            seen=f"{way} shows the value",
            due="nothing of it, or a TypeError: reveal() is the one door, and __slots__ leaves no __dict__ to list",
            read='"Exercise 03-2", the first and the third rule',
        )


def test_03_2_it_cannot_be_pickled(lesson: SimpleNamespace) -> None:
    secret = lesson.Secret("hf_" + LETTERS)

    # Both: what people call, and what it asks. A class of a notebook may be unpicklable for other reasons.
    calls: list[Callable[[], Any]] = [partial(secret.__reduce_ex__, n) for n in range(pickle.HIGHEST_PROTOCOL + 1)]
    errors = [_result(call) for call in (lambda: pickle.dumps(secret), *calls)]

    assert all(isinstance(error, TypeError) for error in errors), wrong(
        "pickled",
        seen="pickle.dumps(secret), in one of its protocols, did not end with TypeError",
        due="raise TypeError in __reduce_ex__, always: else the value, or a way to make it again, gets into a file",
        read='"Exercise 03-2", the rule on pickle',
    )
    assert not any(_holds_part(str(error)) for error in errors), wrong(
        "refusal-shows",
        seen="the text of the error that refuses to pickle shows the value",
        due="a sentence without it",
        read='"Exercise 03-2", the first rule: nothing else shows the value',
    )


def test_03_2_equal_if_the_values_are(lesson: SimpleNamespace) -> None:
    accents = "pässwörd✓"
    cases = {
        "the same value": (TOKEN, TOKEN, True),
        "different values": (TOKEN, OTHER, False),
        "a value and its beginning": (TOKEN, TOKEN[:-1], False),
        "the beginning of a value and the value": (TOKEN[:-1], TOKEN, False),
        "values that differ in capitals": (TOKEN, TOKEN.swapcase(), False),
        "values that differ in a space": (TOKEN, TOKEN + " ", False),
        "the same value with ä and ✓ in it": (accents, accents, True),
        "values that differ in ä and ü": (accents, accents.replace("ä", "ü"), False),
    }
    for case, (one, other, equal) in cases.items():
        said = _result(partial(eq, lesson.Secret(one), lesson.Secret("".join(other))))
        assert said is equal, wrong(
            "not-equal" if one.isascii() else "ascii-only",
            seen=f"comparing two secrets with {case} {_hidden(_gave(said))}",
            due=f"{equal}: the values decide, whole; hmac.compare_digest takes more than ASCII as bytes only",
            read='"Exercise 03-2", the last rule',
        )
    secret = lesson.Secret(TOKEN)
    said = [_result(lambda: secret == TOKEN), _result(lambda: secret == None), _result(lambda: secret != 3)]  # noqa: E711
    assert said == [False, False, True], wrong(
        "equals-text",
        seen=f"a secret compared with its plain value, with None and with 3 (by !=) gave {_hidden(said)}",
        due="[False, False, True]: only a Secret can be equal to a Secret",
        read='"Exercise 03-2", the last rule',
    )


def test_03_2_the_comparison_takes_the_same_time(lesson: SimpleNamespace) -> None:
    steps: list[str] = []
    text, content = _watched(str, steps), _watched(bytes, steps)
    text.__str__ = lambda self: self
    text.encode = lambda self, *how: content(str.encode(self, *how))
    counts = []
    for other in ("x" + TOKEN[1:], TOKEN[:-1] + "x"):
        steps.clear()
        _result(partial(eq, lesson.Secret(text(TOKEN)), lesson.Secret(text(other))))
        counts.append(len(steps))
        assert "compared" not in steps, wrong(
            "early-exit",
            seen="the values were compared with ==, or in a similar way that stops at the first letter that differs",
            due="hmac.compare_digest(one.encode(), other.encode()): how long it takes tells nothing",
            read='"Exercise 03-2", the last rule',
        )
    assert counts[0] == counts[1], wrong(
        "early-exit",
        seen=f"{counts[0]} letters were read where the first one differs, {counts[1]} where the last one does",
        due="hmac.compare_digest(one.encode(), other.encode()): how long it takes tells nothing",
        read='"Exercise 03-2", the last rule',
    )


def _watched(base: Any, steps: list[str]) -> Any:
    """str or bytes that writes into `steps` who compares it, and each of its parts that is looked at."""

    def noted(name: str, step: str) -> Any:
        def method(self: Any, *given: Any) -> Any:
            steps.append(step)
            return getattr(base, name)(self, *given)

        return method

    def parts(self: Any) -> Iterator[Any]:
        for part in base.__iter__(self):
            steps.append("read")
            yield part

    compares = ("__eq__", "__ne__", "__contains__", "startswith", "endswith", "find", "index", "removeprefix")
    members = {name: noted(name, "compared") for name in compares}
    members |= {"__getitem__": noted("__getitem__", "read"), "__iter__": parts, "__hash__": base.__hash__}
    return type("Watched", (base,), members)


# --- 03-3 ignore_gaps ---------------------------------------------------------------------------------------


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository without gaps."""
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "--quiet", "--template=")
    _write(root, ".gitignore", ".env\n.env.*\n!.env.example\n")
    _write(root, ".env.example", "HF_TOKEN=hf_" + 34 * "x" + "\nMODE=fast\nAPI_KEY=\nOLD_TOKEN\n")
    return root


def _gaps(lesson: SimpleNamespace, repo: Path) -> Any:
    gaps = _result(lambda: lesson.ignore_gaps(repo))
    assert not _holds_part(str(gaps)), wrong(
        "gap-shows-value",
        seen="one of your texts holds a value, or a part of it",
        due="the name of the variable alone: the list will be printed",
        read='"Exercise 03-3", the table',
    )
    assert not isinstance(gaps, list) or gaps == sorted(gaps), wrong(
        "unsorted",
        seen=f"you returned, in this order, {gaps}",
        due="a sorted list: then two runs can be compared",
        read='"Exercise 03-3", its first lines',
    )
    return gaps


def test_03_3_no_gaps_is_an_empty_list(lesson: SimpleNamespace, repo: Path) -> None:
    _write(repo, ".env", f"HF_TOKEN={LETTERS}")
    git(repo, "add", ".env.example")

    gaps = _gaps(lesson, repo)

    assert gaps == [], wrong(
        "false-alarm",
        seen="for a repository in which .env is ignored, and .env.example is tracked and holds a placeholder, "
        f"you {_gave(gaps)}",
        due="[]: an empty value, none at all, a placeholder and a setting such as MODE=fast are no secrets",
        read='"Exercise 03-3", the table and the rules',
    )


def test_03_3_a_file_that_git_would_take_is_a_gap(lesson: SimpleNamespace, repo: Path) -> None:
    _write(repo, ".gitignore", "")
    gaps = _gaps(lesson, repo)
    assert gaps == ["not ignored: .env"], wrong(
        "only-existing",
        seen=f"without a rule for .env, which does not exist yet, you {_gave(gaps)}",
        due="['not ignored: .env']: whoever makes it tomorrow will commit it",
        read='"Exercise 03-3": whether it exists or not',
    )
    _write(repo, ".gitignore", ".env\n")
    names = [".env.local", "service/.env.production", "service/deep/er/.env.x"]
    for name in names:
        _write(repo, name, f"HF_TOKEN={LETTERS}")
    gaps = _gaps(lesson, repo)
    due = [f"not ignored: {name}" for name in names]
    assert gaps == due, wrong(
        "misses-file",
        seen=f"with the one rule .env, and files {', '.join(names)}, you {_gave(gaps)}",
        due=f"{due}: the rule means that one name",
        read='"What git takes", and the rule on secret files in "Exercise 03-3"',
    )


def test_03_3_git_is_asked_for_its_rules(lesson: SimpleNamespace, repo: Path) -> None:
    _write(repo, ".gitignore", "*\n!.env.example\n!/service/\n!service/.env\n")
    _write(repo, "deep/.gitignore", "")
    _write(repo, "deep/.env", "A=1")
    _write(repo, "service/.env", "A=1")

    gaps = _gaps(lesson, repo)

    assert gaps == ["not ignored: service/.env"], wrong(
        "reads-the-rules-itself",
        seen=f"with rules for all files and an exception (!service/.env) you {_gave(gaps)}",
        due="['not ignored: service/.env']: git check-ignore knows what patterns and exceptions mean together",
        read='"What git takes": ask git check-ignore',
    )


def test_03_3_a_tracked_file_is_a_gap_of_its_own(lesson: SimpleNamespace, repo: Path) -> None:
    names = [".env", "größe ß/.env.local", "service/.env"]
    for name in names:
        _write(repo, name, f"HF_TOKEN={LETTERS}")
    git(repo, "add", "--force", *names)
    (repo / ".env").unlink()

    gaps = _gaps(lesson, repo)

    assert gaps == [f"tracked: {name}" for name in names], wrong(
        "misses-tracked",
        seen=f"with {', '.join(names)} tracked, although a rule names them, and .env deleted since, you {_gave(gaps)}",
        due="tracked, for each of the three, and nothing else: for a tracked file no rule counts",
        read='"What git takes": a file that git already tracks; -z gives names as they are',
    )


def test_03_3_names_that_only_look_alike_are_none(lesson: SimpleNamespace, repo: Path) -> None:
    _write(repo, ".gitignore", ".env\n")
    for name in (".envrc", "docs/.env.example", ".env.d/notes.txt", ".git/.env.bak", "my.env"):
        _write(repo, name, "HF_TOKEN=\n")
    _write(repo, ".github/.env.ci", "A=1")

    gaps = _gaps(lesson, repo)

    assert gaps == ["not ignored: .github/.env.ci"], wrong(
        "wrong-names",
        seen="with .github/.env.ci, and beside it .envrc, my.env, docs/.env.example, a folder .env.d and a file inside "
        f".git, you {_gave(gaps)}",
        due="the first one: a secret file is named .env or .env.something, is a file, no example, and not in .git",
        read='"Exercise 03-3", the rule on secret files',
    )


def test_03_3_the_example_is_looked_at(lesson: SimpleNamespace, repo: Path) -> None:
    (repo / ".env.example").rename(repo / "example")
    _write(repo, "docs/.env.example", "HF_TOKEN=\n")
    gaps = _gaps(lesson, repo)
    assert gaps == ["missing: .env.example"], wrong(
        "misses-example",
        seen=f"with a .env.example in docs, and none beside .gitignore, you {_gave(gaps)}",
        due="['missing: .env.example']: whoever clones has to guess the names",
        read='"Exercise 03-3", the third row of the table',
    )
    names = ["API_KEYS_2", "HF_TOKEN", "client_secret", "db_password"]
    _write(repo, ".env.example", "MODE=fast\n" + "".join(f"{name}={LETTERS}\n" for name in reversed(names)))
    gaps = _gaps(lesson, repo)
    assert gaps == [f"value in .env.example: {name}" for name in names], wrong(
        "misses-value",
        seen=f"with values for MODE, {', '.join(names)} in .env.example you {_gave(gaps)}",
        due="all of them but MODE: the name holds a word of SECRET_WORDS, anywhere, in capitals or not",
        read='"Exercise 03-3", the last rule',
    )
    _write(repo, "a/.env", f"HF_TOKEN={LETTERS}")
    git(repo, "add", "--force", "a/.env")
    _write(repo, ".gitignore", "")
    gaps = _gaps(lesson, repo)
    due = ["not ignored: .env", "tracked: a/.env", *(f"value in .env.example: {name}" for name in names)]
    assert gaps == due, wrong(
        "misses-file",
        seen=f"for a repository with gaps of three kinds you {_gave(gaps)}",
        due=f"all of them: {due}",
        read='"Exercise 03-3", the table',
    )


# --- 03-4 find_tokens ---------------------------------------------------------------------------------------


def _found(lesson: SimpleNamespace, root: Path) -> Any:
    """What find_tokens returns, as tuples, or the error that it raises."""
    leaks = _result(lambda: lesson.find_tokens(root))
    assert not isinstance(leaks, GitFailed) or (root / ".git").exists(), wrong(
        "no-repository",
        seen="you called added_lines(root) where there is no root/.git",
        due="the files alone where no root/.git exists: there is no history",
        read='"Exercise 03-4", the paragraph on history',
    )
    if isinstance(leaks, Exception):
        return leaks
    assert not _has_secret(repr(leaks)), wrong(
        "leak-shows-value",
        seen="a Leak in your list shows the token",
        due="path, place, kind and commit: the list will be printed",
        read='"Exercise 03-4", its first lines',
    )
    found = [(leak.path, leak.place, leak.kind, leak.commit) for leak in leaks]
    beginnings = [str(path) for path, *_ in found if str(path).startswith((str(root), root.as_posix()))]
    assert not beginnings, wrong(
        "whole-path",
        seen=f"the path of a Leak begins with root: {', '.join(beginnings[:1]).replace(str(root), '...')}",
        due="relative to root: file.relative_to(root).as_posix(), so that the list says the same on every machine",
        read='"Exercise 03-4", the first rule on files',
    )
    assert leaks == sorted(set(leaks)), (
        wrong(  # a tuple is not equal to a list either
            "not-sorted",
            seen=f"you returned a {type(leaks).__name__} with these paths and places, in this order: "
            f"{', '.join(' '.join(parts[:2]) for parts in found)}",
            due="sorted(...), a list, and each Leak once: then two runs can be compared",
            read='"Exercise 03-4", its first lines',
        )
    )
    return found


def test_03_4_a_text_file_tells_its_line(lesson: SimpleNamespace, tmp_path: Path) -> None:
    _write(tmp_path, "src/app.py", f"import os\n\nTOKEN = '{TOKEN}'\nAGAIN = '{TOKEN}'; THIRD = '{OTHER}'\n")
    for name in ("b.txt", "a/c", ".env"):
        _write(tmp_path, name, TOKEN)
    _write(tmp_path, "empty.txt", "")
    (tmp_path / "folder.ipynb").mkdir()

    found = _found(lesson, tmp_path)

    due = [(name, "line 1", "user token", "") for name in (".env", "a/c", "b.txt")]
    due += [("src/app.py", "line 3", "user token", ""), ("src/app.py", "line 4", "user token", "")]
    assert found == due, wrong(
        "wrong-line",
        seen="for src/app.py with a token in line 3 and two in line 4, the files .env, a/c and b.txt with one each, an "
        f"empty file and a folder named folder.ipynb you {_gave(found)}",
        due=f"{due}: every file counts, whatever its name, with the path relative to root",
        read='"Exercise 03-4", the first rule on files',
    )


_KINDS = {
    "CI token": "hf_jwt_" + f"eyJ{BODY}.{BODY}-_",
    "OAuth token": "hf_oauth_" + f"eyJ{BODY}.{BODY}-_",
    "organisation token": "api_org_" + BODY,
    "user token": TOKEN,
}
_FORMS = ("{}", "({})", "{},", "<b>{}</b>", "{}.", "https://me:{}@hub.test", "a=1&token={}&b", "'{}':")


def test_03_4_every_kind_is_found_wherever_it_stands(lesson: SimpleNamespace, tmp_path: Path) -> None:
    for kind, token in _KINDS.items():
        _write(tmp_path, "a.txt", "\n".join(form.format(token) for form in _FORMS))
        found = _found(lesson, tmp_path)
        for number, form in enumerate(_FORMS, start=1):
            assert ("a.txt", f"line {number}", kind, "") in found, wrong(
                "misses-kind",
                seen=f"a line with the {kind} in the form {form.format('...')} is not in your list",
                due=f"one Leak of the kind {kind}: digits, dots and signs beside it are no reason to miss it",
                read='"Find what is already there": what gitleaks\' rule misses, and kinds_in',
            )
    _write(tmp_path, "a.txt", " ".join(_KINDS.values()))
    found = _found(lesson, tmp_path)
    assert found == [("a.txt", "line 1", kind, "") for kind in _KINDS], wrong(
        "misses-kind",
        seen=f"for a line with one token of each kind you {_gave(found)}",
        due="four Leaks: kinds_in names all the kinds of a text",
        read='"Find what is already there", and "Exercise 03-4", the first rule on files',
    )


def _notebook(*outputs: dict[str, Any], source: str = "pass", title: str = "# Title") -> str:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": [title]},
        {"cell_type": "code", "metadata": {}, "source": [source], "outputs": list(outputs), "execution_count": 1},
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


_HIDING_PLACES = {
    "source": (_notebook(source=f"token = '{TOKEN}'"), 2),
    "prose": (_notebook(title=f"# {TOKEN}"), 1),
    "printed text": (_notebook({"output_type": "stream", "name": "stdout", "text": ["a\n", f"{TOKEN}\n"]}), 2),
    "result": (_notebook({"output_type": "execute_result", "data": {"text/html": [f"<b>{TOKEN}</b>"]}}), 2),
    "traceback": (_notebook({"output_type": "error", "evalue": "", "traceback": [f"\x1b[32m{TOKEN}\x1b[0m"]}), 2),
    "error value": (_notebook({"output_type": "error", "evalue": f"Bearer {TOKEN}", "traceback": []}), 2),
}


def test_03_4_a_notebook_tells_its_cell(lesson: SimpleNamespace, tmp_path: Path) -> None:
    for place, (content, _) in _HIDING_PLACES.items():
        _write(tmp_path, f"{place}.ipynb", content)

    found = _found(lesson, tmp_path)

    for place, (_, cell) in _HIDING_PLACES.items():
        mine = [leak for leak in found if leak[0] == f"{place}.ipynb"]
        assert mine == [(f"{place}.ipynb", f"cell {cell}", "user token", "")], wrong(
            "no-cell" if mine else "misses-output",
            seen=f"for a notebook with a token in the {place} of its cell {cell} your list has {mine}",
            due=f"one Leak with the place cell {cell}: cell_text gives all that a cell holds",
            read='"Exercise 03-4", the first and the last rule on files',
        )


def test_03_4_a_broken_notebook_is_a_text_file(lesson: SimpleNamespace, tmp_path: Path) -> None:
    for content in ("<<<<<<< ours\n" + TOKEN, f'\n["{TOKEN}"]', f'{{"cells":\n"{TOKEN}"', f'{{"old":\n"{TOKEN}"}}'):
        _write(tmp_path, "work.ipynb", content)

        found = _found(lesson, tmp_path)

        assert found == [("work.ipynb", "line 2", "user token", "")], wrong(
            "chokes-on-notebook",
            seen=f"for a file .ipynb that is no notebook, with a token in its second line, you {_gave(found)}",
            due="one Leak with the place line 2: it is read as a text file",
            read='"Exercise 03-4", the last rule on files',
        )


def test_03_4_binary_and_foreign_bytes_are_no_reason_to_stop(lesson: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"x" * 7999 + b"\0\n" + TOKEN.encode() + b"\n")
    (tmp_path / "late.log").write_bytes(b"x" * 8000 + b"\0\n" + TOKEN.encode() + b"\n")
    (tmp_path / "latin.txt").write_bytes(b"M\xfcller\n" + TOKEN.encode())

    found = _found(lesson, tmp_path)

    assert found == [(name, "line 2", "user token", "") for name in ("late.log", "latin.txt")], wrong(
        "chokes-on-bytes",
        seen="for latin.txt, which is no UTF-8, late.log with a zero byte after 8,000 others, and model.bin with one "
        f"after 7,999, a token in line 2 of each, you {_gave(found)}",
        due="a Leak for the first two: model.bin alone is binary, and other bytes are replaced (errors='replace')",
        read='"Exercise 03-4", the third rule on files',
    )


def test_03_4_of_a_huge_file_only_the_beginning_is_read(lesson: SimpleNamespace, tmp_path: Path) -> None:
    end = lesson.MAX_BYTES
    with (tmp_path / "huge.log").open("wb") as file:
        file.write(TOKEN.encode() + b"\n" + b"x" * 9000)
        for place, token in ((end - 40, TOKEN), (end + 40, _KINDS["CI token"])):
            file.seek(place)  # what was skipped holds zeros, and takes no time
            file.write(f"\n{token}\n".encode())
        file.truncate(12 * end)

    tracemalloc.start()
    try:
        found = _found(lesson, tmp_path)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert found == [("huge.log", f"line {number}", "user token", "") for number in (1, 3)], wrong(
        "not-the-beginning",
        seen=f"for a file of 60 MB with a token in line 1, one just before MAX_BYTES and one behind you {_gave(found)}",
        due="two Leaks, line 1 and line 3: the first MAX_BYTES are read, no less and no more",
        read='"Exercise 03-4", the second rule on files',
    )
    assert peak_bytes < 40_000_000, wrong(
        "reads-huge",
        seen=f"a file of 60 MB took {peak_bytes / 1_000_000:.0f} MB of memory",
        due="read(MAX_BYTES): a log may be larger than your memory",
        read='"Exercise 03-4", the second rule on files',
    )


@pytest.fixture
def history(tmp_path: Path) -> tuple[Path, list[str]]:
    """A repository whose tokens were taken out again, on the main branch and on another; and the two commits."""
    root = tmp_path / "history"
    root.mkdir()
    commits = []
    git(root, "init", "--quiet", "--template=", "--initial-branch=main")
    for branch, name in (("main", "app.py"), ("try", "other dir/t\u00e4st.py")):
        git(root, "checkout", "--quiet", "-B", branch)
        _write(root, name, f"TOKEN = '{TOKEN}'\nAGAIN = '{TOKEN}'\n")
        _commit(root)
        commits.append(git(root, "log", "-1", "--format=%h", "--abbrev=7").text.strip())
        _write(root, name, "TOKEN = None\n")
        _commit(root)
    git(root, "checkout", "--quiet", "main")
    return root, commits


def test_03_4_the_history_is_searched(lesson: SimpleNamespace, history: tuple[Path, list[str]], tmp_path: Path) -> None:
    root, commits = history
    due = [
        ("app.py", "history", "user token", commits[0]),
        ("other dir/t\u00e4st.py", "history", "user token", commits[1]),
    ]
    _write(root, ".git/notes.txt", TOKEN)
    _write(root, ".github/run.yml", TOKEN)

    found = _found(lesson, root)

    assert not isinstance(found, list) or ".git/notes.txt" not in [leak[0] for leak in found], wrong(
        "searches-git-folder",
        seen="a file inside .git is in your list",
        due="files outside .git: what git stores there is read through added_lines",
        read='"Exercise 03-4", its first lines',
    )
    assert found == [(".github/run.yml", "line 1", "user token", ""), *due], wrong(
        "no-history",
        seen="for a repository with a token in .github/run.yml, and tokens that were taken out again on two branches, "
        f"you {_gave(found)}",
        due=f"the file (.github is a folder like any other), and {due}: added_lines gives the lines of all branches",
        read='"Exercise 03-4", the paragraph on history',
    )
    _write(tmp_path, "second/.git", f"gitdir: {(root / '.git').as_posix()}\n")
    found = _found(lesson, tmp_path / "second")
    assert found == due, wrong(
        "git-is-a-file",
        seen=f"for a folder in which .git is a file, as in a second working tree of a repository, you {_gave(found)}",
        due=f"{due}: if root/.git exists, there is a history",
        read='"Exercise 03-4", its first lines',
    )


# --- 03-5 RedactingFilter -----------------------------------------------------------------------------------


class _Handler(logging.StreamHandler[StringIO]):
    """Lets an error out that the usual handler would print, with a traceback through our files."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        raise


def _logged(
    lesson: SimpleNamespace,
    write: Callable[[logging.Logger], None],
    formatter: logging.Formatter | None = None,
    after_another: bool = False,
) -> list[str]:
    """What two handlers of a parent, each with a filter, write for records of a child logger; an error as its text.

    after_another: a handler without a filter has formatted each record before.
    """
    parent, child = logging.Logger("app"), logging.Logger("app.hub")
    child.parent = parent
    if after_another:
        parent.addHandler(logging.StreamHandler(StringIO()))
    written = [StringIO(), StringIO()]
    for stream in written:
        handler = _Handler(stream)
        handler.setFormatter(formatter)
        handler.addFilter(lesson.RedactingFilter(*map(lesson.Secret, DOORS)))
        parent.addHandler(handler)
    error = _result(lambda: write(child))
    return [_gave(error)] * 2 if isinstance(error, Exception) else [stream.getvalue() for stream in written]


def test_03_5_redact_replaces_all_and_nothing_else(lesson: SimpleNamespace) -> None:
    door, other = DOORS
    cases = {
        "a configured value and a token": (f"a {door} b {TOKEN} c", "a *** b *** c"),
        "values that occur twice": (f"{door}{door}, {TOKEN} {TOKEN} {other}{other}", "******, *** *** ******"),
        "a value with signs that mean something in a pattern": (f"say {other}", "say ***"),
        "every shape of LOOKS_SECRET": (
            f"bearer a.b Basic c= hf_{'y' * 9} api_org_{BODY} x://u:p@h token=z&n=1",
            "bearer *** Basic *** *** *** x://***@h token=***&n=1",
        ),
        "no secret": (
            "took 3 % of https://hub.test/a@b, hf_ and token",
            "took 3 % of https://hub.test/a@b, hf_ and token",
        ),
    }
    for case, (text, due) in cases.items():
        said = _result(partial(lesson.RedactingFilter(*map(lesson.Secret, DOORS)).redact, text))
        assert said == due, wrong(
            "redact-wrong",
            seen=f"redact(...) of a text with {case} {_hidden(_gave(said))}",
            due=repr(due),
            read='"Exercise 03-5", the first rule',
        )
    nested = ["abcdefgh", "abcdefghijk", "abcdefghijklmn"]
    for values in (nested, nested[::-1]):
        said = _result(partial(lesson.RedactingFilter(*map(lesson.Secret, values)).redact, f"say {', '.join(nested)}!"))
        assert said == "say ***, ***, ***!", wrong(
            "longer-left",
            seen=f"with the configured values {', '.join(values)} redact(...) of a text with all of them {_gave(said)}",
            due="'say ***, ***, ***!': the longer ones first, else their ends remain",
            read='"Exercise 03-5", the first rule',
        )
    said = _result(lambda: lesson.RedactingFilter(lesson.Secret(""), lesson.Secret("abcdefgh")).redact("say abcdefgh"))
    assert said == "say ***", wrong(
        "empty-replaced",
        seen=f"with an empty configured value beside abcdefgh redact('say abcdefgh') {_gave(said)}",
        due="'say ***': an empty value is in every text, and hides nothing",
        read='"Exercise 03-5", the first rule',
    )
    said = _result(lambda: lesson.RedactingFilter().redact(f"say {TOKEN}"))
    assert said == "say ***", wrong(
        "nothing-configured",
        seen=f"without any configured value redact(...) of 'say <a token>' {_hidden(_gave(said))}",
        due="'say ***': LOOKS_SECRET alone",
        read='"Exercise 03-5", its first line: there may be no secrets at all',
    )


def test_03_5_an_ordinary_line_goes_through_as_it_is(lesson: SimpleNamespace) -> None:
    form = logging.Formatter("%(levelname)s %(name)s %(message)s")
    for level, name in ((logging.DEBUG, "DEBUG"), (logging.ERROR, "ERROR")):
        texts = _logged(lesson, methodcaller("log", level, "took %d %% of %s", 3, {"ms": 120}), form)
        assert texts == [f"{name} app.hub took 3 % of {{'ms': 120}}\n"] * 2, wrong(
            "changes-ordinary",
            seen=f"an ordinary log line of the level {name} was written as {texts[0]!r} and {texts[1]!r}",
            due="the same line: only secrets are replaced, and every record is let through (return True)",
            read='"Exercise 03-5", the first two rules',
        )


# Where the secret is -> what writes the line, and the line that is due.
_LOG_LINES: dict[str, tuple[Callable[[logging.Logger], None], str]] = {
    "the message": (lambda log: log.warning(f"sent {TOKEN}"), "sent ***"),
    "an argument": (lambda log: log.warning("sent %s", TOKEN), "sent ***"),
    "an argument with a number": (lambda log: log.warning("sent %s, %d %%", TOKEN, 3), "sent ***, 3 %"),
    "an argument with a name": (lambda log: log.warning("sent %(t)s", {"t": TOKEN}), "sent ***"),
    "message and argument together": (lambda log: log.warning("sent hf_%s", BODY), "sent ***"),
    "an object that is no text": (lambda log: log.warning({"t": TOKEN}), "{'t': '***'}"),
    "a header": (lambda log: log.warning("Authorization: Bearer %s", "abc"), "Authorization: Bearer ***"),
    "an address": (lambda log: log.warning("clone https://me:%s@hub.test/x", "pw"), "clone https://***@hub.test/x"),
    "configured values": (lambda log: log.warning("say %s, %s", *DOORS), "say ***, ***"),
}


def test_03_5_a_secret_in_a_line_is_replaced(lesson: SimpleNamespace) -> None:
    for where, (write, due) in _LOG_LINES.items():
        text = _logged(lesson, write)[0].rstrip("\n")
        assert text == due, wrong(
            "shows-in-line",
            seen=f"a log line with a secret in {where} was written as {_hidden(text)!r}",
            due=f"{due!r}: the finished text, message and arguments together, redacted",
            read='"Exercise 03-5", its rules',
        )


def test_03_5_arguments_that_do_not_fit_are_no_reason_to_stop(lesson: SimpleNamespace) -> None:
    calls: dict[str, tuple[Any, ...]] = {
        "too few arguments": ("sent %s, %s", TOKEN),
        "too many arguments": ("sent", TOKEN),
        "a text for a number": ("sent %d", TOKEN),
        "a name that is not given": ("sent %(x)s", {"t": TOKEN}),
        "a lonely % at the end": (f"sent {TOKEN} %", 1),
    }
    for what, call in calls.items():
        text = _logged(lesson, methodcaller("warning", *call))[0]
        assert text.startswith("sent") and "***" in text and not _has_secret(text), wrong(  # noqa: PT018 - one rule
            "arguments-do-not-fit",
            seen=f"for a log call with {what} {'a secret was written' if _has_secret(text) else _hidden(text)!r}",
            due="message and arguments as one text, redacted, and no error: a wrong log call must not end a program",
            read='"Exercise 03-5", the second rule',
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
    cases = {
        "a handler": _logged(lesson, _fail)[0],
        "the second of two handlers with such a filter": _logged(lesson, _fail)[1],
        "a handler behind one without a filter, which had set exc_text,": _logged(lesson, _fail, after_another=True)[0],
    }
    for handler, text in cases.items():
        assert not _has_secret(text), wrong(
            "traceback-shows",
            seen=f"a traceback that {handler} writes shows a secret: in the error, or in the one it is chained to",
            due="record.exc_text with the redacted traceback: a formatter writes that if it is set",
            read='"Exercise 03-5", the second rule; hint("03-5")',
        )
        whole = all(part in text for part in ("Traceback", "ValueError: Invalid header ***", "KeyError: '***'"))
        assert whole, wrong(
            "traceback-lost",
            seen=f"the traceback is not in what {handler} writes, or not whole",
            due="the traceback with its chained errors, *** in the place of the secrets, in every handler",
            read='"Exercise 03-5", the second rule',
        )


def test_03_5_a_stack_is_redacted(lesson: SimpleNamespace) -> None:
    def write(log: logging.Logger) -> None:
        record = log.makeRecord(log.name, 30, "", 0, "here", (), None, sinfo=f"Stack:\n  call('{TOKEN}')")
        log.handle(record)

    text = _logged(lesson, write)[0]

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
        return f"{record.getMessage()} {record.msg} {record.args} {error}{record.exc_text or ''}"


def test_03_5_a_formatter_of_its_own_finds_no_secret(lesson: SimpleNamespace) -> None:
    def write(log: logging.Logger) -> None:
        log.warning("sent %s", TOKEN)
        _fail(log)

    for after_another in (False, True):
        text = _logged(lesson, write, _OwnFormatter(), after_another)[0]

        assert not _has_secret(text), wrong(
            "record-keeps",
            seen="a formatter that looks at record.args, or formats record.exc_info itself, finds a secret"
            + " in a record whose exc_text another handler had set before" * after_another,
            due="no secret left in the record: args = (), exc_info = None, the finished texts in msg and exc_text",
            read='"Exercise 03-5", the second rule',
        )


# --- 03-6 rotate --------------------------------------------------------------------------------------------

A, B = "token-A", "token-B"


class _Hub:
    """A page with token-A on it, whose program uses it until token-B is verified. Each step takes 10 seconds.

    fail: the steps that fail; those in `late` have done their work before. used: seconds into the wait at which
    token-A is used, None if it is not; never: nobody has ever used it.
    """

    def __init__(self, lesson: SimpleNamespace, fail: set[str], late: bool, used: float | None, never: bool) -> None:
        self._lesson, self._fail, self._late, self._used, self._never = lesson, fail, late, used, never
        self.alive = {A: TOKEN}
        self.steps: list[str] = []
        self.nameless = ""
        self.time, self.last = 1000.0, None if never else 990.0

    def create(self) -> Any:
        self.step("create", lambda: self.alive.update({B: OTHER}))
        return self._lesson.Entry(B, self._lesson.Secret(OTHER))

    def whoami(self, value: Any) -> str:
        text = value.reveal()
        name = next((name for name, known in self.alive.items() if known == text), "nobody")
        self.last = None if self._never else self.time  # the program still holds token-A
        self.step(f"whoami {name}")
        if name == "nobody":
            raise _Planned("refused")
        return "learner"

    def last_used(self, name: str) -> float | None:
        self._named("last_used", name)
        self.step(f"last_used {name}")
        return self.last if name == A else None

    def delete(self, name: str) -> None:
        self._named("delete", name)
        self.step(f"delete {name}", lambda: self.alive.pop(name))

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        if self._used is not None:
            self.last = self.time + self._used
        self.time += seconds
        self.step(f"wait {seconds:g}")

    def _named(self, method: str, name: object) -> None:
        if not isinstance(name, str):
            self.nameless = f"{method} with a {type(name).__name__}"
            raise TypeError(f"{method} takes the name of a token")

    def step(self, name: str, work: Callable[[], Any] = lambda: None) -> None:
        self.steps.append(name)
        self.time += 10
        fails = name in self._fail
        if self._late or not fails:
            work()
        if fails:
            raise _Planned(name)


class _Store:
    def __init__(self, hub: _Hub, entry: Any) -> None:
        self._hub, self.entry = hub, entry

    def read(self) -> Any:
        return self.entry

    def write(self, entry: Any) -> None:
        self._hub.step(f"write {entry.name}", lambda: setattr(self, "entry", entry))


class _Planned(Exception):
    """A failure that the check has planned."""


def _rotated(
    lesson: SimpleNamespace,
    fail: set[str] | None = None,
    *,
    late: bool = False,
    used: float | None = None,
    never: bool = False,
) -> SimpleNamespace:
    """What became of one rotation: steps, tokens alive, the name in the store, and what came back."""
    hub = _Hub(lesson, fail or set(), late, used, never)
    store = _Store(hub, lesson.Entry(A, lesson.Secret(TOKEN)))
    ended = _result(lambda: lesson.rotate(hub, store))
    assert not hub.nameless, wrong(
        "not-by-name",
        seen=f"you called {hub.nameless}",
        due="the name of the token: old.name, or new.name",
        read='"Exercise 03-6", its first lines, and the class Page',
    )
    return SimpleNamespace(steps=hub.steps, alive=sorted(hub.alive), held=store.entry.name, ended=ended)


def test_03_6_the_new_token_is_in_the_store_and_the_old_one_is_gone(lesson: SimpleNamespace) -> None:
    done = _rotated(lesson)

    assert not isinstance(done.ended, lesson.StillInUse), wrong(
        "noted-early",
        seen="the program used token-A while token-B was deployed and verified, not afterwards, and rotate "
        f"{_gave(done.ended)}",
        due="delete token-A: the time is noted after whoami, because until then its program may use it",
        read='"Exercise 03-6", step 3',
    )
    assert (done.held, done.ended) == (B, B), wrong(
        "not-deployed",
        seen=f"after rotate the store held {done.held}, and it {_hidden(_gave(done.ended))}; the steps were: "
        f"{', '.join(done.steps)}",
        due="token-B in the store, and its name returned",
        read='"Exercise 03-6", steps 1 and 2, and its first line',
    )
    assert done.alive == [B], wrong(
        "old-left",
        seen=f"after rotate these tokens worked: {', '.join(done.alive)}",
        due="token-B alone: token-A was not used any more",
        read='"Exercise 03-6", step 5',
    )
    order = [step for step in done.steps if step in (f"write {B}", f"whoami {B}", f"delete {A}")]
    assert order == [f"write {B}", f"whoami {B}", f"delete {A}"], wrong(
        "no-verify",
        seen=f"the steps were: {', '.join(done.steps)}",
        due="write token-B, then whoami with its value, then delete token-A",
        read='"Exercise 03-6", steps 2, 3 and 5',
    )
    end = [step for step in done.steps if step.startswith(("wait", "last_used", "delete"))][-3:]
    assert end == [f"wait {lesson.QUIET_SECONDS:g}", f"last_used {A}", f"delete {A}"], wrong(
        "no-watch",
        seen=f"the steps were: {', '.join(done.steps)}",
        due="wait(QUIET_SECONDS), then last_used of token-A, then delete: whoever still holds it shows up in that time",
        read='"Exercise 03-6", step 4',
    )


def test_03_6_a_token_in_use_is_not_deleted(lesson: SimpleNamespace) -> None:
    for used in (0.0, 60.0, lesson.QUIET_SECONDS):
        done = _rotated(lesson, used=used)

        assert (done.alive, done.held) == ([A, B], B), wrong(
            "deletes-in-use",
            seen=f"token-A was used {used:g} s after the noted time; afterwards these tokens worked: "
            f"{', '.join(done.alive)}, and the store held {done.held}",
            due="raise StillInUse and delete nothing: token-A and token-B both work, and token-B is in the store",
            read='"Exercise 03-6", step 4',
        )
        assert isinstance(done.ended, lesson.StillInUse) and A in str(done.ended), wrong(  # noqa: PT018
            "silent-in-use",
            seen=f"token-A was still in use, and rotate {_hidden(_gave(done.ended))}",
            due="raise StillInUse with the name of the old token: a person has to look",
            read='"Exercise 03-6", step 4, and the class StillInUse',
        )
        assert not _who_tells(done.ended), wrong(
            "in-use-shows-value",
            seen=f"{_who_tells(done.ended)} holds the value of a token",
            due="its name alone",
            read="the class StillInUse",
        )


def test_03_6_a_token_that_was_never_used_is_deleted(lesson: SimpleNamespace) -> None:
    done = _rotated(lesson, never=True)

    assert done.alive == [B], wrong(
        "never-used",
        seen=f"last_used of token-A was None (never), and rotate {_hidden(_gave(done.ended))}",
        due="delete token-A: None means that nobody used it",
        read="the class Page: last_used",
    )


def test_03_6_after_a_failure_the_store_holds_a_token_that_works(lesson: SimpleNamespace) -> None:
    deploying = [f"write {B}", f"whoami {B}"]
    watching = [f"wait {lesson.QUIET_SECONDS:g}", f"last_used {A}", f"delete {A}"]
    for step in ("create", *deploying, *watching):
        for late in (False, True):
            done = _rotated(lesson, {step}, late=late)
            what = f"the step {step} failed ({'after' if late else 'before'} it had done its work)"

            assert done.held in done.alive, wrong(
                "dead-store",
                seen=f"{what}, and then the store held {done.held}, which is dead; the steps: {', '.join(done.steps)}",
                due="a token that works, whenever it stops: put A back first, then delete B; never once A may be gone",
                read='"Exercise 03-6", the rules on failures',
            )
            assert isinstance(done.ended, _Planned), wrong(
                "failure-swallowed",
                seen=f"{what}, and rotate {_hidden(_gave(done.ended))}",
                due="its error, handed on: raise, without anything behind it",
                read='"Exercise 03-6": its error goes on to the caller',
            )
            if step in deploying:
                assert (done.held, done.alive) == (A, [A]), wrong(
                    "not-taken-back",
                    seen=f"{what}; then the store held {done.held}, and these tokens worked: {', '.join(done.alive)}",
                    due="token-A in the store, as nobody has verified B, and A alone: an unused token is a risk",
                    read='"Exercise 03-6", the rule on steps 2 and 3',
                )
            elif step != "create":
                assert A in done.alive or step == f"delete {A}", wrong(
                    "deletes-unseen",
                    seen=f"{what}, and token-A was deleted",
                    due="token-A left alone: nobody has seen that it is unused",
                    read='"Exercise 03-6", steps 4 and 5',
                )


def test_03_6_if_putting_back_fails_nothing_is_deleted(lesson: SimpleNamespace) -> None:
    for step in (f"write {B}", f"whoami {B}"):
        done = _rotated(lesson, {step, f"write {A}"}, late=step == f"write {B}")

        assert done.alive == [A, B], wrong(
            "deletes-what-the-store-holds",
            seen=f"the step {step} failed, putting token-A back failed too, and afterwards these tokens worked: "
            f"{', '.join(done.alive) or 'none'}",
            due="both: the store may hold the one or the other",
            read='"Exercise 03-6", the last rule',
        )
        assert isinstance(done.ended, _Planned), wrong(
            "failure-swallowed",
            seen=f"the step {step} failed, putting token-A back failed too, and rotate {_hidden(_gave(done.ended))}",
            due="one of the two errors, handed on: raise, without anything behind it",
            read='"Exercise 03-6": its error goes on to the caller',
        )


# --- 03-7 revoke_leaked -------------------------------------------------------------------------------------

HUB = "http://hub.test"
PATH = "/api/credentials/revoke"
REVOKE = HUB + PATH


def _not_revoked(lesson: SimpleNamespace, http: Any, what: str, name: str) -> None:
    """One request was sent, and it ended with NotRevoked, which holds no value."""
    http.calls.reset()
    ended = _result(lambda: lesson.revoke_leaked(HUB, lesson.Secret(TOKEN)))
    count = len(http.calls)
    assert count == 1, wrong(
        "more-than-one",
        seen=f"{what} you sent {count} requests",
        due="one request, allow_redirects=False, no second try: 307 would carry the body, token included, elsewhere",
        read='"Exercise 03-7", the first rule',
    )
    assert isinstance(ended, lesson.NotRevoked), wrong(
        name,
        seen=f"{what} you {_hidden(_gave(ended))}",
        due="raise NotRevoked: only 202 says that the report was taken, and the caller waits for this one error",
        read='"Exercise 03-7", the second rule',
    )
    holder = _who_tells(ended)
    assert not holder, wrong(
        "error-holds-value",
        seen=f"{what} {holder} holds the value",
        due="a sentence of your own, raised after the try or from None: errors of requests hold the request",
        read='"Exercise 03-7", the second rule',
    )


def test_03_7_the_report_arrives(lesson: SimpleNamespace, http: Any) -> None:
    for hub, value in ((HUB, TOKEN), ("http://other.test:8000", f'{BODY} "quoted" \\ é')):
        http.post(hub + PATH, status=202)
        http.calls.reset()

        ended = _result(partial(lesson.revoke_leaked, hub, lesson.Secret(value)))

        sent = [(call.request.url.partition("?")[0], _json(call.request.body)) for call in http.calls]
        assert sent == [(hub + PATH, {"credentials": [value]})], wrong(
            "wrong-report",
            seen=f"for the Hub at {hub} you sent {len(sent)} request(s): {_hidden(sent)}, and {_hidden(_gave(ended))}. "
            "(The second value has quotes in it)",
            due='one POST with the JSON {"credentials": [the value]}, made by json=',
            read='"Exercise 03-7", its first lines',
        )
        assert ended is None, wrong(
            "202-refused",
            seen=f"after 202 you {_hidden(_gave(ended))}",
            due="nothing: 202 says that the report was taken",
            read='"Exercise 03-7", its first lines',
        )
        request = http.calls[0].request
        credentials = [_plain(text) for text in request.headers.values()]
        assert BODY not in f"{request.url} {request.headers} {credentials}", wrong(
            "value-elsewhere",
            seen=f"the value is in {'the address' if BODY in request.url else 'a header'} of the request",
            due="in the body alone: no account is needed, and addresses are logged everywhere",
            read='"Exercise 03-7", the first rule',
        )
        assert request.req_kwargs.get("timeout"), wrong(
            "no-timeout-at-all",
            seen="the request was sent without a time-out",
            due="timeout=10, say: without it, requests waits for ever, and the token lives on",
            read='"Exercise 03-7", the first rule',
        )


def test_03_7_another_answer_is_an_error(lesson: SimpleNamespace, http: Any) -> None:
    http.post(f"{HUB}/elsewhere", status=202)
    http.get(f"{HUB}/elsewhere", status=202)
    for status in (200, 201, 302, 307, 400, 429, 503):
        more = {"headers": {"Location": f"{HUB}/elsewhere"}} if status in (302, 307) else {}
        http.upsert("POST", REVOKE, status=status, json={"error": f"not taken: {TOKEN}"}, **more)
        _not_revoked(lesson, http, f"on {status}, with the value in the answer,", "answer-ignored")


def test_03_7_no_answer_is_an_error(lesson: SimpleNamespace, http: Any) -> None:
    failures = (requests.ConnectionError, requests.ReadTimeout, requests.exceptions.ChunkedEncodingError)
    for failure in failures:

        def broken(request: requests.PreparedRequest, failure: type[requests.RequestException] = failure) -> Any:
            raise failure(f"could not send {request.body!r}", request=request)

        http.reset()
        http.add_callback("POST", REVOKE, broken)
        _not_revoked(lesson, http, f"on a network failure ({failure.__name__})", "network-escapes")


# --- how things are done and told ---------------------------------------------------------------------------


def _file(folder: Path, line: str, name: str = "app.env") -> Path:
    path = folder / name
    path.write_text(line + "\n", encoding="utf-8")
    return path


@contextmanager
def _forbidden(path: Path) -> Iterator[None]:
    """Opening `path` fails, as it does with a file of somebody else."""
    opened = open

    def refuse(name: Any, *rest: Any, **more: Any) -> Any:
        if isinstance(name, str | os.PathLike) and Path(name) == path:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(name, *rest, **more)

    with mock.patch("builtins.open", refuse), mock.patch("io.open", refuse):
        yield


def _write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8", newline="\n")


def _commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "-c", "user.name=Learner", "-c", "user.email=learner@course.test", "commit", "--quiet", "-m", "Change")


def _revealed(loaded: Any) -> Any:
    return _result(loaded.reveal) if hasattr(loaded, "reveal") else loaded


def _json(body: Any) -> Any:
    try:
        return json.loads(body)
    except (TypeError, ValueError):
        return "no JSON"


def _plain(header: str) -> str:
    """The credentials of a Basic header, readable; any other header as it is."""
    try:
        return base64.b64decode(header.removeprefix("Basic "), validate=True).decode(errors="replace")
    except ValueError:
        return header


class _Heard:
    """A stream that passes on what is written to it, and remembers it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self.text = stream, ""

    def write(self, text: str) -> int:
        self.text += text
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _result(call: Callable[[], Any]) -> Any:
    """What `call` returns, or the error it raises; what it prints must hold no secret."""
    out, err = _Heard(sys.stdout), _Heard(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        try:
            returned = call()
        except NotImplementedError:
            raise
        except Exception as error:
            returned = error
    assert not _has_secret(out.text + err.text), wrong(
        "prints-secret",
        seen="your code printed a value that nobody should see",
        due="nothing of it: what is printed stays in the notebook, in a log, on a shared screen",
        read="the rules of the exercise: nothing shows a value",
    )
    return returned


def _told(ended: object) -> str:
    """What load_token did, in words without a value."""
    if isinstance(ended, Exception):
        return _hidden(_gave(ended))
    known = {TOKEN: "the one value", OTHER: "the other value", "": "an empty value"}
    return f"returned {known.get(str(_revealed(ended)), 'another value than the one due')}"


def _gave(value: object) -> str:
    return f"raised {type(value).__name__}: {value}" if isinstance(value, Exception) else f"returned {value!r}"


def _hidden(value: object) -> str:
    text = str(value)
    for secret in (TOKEN, OTHER, *SECRETS):
        text = text.replace(secret, "<a secret>")
    return text


def _has_secret(text: str) -> bool:
    return any(secret in text for secret in SECRETS)


def _holds_part(text: str, secret: str = LETTERS, letters: int = 2) -> bool:
    return any(secret[start : start + letters] in text for start in range(len(secret) - letters + 1))


def _who_tells(error: BaseException | None, who: str = "your error") -> str:
    """Where an error collector would find a secret: in a text, an attribute, a request, or a chained error."""
    if error is None:
        return ""
    held = [*error.args, *vars(error).values(), getattr(error, "object", None), getattr(error, "request", None)]
    held += [getattr(item, "request", None) for item in held]
    texts = [str(error), repr(held), *(str(getattr(item, name, "")) for item in held for name in ("body", "text"))]
    if any(_holds_part(text) or _holds_part(text, BODY, 3) or _holds_part(text, OTHER[3:], 3) for text in texts):
        return who
    chained = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return _who_tells(chained, "an error chained to yours")
