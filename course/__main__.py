"""`python -m course ...`: works on a bare Python, makes the course's environment once, and goes on inside it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    # No new syntax here: an old Python must reach the line that tells it so.
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "doctor":
        from course.doctor import doctor

        return doctor(ROOT)
    if command == "setup":
        from course.environment import setup

        return setup(ROOT)
    if not _inside():
        return _again_inside()
    if command == "lab":
        from course.lab import open_lab

        return open_lab(ROOT, browser="--no-browser" not in sys.argv)
    if command == "bench":
        from course.bench import bench

        return bench(ROOT)
    from course.cli import run

    return run()


def _inside() -> bool:
    return Path(sys.prefix).resolve() == (ROOT / ".venv").resolve()


def _again_inside() -> int:
    from course.environment import ensure
    from course.setup_problems import SetupError

    try:
        python = ensure(ROOT)
    except SetupError as error:
        sys.stderr.write(str(error) + "\n")
        return 1
    try:
        return subprocess.call([str(python), "-m", "course"] + sys.argv[1:])  # noqa: RUF005 - old syntax, see above
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
