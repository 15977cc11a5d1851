"""Keep tokens out of commits: a git hook that looks at what is staged. `make protect` puts it in place.

The hook runs `python -m course.protect`, which imports nothing outside the standard library: a commit must not wait.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from course.errors import CourseError
from course.git import git
from course.token_shapes import cell_text, kinds_in

_MARK = "# Written by `make protect`. `make protect UNDO=1` removes it; `git commit --no-verify` goes past it once."
_COMMAND = "-m course.protect"
_HOOK = f"""#!/bin/sh
{_MARK}
for python in .venv/bin/python .venv/Scripts/python.exe; do
    if [ -x "$python" ]; then exec "$python" {_COMMAND}; fi
done
echo "Not committed: .venv is missing, so nobody looked for tokens. Next: make protect, then commit again." >&2
exit 1
"""
_NEXT = """\
Next: take it out (in a notebook clear the output, too), save, `git add` the file again. A real token: revoke it first.
A sandbox token opens nothing, but nobody can see that from outside. No token at all? git commit --no-verify"""


class NotProtected(CourseError):
    """The hook was not put in place, or not removed; the text says why and what to do by hand."""


@dataclass(frozen=True)
class Find:
    """A token in something staged. place: "line 3", "cell 2" counted from 1, or the metadata. The value is not kept."""

    path: str
    place: str
    kind: str


def protect(root: Path) -> str:
    """Put the hook in place; return a sentence on what was done. A hook of somebody else is never touched.

    Raises NotProtected, and GitFailed without git or outside a repository.
    """
    hook = _place(root)
    if hook.exists() and _MARK not in hook.read_text(encoding="utf-8", errors="replace"):
        raise NotProtected(f"There is already a hook of your own, {hook}, and it stays as it is. {_by_hand()}")
    hook.parent.mkdir(parents=True, exist_ok=True)
    hook.write_text(_HOOK, encoding="utf-8", newline="\n")
    hook.chmod(0o755)
    return "Protected: `git commit` now refuses tokens in what you staged. `make protect UNDO=1` ends that."


def unprotect(root: Path) -> str:
    """Remove our hook; return a sentence. Raises NotProtected if the hook is not ours."""
    hook = _place(root)
    if not hook.exists():
        return "There was no hook; nothing to undo."
    if _MARK not in hook.read_text(encoding="utf-8", errors="replace"):
        raise NotProtected(f"{hook} is not ours, so it stays. Take the line with `{_COMMAND}` out of it yourself.")
    hook.unlink()
    return "The hook is removed: `git commit` looks for nothing now."


def find_staged(root: Path) -> list[Find]:
    """The tokens in what the next commit would take from the repository at `root`; binary files are passed over.

    Looks at the staged content, whatever the working folder holds by now. Raises GitFailed.
    """
    staged = git(root, "diff", "--cached", "--name-only", "-z", "--no-renames", "--diff-filter=AMT", plain=False)
    return [found for path in staged.names for found in _find(path, _content(root, path))]


def main() -> int:
    """The hook itself: 1 and the reason on standard error if a token is staged, else 0."""
    found = find_staged(Path.cwd())
    if not found:
        return 0
    print("Not committed: this looks like a Hugging Face token, in what you staged.", file=sys.stderr)
    for one in found:
        print(f"  {one.path}, {one.place}: {one.kind}", file=sys.stderr)
    print(_NEXT, file=sys.stderr)
    return 1


def _place(root: Path) -> Path:
    """Where git looks for the hook of the repository at `root`; NotProtected where that is not ours to write to."""
    top = Path(git(root, "rev-parse", "--show-toplevel", plain=False).text.rstrip("\n"))
    if not top.samefile(root):
        raise NotProtected(f"The course lies inside another repository, {top}. {_by_hand(root.relative_to(top))}")
    elsewhere = git(root, "config", "--get", "core.hooksPath", accept=(0, 1), plain=False).text.strip()
    if elsewhere:  # it may serve all repositories of this person
        raise NotProtected(
            f"Your git takes hooks from {elsewhere} (core.hooksPath); nothing is written there. {_by_hand()}"
        )
    return root / git(root, "rev-parse", "--git-path", "hooks/pre-commit", plain=False).text.rstrip("\n")


def _by_hand(folder: Path = Path()) -> str:
    go = f"cd '{folder.as_posix()}' && " if folder.parts else ""
    return f"Add this line to your own pre-commit hook: {go}.venv/bin/python {_COMMAND} || exit 1"


def _content(root: Path, path: str) -> bytes:
    # A submodule is staged as a commit, which has no content here: git then ends with 128.
    return git(root, "cat-file", "blob", f":{path}", accept=(0, 128), plain=False).output


def _find(path: str, content: bytes) -> Iterator[Find]:
    if b"\0" in content[:8000]:  # git's own rule for binary files
        return
    text = content.decode("utf-8", errors="replace")
    for place, part in _cells(text) if path.endswith(".ipynb") else _lines(text):
        for kind in kinds_in(part):
            yield Find(path, place, kind)


def _lines(text: str) -> list[tuple[str, str]]:
    return [(f"line {number}", line) for number, line in enumerate(text.split("\n"), start=1)]


def _cells(text: str) -> list[tuple[str, str]]:
    try:
        notebook = json.loads(text)
        cells = [(f"cell {number}", cell_text(cell)) for number, cell in enumerate(notebook["cells"], start=1)]
        return [*cells, ("metadata of the notebook", cell_text(notebook.get("metadata")))]  # what widgets hold
    except (ValueError, KeyError, TypeError, RecursionError):  # half written, or in conflict
        return _lines(text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CourseError as error:
        sys.exit(f"Not committed: {error}")
