"""A small git repository with planted leaks, for exercises. Its tokens are put together here, so no file holds one."""

import json
from pathlib import Path

from course.errors import CourseError
from course.git import git

_AUTHOR = {"name": "Learner", "email": "learner@course.test"}


class NotEmpty(CourseError):
    """There are files where the sample repository was to be made; nothing was written."""


def fake_token(seed: str, prefix: str = "hf_", length: int = 34) -> str:
    """A text in the shape of a token, which opens nothing anywhere: `prefix`, then `seed` over and over."""
    return prefix + (f"Fake{seed}" * length)[:length]


def build(folder: Path) -> Path:
    """Make the repository in `folder`, an empty one; return it. The same commits on every machine.

    Planted: a token in .env (where it may be) and in .env.local (which git would take), a value in .env.example, an
    address with a token in README.md, a traceback in explore.ipynb, an OAuth and a CI token in ci.log, and a token that
    only the history of config.py still holds. model.bin is binary.
    Raises NotEmpty, because a .env or a README.md of somebody would be replaced, and GitFailed.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise NotEmpty(
            f"{folder} is not empty, and nothing in it is touched. Give build() a new folder: tempfile.mkdtemp()"
        )
    git(folder, "init", "--quiet", "--template=", "--initial-branch=main")
    for name, value in _AUTHOR.items():
        git(folder, "config", f"user.{name}", value)
    _write(folder, "config.py", f'HF_TOKEN = "{fake_token("Old")}"\n')
    _write(folder, ".gitignore", ".env\n")
    _commit(folder, "Add a configuration", "2026-10-05T09:00:00Z")
    _write(folder, "config.py", 'import os\n\nHF_TOKEN = os.environ["HF_TOKEN"]\n')
    _write(folder, "README.md", f"# Demo\n\ngit clone https://learner:{fake_token('Url')}@hub.test/learner/demo\n")
    _write(folder, ".env.example", f"HF_TOKEN={fake_token('Example')}\nHF_HUB_OFFLINE=0\n")
    _write(folder, "explore.ipynb", json.dumps(_notebook(), indent=1) + "\n")
    (folder / "model.bin").write_bytes(b"\x00\x01" * 2000)
    _commit(folder, "Take the token out of the code", "2026-10-06T09:00:00Z")
    _write(folder, ".env", f"HF_TOKEN={fake_token('Mine')}\n")
    _write(folder, ".env.local", f"HF_TOKEN={fake_token('Local')}\n")
    ci = (fake_token("Ci", "hf_jwt_", 60), fake_token("Login", "hf_oauth_", 60))
    _write(folder, "ci.log", f"minted {ci[0]}, valid 60 minutes\nlogged in ({ci[1]})\n")
    return folder


def _notebook() -> dict[str, object]:
    """Two cells; the second one failed, and its traceback quotes a header, in colour, as a terminal would."""
    cells = [
        _cell("import requests\n", []),
        _cell(
            "requests.get(url, headers=headers)\n",
            [
                {
                    "output_type": "error",
                    "ename": "InvalidHeader",
                    "evalue": "Invalid header value",
                    "traceback": [f"\x1b[31mInvalidHeader\x1b[0m: Bearer \x1b[32m{fake_token('Trace')}\x1b[0m\\n"],
                }
            ],
        ),
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def _cell(source: str, outputs: list[dict[str, object]]) -> dict[str, object]:
    return {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": outputs, "source": [source]}


def _write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _commit(folder: Path, message: str, date: str) -> None:
    git(folder, "add", "--all")
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}  # so that the commit has the same name everywhere
    git(folder, "commit", "--quiet", f"--message={message}", variables=dates)
