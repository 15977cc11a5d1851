"""Write a file whole or not at all, and tell whether a person has changed it since."""

import hashlib
import os
import tempfile
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Put `text` into `path` in one step: a crash or a full disk leaves the old file as it was.

    Also right when two processes write at the same moment: the later one wins, whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=".", suffix=".tmp", delete=False, encoding="utf-8", newline="\n"
    ) as file:
        try:
            file.write(text)
            file.flush()
            os.chmod(file.name, mode)
        except BaseException:
            os.unlink(file.name)
            raise
    os.replace(file.name, path)


def marked(text: str, mark: str) -> str:
    """`text` below a line with its digest. mark: that line, {} where the digest stands."""
    return f"{mark.format(_digest(text))}\n{text}"


def is_untouched(path: Path, mark: str) -> bool:
    """Whether `path` may be replaced: there is nothing, or what `marked` made, and nobody changed it."""
    if not path.exists():
        return True
    first, _, rest = path.read_text(encoding="utf-8", errors="replace").partition("\n")
    return first == mark.format(_digest(rest))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
