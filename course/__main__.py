"""`python -m course ...`: works on a bare Python, makes the course's environment once, and goes on inside it."""

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
    from course import environment

    if not environment.is_inside(ROOT):
        return environment.run_inside(ROOT, sys.argv[1:])
    if command == "lab":
        from course.lab import open_lab

        return open_lab(ROOT, browser="--no-browser" not in sys.argv)
    if command == "bench":
        from course.bench import bench

        return bench(ROOT)
    from course.cli import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
