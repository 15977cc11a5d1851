"""The hook of `make protect`: it refuses a staged token, shows no value, and touches nobody else's hook."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from course import cli, protect
from course.exercises import ROOT
from course.git import GitFailed, git
from course.sample_repository import NotEmpty, build, fake_token
from course.token_shapes import SHAPES, cell_text, kinds_in

TOKEN = fake_token("Test")
VARIABLES = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: apt-get install git")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the course's program in it and a Python in .venv, as after `make protect` on a fresh clone."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    root = tmp_path / "clone"
    shutil.copytree(ROOT / "course", root / "course", ignore=shutil.ignore_patterns("__pycache__", "sandbox", "web"))
    (root / ".gitignore").write_text(".venv\n__pycache__\n")
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{Path(sys.executable).as_posix()}" "$@"\n', newline="\n")
    python.chmod(0o755)
    git(root, "init", "--quiet", "--template=", "--initial-branch=main")
    for name, value in (("name", "Learner"), ("email", "learner@course.test")):
        git(root, "config", f"user.{name}", value)
    return root


def commit(root: Path, **files: str) -> subprocess.CompletedProcess[str]:
    """What `git commit` answers after `files` were written and staged; "__" in a name stands for a dot."""
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text, encoding="utf-8")
    subprocess.run(["git", "add", "--all"], cwd=root, check=True)
    return subprocess.run(["git", "commit", "-m", "Try"], cwd=root, capture_output=True, text=True, check=False)


def notebook(source: str = "", **output: object) -> str:
    outputs = [output] if output else []
    cells = [
        {"cell_type": "markdown", "source": "# Title"},
        {"cell_type": "code", "source": source, "outputs": outputs},
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def test_clean_work_goes_through(clone: Path) -> None:
    protect.protect(clone)

    ran = commit(clone, notes__md="a placeholder hf_" + 34 * "x", work__ipynb=notebook("print(1)", text=["1"]))

    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("hf_client.py", f"first\nHF_TOKEN={TOKEN}\n", "line 2: user token"),
        ("ci.log", "minted " + fake_token("Ci", "hf_jwt_", 60), "line 1: CI token"),
        (
            "work.ipynb",
            notebook(f'token = "{TOKEN}"'),
            """cell 2 (texts count, too; it begins 'token = "hf_***"'): user token""",
        ),
        (
            "work.ipynb",
            notebook(output_type="stream", text=["a\n", f"{TOKEN}\n"]),
            "cell 2 (texts count, too; it is empty): user token",
        ),
        (
            "work.ipynb",
            notebook(output_type="execute_result", data={"text/plain": f"'{TOKEN}'"}),
            "cell 2 (texts count, too; it is empty): user token",
        ),
        (
            "work.ipynb",
            notebook(output_type="error", traceback=[f"\x1b[32m{TOKEN}\x1b[0m"]),
            "cell 2 (texts count, too; it is empty): user token",
        ),
        ("work.ipynb", json.dumps({"cells": [], "metadata": {"widgets": [TOKEN]}}), "metadata of the notebook: user"),
        ("work.ipynb", "<<<<<<< ours\n" + TOKEN, "line 2: user token"),
    ],
    ids=["text", "CI token", "source", "stream", "result", "traceback", "metadata", "notebook in conflict"],
)
def test_a_token_is_refused_with_its_place_and_without_its_value(
    clone: Path, name: str, content: str, place: str
) -> None:
    protect.protect(clone)

    ran = commit(clone, **{name.replace(".", "__"): content})

    assert ran.returncode == 1
    assert f"{name}, {place}" in ran.stderr
    assert "Next:" in ran.stderr
    assert "Fake" not in ran.stdout + ran.stderr


def test_what_is_staged_counts_and_not_what_lies_in_the_folder(clone: Path) -> None:
    protect.protect(clone)
    commit(clone, notes__md="clean")
    commit(clone, notes__md=TOKEN)
    (clone / "notes.md").write_text("mended, and not added again")

    again = subprocess.run(["git", "commit", "-m", "Try"], cwd=clone, capture_output=True, text=True, check=False)

    assert again.returncode == 1


def test_a_token_that_is_not_staged_keeps_nothing_back(clone: Path) -> None:
    protect.protect(clone)
    commit(clone, notes__md="clean")
    subprocess.run(["git", "commit", "--allow-empty", "-m", "Begin"], cwd=clone, check=True, capture_output=True)
    (clone / "notes.md").write_text(TOKEN)
    (clone / "other.md").write_text("clean")
    subprocess.run(["git", "add", "other.md"], cwd=clone, check=True)

    ran = subprocess.run(["git", "commit", "-m", "Other"], cwd=clone, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr


def test_commit_all_is_looked_at_too(clone: Path) -> None:
    """`git commit -a` stages into an index of its own, which only the variable GIT_INDEX_FILE names."""
    protect.protect(clone)
    commit(clone, notes__md="clean")
    (clone / "notes.md").write_text(TOKEN)

    ran = subprocess.run(["git", "commit", "-am", "All"], cwd=clone, capture_output=True, text=True, check=False)

    assert ran.returncode == 1


def test_taking_a_token_out_is_allowed_and_no_verify_goes_past(clone: Path) -> None:
    protect.protect(clone)
    commit(clone, notes__md=TOKEN)
    past = subprocess.run(["git", "commit", "--no-verify", "-qm", "Past"], cwd=clone, check=False)

    ran = commit(clone, notes__md="taken out")

    assert (past.returncode, ran.returncode) == (0, 0)


STRANGE_FILES = {
    "1:notes.md": TOKEN.encode(),  # git would read :1:notes.md as another version of notes.md
    "two\nlines and spaces.md": TOKEN.encode(),
    os.fsdecode(b"caf\xe9.md"): TOKEN.encode(),
    "powershell.txt": ("\ufeff" + TOKEN).encode("utf-16-le"),
    "wide.txt": ("\ufeff" + TOKEN).encode("utf-32-be"),
    "key.ipynb": json.dumps({"cells": [{"source": "", "metadata": {TOKEN: 1}}]}).encode(),
    "field.ipynb": json.dumps({"cells": [], "metadata": {}, "more": TOKEN}).encode(),
    "cells.ipynb": json.dumps({"cells": {"one": TOKEN}, "metadata": {}}).encode(),
    "text.ipynb": json.dumps({"cells": TOKEN}).encode(),
    "zero.ipynb": b"\0\n" + TOKEN.encode(),
}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_no_name_and_no_form_of_a_file_hides_a_token(clone: Path) -> None:
    for name, content in STRANGE_FILES.items():
        (clone / name).write_bytes(content)
    (clone / "link").symlink_to(TOKEN)
    git(clone, "add", "--all")
    git(clone, "update-index", "--add", "--cacheinfo", f"160000,{40 * '1'},submodule")

    found = {find.path: find.kind for find in protect.find_staged(clone)}

    assert found == dict.fromkeys([*STRANGE_FILES, "link"], "user token")


def test_a_token_in_the_name_of_a_file_is_refused_and_not_shown(clone: Path) -> None:
    protect.protect(clone)

    ran = commit(clone, **{f"{TOKEN} or so__md": "clean"})

    assert ran.returncode == 1
    assert "hf_*** or so.md, the name of the file: user token" in ran.stderr
    assert "Fake" not in ran.stdout + ran.stderr


def test_a_renamed_file_is_looked_at_again(clone: Path) -> None:
    commit(clone, notes__md=TOKEN)
    git(clone, "mv", "notes.md", "other.md")

    assert [find.path for find in protect.find_staged(clone)] == ["other.md"]


def test_binary_files_are_passed_over(clone: Path) -> None:
    (clone / "model.bin").write_bytes(b"\0\xff" * 50 + TOKEN.encode())
    git(clone, "add", "model.bin")

    assert protect.find_staged(clone) == []


def test_without_the_environment_the_hook_refuses_and_says_what_to_do(clone: Path) -> None:
    protect.protect(clone)
    shutil.rmtree(clone / ".venv")

    ran = commit(clone, notes__md="clean")

    assert ran.returncode == 1
    assert "make protect" in ran.stderr


def test_protecting_twice_and_undoing_leaves_nothing(clone: Path) -> None:
    hook = clone / ".git" / "hooks" / "pre-commit"
    protect.protect(clone)
    protect.protect(clone)

    assert os.access(hook, os.X_OK)
    protect.unprotect(clone)
    assert not hook.exists()
    assert "nothing to undo" in protect.unprotect(clone)


def test_where_the_hook_went_is_told(clone: Path, tmp_path: Path) -> None:
    commit(clone, notes__md="clean")
    git(clone, "worktree", "add", "--quiet", str(tmp_path / "second"))

    assert "The hook: .git/hooks/pre-commit. " in protect.protect(clone)
    assert "pre-commit, for all working trees of this repository" in protect.protect(tmp_path / "second")


def test_the_command_puts_the_hook_in_place_and_takes_it_away(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "ROOT", clone)
    hook = clone / ".git" / "hooks" / "pre-commit"

    done = CliRunner().invoke(cli.app, ["protect"])
    assert "Protected" in done.output
    assert hook.exists()

    undone = CliRunner().invoke(cli.app, ["protect", "--undo"])
    assert "removed" in undone.output
    assert not hook.exists()


def test_a_hook_of_the_learner_stays_and_they_hear_which_line_to_add(clone: Path) -> None:
    hook = clone / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 0\n")

    with pytest.raises(protect.NotProtected, match=r"\.venv/bin/python -m course\.protect"):
        protect.protect(clone)
    with pytest.raises(protect.NotProtected, match="not ours"):
        protect.unprotect(clone)

    assert hook.read_text() == "#!/bin/sh\nexit 0\n"


def test_what_somebody_added_to_our_hook_stays(clone: Path) -> None:
    hook = clone / ".git" / "hooks" / "pre-commit"
    protect.protect(clone)
    mine = hook.read_text() + "echo mine\n"
    hook.write_text(mine)

    for call in (protect.protect, protect.unprotect):
        with pytest.raises(protect.NotProtected):
            call(clone)

    assert hook.read_text() == mine


def test_a_hook_that_is_a_link_to_nowhere_makes_no_file(clone: Path, tmp_path: Path) -> None:
    hook = clone / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir()
    hook.symlink_to(tmp_path / "mine")

    for call in (protect.protect, protect.unprotect):
        with pytest.raises(protect.NotProtected):
            call(clone)

    assert not (tmp_path / "mine").exists()


def test_hooks_kept_elsewhere_are_respected(clone: Path, tmp_path: Path) -> None:
    git(clone, "config", "core.hooksPath", str(tmp_path / "all-my-hooks"))

    with pytest.raises(protect.NotProtected, match=r"core\.hooksPath"):
        protect.protect(clone)

    assert not (tmp_path / "all-my-hooks").exists()


def test_a_course_inside_another_repository_is_told_so(clone: Path) -> None:
    with pytest.raises(protect.NotProtected, match=r"cd 'course' && "):
        protect.protect(clone / "course")


def test_outside_a_repository_git_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    with pytest.raises(GitFailed, match="not a git repository"):
        protect.protect(tmp_path)


def test_a_missing_git_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(GitFailed, match="git is not installed"):
        build(tmp_path)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(GitFailed, match="is no folder"):
        git(tmp_path / "none", "status")


def test_the_sample_repository_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("mine")

    with pytest.raises(NotEmpty, match="not empty"):
        build(tmp_path)

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(".env", "mine")]


def test_the_sample_repository_is_the_same_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")

    commits = {git(build(tmp_path / name), "log", "--format=%H %an").text for name in ("one", "two")}

    assert len(commits) == 1
    assert "Somebody" not in commits.pop()


def test_each_kind_of_token_is_known_wherever_it_stands() -> None:
    body = "aB3" * 11 + "c"
    for kind, token in {
        "user token": "hf_" + body,
        "organisation token": "api_org_" + body,
        "OAuth token": "hf_oauth_" + f"{body}.{body}-_",
        "CI token": "hf_jwt_" + f"{body}.{body}-_",
    }.items():
        for text in (
            token,
            f"({token})",
            f"{token},",
            f"<{token}>",
            f"\\n{token}\\n",
            f"x://u:{token}@h",
            f"\x1b[3m{token}",
        ):
            assert kinds_in(text) == [kind], kind
    assert set(SHAPES) == {"user token", "organisation token", "OAuth token", "CI token"}
    for text in (
        "hf_" + 34 * "x",
        "hf_oauth_" + 34 * "X",
        "hf_hub_download(repo_id, filename)",
        "hf_oauth_expiration_minutes.py",
        "hf_jwt_validation_of_repositories()",
    ):
        assert kinds_in(text) == [], text


def test_a_cell_is_read_as_a_person_sees_it() -> None:
    assert cell_text({"source": ["a", "b"], "outputs": [{"traceback": ["\x1b[31mc\x1b[0m"]}], "n": 1}) == "ab\nc"
