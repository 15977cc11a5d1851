"""`python -m course ...`: works on a bare Python, makes the course's environment once, and goes on inside it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    # No new syntax here: an old Python must reach the line that tells it so.
    command = sys.argv[1:]
    if command == ["doctor"]:
        from course.doctor import doctor

        return doctor(ROOT)
    from course import environment

    if command == ["setup"]:
        return environment.setup(ROOT)
    if not environment.is_inside(ROOT):
        return environment.run_inside(ROOT, command)
    from course.cli import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
