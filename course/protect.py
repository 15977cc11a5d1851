"""Keep tokens out of commits: a git hook that looks at what is staged. `make protect` puts it in place.

The hook runs `python -m course.protect`, which imports nothing outside the standard library: a commit must not wait.
"""

import codecs
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.errors import CourseError
from course.git import git
from course.masking import mask
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


# The first bytes of texts that hold zero bytes, as PowerShell writes them. UTF-32 first: it begins as UTF-16 does.
_BYTE_ORDERS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SUBMODULE = "160000"


@dataclass(frozen=True)
class Find:
    """A token in something staged. The value is not kept, neither in a path that holds it.

    place: "line 3" or "cell 2", counted from 1, the metadata, or the name of the file. A cell is told with its first
    line, masked: JupyterLab numbers runs, not cells.
    """

    path: str
    place: str
    kind: str


def protect(root: Path) -> str:
    """Put the hook in place; return a sentence on what was done. A hook of somebody else is never touched.

    Raises NotProtected, and GitFailed without git or outside a repository.
    """
    hook = _place(root)
    if _is_there(hook) and not _is_ours(hook):
        raise NotProtected(
            f"There is already a hook with lines of your own, {hook}, and it stays as it is. {_by_hand()}"
        )
    hook.parent.mkdir(parents=True, exist_ok=True)
    hook.write_text(_HOOK, encoding="utf-8", newline="\n")
    hook.chmod(0o755)
    return (
        f"Protected: `git commit` now refuses tokens in what you staged. The hook: {_shown(hook, root)}. "
        "`make protect UNDO=1` ends that."
    )


def unprotect(root: Path) -> str:
    """Remove our hook; return a sentence. Raises NotProtected if the hook is not ours."""
    hook = _place(root)
    if not _is_there(hook):
        return "There was no hook; nothing to undo."
    if not _is_ours(hook):
        raise NotProtected(f"{hook} is not ours, so it stays. Take the line with `{_COMMAND}` out of it yourself.")
    hook.unlink()
    return "The hook is removed: `git commit` looks for nothing now."


def find_staged(root: Path) -> list[Find]:
    """The tokens in what the next commit would take from the repository at `root`, in contents and names of files.

    Looks at the staged content, whatever the working folder holds by now. Raises GitFailed. Left out: binary files, the
    message of the commit, the commits inside a submodule, and what lies in the commit that `--amend` replaces.
    """
    raw = ("diff", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--diff-filter=AMT")
    parts = git(root, *raw, plain=False).names
    finds: list[Find] = []
    for about, path in zip(parts[::2], parts[1::2], strict=True):
        _, mode, _, name, _ = about.split(" ")
        # By its name in git: a path may hold bytes, or begin in a way, that git would take for something else.
        content = b"" if mode == _SUBMODULE else git(root, "cat-file", "blob", name, plain=False).output
        finds += _find(path, content)
    return finds


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


def _shown(hook: Path, root: Path) -> str:
    if hook.is_relative_to(root):
        return hook.relative_to(root).as_posix()
    return f"{hook}, for all working trees of this repository"


def _by_hand(folder: Path = Path()) -> str:
    go = f"cd '{folder.as_posix()}' && " if folder.parts else ""
    return f"Add this line to your own pre-commit hook: {go}.venv/bin/python {_COMMAND} || exit 1"


def _is_there(hook: Path) -> bool:
    return hook.exists() or hook.is_symlink()  # a link to nowhere, too: writing would make its target


def _is_ours(hook: Path) -> bool:
    """Whether `hook` is what we wrote, and nothing more: what somebody has added to it, or linked there, is theirs."""
    return hook.is_file() and not hook.is_symlink() and hook.read_text(encoding="utf-8", errors="replace") == _HOOK


def _find(path: str, content: bytes) -> list[Find]:
    parts = [("the name of the file", path), *_parts(path, _text(path, content))]
    shown = mask(path) if kinds_in(path) else path  # masking hides more than tokens, and people have to find the file
    return [Find(shown, place, kind) for place, part in parts for kind in kinds_in(part)]


def _text(path: str, content: bytes) -> str:
    """`content` as text, "" if it is binary."""
    encoding = next((name for mark, name in _BYTE_ORDERS.items() if content.startswith(mark)), None)
    binary = b"\0" in content[:8000]  # git's own rule
    if binary and encoding is None and not path.endswith(".ipynb"):
        return ""
    return content.decode(encoding or "utf-8", errors="replace")


def _parts(path: str, text: str) -> list[tuple[str, str]]:
    cells = _cells(text) if path.endswith(".ipynb") else []
    # Where no cell holds a token its lines may: in a key, or in a field that no notebook has.
    return cells if any(kinds_in(part) for _, part in cells) else _lines(text)


def _lines(text: str) -> list[tuple[str, str]]:
    return [(f"line {number}", line) for number, line in enumerate(text.split("\n"), start=1)]


def _cells(text: str) -> list[tuple[str, str]]:
    try:
        notebook = json.loads(text)
        cells = [
            (f"cell {number}{_beginning(cell)}", cell_text(cell))
            for number, cell in enumerate(notebook["cells"], start=1)
        ]
        return [*cells, ("metadata of the notebook", cell_text(notebook.get("metadata")))]  # what widgets hold
    except (ValueError, KeyError, TypeError, RecursionError):  # half written, in conflict, or no notebook
        return []


def _beginning(cell: Any) -> str:
    source = cell_text(cell.get("source")) if isinstance(cell, dict) else ""
    lines = mask(source).strip().splitlines()
    return f" (texts count, too; it begins {lines[0][:60]!r})" if lines else " (texts count, too; it is empty)"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CourseError as error:
        sys.exit(f"Not committed: {error}")
