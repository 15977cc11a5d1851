"""`make live-check`: compare the sandbox with Hugging Face itself, with your HF_TOKEN; CHAT=1 adds a call of one text
token. Exit code: 0 without a contradiction, 1 with one, 2 if the check could not be made.
"""

import os
import sys
from datetime import UTC, datetime

from course.exercises import ROOT
from course.own_token import own_token
from tests.live_check.comparison import FOLDER, LiveCheckError, live_check


def main() -> int:
    try:
        report, path = live_check(own_token(), datetime.now(UTC), ROOT / FOLDER, chat=os.environ.get("CHAT") == "1")
    except LiveCheckError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(report.contradictions)} contradictions; the report is {path.relative_to(ROOT)}")
    return int(bool(report.contradictions))


if __name__ == "__main__":
    sys.exit(main())
